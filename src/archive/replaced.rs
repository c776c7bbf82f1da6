//! Rows that others refer to: what their referenced columns held before each change, and after it.
//!
//! The server changes rows by foreign keys' actions without a word in its log. Readers derive those changes from these
//! rows and from the foreign keys that the catalog had.

use super::segment::Replaced;
use super::writer::write_stream;
use crate::error::{Error, Result};
use crate::model::{Column, Op, RowsBuilder, Seq, TableId, TableName, TableSchema, Value};
use arrow::array::{Array, ArrayRef, RecordBatch, UInt8Array, UInt64Array};
use arrow::compute::{max, min};
use arrow::datatypes::{DataType, Field, Schema};
use std::sync::Arc;

/// `_seq`, `_order`, `_op`.
pub(super) const REPLACED_OWN_COLUMNS: usize = 3;

/// What is gathered of one table under one schema.
pub(super) struct GatheredReplaced {
    table: Arc<TableSchema>,
    /// Positions of the referenced columns.
    columns: Vec<usize>,
    rows: RowsBuilder,
    seqs: Vec<u64>,
    orders: Vec<u64>,
    ops: Vec<u8>,
}

impl std::fmt::Debug for GatheredReplaced {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GatheredReplaced").field("table", &self.table.name).field("rows", &self.seqs.len()).finish()
    }
}

impl GatheredReplaced {
    pub fn new(table: &Arc<TableSchema>, columns: &[usize]) -> Self {
        let wide = TableSchema {
            columns: named("old", table, columns).chain(named("new", table, columns)).collect(),
            name: TableName::new("", ""),
            primary_key: Vec::new(),
            create: String::new(),
            foreign_keys: Vec::new(),
            ..table.as_ref().clone()
        };
        Self {
            rows: RowsBuilder::new(&wide),
            table: table.clone(),
            columns: columns.to_vec(),
            seqs: Vec::new(),
            orders: Vec::new(),
            ops: Vec::new(),
        }
    }

    pub fn table(&self) -> TableId {
        self.table.id
    }

    /// Whether rows of `table` can go on here.
    pub fn fits(&self, table: &Arc<TableSchema>, columns: &[usize]) -> bool {
        Arc::ptr_eq(&self.table, table) && self.columns == columns
    }

    pub fn bytes(&self) -> usize {
        self.rows.bytes() + self.seqs.len() * (8 + 8 + 1)
    }

    /// `after`: `None` when the row was deleted. A change that leaves these columns as they were is nothing.
    pub fn push(&mut self, seq: Seq, order: u64, before: &[Value], after: Option<&[Value]>) -> Result<()> {
        let of = |row: &[Value]| {
            let values: Option<Vec<Value>> = self.columns.iter().map(|at| row.get(*at).cloned()).collect();
            values.ok_or_else(|| Error::internal(format!("a row of {} lacks columns", self.table.name)))
        };
        let old = of(before)?;
        let new = match after {
            Some(after) => of(after)?,
            None => vec![Value::Null; old.len()],
        };
        if after.is_some() && old == new {
            return Ok(());
        }
        let row: Vec<Value> = old.into_iter().chain(new).collect();
        self.rows.push(&row)?;
        self.seqs.push(seq.0);
        self.orders.push(order);
        self.ops.push(if after.is_some() { Op::Update } else { Op::Delete } as u8);
        Ok(())
    }

    /// Appends the section to `bytes`; `None`: there is nothing to say.
    pub fn write(mut self, bytes: &mut Vec<u8>) -> Result<Option<Replaced>> {
        let (Some(first), Some(last)) = (self.seqs.first().copied(), self.seqs.last().copied()) else {
            return Ok(None);
        };
        let rows = self.rows.finish();
        let mut fields: Vec<Arc<Field>> = vec![
            Field::new("_seq", DataType::UInt64, false).into(),
            Field::new("_order", DataType::UInt64, false).into(),
            Field::new("_op", DataType::UInt8, false).into(),
        ];
        fields.extend(rows.schema().fields().iter().cloned());
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(UInt64Array::from(self.seqs)),
            Arc::new(UInt64Array::from(self.orders)),
            Arc::new(UInt8Array::from(self.ops)),
        ];
        columns.extend(rows.columns().iter().cloned());
        let offset = bytes.len();
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns);
        batch
            .and_then(|batch| write_stream(&batch, bytes))
            .map_err(|e| Error::internal(format!("writing replaced rows: {e}")))?;
        Ok(Some(Replaced {
            table: self.table.id,
            columns: self.columns.iter().map(|at| self.table.columns[*at].id).collect(),
            offset: offset as u64,
            length: (bytes.len() - offset) as u64,
            crc32: crc32fast::hash(&bytes[offset..]),
            rows: rows.num_rows() as u64,
            first: Seq(first),
            last: Seq(last),
        }))
    }
}

fn named<'a>(what: &'a str, table: &'a TableSchema, columns: &'a [usize]) -> impl Iterator<Item = Column> + 'a {
    columns.iter().filter_map(|at| table.columns.get(*at)).map(move |c| Column {
        name: format!("{what} {}", c.name),
        nullable: true,
        ..c.clone()
    })
}

/// Whether the rows are those that the footer tells of.
pub(super) fn check_rows(section: &Replaced, rows: &RecordBatch) -> Result<(), String> {
    let columns = REPLACED_OWN_COLUMNS + 2 * section.columns.len();
    if rows.num_columns() != columns || rows.num_rows() as u64 != section.rows {
        return Err("a section of replaced rows has other rows than its footer says".into());
    }
    let seq = rows.column(0).as_any().downcast_ref::<UInt64Array>();
    let order = rows.column(1).as_any().downcast_ref::<UInt64Array>();
    let op = rows.column(2).as_any().downcast_ref::<UInt8Array>();
    match (seq, order, op) {
        (Some(seq), Some(order), Some(op))
            if seq.null_count() + order.null_count() + op.null_count() == 0
                && min(seq) == Some(section.first.0)
                && max(seq) == Some(section.last.0)
                && op.values().iter().all(|op| matches!(op, 1 | 2)) =>
        {
            Ok(())
        }
        _ => Err("the _seq, _order and _op of replaced rows are not what they must be".into()),
    }
}
