//! Which rows differ? Looked for by key ranges, then row by row in the first of them.
//!
//! Each look is at a moment of its own: a new snapshot of the server, and the archive when it is there. What was
//! changed on both sides in between does not show; what differs still does.

use super::compare::{Sides, not_compared, places, stream_of};
use super::ranges::{Batches, Ranges, Reader, Sample, key_text, shown};
use super::report::{Finding, Status};
use crate::error::{Error, Kind, Result};
use crate::model::{Row, TableSchema};
use crate::source::{Retake, Source};
use crate::timeline::Timeline;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Ranges that are listed.
const LISTED: usize = 50;
/// Rows of the ranges that are compared row by row: their keys and hashes are kept in memory.
const ROW_BY_ROW: u64 = 250_000;

/// Both sides at one moment.
struct Look {
    timeline: Arc<Timeline>,
    schema: Arc<TableSchema>,
    seq: crate::model::Seq,
    server: Batches,
    /// Reads the server's batches.
    reader: Reader,
}

/// The key ranges that differ, and the first rows of them.
pub async fn find(sides: &Sides<'_>, sample: Sample) -> Result<Vec<Finding>> {
    let name = &sides.schema.name;
    let mut ranges = sample.ranges();
    let look = match look(sides).await? {
        Ok(look) => look,
        Err(finding) => return Ok(vec![finding]),
    };
    let (mut archive, mut server) = (std::mem::take(&mut ranges.archive), std::mem::take(&mut ranges.server));
    let of_archive = Reader::new(&look.schema, (0..look.schema.columns.len()).collect())?;
    let batches = look.timeline.rows(look.schema.id, look.seq).await?;
    of_archive
        .each(batches, |row| {
            archive[ranges.of(row.key)].add(&row.hash);
            Ok(())
        })
        .await?;
    look.reader
        .each(look.server, |row| {
            server[ranges.of(row.key)].add(&row.hash);
            sides.progress.add_rows(1);
            Ok(())
        })
        .await?;
    (ranges.archive, ranges.server) = (archive, server);
    let differing = ranges.differing();
    if differing.is_empty() {
        let remark = format!("Looked at again at seq {}, it was equal.", look.seq);
        return Ok(vec![Finding::of(name, Status::Range).remark(remark)]);
    }
    let mut findings = listed(&ranges, &differing, &look.schema);
    findings.extend(rows(sides, &ranges, &differing).await?);
    Ok(findings)
}

/// Opens both sides. The inner error: what to say instead.
async fn look(sides: &Sides<'_>) -> Result<Result<Look, Finding>> {
    let name = &sides.schema.name;
    let (there, bookmark, rows) = match sides.meeting.server.retake(&sides.schema).await? {
        Retake::Rows { schema, bookmark, rows } => (schema, bookmark, rows),
        Retake::NotCarried(why) => {
            let remark = format!("The server's table is not carried any more: {why}");
            return Ok(Err(Finding::of(name, Status::Range).remark(remark)));
        }
        Retake::Nothing => {
            return Ok(Err(Finding::of(name, Status::Range).remark("The server does not have the table any more.")));
        }
    };
    let (timeline, moment) = sides.meeting.at(&bookmark, sides.progress).await?;
    sides.progress.enter(format!("looking closer at {name}"));
    let schema = match timeline.table(name, moment.seq) {
        Ok(schema) => schema,
        Err(error) => return Ok(Err(not_compared(&sides.schema, error)?)),
    };
    let places = places(&schema, &there).ok_or_else(|| {
        Error::new(Kind::Server, format!("table {name} was altered while it was compared")).hint("Run VERIFY again.")
    })?;
    let reader = Reader::new(&schema, places)?;
    Ok(Ok(Look { timeline, schema, seq: moment.seq, server: stream_of(rows), reader }))
}

/// Neighbours as one.
fn listed(ranges: &Ranges, differing: &[usize], schema: &TableSchema) -> Vec<Finding> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for n in differing {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *n => *last = *n,
            _ => runs.push((*n, *n)),
        }
    }
    let more = runs.len().saturating_sub(LISTED);
    let mut findings: Vec<Finding> = runs
        .iter()
        .take(LISTED)
        .map(|(first, last)| {
            let sum = |of: &[super::ranges::Sum]| of[*first..=*last].iter().map(|s| s.rows).sum::<u64>();
            let (archive, server) = (sum(&ranges.archive), sum(&ranges.server));
            Finding {
                rows: Some(archive),
                key: Some(ranges.named(*first, *last, schema)),
                archive: Some(format!("{archive} rows")),
                server: Some(format!("{server} rows")),
                ..Finding::of(&schema.name, Status::Range)
            }
        })
        .collect();
    if let (Some(last), true) = (findings.last_mut(), more > 0) {
        last.remark = format!("{more} more ranges differ.");
    }
    findings
}

/// What is left of the archive's rows when the server's are taken away, and the reverse.
struct Left {
    /// Key to the hashes of the archive's rows that the server lacks.
    archive: HashMap<Box<[u8]>, Vec<[u8; 32]>>,
    /// The first of the server's rows that the archive lacks, in the order of their keys, and how many there are.
    server: BTreeMap<(Box<[u8]>, u64), Row>,
    server_count: u64,
}

