//! `serve`: the MySQL port, and capture of the clusters that the settings name.

use super::capture::{into_archive, server};
use super::place::{Place, Writing, say_if_plain};
use super::settings::{ClusterSettings, Settings};
use super::upkeep::keep_small;
use super::{clock, stopped};
use crate::archive::Archive;
use crate::capture::Options;
use crate::error::{Error, Kind, Result};
use crate::query::{Limits, Service};
use crate::restore::Jobs;
use crate::source::Filter;
use crate::source::mysql::Server;
use clap::Args;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub const DEFAULT_LISTEN: &str = "127.0.0.1:3307";
/// After a capture has failed for good, it is tried again this much later.
const CAPTURE_AGAIN: Duration = Duration::from_secs(60);

#[derive(Args)]
#[command(after_help = "Example:
  pcloud serve --archive /var/lib/pcloud
  mysql -h 127.0.0.1 -P 3307 -e \"SELECT * FROM shop.orders AS OF TIMESTAMP '2026-11-22 14:05:00'\"
It listens on the loopback interface only, and lets every local user in.")]
pub struct Serve {
    /// Where MySQL clients connect; port 0: any free one
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
}

impl Serve {
    pub async fn run(self, place: &Place, settings: &Settings) -> Result<ExitCode> {
        if let Some(retain) = &settings.retain {
            retain.policy()?; // said before anything is done
        }
        let stop = stopped();
        let archive = if settings.clusters.is_empty() {
            let archive = place.open().await?;
            say_if_plain(&archive);
            archive
        } else {
            place.create(&Writing::default()).await?
        };
        let listen = self.listen.or_else(|| settings.listen.clone()).unwrap_or_else(|| DEFAULT_LISTEN.into());
        let listener = listener(&listen).await?;
        for cluster in &settings.clusters {
            let filter = Filter { include: cluster.databases.clone(), exclude: cluster.exclude.clone() };
            let source = server(&cluster.source, filter)?;
            tokio::spawn(keep_captured(archive.clone(), source, cluster.clone(), stop.clone()));
        }
        println!("serving {} on {}", archive.url(), address(&listener)?);
        println!("{}", how_to_connect(&listener)?);
        serve(archive, listener, settings, stop).await?;
        Ok(ExitCode::SUCCESS)
    }
}

async fn keep_captured(archive: Archive, source: Server, cluster: ClusterSettings, stop: CancellationToken) {
    let source = Arc::new(source);
    while !stop.is_cancelled() {
        let options = Options::new(cluster.name.clone());
        if let Err(error) = into_archive(&archive, source.clone(), options, stop.clone()).await {
            eprintln!(
                "pcloud: capture of {} stopped: {error}; trying again in {} s",
                cluster.name,
                CAPTURE_AGAIN.as_secs()
            );
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(CAPTURE_AGAIN) => {}
            }
        }
    }
}

/// Serves until stopped.
pub async fn serve(
    archive: Archive,
    listener: TcpListener,
    settings: &Settings,
    stop: CancellationToken,
) -> Result<()> {
    let mut limits = Limits::default();
    if let Some(mib) = settings.query_memory_mib {
        limits.memory_bytes = mib << 20;
    }
    let service = Service::open(archive.clone(), clock(), limits).await?;
    let mut port = crate::server::Settings { prices: settings.prices.clone().into(), ..Default::default() };
    if let Some(n) = settings.max_connections {
        port.connections = n;
    }
    let jobs = Arc::new(Jobs::new(clock()));
    if settings.upkeep.enabled {
        tokio::spawn(keep_small(archive, service.clone(), jobs.clone(), settings.clone(), stop.clone()));
    }
    let served = crate::server::run(listener, service, jobs.clone(), port, stop).await;
    jobs.stop().await; // targets are left as they were
    served
}

pub async fn listener(listen: &str) -> Result<TcpListener> {
    let address: SocketAddr = listen.parse().map_err(|_| {
        Error::new(Kind::Usage, format!("'{listen}' is no address to listen on")).hint("Write it as 127.0.0.1:3307.")
    })?;
    TcpListener::bind(address).await.map_err(|e| {
        Error::io(format!("listening on {address}"), e)
            .hint("Another program may have the port: choose one with --listen 127.0.0.1:PORT.")
    })
}

fn address(listener: &TcpListener) -> Result<SocketAddr> {
    listener.local_addr().map_err(|e| Error::io("the listening socket", e))
}

pub fn how_to_connect(listener: &TcpListener) -> Result<String> {
    let address = address(listener)?;
    Ok(format!("connect with: mysql -h {} -P {}", address.ip(), address.port()))
}
