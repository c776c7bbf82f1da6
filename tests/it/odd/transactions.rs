//! Transactions that are not written every day: each is followed exactly, without a new base.

use super::unchecked::{self, Following};
use super::{protect, protected, same_as_server};
use crate::support::archive::{text, timeline};
use crate::support::db::{Db, Product};
use crate::support::serve::Serve;
use pcloud::model::TableName;
use pcloud::timeline::Timeline;
use std::time::{Duration, Instant};

/// Runs statements behind a base, and follows them: without a table that became uncertain, unless the test says so.
async fn followed(db: &Db, statements: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    protected(dir.path(), db, &[]);
    for statement in statements {
        db.sql(&format!("USE shop; {statement}"));
    }
    let out = protect(dir.path(), db, &[]);
    assert!(out.status.success(), "{}", text(&out.stderr));
    assert!(!text(&out.stderr).contains("uncertain"), "{}", text(&out.stderr));
    same_as_server(dir.path(), db).await;
    dir
}

const SETUP: &str = "CREATE DATABASE shop; USE shop; CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(100));
    CREATE TABLE u (id INT PRIMARY KEY, v INT); CREATE TABLE bag (v INT)";

/// What both families can do.
const COMMON: &[&str] = &[
    "BEGIN; INSERT INTO t VALUES (1, 'a'); SAVEPOINT s1; INSERT INTO t VALUES (2, 'gone'); ROLLBACK TO s1; INSERT INTO t VALUES (3, 'c'); COMMIT",
    "BEGIN; INSERT INTO t VALUES (4, 'gone'); ROLLBACK; BEGIN; COMMIT; BEGIN; UPDATE t SET v = 'x' WHERE id = 999; COMMIT",
    "INSERT INTO u WITH RECURSIVE s (n) AS (SELECT 100 UNION ALL SELECT n + 1 FROM s WHERE n < 900) SELECT n, n FROM s",
    "UPDATE u SET v = v + 1; DELETE FROM u WHERE id % 3 = 0; UPDATE u SET id = -id WHERE id > 800; INSERT INTO bag SELECT v FROM u",
    "DELETE FROM bag WHERE v % 2 = 0 LIMIT 50; UPDATE bag SET v = 1",
    "UPDATE t JOIN u ON u.id = t.id + 100 SET t.v = 'joined', u.v = -1; DELETE t, u FROM t JOIN u ON u.id = t.id + 100 WHERE t.id = 3",
    "REPLACE INTO t VALUES (1, 'replaced'); INSERT INTO t VALUES (1, 'dup') ON DUPLICATE KEY UPDATE v = 'ondup'; INSERT IGNORE INTO t VALUES (1, 'z'), (2, 'new')",
    // one that commits the one before
    "BEGIN; INSERT INTO t VALUES (70, 'a'); CREATE TABLE ic (id INT PRIMARY KEY); INSERT INTO ic VALUES (1); ROLLBACK",
    "XA START 'b'; INSERT INTO t VALUES (53, 'gone'); XA END 'b'; XA PREPARE 'b'; XA ROLLBACK 'b'",
    "XA START 'c'; INSERT INTO t VALUES (54, 'one phase'); XA END 'c'; XA COMMIT 'c' ONE PHASE",
    "XA START 'd'; INSERT INTO t VALUES (55, 'gone'); XA END 'd'; XA ROLLBACK 'd'; XA START 'e'; XA END 'e'; XA PREPARE 'e'; XA COMMIT 'e'",
    // prepared, left by its session, and committed by another after others
    "XA START 'f'; INSERT INTO t VALUES (56, 'prepared'); UPDATE u SET v = 7 WHERE id = 101; XA END 'f'; XA PREPARE 'f'",
    "INSERT INTO t VALUES (57, 'meanwhile'); FLUSH BINARY LOGS",
    "XA COMMIT 'f'",
    "CREATE TEMPORARY TABLE tmp (a INT); BEGIN; INSERT INTO t VALUES (61, 'gone'); INSERT INTO tmp VALUES (1); DROP TEMPORARY TABLE tmp; ROLLBACK",
    "BEGIN; INSERT INTO t VALUES (62, 'gone'); CREATE TEMPORARY TABLE tmp (a INT); INSERT INTO tmp VALUES (1); INSERT INTO t VALUES (63, 'gone'); ROLLBACK",
    "BEGIN; INSERT INTO t VALUES (64, 'a'); CREATE TEMPORARY TABLE tmp (a INT); INSERT INTO tmp VALUES (64); INSERT INTO t SELECT a + 1, 'b' FROM tmp; COMMIT",
    "TRUNCATE bag; FLUSH BINARY LOGS; INSERT INTO bag VALUES (1), (1)",
];

