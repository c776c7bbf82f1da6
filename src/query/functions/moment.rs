//! How do dates and times become numbers and text, and text and numbers dates and times?

use super::cell::Cell;
use super::number::{leading_decimal, rescale, ten};
use crate::error::Result;
use crate::model::ZERO_DATE;
use crate::query::meaning::unsupported;
use arrow::datatypes::i256;

pub(in crate::query) const DAY: i64 = 86_400_000_000;
pub(in crate::query) const SECOND: i64 = 1_000_000;
/// 838:59:59.999999
pub(in crate::query) const MAX_TIME: i64 = (838 * 3600 + 59 * 60 + 59) * SECOND + 999_999;
const MAX_TIME_WHOLE: i64 = (838 * 3600 + 59 * 60 + 59) * SECOND;

/// Days since 1970 of a date of the proleptic Gregorian calendar. Source: H. Hinnant, days_from_civil.
pub(in crate::query) fn days(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let yoe = y - era * 400;
    let doy = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468
}

/// Year, month, day; 0, 0, 0 for the zero date.
pub(in crate::query) fn civil(day: i64) -> (i64, i64, i64) {
    if day == i64::from(ZERO_DATE) {
        return (0, 0, 0);
    }
    let z = day + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z - era * 146_097;
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (d, m) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    (yoe + era * 400 + i64::from(m <= 2), m, d)
}

pub(in crate::query) fn month_days(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) && year != 0 => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Whether it is on the zero date, at whatever time.
pub(in crate::query) fn on_zero_date(us: i64) -> bool {
    us.div_euclid(DAY) == i64::from(ZERO_DATE)
}

/// Local µs of a DATE, DATETIME.
pub(in crate::query) fn split(us: i64) -> (i64, i64) {
    (us.div_euclid(DAY), us.rem_euclid(DAY))
}

/// A date's day; `None` when there is no such day. Partial dates (`2026-01-00`) are an error: nothing here holds them.
fn date(year: i64, month: i64, day: i64) -> Result<Option<i64>> {
    if (year, month, day) == (0, 0, 0) {
        return Ok(Some(ZERO_DATE.into()));
    }
    if month > 12 || day > 31 || year > 9999 {
        return Ok(None);
    }
    if month == 0 || day == 0 {
        return Err(unsupported(format!("the partial date {year:04}-{month:02}-{day:02}")));
    }
    Ok((day <= month_days(year, month)).then(|| days(year, month, day)))
}

/// Two digits of a year.
fn full_year(digits: usize, year: i64) -> i64 {
    match (digits, year) {
        (1 | 2, 0..70) => 2000 + year,
        (1 | 2, _) => 1900 + year,
        _ => year,
    }
}

/// A run of digits at the front, and the rest.
fn digits(s: &str, most: usize) -> (Option<i64>, usize, &str) {
    let n = s.bytes().take(most).take_while(u8::is_ascii_digit).count();
    (s[..n].parse().ok(), n, &s[n..])
}

fn fraction(s: &str) -> i64 {
    let digits: String = s.chars().take_while(char::is_ascii_digit).take(6).collect();
    format!("{digits:0<6}").parse().unwrap_or(0)
}

/// What a text says as a date and time: µs, and whether it had a time part. `None`: it says none.
/// As `2026-01-02 03:04:05.6`, with any punctuation, or as 20260102[030405]. What follows is ignored, as by MariaDB.
pub(in crate::query) fn datetime_of_text(text: &str) -> Result<Option<(i64, bool)>> {
    let s = text.trim_start();
    let run = s.bytes().take_while(u8::is_ascii_digit).count();
    let after = s[run..].chars().next();
    if run > 4 && (after.is_none() || after == Some('.') || run == 14 || run == 12 || run == 8 || run == 6) {
        return compact(&s[..run], &s[run..]);
    }
    let punctuation = |s: &str| s.chars().next().filter(char::is_ascii_punctuation).map(|c| c.len_utf8());
    let (year, width, rest) = digits(s, 4);
    let (Some(year), Some(gap)) = (year, punctuation(rest)) else { return Ok(None) };
    let (month, _, rest) = digits(&rest[gap..], 2);
    let (Some(month), Some(gap)) = (month, punctuation(rest)) else { return Ok(None) };
    let (Some(day), _, rest) = digits(&rest[gap..], 2) else { return Ok(None) };
    let zero = (year, month, day) == (0, 0, 0);
    let Some(day) = date(if zero { 0 } else { full_year(width, year) }, month, day)? else { return Ok(None) };
    let clock = match rest.as_bytes().first() {
        Some(b'T') => &rest[1..],
        Some(b' ') => rest.trim_start_matches(' '),
        _ => "",
    };
    let Some((us, timed)) = clock_of(clock) else { return Ok(None) };
    if zero && us != 0 {
        return Err(unsupported(format!("the partial date '{text}'")));
    }
    Ok(Some((day * DAY + us, timed)))
}

