//! Do statements see the moments that they name? On archives made by hand, through sessions.

use crate::support::made::{Made, SECOND, START, int, table, varchar};
use futures::StreamExt;
use pcloud::clock::FixedClock;
use pcloud::error::{Error, Kind};
use pcloud::model::{
    Change, Column, ColumnId, ColumnType, Micros, MomentSpec, Object, ObjectKey, ObjectKind, Row, SchemaChange,
    TableName, TableSchema, Value, ZERO_DATETIME, value_at,
};
use pcloud::query::{Answer, Limits, Request, RestoreWhat, ResultColumn, Service, Session};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

struct Asked {
    columns: Vec<ResultColumn>,
    rows: Vec<Vec<String>>,
}

struct Client(Session);

impl Client {
    async fn try_run(&mut self, sql: &str, parameters: &[Value]) -> Result<Asked, Error> {
        let answer = self.0.run(sql, parameters, CancellationToken::new()).await?;
        let Answer::Rows(mut rows) = answer else { return Ok(Asked { columns: vec![], rows: vec![] }) };
        let mut asked = Asked { columns: rows.columns.clone(), rows: vec![] };
        while let Some(batch) = rows.batches.next().await {
            let batch = batch?;
            for row in 0..batch.num_rows() {
                let cell = |(i, c): (usize, &ResultColumn)| {
                    let value = value_at(batch.column(i), row, &c.kind).expect("a cell of its column's type");
                    value.display(&c.kind).map_or("NULL".into(), |t| String::from_utf8_lossy(&t).into_owned())
                };
                asked.rows.push(rows.columns.iter().enumerate().map(cell).collect());
            }
        }
        Ok(asked)
    }

    /// `1 tea 5 | 2 pot 20`
    async fn ask(&mut self, sql: &str) -> String {
        self.ask_with(sql, &[]).await
    }

    async fn ask_with(&mut self, sql: &str, parameters: &[Value]) -> String {
        let asked = self.try_run(sql, parameters).await.unwrap_or_else(|e| panic!("{sql}: {:?} {e}", e.kind));
        asked.rows.iter().map(|r| r.join(" ")).collect::<Vec<_>>().join(" | ")
    }

    async fn headings(&mut self, sql: &str) -> Vec<String> {
        let asked = self.try_run(sql, &[]).await.unwrap_or_else(|e| panic!("{sql}: {:?} {e}", e.kind));
        asked.columns.into_iter().map(|c| c.name).collect()
    }

    async fn refused(&mut self, sql: &str) -> Error {
        match self.try_run(sql, &[]).await {
            Err(e) => e,
            Ok(asked) => panic!("{sql} is answered: {:?}", asked.rows),
        }
    }
}

fn item(id: i64, name: &str, price: i64) -> Row {
    vec![Value::Int(id), Value::Text(name.into()), Value::Int(price)]
}

fn orders() -> Arc<TableSchema> {
    table(1, "orders", &[(0, "id", int()), (1, "Name", varchar()), (2, "price", int())], 1)
}

fn log() -> Arc<TableSchema> {
    table(2, "log", &[(0, "line", varchar())], 0)
}

fn line(text: &str) -> Row {
    vec![Value::Text(text.into())]
}

fn view(name: &str, create: &str) -> SchemaChange {
    SchemaChange::Object {
        object: Object {
            key: ObjectKey { kind: ObjectKind::View, database: "d".into(), name: name.into() },
            create: create.into(),
            sql_mode: String::new(),
            table: None,
        },
    }
}

