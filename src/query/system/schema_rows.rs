//! What do the databases, tables and columns of the moment look like in information_schema?

use super::columns::{column_facts, column_rows};
use super::create::{Index, TableText};
use super::lex::Words;
use super::listing::{optional, text};
use super::scene::{Scene, Visible};
use super::tables::{all, charset};
use crate::model::{ObjectKind, Row, TableKind, TableSchema, Value};
use crate::query::system::INFORMATION_SCHEMA;
use std::sync::Arc;

/// A table that can be named, with its database and what its text says.
pub(super) struct Table {
    pub database: Visible,
    pub schema: Arc<TableSchema>,
    pub text: TableText,
}

/// The tables of these databases, by database and name.
pub(super) fn tables_of(databases: &[Visible]) -> Vec<Table> {
    let mut all = Vec::new();
    for database in databases {
        let of = database.catalog.tables.values().filter(|t| t.name.database == database.database);
        let mut found: Vec<_> = of.cloned().collect();
        found.sort_by(|a, b| a.name.table.cmp(&b.name.table));
        all.extend(found.into_iter().map(|schema| {
            let text = TableText::read(&schema.create);
            Table { database: database.clone(), schema, text }
        }));
    }
    all
}

fn number(n: impl Into<i64>) -> Value {
    Value::Int(n.into())
}

fn ordinal(n: usize) -> i64 {
    i64::try_from(n + 1).unwrap_or(i64::MAX)
}

pub(super) fn schemata(scene: &Scene) -> Vec<Row> {
    let row = |name: &str, charset: &str, collation: &str, comment: &str| {
        vec![text("def"), text(name), text(charset), text(collation), Value::Null, text(comment)]
    };
    let mut rows = vec![row(INFORMATION_SCHEMA, "utf8mb3", "utf8mb3_general_ci", "")];
    for v in scene.visible() {
        let create = v.catalog.databases.get(&v.database).map_or("", String::as_str);
        let facts = database_facts(create);
        rows.push(row(&v.name, &facts.charset, &facts.collation, &facts.comment));
    }
    rows.sort_by_key(|r| format!("{:?}", r.get(1)));
    rows
}

/// A database's default charset and collation, from its CREATE DATABASE statement: what `@@character_set_database`
/// and `@@collation_database` say while it is the default one.
pub fn database_charset(create: &str) -> (String, String) {
    let facts = database_facts(create);
    (facts.charset, facts.collation)
}

/// What a CREATE DATABASE statement says.
pub(super) struct DatabaseFacts {
    pub charset: String,
    pub collation: String,
    pub comment: String,
}

pub(super) fn database_facts(create: &str) -> DatabaseFacts {
    let (mut set, mut collation, mut comment) = (None, None, String::new());
    if let Ok(mut words) = Words::of(create) {
        while words.peek().is_some() {
            if words.take(&["CHARACTER", "SET"]) || words.take(&["CHARSET"]) {
                words.take_symbol('=');
                set = words.name().ok();
            } else if words.take(&["COLLATE"]) {
                words.take_symbol('=');
                collation = words.name().ok();
            } else if words.take(&["COMMENT"]) {
                words.take_symbol('=');
                comment = words.string().unwrap_or_default();
            } else {
                words.next();
            }
        }
    }
    let of_collation = collation.as_deref().and_then(|c| c.split('_').next()).map(str::to_string);
    let charset_name = set.or(of_collation).unwrap_or_else(|| "utf8mb4".to_string());
    let collation = collation.or_else(|| charset(&charset_name).map(str::to_string));
    DatabaseFacts {
        collation: collation.unwrap_or_else(|| "utf8mb4_general_ci".to_string()),
        charset: charset_name,
        comment,
    }
}

/// The collation of the columns that name none.
pub(super) fn table_collation(t: &TableText) -> Option<String> {
    t.collation.clone().or_else(|| charset(t.charset.as_deref()?).map(str::to_string))
}

