//! Which words is a kept CREATE statement made of?

use std::ops::Range;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A word, a number or `` `name` ``.
    Word,
    Text,
    Sign,
}

#[derive(Debug, Clone)]
pub struct Token {
    pub kind: Kind,
    pub at: Range<usize>,
}

/// Splits a statement. Comments are left out, but what `/*!50100 … */` holds counts.
fn tokens(sql: &str) -> Vec<Token> {
    let bytes = sql.as_bytes();
    let is_word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$' | b'@') || b >= 0x80;
    let find = |from: usize, what: &str| {
        sql.get(from..).and_then(|s| s.find(what)).map_or(bytes.len(), |n| from + n + what.len())
    };
    let (mut all, mut at) = (Vec::new(), 0);
    while let Some(&b) = bytes.get(at) {
        let rest = &bytes[at..];
        let start = at;
        match b {
            b'`' => {
                at = quoted_end(bytes, at, false);
                all.push(Token { kind: Kind::Word, at: start..at });
            }
            b'\'' | b'"' => {
                at = quoted_end(bytes, at, true);
                all.push(Token { kind: Kind::Text, at: start..at });
            }
            b'#' => at = find(at, "\n"),
            b'-' if rest.starts_with(b"-- ") || rest.starts_with(b"--\n") => at = find(at, "\n"),
            b'/' if rest.starts_with(b"/*!") || rest.starts_with(b"/*M!") => {
                at += if rest.starts_with(b"/*!") { 3 } else { 4 };
                while bytes.get(at).is_some_and(u8::is_ascii_digit) {
                    at += 1;
                }
            }
            b'/' if rest.starts_with(b"/*") => at = find(at, "*/"),
            b'*' if rest.starts_with(b"*/") => at += 2,
            _ if is_word(b) => {
                while bytes.get(at).is_some_and(|b| is_word(*b)) {
                    at += 1;
                }
                all.push(Token { kind: Kind::Word, at: start..at });
            }
            _ => {
                at += 1;
                if !b.is_ascii_whitespace() {
                    all.push(Token { kind: Kind::Sign, at: start..at });
                }
            }
        }
    }
    all
}

/// Just after the quote that closes the one at `from`; a doubled quote stands for itself.
fn quoted_end(bytes: &[u8], from: usize, escapes: bool) -> usize {
    let quote = bytes[from];
    let mut at = from + 1;
    while let Some(&b) = bytes.get(at) {
        match b {
            b'\\' if escapes => at += 2,
            _ if b == quote && bytes.get(at + 1) == Some(&quote) => at += 2,
            _ if b == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// A statement and its tokens. Positions past the end are empty text.
pub struct Statement<'a> {
    pub sql: &'a str,
    pub tokens: Vec<Token>,
}

impl<'a> Statement<'a> {
    pub fn new(sql: &'a str) -> Self {
        Self { sql, tokens: tokens(sql) }
    }

    pub fn text(&self, n: usize) -> &'a str {
        self.tokens.get(n).and_then(|t| self.sql.get(t.at.clone())).unwrap_or_default()
    }

    pub fn is(&self, n: usize, word: &str) -> bool {
        self.text(n).eq_ignore_ascii_case(word)
    }

    /// The name that token `n` is, without its quotes.
    pub fn name(&self, n: usize) -> Option<String> {
        self.tokens.get(n).filter(|t| t.kind == Kind::Word)?;
        let text = self.text(n);
        Some(match text.strip_prefix('`').and_then(|t| t.strip_suffix('`')) {
            Some(inner) => inner.replace("``", "`"),
            None => text.to_string(),
        })
    }

    /// `[db .] name` at token `n`: database, name, and how many tokens they are.
    pub fn qualified(&self, n: usize) -> Option<(Option<String>, String, usize)> {
        let first = self.name(n)?;
        if self.text(n + 1) == "." { Some((Some(first), self.name(n + 2)?, 3)) } else { Some((None, first, 1)) }
    }

    pub fn range(&self, from: usize, to: usize) -> Option<Range<usize>> {
        Some(self.tokens.get(from)?.at.start..self.tokens.get(to)?.at.end)
    }

    /// Skips `OR REPLACE`, `TEMPORARY`, … up to the word, and `IF NOT EXISTS` after it.
    pub fn after(&self, words: &[&str]) -> Option<usize> {
        if !self.is(0, "CREATE") {
            return None;
        }
        let n = (1..5).find(|n| words.iter().any(|w| self.is(*n, w)))? + 1;
        Some(if self.is(n, "IF") && self.is(n + 1, "NOT") && self.is(n + 2, "EXISTS") { n + 3 } else { n })
    }
}

/// The token ranges of what stands between the parenthesis at `open` and the one that closes it.
pub fn items(s: &Statement<'_>, open: usize) -> Option<(Vec<Range<usize>>, usize)> {
    if s.text(open) != "(" {
        return None;
    }
    let (mut all, mut depth, mut from) = (Vec::new(), 0, open + 1);
    for n in open..s.tokens.len() {
        match s.text(n) {
            "(" => depth += 1,
            ")" if depth == 1 => {
                all.push(from..n);
                return (!all.iter().any(Range::is_empty)).then_some((all, n));
            }
            ")" => depth -= 1,
            "," if depth == 1 => {
                all.push(from..n);
                from = n + 1;
            }
            _ => {}
        }
    }
    None
}

/// The statement with what stands in `/*!50100 … */` and `/*M!100301 … */` laid open: a server's own text holds in
/// them only what that server carries out.
pub fn laid_open(sql: &str) -> String {
    let bytes = sql.as_bytes();
    let (mut out, mut from, mut at, mut inside) = (String::with_capacity(sql.len()), 0, 0, false);
    while let Some(&b) = bytes.get(at) {
        let rest = &bytes[at..];
        let cut = |out: &mut String, from: &mut usize, at: &mut usize, to: usize| {
            out.push_str(sql.get(*from..*at).unwrap_or_default());
            (*from, *at) = (to, to);
        };
        match b {
            b'`' => at = quoted_end(bytes, at, false),
            b'\'' | b'"' => at = quoted_end(bytes, at, true),
            b'/' if rest.starts_with(b"/*!") || rest.starts_with(b"/*M!") => {
                let head = if rest.starts_with(b"/*!") { 3 } else { 4 };
                let digits = rest[head..].iter().take_while(|b| b.is_ascii_digit()).count();
                let to = at + head + digits;
                cut(&mut out, &mut from, &mut at, to);
                inside = true;
            }
            b'*' if inside && rest.starts_with(b"*/") => {
                let to = at + 2;
                cut(&mut out, &mut from, &mut at, to);
                inside = false;
            }
            _ => at += 1,
        }
    }
    out.push_str(sql.get(from..).unwrap_or_default());
    out
}
