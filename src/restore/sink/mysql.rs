//! A MySQL-family server as a target.

use super::value::value;
use crate::dial::{self, Refused};
use crate::error::{Error, Kind};
use crate::model::{Column, Generated, ServerUrl, TableName, TableSchema, Value, quote_name};
use bytes::Bytes;
use futures::StreamExt;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Params};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Text is sent in packets of at most this many bytes, which every server takes.
const INFILE_PACKET_BYTES: usize = 256 << 10;
/// Strict, so that nothing is cut; dates of no calendar and explicit zeros stay what they are.
const LOADING_MODE: &str = "STRICT_ALL_TABLES,ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION";

/// Settings of a MySQL session that need privileges of their own: the tables of a restore are to be those of the archive.
const WISHES: [&str; 3] = [
    "SET SESSION sql_generate_invisible_primary_key = 0",
    "SET SESSION explicit_defaults_for_timestamp = 1",
    // MariaDB lets a foreign key refer to a key that is not unique
    "SET SESSION restrict_fk_on_non_standard_key = 0",
];

/// The server's numbers for "is there already": table or view, trigger, procedure or function, event, database.
const EXISTS: [u16; 5] = [1050, 1359, 1304, 1537, 1007];

/// What the target said, or that it went away.
#[derive(Debug, Clone)]
pub enum SinkError {
    /// The server refused, with its error number.
    Server { code: u16, message: String },
    /// Nobody answers there, or the connection broke.
    Lost(String),
    /// It answered what it should not.
    Wrong(String),
    /// The connection cannot be encrypted as the URL asks.
    Tls(Error),
}

impl SinkError {
    /// The server's error number, if it was the server that refused.
    pub fn code(&self) -> Option<u16> {
        match self {
            SinkError::Server { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// As an error about `what`: a table, a statement.
    pub fn about(self, what: impl fmt::Display) -> Error {
        match self {
            SinkError::Server { code, message } => server_error(code, &message).context(what),
            SinkError::Lost(why) => Error::new(Kind::Unreachable, format!("{what}: {why}"))
                .hint("Run the RESTORE again when the target is back."),
            SinkError::Wrong(why) => Error::internal(format!("{what}: {why}")),
            SinkError::Tls(error) => error.context(what),
        }
    }
}

impl fmt::Display for SinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SinkError::Server { code, message } => write!(f, "the target refused with error {code}: {message}"),
            SinkError::Lost(why) | SinkError::Wrong(why) => f.write_str(why),
            SinkError::Tls(error) => error.fmt(f),
        }
    }
}

/// Numbers as in MariaDB's errmsg.
fn server_error(code: u16, message: &str) -> Error {
    let kind = if EXISTS.contains(&code) { Kind::Exists } else { Kind::Server };
    let error = Error::new(kind, format!("the target refused with error {code}: {message}"));
    match code {
        1044 | 1045 | 1142 | 1227 | 1370 | 1698 => {
            error.hint("Give the account of the target's URL ALL PRIVILEGES, or name one that has them.")
        }
        1205 | 1213 => error.hint(
            "Somebody holds a lock there; SHOW FULL PROCESSLIST on the target says who. End that transaction, or wait \
             longer: WITH (lock_wait_seconds = …).",
        ),
        3 | 28 | 1021 | 1114 => error.hint("The target's disk or tablespace is full: make room, then run it again."),
        1290 | 1792 | 1836 => {
            error.hint("The target is read-only: restore to its primary, or SET GLOBAL read_only = 0.")
        }
        1418 | 1419 => error.hint(
            "The target's binary log asks for more: SET GLOBAL log_bin_trust_function_creators = 1 there, or restore \
             WITH (routines = false, triggers = false).",
        ),
        1264 | 1292 | 1366 | 1406 | 3819 => error.hint(
            "The target was left as it was: its type or check does not take this value, which another server may.",
        ),
        1153 => error.hint("A row is larger than the target's max_allowed_packet: raise it there."),
        1040 | 1203 | 1226 => error.hint("The target has no free connection: lower WITH (parallel = …), or wait."),
        _ => error,
    }
}

impl From<mysql_async::Error> for SinkError {
    fn from(e: mysql_async::Error) -> Self {
        match e {
            // KILL's own numbers: the connection is gone
            mysql_async::Error::Server(e) if matches!(e.code, 1053 | 1927 | 3169 | 4031) => {
                SinkError::Lost(format!("the target ended the connection: {}", e.message))
            }
            mysql_async::Error::Server(e) => SinkError::Server { code: e.code, message: e.message },
            mysql_async::Error::Io(e) => SinkError::Lost(format!("the connection to the target broke: {e}")),
            mysql_async::Error::Driver(mysql_async::DriverError::ConnectionClosed) => {
                SinkError::Lost("the target closed the connection".into())
            }
            other => SinkError::Lost(format!("the target's answer could not be read: {other}")),
        }
    }
}

