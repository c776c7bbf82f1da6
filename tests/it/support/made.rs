//! Archives made by hand, commit by commit, where a test needs a history that no server would write on demand.

use pcloud::archive::{Archive, Base, Cluster, Commit, Manifest, SchemaEntry, SegmentWriter, TableCounts};
use pcloud::clock::FixedClock;
use pcloud::model::{
    Bookmark, Catalog, Change, Column, ColumnId, ColumnType, Micros, Moment, Row, RowsBuilder, SchemaChange, Seq,
    TableId, TableName, TableSchema, Value,
};
use pcloud::timeline::Timeline;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

pub const SECOND: i64 = 1_000_000;
/// 2026-11-22 14:00:00 UTC: seq 0 of every archive made here.
pub const START: i64 = 1_795_356_000 * SECOND;

pub fn int() -> ColumnType {
    ColumnType::Int { bytes: 4, unsigned: false, zerofill: None }
}

pub fn varchar() -> ColumnType {
    ColumnType::Varchar { length: 50 }
}

/// A table of database `d`; its first `key` columns are the primary key.
pub fn table(id: u32, name: &str, columns: &[(u32, &str, ColumnType)], key: usize) -> Arc<TableSchema> {
    let column = |(id, name, kind): &(u32, &str, ColumnType)| Column {
        collation: kind.is_text().then(|| "utf8mb4_general_ci".to_string()),
        ..Column::new(ColumnId(*id), *name, kind.clone())
    };
    let lines: Vec<_> = columns.iter().map(|(_, n, k)| format!("  `{n}` {k}")).collect();
    Arc::new(TableSchema {
        id: TableId(id),
        name: TableName::new("d", name),
        next_column: columns.iter().map(|c| c.0 + 1).max().unwrap_or(0),
        foreign_keys: Vec::new(),
        kind: Default::default(),
        columns: columns.iter().map(column).collect(),
        primary_key: (0..key).collect(),
        create: format!("CREATE TABLE `{name}` (\n{}\n) ENGINE=InnoDB", lines.join(",\n")),
    })
}

/// An archive in the making: one cluster `c`.
pub struct Made {
    pub archive: Archive,
    pub cluster: Cluster,
    manifest: Manifest,
    segment: u64,
    seq: u64,
}

impl Made {
    /// The first base: these tables with these rows.
    pub async fn begin(dir: &Path, tables: &[(Arc<TableSchema>, Vec<Row>)]) -> Made {
        Self::begin_in(dir, &["d"], tables).await
    }

    /// As `begin`, with these databases.
    pub async fn begin_in(dir: &Path, databases: &[&str], tables: &[(Arc<TableSchema>, Vec<Row>)]) -> Made {
        let clock = FixedClock::at(Micros(START));
        let archive = Archive::create(&dir.to_string_lossy(), &clock).await.expect("an archive");
        Self::within(archive, databases, tables).await
    }

    /// As `begin_in`, in an archive that is there.
    pub async fn within(archive: Archive, databases: &[&str], tables: &[(Arc<TableSchema>, Vec<Row>)]) -> Made {
        let cluster = archive.cluster("c").expect("a name");
        let mut catalog = Catalog::default();
        for name in databases {
            let create = format!("CREATE DATABASE `{name}`");
            catalog.apply(&SchemaChange::Database { name: name.to_string(), create });
        }
        let mut bases = Vec::new();
        for (schema, rows) in tables {
            catalog.apply(&SchemaChange::Table { schema: schema.clone() });
            bases.push(base(&cluster, schema, Seq::ZERO, rows).await);
        }
        let manifest = Manifest {
            number: 1,
            catalog,
            start: Moment { seq: Seq::ZERO, time: Micros(START) },
            bookmark: Bookmark::default(),
            source: "made by a test".into(),
            bases,
            created: Micros(START),
        };
        cluster.put_manifest(&manifest).await.expect("manifest 1");
        Made { archive, cluster, manifest, segment: 0, seq: 0 }
    }

    pub fn writer(&mut self) -> SegmentWriter {
        self.segment += 1;
        SegmentWriter::new(self.segment)
    }

