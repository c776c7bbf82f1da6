//! What has the upkeep made of the log and the bases? A numbered list of its own, so that it never fences capture.
//!
//! The newest list says which packs stand for segments, which bases were made here, where the history begins now, and
//! which single states are kept of the time before that. What it does not speak of is as capture wrote it.

use super::cluster::Cluster;
use super::layout;
use super::manifest::{Base, Manifest};
use super::part::LogPart;
use super::seal::seal;
use super::store::failed;
use crate::error::{Error, Kind, Result};
use crate::model::{Bookmark, Catalog, Micros, Moment, Seq};
use object_store::{ObjectStore, PutMode};
use serde::{Deserialize, Serialize};

/// `upkeep/<n>.json`. Number 0, which is never written, changes nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Upkeep {
    /// 1, 2, 3, …; part of the object's name.
    pub number: u64,
    /// Where the history begins, if no longer at the first base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Start>,
    /// In order. They stand for their segments.
    #[serde(default)]
    pub packs: Vec<Pack>,
    /// Made without the source: what the tables held at these seqs. Those at the start's seq are where the history begins.
    #[serde(default)]
    pub bases: Vec<Base>,
    /// In order; all before the start.
    #[serde(default)]
    pub states: Vec<KeptState>,
    /// What a list no longer needs, until it is deleted.
    #[serde(default)]
    pub retired: Vec<Retired>,
    /// Bytes of all segments that went into packs, and of all packs that were ever written.
    #[serde(default)]
    pub packed_bytes: u64,
    #[serde(default)]
    pub written_bytes: u64,
    /// When this list was written.
    pub created: Micros,
}

/// The first moment from which on every moment is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Start {
    pub moment: Moment,
    /// No later commit has this time or an earlier one.
    pub until: Micros,
    /// The log goes on after this segment; it begins with the commit after the moment's.
    pub segment: u64,
    /// The cluster at the moment, without rows.
    pub catalog: Catalog,
    /// Where the source's log goes on.
    pub bookmark: Bookmark,
    /// The newest commit's that had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gtid: Option<String>,
}

/// One object for several segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pack {
    #[serde(flatten)]
    pub part: LogPart,
    /// About how often eight were made into one.
    pub level: u32,
    pub bytes: u64,
}

/// One state of the whole cluster, before the start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeptState {
    pub moment: Moment,
    /// The next commit's time: the state stood from the moment's time until just before it.
    pub until: Micros,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gtid: Option<String>,
    /// Relative to the cluster's prefix: `states/<seq>-<token>.json`.
    pub path: String,
}

/// `states/<seq>-<token>.json`: what a kept state consists of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StateContent {
    pub seq: Seq,
    pub catalog: Catalog,
    /// Of every table that is not uncertain.
    pub bases: Vec<Base>,
}

/// What a list had no more need of, from its number and time on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Retired {
    pub list: u64,
    pub at: Micros,
    /// Segments up to this one, if they are in packs or before the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segments: Option<u64>,
    /// Objects, relative to the cluster's prefix.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<String>,
}

impl Upkeep {
    /// Its packs as parts of the log.
    pub fn parts(&self) -> Vec<LogPart> {
        self.packs.iter().map(|p| p.part).collect()
    }

    /// The segment after which the log begins.
    pub fn begins_after(&self) -> u64 {
        self.start.as_ref().map_or(0, |s| s.segment)
    }

    /// Bases that end no uncertain time, but from which the rows of later seqs can be made: those after the start.
    pub fn folded(&self) -> impl Iterator<Item = &Base> {
        let start = self.start.as_ref().map_or(Seq::ZERO, |s| s.moment.seq);
        self.bases.iter().filter(move |b| b.seq > start)
    }

    /// Whether segment `number` is not needed: in a pack, or before the start.
    pub fn covers(&self, number: u64) -> bool {
        number <= self.begins_after() || self.packs.iter().any(|p| p.part.first <= number && number <= p.part.last)
    }

