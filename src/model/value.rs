//! One value of a row, exactly as the source holds it.

use super::address;
use super::types::{ColumnType, ZERO_DATE, ZERO_DATETIME};
use arrow::datatypes::i256;

/// A row: one value per column, in the schema's order.
pub type Row = Vec<Value>;

/// A value, in the form that its column's type asks for (see each variant).
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    /// Signed integers.
    Int(i64),
    /// Unsigned integers, BIT, YEAR.
    UInt(u64),
    /// DECIMAL without its point: the value times 10^scale.
    Decimal(i256),
    Float(f32),
    Double(f64),
    /// Days since 1970-01-01, or `ZERO_DATE`.
    Date(i32),
    /// µs since 1970-01-01 00:00, or `ZERO_DATETIME`: local for DATETIME, UTC for TIMESTAMP.
    DateTime(i64),
    /// µs, signed.
    Time(i64),
    /// CHAR, VARCHAR, TEXT, ENUM, SET (members in order, by comma), JSON; UUID, INET4, INET6 as the server shows them.
    Text(String),
    /// BINARY (padded to its length), VARBINARY, BLOB, GEOMETRY (SRID and WKB), VECTOR.
    Bytes(Vec<u8>),
}

impl Value {
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// What MySQL puts into a NOT NULL column that gets no value: 0, '' or the zero date.
    pub fn implicit_default(kind: &ColumnType) -> Value {
        match kind {
            ColumnType::Int { unsigned: false, .. } => Value::Int(0),
            ColumnType::Int { .. } | ColumnType::Bit { .. } | ColumnType::Year => Value::UInt(0),
            ColumnType::Decimal { .. } => Value::Decimal(i256::ZERO),
            ColumnType::Float { .. } => Value::Float(0.0),
            ColumnType::Double { .. } => Value::Double(0.0),
            ColumnType::Date => Value::Date(ZERO_DATE),
            ColumnType::DateTime { .. } | ColumnType::Timestamp { .. } => Value::DateTime(ZERO_DATETIME),
            ColumnType::Time { .. } => Value::Time(0),
            ColumnType::Enum { members } => Value::Text(members.first().cloned().unwrap_or_default()),
            ColumnType::Char { .. }
            | ColumnType::Varchar { .. }
            | ColumnType::Text { .. }
            | ColumnType::Set { .. }
            | ColumnType::Json => Value::Text(String::new()),
            ColumnType::Binary { length } => Value::Bytes(vec![0; *length as usize]),
            ColumnType::Varbinary { .. } | ColumnType::Blob { .. } | ColumnType::Geometry { .. } => {
                Value::Bytes(Vec::new())
            }
            ColumnType::Vector { dimension } => Value::Bytes(vec![0; 4 * *dimension as usize]),
            kind @ (ColumnType::Uuid | ColumnType::Inet4 | ColumnType::Inet6) => {
                Value::Text(address::shown(kind, &vec![0; address::width(kind)]).unwrap_or_default())
            }
        }
    }
}