/// `03:04:05.6` after a date.
fn clock_of(s: &str) -> Option<(i64, bool)> {
    let (Some(hour), _, rest) = digits(s, 2) else { return Some((0, false)) };
    let mut parts = [hour, 0, 0];
    let mut rest = rest;
    for part in &mut parts[1..] {
        match rest.strip_prefix(':').map(|r| digits(r, 2)) {
            Some((Some(v), _, r)) => (*part, rest) = (v, r),
            _ => break,
        }
    }
    let us = rest.strip_prefix('.').map_or(0, fraction);
    let [h, m, s] = parts;
    (h < 24 && m < 60 && s < 60).then(|| ((h * 3600 + m * 60 + s) * SECOND + us, true))
}

fn compact(run: &str, rest: &str) -> Result<Option<(i64, bool)>> {
    let n = |range: std::ops::Range<usize>| run[range].parse::<i64>().unwrap_or(0);
    let (year, at) = match run.len() {
        8 | 14 => (n(0..4), 4),
        6 | 12 => (full_year(2, n(0..2)), 2),
        _ => return Ok(None),
    };
    let (month, day) = (n(at..at + 2), n(at + 2..at + 4));
    let zero = run.bytes().all(|b| b == b'0');
    let Some(day) = date(if zero { 0 } else { year }, month, day)? else { return Ok(None) };
    let at = at + 4;
    if run.len() == at {
        return Ok(Some((day * DAY, false)));
    }
    let (h, m, s) = (n(at..at + 2), n(at + 2..at + 4), n(at + 4..at + 6));
    let us = rest.strip_prefix('.').map_or(0, fraction);
    let clock = (h * 3600 + m * 60 + s) * SECOND + us;
    if day == i64::from(ZERO_DATE) && clock != 0 {
        return Err(unsupported(format!("the partial date '{run}'")));
    }
    Ok((h < 24 && m < 60 && s < 60).then_some((day * DAY + clock, true)))
}

/// A number as date and time: YYYYMMDD, YYMMDD, YYYYMMDDhhmmss, YYMMDDhhmmss. Source: number_to_datetime.
pub(in crate::query) fn datetime_of_number(value: i256, scale: u32) -> Result<Option<i64>> {
    let unit = ten(scale);
    let Some(n) = (value / unit).to_i128().and_then(|n| i64::try_from(n).ok()) else { return Ok(None) };
    let us = rescale(value % unit, scale, 6).and_then(|v| v.to_i128()).unwrap_or(0) as i64;
    let n = match n {
        0 => 0,
        101..=691_231 => (n + 20_000_000) * 1_000_000,
        700_101..=991_231 => (n + 19_000_000) * 1_000_000,
        10_000_101..=99_991_231 => n * 1_000_000,
        101_000_000..=691_231_235_959 => n + 20_000_000_000_000,
        700_101_000_000..=991_231_235_959 => n + 19_000_000_000_000,
        10_000_101_000_000..=99_991_231_235_959 => n,
        _ => return Ok(None),
    };
    let (d, t) = (n / 1_000_000, n % 1_000_000);
    let Some(day) = date(d / 10_000, d / 100 % 100, d % 100)? else { return Ok(None) };
    let (h, m, s) = (t / 10_000, t / 100 % 100, t % 100);
    Ok((h < 24 && m < 60 && s < 60).then(|| day * DAY + (h * 3600 + m * 60 + s) * SECOND + us))
}

