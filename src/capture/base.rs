//! The first base: every table's rows as of one bookmark, several tables at once.

use super::backoff::Backoff;
use super::memory::Memory;
use super::reached::Reached;
use super::{Options, Progress, Show};
use crate::archive::{Base, Cluster, Manifest};
use crate::clock::Clock;
use crate::error::{Error, Kind, Result};
use crate::model::{Catalog, Moment, Seq, TableId, TableSchema};
use crate::source::{BaseRows, BaseSource, Outline, Source};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_millis(200);

/// Takes the first base and writes manifest 1. Until that is there, nothing has happened: a base that was interrupted
/// is begun again, and its files stay unnamed.
pub async fn first(
    cluster: &Cluster,
    source: &dyn Source,
    options: &Options,
    clock: &dyn Clock,
    show: &Show,
    memory: &mut Memory,
) -> Result<Reached> {
    let began = Instant::now();
    let (taken, outline) = take(cluster, source, options, show, 0).await?;
    let reached = Reached::begin(manifest(taken, outline, clock)?);
    memory.note(&reached)?;
    cluster.put_manifest(&reached.manifest).await?;
    tell_done(show, &reached.manifest.bases, began);
    Ok(reached)
}

/// Tells that a base of these tables is in the archive.
pub fn tell_done(show: &Show, bases: &[Base], began: Instant) {
    let bytes = bases.iter().flat_map(|b| &b.files).map(|f| f.bytes).sum();
    let rows = bases.iter().map(Base::rows).sum();
    show(Progress::BaseDone { tables: bases.len(), rows, bytes, took: began.elapsed() });
}

/// Reads the whole cluster as of one bookmark, beginning again when the source goes away. Tables get the ids that come
/// after `last_id`; each base has seq 0, which the caller may change before a manifest names it.
pub async fn take(
    cluster: &Cluster,
    source: &dyn Source,
    options: &Options,
    show: &Show,
    last_id: u32,
) -> Result<(Taken, Outline)> {
    let mut backoff = Backoff::new(options.once);
    loop {
        match attempt(cluster, source, show, last_id).await {
            Ok(done) => return Ok(done),
            // a store that refuses is for the reader of this error to mend; a source may come back
            Err(error) if error.kind == Kind::Unreachable => match backoff.after(&error) {
                Some(retry_in) => {
                    tracing::warn!(%error, "the base begins again");
                    show(Progress::Waiting { error, retry_in });
                    tokio::time::sleep(retry_in).await;
                }
                None => return Err(error),
            },
            Err(error) => return Err(error),
        }
    }
}

/// What became of the tables.
#[derive(Debug, Default)]
pub struct Taken {
    pub bases: Vec<Base>,
    /// Could not be read as of the base's moment, and why.
    pub uncertain: BTreeMap<TableId, String>,
}

async fn attempt(cluster: &Cluster, source: &dyn Source, show: &Show, last_id: u32) -> Result<(Taken, Outline)> {
    let base: Arc<dyn BaseSource> = source.base().await?.into();
    let meter = Arc::new(Meter::new(base.as_ref(), show.clone()));
    let mut lanes = JoinSet::new();
    for _ in 0..base.lanes().max(1) {
        lanes.spawn(lane(cluster.clone(), base.clone(), meter.clone(), last_id));
    }
    let mut all = Taken::default();
    while let Some(joined) = lanes.join_next().await {
        let taken = joined.map_err(|e| Error::internal(format!("a reader of the base stopped: {e}")))??;
        all.bases.extend(taken.bases);
        all.uncertain.extend(taken.uncertain);
    }
    let mut outline = base.outline().await?;
    renumber(&mut outline.catalog, last_id);
    Ok((all, outline))
}

/// Sources number their tables from 1.
fn renumber(catalog: &mut Catalog, last_id: u32) {
    let after = |id: TableId| TableId(id.0 + last_id);
    catalog.tables = catalog.tables.values().map(|t| (after(t.id), numbered(t, last_id))).collect();
    catalog.uncertain = std::mem::take(&mut catalog.uncertain).into_iter().map(|(id, w)| (after(id), w)).collect();
    catalog.next_table += last_id;
}

