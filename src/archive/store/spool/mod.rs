//! Segments and manifests go to a local directory first, and from there to where the archive is.
//!
//! So capture goes on while the archive is away, up to a limit, and whoever reads on the same machine sees everything at
//! once: a spooled object is read as if it had arrived. Objects leave in the order in which they came. What is spooled is
//! encrypted already if the archive is.
//!
//! `<directory>/<number>+<cluster>+<folder>+<name>`: one file an object; `uploaded+<folder>`: the name of the last one that
//! arrived. One process writes to a spool (it holds `lock`), any may read it.

mod files;
mod upload;

pub use upload::{Owned, Waiting};

use super::fault::Fault;
use async_trait::async_trait;
use files::Files;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So long a list is waited for whose answer is known here, if the archive is away…
const PATIENCE: Duration = Duration::from_secs(3);
/// …and so long it is not asked again.
const ASK_AGAIN: Duration = Duration::from_secs(10);
/// Lists that are remembered.
const LISTINGS: usize = 64;

/// The store behind, with the spools of this machine laid over it.
#[derive(Debug, Clone)]
pub struct SpoolStore {
    remote: Arc<dyn ObjectStore>,
    /// Holds one directory for each cluster.
    home: PathBuf,
    spools: Arc<Mutex<BTreeMap<String, Arc<Files>>>>,
    /// When it last did not answer.
    away: Arc<Mutex<Option<Instant>>>,
    /// Its last answers for names that do not come through a spool.
    listed: Arc<Mutex<Listed>>,
}

type Listed = BTreeMap<(Path, Option<Path>), Vec<ObjectMeta>>;

impl std::fmt::Display for SpoolStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, spooled in {}", self.remote, self.home.display())
    }
}

impl SpoolStore {
    pub fn new(remote: Arc<dyn ObjectStore>, home: PathBuf) -> Self {
        Self { remote, home, spools: Arc::default(), away: Arc::default(), listed: Arc::default() }
    }

    /// The spool that holds what is at this path, if this machine has one.
    fn spool(&self, path: &Path) -> Result<Option<Arc<Files>>> {
        let Some(cluster) = path.parts().next().map(|part| part.as_ref().to_string()) else { return Ok(None) };
        let mut spools = self.spools.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = spools.get(&cluster) {
            return Ok(Some(known.clone()));
        }
        let directory = self.home.join(&cluster).join("spool");
        if !directory.is_dir() {
            return Ok(None);
        }
        let files = Arc::new(Files::open(directory, &cluster).map_err(|e| files::failed(&e))?);
        spools.insert(cluster, files.clone());
        Ok(Some(files))
    }
}

#[async_trait]
impl ObjectStore for SpoolStore {
    async fn put_opts(&self, path: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        match self.spool(path)? {
            Some(files) if opts.mode == PutMode::Create && files.takes(path) => files.put(path, payload).await,
            _ => self.remote.put_opts(path, payload, opts).await,
        }
    }

    async fn put_multipart_opts(&self, path: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.remote.put_multipart_opts(path, opts).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        if let Some(files) = self.spool(path)? {
            files.check_not_lost()?;
            match files.get(path, &options).await {
                Err(Error::NotFound { .. }) => {} // never spooled, or arrived
                answer => return answer,
            }
        }
        self.remote.get_opts(path, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.remote.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.list_after(prefix, None)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.list_after(prefix, Some(offset.clone()))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let here = self.clusters();
        if prefix.is_some() || here.is_empty() {
            return self.remote.list_with_delimiter(prefix).await;
        }
        match self.in_time(self.remote.list_with_delimiter(None)).await {
            Some(listed) => Ok(listed),
            // those of other machines are not known now
            None => Ok(ListResult { common_prefixes: here, objects: Vec::new() }),
        }
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.remote.copy_opts(from, to, options).await
    }
}

impl SpoolStore {
    /// What is spooled is looked at first: it may arrive, but not go back.
    fn list_after(&self, prefix: Option<&Path>, after: Option<Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let listed = |me: &Self| match &after {
            Some(after) => me.remote.list_with_offset(prefix, after),
            None => me.remote.list(prefix),
        };
        let (prefix, files) = match prefix.map(|p| (p.clone(), self.spool(p))) {
            None | Some((_, Ok(None))) => return listed(self),
            Some((_, Err(error))) => return stream::once(async { Err(error) }).boxed(),
            Some((prefix, Ok(Some(files)))) => (prefix, files),
        };
        let (me, remote) = (self.clone(), listed(self));
        stream::once(async move {
            let mut all: BTreeMap<Path, ObjectMeta> = BTreeMap::new();
            files.check_not_lost()?;
            let spooled = files.all().map_err(|e| files::failed(&e))?;
            all.extend(me.remotely(remote, &files, &prefix, after.as_ref()).await?);
            let wanted = |meta: &ObjectMeta| {
                meta.location.prefix_matches(&prefix) && after.as_ref().is_none_or(|after| meta.location > *after)
            };
            all.extend(spooled.into_iter().filter(wanted).map(|meta| (meta.location.clone(), meta)));
            Ok::<_, Error>(stream::iter(all.into_values().map(Ok)))
        })
        .try_flatten()
        .boxed()
    }

