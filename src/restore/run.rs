//! Does what the plan says.

use super::merge::merge;
use super::plan::Plan;
use super::progress::{Phase, Progress};
use super::sink::Target;
use super::stage::stage;
use super::swap::swap;
use super::undo::{drop_stages, fresh};
use crate::error::{Error, Kind, Result};
use crate::model::{Moment, quote_name};
use std::sync::Arc;
use std::time::{Duration, Instant};
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

/// Carries a plan out: wholly, or with the target left as it was. Must be awaited to its end: use `cancel` to stop it.
/// Errors: `Cancelled`, `Exists` (made since the plan), `Unreachable`, `Server`, `Corrupt`; each says what state the
/// target is in if that is not the state before.
pub async fn run(plan: Plan, progress: Arc<Progress>, cancel: CancellationToken) -> Result<Report> {
    let began = Instant::now();
    let target = plan.connect_to();
    progress.enter(Phase::Loading);
    let staged = tokio::select! {
        biased;
        () = cancel.cancelled() => Err(cancelled(&plan)),
        staged = stage(&plan, &target, &progress) => staged,
    };
    let staged = if cancel.is_cancelled() { Err(cancelled(&plan)) } else { staged };
    let result = match staged {
        // from here on it is not cancelled: either all of it is in place, or nothing
        Ok(rows) => put(&plan, &target, &progress, rows, began).await,
        Err(mut error) => {
            progress.enter(Phase::CleaningUp);
            if let Err(left) = drop_stages(&plan, &target).await {
                error.message = format!("{}; {left}", error.message);
            }
            Err(error)
        }
    };
    progress.enter(Phase::Done);
    result
}

async fn put(plan: &Plan, target: &Target, progress: &Progress, rows: u64, began: Instant) -> Result<Report> {
    let warnings = match &plan.merge {
        Some(standing) => merge(plan, standing, target, progress).await.map(|()| Vec::new())?,
        None => swap(plan, target, progress).await?,
    };
    progress.enter(Phase::CleaningUp);
    let mut notes = plan.notes.clone();
    notes.extend(warnings);
    notes.extend(clean(plan, target).await);
    Ok(Report {
        moment: plan.moment,
        tables: plan.tables.len() as u64,
        rows,
        objects: plan.objects.len() as u64,
        took: began.elapsed(),
        notes,
    })
}

fn cancelled(plan: &Plan) -> Error {
    Error::new(Kind::Cancelled, format!("RESTORE {} was cancelled", plan.what())).hint("The target was left as it was.")
}

/// Removes what was replaced and the empty staging databases. All is in place by now, so what fails is only told.
async fn clean(plan: &Plan, target: &Target) -> Vec<String> {
    let views = plan.replaced.iter().filter(|r| r.view).map(|r| format!("DROP VIEW {}", r.to.quoted()));
    let databases = plan.databases.iter().flat_map(|d| d.replaced.iter().chain(&d.stage));
    let databases = databases.map(|name| format!("DROP DATABASE IF EXISTS {}", quote_name(name)));
    let statements: Vec<String> = views.chain(databases).collect();
    let mut connection = match fresh(target).await {
        Ok(connection) => connection,
        Err(error) => {
            let all = statements.join("; ");
            return vec![format!("What was replaced is still there ({error}); run this on the target: {all}.")];
        }
    };
    let mut notes = Vec::new();
    for statement in &statements {
        if let Err(error) = connection.run(statement).await {
            notes.push(format!("{statement} failed ({error}); run it on the target."));
        }
    }
    notes
}
