//! Depth two: every byte of every object that is named.

use super::Outcome;
use super::named::{Entry, Named, There, What, read};
use crate::archive::Cluster;
use crate::error::Result;
use crate::verify::Progress;
use futures::{StreamExt, stream};
use std::sync::atomic::Ordering;

/// Objects that are read at once.
const AT_ONCE: usize = 4;

pub async fn intact(
    cluster: &Cluster,
    named: &Named,
    there: &There,
    progress: &Progress,
    found: &mut Outcome,
) -> Result<()> {
    let objects: Vec<_> = named.iter().filter(|(path, _)| there.contains_key(*path)).collect();
    progress.objects_done.store(0, Ordering::Relaxed);
    progress.objects_total.store(objects.len() as u64, Ordering::Relaxed);
    let check = |(path, entry): (&String, &Entry)| {
        let (cluster, path, entry) = (cluster.clone(), path.clone(), entry.clone());
        async move {
            let checked = match &entry.what {
                What::Json => cluster.check_json(&path).await,
                What::Part(part) => cluster.check_part(*part).await,
                What::Base(file) => cluster.verify_base_file(file).await,
            };
            match checked {
                // it was deleted since it was listed
                Err(_) if !entry.needed && !cluster.is_listed(&path).await? => Ok(()),
                checked => checked,
            }
        }
    };
    let mut checks = stream::iter(objects.into_iter().map(check)).buffered(AT_ONCE);
    while let Some(checked) = checks.next().await {
        read(checked, found)?;
        progress.objects_done.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}
