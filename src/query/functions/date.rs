//! Functions of dates and times.
//!
//! The zero date has a year, month and day of 0 and no weekday; arithmetic on it gives NULL.

use super::cell::Cell;
use super::moment::{DAY, MAX_TIME, SECOND, civil, datetime, days, month_days, on_zero_date, split, time, truncate};
use super::number::{decimal, double, rescale, small};
use super::{Args, Call, Spec, strict};
use crate::error::{Error, Kind, Result};
use crate::model::{ColumnType, ZERO_DATE};
use crate::query::meaning::{Class, Typ, unsupported};

pub(super) const ALL: &[Spec] = &[
    strict("my_year", 1, 1, int, |c| of_day(c, |y, _, _| y)),
    strict("my_month", 1, 1, int, |c| of_day(c, |_, m, _| m)),
    strict("my_day", 1, 1, int, |c| of_day(c, |_, _, d| d)),
    strict("my_quarter", 1, 1, int, |c| of_day(c, |_, m, _| (m + 2) / 3)),
    strict("my_dayofyear", 1, 1, int, |c| {
        real_day(c, |d| {
            let (y, _, _) = civil(d);
            d - days(y, 1, 1) + 1
        })
    }),
    strict("my_dayofweek", 1, 1, int, |c| real_day(c, |d| (d + 4).rem_euclid(7) + 1)),
    strict("my_weekday", 1, 1, int, |c| real_day(c, |d| (d + 3).rem_euclid(7))),
    strict("my_to_days", 1, 1, int, |c| real_day(c, |d| d + 719_528)),
    strict("my_to_seconds", 1, 1, int, to_seconds),
    strict("my_week", 1, 2, int, |c| {
        let mode = if c.args.len() == 2 { small(c, 1)?.unwrap_or(0) } else { 0 };
        real_day(c, |d| week(d, mode).1)
    }),
    strict("my_weekofyear", 1, 1, int, |c| real_day(c, |d| week(d, 3).1)),
    strict("my_hour", 1, 1, int, |c| of_clock(c, |us| us / SECOND / 3600)),
    strict("my_minute", 1, 1, int, |c| of_clock(c, |us| us / SECOND / 60 % 60)),
    strict("my_second", 1, 1, int, |c| of_clock(c, |us| us / SECOND % 60)),
    strict("my_microsecond", 1, 1, int, |c| of_clock(c, |us| us % SECOND)),
    strict("my_dayname", 1, 1, text, |c| {
        Ok(day(c)?.filter(real).map_or(Cell::Null, |d| Cell::text(super::format::DAYS[(d + 3).rem_euclid(7) as usize])))
    }),
    strict("my_monthname", 1, 1, text, |c| {
        let month = day(c)?.map_or(0, |d| civil(d).1);
        Ok(if month == 0 { Cell::Null } else { Cell::text(super::format::MONTHS[month as usize - 1]) })
    }),
    strict("my_last_day", 1, 1, date_type, |c| {
        Ok(day(c)?.filter(real).map_or(Cell::Null, |d| {
            let (y, m, _) = civil(d);
            date_cell(days(y, m, month_days(y, m)))
        }))
    }),
    strict("my_from_days", 1, 1, date_type, |c| {
        Ok(match small(c, 0)?.unwrap_or(0) {
            n @ 366..=3_652_424 => date_cell(n - 719_528),
            _ => Cell::Date(ZERO_DATE),
        })
    }),
    strict("my_makedate", 2, 2, date_type, makedate),
    strict("my_maketime", 3, 3, |_| Ok(Typ::time(0)), maketime),
    strict("my_datediff", 2, 2, int, |c| {
        let (Some(a), Some(b)) = (day_of(c, 0)?, day_of(c, 1)?) else { return Ok(Cell::Null) };
        Ok(if real(&a) && real(&b) { Cell::Int(a - b) } else { Cell::Null })
    }),
    strict("my_timediff", 2, 2, timediff_type, timediff),
    strict("my_timestampdiff", 3, 3, int, timestampdiff),
    strict("my_date_add", 3, 3, shifted_type, |c| shift(c, 1)),
    strict("my_date_sub", 3, 3, shifted_type, |c| shift(c, -1)),
    strict("my_time", 1, 1, time_type, |c| {
        Ok(time(&c.args[0])?.map_or(Cell::Null, |us| Cell::Time(truncate(us, c.out.scale()))))
    }),
    strict("my_timestamp", 1, 1, timestamp_type, |c| {
        Ok(datetime(&c.args[0])?.map_or(Cell::Null, |us| Cell::DateTime(truncate(us, c.out.scale()))))
    }),
    strict("my_time_to_sec", 1, 1, seconds_type, |c| Ok(time(&c.args[0])?.map_or(Cell::Null, |us| seconds(us, c)))),
    strict("my_sec_to_time", 1, 1, |a| Ok(Typ::time(fraction_digits(&a.typs[0]))), sec_to_time),
    strict("my_unix_timestamp", 0, 1, unix_type, unix_timestamp),
    strict("my_from_unixtime", 1, 1, |a| Ok(Typ::datetime(fraction_digits(&a.typs[0]))), from_unixtime),
    strict("my_extract", 2, 2, int, extract),
];

