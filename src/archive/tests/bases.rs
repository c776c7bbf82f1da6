//! Bases: every type, several files, order, damage.

use super::*;
use crate::archive::base::{BaseLimits, BaseWriter};
use crate::error::Kind;
use futures::TryStreamExt;

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

#[tokio::test]
async fn a_base_of_many_values_holds_them_exactly() {
    const ROWS: usize = 20_000;
    let (_keep, cluster) = place().await;
    let mut random = fastrand::Rng::with_seed(7);
    let (few, _) = every_type_table();
    for key in 0..few.columns.len() {
        // each type once as a key: its encoding is another one
        let schema = TableSchema { primary_key: vec![key], ..(*few).clone() };
        let schema = Arc::new(schema);
        let rows: Vec<Row> = (0..if key == 0 { ROWS } else { 300 })
            .map(|_| schema.columns.iter().map(|c| any_value(&c.kind, &mut random)).collect())
            .collect();
        let mut writer = cluster.base_writer(schema.clone(), &format!("t{key}"));
        writer.write(&batch(&schema, &rows)).await.expect("written");
        let base = writer.finish(Seq(0)).await.expect("finished");
        let columns: Vec<usize> = (0..schema.columns.len()).collect();
        let read = read_base(&cluster, &base, &columns, ROWS).await;
        let read: Vec<Row> = read.iter().flat_map(|b| rows_of(&schema, b, 0)).collect();
        assert!(exact(&read) == exact(&rows), "with column {key} as the key");
    }
}

/// Any value of a type, so that no dictionary holds many of them; NULL now and then.
fn any_value(kind: &ColumnType, random: &mut fastrand::Rng) -> Value {
    if random.u8(..20) == 0 {
        return Value::Null;
    }
    let bits = |bytes: u8| 64 - u32::from(bytes) * 8;
    match kind {
        ColumnType::Int { bytes, unsigned: false, .. } => Value::Int(random.i64(..) >> bits(*bytes)),
        ColumnType::Int { bytes, .. } => Value::UInt(random.u64(..) >> bits(*bytes)),
        ColumnType::Decimal { precision, .. } => {
            let digits: String = (0..random.u8(1..=*precision)).map(|_| random.digit(10)).collect();
            let number = i256::from_string(&digits).expect("a number");
            Value::Decimal(if random.bool() { -number } else { number })
        }
        ColumnType::Float { .. } => Value::Float(random.f32() - 0.5),
        ColumnType::Double { .. } => Value::Double(random.f64() - 0.5),
        ColumnType::Bit { .. } => Value::UInt(random.u64(..)),
        ColumnType::Year => Value::UInt(random.u64(1901..2156)),
        ColumnType::Date => Value::Date(random.i32(-10_000_000..2_932_896)),
        ColumnType::Time { .. } => Value::Time(random.i64(-3_020_399_999_999..3_020_399_999_999)),
        ColumnType::DateTime { .. } | ColumnType::Timestamp { .. } => {
            Value::DateTime(random.i64(-1_000_000..253_402_300_799_999_999))
        }
        kind if kind.arrow() == arrow::datatypes::DataType::Utf8 => {
            text(&(0..random.usize(..40)).map(|_| random.char('a'..'\u{1f600}')).collect::<String>())
        }
        _ => Value::Bytes((0..random.usize(..40)).map(|_| random.u8(..)).collect()),
    }
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
    type Rows<'a> = &'a [(i64, &'a str)];
    let cases: [(&Arc<TableSchema>, &[Rows], bool); 5] = [
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
    let (_keep, cluster) = place().await;
    let schema = table(1, vec![INT, TEXT], vec![0]);
    let rows: Vec<Row> = (0..20).map(|n| vec![int(n), text("abc")]).collect();
    let mut writer = cluster.base_writer(schema.clone(), "t0");
    writer.write(&batch(&schema, &rows)).await.expect("written");
    let file = writer.finish(Seq(0)).await.expect("finished").files.remove(0);
    let at = Kept::new(&cluster, &file.path);
    let good = at.read().await;
    assert_eq!(good.len() as u64, file.bytes);
    let read = async || cluster.base_rows(&file, vec![0], 10).try_collect::<Vec<_>>().await;
    for i in (0..good.len()).step_by(7) {
        let mut bad = good.clone();
        bad[i] ^= 0x10;
        at.write(&bad).await;
        assert_eq!(read().await.expect_err("flipped").kind, Kind::Corrupt, "byte {i}");
    }
    at.write(&good[..good.len() - 1]).await;
    assert_eq!(read().await.expect_err("cut").kind, Kind::Corrupt);
    at.remove().await;
    assert_eq!(read().await.expect_err("missing").kind, Kind::Corrupt);
    at.write(&good).await;
    assert_eq!(read().await.expect("whole").len(), 2);
}

#[tokio::test]
async fn a_base_given_up_leaves_no_object() {
    let (_keep, cluster) = place().await;
    let schema = table(1, vec![INT], vec![0]);
    let mut writer = cluster.base_writer(schema.clone(), "t0");
    writer.write(&batch(&schema, &[vec![int(1)]])).await.expect("written");
    drop(writer);
    let written = cluster.object_path("base/0000000001/t0");
    let left: Vec<_> = cluster.store().list(Some(&written)).try_collect().await.expect("listed");
    assert_eq!(left, []);
}
