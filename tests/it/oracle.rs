//! Is every table at every commit what it was? Random histories on a real MariaDB against the slow, obvious answer.

use crate::support::archive::{pcloud, protect_once, state_at, succeeded, timeline};
use crate::support::db::{Db, MariaDb, Product};
use crate::support::history::{Commit, History, SCHEMA, State, TextRow, seed};
use crate::upkeep::shared::{compact, eager};
use mysql_async::Conn;
use mysql_async::prelude::*;
use pcloud::model::{MomentSpec, Seq};
use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// The server's own answer to what every table holds now.
async fn server_state(conn: &mut Conn, tables: impl Iterator<Item = &String>) -> State {
    let mut state = State::new();
    for table in tables {
        let rows: Vec<mysql_async::Row> = conn.query(format!("SELECT * FROM h.{table}")).await.expect("SELECT");
        let text = |v: mysql_async::Value| match v {
            mysql_async::Value::NULL => None,
            mysql_async::Value::Bytes(b) => Some(String::from_utf8(b).expect("text")),
            other => panic!("the text protocol gave {other:?}"),
        };
        let mut rows: Vec<TextRow> = rows.into_iter().map(|r| r.unwrap().into_iter().map(text).collect()).collect();
        rows.sort();
        state.insert(table.clone(), rows);
    }
    state
}

async fn run(conn: &mut Conn, commit: &Commit) {
    for statement in &commit.statements {
        conn.query_drop(statement).await.unwrap_or_else(|e| panic!("{statement}: {e}"));
    }
}

fn checksums(db: &MariaDb, database: &str, tables: &[&str]) -> Vec<String> {
    let names: Vec<_> = tables.iter().map(|t| format!("{database}.{t}")).collect();
    let out = db.sql(&format!("CHECKSUM TABLE {}", names.join(", ")));
    out.lines().map(|l| l.split('\t').nth(1).unwrap_or_default().to_string()).collect()
}

const TABLES: [&str; 4] = ["bag", "ints", "pairs", "strings"];

