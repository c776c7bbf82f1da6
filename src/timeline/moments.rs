//! Which commit was the newest at a point in time?
//!
//! Commit times tie and run backwards, so a commit's time is here the largest of its own and all earlier ones: a
//! moment T is then the last commit whose time is at or before T, found by bisection, and its answer never changes.
//! What capture said of an idle source counts too: once "nothing more came before X" was written down, no later
//! commit may have a time at or before X.

use super::Timeline;
use crate::archive::{Commit, Footer, LogPart, SchemaEntry};
use crate::error::{Error, Kind, Result};
use crate::model::{Bookmark, Micros, Moment, MomentSpec, Seq};
use std::sync::Arc;

/// A segment's or a pack's footer, and where it stands in time.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub part: LogPart,
    pub footer: Arc<Footer>,
    /// Its commits' times, made monotone.
    pub times: Arc<[Micros]>,
    /// The newest commit before it.
    pub before: Seq,
    /// The newest commit after it; its time is made monotone.
    pub after: Moment,
    /// No commit of a later segment has this time or an earlier one.
    pub until: Micros,
}

/// One commit, with what it did.
#[derive(Debug, Clone)]
pub struct CommitView<'a> {
    pub moment: Moment,
    pub commit: &'a Commit,
    pub schema: Vec<&'a SchemaEntry>,
}

impl Segment {
    /// Places a footer after what came before it. Errors: why its commits don't follow.
    pub fn after(before: Moment, until: Micros, part: LogPart, footer: Arc<Footer>) -> Result<Self, String> {
        let (times, until) = footer.times(before.time, until);
        let mut after = before;
        for (commit, time) in footer.commits.iter().zip(&times) {
            if commit.seq != after.seq.next() {
                return Err(format!("{part} has commit {} after {}", commit.seq, after.seq));
            }
            after = Moment { seq: commit.seq, time: *time };
        }
        Ok(Self { part, footer, times: times.into(), before: before.seq, after, until })
    }

    /// Its commits with their monotone times.
    fn moments(&self) -> impl Iterator<Item = (Moment, &Commit)> {
        self.footer.commits.iter().zip(self.times.iter()).map(|(c, time)| (Moment { seq: c.seq, time: *time }, c))
    }
}

impl Timeline {
    /// The moment from which on every moment can be asked: the first base, or what is kept now.
    pub fn first(&self) -> Moment {
        self.manifest.start
    }

    /// The newest commit in the archive.
    pub fn latest(&self) -> Moment {
        self.segments.last().map_or(self.manifest.start, |s| s.after)
    }

    /// Where the source's log stands after everything that is in the archive.
    pub fn bookmark(&self) -> &Bookmark {
        self.segments.last().map_or(&self.manifest.bookmark, |s| &s.footer.bookmark)
    }

    /// The last commit whose bookmark `holds`, and the bookmark of the commit after it. What holds for a commit must
    /// hold for all before it.
    pub fn last_commit(&self, holds: impl Fn(&Bookmark) -> bool) -> (Moment, Option<&Bookmark>) {
        let mut next = None;
        for segment in self.segments.iter().rev() {
            let commits: Vec<_> = segment.moments().collect();
            for (moment, commit) in commits.into_iter().rev() {
                if holds(&commit.bookmark) {
                    return (moment, next);
                }
                next = Some(&commit.bookmark);
            }
        }
        (self.manifest.start, next)
    }

    /// Points in time up to here can be asked: every commit until then is in the archive.
    pub fn until(&self) -> Micros {
        // more commits of the first base's time may come
        let begin = Micros(self.manifest.start.time.0 - 1);
        let start = || self.upkeep.start.as_ref().map_or(begin, |s| s.until);
        self.segments.last().map_or_else(start, |s| s.until)
    }

    /// The moment that is asked for.
    /// Errors: `OutOfRange`, naming the nearest moment that there is; `Uncertain` when it lies in a gap.
    pub fn resolve(&self, spec: &MomentSpec) -> Result<Moment> {
        let moment = self.located(spec)?;
        match self.gaps().into_iter().find(|gap| gap.from.seq == moment.seq) {
            Some(gap) => Err(gap.refused(self.cluster.name())),
            None => Ok(moment),
        }
    }

    fn located(&self, spec: &MomentSpec) -> Result<Moment> {
        match spec {
            MomentSpec::Latest => Ok(self.latest()),
            MomentSpec::At(time) => self.at(*time),
            MomentSpec::Seq(seq) => self.moment(*seq),
            MomentSpec::Gtid(gtid) => self.gtid(gtid).map(|(moment, _)| moment),
            MomentSpec::BeforeGtid(gtid) => match self.gtid(gtid)? {
                (after, true) => self.moment(after.seq.before()),
                (there, false) => Ok(there),
            },
        }
    }

    fn at(&self, time: Micros) -> Result<Moment> {
        let (first, until) = (self.first(), self.until());
        if time < first.time {
            return self.kept_within(time);
        }
        if time > until {
            return Err(Error::new(
                Kind::OutOfRange,
                format!(
                    "{time} is not in the archive of cluster {} yet: it is complete up to {until}",
                    self.cluster.name()
                ),
            )
            .hint(format!(
                "AS OF LATEST asks for the newest commit (seq {}, {}). While pcloud protect runs, an idle source is noted every \
                 {} minutes: ask again at {}. If that is past, protect does not run, or is behind.",
                self.latest().seq,
                self.latest().time,
                Micros::HEARTBEAT / (60 * Micros::SECOND),
                self.known_at(time),
            )));
        }
        let after = self.segments.partition_point(|s| s.after.time <= time);
        let before = after.checked_sub(1).map_or(first, |i| self.segments[i].after);
        let within = self.segments.get(after).into_iter().flat_map(|s| s.moments()).map(|(m, _)| m);
        Ok(within.take_while(|m| m.time <= time).last().unwrap_or(before))
    }

