//! How is the archive kept caught up with its source?
//!
//! The first base, then the log from exactly its place, written segment by segment; a table whose history became
//! uncertain is based again. What is in the archive decides where a run goes on; only a machine that cannot read it remembers that itself.
//! Knows nothing of SQL statements or clients, nor of what a bookmark says.

mod backoff;
mod base;
mod doubt;
mod gap;
mod keep;
mod log;
mod memory;
mod progress;
mod reached;
mod retake;
mod times;

pub use progress::{Progress, Show};

use crate::archive::{Archive, Cluster, Manifest, OwnedSpool, Waiting};
use crate::clock::Clock;
use crate::error::{Error, Kind, Result};
use crate::model::{Micros, Seq, TableName};
use crate::source::Source;
use memory::Memory;
use reached::Reached;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long the end of a run waits for the archive to take what is spooled: one that shall end with everything there, and one
/// that is stopped.
const DRAIN_ONCE: Duration = Duration::from_secs(600);
const DRAIN_STOPPED: Duration = Duration::from_secs(5);

/// How often and how large the archive is written.
#[derive(Debug, Clone)]
pub struct Options {
    /// The cluster's name in the archive.
    pub name: String,
    /// Stop when caught up, instead of going on until stopped.
    pub once: bool,
    /// The longest that a commit waits before it is written.
    pub flush_every: Duration,
    /// A segment is written when it holds so much.
    pub flush_bytes: u64,
    /// How often an idle source is noted in the archive.
    pub heartbeat: Duration,
    /// A transaction larger than this is written in parts.
    pub transaction_bytes: u64,
    /// When the source has lost what was not captured: note it, and go on with a new base. Once in a run.
    pub accept_gap: bool,
    /// Tables whose history is in doubt: a new base of each is taken.
    pub retake: Vec<TableName>,
}

impl Options {
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            once: false,
            flush_every: Duration::from_secs(2),
            flush_bytes: 8 << 20,
            heartbeat: Duration::from_micros(Micros::HEARTBEAT.unsigned_abs()),
            transaction_bytes: 64 << 20,
            accept_gap: false,
            retake: Vec::new(),
        }
    }
}

/// What a run did.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// The newest manifest.
    pub manifest: Manifest,
    /// The last commit that is in the archive.
    pub seq: Seq,
    /// Commits and segments that this run wrote.
    pub commits: u64,
    pub segments: u64,
    /// Tables that are uncertain at the end, and why.
    pub uncertain: Vec<(TableName, String)>,
}

/// Protects a source, or takes files in: the first base if the cluster has none, then every change after what the
/// archive holds. Returns when stopped, at the end of files, or (`once`) when caught up; everything that was told is
/// then in the archive, or will be told again.
///
/// May be killed at any instruction. A source or a store that goes away is waited for, without limit unless `once`.
/// Errors: `Server`, with every miss, when the source is not fit to be protected; `Gap` when its log no longer reaches
/// back to what the archive holds (unless `accept_gap`); `Fenced` when another process writes to the cluster; `Cancelled` when stopped before the
/// first base was complete (nothing is kept of it); else as source and archive say.
pub async fn run(
    archive: &Archive,
    source: Arc<dyn Source>,
    options: &Options,
    clock: Arc<dyn Clock>,
    show: Show,
    stop: CancellationToken,
) -> Result<Summary> {
    let cluster = archive.cluster(&options.name)?;
    let spool = cluster.own_spool()?;
    let done = run_spooled(&cluster, spool.as_ref(), source, options, clock, &show, stop).await;
    let Some(spool) = spool else { return done };
    let drain = if options.once && done.is_ok() { DRAIN_ONCE } else { DRAIN_STOPPED };
    // what is spooled is safe here; the archive should have it, too
    match (done, spool.drained(drain).await) {
        (Err(error), _) | (_, Err(error)) => Err(error),
        (Ok(_), Ok(Waiting { objects, away, .. })) if objects > 0 && options.once => {
            let why = away.map_or("the archive takes them slowly".to_string(), |(_, why)| why);
            Err(Error::new(Kind::Io, format!("{objects} objects wait in the spool: {why}"))
                .hint("Nothing is lost: they are sent when this is run again."))
        }
        (Ok(summary), Ok(waiting)) => {
            if waiting.objects > 0 {
                show(Progress::Spooled(waiting));
            }
            Ok(summary)
        }
    }
}

async fn run_spooled(
    cluster: &Cluster,
    spool: Option<&OwnedSpool>,
    source: Arc<dyn Source>,
    options: &Options,
    clock: Arc<dyn Clock>,
    show: &Show,
    stop: CancellationToken,
) -> Result<Summary> {
    let mut memory = Memory::of(cluster)?;
    let mut reached = match Reached::load(cluster, &memory).await? {
        Some(reached) => {
            show(Progress::Checking);
            match source.check(false).await {
                // a source that is away is waited for, once there is something to go on from
                Err(error) if error.kind == Kind::Unreachable => tracing::warn!(%error, "the source is not checked"),
                checked => checked?,
            }
            doubted(cluster, reached, options, clock.as_ref(), &mut memory).await?
        }
        None => {
            show(Progress::Checking);
            source.check(true).await?;
            let taken = base::first(cluster, source.as_ref(), options, clock.as_ref(), show, &mut memory);
            unless_stopped(taken, &stop, options).await?
        }
    };
    if let Some(spool) = spool {
        spool.reached(reached.manifest.number, reached.segment).await?;
    }
    let mut may_bridge = options.accept_gap;
    loop {
        let (source_now, clock_now, show_now) = (source.clone(), clock.clone(), show.clone());
        let told = log::Told { options, clock: clock_now, show: show_now, stop: stop.clone() };
        let log = log::Log::new(cluster.clone(), source_now, told, &mut memory, reached);
        let lost = match log.run().await {
            Err(error) if error.kind == Kind::Gap && may_bridge => error,
            done => return done,
        };
        may_bridge = false;
        show(Progress::Gap { why: lost.message.clone() });
        let bridged = gap::bridge(cluster, source.as_ref(), options, clock.as_ref(), show, &lost.message, &mut memory);
        reached = unless_stopped(bridged, &stop, options).await?;
    }
}

/// What the archive reaches, with the tables in doubt that the options name.
async fn doubted(
    cluster: &Cluster,
    reached: Reached,
    options: &Options,
    clock: &dyn Clock,
    memory: &mut Memory,
) -> Result<Reached> {
    if options.retake.is_empty() {
        return Ok(reached);
    }
    doubt::doubt(cluster, &reached, &options.retake, clock, memory).await
}

/// A base, unless a stop comes before it is complete.
async fn unless_stopped<T>(
    base: impl Future<Output = Result<T>>,
    stop: &CancellationToken,
    options: &Options,
) -> Result<T> {
    tokio::select! {
        taken = base => taken,
        () = stop.cancelled() => {
            Err(Error::new(Kind::Cancelled, format!("the base of {} was stopped", options.name))
                .hint("Nothing of it is kept; start again to take it from its beginning."))
        }
    }
}

#[cfg(test)]
mod tests;
