//! Words, names, strings and signs of a statement, as MySQL and MariaDB cut it.

use std::borrow::Cow;

/// Why a statement could not be understood; it fits behind "because".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread(pub String);

impl Unread {
    pub fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

pub type Read<T> = std::result::Result<T, Unread>;

/// What of the session's sql_mode changes how a statement is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cutting {
    /// `"x"` is a name.
    pub ansi_quotes: bool,
    /// `\` is an ordinary character in strings.
    pub no_backslash_escapes: bool,
    /// REAL is FLOAT.
    pub real_as_float: bool,
    pub collations: Collations,
    /// Constraints get MySQL's names, not MariaDB's.
    pub of_mysql: bool,
}

/// The collations that a session gives to charsets which are named without one, where they are not the usual ones
/// (`character_set_collations`, `default_collation_for_utf8mb4`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Collations([Option<&'static str>; 5]);

impl Collations {
    const CHARSETS: [&'static str; 5] = ["utf8mb3", "utf8mb4", "ucs2", "utf16", "utf32"];

    pub fn set(&mut self, collation: &'static str) {
        let charset = collation.split('_').next().unwrap_or(collation);
        if let Some(at) = Self::CHARSETS.iter().position(|c| *c == charset) {
            self.0[at] = Some(collation);
        }
    }

    pub fn of(&self, charset: &str) -> Option<&'static str> {
        let at = Self::CHARSETS.iter().position(|c| *c == charset)?;
        self.0.get(at).copied().flatten()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// An unquoted word: a keyword or a name.
    Word,
    /// A quoted name.
    Name,
    /// `'…'`, or `"…"` where that is a string.
    Text,
    /// A number; also `0x1f`, `x'1f'`, `b'01'`.
    Number,
    Sign,
}

#[derive(Debug, Clone, Copy)]
pub struct Token<'a> {
    pub kind: TokenKind,
    /// As written, with its quotes.
    pub text: &'a str,
    /// Whether something (a space, a comment) stands before it.
    pub spaced: bool,
}

impl Token<'_> {
    pub fn is_word(&self, word: &str) -> bool {
        self.kind == TokenKind::Word && self.text.eq_ignore_ascii_case(word)
    }

    pub fn is_sign(&self, sign: char) -> bool {
        self.kind == TokenKind::Sign && self.text.len() == sign.len_utf8() && self.text.starts_with(sign)
    }
}

/// Cuts a statement, token by token. Comments are left out; what stands in `/*! … */` and `/*M! … */` counts.
pub struct Lexer<'a> {
    text: &'a str,
    at: usize,
    cutting: Cutting,
    /// Within `/*!`: a `*/` ends it.
    conditional: bool,
}

impl<'a> Lexer<'a> {
    pub fn new(text: &'a str, cutting: Cutting) -> Self {
        Self { text, at: 0, cutting, conditional: false }
    }

