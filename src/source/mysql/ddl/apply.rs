//! A logged statement, as steps of the catalog.

use super::alter::{add_key, alter, create_index};
use super::create::{Create, read_create};
use super::lex::{Cutting, Lexer, Parser, Read, TokenKind, Unread, name_of, shortened};
use super::objects;
use super::table::{KeyKind, TableDef, same_name};
use super::types::{charset_name, charset_of, default_collation, plain_name};
use crate::model::{Catalog, ObjectKey, SchemaChange, TableId, TableName, TableSchema};
use crate::source::Filter;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The session in which a statement ran, as far as its meaning depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The default database; may be empty.
    pub database: String,
    /// sql_mode, as bits.
    pub sql_mode: u64,
    /// The server's default collation: that of a database made without one.
    pub collation: String,
}

impl Session {
    pub fn new(database: impl Into<String>) -> Self {
        Self { database: database.into(), sql_mode: 0, collation: "utf8mb4_general_ci".into() }
    }

    fn cutting(&self) -> Cutting {
        // Source: MODE_ANSI_QUOTES and MODE_NO_BACKSLASH_ESCAPES in MariaDB's sql_class.h
        Cutting { ansi_quotes: self.sql_mode & 4 != 0, no_backslash_escapes: self.sql_mode & (1 << 20) != 0 }
    }
}

/// What a logged statement does to the catalog, in order; nothing, if it concerns no table, database or object.
/// Never fails: what it may have done and cannot be followed makes the tables that it may concern uncertain.
pub fn apply(catalog: &Catalog, filter: &Filter, session: &Session, statement: &str) -> Vec<SchemaChange> {
    let mut steps = Steps { catalog: catalog.clone(), filter, session, statement, out: Vec::new() };
    match Parser::new(statement, session.cutting()).and_then(|mut p| steps.statement(&mut p)) {
        Ok(()) => {}
        Err(e) => steps.unreadable(&e.0),
    }
    steps.out
}

/// The charset and collation of a database, from its CREATE DATABASE statement.
pub fn database_defaults(create: &str) -> (String, String) {
    let collation = Parser::new(create, Cutting::default()).ok().and_then(|mut p| {
        let mut collation = None;
        while !p.done() {
            if p.takes(&["COLLATE"]) {
                p.takes_sign('=');
                collation = Some(plain_name(&charset_name(&mut p).ok()?));
            } else if p.takes(&["CHARACTER", "SET"]) || p.takes(&["CHARSET"]) {
                p.takes_sign('=');
                let charset = plain_name(&charset_name(&mut p).ok()?);
                collation = Some(default_collation(&charset));
            } else {
                p.skip();
            }
        }
        collation
    });
    let collation = collation.unwrap_or_else(|| "utf8mb4_general_ci".into());
    (charset_of(&collation).to_string(), collation)
}

pub(super) struct Steps<'a> {
    /// As it is after the steps so far.
    pub catalog: Catalog,
    pub filter: &'a Filter,
    pub session: &'a Session,
    pub statement: &'a str,
    pub out: Vec<SchemaChange>,
}

/// Words with which statements begin that change neither rows nor what is kept.
const HARMLESS: [&str; 27] = [
    "ANALYZE",
    "OPTIMIZE",
    "REPAIR",
    "CHECK",
    "CHECKSUM",
    "FLUSH",
    "RESET",
    "SAVEPOINT",
    "RELEASE",
    "ROLLBACK",
    "SET",
    "INSTALL",
    "UNINSTALL",
    "KILL",
    "LOCK",
    "UNLOCK",
    "BEGIN",
    "COMMIT",
    "START",
    "STOP",
    "CHANGE",
    "PURGE",
    "USE",
    "SHOW",
    "BACKUP",
    "CACHE",
    "SHUTDOWN",
];

