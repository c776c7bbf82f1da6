//! Every object an age file: encrypted to public keys on the way in, decrypted in ranges on the way out.
//!
//! Writing needs no secret. An age file is a header, then chunks of 64 KiB of plaintext, each sealed on its own, so that a
//! range of plaintext is a range of the object. Sizes in listings are those of the age files; sizes of objects that are
//! read or asked for by name are those of the plaintext.

mod header;
mod upload;

use super::fault::{Fault, Fresh};
use crate::archive::keys::{Identities, Recipients};
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use header::{CHUNK, Opened};
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, Error, GetOptions, GetRange, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use std::collections::HashMap;
use std::io::Write;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

const STORE: &str = "age";
/// Read of an object when it is first opened: its header, and most small objects whole.
const FIRST: u64 = 64 * 1024;
/// Streams decrypt so much at once.
const STEP: u64 = 64 * CHUNK;
/// More than this is decrypted off the async threads.
const INLINE: u64 = 256 * 1024;
/// Objects whose keys are remembered: about 500 bytes each.
const KEYS: usize = 16_384;

/// See the head of the file. Without identities it only writes, lists and tells sizes.
#[derive(Debug, Clone)]
pub struct AgeStore {
    inner: Arc<dyn ObjectStore>,
    recipients: Recipients,
    identities: Option<Identities>,
    known: Arc<Known>,
}

#[derive(Default)]
struct Known(Mutex<HashMap<Path, Object>>);

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Known")
    }
}

#[derive(Clone)]
struct Object {
    opened: Opened,
    meta: ObjectMeta,
}

impl std::fmt::Display for AgeStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, encrypted", self.inner)
    }
}

impl AgeStore {
    pub fn new(inner: Arc<dyn ObjectStore>, recipients: Recipients, identities: Option<Identities>) -> Self {
        Self { inner, recipients, identities, known: Arc::default() }
    }

    fn encrypt(&self, payload: &PutPayload) -> std::io::Result<Vec<u8>> {
        let length = payload.content_length();
        let mut writer = self.recipients.encryptor()?.wrap_output(Vec::with_capacity(length + length / 2048 + 1024))?;
        payload.iter().try_for_each(|bytes| writer.write_all(bytes))?;
        writer.finish()
    }

    fn forget(&self, path: &Path) {
        self.known.0.lock().unwrap_or_else(PoisonError::into_inner).remove(path);
    }

    /// The object, and its first bytes if they had to be read for that. `fresh`: whatever was remembered is wrong.
    async fn open(&self, path: &Path, fresh: bool) -> Result<(Object, Option<Bytes>)> {
        let identities = self.identities.as_ref().ok_or_else(|| Fault::NoIdentity.of(path))?;
        if !fresh && let Some(known) = self.known.0.lock().unwrap_or_else(PoisonError::into_inner).get(path) {
            return Ok((known.clone(), None));
        }
        let mut options = GetOptions { range: Some(GetRange::Bounded(0..FIRST)), ..Default::default() };
        if fresh {
            options.extensions.insert(Fresh);
        }
        let found = match self.inner.get_opts(path, options).await {
            Ok(found) => found,
            Err(error) => return Err(self.why_unread(path, error).await),
        };
        let mut meta = found.meta.clone();
        let prefix = found.bytes().await?;
        let opened = Opened::new(&prefix, meta.size, identities)
            .map_err(|why| Fault::Damaged(why).of(path))?
            .ok_or_else(|| Fault::OtherKeys.of(path))?;
        meta.size = opened.plain();
        let object = Object { opened, meta };
        let mut known = self.known.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KEYS {
            known.clear();
        }
        known.insert(path.clone(), object.clone());
        Ok((object, Some(prefix)))
    }

    /// Stores say of an empty object only that it does not have these bytes.
    async fn why_unread(&self, path: &Path, error: Error) -> Error {
        match self.inner.head(path).await {
            Ok(meta) if meta.size == 0 => Fault::Damaged("it is empty".into()).of(path),
            _ => error,
        }
    }

