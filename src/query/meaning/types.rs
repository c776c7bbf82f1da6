//! Which MySQL type and collation does an expression have?
//!
//! Types travel as metadata of Arrow fields: `pcloud.kind` is the [`ColumnType`] as JSON, `pcloud.collation` the
//! collation and `pcloud.derivation` how strongly it holds, `pcloud.origin` the column that a value comes from
//! unchanged. A field without them (a literal) has the type that its Arrow type stands for.

use super::error::unsupported;
use crate::error::Result;
use crate::model::{Column, ColumnType, TableKind, TableSchema};
use arrow::datatypes::{DataType, Field, TimeUnit};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

const KIND: &str = "pcloud.kind";
const COLLATION: &str = "pcloud.collation";
const DERIVATION: &str = "pcloud.derivation";
const ORIGIN: &str = "pcloud.origin";

/// The collation of literals, numbers as text and functions of them: the connection's.
pub(in crate::query) const CONNECTION_COLLATION: &str = "utf8mb4_general_ci";

/// How strongly a collation holds: the stronger wins. Source: enum Derivation in sql/item.h.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(in crate::query) enum Derivation {
    /// A COLLATE clause.
    Explicit,
    /// Two columns of different collations: no comparison is possible.
    Nothing,
    /// A column.
    Column,
    /// USER(), VERSION(), ….
    System,
    Literal,
    Number,
    Null,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::query) struct Collation {
    pub name: String,
    pub derivation: Derivation,
}

impl Collation {
    pub fn literal() -> Self {
        Self { name: CONNECTION_COLLATION.into(), derivation: Derivation::Literal }
    }

    fn charset(&self) -> &str {
        match self.name.split_once('_').map_or(self.name.as_str(), |(charset, _)| charset) {
            "utf8" => "utf8mb3",
            charset => charset,
        }
    }

    pub fn binary() -> Self {
        Self { name: "binary".into(), derivation: Derivation::Literal }
    }

    /// The collation of two texts together. Errors: `Unsupported` for two different explicit ones.
    pub fn with(&self, other: &Collation) -> Result<Collation> {
        if self.derivation != other.derivation {
            return Ok(if self.derivation < other.derivation { self.clone() } else { other.clone() });
        }
        if self.name == other.name {
            return Ok(self.clone());
        }
        if self.derivation == Derivation::Explicit {
            return Err(unsupported(format!("mixing collations {} and {}", self.name, other.name))
                .hint("Write one COLLATE clause."));
        }
        for (a, b) in [(self, other), (other, self)] {
            // of one character set, the binary collation wins; of two, the one that has the characters of both
            let within = match a.charset() == b.charset() {
                true => a.name.ends_with("_bin") && !b.name.ends_with("_bin"),
                false => a.charset() == "utf8mb4" || (a.charset() == "utf8mb3" && b.charset() != "utf8mb4"),
            };
            if a.name == "binary" || (b.name != "binary" && within) {
                return Ok(a.clone());
            }
        }
        Ok(Collation { name: format!("{} with {}", self.name, other.name), derivation: Derivation::Nothing })
    }
}

/// The type of an expression.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::query) struct Typ {
    /// `None`: NULL.
    pub kind: Option<ColumnType>,
    /// How values are held. A decimal may hold more digits after its point than its kind shows, as MariaDB's do
    /// between operators; a truth value may be a Boolean, whose kind is INT.
    pub arrow: DataType,
    pub collation: Collation,
    /// Whether it is a column that is declared NOT NULL.
    pub not_null: bool,
}

/// What kind of value it is, when its length and width do not matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::query) enum Class {
    Null,
    Int,
    Decimal,
    Double,
    Date,
    DateTime,
    Time,
    Text,
    Bytes,
}

pub(in crate::query) fn int(bytes: u8, unsigned: bool) -> ColumnType {
    ColumnType::Int { bytes, unsigned, zerofill: None }
}

impl Typ {
    pub fn of(kind: ColumnType) -> Typ {
        let arrow = match &kind {
            ColumnType::Timestamp { .. } => DataType::Timestamp(TimeUnit::Microsecond, None),
            other => other.arrow(),
        };
        let collation = if kind.is_text() {
            Collation::literal()
        } else if kind.is_binary() {
            Collation::binary()
        } else if kind.is_address() {
            // no collation at all: as text it takes that of the text beside it
            Collation { name: kind.to_string(), derivation: Derivation::Number }
        } else {
            Collation { name: CONNECTION_COLLATION.into(), derivation: Derivation::Number }
        };
        Typ { kind: Some(kind), arrow, collation, not_null: false }
    }

