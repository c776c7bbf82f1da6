//! The differential soak: writers, schema changes, and a server and a capture that are killed now and then; what the
//! server itself showed at random moments must be what pcloud shows of them, or refuses by name.
//!
//! `PCLOUD_SEED` repeats the statements (not their timing), `PCLOUD_SOAK_SECONDS` sets how long each server is worked.

mod change;
mod schema;
mod watch;
mod work;

use crate::support::archive::{pcloud, protect_once};
use crate::support::db::{Db, Product};
use crate::support::history::seed;
use crate::support::port::Port;
use mysql_async::Conn;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::RwLock;
use tokio_util::sync::CancellationToken;

const WRITERS: u64 = 4;

/// What all tasks of a soak share.
pub struct World {
    pub db: Db,
    pub seed: u64,
    pub stop: CancellationToken,
    /// Held for writing while the schema changes, for reading while somebody looks.
    pub schema: RwLock<()>,
    names: AtomicU64,
    pub statements: AtomicU64,
    pub schema_changes: AtomicU64,
}

impl World {
    pub fn product(&self) -> Product {
        self.db.product
    }

    /// A name that was never used.
    pub fn name(&self) -> String {
        format!("t{}", self.names.fetch_add(1, Ordering::Relaxed))
    }

    /// A connection, as soon as the server takes one; `None` when the soak ends first.
    pub async fn connect(&self) -> Option<Conn> {
        loop {
            let opts = mysql_async::Opts::from_url(&format!("{}s", self.db.url())).expect("a URL");
            let opened = tokio::time::timeout(Duration::from_secs(5), Conn::new(opts)).await;
            if let Ok(Ok(mut conn)) = opened
                && mysql_async::prelude::Queryable::query_drop(&mut conn, "SET NAMES utf8mb4, sql_mode = ''")
                    .await
                    .is_ok()
            {
                return Some(conn);
            }
            tokio::select! {
                () = self.stop.cancelled() => return None,
                () = tokio::time::sleep(Duration::from_millis(200)) => {}
            }
        }
    }
}

