//! Which MySQL types do a result's columns have?

use super::error::{error_of, outside};
use super::retype::retype;
use super::types::{Typ, origin};
use crate::error::{Error, Result};
use crate::model::ColumnType;
use crate::query::ResultColumn;
use crate::query::functions::{Unbound, spec};
use datafusion::common::{Column, Result as DfResult};
use datafusion::logical_expr::expr::Alias;
use datafusion::logical_expr::{Expr, LogicalPlan, Projection};
use std::sync::Arc;

/// The plan with each column cast to its MySQL type's Arrow type, and the columns. To be called on the plan as
/// SqlToRel made it, before it is optimized. Errors: ours, or `Internal`.
pub fn finish(plan: LogicalPlan) -> Result<(LogicalPlan, Vec<ResultColumn>)> {
    output(plan).map_err(|e| error_of(&e).unwrap_or_else(|| Error::internal(e.to_string())))
}

fn output(plan: LogicalPlan) -> DfResult<(LogicalPlan, Vec<ResultColumn>)> {
    let plan = retype(plan)?;
    let spec = spec("my_output").ok_or_else(|| outside(Error::internal("no output")))?;
    let udf = Arc::new(Unbound::udf(spec));
    let mut columns = Vec::new();
    let mut exprs = Vec::new();
    for (relation, field) in plan.schema().iter() {
        let typ = Typ::from_field(field);
        let kind = typ.kind.clone().unwrap_or(ColumnType::Varchar { length: 0 });
        let mut column = ResultColumn::new(field.name(), kind);
        if column.collation.is_some() {
            column.collation = Some(typ.collation.name.clone());
        }
        if let Some(o) = origin(field) {
            column.table = relation.map_or_else(|| o.table.clone(), |r| r.table().to_string());
            column.org_table = o.table;
            column.org_name = o.column;
            column.database = o.database;
            column.nullable = !o.not_null;
            column.primary_key = o.primary_key;
            column.auto_increment = o.auto_increment;
            column.default = o.default;
        }
        columns.push(column);
        let value = Expr::Column(Column::new(relation.cloned(), field.name()));
        exprs.push(Expr::Alias(Alias::new(udf.call(vec![value]), relation.cloned(), field.name())));
    }
    let projection = Projection::try_new(exprs, Arc::new(plan))?;
    Ok((LogicalPlan::Projection(projection), columns))
}
