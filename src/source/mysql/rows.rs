//! Row images, decoded straight into values under the table's schema.
//!
//! A table map says how the server holds the table; the schema says how we believe that it is. Every difference makes
//! the table's rows unreadable, with the reason: nothing is converted or guessed.

use super::event::{Cursor, Cut, Damage};
use super::json;
use super::shape::{RowsEvent, RowsKind, TableMap, bit};
use crate::model::{Change, ColumnType, Row, TableSchema, TextSize, Value, ZERO_DATE, ZERO_DATETIME};
use arrow::datatypes::i256;
use chrono::{Datelike, NaiveDate};
use std::sync::Arc;

/// How the images of one table are read.
#[derive(Debug)]
pub struct Layout {
    pub schema: Arc<TableSchema>,
    /// Type code and metadata of each column.
    columns: Vec<(u8, u16)>,
}

impl Layout {
    /// Errors: what differs between the table map and the schema, as a phrase that fits behind "because".
    pub fn new(schema: Arc<TableSchema>, map: &TableMap) -> Result<Self, String> {
        if schema.columns.len() != map.types.len() {
            return Err(format!("the log has {} columns and pcloud knows {}", map.types.len(), schema.columns.len()));
        }
        if map.names.is_some() && map.primary_key != schema.primary_key {
            return Err("the log has another primary key for it".into());
        }
        let (mut numeric, mut enums, mut sets) = (0, 0, 0);
        let mut columns = Vec::with_capacity(map.types.len());
        for (i, column) in schema.columns.iter().enumerate() {
            let (mut kind, mut meta) = (map.types[i], map.metadata[i]);
            if kind == 254 {
                (kind, meta) = string_type(meta);
            }
            let differs = |what: &str| Err(format!("column {} is {what} in the log", column.name));
            if let Some(name) = map.names.as_ref().and_then(|n| n.get(i)).filter(|n| **n != column.name) {
                return differs(&format!("named {name}"));
            }
            if map.nullable.get(i) != Some(&column.nullable) {
                return differs(if column.nullable { "NOT NULL" } else { "nullable" });
            }
            if !fits(kind, meta, &column.kind) {
                return differs(&format!("of another type (code {kind}, {meta}) than {}", column.kind));
            }
            if matches!(kind, 1..=5 | 8 | 9 | 13 | 246) {
                let unsigned = map.unsigned.as_ref().and_then(|u| u.get(numeric));
                numeric += 1;
                if let (Some(logged), Some(known)) = (unsigned, unsigned_kind(&column.kind))
                    && *logged != known
                {
                    return differs(if *logged { "UNSIGNED" } else { "signed" });
                }
            }
            let logged = match &column.kind {
                ColumnType::Enum { members } => {
                    enums += 1;
                    map.enums.as_ref().and_then(|e| e.get(enums - 1)).map(|l| (l, members))
                }
                ColumnType::Set { members } => {
                    sets += 1;
                    map.sets.as_ref().and_then(|s| s.get(sets - 1)).map(|l| (l, members))
                }
                _ => None,
            };
            if let Some((logged, known)) = logged
                && !logged.iter().map(|m| m.as_slice()).eq(known.iter().map(|m| m.as_bytes()))
            {
                return differs("of other members");
            }
            columns.push((kind, meta));
        }
        Ok(Self { schema, columns })
    }

    /// The changes of one row event. Errors: a value that cannot be carried, or a malformed image; a phrase that fits
    /// behind "because".
    pub fn changes(&self, event: &RowsEvent<'_>) -> Result<Vec<Change>, String> {
        if !event.full {
            return Err("the log does not have all columns (binlog_row_image is not FULL)".into());
        }
        if event.columns != self.columns.len() {
            return Err(format!("a row has {} columns and its table {}", event.columns, self.columns.len()));
        }
        let mut c = Cursor(&event.images);
        let mut changes = Vec::new();
        while !c.0.is_empty() {
            let first = self.row(&mut c)?;
            match event.kind {
                RowsKind::Write => changes.push(Change::Insert(first)),
                RowsKind::Delete => changes.push(Change::Delete(first)),
                RowsKind::Update => changes.push(Change::Update { before: first, after: self.row(&mut c)? }),
            }
        }
        Ok(changes)
    }

