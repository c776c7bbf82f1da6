//! Keys and constraints: as they are written, and what the server adds to them by itself.

use super::default::DefaultDef;
use super::effect::renamed_expression;
use super::lex::{Cutting, Lexer, Parser, Read, TokenKind, Unread, name_of};
use super::table::{CheckDef, ColumnDef, ForeignDef, KeyDef, KeyKind, KeyPart, TableDef, same_name};
use crate::model::{Charset, ColumnType, Generated, TextSize};

/// A key or a constraint, if one comes next; it is added to the table.
pub fn constraint(p: &mut Parser<'_>, def: &mut TableDef, table: &str) -> Read<bool> {
    let before = p.mark();
    let mut symbol = None;
    if p.takes(&["CONSTRAINT"]) {
        let named = !(p.sees(&["PRIMARY"]) || p.sees(&["UNIQUE"]) || p.sees(&["FOREIGN"]) || p.sees(&["CHECK"]));
        symbol = if named { Some(p.name()?) } else { None };
    }
    if p.takes(&["PRIMARY", "KEY"]) {
        let (_, using) = key_name(p)?;
        let key = key_rest(p, KeyKind::Primary, String::new(), using)?;
        def.keys.push(key);
    } else if p.takes(&["FOREIGN", "KEY"]) {
        p.takes(&["IF", "NOT", "EXISTS"]);
        let index = if p.sees_sign('(') { None } else { Some(p.name()?) };
        let columns = name_list(p)?;
        foreign(p, def, table, symbol, index, columns)?;
    } else if p.sees(&["CHECK"]) && p.peek_at(1).is_some_and(|t| t.is_sign('(')) {
        p.skip();
        let expression = p.parenthesised()?;
        let enforced = !p.takes(&["NOT", "ENFORCED"]);
        p.takes(&["ENFORCED"]);
        let own = if p.of_mysql() { next_check(def, table) } else { String::new() };
        let name = symbol.unwrap_or(own);
        def.checks.push(CheckDef { name, expression, enforced });
    } else {
        let Some(kind) = key_word(p) else {
            if symbol.is_some() {
                return Err(p.unexpected("a constraint"));
            }
            p.back_to(before);
            return Ok(false);
        };
        p.takes(&["IF", "NOT", "EXISTS"]);
        let (name, using) = key_name(p)?;
        let key = key_rest(p, kind, name.or(symbol).unwrap_or_default(), using)?;
        def.keys.push(key);
    }
    Ok(true)
}

/// The name that MySQL gives to a CHECK without one: the table's with a number, which counts those of columns too.
/// Source: generate_check_constraint_name in MySQL's sql_table.cc.
fn next_check(def: &TableDef, table: &str) -> String {
    let prefix = format!("{table}_chk_");
    let number = |c: &CheckDef| c.name.strip_prefix(&prefix)?.parse::<usize>().ok();
    let highest = def.checks.iter().filter_map(number).max().unwrap_or(0);
    let of_columns = def.columns.iter().filter(|c| c.id.is_none() && c.check.is_some()).count();
    let new = def.checks.iter().filter(|c| number(c).is_some()).count();
    format!("{prefix}{}", (highest + 1).max(of_columns + new + 1))
}

/// `KEY`, `INDEX`, `UNIQUE [KEY|INDEX]`, `FULLTEXT …`, `SPATIAL …`, if a key definition comes next.
fn key_word(p: &mut Parser<'_>) -> Option<KeyKind> {
    let before = p.mark();
    let kind = if p.takes_any(&["KEY", "INDEX"]) {
        KeyKind::Index
    } else {
        let kind = if p.takes(&["UNIQUE"]) {
            KeyKind::Unique
        } else if p.takes(&["FULLTEXT"]) {
            KeyKind::Fulltext
        } else if p.takes(&["SPATIAL"]) {
            KeyKind::Spatial
        } else {
            return None;
        };
        p.takes_any(&["KEY", "INDEX"]);
        kind
    };
    // a column may have any of the unreserved words as its name
    let key = p.sees_sign('(')
        || p.sees(&["USING"])
        || p.peek().is_some_and(|t| matches!(t.kind, TokenKind::Name | TokenKind::Word));
    if !key {
        p.back_to(before);
    }
    key.then_some(kind)
}