fn int(_: &Args) -> Result<Typ> {
    Ok(Typ::bigint())
}

fn text(_: &Args) -> Result<Typ> {
    Ok(Typ::text())
}

fn date_type(_: &Args) -> Result<Typ> {
    Ok(Typ::of(ColumnType::Date))
}

/// Digits of the second that a value of this type may bring.
fn fraction_digits(t: &Typ) -> u8 {
    match t.class() {
        Class::Int | Class::Date | Class::Null => 0,
        Class::Decimal | Class::DateTime | Class::Time => t.scale().min(6) as u8,
        _ => 6,
    }
}

fn time_type(a: &Args) -> Result<Typ> {
    literal_digits(a).map(Typ::time)
}

fn timestamp_type(a: &Args) -> Result<Typ> {
    literal_digits(a).map(Typ::datetime)
}

/// A literal text has the digits that it shows.
fn literal_digits(a: &Args) -> Result<u8> {
    Ok(match (a.class(0), a.word(0)) {
        (Class::Text, Ok(s)) => s.rsplit_once('.').map_or(0, |(_, f)| f.len().min(6)) as u8,
        _ => fraction_digits(&a.typs[0]),
    })
}

fn date_cell(d: i64) -> Cell<'static> {
    Cell::Date(d as i32)
}

/// A day that exists, and whose year has four digits.
fn real(d: &i64) -> bool {
    *d != i64::from(ZERO_DATE)
}

fn day_of(c: &Call, i: usize) -> Result<Option<i64>> {
    Ok(datetime(&c.args[i])?.map(|us| us.div_euclid(DAY)))
}

fn day(c: &Call) -> Result<Option<i64>> {
    day_of(c, 0)
}

fn of_day(c: &Call, f: fn(i64, i64, i64) -> i64) -> Result<Cell<'static>> {
    Ok(day(c)?.map_or(Cell::Null, |d| {
        let (y, m, d) = civil(d);
        Cell::Int(f(y, m, d))
    }))
}

fn real_day(c: &Call, f: impl Fn(i64) -> i64) -> Result<Cell<'static>> {
    Ok(day(c)?.filter(real).map_or(Cell::Null, |d| Cell::Int(f(d))))
}

fn of_clock(c: &Call, f: fn(i64) -> i64) -> Result<Cell<'static>> {
    Ok(time(&c.args[0])?.map_or(Cell::Null, |us| Cell::Int(f(us.abs()))))
}

