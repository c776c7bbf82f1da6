//! Functions of texts: parts, positions, joining. A position counts characters from 1; of binary strings, bytes.

use super::cell::Cell;
use super::number::small;
use super::{Args, Call, MANY, Spec, lenient, strict};
use crate::error::Result;
use crate::model::Charset;
use crate::query::meaning::{Class, Collation, Rule, Typ, locate, lower_case, rule, unsupported, upper_case};

pub(super) const ALL: &[Spec] = &[
    strict("my_concat", 1, MANY, joined, concat),
    lenient("my_concat_ws", 2, MANY, joined, concat_ws),
    strict("my_length", 1, 1, int, |c| Ok(Cell::Int(c.bytes(0)?.map_or(0, |b| b.len() as i64)))),
    strict("my_bit_length", 1, 1, int, |c| Ok(Cell::Int(c.bytes(0)?.map_or(0, |b| 8 * b.len() as i64)))),
    strict("my_char_length", 1, 1, int, |c| Ok(Cell::Int(plain(c, 0)?.chars().count() as i64))),
    strict("my_upper", 1, 1, first, |c| cased(c, upper_case)),
    strict("my_lower", 1, 1, first, |c| cased(c, lower_case)),
    strict("my_left", 2, 2, first, |c| part(c, |s, n| s.chars().take(n).collect())),
    strict("my_right", 2, 2, first, |c| part(c, |s, n| s.chars().skip(s.chars().count().saturating_sub(n)).collect())),
    strict("my_substring", 2, 3, first, substring),
    strict("my_substring_index", 3, 3, first, substring_index),
    strict("my_locate", 2, 3, position_type, |c| position(c, 0, 1)),
    strict("my_instr", 2, 2, position_type, |c| position(c, 1, 0)),
    strict("my_lpad", 2, 3, padded_type, |c| pad(c, true)),
    strict("my_rpad", 2, 3, padded_type, |c| pad(c, false)),
    strict("my_trim", 3, 3, first_two, trim),
    strict("my_ltrim", 1, 1, first, |c| Ok(c.give(get(c, 0)?.trim_start_matches(' ')))),
    strict("my_rtrim", 1, 1, first, |c| Ok(c.give(get(c, 0)?.trim_end_matches(' ')))),
    strict("my_replace", 3, 3, joined, replace),
    strict("my_reverse", 1, 1, first, |c| Ok(c.give(get(c, 0)?.chars().rev().collect::<String>()))),
    strict("my_repeat", 2, 2, first, repeat),
    strict(
        "my_space",
        1,
        1,
        |_| Ok(Typ::text()),
        |c| {
            let n = count(c, 0)?;
            limit(n)?;
            Ok(c.give(" ".repeat(n)))
        },
    ),
    strict("my_insert", 4, 4, |a| ends(a, &[0, 3]), insert),
    strict("my_strcmp", 2, 2, |a| comparable(a).and(int(a)), strcmp),
    strict("my_find_in_set", 2, 2, |a| comparable(a).and(int(a)), find_in_set),
];

/// The longest text that a function may make: max_allowed_packet.
fn limit(bytes: usize) -> Result<()> {
    if bytes > 16 << 20 { Err(unsupported("a text of more than 16 MiB out of a function")) } else { Ok(()) }
}

fn int(_: &Args) -> Result<Typ> {
    Ok(Typ::bigint())
}

/// The type of a text made of these arguments: bytes if one is bytes.
fn ends(a: &Args, which: &[usize]) -> Result<Typ> {
    let typs: Vec<&Typ> = which.iter().filter_map(|i| a.typs.get(*i)).collect();
    if typs.iter().any(|t| t.class() == Class::Bytes) {
        return Ok(Typ::bytes());
    }
    let mut texts = typs.iter().filter(|t| t.class() == Class::Text).map(|t| &t.collation);
    let Some(one) = texts.next() else { return Ok(Typ::text()) };
    Ok(Typ::text_in(texts.try_fold(one.clone(), |c, t| c.with(t))?))
}

pub(super) fn joined(a: &Args) -> Result<Typ> {
    ends(a, &(0..a.typs.len()).collect::<Vec<_>>())
}

pub(super) fn first(a: &Args) -> Result<Typ> {
    ends(a, &[0])
}

fn first_two(a: &Args) -> Result<Typ> {
    ends(a, &[0, 1])
}

