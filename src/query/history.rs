//! How are the versions of a table's rows scanned (FOR SYSTEM_TIME BETWEEN, FROM, ALL)? As the table, with two more
//! columns: `row_start` and `row_end`, local in the session's zone.

use super::fault::fault;
use super::partial;
use super::system::TimeZone;
use super::table::{only_kept, visible_batch, visible_in};
use crate::error::{Error, Kind, Result};
use crate::model::{Column, ColumnId, ColumnType, TableName, TableSchema};
use crate::query::meaning;
use crate::timeline::{Period, Timeline};
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::DataFusionError;
use datafusion::datasource::TableType;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::{StreamExt, TryStreamExt};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The versions of a table's rows in a period.
#[derive(Clone)]
pub(super) struct History {
    timeline: Arc<Timeline>,
    name: TableName,
    period: Period,
    zone: TimeZone,
    schema: SchemaRef,
    /// The table as it is at the end; whether the statement does more with dates than to show them.
    table: Arc<TableSchema>,
    compares_dates: Arc<AtomicBool>,
}

impl History {
    /// Errors: as `Timeline::history`; `Unsupported` for a table that has a column of such a name itself.
    pub async fn new(timeline: Arc<Timeline>, name: TableName, period: Period, zone: TimeZone) -> Result<History> {
        let (table, _, _) = timeline.history(&name, period).await?;
        let schema = visible_in(&timeline, &with_period(&table)?);
        Ok(History { timeline, name, period, zone, schema, table, compares_dates: Arc::default() })
    }

    /// The statement does more with dates than to show them.
    pub fn compare_dates(&self) {
        self.compares_dates.store(true, Ordering::Relaxed);
    }
}

/// The table with its two columns more.
fn with_period(table: &TableSchema) -> Result<TableSchema> {
    let mut wide = table.clone();
    for (name, id) in ["row_start", "row_end"].into_iter().zip(table.next_column..) {
        if table.column(name).is_some() {
            return Err(Error::new(Kind::Unsupported, format!("table {} has a column {name} of its own", table.name))
                .hint("Its history cannot be shown; ask single moments with AS OF."));
        }
        wide.columns
            .push(Column { nullable: false, ..Column::new(ColumnId(id), name, ColumnType::DateTime { fsp: 6 }) });
    }
    Ok(wide)
}

#[async_trait]
impl TableProvider for History {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        let columns = &self.table.columns;
        match projection {
            Some(wanted) => only_kept(&self.table, wanted.iter().filter_map(|i| columns.get(*i))),
            None => only_kept(&self.table, columns.iter()),
        }
        .map_err(meaning::outside)?;
        let stream: Arc<dyn PartitionStream> = Arc::new(self.clone());
        StreamingTable::try_new(self.schema.clone(), vec![stream])?.scan(state, projection, filters, limit).await
    }
}

impl PartitionStream for History {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (history, schema) = (self.clone(), self.schema.clone());
        let all: Vec<usize> = (0..schema.fields().len()).collect();
        let batches = futures::stream::once(async move {
            let (_, _, batches) = history.timeline.history(&history.name, history.period).await?;
            let visible = batches.map(move |batch| {
                let batch = batch?;
                if history.compares_dates.load(Ordering::Relaxed) {
                    let dated: Vec<usize> = (0..history.table.columns.len()).collect();
                    partial::check_batch(&history.table, &dated, &batch).map_err(fault)?;
                }
                visible_batch(&batch, &history.schema, &all, history.zone)
            });
            Ok::<_, Error>(visible)
        });
        Box::pin(RecordBatchStreamAdapter::new(schema, batches.try_flatten().map_err(meaning::outside)))
    }
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "history of {}", self.name)
    }
}
