//! How do MySQL and MariaDB write a value as text, and read it back?

use super::address;
use super::day::{date_of, day_of};
use super::types::ColumnType;
use super::value::Value;
use crate::error::{Error, Kind, Result};
use arrow::datatypes::i256;
use std::fmt::Write;

/// The longest TIME: 838:59:59.999999, in µs.
const MAX_TIME: i64 = (838 * 3600 + 59 * 60 + 59) * 1_000_000 + 999_999;
const DAY: i64 = 86_400_000_000;

impl Value {
    /// The value as the text protocol shows it. `None` for NULL. TIMESTAMP as UTC: shift it before, if a
    /// session's zone is another. Source: MariaDB's Field::val_str.
    pub fn display(&self, kind: &ColumnType) -> Option<Vec<u8>> {
        let mut s = String::new();
        match self {
            Value::Null => return None,
            Value::Int(v) => padded(v, kind, &mut s),
            Value::UInt(v) => match kind {
                ColumnType::Bit { bits } => {
                    let bytes = usize::from(bits.div_ceil(8));
                    return Some(v.to_be_bytes()[8 - bytes..].to_vec());
                }
                ColumnType::Year => write!(s, "{v:04}").expect("a String takes all"),
                _ => padded(v, kind, &mut s),
            },
            Value::Decimal(v) => {
                let (precision, scale, fill) = match kind {
                    ColumnType::Decimal { precision, scale, zerofill, .. } => (*precision, *scale, *zerofill),
                    _ => (65, 0, false),
                };
                s = decimal_text(*v, scale);
                if fill {
                    s = format!("{s:0>width$}", width = usize::from(precision) + usize::from(scale > 0));
                }
            }
            Value::Float(v) => match kind {
                ColumnType::Float { decimals: Some(d), .. } => {
                    write!(s, "{v:.*}", usize::from(*d)).expect("a String takes all")
                }
                _ => s = display_float(*v),
            },
            Value::Double(v) => match kind {
                ColumnType::Double { decimals: Some(d), .. } if v.abs() < 1e15 => {
                    write!(s, "{v:.*}", usize::from(*d)).expect("a String takes all")
                }
                // the shortest digits, and zeros for the rest
                ColumnType::Double { decimals: Some(d), .. } => {
                    s = v.to_string();
                    if *d > 0 {
                        s = format!("{s}.{:0>width$}", "", width = usize::from(*d));
                    }
                }
                _ => s = display_double(*v),
            },
            Value::Date(days) => s = date_text(*days),
            Value::DateTime(us) => s = datetime_text(*us, fsp(kind)),
            Value::Time(us) => s = time_text(*us, fsp(kind)),
            Value::Text(v) => return Some(v.clone().into_bytes()),
            Value::Bytes(v) => return Some(v.clone()),
        }
        Some(s.into_bytes())
    }

    /// The value as text that a server reads back to exactly this value: as `display`, but floats keep every
    /// digit and BIT is a number. `None` for NULL.
    pub fn exact_text(&self, kind: &ColumnType) -> Option<Vec<u8>> {
        match (self, kind) {
            (Value::Float(v), _) => Some(v.to_string().into_bytes()),
            (Value::Double(v), _) => Some(format!("{v:e}").into_bytes()),
            (Value::UInt(v), ColumnType::Bit { .. }) => Some(v.to_string().into_bytes()),
            _ => self.display(kind),
        }
    }

