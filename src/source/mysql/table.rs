//! The rows of one table, by the binary protocol: exact floats, timestamps in UTC, as many in memory as fit a batch.

use super::catalog;
use super::cells;
use super::connect::{ask, failed, open};
use super::family::Version;
use super::identity::identities;
use super::snapshot::{consistent, lock_definition};
use crate::error::{Error, Kind, Result};
use crate::model::{ColumnId, NotCarried, RowsBuilder, ServerUrl, TableKind, TableSchema, Value, quote_name};
use crate::source::{Gone, Retake, RowsSender, base_rows};
use mysql_async::{Conn, Value as Cell, prelude::Queryable};
use std::sync::Arc;

/// A batch is full with so many rows, or so many bytes.
const BATCH_ROWS: usize = 8_192;
const BATCH_BYTES: usize = 4 << 20;

/// ` ORDER BY` the primary key, along its index; empty when the table has none.
pub fn row_order(schema: &TableSchema) -> String {
    if !schema.has_key() || schema.kind == TableKind::Sequence {
        return String::new();
    }
    format!(" FORCE INDEX (PRIMARY) ORDER BY {}", names(schema, schema.primary_key.iter().copied()))
}

fn names(schema: &TableSchema, positions: impl Iterator<Item = usize>) -> String {
    positions.filter_map(|p| schema.columns.get(p)).map(|c| quote_name(&c.name)).collect::<Vec<_>>().join(", ")
}

/// Sends all rows of a table, in batches. Ends early, without an error, when nobody wants them any more.
/// Errors: as `connect::failed`; `Uncertain` when a cell holds what its type does not.
pub async fn read_rows(conn: &mut Conn, url: &ServerUrl, schema: &TableSchema, sender: &RowsSender) -> Result<()> {
    let doing = format!("reading table {}", schema.name);
    let failed = |e| failed(url, &doing, e);
    let columns = names(schema, 0..schema.columns.len());
    let sql = format!("SELECT {columns} FROM {}{}", schema.name.quoted(), row_order(schema));
    // text as it is stored: the server's own conversion would put question marks where it knows no character
    conn.query_drop("SET character_set_results = NULL").await.map_err(failed)?;
    let statement = conn.prep(sql).await.map_err(failed)?;
    let mut result = conn.exec_iter(&statement, ()).await.map_err(failed)?;
    let mut batch = RowsBuilder::new(schema);
    let mut row: Vec<Value> = Vec::with_capacity(schema.columns.len());
    while let Some(cells) = result.next().await.map_err(failed)? {
        row.clear();
        let cells = cells.unwrap_raw().into_iter().map(|c| c.unwrap_or(Cell::NULL)); // none was taken
        for (column, cell) in schema.columns.iter().zip(cells) {
            // for the message; only what costs nothing to keep
            let date = matches!(cell, Cell::Date(..)).then(|| cell.clone());
            row.push(
                cells::value(&column.kind, column.charset(), cell)
                    .ok_or_else(|| unreadable(schema, &column.name, &row, date))?,
            );
        }
        batch.push(&row)?;
        if (batch.rows() >= BATCH_ROWS || batch.bytes() >= BATCH_BYTES)
            && let Err(Gone) = sender.send(batch.finish()).await
        {
            return Ok(());
        }
    }
    drop(result);
    conn.close(statement).await.map_err(failed)?;
    conn.query_drop("SET character_set_results = utf8mb4").await.map_err(failed)?;
    if batch.rows() > 0 {
        // whether anybody still listens, nothing more is to be read
        let _: Result<(), Gone> = sender.send(batch.finish()).await;
    }
    Ok(())
}

fn unreadable(schema: &TableSchema, column: &str, row: &[Value], date: Option<Cell>) -> Error {
    let date = date.map(|d| format!(" ({})", d.as_sql(true))).unwrap_or_default();
    let first = row.first().map(|v| format!(", in the row whose first value is {v:?}")).unwrap_or_default();
    Error::new(
        Kind::Uncertain,
        format!("table {} has a value that this release does not carry in column {column}{date}{first}", schema.name),
    )
    .hint("Text without a counterpart in Unicode is not carried; correct the value.")
}

/// One table as of a position of its own. See `Source::retake`.
pub async fn retake(url: &ServerUrl, known: &TableSchema) -> Result<Retake> {
    let mut conn = open(url).await?;
    let name = &known.name;
    let create = match catalog::create_table(&mut conn, url, name).await {
        Ok(create) => create,
        Err(error) if error.kind == Kind::Uncertain => return Ok(Retake::Nothing),
        Err(error) => return Err(error),
    };
    let family = Version::ask(&mut conn, url).await?.family;
    let schema = match catalog::described(family, &create, name.clone(), known.id) {
        Ok(schema) => schema,
        Err(refusal) => return Ok(Retake::NotCarried(NotCarried::table(refusal.to_string()))),
    };
    let engine = ask(
        &mut conn,
        url,
        &format!(
            "SELECT ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {}",
            super::connect::literal(&name.database),
            super::connect::literal(&name.table)
        ),
    )
    .await?;
    if engine.first().map(|r| super::connect::at(r, 0)) != Some("InnoDB") {
        return Err(Error::new(
            Kind::Uncertain,
            format!("table {name} is not of engine InnoDB, so no base can be taken"),
        )
        .hint(format!("Run: ALTER TABLE {} ENGINE=InnoDB", name.quoted())));
    }
    let schema = Arc::new(same_columns(schema, known));
    let was = identities(&mut conn, url, std::iter::once(schema.as_ref())).await?;
    let (conns, position) = consistent(family, &mut conn, url, 1).await?;
    let mut conn = conns.into_iter().next().ok_or_else(|| Error::internal("no snapshot was opened"))?;
    lock_definition(&mut conn, url, &schema, was.get(&schema.id)).await?;
    let bookmark = position.bookmark();
    let (sender, rows) = base_rows();
    let (url, read) = (url.clone(), schema.clone());
    tokio::spawn(async move {
        match read_rows(&mut conn, &url, &read, &sender).await {
            Ok(()) => sender.end().await,
            Err(error) => sender.fail(error).await,
        }
    });
    Ok(Retake::Rows { schema, bookmark, rows })
}

/// Gives columns of the same name and type the ids that they had, and the others new ones.
fn same_columns(mut schema: TableSchema, known: &TableSchema) -> TableSchema {
    let mut next = known.next_column;
    for column in &mut schema.columns {
        match known.columns.iter().find(|k| k.name == column.name && k.kind == column.kind) {
            Some(same) => column.id = same.id,
            None => {
                column.id = ColumnId(next);
                next += 1;
            }
        }
    }
    schema.next_column = next;
    schema
}
