//! What did a table look like at a moment?
//!
//! A [`Timeline`] is an immutable view of one cluster's history: which moments there are, which tables existed with
//! which schema, and which rows of which files stand at a moment. Knows nothing of SQL, clients or sources.

mod cascade;
mod conform;
mod gaps;
mod history;
mod kept;
mod log;
mod moments;
mod rows;
mod snapshot;
mod uneventful;
mod versions;

pub use gaps::LostInterval;
pub use history::{END_OF_TIME, Period};
pub use log::{PartView, Weight};
pub use moments::CommitView;
pub use snapshot::{BasePart, TableSnapshot};
pub use versions::UncertainInterval;

use crate::archive::{Base, Cluster, Footer, Lease, LogPart, Manifest, Replaced, Section, Upkeep};
use crate::error::{Error, Kind, Result};
use crate::model::{Catalog, Moment, NotCarried, Seq, TableId, TableName};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use kept::Kept;
use moments::Segment;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use versions::Versions;

/// Footers and states that are read at once.
const AHEAD: usize = 16;
/// How often a history is read again because the upkeep changed it meanwhile.
const TRIES: usize = 10;
/// Decoded sections are kept up to this many bytes for the next statement.
const SECTION_CACHE_BYTES: usize = 256 << 20;

/// An immutable view of one cluster's history. Cheap to extend: see [`Timeline::refreshed`].
pub struct Timeline {
    cluster: Cluster,
    /// What the upkeep has made of log and bases.
    upkeep: Arc<Upkeep>,
    /// While it lives, nothing of what is here is deleted by this process.
    lease: Arc<Lease>,
    /// As it would be had the history begun where it begins now.
    manifest: Arc<Manifest>,
    /// Single states from before the history's start, in order.
    kept: Vec<Arc<Kept>>,
    /// In order of their numbers.
    segments: Vec<Segment>,
    /// Of each table, in log order.
    sections: BTreeMap<TableId, Vec<SectionRef>>,
    /// Of each table to which foreign keys refer, in log order.
    replaced: BTreeMap<TableId, Vec<ReplacedRef>>,
    versions: Versions,
    cache: Arc<Mutex<rows::SectionCache>>,
    catalogs: Mutex<Option<(Seq, Arc<Catalog>)>>,
}

/// A part of the log that is being read.
type Read = BoxFuture<'static, Result<(LogPart, Arc<Footer>)>>;

/// A section and what of it counts.
#[derive(Debug, Clone)]
struct SectionRef {
    part: LogPart,
    section: Section,
    /// Rows of later seqs are void: capture read their transaction again.
    upto: Seq,
}

/// Replaced rows, and what of them counts.
#[derive(Debug, Clone)]
struct ReplacedRef {
    part: LogPart,
    section: Replaced,
    upto: Seq,
}

/// What SHOW BACKUPS says of a cluster.
#[derive(Debug, Clone)]
pub struct Coverage {
    pub first: Moment,
    /// The newest commit.
    pub latest: Moment,
    /// Moments up to here can be asked (the source had no more commits then).
    pub until: crate::model::Micros,
    pub source: String,
    pub bases: usize,
    pub base_bytes: u64,
    /// Segments that are in no pack.
    pub segments: usize,
    pub packs: usize,
    /// Single moments from before the first that can be asked all the same.
    pub kept: Vec<Moment>,
    /// Times of which nothing is known.
    pub gaps: Vec<LostInterval>,
    /// Beside those.
    pub uncertain: Vec<UncertainInterval>,
    /// Tables that are there at the latest moment but not carried, and why.
    pub refused: Vec<(TableName, NotCarried)>,
}

impl Timeline {
    /// Reads the newest lists and every footer of the log.
    /// Errors: `OutOfRange` when the cluster has no manifest yet; `Corrupt`.
    pub async fn load(cluster: Cluster) -> Result<Timeline> {
        let upkeep = cluster.upkeep().await?;
        Self::assemble(cluster, upkeep, None).await
    }