/// Tables that cannot be rolled back, within transactions that are. MySQL refuses such transactions (it has GTIDs).
const MIXED: &[&str] = &[
    "CREATE TABLE m (id INT PRIMARY KEY, v INT) ENGINE=MyISAM; CREATE TABLE ar (id INT PRIMARY KEY, v INT) ENGINE=Aria;
     CREATE TABLE mem (id INT PRIMARY KEY, v INT) ENGINE=MEMORY; INSERT INTO m VALUES (1, 1), (2, 2); UPDATE m SET v = 3 WHERE id = 1",
    "BEGIN; INSERT INTO t VALUES (11, 'a'); SAVEPOINT `s 1`; INSERT INTO t VALUES (12, 'gone'); INSERT INTO m VALUES (12, 1); ROLLBACK TO `s 1`;
     INSERT INTO t VALUES (13, 'c'); SAVEPOINT s2; UPDATE t SET v = 'gone' WHERE id = 11; SAVEPOINT s3; INSERT INTO ar VALUES (12, 1);
     DELETE FROM t WHERE id = 13; ROLLBACK TO s3; ROLLBACK TO s2; COMMIT",
    "BEGIN; INSERT INTO t VALUES (21, 'gone'); INSERT INTO m VALUES (21, 1); INSERT INTO mem VALUES (21, 1); INSERT INTO ar VALUES (21, 1); ROLLBACK",
    "BEGIN; INSERT INTO t VALUES (31, 'gone'); INSERT INTO m VALUES (31, 5); UPDATE t, m SET t.v = 'y', m.v = 9 WHERE t.id = m.id AND t.id = 31; ROLLBACK",
    "BEGIN; INSERT INTO t VALUES (32, 'x'); INSERT INTO m VALUES (32, 5); UPDATE t, m SET t.v = 'y', m.v = 9 WHERE t.id = m.id AND t.id = 32; COMMIT",
    "INSERT IGNORE INTO m VALUES (40, 1), (41, 1), (31, 2), (42, 1)",
    "XA START 'g'; INSERT INTO t VALUES (58, 'gone'); INSERT INTO m VALUES (58, 1); XA END 'g'; XA PREPARE 'g'; XA ROLLBACK 'g'",
    "SET SESSION gtid_domain_id = 5; INSERT INTO u VALUES (1, 1); SET SESSION gtid_domain_id = 7; INSERT INTO u VALUES (2, 1)",
    "SET SESSION gtid_domain_id = 5; UPDATE u SET v = 2 WHERE id < 3",
];

