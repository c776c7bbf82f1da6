//! How is the archive kept caught up with its source?
//!
//! Knows nothing of SQL statements or clients.

mod progress;

pub use progress::Progress;

use crate::archive::Manifest;
use crate::model::Seq;
use std::time::Duration;

/// How often and how large the archive is written.
#[derive(Debug, Clone)]
pub struct Options {
    /// The cluster's name in the archive.
    pub name: String,
    /// Stop when caught up, instead of going on until stopped.
    pub once: bool,
    /// The longest that a commit waits before it is written.
    pub flush_every: Duration,
    /// A segment is written when it holds so much.
    pub flush_bytes: usize,
    /// How often an idle source is noted in the archive.
    pub heartbeat: Duration,
    /// A transaction larger than this is written in parts.
    pub transaction_bytes: usize,
}

impl Options {
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            once: false,
            flush_every: Duration::from_secs(2),
            flush_bytes: 8 << 20,
            heartbeat: Duration::from_secs(600),
            transaction_bytes: 64 << 20,
        }
    }
}

/// What a run did.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// The newest manifest.
    pub manifest: Manifest,
    /// The last commit that is in the archive.
    pub seq: Seq,
    /// Commits and segments that this run wrote.
    pub commits: u64,
    pub segments: u64,
    /// Tables that are uncertain at the end, and why.
    pub uncertain: Vec<(crate::model::TableName, String)>,
}
