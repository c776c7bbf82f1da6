//! What does a SHOW or DESCRIBE statement ask for?

use super::filter::Filter;
use super::lex::{Token, Words};
use crate::error::{Error, Kind, Result};

/// A SHOW or DESCRIBE statement, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Show {
    pub what: What,
    /// The database that it names; `None`: the default one.
    pub database: Option<String>,
    /// `AS OF …` as it was written, with these words.
    pub as_of: Option<String>,
    pub(super) filter: Filter,
    /// LIMIT: how many rows to skip, and how many to give.
    pub(super) limit: Option<(u64, u64)>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum What {
    Databases,
    Tables {
        full: bool,
    },
    OpenTables,
    Columns {
        table: String,
        full: bool,
    },
    Index {
        table: String,
    },
    Create {
        object: Object,
        name: String,
        if_exists: bool,
    },
    TableStatus,
    Triggers,
    Events,
    /// `FUNCTION`, `PROCEDURE`; `PACKAGE` and `PACKAGE BODY`, of which there are none.
    Routines {
        kind: &'static str,
    },
    Variables {
        global: bool,
    },
    Status,
    /// `count`: SHOW COUNT(*) WARNINGS.
    Warnings {
        errors: bool,
        count: bool,
    },
    Engines,
    Charsets,
    Collations,
    Plugins,
    Privileges,
    /// Of the account, if one is named.
    Grants {
        account: Option<String>,
    },
    Profiles,
    Clusters,
    Backups,
    /// `between`: the texts of two expressions of moments.
    Transactions {
        table: Option<String>,
        between: Option<(String, String)>,
    },
    Moment,
    /// Whoever holds the connections answers it.
    Processlist {
        full: bool,
    },
    /// Whoever holds the jobs answers it.
    Jobs,
    /// Whoever knows the prices answers it.
    Cost,
}

/// What SHOW CREATE prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Object {
    Database,
    Table,
    View,
    Trigger,
    Procedure,
    Function,
    Event,
}

impl Show {
    /// Reads a SHOW, DESCRIBE or DESC statement, or `EXPLAIN table`; `None` when it is another statement.
    /// Errors: `Syntax`; `Unsupported` for what a server that takes no writes has not (SHOW MASTER STATUS).
    pub fn parse(sql: &str) -> Result<Option<Show>> {
        let mut words = Words::of(sql)?;
        if words.take(&["SHOW"]) {
            return show(&mut words).map(Some);
        }
        if !["DESCRIBE", "DESC", "EXPLAIN"].iter().any(|w| words.take(&[w])) {
            return Ok(None);
        }
        const PLANS: [&str; 13] = [
            "SELECT",
            "WITH",
            "(",
            "INSERT",
            "UPDATE",
            "DELETE",
            "REPLACE",
            "TABLE",
            "RESTORE",
            "FORMAT",
            "EXTENDED",
            "PARTITIONS",
            "ANALYZE",
        ];
        if PLANS.iter().any(|w| words.sees(&[w])) {
            return Ok(None);
        }
        describe(&mut words).map(Some)
    }

    fn of(what: What) -> Show {
        Show { what, database: None, as_of: None, filter: Filter::All, limit: None }
    }
}

/// `DESC [db.]table [column | 'pattern']`
fn describe(words: &mut Words<'_>) -> Result<Show> {
    let (database, table) = qualified(words)?;
    let mut show = Show { database, ..Show::of(What::Columns { table, full: false }) };
    show.as_of = as_of(words);
    match words.peek().cloned() {
        Some(Token::Word(name) | Token::Name(name)) => {
            words.next();
            show.filter = Filter::Name(name);
        }
        Some(Token::Text(pattern)) => {
            words.next();
            show.filter = Filter::Like(pattern);
        }
        _ => {}
    }
    show.as_of = show.as_of.or(as_of(words));
    words.finish()?;
    Ok(show)
}

fn show(words: &mut Words<'_>) -> Result<Show> {
    refused(words)?;
    let mut show = Show::of(What::Moment);
    show.what = subject(words, &mut show.database)?;
    loop {
        if let Some(text) = as_of(words) {
            show.as_of = Some(text);
        } else if ["FROM", "IN"].iter().any(|w| words.take(&[w])) {
            show.database = Some(words.name()?);
        } else if words.take(&["LIKE"]) {
            show.filter = Filter::Like(words.string()?);
        } else if words.take(&["WHERE"]) {
            show.filter = Filter::Where(words.cut(|w| w.sees(&["LIMIT"]) || starts_as_of(w)).to_string());
        } else if words.take(&["LIMIT"]) {
            show.limit = Some(limit(words)?);
        } else {
            break;
        }
    }
    words.finish()?;
    Ok(show)
}

