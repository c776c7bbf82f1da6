//! The differential soak: writers, schema changes, and a server and a capture that are killed now and then; what the
//! server itself showed at random moments must be what pcloud shows of them, or refuses by a name that
//! `docs/refusals.md` lists.
//!
//! It goes in rounds over one server and one archive. Each works for a while, lets the capture come to the end, compares
//! everything that was seen, changes tables past the log and has VERIFY find that, and restores one of the moments. So
//! nothing grows with the length of a run but the server's log, the archive and a few remembered moments.
//!
//! `PCLOUD_SEED` repeats the statements (not their timing), `PCLOUD_SOAK_SECONDS` sets how long each server is worked; with neither the seeds
//! are always the same.

mod change;
mod closing;
mod disturb;
mod judge;
mod schema;
mod watch;
mod work;

use crate::support::archive::{pcloud, succeeded, timeline};
use crate::support::db::{Db, Product};
use crate::support::history::seed;
use crate::support::port::Port;
use judge::{Judgement, Refusals};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::RwLock;
use tokio_util::sync::CancellationToken;
use watch::Seen;

const WRITERS: u64 = 4;
/// The longest that one round is worked.
const ROUND: Duration = Duration::from_secs(100);
/// So many moments of earlier rounds are asked again in each round.
const REMEMBERED: usize = 6;

/// What all tasks of a round share.
pub struct World {
    pub db: Arc<Db>,
    /// Of this round.
    pub seed: u64,
    /// Some sessions do not look at foreign keys. In a few rounds only: tables that hang on others soon become uncertain.
    pub unchecked: bool,
    pub stop: CancellationToken,
    /// Held for writing while the schema changes, for reading while somebody looks.
    pub schema: RwLock<()>,
    /// Writers make no pauses.
    pub burst: AtomicBool,
    pub count: Arc<Counts>,
}

/// Over all rounds.
#[derive(Default)]
pub struct Counts {
    names: AtomicU64,
    pub statements: AtomicU64,
    pub schema_changes: AtomicU64,
    pub disturbances: AtomicU64,
}

impl World {
    pub fn product(&self) -> Product {
        self.db.product
    }

    /// A name that was never used.
    pub fn name(&self) -> String {
        format!("t{}", self.count.names.fetch_add(1, Ordering::Relaxed))
    }

    /// A connection, as soon as the server takes one; `None` when the round ends first.
    pub async fn connect(&self) -> Option<Conn> {
        loop {
            if let Ok(Ok(conn)) = tokio::time::timeout(Duration::from_secs(5), open(&self.db)).await {
                return Some(conn);
            }
            tokio::select! {
                () = self.stop.cancelled() => return None,
                () = tokio::time::sleep(Duration::from_millis(200)) => {}
            }
        }
    }
}

async fn open(db: &Db) -> Result<Conn, mysql_async::Error> {
    let opts = mysql_async::Opts::from_url(&format!("{}s", db.url())).expect("a URL");
    let mut conn = Conn::new(opts).await?;
    conn.query_drop("SET NAMES utf8mb4, sql_mode = ''").await?;
    Ok(conn)
}

/// How long each server is worked, if somebody says so.
fn said() -> Option<u64> {
    std::env::var("PCLOUD_SOAK_SECONDS").ok().and_then(|s| s.parse().ok())
}

fn seconds() -> u64 {
    said().unwrap_or(200)
}

/// As a part of all tests the same statements are run each time; by hand other ones are looked for.
fn chosen(product: Product) -> u64 {
    if said().is_some() || std::env::var_os("PCLOUD_SEED").is_some() {
        return seed();
    }
    match product {
        Product::MariaDb1011 => 949_097,
        Product::MariaDb118 => 469_902,
        Product::MySql9 => 228_584,
    }
}

/// One server, what captures it, and another to which moments are restored.
pub struct Place {
    pub db: Arc<Db>,
    pub target: Db,
    pub archive: PathBuf,
    log: PathBuf,
    seed: u64,
    refusals: Refusals,
    count: Arc<Counts>,
}

impl Place {
    /// Everything that the source has logged is in the archive.
    pub async fn catch_up(&self, more: &[String]) {
        let mut command = pcloud(&self.archive);
        command.args(["protect", &self.db.url(), "--name", "c", "--once"]).args(more);
        tokio::task::spawn_blocking(move || drop(succeeded(&mut command))).await.expect("the rest is captured");
    }
}

