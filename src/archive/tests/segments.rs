//! Segments: every type, versions and their links, sections, damage.

use super::*;
use crate::error::{Kind, Result};
use crate::model::{Change, SchemaChange};
use arrow::array::{Array, UInt64Array};

/// Writes one transaction per list of changes, seqs from 1, and reads the table's sections again: per row its seq, op,
/// next seq (0 for none) and values.
async fn through(schema: &Arc<TableSchema>, transactions: &[Vec<Change>]) -> Vec<(u64, u64, u64, Row)> {
    let (_keep, cluster) = place().await;
    let mut writer = SegmentWriter::new(1);
    for (seq, changes) in (1..).zip(transactions) {
        changes.iter().for_each(|change| writer.change(Seq(seq), schema, change).expect("added"));
        writer.commit(commit(seq)).expect("committed");
    }
    let footer = cluster.put_segment(finished(writer)).await.expect("put");
    assert_eq!(cluster.footer(1).await.expect("a footer"), footer);
    let mut out = Vec::new();
    for section in &footer.sections {
        let rows = cluster.section(1, section).await.expect("a section");
        let own = |at: usize| -> Vec<u64> {
            let column = arrow::compute::cast(rows.column(at), &arrow::datatypes::DataType::UInt64).expect("a number");
            column.as_any().downcast_ref::<UInt64Array>().expect("UInt64").values().to_vec()
        };
        let next = own(2).into_iter().map(|n| if n == u64::MAX { 0 } else { n });
        let own = own(0).into_iter().zip(own(1)).zip(next);
        out.extend(own.zip(rows_of(schema, &rows, 3)).map(|(((seq, op), next), row)| (seq, op, next, row)));
    }
    out
}

#[tokio::test]
async fn a_segment_holds_every_type_exactly() {
    let (schema, rows) = every_type_table();
    let changes = rows.iter().map(|r| vec![Change::Insert(r.clone())]).collect::<Vec<_>>();
    let read: Vec<Row> = through(&schema, &changes).await.into_iter().map(|(.., row)| row).collect();
    assert_eq!(exact(&read), exact(&rows));
}

#[tokio::test]
async fn versions_of_a_key_are_linked_and_the_last_of_a_commit_is_kept() {
    let schema = table(1, vec![TEXT, INT, INT], vec![1]);
    let row = |t: &str, key, n| vec![text(t), int(key), int(n)];
    let update = |before: Row, after: Row| Change::Update { before, after };
    let read = through(
        &schema,
        &[
            vec![
                Change::Insert(row("b", 2, 0)),
                Change::Insert(row("a", 1, 0)),
                update(row("a", 1, 0), row("A", 1, 1)),
            ],
            vec![
                update(row("A", 1, 1), row("A", 1, 2)),
                Change::Insert(row("x", 9, 0)),
                Change::Delete(row("x", 9, 0)),
            ],
            vec![Change::Delete(row("A", 1, 2)), Change::Insert(row("again", 1, 3))],
            // The key changes: 2 becomes 3.
            vec![update(row("b", 2, 0), row("b", 3, 0))],
            vec![Change::Delete(row("b", 3, 0))],
        ],
    )
    .await;
    let gone = |key| vec![Value::Null, int(key), Value::Null];
    let expected = vec![
        (1, 1, 2, row("A", 1, 1)),
        (2, 1, 3, row("A", 1, 2)),
        (3, 0, 0, row("again", 1, 3)),
        (1, 0, 4, row("b", 2, 0)),
        (4, 2, 0, gone(2)),
        (4, 0, 5, row("b", 3, 0)),
        (5, 2, 0, gone(3)),
        (2, 2, 0, gone(9)),
    ];
    assert_eq!(read, expected);
}

#[tokio::test]
async fn keys_of_several_columns_sort_in_the_keys_order_and_by_bytes() {
    let float = ColumnType::Double { unsigned: false, decimals: None };
    let schema = table(1, vec![TEXT, float, TEXT], vec![2, 1]);
    let row = |n: f64, t: &str| vec![text("v"), Value::Double(n), text(t)];
    let read = through(
        &schema,
        &[
            vec![Change::Insert(row(2.0, "a")), Change::Insert(row(-1.0, "b")), Change::Insert(row(0.0, "B"))],
            // Equal to MySQL, another key to the archive: the old one must not stay.
            vec![Change::Update { before: row(0.0, "B"), after: row(-0.0, "b") }],
        ],
    )
    .await;
    let order: Vec<String> = read.iter().map(|(seq, op, _, r)| format!("{seq} {op} {:?} {:?}", r[2], r[1])).collect();
    let expected = [
        "1 0 Text(\"B\") Double(0.0)",
        "2 2 Text(\"B\") Double(0.0)",
        "1 0 Text(\"a\") Double(2.0)",
        "1 0 Text(\"b\") Double(-1.0)",
        "2 0 Text(\"b\") Double(-0.0)",
    ];
    assert_eq!(order, expected);
}

