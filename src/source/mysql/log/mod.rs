//! What do the events of a log mean? Transactions of row and schema changes, in order.
//!
//! A group of events is one transaction: a GTID event, then either one statement (DDL), or row events up to an XID or
//! COMMIT. `Begin` is told with the first thing that is kept, so a transaction that concerns only what is left out is
//! nothing but progress. What cannot be followed makes its tables uncertain, within the transaction where it stands;
//! rows of such tables are left out until a new base of them is reached.

mod cascade;
mod gtid_set;
mod gtids;
mod held;
mod packed;
mod proof;
mod recall;
mod statements;
mod tables;
mod transaction;
mod unchecked;

pub use gtid_set::{Gtid, GtidSet, Origin, tag_of};
pub use gtids::{Domains, Gtids};
pub use proof::Last;
pub use recall::Prepared;

use super::event::{self, Cut, Damage, FormatDescription, RawEvent, kind};
use super::family::{Family, Version};
use super::mysql_event;
use super::position::{self, Position};
use super::rows::Layout;
use super::shape;
use crate::error::{Error, Kind, Result};
use crate::model::{Bookmark, Cascades, Catalog, SchemaChange, SourceEvent, TableId, TableName, TableSchema};
use crate::source::Filter;
use held::Held;
use packed::Packed;
use recall::Recall;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use transaction::{Head, Transaction};
use unchecked::Unchecked;

/// Reads events one after the other; what they mean is in the queue.
pub struct LogReader {
    filter: Filter,
    catalog: Catalog,
    /// Tables by name; made anew after each schema change.
    names: HashMap<TableName, Arc<TableSchema>>,
    /// Where the next event begins; between transactions, the bookmark.
    position: Position,
    gtids: Gtids,
    /// Whose log it is, as the newest file says.
    family: Family,
    /// Events end with a CRC-32.
    checksum: bool,
    described: bool,
    maps: HashMap<u64, Mapped>,
    /// Layouts by table, with the table map that they were made from.
    layouts: HashMap<TableId, (Vec<u8>, Arc<Layout>)>,
    transaction: Option<Transaction>,
    prepared: HashMap<Vec<u8>, Held>,
    /// Where the bookmark says that some stand, and what of the log is read again for them.
    prepared_at: Option<Prepared>,
    recall: Option<Recall>,
    /// Where the newest transaction begins.
    began: Position,
    /// Temporary tables of sessions, as far as statements that made them were logged.
    temporary: HashMap<u32, BTreeSet<TableName>>,
    /// The events stand in files, of whose server nothing is known.
    in_file: bool,
    /// MySQL wrote them.
    mysql: bool,
    retakes: Vec<(Arc<TableSchema>, Position)>,
    told: VecDeque<SourceEvent>,
    /// MariaDB's newest transaction, and what the open one has done so far.
    last: Option<Last>,
    digest: crc32fast::Hasher,
    /// What the log must begin with; until it was seen nothing is told.
    proof: Option<Last>,
    /// What was found out at a transaction's end.
    fault: Option<Error>,
    /// A compressed transaction that is being unpacked, and where it begins.
    packed: Option<(Packed, Position)>,
    /// Tables whose rows may change by foreign keys with a change of rows that is not told.
    at_risk: Vec<TableId>,
    /// Of the catalog.
    cascades: Cascades,
    unchecked: Unchecked,
}

enum Mapped {
    LeftOut,
    Uncertain(TableId),
    Kept(Arc<Layout>),
}

impl LogReader {
    /// A reader that begins at a bookmark, where the catalog was this one.
    pub fn new(catalog: &Catalog, from: &Bookmark, filter: &Filter) -> Result<Self> {
        let position = Position::parse(from)?;
        let gtids = Gtids::parse(&position.gtids)
            .ok_or_else(|| Error::corrupt(format!("bookmark '{}'", from.0), "its GTIDs are malformed"))?;
        let mut this = Self {
            filter: filter.clone(),
            catalog: catalog.clone(),
            names: HashMap::new(),
            began: position.clone(),
            position,
            gtids,
            family: Family::MariaDb,
            checksum: false,
            described: false,
            maps: HashMap::new(),
            layouts: HashMap::new(),
            transaction: None,
            prepared: HashMap::new(),
            prepared_at: position::parts(from).prepared.and_then(Prepared::parse),
            recall: None,
            temporary: HashMap::new(),
            in_file: false,
            mysql: false,
            retakes: Vec::new(),
            told: VecDeque::new(),
            last: Last::parse(from),
            digest: crc32fast::Hasher::new(),
            proof: None,
            fault: None,
            packed: None,
            at_risk: Vec::new(),
            cascades: Cascades::default(),
            unchecked: Unchecked::new(position::parts(from).found_from),
        };
        this.index();
        Ok(this)
    }

