//! What does the server consist of, but for the rows? Every text as SHOW CREATE prints it.

use super::connect::{TextRow, ask, at, literal};
use super::ddl::{Refusal, parse_create_table, settle_foreign_keys};
use super::family::{Family, Version};
use crate::error::{Error, Kind, Result};
use crate::model::{
    Catalog, NotCarried, Object, ObjectKey, ObjectKind, ServerUrl, TableId, TableName, TableSchema, quote_name,
};
use crate::source::Filter;
use mysql_async::Conn;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Charset and collation of a table whose text names none. SHOW CREATE TABLE's always does.
pub const DEFAULTS: (&str, &str) = ("utf8mb4", "utf8mb4_general_ci");

/// The catalog, and what only the server knows of its tables.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    pub catalog: Catalog,
    /// Bytes and rows, as the server estimates them.
    pub sizes: BTreeMap<TableId, (u64, u64)>,
    /// Storage engines of all tables, carried or not.
    pub engines: BTreeMap<TableName, String>,
    /// SHOW CREATE TABLE's own texts of all tables, carried or not.
    pub creates: BTreeMap<TableName, String>,
}

impl Seen {
    /// Whether both were the same state. Counters that rows move (AUTO_INCREMENT) do not count.
    pub fn same(&self, other: &Seen) -> bool {
        let (a, b) = (&self.catalog, &other.catalog);
        a.databases == b.databases
            && a.objects == b.objects
            && a.refused.keys().eq(b.refused.keys())
            && a.tables.len() == b.tables.len()
            && a.tables.values().zip(b.tables.values()).all(|(a, b)| same_table(a, b))
    }
}

fn same_table(a: &TableSchema, b: &TableSchema) -> bool {
    a.name == b.name && same_text(&a.create, &b.create)
}

/// Whether two CREATE TABLE texts say the same, but for the AUTO_INCREMENT counter.
pub fn same_text(a: &str, b: &str) -> bool {
    without_counter(a) == without_counter(b)
}

/// Whether two CREATE TABLE texts make the same table, however they spell it: MySQL shows a column's charset if it was
/// typed, though it be the table's.
pub fn same_definition(a: &str, b: &str, name: &TableName) -> bool {
    let read = |text: &str| parse_create_table(text, name.clone(), TableId(0), DEFAULTS).map(|t| t.create);
    same_text(a, b) || matches!((read(a), read(b)), (Ok(a), Ok(b)) if same_text(&plainly(&a), &plainly(&b)))
}

/// The partitions without what a server adds to them or prints in another way than it was typed.
fn plainly(create: &str) -> String {
    let Some((table, partitions)) = create.split_once("\n PARTITION BY ") else { return create.to_string() };
    let mut plain = partitions.to_ascii_lowercase();
    plain.retain(|c| !c.is_whitespace() && c != '`');
    format!("{table} {}", plain.replace("engine=innodb", ""))
}

/// The table's options stand on the first line that begins with a parenthesis; partitions come behind it. A comment's
/// text could say AUTO_INCREMENT too; options come before it.
fn without_counter(create: &str) -> String {
    let at = create.find("\n)").map_or(0, |at| at + 1);
    let (items, rest) = create.split_at(at);
    let (options, partitions) = rest.split_at(rest.find('\n').unwrap_or(rest.len()));
    match options.split_once(" AUTO_INCREMENT=") {
        Some((before, after)) if !before.contains("COMMENT=") => {
            format!("{items}{before}{}{partitions}", after.trim_start_matches(|c: char| c.is_ascii_digit()))
        }
        _ => create.to_string(),
    }
}

/// Reads everything that the filter lets through. Tables get the ids 1, 2, 3, … in the order of their names.
/// Errors: as `connect::failed`; `Server` when a text is hidden from this account.
pub async fn read(conn: &mut Conn, url: &ServerUrl, filter: &Filter) -> Result<Seen> {
    let mut seen = Seen::default();
    let family = Version::ask(conn, url).await?.family;
    seen.catalog.next_table = 1;
    let databases = ask(conn, url, "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA ORDER BY SCHEMA_NAME").await?;
    for row in databases.iter().filter(|row| filter.database(at(row, 0))) {
        let database = at(row, 0);
        let created = ask(conn, url, &format!("SHOW CREATE DATABASE {}", quote_name(database))).await?;
        seen.catalog.databases.insert(database.to_string(), only(&created, 1, database)?);
        // in their own database, the texts of views do not name it
        ask(conn, url, &format!("USE {}", quote_name(database))).await?;
        read_tables(conn, url, family, filter, database, &mut seen).await?;
        read_programs(conn, url, database, &mut seen.catalog).await?;
    }
    settle_foreign_keys(&mut seen.catalog, filter);
    read_grants(conn, url, family, &mut seen.catalog).await?;
    Ok(seen)
}

