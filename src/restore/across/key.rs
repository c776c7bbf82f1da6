//! Keys and CHECK constraints in the target's words.

use super::column::{capital, matching};
use super::words::Edits;
use super::{Across, Item, OTHER_TABLES};
use crate::model::ColumnType;
use crate::restore::server::Family;

impl Across<'_> {
    /// Whether the item stays.
    pub(super) fn key(&mut self, item: &Item<'_>, edits: &mut Edits) -> bool {
        let s = item.s;
        let what = key_name(item);
        let top = item.top();
        if let Some(n) = top.iter().find(|n| s.is(**n, "WITH") && s.is(**n + 1, "PARSER")) {
            let why = format!("its parser {} belongs to the source's server", s.text(n + 2));
            self.refuse(&what, &why, OTHER_TABLES);
        }
        match self.to().family {
            Family::MySql => self.key_to_mysql(item, &what, edits),
            Family::MariaDb => {
                self.key_to_mariadb(item, &what, edits);
                true
            }
        }
    }

    fn key_to_mysql(&mut self, item: &Item<'_>, what: &str, edits: &mut Edits) -> bool {
        let s = item.s;
        if s.is(item.at.start, "VECTOR") {
            self.note(format!("{} is left out: MySQL has no such index.", capital(what)));
            return false;
        }
        for n in item.top() {
            if s.is(n, "NOT") && s.is(n + 1, "IGNORED") {
                edits.tokens(s, n, n + 1, "");
            } else if s.is(n, "IGNORED") {
                edits.tokens(s, n, n, "INVISIBLE");
            }
        }
        if s.is(item.at.start, "UNIQUE")
            && let Some(open) = item.at.clone().find(|n| s.text(*n) == "(")
        {
            for n in open..matching(s, open, item.at.end) {
                let starts = n > open && (n == open + 1 || s.text(n - 1) == ",");
                let column = s.name(n).filter(|_| starts).and_then(|name| item.table.column(&name));
                let large =
                    |k: &ColumnType| matches!(k, ColumnType::Text { .. } | ColumnType::Blob { .. } | ColumnType::Json);
                if column.is_some_and(|(_, c)| large(&c.kind)) && s.text(n + 1) != "(" {
                    let why = "MySQL cannot keep a whole TEXT or BLOB column unique";
                    self.refuse(what, why, OTHER_TABLES);
                }
            }
        }
        true
    }

    fn key_to_mariadb(&mut self, item: &Item<'_>, what: &str, edits: &mut Edits) {
        let s = item.s;
        let open = item.at.clone().find(|n| s.text(*n) == "(").unwrap_or(item.at.end);
        let close = matching(s, open, item.at.end);
        if (open + 1..close).any(|n| s.text(n) == "(" && matches!(s.text(n - 1), "(" | ",")) {
            self.refuse(what, "MariaDB has no indexes of expressions", OTHER_TABLES);
        }
        for n in item.top() {
            if s.is(n, "INVISIBLE") {
                edits.tokens(s, n, n, "IGNORED");
            } else if s.is(n, "VISIBLE") {
                edits.tokens(s, n, n, "");
            } else if ["ENGINE_ATTRIBUTE", "SECONDARY_ENGINE_ATTRIBUTE"].iter().any(|w| s.is(n, w)) {
                let end = if s.text(n + 1) == "=" { n + 2 } else { n + 1 };
                edits.tokens(s, n, end, "");
            }
        }
    }

    /// Whether the item stays.
    pub(super) fn check(&mut self, item: &Item<'_>, edits: &mut Edits) -> bool {
        let s = item.s;
        let top = item.top();
        let named = s.is(item.at.start, "CONSTRAINT") && !s.is(item.at.start + 1, "CHECK");
        let name = s.name(item.at.start + 1).filter(|_| named).unwrap_or_default();
        let table = &item.table.name;
        if self.to().family == Family::MariaDb {
            if top.iter().any(|n| s.is(*n, "NOT") && s.is(*n + 1, "ENFORCED")) {
                self.note(format!(
                    "Table {table}: its check {name} is left out; it is NOT ENFORCED, which MariaDB has not."
                ));
                return false;
            }
            for n in top.into_iter().filter(|n| s.is(*n, "ENFORCED")) {
                edits.tokens(s, n, n, "");
            }
            return true;
        }
        let automatic = name.strip_prefix("CONSTRAINT_").is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()));
        let taken = named && !self.checks.insert(format!("{}.{}", table.database, name.to_lowercase()));
        if named && (automatic || taken) {
            // MariaDB's names are one of a kind in a table, MySQL's in a database
            edits.tokens(s, item.at.start, item.at.start + 1, "");
            if !automatic {
                self.note(format!(
                    "Table {table}: its check {name} gets another name; another table has one of that name."
                ));
            }
        }
        true
    }
}

fn key_name(item: &Item<'_>) -> String {
    let s = item.s;
    let words = ["CONSTRAINT", "PRIMARY", "UNIQUE", "FULLTEXT", "SPATIAL", "VECTOR", "KEY", "INDEX"];
    let n = item.at.clone().find(|n| !words.iter().any(|w| s.is(*n, w))).unwrap_or(item.at.start);
    format!("key {} of {}", s.name(n).unwrap_or_else(|| "PRIMARY".into()), item.table.name)
}
