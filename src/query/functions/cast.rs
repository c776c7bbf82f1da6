//! CAST, CONVERT, COLLATE, and the conversions that operators need.

use super::cell::Cell;
use super::moment::{DAY, datetime, time, truncate};
use super::number::{decimal, double, integer, rescale, ten, truth};
use super::{Args, Call, Spec, bytes_of, lenient, overflow, strict, text_of};
use crate::error::{Error, Result};
use crate::model::{Charset, ColumnType, address};
use crate::query::meaning::{Class, Collation, Derivation, Typ, rule, unsupported};
use arrow::datatypes::{DataType, i256};

pub(super) const ALL: &[Spec] = &[
    strict("my_cast_signed", 1, 1, |_| Ok(Typ::bigint()), |c| Ok(Cell::Int(wide(c)? as i64))),
    strict("my_cast_unsigned", 1, 1, |_| Ok(Typ::ubigint()), |c| Ok(Cell::UInt(wide(c)? as u64))),
    strict("my_cast_char", 2, 2, char_type, cut_text),
    strict("my_cast_binary", 2, 2, |_| Ok(Typ::bytes()), cut_bytes),
    strict("my_cast_decimal", 2, 2, decimal_type, to_decimal),
    strict("my_cast_double", 1, 1, |_| Ok(Typ::double()), |c| convert(&c.args[0], &c.typs[0], c.out)),
    strict("my_cast_date", 1, 1, |_| Ok(Typ::of(ColumnType::Date)), |c| convert(&c.args[0], &c.typs[0], c.out)),
    strict("my_cast_datetime", 2, 2, |a| Ok(Typ::datetime(fsp(a)?)), |c| convert(&c.args[0], &c.typs[0], c.out)),
    strict("my_cast_time", 2, 2, |a| Ok(Typ::time(fsp(a)?)), |c| convert(&c.args[0], &c.typs[0], c.out)),
    strict("my_collate", 2, 2, collated, |c| convert(&c.args[0], &c.typs[0], c.out)),
    lenient("my_as", 1, 1, |a| Ok(a.typs[0].clone()), |c| convert(&c.args[0], &c.typs[0], c.out)),
    lenient("my_settle", 1, 1, settled, |c| convert(&c.args[0], &c.typs[0], c.out)),
    lenient("my_recursive", 1, 1, recursive, |c| convert(&c.args[0], &c.typs[0], c.out)),
    lenient("my_output", 1, 1, output, |c| convert(&c.args[0], &c.typs[0], c.out)),
    strict("my_key", 1, 1, |a| key_type(&a.typs[0]), key),
    strict("my_literal_date", 1, 1, |_| Ok(Typ::of(ColumnType::Date)), literal),
    strict("my_literal_datetime", 1, 1, |a| Ok(Typ::datetime(written_fsp(a)?)), literal),
    strict("my_literal_time", 1, 1, |a| Ok(Typ::time(written_fsp(a)?)), literal),
    strict("my_hex_literal", 1, 1, |_| Ok(Typ::bytes()), |c| convert(&c.args[0], &c.typs[0], c.out)),
];

fn number(a: &Args, i: usize) -> Result<Option<u32>> {
    let word = a.word(i)?;
    if word.is_empty() {
        return Ok(None);
    }
    word.parse().map(Some).map_err(|_| Error::internal(format!("'{word}' is no length")))
}

fn fsp(a: &Args) -> Result<u8> {
    match number(a, 1)?.unwrap_or(0) {
        n @ 0..=6 => Ok(n as u8),
        n => Err(Error::new(
            crate::error::Kind::BadValue,
            format!("Too big precision {n} for a date or time; 6 at most"),
        )),
    }
}

/// Digits after the point of a literal's text.
fn written_fsp(a: &Args) -> Result<u8> {
    let text = a.word(0)?;
    Ok(text.rsplit_once('.').map_or(0, |(_, f)| f.len().min(6)) as u8)
}

/// The collation of a text that was converted to the connection's charset.
fn unicode(collation: &Collation) -> Collation {
    match Charset::of_collation(&collation.name).is_some_and(|c| !c.is_utf8()) {
        true => Collation { derivation: collation.derivation, ..Collation::literal() },
        false => collation.clone(),
    }
}

fn char_type(a: &Args) -> Result<Typ> {
    let mut typ =
        Typ::text_in(if a.class(0) == Class::Text { unicode(&a.typs[0].collation) } else { Collation::literal() });
    if let Some(length) = number(a, 1)? {
        typ.kind = Some(ColumnType::Varchar { length });
    }
    Ok(typ)
}

