//! Where transactions begin and end, what becomes of prepared ones, and which tables become uncertain within them.

use super::super::event::GtidEvent;
use super::super::mysql_event;
use super::held::Held;
use super::recall::At;
use super::unchecked::Marks;
use super::{Last, LogReader, Mapped};
use crate::model::{Change, CommitTime, SchemaChange, SourceEvent, TableId, TableSchema};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The event that a transaction begins with.
pub(super) enum Head {
    /// Server, and what it says.
    MariaDb(u32, GtidEvent),
    MySql(mysql_event::GtidEvent),
}

#[derive(Default)]
pub(super) struct Transaction {
    pub head: Option<Head>,
    /// A statement began it, so another one ends it.
    pub group: bool,
    pub begun: bool,
    pub tables: BTreeSet<TableId>,
    /// It is being prepared: nothing is told before it is committed.
    pub held: Option<Held>,
    /// The name of a prepared transaction, where statements and not the head tell it.
    pub xid: Option<Vec<u8>>,
    /// What follows its first savepoint.
    pub saved: Option<Held>,
    /// It changed the catalog, which a rollback does not take back.
    pub lasting: bool,
    /// It was read before, and is only looked at again: nothing is told of it.
    pub known: bool,
    pub marks: Marks,
}

impl Transaction {
    pub(super) fn beginning(head: Head) -> Self {
        let held = matches!(&head, Head::MariaDb(_, g) if g.prepared.is_some()).then(Held::default);
        Self { head: Some(head), held, ..Self::default() }
    }

    pub(super) fn mariadb(&self) -> Option<&GtidEvent> {
        match &self.head {
            Some(Head::MariaDb(_, gtid)) => Some(gtid),
            _ => None,
        }
    }

    /// One statement is all of it.
    pub(super) fn standalone(&self) -> bool {
        match &self.head {
            Some(Head::MariaDb(_, gtid)) => gtid.standalone,
            Some(Head::MySql(_)) => !self.group,
            None => false,
        }
    }

    fn begin(&self) -> SourceEvent {
        SourceEvent::Begin { gtid: self.gtid() }
    }

    fn gtid(&self) -> Option<String> {
        match &self.head {
            Some(Head::MariaDb(server, g)) => Some(format!("{}-{server}-{}", g.domain, g.sequence)),
            Some(Head::MySql(g)) => g.gtid.as_ref().map(|g| g.to_string()),
            None => None,
        }
    }

    /// `timestamp`: of its last event.
    fn time(&self, timestamp: u32) -> CommitTime {
        match &self.head {
            Some(Head::MySql(mysql_event::GtidEvent { time: Some(time), .. })) => CommitTime::Exact(*time),
            _ => CommitTime::Second(i64::from(timestamp)),
        }
    }
}

impl LogReader {
    /// Tells an event of the open transaction.
    pub(super) fn tell(&mut self, event: SourceEvent) {
        let transaction = self.transaction.get_or_insert_default();
        if transaction.known {
            return;
        }
        transaction.lasting |= matches!(event, SourceEvent::Schema { .. });
        if !transaction.begun {
            transaction.begun = true;
            self.told.push_back(transaction.begin());
        }
        self.told.push_back(event);
    }

    pub(super) fn emit_schema(&mut self, changes: Vec<SchemaChange>) {
        if self.transaction.as_ref().is_some_and(|t| t.known) {
            return;
        }
        changes.iter().for_each(|c| self.catalog.apply(c));
        self.index();
        // what became uncertain is so whether the transaction, or this part of it, counts or not
        self.tell(SourceEvent::Schema { database: String::new(), statement: None, changes });
    }

    /// The tables are uncertain from here on. `why` fits behind "because".
    pub(super) fn doubt(&mut self, tables: &[TableId], why: &str) {
        let place = format!("{}:{}", self.position.file, self.position.offset);
        let tables = &self.with_children(tables);
        let known = tables.iter().filter_map(|id| self.catalog.tables.get(id));
        let changes: Vec<_> = known
            .map(|t| SchemaChange::Uncertain {
                id: t.id,
                name: t.name.clone(),
                why: format!("the log up to {place} cannot be followed for table {}, because {why}", t.name),
            })
            .collect();
        for mapped in self.maps.values_mut() {
            if let Mapped::Kept(layout) = mapped
                && tables.contains(&layout.schema.id)
            {
                *mapped = Mapped::Uncertain(layout.schema.id);
            }
        }
        if !changes.is_empty() {
            self.emit_schema(changes);
        }
    }

