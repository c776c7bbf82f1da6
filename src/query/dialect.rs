//! How does sqlparser read MySQL? A dialect that is its MySQL dialect with the faults mended, fed with our tokens.
//!
//! Every sqlparser token gets the place of ours: line 1, and as its column the byte in the statement's text plus 1.
//! So whatever of the syntax tree carries a span leads back to the text (`place`).

use super::lexer::{Lexeme, Token, syntax_error};
use super::meaning;
use crate::error::{Error, Result};
use datafusion::sql::sqlparser::ast::{Expr, Query, Statement};
use datafusion::sql::sqlparser::dialect::{Dialect, MySqlDialect};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Location, Span, Token as Theirs, TokenWithSpan};
use std::any::TypeId;

/// How deep a statement may nest.
const RECURSION_LIMIT: usize = 64;

/// The byte of the statement's text that a span begins at; `None` when the node was not read from text.
pub(super) fn place(span: Span) -> Option<usize> {
    usize::try_from(span.start.column).ok()?.checked_sub(1)
}

/// Reads one query. Errors: `Syntax` with the text from the fault on.
pub(super) fn parse_query(sql: &str, tokens: &[Token]) -> Result<Box<Query>> {
    let dialect = MySql;
    let mut parser = Parser::new(&dialect)
        .with_recursion_limit(RECURSION_LIMIT)
        .with_tokens_with_locations(tokens.iter().map(theirs).collect());
    let query = parser.parse_query().map_err(|e| error(sql, &parser, e))?;
    let rest = parser.peek_token();
    if rest.token != Theirs::EOF {
        return Err(syntax_error(sql, place(rest.span).unwrap_or(sql.len())));
    }
    Ok(query)
}

fn error(sql: &str, parser: &Parser<'_>, e: ParserError) -> Error {
    if e == ParserError::RecursionLimitExceeded {
        return Error::new(
            crate::error::Kind::Limit,
            format!("the statement nests deeper than {RECURSION_LIMIT} levels"),
        );
    }
    let message = e.to_string();
    // their message ends with the place
    let at = message.rsplit_once("Column: ").and_then(|(_, n)| n.trim().parse::<usize>().ok());
    let at = at.map(|column| column.saturating_sub(1)).or_else(|| place(parser.peek_token_ref().span));
    syntax_error(sql, at.unwrap_or(sql.len()))
}

fn theirs(token: &Token) -> TokenWithSpan {
    let t = match &token.lexeme {
        Lexeme::Word { text, quoted } => Theirs::make_word(text, quoted.then_some('`')),
        Lexeme::Variable(name) => Theirs::make_word(name, None),
        Lexeme::Number(text) => Theirs::Number(text.clone(), false),
        Lexeme::Text(text) => Theirs::SingleQuotedString(text.clone()),
        Lexeme::Hex(digits) => Theirs::HexStringLiteral(digits.clone()),
        Lexeme::Placeholder(_) => Theirs::Placeholder("?".into()),
        Lexeme::Symbol(symbol) => match *symbol {
            "->>" => Theirs::LongArrow,
            "->" => Theirs::Arrow,
            "<=>" => Theirs::Spaceship,
            "<<" => Theirs::ShiftLeft,
            ">>" => Theirs::ShiftRight,
            "<=" => Theirs::LtEq,
            ">=" => Theirs::GtEq,
            "<>" | "!=" => Theirs::Neq,
            ":=" => Theirs::Assignment,
            "||" => Theirs::StringConcat,
            "&&" => Theirs::Overlap,
            "(" => Theirs::LParen,
            ")" => Theirs::RParen,
            "," => Theirs::Comma,
            ";" => Theirs::SemiColon,
            "." => Theirs::Period,
            "+" => Theirs::Plus,
            "-" => Theirs::Minus,
            "*" => Theirs::Mul,
            "/" => Theirs::Div,
            "%" => Theirs::Mod,
            "=" => Theirs::Eq,
            "<" => Theirs::Lt,
            ">" => Theirs::Gt,
            "!" => Theirs::ExclamationMark,
            "~" => Theirs::Tilde,
            "^" => Theirs::Caret,
            "&" => Theirs::Ampersand,
            "|" => Theirs::Pipe,
            "{" => Theirs::LBrace,
            "}" => Theirs::RBrace,
            ":" => Theirs::Colon,
            _ => Theirs::Backslash,
        },
    };
    TokenWithSpan::new(t, Span::new(location(token.start), location(token.end)))
}

fn location(byte: usize) -> Location {
    Location::new(1, byte as u64 + 1)
}

/// sqlparser's MySQL dialect, with the operators' precedence as MySQL has it.
#[derive(Debug)]
struct MySql;

macro_rules! as_mysql {
    ($($name:ident),* $(,)?) => { $(fn $name(&self) -> bool { MySqlDialect {}.$name() })* };
}

impl Dialect for MySql {
    /// The parser asks for the identity of the dialect now and then.
    fn dialect(&self) -> TypeId {
        TypeId::of::<MySqlDialect>()
    }

    fn is_identifier_start(&self, c: char) -> bool {
        MySqlDialect {}.is_identifier_start(c)
    }

    fn is_identifier_part(&self, c: char) -> bool {
        MySqlDialect {}.is_identifier_part(c)
    }

    fn is_delimited_identifier_start(&self, c: char) -> bool {
        c == '`'
    }

    fn identifier_quote_style(&self, _identifier: &str) -> Option<char> {
        Some('`')
    }

    fn get_next_precedence(&self, parser: &Parser<'_>) -> Option<Result<u8, ParserError>> {
        meaning::next_precedence(parser)
    }

    fn parse_infix(&self, parser: &mut Parser<'_>, left: &Expr, precedence: u8) -> Option<Result<Expr, ParserError>> {
        meaning::infix(parser, left, precedence).or_else(|| MySqlDialect {}.parse_infix(parser, left, precedence))
    }

    fn parse_prefix(&self, parser: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
        meaning::prefix(parser)
    }

    fn parse_statement(&self, _parser: &mut Parser<'_>) -> Option<Result<Statement, ParserError>> {
        None
    }

    fn is_table_factor_alias(&self, explicit: bool, keyword: &Keyword, parser: &mut Parser<'_>) -> bool {
        MySqlDialect {}.is_table_factor_alias(explicit, keyword, parser)
    }

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
        supports_key_column_option,
    );
}
