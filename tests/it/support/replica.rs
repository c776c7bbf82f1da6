//! What a stream of changes adds up to, in the plainest way, and whether a server holds the same.

use super::db::{MariaDb, Product};
use mysql_async::prelude::*;
use pcloud::model::*;
use pcloud::source::mysql::ddl;
use pcloud::source::{ChangeStream, Filter};
use std::collections::BTreeMap;
use std::time::Duration;

/// A catalog and rows, changed by events.
#[derive(Default)]
pub struct Replica {
    pub catalog: Catalog,
    pub rows: BTreeMap<TableId, Vec<Row>>,
    /// Within a transaction: what was told of it.
    open: bool,
    before: BTreeMap<TableId, Vec<Row>>,
    pub commits: Vec<(Option<String>, Bookmark)>,
    gtid: Option<String>,
    pub statements: Vec<String>,
    /// The columns that rows have.
    shapes: BTreeMap<TableId, Vec<ColumnId>>,
}

impl Replica {
    /// An empty server's catalog: only these databases.
    pub fn of(databases: &[&str]) -> Self {
        let mut this = Self::default();
        for d in databases {
            let create =
                format!("CREATE DATABASE `{d}` /*!40100 DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci */");
            this.catalog.databases.insert(d.to_string(), create);
        }
        this
    }

    /// Returns false at CaughtUp.
    pub fn take(&mut self, event: SourceEvent) -> bool {
        match event {
            SourceEvent::Begin { gtid } => {
                assert!(!self.open, "a transaction within a transaction");
                (self.open, self.gtid) = (true, gtid);
                self.before = self.rows.clone();
            }
            SourceEvent::Rows { table, changes, .. } => {
                assert!(self.open, "rows outside of a transaction");
                assert_eq!(self.catalog.tables.get(&table.id), Some(&table), "rows under another schema");
                assert!(!self.catalog.uncertain.contains_key(&table.id), "rows of an uncertain table");
                changes.into_iter().for_each(|c| self.change(table.id, c));
            }
            SourceEvent::Schema { statement, changes, .. } => {
                assert!(self.open, "a schema change outside of a transaction");
                self.statements.extend(statement);
                for c in changes {
                    self.catalog.apply(&c);
                }
                self.follow_columns();
            }
            SourceEvent::Commit { bookmark, .. } => {
                assert!(self.open, "a commit without a beginning");
                self.open = false;
                self.commits.push((self.gtid.take(), bookmark));
            }
            SourceEvent::Uneventful { .. } => assert!(!self.open, "a transaction within another"),
            SourceEvent::RolledBack => {
                assert!(self.open, "a rollback without a beginning");
                (self.open, self.rows) = (false, std::mem::take(&mut self.before));
            }
            SourceEvent::Progress { .. } => assert!(!self.open, "progress within a transaction"),
            SourceEvent::Retaken { .. } | SourceEvent::Missed { .. } => {}
            SourceEvent::CaughtUp { .. } => return false,
        }
        true
    }

    fn change(&mut self, table: TableId, change: Change) {
        let rows = self.rows.entry(table).or_default();
        let at = |rows: &Vec<Row>, row: &Row| {
            rows.iter().position(|r| r == row).unwrap_or_else(|| panic!("{row:?} is not there"))
        };
        match change {
            Change::Insert(row) => rows.push(row),
            Change::Delete(row) => {
                let i = at(rows, &row);
                rows.swap_remove(i);
            }
            Change::Update { before, after } => {
                let i = at(rows, &before);
                rows[i] = after;
            }
        }
    }

    /// Rows follow their table's columns by identity.
    fn follow_columns(&mut self) {
        let tables = self.catalog.tables.clone();
        self.rows.retain(|id, _| tables.contains_key(id));
        for (id, table) in tables {
            let shape: Vec<ColumnId> = table.columns.iter().map(|c| c.id).collect();
            let old = self.shapes.insert(id, shape.clone());
            let Some(old) = old.filter(|old| *old != shape) else { continue };
            for row in self.rows.entry(id).or_default() {
                *row = table
                    .columns
                    .iter()
                    .map(|c| match old.iter().position(|o| *o == c.id) {
                        Some(i) => row[i].clone(),
                        None => c.missing.as_ref().map_or(Value::Null, |m| {
                            Value::parse(&c.kind, m.as_bytes()).expect("what rows miss is a value")
                        }),
                    })
                    .collect();
            }
        }
    }

