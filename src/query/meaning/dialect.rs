//! How do MySQL's operators bind, where sqlparser's own dialect is wrong?

use datafusion::sql::sqlparser::ast::Expr;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};

/// What a dialect's `get_next_precedence` answers.
pub fn next_precedence(_parser: &Parser) -> Option<Result<u8, ParserError>> {
    None
}

/// What a dialect's `parse_infix` answers.
pub fn infix(_parser: &mut Parser, _left: &Expr, _precedence: u8) -> Option<Result<Expr, ParserError>> {
    None
}

/// What a dialect's `parse_prefix` answers.
pub fn prefix(_parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
    None
}
