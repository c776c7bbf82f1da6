//! What does a prepared statement remember, and what do its parameters mean? Nothing here may trust a length.

use super::errno::SqlError;
use crate::model::{Value, ZERO_DATE, ZERO_DATETIME};
use chrono::{Datelike, NaiveDate};
use mysql_common::constants::ColumnType as Wire;
use mysql_common::io::ParseBuf;
use mysql_common::misc::raw::{RawBytes, bytes::LenEnc};
use std::collections::HashMap;
use std::sync::Arc;

const DAY: i64 = 86_400_000_000;

#[derive(Debug)]
pub struct Statement {
    pub sql: Arc<str>,
    parameters: usize,
    /// Of the last EXECUTE that named them: a client may leave them out afterwards. With their unsigned flags.
    types: Vec<(Wire, bool)>,
    long: HashMap<u16, Vec<u8>>,
    /// More long data came than is taken: the next EXECUTE fails.
    too_long: bool,
}

impl Statement {
    pub fn new(sql: Arc<str>, parameters: usize) -> Self {
        Self { sql, parameters, types: Vec::new(), long: HashMap::new(), too_long: false }
    }

    /// A piece of a parameter (COM_STMT_SEND_LONG_DATA), which is never answered: not even with an error.
    /// All pieces together may have `max` bytes.
    pub fn append(&mut self, index: u16, data: &[u8], max: usize) {
        if usize::from(index) >= self.parameters || self.too_long {
            return;
        }
        let all: usize = self.long.values().map(Vec::len).sum();
        if all + data.len() > max {
            self.too_long = true;
            self.long.clear();
            return;
        }
        self.long.entry(index).or_default().extend(data);
    }

    /// Forgets the long data (COM_STMT_RESET).
    pub fn reset(&mut self) {
        self.long.clear();
        self.too_long = false;
    }

    /// The parameters of a COM_STMT_EXECUTE; `body` follows id, flags and iteration count. Long data is used up.
    pub fn parameters(&mut self, body: &[u8]) -> Result<Vec<Value>, SqlError> {
        let mut long = std::mem::take(&mut self.long);
        if std::mem::take(&mut self.too_long) {
            return Err(SqlError::new(1153, "08S01", "Got a packet bigger than 'max_allowed_packet' bytes"));
        }
        if self.parameters == 0 {
            return Ok(Vec::new());
        }
        let bad = SqlError::malformed;
        let mut b = ParseBuf(body);
        let nulls = b.checked_eat(self.parameters.div_ceil(8)).ok_or_else(bad)?;
        if b.checked_eat_u8().ok_or_else(bad)? != 0 {
            let types = b.checked_eat(2 * self.parameters).ok_or_else(bad)?;
            self.types = types
                .chunks_exact(2)
                .map(|t| Ok((Wire::try_from(t[0]).map_err(|_| bad())?, t[1] & 0x80 != 0)))
                .collect::<Result<_, SqlError>>()?;
        }
        if self.types.len() != self.parameters {
            return Err(SqlError::new(1210, "HY000", "Incorrect arguments to mysqld_stmt_execute"));
        }
        let mut values = Vec::with_capacity(self.parameters);
        for (i, &(kind, unsigned)) in self.types.iter().enumerate() {
            values.push(if let Some(data) = long.remove(&(i as u16)) {
                bytes(kind, data)
            } else if nulls[i / 8] & (1 << (i % 8)) != 0 {
                Value::Null
            } else {
                parameter(&mut b, kind, unsigned)?
            });
        }
        Ok(values)
    }
}