pub(super) fn tables(scene: &Scene) -> Vec<Row> {
    let mut rows: Vec<Row> = all().keys().map(|t| system_view(t)).collect();
    let databases = scene.visible();
    for t in tables_of(&databases) {
        let what = match t.schema.kind {
            TableKind::Plain => "BASE TABLE",
            TableKind::SystemVersioned => "SYSTEM VERSIONED",
            TableKind::Sequence => "SEQUENCE",
        };
        let mut row = table_row(&t.database.name, &t.schema.name.table, what, &t.text.comment);
        row[4] = text(t.text.engine.clone().unwrap_or_else(|| "InnoDB".to_string()));
        row[5] = Value::UInt(10);
        row[6] = text(t.text.row_format.as_deref().map_or("Dynamic".to_string(), capitalized));
        row[13] = t.text.auto_increment.map_or(Value::Null, Value::UInt);
        row[17] = optional(table_collation(&t.text));
        row[19] = text(if t.text.partitioned { "partitioned" } else { "" });
        row[22] = text("N");
        rows.push(row);
    }
    for v in &databases {
        let refused = v.catalog.refused.iter().filter(|(name, _)| name.database == v.database);
        rows.extend(refused.map(|(name, why)| {
            let kind = if why.view { "VIEW" } else { "BASE TABLE" };
            table_row(&v.name, &name.table, kind, &format!("not carried: {why}"))
        }));
        let views = v.catalog.objects.keys().filter(|k| k.kind == ObjectKind::View && k.database == v.database);
        rows.extend(views.map(|k| table_row(&v.name, &k.name, "VIEW", "VIEW")));
    }
    rows.sort_by_cached_key(|r| format!("{:?} {:?}", r.get(1), r.get(2)));
    rows
}

fn table_row(database: &str, table: &str, kind: &str, comment: &str) -> Row {
    let mut row = vec![Value::Null; 23];
    row[0] = text("def");
    row[1] = text(database);
    row[2] = text(table);
    row[3] = text(kind);
    row[20] = text(comment.chars().take(2048).collect::<String>());
    row
}

fn system_view(table: &str) -> Row {
    let mut row = table_row(INFORMATION_SCHEMA, table, "SYSTEM VIEW", "");
    row[4] = text("MEMORY");
    row[5] = Value::UInt(11);
    row[6] = text("Fixed");
    row[17] = text(super::listing::COLLATION);
    row[22] = text("Y");
    row
}

fn capitalized(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or(String::new(), |c| c.to_uppercase().chain(chars.flat_map(char::to_lowercase)).collect())
}

pub(super) fn columns(scene: &Scene) -> Vec<Row> {
    let mut rows = Vec::new();
    for schema in all().values() {
        rows.extend(column_rows(INFORMATION_SCHEMA, &schema.name.table, &schema.columns, &TableText::default(), &[]));
    }
    for t in tables_of(&scene.visible()) {
        let facts = column_facts(&t.schema, &t.text);
        rows.extend(column_rows(&t.database.name, &t.schema.name.table, &t.schema.columns, &t.text, &facts));
    }
    for ((database, view), columns) in &scene.views {
        rows.extend(column_rows(database, view, columns, &TableText::default(), &[]));
    }
    rows
}

/// Its indexes, with the primary key that the schema has if the text tells none.
fn indexes(t: &Table) -> Vec<Index> {
    let mut indexes = t.text.indexes.clone();
    if t.schema.has_key() && !indexes.iter().any(|i| i.name == "PRIMARY") {
        let columns = t.schema.primary_key.iter().filter_map(|p| t.schema.columns.get(*p));
        let part = |c: &crate::model::Column| super::create::IndexPart {
            column: c.name.clone(),
            prefix: None,
            descending: false,
        };
        let parts = columns.map(part).collect();
        indexes.insert(
            0,
            Index { name: "PRIMARY".into(), unique: true, method: "BTREE".into(), parts, ..Index::default() },
        );
    }
    indexes
}

pub(super) fn statistics(scene: &Scene) -> Vec<Row> {
    let mut rows = Vec::new();
    for t in tables_of(&scene.visible()) {
        let database = &t.database.name;
        for index in indexes(&t) {
            for (i, part) in index.parts.iter().enumerate() {
                let ordered = index.method == "BTREE";
                let nullable = t.schema.column(&part.column).is_some_and(|(_, c)| c.nullable);
                rows.push(vec![
                    text("def"),
                    text(database.as_str()),
                    text(t.schema.name.table.as_str()),
                    number(i64::from(!index.unique)),
                    text(database.as_str()),
                    text(index.name.as_str()),
                    Value::UInt(i as u64 + 1),
                    text(part.column.as_str()),
                    if ordered { text(if part.descending { "D" } else { "A" }) } else { Value::Null },
                    Value::Null,
                    part.prefix.map_or(Value::Null, Value::Int),
                    Value::Null,
                    text(if nullable { "YES" } else { "" }),
                    text(index.method.as_str()),
                    text(""),
                    text(index.comment.as_str()),
                    text(if index.ignored { "YES" } else { "NO" }),
                ]);
            }
        }
    }
    rows
}

