//! How does a table get a new base without its source? From its old base and the log, as anybody reads them.
//!
//! Memory: the table's changes since its old base, as a query of that moment holds them, with their keys; one batch of
//! the old base; and what a base's writer holds.

use super::merge::stopped;
use super::report::Progress;
use crate::archive::{Base, BaseWriter, KeyEncoder};
use crate::error::{Error, Result};
use crate::model::{Seq, TableId, TableSchema};
use crate::timeline::Timeline;
use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::interleave_record_batch;
use arrow::row::Rows;
use futures::StreamExt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio_util::sync::CancellationToken;

/// Rows of the changes that are written at a time.
const BATCH_ROWS: usize = 16_384;

/// Writes the base of a table at a seq and reads it back. Errors: as of `Timeline::snapshot`; `Io`, `Cancelled`.
pub(super) async fn fold(
    timeline: &Timeline,
    id: TableId,
    seq: Seq,
    token: &str,
    progress: &Progress,
    cancel: &CancellationToken,
) -> Result<Base> {
    let mut snapshot = timeline.snapshot(id, seq).await?;
    let (schema, expected) = (snapshot.schema.clone(), snapshot.rows);
    let changes = std::mem::take(&mut snapshot.changes);
    let mut out = timeline.cluster().base_writer(schema.clone(), token);
    let mut changes = Sorted::new(&schema, changes)?;
    let mut rows = snapshot.into_rows(timeline.cluster().clone());
    while let Some(batch) = rows.next().await {
        stopped(cancel)?;
        let batch = batch.map_err(|e| e.context(&schema.name))?;
        progress.rows.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
        changes.write_with(&batch, &mut out).await?;
    }
    changes.write_rest(&mut out).await?;
    let base = out.finish(seq).await?;
    if base.rows() != expected {
        let text = format!("the new base of {} has {} rows instead of {expected}", schema.name, base.rows());
        return Err(Error::internal(text));
    }
    for file in &base.files {
        timeline.cluster().verify_base_file(file).await?;
    }
    Ok(base)
}

/// The changes' rows in the order of the key; of a table without one as they come.
struct Sorted {
    schema: Arc<TableSchema>,
    batches: Vec<RecordBatch>,
    keys: Option<(KeyEncoder, Vec<Rows>)>,
    /// Which batch and which row there.
    order: Vec<(usize, usize)>,
    /// So many are written.
    done: usize,
}

impl Sorted {
    fn new(schema: &Arc<TableSchema>, batches: Vec<RecordBatch>) -> Result<Sorted> {
        let places = batches.iter().enumerate().flat_map(|(n, b)| (0..b.num_rows()).map(move |row| (n, row)));
        let mut order: Vec<(usize, usize)> = places.collect();
        let mut keys = None;
        if schema.has_key() {
            let types: Vec<_> = schema.primary_key.iter().map(|at| schema.columns[*at].kind.arrow()).collect();
            let encoder = KeyEncoder::new(&types)?;
            let rows: Vec<Rows> = batches.iter().map(|b| encoder.encode(&key(schema, b))).collect::<Result<_>>()?;
            order.sort_unstable_by(|a, b| rows[a.0].row(a.1).cmp(&rows[b.0].row(b.1)));
            keys = Some((encoder, rows));
        }
        Ok(Sorted { schema: schema.clone(), batches, keys, order, done: 0 })
    }

    /// Writes a batch of the old base, and the changes that belong before its last row.
    async fn write_with(&mut self, batch: &RecordBatch, out: &mut BaseWriter) -> Result<()> {
        let (Some((encoder, rows)), 1..) = (&self.keys, batch.num_rows()) else { return out.write(batch).await };
        let keys = encoder.encode(&key(&self.schema, batch))?;
        let last = keys.row(batch.num_rows() - 1);
        let rest = &self.order[self.done..];
        let n = rest.partition_point(|(b, row)| rows[*b].row(*row) < last);
        if n == 0 {
            return out.write(batch).await;
        }
        // the batch is number 0 among them
        let mut both: Vec<(usize, usize)> = (0..batch.num_rows()).map(|row| (0, row)).collect();
        both.extend(rest[..n].iter().map(|(b, row)| (b + 1, *row)));
        let at = |(b, row): &(usize, usize)| if *b == 0 { keys.row(*row) } else { rows[b - 1].row(*row) };
        both.sort_by(|a, b| at(a).cmp(&at(b)));
        let batches: Vec<&RecordBatch> = [batch].into_iter().chain(&self.batches).collect();
        for some in both.chunks(BATCH_ROWS) {
            out.write(&taken(&batches, some)?).await?;
        }
        self.done += n;
        Ok(())
    }

    async fn write_rest(self, out: &mut BaseWriter) -> Result<()> {
        let batches: Vec<&RecordBatch> = self.batches.iter().collect();
        for some in self.order[self.done..].chunks(BATCH_ROWS) {
            out.write(&taken(&batches, some)?).await?;
        }
        Ok(())
    }
}

fn key(schema: &TableSchema, rows: &RecordBatch) -> Vec<ArrayRef> {
    schema.primary_key.iter().map(|at| rows.column(*at).clone()).collect()
}

fn taken(batches: &[&RecordBatch], places: &[(usize, usize)]) -> Result<RecordBatch> {
    interleave_record_batch(batches, places).map_err(|e| Error::internal(format!("taking rows of a new base: {e}")))
}
