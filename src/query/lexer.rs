//! Which words does a statement consist of? MySQL's own rules: quotes, escapes, comments that run, hexadecimal and
//! bit literals, variables. Each token knows the bytes of the text that it came from.
//!
//! Source: MariaDB's sql/sql_lex.cc (`Lex_input_stream::lex_one_token`).

use crate::error::{Error, Kind, Result};

/// The version whose `/*!NNNNNN … */` comments run here: MariaDB 10.11.
const VERSION: u32 = 101_100;
/// What MySQL writes for versions that MariaDB does not follow.
const MYSQL_ONLY: std::ops::RangeInclusive<u32> = 50_700..=99_999;

/// How sql_mode changes what text means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct LexMode {
    pub ansi_quotes: bool,
    pub no_backslash_escapes: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lexeme {
    /// An identifier or keyword; `quoted` ones are never keywords.
    Word {
        text: String,
        quoted: bool,
    },
    /// `@x`, `@@x`, `@@session.x`: the name with its signs, in its own case.
    Variable(String),
    /// As written.
    Number(String),
    /// A string's content, escapes resolved.
    Text(String),
    /// `x'4D'`, `0x4D`, `b'01'`, `0b01`: an even number of hexadecimal digits.
    Hex(String),
    /// `?`, with its position among them.
    Placeholder(usize),
    Symbol(&'static str),
}

/// A token and the bytes that it covers in the statement's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub lexeme: Lexeme,
    pub start: usize,
    pub end: usize,
}

impl Token {
    /// Whether it is this keyword, written without quotes.
    pub fn is(&self, keyword: &str) -> bool {
        matches!(&self.lexeme, Lexeme::Word { text, quoted: false } if text.eq_ignore_ascii_case(keyword))
    }

    pub fn is_symbol(&self, symbol: &str) -> bool {
        matches!(self.lexeme, Lexeme::Symbol(s) if s == symbol)
    }

    /// An identifier's text, quoted or not.
    pub fn word(&self) -> Option<&str> {
        match &self.lexeme {
            Lexeme::Word { text, .. } => Some(text),
            _ => None,
        }
    }

    /// An unquoted word in upper case: a keyword, perhaps.
    pub fn keyword(&self) -> Option<String> {
        match &self.lexeme {
            Lexeme::Word { text, quoted: false } => Some(text.to_ascii_uppercase()),
            _ => None,
        }
    }
}

/// A statement's tokens.
#[derive(Debug, Clone, Default)]
pub(super) struct Tokens {
    pub list: Vec<Token>,
    /// Whether there was a comment: a statement of nothing else is no error.
    pub comments: bool,
    /// How many `?` there are.
    pub placeholders: usize,
}

const SYMBOLS: [&str; 34] = [
    "->>", "<=>", "<<", ">>", "<=", ">=", "<>", "!=", ":=", "||", "&&", "->", "(", ")", ",", ";", ".", "+", "-", "*",
    "/", "%", "=", "<", ">", "!", "~", "^", "&", "|", "{", "}", ":", "\\",
];

/// Cuts a statement into tokens. Errors: `Syntax` for what ends too early or is no character of SQL.
pub(super) fn tokenize(sql: &str, mode: LexMode) -> Result<Tokens> {
    let mut lexer = Lexer { sql, at: 0, mode, tokens: Tokens::default(), in_comment: false };
    while lexer.step()? {}
    Ok(lexer.tokens)
}

struct Lexer<'a> {
    sql: &'a str,
    at: usize,
    mode: LexMode,
    tokens: Tokens,
    /// Inside a `/*! … */` whose content counts.
    in_comment: bool,
}