/// `[name] [USING x]`.
fn key_name(p: &mut Parser<'_>) -> Read<(Option<String>, String)> {
    let name = if p.sees_sign('(') || p.sees(&["USING"]) || p.sees(&["TYPE"]) { None } else { Some(p.name()?) };
    let using =
        if p.takes_any(&["USING", "TYPE"]) { format!(" USING {}", p.name()?.to_uppercase()) } else { String::new() };
    Ok((name, using))
}

fn key_rest(p: &mut Parser<'_>, kind: KeyKind, name: String, using: String) -> Read<KeyDef> {
    let parts = key_parts(p)?;
    let mut options = using;
    options += &key_options(p)?;
    Ok(KeyDef { kind, name, parts, options, implied: false })
}

/// `(a, b(5), c DESC)`
pub fn key_parts(p: &mut Parser<'_>) -> Read<Vec<KeyPart>> {
    p.sign('(')?;
    let mut parts = Vec::new();
    loop {
        if p.sees_sign('(') {
            return Err(Unread::new("it has a key over an expression"));
        }
        let column = p.name()?;
        if p.sees(&["WITHOUT", "OVERLAPS"]) {
            return Err(Unread::new("it has a key WITHOUT OVERLAPS"));
        }
        let mut suffix = String::new();
        if p.takes_sign('(') {
            suffix = format!("({})", p.number()?);
            p.sign(')')?;
        }
        if p.takes(&["DESC"]) {
            suffix += " DESC";
        } else {
            p.takes(&["ASC"]);
        }
        parts.push(KeyPart { column, suffix });
        if !p.takes_sign(',') {
            p.sign(')')?;
            return Ok(parts);
        }
    }
}

pub fn key_options(p: &mut Parser<'_>) -> Read<String> {
    let mut options = String::new();
    loop {
        if p.takes(&["USING"]) || p.takes(&["TYPE"]) {
            options += &format!(" USING {}", p.name()?.to_uppercase());
        } else if p.takes(&["COMMENT"]) {
            p.takes_sign('=');
            options += &format!(" COMMENT {}", super::lex::quote_text(&p.string()?));
        } else if p.takes(&["KEY_BLOCK_SIZE"]) {
            p.takes_sign('=');
            options += &format!(" KEY_BLOCK_SIZE={}", p.number()?);
        } else if p.takes(&["WITH", "PARSER"]) {
            options += &format!(" WITH PARSER {}", super::quote(&p.name()?));
        } else if p.takes(&["IGNORED"]) || p.takes(&["INVISIBLE"]) {
            options += " IGNORED";
        } else if p.takes(&["NOT", "IGNORED"]) || p.takes(&["VISIBLE"]) {
        } else {
            return Ok(options);
        }
    }
}

fn name_list(p: &mut Parser<'_>) -> Read<Vec<String>> {
    p.sign('(')?;
    let mut names = vec![p.name()?];
    while p.takes_sign(',') {
        names.push(p.name()?);
    }
    p.sign(')')?;
    Ok(names)
}

pub fn foreign(
    p: &mut Parser<'_>,
    def: &mut TableDef,
    table: &str,
    symbol: Option<String>,
    index: Option<String>,
    columns: Vec<String>,
) -> Read<()> {
    p.words(&["REFERENCES"])?;
    let parent = p.qualified()?;
    let parent_columns = if p.sees_sign('(') { name_list(p)? } else { columns.clone() };
    let mut actions = [String::new(), String::new()];
    loop {
        let at = if p.takes(&["ON", "DELETE"]) {
            0
        } else if p.takes(&["ON", "UPDATE"]) {
            1
        } else if p.takes(&["MATCH"]) {
            p.name()?;
            continue;
        } else {
            break;
        };
        let action = ["CASCADE", "RESTRICT", "SET NULL", "SET DEFAULT", "NO ACTION"]
            .into_iter()
            .find(|a| p.takes(&a.split(' ').collect::<Vec<_>>()))
            .ok_or_else(|| p.unexpected("CASCADE, RESTRICT, SET NULL or NO ACTION"))?;
        let words = ["ON DELETE", "ON UPDATE"][at];
        // RESTRICT is what the server does by itself, and is not printed
        actions[at] = if action == "RESTRICT" { String::new() } else { format!(" {words} {action}") };
    }
    let index = symbol.clone().or(index);
    let name = symbol.unwrap_or_else(|| {
        let prefix = format!("{table}_ibfk_");
        let last = def.foreign.iter().filter_map(|f| f.name.strip_prefix(&prefix)?.parse::<u32>().ok()).max();
        format!("{prefix}{}", last.unwrap_or(0) + 1)
    });
    def.keys.push(KeyDef {
        kind: KeyKind::Index,
        name: index.unwrap_or_default(),
        parts: columns.iter().map(|c| KeyPart { column: c.clone(), suffix: String::new() }).collect(),
        options: String::new(),
        implied: true,
    });
    def.foreign.push(ForeignDef { name, columns, parent, parent_columns, actions: actions.concat() });
    Ok(())
}

