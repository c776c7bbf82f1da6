//! MySQL 9 as a source: what its log, its GTIDs and its JSON have that MariaDB's do not.

use crate::support::archive::{pcloud, protect_once, rows_at, succeeded, text, timeline};
use crate::support::db::{Db, Product};
use mysql_async::prelude::*;
use pcloud::model::{MomentSpec, Seq, ServerUrl, TableName};
use pcloud::source::Filter;
use pcloud::source::mysql::preflight::{Line, check};
use std::path::Path;

type Rows = Vec<Vec<Option<String>>>;

/// What the server itself answers, in its own text.
async fn server_rows(db: &Db, table: &str) -> Rows {
    let mut conn = db.connect().await;
    conn.query_drop("SET time_zone = '+00:00'").await.expect("SET");
    let rows: Vec<mysql_async::Row> = conn.query(format!("SELECT * FROM {table}")).await.expect("SELECT");
    let cell = |v| match v {
        mysql_async::Value::NULL => None,
        mysql_async::Value::Bytes(b) => Some(text(&b)),
        other => panic!("the text protocol gave {other:?}"),
    };
    let mut rows: Rows = rows.into_iter().map(|r| r.unwrap().into_iter().map(cell).collect()).collect();
    rows.sort();
    rows
}

/// The rows of a table now, and at every commit of the archive `c`.
async fn history(dir: &Path, table: &str) -> Vec<Rows> {
    let timeline = timeline(dir, "c").await;
    let name = TableName::new("shop", table);
    let mut all = Vec::new();
    for seq in 0..=timeline.latest().seq.0 {
        all.push(rows_at(&timeline, &name, Seq(seq)).await);
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_that_a_transaction_has_in_the_log_is_followed() {
    let db = Db::of(Product::MySql9, &[]);
    db.sql("CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY, v VARCHAR(2000)); INSERT INTO shop.t VALUES (0, 'base')");
    let dir = tempfile::tempdir().expect("a directory");
    protect_once(dir.path(), &db.url(), "c");
    let mut expected = vec![server_rows(&db, "shop.t").await];
    for statements in [
        "INSERT INTO t VALUES (1, 'plain')",
        "BEGIN; UPDATE t SET v = 'changed' WHERE id = 0; DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (2, 'x'); COMMIT",
        "SET SESSION binlog_transaction_compression = ON; BEGIN; INSERT INTO t VALUES (3, REPEAT('packed', 300)), (4, 'b'); UPDATE t SET v = CONCAT(v, '!'); COMMIT",
        "SET gtid_next = 'AUTOMATIC:blue'; INSERT INTO t VALUES (5, 'tagged')",
        "SET gtid_next = '3e11fa47-71ca-11e1-9e33-c80aa9429562:7'; INSERT INTO t VALUES (6, 'of another server')",
        "SET gtid_next = '3e11fa47-71ca-11e1-9e33-c80aa9429562:red:9'; INSERT INTO t VALUES (7, 'of another server')",
        "SET SESSION binlog_rows_query_log_events = ON; INSERT INTO t VALUES (8, 'with its statement')",
        "XA START 'one'; INSERT INTO t VALUES (9, 'one phase'); XA END 'one'; XA COMMIT 'one' ONE PHASE",
        "FLUSH BINARY LOGS; BEGIN; INSERT INTO t VALUES (10, 'kept'); SAVEPOINT s; INSERT INTO t VALUES (11, 'undone'); ROLLBACK TO s; COMMIT",
        "XA START 'two'; INSERT INTO t VALUES (12, 'two phases'); XA END 'two'; XA PREPARE 'two'; INSERT INTO t VALUES (13, 'between'); XA COMMIT 'two'",
        "SET sql_log_bin = 1; BEGIN; INSERT INTO t VALUES (14, 'rolled back'); ROLLBACK; REPLACE INTO t VALUES (13, 'last')",
    ] {
        if statements.contains("'between'") {
            let (first, last) = statements.split_once("; XA COMMIT").expect("it has one");
            db.sql(&format!("USE shop; {first}"));
            expected.push(server_rows(&db, "shop.t").await);
            db.sql(&format!("XA COMMIT{last}"));
        } else {
            db.sql(&format!("USE shop; {statements}"));
        }
        expected.push(server_rows(&db, "shop.t").await);
    }
    protect_once(dir.path(), &db.url(), "c");
    let found = history(dir.path(), "t").await;
    assert_eq!(found.len(), expected.len(), "commits");
    for (seq, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert_eq!(found, expected, "seq {seq}");
    }

    // moments by GTID, and times to the µs
    let timeline = timeline(dir.path(), "c").await;
    let at = |gtid: &str| timeline.resolve(&MomentSpec::Gtid(gtid.into())).expect("a known GTID").seq;
    assert_eq!(at("3E11FA47-71CA-11E1-9E33-C80AA9429562:red:9"), Seq(6));
    let uuid = db.sql("SELECT @@server_uuid");
    assert_eq!(at(&format!("{}:blue:1", uuid.trim())), Seq(4));
    let before = timeline.resolve(&MomentSpec::BeforeGtid("3e11fa47-71ca-11e1-9e33-c80aa9429562:7".into()));
    assert_eq!(before.expect("a known GTID").seq, Seq(4));
    let times: Vec<_> = timeline.commits(Seq(1), Seq(3)).map(|c| c.commit.time.0 % 1_000_000).collect();
    assert!(times.iter().any(|us| *us != 999_999), "{times:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn json_is_shown_as_the_server_shows_it_from_base_and_log_alike() {
    let db = Db::of(Product::MySql9, &[]);
    db.sql("CREATE DATABASE shop; CREATE TABLE shop.j (id INT PRIMARY KEY AUTO_INCREMENT, j JSON)");
    let values = r#"
        ('{"bb": 1, "a": [1, 2.5, null, true, false], "ccc": {"x": -1}}'), ('1.0'), ('1e308'), ('-0.0'), ('0.1'), ('1e-7'),
        ('123456789012345678901234567890'), ('1e14'), ('1e15'), ('-1e16'), ('"a\\u0001\\u001f\\n\\t\\b\\f\\r\\\\\\"/é\\u2028🦀"'),
        (JSON_ARRAY(CAST(1.50 AS DECIMAL(10,2)), CAST(-0.05 AS DECIMAL(65,30)), DATE'2026-01-02', DATE'0001-01-01',
            TIMESTAMP'2026-01-02 03:04:05.678', TIME'-12:13:14.5', TIME'123:00:00', TIME'-838:59:59', b'101', x'010203',
            CAST('abc' AS BINARY))),
        (JSON_OBJECT('k', REPEAT(x'ff', 57), 'l', REPEAT(x'00', 58), 'm', REPEAT(x'01', 300))), ('null'), (NULL), ('""'), ('[]'), ('{}'),
        (JSON_ARRAY(18446744073709551615, -9223372036854775808, 70000, -70000, 32768, -32769, 65536, 0, 4294967296)),
        (JSON_ARRAY(1e0, 3.4e38, CAST(1.1 AS FLOAT), 1e-5, 0.00001234e0, 1.7976931348623157e308, 5e-324, 100, 1e2)),
        ('{"": 1, "é": 2, "b": 3, "aa": 4, "B": 5}'), (JSON_ARRAY(CAST(2026 AS YEAR), ST_GeomFromText('POINT(1 2)'))),
        (JSON_OBJECT('long', REPEAT('x', 70000), 'n', 70000, 'm', -70000, 'i', 7)), (JSON_ARRAY(REPEAT('y', 65536), 1, 70000, 5e9))
    "#;
    db.sql(&format!("USE shop; INSERT INTO j (j) VALUES {values}"));
    let dir = tempfile::tempdir().expect("a directory");
    protect_once(dir.path(), &db.url(), "c");
    db.sql("USE shop; INSERT INTO j (j) SELECT j FROM j; UPDATE j SET j = JSON_SET(j, '$.a', 'new') WHERE id < 4");
    protect_once(dir.path(), &db.url(), "c");
    let timeline = timeline(dir.path(), "c").await;
    let found = rows_at(&timeline, &TableName::new("shop", "j"), timeline.latest().seq).await;
    let expected = server_rows(&db, "shop.j").await;
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn a_bad_server_is_mended_by_what_the_report_says() {
    let db = Db::of(
        Product::MySql9,
        &["--gtid-mode=OFF", "--enforce-gtid-consistency=OFF", "--binlog-row-value-options=PARTIAL_JSON"],
    );
    db.sql(
        "SET GLOBAL binlog_row_metadata = 'MINIMAL'; SET GLOBAL binlog_row_image = 'MINIMAL';
         SET GLOBAL binlog_expire_logs_seconds = 3600; CREATE USER low@'%' IDENTIFIED BY 'x'; CREATE DATABASE shop",
    );
    let low = ServerUrl::parse(&format!("mysql://low:x@127.0.0.1:{}/", db.port)).expect("a URL");
    let report = || async { check(&low, &Filter::default(), true).await.expect("a report") };
    let before = report().await;
    let misses: Vec<&Line> = before.lines.iter().filter(|l| !l.ok).collect();
    let names: Vec<&str> = misses.iter().map(|l| l.name.as_str()).filter(|n| !n.starts_with("grant ")).collect();
    let settings = [
        "binlog_row_image",
        "binlog_row_metadata",
        "binlog_expire_logs_seconds",
        "binlog_row_value_options",
        "gtid_mode",
    ];
    assert_eq!(names, settings, "{before}");
    assert_eq!(misses.len() - names.len(), 9, "{before}");
    for line in misses {
        db.sql(line.fix.as_deref().expect("a remedy"));
    }
    let after = report().await;
    assert!(after.ok(), "{after}");
    // the account that the report asks for can do all that is done
    let dir = tempfile::tempdir().expect("a directory");
    protect_once(dir.path(), &format!("mysql://low:x@127.0.0.1:{}/", db.port), "c");
    succeeded(pcloud(dir.path()).arg("ls"));
}

#[tokio::test(flavor = "multi_thread")]
async fn definitions_are_shown_in_the_servers_own_words_from_base_and_log_alike() {
    let db = Db::of(Product::MySql9, &[]);
    let tables = ["a", "b", "c"];
    db.sql(
        "CREATE DATABASE shop; USE shop;
         CREATE TABLE a (id INT PRIMARY KEY AUTO_INCREMENT, n BIGINT UNSIGNED NOT NULL DEFAULT 5, k TINYINT(1), j JSON, y YEAR,
           v VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT 'x', d DATETIME(3) DEFAULT CURRENT_TIMESTAMP(3), t TEXT,
           KEY (v DESC), CHECK (n > 2)) COMMENT 'hey';
         CREATE TABLE b (id INT PRIMARY KEY, n INT)",
    );
    let dir = tempfile::tempdir().expect("a directory");
    protect_once(dir.path(), &db.url(), "c");
    let shown = |table: &str| db.sql(&format!("SHOW CREATE TABLE shop.{table}")).trim().to_string();
    let create = |timeline: &pcloud::timeline::Timeline, table: &str| {
        let catalog = timeline.catalog_at(timeline.latest().seq).expect("a catalog");
        let table = catalog.table(&TableName::new("shop", table)).expect("a table");
        format!("{}\t{}", table.name.table, table.create.replace('\n', "\\n"))
    };
    let base = timeline(dir.path(), "c").await;
    assert_eq!(create(&base, "a"), shown("a"));
    db.sql(
        "USE shop; ALTER TABLE b ADD COLUMN j JSON, ADD COLUMN s SMALLINT NOT NULL DEFAULT 7, ADD COLUMN t TEXT;
         CREATE TABLE c (id INT UNSIGNED PRIMARY KEY, z INT(5) ZEROFILL, j JSON, d DECIMAL(10,2) DEFAULT 1.5, k TINYINT(1),
           w VARCHAR(10) COLLATE utf8mb4_bin);
         INSERT INTO c VALUES (1, 2, '[1]', 3, 1, 'w'); INSERT INTO b VALUES (1, 1, '{}', 2, 't')",
    );
    protect_once(dir.path(), &db.url(), "c");
    let now = timeline(dir.path(), "c").await;
    for table in tables {
        assert_eq!(create(&now, table), shown(table));
        assert_eq!(
            rows_at(&now, &TableName::new("shop", table), now.latest().seq).await,
            server_rows(&db, &format!("shop.{table}")).await
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_on_after_a_restart_and_from_a_replica_that_took_over() {
    let (first, second) = (Db::of(Product::MySql9, &[]), Db::of(Product::MySql9, &[]));
    first.sql("CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY, v VARCHAR(20)); INSERT INTO shop.t VALUES (1, 'base')");
    second.sql(&format!(
        "RESET BINARY LOGS AND GTIDS; CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT={}, SOURCE_USER='pcloud',
         SOURCE_PASSWORD='secret', SOURCE_AUTO_POSITION=1, SOURCE_CONNECT_RETRY=1, GET_SOURCE_PUBLIC_KEY=1; START REPLICA",
        first.port
    ));
    let dir = tempfile::tempdir().expect("a directory");
    protect_once(dir.path(), &first.url(), "c");
    first.sql("INSERT INTO shop.t VALUES (2, 'before')");
    first.stop(true);
    first.start_again();
    first.sql("INSERT INTO shop.t VALUES (3, 'after a crash')");
    protect_once(dir.path(), &first.url(), "c");
    first.sql("INSERT INTO shop.t VALUES (4, 'by the replica')");
    let executed = first.sql("SELECT @@GLOBAL.gtid_executed").trim().to_string();
    assert_eq!(second.sql(&format!("SELECT WAIT_FOR_EXECUTED_GTID_SET('{executed}', 60)")).trim(), "0");
    second.sql("STOP REPLICA; FLUSH BINARY LOGS; INSERT INTO shop.t VALUES (5, 'of the new one')");
    drop(first);
    protect_once(dir.path(), &second.url(), "c");
    assert_eq!(history(dir.path(), "t").await.pop(), Some(server_rows(&second, "shop.t").await));
    assert_eq!(timeline(dir.path(), "c").await.latest().seq, Seq(4));

    // a server that lacks what the backup has, and one that has purged what the backup lacks
    let refused = |db: &Db| {
        let out = pcloud(dir.path()).args(["protect", &db.url(), "--name", "c", "--once"]).output().expect("it starts");
        assert!(!out.status.success(), "{}", text(&out.stderr));
        text(&out.stderr)
    };
    second.sql("INSERT INTO shop.t VALUES (6, 'lost'); FLUSH BINARY LOGS");
    let last = second.sql("SHOW BINARY LOGS").lines().last().and_then(|l| l.split('\t').next().map(String::from));
    second.sql(&format!("PURGE BINARY LOGS TO '{}'", last.expect("a log")));
    let error = refused(&second);
    assert!(error.contains("purged") && error.contains("--accept-gap"), "{error}");
    second.sql("RESET BINARY LOGS AND GTIDS");
    let error = refused(&second);
    assert!(error.contains("does not have transactions"), "{error}");
}
