//! `compact` and `retain`: how the archive is kept small, by hand and beside `serve`.

use super::place::Place;
use super::settings::{RetainSettings, Settings};
use super::show::{Teller, size, table};
use super::{clock, cluster_name, stopped};
use crate::archive::Archive;
use crate::error::{Error, Kind, Result};
use crate::model::Moment;
use crate::query::Service;
use crate::restore::{JobInfo, Jobs, Meter};
use crate::timeline::Timeline;
use crate::upkeep::{self, Options, Policy, Progress, Report, Retention};
use clap::Args;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// After its start `serve` leaves the archive alone for so long.
const FIRST: Duration = Duration::from_secs(60);
/// After a failure it is tried again this much later.
const AGAIN: Duration = Duration::from_secs(3600);
/// The history's beginning is moved when it moves at least so far: each move makes new bases.
const LEAST_MOVE: Duration = Duration::from_secs(24 * 3600);
/// States that are listed.
const SHOWN: usize = 20;

#[derive(Args)]
#[command(after_help = "Example:
  pcloud compact --archive /var/lib/pcloud
Merges small segments into packs, makes new bases where many changes stand upon an old one, and deletes what was
replaced longer than --grace ago. Every answer stays as it is. serve does the same by itself; see docs/operations.md.")]
pub struct Compact {
    /// The cluster; needed only if the archive has several
    #[arg(long)]
    cluster: Option<String>,
    /// How long objects stay that are no longer needed; 0m: delete them at once
    #[arg(long, value_name = "SPAN")]
    grace: Option<String>,
}

#[derive(Args)]
#[command(after_help = "Example:
  pcloud retain --every 30d --hourly 60d --daily 1y --monthly 10y --archive /var/lib/pcloud           tells what would go
  pcloud retain --every 30d --hourly 60d --daily 1y --monthly 10y --archive /var/lib/pcloud --apply   does it
Spans are whole numbers with m, h, d, w or y, and count from the newest moment that the archive covers.")]
pub struct Retain {
    /// Keep every moment that is younger than this
    #[arg(long, value_name = "SPAN")]
    every: Option<String>,
    /// Keep the state at each whole hour (UTC) that is younger than this
    #[arg(long, value_name = "SPAN", requires = "every")]
    hourly: Option<String>,
    /// Keep the state at each midnight (UTC) that is younger than this
    #[arg(long, value_name = "SPAN", requires = "every")]
    daily: Option<String>,
    /// Keep the state at the beginning of each month (UTC) that is younger than this
    #[arg(long, value_name = "SPAN", requires = "every")]
    monthly: Option<String>,
    /// Do it; without this it is only told
    #[arg(long)]
    apply: bool,
    /// The cluster; needed only if the archive has several
    #[arg(long)]
    cluster: Option<String>,
    /// How long objects stay that are no longer needed; 0m: delete them at once
    #[arg(long, value_name = "SPAN")]
    grace: Option<String>,
}

impl Compact {
    pub async fn run(self, place: &Place, settings: &Settings) -> Result<ExitCode> {
        let archive = place.open().await?;
        let cluster = archive.cluster(&cluster_name(&archive, self.cluster.as_deref()).await?)?;
        let (options, stop) = (options(self.grace.as_deref(), settings)?, stopped());
        let work = |progress: Arc<Progress>| async move {
            upkeep::compact(&cluster, &options, clock().as_ref(), &progress, &stop).await
        };
        let report = shown(work).await?;
        tell(&report);
        Ok(ExitCode::SUCCESS)
    }
}

impl Retain {
    pub async fn run(self, place: &Place, settings: &Settings) -> Result<ExitCode> {
        let policy = self.policy(settings)?;
        let archive = place.open().await?;
        let cluster = archive.cluster(&cluster_name(&archive, self.cluster.as_deref()).await?)?;
        if !self.apply {
            let plan = upkeep::plan(&Timeline::load(cluster).await?, &policy, clock().now())?;
            print_plan(&plan);
            if !plan.is_empty() {
                println!("Nothing was changed: --apply does it.");
            }
            return Ok(ExitCode::SUCCESS);
        }
        let (options, stop) = (options(self.grace.as_deref(), settings)?, stopped());
        let work = |progress: Arc<Progress>| async move {
            upkeep::retain(&cluster, &policy, &options, clock().as_ref(), &progress, &stop).await
        };
        let (plan, report) = shown(work).await?;
        print_plan(&plan);
        tell(&report);
        Ok(ExitCode::SUCCESS)
    }

