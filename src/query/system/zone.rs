//! Which time zone is a session's?

use crate::error::{Error, Kind, Result};
use chrono::{DateTime, FixedOffset, LocalResult, NaiveDateTime, Offset, TimeZone as _};
use std::fmt;

/// A session's `time_zone`. `SYSTEM` is UTC: an answer must not depend on the machine that gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimeZone {
    #[default]
    System,
    Offset(FixedOffset),
    Named(chrono_tz::Tz),
}

impl TimeZone {
    /// Reads `SYSTEM`, `+02:00` (between -13:59 and +14:00) or a name of the IANA database, without regard to case.
    /// Errors: `BadValue`.
    pub fn parse(text: &str) -> Result<Self> {
        if text.eq_ignore_ascii_case("SYSTEM") {
            return Ok(TimeZone::System);
        }
        if let Some(offset) = offset(text) {
            return Ok(TimeZone::Offset(offset));
        }
        chrono_tz::TZ_VARIANTS
            .iter()
            .find(|z| z.name().eq_ignore_ascii_case(text))
            .map(|z| TimeZone::Named(*z))
            .ok_or_else(|| {
                Error::new(Kind::BadValue, format!("Unknown or incorrect time zone: '{text}'"))
                    .hint("Name it like 'Europe/Berlin', '+02:00' or 'SYSTEM' (which is UTC).")
            })
    }

    /// How far local time is ahead of UTC at this moment. `utc`: µs since 1970.
    pub fn offset_at(&self, utc: i64) -> FixedOffset {
        let zero = DateTime::from_timestamp_micros(utc).unwrap_or_default().naive_utc();
        match self {
            TimeZone::System => chrono::Utc.fix(),
            TimeZone::Offset(o) => *o,
            TimeZone::Named(z) => z.offset_from_utc_datetime(&zero).fix(),
        }
    }

    /// Local µs of a moment in UTC µs.
    pub fn local(&self, utc: i64) -> i64 {
        utc.saturating_add(i64::from(self.offset_at(utc).local_minus_utc()) * 1_000_000)
    }

    /// The moments, as offsets from UTC, that a local time can mean: none in a gap, two where clocks go back.
    pub fn offsets_of(&self, local: NaiveDateTime) -> LocalResult<FixedOffset> {
        match self {
            TimeZone::System => LocalResult::Single(chrono::Utc.fix()),
            TimeZone::Offset(o) => LocalResult::Single(*o),
            TimeZone::Named(z) => z.offset_from_local_datetime(&local).map(|o| o.fix()),
        }
    }
}

/// As `@@time_zone` shows it.
impl fmt::Display for TimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TimeZone::System => f.write_str("SYSTEM"),
            TimeZone::Offset(o) => {
                let seconds = o.local_minus_utc();
                let sign = if seconds < 0 { '-' } else { '+' };
                write!(f, "{sign}{:02}:{:02}", seconds.abs() / 3600, seconds.abs() / 60 % 60)
            }
            TimeZone::Named(z) => f.write_str(z.name()),
        }
    }
}

fn offset(text: &str) -> Option<FixedOffset> {
    let sign = match text.chars().next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    let (hours, minutes) = text.get(1..)?.split_once(':')?;
    let digits =
        |s: &str| (s.len() <= 2 && !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit())).then(|| s.parse::<i32>());
    let (hours, minutes) = (digits(hours)?.ok()?, digits(minutes)?.ok()?);
    let seconds = sign * (hours * 3600 + minutes * 60);
    let within = (-(13 * 3600 + 59 * 60)..=14 * 3600).contains(&seconds) && minutes < 60;
    within.then(|| FixedOffset::east_opt(seconds)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_read_and_shown() {
        for (text, shown) in [
            ("system", "SYSTEM"),
            ("+2:00", "+02:00"),
            ("-05:30", "-05:30"),
            ("europe/berlin", "Europe/Berlin"),
            ("UTC", "UTC"),
        ] {
            assert_eq!(TimeZone::parse(text).expect(text).to_string(), shown);
        }
        for text in ["", "+14:01", "-14:00", "+1", "+aa:00", "+01:60", "Mars/Base", "2"] {
            assert_eq!(TimeZone::parse(text).err().map(|e| e.kind), Some(Kind::BadValue), "{text}");
        }
    }

    #[test]
    fn local_time_follows_the_seasons() {
        let berlin = TimeZone::parse("Europe/Berlin").expect("a zone");
        assert_eq!(berlin.local(0), 3_600_000_000);
        assert_eq!(berlin.local(1_782_000_000_000_000) - 1_782_000_000_000_000, 7_200_000_000);
    }
}
