//! Who answers the commands? A query session, and beside it what it hands back: KILL, SHOW PROCESSLIST, RESTORE, jobs.

use super::column::Charset;
use super::errno::SqlError;
use super::listing;
use super::registry::Registry;
use crate::error::{Error, Kind, Result};
use crate::model::{Moment, MomentSpec, ServerUrl, Value};
use crate::query::{
    Answer, Prepared, Request, RestoreStatement, RestoreWhat, ResultColumn, Rows, Service, Session, VerifyStatement,
};
use crate::restore::{self, Chosen, JobInfo, Jobs, Meter, Options, Plan, RestoreRequest, What};
use crate::upkeep::{self, Prices};
use crate::verify::{self, VerifyRequest, proof};
use async_trait::async_trait;
use futures::FutureExt;
use mysql_common::constants::StatusFlags;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

/// What a command comes to.
pub enum Reply {
    Done { affected: u64, info: String },
    Rows(Rows),
}

/// What an answer carries besides.
#[derive(Debug, Clone, Copy)]
pub struct State {
    pub status: StatusFlags,
    pub warnings: u16,
    pub charset: Charset,
}

/// One connection's statements. Two implementations: the query session, and a script in the protocol's own tests,
/// which need answers that no SQL gives (rows of exactly 16 MiB, streams that fail or panic midway).
#[async_trait]
pub trait Engine: Send {
    /// Begins anew for this user, whose client wants text in this character set (login, COM_CHANGE_USER).
    async fn enter(&mut self, user: &str, charset: Charset) -> Result<(), SqlError>;
    /// The session as after login (COM_RESET_CONNECTION); the default database stays.
    async fn reset(&mut self) -> Result<(), SqlError>;
    async fn use_database(&mut self, name: &str) -> Result<(), SqlError>;
    fn database(&self) -> Option<String>;
    async fn prepare(&mut self, sql: &str) -> Result<Prepared, SqlError>;
    async fn run(&mut self, sql: &str, parameters: &[Value], cancel: CancellationToken) -> Result<Reply, SqlError>;
    async fn fields(&mut self, table: &str) -> Result<Vec<ResultColumn>, SqlError>;
    /// As of now: after a result's last row, if there are rows.
    fn state(&self) -> State;
}

/// A connection's engine. Locked for the length of a command.
pub type Shared = Arc<Mutex<Box<dyn Engine>>>;

/// Since when the archive is asked, and what it asks for that.
#[derive(Debug, Clone)]
pub struct Asked {
    pub since: Instant,
    pub prices: Prices,
}

/// The real one.
pub struct Statements {
    service: Arc<Service>,
    jobs: Arc<Jobs>,
    registry: Arc<Registry>,
    session: Session,
    asked: Asked,
    id: u32,
    /// As the client's handshake asked.
    charset: Charset,
}

impl Statements {
    pub fn new(service: Arc<Service>, jobs: Arc<Jobs>, registry: Arc<Registry>, asked: Asked, id: u32) -> Self {
        let session = Session::new(service.clone(), id, String::new());
        Self { service, jobs, registry, session, asked, id, charset: Charset::default() }
    }

    async fn request(&mut self, request: Request, cancel: CancellationToken) -> Result<Reply, SqlError> {
        match request {
            Request::Kill { id, connection } => {
                self.registry.kill(id, connection)?;
                if cancel.is_cancelled() {
                    return Err(SqlError::interrupted()); // it was this statement
                }
                Ok(done())
            }
            Request::ShowProcesslist { full } => Ok(Reply::Rows(listing::processes(self.registry.list(), full)?)),
            Request::ShowJobs => Ok(Reply::Rows(listing::jobs(&self.jobs.list())?)),
            Request::CancelJob(id) => {
                self.jobs.cancel(id)?;
                Ok(done())
            }
            Request::ExplainRestore(statement) => {
                let plan = stopped_by(&cancel, self.plan(statement)).await?;
                Ok(Reply::Rows(listing::plan(&plan)?))
            }
            Request::Restore(statement) => {
                let plan = stopped_by(&cancel, self.plan(statement)).await?;
                let job = self.jobs.start(plan);
                // A restore outlives its client: only CANCEL JOB stops it.
                let report = tokio::select! {
                    report = job.wait() => report?,
                    () = cancel.cancelled() => return Err(left_running(job.id())),
                };
                Ok(Reply::Rows(listing::report(job.id(), &report)?))
            }
            Request::Verify(statement) => self.verify(statement, cancel).await,
            Request::ShowCost => {
                tokio::select! {
                    reply = self.cost() => reply,
                    () = cancel.cancelled() => Err(SqlError::interrupted()),
                }
            }
        }
    }

