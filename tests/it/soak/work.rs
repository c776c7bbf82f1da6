//! What the writers do: random transactions on whatever tables there are.

use super::schema::value;
use super::{World, open};
use crate::support::db::Db;
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
    /// Another table and its column, of which a foreign key makes this one a reference.
    pub refers: Option<(String, String)>,
}

impl Table {
    pub fn keyless(&self) -> bool {
        !self.columns.iter().any(|c| c.key)
    }
}

/// All base tables of the database.
pub async fn tables(conn: &mut Conn) -> Result<Vec<Table>, Error> {
    let keys = "SELECT TABLE_NAME, COLUMN_NAME, REFERENCED_TABLE_NAME, REFERENCED_COLUMN_NAME \
                FROM information_schema.KEY_COLUMN_USAGE \
                WHERE TABLE_SCHEMA = 's' AND REFERENCED_TABLE_NAME <> TABLE_NAME AND POSITION_IN_UNIQUE_CONSTRAINT = 1";
    let keys: Vec<(String, String, String, String)> = conn.query(keys).await?;
    let refers: BTreeMap<_, _> = keys.into_iter().map(|(t, c, of, column)| ((t, c), (of, column))).collect();
    let sql = "SELECT c.TABLE_NAME, c.COLUMN_NAME, c.COLUMN_TYPE, c.IS_NULLABLE, c.COLUMN_KEY, c.EXTRA \
               FROM information_schema.COLUMNS c JOIN information_schema.TABLES t USING (TABLE_SCHEMA, TABLE_NAME) \
               WHERE c.TABLE_SCHEMA = 's' AND t.TABLE_TYPE = 'BASE TABLE' ORDER BY 1, c.ORDINAL_POSITION";
    let rows: Vec<(String, String, String, String, String, String)> = conn.query(sql).await?;
    let mut all: BTreeMap<String, Table> = BTreeMap::new();
    for (table, name, kind, nullable, key, extra) in rows {
        let plain = !extra.to_uppercase().contains("GENERATED") || extra.contains("DEFAULT_GENERATED");
        let refers = refers.get(&(table.clone(), name.clone())).cloned();
        let column = Column { name, kind, nullable: nullable == "YES", key: key == "PRI", plain, refers };
        all.entry(table.clone()).or_insert_with(|| Table { name: table, columns: Vec::new() }).columns.push(column);
    }
    Ok(all.into_values().collect())
}

const FILES: usize = 6;

/// Files for LOAD DATA.
pub fn files(db: &Db) {
    let mut rng = Rng::with_seed(7);
    for n in 0..FILES {
        let cells = ["1", "-7", "\\N", "abc", "12.5", "2026-11-23 01:02:03", "ü\\t", "0", "99", "{\"a\": 1}", ""];
        let line = |rng: &mut Rng| (0..8).map(|_| cells[rng.usize(..cells.len())]).collect::<Vec<_>>().join("\t");
        let text: String = (0..4).map(|i| format!("{}\t{}\n", n * 20 + i, line(&mut rng))).collect();
        std::fs::write(db.instance().join(format!("files/{n}")), text).expect("a file for LOAD DATA");
    }
}

/// Writes until the round ends; connects again when the server went away.
pub async fn write(world: Arc<World>, number: u64) {
    let mut rng = Rng::with_seed(world.seed ^ (number + 1));
    let (mut conn, mut known) = (None, Vec::new());
    while !world.stop.is_cancelled() {
        let fresh = conn.is_none();
        let connected = match conn.as_mut() {
            Some(connected) => connected,
            None => match world.connect().await {
                Some(new) => conn.insert(new),
                None => return,
            },
        };
        let done = async {
            if fresh || rng.u8(..) < 15 {
                known = tables(connected).await?;
                session(&world, connected, &mut rng).await?;
                decide(connected, &format!("w{number}-"), &mut rng).await?;
            }
            transaction(&world, connected, &mut rng, &known, number).await
        };
        match done.await {
            Ok(End::Left) => conn = None,
            Err(error) if !matches!(error, Error::Server(_)) => conn = None,
            _ => {}
        }
        if !world.burst.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(rng.u64(2..25))).await; // a pace, so that two cores are enough
        }
    }
}

