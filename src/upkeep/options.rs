//! What is kept, and how eagerly is the rest made smaller?

use crate::error::{Error, Kind, Result};
use std::time::Duration;

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// How packs and bases are made, and when what they replace is deleted.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// So many neighbours of one size become a pack.
    pub fan_in: usize,
    /// A pack is not made larger than this.
    pub pack_bytes: u64,
    /// Nor a section of it, as Arrow holds it in memory.
    pub section_bytes: usize,
    /// A new base of a table is made when its changes are more than so many hundredths of its rows,
    pub fold_percent: u64,
    /// and at least so many,
    pub fold_rows: u64,
    /// or when resolving them takes more than so many bytes of memory.
    pub fold_bytes: u64,
    /// What was replaced is deleted after this time.
    pub grace: Duration,
    /// What no list names, since a run was stopped, is deleted after this time.
    pub orphan_grace: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            fan_in: 8,
            pack_bytes: 256 << 20,
            section_bytes: 64 << 20,
            fold_percent: 25,
            fold_rows: 10_000,
            fold_bytes: 1 << 30,
            grace: Duration::from_secs(DAY),
            orphan_grace: Duration::from_secs(DAY),
        }
    }
}

/// Which moments are kept. Ages count from the newest moment that the archive covers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Policy {
    /// Every moment that is younger,
    pub every: Duration,
    /// the state at each whole hour (UTC) that is younger,
    pub hourly: Option<Duration>,
    /// at each midnight,
    pub daily: Option<Duration>,
    /// and at the beginning of each month.
    pub monthly: Option<Duration>,
}

/// `90m`, `36h`, `30d`, `8w`, `2y` (365 days each). Errors: `Usage`.
pub fn duration(text: &str) -> Result<Duration> {
    let wrong = || {
        Error::new(Kind::Usage, format!("'{text}' is no time span"))
            .hint("Write a whole number and a unit: 90m, 36h, 30d, 8w or 2y.")
    };
    let at = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(at);
    let seconds = match unit {
        "m" => 60,
        "h" => HOUR,
        "d" => DAY,
        "w" => 7 * DAY,
        "y" => 365 * DAY,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(seconds).filter(|s| *s <= 1000 * 365 * DAY).map(Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_spans_have_a_unit() {
        assert_eq!(duration("36h").expect("good"), Duration::from_secs(36 * HOUR));
        assert_eq!(duration("2y").expect("good"), Duration::from_secs(730 * DAY));
        for wrong in ["", "7", "d", "7 d", "-1d", "1.5h", "9999999999999y", "1M"] {
            assert_eq!(duration(wrong).expect_err(wrong).kind, Kind::Usage);
        }
    }
}
