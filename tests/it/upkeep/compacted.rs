//! Packs and bases made of others: every moment answers alike before and after.

use super::answers::{answers, located, same};
use super::random::{Random, times};
use super::shared::{compact, eager};
use crate::support::history::seed;
use pcloud::archive::Folder;
use pcloud::model::Seq;
use pcloud::timeline::Timeline;
use pcloud::upkeep::Options;
use std::sync::Arc;

#[tokio::test]
async fn every_moment_answers_alike_before_and_after() {
    let seed = seed();
    let (mut packs, mut folds) = (0, 0);
    for n in 0..8 {
        let dir = tempfile::tempdir().expect("a directory");
        let mut rng = fastrand::Rng::with_seed(seed + n);
        let mut random = Random::begin(dir.path(), seed + n).await;
        // a view that goes on being refreshed, and the upkeep in between at any point
        let mut followed = random.made.timeline().await;
        for round in 0..4 {
            random.steps(rng.usize(3..15)).await;
            let before = random.made.timeline().await;
            let expected = answers(&before, Seq::ZERO).await;
            let times = times(random.now);
            let report = compact(&random.made.cluster, &eager(&mut rng)).await.expect("compacted");
            packs += report.packs;
            folds += report.folded.len();
            let what = format!("PCLOUD_SEED={}, round {round}: {}", seed + n, report.summary());
            let after = random.made.timeline().await;
            same(&answers(&after, Seq::ZERO).await, &expected, &what);
            same(&located(&after, &times), &located(&before, &times), &what);
            followed = followed.refreshed().await.expect("refreshed").expect("there is more");
            same(&answers(&followed, Seq::ZERO).await, &expected, &format!("{what}, refreshed"));
        }
    }
    assert!(packs > 8 && folds > 8, "{packs} packs, {folds} bases: too little was done");
}

#[tokio::test]
async fn capture_goes_on_where_the_packs_end() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut random = Random::begin(dir.path(), 1).await;
    random.steps(30).await;
    let options = eager(&mut fastrand::Rng::with_seed(1));
    compact(&random.made.cluster, &options).await.expect("compacted");
    let segments = random.made.cluster.objects(Folder::Segments).await.expect("listed");
    assert!(segments.len() < 5, "most segments are only in packs: {segments:?}");
    // the newest one stays, so that the next can follow it
    random.steps(5).await;
    let before = answers(&random.made.timeline().await, Seq::ZERO).await;
    compact(&random.made.cluster, &options).await.expect("compacted");
    same(&answers(&random.made.timeline().await, Seq::ZERO).await, &before, "afterwards");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_read_is_deleted() {
    let seed = seed();
    let dir = tempfile::tempdir().expect("a directory");
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut random = Random::begin(dir.path(), seed).await;
    random.steps(20).await;
    let cluster = random.made.cluster.clone();
    let stop = tokio_util::sync::CancellationToken::new();
    let readers: Vec<_> = (0..3)
        .map(|n| {
            let (cluster, stop) = (cluster.clone(), stop.clone());
            tokio::spawn(async move {
                let mut rng = fastrand::Rng::with_seed(n);
                let mut reads = 0;
                let mut timeline = Arc::new(Timeline::load(cluster).await.expect("loaded"));
                while !stop.is_cancelled() {
                    if rng.bool() {
                        timeline = timeline.refreshed().await.expect("refreshed").map_or(timeline, Arc::new);
                    }
                    let seq = Seq(rng.u64(0..=timeline.latest().seq.0));
                    super::answers::moment(&timeline, seq).await.iter().for_each(|line| {
                        assert!(!line.contains("Corrupt") && !line.contains(" Io "), "{line}");
                    });
                    reads += 1;
                }
                reads
            })
        })
        .collect();
    let mut deleted = 0;
    for _ in 0..12 {
        random.steps(4).await;
        deleted += compact(&cluster, &eager(&mut rng)).await.expect("compacted").deleted_objects;
    }
    stop.cancel();
    for reader in readers {
        assert!(reader.await.expect("no file was gone") > 0);
    }
    // whoever has read no longer holds anything
    deleted += compact(&cluster, &eager(&mut rng)).await.expect("compacted").deleted_objects;
    assert!(deleted > 20, "{deleted} objects were deleted");
}

#[tokio::test]
async fn what_is_replaced_stays_for_the_grace() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut random = Random::begin(dir.path(), 3).await;
    random.steps(20).await;
    let options = Options { fan_in: 2, ..Options::default() };
    let count = || async { random.made.cluster.objects(Folder::Segments).await.expect("listed").len() };
    let segments = count().await;
    let report = compact(&random.made.cluster, &options).await.expect("compacted");
    assert!(report.packs > 0 && report.deleted_objects == 0 && report.waiting_objects as usize >= segments - 1);
    assert_eq!(count().await, segments);
    let held = random.made.timeline().await;
    let now = Options { grace: std::time::Duration::ZERO, ..options };
    let report = compact(&random.made.cluster, &now).await.expect("compacted");
    assert!(report.deleted_objects as usize >= segments - 1, "{report:?}");
    assert_eq!(count().await, 1);
    drop(held);
}

#[tokio::test]
async fn of_two_runs_at_a_time_one_stops() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut random = Random::begin(dir.path(), 5).await;
    random.steps(25).await;
    let expected = answers(&random.made.timeline().await, Seq::ZERO).await;
    let options = eager(&mut fastrand::Rng::with_seed(2));
    let cluster = &random.made.cluster;
    let (a, b) = tokio::join!(compact(cluster, &options), compact(cluster, &options));
    for error in [a, b].into_iter().filter_map(Result::err) {
        assert_eq!(error.kind, pcloud::error::Kind::Fenced, "{error}");
    }
    same(&answers(&random.made.timeline().await, Seq::ZERO).await, &expected, "after both");
}
