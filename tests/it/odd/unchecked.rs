//! A session without foreign key checks adds a child while another one deletes its parent, and commits first: the server
//! keeps the row, and the log reads as if it had gone with the parent. Nothing false may be answered.

use crate::cascade::later;
use crate::support::archive::{pcloud, protect_once, rows_at, text, timeline};
use crate::support::db::{Db, Product};
use mysql_async::Conn;
use mysql_async::prelude::*;
use pcloud::error::Kind;
use pcloud::model::{MomentSpec, Seq, TableName};
use pcloud::timeline::Timeline;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

const SCHEMA: &str = "CREATE DATABASE h; USE h;
CREATE TABLE p (id INT PRIMARY KEY);
CREATE TABLE c (id INT PRIMARY KEY, pid INT, FOREIGN KEY (pid) REFERENCES p (id) ON DELETE CASCADE);
CREATE TABLE g (id INT PRIMARY KEY, cid INT, FOREIGN KEY (cid) REFERENCES c (id) ON DELETE SET NULL);
CREATE TABLE o (id INT PRIMARY KEY, pid INT, FOREIGN KEY (pid) REFERENCES p (id) ON DELETE CASCADE);
INSERT INTO p VALUES (1), (2), (3), (4); INSERT INTO c VALUES (1, 1), (2, 2), (3, 3), (4, 4);
INSERT INTO g VALUES (1, 1), (2, 2), (3, 3), (4, 4); INSERT INTO o VALUES (1, 1), (2, 2), (3, 3), (4, 4);";
const TABLES: [&str; 4] = ["p", "c", "g", "o"];

/// A server whose engine carries out foreign keys without logging it.
fn server(product: Product) -> Db {
    let native = ["--innodb-native-foreign-keys=ON"];
    let db = Db::of(product, if product.is_mysql() { &native } else { &[] });
    db.sql(SCHEMA);
    db
}

async fn run(conn: &mut Conn, statements: &[&str]) {
    for statement in statements {
        conn.query_drop(*statement).await.unwrap_or_else(|e| panic!("{statement}: {e}"));
    }
}

/// The parent of row 10 is deleted before that row is there, and committed after it.
struct Race {
    deletes: Conn,
    adds: Conn,
}

impl Race {
    async fn of(db: &Db, parent: u32) -> Self {
        let (mut deletes, mut adds) = (db.connect().await, db.connect().await);
        run(&mut deletes, &["USE h", "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", "START TRANSACTION"])
            .await;
        deletes.query_drop(format!("DELETE FROM p WHERE id = {parent}")).await.expect("a DELETE");
        run(&mut adds, &["USE h", "SET foreign_key_checks = 0"]).await;
        Self { deletes, adds }
    }

    async fn add(&mut self, parent: u32) {
        self.adds.query_drop(format!("INSERT INTO c VALUES (10, {parent})")).await.expect("an INSERT");
    }

    async fn end(&mut self) {
        run(&mut self.deletes, &["COMMIT", "INSERT INTO p VALUES (9)"]).await;
    }
}

async fn server_rows(conn: &mut Conn, table: &str) -> Vec<Vec<Option<String>>> {
    let rows: Vec<mysql_async::Row> =
        conn.query(format!("SELECT * FROM h.{table} ORDER BY CAST(id AS CHAR)")).await.expect("rows");
    let cell = |v: mysql_async::Value| match v {
        mysql_async::Value::NULL => None,
        mysql_async::Value::Bytes(b) => Some(text(&b)),
        other => panic!("the text protocol gave {other:?}"),
    };
    rows.into_iter().map(|r| r.unwrap().into_iter().map(cell).collect()).collect()
}

