//! A column's definition: its type, and everything after that.

use super::default::DefaultDef;
use super::keys::foreign;
use super::lex::{Cutting, Lexer, Parser, Read, TokenKind};
use super::table::{ColumnDef, KeyDef, KeyKind, KeyPart, TableDef};
use super::types::{TypeError, charset_name, plain_name, read_type};
use crate::model::{ColumnType, Generated};

/// The definition after a column's name. Keys that it declares are added to the table.
pub fn column_def(p: &mut Parser<'_>, name: String, def: &mut TableDef) -> Read<ColumnDef> {
    let mut c = ColumnDef {
        name,
        kind: ColumnType::Date,
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
        generated: None,
        invisible: false,
        compressed: false,
        srid: None,
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
    if let (Some(charset), None, false) = (&c.charset_written, &c.collation_written, c.binary_written) {
        c.collation_written = p.collation_of(&plain_name(charset)).map(String::from);
    }
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
    } else if p.takes(&["GENERATED", "ALWAYS", "AS"]) || p.takes(&["AS"]) {
        if p.takes(&["ROW"]) {
            let end = if p.takes(&["END"]) { Generated::RowEnd } else { Generated::RowStart };
            p.takes(&["START"]);
            if !matches!(c.kind, ColumnType::Timestamp { .. }) {
                refuse(c, "its table is versioned by transactions, not by times");
            }
            (c.generated, c.nullable) = (Some((end, String::new())), false);
            return Ok(true);
        }
        let expression = p.parenthesised()?;
        let how = if depends_on_session(&expression) { Generated::Session } else { Generated::Virtual };
        c.generated = Some((how, expression));
    } else if p.takes_any(&["VIRTUAL"]) {
    } else if p.takes_any(&["STORED", "PERSISTENT"]) {
        c.generated = c.generated.take().map(|(_, expression)| (Generated::Stored, expression));
    } else if p.takes(&["INVISIBLE"]) {
        c.invisible = true;
    } else if p.takes(&["COMPRESSED"]) {
        if p.takes_sign('=') {
            p.skip();
        }
        c.compressed = true;
    } else if p.takes(&["WITH", "SYSTEM", "VERSIONING"]) {
        refuse(c, "it is system-versioned");
    } else if p.takes(&["WITHOUT", "SYSTEM", "VERSIONING"]) || p.takes(&["VISIBLE"]) {
    } else if p.takes(&["SRID"]) {
        c.srid = Some(p.number()?);
    } else if p.takes_any(&["COLUMN_FORMAT", "STORAGE", "REF_SYSTEM_ID"]) {
        p.takes_sign('=');
        p.skip();
    } else {
        return Ok(false);
    }
    Ok(true)
}

/// Whether an expression means something else in another session or at another time.
fn depends_on_session(expression: &str) -> bool {
    const NAMES: [&str; 42] = [
        "NOW",
        "CURRENT_TIMESTAMP",
        "CURDATE",
        "CURRENT_DATE",
        "CURTIME",
        "CURRENT_TIME",
        "SYSDATE",
        "LOCALTIME",
        "LOCALTIMESTAMP",
        "UTC_DATE",
        "UTC_TIME",
        "UTC_TIMESTAMP",
        "UNIX_TIMESTAMP",
        "FROM_UNIXTIME",
        "DATE_FORMAT",
        "TIME_FORMAT",
        "DAYNAME",
        "MONTHNAME",
        "WEEK",
        "YEARWEEK",
        "FORMAT",
        "RAND",
        "RANDOM_BYTES",
        "UUID",
        "UUID_SHORT",
        "SYS_GUID",
        "USER",
        "CURRENT_USER",
        "SESSION_USER",
        "SYSTEM_USER",
        "CURRENT_ROLE",
        "DATABASE",
        "SCHEMA",
        "CONNECTION_ID",
        "VERSION",
        "LAST_INSERT_ID",
        "FOUND_ROWS",
        "ROW_COUNT",
        "LOAD_FILE",
        "CHARSET",
        "COLLATION",
        "CONVERT_TZ",
    ];
    match Lexer::all(expression, Cutting::default()) {
        Ok(tokens) => tokens.iter().any(|t| {
            t.is_sign('@') || t.kind == TokenKind::Word && NAMES.iter().any(|n| t.text.eq_ignore_ascii_case(n))
        }),
        Err(_) => true,
    }
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