fn parameter(b: &mut ParseBuf<'_>, kind: Wire, unsigned: bool) -> Result<Value, SqlError> {
    use Wire::*;
    let bad = SqlError::malformed;
    Ok(match kind {
        MYSQL_TYPE_NULL => Value::Null,
        MYSQL_TYPE_TINY => integer(b, 1, unsigned)?,
        MYSQL_TYPE_SHORT | MYSQL_TYPE_YEAR => integer(b, 2, unsigned)?,
        MYSQL_TYPE_LONG | MYSQL_TYPE_INT24 => integer(b, 4, unsigned)?,
        MYSQL_TYPE_LONGLONG => integer(b, 8, unsigned)?,
        MYSQL_TYPE_FLOAT => Value::Float(f32::from_bits(b.checked_eat_u32_le().ok_or_else(bad)?)),
        MYSQL_TYPE_DOUBLE => Value::Double(f64::from_bits(b.checked_eat_u64_le().ok_or_else(bad)?)),
        MYSQL_TYPE_DATE | MYSQL_TYPE_NEWDATE => Value::Date(datetime(b)?.0),
        MYSQL_TYPE_DATETIME | MYSQL_TYPE_TIMESTAMP | MYSQL_TYPE_DATETIME2 | MYSQL_TYPE_TIMESTAMP2 => {
            match datetime(b)? {
                (ZERO_DATE, 0) => Value::DateTime(ZERO_DATETIME),
                (days, us) => Value::DateTime(i64::from(days) * DAY + us),
            }
        }
        MYSQL_TYPE_TIME | MYSQL_TYPE_TIME2 => Value::Time(time(b)?),
        _ => bytes(kind, b.parse::<RawBytes<'_, LenEnc>>(()).map_err(|_| bad())?.as_bytes().to_vec()),
    })
}

/// Strings come as text, if they are UTF-8 (drivers send binary values as strings too), blobs as bytes.
fn bytes(kind: Wire, data: Vec<u8>) -> Value {
    use Wire::*;
    let binary = matches!(
        kind,
        MYSQL_TYPE_TINY_BLOB
            | MYSQL_TYPE_BLOB
            | MYSQL_TYPE_MEDIUM_BLOB
            | MYSQL_TYPE_LONG_BLOB
            | MYSQL_TYPE_BIT
            | MYSQL_TYPE_GEOMETRY
    );
    if binary {
        return Value::Bytes(data);
    }
    String::from_utf8(data).map_or_else(|e| Value::Bytes(e.into_bytes()), Value::Text)
}

fn integer(b: &mut ParseBuf<'_>, width: usize, unsigned: bool) -> Result<Value, SqlError> {
    let raw = b.checked_eat(width).ok_or_else(SqlError::malformed)?;
    let v = raw.iter().rev().fold(0u64, |v, x| v << 8 | u64::from(*x));
    let shift = 64 - 8 * width as u32;
    Ok(if unsigned { Value::UInt(v) } else { Value::Int((v << shift) as i64 >> shift) })
}

/// Days since 1970-01-01, and µs of the day. Errors: what is no date, or one with a part that is zero, which is
/// nowhere carried.
fn datetime(b: &mut ParseBuf<'_>) -> Result<(i32, i64), SqlError> {
    let f = fields::<11>(b, &[0, 4, 7, 11])?;
    let (y, us) = (u16::from_le_bytes([f[0], f[1]]), u32::from_le_bytes([f[7], f[8], f[9], f[10]]));
    let [m, d, h, i, s] = [f[2], f[3], f[4], f[5], f[6]];
    let days = match (y, m, d) {
        (0, 0, 0) => Some(ZERO_DATE),
        _ => NaiveDate::from_ymd_opt(y.into(), m.into(), d.into()).map(|d| d.num_days_from_ce() - 719_163),
    };
    match days {
        Some(days) if y <= 9999 && h <= 23 && i <= 59 && s <= 59 && us <= 999_999 => {
            Ok((days, (i64::from(h) * 3600 + i64::from(i) * 60 + i64::from(s)) * 1_000_000 + i64::from(us)))
        }
        _ => {
            let text = format!("Incorrect datetime value: '{y:04}-{m:02}-{d:02} {h:02}:{i:02}:{s:02}' for a parameter");
            Err(SqlError::new(1292, "22007", text))
        }
    }
}

fn time(b: &mut ParseBuf<'_>) -> Result<i64, SqlError> {
    let f = fields::<12>(b, &[0, 8, 12])?;
    let (days, us) = (u32::from_le_bytes([f[1], f[2], f[3], f[4]]), u32::from_le_bytes([f[8], f[9], f[10], f[11]]));
    let (hours, i, s) = (i64::from(days) * 24 + i64::from(f[5]), f[6], f[7]);
    if hours > 838 || f[5] > 23 || i > 59 || s > 59 || us > 999_999 {
        return Err(SqlError::new(
            1292,
            "22007",
            format!("Incorrect time value: '{hours}:{i:02}:{s:02}' for a parameter"),
        ));
    }
    let v = (hours * 3600 + i64::from(i) * 60 + i64::from(s)) * 1_000_000 + i64::from(us);
    Ok(if f[0] != 0 { -v } else { v })
}

/// A date or time: one byte of length, one of `lengths`, then as many of the fields; the rest are zero.
fn fields<const N: usize>(b: &mut ParseBuf<'_>, lengths: &[u8]) -> Result<[u8; N], SqlError> {
    let n = b.checked_eat_u8().filter(|n| lengths.contains(n)).ok_or_else(SqlError::malformed)?;
    let mut f = [0; N];
    f[..n.into()].copy_from_slice(b.checked_eat(n.into()).ok_or_else(SqlError::malformed)?);
    Ok(f)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(kind: Wire, unsigned: bool, value: &[u8]) -> Result<Value, SqlError> {
        let mut statement = Statement::new("SELECT ?".into(), 1);
        let body = [&[0, 1, kind as u8, if unsigned { 0x80 } else { 0 }][..], value].concat();
        statement.parameters(&body).map(|mut v| v.remove(0))
    }

    #[test]
    fn parameters_keep_their_values() {
        use Wire::*;
        for (kind, unsigned, bytes, value) in [
            (MYSQL_TYPE_TINY, false, &[0xff][..], Value::Int(-1)),
            (MYSQL_TYPE_TINY, true, &[0xff], Value::UInt(255)),
            (MYSQL_TYPE_LONGLONG, true, &[0xff; 8], Value::UInt(u64::MAX)),
            (MYSQL_TYPE_LONGLONG, false, &i64::MIN.to_le_bytes(), Value::Int(i64::MIN)),
            (MYSQL_TYPE_DOUBLE, false, &1.5f64.to_le_bytes(), Value::Double(1.5)),
            (MYSQL_TYPE_VAR_STRING, false, b"\x03a\xc3\xa4", Value::Text("aä".into())),
            (MYSQL_TYPE_VAR_STRING, false, b"\x01\xff", Value::Bytes(vec![0xff])),
            (MYSQL_TYPE_BLOB, false, b"\x01a", Value::Bytes(vec![b'a'])),
            (MYSQL_TYPE_DATE, false, &[4, 0xb2, 7, 1, 2], Value::Date(1)),
            (MYSQL_TYPE_DATETIME, false, &[0], Value::DateTime(ZERO_DATETIME)),
            (MYSQL_TYPE_DATETIME, false, &[11, 0xb2, 7, 1, 1, 0, 0, 1, 2, 0, 0, 0], Value::DateTime(1_000_002)),
            (MYSQL_TYPE_TIME, false, &[8, 1, 34, 0, 0, 0, 22, 59, 59], Value::Time(-3_020_399_000_000)),
            (MYSQL_TYPE_NULL, false, &[], Value::Null),
        ] {
            assert_eq!(one(kind, unsigned, bytes), Ok(value), "{kind:?}");
        }
    }

    #[test]
    fn what_is_no_value_is_refused() {
        use Wire::*;
        for (kind, bytes, code) in [
            (MYSQL_TYPE_LONG, &[1, 2, 3][..], 1835),
            (MYSQL_TYPE_DATETIME, &[5, 1, 2, 3, 4, 5], 1835),
            (MYSQL_TYPE_DATE, &[4, 0xea, 7, 0, 1], 1292),
            (MYSQL_TYPE_DATE, &[4, 0xff, 0xff, 1, 1], 1292),
            (MYSQL_TYPE_TIME, &[8, 0, 35, 0, 0, 0, 0, 0, 0], 1292),
            (MYSQL_TYPE_VAR_STRING, b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff", 1835),
        ] {
            assert_eq!(one(kind, false, bytes).map_err(|e| e.code), Err(code), "{kind:?}");
        }
    }

    #[test]
    fn long_data_stands_for_a_parameter_once_and_is_never_cut() {
        let mut s = Statement::new("SELECT ?".into(), 1);
        let types = [0, 1, Wire::MYSQL_TYPE_BLOB as u8, 0];
        s.append(0, b"ab", 3);
        s.append(0, b"c", 3);
        assert_eq!(s.parameters(&types), Ok(vec![Value::Bytes(b"abc".to_vec())]));
        s.append(0, b"abcd", 3);
        assert_eq!(s.parameters(&types).map_err(|e| e.code), Err(1153));
        s.append(0, b"abcd", 3);
        s.reset();
        assert_eq!(s.parameters(&[0, 0, 1, b'x']), Ok(vec![Value::Bytes(b"x".to_vec())]));
    }
}
