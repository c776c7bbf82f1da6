//! One value on its way through a function, and how values leave and enter Arrow arrays.

use crate::error::{Error, Result};
use crate::query::meaning::Typ;
use arrow::array::*;
use arrow::datatypes::{DataType, TimeUnit, i256};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::ColumnarValue;
use std::borrow::Cow;
use std::sync::Arc;

/// A value. Dates, times and decimals are in the model's units.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::query) enum Cell<'a> {
    Null,
    Int(i64),
    UInt(u64),
    /// Value times 10^scale, and the scale.
    Decimal(i256, u32),
    Double(f64),
    /// FLOAT, which shows fewer digits.
    Float(f32),
    /// Days since 1970.
    Date(i32),
    /// µs since 1970, local.
    DateTime(i64),
    /// µs, signed.
    Time(i64),
    Text(Cow<'a, str>),
    Bytes(Cow<'a, [u8]>),
}

impl Cell<'_> {
    pub fn text(s: impl Into<String>) -> Cell<'static> {
        Cell::Text(Cow::Owned(s.into()))
    }

    pub fn truth(v: bool) -> Cell<'static> {
        Cell::Int(v.into())
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Cell::Null)
    }
}

/// An argument, ready to be read row by row.
pub(in crate::query) enum Reader {
    Scalar(ArrayRef),
    Rows(ArrayRef),
}

impl Reader {
    pub fn new(value: &ColumnarValue) -> Result<Reader> {
        Ok(match value {
            ColumnarValue::Scalar(s) => {
                Reader::Scalar(s.to_array().map_err(|e| Error::internal(format!("a constant: {e}")))?)
            }
            ColumnarValue::Array(a) => Reader::Rows(a.clone()),
        })
    }

    pub fn cell(&self, row: usize) -> Result<Cell<'_>> {
        match self {
            Reader::Scalar(a) => cell_at(a.as_ref(), 0),
            Reader::Rows(a) => cell_at(a.as_ref(), row),
        }
    }
}

fn cell_at(array: &dyn Array, row: usize) -> Result<Cell<'_>> {
    if array.is_null(row) {
        return Ok(Cell::Null);
    }
    macro_rules! get {
        ($array:ty) => {
            array
                .as_any()
                .downcast_ref::<$array>()
                .ok_or_else(|| Error::internal(format!("an argument held as {}", array.data_type())))?
                .value(row)
        };
    }
    Ok(match array.data_type() {
        DataType::Null => Cell::Null,
        DataType::Boolean => Cell::Int(get!(BooleanArray).into()),
        DataType::Int8 => Cell::Int(get!(Int8Array).into()),
        DataType::Int16 => Cell::Int(get!(Int16Array).into()),
        DataType::Int32 => Cell::Int(get!(Int32Array).into()),
        DataType::Int64 => Cell::Int(get!(Int64Array)),
        DataType::UInt8 => Cell::UInt(get!(UInt8Array).into()),
        DataType::UInt16 => Cell::UInt(get!(UInt16Array).into()),
        DataType::UInt32 => Cell::UInt(get!(UInt32Array).into()),
        DataType::UInt64 => Cell::UInt(get!(UInt64Array)),
        DataType::Decimal128(_, s) => Cell::Decimal(i256::from_i128(get!(Decimal128Array)), (*s).max(0) as u32),
        DataType::Decimal256(_, s) => Cell::Decimal(get!(Decimal256Array), (*s).max(0) as u32),
        DataType::Float32 => Cell::Float(get!(Float32Array)),
        DataType::Float64 => Cell::Double(get!(Float64Array)),
        DataType::Date32 => Cell::Date(get!(Date32Array)),
        DataType::Timestamp(TimeUnit::Microsecond, _) => Cell::DateTime(get!(TimestampMicrosecondArray)),
        DataType::Duration(TimeUnit::Microsecond) => Cell::Time(get!(DurationMicrosecondArray)),
        DataType::Binary => Cell::Bytes(Cow::Borrowed(get!(BinaryArray))),
        DataType::LargeBinary => Cell::Bytes(Cow::Borrowed(get!(LargeBinaryArray))),
        DataType::BinaryView => Cell::Bytes(Cow::Borrowed(get!(BinaryViewArray))),
        DataType::Utf8 => Cell::Text(Cow::Borrowed(get!(StringArray))),
        DataType::LargeUtf8 => Cell::Text(Cow::Borrowed(get!(LargeStringArray))),
        DataType::Utf8View => Cell::Text(Cow::Borrowed(get!(StringViewArray))),
        other => return Err(Error::internal(format!("an argument held as {other}"))),
    })
}

