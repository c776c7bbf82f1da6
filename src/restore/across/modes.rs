//! The sql_mode of programs in the target's words.

use super::{Across, PROGRAMS};
use crate::restore::server::Family;

/// Modes of MariaDB that say nothing about how a statement runs: names for several others, and forms of SHOW.
const EMPTY: [&str; 12] = [
    "NO_AUTO_CREATE_USER",
    "NO_FIELD_OPTIONS",
    "NO_KEY_OPTIONS",
    "NO_TABLE_OPTIONS",
    "IGNORE_BAD_TABLE_OPTIONS",
    "ANSI",
    "POSTGRESQL",
    "MSSQL",
    "DB2",
    "MAXDB",
    "MYSQL323",
    "MYSQL40",
];
/// Modes that MySQL has not, and that change what statements do.
const MARIADB_ONLY: [&str; 3] = ["ORACLE", "EMPTY_STRING_IS_NULL", "SIMULTANEOUS_ASSIGNMENT"];
/// MariaDB cuts fractions of seconds unless told to round, MySQL rounds unless told to cut.
const ROUND: &str = "TIME_ROUND_FRACTIONAL";
const CUT: &str = "TIME_TRUNCATE_FRACTIONAL";

impl Across<'_> {
    /// The mode under which the target runs a program as the source did.
    pub(super) fn mode(&mut self, what: &str, mode: &str) -> String {
        let words: Vec<String> =
            mode.split(',').map(|w| w.trim().to_ascii_uppercase()).filter(|w| !w.is_empty()).collect();
        let has = |word: &str| words.iter().any(|w| w == word);
        let to_mysql = self.to().family == Family::MySql;
        let mut kept: Vec<&str> = words.iter().map(String::as_str).filter(|w| ![ROUND, CUT].contains(w)).collect();
        if to_mysql {
            for word in MARIADB_ONLY.iter().filter(|w| has(w)) {
                self.refuse(what, &format!("it runs under sql_mode {word}, which MySQL has not"), PROGRAMS);
            }
            kept.retain(|w| !EMPTY.contains(w) && !MARIADB_ONLY.contains(w));
        }
        let cuts = if self.from == Some(Family::MariaDb) { !has(ROUND) } else { has(CUT) };
        match to_mysql {
            true if cuts => kept.push(CUT),
            false if !cuts => kept.push(ROUND),
            _ => {}
        }
        kept.join(",")
    }
}