    /// A segment of one commit, `after` seconds after the start.
    pub async fn commit(&mut self, after: f64, schema: &[SchemaChange], changes: &[(Arc<TableSchema>, Change)]) -> Seq {
        let mut writer = self.writer();
        self.add(&mut writer, after, schema, changes);
        self.put(writer, None, false, false).await;
        Seq(self.seq)
    }

    pub fn add(
        &mut self,
        w: &mut SegmentWriter,
        after: f64,
        schema: &[SchemaChange],
        changes: &[(Arc<TableSchema>, Change)],
    ) {
        self.seq += 1;
        let seq = Seq(self.seq);
        if !schema.is_empty() {
            w.schema(SchemaEntry { seq, database: "d".into(), statement: None, changes: schema.to_vec() })
                .expect("schema");
        }
        for (table, change) in changes {
            w.change(seq, table, change).expect("a change");
        }
        let time = Micros(START + (after * SECOND as f64) as i64);
        w.commit(Commit {
            seq,
            time,
            gtid: Some(format!("0-1-{seq}")),
            bookmark: Bookmark::default(),
            rows: counts(changes),
        })
        .expect("a commit");
    }

    /// As `add`, of tables with foreign keys: the order of changes is written down, and what those of `parent` did to
    /// its first column.
    pub fn add_in_order(
        &mut self,
        w: &mut SegmentWriter,
        after: f64,
        parent: TableId,
        changes: &[(Arc<TableSchema>, Change)],
    ) {
        let seq = Seq(self.seq + 1);
        for (order, (table, change)) in (0..).zip(changes) {
            let child = !table.foreign_keys.is_empty();
            w.change_in_order(seq, table, change, child.then_some(order)).expect("a change");
            if table.id == parent {
                w.replaced(seq, table, &[0], change, order).expect("replaced");
            }
        }
        self.add(w, after, &[], &[]);
    }

    /// The newest commit.
    pub fn seq(&self) -> Seq {
        Seq(self.seq)
    }

    /// Rows of the next commit without the commit.
    pub fn part(&self, w: &mut SegmentWriter, changes: &[(Arc<TableSchema>, Change)]) {
        for (table, change) in changes {
            w.change(Seq(self.seq + 1), table, change).expect("a change");
        }
    }

    pub async fn put(&mut self, mut w: SegmentWriter, covers: Option<f64>, continues: bool, restarts: bool) {
        if let Some(after) = covers {
            w.covers(Micros(START + (after * SECOND as f64) as i64));
        }
        let done = w.finish(Bookmark::default(), Micros(START), continues, restarts).expect("a segment");
        self.cluster.put_segment(done).await.expect("put");
    }

    /// A new base of a table, as of the newest commit.
    pub async fn retake(&mut self, schema: &Arc<TableSchema>, rows: &[Row]) {
        self.manifest.bases.push(base(&self.cluster, schema, Seq(self.seq), rows).await);
        self.manifest.number += 1;
        self.cluster.put_manifest(&self.manifest).await.expect("the next manifest");
    }

    pub async fn timeline(&self) -> Timeline {
        Timeline::load(self.cluster.clone()).await.expect("a timeline")
    }
}

/// What a capture would have counted.
fn counts(changes: &[(Arc<TableSchema>, Change)]) -> Vec<TableCounts> {
    let mut all: BTreeMap<TableId, TableCounts> = BTreeMap::new();
    for (table, change) in changes {
        let none = TableCounts { table: table.id, inserts: 0, updates: 0, deletes: 0 };
        let counts = all.entry(table.id).or_insert(none);
        match change {
            Change::Insert(_) => counts.inserts += 1,
            Change::Update { .. } => counts.updates += 1,
            Change::Delete(_) => counts.deletes += 1,
        }
    }
    all.into_values().collect()
}

async fn base(cluster: &Cluster, schema: &Arc<TableSchema>, seq: Seq, rows: &[Row]) -> Base {
    let mut writer = cluster.base_writer(schema.clone(), &format!("{:08x}", fastrand::u32(..)));
    let mut builder = RowsBuilder::new(schema);
    rows.iter().for_each(|r| builder.push(r).expect("a row"));
    writer.write(&builder.finish()).await.expect("written");
    writer.finish(seq).await.expect("a base")
}

/// `[1, "a"]` as a row.
pub fn row(id: i64, text: &str) -> Row {
    vec![Value::Int(id), Value::Text(text.into())]
}
