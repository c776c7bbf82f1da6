//! How is a dump file cut into statements? One at a time, so that memory holds one.

use crate::error::{Error, Kind, Result};
use std::io::{BufRead, ErrorKind, Read};

/// The longest statement that is read: as large as a server's largest packet.
const MAX_STATEMENT: usize = 1 << 30;

/// A piece of a dump.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// A line `-- …`, without its end.
    Comment(String),
    /// A statement without its delimiter. It may hold bytes that are no text.
    Statement(Vec<u8>),
}

/// Cuts a dump as the mysql client does: strings, names and comments are seen, and `DELIMITER` lines followed.
pub struct Statements<R> {
    file: R,
    name: String,
    delimiter: Vec<u8>,
    /// Whether a backslash in a string stands for itself (sql_mode NO_BACKSLASH_ESCAPES).
    plain_backslash: bool,
    /// A statement ends where a line ends with the delimiter, whatever stands before: what mydumper does with programs.
    by_lines: bool,
    /// What stands after a delimiter in its line.
    rest: Vec<u8>,
    /// Of the piece that was given last, counted from 1.
    line: u64,
    next_line: u64,
}

/// Within what the reader stands.
#[derive(Clone, Copy, PartialEq)]
enum Within {
    Statement,
    Quoted(u8),
    /// A comment to the end of the line.
    Line,
    /// `/* … */`
    Block,
}

impl<R: BufRead> Statements<R> {
    pub fn new(file: R, name: impl Into<String>) -> Self {
        let (delimiter, rest) = (b";".to_vec(), Vec::new());
        Self {
            file,
            name: name.into(),
            delimiter,
            plain_backslash: false,
            by_lines: false,
            rest,
            line: 1,
            next_line: 1,
        }
    }

    /// From here on only a delimiter at the end of a line ends a statement.
    pub fn by_lines(mut self, yes: bool) -> Self {
        self.by_lines = yes;
        self
    }

    /// Says how the strings that follow are written.
    pub fn backslash_is_plain(&mut self, plain: bool) {
        self.plain_backslash = plain;
    }

    /// Where the last piece began: `dump.sql line 12`.
    pub fn place(&self) -> String {
        format!("{} line {}", self.name, self.line)
    }

    /// The next piece; `None` at the end.
    /// Errors: `Io`; `BadValue` when the file ends within a statement; `Limit`.
    pub fn next(&mut self) -> Result<Option<Piece>> {
        let mut text: Vec<u8> = Vec::new();
        let mut within = Within::Statement;
        let mut line = Vec::new();
        loop {
            if !self.read_line(&mut line)? {
                return if text.is_empty() { Ok(None) } else { Err(self.unfinished()) };
            }
            if text.is_empty() {
                self.line = self.next_line - 1;
                if let Some(piece) = self.whole_line(&line)? {
                    match piece {
                        Some(piece) => return Ok(Some(piece)),
                        None => continue,
                    }
                }
            }
            let start = text.len();
            if text.is_empty() {
                std::mem::swap(&mut text, &mut line);
            } else {
                text.extend_from_slice(&line);
            }
            if text.len() > MAX_STATEMENT {
                return Err(Error::new(Kind::Limit, format!("{}: a statement is longer than 1 GiB", self.place())));
            }
            if let Some(end) = self.end(&text, start, &mut within) {
                self.rest = text.split_off(end + self.delimiter.len());
                text.truncate(end);
                return Ok(Some(Piece::Statement(text)));
            }
        }
    }

    /// The next line, or what is left of the last; false at the end.
    fn read_line(&mut self, line: &mut Vec<u8>) -> Result<bool> {
        line.clear();
        if !self.rest.trim_ascii().is_empty() {
            std::mem::swap(line, &mut self.rest);
            self.rest.clear();
            return Ok(true);
        }
        self.rest.clear();
        let n = (&mut self.file).take(MAX_STATEMENT as u64 + 1).read_until(b'\n', line).map_err(|e| self.unread(e))?;
        self.next_line += 1;
        Ok(n > 0)
    }

    fn unread(&self, error: std::io::Error) -> Error {
        let place = format!("{} after line {}", self.name, self.next_line - 1);
        match error.kind() {
            ErrorKind::UnexpectedEof => Error::new(Kind::BadValue, format!("{place}: the compressed file is cut off"))
                .hint("Copy it again, or make the dump again."),
            ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::Other => {
                Error::new(Kind::BadValue, format!("{place}: the compressed file is damaged: {error}"))
                    .hint("Copy it again, or make the dump again.")
            }
            _ => Error::io(place, error),
        }
    }

    fn unfinished(&self) -> Error {
        Error::new(Kind::BadValue, format!("{}: the file ends within a statement", self.place()))
            .hint("The dump is cut off: make it again.")
    }

    /// What a line is that begins no statement: nothing (`Some(None)`), or a comment. `None`: it begins one.
    fn whole_line(&mut self, line: &[u8]) -> Result<Option<Option<Piece>>> {
        let trimmed = line.trim_ascii();
        if trimmed.is_empty() {
            return Ok(Some(None));
        }
        // the last is a command to the client, which ends with its line
        if trimmed.starts_with(b"--") || trimmed.starts_with(b"#") || trimmed.starts_with(b"/*M!999999\\-") {
            return Ok(Some(Some(Piece::Comment(String::from_utf8_lossy(trimmed).into_owned()))));
        }
        if trimmed.len() > 10 && trimmed[..10].eq_ignore_ascii_case(b"DELIMITER ") {
            self.delimiter = trimmed[10..].trim_ascii().to_vec();
            return Ok(Some(None));
        }
        Ok(None)
    }

