//! What does a run do, in which order? Each step writes its objects, reads them back, and ends with a list.

use super::fold::fold;
use super::merge::{merge, stopped};
use super::options::{Options, Policy};
use super::plan::{Retention, plan};
use super::report::{Folded, Progress, Report};
use super::tiers::{self, Piece};
use crate::archive::{Base, Cluster, LogPart, Pack, Retired, Upkeep};
use crate::clock::Clock;
use crate::error::{Error, Kind, Result};
use crate::model::{Micros, Seq, TableId};
use crate::timeline::{Timeline, Weight};
use std::collections::BTreeSet;
use tokio_util::sync::CancellationToken;

/// Makes the log and the way to the newest rows shorter, and deletes what that replaced earlier. Every answer stays.
/// Errors: `Fenced` when another run is at work; `Cancelled`; as of the archive. What was done before counts.
pub async fn compact(
    cluster: &Cluster,
    options: &Options,
    clock: &dyn Clock,
    progress: &Progress,
    cancel: &CancellationToken,
) -> Result<Report> {
    let mut work = Work::begin(cluster, options, clock, progress, cancel).await?;
    work.sweep().await?;
    work.pack_log().await?;
    work.fold_heavy().await?;
    work.sweep().await?;
    work.forget().await?;
    Ok(work.done())
}

/// Keeps what the policy says, and lets go of the rest. Returns what was planned and what was done.
/// Errors: as of `compact`.
pub async fn retain(
    cluster: &Cluster,
    policy: &Policy,
    options: &Options,
    clock: &dyn Clock,
    progress: &Progress,
    cancel: &CancellationToken,
) -> Result<(Retention, Report)> {
    let mut work = Work::begin(cluster, options, clock, progress, cancel).await?;
    work.sweep().await?;
    let retention = plan(&work.timeline, policy, clock.now())?;
    if !retention.is_empty() {
        work.carry_out(&retention).await?;
        work.sweep().await?;
    }
    work.forget().await?;
    Ok((retention, work.done()))
}

/// Whether `compact` would do anything now.
pub fn due(timeline: &Timeline, options: &Options, now: Micros) -> bool {
    tiers::next(&pieces(timeline), options).is_some()
        || !heavy(timeline, options).is_empty()
        || timeline.upkeep().retired.iter().any(|r| past(r.at, options.grace, now))
}

/// Whether so much time has gone by since.
pub(super) fn past(since: Micros, span: std::time::Duration, now: Micros) -> bool {
    let span = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
    since.0.saturating_add(span) <= now.0
}

/// One run.
pub(super) struct Work<'a> {
    pub cluster: Cluster,
    pub options: &'a Options,
    pub clock: &'a dyn Clock,
    pub progress: &'a Progress,
    pub cancel: &'a CancellationToken,
    /// By the newest list.
    pub timeline: Timeline,
    pub report: Report,
    /// Lists of which everything that they retired is gone.
    pub gone: BTreeSet<u64>,
}

