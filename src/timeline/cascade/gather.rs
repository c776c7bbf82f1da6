//! Which rows may be concerned? Found by a scan of the columns that foreign keys name; everything else stays on disk.

use super::graph::{Graph, Link};
use crate::archive::Base;
use crate::error::{Error, Kind, Result};
use crate::model::{
    Column, ColumnId, Op, Reference, Seq, TableId, TableName, TableSchema, Value, reference_bytes, value_at,
};
use crate::timeline::rows::Changes;
use crate::timeline::snapshot::{Encoder, same_key};
use crate::timeline::{Timeline, conform};
use arrow::array::{Array, ArrayRef, UInt8Array, UInt64Array};
use futures::StreamExt;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Rows that one answer may have to follow.
const MAX_ROWS: usize = 4_000_000;
const BATCH_ROWS: usize = 16_384;

pub type Key = Box<[u8]>;

/// What is to be looked for in one instance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Per slot: what rows refer to.
    pub references: Vec<HashSet<Vec<u8>>>,
    pub keys: HashSet<Key>,
}

/// Where a row's other columns are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    Base { file: usize, row: u64 },
    Change { section: usize, row: u64 },
}

/// A logged change of a row that may be concerned. `values`: `None` when it was deleted.
#[derive(Debug, Clone)]
pub struct Logged {
    pub seq: Seq,
    pub order: u64,
    pub section: usize,
    pub row: u64,
    pub values: Option<Vec<Value>>,
}

/// One table while its rows were certain without a break, from one base on.
pub struct Instance {
    pub table: TableId,
    pub base: Option<Base>,
    /// Its rows are those of the base at this seq.
    pub after: Seq,
    /// The last seq at which it counts.
    pub upto: Seq,
    /// Only the columns that matter: those of its key, those with which it refers, those to which others refer.
    pub schema: Arc<TableSchema>,
    pub encoder: Encoder,
    /// Positions of the columns with which it refers: one list per different foreign key.
    pub slots: Vec<Vec<usize>>,
    pub changes: Vec<Changes>,
    /// Rows of the base that may be concerned.
    pub rows: HashMap<Key, (Origin, Vec<Value>)>,
    pub logged: HashMap<Key, Vec<Logged>>,
}

/// A change of referenced columns, as captured.
#[derive(Debug, Clone)]
pub struct Fact {
    pub seq: Seq,
    pub order: u64,
    pub parent: TableId,
    pub old: Vec<(ColumnId, Value)>,
    /// `None`: the row was deleted.
    pub new: Option<Vec<(ColumnId, Value)>>,
}

impl Instance {
    pub fn covers(&self, seq: Seq) -> bool {
        self.after < seq && seq <= self.upto
    }

    pub fn ids(&self) -> impl Iterator<Item = ColumnId> {
        self.schema.columns.iter().map(|c| c.id)
    }

    /// The slot of a link's columns.
    pub fn slot(&self, link: &Link) -> Option<usize> {
        let positions = positions(&self.schema, link)?;
        self.slots.iter().position(|s| *s == positions)
    }

    /// What a row refers to by these columns.
    pub fn reference(&self, slot: usize, values: &[Value]) -> Referred {
        let columns = self.slots[slot].iter().map(|at| (&self.schema.columns[*at], &values[*at]));
        reference(columns)
    }

    /// The key of a row with these values.
    pub fn key(&self, values: &[Value]) -> Result<Key> {
        let columns = self.schema.columns.iter().zip(values);
        let arrays: Vec<ArrayRef> =
            columns.map(|(c, v)| crate::model::column_of(&c.kind, v, 1)).collect::<Result<_>>()?;
        let ids: Vec<ColumnId> = self.ids().collect();
        Ok(self.encoder.keys(&ids, &arrays, 1)?.row(0).as_ref().into())
    }

    /// These rows' values, in the order of the schema's columns.
    fn arrays(&self, ids: &[ColumnId], columns: &[ArrayRef], rows: usize) -> Result<Vec<ArrayRef>> {
        let all: Vec<usize> = (0..self.schema.columns.len()).collect();
        conform::arrays(&self.schema, &all, ids, columns, rows)
    }

