//! What did the server hold at one position of its log? Read over several connections, without a lock that lasts.
//!
//! Each connection opens a transaction WITH CONSISTENT SNAPSHOT; MariaDB opens it between two commits and says between
//! which (`Binlog_snapshot_file`, `_position`). When all of them name the same position they see the same state.
//! Otherwise commits came in between, and they are opened again; on a server that never pauses, commits are held
//! for that moment with BACKUP STAGE BLOCK_COMMIT; where the account may not, one connection has to do.
//!
//! Definitions are not part of such a snapshot. So the catalog is read before and after the connections are opened and
//! must be the same both times, and each table's definition is compared once more when its rows are about to be read
//! under a metadata lock. A table that was altered meanwhile fails alone, with `Kind::Uncertain`.

use super::catalog::{self, Seen};
use super::connect::{ask, at, failed, open};
use super::ddl::parse_create_table;
use super::position::Position;
use super::table::{read_rows, row_order};
use crate::error::{Context, Error, Kind, Result};
use crate::model::{Micros, ServerUrl, TableId, TableSchema};
use crate::source::{BaseSource, BaseTable, Filter, Outline, RowsSender, base_rows};
use async_trait::async_trait;
use mysql_async::{Conn, prelude::Queryable};
use std::sync::Arc;
use tokio::sync::{Mutex, mpsc};

/// How often the connections are opened anew before commits are held.
const FREE_TRIES: usize = 10;
/// How often in a row a snapshot's place must be said, and how often it is asked for at most.
const SAME_READS: usize = 5;
const MOST_READS: usize = 200;
/// How often the catalog may change while it is read.
const CATALOG_TRIES: usize = 5;

/// The server's state as of one position.
pub struct Snapshot {
    url: ServerUrl,
    outline: Outline,
    lanes: usize,
    rows_expected: u64,
    /// The largest table is last, and given out first.
    tables: Mutex<Vec<Arc<TableSchema>>>,
    idle: Mutex<mpsc::Receiver<Conn>>,
    give_back: mpsc::Sender<Conn>,
}

impl Snapshot {
    /// Opens up to `connections` connections that see the same state.
    /// Errors: as `connect::failed`; `Server` when definitions never stand still.
    pub async fn open(url: &ServerUrl, filter: &Filter, connections: usize) -> Result<Self> {
        let mut asking = open(url).await?;
        let mut before = catalog::read(&mut asking, url, filter).await;
        for _ in 0..CATALOG_TRIES {
            let (conns, position) = consistent(&mut asking, url, connections.max(1)).await?;
            let time = now(&mut asking, url).await?;
            let after = catalog::read(&mut asking, url, filter).await;
            match (before, after) {
                (Ok(before), Ok(after)) if before.same(&after) => {
                    return Self::new(url, &mut asking, before, conns, position, time).await;
                }
                (_, Err(error)) if error.kind != Kind::Uncertain => return Err(error),
                (Err(error), _) if error.kind != Kind::Uncertain => return Err(error),
                (_, after) => before = after,
            }
        }
        Err(Error::new(Kind::Server, format!("tables of {url} are altered faster than they can be listed"))
            .hint("Start again when no tables are made or altered for some seconds."))
    }

    async fn new(
        url: &ServerUrl,
        asking: &mut Conn,
        seen: Seen,
        conns: Vec<Conn>,
        position: Position,
        time: Micros,
    ) -> Result<Self> {
        let source = version(asking, url).await?;
        let lanes = conns.len();
        let (give_back, idle) = mpsc::channel(lanes);
        for conn in conns {
            give_back.try_send(conn).map_err(|_| Error::internal("more connections than lanes"))?;
        }
        let size = |id: &TableId| seen.sizes.get(id).copied().unwrap_or_default();
        let mut tables: Vec<_> = seen.catalog.tables.values().cloned().collect();
        tables.sort_by_key(|t| size(&t.id).0);
        let rows_expected = seen.sizes.values().map(|(_, rows)| rows).sum();
        Ok(Self {
            url: url.clone(),
            outline: Outline { catalog: seen.catalog, bookmark: position.bookmark(), time, source },
            lanes,
            rows_expected,
            tables: Mutex::new(tables),
            idle: Mutex::new(idle),
            give_back,
        })
    }
}

#[async_trait]
impl BaseSource for Snapshot {
    fn lanes(&self) -> usize {
        self.lanes
    }

    fn expected(&self) -> Option<(usize, u64)> {
        Some((self.outline.catalog.tables.len(), self.rows_expected))
    }

    async fn next_table(&self) -> Result<Option<BaseTable>> {
        let Some(schema) = self.tables.lock().await.pop() else { return Ok(None) };
        let conn = self.idle.lock().await.recv().await.ok_or_else(|| Error::internal("no connection is left"))?;
        let (sender, rows) = base_rows();
        tokio::spawn(read_table(conn, self.url.clone(), schema.clone(), sender, self.give_back.clone()));
        Ok(Some(BaseTable { schema, rows }))
    }

    async fn outline(&self) -> Result<Outline> {
        Ok(self.outline.clone())
    }
}

/// Reads one table within the connection's snapshot and gives the connection back.
async fn read_table(
    mut conn: Conn,
    url: ServerUrl,
    schema: Arc<TableSchema>,
    sender: RowsSender,
    give_back: mpsc::Sender<Conn>,
) {
    let read = read_locked(&mut conn, &url, &schema, &sender).await;
    // releases the table's metadata lock and keeps the snapshot
    let released = conn
        .query_drop("ROLLBACK TO SAVEPOINT pcloud")
        .await
        .map_err(|e| failed(&url, &format!("reading table {}", schema.name), e));
    // the connection goes back before the end is told: whoever hears it may ask for the next table at once
    if released.is_ok() {
        let _ = give_back.send(conn).await;
    }
    match read.and(released) {
        Ok(()) => sender.end().await,
        Err(error) => sender.fail(error).await,
    }
}