/// As an integer of 64 bits, in two's complement.
fn wide(c: &Call) -> Result<i128> {
    let v = integer(&c.args[0], &c.typs[0])?.unwrap_or(0);
    if let Cell::Double(_) | Cell::Float(_) = c.args[0]
        && (v >= u64::MAX.into() || v < i64::MIN.into() || (v > i64::MAX.into() && !c.out.unsigned()))
    {
        return Err(overflow("BIGINT", &c.args[0]));
    }
    if v > u64::MAX.into() || v < i64::MIN.into() {
        return Err(overflow("BIGINT", &c.args[0]));
    }
    Ok(if c.out.unsigned() { v as u64 as i128 } else { v as i64 as i128 })
}

fn cut_text(c: &Call) -> Result<Cell<'static>> {
    let most = match c.out.kind {
        Some(ColumnType::Varchar { length }) => length as usize,
        _ => usize::MAX,
    };
    if let Cell::Bytes(b) = &c.args[0] {
        let text = std::str::from_utf8(b)
            .map_err(|_| unsupported("a binary string that is no UTF-8, as text").hint("HEX() shows its bytes."))?;
        return Ok(Cell::text(text.chars().take(most).collect::<String>()));
    }
    let Some(text) = text_of(&c.args[0], &c.typs[0])? else { return Ok(Cell::Null) };
    Ok(Cell::text(text.chars().take(most).collect::<String>()))
}

fn cut_bytes(c: &Call) -> Result<Cell<'static>> {
    let Some(bytes) = c.bytes(0)? else { return Ok(Cell::Null) };
    let mut bytes = bytes.into_owned();
    if let Cell::Text(n) = &c.args[1]
        && let Ok(n) = n.parse::<usize>()
    {
        if n > 1 << 20 {
            return Err(unsupported("BINARY of more than 1048576 bytes"));
        }
        bytes.resize(n, 0);
    }
    Ok(Cell::Bytes(bytes.into()))
}

fn decimal_type(a: &Args) -> Result<Typ> {
    let word = a.word(1)?;
    let (p, s) = word.split_once(',').unwrap_or((word, "0"));
    let (p, s) = (p.parse().unwrap_or(10), s.parse().unwrap_or(0));
    if p > 65 || s > 38 || s > p {
        return Err(Error::new(
            crate::error::Kind::BadValue,
            format!("DECIMAL({p},{s}) is no type: at most DECIMAL(65,38), the first number the larger"),
        ));
    }
    Typ::decimal(if p == 0 { 10 } else { p }, s, s)
}

/// Values too large become the largest that the type holds, as in MariaDB.
fn to_decimal(c: &Call) -> Result<Cell<'static>> {
    let Some((v, s)) = decimal(&c.args[0], &c.typs[0])? else { return Ok(Cell::Null) };
    let (held, limit) = (c.out.held(), ten(c.out.precision()) - i256::ONE);
    let v = rescale(v, s, held).unwrap_or(if v.is_negative() { limit.wrapping_neg() } else { limit });
    let v = if v > limit { limit } else { v };
    Ok(Cell::Decimal(if v < limit.wrapping_neg() { limit.wrapping_neg() } else { v }, held))
}

fn collated(a: &Args) -> Result<Typ> {
    let name = a.word(1)?.to_ascii_lowercase();
    let collation = Collation { name, derivation: Derivation::Explicit };
    if matches!(a.class(0), Class::Bytes) && collation.name != "binary" {
        return Err(unsupported(format!("COLLATE {} of a binary string", collation.name)));
    }
    rule(&collation)?;
    Ok(Typ { collation, ..if a.class(0) == Class::Text { a.typs[0].clone() } else { Typ::text() } })
}

/// The same type, holding only the digits that it shows: what a temporary table would hold.
fn settled(a: &Args) -> Result<Typ> {
    let t = &a.typs[0];
    if t.class() == Class::Decimal { Typ::decimal(t.precision(), t.scale(), t.scale()) } else { Ok(t.clone()) }
}

/// A column of a recursive WITH. MariaDB cuts its texts to the length of the first row's.
fn recursive(a: &Args) -> Result<Typ> {
    if matches!(a.class(0), Class::Text | Class::Bytes | Class::Null) {
        return Err(unsupported("a text or NULL as a column of WITH RECURSIVE"));
    }
    settled(a)
}

/// The type that leaves: its kind's own Arrow type.
fn output(a: &Args) -> Result<Typ> {
    let t = &a.typs[0];
    Ok(match &t.kind {
        None => Typ::of(ColumnType::Varchar { length: 0 }),
        Some(kind) => Typ { collation: t.collation.clone(), ..Typ::of(kind.clone()) },
    })
}

