//! How are rows written for the target? As the text of LOAD DATA, or as multi-row INSERTs.

use crate::error::{Error, Kind, Result};
use crate::model::{Charset, Column, ColumnType, TableName, TableSchema, Value, quote_name};
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
    /// How many values the target takes only with a warning: the '' of an ENUM that has no such member.
    pub warnings: u64,
}

/// Collects the rows of one table into chunks.
pub struct Encoder {
    way: Way,
    /// `None`: the target makes the column's values itself.
    forms: Vec<Option<Form>>,
    name: TableName,
    /// LOAD DATA …, or INSERT … VALUES.
    head: Arc<str>,
    text: Vec<u8>,
    rows: u64,
    warnings: u64,
}

/// How a column's values are written.
#[derive(Debug, Clone)]
struct Form {
    kind: ColumnType,
    /// Text that the target gets as the bytes of its charset, so that no conversion of the target's can change it.
    charset: Option<Charset>,
}

impl Form {
    fn of(column: &Column) -> Self {
        let charset = Some(column.charset()).filter(|c| column.kind.is_text() && !c.is_utf8());
        Self { kind: column.kind.clone(), charset }
    }

    /// Whether values travel as hexadecimal digits.
    fn is_hex(&self) -> bool {
        self.charset.is_some() || self.kind.is_binary()
    }

    /// The value as text that the target reads back to exactly this value, or as bytes when it `is_hex`. `None`: NULL.
    /// Errors: `Corrupt` when a text has characters that its column's charset lacks.
    fn bytes(&self, value: &Value) -> Result<Option<Vec<u8>>> {
        match (value, self.charset) {
            (Value::Text(text), Some(charset)) => match charset.encode(text) {
                Some(bytes) => Ok(Some(bytes.into_owned())),
                None => {
                    Err(Error::corrupt("a row", format!("it has characters that charset {} lacks", charset.name())))
                }
            },
            _ => Ok(exact(value, &self.kind)),
        }
    }
}

/// How a RESTORE sends the values of a column, for people.
pub fn sent_as(column: &Column) -> String {
    let form = Form::of(column);
    match column.kind {
        _ if column.generated.is_some() => "nothing: the target makes it".into(),
        ColumnType::Bit { .. } => "a number".into(),
        _ if form.is_hex() => in_charset(form.charset, "UNHEX('…')"),
        ColumnType::Float { .. } | ColumnType::Double { .. } => "all its digits, as text".into(),
        _ => "the text".into(),
    }
}

impl Encoder {
    /// `at`: where the table stands on the target now.
    pub fn new(way: Way, table: &TableSchema, at: &TableName) -> Self {
        let head = match way {
            Way::Infile => load_data(table, at),
            Way::Insert { .. } => {
                let taken = table.columns.iter().filter(|c| c.generated.is_none());
                let names: Vec<_> = taken.map(|c| quote_name(&c.name)).collect();
                format!("INSERT INTO {} ({}) VALUES ", at.quoted(), names.join(","))
            }
        };
        let forms = table.columns.iter().map(|c| c.generated.is_none().then(|| Form::of(c))).collect();
        Self { way, forms, name: table.name.clone(), head: head.into(), text: Vec::new(), rows: 0, warnings: 0 }
    }

