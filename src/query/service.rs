//! What do all sessions share? The archive, the timelines, the limits.

use crate::clock::Clock;
use crate::error::{Error, Kind, Result};
use std::sync::Arc;

/// What a process may use.
#[derive(Debug, Clone)]
pub struct Limits {
    /// What all running statements may hold in sorts, joins and aggregations, in bytes.
    pub memory_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory_bytes: 1 << 30 }
    }
}

/// One per process.
pub struct Service {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) limits: Limits,
}

impl Service {
    /// The names of the archive's clusters, sorted.
    pub async fn clusters(&self) -> Result<Vec<String>> {
        Err(Error::new(Kind::Unsupported, "not built yet"))
    }
}