/// Seq 0 at 14:00:00; a price changes at :10 (1); orders 4 comes and 1 goes at :20 (2); views at :30 (3); `log` is
/// dropped at :40 (4); `orders` becomes `sales` at :50 (5), with a column more at 14:01:00 (6). Complete to 15:00:00;
/// the clock shows 14:30:00.5.
async fn shop(dir: &std::path::Path) -> Arc<Service> {
    let (t, l) = (orders(), log());
    let mut made = Made::begin(
        dir,
        &[
            (t.clone(), vec![item(1, "tea", 5), item(2, "pot", 20), item(3, "cup", 7)]),
            (l.clone(), vec![line("a"), line("a"), line("b")]),
        ],
    )
    .await;
    let change = |c| (t.clone(), c);
    made.commit(10.0, &[], &[change(Change::Update { before: item(2, "pot", 20), after: item(2, "pot", 25) })]).await;
    made.commit(
        20.0,
        &[],
        &[
            change(Change::Insert(item(4, "jug", 9))),
            change(Change::Delete(item(1, "tea", 5))),
            (l.clone(), Change::Delete(line("a"))),
        ],
    )
    .await;
    let cheap = view(
        "cheap",
        "CREATE VIEW `cheap` AS select `orders`.`id` AS `Id`,`orders`.`Name` AS `Name` from `orders` where `orders`.`price` < 10",
    );
    let dear = view(
        "dear",
        "CREATE OR REPLACE VIEW dear (nr, what) AS SELECT o.id, o.name FROM d.orders o WHERE o.id NOT IN (SELECT id FROM cheap) WITH CHECK OPTION",
    );
    made.commit(30.0, &[cheap, dear], &[]).await;
    made.commit(40.0, &[SchemaChange::TableDropped { id: l.id }], &[]).await;
    let mut sales = (*t).clone();
    sales.name = TableName::new("d", "sales");
    sales.columns[1].name = "title".into();
    made.commit(50.0, &[SchemaChange::Table { schema: Arc::new(sales.clone()) }], &[]).await;
    let stock = Column { id: ColumnId(3), name: "stock".into(), missing: Some("1".into()), ..sales.columns[2].clone() };
    sales.columns.insert(0, stock);
    sales.primary_key = vec![1];
    sales.next_column = 4;
    let sales = Arc::new(sales);
    made.commit(60.0, &[SchemaChange::Table { schema: sales.clone() }], &[]).await;
    let w = made.writer();
    made.put(w, Some(3600.0), false, false).await;
    let clock = Arc::new(FixedClock::at(Micros(START + 1800 * SECOND + SECOND / 2)));
    Service::open(made.archive.clone(), clock, Limits::default()).await.expect("a service")
}

async fn client(dir: &std::path::Path) -> Client {
    let mut session = Session::new(shop(dir).await, 7, "tester".into());
    session.use_database("d").await.expect("the database");
    Client(session)
}

#[tokio::test]
async fn every_form_of_as_of_finds_its_rows() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut c = client(dir.path()).await;
    let first = "1 tea 5 | 2 pot 20 | 3 cup 7";
    let second = "1 tea 5 | 2 pot 25 | 3 cup 7";
    let third = "2 pot 25 | 3 cup 7 | 4 jug 9";
    for (clause, rows) in [
        ("AS OF TIMESTAMP '2026-11-22 14:00:00'", first),
        ("AS OF TIMESTAMP '2026-11-22 14:00:09.999999'", first),
        ("AS OF TIMESTAMP '2026-11-22 14:00:10'", second),
        ("AS OF TIMESTAMP TIMESTAMP'2026-11-22 15:00:19+01:00'", second),
        ("AS OF TIMESTAMP NOW() - INTERVAL 1790 SECOND", second),
        ("AS OF TIMESTAMP (NOW(6) - INTERVAL 29 MINUTE - INTERVAL 40 SECOND)", third),
        ("AS OF GTID '0-1-1'", second),
        ("AS OF BEFORE GTID '0-1-1'", first),
        ("AS OF SEQ 2", third),
        ("FOR SYSTEM_TIME AS OF '2026-11-22 14:00:12'", second),
        ("FOR SYSTEM_TIME AS OF TIMESTAMP '2026-11-22 14:00:12'", second),
    ] {
        assert_eq!(c.ask(&format!("SELECT * FROM orders {clause} ORDER BY id")).await, rows, "{clause}");
        let sql = format!("SELECT o.ID, o.name, o.price FROM d.orders {clause} AS o WHERE o.id > 0 ORDER BY 1");
        assert_eq!(c.ask(&sql).await, rows, "{clause} before the alias");
        let sql = format!("SELECT * FROM orders o {clause} ORDER BY o.Id");
        assert_eq!(c.ask(&sql).await, rows, "{clause} after the alias");
        let sql = format!("SELECT COUNT(*) FROM `d`.`orders` {clause}");
        assert_eq!(c.ask(&sql).await, "3", "{clause}: counted");
    }
    c.ask("SET @when = '2026-11-22 14:00:10'").await;
    assert_eq!(c.ask("SELECT * FROM orders AS OF TIMESTAMP @when ORDER BY id").await, second);
    let at = Value::DateTime(START + 10 * SECOND);
    assert_eq!(
        c.ask_with(
            "SELECT * FROM orders AS OF TIMESTAMP ? WHERE id <> ? ORDER BY id LIMIT ?",
            &[at, Value::Int(2), Value::Int(1)]
        )
        .await,
        "1 tea 5"
    );
}

