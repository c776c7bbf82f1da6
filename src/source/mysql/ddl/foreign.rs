//! Foreign keys: what a definition says, and which tables cannot be carried because of theirs.
//!
//! What a foreign key's action changes is not in the log, and is derived from the parent's changes. So a table with
//! such a key is carried only while its parent is.

use super::apply::Steps;
use super::lex::{Read, Unread};
use super::table::{ForeignDef, TableDef, same_name};
use crate::model::{Catalog, Column, ForeignKey, NotCarried, Reaction, SchemaChange, TableName, referable};
use crate::source::Filter;

impl ForeignDef {
    fn reaction(&self, on: &str) -> Reaction {
        let after = self.actions.split_once(on).map_or("", |(_, rest)| rest.trim_start());
        match after {
            a if a.starts_with("CASCADE") => Reaction::Cascade,
            a if a.starts_with("SET NULL") => Reaction::SetNull,
            _ => Reaction::Nothing,
        }
    }

    /// As the schema of table `child` keeps it. Errors: a column that the table does not have.
    pub fn foreign_key(&self, child: &TableName, columns: &[Column]) -> Read<ForeignKey> {
        let find = |name: &String| {
            let found = columns.iter().find(|c| same_name(&c.name, name)).map(|c| c.id);
            found.ok_or_else(|| Unread::new(format!("column {name} of foreign key {} is missing", self.name)))
        };
        let database = self.parent.0.clone().unwrap_or_else(|| child.database.clone());
        Ok(ForeignKey {
            name: self.name.clone(),
            columns: self.columns.iter().map(find).collect::<Read<_>>()?,
            parent: TableName::new(database, self.parent.1.clone()),
            parent_columns: self.parent_columns.clone(),
            on_delete: self.reaction("ON DELETE"),
            on_update: self.reaction("ON UPDATE"),
        })
    }

    /// Whether the server changes rows of this table by itself.
    fn cascades(&self) -> bool {
        self.reaction("ON DELETE") != Reaction::Nothing || self.reaction("ON UPDATE") != Reaction::Nothing
    }
}

impl TableDef {
    /// Why what the server changes by a foreign key's action cannot be derived, if so.
    pub fn foreign_refusal(&self) -> Option<String> {
        self.foreign.iter().find_map(|f| {
            let why = if f.actions.contains("SET DEFAULT") {
                "what the server changes by that is not known".to_string()
            } else if !f.cascades() {
                return None;
            } else if self.primary().is_none() {
                "the table has no primary key, so the rows that the server changes by that cannot be told apart".into()
            } else {
                let column = |name: &String| self.position(name).map(|at| &self.columns[at]);
                let c = f.columns.iter().filter_map(column).find(|c| !referable(&c.kind, c.collation.as_deref()))?;
                let of = c.collation.as_ref().map(|c| format!(" of collation {c}")).unwrap_or_default();
                format!("it cannot be told which rows of column {} ({}{of}) refer to which others", c.name, c.kind)
            };
            Some(format!("foreign key {} has{}, and {why}", f.name, f.actions))
        })
    }
}

/// Tables that have a foreign key with an action and whose parent is left out or not carried, and why.
fn orphans(catalog: &Catalog, filter: &Filter) -> Vec<(TableName, String)> {
    let mut found = Vec::new();
    for table in catalog.tables.values() {
        let broken = table.foreign_keys.iter().filter(|f| f.cascades()).find(|f| {
            let refused = |name: &TableName| {
                name.database.eq_ignore_ascii_case(&f.parent.database)
                    && name.table.eq_ignore_ascii_case(&f.parent.table)
            };
            catalog.parent(f).is_none() && (!filter.table(&f.parent) || catalog.refused.keys().any(refused))
        });
        if let Some(f) = broken {
            let why = format!(
                "the server changes its rows by foreign key {} and does not log that, and table {}, to which they refer, \
                 is not carried",
                f.name, f.parent
            );
            found.push((table.name.clone(), why));
        }
    }
    found
}

impl Steps<'_> {
    /// Refuses tables whose rows change with those of tables that are not carried.
    pub(super) fn settle_foreign_keys(&mut self) {
        loop {
            let orphans = orphans(&self.catalog, self.filter);
            if orphans.is_empty() {
                return;
            }
            orphans.iter().for_each(|(name, why)| self.refuse(name, why));
        }
    }
}

/// The same for a catalog that was read at once.
pub fn settle_foreign_keys(catalog: &mut Catalog, filter: &Filter) {
    loop {
        let orphans = orphans(catalog, filter);
        if orphans.is_empty() {
            return;
        }
        for (name, why) in orphans {
            let why = NotCarried::table(format!("table {name} is not carried: {why}"));
            if let Some(id) = catalog.table(&name).map(|t| t.id) {
                catalog.apply(&SchemaChange::TableDropped { id });
            }
            catalog.apply(&SchemaChange::Refused { name, why });
        }
    }
}