    pub fn null() -> Typ {
        let collation = Collation { name: "binary".into(), derivation: Derivation::Null };
        Typ { kind: None, arrow: DataType::Null, collation, not_null: false }
    }

    pub fn bigint() -> Typ {
        Typ::of(int(8, false))
    }

    pub fn ubigint() -> Typ {
        Typ::of(int(8, true))
    }

    pub fn int() -> Typ {
        Typ::of(int(4, false))
    }

    pub fn boolean() -> Typ {
        Typ { arrow: DataType::Boolean, ..Typ::of(int(4, false)) }
    }

    pub fn double() -> Typ {
        Typ::of(ColumnType::Double { unsigned: false, decimals: None })
    }

    /// A double that shows so many digits after its point; `None`: as many as it has.
    pub fn real(decimals: Option<u32>) -> Typ {
        let decimals = decimals.filter(|d| *d <= 30).map(|d| d as u8);
        Typ::of(ColumnType::Double { unsigned: false, decimals })
    }

    /// How many digits after the point its values have, if that is the same for all of them.
    pub fn fixed(&self) -> Option<u32> {
        match &self.kind {
            Some(ColumnType::Double { decimals, .. } | ColumnType::Float { decimals, .. }) => decimals.map(u32::from),
            _ if matches!(self.class(), Class::Text | Class::Bytes) => None,
            _ => Some(self.scale()),
        }
    }

    pub fn text() -> Typ {
        Typ::of(ColumnType::Varchar { length: 16383 })
    }

    pub fn text_in(collation: Collation) -> Typ {
        Typ { collation, ..Typ::text() }
    }

    pub fn bytes() -> Typ {
        Typ::of(ColumnType::Varbinary { length: 65535 })
    }

    pub fn datetime(fsp: u8) -> Typ {
        Typ::of(ColumnType::DateTime { fsp })
    }

    pub fn time(fsp: u8) -> Typ {
        Typ::of(ColumnType::Time { fsp })
    }

    /// DECIMAL(precision, shown) that holds `held` digits after the point.
    pub fn decimal(precision: u32, shown: u32, held: u32) -> Result<Typ> {
        let (shown, whole) = (shown.min(38), precision.saturating_sub(shown));
        if held > 66 {
            return Err(unsupported("a decimal division of divisions of this depth")
                .hint("CAST one of the operands to DECIMAL or DOUBLE."));
        }
        let precision = precision.clamp(1, 65).max(shown);
        let kind =
            ColumnType::Decimal { precision: precision as u8, scale: shown as u8, unsigned: false, zerofill: false };
        let arrow = if whole + held <= 38 && precision <= 38 {
            DataType::Decimal128(38, held as i8)
        } else {
            DataType::Decimal256(76, held as i8)
        };
        Ok(Typ { arrow, ..Typ::of(kind) })
    }

    pub fn from_field(field: &Field) -> Typ {
        let metadata = field.metadata();
        let kind = metadata.get(KIND).and_then(|json| serde_json::from_str::<ColumnType>(json).ok());
        let mut typ = match kind {
            Some(kind) => Typ { arrow: field.data_type().clone(), ..Typ::of(kind) },
            None => Typ::from_arrow(field.data_type()),
        };
        if let Some(name) = metadata.get(COLLATION) {
            let derivation = metadata.get(DERIVATION).and_then(|d| serde_json::from_str(d).ok());
            typ.collation = Collation { name: name.clone(), derivation: derivation.unwrap_or(Derivation::Column) };
        }
        typ.not_null = metadata.get(ORIGIN).is_some_and(|o| o.contains("\"not_null\":true"));
        typ
    }

    fn from_arrow(arrow: &DataType) -> Typ {
        let kind = match arrow {
            DataType::Null => return Typ::null(),
            DataType::Boolean => return Typ::boolean(),
            DataType::Int8 => int(1, false),
            DataType::Int16 => int(2, false),
            DataType::Int32 => int(4, false),
            DataType::Int64 => int(8, false),
            DataType::UInt8 => int(1, true),
            DataType::UInt16 => int(2, true),
            DataType::UInt32 => int(4, true),
            DataType::UInt64 => int(8, true),
            DataType::Float32 => ColumnType::Float { unsigned: false, decimals: None },
            DataType::Float64 => ColumnType::Double { unsigned: false, decimals: None },
            DataType::Decimal128(p, s) | DataType::Decimal256(p, s) => {
                ColumnType::Decimal { precision: *p, scale: *s as u8, unsigned: false, zerofill: false }
            }
            DataType::Date32 => ColumnType::Date,
            DataType::Timestamp(..) => ColumnType::DateTime { fsp: 6 },
            DataType::Duration(_) => ColumnType::Time { fsp: 6 },
            DataType::Binary => ColumnType::Varbinary { length: 65535 },
            _ => ColumnType::Varchar { length: 16383 },
        };
        Typ { arrow: arrow.clone(), ..Typ::of(kind) }
    }

