//! `+ - * / DIV % -a`, and the operators on bits.
//!
//! Integers overflow with an error, never by wrapping. A decimal division keeps more digits than it shows, as
//! MariaDB's does: decimal.c reckons in words of nine digits.

use super::cell::Cell;
use super::number::{cut, decimal, double, integer, rescale, ten};
use super::{Args, Call, Spec, lenient, overflow, strict};
use crate::error::Result;
use crate::query::meaning::{Class, Typ, unsupported};
use arrow::datatypes::i256;

pub(super) const ALL: &[Spec] = &[
    strict("my_add", 2, 2, additive, |c| arithmetic(c, i128::checked_add, |a, b| a.checked_add(b), |a, b| a + b)),
    strict("my_sub", 2, 2, additive, |c| arithmetic(c, i128::checked_sub, |a, b| a.checked_sub(b), |a, b| a - b)),
    strict("my_mul", 2, 2, product, multiply),
    strict("my_div", 2, 2, quotient, divide),
    strict("my_intdiv", 2, 2, whole_quotient, int_divide),
    strict("my_mod", 2, 2, remainder, modulo),
    strict("my_neg", 1, 1, negated, negate),
    strict("my_plus", 1, 1, |a| Ok(a.typs[0].clone()), |c| Ok(own(&c.args[0]))),
    strict("my_bitand", 2, 2, bits, |c| bit(c, |a, b| a & b)),
    strict("my_bitor", 2, 2, bits, |c| bit(c, |a, b| a | b)),
    strict("my_bitxor", 2, 2, bits, |c| bit(c, |a, b| a ^ b)),
    strict("my_shl", 2, 2, bits, |c| bit(c, |a, b| if b > 63 { 0 } else { a << b })),
    strict("my_shr", 2, 2, bits, |c| bit(c, |a, b| if b > 63 { 0 } else { a >> b })),
    strict("my_bitnot", 1, 1, bits, |c| Ok(Cell::UInt(!low_bits(c, 0)?))),
    strict("my_bit_count", 1, 1, |_| Ok(Typ::int()), |c| Ok(Cell::Int(low_bits(c, 0)?.count_ones().into()))),
    lenient("my_same", 1, 1, |a| Ok(a.typs[0].clone()), |c| Ok(own(&c.args[0]))),
];

fn own(cell: &Cell) -> Cell<'static> {
    match cell {
        Cell::Text(s) => Cell::text(s.as_ref()),
        Cell::Bytes(b) => Cell::Bytes(b.to_vec().into()),
        Cell::Null => Cell::Null,
        Cell::Int(v) => Cell::Int(*v),
        Cell::UInt(v) => Cell::UInt(*v),
        Cell::Decimal(v, s) => Cell::Decimal(*v, *s),
        Cell::Double(v) => Cell::Double(*v),
        Cell::Float(v) => Cell::Float(*v),
        Cell::Date(v) => Cell::Date(*v),
        Cell::DateTime(v) => Cell::DateTime(*v),
        Cell::Time(v) => Cell::Time(*v),
    }
}

/// As what an operand reckons: Int, Decimal or Double.
fn operand(t: &Typ) -> Class {
    match t.class() {
        Class::Int | Class::Null => Class::Int,
        Class::Decimal => Class::Decimal,
        Class::Date => Class::Int,
        Class::DateTime | Class::Time => {
            if t.scale() == 0 {
                Class::Int
            } else {
                Class::Decimal
            }
        }
        Class::Double | Class::Text | Class::Bytes => Class::Double,
    }
}

fn operands(a: &Args) -> Result<Class> {
    if a.typs.iter().all(|t| t.class() == Class::Null) {
        return Ok(Class::Null);
    }
    Ok(a.typs.iter().map(operand).max().unwrap_or(Class::Int))
}

/// The type of an operator on doubles: as many digits as the operands show.
fn real(a: &Args, more: u32) -> Typ {
    let digits = a.typs.iter().map(Typ::fixed).collect::<Option<Vec<_>>>();
    Typ::real(digits.and_then(|d| d.into_iter().max()).map(|d| d + more))
}

/// Digits before the point.
fn whole(t: &Typ) -> u32 {
    t.precision().saturating_sub(t.scale())
}

fn additive(a: &Args) -> Result<Typ> {
    let (x, y) = (&a.typs[0], &a.typs[1]);
    Ok(match operands(a)? {
        Class::Null => Typ::double(),
        Class::Int if x.unsigned() || y.unsigned() => Typ::ubigint(),
        Class::Int => Typ::bigint(),
        Class::Decimal => {
            let shown = x.scale().max(y.scale());
            Typ::decimal(whole(x).max(whole(y)) + 1 + shown, shown, held(x).max(held(y)))?
        }
        _ => real(a, 0),
    })
}