    fn values(&self, arrays: &[ArrayRef], row: usize) -> Result<Vec<Value>> {
        arrays.iter().zip(&self.schema.columns).map(|(a, c)| value_at(a, row, &c.kind)).collect()
    }

    /// Errors: `Unsupported` where it is not known whether a row refers to what is wanted.
    fn wanted(&self, wanted: &Wanted, key: &[u8], values: &[Value]) -> Result<bool> {
        if wanted.keys.contains(key) {
            return Ok(true);
        }
        for (slot, references) in wanted.references.iter().enumerate().filter(|(_, r)| !r.is_empty()) {
            match self.reference(slot, values) {
                Referred::To(reference) if references.contains(&reference) => return Ok(true),
                Referred::Unknown => return Err(self.unknown_reference()),
                _ => {}
            }
        }
        Ok(false)
    }

    /// A text with other characters than ASCII, under a collation that takes some of them for equal.
    pub fn unknown_reference(&self) -> Error {
        Error::new(
            Kind::Unsupported,
            format!(
                "what foreign keys changed in table {} is not derived: they refer by texts with letters beyond ASCII, and \
                 which of those are equal is not known here",
                self.schema.name
            ),
        )
        .hint("A collation that ends in _bin for these columns makes it known; or ask a moment nearer to the table's base.")
    }

    /// Takes up every row that is wanted, with all its changes.
    pub async fn gather(&mut self, timeline: &Timeline, wanted: &mut Wanted) -> Result<()> {
        for section in &self.changes {
            let (ids, arrays, keys) = self.section(section)?;
            drop(ids);
            let ops = section.ops()?;
            for (row, key) in keys.iter().enumerate() {
                if ops.value(row) != Op::Delete as u8
                    && self.counts(section, row)?
                    && self.wanted(wanted, key.as_ref(), &self.values(&arrays, row)?)?
                {
                    wanted.keys.insert(key.as_ref().into());
                }
            }
        }
        self.rows = self.base_rows(timeline, wanted).await?;
        wanted.keys.extend(self.rows.keys().cloned());
        if wanted.keys.len() > MAX_ROWS {
            return Err(Error::new(
                Kind::Limit,
                format!("foreign keys may have changed more than {MAX_ROWS} rows of table {}", self.schema.name),
            )
            .hint("Ask a moment nearer to the table's base."));
        }
        self.logged = self.logged(wanted)?;
        Ok(())
    }

    fn section(&self, section: &Changes) -> Result<(Vec<ColumnId>, Vec<ArrayRef>, arrow::row::Rows)> {
        same_key(&self.schema, section)?;
        let rows = section.batch.num_rows();
        let arrays = self.arrays(&section.columns, &section.batch.columns()[3..], rows)?;
        let ids: Vec<ColumnId> = self.ids().collect();
        let keys = self.encoder.keys(&ids, &arrays, rows)?;
        Ok((ids, arrays, keys))
    }

    fn counts(&self, section: &Changes, row: usize) -> Result<bool> {
        let seq = Seq(section.seqs()?.value(row));
        Ok(seq > self.after && seq <= section.upto)
    }

    fn logged(&self, wanted: &Wanted) -> Result<HashMap<Key, Vec<Logged>>> {
        let mut logged: HashMap<Key, Vec<Logged>> = HashMap::new();
        for (n, section) in self.changes.iter().enumerate() {
            let (_, arrays, keys) = self.section(section)?;
            let (seqs, ops) = (section.seqs()?, section.ops()?);
            for (row, key) in keys.iter().enumerate() {
                if !self.counts(section, row)? || !wanted.keys.contains(key.as_ref()) {
                    continue;
                }
                let deleted = ops.value(row) == Op::Delete as u8;
                logged.entry(key.as_ref().into()).or_default().push(Logged {
                    seq: Seq(seqs.value(row)),
                    order: section.orders().map_or(0, |o| o.value(row)),
                    section: n,
                    row: row as u64,
                    values: if deleted { None } else { Some(self.values(&arrays, row)?) },
                });
            }
        }
        Ok(logged)
    }

