//! Which UTC instant is a local time, and back? The session's `time_zone`.

use crate::error::{Error, Kind, Result};
use crate::model::{Micros, ZERO_DATETIME};
use chrono::{DateTime, Duration, NaiveDateTime, Offset, TimeZone};
use chrono_tz::Tz;
use std::str::FromStr;

/// A session's time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Zone {
    /// Seconds east of UTC.
    Fixed(i32),
    Named(Tz),
}

impl Zone {
    pub const UTC: Zone = Zone::Fixed(0);

    /// `SYSTEM` (which is UTC: the archive has no other zone of its own), `+02:00`, `Europe/Berlin`.
    /// Errors: `BadValue`, as MySQL's error 1298.
    pub fn parse(name: &str) -> Result<Zone> {
        if name.eq_ignore_ascii_case("SYSTEM") || name.eq_ignore_ascii_case("UTC") {
            return Ok(Zone::UTC);
        }
        let unknown = || {
            Error::new(Kind::BadValue, format!("Unknown or incorrect time zone: '{name}'"))
                .hint("Use a name like 'Europe/Berlin' or an offset like '+02:00'.")
        };
        if name.starts_with(['+', '-']) {
            return parse_offset(name).map(Zone::Fixed).ok_or_else(unknown);
        }
        let known = Tz::from_str(name).ok();
        let known =
            known.or_else(|| chrono_tz::TZ_VARIANTS.iter().find(|tz| tz.name().eq_ignore_ascii_case(name)).copied());
        known.map(Zone::Named).ok_or_else(unknown)
    }

    /// Local µs to UTC. Errors: `BadValue` for a local time that happened twice or not at all, with both readings.
    pub fn to_utc(self, local: i64) -> Result<Micros> {
        let tz = match self {
            Zone::Fixed(seconds) => return Ok(Micros(local.saturating_sub(i64::from(seconds) * Micros::SECOND))),
            Zone::Named(tz) => tz,
        };
        let naive = naive(local)?;
        let text = naive.format("%Y-%m-%d %H:%M:%S%.f");
        match tz.from_local_datetime(&naive) {
            chrono::LocalResult::Single(t) => Ok(Micros(t.timestamp_micros())),
            chrono::LocalResult::Ambiguous(a, b) => Err(two_readings(
                format!("the local time {text} happened twice in {}", tz.name()),
                Micros(a.timestamp_micros()),
                Micros(b.timestamp_micros()),
            )),
            chrono::LocalResult::None => {
                // the offsets on both sides of the gap
                let near = |hours| tz.from_local_datetime(&(naive + Duration::hours(hours))).earliest();
                let read =
                    |hours| near(hours).map(|t| local - i64::from(t.offset().fix().local_minus_utc()) * Micros::SECOND);
                let (before, after) = (read(-4).unwrap_or(local), read(4).unwrap_or(local));
                Err(two_readings(
                    format!("the local time {text} did not happen in {}: the clocks were put forward", tz.name()),
                    Micros(before),
                    Micros(after),
                ))
            }
        }
    }

    /// UTC µs to local µs. The zero datetime stays what it is.
    pub fn to_local(self, utc: i64) -> i64 {
        if utc == ZERO_DATETIME {
            return utc;
        }
        let seconds = match self {
            Zone::Fixed(seconds) => seconds,
            Zone::Named(tz) => match DateTime::from_timestamp_micros(utc) {
                Some(t) => tz.offset_from_utc_datetime(&t.naive_utc()).fix().local_minus_utc(),
                None => 0,
            },
        };
        utc.saturating_add(i64::from(seconds) * Micros::SECOND)
    }
}

fn two_readings(what: String, a: Micros, b: Micros) -> Error {
    let text = |t: Micros| t.to_string().trim_end_matches(" UTC").to_string();
    Error::new(Kind::BadValue, format!("{what}: it can be read as {a} or as {b}")).hint(format!(
        "Write the moment with its offset: '{}Z' or '{}Z'.",
        text(a),
        text(b)
    ))
}

fn naive(us: i64) -> Result<NaiveDateTime> {
    DateTime::from_timestamp_micros(us)
        .map(|t| t.naive_utc())
        .ok_or_else(|| Error::new(Kind::BadValue, format!("{us} µs is out of the range of dates")))
}

/// `+02:00` in seconds. MySQL allows -13:59 to +14:00.
fn parse_offset(text: &str) -> Option<i32> {
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = text.get(1..)?.split_once(':')?;
    let digits = |t: &str| (1..=2).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_digit());
    if !digits(hours) || !digits(minutes) || minutes.len() != 2 {
        return None;
    }
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    let total = hours * 60 + minutes;
    let allowed = if sign < 0 { total < 14 * 60 } else { total <= 14 * 60 };
    (minutes < 60 && allowed).then_some(sign * total * 60)
}

/// A moment's text: a date, or a date and time with a space or `T`, with `Z`, ` UTC` or an offset, or in `zone`.
/// Errors: `BadValue`.
pub(super) fn parse_moment(text: &str, zone: Zone) -> Result<Micros> {
    match parse_datetime(text)? {
        (local, Some(offset)) => Zone::Fixed(offset).to_utc(local),
        (local, None) => zone.to_utc(local),
    }
}

