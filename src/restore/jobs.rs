//! Which long statements run, and how did the others end?

use super::plan::Plan;
use super::progress::Progress;
use super::run::{Report, run};
use crate::clock::Clock;
use crate::error::{Error, Kind, Result};
use crate::model::{Micros, Moment};
use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Ended jobs are remembered up to this many jobs in all.
const KEPT_JOBS: usize = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    Running,
    Succeeded,
    Failed,
    Cancelled,
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            JobState::Running => "running",
            JobState::Succeeded => "succeeded",
            JobState::Failed => "failed",
            JobState::Cancelled => "cancelled",
        })
    }
}

/// A row of SHOW JOBS.
#[derive(Debug, Clone)]
pub struct JobStatus {
    pub id: u64,
    pub state: JobState,
    /// `RESTORE DATABASE shop`
    pub what: String,
    pub cluster: String,
    pub moment: Option<Moment>,
    /// Without its password.
    pub target: String,
    pub phase: String,
    pub tables_done: u64,
    pub tables_total: u64,
    pub rows_done: u64,
    pub rows_total: u64,
    pub started: Micros,
    pub ended: Option<Micros>,
    /// The error of a job that failed; what the report of one that succeeded has to say.
    pub message: String,
}

type Outcome<T> = Option<Result<T>>;

/// What is to be told of a job while it runs.
pub trait Meter: Send + Sync {
    fn phase(&self) -> String;
    /// Of the archive; `None` while it is not known.
    fn moment(&self) -> Option<Moment>;
    /// Tables done, and in all.
    fn tables(&self) -> (u64, u64);
    fn rows(&self) -> (u64, u64);
}

/// What a job is.
pub struct JobInfo {
    /// The statement: `RESTORE DATABASE shop`.
    pub what: String,
    pub cluster: String,
    /// The server, without its password.
    pub target: String,
    pub meter: Arc<dyn Meter>,
    pub cancel: CancellationToken,
}

struct Job {
    id: u64,
    info: JobInfo,
    /// What it has to say at its end.
    outcome: watch::Receiver<Outcome<String>>,
    started: Micros,
    ended: Arc<Mutex<Option<Micros>>>,
}

/// The jobs of this process, running and ended. They go on when nobody waits for them.
pub struct Jobs {
    clock: Arc<dyn Clock>,
    list: Mutex<(u64, VecDeque<Job>)>,
}

/// A job that was started.
#[derive(Debug, Clone)]
pub struct JobHandle<T = Report> {
    id: u64,
    outcome: watch::Receiver<Outcome<T>>,
}

impl<T: Clone> JobHandle<T> {
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Waits until the job has ended. Dropping the wait does not stop the job.
    pub async fn wait(&self) -> Result<T> {
        let mut outcome = self.outcome.clone();
        let ended = outcome.wait_for(Option::is_some).await.map(|o| o.clone());
        ended.ok().flatten().unwrap_or_else(|| Err(Error::internal(format!("job {} ended without a result", self.id))))
    }
}

