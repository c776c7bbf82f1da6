//! Which rows does an INSERT of a dump hold? Read byte by byte: values need not be text.

use crate::error::{Error, Kind, Result};
use crate::model::{Charset, Column, ColumnType, Row, TableSchema, Value};

/// What the sql_mode makes of quotes and backslashes, and what SET NAMES makes of text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Writing {
    /// `"` quotes names.
    pub ansi_quotes: bool,
    /// A backslash in a string stands for itself.
    pub plain_backslash: bool,
    /// Texts are the bytes of their columns' own charsets.
    pub own_charsets: bool,
}

/// An INSERT or REPLACE statement, about to be read.
pub struct Insert<'a> {
    bytes: &'a [u8],
    at: usize,
    writing: Writing,
    /// As written: the database, if named, and the table.
    pub database: Option<String>,
    pub table: String,
}

impl<'a> Insert<'a> {
    /// `None`: it is another statement.
    pub fn begin(bytes: &'a [u8], writing: Writing) -> Option<Self> {
        let mut this = Self { bytes, at: 0, writing, database: None, table: String::new() };
        if !this.word("INSERT") && !this.word("REPLACE") {
            return None;
        }
        this.comments();
        while this.word("IGNORE") || this.word("DELAYED") || this.word("LOW_PRIORITY") {}
        if !this.word("INTO") {
            return None;
        }
        this.table = this.name()?;
        if this.sign(b'.') {
            this.database = Some(std::mem::take(&mut this.table));
            this.table = this.name()?;
        }
        Some(this)
    }

    /// Gives each row, in the schema's column order, to `take`. `order`: what `columns` said; other columns are NULL.
    /// Errors: `BadValue` when the statement or a value cannot be read; `take`'s.
    pub fn rows(
        &mut self,
        schema: &TableSchema,
        order: &[usize],
        mut take: impl FnMut(&Row) -> Result<()>,
    ) -> Result<()> {
        if !self.word("VALUES") && !self.word("VALUE") {
            return Err(self.unread("VALUES"));
        }
        let mut row: Row = vec![Value::Null; schema.columns.len()];
        loop {
            self.expect(b'(')?;
            for (i, &position) in order.iter().enumerate() {
                if i > 0 {
                    self.expect(b',')?;
                }
                let column = &schema.columns[position];
                let value = self.value(column);
                row[position] =
                    value.map_err(|e| e.context(format!("table {}, column {}", schema.name, column.name)))?;
            }
            self.expect(b')')?;
            take(&row)?;
            if !self.sign(b',') {
                break;
            }
        }
        self.blanks();
        if self.at < self.bytes.len() { Err(self.unread("the end of the statement")) } else { Ok(()) }
    }

    /// Positions in the schema of the columns in the statement's order. To be asked before the rows.
    /// Errors: `UnknownColumn`; `Unsupported` when it leaves out columns that are not generated.
    pub fn columns(&mut self, schema: &TableSchema) -> Result<Vec<usize>> {
        if !self.sign(b'(') {
            return Ok((0..schema.columns.len()).collect());
        }
        let mut order = Vec::new();
        loop {
            let name = self.name().ok_or_else(|| self.unread("a column's name"))?;
            let (position, _) = schema.column(&name).ok_or_else(|| {
                Error::new(
                    Kind::UnknownColumn,
                    format!("an INSERT names column {name}, which table {} has not", schema.name),
                )
            })?;
            order.push(position);
            if !self.sign(b',') {
                break;
            }
        }
        self.expect(b')')?;
        let out = |(i, c): &(usize, &Column)| !order.contains(i) && !made_of_others(c);
        let left: Vec<&str> = schema.columns.iter().enumerate().filter(out).map(|(_, c)| c.name.as_str()).collect();
        if !left.is_empty() {
            let text = format!("an INSERT into table {} leaves columns out: {}", schema.name, left.join(", "));
            return Err(Error::new(Kind::Unsupported, text).hint(format!(
                "What they hold is not in the dump. Leave the table out with --exclude {}, or protect the live server.",
                schema.name
            )));
        }
        Ok(order)
    }