async fn read_locked(conn: &mut Conn, url: &ServerUrl, schema: &TableSchema, sender: &RowsSender) -> Result<()> {
    let doing = format!("reading table {}", schema.name);
    conn.query_drop("SAVEPOINT pcloud").await.map_err(|e| failed(url, &doing, e))?;
    lock_definition(conn, url, schema).await?;
    read_rows(conn, url, schema, sender).await
}

/// Takes the table's metadata lock (nobody can alter it until the savepoint is rolled back) and makes sure that it
/// is still defined as this schema says. Errors: `Uncertain` when not.
pub async fn lock_definition(conn: &mut Conn, url: &ServerUrl, schema: &TableSchema) -> Result<()> {
    let doing = format!("reading table {}", schema.name);
    let sql = format!("SELECT 1 FROM {}{} LIMIT 1", schema.name.quoted(), row_order(schema));
    conn.query_drop(sql).await.map_err(|e| failed(url, &doing, e))?;
    let create = catalog::create_table(conn, url, &schema.name).await?;
    // compared as read: the schema's own text is a rendering of it
    let now = parse_create_table(&create, schema.name.clone(), schema.id, catalog::DEFAULTS);
    if now.is_ok_and(|now| catalog::same_text(&now.create, &schema.create)) {
        return Ok(());
    }
    Err(Error::new(Kind::Uncertain, format!("table {} was altered while the base was read", schema.name)))
}

/// Connections whose snapshots are of the same position.
async fn consistent(asking: &mut Conn, url: &ServerUrl, wanted: usize) -> Result<(Vec<Conn>, Position)> {
    let mut conns = Vec::with_capacity(wanted);
    for _ in 0..wanted {
        let mut conn = open(url).await?;
        // a table that somebody is altering is not waited for longer than this
        conn.query_drop("SET lock_wait_timeout = 60").await.map_err(|e| failed(url, "preparing the session", e))?;
        conns.push(conn);
    }
    for attempt in 0..=FREE_TRIES {
        let hold = attempt == FREE_TRIES && hold_commits(asking, url).await;
        let opened = start_all(&mut conns, url).await;
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
        agreed(&start_all(&mut conns, url).await?).ok_or_else(|| Error::internal("a snapshot without a place"))?;
    let gtids = gtids_at(asking, url, &place).await?;
    Ok((conns, Position { file: place.0, offset: place.1, gtids }))
}

type Place = (String, u64);

fn agreed(places: &[Place]) -> Option<Place> {
    let first = places.first()?;
    places.iter().all(|p| p == first).then(|| first.clone())
}

/// Opens all snapshots as nearly at once as can be; then asks where each stands, one after the other.
async fn start_all(conns: &mut [Conn], url: &ServerUrl) -> Result<Vec<Place>> {
    futures::future::try_join_all(conns.iter_mut().map(|conn| start(conn, url))).await?;
    let mut places = Vec::with_capacity(conns.len());
    for conn in conns {
        places.push(place(conn, url).await?);
    }
    Ok(places)
}

/// Opens a snapshot.
pub async fn start(conn: &mut Conn, url: &ServerUrl) -> Result<()> {
    let sql = "START TRANSACTION WITH CONSISTENT SNAPSHOT";
    conn.query_drop(sql).await.map_err(|e| failed(url, "opening a snapshot", e))
}

/// Where the log stands at the connection's snapshot.
///
/// MariaDB copies the answer into variables that all sessions share before it shows them, so a session that asks at
/// the same time may be told another's place: about one answer in 400 when two ask without pause. A place counts
/// when it was said several times in a row. (Source: `TC_LOG_BINLOG::set_status_variables` in MariaDB's log.cc.)
pub async fn place(conn: &mut Conn, url: &ServerUrl) -> Result<Place> {
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
pub async fn gtids_at(conn: &mut Conn, url: &ServerUrl, (file, position): &Place) -> Result<String> {
    let rows =
        ask(conn, url, &format!("SELECT BINLOG_GTID_POS({}, {position})", super::connect::literal(file))).await?;
    match rows.first().and_then(|r| r.first()) {
        Some(Some(gtids)) => Ok(gtids.replace(char::is_whitespace, "")),
        _ => Err(Error::new(Kind::Server, format!("the server {url} knows no GTID position for {file}:{position}"))
            .hint("Check that its binary log is on and that the file was not purged.")),
    }
}

/// The server's clock.
pub async fn now(conn: &mut Conn, url: &ServerUrl) -> Result<Micros> {
    let rows = ask(conn, url, "SELECT CAST(UNIX_TIMESTAMP(UTC_TIMESTAMP(6)) * 1000000 AS SIGNED)").await?;
    let time = rows.first().map(|r| at(r, 0)).and_then(|t| t.parse().ok());
    time.map(Micros).ok_or_else(|| Error::new(Kind::Server, format!("the server {url} does not tell the time")))
}

/// `MariaDB 10.11.18`
pub async fn version(conn: &mut Conn, url: &ServerUrl) -> Result<String> {
    let rows = ask(conn, url, "SELECT VERSION()").await?;
    let version = rows.first().map(|r| at(r, 0)).unwrap_or_default();
    Ok(format!("MariaDB {}", version.split('-').next().unwrap_or(version)))
}
