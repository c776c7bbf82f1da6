//! The rows that foreign keys changed, whole: as they were written, with the changed columns in place.

use super::gather::{Instance, Key, Origin};
use super::replay::{Live, Trail};
use crate::error::{Error, Result};
use crate::model::{Column, ColumnId, ColumnType, RowsBuilder, Seq, TableSchema, Value, column_of, value_at};
use crate::timeline::{Timeline, conform};
use arrow::array::{Array, RecordBatch, UInt64Array};
use arrow::compute::take_record_batch;
use futures::StreamExt;
use std::collections::BTreeMap;

const BATCH_ROWS: usize = 16_384;

/// What foreign keys made of a table's rows.
#[derive(Default)]
pub struct Derived {
    pub trail: Trail,
    pub instances: Vec<Instance>,
}

impl Derived {
    /// Of each row: what they made of it last.
    pub fn last(&self) -> impl Iterator<Item = (&Key, Seq, Option<&Live>)> {
        self.trail
            .iter()
            .filter_map(|(key, versions)| versions.last_key_value().map(|(seq, live)| (key, *seq, live.as_ref())))
    }

    /// All that they made of each row, always in the same order.
    pub fn all(&self) -> impl Iterator<Item = (&Key, Seq, Option<&Live>)> {
        self.trail.iter().flat_map(|(key, versions)| versions.iter().map(move |(seq, live)| (key, *seq, live.as_ref())))
    }

    /// These rows under a schema, in the order given.
    pub async fn rows(&self, timeline: &Timeline, schema: &TableSchema, rows: &[&Live]) -> Result<RecordBatch> {
        let mut whole: Vec<Option<Vec<Value>>> = vec![None; rows.len()];
        let mut places: BTreeMap<(usize, Origin), Vec<usize>> = BTreeMap::new();
        for (n, live) in rows.iter().enumerate() {
            places.entry((live.instance, live.origin)).or_default().push(n);
        }
        for (i, instance) in self.instances.iter().enumerate() {
            self.rows_of_changes(i, instance, schema, &places, &mut whole)?;
            rows_of_base(timeline, i, instance, schema, &places, &mut whole).await?;
        }
        let mut builder = RowsBuilder::new(schema);
        for (live, row) in rows.iter().zip(whole) {
            let mut row =
                row.ok_or_else(|| Error::internal(format!("a row of {} was not found again", schema.name)))?;
            for (value, column) in row.iter_mut().zip(&schema.columns) {
                if let Some((kind, set)) = live.set.get(&column.id) {
                    *value = under(column, kind, set)?;
                }
            }
            builder.push(&row)?;
        }
        Ok(builder.finish())
    }

    fn rows_of_changes(
        &self,
        i: usize,
        instance: &Instance,
        schema: &TableSchema,
        places: &BTreeMap<(usize, Origin), Vec<usize>>,
        whole: &mut [Option<Vec<Value>>],
    ) -> Result<()> {
        for (n, section) in instance.changes.iter().enumerate() {
            let of = |row| (i, Origin::Change { section: n, row });
            let found: Vec<_> = places.range(of(0)..=of(u64::MAX)).collect();
            if found.is_empty() {
                continue;
            }
            let rows =
                found.iter().map(|((_, origin), _)| if let Origin::Change { row, .. } = origin { *row } else { 0 });
            let taken = take_record_batch(&section.batch, &UInt64Array::from_iter_values(rows))
                .map_err(|e| Error::internal(format!("taking rows: {e}")))?;
            let batch = conform::batch(schema, &section.columns, &taken.columns()[3..], taken.num_rows())?;
            for (row, (_, wanted)) in found.into_iter().enumerate() {
                let values = values(&batch, row, schema)?;
                wanted.iter().for_each(|n| whole[*n] = Some(values.clone()));
            }
        }
        Ok(())
    }
}

async fn rows_of_base(
    timeline: &Timeline,
    i: usize,
    instance: &Instance,
    schema: &TableSchema,
    places: &BTreeMap<(usize, Origin), Vec<usize>>,
    whole: &mut [Option<Vec<Value>>],
) -> Result<()> {
    let Some(base) = &instance.base else { return Ok(()) };
    let ids: Vec<ColumnId> = base.schema.columns.iter().map(|c| c.id).collect();
    for (n, file) in base.files.iter().enumerate() {
        let of = |row| (i, Origin::Base { file: n, row });
        if places.range(of(0)..=of(u64::MAX)).next().is_none() {
            continue;
        }
        let mut batches = timeline.cluster.base_rows(file, (0..ids.len()).collect(), BATCH_ROWS);
        let mut first = 0u64;
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            let end = first + batch.num_rows() as u64;
            let found: Vec<_> = places.range(of(first)..of(end)).collect();
            let rows = found.iter().map(|((_, o), _)| if let Origin::Base { row, .. } = o { *row - first } else { 0 });
            let taken = take_record_batch(&batch, &UInt64Array::from_iter_values(rows))
                .map_err(|e| Error::internal(format!("taking rows: {e}")))?;
            let batch = conform::batch(schema, &ids, taken.columns(), taken.num_rows())?;
            for (row, (_, wanted)) in found.into_iter().enumerate() {
                let values = values(&batch, row, schema)?;
                wanted.iter().for_each(|n| whole[*n] = Some(values.clone()));
            }
            first = end;
        }
    }
    Ok(())
}

fn values(batch: &RecordBatch, row: usize, schema: &TableSchema) -> Result<Vec<Value>> {
    batch.columns().iter().zip(&schema.columns).map(|(a, c)| value_at(a, row, &c.kind)).collect()
}

/// A value that was set while the column had another type.
fn under(column: &Column, kind: &ColumnType, value: &Value) -> Result<Value> {
    if column.kind == *kind {
        return Ok(value.clone());
    }
    let array = conform::as_type(column, &column_of(kind, value, 1)?)?;
    value_at(array.as_ref() as &dyn Array, 0, &column.kind)
}
