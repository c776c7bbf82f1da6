//! How far does the archive reach? Folded from the newest lists and every footer of the log.

use super::memory::Memory;
use crate::archive::{Base, Cluster, Footer, Manifest, Upkeep};
use crate::error::{Error, Result};
use crate::model::{Bookmark, Catalog, Micros, Seq};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};

/// Footers that are read at once.
const AHEAD: usize = 16;

/// Where a run goes on.
#[derive(Debug, Clone)]
pub struct Reached {
    pub manifest: Manifest,
    /// As of `seq`.
    pub catalog: Catalog,
    /// The last commit.
    pub seq: Seq,
    /// Its time, and up to when the archive was complete when this was read: as readers date them.
    pub time: Micros,
    pub until: Micros,
    /// Where the source's log goes on.
    pub bookmark: Bookmark,
    /// The last segment's number; 0: there is none.
    pub segment: u64,
    /// The last segment ends within a transaction.
    pub continues: bool,
}

impl Reached {
    /// Right after the first base.
    pub fn begin(manifest: Manifest) -> Self {
        Self::at_start(&Upkeep::default(), manifest)
    }

    /// Where the history begins. The manifest stays as capture wrote it.
    fn at_start(upkeep: &Upkeep, manifest: Manifest) -> Self {
        let begin = manifest.clone().since_start(upkeep);
        Self {
            seq: begin.start.seq,
            time: begin.start.time,
            until: upkeep.start.as_ref().map_or(Micros(begin.start.time.0 - 1), |s| s.until),
            bookmark: begin.bookmark,
            catalog: begin.catalog,
            segment: upkeep.begins_after(),
            continues: false,
            manifest,
        }
    }

    /// From the archive, or, if it cannot be read here, from memory. `None`: the cluster has no first base.
    /// Errors: `Fenced` when memory does not reach as far as the archive.
    pub async fn load(cluster: &Cluster, memory: &Memory) -> Result<Option<Self>> {
        if !cluster.archive().is_readable() {
            let Some(manifest) = cluster.newest_manifest().await? else { return Ok(None) };
            let segment = cluster.newest_segment().await?.unwrap_or_default();
            return memory.recall(cluster, manifest, segment).map(Some);
        }
        loop {
            let upkeep = cluster.upkeep().await?;
            let loaded = Self::by_list(cluster, &upkeep).await;
            // what is gone was replaced by a newer list
            if loaded.is_ok() || cluster.upkeep_after(upkeep.number).await?.is_none() {
                return loaded;
            }
        }
    }

    async fn by_list(cluster: &Cluster, upkeep: &Upkeep) -> Result<Option<Self>> {
        let Some(manifest) = cluster.manifest().await? else { return Ok(None) };
        let parts = cluster.log_after(&upkeep.parts(), upkeep.begins_after()).await?;
        let mut reached = Self::at_start(upkeep, manifest);
        let start = reached.seq;
        let mut retaken: Vec<Base> = reached.manifest.bases.iter().filter(|b| b.seq > start).cloned().collect();
        retaken.sort_by_key(|base| base.seq);
        let mut retaken = retaken.into_iter().peekable();
        let reads: Vec<BoxFuture<'_, Result<Footer>>> =
            parts.into_iter().map(|part| cluster.footer(part).boxed()).collect();
        let mut footers = stream::iter(reads).buffered(AHEAD);
        while let Some(footer) = footers.try_next().await? {
            reached.fold(&footer, &mut retaken)?;
        }
        drop(footers);
        Ok(Some(reached))
    }

    /// What is reached with this segment, which no base falls into. Errors: `Corrupt` when it does not go on from here.
    pub fn with(&self, footer: &Footer) -> Result<Self> {
        let mut next = self.clone();
        next.fold(footer, &mut std::iter::empty().peekable())?;
        Ok(next)
    }

    /// Takes one footer, and the new bases that fall into it: a base holds what commits up to its seq left, so it
    /// comes after their schema changes.
    fn fold(&mut self, footer: &Footer, retaken: &mut std::iter::Peekable<impl Iterator<Item = Base>>) -> Result<()> {
        if let Some(first) = footer.commits.first()
            && first.seq != self.seq.next()
        {
            return Err(Error::corrupt(
                format!("segment {}", footer.number),
                format!("it begins with commit {} after {}", first.seq, self.seq),
            ));
        }
        for entry in &footer.schema {
            while let Some(base) = retaken.next_if(|b| b.seq < entry.seq) {
                based(&mut self.catalog, &base);
            }
            entry.changes.iter().for_each(|change| self.catalog.apply(change));
        }
        let (times, until) = footer.times(self.time, self.until);
        if let (Some(last), Some(time)) = (footer.commits.last(), times.last()) {
            (self.seq, self.time) = (last.seq, *time);
        }
        self.until = until;
        while let Some(base) = retaken.next_if(|b| b.seq <= self.seq) {
            based(&mut self.catalog, &base);
        }
        self.bookmark = footer.bookmark.clone();
        self.segment = footer.number;
        self.continues = footer.continues;
        Ok(())
    }
}

/// A new base makes its table certain.
pub fn based(catalog: &mut Catalog, base: &Base) {
    if let Some(table) = catalog.tables.get_mut(&base.table) {
        *table = base.schema.clone();
        catalog.uncertain.remove(&base.table);
    }
}