#[tokio::test]
async fn one_statement_sees_several_moments() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut c = client(dir.path()).await;
    let sql = "SELECT old.id, old.price, new.price FROM orders AS OF SEQ 0 old JOIN orders AS OF SEQ 2 new USING (ID) \
               WHERE old.price <> new.price";
    assert_eq!(c.ask(sql).await, "2 20 25");
    let sql = "SELECT a.id FROM orders AS OF SEQ 0 a LEFT JOIN orders AS OF SEQ 2 b ON a.id = b.id WHERE b.id IS NULL";
    assert_eq!(c.ask(sql).await, "1");
    let sql = "WITH gone AS (SELECT * FROM orders AS OF SEQ 0 o WHERE o.id NOT IN (SELECT id FROM orders AS OF SEQ 2)) \
               SELECT Name FROM gone";
    assert_eq!(c.ask(sql).await, "tea");
    let sql = "SELECT x.n FROM (SELECT COUNT(*) AS n FROM log AS OF SEQ 0) x UNION ALL SELECT COUNT(*) FROM log AS OF SEQ 2 ORDER BY 1";
    assert_eq!(c.ask(sql).await, "2 | 3");
    let sql = "SELECT (SELECT MAX(price) FROM orders AS OF SEQ 0), (SELECT MAX(price) FROM orders AS OF SEQ 1)";
    assert_eq!(c.ask(sql).await, "20 25");
    let sql = "SELECT d.orders.id, `d@seq:1`.orders.price FROM d.orders AS OF SEQ 0, `d@seq:1`.orders \
               WHERE d.orders.id = `d@seq:1`.orders.id AND d.orders.price <> `d@seq:1`.orders.price";
    assert_eq!(c.ask(sql).await, "2 25");
}

#[tokio::test]
async fn history_shows_versions_with_their_times() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut c = client(dir.path()).await;
    c.ask("SET time_zone = '+01:00'").await;
    let sql = "SELECT id, price, row_start, row_end FROM orders FOR SYSTEM_TIME BETWEEN '2026-11-22 15:00:00' AND \
               '2026-11-22 15:00:10' WHERE id < 3 ORDER BY id, row_start";
    assert_eq!(
        c.ask(sql).await,
        "1 5 2026-11-22 15:00:00.000000 2026-11-22 15:00:20.000000 | \
         2 20 2026-11-22 15:00:00.000000 2026-11-22 15:00:10.000000 | \
         2 25 2026-11-22 15:00:10.000000 2106-02-07 07:28:15.999999"
    );
    let sql = "SELECT id, price FROM orders FOR SYSTEM_TIME FROM '2026-11-22 15:00:00' TO '2026-11-22 15:00:10' h \
               WHERE h.id = 2";
    assert_eq!(c.ask(sql).await, "2 20", "the end is not part of FROM … TO");
    assert_eq!(c.ask("SELECT COUNT(*) FROM orders FOR SYSTEM_TIME ALL").await, "5");
    let copies = c.ask("SELECT line, row_end FROM log FOR SYSTEM_TIME ALL ORDER BY row_end, line").await;
    assert_eq!(
        copies, "a 2026-11-22 15:00:20.000000 | a 2026-11-22 15:00:40.000000 | b 2026-11-22 15:00:40.000000",
        "a table without a primary key, until it was dropped"
    );
    let e = c.refused("SELECT * FROM orders FOR SYSTEM_TIME FROM '2026-11-22 15:00:10' TO '2026-11-22 15:00:00'").await;
    assert_eq!(e.kind, Kind::BadValue);
}