    /// All tokens of a statement; a closing `;` is left out. Errors: unterminated strings, names and comments.
    pub fn all(text: &'a str, cutting: Cutting) -> Read<Vec<Token<'a>>> {
        let mut lexer = Self::new(text, cutting);
        let mut tokens = Vec::new();
        while let Some(token) = lexer.next()? {
            tokens.push(token);
        }
        while tokens.last().is_some_and(|t| t.is_sign(';')) {
            tokens.pop();
        }
        Ok(tokens)
    }

    /// The next token; `None` at the end.
    pub fn next(&mut self) -> Read<Option<Token<'a>>> {
        let before = self.at;
        self.skip_blanks()?;
        let rest = &self.text[self.at..];
        let Some(first) = rest.chars().next() else {
            return if self.conditional { Err(Unread::new("a /*! comment does not end")) } else { Ok(None) };
        };
        let spaced = self.at > before;
        let (kind, length) = match first {
            '`' => (TokenKind::Name, self.quoted(rest, '`', false)?),
            '"' if self.cutting.ansi_quotes => (TokenKind::Name, self.quoted(rest, '"', false)?),
            '\'' | '"' => (TokenKind::Text, self.quoted(rest, first, !self.cutting.no_backslash_escapes)?),
            'x' | 'X' | 'b' | 'B' if rest[1..].starts_with('\'') => {
                (TokenKind::Number, 1 + self.quoted(&rest[1..], '\'', false)?)
            }
            'n' | 'N' if rest[1..].starts_with('\'') => {
                self.at += 1;
                return Ok(self.next()?.map(|t| Token { spaced, ..t }));
            }
            '0'..='9' => number(rest),
            '.' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) && !self.after_name(before) => number(rest),
            c if is_word(c) => (TokenKind::Word, rest.find(|c| !is_word(c)).unwrap_or(rest.len())),
            c => (TokenKind::Sign, c.len_utf8()),
        };
        self.at += length;
        Ok(Some(Token { kind, text: &rest[..length], spaced }))
    }

    /// Whether the token that ended just before the blanks was a name: `t.1` is a column, `.1` a number.
    fn after_name(&self, end: usize) -> bool {
        end == self.at && self.text[..end].ends_with(|c: char| is_word(c) || c == '`')
    }

    fn skip_blanks(&mut self) -> Read<()> {
        loop {
            let rest = &self.text[self.at..];
            let bytes = rest.as_bytes();
            let line_comment = rest.starts_with('#')
                || (rest.starts_with("--") && bytes.get(2).is_none_or(|b| b.is_ascii_whitespace() || *b < 32));
            if rest.starts_with(|c: char| c.is_ascii_whitespace() || c == '\u{b}' || c == '\0') {
                self.at += 1;
            } else if line_comment {
                self.at += rest.find('\n').unwrap_or(rest.len());
            } else if self.conditional && rest.starts_with("*/") {
                self.at += 2;
                self.conditional = false;
            } else if let Some(version) = rest.strip_prefix("/*!").or_else(|| rest.strip_prefix("/*M!")) {
                let digits = version.bytes().take(6).take_while(u8::is_ascii_digit).count();
                if matches!(&version[..digits], "99999" | "999999") {
                    self.skip_comment(rest)?;
                } else {
                    self.at += rest.len() - version.len() + digits;
                    self.conditional = true;
                }
            } else if rest.starts_with("/*") {
                self.skip_comment(rest)?;
            } else {
                return Ok(());
            }
        }
    }

    fn skip_comment(&mut self, rest: &str) -> Read<()> {
        let end = rest[2..].find("*/").ok_or_else(|| Unread::new("a comment does not end"))?;
        self.at += 2 + end + 2;
        Ok(())
    }

    /// The length of a quoted token at the beginning of `rest`.
    fn quoted(&self, rest: &str, quote: char, escapes: bool) -> Read<usize> {
        let bytes = rest.as_bytes();
        let quote = quote as u8;
        let mut i = 1;
        while let Some(b) = bytes.get(i) {
            match *b {
                b'\\' if escapes => i += 2,
                b if b == quote && bytes.get(i + 1) == Some(&quote) => i += 2,
                b if b == quote => return Ok(i + 1),
                _ => i += 1,
            }
        }
        Err(Unread::new("a string or a quoted name does not end"))
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '$' || !c.is_ascii()
}

/// A number at the beginning of `rest`, or a name that begins with digits.
fn number(rest: &str) -> (TokenKind, usize) {
    let bytes = rest.as_bytes();
    let word = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
    if let Some(hex) = rest[..word].strip_prefix("0x").filter(|h| !h.is_empty()) {
        let kind = if hex.bytes().all(|b| b.is_ascii_hexdigit()) { TokenKind::Number } else { TokenKind::Word };
        return (kind, word);
    }
    let digits = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
    let mut end = digits(0);
    if bytes.get(end) == Some(&b'.') {
        end += 1;
        end += digits(end);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let power = digits((end + 1 + sign).min(bytes.len()));
        if power > 0 {
            end += 1 + sign + power;
        }
    }
    if end < word { (TokenKind::Word, word) } else { (TokenKind::Number, end) }
}

/// The name in a word or in quotes.
pub fn name_of(token: &Token<'_>) -> Option<String> {
    match token.kind {
        TokenKind::Word => Some(token.text.to_string()),
        TokenKind::Name => {
            let quote = &token.text[..1];
            Some(token.text[1..token.text.len() - 1].replace(&quote.repeat(2), quote))
        }
        _ => None,
    }
}

