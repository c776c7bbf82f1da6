//! What did a run do, and how far is it?

use crate::model::{Seq, TableName};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// Packs that were written, of how many parts of the log.
    pub packs: u64,
    pub merged: u64,
    /// Bytes that were read for them, and written.
    pub read_bytes: u64,
    pub written_bytes: u64,
    /// Of all runs on this cluster: how often a byte of the log was written again.
    pub amplification: f64,
    /// Bases that were made.
    pub folded: Vec<Folded>,
    /// Single states that were made.
    pub states: u64,
    pub deleted_objects: u64,
    pub deleted_bytes: u64,
    /// Objects that are no longer needed and still there: within the grace, read by somebody, or the newest segment.
    pub waiting_objects: u64,
    pub waiting_bytes: u64,
    /// What could not be done, by name: objects that cannot be deleted, bases that cannot be made.
    pub remarks: Vec<String>,
}

/// A base that was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Folded {
    pub table: TableName,
    pub seq: Seq,
    pub rows: u64,
    pub bytes: u64,
}

/// How far a run is; told while it runs.
#[derive(Debug, Default)]
pub struct Progress {
    phase: Mutex<String>,
    /// Parts of the log, bases and states: done and in all, as far as that is known.
    pub done: AtomicU64,
    pub total: AtomicU64,
    pub rows: AtomicU64,
}

impl Progress {
    pub fn phase(&self) -> String {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn enter(&self, phase: impl Into<String>) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = phase.into();
    }

    pub(super) fn expect(&self, more: u64) {
        self.total.fetch_add(more, Ordering::Relaxed);
    }

    pub(super) fn step(&self, by: u64) {
        self.done.fetch_add(by, Ordering::Relaxed);
    }
}

impl Report {
    /// Whether the archive is as it was.
    pub fn is_empty(&self) -> bool {
        self.packs == 0 && self.folded.is_empty() && self.states == 0 && self.deleted_objects == 0
    }

    /// One sentence for people.
    pub fn summary(&self) -> String {
        let mut parts = Vec::new();
        if self.packs > 0 {
            let (merged, packs) = (counted(self.merged, "part"), counted(self.packs, "pack"));
            parts.push(format!("{merged} of the log became {packs} (written {:.1} times so far)", self.amplification));
        }
        if !self.folded.is_empty() {
            let rows = self.folded.iter().map(|f| f.rows).sum();
            let bases = counted(self.folded.len() as u64, "new base");
            parts.push(format!("{bases} with {}", counted(rows, "row")));
        }
        if self.states > 0 {
            parts.push(counted(self.states, "new state"));
        }
        if self.deleted_objects > 0 {
            parts.push(format!("{} deleted ({} bytes)", counted(self.deleted_objects, "object"), self.deleted_bytes));
        }
        if self.waiting_objects > 0 {
            let objects = counted(self.waiting_objects, "object");
            parts.push(format!("{objects} to be deleted later ({} bytes)", self.waiting_bytes));
        }
        if parts.is_empty() { "nothing was to be done".into() } else { parts.join("; ") }
    }
}

fn counted(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