    /// When a time after the archive's end will be in it at the latest, if capture runs: a segment is written at least
    /// every `Micros::HEARTBEAT`, and says of an idle source that it was.
    fn known_at(&self, time: Micros) -> Micros {
        let written = self.segments.last().map_or(self.manifest.created, |s| s.footer.created);
        let beats = time.0.saturating_sub(written.0).max(1).saturating_add(Micros::HEARTBEAT - 1) / Micros::HEARTBEAT;
        Micros(written.0.saturating_add(beats.saturating_mul(Micros::HEARTBEAT)))
    }

    /// The moment after a transaction, and whether it is a commit (else it changed nothing).
    fn gtid(&self, gtid: &str) -> Result<(Moment, bool)> {
        let wanted = gtid.trim();
        let found = self.segments.iter().rev().find_map(|s| {
            let hit = s.moments().find(|(_, c)| c.gtid.as_deref().is_some_and(|g| g.eq_ignore_ascii_case(wanted)));
            hit.map(|(m, _)| m)
        });
        if let Some(found) = found.or_else(|| self.kept_gtid(wanted)) {
            return Ok((found, true));
        }
        let uneventful = self.uneventful(wanted).map(|seq| Ok((self.moment(seq)?, false)));
        uneventful.unwrap_or_else(|| {
            let (first, last) = (self.edge_gtid(false), self.edge_gtid(true));
            let text = format!("no commit of cluster {} has the GTID {wanted}", self.cluster.name());
            Err(Error::new(Kind::OutOfRange, text).hint(match (first, last) {
                (Some(first), Some(last)) => {
                    format!("The archive holds {first} to {last}; SHOW TRANSACTIONS lists them.")
                }
                _ => "The archive holds no commit with a GTID yet.".to_string(),
            }))
        })
    }

    fn edge_gtid(&self, last: bool) -> Option<&str> {
        let mut all = self.segments.iter().flat_map(|s| &s.footer.commits).filter_map(|c| c.gtid.as_deref());
        if last { all.next_back() } else { all.next() }
    }

    /// Errors: `OutOfRange` for a seq that the archive does not hold.
    pub(super) fn known(&self, seq: Seq) -> Result<()> {
        let latest = self.latest();
        if seq < self.first().seq && self.kept_at(seq).is_none() {
            return Err(self.not_kept(format!("seq {seq}"), |state| state.moment.seq <= seq));
        }
        if seq <= latest.seq {
            return Ok(());
        }
        Err(Error::new(
            Kind::OutOfRange,
            format!("seq {seq} is not in the archive of cluster {} yet", self.cluster.name()),
        )
        .hint(format!("The newest is {} ({}).", latest.seq, latest.time)))
    }

    /// The moment of a seq. Errors: `OutOfRange` when the archive does not hold it.
    pub fn moment(&self, seq: Seq) -> Result<Moment> {
        self.known(seq)?;
        if seq == self.manifest.start.seq {
            return Ok(self.manifest.start);
        }
        if let Some(kept) = self.kept_at(seq) {
            return Ok(kept.state.moment);
        }
        let segment = self.segments.get(self.segments.partition_point(|s| s.after.seq < seq));
        let time = segment.and_then(|s| s.times.get((seq.0.checked_sub(s.before.0 + 1)?) as usize));
        time.map(|time| Moment { seq, time: *time }).ok_or_else(|| Error::internal(format!("seq {seq} has no commit")))
    }

    /// The GTID of the newest commit at or before `seq` that has one.
    pub fn gtid_at(&self, seq: Seq) -> Option<&str> {
        if let Some(kept) = self.kept_at(seq) {
            return kept.state.gtid.as_deref();
        }
        let n = self.segments.partition_point(|s| s.before < seq);
        let commits = self.segments[..n].iter().flat_map(|s| &s.footer.commits);
        let found = commits.rev().filter(|c| c.seq <= seq).find_map(|c| c.gtid.as_deref());
        found.or_else(|| self.upkeep.start.as_ref()?.gtid.as_deref())
    }

    /// The commits with `from <= seq <= to`, oldest first.
    pub fn commits(&self, from: Seq, to: Seq) -> impl DoubleEndedIterator<Item = CommitView<'_>> {
        let n = self.segments.partition_point(|s| s.after.seq < from);
        self.segments[n..]
            .iter()
            .take_while(move |s| s.before < to)
            .flat_map(move |s| {
                let views: Vec<_> = s
                    .moments()
                    .filter(|(m, _)| m.seq >= from && m.seq <= to)
                    .map(|(moment, commit)| CommitView {
                        moment,
                        commit,
                        schema: s.footer.schema.iter().filter(|e| e.seq == moment.seq).collect(),
                    })
                    .collect();
                views
            })
            .collect::<Vec<_>>()
            .into_iter()
    }
}
