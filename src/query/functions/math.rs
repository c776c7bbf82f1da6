//! Functions of numbers: rounding, powers, logarithms, angles.

use super::cell::Cell;
use super::number::{cut, decimal, double, integer, rescale, small, ten};
use super::{Args, Call, Spec, lenient, overflow, strict};
use crate::error::Result;
use crate::query::meaning::{Class, Typ, unsupported};
use arrow::datatypes::i256;
use datafusion::common::ScalarValue;

pub(super) const ALL: &[Spec] = &[
    strict("my_abs", 1, 1, same_number, abs),
    strict(
        "my_sign",
        1,
        1,
        |_| Ok(Typ::int()),
        |c| {
            let v = double(&c.args[0], &c.typs[0])?.unwrap_or(0.0);
            Ok(Cell::Int(if v > 0.0 {
                1
            } else if v < 0.0 {
                -1
            } else {
                0
            }))
        },
    ),
    strict("my_ceil", 1, 1, whole_type, |c| whole(c, true)),
    strict("my_floor", 1, 1, whole_type, |c| whole(c, false)),
    strict("my_round", 1, 2, |a| rounded_type(a, true), |c| round(c, true)),
    strict("my_truncate", 2, 2, |a| rounded_type(a, false), |c| round(c, false)),
    strict("my_pow", 2, 2, real, |c| {
        let v = num(c, 0)?.powf(num(c, 1)?);
        if v.is_nan() || v.is_infinite() { Err(overflow("DOUBLE", c.args)) } else { Ok(Cell::Double(v)) }
    }),
    strict("my_sqrt", 1, 1, real, |c| valid(num(c, 0)?.sqrt())),
    strict("my_exp", 1, 1, real, |c| {
        let v = num(c, 0)?.exp();
        if v.is_infinite() { Err(overflow("DOUBLE", c.args)) } else { Ok(Cell::Double(v)) }
    }),
    strict("my_ln", 1, 1, real, |c| positive(c, f64::ln)),
    strict("my_log2", 1, 1, real, |c| positive(c, f64::log2)),
    strict("my_log10", 1, 1, real, |c| positive(c, f64::log10)),
    strict("my_log", 1, 2, real, log),
    strict(
        "my_pi",
        0,
        0,
        |_| Ok(Typ::of(crate::model::ColumnType::Double { unsigned: false, decimals: Some(6) })),
        |_| Ok(Cell::Double(std::f64::consts::PI)),
    ),
    // PERCENT_RANK and CUME_DIST
    strict(
        "my_share",
        1,
        1,
        |_| Ok(Typ::of(crate::model::ColumnType::Double { unsigned: false, decimals: Some(10) })),
        |c| Ok(Cell::Double(num(c, 0)?)),
    ),
    strict("my_sin", 1, 1, real, |c| Ok(Cell::Double(num(c, 0)?.sin()))),
    strict("my_cos", 1, 1, real, |c| Ok(Cell::Double(num(c, 0)?.cos()))),
    strict("my_tan", 1, 1, real, |c| Ok(Cell::Double(num(c, 0)?.tan()))),
    strict("my_cot", 1, 1, real, |c| {
        let t = num(c, 0)?.tan();
        if t == 0.0 { Err(overflow("DOUBLE", c.args)) } else { Ok(Cell::Double(1.0 / t)) }
    }),
    strict("my_asin", 1, 1, real, |c| valid(num(c, 0)?.asin())),
    strict("my_acos", 1, 1, real, |c| valid(num(c, 0)?.acos())),
    strict("my_atan", 1, 2, real, arc),
    strict("my_atan2", 1, 2, real, arc),
    strict("my_degrees", 1, 1, real, |c| Ok(Cell::Double(num(c, 0)? * (180.0 / std::f64::consts::PI)))),
    strict("my_radians", 1, 1, real, |c| Ok(Cell::Double(num(c, 0)? * (std::f64::consts::PI / 180.0)))),
    lenient("my_period_add", 2, 2, |_| Ok(Typ::bigint()), period_add),
    lenient("my_period_diff", 2, 2, |_| Ok(Typ::bigint()), period_diff),
];

fn real(_: &Args) -> Result<Typ> {
    Ok(Typ::double())
}

fn num(c: &Call, i: usize) -> Result<f64> {
    Ok(double(&c.args[i], &c.typs[i])?.unwrap_or(0.0))
}

