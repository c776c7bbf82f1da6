//! What does a SET statement set?

use super::lex::{Token, Words};
use super::variables::Scope;
use crate::error::{Error, Kind, Result};

/// A SET statement, read. Its values are expressions that somebody else evaluates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetStatement {
    /// In the order in which they were written; an error in one leaves those before it done, as in MySQL.
    pub assignments: Vec<Assignment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Assignment {
    Variable {
        scope: Scope,
        name: String,
        value: NewValue,
    },
    /// `@name`: without the sign.
    User {
        name: String,
        value: NewValue,
    },
    /// SET NAMES; `None`: DEFAULT.
    Names {
        charset: Option<String>,
        collation: Option<String>,
    },
    /// SET CHARACTER SET; `None`: DEFAULT.
    CharacterSet(Option<String>),
    /// `SET [SESSION] TRANSACTION …`, with what follows TRANSACTION as it was written.
    Transaction {
        scope: Option<Scope>,
        rest: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewValue {
    Default,
    /// The text of an expression.
    Expression(String),
    /// A bare word (`utf8mb4`, `ON`), which stands for itself.
    Word(String),
}

impl SetStatement {
    /// Reads a SET statement; `None` when it is another statement.
    /// Errors: `Syntax`; `Unsupported` for SET PASSWORD, SET ROLE and SET STATEMENT.
    pub fn parse(sql: &str) -> Result<Option<SetStatement>> {
        let mut words = Words::of(sql)?;
        if !words.take(&["SET"]) {
            return Ok(None);
        }
        // mysqldump of old writes SET OPTION
        if words.sees(&["OPTION"]) {
            words.next();
        }
        let mut assignments = Vec::new();
        loop {
            assignments.push(assignment(&mut words)?);
            if !words.take_symbol(',') {
                break;
            }
        }
        words.finish()?;
        Ok(Some(SetStatement { assignments }))
    }
}

fn assignment(words: &mut Words<'_>) -> Result<Assignment> {
    if let Some(Token::UserVariable(name)) = words.peek().cloned() {
        words.next();
        return Ok(Assignment::User { name, value: value(words)? });
    }
    for refused in ["PASSWORD", "ROLE", "STATEMENT", "RESOURCE", "DEFAULT"] {
        if words.sees(&[refused]) {
            return Err(Error::new(Kind::Unsupported, format!("SET {refused} is not supported")));
        }
    }
    if words.take(&["NAMES"]) {
        return names(words);
    }
    if words.take(&["CHARACTER", "SET"]) || words.take(&["CHARSET"]) {
        let charset = if words.take(&["DEFAULT"]) { None } else { Some(words.name()?) };
        return Ok(Assignment::CharacterSet(charset));
    }
    let signed = words.peek() == Some(&Token::SystemVariable);
    if signed {
        words.next();
    }
    let scope = scope(words, signed);
    if words.take(&["TRANSACTION"]) {
        // its parts are separated by commas too
        return Ok(Assignment::Transaction { scope, rest: words.cut(|_| false).to_string() });
    }
    let mut name = words.name()?;
    while words.take_symbol('.') {
        name = format!("{name}.{}", words.name()?);
    }
    Ok(Assignment::Variable { scope: scope.unwrap_or(Scope::Session), name, value: value(words)? })
}

/// `SESSION x`, `@@session.x` and the like.
fn scope(words: &mut Words<'_>, signed: bool) -> Option<Scope> {
    for (word, scope) in [
        ("SESSION", Scope::Session),
        ("LOCAL", Scope::Session),
        ("GLOBAL", Scope::Global),
        ("PERSIST", Scope::Global),
        ("PERSIST_ONLY", Scope::Global),
    ] {
        if signed && words.take(&[word, "."]) {
            return Some(scope);
        }
        if !signed && words.sees(&[word]) && !words.sees(&[word, "="]) && !words.sees(&[word, ":"]) {
            words.next();
            return Some(scope);
        }
    }
    None
}

fn names(words: &mut Words<'_>) -> Result<Assignment> {
    if words.take(&["DEFAULT"]) {
        return Ok(Assignment::Names { charset: None, collation: None });
    }
    let charset = Some(words.name()?);
    let collation = match words.take(&["COLLATE"]) {
        true if words.take(&["DEFAULT"]) => None,
        true => Some(words.name()?),
        false => None,
    };
    Ok(Assignment::Names { charset, collation })
}

fn value(words: &mut Words<'_>) -> Result<NewValue> {
    words.take_symbol(':');
    if !words.take_symbol('=') {
        return Err(words.unexpected("="));
    }
    let before = words.clone();
    match words.next() {
        Some(Token::Word(w)) if words.at_end() || words.sees(&[","]) => {
            let literal = w.starts_with(|c: char| c.is_ascii_digit()) || w.eq_ignore_ascii_case("NULL");
            Ok(match () {
                () if w.eq_ignore_ascii_case("DEFAULT") => NewValue::Default,
                () if literal => NewValue::Expression(w),
                () => NewValue::Word(w),
            })
        }
        _ => {
            *words = before;
            let text = words.cut(|w| w.sees(&[","]));
            if text.is_empty() { Err(words.unexpected("a value")) } else { Ok(NewValue::Expression(text.to_string())) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(sql: &str) -> Assignment {
        let mut all = SetStatement::parse(sql).expect(sql).expect(sql).assignments;
        assert_eq!(all.len(), 1, "{sql}");
        all.remove(0)
    }

    fn variable(scope: Scope, name: &str, value: NewValue) -> Assignment {
        Assignment::Variable { scope, name: name.into(), value }
    }

    #[test]
    fn variables_in_every_spelling() {
        let on = || NewValue::Word("ON".into());
        for sql in [
            "SET autocommit = ON",
            "set @@autocommit=ON",
            "SET SESSION autocommit := ON;",
            "/*!40101 SET @@session.autocommit=ON */",
            "SET LOCAL autocommit=ON",
        ] {
            assert_eq!(one(sql), variable(Scope::Session, "autocommit", on()), "{sql}");
        }
        assert_eq!(one("SET GLOBAL x = 1"), variable(Scope::Global, "x", NewValue::Expression("1".into())));
        assert_eq!(one("SET @@global.x = DEFAULT"), variable(Scope::Global, "x", NewValue::Default));
        let concat = NewValue::Expression("CONCAT(@@sql_mode, ',STRICT_TRANS_TABLES')".into());
        assert_eq!(
            one("SET sql_mode=CONCAT(@@sql_mode, ',STRICT_TRANS_TABLES')"),
            variable(Scope::Session, "sql_mode", concat)
        );
        let negative = NewValue::Expression("-1".into());
        assert_eq!(one("SET x = -1"), variable(Scope::Session, "x", negative));
    }

    #[test]
    fn several_at_once() {
        let set = SetStatement::parse("SET NAMES utf8mb4 COLLATE utf8mb4_bin, @a = (1, 2), time_zone='+00:00', @@b=@a")
            .expect("it reads");
        let set = set.expect("a SET").assignments;
        assert_eq!(
            set[0],
            Assignment::Names { charset: Some("utf8mb4".into()), collation: Some("utf8mb4_bin".into()) }
        );
        assert_eq!(set[1], Assignment::User { name: "a".into(), value: NewValue::Expression("(1, 2)".into()) });
        assert_eq!(set[2], variable(Scope::Session, "time_zone", NewValue::Expression("'+00:00'".into())));
        assert_eq!(set[3], variable(Scope::Session, "b", NewValue::Expression("@a".into())));
        assert_eq!(one("SET CHARACTER SET 'utf8'"), Assignment::CharacterSet(Some("utf8".into())));
        let read_only = Assignment::Transaction {
            scope: Some(Scope::Session),
            rest: "ISOLATION LEVEL READ COMMITTED, READ ONLY".into(),
        };
        assert_eq!(one("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY"), read_only);
    }

    #[test]
    fn what_is_no_set_or_no_good_one() {
        assert_eq!(SetStatement::parse("SELECT 1").expect("it scans"), None);
        for sql in ["SET", "SET x", "SET x =", "SET x = 1 2,", "SET = 1", "SET NAMES", "SET x = 1,"] {
            assert_eq!(SetStatement::parse(sql).err().map(|e| e.kind), Some(Kind::Syntax), "{sql}");
        }
        assert_eq!(SetStatement::parse("SET PASSWORD = 'x'").err().map(|e| e.kind), Some(Kind::Unsupported));
    }
}
