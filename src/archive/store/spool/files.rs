//! The files of one spool, and what they stand for.

use super::super::fault::Fault;
use super::super::local::LocalStore;
use super::lost;
use crate::archive::layout;
use object_store::path::Path;
use object_store::{
    Error, GetOptions, GetResult, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutPayload, PutResult, Result,
};
use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;
use tokio::sync::Notify;

const SEPARATOR: char = '+';

/// One cluster's spool.
#[derive(Debug)]
pub struct Files {
    directory: PathBuf,
    cluster: String,
    store: LocalStore,
    seen: Mutex<Seen>,
    /// Bytes that may wait; 0: this process does not write here.
    limit: AtomicU64,
    lost: AtomicBool,
    /// Something came.
    pub came: Notify,
}

/// The directory as it was at a time.
#[derive(Debug, Default)]
struct Seen {
    at: Option<SystemTime>,
    files: BTreeMap<u64, Spooled>,
}

#[derive(Debug, Clone)]
pub struct Spooled {
    pub meta: ObjectMeta,
    /// The file's name.
    file: Path,
}

pub fn failed(error: &io::Error) -> Error {
    Error::Generic { store: "spool", source: Box::new(io::Error::new(error.kind(), error.to_string())) }
}

impl Files {
    pub fn open(directory: PathBuf, cluster: &str) -> io::Result<Self> {
        let store = LocalStore::open(&directory).map_err(|e| io::Error::other(e.to_string()))?;
        Ok(Self {
            directory,
            cluster: cluster.to_string(),
            store,
            seen: Mutex::default(),
            limit: AtomicU64::new(0),
            lost: AtomicBool::new(false),
            came: Notify::new(),
        })
    }

    /// The lock that its one writer holds. `None`: another has it.
    pub fn lock(&self) -> io::Result<Option<File>> {
        let file = File::options().create(true).truncate(false).write(true).open(self.directory.join("lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(e),
        }
    }

    /// Whether a process on this machine captures the cluster now.
    pub fn is_captured(&self) -> io::Result<bool> {
        Ok(self.limit.load(Ordering::SeqCst) > 0 || self.lock()?.is_none())
    }

    pub fn directory(&self) -> &std::path::Path {
        &self.directory
    }

    pub fn sweep(&self) {
        self.store.sweep();
    }

    pub fn may_hold(&self, limit: u64) {
        self.limit.store(limit, Ordering::SeqCst);
    }

    /// Whether an object of this name goes through the spool: those that commit.
    pub fn takes(&self, path: &Path) -> bool {
        self.limit.load(Ordering::SeqCst) > 0
            && (layout::segment_number(path).is_some() || layout::manifest_number(path).is_some())
            && matches!(path.parts().nth(1).as_ref().map(AsRef::as_ref), Some(layout::SEGMENTS | layout::MANIFESTS))
    }

    pub fn check_not_lost(&self) -> Result<()> {
        if self.lost.load(Ordering::SeqCst) { Err(lost(&Path::from(self.cluster.as_str()))) } else { Ok(()) }
    }

    /// Another writer's object has the name of one that waits here: nothing of this spool may be believed any more.
    pub fn lose(&self) {
        self.lost.store(true, Ordering::SeqCst);
    }

    pub async fn put(&self, path: &Path, payload: PutPayload) -> Result<PutResult> {
        self.check_not_lost()?;
        let waiting = self.waiting().map_err(|e| failed(&e))?;
        if waiting.values().any(|spooled| spooled.meta.location == *path) {
            let source = format!("{path} is spooled already").into();
            return Err(Error::AlreadyExists { path: path.to_string(), source });
        }
        let (held, limit) = (waiting.values().map(|s| s.meta.size).sum::<u64>(), self.limit.load(Ordering::SeqCst));
        if held > 0 && held + payload.content_length() as u64 > limit {
            let why = format!(
                "the spool {} holds {} MiB that the archive has not taken, and may hold {} MiB",
                self.directory.display(),
                held >> 20,
                limit >> 20
            );
            return Err(Fault::SpoolFull(why).of(path));
        }
        let number = waiting.keys().next_back().map_or(1, |last| last + 1);
        let name = format!("{number:020}{SEPARATOR}{}", path.as_ref().replace('/', &SEPARATOR.to_string()));
        let done = self.store.put_opts(&Path::from(name), payload, PutMode::Create.into()).await?;
        self.came.notify_waiters();
        Ok(done)
    }

    pub async fn get(&self, path: &Path, options: &GetOptions) -> Result<GetResult> {
        let waiting = self.waiting().map_err(|e| failed(&e))?;
        let Some(spooled) = waiting.into_values().find(|s| s.meta.location == *path) else {
            return Err(Error::NotFound { path: path.to_string(), source: "it is not spooled".into() });
        };
        let mut found = self.store.get_opts(&spooled.file, options.clone()).await?;
        found.meta.location = path.clone();
        Ok(found)
    }

    pub fn all(&self) -> io::Result<Vec<ObjectMeta>> {
        Ok(self.waiting()?.into_values().map(|s| s.meta).collect())
    }

    /// In the order in which they came.
    pub fn waiting(&self) -> io::Result<BTreeMap<u64, Spooled>> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let at = std::fs::metadata(&self.directory)?.modified()?;
        // Two changes may share a time that is not past yet.
        let settled = at.elapsed().is_ok_and(|e| e.as_millis() > 50);
        if !settled || seen.at != Some(at) {
            *seen = Seen { at: settled.then_some(at), files: self.read()? };
        }
        Ok(seen.files.clone())
    }

