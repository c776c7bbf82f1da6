//! How is a live server, MariaDB or MySQL, read? What it must have, its state as of one position, and its log from there on.
//!
//! Knows nothing of the archive.

mod catalog;
mod cells;
pub mod connect;
pub mod ddl;
mod event;
mod family;
mod identity;
mod json;
mod log;
mod mysql_event;
mod order;
mod position;
pub mod preflight;
mod resume;
mod rows;
mod shape;
mod snapshot;
mod stream;
mod table;
mod wire;

pub use catalog::same_definition;
pub use event::{EventHeader, MAGIC, intact, kind};
pub use log::{Gtids, LogReader};
pub use order::order;
pub use position::Position;
pub use stream::BinlogStream;

use crate::error::Result;
use crate::model::{Bookmark, Catalog, ServerUrl, TableSchema};
use crate::source::{BaseSource, ChangeStream, Filter, Retake, Source};
use async_trait::async_trait;

/// A live server of either family.
#[derive(Debug, Clone)]
pub struct Server {
    pub url: ServerUrl,
    pub filter: Filter,
    /// How many tables of the base are read at once.
    pub connections: usize,
}

#[async_trait]
impl Source for Server {
    async fn check(&self, tables: bool) -> Result<()> {
        preflight::check(&self.url, &self.filter, tables).await?.into_result()
    }

    async fn base(&self) -> Result<Box<dyn BaseSource>> {
        Ok(Box::new(snapshot::Snapshot::open(&self.url, &self.filter, self.connections).await?))
    }

    async fn changes(&self, catalog: &Catalog, from: &Bookmark) -> Result<Option<Box<dyn ChangeStream>>> {
        Ok(Some(Box::new(BinlogStream::open(&self.url, catalog, from, &self.filter).await?)))
    }

    async fn retake(&self, table: &TableSchema) -> Result<Retake> {
        table::retake(&self.url, table).await
    }
}