#[tokio::test(flavor = "multi_thread")]
async fn odd_transactions_of_mariadb() {
    for product in [Product::MariaDb1011, Product::MariaDb118] {
        // many events to a statement, many files to a burst, everything compressed
        let small = ["--binlog-row-event-max-size=256", "--max-binlog-size=4096"];
        let compressed = ["--log-bin-compress=ON", "--log-bin-compress-min-len=10", "--binlog-checksum=NONE"];
        for options in [&small[..], &compressed[..]] {
            let db = Db::of(product, options);
            db.sql(SETUP);
            followed(&db, &[MIXED, COMMON].concat()).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_transactions_of_mysql() {
    for options in [&["--binlog-row-event-max-size=256", "--max-binlog-size=4096"][..], &["--binlog-checksum=NONE"]] {
        let db = Db::of(Product::MySql9, options);
        db.sql(SETUP);
        followed(&db, COMMON).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_of_500_tables() {
    let db = Db::start(&["--innodb-flush-log-at-trx-commit=0"]);
    db.sql(SETUP);
    let create: Vec<String> = (0..500).map(|n| format!("CREATE TABLE w{n} (id INT PRIMARY KEY)")).collect();
    let insert: Vec<String> = (0..500).map(|n| format!("INSERT INTO w{n} VALUES ({n})")).collect();
    db.sql(&format!("USE shop; {}", create.join(";")));
    let dir = followed(&db, &[&format!("BEGIN; {}; COMMIT", insert.join(";"))]).await;
    let timeline = timeline(dir.path(), "c").await;
    let last = timeline.commits(timeline.latest().seq, timeline.latest().seq).next().expect("a commit");
    assert_eq!(last.commit.rows.len(), 500);
}

/// A row of one event of 100 MB, and one that is changed.
#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_hundred_megabytes() {
    for product in [Product::MariaDb1011, Product::MySql9] {
        let db = Db::of(product, &["--max-allowed-packet=512M"]);
        db.sql("CREATE DATABASE shop; CREATE TABLE shop.large (id INT PRIMARY KEY, v LONGBLOB, w INT)");
        let dir = tempfile::tempdir().expect("a directory");
        protected(dir.path(), &db, &[]);
        db.sql(
            "USE shop; INSERT INTO large VALUES (1, REPEAT('abcd', 26214400), 1), (2, REPEAT('x', 16777215 - 40), 1), (3, '', 1);
             UPDATE large SET w = 2 WHERE id = 1; UPDATE large SET v = REPEAT('y', 16777216) WHERE id = 3",
        );
        protected(dir.path(), &db, &[]);
        let serve = Serve::start(dir.path());
        let query = "SELECT id, LENGTH(v), CRC32(v), w FROM shop.large ORDER BY id";
        assert_eq!(serve.sql(query), db.sql(query), "{product:?}");
    }
}

/// What was prepared before the first base is not known: everything is based anew, and nothing is wrong meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn transactions_prepared_before_and_through_restarts() {
    let db = Db::start(&[]);
    db.sql(SETUP);
    db.sql("USE shop; INSERT INTO t VALUES (1, 'a'); XA START 'early'; INSERT INTO t VALUES (2, 'early'); XA END 'early'; XA PREPARE 'early'");
    let dir = tempfile::tempdir().expect("a directory");
    protected(dir.path(), &db, &[]);
    db.sql("USE shop; XA START 'late'; UPDATE t SET v = 'late' WHERE id = 1; XA END 'late'; XA PREPARE 'late'");
    protected(dir.path(), &db, &[]);
    db.stop(false);
    db.start_again();
    db.sql("XA COMMIT 'early'");
    protected(dir.path(), &db, &[]);
    same_as_server(dir.path(), &db).await;
    db.sql("XA COMMIT 'late'; INSERT INTO shop.u VALUES (1, 1)");
    protected(dir.path(), &db, &[]);
    same_as_server(dir.path(), &db).await;
}

/// What was prepared in one run is committed exactly in a later one: its part of the log is read again.
#[tokio::test(flavor = "multi_thread")]
async fn transactions_prepared_in_one_run_and_committed_in_another() {
    for product in Product::ALL {
        let db = Db::of(product, &[]);
        db.sql(SETUP);
        let dir = tempfile::tempdir().expect("a directory");
        let exactly = || {
            let out = protect(dir.path(), &db, &[]);
            let said = text(&out.stderr);
            assert!(out.status.success() && !said.contains("uncertain"), "{product:?}: {said}");
        };
        db.sql("USE shop; INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c'); INSERT INTO u VALUES (1, 1)");
        exactly();
        let prepare = |xid: &str, statements: &str| {
            db.sql(&format!("USE shop; XA START '{xid}'; {statements}; XA END '{xid}'; XA PREPARE '{xid}'"));
        };
        prepare("one", "UPDATE t SET v = 'one' WHERE id = 1; DELETE FROM u");
        db.sql("INSERT INTO shop.t VALUES (11, 'between'); CREATE TABLE shop.other (id INT PRIMARY KEY)");
        prepare("two", "INSERT INTO t VALUES (21, 'two'); SAVEPOINT s; UPDATE t SET v = 'two' WHERE id = 2");
        exactly();
        prepare("gone", "DELETE FROM t WHERE id = 3");
        db.sql("INSERT INTO shop.other VALUES (1); FLUSH BINARY LOGS; INSERT INTO shop.t VALUES (12, 'between')");
        exactly();
        db.sql("XA COMMIT 'two'; ALTER TABLE shop.other ADD COLUMN v INT DEFAULT 7");
        db.stop(false);
        db.start_again();
        exactly();
        same_as_server(dir.path(), &db).await;
        db.sql("XA ROLLBACK 'gone'; INSERT INTO shop.other VALUES (2, 2)");
        exactly();
        db.sql("XA COMMIT 'one'; INSERT INTO shop.t VALUES (13, 'after')");
        exactly();
        same_as_server(dir.path(), &db).await;
    }
}

/// A table that was uncertain when its rows were prepared, and is certain when they are committed.
#[tokio::test(flavor = "multi_thread")]
async fn rows_that_were_prepared_while_their_table_was_uncertain() {
    let db = Db::start(&[]);
    db.sql(SETUP);
    let dir = tempfile::tempdir().expect("a directory");
    db.sql("USE shop; INSERT INTO t VALUES (1, 'a'), (2, 'b')");
    protected(dir.path(), &db, &[]);
    db.sql(
        "USE shop; SET binlog_format = 'STATEMENT'; UPDATE t SET v = 'c' WHERE id = 2; SET binlog_format = 'ROW';
         XA START 'x'; UPDATE t SET v = 'x' WHERE id = 1; XA END 'x'; XA PREPARE 'x'",
    );
    // it reads all of this before the table's new base is there
    let following = Following::of(dir.path(), &db);
    let t = TableName::new("shop", "t");
    let based = |timeline: &Timeline| {
        let all = timeline.uncertain_intervals();
        all.iter().any(|i| i.table == t) && all.iter().all(|i| i.until.is_some())
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    while !based(&timeline(dir.path(), "c").await) {
        assert!(Instant::now() < deadline, "no new base");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    db.sql("XA COMMIT 'x'; INSERT INTO shop.u VALUES (1, 1)");
    unchecked::followed(dir.path(), &mut db.connect().await, db.product).await;
    drop(following);
    protected(dir.path(), &db, &[]);
    same_as_server(dir.path(), &db).await;
}

/// MEMORY tables are empty after a restart, which the server logs when one is first used.
#[tokio::test(flavor = "multi_thread")]
async fn memory_tables_are_empty_after_a_restart() {
    for product in Product::ALL {
        let db = Db::of(product, &[]);
        db.sql(SETUP);
        let dir =
            followed(&db, &["CREATE TABLE mem (id INT PRIMARY KEY) ENGINE=MEMORY; INSERT INTO mem VALUES (1), (2)"])
                .await;
        db.stop(false);
        db.start_again();
        assert_eq!(db.sql("SELECT COUNT(*) FROM shop.mem").trim(), "0");
        db.sql("INSERT INTO shop.mem VALUES (3)");
        let out = protect(dir.path(), &db, &[]);
        assert!(out.status.success() && !text(&out.stderr).contains("uncertain"), "{product:?}: {}", text(&out.stderr));
        same_as_server(dir.path(), &db).await;
    }
}
