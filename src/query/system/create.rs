//! What does a CREATE TABLE text say beyond names and types? Keys, references, checks and options.
//!
//! The text is SHOW CREATE TABLE's, one item a line, but the reader does not lean on the lines. What it does not
//! know it leaves out: nothing but information_schema and SHOW depends on it.

use super::lex::{Token, Words};

#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct TableText {
    pub columns: Vec<ColumnText>,
    pub indexes: Vec<Index>,
    pub foreign_keys: Vec<ForeignKey>,
    /// (name, clause), of the table.
    pub checks: Vec<(String, String)>,
    pub engine: Option<String>,
    pub collation: Option<String>,
    pub charset: Option<String>,
    pub row_format: Option<String>,
    pub comment: String,
    pub auto_increment: Option<u64>,
    pub partitioned: bool,
}

#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct ColumnText {
    pub name: String,
    /// With the display width: `bigint(20) unsigned`.
    pub kind: String,
    /// Of a generated column: its expression, and whether it is stored.
    pub generated: Option<(String, bool)>,
    pub check: Option<String>,
    /// The text after DEFAULT.
    pub default: Option<String>,
}

#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Index {
    /// `PRIMARY` for the primary key.
    pub name: String,
    pub unique: bool,
    /// BTREE, HASH, FULLTEXT, SPATIAL.
    pub method: String,
    pub parts: Vec<IndexPart>,
    pub comment: String,
    pub ignored: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct IndexPart {
    pub column: String,
    pub prefix: Option<i64>,
    pub descending: bool,
}

#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct ForeignKey {
    pub name: String,
    pub columns: Vec<String>,
    /// `None`: the table's own.
    pub database: Option<String>,
    pub table: String,
    pub referenced: Vec<String>,
    pub on_delete: String,
    pub on_update: String,
}

impl TableText {
    pub fn read(create: &str) -> TableText {
        let mut this = TableText::default();
        let Ok(mut words) = Words::of(create) else { return this };
        words.cut(|w| w.sees(&["("]));
        if !words.take_symbol('(') {
            return this;
        }
        loop {
            if this.item(&mut words).is_none() {
                words.cut(|w| w.sees(&[","]));
            }
            words.cut(|w| w.sees(&[","]));
            if !words.take_symbol(',') {
                break;
            }
        }
        words.take_symbol(')');
        this.options(&mut words);
        this
    }

    /// The primary key and the unique ones before the others, as the server lists them: it is in that order already.
    fn item(&mut self, words: &mut Words<'_>) -> Option<()> {
        let mut constraint = None;
        if words.take(&["CONSTRAINT"]) {
            constraint = words.name().ok();
        }
        if words.take(&["PRIMARY", "KEY"]) {
            return self.index(words, Some("PRIMARY".to_string()), true, "BTREE");
        }
        if words.take(&["FOREIGN", "KEY"]) {
            return self.foreign_key(words, constraint);
        }
        if words.take(&["CHECK"]) {
            let clause = parenthesized(words)?;
            self.checks.push((constraint.unwrap_or_default(), clause));
            return Some(());
        }
        let unique = words.take(&["UNIQUE"]);
        let method = match () {
            () if words.take(&["FULLTEXT"]) => "FULLTEXT",
            () if words.take(&["SPATIAL"]) => "SPATIAL",
            () => "BTREE",
        };
        let is_key = words.take(&["KEY"]) || words.take(&["INDEX"]);
        if unique || is_key || method != "BTREE" {
            let name = if words.sees(&["("]) { constraint } else { words.name().ok() };
            return self.index(words, name, unique, method);
        }
        if words.take(&["PERIOD"]) {
            return None;
        }
        self.column(words)
    }

