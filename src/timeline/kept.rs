//! Which single states are kept of the time before the history's start?
//!
//! Of that time only some commits' states are there, whole: each stands from its commit until just before the next one
//! that the source made. Every other moment is refused by name.

use super::{AHEAD, Timeline};
use crate::archive::{Base, Cluster, KeptState, StateContent, Upkeep};
use crate::error::{Error, Kind, Result};
use crate::model::{Catalog, Micros, Moment, Seq, TableId};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A state with what it consists of.
#[derive(Debug)]
pub(super) struct Kept {
    pub state: KeptState,
    pub catalog: Arc<Catalog>,
    pub bases: BTreeMap<TableId, Base>,
}

/// The states that the list names. `known`: those that were read before. Equal catalogs and schemas are held once.
pub(super) async fn read(cluster: &Cluster, upkeep: &Upkeep, known: &[Arc<Kept>]) -> Result<Vec<Arc<Kept>>> {
    let unread = upkeep.states.iter().filter(|s| !known.iter().any(|k| k.state == **s)).cloned();
    let reads: Vec<BoxFuture<'static, Result<(KeptState, StateContent)>>> = unread
        .map(|state| {
            let cluster = cluster.clone();
            async move { cluster.state(&state).await.map(|content| (state, content)) }.boxed()
        })
        .collect();
    let contents: Vec<(KeptState, StateContent)> = stream::iter(reads).buffered(AHEAD).try_collect().await?;
    let mut contents: BTreeMap<Seq, _> = contents.into_iter().map(|(s, c)| (s.moment.seq, (s, c))).collect();
    let mut kept: Vec<Arc<Kept>> = Vec::new();
    for state in &upkeep.states {
        let now = match contents.remove(&state.moment.seq) {
            Some((state, content)) => Arc::new(Kept::of(state, content, kept.last().map(Arc::as_ref))),
            None => known
                .iter()
                .find(|k| k.state == *state)
                .cloned()
                .ok_or_else(|| Error::internal(format!("the state of seq {} was not read", state.moment.seq)))?,
        };
        kept.push(now);
    }
    Ok(kept)
}

impl Kept {
    fn of(state: KeptState, content: StateContent, before: Option<&Kept>) -> Kept {
        let StateContent { catalog, bases, .. } = content;
        let same = before.filter(|b| *b.catalog == catalog).map(|b| b.catalog.clone());
        let shared = |mut base: Base| {
            let known = before.and_then(|b| b.bases.get(&base.table)).filter(|b| b.schema == base.schema);
            if let Some(known) = known {
                base.schema = known.schema.clone();
            }
            (base.table, base)
        };
        Kept {
            state,
            catalog: same.unwrap_or_else(|| Arc::new(catalog)),
            bases: bases.into_iter().map(shared).collect(),
        }
    }
}

impl Timeline {
    /// The state that is kept of exactly this seq.
    pub(super) fn kept_at(&self, seq: Seq) -> Option<&Kept> {
        if seq >= self.first().seq {
            return None;
        }
        let at = self.kept.binary_search_by_key(&seq, |k| k.state.moment.seq).ok()?;
        Some(&self.kept[at])
    }

    /// The moment of the state that stood at this time, which is before the start.
    pub(super) fn kept_within(&self, time: Micros) -> Result<Moment> {
        let n = self.kept.partition_point(|k| k.state.moment.time <= time);
        match n.checked_sub(1).map(|i| &self.kept[i].state) {
            Some(state) if time < state.until => Ok(state.moment),
            _ => Err(self.not_kept(time, |state| state.moment.time <= time)),
        }
    }

    pub(super) fn kept_gtid(&self, gtid: &str) -> Option<Moment> {
        let has = |k: &&Arc<Kept>| k.state.gtid.as_deref().is_some_and(|g| g.eq_ignore_ascii_case(gtid));
        self.kept.iter().find(has).map(|k| k.state.moment)
    }

    /// `before`: whether a state is before what was asked.
    pub(super) fn not_kept(&self, asked: impl std::fmt::Display, before: impl Fn(&KeptState) -> bool) -> Error {
        let (first, cluster) = (self.first(), self.cluster.name());
        let n = self.kept.partition_point(|k| before(&k.state));
        let earlier = n.checked_sub(1).map(|i| &self.kept[i].state);
        if earlier.is_none() && self.kept.is_empty() {
            let text = format!(
                "{asked} is before the archive of cluster {cluster} begins: its first moment is {}",
                first.time
            );
            return Error::new(Kind::OutOfRange, text)
                .hint(format!("The nearest moment that can be asked is {} (seq {}).", first.time, first.seq));
        }
        let next = self.kept.get(n).map_or(first, |k| k.state.moment);
        let text = format!(
            "{asked} is not kept any more in the archive of cluster {cluster}: every moment is kept from {} on, before \
             that single states",
            first.time
        );
        Error::new(Kind::OutOfRange, text).hint(match earlier {
            Some(s) => format!(
                "The nearest that can be asked are {} (seq {}) and {} (seq {}).",
                s.moment.time, s.moment.seq, next.time, next.seq
            ),
            None => format!("The nearest that can be asked is {} (seq {}).", next.time, next.seq),
        })
    }
}
