//! What is deleted, and when?
//!
//! What a list retired goes after the grace, if nobody in this process reads by an earlier list; the newest segment
//! stays in any case, since capture's next one must follow it. Nothing goes that the newest list or manifest names,
//! whatever was said of it before. Of proofs the newest says everything. What no list ever named was left by a run that was stopped; it goes once it is old.

use super::run::{Work, past};
use crate::archive::{Cluster, Folder, StoredObject, Upkeep};
use crate::error::{Error, Kind, Result};
use crate::model::Micros;
use std::collections::{BTreeMap, BTreeSet};

/// Objects that are deleted at a time.
const AT_ONCE: usize = 1000;
/// Reasons that a report names.
const REMARKS: usize = 20;

impl Work<'_> {
    /// Deletes what is due. An object that cannot be deleted stays, and is named in the report.
    pub async fn sweep(&mut self) -> Result<()> {
        self.progress.enter("looking for what can be deleted");
        let list = self.timeline.upkeep().clone();
        if list.number == 0 {
            return Ok(());
        }
        if self.cluster.upkeep_after(list.number).await?.is_some() {
            let text =
                format!("another process keeps the archive of cluster {} small at the same time", self.cluster.name());
            return Err(Error::new(Kind::Fenced, text).hint("Leave one of them running; nothing is lost."));
        }
        let now = self.clock.now();
        let due =
            list.retired.iter().filter(|r| past(r.at, self.options.grace, now)).map(|r| r.list).max().unwrap_or(0);
        let released = self.cluster.released(due);
        let needed = self.needed();
        let there = There::read(&self.cluster).await?;
        let (mut gone, mut waiting): (Vec<&StoredObject>, Vec<&StoredObject>) = (Vec::new(), Vec::new());
        for retired in &list.retired {
            let objects = there.named(&retired.objects).filter(|o| !needed.contains(&o.path));
            let segments = there.segments(retired.segments.unwrap_or(0), &list);
            let all = objects.chain(segments);
            if retired.list <= released { gone.extend(all) } else { waiting.extend(all) }
        }
        // the newest segment, in a pack or not
        waiting.extend(there.newest.iter().filter(|(n, _)| list.covers(*n)).map(|(_, o)| o));
        gone.extend(there.lists.iter().filter(|o| {
            Cluster::list_number(&o.path).is_some_and(|n| n < list.number) && past(o.written, self.options.grace, now)
        }));
        let newest = there.proofs.last().map(|o| o.path.clone());
        let older = there.proofs.iter().filter(|o| Some(&o.path) != newest.as_ref());
        gone.extend(older.filter(|o| past(o.written, self.options.grace, now)));
        gone.extend(self.orphans(&there, &list, &needed, now));
        gone.sort_by(|a, b| a.path.cmp(&b.path));
        gone.dedup();
        let kept: BTreeSet<&str> = gone.iter().map(|o| o.path.as_str()).collect();
        waiting.retain(|o| !kept.contains(o.path.as_str()));
        waiting.sort_by(|a, b| a.path.cmp(&b.path));
        waiting.dedup();
        let failed = self.delete(&gone).await;
        if failed == 0 {
            self.gone.extend(list.retired.iter().map(|r| r.list).filter(|l| *l <= released));
        }
        self.report.waiting_objects = waiting.len() as u64;
        self.report.waiting_bytes = waiting.iter().map(|o| o.bytes).sum();
        Ok(())
    }

    /// Returns how many could not be deleted.
    async fn delete(&mut self, objects: &[&StoredObject]) -> usize {
        let mut failed = 0;
        for some in objects.chunks(AT_ONCE) {
            self.progress.enter(format!("deleting {} objects", objects.len()));
            let paths: Vec<String> = some.iter().map(|o| o.path.clone()).collect();
            let errors = self.cluster.delete(&paths).await;
            failed += errors.len();
            let room = REMARKS.saturating_sub(self.report.remarks.len());
            self.report.remarks.extend(errors.iter().take(room).map(|e| format!("an object stays: {e}")));
            self.report.deleted_objects += (some.len() - errors.len().min(some.len())) as u64;
            self.report.deleted_bytes += if errors.is_empty() { some.iter().map(|o| o.bytes).sum() } else { 0 };
        }
        failed
    }

    /// What the newest lists name.
    fn needed(&self) -> BTreeSet<String> {
        let timeline = &self.timeline;
        let bases = timeline.bases().chain(timeline.states().flat_map(|(_, bases)| bases));
        let files = bases.flat_map(|b| &b.files).map(|f| f.path.clone());
        let states = timeline.states().map(|(state, _)| state.path.clone());
        files.chain(states).chain(timeline.log().map(|v| v.part.object())).collect()
    }

    /// What no list names, and is old. A base that capture left counts only when a later manifest does not name it.
    fn orphans<'o>(
        &self,
        there: &'o There,
        list: &Upkeep,
        needed: &BTreeSet<String>,
        now: Micros,
    ) -> Vec<&'o StoredObject> {
        let retired: BTreeSet<&String> = list.retired.iter().flat_map(|r| &r.objects).collect();
        let unnamed = |o: &&StoredObject| !needed.contains(&o.path) && !retired.contains(&o.path);
        let old = |written: Micros| past(written, self.options.orphan_grace, now);
        let single = there.packs.iter().chain(&there.states).filter(unnamed).filter(|o| old(o.written));
        let mut orphans: Vec<&StoredObject> = single.collect();
        // a spool may bring segments that are in packs already; those that a list retired wait for their time
        let retired = list.retired.iter().filter_map(|r| r.segments).max().unwrap_or(0);
        let late = there.older.iter().filter(|(n, o)| *n > retired && list.covers(*n) && old(o.written));
        orphans.extend(late.map(|(_, o)| o));
        let mut directories: BTreeMap<&str, Vec<&StoredObject>> = BTreeMap::new();
        for object in &there.bases {
            let directory = object.path.rsplit_once('/').map_or("", |(directory, _)| directory);
            directories.entry(directory).or_default().push(object);
        }
        for (directory, files) in directories {
            if !files.iter().all(unnamed) {
                continue;
            }
            let newest = files.iter().map(|o| o.written).max().unwrap_or(now);
            let ours = directory.rsplit_once('/').is_some_and(|(_, token)| token.starts_with('u'));
            if old(newest) && (ours || past(newest, self.options.orphan_grace, self.timeline.manifest().created)) {
                orphans.extend(files);
            }
        }
        orphans
    }
}

