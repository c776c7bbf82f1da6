//! How does a query's text become a plan? Moments out, values in, parsed, rewritten, bound, planned.

use super::answer::{ResultColumn, Warning};
use super::bind::{Binder, Place, Source, lex_mode};
use super::constant::Constants;
use super::dialect::parse_query;
use super::fault::fault;
use super::lexer::{Token, tokenize};
use super::rewrite::{Text, rewrite};
use super::scenery::Views;
use super::service::Service;
use super::system::{self, VERSION, Variables};
use super::table::visible_schema;
use super::{literal, meaning, moments, partial};
use crate::error::{Error, Result};
use crate::model::{Micros, Moment, MomentSpec, Value};
use crate::timeline::Timeline;
use arrow::array::RecordBatch;
use datafusion::common::TableReference;
use datafusion::datasource::MemTable;
use datafusion::execution::context::SessionContext;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionConfig;
use datafusion::sql::parser::Statement as Planned;
use datafusion::sql::sqlparser::ast::{Expr, LimitClause, Statement, Value as Literal};
use futures::future::BoxFuture;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What one statement knows of its session.
pub(super) struct Context<'a> {
    pub service: &'a Arc<Service>,
    pub variables: &'a Variables,
    pub place: Place,
    /// The default database as it was named.
    pub database: Option<&'a str>,
    pub now: Micros,
    /// `None` while the statement is only prepared.
    pub parameters: Option<&'a [Value]>,
    pub connection: u32,
    pub user: &'a str,
    /// Of the statement before.
    pub warnings: &'a [Warning],
}

/// A query, planned.
pub(super) struct QueryPlan {
    pub columns: Vec<ResultColumn>,
    pub plan: LogicalPlan,
    pub context: SessionContext,
    pub service: Arc<Service>,
    /// As long as they are here, nothing that the rows come from is deleted.
    pub held: Vec<Arc<Timeline>>,
    /// The latest moments that it reads, by cluster.
    pub read: BTreeMap<String, Moment>,
}

impl<'a> Context<'a> {
    /// Does `work` with what constant expressions of the text may refer to.
    pub fn with_constants<T>(&self, sql: &str, work: impl FnOnce(&Constants<'_>) -> T) -> T {
        let variable = |name: &str| match self.variables.user(name) {
            // a DECIMAL's value is nothing without its type
            Some((kind, value @ Value::Decimal(_))) => {
                Value::Text(String::from_utf8_lossy(&value.display(kind).unwrap_or_default()).into_owned())
            }
            Some((_, value)) => value.clone(),
            None => Value::Null,
        };
        work(&Constants {
            sql,
            zone: self.variables.time_zone(),
            now: self.now,
            parameters: self.parameters,
            variable: &variable,
        })
    }

    /// Plans the query `sql` that was read as these tokens.
    pub async fn plan(&self, sql: &str, tokens: Vec<Token>) -> Result<QueryPlan> {
        self.plan_among(sql, tokens, true).await
    }

    /// The same for a text of our own.
    pub async fn plan_text(&self, sql: &str) -> Result<QueryPlan> {
        let tokens = tokenize(sql, lex_mode(self.variables.sql_mode()))?.list;
        self.plan_among(sql, tokens, false).await
    }

    /// `views`: information_schema tells the columns of views too.
    fn plan_among<'b>(&'b self, sql: &'b str, tokens: Vec<Token>, views: bool) -> BoxFuture<'b, Result<QueryPlan>> {
        Box::pin(async move {
            let (tokens, moments) = self.with_constants(sql, |constants| moments::cut(tokens, constants))?;
            let mut tokens = literal::substitute(sql, tokens, self.parameters, self.variables)?;
            drop_lock(&mut tokens);
            let mut query = parse_query(sql, &tokens)?;
            let zone = self.variables.time_zone();
            let mut binder = Binder::new(self.service.clone(), self.place.clone(), zone, &tokens).await?;
            let text = Text { sql, tokens: &tokens, moments: &moments };
            let headings = rewrite(&mut query, &text, &mut binder)?;
            if let (None, Some(limit)) = (&query.limit_clause, self.variables.select_limit()) {
                let limit = Some(Expr::value(Literal::Number(limit.to_string(), false)));
                query.limit_clause = Some(LimitClause::LimitOffset { limit, offset: None, limit_by: Vec::new() });
            }
            let context = self.session_context()?;
            for (name, provider) in binder.providers().await? {
                context.register_table(TableReference::bare(name), provider).map_err(fault)?;
            }
            self.register_system(&binder, &context, views).await?;
            let statement = Planned::Statement(Box::new(Statement::Query(query)));
            let plan = context.state().statement_to_plan(statement).await.map_err(fault)?;
            partial::mark(&plan).map_err(fault)?;
            let (plan, mut columns) = meaning::finish(plan)?;
            for (i, column) in columns.iter_mut().enumerate() {
                column.name = headings.heading(i, &column.name, &column.table, &column.org_name);
            }
            let service = self.service.clone();
            let held = binder.timelines.into_values().collect();
            Ok(QueryPlan { columns, plan, context, service, held, read: binder.read })
        })
    }

    fn session_context(&self) -> Result<SessionContext> {
        let config = SessionConfig::new()
            .with_default_catalog_and_schema("pcloud", "statement")
            .with_create_default_catalog_and_schema(true)
            .with_information_schema(false);
        let builder = SessionStateBuilder::new().with_config(config).with_runtime_env(self.service.runtime.clone());
        let info = meaning::SessionInfo {
            time_zone: self.variables.time_zone().to_string(),
            now: self.now,
            connection_id: self.connection,
            user: format!("{}@localhost", self.user),
            database: self.database.map(str::to_string),
            sql_mode: self.variables.sql_mode().to_string(),
            version: VERSION.to_string(),
        };
        Ok(SessionContext::new_with_state(meaning::configure(builder, &info).build()))
    }

    /// Makes the rows of the system tables that were bound, once for each moment that they are asked of.
    async fn register_system(&self, binder: &Binder, context: &SessionContext, views: bool) -> Result<()> {
        let mut scenes: Vec<(Option<MomentSpec>, system::Scene)> = Vec::new();
        for (name, source) in &binder.bound {
            let Source::System { table, moment } = source else { continue };
            let scene = match scenes.iter().find(|(m, _)| m == moment) {
                Some((_, scene)) => scene.clone(),
                None => {
                    let columns = views && table.name.table.eq_ignore_ascii_case("COLUMNS");
                    let views = if columns { Views::All } else { Views::None };
                    let scene = self.scene(moment.as_ref(), None, views).await?;
                    scenes.push((moment.clone(), scene.clone()));
                    scene
                }
            };
            let schema = visible_schema(table);
            let rows = system::rows(table, &scene)?;
            let rows = RecordBatch::try_new(schema.clone(), rows.columns().to_vec())
                .map_err(|e| Error::internal(format!("{}: {e}", table.name)))?;
            let provider = MemTable::try_new(schema, vec![vec![rows]]).map_err(fault)?;
            context.register_table(TableReference::bare(name.clone()), Arc::new(provider)).map_err(fault)?;
        }
        Ok(())
    }
}

/// LOCK IN SHARE MODE at the end means nothing here.
fn drop_lock(tokens: &mut Vec<Token>) {
    if let [.., a, b, c, d] = tokens.as_slice()
        && a.is("LOCK")
        && b.is("IN")
        && c.is("SHARE")
        && d.is("MODE")
    {
        tokens.truncate(tokens.len() - 4);
    }
}
