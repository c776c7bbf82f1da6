//! What does capture ask of the server? Counted, as it is paid for.

use crate::support::db::MariaDb;
use crate::support::s3::{S3, has_keys};
use crate::support::sealed::Sealed;
use futures::TryStreamExt;
use object_store::ObjectStore;
use pcloud::archive::{Access, Archive};
use pcloud::capture::{self, Options, Progress, Show};
use pcloud::clock::{Clock, SystemClock};
use pcloud::model::{MomentSpec, ServerUrl};
use pcloud::source::Filter;
use pcloud::source::mysql::Server;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Seconds of writing; a second of it is at most one segment every two.
const BUSY: u64 = 15;

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_is_one_request() {
    if !has_keys("s3::requests::a_segment_is_one_request") {
        return;
    }
    let (s3, db) = (S3::start().await, MariaDb::start(&[]));
    db.sql("CREATE DATABASE shop; CREATE TABLE shop.o (id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(20))");
    let sealed = Sealed::new(s3.url("asked"));
    // a machine that captures and holds no secret
    let access = Access {
        recipients: vec![sealed.recipient.clone()],
        local: Some(sealed.state()),
        spool_bytes: 1 << 30,
        ..Access::default()
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let archive = Archive::create_with(&sealed.url, &access, clock.as_ref()).await.expect("an archive");
    let source = Server { url: ServerUrl::parse(&db.url()).expect("a URL"), filter: Filter::default(), connections: 1 };
    let told = Arc::new(tokio::sync::Notify::new());
    let caught_up = told.clone();
    let show: Show = Arc::new(move |p| {
        if matches!(p, Progress::CaughtUp { .. }) {
            caught_up.notify_one();
        }
    });
    let (stop, capturing) = (CancellationToken::new(), archive.clone());
    let stopped = stop.clone();
    let running = tokio::spawn(async move {
        capture::run(&capturing, Arc::new(source), &Options::new("c"), clock, show, stopped).await
    });
    told.notified().await;
    let objects =
        async || archive.stored_objects().list(None).try_collect::<Vec<_>>().await.expect("listed").len() as u64;
    let (before, objects_before, began) = (archive.requests().expect("counted"), objects().await, Instant::now());
    let mut last = String::new();
    let mut commits = 0;
    while began.elapsed() < Duration::from_secs(BUSY) {
        db.sql("USE shop; INSERT INTO o (v) SELECT 'x' FROM seq_1_to_20");
        last = db.sql("SELECT @@gtid_binlog_pos").trim().to_string();
        commits += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // as another machine sees it
    let written = Instant::now();
    loop {
        let timeline = sealed.timeline(&sealed.url).await;
        if timeline.resolve(&MomentSpec::Gtid(last.clone())).is_ok() {
            break;
        }
        assert!(written.elapsed() < Duration::from_secs(120), "{last} never came");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (late, after) = (written.elapsed(), archive.requests().expect("counted"));
    stop.cancel();
    running.await.expect("no panic").expect("stopped");
    let made = objects().await - objects_before;
    let (puts, others) = (after.puts - before.puts, after.gets - before.gets + after.deletes - before.deletes);
    // listing what is there was this test's own doing
    let lists = after.lists - before.lists - 1;
    println!(
        "{commits} commits in {BUSY} s: {made} objects, {puts} writes, {lists} lists, {others} others; the last commit was there after {late:?}"
    );
    assert!((2..=BUSY / 2 + 2).contains(&made), "{made} segments in {BUSY} s");
    assert!(puts <= made + 1 && lists == 0 && others == 0, "{before:?}, {after:?}");
}
