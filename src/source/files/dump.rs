//! What does a dump of mariadb-dump or mysqldump hold? Its tables in the file's order, one after the other.
//!
//! The file is read once from its beginning to its end, by one thread; a table's rows leave as they are read.

use super::insert::Insert;
use super::statements::{Piece, Statements};
use crate::error::{Context, Error, Kind, Result};
use crate::model::{Bookmark, Catalog, ColumnType, Micros, RowsBuilder, SchemaChange, TableName, TableSchema};
use crate::source::mysql::{Position, ddl};
use crate::source::{BaseSource, BaseTable, Filter, Outline, RowsSender, base_rows};
use async_trait::async_trait;
use chrono::NaiveDateTime;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, mpsc};

/// A batch is full with so many rows, or so many bytes.
const BATCH_ROWS: usize = 8_192;
const BATCH_BYTES: usize = 4 << 20;
/// How far the position is looked for: it stands before the first table.
const HEAD_PIECES: usize = 400;

/// A dump file that can be read.
#[derive(Debug, Clone)]
pub struct Dump {
    path: PathBuf,
    filter: Filter,
    /// Where the binary log goes on, if the dump says so. Its GTIDs are known only at the dump's end.
    pub position: Option<Position>,
}

impl Dump {
    /// Reads a dump's head. Errors: `Io`, `BadValue`.
    pub fn open(path: &Path, filter: Filter) -> Result<Dump> {
        let mut statements = Statements::new(reader(path)?, path.display().to_string());
        let mut position = None;
        for _ in 0..HEAD_PIECES {
            let text = match statements.next()? {
                Some(Piece::Comment(text)) => text,
                Some(Piece::Statement(bytes)) => String::from_utf8_lossy(&bytes[..bytes.len().min(2000)]).into_owned(),
                None => break,
            };
            if let Some(found) = log_position(&text) {
                position = Some(found);
                break;
            }
            if text.starts_with("CREATE TABLE") || text.starts_with("INSERT") {
                break;
            }
        }
        Ok(Dump { path: path.to_path_buf(), filter, position })
    }

    /// Begins to read it. `time`: when the dump's state was the server's, if that is known from elsewhere.
    pub fn base(&self, time: Option<Micros>) -> DumpBase {
        let (tables, receiver) = mpsc::channel(1);
        let (dump, runtime) = (self.clone(), Handle::current());
        let reader = tokio::task::spawn_blocking(move || Reading::new(dump, tables, runtime).run());
        DumpBase {
            tables: Mutex::new(receiver),
            reader: Mutex::new(Some(reader)),
            position: self.position.clone(),
            time,
        }
    }
}

/// Whether a file looks like a dump, and not like a binary log: one that is named `….000042` is a damaged log rather
/// than a dump.
pub fn is_dump(path: &Path) -> Result<bool> {
    let numbered = |e: &std::ffi::OsStr| e.len() >= 6 && e.as_encoded_bytes().iter().all(u8::is_ascii_digit);
    if path.extension().is_some_and(numbered) {
        return Ok(false);
    }
    let mut head = [0u8; 4];
    let mut file = File::open(path).context(path.display())?;
    let n = file.read(&mut head).context(path.display())?;
    Ok(&head[..n] != b"\xfebin")
}

/// Plain, or gzip by its first bytes.
fn reader(path: &Path) -> Result<Box<dyn BufRead + Send>> {
    let mut file = BufReader::with_capacity(1 << 20, File::open(path).context(path.display())?);
    let gzip = file.fill_buf().context(path.display())?.starts_with(&[0x1f, 0x8b]);
    Ok(if gzip {
        Box::new(BufReader::with_capacity(1 << 20, flate2::bufread::MultiGzDecoder::new(file)))
    } else {
        Box::new(file)
    })
}

/// `MASTER_LOG_FILE='binlog.000001', MASTER_LOG_POS=3912`, as a comment or not; MySQL says SOURCE.
fn log_position(text: &str) -> Option<Position> {
    let after = |word: &str| {
        let at = text.find(&format!("MASTER_LOG_{word}=")).or_else(|| text.find(&format!("SOURCE_LOG_{word}=")))?;
        text[at..].split_once('=').map(|(_, rest)| rest)
    };
    let file = after("FILE")?.strip_prefix('\'')?.split_once('\'')?.0.to_string();
    let digits: String = after("POS")?.chars().take_while(char::is_ascii_digit).collect();
    Some(Position { file, offset: digits.parse().ok()?, gtids: String::new() })
}

