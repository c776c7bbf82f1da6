//! Depth one: what is named is there, of the right length; the history has no hole, and no transaction twice.

use super::Outcome;
use super::named::{Named, There, What, read};
use crate::archive::{Cluster, StoredObject};
use crate::error::Result;
use crate::model::Micros;
use crate::timeline::Timeline;
use crate::verify::Progress;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub async fn exists(
    cluster: &Cluster,
    named: &Named,
    there: &mut There,
    progress: &Progress,
    found: &mut Outcome,
) -> Result<()> {
    progress.objects_total.store(named.len() as u64, Ordering::Relaxed);
    for (path, entry) in named {
        progress.objects_done.fetch_add(1, Ordering::Relaxed);
        if !there.contains_key(path) {
            // a listing may be older than what it is compared with
            let Some(bytes) = read(cluster.length(path).await, found)? else { continue };
            let (path, written) = (path.clone(), Micros::default());
            there.insert(path.clone(), StoredObject { path, bytes, written });
        }
        found.objects += 1;
        found.bytes += there.get(path).map_or(0, |o| o.bytes);
        if let What::Base(file) = &entry.what
            && let Some(length) = read(cluster.length(path).await, found)?
            && length != file.bytes
        {
            let path = cluster.object_path(path);
            let why = format!("{path} is damaged: it has {length} bytes instead of {}", file.bytes);
            found.fault(why);
        }
    }
    let unnamed = there.iter().filter(|(path, _)| !named.contains_key(*path));
    (found.unnamed, found.unnamed_bytes) = unnamed.fold((0, 0), |(n, b), (_, o)| (n + 1, b + o.bytes));
    Ok(())
}

/// The history as readers find it: it loads only if its commits follow each other.
pub async fn history(cluster: &Cluster, found: &mut Outcome) -> Result<Option<Arc<Timeline>>> {
    let Some(timeline) = read(Timeline::load(cluster.clone()).await, found)? else { return Ok(None) };
    let mut seen = HashSet::new();
    for part in timeline.log() {
        for commit in &part.footer.commits {
            if let Some(gtid) = &commit.gtid
                && !seen.insert(gtid.as_str())
            {
                let object = cluster.object_path(&part.part.object());
                found.fault(format!("{object}: the transaction {gtid} is there again, as seq {}", commit.seq));
            }
        }
    }
    found.latest = Some(timeline.latest());
    Ok(Some(Arc::new(timeline)))
}
