//! An archive of what stands on a server now, restored by the program's own code.

use super::db::Db;
use mysql_async::prelude::Queryable;
use pcloud::archive::{Archive, Cluster, Commit, Manifest, SegmentWriter};
use pcloud::clock::SystemClock;
use pcloud::error::Result;
use pcloud::model::{
    Bookmark, Catalog, Change, ColumnType, Micros, Moment, MomentSpec, Object, ObjectKey, ObjectKind, RowsBuilder, Seq,
    ServerUrl, TableId, TableName, TableSchema, Value, quote_name,
};
use pcloud::restore::{Options, Progress, Report, RestoreRequest, What, plan, run};
use pcloud::source::mysql::ddl::parse_create_table;
use pcloud::timeline::Timeline;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// An archive of databases as they stand on a server now, read by the test's own means.
pub struct Past {
    pub cluster: Cluster,
    pub catalog: Catalog,
    pub dir: Arc<tempfile::TempDir>,
}

impl Past {
    pub async fn of(db: &Db, databases: &[&str]) -> Self {
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
            source: if db.product.is_mysql() { "MySQL 9".into() } else { "MariaDB".into() },
            bases,
            created: Micros(0),
        };
        cluster.put_manifest(&manifest).await.expect("the manifest");
        Self { cluster, catalog, dir: Arc::new(dir) }
    }

    pub async fn timeline(&self) -> Arc<Timeline> {
        Arc::new(Timeline::load(self.cluster.clone()).await.expect("a timeline"))
    }

    /// Adds a commit with changes of one table.
    pub async fn commit(&self, seq: u64, table: &TableName, changes: &[Change]) {
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

pub fn request(db: &Db, what: What, options: Options) -> RestoreRequest {
    let target = ServerUrl::parse(&db.url()).expect("a URL");
    RestoreRequest { cluster: "shop".into(), what, moment: MomentSpec::Latest, target, options, rows: None }
}

pub fn databases(names: &[&str]) -> What {
    What::Databases(names.iter().map(|n| n.to_string()).collect())
}

pub fn tables(names: &[(&str, &str)]) -> What {
    What::Tables(names.iter().map(|(d, t)| TableName::new(*d, *t)).collect())
}

pub fn replace() -> Options {
    Options { replace: true, ..Options::default() }
}

pub async fn restore(past: &Past, request: &RestoreRequest) -> Result<Report> {
    let plan = plan(past.timeline().await, request).await?;
    run(plan, Arc::new(Progress::default()), CancellationToken::new()).await
}

/// All that can be seen of the server but its own databases: definitions, counters, checksums.
pub fn state(db: &Db) -> String {
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
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within 30 s");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

pub const TYPES: &str = r#"
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

pub const SHOP: &str = r#"
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
