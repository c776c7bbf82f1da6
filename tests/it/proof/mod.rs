//! VERIFY without a server: whatever is wrong with an archive is found, and nothing else is.

mod asked;
mod damage;
mod moving;
mod states;

use pcloud::archive::Cluster;
use pcloud::clock::SystemClock;
use pcloud::verify::Progress;
use pcloud::verify::proof::{self, Depth, Options, Outcome};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

async fn look(cluster: &Cluster, options: Options) -> pcloud::error::Result<Outcome> {
    let (clock, progress) = (Arc::new(SystemClock), Arc::new(Progress::default()));
    proof::run(cluster.clone(), options, clock, progress, CancellationToken::new()).await
}

/// Without a record.
async fn quietly(cluster: &Cluster, depth: Depth) -> pcloud::error::Result<Outcome> {
    look(cluster, Options { depth, record: false, ..Options::default() }).await
}
