//! Which moments does a statement name? Every AS OF and FOR SYSTEM_TIME is found among the tokens, evaluated, cut
//! out, and remembered for the table's name that it follows; what is left is MySQL's own SQL.

use super::constant::{self, Constants};
use super::lexer::{Lexeme, Token, syntax_error};
use super::local_time::parse_moment;
use super::system::TimeZone;
use crate::error::{Error, Kind, Result};
use crate::model::{Micros, MomentSpec, Seq};
use std::collections::HashMap;

/// When a table reference is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AsOf {
    Moment(MomentSpec),
    History(Span),
}

/// Which versions a FOR SYSTEM_TIME asks for: those that stood at some time of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Span {
    /// Both ends included.
    Between(Micros, Micros),
    /// Without the end.
    FromTo(Micros, Micros),
    All,
}

/// The moments of a statement by the byte at which the last part of the table's name begins.
pub(super) type Moments = HashMap<usize, AsOf>;

/// Words that may stand before a table's name, and so are no names themselves.
const BEFORE_NAMES: [&str; 5] = ["FROM", "JOIN", "STRAIGHT_JOIN", "TABLE", "INTO"];

/// Cuts the moments out of a query's tokens. Errors: `Syntax`; what the expressions' evaluation says.
pub(super) fn cut(tokens: Vec<Token>, constants: &Constants<'_>) -> Result<(Vec<Token>, Moments)> {
    let (mut kept, mut moments): (Vec<Token>, Moments) = (Vec::with_capacity(tokens.len()), Moments::new());
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let clause = at;
        match read_clause(&tokens, &mut at, constants)? {
            None => {
                kept.push(token.clone());
                at += 1;
            }
            Some(as_of) => {
                let here = tokens.get(clause).map_or(0, |t| t.start);
                let name = table_before(&kept).ok_or_else(|| {
                    syntax_error(constants.sql, here)
                        .hint("AS OF and FOR SYSTEM_TIME follow a table's name or its alias.")
                })?;
                if moments.insert(name, as_of).is_some() {
                    return Err(syntax_error(constants.sql, here).hint("A table has one moment only."));
                }
            }
        }
    }
    Ok((kept, moments))
}

/// Reads `AS OF …` at `at`, for statements other than queries. `None`: something else stands there.
pub(super) fn read_moment(tokens: &[Token], at: &mut usize, constants: &Constants<'_>) -> Result<Option<MomentSpec>> {
    let here = tokens.get(*at).map_or(constants.sql.len(), |t| t.start);
    match read_clause(tokens, at, constants)? {
        None => Ok(None),
        Some(AsOf::Moment(spec)) => Ok(Some(spec)),
        Some(AsOf::History(_)) => Err(syntax_error(constants.sql, here).hint("One moment is wanted here: AS OF ….")),
    }
}

fn read_clause(tokens: &[Token], at: &mut usize, constants: &Constants<'_>) -> Result<Option<AsOf>> {
    let word = |ahead: usize| tokens.get(*at + ahead);
    let is = |ahead: usize, keyword: &str| word(ahead).is_some_and(|t| t.is(keyword));
    if is(0, "FOR") && is(1, "SYSTEM_TIME") {
        *at += 2;
        return read_system_time(tokens, at, constants).map(Some);
    }
    if !is(0, "AS") || !is(1, "OF") {
        return Ok(None);
    }
    let spec = if is(2, "TIMESTAMP") {
        *at += 3;
        // `AS OF TIMESTAMP '…'` is the literal TIMESTAMP '…' as well
        unknown_is_latest(constant::instant(tokens, at, constants)?)
    } else if is(2, "LATEST") {
        *at += 3;
        MomentSpec::Latest
    } else if is(2, "GTID") {
        *at += 3;
        constant::text(tokens, at, constants)?.map_or(MomentSpec::Latest, MomentSpec::Gtid)
    } else if is(2, "BEFORE") && is(3, "GTID") {
        *at += 4;
        constant::text(tokens, at, constants)?.map_or(MomentSpec::Latest, MomentSpec::BeforeGtid)
    } else if is(2, "SEQ") {
        let seq = match word(3).map(|t| &t.lexeme) {
            Some(Lexeme::Number(n)) => n.parse().ok().map(Seq),
            _ => None,
        };
        let spec = seq.map(MomentSpec::Seq).ok_or_else(|| wrong_clause(tokens, *at + 3, constants))?;
        *at += 4;
        spec
    } else {
        // `AS of` may be an alias; what looks like a moment is none
        let moment_like = word(2).is_some_and(|t| {
            matches!(t.lexeme, Lexeme::Text(_) | Lexeme::Placeholder(_) | Lexeme::Variable(_)) || t.is("NOW")
        });
        return if moment_like { Err(wrong_clause(tokens, *at + 2, constants)) } else { Ok(None) };
    };
    Ok(Some(AsOf::Moment(spec)))
}

