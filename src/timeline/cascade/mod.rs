//! What did foreign keys' actions do to a table's rows? The server's engine does it, and no log says it.
//!
//! Capture writes down, for each change of a row to which such keys refer, what the referenced columns held before and
//! after it, and the order of changes within a transaction. What followed is found out when a moment is asked, in two
//! steps that take turns:
//!
//! 1. *gather*: of every table on the way (the one that is asked, its parents, theirs, …) the rows that refer to
//!    something that was deleted or changed, with their logged changes. The rows come from a scan of the few columns
//!    that matter; only rows that may be concerned stay in memory.
//! 2. *replay*: logged changes and captured ones in the server's order. A change reaches the rows that refer to it at
//!    that point, and through them others, depth first, by the foreign keys' names, as InnoDB does it. Where this
//!    comes to look for something that was not gathered, it is gathered, and the replay begins again.
//!
//! When a replay looked for nothing new, every row that could matter was in it, so what it did is what the server did.
//! Its result is a *trail*: of each row that foreign keys changed, what became of it after which commit. A later logged
//! change has the row's full image, and counts.

mod gather;
mod graph;
mod replay;
mod rows;

pub(super) use replay::Live;
pub(super) use rows::Derived;

use super::Timeline;
use crate::error::{Error, Kind, Result};
use crate::model::{Seq, TableId};
use gather::{Fact, Instance, Wanted};
use graph::graph;
use replay::Replay;

/// Replays of one answer. Each but the last finds something new to look for: a level of foreign keys, mostly.
const MAX_REPLAYS: usize = 100;

impl Timeline {
    /// What foreign keys made of a table's rows after its base at `after` (or after it was made then) up to a seq.
    /// Errors: `Limit`, `Corrupt`; `Unsupported` and `Uncertain` where it cannot be known.
    pub(super) async fn derived(&self, id: TableId, after: Seq, upto: Seq) -> Result<Derived> {
        if !self.versions.cascades() {
            return Ok(Derived::default());
        }
        let graph = graph(&self.versions, id, after, upto, |table, from| self.cascade_start(table, from));
        let mut facts: Vec<Fact> = Vec::new();
        for parent in graph.needed.keys() {
            let links = || graph.links.iter().filter(|l| l.parent == *parent);
            if links().next().is_some() {
                facts.extend(self.cascade_facts(*parent, graph.needed[parent], upto).await?);
            }
        }
        if facts.is_empty() {
            return Ok(Derived::default());
        }
        let mut instances: Vec<Instance> = Vec::new();
        for (table, from) in &graph.needed {
            if graph.links.iter().any(|l| l.child == *table) {
                instances.extend(self.cascade_instances(*table, &graph, *from, upto).await?);
            }
        }
        let none = |i: &Instance| Wanted { references: vec![Default::default(); i.slots.len()], ..Wanted::default() };
        let mut wanted: Vec<Wanted> = instances.iter().map(none).collect();
        for _ in 0..MAX_REPLAYS {
            let mut replay = Replay::new(&graph, &instances, id, wanted.clone());
            replay.run(&facts)?;
            let (asked, trail) = (replay.wanted, replay.trail);
            if asked == wanted {
                return Ok(Derived { trail, instances });
            }
            for ((instance, before), wanted) in instances.iter_mut().zip(&mut wanted).zip(asked) {
                if *before != wanted {
                    *before = wanted;
                    instance.gather(self, before).await?;
                }
            }
        }
        Err(Error::new(Kind::Limit, format!("foreign keys of table {id} lead from row to row too often"))
            .hint("Ask a moment nearer to the table's base."))
    }
}
