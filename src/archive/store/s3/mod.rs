//! Amazon S3, and servers that speak like it, as an object store, on Amazon's own SDK.
//!
//! Objects are created under a condition (`If-None-Match: *`), which is what fences writers. Each put carries a token of its
//! own as metadata: when the SDK's retry of a put finds the name taken, the token tells whether it was by the first try.

mod attributes;
mod client;
mod counting;
mod errors;
mod location;
mod read;
mod sweep;
mod upload;

pub use location::S3Location;

use super::fault::Fault;
use super::meter::Meter;
use crate::clock::{Clock, SystemClock};
use async_trait::async_trait;
use attributes::{HeadersOf, attributes, token};
use aws_sdk_s3::Client;
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{Delete, ObjectIdentifier, ObjectLockMode, ServerSideEncryption, StorageClass};
use bytes::Bytes;
use errors::{said, status};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyMode, CopyOptions, Error, GetOptions, GetRange, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use read::Reading;
use std::sync::Arc;
use std::time::Duration;

const STORE: &str = "S3";
/// Objects that one request deletes.
const BATCH: usize = 1000;
/// Another put of the same name is under way (409): so often it is waited for.
const CONFLICTS: u32 = 8;

/// One prefix of one bucket. Cheap to clone.
#[derive(Debug, Clone)]
pub struct S3Store {
    client: Client,
    location: S3Location,
}

impl std::fmt::Display for S3Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "s3://{}/{}", self.location.bucket, self.location.prefix)
    }
}

impl S3Store {
    /// Asks nothing of the server yet.
    pub async fn new(location: S3Location, meter: Arc<Meter>) -> Self {
        Self { client: client::connect(&location, meter).await, location }
    }

    fn key(&self, path: &Path) -> String {
        self.location.key(path.as_ref())
    }

    /// A key of this prefix, relative to it.
    fn path(&self, key: &str) -> Option<Path> {
        let relative = match self.location.prefix.as_str() {
            "" => key,
            prefix => key.strip_prefix(prefix)?.strip_prefix('/')?,
        };
        Path::parse(relative).ok()
    }

    async fn put_once(&self, path: &Path, bytes: Bytes, opts: &PutOptions, mine: &str) -> Result<Option<PutResult>> {
        let mut request = self.placed(self.client.put_object().bucket(&self.location.bucket).key(self.key(path)))?;
        let headers = HeadersOf::try_from(&opts.attributes)?;
        request = request
            .set_cache_control(headers.cache_control)
            .set_content_disposition(headers.content_disposition)
            .set_content_encoding(headers.content_encoding)
            .set_content_language(headers.content_language)
            .set_content_type(headers.content_type)
            .set_metadata(Some(headers.metadata))
            .metadata(attributes::TOKEN, mine)
            .body(bytes.into());
        request = match &opts.mode {
            PutMode::Overwrite => request,
            PutMode::Create => request.if_none_match("*"),
            PutMode::Update(version) => request.set_if_match(version.e_tag.clone()),
        };
        let error = match request.send().await {
            Ok(done) => return Ok(Some(PutResult { e_tag: done.e_tag, version: done.version_id })),
            Err(error) => error,
        };
        match (status(&error), &opts.mode) {
            (409, _) => Ok(None),
            (412, PutMode::Create) => {
                let source = format!("it is there already in {self}").into();
                Err(Error::AlreadyExists { path: path.to_string(), source })
            }
            (404, PutMode::Update(_)) => {
                Err(Error::Precondition { path: path.to_string(), source: Box::new(said(path.as_ref(), error)) })
            }
            _ => Err(said(path.as_ref(), error)),
        }
    }

    /// What the URL asks for each object.
    fn placed(&self, request: PutObjectFluentBuilder) -> Result<PutObjectFluentBuilder> {
        let at = &self.location;
        let (until, mode) = self.lock()?;
        Ok(request
            .set_storage_class(at.storage_class.as_deref().map(StorageClass::from))
            .set_server_side_encryption(at.encryption.as_deref().map(ServerSideEncryption::from))
            .set_ssekms_key_id(at.kms_key.clone())
            .set_object_lock_retain_until_date(until)
            .set_object_lock_mode(mode))
    }

