//! How is a result's column described to the client? Type byte, character set, length, decimals and flags as MariaDB
//! 10.11 sends them: drivers decide by them what they make of a value.

use crate::model::{Charset as CharacterSet, ColumnType, TextSize};
use crate::query::ResultColumn;
use mysql_common::constants::{ColumnFlags as Flags, ColumnType as Wire};
use mysql_common::io::BufMutExt;
use std::borrow::Cow;

/// The collation id of everything that is no text.
const BINARY: u16 = 63;
/// `decimals` of a FLOAT or DOUBLE without a fixed scale. With 0 libmysqlclient cuts the fraction off.
const NOT_FIXED: u8 = 31;
/// `decimals` of a text that is an expression's.
const EXPRESSION_TEXT: u8 = 39;

/// In which characters a client wants text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Characters {
    Utf8mb4,
    /// What it cannot hold, all beyond U+FFFF, arrives as `?`, as MariaDB does it.
    Utf8mb3,
    /// What it cannot hold arrives as `?`.
    Ascii,
}

/// A connection's character set, with the id of the collation that its text is labelled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charset {
    pub characters: Characters,
    pub collation: u16,
}

impl Default for Charset {
    /// utf8mb4_general_ci
    fn default() -> Self {
        Self { characters: Characters::Utf8mb4, collation: 45 }
    }
}

impl Charset {
    /// By the collation id that a client's handshake names. One that is not served leaves utf8mb4: the column
    /// definitions say so.
    pub fn by_collation(id: u16) -> Self {
        let characters = match id {
            45 | 46 | 224..=247 | 255..=323 | 608..=630 => Characters::Utf8mb4,
            33 | 76 | 83 | 192..=215 | 223 | 576..=607 => Characters::Utf8mb3,
            11 | 65 => Characters::Ascii,
            _ => return Self::default(),
        };
        Self { characters, collation: id }
    }

    /// This, or what SET NAMES has asked for since. `binary` means "as it is stored", and that is utf8mb4.
    pub fn renamed(self, name: &str) -> Self {
        let id = match name {
            "utf8mb3" | "utf8" => 33,
            "ascii" => 11,
            _ => 45,
        };
        let named = Self::by_collation(id);
        if named.characters == self.characters { self } else { named }
    }

    /// The name that SET NAMES takes.
    pub fn name(self) -> &'static str {
        match self.characters {
            Characters::Utf8mb4 => "utf8mb4",
            Characters::Utf8mb3 => "utf8mb3",
            Characters::Ascii => "ascii",
        }
    }

    fn bytes_per_character(self) -> u32 {
        match self.characters {
            Characters::Utf8mb4 => 4,
            Characters::Utf8mb3 => 3,
            Characters::Ascii => 1,
        }
    }

    /// Text on its way to the client.
    pub fn encode(self, text: &str) -> Cow<'_, [u8]> {
        let fits = |c: char| match self.characters {
            Characters::Utf8mb4 => true,
            Characters::Utf8mb3 => c <= '\u{ffff}',
            Characters::Ascii => c.is_ascii(),
        };
        if self.characters == Characters::Utf8mb4 || text.is_ascii() || text.chars().all(fits) {
            return Cow::Borrowed(text.as_bytes());
        }
        let replaced: String = text.chars().map(|c| if fits(c) { c } else { '?' }).collect();
        Cow::Owned(replaced.into_bytes())
    }
}

/// The payload of a Protocol::ColumnDefinition41. (mysql_common's `Column` writes length and charset swapped.)
pub fn definition(column: &ResultColumn, charset: Charset) -> Vec<u8> {
    let shape = shape(column, charset);
    let mut p = Vec::with_capacity(80);
    p.put_lenenc_str(b"def");
    for name in [&column.database, &column.table, &column.org_table, &column.name, &column.org_name] {
        p.put_lenenc_str(&charset.encode(name));
    }
    shape.put(&mut p);
    p
}

/// As COM_FIELD_LIST has it: with the column's default at the end.
pub fn field_definition(column: &ResultColumn, charset: Charset) -> Vec<u8> {
    let mut p = definition(column, charset);
    match &column.default {
        Some(default) => p.put_lenenc_str(&charset.encode(default)),
        None => p.push(0xfb),
    }
    p
}

/// What stands for a `?` in the answer to PREPARE.
pub fn parameter() -> Vec<u8> {
    let mut p = Vec::with_capacity(32);
    for s in ["def", "", "", "", "?", ""] {
        p.put_lenenc_str(s.as_bytes());
    }
    let kind = Wire::MYSQL_TYPE_VAR_STRING;
    Shape { kind, charset: BINARY, length: 0, decimals: 0, flags: Flags::BINARY_FLAG }.put(&mut p);
    p
}

