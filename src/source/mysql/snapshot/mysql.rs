//! MySQL does not say where its log stood when a snapshot was opened. So it is proved.
//!
//! A transaction first gets a GTID, which it owns from then on (`gtid_owned`), then stands in the log, then is committed
//! in the engine, and then its GTID becomes executed and is owned no more. If the log ends at the same place before and
//! after the snapshots are opened, nothing came into it meanwhile; and if between the first look and the snapshots
//! nobody owned a GTID, everything that stood in it was committed in the engine before the first snapshot. So every
//! snapshot holds exactly what stands in the log before that place, and what was executed is what stands there. (That
//! the place and the executed GTIDs stay the same proves less: one snapshot may be opened before and another after the
//! engine's commit of a transaction that was in the log all the time and is executed only later.) Sources:
//! `MYSQL_BIN_LOG::ordered_commit` and `process_commit_stage_queue` in MySQL's binlog.cc, `Gtid_state` in
//! rpl_gtid_state.cc, and table_log_status.cc.
//!
//! On a server that never pauses, commits are held for a moment with FLUSH TABLES WITH READ LOCK, which waits until no
//! commit is under way.

use super::super::connect::{ask, at};
use super::super::log::Gtids;
use super::super::position::Position;
use super::start_all;
use crate::error::{Context, Error, Kind, Result};
use crate::model::ServerUrl;
use mysql_async::Conn;

/// How often the snapshots are opened anew before commits are held, how often it is tried to hold them, and how often a
/// single one is tried after that.
const FREE_TRIES: usize = 10;
const HELD_TRIES: usize = 3;
const LONE_TRIES: usize = 500;

pub async fn consistent(asking: &mut Conn, url: &ServerUrl, mut conns: Vec<Conn>) -> Result<(Vec<Conn>, Position)> {
    for _ in 0..FREE_TRIES {
        if let Some(position) = between_commits(asking, url, &mut conns).await? {
            return Ok((conns, position));
        }
    }
    for _ in 0..HELD_TRIES {
        if !hold_commits(asking, url).await {
            continue;
        }
        let opened = start_all(&mut conns, url).await;
        let position = log_status(asking, url).await;
        ask(asking, url, "UNLOCK TABLES").await.context("releasing commits")?;
        opened?;
        return Ok((conns, position?));
    }
    tracing::warn!(source = %url, "the base is read over one connection: commits never pause, and cannot be held");
    conns.truncate(1);
    for _ in 0..LONE_TRIES {
        if let Some(position) = between_commits(asking, url, &mut conns).await? {
            return Ok((conns, position));
        }
    }
    Err(Error::new(
        Kind::Server,
        format!("commits at {url} never pause, and FLUSH TABLES WITH READ LOCK was not possible"),
    )
    .hint("A statement that runs for long keeps it waiting: start again when there is none."))
}

/// Opens the snapshots. `None`: something was being committed meanwhile, so nobody knows what they hold.
async fn between_commits(asking: &mut Conn, url: &ServerUrl, conns: &mut [Conn]) -> Result<Option<Position>> {
    let before = log_status(asking, url).await?;
    let owned = ask(asking, url, "SELECT @@GLOBAL.gtid_owned").await?;
    if owned.first().is_none_or(|r| !at(r, 0).is_empty()) {
        return Ok(None);
    }
    start_all(conns, url).await?;
    let after = log_status(asking, url).await?;
    Ok((before == after).then_some(after))
}

/// Where the log ends, and what is executed.
async fn log_status(asking: &mut Conn, url: &ServerUrl) -> Result<Position> {
    let rows = ask(asking, url, "SELECT LOCAL FROM performance_schema.log_status").await?;
    let status: serde_json::Value = rows.first().and_then(|r| serde_json::from_str(at(r, 0)).ok()).unwrap_or_default();
    let text = |name: &str| status.get(name).and_then(|v| v.as_str());
    let offset = status.get("binary_log_position").and_then(|v| v.as_u64());
    match (text("binary_log_file"), offset, text("gtid_executed").map(gtids)) {
        (Some(file), Some(offset), Some(Some(gtids))) => {
            Ok(Position { file: file.to_string(), offset, gtids: gtids.to_string() })
        }
        _ => Err(Error::new(Kind::Server, format!("the server {url} does not say where its log stands"))
            .hint("Check that its binary log is on (log_bin) and that gtid_mode is ON.")),
    }
}

/// The server prints one server's transactions a line.
fn gtids(text: &str) -> Option<Gtids> {
    Gtids::parse(&text.replace(char::is_whitespace, ""))
}

/// Holds commits for a moment. `false`: the account may not, or a long statement keeps it waiting.
async fn hold_commits(conn: &mut Conn, url: &ServerUrl) -> bool {
    for statement in ["SET lock_wait_timeout = 3", "FLUSH TABLES WITH READ LOCK"] {
        if let Err(error) = ask(conn, url, statement).await {
            tracing::debug!(%error, "commits are not held");
            return false;
        }
    }
    true
}

/// Lets nobody create, alter or drop anything. What goes on is not waited for long: the catalog is compared anyway.
pub async fn hold_definitions(conn: &mut Conn, url: &ServerUrl) {
    for statement in ["SET lock_wait_timeout = 10", "LOCK INSTANCE FOR BACKUP"] {
        if let Err(error) = ask(conn, url, statement).await {
            tracing::debug!(%error, "definitions are not held");
            return;
        }
    }
}

pub async fn release_definitions(conn: &mut Conn, url: &ServerUrl) -> Result<()> {
    ask(conn, url, "UNLOCK INSTANCE").await.map(drop)
}