#[tokio::test]
async fn a_zero_that_changes_its_sign_is_another_key() {
    let schema = table(1, vec![ColumnType::Float { unsigned: false, decimals: None }], vec![0]);
    let row = |n: f32| vec![Value::Float(n)];
    let change = Change::Update { before: row(0.0), after: row(-0.0) };
    let read = through(&schema, &[vec![Change::Insert(row(0.0))], vec![change]]).await;
    let ops: Vec<_> = read.iter().map(|(seq, op, next, row)| (*seq, *op, *next, format!("{row:?}"))).collect();
    let zero = |t: &str| format!("[Float({t})]");
    assert_eq!(ops, [(2, 0, 0, zero("-0.0")), (1, 0, 2, zero("0.0")), (2, 2, 0, zero("0.0"))]);
}

#[tokio::test]
async fn a_table_without_a_key_keeps_every_change() {
    let schema = table(1, vec![INT, TEXT], vec![]);
    let row = |n, t: &str| vec![int(n), text(t)];
    let same = Change::Insert(row(1, "a"));
    let update = Change::Update { before: row(1, "a"), after: row(0, "b") };
    let read = through(&schema, &[vec![same.clone(), same], vec![update, Change::Delete(row(1, "a"))]]).await;
    let expected = vec![
        (1, 0, 0, row(1, "a")),
        (1, 0, 0, row(1, "a")),
        (2, 2, 0, row(1, "a")),
        (2, 0, 0, row(0, "b")),
        (2, 2, 0, row(1, "a")),
    ];
    assert_eq!(read, expected);
}

#[tokio::test]
async fn another_schema_begins_another_section() {
    let (_keep, cluster) = place().await;
    let (before, other) = (table(1, vec![INT, TEXT], vec![0]), table(2, vec![INT], vec![0]));
    let mut after = TableSchema::clone(&before);
    after.columns.push(column(2, INT));
    let after = Arc::new(after);
    let mut writer = SegmentWriter::new(1);
    let row = |n| Change::Insert(vec![int(n), text("a")]);
    writer.change(Seq(7), &before, &row(1)).expect("added");
    writer.change(Seq(7), &other, &Change::Insert(vec![int(5)])).expect("added");
    assert_eq!(writer.open_seq(), Some(Seq(7)));
    writer.commit(commit(7)).expect("committed");
    let change = SchemaChange::Table { schema: after.clone() };
    let entry =
        SchemaEntry { seq: Seq(8), database: "d".into(), statement: Some("ALTER".into()), changes: vec![change] };
    writer.schema(entry.clone()).expect("added");
    writer.commit(commit(8)).expect("committed");
    writer.change(Seq(9), &after, &Change::Insert(vec![int(1), text("a"), int(3)])).expect("added");
    writer.commit(commit(9)).expect("committed");
    assert_eq!((writer.rows(), writer.open_seq(), writer.is_empty()), (3, None, false));
    assert!(writer.bytes() > 0);
    let footer = cluster.put_segment(finished(writer)).await.expect("put");
    assert_eq!(footer.schema, [entry]);
    let told: Vec<_> = footer.sections.iter().map(|s| (s.table.0, s.columns.len(), s.first.0, s.last.0)).collect();
    assert_eq!(told, [(1, 2, 7, 7), (2, 1, 7, 7), (1, 3, 9, 9)]);
    assert_eq!(footer.sections[2].key, [ColumnId(0)]);
    let rows = cluster.section(1, &footer.sections[2]).await.expect("a section");
    assert_eq!(rows_of(&after, &rows, 3), [vec![int(1), text("a"), int(3)]]);
}