    /// Adds a row; returns what is ready to be sent before or with it.
    /// Errors: `Limit` when one row alone is larger than a statement may be.
    pub fn add(&mut self, row: &[Value]) -> Result<Option<Chunk>> {
        match self.way {
            Way::Infile => {
                infile_row(row, &self.forms, &mut self.text)?;
                self.rows += 1;
                self.warnings += self.odd(row);
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
        insert_row(row, &self.forms, &mut self.text)?;
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
            self.warnings += self.odd(row);
            return Ok(None);
        }
        let mut last = self.text.split_off(before);
        let ready = self.flush();
        last.remove(0);
        self.text = last;
        self.rows = 1;
        self.warnings = self.odd(row);
        Ok(ready)
    }

    /// Values that are taken with a warning.
    fn odd(&self, row: &[Value]) -> u64 {
        let odd = |(value, form): (&Value, &Form)| match (value, &form.kind) {
            (Value::Text(text), ColumnType::Enum { members }) => text.is_empty() && !members.contains(text),
            _ => false,
        };
        given(row, &self.forms).filter(|(_, cell)| odd(*cell)).count() as u64
    }

    /// What is left.
    pub fn flush(&mut self) -> Option<Chunk> {
        if self.rows == 0 {
            return None;
        }
        let text = std::mem::take(&mut self.text);
        let (rows, warnings) = (std::mem::take(&mut self.rows), std::mem::take(&mut self.warnings));
        Some(match self.way {
            Way::Infile => Chunk { sql: self.head.clone(), file: Some(text.into()), rows, warnings },
            Way::Insert { .. } => {
                // all of it is ASCII, or comes from Strings
                let sql = format!("{}{}", self.head, String::from_utf8_lossy(&text));
                let sql = if warnings > 0 { sql.replacen("INSERT INTO", "INSERT IGNORE INTO", 1) } else { sql };
                Chunk { sql: sql.into(), file: None, rows, warnings }
            }
        })
    }
}

/// Binary values and text of other charsets travel as hexadecimal digits and BIT as a number, so that the file is text
/// in one charset.
fn load_data(table: &TableSchema, at: &TableName) -> String {
    let (mut fields, mut sets) = (Vec::new(), Vec::new());
    let by_variable = |form: Form| form.is_hex() || matches!(form.kind, ColumnType::Bit { .. });
    let has_set = table.columns.iter().any(|c| by_variable(Form::of(c)));
    for (n, column) in table.columns.iter().enumerate().filter(|(_, c)| c.generated.is_none()) {
        let name = quote_name(&column.name);
        let form = Form::of(column);
        match column.kind {
            ColumnType::Bit { .. } => sets.push(format!("{name} = CAST(@c{n} AS UNSIGNED)")),
            _ if column.kind.is_binary() => sets.push(format!("{name} = UNHEX(@c{n})")),
            _ if form.is_hex() => sets.push(format!("{name} = {}", in_charset(form.charset, &format!("UNHEX(@c{n})")))),
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

/// Bytes as text of a charset.
fn in_charset(charset: Option<Charset>, bytes: &str) -> String {
    match charset {
        Some(charset) => format!("CONVERT({bytes} USING {})", charset.name()),
        None => bytes.to_string(),
    }
}

/// The values that the target is given.
fn given<'a>(row: &'a [Value], forms: &'a [Option<Form>]) -> impl Iterator<Item = (usize, (&'a Value, &'a Form))> {
    row.iter().zip(forms).filter_map(|(value, form)| Some((value, form.as_ref()?))).enumerate()
}

fn infile_row(row: &[Value], forms: &[Option<Form>], out: &mut Vec<u8>) -> Result<()> {
    for (n, (value, form)) in given(row, forms) {
        if n > 0 {
            out.push(b'\t');
        }
        match form.bytes(value)? {
            None => out.extend_from_slice(b"\\N"),
            Some(bytes) if form.is_hex() => hex(&bytes, out),
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
    Ok(())
}

fn insert_row(row: &[Value], forms: &[Option<Form>], out: &mut Vec<u8>) -> Result<()> {
    out.push(b'(');
    for (n, (value, form)) in given(row, forms) {
        if n > 0 {
            out.push(b',');
        }
        match form.bytes(value)? {
            None => out.extend_from_slice(b"NULL"),
            Some(bytes) if form.is_hex() => {
                let mut digits = Vec::with_capacity(2 * bytes.len());
                hex(&bytes, &mut digits);
                let literal = format!("x'{}'", String::from_utf8_lossy(&digits));
                out.extend_from_slice(in_charset(form.charset, &literal).as_bytes());
            }
            Some(number) if matches!(form.kind, ColumnType::Bit { .. }) => out.extend_from_slice(&number),
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
    Ok(())
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
        let column = |n, name: &str, kind| Column::new(ColumnId(n), name, kind);
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
            kind: Default::default(),
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
