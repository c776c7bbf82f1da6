//! Views, triggers, routines, events and grants: kept as their exact text.

use super::apply::Steps;
use super::lex::{Cutting, Lexer, Parser, Read, TokenKind, Unread, name_of};
use super::programs::{altered_event, altered_routine};
use super::table::same_name;
use super::view::settled;
use crate::model::{NotCarried, Object, ObjectKey, ObjectKind, SchemaChange, TableName, quote_name};

/// Skips what may stand between CREATE or ALTER and the kind of thing.
pub fn head(p: &mut Parser<'_>) -> Read<()> {
    loop {
        if p.takes(&["OR", "REPLACE"]) || p.takes(&["SQL", "SECURITY"]) && p.skip().is_some() {
            continue;
        }
        if p.takes(&["ALGORITHM"]) {
            p.sign('=')?;
            p.skip();
        } else if p.takes(&["DEFINER"]) {
            p.sign('=')?;
            account(p)?;
        } else if !p.takes_any(&["AGGREGATE", "TEMPORARY", "ONLINE", "UNIQUE", "FULLTEXT", "SPATIAL"]) {
            return Ok(());
        }
    }
}

/// `user@host`, `CURRENT_USER()`, a role: as `'user'@'host'`.
fn account(p: &mut Parser<'_>) -> Read<String> {
    let part = |p: &mut Parser<'_>| p.name().or_else(|_| p.string());
    let user = part(p)?;
    let mut host = "%".to_string();
    if p.takes_sign('(') {
        p.sign(')')?;
    }
    if p.takes_sign('@') {
        host = part(p)?;
        while p.peek().is_some_and(|t| !t.spaced && (t.is_sign('.') || t.is_sign('-'))) {
            host.push_str(p.skip().map_or("", |t| t.text));
            host.push_str(p.skip().map_or("", |t| t.text));
        }
    }
    Ok(format!("'{}'@'{}'", user.replace('\'', "''"), host.replace('\'', "''")))
}

fn kind_of(word: &str) -> Option<ObjectKind> {
    Some(match word {
        "VIEW" => ObjectKind::View,
        "TRIGGER" => ObjectKind::Trigger,
        "PROCEDURE" => ObjectKind::Procedure,
        "FUNCTION" => ObjectKind::Function,
        "EVENT" => ObjectKind::Event,
        _ => return None,
    })
}

/// CREATE of anything that is no database, table or index; `word` comes next.
pub fn create(steps: &mut Steps<'_>, p: &mut Parser<'_>, word: &str) -> Read<()> {
    if matches!(word, "USER" | "ROLE") {
        return accounts(steps, p);
    }
    let Some(kind) = kind_of(word) else {
        return match word {
            "SERVER" | "TABLESPACE" | "LOGFILE" | "UNDO" | "PACKAGE" | "CATALOG" | "RESOURCE" | "REFERENCE"
            | "LIBRARY" => Ok(()),
            _ => Err(Unread::new("it makes something that pcloud does not know")),
        };
    };
    p.skip();
    let skip = p.takes(&["IF", "NOT", "EXISTS"]);
    let name = steps.table_name(p)?;
    if kind == ObjectKind::Function && p.takes(&["RETURNS"]) && p.skip().is_some() && p.sees(&["SONAME"]) {
        return Ok(());
    }
    let known = existing(steps, kind, &name);
    let refused = kind == ObjectKind::View && steps.catalog.refused.contains_key(&name);
    if !steps.filter.database(&name.database) || skip && (known.is_some() || refused) {
        return Ok(());
    }
    if let Some(key) = known {
        steps.push(SchemaChange::ObjectDropped { key });
    }
    if refused {
        steps.push(SchemaChange::RefusedDropped { name: name.clone() });
    }
    let key = ObjectKey { kind, database: name.database.clone(), name: name.table.clone() };
    let table = if kind == ObjectKind::Trigger { Some(trigger_table(p)?) } else { None };
    let create = without_conditions(steps.statement, steps.session.cutting())?;
    let sql_mode = sql_mode_text(steps.session.sql_mode);
    made(steps, &name, Object { key, create, sql_mode, table });
    Ok(())
}

/// A view's text counts as it is understood now; one that is not understood is refused.
fn made(steps: &mut Steps<'_>, name: &TableName, mut object: Object) {
    if object.key.kind == ObjectKind::View {
        match settled(steps, &object.create, name) {
            Ok(text) => object.create = text,
            Err(e) => {
                if steps.catalog.objects.contains_key(&object.key) {
                    steps.push(SchemaChange::ObjectDropped { key: object.key });
                }
                let why = NotCarried::view(format!("view {name} is not carried: {}", e.0));
                return steps.push(SchemaChange::Refused { name: name.clone(), why });
            }
        }
    }
    steps.push(SchemaChange::Object { object });
}

