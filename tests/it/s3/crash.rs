//! The world stops at the n-th write to the archive, for every n: whether the server still does it or not, and the program is
//! killed at that very moment. What is there afterwards is valid, the next run goes on, and every moment is what it was.

use crate::support::archive::{rows_at, succeeded, text};
use crate::support::db::MariaDb;
use crate::support::history::TextRow;
use crate::support::proxy::{Fate, Proxy, Request};
use crate::support::s3::{S3, has_keys, url};
use crate::support::sealed::{Sealed, copy};
use pcloud::model::{Seq, TableName};
use pcloud::timeline::Timeline;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What happens to the source, a commit a line. After the first four, a base is taken again because nobody can follow the fifth.
const HISTORY: [&str; 9] = [
    "INSERT INTO shop.a VALUES (10, REPEAT('x', 2000)), (11, REPEAT('y', 2000))",
    "UPDATE shop.a SET v = 'changed' WHERE id <= 2",
    "DELETE FROM shop.b WHERE id = 1",
    "INSERT INTO shop.b WITH RECURSIVE n AS (SELECT 100 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 400) SELECT i, i FROM n",
    "ALTER TABLE shop.b MODIFY v VARCHAR(20) CHARACTER SET latin1",
    "INSERT INTO shop.b VALUES (1000, 'after')",
    "CREATE TABLE shop.c (id INT PRIMARY KEY)",
    "INSERT INTO shop.c VALUES (1), (2), (3)",
    "UPDATE shop.b SET v = CONCAT(v, '!') WHERE id < 200",
];

/// What the three tables hold at the end of the timeline.
async fn state(timeline: &Timeline) -> Vec<(String, Vec<TextRow>)> {
    let seq = timeline.latest().seq;
    let mut all = Vec::new();
    for name in ["a", "b", "c"] {
        all.push((name.to_string(), rows_at(timeline, &TableName::new("shop", name), seq).await));
    }
    all
}

fn of_source(db: &MariaDb) -> Vec<(String, Vec<TextRow>)> {
    ["a", "b", "c"]
        .map(|name| {
            let rows = db.sql(&format!("SELECT * FROM shop.{name}"));
            let mut rows: Vec<TextRow> =
                rows.lines().map(|l| l.split('\t').map(|c| Some(c.to_string())).collect()).collect();
            rows.sort();
            (name.to_string(), rows)
        })
        .to_vec()
}