    fn row(&self, c: &mut Cursor<'_>) -> Result<Row, String> {
        let nulls = c.take(self.columns.len().div_ceil(8)).map_err(|e| e.0)?;
        let mut row = Vec::with_capacity(self.columns.len());
        for (i, ((kind, meta), column)) in self.columns.iter().zip(&self.schema.columns).enumerate() {
            if bit(nulls, i) {
                row.push(Value::Null);
                continue;
            }
            let value = value(*kind, *meta, &column.kind, c).map_err(|e| format!("column {}: {}", column.name, e.0))?;
            row.push(value);
        }
        Ok(row)
    }
}

/// The real type in a STRING's metadata, and its length in bytes. Source: table_def::type in MariaDB's rpl_utility.h.
fn string_type(meta: u16) -> (u8, u16) {
    let (kind, length) = ((meta & 0xff) as u8, meta >> 8);
    if kind & 0x30 != 0x30 { (kind | 0x30, length | (u16::from((kind & 0x30) ^ 0x30) << 4)) } else { (kind, length) }
}

fn unsigned_kind(kind: &ColumnType) -> Option<bool> {
    match kind {
        ColumnType::Int { unsigned, .. }
        | ColumnType::Decimal { unsigned, .. }
        | ColumnType::Float { unsigned, .. }
        | ColumnType::Double { unsigned, .. } => Some(*unsigned),
        _ => None,
    }
}

/// Whether the log's type is how the server holds a column of this type.
fn fits(code: u8, meta: u16, kind: &ColumnType) -> bool {
    let fraction = |fsp: u8| meta == u16::from(fsp);
    // characters have up to 4 bytes in the log's lengths
    let chars = |length: u32| u32::from(meta) >= length && u32::from(meta) <= length.saturating_mul(4);
    let blob = |size: TextSize| meta == size as u16 + 1;
    match kind {
        ColumnType::Int { bytes, .. } => code == [0, 1, 2, 9, 3, 0, 0, 0, 8][usize::from(*bytes).min(8)],
        ColumnType::Decimal { precision, scale, .. } => {
            code == 246 && meta == u16::from(*precision) | u16::from(*scale) << 8
        }
        ColumnType::Float { .. } => code == 4 && meta == 4,
        ColumnType::Double { .. } => code == 5 && meta == 8,
        ColumnType::Bit { bits } => code == 16 && u16::from(*bits) == (meta & 0xff) + (meta >> 8) * 8,
        ColumnType::Year => code == 13,
        ColumnType::Date => code == 10,
        // without a fraction, tables of old servers hold them in an older form
        ColumnType::Time { fsp } => code == 19 && fraction(*fsp) || code == 11 && *fsp == 0,
        ColumnType::DateTime { fsp } => code == 18 && fraction(*fsp) || code == 12 && *fsp == 0,
        ColumnType::Timestamp { fsp } => code == 17 && fraction(*fsp) || code == 7 && *fsp == 0,
        ColumnType::Char { length } => code == 254 && chars(*length),
        ColumnType::Binary { length } => code == 254 && u32::from(meta) == *length,
        ColumnType::Varchar { length } => code == 15 && chars(*length),
        ColumnType::Varbinary { length } => code == 15 && u32::from(meta) == *length,
        ColumnType::Text { size } | ColumnType::Blob { size } => code == 252 && blob(*size),
        // MySQL's own form, or MariaDB's text
        ColumnType::Json => meta == 4 && matches!(code, 245 | 252),
        ColumnType::Enum { members } => code == 247 && meta == if members.len() < 256 { 1 } else { 2 },
        ColumnType::Set { members } => code == 248 && meta == set_bytes(members.len()),
    }
}

