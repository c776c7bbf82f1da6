//! What becomes of generated columns that a dump leaves out, as mysqldump does? Their values are not known; the rest is.
//!
//! Such a column must not decide anything: keys and foreign keys may not have it.

use crate::error::{Error, Kind, Result};
use crate::model::{Catalog, Column, Generated, SchemaChange, TableSchema};
use std::sync::Arc;

/// Notes in the table's schema which columns its first INSERT leaves out. Errors: `Unsupported`.
pub fn mark(schema: Arc<TableSchema>, named: &[usize], catalog: &mut Catalog) -> Result<Arc<TableSchema>> {
    if named.len() == schema.columns.len() {
        return Ok(schema);
    }
    let mut marked = (*schema).clone();
    for (i, column) in marked.columns.iter_mut().enumerate().filter(|(i, _)| !named.contains(i)) {
        if schema.primary_key.contains(&i) || schema.foreign_keys.iter().any(|f| f.columns.contains(&column.id)) {
            return Err(needed(&schema, column));
        }
        column.generated = Some(Generated::LeftOut);
    }
    let marked = Arc::new(marked);
    catalog.apply(&SchemaChange::Table { schema: marked.clone() });
    Ok(marked)
}

/// Each INSERT of a table leaves out the same columns. Errors: `Unsupported`.
pub fn same(schema: &TableSchema, named: &[usize]) -> Result<()> {
    let is_left = |c: &Column| c.generated == Some(Generated::LeftOut);
    match schema.columns.iter().enumerate().find(|(i, c)| is_left(c) == named.contains(i)) {
        Some((_, column)) => {
            let text = format!("INSERTs into table {} have column {} and have it not", schema.name, column.name);
            Err(Error::new(Kind::Unsupported, text)
                .hint(format!("Leave the table out with --exclude {}.", schema.name)))
        }
        None => Ok(()),
    }
}

/// Errors: `Unsupported` for a foreign key that refers to such a column.
pub fn not_referred_to(catalog: &Catalog) -> Result<()> {
    let tables = || catalog.tables.values();
    for key in tables().flat_map(|t| &t.foreign_keys) {
        let Some(parent) = tables().find(|t| t.name == key.parent) else { continue };
        let columns = key.parent_columns.iter().filter_map(|name| parent.column(name)).map(|(_, c)| c);
        if let Some(column) = columns.into_iter().find(|c| c.generated == Some(Generated::LeftOut)) {
            return Err(needed(parent, column));
        }
    }
    Ok(())
}

fn needed(schema: &TableSchema, column: &Column) -> Error {
    let text = format!("the dump leaves out column {} of table {}, which stands in a key", column.name, schema.name);
    let hint = format!("Leave the table out with --exclude {}, or protect the live server.", schema.name);
    Error::new(Kind::Unsupported, text).hint(hint)
}
