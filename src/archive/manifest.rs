//! The numbered list of bases. Creating number n+1 is the commit.

use crate::model::{Bookmark, Catalog, Micros, Moment, Seq, TableId, TableSchema, shared};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// `manifest/<n>.json`. Each holds all that the one before it held, and more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// 1, 2, 3, …; part of the object's name.
    pub number: u64,
    /// The cluster's state at seq 0, but for the rows.
    pub catalog: Catalog,
    /// Seq 0 and its time: the earliest moment that can be asked.
    pub start: Moment,
    /// Where the log after seq 0 begins at the source.
    pub bookmark: Bookmark,
    /// What kind of source it is, for people: `MariaDB 10.11.18`.
    pub source: String,
    /// In the order in which they were taken.
    pub bases: Vec<Base>,
    /// When this manifest was written.
    pub created: Micros,
}

/// The rows of one table at one seq.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Base {
    pub table: TableId,
    pub seq: Seq,
    /// The table's schema at `seq`, and of its files.
    #[serde(with = "shared")]
    pub schema: Arc<TableSchema>,
    /// In row order; empty for an empty table.
    pub files: Vec<BaseFile>,
    /// Whether rows are known to be in strictly ascending order of the primary key's bytes (`KeyEncoder`) across all
    /// files. Never so for a table without a primary key.
    pub sorted: bool,
}

impl Manifest {
    /// Whether it holds what every manifest must; says what it does not.
    pub(super) fn check(&self, number: u64) -> Result<(), String> {
        if self.number != number || number == 0 {
            return Err(format!("it says that its number is {}", self.number));
        }
        for base in &self.bases {
            if base.schema.id != base.table || base.seq < self.start.seq {
                return Err(format!("the base of table {} at seq {} cannot be", base.table, base.seq));
            }
            if base.files.iter().any(|f| f.rows == 0 || f.bytes == 0) {
                return Err(format!("the base of table {} at seq {} has an empty file", base.table, base.seq));
            }
        }
        Ok(())
    }
}

impl Base {
    pub fn rows(&self) -> u64 {
        self.files.iter().map(|f| f.rows).sum()
    }
}

/// One Parquet file of at most 1,048,576 rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseFile {
    /// Relative to the cluster's prefix: `base/<table-id>/<token>/<part>.parquet`.
    pub path: String,
    pub rows: u64,
    pub bytes: u64,
    /// CRC-32 (IEEE) of the whole object.
    pub crc32: u32,
}
