//! Row images, decoded straight into values under the table's schema.
//!
//! A table map says how the server holds the table; the schema says how we believe that it is. Every difference makes
//! the table's rows unreadable, with the reason: nothing is converted or guessed.

use super::ddl::stands_in;
use super::event::{Cursor, Cut, Damage};
use super::json;
use super::shape::{RowsEvent, RowsKind, TableMap, bit};
use crate::model::{
    Change, Charset, ColumnType, Generated, Row, TableKind, TableSchema, TextSize, Value, ZERO_DATETIME, address,
    day_of,
};
use arrow::datatypes::i256;
use std::borrow::Cow;
use std::io::Read;
use std::sync::Arc;

/// How the images of one table are read.
#[derive(Debug)]
pub struct Layout {
    pub schema: Arc<TableSchema>,
    columns: Vec<Held>,
    /// Of a system-versioned table: where the end of a row's version stands in the log.
    row_end: Option<usize>,
}

/// How the log holds one column.
#[derive(Debug, Clone, Copy)]
struct Held {
    code: u8,
    meta: u16,
    charset: Charset,
    /// Where the column stands in the schema; `None`: of a period that the schema does not name.
    column: Option<usize>,
}

impl Layout {
    /// Errors: what differs between the table map and the schema, as a phrase that fits behind "because".
    pub fn new(schema: Arc<TableSchema>, map: &TableMap) -> Result<Self, String> {
        let hidden = hidden_period(&schema, map);
        let named = map.types.len() - hidden.len();
        if schema.columns.len() != named {
            return Err(format!("the log has {named} columns and pcloud knows {}", schema.columns.len()));
        }
        let at = |logged: &usize| logged - hidden.iter().filter(|h| *h < logged).count();
        let key: Vec<usize> = map.primary_key.iter().filter(|p| !hidden.contains(p)).map(at).collect();
        let known_key = key == schema.primary_key || stands_in(&schema, &key);
        if map.names.is_some() && !known_key && schema.kind != TableKind::Sequence {
            return Err("the log has another primary key for it".into());
        }
        let mut row_end = hidden.last().copied();
        let (mut numeric, mut enums, mut sets) = (0, 0, 0);
        let mut columns = Vec::with_capacity(map.types.len());
        let mut known = schema.columns.iter().enumerate();
        for i in 0..map.types.len() {
            if hidden.contains(&i) {
                if (map.types[i], map.metadata[i]) != (17, 6) {
                    return Err("it is not versioned by times in the log".into());
                }
                columns.push(Held { code: 17, meta: 6, charset: Charset::default(), column: None });
                continue;
            }
            let Some((at, column)) = known.next() else { break };
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
            let charset = column.charset();
            if !fits(kind, meta, &column.kind, charset) {
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
                && !logged.iter().map(|m| charset.decode(m)).eq(known.iter().map(|m| Some(m.into())))
            {
                return differs("of other members");
            }
            if column.generated == Some(Generated::RowEnd) {
                row_end = Some(i);
            }
            columns.push(Held { code: kind, meta, charset, column: Some(at) });
        }
        Ok(Self { row_end: row_end.filter(|_| schema.kind == TableKind::SystemVersioned), schema, columns })
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
            // versions that have ended are no rows: a row that ends is one that goes
            match event.kind {
                RowsKind::Write => changes.extend(first.map(Change::Insert)),
                RowsKind::Delete => changes.extend(first.map(Change::Delete)),
                RowsKind::Update => changes.extend(match (first, self.row(&mut c)?) {
                    (Some(before), Some(after)) => Some(Change::Update { before, after }),
                    (Some(before), None) => Some(Change::Delete(before)),
                    (None, after) => after.map(Change::Insert),
                }),
            }
        }
        Ok(changes)
    }

    /// `None`: a version that has ended.
    fn row(&self, c: &mut Cursor<'_>) -> Result<Option<Row>, String> {
        let nulls = c.take(self.columns.len().div_ceil(8)).map_err(|e| e.0)?;
        let mut row = Vec::with_capacity(self.columns.len());
        let mut current = true;
        for (i, held) in self.columns.iter().enumerate() {
            let column = held.column.and_then(|at| self.schema.columns.get(at));
            let (name, kind) = column.map_or(("row_end", &PERIOD), |c| (&c.name, &c.kind));
            let value = match bit(nulls, i) {
                true => Value::Null,
                false => value(*held, kind, c).map_err(|e| format!("column {name}: {}", e.0))?,
            };
            if self.row_end == Some(i) {
                current = value == Value::DateTime(NEVER) || value == Value::DateTime(OLD_NEVER);
            }
            match column.map(|c| c.generated) {
                // as in the dump: rows of before and after must be told to be the same
                Some(Some(Generated::LeftOut)) => row.push(Value::Null),
                Some(_) => row.push(value),
                None => {}
            }
        }
        Ok(current.then_some(row))
    }
}

const PERIOD: ColumnType = ColumnType::Timestamp { fsp: 6 };
/// The end of a version that holds: the last TIMESTAMP, before MariaDB 11.5 and from it on.
const OLD_NEVER: i64 = 2_147_483_647_999_999;
const NEVER: i64 = 4_294_967_295_999_999;

