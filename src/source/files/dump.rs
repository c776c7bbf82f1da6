//! What do dump files hold? The state of their server at one place of its log.
//!
//! The files are read once, one after the other, by one thread; a table's rows leave as they are read.

use super::mydumper;
use super::packed;
use super::place::{Metadata, gtids, log_position};
use super::reading::{Found, Reading};
use super::statements::{Piece, Statements};
use crate::error::{Error, Kind, Result};
use crate::model::{Bookmark, Micros};
use crate::source::mysql::Position;
use crate::source::{BaseSource, BaseTable, Filter, Outline};
use async_trait::async_trait;
use chrono::NaiveDateTime;
use std::io::BufRead;
use std::path::{Path, PathBuf};
use tokio::runtime::Handle;
use tokio::sync::{Mutex, mpsc};

/// How far the position is looked for: it stands before the first table.
const HEAD_PIECES: usize = 400;

/// A file of statements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    pub path: PathBuf,
    /// The database of what names none.
    pub database: Option<String>,
    /// See `Statements::by_lines`.
    pub by_lines: bool,
}

impl Input {
    pub fn open(&self) -> Result<Statements<Box<dyn BufRead + Send>>> {
        let name = self.path.display().to_string();
        Ok(Statements::new(packed::open(&self.path)?, name).by_lines(self.by_lines))
    }
}

/// Dump files that together are one state.
#[derive(Debug, Clone, Default)]
pub struct Dump {
    /// In the order in which they are read.
    pub inputs: Vec<Input>,
    pub filter: Filter,
    /// Where the binary log goes on, if the dump says so. MariaDB's GTIDs may be known only at the dump's end.
    pub position: Option<Position>,
    /// The transactions that it holds, if it says them at its head (MySQL's GTID_PURGED).
    pub gtids: Option<String>,
    /// Of a mydumper directory.
    pub metadata: Option<Metadata>,
}

/// What a file's head says.
struct Head {
    position: Option<Position>,
    gtids: Option<String>,
    /// Rows come before any table is defined.
    rows_first: bool,
}

impl Dump {
    /// Reads the heads of dump files, of which some may only define tables and others only hold rows. `database`: of
    /// files that name none. Errors: `Usage` when they stand at different places of the log; `Io`, `BadValue`.
    pub fn files(paths: &[PathBuf], database: Option<&str>, filter: Filter) -> Result<Dump> {
        let (mut definitions, mut rows) = (Vec::new(), Vec::new());
        let mut first: Option<(&Path, Position)> = None;
        let mut gtids = None;
        for path in paths {
            let input = Input { path: path.clone(), database: database.map(String::from), by_lines: false };
            let head = head(&input)?;
            gtids = gtids.or_else(|| head.gtids.clone());
            if let Some(mut position) = head.position {
                position.gtids = head.gtids.unwrap_or_default();
                match &first {
                    Some((other, known)) if (&known.file, known.offset) != (&position.file, position.offset) => {
                        let text = format!(
                            "{} stands at {}:{} of the binary log, and {} at {}:{}",
                            other.display(),
                            known.file,
                            known.offset,
                            path.display(),
                            position.file,
                            position.offset
                        );
                        return Err(Error::new(Kind::Usage, text).hint(
                            "Files that were dumped one after the other are no state of the server: dump all of it at once \
                             (--single-transaction --databases …), or import each file under a --name of its own.",
                        ));
                    }
                    Some(_) => {}
                    None => first = Some((path, position)),
                }
            }
            if head.rows_first { rows.push(input) } else { definitions.push(input) }
        }
        definitions.append(&mut rows);
        Ok(Dump { inputs: definitions, filter, position: first.map(|(_, p)| p), gtids, metadata: None })
    }

    /// Reads the list of a mydumper directory.
    pub fn directory(path: &Path, filter: Filter) -> Result<Dump> {
        let found = mydumper::open(path)?;
        let position = found.metadata.position.clone();
        Ok(Dump { inputs: found.inputs, filter, position, gtids: None, metadata: Some(found.metadata) })
    }

    /// Begins to read it. `time`: when the dump's state was the server's, if that is known from elsewhere.
    pub fn base(&self, time: Option<Micros>) -> DumpBase {
        let (tables, receiver) = mpsc::channel(1);
        let (dump, runtime) = (self.clone(), Handle::current());
        let reader = tokio::task::spawn_blocking(move || Reading::new(dump, tables, runtime).run());
        let finished = self.metadata.as_ref().and_then(|m| m.finished.as_deref()).and_then(local_time);
        DumpBase {
            tables: Mutex::new(receiver),
            reader: Mutex::new(Some(reader)),
            position: self.position.clone(),
            time: time.or(finished),
        }
    }
}

fn head(input: &Input) -> Result<Head> {
    let mut statements = input.open()?;
    let mut head = Head { position: None, gtids: None, rows_first: false };
    for _ in 0..HEAD_PIECES {
        let text = match statements.next()? {
            Some(Piece::Comment(text)) => text,
            Some(Piece::Statement(bytes)) if bytes.len() < 1 << 20 => String::from_utf8_lossy(&bytes).into_owned(),
            Some(Piece::Statement(bytes)) => String::from_utf8_lossy(&bytes[..2000]).into_owned(),
            None => break,
        };
        head.position = head.position.or_else(|| log_position(&text));
        head.gtids = head.gtids.or_else(|| gtids(&text));
        let begins = |word: &str| text.trim_start().get(..word.len()).is_some_and(|t| t.eq_ignore_ascii_case(word));
        if begins("CREATE TABLE") || begins("INSERT") || begins("REPLACE") {
            head.rows_first = !begins("CREATE");
            break;
        }
    }
    Ok(head)
}

/// `2026-11-23 9:17:35`, in a zone that is not named: taken as UTC.
pub fn local_time(text: &str) -> Option<Micros> {
    let time = NaiveDateTime::parse_from_str(text.trim(), "%Y-%m-%d %H:%M:%S").ok()?;
    Some(Micros(time.and_utc().timestamp_micros()))
}

/// A dump on its way into the archive.
pub struct DumpBase {
    tables: Mutex<mpsc::Receiver<BaseTable>>,
    reader: Mutex<Option<tokio::task::JoinHandle<Result<Found>>>>,
    position: Option<Position>,
    time: Option<Micros>,
}

impl DumpBase {
    async fn found(&self) -> Result<Found> {
        let reader = self.reader.lock().await.take();
        let reader = reader.ok_or_else(|| Error::internal("a dump's outline was asked for twice"))?;
        reader.await.map_err(|e| Error::internal(format!("reading the dump broke: {e}")))?
    }
}

#[async_trait]
impl BaseSource for DumpBase {
    fn lanes(&self) -> usize {
        1
    }

    fn expected(&self) -> Option<(usize, u64)> {
        None
    }

    async fn next_table(&self) -> Result<Option<BaseTable>> {
        Ok(self.tables.lock().await.recv().await)
    }

    async fn outline(&self) -> Result<Outline> {
        let found = self.found().await?;
        let bookmark = self.position.clone().map_or_else(Bookmark::default, |mut position| {
            if let Some(gtids) = found.gtids {
                position.gtids = gtids;
            }
            position.bookmark()
        });
        let time = self.time.or(found.completed).unwrap_or_default();
        Ok(Outline { catalog: found.catalog, bookmark, time, source: format!("dump of {}", found.server) })
    }
}
