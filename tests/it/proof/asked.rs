//! The program and the port: what they print, what they note, and a restore into a scratch server.

use crate::support::archive::{pcloud, protect_once, succeeded, text};
use crate::support::db::Db;
use crate::support::port::Port;
use mysql_async::Row;
use mysql_async::prelude::Queryable;
use std::path::Path;

/// What SHOW BACKUPS says was proven: the remarks.
async fn proofs(archive: &Path) -> Vec<String> {
    let port = Port::open(archive).await;
    let mut conn = port.connect().await;
    let rows: Vec<Row> = conn.query("SHOW BACKUPS").await.expect("a list");
    let state = |row: &Row| row.get::<String, _>("State").expect("a state");
    rows.iter().filter(|r| state(r) == "last proof").map(|r| r.get("Remark").expect("a remark")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_is_proven_by_program_and_statement_and_rehearsed() {
    let (db, scratch, dir) = (Db::start(&[]), Db::start(&[]), tempfile::tempdir().expect("a directory"));
    db.sql(
        "CREATE DATABASE shop; USE shop; CREATE TABLE a (id INT PRIMARY KEY, v VARCHAR(20)); INSERT INTO a VALUES (1, 'x'), (2, 'y');
         CREATE TABLE bag (n INT); INSERT INTO bag VALUES (7), (7); CREATE VIEW seen AS SELECT v FROM a",
    );
    protect_once(dir.path(), &db.url(), "c");
    db.sql("USE shop; INSERT INTO a VALUES (3, 'z'); DELETE FROM bag LIMIT 1");
    protect_once(dir.path(), &db.url(), "c");
    let run = |args: &[&str]| {
        let out = pcloud(dir.path()).args(args).output().expect("pcloud starts");
        (out.status.code(), format!("{}{}", text(&out.stdout), text(&out.stderr)))
    };
    assert_eq!(proofs(dir.path()).await, ["never verified: VERIFY CLUSTER c"]);

    let (code, said) = run(&["verify"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("nothing is wrong") && said.contains("read to the last byte") && said.contains("covered: "),
        "{said}"
    );
    let (code, said) = run(&["verify", "--depth", "exists", "--no-record"]);
    assert!(code == Some(0) && said.contains("looked for"), "{said}");
    let (code, said) = run(&["verify", "--against", &db.url()]);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = run(&["verify", "--scratch", &scratch.url()]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("2 tables as they were known (2 from a live server)"), "{said}");
    assert!(said.contains("restored 2 tables with 4 rows"), "{said}");
    assert_eq!(scratch.sql("SELECT GROUP_CONCAT(v ORDER BY v) FROM shop.seen").trim(), "x,y,z");
    let (code, said) = run(&["verify", "--scratch", &scratch.url()]);
    assert!(code == Some(1) && said.contains("shop"), "nothing is replaced there: {said}");
    let noted = proofs(dir.path()).await;
    let depths: Vec<&str> = noted.iter().filter_map(|r| r.split(':').next()).collect();
    assert_eq!(depths, ["intact", "live", "restorable"], "{noted:?}");
    assert!(noted.iter().all(|r| r.contains("nothing is wrong")), "{noted:?}");

    let port = Port::open(dir.path()).await;
    let mut conn = port.connect().await;
    let whole: Vec<Row> =
        conn.query("VERIFY CLUSTER c WITH (depth = restorable, moments = 2)").await.expect("a report");
    let status = |row: &Row| row.get::<String, _>("Status").expect("a status");
    assert_eq!(whole.last().map(&status).as_deref(), Some("whole"), "{whole:?}");
    assert!(whole.iter().any(|r| status(r) == "rebuilt"), "{whole:?}");
    for (statement, words) in [
        ("VERIFY CLUSTER c WITH (depth = deep)", "exists (1), intact (2)"),
        ("VERIFY CLUSTER c WITH (rows = 3)", "no option rows"),
        ("VERIFY CLUSTER nobody", "no backup of cluster nobody"),
    ] {
        let error = conn.query_drop(statement).await.expect_err(statement);
        assert!(error.to_string().contains(words), "{statement}: {error}");
    }

    let segment = dir.path().join("c/log/00000000000000000001.seg");
    let mut bytes = std::fs::read(&segment).expect("a segment");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    std::fs::write(&segment, &bytes).expect("written");
    let (code, said) = run(&["verify"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("wrong: c/log/00000000000000000001.seg is damaged"), "{said}");
    let damaged: Vec<Row> = conn.query("VERIFY CLUSTER c").await.expect("a report");
    assert_eq!(damaged.iter().map(&status).collect::<Vec<_>>(), ["damaged", "not whole"], "{damaged:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_archive_takes_is_told() {
    let (db, dir) = (Db::start(&[]), tempfile::tempdir().expect("a directory"));
    db.sql("CREATE DATABASE shop; CREATE TABLE shop.a (id INT PRIMARY KEY); INSERT INTO shop.a VALUES (1)");
    protect_once(dir.path(), &db.url(), "c");
    db.sql("INSERT INTO shop.a VALUES (2)");
    protect_once(dir.path(), &db.url(), "c");
    let out = succeeded(pcloud(dir.path()).arg("cost"));
    let said = text(&out.stdout);
    assert!(said.contains("bases") && said.contains("log") && said.contains("USD"), "{said}");
    let port = Port::open(dir.path()).await;
    let mut conn = port.connect().await;
    let rows: Vec<Row> = conn.query("SHOW COST").await.expect("a list");
    let number = |kind: &str, column: &str| -> u64 {
        let row = rows.iter().find(|r| r.get::<String, _>("Kind").as_deref() == Some(kind)).expect(kind);
        row.get(column).expect(column)
    };
    let size = |folder: &str| -> u64 {
        let mut all = vec![dir.path().join("c").join(folder)];
        let mut bytes = 0;
        while let Some(path) = all.pop() {
            let meta = std::fs::metadata(&path).expect("there");
            if meta.is_dir() {
                all.extend(std::fs::read_dir(&path).expect("listed").map(|e| e.expect("an entry").path()));
            } else {
                bytes += meta.len();
            }
        }
        bytes
    };
    for (kind, folder) in [("bases", "base"), ("log", "log"), ("lists", "manifest")] {
        assert_eq!((number(kind, "Bytes"), number(kind, "Bytes_per_day")), (size(folder), size(folder)), "{kind}");
    }
    assert_eq!(number("all", "Objects"), ["bases", "log", "lists"].iter().map(|k| number(k, "Objects")).sum::<u64>());
    let money: Option<f64> = rows.last().and_then(|r| r.get::<Option<f64>, _>("Monthly_requests")).flatten();
    assert_eq!(money, None, "a local directory asks nothing");
}
