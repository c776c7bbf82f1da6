//! What is written is read again, to the last bit; what was damaged is refused.

mod bases;
mod numbers;
mod segments;

use super::*;
use crate::clock::FixedClock;
use crate::model::{
    Bookmark, Column, ColumnId, ColumnType, Micros, Row, RowsBuilder, Seq, TableId, TableName, TableSchema, TextSize,
    Value, ZERO_DATE, ZERO_DATETIME, value_at,
};
use arrow::array::RecordBatch;
use arrow::datatypes::i256;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use std::sync::Arc;

/// An empty archive: in a directory, or where `PCLOUD_TEST_ARCHIVE` says, with a name of its own in the place of `{}`.
async fn place() -> (tempfile::TempDir, Cluster) {
    let directory = tempfile::tempdir().expect("a directory");
    let name = directory.path().file_name().expect("a name").to_string_lossy().replace('.', "");
    let url = match std::env::var("PCLOUD_TEST_ARCHIVE") {
        Ok(url) => url.replace("{}", &name),
        Err(_) => directory.path().to_str().expect("UTF-8").to_string(),
    };
    let access = Access { plain: true, ..Access::default() };
    let archive = Archive::create_with(&url, &access, &FixedClock::default()).await.expect("made");
    (directory, archive.cluster("c").expect("a name"))
}

/// An object of the cluster as its store holds it.
struct Kept<'a>(&'a Cluster, Path);

impl<'a> Kept<'a> {
    fn new(cluster: &'a Cluster, relative: &str) -> Self {
        Self(cluster, cluster.object_path(relative))
    }

    async fn read(&self) -> Vec<u8> {
        self.0.store().get(&self.1).await.expect("there").bytes().await.expect("bytes").to_vec()
    }

    async fn write(&self, bytes: &[u8]) {
        self.0.store().put(&self.1, bytes.to_vec().into()).await.expect("written");
    }

    async fn remove(&self) {
        self.0.store().delete(&self.1).await.expect("removed");
    }
}

fn column(id: u32, kind: ColumnType) -> Column {
    Column::new(ColumnId(id), format!("c{id}"), kind)
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
        foreign_keys: Vec::new(),
        kind: Default::default(),
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
