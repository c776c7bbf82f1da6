//! How does sqlparser read MySQL? In the dialect of `meaning`, fed with our tokens.
//!
//! Every sqlparser token gets the place of ours: line 1, and as its column the byte in the statement's text plus 1.
//! So whatever of the syntax tree carries a span leads back to the text (`place`).

use super::allowed::unsupported;
use super::depth;
use super::lexer::{Lexeme, Token, syntax_error};
use super::meaning::MysqlSyntax;
use crate::error::{Error, Result};
use datafusion::sql::sqlparser::ast::Query;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Location, Span, Token as Theirs, TokenWithSpan};

/// How deep a statement may nest.
const RECURSION_LIMIT: usize = 64;

/// The byte of the statement's text that a span begins at; `None` when the node was not read from text.
pub(super) fn place(span: Span) -> Option<usize> {
    usize::try_from(span.start.column).ok()?.checked_sub(1)
}

/// Reads one query. Errors: `Syntax` with the text from the fault on; `Limit` for what nests too deep.
pub(super) fn parse_query(sql: &str, tokens: &[Token]) -> Result<Box<Query>> {
    // the dialect does not know it, and would call it an error of syntax
    if tokens.windows(2).any(|pair| matches!(pair, [a, b] if a.is("WITH") && b.is("ROLLUP"))) {
        return Err(unsupported("GROUP BY … WITH ROLLUP"));
    }
    depth::check(tokens)?;
    let mut parser = Parser::new(&MysqlSyntax)
        .with_recursion_limit(RECURSION_LIMIT)
        .with_tokens_with_locations(tokens.iter().map(theirs).collect());
    let mut query = parser.parse_query().map_err(|e| error(sql, &parser, e))?;
    let rest = parser.peek_token();
    if rest.token != Theirs::EOF {
        return Err(syntax_error(sql, place(rest.span).unwrap_or(sql.len())));
    }
    depth::flatten(&mut query);
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
