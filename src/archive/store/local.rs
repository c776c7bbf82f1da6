//! A local directory as an object store whose names are as durable as their bytes.
//!
//! object_store's `LocalFileSystem` writes atomically but syncs nothing, so a power cut could leave a name without its
//! bytes, or lose a name that was already built upon. Here every write goes into a staged file beside its destination
//! (`<name>#<digits>`, which `LocalFileSystem` never lists), is synced, takes its name by a hard link (create) or a
//! rename (replace), and then the directory is synced; directories are synced into their parents before they are used.
//! A staged file is locked while its writer lives, so what a killed writer left can be told and removed.

use crate::error::{Error, Kind, Result};
use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Location;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, UploadPart,
};
use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

const STORE: &str = "local";

/// See the head of the file. Reads are `LocalFileSystem`'s.
#[derive(Debug)]
pub struct LocalStore {
    reads: LocalFileSystem,
    directories: Arc<Directories>,
}

impl LocalStore {
    /// Errors: `Usage` when there is no such directory, `Io`.
    pub fn open(root: &Path) -> Result<Self> {
        let root = root.canonicalize().map_err(|e| match e.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                Error::new(Kind::Usage, format!("there is no archive at {}", root.display()))
                    .hint("pcloud protect and pcloud import make one.")
            }
            _ => Error::io(root.display(), e),
        })?;
        let reads = LocalFileSystem::new_with_prefix(&root).map_err(|e| super::failed(root.display(), e))?;
        Ok(Self { reads, directories: Arc::new(Directories { root, durable: Mutex::default() }) })
    }

    /// Makes the directory first, if it is absent.
    pub fn create(root: &Path) -> Result<Self> {
        let mut missing: Vec<&Path> = root.ancestors().take_while(|d| !d.exists()).collect();
        while let Some(directory) = missing.pop() {
            make_directory(directory).map_err(|e| Error::io(directory.display(), e))?;
        }
        Self::open(root)
    }

    pub fn root(&self) -> &Path {
        &self.directories.root
    }

    /// Removes the staged files of writers that are gone. What cannot be removed only takes space.
    pub fn sweep(&self) {
        let mut pending = vec![self.directories.root.clone()];
        while let Some(directory) = pending.pop() {
            let Ok(entries) = std::fs::read_dir(&directory) else { continue };
            for entry in entries.flatten() {
                let path = entry.path();
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => pending.push(path),
                    Ok(kind) if kind.is_file() && is_staged(&path) => remove_if_abandoned(&path),
                    _ => {}
                }
            }
        }
    }

    fn destination(&self, location: &Location) -> object_store::Result<PathBuf> {
        self.reads.path_to_filesystem(location)
    }
}

impl std::fmt::Display for LocalStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LocalStore({})", self.root().display())
    }
}

#[async_trait]
impl ObjectStore for LocalStore {
    async fn put_opts(
        &self,
        location: &Location,
        payload: PutPayload,
        opts: PutOptions,
    ) -> object_store::Result<PutResult> {
        let create = match opts.mode {
            PutMode::Create => true,
            PutMode::Overwrite => false,
            PutMode::Update(_) => return Err(not_built("a put with PutMode::Update")),
        };
        let (to, directories) = (self.destination(location)?, self.directories.clone());
        blocking(move || {
            let staged = Staged::new(&directories, to)?;
            staged.write_at(0, &payload)?;
            if create { staged.create() } else { staged.replace() }
        })
        .await
    }

    async fn put_multipart_opts(
        &self,
        location: &Location,
        _: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        let (to, directories) = (self.destination(location)?, self.directories.clone());
        let staged = blocking(move || Staged::new(&directories, to)).await?;
        Ok(Box::new(Upload { staged: Some(Arc::new(staged)), offset: 0 }))
    }

    async fn get_opts(&self, location: &Location, options: GetOptions) -> object_store::Result<GetResult> {
        self.reads.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, object_store::Result<Location>>,
    ) -> BoxStream<'static, object_store::Result<Location>> {
        self.reads.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Location>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.reads.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Location>,
        offset: &Location,
    ) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.reads.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Location>) -> object_store::Result<ListResult> {
        self.reads.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, _: &Location, _: &Location, _: CopyOptions) -> object_store::Result<()> {
        Err(not_built("a copy")) // the archive never copies or renames an object
    }
}

