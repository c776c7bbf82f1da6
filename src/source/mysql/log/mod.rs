//! What do the events of a log mean? Transactions of row and schema changes, in order.
//!
//! A group of events is one transaction: a GTID event, then either one statement (DDL), or row events up to an XID or
//! COMMIT. `Begin` is told with the first thing that is kept, so a transaction that concerns only what is left out is
//! nothing but progress. What cannot be followed makes its tables uncertain, within the transaction where it stands;
//! rows of such tables are left out until a new base of them is reached.

mod gtids;
mod transaction;

pub use gtids::Gtids;

use super::ddl::{self, Session};
use super::event::{self, Cut, Damage, FormatDescription, QueryEvent, RawEvent, kind};
use super::position::Position;
use super::rows::Layout;
use super::shape;
use crate::error::{Error, Kind, Result};
use crate::model::{Bookmark, Catalog, SourceEvent, TableId, TableName, TableSchema};
use crate::source::Filter;
use gtids::parse_gtids;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use transaction::{Held, Transaction};

/// Statements are kept up to this length, in bytes.
const STATEMENT_BYTES: usize = 1 << 20;

/// Reads events one after the other; what they mean is in the queue.
pub struct LogReader {
    filter: Filter,
    catalog: Catalog,
    /// Tables by name; made anew after each schema change.
    names: HashMap<TableName, Arc<TableSchema>>,
    /// Where the next event begins; between transactions, the bookmark.
    position: Position,
    /// Domain to (server, sequence) of its newest transaction.
    gtids: Gtids,
    /// Events end with a CRC-32.
    checksum: bool,
    described: bool,
    maps: HashMap<u64, Mapped>,
    /// Layouts by table, with the table map that they were made from.
    layouts: HashMap<TableId, (Vec<u8>, Arc<Layout>)>,
    transaction: Option<Transaction>,
    prepared: HashMap<Vec<u8>, Held>,
    /// Temporary tables of sessions, as far as statements that made them were logged.
    temporary: HashMap<u32, BTreeSet<TableName>>,
    /// The events stand in files, of whose server nothing is known.
    in_file: bool,
    retakes: Vec<(Arc<TableSchema>, Position)>,
    told: VecDeque<SourceEvent>,
}

enum Mapped {
    LeftOut,
    Kept(Arc<Layout>),
}

impl LogReader {
    /// A reader that begins at a bookmark, where the catalog was this one.
    pub fn new(catalog: &Catalog, from: &Bookmark, filter: &Filter) -> Result<Self> {
        let position = Position::parse(from)?;
        let gtids = parse_gtids(&position.gtids)
            .ok_or_else(|| Error::corrupt(format!("bookmark '{}'", from.0), "its GTIDs are malformed"))?;
        let gtids = Gtids(gtids);
        let mut this = Self {
            filter: filter.clone(),
            catalog: catalog.clone(),
            names: HashMap::new(),
            position,
            gtids,
            checksum: false,
            described: false,
            maps: HashMap::new(),
            layouts: HashMap::new(),
            transaction: None,
            prepared: HashMap::new(),
            temporary: HashMap::new(),
            in_file: false,
            retakes: Vec::new(),
            told: VecDeque::new(),
        };
        this.index();
        Ok(this)
    }

    /// The next thing that events so far mean.
    pub fn told(&mut self) -> Option<SourceEvent> {
        self.told.pop_front()
    }

    /// Where the next event begins.
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// Whether a transaction is open.
    pub fn within(&self) -> bool {
        self.transaction.is_some()
    }

    /// Whether the format of the events is known.
    pub fn described(&self) -> bool {
        self.described
    }

    /// What was committed before the place where reading begins, as the log itself says. Errors: the bookmark says
    /// otherwise; the log's GTIDs.
    pub fn knows(&mut self, gtids: &Gtids) -> std::result::Result<(), String> {
        if !self.gtids.0.is_empty() && self.gtids != *gtids {
            return Err(gtids.to_string());
        }
        self.gtids = gtids.clone();
        Ok(())
    }

    fn place(&mut self, file: &str, offset: u64) {
        self.position.file = file.to_string();
        self.position.offset = offset;
    }

    /// See `ChangeStream::retake`.
    pub fn retake(&mut self, schema: Arc<TableSchema>, at: &Bookmark) {
        let Ok(at) = Position::parse(at) else { return };
        self.retakes.retain(|(s, _)| s.id != schema.id);
        self.retakes.push((schema, at));
        if !self.within() {
            self.reached();
        }
    }

