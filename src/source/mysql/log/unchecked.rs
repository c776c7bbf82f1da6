//! Rows that were written without foreign key checks: what became of them does not always follow from the log's order.
//!
//! A statement that deletes a parent takes along the children that are there when it runs, and commits later. Under READ
//! COMMITTED a session without checks can meanwhile add a child, and commit first. The server keeps that row, and the
//! log reads as if it had gone with the parent. So a change of a parent whose statement may have begun before such rows
//! below it were all written makes their table uncertain.
//!
//! When a statement began stands in its row events, in whole seconds. When rows were logged, MySQL says in its GTID
//! events. MariaDB logs only when statements began: a COMMIT that began in a later second than the rows' statement came
//! after them; else that statement may have committed by itself, and have run for long. So a live MariaDB server is asked
//! for the time once such rows have come.

use super::super::event::{Cut, RawEvent};
use super::super::mysql_event;
use super::super::shape::{self, RowsKind};
use super::LogReader;
use super::transaction::{Head, Transaction};
use crate::model::{Catalog, Change, TableId, TableSchema};
use std::collections::{BTreeMap, BTreeSet};

/// Clocks are trusted to so many seconds.
const MARGIN: u32 = 2;
/// How long a statement may have run that committed by itself, in seconds; and so many bytes of rows take a second more.
const STATEMENT: u32 = 60;
const BYTES_A_SECOND: usize = 256 << 10;

/// What one transaction did that concerns this.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// Tables of which it replaced values that foreign keys refer to, and when the first such statement began.
    replaced: BTreeMap<TableId, u32>,
    /// Tables of which it wrote rows without checks, when the last such statement began, and the rows' bytes.
    unchecked: BTreeSet<TableId>,
    began: u32,
    bytes: usize,
}

impl Marks {
    /// Adds what a transaction did while it was being prepared.
    pub fn join(&mut self, other: Marks) {
        for (table, began) in other.replaced {
            let first = self.replaced.entry(table).or_insert(began);
            *first = began.min(*first);
        }
        self.unchecked.extend(other.unchecked);
        (self.began, self.bytes) = (self.began.max(other.began), self.bytes + other.bytes);
    }
}

/// What a row event says besides its rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows {
    /// When its statement began.
    began: u32,
    /// Foreign keys were not looked at.
    unchecked: bool,
    /// What they demand was done, and is not logged.
    pub cascades: bool,
    bytes: usize,
}

impl Rows {
    pub fn of(e: &RawEvent<'_>) -> Cut<Self> {
        let (unchecked, cascades) = (shape::rows_unchecked(e)?, shape::rows_cascade(e)?);
        Ok(Self { began: e.timestamp, unchecked, cascades, bytes: e.body.len() })
    }
}

/// Rows written without checks, as far as the log was read. Times are in seconds since 1970 UTC.
#[derive(Debug, Default)]
pub(super) struct Unchecked {
    /// The newest time that stood in the log.
    clock: u32,
    /// Statements that began then or later found every such row of the table.
    found_from: BTreeMap<TableId, u32>,
    /// The log is read as it is written.
    live: bool,
    /// Tables for which the server is to be asked for the time, and whether that was done; until the answer comes nothing is
    /// known of them.
    unsure: BTreeMap<TableId, bool>,
    /// The same of all tables, for rows that were written before the place where reading began.
    before: u32,
}

impl Unchecked {
    pub fn new(before: Option<u32>) -> Self {
        Self { before: before.unwrap_or(0), ..Self::default() }
    }

    /// What a bookmark keeps of it.
    pub fn mark(&self) -> Option<u32> {
        Some(self.found_from.values().fold(self.before, |newest, at| newest.max(*at))).filter(|at| *at > 0)
    }

    /// Forgets tables that are gone.
    pub fn forget(&mut self, catalog: &Catalog) {
        self.found_from.retain(|id, _| catalog.tables.contains_key(id));
        self.unsure.retain(|id, _| catalog.tables.contains_key(id));
    }

    fn missed(&self, table: TableId, began: u32) -> bool {
        let from = self.found_from.get(&table).map_or(self.before, |at| self.before.max(*at));
        began < from || self.unsure.contains_key(&table)
    }

    /// Takes the rows that a transaction wrote. `timestamp`: of its end.
    fn note(&mut self, transaction: &Transaction, timestamp: u32) {
        self.clock = self.clock.max(timestamp);
        let Marks { began, bytes, unchecked, .. } = &transaction.marks;
        let (from, exact) = match &transaction.head {
            Some(Head::MySql(mysql_event::GtidEvent { time: Some(time), .. })) => {
                let seconds = u32::try_from(time.0.div_euclid(1_000_000)).unwrap_or(u32::MAX);
                (seconds.saturating_add(MARGIN), true)
            }
            _ => {
                let logged = self.clock.saturating_add(MARGIN);
                let more = STATEMENT.saturating_add(u32::try_from(bytes / BYTES_A_SECOND).unwrap_or(u32::MAX));
                (if timestamp > *began { logged } else { logged.saturating_add(more) }, false)
            }
        };
        for table in unchecked {
            let at = self.found_from.entry(*table).or_default();
            *at = from.max(*at);
            if self.live && !exact {
                self.unsure.insert(*table, false);
            }
        }
    }
}