/// Digits after the point that an operand's values may bring.
fn held(t: &Typ) -> u32 {
    // a date's number comes with six digits when it has any
    if t.is_temporal() && t.scale() > 0 { 6 } else { t.held() }
}

fn product(a: &Args) -> Result<Typ> {
    let (x, y) = (&a.typs[0], &a.typs[1]);
    Ok(match operands(a)? {
        Class::Decimal => {
            Typ::decimal(x.precision() + y.precision(), (x.scale() + y.scale()).min(38), held(x) + held(y))?
        }
        _ => return additive(a),
    })
}

/// Digits as decimal.c keeps them: whole words of nine.
fn words(digits: u32) -> u32 {
    digits.div_ceil(9) * 9
}

/// How many digits a division of decimals really computes; see do_div_mod in strings/decimal.c.
fn division_digits(a: u32, b: u32) -> u32 {
    let increment = 4u32.saturating_sub(words(a) - a + words(b) - b);
    words(words(a) + words(b) + increment)
}

fn quotient(a: &Args) -> Result<Typ> {
    let (x, y) = (&a.typs[0], &a.typs[1]);
    if a.typs.iter().all(|t| t.class() == Class::Null) {
        return Ok(Typ::double());
    }
    Ok(match operands(a)? {
        Class::Double => real(a, 4),
        _ => {
            let shown = (x.scale() + 4).min(38);
            let digits = division_digits(held(x), held(y));
            Typ::decimal(x.precision() + y.scale() + 4, shown, digits)?
        }
    })
}

fn whole_quotient(a: &Args) -> Result<Typ> {
    Ok(if a.typs.iter().any(Typ::unsigned) { Typ::ubigint() } else { Typ::bigint() })
}

fn remainder(a: &Args) -> Result<Typ> {
    let (x, y) = (&a.typs[0], &a.typs[1]);
    Ok(match operands(a)? {
        Class::Null => Typ::double(),
        // the sign is the dividend's
        Class::Int if x.unsigned() => Typ::ubigint(),
        Class::Int => Typ::bigint(),
        Class::Decimal => {
            Typ::decimal(x.precision().max(y.precision()), x.scale().max(y.scale()), held(x).max(held(y)))?
        }
        _ => real(a, 0),
    })
}

fn negated(a: &Args) -> Result<Typ> {
    let t = &a.typs[0];
    Ok(match operand(t) {
        Class::Int if t.class() == Class::Null => Typ::double(),
        Class::Int => Typ::bigint(),
        Class::Decimal => Typ::decimal(t.precision(), t.scale(), held(t))?,
        _ => real(a, 0),
    })
}

fn pair<T>(c: &Call, f: impl Fn(&Cell, &Typ) -> Result<Option<T>>) -> Result<Option<(T, T)>> {
    Ok(f(&c.args[0], &c.typs[0])?.zip(f(&c.args[1], &c.typs[1])?))
}

/// An integer as the result's type.
fn int(c: &Call, v: Option<i128>, what: &str) -> Result<Cell<'static>> {
    let out = || overflow(if c.out.unsigned() { "BIGINT UNSIGNED" } else { "BIGINT" }, format!("{:?} {what}", c.args));
    let v = v.ok_or_else(out)?;
    if c.out.unsigned() {
        u64::try_from(v).map(Cell::UInt).map_err(|_| out())
    } else {
        i64::try_from(v).map(Cell::Int).map_err(|_| out())
    }
}

fn finite(v: f64, c: &Call) -> Result<Cell<'static>> {
    if v.is_finite() { Ok(Cell::Double(v)) } else { Err(overflow("DOUBLE", c.args)) }
}

/// A decimal of the result's scale; more than 65 digits are an overflow.
fn dec(c: &Call, v: Option<i256>, scale: u32) -> Result<Cell<'static>> {
    let held = c.out.held();
    let v = v.and_then(|v| cut(v, scale, held)).ok_or_else(|| overflow("DECIMAL", c.args))?;
    if (v / ten(held)).wrapping_abs() >= ten(65u32.saturating_sub(c.out.scale())) {
        return Err(overflow("DECIMAL", c.args));
    }
    Ok(Cell::Decimal(v, held))
}

fn arithmetic(
    c: &Call,
    of_ints: fn(i128, i128) -> Option<i128>,
    of_decimals: fn(i256, i256) -> Option<i256>,
    of_doubles: fn(f64, f64) -> f64,
) -> Result<Cell<'static>> {
    match c.out.class() {
        Class::Int => {
            let Some((a, b)) = pair(c, integer)? else { return Ok(Cell::Null) };
            int(c, of_ints(a, b), "")
        }
        Class::Decimal => {
            let Some(((a, sa), (b, sb))) = pair(c, decimal)? else { return Ok(Cell::Null) };
            let scale = sa.max(sb);
            let v = rescale(a, sa, scale).zip(rescale(b, sb, scale)).and_then(|(a, b)| of_decimals(a, b));
            dec(c, v, scale)
        }
        _ => match pair(c, double)? {
            Some((a, b)) => finite(of_doubles(a, b), c),
            None => Ok(Cell::Null),
        },
    }
}