/// NULL for what has no value.
fn valid(v: f64) -> Result<Cell<'static>> {
    Ok(if v.is_nan() { Cell::Null } else { Cell::Double(v) })
}

fn positive(c: &Call, f: fn(f64) -> f64) -> Result<Cell<'static>> {
    let v = num(c, 0)?;
    Ok(if v <= 0.0 { Cell::Null } else { Cell::Double(f(v)) })
}

fn log(c: &Call) -> Result<Cell<'static>> {
    if c.args.len() == 1 {
        return positive(c, f64::ln);
    }
    let (base, v) = (num(c, 0)?, num(c, 1)?);
    Ok(if base <= 0.0 || base == 1.0 || v <= 0.0 { Cell::Null } else { Cell::Double(v.ln() / base.ln()) })
}

fn arc(c: &Call) -> Result<Cell<'static>> {
    let v = num(c, 0)?;
    Ok(Cell::Double(if c.args.len() == 2 { v.atan2(num(c, 1)?) } else { v.atan() }))
}

/// Temporal values count as the numbers that they look like.
fn as_number(t: &Typ) -> Result<Typ> {
    Ok(match t.class() {
        Class::Int => {
            if t.unsigned() {
                Typ::ubigint()
            } else {
                Typ::bigint()
            }
        }
        Class::Decimal => Typ::decimal(t.precision(), t.scale(), t.held())?,
        Class::Date | Class::DateTime | Class::Time => {
            return Err(unsupported("a date or time as a number here").hint("Add 0 to it."));
        }
        _ => Typ::real(t.fixed()),
    })
}

fn same_number(a: &Args) -> Result<Typ> {
    as_number(&a.typs[0])
}

fn abs(c: &Call) -> Result<Cell<'static>> {
    Ok(match c.out.class() {
        Class::Int if c.out.unsigned() => Cell::UInt(integer(&c.args[0], &c.typs[0])?.unwrap_or(0) as u64),
        Class::Int => {
            let v = integer(&c.args[0], &c.typs[0])?.unwrap_or(0).abs();
            Cell::Int(i64::try_from(v).map_err(|_| overflow("BIGINT", c.args))?)
        }
        Class::Decimal => {
            decimal(&c.args[0], &c.typs[0])?.map_or(Cell::Null, |(v, s)| Cell::Decimal(v.wrapping_abs(), s))
        }
        _ => Cell::Double(num(c, 0)?.abs()),
    })
}

fn whole_type(a: &Args) -> Result<Typ> {
    let t = as_number(&a.typs[0])?;
    if t.class() == Class::Double {
        return Ok(Typ::real(Some(0)));
    }
    if t.class() != Class::Decimal {
        return Ok(t);
    }
    // one digit more: 9.9 rounds up to 10
    let digits = t.precision() - t.scale() + u32::from(t.scale() > 0);
    if digits <= 18 { Ok(Typ::bigint()) } else { Typ::decimal(digits, 0, 0) }
}

fn whole(c: &Call, up: bool) -> Result<Cell<'static>> {
    if c.typs[0].class() == Class::Int {
        return super::cast::convert(&c.args[0], &c.typs[0], c.out);
    }
    if c.typs[0].class() != Class::Decimal {
        let v = num(c, 0)?;
        return Ok(Cell::Double(if up { v.ceil() } else { v.floor() }));
    }
    let Some((v, s)) = decimal(&c.args[0], &c.typs[0])? else { return Ok(Cell::Null) };
    let unit = ten(s);
    let (q, rest) = (v / unit, v % unit);
    let v = match rest {
        r if up && r > i256::ZERO => q + i256::ONE,
        r if !up && r < i256::ZERO => q - i256::ONE,
        _ => q,
    };
    Ok(match c.out.class() {
        Class::Int => {
            Cell::Int(v.to_i128().and_then(|v| i64::try_from(v).ok()).ok_or_else(|| overflow("BIGINT", c.args))?)
        }
        _ => Cell::Decimal(v, 0),
    })
}

fn places(a: &Args) -> Result<Option<i64>> {
    Ok(match (a.typs.len(), a.constants.get(1).copied().flatten()) {
        (1, _) => Some(0),
        (_, Some(ScalarValue::Int64(Some(n)))) => Some(*n),
        (_, Some(ScalarValue::UInt64(Some(_)))) => Some(i64::MAX),
        _ => None,
    })
}

