//! What does one connection remember between its statements?

use super::answer::{Answer, Prepared, Request, ResultColumn, Warning};
use super::bind::{Binder, Place, lex_mode};
use super::lexer::tokenize;
use super::moments::{DatabaseName, read_moment};
use super::plan::Context;
use super::run::cancelled;
use super::scenery::Views;
use super::service::Service;
use super::statement::{self, Statement};
use super::system::{INFORMATION_SCHEMA, Show, Variables, What, database_charset};
use crate::error::{Error, Kind, Result};
use crate::model::{Moment, MomentSpec, ObjectKey, ObjectKind, TableName, Value, quote_name};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long SHOW BACKUPS waits for what was proven.
const PROOF_WITHIN: Duration = Duration::from_secs(3);

/// One per connection.
pub struct Session {
    pub(super) service: Arc<Service>,
    pub(super) id: u32,
    pub(super) user: String,
    pub(super) state: State,
}

/// What COM_RESET_CONNECTION forgets.
pub(super) struct State {
    /// The default database, as it was named and as it was understood.
    pub database: Option<(String, DatabaseName)>,
    pub variables: Variables,
    /// SET pcloud_as_of.
    pub as_of: Option<MomentSpec>,
    /// SET TRANSACTION … AS OF: of the next transaction.
    pub next_as_of: Option<MomentSpec>,
    pub transaction: Option<Transaction>,
    pub warnings: Vec<Warning>,
}

/// An open transaction.
#[derive(Default)]
pub(super) struct Transaction {
    pub as_of: Option<MomentSpec>,
    /// What the first reading of the latest found, by cluster.
    pub pinned: BTreeMap<String, Moment>,
}

impl State {
    pub(super) fn new(id: u32) -> State {
        State {
            database: None,
            variables: Variables::new(id),
            as_of: None,
            next_as_of: None,
            transaction: None,
            warnings: Vec::new(),
        }
    }
}

impl Session {
    pub fn new(service: Arc<Service>, id: u32, user: String) -> Session {
        Session { service, id, user, state: State::new(id) }
    }

    /// Makes `` `db` ``, `` `db@moment` ``, `` `cluster/db` `` or `` `cluster/db@moment` `` the default database.
    /// Errors: `UnknownDatabase`, `OutOfRange`, `BadValue`; `NoDatabase` when it is not clear of which cluster.
    pub async fn use_database(&mut self, name: &str) -> Result<()> {
        let context = self.context(None, &[]).await?;
        let mut parsed = DatabaseName::parse(name, &context.place.clusters, self.state.variables.time_zone())?;
        if !parsed.database.eq_ignore_ascii_case(INFORMATION_SCHEMA) {
            let default = context.place.database.as_ref().and_then(|d| d.cluster.clone());
            parsed.cluster = parsed.cluster.or(default);
            let place = Place { database: Some(parsed.clone()), ..context.place.clone() };
            let cluster = place.cluster()?.to_string();
            let timeline = self.service.timeline(&cluster).await?;
            let timelines = BTreeMap::from([(cluster.clone(), timeline.clone())]);
            let mut binder = Binder {
                service: self.service.clone(),
                place,
                zone: self.state.variables.time_zone(),
                timelines,
                read: BTreeMap::new(),
                bound: Vec::new(),
            };
            let moment = binder.moment(&cluster, None)?;
            let catalog = timeline.catalog_at(moment.seq)?;
            let Some(create) = catalog.databases.get(&parsed.database) else {
                let text = format!("Unknown database '{}' at {} (seq {})", parsed.database, moment.time, moment.seq);
                return Err(Error::new(Kind::UnknownDatabase, text).hint(
                    "SHOW DATABASES lists those that there are; `name@moment` is the database of another moment.",
                ));
            };
            let (charset, collation) = database_charset(create);
            self.state.variables.tell("character_set_database", charset);
            self.state.variables.tell("collation_database", collation);
        }
        self.state.database = Some((name.to_string(), parsed));
        Ok(())
    }

    /// The default database as it was named, with its moment.
    pub fn database(&self) -> Option<String> {
        self.state.database.as_ref().map(|(name, _)| name.clone())
    }

    /// Checks a statement that may hold `?` and tells what it needs and gives. Nothing is run.
    /// Errors: as `run`, as far as they can be known without the parameters.
    pub async fn prepare(&mut self, sql: &str) -> Result<Prepared> {
        let tokens = tokenize(sql, lex_mode(self.state.variables.sql_mode()))?;
        let parameters = tokens.placeholders;
        let statement = statement::read(sql, tokens)?;
        let Statement::Query(tokens) = statement else { return Ok(Prepared { parameters, columns: Vec::new() }) };
        let known: Option<&[Value]> = if parameters == 0 { Some(&[]) } else { None };
        let context = self.context(known, &[]).await?;
        match context.plan(sql, tokens).await {
            Ok(plan) => Ok(Prepared { parameters, columns: plan.columns }),
            // with the parameters' types it may be right
            Err(e) if parameters > 0 && matches!(e.kind, Kind::Unsupported | Kind::BadValue | Kind::Internal) => {
                Ok(Prepared { parameters, columns: Vec::new() })
            }
            Err(e) => Err(e),
        }
    }

