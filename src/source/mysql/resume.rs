//! Where does a server's log go on after a bookmark, and is it still the same log?
//!
//! MariaDB is asked by file and offset, after it has said that its GTIDs there are those of the bookmark; where that is
//! no place of its log, as after a failover, by the GTIDs before the newest transaction, which proves itself
//! (`log/proof.rs`). MySQL is
//! asked by GTIDs, so that any server that has them will do: one that was restarted, or a replica that took over.

use super::connect::{self, ask, at as cell, literal};
use super::event::{self, Cut, HEADER};
use super::family::Family;
use super::log::{Domains, GtidSet, Gtids, Last, Prepared};
use super::position::Position;
use crate::error::{Error, Kind, Result};
use crate::model::ServerUrl;
use mysql_async::{Conn, prelude::Queryable};

/// What to do about a gap.
pub const LOST: &str = "Changes since then are lost to this backup. pcloud protect with --accept-gap notes that and goes on with a new base; \
    keep the logs longer (binlog_expire_logs_seconds).";

/// How a server is asked for its log.
pub struct Request {
    /// To be run before, if any.
    pub settings: Option<String>,
    pub command: Vec<u8>,
    /// It comes from another place than the bookmark's, and begins with the newest transaction that was read.
    pub moved: bool,
    /// It begins with the transactions that are prepared at the bookmark.
    pub recalls: bool,
}

/// Makes sure that the server's log goes on after what was read, and says how it is asked for.
/// Errors: `Gap` when the server does not have it any more, or has another log; `Unreachable` when it has not got it yet.
pub async fn request(
    family: Family,
    url: &ServerUrl,
    conn: &mut Conn,
    at: &Position,
    gtids: &Gtids,
    last: Option<&Last>,
    prepared: Option<&Prepared>,
) -> Result<Request> {
    let id = replica_id()?.to_le_bytes();
    match family {
        Family::MariaDb => {
            let lost = match same_log(url, conn, at).await? {
                Ok(()) => {
                    let earlier = prepared_place(url, conn, prepared).await?;
                    let from = earlier.unwrap_or(at);
                    let place = (from.offset as u32).to_le_bytes(); // beyond 4 GiB is refused
                    let command = [&[0x12][..], &place, &[0, 0], &id, from.file.as_bytes()].concat();
                    return Ok(Request { settings: None, command, moved: false, recalls: earlier.is_some() });
                }
                Err(lost) => lost,
            };
            let (Gtids::Domains(read), Some(last)) = (gtids, last) else { return Err(lost) };
            has_all(url, conn, read, lost).await?;
            let settings = format!(
                "SET @slave_connect_state = {}, @slave_gtid_strict_mode = 1, @slave_gtid_ignore_duplicates = 0",
                literal(&last.asked_from(read))
            );
            // no file, its beginning
            let command = [&[0x12][..], &4u32.to_le_bytes(), &[0, 0], &id].concat();
            Ok(Request { settings: Some(settings), command, moved: true, recalls: false })
        }
        Family::MySql => {
            known_transactions(url, conn, gtids).await?;
            let again = prepared_gtids(url, conn, prepared).await?;
            let read = match (gtids, again) {
                (Gtids::Set(read), Some(again)) => read.without(again).encode(),
                _ => gtids.encode(),
            };
            let length = (read.len() as u32).to_le_bytes();
            // through GTIDs; no file, its beginning
            let command = [&[0x1e, 4, 0][..], &id, &[0; 4], &4u64.to_le_bytes(), &length, &read].concat();
            Ok(Request { settings: None, command, moved: false, recalls: again.is_some() })
        }
    }
}

/// The place of prepared transactions, if the server still has the log from there on.
async fn prepared_place<'a>(
    url: &ServerUrl,
    conn: &mut Conn,
    prepared: Option<&'a Prepared>,
) -> Result<Option<&'a Position>> {
    let Some(Prepared::From(place)) = prepared else { return Ok(None) };
    if place.offset > u64::from(u32::MAX) {
        return Ok(None);
    }
    Ok(gtids_at(url, conn, place).await?.map(|_| place))
}

/// The GTIDs of prepared transactions, if the server has the log of all of them.
async fn prepared_gtids<'a>(
    url: &ServerUrl,
    conn: &mut Conn,
    prepared: Option<&'a Prepared>,
) -> Result<Option<&'a GtidSet>> {
    let Some(Prepared::Gtids(set)) = prepared else { return Ok(None) };
    let sql = format!("SELECT GTID_SUBTRACT({}, @@GLOBAL.gtid_purged)", literal(&set.to_string()));
    let rows = ask(conn, url, &sql).await?;
    let there = rows.first().and_then(|row| GtidSet::parse(cell(row, 0)));
    Ok(there.is_some_and(|there| there == *set).then_some(set))
}

