//! How are a table's rows of one seq kept? In Parquet files, checksummed as they are written.

use super::cluster::Cluster;
use super::encode::Encoder;
use super::key::KeyEncoder;
use super::layout;
use super::manifest::{Base, BaseFile};
use super::store::failed;
use super::upload::Upload;
use crate::error::{Error, Result};
use crate::model::{Seq, TableSchema};
use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::row::OwnedRow;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use parquet::errors::ParquetError;
use std::sync::Arc;

/// How large the parts of a base become.
#[derive(Debug, Clone, Copy)]
pub(super) struct BaseLimits {
    pub file_rows: usize,
    pub group_rows: usize,
    /// Of a row group's rows as Arrow holds them: what a writer keeps in memory, beside one column's compressor and the group's
    /// compressed bytes.
    pub group_bytes: usize,
}

impl Default for BaseLimits {
    fn default() -> Self {
        Self { file_rows: 1 << 20, group_rows: 1 << 17, group_bytes: 32 << 20 }
    }
}

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
            part.write(rows.slice(at, count), count * row_bytes, &self.limits).await?;
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
        let upload = Upload::new(store.put_multipart(&path).await.map_err(|e| failed(&path, e))?);
        let encoder = Encoder::new(&self.schema).map_err(|e| not_encoded(&path, e))?;
        let encoder = Some(Box::new(encoder));
        Ok(Part { encoder, upload, path, relative, rows: 0, group: Vec::new(), group_rows: 0, group_bytes: 0 })
    }
}

/// What these rows take in memory, without what they are a slice of.
fn memory_of(rows: &RecordBatch) -> usize {
    let memory = |c: &ArrayRef| c.to_data().get_slice_memory_size().unwrap_or_else(|_| c.get_array_memory_size());
    rows.columns().iter().map(memory).sum()
}

/// The file being written.
struct Part {
    /// There between two groups.
    encoder: Option<Box<Encoder>>,
    upload: Upload,
    path: Path,
    relative: String,
    rows: usize,
    /// The row group that is being filled.
    group: Vec<RecordBatch>,
    group_rows: usize,
    group_bytes: usize,
}

impl Part {
    async fn write(&mut self, rows: RecordBatch, bytes: usize, limits: &BaseLimits) -> Result<()> {
        self.rows += rows.num_rows();
        self.group_rows += rows.num_rows();
        self.group_bytes += bytes;
        self.group.push(rows);
        if self.group_rows >= limits.group_rows || self.group_bytes >= limits.group_bytes {
            let group = self.next_group();
            self.encode(move |encoder| encoder.group(&group)).await?;
        }
        Ok(())
    }

    fn next_group(&mut self) -> Vec<RecordBatch> {
        (self.group_rows, self.group_bytes) = (0, 0);
        std::mem::take(&mut self.group)
    }

    async fn finish(mut self) -> Result<BaseFile> {
        let group = self.next_group();
        self.encode(move |encoder| if group.is_empty() { Ok(()) } else { encoder.group(&group) }).await?;
        self.encode(|encoder| encoder.end()).await?;
        self.upload.end().await.map_err(|e| failed(&self.path, e))?;
        let (bytes, crc32) = self.upload.sums();
        Ok(BaseFile { path: self.relative, rows: self.rows as u64, bytes, crc32 })
    }

    /// Compressing is no work for the threads that wait for networks.
    async fn encode(
        &mut self,
        work: impl FnOnce(&mut Encoder) -> Result<(), ParquetError> + Send + 'static,
    ) -> Result<()> {
        let Some(mut encoder) = self.encoder.take() else {
            return Err(Error::internal(format!("{}: it was not written before", self.path)));
        };
        let done = tokio::task::spawn_blocking(move || work(&mut encoder).map(|()| encoder)).await;
        let done = done.map_err(|e| Error::internal(format!("writing {}: {e}", self.path)))?;
        let encoder = self.encoder.insert(done.map_err(|e| not_encoded(&self.path, e))?);
        let bytes = encoder.take();
        self.upload.add(&bytes).await.map_err(|e| failed(&self.path, e))
    }
}

fn not_encoded(path: &Path, error: ParquetError) -> Error {
    Error::internal(format!("writing {path}: {error}"))
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