impl<'a> Work<'a> {
    async fn begin(
        cluster: &Cluster,
        options: &'a Options,
        clock: &'a dyn Clock,
        progress: &'a Progress,
        cancel: &'a CancellationToken,
    ) -> Result<Work<'a>> {
        progress.enter("reading the history");
        let timeline = Timeline::load(cluster.clone()).await?;
        let (report, gone) = (Report::default(), BTreeSet::new());
        Ok(Work { cluster: cluster.clone(), options, clock, progress, cancel, timeline, report, gone })
    }

    fn done(mut self) -> Report {
        let Upkeep { packed_bytes, written_bytes, .. } = self.timeline.upkeep();
        self.report.amplification = *written_bytes as f64 / (*packed_bytes).max(1) as f64;
        self.progress.enter("done");
        self.report
    }

    /// Puts the next list: the newest one with this change. `retired`: what it no longer needs.
    pub async fn put(&mut self, retired: Retired, change: impl FnOnce(&mut Upkeep)) -> Result<()> {
        let mut list = self.timeline.upkeep().clone();
        list.number += 1;
        list.created = self.clock.now();
        list.retired.retain(|r| !self.gone.contains(&r.list));
        if retired.segments.is_some() || !retired.objects.is_empty() {
            list.retired.push(Retired { list: list.number, at: list.created, ..retired });
        }
        change(&mut list);
        self.cluster.put_upkeep(&list).await?;
        let newer = self.timeline.refreshed().await?;
        self.timeline = newer.ok_or_else(|| Error::internal(format!("list {} of the upkeep is gone", list.number)))?;
        Ok(())
    }

    /// What is deleted need not be told any more.
    async fn forget(&mut self) -> Result<()> {
        match self.timeline.upkeep().retired.iter().any(|r| self.gone.contains(&r.list)) {
            true => self.put(Retired::default(), |_| ()).await,
            false => Ok(()),
        }
    }

    async fn pack_log(&mut self) -> Result<()> {
        while let Some((range, level)) = tiers::next(&pieces(&self.timeline), self.options) {
            stopped(self.cancel)?;
            let parts: Vec<LogPart> = self.timeline.log().map(|v| v.part).collect();
            let old = &parts[range.clone()];
            self.progress.enter(format!("packing {} parts of the log", old.len()));
            self.progress.expect(old.len() as u64);
            let part = LogPart::pack(parts[range.start].first, parts[range.end - 1].last, random()?);
            let footers = self.timeline.log().skip(range.start).take(range.len());
            let (read, new): (u64, u64) = footers.fold((0, 0), |(all, new), v| {
                let bytes = v.footer.end();
                (all + bytes, new + if v.part.token.is_none() { bytes } else { 0 })
            });
            let merged = merge(&self.timeline, part, Seq::ZERO, self.options, self.progress, self.cancel).await?;
            let retired = Retired {
                segments: old.iter().filter(|p| p.token.is_none()).map(|p| p.last).max(),
                objects: old.iter().filter(|p| p.token.is_some()).map(|p| p.object()).collect(),
                ..Retired::default()
            };
            let pack = Pack { part: merged.part, level, bytes: merged.bytes };
            self.put(retired, |list| {
                list.packs.retain(|p| p.part.last < part.first || p.part.first > part.last);
                list.packs.push(pack);
                list.packs.sort_by_key(|p| p.part.first);
                list.packed_bytes += new;
                list.written_bytes += pack.bytes;
            })
            .await?;
            self.report.packs += 1;
            self.report.merged += range.len() as u64;
            self.report.read_bytes += read;
            self.report.written_bytes += pack.bytes;
            self.progress.step(range.len() as u64);
        }
        Ok(())
    }

    /// New bases at the newest commit for the tables whose rows have become costly to find.
    async fn fold_heavy(&mut self) -> Result<()> {
        let heavy = heavy(&self.timeline, self.options);
        self.progress.expect(heavy.len() as u64);
        let seq = self.timeline.latest().seq;
        for id in heavy {
            match self.fold(id, seq).await {
                Ok(base) => self.put(Retired::default(), |list| list.bases.push(base)).await?,
                // what cannot be asked cannot be folded either
                Err(error) if matches!(error.kind, Kind::Unsupported | Kind::Limit | Kind::Uncertain) => {
                    self.report.remarks.push(format!("no new base was made: {error}"));
                }
                Err(error) => return Err(error),
            }
            self.progress.step(1);
        }
        Ok(())
    }

    /// A new base of a table; a list must name it.
    pub async fn fold(&mut self, id: TableId, seq: Seq) -> Result<Base> {
        stopped(self.cancel)?;
        let name = self.timeline.catalog_at(seq)?.tables.get(&id).map(|t| t.name.clone());
        let name = name.ok_or_else(|| Error::internal(format!("table {id} does not exist at seq {seq}")))?;
        self.progress.enter(format!("making a base of {name} at seq {seq}"));
        let token = format!("u{:08x}", random()?);
        let base = fold(&self.timeline, id, seq, &token, self.progress, self.cancel).await?;
        let bytes = base.files.iter().map(|f| f.bytes).sum();
        self.report.folded.push(Folded { table: name, seq, rows: base.rows(), bytes });
        Ok(base)
    }
}

/// The log as the tiers see it.
fn pieces(timeline: &Timeline) -> Vec<Piece> {
    let packs = &timeline.upkeep().packs;
    let piece = |v: crate::timeline::PartView<'_>| {
        let pack = packs.binary_search_by_key(&v.part.first, |p| p.part.first).ok().map(|at| &packs[at]);
        Piece {
            level: pack.map_or(0, |p| p.level),
            bytes: pack.map_or_else(|| v.footer.end(), |p| p.bytes),
            commits: v.footer.commits.len(),
            continues: v.footer.continues,
        }
    };
    timeline.log().map(piece).collect()
}

/// The tables whose newest rows are made of too many changes.
fn heavy(timeline: &Timeline, options: &Options) -> Vec<TableId> {
    let Ok(catalog) = timeline.catalog_at(timeline.latest().seq) else { return Vec::new() };
    let certain = catalog.tables.keys().filter(|id| !catalog.uncertain.contains_key(id));
    let is_heavy = |w: Weight| {
        let share = w.changes.saturating_mul(100) > w.base_rows.saturating_mul(options.fold_percent);
        (share && w.changes >= options.fold_rows) || w.bytes > options.fold_bytes
    };
    certain.copied().filter(|id| timeline.weight(*id).is_some_and(is_heavy)).collect()
}

pub(super) fn random() -> Result<u32> {
    getrandom::u32().map_err(|e| Error::internal(format!("no random bytes: {e}")))
}