fn set_bytes(members: usize) -> u16 {
    match members {
        0..=8 => 1,
        9..=16 => 2,
        17..=24 => 3,
        25..=32 => 4,
        _ => 8,
    }
}

fn damage(why: impl Into<String>) -> Damage {
    Damage(why.into())
}

/// One value. `code` and `meta` fit the type.
fn value(code: u8, meta: u16, kind: &ColumnType, c: &mut Cursor<'_>) -> Cut<Value> {
    Ok(match kind {
        ColumnType::Int { bytes, unsigned, .. } => {
            let v = c.little(usize::from(*bytes))?;
            let unused = 64 - 8 * u32::from(*bytes);
            if *unsigned { Value::UInt(v) } else { Value::Int(((v << unused) as i64) >> unused) }
        }
        ColumnType::Decimal { precision, scale, .. } => decimal(*precision, *scale, c)?,
        ColumnType::Float { .. } => Value::Float(f32::from_bits(c.u32()?)),
        ColumnType::Double { .. } => Value::Double(f64::from_bits(c.u64()?)),
        ColumnType::Bit { bits } => Value::UInt(c.big(usize::from(bits.div_ceil(8)))?),
        ColumnType::Year => Value::UInt(match c.u8()? {
            0 => 0,
            y => 1900 + u64::from(y),
        }),
        ColumnType::Date => {
            let v = c.little(3)?;
            Value::Date(date(v >> 9, v >> 5 & 15, v & 31)?)
        }
        ColumnType::Time { fsp } => Value::Time(if code == 19 { time2(*fsp, c)? } else { old_time(c)? }),
        ColumnType::DateTime { fsp } => {
            Value::DateTime(if code == 18 { datetime2(*fsp, c)? } else { old_datetime(c)? })
        }
        ColumnType::Timestamp { fsp } => {
            let seconds = if code == 17 { c.big(4)? } else { u64::from(c.u32()?) };
            let us = if code == 17 { fraction(*fsp, c)? } else { 0 };
            Value::DateTime(if seconds == 0 && us == 0 { ZERO_DATETIME } else { seconds as i64 * 1_000_000 + us })
        }
        ColumnType::Char { .. } => {
            let text = text(sized(if meta < 256 { 1 } else { 2 }, c)?)?;
            Value::Text(text.trim_end_matches(' ').to_string())
        }
        ColumnType::Varchar { .. } => Value::Text(text(sized(if meta < 256 { 1 } else { 2 }, c)?)?),
        ColumnType::Json if code == 245 => Value::Text(json::text(sized(usize::from(meta), c)?)?),
        ColumnType::Text { .. } | ColumnType::Json => Value::Text(text(sized(usize::from(meta), c)?)?),
        ColumnType::Binary { length } => {
            // the log leaves out zeros at the end
            let mut v = sized(if meta < 256 { 1 } else { 2 }, c)?.to_vec();
            v.resize(v.len().max(*length as usize), 0);
            Value::Bytes(v)
        }
        ColumnType::Varbinary { .. } => Value::Bytes(sized(if meta < 256 { 1 } else { 2 }, c)?.to_vec()),
        ColumnType::Blob { .. } => Value::Bytes(sized(usize::from(meta), c)?.to_vec()),
        ColumnType::Enum { members } => match c.little(usize::from(meta))? {
            0 => Value::Text(String::new()),
            n => {
                let member = members.get(n as usize - 1);
                Value::Text(member.ok_or_else(|| damage(format!("member {n} is not one of its members")))?.clone())
            }
        },
        ColumnType::Set { members } => {
            let v = c.little(usize::from(meta))?;
            if members.len() < 64 && v >> members.len() != 0 {
                return Err(damage("it has members that are not known"));
            }
            let set = members.iter().enumerate().filter(|(i, _)| v >> i & 1 == 1);
            Value::Text(set.map(|(_, m)| m.as_str()).collect::<Vec<_>>().join(","))
        }
    })
}

