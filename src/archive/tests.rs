//! What is written is read again, to the last bit; what was damaged is refused.

use super::base::{BaseLimits, BaseWriter};
use super::*;
use crate::clock::FixedClock;
use crate::error::{Kind, Result};
use crate::model::{
    Bookmark, Catalog, Change, Column, ColumnId, ColumnType, Micros, Moment, Row, RowsBuilder, SchemaChange, Seq,
    TableId, TableName, TableSchema, TextSize, Value, ZERO_DATE, ZERO_DATETIME, value_at,
};
use arrow::array::{Array, RecordBatch, UInt64Array};
use arrow::datatypes::i256;
use futures::TryStreamExt;
use std::path::PathBuf;
use std::sync::Arc;

async fn place() -> (tempfile::TempDir, Cluster) {
    let directory = tempfile::tempdir().expect("a directory");
    let url = directory.path().to_str().expect("UTF-8").to_string();
    let archive = Archive::create(&url, &FixedClock::default()).await.expect("made");
    (directory, archive.cluster("c").expect("a name"))
}

fn column(id: u32, kind: ColumnType) -> Column {
    Column {
        id: ColumnId(id),
        name: format!("c{id}"),
        kind,
        nullable: true,
        collation: None,
        missing: None,
        default: None,
        extra: String::new(),
        comment: String::new(),
    }
}

fn table(id: u32, kinds: Vec<ColumnType>, primary_key: Vec<usize>) -> Arc<TableSchema> {
    let next_column = kinds.len() as u32;
    Arc::new(TableSchema {
        id: TableId(id),
        name: TableName::new("d", format!("t{id}")),
        columns: (0..).zip(kinds).map(|(id, kind)| column(id, kind)).collect(),
        primary_key,
        create: String::new(),
        next_column,
    })
}

const INT: ColumnType = ColumnType::Int { bytes: 4, unsigned: false, zerofill: None };
const TEXT: ColumnType = ColumnType::Varchar { length: 20 };

fn int(v: i64) -> Value {
    Value::Int(v)
}

fn text(v: &str) -> Value {
    Value::Text(v.to_string())
}

/// Each type with its lowest, highest and odd values; a column each.
fn every_type() -> Vec<(ColumnType, Vec<Value>)> {
    let mut all = Vec::new();
    for (bytes, bits) in [(1u8, 8), (2, 16), (3, 24), (4, 32), (8, 64)] {
        let int = |unsigned| ColumnType::Int { bytes, unsigned, zerofill: None };
        all.push((int(false), vec![Value::Int(i64::MIN >> (64 - bits)), Value::Int(i64::MAX >> (64 - bits))]));
        all.push((int(true), vec![Value::UInt(0), Value::UInt(u64::MAX >> (64 - bits))]));
    }
    for (precision, scale) in [(9, 0), (38, 10), (65, 30)] {
        let nines = i256::from_string(&"9".repeat(precision.into())).expect("a number");
        let kind = ColumnType::Decimal { precision, scale, unsigned: false, zerofill: false };
        all.push((kind, vec![Value::Decimal(nines), Value::Decimal(-nines), Value::Decimal(i256::ZERO)]));
    }
    let float = ColumnType::Float { unsigned: false, decimals: None };
    all.push((float, vec![Value::Float(-0.0), Value::Float(f32::MIN), Value::Float(1e-45)]));
    let double = ColumnType::Double { unsigned: false, decimals: Some(2) };
    all.push((double, vec![Value::Double(-0.0), Value::Double(f64::MAX), Value::Double(5e-324)]));
    all.push((ColumnType::Bit { bits: 64 }, vec![Value::UInt(0), Value::UInt(u64::MAX)]));
    all.push((ColumnType::Year, vec![Value::UInt(0), Value::UInt(2155)]));
    all.push((ColumnType::Date, vec![Value::Date(ZERO_DATE), Value::Date(2_932_896)]));
    let longest = (838 * 3600 + 59 * 60 + 59) * 1_000_000 + 999_999;
    all.push((ColumnType::Time { fsp: 6 }, vec![Value::Time(-longest), Value::Time(longest), Value::Time(-1)]));
    let latest = 253_402_300_799_999_999;
    let times = || vec![Value::DateTime(ZERO_DATETIME), Value::DateTime(latest), Value::DateTime(-1)];
    all.push((ColumnType::DateTime { fsp: 6 }, times()));
    all.push((ColumnType::Timestamp { fsp: 6 }, times()));
    let texts = || vec![text(""), text("ä \u{1f600} \0 end"), text(&"x".repeat(300))];
    let sizes = [TextSize::Tiny, TextSize::Normal, TextSize::Medium, TextSize::Long];
    let enumerated = || vec!["a".to_string(), "b,c".to_string()];
    all.extend([ColumnType::Char { length: 9 }, TEXT, ColumnType::Json].map(|kind| (kind, texts())));
    all.extend(sizes.map(|size| (ColumnType::Text { size }, texts())));
    all.push((ColumnType::Enum { members: enumerated() }, vec![text(""), text("b,c")]));
    all.push((ColumnType::Set { members: enumerated() }, vec![text(""), text("a")]));
    let bytes = || vec![Value::Bytes(vec![]), Value::Bytes((0..=255).collect()), Value::Bytes(vec![0; 16])];
    all.push((ColumnType::Binary { length: 16 }, bytes()));
    all.push((ColumnType::Varbinary { length: 300 }, bytes()));
    all.extend(sizes.map(|size| (ColumnType::Blob { size }, bytes())));
    all
}

