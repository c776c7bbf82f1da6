//! A clock that jumps: on the machine that captures and keeps the archive small. Nothing but displayed times may change.

use crate::support::archive::{rows_at, timeline};
use crate::support::db::Db;
use mysql_async::prelude::Queryable;
use pcloud::archive::Archive;
use pcloud::capture::{self, Options, Progress, Show};
use pcloud::clock::Clock;
use pcloud::model::{Micros, MomentSpec, ServerUrl, TableName};
use pcloud::source::Filter;
use pcloud::source::mysql::Server;
use pcloud::upkeep;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Each time it is asked it is somewhere within twenty years.
#[derive(Debug)]
struct Jumping(AtomicU64);

impl Clock for Jumping {
    fn now(&self) -> Micros {
        let n = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        let days = i64::try_from((n ^ (n >> 31)) % 7300).expect("small");
        Micros((1_400_000_000 + days * 86_400) * Micros::SECOND)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jumping_clock_changes_nothing_but_times() {
    let (db, dir) = (Db::start(&[]), tempfile::tempdir().expect("a directory"));
    db.sql("CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY, v INT); INSERT INTO shop.t VALUES (0, 0)");
    let clock: Arc<dyn Clock> = Arc::new(Jumping(AtomicU64::new(1)));
    let path = dir.path().display().to_string();
    let archive = Archive::create(&path, clock.as_ref()).await.expect("an archive");
    let run = async |once: bool, stop: CancellationToken, show: Show| {
        let source =
            Server { url: ServerUrl::parse(&db.url()).expect("a URL"), filter: Filter::default(), connections: 1 };
        let options = Options { once, flush_every: Duration::from_millis(20), ..Options::new("c") };
        capture::run(&archive, Arc::new(source), &options, clock.clone(), show, stop).await.expect("it is captured")
    };
    let quiet: Show = Arc::new(|_: Progress| ());
    run(true, CancellationToken::new(), quiet.clone()).await;
    let mut conn = db.connect().await;
    let mut seen: Vec<(String, usize)> = Vec::new();
    for round in 0..4 {
        let stop = CancellationToken::new();
        let writes = async {
            for id in (1..=15).map(|n| round * 15 + n) {
                conn.query_drop(format!("INSERT INTO shop.t VALUES ({id}, {id})")).await.expect("written");
                conn.query_drop(format!("UPDATE shop.t SET v = v + 1 WHERE id < {id}")).await.expect("written");
                let gtid: Option<String> = conn.query_first("SELECT @@gtid_binlog_pos").await.expect("a GTID");
                seen.push((gtid.expect("one"), id + 1));
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            stop.cancel();
        };
        tokio::join!(run(false, stop.clone(), quiet.clone()), writes);
        run(true, CancellationToken::new(), quiet.clone()).await;
        // what is replaced goes at once, whatever time it seems to be
        let options = upkeep::Options { fan_in: 3, grace: Duration::ZERO, ..upkeep::Options::default() };
        let (progress, stop) = (upkeep::Progress::default(), CancellationToken::new());
        let cluster = archive.cluster("c").expect("a name");
        upkeep::compact(&cluster, &options, clock.as_ref(), &progress, &stop).await.expect("compacted");
    }
    let timeline = timeline(dir.path(), "c").await;
    let mut before = None;
    for (gtid, rows) in &seen {
        let moment = timeline.resolve(&MomentSpec::Gtid(gtid.clone())).unwrap_or_else(|e| panic!("{gtid}: {e}"));
        assert!(
            before.is_none_or(|b: pcloud::model::Moment| b.seq < moment.seq && b.time <= moment.time),
            "{moment:?}"
        );
        let found = rows_at(&timeline, &TableName::new("shop", "t"), moment.seq).await;
        assert_eq!(found.len(), *rows, "at {gtid}");
        let newest = found.iter().find(|r| r[0].as_deref() == Some(&(rows - 1).to_string())).expect("the newest row");
        assert_eq!(newest[1], newest[0], "at {gtid}");
        before = Some(moment);
    }
    assert_eq!(seen.len(), 60);
}
