//! Which moment does a GTID mean whose transaction held nothing that is kept (XA PREPARE, ANALYZE TABLE, other databases)?
//!
//! The state after it is that after the commit before it. Within one stream of GTIDs numbers grow, so its place is
//! between two that are known; when no commit of another stream stands between those, the state is known too.

use super::Timeline;
use crate::model::{Seq, stream_of};

impl Timeline {
    /// The commit after which the transaction of this GTID came, if that is certain.
    pub(super) fn uneventful(&self, gtid: &str) -> Option<Seq> {
        let (stream, number) = stream_of(gtid)?;
        let mut before = None;
        for segment in &self.segments {
            let footer = &segment.footer;
            let commits = footer.commits.iter().filter_map(|c| match &c.gtid {
                Some(gtid) => Some((c.seq, c.seq.before(), gtid.as_str())),
                None => footer.of_capture(c).then_some((c.seq, c.seq.before(), "")),
            });
            let others = footer.uneventful.iter().map(|u| (u.after, u.after, u.gtid.as_str()));
            let mut known: Vec<_> = commits.chain(others).collect();
            // a commit comes before what follows it, and the sort keeps the log's order otherwise
            known.sort_by_key(|(after, begin, _)| (*after, after == begin));
            for (after, begin, gtid) in known {
                match stream_of(gtid) {
                    // it changed no row, so the state before it is that after it
                    None if gtid.is_empty() => before = before.map(|b| if b == begin { after } else { b }),
                    Some((s, n)) if s.eq_ignore_ascii_case(stream) && n < number => before = Some(after),
                    Some((s, _)) if s.eq_ignore_ascii_case(stream) => return before.filter(|b| *b == begin),
                    _ => {}
                }
            }
        }
        None
    }
}
