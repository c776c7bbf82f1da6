//! How is a system statement's answer held until it is sent? Rows of values under headings.

use super::tables::kind_of;
use crate::error::Result;
use crate::model::{Column, ColumnId, ColumnType, Row, RowsBuilder, TableId, TableName, TableSchema, Value};
use crate::query::{ResultColumn, Rows};
use arrow::array::RecordBatch;
use std::sync::Arc;

/// The collation of all text in system tables.
pub(super) const COLLATION: &str = "utf8mb3_general_ci";

/// An answer to SHOW, or the rows of a system table.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    columns: Vec<ResultColumn>,
    rows: Vec<Row>,
}

impl Listing {
    /// Columns that belong to no table: (heading, type).
    pub(super) fn new(columns: &[(&str, &str)]) -> Self {
        let columns = columns.iter().map(|(name, kind)| column(name, kind_of(kind))).collect();
        Self { columns, rows: Vec::new() }
    }

    /// A system table's columns and rows.
    pub(super) fn of_table(schema: &TableSchema, rows: Vec<Row>) -> Self {
        let column = |c: &Column| ResultColumn {
            table: schema.name.table.clone(),
            org_table: schema.name.table.clone(),
            org_name: c.name.clone(),
            database: schema.name.database.clone(),
            nullable: c.nullable,
            ..column(&c.name, c.kind.clone())
        };
        Self { columns: schema.columns.iter().map(column).collect(), rows }
    }

    /// Adds a row: a value for each column.
    pub(super) fn push(&mut self, row: Row) {
        debug_assert_eq!(row.len(), self.columns.len());
        self.rows.push(row);
    }

    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Where a column is, by its heading, without regard to case.
    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| c.name.eq_ignore_ascii_case(name))
    }

    /// The text of a cell; empty for NULL and for a column that is not there.
    pub(super) fn text(&self, row: &Row, column: &str) -> String {
        match self.position(column).and_then(|p| row.get(p)) {
            Some(Value::Text(t)) => t.clone(),
            _ => String::new(),
        }
    }

    pub(super) fn retain(&mut self, keep: &[bool]) {
        let mut keep = keep.iter();
        self.rows.retain(|_| keep.next().copied().unwrap_or(true));
    }

    pub(super) fn keep(&mut self, test: impl Fn(&Self, &Row) -> bool) {
        let keep: Vec<bool> = self.rows.iter().map(|r| test(self, r)).collect();
        self.retain(&keep);
    }

    /// These columns, under these headings: (name, heading).
    pub(super) fn project(self, wanted: &[(&str, &str)]) -> Self {
        let found: Vec<_> = wanted.iter().filter_map(|(name, as_)| Some((self.position(name)?, *as_))).collect();
        let heading = |(p, as_): &(usize, &str)| ResultColumn { name: (*as_).to_string(), ..self.columns[*p].clone() };
        let columns = found.iter().map(heading).collect();
        let rows = self.rows.iter().map(|r| found.iter().map(|(p, _)| r[*p].clone()).collect()).collect();
        Self { columns, rows }
    }

    pub(super) fn rename(&mut self, position: usize, heading: String) {
        if let Some(c) = self.columns.get_mut(position) {
            c.name = heading;
        }
    }

    pub(super) fn limit(&mut self, skip: u64, take: u64) {
        let size = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        self.rows = std::mem::take(&mut self.rows).into_iter().skip(size(skip)).take(size(take)).collect();
    }

    /// Changes each cell of a column.
    pub(super) fn change(&mut self, position: usize, to: impl Fn(&Value) -> Value) {
        self.rows.iter_mut().filter_map(|r| r.get_mut(position)).for_each(|v| *v = to(v));
    }

    /// Columns and one batch. Errors: `Internal`.
    pub fn batch(&self) -> Result<(Vec<ResultColumn>, RecordBatch)> {
        let schema = table_schema(
            TableName::new("", ""),
            self.columns.iter().map(|c| (c.name.clone(), c.kind.clone(), c.nullable)),
        );
        let mut builder = RowsBuilder::new(&schema);
        self.rows.iter().try_for_each(|r| builder.push(r))?;
        Ok((self.columns.clone(), builder.finish()))
    }

    /// As a statement's answer. Errors: `Internal`.
    pub fn into_rows(self) -> Result<Rows> {
        self.batch().map(|(columns, batch)| Rows::of(columns, batch))
    }
}

fn column(name: &str, kind: ColumnType) -> ResultColumn {
    let collation = kind.is_text().then(|| COLLATION.to_string());
    ResultColumn { collation, ..ResultColumn::new(name, kind) }
}

/// A table of these columns (name, type, nullable), as a system table has them.
pub(super) fn table_schema(
    name: TableName,
    columns: impl Iterator<Item = (String, ColumnType, bool)>,
) -> Arc<TableSchema> {
    let columns: Vec<Column> = columns
        .zip(0..)
        .map(|((name, kind, nullable), id)| Column {
            collation: kind.is_text().then(|| COLLATION.to_string()),
            nullable,
            ..Column::new(ColumnId(id), name, kind)
        })
        .collect();
    let next_column = u32::try_from(columns.len()).unwrap_or(u32::MAX);
    Arc::new(TableSchema {
        id: TableId(u32::MAX),
        name,
        columns,
        primary_key: Vec::new(),
        create: String::new(),
        next_column,
        foreign_keys: Vec::new(),
        kind: Default::default(),
    })
}

pub(super) fn text(t: impl Into<String>) -> Value {
    Value::Text(t.into())
}

pub(super) fn optional(t: Option<impl Into<String>>) -> Value {
    t.map_or(Value::Null, text)
}
