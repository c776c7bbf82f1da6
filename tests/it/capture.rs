//! The first base and the log of a real server: under writers, through restarts, and with tables that change form.

use crate::support::archive::{self, protect_once, rows_at, succeeded, text, timeline};
use crate::support::db::{Db, MariaDb, Product};
use mysql_async::prelude::*;
use pcloud::archive::Archive;
use pcloud::capture::{self, Options, Progress, Show, Summary};
use pcloud::clock::{Clock, SystemClock};
use pcloud::error::{Kind, Result};
use pcloud::model::{
    Bookmark, Catalog, MomentSpec, Seq, ServerUrl, TableName, TableSchema, Value, stream_of, value_at,
};
use pcloud::source::mysql::Server;
use pcloud::source::{BaseSource, ChangeStream, Filter, Retake, Source};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

fn server(db: &MariaDb) -> Server {
    Server { url: ServerUrl::parse(&db.url()).expect("a URL"), filter: Filter::default(), connections: 4 }
}

/// A cluster `c` that is being protected.
struct Bench {
    dir: tempfile::TempDir,
    told: Arc<Mutex<Vec<Progress>>>,
}

impl Bench {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a directory"), told: Arc::default() }
    }

    fn begin(&self, source: impl Source + 'static, once: bool, stop: CancellationToken) -> JoinHandle<Result<Summary>> {
        let (path, told) = (self.dir.path().display().to_string(), self.told.clone());
        tokio::spawn(async move {
            let clock: Arc<dyn Clock> = Arc::new(SystemClock);
            let archive = Archive::create(&path, clock.as_ref()).await?;
            let flush_every = Duration::from_millis(200);
            let options = Options { once, flush_every, ..Options::new("c") };
            let show: Show = Arc::new(move |p| told.lock().expect("no panic").push(p));
            capture::run(&archive, Arc::new(source), &options, clock, show, stop).await
        })
    }

    async fn once(&self, source: impl Source + 'static) -> Result<Summary> {
        self.begin(source, true, CancellationToken::new()).await.expect("no panic")
    }

    /// Waits until this was told.
    async fn until(&self, what: impl Fn(&Progress) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self.told.lock().expect("no panic").iter().any(&what) {
            assert!(Instant::now() < deadline, "not told: {:?}", self.told.lock().expect("no panic"));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.told.lock().expect("no panic").clear();
    }

    async fn timeline(&self) -> pcloud::timeline::Timeline {
        timeline(self.dir.path(), "c").await
    }

    async fn rows(&self, table: &str) -> Vec<Vec<Option<String>>> {
        let timeline = self.timeline().await;
        rows_at(&timeline, &TableName::new("shop", table), timeline.latest().seq).await
    }
}

async fn server_rows(db: &MariaDb, table: &str) -> Vec<Vec<Option<String>>> {
    let mut conn = db.connect().await;
    conn.query_drop("SET time_zone = '+00:00'").await.expect("SET");
    let rows: Vec<mysql_async::Row> = conn.query(format!("SELECT * FROM shop.{table}")).await.expect("SELECT");
    let cell = |v| match v {
        mysql_async::Value::NULL => None,
        mysql_async::Value::Bytes(b) => Some(text(&b)),
        other => panic!("the text protocol gave {other:?}"),
    };
    let mut rows: Vec<Vec<_>> = rows.into_iter().map(|r| r.unwrap().into_iter().map(cell).collect()).collect();
    rows.sort();
    rows
}

/// A source whose log nobody follows: what the archive holds is the base.
struct BaseOnly(Server);

#[async_trait::async_trait]
impl Source for BaseOnly {
    async fn check(&self, tables: bool) -> Result<()> {
        self.0.check(tables).await
    }
    async fn base(&self) -> Result<Box<dyn BaseSource>> {
        self.0.base().await
    }
    async fn changes(&self, _: &Catalog, _: &Bookmark) -> Result<Option<Box<dyn ChangeStream>>> {
        Ok(None)
    }
    async fn retake(&self, _: &TableSchema) -> Result<Retake> {
        Ok(Retake::Nothing)
    }
}

