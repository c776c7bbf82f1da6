//! A dump that the real program wrote, and the binlog files after it: what they tell is what the server holds.

use crate::support::db::MariaDb;
use crate::support::dump::{base, binlogs};
use pcloud::error::Kind;
use pcloud::source::files::Files;
use pcloud::source::{ChangeStream, Filter, Source};
use std::path::Path;

/// Text, bytes and numbers that need every kind of escape.
const SETUP: &str = "SET GLOBAL sql_mode = ''; SET sql_mode = '', time_zone = '+03:00'; CREATE DATABASE shop; USE shop; \
    CREATE TABLE a (id INT PRIMARY KEY, t TEXT, b BLOB, v VARBINARY(20), n DECIMAL(40,10), f FLOAT, d DOUBLE, bi BIT(20), \
      ts TIMESTAMP(3) NULL, dt DATETIME, ti TIME(2), da DATE, y YEAR, e ENUM('x','y''z'), s SET('p','q'), j JSON, bn BINARY(4)); \
    INSERT INTO a VALUES (1, 'it''s \\\\ a \"test\" \\n\\r\\t\\0\\Z % _ ; -- no # comment /* */ 🎂', '\\0\\1\\'\\\"\\\\\\n\\Z\\xff\\xfe', '\\0\\0', \
      -123456789012345678901234567890.0123456789, 1.5, -2.2250738585072014e-308, b'10101010101010101010', '2026-03-29 02:30:00.123', \
      '0000-00-00 00:00:00', '-838:59:59.99', '9999-12-31', 2155, 'y''z', 'p,q', '{\"a\": [1, null]}', 'ab'); \
    INSERT INTO a (id) VALUES (2); INSERT INTO a SELECT id + 10, t, b, v, n, f, d, bi, ts, dt, ti, da, y, e, s, j, bn FROM a; \
    CREATE TABLE many (id INT PRIMARY KEY, v VARCHAR(200)); INSERT INTO many SELECT seq, REPEAT(CHAR(65 + seq % 26), seq % 200) FROM seq_1_to_20000; \
    CREATE TABLE empty (id INT); CREATE TABLE `odd ``name` (`a b` INT, KEY (`a b`)); INSERT INTO `odd ``name` VALUES (1), (1), (NULL); \
    CREATE VIEW v AS SELECT id, t FROM a; CREATE TRIGGER trg AFTER INSERT ON many FOR EACH ROW SET @x = 'a;b'; \
    CREATE EVENT ev ON SCHEDULE EVERY 1 YEAR DO SELECT 1";

/// With what the tests ask of every dump.
fn dump(db: &MariaDb, to: &Path, options: &[&str]) {
    let all = ["--single-transaction", "--routines", "--events", "--triggers", "--databases", "shop"];
    crate::support::dump::dump(db, to, &[&all[..], options].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_and_the_log_after_it_are_the_server() {
    let db = MariaDb::start(&[]);
    db.sql(SETUP);
    let dir = tempfile::tempdir().expect("a directory");
    let variants: [(&str, &[&str]); 5] = [
        ("plain.sql", &["--master-data=2"]),
        ("hex.sql", &["--master-data=1", "--hex-blob", "--complete-insert"]),
        ("packed.sql.gz", &["--master-data=2", "--gtid", "--skip-extended-insert", "--default-character-set=utf8mb4"]),
        ("small.sql.zst", &["--master-data=1", "--skip-opt", "--create-options", "--set-charset"]),
        ("bare.sql", &[]),
    ];
    for (name, options) in variants {
        let path = dir.path().join(name);
        dump(&db, &path, options);
        let files = Files::open(&[path], None, Filter::default()).expect(name);
        let (replica, _) = base(&files).await;
        assert_eq!(replica.catalog.tables.len(), 4, "{name}");
        replica.assert_equals(&db).await;
        let objects: Vec<_> =
            replica.catalog.objects.values().map(|o| (o.key.name.as_str(), o.table.as_deref())).collect();
        assert_eq!(objects, [("v", None), ("trg", Some("many")), ("ev", None)], "{name}");
    }
    db.sql("SET sql_mode = ''; USE shop; INSERT INTO many VALUES (20001, 'after'); UPDATE a SET t = 'changed' WHERE id = 2; \
            ALTER TABLE empty ADD COLUMN x INT NOT NULL DEFAULT 5; INSERT INTO empty VALUES (1, 2); FLUSH BINARY LOGS; \
            DELETE FROM many WHERE id < 100");
    for name in ["plain.sql", "packed.sql.gz", "small.sql.zst"] {
        let mut paths = binlogs(&db);
        paths.push(dir.path().join(name));
        let files = Files::open(&paths, None, Filter::default()).expect(name);
        let (mut replica, from) = base(&files).await;
        let mut stream: Box<dyn ChangeStream> =
            files.changes(&replica.catalog, &from).await.expect("the files open").expect("there is a log");
        replica.follow(stream.as_mut()).await;
        replica.assert_equals(&db).await;
    }
    let mut paths = binlogs(&db);
    paths.push(dir.path().join("bare.sql"));
    let error = Files::open(&paths, None, Filter::default()).expect_err("it names no position");
    assert_eq!(error.kind, Kind::Usage);
    assert!(error.to_string().contains("--master-data=2"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_that_is_cut_off_is_not_a_whole_one() {
    let db = MariaDb::start(&[]);
    db.sql(SETUP);
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("dump.sql");
    dump(&db, &path, &["--master-data=2"]);
    let whole = std::fs::read(&path).expect("the dump");
    let end = whole.windows(24).rposition(|w| w.starts_with(b"INSERT INTO `odd ``name`")).expect("rows") + 40;
    std::fs::write(&path, &whole[..end]).expect("written");
    let files = Files::open(&[path], None, Filter::default()).expect("the head is there");
    let base = files.base().await.expect("it opens");
    let mut failed = false;
    loop {
        match base.next_table().await {
            Ok(Some(mut table)) => loop {
                match table.rows.next().await {
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(_) => {
                        failed = true;
                        break;
                    }
                }
            },
            Ok(None) => break,
            Err(_) => failed = true,
        }
        if failed {
            break;
        }
    }
    assert!(failed || base.outline().await.is_err(), "a dump without an end was taken for whole");
}
