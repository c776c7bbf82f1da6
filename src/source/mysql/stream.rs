//! A live server's log, event by event, from exactly a bookmark on.
//!
//! Two connections: one on which the server sends its log, one on which it is asked where its log ends. Where it
//! begins, and why it is the same log: `resume.rs`.

use super::connect;
use super::event::{EventHeader, kind};
use super::family::{Family, Version};
use super::log::LogReader;
use super::position::Position;
use super::resume::{self, Request};
use super::wire::Wire;
use crate::dial;
use crate::error::{Error, Kind, Result};
use crate::model::{Bookmark, Catalog, SchemaChange, ServerUrl, SourceEvent, TableSchema};
use crate::source::{ChangeStream, Filter};
use async_trait::async_trait;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
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

/// The log of a server.
pub struct BinlogStream {
    url: ServerUrl,
    family: Family,
    reader: LogReader,
    events: Wire,
    /// Since when the server has been waited for.
    waiting: Option<Instant>,
    end: LogEnd,
    ask_at: Instant,
    /// Where the server's log ended when it was last asked, while that is not reached yet.
    target: Option<Position>,
}

/// Where a server's log ended, and what its clock said after that, in seconds since 1970 UTC.
struct Ended {
    at: Position,
    time: u32,
}

/// Asks the server where its log ends, on a connection of its own.
struct LogEnd {
    ask: mpsc::Sender<()>,
    answers: mpsc::Receiver<Result<Ended>>,
    asked: bool,
    asked_at: std::time::Instant,
    /// Its server_id.
    server: u32,
}

impl BinlogStream {
    /// Opens the log at a bookmark, where the catalog was this one.
    /// Errors: `Server` when the log does not reach back so far, or is another one; `Unreachable` when trying again helps.
    pub async fn open(url: &ServerUrl, catalog: &Catalog, from: &Bookmark, filter: &Filter) -> Result<Self> {
        let mut reader = LogReader::new(catalog, from, filter)?;
        let (position, gtids, last) = (reader.position().clone(), reader.gtids().clone(), reader.last().cloned());
        let mut conn = connect::open(url).await?;
        if let Some(warning) = dial::warning(url, &conn) {
            tracing::warn!("{warning}");
        }
        let family = Version::ask(&mut conn, url).await?.family;
        let request =
            resume::request(family, url, &mut conn, &position, &gtids, last.as_ref(), reader.prepared_at()).await?;
        if request.moved {
            reader.prove();
        }
        if request.recalls {
            reader.recall();
        }
        let opened = tokio::time::timeout(SILENCE, begin(url, &request)).await;
        let silent = |_| Error::new(Kind::Unreachable, format!("the server {url} does not answer"));
        let events = opened.map_err(silent)?.map_err(|e| log_failed(url, &position, e))?;
        let end = LogEnd::new(url, family).await?;
        let now = Instant::now();
        Ok(Self { url: url.clone(), family, reader, events, waiting: None, end, ask_at: now, target: None })
    }

    /// Takes a packet of the log: a zero, then an event.
    fn take(&mut self, packet: &[u8]) -> Result<()> {
        let bytes = match packet.split_first() {
            Some((0, event)) => event,
            _ => return Err(Error::new(Kind::Unreachable, format!("the server {} ended its log", self.url))),
        };
        let what = EventHeader::parse(bytes).map(|h| h.kind);
        if what == Some(kind::HEARTBEAT) {
            let event = self.reader.cut(bytes)?;
            if self.reader.settled() {
                let file = String::from_utf8_lossy(event.body).into_owned();
                let at = Position { file, offset: u64::from(event.end), gtids: String::new() };
                // what the server left out at the end of its log was not for replicas
                if at.offset > 0 && at.order(self.reader.position()) == Some(std::cmp::Ordering::Greater) {
                    self.reader.reach(&at.file, at.offset);
                }
            }
            return Ok(());
        }
        // before the format is known, the name in the first ROTATE may have a checksum at its end
        if what == Some(kind::ROTATE) && !self.reader.described() {
            self.same_server(bytes)?;
            // asked by GTIDs, it sends what is not known yet, from the beginning of whichever file that is in
            if self.family == Family::MySql || self.reader.proving() {
                let damaged = |e: super::event::Damage| Error::corrupt(format!("the log of {}", self.url), e.0);
                let file = resume::first_file(bytes).map_err(damaged)?;
                self.reader.restart(&file);
            }
            return Ok(());
        }
        self.reader.take(bytes, None)
    }

    /// The server that sends must be the one that is asked where its log ends: a name may lead to several.
    fn same_server(&self, rotate: &[u8]) -> Result<()> {
        let sends = rotate.get(5..9).map(|id| id.iter().rev().fold(0, |v, b| v << 8 | u32::from(*b)));
        if sends == Some(self.end.server) {
            return Ok(());
        }
        Err(Error::new(Kind::Unreachable, format!("two connections to {} led to different servers", self.url))
            .hint("Name one server, or an address that leads to one at a time."))
    }