/// Writers that move amounts between four tables, each transaction touching all of them, until told to stop.
fn writers(db: &MariaDb, stop: &Arc<AtomicBool>) -> Vec<JoinHandle<u64>> {
    (0..3)
        .map(|writer| {
            let (url, stop) = (db.url(), stop.clone());
            tokio::spawn(async move {
                let opts = mysql_async::Opts::from_url(&url).expect("a URL");
                let mut conn = mysql_async::Conn::new(opts).await.expect("connected");
                let mut done = 0;
                while !stop.load(Ordering::SeqCst) {
                    let mut statements = String::from("BEGIN");
                    for table in 0..4 {
                        let by = if table % 2 == 0 { 1 } else { -1 };
                        statements += &format!("; UPDATE shop.a{table} SET v = v + {by} WHERE id = {writer}");
                    }
                    for statement in (statements + "; COMMIT").split("; ") {
                        conn.query_drop(statement).await.expect(statement);
                    }
                    done += 1;
                }
                done
            })
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_under_writers_is_one_moment_and_the_log_goes_on_from_exactly_there() {
    base_under_writers(Product::MariaDb1011).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_of_mysql_under_writers_is_one_moment_too() {
    base_under_writers(Product::MySql9).await;
}

async fn base_under_writers(product: Product) {
    let db = Db::of(product, &[]);
    db.sql("CREATE DATABASE shop");
    for table in 0..4 {
        // enough rows that the tables are not read in an instant
        db.sql(&format!("CREATE TABLE shop.a{table} (id INT PRIMARY KEY, v INT NOT NULL, pad CHAR(200) DEFAULT 'x')"));
        for first in (0..20_000).step_by(4_000) {
            let rows: Vec<_> = (first..first + 4_000).map(|id| format!("({id}, 0)")).collect();
            db.sql(&format!("INSERT INTO shop.a{table} (id, v) VALUES {}", rows.join(",")));
        }
    }
    let stop = Arc::new(AtomicBool::new(false));
    let writers = writers(&db, &stop);
    let (base, bench) = (Bench::new(), Bench::new());
    base.once(BaseOnly(server(&db))).await.expect("a base");
    let at_base = base.timeline().await;
    // every transaction changed all four tables, so any one moment has them in step
    let mut sums = Vec::new();
    for table in 0..4 {
        let rows = rows_at(&at_base, &TableName::new("shop", format!("a{table}")), Seq::ZERO).await;
        assert_eq!(rows.len(), 20_000);
        let value = |row: &Vec<Option<String>>| row[1].as_ref().and_then(|v| v.parse::<i64>().ok()).expect("a number");
        sums.push(rows.iter().map(|r| value(r).abs()).sum::<i64>());
    }
    assert!(sums[0] > 0, "somebody wrote before the base");
    assert!(sums.iter().all(|s| *s == sums[0]), "{sums:?}");

    // the same with the log: base and every change after it, while it goes on
    let following = bench.begin(server(&db), false, CancellationToken::new());
    bench.until(|p| matches!(p, Progress::CaughtUp { .. })).await;
    stop.store(true, Ordering::SeqCst);
    let mut written = 0;
    for writer in writers {
        written += writer.await.expect("a writer");
    }
    following.abort(); // as a kill would
    let _ = following.await;
    let summary = bench.once(server(&db)).await.expect("it catches up");
    assert!(summary.seq.0 > 0 && summary.seq.0 < written, "{} of {written} commits after the base", summary.seq);
    for table in 0..4 {
        let table = format!("a{table}");
        assert_eq!(bench.rows(&table).await, server_rows(&db, &table).await, "{table}");
    }
}

/// MariaDB keeps what SHOW STATUS says of a snapshot in variables that all sessions share, so that one session may be
/// told another's place. Bases must be one moment all the same, whoever else asks.
#[tokio::test(flavor = "multi_thread")]
async fn a_base_is_one_moment_though_the_server_mixes_up_its_snapshots_places() {
    bases_of_one_moment(Product::MariaDb1011, &[], 200).await;
}

/// MySQL does not say where a snapshot stands. Its transactions are in the log before they can be seen.
#[tokio::test(flavor = "multi_thread")]
async fn a_base_of_mysql_is_one_moment_however_often_it_is_taken() {
    bases_of_one_moment(Product::MySql9, &[], 50).await;
}

/// The longer transactions stand in the log before they are committed, the likelier a snapshot is opened in between.
#[tokio::test(flavor = "multi_thread")]
async fn a_base_of_mysql_is_one_moment_though_commits_wait_behind_the_log() {
    bases_of_one_moment(Product::MySql9, &["--binlog-group-commit-sync-delay=4000"], 100).await;
}

async fn bases_of_one_moment(product: Product, options: &[&str], rounds: usize) {
    let db = Db::of(product, options);
    db.sql("CREATE DATABASE shop");
    for table in 0..4 {
        db.sql(&format!("CREATE TABLE shop.a{table} (id INT PRIMARY KEY, v INT NOT NULL)"));
        db.sql(&format!("INSERT INTO shop.a{table} (id, v) VALUES (0, 0), (1, 0), (2, 0)"));
    }
    let stop = Arc::new(AtomicBool::new(false));
    let writers = writers(&db, &stop);
    let (url, asking) = (db.url(), stop.clone());
    let asker = tokio::spawn(async move {
        let opts = mysql_async::Opts::from_url(&url).expect("a URL");
        let mut conn = mysql_async::Conn::new(opts).await.expect("connected");
        while !asking.load(Ordering::SeqCst) {
            conn.query_drop("SHOW STATUS LIKE 'Binlog\\_snapshot\\_%'").await.expect("an answer");
        }
    });
    for round in 0..rounds {
        let base = server(&db).base().await.expect("a base");
        let mut sums = Vec::new();
        while let Some(mut table) = base.next_table().await.expect("a table") {
            let mut sum = 0;
            while let Some(batch) = table.rows.next().await.expect("rows") {
                for row in 0..batch.num_rows() {
                    match value_at(batch.column(1), row, &table.schema.columns[1].kind).expect("a value") {
                        Value::Int(v) => sum += v.abs(),
                        other => panic!("{other:?}"),
                    }
                }
            }
            sums.push(sum);
        }
        assert!(sums.len() == 4 && sums.iter().all(|s| *s == sums[0]), "round {round}: {sums:?}");
    }
    stop.store(true, Ordering::SeqCst);
    for writer in writers {
        writer.await.expect("a writer");
    }
    asker.await.expect("the asker");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gtid_of_a_transaction_that_changed_nothing_kept_can_be_asked() {
    let (db, dir) = (MariaDb::start(&[]), tempfile::tempdir().expect("a directory"));
    db.sql("CREATE DATABASE shop; CREATE TABLE shop.a (id INT PRIMARY KEY)");
    protect_once(dir.path(), &db.url(), "c");
    let last = || db.sql("SELECT @@gtid_binlog_pos").trim().to_string();
    db.sql("INSERT INTO shop.a VALUES (1)");
    let mut asked = Vec::new();
    for (statement, before, after) in [
        ("ANALYZE TABLE shop.a", 1, 1),
        ("DROP TABLE IF EXISTS shop.none", 1, 1),
        ("INSERT INTO shop.a VALUES (2)", 1, 2),
        ("XA START 'x'; INSERT INTO shop.a VALUES (3); XA END 'x'; XA PREPARE 'x'", 2, 2),
        ("XA COMMIT 'x'", 2, 3),
        ("FLUSH PRIVILEGES", 3, 3),
    ] {
        db.sql(statement);
        asked.push((last(), before, after));
    }
    protect_once(dir.path(), &db.url(), "c");
    // capture writes a commit of its own between the two
    let mut retake = archive::pcloud(dir.path());
    succeeded(retake.args(["protect", &db.url(), "--name", "c", "--once", "--retake", "shop.a"]));
    for (statement, before, after) in [("ANALYZE TABLE shop.a", 3, 3), ("INSERT INTO shop.a VALUES (4)", 3, 4)] {
        db.sql(statement);
        asked.push((last(), before, after));
    }
    protect_once(dir.path(), &db.url(), "c");
    let timeline = timeline(dir.path(), "c").await;
    let count = async |spec: MomentSpec| {
        let seq = timeline.resolve(&spec).unwrap_or_else(|e| panic!("{spec:?}: {e}")).seq;
        rows_at(&timeline, &TableName::new("shop", "a"), seq).await.len()
    };
    for (gtid, before, after) in asked {
        assert_eq!(count(MomentSpec::BeforeGtid(gtid.clone())).await, before, "before {gtid}");
        assert_eq!(count(MomentSpec::Gtid(gtid.clone())).await, after, "after {gtid}");
    }
    let (stream, number) = stream_of(&last()).map(|(s, n)| (s.to_string(), n)).expect("a GTID");
    for unknown in [format!("{stream}-{}", number + 1), format!("{stream}9-3"), "x".into()] {
        timeline.resolve(&MomentSpec::Gtid(unknown.clone())).expect_err(&unknown);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_between_runs_and_while_the_server_restarts_is_in_the_archive() {
    let db = MariaDb::start(&[]);
    db.sql("CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY, v VARCHAR(20)); INSERT INTO shop.t VALUES (1, 'base')");
    let bench = Bench::new();
    let first = bench.once(server(&db)).await.expect("a base");
    assert_eq!((first.seq, first.commits), (Seq(0), 0));
    db.sql("INSERT INTO shop.t VALUES (2, 'between'); UPDATE shop.t SET v = 'changed' WHERE id = 1");
    let second = bench.once(server(&db)).await.expect("it goes on");
    assert_eq!((second.seq, second.commits), (Seq(2), 2));
    assert_eq!(bench.rows("t").await, server_rows(&db, "t").await);

    bench.told.lock().expect("no panic").clear();
    let stop = CancellationToken::new();
    let running = bench.begin(server(&db), false, stop.clone());
    bench.until(|p| matches!(p, Progress::CaughtUp { .. })).await;
    db.sql("INSERT INTO shop.t VALUES (3, 'before')");
    db.stop(false);
    bench.until(|p| matches!(p, Progress::Waiting { .. })).await;
    db.start_again();
    db.sql("INSERT INTO shop.t VALUES (4, 'after')");
    bench.until(|p| matches!(p, Progress::Log { seq: Seq(4), .. })).await;
    stop.cancel();
    let third = running.await.expect("no panic").expect("stopped");
    assert_eq!(third.seq, Seq(4));
    assert_eq!(bench.rows("t").await, server_rows(&db, "t").await);

    // a log that is gone is a gap, and named
    db.sql("INSERT INTO shop.t VALUES (5, 'lost'); FLUSH BINARY LOGS; FLUSH BINARY LOGS");
    let logs = || {
        db.sql("SHOW BINARY LOGS").lines().map(|l| l.split('\t').next().unwrap_or(l).to_string()).collect::<Vec<_>>()
    };
    let (last, deadline) = (logs().pop().expect("a log"), Instant::now() + Duration::from_secs(60));
    while logs().len() > 1 {
        // the server keeps what it still sends to a connection that it has not seen closing
        assert!(Instant::now() < deadline, "not purged: {:?}", logs());
        db.sql(&format!("PURGE BINARY LOGS TO '{last}'"));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let error = bench.once(server(&db)).await.expect_err("a gap");
    assert_eq!(error.kind, Kind::Gap, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_changes_form_is_uncertain_until_its_new_base() {
    let db = MariaDb::start(&[]);
    db.sql("CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY, v INT, w INT); INSERT INTO shop.t VALUES (1, 1, 1), (2, 2, 2)");
    let bench = Bench::new();
    let name = TableName::new("shop", "t");
    bench.once(server(&db)).await.expect("a base");
    db.sql("INSERT INTO shop.t VALUES (3, 3, 3); ALTER TABLE shop.t MODIFY v VARCHAR(20); INSERT INTO shop.t VALUES (4, 'four', 4)");
    let summary = bench.once(server(&db)).await.expect("it catches up");
    assert_eq!((summary.seq, summary.uncertain, summary.manifest.number), (Seq(3), vec![], 2));
    assert_eq!(bench.rows("t").await, server_rows(&db, "t").await);
    let timeline = bench.timeline().await;
    let uncertain = timeline.table(&name, Seq(2)).expect_err("between the ALTER and the new base");
    assert_eq!(uncertain.kind, Kind::Uncertain, "{uncertain}");
    assert_eq!(rows_at(&timeline, &name, Seq(1)).await.len(), 3);

    // while it is followed, and written to without a pause
    bench.told.lock().expect("no panic").clear();
    let stop = CancellationToken::new();
    let running = bench.begin(server(&db), false, stop.clone());
    bench.until(|p| matches!(p, Progress::CaughtUp { .. })).await;
    let (url, enough) = (db.url(), Arc::new(AtomicBool::new(false)));
    let writing = enough.clone();
    let writer = tokio::spawn(async move {
        let opts = mysql_async::Opts::from_url(&url).expect("a URL");
        let mut conn = mysql_async::Conn::new(opts).await.expect("connected");
        for id in 10.. {
            if writing.load(Ordering::SeqCst) {
                break;
            }
            conn.query_drop(format!("INSERT INTO shop.t (id, w) VALUES ({id}, {id})")).await.expect("INSERT");
            conn.query_drop(format!("UPDATE shop.t SET w = w + 1 WHERE id IN ({id}, 1)")).await.expect("UPDATE");
        }
    });
    db.sql("ALTER TABLE shop.t MODIFY v VARBINARY(50)");
    bench.until(|p| matches!(p, Progress::Retaken { .. })).await;
    enough.store(true, Ordering::SeqCst);
    writer.await.expect("a writer");
    stop.cancel();
    let _ = running.await.expect("no panic").expect("stopped");
    let summary = bench.once(server(&db)).await.expect("it catches up");
    assert_eq!(summary.uncertain, []);
    assert_eq!(bench.rows("t").await, server_rows(&db, "t").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_uncertain_again_and_again_is_read_again_only_so_often() {
    let db = MariaDb::start(&[]);
    db.sql("CREATE DATABASE shop; USE shop; CREATE TABLE t (id INT PRIMARY KEY, v INT); CREATE TABLE u (id INT PRIMARY KEY, v INT)");
    db.sql("INSERT INTO shop.t VALUES (1, 1); INSERT INTO shop.u VALUES (1, 1)");
    let bench = Bench::new();
    let stop = CancellationToken::new();
    let run = bench.begin(server(&db), false, stop.clone());
    bench.until(|p| matches!(p, Progress::CaughtUp { .. })).await;
    let unlogged = |table: &str| db.sql(&format!("SET binlog_format = 'STATEMENT'; UPDATE shop.{table} SET v = v + 1"));
    unlogged("t");
    bench.until(|p| matches!(p, Progress::Retaken { table, .. } if table.table == "t")).await;
    for _ in 0..3 {
        unlogged("t");
        bench.until(|p| matches!(p, Progress::Uncertain { table, .. } if table.table == "t")).await;
    }
    // another table need not wait
    unlogged("u");
    bench.until(|p| matches!(p, Progress::Retaken { table, .. } if table.table == "u")).await;
    stop.cancel();
    let summary = run.await.expect("no panic").expect("it is captured");
    let bases = summary.manifest.bases.iter().filter(|b| b.seq > Seq::ZERO && b.schema.name.table == "t").count();
    assert_eq!((bases, summary.uncertain.len()), (1, 1), "{:?}", summary.uncertain);
    let summary = bench.once(server(&db)).await.expect("it is captured");
    assert_eq!(summary.uncertain, []);
    assert_eq!(bench.rows("t").await, server_rows(&db, "t").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_altered_under_the_base_fails_alone() {
    let db = MariaDb::start(&[]);
    db.sql("CREATE DATABASE shop");
    for table in ["fine", "longer", "renamed", "emptied", "dropped", "grown"] {
        db.sql(&format!(
            "CREATE TABLE shop.{table} (id INT PRIMARY KEY, v VARCHAR(20)); INSERT INTO shop.{table} VALUES (1, 'a')"
        ));
    }
    let base = server(&db).base().await.expect("opened");
    db.sql(
        "USE shop; ALTER TABLE longer MODIFY v TEXT; ALTER TABLE renamed RENAME COLUMN v TO w; TRUNCATE emptied;
         DROP TABLE dropped; ALTER TABLE grown ADD COLUMN w INT DEFAULT 5; INSERT INTO fine VALUES (2, 'later')",
    );
    let mut read = Vec::new();
    while let Some(mut table) = base.next_table().await.expect("a table") {
        let mut rows = 0;
        let end = loop {
            match table.rows.next().await {
                Ok(Some(batch)) => rows += batch.num_rows(),
                Ok(None) => break Ok(rows),
                Err(error) => break Err(error.kind),
            }
        };
        read.push((table.schema.name.table.clone(), end));
    }
    read.sort_by(|a, b| a.0.cmp(&b.0));
    let uncertain = |name: &str| (name.to_string(), Err(Kind::Uncertain));
    assert_eq!(
        read,
        [
            uncertain("dropped"),
            uncertain("emptied"),
            ("fine".to_string(), Ok(1)),
            uncertain("grown"),
            uncertain("longer"),
            uncertain("renamed"),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_of_the_base_is_what_the_server_shows() {
    let db = MariaDb::start(&["--sql-mode="]);
    db.sql(
        "CREATE DATABASE shop; USE shop; SET time_zone = '+00:00';
         CREATE TABLE numbers (id INT PRIMARY KEY, a TINYINT, b SMALLINT UNSIGNED, c MEDIUMINT, d BIGINT UNSIGNED,
             e DECIMAL(65,30), f DECIMAL(10,2) UNSIGNED ZEROFILL, g FLOAT, h DOUBLE, i BIT(64), j YEAR,
             k INT(8) ZEROFILL, l FLOAT(7,3), m BIT(1));
         INSERT INTO numbers VALUES
             (1, -128, 65535, -8388608, 18446744073709551615,
              -99999999999999999999999999999999999.999999999999999999999999999999,
              0.05, 1.17549e-38, -1.7976931348623157e308, 0xffffffffffffffff, 2155, 42, 1234.567, 1),
             (2, 127, 0, 8388607, 0, 0.000000000000000000000000000001, 99999999.99, 16777217, 0.1, 0, 0, 0, -0.001, 0),
             (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
         CREATE TABLE moments (id INT PRIMARY KEY, a DATE, b TIME(6), c DATETIME(6), d TIMESTAMP(6) NULL, e TIME, f DATETIME(3));
         INSERT INTO moments VALUES
             (1, '0000-00-00', '-838:59:59.000001', '0000-00-00', '0000-00-00', '838:59:59', '9999-12-31 23:59:59.999'),
             (2, '9999-12-31', '-00:00:00.5', '1000-01-01 00:00:00.000001', '2038-01-19 03:14:07.999999', '-01:00:00', '0001-01-01'),
             (3, NULL, NULL, NULL, NULL, NULL, NULL);
         CREATE TABLE texts (id VARBINARY(8) PRIMARY KEY, a CHAR(5), b VARCHAR(300), c TEXT, d LONGTEXT, e ENUM('', 'a', 'b,c'),
             f SET('x', 'y', 'z'), g JSON, h BINARY(4), i BLOB, j VARCHAR(20) CHARACTER SET ascii);
         INSERT INTO texts VALUES
             (0x00ff, 'ab  ', 'ü😀', REPEAT('x', 60000), REPEAT('é', 300000), 'b,c', 'x,z', '{\"a\": [1, 2.50]}', 'a', 0x00ff00, 'plain'),
             ('2', '', '', '', '', '', '', '[]', '', '', ''),
             ('3', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
         CREATE TABLE bag (a INT, b FLOAT); INSERT INTO bag VALUES (1, 0.5), (1, 0.5), (NULL, NULL);",
    );
    let bench = Bench::new();
    bench.once(BaseOnly(server(&db))).await.expect("a base");
    for table in ["numbers", "moments", "texts", "bag"] {
        assert_eq!(bench.rows(table).await, server_rows(&db, table).await, "{table}");
    }
    // what is not carried leaves its table out by name, and the others in
    db.sql("USE shop; CREATE TABLE partial (id INT PRIMARY KEY, k VARCHAR(9) CHARACTER SET sjis); INSERT INTO partial VALUES (1, x'815F')");
    let bench = Bench::new();
    let summary = bench.once(BaseOnly(server(&db))).await.expect("a base");
    let names: Vec<String> = summary.uncertain.iter().map(|(name, _)| name.to_string()).collect();
    assert_eq!(names, ["shop.partial"]);
    assert!(summary.uncertain[0].1.contains("column k"), "{:?}", summary.uncertain);
}