    fn index(&mut self, words: &mut Words<'_>, name: Option<String>, unique: bool, method: &str) -> Option<()> {
        let mut index = Index { unique, method: method.to_string(), ..Index::default() };
        if words.take(&["USING"]) {
            index.method = words.name().ok()?.to_uppercase();
        }
        if !words.take_symbol('(') {
            return None;
        }
        loop {
            let column = words.name().ok()?;
            let prefix = parenthesized(words).and_then(|n| n.parse().ok());
            let descending = words.take(&["DESC"]);
            words.take(&["ASC"]);
            index.parts.push(IndexPart { column, prefix, descending });
            if !words.take_symbol(',') {
                break;
            }
        }
        words.take_symbol(')').then_some(())?;
        while !words.at_end() && !words.sees(&[","]) && !words.sees(&[")"]) {
            match () {
                () if words.take(&["USING"]) => index.method = words.name().ok()?.to_uppercase(),
                () if words.take(&["COMMENT"]) => index.comment = words.string().ok()?,
                () if words.take(&["IGNORED"]) => index.ignored = true,
                () => drop(words.next()),
            }
        }
        index.name = name.or_else(|| index.parts.first().map(|p| p.column.clone()))?;
        self.indexes.push(index);
        Some(())
    }

    fn foreign_key(&mut self, words: &mut Words<'_>, name: Option<String>) -> Option<()> {
        if !words.sees(&["("]) {
            words.next();
        }
        let columns = names(words)?;
        words.take(&["REFERENCES"]).then_some(())?;
        let first = words.name().ok()?;
        let (database, table) = match words.take_symbol('.') {
            true => (Some(first), words.name().ok()?),
            false => (None, first),
        };
        let mut key = ForeignKey {
            name: name.unwrap_or_default(),
            columns,
            database,
            table,
            referenced: names(words)?,
            on_delete: "RESTRICT".to_string(),
            on_update: "RESTRICT".to_string(),
        };
        loop {
            match () {
                () if words.take(&["ON", "DELETE"]) => key.on_delete = rule(words)?,
                () if words.take(&["ON", "UPDATE"]) => key.on_update = rule(words)?,
                () => break,
            }
        }
        self.foreign_keys.push(key);
        Some(())
    }

    fn column(&mut self, words: &mut Words<'_>) -> Option<()> {
        let mut column = ColumnText { name: words.name().ok()?, ..ColumnText::default() };
        const AFTER: [&str; 17] = [
            "NOT",
            "NULL",
            "DEFAULT",
            "AUTO_INCREMENT",
            "COMMENT",
            "CHARACTER",
            "COLLATE",
            "CHECK",
            "GENERATED",
            "AS",
            "ON",
            "INVISIBLE",
            "PRIMARY",
            "UNIQUE",
            "REFERENCES",
            "WITH",
            "COMPRESSED",
        ];
        let ends = |w: &Words<'_>| w.sees(&[","]) || AFTER.iter().any(|a| w.sees(&[a]));
        column.kind = words.cut(ends).to_string();
        while !words.at_end() && !words.sees(&[","]) && !words.sees(&[")"]) {
            match () {
                () if words.take(&["DEFAULT"]) => {
                    // NULL is a value here, but ends a type
                    let from = words.place();
                    words.take(&["NULL"]);
                    words.cut(ends);
                    column.default = Some(words.since(from).to_string());
                }
                () if words.take(&["CHECK"]) => column.check = parenthesized(words),
                () if words.take(&["AS"]) => column.generated = Some((parenthesized(words)?, false)),
                () if words.take(&["STORED"]) || words.take(&["PERSISTENT"]) => {
                    column.generated = column.generated.take().map(|(e, _)| (e, true));
                }
                () if words.sees(&["("]) => drop(parenthesized(words)),
                () => drop(words.next()),
            }
        }
        self.columns.push(column);
        Some(())
    }

    fn options(&mut self, words: &mut Words<'_>) {
        while let Some(token) = words.next() {
            let Token::Word(option) = token else { continue };
            if option.eq_ignore_ascii_case("PARTITION") {
                self.partitioned = true;
                return;
            }
            if !words.take_symbol('=') {
                continue;
            }
            let value = match words.next() {
                Some(Token::Word(v) | Token::Name(v) | Token::Text(v)) => v,
                _ => continue,
            };
            match option.to_uppercase().as_str() {
                "ENGINE" => self.engine = Some(value),
                "CHARSET" => self.charset = Some(value),
                "COLLATE" => self.collation = Some(value),
                "ROW_FORMAT" => self.row_format = Some(value),
                "COMMENT" => self.comment = value,
                "AUTO_INCREMENT" => self.auto_increment = value.parse().ok(),
                _ => {}
            }
        }
    }
}

