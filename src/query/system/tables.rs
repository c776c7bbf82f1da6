//! Which system tables are there, and which rows do they have?

use super::listing::{Listing, table_schema};
use super::{INFORMATION_SCHEMA, Scene, objects, schema_rows, server_rows};
use crate::error::{Error, Result};
use crate::model::{ColumnType, Row, RowsBuilder, TableName, TableSchema, TextSize};
use arrow::array::RecordBatch;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

type Schemas = BTreeMap<String, Arc<TableSchema>>;

/// Every table of information_schema, by name in upper case.
pub(super) fn all() -> &'static Schemas {
    static ALL: OnceLock<Schemas> = OnceLock::new();
    ALL.get_or_init(|| {
        let text = include_str!("../../../sql/information_schema.sql");
        let mut columns: BTreeMap<&str, Vec<(String, ColumnType, bool)>> = BTreeMap::new();
        let mut table = "";
        for line in text.lines().filter(|l| !l.is_empty() && !l.starts_with("--")) {
            let Some(column) = line.strip_prefix("  ") else {
                table = line;
                continue;
            };
            let (name, kind) = column.split_once(' ').unwrap_or((column, ""));
            let nullable = !kind.ends_with(" NOT NULL");
            let kind = kind_of(kind.trim_end_matches(" NOT NULL"));
            columns.entry(table).or_default().push((name.to_string(), kind, nullable));
        }
        columns
            .into_iter()
            .map(|(t, c)| (t.to_string(), table_schema(TableName::new(INFORMATION_SCHEMA, t), c.into_iter())))
            .collect()
    })
}

/// A system table's schema; `None` when there is no such table. Names are without regard to case.
/// `database`: `information_schema`.
pub fn schema(database: &str, table: &str) -> Option<Arc<TableSchema>> {
    let known = database.eq_ignore_ascii_case(INFORMATION_SCHEMA);
    known.then(|| all().get(&table.to_uppercase()).cloned()).flatten()
}

/// A system table's rows, in its schema's columns.
/// Errors: `Internal`.
pub fn rows(schema: &TableSchema, scene: &Scene) -> Result<RecordBatch> {
    let mut builder = RowsBuilder::new(schema);
    for row in values(&schema.name.table, scene) {
        builder.push(&row).map_err(|e| e.context(format!("information_schema.{}", schema.name.table)))?;
    }
    Ok(builder.finish())
}

/// A system table as a listing, for SHOW. Errors: `Internal` when there is no such table.
pub(super) fn listing(table: &str, scene: &Scene) -> Result<Listing> {
    let schema = all().get(table).ok_or_else(|| Error::internal(format!("no system table {table}")))?;
    Ok(Listing::of_table(schema, values(table, scene)))
}

fn values(table: &str, scene: &Scene) -> Vec<Row> {
    match table {
        "SCHEMATA" => schema_rows::schemata(scene),
        "TABLES" => schema_rows::tables(scene),
        "COLUMNS" => schema_rows::columns(scene),
        "STATISTICS" => schema_rows::statistics(scene),
        "KEY_COLUMN_USAGE" => schema_rows::key_column_usage(scene),
        "TABLE_CONSTRAINTS" => schema_rows::table_constraints(scene),
        "REFERENTIAL_CONSTRAINTS" => schema_rows::referential_constraints(scene),
        "CHECK_CONSTRAINTS" => schema_rows::check_constraints(scene),
        "PARTITIONS" => schema_rows::partitions(scene),
        "VIEWS" => objects::views(scene),
        "TRIGGERS" => objects::triggers(scene),
        "ROUTINES" => objects::routines(scene),
        "EVENTS" => objects::events(scene),
        "PARAMETERS" => objects::parameters(scene),
        "ENGINES" => server_rows::engines(),
        "CHARACTER_SETS" => server_rows::charsets(),
        "COLLATIONS" => server_rows::collations(),
        "COLLATION_CHARACTER_SET_APPLICABILITY" => server_rows::applicability(),
        "GLOBAL_VARIABLES" | "SESSION_VARIABLES" => server_rows::variables(scene, table),
        "SYSTEM_VARIABLES" => server_rows::system_variables(scene),
        "GLOBAL_STATUS" | "SESSION_STATUS" => server_rows::status(),
        "PROCESSLIST" => server_rows::processlist(scene),
        "USER_PRIVILEGES" => server_rows::user_privileges(scene),
        // privileges on parts, plugins, files, roles, table spaces: there are none
        _ => Vec::new(),
    }
}