fn wrong_clause(tokens: &[Token], at: usize, constants: &Constants<'_>) -> Error {
    syntax_error(constants.sql, tokens.get(at).map_or(constants.sql.len(), |t| t.start))
        .hint("Write AS OF TIMESTAMP expr, AS OF GTID '…', AS OF BEFORE GTID '…', AS OF SEQ n or AS OF LATEST.")
}

fn unknown_is_latest(time: Option<Micros>) -> MomentSpec {
    time.map_or(MomentSpec::Latest, MomentSpec::At)
}

fn read_system_time(tokens: &[Token], at: &mut usize, constants: &Constants<'_>) -> Result<AsOf> {
    let is = |at: usize, keyword: &str| tokens.get(at).is_some_and(|t| t.is(keyword));
    let fault = |at: usize| syntax_error(constants.sql, tokens.get(at).map_or(constants.sql.len(), |t| t.start));
    if is(*at, "ALL") {
        *at += 1;
        return Ok(AsOf::History(Span::All));
    }
    if is(*at, "AS") && is(*at + 1, "OF") {
        *at += 2;
        if is(*at, "TRANSACTION") {
            return Err(Error::new(Kind::Unsupported, "FOR SYSTEM_TIME AS OF TRANSACTION is not supported")
                .hint("Write AS OF GTID '…' or AS OF SEQ n."));
        }
        skip_timestamp(tokens, at);
        return Ok(AsOf::Moment(unknown_is_latest(constant::instant(tokens, at, constants)?)));
    }
    let (between, middle) = match () {
        () if is(*at, "BETWEEN") => (true, "AND"),
        () if is(*at, "FROM") => (false, "TO"),
        () => return Err(fault(*at).hint("Write FOR SYSTEM_TIME AS OF a, BETWEEN a AND b, FROM a TO b, or ALL.")),
    };
    *at += 1;
    skip_timestamp(tokens, at);
    let from = constant::instant(tokens, at, constants)?;
    if !is(*at, middle) {
        return Err(fault(*at));
    }
    *at += 1;
    skip_timestamp(tokens, at);
    let to = constant::instant(tokens, at, constants)?;
    Ok(AsOf::History(match (from, to) {
        (Some(from), Some(to)) if between => Span::Between(from, to),
        (Some(from), Some(to)) => Span::FromTo(from, to),
        _ => Span::All,
    }))
}

/// MariaDB lets the word TIMESTAMP stand before any expression here.
fn skip_timestamp(tokens: &[Token], at: &mut usize) {
    let call = tokens.get(*at + 1).is_some_and(|t| t.is_symbol("("));
    if tokens.get(*at).is_some_and(|t| t.is("TIMESTAMP")) && !call {
        *at += 1;
    }
}

/// Where the last part of the name of the table reference begins that these tokens end with.
fn table_before(kept: &[Token]) -> Option<usize> {
    let back = |n: usize| kept.len().checked_sub(n).and_then(|i| kept.get(i));
    let last = back(1).filter(|t| t.word().is_some() && !is_keyword(t))?;
    // `t AS a`, `t a`, `db.t`, `t`
    let name = match back(2) {
        Some(t) if t.is("AS") => back(3)?,
        Some(t) if t.word().is_some() && !is_keyword(t) => t,
        _ => last,
    };
    (name.word().is_some() && !is_keyword(name)).then_some(name.start)
}

fn is_keyword(token: &Token) -> bool {
    BEFORE_NAMES.iter().any(|k| token.is(k))
}

/// A database's name as a statement writes it: `db`, `db@moment`, `cluster/db`, `cluster/db@moment`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DatabaseName {
    pub cluster: Option<String>,
    pub database: String,
    pub moment: Option<MomentSpec>,
}

