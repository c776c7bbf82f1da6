//! Restores into a real MariaDB: exact, whole, or not at all.

use crate::support::db::MariaDb;
use mysql_async::prelude::Queryable;
use pcloud::archive::{Archive, Cluster, Commit, Manifest, SegmentWriter};
use pcloud::clock::{FixedClock, SystemClock};
use pcloud::error::{Error, Kind, Result};
use pcloud::model::{
    Bookmark, Catalog, Change, ColumnType, Micros, Moment, MomentSpec, Object, ObjectKey, ObjectKind, RowsBuilder, Seq,
    ServerUrl, TableId, TableName, TableSchema, Value, quote_name,
};
use pcloud::restore::{JobState, Jobs, Options, Plan, Progress, Report, RestoreRequest, What, plan, run};
use pcloud::source::mysql::ddl::parse_create_table;
use pcloud::timeline::Timeline;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// An archive of databases as they stand on a server now, read by the test's own means.
struct Past {
    cluster: Cluster,
    catalog: Catalog,
    _dir: tempfile::TempDir,
}

impl Past {
    async fn of(db: &MariaDb, databases: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let url = dir.path().join("archive").display().to_string();
        let archive = Archive::create(&url, &SystemClock).await.expect("an archive");
        let cluster = archive.cluster("shop").expect("a name");
        let mut conn = db.connect().await;
        conn.query_drop("SET time_zone = '+00:00'").await.expect("UTC");
        let (mut catalog, mut bases) = (Catalog::default(), Vec::new());
        for database in databases {
            let create: (String, String) =
                first(&mut conn, &format!("SHOW CREATE DATABASE {}", quote_name(database))).await;
            catalog.databases.insert(database.to_string(), create.1);
            let sql = format!(
                "SELECT TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{database}'"
            );
            let tables: Vec<(String, String)> = conn.query(sql).await.expect("tables");
            for (table, kind) in tables {
                let name = TableName::new(*database, table);
                if kind == "VIEW" {
                    let row: (String, String, String, String) =
                        first(&mut conn, &format!("SHOW CREATE VIEW {}", name.quoted())).await;
                    object(&mut catalog, ObjectKind::View, &name, row.1, String::new(), None);
                    continue;
                }
                let create: (String, String) = first(&mut conn, &format!("SHOW CREATE TABLE {}", name.quoted())).await;
                let id = TableId(catalog.tables.len() as u32 + 1);
                let schema = parse_create_table(&create.1, name, id, ("utf8mb4", "utf8mb4_general_ci"));
                let schema = Arc::new(schema.unwrap_or_else(|e| panic!("{e}")));
                let mut writer = cluster.base_writer(schema.clone(), "00000000");
                writer.write(&rows(&mut conn, &schema).await).await.expect("written");
                bases.push(writer.finish(Seq::ZERO).await.expect("finished"));
                catalog.next_table = id.0 + 1;
                catalog.tables.insert(id, schema);
            }
            programs(&mut conn, database, &mut catalog).await;
        }
        let manifest = Manifest {
            number: 1,
            catalog: catalog.clone(),
            start: Moment { seq: Seq::ZERO, time: Micros(0) },
            bookmark: Bookmark("0".into()),
            source: "MariaDB".into(),
            bases,
            created: Micros(0),
        };
        cluster.put_manifest(&manifest).await.expect("the manifest");
        Self { cluster, catalog, _dir: dir }
    }

    async fn timeline(&self) -> Arc<Timeline> {
        Arc::new(Timeline::load(self.cluster.clone()).await.expect("a timeline"))
    }

    /// Adds a commit with changes of one table.
    async fn commit(&self, seq: u64, table: &TableName, changes: &[Change]) {
        let mut segment = SegmentWriter::new(seq);
        let schema = self.catalog.table(table).expect("a table");
        for change in changes {
            segment.change(Seq(seq), schema, change).expect("a change");
        }
        let commit = Commit {
            seq: Seq(seq),
            time: Micros(seq as i64),
            gtid: None,
            bookmark: Bookmark(seq.to_string()),
            rows: vec![],
        };
        segment.commit(commit).expect("a commit");
        let segment = segment.finish(Bookmark(seq.to_string()), Micros(seq as i64), false, false).expect("finished");
        self.cluster.put_segment(segment).await.expect("put");
    }
}

async fn first<T: mysql_async::prelude::FromRow + Send + 'static>(conn: &mut mysql_async::Conn, sql: &str) -> T {
    conn.query_first(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}")).unwrap_or_else(|| panic!("{sql}: nothing"))
}