/// The characters of a string token.
pub fn text_of(token: &str, no_backslash_escapes: bool) -> String {
    let quote = &token[..1];
    let inner = &token[1..token.len() - 1];
    if no_backslash_escapes || !inner.contains('\\') {
        return inner.replace(&quote.repeat(2), quote);
    }
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some('r') => out.push('\r'),
                Some('0') => out.push('\0'),
                Some('b') => out.push('\u{8}'),
                Some('Z') => out.push('\u{1a}'),
                // LIKE patterns: the backslash stays
                Some(c @ ('%' | '_')) => out.extend(['\\', c]),
                Some(c) => out.push(c),
                None => {}
            },
            c if quote.starts_with(c) => {
                chars.next();
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

/// A string as SHOW CREATE TABLE quotes it.
pub fn quote_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('\'');
    for c in text.chars() {
        match c {
            '\'' => out.push_str("''"),
            '\\' => out.push_str("\\\\"),
            '\0' => out.push_str("\\0"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            c => out.push(c),
        }
    }
    out.push('\'');
    out
}

/// Reads tokens one after the other.
pub struct Parser<'a> {
    tokens: Vec<Token<'a>>,
    at: usize,
    cutting: Cutting,
}

impl<'a> Parser<'a> {
    pub fn new(text: &'a str, cutting: Cutting) -> Read<Self> {
        Ok(Self { tokens: Lexer::all(text, cutting)?, at: 0, cutting })
    }

    /// What comes next, as a part of the text that is being read; empty at the end.
    pub fn rest_of<'t>(&self, text: &'t str) -> &'t str {
        // tokens are slices of the text
        let at = self.peek().map_or(text.len(), |t| (t.text.as_ptr() as usize).saturating_sub(text.as_ptr() as usize));
        text.get(at..).unwrap_or_default()
    }

    /// What the session gives to a charset that is named without a collation, where that is not the usual one.
    pub fn collation_of(&self, charset: &str) -> Option<&'static str> {
        self.cutting.collations.of(charset)
    }

    pub fn of_mysql(&self) -> bool {
        self.cutting.of_mysql
    }

    pub fn real_as_float(&self) -> bool {
        self.cutting.real_as_float
    }

    pub fn peek(&self) -> Option<&Token<'a>> {
        self.tokens.get(self.at)
    }

    pub fn peek_at(&self, ahead: usize) -> Option<&Token<'a>> {
        self.tokens.get(self.at + ahead)
    }

    pub fn skip(&mut self) -> Option<Token<'a>> {
        let token = self.tokens.get(self.at).copied();
        self.at += usize::from(token.is_some());
        token
    }

    pub fn done(&self) -> bool {
        self.at >= self.tokens.len()
    }

    pub fn mark(&self) -> usize {
        self.at
    }

    pub fn back_to(&mut self, mark: usize) {
        self.at = mark;
    }

    /// Whether these words come next.
    pub fn sees(&self, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(i, w)| self.peek_at(i).is_some_and(|t| t.is_word(w)))
    }

    /// Takes these words if they come next.
    pub fn takes(&mut self, words: &[&str]) -> bool {
        let seen = self.sees(words);
        if seen {
            self.at += words.len();
        }
        seen
    }

    /// Takes one of these words, if it comes next.
    pub fn takes_any(&mut self, words: &[&str]) -> bool {
        words.iter().any(|w| self.takes(&[w]))
    }

    pub fn sees_sign(&self, sign: char) -> bool {
        self.peek().is_some_and(|t| t.is_sign(sign))
    }

    pub fn takes_sign(&mut self, sign: char) -> bool {
        let seen = self.sees_sign(sign);
        self.at += usize::from(seen);
        seen
    }

    pub fn sign(&mut self, sign: char) -> Read<()> {
        if self.takes_sign(sign) { Ok(()) } else { Err(self.unexpected(&format!("'{sign}'"))) }
    }

    pub fn words(&mut self, words: &[&str]) -> Read<()> {
        if self.takes(words) { Ok(()) } else { Err(self.unexpected(&words.join(" "))) }
    }

    pub fn unexpected(&self, wanted: &str) -> Unread {
        match self.peek() {
            Some(t) => Unread::new(format!("{wanted} was expected where it has {}", shortened(t.text))),
            None => Unread::new(format!("{wanted} was expected at its end")),
        }
    }

    pub fn name(&mut self) -> Read<String> {
        let name = self.peek().and_then(name_of).ok_or_else(|| self.unexpected("a name"))?;
        self.at += 1;
        Ok(name)
    }

    /// `name` or `database.name`.
    pub fn qualified(&mut self) -> Read<(Option<String>, String)> {
        let first = self.name()?;
        if self.takes_sign('.') { Ok((Some(first), self.name()?)) } else { Ok((None, first)) }
    }

    /// A string, or several one after the other, which are one.
    pub fn string(&mut self) -> Read<String> {
        let mut out = None::<String>;
        while let Some(t) = self.peek().filter(|t| t.kind == TokenKind::Text) {
            let piece = text_of(t.text, self.cutting.no_backslash_escapes);
            out.get_or_insert_default().push_str(&piece);
            self.at += 1;
        }
        out.ok_or_else(|| self.unexpected("a string"))
    }

    pub fn number(&mut self) -> Read<u64> {
        let number = self.peek().filter(|t| t.kind == TokenKind::Number).and_then(|t| t.text.parse().ok());
        let number = number.ok_or_else(|| self.unexpected("a number"))?;
        self.at += 1;
        Ok(number)
    }

    /// `( … )` with balanced parentheses: the tokens between, as text.
    pub fn parenthesised(&mut self) -> Read<String> {
        self.sign('(')?;
        let start = self.at;
        let mut depth = 1;
        while let Some(t) = self.skip() {
            if t.is_sign('(') {
                depth += 1;
            } else if t.is_sign(')') {
                depth -= 1;
                if depth == 0 {
                    return Ok(self.text(start, self.at - 1));
                }
            }
        }
        Err(Unread::new("a parenthesis is not closed"))
    }

    /// Skips to the next comma outside of parentheses, or to the end.
    pub fn skip_item(&mut self) {
        let mut depth = 0;
        while let Some(t) = self.peek() {
            if t.is_sign('(') {
                depth += 1;
            } else if t.is_sign(')') {
                if depth == 0 {
                    return;
                }
                depth -= 1;
            } else if t.is_sign(',') && depth == 0 {
                return;
            }
            self.at += 1;
        }
    }

    /// Tokens `from..to` as text: one space where anything stood between two.
    pub fn text(&self, from: usize, to: usize) -> String {
        join(self.tokens.get(from..to).unwrap_or_default())
    }

    pub fn rest(&mut self) -> String {
        let text = self.text(self.at, self.tokens.len());
        self.at = self.tokens.len();
        text
    }
}