async fn read_tables(
    conn: &mut Conn,
    url: &ServerUrl,
    family: Family,
    filter: &Filter,
    database: &str,
    seen: &mut Seen,
) -> Result<()> {
    let tables = ask(
        conn,
        url,
        &format!(
            "SELECT TABLE_NAME, TABLE_TYPE, ENGINE, TABLE_ROWS, DATA_LENGTH FROM information_schema.TABLES \
             WHERE TABLE_SCHEMA = {} ORDER BY TABLE_NAME",
            literal(database)
        ),
    )
    .await?;
    for row in &tables {
        let name = TableName::new(database, at(row, 0));
        if !filter.table(&name) {
            continue;
        }
        match at(row, 1) {
            "BASE TABLE" | "SYSTEM VERSIONED" | "SEQUENCE" => {
                seen.engines.insert(name.clone(), at(row, 2).to_string());
                let create = create_table(conn, url, &name).await?;
                let id = TableId(seen.catalog.next_table);
                seen.catalog.next_table += 1;
                seen.creates.insert(name.clone(), create.clone());
                match described(family, &create, name.clone(), id) {
                    Ok(schema) => {
                        let number = |position| at(row, position).parse().unwrap_or(0);
                        seen.sizes.insert(id, (number(4), number(3)));
                        seen.catalog.tables.insert(id, Arc::new(schema));
                    }
                    Err(refusal) => drop(seen.catalog.refused.insert(name, NotCarried::table(refusal.to_string()))),
                }
            }
            "VIEW" => {
                let shown = ask(conn, url, &format!("SHOW CREATE VIEW {}", name.quoted())).await?;
                let key = ObjectKey { kind: ObjectKind::View, database: database.into(), name: name.table.clone() };
                let create = only(&shown, 1, &name)?;
                seen.catalog.objects.insert(key.clone(), Object { key, create, sql_mode: String::new(), table: None });
            }
            other => {
                let why = format!("it is a {}, which this release does not carry", other.to_lowercase());
                let why = NotCarried { view: other.ends_with("VIEW"), why };
                seen.catalog.refused.insert(name, why);
            }
        }
    }
    Ok(())
}

/// The table that SHOW CREATE TABLE's text describes. MySQL's text is kept as it is; MariaDB's is written anew by the
/// engine that applies statements to it, which writes as MariaDB does.
pub fn described(
    family: Family,
    create: &str,
    name: TableName,
    id: TableId,
) -> std::result::Result<TableSchema, Refusal> {
    let mut schema = parse_create_table(create, name, id, DEFAULTS)?;
    if family == Family::MySql {
        schema.create = create.to_string();
    }
    Ok(schema)
}

/// SHOW CREATE TABLE's text.
pub async fn create_table(conn: &mut Conn, url: &ServerUrl, name: &TableName) -> Result<String> {
    only(&ask(conn, url, &format!("SHOW CREATE TABLE {}", name.quoted())).await?, 1, name)
}

/// Triggers, routines and events of one database.
async fn read_programs(conn: &mut Conn, url: &ServerUrl, database: &str, catalog: &mut Catalog) -> Result<()> {
    let of = |columns: &str, table: &str, schema: &str| {
        format!("SELECT {columns} FROM information_schema.{table} WHERE {schema} = {}", literal(database))
    };
    let lists = [
        (ObjectKind::Trigger, "TRIGGER", of("TRIGGER_NAME, EVENT_OBJECT_TABLE", "TRIGGERS", "TRIGGER_SCHEMA")),
        (
            ObjectKind::Procedure,
            "PROCEDURE",
            of("ROUTINE_NAME", "ROUTINES", "ROUTINE_TYPE = 'PROCEDURE' AND ROUTINE_SCHEMA"),
        ),
        (
            ObjectKind::Function,
            "FUNCTION",
            of("ROUTINE_NAME", "ROUTINES", "ROUTINE_TYPE = 'FUNCTION' AND ROUTINE_SCHEMA"),
        ),
        (ObjectKind::Event, "EVENT", of("EVENT_NAME", "EVENTS", "EVENT_SCHEMA")),
    ];
    for (kind, word, list) in lists {
        for row in ask(conn, url, &list).await? {
            let name = at(&row, 0).to_string();
            let sql = format!("SHOW CREATE {word} {}.{}", quote_name(database), quote_name(&name));
            let shown = ask(conn, url, &sql).await?;
            // SHOW CREATE EVENT has the time zone before the text
            let position = if kind == ObjectKind::Event { 3 } else { 2 };
            let create = only(&shown, position, format_args!("{} {database}.{name}", word.to_lowercase()))?;
            let key = ObjectKey { kind, database: database.into(), name };
            let sql_mode = shown.first().map(|r| at(r, 1).to_string()).unwrap_or_default();
            let table = (kind == ObjectKind::Trigger).then(|| at(&row, 1).to_string());
            catalog.objects.insert(key.clone(), Object { key, create, sql_mode, table });
        }
    }
    Ok(())
}