    /// The server was asked where its log ends.
    fn answered(&mut self, end: Ended) {
        self.end.asked = false;
        self.ask_at = Instant::now() + ASK_EVERY;
        self.reader.answered(end.time);
        self.target = Some(end.at);
    }

    /// Whether everything is read that the server had when it was asked.
    fn reached(&self) -> bool {
        let at_least = |t: &Position| matches!(self.reader.position().order(t), Some(o) if o.is_ge());
        self.reader.settled() && self.target.as_ref().is_some_and(at_least)
    }
}

#[async_trait]
impl ChangeStream for BinlogStream {
    async fn next(&mut self) -> Result<Option<SourceEvent>> {
        loop {
            if let Some(event) = self.reader.told()? {
                return Ok(Some(event));
            }
            if self.reached() {
                self.target = None;
                self.reader.live();
                return Ok(Some(SourceEvent::CaughtUp { asked: self.end.asked_at }));
            }
            if self.target.is_none() && !self.end.asked && self.ask_at <= Instant::now() {
                self.end.asked_at = std::time::Instant::now();
                self.reader.asking();
                self.end.asked = self.end.ask.try_send(()).is_ok();
            }
            let since = *self.waiting.get_or_insert_with(Instant::now);
            tokio::select! {
                biased;
                packet = self.events.packet() => {
                    self.waiting = None;
                    let packet = packet.map_err(|e| log_failed(&self.url, self.reader.position(), e))?;
                    self.take(&packet)?;
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

    fn apply(&mut self, changes: &[SchemaChange]) {
        self.reader.apply(changes);
    }
}

impl LogEnd {
    async fn new(url: &ServerUrl, family: Family) -> Result<Self> {
        let mut conn = connect::open(url).await?;
        let server: Option<u32> = conn
            .query_first("SELECT @@GLOBAL.server_id")
            .await
            .map_err(|e| connect::failed(url, "asking for its server_id", e))?;
        let (ask, mut questions) = mpsc::channel::<()>(1);
        let (answer, answers) = mpsc::channel(1);
        let url = url.clone();
        // ends when the stream is dropped
        tokio::spawn(async move {
            while questions.recv().await.is_some() {
                let asked = tokio::time::timeout(SILENCE, log_end(family, &url, &mut conn)).await;
                let silent = |_| Err(Error::new(Kind::Unreachable, format!("the server {url} does not answer")));
                if answer.send(asked.unwrap_or_else(silent)).await.is_err() {
                    return;
                }
            }
        });
        Ok(Self { ask, answers, asked: false, asked_at: std::time::Instant::now(), server: server.unwrap_or_default() })
    }
}

async fn log_end(family: Family, url: &ServerUrl, conn: &mut Conn) -> Result<Ended> {
    let sql = family.show_log_end();
    let row: Option<mysql_async::Row> = conn.query_first(sql).await.map_err(|e| connect::failed(url, sql, e))?;
    let place = row.and_then(|mut r| Some((r.take_opt::<String, _>(0)?.ok()?, r.take_opt::<u64, _>(1)?.ok()?)));
    let (file, offset) =
        place.ok_or_else(|| Error::new(Kind::Server, format!("the server {url} writes no binary log")))?;
    let sql = "SELECT UNIX_TIMESTAMP()";
    let time: Option<u32> = conn.query_first(sql).await.map_err(|e| connect::failed(url, sql, e))?;
    let time = time.unwrap_or(u32::MAX);
    Ok(Ended { at: Position { file, offset, gtids: String::new() }, time })
}

fn log_failed(url: &ServerUrl, at: &Position, error: mysql_async::Error) -> Error {
    match &error {
        mysql_async::Error::Server(e) if e.code == LOG_NOT_READABLE && GONE.iter().any(|g| e.message.contains(g)) => {
            Error::new(
                Kind::Gap,
                format!("the server {url} cannot send its log from {}: {}", resume::place(at), e.message),
            )
            .hint(resume::LOST)
        }
        _ => connect::failed(url, "reading the log", error),
    }
}

/// Logs in and asks for the log.
async fn begin(url: &ServerUrl, request: &Request) -> std::result::Result<Wire, mysql_async::Error> {
    let mut wire = Wire::open(url).await?;
    let period = HEARTBEAT_SECONDS * 1_000_000_000;
    let settings = format!(
        "SET @mariadb_slave_capability = 4, @master_heartbeat_period = {period}, @source_heartbeat_period = {period}, \
         @master_binlog_checksum = @@GLOBAL.binlog_checksum, @source_binlog_checksum = @@GLOBAL.binlog_checksum"
    );
    wire.run(&settings).await?;
    if let Some(settings) = &request.settings {
        wire.run(settings).await?;
    }
    wire.command(&request.command).await?;
    Ok(wire)
}
