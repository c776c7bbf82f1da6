//! How is a MariaDB server read? What it must have, its state as of one position, and its log from there on.
//!
//! Knows nothing of the archive.

mod catalog;
mod cells;
pub mod connect;
pub mod ddl;
mod position;
pub mod preflight;
mod snapshot;
mod table;

pub use position::Position;

use crate::error::{Error, Kind, Result};
use crate::model::{Bookmark, Catalog, ServerUrl, TableSchema};
use crate::source::{BaseSource, ChangeStream, Filter, Retake, Source};
use async_trait::async_trait;

/// A live MariaDB server.
#[derive(Debug, Clone)]
pub struct MariaDb {
    pub url: ServerUrl,
    pub filter: Filter,
    /// How many tables of the base are read at once.
    pub connections: usize,
}

#[async_trait]
impl Source for MariaDb {
    async fn check(&self, tables: bool) -> Result<()> {
        preflight::check(&self.url, &self.filter, tables).await?.into_result()
    }

    async fn base(&self) -> Result<Box<dyn BaseSource>> {
        Ok(Box::new(snapshot::Snapshot::open(&self.url, &self.filter, self.connections).await?))
    }

    async fn changes(&self, _catalog: &Catalog, _from: &Bookmark) -> Result<Option<Box<dyn ChangeStream>>> {
        Err(Error::new(Kind::Unsupported, "not built yet"))
    }

    async fn retake(&self, table: &TableSchema) -> Result<Option<Retake>> {
        table::retake(&self.url, table).await
    }
}
