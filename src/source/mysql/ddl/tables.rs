//! What statements do to tables: made, altered, renamed, dropped, truncated.

use super::alter::{Altered, alter};
use super::apply::Steps;
use super::apply::database_defaults;
use super::create::{Create, read_create};
use super::lex::{Parser, Read, shortened};
use super::objects;
use super::table::{ForeignDef, KeyDef, KeyKind, TableDef, same_name};
use crate::model::{ObjectKey, SchemaChange, TableId, TableName, TableSchema};
use std::sync::Arc;

impl Steps<'_> {
    pub(super) fn create_table(&mut self, p: &mut Parser<'_>) -> Read<()> {
        let text = p.rest();
        let mut head = Parser::new(&text, self.session.cutting())?;
        let (temporary, name) = created_name(&mut head)?;
        let name = self.qualify(name.0, name.1);
        if temporary {
            self.session.temporary.insert(name);
            return Ok(());
        }
        if !self.filter.table(&name) {
            return Ok(());
        }
        let collation = self
            .catalog
            .databases
            .get(&name.database)
            .map_or(self.session.collation.clone(), |c| database_defaults(c).1);
        let create = match read_create(&mut Parser::new(&text, self.session.cutting())?, &collation) {
            Ok(create) => create,
            Err(e) => {
                let created = Parser::new(&text, self.session.cutting())?.rest().to_uppercase();
                if !(created.contains("IF NOT EXISTS") && self.is_known(&name)) {
                    self.unseen(&name, &format!("its CREATE TABLE statement cannot be read: {}", e.0));
                }
                return Ok(());
            }
        };
        if create.if_not_exists && self.is_known(&name) {
            return Ok(());
        }
        if self.session.other_types() && !create.def.columns.is_empty() {
            self.unseen(&name, "its types are those of another sql_mode");
            return Ok(());
        }
        // replaced; or dropped by a statement that was not logged
        self.gone(&name);
        self.made(&name, create);
        Ok(())
    }

    pub(super) fn made(&mut self, name: &TableName, create: Create) {
        let (mut def, mut doubt) = (create.def, None);
        if let Some((database, table)) = create.like {
            let source = self.qualify(database, table);
            let known = self.known(&source).filter(|_| !self.session.temporary.contains(&source));
            let Some(schema) = known else {
                self.unseen(name, &format!("it was made like {source}, which is not known"));
                return;
            };
            doubt = self.catalog.uncertain.get(&schema.id).cloned();
            match TableDef::of(&schema) {
                Ok(of) => def = of,
                Err(e) => {
                    self.unseen(name, &format!("it was made like {source}, and {}", e.0));
                    return;
                }
            }
            def.foreign.clear();
            def.options.retain(|(n, _)| !matches!(n.as_str(), "AUTO_INCREMENT" | "DATA DIRECTORY" | "INDEX DIRECTORY"));
            for c in &mut def.columns {
                (c.id, c.missing) = (None, None);
            }
        }
        if create.select {
            doubt = Some(format!("the rows that '{}' put into {name} are not in the log", shortened(self.statement)));
        }
        if def.columns.is_empty() {
            self.unseen(name, "its CREATE TABLE statement does not name its columns");
            return;
        }
        let id = TableId(self.catalog.next_table);
        self.table_is(name, id, &def, None);
        if let (Some(why), true) = (doubt, self.catalog.tables.contains_key(&id)) {
            self.push(SchemaChange::Uncertain { id, name: name.clone(), why });
        }
    }

    /// The table has this definition now; or is refused because of it.
    pub(super) fn table_is(&mut self, name: &TableName, id: TableId, def: &TableDef, old: Option<&TableSchema>) {
        if let Some((column, why)) = def.refusal() {
            let why = match column {
                Some(c) => format!("column {c}: {why}"),
                None => why,
            };
            self.refuse(name, &why);
            return;
        }
        match def.schema(name.clone(), id, old) {
            Ok(schema) => self.push(SchemaChange::Table { schema: Arc::new(schema) }),
            Err(e) => self.refuse(name, &e.0),
        }
    }

    pub(super) fn alter_table(&mut self, p: &mut Parser<'_>, ignore: bool) -> Read<()> {
        let skip = p.takes(&["IF", "EXISTS"]);
        let name = self.table_name(p)?;
        if self.session.temporary.contains(&name) {
            if let Some(to) = renamed_to(p) {
                let to = self.qualify(to.0, to.1);
                self.session.temporary.remove(&name);
                self.session.temporary.insert(to);
            }
            return Ok(());
        }
        if !self.filter.table(&name) {
            // it may be moved to a database that is kept
            if let Some(to) = renamed_to(p) {
                let to = self.qualify(to.0, to.1);
                self.rename(&name, &to);
            }
            return Ok(());
        }
        let Some(schema) = self.known(&name) else {
            if let Some(to) = renamed_to(p) {
                let to = self.qualify(to.0, to.1);
                if !skip || self.is_known(&name) {
                    self.rename(&name, &to);
                }
            } else if let Some(why) = self.catalog.refused.get(&name).cloned() {
                // it may be carried now
                self.unseen(&name, &format!("it was altered; before that, {why}"));
            } else if !skip {
                self.unknown_table(&name);
            }
            return Ok(());
        };
        if self.is_temporary(&name) {
            return Ok(());
        }
        let def = match TableDef::of(&schema) {
            Ok(def) => def,
            Err(e) => {
                self.uncertain(&name, &e.0);
                return Ok(());
            }
        };
        if p.takes(&["WAIT"]) {
            p.number()?;
        }
        p.takes(&["NOWAIT"]);
        let before = self.catalog.uncertain.contains_key(&schema.id);
        let mut altered = alter(p, def, &name.table, ignore);
        if self.session.other_types() {
            altered.uncertain.get_or_insert_with(|| "its types are those of another sql_mode".into());
        }
        self.other_tables(&schema, &altered);
        if before {
            self.uncertain(&name, "the table was uncertain already, and was altered");
        } else if let Some(why) = &altered.uncertain {
            self.uncertain(&name, why);
        } else if let Some(why) = replaced_key(&schema, &altered.def) {
            self.uncertain(&name, &why);
        } else if altered.def != TableDef::of(&schema).unwrap_or_default() {
            self.table_is(&schema.name, schema.id, &altered.def, Some(&schema));
            self.renamed_columns(&schema.name, &altered.columns);
        }
        if let Some((database, table)) = altered.rename {
            let to = self.qualify(database.or_else(|| Some(name.database.clone())), table);
            self.rename(&schema.name, &to);
        }
        Ok(())
    }

    /// What ALTER TABLE does to tables beside its own: rows move between partitions and tables without row events.
    fn other_tables(&mut self, schema: &TableSchema, altered: &Altered) {
        let of = |(database, table): &(Option<String>, String)| {
            TableName::new(database.as_ref().unwrap_or(&self.session.database), table)
        };
        let moved = &altered.moved;
        let (exchanged, merged, split) =
            (moved.exchanged.as_ref().map(of), moved.merged.as_ref().map(of), moved.split.as_ref().map(of));
        if let Some(name) = exchanged {
            self.uncertain(&name, &format!("its rows and those of a partition of {} change places", schema.name));
        }
        if let Some(name) = merged {
            self.drop_table(&name);
        }
        if let Some(name) = split {
            self.unseen(&name, &format!("it was a partition of table {}", schema.name));
        }
    }

    /// Follows a change that concerns keys only.
    pub(super) fn change_def(&mut self, name: &TableName, change: impl FnOnce(&mut TableDef) -> Read<()>) {
        if !self.filter.table(name) {
            return;
        }
        let Some(schema) = self.known(name) else { return self.unknown_table(name) };
        let changed = TableDef::of(&schema).and_then(|mut def| {
            change(&mut def)?;
            def.sort_keys();
            Ok(def)
        });
        match changed {
            Ok(def) if let Some(why) = replaced_key(&schema, &def) => self.uncertain(name, &why),
            Ok(def) => self.table_is(&schema.name, schema.id, &def, Some(&schema)),
            Err(e) => self.uncertain(name, &e.0),
        }
    }

    pub(super) fn drop_table(&mut self, name: &TableName) {
        if !self.gone(name) {
            self.alike(name);
        }
    }

    /// Nothing has this name any more. Whether something had it.
    pub(super) fn gone(&mut self, name: &TableName) -> bool {
        if let Some(schema) = self.known(name) {
            self.drop_triggers(&schema.name);
            self.push(SchemaChange::TableDropped { id: schema.id });
        } else if self.catalog.refused.contains_key(name) {
            self.drop_triggers(name);
            self.push(SchemaChange::RefusedDropped { name: name.clone() });
        } else {
            return false;
        }
        true
    }

    pub(super) fn drop_triggers(&mut self, table: &TableName) {
        let of = |k: &ObjectKey, t: &Option<String>| k.database == table.database && t.as_ref() == Some(&table.table);
        let keys: Vec<_> =
            self.catalog.objects.iter().filter(|(k, o)| of(k, &o.table)).map(|(k, _)| k.clone()).collect();
        keys.into_iter().for_each(|key| self.push(SchemaChange::ObjectDropped { key }));
    }

    pub(super) fn truncate(&mut self, name: &TableName) {
        if !self.filter.table(name) {
            return;
        }
        let Some(schema) = self.known(name) else {
            return self.unknown_table(name);
        };
        let doubt = self.catalog.uncertain.get(&schema.id).cloned();
        let id = TableId(self.catalog.next_table);
        let mut fresh = TableSchema { id, ..schema.as_ref().clone() };
        fresh.columns.iter_mut().for_each(|c| c.missing = None);
        if let Ok(mut def) = TableDef::of(&schema) {
            def.options.retain(|(n, _)| n != "AUTO_INCREMENT");
            fresh.create = def.text(&schema.name.table);
        }
        self.push(SchemaChange::TableDropped { id: schema.id });
        self.push(SchemaChange::Table { schema: Arc::new(fresh) });
        if let Some(why) = doubt {
            self.push(SchemaChange::Uncertain { id, name: schema.name.clone(), why });
        }
    }

    pub(super) fn rename(&mut self, from: &TableName, to: &TableName) {
        let Some(schema) = self.known(from) else {
            if self.catalog.refused.contains_key(from) {
                let why = self.catalog.refused.get(from).cloned();
                self.push(SchemaChange::RefusedDropped { name: from.clone() });
                if let Some(why) = why.filter(|_| self.filter.table(to)) {
                    self.push(SchemaChange::Refused { name: to.clone(), why });
                }
            } else if !objects::rename_view(self, from, to) {
                self.alike(from);
                self.unseen(to, &format!("it was {from} before, which was not protected"));
            }
            return;
        };
        if !self.filter.table(to) {
            return self.drop_table(from);
        }
        // what had this name before was dropped by a statement that was not logged
        self.gone(to);
        match TableDef::of(&schema) {
            Ok(mut def) => {
                let prefix = format!("{}_ibfk_", schema.name.table);
                for f in &mut def.foreign {
                    if let Some(number) = f.name.strip_prefix(&prefix) {
                        f.name = format!("{}_ibfk_{number}", to.table);
                    }
                    if from.database != to.database && f.parent.0.is_none() {
                        f.parent.0 = Some(from.database.clone());
                    }
                }
                match def.schema(to.clone(), schema.id, Some(&schema)) {
                    Ok(schema) => self.push(SchemaChange::Table { schema: Arc::new(schema) }),
                    Err(e) => self.refuse(to, &e.0),
                }
            }
            Err(e) => {
                let moved = TableSchema { name: to.clone(), ..schema.as_ref().clone() };
                self.push(SchemaChange::Table { schema: Arc::new(moved) });
                self.uncertain(to, &e.0);
            }
        }
        self.renamed_parent(&schema.name, to);
        objects::move_triggers(self, &schema.name, to);
    }

    /// Other tables' foreign keys follow a renamed table.
    pub(super) fn renamed_parent(&mut self, from: &TableName, to: &TableName) {
        self.children(from, |database, parent| {
            *parent = ((to.database != *database).then(|| to.database.clone()), to.table.clone());
            Vec::new()
        });
    }

    /// Other tables' foreign keys follow renamed columns.
    pub(super) fn renamed_columns(&mut self, table: &TableName, columns: &[(String, String)]) {
        if !columns.is_empty() {
            self.children(table, |_, _| columns.to_vec());
        }
    }

    /// Changes the foreign keys that refer to this table: `change` gets the child's database and the reference, and
    /// returns renamed columns.
    pub(super) fn children(
        &mut self,
        parent: &TableName,
        change: impl Fn(&str, &mut (Option<String>, String)) -> Vec<(String, String)>,
    ) {
        for child in self.catalog.tables.values().cloned().collect::<Vec<_>>() {
            // nearly all tables refer to nothing
            if !child.create.contains("REFERENCES") || child.name == *parent {
                continue;
            }
            let Ok(mut def) = TableDef::of(&child) else { continue };
            let before = def.clone();
            for f in &mut def.foreign {
                let database = f.parent.0.as_ref().unwrap_or(&child.name.database);
                if *database == parent.database && f.parent.1 == parent.table {
                    let renamed = change(&child.name.database, &mut f.parent);
                    for c in &mut f.parent_columns {
                        if let Some((_, new)) = renamed.iter().find(|(old, _)| same_name(old, c)) {
                            *c = new.clone();
                        }
                    }
                }
            }
            if def != before {
                self.table_is(&child.name, child.id, &def, Some(&child));
            }
        }
    }
}