/// The statement as it was logged, without OR REPLACE and IF NOT EXISTS: what makes the object where there is none.
fn without_conditions(statement: &str, cutting: Cutting) -> Read<String> {
    let tokens = Lexer::all(statement, cutting)?;
    // tokens are slices of the statement
    let start = |i: usize| tokens.get(i).map(|t| t.text.as_ptr() as usize - statement.as_ptr() as usize);
    let words = |at: usize, list: &[&str]| {
        list.iter().enumerate().all(|(i, w)| tokens.get(at + i).is_some_and(|t| t.is_word(w)))
    };
    let end = tokens.last().map_or(0, |t| t.text.as_ptr() as usize - statement.as_ptr() as usize + t.text.len());
    let kind = tokens.iter().position(|t| kind_of(&t.text.to_ascii_uppercase()).is_some()).map_or(0, |at| at + 1);
    let mut text = statement.get(..end).unwrap_or(statement).to_string();
    for (at, list) in [(kind, ["IF", "NOT", "EXISTS"].as_slice()), (1, &["OR", "REPLACE"])] {
        if let (true, Some(from), Some(to)) = (words(at, list), start(at), start(at + list.len())) {
            text.replace_range(from..to, "");
        }
    }
    Ok(text.trim_start().to_string())
}

/// `BEFORE INSERT ON t`: t.
fn trigger_table(p: &mut Parser<'_>) -> Read<String> {
    while !p.takes(&["ON"]) {
        p.skip().ok_or_else(|| Unread::new("the trigger names no table"))?;
    }
    Ok(p.qualified()?.1)
}

/// ALTER of anything that is no database or table; `word` was just taken.
pub fn alter(steps: &mut Steps<'_>, p: &mut Parser<'_>, word: &str) -> Read<()> {
    if word == "USER" {
        return accounts(steps, p);
    }
    let Some(kind) = kind_of(word) else { return Err(Unread::new("it alters something that pcloud does not know")) };
    p.takes(&["IF", "EXISTS"]);
    let name = steps.table_name(p)?;
    let mut old = existing(steps, kind, &name).and_then(|key| steps.catalog.objects.get(&key).cloned());
    if kind == ObjectKind::View && steps.catalog.refused.contains_key(&name) {
        steps.push(SchemaChange::RefusedDropped { name: name.clone() });
        let key = ObjectKey { kind, database: name.database.clone(), name: name.table.clone() };
        let sql_mode = sql_mode_text(steps.session.sql_mode);
        old = Some(Object { key, create: String::new(), sql_mode, table: None });
    }
    let Some(old) = old else { return Ok(()) };
    if kind == ObjectKind::View {
        let text = steps.statement.trim();
        // the statement begins with this word: nothing else could have led here
        let alter = text.to_ascii_uppercase().find("ALTER").unwrap_or_default();
        let create = format!("{}CREATE{}", &text[..alter], text.get(alter + 5..).unwrap_or_default());
        made(steps, &name, Object { create, ..old });
        return Ok(());
    }
    let mut object = old.clone();
    let altered = altered_program(steps, p, &old, &mut object);
    if altered.is_err() {
        // CREATE, then the ALTER: the two together make it again
        object.create = format!("{};\n{}", old.create, steps.statement.trim().trim_end_matches(';'));
    }
    if object.key != old.key {
        steps.push(SchemaChange::ObjectDropped { key: old.key });
    }
    steps.push(SchemaChange::Object { object });
    Ok(())
}

fn altered_program(steps: &Steps<'_>, p: &mut Parser<'_>, old: &Object, object: &mut Object) -> Read<()> {
    let mut create = Parser::new(&old.create, cutting_of(&old.sql_mode))?;
    if old.key.kind != ObjectKind::Event {
        object.create = altered_routine(&old.create, &mut create, p)?;
        return Ok(());
    }
    let statement = steps.statement;
    let definer = steps.session.invoker.as_deref();
    let altered = altered_event((&old.create, &mut create), (statement, p), definer, &quote_name(&old.key.name))?;
    object.create = altered.create;
    // the body is read under the session's mode now
    object.sql_mode = sql_mode_text(steps.session.sql_mode);
    if let Some((database, name)) = altered.rename {
        object.key.database = database.unwrap_or_else(|| old.key.database.clone());
        object.key.name = name;
    }
    Ok(())
}

/// What of an object's sql_mode changes how its text is cut.
pub(super) fn cutting_of(sql_mode: &str) -> Cutting {
    let has = |name: &str| sql_mode.split(',').any(|m| m.eq_ignore_ascii_case(name));
    Cutting { ansi_quotes: has("ANSI_QUOTES"), no_backslash_escapes: has("NO_BACKSLASH_ESCAPES"), ..Cutting::default() }
}

