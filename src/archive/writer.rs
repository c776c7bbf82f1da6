//! How do changes become a segment? Rows are gathered per table in the order in which they come; the end sorts them by
//! key and seq, keeps of each key's changes within one commit the last, and links each version to the next.

use super::key::KeyEncoder;
use super::replaced::GatheredReplaced;
use super::segment::{Commit, FOOT, Footer, Gap, HEAD, SchemaEntry, Section, Uneventful};
use crate::error::{Error, Kind, Result};
use crate::model::{
    Bookmark, Change, ColumnId, Micros, Op, Row, RowsBuilder, Seq, TableId, TableSchema, Value, stream_of,
};
use arrow::array::{ArrayRef, RecordBatch, UInt8Array, UInt32Array, UInt64Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{IpcWriteOptions, StreamWriter};
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::Arc;

/// Arrow counts a text column's bytes in 31 bits.
const SECTION_BYTES: usize = i32::MAX as usize;
/// Rows of one Arrow batch.
const BATCH_ROWS: usize = 65_536;
/// Level 3: about the default's ratio, at a cost that capture does not feel.
const FOOTER_ZSTD_LEVEL: i32 = 3;

/// A segment ready to be put.
#[derive(Debug, Clone)]
pub struct FinishedSegment {
    pub footer: Footer,
    /// The whole object.
    pub bytes: Bytes,
}

/// Gathers consecutive commits. Per commit: its changes and schema entries in any order, then `commit`.
/// After an error the writer is not to be used further.
#[derive(Debug)]
pub struct SegmentWriter {
    number: u64,
    sections: Vec<Gathered>,
    replaced: Vec<GatheredReplaced>,
    /// The section that a table's rows go to now: a position in `sections`.
    current: HashMap<TableId, usize>,
    commits: Vec<Commit>,
    schema: Vec<SchemaEntry>,
    open: Option<Seq>,
    covers: Option<Micros>,
    gaps: Vec<Gap>,
    uneventful: Vec<Uneventful>,
    rows: u64,
}

impl SegmentWriter {
    /// `number`: of the segment that this becomes.
    pub fn new(number: u64) -> Self {
        Self {
            number,
            sections: Vec::new(),
            replaced: Vec::new(),
            current: HashMap::new(),
            commits: Vec::new(),
            schema: Vec::new(),
            open: None,
            covers: None,
            gaps: Vec::new(),
            uneventful: Vec::new(),
            rows: 0,
        }
    }

    /// Adds a change of transaction `seq`, which is the one after the last commit. `table`: its schema at that point.
    /// Errors: `Limit` when the table's rows pass 2 GiB (finish with what is there, and start another),
    /// `Internal` when `seq` is another or the row does not fit the schema.
    pub fn change(&mut self, seq: Seq, table: &Arc<TableSchema>, change: &Change) -> Result<()> {
        self.change_in_order(seq, table, change, None)
    }

    /// As `change`. `order`: of a table whose rows foreign keys change, the change's place among all of its transaction.
    pub fn change_in_order(
        &mut self,
        seq: Seq,
        table: &Arc<TableSchema>,
        change: &Change,
        order: Option<u64>,
    ) -> Result<()> {
        self.belongs(seq)?;
        let section = self.section(table, order.is_some());
        section.order = order;
        let added = match change {
            Change::Insert(row) => section.push(seq, Op::Insert, row).map(|()| 1),
            Change::Delete(row) => section.delete(seq, row).map(|()| 1),
            Change::Update { before, after } if section.same_key(before, after)? => {
                section.push(seq, Op::Update, after).map(|()| 1)
            }
            Change::Update { before, after } => {
                section.delete(seq, before).and_then(|()| section.push(seq, Op::Insert, after)).map(|()| 2)
            }
        };
        self.rows += added.map_err(|e: Error| e.context(&table.name))?;
        Ok(())
    }

    /// Tells what a change did to the columns (positions) that foreign keys refer to, when the server did along with it
    /// what these demand. `order`: as of `change_in_order`. An insert does nothing to them.
    pub fn replaced(
        &mut self,
        seq: Seq,
        table: &Arc<TableSchema>,
        columns: &[usize],
        change: &Change,
        order: u64,
    ) -> Result<()> {
        self.belongs(seq)?;
        let (before, after) = match change {
            Change::Insert(_) => return Ok(()),
            Change::Update { before, after } => (before, Some(after.as_slice())),
            Change::Delete(row) => (row, None),
        };
        let at = match self.replaced.iter().rposition(|r| r.table() == table.id) {
            Some(at) if self.replaced[at].fits(table, columns) => at,
            _ => {
                self.replaced.push(GatheredReplaced::new(table, columns));
                self.replaced.len() - 1
            }
        };
        self.replaced[at].push(seq, order, before, after).map_err(|e| e.context(&table.name))
    }

    /// Adds what transaction `entry.seq` did to the catalog. Errors: `Internal` when that is not the open one.
    pub fn schema(&mut self, entry: SchemaEntry) -> Result<()> {
        self.belongs(entry.seq)?;
        self.schema.push(entry);
        Ok(())
    }

    /// Ends the open transaction. Errors: `Internal` when `commit.seq` is not its seq.
    pub fn commit(&mut self, commit: Commit) -> Result<()> {
        self.belongs(commit.seq)?;
        self.open = None;
        self.commits.push(commit);
        Ok(())
    }

    /// Notes that the source had no further commits when it was asked at `time`: see `Footer::covers`.
    pub fn covers(&mut self, time: Micros) {
        self.covers = Some(time);
    }

    /// Notes that the commit of this seq, which was added, stands for lost changes.
    pub fn gap(&mut self, gap: Gap) {
        self.gaps.push(gap);
    }

    /// Notes a transaction that held nothing that is kept: see `Footer::uneventful`.
    pub fn uneventful(&mut self, it: Uneventful) {
        note(&mut self.uneventful, it);
    }

    /// Whether such a transaction is noted.
    pub fn has_uneventful(&self) -> bool {
        !self.uneventful.is_empty()
    }

    /// Rows so far, before the last change per key and commit is chosen.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// About how much memory the rows take.
    pub fn bytes(&self) -> u64 {
        let replaced: u64 = self.replaced.iter().map(|s| s.bytes() as u64).sum();
        self.sections.iter().map(|s| s.bytes() as u64).sum::<u64>() + replaced
    }

    /// The transaction that has rows or schema entries here and is not committed yet.
    pub fn open_seq(&self) -> Option<Seq> {
        self.open
    }

    /// Whether nothing was added: what it would become is a heartbeat.
    pub fn is_empty(&self) -> bool {
        self.commits.is_empty() && self.open.is_none()
    }

    /// The segment. `bookmark`: where capture resumes after the last commit. `continues`, `restarts`: see `Footer`.
    /// Errors: `Internal` when a transaction is open and it does not `continue`.
    pub fn finish(self, bookmark: Bookmark, now: Micros, continues: bool, restarts: bool) -> Result<FinishedSegment> {
        if self.open.is_some() && !continues {
            return Err(Error::internal(format!("segment {} ends within a transaction", self.number)));
        }
        let mut bytes = HEAD.to_vec();
        let mut sections = Vec::with_capacity(self.sections.len());
        for gathered in self.sections {
            let name = gathered.table.name.clone();
            sections.push(gathered.write(&mut bytes).map_err(|e| e.context(name))?);
        }
        let mut replaced = Vec::new();
        for gathered in self.replaced {
            replaced.extend(gathered.write(&mut bytes)?);
        }
        let footer = Footer {
            number: self.number,
            first: None,
            commits: self.commits,
            schema: self.schema,
            sections,
            replaced,
            continues,
            restarts,
            bookmark,
            created: now,
            covers: self.covers,
            gaps: self.gaps,
            uneventful: self.uneventful,
        };
        footer
            .check(self.number.into(), bytes.len() as u64)
            .map_err(|why| Error::internal(format!("segment {} is not written: {why}", self.number)))?;
        write_footer(&footer, &mut bytes)?;
        Ok(FinishedSegment { footer, bytes: bytes.into() })
    }

    /// Opens the transaction, if none is.
    fn belongs(&mut self, seq: Seq) -> Result<()> {
        let expected = self.open.or_else(|| self.commits.last().map(|c| c.seq.next())).unwrap_or(seq);
        if seq != expected || seq == Seq::ZERO {
            return Err(Error::internal(format!("seq {seq} comes to segment {} instead of {expected}", self.number)));
        }
        self.open = Some(seq);
        Ok(())
    }

    fn section(&mut self, table: &Arc<TableSchema>, ordered: bool) -> &mut Gathered {
        let at = match self.current.get(&table.id) {
            Some(&at) if self.sections.get(at).is_some_and(|s| s.fits(table, ordered)) => at,
            _ => {
                self.sections.push(Gathered::new(table.clone(), ordered));
                self.current.insert(table.id, self.sections.len() - 1);
                self.sections.len() - 1
            }
        };
        &mut self.sections[at]
    }
}

/// Of those of one stream between two commits only the last is kept.
pub(super) fn note(noted: &mut Vec<Uneventful>, it: Uneventful) {
    let stream = |gtid: &str| stream_of(gtid).map(|(stream, _)| stream.to_string());
    let since = noted.partition_point(|u| u.after < it.after);
    let older = noted[since..].iter().position(|u| stream(&u.gtid) == stream(&it.gtid));
    older.map(|i| noted.remove(since + i));
    noted.push(it);
}

pub(super) fn write_footer(footer: &Footer, bytes: &mut Vec<u8>) -> Result<()> {
    let fault = |e: String| Error::internal(format!("writing the footer of segment {}: {e}", footer.number));
    let json = serde_json::to_vec(footer).map_err(|e| fault(e.to_string()))?;
    let packed = zstd::encode_all(json.as_slice(), FOOTER_ZSTD_LEVEL).map_err(|e| fault(e.to_string()))?;
    let length = u32::try_from(packed.len()).map_err(|e| fault(e.to_string()))?;
    bytes.extend_from_slice(&packed);
    bytes.extend_from_slice(&crc32fast::hash(&packed).to_le_bytes());
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(FOOT);
    Ok(())
}

/// The rows of one section, in the order in which they came.
struct Gathered {
    table: Arc<TableSchema>,
    rows: RowsBuilder,
    seqs: Vec<u64>,
    ops: Vec<u8>,
    /// Of an ordered section.
    orders: Option<Vec<u64>>,
    /// Of the change that is being added.
    order: Option<u64>,
}

impl std::fmt::Debug for Gathered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gathered").field("table", &self.table.name).field("rows", &self.seqs.len()).finish()
    }
}

