//! What do binlog files on disk tell? The same events as a server's stream, file after file.

use super::packed::encrypted;
use crate::error::{Context, Error, Kind, Result};
use crate::model::{Bookmark, Catalog, Micros, SchemaChange, SourceEvent, TableSchema};
use crate::source::mysql::{EventHeader, Gtids, LogReader, MAGIC, Position, intact, kind};
use crate::source::{ChangeStream, Filter};
use async_trait::async_trait;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// No server writes a larger event.
const MAX_EVENT: u32 = (1 << 30) + (1 << 26);

/// A series of binlog files, in the order in which they were written.
#[derive(Debug, Clone)]
pub struct Series {
    files: Vec<PathBuf>,
}

impl Series {
    /// Errors: `Usage` for names without a number, of several series, or with one missing between.
    pub fn new(mut files: Vec<PathBuf>) -> Result<Series> {
        let place = |p: &Path| Position { file: name(p), offset: 0, gtids: String::new() };
        files.sort_by(|a, b| place(a).order(&place(b)).unwrap_or_else(|| a.cmp(b)));
        for path in &files {
            number(path).ok_or_else(|| {
                Error::new(Kind::Usage, format!("{} is neither a dump nor named like a binlog file", path.display()))
                    .hint("Binlog files keep the names that the server gave them: binlog.000042.")
            })?;
        }
        for pair in files.windows(2) {
            let (before, after) = (&pair[0], &pair[1]);
            if place(before).order(&place(after)).is_none() {
                let text = format!("{} and {} are of different series", before.display(), after.display());
                return Err(Error::new(Kind::Usage, text));
            }
            match (number(before), number(after)) {
                (Some(a), Some(b)) if a == b => {
                    let text = format!("{} and {} are the same binlog file", before.display(), after.display());
                    return Err(Error::new(Kind::Usage, text).hint("Give each file once."));
                }
                (Some(a), Some(b)) if a + 1 != b => return Err(gap(after, a + 1, b - 1)),
                _ => {}
            }
        }
        Ok(Series { files })
    }

    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The files from the one that a position names on.
    fn beginning_with(&self, position: &Position) -> Result<&[PathBuf]> {
        let at = self.files.iter().position(|p| name(p) == position.file).ok_or_else(|| {
            let wanted = Path::new(&position.file);
            match (self.files.first(), number(wanted)) {
                // the first that is given comes later
                (Some(first), Some(a)) if stem(first) == stem(wanted) && number(first).is_some_and(|b| b > a) => {
                    gap(first, a, number(first).unwrap_or(a + 1) - 1)
                }
                _ => {
                    let given = self.files.iter().map(|p| name(p)).collect::<Vec<_>>().join(", ");
                    let text =
                        format!("the log goes on in {}, which is not among the binlog files: {given}", position.file);
                    Error::new(Kind::Usage, text).hint("Add that file, and those after it.")
                }
            }
        })?;
        Ok(&self.files[at..])
    }

    /// The end of the second in which the last event before a position was logged: the state at the position was the
    /// server's then. Errors: `Corrupt`, `Io`, `Usage`.
    pub fn time_at(&self, position: &Position) -> Result<Micros> {
        let (_, newest) = self.walk_to(position)?;
        Ok(Micros(i64::from(newest) * Micros::SECOND + Micros::SECOND - 1))
    }

