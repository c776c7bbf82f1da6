//! A column's definition in the target's words.

use super::words::Edits;
use super::{Across, Item, OTHER_TABLES};
use crate::model::ColumnType;
use crate::restore::lex::{Kind, Statement};
use crate::restore::server::Family;

/// Types that only MariaDB has.
const MARIADB_TYPES: [&str; 4] = ["uuid", "inet4", "inet6", "xmltype"];
/// Types of MySQL that take a default only as an expression.
const NO_LITERAL_DEFAULT: [&str; 19] = [
    "tinytext",
    "text",
    "mediumtext",
    "longtext",
    "tinyblob",
    "blob",
    "mediumblob",
    "longblob",
    "json",
    "geometry",
    "point",
    "linestring",
    "polygon",
    "multipoint",
    "multilinestring",
    "multipolygon",
    "geometrycollection",
    "geomcollection",
    "vector",
];
/// MySQL's largest number of digits after the point.
const MYSQL_MAX_SCALE: u8 = 30;

impl Across<'_> {
    /// Whether the item stays.
    pub(super) fn column(&mut self, item: &Item<'_>, edits: &mut Edits) -> bool {
        let s = item.s;
        let kind = s.text(item.at.start + 1).to_ascii_lowercase();
        if item.top().windows(2).any(|w| s.is(w[0], "ROW") && (s.is(w[1], "START") || s.is(w[1], "END"))) {
            self.refuse(item.column_name(), "system versioning is MariaDB's alone", OTHER_TABLES);
            return true;
        }
        self.explicit_collation(item, edits);
        match self.to().family {
            Family::MySql => self.column_to_mysql(item, &kind, edits),
            Family::MariaDb => self.column_to_mariadb(item, &kind, edits),
        }
        true
    }

    fn column_to_mysql(&mut self, item: &Item<'_>, kind: &str, edits: &mut Edits) {
        let s = item.s;
        let refuse = |this: &mut Self, why: &str| this.refuse(item.column_name(), why, OTHER_TABLES);
        if MARIADB_TYPES.contains(&kind) {
            refuse(self, &format!("the type {} is MariaDB's alone", kind.to_uppercase()));
        }
        let from_mysql = self.from == Some(Family::MySql);
        if kind == "json" && !from_mysql && self.from.is_some() {
            self.json_as_text(item, edits);
        }
        let column = s.name(item.at.start).and_then(|name| item.table.column(&name)).map(|(_, c)| c);
        if let Some(ColumnType::Decimal { scale, .. }) = column.map(|c| &c.kind)
            && *scale > MYSQL_MAX_SCALE
        {
            refuse(self, &format!("MySQL's DECIMAL has at most {MYSQL_MAX_SCALE} digits after the point, not {scale}"));
        }
        let top = item.top();
        for (i, &n) in top.iter().enumerate().skip(2) {
            if s.is(n, "COMPRESSED") {
                let end = if s.text(n + 1) == "=" { n + 2 } else { n };
                edits.tokens(s, n, end, "");
                self.note(format!("{}: COMPRESSED is left out; it takes more room.", capital(&item.column_name())));
            } else if s.is(n, "AUTO_INCREMENT") && matches!(kind, "float" | "double") {
                refuse(self, "AUTO_INCREMENT counts only integers in MySQL");
            } else if s.is(n, "DEFAULT") && i == first(s, &top, "DEFAULT") {
                self.default_for_mysql(item, kind, n + 1, edits);
            }
        }
    }

    /// MySQL wants parentheses around a computed default, and computes every one of its large types.
    fn default_for_mysql(&mut self, item: &Item<'_>, kind: &str, at: usize, edits: &mut Edits) {
        let s = item.s;
        let word = s.text(at).to_ascii_lowercase();
        let end = default_end(s, at, item.at.end);
        let sequence = (at..end).any(|n| s.is(n, "NEXTVAL") || s.is(n, "LASTVAL"));
        if sequence || (word == "next" && s.is(at + 1, "VALUE")) {
            return self.refuse(
                item.column_name(),
                "its default comes from a sequence, which MySQL has not",
                OTHER_TABLES,
            );
        }
        let now = ["current_timestamp", "now", "localtime", "localtimestamp"].contains(&word.as_str());
        let text = s.tokens.get(at).is_some_and(|t| t.kind == Kind::Text);
        let introduced = s.tokens.get(at + 1).is_some_and(|t| t.kind == Kind::Text);
        let number = word.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'));
        let literal = text || introduced || number || ["true", "false"].contains(&word.as_str());
        let plain = (literal && !NO_LITERAL_DEFAULT.contains(&kind)) || now || word == "null" || s.text(at) == "(";
        if plain {
            return;
        }
        if let Some(range) = s.range(at, end - 1) {
            edits.insert(range.start, "(".into());
            edits.insert(range.end, ")".into());
        }
    }

    /// MariaDB's JSON is text that a CHECK looks at; MySQL's would write it anew.
    fn json_as_text(&mut self, item: &Item<'_>, edits: &mut Edits) {
        let s = item.s;
        edits.tokens(s, item.at.start + 1, item.at.start + 1, "longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin");
        let checked = item.at.clone().any(|n| s.is(n, "JSON_VALID"));
        if let (false, Some(all)) = (checked, s.range(item.at.start, item.at.end - 1)) {
            edits.insert(all.end, format!(" CHECK (json_valid({}))", s.text(item.at.start)));
        }
    }

    fn column_to_mariadb(&mut self, item: &Item<'_>, kind: &str, edits: &mut Edits) {
        let s = item.s;
        if kind == "vector" && self.to().version < (11, 7) {
            self.refuse(item.column_name(), "the type VECTOR came with MariaDB 11.7", OTHER_TABLES);
        }
        if kind == "geomcollection" {
            edits.tokens(s, item.at.start + 1, item.at.start + 1, "geometrycollection");
        }
        let top = item.top();
        for &n in top.iter().skip(2) {
            if s.is(n, "SRID") {
                edits.tokens(s, n, n + 1, "");
                let name = capital(&item.column_name());
                self.note(format!(
                    "{name}: SRID {} is left out; values keep theirs, MariaDB does not check it.",
                    s.text(n + 1)
                ));
            } else if ["COLUMN_FORMAT", "STORAGE"].iter().any(|w| s.is(n, w)) {
                edits.tokens(s, n, n + 1, "");
            } else if ["ENGINE_ATTRIBUTE", "SECONDARY_ENGINE_ATTRIBUTE"].iter().any(|w| s.is(n, w)) {
                let end = if s.text(n + 1) == "=" { n + 2 } else { n + 1 };
                edits.tokens(s, n, end, "");
            } else if s.is(n, "NOT") && s.is(n + 1, "SECONDARY") {
                edits.tokens(s, n, n + 1, "");
            }
        }
        let has = |word: &str| top.iter().skip(2).any(|n| s.is(*n, word));
        let null = top.windows(2).any(|w| s.is(w[0], "NOT") && s.is(w[1], "NULL"));
        if has("INVISIBLE") && null && !has("DEFAULT") && !has("AUTO_INCREMENT") && !has("GENERATED") {
            self.refuse(item.column_name(), "an invisible NOT NULL column needs a default in MariaDB", OTHER_TABLES);
        }
    }

    /// A collation that was left to the server's defaults is said: the other family has other defaults.
    fn explicit_collation(&mut self, item: &Item<'_>, edits: &mut Edits) {
        let s = item.s;
        let Some((_, column)) = s.name(item.at.start).and_then(|name| item.table.column(&name)) else { return };
        let Some(collation) = column.collation.clone().filter(|_| column.kind != ColumnType::Json) else { return };
        if item.top().iter().any(|n| s.is(*n, "COLLATE")) {
            return;
        }
        let mut end = item.at.start + 1;
        if s.text(end + 1) == "(" {
            end = matching(s, end + 1, item.at.end);
        }
        end += match () {
            () if s.is(end + 1, "CHARACTER") && s.is(end + 2, "SET") => 3,
            () if s.is(end + 1, "CHARSET") => 2,
            () => 0,
        };
        if let (Some(to), Some(at)) = (self.collation(&collation, || item.column_name()), s.range(end, end)) {
            edits.insert(at.end, format!(" COLLATE {to}"));
        }
    }
}

