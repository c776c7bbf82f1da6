//! Do clients get from the port what a MariaDB server gives them?

#[allow(dead_code)] // shared with the unit tests, which use the rest
#[path = "../../src/server/tests/client.rs"]
mod client;

use crate::support::db::{MariaDb, Product};
use crate::support::made::{Made, int, row, table, varchar};
use crate::support::port::{Port, output};
use client::{Answer, Client};
use mysql_async::prelude::*;
use mysql_async::{Conn, Error, Row, Value as Wire};
use pcloud::model::{TableId, TableName, TableSchema, Value};
use pcloud::server::Settings;
use pcloud::source::mysql::ddl::parse_create_table;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

const TYPES: &str = "CREATE TABLE types (
  id INT NOT NULL PRIMARY KEY AUTO_INCREMENT,
  t TINYINT NOT NULL, tu TINYINT UNSIGNED DEFAULT 3, s SMALLINT, su SMALLINT UNSIGNED, m MEDIUMINT, mu MEDIUMINT UNSIGNED,
  iu INT UNSIGNED, b BIGINT, bu BIGINT UNSIGNED, z INT(7) UNSIGNED ZEROFILL,
  d1 DECIMAL(10,2), d2 DECIMAL(65,30), d3 DECIMAL(5,5), d4 DECIMAL(8,3) UNSIGNED ZEROFILL, d5 DECIMAL(20,0) UNSIGNED,
  f FLOAT, f2 FLOAT UNSIGNED, db DOUBLE, db2 DOUBLE UNSIGNED,
  b1 BIT(1), b17 BIT(17), b64 BIT(64), y YEAR,
  da DATE, dt DATETIME, dt3 DATETIME(3), dt6 DATETIME(6) NOT NULL, ti TIME, ti2 TIME(2), ti6 TIME(6),
  ts TIMESTAMP NULL, ts6 TIMESTAMP(6) NULL,
  c CHAR(10), v VARCHAR(300) NOT NULL DEFAULT 'x', vb VARCHAR(20) COLLATE utf8mb4_bin,
  tt TINYTEXT, te TEXT, mt MEDIUMTEXT, lt LONGTEXT,
  bi BINARY(4), vbi VARBINARY(300), tb TINYBLOB, bl BLOB, mb MEDIUMBLOB, lb LONGBLOB,
  e ENUM('a','bb','ö'), st SET('a','b','cc'), j JSON
) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci";

const ROWS: &str = "SET sql_mode='NO_ZERO_DATE', time_zone='+00:00';
SET sql_mode='';
INSERT INTO types VALUES (1, -128, 0, -32768, 0, -8388608, 0, 0, -9223372036854775808, 0, 42,
  -0.05, -12345678901234567890123456789012345.123456789012345678901234567890, -0.00012, 0.042, 0,
  0.1, 3.40282e38, 0.1, 1.797e308, b'0', b'1', 0, 0,
  '0000-00-00', '0000-00-00', '0000-00-00', '9999-12-31 23:59:59.999999', '-838:59:59', '-00:00:00.5', '-00:00:00.000001',
  '1970-01-01 00:00:01', '2038-01-19 03:14:07.999999',
  '', REPEAT('x', 250), 'A', '', REPEAT('y', 65535), REPEAT('z', 65536), 'ä€🦀',
  '', REPEAT(x'fb', 251), '', x'ff', x'00', x'fe', 'a', 'a,cc', '{\"a\": 1}');
INSERT INTO types VALUES (2, 127, 255, 32767, 65535, 8388607, 16777215, 4294967295, 9223372036854775807, 18446744073709551615,
  123456789, 12345678.90, 0.000000000000000000000000000001, 0, 12345.678, 18446744073709551615,
  -1.5, 16777200, -1e15, 1e-15, b'1', 0x10203, 18446744073709551615, 2155,
  '1000-01-01', '1969-12-31 23:59:59', '1970-01-02 00:00:00.123', '1000-01-01 00:00:00', '00:00:00', '838:59:59', '838:59:58.999999',
  '0000-00-00 00:00:00', '0000-00-00 00:00:00',
  'aä€🦀', 'ä', 'a', 'x', '', 'null', '',
  x'ff00fefb', '', x'00', '', '', REPEAT('q', 70000), 'ö', '', 'null');