    /// The field of an expression of this type.
    pub fn field(&self, name: &str) -> Field {
        let mut metadata = HashMap::new();
        if let Some(kind) = &self.kind {
            metadata.insert(KIND.into(), serde_json::to_string(kind).expect("a type is JSON"));
            if matches!(self.class(), Class::Text | Class::Bytes) {
                metadata.insert(COLLATION.into(), self.collation.name.clone());
                let derivation = serde_json::to_string(&self.collation.derivation).expect("a word is JSON");
                metadata.insert(DERIVATION.into(), derivation);
            }
        }
        Field::new(name, self.arrow.clone(), true).with_metadata(metadata)
    }

    pub fn class(&self) -> Class {
        match &self.kind {
            None => Class::Null,
            Some(ColumnType::Int { .. } | ColumnType::Bit { .. } | ColumnType::Year) => Class::Int,
            Some(ColumnType::Decimal { .. }) => Class::Decimal,
            Some(ColumnType::Float { .. } | ColumnType::Double { .. }) => Class::Double,
            Some(ColumnType::Date) => Class::Date,
            Some(ColumnType::DateTime { .. } | ColumnType::Timestamp { .. }) => Class::DateTime,
            Some(ColumnType::Time { .. }) => Class::Time,
            Some(kind) if kind.is_binary() => Class::Bytes,
            Some(_) => Class::Text,
        }
    }

    /// ENUM or SET: a text that is a number where a number is asked for.
    pub fn members(&self) -> Option<&[String]> {
        match &self.kind {
            Some(ColumnType::Enum { members } | ColumnType::Set { members }) => Some(members),
            _ => None,
        }
    }

    pub fn is_temporal(&self) -> bool {
        matches!(self.class(), Class::Date | Class::DateTime | Class::Time)
    }

    pub fn unsigned(&self) -> bool {
        match &self.kind {
            Some(ColumnType::Int { unsigned, .. } | ColumnType::Decimal { unsigned, .. }) => *unsigned,
            Some(ColumnType::Bit { .. } | ColumnType::Year) => true,
            _ => false,
        }
    }

    /// Digits of the second's fraction, or after the point.
    pub fn scale(&self) -> u32 {
        match &self.kind {
            Some(ColumnType::Decimal { scale, .. }) => u32::from(*scale),
            Some(ColumnType::Time { fsp } | ColumnType::DateTime { fsp } | ColumnType::Timestamp { fsp }) => {
                u32::from(*fsp)
            }
            _ => 0,
        }
    }

    /// Digits after the point that the values really hold.
    pub fn held(&self) -> u32 {
        match self.arrow {
            DataType::Decimal128(_, s) | DataType::Decimal256(_, s) => s.max(0) as u32,
            _ => self.scale(),
        }
    }

    /// Decimal digits of a number, at most.
    pub fn precision(&self) -> u32 {
        match &self.kind {
            Some(ColumnType::Decimal { precision, .. }) => u32::from(*precision),
            Some(ColumnType::Int { bytes: 1, .. }) => 3,
            Some(ColumnType::Int { bytes: 2, .. }) => 5,
            Some(ColumnType::Int { bytes: 3, .. }) => 8,
            Some(ColumnType::Int { bytes: 4, .. }) => 10,
            Some(ColumnType::Year) => 4,
            Some(ColumnType::Date) => 8,
            Some(ColumnType::DateTime { fsp } | ColumnType::Timestamp { fsp }) => 14 + u32::from(*fsp),
            Some(ColumnType::Time { fsp }) => 7 + u32::from(*fsp),
            _ => 20,
        }
    }

    /// The type of a value that is one of these: CASE, IF, COALESCE, UNION, GREATEST.
    /// Errors: `Unsupported` for mixtures that are not carried.
    pub fn unify(types: &[Typ]) -> Result<Typ> {
        let known: Vec<&Typ> = types.iter().filter(|t| t.class() != Class::Null).collect();
        let Some((first, rest)) = known.split_first() else { return Ok(Typ::null()) };
        rest.iter().try_fold(plain(first), |a, b| pair(&a, &plain(b)))
    }
}

