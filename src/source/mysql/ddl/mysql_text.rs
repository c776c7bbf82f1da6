//! A table's definition in the words in which MySQL shows it: widths of integers left out, JSON as a type, numbers as
//! quoted defaults. The engine writes definitions as MariaDB does; this turns them over, column by column.

use crate::model::{ColumnType, TableSchema, quote_name};

const INTEGERS: [&str; 5] = ["tinyint", "smallint", "mediumint", "int", "bigint"];
const JSON: &str = "longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";

/// The CREATE TABLE statement of a table that MySQL holds. What is in MySQL's words already stays as it is.
pub fn in_mysql_words(schema: &TableSchema) -> String {
    let mut lines: Vec<String> = schema.create.split('\n').map(str::to_string).collect();
    for (line, column) in lines.iter_mut().skip(1).zip(&schema.columns) {
        let head = format!("  {} ", quote_name(&column.name));
        let Some(definition) = line.strip_prefix(&head) else { break };
        let (definition, comma) = match definition.strip_suffix(',') {
            Some(d) => (d, ","),
            None => (definition, ""),
        };
        *line = format!("{head}{}{comma}", definition_in_words(definition, &column.kind, &column.name));
    }
    lines.join("\n")
}

fn definition_in_words(text: &str, kind: &ColumnType, name: &str) -> String {
    let mut text = text.to_string();
    match kind {
        ColumnType::Json => {
            if let Some(rest) = text.strip_prefix(JSON) {
                text = format!("json{rest}");
            }
            let check = format!(" CHECK (json_valid({}))", quote_name(name));
            text = text.strip_suffix(&check).unwrap_or(&text).to_string();
        }
        ColumnType::Int { .. } => text = without_width(&text),
        ColumnType::Year => text = text.replacen("year(4)", "year", 1),
        ColumnType::Text { .. } | ColumnType::Blob { .. } => text = text.replacen(" DEFAULT NULL", "", 1),
        ColumnType::Timestamp { .. } | ColumnType::DateTime { .. } => {
            text = text
                .replace("current_timestamp()", "CURRENT_TIMESTAMP")
                .replace("current_timestamp(", "CURRENT_TIMESTAMP(");
        }
        _ => {}
    }
    if kind.is_numeric() { with_quoted_default(text) } else { text }
}

/// `int(11) unsigned` is `int unsigned`; widths that show stay: of TINYINT(1), and of what is filled with zeros.
fn without_width(text: &str) -> String {
    let Some((word, rest)) = text.split_once('(') else { return text.to_string() };
    let Some((width, rest)) = rest.split_once(')') else { return text.to_string() };
    let shows = word == "tinyint" && width == "1" && !rest.starts_with(" unsigned") || rest.contains(" zerofill");
    if !INTEGERS.contains(&word) || shows { text.to_string() } else { format!("{word}{rest}") }
}

fn with_quoted_default(text: String) -> String {
    let Some((before, after)) = text.split_once(" DEFAULT ") else { return text };
    let end = after.find(' ').unwrap_or(after.len());
    let (value, rest) = after.split_at(end);
    let number = value.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '.');
    if number { format!("{before} DEFAULT '{value}'{rest}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::super::parse_create_table;
    use super::*;
    use crate::model::{TableId, TableName};

    #[test]
    fn a_definition_comes_out_as_mysql_shows_it() {
        let shown = "CREATE TABLE `t` (
  `id` int NOT NULL AUTO_INCREMENT,
  `a` bigint unsigned NOT NULL DEFAULT '5',
  `k` tinyint(1) DEFAULT NULL,
  `z` int(5) unsigned zerofill DEFAULT NULL,
  `s` varchar(20) COLLATE utf8mb4_bin DEFAULT '(11) int(11)',
  `n` decimal(10,2) NOT NULL DEFAULT '-1.50' COMMENT 'x DEFAULT 7',
  `b` text NOT NULL,
  `c` text,
  `ts` datetime(3) DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
  `now` timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  `j` json DEFAULT NULL,
  `y` year DEFAULT NULL,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin";
        // a collation that is the table's is not repeated here
        let shown = shown.replace("varchar(20) COLLATE utf8mb4_bin", "varchar(20)");
        let table = parse_create_table(&shown, TableName::new("d", "t"), TableId(1), ("utf8mb4", "utf8mb4_bin"));
        let mut table = table.expect("it is read");
        assert!(table.create.contains("int(11)") && table.create.contains("json_valid"), "{}", table.create);
        assert_eq!(in_mysql_words(&table), shown);
        table.create = shown.to_string();
        assert_eq!(in_mysql_words(&table), shown, "nothing is left to turn over");
    }
}
