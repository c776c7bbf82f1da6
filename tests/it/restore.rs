//! Restores into a real MariaDB: exact, whole, or not at all.

use crate::support::db::{MariaDb, free_port};
use crate::support::past::{Past, SHOP, TYPES, databases, replace, request, restore, state, tables, until};
use mysql_async::prelude::Queryable;
use pcloud::clock::FixedClock;
use pcloud::error::{Error, Kind};
use pcloud::model::{
    Catalog, Change, Micros, MomentSpec, NotCarried, Object, ObjectKey, ObjectKind, Seq, ServerUrl, TableName, Value,
};
use pcloud::restore::{JobState, Jobs, Options, Plan, RestoreRequest, What, plan, run};
use pcloud::timeline::Timeline;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

#[tokio::test(flavor = "multi_thread")]
async fn every_type_comes_back_exactly_by_either_way() {
    let db = MariaDb::start(&[]);
    db.sql(TYPES);
    let (before, past) = (state(&db), Past::of(&db, &["types"]).await);
    for local_infile in [1, 0] {
        db.sql(&format!("DROP DATABASE types; SET GLOBAL local_infile = {local_infile}"));
        let report = restore(&past, &request(&db, databases(&["types"]), Options::default())).await.expect("restored");
        assert_eq!((report.tables, report.rows), (6, 25), "{report:?}");
        assert_eq!(state(&db), before, "local_infile = {local_infile}");
        assert_eq!(report.notes, Vec::<String>::new());
    }
    // over itself
    let report = restore(&past, &request(&db, databases(&["types"]), replace())).await.expect("replaced");
    assert_eq!(report.tables, 6);
    assert_eq!(state(&db), before);
}

fn plan_text(plan: &Plan, db: &MariaDb) -> String {
    let lines: Vec<_> =
        plan.steps().iter().map(|s| format!("{} {} {} | {}", s.number, s.action, s.object, s.detail)).collect();
    let text = lines.join("\n").replace(&db.port.to_string(), "PORT");
    let start = text.find("pcloud_restore_").expect("a staging database") + "pcloud_restore_".len();
    let token = text[start..start + 8].to_string();
    text.replace(&token, "TOKEN")
}

