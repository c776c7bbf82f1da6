//! What does a schema statement do? CREATE TABLE text to tables, logged statements to steps of the catalog.
//!
//! Reads MariaDB's and MySQL's own grammar with a tokenizer of its own. Knows nothing of rows, events or
//! connections. A statement is never ignored because it could not be read: the tables that it may concern become
//! uncertain.

mod alter;
mod apply;
mod column;
mod create;
mod default;
mod doubt;
mod effect;
mod foreign;
mod keys;
mod lex;
mod mysql_text;
mod objects;
mod partition;
mod programs;
mod sequence;
mod table;
mod tables;
mod types;
mod view;
mod written;

pub use apply::{Session, apply, database_defaults};
pub use doubt::unseen;
pub use foreign::settle_foreign_keys;
pub use lex::Collations;
pub use mysql_text::in_mysql_words;

use crate::model::{Column, TableId, TableName, TableSchema};
use lex::{Cutting, Parser, TokenKind};
use std::fmt;
use table::KeyKind;

/// A table that pcloud does not carry, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub table: TableName,
    pub column: Option<String>,
    /// It fits behind "because": `its type is GEOMETRY`.
    pub reason: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.column {
            Some(column) => write!(f, "table {}: column {column} is not carried: {}", self.table, self.reason),
            None => write!(f, "table {} is not carried: {}", self.table, self.reason),
        }
    }
}

/// Reads a CREATE TABLE statement: SHOW CREATE TABLE's text, a dump's, or one that somebody typed. `name` counts,
/// not the name in the text; `defaults` are the database's charset and collation. Columns get the ids 0, 1, 2, ….
/// The result's `create` is the same definition as SHOW CREATE TABLE prints it, without the database.
/// Errors: the text cannot be read, or the table has something that pcloud does not carry.
pub fn parse_create_table(
    text: &str,
    name: TableName,
    id: TableId,
    defaults: (&str, &str),
) -> Result<TableSchema, Refusal> {
    let refused = |column, reason| Refusal { table: name.clone(), column, reason };
    let collation = types::plain_name(defaults.1);
    let create = Parser::new(text, Cutting::default())
        .and_then(|mut p| create::read_create(&mut p, &collation))
        .map_err(|e| refused(None, format!("its CREATE TABLE statement cannot be read: {}", e.0)))?;
    if create.like.is_some() || create.def.columns.is_empty() {
        return Err(refused(None, "its CREATE TABLE statement does not name its columns".into()));
    }
    if let Some((column, reason)) = create.def.refusal() {
        return Err(refused(column, reason));
    }
    create.def.schema(name.clone(), id, None).map_err(|e| refused(None, e.0))
}

/// Whether the key that the log names is a UNIQUE key of NOT NULL columns: of a table without a primary key the server names
/// the one that it takes in its place. The table stays a multiset all the same.
pub fn stands_in(schema: &TableSchema, key: &[usize]) -> bool {
    let columns: Option<Vec<&Column>> = key.iter().map(|i| schema.columns.get(*i)).collect();
    let Some(columns) = columns.filter(|c| !c.is_empty() && !schema.has_key() && c.iter().all(|c| !c.nullable)) else {
        return false;
    };
    let is = |unique: &Vec<String>| {
        unique.len() == columns.len() && unique.iter().zip(&columns).all(|(u, c)| u.eq_ignore_ascii_case(&c.name))
    };
    unique_keys(&schema.create).iter().any(is)
}

/// The columns of each UNIQUE key of a table, by its CREATE TABLE statement; none, if that cannot be read.
fn unique_keys(create: &str) -> Vec<Vec<String>> {
    let read = Parser::new(create, Cutting::default()).and_then(|mut p| create::read_create(&mut p, "utf8mb4_bin"));
    let keys = read.map(|c| c.def.keys).unwrap_or_default().into_iter();
    keys.filter(|k| k.kind == KeyKind::Unique).map(|k| k.parts.into_iter().map(|p| p.column).collect()).collect()
}

/// The first words of a statement in capitals, at most three; none, if it has only comments.
pub fn first_words(statement: &str) -> Vec<String> {
    let mut lexer = lex::Lexer::new(statement, Cutting::default());
    let mut words = Vec::new();
    while words.len() < 3
        && let Ok(Some(token)) = lexer.next()
    {
        if token.is_sign(';') {
            break;
        }
        words.push(token.text.to_ascii_uppercase());
    }
    words
}