    /// Moves to a place between two transactions that the server named.
    pub fn reach(&mut self, file: &str, offset: u64) {
        self.place(file, offset);
        self.progress();
    }

    /// Takes one event of exactly these bytes. `start`: where it begins, if it is known exactly (in a file).
    /// Errors: `Corrupt` for damage, `Unsupported` for what cannot be read, `Server` for a gap; each with the place.
    pub fn take(&mut self, bytes: &[u8], start: Option<u64>) -> Result<()> {
        if let Some(start) = start {
            self.position.offset = start;
            self.in_file = true;
        }
        let event = RawEvent::parse(bytes, self.checksum).map_err(|e| self.damaged(e))?;
        self.event(&event, start.is_some())
    }

    fn event(&mut self, e: &RawEvent<'_>, in_file: bool) -> Result<()> {
        let start = self.position.clone();
        if in_file {
            self.position.offset += u64::from(e.size);
        } else if !e.artificial() {
            self.position.offset = advanced(self.position.offset, e.end);
        }
        self.meaning(e).map_err(|d| damaged_at(&start, &d)).and_then(|r| r)
    }

    /// The outer error is damage within the event, the inner one anything else.
    fn meaning(&mut self, e: &RawEvent<'_>) -> Cut<Result<()>> {
        match e.kind {
            kind::FORMAT_DESCRIPTION => {
                let described = FormatDescription::parse(e.body)?;
                if !described.server.contains("MariaDB") {
                    return Ok(Err(Error::new(
                        Kind::Unsupported,
                        format!("the log {} was written by MySQL {}", self.position.file, described.server),
                    )
                    .hint("This release reads the logs of MariaDB.")));
                }
                (self.checksum, self.described) = (described.checksum, true);
                if described.started {
                    self.temporary.clear();
                }
                if !e.artificial() {
                    self.cut_off(e.timestamp);
                }
            }
            kind::ROTATE => {
                let (offset, file) = event::rotate(e.body)?;
                self.rotate(file, offset, e);
            }
            kind::GTID => {
                let gtid = event::gtid(e.body)?;
                self.cut_off(e.timestamp);
                let held = gtid.prepared.as_ref().map(|_| Held::default());
                self.transaction =
                    Some(Transaction { gtid: Some((e.server_id, gtid)), held, ..Transaction::default() });
            }
            kind::GTID_LIST => return Ok(self.gtid_list(&event::gtid_list(e.body)?)),
            kind::QUERY | kind::QUERY_COMPRESSED | kind::EXECUTE_LOAD_QUERY => {
                let compressed = e.kind == kind::QUERY_COMPRESSED;
                let query = event::query(e.body, e.kind == kind::EXECUTE_LOAD_QUERY, compressed)?;
                self.query(&query, e);
            }
            kind::XID => self.end(e.timestamp),
            kind::XA_PREPARE => match e.body.first() {
                Some(0) => self.prepared(e.timestamp),
                _ => self.end(e.timestamp),
            },
            kind::TABLE_MAP => self.table_map(e)?,
            kind if shape::rows_kind(kind).is_some() => self.rows(e)?,
            kind::INCIDENT => {
                self.transaction.get_or_insert_default();
                let all: Vec<_> = self.catalog.tables.keys().copied().collect();
                self.doubt(&all, "the server could not write all changes to its log (an INCIDENT event)");
                self.end(e.timestamp);
            }
            kind::START_ENCRYPTION => {
                return Ok(Err(Error::new(
                    Kind::Unsupported,
                    format!("binlog file {} is encrypted", self.position.file),
                )
                .hint("Read it from the server (pcloud protect), which decrypts it.")));
            }
            kind::STOP
            | kind::INTVAR
            | kind::RAND
            | kind::USER_VAR
            | kind::APPEND_BLOCK
            | kind::DELETE_FILE
            | kind::BEGIN_LOAD_QUERY
            | kind::HEARTBEAT
            | kind::IGNORABLE
            | kind::ROWS_QUERY
            | kind::ANNOTATE_ROWS
            | kind::BINLOG_CHECKPOINT => {}
            _ if e.flags & event::IGNORABLE_FLAG != 0 => {}
            unknown => {
                return Ok(Err(Error::new(
                    Kind::Unsupported,
                    format!(
                        "binlog file {} has an event of unknown type {unknown} that ends at {}",
                        self.position.file, self.position.offset
                    ),
                )
                .hint("A newer pcloud may know it; nothing after it was read.")));
            }
        }
        Ok(Ok(()))
    }

