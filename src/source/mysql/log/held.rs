//! What of a transaction is kept back in memory until it is certain that it counts: all of it while it is prepared
//! (XA), and what follows a savepoint.
//!
//! A log holds ROLLBACK TO only where the transaction also changed tables that cannot be rolled back; those changes stand
//! before it, as transactions of their own. So whatever follows the savepoint is taken back. (Source: MariaDB's log.cc,
//! `binlog_savepoint_rollback`.)

use super::LogReader;
use super::recall::At;
use super::unchecked::Marks;
use crate::model::{Change, SourceEvent, TableId, Value};
use std::collections::BTreeSet;

/// What is kept back at most, of all transactions together, in bytes of memory.
const HELD_BYTES: usize = 64 << 20;

/// Events in order, and the places in them that have names.
#[derive(Default)]
pub(super) struct Held {
    pub events: Vec<SourceEvent>,
    pub bytes: usize,
    pub tables: BTreeSet<TableId>,
    pub marks: Marks,
    /// Tables of which rows were not kept: they were uncertain.
    pub unread: BTreeSet<TableId>,
    pub at: Option<At>,
    /// It is too large to be kept.
    pub dropped: bool,
    savepoints: Vec<(String, usize)>,
}

impl Held {
    pub fn push(&mut self, event: SourceEvent) {
        if !self.dropped {
            self.bytes += memory_of(&event);
            self.events.push(event);
        }
    }

    pub fn drop_all(&mut self) {
        self.dropped = true;
        self.bytes = 0;
        self.events = Vec::new();
    }

    /// A name that is set again moves.
    fn mark(&mut self, name: &str) {
        self.savepoints.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.savepoints.push((name.to_string(), self.events.len()));
    }

    /// Takes back what follows the savepoint, which stays. `false`: it is not known here.
    fn back_to(&mut self, name: &str) -> bool {
        let Some(at) = self.savepoints.iter().position(|(known, _)| known.eq_ignore_ascii_case(name)) else {
            return self.dropped;
        };
        for event in self.events.drain(self.savepoints[at].1.min(self.events.len())..) {
            self.bytes = self.bytes.saturating_sub(memory_of(&event));
        }
        self.savepoints.truncate(at + 1);
        true
    }
}

impl LogReader {
    /// What is prepared, and what of the open transaction is kept back.
    fn held_bytes(&self) -> usize {
        let open = self.transaction.iter().flat_map(|t| t.held.iter().chain(&t.saved));
        open.chain(self.prepared.values()).map(|held| held.bytes).sum()
    }

    /// Tells an event of the open transaction, or keeps it back.
    pub(super) fn emit(&mut self, event: SourceEvent) {
        let transaction = self.transaction.get_or_insert_default();
        match (&mut transaction.held, &mut transaction.saved) {
            (Some(held), _) | (None, Some(held)) => held.push(event),
            (None, None) => return self.tell(event),
        }
        if self.held_bytes() > HELD_BYTES {
            match self.transaction.as_mut().map(|t| (t.held.as_mut(), t.saved.take())) {
                Some((Some(held), _)) => held.drop_all(),
                Some((None, Some(saved))) => saved.events.into_iter().for_each(|e| self.tell(e)),
                _ => {}
            }
        }
    }

    /// `SAVEPOINT name`
    pub(super) fn savepoint(&mut self, statement: &str) {
        let transaction = self.transaction.get_or_insert_default();
        let held = match &mut transaction.held {
            Some(held) => held,
            None => transaction.saved.get_or_insert_default(),
        };
        held.mark(name_in(statement));
    }

    /// `ROLLBACK TO name`
    pub(super) fn rollback_to(&mut self, statement: &str) {
        let held = self.transaction.as_mut().and_then(|t| t.held.as_mut().or(t.saved.as_mut()));
        if !held.is_some_and(|held| held.back_to(name_in(statement))) {
            self.doubt_transaction("a large transaction was rolled back in part after its changes had been logged");
        }
    }
}

/// The name at a statement's end.
fn name_in(statement: &str) -> &str {
    let statement = statement.trim().trim_end_matches(';').trim_end();
    match statement.strip_suffix('`').and_then(|s| s.split_once('`')) {
        Some((_, quoted)) => quoted,
        None => statement.rsplit(char::is_whitespace).next().unwrap_or(statement),
    }
}

/// About what an event takes in memory, in bytes.
fn memory_of(event: &SourceEvent) -> usize {
    let SourceEvent::Rows { changes, .. } = event else { return 1024 };
    let value = |v: &Value| {
        size_of::<Value>()
            + match v {
                Value::Text(text) => text.capacity(),
                Value::Bytes(bytes) => bytes.capacity(),
                _ => 0,
            }
    };
    let row = |row: &Vec<Value>| row.iter().map(value).sum::<usize>();
    let change = |c: &Change| {
        size_of::<Change>()
            + match c {
                Change::Insert(r) | Change::Delete(r) => row(r),
                Change::Update { before, after } => row(before) + row(after),
            }
    };
    changes.iter().map(change).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> SourceEvent {
        SourceEvent::Schema { database: String::new(), statement: None, changes: Vec::new() }
    }

    #[test]
    fn what_follows_a_savepoint_is_taken_back_and_the_savepoint_stays() {
        let mut held = Held::default();
        held.push(rows());
        held.mark("a");
        held.push(rows());
        held.mark("b");
        held.push(rows());
        assert!(held.back_to("A"));
        assert_eq!((held.events.len(), held.bytes), (1, 1024));
        assert!(!held.back_to("b"), "it went with what followed");
        held.push(rows());
        assert!(held.back_to("a") && held.events.len() == 1);
        held.push(rows());
        held.mark("a");
        held.push(rows());
        assert!(held.back_to("a"));
        assert_eq!(held.events.len(), 2, "a savepoint set again has moved");
        held.drop_all();
        assert!(held.back_to("a") && held.events.is_empty());
    }

    #[test]
    fn a_savepoints_name_is_found_in_its_statement() {
        for (statement, name) in
            [("SAVEPOINT `a b`", "a b"), ("ROLLBACK TO s1", "s1"), ("rollback to savepoint `x`;", "x")]
        {
            assert_eq!(name_in(statement), name);
        }
    }
}