/// Runs `protect --once`, and kills it when `judge` has stalled a request. Whether it was killed.
async fn run(sealed: &Sealed, source: &str, stalled: &Arc<AtomicBool>) -> bool {
    let mut command = sealed.protect(source);
    let mut child = command.arg("--once").stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("pcloud starts");
    let until = Instant::now() + Duration::from_secs(120);
    loop {
        if stalled.load(Ordering::SeqCst) {
            child.kill().expect("killed");
            child.wait().expect("gone");
            return true;
        }
        if let Some(status) = child.try_wait().expect("waited for") {
            let said = std::io::read_to_string(child.stderr.take().expect("piped")).expect("read");
            assert!(status.success(), "{said}");
            return false;
        }
        assert!(Instant::now() < until, "it does not end");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Lets `n` writes through and stalls the next one.
fn stop_after(proxy: &Proxy, n: usize, done: bool) -> Arc<AtomicBool> {
    let (stalled, count) = (Arc::new(AtomicBool::new(false)), AtomicUsize::new(0));
    let told = stalled.clone();
    proxy.judge(move |request: &Request| {
        if !request.writes() || count.fetch_add(1, Ordering::SeqCst) < n {
            return Fate::Pass;
        }
        told.store(true, Ordering::SeqCst);
        Fate::Stall(done)
    });
    stalled
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_write_nothing_is_lost_and_nothing_is_wrong() {
    if !has_keys("s3::crash::killed_at_any_write_nothing_is_lost_and_nothing_is_wrong") {
        return;
    }
    let (s3, db) = (S3::start().await, MariaDb::start(&[]));
    let proxy = Proxy::before(s3.port).await;
    db.sql(
        "CREATE DATABASE shop; CREATE TABLE shop.a (id INT PRIMARY KEY, v TEXT); CREATE TABLE shop.b (id INT PRIMARY KEY, v VARCHAR(20));
         INSERT INTO shop.a VALUES (1, 'one'), (2, 'two'), (3, 'three'); INSERT INTO shop.b VALUES (1, 'uno'), (2, 'dos')",
    );
    let mut killed = 0;
    // the first base
    let mut began = Sealed::new(String::new());
    for n in 0.. {
        let mut over = true;
        for done in [false, true] {
            let sealed = Sealed::new(url(proxy.port, &format!("base-{n}-{done}")));
            let stalled = stop_after(&proxy, n, done);
            if run(&sealed, &db.url(), &stalled).await {
                (killed, over) = (killed + 1, false);
                assert!(!run(&sealed, &db.url(), &stop_after(&proxy, usize::MAX, false)).await);
            }
            let timeline = sealed.timeline(&sealed.url).await;
            let rows = rows_at(&timeline, &TableName::new("shop", "a"), timeline.latest().seq).await;
            assert_eq!(rows.len(), 3, "killed at write {n}");
            began = sealed;
        }
        if over {
            break;
        }
    }
    // the log, and a base that is taken again
    HISTORY.iter().for_each(|statement| drop(db.sql(statement)));
    let expected = of_source(&db);
    let client = s3.client();
    let from = began.url.split_once('?').expect("options").0.trim_start_matches("s3://pcloud/").to_string();
    let listed = client.list_objects_v2().bucket("pcloud").prefix(format!("{from}/")).send().await.expect("listed");
    let keys: Vec<String> = listed.contents().iter().map(|o| o.key().expect("a key").to_string()).collect();
    for n in 0.. {
        let mut over = true;
        for done in [false, true] {
            let to = format!("log-{n}-{done}");
            for key in &keys {
                let copied = client.copy_object().bucket("pcloud").copy_source(format!("pcloud/{key}"));
                copied.key(key.replacen(&from, &to, 1)).send().await.expect("copied");
            }
            let sealed = Sealed {
                dir: tempfile::tempdir().expect("a directory"),
                url: url(proxy.port, &to),
                recipient: began.recipient.clone(),
            };
            copy(&began.identity(), &sealed.identity());
            copy(&began.state(), &sealed.state());
            let stalled = stop_after(&proxy, n, done);
            if run(&sealed, &db.url(), &stalled).await {
                (killed, over) = (killed + 1, false);
                // what is there is valid before anybody goes on
                let timeline = sealed.timeline(&sealed.url).await;
                for seq in 0..=timeline.latest().seq.0 {
                    rows_at(&timeline, &TableName::new("shop", "a"), Seq(seq)).await;
                }
                assert!(!run(&sealed, &db.url(), &stop_after(&proxy, usize::MAX, false)).await);
            }
            let timeline = sealed.timeline(&sealed.url).await;
            assert_eq!(state(&timeline).await, expected, "killed at write {n}, done: {done}");
            assert!(timeline.uncertain_intervals().iter().all(|i| i.until.is_some()), "it is certain again");
        }
        if over {
            break;
        }
    }
    println!("killed at {killed} writes: nothing lost, nothing wrong");
    assert!(killed >= 20, "{killed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_that_capture_one_cluster_into_s3_one_is_fenced() {
    let (s3, db) = (S3::start().await, MariaDb::start(&[]));
    db.sql("CREATE DATABASE shop; CREATE TABLE shop.a (id INT PRIMARY KEY); INSERT INTO shop.a VALUES (1)");
    let one = Sealed::new(s3.url("two"));
    succeeded(one.protect(&db.url()).arg("--once"));
    // another machine, which may read
    let other = Sealed {
        dir: tempfile::tempdir().expect("a directory"),
        url: one.url.clone(),
        recipient: one.recipient.clone(),
    };
    copy(&one.identity(), &other.identity());
    db.sql("INSERT INTO shop.a VALUES (2)");
    succeeded(&mut other.reading(&["protect", &db.url(), "--name", "c", "--once"]));
    db.sql("INSERT INTO shop.a VALUES (3)");
    let fenced = one.protect(&db.url()).arg("--once").output().expect("pcloud starts");
    assert!(!fenced.status.success());
    assert!(text(&fenced.stderr).contains("this machine did not write them"), "{}", text(&fenced.stderr));
    succeeded(&mut one.reading(&["protect", &db.url(), "--name", "c", "--once"]));
    assert_eq!(one.serve().sql("SELECT COUNT(*) FROM shop.a"), "3\n");
}
