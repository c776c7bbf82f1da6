//! Which UTC instant is a local time, and back? The session's `time_zone`.

use super::system::TimeZone;
use crate::error::{Error, Kind, Result};
use crate::model::{Micros, ZERO_DATETIME};
use chrono::{DateTime, Duration, FixedOffset, LocalResult, NaiveDateTime};

/// Local µs to UTC. Errors: `BadValue` for a local time that happened twice or not at all, with both readings.
pub(super) fn to_utc(zone: TimeZone, local: i64) -> Result<Micros> {
    let naive = naive(local)?;
    let text = naive.format("%Y-%m-%d %H:%M:%S%.f");
    let read = |offset: FixedOffset| Micros(local - i64::from(offset.local_minus_utc()) * Micros::SECOND);
    match zone.offsets_of(naive) {
        LocalResult::Single(offset) => Ok(read(offset)),
        LocalResult::Ambiguous(a, b) => {
            Err(two_readings(format!("the local time {text} happened twice in {zone}"), read(a), read(b)))
        }
        LocalResult::None => {
            // the offsets on both sides of the gap
            let near = |hours| zone.offsets_of(naive + Duration::hours(hours)).earliest().map(read);
            let what = format!("the local time {text} did not happen in {zone}: the clocks were put forward");
            Err(two_readings(what, near(-4).unwrap_or(Micros(local)), near(4).unwrap_or(Micros(local))))
        }
    }
}

/// UTC µs to local µs. The zero datetime stays what it is.
pub(super) fn to_local(zone: TimeZone, utc: i64) -> i64 {
    if utc == ZERO_DATETIME { utc } else { zone.local(utc) }
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

/// A moment's text: a date, or a date and time with a space or `T`, with `Z`, ` UTC` or an offset, or in `zone`.
/// Errors: `BadValue`.
pub(super) fn parse_moment(text: &str, zone: TimeZone) -> Result<Micros> {
    let (local, named) = parse_datetime(text)?;
    to_utc(named.unwrap_or(zone), local)
}

/// Local µs, and the offset if the text names one.
pub(super) fn parse_datetime(text: &str) -> Result<(i64, Option<TimeZone>)> {
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
        "Z" | "z" | "UTC" => Some(TimeZone::System),
        _ if zone.contains(':') => Some(TimeZone::parse(zone).map_err(|_| bad())?),
        _ => Some(TimeZone::parse(&format!("{zone}:00")).map_err(|_| bad())?),
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

    fn utc(text: &str, zone: TimeZone) -> String {
        parse_moment(text, zone).map_or_else(|e| e.to_string(), |m| m.to_string())
    }

    #[test]
    fn texts_are_read_in_the_zone_unless_they_name_another() {
        let berlin = TimeZone::parse("europe/berlin").unwrap();
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
        let berlin = TimeZone::parse("Europe/Berlin").unwrap();
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
        let berlin = TimeZone::parse("Europe/Berlin").unwrap();
        let at = |t: &str| parse_moment(t, TimeZone::System).unwrap().0;
        assert_eq!(to_local(berlin, at("2026-07-01 00:00:00")), at("2026-07-01 02:00:00"));
        assert_eq!(to_local(berlin, at("2026-12-01 00:00:00")), at("2026-12-01 01:00:00"));
        assert_eq!(to_local(berlin, ZERO_DATETIME), ZERO_DATETIME);
        assert_eq!(to_local(TimeZone::parse("-05:30").unwrap(), 0), -(5 * 3600 + 1800) * 1_000_000);
    }
}