fn seconds() -> u64 {
    std::env::var("PCLOUD_SOAK_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(60)
}

/// `pcloud protect`, which is killed now and then.
struct Capture {
    child: Child,
    log: std::path::PathBuf,
}

impl Capture {
    fn start(archive: &Path, url: &str, log: &Path) -> Self {
        let file = File::options().create(true).append(true).open(log).expect("a log");
        let mut command = pcloud(archive);
        command.args(["protect", url, "--name", "c"]).stdout(Stdio::null()).stderr(file);
        Self { child: command.spawn().expect("pcloud starts"), log: log.to_path_buf() }
    }

    fn kill(&mut self) {
        if let Some(status) = self.child.try_wait().expect("asks") {
            let said = std::fs::read_to_string(&self.log).unwrap_or_default();
            panic!(
                "pcloud protect ended by itself ({status}):\n{}",
                said.lines().rev().take(5).collect::<Vec<_>>().join("\n")
            );
        }
        self.child.kill().expect("kill -9");
        self.child.wait().expect("it is gone");
    }
}

async fn soak(product: Product) {
    let options: &[&str] =
        if product.is_mysql() { &["--binlog-transaction-compression=ON"] } else { &["--log-bin-compress=ON"] };
    let world = Arc::new(World {
        db: Db::of(product, options),
        seed: seed(),
        stop: CancellationToken::new(),
        schema: RwLock::new(()),
        names: AtomicU64::new(0),
        statements: AtomicU64::new(0),
        schema_changes: AtomicU64::new(0),
    });
    let dir = tempfile::tempdir().expect("a directory");
    let (archive, log) = (dir.path().join("archive"), dir.path().join("protect.log"));
    world.db.sql("CREATE DATABASE s");
    let mut conn = world.connect().await.expect("the server runs");
    change::begin(&world, &mut conn).await.expect("the first tables");
    let writers: Vec<_> = (0..WRITERS).map(|n| tokio::spawn(work::write(world.clone(), n))).collect();
    let changes = tokio::spawn(change::change(world.clone()));
    let mut capture = Capture::start(&archive, &world.db.url(), &log);
    let watcher = tokio::spawn(watch::watch(world.clone()));
    let kills = disturb(&world, &mut capture, &archive, &log).await;
    world.stop.cancel();
    for writer in writers {
        writer.await.expect("a writer");
    }
    changes.await.expect("the schema changes");
    let seen = watcher.await.expect("the watcher");
    capture.kill();
    let (to, url) = (archive.clone(), world.db.url());
    tokio::task::spawn_blocking(move || protect_once(&to, &url, "c")).await.expect("the rest is captured");
    let judgement = watch::judge(&Port::open(&archive).await, &since_base(&archive, seen).await).await;
    report(&world, &judgement, kills);
    if !judgement.wrong.is_empty() {
        let kept = dir.keep();
        let shown = judgement.wrong.iter().take(5).cloned().collect::<Vec<_>>().join("\n");
        panic!("{} wrong, seed {}, archive kept in {}:\n{shown}", judgement.wrong.len(), world.seed, kept.display());
    }
    assert!(judgement.tables > 0, "nothing was compared");
}

/// What was seen before the base is not in the archive.
async fn since_base(archive: &Path, seen: Vec<watch::Seen>) -> Vec<watch::Seen> {
    let timeline = crate::support::archive::timeline(archive, "c").await;
    let known = |m: &watch::Seen| timeline.resolve(&pcloud::model::MomentSpec::Gtid(m.gtid.clone())).is_ok();
    let first = seen.iter().position(known).unwrap_or(seen.len());
    seen.into_iter().skip(first).collect()
}

/// Kills and restarts until the time is over; returns how often.
async fn disturb(world: &Arc<World>, capture: &mut Capture, archive: &Path, log: &Path) -> usize {
    let mut rng = fastrand::Rng::with_seed(world.seed ^ 0xbad);
    let (until, mut kills) = (Instant::now() + Duration::from_secs(seconds()), 0);
    loop {
        let pause = Duration::from_secs(rng.u64(4..12));
        if Instant::now() + pause > until {
            tokio::time::sleep(until.saturating_duration_since(Instant::now())).await;
            return kills;
        }
        tokio::time::sleep(pause).await;
        kills += 1;
        match rng.u8(..6) {
            0..=2 => {
                capture.kill();
                *capture = Capture::start(archive, &world.db.url(), log);
            }
            3 => drop(world.db.sql("FLUSH BINARY LOGS")),
            n => {
                let (world, crash) = (world.clone(), n == 4);
                let again = move || {
                    world.db.stop(crash);
                    world.db.start_again();
                };
                tokio::task::spawn_blocking(again).await.expect("the server starts again");
            }
        }
    }
}

/// Straight to the terminal, past the test runner, which would keep it to itself.
fn report(world: &World, j: &watch::Judgement, kills: usize) {
    let refused: usize = j.refused.values().sum();
    let line = format!(
        "soak: {:?}, seed {}: {} statements, {} schema changes, {kills} disturbances; {} moments, {} tables compared, \
         {refused} refused, {} wrong\n",
        world.product(),
        world.seed,
        world.statements.load(Ordering::Relaxed),
        world.schema_changes.load(Ordering::Relaxed),
        j.moments,
        j.tables,
        j.wrong.len()
    );
    let reasons: String = j.refused.iter().map(|(why, n)| format!("soak:   {n} × {why}\n")).collect();
    let _ = std::io::stderr().write_all((line + &reasons).as_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_10_11() {
    soak(Product::MariaDb1011).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_11_8() {
    soak(Product::MariaDb118).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mysql_9() {
    soak(Product::MySql9).await;
}