    fn rotate(&mut self, file: String, offset: u64, e: &RawEvent<'_>) {
        if e.artificial() && (self.within() || file == self.position.file) {
            return;
        }
        self.position.file = file;
        self.position.offset = offset;
        if !self.within() {
            self.progress();
        }
    }

    /// What a file says of everything before it must be what was read.
    fn gtid_list(&mut self, list: &[(u32, u32, u64)]) -> Result<()> {
        // of each domain the last is the newest
        let newest: BTreeMap<u32, (u32, u64)> = list.iter().map(|(d, s, n)| (*d, (*s, *n))).collect();
        if self.gtids.0.is_empty() && !self.within() {
            self.gtids = Gtids(newest);
            return Ok(());
        }
        for (domain, (server, sequence)) in &newest {
            let known = self.gtids.0.get(domain).map_or(0, |(_, n)| *n);
            if known < *sequence {
                return Err(Error::new(
                    Kind::Gap,
                    format!(
                        "a part of the log is missing before file {}: it follows {domain}-{server}-{sequence}, and what was \
                         read ends at sequence {known} of that domain",
                        self.position.file
                    ),
                )
                .hint("Give every binlog file since the backup; or begin a new backup."));
            }
        }
        Ok(())
    }

    // statements

    fn query(&mut self, q: &QueryEvent, e: &RawEvent<'_>) {
        let timestamp = e.timestamp;
        let alone = self.transaction.as_ref().is_none_or(|t| t.gtid.as_ref().is_some_and(|(_, g)| g.standalone));
        let text = text_of(q);
        let head = text.as_deref().map(ddl::first_words).unwrap_or_default();
        let words: Vec<&str> = head.iter().map(String::as_str).collect();
        match words.as_slice() {
            [] if text.is_some() => {}
            ["BEGIN", ..] | ["START", "TRANSACTION", ..] => {
                self.transaction.get_or_insert_default();
                return;
            }
            ["COMMIT", ..] => return self.end(timestamp),
            ["ROLLBACK", "TO", ..] | ["ROLLBACK", "WORK", "TO", ..] => {
                return self
                    .doubt_transaction("a transaction was rolled back in part after its changes had been logged");
            }
            ["ROLLBACK", ..] => {
                self.doubt_transaction("a transaction was rolled back after its changes had been logged");
                return self.end(timestamp);
            }
            ["SAVEPOINT", ..] | ["RELEASE", ..] | ["XA", "START" | "BEGIN" | "END" | "PREPARE", ..] => return,
            ["XA", "COMMIT", ..] => return self.decide(true, timestamp),
            ["XA", "ROLLBACK", ..] => return self.decide(false, timestamp),
            _ => self.statement(q, e.flags, text),
        }
        if alone {
            self.end(timestamp);
        }
    }

    fn statement(&mut self, q: &QueryEvent, flags: u16, text: Option<String>) {
        let gtid = self.transaction.get_or_insert_default().gtid.as_ref().map(|(_, g)| g);
        if gtid.is_some_and(|g| g.alter_started || g.alter_failed) {
            return; // an ALTER counts when it is done
        }
        let Some(text) = text else {
            let all: Vec<_> = self.catalog.tables.keys().copied().collect();
            return self.doubt(&all, "a statement was logged in a charset that pcloud does not read");
        };
        let collation = q.server.and_then(event::collation_by_id).unwrap_or("utf8mb4_general_ci");
        let mut session = Session {
            database: q.database.clone(),
            sql_mode: q.sql_mode,
            collation: collation.to_string(),
            invoker: q.invoker.clone(),
            error: q.error,
            temporary: self.temporary.remove(&q.thread).unwrap_or_default(),
            of_session: flags & event::THREAD_SPECIFIC_FLAG != 0,
            names_may_fold: self.in_file,
        };
        let changes = ddl::apply(&self.catalog, &self.filter, &mut session, &text);
        if !session.temporary.is_empty() {
            self.temporary.insert(q.thread, session.temporary);
        }
        if changes.is_empty() {
            return;
        }
        changes.iter().for_each(|c| self.catalog.apply(c));
        self.index();
        let statement = Some(text).filter(|t| t.len() <= STATEMENT_BYTES);
        self.emit(SourceEvent::Schema { database: q.database.clone(), statement, changes }, 0);
    }

    // rows

