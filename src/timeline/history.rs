//! Which versions did the rows of a table have, and when did each begin and end?
//!
//! A version begins with the commit that wrote it (the rows of the first base: with the base) and ends with the
//! commit that replaced or deleted it, with the table, or not at all.
//!
//! Of equal rows of a table without a primary key nothing tells which one a commit deleted: the oldest is taken. So
//! the deletions of a row end its copies in the order in which these began, those of the base first. What one commit
//! both adds and takes away is nothing.

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
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex};

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

/// Of each changed key, the commits that end the base's rows (of a table with a primary key it has one at most).
type Ends = HashMap<Box<[u8]>, VecDeque<Seq>>;
/// A change's row, the commit that wrote it, and the one that ended it.
type Version = (u64, Seq, Option<Seq>);
/// A change before it is sorted: seq, section, row, and whether it deletes.
type Raw = (u64, usize, u64, bool);
type ByKey = HashMap<Box<[u8]>, Vec<Raw>>;
type Times = HashMap<Seq, Micros>;

/// By row: when, in which section and at which place its copies began.
type Copies = HashMap<Box<[u8]>, Vec<(Seq, usize, u64)>>;

/// The versions that changes began.
enum Begun {
    /// Of each section.
    Known(Vec<Vec<Version>>),
    /// Of each row of a table without a primary key when and where its copies began: which deletions are theirs is
    /// known when the base's rows had theirs.
    Copies(Copies),
}

impl Timeline {
    /// Every version of the rows of the tables that bore this name in the period, under the schema that the name had
    /// at its end (or last before). Batches hold the table's columns, then `row_start` and `row_end`, Timestamp(µs, "UTC").
    /// Errors: `UnknownTable`; `Uncertain` when a part of the period is, or is lost.
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
        let mut streams = Vec::new();
        for life in &lives {
            streams.push(self.versions_of(life, &schema, period).await?);
        }
        let arrow = with_period(&schema);
        Ok((schema, arrow, stream::iter(streams).flatten().boxed()))
    }

    fn lives(&self, name: &TableName, period: Period) -> Result<Vec<Life>> {
        if period.from < self.first().seq {
            let text = format!("the history of table {name} before {} is not kept any more", self.first().time);
            return Err(Error::new(Kind::OutOfRange, text).hint("Ask a period from then on; AS OF asks single states."));
        }
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
        let derived = self.derived(life.id, after, upto).await?;
        if !schema.has_key() && derived.all().next().is_some() {
            let text = format!("table {} has no primary key, and foreign keys changed its rows", schema.name);
            return Err(Error::new(Kind::Unsupported, text).hint("Ask single moments with AS OF."));
        }
        let by_key = by_key(&encoder, &changes, &derived, after)?;
        let made: Vec<&Live> = derived.all().filter_map(|(_, _, live)| live).collect();
        let made = if made.is_empty() { None } else { Some(derived.rows(self, schema, &made).await?) };
        let seqs: BTreeSet<u64> =
            by_key.values().flatten().map(|(seq, ..)| *seq).chain(life.end.map(|s| s.0)).collect();
        let times = seqs.into_iter().map(|s| Ok((Seq(s), self.moment(Seq(s))?.time))).collect::<Result<Times>>()?;
        let (ends, begun) = if schema.has_key() { by_version(by_key, changes.len() + 1) } else { by_copy(by_key) };
        let start = first.map(|b| self.moment(b.seq)).transpose()?.map_or(Micros(0), |m| m.time);
        let task = Arc::new(Task { encoder, start, end: life.end, period, times, ends: Mutex::new(ends) });
        let base = match first {
            Some(base) => base_versions(self.cluster.clone(), base.clone(), task.clone()),
            None => stream::empty().boxed(),
        };
        let changed = stream::once(async move {
            let versions = match begun {
                Begun::Known(versions) => versions,
                Begun::Copies(copies) => task.ended(copies, changes.len() + 1)?,
            };
            let mut batches = Vec::new();
            for (n, picked) in versions.into_iter().enumerate() {
                let batch = match (changes.get(n), &made) {
                    (Some(section), _) => task.change_versions(&section.batch, Some(&section.columns), picked)?,
                    (None, Some(made)) => task.change_versions(made, None, picked)?,
                    (None, None) => None,
                };
                batches.extend(batch.map(Ok));
            }
            Ok::<_, Error>(stream::iter(batches))
        });
        Ok(base.chain(changed.try_flatten()).boxed())
    }

    /// The base with which the life's unbroken history begins, if it does not begin with a commit.
    fn manifest_base(&self, life: &Life) -> Option<&Base> {
        self.manifest.bases.iter().find(|b| b.table == life.id && b.seq == life.since)
    }
}

/// The changes of each key, in no order; those that foreign keys made stand behind the last section, their rows as positions among
/// the derived ones. Errors: `Corrupt`.
fn by_key(encoder: &Encoder, changes: &[Changes], derived: &Derived, after: Seq) -> Result<ByKey> {
    let mut by_key = ByKey::new();
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
    Ok(by_key)
}

/// Of a table with a primary key: a version ends with the next change of its key.
fn by_version(by_key: ByKey, sections: usize) -> (Ends, Begun) {
    let mut ends = Ends::new();
    let mut out = vec![Vec::new(); sections];
    for (key, mut versions) in by_key {
        versions.sort_unstable_by_key(|(seq, section, row, _)| (*seq, *section, *row));
        // of several versions in one commit the last stands
        versions.reverse();
        versions.dedup_by_key(|(seq, ..)| *seq);
        versions.reverse();
        ends.insert(key, VecDeque::from([Seq(versions[0].0)]));
        for (i, (seq, section, row, deleted)) in versions.iter().enumerate() {
            if !deleted {
                out[*section].push((*row, Seq(*seq), versions.get(i + 1).map(|v| Seq(v.0))));
            }
        }
    }
    out.iter_mut().for_each(|rows| rows.sort_unstable());
    (ends, Begun::Known(out))
}