type Tables = mpsc::Sender<BaseTable>;

/// What the reader has found when it is done.
struct Found {
    catalog: Catalog,
    gtids: Option<String>,
    /// When the dump says that it was completed; by the dumping machine's clock, in a zone that it does not name.
    completed: Option<Micros>,
    server: String,
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
            position.gtids = found.gtids.unwrap_or_default();
            position.bookmark()
        });
        let time = self.time.or(found.completed).unwrap_or_default();
        Ok(Outline { catalog: found.catalog, bookmark, time, source: format!("dump of {}", found.server) })
    }
}

/// The table whose rows come now.
struct Open {
    schema: Arc<TableSchema>,
    rows: RowsSender,
    batch: RowsBuilder,
}

/// The one pass over the file.
struct Reading {
    dump: Dump,
    tables: Tables,
    runtime: Handle,
    found: Found,
    database: String,
    sql_mode: String,
    utc: bool,
    open: Option<Open>,
    /// Views, triggers, routines and events: read when all tables are known.
    objects: Vec<(String, String, String)>,
}

impl Reading {
    fn new(dump: Dump, tables: Tables, runtime: Handle) -> Self {
        let found =
            Found { catalog: Catalog::default(), gtids: None, completed: None, server: "an unnamed server".into() };
        let (database, sql_mode) = (String::new(), String::new());
        Self { dump, tables, runtime, found, database, sql_mode, utc: false, open: None, objects: Vec::new() }
    }

    fn run(mut self) -> Result<Found> {
        let result = self.read();
        match (result, self.open.take()) {
            (Ok(()), _) => {}
            (Err(error), None) => return Err(error),
            (Err(error), Some(open)) => {
                self.runtime.block_on(open.rows.fail(error.clone()));
                return Err(error);
            }
        }
        for (database, sql_mode, text) in std::mem::take(&mut self.objects) {
            self.changes(&text, &database, &sql_mode)?;
        }
        Ok(self.found)
    }

    fn read(&mut self) -> Result<()> {
        let path = self.dump.path.clone();
        let mut statements = Statements::new(reader(&path)?, path.display().to_string());
        while let Some(piece) = statements.next()? {
            match piece {
                Piece::Comment(text) => self.comment(&text),
                Piece::Statement(bytes) => self.statement(&bytes).context(statements.place())?,
            }
        }
        self.close_table()
    }

    fn comment(&mut self, text: &str) {
        if let Some(version) = text.strip_prefix("-- Server version") {
            self.found.server = match version.trim().split_once("-MariaDB") {
                Some((number, _)) => format!("MariaDB {number}"),
                None => format!("MySQL {}", version.trim()),
            };
        }
        if let Some(at) = text.strip_prefix("-- Dump completed on ") {
            let time = NaiveDateTime::parse_from_str(at.trim(), "%Y-%m-%d %H:%M:%S").ok();
            self.found.completed = time.map(|t| Micros(t.and_utc().timestamp_micros()));
        }
        self.gtids(text);
    }

    fn gtids(&mut self, text: &str) {
        if let Some((_, rest)) = text.split_once("gtid_slave_pos='")
            && let Some((gtids, _)) = rest.split_once('\'')
        {
            self.found.gtids = Some(gtids.to_string());
        }
    }