/// A table with a key and every type, and rows in which each value of each type stands, and NULLs.
fn every_type_table() -> (Arc<TableSchema>, Vec<Row>) {
    let all = every_type();
    let kinds = [INT].into_iter().chain(all.iter().map(|(kind, _)| kind.clone())).collect();
    let rows = (0..4usize)
        .map(|n| {
            let values = all.iter().map(|(_, values)| values.get(n).cloned().unwrap_or(Value::Null));
            [int(n as i64)].into_iter().chain(values).collect()
        })
        .collect();
    (table(1, kinds, vec![0]), rows)
}

fn batch(schema: &TableSchema, rows: &[Row]) -> RecordBatch {
    let mut builder = RowsBuilder::new(schema);
    rows.iter().for_each(|row| builder.push(row).expect("a row"));
    builder.finish()
}

/// `Value` compares -0.0 and 0.0 as equal; what is printed does not.
fn exact(rows: &[Row]) -> Vec<String> {
    rows.iter().map(|r| format!("{r:?}")).collect()
}

fn rows_of(schema: &TableSchema, batch: &RecordBatch, skip: usize) -> Vec<Row> {
    let cell = |row, at: usize| value_at(batch.column(at + skip), row, &schema.columns[at].kind).expect("a value");
    (0..batch.num_rows()).map(|row| (0..schema.columns.len()).map(|at| cell(row, at)).collect()).collect()
}

fn commit(seq: u64) -> Commit {
    Commit {
        seq: Seq(seq),
        time: Micros(1_000_000 * seq as i64),
        gtid: Some(format!("0-1-{seq}")),
        bookmark: Bookmark(format!("b{seq}")),
        rows: vec![TableCounts { table: TableId(1), inserts: seq, updates: 0, deletes: 0 }],
    }
}

fn finished(writer: SegmentWriter) -> FinishedSegment {
    writer.finish(Bookmark("end".into()), Micros(9), false, false).expect("finished")
}

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
    let (keep, cluster) = place().await;
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
    let file = keep.path().join("c/log/00000000000000000001.seg");
    assert_eq!(std::fs::read(&file).expect("there"), good);
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
        std::fs::write(&file, &bad).expect("written");
        assert_eq!(read().await.expect_err("flipped").kind, Kind::Corrupt, "byte {i} of {}", good.len());
        std::fs::write(&file, &good[..i]).expect("written");
        assert_eq!(read().await.expect_err("cut").kind, Kind::Corrupt, "{i} bytes");
    }
    std::fs::remove_file(&file).expect("removed");
    let e = read().await.expect_err("missing");
    assert!(e.kind == Kind::Corrupt && e.message.contains("c/log/00000000000000000001.seg is"), "{e}");
    // Whole, but under another's number.
    std::fs::write(keep.path().join("c/log/00000000000000000002.seg"), &good).expect("written");
    assert_eq!(cluster.footer(2).await.expect_err("misplaced").kind, Kind::Corrupt);
}