/// What the store holds beside manifests.
struct There {
    /// All but the newest, by number.
    older: Vec<(u64, StoredObject)>,
    newest: Option<(u64, StoredObject)>,
    packs: Vec<StoredObject>,
    bases: Vec<StoredObject>,
    states: Vec<StoredObject>,
    lists: Vec<StoredObject>,
    /// In the order of their numbers.
    proofs: Vec<StoredObject>,
}

impl There {
    async fn read(cluster: &Cluster) -> Result<There> {
        let segments = cluster.objects(Folder::Segments).await?;
        let mut older: Vec<_> =
            segments.into_iter().filter_map(|o| Some((Cluster::segment_number(&o.path)?, o))).collect();
        older.sort_by_key(|(n, _)| *n);
        let newest = older.pop();
        Ok(There {
            older,
            newest,
            packs: cluster.objects(Folder::Packs).await?,
            bases: cluster.objects(Folder::Bases).await?,
            states: cluster.objects(Folder::States).await?,
            lists: cluster.objects(Folder::Lists).await?,
            proofs: cluster.objects(Folder::Proofs).await?,
        })
    }

    fn named<'a>(&'a self, paths: &'a [String]) -> impl Iterator<Item = &'a StoredObject> {
        let all = [&self.packs, &self.bases, &self.states];
        paths.iter().filter_map(move |path| {
            all.iter().find_map(|o| o.binary_search_by(|o| o.path.cmp(path)).ok().map(|at| &o[at]))
        })
    }

    /// Segments up to this one that the list does not need.
    fn segments<'a>(&'a self, last: u64, list: &'a Upkeep) -> impl Iterator<Item = &'a StoredObject> {
        self.older.iter().filter(move |(n, _)| *n <= last && list.covers(*n)).map(|(_, o)| o)
    }
}