    fn statement(&mut self, bytes: &[u8]) -> Result<()> {
        if let Some(insert) = Insert::begin(bytes) {
            return self.insert(insert);
        }
        let raw =
            std::str::from_utf8(bytes).map_err(|_| Error::new(Kind::BadValue, "a statement is not UTF-8"))?.trim();
        // a stand-in for a view that comes later
        if raw.starts_with("/*!50001 CREATE TABLE") {
            return Ok(());
        }
        let text = unwrapped(raw);
        let upper: String = text.chars().take(400).collect::<String>().to_ascii_uppercase();
        let words: Vec<&str> = upper.split_whitespace().collect();
        match words.as_slice() {
            ["SET", ..] => self.set(&text, &upper),
            ["USE", ..] => {
                self.database = text[3..].trim().trim_matches('`').replace("``", "`");
                Ok(())
            }
            ["CREATE", "DATABASE" | "SCHEMA", ..] => {
                let (database, sql_mode) = (self.database.clone(), self.sql_mode.clone());
                self.changes(&text, &database, &sql_mode).map(drop)
            }
            ["CREATE", "TABLE", ..] => self.create_table(&text),
            ["ALTER", "TABLE", .., "KEYS"] | ["DROP" | "LOCK" | "UNLOCK" | "COMMIT" | "START" | "BEGIN", ..] => Ok(()),
            ["CHANGE", "MASTER" | "REPLICATION", ..] | ["ALTER", "DATABASE", ..] => Ok(()),
            ["CREATE", ..] => {
                if self.dump.filter.database(&self.database) {
                    self.objects.push((self.database.clone(), self.sql_mode.clone(), text));
                }
                Ok(())
            }
            [first, ..] => {
                let shown: String = text.chars().take(60).collect();
                Err(Error::new(Kind::Unsupported, format!("a dump's statement {first} is not read: {shown}"))
                    .hint("Dump with mariadb-dump or mysqldump, structure and rows table by table."))
            }
            [] => Ok(()),
        }
    }

    fn set(&mut self, text: &str, upper: &str) -> Result<()> {
        self.gtids(text);
        if upper.contains("TIME_ZONE='+00:00'") {
            self.utc = true;
        }
        if let Some(at) = upper.find("SQL_MODE").filter(|_| !upper.contains("@OLD_SQL_MODE */"))
            && let Some(mode) = text.get(at..).and_then(|t| t.split('\'').nth(1))
        {
            self.sql_mode = mode.to_string();
        }
        if let Some(rest) = upper.strip_prefix("SET NAMES ") {
            let charset = rest.trim().trim_matches('\'');
            if !matches!(charset, "UTF8MB4" | "UTF8" | "UTF8MB3" | "BINARY") {
                return Err(Error::new(Kind::Unsupported, format!("the dump is written in {charset}"))
                    .hint("Dump with --default-character-set=utf8mb4."));
            }
        }
        Ok(())
    }

    /// Takes what a statement does to the catalog. Errors: it concerns a table that is not carried.
    fn changes(&mut self, text: &str, database: &str, sql_mode: &str) -> Result<Vec<SchemaChange>> {
        let mut session = ddl::Session::new(database);
        for (name, bit) in [("ANSI_QUOTES", 4), ("NO_BACKSLASH_ESCAPES", 1 << 20)] {
            session.sql_mode |= if sql_mode.contains(name) { bit } else { 0 };
        }
        let mut changes = ddl::apply(&self.found.catalog, &self.dump.filter, &mut session, text);
        for change in &mut changes {
            match change {
                SchemaChange::Refused { name, why } | SchemaChange::Uncertain { name, why, .. } => {
                    return Err(Error::new(Kind::Unsupported, format!("table {name} is not carried: {why}"))
                        .hint(format!("Leave it out with --exclude {name}.")));
                }
                SchemaChange::Object { object } => object.sql_mode = sql_mode.to_string(),
                _ => {}
            }
            self.found.catalog.apply(change);
        }
        Ok(changes)
    }

    fn create_table(&mut self, text: &str) -> Result<()> {
        self.close_table()?;
        let (database, sql_mode) = (self.database.clone(), self.sql_mode.clone());
        for change in self.changes(text, &database, &sql_mode)? {
            if let SchemaChange::Table { schema } = change {
                self.open_table(schema)?;
            }
        }
        Ok(())
    }

    fn open_table(&mut self, schema: Arc<TableSchema>) -> Result<()> {
        let name = &schema.name;
        if name.database.is_empty() {
            return Err(Error::new(Kind::NoDatabase, format!("table {} stands in no database", name.table))
                .hint("Dump with --databases, so that the dump names its databases."));
        }
        if !self.found.catalog.databases.contains_key(&name.database) {
            let create = format!("CREATE DATABASE {}", crate::model::quote_name(&name.database));
            self.found.catalog.apply(&SchemaChange::Database { name: name.database.clone(), create });
        }
        let stamps = schema.columns.iter().any(|c| matches!(c.kind, ColumnType::Timestamp { .. }));
        if stamps && !self.utc {
            let text = format!("table {name} has TIMESTAMP columns, in a zone that the dump does not name");
            return Err(Error::new(Kind::Unsupported, text).hint("Dump without --skip-tz-utc."));
        }
        let (sender, rows) = base_rows();
        self.tables.blocking_send(BaseTable { schema: schema.clone(), rows }).map_err(|_| gone())?;
        self.open = Some(Open { batch: RowsBuilder::new(&schema), schema, rows: sender });
        Ok(())
    }