    /// The same history with what has been added since; `None` when nothing has.
    pub async fn refreshed(&self) -> Result<Option<Timeline>> {
        let by = |newer| Self::assemble(self.cluster.clone(), newer, Some(self));
        if let Some(newer) = self.cluster.upkeep_after(self.upkeep.number).await? {
            return by(newer).await.map(Some);
        }
        match self.grown().await {
            // a segment may have been packed and deleted meanwhile
            Err(error) => match self.cluster.upkeep_after(self.upkeep.number).await? {
                Some(newer) => by(newer).await.map(Some),
                None => Err(error),
            },
            grown => grown,
        }
    }

    /// With what capture has added.
    async fn grown(&self) -> Result<Option<Timeline>> {
        let newest = self.cluster.newest_manifest().await?;
        let newer = match newest.filter(|number| *number > self.manifest.number) {
            Some(_) => self.cluster.manifest().await?.map(|m| m.since_start(&self.upkeep)),
            None => None,
        };
        let parts = self.cluster.log_after(&[], self.last_segment()).await?;
        if newer.is_none() && parts.is_empty() {
            return Ok(None);
        }
        let mut next = Timeline {
            cluster: self.cluster.clone(),
            upkeep: self.upkeep.clone(),
            lease: self.lease.clone(),
            manifest: newer.map_or_else(|| self.manifest.clone(), Arc::new),
            kept: self.kept.clone(),
            segments: self.segments.clone(),
            sections: self.sections.clone(),
            replaced: self.replaced.clone(),
            versions: self.versions.clone(),
            cache: self.cache.clone(),
            catalogs: Mutex::new(None),
        };
        next.read(parts, &HashMap::new()).await?;
        if next.manifest.number > self.manifest.number {
            next.versions = Versions::new(&next.manifest);
            for segment in &next.segments {
                next.versions.add(&segment.footer);
            }
        }
        Ok(Some(next))
    }

    /// By this list of the upkeep, or a newer one. `known`: what was read before is not read again.
    async fn assemble(cluster: Cluster, upkeep: Upkeep, known: Option<&Timeline>) -> Result<Timeline> {
        let mut upkeep = upkeep;
        for _ in 0..TRIES {
            let number = upkeep.number;
            if let Some(lease) = cluster.lease(number) {
                match Self::by_list(cluster.clone(), upkeep.clone(), lease, known).await {
                    // what is gone was replaced by a newer list
                    Err(error) => match cluster.upkeep_after(number).await? {
                        Some(newer) => upkeep = newer,
                        None => return Err(error),
                    },
                    done => return done,
                }
            } else {
                upkeep = cluster.upkeep().await?;
            }
        }
        Err(Error::new(Kind::Io, format!("the archive of cluster {} changes faster than it is read", cluster.name()))
            .hint("Try again; if it stays so, stop `pcloud compact` and `pcloud retain`."))
    }

    async fn by_list(
        cluster: Cluster,
        upkeep: Upkeep,
        lease: Arc<Lease>,
        known: Option<&Timeline>,
    ) -> Result<Timeline> {
        let manifest = cluster.manifest().await?.ok_or_else(|| {
            Error::new(Kind::OutOfRange, format!("cluster {} has no finished base yet", cluster.name()))
                .hint("Its first base is still being taken, or was interrupted: let `pcloud protect` run until it says \"caught up\".")
        })?;
        let manifest = manifest.since_start(&upkeep);
        let parts = cluster.log_after(&upkeep.parts(), upkeep.begins_after()).await?;
        let kept = kept::read(&cluster, &upkeep, known.map_or(&[], |k| &k.kept)).await?;
        let new_cache = || Arc::new(Mutex::new(rows::SectionCache::new(SECTION_CACHE_BYTES)));
        let footers = known.iter().flat_map(|k| &k.segments).map(|s| (s.part, s.footer.clone())).collect();
        let mut timeline = Timeline {
            cluster,
            upkeep: Arc::new(upkeep),
            lease,
            versions: Versions::new(&manifest),
            manifest: Arc::new(manifest),
            kept,
            segments: Vec::new(),
            sections: BTreeMap::new(),
            replaced: BTreeMap::new(),
            cache: known.map_or_else(new_cache, |k| k.cache.clone()),
            catalogs: Mutex::new(None),
        };
        timeline.read(parts, &footers).await?;
        Ok(timeline)
    }

