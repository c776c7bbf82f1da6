//! A logged statement, as steps of the catalog.

use super::keys::{add_key, create_index};
use super::lex::{Collations, Cutting, Parser, Read, Unread};
use super::objects;
use super::sequence;
use super::table::{KeyKind, same_name};
use super::types::{charset_name, charset_of, default_collation, plain_name};
use crate::model::{Catalog, SchemaChange, TableName, TableSchema};
use crate::source::Filter;
use std::collections::BTreeSet;
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
    /// Of charsets that are named without one.
    pub collations: Collations,
    /// Charsets have collations by themselves that pcloud does not know.
    pub other_collations: bool,
    /// Whose it is, where the log says so: `` `user`@`host` ``.
    pub invoker: Option<String>,
    /// The error with which the statement ended; 0: it did all that it says.
    pub error: u16,
    /// Its temporary tables that are known; they hide tables of the same names.
    pub temporary: BTreeSet<TableName>,
    /// The server says that the statement means temporary tables of its session (LOG_EVENT_THREAD_SPECIFIC_F).
    pub of_session: bool,
    /// It is not known that the source tells names of tables apart by case.
    pub names_may_fold: bool,
    /// The server is a MySQL: it names constraints by rules of its own.
    pub of_mysql: bool,
}

impl Session {
    pub fn new(database: impl Into<String>) -> Self {
        Self {
            database: database.into(),
            sql_mode: 0,
            collation: "utf8mb4_general_ci".into(),
            collations: Collations::default(),
            other_collations: false,
            invoker: None,
            error: 0,
            temporary: BTreeSet::new(),
            of_session: false,
            names_may_fold: false,
            of_mysql: false,
        }
    }

    pub(super) fn cutting(&self) -> Cutting {
        // Source: MODE_ANSI_QUOTES and so on in MariaDB's sql_class.h
        Cutting {
            ansi_quotes: self.sql_mode & 4 != 0,
            no_backslash_escapes: self.sql_mode & (1 << 20) != 0,
            real_as_float: self.sql_mode & 1 != 0,
            collations: self.collations,
            of_mysql: self.of_mysql,
        }
    }

    /// Types have other names, and some names mean other types: DATE is DATETIME. (MODE_ORACLE, MODE_MAXDB)
    pub(super) fn other_types(&self) -> bool {
        self.other_collations || self.sql_mode & (1 << 9 | 1 << 12) != 0
    }
}

/// What a logged statement does to the catalog, in order; nothing, if it concerns no table, database or object.
/// The session's temporary tables are kept up. Never fails: what it may have done and cannot be followed makes the
/// tables that it may concern uncertain.
pub fn apply(catalog: &Catalog, filter: &Filter, session: &mut Session, statement: &str) -> Vec<SchemaChange> {
    let mut steps = Steps { catalog: catalog.clone(), filter, session, statement, out: Vec::new() };
    let cutting = steps.session.cutting();
    match Parser::new(statement, cutting).and_then(|mut p| steps.statement(&mut p)) {
        Ok(()) => {}
        Err(e) => steps.unreadable(&e.0),
    }
    if steps.session.error != 0 {
        return steps.in_part(catalog);
    }
    if !steps.out.is_empty() {
        steps.settle_foreign_keys();
    }
    steps.out
}

/// The charset and collation of a database, from its CREATE DATABASE statement.
pub fn database_defaults(create: &str) -> (String, String) {
    defaults_in(create, Cutting::default())
}

