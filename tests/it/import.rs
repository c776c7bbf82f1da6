//! What people have already: dumps of every server and program, cut into files, packed, and the binlog files after
//! them. What they tell is what the server holds, or they are refused with the fix.

use crate::support::archive::{pcloud, succeeded};
use crate::support::db::{Db, Product};
use crate::support::dump::{base, binlogs, dump, mydumper, try_base};
use crate::support::serve::Serve;
use pcloud::error::{Error, Kind};
use pcloud::source::files::Files;
use pcloud::source::{Filter, Source};
use std::path::{Path, PathBuf};

/// Two databases, with what needs care in a dump.
const SETUP: &str = "SET sql_mode = '', time_zone = '+03:00'; CREATE DATABASE shop; CREATE DATABASE `crm-x`; USE shop; \
    CREATE TABLE a (id INT PRIMARY KEY AUTO_INCREMENT, t TEXT, b BLOB, n DECIMAL(40,10), d DOUBLE, bi BIT(20), ts TIMESTAMP(3) NULL, \
      dt DATETIME, ti TIME(2), da DATE, e ENUM('x','y''z'), s SET('p','q'), bn BINARY(4), j JSON); \
    INSERT INTO a VALUES (1, 'it''s \\\\ a \"test\" \\n\\r\\t\\0\\Z % _ ; -- no # comment /* */ 🎂', '\\0\\1\\'\\\"\\\\\\n\\Z\\xff\\xfe', -1.5, \
      -2.2250738585072014e-308, b'1010', '2026-03-29 02:30:00.123', '2020-01-01 00:00:00', '-838:59:59.00', '9999-12-31', 'y''z', 'p,q', 'ab', '{\"a\": [1, null, \"it''s\"]}'); \
    INSERT INTO a (id) VALUES (2); \
    CREATE TABLE many (id INT PRIMARY KEY, v VARCHAR(200)); \
    CREATE TABLE `empty` (id INT); CREATE TABLE `od.d name` (`a b` INT, KEY (`a b`)); INSERT INTO `od.d name` VALUES (1), (1), (NULL); \
    CREATE VIEW v AS SELECT id, t FROM a; CREATE TRIGGER trg AFTER INSERT ON many FOR EACH ROW SET @x = 'a;b'; \
    CREATE EVENT ev ON SCHEDULE EVERY 1 YEAR DO SELECT 1; CREATE TABLE `crm-x`.a (id INT PRIMARY KEY, v INT); INSERT INTO `crm-x`.a VALUES (7, 8)";

fn server(product: Product) -> Db {
    let db = Db::of(product, &[]);
    db.sql(SETUP);
    let row = |i: usize| format!("({i}, '{}')", "xy;'".repeat(i % 40).replace('\'', "''"));
    let rows: Vec<String> = (1..3000).map(row).collect();
    rows.chunks(600).for_each(|rows| drop(db.sql(&format!("INSERT INTO shop.many VALUES {}", rows.join(",")))));
    db
}

fn open(paths: &[PathBuf]) -> Result<Files, Error> {
    Files::open(paths, None, Filter::default())
}

async fn refused(paths: &[PathBuf]) -> Error {
    match open(paths) {
        Err(error) => error,
        Ok(files) => try_base(&files).await.err().unwrap_or_else(|| panic!("{paths:?} is not refused")),
    }
}

fn assert_says(error: &Error, words: &[&str]) {
    words.iter().for_each(|w| assert!(error.to_string().contains(w), "{w}: {error}"));
    assert!(error.hint.is_some(), "{error} names no fix");
}