/// What a text says as a TIME; clipped to ±838:59:59. `None`: it says none.
pub(in crate::query) fn time_of_text(text: &str) -> Result<Option<i64>> {
    let s = text.trim();
    let (negative, s) = s.strip_prefix('-').map_or((false, s), |rest| (true, rest));
    // a whole date and time: its clock
    let run = s.bytes().take_while(u8::is_ascii_digit).count();
    let punctuated = s.len() >= 12 && s.as_bytes().get(4).is_some_and(u8::is_ascii_punctuation);
    if !negative && (punctuated || run == 12 || run == 14) {
        return Ok(datetime_of_text(s)?.map(|(us, _)| us.rem_euclid(DAY)));
    }
    if run > 7 {
        return Err(unsupported(format!("the time '{text}'")));
    }
    let (first, width, rest) = digits(s, 7);
    let Some(first) = first else { return Ok(None) };
    let mut parts = Vec::new();
    let mut days = 0;
    let mut rest = rest;
    if let Some(after) =
        rest.strip_prefix(' ').map(str::trim_start).filter(|r| r.starts_with(|c: char| c.is_ascii_digit()))
    {
        let (hour, _, r) = digits(after, 7);
        days = first;
        parts.push(hour.unwrap_or(0));
        rest = r;
    } else {
        parts.push(first);
    }
    while let Some((Some(v), _, r)) = rest.strip_prefix(':').map(|r| digits(r, 2)) {
        parts.push(v);
        rest = r;
        if parts.len() == 3 {
            break;
        }
    }
    let us = rest.strip_prefix('.').map_or(0, fraction);
    let (h, m, s) = match parts[..] {
        [n] if days == 0 && width <= 7 => (n / 10_000, n / 100 % 100, n % 100),
        [h] => (h, 0, 0),
        [h, m] => (h, m, 0),
        [h, m, s] => (h, m, s),
        _ => return Ok(None),
    };
    if m > 59 || s > 59 {
        return Ok(None);
    }
    let v = (((days * 24 + h) * 3600 + m * 60 + s) * SECOND) + us;
    let v = if v > MAX_TIME { MAX_TIME_WHOLE } else { v };
    Ok(Some(if negative { -v } else { v }))
}

/// A number as TIME: hhmmss.
pub(in crate::query) fn time_of_number(value: i256, scale: u32) -> Result<Option<i64>> {
    let negative = value.is_negative();
    let value = value.wrapping_abs();
    let unit = ten(scale);
    let Some(n) = (value / unit).to_i128().and_then(|n| i64::try_from(n).ok()) else { return Ok(None) };
    let us = rescale(value % unit, scale, 6).and_then(|v| v.to_i128()).unwrap_or(0) as i64;
    if n > 9_999_999 {
        return Ok(if negative { None } else { datetime_of_number(value, scale)?.map(|v| v.rem_euclid(DAY)) });
    }
    let (h, m, s) = (n / 10_000, n / 100 % 100, n % 100);
    if m > 59 || s > 59 {
        return Ok(None);
    }
    let v = (h * 3600 + m * 60 + s) * SECOND + us;
    let v = if v > MAX_TIME { MAX_TIME_WHOLE } else { v };
    Ok(Some(if negative { -v } else { v }))
}

/// A date, time or both as a number: 20260102, 20260102030405.6, -30405. Value and scale.
pub(in crate::query) fn number(cell: &Cell) -> (i256, u32) {
    let clock = |us: i64| {
        let s = us / SECOND;
        s / 3600 * 10_000 + s / 60 % 60 * 100 + s % 60
    };
    let day = |d: i64| {
        let (y, m, d) = civil(d);
        y * 10_000 + m * 100 + d
    };
    let (whole, us, negative) = match cell {
        Cell::Date(d) => (day((*d).into()), 0, false),
        Cell::DateTime(us) => {
            let (d, t) = split(*us);
            (day(d) * 1_000_000 + clock(t), t % SECOND, false)
        }
        Cell::Time(us) => (clock(us.abs()), us.abs() % SECOND, *us < 0),
        _ => (0, 0, false),
    };
    let v = i256::from(whole) * ten(6) + i256::from(us);
    let (v, scale) = if us == 0 { (i256::from(whole), 0) } else { (v, 6) };
    (if negative { v.wrapping_neg() } else { v }, scale)
}