fn numbered(table: &Arc<TableSchema>, last_id: u32) -> Arc<TableSchema> {
    match last_id {
        0 => table.clone(),
        _ => Arc::new(TableSchema { id: TableId(table.id.0 + last_id), ..table.as_ref().clone() }),
    }
}

/// Reads one table after the other.
async fn lane(cluster: Cluster, base: Arc<dyn BaseSource>, meter: Arc<Meter>, last_id: u32) -> Result<Taken> {
    let mut taken = Taken::default();
    while let Some(table) = base.next_table().await? {
        let schema = numbered(&table.schema, last_id);
        let id = schema.id;
        match write(&cluster, schema, table.rows, |rows, bytes| meter.add(rows, bytes)).await {
            Ok(base) => taken.bases.push(base),
            Err(error) if error.kind == Kind::Uncertain => {
                tracing::warn!(%error, "a table is left for later");
                taken.uncertain.insert(id, error.message);
            }
            Err(error) => return Err(error),
        }
        meter.table();
    }
    Ok(taken)
}

/// Writes one table's rows as a base of seq 0; the caller may set another seq before a manifest names it.
pub async fn write(
    cluster: &Cluster,
    schema: Arc<TableSchema>,
    mut rows: BaseRows,
    meter: impl Fn(u64, u64),
) -> Result<Base> {
    let mut writer = cluster.base_writer(schema, &token()?);
    while let Some(batch) = rows.next().await? {
        writer.write(&batch).await?;
        meter(batch.num_rows() as u64, batch.get_array_memory_size() as u64);
    }
    writer.finish(Seq::ZERO).await
}

/// Eight random hexadecimal digits: no two writers share a file.
fn token() -> Result<String> {
    let random = getrandom::u32().map_err(|e| Error::new(Kind::Io, format!("no random numbers: {e}")))?;
    Ok(format!("{random:08x}"))
}

fn manifest(taken: Taken, outline: Outline, clock: &dyn Clock) -> Result<Manifest> {
    let mut catalog = outline.catalog;
    let mut bases = taken.bases;
    bases.sort_by_key(|base| base.table);
    // tables that could not be read are uncertain from the beginning, and based again as soon as the log is followed
    catalog.uncertain.extend(taken.uncertain);
    for (id, table) in &catalog.tables {
        if !catalog.uncertain.contains_key(id) && !bases.iter().any(|base| base.table == *id) {
            return Err(Error::internal(format!("table {} was not read", table.name)));
        }
    }
    bases.retain(|base| catalog.tables.contains_key(&base.table));
    Ok(Manifest {
        number: 1,
        catalog,
        start: Moment { seq: Seq::ZERO, time: outline.time },
        bookmark: outline.bookmark,
        source: outline.source,
        bases,
        created: clock.now(),
    })
}

/// Counts what all lanes read.
struct Meter {
    show: Show,
    expected: Option<(usize, u64)>,
    counts: Mutex<Counts>,
}

struct Counts {
    tables: usize,
    rows: u64,
    bytes: u64,
    told: Instant,
}

impl Meter {
    fn new(base: &dyn BaseSource, show: Show) -> Self {
        let counts = Counts { tables: 0, rows: 0, bytes: 0, told: Instant::now() };
        Self { show, expected: base.expected(), counts: Mutex::new(counts) }
    }

    fn add(&self, rows: u64, bytes: u64) {
        self.tell(|counts| {
            counts.rows += rows;
            counts.bytes += bytes;
            counts.told.elapsed() >= TELL_EVERY
        });
    }

    fn table(&self) {
        self.tell(|counts| {
            counts.tables += 1;
            true
        });
    }

    /// `change` says whether it is time to tell.
    fn tell(&self, change: impl FnOnce(&mut Counts) -> bool) {
        let mut counts = self.counts.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if change(&mut counts) {
            counts.told = Instant::now();
            (self.show)(Progress::Base {
                tables_done: counts.tables,
                tables: self.expected.map(|(tables, _)| tables),
                rows: counts.rows,
                rows_expected: self.expected.map(|(_, rows)| rows),
                bytes: counts.bytes,
            });
        }
    }
}
