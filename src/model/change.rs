//! What happened at the source? Row changes, schema changes, and the catalog that they add up to.

use super::moment::Micros;
use super::schema::{TableId, TableName, TableSchema};
use super::value::Row;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

/// The source's own coordinates after a commit: opaque outside `source/`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bookmark(pub String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Op {
    Insert = 0,
    Update = 1,
    Delete = 2,
}

/// One row's change, as the source logged it. Rows are in the schema's column order.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    Insert(Row),
    Update { before: Row, after: Row },
    Delete(Row),
}

/// When the source says it committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitTime {
    /// A whole second (MariaDB): somewhere within it. Seconds since 1970 UTC.
    Second(i64),
    Exact(Micros),
}

/// What a source tells, in the order in which it happened. Between `Begin` and `Commit` stands one transaction;
/// a DDL statement is a transaction of its own, with `Schema` inside.
#[derive(Debug, Clone)]
pub enum SourceEvent {
    /// `gtid` as the source writes it (`0-1-42`), if it has one.
    Begin {
        gtid: Option<String>,
    },
    /// Changes of one table, which has this schema now. `cascades`: with each of them, what foreign keys that refer
    /// to the row demand was done too, and is told nowhere.
    Rows {
        table: Arc<TableSchema>,
        changes: Vec<Change>,
        cascades: bool,
    },
    /// What a DDL statement did, or what became uncertain. `statement` is the text as logged.
    Schema {
        database: String,
        statement: Option<String>,
        changes: Vec<SchemaChange>,
    },
    Commit {
        time: CommitTime,
        bookmark: Bookmark,
    },
    /// A transaction that held nothing that is kept. Stands between two transactions.
    Uneventful {
        gtid: String,
    },
    /// The open transaction came to nothing: what was told since `Begin` is void.
    RolledBack,
    /// Nothing that is kept happened up to here.
    Progress {
        bookmark: Bookmark,
    },
    /// Everything that the source had when it was last asked has been told. `asked`: when that was.
    CaughtUp {
        asked: Instant,
    },
    /// The place of the log is reached as of which a new base of this uncertain table is being read; the rows that
    /// follow belong on top of it. Stands between two transactions.
    Retaken {
        table: TableId,
    },
    /// That place will not come: the new base is of no use, and another may be taken.
    Missed {
        table: TableId,
    },
}

/// A database object kept as its exact text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ObjectKind {
    View,
    Trigger,
    Procedure,
    Function,
    Event,
    /// Named by its account (`'app'@'%'`); belongs to no database.
    Grant,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectKey {
    pub kind: ObjectKind,
    /// Empty for grants.
    pub database: String,
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    #[serde(flatten)]
    pub key: ObjectKey,
    /// The statement that makes it again, as SHOW CREATE prints it or as it was logged; grants: one per line.
    pub create: String,
    /// The session's sql_mode under which the text means what it means.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sql_mode: String,
    /// Of a trigger: the table that it watches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
}

/// Why something that is there is not carried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct NotCarried {
    /// It is a view, not a table.
    pub view: bool,
    /// For people.
    pub why: String,
}

impl NotCarried {
    pub fn table(why: impl Into<String>) -> Self {
        Self { view: false, why: why.into() }
    }

    pub fn view(why: impl Into<String>) -> Self {
        Self { view: true, why: why.into() }
    }
}

impl fmt::Display for NotCarried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

/// In the archive: a table's reason as text, a view's under its name.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Table(String),
    View { view: String },
}

impl From<Written> for NotCarried {
    fn from(written: Written) -> Self {
        match written {
            Written::Table(why) => Self::table(why),
            Written::View { view } => Self::view(view),
        }
    }
}

impl From<NotCarried> for Written {
    fn from(NotCarried { view, why }: NotCarried) -> Self {
        if view { Self::View { view: why } } else { Self::Table(why) }
    }
}

/// A step from one catalog to the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum SchemaChange {
    /// `create`: its CREATE DATABASE statement.
    Database {
        name: String,
        create: String,
    },
    /// Its tables and objects go with it.
    DatabaseDropped {
        name: String,
    },
    /// Made, altered or renamed: the table as it is from now on. A new id begins with no rows.
    Table {
        #[serde(with = "shared")]
        schema: Arc<TableSchema>,
    },
    /// Dropped; or truncated, when a `Table` with the same name and a new id follows.
    TableDropped {
        id: TableId,
    },
    Object {
        object: Object,
    },
    ObjectDropped {
        key: ObjectKey,
    },
    /// From here on the archive cannot say what the table holds, until a new base of it is taken.
    /// `why` is a whole sentence for people.
    Uncertain {
        id: TableId,
        name: TableName,
        why: String,
    },
    /// A table or view that pcloud does not carry, and why.
    Refused {
        name: TableName,
        why: NotCarried,
    },
    /// A table that was not carried is gone, or has another name.
    RefusedDropped {
        name: TableName,
    },
}

