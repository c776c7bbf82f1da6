//! Which rows of a SHOW does its LIKE or WHERE keep?
//!
//! Conditions compare the listing's own columns with literals; text without regard to case, as information_schema's
//! collation has it.

use super::listing::Listing;
use crate::error::{Error, Kind, Result};
use crate::model::Value;
use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, UnaryOperator, Value as Literal};
use datafusion::sql::sqlparser::dialect::MySqlDialect;
use datafusion::sql::sqlparser::parser::Parser;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Filter {
    All,
    /// Of the column that names what is listed.
    Like(String),
    /// That column is this name.
    Name(String),
    /// The text of a condition.
    Where(String),
}

impl Filter {
    /// What LIKE says.
    pub fn pattern(&self) -> Option<&str> {
        match self {
            Filter::Like(pattern) => Some(pattern),
            _ => None,
        }
    }

    /// Drops the rows that it does not keep. `column`: the one that LIKE looks at.
    /// Errors: `Syntax`, `UnknownColumn`, `Unsupported` for what is no comparison of columns with literals.
    pub fn apply(&self, listing: &mut Listing, column: usize) -> Result<()> {
        let keep: Vec<bool> = match self {
            Filter::All => return Ok(()),
            Filter::Like(pattern) => {
                listing.rows().iter().map(|r| r.get(column).is_some_and(|v| like(&text(v), pattern))).collect()
            }
            Filter::Name(name) => {
                let name = name.to_lowercase();
                listing.rows().iter().map(|r| r.get(column).is_some_and(|v| text(v).to_lowercase() == name)).collect()
            }
            Filter::Where(condition) => {
                let expression = parse(condition)?;
                listing
                    .rows()
                    .iter()
                    .map(|r| Ok(truth(&eval(&expression, listing, r)?) == Some(true)))
                    .collect::<Result<_>>()?
            }
        };
        listing.retain(&keep);
        Ok(())
    }
}

fn parse(condition: &str) -> Result<Expr> {
    let dialect = MySqlDialect {};
    let bad = |e: &dyn std::fmt::Display| Error::new(Kind::Syntax, format!("WHERE {condition}: {e}"));
    let mut parser = Parser::new(&dialect).try_with_sql(condition).map_err(|e| bad(&e))?;
    let expression = parser.parse_expr().map_err(|e| bad(&e))?;
    match parser.peek_token().token {
        datafusion::sql::sqlparser::tokenizer::Token::EOF => Ok(expression),
        other => Err(bad(&format!("'{other}' is not expected"))),
    }
}

fn unsupported(e: &Expr) -> Error {
    Error::new(Kind::Unsupported, format!("{e} is not supported in SHOW … WHERE"))
        .hint("Compare columns with literals, or query information_schema.")
}

/// NULL is `Value::Null`; truth is Int 1 or 0.
fn eval(e: &Expr, listing: &Listing, row: &[Value]) -> Result<Value> {
    let column = |name: &str| {
        let position = listing
            .position(name)
            .ok_or_else(|| Error::new(Kind::UnknownColumn, format!("Unknown column '{name}' in 'where clause'")))?;
        Ok(row.get(position).cloned().unwrap_or(Value::Null))
    };
    Ok(match e {
        Expr::Nested(inner) => eval(inner, listing, row)?,
        Expr::Identifier(name) => column(&name.value)?,
        Expr::CompoundIdentifier(parts) => column(parts.last().map_or("", |p| p.value.as_str()))?,
        Expr::Value(v) => match &v.value {
            Literal::Null => Value::Null,
            Literal::Boolean(b) => boolean(Some(*b)),
            Literal::Number(n, _) => Value::Text(n.clone()),
            other => match other.clone().into_string() {
                Some(t) => Value::Text(t),
                None => return Err(unsupported(e)),
            },
        },
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => boolean(truth(&eval(expr, listing, row)?).map(|b| !b)),
        Expr::IsNull(inner) => boolean(Some(eval(inner, listing, row)?.is_null())),
        Expr::IsNotNull(inner) => boolean(Some(!eval(inner, listing, row)?.is_null())),
        Expr::InList { expr, list, negated } => {
            let value = eval(expr, listing, row)?;
            let mut found = Some(false);
            for item in list {
                found = or(found, compare(&value, &eval(item, listing, row)?).map(|o| o.is_eq()));
            }
            boolean(found.map(|b| b != *negated))
        }
        Expr::Like { negated, any: false, expr, pattern, escape_char: None } => {
            let (value, pattern) = (eval(expr, listing, row)?, eval(pattern, listing, row)?);
            let known = !value.is_null() && !pattern.is_null();
            boolean(known.then(|| like(&text(&value), &text(&pattern)) != *negated))
        }
        Expr::BinaryOp { left, op, right } => {
            let (l, r) = (eval(left, listing, row)?, eval(right, listing, row)?);
            let order = compare(&l, &r);
            boolean(match op {
                BinaryOperator::And => and(truth(&l), truth(&r)),
                BinaryOperator::Or => or(truth(&l), truth(&r)),
                BinaryOperator::Eq => order.map(|o| o.is_eq()),
                BinaryOperator::NotEq => order.map(|o| o.is_ne()),
                BinaryOperator::Lt => order.map(|o| o.is_lt()),
                BinaryOperator::LtEq => order.map(|o| o.is_le()),
                BinaryOperator::Gt => order.map(|o| o.is_gt()),
                BinaryOperator::GtEq => order.map(|o| o.is_ge()),
                _ => return Err(unsupported(e)),
            })
        }
        _ => return Err(unsupported(e)),
    })
}

