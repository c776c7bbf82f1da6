//! What the server itself shows at a moment.

use super::World;
use mysql_async::prelude::*;
use mysql_async::{Conn, Error, Row, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Everything at one moment, just after the commit with this GTID.
pub struct Seen {
    pub gtid: String,
    /// Tables, views and sequences.
    pub tables: BTreeMap<String, Shown>,
    /// CHECKSUM TABLE of the tables; of some moments only.
    pub sums: BTreeMap<String, String>,
}

pub struct Shown {
    /// As SHOW FULL TABLES calls it.
    pub kind: String,
    /// The columns' names, and then the rows as sorted text. `None`: the server shows none (of a view whose table is gone).
    pub lines: Option<Vec<String>>,
}

/// Looks again and again until the round ends.
pub async fn watch(world: Arc<World>) -> Vec<Seen> {
    let mut rng = fastrand::Rng::with_seed(world.seed ^ 0x5ee);
    let mut seen = Vec::new();
    while !world.stop.is_cancelled() {
        // what cannot be looked at whole, because the server goes away meanwhile, is not looked at
        if let Ok(Some(moment)) = look(&world, rng.u8(..8) == 0).await {
            seen.push(moment);
        }
        tokio::time::sleep(Duration::from_millis(rng.u64(300..1500))).await;
    }
    seen
}

async fn look(world: &World, sum: bool) -> Result<Option<Seen>, Error> {
    let (Some(mut lock), Some(mut read)) = (world.connect().await, world.connect().await) else { return Ok(None) };
    // no table is altered between the snapshot and the reading of its rows
    let _gate = world.schema.read().await;
    lock.query_drop("SET lock_wait_timeout = 10, time_zone = '+00:00'").await?;
    lock.query_drop("FLUSH TABLES WITH READ LOCK").await?;
    read.query_drop("SET time_zone = '+00:00'").await?;
    read.query_drop("START TRANSACTION WITH CONSISTENT SNAPSHOT").await?;
    let gtid = last_gtid(world, &mut lock).await?;
    let names: Vec<(String, String)> = lock.query("SHOW FULL TABLES FROM s").await?;
    let (mut tables, mut sums) = (BTreeMap::new(), BTreeMap::new());
    // a sequence is outside of transactions
    for (name, _) in names.iter().filter(|(_, kind)| kind == "SEQUENCE") {
        tables.insert(name.clone(), shown(&mut lock, name, "SEQUENCE").await?);
    }
    for (name, _) in names.iter().filter(|(_, kind)| sum && kind == "BASE TABLE") {
        let row: Option<(String, Option<String>)> = lock.query_first(format!("CHECKSUM TABLE s.`{name}`")).await?;
        sums.extend(row.and_then(|(_, sum)| Some((name.clone(), sum?))));
    }
    lock.query_drop("UNLOCK TABLES").await?;
    for (name, kind) in names.iter().filter(|(_, kind)| kind != "SEQUENCE") {
        tables.insert(name.clone(), shown(&mut read, name, kind).await?);
    }
    Ok(gtid.map(|gtid| Seen { gtid, tables, sums }))
}

async fn shown(conn: &mut Conn, name: &str, kind: &str) -> Result<Shown, Error> {
    let lines = match lines(conn, &format!("SELECT * FROM s.`{name}`")).await {
        Ok(lines) => Some(lines),
        Err(Error::Server(_)) if kind == "VIEW" => None,
        Err(error) => return Err(error),
    };
    Ok(Shown { kind: kind.to_string(), lines })
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

/// The columns' names, then all rows as sorted text.
pub async fn lines(conn: &mut Conn, sql: &str) -> Result<Vec<String>, Error> {
    let mut result = conn.query_iter(sql).await?;
    let names: Vec<_> = result.columns_ref().iter().map(|c| c.name_str().into_owned()).collect();
    let rows: Vec<Row> = result.collect().await?;
    let cell = |v: Option<Value>| match v {
        Some(Value::Bytes(bytes)) => bytes.escape_ascii().to_string(),
        Some(Value::NULL) => "NULL".to_string(),
        other => format!("{other:?}"),
    };
    let line = |r: Row| r.unwrap_raw().into_iter().map(cell).collect::<Vec<_>>().join(" | ");
    let mut lines: Vec<String> = rows.into_iter().map(line).collect();
    lines.sort();
    lines.insert(0, names.join(" | "));
    Ok(lines)
}
