//! Another server goes on with the log: a replica that has it, one that is behind, one that went another way.

use super::{protect, protected, same_as_server};
use crate::support::archive::{pcloud, text, timeline};
use crate::support::db::Db;
use pcloud::model::Seq;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

struct Pair {
    primary: Db,
    replica: Db,
}

impl Pair {
    fn start() -> Self {
        let primary = Db::start(&[]);
        // other file names, so that a place of the one is no place of the other
        let replica = Db::start(&["--log-slave-updates=ON", "--log-bin=taken-over"]);
        replica.sql(&format!(
            "RESET MASTER; SET GLOBAL gtid_slave_pos = ''; CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {},
             MASTER_USER = 'pcloud', MASTER_PASSWORD = 'secret', MASTER_USE_GTID = slave_pos, MASTER_CONNECT_RETRY = 1; START SLAVE",
            primary.port
        ));
        primary.sql("CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY AUTO_INCREMENT, v INT)");
        Self { primary, replica }
    }

    /// Waits until the replica has everything.
    fn in_step(&self) {
        let at = self.primary.sql("SELECT @@gtid_binlog_pos");
        let waited = self.replica.sql(&format!("SELECT MASTER_GTID_WAIT('{}', 60)", at.trim()));
        assert_eq!(waited.trim(), "0", "{}", self.replica.sql("SHOW ALL SLAVES STATUS"));
    }
}

fn insert(db: &Db, rows: usize) {
    for n in 0..rows {
        db.sql(&format!("INSERT INTO shop.t (v) VALUES ({n})"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_with_the_same_gtids_goes_on_without_a_lost_or_repeated_commit() {
    let pair = Pair::start();
    let dir = tempfile::tempdir().expect("a directory");
    insert(&pair.primary, 2);
    protected(dir.path(), &pair.primary, &[]);
    insert(&pair.primary, 5);
    pair.primary.sql("SET SESSION gtid_domain_id = 3; INSERT INTO shop.t (v) VALUES (33)");
    pair.primary
        .sql("UPDATE shop.t SET v = v + 1; ALTER TABLE shop.t ADD w INT DEFAULT 5; DELETE FROM shop.t WHERE id = 2");
    protected(dir.path(), &pair.primary, &[]);
    insert(&pair.primary, 3);
    pair.in_step();
    pair.primary.stop(true);
    pair.replica.sql("STOP SLAVE; FLUSH BINARY LOGS");
    insert(&pair.replica, 4);
    protected(dir.path(), &pair.replica, &[]);
    same_as_server(dir.path(), &pair.replica).await;
    insert(&pair.replica, 1);
    protected(dir.path(), &pair.replica, &[]);
    same_as_server(dir.path(), &pair.replica).await;
    let timeline = timeline(dir.path(), "c").await;
    let gtids: Vec<String> =
        timeline.commits(Seq(1), timeline.latest().seq).map(|c| c.commit.gtid.clone().expect("a GTID")).collect();
    // 5, another domain's, update, alter, delete, 3, 4 and 1
    assert_eq!(gtids.len(), 5 + 1 + 3 + 3 + 4 + 1, "{gtids:?}");
    assert_eq!(gtids.iter().collect::<BTreeSet<_>>().len(), gtids.len(), "{gtids:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_behind_is_waited_for() {
    let pair = Pair::start();
    let dir = tempfile::tempdir().expect("a directory");
    protected(dir.path(), &pair.primary, &[]);
    insert(&pair.primary, 1);
    pair.in_step();
    pair.replica.sql("STOP SLAVE; CHANGE MASTER TO MASTER_DELAY = 3600; START SLAVE");
    insert(&pair.primary, 3);
    protected(dir.path(), &pair.primary, &[]);
    let mut command = pcloud(dir.path());
    command.args(["protect", &pair.replica.url(), "--name", "c"]).stderr(Stdio::piped());
    let mut child = command.spawn().expect("pcloud starts");
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines().map_while(Result::ok);
    assert!(lines.any(|l| l.contains("is behind the backup")), "it waits, and says for what");
    pair.replica.sql("STOP SLAVE; CHANGE MASTER TO MASTER_DELAY = 0; START SLAVE");
    assert!(lines.any(|l| l.contains("caught up")), "it goes on");
    insert(&pair.primary, 2);
    pair.in_step();
    wait_for_seq(dir.path(), Seq(6)).await;
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    same_as_server(dir.path(), &pair.replica).await;
}

async fn wait_for_seq(archive: &Path, seq: Seq) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while timeline(archive, "c").await.latest().seq < seq {
        assert!(Instant::now() < deadline, "seq {seq} does not come");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_went_another_way_is_a_gap() {
    let pair = Pair::start();
    let dir = tempfile::tempdir().expect("a directory");
    protected(dir.path(), &pair.primary, &[]);
    insert(&pair.primary, 2);
    pair.in_step();
    pair.replica.sql("STOP SLAVE");
    // the replica never gets this one, and writes others under its number
    insert(&pair.primary, 1);
    protected(dir.path(), &pair.primary, &[]);
    let lost = timeline(dir.path(), "c").await.latest().seq;
    let refused = |what: &str| {
        let out = protect(dir.path(), &pair.replica, &[]);
        let said = text(&out.stderr);
        assert!(!out.status.success() && said.contains(what) && said.contains("--accept-gap"), "{said}");
    };
    refused("has no transaction");
    pair.replica.sql("INSERT INTO shop.t (v) VALUES (77); INSERT INTO shop.t (v) VALUES (78)");
    refused("has no transaction");
    // the very same GTIDs, and something else behind them: a server that was set up anew
    let gtid = pair.primary.sql("SELECT @@gtid_binlog_pos");
    let parts: Vec<&str> = gtid.trim().split('-').collect();
    let before: u64 = parts[2].parse::<u64>().expect("a number") - 1;
    pair.replica.sql(&format!(
        "RESET MASTER; SET SESSION server_id = {server}, gtid_seq_no = {before}; INSERT INTO shop.t (v) VALUES (79);
         SET SESSION gtid_seq_no = {}; INSERT INTO shop.t (v) VALUES (80); INSERT INTO shop.t (v) VALUES (81)",
        before + 1,
        server = parts[1],
    ));
    refused("did something else");
    assert_eq!(timeline(dir.path(), "c").await.latest().seq, lost, "nothing was taken of it");
    protected(dir.path(), &pair.replica, &["--accept-gap"]);
    same_as_server(dir.path(), &pair.replica).await;
    assert_eq!(timeline(dir.path(), "c").await.gaps().len(), 1);
}
