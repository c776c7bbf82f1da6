//! What was read from afar is kept on the local disk, up to a fixed size, for the next time.
//!
//! Objects are immutable, so blocks of them never grow old; the least recently used ones go. What is kept is what the
//! archive holds: encrypted, if it is. Only base files, runs of the log and segments are kept; lists are always asked for.

use super::fault::Fresh;
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::stream::{self, BoxStream, StreamExt};
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, Error, GetOptions, GetRange, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// What is read and kept at once.
const BLOCK: u64 = 1 << 20;
/// Blocks that one request reads.
const RUN: u64 = 8;

/// See the head of the file.
#[derive(Debug, Clone)]
pub struct CacheStore {
    inner: Arc<dyn ObjectStore>,
    directory: PathBuf,
    limit: u64,
    index: Arc<Mutex<Index>>,
}

/// What is on the disk.
#[derive(Debug, Default)]
struct Index {
    blocks: HashMap<Key, Block>,
    /// By when they were used.
    used: BTreeMap<u64, Key>,
    clock: u64,
    bytes: u64,
    /// Of objects of which something was read.
    metas: HashMap<Path, ObjectMeta>,
}

type Key = (Path, u64);

#[derive(Debug, Clone, Copy)]
struct Block {
    bytes: u64,
    used: u64,
}

impl std::fmt::Display for CacheStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, cached in {}", self.inner, self.directory.display())
    }
}

impl Index {
    fn touch(&mut self, key: &Key) {
        self.clock += 1;
        let Some(block) = self.blocks.get_mut(key) else { return };
        self.used.remove(&block.used);
        block.used = self.clock;
        self.used.insert(self.clock, key.clone());
    }

    fn add(&mut self, key: Key, bytes: u64) {
        self.remove(&key);
        self.clock += 1;
        self.bytes += bytes;
        self.used.insert(self.clock, key.clone());
        self.blocks.insert(key, Block { bytes, used: self.clock });
    }

    fn remove(&mut self, key: &Key) {
        if let Some(block) = self.blocks.remove(key) {
            self.used.remove(&block.used);
            self.bytes -= block.bytes;
        }
    }

    fn oldest(&self) -> Option<Key> {
        self.used.first_key_value().map(|(_, key)| key.clone())
    }
}

impl CacheStore {
    /// Begins with nothing: what an earlier process left in the directory is removed. Errors: `Io`.
    pub fn new(inner: Arc<dyn ObjectStore>, directory: PathBuf, limit: u64) -> std::io::Result<Self> {
        match std::fs::remove_dir_all(&directory) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
            _ => std::fs::create_dir_all(&directory)?,
        }
        Ok(Self { inner, directory, limit, index: Arc::default() })
    }

    fn index(&self) -> std::sync::MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self, (path, block): &Key) -> PathBuf {
        self.directory.join(format!("{}+{block}", path.as_ref().replace('/', "+")))
    }

    fn caches(&self, path: &Path) -> bool {
        // lists are small and asked for anew
        path.parts().nth(1).is_some_and(|folder| matches!(folder.as_ref(), "base" | "log" | "packs"))
    }

    fn forget(&self, path: &Path) {
        let mut index = self.index();
        let keys: Vec<Key> = index.blocks.keys().filter(|(p, _)| p == path).cloned().collect();
        for key in keys {
            index.remove(&key);
            let _ = std::fs::remove_file(self.file(&key));
        }
        index.metas.remove(path);
    }

    /// A block that is here. One that cannot be read is none.
    fn kept(&self, key: &Key) -> Option<Bytes> {
        let expected = {
            let mut index = self.index();
            index.touch(key);
            index.blocks.get(key)?.bytes
        };
        match std::fs::read(self.file(key)) {
            Ok(bytes) if bytes.len() as u64 == expected => Some(bytes.into()),
            _ => {
                self.index().remove(key);
                None
            }
        }
    }

    /// A disk that is full only makes the cache smaller.
    fn keep(&self, key: Key, bytes: &Bytes) {
        let mut index = self.index();
        while index.bytes + bytes.len() as u64 > self.limit {
            let Some(oldest) = index.oldest() else { return };
            index.remove(&oldest);
            let _ = std::fs::remove_file(self.file(&oldest));
        }
        if std::fs::write(self.file(&key), bytes).is_ok() {
            index.add(key, bytes.len() as u64);
        }
    }

    /// Blocks `first..` of an object, as many as one request brings, of which the first is not here.
    async fn fetch(&self, path: &Path, blocks: Range<u64>) -> Result<(ObjectMeta, Vec<Bytes>)> {
        let wanted = blocks.start * BLOCK..blocks.end * BLOCK;
        let options = GetOptions { range: Some(GetRange::Bounded(wanted)), ..Default::default() };
        let found = self.inner.get_opts(path, options).await?;
        let (meta, mut bytes) = (found.meta.clone(), found.bytes().await?);
        let mut parts = Vec::new();
        while !bytes.is_empty() {
            parts.push(bytes.split_to(bytes.len().min(BLOCK as usize)));
        }
        let (me, kept, path) = (self.clone(), parts.clone(), path.clone());
        tokio::task::spawn_blocking(move || {
            for (block, bytes) in (blocks.start..).zip(&kept) {
                me.keep((path.clone(), block), bytes);
            }
        })
        .await?;
        self.index().metas.insert(meta.location.clone(), meta.clone());
        Ok((meta, parts))
    }

    async fn range(&self, path: &Path, range: Range<u64>) -> Result<Bytes> {
        let (mut at, after) = (range.start / BLOCK, range.end.div_ceil(BLOCK));
        let mut all = BytesMut::with_capacity((range.end - range.start) as usize);
        while at < after {
            let (me, key) = (self.clone(), (path.clone(), at));
            let here = tokio::task::spawn_blocking(move || me.kept(&key)).await?;
            let blocks = match here {
                Some(block) => vec![block],
                None => {
                    let until = (at + 1..after.min(at + RUN))
                        .find(|b| self.index().blocks.contains_key(&(path.clone(), *b)))
                        .unwrap_or(after.min(at + RUN));
                    self.fetch(path, at..until).await?.1
                }
            };
            for block in blocks {
                let begin = at * BLOCK;
                let from = range.start.saturating_sub(begin).min(block.len() as u64);
                let to = range.end.saturating_sub(begin).min(block.len() as u64);
                all.extend_from_slice(&block[from as usize..to as usize]);
                at += 1;
            }
            if all.len() as u64 == range.end - range.start {
                break;
            }
        }
        Ok(all.freeze())
    }
}

