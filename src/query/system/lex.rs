//! How do words lie in a statement's text? SHOW, SET and CREATE texts, read word by word from the left; expressions
//! are cut out exactly as they were written.

use crate::error::{Error, Kind, Result};
use crate::query::lexer::{LexMode, Lexeme, tokenize};
use std::ops::Range;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A bare word: keyword, name, number or bits.
    Word(String),
    /// A name in backticks, unquoted.
    Name(String),
    /// A string in '…' or "…", unescaped.
    Text(String),
    /// `@name`, `@'name'`: without the sign.
    UserVariable(String),
    /// `@@`, with the words after it as tokens of their own.
    SystemVariable,
    Symbol(char),
}

#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub token: Token,
    /// In bytes of the text.
    pub place: Range<usize>,
}

/// A text and its tokens, read from the left.
#[derive(Debug, Clone)]
pub(super) struct Words<'a> {
    pub text: &'a str,
    tokens: Vec<Placed>,
    next: usize,
}

impl<'a> Words<'a> {
    /// Errors: `Syntax` for a quote or comment without an end, and for what is no character of SQL.
    pub fn of(text: &'a str) -> Result<Self> {
        Ok(Self { text, tokens: scan(text)?, next: 0 })
    }

    pub fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|p| &p.token)
    }

    pub fn next(&mut self) -> Option<Token> {
        let token = self.peek().cloned();
        self.next += usize::from(token.is_some());
        token
    }

    pub fn at_end(&self) -> bool {
        matches!(self.peek(), None | Some(Token::Symbol(';')))
    }

    /// Whether the next tokens are these words, without regard to case; it does not take them.
    pub fn sees(&self, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(i, w)| match self.tokens.get(self.next + i).map(|p| &p.token) {
            Some(Token::Word(t)) => t.eq_ignore_ascii_case(w),
            Some(Token::Symbol(c)) => w.len() == 1 && w.starts_with(*c),
            _ => false,
        })
    }

    /// Takes these words if they are next.
    pub fn take(&mut self, words: &[&str]) -> bool {
        let seen = self.sees(words);
        self.next += if seen { words.len() } else { 0 };
        seen
    }

    pub fn take_symbol(&mut self, symbol: char) -> bool {
        let seen = self.peek() == Some(&Token::Symbol(symbol));
        self.next += usize::from(seen);
        seen
    }

    /// Takes a name, quoted or not.
    pub fn name(&mut self) -> Result<String> {
        match self.next() {
            Some(Token::Word(n) | Token::Name(n)) => Ok(n),
            // ANSI quotes are not on, but clients quote accounts and charsets like this
            Some(Token::Text(n)) => Ok(n),
            _ => Err(self.unexpected("a name")),
        }
    }

    /// Takes a string.
    pub fn string(&mut self) -> Result<String> {
        match self.next() {
            Some(Token::Text(t)) => Ok(t),
            _ => Err(self.unexpected("a string")),
        }
    }

    /// Takes tokens to the end or to one, outside of parentheses, for which `stop` holds, and returns their text.
    pub fn cut(&mut self, stop: impl Fn(&Self) -> bool) -> &'a str {
        let from = self.place();
        let (mut to, mut depth) = (from, 0_i32);
        while !self.at_end() && (depth > 0 || !stop(self)) {
            match self.peek() {
                Some(Token::Symbol('(')) => depth += 1,
                Some(Token::Symbol(')')) if depth == 0 => break,
                Some(Token::Symbol(')')) => depth -= 1,
                _ => {}
            }
            to = self.tokens.get(self.next).map_or(to, |p| p.place.end);
            self.next += 1;
        }
        self.text.get(from..to).unwrap_or_default()
    }

    /// The text from a place, as `place` gave it, to the end of the token taken last.
    pub fn since(&self, from: usize) -> &'a str {
        let last = self.next.checked_sub(1).and_then(|n| self.tokens.get(n));
        self.text.get(from..last.map_or(from, |p| p.place.end)).unwrap_or_default()
    }

    /// Where the next token begins, in bytes.
    pub fn place(&self) -> usize {
        self.tokens.get(self.next).map_or(self.text.len(), |p| p.place.start)
    }

    /// An error about the next token, or the one just taken if it was the last.
    pub fn unexpected(&self, wanted: &str) -> Error {
        let near: String = self.text.get(self.place()..).unwrap_or_default().chars().take(40).collect();
        let near = if near.is_empty() { "the end of the statement".to_string() } else { format!("'{near}'") };
        Error::new(Kind::Syntax, format!("{wanted} is expected near {near}"))
    }

    /// Errors: `Syntax` unless the statement ends here.
    pub fn finish(&mut self) -> Result<()> {
        self.take_symbol(';');
        if self.peek().is_some() { Err(self.unexpected("the end of the statement")) } else { Ok(()) }
    }
}

/// The lexer's tokens, with `@@` and signs of several characters taken apart, and numbers as words.
fn scan(text: &str) -> Result<Vec<Placed>> {
    let mut placed = Vec::new();
    for t in tokenize(text, LexMode::default())?.list {
        let place = t.start..t.end;
        let mut push = |token| placed.push(Placed { token, place: place.clone() });
        match t.lexeme {
            Lexeme::Word { text, quoted: false } | Lexeme::Number(text) | Lexeme::Hex(text) => push(Token::Word(text)),
            Lexeme::Word { text, quoted: true } => push(Token::Name(text)),
            Lexeme::Text(text) => push(Token::Text(text)),
            Lexeme::Placeholder(_) => push(Token::Symbol('?')),
            Lexeme::Symbol(symbol) => symbol.chars().for_each(|c| push(Token::Symbol(c))),
            Lexeme::Variable(name) => match name.strip_prefix("@@") {
                Some(name) => {
                    push(Token::SystemVariable);
                    for (n, part) in name.split('.').enumerate() {
                        if n > 0 {
                            push(Token::Symbol('.'));
                        }
                        push(Token::Word(part.to_string()));
                    }
                }
                None => push(Token::UserVariable(name.trim_start_matches('@').to_string())),
            },
        }
    }
    Ok(placed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<Token> {
        Words::of(text).expect("it scans").tokens.into_iter().map(|p| p.token).collect()
    }

    #[test]
    fn quotes_comments_and_versions() {
        assert_eq!(
            tokens("/*!40100 SET */ -- no\n`a``b` 'it''s\\n' @x @@session.y /*!999999 no */ # end"),
            [
                Token::Word("SET".into()),
                Token::Name("a`b".into()),
                Token::Text("it's\n".into()),
                Token::UserVariable("x".into()),
                Token::SystemVariable,
                Token::Word("session".into()),
                Token::Symbol('.'),
                Token::Word("y".into())
            ]
        );
        assert_eq!(Words::of("SHOW TABLES LIKE 'x").err().map(|e| e.kind), Some(Kind::Syntax));
        assert_eq!(Words::of("SHOW /* TABLES").err().map(|e| e.kind), Some(Kind::Syntax));
    }

    #[test]
    fn an_expression_is_cut_as_it_was_written() {
        let mut words = Words::of("x = CONCAT(@@sql_mode, ',A') , y = 1").expect("it scans");
        assert_eq!(words.name().expect("a name"), "x");
        assert!(words.take_symbol('='));
        assert_eq!(words.cut(|w| w.sees(&[","])), "CONCAT(@@sql_mode, ',A')");
        assert!(words.take_symbol(','));
        assert_eq!(words.cut(|_| false), "y = 1");
        assert!(words.finish().is_ok());
    }
}