fn padded_type(a: &Args) -> Result<Typ> {
    ends(a, &[0, 2])
}

fn position_type(a: &Args) -> Result<Typ> {
    comparable(&Args { typs: &a.typs[..2], constants: a.constants }).and(int(a))
}

fn both(typs: &[Typ]) -> Result<Rule> {
    if typs.iter().any(|t| t.class() == Class::Bytes) {
        return Ok(Rule::Bytes);
    }
    let mut texts = typs.iter().filter(|t| t.class() == Class::Text).map(|t| &t.collation);
    let one = texts.next().cloned().unwrap_or_else(Collation::literal);
    rule(&texts.try_fold(one, |c, t| c.with(t))?)
}

fn comparable(a: &Args) -> Result<Typ> {
    both(a.typs)?;
    Ok(Typ::null())
}

/// An argument of a strict function.
pub(super) fn get<'a>(c: &'a Call, i: usize) -> Result<std::borrow::Cow<'a, str>> {
    Ok(c.text(i)?.unwrap_or_default())
}

/// An argument as characters, whatever the result is.
fn plain(c: &Call, i: usize) -> Result<String> {
    Ok(match &c.args[i] {
        Cell::Bytes(b) => b.iter().map(|b| char::from(*b)).collect(),
        cell => super::text_of(cell, &c.typs[i])?.unwrap_or_default().into_owned(),
    })
}

/// A count; below zero is zero.
fn count(c: &Call, i: usize) -> Result<usize> {
    Ok(small(c, i)?.unwrap_or(0).clamp(0, i64::from(u32::MAX)) as usize)
}

fn concat(c: &Call) -> Result<Cell<'static>> {
    let mut all = String::new();
    for i in 0..c.args.len() {
        all.push_str(&get(c, i)?);
    }
    limit(all.len())?;
    Ok(c.give(all))
}

fn concat_ws(c: &Call) -> Result<Cell<'static>> {
    let Some(separator) = c.text(0)? else { return Ok(Cell::Null) };
    let mut parts = Vec::new();
    for i in 1..c.args.len() {
        parts.extend(c.text(i)?);
    }
    let all = parts.join(&separator);
    limit(all.len())?;
    Ok(c.give(all))
}

fn cased(c: &Call, f: fn(&str, &str) -> Result<String>) -> Result<Cell<'static>> {
    let text = get(c, 0)?;
    // which letters are a pair is each charset's own; ASCII's are pairs in all but one
    let charset = Charset::of_collation(&c.out.collation.name).unwrap_or_default();
    if !charset.is_utf8() && charset.name() != "latin1" && (!text.is_ascii() || charset.name() == "swe7") {
        return Err(unsupported(format!("UPPER and LOWER of text of charset {}", charset.name()))
            .hint("CONVERT(text USING utf8mb4) first."));
    }
    // bytes have no case
    Ok(c.give(if c.out.class() == Class::Bytes { text.into_owned() } else { f(&c.out.collation.name, &text)? }))
}

fn part(c: &Call, f: fn(&str, usize) -> String) -> Result<Cell<'static>> {
    Ok(c.give(f(&get(c, 0)?, count(c, 1)?)))
}

fn substring(c: &Call) -> Result<Cell<'static>> {
    let text = get(c, 0)?;
    let all = text.chars().count() as i64;
    let start = match small(c, 1)?.unwrap_or(0) {
        0 => return Ok(c.give("")),
        n if n > 0 => n - 1,
        n if all.checked_add(n).is_some_and(|s| s >= 0) => all + n,
        _ => return Ok(c.give("")),
    };
    let length = if c.args.len() == 3 { small(c, 2)?.unwrap_or(0) } else { i64::MAX };
    if start >= all || length <= 0 {
        return Ok(c.give(""));
    }
    Ok(c.give(text.chars().skip(start as usize).take(length.min(all) as usize).collect::<String>()))
}

fn substring_index(c: &Call) -> Result<Cell<'static>> {
    let (text, delimiter, n) = (get(c, 0)?, get(c, 1)?, small(c, 2)?.unwrap_or(0));
    if text.is_empty() || delimiter.is_empty() || n == 0 {
        return Ok(c.give(""));
    }
    let wanted = n.unsigned_abs().min(usize::MAX as u64) as usize;
    let found = if n > 0 {
        text.match_indices(delimiter.as_ref()).nth(wanted - 1).map(|(at, _)| &text[..at])
    } else {
        text.rmatch_indices(delimiter.as_ref()).nth(wanted - 1).map(|(at, d)| &text[at + d.len()..])
    };
    Ok(c.give(found.unwrap_or(&text)))
}