    pub(super) fn doubt_transaction(&mut self, why: &str) {
        let tables = self.transaction.as_ref().map(|t| t.tables.iter().copied().collect::<Vec<_>>());
        self.doubt(&tables.unwrap_or_default(), why);
    }

    /// A transaction without an end: the server stopped while it wrote it, and rolled it back.
    pub(super) fn cut_off(&mut self, timestamp: u32) {
        if self.within() {
            if let Some(t) = &mut self.transaction {
                t.head = t.head.take().filter(|_| t.begun);
            }
            self.doubt_transaction("the log has a transaction without an end");
            self.end(timestamp);
        }
    }

    pub(super) fn prepared(&mut self, timestamp: u32) {
        if let Some(t) = &mut self.transaction
            && let Some(mut held) = t.held.take()
        {
            held.tables = t.tables.clone();
            held.marks = std::mem::take(&mut t.marks);
            held.at = match &t.head {
                Some(Head::MySql(head)) => head.gtid.clone().map(At::Gtid),
                _ => Some(At::Place(self.began.clone())),
            };
            let xid = t.mariadb().and_then(|g| g.prepared.clone()).or(t.xid.take());
            self.prepared.insert(xid.unwrap_or_default(), held);
        }
        self.end(timestamp);
    }

    /// XA START in MySQL's log; MariaDB's says it in the head. Whether it is prepared or committed at once, its end says.
    pub(super) fn hold(&mut self, statement: &str) {
        if let Some(t) = self.transaction.as_mut().filter(|t| matches!(t.head, Some(Head::MySql(_)))) {
            (t.group, t.held, t.xid) = (true, Some(Held::default()), xid(statement));
        }
    }

    /// XA COMMIT … ONE PHASE.
    pub(super) fn in_one_phase(&mut self, timestamp: u32) {
        if let Some(t) = &mut self.transaction
            && let Some(mut held) = t.held.take()
        {
            held.tables = t.tables.clone();
            self.release_all(held);
        }
        self.end(timestamp);
    }

    /// XA COMMIT and XA ROLLBACK.
    pub(super) fn decide(&mut self, commit: bool, statement: &str, timestamp: u32) {
        let transaction = self.transaction.get_or_insert_default();
        let mysql = matches!(transaction.head, Some(Head::MySql(_)));
        let xid = if mysql { xid(statement) } else { transaction.mariadb().and_then(|g| g.completed.clone()) };
        if let Some(xid) = xid {
            match self.prepared.remove(&xid) {
                _ if !commit => {}
                Some(held) => self.release_all(held),
                None => {
                    let all: Vec<_> = self.catalog.tables.keys().copied().collect();
                    self.doubt(
                        &all,
                        "XA COMMIT ended a transaction that was prepared before pcloud began to read here",
                    );
                }
            }
        } else if !commit {
            self.doubt_transaction("a transaction was rolled back after its changes had been logged");
        }
        self.end(timestamp);
    }

    fn release_all(&mut self, mut held: Held) {
        self.transaction.get_or_insert_default().marks.join(std::mem::take(&mut held.marks));
        let unread = std::mem::take(&mut held.unread).into_iter();
        let unread: Vec<_> = unread.filter(|id| !self.catalog.uncertain.contains_key(id)).collect();
        if !unread.is_empty() {
            self.doubt(&unread, "it was uncertain when a transaction was prepared that XA COMMIT ended");
        }
        if held.dropped {
            let tables: Vec<_> = held.tables.into_iter().collect();
            return self.doubt(&tables, "a transaction committed by XA COMMIT was too large to be kept until then");
        }
        held.events.into_iter().for_each(|e| self.release(e));
    }

