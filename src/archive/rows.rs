//! What rows does a base file hold? Verified before the first is handed out.

use super::cluster::Cluster;
use super::manifest::BaseFile;
use super::store::failed;
use crate::error::{Error, Result};
use arrow::array::{RecordBatch, RecordBatchOptions};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryFutureExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use std::ops::Range;
use std::sync::Arc;

impl Cluster {
    /// The rows of a base file, in its order. `columns`: positions in the file; they come in the order given, of
    /// `ColumnType::arrow()`'s types. `batch_rows`: at most so many at once, and never more than a row group.
    /// The file's checksum is verified first. Errors: `Corrupt`, `Io`.
    pub fn base_rows(
        &self,
        file: &BaseFile,
        columns: Vec<usize>,
        batch_rows: usize,
    ) -> BoxStream<'static, Result<RecordBatch>> {
        let (cluster, file) = (self.clone(), file.clone());
        futures::stream::once(async move { open(cluster, file, columns, batch_rows).await }).try_flatten().boxed()
    }
}

async fn open(
    cluster: Cluster,
    file: BaseFile,
    columns: Vec<usize>,
    batch_rows: usize,
) -> Result<BoxStream<'static, Result<RecordBatch>>> {
    cluster.verify_base_file(&file).await?;
    let path = cluster.object_path(&file.path);
    let reader = Reader { store: cluster.store(), path: path.clone(), size: file.bytes };
    let builder = ParquetRecordBatchStreamBuilder::new(reader).await.map_err(|e| unread(&path, e))?;
    if u64::try_from(builder.metadata().file_metadata().num_rows()) != Ok(file.rows) {
        return Err(Error::corrupt(&path, "it has another number of rows than its manifest says"));
    }
    let whole = builder.schema().clone();
    let wanted = Arc::new(
        whole.project(&columns).map_err(|e| Error::internal(format!("{path} lacks a column that is asked: {e}")))?,
    );
    // A projection keeps the file's order: where in it is each wanted column?
    let mut read = columns.clone();
    read.sort_unstable();
    read.dedup();
    let places: Vec<usize> = columns.iter().filter_map(|c| read.binary_search(c).ok()).collect();
    // Every column is one leaf: MySQL has no nested types.
    let mask = ProjectionMask::leaves(builder.parquet_schema(), read);
    let stream = builder.with_projection(mask).with_batch_size(batch_rows.max(1)).build().map_err(|e| unread(&path, e));
    Ok(stream?
        .map(move |rows| {
            let rows = rows.map_err(|e| unread(&path, e))?;
            let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
            let arrays = places.iter().map(|at| rows.column(*at).clone()).collect();
            RecordBatch::try_new_with_options(wanted.clone(), arrays, &options).map_err(|e| Error::corrupt(&path, e))
        })
        .boxed())
}

/// The store's failure, or else damage.
fn unread(path: &Path, error: ParquetError) -> Error {
    match error {
        ParquetError::External(e) => match e.downcast::<object_store::Error>() {
            Ok(e) => failed(path, *e),
            Err(e) => Error::corrupt(path, e),
        },
        other => Error::corrupt(path, other),
    }
}

/// A file of the store, as the Parquet reader asks for it.
struct Reader {
    store: Arc<dyn ObjectStore>,
    path: Path,
    size: u64,
}

fn external(error: object_store::Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}

impl AsyncFileReader for Reader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        async move { self.store.get_range(&self.path, range).await.map_err(external) }.boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>, ParquetError>> {
        async move { self.store.get_ranges(&self.path, &ranges).await.map_err(external) }.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>, ParquetError>> {
        let size = self.size;
        let reader = ParquetMetaDataReader::new().with_arrow_reader_options(options);
        reader.load_and_finish(self, size).map_ok(Arc::new).boxed()
    }
}
