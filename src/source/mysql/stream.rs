//! A live server's log, event by event, from exactly a bookmark on.
//!
//! Two connections: one on which the server sends its log, one on which it is asked where its log ends. The place is
//! asked for by file and offset, after the server has said that its GTIDs there are those of the bookmark.

use super::connect;
use super::event::HEADER;
use super::log::LogReader;
use super::position::Position;
use crate::error::{Error, Kind, Result};
use crate::model::{Bookmark, Catalog, ServerUrl, SourceEvent, TableSchema};
use crate::source::{ChangeStream, Filter};
use async_trait::async_trait;
use futures::{FutureExt, StreamExt};
use mysql_async::prelude::Queryable;
use mysql_async::{BinlogStreamRequest, Conn};
use mysql_common::binlog::events::Event;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// The server says that it is there after this long without events, in seconds.
const HEARTBEAT_SECONDS: u64 = 5;
/// A server that says nothing for so long is gone.
const SILENCE: Duration = Duration::from_secs(30);
/// How often the server is asked where its log ends, once everything up to there is read.
const ASK_EVERY: Duration = Duration::from_millis(500);
/// ER_MASTER_FATAL_ERROR_READING_BINLOG
const LOG_NOT_READABLE: u16 = 1236;
/// Messages of that error that say that a part of the log is gone, not that it is damaged or a packet too large.
const GONE: &[&str] =
    &["Could not find first log", "impossible position", "purged", "not in the master's binlog", "missing the GTID"];
/// What to do about a gap.
const LOST: &str = "Changes since then are lost to this backup. pcloud protect with --accept-gap notes that and goes on with a new base; \
    keep the logs longer (binlog_expire_logs_seconds).";

/// The log of a MariaDB server.
pub struct BinlogStream {
    url: ServerUrl,
    reader: LogReader,
    events: mysql_async::BinlogStream,
    /// Since when the server has been waited for.
    waiting: Option<Instant>,
    end: LogEnd,
    ask_at: Instant,
    /// Where the server's log ended when it was last asked, while that is not reached yet.
    target: Option<Position>,
    bytes: Vec<u8>,
}

/// Asks the server where its log ends, on a connection of its own.
struct LogEnd {
    ask: mpsc::Sender<()>,
    answers: mpsc::Receiver<Result<Position>>,
    asked: bool,
    asked_at: std::time::Instant,
}

impl BinlogStream {
    /// Opens the log at a bookmark, where the catalog was this one.
    /// Errors: `Server` when the log does not reach back so far, or is another one; `Unreachable` when trying again helps.
    pub async fn open(url: &ServerUrl, catalog: &Catalog, from: &Bookmark, filter: &Filter) -> Result<Self> {
        let reader = LogReader::new(catalog, from, filter)?;
        let position = reader.position().clone();
        let mut conn = connect::open(url).await?;
        same_log(url, &mut conn, &position).await?;
        let settings = format!(
            "SET @mariadb_slave_capability = 4, @master_heartbeat_period = {}",
            HEARTBEAT_SECONDS * 1_000_000_000
        );
        conn.query_drop(settings).await.map_err(|e| connect::failed(url, "preparing to read the log", e))?;
        let request =
            BinlogStreamRequest::new(replica_id()?).with_filename(position.file.as_bytes()).with_pos(position.offset);
        let events = conn.get_binlog_stream(request).await.map_err(|e| log_failed(url, &position, e))?;
        let end = LogEnd::new(url).await?;
        let now = Instant::now();
        Ok(Self { url: url.clone(), reader, events, waiting: None, end, ask_at: now, target: None, bytes: Vec::new() })
    }

    fn take(&mut self, event: &Event) -> Result<()> {
        raw_bytes(event, &mut self.bytes);
        let header = event.header();
        if header.event_type_raw() == super::event::kind::HEARTBEAT {
            if !self.reader.within() {
                let file = String::from_utf8_lossy(event.data()).into_owned();
                let at = Position { file, offset: u64::from(header.log_pos()), gtids: String::new() };
                // what the server left out at the end of its log was not for replicas
                if at.offset > 0 && at.order(self.reader.position()) == Some(std::cmp::Ordering::Greater) {
                    self.reader.reach(&at.file, at.offset);
                }
            }
            return Ok(());
        }
        // before the format is known, the name in the first ROTATE has a checksum at its end
        if header.event_type_raw() == super::event::kind::ROTATE && !self.reader.described() {
            return Ok(());
        }
        self.reader.take(&self.bytes, None)
    }

    /// The server was asked where its log ends.
    fn answered(&mut self, end: Position) {
        self.end.asked = false;
        self.ask_at = Instant::now() + ASK_EVERY;
        self.target = Some(end);
    }

    /// Whether everything is read that the server had when it was asked.
    fn reached(&self) -> bool {
        let at_least = |t: &Position| matches!(self.reader.position().order(t), Some(o) if o.is_ge());
        !self.reader.within() && self.target.as_ref().is_some_and(at_least)
    }
}