    /// Tells what a prepared transaction held, unless its table has become uncertain since.
    pub(super) fn release(&mut self, event: SourceEvent) {
        if let SourceEvent::Rows { table, changes, cascades } = &event {
            if *cascades && !changes.iter().all(|c| matches!(c, Change::Insert(_))) {
                self.doubt_at_risk();
            }
            let now = self.catalog.tables.get(&table.id);
            if self.catalog.uncertain.contains_key(&table.id) || now.is_none() {
                return;
            }
            if now.is_some_and(|t| !Arc::ptr_eq(t, table)) {
                let id = table.id;
                return self.doubt(&[id], "it was altered between XA PREPARE and XA COMMIT");
            }
        }
        self.emit(event);
    }

    /// The transaction is over, and counts.
    pub(super) fn end(&mut self, timestamp: u32) {
        for event in self.transaction.as_mut().and_then(|t| t.saved.take()).into_iter().flat_map(|saved| saved.events) {
            self.tell(event);
        }
        self.weigh(timestamp);
        let Some(t) = self.transaction.take() else { return self.progress() };
        let crc32 = std::mem::take(&mut self.digest).finalize();
        if t.known {
            self.known_ended(crc32);
        }
        match &t.head {
            Some(Head::MariaDb(server, g)) if !t.known => {
                let (domain, server, sequence) = (g.domain, *server, g.sequence);
                let before = self.gtids.domains().insert(domain, (server, sequence));
                self.last = Some(Last { domain, server, sequence, before, crc32 });
            }
            Some(Head::MariaDb(..)) => {}
            Some(Head::MySql(g)) => g.gtid.iter().for_each(|g| self.gtids.set().add(g)),
            None => {}
        }
        self.maps.clear();
        // Rows of uncertain tables are not told, but their transactions are: a new base that holds them must not seem
        // to stand at an earlier commit.
        let unseen = !t.begun && !t.known && !self.catalog.uncertain.is_empty();
        if unseen {
            self.told.push_back(t.begin());
        }
        if t.begun || unseen {
            let bookmark = self.bookmark();
            self.told.push_back(SourceEvent::Commit { time: t.time(timestamp), bookmark });
            self.reached();
        } else {
            self.told.extend(t.gtid().filter(|_| !t.known).map(|gtid| SourceEvent::Uneventful { gtid }));
            self.progress();
        }
    }

    /// ROLLBACK at a transaction's end: a temporary table made the server log it all the same. What can be rolled back
    /// is; changes of other tables stand in transactions of their own.
    pub(super) fn rolled_back(&mut self, timestamp: u32) {
        match &mut self.transaction {
            Some(t) if !t.lasting => {
                (t.held, t.saved, t.marks) = (None, None, Marks::default());
                if std::mem::take(&mut t.begun) {
                    self.told.push_back(SourceEvent::RolledBack);
                }
            }
            _ => self.doubt_transaction("a transaction was rolled back after its changes had been logged"),
        }
        self.end(timestamp);
    }

    pub(super) fn progress(&mut self) {
        if self.proof.is_none() && self.recall.is_none() {
            let bookmark = self.bookmark();
            self.told.push_back(SourceEvent::Progress { bookmark });
        }
        self.reached();
    }

    /// A new base of this table is being read as of this place.
    pub(super) fn retaken(&mut self, schema: Arc<TableSchema>) {
        if self.catalog.tables.get(&schema.id).is_some_and(|t| t.name == schema.name) {
            let table = schema.id;
            self.catalog.apply(&SchemaChange::Table { schema });
            self.catalog.uncertain.remove(&table);
            self.index();
            self.told.push_back(SourceEvent::Retaken { table });
        }
    }
}

/// Of `XA START X'6162',X'',1` what stands behind the two words: the same in all statements about one transaction.
fn xid(statement: &str) -> Option<Vec<u8>> {
    let (_, rest) = statement.trim_start().split_once(char::is_whitespace)?;
    let (_, name) = rest.trim_start().split_once(char::is_whitespace)?;
    Some(name.trim().as_bytes().to_vec())
}