    /// The place before which exactly these transactions stand. Errors: `Usage` when it is in none of the files.
    pub fn place_of(&self, gtids: &str) -> Result<Position> {
        let wanted = Gtids::parse(gtids).filter(|g| !g.is_empty());
        let wanted =
            wanted.ok_or_else(|| Error::new(Kind::BadValue, format!("the dump's GTIDs are malformed: {gtids}")))?;
        let found = |log: &LogFile, path: &Path, offset| {
            tracing::debug!(file = log.name, offset, "the dump's GTIDs end here");
            Position { file: name(path), offset, gtids: gtids.to_string() }
        };
        for path in &self.files {
            let mut log = LogFile::open(path)?;
            let (mut gtids, mut checksum) = (Gtids::default(), false);
            while let Some(event) = log.next()? {
                let before = gtids == wanted;
                let noted = intact(&log.bytes, &mut checksum).and_then(|e| gtids.note(&e));
                noted.map_err(|e| Error::corrupt(format!("{} at {}", log.name, log.start), e.0))?;
                // a GTID is noted where its transaction begins
                if before && (gtids != wanted || event.closes_file()) {
                    return Ok(found(&log, path, log.start));
                }
            }
            if gtids == wanted {
                return Ok(found(&log, path, log.offset));
            }
        }
        let given = self.files.iter().map(|p| name(p)).collect::<Vec<_>>().join(", ");
        let text =
            format!("the dump holds the transactions {gtids}, and no place in the binlog files follows them: {given}");
        Err(Error::new(Kind::Usage, text)
            .hint("Add the file in which the first transaction after the dump stands, and those after it."))
    }

    /// What was committed before a position, as its file says, and the newest event's second.
    fn walk_to(&self, position: &Position) -> Result<(Gtids, u32)> {
        let mut log = LogFile::open(&self.beginning_with(position)?[0])?;
        let (mut gtids, mut newest, mut checksum) = (Gtids::default(), 0, false);
        while log.offset < position.offset {
            let Some(event) = log.next()? else { break };
            newest = newest.max(event.timestamp);
            let noted = intact(&log.bytes, &mut checksum).and_then(|e| gtids.note(&e));
            noted.map_err(|e| Error::corrupt(format!("{} at {}", log.name, log.start), e.0))?;
        }
        if log.offset != position.offset {
            return Err(log.damaged(format!("no event begins at the dump's position {}", position.offset)));
        }
        Ok((gtids, newest))
    }

    /// Everything after a bookmark.
    pub fn read(&self, catalog: &Catalog, from: &Bookmark, filter: &Filter) -> Result<FileLog> {
        let mut reader = LogReader::new(catalog, from, filter)?;
        let position = reader.position().clone();
        let files = self.beginning_with(&position)?;
        let (gtids, _) = self.walk_to(&position)?;
        reader.knows(&gtids).map_err(|found| {
            let text = format!("{} is of another log: at {} it follows {found}", position.file, position.offset);
            Error::new(Kind::Server, text).hint("Give the binlog files of the server that the dump is of.")
        })?;
        let mut this =
            FileLog { reader, waiting: files[1..].iter().rev().cloned().collect(), log: LogFile::open(&files[0])? };
        let log = &mut this.log;
        log.next()?.ok_or_else(|| Error::corrupt(&log.name, "it holds no event"))?;
        this.reader.take(&log.bytes, Some(log.start))?;
        log.seek(position.offset)?;
        this.reader.reach(&name(&files[0]), position.offset);
        Ok(this)
    }
}

/// `binlog.000042` without its directory.
fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn number(path: &Path) -> Option<u64> {
    name(path).rsplit_once('.')?.1.parse().ok()
}

fn stem(path: &Path) -> String {
    name(path).rsplit_once('.').map(|(stem, _)| stem.to_string()).unwrap_or_default()
}

/// The files that are missing before one: from one number to another.
fn gap(before: &Path, from: u64, to: u64) -> Error {
    let given = name(before);
    let width = given.rsplit_once('.').map_or(6, |(_, digits)| digits.len());
    let named = |n: u64| format!("{}.{n:0width$}", stem(before));
    let text = match to - from {
        0 => format!("binlog file {} is missing before {given}", named(from)),
        _ => format!("binlog files {} to {} are missing before {given}", named(from), named(to)),
    };
    Error::new(Kind::Usage, text).hint(
        "Every file from the dump's position on is needed: add them; or import the files before the gap only, and take a \
         new dump for what comes after.",
    )
}

/// One file, event by event.
struct LogFile {
    name: String,
    file: BufReader<File>,
    /// Where the next event begins.
    offset: u64,
    /// The last event: its bytes, and where it begins.
    bytes: Vec<u8>,
    start: u64,
    /// The server had not closed the file: it was copied while it was written, or the server crashed.
    in_use: bool,
    closed: bool,
}

