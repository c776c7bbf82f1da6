//! How do keys compare? As Arrow's row format orders them.

use crate::error::{Error, Result};
use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use arrow::row::{RowConverter, Rows, SortField};

/// Turns key columns into bytes that compare as the archive sorts: ascending, NULLs first, text by its bytes.
#[derive(Debug)]
pub struct KeyEncoder(RowConverter);

impl KeyEncoder {
    /// `types`: of the key's columns, in the key's order.
    /// Errors: `Internal` when Arrow cannot order one of them.
    pub fn new(types: &[DataType]) -> Result<Self> {
        RowConverter::new(types.iter().cloned().map(SortField::new).collect())
            .map(Self)
            .map_err(|e| Error::internal(format!("a key of {types:?} cannot be ordered: {e}")))
    }

    /// One row of bytes per row of `columns`. Rows of different encoders for the same types compare as well.
    pub fn encode(&self, columns: &[ArrayRef]) -> Result<Rows> {
        self.0.convert_columns(columns).map_err(|e| Error::internal(format!("key columns cannot be encoded: {e}")))
    }
}