    /// Reads what `display` or `exact_text` of a source wrote, for a column of this type.
    /// Errors: `BadValue` when the text is no value of the type (nothing is rounded, cut or guessed).
    pub fn parse(kind: &ColumnType, text: &[u8]) -> Result<Value> {
        let bad = || {
            Error::new(
                Kind::BadValue,
                format!("'{}' is no value of type {kind}", String::from_utf8_lossy(&text[..text.len().min(60)])),
            )
        };
        let utf8 = || std::str::from_utf8(text).map_err(|_| bad());
        Ok(match kind {
            ColumnType::Int { bytes, unsigned: false, .. } => {
                let v: i64 = utf8()?.trim().parse().map_err(|_| bad())?;
                let limit = i64::MAX >> (64 - 8 * i64::from(*bytes));
                if v > limit || v < -limit - 1 {
                    return Err(bad());
                }
                Value::Int(v)
            }
            ColumnType::Int { bytes, .. } => {
                let v: u64 = utf8()?.trim().parse().map_err(|_| bad())?;
                if v > u64::MAX >> (64 - 8 * u64::from(*bytes)) {
                    return Err(bad());
                }
                Value::UInt(v)
            }
            ColumnType::Year => Value::UInt(utf8()?.trim().parse::<u16>().map_err(|_| bad())?.into()),
            ColumnType::Bit { bits } => Value::UInt(bit(text, *bits).ok_or_else(bad)?),
            ColumnType::Decimal { precision, scale, .. } => {
                Value::Decimal(parse_decimal(utf8()?.trim(), *precision, *scale).ok_or_else(bad)?)
            }
            ColumnType::Float { .. } => Value::Float(utf8()?.trim().parse().map_err(|_| bad())?),
            ColumnType::Double { .. } => Value::Double(utf8()?.trim().parse().map_err(|_| bad())?),
            ColumnType::Date => Value::Date(parse_date(utf8()?).ok_or_else(bad)?),
            ColumnType::DateTime { .. } | ColumnType::Timestamp { .. } => {
                Value::DateTime(parse_datetime(utf8()?).ok_or_else(bad)?)
            }
            ColumnType::Time { .. } => Value::Time(parse_time(utf8()?).ok_or_else(bad)?),
            k if k.is_text() => Value::Text(utf8()?.to_string()),
            // in whatever spelling: as the server shows it
            k if k.is_address() => {
                let bytes = address::bytes(k, utf8()?).ok_or_else(bad)?;
                Value::Text(address::shown(k, &bytes).ok_or_else(bad)?)
            }
            ColumnType::Binary { length } => {
                let mut v = text.to_vec();
                v.resize(v.len().max(*length as usize), 0);
                Value::Bytes(v)
            }
            _ => Value::Bytes(text.to_vec()),
        })
    }
}

fn fsp(kind: &ColumnType) -> u8 {
    match kind {
        ColumnType::Time { fsp } | ColumnType::DateTime { fsp } | ColumnType::Timestamp { fsp } => *fsp,
        _ => 6,
    }
}

fn padded(v: &impl std::fmt::Display, kind: &ColumnType, s: &mut String) {
    match kind {
        ColumnType::Int { zerofill: Some(width), .. } => write!(s, "{v:0>width$}", width = usize::from(*width)),
        _ => write!(s, "{v}"),
    }
    .expect("a String takes all");
}

/// DOUBLE as MySQL shows it: the shortest digits that read back to the value; with an exponent from 1e15 on
/// and below 1e-15. Source: my_gcvt in strings/dtoa.c.
pub fn display_double(v: f64) -> String {
    if v != 0.0 && !(1e-15..1e15).contains(&v.abs()) { format!("{v:e}") } else { v.to_string() }
}

/// FLOAT as MySQL shows it: six significant digits, trailing zeros dropped.
pub fn display_float(v: f32) -> String {
    if v == 0.0 || !v.is_finite() {
        return v.to_string();
    }
    let rounded = format!("{v:.5e}");
    let (digits, exponent) = rounded.split_once('e').expect("LowerExp writes an e");
    let exponent: i32 = exponent.parse().expect("LowerExp writes a number after e");
    let digits = digits.trim_end_matches('0').trim_end_matches('.');
    if (-15..15).contains(&exponent) {
        // exact: at most six digits, which a double holds
        format!("{digits}e{exponent}").parse::<f64>().map_or_else(|_| rounded.clone(), |v| v.to_string())
    } else {
        format!("{digits}e{exponent}")
    }
}

