//! SHOW and information_schema of a small shop, compared with what MariaDB 10.11 answers for the same statements.

use super::scene::Visible;
use super::{Scene, Show, VERSION, Variables, rows, tables};
use crate::error::Kind;
use crate::model::*;
use crate::query::{Warning, WarningLevel};
use std::collections::BTreeMap;
use std::sync::Arc;

const ORDERS: &str = "CREATE TABLE `orders` (
  `id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  `cust` int(11) DEFAULT NULL,
  `amount` decimal(10,2) unsigned NOT NULL DEFAULT 0.00,
  `note` varchar(20) DEFAULT 'it''s' COMMENT 'n',
  `at` timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp(),
  PRIMARY KEY (`id`),
  KEY `c` (`cust`,`amount` DESC),
  CONSTRAINT `fk1` FOREIGN KEY (`cust`) REFERENCES `customers` (`id`) ON DELETE CASCADE ON UPDATE SET NULL,
  CONSTRAINT `ck2` CHECK (`amount` > 0)
) ENGINE=InnoDB AUTO_INCREMENT=7 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci COMMENT='order''s'";
const CUSTOMERS: &str = "CREATE TABLE `customers` (
  `id` int(11) NOT NULL,
  `name` varchar(20) NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `n` (`name`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci";
const VIEW: &str =
    "CREATE ALGORITHM=UNDEFINED DEFINER=`root`@`localhost` SQL SECURITY DEFINER VIEW `v` AS select 1 AS `a`";
const TRIGGER: &str =
    "CREATE DEFINER=`root`@`localhost` trigger tr before insert on orders for each row set new.note = 'x'";

fn column(id: u32, name: &str, kind: ColumnType, nullable: bool) -> Column {
    let collation = kind.is_text().then(|| "utf8mb4_general_ci".to_string());
    let (default, extra, comment) = match name {
        "amount" => (Some("0.00"), "", ""),
        "note" => (Some("'it''s'"), "", "n"),
        "at" => (Some("current_timestamp()"), "on update current_timestamp()", ""),
        "id" if matches!(kind, ColumnType::Int { bytes: 8, .. }) => (None, "auto_increment", ""),
        _ => (None, "", ""),
    };
    let default = default.map(str::to_string);
    let (extra, comment) = (extra.to_string(), comment.to_string());
    Column { nullable, collation, default, extra, comment, ..Column::new(ColumnId(id), name, kind) }
}

fn table(id: u32, name: &str, columns: Vec<Column>, create: &str) -> (TableId, Arc<TableSchema>) {
    let next_column = u32::try_from(columns.len()).expect("few");
    let schema = TableSchema {
        id: TableId(id),
        name: TableName::new("shop", name),
        columns,
        primary_key: vec![0],
        create: create.into(),
        next_column,
        foreign_keys: Vec::new(),
        kind: Default::default(),
    };
    (schema.id, Arc::new(schema))
}

fn object(kind: ObjectKind, name: &str, create: &str) -> (ObjectKey, Object) {
    let database = if kind == ObjectKind::Grant { "" } else { "shop" };
    let key = ObjectKey { kind, database: database.into(), name: name.into() };
    (key.clone(), Object { key, create: create.into(), sql_mode: "STRICT_TRANS_TABLES".into(), table: None })
}

fn catalog() -> Catalog {
    let int = |bytes, unsigned| ColumnType::Int { bytes, unsigned, zerofill: None };
    let amount = ColumnType::Decimal { precision: 10, scale: 2, unsigned: true, zerofill: false };
    let orders = vec![
        column(0, "id", int(8, true), false),
        column(1, "cust", int(4, false), true),
        column(2, "amount", amount, false),
        column(3, "note", ColumnType::Varchar { length: 20 }, true),
        column(4, "at", ColumnType::Timestamp { fsp: 0 }, false),
    ];
    let customers =
        vec![column(0, "id", int(4, false), false), column(1, "name", ColumnType::Varchar { length: 20 }, false)];
    let create = "CREATE DATABASE `shop` /*!40100 DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci */";
    Catalog {
        databases: BTreeMap::from([("shop".to_string(), create.to_string())]),
        tables: BTreeMap::from([table(1, "orders", orders, ORDERS), table(2, "customers", customers, CUSTOMERS)]),
        objects: BTreeMap::from([
            object(ObjectKind::View, "v", VIEW),
            object(ObjectKind::Trigger, "tr", TRIGGER),
            object(ObjectKind::Procedure, "p", "CREATE DEFINER=`root`@`localhost` PROCEDURE `p`(in a int)\nselect a"),
            object(
                ObjectKind::Function,
                "f",
                "CREATE DEFINER=`root`@`localhost` FUNCTION `f`(x int) RETURNS int(11)\n    DETERMINISTIC\nreturn x+1",
            ),
            object(
                ObjectKind::Event,
                "ev",
                "CREATE DEFINER=`root`@`localhost` EVENT `ev` ON SCHEDULE EVERY 1 DAY STARTS '2026-11-23 05:59:05' ON COMPLETION NOT PRESERVE ENABLE DO select 1",
            ),
        ]),
        refused: BTreeMap::from([
            (TableName::new("shop", "places"), NotCarried::table("column p is of type point")),
            (TableName::new("shop", "wide"), NotCarried::view("its text has NATURAL JOIN")),
        ]),
        ..Catalog::default()
    }
}

fn scene() -> Scene {
    let visible = Visible {
        name: "shop".into(),
        database: "shop".into(),
        cluster: "c".into(),
        moment: Moment { seq: Seq(3), time: Micros(0) },
        catalog: Arc::new(catalog()),
    };
    let past = Visible { name: "shop@2026-01-01".into(), catalog: Arc::new(Catalog::default()), ..visible.clone() };
    let a = column(0, "a", ColumnType::Int { bytes: 4, unsigned: false, zerofill: None }, false);
    Scene {
        user: "ann".into(),
        connection: 9,
        now: Micros(0),
        database: Some("shop".into()),
        cluster: Some("c".into()),
        clusters: Vec::new(),
        named: vec![visible, past],
        between: None,
        variables: Variables::new(9),
        warnings: vec![
            Warning { level: WarningLevel::Warning, code: 1365, message: "Division by 0".into() },
            Warning { level: WarningLevel::Error, code: 1064, message: "bad".into() },
        ],
        proofs: BTreeMap::new(),
        views: BTreeMap::from([(("shop".to_string(), "v".to_string()), vec![a])]),
    }
}

/// The answer as the client prints it: columns by `|`, rows by line; the heading first.
fn show(sql: &str) -> String {
    let statement = Show::parse(sql).expect(sql).unwrap_or_else(|| panic!("{sql} is a SHOW"));
    let (columns, batch) = statement.answer(&scene()).expect(sql).batch().expect(sql);
    let mut lines = vec![columns.iter().map(|c| c.name.clone()).collect::<Vec<_>>().join("|")];
    for row in 0..batch.num_rows() {
        let cell = |(i, c): (usize, &crate::query::ResultColumn)| {
            let value = value_at(batch.column(i), row, &c.kind).expect("of its type");
            value.display(&c.kind).map_or("NULL".to_string(), |b| String::from_utf8_lossy(&b).into_owned())
        };
        lines.push(columns.iter().enumerate().map(cell).collect::<Vec<_>>().join("|"));
    }
    lines.join("\n")
}

fn error(sql: &str) -> (Kind, String) {
    let statement = Show::parse(sql).expect(sql).unwrap_or_else(|| panic!("{sql} is a SHOW"));
    let e = statement.answer(&scene()).expect_err(sql);
    (e.kind, e.message)
}

/// Some columns of a system table where one column is this text.
fn select(table: &str, wanted: &[&str], where_: &str, is: &str) -> Vec<String> {
    let mut l = tables::listing(table, &scene()).expect(table);
    l.keep(|l, r| l.text(r, where_) == is);
    let pairs: Vec<_> = wanted.iter().map(|w| (*w, *w)).collect();
    let (columns, batch) = l.project(&pairs).batch().expect(table);
    assert_eq!(columns.len(), wanted.len(), "{table} has these columns");
    let cell = |row: usize, i: usize| {
        let value = value_at(batch.column(i), row, &columns[i].kind).expect("of its type");
        value.display(&columns[i].kind).map_or("NULL".to_string(), |b| String::from_utf8_lossy(&b).into_owned())
    };
    (0..batch.num_rows()).map(|r| (0..wanted.len()).map(|i| cell(r, i)).collect::<Vec<_>>().join("|")).collect()
}

#[test]
fn databases_and_tables() {
    assert_eq!(show("SHOW DATABASES"), "Database\ninformation_schema\nshop\nshop@2026-01-01");
    assert_eq!(show("SHOW SCHEMAS LIKE 'SHO_'"), "Database (SHO_)\nshop");
    assert_eq!(show("SHOW TABLES"), "Tables_in_shop\ncustomers\norders\nplaces\nv\nwide");
    assert_eq!(show("SHOW FULL TABLES LIKE 'o%'"), "Tables_in_shop (o%)|Table_type\norders|BASE TABLE");
    assert_eq!(show("SHOW FULL TABLES WHERE Table_type = 'VIEW'"), "Tables_in_shop|Table_type\nv|VIEW\nwide|VIEW");
    assert_eq!(show("SHOW TABLES WHERE Tables_in_shop IN ('v', 'ORDERS')"), "Tables_in_shop\norders\nv");
    assert_eq!(show("SHOW TABLES FROM `shop@2026-01-01`"), "Tables_in_shop@2026-01-01");
    assert_eq!(show("SHOW TABLES LIMIT 1, 2"), "Tables_in_shop\norders\nplaces");
    assert!(show("SHOW TABLES FROM INFORMATION_SCHEMA").contains("\nTABLES\n"));
    assert_eq!(error("SHOW TABLES FROM nope").0, Kind::UnknownDatabase);
    assert_eq!(error("SHOW TABLES WHERE nope = 1").0, Kind::UnknownColumn);
    assert_eq!(error("SHOW TABLES WHERE Tables_in_shop REGEXP 'o'").0, Kind::Unsupported);
}

#[test]
fn columns() {
    assert_eq!(
        show("SHOW COLUMNS FROM orders"),
        "Field|Type|Null|Key|Default|Extra\n\
         id|bigint(20) unsigned|NO|PRI|NULL|auto_increment\n\
         cust|int(11)|YES|MUL|NULL|\n\
         amount|decimal(10,2) unsigned|NO||0.00|\n\
         note|varchar(20)|YES||it's|\n\
         at|timestamp|NO||current_timestamp()|on update current_timestamp()"
    );
    assert_eq!(
        show("SHOW FULL COLUMNS FROM orders FROM shop LIKE 'not%'"),
        "Field|Type|Collation|Null|Key|Default|Extra|Privileges|Comment\n\
         note|varchar(20)|utf8mb4_general_ci|YES||it's||select|n"
    );
    assert_eq!(show("DESC shop.customers name"), "Field|Type|Null|Key|Default|Extra\nname|varchar(20)|NO|UNI|NULL|");
    assert_eq!(show("DESCRIBE v"), "Field|Type|Null|Key|Default|Extra\na|int|NO||NULL|");
    assert!(show("DESC information_schema.tables").contains("\nTABLE_SCHEMA|varchar(64)|NO||NULL|\n"));
    assert_eq!(error("DESC nope").0, Kind::UnknownTable);
    let (kind, message) = error("DESC places");
    assert_eq!(kind, Kind::Unsupported);
    assert!(message.contains("column p is of type point"), "{message}");
}

#[test]
fn index_and_status() {
    let heading = "Table|Non_unique|Key_name|Seq_in_index|Column_name|Collation|Cardinality|Sub_part|Packed|Null|Index_type|Comment|Index_comment|Ignored";
    assert_eq!(
        show("SHOW INDEX FROM orders"),
        format!(
            "{heading}\norders|0|PRIMARY|1|id|A|NULL|NULL|NULL||BTREE|||NO\norders|1|c|1|cust|A|NULL|NULL|NULL|YES|BTREE|||NO\norders|1|c|2|amount|D|NULL|NULL|NULL||BTREE|||NO"
        )
    );
    assert_eq!(show("SHOW KEYS FROM shop.customers WHERE Key_name = 'n'").lines().count(), 2);
    assert_eq!(error("SHOW INDEX FROM nope").0, Kind::UnknownTable);
    let status = show("SHOW TABLE STATUS LIKE 'orders'");
    assert!(status.ends_with("orders|InnoDB|10|Dynamic|NULL|NULL|NULL|NULL|NULL|NULL|7|NULL|NULL|NULL|utf8mb4_general_ci|NULL||order's|NULL|N"), "{status}");
    assert!(show("SHOW TABLE STATUS").contains("not carried: column p is of type point"));
}

#[test]
fn create_statements_are_the_kept_text() {
    assert_eq!(show("SHOW CREATE TABLE orders"), format!("Table|Create Table\norders|{ORDERS}"));
    let view =
        format!("View|Create View|character_set_client|collation_connection\nv|{VIEW}|utf8mb4|utf8mb4_general_ci");
    assert_eq!(show("SHOW CREATE VIEW shop.v"), view);
    assert_eq!(show("SHOW CREATE TABLE v"), view);
    assert!(show("SHOW CREATE TRIGGER tr").contains(TRIGGER));
    assert!(show("SHOW CREATE PROCEDURE p").starts_with("Procedure|sql_mode|Create Procedure|"));
    assert!(
        show("SHOW CREATE FUNCTION shop.f").contains("|STRICT_TRANS_TABLES|CREATE DEFINER=`root`@`localhost` FUNCTION")
    );
    assert!(show("SHOW CREATE EVENT ev").starts_with("Event|sql_mode|time_zone|Create Event|"));
    let database = "/*!40100 DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci */";
    assert_eq!(
        show("SHOW CREATE DATABASE shop"),
        format!("Database|Create Database\nshop|CREATE DATABASE `shop` {database}")
    );
    assert_eq!(
        show("SHOW CREATE DATABASE IF NOT EXISTS `shop`"),
        format!("Database|Create Database\nshop|CREATE DATABASE /*!32312 IF NOT EXISTS*/ `shop` {database}")
    );
    assert!(show("SHOW CREATE TABLE information_schema.engines").contains("`ENGINE` varchar(64) NOT NULL"));
    for sql in
        ["SHOW CREATE TABLE nope", "SHOW CREATE VIEW orders", "SHOW CREATE TRIGGER nope", "SHOW CREATE EVENT nope"]
    {
        assert_eq!(error(sql).0, Kind::UnknownTable, "{sql}");
    }
    assert_eq!(error("SHOW CREATE TABLE places").0, Kind::Unsupported);
    assert_eq!(error("SHOW CREATE DATABASE nope").0, Kind::UnknownDatabase);
}

#[test]
fn programs() {
    let trigger = show("SHOW TRIGGERS LIKE 'orders'");
    assert!(trigger.ends_with("tr|INSERT|orders|set new.note = 'x'|BEFORE|NULL|STRICT_TRANS_TABLES|root@localhost|utf8mb4|utf8mb4_general_ci|utf8mb4_general_ci"), "{trigger}");
    assert_eq!(show("SHOW TRIGGERS LIKE 'customers'").lines().count(), 1);
    assert!(
        show("SHOW EVENTS")
            .contains("shop|ev|root@localhost|SYSTEM|RECURRING|NULL|1|DAY|2026-11-23 05:59:05|NULL|ENABLED")
    );
    assert!(show("SHOW PROCEDURE STATUS WHERE Db = 'shop'").contains("shop|p|PROCEDURE|root@localhost"));
    assert_eq!(show("SHOW PACKAGE BODY STATUS WHERE Db = 'shop'").lines().count(), 1);
    assert!(show("SHOW FUNCTION STATUS LIKE 'f'").contains("shop|f|FUNCTION|root@localhost"));
    let parameters = select(
        "PARAMETERS",
        &["SPECIFIC_NAME", "ORDINAL_POSITION", "PARAMETER_MODE", "PARAMETER_NAME", "DATA_TYPE", "DTD_IDENTIFIER"],
        "SPECIFIC_SCHEMA",
        "shop",
    );
    assert_eq!(parameters, ["f|0|NULL|NULL|int|int(11)", "f|1|IN|x|int|int", "p|1|IN|a|int|int"]);
    assert_eq!(
        select("VIEWS", &["TABLE_NAME", "VIEW_DEFINITION", "DEFINER"], "TABLE_SCHEMA", "shop"),
        ["v|select 1 AS `a`|root@localhost"]
    );
}

#[test]
fn the_servers_own() {
    assert!(show("SHOW ENGINES").contains("InnoDB|DEFAULT|"));
    assert_eq!(
        show("SHOW CHARACTER SET LIKE 'utf8mb4'"),
        "Charset|Description|Default collation|Maxlen\nutf8mb4|UTF-8 Unicode|utf8mb4_general_ci|4"
    );
    assert_eq!(
        show("SHOW COLLATION WHERE Charset = 'utf8mb4' AND Id = 45"),
        "Collation|Charset|Id|Default|Compiled|Sortlen\nutf8mb4_general_ci|utf8mb4|45|Yes|Yes|1"
    );
    assert_eq!(show("SHOW VARIABLES LIKE 'version'"), format!("Variable_name|Value\nversion|{VERSION}"));
    assert_eq!(
        show("SHOW SESSION VARIABLES WHERE Variable_name='autocommit' OR Variable_name = 'port' LIMIT 1"),
        "Variable_name|Value\nautocommit|ON"
    );
    assert_eq!(show("SHOW STATUS LIKE 'Ssl_cipher'"), "Variable_name|Value\nSsl_cipher|");
    assert_eq!(show("SHOW GRANTS"), "Grants for ann@localhost\nGRANT SELECT ON *.* TO `ann`@`localhost`");
    assert_eq!(show("SHOW WARNINGS"), "Level|Code|Message\nWarning|1365|Division by 0\nError|1064|bad");
    assert_eq!(show("SHOW ERRORS"), "Level|Code|Message\nError|1064|bad");
    assert_eq!(show("SHOW COUNT(*) WARNINGS"), "@@session.warning_count\n2");
    for sql in ["SHOW PLUGINS", "SHOW PROFILES", "SHOW OPEN TABLES", "SHOW PRIVILEGES"] {
        assert!(!show(sql).is_empty(), "{sql}");
    }
}

#[test]
fn every_system_table_can_be_read() {
    let scene = scene();
    for (name, schema) in tables::all() {
        let batch = rows(schema, &scene).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(batch.num_columns(), schema.columns.len(), "{name}");
    }
}

#[test]
fn keys_and_references() {
    assert_eq!(
        select(
            "KEY_COLUMN_USAGE",
            &[
                "CONSTRAINT_NAME",
                "TABLE_NAME",
                "COLUMN_NAME",
                "REFERENCED_TABLE_SCHEMA",
                "REFERENCED_TABLE_NAME",
                "REFERENCED_COLUMN_NAME"
            ],
            "TABLE_SCHEMA",
            "shop"
        ),
        [
            "PRIMARY|customers|id|NULL|NULL|NULL",
            "n|customers|name|NULL|NULL|NULL",
            "PRIMARY|orders|id|NULL|NULL|NULL",
            "fk1|orders|cust|shop|customers|id"
        ]
    );
    assert_eq!(
        select("TABLE_CONSTRAINTS", &["CONSTRAINT_NAME", "CONSTRAINT_TYPE"], "TABLE_NAME", "orders"),
        ["PRIMARY|PRIMARY KEY", "ck2|CHECK", "fk1|FOREIGN KEY"]
    );
    assert_eq!(
        select(
            "REFERENTIAL_CONSTRAINTS",
            &["UNIQUE_CONSTRAINT_NAME", "UPDATE_RULE", "DELETE_RULE"],
            "TABLE_NAME",
            "orders"
        ),
        ["PRIMARY|SET NULL|CASCADE"]
    );
    assert_eq!(
        select("CHECK_CONSTRAINTS", &["CONSTRAINT_NAME", "CHECK_CLAUSE"], "TABLE_NAME", "orders"),
        ["ck2|`amount` > 0"]
    );
}

#[test]
fn columns_in_information_schema() {
    let facts = [
        "COLUMN_NAME",
        "COLUMN_DEFAULT",
        "DATA_TYPE",
        "CHARACTER_MAXIMUM_LENGTH",
        "CHARACTER_OCTET_LENGTH",
        "NUMERIC_PRECISION",
        "NUMERIC_SCALE",
        "DATETIME_PRECISION",
        "CHARACTER_SET_NAME",
        "COLUMN_KEY",
    ];
    assert_eq!(
        select("COLUMNS", &facts, "TABLE_NAME", "orders"),
        [
            "id|NULL|bigint|NULL|NULL|20|0|NULL|NULL|PRI",
            "cust|NULL|int|NULL|NULL|10|0|NULL|NULL|MUL",
            "amount|0.00|decimal|NULL|NULL|10|2|NULL|NULL|",
            "note|'it''s'|varchar|20|80|NULL|NULL|NULL|utf8mb4|",
            "at|current_timestamp()|timestamp|NULL|NULL|NULL|NULL|0|NULL|",
        ]
    );
}
