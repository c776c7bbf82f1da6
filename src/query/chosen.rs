//! Which rows of a table does a predicate choose? In the archive's own types, for whoever writes them elsewhere.

use super::bind::lex_mode;
use super::lexer::tokenize;
use super::local_time::to_utc;
use super::session::{Session, State};
use super::statement::{self, Statement};
use super::system::TimeZone;
use crate::error::{Error, Kind, Result};
use crate::model::{ColumnType, Seq, TableSchema, ZERO_DATETIME, quote_name};
use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use arrow::error::ArrowError;
use futures::StreamExt;
use futures::stream::BoxStream;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

impl Session {
    /// Another session with the settings of this one: for work that goes on when this one does something else.
    pub fn beside(&self) -> Session {
        let State { database, variables, .. } = &self.state;
        let state = State { database: database.clone(), variables: variables.clone(), ..State::new(self.id) };
        Session { service: self.service.clone(), id: self.id, user: self.user.clone(), state }
    }

    /// The rows of a table after commit `seq` for which `predicate` is true, in the table's columns and types (TIMESTAMP in
    /// UTC). The predicate means what it means in a SELECT of this session.
    /// Errors: as a SELECT's; `Syntax` when it is not one expression; `BadValue`, also within the rows, for a TIMESTAMP
    /// whose local time happened twice.
    pub async fn chosen(
        &self,
        cluster: &str,
        table: &TableSchema,
        seq: Seq,
        predicate: &str,
        cancel: CancellationToken,
    ) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let mode = lex_mode(self.state.variables.sql_mode());
        one_expression(&tokenize(predicate, mode)?.list)?;
        let columns: Vec<String> = table.columns.iter().map(|c| quote_name(&c.name)).collect();
        let database = quote_name(&format!("{cluster}/{}@seq:{seq}", table.name.database));
        // a comment at the predicate's end must not swallow the parenthesis
        let sql = format!(
            "SELECT {} FROM {database}.{} WHERE ({predicate}\n)",
            columns.join(", "),
            quote_name(&table.name.table)
        );
        let Statement::Query(tokens) = statement::read(&sql, tokenize(&sql, mode)?)? else {
            return Err(Error::internal("a predicate's SELECT is read as something else"));
        };
        let plan = self.context(Some(&[]), &[]).await?.plan(&sql, tokens).await?;
        let rows = plan.rows(cancel, None).await?;
        let (schema, zone) = (table.arrow(), self.state.variables.time_zone());
        let kinds: Vec<ColumnType> = table.columns.iter().map(|c| c.kind.clone()).collect();
        let archived = move |batch: Result<RecordBatch>| {
            let batch = batch?;
            let arrays = batch.columns().iter().zip(&kinds).map(|(a, kind)| archived(a, kind, zone));
            let arrays = arrays.collect::<Result<Vec<_>>>()?;
            RecordBatch::try_new(schema.clone(), arrays).map_err(|e| Error::internal(format!("chosen rows: {e}")))
        };
        Ok(rows.batches.map(archived).boxed())
    }
}

/// Parentheses that close what they did not open would make another statement of it.
fn one_expression(tokens: &[super::lexer::Token]) -> Result<()> {
    let mut depth = 0_i64;
    for token in tokens {
        depth += i64::from(token.is_symbol("(")) - i64::from(token.is_symbol(")"));
        if depth < 0 || token.is_symbol(";") {
            break;
        }
    }
    if depth == 0 && !tokens.iter().any(|t| t.is_symbol(";")) {
        return Ok(());
    }
    Err(Error::new(Kind::Syntax, "what stands after WHERE is not one expression"))
}

/// As the archive holds it: a TIMESTAMP is local in results.
fn archived(array: &ArrayRef, kind: &ColumnType, zone: TimeZone) -> Result<ArrayRef> {
    if !matches!(kind, ColumnType::Timestamp { .. }) {
        return Ok(array.clone());
    }
    let wrong = |e: ArrowError| match e {
        ArrowError::ExternalError(e) => match e.downcast::<Error>() {
            Ok(e) => (*e).hint("SET time_zone = '+00:00' before the RESTORE."),
            Err(e) => Error::internal(format!("chosen rows: {e}")),
        },
        e => Error::internal(format!("chosen rows: {e}")),
    };
    let local = array.as_primitive_opt::<TimestampMicrosecondType>();
    let local = local.ok_or_else(|| Error::internal(format!("a TIMESTAMP came as {}", array.data_type())))?;
    let utc = local.try_unary::<_, TimestampMicrosecondType, _>(|t| {
        if t == ZERO_DATETIME {
            return Ok(t);
        }
        to_utc(zone, t).map(|t| t.0).map_err(|e| ArrowError::ExternalError(Box::new(e)))
    });
    Ok(Arc::new(utc.map_err(wrong)?.with_timezone("UTC")))
}