fn decimal_text(v: i256, scale: u8) -> String {
    let text = v.to_string();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.as_str()),
    };
    if scale == 0 {
        return text;
    }
    let digits = format!("{digits:0>width$}", width = usize::from(scale) + 1);
    let (whole, fraction) = digits.split_at(digits.len() - usize::from(scale));
    format!("{sign}{whole}.{fraction}")
}

/// DECIMAL text to the value times 10^scale; `None` if it has more digits than the type holds.
fn parse_decimal(text: &str, precision: u8, scale: u8) -> Option<i256> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let fraction = if fraction.len() > usize::from(scale) { fraction.trim_end_matches('0') } else { fraction };
    let whole = whole.trim_start_matches('0');
    if fraction.len() > usize::from(scale)
        || whole.len() > usize::from(precision - scale)
        || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit())
        || digits.is_empty()
        || digits == "."
    {
        return None;
    }
    let all = format!("{whole}{fraction:0<width$}", width = usize::from(scale));
    let v = if all.is_empty() { i256::ZERO } else { i256::from_string(&all)? };
    Some(if negative { v.wrapping_neg() } else { v })
}

/// BIT from its raw bytes (as the text protocol and dumps carry it).
fn bit(raw: &[u8], bits: u8) -> Option<u64> {
    if raw.len() > 8 {
        return None;
    }
    let v = raw.iter().fold(0u64, |v, b| v << 8 | u64::from(*b));
    (bits == 64 || v < 1 << bits).then_some(v)
}

fn date_text(days: i32) -> String {
    match date_of(days) {
        Some((y, m, d)) => format!("{y:04}-{m:02}-{d:02}"),
        None => format!("day {days}"),
    }
}

fn fraction(us: i64, fsp: u8, s: &mut String) {
    if fsp > 0 {
        let fsp = fsp.min(6);
        write!(s, ".{:0width$}", us / 10i64.pow(6 - u32::from(fsp)), width = usize::from(fsp))
            .expect("a String takes all");
    }
}

fn datetime_text(us: i64, fsp: u8) -> String {
    let Ok(days) = i32::try_from(us.div_euclid(DAY)) else { return format!("{us} µs") };
    format!("{} {}", date_text(days), time_text(us.rem_euclid(DAY), fsp))
}

