//! What cannot be followed: which tables it concerns, and how that is said.

use super::apply::Steps;
use super::lex::shortened;
use super::objects;
use crate::model::{Catalog, NotCarried, SchemaChange, TableId, TableName, TableSchema};
use std::sync::Arc;

impl Steps<'_> {
    /// The table exists and is not carried.
    pub(super) fn refuse(&mut self, name: &TableName, why: &str) {
        if !self.filter.table(name) {
            return;
        }
        if let Some(schema) = self.known(name) {
            self.push(SchemaChange::TableDropped { id: schema.id });
        }
        let why = NotCarried::table(format!("table {name} is not carried: {why}"));
        self.push(SchemaChange::Refused { name: name.clone(), why });
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
            self.unseen(name, &why);
        }
        self.alike(name);
    }

    /// There is a table of this name now, and nothing more is known of it: uncertain until a base of it is taken.
    pub(super) fn unseen(&mut self, name: &TableName, why: &str) {
        if !self.filter.table(name) {
            return;
        }
        self.gone(name);
        for change in unseen(&self.catalog, name, why) {
            self.push(change);
        }
    }

    /// A name that is not known may mean the table whose name differs only in case, where the source compares names
    /// so. What it was is not known then.
    pub(super) fn alike(&mut self, name: &TableName) {
        if !self.session.names_may_fold {
            return;
        }
        let same = |a: &str, b: &str| a.eq_ignore_ascii_case(b);
        let alike = |t: &&Arc<TableSchema>| {
            t.name != *name && same(&t.name.database, &name.database) && same(&t.name.table, &name.table)
        };
        if let Some(other) = self.catalog.tables.values().find(alike).map(|t| t.name.clone()) {
            self.uncertain(&other, &format!("there is no table {name}, and the two may be one"));
        }
    }

    /// Whether a statement that names this table means a temporary one of its session.
    pub(super) fn is_temporary(&mut self, name: &TableName) -> bool {
        if self.session.temporary.contains(name) {
            return true;
        }
        if self.session.of_session && self.known(name).is_some() {
            self.uncertain(name, "it may mean a temporary table of the same name");
            return true;
        }
        false
    }

    /// What is left of the steps of a statement that ended with an error: it may have done a part of them.
    pub(super) fn in_part(self, before: &Catalog) -> Vec<SchemaChange> {
        let statement = shortened(self.statement.trim()).into_owned();
        let doubt = |id: TableId, name: &TableName| SchemaChange::Uncertain {
            id,
            name: name.clone(),
            why: format!(
                "'{statement}' ended with error {} at the source, so what it did to table {name} is not known",
                self.session.error
            ),
        };
        let mut out = Vec::new();
        for change in self.out {
            match &change {
                SchemaChange::Table { schema } => match before.tables.get(&schema.id) {
                    Some(old) => out.push(doubt(old.id, &old.name)),
                    None => {
                        let doubt = doubt(schema.id, &schema.name);
                        out.extend([change, doubt]);
                    }
                },
                SchemaChange::TableDropped { id } => {
                    out.extend(before.tables.get(id).map(|old| doubt(old.id, &old.name)))
                }
                SchemaChange::DatabaseDropped { name } => {
                    let of = before.tables.values().filter(|t| t.name.database == *name);
                    out.extend(of.map(|old| doubt(old.id, &old.name)));
                }
                SchemaChange::Refused { name, .. } | SchemaChange::RefusedDropped { name } => {
                    if !before.refused.contains_key(name) {
                        out.push(change);
                    }
                }
                // each view, trigger, routine, event and account counts for itself
                _ => out.push(change),
            }
        }
        out
    }

    /// A statement of which nothing is known: every table of the databases that it may concern.
    pub(super) fn unreadable(&mut self, why: &str) {
        let (tables, databases) = self.mentioned();
        let in_them = |t: &TableName| databases.contains(&t.database) || tables.contains(t);
        let concerned: Vec<TableName> = self.catalog.tables.values().map(|t| t.name.clone()).filter(in_them).collect();
        concerned.iter().for_each(|name| self.uncertain(name, why));
    }
}

/// Steps after which there is a table of which only the name is known.
pub fn unseen(catalog: &Catalog, name: &TableName, why: &str) -> [SchemaChange; 2] {
    let id = TableId(catalog.next_table);
    let schema = TableSchema {
        id,
        name: name.clone(),
        columns: Vec::new(),
        primary_key: Vec::new(),
        create: String::new(),
        next_column: 0,
        foreign_keys: Vec::new(),
        kind: Default::default(),
    };
    let why = format!("the definition of table {name} is not known: {why}");
    [SchemaChange::Table { schema: Arc::new(schema) }, SchemaChange::Uncertain { id, name: name.clone(), why }]
}
