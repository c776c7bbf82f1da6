//! `verify`: the VERIFY statement for scripts.

use super::place::Place;
use super::show::{Teller, size, table};
use super::{clock, cluster_name, stopped};
use crate::archive::Archive;
use crate::error::{Error, Result};
use crate::source::Filter;
use crate::source::mysql::connect::source_url;
use crate::timeline::Timeline;
use crate::verify::proof::{self, Depth, Outcome};
use crate::verify::{self, Finding, Options, Progress, Status, VerifyRequest};
use clap::Args;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

#[derive(Args)]
#[command(after_help = "Examples:
  pcloud verify --archive /var/lib/pcloud                          every object is there, and every byte as it was written
  pcloud verify --depth restorable --archive /var/lib/pcloud       and states of the past are rebuilt
  pcloud verify --depth restorable --scratch mysql://root:secret@test:3306/ --archive /var/lib/pcloud
  pcloud verify --against mysql://backup@db:3306/?password_file=/etc/pcloud/password --archive /var/lib/pcloud
Against a live server it compares at one moment, while writes go on; the capture must be running.
The exit code is 1 if anything is wrong or differs.")]
pub struct Verify {
    /// How deep: exists (what is named is there), intact (every byte), restorable (states can be rebuilt) [default: intact]
    #[arg(long, value_name = "DEPTH", conflicts_with = "against")]
    depth: Option<String>,
    /// Of depth restorable: how many states at random, beside the newest and earlier ones
    #[arg(long, value_name = "N", default_value_t = 3, conflicts_with = "against")]
    moments: usize,
    /// Then restore the newest state into this server, where none of the databases may be, and compare it there
    #[arg(long, value_name = "URL", conflicts_with = "against")]
    scratch: Option<String>,
    /// Do not note in the archive what was found
    #[arg(long)]
    no_record: bool,
    /// mysql://user:password@host:port/ of the live server (also ?password_file=PATH, ?password_env=NAME, ?ssl-mode=MODE,
    /// ?ssl-ca=PATH)
    #[arg(long, value_name = "URL")]
    against: Option<String>,
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
        match self.against.clone() {
            Some(server) => self.compare(&archive, cluster, &server).await,
            None => self.prove(&archive, cluster).await,
        }
    }

    async fn prove(self, archive: &Archive, cluster: String) -> Result<ExitCode> {
        let depth = self.depth.as_deref().map(Depth::parse).transpose()?;
        let default = if self.scratch.is_some() { Depth::Restorable } else { Depth::Intact };
        let options =
            proof::Options { depth: depth.unwrap_or(default), moments: self.moments, record: !self.no_record };
        let (progress, stop) = (Arc::new(Progress::default()), stopped());
        let cluster = archive.cluster(&cluster)?;
        let work = proof::run(cluster.clone(), options, clock(), progress.clone(), stop.clone());
        let outcome = shown(work, &progress, |p| {
            let count = |n: &AtomicU64| n.load(Ordering::Relaxed);
            let (done, total, rows) = (count(&p.objects_done), count(&p.objects_total), count(&p.rows_done));
            let rows = if rows > 0 { format!(", {rows} rows") } else { String::new() };
            (done, total, format!("{}: {done} of {total} objects{rows}", p.phase()))
        })
        .await?;
        print_outcome(&outcome);
        // as others find it: with what was just noted
        match Timeline::load(cluster).await {
            Ok(timeline) => {
                print_coverage(&timeline)?;
                if let Some(scratch) = self.scratch.filter(|_| outcome.whole()) {
                    super::restore::rehearse(Arc::new(timeline), &scratch, stop).await?;
                }
            }
            Err(error) => println!("what is covered cannot be told: {error}"),
        }
        Ok(if outcome.whole() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    async fn compare(self, archive: &Archive, cluster: String, server: &str) -> Result<ExitCode> {
        let timeline = Arc::new(Timeline::load(archive.cluster(&cluster)?).await?);
        let filter = Filter { include: self.databases, exclude: self.exclude };
        let record = !self.no_record;
        let options = Options { wait_seconds: self.wait, rows: self.rows, filter, record, ..Options::default() };
        let request = VerifyRequest { cluster, server: source_url(server)?, options };
        let progress = Arc::new(Progress::default());
        let work = verify::run(timeline, request, clock(), progress.clone(), stopped());
        let report = shown(work, &progress, |p| {
            let (done, total) = (p.rows_done.load(Ordering::Relaxed), p.rows_total.load(Ordering::Relaxed));
            (done, total, format!("{}: {done} rows", p.phase()))
        })
        .await?;
        let headings = ["table", "status", "rows", "key", "column", "archive", "server"].map(String::from);
        let lines: Vec<_> = report.findings.iter().map(line).collect();
        table(&headings, &[false, false, true, false, false, false, false], &lines);
        let remarks = report.findings.iter().filter(|f| !f.remark.is_empty());
        remarks.for_each(|f| println!("{}: {}: {}", f.table, f.status, f.remark));
        println!("at seq {} ({}): {}", report.moment.seq, report.moment.time, report.summary());
        Ok(if report.equal() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Does the work and shows how far it is: done, of how much, and in words.
async fn shown<T: Send + 'static>(
    work: impl Future<Output = Result<T>> + Send + 'static,
    progress: &Progress,
    far: impl Fn(&Progress) -> (u64, u64, String),
) -> Result<T> {
    let (mut work, teller) = (tokio::spawn(work), Teller::new());
    let done = loop {
        tokio::select! {
            done = &mut work => break done.map_err(|e| Error::internal(format!("VERIFY broke: {e}"))),
            () = tokio::time::sleep(Duration::from_millis(200)) => {
                let (done, total, text) = far(progress);
                teller.part(done, total, &text);
            }
        }
    };
    teller.clear();
    done?
}

fn print_outcome(outcome: &Outcome) {
    outcome.faults.iter().for_each(|fault| println!("wrong: {fault}"));
    if outcome.more_faults > 0 {
        println!("wrong: and {} more", outcome.more_faults);
    }
    for r in &outcome.rebuilt {
        let known = if r.same > 0 {
            format!("; {} tables as they were known ({} from a live server)", r.same, r.live)
        } else {
            String::new()
        };
        println!("rebuilt: seq {} ({}): {} tables, {} rows{known}", r.moment.seq, r.moment.time, r.tables, r.rows);
    }
    outcome.remarks.iter().for_each(|remark| println!("note: {remark}"));
    if outcome.unnamed > 0 {
        println!("left over: {} objects, {}, that no list names", outcome.unnamed, size(outcome.unnamed_bytes));
    }
    println!("{} ({:.1} s)", outcome.summary(), outcome.took.as_secs_f64());
}

fn print_coverage(timeline: &Timeline) -> Result<()> {
    let of = timeline.coverage()?;
    println!("covered: {} (seq {}) to {} (seq {})", of.first.time, of.first.seq, of.until, of.latest.seq);
    if let (Some(first), Some(last)) = (of.kept.first(), of.kept.last()) {
        println!("single states: {} from {} to {}", of.kept.len(), first.time, last.time);
    }
    of.gaps.iter().for_each(|g| println!("gap: {} to {}: {}", g.from.time, g.until.time, g.why));
    for i in &of.uncertain {
        let until = i.until.map_or("now".to_string(), |m| m.time.to_string());
        println!("uncertain: {} from {} to {until}: {}", i.table, i.from.time, i.why);
    }
    of.refused.iter().for_each(|(table, why)| println!("not carried: {table}: {why}"));
    Ok(())
}

fn line(f: &Finding) -> Vec<String> {
    let of = |text: &Option<String>| text.clone().unwrap_or_default();
    let whole = !matches!(f.status, Status::Range | Status::Value | Status::MissingRow | Status::ExtraRow);
    let name = if whole { f.table.to_string() } else { String::new() };
    let rows = f.rows.map(|n| n.to_string()).unwrap_or_default();
    vec![name, f.status.to_string(), rows, of(&f.key), of(&f.column), of(&f.archive), of(&f.server)]
}