fn time_text(us: i64, fsp: u8) -> String {
    let a = us.unsigned_abs() as i64;
    let (seconds, rest) = (a / 1_000_000, a % 1_000_000);
    let sign = if us < 0 { "-" } else { "" };
    let mut s = format!("{sign}{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    fraction(rest, fsp, &mut s);
    s
}

fn number(s: &str, digits: std::ops::RangeInclusive<usize>) -> Option<u32> {
    (digits.contains(&s.len()) && s.bytes().all(|b| b.is_ascii_digit())).then(|| s.parse().ok()).flatten()
}

/// `YYYY-MM-DD`
fn parse_date(s: &str) -> Option<i32> {
    let mut parts = s.splitn(3, '-');
    let (y, m, d) = (number(parts.next()?, 4..=4)?, number(parts.next()?, 1..=2)?, number(parts.next()?, 1..=2)?);
    day_of(y, m, d)
}

/// Seconds after the point, as µs.
fn parse_fraction(s: &str) -> Option<i64> {
    let digits = number(s, 1..=6)?;
    Some(i64::from(digits) * 10i64.pow(6 - s.len() as u32))
}

/// `HH:MM:SS[.ffffff]` as µs; hours may have three digits.
fn parse_clock(s: &str) -> Option<i64> {
    let (clock, frac) = s.split_once('.').map_or((s, None), |(c, f)| (c, Some(f)));
    let mut parts = clock.splitn(3, ':');
    let (h, m, sec) = (number(parts.next()?, 1..=3)?, number(parts.next()?, 1..=2)?, number(parts.next()?, 1..=2)?);
    if m > 59 || sec > 59 {
        return None;
    }
    let frac = frac.map_or(Some(0), parse_fraction)?;
    Some((i64::from(h) * 3600 + i64::from(m) * 60 + i64::from(sec)) * 1_000_000 + frac)
}

fn parse_datetime(s: &str) -> Option<i64> {
    let (date, clock) = s.split_once([' ', 'T']).unwrap_or((s, "00:00:00"));
    let (days, us) = (parse_date(date)?, parse_clock(clock)?);
    (us < DAY).then(|| i64::from(days) * DAY + us)
}

fn parse_time(s: &str) -> Option<i64> {
    let (negative, rest) = s.strip_prefix('-').map_or((false, s), |rest| (true, rest));
    let us = parse_clock(rest)?;
    (us <= MAX_TIME).then_some(if negative { -us } else { us })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(kind: ColumnType, text: &str) {
        let v = Value::parse(&kind, text.as_bytes()).unwrap_or_else(|e| panic!("{kind}: {e}"));
        assert_eq!(String::from_utf8(v.display(&kind).expect("not NULL")).expect("text"), text, "{kind}");
    }

    #[test]
    fn what_a_server_shows_is_read_back_and_shown_again() {
        let int = |bytes, unsigned| ColumnType::Int { bytes, unsigned, zerofill: None };
        round_trip(int(1, false), "-128");
        round_trip(int(8, true), "18446744073709551615");
        round_trip(ColumnType::Int { bytes: 4, unsigned: true, zerofill: Some(10) }, "0000000042");
        let decimal = |precision, scale| ColumnType::Decimal { precision, scale, unsigned: false, zerofill: false };
        round_trip(decimal(10, 2), "-0.05");
        round_trip(decimal(65, 30), "-12345678901234567890123456789012345.123456789012345678901234567890");
        round_trip(ColumnType::Double { unsigned: false, decimals: None }, "1e15");
        round_trip(ColumnType::Double { unsigned: false, decimals: None }, "123456789.25");
        round_trip(ColumnType::Date, "0000-00-00");
        round_trip(ColumnType::Date, "9999-12-31");
        round_trip(ColumnType::Date, "2026-00-00");
        round_trip(ColumnType::Date, "2026-02-31");
        round_trip(ColumnType::DateTime { fsp: 1 }, "0000-00-00 10:00:00.5");
        round_trip(ColumnType::DateTime { fsp: 0 }, "2026-00-17 23:59:59");
        round_trip(ColumnType::DateTime { fsp: 3 }, "1000-01-01 00:00:00.123");
        round_trip(ColumnType::Timestamp { fsp: 0 }, "0000-00-00 00:00:00");
        round_trip(ColumnType::Time { fsp: 6 }, "-838:59:59.000001");
        round_trip(ColumnType::Time { fsp: 1 }, "-00:00:00.5");
        round_trip(ColumnType::Year, "0000");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let int = ColumnType::Int { bytes: 1, unsigned: false, zerofill: None };
        for (kind, text) in [
            (int, "128"),
            (ColumnType::Decimal { precision: 3, scale: 1, unsigned: false, zerofill: false }, "1.25"),
            (ColumnType::Date, "2026-13-00"),
            (ColumnType::Date, "2026-02-32"),
            (ColumnType::DateTime { fsp: 0 }, "2026-02-01 24:00:00"),
            (ColumnType::Time { fsp: 0 }, "839:00:00"),
        ] {
            assert_eq!(Value::parse(&kind, text.as_bytes()).expect_err(text).kind, Kind::BadValue);
        }
    }

    #[test]
    fn floats_show_six_digits() {
        for (v, text) in [
            (0.1, "0.1"),
            (16_777_216.0, "16777200"),
            (1.0 / 3.0, "0.333333"),
            (3.402_823_5e38, "3.40282e38"),
            (-2.5, "-2.5"),
        ] {
            assert_eq!(display_float(v), text);
        }
    }
}
