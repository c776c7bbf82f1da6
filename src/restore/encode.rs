//! How are rows written for the target? As the text of LOAD DATA, or as multi-row INSERTs.

use crate::error::{Error, Kind, Result};
use crate::model::{ColumnType, TableName, TableSchema, Value, quote_name};
use bytes::Bytes;
use std::sync::Arc;

/// Rows are sent when this many bytes of text are together.
const CHUNK_BYTES: usize = 4 << 20;

/// How rows get in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// LOAD DATA LOCAL INFILE, where the target allows it.
    Infile,
    /// INSERT statements of at most this many bytes.
    Insert { limit: usize },
}

/// Rows ready to be sent.
#[derive(Debug, Clone)]
pub struct Chunk {
    pub sql: Arc<str>,
    /// What LOAD DATA reads; `None`: `sql` holds the rows itself.
    pub file: Option<Bytes>,
    pub rows: u64,
}

/// Collects the rows of one table into chunks.
pub struct Encoder {
    way: Way,
    kinds: Vec<ColumnType>,
    name: TableName,
    /// LOAD DATA …, or INSERT … VALUES.
    head: Arc<str>,
    text: Vec<u8>,
    rows: u64,
}

impl Encoder {
    /// `at`: where the table stands on the target now.
    pub fn new(way: Way, table: &TableSchema, at: &TableName) -> Self {
        let head = match way {
            Way::Infile => load_data(table, at),
            Way::Insert { .. } => {
                let names: Vec<_> = table.columns.iter().map(|c| quote_name(&c.name)).collect();
                format!("INSERT INTO {} ({}) VALUES ", at.quoted(), names.join(","))
            }
        };
        let kinds = table.columns.iter().map(|c| c.kind.clone()).collect();
        Self { way, kinds, name: table.name.clone(), head: head.into(), text: Vec::new(), rows: 0 }
    }

    /// Adds a row; returns what is ready to be sent before or with it.
    /// Errors: `Limit` when one row alone is larger than a statement may be.
    pub fn add(&mut self, row: &[Value]) -> Result<Option<Chunk>> {
        match self.way {
            Way::Infile => {
                infile_row(row, &self.kinds, &mut self.text);
                self.rows += 1;
                Ok(if self.text.len() >= CHUNK_BYTES { self.flush() } else { None })
            }
            Way::Insert { limit } => self.add_to_insert(row, limit),
        }
    }

    fn add_to_insert(&mut self, row: &[Value], limit: usize) -> Result<Option<Chunk>> {
        let before = self.text.len();
        if before > 0 {
            self.text.push(b',');
        }
        insert_row(row, &self.kinds, &mut self.text);
        let full = self.head.len() + self.text.len() > limit.min(CHUNK_BYTES);
        if !full || before == 0 {
            if self.head.len() + self.text.len() > limit {
                return Err(Error::new(
                    Kind::Limit,
                    format!("a row of {} takes {} bytes; the target accepts {limit}", self.name, self.text.len()),
                )
                .hint("Raise max_allowed_packet on the target, or SET GLOBAL local_infile = 1 there."));
            }
            self.rows += 1;
            return Ok(None);
        }
        let mut last = self.text.split_off(before);
        let ready = self.flush();
        last.remove(0);
        self.text = last;
        self.rows = 1;
        Ok(ready)
    }

    /// What is left.
    pub fn flush(&mut self) -> Option<Chunk> {
        if self.rows == 0 {
            return None;
        }
        let text = std::mem::take(&mut self.text);
        let rows = std::mem::take(&mut self.rows);
        Some(match self.way {
            Way::Infile => Chunk { sql: self.head.clone(), file: Some(text.into()), rows },
            Way::Insert { .. } => {
                // all of it is ASCII, or comes from Strings
                let sql = format!("{}{}", self.head, String::from_utf8_lossy(&text));
                Chunk { sql: sql.into(), file: None, rows }
            }
        })
    }
}

/// Binary values travel as hexadecimal digits and BIT as a number, so that the file is text in one charset.
fn load_data(table: &TableSchema, at: &TableName) -> String {
    let (mut fields, mut sets) = (Vec::new(), Vec::new());
    let by_variable = |kind: &ColumnType| kind.is_binary() || matches!(kind, ColumnType::Bit { .. });
    let has_set = table.columns.iter().any(|c| by_variable(&c.kind));
    for (n, column) in table.columns.iter().enumerate() {
        let name = quote_name(&column.name);
        match column.kind {
            ColumnType::Bit { .. } => sets.push(format!("{name} = CAST(@c{n} AS UNSIGNED)")),
            _ if column.kind.is_binary() => sets.push(format!("{name} = UNHEX(@c{n})")),
            // before a SET clause, MariaDB forgets that a zero was given and counts on
            _ if has_set && column.extra.to_lowercase().contains("auto_increment") => {
                sets.push(format!("{name} = @c{n}"))
            }
            _ => {
                fields.push(name);
                continue;
            }
        }
        fields.push(format!("@c{n}"));
    }
    let set = if sets.is_empty() { String::new() } else { format!(" SET {}", sets.join(", ")) };
    format!(
        "LOAD DATA LOCAL INFILE 'rows' INTO TABLE {} CHARACTER SET utf8mb4 FIELDS TERMINATED BY '\\t' ENCLOSED BY '' \
         ESCAPED BY '\\\\' LINES STARTING BY '' TERMINATED BY '\\n' ({}){set}",
        at.quoted(),
        fields.join(","),
    )
}