    async fn base_rows(&self, timeline: &Timeline, wanted: &Wanted) -> Result<HashMap<Key, (Origin, Vec<Value>)>> {
        let mut found = HashMap::new();
        let Some(base) = &self.base else { return Ok(found) };
        let ids: Vec<ColumnId> = self.ids().collect();
        let columns = base.schema.columns.iter().enumerate().filter(|(_, c)| ids.contains(&c.id));
        let (positions, in_file): (Vec<usize>, Vec<ColumnId>) = columns.map(|(at, c)| (at, c.id)).unzip();
        for (n, file) in base.files.iter().enumerate() {
            let mut batches = timeline.cluster.base_rows(file, positions.clone(), BATCH_ROWS);
            let mut first = 0u64;
            while let Some(batch) = batches.next().await {
                let batch = batch?;
                let arrays = self.arrays(&in_file, batch.columns(), batch.num_rows())?;
                let keys = self.encoder.keys(&ids, &arrays, batch.num_rows())?;
                for (row, key) in keys.iter().enumerate() {
                    let values = self.values(&arrays, row)?;
                    if self.wanted(wanted, key.as_ref(), &values)? {
                        let origin = Origin::Base { file: n, row: first + row as u64 };
                        found.insert(key.as_ref().into(), (origin, values));
                    }
                }
                if found.len() > MAX_ROWS {
                    return Ok(found); // the caller says so
                }
                first += batch.num_rows() as u64;
            }
        }
        Ok(found)
    }
}

/// What a row refers to by some of its columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Referred {
    /// One of the columns is NULL.
    Nothing,
    /// Equal bytes are what the server takes for equal.
    To(Vec<u8>),
    Unknown,
}

pub fn reference<'a>(columns: impl Iterator<Item = (&'a Column, &'a Value)>) -> Referred {
    let (mut bytes, mut known) = (Vec::new(), true);
    for (column, value) in columns {
        match reference_bytes(&column.kind, column.collation.as_deref(), value, &mut bytes) {
            Reference::Nothing => return Referred::Nothing,
            Reference::Known => {}
            Reference::Unknown => known = false,
        }
    }
    if known { Referred::To(bytes) } else { Referred::Unknown }
}

fn positions(schema: &TableSchema, link: &Link) -> Option<Vec<usize>> {
    link.columns.iter().map(|(own, _)| schema.columns.iter().position(|c| c.id == *own)).collect()
}

impl Timeline {
    /// A table's rows to begin with, when its changes after `after` are needed: the seq of its newest base by then.
    pub(super) fn cascade_start(&self, id: TableId, after: Seq) -> Seq {
        let since = self.versions.certain_since(id, after).unwrap_or(after);
        self.base(id, since, after).map_or(since, |b| b.seq)
    }

    /// The instances of a table with foreign keys in `(after, upto]`.
    pub(super) async fn cascade_instances(
        &self,
        id: TableId,
        graph: &Graph,
        after: Seq,
        upto: Seq,
    ) -> Result<Vec<Instance>> {
        let mut instances: Vec<Instance> = Vec::new();
        let mut at = Some(after);
        while let Some(from) = at {
            let mut last = from;
            if self.versions.certain_since(id, from).is_some() {
                let end = self.versions.certain_until(id, from).map(|(seq, _)| Seq(seq.0 - 1));
                last = end.unwrap_or(Seq::MAX).min(upto);
                if last > from {
                    instances.push(self.cascade_instance(id, graph, from, last).await?);
                }
            }
            // where the next certain time begins
            let next = self.versions.spans().into_iter().filter(|s| s.table == id && s.from > last);
            at = next.map(|s| s.from).min().filter(|from| *from < upto);
        }
        Ok(instances)
    }