INSERT INTO types (id, t, dt6) VALUES (3, 0, '2026-11-22 14:05:00');";

/// The table as it is on the server, and its rows: of FLOAT such as its text shows whole.
async fn copied(db: &MariaDb) -> (Arc<TableSchema>, Vec<Vec<Value>>) {
    let mut conn = db.connect().await;
    conn.query_drop("SET time_zone = '+00:00'").await.expect("set");
    let (_, create): (String, String) =
        conn.query_first("SHOW CREATE TABLE d.types").await.expect("shown").expect("it is there");
    let name = TableName::new("d", "types");
    let schema = parse_create_table(&create, name, TableId(1), ("utf8mb4", "utf8mb4_general_ci")).expect("carried");
    let rows: Vec<Row> = conn.query("SELECT * FROM d.types ORDER BY id").await.expect("rows");
    let value = |(wire, column): (Wire, &pcloud::model::Column)| match wire {
        Wire::NULL => Value::Null,
        Wire::Bytes(text) => Value::parse(&column.kind, &text).expect("a value of its type"),
        other => panic!("not text: {other:?}"),
    };
    let rows = rows.into_iter().map(|r| r.unwrap().into_iter().zip(&schema.columns).map(value).collect()).collect();
    (Arc::new(schema), rows)
}

