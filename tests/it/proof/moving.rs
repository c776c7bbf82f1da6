//! An archive that is written, based anew and packed while it is looked at: nothing is wrong with it.

use super::quietly;
use crate::support::db::MariaDb;
use crate::support::protect::Protect;
use crate::upkeep::shared::{compact, eager};
use pcloud::archive::Archive;
use pcloud::clock::SystemClock;
use pcloud::verify::proof::Depth;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Whoever writes stops when this is dropped, come what may.
#[derive(Default)]
struct Done(Arc<AtomicBool>);

impl Drop for Done {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_moves_is_not_damaged() {
    let (db, dir) = (Arc::new(MariaDb::start(&[])), tempfile::tempdir().expect("a directory"));
    db.sql("CREATE DATABASE shop; CREATE TABLE shop.o (id INT PRIMARY KEY AUTO_INCREMENT, v INT)");
    let mut protect = Protect::start({
        let mut command = crate::support::archive::pcloud(dir.path());
        command.args(["protect", &db.url(), "--name", "c"]);
        command
    });
    protect.says("caught up");
    let done = Done::default();
    let (writing, stop) = (db.clone(), done.0.clone());
    let writer = tokio::task::spawn_blocking(move || {
        for n in 0.. {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            // each makes a table, and one that is read again
            writing.sql(&format!(
                "INSERT INTO shop.o (v) VALUES ({n}); CREATE TABLE shop.t{n} (id INT PRIMARY KEY); INSERT INTO shop.t{n} VALUES (1);
                 SET binlog_format = STATEMENT; UPDATE shop.t{n} SET id = 2; SET binlog_format = ROW"
            ));
            std::thread::sleep(Duration::from_millis(200));
        }
    });
    let archive = Archive::create(&dir.path().to_string_lossy(), &SystemClock).await.expect("the archive");
    let cluster = archive.cluster("c").expect("a name");
    let mut options = eager(&mut fastrand::Rng::with_seed(1));
    options.fan_in = 2;
    let (until, mut n) = (Instant::now() + Duration::from_secs(180), 0);
    while n < 25 || cluster.newest_manifest().await.expect("listed") < Some(2) {
        assert!(Instant::now() < until, "too little moved in {n} looks");
        if n % 3 == 0 {
            compact(&cluster, &options).await.expect("compacted");
        }
        let (looked, packed) = tokio::join!(quietly(&cluster, Depth::Intact), async {
            if n % 3 == 1 { compact(&cluster, &options).await.map(drop) } else { Ok(()) }
        });
        packed.expect("compacted");
        let looked = looked.expect("looked at");
        assert!(looked.whole(), "look {n}: {:?}", looked.faults);
        n += 1;
    }
    drop(done);
    writer.await.expect("no panic");
}
