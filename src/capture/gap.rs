//! How does a cluster go on after its source lost changes? With a new base of everything, behind a gap.
//!
//! Two commits are written. The first stands for all that was lost: at its seq nothing is known. The second drops
//! every table that there was and makes those of the new base, under new ids; until the manifest names their bases
//! they are uncertain. So whatever instruction this is killed at, nobody is told wrong rows: before the segment nothing
//! has happened, after it each table whose base is missing is based again.

use super::base::{self, Taken};
use super::memory::Memory;
use super::reached::Reached;
use super::{Options, Show};
use crate::archive::{Base, Cluster, Commit, Gap, Manifest, SchemaEntry, SegmentWriter};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::model::{Catalog, Micros, SchemaChange};
use crate::source::{Outline, Source};
use std::time::Instant;

const NOT_YET: &str = "its base after the gap is not in the archive yet";

/// Takes a new base of the whole cluster and puts it behind what the archive holds.
/// `why`: what was lost, a clause. Answers what is reached then. Errors: as the first base's; `Fenced`.
pub async fn bridge(
    cluster: &Cluster,
    source: &dyn Source,
    options: &Options,
    clock: &dyn Clock,
    show: &Show,
    why: &str,
    memory: &mut Memory,
) -> Result<Reached> {
    let began = Instant::now();
    let none = || Error::internal(format!("cluster {} has a gap and no base", options.name));
    let last_id = Reached::load(cluster, memory).await?.ok_or_else(none)?.catalog.next_table.saturating_sub(1);
    source.check(true).await?;
    let (taken, outline) = base::take(cluster, source, options, show, last_id).await?;
    // what is in the archive now is what this goes behind: whoever wrote meanwhile fences it
    let reached = Reached::load(cluster, memory).await?.ok_or_else(none)?;
    let (lost, known) = (reached.seq.next(), reached.seq.next().next());
    let mut writer = SegmentWriter::new(reached.segment + 1);
    let commit = |seq, time| Commit { seq, time, gtid: None, bookmark: outline.bookmark.clone(), rows: Vec::new() };
    writer.schema(SchemaEntry {
        seq: lost,
        changes: nothing_known(&reached.catalog, why),
        ..SchemaEntry::default()
    })?;
    writer.commit(commit(lost, Micros(reached.until.0.saturating_add(1))))?;
    writer.gap(Gap { seq: lost, why: why.to_string() });
    let changes = made_anew(&reached.catalog, &taken, &outline);
    writer.schema(SchemaEntry { seq: known, changes, ..SchemaEntry::default() })?;
    writer.commit(commit(known, outline.time))?;
    let segment = writer.finish(outline.bookmark.clone(), clock.now(), false, reached.continues)?;
    let mut next = reached.with(&segment.footer)?;
    memory.changed();
    memory.note(&next)?;
    cluster.put_segment(segment).await?;

    let based: Vec<Base> = taken.bases.into_iter().map(|base| Base { seq: known, ..base }).collect();
    let mut bases = reached.manifest.bases.clone();
    bases.extend(based.iter().cloned());
    let number = reached.manifest.number + 1;
    next.manifest = Manifest { number, bases, created: clock.now(), ..reached.manifest };
    based.iter().for_each(|base| super::reached::based(&mut next.catalog, base));
    memory.changed();
    memory.note(&next)?;
    cluster.put_manifest(&next.manifest).await?;
    base::tell_done(show, &based, began);
    Ok(next)
}

/// Readers that do not know of gaps see that no table is known.
fn nothing_known(catalog: &Catalog, why: &str) -> Vec<SchemaChange> {
    let uncertain = |t: &std::sync::Arc<crate::model::TableSchema>| SchemaChange::Uncertain {
        id: t.id,
        name: t.name.clone(),
        why: why.to_string(),
    };
    catalog.tables.values().map(uncertain).collect()
}

/// From what was there to what is there. Every table is another: nobody knows what became of the old ones.
fn made_anew(before: &Catalog, taken: &Taken, outline: &Outline) -> Vec<SchemaChange> {
    let after = &outline.catalog;
    let mut changes = Vec::new();
    changes.extend(before.objects.keys().map(|key| SchemaChange::ObjectDropped { key: key.clone() }));
    changes.extend(before.tables.keys().map(|id| SchemaChange::TableDropped { id: *id }));
    changes.extend(before.refused.keys().map(|name| SchemaChange::RefusedDropped { name: name.clone() }));
    changes.extend(before.databases.keys().map(|name| SchemaChange::DatabaseDropped { name: name.clone() }));
    for (name, create) in &after.databases {
        changes.push(SchemaChange::Database { name: name.clone(), create: create.clone() });
    }
    for (id, schema) in &after.tables {
        changes.push(SchemaChange::Table { schema: schema.clone() });
        let why = taken.uncertain.get(id).or(after.uncertain.get(id)).map_or(NOT_YET, String::as_str);
        changes.push(SchemaChange::Uncertain { id: *id, name: schema.name.clone(), why: why.to_string() });
    }
    changes.extend(after.objects.values().map(|object| SchemaChange::Object { object: object.clone() }));
    for (name, why) in &after.refused {
        changes.push(SchemaChange::Refused { name: name.clone(), why: why.clone() });
    }
    changes
}