/// Tokens as text: one space where anything stood between two.
pub fn join(tokens: &[Token<'_>]) -> String {
    let mut out = String::new();
    for (i, t) in tokens.iter().enumerate() {
        if i > 0 && t.spaced {
            out.push(' ');
        }
        out.push_str(t.text);
    }
    out
}

/// The beginning of a statement, for messages.
pub fn shortened(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(120) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<String> {
        let tokens = Lexer::all(text, Cutting::default()).expect("it can be cut");
        tokens.iter().map(|t| format!("{:?}:{}", t.kind, t.text)).collect()
    }

    #[test]
    fn comments_go_and_conditional_ones_stay() {
        let text = "a -- b\n/* c */ # d\n/*!40100 e */ /*M!100101 f*/ /*!99999 g */ /*M!999999\\- h */;";
        assert_eq!(cut(text), ["Word:a", "Word:e", "Word:f"]);
        assert!(Lexer::all("a /* b", Cutting::default()).is_err());
        assert!(Lexer::all("a 'b", Cutting::default()).is_err());
    }

    #[test]
    fn numbers_names_and_strings() {
        assert_eq!(
            cut("1.5e-3 0x1F x'0a' 2nd t.1 .5 'it''s' `a``b` é"),
            [
                "Number:1.5e-3",
                "Number:0x1F",
                "Number:x'0a'",
                "Word:2nd",
                "Word:t",
                "Sign:.",
                "Number:1",
                "Number:.5",
                "Text:'it''s'",
                "Name:`a``b`",
                "Word:é"
            ]
        );
        assert_eq!(text_of(r"'a\'b''c\n\\\Z'", false), "a'b'c\n\\\u{1a}");
        assert_eq!(text_of(r"'a\b'", true), r"a\b");
    }
}
