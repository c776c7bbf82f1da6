//! How is a table read again whose archive is found to be wrong? It becomes uncertain, and capture does the rest.

use super::memory::Memory;
use super::reached::Reached;
use crate::archive::{Cluster, Commit, SchemaEntry, SegmentWriter};
use crate::clock::Clock;
use crate::error::{Error, Kind, Result};
use crate::model::{SchemaChange, TableName};

const WHY: &str = "a new base of it was asked for (--retake)";

/// Writes a commit after which these tables are uncertain. It stands at the place of the log that the archive has
/// reached. Answers what is reached then. Errors: `UnknownTable` when the archive has no such table now; `Fenced`, `Io`.
pub async fn doubt(
    cluster: &Cluster,
    reached: &Reached,
    tables: &[TableName],
    clock: &dyn Clock,
    memory: &mut Memory,
) -> Result<Reached> {
    let mut changes = Vec::new();
    for name in tables {
        let table = reached.catalog.table(name).ok_or_else(|| {
            Error::new(Kind::UnknownTable, format!("the archive of cluster {} has no table {name} now", cluster.name()))
                .hint("Name it as DATABASE.TABLE, as SHOW TABLES lists it.")
        })?;
        changes.push(SchemaChange::Uncertain { id: table.id, name: name.clone(), why: WHY.to_string() });
    }
    let seq = reached.seq.next();
    let mut writer = SegmentWriter::new(reached.segment + 1);
    writer.schema(SchemaEntry { seq, changes, ..SchemaEntry::default() })?;
    let bookmark = reached.bookmark.clone();
    writer.commit(Commit { seq, time: reached.time, gtid: None, bookmark: bookmark.clone(), rows: Vec::new() })?;
    let segment = writer.finish(bookmark, clock.now(), false, reached.continues)?;
    let next = reached.with(&segment.footer)?;
    memory.changed();
    memory.note(&next)?;
    cluster.put_segment(segment).await?;
    Ok(next)
}