/// A table's rows in the text protocol; FLOAT and DOUBLE(m,d) through DOUBLE, which alone is shown exactly.
async fn rows(conn: &mut mysql_async::Conn, schema: &TableSchema) -> arrow::array::RecordBatch {
    let columns: Vec<_> = schema
        .columns
        .iter()
        .map(|c| match c.kind {
            ColumnType::Float { .. } | ColumnType::Double { .. } => format!("CAST({} AS DOUBLE)", quote_name(&c.name)),
            _ => quote_name(&c.name),
        })
        .collect();
    let sql = format!("SELECT {} FROM {}", columns.join(","), schema.name.quoted());
    let mut builder = RowsBuilder::new(schema);
    for row in conn.query::<mysql_async::Row, _>(sql).await.expect("rows") {
        let values: Vec<Value> = row
            .unwrap()
            .into_iter()
            .zip(&schema.columns)
            .map(|(cell, column)| match cell {
                mysql_async::Value::NULL => Value::Null,
                mysql_async::Value::Bytes(text) => match column.kind {
                    ColumnType::Float { .. } => {
                        Value::Float(String::from_utf8_lossy(&text).parse::<f64>().expect("a number") as f32)
                    }
                    _ => Value::parse(&column.kind, &text).unwrap_or_else(|e| panic!("{}: {e}", column.name)),
                },
                other => panic!("{other:?} in the text protocol"),
            })
            .collect();
        builder.push(&values).expect("a row");
    }
    builder.finish()
}

async fn programs(conn: &mut mysql_async::Conn, database: &str, catalog: &mut Catalog) {
    let sql = format!(
        "SELECT TRIGGER_NAME, EVENT_OBJECT_TABLE FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = '{database}'"
    );
    for (name, table) in conn.query::<(String, String), _>(sql).await.expect("triggers") {
        let name = TableName::new(database, name);
        let row: mysql_async::Row = first(conn, &format!("SHOW CREATE TRIGGER {}", name.quoted())).await;
        object(catalog, ObjectKind::Trigger, &name, row.get(2).expect("text"), row.get(1).expect("mode"), Some(table));
    }
    let sql = format!(
        "SELECT ROUTINE_NAME, ROUTINE_TYPE FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = '{database}'"
    );
    for (name, kind) in conn.query::<(String, String), _>(sql).await.expect("routines") {
        let name = TableName::new(database, name);
        let row: mysql_async::Row = first(conn, &format!("SHOW CREATE {kind} {}", name.quoted())).await;
        let kind = if kind == "FUNCTION" { ObjectKind::Function } else { ObjectKind::Procedure };
        object(catalog, kind, &name, row.get(2).expect("text"), row.get(1).expect("mode"), None);
    }
    let sql = format!("SELECT EVENT_NAME, '' FROM information_schema.EVENTS WHERE EVENT_SCHEMA = '{database}'");
    for (name, _) in conn.query::<(String, String), _>(sql).await.expect("events") {
        let name = TableName::new(database, name);
        let row: mysql_async::Row = first(conn, &format!("SHOW CREATE EVENT {}", name.quoted())).await;
        object(catalog, ObjectKind::Event, &name, row.get(3).expect("text"), row.get(1).expect("mode"), None);
    }
}

fn object(
    catalog: &mut Catalog,
    kind: ObjectKind,
    name: &TableName,
    create: String,
    sql_mode: String,
    table: Option<String>,
) {
    let key = ObjectKey { kind, database: name.database.clone(), name: name.table.clone() };
    catalog.objects.insert(key.clone(), Object { key, create, sql_mode, table });
}

fn request(db: &MariaDb, what: What, options: Options) -> RestoreRequest {
    let target = ServerUrl::parse(&db.url()).expect("a URL");
    RestoreRequest { cluster: "shop".into(), what, moment: MomentSpec::Latest, target, options }
}

fn databases(names: &[&str]) -> What {
    What::Databases(names.iter().map(|n| n.to_string()).collect())
}

fn tables(names: &[(&str, &str)]) -> What {
    What::Tables(names.iter().map(|(d, t)| TableName::new(*d, *t)).collect())
}

fn replace() -> Options {
    Options { replace: true, ..Options::default() }
}

async fn restore(past: &Past, request: &RestoreRequest) -> Result<Report> {
    let plan = plan(past.timeline().await, request).await?;
    run(plan, Arc::new(Progress::default()), CancellationToken::new()).await
}