/// `` `name` ``
fn quote(name: &str) -> String {
    crate::model::quote_name(name)
}

/// The text of an option's value: a word, a quoted name or a string.
fn unquoted(value: &str) -> String {
    let Ok(tokens) = lex::Lexer::all(value, Cutting::default()) else { return value.to_string() };
    match tokens.first() {
        Some(t) if t.kind == TokenKind::Text => lex::text_of(t.text, false),
        Some(t) => lex::name_of(t).unwrap_or_else(|| value.to_string()),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ColumnType, Generated, TableKind, TextSize};

    fn parse(text: &str) -> Result<TableSchema, Refusal> {
        let name = TableName::new("shop", "t");
        parse_create_table(text, name, TableId(1), ("utf8mb4", "utf8mb4_general_ci"))
    }

    #[test]
    fn show_create_text_comes_back_as_it_is() {
        let text = "CREATE TABLE `t` (
  `id` int(10) unsigned NOT NULL AUTO_INCREMENT,
  `a` varchar(10) DEFAULT 'it''s',
  `b` text CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'a \\\\ b',
  `d` decimal(65,30) NOT NULL DEFAULT 0.000000000000000000000000000000,
  `f` float(7,2) DEFAULT NULL,
  `ts` timestamp(6) NULL DEFAULT current_timestamp(6) ON UPDATE current_timestamp(6),
  `z` int(5) unsigned zerofill DEFAULT 00007,
  `e` enum('a','b,''c') NOT NULL DEFAULT 'a',
  `bit` bit(9) DEFAULT b'101',
  `j` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL CHECK (json_valid(`j`)),
  `blob` longblob DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `u` (`a`(3),`z`),
  KEY `k` (`b`(5)) COMMENT 'x',
  CONSTRAINT `fk` FOREIGN KEY (`z`) REFERENCES `p` (`x`) ON DELETE NO ACTION,
  CONSTRAINT `c` CHECK (`z` > 1)
) ENGINE=InnoDB AUTO_INCREMENT=7 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci ROW_FORMAT=DYNAMIC COMMENT='t''s'
 PARTITION BY HASH (`id`)
PARTITIONS 4";
        let table = parse(&text.replace("  KEY `k`", "  KEY `z` (`z`),\n  KEY `k`")).expect("it is read");
        let text = text.replace("  KEY `k`", "  KEY `z` (`z`),\n  KEY `k`").replace("\nPARTITIONS", " PARTITIONS");
        assert_eq!(table.create, text);
        assert_eq!(table.primary_key, [0]);
        let kinds: Vec<_> = table.columns.iter().map(|c| c.kind.clone()).collect();
        assert_eq!(kinds[9], ColumnType::Json);
        assert_eq!(kinds[2], ColumnType::Text { size: TextSize::Normal });
        assert_eq!(table.columns[2].collation.as_deref(), Some("ascii_bin"));
        assert_eq!(table.columns[0].extra, "auto_increment");
    }

    #[test]
    fn typed_statements_are_printed_as_the_server_would() {
        let text = "create /*!40100 table */ if not exists other.t /* c */ (
            id SERIAL, -- a comment
            `key` INTEGER UNIQUE, n NUMERIC(5), b BOOL NOT NULL DEFAULT TRUE, # another
            v CHARACTER VARYING(20) CHARACTER SET utf8 , w VARCHAR(5) CHARSET binary, x DOUBLE PRECISION,
            t TEXT(100), l LONG VARBINARY, j JSON, INDEX (v), INDEX (v, n), primary key (n)
        ) COMMENT 'hello', AUTO_INCREMENT 5";
        assert_eq!(
            parse(text).expect("it is read").create,
            "CREATE TABLE `t` (
  `id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  `key` int(11) DEFAULT NULL,
  `n` decimal(5,0) NOT NULL,
  `b` tinyint(1) NOT NULL DEFAULT 1,
  `v` varchar(20) CHARACTER SET utf8mb3 COLLATE utf8mb3_general_ci DEFAULT NULL,
  `w` varbinary(5) DEFAULT NULL,
  `x` double DEFAULT NULL,
  `t` text DEFAULT NULL,
  `l` mediumblob DEFAULT NULL,
  `j` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL CHECK (json_valid(`j`)),
  PRIMARY KEY (`n`),
  UNIQUE KEY `id` (`id`),
  UNIQUE KEY `key` (`key`),
  KEY `v` (`v`),
  KEY `v_2` (`v`,`n`)
) ENGINE=InnoDB AUTO_INCREMENT=5 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci COMMENT='hello'"
        );
    }

    #[test]
    fn columns_of_every_sort_come_back_as_they_are() {
        let text = "CREATE TABLE `t` (
  `id` int(11) NOT NULL,
  `v` int(11) GENERATED ALWAYS AS (`id` + 1) VIRTUAL,
  `s` varchar(10) GENERATED ALWAYS AS (concat(`id`,'x')) STORED INVISIBLE COMMENT 'c',
  `n` datetime GENERATED ALWAYS AS (current_timestamp()) VIRTUAL,
  `h` int(11) INVISIBLE DEFAULT 7,
  `z` varchar(9) /*M!100301 COMPRESSED*/ CHARACTER SET latin1 COLLATE latin1_swedish_ci DEFAULT NULL,
  `u` uuid NOT NULL,
  `i` inet6 DEFAULT NULL,
  `p` point NOT NULL,
  `e` vector(3) DEFAULT NULL,
  `d` date DEFAULT (`id` + interval 1 day),
  `rs` timestamp(6) GENERATED ALWAYS AS ROW START,
  `re` timestamp(6) GENERATED ALWAYS AS ROW END,
  PRIMARY KEY (`id`,`re`),
  SPATIAL KEY `p` (`p`),
  PERIOD FOR SYSTEM_TIME (`rs`, `re`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci WITH SYSTEM VERSIONING";
        let table = parse(text).expect("it is read");
        assert_eq!(table.create, text);
        assert_eq!(table.kind, TableKind::SystemVersioned);
        use Generated::{RowEnd, RowStart, Session, Stored, Virtual};
        let made: Vec<_> = table.columns.iter().filter_map(|c| c.generated).collect();
        assert_eq!(made, [Virtual, Stored, Session, RowStart, RowEnd]);
        let hidden: Vec<_> = table.columns.iter().filter(|c| c.invisible).map(|c| c.name.as_str()).collect();
        assert_eq!(hidden, ["s", "h"]);
        let written =
            parse("CREATE TABLE t (a TIMESTAMP NULL, v DATE AS (DATE(a)) VIRTUAL, s DATE AS (DATE(a)) STORED)");
        let made: Vec<_> = written.expect("it is read").columns.iter().filter_map(|c| c.generated).collect();
        assert_eq!(made, [Session, Stored], "of a TIMESTAMP");
    }

    #[test]
    fn what_is_not_carried_is_refused_by_name() {
        for (text, column, reason) in [
            ("CREATE TABLE t (a INT, x XMLTYPE)", Some("x"), "its type is XMLTYPE"),
            ("CREATE TABLE t (a VARCHAR(5) CHARACTER SET gb18030)", Some("a"), "its charset is gb18030"),
            (
                "CREATE TABLE t (a INT, s BIGINT UNSIGNED AS ROW START, e BIGINT UNSIGNED AS ROW END,
                   PERIOD FOR SYSTEM_TIME (s, e)) WITH SYSTEM VERSIONING",
                Some("s"),
                "its table is versioned by transactions, not by times",
            ),
            ("CREATE TABLE t (a INT) ENGINE=CONNECT", None, "its engine is CONNECT"),
            (
                "CREATE TABLE t (a INT, FOREIGN KEY (a) REFERENCES p (x) ON DELETE SET NULL)",
                None,
                "foreign key t_ibfk_1 has ON DELETE SET NULL, and the table has no primary key, so the rows that the \
                 server changes by that cannot be told apart",
            ),
        ] {
            let refusal = parse(text).expect_err(text);
            assert_eq!((refusal.column.as_deref(), refusal.reason.as_str()), (column, reason), "{text}");
        }
        assert!(parse("CREATE TABLE t (a INT").is_err());
        assert!(parse("CREATE TABLE t (a INT FROB)").is_err());
    }
}