impl Jobs {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, list: Mutex::new((0, VecDeque::new())) }
    }

    /// Begins to run a plan, on the current Tokio runtime.
    pub fn start(&self, plan: Plan) -> JobHandle {
        let (progress, cancel) = (Arc::new(Progress::default()), CancellationToken::new());
        let info = JobInfo {
            what: format!("RESTORE {}", plan.what()),
            cluster: plan.cluster().to_string(),
            target: plan.target().to_string(),
            meter: Arc::new(Restoring { moment: plan.moment(), progress: progress.clone() }),
            cancel: cancel.clone(),
        };
        self.begin(info, run(plan, progress, cancel), |report| report.notes.join(" "))
    }

    /// Begins a job, on the current Tokio runtime. Ids count from 1. `message`: what one that succeeded has to say.
    pub fn begin<T: Clone + Send + Sync + 'static>(
        &self,
        info: JobInfo,
        work: impl Future<Output = Result<T>> + Send + 'static,
        message: impl Fn(&T) -> String + Send + 'static,
    ) -> JobHandle<T> {
        let ((tell, outcome), (tell_end, ended_as)) = (watch::channel(None), watch::channel(None));
        let ended = Arc::new(Mutex::new(None));
        let what = info.what.clone();
        let job = Job { id: 0, info, outcome: ended_as, started: self.clock.now(), ended: ended.clone() };
        let id = self.remember(job);
        let work = tokio::spawn(work);
        let clock = self.clock.clone();
        tokio::spawn(async move {
            let result = work.await.unwrap_or_else(|e| Err(Error::internal(format!("job {id} broke: {e}"))));
            match &result {
                Ok(_) => tracing::info!(job = id, what, "done"),
                Err(error) => tracing::warn!(job = id, what, %error, "ended"),
            }
            *ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(clock.now());
            tell_end.send_replace(Some(result.as_ref().map(message).map_err(Clone::clone)));
            tell.send_replace(Some(result));
        });
        JobHandle { id, outcome }
    }

    fn lock(&self) -> MutexGuard<'_, (u64, VecDeque<Job>)> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, mut job: Job) -> u64 {
        let mut list = self.lock();
        list.0 += 1;
        let id = list.0;
        job.id = id;
        list.1.push_back(job);
        while list.1.len() > KEPT_JOBS {
            match list.1.iter().position(|j| j.outcome.borrow().is_some()) {
                Some(ended) => drop(list.1.remove(ended)),
                None => break,
            }
        }
        id
    }

    /// The newest last.
    pub fn list(&self) -> Vec<JobStatus> {
        self.lock().1.iter().map(Job::status).collect()
    }

    /// Asks a job to stop; it ends as `Cancelled` with the target as it was. While it moves tables into place it
    /// is past stopping and goes on. Errors: `Usage` when no job of this number runs.
    pub fn cancel(&self, id: u64) -> Result<()> {
        let list = self.lock();
        let job =
            list.1.iter().find(|j| j.id == id).ok_or_else(|| {
                Error::new(Kind::Usage, format!("there is no job {id}")).hint("SHOW JOBS lists them.")
            })?;
        if job.outcome.borrow().is_some() {
            return Err(Error::new(Kind::Usage, format!("job {id} has ended already")).hint("SHOW JOBS says how."));
        }
        job.info.cancel.cancel();
        Ok(())
    }

    /// Cancels all jobs and waits until they have cleaned up.
    pub async fn stop(&self) {
        let running: Vec<_> = {
            let list = self.lock();
            list.1.iter().for_each(|j| j.info.cancel.cancel());
            list.1.iter().map(|j| j.outcome.clone()).collect()
        };
        for mut outcome in running {
            // an error means that the sender is gone, so the job is too
            let _ = outcome.wait_for(Option::is_some).await;
        }
    }
}

impl Job {
    fn status(&self) -> JobStatus {
        let outcome = self.outcome.borrow().clone();
        let (state, message) = match &outcome {
            None => (JobState::Running, String::new()),
            Some(Ok(message)) => (JobState::Succeeded, message.clone()),
            Some(Err(error)) if error.kind == Kind::Cancelled => (JobState::Cancelled, error.to_string()),
            Some(Err(error)) => (JobState::Failed, error.to_string()),
        };
        let meter = &self.info.meter;
        let ((tables_done, tables_total), (rows_done, rows_total)) = (meter.tables(), meter.rows());
        JobStatus {
            id: self.id,
            state,
            what: self.info.what.clone(),
            cluster: self.info.cluster.clone(),
            moment: meter.moment(),
            target: self.info.target.clone(),
            phase: meter.phase(),
            tables_done,
            tables_total,
            rows_done,
            rows_total,
            started: self.started,
            ended: *self.ended.lock().unwrap_or_else(PoisonError::into_inner),
            message,
        }
    }
}

/// A restore as a job.
struct Restoring {
    moment: Moment,
    progress: Arc<Progress>,
}

impl Meter for Restoring {
    fn phase(&self) -> String {
        self.progress.phase().to_string()
    }

    fn moment(&self) -> Option<Moment> {
        Some(self.moment)
    }

    fn tables(&self) -> (u64, u64) {
        (self.progress.tables_done.load(Ordering::Relaxed), self.progress.tables_total.load(Ordering::Relaxed))
    }

    fn rows(&self) -> (u64, u64) {
        (self.progress.rows_done.load(Ordering::Relaxed), self.progress.rows_total.load(Ordering::Relaxed))
    }
}
