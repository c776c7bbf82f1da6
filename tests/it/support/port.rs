//! The MySQL port in this process, over an archive.

use pcloud::archive::Archive;
use pcloud::clock::{Clock, SystemClock};
use pcloud::error::Result;
use pcloud::query::{Limits, Service};
use pcloud::restore::Jobs;
use pcloud::server::{Settings, run};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A port that serves until it is dropped.
pub struct Port {
    pub address: SocketAddr,
    stop: CancellationToken,
    ended: Option<JoinHandle<Result<()>>>,
}

impl Drop for Port {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Port {
    pub async fn open(archive: &Path) -> Port {
        Self::with(archive, Settings::default()).await
    }

    pub async fn with(archive: &Path, settings: Settings) -> Port {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let archive = Archive::open(&archive.to_string_lossy()).await.expect("an archive");
        let service = Service::open(archive, clock.clone(), Limits::default()).await.expect("a service");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let stop = CancellationToken::new();
        let ended = tokio::spawn(run(listener, service, Arc::new(Jobs::new(clock)), settings, stop.clone()));
        Port { address, stop, ended: Some(ended) }
    }

    pub async fn connect(&self) -> mysql_async::Conn {
        let opts = mysql_async::OptsBuilder::default()
            .ip_or_hostname(self.address.ip().to_string())
            .tcp_port(self.address.port())
            .user(Some("someone"))
            .pass(Some("anything"))
            .prefer_socket(false);
        mysql_async::Conn::new(opts).await.expect("the port takes connections")
    }

    /// A client program (`mariadb`, `mysql`, …) with the arguments that reach this port.
    pub fn program(&self, program: &Path) -> Command {
        let mut c = Command::new(program);
        c.args(["--no-defaults", "-h127.0.0.1", &format!("-P{}", self.address.port()), "-ureader"]);
        c
    }

    /// Ends as on SIGTERM.
    pub async fn close(mut self) {
        self.stop.cancel();
        if let Some(ended) = self.ended.take() {
            ended.await.expect("no panic").expect("no error");
        }
    }
}

/// Runs a program to its end; what it printed, errors last.
pub async fn output(mut command: Command) -> (bool, String) {
    tokio::task::spawn_blocking(move || {
        let out = command.stdin(std::process::Stdio::null()).output().expect("the program starts");
        let text = [out.stdout, out.stderr].concat();
        (out.status.success(), String::from_utf8_lossy(&text).into_owned())
    })
    .await
    .expect("no panic")
}
