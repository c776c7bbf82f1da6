//! How does a value count as a number? MySQL's implicit conversions.

use super::cell::Cell;
use super::{Call, moment, overflow};
use crate::error::{Error, Result};
use crate::query::meaning::{Typ, unsupported};
use arrow::datatypes::i256;

/// 10^n.
pub(in crate::query) fn ten(n: u32) -> i256 {
    i256::from_i128(10).wrapping_pow(n)
}

/// The same value with another scale; digits that fall away round half away from zero.
pub(in crate::query) fn rescale(v: i256, from: u32, to: u32) -> Option<i256> {
    if to >= from {
        return v.checked_mul(ten(to - from));
    }
    if from - to > 76 {
        return Some(i256::ZERO);
    }
    let unit = ten(from - to);
    let (quotient, rest) = (v / unit, v % unit);
    let half = rest.wrapping_abs() >= unit - rest.wrapping_abs();
    let one = if v.is_negative() { i256::MINUS_ONE } else { i256::ONE };
    Some(if half { quotient + one } else { quotient })
}

/// Drops digits.
pub(in crate::query) fn cut(v: i256, from: u32, to: u32) -> Option<i256> {
    if to >= from { v.checked_mul(ten(to - from)) } else { Some(v / ten((from - to).min(76))) }
}

/// A decimal as text: `-12.30`.
pub(in crate::query) fn decimal_text(v: i256, scale: u32) -> String {
    let text = v.to_string();
    let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |d| ("-", d));
    if scale == 0 {
        return text;
    }
    let scale = scale as usize;
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    format!("{sign}{whole}.{fraction}")
}

/// The number that a text begins with: `' 12.5e1abc'` is 125, `'abc'` is 0. Source: my_strtod.
pub(in crate::query) fn leading_double(text: &str) -> f64 {
    let s = text.trim_start_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
    let b = s.as_bytes();
    let digits = |from: usize| b[from..].iter().take_while(|c| c.is_ascii_digit()).count();
    let mut end = usize::from(matches!(b.first(), Some(b'-' | b'+')));
    let whole = digits(end);
    end += whole;
    let mut fraction = 0;
    if b.get(end) == Some(&b'.') {
        fraction = digits(end + 1);
        end += 1 + fraction;
    }
    if whole + fraction == 0 {
        return 0.0;
    }
    if matches!(b.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(b.get(end + 1), Some(b'-' | b'+')));
        let exponent = digits(end + 1 + sign);
        if exponent > 0 {
            end += 1 + sign + exponent;
        }
    }
    let v: f64 = s[..end].parse().unwrap_or(0.0);
    v.clamp(f64::MIN, f64::MAX)
}

/// The decimal that a text begins with, as value and scale.
pub(in crate::query) fn leading_decimal(text: &str) -> (i256, u32) {
    let s = text.trim_start();
    let (negative, s) = match s.as_bytes().first() {
        Some(b'-') => (true, &s[1..]),
        Some(b'+') => (false, &s[1..]),
        _ => (false, s),
    };
    let whole: String = s.chars().take_while(char::is_ascii_digit).collect();
    let rest = &s[whole.len()..];
    let fraction: String =
        rest.strip_prefix('.').map(|f| f.chars().take_while(char::is_ascii_digit).collect()).unwrap_or_default();
    let after = &rest[if rest.starts_with('.') { 1 + fraction.len() } else { 0 }..];
    let mut v = digits_value(&whole, &fraction);
    let mut scale = fraction.len().min(38) as i64;
    if after.starts_with(['e', 'E']) && !(whole.is_empty() && fraction.is_empty()) {
        let exponent = &after[1..];
        let signed = usize::from(exponent.starts_with(['-', '+']));
        let digits = exponent[signed..].bytes().take_while(u8::is_ascii_digit).count();
        let e: i64 = exponent[..signed + digits].parse().unwrap_or(0).clamp(-76, 76);
        scale -= e;
        if scale < 0 {
            v = v.checked_mul(ten((-scale) as u32)).unwrap_or(ten(65) - i256::ONE);
            scale = 0;
        }
    }
    let mut scale = scale as u32;
    if scale > 38 {
        v = rescale(v, scale, 38).unwrap_or(i256::ZERO);
        scale = 38;
    }
    (if negative { v.wrapping_neg() } else { v }, scale)
}

fn digits_value(whole: &str, fraction: &str) -> i256 {
    let all: String = whole.chars().chain(fraction.chars().take(38)).collect();
    let all = all.trim_start_matches('0');
    match all.len() {
        0 => i256::ZERO,
        1..=75 => i256::from_string(all).unwrap_or(i256::ZERO),
        _ => ten(65) - i256::ONE,
    }
}

/// The integer that a text begins with; `None` when it is out of range of 64 bits.
pub(in crate::query) fn leading_int(text: &str) -> (i128, bool) {
    let s = text.trim_start();
    let sign = usize::from(s.starts_with(['-', '+']));
    let digits = s[sign..].bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return (0, true);
    }
    match s[..sign + digits].trim_start_matches('+').parse::<i128>() {
        Ok(v) => (v, v >= i64::MIN.into() && v <= u64::MAX.into()),
        Err(_) => (if s.starts_with('-') { i64::MIN.into() } else { u64::MAX.into() }, false),
    }
}

/// A decimal as the nearest double.
pub(in crate::query) fn decimal_double(v: i256, scale: u32) -> f64 {
    decimal_text(v, scale).parse().unwrap_or(0.0)
}

fn bytes() -> Error {
    unsupported("a binary string as a number").hint("CAST it AS CHAR first.")
}

