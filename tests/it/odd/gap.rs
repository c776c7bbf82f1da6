//! Logs that the server purged before they were captured: refused by name, and gone on behind on request.

use super::{at_server, protect, protected, same_as_server};
use crate::support::archive::{rows_at, text, timeline};
use crate::support::db::Db;
use crate::support::serve::Serve;
use pcloud::error::Kind;
use pcloud::model::{Micros, MomentSpec, Seq, TableName};
use std::time::{Duration, Instant};

/// Purges every log that is not being written.
fn purge(db: &Db) {
    db.sql("FLUSH BINARY LOGS");
    let logs = || {
        db.sql("SHOW BINARY LOGS").lines().map(|l| l.split('\t').next().unwrap_or(l).to_string()).collect::<Vec<_>>()
    };
    let (last, deadline) = (logs().pop().expect("a log"), Instant::now() + Duration::from_secs(60));
    while logs().len() > 1 {
        // the server keeps what it still sends to a connection that it has not seen closing
        assert!(Instant::now() < deadline, "not purged: {:?}", logs());
        db.sql(&format!("PURGE BINARY LOGS TO '{last}'"));
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purged_log_is_a_gap_which_is_accepted_on_request_only() {
    let db = Db::start(&[]);
    db.sql(
        "CREATE DATABASE shop; USE shop;
         CREATE TABLE kept (id INT PRIMARY KEY, v INT); INSERT INTO kept VALUES (1, 1);
         CREATE TABLE dropped (id INT PRIMARY KEY); INSERT INTO dropped VALUES (1);
         CREATE TABLE altered (id INT PRIMARY KEY, v INT); INSERT INTO altered VALUES (1, 1);
         CREATE TABLE bag (v INT); INSERT INTO bag VALUES (1), (1);
         CREATE VIEW seen AS SELECT id FROM dropped; CREATE DATABASE gone; CREATE TABLE gone.t (id INT PRIMARY KEY)",
    );
    let dir = tempfile::tempdir().expect("a directory");
    let archive = dir.path();
    protected(archive, &db, &[]);
    db.sql("USE shop; INSERT INTO kept VALUES (2, 2); INSERT INTO bag VALUES (1)");
    protected(archive, &db, &[]);
    let before = timeline(archive, "c").await;
    let (known, until) = (before.latest().seq, before.until());
    let kept_before = rows_at(&before, &TableName::new("shop", "kept"), known).await;

    db.sql(
        "USE shop; INSERT INTO kept VALUES (3, 3); DELETE FROM kept WHERE id = 1; DROP VIEW seen; DROP TABLE dropped;
         ALTER TABLE altered DROP PRIMARY KEY, ADD w INT NOT NULL DEFAULT 7 FIRST, ADD PRIMARY KEY (v);
         DELETE FROM bag; INSERT INTO bag VALUES (9); CREATE TABLE made (id INT PRIMARY KEY); INSERT INTO made VALUES (5);
         CREATE TABLE here_and_gone (id INT PRIMARY KEY); DROP TABLE here_and_gone; DROP DATABASE gone",
    );
    purge(&db);
    let refused = protect(archive, &db, &[]);
    let said = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("binlog.000") && said.contains("--accept-gap"), "{said}");
    assert_eq!(timeline(archive, "c").await.latest().seq, known, "a refusal writes nothing");

    let bridged = protect(archive, &db, &["--accept-gap"]);
    assert!(bridged.status.success(), "{}", text(&bridged.stderr));
    assert!(text(&bridged.stderr).contains("behind a gap"), "{}", text(&bridged.stderr));
    same_as_server(archive, &db).await;
    db.sql("USE shop; INSERT INTO kept VALUES (4, 4); UPDATE altered SET w = 8; INSERT INTO bag VALUES (9), (10); DROP TABLE made");
    // what is accepted once is no gap the next time
    protected(archive, &db, &["--accept-gap"]);
    same_as_server(archive, &db).await;

    let now = timeline(archive, "c").await;
    let gaps = now.gaps();
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert_eq!((gaps[0].from.seq, gaps[0].until.seq), (known.next(), Seq(known.0 + 2)));
    assert_eq!(gaps[0].from.time, Micros(until.0 + 1), "it begins right after what was complete");
    assert_eq!(rows_at(&now, &TableName::new("shop", "kept"), known).await, kept_before);
    let within = Micros((gaps[0].from.time.0 + gaps[0].until.time.0) / 2);
    for spec in [MomentSpec::At(gaps[0].from.time), MomentSpec::At(within), MomentSpec::Seq(known.next())] {
        let error = now.resolve(&spec).expect_err("it lies in the gap");
        assert_eq!(error.kind, Kind::Uncertain, "{error}");
        assert!(error.message.contains("has a gap from"), "{error}");
    }
    let complete = before.resolve(&MomentSpec::At(until)).expect("complete until then");
    assert_eq!(now.resolve(&MomentSpec::At(until)).expect("as it was"), complete);
    assert_eq!(now.resolve(&MomentSpec::At(gaps[0].until.time)).expect("known again").seq, gaps[0].until.seq);
    // whoever names the lost commit's tables without asking for a moment is told as well
    let kept = now.table(&TableName::new("shop", "kept"), known).expect("it is there").id;
    assert_eq!(now.snapshot(kept, known.next()).await.expect_err("lost").kind, Kind::Uncertain);

    let serve = Serve::start(archive);
    let shown = serve.sql("SHOW BACKUPS");
    let lines: Vec<&str> =
        shown.lines().filter(|l| !l.contains("\tcovered\t") && !l.contains("\tlast proof\t")).collect();
    assert_eq!(lines.len(), 1, "{shown}");
    assert!(lines[0].starts_with("c\tgap\tNULL\t"), "{shown}");
    let at = |t: Micros| t.to_string().trim_end_matches(" UTC").to_string();
    let error = serve.error(&format!("SELECT * FROM shop.kept AS OF TIMESTAMP '{}'", at(within)));
    assert!(error.starts_with("ERROR 1194") && error.contains("has a gap from"), "{error}");
    let error = serve.error("SELECT * FROM shop.kept FOR SYSTEM_TIME ALL");
    assert!(error.contains("has a gap from"), "{error}");
    let old = serve.sql(&format!("SELECT id FROM shop.dropped AS OF TIMESTAMP '{}'", at(until)));
    assert_eq!(old.trim(), "1");
    let latest = serve.sql("SELECT id, v FROM shop.kept ORDER BY id");
    assert_eq!(latest.lines().collect::<Vec<_>>(), at_server(&db, "SELECT id, v FROM shop.kept"));
    let error = serve.error("SELECT * FROM shop.dropped");
    assert!(error.contains("doesn't exist"), "{error}");
}

/// Killed between the segment that tells of the new base and the manifest that names it.
#[tokio::test(flavor = "multi_thread")]
async fn a_base_behind_a_gap_that_was_not_named_is_taken_again_and_nobody_sees_empty_tables() {
    let db = Db::start(&[]);
    db.sql("CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY); INSERT INTO shop.t VALUES (1), (2)");
    let dir = tempfile::tempdir().expect("a directory");
    protected(dir.path(), &db, &[]);
    db.sql("INSERT INTO shop.t VALUES (3)");
    purge(&db);
    protected(dir.path(), &db, &["--accept-gap"]);
    std::fs::remove_file(dir.path().join("c/manifest/00000000000000000002.json")).expect("the second manifest");
    let cut = timeline(dir.path(), "c").await;
    let error = cut.table(&TableName::new("shop", "t"), cut.latest().seq).expect_err("not based yet");
    assert_eq!(error.kind, Kind::Uncertain, "{error}");
    protected(dir.path(), &db, &[]);
    same_as_server(dir.path(), &db).await;
}
