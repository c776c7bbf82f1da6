//! `verify`: the VERIFY statement for scripts.

use super::place::Place;
use super::show::{Teller, table};
use super::{cluster_name, stopped};
use crate::error::{Error, Result};
use crate::source::Filter;
use crate::source::mysql::connect::source_url;
use crate::timeline::Timeline;
use crate::verify::{self, Finding, Options, Progress, Status, VerifyRequest};
use clap::Args;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

#[derive(Args)]
#[command(after_help = "Example:
  pcloud verify --against mysql://backup@db:3306/?password_file=/etc/pcloud/password --archive /var/lib/pcloud
Compares at one moment, while writes go on; the capture must be running. The exit code is 1 if anything differs.")]
pub struct Verify {
    /// mysql://user:password@host:port/ of the live server (also ?password_file=PATH, ?password_env=NAME, ?ssl-mode=MODE,
    /// ?ssl-ca=PATH)
    #[arg(long, value_name = "URL")]
    against: String,
    /// The cluster; needed only if the archive has several
    #[arg(long)]
    cluster: Option<String>,
    /// Compare only this database (may be repeated)
    #[arg(long = "database", value_name = "DB")]
    databases: Vec<String>,
    /// Leave out this database, or one table of it as DB.TABLE, as the capture does (may be repeated)
    #[arg(long, value_name = "DB")]
    exclude: Vec<String>,
    /// How long the archive may take to reach the server's moment
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    wait: u64,
    /// How many differing rows of a table are shown
    #[arg(long, value_name = "N", default_value_t = 10)]
    rows: usize,
}

impl Verify {
    pub async fn run(self, place: &Place) -> Result<ExitCode> {
        let archive = place.open().await?;
        let cluster = cluster_name(&archive, self.cluster.as_deref()).await?;
        let timeline = Arc::new(Timeline::load(archive.cluster(&cluster)?).await?);
        let filter = Filter { include: self.databases, exclude: self.exclude };
        let options = Options { wait_seconds: self.wait, rows: self.rows, filter, ..Options::default() };
        let request = VerifyRequest { cluster, server: source_url(&self.against)?, options };
        let (progress, teller) = (Arc::new(Progress::default()), Teller::new());
        let mut work = tokio::spawn(verify::run(timeline, request, progress.clone(), stopped()));
        let report = loop {
            tokio::select! {
                done = &mut work => break done.map_err(|e| Error::internal(format!("the comparison broke: {e}")))??,
                () = tokio::time::sleep(Duration::from_millis(200)) => {
                    let (done, total) = (progress.rows_done.load(Ordering::Relaxed), progress.rows_total.load(Ordering::Relaxed));
                    teller.part(done, total, &format!("{}: {done} rows", progress.phase()));
                }
            }
        };
        teller.clear();
        let headings = ["table", "status", "rows", "key", "column", "archive", "server"].map(String::from);
        let lines: Vec<_> = report.findings.iter().map(line).collect();
        table(&headings, &[false, false, true, false, false, false, false], &lines);
        let remarks = report.findings.iter().filter(|f| !f.remark.is_empty());
        remarks.for_each(|f| println!("{}: {}: {}", f.table, f.status, f.remark));
        println!("at seq {} ({}): {}", report.moment.seq, report.moment.time, report.summary());
        Ok(if report.equal() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn line(f: &Finding) -> Vec<String> {
    let of = |text: &Option<String>| text.clone().unwrap_or_default();
    let whole = !matches!(f.status, Status::Range | Status::Value | Status::MissingRow | Status::ExtraRow);
    let name = if whole { f.table.to_string() } else { String::new() };
    let rows = f.rows.map(|n| n.to_string()).unwrap_or_default();
    vec![name, f.status.to_string(), rows, of(&f.key), of(&f.column), of(&f.archive), of(&f.server)]
}