/// The key under which an object is known: names of all but views and triggers are compared without regard to case.
fn existing(steps: &Steps<'_>, kind: ObjectKind, name: &TableName) -> Option<ObjectKey> {
    let fold = !matches!(kind, ObjectKind::View | ObjectKind::Trigger);
    let same = |k: &&ObjectKey| {
        k.kind == kind
            && k.database == name.database
            && (k.name == name.table || fold && same_name(&k.name, &name.table))
    };
    steps.catalog.objects.keys().find(same).cloned()
}

/// DROP of anything that is no database, table or index; `word` was just taken.
pub fn drop(steps: &mut Steps<'_>, p: &mut Parser<'_>, word: &str) -> Read<()> {
    if matches!(word, "USER" | "ROLE") {
        p.takes(&["IF", "EXISTS"]);
        loop {
            let key = grant_key(account(p)?);
            if steps.catalog.objects.contains_key(&key) {
                steps.push(SchemaChange::ObjectDropped { key });
            }
            if !p.takes_sign(',') {
                return Ok(());
            }
        }
    }
    let Some(kind) = kind_of(word) else {
        return match word {
            "SERVER" | "TABLESPACE" | "LOGFILE" | "UNDO" | "PACKAGE" | "PREPARE" | "RESOURCE" | "LIBRARY" => Ok(()),
            "SPATIAL" | "CATALOG" => Ok(()),
            _ => Err(Unread::new("it drops something that pcloud does not know")),
        };
    };
    p.takes(&["IF", "EXISTS"]);
    loop {
        let name = steps.table_name(p)?;
        if let Some(key) = existing(steps, kind, &name) {
            steps.push(SchemaChange::ObjectDropped { key });
        } else if kind == ObjectKind::View && steps.catalog.refused.contains_key(&name) {
            steps.push(SchemaChange::RefusedDropped { name });
        }
        if !p.takes_sign(',') {
            return Ok(());
        }
    }
}

pub fn is_view(steps: &Steps<'_>, name: &TableName) -> bool {
    let key = ObjectKey { kind: ObjectKind::View, database: name.database.clone(), name: name.table.clone() };
    steps.catalog.objects.contains_key(&key)
}

/// RENAME TABLE of a view. Whether there was one.
pub fn rename_view(steps: &mut Steps<'_>, from: &TableName, to: &TableName) -> bool {
    let key = ObjectKey { kind: ObjectKind::View, database: from.database.clone(), name: from.table.clone() };
    let Some(mut object) = steps.catalog.objects.get(&key).cloned() else { return false };
    steps.push(SchemaChange::ObjectDropped { key });
    if steps.filter.database(&to.database) {
        object.key.database = to.database.clone();
        object.key.name = to.table.clone();
        object.create = with_name_after(&object.create, "VIEW", to).unwrap_or(object.create);
        steps.push(SchemaChange::Object { object });
    }
    true
}

/// Triggers follow their table.
pub fn move_triggers(steps: &mut Steps<'_>, from: &TableName, to: &TableName) {
    let of = |o: &&Object| o.key.database == from.database && o.table.as_ref() == Some(&from.table);
    for mut object in steps.catalog.objects.values().filter(of).cloned().collect::<Vec<_>>() {
        if let Some(text) = with_name_after(&object.create, "ON", to) {
            object.create = text;
        }
        object.table = Some(to.table.clone());
        steps.push(SchemaChange::Object { object });
    }
}

/// The text with another name after the first such word.
fn with_name_after(text: &str, word: &str, name: &TableName) -> Option<String> {
    let tokens = Lexer::all(text, Cutting::default()).ok()?;
    let at = tokens.iter().position(|t| t.is_word(word))? + 1;
    let qualified = tokens.get(at + 1).is_some_and(|t| t.is_sign('.'));
    let (first, last) = (tokens.get(at)?, tokens.get(if qualified { at + 2 } else { at })?);
    name_of(first).filter(|_| matches!(last.kind, TokenKind::Name | TokenKind::Word))?;
    // tokens are slices of the text
    let offset = |t: &str| t.as_ptr() as usize - text.as_ptr() as usize;
    let new = if qualified { name.quoted() } else { quote_name(&name.table) };
    Some(format!("{}{new}{}", text.get(..offset(first.text))?, text.get(offset(last.text) + last.text.len()..)?))
}

// accounts

fn grant_key(account: String) -> ObjectKey {
    ObjectKey { kind: ObjectKind::Grant, database: String::new(), name: account }
}