fn not_built(operation: &str) -> object_store::Error {
    object_store::Error::NotImplemented { operation: operation.into(), implementer: STORE.into() }
}

/// Runs file work off the async threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> object_store::Result<T> {
    tokio::task::spawn_blocking(work).await?.map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => {
            object_store::Error::AlreadyExists { path: source.to_string(), source: Box::new(source) }
        }
        _ => object_store::Error::Generic { store: STORE, source: Box::new(source) },
    })
}

/// The directories whose names this process knows to be durable.
#[derive(Debug)]
struct Directories {
    root: PathBuf,
    durable: Mutex<HashSet<PathBuf>>,
}

impl Directories {
    /// Makes `directory` and every missing one above it, up to the root. A directory that another process made is
    /// synced too: it may have been killed before it did so.
    fn ensure(&self, directory: &Path) -> io::Result<()> {
        let mut durable = self.durable.lock().unwrap_or_else(PoisonError::into_inner);
        let mut above: Vec<&Path> =
            directory.ancestors().take_while(|d| *d != self.root && !durable.contains(*d)).collect();
        while let Some(next) = above.pop() {
            make_directory(next)?;
            durable.insert(next.to_path_buf());
        }
        Ok(())
    }
}

fn make_directory(directory: &Path) -> io::Result<()> {
    match std::fs::create_dir(directory) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
        _ => {}
    }
    directory.parent().map_or(Ok(()), sync_directory)
}

fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// A file that has no name of its own yet; removed when it is dropped before it gets one.
#[derive(Debug)]
struct Staged {
    file: File,
    path: PathBuf,
    to: PathBuf,
}

impl Staged {
    fn new(directories: &Directories, to: PathBuf) -> io::Result<Self> {
        directories.ensure(parent(&to)?)?;
        loop {
            let digits = getrandom::u64().map_err(|e| io::Error::other(e.to_string()))?;
            let mut path = to.clone().into_os_string();
            path.push(format!("#{digits}"));
            let path = PathBuf::from(path);
            let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
            // On a file system without locks nothing is swept either.
            let _ = file.try_lock();
            // A sweep may have come between the two calls.
            if file.metadata()?.nlink() > 0 {
                return Ok(Self { file, path, to });
            }
        }
    }

    fn write_at(&self, mut offset: u64, payload: &PutPayload) -> io::Result<()> {
        for bytes in payload {
            self.file.write_all_at(bytes, offset)?;
            offset += bytes.len() as u64;
        }
        Ok(())
    }

    /// Gives it its name, unless something has it: then `AlreadyExists`. Of several at once exactly one succeeds.
    fn create(self) -> io::Result<PutResult> {
        (&self.file).flush()?;
        self.file.sync_all()?;
        std::fs::hard_link(&self.path, &self.to)?;
        // A second name of the same file does no harm if it stays.
        let _ = std::fs::remove_file(&self.path);
        sync_directory(parent(&self.to)?)?;
        Ok(PutResult { e_tag: None, version: None })
    }

    /// Gives it its name, in the place of what had it.
    fn replace(&self) -> io::Result<PutResult> {
        self.file.sync_all()?;
        std::fs::rename(&self.path, &self.to)?;
        sync_directory(parent(&self.to)?)?;
        Ok(PutResult { e_tag: None, version: None })
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path); // it is gone already when it got its name
    }
}

fn parent(path: &Path) -> io::Result<&Path> {
    path.parent().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "an object needs a directory"))
}

fn is_staged(path: &Path) -> bool {
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    name.rsplit_once('#').is_some_and(|(_, d)| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit()))
}

/// Its writer holds the lock for as long as it lives.
fn remove_if_abandoned(path: &Path) {
    if let Ok(file) = OpenOptions::new().write(true).open(path)
        && file.try_lock().is_ok()
    {
        let _ = std::fs::remove_file(path);
    }
}