#[tokio::test(flavor = "multi_thread")]
async fn databases_come_back_with_all_that_belongs_to_them() {
    let db = MariaDb::start(&[]);
    db.sql(SHOP);
    let (before, past) = (state(&db), Past::of(&db, &["shop", "crm"]).await);
    db.sql("DROP DATABASE shop; DROP DATABASE crm");
    let asked = request(&db, What::Cluster, Options::default());
    let made = plan(past.timeline().await, &asked).await.expect("a plan");
    assert_eq!(
        plan_text(&made, &db),
        "\
1 create database pcloud_restore_TOKEN_crm | to stage tables of crm
2 create database pcloud_restore_TOKEN_shop | to stage tables of shop
3 load table crm.people | as pcloud_restore_TOKEN_crm.people, by LOAD DATA, then 1 key; then read back and compared
4 load table shop.customers | as pcloud_restore_TOKEN_shop.customers, by LOAD DATA, then 1 key; then read back and compared
5 load table shop.log | as pcloud_restore_TOKEN_shop.log, by LOAD DATA; then read back and compared
6 load table shop.orders | as pcloud_restore_TOKEN_shop.orders, by LOAD DATA, then 2 keys; then read back and compared
7 add foreign keys crm.people | 1, not checked row by row
8 add foreign keys shop.customers | 1, not checked row by row
9 add foreign keys shop.orders | 1, not checked row by row
10 create database crm | the target does not have it
11 create database shop | the target does not have it
12 rename crm.people | from pcloud_restore_TOKEN_crm.people, in one statement with all renames
13 rename shop.customers | from pcloud_restore_TOKEN_shop.customers, in one statement with all renames
14 rename shop.log | from pcloud_restore_TOKEN_shop.log, in one statement with all renames
15 rename shop.orders | from pcloud_restore_TOKEN_shop.orders, in one statement with all renames
16 create function shop.with_tax | \n17 create procedure shop.clear_log | \n18 create view shop.a_top | \n19 create view shop.z_base | \n20 create trigger shop.orders_audit | on orders
21 create trigger shop.orders_check | on orders
22 create event shop.tidy | \n23 drop database pcloud_restore_TOKEN_crm | empty by then
24 drop database pcloud_restore_TOKEN_shop | empty by then
25 note  | Accounts and grants are not restored."
    );
    assert_eq!(state(&db), "", "a plan changes nothing");
    let jobs = Jobs::new(Arc::new(FixedClock::at(Micros(7))));
    let job = jobs.start(made);
    let report = job.wait().await.expect("restored");
    assert_eq!((report.tables, report.rows, report.objects), (4, 14, 7), "{report:?}");
    assert_eq!(state(&db), before);
    let listed = jobs.list();
    let status = listed.first().expect("one job");
    assert_eq!((listed.len(), job.id(), status.id, status.state), (1, 1, 1, JobState::Succeeded));
    assert_eq!((status.tables_done, status.tables_total, status.rows_done, status.rows_total), (4, 4, 14, 14));
    assert_eq!(
        (status.what.as_str(), status.phase.as_str(), status.ended),
        ("RESTORE CLUSTER", "done", Some(Micros(7)))
    );
    let message = "Accounts and grants are not restored. Creating event shop.tidy, the target warned: Warning 1105 Event \
                   scheduler is switched off, use SET GLOBAL event_scheduler=ON to enable it.";
    assert_eq!(status.message, message);
    assert!(!format!("{status:?}").contains("secret"), "{status:?}");
    // counters, keys, cascades, triggers and views live
    db.sql("INSERT INTO shop.orders (customer, total) VALUES (2, 1)");
    assert_eq!(
        db.sql("SELECT id FROM shop.orders WHERE total = 1; SELECT * FROM shop.log WHERE at = 6"),
        "6\n6\tit's 1.00\n"
    );
    db.sql("DELETE FROM shop.orders WHERE customer = 2");
    assert_eq!(db.sql("SELECT * FROM shop.a_top ORDER BY 1"), "1\t12.00\n3\t84.00\n");
    // a later state is replaced by the earlier
    db.sql("DROP TABLE shop.log; DROP VIEW shop.z_base; CREATE TABLE shop.z_base (x INT); CREATE VIEW shop.log AS SELECT 1;
            CREATE TRIGGER shop.extra BEFORE DELETE ON shop.orders FOR EACH ROW SET @x = 1; ALTER TABLE shop.orders ADD y INT;
            DROP PROCEDURE shop.clear_log; CREATE PROCEDURE shop.clear_log() SELECT 2; CREATE TABLE shop.later (a INT)");
    let error = plan(past.timeline().await, &asked).await.map(|_| ()).expect_err("it is there");
    assert_eq!(error.kind, Kind::Exists, "{error}");
    assert!(error.message.contains("crm.people") && error.message.contains("and 4 more"), "{error}");
    let report = restore(&past, &request(&db, What::Cluster, replace())).await.expect("replaced");
    assert_eq!(report.notes.len(), 3, "{:?}", report.notes);
    assert!(report.notes[1].contains("shop.later"), "{:?}", report.notes);
    db.sql("DROP TABLE shop.later");
    assert_eq!(state(&db), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_table_of_a_past_moment_comes_back_beside_the_others() {
    let db = MariaDb::start(&[]);
    db.sql(SHOP);
    let (before, past) = (state(&db), Past::of(&db, &["shop", "crm"]).await);
    let orders = TableName::new("shop", "orders");
    let order = |id, total: i128| {
        vec![Value::UInt(id), Value::Int(1), Value::Decimal(arrow::datatypes::i256::from_i128(total))]
    };
    let changes = [Change::Update { before: order(1, 1000), after: order(1, 777) }, Change::Insert(order(9, 900))];
    past.commit(1, &orders, &changes).await;
    let one = tables(&[("shop", "orders")]);
    // a name that is taken
    let error = restore(&past, &request(&db, one.clone(), Options::default())).await.expect_err("it is there");
    assert_eq!((error.kind, state(&db)), (Kind::Exists, before.clone()), "{error}");
    // dropped, and back with its triggers, keys and rows of each moment
    db.sql("DROP TABLE shop.orders");
    let asked = RestoreRequest { moment: MomentSpec::Seq(Seq(0)), ..request(&db, one.clone(), Options::default()) };
    let report = restore(&past, &asked).await.expect("restored");
    assert_eq!((report.rows, report.moment.seq), (4, Seq(0)));
    assert!(report.notes[0].contains("shop.customers"), "{:?}", report.notes);
    assert_eq!(state(&db), before);
    let report = restore(&past, &request(&db, one.clone(), replace())).await.expect("replaced");
    assert_eq!((report.rows, report.moment.seq), (5, Seq(1)));
    assert_eq!(db.sql("SELECT id, total FROM shop.orders WHERE id IN (1, 9)"), "1\t7.77\n9\t9.00\n");
    assert!(db.sql("SHOW CREATE TABLE shop.orders").contains("REFERENCES `customers` (`id`)"));
    // a parent whose children stay would lose them
    let error = restore(&past, &request(&db, tables(&[("shop", "customers")]), replace())).await.expect_err("refused");
    assert_eq!(error.kind, Kind::Unsupported, "{error}");
    assert!(error.message.contains("shop.orders"), "{error}");
    // its name and its database are free
    db.sql("DROP DATABASE shop");
    restore(&past, &request(&db, tables(&[("shop", "customers"), ("shop", "log")]), Options::default()))
        .await
        .expect("restored");
    assert_eq!(db.sql("SHOW TABLES FROM shop"), "customers\nlog\n");
    // absent from the archive
    let error = restore(&past, &request(&db, tables(&[("shop", "nix")]), replace())).await.expect_err("unknown");
    assert_eq!(error.kind, Kind::UnknownTable, "{error}");
    let error = restore(&past, &request(&db, databases(&["nix"]), replace())).await.expect_err("unknown");
    assert_eq!(error.kind, Kind::UnknownDatabase, "{error}");
}

/// The job is held in the middle of its loading by a global read lock; what is done then must leave no trace.
async fn in_the_middle(db: &MariaDb, past: &Past, act: impl AsyncFnOnce(&MariaDb, &Jobs)) -> Error {
    let before = state(db);
    let jobs = Jobs::new(Arc::new(FixedClock::default()));
    let one_by_one = Options { parallel: 1, ..replace() };
    let job =
        jobs.start(plan(past.timeline().await, &request(db, databases(&["big"]), one_by_one)).await.expect("a plan"));
    until("rows are loaded", || jobs.list()[0].rows_done > 0).await;
    let mut lock = db.connect().await;
    lock.query_drop("FLUSH TABLES WITH READ LOCK").await.expect("a lock");
    assert!(jobs.list()[0].state == JobState::Running, "it was over before it could be stopped");
    act(db, &jobs).await;
    lock.query_drop("UNLOCK TABLES").await.expect("unlocked");
    let error = job.wait().await.expect_err("stopped");
    assert_eq!(state(db), before, "{error}");
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_midway_leaves_the_target_as_it_was() {
    let db = MariaDb::start(&[]);
    db.sql("CREATE DATABASE big; USE big;
            CREATE TABLE a (id INT PRIMARY KEY, t TEXT); INSERT INTO a SELECT seq, REPEAT('x', 2000) FROM seq_1_to_30000;
            CREATE TABLE b (id INT PRIMARY KEY); INSERT INTO b VALUES (1), (2);
            CREATE TRIGGER b1 BEFORE INSERT ON b FOR EACH ROW SET @a = 1; CREATE TRIGGER b2 BEFORE INSERT ON b FOR EACH ROW SET @a = 2;
            CREATE VIEW v AS SELECT * FROM b; CREATE FUNCTION f() RETURNS INT DETERMINISTIC RETURN 1");
    let past = Past::of(&db, &["big"]).await;
    db.sql("DELETE FROM big.a WHERE id > 3; INSERT INTO big.b VALUES (3); DROP FUNCTION big.f; CREATE FUNCTION big.f() RETURNS INT DETERMINISTIC RETURN 2");
    // cancelled
    let error = in_the_middle(&db, &past, async |_, jobs| jobs.cancel(1).expect("it runs")).await;
    assert_eq!(error.kind, Kind::Cancelled, "{error}");
    // its connections killed
    let error = in_the_middle(&db, &past, async |db, _| {
        db.sql("SELECT ID FROM information_schema.PROCESSLIST WHERE USER = 'pcloud' AND INFO LIKE 'LOAD DATA%'")
            .lines()
            .for_each(|id| {
                db.sql(&format!("KILL {id}"));
            });
    })
    .await;
    assert_eq!(error.kind, Kind::Unreachable, "{error}");
    // locked where it must move in
    let before = state(&db);
    let mut lock = db.connect().await;
    lock.query_drop("LOCK TABLES big.b READ").await.expect("a lock");
    let impatient = Options { lock_wait_seconds: 1, ..replace() };
    let error = restore(&past, &request(&db, tables(&[("big", "b")]), impatient)).await.expect_err("locked");
    assert_eq!(error.kind, Kind::Server, "{error}");
    assert!(error.message.contains("big.b") && error.to_string().contains("lock_wait_seconds"), "{error}");
    assert_eq!(state(&db), before, "{error}");
    // killed where it waits to move in
    let made =
        plan(past.timeline().await, &request(&db, tables(&[("big", "b")]), Options { triggers: false, ..replace() }))
            .await;
    let running = tokio::spawn(run(made.expect("a plan"), Arc::default(), CancellationToken::new()));
    let waiting = "SELECT ID FROM information_schema.PROCESSLIST WHERE USER = 'pcloud' AND STATE LIKE 'Waiting for table metadata%'";
    until("it waits", || !db.sql(waiting).is_empty()).await;
    db.sql(&format!("KILL {}", db.sql(waiting).trim()));
    lock.query_drop("UNLOCK TABLES").await.expect("unlocked");
    let error = running.await.expect("it ends").expect_err("killed");
    assert_eq!(error.kind, Kind::Unreachable, "{error}");
    assert_eq!(state(&db), before);
    // a view that cannot be made, after everything was moved
    let broken = Past { catalog: Catalog::default(), ..Past::of(&db, &["big"]).await };
    db.sql("DROP VIEW big.v; CREATE VIEW big.v AS SELECT id, 1 AS more FROM big.a");
    let before = state(&db);
    let timeline = with_view(&broken, "v", "CREATE VIEW `v` AS SELECT nix FROM big.b").await;
    let made = plan(timeline.clone(), &request(&db, databases(&["big"]), replace())).await.expect("a plan");
    let error = run(made, Arc::default(), CancellationToken::new()).await.expect_err("no such column");
    assert!(error.message.contains("creating view big.v") && error.to_string().contains("views = false"), "{error}");
    assert_eq!(state(&db), before);
    db.sql("DROP DATABASE big");
    let before = state(&db);
    let made = plan(timeline.clone(), &request(&db, databases(&["big"]), Options::default())).await.expect("a plan");
    run(made, Arc::default(), CancellationToken::new()).await.expect_err("no such column");
    assert_eq!(state(&db), before);
    let without = Options { views: false, ..Options::default() };
    let made = plan(timeline, &request(&db, databases(&["big"]), without)).await.expect("a plan");
    run(made, Arc::default(), CancellationToken::new()).await.expect("without views");
    assert_eq!(db.sql("SHOW TABLES FROM big"), "a\nb\n");
}

/// The same archive with another view.
async fn with_view(past: &Past, name: &str, create: &str) -> Arc<Timeline> {
    let mut manifest = past.cluster.manifest().await.expect("read").expect("there");
    let key = ObjectKey { kind: ObjectKind::View, database: "big".into(), name: name.into() };
    manifest
        .catalog
        .objects
        .insert(key.clone(), Object { key, create: create.into(), sql_mode: String::new(), table: None });
    manifest.number += 1;
    past.cluster.put_manifest(&manifest).await.expect("put");
    past.timeline().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_restored_is_refused_before_anything_is_changed() {
    let db = MariaDb::start(&[]);
    db.sql("CREATE DATABASE d; CREATE TABLE d.good (id INT PRIMARY KEY); CREATE TABLE d.doubt (id INT PRIMARY KEY)");
    let past = Past::of(&db, &["d"]).await;
    let mut manifest = past.cluster.manifest().await.expect("read").expect("there");
    let doubt = past.catalog.table(&TableName::new("d", "doubt")).expect("there").id;
    manifest.catalog.uncertain.insert(doubt, "It was converted.".into());
    manifest.number = 2;
    past.cluster.put_manifest(&manifest).await.expect("put");
    let absent = ServerUrl { port: free_port(), ..ServerUrl::parse(&db.url()).expect("a URL") };
    let to_nowhere = |what| RestoreRequest { target: absent.clone(), ..request(&db, what, replace()) };
    let error = restore(&past, &to_nowhere(databases(&["d"]))).await.expect_err("uncertain");
    assert_eq!(error.kind, Kind::Uncertain, "{error}");
    assert!(error.message.contains("d.doubt"), "{error}");
    manifest.catalog.uncertain.clear();
    manifest.catalog.refused.insert(TableName::new("d", "shape"), NotCarried::table("its type is GEOMETRY"));
    manifest.number = 3;
    past.cluster.put_manifest(&manifest).await.expect("put");
    let error = restore(&past, &to_nowhere(What::Cluster)).await.expect_err("refused");
    assert_eq!(error.kind, Kind::Unsupported, "{error}");
    assert!(error.message.contains("d.shape"), "{error}");
    // nobody there; nobody let in
    let error = restore(&past, &to_nowhere(tables(&[("d", "good")]))).await.expect_err("absent");
    assert_eq!(error.kind, Kind::Unreachable, "{error}");
    assert!(error.message.contains(&format!("mysql://pcloud@127.0.0.1:{}/", absent.port)), "{error}");
    assert!(!error.to_string().contains("secret"), "{error}");
    let stranger = ServerUrl { password: Some("wrong".into()), ..ServerUrl::parse(&db.url()).expect("a URL") };
    let asked = RestoreRequest { target: stranger, ..request(&db, tables(&[("d", "good")]), replace()) };
    let error = restore(&past, &asked).await.expect_err("denied");
    assert_eq!(error.kind, Kind::Server, "{error}");
    assert!(error.message.contains("1045") && !error.to_string().contains("wrong"), "{error}");
    // an account that may look but not write: nothing is left
    db.sql("CREATE USER reader@'%' IDENTIFIED BY 'r'; GRANT SELECT ON *.* TO reader@'%'");
    let before = state(&db);
    let reader =
        ServerUrl { user: "reader".into(), password: Some("r".into()), ..ServerUrl::parse(&db.url()).expect("a URL") };
    let asked = RestoreRequest { target: reader, ..request(&db, tables(&[("d", "good")]), replace()) };
    let error = restore(&past, &asked).await.expect_err("denied");
    assert!(error.message.contains("1044") && error.to_string().contains("ALL PRIVILEGES"), "{error}");
    assert_eq!(state(&db), before);
    let jobs = Jobs::new(Arc::new(FixedClock::default()));
    assert_eq!(jobs.cancel(1).expect_err("no job").kind, Kind::Usage);
    let made = plan(past.timeline().await, &request(&db, tables(&[("d", "good")]), replace())).await.expect("a plan");
    let job = jobs.start(made);
    job.wait().await.expect("restored");
    assert_eq!(jobs.cancel(job.id()).expect_err("it has ended").kind, Kind::Usage);
    jobs.stop().await;
    assert_eq!(jobs.list()[0].tables_done, 1);
}