impl Gathered {
    fn new(table: Arc<TableSchema>, ordered: bool) -> Self {
        let orders = ordered.then(Vec::new);
        Self { rows: RowsBuilder::new(&table), table, seqs: Vec::new(), ops: Vec::new(), orders, order: None }
    }

    /// Whether rows of `table` can go on here: the same columns of the same types under the same key.
    fn fits(&self, table: &Arc<TableSchema>, ordered: bool) -> bool {
        let here = &self.table;
        if self.orders.is_some() != ordered {
            return false;
        }
        Arc::ptr_eq(here, table)
            || (here.primary_key == table.primary_key
                && here.columns.len() == table.columns.len()
                && here
                    .columns
                    .iter()
                    .zip(&table.columns)
                    .all(|(a, b)| a.id == b.id && a.name == b.name && a.kind == b.kind && a.collation == b.collation))
    }

    fn bytes(&self) -> usize {
        self.rows.bytes() + self.seqs.len() * (8 + 1 + 8 + 8)
    }

    fn push(&mut self, seq: Seq, op: Op, row: &[Value]) -> Result<()> {
        let size: usize = row.iter().map(size_of_value).sum();
        if self.rows.bytes() + size > SECTION_BYTES {
            return Err(Error::new(Kind::Limit, "its changes in one segment pass 2 GiB")
                .hint("Flush the segment earlier; a single row must be smaller than that."));
        }
        if let Some(&at) = self.table.primary_key.iter().find(|at| row.get(**at).is_none_or(Value::is_null)) {
            return Err(Error::internal(format!("a row without a value in column {at}, which is of the primary key")));
        }
        self.rows.push(row)?;
        self.seqs.push(seq.0);
        self.ops.push(op as u8);
        if let (Some(orders), Some(order)) = (&mut self.orders, self.order) {
            orders.push(order);
        }
        Ok(())
    }

