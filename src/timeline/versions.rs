//! Which tables existed when, with which schema, and since when is one uncertain?

use super::Timeline;
use crate::archive::{Base, Footer, Manifest};
use crate::error::{Error, Kind, Result};
use crate::model::{Moment, SchemaChange, Seq, TableId, TableName, TableSchema};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A time in which the archive cannot say what a table held.
#[derive(Debug, Clone, PartialEq)]
pub struct UncertainInterval {
    pub table: TableName,
    pub from: Moment,
    /// A new base ended it; `None`: it goes on.
    pub until: Option<Moment>,
    pub why: String,
}

/// What a table is from a seq on.
#[derive(Debug, Clone)]
enum State {
    There(Arc<TableSchema>),
    Uncertain(TableName, String),
    Gone,
}

/// A time in which a table had one schema, and its rows were certain.
#[derive(Debug, Clone)]
pub(super) struct Span {
    pub table: TableId,
    pub from: Seq,
    /// The first seq at which that is not so any more.
    pub until: Seq,
    pub schema: Arc<TableSchema>,
}

/// Every table's states, in seq order; rebuilt from manifest and footers.
#[derive(Debug, Clone)]
pub(super) struct Versions {
    tables: BTreeMap<TableId, Vec<(Seq, State)>>,
    /// Re-taken bases that the log has not reached yet.
    retaken: Vec<(Seq, TableId, Arc<TableSchema>)>,
    /// Every seq at which the catalog changes.
    epochs: Vec<Seq>,
    current: BTreeMap<TableId, Arc<TableSchema>>,
}

impl Versions {
    pub fn new(manifest: &Manifest) -> Self {
        let start = manifest.start.seq;
        let tables: BTreeMap<_, _> =
            manifest.catalog.tables.values().map(|t| (t.id, vec![(start, State::There(t.clone()))])).collect();
        let mut retaken: Vec<_> =
            manifest.bases.iter().filter(|b| b.seq > start).map(|b| (b.seq, b.table, b.schema.clone())).collect();
        retaken.sort_by_key(|(seq, ..)| *seq);
        let mut this =
            Self { tables, retaken: Vec::new(), epochs: vec![start], current: manifest.catalog.tables.clone() };
        for (id, why) in &manifest.catalog.uncertain {
            this.uncertain(start, *id, why);
        }
        this.retaken = retaken;
        this
    }

    /// Takes what a segment says, in seq order, and the bases that fall into it.
    pub fn add(&mut self, footer: &Footer) {
        for entry in &footer.schema {
            self.take_bases(Seq(entry.seq.0 - 1));
            self.epochs.push(entry.seq);
            for change in &entry.changes {
                self.change(entry.seq, change);
            }
        }
        if let Some(last) = footer.commits.last() {
            self.take_bases(last.seq);
        }
    }

    /// A base taken at a seq holds what commits up to that seq left, so it comes after their schema changes.
    fn take_bases(&mut self, upto: Seq) {
        let n = self.retaken.partition_point(|(seq, ..)| *seq <= upto);
        for (seq, id, schema) in self.retaken.drain(..n).collect::<Vec<_>>() {
            self.epochs.push(seq);
            self.current.insert(id, schema.clone());
            self.tables.entry(id).or_default().push((seq, State::There(schema)));
        }
    }

    fn change(&mut self, seq: Seq, change: &SchemaChange) {
        match change {
            SchemaChange::Table { schema } => {
                self.current.insert(schema.id, schema.clone());
                let states = self.tables.entry(schema.id).or_default();
                // an uncertain table stays uncertain, whatever is done to it
                let state = match states.last() {
                    Some((_, State::Uncertain(_, why))) => State::Uncertain(schema.name.clone(), why.clone()),
                    _ => State::There(schema.clone()),
                };
                states.push((seq, state));
            }
            SchemaChange::TableDropped { id } => self.gone(seq, *id),
            SchemaChange::DatabaseDropped { name } => {
                let ids: Vec<_> = self.current.values().filter(|t| t.name.database == *name).map(|t| t.id).collect();
                ids.into_iter().for_each(|id| self.gone(seq, id));
            }
            SchemaChange::Uncertain { id, name, why } => {
                self.tables.entry(*id).or_default().push((seq, State::Uncertain(name.clone(), why.clone())));
            }
            _ => {}
        }
    }

