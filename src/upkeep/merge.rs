//! How do parts of the log become one pack? Table by table, in groups of sections that fit into memory.
//!
//! Memory: the sections of one group (64 MiB, or the largest single section) about four times: as read, together,
//! sorted, and as bytes.

use super::options::Options;
use super::report::Progress;
use crate::archive::{Commit, Footer, LogPart, PackContent, PackWriter, Section};
use crate::error::{Error, Kind, Result};
use crate::model::Seq;
use crate::timeline::Timeline;
use arrow::array::{Array, BooleanArray, RecordBatch, UInt64Array};
use arrow::compute::filter_record_batch;
use futures::FutureExt;
use futures::future::{BoxFuture, try_join_all};
use std::sync::atomic::Ordering;
use tokio_util::sync::CancellationToken;

/// Sections that are read at once: so many, or so many bytes.
const AHEAD: usize = 16;
const AHEAD_BYTES: u64 = 4 << 20;

/// A pack that is there and was read back.
#[derive(Debug)]
pub(super) struct Merged {
    pub part: LogPart,
    pub bytes: u64,
}

/// Writes the parts that stand for these segments as one pack, of the commits after `after` only, and reads it back.
pub(super) async fn merge(
    timeline: &Timeline,
    part: LogPart,
    after: Seq,
    options: &Options,
    progress: &Progress,
    cancel: &CancellationToken,
) -> Result<Merged> {
    let cluster = timeline.cluster();
    let mut writer = cluster.pack_writer(part).await?;
    let mut group: Option<Group> = None;
    let sections = timeline.sections_of(part.first, part.last);
    let mut rest = sections.as_slice();
    while !rest.is_empty() {
        stopped(cancel)?;
        let (some, later) = rest.split_at(together(rest));
        let reads: Vec<BoxFuture<'_, Result<RecordBatch>>> =
            some.iter().map(|(of, section, _)| cluster.section(*of, section).boxed()).collect();
        for ((_, section, upto), rows) in some.iter().zip(try_join_all(reads).await?) {
            let rows = within(rows, after, *upto)?;
            progress.rows.fetch_add(rows.num_rows() as u64, Ordering::Relaxed);
            match &mut group {
                Some(group) if group.takes(section, &rows, options.section_bytes) => group.add(rows),
                _ => {
                    if let Some(full) = group.replace(Group::new(section, rows)) {
                        full.write(&mut writer).await?;
                    }
                }
            }
        }
        rest = later;
    }
    if let Some(last) = group {
        last.write(&mut writer).await?;
    }
    for (of, section, upto) in timeline.replaced_of(part.first, part.last) {
        stopped(cancel)?;
        // they are small: no need to gather them
        writer.replaced(section, &[within(cluster.replaced(of, section).await?, after, upto)?]).await?;
    }
    let (footer, bytes) = writer.finish(content(timeline, part, after)?).await?;
    read_back(timeline, part, &footer).await?;
    Ok(Merged { part, bytes })
}

/// How many of the next sections are read at once.
fn together(sections: &[(LogPart, &Section, Seq)]) -> usize {
    let mut bytes = 0;
    let fits = |(_, section, _): &&(LogPart, &Section, Seq)| {
        bytes += section.length;
        bytes <= AHEAD_BYTES
    };
    sections.iter().take(AHEAD).take_while(fits).count().max(1)
}

/// Sections of one table and form.
struct Group {
    like: Section,
    rows: Vec<RecordBatch>,
    bytes: usize,
}

impl Group {
    fn new(like: &Section, rows: RecordBatch) -> Group {
        Group { like: like.clone(), bytes: rows.get_array_memory_size(), rows: vec![rows] }
    }

    fn takes(&self, section: &Section, rows: &RecordBatch, limit: usize) -> bool {
        let Section { table, columns, key, ordered, .. } = &self.like;
        let same = *table == section.table
            && *columns == section.columns
            && *key == section.key
            && *ordered == section.ordered
            && self.rows.first().is_some_and(|first| first.schema() == rows.schema());
        same && self.bytes + rows.get_array_memory_size() <= limit
    }

    fn add(&mut self, rows: RecordBatch) {
        self.bytes += rows.get_array_memory_size();
        self.rows.push(rows);
    }

    async fn write(self, writer: &mut PackWriter) -> Result<()> {
        writer.section(&self.like, &self.rows).await
    }
}

/// The rows of seqs past `after` that are not void.
fn within(rows: RecordBatch, after: Seq, upto: Seq) -> Result<RecordBatch> {
    let fault = |why: String| Error::internal(format!("rows of a section: {why}"));
    let seqs = rows.columns().first().and_then(|c| c.as_any().downcast_ref::<UInt64Array>());
    let seqs = seqs.ok_or_else(|| fault("they have no _seq".into()))?;
    let counts = |seq: &u64| *seq > after.0 && *seq <= upto.0;
    if seqs.values().iter().all(counts) {
        return Ok(rows);
    }
    let mask: BooleanArray = seqs.values().iter().map(|seq| Some(counts(seq))).collect();
    filter_record_batch(&rows, &mask).map_err(|e| fault(e.to_string()))
}

/// Everything but the rows.
fn content(timeline: &Timeline, part: LogPart, after: Seq) -> Result<PackContent> {
    let mut content = PackContent::default();
    for view in timeline.log().filter(|v| v.part.first >= part.first && v.part.last <= part.last) {
        let footer = view.footer;
        let commits = footer.commits.iter().zip(view.times).filter(|(c, _)| c.seq > after);
        content.commits.extend(commits.map(|(c, time)| Commit { time: *time, ..c.clone() }));
        content.schema.extend(footer.schema.iter().filter(|e| e.seq > after).cloned());
        content.gaps.extend(footer.gaps.iter().filter(|g| g.seq > after).cloned());
        content.uneventful.extend(footer.uneventful.iter().filter(|u| u.after >= after).cloned());
        content.bookmark = footer.bookmark.clone();
        content.created = footer.created;
        content.covers = Some(view.until);
        if view.part.last == part.last && footer.continues {
            return Err(Error::internal(format!("{part} would split a transaction")));
        }
    }
    Ok(content)
}

/// Whether the store holds what was written: every checksum and every count of rows.
async fn read_back(timeline: &Timeline, part: LogPart, written: &Footer) -> Result<()> {
    let cluster = timeline.cluster();
    let footer = cluster.footer(part).await?;
    if footer != *written {
        return Err(Error::corrupt(part, "it is not as it was written a moment ago"));
    }
    for section in &footer.sections {
        cluster.section(part, section).await?;
    }
    for section in &footer.replaced {
        cluster.replaced(part, section).await?;
    }
    Ok(())
}

pub(super) fn stopped(cancel: &CancellationToken) -> Result<()> {
    match cancel.is_cancelled() {
        true => Err(Error::new(Kind::Cancelled, "the upkeep was stopped")
            .hint("What it did so far counts; the next run goes on.")),
        false => Ok(()),
    }
}
