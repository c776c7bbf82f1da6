//! How does a row look on the wire? Straight from Arrow's columns to the text and the binary protocol.
//!
//! `model::Value::display` defines the text form; what is written here without the detour over a `Value` must equal
//! it, and a test compares them. Source of the binary form: MySQL's "Binary Protocol Value".

use super::column::{Characters, Charset};
use crate::error::{Error, Result};
use crate::model::{ColumnType, date_of, display_double, display_float};
use crate::query::ResultColumn;
use arrow::array::*;
use arrow::buffer::NullBuffer;
use arrow::datatypes::DataType;
use std::io::{self, Write};

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// One column of one batch.
pub struct Cells<'a> {
    values: Values<'a>,
    nulls: Option<&'a NullBuffer>,
}

enum Values<'a> {
    /// Array, and the width to which zeros fill it up.
    I8(&'a Int8Array, usize),
    I16(&'a Int16Array, usize),
    I32(&'a Int32Array, usize),
    I64(&'a Int64Array, usize),
    U8(&'a UInt8Array, usize),
    U16(&'a UInt16Array, usize),
    U32(&'a UInt32Array, usize),
    U64(&'a UInt64Array, usize),
    /// Array, and the number of bytes.
    Bit(&'a UInt64Array, usize),
    /// Array, digits after the point, and the width to which zeros fill it up.
    Decimal128(&'a Decimal128Array, usize, usize),
    Decimal256(&'a Decimal256Array, usize, usize),
    F32(&'a Float32Array, Option<u8>),
    F64(&'a Float64Array, Option<u8>),
    Date(&'a Date32Array),
    DateTime(&'a TimestampMicrosecondArray, u8),
    Time(&'a DurationMicrosecondArray, u8),
    Text(&'a StringArray, Charset),
    Bytes(&'a BinaryArray),
}

/// The columns of a batch, ready to be written. Errors: `Internal` when the batch does not fit the columns.
pub fn cells<'a>(batch: &'a RecordBatch, columns: &[ResultColumn], charset: Charset) -> Result<Vec<Cells<'a>>> {
    if batch.num_columns() != columns.len() {
        let why = format!("a batch of {} columns for a result of {}", batch.num_columns(), columns.len());
        return Err(Error::internal(why));
    }
    batch.columns().iter().zip(columns).map(|(array, column)| Cells::new(array.as_ref(), column, charset)).collect()
}

impl<'a> Cells<'a> {
    fn new(array: &'a dyn Array, column: &ResultColumn, charset: Charset) -> Result<Self> {
        let kind = &column.kind;
        let bad = || Error::internal(format!("column {} of type {kind} arrives as {}", column.name, array.data_type()));
        macro_rules! get {
            ($array:ty) => {
                array.as_any().downcast_ref::<$array>().ok_or_else(bad)?
            };
        }
        let fill = match kind {
            ColumnType::Int { zerofill, .. } => usize::from(zerofill.unwrap_or(0)),
            ColumnType::Year => 4,
            _ => 0,
        };
        let values = match (kind.arrow(), kind) {
            (_, ColumnType::Bit { bits }) => Values::Bit(get!(UInt64Array), usize::from(bits.div_ceil(8)).clamp(1, 8)),
            (DataType::Int8, _) => Values::I8(get!(Int8Array), fill),
            (DataType::Int16, _) => Values::I16(get!(Int16Array), fill),
            (DataType::Int32, _) => Values::I32(get!(Int32Array), fill),
            (DataType::Int64, _) => Values::I64(get!(Int64Array), fill),
            (DataType::UInt8, _) => Values::U8(get!(UInt8Array), fill),
            (DataType::UInt16, _) => Values::U16(get!(UInt16Array), fill),
            (DataType::UInt32, _) => Values::U32(get!(UInt32Array), fill),
            (DataType::UInt64, _) => Values::U64(get!(UInt64Array), fill),
            (decimal @ (DataType::Decimal128(..) | DataType::Decimal256(..)), kind) => {
                let ColumnType::Decimal { precision, scale, zerofill, .. } = *kind else { return Err(bad()) };
                let (scale, point) = (usize::from(scale), usize::from(scale > 0));
                let fill = if zerofill { usize::from(precision) + point } else { 0 };
                // the scale decides where the point stands: a batch of another one would be shown wrong
                if *array.data_type() != decimal {
                    return Err(bad());
                }
                match decimal {
                    DataType::Decimal128(..) => Values::Decimal128(get!(Decimal128Array), scale, fill),
                    _ => Values::Decimal256(get!(Decimal256Array), scale, fill),
                }
            }
            (_, ColumnType::Float { decimals, .. }) => Values::F32(get!(Float32Array), *decimals),
            (_, ColumnType::Double { decimals, .. }) => Values::F64(get!(Float64Array), *decimals),
            (DataType::Date32, _) => Values::Date(get!(Date32Array)),
            (_, ColumnType::DateTime { fsp } | ColumnType::Timestamp { fsp }) => {
                Values::DateTime(get!(TimestampMicrosecondArray), *fsp)
            }
            (_, ColumnType::Time { fsp }) => Values::Time(get!(DurationMicrosecondArray), *fsp),
            (DataType::Binary, _) => Values::Bytes(get!(BinaryArray)),
            _ => Values::Text(get!(StringArray), charset),
        };
        Ok(Self { values, nulls: array.nulls() })
    }

    pub fn is_null(&self, row: usize) -> bool {
        self.nulls.is_some_and(|n| n.is_null(row))
    }

    /// Text protocol: the value with its length before it; NULL is 0xfb.
    pub fn write_text(&self, row: usize, w: &mut impl Write) -> io::Result<()> {
        if self.is_null(row) {
            return w.write_all(&[0xfb]);
        }
        let mut b = Short::default();
        match &self.values {
            Values::I8(a, fill) => write!(b, "{:0fill$}", a.value(row))?,
            Values::I16(a, fill) => write!(b, "{:0fill$}", a.value(row))?,
            Values::I32(a, fill) => write!(b, "{:0fill$}", a.value(row))?,
            Values::I64(a, fill) => write!(b, "{:0fill$}", a.value(row))?,
            Values::U8(a, fill) => write!(b, "{:0fill$}", a.value(row))?,
            Values::U16(a, fill) => write!(b, "{:0fill$}", a.value(row))?,
            Values::U32(a, fill) => write!(b, "{:0fill$}", a.value(row))?,
            Values::U64(a, fill) => write!(b, "{:0fill$}", a.value(row))?,
            Values::F32(a, None) => return lenenc(display_float(a.value(row)).as_bytes(), w),
            Values::F64(a, None) => return lenenc(display_double(a.value(row)).as_bytes(), w),
            Values::F32(a, Some(d)) => return lenenc(format!("{:.*}", usize::from(*d), a.value(row)).as_bytes(), w),
            Values::F64(a, Some(d)) => return lenenc(format!("{:.*}", usize::from(*d), a.value(row)).as_bytes(), w),
            Values::Date(a) => {
                let (y, m, d) = date(a.value(row))?;
                write!(b, "{y:04}-{m:02}-{d:02}")?;
            }
            Values::DateTime(a, fsp) => {
                let ((y, m, d), us) = datetime(a.value(row))?;
                write!(b, "{y:04}-{m:02}-{d:02} ")?;
                clock(us, *fsp, &mut b)?;
            }
            Values::Time(a, fsp) => {
                let us = a.value(row);
                if us < 0 {
                    b.write_all(b"-")?;
                }
                clock(us.unsigned_abs(), *fsp, &mut b)?;
            }
            same => return same.write_lenenc(row, w),
        }
        lenenc(b.as_bytes(), w)
    }

    /// Binary protocol. NULL is not written here but in the row's bitmap.
    pub fn write_binary(&self, row: usize, w: &mut impl Write) -> io::Result<()> {
        match &self.values {
            Values::I8(a, _) => w.write_all(&a.value(row).to_le_bytes()),
            Values::I16(a, _) => w.write_all(&a.value(row).to_le_bytes()),
            Values::I32(a, _) => w.write_all(&a.value(row).to_le_bytes()),
            Values::I64(a, _) => w.write_all(&a.value(row).to_le_bytes()),
            Values::U8(a, _) => w.write_all(&a.value(row).to_le_bytes()),
            Values::U16(a, _) => w.write_all(&a.value(row).to_le_bytes()),
            Values::U32(a, _) => w.write_all(&a.value(row).to_le_bytes()),
            Values::U64(a, _) => w.write_all(&a.value(row).to_le_bytes()),
            Values::F32(a, _) => w.write_all(&a.value(row).to_le_bytes()),
            Values::F64(a, _) => w.write_all(&a.value(row).to_le_bytes()),
            Values::Date(a) => binary_datetime(date(a.value(row))?, 0, w),
            Values::DateTime(a, _) => {
                let (day, us) = datetime(a.value(row))?;
                binary_datetime(day, us, w)
            }
            Values::Time(a, _) => binary_time(a.value(row), w),
            same => same.write_lenenc(row, w),
        }
    }
}

impl Values<'_> {
    /// What both protocols write alike: bytes with their length before them.
    fn write_lenenc(&self, row: usize, w: &mut impl Write) -> io::Result<()> {
        let mut b = Short::default();
        match self {
            Values::Text(a, charset) if charset.characters == Characters::Utf8mb4 => lenenc(a.value(row).as_bytes(), w),
            Values::Text(a, charset) => lenenc(&charset.encode(a.value(row)), w),
            Values::Bytes(a) => lenenc(a.value(row), w),
            Values::Bit(a, bytes) => lenenc(&a.value(row).to_be_bytes()[8 - bytes..], w),
            Values::Decimal128(a, scale, fill) => {
                let v = a.value(row);
                write!(b, "{}", v.unsigned_abs())?;
                decimal(v < 0, b.as_bytes(), *scale, *fill, w)
            }
            Values::Decimal256(a, scale, fill) => {
                write!(b, "{}", a.value(row))?;
                let (negative, digits) = match b.as_bytes() {
                    [b'-', digits @ ..] => (true, digits),
                    digits => (false, digits),
                };
                decimal(negative, digits, *scale, *fill, w)
            }
            _ => Err(io::Error::other("a value of a fixed size written as bytes")),
        }
    }
}

/// A row of the binary protocol.
pub fn binary_row(cells: &[Cells<'_>], row: usize, out: &mut Vec<u8>) -> io::Result<()> {
    out.push(0);
    let bitmap = out.len();
    out.resize(bitmap + (cells.len() + 7 + 2) / 8, 0);
    for (i, cell) in cells.iter().enumerate() {
        if cell.is_null(row) {
            out[bitmap + (i + 2) / 8] |= 1 << ((i + 2) % 8);
        } else {
            cell.write_binary(row, out)?;
        }
    }
    Ok(())
}

/// Bytes with their length before them.
fn lenenc(v: &[u8], w: &mut impl Write) -> io::Result<()> {
    let n = (v.len() as u64).to_le_bytes();
    match v.len() {
        0..=0xfa => w.write_all(&n[..1])?,
        0xfb..=0xffff => w.write_all(&[0xfc, n[0], n[1]])?,
        0x1_0000..=0xff_ffff => w.write_all(&[0xfd, n[0], n[1], n[2]])?,
        _ => {
            w.write_all(&[0xfe])?;
            w.write_all(&n)?
        }
    }
    w.write_all(v)
}

/// Digits of a DECIMAL, with the point put in and zeros before them.
fn decimal(negative: bool, digits: &[u8], scale: usize, fill: usize, w: &mut impl Write) -> io::Result<()> {
    let whole = digits.len().saturating_sub(scale);
    let mut b = Short::default();
    if negative {
        b.write_all(b"-")?;
    }
    // `fill` counts the point; a number with zerofill is never negative
    for _ in whole.max(1) + scale + usize::from(scale > 0)..fill {
        b.write_all(b"0")?;
    }
    if whole == 0 {
        b.write_all(b"0")?;
    }
    b.write_all(&digits[..whole])?;
    if scale > 0 {
        b.write_all(b".")?;
        for _ in digits.len()..scale {
            b.write_all(b"0")?;
        }
        b.write_all(&digits[whole..])?;
    }
    lenenc(b.as_bytes(), w)
}

type Day = (u16, u8, u8);

/// Year, month, day; the zero date is three zeros.
fn date(days: i32) -> io::Result<Day> {
    date_of(days).ok_or_else(|| io::Error::other(format!("day {days} since 1970 is no date of MySQL's")))
}

/// The day, and the µs since it began.
fn datetime(us: i64) -> io::Result<(Day, u64)> {
    let days = i32::try_from(us.div_euclid(DAY)).map_err(io::Error::other)?;
    Ok((date(days)?, us.rem_euclid(DAY) as u64))
}

/// `HH:MM:SS[.ffffff]`
fn clock(us: u64, fsp: u8, w: &mut impl Write) -> io::Result<()> {
    let (s, us) = (us / SECOND as u64, us % SECOND as u64);
    write!(w, "{:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)?;
    match fsp.min(6) {
        0 => Ok(()),
        fsp => write!(w, ".{:0width$}", us / 10u64.pow(6 - u32::from(fsp)), width = usize::from(fsp)),
    }
}

fn binary_datetime((y, m, d): Day, us: u64, w: &mut impl Write) -> io::Result<()> {
    let (s, us) = (us / SECOND as u64, (us % SECOND as u64) as u32);
    let (h, i, s) = ((s / 3600) as u8, (s / 60 % 60) as u8, (s % 60) as u8);
    let len = match () {
        () if us != 0 => 11,
        () if (h, i, s) != (0, 0, 0) => 7,
        () if (y, m, d) != (0, 0, 0) => 4,
        () => 0,
    };
    let [y0, y1] = y.to_le_bytes();
    let [u0, u1, u2, u3] = us.to_le_bytes();
    w.write_all(&[len, y0, y1, m, d, h, i, s, u0, u1, u2, u3][..1 + usize::from(len)])
}

fn binary_time(us: i64, w: &mut impl Write) -> io::Result<()> {
    let a = us.unsigned_abs();
    let (s, rest) = (a / SECOND as u64, (a % SECOND as u64) as u32);
    let len: u8 = match (rest, s) {
        (0, 0) => 0,
        (0, _) => 8,
        _ => 12,
    };
    let days = u32::try_from(s / 86_400).map_err(io::Error::other)?.to_le_bytes();
    let [u0, u1, u2, u3] = rest.to_le_bytes();
    let (h, i, s) = ((s / 3600 % 24) as u8, (s / 60 % 60) as u8, (s % 60) as u8);
    let whole = [len, u8::from(us < 0), days[0], days[1], days[2], days[3], h, i, s, u0, u1, u2, u3];
    w.write_all(&whole[..1 + usize::from(len)])
}

/// A number or a time as text, on the stack.
struct Short {
    bytes: [u8; 96],
    len: usize,
}

impl Default for Short {
    fn default() -> Self {
        Self { bytes: [0; 96], len: 0 }
    }
}

impl Short {
    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Write for Short {
    fn write(&mut self, b: &[u8]) -> io::Result<usize> {
        let n = b.len().min(self.bytes.len() - self.len);
        self.bytes[self.len..self.len + n].copy_from_slice(&b[..n]);
        self.len += n;
        Ok(n)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