    fn insert(&mut self, mut insert: Insert<'_>) -> Result<()> {
        let name =
            TableName::new(insert.database.clone().unwrap_or_else(|| self.database.clone()), insert.table.clone());
        if !self.dump.filter.table(&name) {
            return Ok(());
        }
        let Some(open) = self.open.as_mut().filter(|o| o.schema.name == name) else {
            return Err(Error::new(Kind::Unsupported, format!("rows of table {name} do not follow its CREATE TABLE"))
                .hint("Dump with mariadb-dump or mysqldump, structure and rows table by table."));
        };
        let schema = open.schema.clone();
        insert.rows(&schema, |row| {
            open.batch.push(row)?;
            if open.batch.rows() >= BATCH_ROWS || open.batch.bytes() >= BATCH_BYTES {
                self.runtime.block_on(open.rows.send(open.batch.finish())).map_err(|_| gone())?;
            }
            Ok(())
        })
    }

    fn close_table(&mut self) -> Result<()> {
        let Some(mut open) = self.open.take() else { return Ok(()) };
        if open.batch.rows() > 0 {
            self.runtime.block_on(open.rows.send(open.batch.finish())).map_err(|_| gone())?;
        }
        self.runtime.block_on(open.rows.end());
        Ok(())
    }
}

fn gone() -> Error {
    Error::new(Kind::Cancelled, "nobody reads the dump any more")
}

/// A statement without the marks of conditional comments around its parts: `/*!50003 CREATE */ /*!50020 TRIGGER … */`.
/// Ordinary comments stay: they belong to the text of a routine.
fn unwrapped(text: &str) -> String {
    if !text.contains("/*!") && !text.contains("/*M!") {
        return text.to_string();
    }
    let mut out = String::with_capacity(text.len());
    let (mut rest, mut conditional) = (text, 0);
    while let Some(c) = rest.chars().next() {
        let mark = ["/*!", "/*M!"].into_iter().find_map(|m| rest.strip_prefix(m));
        if let Some(inner) = mark {
            rest = inner.trim_start_matches(|c: char| c.is_ascii_digit());
            if out.ends_with(' ') {
                rest = rest.trim_start_matches(' ');
            }
            conditional += 1;
            continue;
        }
        if conditional > 0
            && let Some(after) = rest.strip_prefix("*/")
        {
            conditional -= 1;
            rest = after;
            continue;
        }
        let n = match c {
            '\'' | '"' | '`' => quoted(rest, c),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |i| i + 2),
            '#' => rest.find('\n').unwrap_or(rest.len()),
            '-' if rest.starts_with("-- ") => rest.find('\n').unwrap_or(rest.len()),
            _ => c.len_utf8(),
        };
        out.push_str(&rest[..n]);
        rest = &rest[n..];
    }
    out.trim().to_string()
}

/// The length of a quoted piece, with its quotes.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (i, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' if quote != '`' => escaped = true,
            c if c == quote => return i + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_found_and_marks_taken_off() {
        let found = log_position("-- CHANGE MASTER TO MASTER_LOG_FILE='binlog.000001', MASTER_LOG_POS=3912;")
            .expect("a position");
        assert_eq!((found.file.as_str(), found.offset), ("binlog.000001", 3912));
        assert!(log_position("CHANGE REPLICATION SOURCE TO SOURCE_LOG_FILE='b.1', SOURCE_LOG_POS=4").is_some());
        assert!(log_position("-- MASTER_LOG_FILE").is_none());
        let text = "/*!50003 CREATE*/ /*!50017 DEFINER=`r`@`%`*/ /*!50003 TRIGGER `t` BEFORE INSERT ON `x` FOR EACH ROW BEGIN /* c */ SET @a='*/'; END */";
        let found = unwrapped(text);
        assert_eq!(
            found,
            "CREATE DEFINER=`r`@`%` TRIGGER `t` BEFORE INSERT ON `x` FOR EACH ROW BEGIN /* c */ SET @a='*/'; END"
        );
    }
}