#[tokio::test]
async fn names_of_databases_transactions_and_sessions_carry_moments() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut c = client(dir.path()).await;
    let sum = "SELECT SUM(price) FROM orders";
    for name in ["d@2026-11-22 14:00:10", "c/d@2026-11-22 14:00:10", "d@gtid:0-1-1", "d@before gtid:0-1-2", "d@seq:1"] {
        assert_eq!(c.ask(&format!("SELECT SUM(price) FROM `{name}`.orders")).await, "37", "{name}");
        c.ask(&format!("USE `{name}`")).await;
        assert_eq!(c.0.database().as_deref(), Some(name));
        assert_eq!(c.ask(sum).await, "37", "USE {name}");
    }
    // a plain transaction stays in the default database's moment
    c.ask("BEGIN").await;
    assert_eq!(c.ask(sum).await, "37");
    c.ask("COMMIT").await;
    c.ask("USE d").await;
    assert_eq!(c.refused(sum).await.kind, Kind::UnknownTable, "it is `sales` by now");
    c.ask("START TRANSACTION READ ONLY AS OF TIMESTAMP '2026-11-22 14:00:00'").await;
    assert!(c.0.in_transaction());
    assert_eq!(c.ask(sum).await, "32");
    assert_eq!(c.ask("SELECT SUM(price) FROM orders AS OF SEQ 2").await, "41", "the clause wins");
    assert_eq!(c.ask("SELECT SUM(price) FROM `d@seq:1`.orders").await, "37", "the written name wins");
    c.ask("COMMIT").await;
    assert!(!c.0.in_transaction());
    c.ask("SET TRANSACTION READ ONLY AS OF GTID '0-1-1'").await;
    assert_eq!(c.ask(sum).await, "37");
    assert_eq!(c.refused(sum).await.kind, Kind::UnknownTable, "it was one transaction's");
    c.ask("SET pcloud_as_of = TIMESTAMP'2026-11-22 14:00:10' + INTERVAL 10 SECOND").await;
    assert_eq!(c.ask(sum).await, "41");
    c.ask("SET pcloud_as_of = 'gtid:0-1-1'").await;
    assert_eq!(c.ask(sum).await, "37");
    c.ask("SET pcloud_as_of = DEFAULT").await;
    assert_eq!(c.refused(sum).await.kind, Kind::UnknownTable);
    assert_eq!(c.refused("SET pcloud_as_of = '2020-01-01'").await.kind, Kind::OutOfRange);
    assert_eq!(c.refused("START TRANSACTION READ ONLY AS OF TIMESTAMP '2030-01-01'").await.kind, Kind::OutOfRange);
    assert_eq!(c.refused("START TRANSACTION READ WRITE AS OF LATEST").await.kind, Kind::ReadOnly);
    assert_eq!(c.refused("USE nowhere").await.kind, Kind::UnknownDatabase);
    assert_eq!(c.refused("USE `d@2020-01-01`").await.kind, Kind::OutOfRange);
    assert_eq!(c.refused("SELECT * FROM `d@soon`.orders").await.kind, Kind::BadValue);
}

#[tokio::test]
async fn a_transaction_reads_one_moment_again_and_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let t = orders();
    let mut made = Made::begin(dir.path(), &[(t.clone(), vec![item(1, "tea", 5)])]).await;
    let clock = Arc::new(FixedClock::at(Micros(START)));
    let service = Service::open(made.archive.clone(), clock, Limits::default()).await.expect("a service");
    let mut reader = Client(Session::new(service.clone(), 1, "r".into()));
    let mut other = Client(Session::new(service.clone(), 2, "o".into()));
    let count = "SELECT COUNT(*) FROM d.orders";
    reader.ask("BEGIN").await;
    assert_eq!(reader.ask(count).await, "1");
    made.commit(1.0, &[], &[(t.clone(), Change::Insert(item(2, "pot", 1)))]).await;
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while other.ask(count).await != "2" {
        assert!(std::time::Instant::now() < deadline, "the new commit is never seen");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(reader.ask(count).await, "1", "still the transaction's moment");
    assert_eq!(reader.ask("SELECT COUNT(*) FROM d.orders AS OF LATEST").await, "2");
    reader.ask("COMMIT").await;
    assert_eq!(reader.ask(count).await, "2");
    reader.ask("SET autocommit = 0").await;
    assert_eq!(reader.ask(count).await, "2");
    assert!(reader.0.in_transaction() && !reader.0.autocommit());
    reader.ask("SET autocommit = 1").await;
    assert!(!reader.0.in_transaction());
}

#[tokio::test]
async fn views_are_read_at_their_moment() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut c = client(dir.path()).await;
    assert_eq!(c.ask("SELECT * FROM cheap AS OF SEQ 3 ORDER BY id").await, "3 cup | 4 jug");
    assert_eq!(c.headings("SELECT * FROM cheap AS OF SEQ 3").await, ["Id", "Name"]);
    assert_eq!(c.ask("SELECT what FROM dear AS OF SEQ 3 v WHERE v.NR > 0").await, "pot");
    let e = c.refused("SELECT * FROM cheap AS OF SEQ 2").await;
    assert_eq!(e.kind, Kind::UnknownTable);
    let e = c.refused("SELECT * FROM cheap AS OF SEQ 6").await;
    assert_eq!(e.kind, Kind::UnknownTable, "its table has another name by then");
    assert!(e.message.contains("view d.cheap") && e.message.contains("d.orders"), "{e}");
}