/// Where `needle` begins in `hay`, by their collation; 0 when nowhere.
fn position(c: &Call, needle: usize, hay: usize) -> Result<Cell<'static>> {
    let rule = both(&c.typs[..2])?;
    let (needle, hay) = (plain(c, needle)?, plain(c, hay)?);
    let start = if c.args.len() == 3 { small(c, 2)?.unwrap_or(0) } else { 1 };
    let Ok(from) = usize::try_from(start - 1) else { return Ok(Cell::Int(0)) };
    if start < 1 || from > hay.chars().count() {
        return Ok(Cell::Int(0));
    }
    if needle.is_empty() {
        return Ok(Cell::Int(start));
    }
    Ok(Cell::Int(locate(rule, &hay, &needle, from)?.map_or(0, |at| at as i64 + 1)))
}

fn pad(c: &Call, left: bool) -> Result<Cell<'static>> {
    let text = get(c, 0)?;
    let filling = if c.args.len() == 3 { get(c, 2)? } else { " ".into() };
    let length = small(c, 1)?.unwrap_or(0);
    let Ok(length) = usize::try_from(length) else { return Ok(Cell::Null) };
    let has = text.chars().count();
    if length <= has {
        return Ok(c.give(text.chars().take(length).collect::<String>()));
    }
    limit(length)?;
    if filling.is_empty() {
        return Ok(Cell::Null);
    }
    let more: String = filling.chars().cycle().take(length - has).collect();
    Ok(c.give(if left { format!("{more}{text}") } else { format!("{text}{more}") }))
}

fn trim(c: &Call) -> Result<Cell<'static>> {
    let (text, what, side) = (get(c, 0)?, get(c, 1)?, get(c, 2)?);
    let mut rest: &str = &text;
    if what.is_empty() {
        return Ok(c.give(rest));
    }
    if side != "TRAILING" {
        while let Some(less) = rest.strip_prefix(what.as_ref()) {
            rest = less;
        }
    }
    if side != "LEADING" {
        while let Some(less) = rest.strip_suffix(what.as_ref()) {
            rest = less;
        }
    }
    Ok(c.give(rest))
}

fn replace(c: &Call) -> Result<Cell<'static>> {
    let (text, from, to) = (get(c, 0)?, get(c, 1)?, get(c, 2)?);
    if from.is_empty() {
        return Ok(c.give(text));
    }
    let new = text.replace(from.as_ref(), &to);
    limit(new.len())?;
    Ok(c.give(new))
}

fn repeat(c: &Call) -> Result<Cell<'static>> {
    let (text, n) = (get(c, 0)?, count(c, 1)?);
    limit(text.len().saturating_mul(n))?;
    Ok(c.give(text.repeat(n)))
}

fn insert(c: &Call) -> Result<Cell<'static>> {
    let (text, new) = (get(c, 0)?, get(c, 3)?);
    let (at, length) = (small(c, 1)?.unwrap_or(0), small(c, 2)?.unwrap_or(0));
    let all = text.chars().count() as i64;
    if at < 1 || at > all {
        return Ok(c.give(text));
    }
    let end = if length < 0 || length > all - at + 1 { all } else { at - 1 + length };
    let head: String = text.chars().take(at as usize - 1).collect();
    let tail: String = text.chars().skip(end as usize).collect();
    Ok(c.give(format!("{head}{new}{tail}")))
}

fn strcmp(c: &Call) -> Result<Cell<'static>> {
    let rule = both(c.typs)?;
    let order = rule.key(&plain(c, 0)?)?.cmp(&rule.key(&plain(c, 1)?)?);
    Ok(Cell::Int(order as i64))
}

fn find_in_set(c: &Call) -> Result<Cell<'static>> {
    let rule = both(c.typs)?;
    let (wanted, set) = (plain(c, 0)?, plain(c, 1)?);
    if set.is_empty() || wanted.contains(',') {
        return Ok(Cell::Int(0));
    }
    let key = rule.key(&wanted)?;
    for (i, member) in set.split(',').enumerate() {
        if rule.key(member)? == key {
            return Ok(Cell::Int(i as i64 + 1));
        }
    }
    Ok(Cell::Int(0))
}