/// Local µs, and the offset if the text names one (in seconds).
pub(super) fn parse_datetime(text: &str) -> Result<(i64, Option<i32>)> {
    let bad = || {
        Error::new(Kind::BadValue, format!("Incorrect TIMESTAMP value: '{text}'")).hint(
            "Write '2026-11-22 14:05:00', with an offset ('…+01:00', '…Z') if the session's time zone is not meant.",
        )
    };
    let t = text.trim();
    let (date, time) = match t.split_once([' ', 'T', 't']) {
        Some((date, time)) => (date, time.trim_start()),
        None => (t, ""),
    };
    let (clock, zone) = match time.find(['Z', 'z', 'U', '+', '-']) {
        Some(at) => time.split_at(at),
        None => (time, ""),
    };
    let offset = match zone {
        "" => None,
        "Z" | "z" | "UTC" => Some(0),
        _ => Some(parse_offset(zone).or_else(|| parse_offset(&format!("{zone}:00"))).ok_or_else(bad)?),
    };
    let clock = clock.trim_end();
    let clock = match clock.matches(':').count() {
        _ if clock.is_empty() => "00:00:00".to_string(),
        1 => format!("{clock}:00"),
        _ => clock.to_string(),
    };
    if clock.split_once('.').is_some_and(|(_, fraction)| fraction.len() > 6 || fraction.is_empty()) {
        return Err(bad());
    }
    let local = NaiveDateTime::parse_from_str(&format!("{date} {clock}"), "%Y-%m-%d %H:%M:%S%.f").map_err(|_| bad())?;
    // chrono reads second 60 as a leap second; the sources have none
    if date.len() < 8 || clock.contains(":60") {
        return Err(bad());
    }
    Ok((local.and_utc().timestamp_micros(), offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str, zone: Zone) -> String {
        parse_moment(text, zone).map_or_else(|e| e.to_string(), |m| m.to_string())
    }

    #[test]
    fn texts_are_read_in_the_zone_unless_they_name_another() {
        let berlin = Zone::parse("europe/berlin").unwrap();
        for (text, want) in [
            ("2026-11-22 14:05:00", "2026-11-22 13:05:00.000000 UTC"),
            ("2026-07-22 14:05", "2026-07-22 12:05:00.000000 UTC"),
            ("2026-07-22", "2026-07-21 22:00:00.000000 UTC"),
            ("2026-11-22T14:05:00.25Z", "2026-11-22 14:05:00.250000 UTC"),
            ("2026-11-22 14:05:00-05:30", "2026-11-22 19:35:00.000000 UTC"),
            ("2026-11-22 14:05:00+01", "2026-11-22 13:05:00.000000 UTC"),
            ("2026-11-22 14:05:00.000001 UTC", "2026-11-22 14:05:00.000001 UTC"),
        ] {
            assert_eq!(utc(text, berlin), want, "{text}");
        }
        for wrong in
            ["", "yesterday", "2026-13-01", "2026-11-22 25:00", "2026-11-22 14:05:00.1234567", "2026-11-22 1:2:60"]
        {
            assert!(parse_moment(wrong, berlin).is_err(), "{wrong}");
        }
    }

    #[test]
    fn local_times_that_happened_twice_or_never_are_refused_with_both_readings() {
        let berlin = Zone::parse("Europe/Berlin").unwrap();
        let fold = utc("2026-10-25 02:30:00", berlin);
        assert!(fold.contains("happened twice in Europe/Berlin"), "{fold}");
        assert!(fold.contains("2026-10-25 00:30:00.000000 UTC or as 2026-10-25 01:30:00.000000 UTC"), "{fold}");
        let gap = utc("2026-03-29 02:30:00", berlin);
        assert!(gap.contains("did not happen in Europe/Berlin"), "{gap}");
        assert!(gap.contains("2026-03-29 01:30:00.000000 UTC or as 2026-03-29 00:30:00.000000 UTC"), "{gap}");
        assert_eq!(utc("2026-10-25 02:30:00+01:00", berlin), "2026-10-25 01:30:00.000000 UTC");
    }

    #[test]
    fn utc_becomes_local_and_the_zero_datetime_stays() {
        let berlin = Zone::parse("Europe/Berlin").unwrap();
        let at = |t: &str| parse_moment(t, Zone::UTC).unwrap().0;
        assert_eq!(berlin.to_local(at("2026-07-01 00:00:00")), at("2026-07-01 02:00:00"));
        assert_eq!(berlin.to_local(at("2026-12-01 00:00:00")), at("2026-12-01 01:00:00"));
        assert_eq!(berlin.to_local(ZERO_DATETIME), ZERO_DATETIME);
        assert_eq!(Zone::parse("-05:30").unwrap().to_local(0), -(5 * 3600 + 1800) * 1_000_000);
        for wrong in ["+14:01", "-14:00", "+1", "Mars/Base", "+01:60", ""] {
            assert!(Zone::parse(wrong).is_err(), "{wrong}");
        }
    }
}
