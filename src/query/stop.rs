//! How does running work end when it is told to? A stream can be stopped only where it gives way, and joins can work
//! for minutes without giving way: a cross join makes many batches of few, and one whose condition is never met makes
//! none at all. So joins give way between batches, and their conditions refuse to be looked at once all is over.

use super::run::cancelled;
use arrow::array::RecordBatch;
use arrow::datatypes::{FieldRef, Schema};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{HashJoinExec, NestedLoopJoinExec, NestedLoopJoinExecBuilder};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The plan, with joins that end soon after `stop` is cancelled.
pub(super) fn stoppable(plan: Arc<dyn ExecutionPlan>, stop: &CancellationToken) -> Result<Arc<dyn ExecutionPlan>> {
    let watched = |filter: &JoinFilter| {
        let condition = Watched { condition: filter.expression().clone(), stop: stop.clone() };
        JoinFilter::new(Arc::new(condition), filter.column_indices().to_vec(), filter.schema().clone())
    };
    let changed = plan.transform_up(|node| {
        let is_join = matches!(
            node.name(),
            "CrossJoinExec" | "NestedLoopJoinExec" | "HashJoinExec" | "SortMergeJoinExec" | "PiecewiseMergeJoinExec"
        );
        if !is_join {
            return Ok(Transformed::no(node));
        }
        let node = if let Some(join) = node.downcast_ref::<NestedLoopJoinExec>() {
            let filter = join.filter().map(&watched);
            Arc::new(NestedLoopJoinExecBuilder::from(join).with_filter(filter).build()?)
        } else if let Some(join) = node.downcast_ref::<HashJoinExec>().filter(|j| j.filter().is_some()) {
            let filter = join.filter().map(&watched);
            join.builder().with_filter(filter).build_exec()?
        } else {
            node
        };
        Ok(Transformed::yes(Arc::new(CooperativeExec::new(node)) as _))
    })?;
    Ok(changed.data)
}

/// A join's condition that fails once the statement is over.
#[derive(Debug)]
struct Watched {
    condition: Arc<dyn PhysicalExpr>,
    stop: CancellationToken,
}

impl PartialEq for Watched {
    fn eq(&self, other: &Self) -> bool {
        self.condition.eq(&other.condition)
    }
}

impl Eq for Watched {}

impl Hash for Watched {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.condition.hash(state);
    }
}

impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.condition.fmt(f)
    }
}

impl PhysicalExpr for Watched {
    fn return_field(&self, schema: &Schema) -> Result<FieldRef> {
        self.condition.return_field(schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        if self.stop.is_cancelled() {
            return Err(DataFusionError::External(Box::new(cancelled())));
        }
        self.condition.evaluate(batch)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.condition]
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        let condition = children.pop().unwrap_or_else(|| self.condition.clone());
        Ok(Arc::new(Watched { condition, stop: self.stop.clone() }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.condition.fmt_sql(f)
    }
}