/// How a connection is set up.
#[derive(Debug, Clone)]
pub struct Session {
    /// Of this restore alone: random, of a few characters.
    pub token: String,
    pub lock_wait_seconds: u32,
    pub log_bin: bool,
}

/// Where it is written to. Connections are opened as they are needed and used again.
#[derive(Clone)]
pub struct Target {
    url: ServerUrl,
    session: Session,
    idle: Arc<Mutex<Vec<Connection>>>,
    /// The server's ids of all connections that may still do something.
    open: Arc<Mutex<BTreeSet<u32>>>,
}

impl Target {
    pub fn new(url: ServerUrl, session: Session) -> Self {
        Self { url, session, idle: Arc::default(), open: Arc::default() }
    }

    pub fn url(&self) -> &ServerUrl {
        &self.url
    }

    /// An idle connection, or a new one.
    pub async fn connection(&self) -> Result<Connection, SinkError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match idle {
            Some(connection) => Ok(connection),
            None => self.connect().await,
        }
    }

    /// Keeps a connection that is at rest for the next one who asks.
    pub fn give_back(&self, connection: Connection) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
    }

    /// A new connection, never an idle one: those may have died.
    pub async fn connect(&self) -> Result<Connection, SinkError> {
        let absent = |why: String| SinkError::Lost(format!("the target {} does not answer: {why}", self.url));
        let opened = dial::open(&self.url, dial::options(&self.url)).await;
        let conn = opened.map_err(|refused| match refused {
            Refused::Tls(error) => SinkError::Tls(error),
            Refused::Driver(mysql_async::Error::Io(e)) => absent(e.to_string()),
            Refused::Driver(e) => e.into(),
            Refused::Silent => absent(format!("nothing came within {} s", dial::CONNECT_TIMEOUT.as_secs())),
        })?;
        let id = conn.id();
        self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        let mut connection = Connection { conn, open: self.open.clone(), id, busy: false };
        let version = connection.rows("SELECT VERSION()").await?.into_iter().flatten().flatten().next();
        let mariadb = version.is_some_and(|v| v.contains("MariaDB"));
        for statement in self.settings(mariadb) {
            connection.run(&statement).await?;
        }
        for statement in WISHES.iter().filter(|_| !mariadb) {
            match connection.run(statement).await {
                // the account may not: what the plan needs of it, it asks for
                Ok(_) | Err(SinkError::Server { .. }) => connection.busy = false,
                Err(error) => return Err(error),
            }
        }
        connection.rows(&format!("SELECT GET_LOCK({}, 0)", self.mark(id))).await?;
        Ok(connection)
    }

    /// The name of a lock that a connection holds as long as it lives. Ids alone do not tell: a server that was
    /// started again gives them to others.
    fn mark(&self, id: u32) -> String {
        quoted(&format!("pcloud restore {} {id}", self.session.token))
    }

    fn settings(&self, mariadb: bool) -> Vec<String> {
        let lock = self.session.lock_wait_seconds;
        let mut all = vec![
            "SET NAMES utf8mb4".to_string(),
            format!("SET SESSION sql_mode = '{LOADING_MODE}', time_zone = '+00:00', autocommit = 1"),
            format!("SET SESSION lock_wait_timeout = {lock}, innodb_lock_wait_timeout = {lock}"),
            "SET SESSION foreign_key_checks = 0, unique_checks = 1, net_read_timeout = 600, net_write_timeout = 600, \
             wait_timeout = 28800"
                .to_string(),
        ];
        if mariadb {
            all.push("SET SESSION check_constraint_checks = 0, max_statement_time = 0".to_string());
        } else {
            all.push("SET SESSION max_execution_time = 0".to_string());
        }
        if !self.session.log_bin {
            all.push("SET SESSION sql_log_bin = 0".to_string());
        }
        all
    }

    /// Ends every other connection of this target, in the middle of whatever it does there.
    pub async fn end_others(&self, connection: &mut Connection) -> Result<(), SinkError> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let ids: Vec<u32> = self.open.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect();
        let own = connection.id;
        for id in ids.into_iter().filter(|id| *id != own) {
            let holder = connection.rows(&format!("SELECT IS_USED_LOCK({})", self.mark(id))).await?;
            if holder.into_iter().flatten().flatten().next() == Some(id.to_string()) {
                match connection.run(&format!("KILL {id}")).await {
                    // it has ended by itself
                    Err(SinkError::Server { code: 1094, .. }) | Ok(_) => {}
                    Err(error) => return Err(error),
                }
            }
            self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        }
        Ok(())
    }
}

/// What a statement did.
#[derive(Debug, Clone, Copy)]
pub struct Answer {
    pub affected: u64,
    pub warnings: u16,
}