impl Steps<'_> {
    pub fn push(&mut self, change: SchemaChange) {
        self.catalog.apply(&change);
        self.out.push(change);
    }

    fn statement(&mut self, p: &mut Parser<'_>) -> Read<()> {
        let Some(first) = p.peek().map(|t| t.text.to_ascii_uppercase()) else { return Ok(()) };
        match first.as_str() {
            "CREATE" => self.create(p),
            "ALTER" => self.alter(p),
            "DROP" => self.drop(p),
            "RENAME" => self.rename_statement(p),
            "TRUNCATE" => {
                p.skip();
                p.takes(&["TABLE"]);
                let name = self.table_name(p)?;
                self.truncate(&name);
                Ok(())
            }
            "GRANT" | "REVOKE" => objects::grant(self, p),
            "SET" if p.takes(&["SET", "PASSWORD", "FOR"]) => objects::password(self, p),
            w if HARMLESS.contains(&w) => Ok(()),
            "INSERT" | "REPLACE" | "UPDATE" | "DELETE" | "LOAD" | "DO" | "SELECT" | "CALL" | "WITH" | "EXECUTE" => {
                self.statement_format();
                Ok(())
            }
            _ => Err(Unread::new("it begins with a word that pcloud does not know")),
        }
    }

    fn create(&mut self, p: &mut Parser<'_>) -> Read<()> {
        let start = p.mark();
        p.skip();
        objects::head(p)?;
        let word = p.peek().map(|t| t.text.to_ascii_uppercase()).unwrap_or_default();
        match word.as_str() {
            "DATABASE" | "SCHEMA" => {
                let replace = p.text(start, p.mark()).to_uppercase().contains("REPLACE");
                p.skip();
                self.create_database(p, replace)
            }
            "TABLE" => {
                p.back_to(start);
                self.create_table(p)
            }
            "INDEX" => {
                let head = p.text(start, p.mark()).to_uppercase();
                p.skip();
                let kind = ["UNIQUE", "FULLTEXT", "SPATIAL"].iter().position(|w| head.contains(w));
                let kinds = [KeyKind::Unique, KeyKind::Fulltext, KeyKind::Spatial];
                let kind = kind.and_then(|i| kinds.get(i).copied()).unwrap_or(KeyKind::Index);
                let replace = head.contains("REPLACE");
                let ((database, table), key, skip) = create_index(p, kind)?;
                let name = self.qualify(database, table);
                self.change_def(&name, |def| {
                    if def.keys.iter().any(|k| same_name(&k.name, &key.name)) {
                        if skip {
                            return Ok(());
                        }
                        if replace {
                            def.keys.retain(|k| !same_name(&k.name, &key.name));
                        }
                    }
                    add_key(def, key.clone(), &name.table)
                });
                Ok(())
            }
            "SEQUENCE" => {
                p.skip();
                p.takes(&["IF", "NOT", "EXISTS"]);
                let name = self.table_name(p)?;
                self.refuse(&name, "it is a sequence");
                Ok(())
            }
            _ => objects::create(self, p, &word),
        }
    }

    fn alter(&mut self, p: &mut Parser<'_>) -> Read<()> {
        p.skip();
        p.takes(&["ONLINE"]);
        let ignore = p.takes(&["IGNORE"]);
        objects::head(p)?;
        let word = p.peek().map(|t| t.text.to_ascii_uppercase()).unwrap_or_default();
        p.skip();
        match word.as_str() {
            "DATABASE" | "SCHEMA" => self.alter_database(p),
            "TABLE" | "TABLES" => self.alter_table(p, ignore),
            "SEQUENCE" | "SERVER" | "TABLESPACE" | "LOGFILE" | "INSTANCE" | "PACKAGE" | "ROLE" => Ok(()),
            _ => objects::alter(self, p, &word),
        }
    }

    fn drop(&mut self, p: &mut Parser<'_>) -> Read<()> {
        p.skip();
        if p.takes(&["TEMPORARY"]) {
            return Ok(());
        }
        p.takes(&["ONLINE"]);
        let word = p.peek().map(|t| t.text.to_ascii_uppercase()).unwrap_or_default();
        p.skip();
        match word.as_str() {
            "DATABASE" | "SCHEMA" => {
                p.takes(&["IF", "EXISTS"]);
                let name = p.name()?;
                if self.catalog.databases.contains_key(&name) {
                    self.push(SchemaChange::DatabaseDropped { name });
                }
                Ok(())
            }
            "TABLE" | "TABLES" | "SEQUENCE" => {
                p.takes(&["IF", "EXISTS"]);
                loop {
                    let name = self.table_name(p)?;
                    self.drop_table(&name);
                    if !p.takes_sign(',') {
                        return Ok(());
                    }
                }
            }
            "INDEX" => {
                let skip = p.takes(&["IF", "EXISTS"]);
                let key = p.name()?;
                p.words(&["ON"])?;
                let name = self.table_name(p)?;
                if same_name(&key, "PRIMARY") {
                    self.uncertain(&name, "it drops the primary key");
                    return Ok(());
                }
                self.change_def(&name, |def| {
                    let before = def.keys.len();
                    def.keys.retain(|k| !same_name(&k.name, &key));
                    let known = before != def.keys.len() || skip;
                    if known { Ok(()) } else { Err(Unread::new(format!("key {key} is not known"))) }
                });
                Ok(())
            }
            _ => objects::drop(self, p, &word),
        }
    }

    fn rename_statement(&mut self, p: &mut Parser<'_>) -> Read<()> {
        p.skip();
        if !p.takes_any(&["TABLE", "TABLES"]) {
            return objects::rename_user(self, p);
        }
        p.takes(&["IF", "EXISTS"]);
        loop {
            let from = self.table_name(p)?;
            if p.takes(&["WAIT"]) {
                p.number()?;
            }
            p.takes(&["NOWAIT"]);
            p.words(&["TO"])?;
            let to = self.table_name(p)?;
            self.rename(&from, &to);
            if !p.takes_sign(',') {
                return Ok(());
            }
        }
    }

    // databases

    fn create_database(&mut self, p: &mut Parser<'_>, replace: bool) -> Read<()> {
        p.takes(&["IF", "NOT", "EXISTS"]);
        let name = p.name()?;
        if !self.filter.database(&name) {
            return Ok(());
        }
        if self.catalog.databases.contains_key(&name) {
            if !replace {
                return Ok(());
            }
            self.push(SchemaChange::DatabaseDropped { name: name.clone() });
        }
        let create = database_text(&name, &p.rest(), &self.session.collation);
        self.push(SchemaChange::Database { name, create });
        Ok(())
    }

    fn alter_database(&mut self, p: &mut Parser<'_>) -> Read<()> {
        let words = ["CHARACTER", "CHARSET", "COLLATE", "DEFAULT", "COMMENT", "UPGRADE"];
        let named = !words.iter().any(|w| p.sees(&[w]));
        let name = if named { p.name()? } else { self.session.database.clone() };
        if let Some(old) = self.catalog.databases.get(&name) {
            let create = database_text(&name, &p.rest(), &database_defaults(old).1);
            self.push(SchemaChange::Database { name, create });
        }
        Ok(())
    }

    // tables

    fn create_table(&mut self, p: &mut Parser<'_>) -> Read<()> {
        let text = p.rest();
        let mut head = Parser::new(&text, self.session.cutting())?;
        let Some(name) = created_name(&mut head)? else { return Ok(()) };
        let name = self.qualify(name.0, name.1);
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
                self.refuse(&name, &format!("its CREATE TABLE statement cannot be read: {}", e.0));
                return Ok(());
            }
        };
        if create.if_not_exists && (self.catalog.table(&name).is_some() || self.catalog.refused.contains_key(&name)) {
            return Ok(());
        }
        if create.or_replace {
            self.drop_table(&name);
        }
        self.made(&name, create);
        Ok(())
    }

    fn made(&mut self, name: &TableName, create: Create) {
        let (mut def, mut doubt) = (create.def, None);
        if let Some((database, table)) = create.like {
            let source = self.qualify(database, table);
            let Some(schema) = self.known(&source) else {
                self.refuse(name, &format!("it was made like {source}, which is not known"));
                return;
            };
            doubt = self.catalog.uncertain.get(&schema.id).cloned();
            match TableDef::of(&schema) {
                Ok(of) => def = of,
                Err(e) => {
                    self.refuse(name, &e.0);
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
            self.refuse(name, "its CREATE TABLE statement does not name its columns");
            return;
        }
        let id = TableId(self.catalog.next_table);
        self.table_is(name, id, &def, None);
        if let (Some(why), true) = (doubt, self.catalog.tables.contains_key(&id)) {
            self.push(SchemaChange::Uncertain { id, name: name.clone(), why });
        }
    }

    /// The table has this definition now; or is refused because of it.
    fn table_is(&mut self, name: &TableName, id: TableId, def: &TableDef, old: Option<&TableSchema>) {
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

    fn alter_table(&mut self, p: &mut Parser<'_>, ignore: bool) -> Read<()> {
        p.takes(&["IF", "EXISTS"]);
        let name = self.table_name(p)?;
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
                self.rename(&name, &to);
            } else {
                self.unknown_table(&name);
            }
            return Ok(());
        };
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
        let altered = alter(p, def, &name.table, ignore);
        if before {
            self.uncertain(&name, "the table was uncertain already, and was altered");
        } else if let Some(why) = &altered.uncertain {
            self.uncertain(&name, why);
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

    /// Follows a change that concerns keys only.
    fn change_def(&mut self, name: &TableName, change: impl FnOnce(&mut TableDef) -> Read<()>) {
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
            Ok(def) => self.table_is(&schema.name, schema.id, &def, Some(&schema)),
            Err(e) => self.uncertain(name, &e.0),
        }
    }

    pub fn drop_table(&mut self, name: &TableName) {
        if let Some(schema) = self.known(name) {
            self.drop_triggers(&schema.name);
            self.push(SchemaChange::TableDropped { id: schema.id });
        } else if self.catalog.refused.contains_key(name) {
            self.drop_triggers(name);
            self.push(SchemaChange::RefusedDropped { name: name.clone() });
        }
    }

    fn drop_triggers(&mut self, table: &TableName) {
        let of = |k: &ObjectKey, t: &Option<String>| k.database == table.database && t.as_ref() == Some(&table.table);
        let keys: Vec<_> =
            self.catalog.objects.iter().filter(|(k, o)| of(k, &o.table)).map(|(k, _)| k.clone()).collect();
        keys.into_iter().for_each(|key| self.push(SchemaChange::ObjectDropped { key }));
    }

    fn truncate(&mut self, name: &TableName) {
        if !self.filter.table(name) {
            return;
        }
        let Some(schema) = self.known(name) else { return self.unknown_table(name) };
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

    fn rename(&mut self, from: &TableName, to: &TableName) {
        let Some(schema) = self.known(from) else {
            if self.catalog.refused.contains_key(from) {
                let why = self.catalog.refused.get(from).cloned().unwrap_or_default();
                self.push(SchemaChange::RefusedDropped { name: from.clone() });
                if self.filter.table(to) {
                    self.push(SchemaChange::Refused { name: to.clone(), why });
                }
            } else if !objects::rename_view(self, from, to) && self.filter.table(to) {
                self.refuse(to, &format!("it was {from} before, which was not protected: its rows are not known"));
            }
            return;
        };
        if !self.filter.table(to) {
            return self.drop_table(from);
        }
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
    fn renamed_parent(&mut self, from: &TableName, to: &TableName) {
        self.children(from, |database, parent| {
            *parent = ((to.database != *database).then(|| to.database.clone()), to.table.clone());
            Vec::new()
        });
    }

    /// Other tables' foreign keys follow renamed columns.
    fn renamed_columns(&mut self, table: &TableName, columns: &[(String, String)]) {
        if !columns.is_empty() {
            self.children(table, |_, _| columns.to_vec());
        }
    }

    /// Changes the foreign keys that refer to this table: `change` gets the child's database and the reference, and
    /// returns renamed columns.
    fn children(
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

    // doubts

    /// The table exists and is not carried.
    pub fn refuse(&mut self, name: &TableName, why: &str) {
        if !self.filter.table(name) {
            return;
        }
        if let Some(schema) = self.known(name) {
            self.push(SchemaChange::TableDropped { id: schema.id });
        }
        self.push(SchemaChange::Refused { name: name.clone(), why: format!("table {name} is not carried: {why}") });
    }

    /// `why` fits behind "because".
    pub fn uncertain(&mut self, name: &TableName, why: &str) {
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
    fn unknown_table(&mut self, name: &TableName) {
        if !self.catalog.refused.contains_key(name) && !objects::is_view(self, name) {
            let why = format!("'{}' changed it before pcloud knew it", shortened(self.statement.trim()));
            self.refuse(name, &why);
        }
    }

    /// A change that was logged as its statement: rows changed, and the log does not say which.
    fn statement_format(&mut self) {
        let why = "the log has it as a statement (binlog_format is not ROW), so the rows that it changed are not known";
        let (tables, databases) = self.mentioned();
        let active = self.catalog.objects.keys().any(|k| {
            matches!(
                k.kind,
                crate::model::ObjectKind::Trigger
                    | crate::model::ObjectKind::Function
                    | crate::model::ObjectKind::Procedure
            )
        });
        let concerned = if tables.is_empty() || active { self.tables_of(&databases, &tables) } else { tables };
        concerned.iter().for_each(|name| self.uncertain(name, why));
    }

    /// A statement of which nothing is known: every table of the databases that it may concern.
    fn unreadable(&mut self, why: &str) {
        let (tables, databases) = self.mentioned();
        let concerned = self.tables_of(&databases, &tables);
        concerned.iter().for_each(|name| self.uncertain(name, why));
    }

    fn tables_of(&self, databases: &[String], tables: &[TableName]) -> Vec<TableName> {
        let in_them = |t: &TableName| databases.contains(&t.database) || tables.contains(t);
        self.catalog.tables.values().map(|t| t.name.clone()).filter(in_them).collect()
    }

    /// Tables and databases whose names stand in the statement, and the default database. If it cannot even be cut
    /// into words, all.
    fn mentioned(&self) -> (Vec<TableName>, Vec<String>) {
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

    // names

    pub fn qualify(&self, database: Option<String>, table: String) -> TableName {
        TableName::new(database.unwrap_or_else(|| self.session.database.clone()), table)
    }

    pub fn table_name(&self, p: &mut Parser<'_>) -> Read<TableName> {
        let (database, table) = p.qualified()?;
        Ok(self.qualify(database, table))
    }

    /// The table of this name; where there is none, the one that differs only in case.
    fn known(&self, name: &TableName) -> Option<Arc<TableSchema>> {
        let alike = |t: &&Arc<TableSchema>| {
            t.name.database.eq_ignore_ascii_case(&name.database) && t.name.table.eq_ignore_ascii_case(&name.table)
        };
        self.catalog.table(name).or_else(|| self.catalog.tables.values().find(alike)).cloned()
    }
}

/// The name that CREATE TABLE makes; `None`: a temporary table.
fn created_name(p: &mut Parser<'_>) -> Read<Option<(Option<String>, String)>> {
    p.words(&["CREATE"])?;
    p.takes(&["OR", "REPLACE"]);
    if p.takes(&["TEMPORARY"]) {
        return Ok(None);
    }
    p.words(&["TABLE"])?;
    p.takes(&["IF", "NOT", "EXISTS"]);
    p.qualified().map(Some)
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

/// As SHOW CREATE DATABASE prints it. `options`: as typed; `collation`: what holds where they say nothing.
fn database_text(name: &str, options: &str, collation: &str) -> String {
    let typed = options.to_ascii_uppercase();
    let named = typed.contains("COLLATE") || typed.contains("CHARACTER SET") || typed.contains("CHARSET");
    let collation = if named { database_defaults(options).1 } else { collation.to_string() };
    let mut text = format!(
        "CREATE DATABASE {} /*!40100 DEFAULT CHARACTER SET {} COLLATE {collation} */",
        super::quote(name),
        charset_of(&collation)
    );
    if let Ok(mut p) = Parser::new(options, Cutting::default()) {
        while !p.done() {
            if p.takes(&["COMMENT"]) {
                p.takes_sign('=');
                if let Ok(comment) = p.string() {
                    text += &format!(" COMMENT {}", super::lex::quote_text(&comment));
                }
            } else {
                p.skip();
            }
        }
    }
    text
}
