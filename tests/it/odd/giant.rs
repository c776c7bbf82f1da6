//! A transaction that is larger than the memory that capture may take.

use super::protected;
use crate::support::archive::{pcloud, timeline};
use crate::support::db::Db;
use crate::support::serve::Serve;
use std::time::Duration;

/// In MiB. A process that held the transaction, let alone its copies, would pass it.
const MOST: u64 = 300;

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_of_300_mb_is_captured_in_parts() {
    let db = Db::start(&["--innodb-flush-log-at-trx-commit=0", "--sync-binlog=0", "--skip-innodb-doublewrite"]);
    db.sql("CREATE DATABASE shop; CREATE TABLE shop.big (id INT PRIMARY KEY, v MEDIUMBLOB)");
    let dir = tempfile::tempdir().expect("a directory");
    protected(dir.path(), &db, &[]);
    db.sql("INSERT INTO shop.big SELECT seq, CONCAT(RANDOM_BYTES(1000), REPEAT('x', 59000)) FROM shop.seq_1_to_5000");
    let mut command = pcloud(dir.path());
    let mut child = command.args(["protect", &db.url(), "--name", "c", "--once"]).spawn().expect("pcloud starts");
    let mut most = 0;
    let status = loop {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let peak =
            status.lines().find_map(|l| l.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.trim().parse().ok());
        most = most.max(peak.unwrap_or(0) / 1024);
        if let Some(status) = child.try_wait().expect("a child") {
            break status;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(status.success());
    assert!(most > 0 && most < MOST, "it took {most} MiB");
    let timeline = timeline(dir.path(), "c").await;
    assert!(timeline.coverage().expect("covered").segments > 3, "it was written in parts");
    let serve = Serve::start(dir.path());
    let query = "SELECT COUNT(*), SUM(LENGTH(v)) FROM shop.big";
    assert_eq!(serve.sql(query), db.sql(query));
    let query = "SELECT CRC32(v) FROM shop.big WHERE id IN (1, 2500, 5000) ORDER BY id";
    assert_eq!(serve.sql(query), db.sql(query));
}
