//! What happens when the source goes away, the disk is full, or two write to one cluster?

use crate::support::archive::{pcloud, protect_once, rows_at, text, timeline};
use crate::support::db::MariaDb;
use crate::support::protect::{PATIENCE, Protect};
use pcloud::model::TableName;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Waits until the archive has so many rows of the table.
async fn has_rows(archive: &Path, table: &TableName, wanted: usize) {
    let until = Instant::now() + PATIENCE;
    loop {
        let timeline = timeline(archive, "c").await;
        let rows = rows_at(&timeline, table, timeline.latest().seq).await.len();
        if rows == wanted {
            return;
        }
        assert!(Instant::now() < until, "the archive has {rows} rows of {table}, not {wanted}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_goes_away_is_waited_for() {
    let (source, dir) = (MariaDb::start(&[]), tempfile::tempdir().expect("a directory"));
    source.sql(
        "CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY, v VARCHAR(20)); INSERT INTO d.t VALUES (1, 'a')",
    );
    let mut protect = Protect::of(dir.path(), &source.url());
    protect.says("caught up");
    source.sql("INSERT INTO d.t VALUES (2, 'b')");
    source.stop(true);
    let line = protect.says("trying again");
    assert!(line.contains(&source.port.to_string()) && !line.contains("secret"), "{line}");
    source.start_again();
    source.sql("INSERT INTO d.t VALUES (3, 'c')");
    has_rows(dir.path(), &TableName::new("d", "t"), 3).await;
    source.stop(false);
    protect.says("trying again");
    source.start_again();
    source.sql("DELETE FROM d.t WHERE id = 1");
    has_rows(dir.path(), &TableName::new("d", "t"), 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_loses_nothing() {
    let (source, dir) = (MariaDb::start(&[]), tempfile::tempdir().expect("a directory"));
    source.sql("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY, v VARCHAR(200))");
    protect_once(dir.path(), &source.url(), "c");
    // files may not grow past 4 KiB until the limit is lifted: writing fails as it does on a full disk
    let mut command = pcloud(dir.path());
    command.args(["protect", &source.url(), "--name", "c"]);
    let program = command.get_program().to_owned();
    let args: Vec<_> = command.get_args().map(|a| a.to_owned()).collect();
    let mut limited = Command::new("bash");
    limited.arg("-c").arg("trap '' XFSZ; ulimit -S -f 4; exec \"$0\" \"$@\"").arg(program).args(args);
    limited.env("PCLOUD_ARCHIVE", dir.path()).process_group(0);
    let mut protect = Protect::start(limited);
    protect.says("caught up");
    source.sql("INSERT INTO d.t SELECT seq, SHA2(seq, 512) FROM d.seq_1_to_2000");
    let line = protect.says("trying again");
    assert!(line.contains("log/") || line.contains("segment"), "it names what it could not write: {line}");
    let lifted = Command::new("prlimit")
        .args(["--fsize=unlimited:unlimited", "--pid"])
        .arg(protect.child.id().to_string())
        .status();
    assert!(lifted.expect("prlimit runs").success());
    source.sql("INSERT INTO d.t VALUES (0, 'after')");
    has_rows(dir.path(), &TableName::new("d", "t"), 2001).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_that_capture_one_cluster_one_is_fenced() {
    let (source, dir) = (MariaDb::start(&[]), tempfile::tempdir().expect("a directory"));
    source.sql("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY)");
    protect_once(dir.path(), &source.url(), "c");
    let mut both = [Protect::of(dir.path(), &source.url()), Protect::of(dir.path(), &source.url())];
    both.iter_mut().for_each(|p| drop(p.says("caught up")));
    source.sql("INSERT INTO d.t VALUES (1)");
    let until = Instant::now() + PATIENCE;
    let fenced = loop {
        match both.iter_mut().position(|p| p.child.try_wait().expect("asks").is_some()) {
            Some(fenced) => break fenced,
            None => assert!(Instant::now() < until, "both go on"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let line = both[fenced].says("pcloud:");
    assert!(line.contains("cluster c"), "{line}");
    source.sql("INSERT INTO d.t VALUES (2)");
    has_rows(dir.path(), &TableName::new("d", "t"), 2).await;
    assert!(both[1 - fenced].child.try_wait().expect("asks").is_none(), "the other one goes on");
}

#[test]
fn what_cannot_be_reached_or_read_is_said_without_the_password() {
    let dir = tempfile::tempdir().expect("a directory");
    let out = pcloud(dir.path()).args(["protect", "mysql://u:hidden@127.0.0.1:1/", "--name", "c", "--once"]).output();
    let out = out.expect("it runs");
    let said = text(&out.stderr);
    assert_eq!(out.status.code(), Some(1), "{said}");
    assert!(said.contains("127.0.0.1:1") && !said.contains("hidden"), "{said}");
    let out = pcloud(&dir.path().join("nowhere")).arg("ls").output().expect("it runs");
    assert!(text(&out.stderr).contains("nowhere"), "{}", text(&out.stderr));
}