async fn rows(sides: &Sides<'_>, ranges: &Ranges, differing: &[usize]) -> Result<Vec<Finding>> {
    let look = match look(sides).await? {
        Ok(look) => look,
        Err(finding) => return Ok(vec![finding]),
    };
    let mut budget = ROW_BY_ROW;
    let size = |n: &usize| ranges.archive[*n].rows.max(ranges.server[*n].rows);
    let chosen: BTreeSet<usize> = differing
        .iter()
        .enumerate()
        .take_while(|(i, n)| {
            let fits = *i == 0 || size(n) <= budget;
            budget = budget.saturating_sub(size(n));
            fits
        })
        .map(|(_, n)| *n)
        .collect();
    let mut left = Left { archive: HashMap::new(), server: BTreeMap::new(), server_count: 0 };
    let of_archive = Reader::new(&look.schema, (0..look.schema.columns.len()).collect())?;
    let batches = look.timeline.rows(look.schema.id, look.seq).await?;
    of_archive
        .each(batches, |row| {
            if chosen.contains(&ranges.of(row.key)) {
                left.archive.entry(row.key.into()).or_default().push(row.hash);
            }
            Ok(())
        })
        .await?;
    let keep = sides.options.rows;
    look.reader
        .each(look.server, |row| {
            if !chosen.contains(&ranges.of(row.key)) {
                return Ok(());
            }
            if let Some(hashes) = left.archive.get_mut(row.key)
                && let Some(same) = hashes.iter().position(|h| *h == row.hash)
            {
                hashes.swap_remove(same);
                if hashes.is_empty() {
                    left.archive.remove(row.key);
                }
                return Ok(());
            }
            left.server.insert((row.key.into(), left.server_count), row.values()?);
            left.server_count += 1;
            if left.server.len() > keep {
                left.server.pop_last();
            }
            Ok(())
        })
        .await?;
    told(sides, &look.timeline, &look.schema, look.seq, &of_archive, left, chosen.len() < differing.len()).await
}

/// The rows that are left, in the order of their keys.
async fn told(
    sides: &Sides<'_>,
    timeline: &Timeline,
    schema: &TableSchema,
    seq: crate::model::Seq,
    of_archive: &Reader,
    left: Left,
    more_ranges: bool,
) -> Result<Vec<Finding>> {
    let keep = sides.options.rows;
    let mut wanted: BTreeSet<&[u8]> = left.archive.keys().map(|k| k.as_ref()).collect();
    while wanted.len() > keep {
        wanted.pop_last();
    }
    let mut archive: BTreeMap<Box<[u8]>, Vec<Row>> = BTreeMap::new();
    if !wanted.is_empty() {
        let batches = timeline.rows(schema.id, seq).await?;
        of_archive
            .each(batches, |row| {
                if wanted.contains(row.key) && left.archive.get(row.key).is_some_and(|h| h.contains(&row.hash)) {
                    let rows = archive.entry(row.key.into()).or_default();
                    if rows.len() < left.archive[row.key].len() {
                        rows.push(row.values()?);
                    }
                }
                Ok(())
            })
            .await?;
    }
    let mut server: BTreeMap<Box<[u8]>, Vec<Row>> = BTreeMap::new();
    left.server.into_iter().for_each(|((key, _), row)| server.entry(key).or_default().push(row));
    let keys: BTreeSet<Box<[u8]>> = archive.keys().chain(server.keys()).cloned().collect();
    let mut findings = Vec::new();
    for key in keys.iter().take(keep) {
        let (mut a, mut b) = (archive.remove(key).unwrap_or_default(), server.remove(key).unwrap_or_default());
        while let (Some(ours), Some(theirs)) = (a.last(), b.last()) {
            findings.extend(values(schema, ours, theirs));
            a.pop();
            b.pop();
        }
        let one = |status, row: &Row| Finding { key: Some(key_text(schema, row)), ..Finding::of(&schema.name, status) };
        findings.extend(
            a.iter().map(|row| Finding { archive: Some(row_text(schema, row)), ..one(Status::MissingRow, row) }),
        );
        findings
            .extend(b.iter().map(|row| Finding { server: Some(row_text(schema, row)), ..one(Status::ExtraRow, row) }));
    }
    let differ = left.archive.values().map(Vec::len).sum::<usize>().max(left.server_count as usize);
    if let Some(last) = findings.last_mut()
        && (differ > keep || more_ranges)
    {
        let where_ = if more_ranges { "in the first ranges" } else { "in all" };
        last.remark = format!("{differ} rows differ {where_}.");
    }
    Ok(findings)
}

/// The columns in which two rows of one key differ.
fn values(schema: &TableSchema, ours: &Row, theirs: &Row) -> Vec<Finding> {
    let columns = schema.columns.iter().zip(ours.iter().zip(theirs));
    columns
        .filter(|(c, (a, b))| shown_apart(a, b, c))
        .map(|(c, (a, b))| Finding {
            key: Some(key_text(schema, ours)),
            column: Some(c.name.clone()),
            archive: Some(shown(a, &c.kind)),
            server: Some(shown(b, &c.kind)),
            ..Finding::of(&schema.name, Status::Value)
        })
        .collect()
}

/// Whether two values are not the same. Floats by their bits: 0 and -0 are two values.
fn shown_apart(a: &crate::model::Value, b: &crate::model::Value, column: &crate::model::Column) -> bool {
    a != b || a.exact_text(&column.kind) != b.exact_text(&column.kind)
}

fn row_text(schema: &TableSchema, row: &Row) -> String {
    let one = |(c, v): (&crate::model::Column, &crate::model::Value)| format!("{}={}", c.name, shown(v, &c.kind));
    let text = schema.columns.iter().zip(row).map(one).collect::<Vec<_>>().join(", ");
    match text.char_indices().nth(2_000) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
