//! Does what the plan says.

use super::plan::Plan;
use super::progress::{Phase, Progress};
use crate::error::{Error, Result};
use crate::model::Moment;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What a restore has done. Every table in it was read back from the target and found equal to the archive.
#[derive(Debug, Clone)]
pub struct Report {
    pub moment: Moment,
    pub tables: u64,
    pub rows: u64,
    /// Views, triggers, routines and events.
    pub objects: u64,
    pub took: Duration,
    /// Whole sentences: what was not restored, what was left.
    pub notes: Vec<String>,
}

/// Carries a plan out: wholly, or with the target left as it was.
/// Errors: `Cancelled`, `Exists` (made since the plan), `Unreachable`, `Server`, `Corrupt`; each says what state the
/// target is in if that is not the state before.
pub async fn run(plan: Plan, progress: Arc<Progress>, cancel: CancellationToken) -> Result<Report> {
    progress.enter(Phase::Loading);
    let _ = (plan, cancel);
    Err(Error::internal("RESTORE is not built yet"))
}
