//! Which object holds a stretch of the log? A segment, as capture wrote it, or a pack that stands for several.

use super::layout;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One object of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LogPart {
    /// The first segment that it stands for,
    pub first: u64,
    /// and the last.
    pub last: u64,
    /// Of a pack: drawn at random, so that no two share a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<u32>,
}

impl LogPart {
    pub fn pack(first: u64, last: u64, token: u32) -> Self {
        Self { first, last, token: Some(token) }
    }

    /// How many segments it stands for.
    pub fn segments(self) -> u64 {
        self.last - self.first + 1
    }

    /// The object's name, relative to the cluster.
    pub fn object(self) -> String {
        match self.token {
            None => layout::segment(self.last),
            Some(token) => layout::pack(self.first, self.last, token),
        }
    }
}

/// Segment `number` itself.
impl From<u64> for LogPart {
    fn from(number: u64) -> Self {
        Self { first: number, last: number, token: None }
    }
}

impl fmt::Display for LogPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.token {
            None => write!(f, "segment {}", self.last),
            Some(_) => write!(f, "the pack of segments {} to {}", self.first, self.last),
        }
    }
}
