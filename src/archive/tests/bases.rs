//! Bases: every type, several files, order, damage.

use super::*;
use crate::archive::base::{BaseLimits, BaseWriter};
use crate::error::Kind;
use futures::TryStreamExt;
use std::path::PathBuf;

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
