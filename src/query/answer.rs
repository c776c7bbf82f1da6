//! What does a statement's answer consist of?

use crate::error::Result;
use crate::model::{ColumnType, MomentSpec, TableName};
use arrow::array::RecordBatch;
use futures::stream::{BoxStream, StreamExt};

/// What a statement comes to.
#[derive(Debug)]
pub enum Answer {
    /// No rows: SET, USE, START TRANSACTION, ….
    Done {
        affected: u64,
        info: String,
    },
    Rows(Rows),
    /// What needs more than the archive: whoever holds the connections and the jobs does it.
    Request(Request),
}

impl Answer {
    /// Nothing to say but that it is done.
    pub fn done() -> Answer {
        Answer::Done { affected: 0, info: String::new() }
    }
}

/// A result set. Batches hold one column per entry of `columns`, in the Arrow type of its `kind.arrow()`; but
/// TIMESTAMP values are local already, in the session's zone, as `Timestamp(µs)` without a zone.
pub struct Rows {
    pub columns: Vec<ResultColumn>,
    pub batches: BoxStream<'static, Result<RecordBatch>>,
}

impl Rows {
    /// Rows that are there already.
    pub fn of(columns: Vec<ResultColumn>, batch: RecordBatch) -> Rows {
        Rows { columns, batches: futures::stream::iter([Ok(batch)]).boxed() }
    }
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").field("columns", &self.columns).finish_non_exhaustive()
    }
}

/// A column of a result, as the protocol's column definition needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultColumn {
    /// The heading: the alias, or the expression's text as it was written.
    pub name: String,
    /// The table's alias in the statement. Empty for expressions, as are the next three.
    pub table: String,
    /// The table's own name.
    pub org_table: String,
    /// The column's own name.
    pub org_name: String,
    pub database: String,
    pub kind: ColumnType,
    /// Of text columns.
    pub collation: Option<String>,
    pub nullable: bool,
    pub primary_key: bool,
    pub auto_increment: bool,
    /// The DEFAULT clause's text, for COM_FIELD_LIST.
    pub default: Option<String>,
}

impl ResultColumn {
    /// An expression's column: no table, nullable.
    pub fn new(name: impl Into<String>, kind: ColumnType) -> ResultColumn {
        let collation = kind.is_text().then(|| "utf8mb4_general_ci".to_string());
        ResultColumn {
            name: name.into(),
            table: String::new(),
            org_table: String::new(),
            org_name: String::new(),
            database: String::new(),
            kind,
            collation,
            nullable: true,
            primary_key: false,
            auto_increment: false,
            default: None,
        }
    }
}

/// What PREPARE answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// How many `?` the statement has.
    pub parameters: usize,
    /// Of the result set; empty when there is none, or when it is known only at execution.
    pub columns: Vec<ResultColumn>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WarningLevel {
    Note,
    Warning,
    Error,
}

/// A row of SHOW WARNINGS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    pub level: WarningLevel,
    /// MySQL's number.
    pub code: u16,
    pub message: String,
}

/// A statement that somebody else carries out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// KILL [QUERY | CONNECTION] id.
    Kill {
        id: u32,
        connection: bool,
    },
    ShowProcesslist {
        full: bool,
    },
    Restore(RestoreStatement),
    ExplainRestore(RestoreStatement),
    ShowJobs,
    CancelJob(u64),
    Verify(VerifyStatement),
    ShowCost,
}

/// VERIFY CLUSTER … [AGAINST …], as written.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifyStatement {
    pub cluster: String,
    /// A URL with its password: never log it. `None`: only the archive is looked at.
    pub server: Option<String>,
    /// In the order in which they were written; names in lower case.
    pub options: Vec<(String, String)>,
}

/// Without the server: it may hold a password.
impl std::fmt::Debug for VerifyStatement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VerifyStatement").field("cluster", &self.cluster).finish_non_exhaustive()
    }
}

/// RESTORE … TO …, as written. `cluster`: named by it or the session's current one; `None`: the archive's only one.
#[derive(Clone, PartialEq, Eq)]
pub struct RestoreStatement {
    pub what: RestoreWhat,
    /// The text of `WHERE predicate`.
    pub predicate: Option<String>,
    /// `None`: the latest.
    pub moment: Option<MomentSpec>,
    pub cluster: Option<String>,
    /// A URL with its password, or a target's name: never log it.
    pub target: String,
    /// In the order in which they were written; names in lower case.
    pub options: Vec<(String, String)>,
}

/// Without the target: it may hold a password.
impl std::fmt::Debug for RestoreStatement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RestoreStatement")
            .field("what", &self.what)
            .field("predicate", &self.predicate)
            .field("moment", &self.moment)
            .field("cluster", &self.cluster)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RestoreWhat {
    Cluster(String),
    Databases(Vec<String>),
    Tables(Vec<TableName>),
}
