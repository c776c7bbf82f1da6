//! What does a timeline make of histories that no server writes on demand?

use crate::support::archive::rows_at;
use crate::support::made::{Made, SECOND, START, int, row, table, varchar};
use futures::TryStreamExt;
use pcloud::error::Kind;
use pcloud::model::{Change, Micros, MomentSpec, SchemaChange, Seq, TableName};
use pcloud::timeline::{END_OF_TIME, Period, Timeline};

fn at(after: f64) -> MomentSpec {
    MomentSpec::At(Micros(START + (after * SECOND as f64) as i64))
}

fn name(table: &str) -> TableName {
    TableName::new("d", table)
}

/// `1 a, 2 b`: a table's rows at a seq.
async fn shown(timeline: &Timeline, table: &str, seq: u64) -> String {
    let rows = rows_at(timeline, &name(table), Seq(seq)).await;
    let cell = |c: Option<String>| c.unwrap_or("NULL".into());
    rows.into_iter().map(|r| r.into_iter().map(cell).collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join(", ")
}

/// `1 a 0-2`: the versions that stood between two commits, with the seconds when they began and ended.
async fn periods(timeline: &Timeline, table: &str, from: u64, to: u64) -> Vec<String> {
    let period = Period { from: Seq(from), to: Seq(to) };
    let (_, _, versions) = timeline.history(&name(table), period).await.expect("a history");
    let batches: Vec<_> = versions.try_collect().await.expect("rows");
    let mut found = Vec::new();
    for b in &batches {
        let text = |i: usize| arrow::util::display::array_value_to_string(b.column(i / 10), i % 10).expect("text");
        let micros = |c: usize, r: usize| {
            let times = b.column(c).as_any().downcast_ref::<arrow::array::TimestampMicrosecondArray>().expect("a time");
            times.value(r)
        };
        for r in 0..b.num_rows() {
            let end = micros(3, r);
            let end = if end == END_OF_TIME.0 { "now".into() } else { ((end - START) / SECOND).to_string() };
            found.push(format!("{} {} {}-{end}", text(r), text(10 + r), (micros(2, r) - START) / SECOND));
        }
    }
    found.sort();
    found
}

/// Commits of one second stand in several segments: their time is not complete before it is said to be.
async fn ties_wait(made: &mut Made, t: &std::sync::Arc<pcloud::model::TableSchema>) {
    let resolved = async |made: &Made, after| made.timeline().await.resolve(&at(after)).map(|m| m.seq.0);
    made.commit(30.0, &[], &[(t.clone(), Change::Insert(row(30, "x")))]).await;
    assert_eq!(resolved(made, 29.999999).await.expect("complete"), 7);
    assert_eq!(resolved(made, 30.0).await.expect_err("more may come").kind, Kind::OutOfRange);
    made.commit(30.0, &[], &[(t.clone(), Change::Insert(row(31, "x")))]).await;
    let w = made.writer();
    made.put(w, Some(31.0), false, false).await;
    assert_eq!(resolved(made, 30.0).await.expect("nothing more comes"), 9);
}

#[tokio::test]
async fn times_tie_and_run_backwards_and_a_moment_is_still_a_prefix() {
    let dir = tempfile::tempdir().expect("a directory");
    let t = table(1, "t", &[(0, "id", int()), (1, "v", varchar())], 1);
    let mut made = Made::begin(dir.path(), &[(t.clone(), vec![])]).await;
    for (i, after) in [1.0, 5.0, 3.0, 5.0, 4.0].into_iter().enumerate() {
        made.commit(after, &[], &[(t.clone(), Change::Insert(row(i as i64, "x")))]).await;
    }
    let mut w = made.writer();
    made.add(&mut w, 9.0, &[], &[(t.clone(), Change::Insert(row(9, "x")))]);
    made.put(w, Some(20.0), false, false).await;
    made.commit(15.0, &[], &[(t.clone(), Change::Insert(row(15, "x")))]).await; // late, yet not before 20 was covered
    let timeline = made.timeline().await;
    let seq = |after| timeline.resolve(&at(after)).map(|m| m.seq.0);
    for (after, expected) in
        [(0.0, 0), (0.9, 0), (1.0, 1), (4.9, 1), (5.0, 5), (8.9, 5), (9.0, 6), (15.0, 6), (20.0, 6)]
    {
        assert_eq!(seq(after).unwrap_or_else(|e| panic!("{after}: {e}")), expected, "{after} s after the start");
    }
    let early = timeline.resolve(&at(-0.1)).expect_err("before the base");
    assert_eq!(early.kind, Kind::OutOfRange);
    assert!(early.to_string().contains("2026-11-22 14:00:00.000000 UTC"), "{early}");
    let late = timeline.resolve(&at(20.1)).expect_err("not captured yet");
    assert_eq!(late.kind, Kind::OutOfRange);
    assert!(late.to_string().contains("complete up to 2026-11-22 14:00:20.000000 UTC"), "{late}");
    ties_wait(&mut made, &t).await;
    // the newest segment was written at 14:00; the next comes at the latest with the heartbeat
    let again = "an idle source is noted every 10 minutes: ask again at";
    assert!(late.to_string().contains(&format!("{again} 2026-11-22 14:10:00.000000 UTC")), "{late}");
    let late = timeline.resolve(&at(601.0)).expect_err("not captured yet");
    assert!(late.to_string().contains(&format!("{again} 2026-11-22 14:20:00.000000 UTC")), "{late}");
    assert_eq!(timeline.resolve(&MomentSpec::Gtid("0-1-3".into())).expect("known").seq, Seq(3));
    assert_eq!(timeline.resolve(&MomentSpec::BeforeGtid("0-1-1".into())).expect("known").seq, Seq(0));
    let unknown = timeline.resolve(&MomentSpec::Gtid("0-1-99".into())).expect_err("unknown");
    assert!(unknown.to_string().contains("0-1-1 to 0-1-7"), "{unknown}");
}

#[tokio::test]
async fn the_newest_version_of_each_key_stands() {
    let dir = tempfile::tempdir().expect("a directory");
    let t = table(1, "t", &[(0, "id", int()), (1, "v", varchar())], 1);
    let mut made = Made::begin(dir.path(), &[(t.clone(), vec![row(1, "a"), row(2, "b"), row(3, "c")])]).await;
    let change = |c| (t.clone(), c);
    made.commit(1.0, &[], &[change(Change::Update { before: row(2, "b"), after: row(2, "B") })]).await;
    made.commit(2.0, &[], &[change(Change::Delete(row(1, "a"))), change(Change::Insert(row(4, "d")))]).await;
    made.commit(3.0, &[], &[change(Change::Update { before: row(4, "d"), after: row(1, "d") })]).await;
    made.commit(4.0, &[], &[change(Change::Insert(row(5, "x"))), change(Change::Delete(row(5, "x")))]).await;
    let timeline = made.timeline().await;
    for (seq, rows) in
        [(0, "1 a, 2 b, 3 c"), (1, "1 a, 2 B, 3 c"), (2, "2 B, 3 c, 4 d"), (3, "1 d, 2 B, 3 c"), (4, "1 d, 2 B, 3 c")]
    {
        assert_eq!(shown(&timeline, "t", seq).await, rows, "seq {seq}");
        let id = timeline.table(&name("t"), Seq(seq)).expect("there").id;
        let snapshot = timeline.snapshot(id, Seq(seq)).await.expect("certain");
        assert_eq!(snapshot.rows, 3, "exact count at seq {seq}");
    }
    let found = periods(&timeline, "t", 1, 2).await;
    assert_eq!(found, ["1 a 0-2", "2 B 1-now", "3 c 0-now", "4 d 2-3"]);
}

#[tokio::test]
async fn a_table_without_a_key_is_a_multiset() {
    let dir = tempfile::tempdir().expect("a directory");
    let t = table(1, "bag", &[(0, "x", int()), (1, "v", varchar())], 0);
    let mut made = Made::begin(dir.path(), &[(t.clone(), vec![row(1, "a"), row(1, "a"), row(2, "b")])]).await;
    let change = |c| (t.clone(), c);
    made.commit(1.0, &[], &[change(Change::Insert(row(1, "a"))), change(Change::Delete(row(2, "b")))]).await;
    made.commit(2.0, &[], &[change(Change::Update { before: row(1, "a"), after: row(3, "c") })]).await;
    made.commit(
        3.0,
        &[],
        &[
            change(Change::Delete(row(1, "a"))),
            change(Change::Delete(row(1, "a"))),
            change(Change::Insert(row(3, "c"))),
        ],
    )
    .await;
    let timeline = made.timeline().await;
    for (seq, rows) in [(0, "1 a, 1 a, 2 b"), (1, "1 a, 1 a, 1 a"), (2, "1 a, 1 a, 3 c"), (3, "3 c, 3 c")] {
        assert_eq!(shown(&timeline, "bag", seq).await, rows, "seq {seq}");
    }
    // of equal rows the oldest ends first
    let all = ["1 a 0-2", "1 a 0-3", "1 a 1-3", "2 b 0-1", "3 c 2-now", "3 c 3-now"];
    assert_eq!(periods(&timeline, "bag", 0, 3).await, all);
    assert_eq!(periods(&timeline, "bag", 2, 2).await, ["1 a 0-3", "1 a 1-3", "3 c 2-now"]);
    assert_eq!(periods(&timeline, "bag", 0, 0).await, ["1 a 0-2", "1 a 0-3", "2 b 0-1"]);
    made.commit(4.0, &[], &[change(Change::Delete(row(7, "never there")))]).await;
    let timeline = made.timeline().await;
    let id = timeline.table(&name("bag"), Seq(4)).expect("there").id;
    assert_eq!(timeline.snapshot(id, Seq(4)).await.expect_err("deleted what was never there").kind, Kind::Corrupt);
    let (_, _, versions) = timeline.history(&name("bag"), Period { from: Seq(0), to: Seq(1) }).await.expect("begins");
    assert_eq!(versions.try_collect::<Vec<_>>().await.expect_err("nor in its history").kind, Kind::Corrupt);
}

#[tokio::test]
async fn columns_are_matched_by_identity_and_names_move() {
    let dir = tempfile::tempdir().expect("a directory");
    let v1 = table(1, "t", &[(0, "id", int()), (1, "v", varchar())], 1);
    let mut made = Made::begin(dir.path(), &[(v1.clone(), vec![row(1, "a"), row(2, "b")])]).await;
    // ADD COLUMN n INT DEFAULT 7 FIRST
    let mut v2 = (*table(1, "t", &[(2, "n", int()), (0, "id", int()), (1, "v", varchar())], 0)).clone();
    (v2.primary_key, v2.columns[0].missing) = (vec![1], Some("7".into()));
    let v2 = std::sync::Arc::new(v2);
    let alter = |schema: &std::sync::Arc<_>| SchemaChange::Table { schema: std::sync::Arc::clone(schema) };
    made.commit(1.0, &[alter(&v2)], &[]).await;
    let mut wide = row(3, "c");
    wide.insert(0, pcloud::model::Value::Int(30));
    made.commit(2.0, &[], &[(v2.clone(), Change::Insert(wide))]).await;
    // DROP COLUMN v; another one of that name comes later
    let v3 = std::sync::Arc::new({
        let mut t = (*table(1, "u", &[(2, "n", int()), (0, "id", int()), (3, "v", varchar())], 0)).clone();
        (t.primary_key, t.columns[0].missing) = (vec![1], Some("7".into()));
        t
    });
    made.commit(3.0, &[alter(&v3)], &[]).await;
    made.commit(4.0, &[SchemaChange::TableDropped { id: v3.id }], &[]).await;
    let timeline = made.timeline().await;
    for (seq, table, rows) in [
        (0, "t", "1 a, 2 b"),
        (1, "t", "7 1 a, 7 2 b"),
        (2, "t", "30 3 c, 7 1 a, 7 2 b"),
        (3, "u", "30 3 NULL, 7 1 NULL, 7 2 NULL"),
    ] {
        assert_eq!(shown(&timeline, table, seq).await, rows, "seq {seq}");
    }
    let gone = timeline.table(&name("t"), Seq(4)).expect_err("renamed");
    assert_eq!(gone.kind, Kind::UnknownTable);
    assert!(gone.to_string().contains("was there until 2026-11-22 14:00:03"), "{gone}");
    let other = timeline.table(&TableName::new("nope", "t"), Seq(4)).expect_err("no such database");
    assert_eq!(other.kind, Kind::UnknownDatabase);
}

#[tokio::test]
async fn an_uncertain_table_is_refused_by_interval_until_its_base_is_taken_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let t = table(1, "t", &[(0, "id", int()), (1, "v", varchar())], 1);
    let mut made = Made::begin(dir.path(), &[(t.clone(), vec![row(1, "a")])]).await;
    made.commit(1.0, &[], &[(t.clone(), Change::Insert(row(2, "b")))]).await;
    let why = "ALTER TABLE t CONVERT TO … is not followed".to_string();
    made.commit(2.0, &[SchemaChange::Uncertain { id: t.id, name: t.name.clone(), why }], &[]).await;
    made.commit(3.0, &[], &[]).await;
    let timeline = made.timeline().await;
    let refused = timeline.table(&name("t"), Seq(3)).expect_err("uncertain");
    assert_eq!(refused.kind, Kind::Uncertain);
    assert!(
        refused.message.contains("d.t") && refused.message.contains("seq 2") && refused.message.contains("CONVERT"),
        "{refused}"
    );
    let new = table(1, "t", &[(0, "id", int()), (5, "w", varchar())], 1);
    made.retake(&new, &[row(1, "A"), row(2, "B")]).await;
    made.commit(4.0, &[], &[(new.clone(), Change::Insert(row(3, "C")))]).await;
    let timeline = timeline.refreshed().await.expect("reads").expect("there is more");
    assert_eq!(shown(&timeline, "t", 1).await, "1 a, 2 b");
    assert_eq!(timeline.table(&name("t"), Seq(2)).expect_err("still").kind, Kind::Uncertain);
    assert_eq!(shown(&timeline, "t", 3).await, "1 A, 2 B");
    assert_eq!(shown(&timeline, "t", 4).await, "1 A, 2 B, 3 C");
    let intervals = timeline.coverage().expect("known").uncertain;
    assert_eq!(intervals.len(), 1);
    assert_eq!((intervals[0].from.seq, intervals[0].until.map(|m| m.seq)), (Seq(2), Some(Seq(3))));
    let across = timeline.history(&name("t"), Period { from: Seq(0), to: Seq(4) }).await.err().expect("refused");
    assert_eq!(across.kind, Kind::Uncertain);
}

