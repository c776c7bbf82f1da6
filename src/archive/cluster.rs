//! skeleton
use super::*;
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::model::TableSchema;
use arrow::array::RecordBatch;
use futures::stream::BoxStream;
use object_store::{ObjectStore, path::Path};
use std::sync::Arc;

/// An object-store location that holds backups of clusters. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Archive {}

impl Archive {
    /// Opens an archive that exists.
    pub async fn open(_url: &str) -> Result<Archive> {
        Err(Error::internal("not built yet"))
    }
    /// Opens it, or makes it.
    pub async fn create(_url: &str, _clock: &dyn Clock) -> Result<Archive> {
        Err(Error::internal("not built yet"))
    }
    pub fn url(&self) -> &str {
        ""
    }
    /// Names of the clusters that have a manifest, sorted.
    pub async fn clusters(&self) -> Result<Vec<String>> {
        Err(Error::internal("not built yet"))
    }
    /// Does not ask the store: a cluster that has nothing yet has no manifest.
    pub fn cluster(&self, _name: &str) -> Result<Cluster> {
        Err(Error::internal("not built yet"))
    }
    pub fn object_store(&self) -> Arc<dyn ObjectStore> {
        Arc::new(object_store::memory::InMemory::new())
    }
}

#[derive(Debug, Clone)]
pub struct Cluster {}

impl Cluster {
    pub fn name(&self) -> &str {
        ""
    }
    pub async fn manifest(&self) -> Result<Option<Manifest>> {
        Err(Error::internal("not built yet"))
    }
    pub async fn put_manifest(&self, _manifest: &Manifest) -> Result<()> {
        Err(Error::internal("not built yet"))
    }
    pub async fn segments_after(&self, _number: u64) -> Result<Vec<u64>> {
        Err(Error::internal("not built yet"))
    }
    pub async fn footer(&self, _number: u64) -> Result<Footer> {
        Err(Error::internal("not built yet"))
    }
    pub async fn section(&self, _number: u64, _section: &Section) -> Result<RecordBatch> {
        Err(Error::internal("not built yet"))
    }
    pub async fn put_segment(&self, _segment: FinishedSegment) -> Result<Footer> {
        Err(Error::internal("not built yet"))
    }
    /// Where the store has an object that is named relative to the cluster.
    pub fn object_path(&self, _relative: &str) -> Path {
        Path::default()
    }
    pub async fn verify_base_file(&self, _file: &BaseFile) -> Result<()> {
        Err(Error::internal("not built yet"))
    }
    /// `columns`: positions in the file. Columns come in that order.
    pub fn base_rows(
        &self,
        _file: &BaseFile,
        _columns: Vec<usize>,
        _batch_rows: usize,
    ) -> BoxStream<'static, Result<RecordBatch>> {
        Box::pin(futures::stream::empty())
    }
    /// Files go to `base/<table-id>/<token>/<part>.parquet`; the seq may be known only at the end.
    pub fn base_writer(&self, _schema: Arc<TableSchema>, _token: &str) -> BaseWriter {
        BaseWriter {}
    }
}
