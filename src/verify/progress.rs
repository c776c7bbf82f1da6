//! How far is it?

use crate::model::Moment;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Counters that a running comparison moves forward, and others read.
#[derive(Debug, Default)]
pub struct Progress {
    pub tables_done: AtomicU64,
    pub tables_total: AtomicU64,
    /// Rows of the server that were compared, once or again.
    pub rows_done: AtomicU64,
    pub rows_total: AtomicU64,
    /// Objects of the archive that were looked at.
    pub objects_done: AtomicU64,
    pub objects_total: AtomicU64,
    state: Mutex<(String, Option<Moment>)>,
}

impl Progress {
    pub fn phase(&self) -> String {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// At which archive and server are compared, once that is known.
    pub fn moment(&self) -> Option<Moment> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).1
    }

    pub(super) fn enter(&self, phase: impl Into<String>) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0 = phase.into();
    }

    pub(super) fn meet_at(&self, moment: Moment) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).1 = Some(moment);
    }

    pub(super) fn add_rows(&self, n: usize) {
        self.rows_done.fetch_add(n as u64, Ordering::Relaxed);
    }
}