    async fn cascade_instance(&self, id: TableId, graph: &Graph, from: Seq, upto: Seq) -> Result<Instance> {
        let since = self.versions.certain_since(id, from).unwrap_or(from);
        let base = self.base(id, since, from).cloned();
        let after = base.as_ref().map_or(since, |b| b.seq);
        let spans = self.versions.spans();
        let span = spans.iter().find(|s| s.table == id && s.from <= upto && upto < s.until);
        let known =
            span.ok_or_else(|| Error::internal(format!("table {id} has no schema at seq {upto}")))?.schema.clone();
        let schema = Arc::new(concerned(&known, graph));
        let mut slots: Vec<Vec<usize>> =
            graph.links.iter().filter(|l| l.child == id).filter_map(|l| positions(&schema, l)).collect();
        slots.retain(|slot| !slot.is_empty());
        slots.sort();
        slots.dedup();
        Ok(Instance {
            table: id,
            after,
            upto,
            encoder: Encoder::new(&schema)?,
            schema,
            slots,
            changes: self.changes(id, after, upto).await?,
            base,
            rows: HashMap::new(),
            logged: HashMap::new(),
        })
    }

    /// What was captured of a parent's changes in `(after, upto]`.
    pub(super) async fn cascade_facts(&self, id: TableId, after: Seq, upto: Seq) -> Result<Vec<Fact>> {
        let mut facts = Vec::new();
        let all = self.replaced.get(&id).map(Vec::as_slice).unwrap_or_default();
        for r in all.iter().filter(|r| r.section.last.min(r.upto) > after && r.section.first <= upto) {
            let damaged = |why: &str| Error::corrupt(r.part, why);
            let read = self.cluster.replaced(r.part, &r.section);
            let batch = self.cached((r.part, r.section.offset), read).await?;
            let spans = self.versions.spans();
            let known = |id: &ColumnId| {
                let mut spans = spans.iter().filter(|s| s.table == r.section.table && s.from <= r.section.first).rev();
                spans.find_map(|s| s.schema.columns.iter().find(|c| c.id == *id).map(|c| c.kind.clone()))
            };
            let kinds: Option<Vec<_>> = r.section.columns.iter().map(known).collect();
            let kinds = kinds.ok_or_else(|| damaged("its replaced rows are of columns that are not known"))?;
            let number = |at: usize| batch.column(at).as_any().downcast_ref::<UInt64Array>();
            let ops = batch.column(2).as_any().downcast_ref::<UInt8Array>();
            let (Some(seqs), Some(orders), Some(ops)) = (number(0), number(1), ops) else {
                return Err(damaged("its replaced rows are not what they must be"));
            };
            let n = r.section.columns.len();
            for row in 0..batch.num_rows() {
                let seq = Seq(seqs.value(row));
                if seq <= after || seq > upto.min(r.upto) {
                    continue;
                }
                let side = |first: usize| {
                    let columns = batch.columns()[first..first + n].iter().zip(&kinds);
                    let values = columns.map(|(array, kind)| value_at(array, row, kind)).collect::<Result<Vec<_>>>()?;
                    Ok::<_, Error>(r.section.columns.iter().copied().zip(values).collect::<Vec<_>>())
                };
                let new = if ops.value(row) == Op::Delete as u8 { None } else { Some(side(3 + n)?) };
                facts.push(Fact { seq, order: orders.value(row), parent: id, old: side(3)?, new });
            }
            if facts.len() > 2 * MAX_ROWS {
                return Err(Error::new(
                    Kind::Limit,
                    format!("more than {} changes of table {id} concern foreign keys of others", 2 * MAX_ROWS),
                )
                .hint("Ask a moment nearer to the table's base."));
            }
        }
        Ok(facts)
    }
}

/// The table with only the columns that matter.
fn concerned(known: &TableSchema, graph: &Graph) -> TableSchema {
    let mut columns: Vec<Column> = known.primary_key.iter().map(|at| known.columns[*at].clone()).collect();
    let primary_key = (0..columns.len()).collect();
    let mut add = |schema: &TableSchema, id: ColumnId| {
        if columns.iter().all(|c| c.id != id) {
            let of = |t: &TableSchema| t.columns.iter().find(|c| c.id == id).cloned();
            columns.extend(of(known).or_else(|| of(schema)));
        }
    };
    for link in &graph.links {
        for (own, other) in &link.columns {
            if link.child == known.id {
                add(&link.child_schema, *own);
            }
            if link.parent == known.id {
                add(&link.parent_schema, *other);
            }
        }
    }
    TableSchema {
        columns,
        primary_key,
        name: TableName::clone(&known.name),
        create: String::new(),
        foreign_keys: Vec::new(),
        ..*known
    }
}
