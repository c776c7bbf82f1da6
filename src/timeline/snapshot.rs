//! Which rows of which files stand at a moment?
//!
//! Versions are resolved from keys first. The changes after the table's base are read, up to the moment; the newest
//! version of each key wins. A base row stands unless its key has a change; a change stands if it won and did not
//! delete. What comes out is a selection of rows per base file, and the winning rows of the changes: from there on
//! everything is an ordinary scan. Nothing but the key may take part in this: any other filter could keep an old
//! version of a row alive after its newest stopped matching.
//!
//! What foreign keys' actions changed is in no change; it is derived (`cascade/`) and has its place among the others.
//!
//! A table without a primary key is a multiset. Its changes add and take away equal rows, so their sum per row
//! tells how many of the base's equal rows no longer stand (any of them: they are equal), or how many more there are.

use super::cascade::{Derived, Live};
use super::rows::Changes;
use super::{Timeline, conform};
use crate::archive::{Base, BaseFile, KeyEncoder};
use crate::error::{Error, Kind, Result};
use crate::model::{ColumnId, Op, Seq, TableId, TableSchema};
use arrow::array::{RecordBatch, UInt64Array};
use arrow::compute::take_record_batch;
use futures::StreamExt;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

const KEY_BATCH_ROWS: usize = 65_536;

/// The rows of one table at one seq.
#[derive(Debug, Clone)]
pub struct TableSnapshot {
    pub schema: Arc<TableSchema>,
    pub seq: Seq,
    pub base: Vec<BasePart>,
    /// Rows that came after the base, in the table's Arrow schema.
    pub changes: Vec<RecordBatch>,
    /// Exactly how many rows there are in all.
    pub rows: u64,
}

/// A base file and which of its rows stand.
#[derive(Debug, Clone)]
pub struct BasePart {
    pub file: BaseFile,
    /// The file's schema: the table's at its base. Columns are matched by id.
    pub schema: Arc<TableSchema>,
    /// Rows that stand, as ascending ranges of row numbers; `None`: all.
    pub keep: Option<Vec<Range<u64>>>,
}

impl BasePart {
    /// How many of its rows stand.
    pub fn rows(&self) -> u64 {
        self.keep.as_ref().map_or(self.file.rows, |keep| keep.iter().map(|r| r.end - r.start).sum())
    }
}

/// What the changes say of one key.
struct Verdict {
    /// Of a keyed table: the newest version.
    seq: u64,
    /// Which of the changes, and which row there; it stands if `rows` is positive.
    section: u32,
    row: u32,
    /// Keyed: 1 (stands) or 0 (deleted). Keyless: rows added less rows taken away.
    rows: i64,
}

type Verdicts = HashMap<Box<[u8]>, Verdict>;

impl Timeline {
    /// Resolves a table's rows at a seq.
    /// Errors: `UnknownTable`, `Uncertain`, `Limit` (too many changes since the base), `Corrupt`.
    pub async fn snapshot(&self, id: TableId, seq: Seq) -> Result<TableSnapshot> {
        let schema = self.certain(id, seq)?;
        if let Some(kept) = self.kept_at(seq) {
            let base = kept.bases.get(&id).ok_or_else(|| self.no_base(&schema))?;
            let part = |f: &BaseFile| BasePart { file: f.clone(), schema: base.schema.clone(), keep: None };
            let parts = base.files.iter().map(part).collect();
            return Ok(TableSnapshot { schema, seq, base: parts, changes: Vec::new(), rows: base.rows() });
        }
        let start = self.first().seq;
        let since = self.versions.certain_since(id, seq).unwrap_or(start);
        let base = self.base(id, since, seq);
        if base.is_none() && since == start {
            return Err(self.no_base(&schema));
        }
        // the commit that made the table may hold rows of it (CREATE TABLE … SELECT)
        let after = base.map_or_else(|| since.before(), |b| b.seq);
        let changes = self.changes(id, after, seq).await?;
        let encoder = Encoder::new(&schema)?;
        let mut verdicts = newest(&encoder, &changes, after)?;
        let derived = self.derived(id, after, seq).await?;
        let rows = overrule(&mut verdicts, &derived, after);
        let mut winners = winners(&verdicts, &schema, &changes)?;
        if !rows.is_empty() {
            winners.push(derived.rows(self, &schema, &rows).await?);
        }
        let mut parts = Vec::new();
        if let Some(base) = base {
            // of a keyed table every changed key hides its base row
            verdicts.retain(|_, v| schema.has_key() || v.rows < 0);
            for file in &base.files {
                let keep = self.standing(base, file, &encoder, &mut verdicts).await?;
                parts.push(BasePart { file: file.clone(), schema: base.schema.clone(), keep });
            }
        }
        if !schema.has_key() && verdicts.values().any(|v| v.rows < 0) {
            return Err(Error::corrupt(
                format!("the history of table {}", schema.name),
                format!("by seq {seq} rows were deleted that were never there"),
            ));
        }
        let rows =
            parts.iter().map(BasePart::rows).sum::<u64>() + winners.iter().map(|b| b.num_rows() as u64).sum::<u64>();
        Ok(TableSnapshot { schema, seq, base: parts, changes: winners, rows })
    }

