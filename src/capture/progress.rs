//! What is capture doing? For people; whoever runs it decides how it is shown.

use crate::archive::Waiting;
use crate::error::Error;
use crate::model::{Micros, Seq, TableName};
use std::sync::Arc;
use std::time::Duration;

/// Where progress goes. Called often, so it should be quick.
pub type Show = Arc<dyn Fn(Progress) + Send + Sync>;

#[derive(Debug, Clone)]
pub enum Progress {
    /// The source is looked at before anything is read.
    Checking,
    /// The first base: so many tables are complete, so many rows and bytes of them read.
    Base { tables_done: usize, tables: Option<usize>, rows: u64, rows_expected: Option<u64>, bytes: u64 },
    /// The first base is in the archive.
    BaseDone { tables: usize, rows: u64, bytes: u64, took: Duration },
    /// The archive reaches to this commit. `time`: of that commit.
    Log { seq: Seq, time: Micros, segments: u64 },
    /// Everything that the source had is in the archive. Told when it is so first, and again after each interruption.
    CaughtUp { seq: Seq },
    /// The source or the store does not answer; nothing is lost, it is tried again.
    Waiting { error: Error, retry_in: Duration },
    /// It answers again.
    Resumed,
    /// The source has lost changes, which is accepted: a new base is taken.
    Gap { why: String },
    /// From this commit on the archive cannot say what the table holds.
    Uncertain { table: TableName, why: String, seq: Seq },
    /// The run ends, and so much is in the spool that the archive has not taken.
    Spooled(Waiting),
    /// A new base of it was taken.
    Retaken { table: TableName, seq: Seq },
}