    /// Of a table with a key only the key is kept.
    fn delete(&mut self, seq: Seq, row: &[Value]) -> Result<()> {
        if !self.table.has_key() {
            return self.push(seq, Op::Delete, row);
        }
        let only_key: Row = (0..row.len())
            .zip(row)
            .map(|(at, value)| if self.table.primary_key.contains(&at) { value.clone() } else { Value::Null })
            .collect();
        self.push(seq, Op::Delete, &only_key)
    }

    /// Of a table without a key: never, since an update there is a delete and an insert.
    fn same_key(&self, before: &[Value], after: &[Value]) -> Result<bool> {
        let columns = self.table.columns.len();
        if before.len() != columns || after.len() != columns {
            return Err(Error::internal(format!("{}: an update does not have {columns} columns", self.table.name)));
        }
        Ok(self.table.has_key() && self.table.primary_key.iter().all(|&at| identical(&before[at], &after[at])))
    }

    /// Appends the section to `bytes`.
    fn write(mut self, bytes: &mut Vec<u8>) -> Result<Section> {
        let rows = self.rows.finish();
        let (order, next) = if self.table.has_key() {
            self.versions(&rows)?
        } else {
            ((0..self.seqs.len() as u32).collect(), vec![u64::MAX; self.seqs.len()])
        };
        let fault = |e: ArrowError| Error::internal(format!("writing a section: {e}"));
        let seqs: UInt64Array = order.iter().map(|&i| self.seqs[i as usize]).collect();
        let ops: UInt8Array = order.iter().map(|&i| self.ops[i as usize]).collect();
        let (first, last) = (seqs.values().iter().min().copied(), seqs.values().iter().max().copied());
        let orders = self.orders.as_ref().map(|all| order.iter().map(|&i| all[i as usize]).collect::<UInt64Array>());
        let kept = take_record_batch(&rows, &UInt32Array::from(order)).map_err(fault)?;
        drop(rows);
        let ordered = orders.is_some();
        let batch = with_own_columns(&kept, seqs, ops, next.into(), orders).map_err(fault)?;
        let offset = bytes.len();
        write_stream(&batch, bytes).map_err(fault)?;
        let id = |at: &usize| self.table.columns[*at].id;
        Ok(Section {
            table: self.table.id,
            columns: self.table.columns.iter().map(|c| c.id).collect(),
            key: self.table.primary_key.iter().map(id).collect::<Vec<ColumnId>>(),
            offset: offset as u64,
            length: (bytes.len() - offset) as u64,
            crc32: crc32fast::hash(&bytes[offset..]),
            rows: batch.num_rows() as u64,
            first: Seq(first.unwrap_or_default()),
            last: Seq(last.unwrap_or_default()),
            ordered,
        })
    }

