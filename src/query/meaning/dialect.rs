//! How do MySQL's operators bind? sqlparser's own MySQL dialect has DIV, XOR, `^`, `||` and unary minus wrong.
//!
//! From loose to tight, as MariaDB's grammar has it: OR and `||`; XOR; AND and `&&`; NOT; IS TRUE/FALSE/UNKNOWN;
//! comparisons and IS NULL; IN, BETWEEN, LIKE, REGEXP; `|`; `&`; shifts; `+ -`; `* / DIV % MOD`; `^`; unary `- + ~ !`
//! and BINARY. Source: sql/sql_yacc.yy.

use datafusion::sql::sqlparser::ast::{BinaryOperator, CastKind, DataType, Expr, Ident, UnaryOperator};
use datafusion::sql::sqlparser::ast::{Function, FunctionArg, FunctionArgExpr, FunctionArgumentList};
use datafusion::sql::sqlparser::ast::{FunctionArguments, ObjectName, Statement};
use datafusion::sql::sqlparser::dialect::{Dialect, MySqlDialect, Precedence};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;
use std::any::TypeId;

const XOR: u8 = 7;
const IS_TRUE: u8 = 16;
const SHIFT: u8 = 26;
const MUL: u8 = 40;
const POWER: u8 = 42;
const UNARY: u8 = 60;

/// sqlparser's MySQL dialect with MySQL's precedences. Parse every statement with it.
#[derive(Debug, Clone, Copy, Default)]
pub struct MysqlSyntax;

macro_rules! as_mysql {
    ($($name:ident),*) => {$(
        fn $name(&self) -> bool {
            MySqlDialect {}.$name()
        }
    )*};
}

impl Dialect for MysqlSyntax {
    fn dialect(&self) -> TypeId {
        TypeId::of::<MySqlDialect>()
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        MySqlDialect {}.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        MySqlDialect {}.is_identifier_part(ch)
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        ch == '`'
    }

    fn identifier_quote_style(&self, _: &str) -> Option<char> {
        Some('`')
    }

    fn is_table_factor_alias(&self, explicit: bool, keyword: &Keyword, parser: &mut Parser) -> bool {
        MySqlDialect {}.is_table_factor_alias(explicit, keyword, parser)
    }

    fn allow_extract_custom(&self) -> bool {
        true
    }

    fn parse_statement(&self, parser: &mut Parser) -> Option<Result<Statement, ParserError>> {
        MySqlDialect {}.parse_statement(parser)
    }

    // a || b is OR, not concatenation, so no bool of the dialect says it; see `parse_infix`
    as_mysql!(
        supports_string_literal_backslash_escape,
        supports_string_literal_concatenation,
        ignores_wildcard_escapes,
        supports_numeric_prefix,
        supports_bitwise_shift_operators,
        supports_multiline_comment_hints,
        require_interval_qualifier,
        supports_limit_comma,
        supports_create_table_select,
        supports_insert_set,
        supports_user_host_grantee,
        supports_table_hints,
        requires_single_line_comment_whitespace,
        supports_match_against,
        supports_select_modifiers,
        supports_set_names,
        supports_comma_separated_set_assignments,
        supports_update_order_by,
        supports_data_type_signed_suffix,
        supports_cross_join_constraint,
        supports_double_ampersand_operator,
        supports_binary_kw_as_cast,
        supports_comment_optimizer_hint,
        supports_constraint_keyword_without_name,
        supports_key_column_option
    );

