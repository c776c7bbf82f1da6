//! `check`, `protect` and `import`: from a source into the archive.

use super::place::{Place, Writing};
use super::show::Teller;
use super::{clock, stopped};
use crate::archive::Archive;
use crate::capture::{self, Options, Summary};
use crate::error::{Error, Kind, Result};
use crate::source::mysql::{Server, connect::source_url, preflight};
use crate::source::{Filter, Source, files};
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Tables of a base that are read at once.
const CONNECTIONS: usize = 4;

#[derive(Args)]
pub struct Choice {
    /// Protect only this database (may be repeated)
    #[arg(long = "database", value_name = "DB")]
    databases: Vec<String>,
    /// Leave out this database, or one table of it as DB.TABLE (may be repeated)
    #[arg(long, value_name = "DB")]
    exclude: Vec<String>,
}

impl Choice {
    fn filter(self) -> Filter {
        Filter { include: self.databases, exclude: self.exclude }
    }
}

#[derive(Args)]
#[command(after_help = "Example:
  pcloud check mysql://backup@db:3306/?password_file=/etc/pcloud/password
  pcloud check 'mysql://backup:secret@db/?ssl-mode=REQUIRED'     over TLS; docs/operations.md lists the options
The exit code is 1 if anything is missing.")]
pub struct Check {
    /// mysql://user:password@host:port/ (also ?password_file=PATH, ?password_env=NAME, ?ssl-mode=MODE, ?ssl-ca=PATH)
    source: String,
    #[command(flatten)]
    choice: Choice,
}

impl Check {
    pub async fn run(self) -> Result<ExitCode> {
        let report = preflight::check(&source_url(&self.source)?, &self.choice.filter(), true).await?;
        print!("{report}");
        Ok(if report.ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

#[derive(Args)]
#[command(after_help = "Examples:
  pcloud protect mysql://backup:secret@db/ --name shop --archive /var/lib/pcloud
  pcloud protect mysql://backup@db/?password_env=DB_PASSWORD --name shop --database shop --once
  pcloud protect mysql://backup@db/?password_env=DB_PASSWORD --name shop --archive s3://bucket/shop --recipient age1…
It says \"caught up\" when it first is, and goes on until stopped. Started again, it goes on where it was.
When the source has purged logs that were not captured (protect says so and stops):
  pcloud protect mysql://backup@db/?password_env=DB_PASSWORD --name shop --accept-gap
Moments before the gap and after the new base can be asked; SHOW BACKUPS shows the time in between.")]
pub struct Protect {
    /// mysql://user:password@host:port/ (also ?password_file=PATH, ?password_env=NAME, ?ssl-mode=MODE, ?ssl-ca=PATH)
    source: String,
    /// The cluster's name in the archive
    #[arg(long)]
    name: String,
    /// Stop when caught up
    #[arg(long)]
    once: bool,
    /// If the source has lost what was not captured: note the lost time, take a new base, and go on
    #[arg(long)]
    accept_gap: bool,
    /// Take a new base of this table, whose archive VERIFY found to be wrong (may be repeated)
    #[arg(long, value_name = "DB.TABLE")]
    retake: Vec<String>,
    #[command(flatten)]
    choice: Choice,
    #[command(flatten)]
    writing: Writing,
}

impl Protect {
    pub async fn run(self, place: &Place) -> Result<ExitCode> {
        let source = server(&self.source, self.choice.filter())?;
        let retake = self.retake.iter().map(|t| super::table_name(t)).collect::<Result<_>>()?;
        let options = Options { once: self.once, accept_gap: self.accept_gap, retake, ..Options::new(self.name) };
        let summary = into_archive(&place.create(&self.writing).await?, Arc::new(source), options, stopped()).await?;
        println!("{}", said(&summary));
        Ok(ExitCode::SUCCESS)
    }
}

#[derive(Args)]
#[command(after_help = "Examples:
  pcloud import dump.sql.zst binlog.000041 binlog.000042 --name shop --archive /var/lib/pcloud
  pcloud import schema.sql data.sql.gz --name shop          files that one dump was cut into
  pcloud import /backup/mydumper/2026-11-23 --name shop     a directory that mydumper wrote
  pcloud import binlog.000043 --name shop                   goes on with a cluster that was imported before
With binlog files the dump must say where it stands in the binary log: mariadb-dump --single-transaction --master-data=2,
mysqldump --single-transaction --source-data=2.")]
pub struct Import {
    /// Files of one dump (plain, .gz or .zst) or one mydumper directory, and the binlog files that go on from it
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// The cluster's name in the archive
    #[arg(long)]
    name: String,
    /// The database of a dump that names none
    #[arg(long, value_name = "DB")]
    into: Option<String>,
    #[command(flatten)]
    choice: Choice,
    #[command(flatten)]
    writing: Writing,
}

impl Import {
    pub async fn run(self, place: &Place) -> Result<ExitCode> {
        let source = files::Files::open(&self.paths, self.into.as_deref(), self.choice.filter())?;
        let archive = place.create(&self.writing).await?;
        let summary = import(&archive, source, self.name, stopped()).await?;
        println!("{}", said(&summary));
        Ok(ExitCode::SUCCESS)
    }
}

/// A live server as a source.
pub fn server(url: &str, filter: Filter) -> Result<Server> {
    Ok(Server { url: source_url(url)?, filter, connections: CONNECTIONS })
}

/// A dump into a cluster that the archive does not have yet, or binlog files that go on with one that it has.
pub async fn import(archive: &Archive, source: files::Files, name: String, stop: CancellationToken) -> Result<Summary> {
    let there = archive.cluster(&name)?.newest_manifest().await?.is_some();
    if there && source.has_dump() {
        return Err(Error::new(Kind::Exists, format!("cluster {name} is in the archive already"))
            .hint("Import under another --name; or give only binlog files, to go on with what is there."));
    }
    if !there && !source.has_dump() {
        return Err(Error::new(Kind::Usage, "there is no dump among the files")
            .hint("Binlog files tell changes; a dump tells what they change."));
    }
    into_archive(archive, Arc::new(source), Options { once: true, ..Options::new(name) }, stop).await
}

/// Captures, telling how far it is.
pub async fn into_archive(
    archive: &Archive,
    source: Arc<dyn Source>,
    options: Options,
    stop: CancellationToken,
) -> Result<Summary> {
    let teller = Arc::new(Teller::new());
    let (name, shown) = (options.name.clone(), teller.clone());
    let show = Arc::new(move |progress: capture::Progress| shown.capture(&name, &progress));
    let done = capture::run(archive, source, &options, clock(), show, stop).await;
    teller.clear();
    done
}

fn said(summary: &Summary) -> String {
    let mut text = format!(
        "{} commits in {} segments; the archive reaches to seq {}",
        summary.commits, summary.segments, summary.seq
    );
    for (table, why) in &summary.uncertain {
        text += &format!("\ntable {table} is uncertain: {why}");
    }
    text
}