/// The text between a pair of parentheses.
fn parenthesized(words: &mut Words<'_>) -> Option<String> {
    words.take_symbol('(').then_some(())?;
    let inner = words.cut(|_| false).to_string();
    words.take_symbol(')').then_some(inner)
}

/// `(a, b)`
fn names(words: &mut Words<'_>) -> Option<Vec<String>> {
    words.take_symbol('(').then_some(())?;
    let mut names = Vec::new();
    loop {
        names.push(words.name().ok()?);
        if !words.take_symbol(',') {
            break;
        }
    }
    words.take_symbol(')').then_some(names)
}

fn rule(words: &mut Words<'_>) -> Option<String> {
    let first = words.name().ok()?.to_uppercase();
    Some(match first.as_str() {
        "SET" | "NO" => format!("{first} {}", words.name().ok()?.to_uppercase()),
        _ => first,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDERS: &str = "CREATE TABLE `orders` (
  `id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  `cust` int(11) DEFAULT NULL,
  `amount` decimal(10,2) unsigned NOT NULL DEFAULT 0.00,
  `note` text DEFAULT 'a, ) b' COMMENT 'x, KEY `y` (`z`)',
  `e` enum('a','b,)') CHARACTER SET utf8mb3 COLLATE utf8mb3_bin DEFAULT 'a',
  `j` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL CHECK (json_valid(`j`)),
  `g` int(11) GENERATED ALWAYS AS (`cust` + (1)) STORED,
  PRIMARY KEY (`id`),
  UNIQUE KEY `u` (`cust`,`amount` DESC) USING HASH COMMENT 'uu',
  KEY `nt` (`note`(10)),
  FULLTEXT KEY `ft` (`note`),
  CONSTRAINT `fk1` FOREIGN KEY (`cust`) REFERENCES `crm`.`customers` (`id`) ON DELETE CASCADE ON UPDATE SET NULL,
  CONSTRAINT `ck2` CHECK (`amount` > 0 and (`id` > 1))
) ENGINE=InnoDB AUTO_INCREMENT=17 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci COMMENT='order''s'
 PARTITION BY HASH (`id`)";

    #[test]
    fn a_whole_table() {
        let t = TableText::read(ORDERS);
        let kinds: Vec<_> = t.columns.iter().map(|c| c.kind.as_str()).collect();
        assert_eq!(
            kinds,
            [
                "bigint(20) unsigned",
                "int(11)",
                "decimal(10,2) unsigned",
                "text",
                "enum('a','b,)')",
                "longtext",
                "int(11)"
            ]
        );
        assert_eq!(t.columns[2].default.as_deref(), Some("0.00"));
        assert_eq!(t.columns[5].check.as_deref(), Some("json_valid(`j`)"));
        assert_eq!(t.columns[6].generated, Some(("`cust` + (1)".to_string(), true)));
        let names: Vec<_> = t.indexes.iter().map(|i| (i.name.as_str(), i.unique, i.method.as_str())).collect();
        assert_eq!(
            names,
            [("PRIMARY", true, "BTREE"), ("u", true, "HASH"), ("nt", false, "BTREE"), ("ft", false, "FULLTEXT")]
        );
        assert!(t.indexes[1].parts[1].descending);
        assert_eq!((t.indexes[1].comment.as_str(), t.indexes[2].parts[0].prefix), ("uu", Some(10)));
        let key = &t.foreign_keys[0];
        assert_eq!((key.database.as_deref(), key.table.as_str()), (Some("crm"), "customers"));
        assert_eq!((key.on_delete.as_str(), key.on_update.as_str()), ("CASCADE", "SET NULL"));
        assert_eq!(t.checks, [("ck2".to_string(), "`amount` > 0 and (`id` > 1)".to_string())]);
        assert_eq!((t.engine.as_deref(), t.auto_increment, t.comment.as_str()), (Some("InnoDB"), Some(17), "order's"));
        assert!(t.partitioned);
    }

    #[test]
    fn what_is_no_table_is_empty() {
        assert_eq!(TableText::read("CREATE TABLE"), TableText::default());
        assert_eq!(TableText::read("CREATE TABLE t ('"), TableText::default());
        assert!(TableText::read("CREATE TABLE t (").columns.is_empty());
    }
}