/// Of a table without one: how many equal rows each commit added or took away.
fn by_copy(by_key: ByKey) -> (Ends, Begun) {
    let mut ends = Ends::new();
    let mut begun = HashMap::new();
    for (key, mut changes) in by_key {
        changes.sort_unstable_by_key(|(seq, section, row, _)| (*seq, *section, *row));
        let (mut closed, mut opened) = (VecDeque::new(), Vec::new());
        for commit in changes.chunk_by(|a, b| a.0 == b.0) {
            let seq = Seq(commit[0].0);
            let (gone, new): (Vec<&Raw>, Vec<&Raw>) = commit.iter().partition(|(.., deleted)| *deleted);
            closed.extend(std::iter::repeat_n(seq, gone.len().saturating_sub(new.len())));
            opened.extend(new.iter().skip(gone.len()).map(|(_, section, row, _)| (seq, *section, *row)));
        }
        ends.insert(key.clone(), closed);
        begun.insert(key, opened);
    }
    (ends, Begun::Copies(begun))
}

/// What is needed to date rows.
struct Task {
    encoder: Encoder,
    /// When the base was.
    start: Micros,
    /// The commit that ended the table.
    end: Option<Seq>,
    period: Period,
    times: Times,
    ends: Mutex<Ends>,
}

impl Task {
    fn time(&self, seq: Seq) -> Result<Micros> {
        self.times.get(&seq).copied().ok_or_else(|| Error::internal(format!("commit {seq} has no time here")))
    }

    /// When a version ended, and whether the period has any of it.
    fn ended_at(&self, end: Option<Seq>) -> Result<(bool, Micros)> {
        let end = end.or(self.end);
        let time = end.map(|seq| self.time(seq)).transpose()?.unwrap_or(END_OF_TIME);
        Ok((end.is_none_or(|seq| seq > self.period.from), time))
    }

    /// The copies with the deletions that the base's rows left over.
    fn ended(&self, copies: Copies, sections: usize) -> Result<Vec<Vec<Version>>> {
        let mut ends = self.ends.lock().unwrap_or_else(|e| e.into_inner());
        let mut out = vec![Vec::new(); sections];
        for (key, opened) in copies {
            let mut closed = ends.remove(&key).unwrap_or_default();
            for (begin, section, row) in opened {
                let end = closed.pop_front();
                if end.is_some_and(|end| end <= begin) {
                    return Err(self.never_there());
                }
                out[section].push((row, begin, end));
            }
            if !closed.is_empty() {
                return Err(self.never_there());
            }
        }
        out.iter_mut().for_each(|rows| rows.sort_unstable());
        Ok(out)
    }

    fn never_there(&self) -> Error {
        let table = format!("the history of table {}", self.encoder.schema.name);
        Error::corrupt(table, "rows were deleted that were never there")
    }

    /// The picked rows of a batch: of a section with these columns, or whole rows already.
    fn change_versions(
        &self,
        from: &RecordBatch,
        columns: Option<&[ColumnId]>,
        picked: Vec<Version>,
    ) -> Result<Option<RecordBatch>> {
        let (mut rows, mut starts, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        for (row, begin, end) in picked {
            let (within, time) = self.ended_at(end)?;
            if within && begin <= self.period.to {
                rows.push(row);
                starts.push(self.time(begin)?.0);
                ends.push(time.0);
            }
        }
        if rows.is_empty() {
            return Ok(None);
        }
        let taken = take_record_batch(from, &UInt64Array::from(rows))
            .map_err(|e| Error::internal(format!("taking rows: {e}")))?;
        let schema = &self.encoder.schema;
        let batch = match columns {
            Some(columns) => conform::batch(schema, columns, &taken.columns()[3..], taken.num_rows())?,
            None => taken,
        };
        append_period(schema, &batch, starts, ends).map(Some)
    }

    fn dated(&self, ids: &[ColumnId], batch: &RecordBatch) -> Result<RecordBatch> {
        let keys = self.encoder.keys(ids, batch.columns(), batch.num_rows())?;
        let (mut rows, mut ends) = (Vec::new(), Vec::new());
        {
            let mut changed = self.ends.lock().unwrap_or_else(|e| e.into_inner());
            for (row, key) in keys.iter().enumerate() {
                let (within, time) = self.ended_at(changed.get_mut(key.as_ref()).and_then(VecDeque::pop_front))?;
                if within {
                    rows.push(row as u64);
                    ends.push(time.0);
                }
            }
        }
        let n = rows.len();
        let taken = take_record_batch(batch, &UInt64Array::from(rows))
            .map_err(|e| Error::internal(format!("taking rows: {e}")))?;
        let schema = &self.encoder.schema;
        append_period(schema, &conform::batch(schema, ids, taken.columns(), n)?, vec![self.start.0; n], ends)
    }
}

fn base_versions(cluster: Cluster, base: Base, task: Arc<Task>) -> BoxStream<'static, Result<RecordBatch>> {
    let schema = base.schema.clone();
    let ids: Arc<Vec<ColumnId>> = Arc::new(schema.columns.iter().map(|c| c.id).collect());
    stream::iter(base.files)
        .flat_map(move |file| {
            let (task, ids, all) = (task.clone(), ids.clone(), (0..schema.columns.len()).collect());
            cluster.base_rows(&file, all, 16_384).map(move |batch| task.dated(&ids, &batch?))
        })
        .boxed()
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