/// The archive writes every JSON column as MariaDB's: LONGTEXT with a check. From MySQL to MySQL it is a JSON column again.
pub fn own_json(item: &Item<'_>, edits: &mut Edits) {
    let (s, top) = (item.s, item.top());
    let column = s.name(item.at.start).and_then(|name| item.table.column(&name));
    let json = column.is_some_and(|(_, c)| c.kind == ColumnType::Json);
    if !json || !s.is(item.at.start + 1, "LONGTEXT") {
        return;
    }
    let collate = top.iter().find(|n| s.is(**n, "COLLATE")).map_or(item.at.start + 1, |n| n + 1);
    edits.tokens(s, item.at.start + 1, collate, "json");
    if let Some(n) = top.iter().find(|n| s.is(**n, "CHECK")) {
        edits.tokens(s, *n, matching(s, n + 1, item.at.end), "");
    }
}

/// Where among `top` this word comes first.
fn first(s: &Statement<'_>, top: &[usize], word: &str) -> usize {
    top.iter().position(|n| s.is(*n, word)).unwrap_or(usize::MAX)
}

/// The position of the parenthesis that closes the one at `open`.
pub fn matching(s: &Statement<'_>, open: usize, end: usize) -> usize {
    let mut depth = 0;
    for n in open..end {
        match s.text(n) {
            "(" => depth += 1,
            ")" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return n;
        }
    }
    end.saturating_sub(1)
}

/// Just after the last token of the default that begins at `at`: a literal, `name`, `name(…)` or `db.name(…)`.
fn default_end(s: &Statement<'_>, at: usize, end: usize) -> usize {
    let text = |n: usize| s.tokens.get(n).is_some_and(|t| t.kind == Kind::Text);
    let mut n = if matches!(s.text(at), "-" | "+") { at + 1 } else { at };
    n += 1;
    while n < end && (s.text(n) == "." || s.text(n - 1) == ".") {
        n += 1;
    }
    if n < end && s.text(n) == "(" {
        n = matching(s, n, end) + 1;
    } else if n < end && text(n) && !text(n - 1) {
        n += 1;
    }
    n.min(end)
}

/// As a sentence begins.
pub fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|c| c.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
