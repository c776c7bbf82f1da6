//! How is a connection to a source opened, and what do its errors mean?

use super::family::Version;
use crate::dial::{self, Refused};
use crate::error::{Error, Kind, Result};
use crate::model::ServerUrl;
use mysql_async::{Conn, prelude::Queryable};

/// Holds the password of a source whose URL has none.
pub const PASSWORD_VARIABLE: &str = "PCLOUD_SOURCE_PASSWORD";

/// So that values and texts come exactly as they are, whatever the server's own settings: timestamps in UTC,
/// unquoted by ANSI rules, all of the rows, and no time-out while the archive is slow.
const SETTINGS: &str = "SET NAMES utf8mb4, time_zone = '+00:00', sql_mode = '', sql_quote_show_create = 1, \
    sql_select_limit = 18446744073709551615, wait_timeout = 2147483, net_write_timeout = 86400, \
    net_read_timeout = 3600, autocommit = 1";

/// Reads a source's URL as the command line gives it; a password may also come from `PCLOUD_SOURCE_PASSWORD`, or as
/// `ServerUrl::parse_with_secret` says.
pub fn source_url(text: &str) -> Result<ServerUrl> {
    let mut url = ServerUrl::parse_with_secret(text)?;
    if url.password.is_none() {
        url.password = std::env::var(PASSWORD_VARIABLE).ok();
    }
    Ok(url)
}

/// Opens a connection with the settings that reading needs.
/// Errors: as [`failed`].
pub async fn open(url: &ServerUrl) -> Result<Conn> {
    let options = dial::options(url).wait_timeout(Some(2_147_483)).stmt_cache_size(0);
    let mut conn = dial::open(url, options).await.map_err(|refused| match refused {
        Refused::Tls(error) => error,
        Refused::Driver(e) => failed(url, "connecting", e),
        Refused::Silent => Refused::silent(url),
    })?;
    let family = Version::ask(&mut conn, url).await?.family;
    let settings = format!("{SETTINGS}, {}", family.settings());
    conn.query_drop(settings).await.map_err(|e| failed(url, "preparing the session", e))?;
    Ok(conn)
}

/// What an error of the driver means. `doing` says what was tried.
/// Kinds: `Unreachable` when it is worth trying again, `Uncertain` when a table changed under a snapshot,
/// `Server` when the server refuses.
pub fn failed(url: &ServerUrl, doing: &str, error: mysql_async::Error) -> Error {
    use mysql_async::{DriverError, Error as E};
    match error {
        E::Server(e) => refused(url, doing, &e),
        E::Io(e) => Error::new(Kind::Unreachable, format!("the server {url} does not answer ({doing}): {e}"))
            .hint("Check that it runs and that host and port are right."),
        E::Driver(DriverError::ConnectionClosed | DriverError::PoolDisconnected) => {
            Error::new(Kind::Unreachable, format!("the server {url} closed the connection ({doing})"))
        }
        E::Driver(e) => Error::new(Kind::Server, format!("{doing} at {url}: {e}")),
        E::Url(e) => Error::new(Kind::Usage, format!("{doing} at {url}: {e}")),
        E::Other(e) => match e.downcast::<Error>() {
            Ok(error) => *error,
            Err(e) => Error::new(Kind::Server, format!("{doing} at {url}: {e}")),
        },
    }
}

fn refused(url: &ServerUrl, doing: &str, e: &mysql_async::ServerError) -> Error {
    let error = |kind| Error::new(kind, format!("{doing} at {url}: {} (error {})", e.message, e.code));
    match e.code {
        // too many connections, shutting down, aborted, killed, too many for this user
        1040 | 1053 | 1152 | 1158..=1161 | 1184 | 1203 | 1226 | 1927 => error(Kind::Unreachable),
        1045 | 1698 => error(Kind::Server).hint(
            "Check user and password; the host may be part of the account's name, and the account may ask for TLS \
             (ssl-mode=REQUIRED in the URL) or for a certificate (ssl-cert and ssl-key).",
        ),
        3159 => error(Kind::Server).hint("Write ssl-mode=REQUIRED into the URL."),
        1044 | 1142 | 1143 | 1227 | 1370 => error(Kind::Server)
            .hint(format!("pcloud check names the privileges that {} lacks, and how to grant them.", url.user)),
        // no such table, no such column, definition changed, lock wait, deadlock
        1146 | 1054 | 1412 | 1205 | 1213 | 1969 => error(Kind::Uncertain),
        _ => error(Kind::Server),
    }
}

/// Text cells of a small result; `None` for NULL.
pub type TextRow = Vec<Option<String>>;

/// Runs a statement and takes the whole of its (small) result as text.
pub async fn ask(conn: &mut Conn, url: &ServerUrl, sql: &str) -> Result<Vec<TextRow>> {
    let doing = || format!("running {}", sql.chars().take(120).collect::<String>());
    let rows: Vec<mysql_async::Row> = conn.query(sql).await.map_err(|e| failed(url, &doing(), e))?;
    rows.into_iter()
        .map(|row| row.unwrap_raw().into_iter().map(|cell| text(cell).ok_or_else(|| unreadable(&doing()))).collect())
        .collect()
}

fn unreadable(doing: &str) -> Error {
    Error::new(Kind::Server, format!("{doing}: the result is not UTF-8 text"))
}

/// `None`: not text. The inner `None`: NULL.
fn text(cell: Option<mysql_async::Value>) -> Option<Option<String>> {
    match cell? {
        mysql_async::Value::NULL => Some(None),
        mysql_async::Value::Bytes(bytes) => String::from_utf8(bytes).ok().map(Some),
        _ => None,
    }
}

/// The cell at this position; empty when there is none or it is NULL.
pub fn at(row: &TextRow, position: usize) -> &str {
    row.get(position).and_then(|c| c.as_deref()).unwrap_or_default()
}

/// `'text'` as a literal, under any sql_mode but NO_BACKSLASH_ESCAPES.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}