/// The lines of a tab-separated list.
pub(super) fn lines(text: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    text.lines().filter(|l| !l.starts_with('#')).map(|l| l.split('\t').collect())
}

pub(super) const COLLATIONS: &str = include_str!("../../../sql/collations.tsv");
pub(super) const CHARSETS: &str = include_str!("../../../sql/charsets.tsv");

/// A collation's own name and its charset's, without regard to case; `utf8_…` is `utf8mb3_…`.
pub fn collation(name: &str) -> Option<(&'static str, &'static str)> {
    let mut wanted = name.to_lowercase();
    if let Some(rest) = wanted.strip_prefix("utf8_") {
        wanted = format!("utf8mb3_{rest}");
    }
    lines(COLLATIONS).find_map(|l| match l.as_slice() {
        [name, charset, ..] if *name == wanted => Some((*name, *charset)),
        _ => None,
    })
}

/// The default collation of a charset, if there is such a charset.
pub(super) fn charset(name: &str) -> Option<&'static str> {
    let wanted = if name.eq_ignore_ascii_case("utf8") { "utf8mb3" } else { name };
    lines(CHARSETS).find_map(|l| match l.as_slice() {
        [name, collation, ..] if name.eq_ignore_ascii_case(wanted) => Some(*collation),
        _ => None,
    })
}

/// The type that a definition of ours names.
pub(super) fn kind_of(text: &str) -> ColumnType {
    let (text, unsigned) = match text.strip_suffix(" unsigned") {
        Some(rest) => (rest, true),
        None => (text, false),
    };
    let (name, arguments) = text.split_once('(').unwrap_or((text, ""));
    let arguments = arguments.trim_end_matches(')');
    let mut numbers = arguments.split(',').map(|n| n.trim().parse::<u32>().unwrap_or_default());
    let mut number = || numbers.next().unwrap_or_default();
    let int = |bytes| ColumnType::Int { bytes, unsigned, zerofill: None };
    let small = |n: u32| u8::try_from(n).unwrap_or_default();
    match name {
        "tinyint" => int(1),
        "smallint" => int(2),
        "int" => int(4),
        "bigint" => int(8),
        "double" => ColumnType::Double { unsigned: false, decimals: None },
        "decimal" => {
            ColumnType::Decimal { precision: small(number()), scale: small(number()), unsigned: false, zerofill: false }
        }
        "datetime" => ColumnType::DateTime { fsp: small(number()) },
        "longtext" => ColumnType::Text { size: TextSize::Long },
        "blob" => ColumnType::Blob { size: TextSize::Normal },
        "enum" => {
            ColumnType::Enum { members: arguments.split("','").map(|m| m.trim_matches('\'').to_string()).collect() }
        }
        _ => ColumnType::Varchar { length: number() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definitions_are_read_whole() {
        let text = include_str!("../../../sql/information_schema.sql");
        let columns = text.lines().filter(|l| l.starts_with("  ")).count();
        assert_eq!(all().values().map(|t| t.columns.len()).sum::<usize>(), columns);
        let tables = schema("Information_Schema", "tables").expect("there");
        assert_eq!(tables.columns[0].kind, ColumnType::Varchar { length: 512 });
        assert_eq!(tables.columns.len(), 23);
        let name = &tables.columns[2];
        assert_eq!((name.name.as_str(), name.nullable), ("TABLE_NAME", false));
        assert_eq!(tables.columns[7].kind, ColumnType::Int { bytes: 8, unsigned: true, zerofill: None });
        assert_eq!(schema("information_schema", "nothing"), None);
        assert_eq!(schema("shop", "tables"), None);
    }

    #[test]
    fn charsets_and_collations_are_known() {
        assert_eq!(collation("UTF8_general_ci"), Some(("utf8mb3_general_ci", "utf8mb3")));
        assert_eq!(charset("utf8"), Some("utf8mb3_general_ci"));
        assert_eq!(charset("klingon"), None);
    }
}