    fn prec_value(&self, precedence: Precedence) -> u8 {
        match precedence {
            Precedence::Period => 100,
            Precedence::DoubleColon | Precedence::AtTz | Precedence::PgOther => 70,
            Precedence::Caret => POWER,
            Precedence::MulDivModOp => MUL,
            Precedence::PlusMinus => 30,
            Precedence::Ampersand => 24,
            Precedence::Pipe | Precedence::Colon => 23,
            Precedence::Between | Precedence::Like => 21,
            Precedence::Eq | Precedence::Is => 20,
            Precedence::UnaryNot => 15,
            Precedence::And => 10,
            Precedence::Xor => XOR,
            Precedence::Or => 5,
        }
    }

    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
        let next = parser.peek_nth_token_ref(1);
        match &parser.peek_token_ref().token {
            Token::ShiftLeft | Token::ShiftRight => Some(Ok(SHIFT)),
            Token::StringConcat => Some(Ok(self.prec_value(Precedence::Or))),
            Token::Overlap => Some(Ok(self.prec_value(Precedence::And))),
            Token::Word(w) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case("mod") => Some(Ok(MUL)),
            Token::Word(w) if w.keyword == Keyword::IS => {
                let after = match &next.token {
                    Token::Word(n) if n.keyword == Keyword::NOT => &parser.peek_nth_token_ref(2).token,
                    other => other,
                };
                let null = matches!(after, Token::Word(n) if n.keyword == Keyword::NULL);
                Some(Ok(if null { self.prec_value(Precedence::Is) } else { IS_TRUE }))
            }
            _ => None,
        }
    }

    fn parse_infix(&self, parser: &mut Parser, left: &Expr, precedence: u8) -> Option<Result<Expr, ParserError>> {
        let op = match &parser.peek_token_ref().token {
            Token::StringConcat => BinaryOperator::Or,
            Token::Overlap => BinaryOperator::And,
            Token::Word(w) if w.keyword == Keyword::DIV => BinaryOperator::MyIntegerDivide,
            Token::Word(w) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case("mod") => BinaryOperator::Modulo,
            _ => return None,
        };
        parser.next_token();
        Some(parser.parse_subexpr(precedence).map(|right| Expr::BinaryOp {
            left: Box::new(left.clone()),
            op,
            right: Box::new(right),
        }))
    }

    fn parse_prefix(&self, parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
        let op = match &parser.peek_token_ref().token {
            Token::Minus => UnaryOperator::Minus,
            Token::Plus => UnaryOperator::Plus,
            Token::Tilde => UnaryOperator::BitwiseNot,
            Token::ExclamationMark => UnaryOperator::BangNot,
            Token::Word(w) if w.quote_style.is_none() => return word(parser, w.value.to_ascii_lowercase().as_str()),
            _ => return None,
        };
        parser.next_token();
        Some(parser.parse_subexpr(UNARY).map(|expr| Expr::UnaryOp { op, expr: Box::new(expr) }))
    }
}

/// Forms that begin with a word and that sqlparser reads in another way.
fn word(parser: &mut Parser, word: &str) -> Option<Result<Expr, ParserError>> {
    let call = parser.peek_nth_token_ref(1).token == Token::LParen;
    match word {
        "binary" => {
            parser.next_token();
            Some(parser.parse_subexpr(UNARY).map(|expr| Expr::Cast {
                kind: CastKind::Cast,
                expr: Box::new(expr),
                data_type: DataType::Binary(None),
                array: false,
                format: None,
            }))
        }
        // TIMESTAMP(a), DATE(a), … are calls; sqlparser takes some of the names for types
        "date" | "time" | "timestamp" | "left" | "right" | "year" | "char" | "insert" | "replace" | "truncate"
        | "mod" | "repeat" | "if"
            if call =>
        {
            let name = Ident::new(word);
            parser.next_token();
            parser.next_token();
            Some(arguments(parser).map(|args| call_of(name, args)))
        }
        _ => None,
    }
}

fn arguments(parser: &mut Parser) -> Result<Vec<Expr>, ParserError> {
    if parser.consume_token(&Token::RParen) {
        return Ok(Vec::new());
    }
    let args = parser.parse_comma_separated(Parser::parse_expr)?;
    parser.expect_token(&Token::RParen)?;
    Ok(args)
}

/// `name(args)` as a syntax tree.
pub(super) fn call_of(name: Ident, args: Vec<Expr>) -> Expr {
    Expr::Function(Function {
        name: ObjectName::from(vec![name]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: args.into_iter().map(|e| FunctionArg::Unnamed(FunctionArgExpr::Expr(e))).collect(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_bind_as_in_mysql() {
        for (text, tree) in [
            ("1 + 2 ^ 3 * 4", "(1 + ((2 ^ 3) * 4))"),
            ("a OR b XOR c AND d", "(a OR (b XOR (c AND d)))"),
            ("a || b && c", "(a OR (b AND c))"),
            ("7 DIV 2 * 3", "((7 DIV 2) * 3)"),
            ("1 + 7 DIV 2 + 1", "((1 + (7 DIV 2)) + 1)"),
            ("7 MOD 4 + 1", "((7 % 4) + 1)"),
            ("- a ^ b", "(-a ^ b)"),
            ("! a + b", "(!a + b)"),
            ("NOT a = b", "NOT (a = b)"),
            ("a | b & c << d + e", "(a | (b & (c << (d + e))))"),
            ("a LIKE b = c", "(a LIKE b = c)"),
        ] {
            let mut parser = Parser::new(&MysqlSyntax).try_with_sql(text).expect("tokens");
            let expr = parser.parse_expr().expect("an expression");
            assert_eq!(parenthesized(&expr), tree, "{text}");
        }
    }

    fn parenthesized(e: &Expr) -> String {
        match e {
            Expr::BinaryOp { left, op, right } => format!("({} {op} {})", parenthesized(left), parenthesized(right)),
            Expr::UnaryOp { op: UnaryOperator::Not, expr } => format!("NOT {}", parenthesized(expr)),
            Expr::UnaryOp { op, expr } => format!("{op}{}", parenthesized(expr)),
            other => other.to_string(),
        }
    }
}