/// Collects a function's results.
pub(in crate::query) struct Writer {
    arrow: DataType,
    builder: Box<dyn ArrayBuilder>,
}

impl Writer {
    pub fn new(typ: &Typ, rows: usize) -> Writer {
        Writer { arrow: typ.arrow.clone(), builder: make_builder(&typ.arrow, rows) }
    }

    /// Errors: `Internal` when the function gave a value that is not of its type.
    pub fn push(&mut self, cell: &Cell) -> Result<()> {
        let wrong = || Error::internal(format!("a function of type {} gave {cell:?}", self.arrow));
        let any = self.builder.as_any_mut();
        macro_rules! number {
            ($($builder:ty => $native:ty),*) => {$(
                if let Some(b) = any.downcast_mut::<$builder>() {
                    match cell {
                        Cell::Null => b.append_null(),
                        Cell::Int(v) => b.append_value(<$native>::try_from(*v).map_err(|_| wrong())?),
                        Cell::UInt(v) => b.append_value(<$native>::try_from(*v).map_err(|_| wrong())?),
                        _ => return Err(wrong()),
                    }
                    return Ok(());
                }
            )*};
        }
        macro_rules! plain {
            ($($builder:ty : $pattern:pat => $value:expr),*) => {$(
                if let Some(b) = any.downcast_mut::<$builder>() {
                    match cell {
                        Cell::Null => b.append_null(),
                        $pattern => b.append_value($value),
                        _ => return Err(wrong()),
                    }
                    return Ok(());
                }
            )*};
        }
        number!(Int64Builder => i64, UInt64Builder => u64, Int32Builder => i32, UInt32Builder => u32,
                Int16Builder => i16, UInt16Builder => u16, Int8Builder => i8, UInt8Builder => u8);
        plain!(
            BooleanBuilder: Cell::Int(v) => *v != 0,
            // MariaDB shows no -0
            Float64Builder: Cell::Double(v) => *v + 0.0,
            Float32Builder: Cell::Float(v) => *v,
            Date32Builder: Cell::Date(v) => *v,
            TimestampMicrosecondBuilder: Cell::DateTime(v) => *v,
            DurationMicrosecondBuilder: Cell::Time(v) => *v,
            StringBuilder: Cell::Text(v) => v,
            BinaryBuilder: Cell::Bytes(v) => v
        );
        if let Some(b) = any.downcast_mut::<Decimal128Builder>() {
            match (cell, &self.arrow) {
                (Cell::Null, _) => b.append_null(),
                (Cell::Decimal(v, s), DataType::Decimal128(_, scale)) if *s == *scale as u32 => {
                    b.append_value(v.to_i128().ok_or_else(|| super::overflow("DECIMAL", cell))?);
                }
                _ => return Err(wrong()),
            }
            return Ok(());
        }
        if let Some(b) = any.downcast_mut::<Decimal256Builder>() {
            match (cell, &self.arrow) {
                (Cell::Null, _) => b.append_null(),
                (Cell::Decimal(v, s), DataType::Decimal256(_, scale)) if *s == *scale as u32 => b.append_value(*v),
                _ => return Err(wrong()),
            }
            return Ok(());
        }
        match (any.downcast_mut::<NullBuilder>(), cell) {
            (Some(b), Cell::Null) => {
                b.append_null();
                Ok(())
            }
            _ => Err(wrong()),
        }
    }

    pub fn finish(mut self) -> Result<ArrayRef> {
        let array = self.builder.finish();
        // builders do not know a decimal's precision
        match (&self.arrow, array.as_any()) {
            (DataType::Decimal128(p, s), any) => any
                .downcast_ref::<Decimal128Array>()
                .and_then(|a| a.clone().with_precision_and_scale(*p, *s).ok())
                .map(|a| Arc::new(a) as ArrayRef)
                .ok_or_else(|| Error::internal("a DECIMAL result")),
            (DataType::Decimal256(p, s), any) => any
                .downcast_ref::<Decimal256Array>()
                .and_then(|a| a.clone().with_precision_and_scale(*p, *s).ok())
                .map(|a| Arc::new(a) as ArrayRef)
                .ok_or_else(|| Error::internal("a DECIMAL result")),
            _ => Ok(array),
        }
    }

    /// The only value, as a constant.
    pub fn finish_one(self) -> Result<ColumnarValue> {
        let array = self.finish()?;
        ScalarValue::try_from_array(&array, 0)
            .map(ColumnarValue::Scalar)
            .map_err(|e| Error::internal(format!("a constant: {e}")))
    }
}