/// Makes sure that another server of MariaDB has logged every transaction that was read. `lost`: why the bookmark's own
/// place is none of its log. Errors: `Unreachable` while a running replica is behind.
async fn has_all(url: &ServerUrl, conn: &mut Conn, read: &Domains, lost: Error) -> Result<()> {
    let sql = "SELECT @@GLOBAL.gtid_binlog_state, (SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS \
        WHERE VARIABLE_NAME = 'Slaves_running')";
    let rows = ask(conn, url, sql).await?;
    let said = |position| rows.first().map(|r| cell(r, position)).unwrap_or_default().replace(char::is_whitespace, "");
    // one for each server that has written to the domain
    let logged: Vec<(u32, (u32, u64))> = said(0)
        .split(',')
        .filter_map(|one| match Gtids::parse(one) {
            Some(Gtids::Domains(one)) => one.into_iter().next(),
            _ => None,
        })
        .collect();
    for (domain, (server, sequence)) in read {
        let of_domain = || logged.iter().filter(|(d, _)| d == domain).map(|(_, at)| *at);
        if of_domain().any(|(s, n)| s == *server && n >= *sequence) {
            continue;
        }
        let newest = of_domain().map(|(_, n)| n).max().unwrap_or(0);
        if newest >= *sequence || said(1) == "0" {
            return Err(lost.context(format!("{url} has no transaction {domain}-{server}-{sequence} in its log")));
        }
        let text = format!(
            "the replica {url} is behind the backup: its log has domain {domain} up to {newest}, and the backup ends with \
             {domain}-{server}-{sequence}"
        );
        return Err(Error::new(Kind::Unreachable, text).hint("It must log what it replicates (log_slave_updates)."));
    }
    Ok(())
}

/// Makes sure that the server has every transaction that was read, and still has the log of every other one.
async fn known_transactions(url: &ServerUrl, conn: &mut Conn, gtids: &Gtids) -> Result<()> {
    let other = |kind, found: String, hint: &str| {
        Err(Error::new(kind, format!("the log of {url} does not go on from this backup: {found}")).hint(hint))
    };
    if matches!(gtids, Gtids::Domains(_)) {
        let found = "the backup is of a MariaDB server".into();
        return other(Kind::Server, found, "Begin a new backup under another name.");
    }
    let read = gtids.to_string();
    // one statement, so that all of it is said of one moment
    let sql = format!(
        "SELECT GTID_SUBTRACT({0}, @@GLOBAL.gtid_executed), GTID_SUBTRACT(@@GLOBAL.gtid_purged, {0}), @@GLOBAL.gtid_mode",
        literal(&read)
    );
    let rows = ask(conn, url, &sql).await?;
    let said = |position| rows.first().map(|r| cell(r, position)).unwrap_or_default().replace(char::is_whitespace, "");
    let (lacks, purged, mode) = (said(0), said(1), said(2));
    if !mode.eq_ignore_ascii_case("ON") {
        return other(Kind::Server, format!("its gtid_mode is {mode}"), "Switch it on again (pcloud check says how).");
    }
    if !lacks.is_empty() {
        return other(
            Kind::Gap,
            format!("it does not have transactions {lacks}, which the backup has"),
            "If it is a replica that is behind, start again when it has caught up. If it lost them, \
             pcloud protect with --accept-gap notes that and goes on with a new base.",
        );
    }
    if !purged.is_empty() {
        return other(Kind::Gap, format!("it has purged the log of transactions {purged}"), LOST);
    }
    Ok(())
}

/// The file that a stream begins in, as its first event says; the server may have put a checksum behind the name.
pub fn first_file(bytes: &[u8]) -> Cut<String> {
    let split = bytes.len().saturating_sub(4).max(HEADER);
    let (covered, stored) = bytes.split_at_checked(split).unwrap_or((bytes, &[]));
    let event = if crc32fast::hash(covered).to_le_bytes() == stored { covered } else { bytes };
    Ok(event::rotate(event.get(HEADER..).unwrap_or_default())?.1)
}

/// Asks the server whether its log at this place is the one that the bookmark means. The inner error: why it is not.
async fn same_log(url: &ServerUrl, conn: &mut Conn, at: &Position) -> Result<std::result::Result<(), Error>> {
    if at.offset > u64::from(u32::MAX) {
        return Ok(Err(Error::new(
            Kind::Server,
            format!("the log of {url} cannot be read from {at}: it is beyond 4 GiB"),
        )));
    }
    let gtids = gtids_at(url, conn, at).await?;
    let lost = |found: &str| {
        Error::new(
            Kind::Gap,
            format!("the log of {url} cannot be read from {} (GTIDs {}) on: {found}", place(at), shown(&at.gtids)),
        )
        .hint(LOST)
    };
    let set = |s: &str| {
        let mut all: Vec<String> = s.split(',').map(|g| g.trim().to_string()).filter(|g| !g.is_empty()).collect();
        all.sort();
        all
    };
    Ok(match gtids {
        None => Err(lost("the server does not have that place any more")),
        Some(found) if !at.gtids.is_empty() && set(&found) != set(&at.gtids) => {
            Err(lost(&format!("there it has GTIDs {} now, so it is another log", shown(&found))))
        }
        Some(_) => Ok(()),
    })
}

/// What MariaDB committed before a place of its log. `None`: it does not have that place.
async fn gtids_at(url: &ServerUrl, conn: &mut Conn, at: &Position) -> Result<Option<String>> {
    // checked before it goes into a statement
    if !at.file.chars().all(|c| c.is_ascii_alphanumeric() || "._-/ ".contains(c)) {
        return Ok(None);
    }
    let gtids: Option<Option<String>> = conn
        .query_first(format!("SELECT BINLOG_GTID_POS('{}', {})", at.file, at.offset))
        .await
        .map_err(|e| connect::failed(url, "asking for the GTIDs of a place in the log", e))?;
    Ok(gtids.flatten())
}

pub fn place(at: &Position) -> String {
    format!("{}:{}", at.file, at.offset)
}

fn shown(gtids: &str) -> &str {
    if gtids.is_empty() { "none" } else { gtids }
}

/// A replica's number must be its own among all that read the same log.
fn replica_id() -> Result<u32> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).map_err(|e| Error::new(Kind::Io, format!("no random numbers: {e}")))?;
    Ok(u32::from_le_bytes(bytes) | 0x8000_0000)
}