#[test]
fn what_contradicts_itself_is_not_written() {
    let schema = table(1, vec![INT, TEXT], vec![0]);
    let row = |n| Change::Insert(vec![int(n), text("a")]);
    let begun = || {
        let mut writer = SegmentWriter::new(1);
        writer.change(Seq(3), &schema, &row(1)).expect("added");
        writer
    };
    let kind = |result: Result<()>| result.expect_err("refused").kind;
    assert_eq!(kind(begun().change(Seq(4), &schema, &row(2))), Kind::Internal, "a seq before the commit of another");
    assert_eq!(kind(begun().commit(commit(4))), Kind::Internal);
    let mut committed = begun();
    committed.commit(commit(3)).expect("committed");
    assert_eq!(kind(committed.commit(commit(5))), Kind::Internal, "a hole in the seqs");
    assert_eq!(kind(SegmentWriter::new(1).commit(commit(0))), Kind::Internal, "seq 0 is the first base");
    let no_key = Change::Delete(vec![Value::Null, text("a")]);
    assert_eq!(kind(begun().change(Seq(3), &schema, &no_key)), Kind::Internal, "a row without its key");
    assert_eq!(kind(begun().change(Seq(3), &schema, &Change::Delete(vec![int(1)]))), Kind::Internal, "a short row");
    let end = |w: SegmentWriter, continues| w.finish(Bookmark::default(), Micros(0), continues, false).map(drop);
    assert_eq!(kind(end(begun(), false)), Kind::Internal, "within a transaction");
    end(begun(), true).expect("a part of a transaction");
    end(SegmentWriter::new(2), false).expect("a heartbeat");
    assert_eq!(kind(end(SegmentWriter::new(0), false)), Kind::Internal, "numbers count from 1");
}

#[tokio::test]
async fn a_segment_with_any_byte_flipped_or_cut_anywhere_is_refused() {
    let (_keep, cluster) = place().await;
    let schema = table(1, vec![INT, TEXT], vec![0]);
    let other = table(2, vec![INT], vec![]);
    let mut writer = SegmentWriter::new(1);
    for n in 0..3 {
        writer.change(Seq(1), &schema, &Change::Insert(vec![int(n), text("abc")])).expect("added");
        writer.change(Seq(1), &other, &Change::Insert(vec![int(n)])).expect("added");
    }
    writer.commit(commit(1)).expect("committed");
    let segment = finished(writer);
    let (good, footer) = (segment.bytes.to_vec(), cluster.put_segment(segment).await.expect("put"));
    let file = Kept::new(&cluster, "log/00000000000000000001.seg");
    assert_eq!(file.read().await, good);
    let read = async || -> Result<()> {
        let read = cluster.footer(1).await?;
        assert_eq!(read, footer, "an accepted footer is the one written");
        for section in &read.sections {
            cluster.section(1, section).await?;
        }
        Ok(())
    };
    read().await.expect("whole");
    for i in 0..good.len() {
        let mut bad = good.clone();
        bad[i] ^= 1 << (i % 8);
        file.write(&bad).await;
        assert_eq!(read().await.expect_err("flipped").kind, Kind::Corrupt, "byte {i} of {}", good.len());
        file.write(&good[..i]).await;
        assert_eq!(read().await.expect_err("cut").kind, Kind::Corrupt, "{i} bytes");
    }
    file.remove().await;
    let e = read().await.expect_err("missing");
    assert!(e.kind == Kind::Corrupt && e.message.contains("c/log/00000000000000000001.seg is"), "{e}");
    // Whole, but under another's number.
    Kept::new(&cluster, "log/00000000000000000002.seg").write(&good).await;
    assert_eq!(cluster.footer(2).await.expect_err("misplaced").kind, Kind::Corrupt);
}

#[tokio::test]
async fn a_footer_longer_than_one_read_is_read_whole() {
    let (_keep, cluster) = place().await;
    for number in 1..=2 {
        let mut writer = SegmentWriter::new(number);
        let mut random = fastrand::Rng::with_seed(number);
        let statement: String = (0..200_000).map(|_| random.alphanumeric()).collect();
        let entry = SchemaEntry { seq: Seq(1), database: String::new(), statement: Some(statement), changes: vec![] };
        writer.schema(entry).expect("added");
        if number == 2 {
            let schema = table(1, vec![INT], vec![0]);
            writer.change(Seq(1), &schema, &Change::Insert(vec![int(1)])).expect("added");
        }
        writer.commit(commit(1)).expect("committed");
        let footer = cluster.put_segment(finished(writer)).await.expect("put");
        assert_eq!(cluster.footer(number).await.expect("a footer"), footer);
        let file = Kept::new(&cluster, &format!("log/{number:020}.seg"));
        let mut bytes = file.read().await;
        bytes[3] ^= 1;
        file.write(&bytes).await;
        let read = match cluster.footer(number).await {
            Ok(footer) if number == 2 => cluster.section(2, &footer.sections[0]).await.map(drop),
            other => other.map(drop),
        };
        assert_eq!(read.expect_err("its head").kind, Kind::Corrupt);
    }
}