    /// The next thing that events so far mean. To be asked until there is none, before the next event is taken.
    /// Errors: as `take`, for what a compressed transaction holds.
    pub fn told(&mut self) -> Result<Option<SourceEvent>> {
        loop {
            if self.proof.is_some() {
                return Ok(None);
            }
            if let Some(event) = self.told.pop_front() {
                return Ok(Some(event));
            }
            let Some((packed, start)) = &mut self.packed else { return Ok(None) };
            let start = start.clone();
            match packed.next().map_err(|e| damaged_at(&start, &e))? {
                None => self.packed = None,
                Some(bytes) => {
                    let event = RawEvent::parse(&bytes, false).map_err(|e| damaged_at(&start, &e))?;
                    self.meaning(&event).map_err(|e| damaged_at(&start, &e)).and_then(|r| r)?;
                }
            }
        }
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
        if !self.gtids.is_empty() && self.gtids != *gtids {
            return Err(gtids.to_string());
        }
        self.gtids = gtids.clone();
        Ok(())
    }

    /// What was committed up to here.
    pub fn gtids(&self) -> &Gtids {
        &self.gtids
    }

    /// The server begins to send at this file's beginning, whatever is known already left out.
    pub fn restart(&mut self, file: &str) {
        self.place(file, 4);
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

    /// See `ChangeStream::apply`.
    pub fn apply(&mut self, changes: &[SchemaChange]) {
        changes.iter().for_each(|change| self.catalog.apply(change));
        self.index();
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

    /// Cuts an event of the server's stream, as it is framed at this place.
    pub fn cut<'a>(&self, bytes: &'a [u8]) -> Result<RawEvent<'a>> {
        RawEvent::parse(bytes, self.checksum).map_err(|e| self.damaged(e))
    }

    fn event(&mut self, e: &RawEvent<'_>, in_file: bool) -> Result<()> {
        let start = self.position.clone();
        if !self.within() {
            self.began.clone_from(&start);
        }
        if in_file {
            self.position.offset += u64::from(e.size);
        } else if !e.artificial() {
            self.position.offset = advanced(self.position.offset, e.end);
        }
        self.meaning(e).map_err(|d| damaged_at(&start, &d)).and_then(|r| r)?;
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        if !self.within() {
            self.recalled();
            // the server may name a place that no transaction ends at: right after a file's own events
            self.reached();
        }
        Ok(())
    }

