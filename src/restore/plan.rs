//! What would a restore do? Reads the archive and the target; changes nothing.

use super::request::{Options, RestoreRequest, What};
use crate::error::{Error, Result};
use crate::model::{Moment, ServerUrl};
use crate::timeline::Timeline;
use std::sync::Arc;

/// A row of EXPLAIN RESTORE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// 1, 2, 3, …
    pub number: u64,
    /// `create database`, `load table`, …
    pub action: &'static str,
    /// What it makes or changes on the target.
    pub object: String,
    pub detail: String,
}

/// All that is decided before anything is changed.
#[derive(Clone)]
pub struct Plan {
    pub(super) timeline: Arc<Timeline>,
    pub(super) request: RestoreRequest,
    pub(super) moment: Moment,
}

impl Plan {
    pub fn cluster(&self) -> &str {
        &self.request.cluster
    }

    pub fn what(&self) -> &What {
        &self.request.what
    }

    pub fn moment(&self) -> Moment {
        self.moment
    }

    pub fn target(&self) -> &ServerUrl {
        &self.request.target
    }

    pub fn options(&self) -> &Options {
        &self.request.options
    }

    /// For EXPLAIN RESTORE: what `run` will do, in order.
    pub fn steps(&self) -> Vec<Step> {
        Vec::new()
    }

    /// What the reader should know before or after: what is not restored, what is left on the target.
    pub fn notes(&self) -> &[String] {
        &[]
    }
}

/// Resolves the moment, reads what stands on the target, and decides every step.
/// Errors: `OutOfRange`, `UnknownTable`, `UnknownDatabase`, `Uncertain`, `Unsupported` (a table that is not carried; a
/// target that is not MariaDB), `Exists` (without `replace`), `Unreachable`, `Server`.
pub async fn plan(timeline: Arc<Timeline>, request: &RestoreRequest) -> Result<Plan> {
    let moment = timeline.resolve(&request.moment)?;
    let _ = (timeline, moment);
    Err(Error::internal("RESTORE is not built yet"))
}
