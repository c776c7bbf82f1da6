//! The changes of all tables for a run of consecutive commits: one object, `log/<n>.seg`.
//!
//! Layout: magic, sections one after the other, zstd(JSON footer), CRC-32 of that, its length, magic. Every byte is
//! covered: the magics by comparison, the sections and the footer by their checksums, the checksum and the length by
//! what they must fit.

use super::part::LogPart;
use super::replaced;
use crate::model::{Bookmark, ColumnId, Micros, SchemaChange, Seq, TableId};
use arrow::array::{Array, RecordBatch, UInt8Array, UInt64Array};
use arrow::compute::{concat_batches, max, min};
use arrow::ipc::reader::StreamReader;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io::Read;
use std::ops::Range;

pub(super) const HEAD: &[u8; 8] = b"PCLSEG01";
pub(super) const FOOT: &[u8; 8] = b"PCLSEGFT";
/// CRC-32, length, magic.
const TRAILER: u64 = 4 + 4 + 8;
/// A footer may hold many tables' schemas; more than this is not one of ours.
const FOOTER_LIMIT: u64 = 1 << 30;
/// `_seq`, `_op`, `_next_seq`.
pub(super) const OWN_COLUMNS: usize = 3;

/// What a segment says of itself: zstd JSON at its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Footer {
    /// 1, 2, 3, …: the name fences. Of a pack: the last segment that it stands for.
    pub number: u64,
    /// Of a pack: the first segment that it stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// In seq order, dense. Empty in a heartbeat, or when only a part of a large transaction is here.
    pub commits: Vec<Commit>,
    /// In seq order.
    pub schema: Vec<SchemaEntry>,
    pub sections: Vec<Section>,
    /// After the sections.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaced: Vec<Replaced>,
    /// Rows after the last commit belong to the next seq, which a later segment commits.
    #[serde(default)]
    pub continues: bool,
    /// Rows that earlier segments hold of seqs not committed yet are void: capture was stopped within that
    /// transaction and has read it again from its beginning.
    #[serde(default)]
    pub restarts: bool,
    /// Where capture resumes after the last commit (not after rows that `continue`).
    pub bookmark: Bookmark,
    /// When the segment was written.
    pub created: Micros,
    /// The source had no commits after these when it was asked at this time (capture's clock): every moment up to
    /// it can be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub covers: Option<Micros>,
    /// Commits that stand for changes which the source lost, in seq order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<Gap>,
    /// In log order: transactions that held nothing that is kept. Of those of one stream between two commits the last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uneventful: Vec<Uneventful>,
}

/// A transaction of the source that changed nothing here: the state after it is that after commit `after`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uneventful {
    pub after: Seq,
    pub gtid: String,
}

/// The state after commit `seq` is not known: it stands for all that was lost before the next one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    pub seq: Seq,
    /// What was lost and why, a clause for people.
    pub why: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Commit {
    pub seq: Seq,
    /// As the source and capture know it, not yet made monotone; in a pack it is.
    pub time: Micros,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gtid: Option<String>,
    /// Where the source's log stands after it.
    pub bookmark: Bookmark,
    /// Changes as the source logged them, per table.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<TableCounts>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableCounts {
    pub table: TableId,
    pub inserts: u64,
    pub updates: u64,
    pub deletes: u64,
}

/// What a commit did to the catalog.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SchemaEntry {
    pub seq: Seq,
    /// The default database under which the statement ran.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub database: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement: Option<String>,
    pub changes: Vec<SchemaChange>,
}

/// The changes of one table under one schema: an Arrow IPC stream of `_seq` UInt64, `_op` UInt8, `_next_seq` UInt64,
/// then the table's columns. Sorted by (key, `_seq`).
///
/// Of a table whose rows foreign keys change it is `ordered`: `_order` UInt64 comes last, and all changes of a commit
/// are there, sorted by (key, `_seq`, `_order`); of the superseded ones `_next_seq` is `_seq`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Section {
    pub table: TableId,
    /// The identities of the columns after the first three, in order.
    pub columns: Vec<ColumnId>,
    /// The primary key's columns in the key's order; empty: the table has none.
    pub key: Vec<ColumnId>,
    /// In bytes from the object's beginning.
    pub offset: u64,
    /// In bytes.
    pub length: u64,
    /// CRC-32 (IEEE) of these bytes.
    pub crc32: u32,
    pub rows: u64,
    pub first: Seq,
    pub last: Seq,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ordered: bool,
}

