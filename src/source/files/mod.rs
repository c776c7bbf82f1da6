//! What do dump files and binlog files on disk tell? The same as a live server, as far as they reach.

mod binlog;
mod dump;
mod insert;
mod statements;

use crate::error::{Error, Kind, Result};
use crate::model::{Bookmark, Catalog, TableSchema};
use crate::source::{BaseSource, ChangeStream, Filter, Retake, Source};
use async_trait::async_trait;
use binlog::Series;
use dump::{Dump, is_dump};
use std::path::PathBuf;

/// One dump, and the binlog files that go on from it.
#[derive(Debug, Clone)]
pub struct Files {
    dump: Dump,
    log: Series,
    filter: Filter,
}

impl Files {
    /// Tells dump from binlog files by their first bytes.
    /// Errors: `Usage` when there is not exactly one dump, when it does not say where the binlog goes on, or when a
    /// binlog file is missing; `Io`; `BadValue`.
    pub fn open(paths: &[PathBuf], filter: Filter) -> Result<Files> {
        let (mut dumps, mut logs) = (Vec::new(), Vec::new());
        for path in paths {
            if is_dump(path)? { dumps.push(path) } else { logs.push(path.clone()) }
        }
        let dump = match dumps.as_slice() {
            [dump] => Dump::open(dump, filter.clone())?,
            [] => {
                return Err(Error::new(Kind::Usage, "there is no dump among the files")
                    .hint("Binlog files tell changes; a dump tells what they change."));
            }
            _ => {
                return Err(Error::new(Kind::Usage, "there are several dumps among the files")
                    .hint("Import one dump at a time."));
            }
        };
        let log = Series::new(logs)?;
        match &dump.position {
            Some(position) if !log.is_empty() => drop(log.time_at(position)?),
            None if !log.is_empty() => {
                return Err(Error::new(Kind::Usage, "the dump does not say where the binary log goes on")
                    .hint("Dump again with --master-data=2 (and --single-transaction)."));
            }
            _ => {}
        }
        Ok(Files { dump, log, filter })
    }
}

#[async_trait]
impl Source for Files {
    async fn check(&self, _tables: bool) -> Result<()> {
        Ok(()) // what the dump holds is checked as it is read
    }

    async fn base(&self) -> Result<Box<dyn BaseSource>> {
        let time = match &self.dump.position {
            Some(position) if !self.log.is_empty() => Some(self.log.time_at(position)?),
            _ => None,
        };
        Ok(Box::new(self.dump.base(time)))
    }

    async fn changes(&self, catalog: &Catalog, from: &Bookmark) -> Result<Option<Box<dyn ChangeStream>>> {
        if self.log.is_empty() {
            return Ok(None);
        }
        Ok(Some(Box::new(self.log.read(catalog, from, &self.filter)?)))
    }

    async fn retake(&self, _table: &TableSchema) -> Result<Option<Retake>> {
        Ok(None)
    }
}