    /// The outer error is damage within the event, the inner one anything else.
    fn meaning(&mut self, e: &RawEvent<'_>) -> Cut<Result<()>> {
        match e.kind {
            kind::FORMAT_DESCRIPTION => {
                let described = FormatDescription::parse(e.body)?;
                let version = Version::parse(&described.server);
                self.mysql = version.family == Family::MySql;
                if let Err(error) = self.written_by(&version) {
                    return Ok(Err(error));
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
                let known = match self.is_known(gtid.domain, e.server_id, gtid.sequence) {
                    Ok(known) => known,
                    Err(error) => return Ok(Err(error)),
                };
                self.digest = crc32fast::Hasher::new();
                let known = known || self.recalls(None);
                let transaction = Transaction::beginning(Head::MariaDb(e.server_id, gtid));
                self.transaction = Some(Transaction { known, ..transaction });
            }
            kind::MYSQL_GTID | kind::ANONYMOUS_GTID => {
                return Ok(self.begin(mysql_event::gtid(e.body, e.kind == kind::ANONYMOUS_GTID)?, e.timestamp));
            }
            kind::TAGGED_GTID => return Ok(self.begin(mysql_event::tagged_gtid(e.body)?, e.timestamp)),
            kind::GTID_LIST | kind::PREVIOUS_GTIDS => {
                let mut before = Gtids::default();
                before.note(e)?;
                return Ok(self.follows(before));
            }
            kind::TRANSACTION_PAYLOAD => {
                self.packed = Some((Packed::new(mysql_event::payload(e.body)?)?, self.position.clone()));
            }
            kind::QUERY | kind::QUERY_COMPRESSED | kind::EXECUTE_LOAD_QUERY => {
                let compressed = e.kind == kind::QUERY_COMPRESSED;
                let query = event::query(e.body, e.kind == kind::EXECUTE_LOAD_QUERY, compressed)?;
                self.query(&query, e);
            }
            kind::XID => self.end(e.timestamp),
            kind::XA_PREPARE => match e.body.first() {
                Some(0) => self.prepared(e.timestamp),
                _ => self.in_one_phase(e.timestamp),
            },
            kind::TABLE_MAP => self.table_map(e)?,
            kind if shape::rows_kind(kind).is_some() => self.rows(e)?,
            kind::PARTIAL_UPDATE_ROWS => self.partial_rows(e)?,
            kind::INCIDENT if self.recall.is_none() => {
                self.transaction.get_or_insert_default();
                let all: Vec<_> = self.catalog.tables.keys().copied().collect();
                self.doubt(&all, "the server could not write all changes to its log (an INCIDENT event)");
                self.end(e.timestamp);
            }
            // of a server that sends what it decrypts; files are refused where they are read
            kind::START_ENCRYPTION
            | kind::STOP
            | kind::INTVAR
            | kind::RAND
            | kind::USER_VAR
            | kind::APPEND_BLOCK
            | kind::DELETE_FILE
            | kind::BEGIN_LOAD_QUERY
            | kind::HEARTBEAT
            | kind::HEARTBEAT_V2
            | kind::TRANSACTION_CONTEXT
            | kind::VIEW_CHANGE
            | kind::IGNORABLE
            | kind::INCIDENT
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

    /// Whose log it is must be whose log it was.
    fn written_by(&mut self, server: &Version) -> Result<()> {
        self.family = server.family;
        let other = match (server.family, &self.gtids) {
            (Family::MariaDb, Gtids::Set(_)) => Family::MySql,
            (Family::MySql, Gtids::Domains(_)) => Family::MariaDb,
            (Family::MySql, _) if server.number < (8, 0) => {
                let text = format!("the log {} was written by {server}", self.position.file);
                return Err(Error::new(Kind::Unsupported, text).hint("Logs of MySQL 8.0 and later are read."));
            }
            _ => return Ok(()),
        };
        let text = format!(
            "the log {} was written by {server}, and the backup is of a {} server",
            self.position.file,
            other.name()
        );
        Err(Error::new(Kind::Server, text).hint("Begin a new backup under another name."))
    }

    /// A transaction of MySQL begins.
    fn begin(&mut self, gtid: mysql_event::GtidEvent, timestamp: u32) -> Result<()> {
        self.cut_off(timestamp);
        let known = self.recalls(gtid.gtid.as_ref());
        if let (Some(gtid), Gtids::Set(read)) = (&gtid.gtid, &self.gtids)
            && read.contains(gtid)
            && !known
        {
            let text = format!("transaction {gtid} stands in file {} again: it is another log", self.position.file);
            return Err(Error::new(Kind::Gap, text).hint(
                "If its GTIDs were reset (RESET BINARY LOGS AND GTIDS), begin a new backup under another name.",
            ));
        }
        self.transaction = Some(Transaction { known, ..Transaction::beginning(Head::MySql(gtid)) });
        Ok(())
    }

    /// What a file says of everything before it must be what was read.
    fn follows(&mut self, before: Gtids) -> Result<()> {
        if self.gtids.is_empty() && !self.within() {
            self.gtids = before;
            return Ok(());
        }
        let missing = self.gtids.lacks(&before);
        if missing.is_empty() {
            return Ok(());
        }
        let file = &self.position.file;
        let text = format!("a part of the log is missing before file {file}: it follows {missing}, which was not read");
        Err(Error::new(Kind::Gap, text).hint("Give every binlog file since the backup; or begin a new backup."))
    }

    fn bookmark(&mut self) -> Bookmark {
        self.position.gtids = self.gtids.to_string();
        let Bookmark(place) = self.position.bookmark();
        let bookmark = Bookmark(self.last.as_ref().map_or(place.clone(), |last| format!("{place} {last}")));
        position::with_rest(bookmark, self.prepared_now().map(|p| p.to_string()), self.unchecked.mark())
    }

    fn index(&mut self) {
        self.names = self.catalog.tables.values().map(|t| (t.name.clone(), t.clone())).collect();
        self.cascades = Cascades::of(&self.catalog);
        self.unchecked.forget(&self.catalog);
        self.at_risk = self.find_at_risk();
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
