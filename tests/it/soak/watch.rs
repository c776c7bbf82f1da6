//! What the server itself showed at a moment, and whether pcloud shows the same.

use super::World;
use crate::support::port::Port;
use mysql_async::prelude::*;
use mysql_async::{Conn, Error, Row, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Everything at one moment: the GTID of the last commit, and each table's rows as sorted text.
pub struct Seen {
    pub gtid: String,
    pub tables: BTreeMap<String, Vec<String>>,
}

/// Looks again and again until the soak ends.
pub async fn watch(world: Arc<World>) -> Vec<Seen> {
    let mut rng = fastrand::Rng::with_seed(world.seed ^ 0x5ee);
    let mut seen = Vec::new();
    while !world.stop.is_cancelled() {
        // what cannot be looked at whole, because the server goes away meanwhile, is not looked at
        if let Ok(Some(moment)) = look(&world).await {
            seen.push(moment);
        }
        tokio::time::sleep(Duration::from_millis(rng.u64(300..1500))).await;
    }
    seen
}

async fn look(world: &World) -> Result<Option<Seen>, Error> {
    let (Some(mut lock), Some(mut read)) = (world.connect().await, world.connect().await) else { return Ok(None) };
    // no table is altered between the snapshot and the reading of its rows
    let _gate = world.schema.read().await;
    lock.query_drop("SET lock_wait_timeout = 10").await?;
    lock.query_drop("FLUSH TABLES WITH READ LOCK").await?;
    read.query_drop("SET time_zone = '+00:00', SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        .await
        .or(read.query_drop("SET time_zone = '+00:00'").await)?;
    read.query_drop("START TRANSACTION WITH CONSISTENT SNAPSHOT").await?;
    let gtid = last_gtid(world, &mut lock).await?;
    lock.query_drop("UNLOCK TABLES").await?;
    let names: Vec<(String, String)> = read.query("SHOW FULL TABLES FROM s WHERE Table_type = 'BASE TABLE'").await?;
    let mut tables = BTreeMap::new();
    for (name, _) in names {
        let rows = rows(&mut read, &format!("SELECT * FROM s.`{name}`")).await?;
        tables.insert(name, rows);
    }
    Ok(gtid.map(|gtid| Seen { gtid, tables }))
}

/// The server's own last transaction.
async fn last_gtid(world: &World, conn: &mut Conn) -> Result<Option<String>, Error> {
    if !world.product().is_mysql() {
        return conn.query_first("SELECT @@gtid_binlog_pos").await;
    }
    let all: Option<(String, String)> = conn.query_first("SELECT @@gtid_executed, @@server_uuid").await?;
    Ok(all.and_then(|(set, uuid)| {
        let own = set.split(',').map(str::trim).find_map(|s| s.strip_prefix(&uuid).map(str::to_string))?;
        Some(format!("{uuid}:{}", own.rsplit([':', '-']).next()?))
    }))
}

/// All rows as text, sorted.
async fn rows(conn: &mut Conn, sql: &str) -> Result<Vec<String>, Error> {
    let rows: Vec<Row> = conn.query(sql).await?;
    let cell = |v: Option<Value>| match v {
        Some(Value::Bytes(bytes)) => bytes.escape_ascii().to_string(),
        Some(Value::NULL) => "NULL".to_string(),
        other => format!("{other:?}"),
    };
    let mut lines: Vec<String> =
        rows.into_iter().map(|r| r.unwrap_raw().into_iter().map(cell).collect::<Vec<_>>().join(" | ")).collect();
    lines.sort();
    Ok(lines)
}

/// What the comparison came to.
#[derive(Default)]
pub struct Judgement {
    pub moments: usize,
    pub tables: usize,
    /// Reason to number of tables that were not shown for it.
    pub refused: BTreeMap<String, usize>,
    pub wrong: Vec<String>,
}

/// Asks pcloud for everything that was seen.
pub async fn judge(port: &Port, seen: &[Seen]) -> Judgement {
    let mut conn = port.connect().await;
    conn.query_drop("SET time_zone = '+00:00'").await.expect("UTC");
    let mut j = Judgement::default();
    for moment in seen {
        j.moments += 1;
        for (table, expected) in &moment.tables {
            let sql = format!("SELECT * FROM s.`{table}` AS OF GTID '{}'", moment.gtid);
            match rows(&mut conn, &sql).await {
                Ok(found) if found == *expected => j.tables += 1,
                Ok(found) => {
                    let missing = expected.iter().find(|r| !found.contains(r));
                    let extra = found.iter().find(|r| !expected.contains(r));
                    let (many, few) = (found.len(), expected.len());
                    j.wrong.push(format!("{sql}: {many} rows, not {few}\n  lacks {missing:?}\n  has {extra:?}"));
                }
                Err(Error::Server(e)) => match reason(&e.message) {
                    Some(reason) => *j.refused.entry(reason).or_default() += 1,
                    None => j.wrong.push(format!("{sql}: {} {}", e.code, e.message)),
                },
                Err(error) => j.wrong.push(format!("{sql}: {error}")),
            }
        }
        let listed = rows(&mut conn, &format!("SHOW FULL TABLES FROM s AS OF GTID '{}'", moment.gtid)).await;
        for line in listed.unwrap_or_else(|e| vec![format!("the list of tables: {e} | BASE TABLE")]) {
            if let Some(name) = line.strip_suffix(" | BASE TABLE")
                && !moment.tables.contains_key(name)
            {
                j.wrong.push(format!("table {name} was not there at {}", moment.gtid));
            }
        }
    }
    j
}

/// Why pcloud does not show a table: the documented reasons, without names and places. `None`: it is no such refusal.
fn reason(message: &str) -> Option<String> {
    let plain = |s: &str| s.chars().filter(|c| !c.is_ascii_digit()).take(110).collect::<String>();
    if message.contains("is uncertain") {
        let why = message.split_once("because ").map_or(message, |(_, why)| why);
        return Some(format!("uncertain: {}", plain(why)));
    }
    for refusal in ["is not derived: ", "is not carried by this archive: "] {
        if let Some((_, why)) = message.split_once(refusal) {
            return Some(format!("{refusal}{}", plain(why)));
        }
    }
    None
}