/// All that can be seen of the server but its own databases: definitions, counters, checksums.
fn state(db: &MariaDb) -> String {
    let user = "NOT IN ('mysql','sys','performance_schema','information_schema')";
    let mut out = db.sql(&format!("SELECT SCHEMA_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME {user} ORDER BY 1"));
    let all = db.sql(&format!("SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA {user} ORDER BY 1, 2"));
    let mut statements = String::new();
    for line in all.lines() {
        let mut cells = line.split('\t');
        let mut cell = || cells.next().expect("three cells").to_string();
        let name = TableName::new(cell(), cell()).quoted();
        match cell().as_str() {
            "VIEW" => statements.push_str(&format!("SHOW CREATE VIEW {name};")),
            _ => statements.push_str(&format!("SHOW CREATE TABLE {name}; CHECKSUM TABLE {name} EXTENDED;")),
        }
    }
    if !statements.is_empty() {
        out.push_str(&db.sql(&statements));
    }
    let more = format!(
        "SELECT TRIGGER_SCHEMA, TRIGGER_NAME, ACTION_TIMING, EVENT_MANIPULATION, ACTION_ORDER, EVENT_OBJECT_TABLE, SQL_MODE, DEFINER, ACTION_STATEMENT \
           FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA {user} ORDER BY 1, 2;
         SELECT ROUTINE_SCHEMA, ROUTINE_TYPE, ROUTINE_NAME, SQL_MODE, DEFINER, DTD_IDENTIFIER, ROUTINE_DEFINITION \
           FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA {user} ORDER BY 1, 2, 3;
         SELECT EVENT_SCHEMA, EVENT_NAME, STATUS, SQL_MODE, DEFINER, INTERVAL_VALUE, EVENT_DEFINITION \
           FROM information_schema.EVENTS WHERE EVENT_SCHEMA {user} ORDER BY 1, 2"
    );
    out + &db.sql(&more)
}

/// Polls until it holds.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within 30 s");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

const TYPES: &str = r#"
SET NAMES utf8mb4; SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO'; SET time_zone = '+00:00';
CREATE DATABASE types COLLATE utf8mb4_unicode_ci; USE types;
CREATE TABLE every (
  id INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  i1 TINYINT, u1 TINYINT UNSIGNED, i2 SMALLINT, u2 SMALLINT UNSIGNED, i3 MEDIUMINT, u3 MEDIUMINT UNSIGNED,
  i4 INT, u4 INT UNSIGNED, i8 BIGINT, u8 BIGINT UNSIGNED, z INT(8) UNSIGNED ZEROFILL,
  d10 DECIMAL(10,2), d65 DECIMAL(65,30), f FLOAT, f7 FLOAT(7,2), d DOUBLE, d9 DOUBLE(9,3),
  b1 BIT(1), b9 BIT(9), b64 BIT(64), y YEAR, da DATE, t0 TIME, t6 TIME(6), dt DATETIME, dt6 DATETIME(6),
  ts TIMESTAMP NULL, ts6 TIMESTAMP(6) NULL,
  c CHAR(10), vc VARCHAR(100), bi BINARY(5), vb VARBINARY(300), tt TINYTEXT, tx TEXT, mt MEDIUMTEXT, lt LONGTEXT,
  tb TINYBLOB, bl BLOB, mb MEDIUMBLOB, lb LONGBLOB, e ENUM('a','b,''c','ü\\'), s SET('x','y','z'), j JSON,
  KEY by_vc (vc), UNIQUE KEY by_u8 (u8), KEY two (c, tx(10))
) CHARSET utf8mb4;
INSERT INTO every (id) VALUES (0), (-5);
INSERT INTO every VALUES (1, -128, 0, -32768, 0, -8388608, 0, -2147483648, 0, -9223372036854775808, 0, 0,
  -99999999.99, -99999999999999999999999999999999999.999999999999999999999999999999, -3.4028235e38, -99999.99, -1.7976931348623157e308, -999999.999,
  b'0', b'0', b'0', 0, '0000-00-00', '-838:59:59', '-838:59:59.999999', '0000-00-00', '0000-00-00',
  '0000-00-00 00:00:00', '0000-00-00 00:00:00', '', '', '', '', '', '', '', '', '', '', '', '', 'a', '', '{}');
INSERT INTO every VALUES (2, 127, 255, 32767, 65535, 8388607, 16777215, 2147483647, 4294967295, 9223372036854775807, 18446744073709551615, 4294967295,
  99999999.99, 99999999999999999999999999999999999.999999999999999999999999999999, 3.4028235e38, 99999.99, 1.7976931348623157e308, 999999.999,
  b'1', b'111111111', ~0, 2155, '9999-12-31', '838:59:59', '838:59:59.999999', '9999-12-31 23:59:59', '9999-12-31 23:59:59.999999',
  '2038-01-19 03:14:07', '2038-01-19 03:14:07.999999', 'ÄÖÜ😀\\''"', 'tab\t nl\n cr\r nul\0 sub\Z bs\b back\\slash quote\' \\N 😀  ', x'0001ff5c0a', x'000102090a0d1a5c27225cfffe',
  'NULL', '\\N', REPEAT('é', 100000), REPEAT('x\t\n', 90000), x'5c4e', x'00', REPEAT(x'00ff', 100000), REPEAT(x'5c', 1000000), 'b,''c', 'x,y,z', '{"a": [1, 2.5, "é"]}');