/// Any value as one of another type.
pub(super) fn convert(cell: &Cell, typ: &Typ, out: &Typ) -> Result<Cell<'static>> {
    Ok(match out.class() {
        Class::Null => Cell::Null,
        Class::Int if out.arrow == DataType::Boolean => truth(cell, typ)?.map_or(Cell::Null, Cell::truth),
        Class::Int => match integer(cell, typ)? {
            None => Cell::Null,
            Some(v) if v < 0 => Cell::Int(i64::try_from(v).map_err(|_| overflow("BIGINT", cell))?),
            Some(v) => Cell::UInt(u64::try_from(v).map_err(|_| overflow("BIGINT", cell))?),
        },
        Class::Decimal => match decimal(cell, typ)? {
            None => Cell::Null,
            Some((v, s)) => {
                let held = out.held();
                Cell::Decimal(rescale(v, s, held).ok_or_else(|| overflow("DECIMAL", cell))?, held)
            }
        },
        Class::Double if out.arrow == DataType::Float32 => match cell {
            Cell::Float(v) => Cell::Float(*v),
            _ => double(cell, typ)?.map_or(Cell::Null, |v| Cell::Float(v as f32)),
        },
        // -0 is made 0, for equality knows but one zero
        Class::Double => double(cell, typ)?.map_or(Cell::Null, |v| Cell::Double(v + 0.0)),
        Class::Date => datetime(cell)?.map_or(Cell::Null, |us| Cell::Date(us.div_euclid(DAY) as i32)),
        Class::DateTime => datetime(cell)?.map_or(Cell::Null, |us| Cell::DateTime(truncate_to(us, out))),
        Class::Time => time(cell)?.map_or(Cell::Null, |us| Cell::Time(truncate(us, out.scale()))),
        Class::Text => match cell {
            Cell::Bytes(_) => return Err(unsupported("a binary string as text").hint("CAST it AS CHAR.")),
            _ => text_of(cell, typ)?.map_or(Cell::Null, Cell::text),
        },
        Class::Bytes => match cell {
            Cell::Bytes(b) => Cell::Bytes(b.to_vec().into()),
            _ => bytes_of(cell, typ)?.map_or(Cell::Null, |b| Cell::Bytes(b.into_owned().into())),
        },
    })
}

fn truncate_to(us: i64, out: &Typ) -> i64 {
    let unit = 10i64.pow(6 - out.scale().min(6));
    us.div_euclid(unit) * unit
}

/// What texts, doubles and enums are compared, grouped and sorted by.
pub(in crate::query) fn key_type(t: &Typ) -> Result<Typ> {
    Ok(match t.class() {
        Class::Text if t.members().is_some() => Typ::ubigint(),
        Class::Text if t.kind.as_ref().is_some_and(ColumnType::is_address) => Typ::bytes(),
        Class::Text => {
            rule(&t.collation)?;
            Typ::bytes()
        }
        Class::Double => Typ::double(),
        Class::Decimal => Typ::decimal(t.precision(), t.scale(), t.scale())?,
        _ => t.clone(),
    })
}

fn key(c: &Call) -> Result<Cell<'static>> {
    match (&c.args[0], c.out.class()) {
        (Cell::Text(s), Class::Bytes) if c.typs[0].kind.as_ref().is_some_and(ColumnType::is_address) => {
            let kind = c.typs[0].kind.as_ref().unwrap_or(&ColumnType::Uuid);
            let key = address::key(kind, s);
            Ok(Cell::Bytes(key.ok_or_else(|| Error::internal(format!("'{s}' as {kind}")))?.into()))
        }
        (Cell::Text(s), Class::Bytes) => Ok(Cell::Bytes(rule(&c.typs[0].collation)?.key(s)?.into())),
        (cell, _) => convert(cell, &c.typs[0], c.out),
    }
}

/// DATE '…' and the like; MariaDB refuses what is no date.
fn literal(c: &Call) -> Result<Cell<'static>> {
    let bad = || {
        let text = text_of(&c.args[0], &c.typs[0]).ok().flatten().unwrap_or_default().into_owned();
        let what = c.out.kind.as_ref().map(ToString::to_string).unwrap_or_default().to_uppercase();
        Error::new(crate::error::Kind::BadValue, format!("Incorrect {what} value: '{text}'"))
    };
    match convert(&c.args[0], &c.typs[0], c.out)? {
        Cell::Null => Err(bad()),
        cell => Ok(cell),
    }
}
