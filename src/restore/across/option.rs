//! What stands after a table's parentheses, in the target's words: options and partitions.

use super::column::matching;
use super::words::Edits;
use super::{Across, OTHER_TABLES};
use crate::model::TableSchema;
use crate::restore::lex::Statement;
use crate::restore::server::Family;

/// Both families take these, with the same meaning.
const COMMON: [&str; 23] = [
    "ENGINE",
    "AUTO_INCREMENT",
    "AVG_ROW_LENGTH",
    "CHARSET",
    "CHARACTER SET",
    "COLLATE",
    "CHECKSUM",
    "COMMENT",
    "CONNECTION",
    "DATA DIRECTORY",
    "INDEX DIRECTORY",
    "DELAY_KEY_WRITE",
    "INSERT_METHOD",
    "KEY_BLOCK_SIZE",
    "MAX_ROWS",
    "MIN_ROWS",
    "PACK_KEYS",
    "ROW_FORMAT",
    "STATS_AUTO_RECALC",
    "STATS_PERSISTENT",
    "STATS_SAMPLE_PAGES",
    "UNION",
    "DEFAULT",
];
/// Only how rows are stored: nobody misses them.
const SILENT: [&str; 9] = [
    "PAGE_CHECKSUM",
    "TRANSACTIONAL",
    "TABLESPACE",
    "AUTOEXTEND_SIZE",
    "ENGINE_ATTRIBUTE",
    "SECONDARY_ENGINE_ATTRIBUTE",
    "START TRANSACTION",
    "COMPRESSION",
    "PAGE_COMPRESSION_LEVEL",
];

/// `NAME = value`, as token positions; the end is the last token's.
struct TableOption {
    name: String,
    from: usize,
    value: usize,
    to: usize,
}

impl Across<'_> {
    /// `close`: the parenthesis before the options.
    pub(super) fn options(&mut self, s: &Statement<'_>, close: usize, table: &TableSchema, edits: &mut Edits) {
        let what = format!("table {}", table.name);
        let end = (close + 1..s.tokens.len()).find(|n| s.is(*n, "PARTITION") && s.is(n + 1, "BY"));
        let end = end.unwrap_or(s.tokens.len());
        let mut engine = "innodb".to_string();
        let mut n = close + 1;
        while n < end {
            let Some(option) = option_at(s, n, end) else {
                n += 1;
                continue;
            };
            n = option.to + 1;
            let value = s.text(option.value).trim_matches(['\'', '"', '`']).to_string();
            match option.name.as_str() {
                "WITH SYSTEM" | "SEQUENCE" => {
                    self.refuse(&what, "system versioning and sequences are MariaDB's alone", OTHER_TABLES);
                }
                "ENGINE" => engine = self.engine(s, option.value, &value, table, edits),
                "ROW_FORMAT" if value.eq_ignore_ascii_case("page") => edits.tokens(s, option.from, option.to, ""),
                name if COMMON.contains(&name) => {}
                name => {
                    let own = ["PAGE_CHECKSUM", "TRANSACTIONAL"];
                    if self.to().family == Family::MariaDb && own.contains(&name) {
                        continue;
                    }
                    edits.tokens(s, option.from, option.to, "");
                    let off = ["n", "no", "0", "default", "off"].contains(&value.to_ascii_lowercase().as_str());
                    if !SILENT.contains(&name) && !off {
                        self.note(format!("Table {}: its option {name} is left out.", table.name));
                    }
                }
            }
        }
        if end < s.tokens.len() {
            self.partitions(s, end, &engine, table, edits);
        }
    }

    /// The engine that the table gets.
    fn engine(&mut self, s: &Statement<'_>, at: usize, name: &str, table: &TableSchema, edits: &mut Edits) -> String {
        let lower = name.to_ascii_lowercase();
        if self.target.engines.contains(&lower) {
            return lower;
        }
        if !["aria", "rocksdb"].contains(&lower.as_str()) {
            let why = format!("its engine {name} is not there");
            self.refuse(format!("table {}", table.name), &why, OTHER_TABLES);
            return lower;
        }
        edits.tokens(s, at, at, "InnoDB");
        self.note(format!("Table {}: in place of engine {name} it gets InnoDB.", table.name));
        "innodb".into()
    }

    fn partitions(&mut self, s: &Statement<'_>, from: usize, engine: &str, table: &TableSchema, edits: &mut Edits) {
        let what = format!("table {}", table.name);
        for n in from..s.tokens.len() {
            if s.is(n, "ENGINE") {
                let at = if s.text(n + 1) == "=" { n + 2 } else { n + 1 };
                if !s.is(at, engine) && ["ARIA", "ROCKSDB"].iter().any(|e| s.is(at, e)) {
                    edits.tokens(s, at, at, "InnoDB");
                }
            }
            if self.to().family == Family::MySql {
                if s.is(n, "SYSTEM_TIME") {
                    self.refuse(&what, "system versioning is MariaDB's alone", OTHER_TABLES);
                }
                if s.is(n, "DEFAULT") && (matches!(s.text(n + 1), "," | ")") || s.is(n + 1, "ENGINE")) {
                    self.refuse(&what, "MySQL has no DEFAULT partition", OTHER_TABLES);
                }
            }
        }
        if self.to().family == Family::MySql && engine != "innodb" {
            self.refuse(&what, &format!("MySQL partitions no tables of engine {engine}"), OTHER_TABLES);
        }
    }
}

fn option_at(s: &Statement<'_>, from: usize, end: usize) -> Option<TableOption> {
    let first = s.name(from)?.to_ascii_uppercase();
    let second = s.text(from + 1).to_ascii_uppercase();
    let (name, mut at) = match (first.as_str(), second.as_str()) {
        ("DEFAULT", _) => return Some(TableOption { name: first, from, value: from, to: from }),
        ("DATA" | "INDEX", "DIRECTORY") | ("CHARACTER", "SET") => (format!("{first} {second}"), from + 2),
        ("START", "TRANSACTION") => {
            return Some(TableOption { name: "START TRANSACTION".into(), from, value: from, to: from + 1 });
        }
        ("WITH", "SYSTEM") => return Some(TableOption { name: "WITH SYSTEM".into(), from, value: from, to: from + 2 }),
        _ => (first, from + 1),
    };
    if s.text(at) == "=" {
        at += 1;
    }
    let to = if s.text(at) == "(" { matching(s, at, end) } else { at };
    (to < end).then_some(TableOption { name, from, value: at, to })
}