fn sized<'a>(length_bytes: usize, c: &mut Cursor<'a>) -> Cut<&'a [u8]> {
    let n = c.little(length_bytes)?;
    c.take(usize::try_from(n).map_err(|_| damage("a length is too large"))?)
}

fn text(bytes: &[u8]) -> Cut<String> {
    std::str::from_utf8(bytes).map(str::to_string).map_err(|_| damage("it has text that is not UTF-8"))
}

/// In how many bytes so many digits stand.
const GROUP: [usize; 10] = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4];

/// At most nine digits.
fn digit_group(digits: &mut String, count: usize, c: &mut Cursor<'_>) -> Cut<()> {
    if count > 0 {
        let text = format!("{:0count$}", c.big(GROUP[count])?);
        if text.len() > count {
            return Err(damage("a group of its digits is too large"));
        }
        digits.push_str(&text);
    }
    Ok(())
}

/// Source: decimal2bin and bin2decimal in MariaDB's decimal.c. Groups of nine digits in four bytes, shorter ones in as
/// few as hold them; the first bit is the sign, negative numbers have all bits turned.
pub fn decimal(precision: u8, scale: u8, c: &mut Cursor<'_>) -> Cut<Value> {
    let (precision, scale) = (usize::from(precision), usize::from(scale));
    let whole = precision.checked_sub(scale).ok_or_else(|| damage("its precision is malformed"))?;
    let length = GROUP[whole % 9] + whole / 9 * 4 + scale / 9 * 4 + GROUP[scale % 9];
    let mut bytes = c.take(length)?.to_vec();
    let negative = bytes.first().is_some_and(|b| b & 0x80 == 0);
    if let Some(first) = bytes.first_mut() {
        *first ^= 0x80;
    }
    if negative {
        bytes.iter_mut().for_each(|b| *b = !*b);
    }
    let mut groups = Cursor(&bytes);
    let mut digits = String::with_capacity(precision + 1);
    digit_group(&mut digits, whole % 9, &mut groups)?;
    for _ in 0..whole / 9 + scale / 9 {
        digit_group(&mut digits, 9, &mut groups)?;
    }
    digit_group(&mut digits, scale % 9, &mut groups)?;
    let v = if digits.is_empty() { Some(i256::ZERO) } else { i256::from_string(&digits) };
    let v = v.ok_or_else(|| damage("its digits are malformed"))?;
    Ok(Value::Decimal(if negative { v.wrapping_neg() } else { v }))
}

/// Days since 1970-01-01.
fn date(year: u64, month: u64, day: u64) -> Cut<i32> {
    if (year, month, day) == (0, 0, 0) {
        return Ok(ZERO_DATE);
    }
    let date = NaiveDate::from_ymd_opt(year as i32, month as u32, day as u32);
    let date = date.ok_or_else(|| {
        damage(format!("it has {year:04}-{month:02}-{day:02}, and dates that are not in the calendar are not carried"))
    })?;
    Ok(date.num_days_from_ce() - 719_163)
}

/// Digits after the second, as µs.
fn fraction(fsp: u8, c: &mut Cursor<'_>) -> Cut<i64> {
    let bytes = usize::from(fsp.div_ceil(2));
    let v = c.big(bytes)? as i64 * [1, 10_000, 100, 1][bytes.min(3)];
    if v >= 1_000_000 { Err(damage("its fraction is malformed")) } else { Ok(v) }
}

fn clock(hour: u64, minute: u64, second: u64) -> Cut<i64> {
    if minute > 59 || second > 59 {
        return Err(damage("its time is malformed"));
    }
    Ok((hour * 3600 + minute * 60 + second) as i64 * 1_000_000)
}

fn datetime(year: u64, month: u64, day: u64, time: i64) -> Cut<i64> {
    let days = date(year, month, day)?;
    if days == ZERO_DATE {
        return if time == 0 { Ok(ZERO_DATETIME) } else { Err(damage("it has a zero date with a time")) };
    }
    Ok(i64::from(days) * 86_400_000_000 + time)
}

