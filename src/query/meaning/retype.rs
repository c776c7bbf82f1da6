//! Types that DataFusion's planner cannot know: the common type of a UNION's columns, and a window function's.

use super::error::{outside, unsupported};
use super::lower::{Binder, named, typ_of};
use super::types::Typ;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, Result as DfResult};
use datafusion::logical_expr::expr::Alias;
use datafusion::logical_expr::{Expr, JoinType, LogicalPlan, Projection, Union, Window};
use std::sync::Arc;

/// The plan with these types in all schemas. Doing it again changes nothing.
pub(super) fn retype(plan: LogicalPlan) -> DfResult<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| node_types(node).map(Transformed::yes)).map(|t| t.data)
}

fn node_types(node: LogicalPlan) -> DfResult<LogicalPlan> {
    match node {
        LogicalPlan::Union(union) => unify(union),
        LogicalPlan::Window(w) => {
            let schema = w.input.schema().clone();
            let exprs =
                w.window_expr.into_iter().map(|e| named(&e, e.clone(), &schema)).collect::<DfResult<Vec<_>>>()?;
            Ok(LogicalPlan::Window(Window::try_new(exprs, w.input)?))
        }
        LogicalPlan::Join(join) if matches!(join.join_type, JoinType::LeftSemi | JoinType::LeftAnti) => {
            // so far these are EXCEPT and INTERSECT only
            for (l, r) in &join.on {
                let (l, r) = (typ_of(l, join.left.schema())?, typ_of(r, join.right.schema())?);
                if l.class() != r.class() || l.scale() != r.scale() || l.fixed() != r.fixed() {
                    return Err(outside(
                        unsupported("EXCEPT and INTERSECT of columns of different types")
                            .hint("CAST the columns to one type."),
                    ));
                }
            }
            LogicalPlan::Join(join).recompute_schema()
        }
        other => other.recompute_schema(),
    }
}

fn unify(union: Union) -> DfResult<LogicalPlan> {
    let width = union.schema.fields().len();
    if union.inputs.iter().any(|i| i.schema().fields().len() != width) {
        return Err(outside(crate::error::Error::new(
            crate::error::Kind::BadValue,
            "The used SELECT statements have a different number of columns",
        )));
    }
    let mut targets = Vec::with_capacity(width);
    for i in 0..width {
        let types: Vec<Typ> = union.inputs.iter().map(|p| Typ::from_field(p.schema().field(i))).collect();
        targets.push(Typ::unify(&types).map_err(outside)?);
    }
    let inputs = union.inputs.iter().map(|p| as_types(p, &targets)).collect::<DfResult<Vec<_>>>()?;
    Ok(LogicalPlan::Union(Union::try_new(inputs)?))
}

/// A query's columns converted to these types.
fn as_types(plan: &Arc<LogicalPlan>, targets: &[Typ]) -> DfResult<Arc<LogicalPlan>> {
    let schema = plan.schema();
    let exact = |i: usize| {
        let field = targets[i].field("");
        schema.field(i).data_type() == field.data_type() && schema.field(i).metadata() == field.metadata()
    };
    if (0..targets.len()).all(exact) {
        return Ok(plan.clone());
    }
    // conversions ask nothing of the session
    let binder = Binder { session: Arc::default() };
    let mut exprs = Vec::with_capacity(targets.len());
    for (i, target) in targets.iter().enumerate() {
        let (relation, field) = schema.qualified_field(i);
        let column = Expr::Column(Column::new(relation.cloned(), field.name()));
        let typ = typ_of(&column, schema)?;
        let value =
            if typ.arrow == target.arrow { column } else { binder.convert(column, &typ, target).map_err(outside)? };
        let metadata = target.field("").metadata().clone();
        exprs
            .push(Expr::Alias(Alias::new(value, relation.cloned(), field.name()).with_metadata(Some(metadata.into()))));
    }
    Ok(Arc::new(LogicalPlan::Projection(Projection::try_new(exprs, plan.clone())?)))
}