async fn dumps_are_the_server(product: Product) {
    let db = server(product);
    let dir = tempfile::tempdir().expect("a directory");
    let at = |name: &str| dir.path().join(name);
    let data = if product.is_mysql() { "--source-data=2" } else { "--master-data=2" };
    let both = ["--databases", "shop", "crm-x", "--single-transaction", data];
    let (whole, all, schema, rows) = (at("whole.sql.zst"), at("all.sql"), at("schema.sql"), at("rows.sql.gz"));
    dump(&db, &whole, &[&both[..], &["--routines", "--events"]].concat());
    dump(&db, &all, &["--all-databases", "--single-transaction", data, "--hex-blob"]);
    dump(&db, &schema, &["--databases", "shop", "crm-x", "--no-data"]);
    dump(&db, &rows, &[&both[..], &["--no-create-info", "--no-create-db", "--skip-triggers"]].concat());
    for paths in [vec![whole], vec![all], vec![rows, schema]] {
        let (replica, _) = base(&open(&paths).expect("opened")).await;
        assert_eq!(replica.catalog.tables.len(), 5, "{paths:?}");
        assert!(replica.catalog.databases.contains_key("crm-x"));
        assert!(
            replica.catalog.objects.values().any(|o| o.key.name == "v" && o.create.contains("select")),
            "{paths:?}"
        );
        replica.assert_equals(&db).await;
    }
    // one file per table, each of which names its database in a comment, or not at all
    let names = ["a", "many", "empty", "od.d name"];
    let files: Vec<PathBuf> = names.iter().map(|n| at(&format!("{n}.sql"))).collect();
    names.iter().zip(&files).for_each(|(n, to)| dump(&db, to, &["shop", n, "--skip-triggers"]));
    let (replica, _) = base(&open(&files).expect("opened")).await;
    assert_eq!(replica.catalog.tables.values().filter(|t| t.name.database == "shop").count(), 4);
    replica.assert_equals(&db).await;
    dump(&db, &files[1], &["shop", "many", "--compact", "--skip-triggers"]);
    assert_says(&refused(&files[1..2]).await, &["--into"]);
    let named = Files::open(&files[1..2], Some("shop"), Filter::default()).expect("opened");
    base(&named).await.0.assert_equals(&db).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dumps_of_mariadb_11_8_are_the_server() {
    dumps_are_the_server(Product::MariaDb118).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dumps_of_mysql_9_are_the_server() {
    dumps_are_the_server(Product::MySql9).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_of_mysql_goes_on_from_a_position_or_from_gtids() {
    let db = server(Product::MySql9);
    let dir = tempfile::tempdir().expect("a directory");
    let at = |name: &str| dir.path().join(name);
    let both = ["--databases", "shop", "crm-x", "--single-transaction"];
    dump(&db, &at("place.sql"), &[&both[..], &["--source-data=2"]].concat());
    dump(&db, &at("gtids.sql"), &both);
    db.sql("FLUSH BINARY LOGS");
    dump(&db, &at("turn.sql"), &both);
    db.sql("SET SESSION binlog_transaction_compression = ON; INSERT INTO shop.many VALUES (5000, 'after')");
    dump(&db, &at("middle.sql"), &both);
    db.sql("DELETE FROM shop.many WHERE id < 100; FLUSH BINARY LOGS; UPDATE shop.a SET t = 'changed' WHERE id = 2");
    for name in ["place.sql", "gtids.sql", "turn.sql", "middle.sql"] {
        let mut paths = binlogs(&db);
        paths.push(at(name));
        let files = open(&paths).expect(name);
        let (mut replica, from) = base(&files).await;
        let mut stream = files.changes(&replica.catalog, &from).await.expect("the files open").expect("a log");
        replica.follow(stream.as_mut()).await;
        replica.assert_equals(&db).await;
    }
    let last = binlogs(&db).pop().expect("a file");
    assert_says(
        &refused(&[last.clone(), at("place.sql")]).await,
        &["binlog files binlog.000001", "are missing before"],
    );
    assert_says(&refused(&[last, at("gtids.sql")]).await, &["no place in the binlog files follows them"]);
    // mydumper of Debian does not know how MySQL 9 is asked for its position
    mydumper(&db, &at("dumper"), &["-x", "^(shop|crm-x)\\."]);
    base(&open(&[at("dumper")]).expect("opened")).await.0.assert_equals(&db).await;
    let mut paths = binlogs(&db);
    paths.push(at("dumper"));
    assert_says(&refused(&paths).await, &["does not say where the binary log goes on"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn mydumper_directories_and_the_log_after_them_are_the_server() {
    let db = server(Product::MariaDb1011);
    let dir = tempfile::tempdir().expect("a directory");
    let variants: [(&str, &[&str]); 2] = [("plain", &["-r", "500", "-G", "-E", "-R"]), ("packed", &["-c"])];
    for (name, options) in variants {
        let to = dir.path().join(name);
        mydumper(&db, &to, &[options, &["-x", "^(shop|crm-x)\\."]].concat());
        let (replica, _) = base(&open(&[to]).expect("opened")).await;
        assert_eq!(replica.catalog.tables.len(), 5);
        replica.assert_equals(&db).await;
        let programs = replica.catalog.objects.keys().map(|k| k.name.as_str()).collect::<Vec<_>>();
        assert_eq!(programs, if name == "plain" { vec!["v", "trg", "ev"] } else { vec!["v"] });
    }
    db.sql("INSERT INTO shop.many VALUES (5000, 'after'); FLUSH BINARY LOGS; DELETE FROM shop.many WHERE id < 100");
    let mut paths = binlogs(&db);
    paths.push(dir.path().join("plain"));
    let files = open(&paths).expect("opened");
    let (mut replica, from) = base(&files).await;
    let mut stream = files.changes(&replica.catalog, &from).await.expect("the files open").expect("a log");
    replica.follow(stream.as_mut()).await;
    replica.assert_equals(&db).await;
    // a chunk that is lost is seen where metadata counts rows, as newer versions do
    let metadata = dir.path().join("packed/metadata");
    let text = std::fs::read_to_string(&metadata).expect("metadata");
    std::fs::write(&metadata, format!("{text}[`shop`.`many`]\nrows = 4000\n")).expect("written");
    assert_says(&refused(&[dir.path().join("packed")]).await, &["shop.many", "2999", "4000"]);
    std::fs::write(&metadata, "Started dump at: 2026-11-23 09:17:34\n").expect("written");
    assert_says(&refused(&[dir.path().join("packed")]).await, &["not finished"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_whole_state_is_refused_with_the_fix() {
    let db = Db::start(&[]);
    db.sql("CREATE DATABASE shop; CREATE TABLE shop.a (id INT PRIMARY KEY, ts TIMESTAMP NULL, v VARCHAR(9)); CREATE TABLE shop.b (id INT); \
            INSERT INTO shop.a VALUES (1, NULL, 'ä')");
    let dir = tempfile::tempdir().expect("a directory");
    let at = |name: &str| dir.path().join(name);
    let with = |name: &str, options: &[&str]| {
        dump(&db, &at(name), options);
        at(name)
    };
    let edited = |name: &str, from: &Path, edit: &dyn Fn(String) -> String| {
        std::fs::write(at(name), edit(std::fs::read_to_string(from).expect("text"))).expect("written");
        at(name)
    };
    let whole = with("whole.sql", &["--databases", "shop", "--master-data=2"]);
    let packed = with("whole.sql.gz", &["--databases", "shop"]);
    let bytes = std::fs::read(&packed).expect("packed");
    std::fs::write(at("cut.sql.gz"), &bytes[..bytes.len() - 20]).expect("written");
    db.sql("INSERT INTO shop.b VALUES (1)");
    let later = with("later.sql", &["shop", "b", "--master-data=2"]);
    let cut = edited("cut.sql", &whole, &|t| t[..t.find("-- Dump completed").expect("an end")].to_string());
    for (paths, words) in [
        (vec![at("cut.sql.gz")], &["cut.sql.gz after line", "cut off"][..]),
        (vec![cut], &["cut.sql", "does not say that it was completed"]),
        (
            vec![whole.clone(), later],
            &["whole.sql stands at binlog.000001:", "later.sql at binlog.000001:", "--databases"],
        ),
        (vec![whole.clone(), whole.clone()], &["shop.a is defined twice"]),
        (
            vec![with("zone.sql", &["--databases", "shop", "--skip-tz-utc"])],
            &["zone.sql line", "shop.a", "--skip-tz-utc"],
        ),
        (
            vec![with("latin.sql", &["--databases", "shop", "--default-character-set=latin1"])],
            &["latin.sql line", "latin1", "utf8mb4"],
        ),
        (
            vec![with("rows.sql", &["--databases", "shop", "--no-create-info"])],
            &["shop.a", "CREATE TABLE", "--no-data"],
        ),
        (
            vec![edited("odd.sql", &whole, &|t| {
                t.replace("INSERT INTO `a` VALUES\n(1,", "INSERT INTO `a` VALUES\n(1x,")
            })],
            &["odd.sql line", "shop.a, column id", "1x"],
        ),
        (vec![edited("call.sql", &whole, &|t| t.replace("UNLOCK TABLES;", "CALL p();"))], &["call.sql line", "CALL"]),
    ] {
        assert_says(&refused(&paths).await, words);
    }
    let tab = db.instance().join("files");
    run_tab(&db, &tab);
    assert_says(&refused(&[tab]).await, &["--tab"]);
    assert_says(&refused(&[dir.path().to_path_buf()]).await, &["metadata"]);
}

fn run_tab(db: &Db, to: &Path) {
    let out = db.program("mariadb-dump").args(["shop", "--tab"]).arg(to).output().expect("mariadb-dump starts");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_binlog_file_is_named() {
    let db = Db::start(&[]);
    db.sql("CREATE DATABASE shop; CREATE TABLE shop.a (id INT PRIMARY KEY)");
    let dir = tempfile::tempdir().expect("a directory");
    let whole = dir.path().join("whole.sql");
    dump(&db, &whole, &["--databases", "shop", "--master-data=2"]);
    (1..6).for_each(|i| drop(db.sql(&format!("INSERT INTO shop.a VALUES ({i}); FLUSH BINARY LOGS"))));
    let logs = binlogs(&db);
    let with = |numbers: &[usize]| {
        let mut paths: Vec<PathBuf> = numbers.iter().map(|n| logs[n - 1].clone()).collect();
        paths.push(whole.clone());
        paths
    };
    for (numbers, words) in [
        (&[1, 2, 4][..], "binlog file binlog.000003 is missing before binlog.000004"),
        (&[1, 5, 6], "binlog files binlog.000002 to binlog.000004 are missing before binlog.000005"),
        (&[3, 4], "binlog files binlog.000001 to binlog.000002 are missing before binlog.000003"),
        (&[1, 2, 2], "are the same binlog file"),
    ] {
        let error = refused(&with(numbers)).await;
        assert_eq!(error.kind, Kind::Usage);
        assert_says(&error, &[words]);
    }
    // a file under another's name is seen by what it says of itself
    std::fs::copy(&logs[3], dir.path().join("binlog.000003")).expect("copied");
    let paths = [logs[0].clone(), logs[1].clone(), dir.path().join("binlog.000003"), whole];
    let files = open(&paths).expect("the names fit");
    let (replica, from) = base(&files).await;
    let mut stream = files.changes(&replica.catalog, &from).await.expect("opened").expect("a log");
    let error = loop {
        match stream.next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("a gap was passed over"),
            Err(error) => break error,
        }
    };
    assert_says(&error, &["a part of the log is missing before file binlog.000003"]);
}

/// A server that replicates from another, and is in step with it.
fn replica_of(primary: &Db) -> Db {
    let replica = Db::of(primary.product, &["--log-bin=own"]);
    let port = primary.port;
    replica.sql(&match primary.product.is_mysql() {
        true => format!(
            "RESET BINARY LOGS AND GTIDS; CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = {port}, SOURCE_USER = 'pcloud',
             SOURCE_PASSWORD = 'secret', SOURCE_AUTO_POSITION = 1, GET_SOURCE_PUBLIC_KEY = 1; START REPLICA"
        ),
        false => format!(
            "RESET MASTER; SET GLOBAL gtid_slave_pos = ''; CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {port},
             MASTER_USER = 'pcloud', MASTER_PASSWORD = 'secret', MASTER_USE_GTID = slave_pos; START SLAVE"
        ),
    });
    in_step(primary, &replica);
    replica
}

fn in_step(primary: &Db, replica: &Db) {
    let (at, waited) = match primary.product.is_mysql() {
        true => ("SELECT @@GLOBAL.gtid_executed", "WAIT_FOR_EXECUTED_GTID_SET"),
        false => ("SELECT @@gtid_binlog_pos", "MASTER_GTID_WAIT"),
    };
    let at = primary.sql(at).replace("\\n", "");
    assert_eq!(replica.sql(&format!("SELECT {waited}('{}', 60)", at.trim())).trim(), "0");
}

/// A dump of a replica names the place in its source's log, from where the source's files go on.
async fn a_replicas_dump_goes_on_with_its_source(product: Product, options: &[&str]) {
    let primary = server(product);
    let replica = replica_of(&primary);
    let dir = tempfile::tempdir().expect("a directory");
    let whole = dir.path().join("replica.sql");
    dump(&replica, &whole, &[&["--databases", "shop", "crm-x", "--single-transaction"], options].concat());
    primary
        .sql("INSERT INTO shop.many VALUES (5000, 'after'); FLUSH BINARY LOGS; DELETE FROM shop.many WHERE id < 100");
    let mut paths = binlogs(&primary);
    paths.push(whole);
    let files = open(&paths).expect("opened");
    let (mut copy, from) = base(&files).await;
    let mut stream = files.changes(&copy.catalog, &from).await.expect("the files open").expect("a log");
    copy.follow(stream.as_mut()).await;
    copy.assert_equals(&primary).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_of_a_replica_goes_on_with_its_sources_log() {
    for options in [&["--dump-slave=2"][..], &["--dump-slave=1", "--gtid"]] {
        a_replicas_dump_goes_on_with_its_source(Product::MariaDb1011, options).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_of_a_replica_of_mariadb_11_8_goes_on_with_its_sources_log() {
    a_replicas_dump_goes_on_with_its_source(Product::MariaDb118, &["--dump-slave=2"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_of_a_replica_of_mysql_goes_on_with_its_sources_log() {
    a_replicas_dump_goes_on_with_its_source(Product::MySql9, &["--dump-replica=2"]).await;
}

/// mysqldump names the columns and leaves out what the server computes: the rest is carried, and RESTORE makes those again.
#[tokio::test(flavor = "multi_thread")]
async fn generated_columns_that_a_dump_leaves_out_are_made_again_by_a_restore() {
    for product in Product::ALL {
        let (db, target) = (Db::of(product, &[]), Db::of(product, &[]));
        db.sql(
            "CREATE DATABASE shop; USE shop; CREATE TABLE g (id INT PRIMARY KEY, a INT, s INT AS (a * 2) STORED, v INT AS (a + 1) VIRTUAL, b INT);
             INSERT INTO g (id, a, b) VALUES (1, 10, 0), (2, NULL, 1), (3, 30, 2);
             CREATE TABLE bag (a INT, s INT AS (a * 2) STORED); INSERT INTO bag (a) VALUES (1), (1), (2), (3);
             CREATE TABLE later (id INT PRIMARY KEY, s INT AS (id * 2) STORED)",
        );
        let dir = tempfile::tempdir().expect("a directory");
        let (whole, archive) = (dir.path().join("whole.sql"), dir.path().join("archive"));
        // mariadb-dump writes them
        let rows = match product.is_mysql() {
            true => {
                dump(&db, &whole, &["--databases", "shop", "--single-transaction", "--source-data=2"]);
                whole.clone()
            }
            false => {
                mydumper(&db, &whole, &["-x", "^shop\\."]);
                whole.join("shop.g.sql")
            }
        };
        let text = std::fs::read_to_string(&rows).expect("the dump").replace("`, `", "`,`");
        assert!(text.contains("INSERT INTO `g` (`id`,`a`,`b`) VALUES"), "{product:?} has them all: {text}");
        db.sql(
            "USE shop; INSERT INTO g (id, a, b) VALUES (4, 40, 3); UPDATE g SET a = 11 WHERE id = 1; DELETE FROM bag WHERE a = 1 LIMIT 1;
             UPDATE bag SET a = 4 WHERE a = 3; INSERT INTO later (id) VALUES (7); ALTER TABLE g ADD COLUMN c INT DEFAULT 5;
             RENAME TABLE g TO h; INSERT INTO h (id, a) VALUES (5, 50)",
        );
        succeeded(pcloud(&archive).args(["import", "--name", "c"]).arg(&whole).args(binlogs(&db)));
        let serve = Serve::start(&archive);
        for sql in [
            "SELECT id, a, b, c FROM shop.h ORDER BY id",
            "SELECT a FROM shop.bag ORDER BY a",
            "SELECT * FROM shop.later",
        ] {
            assert_eq!(serve.sql(sql), db.sql(sql), "{product:?}");
        }
        for sql in ["SELECT s FROM shop.h", "SELECT * FROM shop.bag", "SELECT id FROM shop.h WHERE v = 1"] {
            let refused = serve.error(sql);
            assert!(refused.contains("which the imported dump leaves out, is not kept"), "{sql}: {refused}");
        }
        succeeded(pcloud(&archive).args(["restore", "--database", "shop", "--to", &target.url()]));
        for sql in ["SELECT * FROM shop.h ORDER BY id", "SELECT * FROM shop.bag ORDER BY a", "SELECT * FROM shop.later"]
        {
            assert_eq!(target.sql(sql), db.sql(sql), "{product:?}");
        }
    }
}

/// Text whose bytes are those of its column's charset.
const CHARSETS: &str = "CREATE DATABASE shop; CREATE TABLE shop.x (id INT PRIMARY KEY, a VARCHAR(20) CHARACTER SET latin1, \
    b TEXT CHARACTER SET cp1251, c CHAR(9) CHARACTER SET sjis, d VARCHAR(9) CHARACTER SET ucs2, e ENUM('é','x') CHARACTER SET latin1, \
    s SET('ä','ö') CHARACTER SET latin2, g VARCHAR(9) CHARACTER SET utf16, h VARCHAR(9) CHARACTER SET gbk, u VARCHAR(9), bin VARBINARY(9)); \
    SET sql_mode = ''; INSERT INTO shop.x VALUES (1, 'é ß''\\\\', 'Привет', '表ｱ', 'é€', 'é', 'ä,ö', '🦀', '中縗', '🎂', x'e9275c00'), \
    (2, '', NULL, '', '', 'x', '', '', '', '', ''), (3, 'ÿ\\n\\t\\Z', 'я', 'a', 'a''b', NULL, 'ö', 'a', 'b', 'c', '')";

#[tokio::test(flavor = "multi_thread")]
async fn texts_in_their_columns_own_charsets_are_read() {
    for product in Product::ALL {
        let db = Db::of(product, &[]);
        db.sql(CHARSETS);
        let dir = tempfile::tempdir().expect("a directory");
        let at = |name: &str| dir.path().join(name);
        mydumper(&db, &at("dumper"), &["-x", "^shop\\."]);
        dump(&db, &at("binary.sql"), &["--databases", "shop", "--default-character-set=binary"]);
        for name in ["dumper", "binary.sql"] {
            base(&open(&[at(name)]).expect(name)).await.0.assert_equals(&db).await;
        }
        let text = std::fs::read(at("binary.sql")).expect("the dump");
        let place = text.windows(5).position(|w| w == b"'\xcf\xf0\xe8\xe2");
        let mut broken = text.clone();
        // no character of cp1251
        broken[place.expect("it is there") + 1] = 0x98;
        std::fs::write(at("broken.sql"), broken).expect("written");
        assert_says(&refused(&[at("broken.sql")]).await, &["shop.x, column b", "no text of charset cp1251"]);
    }
}

/// The form that versions of mydumper after 0.13 write, with what 0.10 wrote: sections, a compressed directory, and how many
/// rows each table has.
#[tokio::test(flavor = "multi_thread")]
async fn the_newer_form_of_metadata_is_read_from_a_compressed_directory() {
    let db = server(Product::MariaDb118);
    let dir = tempfile::tempdir().expect("a directory");
    let to = dir.path().join("dumper");
    mydumper(&db, &to, &["-c", "-x", "^(shop|crm-x)\\."]);
    let metadata = to.join("metadata");
    let old = std::fs::read_to_string(&metadata).expect("metadata");
    let after = |word: &str| {
        let (_, rest) = old.split_once(word).unwrap_or_else(|| panic!("{word}: {old}"));
        rest.lines().next().unwrap_or_default().trim().to_string()
    };
    let (file, offset, gtids) = (after("Log:"), after("Pos:"), after("GTID:"));
    let new = |many: usize| {
        format!(
            "# Started dump at: 2026-11-23 09:17:34\n[config]\nquote-character = BACKTICK\nlocal-infile = 1\n\n[myloader_session_variables]\n\
             SQL_MODE='NO_AUTO_VALUE_ON_ZERO,' /*!40101\n\n[source]\n# Channel_Name = '' # It can be use to setup replication FOR CHANNEL\n\
             File = {file}\nPosition = {offset}\nExecuted_Gtid_Set = {gtids}\n\n[`shop`.`many`]\nreal_table_name=many\nrows = {many}\n\n\
             [`shop`.`a`]\nreal_table_name=a\nrows = 2\n[`crm-x`.`a`]\nrows = 1\n# Finished dump at: 2026-11-23 09:17:35\n"
        )
    };
    std::fs::write(&metadata, new(2999)).expect("written");
    db.sql("INSERT INTO shop.many VALUES (5000, 'after'); FLUSH BINARY LOGS; DELETE FROM shop.many WHERE id < 100");
    let mut paths = binlogs(&db);
    paths.push(to.clone());
    let files = open(&paths).expect("opened");
    let (mut replica, from) = base(&files).await;
    let mut stream = files.changes(&replica.catalog, &from).await.expect("the files open").expect("a log");
    replica.follow(stream.as_mut()).await;
    replica.assert_equals(&db).await;
    std::fs::write(&metadata, new(3000)).expect("written");
    assert_says(&refused(&[to]).await, &["shop.many", "2999", "3000"]);
}