fn multiply(c: &Call) -> Result<Cell<'static>> {
    if c.out.class() != Class::Decimal {
        return arithmetic(c, i128::checked_mul, |_, _| None, |a, b| a * b);
    }
    let Some(((a, sa), (b, sb))) = pair(c, decimal)? else { return Ok(Cell::Null) };
    dec(c, a.checked_mul(b), sa + sb)
}

fn divide(c: &Call) -> Result<Cell<'static>> {
    if c.out.class() != Class::Decimal {
        return match pair(c, double)? {
            Some((_, 0.0)) | None => Ok(Cell::Null),
            Some((a, b)) => finite(a / b, c),
        };
    }
    let Some(((a, sa), (b, sb))) = pair(c, decimal)? else { return Ok(Cell::Null) };
    if b == i256::ZERO {
        return Ok(Cell::Null);
    }
    // a / 10^sa over b / 10^sb, with the result's digits
    let held = c.out.held();
    let v = if held + sb >= sa {
        a.checked_mul(ten(held + sb - sa)).map(|a| a / b)
    } else {
        b.checked_mul(ten(sa - held - sb)).map(|b| a / b)
    };
    if v.is_none() {
        return Err(unsupported("a decimal division of so many digits").hint("CAST one of the operands to DOUBLE."));
    }
    dec(c, v, held)
}

fn int_divide(c: &Call) -> Result<Cell<'static>> {
    let exact = c.typs.iter().all(|t| operand(t) == Class::Int);
    if exact {
        return match pair(c, integer)? {
            Some((_, 0)) | None => Ok(Cell::Null),
            Some((a, b)) => int(c, a.checked_div(b), "DIV"),
        };
    }
    // by way of decimals, as MariaDB does whenever an operand is no integer
    let Some(((a, sa), (b, sb))) = pair(c, decimal)? else { return Ok(Cell::Null) };
    if b == i256::ZERO {
        return Ok(Cell::Null);
    }
    let scale = sa.max(sb);
    let v = rescale(a, sa, scale).zip(rescale(b, sb, scale)).and_then(|(a, b)| (a / b).to_i128());
    int(c, v, "DIV")
}

fn modulo(c: &Call) -> Result<Cell<'static>> {
    match c.out.class() {
        Class::Int => match pair(c, integer)? {
            Some((_, 0)) | None => Ok(Cell::Null),
            Some((a, b)) => int(c, a.checked_rem(b), "%"),
        },
        Class::Decimal => {
            let Some(((a, sa), (b, sb))) = pair(c, decimal)? else { return Ok(Cell::Null) };
            if b == i256::ZERO {
                return Ok(Cell::Null);
            }
            let scale = sa.max(sb);
            dec(c, rescale(a, sa, scale).zip(rescale(b, sb, scale)).map(|(a, b)| a % b), scale)
        }
        _ => match pair(c, double)? {
            Some((_, 0.0)) | None => Ok(Cell::Null),
            Some((a, b)) => finite(a % b, c),
        },
    }
}

fn negate(c: &Call) -> Result<Cell<'static>> {
    match c.out.class() {
        Class::Int => int(c, integer(&c.args[0], &c.typs[0])?.map(|v| -v), "negated"),
        Class::Decimal => {
            let Some((v, s)) = decimal(&c.args[0], &c.typs[0])? else { return Ok(Cell::Null) };
            dec(c, v.checked_neg(), s)
        }
        _ => Ok(double(&c.args[0], &c.typs[0])?.map_or(Cell::Null, |v| Cell::Double(-v))),
    }
}

fn bits(a: &Args) -> Result<Typ> {
    if a.typs.iter().any(|t| t.class() == Class::Bytes) {
        return Err(unsupported("an operator on the bits of a binary string"));
    }
    Ok(Typ::ubigint())
}

/// The 64 bits of an argument.
fn low_bits(c: &Call, i: usize) -> Result<u64> {
    let v = integer(&c.args[i], &c.typs[i])?.unwrap_or(0);
    Ok(if v < 0 { v.max(i64::MIN.into()) as i64 as u64 } else { v.min(u64::MAX.into()) as u64 })
}

fn bit(c: &Call, f: fn(u64, u64) -> u64) -> Result<Cell<'static>> {
    Ok(Cell::UInt(f(low_bits(c, 0)?, low_bits(c, 1)?)))
}