    /// What the archive lists; while it is away, what this machine knows to have arrived there, by its numbers.
    async fn remotely(
        &self,
        listed: BoxStream<'static, Result<ObjectMeta>>,
        files: &Files,
        prefix: &Path,
        after: Option<&Path>,
    ) -> Result<Vec<(Path, ObjectMeta)>> {
        let by_path = |all: Vec<ObjectMeta>| all.into_iter().map(|meta| (meta.location.clone(), meta)).collect();
        // only what captures here knows that nobody else has added anything
        if !files.is_captured().map_err(|e| files::failed(&e))? {
            return Ok(by_path(listed.try_collect().await?));
        }
        let arrived = files.arrived(prefix, after);
        let Some(arrived) = arrived else { return Ok(by_path(self.as_listed_before(listed, prefix, after).await?)) };
        match self.in_time(listed.try_collect()).await {
            Some(all) => Ok(by_path(all)),
            None => Ok(by_path(arrived)),
        }
    }

    /// Of names that do not come through the spool: while the archive is away, what it listed last is still true, for what is
    /// replaced there stays for a while.
    async fn as_listed_before(
        &self,
        listed: BoxStream<'static, Result<ObjectMeta>>,
        prefix: &Path,
        after: Option<&Path>,
    ) -> Result<Vec<ObjectMeta>> {
        let key = (prefix.clone(), after.cloned());
        let before = self.listed.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        let all = match before {
            None => listed.try_collect::<Vec<_>>().await?,
            Some(before) => match self.in_time(listed.try_collect()).await {
                Some(all) => all,
                None => return Ok(before),
            },
        };
        let mut known = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= LISTINGS {
            known.clear();
        }
        known.insert(key, all.clone());
        Ok(all)
    }

    /// What the archive answers, if it does so soon; while it is away, it is seldom asked.
    async fn in_time<T>(&self, answer: impl Future<Output = Result<T>>) -> Option<T> {
        let away = *self.away.lock().unwrap_or_else(PoisonError::into_inner);
        if away.is_some_and(|since| since.elapsed() < ASK_AGAIN) {
            return None;
        }
        let answer = match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok(answer)) => Some(answer),
            Ok(Err(error)) => {
                tracing::debug!(%error, "the archive is away; what arrived there is known");
                None
            }
            Err(_) => None,
        };
        *self.away.lock().unwrap_or_else(PoisonError::into_inner) = answer.is_none().then(Instant::now);
        answer
    }

    /// The clusters that are captured on this machine.
    fn clusters(&self) -> Vec<Path> {
        let entries = std::fs::read_dir(&self.home).into_iter().flatten().flatten();
        let clusters = entries.filter(|entry| entry.path().join("spool").is_dir());
        clusters.filter_map(|entry| entry.file_name().to_str().map(Path::from)).collect()
    }

    /// Makes this process the one that writes to the cluster's spool, which is sent on in the background until the answer
    /// is dropped. `limit`: bytes that may wait. Errors: `Fenced` when another process has it; `Io`.
    pub fn own(&self, cluster: &str, limit: u64) -> crate::error::Result<Owned> {
        let directory = self.home.join(cluster).join("spool");
        std::fs::create_dir_all(&directory).map_err(|e| crate::error::Error::io(directory.display(), e))?;
        let files = {
            let mut spools = self.spools.lock().unwrap_or_else(PoisonError::into_inner);
            match spools.get(cluster) {
                Some(known) => known.clone(),
                None => {
                    let files = Files::open(directory.clone(), cluster)
                        .map_err(|e| crate::error::Error::io(directory.display(), e))?;
                    let files = Arc::new(files);
                    spools.insert(cluster.to_string(), files.clone());
                    files
                }
            }
        };
        Owned::begin(files, self.remote.clone(), limit)
    }
}

/// Whether two objects hold the same bytes.
async fn same(remote: &dyn ObjectStore, path: &Path, bytes: &[u8]) -> Result<bool> {
    let there = remote.get(path).await?;
    if there.meta.size != bytes.len() as u64 {
        return Ok(false);
    }
    Ok(there.bytes().await? == bytes)
}

fn lost(path: &Path) -> Error {
    Fault::Lost(format!(
        "another writer has made {path} in the archive; what this machine had spooled of the cluster is not part of it"
    ))
    .of(path)
}

#[cfg(test)]
mod tests;
