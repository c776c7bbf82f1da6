//! MariaDB opens a snapshot between two commits and says between which (`Binlog_snapshot_file`, `_position`). When all
//! connections name the same position they see the same state. Otherwise commits came in between, and they are opened
//! again; on a server that never pauses, commits are held for that moment with BACKUP STAGE BLOCK_COMMIT; where the
//! account may not, one connection has to do.

use super::super::connect::{ask, at, literal};
use super::super::position::Position;
use super::start_all;
use crate::error::{Context, Error, Kind, Result};
use crate::model::ServerUrl;
use mysql_async::Conn;

/// How often the connections are opened anew before commits are held.
const FREE_TRIES: usize = 10;
/// How often in a row a snapshot's place must be said, and how often it is asked for at most.
const SAME_READS: usize = 5;
const MOST_READS: usize = 200;

/// Connections whose snapshots are of the same position.
pub async fn consistent(asking: &mut Conn, url: &ServerUrl, mut conns: Vec<Conn>) -> Result<(Vec<Conn>, Position)> {
    for attempt in 0..=FREE_TRIES {
        let hold = attempt == FREE_TRIES && hold_commits(asking, url).await;
        let opened = located(&mut conns, url).await;
        if hold {
            ask(asking, url, "BACKUP STAGE END").await.context("releasing commits")?;
        }
        let positions = opened?;
        if let Some(place) = agreed(&positions) {
            let gtids = gtids_at(asking, url, &place).await?;
            return Ok((conns, Position { file: place.0, offset: place.1, gtids }));
        }
    }
    tracing::warn!(source = %url, "the base is read over one connection: commits never pause, and BACKUP STAGE is refused");
    conns.truncate(1);
    let place =
        agreed(&located(&mut conns, url).await?).ok_or_else(|| Error::internal("a snapshot without a place"))?;
    let gtids = gtids_at(asking, url, &place).await?;
    Ok((conns, Position { file: place.0, offset: place.1, gtids }))
}

type Place = (String, u64);

fn agreed(places: &[Place]) -> Option<Place> {
    let first = places.first()?;
    places.iter().all(|p| p == first).then(|| first.clone())
}

/// Opens all snapshots; then asks where each stands, one after the other.
async fn located(conns: &mut [Conn], url: &ServerUrl) -> Result<Vec<Place>> {
    start_all(conns, url).await?;
    let mut places = Vec::with_capacity(conns.len());
    for conn in conns {
        places.push(place(conn, url).await?);
    }
    Ok(places)
}

/// Where the log stands at the connection's snapshot.
///
/// MariaDB copies the answer into variables that all sessions share before it shows them, so a session that asks at
/// the same time may be told another's place: about one answer in 400 when two ask without pause. A place counts
/// when it was said several times in a row. (Source: `TC_LOG_BINLOG::set_status_variables` in MariaDB's log.cc.)
async fn place(conn: &mut Conn, url: &ServerUrl) -> Result<Place> {
    let (mut said, mut times) = (place_said(conn, url).await?, 1);
    for _ in 0..MOST_READS {
        let next = place_said(conn, url).await?;
        times = if next == said { times + 1 } else { 1 };
        said = next;
        if times == SAME_READS {
            return Ok(said);
        }
    }
    Err(Error::new(Kind::Server, format!("the server {url} says each time another place of its log for one snapshot"))
        .hint("Something asks it for SHOW STATUS without pause: start again when that has ended."))
}

async fn place_said(conn: &mut Conn, url: &ServerUrl) -> Result<Place> {
    let rows = ask(conn, url, "SHOW STATUS LIKE 'Binlog\\_snapshot\\_%'").await?;
    let find = |name: &str| rows.iter().find(|r| at(r, 0).eq_ignore_ascii_case(name)).map(|r| at(r, 1).to_string());
    match (find("Binlog_snapshot_file"), find("Binlog_snapshot_position").and_then(|p| p.parse().ok())) {
        (Some(file), Some(position)) if !file.is_empty() => Ok((file, position)),
        _ => Err(Error::new(Kind::Server, format!("the server {url} does not say where its log stands in a snapshot"))
            .hint("Check that its binary log is on (log_bin).")),
    }
}

/// Holds commits for a moment. `false`: the account may not, or too much is going on.
async fn hold_commits(conn: &mut Conn, url: &ServerUrl) -> bool {
    for stage in ["SET lock_wait_timeout = 5", "BACKUP STAGE START", "BACKUP STAGE BLOCK_COMMIT"] {
        if let Err(error) = ask(conn, url, stage).await {
            tracing::debug!(%error, "commits are not held");
            let _ = ask(conn, url, "BACKUP STAGE END").await;
            return false;
        }
    }
    true
}

/// The GTID state at a place of the log; empty when the server has none.
async fn gtids_at(conn: &mut Conn, url: &ServerUrl, (file, position): &Place) -> Result<String> {
    let rows = ask(conn, url, &format!("SELECT BINLOG_GTID_POS({}, {position})", literal(file))).await?;
    match rows.first().and_then(|r| r.first()) {
        Some(Some(gtids)) => Ok(gtids.replace(char::is_whitespace, "")),
        _ => Err(Error::new(Kind::Server, format!("the server {url} knows no GTID position for {file}:{position}"))
            .hint("Check that its binary log is on and that the file was not purged.")),
    }
}
