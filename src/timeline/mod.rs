//! What did a table look like at a moment?
//!
//! A [`Timeline`] is an immutable view of one cluster's history: which moments there are, which tables existed with
//! which schema, and which rows of which files stand at a moment. Knows nothing of SQL, clients or sources.

mod cascade;
mod conform;
mod gaps;
mod history;
mod moments;
mod rows;
mod snapshot;
mod uneventful;
mod versions;

pub use gaps::LostInterval;
pub use history::{END_OF_TIME, Period};
pub use moments::CommitView;
pub use snapshot::{BasePart, TableSnapshot};
pub use versions::UncertainInterval;

use crate::archive::{Cluster, Footer, Manifest, Replaced, Section};
use crate::error::{Error, Kind, Result};
use crate::model::{Catalog, Moment, Seq, TableId, TableName};
use moments::Segment;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use versions::Versions;

/// Decoded sections are kept up to this many bytes for the next statement.
const SECTION_CACHE_BYTES: usize = 256 << 20;

/// An immutable view of one cluster's history. Cheap to extend: see [`Timeline::refreshed`].
pub struct Timeline {
    cluster: Cluster,
    manifest: Arc<Manifest>,
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

/// A section and what of it counts.
#[derive(Debug, Clone)]
struct SectionRef {
    segment: u64,
    section: Section,
    /// Rows of later seqs are void: capture read their transaction again.
    upto: Seq,
}

/// Replaced rows, and what of them counts.
#[derive(Debug, Clone)]
struct ReplacedRef {
    segment: u64,
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
    pub segments: usize,
    /// Times of which nothing is known.
    pub gaps: Vec<LostInterval>,
    /// Beside those.
    pub uncertain: Vec<UncertainInterval>,
    /// Tables that are there at the latest moment but not carried, and why.
    pub refused: Vec<(TableName, String)>,
}

impl Timeline {
    /// Reads the newest manifest and every segment's footer.
    /// Errors: `OutOfRange` when the cluster has no manifest yet; `Corrupt`.
    pub async fn load(cluster: Cluster) -> Result<Timeline> {
        let manifest = cluster.manifest().await?.ok_or_else(|| {
            Error::new(Kind::OutOfRange, format!("cluster {} has no finished base yet", cluster.name()))
                .hint("Its first base is still being taken, or was interrupted: let `pcloud protect` run until it says \"caught up\".")
        })?;
        let mut timeline = Timeline {
            cluster,
            versions: Versions::new(&manifest),
            manifest: Arc::new(manifest),
            segments: Vec::new(),
            sections: BTreeMap::new(),
            replaced: BTreeMap::new(),
            cache: Arc::new(Mutex::new(rows::SectionCache::new(SECTION_CACHE_BYTES))),
            catalogs: Mutex::new(None),
        };
        timeline.read_on().await?;
        Ok(timeline)
    }

    /// The same history with what has been added since; `None` when nothing has.
    pub async fn refreshed(&self) -> Result<Option<Timeline>> {
        let newest = self.cluster.newest_manifest().await?;
        let newer = match newest.filter(|number| *number > self.manifest.number) {
            Some(_) => self.cluster.manifest().await?,
            None => None,
        };
        let last = self.segments.last().map_or(0, |s| s.footer.number);
        if newer.is_none() && self.cluster.segments_after(last).await?.is_empty() {
            return Ok(None);
        }
        let mut next = Timeline {
            cluster: self.cluster.clone(),
            manifest: newer.map_or_else(|| self.manifest.clone(), Arc::new),
            segments: self.segments.clone(),
            sections: self.sections.clone(),
            replaced: self.replaced.clone(),
            versions: self.versions.clone(),
            cache: self.cache.clone(),
            catalogs: Mutex::new(None),
        };
        next.read_on().await?;
        if next.manifest.number > self.manifest.number {
            next.versions = Versions::new(&next.manifest);
            for segment in &next.segments {
                next.versions.add(&segment.footer);
            }
        }
        Ok(Some(next))
    }

    async fn read_on(&mut self) -> Result<()> {
        let last = self.segments.last().map_or(0, |s| s.footer.number);
        for n in self.cluster.segments_after(last).await? {
            let footer = self.cluster.footer(n).await?;
            self.add(footer)?;
        }
        Ok(())
    }

    fn add(&mut self, footer: Footer) -> Result<()> {
        let before = self.latest();
        let segment = Segment::after(before, self.until(), footer)
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
            of_table.push(SectionRef { segment: segment.footer.number, section: section.clone(), upto: Seq::MAX });
        }
        for section in &segment.footer.replaced {
            let of_table = self.replaced.entry(section.table).or_default();
            of_table.push(ReplacedRef { segment: segment.footer.number, section: section.clone(), upto: Seq::MAX });
        }
        self.versions.add(&segment.footer);
        self.segments.push(segment);
        Ok(())
    }

    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Everything but the rows, as it was after commit `seq`.
    /// Errors: `OutOfRange` past the newest commit.
    pub fn catalog_at(&self, seq: Seq) -> Result<Arc<Catalog>> {
        self.known(seq)?;
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
            bases: self.manifest.bases.len(),
            base_bytes: self.manifest.bases.iter().flat_map(|b| &b.files).map(|f| f.bytes).sum(),
            segments: self.segments.len(),
            gaps,
            uncertain,
            refused: self.catalog_at(latest.seq)?.refused.clone().into_iter().collect(),
        })
    }
}
