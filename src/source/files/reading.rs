//! What do the statements of a dump say, one after the other? Definitions become the catalog, rows leave at once.
//!
//! A table's rows follow each other; they may stand in other files than its definition. What is left undecided by a
//! dump (a charset, a zone, a database) is refused by name, and so is a dump that does not reach its own end.

use super::dump::{Dump, Input, local_time};
use super::insert::Insert;
use super::left_out;
use super::place;
use super::session::Settings;
use super::statements::Piece;
use crate::error::{Context, Error, Kind, Result};
use crate::model::{Catalog, Micros, NotCarried, RowsBuilder, SchemaChange, TableId, TableName, TableSchema};
use crate::source::mysql::ddl;
use crate::source::{BaseTable, RowsSender, base_rows};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// A batch is full with so many rows, or so many bytes.
const BATCH_ROWS: usize = 8_192;
const BATCH_BYTES: usize = 4 << 20;

const UNREAD: &str = "Dump again; or leave the table out with --exclude DB.TABLE.";

type Tables = mpsc::Sender<BaseTable>;

/// What the reader has found when it is done.
pub struct Found {
    pub catalog: Catalog,
    pub gtids: Option<String>,
    /// When the dump says that it was completed; by the dumping machine's clock, in a zone that it does not name.
    pub completed: Option<Micros>,
    pub server: String,
}

/// The table whose rows come now.
struct Open {
    schema: Arc<TableSchema>,
    rows: RowsSender,
    batch: RowsBuilder,
    count: u64,
}

/// A view, trigger, routine or event: read when all tables are known.
struct Program {
    place: String,
    database: String,
    sql_mode: String,
    text: String,
}

/// The one pass over the files.
pub struct Reading {
    dump: Dump,
    tables: Tables,
    runtime: Handle,
    found: Found,
    /// The file's, at the place that is read.
    database: String,
    settings: Settings,
    /// The file began as a whole dump does, and has not said that it is complete.
    unfinished: bool,
    open: Option<Open>,
    /// Tables whose rows have not come yet.
    waiting: BTreeMap<TableName, Arc<TableSchema>>,
    /// Tables whose rows have come, and how many.
    done: BTreeMap<TableName, u64>,
    /// What mydumper calls databases in file names, and their names.
    aliases: BTreeMap<String, String>,
    programs: Vec<Program>,
}

impl Reading {
    pub fn new(dump: Dump, tables: Tables, runtime: Handle) -> Self {
        let found =
            Found { catalog: Catalog::default(), gtids: None, completed: None, server: "an unnamed server".into() };
        Self {
            dump,
            tables,
            runtime,
            found,
            database: String::new(),
            settings: Settings::default(),
            unfinished: false,
            open: None,
            waiting: BTreeMap::new(),
            done: BTreeMap::new(),
            aliases: BTreeMap::new(),
            programs: Vec::new(),
        }
    }

    pub fn run(mut self) -> Result<Found> {
        if let Err(error) = self.read() {
            if let Some(open) = self.open.take() {
                self.runtime.block_on(open.rows.fail(error.clone()));
            }
            return Err(error);
        }
        Ok(self.found)
    }

    fn read(&mut self) -> Result<()> {
        for input in std::mem::take(&mut self.dump.inputs) {
            self.file(&input)?;
        }
        self.close_table()?;
        for schema in std::mem::take(&mut self.waiting).into_values() {
            self.open_table(schema)?;
            self.close_table()?;
        }
        self.counted()?;
        left_out::not_referred_to(&self.found.catalog)?;
        for p in std::mem::take(&mut self.programs) {
            let changes = self.changes(&p.text, &p.database, &p.sql_mode).context(&p.place)?;
            if let Some(SchemaChange::Table { schema }) =
                changes.iter().find(|c| matches!(c, SchemaChange::Table { .. }))
            {
                let text = format!("{}: {} is not read from dumps", p.place, schema.name);
                return Err(
                    Error::new(Kind::Unsupported, text).hint(format!("Leave it out with --exclude {}.", schema.name))
                );
            }
        }
        Ok(())
    }

