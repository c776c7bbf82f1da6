//! How the tests run the upkeep.

use pcloud::archive::Cluster;
use pcloud::clock::SystemClock;
use pcloud::error::Result;
use pcloud::model::Micros;
use pcloud::upkeep::{Options, Policy, Progress, Report, Retention};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Eager, and nothing replaced is left.
pub fn eager(rng: &mut fastrand::Rng) -> Options {
    Options {
        fan_in: rng.usize(2..5),
        pack_bytes: rng.u64(20_000..200_000),
        section_bytes: rng.usize(1..20_000),
        fold_percent: 20,
        fold_rows: 3,
        fold_bytes: 1 << 30,
        grace: Duration::ZERO,
        orphan_grace: Duration::ZERO,
    }
}

pub async fn compact(cluster: &Cluster, options: &Options) -> Result<Report> {
    let (progress, cancel) = (Progress::default(), CancellationToken::new());
    pcloud::upkeep::compact(cluster, options, &SystemClock, &progress, &cancel).await
}

pub async fn retain(cluster: &Cluster, policy: &Policy, options: &Options) -> Result<(Retention, Report)> {
    let (progress, cancel) = (Progress::default(), CancellationToken::new());
    pcloud::upkeep::retain(cluster, policy, options, &SystemClock, &progress, &cancel).await
}

/// So many seconds.
pub fn seconds(n: f64) -> Duration {
    Duration::from_secs_f64(n)
}

pub fn later(time: Micros, seconds: f64) -> Micros {
    Micros(time.0 + (seconds * 1e6) as i64)
}