/// One session on the target: UTC, utf8mb4, strict, foreign keys not checked.
pub struct Connection {
    conn: Conn,
    open: Arc<Mutex<BTreeSet<u32>>>,
    id: u32,
    /// In the middle of a statement.
    busy: bool,
}

impl Drop for Connection {
    fn drop(&mut self) {
        // one that is dropped in the middle of a statement stays listed, so that `end_others` stops the statement
        if !self.busy {
            self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
        }
    }
}

impl Connection {
    /// What to say of it, if it is in the clear though nobody asked for that. A whole sentence.
    pub fn warning(&self, url: &ServerUrl) -> Option<String> {
        dial::warning(url, &self.conn).map(|text| format!("Note that {text}."))
    }

    pub async fn run(&mut self, sql: &str) -> Result<Answer, SinkError> {
        self.busy = true;
        let result = self.conn.query_iter(sql).await?;
        let answer = Answer { affected: result.affected_rows(), warnings: result.warnings() };
        result.drop_result().await?;
        self.busy = false;
        Ok(answer)
    }

    /// A small result, as text. `None` is NULL.
    pub async fn rows(&mut self, sql: &str) -> Result<Vec<Vec<Option<String>>>, SinkError> {
        self.busy = true;
        let rows: Vec<mysql_async::Row> = self.conn.query(sql).await?;
        self.busy = false;
        let wrong = || SinkError::Wrong(format!("{sql} answered with what is no text"));
        rows.into_iter()
            .map(|mut row| {
                (0..row.len())
                    .map(|i| match row.take_opt::<Option<String>, _>(i) {
                        Some(Ok(text)) => Ok(text),
                        _ => Err(wrong()),
                    })
                    .collect()
            })
            .collect()
    }

    /// What the statement before warned of.
    pub async fn warnings(&mut self) -> Result<String, SinkError> {
        let rows = self.rows("SHOW WARNINGS LIMIT 5").await?;
        let lines = rows.into_iter().map(|r| r.into_iter().flatten().collect::<Vec<_>>().join(" "));
        Ok(lines.collect::<Vec<_>>().join("; "))
    }

    /// Runs a LOAD DATA LOCAL statement with this as its file.
    pub async fn load(&mut self, sql: &str, text: Bytes) -> Result<Answer, SinkError> {
        let mut packets = Vec::with_capacity(text.len() / INFILE_PACKET_BYTES + 1);
        let mut rest = text;
        while !rest.is_empty() {
            packets.push(Ok(rest.split_to(rest.len().min(INFILE_PACKET_BYTES))));
        }
        self.conn.set_infile_handler(async move { Ok(futures::stream::iter(packets).boxed()) });
        self.run(sql).await
    }

    /// Reads all rows of `table`, which stands under the name `at`, one after the other, in any order.
    pub async fn read(
        &mut self,
        table: &TableSchema,
        at: &TableName,
        each: impl FnMut(&[Value]) + Send,
    ) -> Result<(), SinkError> {
        let name = |c: &Column| match c.generated.is_some_and(Generated::differs_elsewhere) {
            true => "NULL".to_string(),
            false => quote_name(&c.name),
        };
        let names: Vec<_> = table.columns.iter().map(name).collect();
        self.read_rows(table, &format!("SELECT {} FROM {}", names.join(","), at.quoted()), each).await
    }

    /// Reads what a SELECT gives of the columns of `table`.
    pub async fn read_rows(
        &mut self,
        table: &TableSchema,
        sql: &str,
        mut each: impl FnMut(&[Value]) + Send,
    ) -> Result<(), SinkError> {
        self.busy = true;
        // prepared: the binary protocol carries FLOAT exactly, the text protocol does not
        let statement = self.conn.prep(sql).await?;
        let mut result = self.conn.exec_iter(&statement, Params::Empty).await?;
        let mut row = Vec::with_capacity(table.columns.len());
        while let Some(mut cells) = result.next().await? {
            row.clear();
            for (i, column) in table.columns.iter().enumerate() {
                let cell = cells.take(i).unwrap_or(mysql_async::Value::NULL);
                row.push(value(cell, &column.kind).map_err(|why| {
                    SinkError::Wrong(format!("column {} of {} came back as {why}", column.name, table.name))
                })?);
            }
            each(&row);
        }
        result.drop_result().await?;
        self.conn.close(statement).await?;
        self.busy = false;
        Ok(())
    }

    /// Sets another sql_mode until `loading_mode`.
    pub async fn set_mode(&mut self, mode: &str) -> Result<(), SinkError> {
        self.run(&format!("SET SESSION sql_mode = {}", quoted(mode))).await.map(drop)
    }

    pub async fn loading_mode(&mut self) -> Result<(), SinkError> {
        self.set_mode(LOADING_MODE).await
    }
}

/// A string literal, for a session without NO_BACKSLASH_ESCAPES.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}
