//! CREATE TABLE, read into a table's parts.

use super::lex::{Parser, Read, TokenKind, Unread};
use super::table::{CheckDef, ColumnDef, DefaultDef, ForeignDef, KeyDef, KeyKind, KeyPart, TableDef, same_name};
use super::types::{TypeError, charset_name, charset_of, default_collation, plain_name, read_type};

/// Engines whose tables hold their own rows and log what changes them.
const ENGINES: [&str; 8] = ["innodb", "myisam", "aria", "memory", "heap", "rocksdb", "archive", "csv"];

/// A CREATE TABLE statement.
pub struct Create {
    pub or_replace: bool,
    pub if_not_exists: bool,
    pub name: (Option<String>, String),
    /// CREATE TABLE … LIKE this.
    pub like: Option<(Option<String>, String)>,
    /// A SELECT follows, whose rows the statement itself inserts.
    pub select: bool,
    pub def: TableDef,
}

/// Reads from the word CREATE on. `collation`: the database's default.
pub fn read_create(p: &mut Parser<'_>, collation: &str) -> Read<Create> {
    p.words(&["CREATE"])?;
    let or_replace = p.takes(&["OR", "REPLACE"]);
    p.takes(&["TEMPORARY"]);
    p.words(&["TABLE"])?;
    let if_not_exists = p.takes(&["IF", "NOT", "EXISTS"]);
    let name = p.qualified()?;
    let def = TableDef { collation: collation.to_string(), ..TableDef::default() };
    let mut create = Create { or_replace, if_not_exists, name, like: None, select: false, def };
    if p.takes(&["LIKE"]) {
        create.like = Some(p.qualified()?);
        return Ok(create);
    }
    let bracket = p.mark();
    if p.takes_sign('(') {
        if p.takes(&["LIKE"]) {
            create.like = Some(p.qualified()?);
            return Ok(create);
        }
        if p.sees(&["SELECT"]) || p.sees(&["WITH"]) {
            p.back_to(bracket);
        } else {
            read_items(p, &mut create)?;
        }
    }
    options(p, &mut create)?;
    finish(&mut create.def, &create.name.1);
    Ok(create)
}

fn read_items(p: &mut Parser<'_>, create: &mut Create) -> Read<()> {
    loop {
        let before = p.mark();
        if let Err(e) = item(p, &mut create.def, &create.name.1) {
            // PERIOD FOR …: not carried, but the rest can be read
            p.back_to(before);
            if !p.takes(&["PERIOD", "FOR"]) {
                return Err(e);
            }
            create.def.refused.get_or_insert_with(|| "it has application or system time periods".into());
            p.skip_item();
        }
        if !p.takes_sign(',') {
            return p.sign(')');
        }
    }
}

/// One column, key or constraint between the parentheses.
fn item(p: &mut Parser<'_>, def: &mut TableDef, table: &str) -> Read<()> {
    if p.sees(&["PERIOD", "FOR"]) {
        return Err(p.unexpected("a column"));
    }
    if !constraint(p, def, table)? {
        let name = p.name()?;
        let column = column_def(p, name, def)?;
        def.columns.push(column);
    }
    Ok(())
}

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
        if !p.takes(&["NOT", "ENFORCED"]) {
            p.takes(&["ENFORCED"]);
        }
        let name = symbol.unwrap_or_default();
        def.checks.push(CheckDef { name, expression });
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

