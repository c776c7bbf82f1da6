//! Depth three: what states came to is remembered, and a difference is told.

use super::look;
use crate::support::made::{Made, int, row, table, varchar};
use pcloud::model::{Change, Seq, TableId};
use pcloud::verify::proof::{Depth, Options};

fn restorable(moments: usize) -> Options {
    Options { depth: Depth::Restorable, moments, record: true }
}

#[tokio::test]
async fn a_state_that_comes_to_something_else_than_before_is_told() {
    let dir = tempfile::tempdir().expect("a directory");
    let t = table(1, "t", &[(0, "id", int()), (1, "v", varchar())], 1);
    let mut made = Made::begin(dir.path(), &[(t.clone(), vec![row(0, "base")])]).await;
    for n in 1..=9 {
        made.commit(f64::from(n), &[], &[(t.clone(), Change::Insert(row(n.into(), "x")))]).await;
    }
    let first = look(&made.cluster, restorable(1000)).await.expect("looked at");
    assert!(first.whole() && first.remarks.is_empty(), "{first:?}");
    assert_eq!(first.rebuilt.len(), 10, "of 1000 draws, every moment: {:?}", first.rebuilt);
    assert_eq!(first.rebuilt.iter().map(|r| r.rows).sum::<u64>(), 55);
    assert!(first.rebuilt.iter().all(|r| r.same == 0), "nothing was known");
    let again = look(&made.cluster, restorable(1000)).await.expect("looked at");
    assert!(again.whole() && again.rebuilt.iter().all(|r| r.same == 1), "{again:?}");

    let mut proof = made.cluster.proof().await.expect("read").expect("two were written");
    assert_eq!((proof.number, proof.known.len(), proof.checks.len()), (2, 10, 1));
    let known = proof.known.iter_mut().find(|k| k.seq == Seq(4)).expect("known");
    let other = if known.tables[0].sum.starts_with('0') { "1" } else { "0" };
    known.tables[0].sum.replace_range(..1, other);
    proof.number = 3;
    made.cluster.put_proof(&proof).await.expect("put");
    let wrong = look(&made.cluster, restorable(1000)).await.expect("looked at");
    assert_eq!(wrong.faults.len(), 1, "{:?}", wrong.faults);
    assert!(wrong.faults[0].contains("d.t at seq 4"), "{:?}", wrong.faults);
    assert!(!wrong.whole() && wrong.summary().contains("1 thing is wrong"), "{}", wrong.summary());
    // a proof that is damaged is told, and the next one counts
    let path = dir.path().join("c/proofs/00000000000000000004.json");
    std::fs::write(&path, "{}").expect("written");
    let damaged = look(&made.cluster, restorable(0)).await.expect("looked at");
    assert!(!damaged.whole() && damaged.remarks.iter().any(|r| r.contains("is not known")), "{damaged:?}");
    assert!(!damaged.remarks.iter().any(|r| r.contains("is not noted")), "{damaged:?}");
    std::fs::remove_file(&path).expect("removed");
    assert_eq!(made.cluster.newest_proof().await.expect("listed"), 5);
    let check = made.cluster.proof().await.expect("read").expect("there").checks;
    assert_eq!(check.iter().map(|c| (c.depth.as_str(), c.faults)).collect::<Vec<_>>(), [("restorable", 1)]);
}

#[tokio::test]
async fn what_is_remembered_is_bounded_and_lets_go_of_what_cannot_be_asked() {
    let dir = tempfile::tempdir().expect("a directory");
    let t = table(1, "t", &[(0, "id", int())], 1);
    let mut made = Made::begin(dir.path(), &[(t.clone(), vec![])]).await;
    for n in 1..=80_i64 {
        made.commit(n as f64, &[], &[(t.clone(), Change::Insert(vec![pcloud::model::Value::Int(n)]))]).await;
    }
    look(&made.cluster, restorable(1000)).await.expect("looked at");
    let mut proof = made.cluster.proof().await.expect("read").expect("there");
    assert_eq!(proof.known.len(), 32);
    assert!(proof.known.iter().all(|k| k.tables.len() == 1 && k.tables[0].table == TableId(1)));
    // a moment that is not there, and a hash that this release does not know, are of no use
    (proof.known[0].seq, proof.known[1].hash, proof.number) = (Seq(999), 99, 2);
    let wrong_hash = proof.known[1].seq;
    made.cluster.put_proof(&proof).await.expect("put");
    let again = look(&made.cluster, restorable(0)).await.expect("looked at");
    assert!(again.whole(), "{:?}", again.faults);
    let known = made.cluster.proof().await.expect("read").expect("there").known;
    assert!(known.len() <= 32 && known.iter().all(|k| k.seq <= Seq(80) && k.hash == 1), "{known:?}");
    assert!(known.iter().filter(|k| k.seq == wrong_hash).count() <= 1);
}
