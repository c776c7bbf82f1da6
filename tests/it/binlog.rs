//! The log of a real server, live and from its files: every type, every kind of transaction, damage.

use crate::support::db::MariaDb;
use crate::support::replica::{Replica, bookmark, everything};
use mysql_async::prelude::*;
use pcloud::error::Kind;
use pcloud::error::{Error, Result};
use pcloud::model::*;
use pcloud::source::files::Files;
use pcloud::source::mysql::BinlogStream;
use pcloud::source::{ChangeStream, Filter, Source};
use std::path::{Path, PathBuf};

/// Every type that is carried, as columns of one table.
const TYPES: &str = "CREATE TABLE shop.types (
    id INT PRIMARY KEY,
    i1 TINYINT, u1 TINYINT UNSIGNED, i2 SMALLINT, u2 SMALLINT UNSIGNED, i3 MEDIUMINT, u3 MEDIUMINT UNSIGNED,
    i4 INT, u4 INT UNSIGNED, z4 INT(7) ZEROFILL, i8 BIGINT, u8 BIGINT UNSIGNED,
    d1 DECIMAL(10,2), d2 DECIMAL(65,30), d3 DECIMAL(1,0) UNSIGNED, d4 DECIMAL(38,38),
    f FLOAT, fd FLOAT(9,3), d DOUBLE, du DOUBLE UNSIGNED, b1 BIT(1), b9 BIT(9), b64 BIT(64), y YEAR,
    dt DATE, t0 TIME, t1 TIME(1), t3 TIME(3), t6 TIME(6),
    a0 DATETIME, a2 DATETIME(2), a6 DATETIME(6), s0 TIMESTAMP NULL, s4 TIMESTAMP(4) NULL, s6 TIMESTAMP(6) NULL,
    c CHAR(20), c255 CHAR(255), ca CHAR(5) CHARACTER SET ascii, v VARCHAR(60), v3 VARCHAR(20) CHARACTER SET utf8mb3,
    bi BINARY(5), bi255 BINARY(255), vb VARBINARY(300),
    tt TINYTEXT, tx TEXT, tm MEDIUMTEXT, tl LONGTEXT, bt TINYBLOB, bb BLOB, bm MEDIUMBLOB, bl LONGBLOB,
    e ENUM('a','b''c','ü'), se SET('x','y','z'), s64 SET('m01','m02','m03','m04','m05','m06','m07','m08','m09','m10','m11',
    'm12','m13','m14','m15','m16','m17','m18','m19','m20','m21','m22','m23','m24','m25','m26','m27','m28','m29','m30','m31',
    'm32','m33'), j JSON)";

