//! Is a table the same on both sides?

use super::details;
use super::meeting::Meeting;
use super::progress::Progress;
use super::ranges::{Batches, Reader, Sample, Sum, is_known};
use super::report::{Finding, Status};
use super::request::Options;
use crate::error::{Error, Kind, Result};
use crate::model::{Moment, TableSchema, quote_name};
use crate::source::{BaseRows, BaseTable, mysql};
use crate::timeline::Timeline;
use futures::stream;
use std::sync::Arc;

/// Both sides of one table.
pub struct Sides<'a> {
    pub meeting: &'a Meeting,
    pub options: &'a Options,
    pub progress: &'a Progress,
    /// As the archive has it.
    pub schema: Arc<TableSchema>,
}

/// Compares a table at the moment at which both sides are the same state; where it differs, looks closer.
/// Errors: what concerns all tables (the server is away); what concerns this one becomes a finding.
pub async fn table(sides: &Sides<'_>, timeline: &Timeline, moment: Moment, live: BaseTable) -> Result<Vec<Finding>> {
    let schema = &sides.schema;
    let found = |status| Finding::of(&schema.name, status);
    let definition = definitions_differ(schema, &live.schema);
    let Some(places) = places(schema, &live.schema) else {
        let remark = format!("The columns differ, so rows were not compared: {}", definition.unwrap_or_default());
        return Ok(vec![found(Status::Differs).remark(format!("{remark} {}", remedy(schema)))]);
    };
    let compared = both(sides, timeline, moment, places, live.rows).await;
    let (archive, server, sample) = match compared {
        Ok(compared) => compared,
        Err(error) => return Ok(vec![not_compared(schema, error)?]),
    };
    let rows = Some(archive.rows);
    if archive == server {
        let unknown = schema.columns.iter().filter(|c| !is_known(c)).map(|c| c.name.as_str()).collect::<Vec<_>>();
        let finding = match definition {
            None if unknown.is_empty() => found(Status::Equal),
            None => found(Status::Equal).remark(format!("Not kept, and not compared: column {}.", unknown.join(", "))),
            Some(how) => found(Status::Differs)
                .remark(format!("The rows are equal, the definitions are not: {how} {}", remedy(schema))),
        };
        return Ok(vec![Finding { rows, sum: Some(archive), ..finding }]);
    }
    let count = match archive.rows == server.rows {
        true => "Both have the same number of rows.".to_string(),
        false => format!("The archive has {} rows, the server {}.", archive.rows, server.rows),
    };
    let definition = definition.map(|how| format!(" The definitions differ too: {how}")).unwrap_or_default();
    let head = Finding { rows, ..found(Status::Differs).remark(format!("{count}{definition} {}", remedy(schema))) };
    match details::find(sides, sample).await {
        Ok(details) => Ok([vec![head], details].concat()),
        Err(error) if error.kind == Kind::Unreachable => Err(error),
        Err(error) => {
            let remark = format!("{} It could not be looked at closer: {error}", head.remark);
            Ok(vec![Finding { remark, ..head }])
        }
    }
}

async fn both(
    sides: &Sides<'_>,
    timeline: &Timeline,
    moment: Moment,
    places: Vec<usize>,
    rows: BaseRows,
) -> Result<(Sum, Sum, Sample)> {
    let (mut archive, mut server, mut sample) = (Sum::default(), Sum::default(), Sample::default());
    let of_server = Reader::new(&sides.schema, places)?;
    let of_archive = Reader::new(&sides.schema, (0..sides.schema.columns.len()).collect())?;
    let batches = timeline.rows(sides.schema.id, moment.seq).await?;
    let (a, b) = tokio::join!(
        of_archive.each(batches, |row| {
            archive.add(&row.hash);
            sample.add(&row)
        }),
        of_server.each(stream_of(rows), |row| {
            server.add(&row.hash);
            sides.progress.add_rows(1);
            Ok(())
        })
    );
    // the server's error first: when it is away, that is what concerns everything
    b.and(a)?;
    Ok((archive, server, sample))
}

/// What an error says of one table. Errors: it concerns all.
pub fn not_compared(schema: &TableSchema, error: Error) -> Result<Finding> {
    match error.kind {
        Kind::Unreachable | Kind::Cancelled | Kind::Internal => Err(error),
        Kind::Uncertain => Ok(Finding::of(&schema.name, Status::Uncertain).remark(error.to_string())),
        _ => Ok(Finding::of(&schema.name, Status::Failed).remark(error.to_string())),
    }
}

pub fn remedy(schema: &TableSchema) -> String {
    format!("To take a new base of it: stop the capture and start it with --retake {}.", schema.name)
}

/// Where the other has this one's columns, if it has the same.
pub fn places(schema: &TableSchema, other: &TableSchema) -> Option<Vec<usize>> {
    let same = schema.columns.len() == other.columns.len();
    let keys = |t: &TableSchema| t.primary_key.iter().map(|i| t.columns[*i].name.clone()).collect::<Vec<_>>();
    let place = |c: &crate::model::Column| other.columns.iter().position(|o| o.name == c.name && o.kind == c.kind);
    if !same || keys(schema) != keys(other) {
        return None;
    }
    schema.columns.iter().map(place).collect()
}

/// The first lines that differ, if the definitions do.
fn definitions_differ(schema: &TableSchema, live: &TableSchema) -> Option<String> {
    // a table that came from another database may name its own in its foreign keys
    let own =
        |t: &TableSchema| t.create.replace(&format!("REFERENCES {}.", quote_name(&t.name.database)), "REFERENCES ");
    let (name, schema, live) = (&schema.name, own(schema), own(live));
    if mysql::same_definition(&schema, &live, name) {
        return None;
    }
    let lines = |text: &str| text.lines().map(|l| l.trim().trim_end_matches(',').to_string()).collect::<Vec<_>>();
    let (a, b) = (lines(&schema), lines(&live));
    let only = |of: &[String], other: &[String]| of.iter().find(|l| !other.contains(l)).cloned();
    let part = |who: &str, line: Option<String>| line.map(|l| format!("{who} has `{l}`"));
    let parts: Vec<_> = part("the archive", only(&a, &b)).into_iter().chain(part("the server", only(&b, &a))).collect();
    Some(if parts.is_empty() { "the order is another.".to_string() } else { format!("{}.", parts.join(", ")) })
}

/// The rows of a reader as a stream.
pub fn stream_of(rows: BaseRows) -> Batches {
    Box::pin(stream::unfold(Some(rows), |rows| async {
        let mut rows = rows?;
        match rows.next().await {
            Ok(Some(batch)) => Some((Ok(batch), Some(rows))),
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
        }
    }))
}