    fn table_map(&mut self, e: &RawEvent<'_>) -> Cut<()> {
        let id = shape::table_id(e.body)?;
        let (database, table) = shape::table_map_names(e.body)?;
        let name = TableName::new(database, table);
        let mapped = match self.names.get(&name).cloned() {
            _ if !self.filter.table(&name) => Mapped::LeftOut,
            Some(schema) if self.catalog.uncertain.contains_key(&schema.id) => Mapped::LeftOut,
            Some(schema) => self.layout(schema, e)?,
            None => {
                if !self.catalog.refused.contains_key(&name) {
                    let why = "rows of it are in the log, and its CREATE TABLE is not";
                    self.emit_schema(ddl::unseen(&self.catalog, &name, why).into());
                }
                Mapped::LeftOut
            }
        };
        self.maps.insert(id, mapped);
        Ok(())
    }

    fn layout(&mut self, schema: Arc<TableSchema>, e: &RawEvent<'_>) -> Cut<Mapped> {
        // all but the number, which is another after each restart
        let shape = e.body.get(6..).unwrap_or_default();
        if let Some((known, layout)) = self.layouts.get(&schema.id)
            && known == shape
            && Arc::ptr_eq(&layout.schema, &schema)
        {
            return Ok(Mapped::Kept(layout.clone()));
        }
        let map = shape::table_map(e.body)?;
        let id = schema.id;
        match Layout::new(schema, &map) {
            Ok(layout) => {
                let layout = Arc::new(layout);
                self.layouts.insert(id, (shape.to_vec(), layout.clone()));
                Ok(Mapped::Kept(layout))
            }
            Err(why) => {
                self.doubt(&[id], &why);
                Ok(Mapped::LeftOut)
            }
        }
    }

    fn rows(&mut self, e: &RawEvent<'_>) -> Cut<()> {
        let id = shape::table_id(e.body)?;
        let layout = match self.maps.get(&id) {
            Some(Mapped::Kept(layout)) => layout.clone(),
            Some(Mapped::LeftOut) => return Ok(()),
            // MySQL ends some statements with a row event of no table
            None if id == 0x00ff_ffff => return Ok(()),
            None => return Err(Damage(format!("it changes rows of table number {id}, which was not described"))),
        };
        let table = layout.schema.id;
        match layout.changes(&shape::rows(e)?) {
            Ok(changes) => {
                self.transaction.get_or_insert_default().tables.insert(table);
                let rows = SourceEvent::Rows { table: layout.schema.clone(), changes };
                self.emit(rows, e.body.len());
            }
            Err(why) => {
                self.maps.insert(id, Mapped::LeftOut);
                self.doubt(&[table], &why);
            }
        }
        Ok(())
    }

    fn bookmark(&mut self) -> Bookmark {
        self.position.gtids = self.gtids.to_string();
        self.position.bookmark()
    }

    fn index(&mut self) {
        self.names = self.catalog.tables.values().map(|t| (t.name.clone(), t.clone())).collect();
    }

    fn damaged(&self, damage: Damage) -> Error {
        damaged_at(&self.position, &damage)
    }
}

fn damaged_at(at: &Position, damage: &Damage) -> Error {
    let place = format!("binlog file {} is damaged at position {}", at.file, at.offset);
    Error::new(Kind::Corrupt, format!("{place}: {}", damage.0))
        .hint("Everything before that place was read. Put the file back from a copy, or begin a new backup.")
}

/// Events know only the low 32 bits of where they end.
fn advanced(offset: u64, end: u32) -> u64 {
    let next = (offset & !0xffff_ffff) | u64::from(end);
    if next < offset { next + (1 << 32) } else { next }
}

/// The statement as text; `None`: its charset is not read.
fn text_of(q: &QueryEvent) -> Option<String> {
    if q.statement.is_ascii() {
        return String::from_utf8(q.statement.clone()).ok();
    }
    match q.client.and_then(event::charset_by_id) {
        Some("latin1") => Some(q.statement.iter().map(|b| latin1(*b)).collect()),
        Some(_) => String::from_utf8(q.statement.clone()).ok(),
        None if q.client.is_none() => String::from_utf8(q.statement.clone()).ok(),
        None => None,
    }
}

/// MySQL's latin1 is Windows' code page 1252; the five bytes that have no character there stand for themselves.
fn latin1(byte: u8) -> char {
    const HIGH: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘',
        '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    let at = usize::from(byte.wrapping_sub(0x80));
    HIGH.get(at).copied().unwrap_or(char::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_go_on_beyond_32_bits() {
        assert_eq!(advanced(4, 300), 300);
        assert_eq!(advanced(0xffff_fff0, 0x10), 0x1_0000_0010);
        assert_eq!(advanced(0x1_0000_0010, 0x20), 0x1_0000_0020);
    }
}