struct Shape {
    kind: Wire,
    charset: u16,
    length: u32,
    decimals: u8,
    flags: Flags,
}

impl Shape {
    fn put(&self, p: &mut Vec<u8>) {
        p.push(0x0c);
        p.extend(self.charset.to_le_bytes());
        p.extend(self.length.to_le_bytes());
        p.push(self.kind as u8);
        p.extend(self.flags.bits().to_le_bytes());
        p.extend([self.decimals, 0, 0]);
    }
}

fn shape(column: &ResultColumn, charset: Charset) -> Shape {
    let of_table = !column.org_table.is_empty();
    let mut s = by_type(&column.kind, charset);
    let text = s.charset != BINARY;
    if let ColumnType::Text { size } = column.kind {
        // as many characters as fit if all are narrow
        let narrowest =
            column.collation.as_deref().and_then(CharacterSet::of_collation).unwrap_or_default().narrowest();
        s.length = (blob_length(size) / narrowest).saturating_mul(charset.bytes_per_character());
    }
    if text && !of_table {
        s.decimals = EXPRESSION_TEXT;
    }
    // Numbers of a table are not flagged BINARY, those of expressions are.
    if column.kind.is_numeric() && !of_table {
        s.flags |= Flags::BINARY_FLAG;
    }
    if text && column.collation.as_deref().is_some_and(|c| c.ends_with("_bin")) {
        s.flags |= Flags::BINARY_FLAG;
    }
    if !column.nullable {
        s.flags |= Flags::NOT_NULL_FLAG;
        if of_table && column.default.is_none() && !column.auto_increment {
            s.flags |= Flags::NO_DEFAULT_VALUE_FLAG;
        }
    }
    if column.primary_key {
        s.flags |= Flags::PRI_KEY_FLAG | Flags::PART_KEY_FLAG;
    }
    if column.auto_increment {
        s.flags |= Flags::AUTO_INCREMENT_FLAG;
    }
    s
}