    async fn plan(&self, statement: RestoreStatement) -> Result<Plan> {
        let named = match &statement.what {
            RestoreWhat::Cluster(name) => Some(name.clone()),
            _ => statement.cluster,
        };
        let cluster = match named {
            Some(name) => name,
            None => self.only_cluster().await?,
        };
        let what = match statement.what {
            RestoreWhat::Cluster(_) => What::Cluster,
            RestoreWhat::Databases(names) => What::Databases(names),
            RestoreWhat::Tables(names) => What::Tables(names),
        };
        let request = RestoreRequest {
            cluster,
            what,
            moment: statement.moment.unwrap_or(MomentSpec::Latest),
            target: ServerUrl::parse(&statement.target)?,
            options: Options::parse(&statement.options)?,
            rows: None,
        };
        let rows = statement.predicate.map(|text| self.chosen(text, request.cluster.clone()));
        let request = RestoreRequest { rows, ..request };
        let timeline = self.service.timeline(&request.cluster).await?;
        restore::plan(timeline, &request).await
    }

    /// What evaluates `WHERE predicate`: a session of its own, with this one's settings.
    fn chosen(&self, predicate: String, cluster: String) -> Chosen {
        let (session, text) = (Arc::new(self.session.beside()), predicate.clone());
        Chosen::new(predicate, move |table, seq| {
            let (session, text, cluster) = (session.clone(), text.clone(), cluster.clone());
            async move { session.chosen(&cluster, &table, seq, &text, CancellationToken::new()).await }.boxed()
        })
    }

    /// Nothing waits for a look whose client went away: it ends.
    async fn verify(&self, statement: VerifyStatement, cancel: CancellationToken) -> Result<Reply, SqlError> {
        let VerifyStatement { cluster, server, options } = statement;
        let (progress, stop) = (Arc::new(verify::Progress::default()), CancellationToken::new());
        let server = server.map(|url| ServerUrl::parse(&url)).transpose()?;
        let clock = self.service.clock();
        let info = JobInfo {
            what: format!("VERIFY CLUSTER {cluster}"),
            cluster: cluster.clone(),
            target: server.as_ref().map(ToString::to_string).unwrap_or_default(),
            meter: Arc::new(Verifying(progress.clone())),
            cancel: stop.clone(),
        };
        let rows = match server {
            Some(server) => {
                let request = VerifyRequest { cluster, server, options: verify::Options::parse(&options)? };
                let timeline = self.service.timeline(&request.cluster).await?;
                let work = verify::run(timeline, request, clock, progress, stop.clone());
                let job = self.jobs.begin(info, work, |r| r.summary());
                listing::compared(&unless_cancelled(job.wait(), &cancel, &stop).await?)?
            }
            None => {
                let options = proof::Options::parse(&options)?;
                let work =
                    proof::run(self.service.archive().cluster(&cluster)?, options, clock, progress, stop.clone());
                let job = self.jobs.begin(info, work, |outcome| outcome.summary());
                listing::proven(&unless_cancelled(job.wait(), &cancel, &stop).await?)?
            }
        };
        Ok(Reply::Rows(rows))
    }

    async fn cost(&self) -> Result<Reply, SqlError> {
        let archive = self.service.archive();
        let cost =
            upkeep::cost(archive, self.asked.prices.clone(), self.service.clock().as_ref(), self.asked.since.elapsed())
                .await?;
        Ok(Reply::Rows(listing::cost(&cost)?))
    }

