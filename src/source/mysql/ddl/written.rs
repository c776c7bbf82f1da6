//! Which tables may a logged statement have changed? Of a statement that changes rows, the log then has only the text.
//!
//! What it names as its target, and what follows from that at the source: the targets' triggers, tables that refer to
//! them with a cascading foreign key, functions and procedures that are called, and what stands behind a view; each
//! by the names in its text. Too many rather than too few. Where the text does not tell (a program that builds its
//! statements as it runs), every table.

use super::apply::Steps;
use super::lex::{Lexer, Parser, Read, TokenKind, name_of};
use super::table::same_name;
use crate::model::{Object, ObjectKind, TableName, TableSchema, same_table};
use std::collections::BTreeSet;

/// Tables; `All` where they cannot be told.
#[derive(Debug, PartialEq, Eq)]
enum Written {
    All,
    Tables(BTreeSet<TableName>),
}

impl Steps<'_> {
    /// A change that was logged as its statement: rows changed, and the log does not say which.
    pub(super) fn statement_format(&mut self) {
        let why = "the log has it as a statement (binlog_format is not ROW), so the rows that it changed are not known";
        let tables: Vec<TableName> = match self.written() {
            Written::All => self.catalog.tables.values().map(|t| t.name.clone()).collect(),
            Written::Tables(tables) => tables.into_iter().collect(),
        };
        for name in tables {
            // rows of tables that are not carried are not told either way
            if self.known(&name).is_some() {
                self.uncertain(&name, why);
            } else if !self.catalog.refused.contains_key(&name) && self.filter.table(&name) {
                self.unknown_table(&name);
            }
        }
    }

    fn written(&self) -> Written {
        let Ok(mut p) = Parser::new(self.statement, self.session.cutting()) else { return Written::All };
        let mut found = BTreeSet::new();
        let told = match self.targets(&mut p) {
            // the triggers of tables that are left out are not known
            Ok(Some(targets)) if targets.iter().any(|t| self.filter.leaves_out(t)) => return Written::All,
            Ok(Some(targets)) => {
                found.extend(targets);
                true
            }
            // which of the names it changes cannot be told: all of them
            Ok(None) => {
                found.extend(self.names_in(self.statement, &self.session.database));
                false
            }
            Err(_) => return Written::All,
        };
        found.retain(|name| !self.session.temporary.contains(name));
        let mut texts = vec![(self.statement.to_string(), self.session.database.clone())];
        let mut seen = BTreeSet::new();
        loop {
            // what is behind these tables, then what their programs call and name
            let before = (found.len(), seen.len());
            for object in self.catalog.objects.values() {
                let called = || texts.iter().any(|(text, database)| calls(text, database, object));
                let name = TableName::new(&object.key.database, &object.key.name);
                let active = match object.key.kind {
                    ObjectKind::Trigger => {
                        let table = object.table.clone().unwrap_or_default();
                        found.contains(&TableName::new(&object.key.database, table))
                    }
                    ObjectKind::View => found.contains(&name),
                    ObjectKind::Function | ObjectKind::Procedure => called(),
                    ObjectKind::Event | ObjectKind::Grant => false,
                };
                if active && seen.insert(object.key.clone()) {
                    texts.push((object.create.clone(), object.key.database.clone()));
                    if !matches!(object.key.kind, ObjectKind::View) && builds_statements(&object.create) {
                        return Written::All;
                    }
                    found.extend(self.names_in(&object.create, &object.key.database));
                }
            }
            for table in self.catalog.tables.values() {
                if !found.contains(&table.name) && found.iter().any(|parent| refers(table, parent)) {
                    found.insert(table.name.clone());
                }
            }
            if before == (found.len(), seen.len()) {
                break;
            }
        }
        found.retain(|name| !super::objects::is_view(self, name));
        if !told && found.is_empty() {
            return Written::All; // it calls something that is not known
        }
        Written::Tables(found)
    }

    /// The tables that the statement itself changes; `None`: some of those that it names.
    fn targets(&self, p: &mut Parser<'_>) -> Read<Option<Vec<TableName>>> {
        if p.takes(&["ANALYZE"]) && p.takes(&["FORMAT"]) {
            p.takes_sign('=');
            p.skip();
        }
        if p.takes_any(&["INSERT", "REPLACE"]) {
            while p.takes_any(&["LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "IGNORE", "INTO"]) {}
            return Ok(Some(vec![self.table_name(p)?]));
        }
        if p.takes(&["LOAD"]) {
            while !p.takes(&["INTO", "TABLE"]) {
                p.skip().ok_or_else(|| p.unexpected("INTO TABLE"))?;
            }
            return Ok(Some(vec![self.table_name(p)?]));
        }
        if p.takes(&["UPDATE"]) {
            while p.takes_any(&["LOW_PRIORITY", "IGNORE"]) {}
            let name = self.table_name(p)?;
            let alone = loop {
                if p.sees(&["SET"]) {
                    break true;
                }
                let join = ["JOIN", "INNER", "LEFT", "RIGHT", "CROSS", "NATURAL", "STRAIGHT_JOIN"];
                if p.done() || p.sees_sign(',') || p.sees_sign('(') || join.iter().any(|j| p.sees(&[j])) {
                    break false;
                }
                p.skip();
            };
            return Ok(alone.then_some(vec![name]));
        }
        if p.takes(&["DELETE"]) {
            while p.takes_any(&["LOW_PRIORITY", "QUICK", "IGNORE"]) {}
            if p.takes(&["FROM"]) {
                let name = self.table_name(p)?;
                let many = p.sees_sign(',') || p.sees_sign('.') || p.sees(&["USING"]);
                return Ok((!many).then_some(vec![name]));
            }
        }
        Ok(None)
    }

    /// Tables whose names stand in a text, under this default database.
    fn names_in(&self, text: &str, database: &str) -> Vec<TableName> {
        let Ok(tokens) = Lexer::all(text, self.session.cutting()) else {
            return self.catalog.tables.values().map(|t| t.name.clone()).collect();
        };
        let mut names = Vec::new();
        for (i, t) in tokens.iter().enumerate() {
            let quoted = matches!(t.kind, TokenKind::Name | TokenKind::Word);
            let Some(name) = name_of(t).filter(|_| quoted) else { continue };
            let second = tokens.get(i + 1).filter(|n| n.is_sign('.')).and_then(|_| tokens.get(i + 2)).and_then(name_of);
            let full = second.map(|table| TableName::new(&name, table));
            let all = [full, Some(TableName::new(database, name))];
            names.extend(all.into_iter().flatten().filter(|n| self.is_known(n)));
        }
        names
    }

    /// Tables and databases whose names stand in the statement, and the default database. If it cannot even be cut
    /// into words, all databases.
    pub(super) fn mentioned(&self) -> (Vec<TableName>, Vec<String>) {
        let Ok(tokens) = Lexer::all(self.statement, self.session.cutting()) else {
            return (Vec::new(), self.catalog.databases.keys().cloned().collect());
        };
        let mut databases = vec![self.session.database.clone()];
        let known = |t: &super::lex::Token<'_>| name_of(t).filter(|n| self.catalog.databases.contains_key(n));
        databases.extend(tokens.windows(2).filter(|w| w[1].is_sign('.')).filter_map(|w| known(&w[0])));
        (self.names_in(self.statement, &self.session.database), databases)
    }
}

/// Whether a text may call this routine.
fn calls(text: &str, database: &str, routine: &Object) -> bool {
    let Ok(tokens) = Lexer::all(text, super::lex::Cutting::default()) else { return true };
    tokens.iter().enumerate().any(|(i, t)| {
        let named = name_of(t).is_some_and(|n| same_name(&n, &routine.key.name));
        let of = i >= 2 && tokens.get(i - 1).is_some_and(|d| d.is_sign('.'));
        let there = tokens.get(i.wrapping_sub(2)).and_then(name_of).filter(|_| of);
        named && there.as_deref().unwrap_or(database) == routine.key.database
    })
}

/// Whether a program runs text that it makes itself.
fn builds_statements(text: &str) -> bool {
    let Ok(tokens) = Lexer::all(text, super::lex::Cutting::default()) else { return true };
    tokens.iter().any(|t| t.is_word("EXECUTE") || t.is_word("PREPARE"))
}

/// Whether rows of `table` change by themselves when those of `parent` do.
fn refers(table: &TableSchema, parent: &TableName) -> bool {
    table.foreign_keys.iter().any(|f| f.cascades() && same_table(&f.parent, parent))
}
