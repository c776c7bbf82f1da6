//! Where do changes come from? Servers and files, told as `model::SourceEvent`s.
//!
//! Knows nothing of the archive, and nothing of seqs: a source has its own coordinates, which everybody else
//! carries as opaque bookmarks.

mod base;
pub mod files;
mod filter;
pub mod mysql;

pub use base::{BaseRows, BaseTable, Gone, RowsSender, base_rows};
pub use filter::Filter;

use crate::error::Result;
use crate::model::{Bookmark, Catalog, Micros, NotCarried, SchemaChange, SourceEvent, TableSchema};
use async_trait::async_trait;
use std::sync::Arc;

/// Something that can be protected: a live server, or dump and binlog files on disk.
#[async_trait]
pub trait Source: Send + Sync {
    /// What is found that stands against protecting it. `tables`: also what each table consists of; without, only
    /// what capture of changes needs. Errors as `mysql::preflight::Report::into_result` words them.
    async fn check(&self, tables: bool) -> Result<()>;

    /// Opens the cluster's state as of one bookmark.
    async fn base(&self) -> Result<Box<dyn BaseSource>>;

    /// Everything that was committed after the bookmark, where the catalog was this one. `None`: there is no log.
    /// Errors: `Unreachable` when it is worth trying again; `Server` when the log no longer reaches back so far.
    async fn changes(&self, catalog: &Catalog, from: &Bookmark) -> Result<Option<Box<dyn ChangeStream>>>;

    /// Reads one table again, whose rows have become uncertain. `table` says how it was known last: its id and name,
    /// and the ids that its columns had.
    async fn retake(&self, table: &TableSchema) -> Result<Retake>;
}

/// A cluster's state as of one bookmark, read table by table; up to `lanes` tables at once.
#[async_trait]
pub trait BaseSource: Send + Sync {
    /// How many tables can be read at the same time.
    fn lanes(&self) -> usize;

    /// How many tables there will be, and about how many rows, if that is known already.
    fn expected(&self) -> Option<(usize, u64)>;

    /// The next table, which nobody else gets. `None`: all are given out. The rows of a table must be read to their
    /// end before the same lane asks again.
    async fn next_table(&self) -> Result<Option<BaseTable>>;

    /// What else the state consists of. Of files only after every table was read to its end; of a live server at once.
    async fn outline(&self) -> Result<Outline>;
}

/// A cluster's state as of one bookmark, but for the rows.
#[derive(Debug, Clone)]
pub struct Outline {
    /// Its tables are those that `next_table` gave.
    pub catalog: Catalog,
    /// Where the log goes on after it.
    pub bookmark: Bookmark,
    /// A time at which this was the state: everything that it holds was committed before, by the source's clock.
    pub time: Micros,
    /// For people: `MariaDB 10.11.18`.
    pub source: String,
}

/// What there is of a table that shall be read again.
pub enum Retake {
    /// Its rows as of a bookmark of its own. `schema`: the table as it is there. Same id; a column that is still the same
    /// has the same id.
    Rows { schema: Arc<TableSchema>, bookmark: Bookmark, rows: BaseRows },
    /// The table is one now that is not carried.
    NotCarried(NotCarried),
    /// There is no table of that name now, or the source cannot be asked.
    Nothing,
}

/// What was committed, in order.
#[async_trait]
pub trait ChangeStream: Send {
    /// The next event; `None` at the end of files. After an error the stream is of no more use; what stood between
    /// the last `Begin` and no `Commit` is told again, from its beginning, by a stream opened at the last bookmark.
    /// Cancel-safe: dropping the future loses no event.
    async fn next(&mut self) -> Result<Option<SourceEvent>>;

    /// A new base of an uncertain table is being read, as of `at`; no event was asked for since before that. When the
    /// stream reaches this bookmark (between two transactions; at once, if it is there) it tells `SourceEvent::Retaken`, and from then on the table's rows
    /// again, under this schema. If the table is not in the stream's catalog under the same id and name by then, it
    /// tells nothing. A second call for a table replaces the first.
    fn retake(&mut self, schema: Arc<TableSchema>, at: &Bookmark);

    /// These changes count for what follows: they were made without the log, between two transactions.
    fn apply(&mut self, changes: &[SchemaChange]);
}