/// Where the log has the period of a table that is WITH SYSTEM VERSIONING without naming columns for it.
fn hidden_period(schema: &TableSchema, map: &TableMap) -> Vec<usize> {
    let named = schema.columns.iter().any(|c| c.generated == Some(Generated::RowEnd));
    if schema.kind != TableKind::SystemVersioned || named || map.types.len() < 2 {
        return Vec::new();
    }
    let found = |name: &str| map.names.as_ref().and_then(|names| names.iter().position(|n| n == name));
    match (found("row_start"), found("row_end")) {
        (Some(start), Some(end)) if start < end => vec![start, end],
        _ => vec![map.types.len() - 2, map.types.len() - 1],
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
fn fits(code: u8, meta: u16, kind: &ColumnType, charset: Charset) -> bool {
    let fraction = |fsp: u8| meta == u16::from(fsp);
    let chars = |length: u32| u32::from(meta) == length.saturating_mul(charset.widest());
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
        // COMPRESSED ones have a byte more
        ColumnType::Varchar { length } => {
            let bytes = length.saturating_mul(charset.widest());
            code == 15 && chars(*length) || code == 141 && u32::from(meta) == bytes + 1
        }
        ColumnType::Varbinary { length } => {
            code == 15 && u32::from(meta) == *length || code == 141 && u32::from(meta) == *length + 1
        }
        ColumnType::Text { size } | ColumnType::Blob { size } => matches!(code, 252 | 140) && blob(*size),
        ColumnType::Uuid | ColumnType::Inet6 | ColumnType::Inet4 => {
            code == 254 && usize::from(meta) == address::width(kind)
        }
        ColumnType::Geometry { .. } => code == 255 && meta == 4,
        // MariaDB's is held as a VARBINARY, MySQL's has a type of its own
        ColumnType::Vector { dimension } => {
            code == 242 && meta == 4 || code == 15 && u32::from(meta) == dimension.saturating_mul(4)
        }
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

/// One value, held in a way that fits the type.
fn value(held: Held, kind: &ColumnType, c: &mut Cursor<'_>) -> Cut<Value> {
    let Held { code, meta, charset, .. } = held;
    let text = |bytes: &[u8]| text(charset, bytes);
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
        ColumnType::Varchar { .. } | ColumnType::Text { .. } => Value::Text(text(&long(code, meta, c)?)?),
        ColumnType::Json if code == 245 => Value::Text(json::text(sized(usize::from(meta), c)?)?),
        ColumnType::Json => Value::Text(text(sized(usize::from(meta), c)?)?),
        ColumnType::Binary { length } => {
            // the log leaves out zeros at the end
            let mut v = sized(if meta < 256 { 1 } else { 2 }, c)?.to_vec();
            v.resize(v.len().max(*length as usize), 0);
            Value::Bytes(v)
        }
        ColumnType::Varbinary { .. } | ColumnType::Blob { .. } => Value::Bytes(long(code, meta, c)?.into_owned()),
        ColumnType::Geometry { .. } => Value::Bytes(sized(usize::from(meta), c)?.to_vec()),
        ColumnType::Vector { .. } => Value::Bytes(long(if code == 242 { 252 } else { code }, meta, c)?.into_owned()),
        ColumnType::Uuid | ColumnType::Inet4 | ColumnType::Inet6 => {
            let mut v = sized(1, c)?.to_vec();
            v.resize(v.len().max(address::width(kind)), 0);
            Value::Text(address::shown(kind, &v).ok_or_else(|| damage("its length is malformed"))?)
        }
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

/// A VARCHAR or a BLOB, unpacked when it is COMPRESSED.
fn long<'a>(code: u8, meta: u16, c: &mut Cursor<'a>) -> Cut<Cow<'a, [u8]>> {
    let length_bytes = match code {
        15 | 141 if meta < 256 => 1,
        15 | 141 => 2,
        _ => usize::from(meta),
    };
    let bytes = sized(length_bytes, c)?;
    if matches!(code, 140 | 141) { unpack(bytes) } else { Ok(Cow::Borrowed(bytes)) }
}

/// A COMPRESSED column's value: a byte that says how (0: not at all; 8 in the upper half: zlib; 8 in the lower: without
/// zlib's head), the length, the most significant byte first, in as many bytes as the lowest three bits say, the data.
/// Source: field_comp.cc in MariaDB.
fn unpack(bytes: &[u8]) -> Cut<Cow<'_, [u8]>> {
    let Some((how, rest)) = bytes.split_first() else { return Ok(Cow::Borrowed(bytes)) };
    if *how == 0 {
        return Ok(Cow::Borrowed(rest));
    }
    if how >> 4 != 8 {
        return Err(damage(format!("its compression ({how:#x}) is not known")));
    }
    let mut c = Cursor(rest);
    let length = c.big(usize::from(how & 7))?;
    let mut out = Vec::with_capacity(usize::try_from(length).unwrap_or(0).min(1 << 24));
    let most = length.saturating_add(1);
    let read = match how & 8 {
        0 => flate2::read::ZlibDecoder::new(c.0).take(most).read_to_end(&mut out),
        _ => flate2::read::DeflateDecoder::new(c.0).take(most).read_to_end(&mut out),
    };
    match read {
        Ok(n) if n as u64 == length => Ok(Cow::Owned(out)),
        _ => Err(damage("its compressed data cannot be unpacked")),
    }
}

fn text(charset: Charset, bytes: &[u8]) -> Cut<String> {
    let text = charset.decode(bytes).map(|t| t.into_owned());
    text.ok_or_else(|| damage(format!("it has text of charset {} that has no counterpart in Unicode", charset.name())))
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
    day_of(year as u32, month as u32, day as u32).ok_or_else(|| damage("its date is malformed"))
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
    Ok(i64::from(date(year, month, day)?) * 86_400_000_000 + time)
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
