//! Which parts of the history were lost at the source?
//!
//! One commit stands for everything that was lost; the one after it holds what the cluster was when it was read again.
//! So the moments from the first to just before the second cannot be asked, of any table.

use super::Timeline;
use crate::error::{Error, Kind};
use crate::model::{Moment, Seq};

/// A time of which the archive knows nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct LostInterval {
    /// From this moment on,
    pub from: Moment,
    /// up to this one, which is known again.
    pub until: Moment,
    pub why: String,
}

impl LostInterval {
    pub(super) fn refused(&self, cluster: &str) -> Error {
        Error::new(
            Kind::Uncertain,
            format!(
                "the history of cluster {cluster} has a gap from {} (seq {}) to {} (seq {}): {}",
                self.from.time, self.from.seq, self.until.time, self.until.seq, self.why
            ),
        )
        .hint(format!(
            "Ask a moment before that (AS OF TIMESTAMP before {}), or {} and later.",
            self.from.time, self.until.time
        ))
    }
}

impl Timeline {
    /// All of them, in order.
    pub fn gaps(&self) -> Vec<LostInterval> {
        let known = |seq: Seq| self.moment(seq).unwrap_or(Moment { seq, time: self.latest().time });
        let gaps = self.segments.iter().flat_map(|s| &s.footer.gaps);
        gaps.map(|g| LostInterval { from: known(g.seq), until: known(g.seq.next()), why: g.why.clone() }).collect()
    }
}