    fn file(&mut self, input: &Input) -> Result<()> {
        let named = input.database.clone().unwrap_or_default();
        self.database = self.aliases.get(&named).cloned().unwrap_or(named);
        self.settings = Settings::default();
        self.unfinished = false;
        let mut statements = input.open()?;
        while let Some(piece) = statements.next()? {
            match piece {
                Piece::Comment(text) => {
                    self.same_place(&text).context(statements.place())?;
                    self.comment(&text);
                }
                Piece::Statement(bytes) => {
                    self.statement(&bytes, input, &statements.place()).map_err(|error| {
                        let error = error.context(statements.place());
                        if error.hint.is_some() { error } else { error.hint(UNREAD) }
                    })?;
                }
            }
            statements.backslash_is_plain(self.settings.writing().plain_backslash);
        }
        if self.unfinished {
            let text = format!("{} does not say that it was completed", input.path.display());
            return Err(
                Error::new(Kind::BadValue, text).hint("Its last line, `-- Dump completed`, is missing: dump again.")
            );
        }
        Ok(())
    }

    fn comment(&mut self, text: &str) {
        let dump = ["-- MySQL dump ", "-- MariaDB dump "].iter().any(|head| text.starts_with(head));
        self.unfinished |= dump;
        if let Some(version) = text.strip_prefix("-- Server version") {
            self.found.server = match version.trim().split_once("-MariaDB") {
                Some((number, _)) => format!("MariaDB {number}"),
                None => format!("MySQL {}", version.trim()),
            };
        }
        // with --databases a USE follows; without, this is the only place that names it
        if let Some((_, database)) = text.strip_prefix("-- Host:").and_then(|t| t.split_once("Database:"))
            && !database.trim().is_empty()
        {
            self.database = database.trim().to_string();
        }
        if let Some(rest) = text.strip_prefix("-- Dump completed") {
            self.unfinished = false;
            self.found.completed = rest.strip_prefix(" on ").and_then(local_time).or(self.found.completed);
        }
        self.found.gtids = place::gtids(text).or(self.found.gtids.take());
    }

    /// Dumps that were put one behind the other, or a dump of a replica of several servers, name several places.
    fn same_place(&self, text: &str) -> Result<()> {
        match (place::log_position(text), &self.dump.position) {
            (Some(found), Some(known)) if (&found.file, found.offset) != (&known.file, known.offset) => {
                let text = format!(
                    "the dump stands at {}:{} of the binary log, and here at {}:{}",
                    known.file, known.offset, found.file, found.offset
                );
                Err(Error::new(Kind::Usage, text)
                    .hint("Import each dump under a --name of its own; of a replica, dump one source."))
            }
            _ => Ok(()),
        }
    }