/// What changes did to columns of one table that foreign keys with actions refer to: an Arrow IPC stream of `_seq`
/// UInt64, `_order` UInt64 (the change's place among all of its transaction), `_op` UInt8 (1 update, 2 delete), the
/// columns before the change, and the same columns after it (of a deleted row NULL). In the order of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Replaced {
    pub table: TableId,
    /// The identities of the referenced columns.
    pub columns: Vec<ColumnId>,
    /// As of `Section`, here and below.
    pub offset: u64,
    pub length: u64,
    pub crc32: u32,
    pub rows: u64,
    pub first: Seq,
    pub last: Seq,
}

impl Footer {
    /// Which object it is of.
    pub fn is_of(&self, part: LogPart) -> bool {
        self.number == part.last && self.first == part.token.map(|_| part.first)
    }

    /// Whether one of its commits is no transaction of the source, but only says what capture itself found of tables:
    /// that they are uncertain, or not carried. It changes no row.
    pub fn of_capture(&self, commit: &Commit) -> bool {
        let mut entries = self.schema.iter().filter(|e| e.seq == commit.seq).peekable();
        let found = |e: &SchemaEntry| {
            let only = |c: &SchemaChange| matches!(c, SchemaChange::Uncertain { .. });
            e.statement.is_none()
                && (e.changes.iter().all(only)
                    || matches!(e.changes[..], [SchemaChange::TableDropped { .. }, SchemaChange::Refused { .. }]))
        };
        let bridges = self.gaps.iter().any(|g| g.seq == commit.seq || g.seq.next() == commit.seq);
        commit.gtid.is_none() && commit.rows.is_empty() && !bridges && entries.peek().is_some() && entries.all(found)
    }

    /// Where its sections end, in bytes: about how large the object is.
    pub fn end(&self) -> u64 {
        let sections = self.sections.iter().map(|s| s.offset + s.length);
        sections.chain(self.replaced.iter().map(|s| s.offset + s.length)).max().unwrap_or(HEAD.len() as u64)
    }

    /// Its commits' times, made monotone, and up to when it makes the history complete. `last`: the newest commit's
    /// time before it; `until`: up to when the history was complete then, so that no commit of it comes before that.
    pub fn times(&self, last: Micros, until: Micros) -> (Vec<Micros>, Micros) {
        // commits may share a time, but none may come at or before a time that was said to be covered
        let mut time = if until > last { Micros(until.0.saturating_add(1)) } else { last };
        let mut times = Vec::with_capacity(self.commits.len());
        for commit in &self.commits {
            time = time.max(commit.time);
            times.push(time);
        }
        // more commits of the newest one's time may come
        let before = |time: &Micros| Micros(time.0.saturating_sub(1));
        let until = until.max(times.last().map_or(until, before)).max(self.covers.unwrap_or(until));
        (times, until)
    }