    /// The plaintext's `range`. `prefix`: the object's first bytes, if they are here.
    async fn range(
        &self,
        path: &Path,
        object: &Object,
        range: Range<u64>,
        prefix: Option<&Bytes>,
        fresh: bool,
    ) -> Result<Bytes> {
        let sealed = object.opened.sealed_range(&range);
        let bytes = match prefix.filter(|p| sealed.end <= p.len() as u64) {
            Some(prefix) => prefix.slice(sealed.start as usize..sealed.end as usize),
            None => {
                let mut options = GetOptions { range: Some(GetRange::Bounded(sealed.clone())), ..Default::default() };
                if fresh {
                    options.extensions.insert(Fresh);
                }
                self.inner.get_opts(path, options).await?.bytes().await?
            }
        };
        let opened = object.opened.clone();
        let large = bytes.len() as u64 > INLINE;
        let work = move || opened.open(&range, bytes);
        let plain = if large { tokio::task::spawn_blocking(work).await? } else { work() };
        plain.map(Bytes::from).map_err(|why| Fault::Damaged(why).of(path))
    }

    /// As `range`, of an object that may have been encrypted anew since it was opened.
    async fn part(&self, path: &Path, object: &Object, range: Range<u64>, prefix: Option<&Bytes>) -> Result<Bytes> {
        match self.range(path, object, range.clone(), prefix, false).await {
            Err(Error::Generic { source, .. }) if Fault::is_damage(source.as_ref()) => {
                let (again, prefix) = self.open(path, true).await?;
                if again.meta.size != object.meta.size {
                    return Err(Fault::Damaged("its length changed".into()).of(path));
                }
                self.range(path, &again, range, prefix.as_ref(), true).await
            }
            other => other,
        }
    }
}

#[async_trait]
impl ObjectStore for AgeStore {
    async fn put_opts(&self, path: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let me = self.clone();
        let sealed = tokio::task::spawn_blocking(move || me.encrypt(&payload)).await?;
        let sealed = sealed.map_err(|e| Error::Generic { store: STORE, source: Box::new(e) })?;
        let done = self.inner.put_opts(path, sealed.into(), opts).await;
        self.forget(path);
        done
    }

    async fn put_multipart_opts(&self, path: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let failed = |e: std::io::Error| Error::Generic { store: STORE, source: Box::new(e) };
        let encryptor = self.recipients.encryptor().map_err(failed)?;
        self.forget(path);
        let inner = self.inner.put_multipart_opts(path, opts).await?;
        Ok(Box::new(upload::Upload::new(encryptor, inner).map_err(failed)?))
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        if options.head && self.identities.is_none() {
            return self.size(path, options).await;
        }
        let (object, prefix) = self.open(path, false).await?;
        options.check_preconditions(&object.meta)?;
        let length = object.meta.size;
        let range = match &options.range {
            None => 0..length,
            Some(GetRange::Suffix(_)) if length == 0 => 0..0,
            Some(range) => range.as_range(length).map_err(|e| Error::Generic { store: STORE, source: Box::new(e) })?,
        };
        let payload = if options.head {
            stream::empty().boxed()
        } else {
            let (me, path, object, Range { start: first, end: last }) =
                (self.clone(), path.clone(), object.clone(), range.clone());
            let steps = stream::iter(
                (first / STEP..last.div_ceil(STEP).max(first / STEP + 1))
                    .map(move |n| (n * STEP).max(first)..((n + 1) * STEP).min(last)),
            );
            steps
                .then(move |step| {
                    let (me, path, object, prefix) = (me.clone(), path.clone(), object.clone(), prefix.clone());
                    async move { me.part(&path, &object, step, prefix.as_ref()).await }
                })
                .boxed()
        };
        Ok(GetResult {
            payload: GetResultPayload::Stream(payload),
            meta: object.meta,
            range,
            attributes: Attributes::default(),
        })
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let me = self.clone();
        self.inner.delete_stream(paths.inspect_ok(move |path| me.forget(path)).boxed())
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.forget(to);
        self.inner.copy_opts(from, to, options).await
    }
}

impl AgeStore {
    /// What an object's header tells without any secret.
    async fn size(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        let options = GetOptions { head: false, range: Some(GetRange::Bounded(0..FIRST)), ..options };
        let found = match self.inner.get_opts(path, options).await {
            Ok(found) => found,
            Err(error) => return Err(self.why_unread(path, error).await),
        };
        let mut meta = found.meta.clone();
        let prefix = found.bytes().await?;
        let head = header::head_length(&prefix).map_err(|why| Fault::Damaged(why).of(path))?;
        let no_length = || Fault::Damaged("no age file has its length".into()).of(path);
        meta.size = header::plain_length(meta.size, head).ok_or_else(no_length)?;
        let payload = GetResultPayload::Stream(stream::empty().boxed());
        Ok(GetResult { payload, range: 0..meta.size, meta, attributes: Attributes::default() })
    }
}

#[cfg(test)]
mod tests;