    fn statement(&mut self, bytes: &[u8], input: &Input, place: &str) -> Result<()> {
        if let Some(insert) = Insert::begin(bytes, self.settings.writing()) {
            return self.insert(insert);
        }
        let raw =
            std::str::from_utf8(bytes).map_err(|_| Error::new(Kind::BadValue, "a statement is not UTF-8"))?.trim();
        // a stand-in for a view that comes later
        if raw.starts_with("/*!50001 CREATE TABLE") || raw.starts_with("/*!50001 CREATE VIEW") {
            return Ok(());
        }
        let text = unwrapped(raw);
        let upper: String = text.chars().take(400).collect::<String>().to_ascii_uppercase();
        let words: Vec<&str> = upper.split_whitespace().collect();
        match words.as_slice() {
            ["SET", ..] => {
                self.found.gtids = place::gtids(&text).or(self.found.gtids.take());
                self.settings.set(&text)
            }
            ["USE", ..] => {
                let name = text[3..].trim();
                let quoted = name.strip_prefix(['`', '"']).and_then(|n| n.strip_suffix(['`', '"']));
                self.database = quoted.unwrap_or(name).replace("``", "`");
                Ok(())
            }
            ["CREATE", "DATABASE" | "SCHEMA", ..] => self.create_database(&text, input),
            ["CREATE", "TABLE", ..] => self.create_table(&text),
            ["ALTER", "TABLE", .., "KEYS"] | ["DROP" | "LOCK" | "UNLOCK" | "COMMIT" | "START" | "BEGIN", ..] => Ok(()),
            ["CHANGE", "MASTER" | "REPLICATION", ..] | ["CHANGE", _, "MASTER", ..] | ["ALTER", "DATABASE", ..] => {
                Ok(())
            }
            ["DO" | "FLUSH", ..] => Ok(()),
            ["CREATE", ..] => {
                if self.dump.filter.database(&self.database) {
                    let (database, sql_mode) = (self.database.clone(), self.settings.sql_mode.clone());
                    self.programs.push(Program { place: place.to_string(), database, sql_mode, text });
                }
                Ok(())
            }
            ["LOAD", ..] => Err(Error::new(Kind::Unsupported, "the dump's rows are not INSERT statements")
                .hint("Dump without --tab (mysqldump), without --load-data and --csv (mydumper).")),
            [first, ..] => {
                let shown: String = text.chars().take(60).collect();
                Err(Error::new(Kind::Unsupported, format!("a dump's statement {first} is not read: {shown}"))
                    .hint("Dump with mariadb-dump, mysqldump or mydumper: tables, their rows, and programs."))
            }
            [] => Ok(()),
        }
    }

    fn create_database(&mut self, text: &str, input: &Input) -> Result<()> {
        let (database, sql_mode) = (self.database.clone(), self.settings.sql_mode.clone());
        for change in self.changes(text, &database, &sql_mode)? {
            if let (SchemaChange::Database { name, .. }, Some(alias)) = (change, &input.database) {
                self.aliases.insert(alias.clone(), name);
            }
        }
        Ok(())
    }

