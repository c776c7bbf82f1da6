//! How do rows become Arrow columns, and columns values again?

use super::schema::TableSchema;
use super::types::ColumnType;
use super::value::Value;
use crate::error::{Error, Result};
use arrow::array::*;
use arrow::datatypes::{DataType, SchemaRef, TimeUnit, i256};
use std::sync::Arc;

/// Collects rows of one table into a record batch of the table's Arrow schema.
pub struct RowsBuilder {
    schema: SchemaRef,
    columns: Vec<(String, ColumnType, Box<dyn ArrayBuilder>)>,
    rows: usize,
    bytes: usize,
}

impl RowsBuilder {
    pub fn new(table: &TableSchema) -> Self {
        let columns = table
            .columns
            .iter()
            .map(|c| {
                let builder: Box<dyn ArrayBuilder> = match c.kind.arrow() {
                    // make_builder drops the zone
                    DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) => {
                        Box::new(TimestampMicrosecondBuilder::new().with_timezone(zone))
                    }
                    kind => make_builder(&kind, 0),
                };
                (c.name.clone(), c.kind.clone(), builder)
            })
            .collect();
        Self { schema: table.arrow(), columns, rows: 0, bytes: 0 }
    }

    /// Rows collected so far.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// About how many bytes they take.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds a row: one value per column, in the schema's order.
    /// Errors: `Internal` when a value is not of its column's form; the builder is unusable then.
    pub fn push(&mut self, row: &[Value]) -> Result<()> {
        if row.len() != self.columns.len() {
            return Err(Error::internal(format!("a row of {} values for {} columns", row.len(), self.columns.len())));
        }
        for ((name, kind, builder), value) in self.columns.iter_mut().zip(row) {
            self.bytes += append(builder.as_mut(), value)
                .ok_or_else(|| Error::internal(format!("{value:?} is no value of column {name} ({kind})")))?;
        }
        self.rows += 1;
        Ok(())
    }

    /// The batch; the builder is empty afterwards.
    pub fn finish(&mut self) -> RecordBatch {
        let exact = |mut array: ArrayRef| {
            array.shrink_to_fit(); // what a builder has in reserve is up to as much again, and batches are gathered
            array
        };
        let arrays = self.columns.iter_mut().map(|(_, _, b)| exact(b.finish())).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        (self.rows, self.bytes) = (0, 0);
        RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options)
            .expect("builders are of the schema's types")
    }
}

/// Appends; returns about how many bytes it took, or `None` when the value does not fit the builder.
fn append(builder: &mut dyn ArrayBuilder, value: &Value) -> Option<usize> {
    let any = builder.as_any_mut();
    macro_rules! number {
        ($($builder:ty: $variant:ident as $native:ty),*) => {$(
            if let Some(b) = any.downcast_mut::<$builder>() {
                match value {
                    Value::Null => b.append_null(),
                    Value::$variant(v) => b.append_value(<$native>::try_from(*v).ok()?),
                    _ => return None,
                }
                return Some(size_of::<$native>());
            }
        )*};
    }
    number!(
        Int64Builder: Int as i64, Int32Builder: Int as i32, Int16Builder: Int as i16, Int8Builder: Int as i8,
        UInt64Builder: UInt as u64, UInt32Builder: UInt as u32, UInt16Builder: UInt as u16, UInt8Builder: UInt as u8,
        Float32Builder: Float as f32, Float64Builder: Double as f64, Date32Builder: Date as i32,
        TimestampMicrosecondBuilder: DateTime as i64, DurationMicrosecondBuilder: Time as i64,
        Decimal256Builder: Decimal as i256
    );
    if let Some(b) = any.downcast_mut::<Decimal128Builder>() {
        match value {
            Value::Null => b.append_null(),
            Value::Decimal(v) => b.append_value(v.to_i128()?),
            _ => return None,
        }
        return Some(16);
    }
    if let Some(b) = any.downcast_mut::<StringBuilder>() {
        match value {
            Value::Null => b.append_null(),
            Value::Text(v) => {
                b.append_value(v);
                return Some(4 + v.len());
            }
            _ => return None,
        }
        return Some(4);
    }
    if let Some(b) = any.downcast_mut::<BinaryBuilder>() {
        match value {
            Value::Null => b.append_null(),
            Value::Bytes(v) => {
                b.append_value(v);
                return Some(4 + v.len());
            }
            _ => return None,
        }
        return Some(4);
    }
    None
}

/// The value in one cell of a column of this type. The array must be of `kind.arrow()`'s type.
/// Errors: `Internal` when it is not.
pub fn value_at(array: &dyn Array, row: usize, kind: &ColumnType) -> Result<Value> {
    if array.is_null(row) {
        return Ok(Value::Null);
    }
    macro_rules! get {
        ($array:ty) => {
            array
                .as_any()
                .downcast_ref::<$array>()
                .ok_or_else(|| Error::internal(format!("a column of {kind} is held as {}", array.data_type())))?
                .value(row)
        };
    }
    Ok(match kind.arrow() {
        DataType::Int8 => Value::Int(get!(Int8Array).into()),
        DataType::Int16 => Value::Int(get!(Int16Array).into()),
        DataType::Int32 => Value::Int(get!(Int32Array).into()),
        DataType::Int64 => Value::Int(get!(Int64Array)),
        DataType::UInt8 => Value::UInt(get!(UInt8Array).into()),
        DataType::UInt16 => Value::UInt(get!(UInt16Array).into()),
        DataType::UInt32 => Value::UInt(get!(UInt32Array).into()),
        DataType::UInt64 => Value::UInt(get!(UInt64Array)),
        DataType::Decimal128(..) => Value::Decimal(i256::from_i128(get!(Decimal128Array))),
        DataType::Decimal256(..) => Value::Decimal(get!(Decimal256Array)),
        DataType::Float32 => Value::Float(get!(Float32Array)),
        DataType::Float64 => Value::Double(get!(Float64Array)),
        DataType::Date32 => Value::Date(get!(Date32Array)),
        DataType::Timestamp(..) => Value::DateTime(get!(TimestampMicrosecondArray)),
        DataType::Duration(_) => Value::Time(get!(DurationMicrosecondArray)),
        DataType::Binary => Value::Bytes(get!(BinaryArray).to_vec()),
        _ => Value::Text(get!(StringArray).to_string()),
    })
}

/// One column of these values. Errors: `Internal` when a value is not of the column's form.
pub fn column_of(kind: &ColumnType, value: &Value, rows: usize) -> Result<ArrayRef> {
    let mut builder: Box<dyn ArrayBuilder> = match kind.arrow() {
        DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) => {
            Box::new(TimestampMicrosecondBuilder::new().with_timezone(zone))
        }
        other => make_builder(&other, rows),
    };
    for _ in 0..rows {
        append(builder.as_mut(), value)
            .ok_or_else(|| Error::internal(format!("{value:?} is no value of type {kind}")))?;
    }
    Ok(Arc::new(builder.finish()))
}
