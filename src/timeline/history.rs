//! Which versions did the rows of a table have, and when did each begin and end?
//!
//! A version begins with the commit that wrote it (the rows of the first base: with the base) and ends with the
//! commit that replaced or deleted it, with the table, or not at all.

use super::cascade::{Derived, Live};
use super::rows::Changes;
use super::snapshot::{Encoder, same_key};
use super::{Timeline, conform};
use crate::archive::{Base, Cluster};
use crate::error::{Error, Kind, Result};
use crate::model::{ColumnId, Micros, Op, Seq, TableId, TableName, TableSchema};
use arrow::array::{ArrayRef, RecordBatch, TimestampMicrosecondArray, UInt64Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use futures::stream::{self, BoxStream, StreamExt};
use std::collections::HashMap;
use std::sync::Arc;

/// `row_end` of a version that stands: 2106-02-07 06:28:15.999999 UTC, as MariaDB 11.5 and later show it.
pub const END_OF_TIME: Micros = Micros(4_294_967_295_999_999);

/// The versions that stood at some time between two commits, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    pub from: Seq,
    pub to: Seq,
}

/// The time in which one table bore the name.
struct Life {
    id: TableId,
    /// Its rows are certain from here on without a break.
    since: Seq,
    /// The commit that ended it, if any.
    end: Option<Seq>,
}

type Ends = HashMap<Box<[u8]>, Seq>;
/// A change's row, the commit that wrote it, and the one that wrote the next version.
type Version = (u64, Seq, Option<Seq>);
/// A change before it is sorted: seq, section, row, and whether it deletes.
type Raw = (u64, usize, u64, bool);

impl Timeline {
    /// Every version of the rows of the tables that bore this name in the period, under the schema that the name had
    /// at its end (or last before). Batches hold the table's columns, then `row_start` and `row_end`, Timestamp(µs, "UTC").
    /// Errors: `UnknownTable`; `Uncertain` when a part of the period is, or is lost; `Unsupported` for tables without a primary key.
    pub async fn history(
        &self,
        name: &TableName,
        period: Period,
    ) -> Result<(Arc<TableSchema>, SchemaRef, BoxStream<'static, Result<RecordBatch>>)> {
        let lives = self.lives(name, period)?;
        let Some(last) = lives.last() else {
            // says whether and when there was such a table
            return Err(self
                .table(name, period.to)
                .err()
                .unwrap_or_else(|| Error::internal(format!("table {name} has no history"))));
        };
        let at = last.end.map_or(period.to, |end| Seq(end.0 - 1).min(period.to));
        let schema = self.certain(last.id, at)?;
        if !schema.has_key() {
            return Err(Error::new(
                Kind::Unsupported,
                format!("table {name} has no primary key: its rows have no versions"),
            )
            .hint("Ask single moments with AS OF."));
        }
        let mut streams = Vec::new();
        for life in &lives {
            streams.push(self.versions_of(life, &schema, period).await?);
        }
        let arrow = with_period(&schema);
        Ok((schema, arrow, stream::iter(streams).flatten().boxed()))
    }

    fn lives(&self, name: &TableName, period: Period) -> Result<Vec<Life>> {
        if let Some(gap) = self.gaps().iter().find(|g| g.from.seq <= period.to && g.until.seq > period.from) {
            return Err(gap.refused(self.cluster.name()));
        }
        if let Some(i) = self.uncertain_intervals().iter().find(|i| {
            i.table == *name && i.from.seq <= period.to && i.until.is_none_or(|until| until.seq > period.from)
        }) {
            let until = i.until.map_or("on".to_string(), |u| format!("to {} (seq {})", u.time, u.seq));
            let text = format!(
                "the history of table {name} is uncertain from {} (seq {}) {until}: {}",
                i.from.time, i.from.seq, i.why
            );
            return Err(Error::new(Kind::Uncertain, text).hint("Ask a period that ends before it or begins after it."));
        }
        let mut lives: Vec<Life> = Vec::new();
        for (id, begin, _) in self.versions.bearers(name, period.from, period.to) {
            if lives.iter().any(|l| l.id == id) {
                continue;
            }
            let at = begin.max(period.from);
            let since = self.versions.certain_since(id, at).unwrap_or(begin);
            let end = self.versions.certain_until(id, at).map(|(seq, _)| seq).filter(|s| *s <= self.latest().seq);
            lives.push(Life { id, since, end });
        }
        Ok(lives)
    }

