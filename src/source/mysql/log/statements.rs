//! What do statements of the log mean? The ends of transactions, and changes of the schema.

use super::super::ddl::{self, Session};
use super::super::event::{self, QueryEvent, RawEvent};
use super::super::family::Family;
use super::LogReader;
use super::transaction::Transaction;
use crate::model::{SchemaChange, SourceEvent};
use std::sync::Arc;

/// Statements are kept up to this length, in bytes.
const STATEMENT_BYTES: usize = 1 << 20;

impl LogReader {
    pub(super) fn query(&mut self, q: &QueryEvent, e: &RawEvent<'_>) {
        let timestamp = e.timestamp;
        let alone = self.transaction.as_ref().is_none_or(Transaction::standalone);
        let text = text_of(q);
        let head = text.as_deref().map(ddl::first_words).unwrap_or_default();
        let words: Vec<&str> = head.iter().map(String::as_str).collect();
        match words.as_slice() {
            [] if text.is_some() => {}
            ["BEGIN", ..] | ["START", "TRANSACTION", ..] => {
                self.transaction.get_or_insert_default().group = true;
                return;
            }
            ["COMMIT", ..] => return self.end(timestamp),
            ["ROLLBACK", "TO", ..] | ["ROLLBACK", "WORK", "TO", ..] => {
                return self.rollback_to(text.as_deref().unwrap_or_default());
            }
            ["ROLLBACK", ..] => return self.rolled_back(timestamp),
            ["XA", "START" | "BEGIN", ..] => return self.hold(text.as_deref().unwrap_or_default()),
            ["SAVEPOINT", ..] => return self.savepoint(text.as_deref().unwrap_or_default()),
            ["RELEASE", ..] | ["XA", "END" | "PREPARE", ..] => return,
            ["XA", verb @ ("COMMIT" | "ROLLBACK"), ..] => {
                return self.decide(*verb == "COMMIT", text.as_deref().unwrap_or_default(), timestamp);
            }
            _ => self.statement(q, e.flags, text),
        }
        if alone {
            self.end(timestamp);
        }
    }

    fn statement(&mut self, q: &QueryEvent, flags: u16, text: Option<String>) {
        self.digest.update(&q.statement);
        let transaction = self.transaction.get_or_insert_default();
        if transaction.known || transaction.mariadb().is_some_and(|g| g.alter_started || g.alter_failed) {
            return; // an ALTER counts when it is done
        }
        let Some(text) = text else {
            let all: Vec<_> = self.catalog.tables.keys().copied().collect();
            return self.doubt(&all, "a statement was logged in a charset that pcloud does not read");
        };
        let collation = q.server.and_then(event::collation_by_id).unwrap_or("utf8mb4_general_ci");
        let mut collations = ddl::Collations::default();
        q.collations.iter().filter_map(|id| event::collation_by_id(*id)).for_each(|name| collations.set(name));
        let mut session = Session {
            collations,
            other_collations: q.collations.iter().any(|id| event::collation_by_id(*id).is_none()),
            database: q.database.clone(),
            sql_mode: q.sql_mode,
            collation: collation.to_string(),
            invoker: q.invoker.clone(),
            error: q.error,
            temporary: self.temporary.remove(&q.thread).unwrap_or_default(),
            of_session: flags & event::THREAD_SPECIFIC_FLAG != 0,
            names_may_fold: self.in_file,
            of_mysql: self.mysql,
        };
        let mut changes = ddl::apply(&self.catalog, &self.filter, &mut session, &text);
        if self.family == Family::MySql {
            changes.iter_mut().for_each(as_mysql_shows);
        }
        if !session.temporary.is_empty() {
            self.temporary.insert(q.thread, session.temporary);
        }
        if changes.is_empty() {
            return;
        }
        changes.iter().for_each(|c| self.catalog.apply(c));
        self.index();
        let statement = Some(text).filter(|t| t.len() <= STATEMENT_BYTES);
        self.tell(SourceEvent::Schema { database: q.database.clone(), statement, changes });
    }
}

/// The definition of a changed table in the server's own words.
fn as_mysql_shows(change: &mut SchemaChange) {
    if let SchemaChange::Table { schema } = change {
        let create = ddl::in_mysql_words(schema);
        Arc::make_mut(schema).create = create;
    }
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