/// Accounts and roles with their grants: the CREATE statement first, then one GRANT a line. MySQL's roles are accounts
/// that nobody can log in to.
async fn read_grants(conn: &mut Conn, url: &ServerUrl, family: Family, catalog: &mut Catalog) -> Result<()> {
    let is_role = match family {
        Family::MariaDb => "is_role",
        Family::MySql => "'N'",
    };
    let list = format!(
        "SELECT User, Host, {is_role} AS role FROM mysql.user WHERE User NOT IN \
         ('mariadb.sys', 'mysql.sys', 'mysql.session', 'mysql.infoschema', '') ORDER BY role DESC, User, Host"
    );
    let accounts = ask(conn, url, &list).await?;
    for row in &accounts {
        let role = at(row, 2) == "Y";
        let name = if role { literal(at(row, 0)) } else { format!("{}@{}", literal(at(row, 0)), literal(at(row, 1))) };
        let mut lines = if role {
            vec![format!("CREATE ROLE {name}")]
        } else {
            vec![only(&ask(conn, url, &format!("SHOW CREATE USER {name}")).await?, 0, &name)?]
        };
        for grant in ask(conn, url, &format!("SHOW GRANTS FOR {name}")).await? {
            lines.push(at(&grant, 0).to_string());
        }
        let key = ObjectKey { kind: ObjectKind::Grant, database: String::new(), name };
        let object = Object { key: key.clone(), create: lines.join("\n"), sql_mode: String::new(), table: None };
        catalog.objects.insert(key, object);
    }
    Ok(())
}

/// The cell that a SHOW CREATE statement's only row must have. Errors: `Server` when it is hidden.
fn only(rows: &[TextRow], position: usize, what: impl std::fmt::Display) -> Result<String> {
    match rows.first().and_then(|r| r.get(position)) {
        Some(Some(text)) => Ok(text.clone()),
        Some(None) => Err(Error::new(Kind::Server, format!("the server hides the text of {what} from this account"))
            .hint("Give the account SELECT ON *.*: it may then read the texts of routines.")),
        None => Err(Error::new(Kind::Uncertain, format!("{what} was dropped or altered while the catalog was read"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moved_counter_is_no_other_table() {
        let text = |n: u32, c: &str| {
            format!("CREATE TABLE `t` (\n  `a` int\n) ENGINE=InnoDB AUTO_INCREMENT={n} COMMENT='{c}'")
        };
        assert!(same_text(&text(1, "x"), &text(99, "x")));
        assert!(!same_text(&text(1, "x"), &text(1, "y")));
        let parts = |n: u32, parts: u8| text(n, "x") + &format!("\n PARTITION BY HASH (`a`)\nPARTITIONS {parts}");
        assert!(same_text(&parts(1, 3), &parts(99, 3)));
        assert!(!same_text(&parts(1, 3), &parts(1, 4)));
        let plain = "CREATE TABLE `t` (\n  `a` int\n) ENGINE=InnoDB COMMENT=' AUTO_INCREMENT=";
        assert!(!same_text(&format!("{plain}1'"), &format!("{plain}2'")));
    }

    #[test]
    fn the_same_partitions_in_other_words_are_no_other_table() {
        let ours = "CREATE TABLE `t` (\n  `id` int NOT NULL AUTO_INCREMENT,\n  `c1` bit(1) DEFAULT NULL,\n  PRIMARY KEY (`id`)\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_ai_ci\n PARTITION BY RANGE (`id`) (PARTITION p0 VALUES LESS THAN (20), PARTITION p1 VALUES LESS THAN (60), PARTITION p2 VALUES LESS THAN MAXVALUE)";
        let theirs = "CREATE TABLE `t` (\n  `id` int NOT NULL AUTO_INCREMENT,\n  `c1` bit(1) DEFAULT NULL,\n  PRIMARY KEY (`id`)\n) ENGINE=InnoDB AUTO_INCREMENT=2147483648 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_ai_ci\n/*!50100 PARTITION BY RANGE (`id`)\n(PARTITION p0 VALUES LESS THAN (20) ENGINE = InnoDB,\n PARTITION p1 VALUES LESS THAN (60) ENGINE = InnoDB,\n PARTITION p2 VALUES LESS THAN MAXVALUE ENGINE = InnoDB) */";
        let name = TableName::new("s", "t");
        let read = |text: &str| parse_create_table(text, name.clone(), TableId(0), DEFAULTS).map(|t| t.create);
        assert!(same_definition(ours, theirs, &name), "{:?}\n{:?}", read(ours), read(theirs));
    }
}