#[tokio::test]
async fn a_footer_longer_than_one_read_is_read_whole() {
    let (keep, cluster) = place().await;
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
        let file = keep.path().join(format!("c/log/{number:020}.seg"));
        let mut bytes = std::fs::read(&file).expect("there");
        bytes[3] ^= 1;
        std::fs::write(&file, &bytes).expect("written");
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
    let (keep, cluster) = place().await;
    assert!(cluster.segments_after(0).await.expect("a listing").is_empty());
    for number in 1..=12 {
        cluster.put_segment(heartbeat(number)).await.expect("put");
    }
    assert_eq!(cluster.put_segment(heartbeat(14)).await.expect_err("a hole").kind, Kind::Internal);
    std::fs::write(keep.path().join("c/log/00000000000000000013.seg#99"), "half").expect("written");
    std::fs::write(keep.path().join("c/log/notes.txt"), "by hand").expect("written");
    assert_eq!(cluster.segments_after(0).await.expect("a listing"), (1..=12).collect::<Vec<_>>());
    assert_eq!(cluster.segments_after(10).await.expect("a listing"), [11, 12]);
    assert!(cluster.segments_after(12).await.expect("a listing").is_empty());
    std::fs::remove_file(keep.path().join("c/log/00000000000000000011.seg")).expect("removed");
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
    let (keep, cluster) = place().await;
    assert_eq!(cluster.manifest().await.expect("read"), None);
    assert_eq!(cluster.put_manifest(&manifest(2, vec![])).await.expect_err("a hole").kind, Kind::Internal);
    assert!(cluster.archive().clusters().await.expect("listed").is_empty());
    for number in 1..=11 {
        cluster.put_manifest(&manifest(number, vec![])).await.expect("put");
    }
    assert_eq!(cluster.archive().clusters().await.expect("listed"), ["c"]);
    assert_eq!(cluster.put_manifest(&manifest(11, vec![])).await.expect_err("taken").kind, Kind::Fenced);
    assert_eq!(cluster.manifest().await.expect("read"), Some(manifest(11, vec![])));
    let file = keep.path().join("c/manifest/00000000000000000011.json");
    let good = std::fs::read(&file).expect("there");
    for i in 0..good.len() {
        let mut bad = good.clone();
        bad[i] ^= 1;
        std::fs::write(&file, &bad).expect("written");
        assert_eq!(cluster.manifest().await.expect_err("flipped").kind, Kind::Corrupt, "byte {i}");
    }
}

async fn read_base(cluster: &Cluster, base: &Base, columns: &[usize], batch_rows: usize) -> Vec<RecordBatch> {
    let mut all = Vec::new();
    for file in &base.files {
        let rows: Vec<_> =
            cluster.base_rows(file, columns.to_vec(), batch_rows).try_collect().await.expect("the file's rows");
        assert_eq!(rows.iter().map(|b| b.num_rows() as u64).sum::<u64>(), file.rows);
        all.extend(rows);
    }
    all
}

#[tokio::test]
async fn a_base_holds_every_type_exactly() {
    let (_keep, cluster) = place().await;
    let (schema, rows) = every_type_table();
    let mut writer = cluster.base_writer(schema.clone(), "00c0ffee");
    writer.write(&batch(&schema, &rows)).await.expect("written");
    let base = writer.finish(Seq(3)).await.expect("finished");
    assert_eq!((base.seq, base.rows(), base.files.len(), base.sorted), (Seq(3), 4, 1, true));
    assert_eq!(base.files[0].path, "base/0000000001/00c0ffee/00000.parquet");
    let columns: Vec<usize> = (0..schema.columns.len()).collect();
    let read = read_base(&cluster, &base, &columns, 100).await;
    assert_eq!(read[0].schema(), schema.arrow(), "the very Arrow types");
    assert_eq!(exact(&rows_of(&schema, &read[0], 0)), exact(&rows));
    let swapped = read_base(&cluster, &base, &[5, 0, 5], 100).await;
    assert_eq!(swapped[0].column(0), read[0].column(5));
    assert_eq!((swapped[0].column(1), swapped[0].column(2)), (read[0].column(0), read[0].column(5)));
    assert_eq!(read_base(&cluster, &base, &[], 100).await[0].num_rows(), 4);
}

fn small_writer(cluster: &Cluster, schema: &Arc<TableSchema>, token: &str) -> BaseWriter {
    let limits = BaseLimits { file_rows: 1000, group_rows: 300, group_bytes: 1 << 20 };
    BaseWriter::new(cluster.clone(), schema.clone(), token, limits)
}

#[tokio::test]
async fn a_large_base_takes_several_files_of_several_row_groups() {
    let (_keep, cluster) = place().await;
    let schema = table(1, vec![INT, TEXT], vec![0]);
    let row = |n: i64| vec![int(n), text(&format!("row {n}"))];
    let mut writer = small_writer(&cluster, &schema, "t0");
    for part in (0..2500).collect::<Vec<_>>().chunks(370) {
        writer.write(&batch(&schema, &part.iter().map(|n| row(*n)).collect::<Vec<_>>())).await.expect("written");
    }
    let base = writer.finish(Seq(0)).await.expect("finished");
    assert_eq!(base.files.iter().map(|f| f.rows).collect::<Vec<_>>(), [1000, 1000, 500]);
    assert!(base.sorted);
    let read = read_base(&cluster, &base, &[0, 1], 1000).await;
    assert_eq!(read.iter().map(|b| b.num_rows()).max(), Some(300), "no batch is larger than a row group");
    let rows: Vec<Row> = read.iter().flat_map(|b| rows_of(&schema, b, 0)).collect();
    assert_eq!(rows, (0..2500).map(row).collect::<Vec<_>>());
}

