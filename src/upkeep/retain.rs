//! How does the history get a later beginning? Its states become bases, the log before it goes.
//!
//! First every table gets bases at the moments that stay, named as bases in the middle of the history: a run that is
//! stopped there has lost nothing. Then one list moves the beginning.

use super::merge::{merge, stopped};
use super::plan::Retention;
use super::run::{Work, random};
use crate::archive::{Base, Folder, KeptState, LogPart, Pack, Retired, Start, StateContent};
use crate::error::{Error, Kind, Result};
use crate::model::{Bookmark, Catalog, Seq};
use crate::timeline::{PartView, Timeline};
use std::collections::BTreeSet;

impl Work<'_> {
    pub async fn carry_out(&mut self, plan: &Retention) -> Result<()> {
        let new: Vec<_> = plan.states.iter().filter(|s| !s.exists).collect();
        let moves = plan.start != plan.was;
        self.progress.expect(new.len() as u64 + u64::from(moves));
        let mut states: Vec<(KeptState, Vec<Base>)> = Vec::new();
        for state in new {
            let (catalog, bases) = self.content(state.moment.seq, true).await?;
            let gtid = self.timeline.gtid_at(state.moment.seq).map(str::to_string);
            let content = StateContent { seq: state.moment.seq, catalog, bases };
            let path = self.cluster.put_state(&content, random()?).await?;
            states.push((KeptState { moment: state.moment, until: state.until, gtid, path }, content.bases));
            self.report.states += 1;
            self.progress.step(1);
        }
        let mut start = None;
        if moves {
            let (catalog, bases) = self.content(plan.start.seq, false).await?;
            let bookmark = bookmark(&self.timeline, plan)?;
            let gtid = self.timeline.gtid_at(plan.start.seq).map(str::to_string);
            let (segment, until) = (plan.cut.segment, plan.cut.until);
            start = Some((Start { moment: plan.start, until, segment, catalog, bookmark, gtid }, bases));
            self.progress.step(1);
        }
        let pack = self.anew(plan).await?;
        self.move_start(plan, states, start, pack).await
    }

    /// The cluster at a seq, with a base of each table that has just its rows. `may_lack`: a table whose rows cannot
    /// be found there is uncertain in it, for that reason.
    async fn content(&mut self, seq: Seq, may_lack: bool) -> Result<(Catalog, Vec<Base>)> {
        let mut catalog = Catalog::clone(self.timeline.catalog_at(seq)?.as_ref());
        let tables: Vec<_> = catalog.tables.keys().filter(|id| !catalog.uncertain.contains_key(id)).copied().collect();
        let (mut bases, mut made) = (Vec::new(), Vec::new());
        for id in tables {
            stopped(self.cancel)?;
            let found = match self.timeline.base_at(id, seq).await {
                Ok(Some(base)) => Ok(base),
                Ok(None) => self.fold(id, seq).await.inspect(|base| made.push(base.clone())),
                Err(error) => Err(error),
            };
            match found {
                Ok(base) => bases.push(base),
                Err(e) if may_lack && matches!(e.kind, Kind::Unsupported | Kind::Limit | Kind::Uncertain) => {
                    catalog.uncertain.insert(id, e.message);
                }
                Err(e) => return Err(e),
            }
        }
        for file in bases.iter().flat_map(|b| &b.files) {
            self.cluster.verify_base_file(file).await?;
        }
        if !made.is_empty() {
            // what comes next builds upon them
            self.put(Retired::default(), |list| list.bases.extend(made)).await?;
        }
        Ok((catalog, bases))
    }

    /// What holds commits of both sides of the start, without those before it.
    async fn anew(&mut self, plan: &Retention) -> Result<Option<Pack>> {
        let Some((first, last)) = plan.cut.anew.filter(|_| plan.start != plan.was) else { return Ok(None) };
        self.progress.enter("writing the beginning of the log anew");
        let part = LogPart::pack(first, last, random()?);
        let merged = merge(&self.timeline, part, plan.start.seq, self.options, self.progress, self.cancel).await?;
        let within = |p: &&Pack| p.part.first >= first && p.part.last <= last;
        let level = self.timeline.upkeep().packs.iter().filter(within).map(|p| p.level).max().unwrap_or(1);
        self.report.packs += 1;
        self.report.merged += 1;
        self.report.written_bytes += merged.bytes;
        Ok(Some(Pack { part, level, bytes: merged.bytes }))
    }

    /// The list that counts: from it on only what the plan keeps can be asked.
    async fn move_start(
        &mut self,
        plan: &Retention,
        states: Vec<(KeptState, Vec<Base>)>,
        start: Option<(Start, Vec<Base>)>,
        pack: Option<Pack>,
    ) -> Result<()> {
        self.progress.enter("moving the beginning");
        let stays = |m: &KeptState| !plan.dropped.contains(&m.moment);
        let timeline = &self.timeline;
        let begin = plan.start.seq;
        let mut files: BTreeSet<&String> = paths(states.iter().flat_map(|(_, bases)| bases));
        files.extend(paths(timeline.states().filter(|(s, _)| stays(s)).flat_map(|(_, bases)| bases)));
        files.extend(paths(start.iter().flat_map(|(_, bases)| bases)));
        files.extend(paths(timeline.bases().filter(|b| start.is_none() || b.seq > begin)));
        let before = timeline.bases().chain(timeline.states().flat_map(|(_, bases)| bases));
        let mut objects: Vec<String> = paths(before).difference(&files).map(|path| path.to_string()).collect();
        objects.extend(timeline.states().filter(|(s, _)| !stays(s)).map(|(s, _)| s.path.clone()));
        let goes = |part: LogPart| {
            let anew = pack.is_some_and(|p| part.first >= p.part.first && part.last <= p.part.last);
            start.as_ref().is_some_and(|(s, _)| part.last <= s.segment) || anew
        };
        let parts: Vec<LogPart> = timeline.log().map(|v| v.part).filter(|p| goes(*p)).collect();
        objects.extend(parts.iter().filter(|p| p.token.is_some()).map(|p| p.object()));
        let segments = parts.iter().map(|p| p.last).max();
        let anew = |v: &PartView<'_>| {
            v.part.token.is_none() && goes(v.part) && start.as_ref().is_some_and(|(s, _)| v.part.last > s.segment)
        };
        let packed: u64 = timeline.log().filter(anew).map(|v| v.footer.end()).sum();
        let folded: Vec<Base> = timeline.upkeep().folded().filter(|b| b.seq > begin).cloned().collect();
        let dropped = plan.dropped.clone();
        self.put(Retired { segments, objects, ..Retired::default() }, |list| {
            list.states.retain(|s| !dropped.contains(&s.moment));
            list.states.extend(states.into_iter().map(|(state, _)| state));
            list.states.sort_by_key(|s| s.moment.seq);
            list.packs.retain(|p| !parts.contains(&p.part));
            list.packs.extend(pack);
            list.packs.sort_by_key(|p| p.part.first);
            list.packed_bytes += packed;
            list.written_bytes += pack.map_or(0, |p| p.bytes);
            if let Some((start, bases)) = start {
                list.start = Some(start);
                list.bases = bases.into_iter().chain(folded).collect();
            }
        })
        .await?;
        self.check(plan).await
    }

    /// Whether everything that is kept can be read as the new list has it, before anything is deleted.
    async fn check(&mut self, plan: &Retention) -> Result<()> {
        let moments: Vec<Seq> = plan.states.iter().map(|s| s.moment.seq).chain([plan.start.seq]).collect();
        let there: BTreeSet<String> =
            self.cluster.objects(Folder::Bases).await?.into_iter().map(|object| object.path).collect();
        for seq in moments {
            let catalog = self.timeline.catalog_at(seq)?;
            for id in catalog.tables.keys().filter(|id| !catalog.uncertain.contains_key(id)) {
                let snapshot = self.timeline.snapshot(*id, seq).await?;
                if let Some(part) = snapshot.base.iter().find(|part| !there.contains(&part.file.path)) {
                    return Err(Error::corrupt(&part.file.path, "it is missing, right after it was needed"));
                }
            }
        }
        Ok(())
    }
}

fn paths<'b>(bases: impl Iterator<Item = &'b Base>) -> BTreeSet<&'b String> {
    bases.flat_map(|b| &b.files).map(|f| &f.path).collect()
}

/// Where the source's log goes on after the start.
fn bookmark(timeline: &Timeline, plan: &Retention) -> Result<Bookmark> {
    // a whole part that goes knows of what came after its last commit, too
    let whole = timeline.log().find(|v| plan.cut.anew.is_none() && v.part.last == plan.cut.segment);
    let commit = || timeline.commits(plan.start.seq, plan.start.seq).next().map(|c| c.commit.bookmark.clone());
    let found = whole.map(|v| v.footer.bookmark.clone()).or_else(commit);
    found.ok_or_else(|| Error::internal(format!("seq {} has no commit", plan.start.seq)))
}