    /// A base whose rows are exactly the table's at a seq, as the base of that seq; `None`: no base has just those.
    /// Errors: as of `snapshot`.
    pub async fn base_at(&self, id: TableId, seq: Seq) -> Result<Option<Base>> {
        let schema = self.certain(id, seq)?;
        if let Some(kept) = self.kept_at(seq) {
            return Ok(kept.bases.get(&id).cloned());
        }
        let since = self.versions.certain_since(id, seq).unwrap_or(seq);
        let base = self.base(id, since, seq);
        if let Some(base) = base.filter(|b| b.seq == seq) {
            return Ok(Some(base.clone()));
        }
        let snapshot = self.snapshot(id, seq).await?;
        let whole = snapshot.changes.is_empty() && snapshot.base.iter().all(|part| part.keep.is_none());
        Ok(match base {
            Some(base) if whole => Some(Base { seq, ..base.clone() }),
            None if snapshot.rows == 0 => {
                let sorted = schema.has_key();
                Some(Base { table: id, seq, schema, files: Vec::new(), sorted })
            }
            _ => None,
        })
    }

    fn no_base(&self, schema: &TableSchema) -> Error {
        let lists = format!("the lists of cluster {}", self.cluster.name());
        Error::corrupt(lists, format!("they have no base of table {}", schema.name))
    }

    /// The table's schema at a seq, if its rows are certain then.
    pub(super) fn certain(&self, id: TableId, seq: Seq) -> Result<Arc<TableSchema>> {
        let catalog = self.catalog_at(seq)?;
        let schema = catalog
            .tables
            .get(&id)
            .ok_or_else(|| Error::new(Kind::UnknownTable, format!("table {id} does not exist at seq {seq}")))?;
        match catalog.uncertain.get(&id) {
            Some(why) => Err(self.uncertain_error(id, &schema.name, seq, why)),
            None => Ok(schema.clone()),
        }
    }

    /// Which rows of a base file no change has replaced or removed; uses up the verdicts of a keyless table.
    async fn standing(
        &self,
        base: &Base,
        file: &BaseFile,
        encoder: &Encoder,
        verdicts: &mut Verdicts,
    ) -> Result<Option<Vec<Range<u64>>>> {
        if verdicts.is_empty() {
            return Ok(None);
        }
        let (positions, ids) = encoder.in_file(&base.schema);
        let mut batches = self.cluster.base_rows(file, positions, KEY_BATCH_ROWS);
        let (mut keep, mut at): (Vec<Range<u64>>, u64) = (Vec::new(), 0);
        let keyed = encoder.schema.has_key();
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            let keys = encoder.keys(&ids, batch.columns(), batch.num_rows())?;
            for key in keys.iter() {
                let hidden = match verdicts.get_mut(key.as_ref()) {
                    None => false,
                    Some(_) if keyed => true,
                    Some(v) => {
                        let hidden = v.rows < 0;
                        v.rows += i64::from(hidden);
                        hidden
                    }
                };
                match keep.last_mut() {
                    _ if hidden => {}
                    Some(last) if last.end == at => last.end += 1,
                    _ => keep.push(at..at + 1),
                }
                at += 1;
            }
        }
        let all = matches!(keep.as_slice(), [range] if *range == (0..file.rows));
        Ok(if all { None } else { Some(keep) })
    }
}

/// Makes comparable bytes of a table's keys, whatever schema the rows were written under.
pub(super) struct Encoder {
    pub schema: Arc<TableSchema>,
    /// The key's columns: positions in `schema`.
    key: Vec<usize>,
    rows: KeyEncoder,
}