    fn uncertain(&mut self, seq: Seq, id: TableId, why: &str) {
        if let Some(table) = self.current.get(&id) {
            let state = State::Uncertain(table.name.clone(), why.to_string());
            self.tables.entry(id).or_default().push((seq, state));
        }
    }

    fn gone(&mut self, seq: Seq, id: TableId) {
        self.current.remove(&id);
        self.tables.entry(id).or_default().push((seq, State::Gone));
    }

    /// The last seq at or before this one at which the catalog changed.
    pub fn epoch(&self, seq: Seq) -> Seq {
        let n = self.epochs.partition_point(|e| *e <= seq);
        n.checked_sub(1).map_or(Seq::ZERO, |i| self.epochs[i])
    }

    /// Of a table: from where on its rows are certain at `seq` without a break; `None` when they are not.
    pub fn certain_since(&self, id: TableId, seq: Seq) -> Option<Seq> {
        let states = self.tables.get(&id)?;
        let n = states.partition_point(|(from, _)| *from <= seq);
        let mut since = None;
        for (from, state) in states[..n].iter().rev() {
            match state {
                State::There(_) => since = Some(*from),
                _ => break,
            }
        }
        since
    }

    /// The first seq after `seq` at which the table is gone or becomes uncertain or is based anew after that.
    pub fn certain_until(&self, id: TableId, seq: Seq) -> Option<(Seq, bool)> {
        let states = self.tables.get(&id)?;
        let n = states.partition_point(|(from, _)| *from <= seq);
        states[n..].iter().find_map(|(from, state)| match state {
            State::There(_) => None,
            State::Uncertain(..) => Some((*from, true)),
            State::Gone => Some((*from, false)),
        })
    }

    /// Every table that bore this name at some seq between the two, with the first seq of that time.
    pub fn bearers(&self, name: &TableName, from: Seq, to: Seq) -> Vec<(TableId, Seq, Seq)> {
        let mut found = Vec::new();
        for (id, states) in &self.tables {
            for (i, (begin, state)) in states.iter().enumerate() {
                let end = states.get(i + 1).map_or(Seq::MAX, |(s, _)| Seq(s.0.saturating_sub(1)));
                let here = match state {
                    State::There(schema) => schema.name == *name,
                    State::Uncertain(n, _) => n == name,
                    State::Gone => false,
                };
                if here && *begin <= to && end >= from {
                    match found.last_mut() {
                        Some((last, _, until)) if last == id && Seq(begin.0.wrapping_sub(1)) == *until => *until = end,
                        _ => found.push((*id, *begin, end)),
                    }
                }
            }
        }
        found.sort_by_key(|(_, begin, _)| *begin);
        found
    }

    /// All times in which tables were certain, with their schemas.
    pub fn spans(&self) -> Vec<Span> {
        let mut spans = Vec::new();
        for (table, states) in &self.tables {
            for (i, (from, state)) in states.iter().enumerate() {
                let until = states.get(i + 1).map_or(Seq::MAX, |(seq, _)| *seq);
                if let State::There(schema) = state
                    && *from < until
                {
                    spans.push(Span { table: *table, from: *from, until, schema: schema.clone() });
                }
            }
        }
        spans
    }

    /// Whether any table ever had a foreign key whose action changes rows.
    pub fn cascades(&self) -> bool {
        let has = |state: &State| matches!(state, State::There(t) if t.foreign_keys.iter().any(|k| k.cascades()));
        self.tables.values().flatten().any(|(_, state)| has(state))
    }

    fn uncertain_raw(&self) -> Vec<(TableName, Seq, Option<Seq>, String)> {
        let mut out: Vec<(TableName, Seq, Option<Seq>, String)> = Vec::new();
        for states in self.tables.values() {
            let mut open: Option<(TableName, Seq, String)> = None;
            for (seq, state) in states {
                match (state, &mut open) {
                    (State::Uncertain(name, why), None) => open = Some((name.clone(), *seq, why.clone())),
                    (State::Uncertain(name, _), Some(o)) => o.0 = name.clone(),
                    (_, Some(_)) => {
                        let (name, from, why) = open.take().expect("just matched");
                        // a base of the very commit that made it uncertain left no moment in between
                        if from < *seq {
                            out.push((name, from, Some(*seq), why));
                        }
                    }
                    (_, None) => {}
                }
            }
            out.extend(open.map(|(name, from, why)| (name, from, None, why)));
        }
        out
    }
}

