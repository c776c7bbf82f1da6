//! As what are two values compared?

use super::collation::{Rule, rule};
use super::error::unsupported;
use super::lower::Binder;
use super::types::{Class, Typ};
use crate::error::{Error, Kind, Result};
use crate::model::{ColumnType, address};
use crate::query::functions::moment::{DAY, datetime_of_text, time_of_text};
use crate::query::functions::number::leading_int;
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{Expr, Operator, binary_expr, cast, lit};

/// As what two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cmp {
    /// One of them is NULL.
    Null,
    Text(Rule),
    Bytes,
    Int,
    Decimal,
    Double,
    Date,
    DateTime,
    Time,
    Address(Address),
}

/// The types of text that are compared by the bytes that it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Address {
    Uuid,
    Inet4,
    Inet6,
}

impl Address {
    fn of(t: &Typ) -> Option<Address> {
        match t.kind {
            Some(ColumnType::Uuid) => Some(Address::Uuid),
            Some(ColumnType::Inet4) => Some(Address::Inet4),
            Some(ColumnType::Inet6) => Some(Address::Inet6),
            _ => None,
        }
    }

    fn kind(self) -> ColumnType {
        match self {
            Address::Uuid => ColumnType::Uuid,
            Address::Inet4 => ColumnType::Inet4,
            Address::Inet6 => ColumnType::Inet6,
        }
    }
}

/// An address and a value of the same type, or a constant that is one.
fn addresses(a: &Typed, b: &Typed) -> Result<Option<Cmp>> {
    let (one, other, value) = match (Address::of(&a.1), Address::of(&b.1)) {
        (None, None) => return Ok(None),
        (Some(one), other) => (one, other, b),
        (None, Some(one)) => (one, None, a),
    };
    if other == Some(one) {
        return Ok(Some(Cmp::Address(one)));
    }
    match literal_text(&value.0) {
        Some(text) if address::key(&one.kind(), text).is_some() => Ok(Some(Cmp::Address(one))),
        Some(text) => Err(Error::new(Kind::BadValue, format!("'{text}' is no {}", one.kind()))),
        None => Err(unsupported(format!("comparing {} with a value of another type", one.kind()))
            .hint("CAST it AS CHAR to compare it as text.")),
    }
}

/// An expression with its type.
pub(super) type Typed = (Expr, Typ);

fn literal_text(e: &Expr) -> Option<&str> {
    match e {
        Expr::Literal(ScalarValue::Utf8(Some(s)), _) => Some(s),
        Expr::Alias(a) => literal_text(&a.expr),
        _ => None,
    }
}

/// Whether a text is the decimal notation of an integer of 64 bits, and nothing else.
fn whole_number(s: &str) -> Option<i128> {
    let digits = s.strip_prefix('-').unwrap_or(s);
    let plain = !digits.is_empty() && digits.len() <= 19 && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| leading_int(s).0).filter(|v| i64::try_from(*v).is_ok())
}

