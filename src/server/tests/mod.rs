//! The protocol's own tests: a real socket, real opensrv, and answers out of a script, so that every packet that can
//! be sent or received is reached, also those that no SQL gives.

mod client;
mod commands;
mod damage;
mod rows;
mod script;
mod stopping;

use super::Settings;
use client::Client;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A running server; it ends when dropped.
struct Server {
    address: SocketAddr,
    shutdown: CancellationToken,
    ended: JoinHandle<crate::error::Result<()>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

impl Server {
    async fn start() -> Self {
        Self::with(Settings::default()).await
    }

    async fn with(settings: Settings) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let shutdown = CancellationToken::new();
        let ended = tokio::spawn(super::serve(listener, settings, shutdown.clone(), |registry, id| {
            Box::new(script::Script::new(registry.clone(), id))
        }));
        Self { address, shutdown, ended }
    }

    async fn connect(&self) -> Client {
        Client::connect(self.address, true).await
    }

    /// For clients that know no DEPRECATE_EOF.
    async fn connect_classic(&self) -> Client {
        Client::connect(self.address, false).await
    }

    /// Statements that run now, of all connections.
    async fn running(&self) -> Vec<String> {
        let mut c = self.connect().await;
        let rows = c.query("show processlist").await.rows();
        c.quit().await;
        rows.into_iter().filter(|s| s != "show processlist" && !s.is_empty()).collect()
    }

    async fn wait_until(&self, what: &str, mut holds: impl FnMut(&[String]) -> bool) {
        let start = Instant::now();
        loop {
            let running = self.running().await;
            if holds(&running) {
                return;
            }
            assert!(start.elapsed() < Duration::from_secs(10), "{what}: {running:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// It still answers, and rightly.
    async fn lives(&self) {
        let mut c = self.connect().await;
        assert_eq!(c.query("select 1").await.rows(), ["1"]);
        c.quit().await;
    }
}