async fn soak(product: Product) {
    let options: &[&str] = if product.is_mysql() {
        &["--binlog-transaction-compression=ON", "--log-bin-trust-function-creators=1"]
    } else {
        &["--log-bin-compress=ON"]
    };
    let dir = tempfile::tempdir().expect("a directory");
    let place = Place {
        db: Arc::new(Db::of(product, options)),
        target: Db::of(product, &[]),
        archive: dir.path().join("archive"),
        log: dir.path().join("protect.log"),
        seed: chosen(product),
        refusals: Refusals::documented(),
        count: Arc::default(),
    };
    work::files(&place.db);
    place.db.sql("CREATE DATABASE s");
    let (until, mut judged, mut remembered) =
        (Instant::now() + Duration::from_secs(seconds()), Judgement::default(), Vec::new());
    for number in 0.. {
        let left = until.saturating_duration_since(Instant::now());
        round(&place, number, left.min(ROUND), &mut judged, &mut remembered).await;
        if !judged.wrong.is_empty() {
            let kept = dir.keep();
            report(&place, &judged);
            let shown = judged.wrong.iter().take(5).cloned().collect::<Vec<_>>().join("\n");
            panic!("{} wrong, seed {}, kept in {}:\n{shown}", judged.wrong.len(), place.seed, kept.display());
        }
        if Instant::now() >= until {
            break;
        }
    }
    report(&place, &judged);
    assert!(judged.tables > judged.refused_in_all(), "more is refused than answered");
}

async fn round(place: &Place, number: u64, long: Duration, judged: &mut Judgement, remembered: &mut Vec<Seen>) {
    let seed = place.seed.wrapping_add(number.wrapping_mul(1_000_003));
    let world = Arc::new(World {
        db: place.db.clone(),
        seed,
        unchecked: seed.is_multiple_of(3),
        stop: CancellationToken::new(),
        schema: RwLock::new(()),
        burst: AtomicBool::new(false),
        count: place.count.clone(),
    });
    change::fill(&world).await;
    let writers: Vec<_> = (0..WRITERS).map(|n| tokio::spawn(work::write(world.clone(), n))).collect();
    let changes = tokio::spawn(change::change(world.clone()));
    let watcher = tokio::spawn(watch::watch(world.clone()));
    let capture = disturb::Capture::start(&place.archive, &place.db.url(), &place.log);
    disturb::disturb(&world, capture, Instant::now() + long).await;
    world.stop.cancel();
    for writer in writers {
        writer.await.expect("a writer");
    }
    changes.await.expect("the schema changes");
    let mut seen = watcher.await.expect("the watcher");
    work::settle(&world).await;
    place.catch_up(&[]).await;
    if number == 0 {
        seen = since_base(&place.archive, seen).await;
    }
    let port = Port::open(&place.archive).await;
    judged.ask(&port, &place.refusals, &seen).await;
    judged.ask(&port, &place.refusals, remembered).await;
    drop(port);
    let mut rng = fastrand::Rng::with_seed(seed ^ 0xc105e);
    if judged.wrong.is_empty() {
        closing::restored(place, &seen, judged, &mut rng).await;
        closing::past_the_log(place, judged, &mut rng).await;
    }
    for moment in seen {
        if rng.u8(..8) > 0 {
            continue;
        }
        if remembered.len() == REMEMBERED {
            remembered.swap_remove(rng.usize(..REMEMBERED));
        }
        remembered.push(moment);
    }
}

/// What was seen before the base is not in the archive.
async fn since_base(archive: &Path, seen: Vec<Seen>) -> Vec<Seen> {
    let timeline = timeline(archive, "c").await;
    let known = |m: &Seen| timeline.resolve(&pcloud::model::MomentSpec::Gtid(m.gtid.clone())).is_ok();
    let first = seen.iter().position(known).unwrap_or(seen.len());
    seen.into_iter().skip(first).collect()
}

/// What all servers' runs came to so far.
static ALL: Mutex<BTreeMap<String, Judgement>> = Mutex::new(BTreeMap::new());

/// Straight to the terminal, past the test runner, which would keep it to itself. The last line of the last server that
/// is done counts for all.
fn report(place: &Place, judged: &Judgement) {
    let counted = |n: &AtomicU64| n.load(Ordering::Relaxed);
    let mut text = format!(
        "soak: {:?}, seed {}: {} statements, {} schema changes, {} disturbances; {} found by VERIFY, {} restored\n",
        place.db.product,
        place.seed,
        counted(&place.count.statements),
        counted(&place.count.schema_changes),
        counted(&place.count.disturbances),
        judged.found,
        judged.restored,
    );
    text.extend(judged.refused.iter().map(|(why, n)| format!("soak:   {n} × {why}\n")));
    let mut all = ALL.lock().expect("no report panics");
    all.insert(format!("{:?} {}", place.db.product, place.seed), judged.clone());
    let mut sum = Judgement::default();
    all.values().for_each(|j| sum.add(j));
    let kinds: Vec<_> = sum.refused.iter().map(|(why, n)| format!("{n} × {why}")).collect();
    text += &format!(
        "soak, servers and seeds: {}: {} moments, {} tables compared, {} refused ({}), {} wrong\n",
        all.keys().cloned().collect::<Vec<_>>().join(", "),
        sum.moments,
        sum.tables,
        sum.refused_in_all(),
        kinds.join("; "),
        sum.wrong.len()
    );
    let _ = std::io::stderr().write_all(text.as_bytes());
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