/// What stands after SHOW, up to FROM, LIKE and the like.
fn subject(words: &mut Words<'_>, database: &mut Option<String>) -> Result<What> {
    // EXTENDED would add hidden columns and indexes: there are none
    words.take(&["EXTENDED"]);
    let full = words.take(&["FULL"]);
    let scope_is_global = words.take(&["GLOBAL"]);
    let _ = scope_is_global || words.take(&["SESSION"]) || words.take(&["LOCAL"]);
    let storage = words.take(&["STORAGE"]);
    Ok(match () {
        () if storage || words.sees(&["ENGINES"]) => {
            words.take(&["ENGINES"]).then_some(What::Engines).ok_or_else(|| words.unexpected("ENGINES"))?
        }
        () if words.take(&["DATABASES"]) || words.take(&["SCHEMAS"]) => What::Databases,
        () if words.take(&["TABLES"]) => What::Tables { full },
        () if words.take(&["OPEN", "TABLES"]) => What::OpenTables,
        () if words.take(&["TABLE", "STATUS"]) => What::TableStatus,
        () if words.take(&["COLUMNS"]) || words.take(&["FIELDS"]) => {
            What::Columns { table: of_table(words, database)?, full }
        }
        () if ["INDEX", "INDEXES", "KEYS"].iter().any(|w| words.take(&[w])) => {
            What::Index { table: of_table(words, database)? }
        }
        () if words.take(&["CREATE"]) => create(words, database)?,
        () if words.take(&["TRIGGERS"]) => What::Triggers,
        () if words.take(&["EVENTS"]) => What::Events,
        () if words.take(&["PROCEDURE", "STATUS"]) => What::Routines { kind: "PROCEDURE" },
        () if words.take(&["FUNCTION", "STATUS"]) => What::Routines { kind: "FUNCTION" },
        () if words.take(&["PACKAGE", "STATUS"]) => What::Routines { kind: "PACKAGE" },
        () if words.take(&["PACKAGE", "BODY", "STATUS"]) => What::Routines { kind: "PACKAGE BODY" },
        () if words.take(&["VARIABLES"]) => What::Variables { global: scope_is_global },
        () if words.take(&["STATUS"]) => What::Status,
        () if words.take(&["COUNT", "(", "*", ")", "WARNINGS"]) => What::Warnings { errors: false, count: true },
        () if words.take(&["COUNT", "(", "*", ")", "ERRORS"]) => What::Warnings { errors: true, count: true },
        () if words.take(&["WARNINGS"]) => What::Warnings { errors: false, count: false },
        () if words.take(&["ERRORS"]) => What::Warnings { errors: true, count: false },
        () if words.take(&["CHARACTER", "SET"]) || words.take(&["CHARSET"]) => What::Charsets,
        () if words.take(&["COLLATION"]) => What::Collations,
        () if words.take(&["PLUGINS"]) => What::Plugins,
        () if words.take(&["PRIVILEGES"]) => What::Privileges,
        () if words.take(&["GRANTS"]) => What::Grants { account: account(words)? },
        () if words.take(&["PROFILES"]) => What::Profiles,
        () if words.take(&["PROCESSLIST"]) => What::Processlist { full },
        () if words.take(&["JOBS"]) => What::Jobs,
        () if words.take(&["COST"]) => What::Cost,
        () if words.take(&["CLUSTERS"]) => What::Clusters,
        () if words.take(&["BACKUPS"]) => What::Backups,
        () if words.take(&["MOMENT"]) => What::Moment,
        () if words.take(&["TRANSACTIONS"]) => transactions(words, database)?,
        () => {
            return Err(
                words.unexpected("something that SHOW shows (TABLES, COLUMNS, CREATE TABLE, BACKUPS, TRANSACTIONS, …)")
            );
        }
    })
}