fn rounded_type(a: &Args, up: bool) -> Result<Typ> {
    let t = as_number(&a.typs[0])?;
    let places = places(a)?;
    Ok(match (t.class(), places) {
        (Class::Decimal, Some(p)) => {
            let scale = p.clamp(0, 38) as u32;
            let whole = t.precision() - t.scale() + u32::from((up && scale < t.scale()) || p < 0);
            Typ::decimal(whole + scale, scale, scale)?
        }
        (Class::Decimal, None) => {
            return Err(unsupported("rounding a DECIMAL to a number of digits that is no literal"));
        }
        (Class::Double, p) => Typ::real(p.map(|p| p.clamp(0, 31) as u32)),
        _ => t,
    })
}

fn round(c: &Call, up: bool) -> Result<Cell<'static>> {
    let places = if c.args.len() == 2 { small(c, 1)?.unwrap_or(0) } else { 0 };
    match c.out.class() {
        Class::Int => {
            let v = i256::from_i128(integer(&c.args[0], &c.typs[0])?.unwrap_or(0));
            let v = at(v, 0, places, up).and_then(|v| v.to_i128()).ok_or_else(|| overflow("BIGINT", c.args))?;
            if c.out.unsigned() {
                u64::try_from(v).map(Cell::UInt).map_err(|_| overflow("BIGINT UNSIGNED", c.args))
            } else {
                i64::try_from(v).map(Cell::Int).map_err(|_| overflow("BIGINT", c.args))
            }
        }
        Class::Decimal => {
            let Some((v, s)) = decimal(&c.args[0], &c.typs[0])? else { return Ok(Cell::Null) };
            let v = at(v, s, places, up).and_then(|v| cut(v, s, c.out.held()));
            v.map(|v| Cell::Decimal(v, c.out.held())).ok_or_else(|| overflow("DECIMAL", c.args))
        }
        _ => Ok(Cell::Double(round_double(num(c, 0)?, places, up))),
    }
}

/// A number of scale `s` made whole at `places` digits after the point, in its own scale.
fn at(v: i256, s: u32, places: i64, up: bool) -> Option<i256> {
    let drop = i64::from(s) - places;
    if drop <= 0 {
        return Some(v);
    }
    if drop > 76 {
        return Some(i256::ZERO);
    }
    let drop = drop as u32;
    let kept = if up { rescale(v, drop, 0)? } else { v / ten(drop) };
    kept.checked_mul(ten(drop))
}

/// Source: my_double_round in sql/item_func.cc.
fn round_double(v: f64, places: i64, up: bool) -> f64 {
    let power = 10f64.powi(places.unsigned_abs().min(400) as i32);
    let (scaled, back): (f64, Box<dyn Fn(f64) -> f64>) =
        if places < 0 { (v / power, Box::new(move |v| v * power)) } else { (v * power, Box::new(move |v| v / power)) };
    if places < 0 && power.is_infinite() {
        return 0.0;
    }
    if places >= 0 && scaled.is_infinite() {
        return v;
    }
    if up { back(scaled.round_ties_even()) } else { back(scaled.trunc()) }
}

fn months(p: i64) -> Option<i64> {
    if p <= 0 {
        return Some(0);
    }
    let (year, month) = (p / 100, p % 100);
    let year = match year {
        0..70 => 2000 + year,
        70..100 => 1900 + year,
        y => y,
    };
    (1..=12).contains(&month).then_some(year * 12 + month - 1)
}

fn period_add(c: &Call) -> Result<Cell<'static>> {
    let (Some(p), Some(n)) = (small(c, 0)?, small(c, 1)?) else { return Ok(Cell::Null) };
    let Some(m) = months(p).filter(|_| p > 0) else { return Err(unsupported("PERIOD_ADD of no period")) };
    let m = m + n;
    Ok(Cell::Int(m / 12 * 100 + m % 12 + 1))
}

fn period_diff(c: &Call) -> Result<Cell<'static>> {
    let (Some(p), Some(q)) = (small(c, 0)?, small(c, 1)?) else { return Ok(Cell::Null) };
    match (months(p).filter(|_| p > 0), months(q).filter(|_| q > 0)) {
        (Some(p), Some(q)) => Ok(Cell::Int(p - q)),
        _ => Err(unsupported("PERIOD_DIFF of no period")),
    }
}
