//! What do all sessions share? The archive, the timelines, the limits.

use super::snapshots::Snapshots;
use super::workers::Workers;
use crate::archive::Archive;
use crate::clock::Clock;
use crate::error::{Error, Kind, Result};
use crate::timeline::Timeline;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{GreedyMemoryPool, TrackConsumersPool};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// The archive's store under DataFusion.
pub(super) const STORE: &str = "pcloud://archive";
/// The log is listed for new segments at most this often.
const REFRESH: Duration = Duration::from_millis(200);

/// What a process may use.
#[derive(Debug, Clone)]
pub struct Limits {
    /// What all running statements may hold in sorts, joins and aggregations, in bytes.
    pub memory_bytes: usize,
    /// A statement with more words, signs and literals is refused.
    pub statement_tokens: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory_bytes: 1 << 30, statement_tokens: 200_000 }
    }
}

#[derive(Default)]
struct Slot {
    timeline: Option<Arc<Timeline>>,
    checked: Option<Instant>,
}

/// One per process.
pub struct Service {
    archive: Archive,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) limits: Limits,
    pub(super) runtime: Arc<RuntimeEnv>,
    pub(super) workers: Workers,
    pub(super) snapshots: Snapshots,
    slots: Mutex<HashMap<String, Arc<Mutex<Slot>>>>,
    clusters: Mutex<Option<(Instant, Vec<String>)>>,
}

impl Service {
    /// Makes an archive answer statements. Nothing is read yet.
    pub async fn open(archive: Archive, clock: Arc<dyn Clock>, limits: Limits) -> Result<Arc<Service>> {
        let consumers = NonZeroUsize::new(3).expect("3 is not 0");
        let pool = TrackConsumersPool::new(GreedyMemoryPool::new(limits.memory_bytes), consumers);
        // rows never go to a disk of this machine
        let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(pool))
            .with_disk_manager_builder(disk)
            .build_arc()
            .map_err(|e| Error::internal(format!("DataFusion's runtime: {e}")))?;
        let url = ObjectStoreUrl::parse(STORE).map_err(|e| Error::internal(format!("{STORE}: {e}")))?;
        runtime.register_object_store(url.as_ref(), archive.object_store());
        Ok(Arc::new(Service {
            archive,
            clock,
            limits,
            runtime,
            workers: Workers::start()?,
            snapshots: Snapshots::default(),
            slots: Mutex::default(),
            clusters: Mutex::default(),
        }))
    }

    pub fn archive(&self) -> &Archive {
        &self.archive
    }

    pub fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }

    /// The newest view of a cluster's history; new segments are looked for at most every 200 ms.
    /// Errors: `UnknownDatabase` when there is no such cluster, `OutOfRange` when it has no base yet, `Corrupt`, `Io`.
    pub async fn timeline(&self, cluster: &str) -> Result<Arc<Timeline>> {
        let slot = self.slots.lock().await.entry(cluster.to_string()).or_default().clone();
        let mut slot = slot.lock().await;
        match (&slot.timeline, slot.checked) {
            (Some(timeline), Some(checked)) if checked.elapsed() < REFRESH => return Ok(timeline.clone()),
            _ => {}
        }
        let timeline = match &slot.timeline {
            None => {
                if !self.clusters().await?.iter().any(|c| c == cluster) {
                    return Err(Error::new(Kind::UnknownDatabase, format!("the archive has no cluster '{cluster}'"))
                        .hint("SHOW CLUSTERS lists those that it has."));
                }
                Arc::new(Timeline::load(self.archive.cluster(cluster)?).await?)
            }
            Some(old) => old.refreshed().await?.map_or_else(|| old.clone(), Arc::new),
        };
        *slot = Slot { timeline: Some(timeline.clone()), checked: Some(Instant::now()) };
        Ok(timeline)
    }

    /// The names of the archive's clusters, sorted.
    pub async fn clusters(&self) -> Result<Vec<String>> {
        let mut known = self.clusters.lock().await;
        match known.as_ref() {
            Some((read, names)) if read.elapsed() < REFRESH => return Ok(names.clone()),
            _ => {}
        }
        let names = self.archive.clusters().await?;
        *known = Some((Instant::now(), names.clone()));
        Ok(names)
    }
}