/// Whether CREATE TABLE makes a temporary table, and the name.
fn created_name(p: &mut Parser<'_>) -> Read<(bool, (Option<String>, String))> {
    p.words(&["CREATE"])?;
    p.takes(&["OR", "REPLACE"]);
    let temporary = p.takes(&["TEMPORARY"]);
    p.words(&["TABLE"])?;
    p.takes(&["IF", "NOT", "EXISTS"]);
    Ok((temporary, p.qualified()?))
}

/// Where an ALTER TABLE of a table that is not known moves it.
fn renamed_to(p: &mut Parser<'_>) -> Option<(Option<String>, String)> {
    while !p.done() {
        let part = p.sees(&["RENAME", "COLUMN"]) || p.sees(&["RENAME", "INDEX"]) || p.sees(&["RENAME", "KEY"]);
        if !part && p.takes(&["RENAME"]) {
            if !p.takes_any(&["TO", "AS"]) {
                p.takes_sign('=');
            }
            return p.qualified().ok();
        }
        p.skip();
    }
    None
}

/// A key that a server makes for a foreign key goes when another can serve it; no text tells such keys from those that
/// somebody typed.
fn replaced_key(schema: &TableSchema, after: &TableDef) -> Option<String> {
    let before = TableDef::of(schema).ok()?;
    let new = |k: &&KeyDef| !before.keys.iter().any(|b| same_name(&b.name, &k.name));
    let columns = |k: &KeyDef| k.parts.iter().map(|p| p.column.to_lowercase()).collect::<Vec<_>>();
    let whole = |k: &KeyDef| k.parts.iter().all(|p| p.suffix.is_empty());
    let may_be_made = |k: &&KeyDef| {
        let for_key = |f: &ForeignDef| f.columns.iter().map(|c| c.to_lowercase()).eq(columns(k));
        k.kind == KeyKind::Index && k.options.is_empty() && whole(k) && after.foreign.iter().any(for_key)
    };
    let stays = after.keys.iter().filter(|k| !new(k)).filter(may_be_made);
    let serves = |k: &KeyDef, other: &KeyDef| {
        let ordered = matches!(other.kind, KeyKind::Primary | KeyKind::Unique | KeyKind::Index);
        ordered && whole(other) && columns(other).starts_with(&columns(k))
    };
    let mut gone = stays.filter(|k| after.keys.iter().filter(new).any(|other| serves(k, other)));
    gone.next()
        .map(|k| format!("its new key takes the place of key {}, if the server made that for a foreign key", k.name))
}
