//! Numbered objects: dense, created once, in order.

use super::*;
use crate::error::Kind;
use crate::model::{Catalog, Moment};

fn heartbeat(number: u64) -> FinishedSegment {
    finished(SegmentWriter::new(number))
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_writers_of_a_number_one_wins_and_the_others_are_fenced() {
    let (_keep, cluster) = place().await;
    let writers: Vec<_> = (0..16)
        .map(|_| {
            let cluster = cluster.clone();
            tokio::spawn(async move { cluster.put_segment(heartbeat(1)).await })
        })
        .collect();
    let mut won = 0;
    for writer in writers {
        match writer.await.expect("no panic") {
            Ok(_) => won += 1,
            Err(e) => assert_eq!(e.kind, Kind::Fenced, "{e}"),
        }
    }
    assert_eq!(won, 1);
}

#[tokio::test]
async fn segments_are_numbered_without_a_hole() {
    let (_keep, cluster) = place().await;
    assert!(cluster.segments_after(0).await.expect("a listing").is_empty());
    for number in 1..=12 {
        cluster.put_segment(heartbeat(number)).await.expect("put");
    }
    assert_eq!(cluster.put_segment(heartbeat(14)).await.expect_err("a hole").kind, Kind::Internal);
    Kept::new(&cluster, "log/00000000000000000013.seg.bak").write(b"half").await;
    Kept::new(&cluster, "log/notes.txt").write(b"by hand").await;
    assert_eq!(cluster.segments_after(0).await.expect("a listing"), (1..=12).collect::<Vec<_>>());
    assert_eq!(cluster.segments_after(10).await.expect("a listing"), [11, 12]);
    assert!(cluster.segments_after(12).await.expect("a listing").is_empty());
    Kept::new(&cluster, "log/00000000000000000011.seg").remove().await;
    let e = cluster.segments_after(10).await.expect_err("a hole");
    assert!(e.kind == Kind::Corrupt && e.message.contains("c/log/00000000000000000011.seg"), "{e}");
    assert!(cluster.segments_after(11).await.expect("after the hole").contains(&12));
}

fn manifest(number: u64, bases: Vec<Base>) -> Manifest {
    Manifest {
        number,
        catalog: Catalog::default(),
        start: Moment { seq: Seq(0), time: Micros(5) },
        bookmark: Bookmark("m".into()),
        source: "MariaDB 10.11".into(),
        bases,
        created: Micros(6),
    }
}

#[tokio::test]
async fn the_newest_manifest_counts_and_a_number_serves_once() {
    let (_keep, cluster) = place().await;
    assert_eq!(cluster.manifest().await.expect("read"), None);
    assert_eq!(cluster.put_manifest(&manifest(2, vec![])).await.expect_err("a hole").kind, Kind::Internal);
    assert!(cluster.archive().clusters().await.expect("listed").is_empty());
    for number in 1..=11 {
        cluster.put_manifest(&manifest(number, vec![])).await.expect("put");
    }
    assert_eq!(cluster.archive().clusters().await.expect("listed"), ["c"]);
    assert_eq!(cluster.put_manifest(&manifest(11, vec![])).await.expect_err("taken").kind, Kind::Fenced);
    assert_eq!(cluster.manifest().await.expect("read"), Some(manifest(11, vec![])));
    let file = Kept::new(&cluster, "manifest/00000000000000000011.json");
    let good = file.read().await;
    for i in 0..good.len() {
        let mut bad = good.clone();
        bad[i] ^= 1;
        file.write(&bad).await;
        assert_eq!(cluster.manifest().await.expect_err("flipped").kind, Kind::Corrupt, "byte {i}");
    }
}
