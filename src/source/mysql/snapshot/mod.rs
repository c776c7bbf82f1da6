//! What did the server hold at one position of its log? Read over several connections, without a lock that lasts.
//!
//! Each connection opens a transaction WITH CONSISTENT SNAPSHOT. How it is made sure that all of them see the same
//! state, and which position of the log that is, differs by family: `mariadb.rs`, `mysql.rs`.
//!
//! Definitions are not part of such a snapshot. So the catalog is read before and after the connections are opened and
//! must be the same both times (MySQL is asked to let nobody alter anything meanwhile), and each table's definition is
//! compared once more when its rows are about to be read under a metadata lock. A table that was altered meanwhile
//! fails alone, with `Kind::Uncertain`.

mod mariadb;
mod mysql;

use super::catalog::{self, Seen};
use super::connect::{ask, at, failed, open};
use super::family::{Family, Version};
use super::identity::{Identity, identities, identity};
use super::position::{Position, with_rest};
use super::table::{read_rows, row_order};
use crate::error::{Error, Kind, Result};
use crate::model::{Bookmark, Micros, ServerUrl, TableId, TableSchema};
use crate::source::{BaseSource, BaseTable, Filter, Outline, RowsSender, base_rows};
use async_trait::async_trait;
use mysql_async::{Conn, prelude::Queryable};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{Mutex, mpsc};

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
    /// Which table each name meant before the snapshots were opened.
    identities: BTreeMap<TableId, Identity>,
    idle: Mutex<mpsc::Receiver<Conn>>,
    give_back: mpsc::Sender<Conn>,
}

impl Snapshot {
    /// Opens up to `connections` connections that see the same state.
    /// Errors: as `connect::failed`; `Server` when definitions never stand still.
    pub async fn open(url: &ServerUrl, filter: &Filter, connections: usize) -> Result<Self> {
        let mut asking = open(url).await?;
        let version = Version::ask(&mut asking, url).await?;
        if version.family == Family::MySql {
            mysql::hold_definitions(&mut asking, url).await;
        }
        let mut before = catalog::read(&mut asking, url, filter).await;
        for _ in 0..CATALOG_TRIES {
            let tables = before.iter().flat_map(|seen| seen.catalog.tables.values()).map(|t| t.as_ref());
            let identities = identities(&mut asking, url, tables).await?;
            let (conns, position) = consistent(version.family, &mut asking, url, connections.max(1)).await?;
            let time = now(&mut asking, url).await?;
            let found_from = if overlapped(&mut asking, url).await { Some(next_second(time)) } else { None };
            let bookmark = with_rest(position.bookmark(), None, found_from);
            let after = catalog::read(&mut asking, url, filter).await;
            match (before, after) {
                (Ok(before), Ok(after)) if before.same(&after) => {
                    if version.family == Family::MySql {
                        mysql::release_definitions(&mut asking, url).await?;
                    }
                    return Self::new(url, version, (before, identities), conns, bookmark, time);
                }
                (_, Err(error)) if error.kind != Kind::Uncertain => return Err(error),
                (Err(error), _) if error.kind != Kind::Uncertain => return Err(error),
                (_, after) => before = after,
            }
        }
        Err(Error::new(Kind::Server, format!("tables of {url} are altered faster than they can be listed"))
            .hint("Start again when no tables are made or altered for some seconds."))
    }