/// `You have an error in your SQL syntax; …` in MySQL's words. `rest`: the text from the fault on.
pub(super) fn syntax_error(sql: &str, at: usize) -> Error {
    let rest: String = sql.get(at..).unwrap_or_default().chars().take(80).collect();
    let line = sql.get(..at).unwrap_or(sql).matches('\n').count() + 1;
    Error::new(Kind::Syntax, format!("You have an error in your SQL syntax near '{rest}' at line {line}"))
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        self.sql.get(self.at..).unwrap_or_default()
    }

    fn push(&mut self, lexeme: Lexeme, start: usize) {
        self.tokens.list.push(Token { lexeme, start, end: self.at });
    }

    /// Takes one token, comment or run of space; false at the end.
    fn step(&mut self) -> Result<bool> {
        let start = self.at;
        let mut chars = self.rest().chars();
        let Some(first) = chars.next() else {
            return if self.in_comment { Err(self.unclosed(start)) } else { Ok(false) };
        };
        let second = chars.next();
        match (first, second) {
            (c, _) if c.is_whitespace() || c == '\0' => self.at += c.len_utf8(),
            ('#', _) => self.line_comment(),
            ('-', Some('-')) if self.rest().get(2..).is_some_and(dashes_comment) => self.line_comment(),
            ('*', Some('/')) if self.in_comment => {
                self.in_comment = false;
                self.at += 2;
            }
            ('/', Some('*')) => self.comment()?,
            ('\'', _) => self.string(start, '\'')?,
            ('"', _) if !self.mode.ansi_quotes => self.string(start, '"')?,
            ('`' | '"', _) => self.quoted_word(start, first)?,
            ('x' | 'X', Some('\'')) => self.based_string(start, 16)?,
            ('b' | 'B', Some('\'')) => self.based_string(start, 2)?,
            ('n' | 'N', Some('\'')) => {
                self.at += 1;
                self.string(start, '\'')?;
            }
            ('@', _) => self.variable(start)?,
            ('?', _) => {
                self.at += 1;
                self.push(Lexeme::Placeholder(self.tokens.placeholders), start);
                self.tokens.placeholders += 1;
            }
            ('0'..='9', _) => self.number(start)?,
            ('.', Some('0'..='9')) if !self.after_name(start) => self.number(start)?,
            (c, _) if is_word(c) => {
                self.at = start + word_length(self.rest());
                let text = self.sql.get(start..self.at).unwrap_or_default().to_string();
                self.push(Lexeme::Word { text, quoted: false }, start);
            }
            _ => match SYMBOLS.iter().find(|s| self.rest().starts_with(**s)) {
                Some(symbol) => {
                    self.at += symbol.len();
                    self.push(Lexeme::Symbol(symbol), start);
                }
                None => return Err(syntax_error(self.sql, start)),
            },
        }
        Ok(true)
    }

    fn unclosed(&self, start: usize) -> Error {
        syntax_error(self.sql, start).hint("A quote or a comment is not closed.")
    }

    /// Whether a name ends right here, so that a dot goes on with it.
    fn after_name(&self, at: usize) -> bool {
        matches!(self.tokens.list.last(), Some(Token { lexeme: Lexeme::Word { .. }, end, .. }) if *end == at)
    }

    fn line_comment(&mut self) {
        self.tokens.comments = true;
        self.at += self.rest().find('\n').unwrap_or(self.rest().len());
    }

    /// `/* … */` is skipped; `/*!NNNNNN … */` and `/*M!NNNNNN … */` run when the version is at most ours.
    fn comment(&mut self) -> Result<()> {
        let start = self.at;
        self.tokens.comments = true;
        let body = self.sql.get(start + 2..).unwrap_or_default();
        let (mariadb, content) = match (body.strip_prefix('!'), body.strip_prefix("M!")) {
            (Some(rest), _) => (false, Some(rest)),
            (_, Some(rest)) => (true, Some(rest)),
            _ => (false, None),
        };
        if let Some(content) = content.filter(|_| !self.in_comment) {
            let digits = content.bytes().take(6).take_while(u8::is_ascii_digit).count();
            let digits = if digits < 5 { 0 } else { digits };
            let version: u32 = content.get(..digits).and_then(|d| d.parse().ok()).unwrap_or(0);
            if version <= VERSION && (mariadb || !MYSQL_ONLY.contains(&version)) {
                self.in_comment = true;
                self.at = self.sql.len() - content.len() + digits;
                return Ok(());
            }
        }
        match body.find("*/") {
            Some(end) => self.at = start + 2 + end + 2,
            None => return Err(self.unclosed(start)),
        }
        Ok(())
    }

    fn string(&mut self, start: usize, quote: char) -> Result<()> {
        self.at += 1;
        let text = self.quoted(start, quote, !self.mode.no_backslash_escapes)?;
        self.push(Lexeme::Text(text), start);
        Ok(())
    }

    fn quoted_word(&mut self, start: usize, quote: char) -> Result<()> {
        self.at += 1;
        let text = self.quoted(start, quote, false)?;
        if text.is_empty() {
            return Err(syntax_error(self.sql, start));
        }
        self.push(Lexeme::Word { text, quoted: true }, start);
        Ok(())
    }

    /// Reads on to the closing quote, doubled quotes and escapes resolved.
    fn quoted(&mut self, start: usize, quote: char, escapes: bool) -> Result<String> {
        let mut text = String::new();
        let mut chars = self.rest().char_indices().peekable();
        while let Some((offset, c)) = chars.next() {
            if c == quote {
                if chars.peek().is_some_and(|(_, next)| *next == quote) {
                    chars.next();
                    text.push(quote);
                    continue;
                }
                self.at += offset + 1;
                return Ok(text);
            }
            if c != '\\' || !escapes {
                text.push(c);
                continue;
            }
            match chars.next().map(|(_, c)| c) {
                Some('0') => text.push('\0'),
                Some('b') => text.push('\u{8}'),
                Some('n') => text.push('\n'),
                Some('r') => text.push('\r'),
                Some('t') => text.push('\t'),
                Some('Z') => text.push('\u{1a}'),
                // LIKE reads these two itself
                Some(c @ ('%' | '_')) => text.extend(['\\', c]),
                Some(c) => text.push(c),
                None => break,
            }
        }
        Err(self.unclosed(start))
    }

    /// `x'…'` and `b'…'`.
    fn based_string(&mut self, start: usize, base: u32) -> Result<()> {
        let body = self.rest().get(2..).unwrap_or_default();
        let Some(end) = body.find('\'') else { return Err(self.unclosed(start)) };
        let digits = body.get(..end).unwrap_or_default().to_string();
        let wrong = !digits.chars().all(|c| c.is_digit(base)) || (base == 16 && digits.len() % 2 == 1);
        if wrong {
            return Err(syntax_error(self.sql, start));
        }
        self.at += 2 + end + 1;
        self.push(Lexeme::Hex(as_hex(&digits, base)), start);
        Ok(())
    }

    fn variable(&mut self, start: usize) -> Result<()> {
        self.at += 1;
        let system = self.rest().starts_with('@');
        self.at += usize::from(system);
        let mut name = String::from(if system { "@@" } else { "@" });
        loop {
            match self.rest().chars().next() {
                Some(quote @ ('`' | '\'' | '"')) => {
                    self.at += 1;
                    name += &self.quoted(start, quote, false)?;
                }
                _ => {
                    // a user variable's name may hold dots; a system variable's scope ends with one
                    let length = self
                        .rest()
                        .char_indices()
                        .find(|(_, c)| !(is_word(*c) || (!system && *c == '.')))
                        .map_or(self.rest().len(), |(i, _)| i);
                    name += self.rest().get(..length).unwrap_or_default();
                    self.at += length;
                }
            }
            if !(system && self.rest().starts_with('.')) {
                break;
            }
            self.at += 1;
            name.push('.');
        }
        if name.ends_with(['@', '.']) {
            return Err(syntax_error(self.sql, start));
        }
        self.push(Lexeme::Variable(name), start);
        Ok(())
    }

    fn number(&mut self, start: usize) -> Result<()> {
        let rest = self.rest();
        let word = word_length(rest);
        let text = rest.get(..word).unwrap_or_default();
        for (prefix, base) in [("0x", 16), ("0b", 2)] {
            if let Some(digits) = text.strip_prefix(prefix)
                && !digits.is_empty()
                && digits.chars().all(|c| c.is_digit(base))
            {
                let hex = as_hex(digits, base);
                self.at += word;
                self.push(Lexeme::Hex(hex), start);
                return Ok(());
            }
        }
        let bytes = rest.as_bytes();
        let digits = |from: usize| bytes.iter().skip(from).take_while(|b| b.is_ascii_digit()).count();
        let mut length = digits(0);
        let dot = bytes.get(length) == Some(&b'.');
        if dot {
            length += 1 + digits(length + 1);
        }
        if matches!(bytes.get(length), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(length + 1), Some(b'+' | b'-')));
            let exponent = digits(length + 1 + sign);
            if exponent > 0 {
                length += 1 + sign + exponent;
            }
        }
        // a name may begin with digits: `2fa`
        if !dot && word > length {
            let text = text.to_string();
            self.at += word;
            self.push(Lexeme::Word { text, quoted: false }, start);
            return Ok(());
        }
        let text = rest.get(..length).unwrap_or_default().to_string();
        self.at += length;
        self.push(Lexeme::Number(text), start);
        Ok(())
    }
}

