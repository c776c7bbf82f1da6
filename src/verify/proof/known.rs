//! What is remembered of tables that were read or compared: the newest proof carries it, bounded.

use super::{HASH, Outcome, hexadecimal};
use crate::archive::{Check, Cluster, KnownState, KnownTable, Proof};
use crate::error::Result;
use crate::model::{Micros, Moment, Seq, TableId};
use crate::timeline::Timeline;
use crate::verify::ranges::Sum;

/// States that are remembered; those that a live server had stay longest.
const STATES: usize = 32;
/// Tables of them in all.
const TABLES: usize = 20_000;

/// What a table came to.
pub fn table(id: TableId, sum: &Sum) -> KnownTable {
    KnownTable { table: id, rows: sum.rows, sum: hexadecimal(sum) }
}

/// What earlier looks left, without moments that cannot be asked any more and hashes that are not ours.
pub fn still_known(proof: Option<&Proof>, timeline: &Timeline) -> Vec<KnownState> {
    let known = proof.map(|p| p.known.clone()).unwrap_or_default();
    known.into_iter().filter(|k| k.hash == HASH && timeline.moment(k.seq).is_ok()).collect()
}

/// What is said of an archive that ends before an earlier look's end: nothing else tells of last objects that are gone.
/// `manifest`: the newest one's number, or 0.
pub fn went_back(proof: &Proof, seq: Seq, manifest: u64, cluster: &Cluster) -> Vec<String> {
    let mut said = Vec::new();
    // a live server was compared with what may have been in the spool still
    let looks = || proof.checks.iter().filter(|c| c.depth != LIVE);
    if let Some(check) = looks().max_by_key(|c| c.seq).filter(|c| c.seq > seq) {
        let Check { seq: then, at, .. } = check;
        let path = cluster.object_path("log/");
        said.push(format!("{path}: the log reached to seq {then} when it was verified at {at}, and now ends at seq {seq}: its newest objects are gone"));
    }
    if let Some(check) = looks().max_by_key(|c| c.manifest).filter(|c| manifest > 0 && c.manifest > manifest) {
        let path = cluster.object_path(&format!("manifest/{:020}.json", check.manifest));
        said.push(format!("{path} is missing: it was there at {}", check.at));
    }
    said
}

/// Adds tables to what is known of a moment.
pub fn add(known: &mut Vec<KnownState>, seq: Seq, live: bool, tables: Vec<KnownTable>) {
    if tables.is_empty() {
        return;
    }
    match known.iter_mut().find(|k| k.seq == seq && k.live == live) {
        Some(state) => {
            state.tables.retain(|old| !tables.iter().any(|new| new.table == old.table));
            state.tables.extend(tables);
        }
        None => known.push(KnownState { seq, hash: HASH, live, tables }),
    }
}

/// Leaves out what is too much: first what no live server had, the oldest first.
fn bound(known: &mut Vec<KnownState>) {
    known.sort_by_key(|k| (k.live, k.seq));
    let tables = |known: &[KnownState]| known.iter().map(|k| k.tables.len()).sum::<usize>();
    while known.len() > STATES || tables(known) > TABLES && known.len() > 1 {
        known.remove(0);
    }
}

/// The proof that follows: of each depth the newest look counts.
pub async fn record(cluster: &Cluster, before: Option<Proof>, check: Check, mut known: Vec<KnownState>) -> Result<()> {
    bound(&mut known);
    // one that cannot be read has its number all the same
    let number = cluster.newest_proof().await? + 1;
    let mut checks = before.map(|p| p.checks).unwrap_or_default();
    checks.retain(|c| c.depth != check.depth);
    let created = check.at;
    checks.push(check);
    cluster.put_proof(&Proof { number, checks, known, created }).await
}

pub fn check(found: &Outcome, seq: Seq, manifest: u64) -> Check {
    Check {
        depth: found.depth.to_string(),
        at: found.at,
        seq,
        manifest,
        objects: found.objects,
        bytes: found.bytes,
        moments: found.rebuilt.len() as u64,
        tables: found.rebuilt.iter().map(|r| r.tables).sum(),
        faults: found.faults.len() as u64 + found.more_faults,
    }
}

/// Remembers what was compared with a live server: tables that were equal, and how many were not.
/// Errors: as the store says.
pub async fn note_live(
    timeline: &Timeline,
    (moment, at): (Moment, Micros),
    equal: Vec<(TableId, Sum)>,
    faults: u64,
) -> Result<()> {
    let cluster = timeline.cluster();
    let before = cluster.proof().await?;
    let mut known = still_known(before.as_ref(), timeline);
    let tables = equal.len() as u64;
    add(&mut known, moment.seq, true, equal.iter().map(|(id, sum)| table(*id, sum)).collect());
    let depth = LIVE.to_string();
    let check = Check { depth, at, seq: moment.seq, manifest: 0, objects: 0, bytes: 0, moments: 1, tables, faults };
    record(cluster, before, check, known).await
}

/// What a comparison with a live server is called beside the depths.
const LIVE: &str = "live";
