//! What the writers do: random transactions on whatever tables there are.

use super::World;
use super::schema::value;
use fastrand::Rng;
use mysql_async::prelude::*;
use mysql_async::{Conn, Error};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A table as a writer sees it.
#[derive(Debug, Clone, Default)]
pub struct Table {
    pub name: String,
    pub columns: Vec<Column>,
}

#[derive(Debug, Clone)]
pub struct Column {
    pub name: String,
    pub kind: String,
    pub nullable: bool,
    pub key: bool,
    /// Values can be given.
    pub plain: bool,
}

/// All base tables of the database.
pub async fn tables(conn: &mut Conn) -> Result<Vec<Table>, Error> {
    let sql = "SELECT c.TABLE_NAME, c.COLUMN_NAME, c.COLUMN_TYPE, c.IS_NULLABLE, c.COLUMN_KEY, c.EXTRA \
               FROM information_schema.COLUMNS c JOIN information_schema.TABLES t USING (TABLE_SCHEMA, TABLE_NAME) \
               WHERE c.TABLE_SCHEMA = 's' AND t.TABLE_TYPE = 'BASE TABLE' ORDER BY 1, c.ORDINAL_POSITION";
    let rows: Vec<(String, String, String, String, String, String)> = conn.query(sql).await?;
    let mut all: BTreeMap<String, Table> = BTreeMap::new();
    for (table, name, kind, nullable, key, extra) in rows {
        let entry = all.entry(table.clone()).or_insert_with(|| Table { name: table, columns: Vec::new() });
        let plain = !extra.to_uppercase().contains("GENERATED") || extra.contains("DEFAULT_GENERATED");
        entry.columns.push(Column { name, kind, nullable: nullable == "YES", key: key == "PRI", plain });
    }
    Ok(all.into_values().collect())
}

/// Writes until the soak ends; connects again when the server went away.
pub async fn write(world: Arc<World>, number: u64) {
    let mut rng = Rng::with_seed(world.seed ^ (number + 1));
    let (mut conn, mut known) = (None, Vec::new());
    while !world.stop.is_cancelled() {
        let connected = match conn.as_mut() {
            Some(connected) => connected,
            None => match world.connect().await {
                Some(new) => conn.insert(new),
                None => return,
            },
        };
        let done = round(&world, connected, &mut rng, &mut known, number).await;
        if let Err(error) = done
            && !matches!(error, Error::Server(_))
        {
            conn = None;
        }
        tokio::time::sleep(Duration::from_millis(rng.u64(2..25))).await; // a pace, so that two cores are enough
    }
}

async fn round(
    world: &World,
    conn: &mut Conn,
    rng: &mut Rng,
    known: &mut Vec<Table>,
    number: u64,
) -> Result<(), Error> {
    if known.is_empty() || rng.u8(..) < 25 {
        *known = tables(conn).await?;
    }
    if known.is_empty() {
        return Ok(());
    }
    let xa = rng.u8(..) < 6;
    let id = format!("'x{number}-{}'", rng.u32(..));
    conn.query_drop(if xa { format!("XA START {id}") } else { "START TRANSACTION".into() }).await?;
    for _ in 0..rng.usize(1..6) {
        let sql = statement(world, rng, known);
        match conn.query_drop(&sql).await {
            Ok(()) => drop(world.statements.fetch_add(1, Ordering::Relaxed)),
            Err(Error::Server(e)) if e.code == 1213 || e.code == 1205 => break,
            Err(Error::Server(_)) => {}
            Err(error) => return Err(error),
        }
        match rng.u8(..20) {
            0 if !xa => conn.query_drop("SAVEPOINT a").await?,
            1 if !xa => drop(conn.query_drop("ROLLBACK TO SAVEPOINT a").await.or_else(server)?),
            _ => {}
        }
    }
    let keep = rng.u8(..10) > 0;
    if xa {
        conn.query_drop(format!("XA END {id}")).await.or_else(server)?;
        let prepared = rng.bool() && conn.query_drop(format!("XA PREPARE {id}")).await.is_ok();
        let end = if keep { "COMMIT" } else { "ROLLBACK" };
        let phase = if keep && !prepared { " ONE PHASE" } else { "" };
        let ended = conn.query_drop(format!("XA {end} {id}{phase}")).await;
        if ended.is_err() {
            conn.query_drop(format!("XA ROLLBACK {id}")).await.or_else(server)?;
        }
    } else {
        conn.query_drop(if keep { "COMMIT" } else { "ROLLBACK" }).await?;
    }
    Ok(())
}

/// What the server refuses does not matter.
fn server(error: Error) -> Result<(), Error> {
    if matches!(error, Error::Server(_)) { Ok(()) } else { Err(error) }
}

fn statement(world: &World, rng: &mut Rng, known: &[Table]) -> String {
    let table = &known[rng.usize(..known.len())];
    let some = |rng: &mut Rng| {
        let column = &table.columns[rng.usize(..table.columns.len())];
        format!(
            "`{}` {} {}",
            column.name,
            ["=", "<", ">"][rng.usize(..3)],
            value(rng, world.product(), &column.kind, false)
        )
    };
    match rng.u8(..20) {
        0..=9 => insert(world, rng, table),
        10..=14 => {
            let settable: Vec<_> = table.columns.iter().filter(|c| c.plain).collect();
            let sets: Vec<_> = (0..rng.usize(1..3))
                .map(|_| {
                    let c = settable[rng.usize(..settable.len())];
                    format!("`{}` = {}", c.name, value(rng, world.product(), &c.kind, c.nullable))
                })
                .collect();
            format!("UPDATE `{}` SET {} WHERE {} LIMIT {}", table.name, sets.join(", "), some(rng), rng.u8(1..5))
        }
        15 | 16 => format!("DELETE FROM `{}` WHERE {} LIMIT {}", table.name, some(rng), rng.u8(1..4)),
        17 => format!("DELETE FROM `{}` ORDER BY 1 LIMIT {}", table.name, rng.u8(1..20)),
        18 => {
            let from = &known[rng.usize(..known.len())];
            format!("INSERT IGNORE INTO `{}` SELECT * FROM `{}` LIMIT 3", table.name, from.name)
        }
        _ => format!("INSERT IGNORE INTO `{0}` SELECT * FROM `{0}` LIMIT 2", table.name),
    }
}

fn insert(world: &World, rng: &mut Rng, table: &Table) -> String {
    let given: Vec<_> = table.columns.iter().filter(|c| c.plain && (c.key || rng.u8(..10) > 1)).collect();
    let names: Vec<_> = given.iter().map(|c| format!("`{}`", c.name)).collect();
    let rows: Vec<_> = (0..rng.usize(1..5))
        .map(|_| {
            let values: Vec<_> = given.iter().map(|c| value(rng, world.product(), &c.kind, c.nullable)).collect();
            format!("({})", values.join(", "))
        })
        .collect();
    let (head, tail) = match rng.u8(..8) {
        0 => ("REPLACE", String::new()),
        1 if !given.is_empty() => {
            let c = given[rng.usize(..given.len())];
            (
                "INSERT",
                format!(" ON DUPLICATE KEY UPDATE `{}` = {}", c.name, value(rng, world.product(), &c.kind, c.nullable)),
            )
        }
        2..=4 => ("INSERT IGNORE", String::new()),
        _ => ("INSERT", String::new()),
    };
    format!("{head} INTO `{}` ({}) VALUES {}{tail}", table.name, names.join(", "), rows.join(", "))
}