    fn new(
        url: &ServerUrl,
        version: Version,
        (seen, identities): (Seen, BTreeMap<TableId, Identity>),
        conns: Vec<Conn>,
        bookmark: Bookmark,
        time: Micros,
    ) -> Result<Self> {
        let source = version.to_string();
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
            outline: Outline { catalog: seen.catalog, bookmark, time, source },
            lanes,
            rows_expected,
            tables: Mutex::new(tables),
            identities,
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
        let was = self.identities.get(&schema.id).cloned();
        tokio::spawn(read_table(conn, self.url.clone(), (schema.clone(), was), sender, self.give_back.clone()));
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
    (schema, was): (Arc<TableSchema>, Option<Identity>),
    sender: RowsSender,
    give_back: mpsc::Sender<Conn>,
) {
    let read = read_locked(&mut conn, &url, (&schema, was.as_ref()), &sender).await;
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

async fn read_locked(
    conn: &mut Conn,
    url: &ServerUrl,
    (schema, was): (&TableSchema, Option<&Identity>),
    sender: &RowsSender,
) -> Result<()> {
    let doing = format!("reading table {}", schema.name);
    conn.query_drop("SAVEPOINT pcloud").await.map_err(|e| failed(url, &doing, e))?;
    lock_definition(conn, url, schema, was).await?;
    read_rows(conn, url, schema, sender).await
}

/// Takes the table's metadata lock (nobody can alter it until the savepoint is rolled back) and makes sure that it
/// is still defined as this schema says, and the one that bore its name before the snapshot was opened (`was`).
/// Errors: `Uncertain` when not.
pub async fn lock_definition(
    conn: &mut Conn,
    url: &ServerUrl,
    schema: &TableSchema,
    was: Option<&Identity>,
) -> Result<()> {
    let doing = format!("reading table {}", schema.name);
    let sql = format!("SELECT 1 FROM {}{} LIMIT 1", schema.name.quoted(), row_order(schema));
    conn.query_drop(sql).await.map_err(|e| failed(url, &doing, e))?;
    let create = catalog::create_table(conn, url, &schema.name).await?;
    // compared as read: the schema's own text is a rendering of it
    let family = Version::ask(conn, url).await?.family;
    let now = catalog::described(family, &create, schema.name.clone(), schema.id);
    let same = now.is_ok_and(|now| catalog::same_text(&now.create, &schema.create));
    if same && was == Some(&identity(conn, url, &schema.name).await?) {
        return Ok(());
    }
    Err(Error::new(Kind::Uncertain, format!("table {} was altered while the base was read", schema.name)))
}

/// Up to so many connections whose snapshots are of the same position.
pub async fn consistent(
    family: Family,
    asking: &mut Conn,
    url: &ServerUrl,
    wanted: usize,
) -> Result<(Vec<Conn>, Position)> {
    let mut conns = Vec::with_capacity(wanted);
    for _ in 0..wanted {
        let mut conn = open(url).await?;
        // a table that somebody is altering is not waited for longer than this
        conn.query_drop("SET lock_wait_timeout = 60").await.map_err(|e| failed(url, "preparing the session", e))?;
        conns.push(conn);
    }
    match family {
        Family::MariaDb => mariadb::consistent(asking, url, conns).await,
        Family::MySql => mysql::consistent(asking, url, conns).await,
    }
}

/// Opens all snapshots as nearly at once as can be.
async fn start_all(conns: &mut [Conn], url: &ServerUrl) -> Result<()> {
    let start = |conn| async move {
        let conn: &mut Conn = conn;
        let sql = "START TRANSACTION WITH CONSISTENT SNAPSHOT";
        conn.query_drop(sql).await.map_err(|e| failed(url, "opening a snapshot", e))
    };
    futures::future::try_join_all(conns.iter_mut().map(start)).await.map(drop)
}

/// Whether a transaction is open whose statements may have passed over rows that were committed after them, and that the snapshot
/// holds (`log::unchecked`). Where it cannot be asked, there may be one.
async fn overlapped(conn: &mut Conn, url: &ServerUrl) -> bool {
    let sql = "SELECT COUNT(*) FROM information_schema.INNODB_TRX \
        WHERE trx_rows_modified > 0 AND trx_isolation_level IN ('READ COMMITTED', 'READ UNCOMMITTED')";
    match ask(conn, url, sql).await {
        Ok(rows) => rows.first().map(|r| at(r, 0)) != Some("0"),
        Err(error) => {
            tracing::debug!(%error, "open transactions are not listed");
            true
        }
    }
}

fn next_second(time: Micros) -> u32 {
    u32::try_from(time.0.div_euclid(1_000_000) + 1).unwrap_or(u32::MAX)
}

/// The server's clock.
pub async fn now(conn: &mut Conn, url: &ServerUrl) -> Result<Micros> {
    let rows = ask(conn, url, "SELECT CAST(UNIX_TIMESTAMP(UTC_TIMESTAMP(6)) * 1000000 AS SIGNED)").await?;
    let time = rows.first().map(|r| at(r, 0)).and_then(|t| t.parse().ok());
    time.map(Micros).ok_or_else(|| Error::new(Kind::Server, format!("the server {url} does not tell the time")))
}
