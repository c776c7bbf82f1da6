//! The changes of all tables for a run of consecutive commits: one object, `log/<n>.seg`.

use crate::model::{Bookmark, ColumnId, Micros, SchemaChange, Seq, TableId};
use serde::{Deserialize, Serialize};

/// What a segment says of itself: zstd JSON at its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Footer {
    /// 1, 2, 3, …: the name fences.
    pub number: u64,
    /// In seq order, dense. Empty in a heartbeat, or when only a part of a large transaction is here.
    pub commits: Vec<Commit>,
    /// In seq order.
    pub schema: Vec<SchemaEntry>,
    pub sections: Vec<Section>,
    /// Rows after the last commit belong to the next seq, which a later segment commits.
    #[serde(default)]
    pub continues: bool,
    /// Rows that earlier segments hold of seqs not committed yet are void: capture was stopped within that
    /// transaction and has read it again from its beginning.
    #[serde(default)]
    pub restarts: bool,
    /// Where capture resumes after the last commit (not after rows that `continue`).
    pub bookmark: Bookmark,
    /// When the segment was written.
    pub created: Micros,
    /// The source had no commits after these when it was asked at this time (capture's clock): every moment up to
    /// it can be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub covers: Option<Micros>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Commit {
    pub seq: Seq,
    /// As the source and capture know it: not yet made monotone.
    pub time: Micros,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gtid: Option<String>,
    /// Where the source's log stands after it.
    pub bookmark: Bookmark,
    /// Changes as the source logged them, per table.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<TableCounts>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableCounts {
    pub table: TableId,
    pub inserts: u64,
    pub updates: u64,
    pub deletes: u64,
}

/// What a commit did to the catalog.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SchemaEntry {
    pub seq: Seq,
    /// The default database under which the statement ran.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub database: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement: Option<String>,
    pub changes: Vec<SchemaChange>,
}

/// The changes of one table under one schema: an Arrow IPC stream of `_seq` UInt64, `_op` UInt8, `_next_seq` UInt64,
/// then the table's columns. Sorted by (key, `_seq`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Section {
    pub table: TableId,
    /// The identities of the columns after the first three, in order.
    pub columns: Vec<ColumnId>,
    /// The primary key's columns in the key's order; empty: the table has none.
    pub key: Vec<ColumnId>,
    /// In bytes from the object's beginning.
    pub offset: u64,
    /// In bytes.
    pub length: u64,
    /// CRC-32 (IEEE) of these bytes.
    pub crc32: u32,
    pub rows: u64,
    pub first: Seq,
    pub last: Seq,
}