    fn policy(&self, settings: &Settings) -> Result<Policy> {
        if let Some(every) = &self.every {
            let (hourly, daily, monthly) = (self.hourly.clone(), self.daily.clone(), self.monthly.clone());
            return RetainSettings { every: every.clone(), hourly, daily, monthly }.policy();
        }
        let settings = settings.retain.as_ref().ok_or_else(|| {
            Error::new(Kind::Usage, "it is not said what is to be kept").hint(
                "Add --every SPAN (and --hourly, --daily, --monthly), or a section [retain] to the settings file.",
            )
        })?;
        settings.policy()
    }
}

fn options(grace: Option<&str>, settings: &Settings) -> Result<Options> {
    let grace = match grace {
        Some(text) => upkeep::duration(text)?,
        None => Duration::from_secs(settings.upkeep.grace_hours.saturating_mul(3600)),
    };
    Ok(Options { grace, orphan_grace: grace.max(Options::default().orphan_grace), ..Options::default() })
}

/// Does the work and shows how far it is.
async fn shown<T, F, W>(work: F) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce(Arc<Progress>) -> W,
    W: Future<Output = Result<T>> + Send + 'static,
{
    let (progress, teller) = (Arc::new(Progress::default()), Teller::new());
    let mut work = tokio::spawn(work(progress.clone()));
    let done = loop {
        tokio::select! {
            done = &mut work => break done.map_err(|e| Error::internal(format!("the upkeep broke: {e}"))),
            () = tokio::time::sleep(Duration::from_millis(200)) => {
                let count = |n: &std::sync::atomic::AtomicU64| n.load(Ordering::Relaxed);
                let text = format!("{}: {} rows", progress.phase(), count(&progress.rows));
                teller.part(count(&progress.done), count(&progress.total), &text);
            }
        }
    };
    teller.clear();
    done?
}

fn tell(report: &Report) {
    println!("{}", report.summary());
    report.remarks.iter().for_each(|remark| println!("{remark}"));
}

fn print_plan(plan: &Retention) {
    if plan.start == plan.was {
        println!("every moment is kept from {} (seq {}) on, as before", plan.start.time, plan.start.seq);
    } else {
        let (start, was) = (plan.start, plan.was);
        println!("every moment is kept from {} (seq {}) on; until now from {}", start.time, start.seq, was.time);
        println!("{} objects of the log ({}) go, or are written anew", plan.objects, size(plan.bytes));
        println!("{} bases ({}) go where no kept moment needs them", plan.bases, size(plan.base_bytes));
    }
    let line = |what: &str, m: &Moment| vec![what.to_string(), m.time.to_string(), m.seq.to_string()];
    let mut lines: Vec<Vec<String>> = Vec::new();
    for state in &plan.states {
        lines.push(line(if state.exists { "stays" } else { "is made" }, &state.moment));
    }
    lines.extend(plan.dropped.iter().map(|m| line("goes", m)));
    if lines.is_empty() {
        println!("no single states are kept of the time before");
        return;
    }
    println!("{} single states are kept of the time before:", plan.states.len());
    let more = lines.len().saturating_sub(SHOWN);
    lines.truncate(SHOWN);
    table(&["state", "of", "seq"].map(String::from), &[false, false, true], &lines);
    if more > 0 {
        println!("… and {more} more");
    }
}

/// Keeps what is served small until stopped; one cluster after the other.
pub async fn keep_small(
    archive: Archive,
    service: Arc<Service>,
    jobs: Arc<Jobs>,
    settings: Settings,
    stop: CancellationToken,
) {
    let every = Duration::from_secs(settings.upkeep.every_minutes.max(1) * 60);
    let mut pause = FIRST;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        pause = every;
        let clusters = match service.clusters().await {
            Ok(clusters) => clusters,
            Err(error) => {
                tracing::warn!(%error, "the archive is not kept small now");
                continue;
            }
        };
        for name in clusters {
            match look_after(&archive, &service, &jobs, &settings, &name).await {
                Ok(remarks) if remarks.is_empty() => continue,
                Ok(remarks) => tracing::warn!(cluster = name, "{}", remarks.join("; ")),
                Err(error) => tracing::warn!(%error, cluster = name, "the archive is not kept small now"),
            }
            pause = AGAIN;
        }
    }
}

