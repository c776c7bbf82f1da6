//! What is a table? Names, columns and their identities, and the text that makes it again.

use super::charset::Charset;
use super::types::ColumnType;
use arrow::datatypes::{Field, Schema, SchemaRef};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// A table's identity within a cluster. It survives RENAME and ALTER; DROP, CREATE and TRUNCATE begin a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TableId(pub u32);

impl fmt::Display for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A column's identity within a table. It survives RENAME and reordering; a column dropped and added again is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ColumnId(pub u32);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TableName {
    pub database: String,
    pub table: String,
}

impl TableName {
    pub fn new(database: impl Into<String>, table: impl Into<String>) -> Self {
        Self { database: database.into(), table: table.into() }
    }

    /// `` `db`.`table` ``
    pub fn quoted(&self) -> String {
        format!("{}.{}", quote_name(&self.database), quote_name(&self.table))
    }
}

/// `db.table`, for messages.
impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.database, self.table)
    }
}

/// `` `name` ``, as MySQL quotes it.
pub fn quote_name(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// How the server makes a column's values by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Generated {
    /// Of the row's other columns, and kept.
    Stored,
    /// Of the row's other columns, whenever they are read.
    Virtual,
    /// As these, of what is another in each session (NOW(), the time zone): nobody can say what it was.
    Session,
    /// Of the row's other columns; it is not known, since the dump that was imported leaves it out.
    LeftOut,
    /// When a version of the row began to hold, and when it ended.
    RowStart,
    RowEnd,
}

impl Generated {
    /// Whether another server, or another session, has another value here for the same row.
    pub fn differs_elsewhere(self) -> bool {
        !self.is_kept() || matches!(self, Generated::RowStart | Generated::RowEnd)
    }

    /// Whether the archive knows the column's values.
    pub fn is_kept(self) -> bool {
        !matches!(self, Generated::Session | Generated::LeftOut)
    }
}

/// What kind of table it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TableKind {
    #[default]
    Plain,
    /// WITH SYSTEM VERSIONING: its rows here are the current ones.
    SystemVersioned,
    /// A sequence: one row, which its server logs anew with each change.
    Sequence,
}

impl TableKind {
    pub fn is_plain(&self) -> bool {
        *self == TableKind::Plain
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    pub id: ColumnId,
    pub name: String,
    #[serde(flatten)]
    pub kind: ColumnType,
    pub nullable: bool,
    /// Of text columns: `utf8mb4_general_ci`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collation: Option<String>,
    /// What rows have here that were written before the column was: MySQL's text of the value, `None` for NULL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
    /// The DEFAULT clause as text (`'new'`, `current_timestamp()`), for information_schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// `auto_increment`, `on update current_timestamp()`, for information_schema.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub extra: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// `SELECT *` leaves it out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub invisible: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generated: Option<Generated>,
}

impl Column {
    /// A nullable column with nothing else to it.
    pub fn new(id: ColumnId, name: impl Into<String>, kind: ColumnType) -> Self {
        Self {
            id,
            name: name.into(),
            kind,
            nullable: true,
            collation: None,
            missing: None,
            default: None,
            extra: String::new(),
            comment: String::new(),
            invisible: false,
            generated: None,
        }
    }

    /// In which bytes its server holds its text: its collation's charset, or UTF-8.
    pub fn charset(&self) -> Charset {
        self.collation.as_deref().and_then(Charset::of_collation).unwrap_or_default()
    }
}

/// What the server does with rows that refer to a row which goes, or whose referenced columns change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reaction {
    /// It refuses the change, or does not look (RESTRICT, NO ACTION).
    #[default]
    Nothing,
    Cascade,
    SetNull,
}

/// A foreign key of the table that has the referring rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignKey {
    pub name: String,
    /// Of this table.
    pub columns: Vec<ColumnId>,
    /// The table that it refers to, which need not exist.
    pub parent: TableName,
    /// Names of the parent's columns, in the order of `columns`.
    pub parent_columns: Vec<String>,
    #[serde(default)]
    pub on_delete: Reaction,
    #[serde(default)]
    pub on_update: Reaction,
}

impl ForeignKey {
    /// Whether the server changes rows of the table by itself.
    pub fn cascades(&self) -> bool {
        self.on_delete != Reaction::Nothing || self.on_update != Reaction::Nothing
    }
}

/// A table as it was for a range of seqs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSchema {
    pub id: TableId,
    pub name: TableName,
    pub columns: Vec<Column>,
    /// Positions in `columns` of the primary key's columns, in the key's order; empty: the table has none,
    /// and a row's key is all its columns.
    pub primary_key: Vec<usize>,
    /// The statement that makes the table again: SHOW CREATE TABLE's text, kept true through every ALTER.
    /// It names the table without its database.
    pub create: String,
    /// The next column's id.
    pub next_column: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub foreign_keys: Vec<ForeignKey>,
    #[serde(default, skip_serializing_if = "TableKind::is_plain")]
    pub kind: TableKind,
}

impl TableSchema {
    pub fn has_key(&self) -> bool {
        !self.primary_key.is_empty()
    }

    /// Positions of the columns that identify a row: the primary key's, or all.
    pub fn key_columns(&self) -> Vec<usize> {
        if self.has_key() { self.primary_key.clone() } else { (0..self.columns.len()).collect() }
    }

    /// The Arrow schema of its rows. Every field is nullable: a deleted row's change holds only its key.
    pub fn arrow(&self) -> SchemaRef {
        Arc::new(Schema::new(
            self.columns.iter().map(|c| Field::new(&c.name, c.kind.arrow(), true)).collect::<Vec<_>>(),
        ))
    }

    /// Finds a column by name, without regard to case, as MySQL does.
    pub fn column(&self, name: &str) -> Option<(usize, &Column)> {
        self.columns.iter().enumerate().find(|(_, c)| c.name.to_lowercase() == name.to_lowercase())
    }
}