#[async_trait]
impl ChangeStream for BinlogStream {
    async fn next(&mut self) -> Result<Option<SourceEvent>> {
        loop {
            if let Some(event) = self.reader.told() {
                return Ok(Some(event));
            }
            if self.reached() {
                self.target = None;
                return Ok(Some(SourceEvent::CaughtUp { asked: self.end.asked_at }));
            }
            if self.target.is_none() && !self.end.asked && self.ask_at <= Instant::now() {
                self.end.asked_at = std::time::Instant::now();
                self.end.asked = self.end.ask.try_send(()).is_ok();
            }
            let since = *self.waiting.get_or_insert_with(Instant::now);
            tokio::select! {
                biased;
                event = AssertUnwindSafe(self.events.next()).catch_unwind() => {
                    self.waiting = None;
                    let gone = || Error::new(Kind::Unreachable, format!("the server {} ended its log", self.url));
                    // the driver's reader relies on lengths that a server could get wrong
                    let event = event.map_err(|_| Error::new(Kind::Corrupt, format!(
                        "the server {} sent a malformed event after {}", self.url, self.reader.position()
                    )))?;
                    let event = event.ok_or_else(gone)?.map_err(|e| log_failed(&self.url, self.reader.position(), e))?;
                    self.take(&event)?;
                }
                answer = self.end.answers.recv(), if self.end.asked => {
                    let gone = || Error::new(Kind::Unreachable, format!("the server {} closed a connection", self.url));
                    self.answered(answer.ok_or_else(gone)??);
                }
                () = tokio::time::sleep_until(self.ask_at), if self.target.is_none() && !self.end.asked => {}
                () = tokio::time::sleep_until(since + SILENCE) => {
                    return Err(Error::new(Kind::Unreachable, format!(
                        "the server {} has said nothing for {} s", self.url, SILENCE.as_secs()
                    )));
                }
            }
        }
    }

    fn retake(&mut self, schema: Arc<TableSchema>, at: &Bookmark) {
        self.reader.retake(schema, at);
    }
}

impl LogEnd {
    async fn new(url: &ServerUrl) -> Result<Self> {
        let mut conn = connect::open(url).await?;
        let (ask, mut questions) = mpsc::channel::<()>(1);
        let (answer, answers) = mpsc::channel(1);
        let url = url.clone();
        // ends when the stream is dropped
        tokio::spawn(async move {
            while questions.recv().await.is_some() {
                let asked = tokio::time::timeout(SILENCE, log_end(&url, &mut conn)).await;
                let silent = |_| Err(Error::new(Kind::Unreachable, format!("the server {url} does not answer")));
                if answer.send(asked.unwrap_or_else(silent)).await.is_err() {
                    return;
                }
            }
        });
        Ok(Self { ask, answers, asked: false, asked_at: std::time::Instant::now() })
    }
}

async fn log_end(url: &ServerUrl, conn: &mut Conn) -> Result<Position> {
    let row: Option<mysql_async::Row> =
        conn.query_first("SHOW MASTER STATUS").await.map_err(|e| connect::failed(url, "SHOW MASTER STATUS", e))?;
    let place = row.and_then(|mut r| Some((r.take_opt::<String, _>(0)?.ok()?, r.take_opt::<u64, _>(1)?.ok()?)));
    let (file, offset) =
        place.ok_or_else(|| Error::new(Kind::Server, format!("the server {url} writes no binary log")))?;
    Ok(Position { file, offset, gtids: String::new() })
}

/// Asks the server whether its log at this place is the one that the bookmark means.
async fn same_log(url: &ServerUrl, conn: &mut Conn, at: &Position) -> Result<()> {
    if at.offset > u64::from(u32::MAX) {
        return Err(Error::new(Kind::Server, format!("the log of {url} cannot be read from {at}: it is beyond 4 GiB")));
    }
    // checked before it goes into a statement
    let plain = at.file.chars().all(|c| c.is_ascii_alphanumeric() || "._-/ ".contains(c));
    let gtids: Option<Option<String>> = match plain {
        true => conn
            .query_first(format!("SELECT BINLOG_GTID_POS('{}', {})", at.file, at.offset))
            .await
            .map_err(|e| connect::failed(url, "asking for the GTIDs of a place in the log", e))?,
        false => None,
    };
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
    match gtids.flatten() {
        None => Err(lost("the server does not have that place any more")),
        Some(found) if !at.gtids.is_empty() && set(&found) != set(&at.gtids) => {
            Err(lost(&format!("there it has GTIDs {} now, so it is another log", shown(&found))))
        }
        Some(_) => Ok(()),
    }
}

fn place(at: &Position) -> String {
    format!("{}:{}", at.file, at.offset)
}

fn shown(gtids: &str) -> &str {
    if gtids.is_empty() { "none" } else { gtids }
}

fn log_failed(url: &ServerUrl, at: &Position, error: mysql_async::Error) -> Error {
    match &error {
        mysql_async::Error::Server(e) if e.code == LOG_NOT_READABLE && GONE.iter().any(|g| e.message.contains(g)) => {
            Error::new(Kind::Gap, format!("the server {url} cannot send its log from {}: {}", place(at), e.message))
                .hint(LOST)
        }
        _ => connect::failed(url, "reading the log", error),
    }
}

/// A replica's number must be its own among all that read the same log.
fn replica_id() -> Result<u32> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).map_err(|e| Error::new(Kind::Io, format!("no random numbers: {e}")))?;
    Ok(u32::from_le_bytes(bytes) | 0x8000_0000)
}

/// The event as the server sent it: the driver has cut it into parts.
fn raw_bytes(event: &Event, bytes: &mut Vec<u8>) {
    let header = event.header();
    bytes.clear();
    bytes.reserve(HEADER + event.data().len() + 5);
    bytes.extend(header.timestamp().to_le_bytes());
    bytes.push(header.event_type_raw());
    bytes.extend(header.server_id().to_le_bytes());
    bytes.extend(header.event_size().to_le_bytes());
    bytes.extend(header.log_pos().to_le_bytes());
    bytes.extend(header.flags_raw().to_le_bytes());
    bytes.extend(event.data());
    if header.event_type_raw() == super::event::kind::FORMAT_DESCRIPTION {
        let algorithm = event.footer().get_checksum_alg().ok().flatten();
        bytes.push(algorithm.map_or(0xff, |a| a as u8));
    }
    bytes.extend(event.checksum().unwrap_or_default().iter().take(if event.checksum().is_some() { 4 } else { 0 }));
}