fn to_seconds(c: &Call) -> Result<Cell<'static>> {
    Ok(match datetime(&c.args[0])? {
        Some(us) if !on_zero_date(us) => Cell::Int(us.div_euclid(SECOND) + 719_528 * 86_400),
        _ => Cell::Null,
    })
}

/// Year and week of a day. Source: calc_week; bit 0: weeks begin on Monday; bit 1: weeks count from 1 and may belong
/// to a neighbouring year; bit 2: the first week is the one with its first weekday.
pub(super) fn week(d: i64, mode: i64) -> (i64, i64) {
    let mode = mode & 7;
    let mode = if mode & 1 == 0 { mode ^ 4 } else { mode };
    let (monday_first, mut week_year, first_weekday) = (mode & 1 != 0, mode & 2 != 0, mode & 4 != 0);
    let (mut year, month, mday) = civil(d);
    let first = days(year, 1, 1);
    let mut weekday = if monday_first { (first + 3).rem_euclid(7) } else { (first + 4).rem_euclid(7) };
    let in_year = |y: i64| if month_days(y, 2) == 29 { 366 } else { 365 };
    let mut start = first;
    if month == 1 && mday <= 7 - weekday {
        if !week_year && ((first_weekday && weekday != 0) || (!first_weekday && weekday >= 4)) {
            return (year, 0);
        }
        week_year = true;
        year -= 1;
        let n = in_year(year);
        start -= n;
        weekday = (weekday + 53 * 7 - n).rem_euclid(7);
    }
    let passed = if (first_weekday && weekday != 0) || (!first_weekday && weekday >= 4) {
        d - (start + (7 - weekday))
    } else {
        d - (start - weekday)
    };
    if week_year && passed >= 52 * 7 {
        let weekday = (weekday + in_year(year)).rem_euclid(7);
        if (!first_weekday && weekday < 4) || (first_weekday && weekday == 0) {
            return (year + 1, 1);
        }
    }
    (year, passed / 7 + 1)
}

fn makedate(c: &Call) -> Result<Cell<'static>> {
    let (Some(y), Some(n)) = (small(c, 0)?, small(c, 1)?) else { return Ok(Cell::Null) };
    if n <= 0 || !(0..=9999).contains(&y) {
        return Ok(Cell::Null);
    }
    let y = match y {
        0..70 => 2000 + y,
        70..100 => 1900 + y,
        _ => y,
    };
    let d = days(y, 1, 1) + n.min(4_000_000) - 1;
    Ok(if civil(d).0 > 9999 { Cell::Null } else { date_cell(d) })
}

fn maketime(c: &Call) -> Result<Cell<'static>> {
    if c.typs[2].class() != Class::Int {
        return Err(unsupported("MAKETIME with a fraction of seconds"));
    }
    let (Some(h), Some(m), Some(s)) = (small(c, 0)?, small(c, 1)?, small(c, 2)?) else { return Ok(Cell::Null) };
    if !(0..60).contains(&m) || !(0..60).contains(&s) {
        return Ok(Cell::Null);
    }
    let us = (h.abs().min(100_000) * 3600 + m * 60 + s) * SECOND;
    let us = us.min(MAX_TIME / SECOND * SECOND);
    Ok(Cell::Time(if h < 0 { -us } else { us }))
}

fn timediff_type(a: &Args) -> Result<Typ> {
    let (x, y) = (a.class(0), a.class(1));
    if x != y && !matches!((x, y), (Class::Text | Class::Null, _) | (_, Class::Text | Class::Null)) {
        return Err(unsupported("TIMEDIFF of a time and a date"));
    }
    let digits = |i: usize| {
        let one = Args { typs: &a.typs[i..=i], constants: &a.constants[i..=i] };
        literal_digits(&one)
    };
    Ok(Typ::time(digits(0)?.max(digits(1)?)))
}