    async fn versions_of(
        &self,
        life: &Life,
        schema: &Arc<TableSchema>,
        period: Period,
    ) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let first = self.manifest_base(life);
        // the commit that made the table may hold rows of it
        let after = first.map_or_else(|| life.since.before(), |b| b.seq);
        let upto = life.end.map_or(self.latest().seq, |end| Seq(end.0 - 1));
        let changes = self.changes(life.id, after, upto).await?;
        let encoder = Encoder::new(schema)?;
        let mut firsts = Ends::new();
        let derived = self.derived(life.id, after, upto).await?;
        let mut versions = sort_versions(&encoder, &changes, after, &derived, &mut firsts)?;
        let by_keys = versions.pop().unwrap_or_default();
        let mut batches = Vec::new();
        for (section, picked) in changes.iter().zip(versions) {
            let whole =
                |rows: &RecordBatch| conform::batch(schema, &section.columns, &rows.columns()[3..], rows.num_rows());
            batches.extend(self.change_versions(&section.batch, whole, picked, schema, life, period)?);
        }
        if !by_keys.is_empty() {
            let lives: Vec<&Live> = derived.all().filter_map(|(_, _, live)| live).collect();
            let rows = derived.rows(self, schema, &lives).await?;
            batches.extend(self.change_versions(&rows, |rows| Ok(rows.clone()), by_keys, schema, life, period)?);
        }
        let changed = stream::iter(batches.into_iter().map(Ok));
        let Some(base) = first.filter(|b| b.seq <= period.to) else { return Ok(changed.boxed()) };
        let task = BaseVersions {
            start: self.moment(base.seq)?.time,
            ends: firsts.iter().map(|(k, s)| Ok((k.clone(), (*s, self.moment(*s)?.time)))).collect::<Result<_>>()?,
            life_end: life.end.map(|s| self.moment(s).map(|m| (s, m.time))).transpose()?,
            encoder: Arc::new(encoder),
            from: period.from,
        };
        Ok(base_versions(self.cluster.clone(), base.clone(), Arc::new(task)).chain(changed).boxed())
    }

    /// The oldest base of the life's unbroken history.
    fn manifest_base(&self, life: &Life) -> Option<&Base> {
        let bases = self.manifest.bases.iter();
        bases.filter(|b| b.table == life.id && b.seq >= life.since).min_by_key(|b| b.seq)
    }

    /// `whole`: makes rows of the table's schema of those that were taken out of `from`.
    fn change_versions(
        &self,
        from: &RecordBatch,
        whole: impl Fn(&RecordBatch) -> Result<RecordBatch>,
        picked: Vec<Version>,
        schema: &TableSchema,
        life: &Life,
        period: Period,
    ) -> Result<Option<RecordBatch>> {
        let (mut rows, mut starts, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        for (row, begin, end) in picked {
            let end = end.or(life.end);
            if begin > period.to || end.is_some_and(|end| end <= period.from) {
                continue;
            }
            rows.push(row);
            starts.push(self.moment(begin)?.time.0);
            ends.push(end.map(|s| self.moment(s)).transpose()?.map_or(END_OF_TIME, |m| m.time).0);
        }
        if rows.is_empty() {
            return Ok(None);
        }
        let taken = take_record_batch(from, &UInt64Array::from(rows))
            .map_err(|e| Error::internal(format!("taking rows: {e}")))?;
        append_period(schema, &whole(&taken)?, starts, ends).map(Some)
    }
}