#[tokio::test]
async fn wide_rows_end_a_row_group_early() {
    let (_keep, cluster) = place().await;
    let schema = table(1, vec![INT, TEXT], vec![0]);
    let rows: Vec<Row> = (0..50).map(|n| vec![int(n), text(&"w".repeat(100_000))]).collect();
    let mut writer = small_writer(&cluster, &schema, "t0");
    writer.write(&batch(&schema, &rows)).await.expect("written");
    let base = writer.finish(Seq(0)).await.expect("finished");
    let most = read_base(&cluster, &base, &[0], 1000).await.iter().map(|b| b.num_rows()).max().expect("rows");
    assert!((5..=11).contains(&most), "{most} rows of 100 kB in a group of 1 MiB");
}

#[tokio::test]
async fn a_base_says_truly_whether_it_is_sorted() {
    let (_keep, cluster) = place().await;
    let keyed = table(1, vec![INT, TEXT], vec![1, 0]);
    let keyless = table(2, vec![INT, TEXT], vec![]);
    let rows = |list: &[(i64, &str)]| list.iter().map(|(n, t)| vec![int(*n), text(t)]).collect::<Vec<Row>>();
    let cases: [(&Arc<TableSchema>, &[&[(i64, &str)]], bool); 5] = [
        (&keyed, &[&[(9, "a"), (1, "b")], &[(2, "b")]], true),
        (&keyed, &[&[(9, "a"), (2, "b")], &[(1, "b")]], false),
        (&keyed, &[&[(9, "b"), (2, "a")]], false),
        (&keyed, &[&[(9, "a"), (9, "a")]], false),
        (&keyless, &[&[(1, "a"), (2, "b")]], false),
    ];
    for (n, (schema, batches, sorted)) in cases.into_iter().enumerate() {
        let mut writer = cluster.base_writer(schema.clone(), &format!("t{n}"));
        for list in batches {
            writer.write(&batch(schema, &rows(list))).await.expect("written");
        }
        assert_eq!(writer.finish(Seq(0)).await.expect("finished").sorted, sorted, "case {n}");
    }
    let empty = cluster.base_writer(keyed, "none").finish(Seq(0)).await.expect("finished");
    assert!(empty.files.is_empty() && empty.rows() == 0);
}

#[tokio::test]
async fn a_damaged_base_file_is_refused_before_a_row_is_read() {
    let (keep, cluster) = place().await;
    let schema = table(1, vec![INT, TEXT], vec![0]);
    let rows: Vec<Row> = (0..20).map(|n| vec![int(n), text("abc")]).collect();
    let mut writer = cluster.base_writer(schema.clone(), "t0");
    writer.write(&batch(&schema, &rows)).await.expect("written");
    let file = writer.finish(Seq(0)).await.expect("finished").files.remove(0);
    let at: PathBuf = keep.path().join("c").join(&file.path);
    let good = std::fs::read(&at).expect("there");
    assert_eq!(good.len() as u64, file.bytes);
    let read = async || cluster.base_rows(&file, vec![0], 10).try_collect::<Vec<_>>().await;
    for i in (0..good.len()).step_by(7) {
        let mut bad = good.clone();
        bad[i] ^= 0x10;
        std::fs::write(&at, &bad).expect("written");
        assert_eq!(read().await.expect_err("flipped").kind, Kind::Corrupt, "byte {i}");
    }
    std::fs::write(&at, &good[..good.len() - 1]).expect("written");
    assert_eq!(read().await.expect_err("cut").kind, Kind::Corrupt);
    std::fs::remove_file(&at).expect("removed");
    assert_eq!(read().await.expect_err("missing").kind, Kind::Corrupt);
    std::fs::write(&at, &good).expect("written");
    assert_eq!(read().await.expect("whole").len(), 2);
}

#[tokio::test]
async fn a_base_given_up_leaves_no_object() {
    let (keep, cluster) = place().await;
    let schema = table(1, vec![INT], vec![0]);
    let mut writer = cluster.base_writer(schema.clone(), "t0");
    writer.write(&batch(&schema, &[vec![int(1)]])).await.expect("written");
    drop(writer);
    let left = std::fs::read_dir(keep.path().join("c/base/0000000001/t0")).expect("listed").count();
    assert_eq!(left, 0);
}