/// As what `a` and `b` are compared. Errors: `Unsupported` for pairs that are not carried.
pub(super) fn cmp(a: &Typed, b: &Typed) -> Result<Cmp> {
    let ((_, x), (_, y)) = (a, b);
    let pair = |p: fn(Class) -> bool, q: fn(Class) -> bool| {
        if p(x.class()) && q(y.class()) {
            Some((a, b))
        } else if p(y.class()) && q(x.class()) {
            Some((b, a))
        } else {
            None
        }
    };
    let number = |c| matches!(c, Class::Int | Class::Decimal | Class::Double);
    let day = |c| matches!(c, Class::Date | Class::DateTime);
    if x.class() == Class::Null || y.class() == Class::Null {
        return Ok(Cmp::Null);
    }
    if let Some(how) = addresses(a, b)? {
        return Ok(how);
    }
    if let Some(((_, t), (value, other))) = pair(day, |c| matches!(c, Class::Text)) {
        if other.members().is_some() {
            return Err(unsupported("comparing a date with an ENUM or SET"));
        }
        return match literal_text(value) {
            Some(text) => match datetime_of_text(text)? {
                Some((us, _)) if t.class() == Class::Date && us.rem_euclid(DAY) == 0 => Ok(Cmp::Date),
                Some(_) => Ok(Cmp::DateTime),
                None => Err(no_value(text, t)),
            },
            None => Ok(Cmp::DateTime),
        };
    }
    if let Some(((_, t), (value, _))) = pair(|c| c == Class::Time, |c| c == Class::Text) {
        return match literal_text(value) {
            Some(text) if time_of_text(text)?.is_none() => Err(no_value(text, t)),
            _ => Ok(Cmp::Time),
        };
    }
    if let Some(((_, t), (value, other))) = pair(number, |c| c == Class::Text) {
        let year = t.kind == Some(ColumnType::Year);
        return Ok(match literal_text(value).and_then(whole_number) {
            Some(_) if t.class() == Class::Int && other.members().is_none() && !year => Cmp::Int,
            _ if year => return Err(unsupported("comparing a YEAR with a text").hint("Compare it with a number.")),
            _ => Cmp::Double,
        });
    }
    let small_year = |(value, _): &Typed, (_, t): &Typed| {
        t.kind == Some(ColumnType::Year)
            && matches!(value, Expr::Literal(ScalarValue::Int64(Some(n)), _) if (0..100).contains(n))
    };
    if small_year(a, b) || small_year(b, a) {
        return Err(unsupported("comparing a YEAR with a number of two digits").hint("Write all four."));
    }
    Ok(match (x.class(), y.class()) {
        (Class::Text, Class::Text) => match rule(&x.collation.with(&y.collation)?)? {
            Rule::Bytes => Cmp::Bytes,
            rule => Cmp::Text(rule),
        },
        (Class::Bytes, Class::Bytes | Class::Text) | (Class::Text, Class::Bytes) => Cmp::Bytes,
        (Class::Int, Class::Int) => Cmp::Int,
        (Class::Int | Class::Decimal, Class::Int | Class::Decimal) => Cmp::Decimal,
        (p, q) if number(p) && number(q) => {
            let rounded = |t: &Typ| t.class() == Class::Double && t.fixed().is_some();
            if (rounded(x) && y.fixed().is_some()) || (rounded(y) && x.fixed().is_some()) {
                return Err(unsupported("comparing a DOUBLE of a fixed number of digits (ROUND, STD, PI)")
                    .hint("CAST it AS DOUBLE or DECIMAL."));
            }
            Cmp::Double
        }
        (Class::Date, Class::Date) => Cmp::Date,
        (p, q) if day(p) && day(q) => Cmp::DateTime,
        (Class::Time, Class::Time) => Cmp::Time,
        (p, q) if (day(p) && number(q)) || (number(p) && day(q)) => Cmp::DateTime,
        (p, q) if (p == Class::Time && number(q)) || (number(p) && q == Class::Time) => Cmp::Time,
        (p, q) => {
            return Err(
                unsupported(format!("comparing {p:?} with {q:?}")).hint("CAST one of them to the other's type.")
            );
        }
    })
}

fn no_value(text: &str, t: &Typ) -> Error {
    let what = t.kind.as_ref().map(ToString::to_string).unwrap_or_default();
    Error::new(Kind::BadValue, format!("'{text}' is no {what}")).hint("Write it as '2026-01-31 12:30:00'.")
}

/// Both sides converted, so that DataFusion's own comparison of them is right. `None`: it is NULL.
pub(super) fn align(a: Typed, b: Typed, binder: &Binder) -> Result<Option<(Expr, Expr)>> {
    let how = cmp(&a, &b)?;
    if how == Cmp::Int {
        return Ok(Some(ints(a, b)));
    }
    if how == Cmp::Decimal {
        // what a division computed beyond the digits that it shows does not count
        let (a, b) = (settled(a, binder)?, settled(b, binder)?);
        let (x, y) = (&a.1, &b.1);
        let held = x.held().max(y.held());
        let whole = (x.precision() - x.scale()).max(y.precision() - y.scale()) + 1;
        let to = if whole + held <= 38 {
            DataType::Decimal128(38, held as i8)
        } else {
            DataType::Decimal256(76, held as i8)
        };
        return Ok(Some((as_type(a.0, &a.1, &to), as_type(b.0, &b.1, &to))));
    }
    Ok(side(&a, how, binder)?.zip(side(&b, how, binder)?))
}

fn settled((e, typ): Typed, binder: &Binder) -> Result<Typed> {
    if typ.class() != Class::Decimal || typ.held() == typ.scale() {
        return Ok((e, typ));
    }
    let to = Typ::decimal(typ.precision(), typ.scale(), typ.scale())?;
    Ok((binder.convert_always(e, &typ, &to)?, to))
}

fn as_type(e: Expr, typ: &Typ, to: &DataType) -> Expr {
    if typ.arrow == *to {
        e
    } else if typ.arrow == DataType::Boolean {
        cast(cast(e, DataType::Int64), to.clone())
    } else {
        cast(e, to.clone())
    }
}

