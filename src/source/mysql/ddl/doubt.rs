//! What cannot be followed: which tables it concerns, and how that is said.

use super::apply::Steps;
use super::lex::{Lexer, TokenKind, name_of, shortened};
use super::objects;
use crate::model::{ObjectKind, SchemaChange, TableName};
use std::collections::BTreeMap;

impl Steps<'_> {
    /// The table exists and is not carried.
    pub(super) fn refuse(&mut self, name: &TableName, why: &str) {
        if !self.filter.table(name) {
            return;
        }
        if let Some(schema) = self.known(name) {
            self.push(SchemaChange::TableDropped { id: schema.id });
        }
        self.push(SchemaChange::Refused { name: name.clone(), why: format!("table {name} is not carried: {why}") });
    }

    /// `why` fits behind "because".
    pub(super) fn uncertain(&mut self, name: &TableName, why: &str) {
        if let Some(schema) = self.known(name) {
            let why = format!(
                "'{}' is not followed for table {}, because {why}",
                shortened(self.statement.trim()),
                schema.name
            );
            self.push(SchemaChange::Uncertain { id: schema.id, name: schema.name.clone(), why });
        } else if self.filter.table(name) {
            self.unknown_table(name);
        }
    }

    /// A statement succeeded on a table of which nothing is known.
    pub(super) fn unknown_table(&mut self, name: &TableName) {
        if !self.catalog.refused.contains_key(name) && !objects::is_view(self, name) {
            let why = format!("'{}' changed it before pcloud knew it", shortened(self.statement.trim()));
            self.refuse(name, &why);
        }
    }

    /// A change that was logged as its statement: rows changed, and the log does not say which.
    pub(super) fn statement_format(&mut self) {
        let why = "the log has it as a statement (binlog_format is not ROW), so the rows that it changed are not known";
        let (tables, databases) = self.mentioned();
        let active = self
            .catalog
            .objects
            .keys()
            .any(|k| matches!(k.kind, ObjectKind::Trigger | ObjectKind::Function | ObjectKind::Procedure));
        let concerned = if tables.is_empty() || active { self.tables_of(&databases, &tables) } else { tables };
        concerned.iter().for_each(|name| self.uncertain(name, why));
    }

    /// A statement of which nothing is known: every table of the databases that it may concern.
    pub(super) fn unreadable(&mut self, why: &str) {
        let (tables, databases) = self.mentioned();
        let concerned = self.tables_of(&databases, &tables);
        concerned.iter().for_each(|name| self.uncertain(name, why));
    }

    pub(super) fn tables_of(&self, databases: &[String], tables: &[TableName]) -> Vec<TableName> {
        let in_them = |t: &TableName| databases.contains(&t.database) || tables.contains(t);
        self.catalog.tables.values().map(|t| t.name.clone()).filter(in_them).collect()
    }

    /// Tables and databases whose names stand in the statement, and the default database. If it cannot even be cut
    /// into words, all.
    pub(super) fn mentioned(&self) -> (Vec<TableName>, Vec<String>) {
        let all = || (Vec::new(), self.catalog.databases.keys().cloned().collect());
        let Ok(tokens) = Lexer::all(self.statement, self.session.cutting()) else { return all() };
        let mut databases = vec![self.session.database.clone()];
        let mut tables: BTreeMap<TableName, ()> = BTreeMap::new();
        for (i, t) in tokens.iter().enumerate() {
            let Some(name) = name_of(t).filter(|_| matches!(t.kind, TokenKind::Name | TokenKind::Word)) else {
                continue;
            };
            let second = tokens.get(i + 1).filter(|n| n.is_sign('.')).and_then(|_| tokens.get(i + 2)).and_then(name_of);
            if self.catalog.databases.contains_key(&name) && second.is_some() {
                databases.push(name.clone());
            }
            let full = match second {
                Some(table) => TableName::new(name, table),
                None => TableName::new(self.session.database.clone(), name),
            };
            if let Some(schema) = self.known(&full) {
                tables.insert(schema.name.clone(), ());
            }
        }
        (tables.into_keys().collect(), databases)
    }
}