    /// Adds these parts of the log.
    async fn read(&mut self, parts: Vec<LogPart>, known: &HashMap<LogPart, Arc<Footer>>) -> Result<()> {
        let reads: Vec<Read> = parts
            .into_iter()
            .map(|part| {
                let (cluster, known) = (self.cluster.clone(), known.get(&part).cloned());
                async move {
                    match known {
                        Some(footer) => Ok((part, footer)),
                        None => Ok((part, Arc::new(cluster.footer(part).await?))),
                    }
                }
                .boxed()
            })
            .collect();
        let mut footers = stream::iter(reads).buffered(AHEAD);
        while let Some((part, footer)) = footers.try_next().await? {
            self.add(part, footer)?;
        }
        Ok(())
    }

    fn add(&mut self, part: LogPart, footer: Arc<Footer>) -> Result<()> {
        let before = self.latest();
        let segment = Segment::after(before, self.until(), part, footer)
            .map_err(|why| Error::corrupt(format!("the log of cluster {}", self.cluster.name()), why))?;
        if segment.footer.restarts {
            for section in self.sections.values_mut().flatten().filter(|s| s.section.last > before.seq) {
                section.upto = section.upto.min(before.seq);
            }
            for section in self.replaced.values_mut().flatten().filter(|s| s.section.last > before.seq) {
                section.upto = section.upto.min(before.seq);
            }
        }
        for section in &segment.footer.sections {
            let of_table = self.sections.entry(section.table).or_default();
            of_table.push(SectionRef { part, section: section.clone(), upto: Seq::MAX });
        }
        for section in &segment.footer.replaced {
            let of_table = self.replaced.entry(section.table).or_default();
            of_table.push(ReplacedRef { part, section: section.clone(), upto: Seq::MAX });
        }
        self.versions.add(&segment.footer);
        self.segments.push(segment);
        Ok(())
    }

    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// What the upkeep has made of log and bases.
    pub fn upkeep(&self) -> &Upkeep {
        &self.upkeep
    }

    /// Capture's manifest, as if the history had begun where it begins now.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn last_segment(&self) -> u64 {
        self.segments.last().map_or(self.upkeep.begins_after(), |s| s.part.last)
    }

    /// Every base that there is from the start on.
    pub fn bases(&self) -> impl Iterator<Item = &Base> {
        self.manifest.bases.iter().chain(self.upkeep.folded())
    }

    /// Everything but the rows, as it was after commit `seq`.
    /// Errors: `OutOfRange` for a seq that is not kept.
    pub fn catalog_at(&self, seq: Seq) -> Result<Arc<Catalog>> {
        self.known(seq)?;
        if let Some(kept) = self.kept_at(seq) {
            return Ok(kept.catalog.clone());
        }
        let epoch = self.versions.epoch(seq);
        let mut cached = self.catalogs.lock().unwrap_or_else(|e| e.into_inner());
        if let Some((at, catalog)) = cached.as_ref()
            && *at == epoch
        {
            return Ok(catalog.clone());
        }
        let footers = self.segments.iter().map(|s| s.footer.as_ref());
        let catalog = Arc::new(self.manifest.catalog_at(footers, seq));
        *cached = Some((epoch, catalog.clone()));
        Ok(catalog)
    }

    /// What kind of server the cluster is: `MariaDB 10.11.18`.
    pub fn source(&self) -> &str {
        &self.manifest.source
    }

    pub fn coverage(&self) -> Result<Coverage> {
        let latest = self.latest();
        let gaps = self.gaps();
        let mut uncertain = self.uncertain_intervals();
        uncertain.retain(|i| !gaps.iter().any(|gap| gap.from == i.from && Some(gap.until) == i.until));
        Ok(Coverage {
            first: self.first(),
            latest,
            until: self.until(),
            source: self.manifest.source.clone(),
            bases: self.bases().count(),
            base_bytes: self.bases().flat_map(|b| &b.files).map(|f| f.bytes).sum(),
            segments: self.segments.iter().filter(|s| s.part.token.is_none()).count(),
            packs: self.segments.iter().filter(|s| s.part.token.is_some()).count(),
            kept: self.kept.iter().map(|k| k.state.moment).collect(),
            gaps,
            uncertain,
            refused: self.catalog_at(latest.seq)?.refused.clone().into_iter().collect(),
        })
    }
}
