//! Bad days between pcloud and a real S3 server: connections that break before or after, answers that are cut, servers that refuse.

use crate::support::archive::rows_at;
use crate::support::db::MariaDb;
use crate::support::protect::Protect;
use crate::support::proxy::{Fate, Proxy, Request};
use crate::support::s3::{S3, has_keys, url};
use crate::support::sealed::Sealed;
use pcloud::model::TableName;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long it is written under faults: 30 seconds, or as PCLOUD_FAULT_SECONDS says (1800 and more by hand).
fn duration() -> Duration {
    let said = std::env::var("PCLOUD_FAULT_SECONDS").ok().map(|s| s.parse().expect("a number of seconds"));
    Duration::from_secs(said.unwrap_or(30))
}

/// Each request fares badly one time in three.
fn bad_days(seed: u64) -> impl FnMut(&Request) -> Fate + Send + 'static {
    let mut random = fastrand::Rng::with_seed(seed);
    move |request: &Request| match random.u32(0..27) {
        0 => Fate::Drop,
        1 => Fate::DropAnswer,
        2 => Fate::Truncate,
        3 => Fate::Refuse(500, "InternalError"),
        4 => Fate::Refuse(503, "SlowDown"),
        5 => Fate::Refuse(403, "AccessDenied"),
        6 => Fate::RefuseAfter(500, "InternalError"),
        7 => Fate::Delay(Duration::from_millis(random.u64(0..1500))),
        // what was just written is not found yet
        8 if !request.writes() => Fate::Refuse(404, "NoSuchKey"),
        _ => Fate::Pass,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn under_faults_nothing_is_lost_and_nothing_is_wrong() {
    if !has_keys("s3::faults::under_faults_nothing_is_lost_and_nothing_is_wrong") {
        return;
    }
    let (s3, db) = (S3::start().await, MariaDb::start(&[]));
    let proxy = Proxy::before(s3.port).await;
    db.sql("CREATE DATABASE shop; CREATE TABLE shop.a (id INT PRIMARY KEY, v TEXT)");
    let sealed = Sealed::new(url(proxy.port, "bad"));
    let mut protect = Protect::start(sealed.protect(&db.url()));
    protect.says("caught up");
    let seed = std::env::var("PCLOUD_SEED").ok().map_or_else(|| fastrand::u64(..), |s| s.parse().expect("a seed"));
    println!("PCLOUD_SEED={seed}");
    proxy.seen();
    proxy.judge(bad_days(seed));
    let (mut random, mut written, until) = (fastrand::Rng::with_seed(seed), 0, Instant::now() + duration());
    let mut faults = Vec::new();
    let bad = |seen: &[(Request, Fate)]| seen.iter().filter(|(_, fate)| *fate != Fate::Pass).count();
    while Instant::now() < until || bad(&faults) < 4 {
        faults.extend(proxy.seen());
        let id = random.u32(0..500);
        db.sql(&format!("REPLACE INTO shop.a VALUES ({id}, REPEAT('{written} ', 50))"));
        written += 1;
    }
    // the bad days end, and everything must arrive
    faults.extend(proxy.seen());
    proxy.judge(|_| Fate::Pass);
    let expected: Vec<_> = {
        let rows = db.sql("SELECT * FROM shop.a");
        let mut rows: Vec<Vec<_>> =
            rows.lines().map(|l| l.split('\t').map(|c| Some(c.to_string())).collect()).collect();
        rows.sort();
        rows
    };
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let timeline = sealed.timeline(&s3.url("bad")).await;
        let latest = timeline.latest().seq;
        let rows = rows_at(&timeline, &TableName::new("shop", "a"), latest).await;
        if rows == expected {
            assert_eq!(latest.0, written, "every commit is there");
            break;
        }
        assert!(Instant::now() < deadline, "the archive reaches to {latest} of {written}");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for (_, fate) in &faults {
        let kind = format!("{fate:?}");
        *kinds.entry(kind.split([' ', '(']).next().unwrap_or_default().to_string()).or_default() += 1;
    }
    println!("{written} commits, {} requests under faults {kinds:?}: nothing lost, nothing wrong", faults.len());
}