    fn value(&mut self, column: &Column) -> Result<Value> {
        let kind = &column.kind;
        self.blanks();
        // an introducer: _binary 'x', _utf8mb4 'x'
        if self.peek() == Some(b'_') {
            let end = self.bytes[self.at..].iter().position(|b| !b.is_ascii_alphanumeric() && *b != b'_');
            self.at += end.unwrap_or(0);
            self.blanks();
        }
        // mydumper writes JSON of MySQL so: CONVERT("{}" USING UTF8MB4)
        if self.word("CONVERT") {
            self.expect(b'(')?;
            let value = self.value(column)?;
            if !self.word("USING") || !(self.word("UTF8MB4") || self.word("UTF8")) {
                return Err(self.unread("USING UTF8MB4"));
            }
            self.expect(b')')?;
            return Ok(value);
        }
        let rest = &self.bytes[self.at..];
        match rest {
            [b'\'' | b'"', ..] => {
                let text = self.string()?;
                self.text(column, &text)
            }
            [b'0', b'x' | b'X', ..] => {
                self.at += 2;
                let digits = self.run(|b| b.is_ascii_hexdigit());
                raw(kind, &hex(digits).ok_or_else(|| self.unread("hexadecimal digits"))?)
            }
            [b'x' | b'X', b'\'', ..] => {
                self.at += 1;
                let digits = self.string()?;
                raw(kind, &hex(&digits).ok_or_else(|| self.unread("hexadecimal digits"))?)
            }
            [b'b' | b'B', b'\'', ..] => {
                self.at += 1;
                let digits = self.string()?;
                let bits = std::str::from_utf8(&digits).ok().and_then(|d| u64::from_str_radix(d, 2).ok());
                raw(kind, &bits.ok_or_else(|| self.unread("bits"))?.to_be_bytes())
            }
            _ => {
                let token = self.run(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
                match token {
                    b"" => Err(self.unread("a value")),
                    t if t.eq_ignore_ascii_case(b"NULL") => Ok(Value::Null),
                    t if matches!(kind, ColumnType::Bit { .. }) => {
                        let number = std::str::from_utf8(t).ok().and_then(|t| t.parse::<u64>().ok());
                        raw(kind, &number.ok_or_else(|| self.unread("bits"))?.to_be_bytes())
                    }
                    t => Value::parse(kind, t),
                }
            }
        }
    }

    /// What stood in quotes.
    fn text(&self, column: &Column, bytes: &[u8]) -> Result<Value> {
        let own = self.writing.own_charsets && column.kind.is_text();
        let charset = column.collation.as_deref().filter(|_| own).and_then(Charset::of_collation);
        match charset.filter(|c| !c.is_utf8()) {
            Some(charset) => match charset.decode(bytes) {
                Some(text) => Value::parse(&column.kind, text.as_bytes()),
                None => Err(Error::new(Kind::BadValue, format!("a value is no text of charset {}", charset.name()))),
            },
            None => Value::parse(&column.kind, bytes),
        }
    }

    /// A quoted string without its escapes.
    fn string(&mut self) -> Result<Vec<u8>> {
        let quote = self.bytes[self.at];
        self.at += 1;
        let mut out = Vec::new();
        loop {
            let rest = &self.bytes[self.at..];
            let n = rest
                .iter()
                .position(|b| *b == quote || (*b == b'\\' && !self.writing.plain_backslash))
                .ok_or_else(|| self.unread("the end of a string"))?;
            out.extend_from_slice(&rest[..n]);
            self.at += n + 1;
            let next = self.peek();
            if rest[n] == b'\\' {
                let escaped = next.ok_or_else(|| self.unread("the end of a string"))?;
                self.at += 1;
                match escaped {
                    b'0' => out.push(0),
                    b'b' => out.push(8),
                    b'n' => out.push(b'\n'),
                    b'r' => out.push(b'\r'),
                    b't' => out.push(b'\t'),
                    b'Z' => out.push(26),
                    // these two keep their backslash: they are for LIKE
                    b @ (b'%' | b'_') => out.extend([b'\\', b]),
                    b => out.push(b),
                }
            } else if next == Some(quote) {
                out.push(quote);
                self.at += 1;
            } else {
                return Ok(out);
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn blanks(&mut self) {
        self.run(|b| b.is_ascii_whitespace());
    }

    /// `INSERT /*!50000 IGNORE */`, `REPLACE /* c */`: passed over, whatever they say.
    fn comments(&mut self) {
        self.blanks();
        while self.bytes[self.at..].starts_with(b"/*") {
            let end = self.bytes[self.at..].windows(2).position(|w| w == b"*/");
            self.at = end.map_or(self.bytes.len(), |n| self.at + n + 2);
            self.blanks();
        }
    }

    fn run(&mut self, of: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = &self.bytes[self.at..];
        let n = rest.iter().position(|b| !of(*b)).unwrap_or(rest.len());
        self.at += n;
        &rest[..n]
    }

    fn sign(&mut self, sign: u8) -> bool {
        self.blanks();
        let there = self.peek() == Some(sign);
        self.at += usize::from(there);
        there
    }

    fn expect(&mut self, sign: u8) -> Result<()> {
        if self.sign(sign) { Ok(()) } else { Err(self.unread(&format!("'{}'", char::from(sign)))) }
    }

    fn word(&mut self, word: &str) -> bool {
        self.blanks();
        let rest = &self.bytes[self.at..];
        let there = rest.get(..word.len()).is_some_and(|w| w.eq_ignore_ascii_case(word.as_bytes()))
            && !rest.get(word.len()).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
        self.at += if there { word.len() } else { 0 };
        there
    }

    /// A name, quoted or not.
    fn name(&mut self) -> Option<String> {
        self.blanks();
        let ansi = self.writing.ansi_quotes;
        if let Some(quote) = self.peek().filter(|b| *b == b'`' || (*b == b'"' && ansi)) {
            let mut out = Vec::new();
            self.at += 1;
            loop {
                out.extend_from_slice(self.run(|b| b != quote));
                self.peek()?; // the name does not end
                self.at += 1;
                if self.peek() != Some(quote) {
                    return String::from_utf8(out).ok();
                }
                out.push(quote);
                self.at += 1;
            }
        }
        let word = self.run(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'$' || b >= 0x80);
        if word.is_empty() { None } else { String::from_utf8(word.to_vec()).ok() }
    }

    fn unread(&self, wanted: &str) -> Error {
        let near = &self.bytes[self.at.min(self.bytes.len())..];
        let near = String::from_utf8_lossy(&near[..near.len().min(40)]).into_owned();
        Error::new(
            Kind::BadValue,
            format!("an INSERT into {} cannot be read: {wanted} is wanted at '{near}'", self.table),
        )
    }
}

/// Whether the server computes the column of the row's others.
fn made_of_others(column: &Column) -> bool {
    use crate::model::Generated::*;
    matches!(column.generated, Some(Stored | Virtual | Session | LeftOut))
}

/// A value written as bytes: BIT as its number, the rest as it is.
fn raw(kind: &ColumnType, bytes: &[u8]) -> Result<Value> {
    let significant = bytes.iter().position(|b| *b != 0).unwrap_or(bytes.len());
    match kind {
        ColumnType::Bit { .. } => Value::parse(kind, &bytes[significant..]),
        _ => Value::parse(kind, bytes),
    }
}

fn hex(digits: &[u8]) -> Option<Vec<u8>> {
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |b: u8| char::from(b).to_digit(16).map(|d| d as u8);
    digits.chunks(2).map(|c| Some(digit(c[0])? << 4 | digit(c[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TableName;
    use crate::source::mysql::ddl::parse_create_table;

    #[test]
    fn values_are_read_as_the_server_reads_them() {
        let text =
            "CREATE TABLE t (a INT, s VARCHAR(50), b VARBINARY(9), f BIT(9), d DECIMAL(5,2)) DEFAULT CHARSET=utf8mb4";
        let schema =
            parse_create_table(text, TableName::new("d", "t"), crate::model::TableId(1), ("utf8mb4", "utf8mb4_bin"));
        let schema = schema.expect("carried");
        let statement = b"INSERT INTO `t` VALUES (1,'it''s \\'a\\' \\n\\\\ \\%',0xFF00,b'100000001',-1.50),\n\
                          (NULL,_utf8mb4 'x',_binary '\xff\\0',0x01,NULL) , (-7,CONVERT(\"q'\" USING UTF8MB4),x'',3,'2.00')";
        let mut found = Vec::new();
        let mut insert = Insert::begin(statement, Writing::default()).expect("an INSERT");
        let order = insert.columns(&schema).expect("all");
        insert
            .rows(&schema, &order, |r| {
                found.push(r.clone());
                Ok(())
            })
            .expect("three rows");
        let decimal = |v: i128| Value::Decimal(arrow::datatypes::i256::from_i128(v));
        let text = |s: &str| Value::Text(s.into());
        assert_eq!(
            found,
            [
                vec![
                    Value::Int(1),
                    text("it's 'a' \n\\ \\%"),
                    Value::Bytes(vec![255, 0]),
                    Value::UInt(257),
                    decimal(-150)
                ],
                vec![Value::Null, text("x"), Value::Bytes(vec![255, 0]), Value::UInt(1), Value::Null],
                vec![Value::Int(-7), text("q'"), Value::Bytes(vec![]), Value::UInt(3), decimal(200)],
            ]
        );
        for bad in [
            "INSERT INTO t VALUES (1,'x',0xF,1,1)",
            "INSERT INTO t VALUES (1,'x'",
            "INSERT INTO t (a) VALUES (1)",
            "INSERT INTO t VALUES (NOW(),'',0x,1,1)",
            "INSERT INTO t VALUES (1,CONVERT('x' USING latin1),'',1,1)",
            "INSERT INTO t VALUES (1,CONVERT('x'),'',1,1)",
        ] {
            let mut insert = Insert::begin(bad.as_bytes(), Writing::default()).expect("an INSERT");
            let read = insert.columns(&schema).and_then(|order| insert.rows(&schema, &order, |_| Ok(())));
            read.expect_err(bad);
        }
        let writing = Writing { ansi_quotes: true, plain_backslash: true, own_charsets: false };
        let statement = b"INSERT /*!40000 IGNORE */ INTO \"d\".\"t\" (\"a\",b,f,d,s) VALUES (1,'\\',1,2,'c:\\')";
        let mut insert = Insert::begin(statement, writing).expect("an INSERT");
        assert_eq!((insert.database.as_deref(), insert.table.as_str()), (Some("d"), "t"));
        let expected = vec![Value::Int(1), text("c:\\"), Value::Bytes(vec![b'\\']), Value::UInt(1), decimal(200)];
        let order = insert.columns(&schema).expect("all");
        insert
            .rows(&schema, &order, |r| {
                assert_eq!(*r, expected);
                Ok(())
            })
            .expect("a row");
    }
}