impl DatabaseName {
    /// `clusters`: those that there are; a name that begins with no cluster and a slash is a database's whole name.
    /// What stands after `@` is a time in `zone`, `latest`, `gtid:…`, `before gtid:…` or `seq:…`.
    /// Errors: `BadValue` for a moment that is none.
    pub fn parse(name: &str, clusters: &[String], zone: TimeZone) -> Result<DatabaseName> {
        let (name, moment) = match name.split_once('@') {
            Some((name, moment)) if !name.is_empty() => (name, Some(moment_of(moment, zone)?)),
            _ => (name, None),
        };
        let (cluster, database) = match name.split_once('/') {
            Some((cluster, database)) if clusters.iter().any(|c| c == cluster) => (Some(cluster), database),
            _ => (None, name),
        };
        Ok(DatabaseName { cluster: cluster.map(str::to_string), database: database.to_string(), moment })
    }
}

/// The text of a moment, as in a database's name. Errors: `BadValue`.
pub(super) fn moment_of(text: &str, zone: TimeZone) -> Result<MomentSpec> {
    let text = text.trim();
    let lower = text.to_ascii_lowercase();
    let after = |prefix: &str| lower.starts_with(prefix).then(|| text.get(prefix.len()..).unwrap_or_default().trim());
    if lower == "latest" {
        return Ok(MomentSpec::Latest);
    }
    if let Some(gtid) = after("gtid:") {
        return Ok(MomentSpec::Gtid(gtid.to_string()));
    }
    if let Some(gtid) = after("before gtid:") {
        return Ok(MomentSpec::BeforeGtid(gtid.to_string()));
    }
    if let Some(seq) = after("seq:") {
        let seq = seq.parse().map_err(|_| Error::new(Kind::BadValue, format!("'{seq}' is no seq")))?;
        return Ok(MomentSpec::Seq(Seq(seq)));
    }
    parse_moment(text, zone).map(MomentSpec::At)
}

#[cfg(test)]
mod tests {
    use super::super::lexer::{LexMode, tokenize};
    use super::*;
    use crate::model::Value;

    fn cut_of(sql: &str) -> Result<(String, Vec<(String, AsOf)>)> {
        let constants = Constants {
            sql,
            zone: TimeZone::System,
            now: Micros(3_600_000_000),
            parameters: None,
            variable: &|_| Value::Null,
        };
        let (kept, moments) = cut(tokenize(sql, LexMode::default())?.list, &constants)?;
        let text = kept.iter().map(|t| &sql[t.start..t.end]).collect::<Vec<_>>().join(" ");
        let mut named: Vec<_> = moments.into_iter().collect();
        named.sort_by_key(|(at, _)| *at);
        let name = |at| kept.iter().find(|t| t.start == at).and_then(|t| t.word()).unwrap_or("?").to_string();
        Ok((text, named.into_iter().map(|(at, m)| (name(at), m)).collect()))
    }

    fn at(us: i64) -> AsOf {
        AsOf::Moment(MomentSpec::At(Micros(us)))
    }