#[tokio::test]
async fn dropped_renamed_and_altered_tables_are_there_at_their_time() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut c = client(dir.path()).await;
    assert_eq!(c.ask("SELECT * FROM log AS OF SEQ 3 ORDER BY line").await, "a | b");
    let e = c.refused("SELECT * FROM log").await;
    assert_eq!(e.kind, Kind::UnknownTable);
    assert!(e.to_string().contains("2026-11-22 14:00:40"), "{e}");
    assert_eq!(c.ask("SELECT * FROM sales AS OF SEQ 5 ORDER BY id").await, "2 pot 25 | 3 cup 7 | 4 jug 9");
    assert_eq!(c.headings("SELECT * FROM sales AS OF SEQ 5").await, ["id", "title", "price"]);
    assert_eq!(c.ask("SELECT * FROM sales ORDER BY id").await, "1 2 pot 25 | 1 3 cup 7 | 1 4 jug 9");
    assert_eq!(c.ask("SELECT SUM(stock) FROM sales").await, "3");
    assert_eq!(c.refused("SELECT title FROM orders AS OF SEQ 2").await.kind, Kind::UnknownColumn);
    assert_eq!(c.refused("SELECT * FROM orders").await.kind, Kind::UnknownTable);
    assert_eq!(c.refused("SELECT * FROM Sales").await.kind, Kind::UnknownTable, "tables have their exact case");
    let early = c.refused("SELECT * FROM orders AS OF TIMESTAMP '2026-11-22 13:59:59'").await;
    assert_eq!(early.kind, Kind::OutOfRange);
    assert!(early.to_string().contains("2026-11-22 14:00:00"), "the nearest moment is told: {early}");
    assert_eq!(
        c.refused("SELECT * FROM orders AS OF TIMESTAMP '2026-11-22 15:00:00.000001'").await.kind,
        Kind::OutOfRange
    );
    assert_eq!(c.refused("SELECT * FROM orders AS OF GTID '0-1-99'").await.kind, Kind::OutOfRange);
}

#[tokio::test]
async fn local_times_follow_the_sessions_zone() {
    let dir = tempfile::tempdir().expect("a directory");
    let stamp = ColumnType::Timestamp { fsp: 0 };
    let t = table(1, "t", &[(0, "id", int()), (1, "at", stamp), (2, "plain", ColumnType::DateTime { fsp: 0 })], 1);
    // 2026-10-25 00:30 and 01:30 UTC are both 02:30 in Berlin
    let fold = 1_792_888_200 * SECOND;
    let row = |id, us: i64| vec![Value::Int(id), Value::DateTime(us), Value::DateTime(fold)];
    let mut made = Made::begin(dir.path(), &[(t.clone(), vec![row(1, fold), row(2, ZERO_DATETIME)])]).await;
    made.commit(1.0, &[], &[(t.clone(), Change::Insert(row(3, fold + 3600 * SECOND)))]).await;
    let clock = Arc::new(FixedClock::at(Micros(START)));
    let service = Service::open(made.archive.clone(), clock, Limits::default()).await.expect("a service");
    let mut c = Client(Session::new(service, 1, "r".into()));
    let sql = "SELECT id, at, plain FROM d.t WHERE id <> 2 ORDER BY id";
    let plain = "2026-10-25 00:30:00";
    assert_eq!(c.ask(sql).await, format!("1 2026-10-25 00:30:00 {plain} | 3 2026-10-25 01:30:00 {plain}"));
    c.ask("SET time_zone = 'Europe/Berlin'").await;
    assert_eq!(c.ask(sql).await, format!("1 2026-10-25 02:30:00 {plain} | 3 2026-10-25 02:30:00 {plain}"));
    assert_eq!(c.ask("SELECT at FROM d.t WHERE id = 2").await, "0000-00-00 00:00:00");
    let e = c.refused("SELECT * FROM d.t AS OF TIMESTAMP '2026-10-25 02:30:00'").await;
    assert_eq!(e.kind, Kind::BadValue);
    assert!(e.message.contains("00:30:00.000000 UTC") && e.message.contains("01:30:00.000000 UTC"), "{e}");
    let e = c.refused("SELECT * FROM `d@2026-03-29 02:30:00`.t").await;
    assert_eq!(e.kind, Kind::BadValue);
    assert!(e.message.contains("did not happen"), "{e}");
    assert_eq!(c.ask("SELECT COUNT(*) FROM d.t AS OF TIMESTAMP '2026-11-22 15:00:00'").await, "2");
}