/// As DOUBLE. Temporal values as YYYYMMDDhhmmss, text by its beginning, ENUM by its index.
pub(in crate::query) fn double(cell: &Cell, typ: &Typ) -> Result<Option<f64>> {
    Ok(Some(match cell {
        Cell::Null => return Ok(None),
        Cell::Int(v) => *v as f64,
        Cell::UInt(v) => *v as f64,
        Cell::Decimal(v, s) => decimal_double(*v, *s),
        Cell::Double(v) => *v,
        Cell::Float(v) => f64::from(*v),
        Cell::Text(s) => match typ.members() {
            Some(_) => member_number(s, typ) as f64,
            None => leading_double(s),
        },
        Cell::Bytes(_) => return Err(bytes()),
        Cell::Date(_) | Cell::DateTime(_) | Cell::Time(_) => {
            let (v, s) = moment::number(cell);
            decimal_double(v, s)
        }
    }))
}

/// An ENUM's index, a SET's bits.
pub(in crate::query) fn member_number(text: &str, typ: &Typ) -> u64 {
    use crate::model::ColumnType;
    match &typ.kind {
        Some(ColumnType::Enum { members }) => members.iter().position(|m| m == text).map_or(0, |i| i as u64 + 1),
        Some(ColumnType::Set { members }) if !text.is_empty() => text
            .split(',')
            .filter_map(|part| members.iter().position(|m| m == part))
            .fold(0, |bits, i| bits | 1u64.checked_shl(i as u32).unwrap_or(0)),
        _ => 0,
    }
}

/// As DECIMAL: value and scale.
pub(in crate::query) fn decimal(cell: &Cell, typ: &Typ) -> Result<Option<(i256, u32)>> {
    Ok(Some(match cell {
        Cell::Null => return Ok(None),
        Cell::Int(v) => (i256::from(*v), 0),
        Cell::UInt(v) => (i256::from_i128((*v).into()), 0),
        Cell::Decimal(v, s) => (*v, *s),
        // a double becomes the decimal that its shortest text shows
        Cell::Double(v) => leading_decimal(&format!("{v:e}")),
        Cell::Float(v) => leading_decimal(&format!("{:e}", f64::from(*v))),
        Cell::Text(s) => match typ.members() {
            Some(_) => (i256::from_i128(member_number(s, typ).into()), 0),
            None => leading_decimal(s),
        },
        Cell::Bytes(_) => return Err(bytes()),
        Cell::Date(_) | Cell::DateTime(_) | Cell::Time(_) => moment::number(cell),
    }))
}

/// As an integer of 64 bits, signed or not: numbers round, text is read up to its first non-digit.
/// `None` for NULL; values out of range are an `Overflow`.
pub(in crate::query) fn integer(cell: &Cell, typ: &Typ) -> Result<Option<i128>> {
    Ok(Some(match cell {
        Cell::Null => return Ok(None),
        Cell::Int(v) => (*v).into(),
        Cell::UInt(v) => (*v).into(),
        Cell::Decimal(v, s) => rescale(*v, *s, 0).and_then(|v| v.to_i128()).ok_or_else(|| overflow("BIGINT", cell))?,
        Cell::Double(v) => round_double(*v),
        Cell::Float(v) => round_double(f64::from(*v)),
        Cell::Text(s) if typ.members().is_some() => member_number(s, typ).into(),
        Cell::Text(s) => leading_int(s).0,
        Cell::Bytes(_) => return Err(bytes()),
        Cell::Date(_) | Cell::DateTime(_) | Cell::Time(_) => {
            let (v, s) = moment::number(cell);
            rescale(v, s, 0).and_then(|v| v.to_i128()).unwrap_or(0)
        }
    }))
}

/// Half to even, as rint() does; out of range saturates.
fn round_double(v: f64) -> i128 {
    let r = v.round_ties_even();
    if r >= u64::MAX as f64 { u64::MAX.into() } else { r as i128 }
}

/// As a truth value.
pub(in crate::query) fn truth(cell: &Cell, typ: &Typ) -> Result<Option<bool>> {
    Ok(match cell {
        Cell::Null => None,
        Cell::Int(v) => Some(*v != 0),
        Cell::UInt(v) => Some(*v != 0),
        Cell::Decimal(v, _) => Some(*v != i256::ZERO),
        _ => double(cell, typ)?.map(|v| v != 0.0),
    })
}

/// An argument clamped to i64, as most functions take their positions and lengths.
pub(in crate::query) fn small(call: &Call, arg: usize) -> Result<Option<i64>> {
    let value = integer(&call.args[arg], &call.typs[arg])?;
    Ok(value.map(|v| v.clamp(i64::MIN.into(), i64::MAX.into()) as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_counts_as_the_number_it_begins_with() {
        for (text, n) in [("12abc", 12.0), (" -1.5e1x", -15.0), ("abc", 0.0), (".5", 0.5), ("1e", 1.0), ("", 0.0)] {
            assert_eq!(leading_double(text), n, "{text}");
        }
        assert_eq!(leading_decimal("-12.50x"), (i256::from_i128(-1250), 2));
        assert_eq!(leading_decimal("1.5e2"), (i256::from_i128(150), 0));
    }

    #[test]
    fn halves_round_away_from_zero() {
        let round = |v: i128| rescale(i256::from_i128(v), 1, 0).and_then(|v| v.to_i128());
        assert_eq!([round(25), round(-25), round(24), round(-24)], [Some(3), Some(-3), Some(2), Some(-2)]);
    }
}
