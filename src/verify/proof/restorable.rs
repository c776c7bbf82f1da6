//! Depth three: states are rebuilt, table by table, and compared with what they came to before.

use super::known::{add, still_known, table};
use super::named::read;
use super::{HASH, Outcome, Rebuilt, hexadecimal};
use crate::archive::{KnownState, Proof};
use crate::error::{Kind, Result};
use crate::model::{Moment, Seq, TableSchema};
use crate::timeline::Timeline;
use crate::verify::Progress;
use crate::verify::ranges::{Reader, Sum};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// States of earlier looks that are rebuilt again each time.
const AGAIN: usize = 4;

/// Returns what is known now. Errors: what concerns everything.
pub async fn restorable(
    timeline: &Timeline,
    before: Option<&Proof>,
    moments: usize,
    progress: &Progress,
    found: &mut Outcome,
) -> Result<Vec<KnownState>> {
    let mut known = still_known(before, timeline);
    for seq in chosen(timeline, &known, moments)? {
        let moment = timeline.moment(seq)?;
        progress.enter(format!("rebuilding the state at {} (seq {seq})", moment.time));
        rebuild(timeline, moment, &mut known, progress, found).await?;
    }
    Ok(known)
}

/// The newest state, some at random, and some that were rebuilt before.
fn chosen(timeline: &Timeline, known: &[KnownState], moments: usize) -> Result<BTreeSet<Seq>> {
    let (first, last) = (timeline.first().seq.0, timeline.latest().seq.0);
    let kept: Vec<Seq> = timeline.states().map(|(state, _)| state.moment.seq).collect();
    let gaps: Vec<Seq> = timeline.gaps().iter().map(|g| g.from.seq).collect();
    let mut random = Random::new()?;
    let mut all = BTreeSet::from([timeline.latest().seq]);
    for _ in 0..moments {
        let at = random.below(last - first + 1 + kept.len() as u64);
        all.insert(kept.get(at as usize).copied().unwrap_or_else(|| Seq(first + at - kept.len() as u64)));
    }
    for _ in 0..AGAIN.min(known.len()) {
        all.insert(known[random.below(known.len() as u64) as usize].seq);
    }
    all.retain(|seq| !gaps.contains(seq));
    Ok(all)
}

async fn rebuild(
    timeline: &Timeline,
    moment: Moment,
    known: &mut Vec<KnownState>,
    progress: &Progress,
    found: &mut Outcome,
) -> Result<()> {
    let catalog = timeline.catalog_at(moment.seq)?;
    let mut rebuilt = Rebuilt { moment, tables: 0, rows: 0, same: 0, live: 0 };
    let mut now = Vec::new();
    for schema in catalog.tables.values().filter(|t| !catalog.uncertain.contains_key(&t.id)) {
        let place = format!("{} at seq {}", schema.name, moment.seq);
        let sum = match sum_of(timeline, schema, moment.seq, progress).await {
            Ok(sum) => sum,
            // what follows of a foreign key's actions is known when rows are read
            Err(error) if error.kind == Kind::Uncertain => continue,
            Err(error) if matches!(error.kind, Kind::Limit | Kind::Unsupported) => {
                found.remarks.push(format!("{place} was not rebuilt: {error}"));
                continue;
            }
            Err(error) => {
                read::<()>(Err(error), found)?;
                continue;
            }
        };
        (rebuilt.tables, rebuilt.rows) = (rebuilt.tables + 1, rebuilt.rows + sum.rows);
        let earlier = known.iter().filter(|k| k.seq == moment.seq && k.hash == HASH);
        let mut earlier =
            earlier.flat_map(|k| k.tables.iter().filter(|t| t.table == schema.id).map(move |t| (k.live, t)));
        let (mut same, mut live) = (false, false);
        let differs = earlier.find(|(of_live, t)| {
            (same, live) = (true, live | of_live);
            t.rows != sum.rows || t.sum != hexadecimal(&sum)
        });
        if let Some((of_live, t)) = differs {
            let whose = if of_live { "the live server had there" } else { "it was before" };
            let why = format!(
                "table {place} is not what {whose}: it has {} rows, it had {}; the bytes are as they were written, so this is \
                 a fault of pcloud: please report it",
                sum.rows, t.rows
            );
            found.fault(why);
            continue;
        }
        (rebuilt.same, rebuilt.live) = (rebuilt.same + u64::from(same), rebuilt.live + u64::from(live));
        now.push(table(schema.id, &sum));
    }
    add(known, moment.seq, false, now);
    found.rebuilt.push(rebuilt);
    Ok(())
}

async fn sum_of(timeline: &Timeline, schema: &Arc<TableSchema>, seq: Seq, progress: &Progress) -> Result<Sum> {
    let reader = Reader::new(schema, (0..schema.columns.len()).collect())?;
    let rows = timeline.rows(schema.id, seq).await?;
    let mut sum = Sum::default();
    reader
        .each(rows, |row| {
            sum.add(&row.hash);
            progress.rows_done.fetch_add(1, Ordering::Relaxed);
            Ok(())
        })
        .await?;
    Ok(sum)
}

/// Enough to choose moments that nobody foresees.
struct Random(u64);

impl Random {
    fn new() -> Result<Self> {
        let mut seed = [0; 8];
        getrandom::fill(&mut seed).map_err(|e| crate::error::Error::internal(format!("no random bytes: {e}")))?;
        Ok(Self(u64::from_le_bytes(seed) | 1))
    }

    /// A number below `n`, which is not 0.
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}
