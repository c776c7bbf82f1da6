//! `serve` keeps the archive small by itself, and lets go of what the settings do not keep.

use crate::support::archive::pcloud;
use crate::support::made::{Made, int, row, table, varchar};
use crate::support::serve::Serve;
use pcloud::archive::Folder;
use pcloud::model::Change;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn what_the_settings_do_not_keep_goes_while_it_serves() {
    let dir = tempfile::tempdir().expect("a directory");
    let (archive, config) = (dir.path().join("archive"), dir.path().join("pcloud.toml"));
    let t = table(1, "t", &[(0, "id", int()), (1, "v", varchar())], 1);
    let mut made = Made::begin(&archive, &[(t.clone(), vec![row(0, "base")])]).await;
    // a commit an hour
    for n in 1..=26 {
        made.commit(n as f64 * 3600.0, &[], &[(t.clone(), Change::Insert(row(n, "x")))]).await;
    }
    std::fs::write(
        &config,
        "[upkeep]\nevery_minutes = 1\ngrace_hours = 0\n[retain]\nevery = \"1h\"\nhourly = \"4h\"\n[prices]\ncurrency = \"EUR\"\n",
    )
    .expect("written");
    let mut command = pcloud(&archive);
    command.env("PCLOUD_CONFIG", &config);
    let serve = Serve::start_as(command);
    assert!(serve.sql("SHOW COST").contains("EUR"));
    let states = || serve.sql("SHOW BACKUPS");
    let until = Instant::now() + Duration::from_secs(200);
    while !states().contains("single states") {
        assert!(Instant::now() < until, "nothing went: {}{}", states(), serve.sql("SHOW JOBS"));
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    // seq 26 is at 26 h; an hour before (and a microsecond) seq 24 was the newest
    let first =
        states().lines().find(|l| l.contains("\tcovered\t")).expect("a line").split('\t').nth(4).map(String::from);
    assert_eq!(first.as_deref(), Some("24"), "{}", states());
    assert!(serve.error("SELECT * FROM d.t AS OF SEQ 5").contains("is not kept any more"));
    assert_eq!(serve.sql("SELECT COUNT(*) FROM d.t AS OF SEQ 24; SELECT COUNT(*) FROM d.t"), "25\n27\n");
    assert!(serve.sql("SHOW JOBS").contains("succeeded"), "{}", serve.sql("SHOW JOBS"));
    drop(serve);
    assert!(!made.cluster.objects(Folder::Packs).await.expect("listed").is_empty(), "segments are in packs");
}