    /// Whether it holds what every list must; says what it does not.
    fn check(&self, number: u64) -> Result<(), String> {
        if self.number != number || number == 0 {
            return Err(format!("it says that its number is {}", self.number));
        }
        let mut reached = self.begins_after();
        for Pack { part, .. } in &self.packs {
            if part.token.is_none() || part.first <= reached || part.last < part.first {
                return Err(format!("{part} cannot be"));
            }
            reached = part.last;
        }
        let start = self.start.as_ref().map_or(Seq::ZERO, |s| s.moment.seq);
        if let Some(base) = self.bases.iter().find(|b| b.schema.id != b.table || b.seq < start) {
            return Err(format!("the base of table {} at seq {} cannot be", base.table, base.seq));
        }
        if self.states.windows(2).any(|pair| pair[0].moment.seq >= pair[1].moment.seq)
            || self.states.last().is_some_and(|last| last.moment.seq >= start)
        {
            return Err("its states are not in order before its start".into());
        }
        Ok(())
    }
}

impl Manifest {
    /// As the manifest would be had the history begun where it begins now: with the bases at the start, and capture's
    /// own that came after it.
    pub fn since_start(mut self, upkeep: &Upkeep) -> Manifest {
        let Some(start) = &upkeep.start else { return self };
        self.bases.retain(|b| b.seq > start.moment.seq);
        let at_start = upkeep.bases.iter().filter(|b| b.seq == start.moment.seq).cloned();
        self.bases = at_start.chain(self.bases).collect();
        self.catalog = start.catalog.clone();
        self.start = start.moment;
        self.bookmark = start.bookmark.clone();
        self
    }
}

impl Cluster {
    /// The newest list of the upkeep; number 0 when there is none. Read it before the manifest and the log.
    pub async fn upkeep(&self) -> Result<Upkeep> {
        Ok(self.upkeep_after(0).await?.unwrap_or_default())
    }

    /// The newest list after number `number`.
    pub async fn upkeep_after(&self, number: u64) -> Result<Option<Upkeep>> {
        let Some(mut newest) = self.newest_list(number).await? else { return Ok(None) };
        loop {
            let path = self.object_path(&layout::upkeep(newest));
            match self.sealed::<Upkeep>(&path).await {
                Ok(list) => {
                    list.check(newest).map_err(|why| Error::corrupt(&path, why))?;
                    return Ok(Some(list));
                }
                // lists are deleted too, once there are newer ones
                Err(error) => newest = self.newest_list(newest).await?.ok_or(error)?,
            }
        }
    }

    async fn newest_list(&self, after: u64) -> Result<Option<u64>> {
        self.newest(layout::UPKEEP, after, layout::manifest_number).await
    }

    /// Creates `upkeep/<n>.json`: the commit. Every object that it names must be there already.
    /// Errors: `Fenced` when another has that number, `Internal` when the one before is not there or the list
    /// contradicts itself, `Io`.
    pub async fn put_upkeep(&self, list: &Upkeep) -> Result<()> {
        let path = self.object_path(&layout::upkeep(list.number));
        list.check(list.number).map_err(|why| Error::internal(format!("{path} is not written: {why}")))?;
        self.follows(list.number, layout::upkeep).await?;
        self.create(&path, seal(list)?.into()).await.map_err(|e| match e.kind {
            Kind::Fenced => {
                let text =
                    format!("another process keeps the archive of cluster {} small at the same time", self.name());
                Error::new(Kind::Fenced, text)
                    .hint("Leave one of them running; this one has stopped, and nothing is lost.")
            }
            _ => e,
        })
    }

    /// What a kept state consists of. Errors: `Corrupt`, `Io`.
    pub async fn state(&self, state: &KeptState) -> Result<StateContent> {
        let path = self.object_path(&state.path);
        let content: StateContent = self.sealed(&path).await?;
        if content.seq != state.moment.seq {
            return Err(Error::corrupt(&path, format!("it is of seq {}", content.seq)));
        }
        Ok(content)
    }

    /// Writes a state; a list that names it makes it one. `token`: drawn at random. Returns its path.
    pub async fn put_state(&self, content: &StateContent, token: u32) -> Result<String> {
        let relative = layout::state(content.seq, token);
        let path = self.object_path(&relative);
        let put = self.store().put_opts(&path, seal(content)?.into(), PutMode::Create.into()).await;
        put.map(|_| relative).map_err(|e| failed(&path, e))
    }
}