/// What only a server has that writes or replicates.
fn refused(words: &Words<'_>) -> Result<()> {
    const REFUSED: [&[&str]; 14] = [
        &["MASTER"],
        &["SLAVE"],
        &["ALL", "SLAVES"],
        &["REPLICA"],
        &["BINARY"],
        &["BINLOG"],
        &["RELAYLOG"],
        &["ENGINE"],
        &["CREATE", "USER"],
        &["CREATE", "SEQUENCE"],
        &["CREATE", "PACKAGE"],
        &["PROFILE"],
        &["EXPLAIN"],
        &["MUTEX"],
    ];
    match REFUSED.iter().find(|r| words.sees(r)) {
        Some(r) => Err(Error::new(
            Kind::Unsupported,
            format!("SHOW {} is not supported: this is an archive, not a server that writes", r.join(" ")),
        )
        .hint("SHOW BACKUPS and SHOW TRANSACTIONS tell what the archive holds.")),
        None => Ok(()),
    }
}

fn create(words: &mut Words<'_>, database: &mut Option<String>) -> Result<What> {
    let object = match () {
        () if words.take(&["DATABASE"]) || words.take(&["SCHEMA"]) => Object::Database,
        () if words.take(&["TABLE"]) => Object::Table,
        () if words.take(&["VIEW"]) => Object::View,
        () if words.take(&["TRIGGER"]) => Object::Trigger,
        () if words.take(&["PROCEDURE"]) => Object::Procedure,
        () if words.take(&["FUNCTION"]) => Object::Function,
        () if words.take(&["EVENT"]) => Object::Event,
        () => return Err(words.unexpected("TABLE, VIEW, DATABASE, TRIGGER, PROCEDURE, FUNCTION or EVENT")),
    };
    let if_exists = words.take(&["IF", "NOT", "EXISTS"]) || words.take(&["IF", "EXISTS"]);
    let (of, name) = qualified(words)?;
    *database = if object == Object::Database { Some(name.clone()) } else { of };
    Ok(What::Create { object, name, if_exists })
}

fn transactions(words: &mut Words<'_>, database: &mut Option<String>) -> Result<What> {
    let table = if words.take(&["FOR"]) {
        let (of, table) = qualified(words)?;
        *database = of;
        Some(table)
    } else {
        None
    };
    let between = if words.take(&["BETWEEN"]) {
        let from = words.cut(|w| w.sees(&["AND"])).to_string();
        if !words.take(&["AND"]) {
            return Err(words.unexpected("AND"));
        }
        let to = words.cut(|w| w.sees(&["LIMIT"]) || w.sees(&["WHERE"])).to_string();
        if from.is_empty() || to.is_empty() {
            return Err(words.unexpected("a moment"));
        }
        Some((from, to))
    } else {
        None
    };
    Ok(What::Transactions { table, between })
}

/// `FROM [db.]table`
fn of_table(words: &mut Words<'_>, database: &mut Option<String>) -> Result<String> {
    if !words.take(&["FROM"]) && !words.take(&["IN"]) {
        return Err(words.unexpected("FROM"));
    }
    let (of, table) = qualified(words)?;
    *database = of;
    Ok(table)
}

/// `[db.]name`
fn qualified(words: &mut Words<'_>) -> Result<(Option<String>, String)> {
    let first = words.name()?;
    if !words.take_symbol('.') {
        return Ok((None, first));
    }
    Ok((Some(first), words.name()?))
}

/// `FOR account`, of SHOW GRANTS.
fn account(words: &mut Words<'_>) -> Result<Option<String>> {
    if !words.take(&["FOR"]) {
        return Ok(None);
    }
    let user = words.name()?;
    if words.take(&["(", ")"]) {
        return Ok(None);
    }
    let host = match words.peek().cloned() {
        Some(Token::UserVariable(host)) => {
            words.next();
            host
        }
        _ => "%".to_string(),
    };
    Ok((!user.eq_ignore_ascii_case("CURRENT_USER")).then(|| format!("'{user}'@'{host}'")))
}

fn limit(words: &mut Words<'_>) -> Result<(u64, u64)> {
    let number = |words: &mut Words<'_>| {
        let text = words.name()?;
        text.parse::<u64>().map_err(|_| Error::new(Kind::Syntax, format!("LIMIT takes a number, not '{text}'")))
    };
    let first = number(words)?;
    Ok(match () {
        () if words.take_symbol(',') => (first, number(words)?),
        () if words.take(&["OFFSET"]) => (number(words)?, first),
        () => (0, first),
    })
}

fn starts_as_of(words: &Words<'_>) -> bool {
    words.sees(&["AS", "OF"])
}