/// Both are times, or both are dates; a text is what it looks like.
fn timediff(c: &Call) -> Result<Cell<'static>> {
    let dated = |i: usize| match &c.args[i] {
        Cell::Text(s) => s.trim().as_bytes().get(4).is_some_and(|b| *b == b'-'),
        Cell::Date(_) | Cell::DateTime(_) => true,
        _ => false,
    };
    let (a, b) = match (dated(0), dated(1)) {
        (true, true) => (datetime(&c.args[0])?, datetime(&c.args[1])?),
        (false, false) => (time(&c.args[0])?, time(&c.args[1])?),
        _ => return Ok(Cell::Null),
    };
    let limit = MAX_TIME / SECOND * SECOND + if c.out.scale() > 0 { 999_999 } else { 0 };
    Ok(a.zip(b).map_or(Cell::Null, |(a, b)| Cell::Time((a - b).clamp(-limit, limit))))
}

fn timestampdiff(c: &Call) -> Result<Cell<'static>> {
    let Cell::Text(unit) = &c.args[0] else { return Ok(Cell::Null) };
    let (Some(a), Some(b)) = (datetime(&c.args[1])?, datetime(&c.args[2])?) else { return Ok(Cell::Null) };
    if on_zero_date(a) || on_zero_date(b) {
        return Ok(Cell::Null);
    }
    let us = b - a;
    let months = || {
        let (early, late) = (a.min(b), a.max(b));
        let ((ed, et), (ld, lt)) = (split(early), split(late));
        let ((ey, em, eday), (ly, lm, lday)) = (civil(ed), civil(ld));
        let n = (ly - ey) * 12 + lm - em - i64::from((lday, lt) < (eday, et));
        if b < a { -n } else { n }
    };
    Ok(Cell::Int(match unit.as_ref() {
        "MICROSECOND" => us,
        "SECOND" => us / SECOND,
        "MINUTE" => us / SECOND / 60,
        "HOUR" => us / SECOND / 3600,
        "DAY" => us / DAY,
        "WEEK" => us / DAY / 7,
        "MONTH" => months(),
        "QUARTER" => months() / 3,
        "YEAR" => months() / 12,
        other => return Err(unsupported(format!("TIMESTAMPDIFF in {other}"))),
    }))
}

fn shifted_type(a: &Args) -> Result<Typ> {
    let unit = a.word(2)?;
    let clock = !matches!(unit, "DAY" | "WEEK" | "MONTH" | "QUARTER" | "YEAR" | "YEAR_MONTH");
    let fraction = if unit == "MICROSECOND" {
        6
    } else if unit == "SECOND" {
        fraction_digits(&a.typs[1])
    } else {
        0
    };
    Ok(match a.class(0) {
        Class::Date if !clock => Typ::of(ColumnType::Date),
        Class::Date => Typ::datetime(fraction),
        Class::DateTime => Typ::datetime((a.typs[0].scale() as u8).max(fraction)),
        Class::Time if clock || unit == "DAY" => Typ::time((a.typs[0].scale() as u8).max(fraction)),
        Class::Time => return Err(unsupported(format!("a TIME and an INTERVAL in {unit}"))),
        // it shows a date, or a date and time, as the value asks for
        Class::Text => Typ::text(),
        Class::Null => Typ::datetime(0),
        _ => return Err(unsupported("a number and an INTERVAL").hint("CAST the number AS DATE or DATETIME.")),
    })
}

/// An interval: months, µs.
fn interval(c: &Call, unit: &str) -> Result<Option<(i64, i64)>> {
    if unit.contains('_') {
        return Err(unsupported(format!("INTERVAL … {unit}")).hint("Add the units one after the other."));
    }
    if unit == "SECOND" {
        // seconds may have a fraction
        let Some((v, s)) = decimal(&c.args[1], &c.typs[1])? else { return Ok(None) };
        let us = rescale(v, s, 6).and_then(|v| v.to_i128()).and_then(|v| i64::try_from(v).ok());
        return Ok(us.map(|us| (0, us)));
    }
    let Some(n) = small(c, 1)? else { return Ok(None) };
    let (months, us) = match unit {
        "MICROSECOND" => (0, 1),
        "MINUTE" => (0, 60 * SECOND),
        "HOUR" => (0, 3600 * SECOND),
        "DAY" => (0, DAY),
        "WEEK" => (0, 7 * DAY),
        "MONTH" => (1, 0),
        "QUARTER" => (3, 0),
        "YEAR" => (12, 0),
        other => return Err(unsupported(format!("INTERVAL … {other}"))),
    };
    Ok(n.checked_mul(months).zip(n.checked_mul(us)))
}