/// Two dashes begin a comment only before a space, a control character or the end.
fn dashes_comment(after: &str) -> bool {
    after.chars().next().is_none_or(|c| c.is_whitespace() || c.is_control())
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '$' || !c.is_ascii()
}

fn word_length(text: &str) -> usize {
    text.char_indices().find(|(_, c)| !is_word(*c)).map_or(text.len(), |(i, _)| i)
}

/// Whole bytes in hexadecimal.
fn as_hex(digits: &str, base: u32) -> String {
    if base == 16 {
        return if digits.len() % 2 == 1 { format!("0{digits}") } else { digits.to_string() };
    }
    let padded = format!("{digits:0>width$}", width = digits.len().div_ceil(8) * 8);
    padded
        .as_bytes()
        .chunks(4)
        .map(|nibble| nibble.iter().fold(0, |n, b| n * 2 + u32::from(*b == b'1')))
        .filter_map(|nibble| char::from_digit(nibble, 16))
        .collect::<String>()
        .to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lexemes(sql: &str) -> Vec<Lexeme> {
        tokenize(sql, LexMode::default()).unwrap().list.into_iter().map(|t| t.lexeme).collect()
    }

    fn word(text: &str) -> Lexeme {
        Lexeme::Word { text: text.into(), quoted: false }
    }

    #[test]
    fn strings_keep_what_looks_like_syntax_and_resolve_escapes() {
        assert_eq!(
            lexemes(r#"'it''s' "a\nb" 'AS OF' '50\%'"#),
            ["it's", "a\nb", "AS OF", "50\\%"].map(|t| Lexeme::Text(t.into()))
        );
        let plain = LexMode { no_backslash_escapes: true, ansi_quotes: true };
        let tokens = tokenize(r#"'a\n' "x""#, plain).unwrap();
        assert_eq!(tokens.list[0].lexeme, Lexeme::Text("a\\n".into()));
        assert_eq!(tokens.list[1].lexeme, Lexeme::Word { text: "x".into(), quoted: true });
    }

    #[test]
    fn comments_run_only_when_their_version_is_ours() {
        assert_eq!(lexemes("a -- b\n# c\n/* d */ e--f"), {
            let minus = || Lexeme::Symbol("-");
            vec![word("a"), word("e"), minus(), minus(), word("f")]
        });
        assert_eq!(lexemes("/*!40001 a */ b"), [word("a"), word("b")]);
        assert_eq!(lexemes("/*! a */ /*M!100000 b */"), [word("a"), word("b")]);
        assert_eq!(lexemes("/*!80000 a */ /*!999999 b */ /*M!120000 c */ d"), [word("d")]);
        assert!(tokenize("/* a", LexMode::default()).is_err());
        assert!(tokenize("/*! a", LexMode::default()).is_err());
    }

    #[test]
    fn numbers_bits_and_names_that_begin_with_digits() {
        assert_eq!(
            lexemes("1 .5 1.5e-3 0x4D 0b01 b'000000001' x'ff' 2fa t.5x"),
            [
                Lexeme::Number("1".into()),
                Lexeme::Number(".5".into()),
                Lexeme::Number("1.5e-3".into()),
                Lexeme::Hex("4D".into()),
                Lexeme::Hex("01".into()),
                Lexeme::Hex("0001".into()),
                Lexeme::Hex("ff".into()),
                word("2fa"),
                word("t"),
                Lexeme::Symbol("."),
                word("5x"),
            ]
        );
        assert!(tokenize("x'abc'", LexMode::default()).is_err());
    }

    #[test]
    fn variables_and_placeholders() {
        assert_eq!(
            lexemes("@a.b @@session.sql_mode @`x y` ?,?"),
            [
                Lexeme::Variable("@a.b".into()),
                Lexeme::Variable("@@session.sql_mode".into()),
                Lexeme::Variable("@x y".into()),
                Lexeme::Placeholder(0),
                Lexeme::Symbol(","),
                Lexeme::Placeholder(1),
            ]
        );
    }

    #[test]
    fn the_error_shows_the_text_from_the_fault_on() {
        let e = tokenize("SELECT\n 'abc", LexMode::default()).unwrap_err();
        assert_eq!(e.kind, Kind::Syntax);
        assert_eq!(e.message, "You have an error in your SQL syntax near ''abc' at line 2");
    }
}
