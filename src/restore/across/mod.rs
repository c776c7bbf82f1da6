//! How does a kept definition go to a server that is not like the one it came from?
//!
//! The text is changed only where the target says the same in other words. What has no equal there is refused, with
//! table and column, and what can be left out without changing a row is left out and said. Text that the target
//! understands as it stands is kept, so a definition goes through unchanged when both servers are alike.

mod collation;
mod column;
mod key;
mod modes;
mod option;
mod words;

pub use collation::Collations;

use super::abilities::Abilities;
use super::lex::{Statement, items, laid_open};
use super::server::{Family, Server};
use crate::error::{Error, Kind, Result};
use crate::model::{Column, ColumnType, Object, ObjectKind, TableSchema};
use collation::renamed;
use std::collections::BTreeSet;
use std::ops::Range;
use words::Edits;

/// What is refused and said at most, of each.
const NAMED: usize = 5;

/// Carries definitions of one restore to its target.
pub struct Across<'a> {
    target: &'a Abilities,
    /// Of the server that the definitions come from; `None`: not known.
    from: Option<Family>,
    collations: &'a Collations,
    /// Names of CHECK constraints, which MySQL wants to be one of a kind in a database: `database.name`.
    checks: BTreeSet<String>,
    notes: Vec<String>,
    refused: Vec<String>,
    hints: BTreeSet<&'static str>,
}

/// An item of a table's definition that is being carried over.
struct Item<'a> {
    s: &'a Statement<'a>,
    at: Range<usize>,
    table: &'a TableSchema,
}

impl<'a> Across<'a> {
    pub fn new(from: Option<Family>, target: &'a Abilities, collations: &'a Collations) -> Self {
        let (checks, hints) = (BTreeSet::new(), BTreeSet::new());
        Self { target, from, collations, checks, notes: Vec::new(), refused: Vec::new(), hints }
    }

    fn to(&self) -> &'a Server {
        &self.target.server
    }

    /// Whether words may differ.
    fn other_family(&self) -> bool {
        self.from != Some(self.to().family)
    }

    fn note(&mut self, text: String) {
        self.notes.push(text);
    }

    fn refuse(&mut self, what: impl std::fmt::Display, why: &str, way_out: &'static str) {
        self.refused.push(format!("{what}: {why}"));
        self.hints.insert(way_out);
    }

    /// CREATE TABLE for the target. What cannot be carried over is kept for `finish`.
    /// Errors: `Internal` when the kept text is not as SHOW CREATE TABLE writes it.
    pub fn table(&mut self, table: &TableSchema) -> Result<String> {
        let kept = if self.other_family() { laid_open(&table.create) } else { table.create.clone() };
        self.rewritten(table, &kept).ok_or_else(|| {
            Error::internal(format!("the kept CREATE TABLE of {} is not understood: {}", table.name, table.create))
        })
    }

    fn rewritten(&mut self, table: &TableSchema, kept: &str) -> Option<String> {
        let s = Statement::new(kept);
        let n = s.after(&["TABLE"])?;
        let (_, _, width) = s.qualified(n)?;
        let (all, close) = items(&s, n + width)?;
        let mut edits = Edits::default();
        let owner = |at: usize| {
            let column = all.iter().find(|i| i.contains(&at)).and_then(|i| s.name(i.start));
            let column = column.filter(|c| table.column(c).is_some());
            column.map_or_else(|| format!("table {}", table.name), |c| format!("column {}.{c}", table.name))
        };
        self.collations_in(&s, &mut edits, owner);
        if !self.other_family() {
            let columns = all.iter().map(|at| Item { s: &s, at: at.clone(), table });
            for item in columns.filter(|i| self.to().family == Family::MySql && i.kind() == ItemKind::Column) {
                column::own_json(&item, &mut edits);
            }
            return Some(edits.applied(kept));
        }
        let mut gone = Vec::new();
        for at in &all {
            let item = Item { s: &s, at: at.clone(), table };
            let stays = match item.kind() {
                ItemKind::Column => self.column(&item, &mut edits),
                ItemKind::Key => self.key(&item, &mut edits),
                ItemKind::Check => self.check(&item, &mut edits),
                ItemKind::Period => {
                    let why = format!("application-time periods do not exist in {}", self.to().family);
                    self.refuse(format!("table {}", table.name), &why, OTHER_TABLES);
                    true
                }
                ItemKind::Foreign => true,
            };
            if !stays {
                gone.push(at.clone());
            }
        }
        self.options(&s, close, table, &mut edits);
        for at in gone {
            edits.remove_item(&s, &at, &all);
        }
        Some(edits.applied(kept))
    }

    /// CREATE DATABASE for the target.
    pub fn database(&mut self, name: &str, kept: &str) -> String {
        let s = Statement::new(kept);
        let mut edits = Edits::default();
        self.collations_in(&s, &mut edits, |_| format!("database {name}"));
        let charset = (0..s.tokens.len()).find(|n| s.is(*n, "SET") && s.is(n + 1, "utf8mb4"));
        if let (Some(n), Some(from), true) = (charset, self.from, self.other_family())
            && !(n..s.tokens.len()).any(|n| s.is(n, "COLLATE"))
            && let Some(at) = s.range(n + 1, n + 1)
        {
            let default = if from == Family::MariaDb { "utf8mb4_general_ci" } else { "utf8mb4_0900_ai_ci" };
            if let Some(collation) = self.collation(default, || format!("database {name}")) {
                edits.insert(at.end, format!(" COLLATE {collation}"));
            }
        }
        edits.applied(kept)
    }

    /// A view or a program for the target: its text but for collations, and its sql_mode.
    pub fn object(&mut self, object: &Object) -> Object {
        let key = &object.key;
        let what = format!("{} {}.{}", words::kind_name(key.kind), key.database, key.name);
        let s = Statement::new(&object.create);
        let mut edits = Edits::default();
        self.collations_in(&s, &mut edits, |_| what.clone());
        let mut sql_mode = object.sql_mode.clone();
        if self.other_family() {
            if ["/*!", "/*M!"].iter().any(|c| object.create.contains(c)) {
                let why = format!("it holds comments (/*! … */) that {} reads otherwise", self.to().family);
                self.refuse(&what, &why, PROGRAMS);
            }
            // views run under no mode of their own
            if key.kind != ObjectKind::View {
                sql_mode = self.mode(&what, &object.sql_mode);
            }
        }
        Object { create: edits.applied(&object.create), sql_mode, ..object.clone() }
    }

    /// What information_schema will say of a column's collation; `None` where it does not matter.
    pub fn expected(&self, column: &Column) -> Option<String> {
        let collation = column.collation.as_deref().filter(|_| column.kind != ColumnType::Json)?;
        renamed(collation, self.target, self.collations).ok()
    }

    /// What the reader should know. Errors: `Unsupported`, naming all that cannot be carried over.
    pub fn finish(self) -> Result<Vec<String>> {
        if self.refused.is_empty() {
            return Ok(self.notes);
        }
        let mut seen = BTreeSet::new();
        let all: Vec<&String> = self.refused.iter().filter(|r| seen.insert(*r)).collect();
        let more = if all.len() > NAMED { format!("; and {} more", all.len() - NAMED) } else { String::new() };
        let first: Vec<&str> = all.iter().take(NAMED).map(|r| r.as_str()).collect();
        let text = format!("this cannot go to {}: {}{more}", self.target.server, first.join("; "));
        let hints: Vec<&str> = self.hints.into_iter().collect();
        Err(Error::new(Kind::Unsupported, text).hint(format!("{} Nothing was changed.", hints.join(" "))))
    }
}