    /// Answers one statement. `parameters` stand for its `?`, in order. Once `cancel` is cancelled the statement
    /// or the stream of its rows ends with `Cancelled`.
    pub async fn run(&mut self, sql: &str, parameters: &[Value], cancel: CancellationToken) -> Result<Answer> {
        let stop = cancel.clone();
        tokio::select! {
            biased;
            () = stop.cancelled() => Err(cancelled()),
            answer = self.answer(sql, parameters, cancel) => answer,
        }
    }

    async fn answer(&mut self, sql: &str, parameters: &[Value], cancel: CancellationToken) -> Result<Answer> {
        let tokens = tokenize(sql, lex_mode(self.state.variables.sql_mode()))?;
        let (count, limit) = (tokens.list.len(), self.service.limits.statement_tokens);
        if count > limit {
            return Err(Error::new(
                Kind::Limit,
                format!("the statement has {count} words, signs and literals: more than {limit}"),
            ));
        }
        let statement = statement::read(sql, tokens)?;
        // SHOW WARNINGS tells of the statement before
        let warnings = std::mem::take(&mut self.state.warnings);
        match statement {
            Statement::Nothing => Ok(Answer::done()),
            Statement::Query(tokens) => {
                let context = self.context(Some(parameters), &[]).await?;
                let plan = context.plan(sql, tokens).await?;
                let limit = self.state.variables.statement_limit_ms().map(Duration::from_millis);
                self.has_read(&plan.read);
                Ok(Answer::Rows(plan.rows(cancel, limit).await?))
            }
            Statement::Explain(tokens) => {
                let context = self.context(Some(parameters), &[]).await?;
                context.plan(sql, tokens).await?.explain().await
            }
            Statement::Show(show) => self.show(show, warnings).await,
            Statement::Set(set) => self.set(set, parameters, cancel).await,
            Statement::Use(name) => self.use_database(&name).await.map(|()| Answer::done()),
            Statement::Begin { characteristics, snapshot } => {
                self.begin(sql, &characteristics, snapshot, parameters).await
            }
            Statement::End { chain } => {
                self.state.transaction = chain.then(Transaction::default);
                Ok(Answer::done())
            }
            Statement::Kill { id, connection } => Ok(Answer::Request(Request::Kill { id, connection })),
            Statement::Verify(verify) => Ok(Answer::Request(Request::Verify(verify))),
            Statement::CancelJob(id) => Ok(Answer::Request(Request::CancelJob(id))),
            Statement::Restore { explain, tokens } => {
                let context = self.context(Some(parameters), &[]).await?;
                let (clusters, zone) = (context.place.clusters.clone(), self.state.variables.time_zone());
                let split = |name: &str| DatabaseName::parse(name, &clusters, zone);
                let mut restore = context.with_constants(sql, |constants| {
                    statement::restore(&tokens, constants, context.database, &split)
                })?;
                restore.cluster = restore.cluster.or(context.place.cluster().ok().map(str::to_string));
                restore.moment = restore.moment.or(context.place.moment.clone());
                Ok(Answer::Request(if explain { Request::ExplainRestore(restore) } else { Request::Restore(restore) }))
            }
        }
    }