pub(super) fn key_column_usage(scene: &Scene) -> Vec<Row> {
    let mut rows = Vec::new();
    for t in tables_of(&scene.visible()) {
        let (database, table) = (&t.database.name, &t.schema.name.table);
        let row = |key: &str, column: &str, at: usize| {
            let mut row = vec![text("def"), text(database.as_str()), text(key), text("def"), text(database.as_str())];
            row.extend([text(table.as_str()), text(column), number(ordinal(at))]);
            row.resize(12, Value::Null);
            row
        };
        for index in indexes(&t).iter().filter(|i| i.unique) {
            rows.extend(index.parts.iter().enumerate().map(|(i, p)| row(&index.name, &p.column, i)));
        }
        for key in &t.text.foreign_keys {
            let of = referenced_database(&t, key.database.as_deref());
            for (i, column) in key.columns.iter().enumerate() {
                let mut row = row(&key.name, column, i);
                row[8] = number(ordinal(i));
                row[9] = text(of.as_str());
                row[10] = text(key.table.as_str());
                row[11] = optional(key.referenced.get(i).cloned());
                rows.push(row);
            }
        }
    }
    rows
}

/// A referenced table's database as the session names it: the table's own moment goes with it.
fn referenced_database(t: &Table, named: Option<&str>) -> String {
    match named {
        None => t.database.name.clone(),
        Some(n) => t.database.name.replacen(&t.database.database, n, 1),
    }
}

pub(super) fn table_constraints(scene: &Scene) -> Vec<Row> {
    let mut rows = Vec::new();
    for t in tables_of(&scene.visible()) {
        let database = t.database.name.as_str();
        let mut add = |name: &str, kind: &str| {
            let table = text(t.schema.name.table.as_str());
            rows.push(vec![text("def"), text(database), text(name), text(database), table, text(kind)]);
        };
        for index in indexes(&t).iter().filter(|i| i.unique) {
            add(&index.name, if index.name == "PRIMARY" { "PRIMARY KEY" } else { "UNIQUE" });
        }
        t.text.columns.iter().filter(|c| c.check.is_some()).for_each(|c| add(&c.name, "CHECK"));
        t.text.checks.iter().for_each(|(name, _)| add(name, "CHECK"));
        t.text.foreign_keys.iter().for_each(|k| add(&k.name, "FOREIGN KEY"));
    }
    rows
}

pub(super) fn referential_constraints(scene: &Scene) -> Vec<Row> {
    let tables = tables_of(&scene.visible());
    let mut rows = Vec::new();
    for t in &tables {
        for key in &t.text.foreign_keys {
            let of = referenced_database(t, key.database.as_deref());
            let parent = tables.iter().find(|p| p.database.name == of && p.schema.name.table == key.table);
            let fits = |i: &&Index| i.unique && i.parts.iter().map(|p| &p.column).eq(key.referenced.iter());
            let unique = parent.and_then(|p| indexes(p).iter().find(fits).map(|i| i.name.clone()));
            rows.push(vec![
                text("def"),
                text(t.database.name.as_str()),
                text(key.name.as_str()),
                text("def"),
                text(of),
                optional(unique),
                text("NONE"),
                text(key.on_update.as_str()),
                text(key.on_delete.as_str()),
                text(t.schema.name.table.as_str()),
                text(key.table.as_str()),
            ]);
        }
    }
    rows
}

pub(super) fn check_constraints(scene: &Scene) -> Vec<Row> {
    let mut rows = Vec::new();
    for t in tables_of(&scene.visible()) {
        let mut add = |name: &str, level: &str, clause: &str| {
            let database = text(t.database.name.as_str());
            let table = text(t.schema.name.table.as_str());
            rows.push(vec![text("def"), database, table, text(name), text(level), text(clause)]);
        };
        for c in &t.text.columns {
            c.check.iter().for_each(|clause| add(&c.name, "Column", clause));
        }
        t.text.checks.iter().for_each(|(name, clause)| add(name, "Table", clause));
    }
    rows
}

/// One row for each table that is not partitioned, as the server has it. Partitions are not told.
pub(super) fn partitions(scene: &Scene) -> Vec<Row> {
    let whole = tables_of(&scene.visible()).into_iter().filter(|t| !t.text.partitioned);
    whole
        .map(|t| {
            let mut row = vec![Value::Null; 25];
            row[0] = text("def");
            row[1] = text(t.database.name.as_str());
            row[2] = text(t.schema.name.table.as_str());
            row[22] = text("");
            row[23] = text("");
            row
        })
        .collect()
}
