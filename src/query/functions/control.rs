//! Comparisons, truth values and choices. Most become operators of DataFusion once their types are known
//! (`meaning/lower.rs`, `meaning/compare.rs`); here are their types, and what has no operator there.

use super::cell::Cell;
use super::number::{small, truth};
use super::{Args, Call, MANY, Spec, lenient, lowered, strict};
use crate::error::{Error, Kind, Result};
use crate::query::meaning::{Class, Typ, like, rule, unsupported};
use std::cmp::Ordering;

pub(super) const ALL: &[Spec] = &[
    strict("my_true", 1, 1, boolean, |c| Ok(truth(&c.args[0], &c.typs[0])?.map_or(Cell::Null, Cell::truth))),
    strict("my_xor", 2, 2, boolean, |c| {
        let (a, b) = (truth(&c.args[0], &c.typs[0])?, truth(&c.args[1], &c.typs[1])?);
        Ok(a.zip(b).map_or(Cell::Null, |(a, b)| Cell::truth(a != b)))
    }),
    lowered("my_eq", 2, 2, boolean),
    lowered("my_ne", 2, 2, boolean),
    lowered("my_lt", 2, 2, boolean),
    lowered("my_le", 2, 2, boolean),
    lowered("my_gt", 2, 2, boolean),
    lowered("my_ge", 2, 2, boolean),
    lowered("my_nulleq", 2, 2, boolean),
    lowered("my_between", 3, 3, boolean),
    lowered("my_in", 2, MANY, boolean),
    lowered("my_if", 3, 3, |a| Typ::unify(&a.typs[1..])),
    lowered("my_case", 2, MANY, case_type),
    lowered("my_coalesce", 1, MANY, |a| Typ::unify(a.typs)),
    lowered("my_nullif", 2, 2, |a| Typ::unify(&a.typs[..1])),
    strict("my_greatest", 2, MANY, extreme_type, |c| extreme(c, Ordering::Greater)),
    strict("my_least", 2, MANY, extreme_type, |c| extreme(c, Ordering::Less)),
    strict("my_like", 3, 3, like_type, run_like),
    lenient("my_interval", 2, MANY, |_| Ok(Typ::int()), interval),
    lenient("my_elt", 2, MANY, |a| Typ::unify(&a.typs[1..]).map(as_text), elt),
    lenient("my_field", 2, MANY, field_type, field),
];

fn as_text(t: Typ) -> Typ {
    match t.class() {
        Class::Text | Class::Bytes => t,
        _ => Typ::text(),
    }
}

fn boolean(_: &Args) -> Result<Typ> {
    Ok(Typ::boolean())
}

/// Conditions and values by turns, and at the end perhaps the value of ELSE.
fn case_type(a: &Args) -> Result<Typ> {
    let otherwise = if a.typs.len() % 2 == 1 { a.typs.last() } else { None };
    let values: Vec<Typ> = a.typs.chunks_exact(2).map(|pair| pair[1].clone()).chain(otherwise.cloned()).collect();
    Typ::unify(&values)
}

fn extreme_type(a: &Args) -> Result<Typ> {
    let classes: Vec<Class> = a.typs.iter().map(Typ::class).filter(|c| *c != Class::Null).collect();
    let mixed = |one: fn(&Class) -> bool| classes.iter().any(one) && !classes.iter().all(one);
    if mixed(|c| matches!(c, Class::Date | Class::DateTime | Class::Time)) {
        return Err(unsupported("GREATEST or LEAST of dates and other values").hint("CAST them to one type."));
    }
    if mixed(|c| matches!(c, Class::Text | Class::Bytes)) {
        // numbers win over text
        return Ok(Typ::double());
    }
    let typ = Typ::unify(a.typs)?;
    if typ.class() == Class::Text {
        rule(&typ.collation)?;
    }
    Ok(typ)
}

fn extreme(c: &Call, wanted: Ordering) -> Result<Cell<'static>> {
    let mut best: Option<Cell<'static>> = None;
    for (cell, typ) in c.args.iter().zip(c.typs) {
        let cell = super::cast::convert(cell, typ, c.out)?;
        let better = match &best {
            None => true,
            Some(b) => order(&cell, b, c.out)? == wanted,
        };
        if better {
            best = Some(cell);
        }
    }
    Ok(best.unwrap_or(Cell::Null))
}

