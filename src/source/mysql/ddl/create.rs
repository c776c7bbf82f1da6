//! CREATE TABLE, read into a table's parts.

use super::column::column_def;
use super::keys::{constraint, finish};
use super::lex::{Parser, Read};
use super::table::TableDef;
use super::types::{charset_name, charset_of, default_collation, plain_name};
use crate::model::quote_name;

/// Engines whose tables hold their own rows and log what changes them.
const ENGINES: [&str; 8] = ["innodb", "myisam", "aria", "memory", "heap", "rocksdb", "archive", "csv"];

/// A CREATE TABLE statement.
pub struct Create {
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
    p.takes(&["OR", "REPLACE"]);
    p.takes(&["TEMPORARY"]);
    p.words(&["TABLE"])?;
    let if_not_exists = p.takes(&["IF", "NOT", "EXISTS"]);
    let name = p.qualified()?;
    let def = TableDef { collation: collation.to_string(), ..TableDef::default() };
    let mut create = Create { if_not_exists, name, like: None, select: false, def };
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
            p.back_to(before);
            if !p.takes(&["PERIOD", "FOR"]) {
                return Err(e);
            }
            period(p, &mut create.def)?;
        }
        if !p.takes_sign(',') {
            return p.sign(')');
        }
    }
}

/// `PERIOD FOR name (start, end)`, from the name on.
fn period(p: &mut Parser<'_>, def: &mut TableDef) -> Read<()> {
    let name = p.name()?;
    p.sign('(')?;
    let start = p.name()?;
    p.sign(',')?;
    let end = p.name()?;
    p.sign(')')?;
    let name = if name.eq_ignore_ascii_case("SYSTEM_TIME") { name.to_uppercase() } else { quote_name(&name) };
    def.periods.push(format!("PERIOD FOR {name} ({}, {})", quote_name(&start), quote_name(&end)));
    // the server's order
    def.periods.sort_by_key(|p| !p.starts_with("PERIOD FOR SYSTEM_TIME"));
    Ok(())
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
        } else if p.takes(&["START", "TRANSACTION"]) {
            // MySQL: the rows of CREATE TABLE … SELECT follow
        } else if p.takes_any(&["IGNORE", "REPLACE", "AS"])
            || p.sees(&["SELECT"])
            || p.sees(&["WITH"])
            || p.sees_sign('(')
        {
            if p.takes(&["WITH", "SYSTEM", "VERSIONING"]) {
                create.def.versioned = true;
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
            def.collation = p.collation_of(&charset).map_or_else(|| default_collation(&charset), String::from);
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
        "SEQUENCE" if value == "0" => {}
        "COMMENT" if value == "''" => def.options.retain(|(n, _)| n != "COMMENT"),
        _ => def.set_option(&name, value),
    }
    Ok(())
}
