//! A run that is killed at any of its writes leaves a valid archive that answers alike, and the next one finishes.

use super::answers::{answers, same};
use super::faulty::{Faulty, Left};
use super::random::Random;
use super::shared::{compact, eager, retain, seconds};
use crate::support::history::seed;
use pcloud::archive::Archive;
use pcloud::model::Seq;
use pcloud::timeline::Timeline;
use pcloud::upkeep::Policy;
use std::path::Path;
use std::process::Command;

/// The same archive in another place.
fn copied(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().expect("a directory");
    let done = Command::new("cp").arg("-a").arg(from.join(".")).arg(to.path()).status();
    assert!(done.expect("cp runs").success());
    to
}

async fn opened(dir: &Path) -> Archive {
    Archive::open(&dir.to_string_lossy()).await.expect("the archive opens")
}

#[tokio::test]
async fn a_compaction_may_be_killed_at_every_write() {
    let seed = seed();
    let dir = tempfile::tempdir().expect("a directory");
    let mut random = Random::begin(dir.path(), seed).await;
    random.steps(12).await;
    let options = eager(&mut fastrand::Rng::with_seed(seed));
    // some of it is there already
    compact(&random.made.cluster, &options).await.expect("compacted");
    random.steps(8).await;
    let expected = answers(&random.made.timeline().await, Seq::ZERO).await;
    let mut n = 0;
    loop {
        let copy = copied(dir.path());
        let archive = opened(copy.path()).await;
        let left = Left::writes(n);
        let faulty = archive.through(|store| Faulty::over(store, &left)).cluster("c").expect("a name");
        let run = compact(&faulty, &options).await;
        let whole = run.as_ref().is_ok_and(|report| report.remarks.is_empty());
        let what = format!("PCLOUD_SEED={seed}, killed at write {n}");
        let cluster = opened(copy.path()).await.cluster("c").expect("a name");
        let timeline = Timeline::load(cluster.clone()).await.unwrap_or_else(|e| panic!("{what}: {e}"));
        same(&answers(&timeline, Seq::ZERO).await, &expected, &what);
        drop(timeline);
        compact(&cluster, &options).await.unwrap_or_else(|e| panic!("{what}: the next run: {e}"));
        let timeline = Timeline::load(cluster.clone()).await.expect("loaded");
        same(&answers(&timeline, Seq::ZERO).await, &expected, &format!("{what}, finished"));
        if whole {
            break;
        }
        n += 1;
    }
    assert!(n > 5, "only {n} writes");
}

#[tokio::test]
async fn a_retention_may_be_killed_at_every_write() {
    let seed = seed();
    let dir = tempfile::tempdir().expect("a directory");
    let mut random = Random::begin(dir.path(), seed).await;
    random.pace = 600.0;
    random.steps(25).await;
    let options = eager(&mut fastrand::Rng::with_seed(seed));
    let before = random.made.timeline().await;
    let span = (before.until().0 - before.first().time.0) as f64 / 1e6;
    let policy = Policy { every: seconds(span / 3.0), hourly: Some(seconds(span)), daily: None, monthly: None };
    let mut n = 0;
    loop {
        let copy = copied(dir.path());
        let archive = opened(copy.path()).await;
        let left = Left::writes(n);
        let faulty = archive.through(|store| Faulty::over(store, &left)).cluster("c").expect("a name");
        let run = retain(&faulty, &policy, &options).await;
        let whole = run.as_ref().is_ok_and(|(_, report)| report.remarks.is_empty());
        let what = format!("PCLOUD_SEED={seed}, killed at write {n}");
        let cluster = opened(copy.path()).await.cluster("c").expect("a name");
        let plan = check(&before, &cluster, &what).await;
        retain(&cluster, &policy, &options).await.unwrap_or_else(|e| panic!("{what}: the next run: {e}"));
        let finished = check(&before, &cluster, &format!("{what}, finished")).await;
        assert!(finished > Seq::ZERO && finished >= plan, "{what}: the beginning did not move");
        if whole {
            break;
        }
        n += 1;
    }
    assert!(n > 5, "only {n} writes");
}

/// Whatever is kept answers as it did. Returns where the history begins.
async fn check(before: &Timeline, cluster: &pcloud::archive::Cluster, what: &str) -> Seq {
    let timeline = Timeline::load(cluster.clone()).await.unwrap_or_else(|e| panic!("{what}: {e}"));
    let (first, latest) = (timeline.first().seq, timeline.latest().seq);
    assert_eq!(latest, before.latest().seq, "{what}");
    for seq in (0..=latest.0).map(Seq) {
        if timeline.moment(seq).is_ok() {
            super::retained::alike(before, &timeline, seq, what).await;
        } else {
            assert!(seq < first, "{what}: seq {seq}");
        }
    }
    first
}