    /// What a statement knows of this session.
    pub(super) async fn context<'a>(
        &'a self,
        parameters: Option<&'a [Value]>,
        warnings: &'a [Warning],
    ) -> Result<Context<'a>> {
        let state = &self.state;
        let transaction = state.transaction.as_ref();
        let explicit = match transaction {
            Some(transaction) => transaction.as_of.as_ref(),
            None => state.next_as_of.as_ref(),
        };
        let place = Place {
            clusters: self.service.clusters().await?,
            database: state.database.as_ref().map(|(_, parsed)| parsed.clone()),
            moment: explicit.or(state.as_of.as_ref()).cloned(),
            pinned: transaction.map(|t| t.pinned.clone()).unwrap_or_default(),
        };
        Ok(Context {
            service: &self.service,
            variables: &state.variables,
            place,
            database: state.database.as_ref().map(|(name, _)| name.as_str()),
            now: self.service.clock.now(),
            parameters,
            connection: self.id,
            user: &self.user,
            warnings,
        })
    }

    /// A query is about to read these latest moments.
    fn has_read(&mut self, read: &BTreeMap<String, Moment>) {
        let state = &mut self.state;
        if state.transaction.is_none() && !state.variables.autocommit() {
            state.transaction = Some(Transaction { as_of: state.next_as_of.take(), pinned: BTreeMap::new() });
        }
        // without BEGIN the query was the whole transaction
        state.next_as_of = None;
        if let Some(transaction) = &mut state.transaction {
            for (cluster, moment) in read {
                transaction.pinned.entry(cluster.clone()).or_insert(*moment);
            }
        }
    }

    async fn begin(
        &mut self,
        sql: &str,
        tokens: &[super::lexer::Token],
        snapshot: bool,
        parameters: &[Value],
    ) -> Result<Answer> {
        let context = self.context(Some(parameters), &[]).await?;
        let moment = context.with_constants(sql, |constants| statement::characteristics(tokens, constants))?;
        let as_of = moment.or(self.state.next_as_of.clone());
        let mut pinned = BTreeMap::new();
        if let (Ok(cluster), true) = (context.place.cluster(), as_of.is_some() || snapshot) {
            let timeline = context.service.timeline(cluster).await?;
            match &as_of {
                // so that a moment that is not there is refused here
                Some(spec) => drop(timeline.resolve(spec)?),
                None => drop(pinned.insert(cluster.to_string(), timeline.latest())),
            }
        }
        self.state.next_as_of = None;
        self.state.transaction = Some(Transaction { as_of, pinned });
        Ok(Answer::done())
    }

    async fn show(&mut self, show: Show, warnings: Vec<Warning>) -> Result<Answer> {
        match show.what {
            What::Processlist { full } => return Ok(Answer::Request(Request::ShowProcesslist { full })),
            What::Jobs => return Ok(Answer::Request(Request::ShowJobs)),
            What::Cost => return Ok(Answer::Request(Request::ShowCost)),
            _ => {}
        }
        let context = self.context(Some(&[]), &warnings).await?;
        let mode = lex_mode(self.state.variables.sql_mode());
        let moment = match &show.as_of {
            None => None,
            Some(text) => {
                let tokens = tokenize(text, mode)?.list;
                context.with_constants(text, |constants| read_moment(&tokens, &mut 0, constants))?
            }
        };
        let mut scene = context.scene(moment.as_ref(), show.database.as_deref(), Views::None).await?;
        match &show.what {
            What::Columns { table, .. } => {
                let visible = scene.find(show.database.as_deref())?;
                let key = |name: &str| ObjectKey {
                    kind: ObjectKind::View,
                    database: visible.database.clone(),
                    name: name.to_string(),
                };
                let is_table = visible.catalog.table(&TableName::new(&visible.database, table)).is_some();
                if !is_table && visible.catalog.objects.contains_key(&key(table)) {
                    let columns = context.view_columns(&visible, table).await?;
                    scene.views.insert((visible.name.clone(), table.clone()), columns);
                }
            }
            What::Transactions { between: Some((from, to)), .. } => {
                let at = |text: &str| -> Result<_> {
                    let tokens = tokenize(text, mode)?.list;
                    let time = context
                        .with_constants(text, |constants| super::constant::instant(&tokens, &mut 0, constants))?;
                    time.ok_or_else(|| Error::new(Kind::BadValue, format!("{text} is no moment")))
                };
                scene.between = Some((at(from)?, at(to)?));
            }
            _ => {}
        }
        if show.what == What::Backups {
            for cluster in &scene.clusters {
                // what is covered is known here, whether or not the archive answers now
                let asked = tokio::time::timeout(PROOF_WITHIN, cluster.timeline.cluster().proof()).await;
                let late = |_| Err(Error::new(Kind::Unreachable, "the archive does not answer"));
                scene.proofs.insert(cluster.name.clone(), asked.unwrap_or_else(late));
            }
        }
        let keeps = matches!(show.what, What::Warnings { .. });
        let rows = show.answer(&scene)?.into_rows()?;
        if keeps {
            self.state.warnings = warnings;
        }
        Ok(Answer::Rows(rows))
    }

    /// The columns of a table of the default database (COM_FIELD_LIST).
    pub async fn fields(&mut self, table: &str) -> Result<Vec<ResultColumn>> {
        let context = self.context(Some(&[]), &[]).await?;
        Ok(context.plan_text(&format!("SELECT * FROM {}", quote_name(table))).await?.columns)
    }

    /// Forgets everything but who is connected (COM_RESET_CONNECTION). The default database stays, as in MySQL.
    pub fn reset(&mut self) {
        let database = self.state.database.take();
        self.state = State { database, ..State::new(self.id) };
    }

    pub fn in_transaction(&self) -> bool {
        self.state.transaction.is_some()
    }

    pub fn autocommit(&self) -> bool {
        self.state.variables.autocommit()
    }

    /// The charset in which text travels to the client: `utf8mb4`, `utf8mb3`, `ascii` or `binary`.
    pub fn results_charset(&self) -> &str {
        self.state.variables.results_charset()
    }

    /// Of the statement before.
    pub fn warnings(&self) -> &[Warning] {
        &self.state.warnings
    }
}
