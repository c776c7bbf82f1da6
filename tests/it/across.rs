//! Restores into every kind of server, also of the other family: equal in every value, whole, or not at all.

use crate::support::archive::{protect_once, state_at, timeline};
use crate::support::db::{Db, Product};
use crate::support::history::{History, SCHEMA, seed};
use crate::support::past::{Past, SHOP, TYPES, databases, replace, request, restore, state, tables, until};
use mysql_async::Value as Cell;
use mysql_async::prelude::Queryable;
use pcloud::clock::FixedClock;
use pcloud::error::Kind;
use pcloud::model::MomentSpec;
use pcloud::restore::{Collations, JobState, Jobs, Options, What, plan, run};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Every row of every table of a database, as the binary protocol carries it.
async fn values(db: &Db, database: &str) -> Vec<String> {
    let mut conn = db.connect().await;
    conn.query_drop("SET time_zone = '+00:00'").await.expect("UTC");
    let sql = format!(
        "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{database}' AND TABLE_TYPE = 'BASE TABLE'"
    );
    let mut names: Vec<String> = conn.query(sql).await.expect("tables");
    names.sort();
    let mut all = Vec::new();
    for name in names {
        let sql = format!("SELECT * FROM `{database}`.`{}`", name.replace('`', "``"));
        let rows: Vec<mysql_async::Row> = conn.exec(sql, ()).await.expect("rows");
        let text = |cell| match cell {
            // YEAR: one family calls it unsigned
            Cell::UInt(n) => format!("Int({n})"),
            Cell::Float(f) => format!("Float({:08x})", f.to_bits()),
            Cell::Double(f) => format!("Double({:016x})", f.to_bits()),
            other => format!("{other:?}"),
        };
        let row = |r: mysql_async::Row| {
            format!("{name}: {}", r.unwrap().into_iter().map(text).collect::<Vec<_>>().join(", "))
        };
        let mut rows: Vec<String> = rows.into_iter().map(row).collect();
        rows.sort();
        all.extend(rows);
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_goes_to_mysql_and_to_a_newer_mariadb() {
    let source = Db::start(&[]);
    source.sql(TYPES);
    // MySQL's TIME ends at the last whole second
    source
        .sql("UPDATE types.every SET t6 = IF(t6 > 0, '838:59:59', '-838:59:59') WHERE ABS(TIME_TO_SEC(t6)) > 3020398");
    let (past, before) = (Past::of(&source, &["types"]).await, values(&source, "types").await);
    for product in [Product::MySql9, Product::MariaDb118] {
        let db = Db::of(product, &[]);
        for local_infile in [0, 1] {
            // no login is remembered: caching_sha2_password asks for the whole password
            db.sql(&format!(
                "FLUSH PRIVILEGES; DROP DATABASE IF EXISTS types; SET GLOBAL local_infile = {local_infile}"
            ));
            let asked = request(&db, databases(&["types"]), Options::default());
            let report = restore(&past, &asked).await.unwrap_or_else(|e| panic!("{product:?}: {e}"));
            assert_eq!((report.tables, report.rows, report.notes.len()), (6, 25, 0), "{product:?}: {report:?}");
            let after = values(&db, "types").await;
            for (a, b) in before.iter().zip(&after) {
                assert_eq!(a, b, "{product:?}");
            }
            assert_eq!(before.len(), after.len());
        }
        let asked = request(&db, databases(&["types"]), replace());
        restore(&past, &asked).await.unwrap_or_else(|e| panic!("{product:?}: {e}"));
        assert_eq!(values(&db, "types").await, before, "{product:?}");
        let left = db.sql("SHOW DATABASES LIKE 'pcloud%'");
        assert_eq!(left, "", "{product:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mariadb_shop_lives_on_in_mysql() {
    let source = Db::start(&[]);
    source.sql(SHOP);
    source.sql("CREATE TABLE shop.notes (id INT PRIMARY KEY, t TEXT DEFAULT 'none', u VARCHAR(36) DEFAULT (uuid()), n INT CHECK (n > 0)) ENGINE=Aria;
                INSERT INTO shop.notes (id, n) VALUES (1, 2)");
    let (past, before) = (Past::of(&source, &["shop", "crm"]).await, values(&source, "shop").await);
    let db = Db::of(Product::MySql9, &[]);
    let asked = request(&db, What::Cluster, Options::default());
    let made = plan(past.timeline().await, &asked).await.expect("a plan");
    assert!(
        made.notes().iter().any(|n| n == "Table shop.notes: in place of engine Aria it gets InnoDB."),
        "{:?}",
        made.notes()
    );
    let report = run(made, Arc::default(), CancellationToken::new()).await.expect("restored");
    assert_eq!((report.tables, report.objects), (5, 7), "{report:?}");
    assert_eq!(values(&db, "shop").await, before);
    // counters, keys, checks, triggers, routines and views live
    db.sql("INSERT INTO shop.orders (customer, total) VALUES (2, 1)");
    let seen = db.sql("SELECT id FROM shop.orders WHERE total = 1; SELECT * FROM shop.log WHERE at = 6");
    assert_eq!(seen, "6\n6\tit's 1.00\n");
    db.sql("DELETE FROM shop.orders WHERE customer = 2; INSERT INTO shop.notes (id, n) VALUES (2, 1)");
    assert_eq!(db.sql("SELECT * FROM shop.a_top ORDER BY 1"), "1\t12.00\n3\t84.00\n");
    assert_eq!(db.sql("SELECT t, LENGTH(u) FROM shop.notes WHERE id = 2"), "none\t36\n");
    let mut conn = db.connect().await;
    conn.query_drop("INSERT INTO shop.orders (customer, total) VALUES (99, 1)").await.expect_err("a foreign key");
    conn.query_drop("INSERT INTO shop.notes (id, n) VALUES (3, -1)").await.expect_err("a check");
    let mode = db.sql("SELECT SQL_MODE FROM information_schema.TRIGGERS WHERE TRIGGER_NAME = 'orders_audit'");
    assert!(mode.contains("TIME_TRUNCATE_FRACTIONAL") && !mode.contains("AUTO_CREATE"), "{mode}");
    // a later state is replaced by the earlier
    db.sql(
        "DROP VIEW shop.z_base; CREATE TABLE shop.z_base (x INT); ALTER TABLE shop.orders ADD y INT;
            CREATE TRIGGER shop.extra BEFORE DELETE ON shop.orders FOR EACH ROW SET @x = 1;
            DROP PROCEDURE shop.clear_log; CREATE PROCEDURE shop.clear_log() SELECT 2",
    );
    let later = state(&db);
    let error = plan(past.timeline().await, &asked).await.map(drop).expect_err("it is there");
    assert_eq!(error.kind, Kind::Exists, "{error}");
    restore(&past, &request(&db, What::Cluster, replace())).await.expect("replaced");
    assert_eq!(values(&db, "shop").await, before);
    assert_ne!(state(&db), later);
    // what MySQL cannot make is known only when everything is in place, and all goes back
    source.sql("CREATE VIEW shop.pretty AS SELECT JSON_DETAILED('[1]') AS j; DELETE FROM shop.log");
    let past = Past::of(&source, &["shop", "crm"]).await;
    let before = state(&db);
    let error = restore(&past, &request(&db, What::Cluster, replace())).await.expect_err("no such function");
    assert!(error.message.contains("creating view shop.pretty"), "{error}");
    assert_eq!(state(&db), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_midway_leaves_mysql_as_it_was() {
    let (source, db) = (Db::start(&[]), Db::of(Product::MySql9, &[]));
    source.sql("CREATE DATABASE big; USE big;
                CREATE TABLE a (id INT PRIMARY KEY, t TEXT); INSERT INTO a SELECT seq, REPEAT('x', 2000) FROM seq_1_to_30000;
                CREATE TABLE b (id INT PRIMARY KEY); INSERT INTO b VALUES (1), (2)");
    let past = Past::of(&source, &["big"]).await;
    db.sql("CREATE DATABASE big; CREATE TABLE big.a (id INT PRIMARY KEY); INSERT INTO big.a VALUES (7); CREATE TABLE big.b (x INT);
            CREATE TRIGGER big.b1 BEFORE INSERT ON big.b FOR EACH ROW SET @a = 1");
    let before = state(&db);
    let writing = "SELECT PROCESSLIST_ID FROM performance_schema.threads WHERE PROCESSLIST_USER = 'pcloud' AND \
                   PROCESSLIST_INFO LIKE 'INSERT INTO%'";
    for killed in [false, true] {
        let jobs = Jobs::new(Arc::new(FixedClock::default()));
        let asked = request(&db, databases(&["big"]), Options { parallel: 1, ..replace() });
        let job = jobs.start(plan(past.timeline().await, &asked).await.expect("a plan"));
        until("rows are loaded", || jobs.list()[0].rows_done > 0).await;
        let mut lock = db.connect().await;
        lock.query_drop("FLUSH TABLES WITH READ LOCK").await.expect("a lock");
        assert!(jobs.list()[0].state == JobState::Running, "it was over before it could be stopped");
        if killed {
            until("a write waits", || !db.sql(writing).is_empty()).await;
            db.sql(&format!("KILL {}", db.sql(writing).trim()));
        } else {
            jobs.cancel(1).expect("it runs");
        }
        lock.query_drop("UNLOCK TABLES").await.expect("unlocked");
        let error = job.wait().await.expect_err("stopped");
        assert_eq!(error.kind, if killed { Kind::Unreachable } else { Kind::Cancelled }, "{error}");
        assert_eq!(state(&db), before, "{error}");
    }
    // locked where it must move in
    let mut lock = db.connect().await;
    lock.query_drop("LOCK TABLES big.b READ").await.expect("a lock");
    let impatient = Options { lock_wait_seconds: 1, ..replace() };
    let error = restore(&past, &request(&db, tables(&[("big", "b")]), impatient)).await.expect_err("locked");
    assert!(error.message.contains("big.b") && error.to_string().contains("lock_wait_seconds"), "{error}");
    lock.query_drop("UNLOCK TABLES").await.expect("unlocked");
    assert_eq!(state(&db), before, "{error}");
    // the server goes away
    let asked = request(&db, databases(&["big"]), Options { parallel: 1, ..replace() });
    let jobs = Jobs::new(Arc::new(FixedClock::default()));
    let job = jobs.start(plan(past.timeline().await, &asked).await.expect("a plan"));
    until("rows are loaded", || jobs.list()[0].rows_done > 0).await;
    db.stop(true);
    db.start_again();
    let error = job.wait().await.expect_err("it went away");
    assert_eq!(error.kind, Kind::Unreachable, "{error}");
    assert_eq!(state(&db), before, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_cross_is_refused_before_anything_is_touched() {
    let (source, db) = (Db::start(&[]), Db::of(Product::MySql9, &[]));
    source.sql(
        "CREATE DATABASE d; USE d; CREATE TABLE keyed (id INT PRIMARY KEY); CREATE TABLE heap (n INT);
                CREATE TABLE wide (id INT PRIMARY KEY, n DECIMAL(65,38));
                CREATE TABLE u (id INT PRIMARY KEY, c VARCHAR(5) COLLATE utf8mb4_uca1400_ai_ci);
                INSERT INTO u VALUES (1, 'é')",
    );
    let past = Past::of(&source, &["d"]).await;
    let before = state(&db);
    let refused = async |what, options| {
        let error = plan(past.timeline().await, &request(&db, what, options)).await.map(drop).expect_err("refused");
        assert_eq!(state(&db), before, "{error}");
        error.to_string()
    };
    let error = refused(databases(&["d"]), Options::default()).await;
    assert!(error.contains("this cannot go to MySQL 9") && error.contains("column d.wide.n"), "{error}");
    assert!(error.contains("column d.u.c: its collation utf8mb4_uca1400_ai_ci"), "{error}");
    assert!(error.contains("utf8mb4_0900_ai_ci") && error.contains("collation = nearest"), "{error}");
    let nearest = Options { collation: Collations::Nearest, ..Options::default() };
    let report = restore(&past, &request(&db, tables(&[("d", "u")]), nearest)).await.expect("restored");
    assert!(report.notes.iter().any(|n| n.contains("column d.u.c gets utf8mb4_0900_ai_ci")), "{:?}", report.notes);
    assert_eq!(db.sql("SELECT COUNT(*) FROM d.u WHERE c = 'E'"), "1\n");
    db.sql("DROP DATABASE d; SET GLOBAL sql_require_primary_key = 1");
    let error = refused(tables(&[("d", "keyed"), ("d", "heap")]), Options::default()).await;
    assert!(error.contains("table d.heap has no primary key, and sql_require_primary_key"), "{error}");
    // a column more would be another table: the setting is switched off for the restore
    db.sql("SET GLOBAL sql_require_primary_key = 0; SET GLOBAL sql_generate_invisible_primary_key = 1");
    restore(&past, &request(&db, tables(&[("d", "heap")]), Options::default())).await.expect("restored");
    assert_eq!(db.sql("SELECT COUNT(*) FROM information_schema.COLUMNS WHERE TABLE_NAME = 'heap'"), "1\n");
    db.sql("DROP DATABASE d; SET GLOBAL super_read_only = 1");
    let error = refused(tables(&[("d", "keyed")]), Options::default()).await;
    assert!(error.contains("super_read_only"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn random_histories_are_the_same_on_every_server() {
    let (source, dir) = (Db::start(&[]), tempfile::tempdir().expect("a directory"));
    source.sql(SCHEMA);
    protect_once(dir.path(), &source.url(), "c");
    let mut history = History::new(seed());
    let mut moments = Vec::new();
    let mut conn = source.connect().await;
    for _ in 0..3 {
        for _ in 0..40 {
            for statement in history.next(true).statements {
                conn.query_drop(&statement).await.unwrap_or_else(|e| panic!("{statement}: {e}"));
            }
        }
        protect_once(dir.path(), &source.url(), "c");
        let latest = timeline(dir.path(), "c").await.latest();
        moments.push((latest.seq, values(&source, "h").await));
    }
    for product in [Product::MySql9, Product::MariaDb118] {
        let db = Db::of(product, &[]);
        for (seq, before) in moments.iter().rev() {
            let mut asked = request(&db, databases(&["h"]), replace());
            (asked.cluster, asked.moment) = ("c".into(), MomentSpec::Seq(*seq));
            let made = plan(Arc::new(timeline(dir.path(), "c").await), &asked).await.expect("a plan");
            run(made, Arc::default(), CancellationToken::new()).await.unwrap_or_else(|e| panic!("{product:?}: {e}"));
            assert_eq!(&values(&db, "h").await, before, "{product:?} at seq {seq}, PCLOUD_SEED={}", history.seed);
        }
    }
}

const MYSQL: &str = r"
CREATE DATABASE m COLLATE utf8mb4_0900_ai_ci; USE m;
CREATE TABLE kinds (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, i INT DEFAULT '5', v VARCHAR(20), b VARCHAR(20) COLLATE utf8mb4_bin,
  c CHAR(5) CHARACTER SET utf8mb3, bl BLOB, d DECIMAL(20,5), f FLOAT, g DOUBLE, dt DATETIME(6) DEFAULT CURRENT_TIMESTAMP(6), ts TIMESTAMP NULL,
  t TIME(3), y YEAR, e ENUM('a','b'), s SET('x','y'), bits BIT(9), tx TEXT,
  KEY by_v (v), KEY b (b) INVISIBLE, CONSTRAINT positive CHECK (i > 0), CONSTRAINT lazy CHECK (i > 9) NOT ENFORCED);
INSERT INTO kinds VALUES (1, 1, 'é', 'É', 'ü', x'00ff', -1.5, 0.1, 1e-300, '2026-10-25 02:30:00.5', '2026-10-25 00:30:00', '-1:02:03.004', 2026, 'b', 'x,y', b'101', '\\ '' \n'),
  (2, 2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE parts (id INT PRIMARY KEY, v INT) PARTITION BY HASH (id) PARTITIONS 3; INSERT INTO parts VALUES (1, 2), (3, 4);
";

#[tokio::test(flavor = "multi_thread")]
async fn mysqls_tables_go_to_mariadb() {
    let (source, old) = (Db::of(Product::MySql9, &[]), Db::start(&[]));
    source.sql(MYSQL);
    let (past, before) = (Past::of(&source, &["m"]).await, values(&source, "m").await);
    let error = restore(&past, &request(&old, databases(&["m"]), Options::default())).await.expect_err("refused");
    assert!(error.message.contains("utf8mb4_0900_ai_ci") && error.message.contains("MariaDB 10.11"), "{error}");
    let nearest = Options { collation: Collations::Nearest, ..Options::default() };
    let report = restore(&past, &request(&old, databases(&["m"]), nearest)).await.expect("restored");
    assert!(report.notes.iter().any(|n| n.contains("column m.kinds.v gets")), "{:?}", report.notes);
    assert!(report.notes.iter().any(|n| n.contains("check lazy is left out")), "{:?}", report.notes);
    assert_eq!(values(&old, "m").await, before);
    let create = old.sql("SHOW CREATE TABLE m.kinds");
    assert!(create.contains("IGNORED") && create.contains("utf8mb4_uca1400_nopad_ai_ci"), "{create}");
    drop(old);
    let new = Db::of(Product::MariaDb118, &[]);
    restore(&past, &request(&new, databases(&["m"]), Options::default())).await.expect("restored");
    assert_eq!(values(&new, "m").await, before);
    // and back
    let past = Past::of(&new, &["m"]).await;
    source.sql("DROP DATABASE m");
    restore(&past, &request(&source, databases(&["m"]), Options::default())).await.expect("restored");
    assert_eq!(values(&source, "m").await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_into_a_captured_server_is_followed() {
    let (source, dir) = (Db::start(&[]), tempfile::tempdir().expect("a directory"));
    source.sql(SCHEMA);
    source.sql("INSERT INTO h.ints VALUES (1, 2, 'x'), (2, 3, NULL); INSERT INTO h.strings VALUES ('a', 1.5); INSERT INTO h.bag VALUES (1, 'y')");
    protect_once(dir.path(), &source.url(), "c");
    let then = timeline(dir.path(), "c").await.latest().seq;
    source.sql("UPDATE h.ints SET a = a + 1; DELETE FROM h.strings; INSERT INTO h.bag VALUES (1, 'y')");
    protect_once(dir.path(), &source.url(), "c");
    let mut asked = request(&source, databases(&["h"]), replace());
    (asked.cluster, asked.moment) = ("c".into(), MomentSpec::Seq(then));
    let made = plan(Arc::new(timeline(dir.path(), "c").await), &asked).await.expect("a plan");
    run(made, Arc::default(), CancellationToken::new()).await.expect("restored");
    source.sql("INSERT INTO h.pairs VALUES (1, 'b', 2, 'later')");
    protect_once(dir.path(), &source.url(), "c");
    let after = timeline(dir.path(), "c").await;
    assert_eq!(after.coverage().expect("coverage").uncertain, [], "the tables came in row by row");
    let (was, mut is) = (state_at(&after, "h", then).await, state_at(&after, "h", after.latest().seq).await);
    assert_eq!(is.remove("pairs").map(|rows| rows.len()), Some(1));
    assert!(is.iter().all(|(name, rows)| was.get(name) == Some(rows)), "{is:?} {was:?}");
}

const DOCUMENTS: &str = r#"
CREATE DATABASE j COLLATE utf8mb4_0900_ai_ci; USE j;
CREATE TABLE docs (id INT PRIMARY KEY, d JSON, n JSON NOT NULL, t VARCHAR(20));
INSERT INTO docs VALUES (1, '{"b": [1, 2.5, "é"], "a": null}', '[]', 'x'), (2, NULL, '"text \\" \\u0001 😀"', 'É'), (3, '[true, false, {}]', '1', NULL),
  (4, '[12345678901234567890, -9223372036854775808, 1e300, 0.1, -0.5, 1.0, 1e5]', 'null', ''), (5, '{"k": {"k": {"k": [[], [[]]]}}}', '{"": ""}', 'y');
"#;

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_of_mysql_goes_back_and_to_mariadb() {
    let (source, dir) = (Db::of(Product::MySql9, &[]), tempfile::tempdir().expect("a directory"));
    source.sql(DOCUMENTS);
    source.sql(SCHEMA);
    protect_once(dir.path(), &source.url(), "c");
    source.sql(
        r#"UPDATE j.docs SET d = '{"z": 1, "y": [3.25, "two"]}' WHERE id = 3; INSERT INTO j.docs VALUES (6, '[1.5e-7, 100000000000000000000]', '-1', 'z');
           DELETE FROM j.docs WHERE id = 1; INSERT INTO j.docs VALUES (7, JSON_ARRAY(1.5e0, 'a', NULL, 3e0), '{}', 'w');
           CREATE DATABASE n; CREATE TABLE n.d (id INT PRIMARY KEY, d JSON); INSERT INTO n.d VALUES (1, JSON_ARRAY(1.50))"#,
    );
    let mut history = History::new(seed());
    let mut conn = source.connect().await;
    for _ in 0..60 {
        for statement in history.next(true).statements {
            conn.query_drop(&statement).await.unwrap_or_else(|e| panic!("{statement}: {e}"));
        }
    }
    protect_once(dir.path(), &source.url(), "c");
    let before = (values(&source, "j").await, values(&source, "h").await);
    let latest = timeline(dir.path(), "c").await.latest().seq;
    source.sql("DELETE FROM j.docs; DROP DATABASE h");
    let newer = Db::of(Product::MariaDb118, &[]);
    for db in [&newer, &source] {
        let mut asked = request(db, databases(&["j", "h", "n"]), replace());
        (asked.cluster, asked.moment) = ("c".into(), MomentSpec::Seq(latest));
        let made = plan(Arc::new(timeline(dir.path(), "c").await), &asked).await.expect("a plan");
        run(made, Arc::default(), CancellationToken::new()).await.unwrap_or_else(|e| panic!("{:?}: {e}", db.product));
        assert_eq!(values(db, "j").await, before.0, "{:?}", db.product);
        // a DECIMAL in a document is equal, and may be written otherwise
        assert_eq!(db.sql("SELECT d FROM n.d"), if db.product.is_mysql() { "[1.5]\n" } else { "[1.50]\n" });
        assert_eq!(values(db, "h").await, before.1, "{:?}, PCLOUD_SEED={}", db.product, history.seed);
    }
    assert!(source.sql("SHOW CREATE TABLE j.docs").contains("`d` json"), "MySQL keeps its type");
    let made = newer.sql("SHOW CREATE TABLE j.docs");
    assert!(made.contains("json_valid(`d`)") && made.contains("utf8mb4_0900_ai_ci"), "{made}");
}