/// Ways out.
const OTHER_TABLES: &str =
    "Restore the other tables by name (RESTORE TABLE …), or to a server of the source's own family.";
const PROGRAMS: &str =
    "WITH (views = false, triggers = false, routines = false, events = false) leaves such objects out.";
const COLLATION: &str = "WITH (collation = nearest) takes the nearest collation that the target has, \
                         WITH (collation = 'name') one of your choice.";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ItemKind {
    Column,
    Key,
    Check,
    Foreign,
    Period,
}

impl Item<'_> {
    fn kind(&self) -> ItemKind {
        let (s, n) = (self.s, self.at.start);
        let n = if s.is(n, "CONSTRAINT") { if s.is(n + 1, "CHECK") { n + 1 } else { n + 2 } } else { n };
        let is = |word| s.is(n, word);
        let keys = ["PRIMARY", "UNIQUE", "KEY", "INDEX", "FULLTEXT", "SPATIAL", "VECTOR"];
        match () {
            () if is("CHECK") => ItemKind::Check,
            () if is("FOREIGN") => ItemKind::Foreign,
            () if is("PERIOD") && s.is(n + 1, "FOR") => ItemKind::Period,
            () if keys.iter().any(|k| is(k)) => ItemKind::Key,
            () => ItemKind::Column,
        }
    }

    /// The column of this name, as messages call it.
    fn column_name(&self) -> String {
        format!("column {}.{}", self.table.name, self.s.name(self.at.start).unwrap_or_default())
    }

    /// Positions of tokens that are in no parentheses.
    fn top(&self) -> Vec<usize> {
        let mut depth = 0;
        let mut all = Vec::new();
        for n in self.at.clone() {
            match self.s.text(n) {
                "(" => depth += 1,
                ")" => depth -= 1,
                _ if depth == 0 => all.push(n),
                _ => {}
            }
        }
        all
    }
}

#[cfg(test)]
mod tests;