/// One side, for a comparison in which both sides are converted alike.
fn side((e, typ): &Typed, how: Cmp, binder: &Binder) -> Result<Option<Expr>> {
    let (e, to) = match how {
        Cmp::Null => return Ok(None),
        Cmp::Text(rule) => return binder.key_by(e.clone(), rule).map(Some),
        Cmp::Bytes => (e, Typ::bytes()),
        Cmp::Int | Cmp::Decimal => return Ok(Some(as_type(e.clone(), typ, &typ.arrow))),
        // also doubles: -0 must equal 0
        Cmp::Double => return binder.convert_always(e.clone(), typ, &Typ::double()).map(Some),
        Cmp::Date => (e, Typ::of(ColumnType::Date)),
        Cmp::DateTime => (e, Typ::datetime(6)),
        Cmp::Time => (e, Typ::time(6)),
        Cmp::Address(which) => {
            let constant = literal_text(e).and_then(|text| address::key(&which.kind(), text));
            return match constant {
                Some(key) => Ok(Some(lit(ScalarValue::Binary(Some(key))))),
                None => binder.key(e.clone(), typ).map(Some),
            };
        }
    };
    if typ.arrow == to.arrow {
        return Ok(Some(e.clone()));
    }
    Ok(Some(match (typ.class(), how) {
        (Class::Date, Cmp::DateTime) => cast(e.clone(), to.arrow),
        _ => binder.convert(e.clone(), typ, &to)?,
    }))
}

fn ints(a: Typed, b: Typed) -> (Expr, Expr) {
    let number = |(e, t): Typed| -> (Expr, Typ) {
        match literal_text(&e).and_then(whole_number) {
            Some(v) => (lit(v as i64), Typ::bigint()),
            None if t.arrow == DataType::Boolean => (cast(e, DataType::Int64), Typ::bigint()),
            None => (e, t),
        }
    };
    let ((x, xt), (y, yt)) = (number(a), number(b));
    let wide = |t: &Typ| t.arrow == DataType::UInt64;
    let signed = |t: &Typ| matches!(t.arrow, DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64);
    let unsigned_literal = |e: &Expr| match e {
        Expr::Literal(ScalarValue::Int64(Some(v)), _) => u64::try_from(*v).ok().map(lit),
        _ => None,
    };
    match (wide(&xt) && signed(&yt), signed(&xt) && wide(&yt)) {
        (false, false) => (x, y),
        (true, _) if unsigned_literal(&y).is_some() => (x, unsigned_literal(&y).unwrap_or(y)),
        (_, true) if unsigned_literal(&x).is_some() => (unsigned_literal(&x).unwrap_or(x), y),
        _ => {
            let to = DataType::Decimal128(20, 0);
            (cast(x, to.clone()), cast(y, to))
        }
    }
}

/// The comparison, of both sides converted.
pub(super) fn compare(op: Operator, a: Typed, b: Typed, binder: &Binder) -> Result<Expr> {
    let (ea, eb) = (a.0.clone(), b.0.clone());
    let (na, nb) = (a.1.class() == Class::Null, b.1.class() == Class::Null);
    Ok(match align(a, b, binder)? {
        Some((l, r)) => binary_expr(l, op, r),
        None if op != Operator::IsNotDistinctFrom => lit(ScalarValue::Boolean(None)),
        None if na && nb => lit(true),
        None if na => eb.is_null(),
        None => ea.is_null(),
    })
}

/// `a IN (list)`
pub(super) fn one_of(a: &Typed, list: &[Typed], binder: &Binder) -> Result<Expr> {
    let kinds = list.iter().map(|b| cmp(a, b)).collect::<Result<Vec<_>>>()?;
    let first = kinds[0];
    let alike = kinds.iter().all(|k| *k == first) && !matches!(first, Cmp::Null | Cmp::Decimal);
    let wide = std::iter::once(a).chain(list).any(|(_, t)| t.arrow == DataType::UInt64);
    let texts = first == Cmp::Int && std::iter::once(a).chain(list).any(|(_, t)| t.class() == Class::Text);
    if alike && !texts && !(first == Cmp::Int && wide) {
        let convert = |t: &Typed| side(t, first, binder)?.ok_or_else(|| Error::internal("a NULL in a list of values"));
        let list = list.iter().map(convert).collect::<Result<Vec<_>>>()?;
        return Ok(Expr::InList(InList::new(Box::new(convert(a)?), list, false)));
    }
    let mut any: Option<Expr> = None;
    for b in list {
        let equal = compare(Operator::Eq, a.clone(), b.clone(), binder)?;
        any = Some(match any {
            None => equal,
            Some(e) => e.or(equal),
        });
    }
    any.ok_or_else(|| Error::internal("IN ()"))
}