/// The newest state is the server's; `c` and what hangs on it was uncertain, named with the parent, and no other but these.
async fn told(archive: &Path, db: &Db, others: &[&str]) -> Timeline {
    let timeline = timeline(archive, "c").await;
    let mut conn = db.connect().await;
    for table in TABLES {
        let rows = rows_at(&timeline, &TableName::new("h", table), timeline.latest().seq).await;
        assert_eq!(rows, server_rows(&mut conn, table).await, "{:?}: {table}", db.product);
    }
    let kept = server_rows(&mut conn, "c").await;
    assert!(kept.iter().any(|row| row[0].as_deref() == Some("10")), "the server kept the row: {kept:?}");
    let intervals = timeline.uncertain_intervals();
    let tables: Vec<_> = intervals.iter().map(|i| i.table.table.as_str()).collect();
    assert!(tables.contains(&"c") && tables.contains(&"g"), "{:?}: {intervals:?}", db.product);
    assert!(tables.iter().all(|t| ["c", "g"].contains(t) || others.contains(t)), "{:?}: {intervals:?}", db.product);
    assert!(intervals.iter().all(|i| i.until.is_some()), "{intervals:?}");
    let error = timeline.table(&TableName::new("h", "c"), intervals[0].from.seq).expect_err("it is uncertain");
    assert_eq!(error.kind, Kind::Uncertain);
    for name in ["rows of h.c ", "rows of h.p "] {
        assert!(error.to_string().contains(name), "{error}");
    }
    timeline
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_a_cascade_passed_over_makes_its_table_uncertain() {
    for product in Product::ALL {
        let db = server(product);
        let dir = tempfile::tempdir().expect("a directory");
        protect_once(dir.path(), &db.url(), "c");
        // rows written without checks before are no matter
        let mut conn = db.connect().await;
        run(&mut conn, &["USE h", "SET foreign_key_checks = 0", "START TRANSACTION", "INSERT INTO c VALUES (20, 2)"])
            .await;
        later(&mut conn, 1).await;
        run(&mut conn, &["COMMIT"]).await;
        later(&mut conn, 3).await;
        run(&mut conn, &["SET foreign_key_checks = 1", "DELETE FROM p WHERE id = 2"]).await;
        let mut race = Race::of(&db, 1).await;
        race.add(1).await;
        race.end().await;
        protect_once(dir.path(), &db.url(), "c");
        let timeline = told(dir.path(), &db, &[]).await;
        // up to the row's own transaction everything is exact
        let c = TableName::new("h", "c");
        let before = Seq(timeline.uncertain_intervals()[0].from.seq.0 - 1);
        let rows = rows_at(&timeline, &c, before).await;
        assert_eq!(rows.iter().map(|r| r[0].clone().unwrap_or_default()).collect::<Vec<_>>(), ["1", "10", "3", "4"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_across_a_restart_of_capture_and_a_base() {
    for product in Product::ALL {
        let db = server(product);
        let restarted = tempfile::tempdir().expect("a directory");
        protect_once(restarted.path(), &db.url(), "c");
        let mut race = Race::of(&db, 1).await;
        race.add(1).await;
        protect_once(restarted.path(), &db.url(), "c");
        let based = tempfile::tempdir().expect("a directory");
        protect_once(based.path(), &db.url(), "c");
        race.end().await;
        for dir in [&restarted, &based] {
            protect_once(dir.path(), &db.url(), "c");
            // which table it was is not remembered
            told(dir.path(), &db, &["o"]).await;
        }
    }
}

/// `pcloud protect`, ended when dropped.
pub(super) struct Following(Child);

impl Following {
    pub(super) fn of(archive: &Path, db: &Db) -> Self {
        let mut command = pcloud(archive);
        command.args(["protect", &db.url(), "--name", "c"]).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().expect("pcloud starts"))
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The archive, once it holds the server's newest transaction.
pub(super) async fn followed(archive: &Path, conn: &mut Conn, product: Product) -> Timeline {
    let ask = if product.is_mysql() { "SELECT @@gtid_executed" } else { "SELECT @@gtid_binlog_pos" };
    let gtid: String = conn.query_first(ask).await.expect("a GTID").expect("a GTID");
    let gtid = match gtid.rsplit_once(':') {
        Some((server, numbers)) => format!("{server}:{}", numbers.rsplit('-').next().unwrap_or_default()),
        None => gtid,
    };
    for _ in 0..600 {
        let timeline = timeline(archive, "c").await;
        if timeline.resolve(&MomentSpec::Gtid(gtid.clone())).is_ok() {
            return timeline;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{gtid} did not come into the archive");
}

/// A statement that commits by itself says in MariaDB's log only when it began.
#[tokio::test(flavor = "multi_thread")]
async fn a_live_server_says_when_rows_were_there() {
    for product in [Product::MariaDb1011, Product::MySql9] {
        let db = server(product);
        let dir = tempfile::tempdir().expect("a directory");
        protect_once(dir.path(), &db.url(), "c");
        let _following = Following::of(dir.path(), &db);
        let mut conn = db.connect().await;
        run(&mut conn, &["USE h", "INSERT INTO p VALUES (5)"]).await;
        followed(dir.path(), &mut conn, product).await;
        run(&mut conn, &["SET foreign_key_checks = 0", "INSERT INTO c VALUES (20, 2)", "SET foreign_key_checks = 1"])
            .await;
        followed(dir.path(), &mut conn, product).await;
        later(&mut conn, 4).await;
        run(&mut conn, &["DELETE FROM p WHERE id = 2"]).await;
        let timeline = followed(dir.path(), &mut conn, product).await;
        assert!(timeline.uncertain_intervals().is_empty(), "{product:?}: {:?}", timeline.uncertain_intervals());
        let rows = rows_at(&timeline, &TableName::new("h", "c"), timeline.latest().seq).await;
        assert_eq!(rows, server_rows(&mut conn, "c").await, "{product:?}");
    }
}
