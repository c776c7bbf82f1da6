//! What the target sends back, in our own form.

use crate::model::{ColumnType, Value, day_of};
use mysql_async::Value as Cell;

/// A value of the binary protocol. Errors: what it was instead.
pub fn value(cell: Cell, kind: &ColumnType) -> Result<Value, String> {
    Ok(match (cell, kind) {
        (Cell::NULL, _) => Value::Null,
        (Cell::Int(v), ColumnType::Int { unsigned: false, .. }) => Value::Int(v),
        (Cell::Int(v), ColumnType::Int { .. } | ColumnType::Year) => {
            Value::UInt(u64::try_from(v).map_err(|_| format!("{v} for {kind}"))?)
        }
        (Cell::UInt(v), ColumnType::Int { unsigned: true, .. } | ColumnType::Year) => Value::UInt(v),
        (Cell::Float(v), ColumnType::Float { .. }) => Value::Float(v),
        (Cell::Double(v), ColumnType::Double { .. }) => Value::Double(v),
        (Cell::Date(y, m, d, 0, 0, 0, 0), ColumnType::Date) => Value::Date(days(y, m, d)?),
        (Cell::Date(y, m, d, h, min, s, us), ColumnType::DateTime { .. } | ColumnType::Timestamp { .. }) => {
            let clock = micros(0, h.into(), min.into(), s.into(), us.into());
            Value::DateTime(i64::from(days(y, m, d)?) * 86_400_000_000 + clock)
        }
        (Cell::Time(negative, d, h, m, s, us), ColumnType::Time { .. }) => {
            let us = micros(d.into(), h.into(), m.into(), s.into(), us.into());
            Value::Time(if negative { -us } else { us })
        }
        (Cell::Bytes(v), kind) if kind.is_text() || kind.is_address() => {
            Value::Text(String::from_utf8(v).map_err(|_| format!("bytes that are not UTF-8 for {kind}"))?)
        }
        (Cell::Bytes(v), kind) if kind.is_binary() => Value::Bytes(v),
        (Cell::Bytes(v), ColumnType::Bit { .. } | ColumnType::Decimal { .. }) => {
            Value::parse(kind, &v).map_err(|e| e.message)?
        }
        (cell, _) => return Err(format!("{} for {kind}", cell.as_sql(true))),
    })
}

fn micros(d: i64, h: i64, m: i64, s: i64, us: i64) -> i64 {
    (((d * 24 + h) * 60 + m) * 60 + s) * 1_000_000 + us
}

fn days(y: u16, m: u8, d: u8) -> Result<i32, String> {
    day_of(y.into(), m.into(), d.into()).ok_or_else(|| format!("the date {y:04}-{m:02}-{d:02}"))
}
