//! What a new definition of a column does to the rows that are there.

use super::lex::{Cutting, Lexer, TokenKind, name_of};
use super::table::{ColumnDef, KeyDef, same_name};
use crate::model::{ColumnType, Value, quote_name};

/// An expression in which columns have other names.
pub fn renamed_expression(text: &str, renames: &[(String, String)]) -> String {
    let Ok(mut tokens) = Lexer::all(text, Cutting::default()) else { return text.to_string() };
    let mut replaced: Vec<(usize, String)> = Vec::new();
    for (i, t) in tokens.iter().enumerate() {
        let call = tokens.get(i + 1).is_some_and(|n| n.is_sign('('));
        let name = if t.kind == TokenKind::Name || !call { name_of(t) } else { None };
        let new = name.and_then(|n| renames.iter().find(|(old, _)| same_name(old, &n)));
        replaced.extend(new.map(|(_, new)| (i, quote_name(new))));
    }
    for (i, name) in &replaced {
        if let Some(t) = tokens.get_mut(*i) {
            t.text = name;
        }
    }
    super::lex::join(&tokens)
}

/// What rows that are there get in a new column. Errors: why that is not known.
pub fn missing_value(c: &ColumnDef) -> Result<Option<String>, String> {
    if c.generated.is_some() {
        return Err(format!("the values of the new column {} are computed", c.name));
    }
    if c.auto_increment {
        return Err(format!("it numbers the rows in the new column {}", c.name));
    }
    let timestamp = matches!(c.kind, ColumnType::Timestamp { .. });
    let value = match &c.default {
        None if timestamp && !(c.null_written && c.nullable) => {
            return Err(format!("the value of the new TIMESTAMP column {} depends on the server's settings", c.name));
        }
        None if c.nullable => Value::Null,
        None => Value::implicit_default(&c.kind),
        Some(_) => {
            let value = c.default_value();
            value.ok_or_else(|| format!("the default of the new column {} is not a plain constant", c.name))?
        }
    };
    if timestamp && !value.is_null() && value != Value::implicit_default(&c.kind) {
        return Err(format!("the default of the new TIMESTAMP column {} depends on the time zone", c.name));
    }
    let text =
        if matches!(c.kind, ColumnType::Bit { .. }) { value.display(&c.kind) } else { value.exact_text(&c.kind) };
    let Some(text) = text else { return Ok(None) };
    let text = String::from_utf8(text).map_err(|_| format!("the default of the new column {} is not text", c.name))?;
    match Value::parse(&c.kind, text.as_bytes()) {
        Ok(again) if again == value => Ok(Some(text)),
        _ => Err(format!("the default of the new column {} cannot be kept", c.name)),
    }
}

/// Why a column's new definition may change rows, or how they are held; `None`: it does not.
pub fn changed_rows(old: &ColumnDef, new: &ColumnDef, primary: Option<&KeyDef>) -> Option<String> {
    let in_key = primary.is_some_and(|k| k.parts.iter().any(|p| same_name(&p.column, &old.name)));
    if old.generated != new.generated {
        return Some(format!("it changes how column {} is computed", old.name));
    }
    if old.compressed != new.compressed {
        return Some(format!("it changes how column {} is held", old.name));
    }
    if !holds(&old.kind, &new.kind) || old.collation != new.collation {
        return Some(format!("it changes the type of column {}", old.name));
    }
    if old.nullable && !new.nullable && !in_key {
        return Some(format!("it makes column {} NOT NULL, which may change rows", old.name));
    }
    (new.auto_increment && !old.auto_increment).then(|| format!("it makes column {} AUTO_INCREMENT", old.name))
}

/// Whether every value of the old type is the same value in the new one, so that no row changes.
fn holds(old: &ColumnType, new: &ColumnType) -> bool {
    use ColumnType::*;
    match (old, new) {
        (Int { bytes: a, unsigned: u, .. }, Int { bytes: b, unsigned: v, .. }) => {
            // a signed type holds what an unsigned one of fewer bytes does
            if u == v { b >= a } else { *u && b > a }
        }
        (Decimal { precision: p, scale: s, unsigned: u, .. }, Decimal { precision: q, scale: t, unsigned: v, .. }) => {
            t == s && q >= p && (u == v || *u)
        }
        (Bit { bits: a }, Bit { bits: b }) => b >= a,
        (Time { fsp: a }, Time { fsp: b })
        | (DateTime { fsp: a }, DateTime { fsp: b })
        | (Timestamp { fsp: a }, Timestamp { fsp: b }) => b >= a,
        (Char { length: a }, Char { length: b } | Varchar { length: b })
        | (Varchar { length: a }, Varchar { length: b })
        | (Varbinary { length: a }, Varbinary { length: b }) => b >= a,
        (Text { size: a }, Text { size: b }) | (Blob { size: a }, Blob { size: b }) => *b as u8 >= *a as u8,
        (Enum { members: a }, Enum { members: b }) | (Set { members: a }, Set { members: b }) => b.starts_with(a),
        (a, b) => a == b,
    }
}

/// The value that rows lack in a column (`Column::missing`), in the column's new type.
pub fn missing_as(text: &str, old: &ColumnType, new: &ColumnType) -> Option<String> {
    if old == new {
        return Some(text.to_string());
    }
    let value = Value::parse(old, text.as_bytes()).ok()?;
    let shown = if matches!(new, ColumnType::Bit { .. }) { value.display(new) } else { value.exact_text(new) };
    let text = String::from_utf8(shown?).ok()?;
    (Value::parse(new, text.as_bytes()).ok()? == value).then_some(text)
}
