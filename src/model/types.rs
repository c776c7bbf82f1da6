//! Which types do columns have, and how does Arrow hold them? The one mapping from MySQL's types to Arrow's.
//!
//! | MySQL | Arrow |
//! |---|---|
//! | TINYINT … BIGINT, signed or UNSIGNED | Int8/16/32/64, UInt8/16/32/64 (MEDIUMINT: 32) |
//! | DECIMAL(p ≤ 38, s), DECIMAL(p > 38, s) | Decimal128(p, s), Decimal256(p, s) |
//! | FLOAT, DOUBLE | Float32, Float64 |
//! | BIT(n) | UInt64 |
//! | YEAR | UInt16 |
//! | DATE | Date32; `0000-00-00` is [`ZERO_DATE`] |
//! | DATETIME(f) | Timestamp(µs); the zero value is [`ZERO_DATETIME`] |
//! | TIMESTAMP(f) | Timestamp(µs, "UTC"); the zero value is [`ZERO_DATETIME`] |
//! | TIME(f) | Duration(µs), signed |
//! | CHAR, VARCHAR, TEXT, ENUM, SET, JSON | Utf8 |
//! | UUID, INET4, INET6 | Utf8, as the server shows them |
//! | BINARY, VARBINARY, BLOB | Binary |
//! | GEOMETRY and its subtypes | Binary: the SRID in 4 bytes, then WKB |
//! | VECTOR | Binary: little-endian 32-bit floats |

use arrow::datatypes::{DataType, TimeUnit};
use serde::{Deserialize, Serialize};
use std::fmt;

/// `0000-00-00` in days since 1970-01-01: the day before 0000-01-01, so that it sorts before every date.
pub const ZERO_DATE: i32 = -719_529;
/// `0000-00-00 00:00:00` in µs since 1970-01-01.
pub const ZERO_DATETIME: i64 = ZERO_DATE as i64 * 86_400_000_000;

/// How long a TEXT or BLOB may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TextSize {
    Tiny,
    Normal,
    Medium,
    Long,
}

/// What a column of spatial values takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    Geometry,
    Point,
    LineString,
    Polygon,
    MultiPoint,
    MultiLineString,
    MultiPolygon,
    GeometryCollection,
}

impl Shape {
    pub const ALL: [(Shape, &'static str); 8] = [
        (Shape::Geometry, "geometry"),
        (Shape::Point, "point"),
        (Shape::LineString, "linestring"),
        (Shape::Polygon, "polygon"),
        (Shape::MultiPoint, "multipoint"),
        (Shape::MultiLineString, "multilinestring"),
        (Shape::MultiPolygon, "multipolygon"),
        (Shape::GeometryCollection, "geometrycollection"),
    ];

    pub fn named(name: &str) -> Option<Shape> {
        let name = if name == "geomcollection" { "geometrycollection" } else { name };
        Self::ALL.iter().find(|(_, n)| *n == name).map(|(shape, _)| *shape)
    }

    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(shape, _)| *shape == self).map_or("geometry", |(_, n)| n)
    }
}

/// A column's type as MySQL and MariaDB declare it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum ColumnType {
    /// TINYINT (1 byte), SMALLINT (2), MEDIUMINT (3), INT (4), BIGINT (8). `zerofill` is the display width.
    Int {
        bytes: u8,
        unsigned: bool,
        zerofill: Option<u8>,
    },
    /// At most 65 digits, 38 of them after the point.
    Decimal {
        precision: u8,
        scale: u8,
        unsigned: bool,
        zerofill: bool,
    },
    /// `decimals`: the D of FLOAT(M,D).
    Float {
        unsigned: bool,
        decimals: Option<u8>,
    },
    Double {
        unsigned: bool,
        decimals: Option<u8>,
    },
    /// 1 to 64 bits.
    Bit {
        bits: u8,
    },
    Year,
    Date,
    /// `fsp`: digits after the second, 0 to 6; here and below.
    Time {
        fsp: u8,
    },
    DateTime {
        fsp: u8,
    },
    Timestamp {
        fsp: u8,
    },
    /// `length` in characters.
    Char {
        length: u32,
    },
    Varchar {
        length: u32,
    },
    Text {
        size: TextSize,
    },
    /// `length` in bytes.
    Binary {
        length: u32,
    },
    Varbinary {
        length: u32,
    },
    Blob {
        size: TextSize,
    },
    Enum {
        members: Vec<String>,
    },
    Set {
        members: Vec<String>,
    },
    Json,
    /// MariaDB's.
    Uuid,
    Inet4,
    Inet6,
    Geometry {
        shape: Shape,
    },
    /// So many 32-bit floats.
    Vector {
        dimension: u32,
    },
}