fn boolean(b: Option<bool>) -> Value {
    b.map_or(Value::Null, |b| Value::Int(i64::from(b)))
}

fn truth(v: &Value) -> Option<bool> {
    match v {
        Value::Null => None,
        Value::Int(n) => Some(*n != 0),
        Value::UInt(n) => Some(*n != 0),
        other => Some(text(other).parse::<f64>().is_ok_and(|n| n != 0.0)),
    }
}

fn and(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    match (a, b) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

fn or(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    and(a.map(|a| !a), b.map(|b| !b)).map(|c| !c)
}

/// As numbers when both are, else as text without regard to case. `None`: one is NULL.
fn compare(a: &Value, b: &Value) -> Option<std::cmp::Ordering> {
    if a.is_null() || b.is_null() {
        return None;
    }
    let (x, y) = (text(a), text(b));
    // "inf" and "nan" are words here
    let number = |t: &str| t.parse::<f64>().ok().filter(|n| n.is_finite());
    match (number(&x), number(&y)) {
        (Some(m), Some(n)) => m.partial_cmp(&n),
        _ => Some(x.to_lowercase().cmp(&y.to_lowercase())),
    }
}

fn text(v: &Value) -> String {
    match v {
        Value::Text(t) => t.clone(),
        Value::Int(n) => n.to_string(),
        Value::UInt(n) => n.to_string(),
        other => {
            let kind = crate::model::ColumnType::DateTime { fsp: 0 };
            other.display(&kind).map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default()
        }
    }
}

/// MySQL's LIKE, without regard to case: `%` any run, `_` one character, `\` takes the next as it is.
pub(super) fn like(text: &str, pattern: &str) -> bool {
    let text: Vec<char> = text.to_lowercase().chars().collect();
    let mut parts: Vec<(char, bool)> = Vec::new();
    let lower = pattern.to_lowercase();
    let mut chars = lower.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => parts.push((chars.next().unwrap_or('\\'), false)),
            c => parts.push((c, matches!(c, '%' | '_'))),
        }
    }
    // where to go on from, when the text after a `%` turns out not to fit
    let (mut t, mut p, mut retry) = (0, 0, None);
    while t < text.len() {
        match parts.get(p) {
            Some(('%', true)) => {
                retry = Some((p, t));
                p += 1;
            }
            Some((c, wild)) if *wild || text.get(t) == Some(c) => (t, p) = (t + 1, p + 1),
            _ => match retry {
                Some((from, at)) => {
                    retry = Some((from, at + 1));
                    (t, p) = (at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    parts.get(p..).unwrap_or_default().iter().all(|part| *part == ('%', true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (text, pattern, fits) in [
            ("orders", "o%", true),
            ("Orders", "oRDER_", true),
            ("orders", "order", false),
            ("a_b", "a\\_b", true),
            ("axb", "a\\_b", false),
            ("", "%", true),
            ("", "_", false),
            ("aXbXc", "%x_", true),
            ("abab", "%ab", true),
            ("100%", "100\\%", true),
        ] {
            assert_eq!(like(text, pattern), fits, "{text} LIKE {pattern}");
        }
    }
}
