//! When was a commit, for somebody who asks by time?

use crate::model::{CommitTime, Micros};

/// A commit's time. Where the source logs whole seconds it is the time of arrival, if the commit arrives within that
/// very second; else the second's end. So a moment at a whole second never includes what was committed during it.
pub fn commit_time(logged: CommitTime, arrived: Micros) -> Micros {
    match logged {
        CommitTime::Exact(time) => time,
        CommitTime::Second(second) if arrived.0.div_euclid(Micros::SECOND) == second => arrived,
        CommitTime::Second(second) => Micros(second.saturating_mul(Micros::SECOND).saturating_add(Micros::SECOND - 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_second_ends_unless_the_commit_was_seen_within_it() {
        let time = |arrived| commit_time(CommitTime::Second(100), Micros(arrived)).0;
        assert_eq!(time(100_000_000), 100_000_000);
        assert_eq!(time(100_250_000), 100_250_000);
        assert_eq!(time(101_000_000), 100_999_999);
        assert_eq!(time(99_999_999), 100_999_999);
        assert_eq!(commit_time(CommitTime::Exact(Micros(5)), Micros(9)), Micros(5));
        assert_eq!(commit_time(CommitTime::Second(-1), Micros(-1)), Micros(-1));
    }
}