/// The statement is one more line of what makes this account again.
fn note(steps: &mut Steps<'_>, account: String) {
    let key = grant_key(account);
    let line = steps.statement.trim().trim_end_matches(';').replace('\n', " ");
    let mut object = steps.catalog.objects.get(&key).cloned().unwrap_or_else(|| Object {
        key: key.clone(),
        create: String::new(),
        sql_mode: String::new(),
        table: None,
    });
    if !object.create.is_empty() {
        object.create.push('\n');
    }
    object.create.push_str(&line);
    steps.push(SchemaChange::Object { object });
}

/// CREATE USER and ALTER USER: the accounts at the beginning of each item.
fn accounts(steps: &mut Steps<'_>, p: &mut Parser<'_>) -> Read<()> {
    p.takes_any(&["USER", "ROLE"]);
    if !p.takes(&["IF", "NOT", "EXISTS"]) {
        p.takes(&["IF", "EXISTS"]);
    }
    loop {
        let name = account(p)?;
        note(steps, name);
        while !p.done() && !p.sees_sign(',') && !p.sees(&["REQUIRE"]) && !p.sees(&["WITH"]) {
            p.skip();
        }
        if !p.takes_sign(',') {
            return Ok(());
        }
    }
}

/// GRANT … TO and REVOKE … FROM.
pub fn grant(steps: &mut Steps<'_>, p: &mut Parser<'_>) -> Read<()> {
    while !p.takes_any(&["TO", "FROM"]) {
        if p.skip().is_none() {
            return Ok(());
        }
    }
    loop {
        let name = account(p)?;
        note(steps, name);
        while !p.done() && !p.sees_sign(',') && !p.sees(&["REQUIRE"]) && !p.sees(&["WITH"]) {
            p.skip();
        }
        if !p.takes_sign(',') {
            return Ok(());
        }
    }
}

/// SET PASSWORD FOR account
pub fn password(steps: &mut Steps<'_>, p: &mut Parser<'_>) -> Read<()> {
    let name = account(p)?;
    note(steps, name);
    Ok(())
}

/// RENAME USER a TO b, …
pub fn rename_user(steps: &mut Steps<'_>, p: &mut Parser<'_>) -> Read<()> {
    p.words(&["USER"])?;
    loop {
        let from = account(p)?;
        p.words(&["TO"])?;
        let to = account(p)?;
        let key = grant_key(from);
        if let Some(mut object) = steps.catalog.objects.get(&key).cloned() {
            note(steps, key.name.clone());
            object = steps.catalog.objects.get(&key).cloned().unwrap_or(object);
            steps.push(SchemaChange::ObjectDropped { key });
            object.key = grant_key(to);
            steps.push(SchemaChange::Object { object });
        }
        if !p.takes_sign(',') {
            return Ok(());
        }
    }
}

/// The names of sql_mode's bits, by comma. Source: sql_mode_names in MariaDB's sys_vars.cc.
fn sql_mode_text(bits: u64) -> String {
    const NAMES: [&str; 37] = [
        "REAL_AS_FLOAT",
        "PIPES_AS_CONCAT",
        "ANSI_QUOTES",
        "IGNORE_SPACE",
        "IGNORE_BAD_TABLE_OPTIONS",
        "ONLY_FULL_GROUP_BY",
        "NO_UNSIGNED_SUBTRACTION",
        "NO_DIR_IN_CREATE",
        "POSTGRESQL",
        "ORACLE",
        "MSSQL",
        "DB2",
        "MAXDB",
        "NO_KEY_OPTIONS",
        "NO_TABLE_OPTIONS",
        "NO_FIELD_OPTIONS",
        "MYSQL323",
        "MYSQL40",
        "ANSI",
        "NO_AUTO_VALUE_ON_ZERO",
        "NO_BACKSLASH_ESCAPES",
        "STRICT_TRANS_TABLES",
        "STRICT_ALL_TABLES",
        "NO_ZERO_IN_DATE",
        "NO_ZERO_DATE",
        "ALLOW_INVALID_DATES",
        "ERROR_FOR_DIVISION_BY_ZERO",
        "TRADITIONAL",
        "NO_AUTO_CREATE_USER",
        "HIGH_NOT_PRECEDENCE",
        "NO_ENGINE_SUBSTITUTION",
        "PAD_CHAR_TO_FULL_LENGTH",
        "EMPTY_STRING_IS_NULL",
        "SIMULTANEOUS_ASSIGNMENT",
        "TIME_ROUND_FRACTIONAL",
        "",
        "",
    ];
    let set = |i: &usize| bits >> i & 1 == 1;
    (0..NAMES.len())
        .filter(set)
        .filter_map(|i| NAMES.get(i))
        .filter(|n| !n.is_empty())
        .copied()
        .collect::<Vec<_>>()
        .join(",")
}
