//! How are many rows compared with few bytes? As sums of row hashes: of a whole table, and of each range of its keys.
//!
//! A row becomes bytes by Arrow's row format, which no two rows share, the bytes a SHA-256, and a sum adds these as
//! four 64-bit numbers, each modulo 2^64. So the order in which rows come does not count, and equal rows add up. It
//! guards against faults, not against forgers. Ranges are cut at keys that the table has, in the order of the keys'
//! bytes, which is the same for both sides whatever the table's collation.

use crate::archive::KeyEncoder;
use crate::error::{Error, Result};
use crate::model::{Column, Generated, Row, TableSchema, Value, value_at};
use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use futures::StreamExt;
use futures::stream::BoxStream;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Keys that are kept to cut ranges at: between half as many and as many.
const SAMPLE: usize = 2_048;

pub type Batches = BoxStream<'static, Result<RecordBatch>>;

/// Rows, whatever their order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    pub rows: u64,
    sum: [u64; 4],
}

impl Sum {
    pub fn words(&self) -> [u64; 4] {
        self.sum
    }

    pub fn add(&mut self, hash: &[u8; 32]) {
        self.rows += 1;
        for (sum, word) in self.sum.iter_mut().zip(hash.chunks_exact(8)) {
            *sum = sum.wrapping_add(word.iter().fold(0, |n, b| n << 8 | u64::from(*b)));
        }
    }
}

/// Whether the archive has the column's values.
pub fn is_known(column: &Column) -> bool {
    column.generated.is_none_or(Generated::is_kept)
}

/// Reads rows of one side in the archive's terms.
pub struct Reader {
    schema: Arc<TableSchema>,
    /// Where a batch holds the schema's columns.
    places: Vec<usize>,
    rows: KeyEncoder,
    keys: KeyEncoder,
}

/// One row: its key, its hash, and where it stands.
pub struct Seen<'a> {
    pub key: &'a [u8],
    pub hash: [u8; 32],
    pub columns: &'a [ArrayRef],
    pub at: usize,
    schema: &'a TableSchema,
}

impl Seen<'_> {
    /// Its values, in the schema's order.
    pub fn values(&self) -> Result<Row> {
        self.schema.columns.iter().zip(self.columns).map(|(c, array)| value_at(array, self.at, &c.kind)).collect()
    }
}

impl Reader {
    /// `places`: where the batches hold the schema's columns.
    pub fn new(schema: &Arc<TableSchema>, places: Vec<usize>) -> Result<Self> {
        let types = |at: &[usize]| at.iter().map(|i| schema.columns[*i].kind.arrow()).collect::<Vec<_>>();
        let all: Vec<usize> = (0..schema.columns.len()).collect();
        let (rows, keys) = (KeyEncoder::new(&types(&all))?, KeyEncoder::new(&types(&schema.key_columns()))?);
        Ok(Self { schema: schema.clone(), places, rows, keys })
    }

    pub async fn each(&self, mut batches: Batches, mut take: impl FnMut(Seen<'_>) -> Result<()>) -> Result<()> {
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            let whole = || Error::internal(format!("rows of {} lack a column", self.schema.name));
            let columns: Option<Vec<ArrayRef>> = self.places.iter().map(|p| batch.columns().get(*p).cloned()).collect();
            let mut columns = columns.ok_or_else(whole)?;
            // what the archive does not know is the same as anything
            for (column, of) in columns.iter_mut().zip(&self.schema.columns).filter(|(_, c)| !is_known(c)) {
                *column = new_null_array(&of.kind.arrow(), batch.num_rows());
            }
            let of_key: Vec<ArrayRef> = self.schema.key_columns().iter().map(|i| columns[*i].clone()).collect();
            let (rows, keys) = (self.rows.encode(&columns)?, self.keys.encode(&of_key)?);
            for (at, (row, key)) in rows.iter().zip(keys.iter()).enumerate() {
                let hash = Sha256::digest(row.as_ref()).into();
                take(Seen { key: key.as_ref(), hash, columns: &columns, at, schema: &self.schema })?;
            }
            tokio::task::consume_budget().await;
        }
        Ok(())
    }
}

/// Every so many-th key: evenly spread over the rows as they come.
#[derive(Default)]
pub struct Sample {
    keys: Vec<(Box<[u8]>, Row)>,
    count: u64,
    /// Each 2^step-th row is kept.
    step: u32,
}

impl Sample {
    pub fn add(&mut self, row: &Seen<'_>) -> Result<()> {
        if self.count.is_multiple_of(1 << self.step) {
            self.keys.push((row.key.into(), row.values()?));
            if self.keys.len() == SAMPLE {
                let mut even = false;
                self.keys.retain(|_| {
                    even = !even;
                    even
                });
                self.step += 1;
            }
        }
        self.count += 1;
        Ok(())
    }

    pub fn ranges(mut self) -> Ranges {
        self.keys.sort_by(|a, b| a.0.cmp(&b.0));
        self.keys.dedup_by(|a, b| a.0 == b.0);
        let sums = vec![Sum::default(); self.keys.len() + 1];
        Ranges { cuts: self.keys, archive: sums.clone(), server: sums }
    }
}

/// Both sides' sums per range. Range n holds the keys from cut n-1 on, and before cut n.
pub struct Ranges {
    cuts: Vec<(Box<[u8]>, Row)>,
    pub archive: Vec<Sum>,
    pub server: Vec<Sum>,
}

impl Ranges {
    pub fn of(&self, key: &[u8]) -> usize {
        self.cuts.partition_point(|(cut, _)| cut.as_ref() <= key)
    }

    /// The ranges that differ.
    pub fn differing(&self) -> Vec<usize> {
        (0..self.archive.len()).filter(|n| self.archive[*n] != self.server[*n]).collect()
    }

    /// `from (1) to before (4096)`: from the first of some ranges to the last.
    pub fn named(&self, first: usize, last: usize, schema: &TableSchema) -> String {
        let from = first
            .checked_sub(1)
            .and_then(|n| self.cuts.get(n))
            .map(|(_, row)| format!("from {}", key_text(schema, row)));
        let to = self.cuts.get(last).map(|(_, row)| format!("before {}", key_text(schema, row)));
        match (from, to) {
            (None, None) => "all keys".to_string(),
            (from, to) => from.into_iter().chain(to).collect::<Vec<_>>().join(" to "),
        }
    }
}

/// `(1, 'a')`
pub fn key_text(schema: &TableSchema, row: &Row) -> String {
    let of = |i: &usize| schema.columns.get(*i).zip(row.get(*i)).map(|(c, v)| shown(v, &c.kind));
    format!("({})", schema.key_columns().iter().filter_map(of).collect::<Vec<_>>().join(", "))
}

/// A value for people, cut to a length that can be read.
pub fn shown(value: &Value, kind: &crate::model::ColumnType) -> String {
    const CHARACTERS: usize = 200;
    let text = match value {
        Value::Null => return "NULL".to_string(),
        Value::Bytes(bytes) => bytes.iter().take(CHARACTERS).fold("0x".to_string(), |text, b| format!("{text}{b:02x}")),
        Value::UInt(v) if matches!(kind, crate::model::ColumnType::Bit { .. }) => v.to_string(),
        value => {
            let text = value.exact_text(kind).unwrap_or_default();
            let text = String::from_utf8_lossy(&text).into_owned();
            if kind.is_text() { format!("'{text}'") } else { text }
        }
    };
    match text.char_indices().nth(CHARACTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