fn defaults_in(options: &str, cutting: Cutting) -> (String, String) {
    let collation = Parser::new(options, cutting).ok().and_then(|mut p| {
        let mut collation = None;
        while !p.done() {
            if p.takes(&["COLLATE"]) {
                p.takes_sign('=');
                collation = Some(plain_name(&charset_name(&mut p).ok()?));
            } else if p.takes(&["CHARACTER", "SET"]) || p.takes(&["CHARSET"]) {
                p.takes_sign('=');
                let charset = plain_name(&charset_name(&mut p).ok()?);
                collation = Some(p.collation_of(&charset).map_or_else(|| default_collation(&charset), String::from));
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
    pub session: &'a mut Session,
    pub statement: &'a str,
    pub out: Vec<SchemaChange>,
}

/// Words with which statements begin that change neither rows nor what is kept.
const HARMLESS: [&str; 25] = [
    "OPTIMIZE",
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
        if p.takes(&["SET", "STATEMENT"]) {
            // SET STATEMENT lock_wait_timeout = 5 FOR …: what follows is the statement
            while !p.takes(&["FOR"]) {
                p.skip().ok_or_else(|| p.unexpected("FOR"))?;
            }
            self.statement = p.rest_of(self.statement);
        }
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
                if !self.is_temporary(&name) {
                    self.truncate(&name);
                }
                Ok(())
            }
            "ANALYZE" | "REPAIR" => self.maintenance(p, &first),
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
                if self.is_temporary(&name) {
                    return Ok(());
                }
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
                let replace = p.text(start, p.mark()).to_uppercase().contains("REPLACE");
                p.skip();
                if p.text(start, p.mark()).to_uppercase().contains("TEMPORARY") {
                    p.rest();
                    return Ok(());
                }
                sequence::created(self, p, replace)
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
            "SEQUENCE" => sequence::altered(self, p),
            "SERVER" | "TABLESPACE" | "LOGFILE" | "INSTANCE" | "PACKAGE" | "ROLE" | "RESOURCE" | "LIBRARY" | "UNDO" => {
                Ok(())
            }
            _ => objects::alter(self, p, &word),
        }
    }

    fn drop(&mut self, p: &mut Parser<'_>) -> Read<()> {
        p.skip();
        let temporary = p.takes(&["TEMPORARY"]);
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
                    if !self.session.temporary.remove(&name) && !temporary {
                        self.drop_table(&name);
                    }
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
                if self.is_temporary(&name) {
                    return Ok(());
                }
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
        let skip = p.takes(&["IF", "EXISTS"]);
        loop {
            let from = self.table_name(p)?;
            if p.takes(&["WAIT"]) {
                p.number()?;
            }
            p.takes(&["NOWAIT"]);
            p.words(&["TO"])?;
            let to = self.table_name(p)?;
            if self.session.temporary.remove(&from) {
                self.session.temporary.insert(to);
            } else if !skip || !self.filter.table(&from) || self.is_known(&from) {
                self.rename(&from, &to);
            }
            if !p.takes_sign(',') {
                return Ok(());
            }
        }
    }

    /// ANALYZE TABLE and REPAIR TABLE; ANALYZE before a statement runs that statement.
    fn maintenance(&mut self, p: &mut Parser<'_>, word: &str) -> Read<()> {
        p.skip();
        p.takes_any(&["NO_WRITE_TO_BINLOG", "LOCAL"]);
        if !p.takes_any(&["TABLE", "TABLES", "VIEW"]) {
            self.statement_format();
            return Ok(());
        }
        while word == "REPAIR" && !p.done() {
            let name = self.table_name(p)?;
            if self.known(&name).is_some_and(|t| !t.create.contains("ENGINE=InnoDB")) {
                self.uncertain(&name, "rows that could not be repaired are gone");
            }
            if !p.takes_sign(',') {
                break;
            }
        }
        Ok(())
    }

    // databases

    fn create_database(&mut self, p: &mut Parser<'_>, replace: bool) -> Read<()> {
        let skip = p.takes(&["IF", "NOT", "EXISTS"]);
        let name = p.name()?;
        if !self.filter.database(&name) {
            return Ok(());
        }
        if self.catalog.databases.contains_key(&name) {
            if skip && !replace {
                return Ok(());
            }
            // replaced; or dropped by a statement that was not logged
            self.push(SchemaChange::DatabaseDropped { name: name.clone() });
        }
        let create = database_text(&name, &p.rest(), &self.session.collation, self.session.cutting());
        self.push(SchemaChange::Database { name, create });
        Ok(())
    }

    fn alter_database(&mut self, p: &mut Parser<'_>) -> Read<()> {
        let words = ["CHARACTER", "CHARSET", "COLLATE", "DEFAULT", "COMMENT", "UPGRADE"];
        let named = !words.iter().any(|w| p.sees(&[w]));
        let name = if named { p.name()? } else { self.session.database.clone() };
        if let Some(old) = self.catalog.databases.get(&name) {
            let create = database_text(&name, &p.rest(), &database_defaults(old).1, self.session.cutting());
            self.push(SchemaChange::Database { name, create });
        }
        Ok(())
    }

    // names

    pub fn qualify(&self, database: Option<String>, table: String) -> TableName {
        TableName::new(database.unwrap_or_else(|| self.session.database.clone()), table)
    }

    pub fn table_name(&self, p: &mut Parser<'_>) -> Read<TableName> {
        let (database, table) = p.qualified()?;
        Ok(self.qualify(database, table))
    }

    /// The table of exactly this name.
    pub fn known(&self, name: &TableName) -> Option<Arc<TableSchema>> {
        self.catalog.table(name).cloned()
    }

    /// Whether something of this name is known to be there.
    pub fn is_known(&self, name: &TableName) -> bool {
        self.known(name).is_some() || self.catalog.refused.contains_key(name) || objects::is_view(self, name)
    }
}

/// As SHOW CREATE DATABASE prints it. `options`: as typed; `collation`: what holds where they say nothing.
fn database_text(name: &str, options: &str, collation: &str, cutting: Cutting) -> String {
    let typed = options.to_ascii_uppercase();
    let named = typed.contains("COLLATE") || typed.contains("CHARACTER SET") || typed.contains("CHARSET");
    let collation = if named { defaults_in(options, cutting).1 } else { collation.to_string() };
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