#[derive(Debug)]
struct Upload {
    staged: Option<Arc<Staged>>,
    offset: u64,
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (staged, offset) = (self.staged.clone(), self.offset);
        self.offset += data.content_length() as u64;
        Box::pin(blocking(move || staged.ok_or_else(ended)?.write_at(offset, &data)))
    }

    async fn complete(&mut self) -> object_store::Result<PutResult> {
        let staged = self.staged.take();
        blocking(move || staged.ok_or_else(ended)?.replace()).await
    }

    async fn abort(&mut self) -> object_store::Result<()> {
        self.staged = None;
        Ok(())
    }
}

fn ended() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "the upload has ended")
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::TryStreamExt;
    use object_store::ObjectStoreExt;

    fn store() -> (tempfile::TempDir, Arc<LocalStore>) {
        let directory = tempfile::tempdir().expect("a directory");
        let store = LocalStore::create(&directory.path().join("a/b")).expect("made");
        (directory, Arc::new(store))
    }

    async fn names(store: &LocalStore) -> Vec<String> {
        let mut names: Vec<_> =
            store.list(None).map_ok(|m| m.location.to_string()).try_collect().await.expect("a listing");
        names.sort();
        names
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn of_sixteen_writers_of_one_name_exactly_one_wins() {
        let (_keep, store) = store();
        for round in 0..20 {
            let path = Location::from(format!("log/{round:020}.seg"));
            let writers = (0..16u8).map(|n| {
                let (store, path) = (store.clone(), path.clone());
                tokio::spawn(async move {
                    let payload = PutPayload::from(vec![n; 10_000]);
                    (n, store.put_opts(&path, payload, PutMode::Create.into()).await)
                })
            });
            let mut won = Vec::new();
            for writer in writers.collect::<Vec<_>>() {
                match writer.await.expect("no panic") {
                    (n, Ok(_)) => won.push(n),
                    (_, Err(object_store::Error::AlreadyExists { .. })) => {}
                    (_, Err(e)) => panic!("{e}"),
                }
            }
            assert_eq!(won.len(), 1);
            let bytes = store.get(&path).await.expect("there").bytes().await.expect("read");
            assert_eq!(bytes, vec![won[0]; 10_000], "the winner's bytes");
        }
        assert_eq!(names(&store).await.len(), 20);
    }

    #[tokio::test]
    async fn a_staged_file_is_no_object_and_goes_when_its_writer_is_gone() {
        let (_keep, store) = store();
        store.put(&"log/1".into(), "x".into()).await.expect("put");
        let abandoned = store.root().join("log/2#17");
        std::fs::write(&abandoned, "half").expect("written");
        let live = Staged::new(&store.directories, store.root().join("log/3")).expect("staged");
        assert_eq!(names(&store).await, ["log/1"]);
        assert!(store.get(&"log/2".into()).await.is_err());
        store.sweep();
        assert!(!abandoned.exists(), "swept");
        assert!(live.path.exists(), "its writer lives");
        live.write_at(0, &"y".into()).expect("written");
        live.create().expect("named");
        assert_eq!(names(&store).await, ["log/1", "log/3"]);
    }

    #[tokio::test]
    async fn an_upload_is_seen_whole_or_not_at_all() {
        let (_keep, store) = store();
        let mut upload = store.put_multipart(&"base/1".into()).await.expect("begun");
        upload.put_part(vec![1; 100].into()).await.expect("a part");
        upload.put_part(vec![2; 50].into()).await.expect("a part");
        assert!(names(&store).await.is_empty());
        upload.complete().await.expect("completed");
        let bytes = store.get(&"base/1".into()).await.expect("there").bytes().await.expect("read");
        assert_eq!(bytes, [vec![1; 100], vec![2; 50]].concat());
        let mut given_up = store.put_multipart(&"base/2".into()).await.expect("begun");
        given_up.put_part("z".into()).await.expect("a part");
        drop(given_up);
        assert_eq!(std::fs::read_dir(store.root().join("base")).expect("listed").count(), 1, "nothing is left");
    }

    #[tokio::test]
    async fn an_absent_directory_is_no_archive_and_an_absent_prefix_is_empty() {
        let (keep, store) = store();
        assert_eq!(LocalStore::open(&keep.path().join("none")).expect_err("absent").kind, Kind::Usage);
        let listed: Vec<_> = store.list(Some(&"none".into())).try_collect().await.expect("a listing");
        assert!(listed.is_empty());
    }
}