#[tokio::test]
async fn errors_say_what_is_wrong_in_mysqls_words() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut c = client(dir.path()).await;
    c.ask("SET pcloud_as_of = 'seq:2'").await;
    let mut wrong = Vec::new();
    for (sql, kind, text) in [
        ("SELECT", Kind::Syntax, "syntax"),
        ("SELECT * FROM orders WHERE", Kind::Syntax, "syntax"),
        ("SELECT nope FROM orders", Kind::UnknownColumn, "'nope'"),
        ("SELECT o.nope FROM orders o", Kind::UnknownColumn, "'o.nope'"),
        ("SELECT d.x.id FROM orders", Kind::UnknownColumn, "'d.x.id'"),
        ("SELECT * FROM nope", Kind::UnknownTable, "d.nope"),
        ("SELECT * FROM nope.orders", Kind::UnknownDatabase, "'nope'"),
        ("SELECT id FROM orders a, orders b", Kind::Ambiguous, "'id'"),
        ("SELECT * FROM orders, orders", Kind::Ambiguous, "'orders'"),
        ("SELECT * FROM (SELECT id, id FROM orders) x", Kind::Ambiguous, "'id'"),
        ("SELECT * FROM (SELECT 1)", Kind::Syntax, "alias"),
        ("SELECT @@nope", Kind::UnknownVariable, "nope"),
        ("SELECT nope(1)", Kind::UnknownFunction, "nope"),
        ("SELECT * FROM orders PARTITION (p0)", Kind::Unsupported, "PARTITION"),
        ("SELECT COUNT(*) FROM orders GROUP BY id WITH ROLLUP", Kind::Unsupported, "ROLLUP"),
        ("SELECT * FROM orders a FULL OUTER JOIN orders b ON a.id = b.id", Kind::Unsupported, "FULL OUTER"),
        ("SELECT * FROM orders a RIGHT JOIN orders b USING (id)", Kind::Unsupported, "RIGHT JOIN"),
        ("SELECT * FROM orders a JOIN orders b USING (price)", Kind::Unsupported, "USING"),
        ("SELECT id INTO @x FROM orders", Kind::Unsupported, "INTO"),
        ("SELECT 1; SELECT 2", Kind::Unsupported, "several statements"),
        ("UPDATE orders SET id = 1", Kind::ReadOnly, "UPDATE"),
        ("CREATE TABLE x (id INT)", Kind::ReadOnly, "CREATE"),
        ("SET GLOBAL sql_mode = ''", Kind::ReadOnly, "sql_mode"),
        ("SELECT * FROM information_schema.nope", Kind::UnknownTable, "NOPE"),
    ] {
        let e = c.refused(sql).await;
        let inner = e.to_string().contains('#') || e.to_string().contains('\u{1}');
        if e.kind != kind || !e.to_string().contains(text) || inner {
            wrong.push(format!("{sql}: {:?} {e}", e.kind));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let service = shop(tempfile::tempdir().expect("a directory").path()).await;
    let mut nobody = Client(Session::new(service, 9, "x".into()));
    assert_eq!(nobody.refused("SELECT * FROM orders").await.kind, Kind::NoDatabase);
}

#[tokio::test]
async fn clients_small_statements_are_answered() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut c = client(dir.path()).await;
    for sql in [
        "/* nothing */",
        "SET NAMES utf8mb4",
        "SET autocommit=1, sql_mode='STRICT_TRANS_TABLES'",
        "SET sql_mode=DEFAULT",
        "LOCK TABLES `orders` READ /*!32311 LOCAL */",
        "UNLOCK TABLES",
        "FLUSH TABLES",
        "SAVEPOINT sp",
        "ROLLBACK TO SAVEPOINT sp",
        "RELEASE SAVEPOINT sp",
        "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
        "START TRANSACTION /*!40100 WITH CONSISTENT SNAPSHOT */",
        "ROLLBACK",
        "SET @OLD_TIME_ZONE=@@TIME_ZONE",
        "SET TIME_ZONE=@OLD_TIME_ZONE",
        "SET @a = 1, @b = 'x'",
    ] {
        c.ask(sql).await;
    }
    assert_eq!(c.ask("SELECT @a, @b, @nothing").await, "1 x NULL");
    c.ask_with("SET @a = ?, @b = ?", &[Value::Int(-3), Value::Text("y".into())]).await;
    assert_eq!(c.ask("SELECT @a, @b").await, "-3 y");
    assert_eq!(c.ask("SELECT /*!40001 SQL_NO_CACHE */ * FROM `sales` ORDER BY id LIMIT 1").await, "1 2 pot 25");
    assert_eq!(c.ask("SELECT id FROM sales FORCE INDEX (PRIMARY) WHERE id = 2 FOR UPDATE").await, "2");
    assert_eq!(c.ask("SELECT id FROM sales WHERE id = 2 LOCK IN SHARE MODE").await, "2");
    c.ask("SET sql_select_limit = 1").await;
    assert_eq!(c.ask("SELECT id FROM sales ORDER BY id").await, "2");
    assert_eq!(c.ask("SELECT id FROM sales ORDER BY id LIMIT 2").await, "2 | 3");
    c.ask("SET sql_select_limit = DEFAULT").await;
    assert_eq!(
        c.ask("SELECT * FROM sales a JOIN sales b USING (stock) WHERE a.id = 2 AND b.id = 3").await,
        "1 2 pot 25 3 cup 7"
    );
    assert_eq!(c.ask("SELECT * FROM sales NATURAL JOIN sales b WHERE b.id = 2").await, "1 2 pot 25");
    let many = (0..3000).map(|i| format!("id = {i}")).collect::<Vec<_>>().join(" OR ");
    assert_eq!(c.ask(&format!("SELECT id FROM sales WHERE {many} ORDER BY id")).await, "2 | 3 | 4");
    let deep = vec!["1"; 140].join(" + ");
    assert_eq!(c.ask(&format!("SELECT {deep}")).await, "140");
    let deep = format!("SELECT {deep} + {deep}");
    assert_eq!(c.refused(&deep).await.kind, Kind::Limit);
    assert!(c.ask("EXPLAIN SELECT * FROM sales").await.contains("parquet"));
    let run = async |c: &mut Client, sql: &str| c.0.run(sql, &[], CancellationToken::new()).await.expect(sql);
    let Answer::Request(request) = run(&mut c, "KILL QUERY 12").await else { panic!("no request") };
    assert_eq!(request, Request::Kill { id: 12, connection: false });
    let Answer::Request(request) = run(&mut c, "SHOW FULL PROCESSLIST").await else { panic!("no request") };
    assert_eq!(request, Request::ShowProcesslist { full: true });
    assert!(matches!(run(&mut c, "SHOW JOBS").await, Answer::Request(Request::ShowJobs)));
    let sql = "RESTORE TABLE log AS OF SEQ 3 TO 'mysql://u:p@h:1/' WITH (replace = true)";
    let Answer::Request(Request::Restore(restore)) = run(&mut c, sql).await else { panic!("no request") };
    assert_eq!(restore.what, RestoreWhat::Tables(vec![TableName::new("d", "log")]));
    assert_eq!(restore.cluster.as_deref(), Some("c"));
    assert!(matches!(restore.moment, Some(MomentSpec::Seq(s)) if s.0 == 3));
}