#[tokio::test]
async fn a_part_of_a_large_transaction_is_a_segment_without_a_commit() {
    let (_keep, cluster) = place().await;
    let schema = table(1, vec![INT], vec![0]);
    let mut first = SegmentWriter::new(1);
    first.change(Seq(4), &schema, &Change::Insert(vec![int(1)])).expect("added");
    let part = first.finish(Bookmark("before".into()), Micros(1), true, false).expect("finished");
    cluster.put_segment(part).await.expect("put");
    let mut second = SegmentWriter::new(2);
    second.change(Seq(4), &schema, &Change::Insert(vec![int(2)])).expect("added");
    second.commit(commit(4)).expect("committed");
    second.covers(Micros(44));
    let end = second.finish(Bookmark("after".into()), Micros(2), false, true).expect("finished");
    cluster.put_segment(end).await.expect("put");
    let (a, b) = (cluster.footer(1).await.expect("read"), cluster.footer(2).await.expect("read"));
    assert!(a.continues && a.commits.is_empty() && a.sections[0].first == Seq(4));
    assert_eq!((a.covers, b.covers), (None, Some(Micros(44))));
    assert!(b.restarts && !b.continues && b.commits[0].seq == Seq(4));
}

#[tokio::test]
async fn of_a_table_that_foreign_keys_change_every_change_is_kept_in_order_and_what_others_refer_to_is_told() {
    let schema = table(1, vec![INT, INT, INT], vec![0]);
    let row = |id, n, other| vec![int(id), int(n), int(other)];
    let changes = [
        Change::Insert(row(1, 10, 0)),
        Change::Update { before: row(1, 10, 0), after: row(1, 20, 0) },
        Change::Update { before: row(1, 20, 0), after: row(1, 20, 9) },
        Change::Update { before: row(1, 20, 9), after: row(2, 20, 9) },
        Change::Delete(row(2, 20, 9)),
    ];
    let (_keep, cluster) = place().await;
    let mut writer = SegmentWriter::new(1);
    for (order, change) in (5..).zip(&changes) {
        writer.change_in_order(Seq(1), &schema, change, Some(order)).expect("added");
        writer.replaced(Seq(1), &schema, &[0, 1], change, order).expect("told");
    }
    writer.commit(commit(1)).expect("committed");
    let footer = cluster.put_segment(finished(writer)).await.expect("put");
    assert_eq!(cluster.footer(1).await.expect("a footer"), footer);
    let [section] = footer.sections.as_slice() else { panic!("{:?}", footer.sections) };
    assert!(section.ordered);
    let rows = cluster.section(1, section).await.expect("a section");
    let numbers = |rows: &RecordBatch, at: usize| -> Vec<u64> {
        let column = arrow::compute::cast(rows.column(at), &arrow::datatypes::DataType::UInt64).expect("a number");
        column.as_any().downcast_ref::<UInt64Array>().expect("UInt64").values().to_vec()
    };
    assert_eq!(numbers(&rows, 2), [1, 1, 1, u64::MAX, 1, u64::MAX], "_next_seq");
    assert_eq!(numbers(&rows, 1), [0, 1, 1, 2, 0, 2], "_op");
    assert_eq!(numbers(&rows, 6), [5, 6, 7, 8, 8, 9], "_order");
    let [replaced] = footer.replaced.as_slice() else { panic!("{:?}", footer.replaced) };
    let rows = cluster.replaced(1, replaced).await.expect("replaced rows");
    let shown: Vec<Vec<u64>> = (1..5).map(|at| numbers(&rows, at)).collect();
    assert_eq!(
        shown,
        [vec![6, 8, 9], vec![1, 1, 2], vec![1, 1, 2], vec![10, 20, 20]],
        "_order, _op, old key and number"
    );
    assert_eq!(numbers(&rows, 5), [1, 2, 0], "the new key; NULL for a delete");
}
