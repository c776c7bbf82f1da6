//! The archive against the live server: equal while writers go on, and every difference found down to the row.

use crate::support::archive::{pcloud, protect_once, succeeded, text};
use crate::support::db::{Db, Product};
use crate::support::serve::Serve;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const SETUP: &str = "CREATE DATABASE shop; USE shop; \
    CREATE TABLE a (id INT PRIMARY KEY, v VARCHAR(50), ts TIMESTAMP(6) NULL, b VARBINARY(20)); \
    INSERT INTO a SELECT seq, CONCAT('v', seq), '2026-01-01 00:00:00' + INTERVAL seq SECOND, UNHEX(HEX(seq)) FROM seq_1_to_9000; \
    CREATE TABLE bag (a INT, b VARCHAR(20)); INSERT INTO bag SELECT seq % 50, 'x' FROM seq_1_to_3000; \
    CREATE TABLE words (w VARCHAR(30) PRIMARY KEY, n INT) COLLATE utf8mb4_general_ci; \
    INSERT INTO words SELECT CONCAT(CHAR(65 + seq % 26), seq), seq FROM seq_1_to_3000; \
    CREATE TABLE pair (x INT, y VARCHAR(9), d DOUBLE, PRIMARY KEY (y, x)); INSERT INTO pair SELECT seq, seq % 7, 0 FROM seq_1_to_100; \
    CREATE TABLE empty (id INT PRIMARY KEY); CREATE VIEW seen AS SELECT 1 AS one";

/// A capture that goes on until it is dropped.
struct Capture(Child);

impl Capture {
    fn start(archive: &Path, db: &Db, more: &[&str]) -> Self {
        let mut command = pcloud(archive);
        command.args(["protect", &db.url(), "--name", "c"]).args(more).stderr(Stdio::piped());
        let mut child = command.spawn().expect("pcloud starts");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        assert!(lines.any(|l| l.is_ok_and(|l| l.contains("caught up"))), "it never caught up");
        std::thread::spawn(move || lines.for_each(drop));
        Self(child)
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn verify(archive: &Path, db: &Db, more: &[&str]) -> (bool, String) {
    let out: Output =
        pcloud(archive).args(["verify", "--against", &db.url()]).args(more).output().expect("pcloud starts");
    (out.status.success(), format!("{}{}", text(&out.stdout), text(&out.stderr)))
}

/// The cells of the printed lines, without borders.
fn cells(printed: &str) -> Vec<Vec<String>> {
    let rows = printed.lines().filter(|l| l.starts_with('|')).skip(1);
    rows.map(|l| l.trim_matches('|').split('|').map(|c| c.trim().to_string()).collect()).collect()
}

#[test]
fn equal_while_writers_go_on() {
    equal_while_writing(Product::MariaDb1011);
}

#[test]
fn equal_while_writers_go_on_at_mariadb_11_8() {
    equal_while_writing(Product::MariaDb118);
}

fn equal_while_writing(product: Product) {
    let (db, dir) = (Db::of(product, &[]), tempfile::tempdir().expect("a directory"));
    db.sql(SETUP);
    let capture = Capture::start(dir.path(), &db, &[]);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for writer in 0..2 {
            let (db, done) = (&db, &done);
            scope.spawn(move || {
                for i in 0..1000 {
                    if done.load(Ordering::Relaxed) {
                        break;
                    }
                    let n = 100_000 * (writer + 1) + i;
                    let statements = format!(
                        "BEGIN; INSERT INTO shop.a (id, v) VALUES ({n}, 'w'); UPDATE shop.a SET v = 'changed {n}' WHERE id % 500 = {i} % 500; COMMIT; \
                         UPDATE shop.bag SET b = 'y{n}' WHERE a = {i} % 50 LIMIT 3; DELETE FROM shop.words WHERE n = {n} % 3000; \
                         UPDATE shop.words SET w = LOWER(w) WHERE n = {i} % 3000 + {writer}"
                    );
                    // one of two that lock each other out fails, and that is all right
                    let _ = db.program("mariadb").args(["-e", &statements]).output().expect("the client starts");
                }
            });
        }
        for _ in 0..4 {
            let (equal, printed) = verify(dir.path(), &db, &[]);
            done.store(!equal, Ordering::Relaxed);
            assert!(equal, "{printed}");
            assert_eq!(cells(&printed).iter().filter(|c| c[1] == "equal").count(), 5, "{printed}");
        }
        assert!(db.sql("SELECT COUNT(*) FROM shop.a WHERE id > 9000").trim() != "0", "nobody wrote");
        done.store(true, Ordering::Relaxed);
    });
    drop(capture);
    // nobody captures, but nothing that is kept has changed either
    succeeded(pcloud(dir.path()).args(["protect", &db.url(), "--name", "c", "--once"]));
    db.sql("FLUSH BINARY LOGS; CREATE TABLE IF NOT EXISTS shop.empty (id INT)");
    let (equal, printed) = verify(dir.path(), &db, &[]);
    assert!(equal, "{printed}");
    // now something has
    db.sql("INSERT INTO shop.empty VALUES (1)");
    let (equal, printed) = verify(dir.path(), &db, &["--wait", "1"]);
    assert!(
        !equal && printed.contains("the archive of cluster c ends at") && printed.contains("pcloud protect"),
        "{printed}"
    );
}

