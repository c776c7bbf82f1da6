//! Tables beside their place: made, loaded, and compared with the archive.

use super::ddl::{self, CLAUSE_END};
use super::digest::Digest;
use super::encode::{Chunk, Encoder};
use super::plan::{Plan, TablePlan};
use super::progress::Progress;
use super::sink::{Connection, SinkError, Target, quoted};
use crate::error::{Error, Kind, Result};
use crate::model::{ColumnType, Generated, Value, value_at};
use futures::{StreamExt, TryStreamExt};
use std::sync::atomic::Ordering;

/// Makes the staging databases and fills them. Returns how many rows there are.
/// Errors: any; what was made by then is left for the caller to remove.
pub async fn stage(plan: &Plan, target: &Target, progress: &Progress) -> Result<u64> {
    progress.tables_total.store(plan.tables.len() as u64, Ordering::Relaxed);
    let connected = target.connection().await;
    let mut connection = connected.map_err(|e| e.about(format!("RESTORE TO {}", target.url())))?;
    for database in &plan.databases {
        let Some(stage) = &database.stage else { continue };
        let create = ddl::create_database(&database.create, stage).ok_or_else(|| {
            let text = &database.create;
            Error::internal(format!("the kept CREATE DATABASE of {} is not understood: {text}", database.name))
        })?;
        connection.run(&create).await.map_err(|e| e.about(format!("creating database {stage}")))?;
    }
    target.give_back(connection);
    let loads: Vec<_> = plan.tables.iter().map(|table| load(plan, target, table, progress)).collect();
    let tables = futures::stream::iter(loads).buffer_unordered(plan.options().parallel);
    let rows = tables.try_fold(0, |sum, rows| async move { Ok(sum + rows) }).await?;
    let connected = target.connection().await;
    let mut connection = connected.map_err(|e| e.about("adding foreign keys"))?;
    for table in plan.tables.iter().filter(|_| plan.merge.is_none()) {
        alter(&mut connection, table, &table.staged.foreign_keys).await?;
    }
    target.give_back(connection);
    Ok(rows)
}

/// One table, whole.
async fn load(plan: &Plan, target: &Target, table: &TablePlan, progress: &Progress) -> Result<u64> {
    let name = &table.schema.name;
    let about = |e: SinkError| e.about(format!("table {name}"));
    let mut connection = target.connection().await.map_err(about)?;
    connection.run(&table.staged.create).await.map_err(about)?;
    same_columns(&mut connection, table).await?;
    let archived = fill(plan, &mut connection, table, progress).await?;
    alter(&mut connection, table, &table.staged.keys).await?;
    let mut restored = digest(plan, table);
    connection.read(&table.schema, &table.stage, |row| restored.add(row)).await.map_err(about)?;
    if !archived.same(&restored) {
        return Err(differs(table, &archived, &restored));
    }
    target.give_back(connection);
    progress.tables_done.fetch_add(1, Ordering::Relaxed);
    Ok(archived.rows)
}

/// A JSON column of MySQL reads a document's text anew, and may write its numbers otherwise.
fn digest(plan: &Plan, table: &TablePlan) -> Digest {
    let columns = table.schema.columns.iter().enumerate();
    let json = columns.filter(|(_, c)| plan.own_json && c.kind == ColumnType::Json).map(|(n, _)| n);
    Digest::with_json(json.collect())
}

fn differs(table: &TablePlan, archived: &Digest, restored: &Digest) -> Error {
    let name = &table.schema.name;
    let what = if archived.rows == restored.rows {
        let columns = archived.differing(restored).into_iter().filter_map(|n| table.schema.columns.get(n));
        let names: Vec<_> = columns.map(|c| c.name.as_str()).collect();
        format!("has other values in {}", if names.is_empty() { "some rows".into() } else { names.join(", ") })
    } else {
        format!("has {} rows, not {}", restored.rows, archived.rows)
    };
    Error::new(Kind::Server, format!("read back from the target, table {name} {what}"))
        .hint("The target was left as it was. It changed values while it took them; please report it.")
}

