//! Archives that earlier versions wrote, one per version of the format, are read for ever.
//!
//! `PCLOUD_WRITE_GOLDEN=1` writes the archive of the present format again, instead of reading it. Do that only while a
//! format is not released: afterwards a changed file is a broken promise.

use futures::TryStreamExt;
use pcloud::archive::{Archive, Base, Cluster, Commit, Footer, Manifest, SchemaEntry, SegmentWriter, TableCounts};
use pcloud::clock::FixedClock;
use pcloud::model::{
    Bookmark, Catalog, Change, Column, ColumnId, ColumnType, Micros, Moment, NotCarried, Object, ObjectKey, ObjectKind,
    Row, RowsBuilder, SchemaChange, Seq, TableId, TableName, TableSchema, TextSize, Value, value_at,
};
use std::path::PathBuf;
use std::sync::Arc;

const START: i64 = 1_763_812_800_000_000; // 2025-11-22 12:00:00 UTC

/// What the archive of format 1 holds, as text.
const EXPECTED: &str = "\
manifest 2 of MariaDB 10.11.11-MariaDB-log, seq 0 at 2025-11-22 12:00:00.000000 UTC, log after binlog.000001:4, created 2025-11-22 12:00:09.000000 UTC
database shop: CREATE DATABASE `shop`
table 1 shop.orders, key [0]: CREATE TABLE `orders` (…)
table 2 shop.notes, key []: CREATE TABLE `notes` (…)
Trigger shop.t on Some(\"orders\") (ANSI_QUOTES): CREATE TRIGGER t …
refused shop.places: it has a GEOMETRY column
next table 3
base of table 1 at seq 0, sorted: true, 2 rows
 | 1 | 12345678901234567.89 | 2025-11-22 12:00:00.000001 | 0000-00-00 | -838:59:59 | new | 18446744073709551615 | -0.5 | [FF, 00] |
 | 2 | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL |
base of table 2 at seq 0, sorted: false, 3 rows
 | hello |
 | hello |
 | NULL |
base of table 2 at seq 3, sorted: false, 1 rows
 | taken again |
segment 1, continues: true, restarts: false, resumes at binlog.000001:900, created 2025-11-22 12:00:02.000000 UTC, covers None
commit 1 at 2025-11-22 12:00:01.000000 UTC, Some(\"0-1-1\"), binlog.000001:500, table 1 +1 ~1 -0
commit 2 at 2025-11-22 12:00:02.000000 UTC, None, binlog.000001:900, table 1 +0 ~1 -1, table 2 +0 ~1 -0
rows of table 1, seq 1 to 2, columns [0, 1, 2, 3, 4, 5, 6, 7, 8], key [0]
2 Delete | 2 | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL |
1 Update until 2 | 3 | 1.00 | 2026-01-01 00:00:00.000000 | 2026-01-02 | 00:00:01 | ünï \u{1f600} | 7 | 2.25 | [] |
2 Update | 3 | 2.00 | 2026-01-01 00:00:00.000000 | 2026-01-02 | 00:00:01 | ünï \u{1f600} | 7 | 2.25 | [] |
rows of table 2, seq 2 to 3, columns [0], key []
2 Delete | hello |
2 Insert | goodbye |
3 Insert | begun |
segment 2, continues: false, restarts: true, resumes at binlog.000002:4, created 2025-11-22 12:00:08.000000 UTC, covers Some(Micros(1763812808000000))
commit 3 at 2025-11-22 12:00:07.000000 UTC, Some(\"0-1-3\"), binlog.000001:950
commit 4 at 2025-11-22 12:00:08.000000 UTC, Some(\"0-1-4\"), binlog.000001:980, table 1 +1 ~0 -0
schema change of seq 3 in shop by Some(\"ALTER TABLE orders ADD paid INT\"): 2
rows of table 1, seq 4 to 4, columns [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], key [0]
4 Insert | 4 | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL | -1 |
segment 3, continues: false, restarts: false, resumes at binlog.000002:4, created 2025-11-22 12:10:00.000000 UTC, covers None
";

fn golden(version: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(version)
}

#[tokio::test]
async fn the_archive_of_format_1_is_read_to_the_last_value() {
    let place = golden("v1");
    if std::env::var("PCLOUD_WRITE_GOLDEN").is_ok_and(|v| v == "1") {
        if place.exists() {
            std::fs::remove_dir_all(&place).expect("removed");
        }
        write(place.to_str().expect("UTF-8")).await;
    }
    let archive = Archive::open(place.to_str().expect("UTF-8")).await.expect("opened");
    assert_eq!(archive.id().len(), 32);
    assert_eq!(archive.clusters().await.expect("listed"), ["shop-1"]);
    let told = tell(&archive.cluster("shop-1").expect("a name")).await;
    assert_eq!(told, EXPECTED, "\n{told}");
}

/// The whole cluster as text, read with the public interface only.
async fn tell(cluster: &Cluster) -> String {
    let manifest = cluster.manifest().await.expect("read").expect("a manifest");
    let mut out = format!(
        "manifest {} of {}, seq {} at {}, log after {}, created {}\n",
        manifest.number,
        manifest.source,
        manifest.start.seq,
        manifest.start.time,
        manifest.bookmark.0,
        manifest.created
    );
    let Catalog { databases, tables, objects, uncertain, refused, next_table } = &manifest.catalog;
    databases.iter().for_each(|(name, create)| out += &format!("database {name}: {create}\n"));
    for (id, t) in tables {
        out += &format!("table {id} {}, key {:?}: {}\n", t.name, t.primary_key, t.create);
    }
    for Object { key, create, sql_mode, table } in objects.values() {
        out += &format!("{:?} {}.{} on {table:?} ({sql_mode}): {create}\n", key.kind, key.database, key.name);
    }
    refused.iter().for_each(|(name, why)| out += &format!("refused {name}: {why}\n"));
    assert!(uncertain.is_empty());
    out += &format!("next table {next_table}\n");
    for base in &manifest.bases {
        out += &format!(
            "base of table {} at seq {}, sorted: {}, {} rows\n",
            base.table,
            base.seq,
            base.sorted,
            base.rows()
        );
        let columns: Vec<usize> = (0..base.schema.columns.len()).collect();
        for file in &base.files {
            let batches: Vec<_> = cluster.base_rows(file, columns.clone(), 10).try_collect().await.expect("rows");
            for batch in &batches {
                (0..batch.num_rows()).for_each(|row| out += &format!(" {}\n", line(&base.schema, batch, row, 0)));
            }
        }
    }
    let mut schemas: Vec<Arc<TableSchema>> = manifest.catalog.tables.values().cloned().collect();
    for number in cluster.segments_after(0).await.expect("listed") {
        let footer = cluster.footer(number).await.expect("a footer");
        for change in footer.schema.iter().flat_map(|e| &e.changes) {
            if let SchemaChange::Table { schema } = change {
                schemas.push(schema.clone());
            }
        }
        out += &tell_segment(cluster, &footer, &schemas).await;
    }
    out
}

async fn tell_segment(cluster: &Cluster, footer: &Footer, schemas: &[Arc<TableSchema>]) -> String {
    let mut out = format!(
        "segment {}, continues: {}, restarts: {}, resumes at {}, created {}, covers {:?}\n",
        footer.number, footer.continues, footer.restarts, footer.bookmark.0, footer.created, footer.covers
    );
    for commit in &footer.commits {
        out += &format!("commit {} at {}, {:?}, {}", commit.seq, commit.time, commit.gtid, commit.bookmark.0);
        for rows in &commit.rows {
            out += &format!(", table {} +{} ~{} -{}", rows.table, rows.inserts, rows.updates, rows.deletes);
        }
        out += "\n";
    }
    for entry in &footer.schema {
        let SchemaEntry { seq, database, statement, changes } = entry;
        out += &format!("schema change of seq {seq} in {database} by {statement:?}: {}\n", changes.len());
    }
    for section in &footer.sections {
        let ids = |ids: &[ColumnId]| ids.iter().map(|c| c.0).collect::<Vec<_>>();
        let (columns, key) = (ids(&section.columns), ids(&section.key));
        let (table, first, last) = (section.table, section.first, section.last);
        out += &format!("rows of table {table}, seq {first} to {last}, columns {columns:?}, key {key:?}\n");
        let same =
            |t: &&Arc<TableSchema>| t.id == table && t.columns.iter().map(|c| c.id.0).eq(columns.iter().copied());
        let schema = schemas.iter().find(same).expect("the section's schema");
        let batch = cluster.section(footer.number, section).await.expect("rows");
        let unsigned = |at: usize, row: usize, bytes: u8| {
            let kind = ColumnType::Int { bytes, unsigned: true, zerofill: None };
            match value_at(batch.column(at), row, &kind).expect("a number") {
                Value::UInt(v) => v,
                other => panic!("{other:?}"),
            }
        };
        for row in 0..batch.num_rows() {
            let op = ["Insert", "Update", "Delete"][unsigned(1, row, 1) as usize];
            let next = match unsigned(2, row, 8) {
                u64::MAX => String::new(),
                next => format!(" until {next}"),
            };
            out += &format!("{} {op}{next} {}\n", unsigned(0, row, 8), line(schema, &batch, row, 3));
        }
    }
    out
}

fn line(schema: &TableSchema, batch: &arrow::array::RecordBatch, row: usize, skip: usize) -> String {
    let mut out = String::from("|");
    for (at, column) in schema.columns.iter().enumerate() {
        let value = value_at(batch.column(at + skip), row, &column.kind).expect("a value");
        let shown = match value.display(&column.kind) {
            None => "NULL".to_string(),
            Some(bytes) if column.kind.is_binary() => format!("{bytes:02X?}"),
            Some(bytes) => String::from_utf8(bytes).expect("text"),
        };
        out += &format!(" {shown} |");
    }
    out
}

fn table(id: u32, name: &str, columns: &[(&str, ColumnType)], primary_key: Vec<usize>) -> TableSchema {
    TableSchema {
        id: TableId(id),
        name: TableName::new("shop", name),
        columns: (0..).zip(columns).map(|(id, (name, kind))| column(id, name, kind)).collect(),
        primary_key,
        create: format!("CREATE TABLE `{name}` (…)"),
        next_column: columns.len() as u32,
        foreign_keys: Vec::new(),
        kind: Default::default(),
    }
}

fn column(id: u32, name: &str, kind: &ColumnType) -> Column {
    Column {
        collation: kind.is_text().then(|| "utf8mb4_general_ci".into()),
        ..Column::new(ColumnId(id), name, kind.clone())
    }
}

fn orders() -> TableSchema {
    let columns = [
        ("id", ColumnType::Int { bytes: 4, unsigned: false, zerofill: None }),
        ("total", ColumnType::Decimal { precision: 65, scale: 2, unsigned: false, zerofill: false }),
        ("at", ColumnType::Timestamp { fsp: 6 }),
        ("day", ColumnType::Date),
        ("span", ColumnType::Time { fsp: 0 }),
        ("state", ColumnType::Varchar { length: 20 }),
        ("points", ColumnType::Int { bytes: 8, unsigned: true, zerofill: None }),
        ("weight", ColumnType::Double { unsigned: false, decimals: None }),
        ("raw", ColumnType::Blob { size: TextSize::Normal }),
    ];
    table(1, "orders", &columns, vec![0])
}

fn notes() -> TableSchema {
    table(2, "notes", &[("note", ColumnType::Text { size: TextSize::Normal })], vec![])
}

/// A row of orders, from what MySQL shows; `-`: NULL.
fn order(schema: &TableSchema, id: i64, rest: &[&str], raw: Option<&[u8]>) -> Row {
    let mut row = vec![Value::Int(id)];
    for (text, column) in rest.iter().zip(&schema.columns[1..]) {
        row.push(match *text {
            "-" => Value::Null,
            text => Value::parse(&column.kind, text.as_bytes()).expect("a value"),
        });
    }
    row.push(raw.map_or(Value::Null, |b| Value::Bytes(b.to_vec())));
    row.resize(schema.columns.len(), Value::Int(-1));
    row
}

fn note(text: &str) -> Row {
    vec![Value::Text(text.into())]
}

async fn base(cluster: &Cluster, schema: &TableSchema, token: &str, seq: Seq, rows: &[Row]) -> Base {
    let mut builder = RowsBuilder::new(schema);
    rows.iter().for_each(|row| builder.push(row).expect("a row"));
    let mut writer = cluster.base_writer(Arc::new(schema.clone()), token);
    writer.write(&builder.finish()).await.expect("written");
    writer.finish(seq).await.expect("finished")
}

async fn write(url: &str) {
    let archive = Archive::create(url, &FixedClock::at(Micros(START))).await.expect("made");
    let cluster = archive.cluster("shop-1").expect("a name");
    let (orders, notes) = (orders(), notes());
    const NULLS: [&str; 7] = ["-"; 7];
    let full = ["12345678901234567.89", "2025-11-22 12:00:00.000001", "0000-00-00", "-838:59:59", "new"];
    let full = [&full[..], &["18446744073709551615", "-0.5"]].concat();
    let first = [order(&orders, 1, &full, Some(&[0xff, 0])), order(&orders, 2, &NULLS, None)];
    let twice = [note("hello"), note("hello"), vec![Value::Null]];
    let bases = vec![
        base(&cluster, &orders, "601d0001", Seq(0), &first).await,
        base(&cluster, &notes, "601d0002", Seq(0), &twice).await,
    ];
    let mut manifest = manifest(bases);
    cluster.put_manifest(&manifest).await.expect("put");
    write_log(&cluster, &orders, &notes).await;
    manifest.number = 2;
    manifest.created = Micros(START + 9_000_000);
    manifest.bases.push(base(&cluster, &notes, "601d0003", Seq(3), &[note("taken again")]).await);
    cluster.put_manifest(&manifest).await.expect("put");
}

fn manifest(bases: Vec<Base>) -> Manifest {
    let mut catalog = Catalog::default();
    let key = ObjectKey { kind: ObjectKind::Trigger, database: "shop".into(), name: "t".into() };
    let (create, sql_mode) = ("CREATE TRIGGER t …".into(), "ANSI_QUOTES".into());
    catalog.apply(&SchemaChange::Database { name: "shop".into(), create: "CREATE DATABASE `shop`".into() });
    catalog.apply(&SchemaChange::Table { schema: Arc::new(orders()) });
    catalog.apply(&SchemaChange::Table { schema: Arc::new(notes()) });
    catalog.apply(&SchemaChange::Object { object: Object { key, create, sql_mode, table: Some("orders".into()) } });
    let (name, why) = (TableName::new("shop", "places"), NotCarried::table("it has a GEOMETRY column"));
    catalog.apply(&SchemaChange::Refused { name, why });
    Manifest {
        number: 1,
        catalog,
        start: Moment { seq: Seq(0), time: Micros(START) },
        bookmark: Bookmark("binlog.000001:4".into()),
        source: "MariaDB 10.11.11-MariaDB-log".into(),
        bases,
        created: Micros(START),
    }
}

fn commit(seq: u64, second: i64, gtid: Option<&str>, position: u32, rows: &[(u32, u64, u64, u64)]) -> Commit {
    let counts = |&(t, inserts, updates, deletes): &_| TableCounts { table: TableId(t), inserts, updates, deletes };
    Commit {
        seq: Seq(seq),
        time: Micros(START + second * Micros::SECOND),
        gtid: gtid.map(Into::into),
        bookmark: Bookmark(format!("binlog.000001:{position}")),
        rows: rows.iter().map(counts).collect(),
    }
}

async fn write_log(cluster: &Cluster, orders: &TableSchema, notes: &TableSchema) {
    let (o, n) = (Arc::new(orders.clone()), Arc::new(notes.clone()));
    let after = |seconds: i64| Micros(START + seconds * Micros::SECOND);
    let third = |total| {
        let rest = [total, "2026-01-01 00:00:00", "2026-01-02", "00:00:01", "ünï \u{1f600}", "7", "2.25"];
        order(orders, 3, &rest, Some(&[]))
    };
    let second = || order(orders, 2, &["-"; 7], None);
    let mut writer = SegmentWriter::new(1);
    let mut change = |seq, table: &Arc<TableSchema>, change| writer.change(Seq(seq), table, &change).expect("added");
    change(1, &o, Change::Insert(third("0.50")));
    change(1, &o, Change::Update { before: third("0.50"), after: third("1.00") });
    writer.commit(commit(1, 1, Some("0-1-1"), 500, &[(1, 1, 1, 0)])).expect("committed");
    let mut change = |seq, table: &Arc<TableSchema>, change| writer.change(Seq(seq), table, &change).expect("added");
    change(2, &o, Change::Update { before: third("1.00"), after: third("2.00") });
    change(2, &o, Change::Delete(second()));
    change(2, &n, Change::Update { before: note("hello"), after: note("goodbye") });
    writer.commit(commit(2, 2, None, 900, &[(1, 0, 1, 1), (2, 0, 1, 0)])).expect("committed");
    writer.change(Seq(3), &n, &Change::Insert(note("begun"))).expect("added");
    let finished = writer.finish(Bookmark("binlog.000001:900".into()), after(2), true, false).expect("finished");
    cluster.put_segment(finished).await.expect("put");

    let mut altered = orders.clone();
    altered.columns.push(column(9, "paid", &ColumnType::Int { bytes: 4, unsigned: false, zerofill: None }));
    altered.next_column = 10;
    let altered = Arc::new(altered);
    let mut writer = SegmentWriter::new(2);
    let why = "the log is not complete".into();
    let changes = vec![
        SchemaChange::Table { schema: altered.clone() },
        SchemaChange::Uncertain { id: TableId(2), name: notes.name.clone(), why },
    ];
    let statement = Some("ALTER TABLE orders ADD paid INT".into());
    writer.schema(SchemaEntry { seq: Seq(3), database: "shop".into(), statement, changes }).expect("added");
    writer.commit(commit(3, 7, Some("0-1-3"), 950, &[])).expect("committed");
    let fourth = order(&altered, 4, &["-"; 7], None);
    writer.change(Seq(4), &altered, &Change::Insert(fourth)).expect("added");
    writer.commit(commit(4, 8, Some("0-1-4"), 980, &[(1, 1, 0, 0)])).expect("committed");
    writer.covers(after(8));
    let finished = writer.finish(Bookmark("binlog.000002:4".into()), after(8), false, true).expect("finished");
    cluster.put_segment(finished).await.expect("put");

    let heartbeat = SegmentWriter::new(3).finish(Bookmark("binlog.000002:4".into()), after(600), false, false);
    cluster.put_segment(heartbeat.expect("finished")).await.expect("put");
}