/// Any value as local date and time, µs. `None` for NULL and for what is no date.
pub(in crate::query) fn datetime(cell: &Cell) -> Result<Option<i64>> {
    Ok(match cell {
        Cell::Null => None,
        Cell::Date(d) => Some(i64::from(*d) * DAY),
        Cell::DateTime(us) => Some(*us),
        Cell::Time(_) => return Err(unsupported("a TIME as a date").hint("CAST(CONCAT(date, ' ', time) AS DATETIME)")),
        Cell::Text(s) => datetime_of_text(s)?.map(|(us, _)| us),
        Cell::Bytes(b) => datetime_of_text(&String::from_utf8_lossy(b))?.map(|(us, _)| us),
        Cell::Int(v) => datetime_of_number((*v).into(), 0)?,
        Cell::UInt(v) => datetime_of_number(i256::from_i128((*v).into()), 0)?,
        Cell::Decimal(v, s) => datetime_of_number(*v, *s)?,
        Cell::Double(v) => {
            let (v, s) = leading_decimal(&format!("{v:e}"));
            datetime_of_number(v, s)?
        }
        Cell::Float(_) => return Err(unsupported("a FLOAT as a date")),
    })
}

/// Any value as TIME, µs.
pub(in crate::query) fn time(cell: &Cell) -> Result<Option<i64>> {
    Ok(match cell {
        Cell::Null => None,
        Cell::Date(_) => Some(0),
        Cell::DateTime(us) => Some(us.rem_euclid(DAY)),
        Cell::Time(us) => Some(*us),
        Cell::Text(s) => time_of_text(s)?,
        Cell::Bytes(b) => time_of_text(&String::from_utf8_lossy(b))?,
        Cell::Int(v) => time_of_number((*v).into(), 0)?,
        Cell::UInt(v) => time_of_number(i256::from_i128((*v).into()), 0)?,
        Cell::Decimal(v, s) => time_of_number(*v, *s)?,
        Cell::Double(v) => {
            let (v, s) = leading_decimal(&format!("{v:e}"));
            time_of_number(v, s)?
        }
        Cell::Float(_) => return Err(unsupported("a FLOAT as a time")),
    })
}

/// Drops the digits after the second that `fsp` does not hold.
pub(in crate::query) fn truncate(us: i64, fsp: u32) -> i64 {
    let unit = 10i64.pow(6 - fsp.min(6));
    us / unit * unit
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ZERO_DATETIME;

    #[test]
    fn text_is_read_as_dates_in_all_of_mysqls_ways() {
        let at = |s: &str| datetime_of_text(s).expect("carried").map(|(us, _)| us);
        let day = days(2026, 1, 2) * DAY;
        for text in ["2026-01-02", "26-1-2", "20260102", "260102", "2026/01/02", "2026-01-02 abc"] {
            assert_eq!(at(text), Some(day), "{text}");
        }
        assert_eq!(at("2026-01-02T03:04:05.5"), Some(day + (3 * 3600 + 4 * 60 + 5) * SECOND + 500_000));
        assert_eq!(at("20260102030405"), Some(day + (3 * 3600 + 4 * 60 + 5) * SECOND));
        assert_eq!(at("0000-00-00"), Some(ZERO_DATETIME));
        assert_eq!([at("2026-02-30"), at("abc"), at("2026-01"), at("2026-01-02 25:00:00")], [None; 4]);
        for partial in ["2026-00-01", "2026-00-00 10:00:00", "0000-00-00 10:00:00", "00000000100000", "20260000100000"]
        {
            assert!(datetime_of_text(partial).is_err(), "{partial}");
        }
    }

    #[test]
    fn days_and_dates_are_each_others_inverse() {
        for day in (-719_528..2_932_896).step_by(17) {
            let (y, m, d) = civil(day);
            assert_eq!(days(y, m, d), day);
        }
    }

    #[test]
    fn text_is_read_as_times() {
        let at = |s: &str| time_of_text(s).expect("carried").map(|us| us / SECOND);
        assert_eq!(
            [at("01:02:03"), at("1:2"), at("10203"), at("1 01:00:00")],
            [Some(3723), Some(3720), Some(3723), Some(90_000)]
        );
        assert_eq!([at("-900:00:00"), at("00:60:00"), at("x")], [Some(-(838 * 3600 + 59 * 60 + 59)), None, None]);
    }
}
