//! How is a kept CREATE statement run under another name?
//!
//! The kept text is changed as little as possible: names in it are replaced where they stand, and what can wait until
//! the rows are there (secondary keys, foreign keys) is cut out and given back as clauses for ALTER TABLE.

use super::lex::{Statement, items};
use crate::error::{Error, Result};
use crate::model::{TableName, quote_name};
use std::ops::Range;

/// A table's CREATE statement, taken apart for staging.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staged {
    pub create: String,
    /// `ADD KEY …`, for after the rows.
    pub keys: Vec<String>,
    /// `ADD CONSTRAINT … FOREIGN KEY …`, for after all tables' rows.
    pub foreign_keys: Vec<String>,
}

/// Between clauses: a comment at a clause's end must not swallow the comma.
pub const CLAUSE_END: &str = "\n, ";

/// CREATE DATABASE for a database of another name. `None`: the text is not understood.
pub fn create_database(kept: &str, name: &str) -> Option<String> {
    let statement = Statement::new(kept);
    let n = statement.after(&["DATABASE", "SCHEMA"])?;
    statement.name(n)?;
    let end = statement.range(n, n)?.end;
    Some(format!("CREATE DATABASE {}{}", quote_name(name), kept.get(end..)?))
}

/// Takes apart the kept CREATE TABLE of `table` so that it can be made as `stage`. `now_at` says where a table that a
/// foreign key refers to stands while this one is staged.
/// Errors: `Internal` when the kept text is not as SHOW CREATE TABLE writes it.
pub fn stage_table(
    kept: &str,
    table: &TableName,
    stage: &TableName,
    now_at: impl Fn(&TableName) -> TableName,
) -> Result<Staged> {
    take_apart(kept, table, stage, now_at)
        .ok_or_else(|| Error::internal(format!("the kept CREATE TABLE of {table} is not understood: {kept}")))
}

fn take_apart(
    kept: &str,
    table: &TableName,
    stage: &TableName,
    now_at: impl Fn(&TableName) -> TableName,
) -> Option<Staged> {
    let s = Statement::new(kept);
    let n = s.after(&["TABLE"])?;
    let (_, _, width) = s.qualified(n)?;
    let open = n + width;
    let (items, close) = items(&s, open)?;
    let auto = items.iter().find(|i| (i.start..i.end).any(|n| s.is(n, "AUTO_INCREMENT"))).and_then(|i| s.name(i.start));
    let (mut now, mut keys, mut foreign_keys) = (Vec::new(), Vec::new(), Vec::new());
    for item in items {
        let text = with_references(&s, &item, table, &now_at)?;
        let first = |word| s.is(item.start, word);
        let counts = || {
            let auto = auto.as_deref().unwrap_or_default().to_lowercase();
            item.clone().any(|n| s.name(n).is_some_and(|name| name.to_lowercase() == auto))
        };
        let foreign =
            first("FOREIGN") || (first("CONSTRAINT") && (item.start..item.start + 3).any(|n| s.is(n, "FOREIGN")));
        if foreign {
            foreign_keys.push(format!("ADD {text}"));
        } else if (first("KEY") || first("INDEX")) && !counts() {
            keys.push(format!("ADD {text}"));
        } else {
            now.push(text);
        }
    }
    let end = s.range(close, close)?.start;
    let create = format!("CREATE TABLE {} (\n  {}\n{}", stage.quoted(), now.join(CLAUSE_END), kept.get(end..)?);
    Some(Staged { create, keys, foreign_keys })
}

/// An item's text, with each table that it REFERENCES named by where that stands now.
fn with_references(
    s: &Statement<'_>,
    item: &Range<usize>,
    table: &TableName,
    now_at: &impl Fn(&TableName) -> TableName,
) -> Option<String> {
    // from sign to sign, so that comments stay whole
    let all = s.range(item.start.checked_sub(1)?, item.end)?;
    let all = all.start + 1..all.end - 1;
    let (mut text, mut from) = (String::new(), all.start);
    for n in item.clone().filter(|n| s.is(*n, "REFERENCES")) {
        let (database, name, width) = s.qualified(n + 1)?;
        let at = s.range(n + 1, n + width)?;
        let parent = TableName::new(database.unwrap_or_else(|| table.database.clone()), name);
        text.push_str(s.sql.get(from..at.start)?);
        text.push_str(&now_at(&parent).quoted());
        from = at.end;
    }
    text.push_str(s.sql.get(from..all.end)?);
    Some(text.trim().to_string())
}

