//! Looks, and tells the archive what was found.

use super::exists::{exists, history};
use super::intact::intact;
use super::named::{Lists, there};
use super::restorable::restorable;
use super::{Depth, Options, Outcome, known};
use crate::archive::Cluster;
use crate::clock::Clock;
use crate::error::{Error, Kind, Result};
use crate::verify::Progress;
use std::sync::Arc;
use std::time::Instant;
use tokio_util::sync::CancellationToken;

/// Looks at a cluster's archive as deep as the options say. Nothing is changed but for the record of it (`proofs/`).
/// Errors: `Usage` when the archive cannot be read with our keys, or has no such cluster; `Io`; `Cancelled`. That something is
/// wrong is no error: the outcome says so.
pub async fn run(
    cluster: Cluster,
    options: Options,
    clock: Arc<dyn Clock>,
    progress: Arc<Progress>,
    cancel: CancellationToken,
) -> Result<Outcome> {
    tokio::select! {
        biased;
        () = cancel.cancelled() => {
            Err(Error::new(Kind::Cancelled, format!("VERIFY CLUSTER {} was cancelled", cluster.name())))
        }
        outcome = look(&cluster, options, clock.as_ref(), &progress) => outcome,
    }
}

async fn look(cluster: &Cluster, options: Options, clock: &dyn Clock, progress: &Progress) -> Result<Outcome> {
    let began = Instant::now();
    progress.enter("listing the archive");
    let archive = cluster.archive().direct().await?;
    let cluster = archive.cluster(cluster.name())?;
    let mut found = Outcome::new(options.depth, clock.now());
    let mut again = false;
    loop {
        // before it is listed what is there: another look may end while this one goes on
        let earlier = cluster.proof().await;
        let lists = Lists::read(&cluster, &mut found).await?;
        let mut there = there(&cluster).await?;
        let named = lists.named(&there);
        if !there.keys().any(|path| path.starts_with("manifest/")) {
            let text = format!("the archive has no backup of cluster {}", cluster.name());
            return Err(Error::new(Kind::OutOfRange, text).hint("SHOW CLUSTERS lists those that there are."));
        }
        exists(&cluster, &named, &mut there, progress, &mut found).await?;
        let timeline = history(&cluster, &mut found).await?;
        if options.depth >= Depth::Intact {
            progress.enter("reading every byte");
            intact(&cluster, &named, &there, progress, &mut found).await?;
        }
        // what the upkeep has replaced meanwhile may be gone: then the newer list counts
        let newer = || cluster.upkeep_after(lists.number());
        if !found.whole() && !again && newer().await.is_ok_and(|list| list.is_some()) {
            (found, again) = (Outcome::new(options.depth, clock.now()), true);
            continue;
        }
        let before = cluster.proof().await.unwrap_or_else(|error| {
            found.remarks.push(format!("What was proven before is not known: {error}"));
            None
        });
        match (earlier, found.latest) {
            (Ok(Some(earlier)), Some(latest)) => {
                let gone = known::went_back(&earlier, latest.seq, lists.manifest(), &cluster);
                gone.into_iter().for_each(|fault| found.fault(fault));
            }
            (Err(error), _) => {
                found.remarks.push(format!("Whether the archive reached further before is not known: {error}"));
            }
            _ => {}
        }
        let mut known = timeline.as_ref().map(|t| known::still_known(before.as_ref(), t)).unwrap_or_default();
        if options.depth == Depth::Restorable
            && let Some(timeline) = &timeline
        {
            known = restorable(timeline, before.as_ref(), options.moments, progress, &mut found).await?;
        }
        found.took = began.elapsed();
        if options.record {
            progress.enter("noting what was found");
            let seq = found.latest.map(|m| m.seq).unwrap_or_default();
            let check = known::check(&found, seq, lists.manifest());
            if let Err(error) = known::record(&cluster, before, check, known).await {
                found.remarks.push(format!("What was found is not noted in the archive: {error}"));
            }
        }
        return Ok(found);
    }
}