/// Source: my_datetime_packed_from_binary in MariaDB's compat56.cc.
fn datetime2(fsp: u8, c: &mut Cursor<'_>) -> Cut<i64> {
    let v = c.big(5)?.checked_sub(0x80_0000_0000).ok_or_else(|| damage("its date is malformed"))?;
    let us = fraction(fsp, c)?;
    let (days, time) = (v >> 17, v & 0x1_ffff);
    let (months, day) = (days >> 5, days & 31);
    if time >> 12 > 23 {
        return Err(damage("its time is malformed"));
    }
    datetime(months / 13, months % 13, day, clock(time >> 12, time >> 6 & 63, time & 63)? + us)
}

/// YYYYMMDDhhmmss as a number.
fn old_datetime(c: &mut Cursor<'_>) -> Cut<i64> {
    let v = c.u64()?;
    let (days, time) = (v / 1_000_000, v % 1_000_000);
    datetime(days / 10_000, days / 100 % 100, days % 100, clock(time / 10_000, time / 100 % 100, time % 100)?)
}

/// Source: my_time_packed_from_binary in MariaDB's compat56.cc. The number is offset by its sign bit; whole and
/// fraction are one number, so a negative time counts both down.
fn time2(fsp: u8, c: &mut Cursor<'_>) -> Cut<i64> {
    let bytes = usize::from(fsp.div_ceil(2));
    let raw = c.big(3 + bytes)? as i64 - (0x80_0000i64 << (8 * bytes));
    let (negative, v) = (raw < 0, raw.unsigned_abs());
    let (whole, part) = (v >> (8 * bytes), v & ((1 << (8 * bytes)) - 1));
    let us = part as i64 * [1, 10_000, 100, 1][bytes.min(3)];
    if us >= 1_000_000 {
        return Err(damage("its fraction is malformed"));
    }
    let us = clock(whole >> 12 & 0x3ff, whole >> 6 & 63, whole & 63)? + us;
    Ok(if negative { -us } else { us })
}

/// hhmmss as a signed number of three bytes.
fn old_time(c: &mut Cursor<'_>) -> Cut<i64> {
    let v = ((c.little(3)? << 40) as i64) >> 40;
    let a = v.unsigned_abs();
    let us = clock(a / 10_000, a / 100 % 100, a % 100)?;
    Ok(if v < 0 { -us } else { us })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_of_all_sizes() {
        let read = |precision, scale, bytes: &[u8]| decimal(precision, scale, &mut Cursor(bytes)).map_err(|e| e.0);
        // 1234567890.1234 as DECIMAL(14,4): the example of decimal.c
        let v = [0x81, 0x0D, 0xFB, 0x38, 0xD2, 0x04, 0xD2];
        assert_eq!(read(14, 4, &v), Ok(Value::Decimal(i256::from_i128(12_345_678_901_234))));
        let v = [0x7E, 0xF2, 0x04, 0xC7, 0x2D, 0xFB, 0x2D];
        assert_eq!(read(14, 4, &v), Ok(Value::Decimal(i256::from_i128(-12_345_678_901_234))));
        assert!(read(14, 4, &v[..6]).is_err());
    }

    #[test]
    fn negative_times_count_whole_and_fraction_down() {
        assert_eq!(time2(2, &mut Cursor(&[0x80, 0x00, 0x01, 0x05])).map_err(|e| e.0), Ok(1_050_000));
        assert_eq!(time2(2, &mut Cursor(&[0x7f, 0xff, 0xff, 0xff])).map_err(|e| e.0), Ok(-10_000));
        assert_eq!(time2(0, &mut Cursor(&[0x7f, 0xff, 0xff])).map_err(|e| e.0), Ok(-1_000_000));
        assert_eq!(time2(6, &mut Cursor(&[0x7f, 0xff, 0xff, 0xff, 0xff, 0xff])).map_err(|e| e.0), Ok(-1));
    }
}
