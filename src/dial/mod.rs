//! How is a connection to a server of MySQL's family opened, to a source and to a target alike? Encrypted as its URL asks.
//!
//! Knows nothing of what is done on the connection.

mod secure;
mod tls;

pub use secure::{none_offered, secure};

use crate::error::{Error, Kind, Result};
use crate::model::{ServerUrl, TlsMode};
use mysql_async::{Conn, DriverError, Error as Failure, OptsBuilder};
use std::net::IpAddr;
use std::time::Duration;

/// A server that does not answer for so long is away.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// The largest packet that the protocol allows.
const MAX_PACKET: usize = 1 << 30;

/// Why there is no connection.
#[derive(Debug)]
pub enum Refused {
    /// It cannot be encrypted as the URL asks; the error says what to do.
    Tls(Error),
    /// What the driver or the server says.
    Driver(Failure),
    /// Nothing came within `CONNECT_TIMEOUT`.
    Silent,
}

/// Over TCP, never over a socket file that the server names.
pub fn options(url: &ServerUrl) -> OptsBuilder {
    OptsBuilder::default()
        .ip_or_hostname(url.host.clone())
        .tcp_port(url.port)
        .user(Some(url.user.clone()))
        .pass(url.password.clone())
        .prefer_socket(false)
        .tcp_keepalive(Some(Duration::from_secs(60)))
        .max_allowed_packet(Some(MAX_PACKET))
}

/// Opens a connection with these options, which came from [`options`].
pub async fn open(url: &ServerUrl, options: OptsBuilder) -> Result<Conn, Refused> {
    let opened = tokio::time::timeout(CONNECT_TIMEOUT, try_open(url, options)).await;
    opened.unwrap_or(Err(Refused::Silent))
}

async fn try_open(url: &ServerUrl, options: OptsBuilder) -> Result<Conn, Refused> {
    if url.tls.mode == TlsMode::Disabled {
        return Conn::new(options).await.map_err(Refused::Driver);
    }
    let ssl = tls::options(url).map_err(Refused::Tls)?;
    let failure = match Conn::new(options.clone().ssl_opts(ssl.clone())).await {
        Ok(conn) => return Ok(conn),
        Err(failure) => failure,
    };
    if url.tls.mode == TlsMode::Preferred && matches!(failure, Failure::Driver(DriverError::NoClientSslFlagFromServer))
    {
        return Conn::new(options).await.map_err(Refused::Driver);
    }
    if url.tls.mode == TlsMode::VerifyCa
        && let Some(name) = tls::name_of(&failure)
    {
        // The driver looks at names whenever it looks at signatures. The certificate's is good, or its name would not
        // have been looked at: so it is asked for under a name that it has.
        let ssl = ssl.with_danger_tls_hostname_override(Some(name));
        let again = Conn::new(options.ssl_opts(ssl)).await;
        return again.map_err(|failure| refused(url, failure));
    }
    Err(refused(url, failure))
}

fn refused(url: &ServerUrl, failure: Failure) -> Refused {
    match tls::failed(url, &failure) {
        Some(error) => Refused::Tls(error),
        None => Refused::Driver(failure),
    }
}

/// Whether what goes over it is encrypted.
pub fn encrypted(conn: &Conn) -> bool {
    conn.opts().ssl_opts().is_some()
}

/// Whether the server is on this machine, where nobody listens in between.
pub fn is_here(url: &ServerUrl) -> bool {
    url.host.eq_ignore_ascii_case("localhost") || url.host.parse::<IpAddr>().is_ok_and(|a| a.is_loopback())
}

/// What to say of a connection to another machine that is in the clear, though nobody asked for that.
pub fn warning(url: &ServerUrl, conn: &Conn) -> Option<String> {
    let unasked = url.tls.mode == TlsMode::Preferred && !encrypted(conn) && !is_here(url);
    unasked.then(|| format!("the connection to {url} is not encrypted: the server offers no TLS"))
}

impl Refused {
    /// As an error, when nothing more is to be told of the server's own refusals.
    pub fn silent(url: &ServerUrl) -> Error {
        let text = format!("the server {url} did not answer within {} s", CONNECT_TIMEOUT.as_secs());
        Error::new(Kind::Unreachable, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_told_from_others() {
        let here = |host: &str| is_here(&ServerUrl::parse(&format!("mysql://u@{host}/")).expect("a URL"));
        assert!(["localhost", "LocalHost", "127.0.0.1", "127.9.9.9", "[::1]"].into_iter().all(here));
        assert!(!["db", "localhost.example", "10.0.0.1", "[::2]", "0.0.0.0"].into_iter().any(here));
    }
}