fn by_type(kind: &ColumnType, charset: Charset) -> Shape {
    let characters = |n: u32| n.saturating_mul(charset.bytes_per_character());
    let fraction = |fsp: u8| if fsp == 0 { 0 } else { u32::from(fsp) + 1 };
    let sign = |unsigned: bool| if unsigned { Flags::UNSIGNED_FLAG } else { Flags::empty() };
    let zero = |fill: bool| if fill { Flags::ZEROFILL_FLAG } else { Flags::empty() };
    let plain = |kind, length, decimals, flags| Shape { kind, charset: BINARY, length, decimals, flags };
    let text = |kind, n, flags| Shape { kind, charset: charset.collation, length: characters(n), decimals: 0, flags };
    match *kind {
        ColumnType::Int { bytes, unsigned, zerofill } => {
            let (kind, width) = match (bytes, unsigned) {
                (1, false) => (Wire::MYSQL_TYPE_TINY, 4),
                (1, true) => (Wire::MYSQL_TYPE_TINY, 3),
                (2, false) => (Wire::MYSQL_TYPE_SHORT, 6),
                (2, true) => (Wire::MYSQL_TYPE_SHORT, 5),
                (3, false) => (Wire::MYSQL_TYPE_INT24, 9),
                (3, true) => (Wire::MYSQL_TYPE_INT24, 8),
                (4, false) => (Wire::MYSQL_TYPE_LONG, 11),
                (4, true) => (Wire::MYSQL_TYPE_LONG, 10),
                _ => (Wire::MYSQL_TYPE_LONGLONG, 20),
            };
            plain(kind, zerofill.map_or(width, u32::from), 0, sign(unsigned) | zero(zerofill.is_some()))
        }
        ColumnType::Decimal { precision, scale, unsigned, zerofill } => {
            let length = u32::from(precision) + u32::from(scale > 0) + u32::from(!unsigned);
            plain(Wire::MYSQL_TYPE_NEWDECIMAL, length, scale, sign(unsigned) | zero(zerofill))
        }
        ColumnType::Float { unsigned, decimals } => {
            plain(Wire::MYSQL_TYPE_FLOAT, 12, decimals.unwrap_or(NOT_FIXED), sign(unsigned))
        }
        ColumnType::Double { unsigned, decimals } => {
            plain(Wire::MYSQL_TYPE_DOUBLE, 22, decimals.unwrap_or(NOT_FIXED), sign(unsigned))
        }
        ColumnType::Bit { bits } => plain(Wire::MYSQL_TYPE_BIT, bits.into(), 0, Flags::UNSIGNED_FLAG),
        ColumnType::Year => plain(Wire::MYSQL_TYPE_YEAR, 4, 0, Flags::UNSIGNED_FLAG | Flags::ZEROFILL_FLAG),
        ColumnType::Date => plain(Wire::MYSQL_TYPE_DATE, 10, 0, Flags::BINARY_FLAG),
        ColumnType::Time { fsp } => plain(Wire::MYSQL_TYPE_TIME, 10 + fraction(fsp), fsp, Flags::BINARY_FLAG),
        ColumnType::DateTime { fsp } => plain(Wire::MYSQL_TYPE_DATETIME, 19 + fraction(fsp), fsp, Flags::BINARY_FLAG),
        ColumnType::Timestamp { fsp } => {
            let flags = Flags::BINARY_FLAG | Flags::UNSIGNED_FLAG;
            plain(Wire::MYSQL_TYPE_TIMESTAMP, 19 + fraction(fsp), fsp, flags)
        }
        ColumnType::Char { length } => text(Wire::MYSQL_TYPE_STRING, length, Flags::empty()),
        ColumnType::Varchar { length } => text(Wire::MYSQL_TYPE_VAR_STRING, length, Flags::empty()),
        ColumnType::Enum { ref members } => {
            let longest = members.iter().map(|m| m.chars().count()).max().unwrap_or(0);
            text(Wire::MYSQL_TYPE_STRING, count(longest), Flags::ENUM_FLAG)
        }
        ColumnType::Set { ref members } => {
            let all: usize = members.iter().map(|m| m.chars().count()).sum();
            text(Wire::MYSQL_TYPE_STRING, count(all + members.len().saturating_sub(1)), Flags::SET_FLAG)
        }
        ColumnType::Text { size } => text(Wire::MYSQL_TYPE_BLOB, blob_length(size), Flags::BLOB_FLAG),
        // MariaDB's JSON is a LONGTEXT
        ColumnType::Json => {
            text(Wire::MYSQL_TYPE_BLOB, blob_length(TextSize::Long), Flags::BLOB_FLAG | Flags::BINARY_FLAG)
        }
        ColumnType::Uuid => text(Wire::MYSQL_TYPE_STRING, 36, Flags::UNSIGNED_FLAG | Flags::BINARY_FLAG),
        ColumnType::Inet6 => text(Wire::MYSQL_TYPE_STRING, 39, Flags::UNSIGNED_FLAG | Flags::BINARY_FLAG),
        ColumnType::Inet4 => text(Wire::MYSQL_TYPE_STRING, 15, Flags::UNSIGNED_FLAG | Flags::BINARY_FLAG),
        ColumnType::Geometry { .. } => {
            plain(Wire::MYSQL_TYPE_GEOMETRY, blob_length(TextSize::Long), 0, Flags::BLOB_FLAG | Flags::BINARY_FLAG)
        }
        ColumnType::Vector { dimension } => {
            plain(Wire::MYSQL_TYPE_VAR_STRING, dimension.saturating_mul(4), 0, Flags::BINARY_FLAG)
        }
        ColumnType::Binary { length } => plain(Wire::MYSQL_TYPE_STRING, length, 0, Flags::BINARY_FLAG),
        ColumnType::Varbinary { length } => plain(Wire::MYSQL_TYPE_VAR_STRING, length, 0, Flags::BINARY_FLAG),
        ColumnType::Blob { size } => {
            plain(Wire::MYSQL_TYPE_BLOB, blob_length(size), 0, Flags::BLOB_FLAG | Flags::BINARY_FLAG)
        }
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn blob_length(size: TextSize) -> u32 {
    match size {
        TextSize::Tiny => 255,
        TextSize::Normal => 65_535,
        TextSize::Medium => 16_777_215,
        TextSize::Long => u32::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_of_utf8mb3_gets_a_question_mark_for_what_it_cannot_hold() {
        let charset = Charset::default().renamed("utf8mb3");
        assert_eq!(&*charset.encode("aä€🦀z"), "aä€?z".as_bytes());
        assert_eq!(&*Charset::default().encode("aä€🦀z"), "aä€🦀z".as_bytes());
        assert_eq!(&*charset.renamed("ascii").encode("aä€🦀z"), b"a???z");
        assert_eq!(charset.renamed("binary"), Charset::default());
    }

    #[test]
    fn text_is_labelled_with_the_connections_collation_and_length() {
        let mut column = ResultColumn::new("v", ColumnType::Varchar { length: 40 });
        (column.org_table, column.org_name) = ("types".into(), "v".into());
        let p = definition(&column, Charset::by_collation(33));
        // after the names: 0x0c, charset, length, type, flags, decimals
        assert_eq!(p[p.len() - 13..], [0x0c, 33, 0, 120, 0, 0, 0, 253, 0, 0, 0, 0, 0]);
    }
}
