//! What stands on the target?

use super::abilities::Abilities;
use super::sink::{Connection, SinkError, quoted};
use crate::error::Result;
use crate::model::{ObjectKind, TableName};
use std::collections::{BTreeMap, BTreeSet};

/// What a restore into some databases may meet there. Names are as the target writes them.
#[derive(Debug, Clone)]
pub struct Inventory {
    pub target: Abilities,
    pub databases: BTreeSet<String>,
    /// Tables and views; the value says whether it is a view.
    pub tables: BTreeMap<TableName, bool>,
    pub triggers: Vec<Trigger>,
    /// Procedures, functions and events: database, kind, name.
    pub programs: BTreeSet<(String, ObjectKind, String)>,
    pub foreign_keys: Vec<ForeignKey>,
    /// Databases that other restores work in, or have left.
    pub leftovers: Vec<String>,
}

#[derive(Debug, Clone)]
pub struct Trigger {
    pub name: String,
    pub table: TableName,
}

#[derive(Debug, Clone)]
pub struct ForeignKey {
    pub name: String,
    pub child: TableName,
    pub parent: TableName,
}

/// What staging databases begin with.
pub const STAGE_PREFIX: &str = "pcloud_restore_";
/// What databases and views begin with that hold what was replaced.
pub const REPLACED_PREFIX: &str = "pcloud_replaced_";

impl Inventory {
    /// Reads what concerns these databases.
    /// Errors: as [`Abilities::read`].
    pub async fn read(connection: &mut Connection, databases: &BTreeSet<String>) -> Result<Self> {
        let mut this = Self {
            target: Abilities::read(connection).await?,
            databases: BTreeSet::new(),
            tables: BTreeMap::new(),
            triggers: Vec::new(),
            programs: BTreeSet::new(),
            foreign_keys: Vec::new(),
            leftovers: Vec::new(),
        };
        this.names(connection, databases).await.map_err(|e| e.about("reading what stands on the target"))?;
        Ok(this)
    }

    async fn names(&mut self, connection: &mut Connection, databases: &BTreeSet<String>) -> Result<(), SinkError> {
        let all = connection.rows("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA").await?;
        self.databases = all.into_iter().flatten().flatten().collect();
        let ours = |d: &&String| d.starts_with(STAGE_PREFIX) || d.starts_with(REPLACED_PREFIX);
        self.leftovers = self.databases.iter().filter(ours).cloned().collect();
        if databases.is_empty() {
            return Ok(());
        }
        let list = databases.iter().map(|d| quoted(d)).collect::<Vec<_>>().join(",");
        let named = |column: &str| format!("{column} IN ({list})");
        let sql = "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES WHERE ";
        for [database, table, kind] in three(connection, sql, &named("TABLE_SCHEMA")).await? {
            self.tables.insert(TableName { database, table }, kind == "VIEW");
        }
        let sql =
            "SELECT TRIGGER_NAME, EVENT_OBJECT_SCHEMA, EVENT_OBJECT_TABLE FROM information_schema.TRIGGERS WHERE ";
        let order = format!(
            "{} ORDER BY EVENT_OBJECT_TABLE, EVENT_MANIPULATION, ACTION_TIMING, ACTION_ORDER",
            named("EVENT_OBJECT_SCHEMA")
        );
        for [name, database, table] in three(connection, sql, &order).await? {
            self.triggers.push(Trigger { name, table: TableName { database, table } });
        }
        let sql = "SELECT ROUTINE_SCHEMA, ROUTINE_TYPE, ROUTINE_NAME FROM information_schema.ROUTINES WHERE ";
        for [database, kind, name] in three(connection, sql, &named("ROUTINE_SCHEMA")).await? {
            let kind = if kind == "FUNCTION" { ObjectKind::Function } else { ObjectKind::Procedure };
            self.programs.insert((database, kind, name));
        }
        let sql = "SELECT EVENT_SCHEMA, 'EVENT', EVENT_NAME FROM information_schema.EVENTS WHERE ";
        for [database, _, name] in three(connection, sql, &named("EVENT_SCHEMA")).await? {
            self.programs.insert((database, ObjectKind::Event, name));
        }
        self.foreign_keys(connection, &named("UNIQUE_CONSTRAINT_SCHEMA")).await
    }

    async fn foreign_keys(&mut self, connection: &mut Connection, named: &str) -> Result<(), SinkError> {
        let sql = format!(
            "SELECT CONSTRAINT_NAME, CONSTRAINT_SCHEMA, TABLE_NAME, UNIQUE_CONSTRAINT_SCHEMA, REFERENCED_TABLE_NAME \
             FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE {named}"
        );
        for row in connection.rows(&sql).await? {
            let mut cells = row.into_iter().map(Option::unwrap_or_default);
            let mut next = || cells.next().unwrap_or_default();
            let name = next();
            let child = TableName::new(next(), next());
            let parent = TableName::new(next(), next());
            self.foreign_keys.push(ForeignKey { name, child, parent });
        }
        Ok(())
    }

    /// Whether the target takes both for one name.
    pub fn same(&self, a: &str, b: &str) -> bool {
        a == b || self.target.ignores_case && a.to_lowercase() == b.to_lowercase()
    }

    pub fn same_table(&self, a: &TableName, b: &TableName) -> bool {
        self.same(&a.database, &b.database) && self.same(&a.table, &b.table)
    }

    /// The table or view that stands under this name, and whether it is a view.
    pub fn standing(&self, name: &TableName) -> Option<(&TableName, bool)> {
        self.tables.iter().find(|(t, _)| self.same_table(t, name)).map(|(t, view)| (t, *view))
    }

    pub fn has_database(&self, name: &str) -> bool {
        self.databases.iter().any(|d| self.same(d, name))
    }

    /// Names of programs never depend on case.
    pub fn has_program(&self, database: &str, kind: ObjectKind, name: &str) -> bool {
        let mut all = self.programs.iter();
        all.any(|(d, k, n)| self.same(d, database) && *k == kind && n.to_lowercase() == name.to_lowercase())
    }
}

async fn three(connection: &mut Connection, sql: &str, condition: &str) -> Result<Vec<[String; 3]>, SinkError> {
    let rows = connection.rows(&format!("{sql}{condition}")).await?;
    let cells =
        |row: Vec<Option<String>>| <[Option<String>; 3]>::try_from(row).ok().map(|r| r.map(Option::unwrap_or_default));
    Ok(rows.into_iter().filter_map(cells).collect())
}