    /// Takes what a statement does to the catalog. Errors: it concerns a table that is not carried.
    fn changes(&mut self, text: &str, database: &str, sql_mode: &str) -> Result<Vec<SchemaChange>> {
        let mut session = ddl::Session::new(database);
        for (name, bit) in [("ANSI", 4), ("NO_BACKSLASH_ESCAPES", 1 << 20)] {
            session.sql_mode |= if sql_mode.contains(name) { bit } else { 0 };
        }
        let mut changes = ddl::apply(&self.found.catalog, &self.dump.filter, &mut session, text);
        for change in &mut changes {
            match change {
                SchemaChange::Refused { name, why: NotCarried { why, .. } }
                | SchemaChange::Uncertain { name, why, .. } => {
                    let about = format!("table {name}");
                    let text =
                        if why.starts_with(&about) { why.clone() } else { format!("{about} is not carried: {why}") };
                    return Err(
                        Error::new(Kind::Unsupported, text).hint(format!("Leave it out with --exclude {name}."))
                    );
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
        let (database, sql_mode) = (self.database.clone(), self.settings.sql_mode.clone());
        let known: Vec<TableId> = self.found.catalog.tables.keys().copied().collect();
        for change in self.changes(text, &database, &sql_mode)? {
            let SchemaChange::Table { schema } = change else { continue };
            if schema.name.database.is_empty() {
                return Err(Error::new(Kind::NoDatabase, format!("table {} stands in no database", schema.name.table))
                    .hint(
                        "Name it: --into DATABASE; or dump with --databases, so that the dump names its databases.",
                    ));
            }
            if known.contains(&schema.id) || self.done.contains_key(&schema.name) {
                return Err(Error::new(Kind::BadValue, format!("table {} is defined twice", schema.name))
                    .hint("Give each table's dump once."));
            }
            if !self.found.catalog.databases.contains_key(&schema.name.database) {
                let name = schema.name.database.clone();
                let create = format!("CREATE DATABASE {}", crate::model::quote_name(&name));
                self.found.catalog.apply(&SchemaChange::Database { name, create });
            }
            self.waiting.insert(schema.name.clone(), schema);
        }
        Ok(())
    }

    fn open_table(&mut self, schema: Arc<TableSchema>) -> Result<()> {
        let (sender, rows) = base_rows();
        self.tables.blocking_send(BaseTable { schema: schema.clone(), rows }).map_err(|_| gone())?;
        self.open = Some(Open { batch: RowsBuilder::new(&schema), schema, rows: sender, count: 0 });
        Ok(())
    }

    fn insert(&mut self, mut insert: Insert<'_>) -> Result<()> {
        let name =
            TableName::new(insert.database.clone().unwrap_or_else(|| self.database.clone()), insert.table.clone());
        if !self.dump.filter.table(&name) {
            return Ok(());
        }
        let columns = if self.open.as_ref().is_none_or(|o| o.schema.name != name) {
            self.close_table()?;
            let schema = self.waiting.remove(&name).ok_or_else(|| self.no_place(&name))?;
            let columns = insert.columns(&schema)?;
            let schema = left_out::mark(schema, &columns, &mut self.found.catalog)?;
            self.open_table(schema)?;
            columns
        } else {
            insert.columns(&self.open.as_ref().ok_or_else(not_open)?.schema)?
        };
        let open = self.open.as_mut().ok_or_else(not_open)?;
        let schema = open.schema.clone();
        left_out::same(&schema, &columns)?;
        self.settings.fits(&schema)?;
        insert.rows(&schema, &columns, |row| {
            open.batch.push(row)?;
            open.count += 1;
            if open.batch.rows() >= BATCH_ROWS || open.batch.bytes() >= BATCH_BYTES {
                self.runtime.block_on(open.rows.send(open.batch.finish())).map_err(|_| gone())?;
            }
            Ok(())
        })
    }

    fn no_place(&self, name: &TableName) -> Error {
        if name.database.is_empty() {
            return Error::new(Kind::NoDatabase, format!("rows of table {} stand in no database", name.table))
                .hint("Name it: --into DATABASE.");
        }
        if self.done.contains_key(name) {
            return Error::new(Kind::Unsupported, format!("rows of table {name} stand in two places"))
                .hint("Name the files of one table one after the other, and no table's dump twice.");
        }
        Error::new(Kind::BadValue, format!("rows of table {name} come without its CREATE TABLE"))
            .hint("Add the file that defines it (mysqldump --no-data), before those with rows.")
    }

    fn close_table(&mut self) -> Result<()> {
        let Some(mut open) = self.open.take() else { return Ok(()) };
        if open.batch.rows() > 0 {
            self.runtime.block_on(open.rows.send(open.batch.finish())).map_err(|_| gone())?;
        }
        self.done.insert(open.schema.name.clone(), open.count);
        self.runtime.block_on(open.rows.end());
        Ok(())
    }

    /// A mydumper directory says how many rows each table has.
    fn counted(&self) -> Result<()> {
        let said = self.dump.metadata.iter().flat_map(|m| &m.rows);
        for (database, table, rows) in said {
            let name = TableName::new(self.aliases.get(database).unwrap_or(database), table);
            match self.done.get(&name) {
                Some(read) if read != rows => {
                    let text = format!("the files of table {name} hold {read} rows, and `metadata` says {rows}");
                    return Err(
                        Error::new(Kind::BadValue, text).hint("A file of the directory is missing, or is too much.")
                    );
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn not_open() -> Error {
    Error::internal("an opened table is not open")
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
    fn the_marks_of_conditional_comments_are_taken_off() {
        let text = "/*!50003 CREATE*/ /*!50017 DEFINER=`r`@`%`*/ /*!50003 TRIGGER `t` BEFORE INSERT ON `x` FOR EACH ROW BEGIN /* c */ SET @a='*/'; END */";
        assert_eq!(
            unwrapped(text),
            "CREATE DEFINER=`r`@`%` TRIGGER `t` BEFORE INSERT ON `x` FOR EACH ROW BEGIN /* c */ SET @a='*/'; END"
        );
    }
}