impl ColumnType {
    /// How Arrow holds it, in memory and in every file of the archive.
    pub fn arrow(&self) -> DataType {
        match *self {
            ColumnType::Int { bytes, unsigned, .. } => match (bytes, unsigned) {
                (1, false) => DataType::Int8,
                (1, true) => DataType::UInt8,
                (2, false) => DataType::Int16,
                (2, true) => DataType::UInt16,
                (3 | 4, false) => DataType::Int32,
                (3 | 4, true) => DataType::UInt32,
                (_, false) => DataType::Int64,
                (_, true) => DataType::UInt64,
            },
            ColumnType::Decimal { precision, scale, .. } if precision <= 38 => {
                DataType::Decimal128(precision, scale as i8)
            }
            ColumnType::Decimal { precision, scale, .. } => DataType::Decimal256(precision, scale as i8),
            ColumnType::Float { .. } => DataType::Float32,
            ColumnType::Double { .. } => DataType::Float64,
            ColumnType::Bit { .. } => DataType::UInt64,
            ColumnType::Year => DataType::UInt16,
            ColumnType::Date => DataType::Date32,
            ColumnType::Time { .. } => DataType::Duration(TimeUnit::Microsecond),
            ColumnType::DateTime { .. } => DataType::Timestamp(TimeUnit::Microsecond, None),
            ColumnType::Timestamp { .. } => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            ColumnType::Char { .. }
            | ColumnType::Varchar { .. }
            | ColumnType::Text { .. }
            | ColumnType::Enum { .. }
            | ColumnType::Set { .. }
            | ColumnType::Json
            | ColumnType::Uuid
            | ColumnType::Inet4
            | ColumnType::Inet6 => DataType::Utf8,
            ColumnType::Binary { .. }
            | ColumnType::Varbinary { .. }
            | ColumnType::Blob { .. }
            | ColumnType::Geometry { .. }
            | ColumnType::Vector { .. } => DataType::Binary,
        }
    }

    /// Whether values are characters of a charset (and so have a collation).
    pub fn is_text(&self) -> bool {
        self.arrow() == DataType::Utf8 && !self.is_address()
    }

    /// UUID, INET4, INET6: text of one form, which is compared by the bytes that it stands for.
    pub fn is_address(&self) -> bool {
        matches!(self, ColumnType::Uuid | ColumnType::Inet4 | ColumnType::Inet6)
    }

    pub fn is_binary(&self) -> bool {
        self.arrow() == DataType::Binary
    }

    pub fn is_numeric(&self) -> bool {
        matches!(
            self,
            ColumnType::Int { .. }
                | ColumnType::Decimal { .. }
                | ColumnType::Float { .. }
                | ColumnType::Double { .. }
                | ColumnType::Year
        )
    }
}

/// As information_schema.COLUMNS.COLUMN_TYPE shows it: `int(10) unsigned` without the display width.
impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unsigned = |u: bool| if u { " unsigned" } else { "" };
        let fraction = |fsp: u8| if fsp == 0 { String::new() } else { format!("({fsp})") };
        let size = |s: TextSize| match s {
            TextSize::Tiny => "tiny",
            TextSize::Normal => "",
            TextSize::Medium => "medium",
            TextSize::Long => "long",
        };
        let members =
            |m: &[String]| m.iter().map(|m| format!("'{}'", m.replace('\'', "''"))).collect::<Vec<_>>().join(",");
        match self {
            ColumnType::Int { bytes, unsigned: u, zerofill } => {
                let name = match bytes {
                    1 => "tinyint",
                    2 => "smallint",
                    3 => "mediumint",
                    4 => "int",
                    _ => "bigint",
                };
                match zerofill {
                    Some(width) => write!(f, "{name}({width}){} zerofill", unsigned(*u)),
                    None => write!(f, "{name}{}", unsigned(*u)),
                }
            }
            ColumnType::Decimal { precision, scale, unsigned: u, zerofill } => {
                write!(f, "decimal({precision},{scale}){}{}", unsigned(*u), if *zerofill { " zerofill" } else { "" })
            }
            ColumnType::Float { unsigned: u, .. } => write!(f, "float{}", unsigned(*u)),
            ColumnType::Double { unsigned: u, .. } => write!(f, "double{}", unsigned(*u)),
            ColumnType::Bit { bits } => write!(f, "bit({bits})"),
            ColumnType::Year => f.write_str("year(4)"),
            ColumnType::Date => f.write_str("date"),
            ColumnType::Time { fsp } => write!(f, "time{}", fraction(*fsp)),
            ColumnType::DateTime { fsp } => write!(f, "datetime{}", fraction(*fsp)),
            ColumnType::Timestamp { fsp } => write!(f, "timestamp{}", fraction(*fsp)),
            ColumnType::Char { length } => write!(f, "char({length})"),
            ColumnType::Varchar { length } => write!(f, "varchar({length})"),
            ColumnType::Text { size: s } => write!(f, "{}text", size(*s)),
            ColumnType::Binary { length } => write!(f, "binary({length})"),
            ColumnType::Varbinary { length } => write!(f, "varbinary({length})"),
            ColumnType::Blob { size: s } => write!(f, "{}blob", size(*s)),
            ColumnType::Enum { members: m } => write!(f, "enum({})", members(m)),
            ColumnType::Set { members: m } => write!(f, "set({})", members(m)),
            ColumnType::Json => f.write_str("json"),
            ColumnType::Uuid => f.write_str("uuid"),
            ColumnType::Inet4 => f.write_str("inet4"),
            ColumnType::Inet6 => f.write_str("inet6"),
            ColumnType::Geometry { shape } => f.write_str(shape.name()),
            ColumnType::Vector { dimension } => write!(f, "vector({dimension})"),
        }
    }
}