fn shift(c: &Call, sign: i64) -> Result<Cell<'static>> {
    let Cell::Text(unit) = &c.args[2] else { return Ok(Cell::Null) };
    let Some((months, us)) = interval(c, unit)? else { return Ok(Cell::Null) };
    let (months, us) = (months * sign, us * sign);
    if let Cell::Time(t) = &c.args[0] {
        let v = t.checked_add(us).filter(|v| v.abs() <= MAX_TIME);
        return Ok(v.map_or(Cell::Null, Cell::Time));
    }
    let Some(at) = datetime(&c.args[0])?.filter(|at| !on_zero_date(*at)) else { return Ok(Cell::Null) };
    let (d, t) = split(at);
    let d = if months == 0 {
        d
    } else {
        let (y, m, day) = civil(d);
        let Some(month) = (y * 12 + m - 1).checked_add(months).filter(|n| (0..120_000).contains(n)) else {
            return Ok(Cell::Null);
        };
        let (y, m) = (month / 12, month % 12 + 1);
        days(y, m, day.min(month_days(y, m)))
    };
    let Some(v) = (d * DAY + t).checked_add(us) else { return Ok(Cell::Null) };
    if !(0..=9999).contains(&civil(v.div_euclid(DAY)).0) || v < days(0, 1, 1) * DAY {
        return Ok(Cell::Null);
    }
    Ok(match c.out.class() {
        Class::Date => date_cell(v.div_euclid(DAY)),
        Class::DateTime => Cell::DateTime(v),
        _ => {
            let Cell::Text(text) = &c.args[0] else { return Ok(Cell::Null) };
            let timed = super::moment::datetime_of_text(text)?.is_some_and(|(_, timed)| timed);
            let clock = !matches!(unit.as_ref(), "DAY" | "WEEK" | "MONTH" | "QUARTER" | "YEAR");
            let fsp = if v % SECOND == 0 { 0 } else { 6 };
            let kind = if timed || clock { ColumnType::DateTime { fsp } } else { ColumnType::Date };
            let value = if timed || clock {
                crate::model::Value::DateTime(v)
            } else {
                crate::model::Value::Date(v.div_euclid(DAY) as i32)
            };
            Cell::text(String::from_utf8_lossy(&value.display(&kind).unwrap_or_default()).into_owned())
        }
    })
}

fn seconds_type(a: &Args) -> Result<Typ> {
    let digits = literal_digits(a)?;
    if digits == 0 { Ok(Typ::bigint()) } else { Typ::decimal(10 + u32::from(digits), digits.into(), digits.into()) }
}

/// µs as seconds, in the result's type.
fn seconds(us: i64, c: &Call) -> Cell<'static> {
    match c.out.class() {
        Class::Int => Cell::Int(us / SECOND),
        _ => {
            let held = c.out.held();
            Cell::Decimal(arrow::datatypes::i256::from(us / 10i64.pow(6 - held.min(6))), held)
        }
    }
}

