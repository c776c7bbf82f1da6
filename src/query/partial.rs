//! Dates of no calendar (`2026-00-00`) are shown as they are, and neither compared, sorted nor computed with.
//!
//! A statement that does more with a date than to show it marks the tables that it reads; a marked table's scan is
//! refused when a column of dates that it reads has one of these.

use super::history::History;
use super::meaning;
use super::table::TableAt;
use crate::error::{Error, Kind};
use crate::model::{ColumnType, TableSchema, is_partial};
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Date32Type, TimestampMicrosecondType};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, ExprSchema, Result as DfResult};
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::parquet::file::metadata::ParquetMetaData;
use datafusion::parquet::file::statistics::Statistics;

const DAY: i64 = 86_400_000_000;

/// Marks the tables of a plan that does more with dates than to show them.
pub(super) fn mark(plan: &LogicalPlan) -> DfResult<()> {
    let mut more = false;
    let mut scans = Vec::new();
    plan.apply_with_subqueries(|node| {
        match node {
            LogicalPlan::TableScan(scan) => scans.push(source_as_provider(&scan.source)?),
            LogicalPlan::Projection(p) => {
                for expr in &p.expr {
                    more |= !matches!(expr.clone().unalias_nested().data, Expr::Column(_)) && of_dates(expr, node)?;
                }
            }
            LogicalPlan::Union(union) => {
                let differ = |i: usize| {
                    let kind = union.schema.field(i).data_type();
                    is_date(kind) && union.inputs.iter().any(|p| p.schema().field(i).data_type() != kind)
                };
                more |= (0..union.schema.fields().len()).any(differ);
            }
            other => {
                for expr in other.expressions() {
                    more |= of_dates(&expr, node)?;
                }
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    if more {
        for provider in &scans {
            if let Some(table) = provider.downcast_ref::<TableAt>() {
                table.compare_dates();
            } else if let Some(history) = provider.downcast_ref::<History>() {
                history.compare_dates();
            }
        }
    }
    Ok(())
}

fn is_date(kind: &DataType) -> bool {
    matches!(kind, DataType::Date32 | DataType::Timestamp(..))
}

/// Whether a column of dates stands in the expression, or a subquery that gives one.
fn of_dates(expr: &Expr, node: &LogicalPlan) -> DfResult<bool> {
    let mut found = false;
    expr.apply(|e| {
        let gives = |plan: &LogicalPlan| plan.schema().fields().iter().any(|f| is_date(f.data_type()));
        found |= match e {
            Expr::Column(c) => {
                let known = node.inputs().into_iter().find_map(|i| i.schema().field_from_column(c).ok());
                known.is_none_or(|f| is_date(f.data_type()))
            }
            Expr::OuterReferenceColumn(field, _) => is_date(field.data_type()),
            Expr::ScalarSubquery(s) => gives(&s.subquery),
            Expr::InSubquery(s) => gives(&s.subquery.subquery),
            Expr::SetComparison(s) => gives(&s.subquery.subquery),
            _ => false,
        };
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

/// Columns that can hold such dates: a TIMESTAMP cannot.
fn dated<'a>(table: &'a TableSchema, wanted: &'a [usize]) -> impl Iterator<Item = usize> + 'a {
    let dated = |i: &usize| {
        let kind = table.columns.get(*i).map(|c| &c.kind);
        matches!(kind, Some(ColumnType::Date | ColumnType::DateTime { .. }))
    };
    wanted.iter().copied().filter(dated)
}

/// Errors: `Unsupported` when one of these columns, which stand in that order in the batch, has such a date.
pub(super) fn check_batch(table: &TableSchema, wanted: &[usize], batch: &RecordBatch) -> DfResult<()> {
    for at in dated(table, wanted) {
        let Some(array) = batch.columns().get(at) else { continue };
        let partial = match array.data_type() {
            DataType::Date32 => array.as_primitive::<Date32Type>().iter().flatten().any(is_partial),
            DataType::Timestamp(..) => array
                .as_primitive_opt::<TimestampMicrosecondType>()
                .is_some_and(|a| a.iter().flatten().any(partial_time)),
            _ => false,
        };
        if partial {
            return Err(refused(table, at));
        }
    }
    Ok(())
}

/// The same by what a file's footer says of the columns. `file_schema`: the schema under which it was written.
pub(super) fn check_file(
    table: &TableSchema,
    wanted: &[usize],
    file_schema: &TableSchema,
    footer: &ParquetMetaData,
) -> DfResult<()> {
    for at in dated(table, wanted) {
        let Some(position) = file_schema.columns.iter().position(|c| c.id == table.columns[at].id) else { continue };
        for group in footer.row_groups() {
            let statistics = group.columns().get(position).and_then(|c| c.statistics());
            let partial = match statistics {
                Some(s) if s.null_count_opt() == u64::try_from(group.num_rows()).ok() => false,
                Some(Statistics::Int32(s)) => s.min_opt().is_none_or(|v| is_partial(*v)),
                Some(Statistics::Int64(s)) => s.min_opt().is_none_or(|v| partial_time(*v)),
                _ => true,
            };
            if partial {
                return Err(refused(table, at));
            }
        }
    }
    Ok(())
}

fn partial_time(us: i64) -> bool {
    i32::try_from(us.div_euclid(DAY)).is_ok_and(is_partial)
}

fn refused(table: &TableSchema, column: usize) -> DataFusionError {
    let what = format!("column {} of {}", table.columns[column].name, table.name);
    let error = Error::new(
        Kind::Unsupported,
        format!(
            "{what} has dates that are in no calendar (such as 2026-00-00); they are neither compared nor computed with"
        ),
    );
    meaning::outside(error.hint("SELECT the column as it is, and compare or sort in the client."))
}