impl Timeline {
    /// The table of this name after commit `seq`.
    /// Errors: `UnknownDatabase`, `UnknownTable` (saying when there was one), `Uncertain`, `Unsupported` (refused table).
    pub fn table(&self, name: &TableName, seq: Seq) -> Result<Arc<TableSchema>> {
        let catalog = self.catalog_at(seq)?;
        if let Some(table) = catalog.table(name) {
            if let Some(why) = catalog.uncertain.get(&table.id) {
                return Err(self.uncertain_error(table.id, name, seq, why));
            }
            return Ok(table.clone());
        }
        if let Some(why) = catalog.refused.get(name) {
            return Err(Error::new(Kind::Unsupported, format!("table {name} is not carried by this archive: {why}")));
        }
        let at = self.moment(seq)?;
        if !catalog.databases.contains_key(&name.database) {
            return Err(Error::new(
                Kind::UnknownDatabase,
                format!("Unknown database '{}' at {} (seq {seq})", name.database, at.time),
            )
            .hint("SHOW DATABASES lists those of a moment."));
        }
        Err(self.unknown_table(name, at))
    }

    fn unknown_table(&self, name: &TableName, at: Moment) -> Error {
        let error =
            Error::new(Kind::UnknownTable, format!("Table '{name}' doesn't exist at {} (seq {})", at.time, at.seq));
        let bearers = self.versions.bearers(name, Seq::ZERO, Seq::MAX);
        let before = bearers.iter().rev().find(|(_, _, end)| *end < at.seq).and_then(|b| self.moment(b.2).ok());
        let after = bearers.iter().find(|(_, begin, _)| *begin > at.seq).and_then(|b| self.moment(b.1).ok());
        match (before, after) {
            (Some(m), _) => {
                // that commit's own time may be shared with the one that dropped it
                let gone = self.moment(m.seq.next()).map(|g| g.time).unwrap_or(m.time);
                error.hint(format!("It was there until {gone}: ask AS OF a moment before (its last seq is {}).", m.seq))
            }
            (None, Some(m)) => error.hint(format!("It is there from {} on (seq {}).", m.time, m.seq)),
            (None, None) => error.hint("SHOW TABLES lists those of a moment."),
        }
    }

    pub(super) fn uncertain_error(&self, id: TableId, name: &TableName, seq: Seq, why: &str) -> Error {
        let intervals = self.uncertain_intervals();
        let hit = intervals.iter().find(|i| {
            (i.table == *name || self.versions.current.get(&id).is_some_and(|t| t.name == i.table))
                && i.from.seq <= seq
                && i.until.is_none_or(|u| seq < u.seq)
        });
        let interval = hit.map_or_else(String::new, |i| match i.until {
            Some(until) => format!(" from {} (seq {}) to {} (seq {})", i.from.time, i.from.seq, until.time, until.seq),
            None => format!(" from {} (seq {}) on", i.from.time, i.from.seq),
        });
        Error::new(Kind::Uncertain, format!("the history of table {name} is uncertain{interval}: {why}")).hint(
            "Ask a moment before that; moments after it can be asked as soon as a new base of the table is taken, which `pcloud protect` does by itself.",
        )
    }

    /// All times in which some table's rows are unknown.
    pub fn uncertain_intervals(&self) -> Vec<UncertainInterval> {
        let moment = |seq: Seq| self.moment(seq).unwrap_or(Moment { seq, time: self.latest().time });
        let raw = self.versions.uncertain_raw();
        raw.into_iter()
            .map(|(table, from, until, why)| UncertainInterval {
                table,
                from: moment(from),
                until: until.map(moment),
                why,
            })
            .collect()
    }

    /// The newest base of a table at or before `seq` that the certain history since `since` includes.
    pub(super) fn base(&self, id: TableId, since: Seq, seq: Seq) -> Option<&Base> {
        self.bases().filter(|b| b.table == id && b.seq >= since && b.seq <= seq).max_by_key(|b| b.seq)
    }
}
