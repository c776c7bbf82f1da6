//! What value does a cell of the binary protocol hold? Nothing is rounded, cut or guessed.

use crate::model::{Charset, ColumnType, Value, day_of};
use mysql_async::Value as Cell;

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// The value of a cell of a column of this type and charset, read in a session whose time zone is UTC and which has
/// text as it is stored (`character_set_results` is NULL). `None`: the cell holds what the type does not (text without a counterpart in Unicode).
pub fn value(kind: &ColumnType, charset: Charset, cell: Cell) -> Option<Value> {
    Some(match (kind, cell) {
        (_, Cell::NULL) => Value::Null,
        (ColumnType::Int { unsigned: false, .. }, Cell::Int(v)) => Value::Int(v),
        (ColumnType::Int { unsigned: false, .. }, Cell::UInt(v)) => Value::Int(i64::try_from(v).ok()?),
        (ColumnType::Int { .. } | ColumnType::Year, Cell::Int(v)) => Value::UInt(u64::try_from(v).ok()?),
        (ColumnType::Int { .. } | ColumnType::Year, Cell::UInt(v)) => Value::UInt(v),
        (ColumnType::Float { .. }, Cell::Float(v)) => Value::Float(v),
        (ColumnType::Double { .. }, Cell::Double(v)) => Value::Double(v),
        (ColumnType::Decimal { .. } | ColumnType::Bit { .. }, Cell::Bytes(text)) => Value::parse(kind, &text).ok()?,
        (ColumnType::Date, Cell::Date(y, m, d, 0, 0, 0, 0)) => Value::Date(days(y, m, d)?),
        (ColumnType::DateTime { .. } | ColumnType::Timestamp { .. }, Cell::Date(y, m, d, h, min, s, us)) => {
            Value::DateTime(i64::from(days(y, m, d)?) * DAY + clock(h.into(), min, s, us))
        }
        (ColumnType::Time { .. }, Cell::Time(negative, d, h, min, s, us)) => {
            let time = i64::from(d) * DAY + clock(h.into(), min, s, us);
            Value::Time(if negative { -time } else { time })
        }
        (kind, Cell::Bytes(bytes)) if kind.is_text() => Value::Text(charset.decode(&bytes)?.into_owned()),
        (kind, Cell::Bytes(bytes)) if kind.is_address() => Value::Text(String::from_utf8(bytes).ok()?),
        (kind, Cell::Bytes(bytes)) if kind.is_binary() => Value::Bytes(bytes),
        _ => return None,
    })
}

fn days(y: u16, m: u8, d: u8) -> Option<i32> {
    day_of(y.into(), m.into(), d.into())
}

fn clock(h: i64, min: u8, s: u8, us: u32) -> i64 {
    (h * 3600 + i64::from(min) * 60 + i64::from(s)) * SECOND + i64::from(us)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ZERO_DATE, ZERO_DATETIME};

    #[test]
    fn cells_become_exact_values_or_none() {
        let int = |unsigned| ColumnType::Int { bytes: 8, unsigned, zerofill: None };
        let fsp = 6;
        for (kind, cell, value) in [
            (int(false), Cell::Int(-1), Some(Value::Int(-1))),
            (int(true), Cell::UInt(u64::MAX), Some(Value::UInt(u64::MAX))),
            (int(true), Cell::Int(-1), None),
            (ColumnType::Year, Cell::Int(0), Some(Value::UInt(0))),
            (ColumnType::Bit { bits: 9 }, Cell::Bytes(vec![1, 255]), Some(Value::UInt(511))),
            (ColumnType::Date, Cell::Date(1970, 1, 2, 0, 0, 0, 0), Some(Value::Date(1))),
            (ColumnType::Date, Cell::Date(0, 0, 0, 0, 0, 0, 0), Some(Value::Date(ZERO_DATE))),
            (ColumnType::Date, Cell::Date(2026, 13, 0, 0, 0, 0, 0), None),
            (ColumnType::Date, Cell::Date(2026, 0, 0, 0, 0, 0, 0), day_of(2026, 0, 0).map(Value::Date)),
            (ColumnType::DateTime { fsp }, Cell::Date(0, 0, 0, 0, 0, 0, 0), Some(Value::DateTime(ZERO_DATETIME))),
            (ColumnType::DateTime { fsp }, Cell::Date(1970, 1, 1, 1, 0, 0, 5), Some(Value::DateTime(3_600_000_005))),
            (ColumnType::Time { fsp }, Cell::Time(true, 34, 22, 59, 59, 1), Some(Value::Time(-3_020_399_000_001))),
            (ColumnType::Json, Cell::Bytes(b"{}".to_vec()), Some(Value::Text("{}".into()))),
            (ColumnType::Char { length: 1 }, Cell::Bytes(vec![0xff]), None),
            (ColumnType::Binary { length: 2 }, Cell::Bytes(vec![0xff, 0]), Some(Value::Bytes(vec![0xff, 0]))),
        ] {
            assert_eq!(super::value(&kind, Charset::default(), cell.clone()), value, "{kind} {cell:?}");
        }
    }
}
