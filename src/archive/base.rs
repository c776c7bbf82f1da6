//! How are a table's rows of one seq kept? In Parquet files, checksummed as they are written.

use super::cluster::Cluster;
use super::key::KeyEncoder;
use super::layout;
use super::manifest::{Base, BaseFile};
use super::store::failed;
use super::upload::Upload;
use crate::error::{Error, Kind, Result};
use crate::model::{Seq, TableSchema};
use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::row::OwnedRow;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use parquet::arrow::AsyncArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;
use std::sync::Arc;

/// How large the parts of a base become.
#[derive(Debug, Clone, Copy)]
pub(super) struct BaseLimits {
    pub file_rows: usize,
    pub group_rows: usize,
    /// Of a row group's rows as Arrow holds them: what a writer keeps in memory.
    pub group_bytes: usize,
}

impl Default for BaseLimits {
    fn default() -> Self {
        Self { file_rows: 1 << 20, group_rows: 1 << 17, group_bytes: 32 << 20 }
    }
}

/// Pages of key columns are small, so that few bytes are read to find a key.
const KEY_PAGE_BYTES: usize = 8 * 1024;
/// Of 3, 6, 9 and 12: the least that meets the limit of `tests/bench/tpch.sh`; it costs a quarter more time than 3.
const ZSTD_LEVEL: i32 = 9;
/// Larger dictionaries take more than the values themselves.
const NUMBER_DICTIONARY_BYTES: usize = 8 * 1024;
const TEXT_DICTIONARY_BYTES: usize = 64 * 1024;

/// Writes one table's base: rows in any order, as few files as the limits allow.
///
/// Holds about one row group in memory. If it is dropped before its end, what it wrote is named nowhere.
pub struct BaseWriter {
    cluster: Cluster,
    schema: Arc<TableSchema>,
    arrow: SchemaRef,
    token: String,
    limits: BaseLimits,
    part: Option<Part>,
    files: Vec<BaseFile>,
    order: Order,
}

impl std::fmt::Debug for BaseWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BaseWriter").field("table", &self.schema.name).field("files", &self.files).finish()
    }
}

impl BaseWriter {
    pub(super) fn new(cluster: Cluster, schema: Arc<TableSchema>, token: &str, limits: BaseLimits) -> Self {
        let arrow = schema.arrow();
        let order = Order { last: None, sorted: schema.has_key(), encoder: None };
        Self { cluster, schema, arrow, token: token.to_string(), limits, part: None, files: Vec::new(), order }
    }

    /// Adds rows: columns in the schema's order, of `TableSchema::arrow()`'s types.
    /// Errors: `Internal` when they are of other types, `Io`.
    pub async fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        let rows = self.of_this_schema(rows)?;
        if rows.num_rows() == 0 {
            return Ok(());
        }
        self.order.add(&self.schema, &rows)?;
        let row_bytes = memory_of(&rows).div_ceil(rows.num_rows()).max(1);
        let mut at = 0;
        while at < rows.num_rows() {
            let mut part = match self.part.take() {
                Some(part) => part,
                None => self.begin().await?,
            };
            let fit = (self.limits.group_bytes.saturating_sub(part.group_bytes) / row_bytes).max(1);
            let room = (self.limits.file_rows - part.rows).min(self.limits.group_rows - part.group_rows);
            let count = fit.min(room).min(rows.num_rows() - at);
            part.write(&rows.slice(at, count), count * row_bytes, &self.limits).await?;
            at += count;
            if part.rows < self.limits.file_rows {
                self.part = Some(part);
            } else {
                self.files.push(part.finish().await?);
            }
        }
        Ok(())
    }

    /// Ends the last file: they are durable then. `seq`: the one at which the table had these rows.
    pub async fn finish(mut self, seq: Seq) -> Result<Base> {
        if let Some(part) = self.part.take() {
            self.files.push(part.finish().await?);
        }
        let sorted = self.order.sorted;
        Ok(Base { table: self.schema.id, seq, schema: self.schema, files: self.files, sorted })
    }

    fn of_this_schema(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        RecordBatch::try_new_with_options(self.arrow.clone(), rows.columns().to_vec(), &options)
            .map_err(|e| Error::internal(format!("rows for the base of {}: {e}", self.schema.name)))
    }

    async fn begin(&mut self) -> Result<Part> {
        let relative = layout::base_file(self.schema.id, &self.token, self.files.len());
        let path = self.cluster.object_path(&relative);
        let store = self.cluster.store();
        if store.head(&path).await.is_ok() {
            return Err(Error::internal(format!("{path} is there already: a base's token serves once")));
        }
        let upload = store.put_multipart(&path).await.map_err(|e| failed(&path, e))?;
        let writer =
            AsyncArrowWriter::try_new(Upload::new(upload), self.arrow.clone(), Some(properties(&self.schema)?))
                .map_err(|e| written(&path, e))?;
        Ok(Part { writer, path, relative, rows: 0, group_rows: 0, group_bytes: 0 })
    }
}