impl LogFile {
    fn open(path: &Path) -> Result<LogFile> {
        let mut file = BufReader::with_capacity(1 << 20, File::open(path).context(path.display())?);
        let name = path.display().to_string();
        let mut magic = Vec::new();
        (&mut file).take(4).read_to_end(&mut magic).context(&name)?;
        if magic != MAGIC {
            return Err(Error::corrupt(format!("{name} at 0"), "it does not begin as a binlog file does"));
        }
        Ok(LogFile { name, file, offset: 4, bytes: Vec::new(), start: 4, in_use: false, closed: false })
    }

    fn seek(&mut self, offset: u64) -> Result<()> {
        self.file.seek(SeekFrom::Start(offset)).context(&self.name)?;
        self.offset = offset;
        Ok(())
    }

    /// The next event, in `bytes`; `None` at the file's end.
    fn next(&mut self) -> Result<Option<EventHeader>> {
        self.bytes.clear();
        let header_size = EventHeader::SIZE as u64;
        let n = (&mut self.file).take(header_size).read_to_end(&mut self.bytes).context(&self.name)? as u64;
        if n == 0 {
            return Ok(None);
        }
        let cut_off = |this: &Self| this.damaged("it is cut off within an event".to_string());
        let header = EventHeader::parse(&self.bytes).filter(|_| n == header_size).ok_or_else(|| cut_off(self))?;
        if header.size > MAX_EVENT || u64::from(header.size) < header_size {
            return Err(self.damaged(format!("an event of {} bytes", header.size)));
        }
        let rest = u64::from(header.size) - header_size;
        if (&mut self.file).take(rest).read_to_end(&mut self.bytes).context(&self.name)? as u64 != rest {
            return Err(cut_off(self));
        }
        if self.offset == 4 {
            if !header.describes() {
                return Err(self.damaged("its first event does not describe it".to_string()));
            }
            self.in_use = header.in_use();
        }
        if header.kind == kind::START_ENCRYPTION {
            let error = encrypted(&self.name);
            return Err(Error { message: format!("{} from position {} on", error.message, self.offset), ..error });
        }
        self.closed = header.closes_file();
        self.start = self.offset;
        self.offset += u64::from(header.size);
        Ok(Some(header))
    }

    fn damaged(&self, why: String) -> Error {
        Error::corrupt(format!("{} at {}", self.name, self.offset), why)
    }
}

/// The events of the files, in order.
pub struct FileLog {
    reader: LogReader,
    log: LogFile,
    /// The files after it, the next one last.
    waiting: Vec<PathBuf>,
}

impl FileLog {
    /// Goes to the next file; false: there is none.
    fn turn(&mut self) -> Result<bool> {
        if !self.log.closed && !self.log.in_use {
            return Err(self.log.damaged("it is cut off: the server ended it with another event".to_string()));
        }
        let Some(path) = self.waiting.pop() else {
            if self.reader.within() {
                return Err(self
                    .log
                    .damaged("it ends within a transaction".to_string())
                    .hint("Copy the file again after FLUSH BINARY LOGS."));
            }
            return Ok(false);
        };
        self.log = LogFile::open(&path)?;
        Ok(true)
    }
}

#[async_trait]
impl ChangeStream for FileLog {
    async fn next(&mut self) -> Result<Option<SourceEvent>> {
        loop {
            if let Some(event) = self.reader.told()? {
                return Ok(Some(event));
            }
            if self.log.next()?.is_some() {
                self.reader.take(&self.log.bytes, Some(self.log.start))?;
                // a long file must not keep others from running
                tokio::task::consume_budget().await;
            } else {
                let last = self.log.name.clone();
                if !self.turn()? {
                    return Ok(None);
                }
                if self.reader.position().file != name(Path::new(&self.log.name)) {
                    // no ROTATE told it: the server crashed in the file before
                    tracing::debug!(file = last, "ends without naming the next file");
                    self.reader.reach(&name(Path::new(&self.log.name)), 4);
                }
            }
        }
    }

    fn retake(&mut self, schema: Arc<TableSchema>, at: &Bookmark) {
        self.reader.retake(schema, at);
    }

    fn apply(&mut self, changes: &[SchemaChange]) {
        self.reader.apply(changes);
    }
}
