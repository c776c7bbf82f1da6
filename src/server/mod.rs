//! How do MySQL clients reach us?
//!
//! ```text
//!     socket ─ login (greeting, authentication; small packets, little time)
//!            └ session: one command at a time ─┬─ answered here: PING, KILL, RESET, FIELD_LIST, …
//!                                              └─ guard ─ opensrv-mysql ─ engine (a query session, restores, jobs)
//! ```
//!
//! Knows nothing of the archive's layout, nor of how a statement is answered.

mod column;
mod cursor;
mod encode;
mod engine;
mod errno;
mod guard;
mod listing;
mod login;
mod packet;
mod registry;
mod session;
mod statement;

use crate::error::{Context, Error, Kind, Result};
use crate::query::Service;
use crate::restore::Jobs;
use crate::upkeep::Prices;
use column::Charset;
use engine::{Asked, Engine, Shared, Statements};
use errno::SqlError;
use guard::Guarded;
use login::{Login, Refused};
use mysql_common::constants::CapabilityFlags as Caps;
use packet::{Inbound, Outbound, Raw};
use registry::{Registry, Seat};
use session::{Responder, Session};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What the server allows its clients.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What the greeting says, after MariaDB's `5.5.5-`; `SELECT VERSION()` must say the same.
    pub version: String,
    /// Connections at one time, those that are logging in included.
    pub connections: usize,
    /// Of a command, in bytes.
    pub max_allowed_packet: usize,
    /// Per connection.
    pub prepared_statements: usize,
    pub login_timeout: Duration,
    /// Without a command.
    pub wait_timeout: Duration,
    /// With a client that does not read its answer.
    pub write_timeout: Duration,
    /// What the archive's place asks, for SHOW COST.
    pub prices: Prices,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            version: crate::query::system::VERSION.into(),
            connections: 151,
            max_allowed_packet: 64 << 20,
            prepared_statements: 16_382,
            login_timeout: Duration::from_secs(10),
            wait_timeout: Duration::from_secs(8 * 3600),
            write_timeout: Duration::from_secs(60),
            prices: Prices::default(),
        }
    }
}

/// After `shutdown`: how long running commands have to end.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);

/// Serves MySQL clients on `listener` until `shutdown` is cancelled; then ends all connections, and returns.
/// Restores that run go on: they are the owner's of `jobs`.
/// Errors: `Usage` when the listener is bound to anything but a loopback address, as there are no users yet.
pub async fn run(
    listener: TcpListener,
    service: Arc<Service>,
    jobs: Arc<Jobs>,
    settings: Settings,
    shutdown: CancellationToken,
) -> Result<()> {
    let asked = Asked { since: Instant::now(), prices: settings.prices.clone() };
    serve(listener, settings, shutdown, move |registry, id| {
        Box::new(Statements::new(service.clone(), jobs.clone(), registry.clone(), asked.clone(), id))
    })
    .await
}

/// As `run`, with any engine.
async fn serve(
    listener: TcpListener,
    settings: Settings,
    shutdown: CancellationToken,
    engine: impl Fn(&Arc<Registry>, u32) -> Box<dyn Engine>,
) -> Result<()> {
    let address = listener.local_addr().context("the listening socket")?;
    if !address.ip().is_loopback() {
        return Err(Error::new(
            Kind::Usage,
            format!("{address} can be reached from other machines, and there are no users yet"),
        )
        .hint("Listen on 127.0.0.1 and let clients come through an SSH tunnel."));
    }
    let settings = Arc::new(settings);
    let registry = Arc::new(Registry::new(shutdown.clone()));
    let places = Arc::new(Semaphore::new(settings.connections));
    let tasks = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (tcp, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // out of file descriptors, or the client is gone again: neither is the end
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            tasks.spawn(turn_away(tcp));
            continue;
        };
        let seat = registry.seat(peer.to_string());
        let engine = engine(&registry, seat.id);
        let settings = settings.clone();
        tasks.spawn(async move {
            let (id, _place) = (seat.id, place);
            if let Err(error) = connection(tcp, engine, seat, settings).await {
                tracing::debug!(connection = id, %error, "connection ended");
            }
        });
    }
    drop(listener);
    tasks.close();
    if timeout(SHUTDOWN_GRACE, tasks.wait()).await.is_err() {
        tracing::warn!(connections = tasks.len(), "connections did not end in time and are dropped");
    }
    Ok(())
}

/// One client has the time to take the error in, no more: it holds no place.
async fn turn_away(tcp: TcpStream) {
    let mut raw = Raw { io: tcp, seq: 0 };
    let _ = timeout(Duration::from_secs(1), login::refuse(&mut raw, &SqlError::too_many_connections())).await;
}

async fn connection(tcp: TcpStream, engine: Box<dyn Engine>, seat: Seat, settings: Arc<Settings>) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let mut raw = Raw { io: tcp, seq: 0 };
    let engine: Shared = Arc::new(Mutex::new(engine));
    let killed = seat.connection.clone();
    let login = tokio::select! {
        () = killed.cancelled() => return Ok(()),
        login = timeout(settings.login_timeout, log_in(&mut raw, &engine, &seat, &settings)) => login??,
    };
    let Some(login) = login else { return Ok(()) };
    let Raw { io, seq } = raw;
    let (rd, wr) = io.into_split();
    let inbound = Inbound::new(rd, settings.max_allowed_packet);
    let out = Outbound::new(wr, settings.write_timeout);
    let deprecate_eof = login.caps.contains(Caps::CLIENT_DEPRECATE_EOF);
    let mut responder = Guarded::start(out, engine.clone(), deprecate_eof).await?;
    let status = engine.lock().await.state().status;
    responder.send(seq, &[packet::ok(0, 0, status, 0, "")]).await?;
    Session::new(inbound, responder, engine, seat, settings, deprecate_eof).run().await
}

/// Everything up to the final OK, which the caller sends. `None`: refused, and told so.
async fn log_in(raw: &mut Raw, engine: &Shared, seat: &Seat, settings: &Settings) -> io::Result<Option<Login>> {
    let entered = async {
        let login = login::greet(raw, seat.id, &settings.version, Charset::default().collation).await?;
        login::enter(raw, &login).await?;
        let mut engine = engine.lock().await;
        engine.enter(&login.user, Charset::by_collation(login.collation.into())).await?;
        seat.enter(&login.user);
        if let Some(database) = &login.database {
            engine.use_database(database).await?;
        }
        seat.end(engine.database());
        Ok(login)
    };
    match entered.await {
        Ok(login) => Ok(Some(login)),
        Err(Refused::Io(e)) => Err(e),
        Err(Refused::Sql(e)) => {
            login::refuse(raw, &e).await;
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests;