    /// Where the delimiter stands, looking from `at` on.
    fn end(&self, text: &[u8], mut at: usize, within: &mut Within) -> Option<usize> {
        if self.by_lines {
            let whole = text.strip_suffix(b"\n").unwrap_or(text);
            return whole.ends_with(&self.delimiter).then(|| whole.len() - self.delimiter.len());
        }
        while at < text.len() {
            let rest = &text[at..];
            match *within {
                Within::Quoted(quote) => {
                    if rest[0] == b'\\' && quote != b'`' && !self.plain_backslash {
                        at += 1; // the next byte stands for itself
                    } else if rest[0] == quote {
                        *within = Within::Statement; // a doubled quote begins the next at once
                    }
                }
                Within::Line => {
                    if rest[0] == b'\n' {
                        *within = Within::Statement;
                    }
                }
                Within::Block => {
                    if rest.starts_with(b"*/") {
                        *within = Within::Statement;
                        at += 1;
                    }
                }
                Within::Statement => {
                    if rest.starts_with(&self.delimiter) {
                        return Some(at);
                    }
                    match rest[0] {
                        quote @ (b'\'' | b'"' | b'`') => *within = Within::Quoted(quote),
                        b'#' => *within = Within::Line,
                        b'-' if rest.starts_with(b"-- ") || rest.starts_with(b"--\n") => *within = Within::Line,
                        // what stands in /*! … */ is part of the statement
                        b'/' if rest.starts_with(b"/*") && !rest.starts_with(b"/*!") && !rest.starts_with(b"/*M!") => {
                            *within = Within::Block;
                            at += 1;
                        }
                        _ => {}
                    }
                }
            }
            at += 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<String> {
        let mut statements = Statements::new(text.as_bytes(), "d.sql");
        let mut out = Vec::new();
        while let Some(piece) = statements.next().expect("a whole dump") {
            out.push(match piece {
                Piece::Comment(c) => format!("# {c}"),
                Piece::Statement(s) => String::from_utf8(s).expect("text"),
            });
        }
        out
    }

    #[test]
    fn statements_end_where_the_client_ends_them() {
        let text = "/*M!999999\\- enable the sandbox mode */ \n-- a comment; here\n\nINSERT INTO t VALUES ('a;b\\'c;','x''y;'),\n(\";\",`;`);\n/*!50003 SET x = 1 */ ;\n\
                    DELIMITER ;;\nCREATE TRIGGER t BEFORE INSERT ON t FOR EACH ROW BEGIN\n  SET a = 1; -- it's ;;\n  /* ;; */ END ;;\nDELIMITER ;\nSELECT 1;";
        let pieces = cut(text);
        assert_eq!(pieces.len(), 6, "{pieces:?}");
        assert_eq!(pieces[1], "# -- a comment; here");
        assert!(pieces[2].starts_with("INSERT") && pieces[2].ends_with("`;`)"));
        assert!(pieces[4].ends_with("END "), "{:?}", pieces[4]);
        assert_eq!(pieces[5], "SELECT 1");
        assert_eq!(cut("SELECT 1; SELECT ';' ; -- c\nSELECT 3;"), ["SELECT 1", " SELECT ';' ", "# -- c", "SELECT 3"]);
    }

    #[test]
    fn programs_of_mydumper_end_with_their_line() {
        let text = &b"CREATE PROCEDURE p() BEGIN\n  SELECT 'a;'; \n  SELECT 2; \nEND;\nSELECT 3;"[..];
        let mut statements = Statements::new(text, "p.sql").by_lines(true);
        let first = b"CREATE PROCEDURE p() BEGIN\n  SELECT 'a;'; \n  SELECT 2; \nEND".to_vec();
        assert_eq!(statements.next().expect("read"), Some(Piece::Statement(first)));
        assert_eq!(statements.next().expect("read"), Some(Piece::Statement(b"SELECT 3".to_vec())));
    }

    #[test]
    fn a_backslash_stands_for_itself_where_the_mode_says_so() {
        let mut statements = Statements::new(&b"INSERT INTO t VALUES ('a\\');\nSELECT 2;"[..], "d.sql");
        statements.backslash_is_plain(true);
        assert_eq!(statements.next().expect("read"), Some(Piece::Statement(b"INSERT INTO t VALUES ('a\\')".to_vec())));
        assert_eq!(statements.next().expect("read"), Some(Piece::Statement(b"SELECT 2".to_vec())));
    }

    #[test]
    fn a_dump_that_is_cut_off_is_refused_with_its_line() {
        let mut statements = Statements::new(&b"SELECT 1;\nINSERT INTO t VALUES ('a"[..], "d.sql");
        statements.next().expect("the first");
        let error = statements.next().expect_err("cut off");
        assert!(error.message.contains("d.sql line 2"), "{error}");
    }
}
