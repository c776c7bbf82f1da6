//! How deep does a statement nest? Whoever walks a syntax tree needs stack for every level, so depth is limited; and
//! long chains of AND and OR, which programs like to write, are made flat.

use super::lexer::Token;
use crate::error::{Error, Kind, Result};
use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, Query, Value, VisitMut, VisitorMut};
use std::ops::ControlFlow;

/// Operators one within the other: `a + b + c` nests once more than `a + b`.
const OPERATORS: usize = 150;
/// UNION, EXCEPT and INTERSECT of one statement.
const SETS: usize = 150;

/// Words that end a chain of operators, as a comma does.
const ENDS: [&str; 16] = [
    "AND",
    "OR",
    "XOR",
    "SELECT",
    "FROM",
    "WHERE",
    "ON",
    "HAVING",
    "BY",
    "LIMIT",
    "WHEN",
    "THEN",
    "ELSE",
    "UNION",
    "EXCEPT",
    "INTERSECT",
];
/// Operators that are words.
const WORDS: [&str; 10] = ["IS", "LIKE", "IN", "BETWEEN", "REGEXP", "RLIKE", "DIV", "MOD", "COLLATE", "NOT"];
/// Signs that are no operators.
const SIGNS: [&str; 7] = [".", "{", "}", ":", "\\", ";", ")"];

/// Refuses what would nest too deep. Errors: `Limit`.
pub(super) fn check(tokens: &[Token]) -> Result<()> {
    // operators in the chain at each level of parentheses, and their sum
    let (mut levels, mut depth, mut sets) = (vec![0_usize], 0_usize, 0_usize);
    for token in tokens {
        let ends = ENDS.iter().any(|k| token.is(k)) || [",", "||", "&&"].iter().any(|s| token.is_symbol(s));
        if ends {
            depth -= levels.last_mut().map(std::mem::take).unwrap_or(0);
            sets += usize::from(["UNION", "EXCEPT", "INTERSECT"].iter().any(|k| token.is(k)));
        } else if token.is_symbol("(") {
            levels.push(1);
            depth += 1;
        } else if token.is_symbol(")") {
            depth -= levels.pop().unwrap_or(0);
        } else if is_operator(token) {
            depth += 1;
            match levels.last_mut() {
                Some(level) => *level += 1,
                None => levels.push(1),
            }
        }
        if depth > OPERATORS {
            return Err(Error::new(
                Kind::Limit,
                format!("the statement nests more than {OPERATORS} operators in one another"),
            )
            .hint("Use IN (…) for many values, and split the statement."));
        }
    }
    if sets > SETS {
        return Err(Error::new(Kind::Limit, format!("the statement has {sets} UNIONs: more than {SETS}")));
    }
    Ok(())
}

fn is_operator(token: &Token) -> bool {
    let sign = matches!(&token.lexeme, super::lexer::Lexeme::Symbol(s) if !SIGNS.contains(s));
    sign || WORDS.iter().any(|k| token.is(k))
}

/// Makes chains of AND, OR and XOR as flat as a tree can be: they are associative, with NULL too.
pub(super) fn flatten(query: &mut Query) {
    let _ = query.visit(&mut Flatten);
}

struct Flatten;

impl VisitorMut for Flatten {
    type Break = ();

    /// The whole chain, before the visitor goes down into it.
    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::BinaryOp { op, .. } = expr
            && let Some(op) = associative(op)
        {
            let mut parts = Vec::new();
            let mut rest = std::mem::replace(expr, Expr::Value(Value::Null.into()));
            loop {
                match rest {
                    Expr::BinaryOp { left, op: same, right } if same == op => {
                        parts.push(*right);
                        rest = *left;
                    }
                    last => {
                        parts.push(last);
                        break;
                    }
                }
            }
            parts.reverse();
            *expr = balanced(&op, parts);
        }
        ControlFlow::Continue(())
    }
}

fn associative(op: &BinaryOperator) -> Option<BinaryOperator> {
    // `||` is OR
    let known =
        matches!(op, BinaryOperator::And | BinaryOperator::Or | BinaryOperator::Xor | BinaryOperator::StringConcat);
    known.then(|| op.clone())
}

/// A tree over these parts, in their order.
fn balanced(op: &BinaryOperator, mut parts: Vec<Expr>) -> Expr {
    while parts.len() > 1 {
        let mut pairs = Vec::with_capacity(parts.len().div_ceil(2));
        let mut list = parts.into_iter();
        while let Some(left) = list.next() {
            pairs.push(match list.next() {
                Some(right) => Expr::BinaryOp { left: Box::new(left), op: op.clone(), right: Box::new(right) },
                None => left,
            });
        }
        parts = pairs;
    }
    parts.pop().unwrap_or_else(|| Expr::Value(Value::Null.into()))
}

#[cfg(test)]
mod tests {
    use super::super::dialect::parse_query;
    use super::super::lexer::{LexMode, tokenize};
    use super::*;

    fn read(sql: &str) -> Result<String> {
        let tokens = tokenize(sql, LexMode::default())?.list;
        parse_query(sql, &tokens).map(|q| q.to_string())
    }

    #[test]
    fn chains_keep_their_order_and_meaning() {
        let sql = "SELECT a OR b OR c AND d AND e OR f";
        assert_eq!(read(sql).unwrap(), sql);
        let many = (0..50_000).map(|i| format!("a = {i}")).collect::<Vec<_>>().join(" OR ");
        assert_eq!(read(&format!("SELECT {many}")).unwrap(), format!("SELECT {many}"));
    }

    #[test]
    fn depth_is_limited() {
        let refused = |sql: &str| read(sql).err().map(|e| e.kind);
        assert_eq!(refused(&format!("SELECT {}1", "1 + ".repeat(100))), None);
        assert_eq!(refused(&format!("SELECT {}1", "1 + ".repeat(200))), Some(Kind::Limit));
        assert_eq!(refused(&format!("SELECT {}1{}", "(".repeat(200), ")".repeat(200))), Some(Kind::Limit));
        assert_eq!(refused(&format!("SELECT {}1", "NOT ".repeat(200))), Some(Kind::Limit));
        assert_eq!(refused(&format!("SELECT 1{}", " UNION SELECT 1".repeat(200))), Some(Kind::Limit));
        assert_eq!(refused(&format!("SELECT {}", vec!["a + b"; 1000].join(", "))), None);
    }
}