    fn versions(&self, rows: &RecordBatch) -> Result<(Vec<u32>, Vec<u64>)> {
        let key: Vec<ArrayRef> = self.table.primary_key.iter().map(|&at| rows.column(at).clone()).collect();
        versions(&key, &self.seqs, self.orders.is_some())
    }
}

/// Which rows are kept, in order of (key, seq): the last of each pair, in an ordered section all. And the seq of each
/// one's next version. `key`: the key's columns; rows are in the order of the log.
pub(super) fn versions(key: &[ArrayRef], seqs: &[u64], ordered: bool) -> Result<(Vec<u32>, Vec<u64>)> {
    let types: Vec<DataType> = key.iter().map(|c| c.data_type().clone()).collect();
    let keys = KeyEncoder::new(&types)?.encode(key)?;
    let (key, seq) = (|i: u32| keys.row(i as usize), |i: u32| seqs[i as usize]);
    let count = u32::try_from(seqs.len())
        .map_err(|_| Error::new(Kind::Limit, "more than 4,294,967,295 changes in one section"))?;
    let mut order: Vec<u32> = (0..count).collect();
    order.sort_unstable_by(|&a, &b| key(a).cmp(&key(b)).then(seq(a).cmp(&seq(b))).then(a.cmp(&b)));
    let mut kept: Vec<u32> = Vec::with_capacity(order.len());
    let mut next: Vec<u64> = Vec::with_capacity(order.len());
    for i in order {
        if let (Some(last), Some(successor)) = (kept.last_mut(), next.last_mut())
            && key(*last) == key(i)
        {
            if seq(*last) == seq(i) && !ordered {
                *last = i;
                continue;
            }
            *successor = seq(i);
        }
        kept.push(i);
        next.push(u64::MAX);
    }
    Ok((kept, next))
}

/// Equal to the last bit: a key that changes from 0.0 to -0.0 changes.
fn identical(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Float(a), Value::Float(b)) => a.to_bits() == b.to_bits(),
        (Value::Double(a), Value::Double(b)) => a.to_bits() == b.to_bits(),
        _ => a == b,
    }
}

/// At least what it takes in a builder.
fn size_of_value(value: &Value) -> usize {
    match value {
        Value::Text(v) => 4 + v.len(),
        Value::Bytes(v) => 4 + v.len(),
        Value::Decimal(_) => 32,
        _ => 8,
    }
}

fn with_own_columns(
    rows: &RecordBatch,
    seqs: UInt64Array,
    ops: UInt8Array,
    next: UInt64Array,
    orders: Option<UInt64Array>,
) -> Result<RecordBatch, ArrowError> {
    let mut fields: Vec<Arc<Field>> = vec![
        Field::new("_seq", DataType::UInt64, false).into(),
        Field::new("_op", DataType::UInt8, false).into(),
        Field::new("_next_seq", DataType::UInt64, false).into(),
    ];
    fields.extend(rows.schema().fields().iter().cloned());
    let mut columns: Vec<ArrayRef> = vec![Arc::new(seqs), Arc::new(ops), Arc::new(next)];
    columns.extend(rows.columns().iter().cloned());
    if let Some(orders) = orders {
        fields.push(Field::new("_order", DataType::UInt64, false).into());
        columns.push(Arc::new(orders));
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

pub(super) fn write_stream(batch: &RecordBatch, bytes: &mut Vec<u8>) -> Result<(), ArrowError> {
    let options = IpcWriteOptions::default().try_with_compression(Some(CompressionType::ZSTD))?;
    let mut stream = StreamWriter::try_new_with_options(bytes, &batch.schema(), options)?;
    for at in (0..batch.num_rows()).step_by(BATCH_ROWS) {
        stream.write(&batch.slice(at, BATCH_ROWS.min(batch.num_rows() - at)))?;
    }
    stream.finish()
}
