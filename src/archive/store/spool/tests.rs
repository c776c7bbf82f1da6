//! The spool, with an archive that comes and goes.

use super::*;
use crate::error::Kind;
use object_store::memory::InMemory;
use std::time::Duration;

/// A store that can be away.
#[derive(Debug)]
struct Away {
    inner: InMemory,
    away: std::sync::atomic::AtomicBool,
}

impl std::fmt::Display for Away {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Away")
    }
}

impl Away {
    fn go(&self, away: bool) {
        self.away.store(away, std::sync::atomic::Ordering::SeqCst);
    }

    fn answers(&self) -> Result<()> {
        match self.away.load(std::sync::atomic::Ordering::SeqCst) {
            false => Ok(()),
            true => Err(Error::Generic { store: "away", source: "nobody answers".into() }),
        }
    }
}

#[async_trait]
impl ObjectStore for Away {
    async fn put_opts(&self, path: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.answers()?;
        self.inner.put_opts(path, payload, opts).await
    }

    async fn put_multipart_opts(&self, path: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, opts).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.answers()?;
        self.inner.get_opts(path, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.answers() {
            Ok(()) => self.inner.list(prefix),
            Err(error) => stream::once(async { Err(error) }).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

struct Bench {
    _keep: tempfile::TempDir,
    home: PathBuf,
    remote: Arc<Away>,
}

impl Bench {
    fn new() -> Self {
        let keep = tempfile::tempdir().expect("a directory");
        let home = keep.path().join("state");
        Self { _keep: keep, home, remote: Arc::new(Away { inner: InMemory::new(), away: false.into() }) }
    }

    /// As another process would see it.
    fn store(&self) -> SpoolStore {
        SpoolStore::new(self.remote.clone(), self.home.clone())
    }
}

fn segment(n: u64) -> Path {
    Path::from(format!("c/log/{n:020}.seg"))
}

async fn create(store: &SpoolStore, path: &Path, bytes: &'static str) -> Result<PutResult> {
    store.put_opts(path, bytes.into(), PutMode::Create.into()).await
}

async fn names(store: &dyn ObjectStore) -> Vec<String> {
    let listed = store.list(Some(&Path::from("c/log"))).map_ok(|m| m.location.filename().expect("a name").to_string());
    let mut names: Vec<String> = listed.try_collect().await.expect("a listing");
    names.iter_mut().for_each(|n| *n = n.trim_start_matches('0').into());
    names
}

async fn read(store: &dyn ObjectStore, path: &Path) -> bytes::Bytes {
    store.get(path).await.expect("there").bytes().await.expect("read")
}

#[tokio::test]
async fn what_is_spooled_is_read_at_once_and_arrives_in_order_when_the_archive_is_back() {
    let bench = Bench::new();
    let store = bench.store();
    let owned = store.own("c", 1 << 20).expect("owned");
    create(&store, &segment(1), "one").await.expect("put");
    assert_eq!(owned.drained(Duration::from_secs(10)).await.expect("sent").objects, 0);
    bench.remote.go(true);
    create(&store, &segment(2), "two").await.expect("put");
    create(&store, &segment(3), "three").await.expect("put");
    let reader = bench.store();
    assert_eq!(read(&reader, &segment(3)).await, "three");
    let after = reader.list_with_offset(Some(&Path::from("c/log")), &segment(1));
    assert_eq!(after.try_collect::<Vec<_>>().await.expect("listed without the archive").len(), 2);
    assert!(matches!(create(&store, &segment(3), "again").await, Err(Error::AlreadyExists { .. })));
    let waiting = owned.drained(Duration::from_millis(500)).await.expect("waits");
    assert_eq!((waiting.objects, waiting.bytes), (2, 8));
    assert!(waiting.away.expect("a reason").1.contains("nobody answers"));
    bench.remote.go(false);
    assert_eq!(owned.drained(Duration::from_secs(30)).await.expect("sent").objects, 0);
    assert_eq!(names(bench.remote.as_ref()).await, ["1.seg", "2.seg", "3.seg"]);
    assert_eq!(names(&reader).await, ["1.seg", "2.seg", "3.seg"]);
}

#[tokio::test]
async fn where_nobody_captures_an_archive_that_is_away_is_not_guessed_at() {
    let bench = Bench::new();
    let (store, prefix) = (bench.store(), Path::from("c/log"));
    let owned = store.own("c", 1 << 20).expect("owned");
    create(&store, &segment(1), "one").await.expect("put");
    assert_eq!(owned.drained(Duration::from_secs(10)).await.expect("sent").objects, 0);
    bench.remote.go(true);
    let known: Vec<_> = bench.store().list(Some(&prefix)).try_collect().await.expect("known while it is captured");
    assert_eq!(known.len(), 1);
    drop(owned);
    // from now on another machine may add to it
    let listed: Result<Vec<_>> = bench.store().list(Some(&prefix)).try_collect().await;
    assert!(listed.is_err());
}

#[tokio::test]
async fn what_a_killed_process_spooled_is_sent_by_the_next_one_and_never_twice() {
    let bench = Bench::new();
    bench.remote.go(true);
    {
        let store = bench.store();
        let _owned = store.own("c", 1 << 20).expect("owned");
        create(&store, &segment(1), "one").await.expect("put");
        let other = bench.store().own("c", 1 << 20).expect_err("one writer");
        assert_eq!(other.kind, Kind::Fenced);
    }
    bench.remote.go(false);
    // it had arrived, and the answer was lost
    bench.remote.put(&segment(1), "one".into()).await.expect("put");
    let store = bench.store();
    let owned = store.own("c", 1 << 20).expect("owned");
    create(&store, &segment(2), "two").await.expect("put");
    assert_eq!(owned.drained(Duration::from_secs(30)).await.expect("sent").objects, 0);
    assert_eq!(names(bench.remote.as_ref()).await, ["1.seg", "2.seg"]);
}

#[tokio::test]
async fn whoever_finds_anothers_object_in_its_place_has_lost_the_cluster() {
    let bench = Bench::new();
    let store = bench.store();
    let owned = store.own("c", 1 << 20).expect("owned");
    bench.remote.put(&segment(1), "another's".into()).await.expect("put");
    create(&store, &segment(1), "ours").await.expect("spooled");
    assert_eq!(owned.drained(Duration::from_secs(30)).await.expect_err("lost").kind, Kind::Fenced);
    let refused = create(&store, &segment(2), "more").await.expect_err("lost");
    assert_eq!(super::super::failed("x", refused).kind, Kind::Fenced);
    assert!(store.get(&segment(1)).await.is_err(), "what was spooled is believed no more");
    assert_eq!(read(bench.remote.as_ref(), &segment(1)).await, "another's");
}

#[tokio::test]
async fn a_spool_holds_no_more_than_it_may_and_other_objects_pass_it_by() {
    let bench = Bench::new();
    let store = bench.store();
    let _owned = store.own("c", 10).expect("owned");
    bench.remote.go(true);
    create(&store, &segment(1), "12345678").await.expect("fits");
    let full = super::super::failed("x", create(&store, &segment(2), "9 10 11").await.expect_err("full"));
    assert_eq!(full.kind, Kind::Io);
    assert!(full.message.contains("holds 0 MiB") && full.hint.is_some(), "{full}");
    bench.remote.go(false);
    create(&store, &Path::from("c/base/1/x/0.parquet"), "rows").await.expect("put");
    assert_eq!(read(bench.remote.as_ref(), &Path::from("c/base/1/x/0.parquet")).await, "rows");
}