    fn lock(&self) -> Result<(Option<DateTime>, Option<ObjectLockMode>)> {
        let Some(days) = self.location.lock_days else { return Ok((None, None)) };
        let until = SystemClock.now().0 / 1_000_000 + i64::from(days) * 24 * 3600;
        let mode = self.location.lock_mode.as_deref().map_or(ObjectLockMode::Governance, ObjectLockMode::from);
        Ok((Some(DateTime::from_secs(until)), Some(mode)))
    }

    async fn head(&self, path: &Path, options: &GetOptions) -> Result<GetResult> {
        let request = self.client.head_object().bucket(&self.location.bucket).key(self.key(path));
        let found = request
            .set_if_match(options.if_match.clone())
            .set_if_none_match(options.if_none_match.clone())
            .set_if_modified_since(options.if_modified_since.map(|t| DateTime::from_secs(t.timestamp())))
            .set_if_unmodified_since(options.if_unmodified_since.map(|t| DateTime::from_secs(t.timestamp())))
            .set_version_id(options.version.clone())
            .send()
            .await
            .map_err(|e| said(path.as_ref(), e))?;
        let size = length_of(path, found.content_length)?;
        let headers = HeadersOf {
            cache_control: found.cache_control,
            content_disposition: found.content_disposition,
            content_encoding: found.content_encoding,
            content_language: found.content_language,
            content_type: found.content_type,
            metadata: found.metadata.unwrap_or_default(),
        };
        let meta = ObjectMeta {
            location: path.clone(),
            last_modified: time(found.last_modified),
            size,
            e_tag: found.e_tag,
            version: found.version_id,
        };
        let payload = GetResultPayload::Stream(stream::empty().boxed());
        Ok(GetResult { payload, meta, range: 0..size, attributes: attributes(headers) })
    }

    /// Whether the object there is the one that `mine` was to put.
    async fn is_mine(&self, path: &Path, mine: &str) -> bool {
        let request = self.client.head_object().bucket(&self.location.bucket).key(self.key(path));
        request.send().await.is_ok_and(|found| token(found.metadata.as_ref()) == Some(mine))
    }

    fn pages(
        &self,
        prefix: Option<&Path>,
        after: Option<String>,
        delimiter: bool,
    ) -> BoxStream<'static, Result<ListResult>> {
        // the root, too, can be asked for as a path: the empty one
        let prefix = match prefix.filter(|p| !p.as_ref().is_empty()) {
            Some(prefix) => format!("{}/", self.key(prefix)),
            None => self.location.key(""),
        };
        let me = self.clone();
        stream::try_unfold(Some((me, prefix, after, None::<String>)), move |at| async move {
            let Some((me, prefix, after, next)) = at else { return Ok(None) };
            let page = me
                .client
                .list_objects_v2()
                .bucket(&me.location.bucket)
                .prefix(&prefix)
                .set_start_after(after.clone())
                .set_continuation_token(next)
                .set_delimiter(delimiter.then(|| "/".to_string()))
                .send()
                .await
                .map_err(|e| said(&me.to_string(), e))?;
            let common = page.common_prefixes().iter().filter_map(|p| me.path(p.prefix()?.trim_end_matches('/')));
            let result = ListResult {
                common_prefixes: common.collect(),
                objects: page.contents().iter().filter_map(|o| me.meta(o)).collect(),
            };
            let next = page.next_continuation_token.filter(|_| page.is_truncated == Some(true));
            Ok::<_, Error>(Some((result, next.map(|next| (me, prefix, after, Some(next))))))
        })
        .boxed()
    }

    fn meta(&self, object: &aws_sdk_s3::types::Object) -> Option<ObjectMeta> {
        Some(ObjectMeta {
            location: self.path(object.key()?)?,
            last_modified: time(object.last_modified),
            size: u64::try_from(object.size?).ok()?,
            e_tag: object.e_tag.clone(),
            version: None,
        })
    }

    /// Deletes up to `BATCH` objects; an answer for each.
    async fn delete_batch(&self, paths: Vec<Path>) -> Vec<Result<Path>> {
        let same = |text: String| -> Vec<Result<Path>> { paths.iter().map(|_| Err(generic(text.clone()))).collect() };
        let ids = paths.iter().map(|p| ObjectIdentifier::builder().key(self.key(p)).build());
        let ids = ids.collect::<std::result::Result<Vec<_>, _>>();
        let delete = match ids.and_then(|ids| Delete::builder().set_objects(Some(ids)).quiet(true).build()) {
            Ok(delete) => delete,
            Err(error) => return same(error.to_string()),
        };
        let request = self.client.delete_objects().bucket(&self.location.bucket).delete(delete);
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(e) => return same(said(&self.to_string(), e).to_string()),
        };
        paths
            .into_iter()
            .map(|path| {
                let key = self.key(&path);
                match answer.errors().iter().find(|e| e.key() == Some(&key)) {
                    None => Ok(path),
                    Some(e) => {
                        let source =
                            format!("S3 says {}: {}", e.code().unwrap_or("?"), e.message().unwrap_or_default()).into();
                        Err(Error::PermissionDenied { path: path.to_string(), source })
                    }
                }
            })
            .collect()
    }
}