    /// Whether it holds what every segment must; says what it does not. `end`: where the sections end, in bytes.
    pub(super) fn check(&self, part: LogPart, end: u64) -> Result<(), String> {
        if !self.is_of(part) || part.first == 0 || part.first > part.last {
            return Err(format!("it says that its number is {}", self.number));
        }
        if part.token.is_some() && (self.continues || self.restarts) {
            return Err("a pack holds whole transactions only".into());
        }
        if let Some(pair) = self.commits.windows(2).find(|pair| pair[1].seq != Seq(pair[0].seq.0.wrapping_add(1))) {
            return Err(format!("seq {} follows seq {}", pair[1].seq, pair[0].seq));
        }
        let (first, last) = self.seqs()?;
        let mut before = Seq::ZERO;
        for entry in &self.schema {
            if entry.seq < first || entry.seq > last || entry.seq < before {
                return Err(format!("a schema change of seq {} cannot be here", entry.seq));
            }
            before = entry.seq;
        }
        if self.gaps.iter().any(|gap| !self.commits.iter().any(|c| c.seq == gap.seq)) {
            return Err("it has a gap that is none of its commits".into());
        }
        let (mut offset, mut reached) = (HEAD.len() as u64, HashMap::new());
        for section in &self.sections {
            let table = section.table;
            if section.offset != offset || section.rows == 0 || section.length == 0 {
                return Err(format!("a section of table {table} is not where it must be"));
            }
            offset = offset.saturating_add(section.length);
            if section.first < first || section.last > last || section.first > section.last {
                return Err(format!("rows of table {table} for seq {} to {}", section.first, section.last));
            }
            if reached.insert(table, section.last).is_some_and(|r| r > section.first) {
                return Err(format!("the sections of table {table} are out of order"));
            }
            if section.key.iter().any(|k| !section.columns.contains(k)) {
                return Err(format!("a section of table {table} lacks a column of its key"));
            }
        }
        for section in &self.replaced {
            if section.offset != offset || section.rows == 0 || section.length == 0 {
                return Err(format!("replaced rows of table {} are not where they must be", section.table));
            }
            offset = offset.saturating_add(section.length);
            if section.first < first || section.last > last || section.first > section.last {
                return Err(format!(
                    "replaced rows of table {} for seq {} to {}",
                    section.table, section.first, section.last
                ));
            }
        }
        if offset != end { Err(format!("the sections end at {offset} instead of {end}")) } else { Ok(()) }
    }

    /// The seqs that rows and schema changes may have: the commits', and one more when it `continues`.
    fn seqs(&self) -> Result<(Seq, Seq), String> {
        let open = |after: Seq| if self.continues { after.next() } else { after };
        match (self.commits.first(), self.commits.last()) {
            (Some(first), _) if first.seq == Seq::ZERO => Err("seq 0 is no commit".into()),
            (Some(first), Some(last)) if last.seq < Seq(u64::MAX - 1) => Ok((first.seq, open(last.seq))),
            (Some(_), _) => Err("its seqs are too high".into()),
            // No commit: at most a part of one transaction.
            _ => {
                let mut seqs = self.sections.iter().map(|s| s.first).chain(self.schema.iter().map(|e| e.seq));
                match seqs.next() {
                    None => Ok((Seq(1), Seq::ZERO)),
                    Some(_) if !self.continues => Err("it has rows and no commit".into()),
                    Some(seq) => Ok((seq, seq)),
                }
            }
        }
    }
}

/// What the end of a segment told.
#[derive(Debug)]
pub(super) enum Tail {
    Footer(Box<Footer>),
    /// This many bytes from the end are needed.
    Wants(u64),
}

/// Reads the footer from `tail`, the last bytes of a segment of `size` bytes. Errors: what is wrong.
pub(super) fn read_tail(part: LogPart, size: u64, tail: &[u8]) -> Result<Tail, String> {
    let short = || "it is too short".to_string();
    let (rest, magic) = tail.split_last_chunk::<8>().ok_or_else(short)?;
    if magic != FOOT {
        return Err("it does not end as a segment does".into());
    }
    let (rest, length) = rest.split_last_chunk::<4>().ok_or_else(short)?;
    let (rest, crc32) = rest.split_last_chunk::<4>().ok_or_else(short)?;
    let length = u64::from(u32::from_le_bytes(*length));
    let end = size.checked_sub(TRAILER + length).filter(|end| *end >= HEAD.len() as u64).ok_or_else(short)?;
    // Whoever reads the first section sees the head; without one it must be read here.
    let has_all = tail.len() as u64 == size;
    let Some(begin) = (rest.len() as u64).checked_sub(length) else {
        return if has_all { Err(short()) } else { Ok(Tail::Wants(TRAILER + length)) };
    };
    let packed = &rest[begin as usize..];
    if crc32fast::hash(packed) != u32::from_le_bytes(*crc32) {
        return Err("its footer's checksum does not fit its bytes".into());
    }
    if has_all {
        check_head(tail)?;
    } else if end == HEAD.len() as u64 {
        return Ok(Tail::Wants(size));
    }
    let footer: Footer = serde_json::from_slice(&unpack(packed)?).map_err(|e| format!("its footer: {e}"))?;
    footer.check(part, end)?;
    Ok(Tail::Footer(Box::new(footer)))
}