#[tokio::test]
async fn a_large_transaction_shows_with_its_last_part_and_a_restart_voids_its_parts() {
    let dir = tempfile::tempdir().expect("a directory");
    let t = table(1, "t", &[(0, "id", int()), (1, "v", varchar())], 1);
    let bag = table(2, "bag", &[(0, "x", int()), (1, "v", varchar())], 0);
    let mut made = Made::begin(dir.path(), &[(t.clone(), vec![row(1, "a")]), (bag.clone(), vec![])]).await;
    let update = |from: &str, to: &str| Change::Update { before: row(1, from), after: row(1, to) };
    let mut w = made.writer();
    made.part(&mut w, &[(t.clone(), update("a", "b")), (bag.clone(), Change::Insert(row(1, "x")))]);
    made.put(w, None, true, false).await;
    let timeline = made.timeline().await;
    assert_eq!(timeline.latest().seq, Seq(0));
    assert_eq!(shown(&timeline, "t", 0).await, "1 a");
    // capture was killed here: it reads the transaction again, in two parts
    let mut w = made.writer();
    made.part(&mut w, &[(t.clone(), update("a", "b")), (bag.clone(), Change::Insert(row(1, "x")))]);
    made.put(w, None, true, true).await;
    let mut w = made.writer();
    made.add(&mut w, 1.0, &[], &[(t.clone(), update("b", "c")), (bag.clone(), Change::Insert(row(2, "y")))]);
    made.put(w, None, false, false).await;
    for timeline in [made.timeline().await, timeline.refreshed().await.expect("reads").expect("more")] {
        assert_eq!(shown(&timeline, "t", 1).await, "1 c");
        assert_eq!(shown(&timeline, "bag", 1).await, "1 x, 2 y");
    }
}