impl Encoder {
    pub fn new(schema: &Arc<TableSchema>) -> Result<Self> {
        let key = schema.key_columns();
        let types: Vec<_> = key.iter().map(|i| schema.columns[*i].kind.arrow()).collect();
        Ok(Self { schema: schema.clone(), rows: KeyEncoder::new(&types)?, key })
    }

    /// Where a base file of this schema holds the key's columns, and their identities.
    fn in_file(&self, file: &TableSchema) -> (Vec<usize>, Vec<ColumnId>) {
        let wanted: Vec<ColumnId> = self.key.iter().map(|i| self.schema.columns[*i].id).collect();
        file.columns.iter().enumerate().filter(|(_, c)| wanted.contains(&c.id)).map(|(i, c)| (i, c.id)).unzip()
    }

    pub fn keys(&self, ids: &[ColumnId], columns: &[arrow::array::ArrayRef], rows: usize) -> Result<arrow::row::Rows> {
        self.rows.encode(&conform::arrays(&self.schema, &self.key, ids, columns, rows)?)
    }
}

/// Refuses a section whose key is not the table's: a key changes only with a new base.
pub(super) fn same_key(schema: &TableSchema, changes: &Changes) -> Result<()> {
    let key: Vec<ColumnId> = schema.primary_key.iter().map(|i| schema.columns[*i].id).collect();
    if key == changes.key {
        return Ok(());
    }
    Err(Error::corrupt(changes.part, format!("its section of table {} has another key", schema.name)))
}

/// Reads the keys of all changes with a seq past `after`, and keeps for each key what stands.
fn newest(encoder: &Encoder, changes: &[Changes], after: Seq) -> Result<Verdicts> {
    let keyed = encoder.schema.has_key();
    let mut verdicts = Verdicts::new();
    for (n, section) in changes.iter().enumerate() {
        same_key(&encoder.schema, section)?;
        let (seqs, ops) = (section.seqs()?, section.ops()?);
        let batch = &section.batch;
        let keys = encoder.keys(&section.columns, &batch.columns()[3..], batch.num_rows())?;
        for (row, key) in keys.iter().enumerate() {
            let seq = seqs.value(row);
            if seq <= after.0 || seq > section.upto.0 {
                continue;
            }
            let deleted = ops.value(row) == Op::Delete as u8;
            let here = Verdict { seq, section: n as u32, row: row as u32, rows: i64::from(!deleted) };
            match verdicts.get_mut(key.as_ref()) {
                None => drop(verdicts.insert(
                    key.as_ref().into(),
                    Verdict { rows: if keyed || !deleted { here.rows } else { -1 }, ..here },
                )),
                // sections come in log order, so of equal seqs the later one stands
                Some(v) if keyed && seq >= v.seq => *v = here,
                Some(_) if keyed => {}
                Some(v) => v.rows += if deleted { -1 } else { 1 },
            }
        }
    }
    Ok(verdicts)
}

/// Where foreign keys changed a row after its newest logged change, theirs counts. Returns the rows that they left.
fn overrule<'a>(verdicts: &mut Verdicts, derived: &'a Derived, after: Seq) -> Vec<&'a Live> {
    let mut rows = Vec::new();
    for (key, seq, live) in derived.last().filter(|(_, seq, _)| *seq > after) {
        if verdicts.get(key).is_none_or(|v| v.seq <= seq.0) {
            verdicts.insert(key.clone(), Verdict { seq: seq.0, section: 0, row: 0, rows: 0 });
            rows.extend(live);
        }
    }
    rows
}

/// The changes' rows that stand, under the table's schema, in log order.
fn winners(verdicts: &Verdicts, schema: &TableSchema, changes: &[Changes]) -> Result<Vec<RecordBatch>> {
    let mut rows: Vec<Vec<u64>> = vec![Vec::new(); changes.len()];
    for v in verdicts.values().filter(|v| v.rows > 0) {
        rows[v.section as usize].extend(std::iter::repeat_n(u64::from(v.row), v.rows as usize));
    }
    let mut out = Vec::new();
    for (section, mut rows) in changes.iter().zip(rows) {
        if rows.is_empty() {
            continue;
        }
        rows.sort_unstable();
        let taken = take_record_batch(&section.batch, &UInt64Array::from(rows))
            .map_err(|e| Error::internal(format!("taking rows: {e}")))?;
        out.push(conform::batch(schema, &section.columns, &taken.columns()[3..], taken.num_rows())?);
    }
    Ok(out)
}
