//! How is a value written as a literal? Parameters and variables are put into a statement as tokens, before it is
//! parsed, so that whatever a literal means there it means here.

use super::lexer::{Lexeme, Token, syntax_error};
use super::system::{Scope, Variables};
use crate::error::{Error, Kind, Result};
use crate::model::{ColumnType, Value};
use std::fmt::Write;

/// Puts values in place of variables and parameters. Parameters that are not known yet (`None`) become NULL, or 1
/// where a number of rows is wanted.
/// Errors: `UnknownVariable`; `Unsupported` for an assignment; `BadValue` for a missing parameter.
pub(super) fn substitute(
    sql: &str,
    tokens: Vec<Token>,
    parameters: Option<&[Value]>,
    variables: &Variables,
) -> Result<Vec<Token>> {
    let mut out = Vec::with_capacity(tokens.len());
    let mut list = tokens.into_iter().peekable();
    let mut rows = false;
    while let Some(token) = list.next() {
        let lexemes = match &token.lexeme {
            Lexeme::Placeholder(n) => match parameters {
                None if rows => vec![Lexeme::Number("1".into())],
                None => vec![word("NULL")],
                Some(values) => {
                    let value = values.get(*n).ok_or_else(|| {
                        Error::new(Kind::BadValue, format!("parameter {} of the statement has no value", n + 1))
                    })?;
                    lexemes(value, None)?
                }
            },
            Lexeme::Variable(name) => {
                if list.peek().is_some_and(|t| t.is_symbol(":=")) {
                    return Err(Error::new(
                        Kind::Unsupported,
                        format!("{name} := … inside a statement is not supported"),
                    )
                    .hint("Use SET @name = expr."));
                }
                variable(sql, &token, name, variables)?
            }
            _ => {
                // LIMIT ?, ? and OFFSET ?
                rows = token.is("LIMIT") || token.is("OFFSET") || (rows && token.is_symbol(","));
                out.push(token);
                continue;
            }
        };
        out.extend(lexemes.into_iter().map(|lexeme| Token { lexeme, ..token.clone() }));
    }
    Ok(out)
}

fn variable(sql: &str, token: &Token, name: &str, variables: &Variables) -> Result<Vec<Lexeme>> {
    let Some(system) = name.strip_prefix("@@") else {
        return match variables.user(name.trim_start_matches('@')) {
            Some((kind, value)) => lexemes(value, Some(kind)),
            None => Ok(vec![word("NULL")]),
        };
    };
    let (scope, system) = match system.split_once('.') {
        Some((scope, rest)) if ["session", "local"].iter().any(|s| scope.eq_ignore_ascii_case(s)) => {
            (Some(Scope::Session), rest)
        }
        Some((scope, rest)) if scope.eq_ignore_ascii_case("global") => (Some(Scope::Global), rest),
        Some(_) => return Err(syntax_error(sql, token.start)),
        None => (None, system),
    };
    let (kind, value) = variables.get(scope, system)?;
    lexemes(&value, Some(&kind))
}

fn word(text: &str) -> Lexeme {
    Lexeme::Word { text: text.to_string(), quoted: false }
}

/// The tokens of a literal with this value. `kind` gives a DECIMAL its scale and a time its digits.
/// Errors: `Unsupported` for a DECIMAL without a type.
pub(super) fn lexemes(value: &Value, kind: Option<&ColumnType>) -> Result<Vec<Lexeme>> {
    let typed = |name: &str, default: ColumnType| {
        let text = value.display(kind.unwrap_or(&default)).unwrap_or_default();
        vec![word(name), Lexeme::Text(String::from_utf8_lossy(&text).into_owned())]
    };
    Ok(match value {
        Value::Null => vec![word("NULL")],
        Value::Int(n) => number(n.to_string()),
        Value::UInt(n) => number(n.to_string()),
        Value::Float(n) => number(format!("{n:e}")),
        Value::Double(n) => number(format!("{n:e}")),
        Value::Decimal(_) => {
            let kind = kind.ok_or_else(|| Error::new(Kind::Unsupported, "a DECIMAL parameter is not supported"))?;
            number(String::from_utf8_lossy(&value.display(kind).unwrap_or_default()).into_owned())
        }
        Value::Text(text) => vec![Lexeme::Text(text.clone())],
        Value::Bytes(bytes) => vec![Lexeme::Hex(bytes.iter().fold(String::new(), |mut hex, b| {
            write!(hex, "{b:02X}").expect("a String takes all");
            hex
        }))],
        Value::Date(_) => typed("DATE", ColumnType::Date),
        Value::DateTime(us) => typed("TIMESTAMP", ColumnType::DateTime { fsp: digits(*us) }),
        Value::Time(us) => typed("TIME", ColumnType::Time { fsp: digits(*us) }),
    })
}

/// A negative number in parentheses, so that it binds as one literal would.
fn number(text: String) -> Vec<Lexeme> {
    match text.strip_prefix('-') {
        None => vec![Lexeme::Number(text)],
        Some(rest) => {
            vec![Lexeme::Symbol("("), Lexeme::Symbol("-"), Lexeme::Number(rest.to_string()), Lexeme::Symbol(")")]
        }
    }
}

fn digits(us: i64) -> u8 {
    if us % 1_000_000 == 0 { 0 } else { 6 }
}

#[cfg(test)]
mod tests {
    use super::super::lexer::{LexMode, tokenize};
    use super::*;

    fn text(sql: &str, parameters: Option<&[Value]>) -> Result<String> {
        let mut variables = Variables::new(7);
        variables.set_user("x", ColumnType::Varchar { length: 3 }, Value::Text("it's".into()));
        let tokens = substitute(sql, tokenize(sql, LexMode::default())?.list, parameters, &variables)?;
        Ok(tokens
            .iter()
            .map(|t| match &t.lexeme {
                Lexeme::Word { text, .. } | Lexeme::Number(text) => text.clone(),
                Lexeme::Text(text) => format!("'{text}'"),
                Lexeme::Hex(text) => format!("0x{text}"),
                Lexeme::Symbol(symbol) => symbol.to_string(),
                other => format!("{other:?}"),
            })
            .collect::<Vec<_>>()
            .join(" "))
    }

    #[test]
    fn values_stand_as_literals_of_their_type() {
        let values = [
            Value::Int(-5),
            Value::UInt(u64::MAX),
            Value::Double(1.5),
            Value::Text("a'b".into()),
            Value::Bytes(vec![0, 255]),
            Value::Null,
            Value::Date(0),
            Value::DateTime(1),
            Value::Time(-3_600_000_000),
        ];
        assert_eq!(
            text("? ? ? ? ? ? ? ? ?", Some(&values)).unwrap(),
            "( - 5 ) 18446744073709551615 1.5e0 'a'b' 0x00FF NULL DATE '1970-01-01' \
             TIMESTAMP '1970-01-01 00:00:00.000001' TIME '-01:00:00'"
        );
        assert_eq!(text("a = ? LIMIT ?, ? ", None).unwrap(), "a = NULL LIMIT 1 , 1");
        assert_eq!(text("?", Some(&[])).unwrap_err().kind, Kind::BadValue);
    }

    #[test]
    fn variables_stand_as_their_values() {
        assert_eq!(text("@x, @none, @@autocommit, @@session.time_zone", None).unwrap(), "'it's' , NULL , 1 , 'SYSTEM'");
        assert_eq!(text("@@no_such", None).unwrap_err().kind, Kind::UnknownVariable);
        assert_eq!(text("@a := 1", None).unwrap_err().kind, Kind::Unsupported);
    }
}
