//! Which rows do a table's files hold? Sections out of segments, and the rows that a snapshot keeps of a base.

use super::snapshot::{BasePart, TableSnapshot};
use super::{SectionRef, Timeline, conform};
use crate::archive::{Cluster, LogPart};
use crate::error::{Error, Kind, Result};
use crate::model::{ColumnId, Seq, TableId, TableSchema};
use arrow::array::{BooleanArray, RecordBatch, UInt8Array, UInt64Array};
use arrow::compute::filter_record_batch;
use futures::stream::{self, BoxStream, StreamExt};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// Rows read from a base file at a time.
const BATCH_ROWS: usize = 16_384;
/// Changes of one table and moment are resolved in memory; they may take so much of it, in bytes.
const MAX_CHANGE_BYTES: u64 = 4 << 30;
/// What the newest version of a key takes, beside the row.
const KEY_BYTES: u64 = 96;

/// Decoded sections, newest use last out; bounded by bytes.
#[derive(Debug)]
pub(super) struct SectionCache {
    limit: usize,
    used: usize,
    tick: u64,
    entries: HashMap<(LogPart, u64), (u64, Arc<RecordBatch>)>,
}

impl SectionCache {
    pub fn new(limit: usize) -> Self {
        Self { limit, used: 0, tick: 0, entries: HashMap::new() }
    }

    fn get(&mut self, key: (LogPart, u64)) -> Option<Arc<RecordBatch>> {
        self.tick += 1;
        let tick = self.tick;
        self.entries.get_mut(&key).map(|(used, batch)| {
            *used = tick;
            batch.clone()
        })
    }

    fn put(&mut self, key: (LogPart, u64), batch: Arc<RecordBatch>) {
        let bytes = batch.get_array_memory_size();
        if bytes > self.limit / 2 {
            return;
        }
        while self.used + bytes > self.limit {
            let Some(oldest) = self.entries.iter().min_by_key(|(_, (used, _))| *used).map(|(k, _)| *k) else { break };
            if let Some((_, gone)) = self.entries.remove(&oldest) {
                self.used -= gone.get_array_memory_size();
            }
        }
        self.tick += 1;
        if self.entries.insert(key, (self.tick, batch)).is_none() {
            self.used += bytes;
        }
    }
}

/// The changes of a section that count, with their columns' identities.
pub(super) struct Changes {
    /// Where it is: of two versions of one key in the same commit, the later section's stands.
    pub part: LogPart,
    pub columns: Vec<ColumnId>,
    pub key: Vec<ColumnId>,
    /// `_seq`, `_op`, `_next_seq`, then the columns.
    pub batch: Arc<RecordBatch>,
    /// Rows of later seqs don't count.
    pub upto: Seq,
    /// The last column of the batch is `_order`.
    pub ordered: bool,
}

impl Changes {
    pub fn seqs(&self) -> Result<&UInt64Array> {
        let column = self.batch.columns().first().and_then(|c| c.as_any().downcast_ref());
        column.ok_or_else(|| Error::corrupt(self.part, "a section without _seq"))
    }

    pub fn ops(&self) -> Result<&UInt8Array> {
        let column = self.batch.columns().get(1).and_then(|c| c.as_any().downcast_ref());
        column.ok_or_else(|| Error::corrupt(self.part, "a section without _op"))
    }

    /// Of an ordered section: each change's place in its transaction.
    pub fn orders(&self) -> Option<&UInt64Array> {
        self.batch.columns().last().filter(|_| self.ordered).and_then(|c| c.as_any().downcast_ref())
    }
}

impl Timeline {
    /// The changes of a table with `after < seq <= upto`, in log order (rows outside may come along).
    pub(super) async fn changes(&self, id: TableId, after: Seq, upto: Seq) -> Result<Vec<Changes>> {
        let all = self.sections.get(&id).map(Vec::as_slice).unwrap_or_default();
        let wanted: Vec<_> =
            all.iter().filter(|s| s.section.last.min(s.upto) > after && s.section.first <= upto).collect();
        let (mut bytes, mut rows) = (0, 0);
        // what is compressed takes at least its length, so what is far too much is not read
        let least = wanted.iter().map(|s| memory(s.section.length, s.section.rows)).sum::<u64>();
        let mut out = Vec::new();
        for s in &wanted {
            if least.max(memory(bytes, rows)) > MAX_CHANGE_BYTES {
                break;
            }
            let batch = self.section(s).await?;
            bytes += batch.get_array_memory_size() as u64;
            rows += s.section.rows;
            out.push(Changes {
                part: s.part,
                columns: s.section.columns.clone(),
                key: s.section.key.clone(),
                batch,
                upto: s.upto.min(upto),
                ordered: s.section.ordered,
            });
        }
        if out.len() == wanted.len() && memory(bytes, rows) <= MAX_CHANGE_BYTES {
            return Ok(out);
        }
        let name = self.catalog_at(upto)?.tables.get(&id).map_or(format!("{id}"), |t| t.name.to_string());
        Err(Error::new(
            Kind::Limit,
            format!(
                "the changes of table {name} between its base (seq {after}) and seq {upto} take more than {} GiB of memory",
                MAX_CHANGE_BYTES >> 30
            ),
        )
        .hint("Ask an earlier moment; moments from now on can be asked of a new backup (pcloud protect under another --name)."))
    }