fn infile_row(row: &[Value], kinds: &[ColumnType], out: &mut Vec<u8>) {
    for (n, (value, kind)) in row.iter().zip(kinds).enumerate() {
        if n > 0 {
            out.push(b'\t');
        }
        match exact(value, kind) {
            None => out.extend_from_slice(b"\\N"),
            Some(bytes) if kind.is_binary() => hex(&bytes, out),
            Some(text) => {
                for b in text {
                    match b {
                        b'\\' => out.extend_from_slice(b"\\\\"),
                        b'\t' => out.extend_from_slice(b"\\t"),
                        b'\n' => out.extend_from_slice(b"\\n"),
                        0 => out.extend_from_slice(b"\\0"),
                        _ => out.push(b),
                    }
                }
            }
        }
    }
    out.push(b'\n');
}

fn insert_row(row: &[Value], kinds: &[ColumnType], out: &mut Vec<u8>) {
    out.push(b'(');
    for (n, (value, kind)) in row.iter().zip(kinds).enumerate() {
        if n > 0 {
            out.push(b',');
        }
        match exact(value, kind) {
            None => out.extend_from_slice(b"NULL"),
            Some(bytes) if kind.is_binary() => {
                out.extend_from_slice(b"x'");
                hex(&bytes, out);
                out.push(b'\'');
            }
            Some(number) if matches!(kind, ColumnType::Bit { .. }) => out.extend_from_slice(&number),
            Some(text) => {
                out.push(b'\'');
                for b in text {
                    match b {
                        b'\\' => out.extend_from_slice(b"\\\\"),
                        b'\'' => out.extend_from_slice(b"''"),
                        0 => out.extend_from_slice(b"\\0"),
                        _ => out.push(b),
                    }
                }
                out.push(b'\'');
            }
        }
    }
    out.push(b')');
}

/// FLOAT as the double that equals it: servers read a DOUBLE first and round then, and rounding the shortest digits
/// of a FLOAT twice can miss it.
fn exact(value: &Value, kind: &ColumnType) -> Option<Vec<u8>> {
    match value {
        Value::Float(v) => {
            Value::Double(f64::from(*v)).exact_text(&ColumnType::Double { unsigned: false, decimals: None })
        }
        _ => value.exact_text(kind),
    }
}

fn hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for b in bytes {
        out.push(DIGITS[usize::from(b >> 4)]);
        out.push(DIGITS[usize::from(b & 15)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Column, ColumnId, TableId};

    fn table() -> TableSchema {
        let column = |n, name: &str, kind| Column {
            id: ColumnId(n),
            name: name.into(),
            kind,
            nullable: true,
            collation: None,
            missing: None,
            default: None,
            extra: String::new(),
            comment: String::new(),
        };
        TableSchema {
            id: TableId(1),
            name: TableName::new("shop", "t"),
            columns: vec![
                column(1, "a", ColumnType::Varchar { length: 9 }),
                column(2, "b`", ColumnType::Varbinary { length: 9 }),
                column(3, "c", ColumnType::Bit { bits: 9 }),
                column(4, "d", ColumnType::Float { unsigned: false, decimals: None }),
            ],
            primary_key: vec![],
            create: String::new(),
            next_column: 5,
            foreign_keys: Vec::new(),
        }
    }

    fn row() -> Vec<Value> {
        vec![Value::Text("it's\ta\\\n\0".into()), Value::Bytes(vec![0, 255]), Value::UInt(257), Value::Float(0.1)]
    }

    #[test]
    fn a_row_for_load_data() {
        let at = TableName::new("s", "t");
        let mut encoder = Encoder::new(Way::Infile, &table(), &at);
        assert!(encoder.add(&row()).expect("fits").is_none());
        assert!(encoder.add(&vec![Value::Null; 4]).expect("fits").is_none());
        let chunk = encoder.flush().expect("two rows");
        assert_eq!(chunk.rows, 2);
        assert!(
            chunk.sql.ends_with("(`a`,@c1,@c2,`d`) SET `b``` = UNHEX(@c1), `c` = CAST(@c2 AS UNSIGNED)"),
            "{}",
            chunk.sql
        );
        let text = String::from_utf8(chunk.file.expect("a file").to_vec()).expect("text");
        assert_eq!(text, "it's\\ta\\\\\\n\\0\t00ff\t257\t1.0000000149011612e-1\n\\N\t\\N\t\\N\t\\N\n");
        assert!(encoder.flush().is_none());
    }

    #[test]
    fn rows_for_insert_within_a_limit() {
        let at = TableName::new("s", "t");
        let mut encoder = Encoder::new(Way::Insert { limit: 140 }, &table(), &at);
        assert!(encoder.add(&row()).expect("fits").is_none());
        let first = encoder.add(&row()).expect("fits").expect("the first is sent alone");
        assert_eq!(
            &*first.sql,
            "INSERT INTO `s`.`t` (`a`,`b```,`c`,`d`) VALUES ('it''s\ta\\\\\n\\0',x'00ff',257,'1.0000000149011612e-1')"
        );
        assert_eq!(first.rows, 1);
        let second = encoder.flush().expect("one more");
        assert_eq!((second.sql, second.rows), (first.sql, 1));
        let mut encoder = Encoder::new(Way::Insert { limit: 50 }, &table(), &at);
        let error = encoder.add(&row()).expect_err("too large");
        assert_eq!(error.kind, Kind::Limit);
        assert!(error.message.contains("shop.t"));
    }
}
