//! What does information_schema.COLUMNS say of a column?

use super::create::{ColumnText, TableText};
use super::lex::Words;
use super::listing::{optional, text};
use super::tables::{CHARSETS, collation, lines};
use crate::model::{Column, ColumnType, Row, TableSchema, TextSize, Value};

/// Of each column of a table: COLUMN_KEY.
pub(super) fn column_facts(schema: &TableSchema, t: &TableText) -> Vec<&'static str> {
    let nullable = |name: &str| schema.column(name).is_some_and(|(_, c)| c.nullable);
    // without a primary key, the first unique key that allows no NULL stands for it
    let stand_in = t.indexes.iter().find(|i| i.unique && i.parts.iter().all(|p| !nullable(&p.column)));
    let is = |column: &Column, name: &str| column.name.to_lowercase() == name.to_lowercase();
    let key_of = |(at, column): (usize, &Column)| {
        if schema.primary_key.contains(&at) {
            return "PRI";
        }
        if !schema.has_key() && stand_in.is_some_and(|i| i.parts.iter().any(|p| is(column, &p.column))) {
            return "PRI";
        }
        let leads = |i: &&super::create::Index| i.parts.first().is_some_and(|p| is(column, &p.column));
        let leading: Vec<_> = t.indexes.iter().filter(leads).collect();
        match leading.iter().any(|i| i.unique && i.parts.len() == 1) {
            true => "UNI",
            false if leading.is_empty() => "",
            false => "MUL",
        }
    };
    schema.columns.iter().enumerate().map(key_of).collect()
}

/// The rows of COLUMNS. `keys`: one for each column, or none.
pub(super) fn column_rows(database: &str, table: &str, columns: &[Column], t: &TableText, keys: &[&str]) -> Vec<Row> {
    columns.iter().enumerate().map(|(at, column)| column_row(database, table, at, column, t, keys)).collect()
}

fn column_row(database: &str, table: &str, at: usize, column: &Column, t: &TableText, keys: &[&str]) -> Row {
    let none = ColumnText::default();
    let own = t.columns.iter().find(|c| c.name == column.name).unwrap_or(&none);
    let kind = if own.kind.is_empty() { column.kind.to_string() } else { own.kind.clone() };
    let data_type = kind.split(['(', ' ']).next().unwrap_or_default().to_string();
    let (characters, octets) = lengths(column);
    let (mut precision, scale) = numeric(&column.kind);
    if let (ColumnType::Float { .. } | ColumnType::Double { .. }, Some((_, digits))) =
        (&column.kind, kind.split_once('('))
    {
        precision = digits.split(',').next().and_then(|d| d.parse().ok()).or(precision);
    }
    let named = column.collation.as_deref().filter(|_| column.kind.is_text());
    let fsp = match column.kind {
        ColumnType::Time { fsp } | ColumnType::DateTime { fsp } | ColumnType::Timestamp { fsp } => Some(fsp),
        _ => None,
    };
    let unsigned = |n: Option<u64>| n.map_or(Value::Null, Value::UInt);
    let default = column.default.clone().or_else(|| own.default.clone());
    let default = default.or_else(|| column.nullable.then(|| "NULL".to_string()));
    let mut extra = column.extra.clone();
    if let Some((_, stored)) = &own.generated
        && !extra.to_uppercase().contains("GENERATED")
    {
        extra = if *stored { "STORED GENERATED" } else { "VIRTUAL GENERATED" }.to_string();
    }
    vec![
        text("def"),
        text(database),
        text(table),
        text(column.name.as_str()),
        Value::UInt(at as u64 + 1),
        optional(default.filter(|_| own.generated.is_none())),
        text(if column.nullable { "YES" } else { "NO" }),
        text(data_type),
        unsigned(characters),
        unsigned(octets),
        unsigned(precision),
        unsigned(scale),
        unsigned(fsp.map(u64::from)),
        optional(named.and_then(collation).map(|(_, charset)| charset)),
        optional(named),
        text(kind),
        text(keys.get(at).copied().unwrap_or_default()),
        text(extra),
        text("select"),
        text(column.comment.as_str()),
        text(if own.generated.is_some() { "ALWAYS" } else { "NEVER" }),
        optional(own.generated.as_ref().map(|(expression, _)| expression.clone())),
    ]
}