/// Returns what could not be done.
async fn look_after(
    archive: &Archive,
    service: &Service,
    jobs: &Jobs,
    settings: &Settings,
    name: &str,
) -> Result<Vec<String>> {
    let (cluster, options, now) = (archive.cluster(name)?, options(None, settings)?, clock().now());
    let mut remarks = Vec::new();
    let due = upkeep::due(service.timeline(name).await?.as_ref(), &options, now);
    if due {
        let (progress, cancel) = (Arc::default(), CancellationToken::new());
        let info = info("COMPACT CLUSTER", name, &progress, &cancel);
        let (cluster, options) = (cluster.clone(), options.clone());
        let work = async move { upkeep::compact(&cluster, &options, clock().as_ref(), &progress, &cancel).await };
        remarks.extend(jobs.begin(info, work, Report::summary).wait().await?.remarks);
    }
    let Some(retain) = &settings.retain else { return Ok(remarks) };
    let policy = retain.policy()?;
    let plan = upkeep::plan(service.timeline(name).await?.as_ref(), &policy, now)?;
    let least = i64::try_from(LEAST_MOVE.as_micros()).unwrap_or(i64::MAX);
    if plan.start.time.0 - plan.was.time.0 >= least || (!plan.dropped.is_empty() && plan.start == plan.was) {
        let (progress, cancel) = (Arc::default(), CancellationToken::new());
        let info = info("RETAIN CLUSTER", name, &progress, &cancel);
        let work = async move {
            let done = upkeep::retain(&cluster, &policy, &options, clock().as_ref(), &progress, &cancel).await;
            done.map(|(_, report)| report)
        };
        remarks.extend(jobs.begin(info, work, Report::summary).wait().await?.remarks);
    }
    Ok(remarks)
}

fn info(what: &str, cluster: &str, progress: &Arc<Progress>, cancel: &CancellationToken) -> JobInfo {
    JobInfo {
        what: format!("{what} {cluster}"),
        cluster: cluster.to_string(),
        target: String::new(),
        meter: Arc::new(Running(progress.clone())),
        cancel: cancel.clone(),
    }
}

struct Running(Arc<Progress>);

impl Meter for Running {
    fn phase(&self) -> String {
        self.0.phase()
    }

    fn moment(&self) -> Option<Moment> {
        None
    }

    fn tables(&self) -> (u64, u64) {
        (self.0.done.load(Ordering::Relaxed), self.0.total.load(Ordering::Relaxed))
    }

    fn rows(&self) -> (u64, u64) {
        (self.0.rows.load(Ordering::Relaxed), 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::{Manifest, SegmentWriter};
    use crate::model::{Bookmark, Catalog, Micros, Seq};
    use crate::query::Limits;
    use crate::restore::JobState;

    #[tokio::test]
    async fn what_is_served_is_kept_small_by_a_job() {
        let dir = tempfile::tempdir().expect("a directory");
        let archive = Archive::create(&dir.path().to_string_lossy(), clock().as_ref()).await.expect("an archive");
        let cluster = archive.cluster("c").expect("a name");
        let manifest = Manifest {
            number: 1,
            catalog: Catalog::default(),
            start: Moment { seq: Seq::ZERO, time: Micros(0) },
            bookmark: Bookmark::default(),
            source: "made by a test".into(),
            bases: Vec::new(),
            created: Micros(0),
        };
        cluster.put_manifest(&manifest).await.expect("a manifest");
        for n in 1..=9 {
            let heartbeat = SegmentWriter::new(n).finish(Bookmark::default(), Micros(0), false, false);
            cluster.put_segment(heartbeat.expect("finished")).await.expect("put");
        }
        let (jobs, settings) = (Jobs::new(clock()), Settings::default());
        for _ in 0..2 {
            // one that knows nothing from before
            let service = Service::open(archive.clone(), clock(), Limits::default()).await.expect("a service");
            let remarks = look_after(&archive, &service, &jobs, &settings, "c").await.expect("looked after");
            assert!(remarks.is_empty(), "{remarks:?}");
        }
        let list = jobs.list();
        assert_eq!(list.len(), 1, "the second time there is nothing to do");
        assert_eq!((list[0].what.as_str(), list[0].state), ("COMPACT CLUSTER c", JobState::Succeeded));
        assert!(list[0].message.contains("9 parts of the log became 1 pack"), "{}", list[0].message);
    }
}
