//! How do rows that were written under one schema look under another? By the columns' identities.

use crate::error::{Error, Result};
use crate::model::{Column, ColumnId, TableSchema, Value, column_of};
use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::{CastOptions, cast_with_options};

/// These columns of the target schema (positions), out of arrays with these identities.
/// A column that the rows lack gets its `missing` value.
/// Errors: `Internal` when a value cannot be held by the column's type.
pub(super) fn arrays(
    target: &TableSchema,
    wanted: &[usize],
    ids: &[ColumnId],
    arrays: &[ArrayRef],
    rows: usize,
) -> Result<Vec<ArrayRef>> {
    let one = |i: &usize| {
        let column = &target.columns[*i];
        match ids.iter().position(|id| *id == column.id) {
            Some(at) => as_type(column, &arrays[at]),
            None => column_of(&column.kind, &missing(column)?, rows),
        }
    };
    wanted.iter().map(one).collect()
}

/// A whole batch under the target schema.
pub(super) fn batch(target: &TableSchema, ids: &[ColumnId], columns: &[ArrayRef], rows: usize) -> Result<RecordBatch> {
    let all: Vec<usize> = (0..target.columns.len()).collect();
    let columns = arrays(target, &all, ids, columns, rows)?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(target.arrow(), columns, &options)
        .map_err(|e| Error::internal(format!("rows of {}: {e}", target.name)))
}

/// What rows have in a column that came after them.
pub fn missing(column: &Column) -> Result<Value> {
    column.missing.as_ref().map_or(Ok(Value::Null), |text| Value::parse(&column.kind, text.as_bytes()))
}

/// A column whose type was widened (INT to BIGINT) holds older values unchanged.
pub(super) fn as_type(column: &Column, array: &ArrayRef) -> Result<ArrayRef> {
    let kind = column.kind.arrow();
    if *array.data_type() == kind {
        return Ok(array.clone());
    }
    let options = CastOptions { safe: false, ..Default::default() };
    cast_with_options(array, &kind, &options)
        .map_err(|e| Error::internal(format!("column {} as {}: {e}", column.name, column.kind)))
}