fn time(at: Option<DateTime>) -> chrono::DateTime<chrono::Utc> {
    at.and_then(|t| chrono::DateTime::from_timestamp(t.secs(), t.subsec_nanos())).unwrap_or_default()
}

fn generic(why: String) -> Error {
    Error::Generic { store: STORE, source: why.into() }
}

/// An answer that does not say how long it is must not pass for an empty object.
fn length_of(path: &Path, said: Option<i64>) -> Result<u64> {
    let length = said.and_then(|length| u64::try_from(length).ok());
    length.ok_or_else(|| generic(format!("{path}: S3 does not say how long it is")))
}

/// `bytes a-b/size`
fn content_range(text: &str) -> Option<(std::ops::Range<u64>, u64)> {
    let (range, size) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    Some((first.parse().ok()?..last.parse::<u64>().ok()? + 1, size.parse().ok()?))
}

#[async_trait]
impl ObjectStore for S3Store {
    async fn put_opts(&self, path: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let bytes = Bytes::from(payload);
        let number = getrandom::u64().map_err(|e| generic(format!("no random bytes: {e}")))?;
        let mine = format!("{number:016x}");
        for conflict in 0..CONFLICTS {
            match self.put_once(path, bytes.clone(), &opts, &mine).await {
                Ok(Some(done)) => return Ok(done),
                Ok(None) => tokio::time::sleep(Duration::from_millis(20 << conflict)).await,
                Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) if self.is_mine(path, &mine).await => {
                    let there = self.head(path, &GetOptions::default()).await?.meta;
                    return Ok(PutResult { e_tag: there.e_tag, version: there.version });
                }
                Err(error) => return Err(error),
            }
        }
        let source = format!("{path}: other puts of the same name do not end").into();
        Err(Error::Generic { store: STORE, source })
    }

    async fn put_multipart_opts(&self, path: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let (at, key) = (&self.location, self.key(path));
        let headers = HeadersOf::try_from(&opts.attributes)?;
        let (until, mode) = self.lock()?;
        let begun = self
            .client
            .create_multipart_upload()
            .bucket(&at.bucket)
            .key(&key)
            .set_cache_control(headers.cache_control)
            .set_content_disposition(headers.content_disposition)
            .set_content_encoding(headers.content_encoding)
            .set_content_language(headers.content_language)
            .set_content_type(headers.content_type)
            .set_metadata(Some(headers.metadata))
            .set_storage_class(at.storage_class.as_deref().map(StorageClass::from))
            .set_server_side_encryption(at.encryption.as_deref().map(ServerSideEncryption::from))
            .set_ssekms_key_id(at.kms_key.clone())
            .set_object_lock_retain_until_date(until)
            .set_object_lock_mode(mode)
            .send()
            .await
            .map_err(|e| said(path.as_ref(), e))?;
        let id =
            begun.upload_id.ok_or_else(|| Error::Generic { store: STORE, source: "an upload without an id".into() })?;
        Ok(Box::new(upload::Upload::new(self.clone(), path.clone(), key, id)))
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        if options.head {
            return self.head(path, &options).await;
        }
        let key = self.key(path);
        let range = options.range.as_ref().map(|range| match range {
            GetRange::Bounded(r) => format!("bytes={}-{}", r.start, r.end.saturating_sub(1)),
            GetRange::Offset(o) => format!("bytes={o}-"),
            GetRange::Suffix(n) => format!("bytes=-{n}"),
        });
        let seconds = |t: chrono::DateTime<chrono::Utc>| DateTime::from_secs(t.timestamp());
        let found = self
            .client
            .get_object()
            .bucket(&self.location.bucket)
            .key(&key)
            .set_if_match(options.if_match)
            .set_if_none_match(options.if_none_match)
            .set_if_modified_since(options.if_modified_since.map(seconds))
            .set_if_unmodified_since(options.if_unmodified_since.map(seconds))
            .set_version_id(options.version)
            .set_range(range.clone())
            .send()
            .await
            .map_err(|e| match (status(&e), &range) {
                (416, Some(wanted)) => Fault::Damaged(format!("it is too short to have {wanted}")).of(path),
                _ => said(path.as_ref(), e),
            })?;
        let length = length_of(path, found.content_length)?;
        let (range, size) = match (range, found.content_range.as_deref().and_then(content_range)) {
            (None, _) => (0..length, length),
            (Some(_), Some(answered)) => answered,
            (Some(wanted), None) => {
                let source = format!("{path}: S3 does not say which bytes it sent for {wanted}").into();
                return Err(Error::Generic { store: STORE, source });
            }
        };
        let meta = ObjectMeta {
            location: path.clone(),
            last_modified: time(found.last_modified),
            size,
            e_tag: found.e_tag.clone(),
            version: found.version_id,
        };
        let headers = HeadersOf {
            cache_control: found.cache_control,
            content_disposition: found.content_disposition,
            content_encoding: found.content_encoding,
            content_language: found.content_language,
            content_type: found.content_type,
            metadata: found.metadata.unwrap_or_default(),
        };
        let reading =
            Reading { client: self.client.clone(), bucket: self.location.bucket.clone(), key, e_tag: found.e_tag };
        let payload = GetResultPayload::Stream(reading.stream(found.body, range.clone()));
        Ok(GetResult { payload, meta, range, attributes: attributes(headers) })
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let me = self.clone();
        paths
            .try_chunks(BATCH)
            .map(move |batch| {
                let me = me.clone();
                async move {
                    match batch {
                        Ok(paths) => me.delete_batch(paths).await,
                        Err(e) => vec![Err(e.1)],
                    }
                }
            })
            .buffered(4)
            .flat_map(stream::iter)
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.pages(prefix, None, false).map_ok(|page| stream::iter(page.objects).map(Ok)).try_flatten().boxed()
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        let pages = self.pages(prefix, Some(self.key(offset)), false);
        pages.map_ok(|page| stream::iter(page.objects).map(Ok)).try_flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let mut all = ListResult { common_prefixes: Vec::new(), objects: Vec::new() };
        let mut pages = self.pages(prefix, None, true);
        while let Some(page) = pages.try_next().await? {
            all.common_prefixes.extend(page.common_prefixes);
            all.objects.extend(page.objects);
        }
        Ok(all)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        if options.mode == CopyMode::Create {
            // Only few servers copy under a condition; the archive never copies large objects.
            let bytes = self.get(from).await?.bytes().await?;
            self.put_opts(to, bytes.into(), PutMode::Create.into()).await?;
            return Ok(());
        }
        let key: String = url::form_urlencoded::byte_serialize(self.key(from).as_bytes()).collect();
        let source = format!("{}/{}", self.location.bucket, key.replace('+', "%20"));
        let request = self.client.copy_object().bucket(&self.location.bucket).key(self.key(to)).copy_source(source);
        request.send().await.map_err(|e| said(from.as_ref(), e))?;
        Ok(())
    }
}
