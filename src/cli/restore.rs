//! `restore`: the RESTORE statement for scripts.

use super::place::Place;
use super::show::{Teller, table};
use super::stopped;
use crate::error::{Error, Kind, Result};
use crate::model::{MomentSpec, ServerUrl};
use crate::restore::{self, Options, Plan, Progress, RestoreRequest, What};
use crate::timeline::Timeline;
use clap::Args;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

#[derive(Args)]
#[command(after_help = "Examples:
  pcloud restore --table shop.orders --as-of '2026-11-22 14:05:00' --to mysql://root:secret@db/ --archive /var/lib/pcloud
  pcloud restore --database shop --before-gtid 0-1-4711 --to mysql://root@db/?password_file=/run/secret --replace
  pcloud restore --database shop --to mysql://root:secret@db/ --plan      only tells what it would do
Moments without a zone are UTC.")]
pub struct Restore {
    /// Restore this database (may be repeated)
    #[arg(long = "database", value_name = "DB", conflicts_with = "tables")]
    databases: Vec<String>,
    /// Restore this table (may be repeated)
    #[arg(long = "table", value_name = "DB.TABLE")]
    tables: Vec<String>,
    /// Restore every database
    #[arg(long, conflicts_with_all = ["tables", "databases"])]
    all: bool,
    /// The cluster; needed only if the archive has several
    #[arg(long)]
    cluster: Option<String>,
    /// The moment: '2026-11-22 14:05:00' (UTC, or with its offset), seq:N or latest (the default)
    #[arg(long, value_name = "MOMENT", conflicts_with_all = ["gtid", "before_gtid"])]
    as_of: Option<String>,
    /// Just after the transaction with this GTID
    #[arg(long, conflicts_with = "before_gtid")]
    gtid: Option<String>,
    /// Just before the transaction with this GTID
    #[arg(long)]
    before_gtid: Option<String>,
    /// mysql://user:password@host:port/ of the server to write to (also ?password_file=PATH, ?password_env=NAME,
    /// ?ssl-mode=MODE, ?ssl-ca=PATH)
    #[arg(long)]
    to: String,
    /// Put it in the place of tables that exist
    #[arg(long)]
    replace: bool,
    /// What stands in for collations that the target does not have: nearest, or a collation's name
    #[arg(long)]
    collation: Option<String>,
    /// Print the plan and change nothing
    #[arg(long)]
    plan: bool,
}

impl Restore {
    pub async fn run(self, place: &Place) -> Result<ExitCode> {
        let archive = place.open().await?;
        let cluster = super::cluster_name(&archive, self.cluster.as_deref()).await?;
        let timeline = Arc::new(Timeline::load(archive.cluster(&cluster)?).await?);
        let request = RestoreRequest {
            cluster,
            what: self.what()?,
            moment: self.moment()?,
            target: ServerUrl::parse_with_secret(&self.to)?,
            options: self.options()?,
            rows: None,
        };
        let plan = restore::plan(timeline, &request).await?;
        if self.plan {
            print_plan(&plan);
            return Ok(ExitCode::SUCCESS);
        }
        carry_out(plan, stopped()).await?;
        Ok(ExitCode::SUCCESS)
    }

    fn what(&self) -> Result<What> {
        if self.all {
            return Ok(What::Cluster);
        }
        if !self.databases.is_empty() {
            return Ok(What::Databases(self.databases.clone()));
        }
        match self.tables.is_empty() {
            true => Err(Error::new(Kind::Usage, "nothing to restore is named")
                .hint("Add --table DB.TABLE, --database DB or --all.")),
            false => Ok(What::Tables(self.tables.iter().map(|t| super::table_name(t)).collect::<Result<_>>()?)),
        }
    }

    fn options(&self) -> Result<Options> {
        let collation = self.collation.iter().map(|c| ("collation".to_string(), c.clone()));
        Ok(Options { replace: self.replace, ..Options::parse(&collation.collect::<Vec<_>>())? })
    }

    fn moment(&self) -> Result<MomentSpec> {
        if let Some(gtid) = &self.gtid {
            return Ok(MomentSpec::Gtid(gtid.clone()));
        }
        if let Some(gtid) = &self.before_gtid {
            return Ok(MomentSpec::BeforeGtid(gtid.clone()));
        }
        self.as_of.as_deref().map_or(Ok(MomentSpec::Latest), crate::query::moment)
    }
}

/// Restores the newest state of all into a server that has none of it: the proof that it can be done.
pub async fn rehearse(timeline: Arc<Timeline>, server: &str, stop: CancellationToken) -> Result<()> {
    let request = RestoreRequest {
        cluster: timeline.cluster().name().to_string(),
        what: What::Cluster,
        moment: MomentSpec::Latest,
        target: ServerUrl::parse_with_secret(server)?,
        options: Options::default(),
        rows: None,
    };
    carry_out(restore::plan(timeline, &request).await?, stop).await
}

fn print_plan(plan: &Plan) {
    let headings = ["step", "action", "object", "detail"].map(String::from);
    let lines: Vec<_> = plan
        .steps()
        .into_iter()
        .map(|s| vec![s.number.to_string(), s.action.to_string(), s.object, s.detail])
        .collect();
    table(&headings, &[true, false, false, false], &lines);
    plan.notes().iter().for_each(|note| println!("{note}"));
}

async fn carry_out(plan: Plan, stop: CancellationToken) -> Result<()> {
    let (progress, teller) = (Arc::new(Progress::default()), Teller::new());
    let moment = plan.moment();
    let mut work = tokio::spawn(restore::run(plan, progress.clone(), stop));
    let report = loop {
        tokio::select! {
            done = &mut work => break done.map_err(|e| Error::internal(format!("the restore broke: {e}")))??,
            () = tokio::time::sleep(Duration::from_millis(200)) => {
                let (done, total) = (progress.rows_done.load(Ordering::Relaxed), progress.rows_total.load(Ordering::Relaxed));
                teller.part(done, total, &format!("{}: {done} of {total} rows", progress.phase()));
            }
        }
    };
    teller.clear();
    println!(
        "restored {} tables with {} rows and {} other objects as of seq {} ({}); every table was compared with the archive",
        report.tables, report.rows, report.objects, moment.seq, moment.time
    );
    report.notes.iter().for_each(|note| println!("{note}"));
    Ok(())
}