fn foreign(
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

/// The definition after a column's name. Keys that it declares are added to the table.
pub fn column_def(p: &mut Parser<'_>, name: String, def: &mut TableDef) -> Read<ColumnDef> {
    let mut c = ColumnDef {
        name,
        kind: crate::model::ColumnType::Date,
        width: None,
        nullable: true,
        null_written: false,
        charset_written: None,
        collation_written: None,
        binary_written: false,
        collation: None,
        default: None,
        on_update: None,
        auto_increment: false,
        comment: String::new(),
        check: None,
        refused: None,
        id: None,
        missing: None,
    };
    match read_type(p) {
        Ok(t) => {
            (c.kind, c.width, c.charset_written, c.binary_written) = (t.kind, t.width, t.charset, t.binary);
            if t.serial {
                (c.nullable, c.null_written, c.auto_increment) = (false, true, true);
                add_inline_key(def, KeyKind::Unique, &c.name);
            }
        }
        Err(TypeError::Unread(e)) => return Err(e),
        Err(TypeError::NotCarried(kind)) => {
            if p.sees_sign('(') {
                p.parenthesised()?;
            }
            c.refused = Some(format!("its type is {kind}"));
        }
    }
    while attribute(p, &mut c, def)? {}
    Ok(c)
}

fn add_inline_key(def: &mut TableDef, kind: KeyKind, column: &str) {
    let parts = vec![KeyPart { column: column.to_string(), suffix: String::new() }];
    def.keys.push(KeyDef { kind, name: String::new(), parts, options: String::new(), implied: false });
}

/// One attribute of a column, if one comes next.
fn attribute(p: &mut Parser<'_>, c: &mut ColumnDef, def: &mut TableDef) -> Read<bool> {
    let refuse = |c: &mut ColumnDef, why: &str| {
        c.refused.get_or_insert_with(|| why.to_string());
    };
    if p.takes(&["NOT", "NULL"]) {
        (c.nullable, c.null_written) = (false, true);
    } else if p.takes(&["NULL"]) {
        (c.nullable, c.null_written) = (true, true);
    } else if p.takes(&["DEFAULT"]) {
        c.default = Some(default_clause(p)?);
    } else if p.takes(&["ON", "UPDATE"]) {
        c.on_update = Some(now_text(p)?.ok_or_else(|| p.unexpected("CURRENT_TIMESTAMP"))?);
    } else if p.takes(&["AUTO_INCREMENT"]) {
        c.auto_increment = true;
        (c.nullable, c.null_written) = (false, true);
    } else if p.takes(&["PRIMARY", "KEY"]) || p.takes(&["KEY"]) {
        add_inline_key(def, KeyKind::Primary, &c.name);
    } else if p.takes(&["UNIQUE"]) {
        p.takes(&["KEY"]);
        add_inline_key(def, KeyKind::Unique, &c.name);
    } else if p.takes(&["COMMENT"]) {
        c.comment = p.string()?;
    } else if p.takes(&["COLLATE"]) {
        c.collation_written = Some(charset_name(p)?);
    } else if p.takes(&["CHARACTER", "SET"]) || p.takes(&["CHARSET"]) {
        c.charset_written = Some(charset_name(p)?);
    } else if p.sees(&["CONSTRAINT"]) || p.sees(&["CHECK"]) {
        if p.takes(&["CONSTRAINT"]) && !p.sees(&["CHECK"]) {
            p.name()?;
        }
        p.words(&["CHECK"])?;
        c.check = Some(p.parenthesised()?);
    } else if p.sees(&["REFERENCES"]) {
        foreign(p, def, "", None, None, vec![c.name.clone()])?;
    } else if p.takes(&["GENERATED", "ALWAYS", "AS"]) || p.takes(&["AS"]) || p.takes(&["GENERATED"]) {
        if p.sees_sign('(') {
            p.parenthesised()?;
        }
        refuse(c, "it is a generated column");
    } else if p.takes_any(&["VIRTUAL", "STORED", "PERSISTENT"]) {
        refuse(c, "it is a generated column");
    } else if p.takes(&["ROW", "START"]) || p.takes(&["ROW", "END"]) {
        refuse(c, "it is a period column");
    } else if p.takes(&["INVISIBLE"]) {
        refuse(c, "it is an invisible column");
    } else if p.takes(&["COMPRESSED"]) {
        if p.takes_sign('=') {
            p.skip();
        }
        refuse(c, "it is a compressed column");
    } else if p.takes(&["WITH", "SYSTEM", "VERSIONING"]) {
        refuse(c, "it is system-versioned");
    } else if p.takes(&["WITHOUT", "SYSTEM", "VERSIONING"]) || p.takes(&["VISIBLE"]) {
    } else if p.takes_any(&["COLUMN_FORMAT", "STORAGE", "SRID", "REF_SYSTEM_ID"]) {
        p.takes_sign('=');
        p.skip();
    } else {
        return Ok(false);
    }
    Ok(true)
}

/// What stands after DEFAULT.
pub fn default_clause(p: &mut Parser<'_>) -> Read<DefaultDef> {
    if p.takes(&["NULL"]) {
        return Ok(DefaultDef::Null);
    }
    if let Some(now) = now_text(p)? {
        return Ok(DefaultDef::Expression(now));
    }
    let start = p.mark();
    if p.takes_any(&["TRUE", "FALSE"]) {
        let text = if p.text(start, p.mark()).eq_ignore_ascii_case("TRUE") { "1" } else { "0" };
        return Ok(DefaultDef::Literal { text: text.into(), quoted: false });
    }
    if p.takes_any(&["_utf8mb4", "_utf8mb3", "_utf8"]) && p.peek().is_none_or(|t| t.kind != TokenKind::Text) {
        p.back_to(start);
    }
    if p.peek().is_some_and(|t| t.kind == TokenKind::Text) {
        return Ok(DefaultDef::Literal { text: p.string()?, quoted: true });
    }
    if p.sees_sign('(') {
        return Ok(DefaultDef::Expression(format!("({})", p.parenthesised()?)));
    }
    let sign = p.takes_sign('-') || p.takes_sign('+');
    if let Some(token) = p.peek().copied().filter(|t| t.kind == TokenKind::Number) {
        p.skip();
        if let Some(raw) = raw_literal(token.text) {
            return Ok(DefaultDef::Raw(raw));
        }
        return Ok(DefaultDef::Literal { text: p.text(start, p.mark()).replace(' ', ""), quoted: false });
    }
    if sign {
        return Err(p.unexpected("a number"));
    }
    // name, name(…), name.name(…), word 'text'
    p.name()?;
    while p.takes_sign('.') {
        p.name()?;
    }
    if p.sees_sign('(') {
        p.parenthesised()?;
    } else if p.peek().is_some_and(|t| t.kind == TokenKind::Text) {
        p.string()?;
    }
    Ok(DefaultDef::Expression(p.text(start, p.mark())))
}

/// The bytes of `x'41'`, `0x41` and `b'101'`.
pub fn raw_literal(text: &str) -> Option<Vec<u8>> {
    let lower = text.to_ascii_lowercase();
    let quoted = |prefix: &str| Some(lower.strip_prefix(prefix)?.strip_suffix('\'')?.to_string());
    if let Some(bits) = quoted("b'") {
        let bits = format!("{bits:0>width$}", width = bits.len().div_ceil(8) * 8);
        return (0..bits.len() / 8).map(|i| u8::from_str_radix(bits.get(i * 8..i * 8 + 8)?, 2).ok()).collect();
    }
    let hex = quoted("x'").or_else(|| lower.strip_prefix("0x").map(str::to_string))?;
    let hex = if hex.len() % 2 == 1 { format!("0{hex}") } else { hex };
    (0..hex.len() / 2).map(|i| u8::from_str_radix(hex.get(i * 2..i * 2 + 2)?, 16).ok()).collect()
}

/// `current_timestamp(n)` for any of its spellings, if one comes next.
fn now_text(p: &mut Parser<'_>) -> Read<Option<String>> {
    let before = p.mark();
    if p.takes_any(&["NOW", "CURRENT_TIMESTAMP", "LOCALTIME", "LOCALTIMESTAMP"]) {
        if !p.sees_sign('(') {
            return Ok(Some("current_timestamp()".into()));
        }
        return Ok(Some(format!("current_timestamp({})", p.parenthesised()?)));
    }
    p.back_to(before);
    Ok(None)
}

/// Everything after the closing parenthesis.
fn options(p: &mut Parser<'_>, create: &mut Create) -> Read<()> {
    while !p.done() {
        if p.sees(&["PARTITION", "BY"]) {
            let start = p.mark();
            while !p.done() && !p.sees(&["AS", "SELECT"]) && !p.sees(&["SELECT"]) {
                if p.sees_sign('(') {
                    p.parenthesised()?;
                } else {
                    p.skip();
                }
            }
            create.def.partition = p.text(start, p.mark());
        } else if p.takes_any(&["IGNORE", "REPLACE", "AS"])
            || p.sees(&["SELECT"])
            || p.sees(&["WITH"])
            || p.sees_sign('(')
        {
            if p.takes(&["WITH", "SYSTEM", "VERSIONING"]) {
                create.def.refused.get_or_insert_with(|| "it is system-versioned".into());
                continue;
            }
            create.select = true;
            p.rest();
        } else {
            table_option(p, &mut create.def)?;
        }
    }
    Ok(())
}

/// One table option, as CREATE TABLE and ALTER TABLE have it.
pub fn table_option(p: &mut Parser<'_>, def: &mut TableDef) -> Read<()> {
    if p.takes_sign(',') {
        return Ok(());
    }
    p.takes(&["DEFAULT"]);
    if p.takes(&["CHARACTER", "SET"]) || p.takes(&["CHARSET"]) || p.takes(&["CHAR", "SET"]) {
        p.takes_sign('=');
        let charset = plain_name(&charset_name(p)?);
        // COLLATE before CHARSET: the collation says more
        let follows = p.sees(&["COLLATE"]) || p.sees(&["DEFAULT", "COLLATE"]);
        if charset != "default" && (charset_of(&def.collation) != charset || !follows) {
            def.collation = default_collation(&charset);
        }
        return Ok(());
    }
    if p.takes(&["COLLATE"]) {
        p.takes_sign('=');
        def.collation = plain_name(&charset_name(p)?);
        return Ok(());
    }
    let mut name = p.name()?.to_uppercase();
    if matches!(name.as_str(), "DATA" | "INDEX") && p.takes(&["DIRECTORY"]) {
        name += " DIRECTORY";
    }
    p.takes_sign('=');
    let start = p.mark();
    if p.sees_sign('(') {
        p.parenthesised()?;
    } else if p.skip().is_none() {
        return Err(p.unexpected("a value"));
    }
    let value = p.text(start, p.mark());
    match name.as_str() {
        "ENGINE" | "TYPE" => {
            let engine = super::unquoted(&value);
            if !ENGINES.contains(&engine.to_ascii_lowercase().as_str()) {
                def.refused.get_or_insert_with(|| format!("its engine is {engine}"));
            }
            let known = [
                ("innodb", "InnoDB"),
                ("myisam", "MyISAM"),
                ("aria", "Aria"),
                ("memory", "MEMORY"),
                ("heap", "MEMORY"),
            ];
            let engine =
                known.iter().find(|(k, _)| engine.eq_ignore_ascii_case(k)).map_or(engine, |(_, e)| e.to_string());
            def.set_option("ENGINE", engine);
        }
        "SEQUENCE" if value != "0" => {
            def.refused.get_or_insert_with(|| "it is a sequence".into());
        }
        "COMMENT" if value == "''" => def.options.retain(|(n, _)| n != "COMMENT"),
        _ => def.set_option(&name, value),
    }
    Ok(())
}

/// What the server adds by itself: NOT NULL for key columns, names of keys, order of keys.
pub fn finish(def: &mut TableDef, table: &str) {
    let collation = def.collation.clone();
    def.columns.iter_mut().for_each(|c| c.resolve(&collation));
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
    def.sort_keys();
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
