//! What does the archive hold of one cluster? Its manifests, its segments, its base files.
//!
//! All objects are immutable. Manifests and segments are created only if absent, under the next number: whoever finds
//! that number taken has lost the cluster to another writer.

use super::base::{BaseLimits, BaseWriter};
use super::layout;
use super::manifest::{BaseFile, Manifest};
use super::open::Archive;
use super::part::LogPart;
use super::seal::{seal, unseal};
use super::segment::{self, Footer, Replaced, Section, Tail};
use super::store::{OwnedSpool, failed};
use super::writer::FinishedSegment;
use crate::error::{Error, Kind, Result};
use crate::model::TableSchema;
use arrow::array::RecordBatch;
use bytes::Bytes;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutMode};
use std::ops::Range;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// How much of a segment's end is read at once: most footers are shorter.
const TAIL_BYTES: u64 = 64 * 1024;

/// Pauses before a named object that a remote server does not find is called missing.
const NOT_FOUND_YET: [Duration; 4] =
    [Duration::from_millis(50), Duration::from_millis(200), Duration::from_millis(800), Duration::from_secs(2)];

/// One cluster's part of an archive. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Cluster {
    archive: Archive,
    name: String,
}

impl Cluster {
    pub(super) fn of(archive: Archive, name: String) -> Self {
        Self { archive, name }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn archive(&self) -> &Archive {
        &self.archive
    }

    /// Where this machine keeps what belongs to the cluster, if anywhere.
    pub fn local(&self) -> Option<std::path::PathBuf> {
        self.archive.local(&self.name)
    }

    /// Makes this process the one that spools the cluster's segments and manifests; `None`: they are written directly.
    /// Errors: `Fenced` when another process does, `Usage`, `Io`.
    pub fn own_spool(&self) -> Result<Option<OwnedSpool>> {
        self.archive.own_spool(&self.name)
    }

    pub(super) fn store(&self) -> Arc<dyn ObjectStore> {
        self.archive.object_store()
    }

    /// Where the store has an object whose name is relative to the cluster, as `BaseFile::path` is.
    pub fn object_path(&self, relative: &str) -> Path {
        Path::from(format!("{}/{relative}", self.name))
    }

    /// The newest manifest's number; `None`: the cluster has no first base yet.
    pub async fn newest_manifest(&self) -> Result<Option<u64>> {
        self.newest(layout::MANIFESTS, 0, layout::manifest_number).await
    }

    /// The newest segment's number; it is never deleted.
    pub async fn newest_segment(&self) -> Result<Option<u64>> {
        self.newest(layout::SEGMENTS, 0, layout::segment_number).await
    }

    /// The newest manifest; `None`: the cluster has no first base yet.
    pub async fn manifest(&self) -> Result<Option<Manifest>> {
        let Some(number) = self.newest_manifest().await? else { return Ok(None) };
        let path = self.object_path(&layout::manifest(number));
        let manifest: Manifest = self.sealed(&path).await?;
        manifest.check(number).map_err(|why| Error::corrupt(&path, why))?;
        Ok(Some(manifest))
    }

    /// The newest number in a numbered list that is larger than `after`.
    pub(super) async fn newest(&self, list: &str, after: u64, number: fn(&Path) -> Option<u64>) -> Result<Option<u64>> {
        let (prefix, offset) = (self.object_path(list), self.object_path(&format!("{list}/{after:020}")));
        let mut objects = self.store().list_with_offset(Some(&prefix), &offset);
        let mut newest = None;
        while let Some(object) = objects.try_next().await.map_err(|e| failed(&prefix, e))? {
            newest = newest.max(number(&object.location).filter(|n| *n > after));
        }
        Ok(newest)
    }

    /// A JSON object. Errors: `Corrupt` when it is missing or not as it was written, `Io`.
    pub(super) async fn sealed<T: serde::de::DeserializeOwned>(&self, path: &Path) -> Result<T> {
        unseal(path.as_ref(), &self.whole(path).await?)
    }

    /// Creates `manifest/<n>.json`: the commit. Every file that it names must be there already.
    /// Errors: `Fenced` when another writer has that number, `Internal` when the one before is not there or the manifest
    /// contradicts itself, `Io`.
    pub async fn put_manifest(&self, manifest: &Manifest) -> Result<()> {
        let path = self.object_path(&layout::manifest(manifest.number));
        manifest.check(manifest.number).map_err(|why| Error::internal(format!("{path} is not written: {why}")))?;
        self.follows(manifest.number, layout::manifest).await?;
        self.create(&path, seal(manifest)?.into()).await
    }

    /// Numbers of the segments after number `number` (0: all), in order.
    /// Errors: `Corrupt`, naming the first that is missing before another.
    pub async fn segments_after(&self, number: u64) -> Result<Vec<u64>> {
        Ok(self.log_after(&[], number).await?.into_iter().map(|part| part.last).collect())
    }

    /// The log after segment `number`, in order: these packs (in order), and the segments that are in none of them.
    /// Errors: `Corrupt`, naming the first segment that is missing before another part of the log.
    pub async fn log_after(&self, packs: &[LogPart], number: u64) -> Result<Vec<LogPart>> {
        let packs: Vec<LogPart> = packs.iter().copied().filter(|p| p.last > number).collect();
        let mut from = number; // up to here nothing is to be listed
        for pack in &packs {
            if pack.first != from + 1 {
                break;
            }
            from = pack.last;
        }
        let (prefix, after) = (self.object_path(layout::SEGMENTS), self.object_path(&layout::segment(from)));
        let mut objects = self.store().list_with_offset(Some(&prefix), &after);
        let mut listed = Vec::new();
        while let Some(object) = objects.try_next().await.map_err(|e| failed(&prefix, e))? {
            listed.extend(layout::segment_number(&object.location).filter(|n| *n > from));
        }
        listed.sort_unstable();
        let last = listed.last().copied().max(packs.last().map(|p| p.last)).unwrap_or(number);
        let (mut parts, mut packs, mut next) = (Vec::new(), packs.into_iter().peekable(), number + 1);
        while next <= last {
            let part = match packs.next_if(|p| p.first == next) {
                Some(pack) => pack,
                None => {
                    // A listing may overtake a writer and show the second of two new names only, so a hole is looked
                    // at by name.
                    if listed.binary_search(&next).is_err() {
                        let path = self.object_path(&layout::segment(next));
                        self.store().head(&path).await.map_err(|e| self.absent(&path, e))?;
                    }
                    next.into()
                }
            };
            parts.push(part);
            next = part.last + 1;
        }
        match packs.next() {
            None => Ok(parts),
            Some(pack) => {
                Err(Error::corrupt(self.object_path(layout::UPKEEP), format!("{pack} overlaps another part")))
            }
        }
    }

    /// What a segment or a pack says of itself; reads only its end.
    /// Errors: `Corrupt` when it is missing or its bytes are not as written, `Io`.
    pub async fn footer(&self, part: impl Into<LogPart>) -> Result<Footer> {
        let part = part.into();
        let path = self.object_path(&part.object());
        let mut wanted = TAIL_BYTES;
        loop {
            let options = GetOptions { range: Some(GetRange::Suffix(wanted)), ..Default::default() };
            let found = self.named(&path, || async { self.store().get_opts(&path, options.clone()).await }).await?;
            let size = found.meta.size;
            let bytes = found.bytes().await.map_err(|e| failed(&path, e))?;
            match segment::read_tail(part, size, &bytes).map_err(|why| Error::corrupt(&path, why))? {
                Tail::Footer(footer) => return Ok(*footer),
                Tail::Wants(more) => wanted = more,
            }
        }
    }

    /// The rows of one section: `_seq`, `_op`, `_next_seq`, then the table's columns, in one batch.
    /// Errors: `Corrupt` when its bytes are not as written, `Io`.
    pub async fn section(&self, part: impl Into<LogPart>, section: &Section) -> Result<RecordBatch> {
        let path = self.object_path(&part.into().object());
        let corrupt = |why: String| Error::corrupt(format!("{path} (table {})", section.table), why);
        let range = segment::range_of(section.offset, section.length).map_err(corrupt)?;
        let bytes = self.range(&path, range).await?;
        segment::read_section(section, bytes).map_err(corrupt)
    }

    /// Replaced rows: `_seq`, `_order`, `_op`, the columns before and after, in one batch.
    /// Errors: as of `section`.
    pub async fn replaced(&self, part: impl Into<LogPart>, section: &Replaced) -> Result<RecordBatch> {
        let path = self.object_path(&part.into().object());
        let corrupt = |why: String| Error::corrupt(format!("{path} (table {})", section.table), why);
        let range = segment::range_of(section.offset, section.length).map_err(corrupt)?;
        let bytes = self.range(&path, range).await?;
        segment::read_replaced(section, bytes).map_err(corrupt)
    }

    /// Creates `log/<n>.seg`: the commit of the transactions that it holds.
    /// Errors: `Fenced` when another writer has that number, `Internal` when the one before is not there, `Io`.
    pub async fn put_segment(&self, segment: FinishedSegment) -> Result<Footer> {
        let FinishedSegment { footer, bytes } = segment;
        self.follows(footer.number, layout::segment).await?;
        self.create(&self.object_path(&layout::segment(footer.number)), bytes).await?;
        Ok(footer)
    }

    /// Compares a base file's length and checksum with the manifest's; once per process.
    /// Errors: `Corrupt` when it is missing or differs, `Io`.
    pub async fn verify_base_file(&self, file: &BaseFile) -> Result<()> {
        let path = self.object_path(&file.path);
        if self.archive.verified().lock().unwrap_or_else(PoisonError::into_inner).contains(&path) {
            return Ok(());
        }
        let mut bytes = self.named(&path, || async { self.store().get(&path).await }).await?.into_stream();
        let (mut crc32, mut length) = (crc32fast::Hasher::new(), 0);
        while let Some(part) = bytes.try_next().await.map_err(|e| failed(&path, e))? {
            crc32.update(&part);
            length += part.len() as u64;
        }
        if length != file.bytes {
            return Err(Error::corrupt(&path, format!("it has {length} bytes instead of {}", file.bytes)));
        }
        if crc32.finalize() != file.crc32 {
            return Err(Error::corrupt(&path, "its checksum does not fit its bytes"));
        }
        self.archive.verified().lock().unwrap_or_else(PoisonError::into_inner).insert(path);
        Ok(())
    }

    /// Begins the base of one table. Its files go to `base/<table-id>/<token>/`: a token serves once, so draw it at
    /// random. The base's seq is told at the end. Nothing refers to the files until a manifest names them.
    pub fn base_writer(&self, schema: Arc<TableSchema>, token: &str) -> BaseWriter {
        BaseWriter::new(self.clone(), schema, token, BaseLimits::default())
    }

    /// The object's bytes. Errors: `Corrupt` when it is missing: a list named it.
    pub(super) async fn whole(&self, path: &Path) -> Result<Bytes> {
        let found = self.named(path, || async { self.store().get(path).await }).await?;
        found.bytes().await.map_err(|e| failed(path, e))
    }

    async fn range(&self, path: &Path, range: Range<u64>) -> Result<Bytes> {
        let length = range.end - range.start;
        let bytes = self.named(path, || async { self.store().get_range(path, range.clone()).await }).await?;
        if bytes.len() as u64 != length {
            return Err(Error::corrupt(path, "it ends too early"));
        }
        Ok(bytes)
    }

    /// Asks for an object that a list named. Some servers find what was just written only a little later.
    pub(super) async fn named<T, F>(&self, path: &Path, ask: impl Fn() -> F) -> Result<T>
    where
        F: Future<Output = object_store::Result<T>>,
    {
        for pause in NOT_FOUND_YET {
            match ask().await {
                Err(object_store::Error::NotFound { .. }) if self.archive.is_remote() => {
                    tokio::time::sleep(pause).await
                }
                answer => return answer.map_err(|e| self.absent(path, e)),
            }
        }
        ask().await.map_err(|e| self.absent(path, e))
    }

    fn absent(&self, path: &Path, error: object_store::Error) -> Error {
        match error {
            object_store::Error::NotFound { .. } => Error::corrupt(path, "it is missing"),
            other => failed(path, other),
        }
    }

    /// Numbers are dense: a writer that would leave a hole has lost count.
    pub(super) async fn follows(&self, number: u64, name: fn(u64) -> String) -> Result<()> {
        let before = match number {
            0 => return Err(Error::internal(format!("{} is no number for an object", self.object_path(&name(0))))),
            1 => return Ok(()),
            n => self.object_path(&name(n - 1)),
        };
        if self.archive.made().lock().unwrap_or_else(PoisonError::into_inner).contains(&before) {
            return Ok(());
        }
        match self.store().head(&before).await {
            Ok(_) => Ok(()),
            Err(object_store::Error::NotFound { .. }) => {
                // the upkeep deletes what is in packs, but never the newest
                let list = before.parts().nth(1).map(|p| p.as_ref().to_string()).unwrap_or_default();
                match self.newer(&list, number).await? {
                    true => Err(self.fenced(&self.object_path(&name(number)))),
                    false => {
                        Err(Error::internal(format!("{} would follow {before}, which is not there", name(number))))
                    }
                }
            }
            Err(e) => Err(failed(before, e)),
        }
    }

    pub(super) async fn create(&self, path: &Path, bytes: Bytes) -> Result<()> {
        match self.store().put_opts(path, bytes.into(), PutMode::Create.into()).await {
            Ok(_) => {
                let folder = |p: &Path| p.as_ref().rsplit_once('/').map(|(folder, _)| folder.to_string());
                let mut made = self.archive.made().lock().unwrap_or_else(PoisonError::into_inner);
                made.retain(|other| folder(other) != folder(path));
                made.insert(path.clone());
                Ok(())
            }
            Err(object_store::Error::AlreadyExists { .. }) => Err(self.fenced(path)),
            Err(e) => Err(failed(path, e)),
        }
    }

    /// Whether a list has a number from `number` on.
    async fn newer(&self, list: &str, number: u64) -> Result<bool> {
        let prefix = self.object_path(list);
        let offset = self.object_path(&format!("{list}/{number:020}"));
        let mut objects = self.store().list_with_offset(Some(&prefix), &offset);
        Ok(objects.try_next().await.map_err(|e| failed(&prefix, e))?.is_some())
    }

    fn fenced(&self, path: &Path) -> Error {
        Error::new(Kind::Fenced, format!("another writer has made {path}: cluster {} is its", self.name))
            .hint("Only one pcloud may capture a cluster. Stop the other one, then start this one again.")
    }
}