/// Two values of one type.
fn order(a: &Cell, b: &Cell, typ: &Typ) -> Result<Ordering> {
    Ok(match (a, b) {
        (Cell::Int(a), Cell::Int(b)) => a.cmp(b),
        (Cell::UInt(a), Cell::UInt(b)) => a.cmp(b),
        (Cell::Int(_), Cell::UInt(_)) => Ordering::Less,
        (Cell::UInt(_), Cell::Int(_)) => Ordering::Greater,
        (Cell::Decimal(a, _), Cell::Decimal(b, _)) => a.cmp(b),
        (Cell::Double(a), Cell::Double(b)) => a.total_cmp(b),
        (Cell::Float(a), Cell::Float(b)) => a.total_cmp(b),
        (Cell::Date(a), Cell::Date(b)) => a.cmp(b),
        (Cell::DateTime(a), Cell::DateTime(b)) => a.cmp(b),
        (Cell::Time(a), Cell::Time(b)) => a.cmp(b),
        (Cell::Text(a), Cell::Text(b)) => {
            let rule = rule(&typ.collation)?;
            rule.key(a)?.cmp(&rule.key(b)?)
        }
        (Cell::Bytes(a), Cell::Bytes(b)) => a.cmp(b),
        _ => return Err(Error::internal(format!("comparing {a:?} with {b:?}"))),
    })
}

fn like_type(a: &Args) -> Result<Typ> {
    if a.typs[..2].iter().all(|t| t.class() != Class::Bytes) {
        rule(&a.typs[0].collation.with(&a.typs[1].collation)?)?;
    }
    Ok(Typ::boolean())
}

fn run_like(c: &Call) -> Result<Cell<'static>> {
    let rule = match c.typs[..2].iter().any(|t| t.class() == Class::Bytes) {
        true => crate::query::meaning::Rule::Bytes,
        false => rule(&c.typs[0].collation.with(&c.typs[1].collation)?)?,
    };
    let (Some(text), Some(pattern), Some(escape)) = (c.text(0)?, c.text(1)?, c.text(2)?) else {
        return Ok(Cell::Null);
    };
    let mut chars = escape.chars();
    let escape = chars.next();
    if chars.next().is_some() {
        return Err(Error::new(Kind::BadValue, "Incorrect arguments to ESCAPE"));
    }
    Ok(Cell::truth(like(rule, &text, &pattern, escape)?))
}

/// INTERVAL(n, a, b, …): how many of the sorted list are at most n.
fn interval(c: &Call) -> Result<Cell<'static>> {
    let Some(n) = super::number::double(&c.args[0], &c.typs[0])? else { return Ok(Cell::Int(-1)) };
    let mut count = 0;
    for (cell, typ) in c.args.iter().zip(c.typs).skip(1) {
        match super::number::double(cell, typ)? {
            Some(v) if v > n => break,
            _ => count += 1,
        }
    }
    Ok(Cell::Int(count))
}

fn elt(c: &Call) -> Result<Cell<'static>> {
    let i = small(c, 0)?.and_then(|n| usize::try_from(n).ok()).filter(|n| (1..c.args.len()).contains(n));
    Ok(match i {
        Some(i) => c.text(i)?.map_or(Cell::Null, |t| c.give(t)),
        None => Cell::Null,
    })
}

fn field_type(a: &Args) -> Result<Typ> {
    let text = a.typs.iter().all(|t| matches!(t.class(), Class::Text | Class::Null));
    if text {
        let all = a.typs[1..].iter().try_fold(a.typs[0].collation.clone(), |c, t| c.with(&t.collation))?;
        rule(&all)?;
    } else if a.typs.iter().any(|t| t.is_temporal() || t.class() == Class::Bytes) {
        return Err(unsupported("FIELD of dates or binary strings"));
    }
    Ok(Typ::int())
}

fn field(c: &Call) -> Result<Cell<'static>> {
    if c.args[0].is_null() {
        return Ok(Cell::Int(0));
    }
    let text = c.typs.iter().all(|t| matches!(t.class(), Class::Text | Class::Null));
    if text {
        let all = c.typs[1..].iter().try_fold(c.typs[0].collation.clone(), |c, t| c.with(&t.collation))?;
        let rule = rule(&all)?;
        let Some(wanted) = c.text(0)?.map(|t| rule.key(&t)).transpose()? else { return Ok(Cell::Int(0)) };
        for i in 1..c.args.len() {
            if let Some(text) = c.text(i)?
                && rule.key(&text)? == wanted
            {
                return Ok(Cell::Int(i as i64));
            }
        }
        return Ok(Cell::Int(0));
    }
    let wanted = super::number::double(&c.args[0], &c.typs[0])?;
    for i in 1..c.args.len() {
        if super::number::double(&c.args[i], &c.typs[i])?.is_some_and(|v| Some(v) == wanted) {
            return Ok(Cell::Int(i as i64));
        }
    }
    Ok(Cell::Int(0))
}
