//! How far is it?

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// What a restore is at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Phase {
    #[default]
    Waiting,
    /// Loading and comparing tables beside their place.
    Loading,
    /// Moving into place; no longer to be cancelled.
    Moving,
    /// Views, triggers, routines, events.
    Objects,
    /// Removing what was replaced, or, after a failure, what was staged.
    CleaningUp,
    Done,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::Waiting => "waiting",
            Phase::Loading => "loading",
            Phase::Moving => "moving into place",
            Phase::Objects => "views and programs",
            Phase::CleaningUp => "cleaning up",
            Phase::Done => "done",
        })
    }
}

/// Counters that a running restore moves forward, and others read.
#[derive(Debug, Default)]
pub struct Progress {
    pub tables_done: AtomicU64,
    pub tables_total: AtomicU64,
    /// Rows loaded.
    pub rows_done: AtomicU64,
    pub rows_total: AtomicU64,
    phase: Mutex<Phase>,
}

impl Progress {
    pub fn phase(&self) -> Phase {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn enter(&self, phase: Phase) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = phase;
    }

    pub(super) fn add_rows(&self, n: u64) {
        self.rows_done.fetch_add(n, Ordering::Relaxed);
    }
}