impl LogReader {
    /// Row changes of a table that is followed, of an event of so many bytes.
    pub(super) fn mark(&mut self, table: &TableSchema, changes: &[Change], rows: Rows) {
        if self.cascades.is_empty() {
            return;
        }
        let Rows { began, .. } = rows;
        if rows.unchecked {
            if self.cascades.has_parents(table.id) && changes.iter().any(|change| refers_anew(table, change)) {
                self.mark_unchecked(table.id, rows);
            }
            return;
        }
        if !rows.cascades {
            return;
        }
        let referenced = self.cascades.referenced(table.id);
        let replaces = |change: &Change| match change {
            Change::Insert(_) => false,
            Change::Delete(_) => true,
            Change::Update { before, after } => referenced.iter().any(|at| before.get(*at) != after.get(*at)),
        };
        if !referenced.is_empty() && changes.iter().any(replaces) {
            let marks = &mut self.transaction.get_or_insert_default().marks;
            let first = marks.replaced.entry(table.id).or_insert(began);
            *first = began.min(*first);
        }
    }

    /// Everything is read that the server had when it was asked.
    pub fn live(&mut self) {
        self.unchecked.live = true;
    }

    /// The server is being asked for the time.
    pub fn asking(&mut self) {
        self.unchecked.unsure.values_mut().for_each(|asked| *asked = true);
    }

    /// The server's answer, in seconds since 1970 UTC.
    pub fn answered(&mut self, seconds: u32) {
        let Unchecked { unsure, found_from, .. } = &mut self.unchecked;
        unsure.retain(|table, asked| {
            if *asked {
                found_from.insert(*table, seconds.saturating_add(1));
            }
            !*asked
        });
    }

    /// Row changes that are not read.
    pub(super) fn mark_unread(&mut self, e: &RawEvent<'_>, table: TableId) -> Cut<()> {
        let rows = Rows::of(e)?;
        let deletes = matches!(shape::rows_kind(e.kind), Some((RowsKind::Delete, ..)));
        if rows.unchecked && !deletes && self.cascades.has_parents(table) {
            self.mark_unchecked(table, rows);
        }
        Ok(())
    }

    fn mark_unchecked(&mut self, table: TableId, rows: Rows) {
        let marks = &mut self.transaction.get_or_insert_default().marks;
        marks.unchecked.insert(table);
        (marks.began, marks.bytes) = (marks.began.max(rows.began), marks.bytes + rows.bytes);
    }

    /// The open transaction ends, and counts: what it replaced may have missed rows that were logged before it, and its
    /// own may be missed by what is logged after it.
    pub(super) fn weigh(&mut self, timestamp: u32) {
        let Some(transaction) = self.transaction.as_ref().filter(|t| !t.known) else { return };
        let mut missed = Vec::new();
        for (parent, began) in &transaction.marks.replaced {
            let below = |id: &TableId| self.cascades.ancestors(*id).contains(parent);
            let certain = |id: &TableId| !self.catalog.uncertain.contains_key(id);
            let concerned = |id: &TableId| certain(id) && self.unchecked.missed(*id, *began) && below(id);
            missed.extend(self.cascades.children().filter(concerned).map(|child| (child, *parent)));
        }
        self.unchecked.note(transaction, timestamp);
        for (child, parent) in missed {
            let name = |id| self.catalog.tables.get(&id).map(|t| t.name.to_string()).unwrap_or_default();
            let why = format!(
                "a session without foreign key checks wrote rows of {} while another one changed rows of {} to which they \
                 may refer, and the log does not say which of them the server changed along",
                name(child),
                name(parent),
            );
            if !self.catalog.uncertain.contains_key(&child) {
                self.doubt(&[child], &why);
            }
        }
    }
}

/// Whether a change makes a row refer to something by a foreign key with an action.
fn refers_anew(table: &TableSchema, change: &Change) -> bool {
    let keys = table.foreign_keys.iter().filter(|key| key.cascades());
    let mut positions = keys.map(|key| {
        let of = |id| table.columns.iter().position(|column| column.id == id);
        key.columns.iter().map(|id| of(*id)).collect::<Option<Vec<_>>>()
    });
    positions.any(|key| match (key, change) {
        (None, _) => true,
        (_, Change::Delete(_)) => false,
        (Some(key), Change::Insert(row)) => key.iter().all(|at| row.get(*at).is_some_and(|v| !v.is_null())),
        (Some(key), Change::Update { before, after }) => key.iter().any(|at| before.get(*at) != after.get(*at)),
    })
}