/// What kind of session it is from now on.
async fn session(world: &World, conn: &mut Conn, rng: &mut Rng) -> Result<(), Error> {
    let level = if rng.u8(..4) == 0 { "READ COMMITTED" } else { "REPEATABLE READ" };
    conn.query_drop(format!("SET SESSION TRANSACTION ISOLATION LEVEL {level}")).await?;
    conn.query_drop(format!("SET foreign_key_checks = {}", u8::from(!world.unchecked || rng.u8(..6) > 0))).await
}

/// Ends prepared transactions whose names begin so, which nobody holds any more.
async fn decide(conn: &mut Conn, names: &str, rng: &mut Rng) -> Result<(), Error> {
    let prepared: Vec<(i64, i64, i64, String)> = conn.query("XA RECOVER").await?;
    for (.., name) in prepared.iter().filter(|(.., name)| name.starts_with(names)) {
        let verb = if rng.bool() { "COMMIT" } else { "ROLLBACK" };
        conn.query_drop(format!("XA {verb} '{name}'")).await.or_else(server)?;
    }
    Ok(())
}

/// Ends all of them.
pub async fn settle(world: &World) {
    let mut conn = open(&world.db).await.expect("the server runs");
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    loop {
        decide(&mut conn, "w", &mut Rng::with_seed(world.seed)).await.expect("they are decided");
        let left: Vec<(i64, i64, i64, String)> = conn.query("XA RECOVER").await.expect("a list");
        if left.is_empty() {
            return;
        }
        assert!(std::time::Instant::now() < deadline, "prepared transactions stay: {left:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

enum End {
    Done,
    /// It is prepared, and its session goes away.
    Left,
}

async fn transaction(
    world: &World,
    conn: &mut Conn,
    rng: &mut Rng,
    known: &[Table],
    number: u64,
) -> Result<End, Error> {
    if known.is_empty() {
        return Ok(End::Done);
    }
    let xa = rng.u8(..) < 6;
    let id = format!("'w{number}-{}'", rng.u32(..));
    conn.query_drop(if xa { format!("XA START {id}") } else { "START TRANSACTION".into() }).await?;
    for _ in 0..rng.usize(1..6) {
        let sql = statement(world, rng, known);
        match conn.query_drop(&sql).await {
            Ok(()) => drop(world.count.statements.fetch_add(1, Ordering::Relaxed)),
            Err(Error::Server(e)) if e.code == 1213 || e.code == 1205 => break,
            Err(Error::Server(_)) => {}
            Err(error) => return Err(error),
        }
        match rng.u8(..24) {
            0 if !xa => conn.query_drop("SAVEPOINT a").await?,
            1 if !xa => conn.query_drop("SAVEPOINT b").await?,
            2 if !xa => conn.query_drop("ROLLBACK TO SAVEPOINT a").await.or_else(server)?,
            3 if !xa => conn.query_drop("ROLLBACK TO SAVEPOINT b").await.or_else(server)?,
            _ => {}
        }
    }
    let keep = rng.u8(..10) > 0;
    if !xa {
        conn.query_drop(if keep { "COMMIT" } else { "ROLLBACK" }).await?;
        return Ok(End::Done);
    }
    conn.query_drop(format!("XA END {id}")).await.or_else(server)?;
    let prepared = rng.bool() && conn.query_drop(format!("XA PREPARE {id}")).await.is_ok();
    if prepared && rng.u8(..3) == 0 {
        return Ok(End::Left);
    }
    let end = if keep { "COMMIT" } else { "ROLLBACK" };
    let phase = if keep && !prepared { " ONE PHASE" } else { "" };
    if conn.query_drop(format!("XA {end} {id}{phase}")).await.is_err() {
        conn.query_drop(format!("XA ROLLBACK {id}")).await.or_else(server)?;
    }
    Ok(End::Done)
}

/// What the server refuses does not matter.
pub fn server(error: Error) -> Result<(), Error> {
    if matches!(error, Error::Server(_)) { Ok(()) } else { Err(error) }
}

/// A change of rows.
pub fn statement(world: &World, rng: &mut Rng, known: &[Table]) -> String {
    let table = &known[rng.usize(..known.len())];
    let name = &table.name;
    let some = |rng: &mut Rng| {
        let column = &table.columns[rng.usize(..table.columns.len())];
        let sign = ["=", "<", ">"][rng.usize(..3)];
        format!("`{}` {sign} {}", column.name, value(rng, world.product(), &column.kind, false))
    };
    match rng.u8(..24) {
        0..=10 => insert(world, rng, table),
        11..=14 => {
            let settable: Vec<_> = table.columns.iter().filter(|c| c.plain).collect();
            let set = |rng: &mut Rng| {
                let c = settable[rng.usize(..settable.len())];
                format!("`{}` = {}", c.name, given(world, rng, c))
            };
            let sets: Vec<_> = (0..rng.usize(1..3)).map(|_| set(rng)).collect();
            format!("UPDATE IGNORE `{name}` SET {} WHERE {} LIMIT {}", sets.join(", "), some(rng), rng.u8(1..5))
        }
        15 | 16 => format!("DELETE FROM `{name}` WHERE {} LIMIT {}", some(rng), rng.u8(1..4)),
        17 | 18 => format!("DELETE FROM `{name}` ORDER BY 1 LIMIT {}", rng.u8(1..20)),
        19 => format!("DELETE FROM `{name}` ORDER BY 1 DESC LIMIT 1"),
        20 => {
            let from = &known[rng.usize(..known.len())].name;
            format!("INSERT IGNORE INTO `{name}` SELECT * FROM `{from}` LIMIT 3")
        }
        21 => {
            let file = world.db.instance().join(format!("files/{}", rng.usize(..FILES)));
            format!("LOAD DATA INFILE '{}' IGNORE INTO TABLE `{name}`", file.display())
        }
        22 if !world.product().is_mysql() => match rng.u8(..3) {
            0 => format!("SELECT SETVAL(q{}, {})", rng.u8(..3), rng.u16(..5000)),
            _ => format!("SELECT NEXT VALUE FOR q{0}, NEXT VALUE FOR q{0}", rng.u8(..3)),
        },
        _ => format!("INSERT IGNORE INTO `{name}` SELECT * FROM `{name}` LIMIT 2"),
    }
}

/// A value for a column; where a foreign key makes it a reference, mostly one that is there.
fn given(world: &World, rng: &mut Rng, column: &Column) -> String {
    match &column.refers {
        Some((table, of)) if rng.u8(..4) > 0 => {
            let order = ["", " DESC"][rng.usize(..2)];
            format!("(SELECT x.`{of}` FROM `{table}` x ORDER BY 1{order} LIMIT 1 OFFSET {})", rng.u8(..4))
        }
        _ => value(rng, world.product(), &column.kind, column.nullable),
    }
}

fn insert(world: &World, rng: &mut Rng, table: &Table) -> String {
    let columns: Vec<_> = table.columns.iter().filter(|c| c.plain && (c.key || rng.u8(..10) > 1)).collect();
    let names: Vec<_> = columns.iter().map(|c| format!("`{}`", c.name)).collect();
    let mut rows: Vec<_> = (0..rng.usize(1..5))
        .map(|_| {
            let values: Vec<_> = columns.iter().map(|c| given(world, rng, c)).collect();
            format!("({})", values.join(", "))
        })
        .collect();
    if table.keyless() && rng.bool() {
        rows.push(rows[0].clone());
    }
    let (head, tail) = match rng.u8(..8) {
        0 => ("REPLACE", String::new()),
        1 if !columns.is_empty() => {
            let c = columns[rng.usize(..columns.len())];
            ("INSERT", format!(" ON DUPLICATE KEY UPDATE `{}` = {}", c.name, given(world, rng, c)))
        }
        2..=4 => ("INSERT IGNORE", String::new()),
        _ => ("INSERT", String::new()),
    };
    format!("{head} INTO `{}` ({}) VALUES {}{tail}", table.name, names.join(", "), rows.join(", "))
}