#[tokio::test]
async fn headings_are_as_they_were_written() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut c = client(dir.path()).await;
    c.ask("SET pcloud_as_of = 'seq:2'").await;
    for (sql, headings) in [
        (
            "SELECT ID, name, PRICE  +  1, COUNT(*) FROM orders GROUP BY ID, name, PRICE + 1",
            vec!["ID", "name", "PRICE  +  1", "COUNT(*)"],
        ),
        ("SELECT * FROM orders", vec!["id", "Name", "price"]),
        ("SELECT *, price * 2 AS Price FROM orders ORDER BY Price", vec!["id", "Name", "price", "Price"]),
        ("SELECT o.*, id FROM orders o", vec!["id", "Name", "price", "id"]),
        ("SELECT id, id, 1, 1 FROM orders", vec!["id", "id", "1", "1"]),
        ("SELECT * FROM (SELECT price AS Cost, COUNT(*) FROM orders GROUP BY price) x", vec!["Cost", "COUNT(*)"]),
        ("WITH X (A, b) AS (SELECT id, name FROM orders) SELECT * FROM X", vec!["A", "b"]),
        ("SELECT 'it''s', NULL, -1", vec!["it's", "NULL", "-1"]),
        ("SELECT @@autocommit, @x", vec!["@@autocommit", "@x"]),
        ("SELECT id AS a FROM orders UNION SELECT 2 AS b", vec!["a"]),
    ] {
        assert_eq!(c.headings(sql).await, headings, "{sql}");
    }
    assert_eq!(
        c.ask("SELECT *, -price AS price FROM orders ORDER BY price").await,
        "2 pot 25 -25 | 4 jug 9 -9 | 3 cup 7 -7"
    );
    let asked = c.try_run("SELECT o.ID AS n FROM orders o", &[]).await.expect("rows");
    let column = &asked.columns[0];
    assert_eq!((column.name.as_str(), column.org_name.as_str()), ("n", "id"));
    assert_eq!((column.org_table.as_str(), column.database.as_str()), ("orders", "d"));
    let fields = c.0.fields("orders").await.expect("fields");
    assert_eq!(fields.iter().map(|f| f.name.as_str()).collect::<Vec<_>>(), ["id", "Name", "price"]);
    let prepared = c.0.prepare("SELECT id, ? FROM orders WHERE name = ? LIMIT ?").await.expect("prepared");
    assert_eq!((prepared.parameters, prepared.columns.len()), (3, 2));
    assert_eq!(
        c.0.prepare("SELECT nope FROM orders WHERE id = ?").await.expect_err("refused").kind,
        Kind::UnknownColumn
    );
}