    async fn section(&self, s: &SectionRef) -> Result<Arc<RecordBatch>> {
        self.cached((s.part, s.section.offset), self.cluster.section(s.part, &s.section)).await
    }

    /// What was read before, or is read now, from this object at this offset.
    pub(super) async fn cached(
        &self,
        key: (LogPart, u64),
        read: impl Future<Output = Result<RecordBatch>>,
    ) -> Result<Arc<RecordBatch>> {
        if let Some(hit) = self.cache.lock().unwrap_or_else(|e| e.into_inner()).get(key) {
            return Ok(hit);
        }
        let batch = match read.await {
            Ok(batch) => Arc::new(batch),
            Err(error) => return Err(self.gone(error).await),
        };
        self.cache.lock().unwrap_or_else(|e| e.into_inner()).put(key, batch.clone());
        Ok(batch)
    }

    /// All rows of a table at a seq, in the table's Arrow schema: those of its base files, then those of its changes.
    /// Memory: one batch, and the table's changes since its base.
    pub async fn rows(&self, id: TableId, seq: Seq) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let snapshot = self.snapshot(id, seq).await?;
        let lease = self.lease.clone();
        Ok(snapshot.into_rows(self.cluster.clone()).map(move |rows| (rows, &lease).0).boxed())
    }

    /// What an error means that came while something was read: another process may have deleted what the upkeep has
    /// replaced.
    pub async fn gone(&self, error: Error) -> Error {
        match self.cluster.upkeep_after(self.upkeep.number).await {
            Ok(Some(_)) if error.kind == Kind::Corrupt => Error::new(
                Kind::Io,
                format!(
                    "the upkeep of cluster {} has replaced what was being read: {}",
                    self.cluster.name(),
                    error.message
                ),
            )
            .hint("Ask again. A longer grace for the upkeep (`grace_hours`) leaves such objects there for longer."),
            _ => error,
        }
    }
}

/// What resolving changes takes: rows that stand are copied out of their sections.
pub(super) fn memory(bytes: u64, rows: u64) -> u64 {
    bytes.saturating_mul(2).saturating_add(rows.saturating_mul(KEY_BYTES))
}

impl TableSnapshot {
    /// Its rows, base files first.
    pub fn into_rows(self, cluster: Cluster) -> BoxStream<'static, Result<RecordBatch>> {
        let TableSnapshot { schema, base, changes, .. } = self;
        let parts = stream::iter(base).flat_map(move |part| part_rows(&cluster, part, schema.clone()));
        parts.chain(stream::iter(changes.into_iter().map(Ok))).boxed()
    }
}

fn part_rows(cluster: &Cluster, part: BasePart, schema: Arc<TableSchema>) -> BoxStream<'static, Result<RecordBatch>> {
    let ids: Vec<ColumnId> = part.schema.columns.iter().map(|c| c.id).collect();
    let all = (0..ids.len()).collect();
    let batches = cluster.base_rows(&part.file, all, BATCH_ROWS);
    let mut at = 0u64;
    let rows = batches.map(move |batch| {
        let batch = batch?;
        let n = batch.num_rows();
        let batch = match &part.keep {
            Some(keep) => kept(&batch, keep, at)?,
            None => batch,
        };
        at += n as u64;
        conform::batch(&schema, &ids, batch.columns(), batch.num_rows())
    });
    rows.boxed()
}

/// The rows of a batch that starts at row `at` of its file which lie in one of the ranges.
fn kept(batch: &RecordBatch, keep: &[Range<u64>], at: u64) -> Result<RecordBatch> {
    let mut mask = vec![false; batch.num_rows()];
    let end = at + mask.len() as u64;
    let first = keep.partition_point(|r| r.end <= at);
    for range in keep[first..].iter().take_while(|r| r.start < end) {
        let (from, to) = (range.start.max(at) - at, range.end.min(end) - at);
        mask[from as usize..to as usize].fill(true);
    }
    filter_record_batch(batch, &BooleanArray::from(mask)).map_err(|e| Error::internal(format!("filtering rows: {e}")))
}