const ROWS: [&str; 4] = [
    "1, -128, 0, -32768, 0, -8388608, 0, -2147483648, 0, 7, -9223372036854775808, 0, -99999999.99, \
     -99999999999999999999999999999999999.999999999999999999999999999999, 0, -0.99999999999999999999999999999999999999, \
     -3.4028e38, -123456.789, -1.7976931348623157e308, 0, 0, 0, 0, 1901, '1000-01-01', '-838:59:59', '-00:00:00.1', \
     '-12:34:56.789', '-838:59:59.999999', '1000-01-01 00:00:00', '1000-01-01 00:00:00.99', '0001-01-01 00:00:00.000001', \
     '1970-01-01 00:00:01', '1970-01-01 00:00:01.0001', '1970-01-01 00:00:01.000001', '', '', '', '', '', '', '', '', \
     '', '', '', '', '', '', '', '', 'a', '', '', '{}'",
    "2, 127, 255, 32767, 65535, 8388607, 16777215, 2147483647, 4294967295, 9999999, 9223372036854775807, \
     18446744073709551615, 99999999.99, 99999999999999999999999999999999999.999999999999999999999999999999, 9, \
     0.12345678901234567890123456789012345678, 3.4028e38, 123456.789, 1.7976931348623157e308, 2.5e-300, 1, b'101010101', \
     18446744073709551615, 2155, '9999-12-31', '838:59:59', '838:59:59.0', '00:00:00.001', '838:59:59.999999', \
     '9999-12-31 23:59:59', '9999-12-31 23:59:59.99', '9999-12-31 23:59:59.999999', '2038-01-19 03:14:07', \
     '2038-01-19 03:14:07.9999', '2038-01-19 03:14:07.999999', 'zwölf 🎂  ', REPEAT('€', 255), 'abc', 'trailing  ', 'naïve', \
     'ab\\0\\0', REPEAT('x', 255), REPEAT('\\0', 300), 'tiny', REPEAT('text🎂', 5000), REPEAT('m', 70000), REPEAT('l', 200000), \
     '\\0\\1\\xff', REPEAT('b', 40000), REPEAT('\\'', 70000), REPEAT('\\n', 100000), 'ü', 'x,z', 'm01,m32,m33', \
     '{\"k\": [1, \"ü\", null]}'",
    "3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, \
     NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, \
     NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL",
    "4, -1, 1, -1, 1, -1, 1, -1, 1, 0, -1, 1, 0.01, 0.000000000000000000000000000001, 1, 0, 0.1, 0.001, 0.1, 1e15, 0, 256, 1, \
     0000, '0000-00-00', '00:00:00', '00:00:00.9', '-00:00:01.5', '-00:00:00.000001', '0000-00-00 00:00:00', \
     '0000-00-00 00:00:00', '0000-00-00 00:00:00', '0000-00-00 00:00:00', '0000-00-00 00:00:00', '0000-00-00 00:00:00', ' x', \
     'a', 'z', 'v', '3', '\\0a', '\\0', 'vb\\0', 't', 't', 't', 't', '\\0', '\\0', '\\0', '\\0', 'b\\'c', 'y', 'm33', '[]'",
];

async fn live(db: &MariaDb, catalog: &Catalog, from: &Bookmark) -> BinlogStream {
    let url = ServerUrl::parse(&db.url()).expect("a URL");
    BinlogStream::open(&url, catalog, from, &everything()).await.expect("the log opens")
}

/// The server's binlog files, in order.
fn files(db: &MariaDb) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(db.data())
        .expect("the server's directory")
        .filter_map(|e| e.ok().map(|e| e.path()))
        .filter(|p| {
            let (stem, number) = (name(p), p.extension().map(|e| e.to_string_lossy().into_owned()).unwrap_or_default());
            stem.contains("bin") && !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
        })
        .collect();
    files.sort();
    files
}

fn name(path: &Path) -> String {
    path.file_name().expect("a file's name").to_string_lossy().into_owned()
}

/// Opens binlog files at a bookmark, as `pcloud import` does: with a dump that ends there.
async fn open(logs: &[PathBuf], catalog: &Catalog, from: &Bookmark, filter: Filter) -> Result<Box<dyn ChangeStream>> {
    let dir = tempfile::tempdir().expect("a directory");
    let dump = dir.path().join("dump.sql");
    let (file, offset) = from.0.split_once(' ').and_then(|(place, _)| place.rsplit_once(':')).expect("a bookmark");
    std::fs::write(&dump, format!("-- CHANGE MASTER TO MASTER_LOG_FILE='{file}', MASTER_LOG_POS={offset};\n"))
        .expect("written");
    let mut paths = vec![dump];
    paths.extend_from_slice(logs);
    let stream = Files::open(&paths, None, filter)?.changes(catalog, from).await?;
    stream.ok_or_else(|| Error::internal("there are no binlog files"))
}

async fn from_files(db: &MariaDb, catalog: &Catalog, from: &Bookmark) -> Box<dyn ChangeStream> {
    open(&files(db), catalog, from, Filter::default()).await.expect("the files open")
}

/// Empty databases `shop` and `crm`, and where the log goes on.
fn begun(db: &MariaDb) -> (Replica, Bookmark) {
    db.sql("SET GLOBAL sql_mode = ''; CREATE DATABASE shop; CREATE DATABASE crm");
    (Replica::of(&["shop", "crm"]), bookmark(db))
}