#[async_trait]
impl ObjectStore for CacheStore {
    async fn put_opts(&self, path: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.forget(path);
        self.inner.put_opts(path, payload, opts).await
    }

    async fn put_multipart_opts(&self, path: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.forget(path);
        self.inner.put_multipart_opts(path, opts).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        if options.extensions.get::<Fresh>().is_some() {
            self.forget(path);
        }
        let conditional = options.if_match.is_some() || options.if_none_match.is_some() || options.version.is_some();
        if options.head || conditional || !self.caches(path) {
            return self.inner.get_opts(path, options).await;
        }
        let known = self.index().metas.get(path).cloned();
        let meta = match (known, &options.range) {
            (Some(meta), _) => meta,
            // an end that is asked for tells the size, too, and is read as it is
            (None, Some(GetRange::Suffix(_))) => {
                let found = self.inner.get_opts(path, options).await?;
                self.index().metas.insert(path.clone(), found.meta.clone());
                return Ok(found);
            }
            (None, range) => {
                let first = match range {
                    Some(GetRange::Bounded(r)) => r.start / BLOCK,
                    Some(GetRange::Offset(o)) => o / BLOCK,
                    _ => 0,
                };
                self.fetch(path, first..first + 1).await?.0
            }
        };
        let range = match &options.range {
            None => 0..meta.size,
            Some(range) => {
                range.as_range(meta.size).map_err(|e| Error::Generic { store: "cache", source: Box::new(e) })?
            }
        };
        let (me, path, last) = (self.clone(), path.clone(), range.end);
        let step = RUN * BLOCK;
        let first = range.start;
        let steps = (range.start / step..range.end.div_ceil(step))
            .map(move |n| (n * step).max(first)..((n + 1) * step).min(last));
        let payload = stream::iter(steps)
            .then(move |part| {
                let (me, path) = (me.clone(), path.clone());
                async move { me.range(&path, part).await }
            })
            .boxed();
        Ok(GetResult { payload: GetResultPayload::Stream(payload), meta, range, attributes: Attributes::default() })
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let me = self.clone();
        self.inner.delete_stream(
            paths
                .inspect(move |path| {
                    if let Ok(path) = path {
                        me.forget(path)
                    }
                })
                .boxed(),
        )
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

#[cfg(test)]
mod tests {
    use super::*;
    use futures::TryStreamExt;
    use object_store::memory::InMemory;
    use object_store::{ObjectStoreExt, throttle::ThrottledStore};

    #[tokio::test]
    async fn what_was_read_is_read_again_without_the_store_and_never_takes_more_than_its_limit() {
        let directory = tempfile::tempdir().expect("a directory");
        let inner: Arc<dyn ObjectStore> = Arc::new(ThrottledStore::new(InMemory::new(), Default::default()));
        let limit = 5 * BLOCK;
        let cache = CacheStore::new(inner.clone(), directory.path().join("cache"), limit).expect("made");
        let plain: Vec<u8> = (0..3 * BLOCK + 17).map(|i| (i * 7 + i / 251) as u8).collect();
        let path = Path::from("c/base/1/x/0.parquet");
        inner.put(&path, plain.clone().into()).await.expect("put");
        let mut random = fastrand::Rng::with_seed(3);
        for _ in 0..50 {
            let start = random.usize(0..plain.len());
            let end = random.usize(start + 1..=plain.len());
            let found = cache.get_range(&path, start as u64..end as u64).await.expect("read");
            assert!(found == plain[start..end], "{start}..{end}");
        }
        assert_eq!(cache.get(&path).await.expect("there").bytes().await.expect("read"), plain);
        inner.delete(&path).await.expect("deleted");
        assert_eq!(cache.get(&path).await.expect("kept").bytes().await.expect("read"), plain);
        // others push it out
        for n in 0..4 {
            let other = Path::from(format!("c/log/{n}.seg"));
            inner.put(&other, vec![n; 2 * BLOCK as usize].into()).await.expect("put");
            assert_eq!(
                cache.get(&other).await.expect("there").bytes().await.expect("read"),
                vec![n; 2 * BLOCK as usize]
            );
            let held: u64 = std::fs::read_dir(directory.path().join("cache"))
                .expect("listed")
                .map(|e| e.expect("a file").metadata().expect("a size").len())
                .sum();
            assert!(held <= limit, "{held}");
        }
        assert!(
            cache.get(&path).await.expect("its size is known").into_stream().try_collect::<Vec<_>>().await.is_err()
        );
    }
}
