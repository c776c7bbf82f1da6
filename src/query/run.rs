//! How is a plan run? As a stream of batches that ends early when it is told to.

use super::answer::{Answer, ResultColumn, Rows};
use super::fault::fault;
use super::headings::without_ours;
use super::plan::QueryPlan;
use super::stop::stoppable;
use crate::error::{Error, Kind, Result};
use crate::model::{ColumnType, Value, value_at};
use arrow::array::{RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::physical_plan::{displayable, execute_stream};
use futures::StreamExt;
use futures::future::{Either, select};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

pub(super) fn cancelled() -> Error {
    Error::new(Kind::Cancelled, "Query execution was interrupted")
}

impl QueryPlan {
    /// The rows, as they come. `limit`: how long it may take until the last.
    pub async fn rows(self, cancel: CancellationToken, limit: Option<Duration>) -> Result<Rows> {
        let end = cancel.child_token();
        let (state, plan, task) = (self.context.state(), self.plan, self.context.task_ctx());
        // what executing spawns is to be spawned there too
        let stop = end.clone();
        let opened = async move { execute_stream(stoppable(state.create_physical_plan(&plan).await?, &stop)?, task) };
        let stream = self.service.workers.run(opened).await?.map_err(fault)?;
        let stream = self.service.workers.stream(stream)?;
        // whoever drops the rows ends the work
        let dropped = (end.clone().drop_guard(), self.held);
        let (timer, over) = (end, Arc::new(std::sync::atomic::AtomicBool::new(false)));
        let timed_out = over.clone();
        let stop = async move {
            let cancelled = pin!(timer.cancelled());
            match limit {
                None => cancelled.await,
                Some(limit) => {
                    if let Either::Right(_) = select(cancelled, pin!(tokio::time::sleep(limit))).await {
                        timed_out.store(true, std::sync::atomic::Ordering::SeqCst);
                    }
                }
            }
        };
        let last = futures::stream::once(async move {
            if over.load(std::sync::atomic::Ordering::SeqCst) {
                return Some(Err(Error::new(
                    Kind::Cancelled,
                    "Query execution was interrupted (max_statement_time exceeded)",
                )));
            }
            cancel.is_cancelled().then(|| Err(cancelled()))
        });
        let batches =
            stream.map(move |b| (b, &dropped).0).take_until(stop).chain(last.filter_map(futures::future::ready));
        Ok(Rows { columns: self.columns, batches: batches.boxed() })
    }

    /// The value in the first row, if the query gives one row of one column at most.
    /// Errors: `BadValue` when it gives more.
    pub async fn value(self, cancel: CancellationToken) -> Result<(ColumnType, Value)> {
        let mut rows = self.rows(cancel, None).await?;
        let [column] = rows.columns.as_slice() else {
            return Err(Error::new(Kind::BadValue, "Operand should contain 1 column(s)"));
        };
        let kind = column.kind.clone();
        let mut value = None;
        while let Some(batch) = rows.batches.next().await {
            let batch = batch?;
            for row in 0..batch.num_rows() {
                if value.is_some() {
                    return Err(Error::new(Kind::BadValue, "Subquery returns more than 1 row"));
                }
                value = Some(value_at(batch.column(0), row, &kind)?);
            }
        }
        Ok((kind, value.unwrap_or(Value::Null)))
    }

    /// How it would be run, line by line.
    pub async fn explain(self) -> Result<Answer> {
        let plan = self.context.state().create_physical_plan(&self.plan).await.map_err(fault)?;
        let text = without_ours(&displayable(plan.as_ref()).indent(false).to_string());
        let lines = StringArray::from(text.lines().collect::<Vec<_>>());
        let schema = Arc::new(Schema::new(vec![Field::new("EXPLAIN", DataType::Utf8, false)]));
        let batch = RecordBatch::try_new(schema, vec![Arc::new(lines)])
            .map_err(|e| Error::internal(format!("EXPLAIN: {e}")))?;
        let mut column = ResultColumn::new("EXPLAIN", ColumnType::Text { size: crate::model::TextSize::Normal });
        column.nullable = false;
        Ok(Answer::Rows(Rows::of(vec![column], batch)))
    }
}