fn fill(db: &MariaDb) {
    db.sql(TYPES);
    for row in ROWS {
        db.sql(&format!("SET sql_mode = '', time_zone = '+00:00'; INSERT INTO shop.types VALUES ({row})"));
    }
    db.sql("SET sql_mode = '', time_zone = '+00:00'; BEGIN; UPDATE shop.types SET v = 'changed', i3 = -5, t6 = '-01:00:00.5' WHERE id IN (1, 2); \
            UPDATE shop.types SET id = 40 WHERE id = 4; DELETE FROM shop.types WHERE id = 3; COMMIT");
    db.sql(
        "CREATE TABLE shop.bag (a INT, b VARCHAR(10)); INSERT INTO shop.bag VALUES (1, 'x'), (1, 'x'), (2, NULL); \
            DELETE FROM shop.bag WHERE a = 1 LIMIT 1; UPDATE shop.bag SET b = 'y' WHERE a = 2",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_through_the_live_log_and_through_the_files() {
    let db = MariaDb::start(&[]);
    let (mut replica, start) = begun(&db);
    let catalog = replica.catalog.clone();
    fill(&db);
    replica.follow(&mut live(&db, &catalog, &start).await).await;
    replica.assert_equals(&db).await;
    assert_eq!(replica.rows.values().map(Vec::len).sum::<usize>(), 5);
    assert!(replica.commits.iter().all(|(gtid, _)| gtid.as_ref().is_some_and(|g| g.starts_with("0-"))));

    let mut again = Replica::of(&["shop", "crm"]);
    again.follow(from_files(&db, &catalog, &start).await.as_mut()).await;
    again.assert_equals(&db).await;
    assert_eq!(again.commits, replica.commits);

    // from each commit on, exactly the rest
    for (i, (_, at)) in replica.commits.iter().enumerate() {
        let mut stream = from_files(&db, &catalog_after(&db, &catalog, &start, i + 1).await, at).await;
        let mut told = Vec::new();
        while let Some(event) = stream.next().await.expect("the files go on") {
            if let SourceEvent::Commit { bookmark, .. } = event {
                told.push(bookmark);
            }
        }
        let expected: Vec<_> = replica.commits.iter().skip(i + 1).map(|(_, b)| b.clone()).collect();
        assert_eq!(told, expected, "after commit {i}");
    }
    let (_, middle) = &replica.commits[replica.commits.len() / 2];
    let halfway = catalog_after(&db, &catalog, &start, replica.commits.len() / 2 + 1).await;
    let mut stream = live(&db, &halfway, middle).await;
    let mut told = 0;
    loop {
        match stream.next().await.expect("the log goes on") {
            Some(SourceEvent::Commit { .. }) => told += 1,
            Some(SourceEvent::CaughtUp { .. }) | None => break,
            _ => {}
        }
    }
    assert_eq!(told, replica.commits.len() - replica.commits.len() / 2 - 1);
}

/// The catalog after so many commits.
async fn catalog_after(db: &MariaDb, catalog: &Catalog, start: &Bookmark, commits: usize) -> Catalog {
    let mut replica = Replica::of(&["shop", "crm"]);
    let mut stream = from_files(db, catalog, start).await;
    while replica.commits.len() < commits {
        let event = stream.next().await.expect("the files go on").expect("so many commits");
        replica.take(event);
    }
    replica.catalog
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_events_rotation_xa_and_left_out_databases() {
    let db = MariaDb::start(&["--log-bin-compress=1", "--log-bin-compress-min-len=10"]);
    let (mut replica, start) = begun(&db);
    let catalog = replica.catalog.clone();
    fill(&db);
    db.sql("CREATE TABLE crm.x (id INT PRIMARY KEY, v TEXT); FLUSH BINARY LOGS");
    for i in 0..20usize {
        db.sql(&format!(
            "INSERT INTO crm.x VALUES ({i}, REPEAT('row {i} ', 2000)); {}",
            ["", "FLUSH BINARY LOGS"][i / 10 % 2]
        ));
    }
    db.sql("XA START 'a'; UPDATE crm.x SET v = 'prepared' WHERE id = 3; XA END 'a'; XA PREPARE 'a'");
    db.sql("INSERT INTO crm.x VALUES (100, 'between')");
    db.sql("XA COMMIT 'a'");
    db.sql("XA START 'b'; DELETE FROM crm.x; XA END 'b'; XA PREPARE 'b'");
    db.sql("XA ROLLBACK 'b'");
    db.sql("XA START 'c'; DELETE FROM crm.x WHERE id = 5; XA END 'c'; XA COMMIT 'c' ONE PHASE");
    let text = std::fs::read(&files(&db)[0]).expect("a file");
    assert!(!text.windows(40).any(|w| w == "texttext".repeat(5).as_bytes()), "nothing was compressed");
    replica.follow(&mut live(&db, &catalog, &start).await).await;
    replica.assert_equals(&db).await;
    let mut again = Replica::of(&["shop", "crm"]);
    assert!(files(&db).len() > 2, "the log did not rotate");
    again.follow(from_files(&db, &catalog, &start).await.as_mut()).await;
    again.assert_equals(&db).await;
    assert_eq!(again.commits, replica.commits);

    // crm alone: of shop nothing, and nothing refused
    let filter = Filter { include: vec!["crm".into()], exclude: vec![] };
    let mut crm = Replica::of(&["crm"]);
    let only = crm.catalog.clone();
    crm.follow(open(&files(&db), &only, &start, filter).await.expect("the files open").as_mut()).await;
    crm.assert_equals(&db).await;
    assert_eq!(crm.catalog.tables.len(), 1);
    assert!(crm.catalog.refused.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_followed_makes_its_table_uncertain() {
    let db = MariaDb::start(&[]);
    let (mut replica, start) = begun(&db);
    let catalog = replica.catalog.clone();
    db.sql("SET sql_mode = ''; USE shop; CREATE TABLE a (id INT PRIMARY KEY, d VARCHAR(9) CHARACTER SET sjis); CREATE TABLE b (id INT PRIMARY KEY, d DATE); CREATE TABLE c LIKE b; \
            CREATE TABLE d LIKE b; CREATE TABLE e LIKE b; INSERT INTO a VALUES (1, x'815F'); INSERT INTO a VALUES (2, NULL); \
            SET SESSION binlog_format = STATEMENT; INSERT INTO b VALUES (1, NULL); SET SESSION binlog_format = ROW; \
            SET SESSION binlog_row_image = MINIMAL; INSERT INTO c VALUES (1, NULL); UPDATE c SET d = '2026-01-01'; \
            SET SESSION sql_log_bin = 0; ALTER TABLE d ADD COLUMN x INT; CREATE TABLE f (id INT); SET SESSION sql_log_bin = 1; \
            INSERT INTO d VALUES (1, NULL, 2); INSERT INTO f VALUES (1); INSERT INTO e VALUES (1, NULL)");
    replica.follow(&mut live(&db, &catalog, &start).await).await;
    let why: Vec<String> = replica
        .catalog
        .uncertain
        .iter()
        .map(|(id, why)| format!("{}: {why}", replica.catalog.tables[id].name.table))
        .collect();
    for (table, part) in [
        ("a", "column d"),
        ("b", "the log has it as a statement"),
        ("c", "binlog_row_image is not FULL"),
        ("d", "the log has 3 columns and pcloud knows 2"),
        ("f", "rows of it are in the log, and its CREATE TABLE is not"),
    ] {
        assert!(why.iter().any(|w| w.starts_with(&format!("{table}: ")) && w.contains(part)), "{table}: {why:#?}");
    }
    assert_eq!(why.len(), 5, "{why:#?}");
    let e = replica.catalog.table(&TableName::new("shop", "e")).expect("e is known").id;
    assert_eq!(replica.rows[&e].len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_and_gaps_are_refused_with_file_and_position() {
    let db = MariaDb::start(&[]);
    let (replica, start) = begun(&db);
    let catalog = replica.catalog.clone();
    db.sql("CREATE TABLE shop.a (id INT PRIMARY KEY, v VARCHAR(20)); INSERT INTO shop.a VALUES (1, 'one'); FLUSH BINARY LOGS; \
            INSERT INTO shop.a VALUES (2, 'two'); FLUSH BINARY LOGS; INSERT INTO shop.a VALUES (3, 'three'); FLUSH BINARY LOGS");
    let mut list = files(&db);
    list.pop();
    let dir = tempfile::tempdir().expect("a directory");
    let first = list.iter().position(|f| start.0.starts_with(&name(f))).expect("the first file is there");
    let list = &list[first..];
    let offset: usize = start.0.split([':', ' ']).nth(1).and_then(|o| o.parse().ok()).expect("an offset");
    let good = std::fs::read(&list[0]).expect("a file");
    let copy = dir.path().join(name(&list[0]));
    let run = async |bytes: &[u8]| {
        std::fs::write(&copy, bytes).expect("written");
        let mut stream = open(std::slice::from_ref(&copy), &catalog, &start, Filter::default()).await?;
        while stream.next().await?.is_some() {}
        Ok::<_, Error>(())
    };
    run(&good).await.expect("the copy is whole");
    for at in offset..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        let error = run(&bad).await.expect_err(&format!("byte {at} was changed"));
        assert!(error.message.contains(&name(&list[0])), "{error}");
        assert!(error.message.contains(" at ") || error.message.contains(" position "), "{error}");
    }
    for end in offset + 1..good.len() {
        let error = run(&good[..end]).await.expect_err(&format!("cut off at {end}"));
        assert_eq!(error.kind, Kind::Corrupt, "{error}");
    }
    let gap = [list[0].clone(), list[2].clone()];
    let refused = open(&gap, &catalog, &start, Filter::default()).await.err().expect("a file is missing");
    assert!(refused.message.contains("missing"), "{refused}");
    // names that lie: the third file as the second
    std::fs::write(&copy, &good).expect("written");
    let liar = dir.path().join(name(&list[1]));
    std::fs::copy(&list[2], &liar).expect("copied");
    let mut stream = open(&[copy.clone(), liar], &catalog, &start, Filter::default()).await.expect("they open");
    let error = loop {
        match stream.next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the gap was not seen"),
            Err(error) => break error,
        }
    };
    assert!(error.message.contains("a part of the log is missing"), "{error}");
    // a place that is none, and a log of other GTIDs
    let none = Bookmark(start.0.replacen(&format!(":{offset} "), &format!(":{} ", offset + 1), 1));
    open(list, &catalog, &none, Filter::default()).await.err().expect("it is within an event");
    let other = Bookmark(start.0.replacen(" 0-", " 0-9", 1));
    let error = open(list, &catalog, &other, Filter::default()).await.err().expect("another log");
    assert!(error.message.contains("of another log"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purged_or_another_log_is_refused() {
    let db = MariaDb::start(&[]);
    let (replica, start) = begun(&db);
    db.sql("CREATE TABLE shop.a (id INT PRIMARY KEY); FLUSH BINARY LOGS; INSERT INTO shop.a VALUES (1)");
    let last = bookmark(&db);
    let file = last.0.split(':').next().expect("a file").to_string();
    db.sql(&format!("PURGE BINARY LOGS TO '{file}'"));
    let url = ServerUrl::parse(&db.url()).expect("a URL");
    let open = async |at: Bookmark| match BinlogStream::open(&url, &replica.catalog, &at, &everything()).await {
        Ok(_) => panic!("{at:?} was opened"),
        Err(error) => error,
    };
    let error = open(start).await;
    assert_eq!(error.kind, Kind::Gap);
    assert!(error.message.contains("does not have that place"), "{error}");
    let error = open(Bookmark(last.0.replace(" 0-", " 0-7"))).await;
    assert!(error.message.contains("it is another log"), "{error}");
    let mut conn = db.connect().await;
    conn.query_drop("SELECT 1").await.expect("the server lives on");
}