/// What a value's type becomes once it passes through an operator.
fn plain(t: &Typ) -> Typ {
    let kind = match &t.kind {
        Some(ColumnType::Enum { .. } | ColumnType::Set { .. }) => Some(ColumnType::Varchar { length: 16383 }),
        Some(ColumnType::Int { bytes, unsigned, .. }) if t.arrow != DataType::Boolean => Some(int(*bytes, *unsigned)),
        Some(ColumnType::Timestamp { fsp }) => Some(ColumnType::DateTime { fsp: *fsp }),
        Some(ColumnType::Char { .. }) => Some(ColumnType::Varchar { length: 16383 }),
        Some(ColumnType::Binary { length }) => Some(ColumnType::Varbinary { length: *length }),
        Some(ColumnType::Decimal { precision, scale, .. }) => {
            Some(ColumnType::Decimal { precision: *precision, scale: *scale, unsigned: false, zerofill: false })
        }
        other => other.clone(),
    };
    Typ { kind, not_null: false, ..t.clone() }
}

fn pair(a: &Typ, b: &Typ) -> Result<Typ> {
    use Class::*;
    let fsp = a.scale().max(b.scale()) as u8;
    Ok(match (a.class(), b.class()) {
        (Int, Int) => match (&a.kind, &b.kind) {
            (x, y) if x == y => {
                if a.arrow == b.arrow {
                    a.clone()
                } else {
                    Typ::of(int(8, false))
                }
            }
            _ if a.unsigned() == b.unsigned() => Typ::of(int(8, a.unsigned())),
            _ => Typ::decimal(20, 0, 0)?,
        },
        (Int | Decimal, Int | Decimal) => {
            let (shown, held) = (a.scale().max(b.scale()), a.held().max(b.held()));
            let whole = (a.precision() - a.scale()).max(b.precision() - b.scale());
            Typ::decimal(whole + shown, shown, held)?
        }
        (Int | Decimal | Double, Int | Decimal | Double) => {
            let same = a.class() == Double && b.class() == Double && a.kind == b.kind;
            if same { a.clone() } else { Typ::real(a.fixed().zip(b.fixed()).map(|(x, y)| x.max(y))) }
        }
        _ if a.kind == b.kind && a.kind.as_ref().is_some_and(ColumnType::is_address) => a.clone(),
        (Date, Date) => a.clone(),
        (Time, Time) => Typ::time(fsp),
        (Date | DateTime, Date | DateTime) => Typ::datetime(fsp),
        (x, y) if a.is_temporal() && b.is_temporal() => {
            return Err(unsupported(format!("one value out of {x:?} and {y:?}")).hint("CAST one of them."));
        }
        (Bytes, _) | (_, Bytes) => Typ::bytes(),
        (Double, Text) | (Text, Double) | (Double, _) | (_, Double) => {
            // how many digits a FLOAT shows as text depends on where it stands
            let collation = a.collation.with(&b.collation)?;
            Typ::text_in(collation)
        }
        _ => {
            let mut t = Typ::text_in(a.collation.with(&b.collation)?);
            if a.class() == Text && b.class() == Text {
                let long = |t: &Typ| matches!(t.kind, Some(ColumnType::Text { .. } | ColumnType::Json));
                if long(a) || long(b) {
                    t.kind = Some(ColumnType::Text { size: crate::model::TextSize::Long });
                }
            }
            t
        }
    })
}

/// The column that a field's values come from.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Origin {
    pub database: String,
    pub table: String,
    pub column: String,
    pub not_null: bool,
    pub primary_key: bool,
    pub auto_increment: bool,
    pub default: Option<String>,
}

pub(super) fn origin(field: &Field) -> Option<Origin> {
    field.metadata().get(ORIGIN).and_then(|json| serde_json::from_str(json).ok())
}

/// The Arrow field that a scan must show for a column: its type (TIMESTAMP: without a zone, for it is local there)
/// and, as metadata, its MySQL type, collation and origin.
pub fn column_field(table: &TableSchema, position: usize, column: &Column) -> Field {
    let mut typ = Typ::of(column.kind.clone());
    if column.kind.is_text() {
        let name = column.collation.clone().unwrap_or_else(|| CONNECTION_COLLATION.into());
        typ.collation = Collation { name, derivation: Derivation::Column };
    } else if column.kind.is_binary() {
        typ.collation = Collation { name: "binary".into(), derivation: Derivation::Column };
    }
    let origin = Origin {
        database: table.name.database.clone(),
        table: table.name.table.clone(),
        column: column.name.clone(),
        not_null: !column.nullable,
        primary_key: table.primary_key.contains(&position) && table.kind != TableKind::Sequence,
        auto_increment: column.extra.contains("auto_increment"),
        default: column.default.clone(),
    };
    let field = typ.field(&column.name);
    let mut metadata = field.metadata().clone();
    metadata.insert(ORIGIN.into(), serde_json::to_string(&origin).expect("names are JSON"));
    field.with_metadata(metadata)
}