/// What is computed of a TIMESTAMP whenever it is read depends on the reader's time zone.
fn bound_to_zone(def: &mut TableDef) {
    let timestamp = |c: &&ColumnDef| matches!(c.kind, ColumnType::Timestamp { .. });
    let zoned: Vec<String> = def.columns.iter().filter(timestamp).map(|c| c.name.clone()).collect();
    for (how, expression) in def.columns.iter_mut().filter_map(|c| c.generated.as_mut()) {
        let names = Lexer::all(expression, Cutting::default()).unwrap_or_default();
        let named = |n: &String| names.iter().filter_map(name_of).any(|t| same_name(&t, n));
        if *how == Generated::Virtual && zoned.iter().any(named) {
            *how = Generated::Session;
        }
    }
}

/// InnoDB's longest key part, in bytes.
const LONGEST: u64 = 3072;

/// Of values that may be longer than a key part the server takes the beginning, if no length was typed. (MariaDB's keys
/// that make rows differ take hashes of all of them.)
fn bound_to_prefixes(def: &mut TableDef) {
    let columns = &def.columns;
    let prefix = |part: &KeyPart| {
        let column = columns.iter().find(|c| same_name(&c.name, &part.column))?;
        let width = column.collation.as_deref().and_then(Charset::of_collation).map_or(1, |c| u64::from(c.widest()));
        let length = match &column.kind {
            ColumnType::Text { size: TextSize::Tiny } | ColumnType::Blob { size: TextSize::Tiny } => 255,
            ColumnType::Text { .. } | ColumnType::Blob { .. } | ColumnType::Json => LONGEST / width,
            ColumnType::Varchar { length } if u64::from(*length) * width > LONGEST => LONGEST / width,
            ColumnType::Varbinary { length } if u64::from(*length) > LONGEST => LONGEST,
            _ => return None,
        };
        (!part.suffix.starts_with('(')).then_some(length)
    };
    for key in &mut def.keys {
        match key.kind {
            KeyKind::Index => {
                for part in &mut key.parts {
                    if let Some(length) = prefix(part) {
                        part.suffix = format!("({length}){}", part.suffix);
                    }
                }
            }
            KeyKind::Unique if !key.options.contains(" USING ") && key.parts.iter().any(|p| prefix(p).is_some()) => {
                key.options = format!(" USING HASH{}", key.options);
            }
            _ => {}
        }
    }
}

/// The end of a version's period is a part of each key that makes rows differ.
fn period_in_keys(def: &mut TableDef) {
    let end = def.columns.iter().find(|c| matches!(c.generated, Some((Generated::RowEnd, _)))).map(|c| c.name.clone());
    let Some(end) = end.filter(|_| def.versioned) else { return };
    for key in def.keys.iter_mut().filter(|k| matches!(k.kind, KeyKind::Primary | KeyKind::Unique)) {
        if !key.parts.iter().any(|p| same_name(&p.column, &end)) {
            key.parts.push(KeyPart { column: end.clone(), suffix: String::new() });
        }
    }
}