#[test]
fn every_difference_is_found_and_a_new_base_heals_it() {
    differences_are_found_and_healed(Product::MariaDb1011);
}

#[test]
fn every_difference_is_found_and_a_new_base_heals_it_at_mariadb_11_8() {
    differences_are_found_and_healed(Product::MariaDb118);
}

fn differences_are_found_and_healed(product: Product) {
    let (db, dir) = (Db::of(product, &[]), tempfile::tempdir().expect("a directory"));
    db.sql(SETUP);
    protect_once(dir.path(), &db.url(), "c");
    db.sql(
        "SET sql_log_bin = 0; USE shop; UPDATE a SET v = 'silently' WHERE id = 4711; DELETE FROM bag WHERE a = 7 LIMIT 1; \
            INSERT INTO words VALUES ('new', 1); DELETE FROM words WHERE w = 'B1'; UPDATE pair SET d = -0e0 WHERE x = 50; \
            ALTER TABLE empty ADD COLUMN v INT; CREATE TABLE unlogged (id INT); CREATE TABLE gone (id INT); DROP VIEW seen",
    );
    db.sql("CREATE DATABASE other; INSERT INTO shop.a (id) VALUES (99999)");
    protect_once(dir.path(), &db.url(), "c");
    db.sql("SET sql_log_bin = 0; DROP TABLE shop.gone");
    let (equal, printed) = verify(dir.path(), &db, &[]);
    assert!(!equal, "{printed}");
    let found = cells(&printed);
    let has = |cells: &[&str]| {
        let fits = |row: &&Vec<String>| {
            cells.iter().zip(row.iter()).all(|(c, r)| c.is_empty() || r == c || r.starts_with(&format!("{c} ")))
        };
        assert!(found.iter().any(|r| fits(&r)), "{cells:?} is not in\n{printed}");
    };
    has(&["shop.a", "differs", "9001"]);
    has(&["", "value", "", "(4711)", "v", "'v4711'", "'silently'"]);
    has(&["shop.bag", "differs", "3000"]);
    has(&["", "missing row", "", "(7, 'x')"]);
    has(&["shop.words", "differs", "3000"]);
    has(&["", "extra row", "", "('new')"]);
    has(&["", "missing row", "", "('B1')"]);
    // 10.11 takes -0 for the 0 that is there, 11.8 stores it
    has(&["shop.pair", if product == Product::MariaDb1011 { "equal" } else { "differs" }]);
    has(&["shop.empty", "differs"]);
    has(&["shop.unlogged", "extra"]);
    has(&["shop.seen", "missing"]);
    assert!(printed.contains("--retake shop.a") && printed.contains("`v` int(11)"), "{printed}");
    assert!(!printed.contains("secret"), "{printed}");
    // rows that differ are found in a few of many ranges
    let ranges = found.iter().filter(|c| c[1] == "range").count();
    assert!((3..=8).contains(&ranges), "{ranges} ranges:\n{printed}");
    let tables = ["shop.a", "shop.bag", "shop.words", "shop.empty", "shop.pair"];
    let retake: Vec<&str> = tables.iter().flat_map(|t| ["--retake", t]).collect();
    succeeded(pcloud(dir.path()).args(["protect", &db.url(), "--name", "c", "--once"]).args(retake));
    let (_, printed) = verify(dir.path(), &db, &["--exclude", "shop.unlogged"]);
    let left: Vec<_> = cells(&printed).into_iter().filter(|c| c[1] != "equal").map(|c| c[0].clone()).collect();
    assert_eq!(left, ["shop.seen"], "{printed}");
    let wrong = pcloud(dir.path()).args(["protect", &db.url(), "--name", "c", "--once", "--retake", "shop.x"]).output();
    assert!(text(&wrong.expect("pcloud starts").stderr).contains("no table shop.x"));
}