/// A DEFAULT as SHOW COLUMNS has it: strings without quotes, NULL for NULL.
pub(super) fn shown_default(value: &Value) -> Value {
    let Value::Text(clause) = value else { return value.clone() };
    if clause.eq_ignore_ascii_case("NULL") {
        return Value::Null;
    }
    let unquoted = clause.starts_with('\'').then(|| Words::of(clause).and_then(|mut w| w.string()));
    match unquoted {
        Some(Ok(t)) => text(t),
        _ => value.clone(),
    }
}

/// CHARACTER_MAXIMUM_LENGTH and CHARACTER_OCTET_LENGTH.
fn lengths(column: &Column) -> (Option<u64>, Option<u64>) {
    let per_character =
        column.collation.as_deref().and_then(collation).map_or(1, |(_, charset)| bytes_per_character(charset));
    let of = |characters: u64| (Some(characters), Some(characters * per_character));
    let size = |s: TextSize| match s {
        TextSize::Tiny => 255,
        TextSize::Normal => 65_535,
        TextSize::Medium => 16_777_215,
        TextSize::Long => 4_294_967_295,
    };
    let characters = |m: &String| m.chars().count() as u64;
    match &column.kind {
        ColumnType::Char { length } | ColumnType::Varchar { length } => of(u64::from(*length)),
        ColumnType::Binary { length } | ColumnType::Varbinary { length } => {
            (Some(u64::from(*length)), Some(u64::from(*length)))
        }
        ColumnType::Text { size: s } | ColumnType::Blob { size: s } => (Some(size(*s)), Some(size(*s))),
        ColumnType::Json => (Some(size(TextSize::Long)), Some(size(TextSize::Long))),
        ColumnType::Enum { members } => of(members.iter().map(characters).max().unwrap_or_default()),
        ColumnType::Set { members } => {
            of(members.iter().map(characters).sum::<u64>() + (members.len() as u64).saturating_sub(1))
        }
        _ => (None, None),
    }
}

fn bytes_per_character(charset: &str) -> u64 {
    let found = lines(CHARSETS).find(|l| l.first() == Some(&charset));
    found.and_then(|l| l.last().and_then(|n| n.parse().ok())).unwrap_or(1)
}

/// NUMERIC_PRECISION and NUMERIC_SCALE. Source: MariaDB's sql_show.cc, store_column_type.
fn numeric(kind: &ColumnType) -> (Option<u64>, Option<u64>) {
    match *kind {
        ColumnType::Int { bytes, unsigned, .. } => {
            let precision = match (bytes, unsigned) {
                (1, _) => 3,
                (2, _) => 5,
                (3, false) => 7,
                (3, true) => 8,
                (4, _) => 10,
                (_, false) => 19,
                (_, true) => 20,
            };
            (Some(precision), Some(0))
        }
        ColumnType::Decimal { precision, scale, .. } => (Some(precision.into()), Some(scale.into())),
        ColumnType::Float { decimals, .. } => (Some(12), decimals.map(u64::from)),
        ColumnType::Double { decimals, .. } => (Some(22), decimals.map(u64::from)),
        ColumnType::Bit { bits } => (Some(bits.into()), None),
        _ => (None, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_lose_their_quotes_in_show() {
        assert_eq!(shown_default(&text("'it''s'")), text("it's"));
        assert_eq!(shown_default(&text("current_timestamp()")), text("current_timestamp()"));
        assert_eq!(shown_default(&text("NULL")), Value::Null);
        assert_eq!(shown_default(&Value::Null), Value::Null);
    }
}