    /// Reads a stream until it says that everything was told.
    pub async fn follow(&mut self, stream: &mut dyn ChangeStream) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
        loop {
            let event = tokio::time::timeout_at(deadline, stream.next()).await.expect("the stream catches up");
            match event.expect("the stream goes on") {
                Some(event) if self.take(event.clone()) => {}
                _ => return,
            }
        }
    }

    /// Compares every table with what the server shows by text, and its columns and keys.
    pub async fn assert_equals(&self, db: &MariaDb) {
        let mut conn = db.connect().await;
        conn.query_drop("SET time_zone = '+00:00'").await.expect("UTC");
        for table in self.catalog.tables.values() {
            assert!(!self.catalog.uncertain.contains_key(&table.id), "{:?}", self.catalog.uncertain.get(&table.id));
            let columns = table.columns.iter().map(|c| quote_name(&c.name)).collect::<Vec<_>>().join(", ");
            let select = format!("SELECT {columns} FROM {}", table.name.quoted());
            let got: Vec<mysql_async::Row> = conn.query(&select).await.expect(&select);
            let mut server: Vec<Vec<Option<Vec<u8>>>> = got
                .into_iter()
                .map(|r| {
                    r.unwrap()
                        .into_iter()
                        .map(|v| match v {
                            mysql_async::Value::NULL => None,
                            mysql_async::Value::Bytes(b) => Some(b),
                            other => panic!("text protocol: {other:?}"),
                        })
                        .collect()
                })
                .collect();
            let none = Vec::new();
            let rows = self.rows.get(&table.id).unwrap_or(&none);
            let mut ours: Vec<Vec<Option<Vec<u8>>>> =
                rows.iter().map(|r| r.iter().zip(&table.columns).map(|(v, c)| v.display(&c.kind)).collect()).collect();
            server.sort();
            ours.sort();
            let text = |rows: &Vec<Vec<Option<Vec<u8>>>>| -> Vec<String> {
                rows.iter()
                    .map(|r| {
                        r.iter()
                            .map(|v| v.as_ref().map_or("NULL".into(), |v| v.escape_ascii().to_string()))
                            .collect::<Vec<_>>()
                            .join(" | ")
                    })
                    .collect()
            };
            assert_eq!(text(&ours), text(&server), "rows of {}", table.name);
        }
    }
}

/// Where the server's log ends now.
pub fn bookmark(db: &MariaDb) -> Bookmark {
    let status = db.sql("SHOW MASTER STATUS");
    let mut fields = status.trim_end_matches('\n').split('\t');
    let (file, at) = (fields.next().expect("a file"), fields.next().expect("a position"));
    let gtids = db.sql(&format!("SELECT BINLOG_GTID_POS('{file}', {at})"));
    let gtids = gtids.trim();
    Bookmark(format!("{file}:{at} {}", if gtids.is_empty() { "-" } else { gtids }))
}

/// What SHOW CREATE TABLE says.
pub async fn show_create(db: &MariaDb, name: &TableName) -> String {
    let mut conn = db.connect().await;
    let row: Option<(String, String)> =
        conn.query_first(format!("SHOW CREATE TABLE {}", name.quoted())).await.expect("SHOW CREATE TABLE");
    row.expect("the table is there").1
}

/// The table, read from the server's text by the project's own reader.
pub async fn table_of(db: &MariaDb, name: &TableName, id: TableId) -> Result<TableSchema, ddl::Refusal> {
    table_from(db.product, &show_create(db, name).await, name, id)
}

/// The table of a CREATE TABLE statement, told in its server's words.
pub fn table_from(product: Product, create: &str, name: &TableName, id: TableId) -> Result<TableSchema, ddl::Refusal> {
    let mut schema = ddl::parse_create_table(create, name.clone(), id, ("utf8mb4", "utf8mb4_general_ci"))?;
    if product.is_mysql() {
        schema.create = ddl::in_mysql_words(&schema);
    }
    Ok(schema)
}

pub fn everything() -> Filter {
    Filter::default()
}