INSERT INTO every (id, f, d, d65, t6, ts, ts6, dt6, e, s, y, c, bi) VALUES
  (3, 1.17549435e-38, 5e-324, 0.000000000000000000000000000001, '-00:00:00.000001', '1970-01-01 00:00:01', '2026-03-29 01:30:00.5', '0000-01-01 00:00:00.1', 'ü\\', 'x,z', 1901, ' lead', x'20'),
  (4, 0.1, 0.1, -0.5, '100:00:00.1', '2026-10-25 01:30:00', '2001-09-09 01:46:40.000001', '1000-01-01', 1, 2, 2026, 'trail   ', 'ab'),
  (5, 16777217, 1e15, 7, '00:00:00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (6, -0.0e0, -0.0e0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (7, 1/3, 1/3, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE nokey (a INT, b VARCHAR(20));
INSERT INTO nokey VALUES (1, 'é'), (1, 'é'), (NULL, NULL), (NULL, NULL), (2, ''), (1, 'É');
CREATE TABLE nothing (a INT PRIMARY KEY, b TEXT, KEY (b(5)));
CREATE TABLE one (a TEXT); INSERT INTO one VALUES (''), (''), (NULL), ('\n'), (' ');
CREATE TABLE `we``ird tablé` (`co``l é` INT NOT NULL AUTO_INCREMENT, `select` VARBINARY(9), KEY (`select`, `co``l é`), KEY (`co``l é`)) CHARSET utf8mb3;
INSERT INTO `we``ird tablé` VALUES (1, x'00'), (1, 'a'), (9, '');
CREATE TABLE parts (id INT, n INT, PRIMARY KEY (id, n)) PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN MAXVALUE);
INSERT INTO parts VALUES (1, 1), (11, 2);
"#;

#[tokio::test(flavor = "multi_thread")]
async fn every_type_comes_back_exactly_by_either_way() {
    let db = MariaDb::start(&[]);
    db.sql(TYPES);
    let (before, past) = (state(&db), Past::of(&db, &["types"]).await);
    for local_infile in [1, 0] {
        db.sql(&format!("DROP DATABASE types; SET GLOBAL local_infile = {local_infile}"));
        let report = restore(&past, &request(&db, databases(&["types"]), Options::default())).await.expect("restored");
        assert_eq!((report.tables, report.rows), (6, 25), "{report:?}");
        assert_eq!(state(&db), before, "local_infile = {local_infile}");
        assert_eq!(report.notes, Vec::<String>::new());
    }
    // over itself
    let report = restore(&past, &request(&db, databases(&["types"]), replace())).await.expect("replaced");
    assert_eq!(report.tables, 6);
    assert_eq!(state(&db), before);
}

const SHOP: &str = r#"
SET NAMES utf8mb4;
CREATE DATABASE shop; CREATE DATABASE crm COLLATE utf8mb4_unicode_ci;
CREATE TABLE crm.people (id INT PRIMARY KEY, name VARCHAR(20), boss INT, CONSTRAINT boss FOREIGN KEY (boss) REFERENCES people (id));
INSERT INTO crm.people VALUES (1, 'Ada', NULL), (2, 'Bob', 1);
USE shop;
CREATE TABLE customers (id INT AUTO_INCREMENT PRIMARY KEY, person INT, FOREIGN KEY (person) REFERENCES crm.people (id));
INSERT INTO customers VALUES (1, 1), (2, 2), (3, NULL);
CREATE TABLE orders (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, customer INT NOT NULL, total DECIMAL(10,2), KEY by_total (total),
  CONSTRAINT orders_customer FOREIGN KEY (customer) REFERENCES customers (id));
CREATE TABLE log (at INT, what TEXT);
CREATE TRIGGER orders_audit AFTER INSERT ON orders FOR EACH ROW INSERT INTO log VALUES (NEW.id, CONCAT('it''s ', NEW.total));
CREATE TRIGGER orders_check BEFORE UPDATE ON orders FOR EACH ROW SET NEW.total = ABS(NEW.total);
INSERT INTO orders (customer, total) VALUES (1, 10), (2, 20), (3, 30), (3, 40), (1, 50);
DELETE FROM orders WHERE id = 5;
DELIMITER //
CREATE FUNCTION with_tax(x DECIMAL(10,2)) RETURNS DECIMAL(10,2) DETERMINISTIC RETURN x * 1.2//
CREATE PROCEDURE clear_log() BEGIN DELETE FROM log; SELECT "done"; END//
DELIMITER ;
CREATE VIEW z_base AS SELECT id, customer, with_tax(total) AS total FROM orders;
CREATE VIEW a_top AS SELECT customer, SUM(total) AS total FROM z_base GROUP BY customer;
CREATE EVENT tidy ON SCHEDULE EVERY 1 DAY DISABLE DO DELETE FROM log;
"#;