/// What the server adds by itself: NOT NULL for key columns, names of keys, order of keys.
pub fn finish(def: &mut TableDef, table: &str) {
    let collation = def.collation.clone();
    def.columns.iter_mut().for_each(|c| c.resolve(&collation));
    bound_to_zone(def);
    period_in_keys(def);
    let primary: Vec<String> =
        def.primary().map(|k| k.parts.iter().map(|p| p.column.clone()).collect()).unwrap_or_default();
    for c in &mut def.columns {
        if primary.iter().any(|p| same_name(p, &c.name)) {
            c.nullable = false;
            if c.default == Some(DefaultDef::Null) {
                c.default = None;
            }
        }
    }
    bound_to_prefixes(def);
    drop_covered(def);
    for i in 0..def.keys.len() {
        if def.keys[i].kind != KeyKind::Primary && def.keys[i].name.is_empty() {
            def.keys[i].name = free_name(def, i);
        }
        for p in 0..def.keys[i].parts.len() {
            // as the column itself is spelled
            if let Some(at) = def.position(&def.keys[i].parts[p].column) {
                def.keys[i].parts[p].column = def.columns[at].name.clone();
            }
        }
    }
    let mut last = 0;
    for i in 0..def.checks.len() {
        while def.checks[i].name.is_empty() {
            last += 1;
            let name = format!("CONSTRAINT_{last}");
            if !def.checks.iter().any(|c| c.name == name) {
                def.checks[i].name = name;
            }
        }
    }
    for f in &mut def.foreign {
        // a REFERENCES at a column did not know the table's name
        if f.name.starts_with("_ibfk_") {
            f.name = format!("{table}{}", f.name);
        }
    }
    quote_columns(def);
    def.sort_keys();
}

/// Columns in expressions, quoted and as they are spelled themselves.
fn quote_columns(def: &mut TableDef) {
    let names: Vec<(String, String)> = def.columns.iter().map(|c| (c.name.clone(), c.name.clone())).collect();
    def.partition = renamed_expression(&def.partition, &names);
    let in_columns = def.columns.iter_mut().filter_map(|c| c.check.as_mut());
    for expression in in_columns.chain(def.checks.iter_mut().map(|c| &mut c.expression)) {
        *expression = renamed_expression(expression, &names);
    }
}

/// Leaves out keys that foreign keys imply where another key begins with the same columns.
fn drop_covered(def: &mut TableDef) {
    let mut i = 0;
    while i < def.keys.len() {
        let key = &def.keys[i];
        let covered = key.implied
            && def.keys.iter().enumerate().any(|(j, other)| {
                j != i
                    && !matches!(other.kind, KeyKind::Fulltext | KeyKind::Spatial)
                    && other.parts.len() >= key.parts.len()
                    && (!other.implied || other.parts.len() > key.parts.len() || j < i)
                    && key
                        .parts
                        .iter()
                        .zip(&other.parts)
                        .all(|(a, b)| same_name(&a.column, &b.column) && b.suffix.is_empty())
            });
        if covered {
            def.keys.remove(i);
        } else {
            i += 1;
        }
    }
}

/// The name that the server gives to a key without one: its first column's, with _2, _3, … where that is taken.
/// Source: make_unique_key_name in MariaDB's sql_table.cc.
fn free_name(def: &TableDef, key: usize) -> String {
    let first = def.keys[key].parts.first().map(|p| p.column.clone()).unwrap_or_default();
    let first = def.position(&first).map_or(first, |at| def.columns[at].name.clone());
    let taken = |name: &str| def.keys.iter().any(|k| same_name(&k.name, name));
    if !taken(&first) && !same_name(&first, "PRIMARY") {
        return first;
    }
    (2..u32::MAX).map(|n| format!("{first}_{n}")).find(|n| !taken(n)).unwrap_or(first)
}

/// CREATE INDEX, after the word INDEX, as a key to add; the table's name comes back too.
pub fn create_index(p: &mut Parser<'_>, kind: KeyKind) -> Read<((Option<String>, String), KeyDef, bool)> {
    let skip = p.takes(&["IF", "NOT", "EXISTS"]);
    let name = p.name()?;
    let mut options = if p.takes(&["USING"]) { format!(" USING {}", p.name()?.to_uppercase()) } else { String::new() };
    p.words(&["ON"])?;
    let table = p.qualified()?;
    if p.takes(&["WAIT"]) {
        p.number()?;
    }
    p.takes(&["NOWAIT"]);
    let parts = key_parts(p)?;
    options += &key_options(p)?;
    Ok((table, KeyDef { kind, name, parts, options, implied: false }, skip))
}

/// Adds a key to a table. Errors: it is there already.
pub fn add_key(def: &mut TableDef, key: KeyDef, table: &str) -> Read<()> {
    if def.keys.iter().any(|k| same_name(&k.name, &key.name)) {
        return Err(Unread::new(format!("key {} is there already", key.name)));
    }
    def.keys.push(key);
    finish(def, table);
    Ok(())
}
