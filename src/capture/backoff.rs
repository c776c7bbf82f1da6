//! How long is it waited before something is tried again?

use crate::error::{Error, Kind};
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);
/// Tries of a run that shall end.
const LIMIT: u32 = 6;

/// Doubling pauses.
#[derive(Debug)]
pub struct Backoff {
    tries: u32,
    limit: Option<u32>,
}

impl Backoff {
    /// `once`: give up after some tries.
    pub fn new(once: bool) -> Self {
        Self { tries: 0, limit: once.then_some(LIMIT) }
    }

    /// How long to wait before the next try; `None`: it is of no use, or was tried often enough.
    pub fn after(&mut self, error: &Error) -> Option<Duration> {
        if !matches!(error.kind, Kind::Unreachable | Kind::Io) || self.limit.is_some_and(|limit| self.tries >= limit) {
            return None;
        }
        let pause = FIRST.saturating_mul(1 << self.tries.min(10)).min(LONGEST);
        self.tries += 1;
        Some(pause)
    }

    /// Something succeeded. Says whether something had failed before.
    pub fn reset(&mut self) -> bool {
        std::mem::take(&mut self.tries) > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_a_limit_and_only_for_what_may_pass() {
        let away = Error::new(Kind::Unreachable, "away");
        let mut backoff = Backoff::new(false);
        let pauses: Vec<u64> = (0..9).filter_map(|_| backoff.after(&away)).map(|p| p.as_millis() as u64).collect();
        assert_eq!(pauses, [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
        assert!(backoff.reset() && !backoff.reset());
        assert_eq!(backoff.after(&Error::new(Kind::Fenced, "another")), None);
        let mut once = Backoff::new(true);
        assert_eq!((0..20).filter_map(|_| once.after(&away)).count(), 6);
    }
}
