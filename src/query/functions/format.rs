//! DATE_FORMAT and FORMAT, with the names of English (lc_time_names en_US).

use super::cell::Cell;
use super::date::week;
use super::moment::{SECOND, civil, datetime, days, split};
use super::number::{decimal, decimal_text, rescale, small};
use super::{Args, Call, Spec, strict};
use crate::error::Result;
use crate::model::ZERO_DATE;
use crate::query::meaning::{Class, Typ, unsupported};
use std::fmt::Write;

pub(super) const ALL: &[Spec] =
    &[strict("my_date_format", 2, 2, text, date_format), strict("my_format", 2, 2, text, format_number)];

pub(super) const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

fn text(_: &Args) -> Result<Typ> {
    Ok(Typ::text())
}

fn date_format(c: &Call) -> Result<Cell<'static>> {
    if c.typs[0].class() == Class::Time {
        return Err(unsupported("DATE_FORMAT of a TIME"));
    }
    let (Some(us), Some(pattern)) = (datetime(&c.args[0])?, c.text(1)?) else { return Ok(Cell::Null) };
    let mut out = String::new();
    let mut chars = pattern.chars();
    while let Some(ch) = chars.next() {
        match (ch, ch == '%') {
            (_, true) => match chars.next() {
                Some(spec) => {
                    if part(&mut out, spec, us).is_none() {
                        return Ok(Cell::Null);
                    }
                }
                None => out.push('%'),
            },
            (other, _) => out.push(other),
        }
    }
    Ok(Cell::text(out))
}

/// One specifier. `None`: the date has no such part, and the result is NULL.
fn part(out: &mut String, spec: char, us: i64) -> Option<()> {
    let (d, t) = split(us);
    let (y, m, day) = civil(d);
    let zero = d == i64::from(ZERO_DATE);
    let (h, min, s) = (t / SECOND / 3600, t / SECOND / 60 % 60, t / SECOND % 60);
    let half = |h: i64| if h % 12 == 0 { 12 } else { h % 12 };
    let noon = if h < 12 { "AM" } else { "PM" };
    let weekday = (d + 3).rem_euclid(7) as usize;
    let number = |n: i64, width: usize, out: &mut String| write!(out, "{n:0width$}").ok();
    match spec {
        'Y' => number(y, 4, out),
        'y' => number(y % 100, 2, out),
        'm' => number(m, 2, out),
        'c' => number(m, 1, out),
        'd' => number(day, 2, out),
        'e' => number(day, 1, out),
        'H' => number(h, 2, out),
        'k' => number(h, 1, out),
        'h' | 'I' => number(half(h), 2, out),
        'l' => number(half(h), 1, out),
        'i' => number(min, 2, out),
        's' | 'S' => number(s, 2, out),
        'f' => number(t % SECOND, 6, out),
        'p' => write!(out, "{noon}").ok(),
        'T' => write!(out, "{h:02}:{min:02}:{s:02}").ok(),
        'r' => write!(out, "{:02}:{min:02}:{s:02} {noon}", half(h)).ok(),
        'D' => {
            let end = match (day / 10 % 10, day % 10) {
                (1, _) => "th",
                (_, 1) => "st",
                (_, 2) => "nd",
                (_, 3) => "rd",
                _ => "th",
            };
            write!(out, "{day}{end}").ok()
        }
        'j' if !zero => number(d - days(y, 1, 1) + 1, 3, out),
        'M' if m > 0 => write!(out, "{}", MONTHS[m as usize - 1]).ok(),
        'b' if m > 0 => write!(out, "{}", &MONTHS[m as usize - 1][..3]).ok(),
        'W' if !zero => write!(out, "{}", DAYS[weekday]).ok(),
        'a' if !zero => write!(out, "{}", &DAYS[weekday][..3]).ok(),
        'w' if !zero => number((weekday as i64 + 1) % 7, 1, out),
        'U' if !zero => number(week(d, 0).1, 2, out),
        'u' if !zero => number(week(d, 1).1, 2, out),
        'V' if !zero => number(week(d, 2).1, 2, out),
        'v' if !zero => number(week(d, 3).1, 2, out),
        'X' if !zero => number(week(d, 2).0, 4, out),
        'x' if !zero => number(week(d, 3).0, 4, out),
        'j' | 'M' | 'b' | 'W' | 'a' | 'w' | 'U' | 'u' | 'V' | 'v' | 'X' | 'x' => None,
        other => {
            out.push(other);
            Some(())
        }
    }
}

/// FORMAT(n, digits): with commas.
fn format_number(c: &Call) -> Result<Cell<'static>> {
    if !matches!(c.typs[0].class(), Class::Int | Class::Decimal) {
        return Err(unsupported("FORMAT of this type").hint("CAST it AS DECIMAL."));
    }
    let Some((v, s)) = decimal(&c.args[0], &c.typs[0])? else { return Ok(Cell::Null) };
    let places = small(c, 1)?.unwrap_or(0).clamp(0, 38) as u32;
    let Some(v) = rescale(v, s, places) else { return Err(super::overflow("DECIMAL", c.args)) };
    let text = decimal_text(v, places);
    let (sign, rest) = text.strip_prefix('-').map_or(("", text.as_str()), |r| ("-", r));
    let (whole, fraction) = rest.split_once('.').map_or((rest, None), |(w, f)| (w, Some(f)));
    let mut grouped = String::new();
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    Ok(Cell::text(match fraction {
        Some(f) => format!("{sign}{grouped}.{f}"),
        None => format!("{sign}{grouped}"),
    }))
}