#[test]
fn the_statement_is_a_job() {
    let (db, dir) = (Db::start(&[]), tempfile::tempdir().expect("a directory"));
    db.sql(SETUP);
    let capture = Capture::start(dir.path(), &db, &[]);
    let serve = Serve::start(dir.path());
    let answer = serve.sql(&format!("VERIFY CLUSTER c AGAINST '{}'", db.url()));
    let lines: Vec<Vec<&str>> = answer.lines().map(|l| l.split('\t').collect()).collect();
    assert_eq!(lines.iter().map(|l| (l[0], l[1], l[2])).collect::<Vec<_>>()[0], ("shop", "a", "equal"), "{answer}");
    assert_eq!(lines.len(), 5, "{answer}");
    db.sql("SET sql_log_bin = 0; UPDATE shop.a SET b = NULL WHERE id IN (1, 2, 3)");
    let answer = serve.sql(&format!("VERIFY CLUSTER c AGAINST '{}' WITH (rows = 2, databases = 'shop')", db.url()));
    assert_eq!(answer.lines().filter(|l| l.contains("\tvalue\t")).count(), 2, "{answer}");
    assert!(answer.contains("3 rows differ in all."), "{answer}");
    let jobs = serve.sql("SHOW JOBS");
    assert!(jobs.contains("VERIFY CLUSTER c") && jobs.contains("tables: 4 equal, 1 differs"), "{jobs}");
    assert!(!jobs.contains("secret"), "{jobs}");
    // without a capture it waits for what never comes, until it is cancelled
    drop(capture);
    db.sql("INSERT INTO shop.empty VALUES (1)");
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| serve.error(&format!("VERIFY CLUSTER c AGAINST '{}'", db.url())));
        let deadline = Instant::now() + Duration::from_secs(30);
        while !serve.sql("SHOW JOBS").contains("waiting for the archive") {
            assert!(Instant::now() < deadline, "{}", serve.sql("SHOW JOBS"));
            std::thread::sleep(Duration::from_millis(50));
        }
        serve.sql("CANCEL JOB 3");
        let error = waiting.join().expect("no panic");
        assert!(error.contains("VERIFY CLUSTER c was cancelled"), "{error}");
    });
    for (statement, words) in [
        ("VERIFY CLUSTER nope AGAINST 'mysql://u:p@127.0.0.1:1/'", "no cluster 'nope'"),
        ("VERIFY CLUSTER c AGAINST 'mysql://u:p@127.0.0.1:1/'", "127.0.0.1:1"),
        ("VERIFY CLUSTER c AGAINST 'mysql://u:p@h/' WITH (row = 1)", "no option row"),
        ("VERIFY CLUSTER c WITH (rows = 1)", "no option rows"),
    ] {
        let error = serve.error(statement);
        assert!(error.contains(words), "{statement}: {error}");
    }
}

#[test]
fn mysql_9_is_compared_too() {
    let (db, dir) = (Db::of(Product::MySql9, &[]), tempfile::tempdir().expect("a directory"));
    db.sql(
        "CREATE DATABASE shop; USE shop; CREATE TABLE a (id INT PRIMARY KEY, v VARCHAR(50), j JSON, ts TIMESTAMP(6) NULL); \
         INSERT INTO a WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 900) \
           SELECT n, CONCAT('v', n), JSON_OBJECT('n', n, 'x', 1.5), '2026-01-01 00:00:00' FROM s; \
         CREATE TABLE bag (a INT, b VARCHAR(20)); INSERT INTO bag VALUES (1, 'x'), (1, 'x'), (2, NULL)",
    );
    let capture = Capture::start(dir.path(), &db, &[]);
    db.sql(
        "USE shop; UPDATE a SET j = JSON_SET(j, '$.n', 'changed') WHERE id < 10; DELETE FROM bag WHERE a = 1 LIMIT 1",
    );
    let (equal, printed) = verify(dir.path(), &db, &[]);
    assert!(equal, "{printed}");
    drop(capture);
    db.sql(
        "SET sql_log_bin = 0; USE shop; UPDATE a SET v = 'silently' WHERE id = 471; INSERT INTO bag VALUES (1, 'x')",
    );
    let (equal, printed) = verify(dir.path(), &db, &[]);
    let found = cells(&printed);
    let line =
        |status: &str| found.iter().find(|c| c[1] == status).unwrap_or_else(|| panic!("no {status}:\n{printed}"));
    assert!(!equal && found.iter().filter(|c| c[1] == "differs").count() == 2, "{printed}");
    assert_eq!(line("value")[3..], ["(471)", "v", "'v471'", "'silently'"], "{printed}");
    assert_eq!(line("extra row")[3], "(1, 'x')", "{printed}");
}