/// Column definitions and rows, by the text protocol and by the binary.
async fn both_protocols(address: SocketAddr, deprecate_eof: bool, collation: u8) -> [(Vec<Vec<u8>>, Vec<Vec<u8>>); 2] {
    let (mut c, _) = Client::greeted(address).await;
    c.log_in(deprecate_eof, collation).await;
    assert!(matches!(c.query("SET time_zone = '+00:00'").await, Answer::Ok));
    let sql = "SELECT * FROM d.types ORDER BY id";
    let Answer::Rows { columns, rows } = c.query(sql).await else { panic!("no rows") };
    let id = c.prepare(sql).await;
    c.send(&Client::execute(id, 0, &[]), 0).await;
    let Answer::Rows { columns: prepared, rows: binary } = c.answer().await else { panic!("no rows") };
    [(columns, rows), (prepared, binary)]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_type_is_byte_for_byte_what_mariadb_sends() {
    let db = MariaDb::start(&[]);
    db.sql("CREATE DATABASE d; CREATE DATABASE shop; CREATE USER app@'%'; GRANT ALL ON *.* TO app@'%'");
    db.sql(&format!("USE d; {TYPES}; {ROWS}"));
    let (schema, rows) = copied(&db).await;
    let dir = tempfile::tempdir().expect("a directory");
    Made::begin_in(dir.path(), &["d", "shop"], &[(schema.clone(), rows)]).await;
    let port = Port::open(dir.path()).await;
    let theirs = SocketAddr::from(([127, 0, 0, 1], db.port));
    for (deprecate_eof, collation) in [(true, 45), (false, 45), (true, 33)] {
        let want = both_protocols(theirs, deprecate_eof, collation).await;
        let got = both_protocols(port.address, deprecate_eof, collation).await;
        for ((want, got), protocol) in want.iter().zip(&got).zip(["text", "binary"]) {
            let definitions = want.0.iter().zip(&got.0).zip(&schema.columns);
            let wrong: Vec<_> = definitions.filter(|((want, got), _)| want != got).collect();
            assert!(wrong.is_empty(), "{protocol}, {collation}: {wrong:#?}");
            for (i, (want, got)) in want.1.iter().zip(&got.1).enumerate() {
                let at = got.iter().zip(want).position(|(g, w)| g != w).unwrap_or(got.len().min(want.len()));
                let around =
                    |b: &[u8]| String::from_utf8_lossy(&b[at.saturating_sub(30)..b.len().min(at + 30)]).into_owned();
                assert!(
                    got == want,
                    "row {i}, {protocol}, {collation}, byte {at}: {} for {}",
                    around(got),
                    around(want)
                );
            }
            assert_eq!((got.0.len(), got.1.len()), (want.0.len(), want.1.len()));
        }
    }
}

/// Two rows, and a table of many.
async fn small() -> (tempfile::TempDir, Port) {
    small_with(Settings::default()).await
}

async fn small_with(settings: Settings) -> (tempfile::TempDir, Port) {
    let dir = tempfile::tempdir().expect("a directory");
    let t = table(1, "t", &[(0, "id", int()), (1, "v", varchar())], 1);
    let many = table(2, "many", &[(0, "id", int()), (1, "v", varchar())], 1);
    let rows = (0..20_000).map(|i| row(i, "some text to make it longer")).collect();
    let crab = table(3, "crab", &[(0, "id", int()), (1, "v", varchar())], 1);
    let small = vec![row(1, "one"), row(2, "zwei")];
    Made::begin_in(dir.path(), &["d", "shop"], &[(t, small), (many, rows), (crab, vec![row(1, "🦀")])]).await;
    let port = Port::with(dir.path(), settings).await;
    (dir, port)
}

fn code(e: Error) -> (u16, String) {
    match e {
        Error::Server(e) => (e.code, e.state),
        other => panic!("not the server's: {other}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_driver_reads_text_prepared_and_empty_results_and_sees_errors_by_number() {
    let (_dir, port) = small().await;
    let mut c = port.connect().await;
    let text: Vec<(i32, String)> = c.query("SELECT * FROM d.t ORDER BY id").await.expect("rows");
    assert_eq!(text, [(1, "one".into()), (2, "zwei".into())]);
    let prepared: Vec<(i32, String)> =
        c.exec("SELECT id, v FROM d.t WHERE id > ? ORDER BY id", (1,)).await.expect("rows");
    assert_eq!(prepared, [(2, "zwei".into())]);
    let named: Option<String> = c.exec_first("SELECT v FROM d.t WHERE v = ?", ("one",)).await.expect("a row");
    assert_eq!(named.as_deref(), Some("one"));
    let none: Vec<Row> = c.query("SELECT * FROM d.t WHERE id > 5").await.expect("no error");
    assert!(none.is_empty());
    let many: Vec<i32> = c.query("SELECT id FROM d.many ORDER BY id").await.expect("rows");
    assert!(many.iter().enumerate().all(|(i, id)| i as i32 == *id) && many.len() == 20_000);
    for (sql, number, state) in [
        ("SELEC 1", 1064, "42000"),
        ("SELECT * FROM d.nothing", 1146, "42S02"),
        ("SELECT nothing FROM d.t", 1054, "42S22"),
        ("SELECT * FROM t", 1046, "3D000"),
        ("USE nothing", 1049, "42000"),
        ("SELECT nothing(1)", 1305, "42000"),
        ("SELECT @@nothing", 1193, "HY000"),
        ("DELETE FROM d.t", 1290, "HY000"),
        ("SELECT * FROM d.t AS OF TIMESTAMP '1999-01-01 00:00:00'", 1525, "HY000"),
        ("KILL 4000000000", 1094, "HY000"),
    ] {
        let e = code(c.query_drop(sql).await.expect_err(sql));
        assert_eq!(e, (number, state.to_string()), "{sql}");
    }
    assert_eq!(c.query_first::<i64, _>("SELECT COUNT(*) FROM d.t").await.expect("it lives"), Some(2));
    c.disconnect().await.expect("it ends in order");
    port.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_of_20_megabytes_goes_there_and_back() {
    let (_dir, port) = small().await;
    let mut c = port.connect().await;
    let long = "y".repeat(20_000_000);
    let back: Option<String> = c.exec_first("SELECT ?", (&long,)).await.expect("a row");
    assert!(back == Some(long));
}

/// What the other connections run.
async fn running(c: &mut Conn) -> Vec<(u64, Option<String>)> {
    let rows: Vec<Row> = c.query("SHOW FULL PROCESSLIST").await.expect("rows");
    let mut all: Vec<(u64, Option<String>)> =
        rows.into_iter().map(|r| (r.get("Id").expect("a number"), r.get("Info").expect("text or NULL"))).collect();
    all.retain(|(id, _)| *id != u64::from(c.id()));
    all
}

async fn wait_for(c: &mut Conn, what: &str, holds: impl Fn(&[(u64, Option<String>)]) -> bool) {
    let start = Instant::now();
    loop {
        let now = running(c).await;
        if holds(&now) {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(10), "{what}: {now:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A join of the table with itself, each row with each: more than a test can wait for.
const ENDLESS: &str = "SELECT COUNT(*) FROM d.many a, d.many b, d.many c WHERE a.id + b.id + c.id = -1";

/// Rows without end, too.
const STREAM: &str = "SELECT a.v, b.v, c.v FROM d.many a, d.many b, d.many c";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_ends_a_statement_and_a_client_that_goes_away_does_too() {
    let (_dir, port) = small().await;
    let mut watcher = port.connect().await;
    for sql in [ENDLESS, STREAM] {
        let mut c = port.connect().await;
        let id = c.id();
        let statement = tokio::spawn(async move {
            let e = c.query_drop(sql).await;
            (c, e)
        });
        wait_for(&mut watcher, "it runs", |all| all.iter().any(|(_, s)| s.as_deref() == Some(sql))).await;
        let start = Instant::now();
        watcher.query_drop(format!("KILL QUERY {id}")).await.expect("killed");
        let (mut c, ended) = statement.await.expect("no panic");
        assert_eq!(code(ended.expect_err("it was killed")), (1317, "70100".into()), "{sql}");
        assert!(start.elapsed() < Duration::from_secs(3), "{sql}: {:?}", start.elapsed());
        assert_eq!(c.query_first::<i64, _>("SELECT 1").await.expect("the connection lives"), Some(1));

        c.disconnect().await.expect("it ends");

        let (mut c, _) = Client::greeted(port.address).await; // a driver would read to the end before it goes
        c.log_in(true, 45).await;
        c.command(3, sql.as_bytes()).await;
        wait_for(&mut watcher, "it runs", |all| all.iter().any(|(_, s)| s.as_deref() == Some(sql))).await;
        drop(c);
        wait_for(&mut watcher, "it is gone", |all| all.is_empty()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn set_names_decides_in_which_characters_text_arrives() {
    let (_dir, port) = small().await;
    let mut c = port.connect().await;
    for (names, crab) in [("utf8mb3", "?"), ("utf8mb4", "🦀"), ("ascii", "?")] {
        c.query_drop(format!("SET NAMES {names}")).await.expect("known");
        let got: Option<String> = c.query_first("SELECT v FROM d.crab").await.expect("a row");
        assert_eq!(got.as_deref(), Some(crab), "{names}");
    }
    assert_eq!(code(c.query_drop("SET NAMES koi8r").await.expect_err("not carried")).0, 1235);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_mariadb_client_and_mysql_9s_client_log_in_and_read() {
    let (_dir, port) = small().await;
    let (_other, full) = small_with(Settings { connections: 1, ..Settings::default() }).await;
    let held = full.connect().await;
    for program in [Product::MariaDb1011.tree().join("bin/mariadb"), Product::MySql9.tree().join("bin/mysql")] {
        for password in [&["--password="][..], &["--password=secret"], &["--password=secret", "--database=d"]] {
            let mut c = port.program(&program);
            c.args(password).args([
                "-N",
                "-B",
                "-e",
                "USE d; SELECT * FROM t ORDER BY id; SELECT DATABASE(), VERSION()",
            ]);
            let (ok, text) = output(c).await;
            let text =
                text.replace("mysql: [Warning] Using a password on the command line interface can be insecure.\n", "");
            let version = Settings::default().version;
            assert!(ok && text == format!("1\tone\n2\tzwei\nd\t{version}\n"), "{}: {text}", program.display());
        }
        let mut c = port.program(&program);
        c.args(["-e", "SELECT * FROM d.nothing"]);
        let (ok, text) = output(c).await;
        assert!(!ok && text.contains("ERROR 1146 (42S02)"), "{text}");

        // the only place is taken
        let mut c = full.program(&program);
        c.args(["-e", "SELECT 1"]);
        let (ok, text) = output(c).await;
        assert!(!ok && text.contains("1040") && text.contains(" Too many connections"), "{text}");
    }
    held.disconnect().await.expect("it ends");
}

/// SHOW JOBS: number and state.
async fn jobs(c: &mut Conn) -> Vec<(u64, String)> {
    let rows: Vec<Row> = c.query("SHOW JOBS").await.expect("rows");
    rows.iter().map(|r| (r.get("Job").expect("a number"), r.get("State").expect("text"))).collect()
}

async fn wait_for_job(c: &mut Conn, job: u64, state: &str) {
    let start = Instant::now();
    loop {
        let now = jobs(c).await;
        if now.contains(&(job, state.to_string())) {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "job {job} is not {state}: {now:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_outlives_its_statement_and_cancel_job_ends_it() {
    let db = MariaDb::start(&[]);
    let (_dir, port) = small().await;
    let mut watcher = port.connect().await;
    let mut locker = db.connect().await;
    let restore = |table: &str| format!("RESTORE TABLE d.{table} TO '{}'", db.url());
    for (job, table, killed) in [(1, "t", true), (2, "crab", false)] {
        locker.query_drop("FLUSH TABLES WITH READ LOCK").await.expect("locked");
        let (mut c, sql) = (port.connect().await, restore(table));
        let id = c.id();
        let statement = tokio::spawn(async move { c.query_drop(sql).await });
        wait_for_job(&mut watcher, job, "running").await;
        let shown = running(&mut watcher).await;
        assert!(shown.iter().flat_map(|(_, s)| s).all(|s| s.contains("RESTORE") && !s.contains("secret")), "{shown:?}");
        if killed {
            watcher.query_drop(format!("KILL QUERY {id}")).await.expect("killed");
            let e = statement.await.expect("no panic").expect_err("killed");
            assert!(e.to_string().contains("CANCEL JOB 1"), "{e}");
            locker.query_drop("UNLOCK TABLES").await.expect("free");
            wait_for_job(&mut watcher, job, "succeeded").await;
            assert_eq!(db.sql("SELECT COUNT(*) FROM d.t").trim(), "2");
        } else {
            watcher.query_drop(format!("CANCEL JOB {job}")).await.expect("cancelled");
            locker.query_drop("UNLOCK TABLES").await.expect("free");
            assert_eq!(code(statement.await.expect("no panic").expect_err("cancelled")).0, 1317);
            wait_for_job(&mut watcher, job, "cancelled").await;
            assert_eq!(db.sql("SHOW TABLES FROM d").trim(), "t");
        }
    }
    let report: Row = watcher.query_first(restore("crab")).await.expect("restored").expect("a row");
    let seen: (u64, String, u64, u64) = (
        report.get("Job").expect("a number"),
        report.get("State").expect("text"),
        report.get("Tables").expect("a number"),
        report.get("Rows").expect("a number"),
    );
    assert_eq!(seen, (3, "succeeded".into(), 1, 1));
    let again = code(watcher.query_drop(restore("crab")).await.expect_err("it is there"));
    assert_eq!(again, (1050, "42S01".into()));
    assert_eq!(code(watcher.query_drop("CANCEL JOB 99").await.expect_err("none")).0, 1210);
}