fn plan_text(plan: &Plan, db: &MariaDb) -> String {
    let lines: Vec<_> =
        plan.steps().iter().map(|s| format!("{} {} {} | {}", s.number, s.action, s.object, s.detail)).collect();
    let text = lines.join("\n").replace(&db.port.to_string(), "PORT");
    let start = text.find("pcloud_restore_").expect("a staging database") + "pcloud_restore_".len();
    let token = text[start..start + 8].to_string();
    text.replace(&token, "TOKEN")
}

#[tokio::test(flavor = "multi_thread")]
async fn databases_come_back_with_all_that_belongs_to_them() {
    let db = MariaDb::start(&[]);
    db.sql(SHOP);
    let (before, past) = (state(&db), Past::of(&db, &["shop", "crm"]).await);
    db.sql("DROP DATABASE shop; DROP DATABASE crm");
    let asked = request(&db, What::Cluster, Options::default());
    let made = plan(past.timeline().await, &asked).await.expect("a plan");
    assert_eq!(
        plan_text(&made, &db),
        "\
1 create database pcloud_restore_TOKEN_crm | to stage tables of crm
2 create database pcloud_restore_TOKEN_shop | to stage tables of shop
3 load table crm.people | as pcloud_restore_TOKEN_crm.people, by LOAD DATA, then 1 key; then read back and compared
4 load table shop.customers | as pcloud_restore_TOKEN_shop.customers, by LOAD DATA, then 1 key; then read back and compared
5 load table shop.log | as pcloud_restore_TOKEN_shop.log, by LOAD DATA; then read back and compared
6 load table shop.orders | as pcloud_restore_TOKEN_shop.orders, by LOAD DATA, then 2 keys; then read back and compared
7 add foreign keys crm.people | 1, not checked row by row
8 add foreign keys shop.customers | 1, not checked row by row
9 add foreign keys shop.orders | 1, not checked row by row
10 create database crm | the target does not have it
11 create database shop | the target does not have it
12 rename crm.people | from pcloud_restore_TOKEN_crm.people, in one statement with all renames
13 rename shop.customers | from pcloud_restore_TOKEN_shop.customers, in one statement with all renames
14 rename shop.log | from pcloud_restore_TOKEN_shop.log, in one statement with all renames
15 rename shop.orders | from pcloud_restore_TOKEN_shop.orders, in one statement with all renames
16 create function shop.with_tax | \n17 create procedure shop.clear_log | \n18 create view shop.a_top | \n19 create view shop.z_base | \n20 create trigger shop.orders_audit | on orders
21 create trigger shop.orders_check | on orders
22 create event shop.tidy | \n23 drop database pcloud_restore_TOKEN_crm | empty by then
24 drop database pcloud_restore_TOKEN_shop | empty by then
25 note  | Accounts and grants are not restored."
    );
    assert_eq!(state(&db), "", "a plan changes nothing");
    let jobs = Jobs::new(Arc::new(FixedClock::at(Micros(7))));
    let job = jobs.start(made);
    let report = job.wait().await.expect("restored");
    assert_eq!((report.tables, report.rows, report.objects), (4, 14, 7), "{report:?}");
    assert_eq!(state(&db), before);
    let listed = jobs.list();
    let status = listed.first().expect("one job");
    assert_eq!((listed.len(), job.id(), status.id, status.state), (1, 1, 1, JobState::Succeeded));
    assert_eq!((status.tables_done, status.tables_total, status.rows_done, status.rows_total), (4, 4, 14, 14));
    assert_eq!(
        (status.what.as_str(), status.phase.as_str(), status.ended),
        ("RESTORE CLUSTER", "done", Some(Micros(7)))
    );
    let message = "Accounts and grants are not restored. Creating event shop.tidy, the target warned: Warning 1105 Event \
                   scheduler is switched off, use SET GLOBAL event_scheduler=ON to enable it.";
    assert_eq!(status.message, message);
    assert!(!format!("{status:?}").contains("secret"), "{status:?}");
    // counters, keys, cascades, triggers and views live
    db.sql("INSERT INTO shop.orders (customer, total) VALUES (2, 1)");
    assert_eq!(
        db.sql("SELECT id FROM shop.orders WHERE total = 1; SELECT * FROM shop.log WHERE at = 6"),
        "6\n6\tit's 1.00\n"
    );
    db.sql("DELETE FROM shop.orders WHERE customer = 2");
    assert_eq!(db.sql("SELECT * FROM shop.a_top ORDER BY 1"), "1\t12.00\n3\t84.00\n");
    // a later state is replaced by the earlier
    db.sql("DROP TABLE shop.log; DROP VIEW shop.z_base; CREATE TABLE shop.z_base (x INT); CREATE VIEW shop.log AS SELECT 1;
            CREATE TRIGGER shop.extra BEFORE DELETE ON shop.orders FOR EACH ROW SET @x = 1; ALTER TABLE shop.orders ADD y INT;
            DROP PROCEDURE shop.clear_log; CREATE PROCEDURE shop.clear_log() SELECT 2; CREATE TABLE shop.later (a INT)");
    let error = plan(past.timeline().await, &asked).await.map(|_| ()).expect_err("it is there");
    assert_eq!(error.kind, Kind::Exists, "{error}");
    assert!(error.message.contains("crm.people") && error.message.contains("and 4 more"), "{error}");
    let report = restore(&past, &request(&db, What::Cluster, replace())).await.expect("replaced");
    assert_eq!(report.notes.len(), 3, "{:?}", report.notes);
    assert!(report.notes[1].contains("shop.later"), "{:?}", report.notes);
    db.sql("DROP TABLE shop.later");
    assert_eq!(state(&db), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_table_of_a_past_moment_comes_back_beside_the_others() {
    let db = MariaDb::start(&[]);
    db.sql(SHOP);
    let (before, past) = (state(&db), Past::of(&db, &["shop", "crm"]).await);
    let orders = TableName::new("shop", "orders");
    let order = |id, total: i128| {
        vec![Value::UInt(id), Value::Int(1), Value::Decimal(arrow::datatypes::i256::from_i128(total))]
    };
    let changes = [Change::Update { before: order(1, 1000), after: order(1, 777) }, Change::Insert(order(9, 900))];
    past.commit(1, &orders, &changes).await;
    let one = tables(&[("shop", "orders")]);
    // a name that is taken
    let error = restore(&past, &request(&db, one.clone(), Options::default())).await.expect_err("it is there");
    assert_eq!((error.kind, state(&db)), (Kind::Exists, before.clone()), "{error}");
    // dropped, and back with its triggers, keys and rows of each moment
    db.sql("DROP TABLE shop.orders");
    let asked = RestoreRequest { moment: MomentSpec::Seq(Seq(0)), ..request(&db, one.clone(), Options::default()) };
    let report = restore(&past, &asked).await.expect("restored");
    assert_eq!((report.rows, report.moment.seq), (4, Seq(0)));
    assert!(report.notes[0].contains("shop.customers"), "{:?}", report.notes);
    assert_eq!(state(&db), before);
    let report = restore(&past, &request(&db, one.clone(), replace())).await.expect("replaced");
    assert_eq!((report.rows, report.moment.seq), (5, Seq(1)));
    assert_eq!(db.sql("SELECT id, total FROM shop.orders WHERE id IN (1, 9)"), "1\t7.77\n9\t9.00\n");
    assert!(db.sql("SHOW CREATE TABLE shop.orders").contains("REFERENCES `customers` (`id`)"));
    // a parent whose children stay would lose them
    let error = restore(&past, &request(&db, tables(&[("shop", "customers")]), replace())).await.expect_err("refused");
    assert_eq!(error.kind, Kind::Unsupported, "{error}");
    assert!(error.message.contains("shop.orders"), "{error}");
    // its name and its database are free
    db.sql("DROP DATABASE shop");
    restore(&past, &request(&db, tables(&[("shop", "customers"), ("shop", "log")]), Options::default()))
        .await
        .expect("restored");
    assert_eq!(db.sql("SHOW TABLES FROM shop"), "customers\nlog\n");
    // absent from the archive
    let error = restore(&past, &request(&db, tables(&[("shop", "nix")]), replace())).await.expect_err("unknown");
    assert_eq!(error.kind, Kind::UnknownTable, "{error}");
    let error = restore(&past, &request(&db, databases(&["nix"]), replace())).await.expect_err("unknown");
    assert_eq!(error.kind, Kind::UnknownDatabase, "{error}");
}

/// The job is held in the middle of its loading by a global read lock; what is done then must leave no trace.
async fn in_the_middle(db: &MariaDb, past: &Past, act: impl AsyncFnOnce(&MariaDb, &Jobs)) -> Error {
    let before = state(db);
    let jobs = Jobs::new(Arc::new(FixedClock::default()));
    let one_by_one = Options { parallel: 1, ..replace() };
    let job =
        jobs.start(plan(past.timeline().await, &request(db, databases(&["big"]), one_by_one)).await.expect("a plan"));
    until("rows are loaded", || jobs.list()[0].rows_done > 0).await;
    let mut lock = db.connect().await;
    lock.query_drop("FLUSH TABLES WITH READ LOCK").await.expect("a lock");
    assert!(jobs.list()[0].state == JobState::Running, "it was over before it could be stopped");
    act(db, &jobs).await;
    lock.query_drop("UNLOCK TABLES").await.expect("unlocked");
    let error = job.wait().await.expect_err("stopped");
    assert_eq!(state(db), before, "{error}");
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_midway_leaves_the_target_as_it_was() {
    let db = MariaDb::start(&[]);
    db.sql("CREATE DATABASE big; USE big;
            CREATE TABLE a (id INT PRIMARY KEY, t TEXT); INSERT INTO a SELECT seq, REPEAT('x', 2000) FROM seq_1_to_30000;
            CREATE TABLE b (id INT PRIMARY KEY); INSERT INTO b VALUES (1), (2);
            CREATE TRIGGER b1 BEFORE INSERT ON b FOR EACH ROW SET @a = 1; CREATE TRIGGER b2 BEFORE INSERT ON b FOR EACH ROW SET @a = 2;
            CREATE VIEW v AS SELECT * FROM b; CREATE FUNCTION f() RETURNS INT DETERMINISTIC RETURN 1");
    let past = Past::of(&db, &["big"]).await;
    db.sql("DELETE FROM big.a WHERE id > 3; INSERT INTO big.b VALUES (3); DROP FUNCTION big.f; CREATE FUNCTION big.f() RETURNS INT DETERMINISTIC RETURN 2");
    // cancelled
    let error = in_the_middle(&db, &past, async |_, jobs| jobs.cancel(1).expect("it runs")).await;
    assert_eq!(error.kind, Kind::Cancelled, "{error}");
    // its connections killed
    let error = in_the_middle(&db, &past, async |db, _| {
        db.sql("SELECT ID FROM information_schema.PROCESSLIST WHERE USER = 'pcloud' AND INFO LIKE 'LOAD DATA%'")
            .lines()
            .for_each(|id| {
                db.sql(&format!("KILL {id}"));
            });
    })
    .await;
    assert_eq!(error.kind, Kind::Unreachable, "{error}");
    // locked where it must move in
    let before = state(&db);
    let mut lock = db.connect().await;
    lock.query_drop("LOCK TABLES big.b READ").await.expect("a lock");
    let impatient = Options { lock_wait_seconds: 1, ..replace() };
    let error = restore(&past, &request(&db, tables(&[("big", "b")]), impatient)).await.expect_err("locked");
    assert_eq!(error.kind, Kind::Server, "{error}");
    assert!(error.message.contains("big.b") && error.to_string().contains("lock_wait_seconds"), "{error}");
    assert_eq!(state(&db), before, "{error}");
    // killed where it waits to move in
    let made =
        plan(past.timeline().await, &request(&db, tables(&[("big", "b")]), Options { triggers: false, ..replace() }))
            .await;
    let running = tokio::spawn(run(made.expect("a plan"), Arc::default(), CancellationToken::new()));
    let waiting = "SELECT ID FROM information_schema.PROCESSLIST WHERE USER = 'pcloud' AND STATE LIKE 'Waiting for table metadata%'";
    until("it waits", || !db.sql(waiting).is_empty()).await;
    db.sql(&format!("KILL {}", db.sql(waiting).trim()));
    lock.query_drop("UNLOCK TABLES").await.expect("unlocked");
    let error = running.await.expect("it ends").expect_err("killed");
    assert_eq!(error.kind, Kind::Unreachable, "{error}");
    assert_eq!(state(&db), before);
    // a view that cannot be made, after everything was moved
    let broken = Past { catalog: Catalog::default(), ..Past::of(&db, &["big"]).await };
    db.sql("DROP VIEW big.v; CREATE VIEW big.v AS SELECT id, 1 AS more FROM big.a");
    let before = state(&db);
    let timeline = with_view(&broken, "v", "CREATE VIEW `v` AS SELECT nix FROM big.b").await;
    let made = plan(timeline.clone(), &request(&db, databases(&["big"]), replace())).await.expect("a plan");
    let error = run(made, Arc::default(), CancellationToken::new()).await.expect_err("no such column");
    assert!(error.message.contains("creating view big.v") && error.to_string().contains("views = false"), "{error}");
    assert_eq!(state(&db), before);
    db.sql("DROP DATABASE big");
    let before = state(&db);
    let made = plan(timeline.clone(), &request(&db, databases(&["big"]), Options::default())).await.expect("a plan");
    run(made, Arc::default(), CancellationToken::new()).await.expect_err("no such column");
    assert_eq!(state(&db), before);
    let without = Options { views: false, ..Options::default() };
    let made = plan(timeline, &request(&db, databases(&["big"]), without)).await.expect("a plan");
    run(made, Arc::default(), CancellationToken::new()).await.expect("without views");
    assert_eq!(db.sql("SHOW TABLES FROM big"), "a\nb\n");
}

/// The same archive with another view.
async fn with_view(past: &Past, name: &str, create: &str) -> Arc<Timeline> {
    let mut manifest = past.cluster.manifest().await.expect("read").expect("there");
    let key = ObjectKey { kind: ObjectKind::View, database: "big".into(), name: name.into() };
    manifest
        .catalog
        .objects
        .insert(key.clone(), Object { key, create: create.into(), sql_mode: String::new(), table: None });
    manifest.number += 1;
    past.cluster.put_manifest(&manifest).await.expect("put");
    past.timeline().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_restored_is_refused_before_anything_is_changed() {
    let db = MariaDb::start(&[]);
    db.sql("CREATE DATABASE d; CREATE TABLE d.good (id INT PRIMARY KEY); CREATE TABLE d.doubt (id INT PRIMARY KEY)");
    let past = Past::of(&db, &["d"]).await;
    let mut manifest = past.cluster.manifest().await.expect("read").expect("there");
    let doubt = past.catalog.table(&TableName::new("d", "doubt")).expect("there").id;
    manifest.catalog.uncertain.insert(doubt, "It was converted.".into());
    manifest.number = 2;
    past.cluster.put_manifest(&manifest).await.expect("put");
    let absent = ServerUrl { port: crate::support::db::free_port(), ..ServerUrl::parse(&db.url()).expect("a URL") };
    let to_nowhere = |what| RestoreRequest { target: absent.clone(), ..request(&db, what, replace()) };
    let error = restore(&past, &to_nowhere(databases(&["d"]))).await.expect_err("uncertain");
    assert_eq!(error.kind, Kind::Uncertain, "{error}");
    assert!(error.message.contains("d.doubt"), "{error}");
    manifest.catalog.uncertain.clear();
    manifest.catalog.refused.insert(TableName::new("d", "shape"), "its type is GEOMETRY".into());
    manifest.number = 3;
    past.cluster.put_manifest(&manifest).await.expect("put");
    let error = restore(&past, &to_nowhere(What::Cluster)).await.expect_err("refused");
    assert_eq!(error.kind, Kind::Unsupported, "{error}");
    assert!(error.message.contains("d.shape"), "{error}");
    // nobody there; nobody let in
    let error = restore(&past, &to_nowhere(tables(&[("d", "good")]))).await.expect_err("absent");
    assert_eq!(error.kind, Kind::Unreachable, "{error}");
    assert!(error.message.contains(&format!("mysql://pcloud@127.0.0.1:{}/", absent.port)), "{error}");
    assert!(!error.to_string().contains("secret"), "{error}");
    let stranger = ServerUrl { password: Some("wrong".into()), ..ServerUrl::parse(&db.url()).expect("a URL") };
    let asked = RestoreRequest { target: stranger, ..request(&db, tables(&[("d", "good")]), replace()) };
    let error = restore(&past, &asked).await.expect_err("denied");
    assert_eq!(error.kind, Kind::Server, "{error}");
    assert!(error.message.contains("1045") && !error.to_string().contains("wrong"), "{error}");
    // an account that may look but not write: nothing is left
    db.sql("CREATE USER reader@'%' IDENTIFIED BY 'r'; GRANT SELECT ON *.* TO reader@'%'");
    let before = state(&db);
    let reader =
        ServerUrl { user: "reader".into(), password: Some("r".into()), ..ServerUrl::parse(&db.url()).expect("a URL") };
    let asked = RestoreRequest { target: reader, ..request(&db, tables(&[("d", "good")]), replace()) };
    let error = restore(&past, &asked).await.expect_err("denied");
    assert!(error.message.contains("1044") && error.to_string().contains("ALL PRIVILEGES"), "{error}");
    assert_eq!(state(&db), before);
    let jobs = Jobs::new(Arc::new(FixedClock::default()));
    assert_eq!(jobs.cancel(1).expect_err("no job").kind, Kind::Usage);
    let made = plan(past.timeline().await, &request(&db, tables(&[("d", "good")]), replace())).await.expect("a plan");
    let job = jobs.start(made);
    job.wait().await.expect("restored");
    assert_eq!(jobs.cancel(job.id()).expect_err("it has ended").kind, Kind::Usage);
    jobs.stop().await;
    assert_eq!(jobs.list()[0].tables_done, 1);
}
