//! What do dump files and binlog files on disk tell? The same as a live server, as far as they reach.

mod binlog;
mod dump;
mod insert;
mod left_out;
mod mydumper;
mod packed;
mod place;
mod reading;
mod session;
mod statements;

use crate::error::{Context, Error, Kind, Result};
use crate::model::{Bookmark, Catalog, TableSchema};
use crate::source::{BaseSource, ChangeStream, Filter, Retake, Source};
use async_trait::async_trait;
use binlog::Series;
use dump::Dump;
use packed::Sort;
use std::path::PathBuf;

/// A dump, and the binlog files that go on from it; or binlog files that go on from what an archive holds.
#[derive(Debug, Clone)]
pub struct Files {
    dump: Option<Dump>,
    log: Series,
    filter: Filter,
}

impl Files {
    /// Tells dump from binlog files by their first bytes; a directory is one that mydumper wrote. `database`: of dumps
    /// that name none.
    /// Errors: `Usage` when the dump does not say where the binlog goes on, or when a binlog file is missing; `Io`;
    /// `BadValue`; `Unsupported`.
    pub fn open(paths: &[PathBuf], database: Option<&str>, filter: Filter) -> Result<Files> {
        let (mut dumps, mut logs, mut directories) = (Vec::new(), Vec::new(), Vec::new());
        for path in paths {
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            match packed::sort(path)? {
                Sort::BinaryLog => logs.push(path.clone()),
                Sort::Text => dumps.push(path.clone()),
            }
        }
        let mut dump = match (directories.as_slice(), dumps.as_slice()) {
            ([], []) => None,
            ([], files) => Some(Dump::files(files, database, filter.clone())?),
            ([directory], []) => {
                not_another_kind(directory)?;
                Some(Dump::directory(directory, filter.clone())?)
            }
            _ => {
                return Err(Error::new(Kind::Usage, "there are several dumps among the files")
                    .hint("Import one dump at a time: one mydumper directory, or the files of one mysqldump."));
            }
        };
        let log = Series::new(logs)?;
        if let Some(dump) = dump.as_mut().filter(|d| d.position.is_none() && !log.is_empty()) {
            let gtids = dump.gtids.as_deref().filter(|g| !g.is_empty());
            dump.position = gtids.map(|g| log.place_of(g)).transpose()?;
        }
        match dump.as_ref().map(|d| &d.position) {
            Some(Some(position)) if !log.is_empty() => drop(log.time_at(position)?),
            Some(None) if !log.is_empty() => {
                return Err(Error::new(Kind::Usage, "the dump does not say where the binary log goes on").hint(
                    "Dump again with --single-transaction and --master-data=2 (MariaDB) or --source-data=2 (MySQL); or import \
                     the dump without binlog files.",
                ));
            }
            _ => {}
        }
        Ok(Files { dump, log, filter })
    }

    /// Whether there is a dump; without one, binlog files go on from what the archive holds.
    pub fn has_dump(&self) -> bool {
        self.dump.is_some()
    }
}

/// Says what a directory is that mydumper did not write.
fn not_another_kind(directory: &std::path::Path) -> Result<()> {
    if mydumper::is_directory(directory) {
        return Ok(());
    }
    let list = std::fs::read_dir(directory).context(directory.display())?;
    let names: Vec<String> = list.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    let has = |end: &str| names.iter().any(|n| n.ends_with(end));
    let shown = directory.display();
    if has(".sql") && has(".txt") {
        return Err(Error::new(Kind::Unsupported, format!("{shown} is a dump of mysqldump --tab, which is not read"))
            .hint("Dump without --tab."));
    }
    if has(".json") && (has(".tsv.zst") || has(".tsv")) {
        return Err(Error::new(Kind::Unsupported, format!("{shown} is a dump of MySQL Shell, which is not read"))
            .hint("Dump with mysqldump or mydumper."));
    }
    Err(Error::new(Kind::Usage, format!("{shown} is no directory that mydumper wrote: it has no file `metadata`"))
        .hint("Name the dump's files one by one, or a mydumper directory."))
}

#[async_trait]
impl Source for Files {
    async fn check(&self, _tables: bool) -> Result<()> {
        Ok(()) // what the dump holds is checked as it is read
    }

    async fn base(&self) -> Result<Box<dyn BaseSource>> {
        let dump = self.dump.as_ref().ok_or_else(|| {
            Error::new(Kind::Usage, "there is no dump among the files")
                .hint("Binlog files tell changes; a dump tells what they change.")
        })?;
        let time = match &dump.position {
            Some(position) if !self.log.is_empty() => Some(self.log.time_at(position)?),
            _ => None,
        };
        Ok(Box::new(dump.base(time)))
    }

    async fn changes(&self, catalog: &Catalog, from: &Bookmark) -> Result<Option<Box<dyn ChangeStream>>> {
        if self.log.is_empty() {
            return Ok(None);
        }
        Ok(Some(Box::new(self.log.read(catalog, from, &self.filter)?)))
    }

    async fn retake(&self, _table: &TableSchema) -> Result<Retake> {
        Ok(Retake::Nothing)
    }
}