/// `AS OF …` up to the next clause.
fn as_of(words: &mut Words<'_>) -> Option<String> {
    if !starts_as_of(words) {
        return None;
    }
    let clauses = ["LIKE", "WHERE", "LIMIT", "FROM", "IN"];
    let text = words.cut(|w| clauses.iter().any(|c| w.sees(&[c])));
    Some(text.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(sql: &str) -> Show {
        Show::parse(sql).expect(sql).expect(sql)
    }

    #[test]
    fn tables_with_every_clause() {
        let all = parse("SHOW FULL TABLES FROM `shop` AS OF TIMESTAMP NOW() - INTERVAL 1 HOUR LIKE 'o%' LIMIT 2, 3;");
        assert_eq!(all.what, What::Tables { full: true });
        assert_eq!(all.database.as_deref(), Some("shop"));
        assert_eq!(all.as_of.as_deref(), Some("AS OF TIMESTAMP NOW() - INTERVAL 1 HOUR"));
        assert_eq!(all.filter, Filter::Like("o%".into()));
        assert_eq!(all.limit, Some((2, 3)));
        let other = parse("show tables where Tables_in_shop = 'as of' as of latest");
        assert_eq!(other.filter, Filter::Where("Tables_in_shop = 'as of'".into()));
        assert_eq!(other.as_of.as_deref(), Some("as of latest"));
    }

    #[test]
    fn tables_are_named_in_two_ways() {
        for sql in [
            "SHOW COLUMNS FROM shop.orders",
            "SHOW FIELDS IN orders FROM shop",
            "DESC shop.orders",
            "EXPLAIN `shop`.`orders`",
        ] {
            let show = parse(sql);
            assert_eq!(show.what, What::Columns { table: "orders".into(), full: false }, "{sql}");
            assert_eq!(show.database.as_deref(), Some("shop"), "{sql}");
        }
        assert_eq!(parse("DESCRIBE orders AS OF LATEST").as_of.as_deref(), Some("AS OF LATEST"));
        assert_eq!(parse("DESC orders 'i%'").filter, Filter::Like("i%".into()));
        assert_eq!(parse("SHOW KEYS FROM `orders`").what, What::Index { table: "orders".into() });
    }

    #[test]
    fn our_own() {
        let show = parse("SHOW TRANSACTIONS FOR shop.orders BETWEEN '2026-11-22' AND NOW() LIMIT 5");
        assert_eq!(
            show.what,
            What::Transactions { table: Some("orders".into()), between: Some(("'2026-11-22'".into(), "NOW()".into())) }
        );
        assert_eq!((show.database.as_deref(), show.limit), (Some("shop"), Some((0, 5))));
        assert_eq!(parse("SHOW MOMENT AS OF GTID '0-1-5'").as_of.as_deref(), Some("AS OF GTID '0-1-5'"));
        assert_eq!(parse("SHOW BACKUPS").what, What::Backups);
    }

    #[test]
    fn what_is_refused_and_what_is_no_show() {
        assert_eq!(Show::parse("SHOW MASTER STATUS").err().map(|e| e.kind), Some(Kind::Unsupported));
        for sql in [
            "SHOW",
            "SHOW NOTHING",
            "SHOW TABLES LIKE",
            "SHOW COLUMNS",
            "SHOW TABLES x",
            "SHOW CREATE x",
            "SHOW TABLES LIMIT x",
        ] {
            assert_eq!(Show::parse(sql).err().map(|e| e.kind), Some(Kind::Syntax), "{sql}");
        }
        for sql in
            ["SELECT 1", "EXPLAIN SELECT 1", "EXPLAIN RESTORE TABLE a.b TO 'x'", "DESC WITH a AS (SELECT 1) SELECT 1"]
        {
            assert_eq!(Show::parse(sql).expect(sql), None, "{sql}");
        }
    }

    #[test]
    fn grants_name_an_account() {
        let account = |sql| match parse(sql).what {
            What::Grants { account } => account,
            other => panic!("{other:?}"),
        };
        assert_eq!(account("SHOW GRANTS"), None);
        assert_eq!(account("SHOW GRANTS FOR CURRENT_USER()"), None);
        assert_eq!(account("SHOW GRANTS FOR 'app'@'10.%'").as_deref(), Some("'app'@'10.%'"));
        assert_eq!(account("SHOW GRANTS FOR app").as_deref(), Some("'app'@'%'"));
    }
}