/// The tables that a kept CREATE TABLE refers to by foreign keys.
pub fn references(kept: &str, table: &TableName) -> Vec<TableName> {
    let s = Statement::new(kept);
    let at = (0..s.tokens.len()).filter(|n| s.is(*n, "REFERENCES"));
    at.filter_map(|n| s.qualified(n + 1))
        .map(|(database, name, _)| TableName::new(database.unwrap_or_else(|| table.database.clone()), name))
        .collect()
}

/// When a trigger runs: `before insert`. Empty if the text does not say.
pub fn trigger_event(kept: &str) -> String {
    let s = Statement::new(kept);
    let time = |n: &usize| s.is(*n, "BEFORE") || s.is(*n, "AFTER");
    let event = |n: &usize| ["INSERT", "UPDATE", "DELETE"].iter().any(|w| s.is(n + 1, w)) && s.is(n + 2, "ON");
    let at = (0..s.tokens.len()).find(|n| time(n) && event(n));
    at.map(|n| format!("{} {}", s.text(n), s.text(n + 1)).to_lowercase()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEPT: &str = "CREATE TABLE `or``ders` (
  `id` int(11) NOT NULL AUTO_INCREMENT COMMENT 'a, (KEY `x` (`y`)',
  `customer` int(11) DEFAULT NULL,
  `note` varchar(20) DEFAULT 'it''s \\'REFERENCES `t`' /* hidden */,
  PRIMARY KEY (`id`),
  UNIQUE KEY `u` (`note`),
  KEY `by_customer` (`customer`,`note`),
  KEY `with_id` (`customer`,`id`),
  CONSTRAINT `fk` FOREIGN KEY (`customer`) REFERENCES `customers` (`id`) ON DELETE CASCADE,
  CONSTRAINT `fk2` FOREIGN KEY (`customer`) REFERENCES `crm`.`people` (`id`),
  CONSTRAINT `positive` CHECK (`customer` > 0)
) ENGINE=InnoDB AUTO_INCREMENT=7 DEFAULT CHARSET=utf8mb4 COMMENT='orders (all)'";

    fn elsewhere(parent: &TableName) -> TableName {
        TableName::new(format!("stage_{}", parent.database), &parent.table)
    }

    #[test]
    fn a_table_is_taken_apart() {
        let (table, stage) = (TableName::new("shop", "or`ders"), TableName::new("s", "or`ders"));
        let staged = stage_table(KEPT, &table, &stage, elsewhere).expect("understood");
        assert_eq!(
            staged.create,
            "CREATE TABLE `s`.`or``ders` (
  `id` int(11) NOT NULL AUTO_INCREMENT COMMENT 'a, (KEY `x` (`y`)'
, `customer` int(11) DEFAULT NULL
, `note` varchar(20) DEFAULT 'it''s \\'REFERENCES `t`' /* hidden */
, PRIMARY KEY (`id`)
, UNIQUE KEY `u` (`note`)
, KEY `with_id` (`customer`,`id`)
, CONSTRAINT `positive` CHECK (`customer` > 0)
) ENGINE=InnoDB AUTO_INCREMENT=7 DEFAULT CHARSET=utf8mb4 COMMENT='orders (all)'"
        );
        assert_eq!(staged.keys, ["ADD KEY `by_customer` (`customer`,`note`)"]);
        assert_eq!(
            staged.foreign_keys,
            [
                "ADD CONSTRAINT `fk` FOREIGN KEY (`customer`) REFERENCES `stage_shop`.`customers` (`id`) ON DELETE CASCADE",
                "ADD CONSTRAINT `fk2` FOREIGN KEY (`customer`) REFERENCES `stage_crm`.`people` (`id`)",
            ]
        );
        assert_eq!(references(KEPT, &table), [TableName::new("shop", "customers"), TableName::new("crm", "people")]);
    }

    #[test]
    fn text_that_is_not_understood_is_refused() {
        let name = TableName::new("shop", "t");
        for kept in
            ["CREATE TABLE t LIKE u", "CREATE TABLE t (a int", "CREATE VIEW t AS SELECT 1", "", "CREATE TABLE t ()"]
        {
            stage_table(kept, &name, &name, TableName::clone).expect_err(kept);
        }
    }

    #[test]
    fn a_database_gets_another_name() {
        let kept = "CREATE DATABASE /*!32312 IF NOT EXISTS*/ `shop` /*!40100 DEFAULT CHARACTER SET latin1 */";
        assert_eq!(
            create_database(kept, "s`1").as_deref(),
            Some("CREATE DATABASE `s``1` /*!40100 DEFAULT CHARACTER SET latin1 */")
        );
        assert_eq!(
            create_database("create schema shop character set utf8mb4", "x").as_deref(),
            Some("CREATE DATABASE `x` character set utf8mb4")
        );
        assert_eq!(create_database("DROP DATABASE shop", "x"), None);
    }
}