/// What these rows take in memory, without what they are a slice of.
fn memory_of(rows: &RecordBatch) -> usize {
    let memory = |c: &ArrayRef| c.to_data().get_slice_memory_size().unwrap_or_else(|_| c.get_array_memory_size());
    rows.columns().iter().map(memory).sum()
}

/// A column keeps a dictionary while its values are few; then its values stand in the encoding that compresses best.
fn properties(schema: &TableSchema) -> Result<WriterProperties> {
    let level = ZstdLevel::try_new(ZSTD_LEVEL).map_err(|e| Error::internal(e.to_string()))?;
    let mut properties = WriterProperties::builder()
        .set_created_by(format!("pcloud {}", env!("CARGO_PKG_VERSION")))
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(None); // row groups are ended here, by rows and by bytes
    for (at, column) in schema.columns.iter().enumerate() {
        let path = ColumnPath::new(vec![column.name.clone()]);
        let (kind, key) = (column.kind.arrow(), schema.primary_key.contains(&at));
        let bytes = matches!(kind, DataType::Utf8 | DataType::Binary);
        properties = properties.set_column_encoding(path.clone(), encoding(&kind, key));
        properties = if key {
            properties
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_data_page_size_limit(path, KEY_PAGE_BYTES)
        } else {
            let limit = if bytes { TEXT_DICTIONARY_BYTES } else { NUMBER_DICTIONARY_BYTES };
            properties.set_column_dictionary_page_size_limit(path, limit)
        };
    }
    Ok(properties.build())
}

/// How values stand that no dictionary holds.
fn encoding(kind: &DataType, key: bool) -> Encoding {
    match kind {
        DataType::Utf8 | DataType::Binary => Encoding::DELTA_LENGTH_BYTE_ARRAY,
        kind if key && (kind.is_integer() || kind.is_temporal()) => Encoding::DELTA_BINARY_PACKED,
        _ => Encoding::BYTE_STREAM_SPLIT,
    }
}

/// The file being written.
struct Part {
    writer: AsyncArrowWriter<Upload>,
    path: Path,
    relative: String,
    rows: usize,
    group_rows: usize,
    group_bytes: usize,
}

impl Part {
    async fn write(&mut self, rows: &RecordBatch, bytes: usize, limits: &BaseLimits) -> Result<()> {
        self.writer.write(rows).await.map_err(|e| written(&self.path, e))?;
        self.rows += rows.num_rows();
        self.group_rows += rows.num_rows();
        self.group_bytes += bytes;
        if self.group_rows >= limits.group_rows || self.group_bytes >= limits.group_bytes {
            self.writer.flush().await.map_err(|e| written(&self.path, e))?;
            (self.group_rows, self.group_bytes) = (0, 0);
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<BaseFile> {
        self.writer.finish().await.map_err(|e| written(&self.path, e))?;
        let (bytes, crc32) = self.writer.into_inner().sums();
        Ok(BaseFile { path: self.relative, rows: self.rows as u64, bytes, crc32 })
    }
}

/// What the Parquet writer could not write: usually the store's failure.
fn written(path: &Path, error: ParquetError) -> Error {
    match error {
        ParquetError::External(e) => match e.downcast::<object_store::Error>() {
            Ok(e) => failed(path, *e),
            Err(e) => Error::new(Kind::Io, format!("{path}: {e}")),
        },
        other => Error::internal(format!("writing {path}: {other}")),
    }
}

/// Whether keys have come in strictly ascending order so far.
struct Order {
    encoder: Option<KeyEncoder>,
    last: Option<OwnedRow>,
    sorted: bool,
}

impl Order {
    fn add(&mut self, schema: &TableSchema, rows: &RecordBatch) -> Result<()> {
        if !self.sorted {
            return Ok(());
        }
        let key: Vec<ArrayRef> = schema.primary_key.iter().map(|at| rows.column(*at).clone()).collect();
        let encoder = match self.encoder.take() {
            Some(encoder) => encoder,
            None => KeyEncoder::new(&key.iter().map(|c| c.data_type().clone()).collect::<Vec<DataType>>())?,
        };
        let keys = encoder.encode(&key)?;
        self.encoder = Some(encoder);
        let mut before = self.last.as_ref().map(|last| last.row());
        for key in &keys {
            if before.is_some_and(|before| before >= key) {
                self.sorted = false;
                self.last = None;
                return Ok(());
            }
            before = Some(key);
        }
        self.last = before.map(|row| row.owned());
        Ok(())
    }
}
