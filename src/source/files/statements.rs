//! How is a dump file cut into statements? One at a time, so that memory holds one.

use crate::error::{Context, Error, Kind, Result};
use std::io::BufRead;

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
        Self { file, name: name.into(), delimiter: b";".to_vec(), line: 1, next_line: 1 }
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
            line.clear();
            let n = self.file.read_until(b'\n', &mut line).context(&self.name)?;
            if n == 0 {
                return if text.is_empty() { Ok(None) } else { Err(self.unfinished()) };
            }
            self.next_line += 1;
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
            text.extend_from_slice(&line);
            if text.len() > MAX_STATEMENT {
                return Err(Error::new(Kind::Limit, format!("{}: a statement is longer than 1 GiB", self.place())));
            }
            if let Some(end) = self.end(&text, start, &mut within) {
                let rest = text[end + self.delimiter.len()..].trim_ascii();
                if !rest.is_empty() && !rest.starts_with(b"--") && !rest.starts_with(b"#") {
                    let text = format!("{}: two statements stand in one line", self.place());
                    return Err(
                        Error::new(Kind::BadValue, text).hint("Dumps by mariadb-dump and mysqldump have one a line.")
                    );
                }
                text.truncate(end);
                return Ok(Some(Piece::Statement(text)));
            }
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
        while at < text.len() {
            let rest = &text[at..];
            match *within {
                Within::Quoted(quote) => {
                    if rest[0] == b'\\' && quote != b'`' {
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
    }

    #[test]
    fn a_dump_that_is_cut_off_is_refused_with_its_line() {
        let mut statements = Statements::new(&b"SELECT 1;\nINSERT INTO t VALUES ('a"[..], "d.sql");
        statements.next().expect("the first");
        let error = statements.next().expect_err("cut off");
        assert!(error.message.contains("d.sql line 2"), "{error}");
    }
}