/// Everything that a cluster consists of at one seq, but for the rows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalog {
    /// Name to CREATE DATABASE statement.
    pub databases: BTreeMap<String, String>,
    #[serde(with = "tables_as_list")]
    pub tables: BTreeMap<TableId, Arc<TableSchema>>,
    #[serde(with = "objects_as_list")]
    pub objects: BTreeMap<ObjectKey, Object>,
    /// Tables whose rows are uncertain now, and why.
    #[serde(default)]
    pub uncertain: BTreeMap<TableId, String>,
    /// Tables and views that are there but not carried, and why.
    #[serde(default, with = "refused_as_list")]
    pub refused: BTreeMap<TableName, NotCarried>,
    /// The next table's id.
    pub next_table: u32,
}

impl Catalog {
    pub fn table(&self, name: &TableName) -> Option<&Arc<TableSchema>> {
        self.tables.values().find(|t| t.name == *name)
    }

    /// Takes one step.
    pub fn apply(&mut self, change: &SchemaChange) {
        match change {
            SchemaChange::Database { name, create } => drop(self.databases.insert(name.clone(), create.clone())),
            SchemaChange::DatabaseDropped { name } => {
                self.databases.remove(name);
                let gone: Vec<_> = self.tables.values().filter(|t| t.name.database == *name).map(|t| t.id).collect();
                gone.iter().for_each(|id| self.drop_table(*id));
                self.objects.retain(|k, _| k.database != *name);
                self.refused.retain(|t, _| t.database != *name);
            }
            SchemaChange::Table { schema } => {
                self.refused.remove(&schema.name);
                self.next_table = self.next_table.max(schema.id.0 + 1);
                self.tables.insert(schema.id, schema.clone());
            }
            SchemaChange::TableDropped { id } => self.drop_table(*id),
            SchemaChange::Object { object } => drop(self.objects.insert(object.key.clone(), object.clone())),
            SchemaChange::ObjectDropped { key } => drop(self.objects.remove(key)),
            SchemaChange::Uncertain { id, why, .. } => drop(self.uncertain.insert(*id, why.clone())),
            SchemaChange::Refused { name, why } => drop(self.refused.insert(name.clone(), why.clone())),
            SchemaChange::RefusedDropped { name } => drop(self.refused.remove(name)),
        }
    }

    fn drop_table(&mut self, id: TableId) {
        self.tables.remove(&id);
        self.uncertain.remove(&id);
    }
}

/// An `Arc` is written as what it holds.
pub(crate) mod shared {
    use super::*;
    use serde::{Deserializer, Serializer};

    pub fn serialize<T: Serialize, S: Serializer>(v: &Arc<T>, s: S) -> Result<S::Ok, S::Error> {
        v.as_ref().serialize(s)
    }
    pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(d: D) -> Result<Arc<T>, D::Error> {
        T::deserialize(d).map(Arc::new)
    }
}

/// JSON keys are strings only, so these maps are written as lists.
mod tables_as_list {
    use super::*;
    use serde::{Deserializer, Serializer};

    pub fn serialize<S: Serializer>(map: &BTreeMap<TableId, Arc<TableSchema>>, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(map.values().map(|t| t.as_ref()))
    }
    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<BTreeMap<TableId, Arc<TableSchema>>, D::Error> {
        Ok(Vec::<TableSchema>::deserialize(d)?.into_iter().map(|t| (t.id, Arc::new(t))).collect())
    }
}

mod objects_as_list {
    use super::*;
    use serde::{Deserializer, Serializer};

    pub fn serialize<S: Serializer>(map: &BTreeMap<ObjectKey, Object>, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(map.values())
    }
    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<BTreeMap<ObjectKey, Object>, D::Error> {
        Ok(Vec::<Object>::deserialize(d)?.into_iter().map(|o| (o.key.clone(), o)).collect())
    }
}

mod refused_as_list {
    use super::*;
    use serde::{Deserializer, Serializer};

    pub fn serialize<S: Serializer>(map: &BTreeMap<TableName, NotCarried>, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(map.iter())
    }
    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<BTreeMap<TableName, NotCarried>, D::Error> {
        Ok(Vec::<(TableName, NotCarried)>::deserialize(d)?.into_iter().collect())
    }
}