fn sec_to_time(c: &Call) -> Result<Cell<'static>> {
    if c.typs[0].class() == Class::Text || c.typs[0].class() == Class::Double {
        let Some(v) = double(&c.args[0], &c.typs[0])? else { return Ok(Cell::Null) };
        let us = (v * 1e6).clamp(-(MAX_TIME as f64), MAX_TIME as f64) as i64;
        return Ok(Cell::Time(us));
    }
    let Some((v, s)) = decimal(&c.args[0], &c.typs[0])? else { return Ok(Cell::Null) };
    let us = rescale(v, s, 6).and_then(|v| v.to_i128()).unwrap_or(i128::MAX);
    let limit = i128::from(MAX_TIME / SECOND * SECOND + if c.out.scale() > 0 { 999_999 } else { 0 });
    Ok(Cell::Time(truncate(us.clamp(-limit, limit) as i64, c.out.scale())))
}

fn unix_type(a: &Args) -> Result<Typ> {
    if a.typs.is_empty() { Ok(Typ::bigint()) } else { seconds_type(a) }
}

fn unix_timestamp(c: &Call) -> Result<Cell<'static>> {
    if c.args.is_empty() {
        return Ok(Cell::Int(c.session.now.0 / SECOND));
    }
    let Some(local) = datetime(&c.args[0])? else { return Ok(Cell::Null) };
    if on_zero_date(local) {
        // a DATETIME is NULL in MariaDB, and 0 in MySQL
        return match &c.typs[0].kind {
            Some(ColumnType::Timestamp { .. }) => Ok(seconds(0, c)),
            _ => Err(unsupported("UNIX_TIMESTAMP of a zero date")),
        };
    }
    let at = c.session.utc(local)?.0;
    // what no TIMESTAMP holds is 0
    let valid = (0..=i64::from(i32::MAX) * SECOND + 999_999).contains(&at);
    if !valid {
        return Err(unsupported("UNIX_TIMESTAMP outside 1970 to 2038"));
    }
    Ok(seconds(at, c))
}

fn from_unixtime(c: &Call) -> Result<Cell<'static>> {
    let Some((v, s)) = decimal(&c.args[0], &c.typs[0])? else { return Ok(Cell::Null) };
    let us = rescale(v, s, 6).and_then(|v| v.to_i128()).and_then(|v| i64::try_from(v).ok());
    Ok(match us.filter(|us| (0..=i64::from(i32::MAX) * SECOND + 999_999).contains(us)) {
        Some(us) => Cell::DateTime(truncate(c.session.local(crate::model::Micros(us))?, c.out.scale())),
        None => Cell::Null,
    })
}

fn extract(c: &Call) -> Result<Cell<'static>> {
    let Cell::Text(unit) = &c.args[0] else { return Ok(Cell::Null) };
    let clock = matches!(unit.as_ref(), "HOUR" | "MINUTE" | "SECOND" | "MICROSECOND");
    if clock {
        if !matches!(c.typs[1].class(), Class::Time | Class::DateTime | Class::Date) {
            return Err(
                unsupported(format!("EXTRACT({unit} FROM …) of this type")).hint("CAST it AS TIME or DATETIME.")
            );
        }
        let Some(us) = time(&c.args[1])? else { return Ok(Cell::Null) };
        let (sign, us) = (us.signum(), us.abs());
        return Ok(Cell::Int(
            sign * match unit.as_ref() {
                "HOUR" => us / SECOND / 3600,
                "MINUTE" => us / SECOND / 60 % 60,
                "SECOND" => us / SECOND % 60,
                _ => us % SECOND,
            },
        ));
    }
    let Some(us) = datetime(&c.args[1])? else { return Ok(Cell::Null) };
    let d = us.div_euclid(DAY);
    let (y, m, day) = civil(d);
    Ok(Cell::Int(match unit.as_ref() {
        "YEAR" => y,
        "QUARTER" => (m + 2) / 3,
        "MONTH" => m,
        "DAY" => day,
        "YEAR_MONTH" => y * 100 + m,
        "WEEK" if real(&d) => week(d, 0).1,
        other => return Err(Error::new(Kind::Unsupported, format!("EXTRACT({other} FROM …) is not supported"))),
    }))
}