#[tokio::test]
async fn show_and_information_schema_see_the_moment() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut c = client(dir.path()).await;
    assert_eq!(c.ask("SHOW TABLES").await, "cheap | dear | sales");
    assert_eq!(c.ask("SHOW TABLES AS OF TIMESTAMP '2026-11-22 14:00:00'").await, "log | orders");
    assert_eq!(c.ask("SHOW TABLES FROM `d@2026-11-22 14:00:00`").await, "log | orders");
    let sql = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'd' ORDER BY 1";
    assert_eq!(c.ask(sql).await, "cheap | dear | sales");
    c.ask("SET pcloud_as_of = 'seq:3'").await;
    assert_eq!(c.ask(sql).await, "cheap | dear | log | orders");
    assert!(c.ask("SHOW COLUMNS FROM dear").await.starts_with("nr int"), "a view's columns");
    let sql = "SELECT column_name FROM information_schema.columns WHERE table_name IN ('dear', 'log') ORDER BY 1";
    assert_eq!(c.ask(sql).await, "line | nr | what");
    c.ask("USE information_schema").await;
    assert_eq!(c.ask("SELECT COUNT(*) FROM TABLES WHERE TABLE_SCHEMA = 'd'").await, "4");
}

#[tokio::test]
async fn a_cancelled_statement_ends_with_the_error() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut c = client(dir.path()).await;
    let token = CancellationToken::new();
    // 3^16 rows: minutes, if it were not stopped
    let from = (0..16).map(|i| format!("sales t{i}")).collect::<Vec<_>>().join(", ");
    let sql = format!("SELECT COUNT(*) FROM {from} WHERE t0.price + t15.price < 0");
    let Answer::Rows(mut rows) = c.0.run(&sql, &[], token.clone()).await.expect("it starts") else { panic!("no rows") };
    let started = std::time::Instant::now();
    tokio::spawn(async move {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        token.cancel();
    });
    let mut last = None;
    while let Some(batch) = rows.batches.next().await {
        last = Some(batch);
    }
    assert_eq!(last.expect("something").expect_err("no rows").kind, Kind::Cancelled);
    assert!(started.elapsed() < std::time::Duration::from_secs(20));
    let gone = CancellationToken::new();
    gone.cancel();
    assert_eq!(c.0.run("SELECT 1", &[], gone).await.expect_err("cancelled").kind, Kind::Cancelled);
    c.ask("SET max_statement_time = 0.05").await;
    let e = c.refused(&sql).await;
    assert_eq!(e.kind, Kind::Cancelled);
    assert!(e.message.contains("max_statement_time"), "{e}");
    c.ask("SET max_statement_time = 0").await;
    assert_eq!(c.ask("SELECT 1").await, "1", "the session lives on");
}

/// All of a directory, with what is in it.
fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a listing").map(|e| e.expect("an entry").path()) {
        let target = to.join(entry.file_name().expect("a name"));
        if entry.is_dir() {
            copy(&entry, &target);
        } else {
            std::fs::copy(&entry, &target).expect("a copy");
        }
    }
}

#[tokio::test]
async fn databases_of_several_clusters_are_told_apart() {
    let dir = tempfile::tempdir().expect("a directory");
    let first = tempfile::tempdir().expect("a directory");
    drop(shop(first.path()).await);
    let t = orders();
    let made = Made::begin(dir.path(), &[(t, vec![item(1, "hat", 70)])]).await;
    copy(&first.path().join("c"), &dir.path().join("other"));
    let clock = Arc::new(FixedClock::at(Micros(START)));
    let service = Service::open(made.archive.clone(), clock, Limits::default()).await.expect("a service");
    assert_eq!(service.clusters().await.expect("clusters"), ["c", "other"]);
    let mut c = Client(Session::new(service, 1, "r".into()));
    let e = c.refused("SELECT * FROM d.orders").await;
    assert_eq!(e.kind, Kind::NoDatabase);
    assert!(e.to_string().contains("`c/database`"), "{e}");
    assert_eq!(c.ask("SELECT Name FROM `c/d`.orders").await, "hat");
    assert_eq!(c.ask("SELECT Name FROM `other/d@seq:0`.orders WHERE id = 1").await, "tea");
    c.ask("USE `other/d@seq:0`").await;
    assert_eq!(c.ask("SELECT Name FROM orders WHERE id = 1").await, "tea");
    c.ask("USE d").await;
    assert_eq!(c.ask("SELECT COUNT(*) FROM sales").await, "3", "the session stays in its cluster");
    let sql = "SELECT a.Name, b.Name FROM `c/d`.orders a JOIN d.orders AS OF SEQ 0 b USING (id)";
    assert_eq!(c.ask(sql).await, "hat tea");
    assert_eq!(c.refused("USE `nowhere/d`").await.kind, Kind::UnknownDatabase);
}