    #[test]
    fn every_form_is_found_wherever_a_table_may_stand() {
        let hour = 3_600_000_000;
        for (sql, rest, moments) in [
            ("SELECT * FROM t AS OF TIMESTAMP '1970-01-01'", "SELECT * FROM t", vec![("t", at(0))]),
            (
                "SELECT * FROM db.t x AS OF TIMESTAMP NOW() WHERE 1",
                "SELECT * FROM db . t x WHERE 1",
                vec![("t", at(hour))],
            ),
            (
                "SELECT * FROM t AS OF TIMESTAMP NOW() - INTERVAL 1 HOUR AS x",
                "SELECT * FROM t AS x",
                vec![("t", at(0))],
            ),
            (
                "SELECT * FROM t AS x AS OF LATEST, u",
                "SELECT * FROM t AS x , u",
                vec![("t", AsOf::Moment(MomentSpec::Latest))],
            ),
            (
                "SELECT * FROM a AS OF GTID '0-1-2' JOIN a AS OF BEFORE GTID '0-1-2' b USING (id)",
                "SELECT * FROM a JOIN a b USING ( id )",
                vec![
                    ("a", AsOf::Moment(MomentSpec::Gtid("0-1-2".into()))),
                    ("a", AsOf::Moment(MomentSpec::BeforeGtid("0-1-2".into()))),
                ],
            ),
            (
                "WITH c AS (SELECT * FROM t AS OF SEQ 7) SELECT (SELECT 1 FROM u FOR SYSTEM_TIME AS OF '1970-01-01') FROM c",
                "WITH c AS ( SELECT * FROM t ) SELECT ( SELECT 1 FROM u ) FROM c",
                vec![("t", AsOf::Moment(MomentSpec::Seq(Seq(7)))), ("u", at(0))],
            ),
            (
                "SELECT * FROM t FOR SYSTEM_TIME BETWEEN '1970-01-01' AND NOW() AS h WHERE a AND b",
                "SELECT * FROM t AS h WHERE a AND b",
                vec![("t", AsOf::History(Span::Between(Micros(0), Micros(hour))))],
            ),
            (
                "SELECT * FROM t FOR SYSTEM_TIME FROM TIMESTAMP '1970-01-01' TO NOW() h, u FOR SYSTEM_TIME ALL",
                "SELECT * FROM t h , u",
                vec![("t", AsOf::History(Span::FromTo(Micros(0), Micros(hour)))), ("u", AsOf::History(Span::All))],
            ),
            ("SELECT * FROM t AS OF TIMESTAMP ? x", "SELECT * FROM t x", vec![("t", AsOf::Moment(MomentSpec::Latest))]),
        ] {
            let (text, found) = cut_of(sql).expect(sql);
            assert_eq!(text, rest, "{sql}");
            assert_eq!(found, moments.into_iter().map(|(n, m)| (n.to_string(), m)).collect::<Vec<_>>(), "{sql}");
        }
    }

    #[test]
    fn what_only_looks_like_a_moment_stays() {
        for sql in ["SELECT 'x AS OF TIMESTAMP y'", "SELECT a AS of , b AS `of`", "SELECT * FROM t AS of JOIN u"] {
            let (_, found) = cut_of(sql).expect(sql);
            assert!(found.is_empty(), "{sql}");
        }
        assert!(cut_of("SELECT 1 /* FROM t AS OF LATEST */ -- AS OF LATEST").expect("a comment").1.is_empty());
    }

    #[test]
    fn a_misplaced_moment_is_a_syntax_error_with_a_hint() {
        for sql in [
            "SELECT * FROM (SELECT 1) AS OF LATEST",
            "SELECT 1 + AS OF LATEST",
            "SELECT * FROM t AS OF '2026-01-01'",
            "SELECT * FROM t AS OF LATEST AS OF LATEST",
            "SELECT * FROM t FOR SYSTEM_TIME",
            "SELECT * FROM t FOR SYSTEM_TIME BETWEEN NOW() TO NOW()",
            "SELECT * FROM t AS OF SEQ 'x'",
        ] {
            assert_eq!(cut_of(sql).expect_err(sql).kind, Kind::Syntax, "{sql}");
        }
    }

    #[test]
    fn database_names_carry_cluster_and_moment() {
        let parse = |name: &str| DatabaseName::parse(name, &["prod".into()], TimeZone::System);
        let name = |cluster: Option<&str>, database: &str, moment| DatabaseName {
            cluster: cluster.map(str::to_string),
            database: database.into(),
            moment,
        };
        assert_eq!(parse("shop").unwrap(), name(None, "shop", None));
        assert_eq!(
            parse("prod/shop@1970-01-01 00:00:01").unwrap(),
            name(Some("prod"), "shop", Some(MomentSpec::At(Micros(1_000_000))))
        );
        assert_eq!(parse("a/b@latest").unwrap(), name(None, "a/b", Some(MomentSpec::Latest)));
        assert_eq!(parse("shop@gtid:0-1-2").unwrap(), name(None, "shop", Some(MomentSpec::Gtid("0-1-2".into()))));
        assert_eq!(
            parse("shop@before GTID: 0-1-2").unwrap(),
            name(None, "shop", Some(MomentSpec::BeforeGtid("0-1-2".into())))
        );
        assert_eq!(parse("shop@seq:5").unwrap(), name(None, "shop", Some(MomentSpec::Seq(Seq(5)))));
        assert_eq!(parse("shop@yesterday").unwrap_err().kind, Kind::BadValue);
    }
}
