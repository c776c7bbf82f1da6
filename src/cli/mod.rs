//! What can a person type? The only folder that prints.
//!
//! Knows every folder, and is known by none.

mod capture;
mod cost;
mod demo;
mod keys;
mod place;
mod restore;
mod serve;
mod settings;
mod show;
mod upkeep;
mod verify;

use crate::archive::Archive;
use crate::clock::SystemClock;
use crate::error::{Error, Kind, Result};
use crate::model::TableName;
use clap::{Parser, Subcommand};
use place::{Common, Place};
use settings::Settings;
use std::process::ExitCode;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

#[derive(Parser)]
#[command(
    name = "pcloud",
    version,
    about = "A continuous backup of MySQL-family databases that one can ask: any table, AS OF any past moment, in SQL."
)]
#[command(after_help = "Examples:
  pcloud demo                                              a sample archive and server, nothing else needed
  pcloud check mysql://backup:secret@db:3306/              what the source must have
  pcloud protect mysql://backup:secret@db:3306/ --name shop --archive /var/lib/pcloud
  pcloud keygen > identity.txt                             a key pair; then protect … --recipient age1… --archive s3://bucket/shop
  pcloud serve --archive /var/lib/pcloud                   then: mysql -h 127.0.0.1 -P 3307
  pcloud restore --table shop.orders --as-of '2026-11-22 14:05:00' --to mysql://root:secret@db/ --archive /var/lib/pcloud")]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a sample archive and serve it: the shortest way to see what pcloud does
    Demo(demo::Demo),
    /// Tell what a source must have, and the statement that mends each miss
    Check(capture::Check),
    /// Take a first base of a source, then capture its changes until stopped
    Protect(capture::Protect),
    /// Make a cluster out of dump files and binlog files that already exist
    Import(capture::Import),
    /// Serve the archive to MySQL clients
    Serve(serve::Serve),
    /// Put a moment of a table, database or cluster into a live server
    Restore(restore::Restore),
    /// Prove that the archive is whole and restorable, or compare it with a live server
    Verify(verify::Verify),
    /// Make a key pair: an identity, which opens an encrypted archive, and its public key
    Keygen(keys::Keygen),
    /// Show or change the public keys that the archive is encrypted to
    Recipients(keys::Recipients),
    /// Merge small segments into packs and make new bases, so that the archive stays small and quick
    Compact(upkeep::Compact),
    /// Let go of old moments: tells what would go; --apply does it
    Retain(upkeep::Retain),
    /// Tell what the archive takes: bytes by kind, requests, and what a month of it costs
    Cost,
    /// List the archive's clusters and which moments they cover
    Ls,
}

/// Runs what was typed. 0: done; 1: it failed, and standard error says why; 2: it was typed wrongly.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let level = match cli.common.verbose {
        0 => "pcloud=warn",
        1 => "pcloud=info",
        _ => "pcloud=debug",
    };
    let filter = EnvFilter::try_from_env("PCLOUD_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(8 << 20).build() {
        Ok(runtime) => runtime,
        Err(e) => return failed(&Error::io("starting the runtime", e)),
    };
    let done = runtime.block_on(run(cli));
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    match done {
        Ok(code) => code,
        Err(error) => failed(&error),
    }
}

fn failed(error: &Error) -> ExitCode {
    eprintln!("pcloud: {}", error.message);
    if let Some(hint) = &error.hint {
        eprintln!("        {hint}");
    }
    ExitCode::from(if error.kind == Kind::Usage { 2 } else { 1 })
}

async fn run(cli: Cli) -> Result<ExitCode> {
    let settings = Settings::read(cli.common.config.as_deref())?;
    let place = Place::new(cli.common, &settings);
    match cli.command {
        Command::Keygen(keygen) => keygen.run(),
        Command::Recipients(recipients) => recipients.run(&place).await,
        Command::Demo(demo) => demo.run(&settings).await,
        Command::Check(check) => check.run().await,
        Command::Protect(protect) => protect.run(&place).await,
        Command::Import(import) => import.run(&place).await,
        Command::Serve(serve) => serve.run(&place, &settings).await,
        Command::Restore(restore) => restore.run(&place).await,
        Command::Verify(verify) => verify.run(&place).await,
        Command::Compact(compact) => compact.run(&place, &settings).await,
        Command::Retain(retain) => retain.run(&place, &settings).await,
        Command::Cost => cost::cost(&place.open().await?, &settings).await,
        Command::Ls => show::clusters(&place.open().await?).await,
    }
}

/// `DATABASE.TABLE`
fn table_name(text: &str) -> Result<TableName> {
    text.split_once('.')
        .map(|(d, t)| TableName::new(d, t))
        .ok_or_else(|| Error::new(Kind::Usage, format!("'{text}' names no table")).hint("Write it as DATABASE.TABLE."))
}

/// The cluster that is named, or the only one.
async fn cluster_name(archive: &Archive, named: Option<&str>) -> Result<String> {
    if let Some(name) = named {
        return Ok(name.to_string());
    }
    let mut clusters = archive.clusters().await?;
    match clusters.len() {
        1 => Ok(clusters.remove(0)),
        0 => Err(Error::new(Kind::Usage, "the archive holds no cluster")),
        _ => Err(Error::new(Kind::Usage, format!("the archive holds several clusters: {}", clusters.join(", ")))
            .hint("Add --cluster NAME.")),
    }
}

/// Cancelled by Ctrl-C or SIGTERM. A second one ends the process at once.
fn stopped() -> CancellationToken {
    let token = CancellationToken::new();
    let stop = token.clone();
    tokio::spawn(async move {
        signal().await;
        stop.cancel();
        signal().await;
        std::process::exit(130);
    });
    token
}

async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

fn clock() -> Arc<dyn crate::clock::Clock> {
    Arc::new(SystemClock)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_commands_are_well_formed_and_give_examples() {
        let cli = Cli::command();
        cli.clone().debug_assert();
        for command in [
            "check",
            "protect",
            "import",
            "serve",
            "restore",
            "verify",
            "compact",
            "retain",
            "demo",
            "keygen",
            "recipients",
        ] {
            let sub = cli.find_subcommand(command).unwrap_or_else(|| panic!("{command}"));
            let help = sub.clone().render_long_help().to_string();
            assert!(help.contains("Example"), "{command} --help shows no example");
        }
    }
}