fn unpack(packed: &[u8]) -> Result<Vec<u8>, String> {
    let mut json = Vec::new();
    let reader = zstd::Decoder::new(packed).map_err(|e| format!("its footer: {e}"))?;
    reader.take(FOOTER_LIMIT + 1).read_to_end(&mut json).map_err(|e| format!("its footer: {e}"))?;
    if json.len() as u64 > FOOTER_LIMIT { Err("its footer is too long".into()) } else { Ok(json) }
}

fn check_head(bytes: &[u8]) -> Result<(), String> {
    if bytes.starts_with(HEAD) { Ok(()) } else { Err("it does not begin as a segment does".into()) }
}

/// The bytes to read for a section. For the first one: from the object's beginning, so that the head is checked too.
pub(super) fn range_of(offset: u64, length: u64) -> Result<Range<u64>, String> {
    let end = offset.checked_add(length).ok_or("its section ends nowhere")?;
    let first = offset == HEAD.len() as u64;
    Ok(if first { 0..end } else { offset..end })
}

/// Reads a section from the bytes of `range_of`. Errors: what is wrong.
pub(super) fn read_section(section: &Section, bytes: Bytes) -> Result<RecordBatch, String> {
    let rows = read_stream(section.offset, section.crc32, bytes)?;
    check_rows(section, &rows)?;
    Ok(rows)
}

/// The same for replaced rows.
pub(super) fn read_replaced(section: &Replaced, bytes: Bytes) -> Result<RecordBatch, String> {
    let rows = read_stream(section.offset, section.crc32, bytes)?;
    replaced::check_rows(section, &rows)?;
    Ok(rows)
}

fn read_stream(offset: u64, crc32: u32, mut bytes: Bytes) -> Result<RecordBatch, String> {
    if offset == HEAD.len() as u64 {
        check_head(&bytes)?;
        bytes = bytes.slice(HEAD.len()..);
    }
    if crc32fast::hash(&bytes) != crc32 {
        return Err("a section's checksum does not fit its bytes".into());
    }
    let said = |e: arrow::error::ArrowError| format!("a section: {e}");
    let reader = StreamReader::try_new(bytes.as_ref(), None).map_err(said)?;
    let schema = reader.schema();
    let batches = reader.collect::<Result<Vec<_>, _>>().map_err(said)?;
    concat_batches(&schema, &batches).map_err(said)
}

/// Whether the rows are those that the footer tells of.
fn check_rows(section: &Section, rows: &RecordBatch) -> Result<(), String> {
    let columns = OWN_COLUMNS + section.columns.len() + usize::from(section.ordered);
    if rows.num_columns() != columns || rows.num_rows() as u64 != section.rows {
        return Err("a section has other rows than its footer says".into());
    }
    let own = (
        rows.column(0).as_any().downcast_ref::<UInt64Array>(),
        rows.column(1).as_any().downcast_ref::<UInt8Array>(),
        rows.column(2).as_any().downcast_ref::<UInt64Array>(),
    );
    let (Some(seq), Some(op), Some(next)) = own else {
        return Err("a section's first columns are not _seq, _op and _next_seq".into());
    };
    if seq.null_count() + op.null_count() + next.null_count() > 0
        || min(seq) != Some(section.first.0)
        || max(seq) != Some(section.last.0)
        || max(op).is_none_or(|op| op > 2)
        || seq.values().iter().zip(next.values()).any(|(seq, next)| next < seq || (next == seq && !section.ordered))
    {
        return Err("a section's _seq, _op and _next_seq are not what they must be".into());
    }
    let order = || rows.columns().last().and_then(|c| c.as_any().downcast_ref::<UInt64Array>());
    if section.ordered && order().is_none_or(|order| order.null_count() > 0) {
        return Err("a section's last column is not _order".into());
    }
    Ok(())
}