/// Of each section the rows that are versions, as (row, first seq, the next version's seq), and last of all those that
/// foreign keys made (as positions among the derived rows); and of each changed key its first change.
fn sort_versions(
    encoder: &Encoder,
    changes: &[Changes],
    after: Seq,
    derived: &Derived,
    firsts: &mut Ends,
) -> Result<Vec<Vec<Version>>> {
    let mut by_key: HashMap<Box<[u8]>, Vec<Raw>> = HashMap::new();
    for (n, section) in changes.iter().enumerate() {
        same_key(&encoder.schema, section)?;
        let (seqs, ops) = (section.seqs()?, section.ops()?);
        let keys = encoder.keys(&section.columns, &section.batch.columns()[3..], section.batch.num_rows())?;
        for (row, key) in keys.iter().enumerate() {
            let seq = seqs.value(row);
            if seq > after.0 && seq <= section.upto.0 {
                let deleted = ops.value(row) == Op::Delete as u8;
                by_key.entry(key.as_ref().into()).or_default().push((seq, n, row as u64, deleted));
            }
        }
    }
    let mut row = 0;
    for (key, seq, live) in derived.all() {
        if seq > after {
            by_key.entry(key.clone()).or_default().push((seq.0, changes.len(), row, live.is_none()));
        }
        row += u64::from(live.is_some());
    }
    let mut out = vec![Vec::new(); changes.len() + 1];
    for (key, mut versions) in by_key {
        versions.sort_unstable_by_key(|(seq, section, row, _)| (*seq, *section, *row));
        // of several versions in one commit the last stands
        versions.reverse();
        versions.dedup_by_key(|(seq, ..)| *seq);
        versions.reverse();
        firsts.insert(key, Seq(versions[0].0));
        for (i, (seq, section, row, deleted)) in versions.iter().enumerate() {
            if !deleted {
                out[*section].push((*row, Seq(*seq), versions.get(i + 1).map(|v| Seq(v.0))));
            }
        }
    }
    for rows in &mut out {
        rows.sort_unstable();
    }
    Ok(out)
}

/// What is needed to date the rows of a base.
struct BaseVersions {
    start: Micros,
    /// The first change of each changed key.
    ends: HashMap<Box<[u8]>, (Seq, Micros)>,
    life_end: Option<(Seq, Micros)>,
    encoder: Arc<Encoder>,
    from: Seq,
}

fn base_versions(cluster: Cluster, base: Base, task: Arc<BaseVersions>) -> BoxStream<'static, Result<RecordBatch>> {
    let schema = base.schema.clone();
    let ids: Arc<Vec<ColumnId>> = Arc::new(schema.columns.iter().map(|c| c.id).collect());
    stream::iter(base.files)
        .flat_map(move |file| {
            let (task, ids, all) = (task.clone(), ids.clone(), (0..schema.columns.len()).collect());
            cluster.base_rows(&file, all, 16_384).map(move |batch| dated(&task, &ids, &batch?))
        })
        .boxed()
}

fn dated(task: &BaseVersions, ids: &[ColumnId], batch: &RecordBatch) -> Result<RecordBatch> {
    let keys = task.encoder.keys(ids, batch.columns(), batch.num_rows())?;
    let (mut rows, mut ends) = (Vec::new(), Vec::new());
    for (row, key) in keys.iter().enumerate() {
        let end = task.ends.get(key.as_ref()).copied().or(task.life_end);
        if end.is_none_or(|(seq, _)| seq > task.from) {
            rows.push(row as u64);
            ends.push(end.map_or(END_OF_TIME, |(_, time)| time).0);
        }
    }
    let n = rows.len();
    let taken =
        take_record_batch(batch, &UInt64Array::from(rows)).map_err(|e| Error::internal(format!("taking rows: {e}")))?;
    let schema = &task.encoder.schema;
    append_period(schema, &conform::batch(schema, ids, taken.columns(), n)?, vec![task.start.0; n], ends)
}

fn with_period(schema: &TableSchema) -> SchemaRef {
    let time = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let mut fields = schema.arrow().fields().to_vec();
    fields.extend(["row_start", "row_end"].map(|n| Arc::new(Field::new(n, time(), false))));
    Arc::new(Schema::new(fields))
}

fn append_period(schema: &TableSchema, batch: &RecordBatch, starts: Vec<i64>, ends: Vec<i64>) -> Result<RecordBatch> {
    let utc = |v| Arc::new(TimestampMicrosecondArray::from(v).with_timezone("UTC")) as ArrayRef;
    let mut columns = batch.columns().to_vec();
    columns.extend([utc(starts), utc(ends)]);
    RecordBatch::try_new(with_period(schema), columns)
        .map_err(|e| Error::internal(format!("history of {}: {e}", schema.name)))
}