    fn read(&self) -> io::Result<BTreeMap<u64, Spooled>> {
        let mut files = BTreeMap::new();
        for entry in std::fs::read_dir(&self.directory)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            let Some((number, path)) = name.split_once(SEPARATOR) else { continue };
            // a name that is being written has a '#'
            let (true, Ok(number), false) = (number.len() == 20, number.parse(), name.contains('#')) else { continue };
            let held = match entry.metadata() {
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue, // it arrived meanwhile
                held => held?,
            };
            let location = Path::from(path.replace(SEPARATOR, "/"));
            let meta = ObjectMeta {
                location,
                last_modified: held.modified()?.into(),
                size: held.len(),
                e_tag: None,
                version: None,
            };
            files.insert(number, Spooled { meta, file: Path::from(name) });
        }
        Ok(files)
    }

    pub async fn bytes(&self, spooled: &Spooled) -> Result<bytes::Bytes> {
        self.store.get(&spooled.file).await?.bytes().await
    }

    /// It is in the archive.
    pub async fn remove(&self, spooled: &Spooled) -> Result<()> {
        let path = &spooled.meta.location;
        if let (Some(folder), Some(name)) = (path.parts().nth(1), path.filename()) {
            self.mark(folder.as_ref(), name.to_string()).await?;
        }
        self.store.delete(&spooled.file).await
    }

    async fn mark(&self, folder: &str, name: String) -> Result<()> {
        let marker = Path::from(format!("uploaded{SEPARATOR}{folder}"));
        self.store.put(&marker, name.into()).await.map(drop)
    }

    /// The archive or the spool has all manifests and segments up to these.
    pub async fn reached(&self, manifest: u64, segment: u64) -> Result<()> {
        for (folder, name) in
            [(layout::MANIFESTS, layout::manifest(manifest)), (layout::SEGMENTS, layout::segment(segment))]
        {
            let file = name.rsplit('/').next().unwrap_or_default();
            self.mark(folder, file.to_string()).await?;
        }
        Ok(())
    }

    /// What arrived from here and would be listed after `after`, by its numbers; `None`: that is not known.
    pub fn arrived(&self, prefix: &Path, after: Option<&Path>) -> Option<Vec<ObjectMeta>> {
        let folder = prefix.parts().nth(1)?;
        let first = match after {
            None => 0,
            Some(after) => layout::segment_number(after).or(layout::manifest_number(after))?,
        };
        let text =
            std::fs::read_to_string(self.directory.join(format!("uploaded{SEPARATOR}{}", folder.as_ref()))).ok()?;
        let (name, number): (fn(u64) -> String, _) = match folder.as_ref() {
            layout::SEGMENTS => (layout::segment, layout::segment_number(&Path::from(text))?),
            layout::MANIFESTS => (layout::manifest, layout::manifest_number(&Path::from(text))?),
            _ => return None,
        };
        let meta = |n| ObjectMeta {
            location: Path::from(format!("{}/{}", self.cluster, name(n))),
            last_modified: Default::default(),
            size: 0,
            e_tag: None,
            version: None,
        };
        Some((first + 1..=number).map(meta).collect())
    }
}