/// The rows of the archive go to the target; what they were is the digest.
async fn fill(plan: &Plan, connection: &mut Connection, table: &TablePlan, progress: &Progress) -> Result<Digest> {
    let schema = &table.schema;
    let (expected, mut batches) = match &plan.request.rows {
        Some(chosen) => (None, chosen.rows(schema, plan.moment.seq).await?),
        None => {
            let snapshot = plan.timeline.snapshot(schema.id, plan.moment.seq).await?;
            (Some(snapshot.rows), snapshot.into_rows(plan.timeline.cluster().clone()).boxed())
        }
    };
    progress.rows_total.fetch_add(expected.unwrap_or(0), Ordering::Relaxed);
    let mut encoder = Encoder::new(plan.way, schema, &table.stage);
    let mut digest = digest(plan, table);
    let mut row: Vec<Value> = Vec::with_capacity(schema.columns.len());
    while let Some(batch) = batches.next().await {
        let batch = batch?;
        for n in 0..batch.num_rows() {
            row.clear();
            for (array, column) in batch.columns().iter().zip(&schema.columns) {
                // what the target has there by itself is not compared
                row.push(match column.generated.is_some_and(Generated::differs_elsewhere) {
                    true => Value::Null,
                    false => value_at(array, n, &column.kind)?,
                });
            }
            digest.add(&row);
            if let Some(chunk) = encoder.add(&row)? {
                send(connection, table, chunk, progress).await?;
            }
        }
    }
    if let Some(chunk) = encoder.flush() {
        send(connection, table, chunk, progress).await?;
    }
    if let Some(expected) = expected.filter(|e| digest.rows != *e) {
        let why = format!("table {} has {} rows where {expected} were counted", schema.name, digest.rows);
        return Err(Error::corrupt(format!("the history of cluster {}", plan.cluster()), why));
    }
    Ok(digest)
}

async fn send(connection: &mut Connection, table: &TablePlan, chunk: Chunk, progress: &Progress) -> Result<()> {
    let name = &table.schema.name;
    let about = |e: SinkError| e.about(format!("loading table {name}"));
    let answer = match chunk.file {
        Some(file) => connection.load(&chunk.sql, file).await,
        None => connection.run(&chunk.sql).await,
    }
    .map_err(about)?;
    // LOAD DATA LOCAL turns errors into warnings and goes on
    let expected = u64::from(answer.warnings) == chunk.warnings.min(u16::MAX.into());
    if !expected || answer.affected != chunk.rows {
        let warnings = connection.warnings().await.map_err(about)?;
        // MySQL calls some charsets deprecated each time that they are named
        let harmless = |w: &str| w.starts_with("Warning 1287 ") || chunk.warnings > 0 && w.starts_with("Warning 1265 ");
        if answer.affected == chunk.rows && warnings.split("; ").all(harmless) {
            progress.add_rows(chunk.rows);
            return Ok(());
        }
        return Err(Error::new(
            Kind::Server,
            format!("loading table {name}: the target took {} of {} rows: {warnings}", answer.affected, chunk.rows),
        )
        .hint("The target was left as it was. Its table definition or settings do not take these values."));
    }
    progress.add_rows(chunk.rows);
    Ok(())
}

async fn alter(connection: &mut Connection, table: &TablePlan, clauses: &[String]) -> Result<()> {
    if clauses.is_empty() {
        return Ok(());
    }
    let sql = format!("ALTER TABLE {} {}", table.stage.quoted(), clauses.join(CLAUSE_END));
    connection.run(&sql).await.map(drop).map_err(|e| e.about(format!("adding keys to table {}", table.schema.name)))
}

/// The kept definition must make the columns that the archive has rows for: any other would be filled by guessing. With
/// another collation, rows that differ would become equal, or the other way round.
async fn same_columns(connection: &mut Connection, table: &TablePlan) -> Result<()> {
    let sql = format!(
        "SELECT COLUMN_NAME, COLLATION_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {} \
         ORDER BY ORDINAL_POSITION",
        quoted(&table.stage.database),
        quoted(&table.stage.table)
    );
    let name = &table.schema.name;
    let rows = connection.rows(&sql).await.map_err(|e| e.about(format!("table {name}")))?;
    let there: Vec<&str> = rows.iter().map(|r| r.first().and_then(|c| c.as_deref()).unwrap_or_default()).collect();
    let wanted: Vec<&str> = table.schema.columns.iter().map(|c| c.name.as_str()).collect();
    if there != wanted {
        return Err(Error::internal(format!(
            "the kept definition of table {name} makes the columns {}, but its rows have {}",
            there.join(", "),
            wanted.join(", ")
        )));
    }
    let collations = rows.iter().map(|r| r.get(1).cloned().flatten()).zip(&table.collations).zip(wanted);
    for ((there, wanted), column) in collations {
        if let Some(wanted) = wanted
            && there.as_deref().map(|c| c.replacen("utf8_", "utf8mb3_", 1))
                != Some(wanted.replacen("utf8_", "utf8mb3_", 1))
        {
            let there = there.unwrap_or_else(|| "none".into());
            return Err(Error::internal(format!(
                "the kept definition of table {name} gives column {column} the collation {there}, not {wanted}"
            )));
        }
    }
    Ok(())
}