    async fn only_cluster(&self) -> Result<String> {
        let mut clusters = self.service.clusters().await?;
        match (clusters.pop(), clusters.is_empty()) {
            (Some(only), true) => Ok(only),
            _ => Err(Error::new(Kind::Usage, "the archive holds more than one cluster, and none is named")
                .hint("Choose a database of the cluster first (USE `cluster/database`); SHOW CLUSTERS lists them.")),
        }
    }
}

/// A comparison as a job.
struct Verifying(Arc<verify::Progress>);

impl Meter for Verifying {
    fn phase(&self) -> String {
        self.0.phase()
    }

    fn moment(&self) -> Option<Moment> {
        self.0.moment()
    }

    fn tables(&self) -> (u64, u64) {
        (self.0.tables_done.load(Ordering::Relaxed), self.0.tables_total.load(Ordering::Relaxed))
    }

    fn rows(&self) -> (u64, u64) {
        (self.0.rows_done.load(Ordering::Relaxed), self.0.rows_total.load(Ordering::Relaxed))
    }
}

fn done() -> Reply {
    Reply::Done { affected: 0, info: String::new() }
}

/// A job's end; it is stopped when its client goes away.
async fn unless_cancelled<T>(
    job: impl Future<Output = Result<T>>,
    cancel: &CancellationToken,
    stop: &CancellationToken,
) -> Result<T, SqlError> {
    tokio::select! {
        done = job => Ok(done?),
        () = cancel.cancelled() => {
            stop.cancel();
            Err(SqlError::interrupted())
        }
    }
}

fn left_running(job: u64) -> SqlError {
    let e = SqlError::interrupted();
    let text = format!("{}; restore job {job} goes on (SHOW JOBS shows it; CANCEL JOB {job} stops it.)", e.text);
    SqlError { text, ..e }
}

async fn stopped_by<T>(cancel: &CancellationToken, work: impl Future<Output = Result<T>>) -> Result<T, SqlError> {
    tokio::select! {
        done = work => Ok(done?),
        () = cancel.cancelled() => Err(SqlError::interrupted()),
    }
}

#[async_trait]
impl Engine for Statements {
    async fn enter(&mut self, user: &str, charset: Charset) -> Result<(), SqlError> {
        self.charset = charset;
        self.session = Session::new(self.service.clone(), self.id, user.into());
        if charset != Charset::default() {
            let names = format!("SET NAMES {}", charset.name());
            self.session.run(&names, &[], CancellationToken::new()).await?;
        }
        Ok(())
    }

    async fn reset(&mut self) -> Result<(), SqlError> {
        self.session.reset();
        Ok(())
    }

    async fn use_database(&mut self, name: &str) -> Result<(), SqlError> {
        Ok(self.session.use_database(name).await?)
    }

    fn database(&self) -> Option<String> {
        self.session.database()
    }

    async fn prepare(&mut self, sql: &str) -> Result<Prepared, SqlError> {
        Ok(self.session.prepare(sql).await?)
    }

    async fn run(&mut self, sql: &str, parameters: &[Value], cancel: CancellationToken) -> Result<Reply, SqlError> {
        match self.session.run(sql, parameters, cancel.clone()).await? {
            Answer::Done { affected, info } => Ok(Reply::Done { affected, info }),
            Answer::Rows(rows) => Ok(Reply::Rows(rows)),
            Answer::Request(request) => self.request(request, cancel).await,
        }
    }

    async fn fields(&mut self, table: &str) -> Result<Vec<ResultColumn>, SqlError> {
        Ok(self.session.fields(table).await?)
    }

    fn state(&self) -> State {
        let mut status = StatusFlags::empty();
        status.set(StatusFlags::SERVER_STATUS_AUTOCOMMIT, self.session.autocommit());
        status.set(StatusFlags::SERVER_STATUS_IN_TRANS, self.session.in_transaction());
        status.set(StatusFlags::SERVER_STATUS_IN_TRANS_READONLY, self.session.in_transaction());
        let warnings = u16::try_from(self.session.warnings().len()).unwrap_or(u16::MAX);
        State { status, warnings, charset: self.charset.renamed(self.session.results_charset()) }
    }
}