/// Compares every commit; `states[i]` is the state after seq i.
async fn compare(timeline: &pcloud::timeline::Timeline, states: &[State], what: &str) {
    assert_eq!(timeline.latest().seq.0 as usize, states.len() - 1, "{what}: commits in the archive");
    for (seq, expected) in states.iter().enumerate() {
        let found = state_at(timeline, "h", Seq(seq as u64)).await;
        for (table, rows) in expected {
            assert_eq!(found.get(table), Some(rows), "{what}: table {table} at seq {seq}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_table_at_every_commit_is_what_it_was_and_can_be_put_back() {
    every_table_at_every_commit(Product::MariaDb1011).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_table_of_mysql_at_every_commit_is_what_it_was_and_can_be_put_back() {
    every_table_at_every_commit(Product::MySql9).await;
}

async fn every_table_at_every_commit(product: Product) {
    let (source, target) = (Db::of(product, &[]), Db::of(product, &[]));
    let dir = tempfile::tempdir().expect("a directory");
    source.sql(SCHEMA);
    let mut history = History::new(seed());
    let mut conn = source.connect().await;
    for _ in 0..20 {
        run(&mut conn, &history.next(false)).await; // before the base
    }
    let mut states = vec![history.state()];
    protect_once(dir.path(), &source.url(), "c");
    let mut kept: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for round in 0..3 {
        for i in 0..80 {
            let commit = history.next(true);
            run(&mut conn, &commit).await;
            states.push(commit.state);
            if i % 30 == 7 {
                kept.insert(states.len() - 1, checksums(&source, "h", &TABLES));
            }
        }
        assert_eq!(
            server_state(&mut conn, history.state().keys()).await,
            history.state(),
            "the oracle itself, round {round}"
        );
        protect_once(dir.path(), &source.url(), "c");
        // the next run of the capture goes on behind packs
        let archive = pcloud::archive::Archive::open(&dir.path().to_string_lossy()).await.expect("the archive opens");
        let options = eager(&mut fastrand::Rng::with_seed(history.seed + round));
        compact(&archive.cluster("c").expect("a name"), &options).await.expect("compacted");
    }
    let timeline = timeline(dir.path(), "c").await;
    compare(&timeline, &states, "history").await;

    for (seq, sums) in kept {
        let moment = format!("seq:{seq}");
        succeeded(pcloud(dir.path()).args([
            "restore",
            "--database",
            "h",
            "--as-of",
            &moment,
            "--to",
            &target.url(),
            "--replace",
        ]));
        assert_eq!(checksums(&target, "h", &TABLES), sums, "CHECKSUM TABLE after a restore of seq {seq}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_under_concurrent_writers_is_one_snapshot() {
    let source = MariaDb::start(&[]);
    source.sql(
        "CREATE DATABASE bank; CREATE TABLE bank.accounts (id INT PRIMARY KEY, balance INT NOT NULL);
         CREATE TABLE bank.moves (id INT AUTO_INCREMENT PRIMARY KEY, a INT, b INT, amount INT);
         INSERT INTO bank.accounts SELECT seq, 100 FROM bank.seq_1_to_2000;
         CREATE TABLE bank.filler AS SELECT seq AS id, REPEAT('x', 200) AS t FROM bank.seq_1_to_60000;
         ALTER TABLE bank.filler ADD PRIMARY KEY (id)",
    );
    let dir = tempfile::tempdir().expect("a directory");
    protect_once(dir.path(), &source.url(), "whole"); // from before the first write
    let stop = tokio_util::sync::CancellationToken::new();
    let writers: Vec<_> = (0..4)
        .map(|w| {
            let (url, stop) = (source.url(), stop.clone());
            tokio::spawn(async move {
                let mut rng = fastrand::Rng::with_seed(w);
                let mut conn = Conn::from_url(url).await.expect("connects");
                let mut done = 0u32;
                while !stop.is_cancelled() {
                    let (a, b, n) = (rng.u32(1..=2000), rng.u32(1..=2000), rng.u32(1..50));
                    let transfer = format!(
                        "START TRANSACTION; UPDATE bank.accounts SET balance = balance - {n} WHERE id = {a}; \
                         UPDATE bank.accounts SET balance = balance + {n} WHERE id = {b}; \
                         INSERT INTO bank.moves (a, b, amount) VALUES ({a}, {b}, {n}); COMMIT"
                    );
                    let mut failed = false;
                    for statement in transfer.split("; ") {
                        failed |= conn.query_drop(statement).await.is_err(); // a deadlock rolls the whole back
                        if failed {
                            conn.query_drop("ROLLBACK").await.expect("ROLLBACK");
                            break;
                        }
                    }
                    done += u32::from(!failed);
                }
                done
            })
        })
        .collect();
    for name in ["one", "two", "three"] {
        protect_once(dir.path(), &source.url(), name);
    }
    stop.cancel();
    let mut transfers = 0;
    for writer in writers {
        transfers += writer.await.expect("the writer ends");
    }
    assert!(transfers > 50, "only {transfers} transfers ran beside the bases");
    protect_once(dir.path(), &source.url(), "whole");
    let whole = timeline(dir.path(), "whole").await;
    for name in ["one", "two", "three"] {
        let part = timeline(dir.path(), name).await;
        let based = state_at(&part, "bank", Seq::ZERO).await;
        let total: i64 =
            based["accounts"].iter().map(|r| r[1].as_ref().expect("NOT NULL").parse::<i64>().expect("INT")).sum();
        assert_eq!(total, 200_000, "money was made or lost in the base of {name}");
        // the first commit after the base tells which moment of the whole history the base is
        let first = part.commits(Seq(1), Seq(1)).next().and_then(|c| c.commit.gtid.clone());
        let moment = match first {
            Some(gtid) => whole.resolve(&MomentSpec::BeforeGtid(gtid)).expect("the same commit"),
            None => whole.latest(),
        };
        assert_eq!(state_at(&whole, "bank", moment.seq).await, based, "the base of {name}");
        let newest = state_at(&part, "bank", part.latest().seq).await;
        let gtid = part.gtid_at(part.latest().seq).map(str::to_string);
        if let Some(gtid) = gtid {
            let same = whole.resolve(&MomentSpec::Gtid(gtid)).expect("the same commit");
            assert_eq!(state_at(&whole, "bank", same.seq).await, newest, "the last commit of {name}");
        }
    }
}

/// How often the program is killed; PCLOUD_STORM_ROUNDS asks for more or fewer.
fn rounds() -> usize {
    std::env::var("PCLOUD_STORM_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(50)
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_random_moments_it_loses_and_repeats_nothing() {
    killed_at_random_moments(Product::MariaDb1011, rounds()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_random_moments_it_loses_and_repeats_nothing_of_mysql() {
    killed_at_random_moments(Product::MySql9, rounds() / 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_random_moments_it_loses_and_repeats_nothing_of_mariadb_11_8() {
    killed_at_random_moments(Product::MariaDb118, rounds() / 5).await;
}

async fn killed_at_random_moments(product: Product, rounds: usize) {
    let source = Db::of(product, &[]);
    let dir = tempfile::tempdir().expect("a directory");
    source.sql(SCHEMA);
    let mut history = History::new(seed());
    let mut rng = fastrand::Rng::with_seed(history.seed);
    let mut conn = source.connect().await;
    for _ in 0..20 {
        run(&mut conn, &history.next(false)).await;
    }
    protect_once(dir.path(), &source.url(), "c");
    let mut states = vec![history.state()];
    for round in 0..rounds {
        let mut command = pcloud(dir.path());
        command.args(["protect", &source.url(), "--name", "c"]).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("pcloud starts");
        let until = Instant::now() + Duration::from_millis(rng.u64(30..900));
        while Instant::now() < until {
            let commit = history.next(round % 5 == 0);
            run(&mut conn, &commit).await;
            states.push(commit.state);
        }
        if let Some(status) = child.try_wait().expect("asks") {
            panic!("round {round}: pcloud ended by itself: {status}");
        }
        child.kill().expect("kill -9");
        child.wait().expect("it is gone");
    }
    assert_eq!(server_state(&mut conn, history.state().keys()).await, history.state(), "the oracle itself");
    protect_once(dir.path(), &source.url(), "c");
    let timeline = timeline(dir.path(), "c").await;
    println!("{rounds} kills, {} commits", states.len() - 1);
    assert_eq!(timeline.latest().seq.0 as usize, states.len() - 1, "commits in the archive");
    // every commit's own changes are checked by a stride that is prime to the tables' number, and the last ones all
    let last = states.len() - 1;
    for (seq, expected) in states.iter().enumerate().filter(|(i, _)| i % 7 == 0 || i + 20 > last) {
        let found = state_at(&timeline, "h", Seq(seq as u64)).await;
        for (table, rows) in expected {
            assert_eq!(found.get(table), Some(rows), "table {table} at seq {seq}");
        }
    }
}
