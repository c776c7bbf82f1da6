//! What was found?

use super::ranges::Sum;
use crate::model::{Moment, TableName};
use std::fmt;
use std::time::Duration;

/// What a line says. The first seven are of a whole table; exactly one of them stands for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Every row is the same.
    Equal,
    /// Rows or the definition are not the same.
    Differs,
    /// The archive cannot say what the table held then.
    Uncertain,
    /// pcloud does not carry the table.
    Refused,
    /// The archive has it, the server has not.
    Missing,
    /// The server has it, the archive has not.
    Extra,
    /// It could not be compared.
    Failed,
    /// A range of keys with other rows.
    Range,
    /// Of a row that both have: a column with another value.
    Value,
    /// A row that only the archive has.
    MissingRow,
    /// A row that only the server has.
    ExtraRow,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Status::Equal => "equal",
            Status::Differs => "differs",
            Status::Uncertain => "uncertain",
            Status::Refused => "refused",
            Status::Missing => "missing",
            Status::Extra => "extra",
            Status::Failed => "not compared",
            Status::Range => "range",
            Status::Value => "value",
            Status::MissingRow => "missing row",
            Status::ExtraRow => "extra row",
        })
    }
}

/// A line of the report. What a status does not need is empty.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Of a database without tables of its own in question: an empty table name.
    pub table: TableName,
    pub status: Status,
    /// How many rows the archive has in the table, or in the range.
    pub rows: Option<u64>,
    /// `(1) to (4096)`, or the row's key.
    pub key: Option<String>,
    pub column: Option<String>,
    pub archive: Option<String>,
    pub server: Option<String>,
    /// Whole sentences.
    pub remark: String,
    /// What the table's rows came to, on both sides alike.
    pub(super) sum: Option<Sum>,
}

impl Finding {
    pub(super) fn of(table: &TableName, status: Status) -> Self {
        let (table, remark) = (table.clone(), String::new());
        Self { table, status, rows: None, key: None, column: None, archive: None, server: None, remark, sum: None }
    }

    pub(super) fn remark(self, remark: impl Into<String>) -> Self {
        Self { remark: remark.into(), ..self }
    }
}

/// What a comparison came to.
#[derive(Debug, Clone)]
pub struct Report {
    /// At which archive and server were compared. (What differs is looked at again at later moments.)
    pub moment: Moment,
    /// Tables in the order of their names, each followed by what differs in it.
    pub findings: Vec<Finding>,
    /// Rows that were compared.
    pub rows: u64,
    pub took: Duration,
}

impl Report {
    /// Whether every table was compared and found equal.
    pub fn equal(&self) -> bool {
        self.findings.iter().all(|f| matches!(f.status, Status::Equal))
    }

    /// `5 tables equal, 1 differs`
    pub fn summary(&self) -> String {
        let all = [
            Status::Equal,
            Status::Differs,
            Status::Missing,
            Status::Extra,
            Status::Uncertain,
            Status::Refused,
            Status::Failed,
        ];
        let count = |s: &Status| self.findings.iter().filter(|f| f.status == *s).count();
        let parts: Vec<_> = all.iter().filter(|s| count(s) > 0).map(|s| format!("{} {s}", count(s))).collect();
        format!(
            "tables: {}; {} rows compared",
            if parts.is_empty() { "none".into() } else { parts.join(", ") },
            self.rows
        )
    }
}
