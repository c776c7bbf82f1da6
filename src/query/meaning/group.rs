//! Grouping and DISTINCT under collations: by keys, showing one of the spellings.
//!
//! Of texts that are equal under their collation the group shows the one that sorts first by bytes. (MariaDB shows
//! whichever it met first.)

use super::error::outside;
use super::lower::Binder;
use super::types::{Class, Typ};
use datafusion::common::{Column, Result as DfResult};
use datafusion::functions_aggregate::min_max::min_udaf;
use datafusion::logical_expr::expr::Alias;
use datafusion::logical_expr::{Aggregate, Distinct, Expr, LogicalPlan, Projection};
use std::sync::Arc;

/// Whether equal values may look different.
fn needs_key(t: &Typ) -> bool {
    match t.class() {
        Class::Text => t.members().is_none(),
        Class::Double => true,
        Class::Decimal => t.held() != t.scale(),
        _ => false,
    }
}

/// GROUP BY these expressions (bound, named, of these types).
pub(super) fn aggregate(
    input: Arc<LogicalPlan>,
    group: Vec<Expr>,
    typs: Vec<Typ>,
    mut aggregates: Vec<Expr>,
    binder: &Binder,
) -> DfResult<LogicalPlan> {
    if !typs.iter().any(needs_key) {
        return Ok(LogicalPlan::Aggregate(Aggregate::try_new(input, group, aggregates)?));
    }
    let plain = Aggregate::try_new(input.clone(), group.clone(), aggregates.clone())?;
    let mut keys = Vec::with_capacity(group.len());
    let mut outputs = Vec::new();
    for (i, (e, typ)) in group.into_iter().zip(&typs).enumerate() {
        let (relation, field) = plain.schema.qualified_field(i);
        if !needs_key(typ) {
            outputs.push(Expr::Column(Column::new(relation.cloned(), field.name())));
            keys.push(e);
            continue;
        }
        let inner = match e {
            Expr::Alias(a) => *a.expr,
            other => other,
        };
        let name = format!("__key{i}");
        keys.push(binder.key(inner.clone(), typ).map_err(outside)?.alias(&name));
        let shown = if typ.class() == Class::Text {
            let shown = format!("__shown{i}");
            aggregates.push(min_udaf().call(vec![inner]).alias(&shown));
            Expr::Column(Column::new_unqualified(shown))
        } else {
            let key = crate::query::functions::key_type(typ).map_err(outside)?;
            binder.convert(Expr::Column(Column::new_unqualified(name)), &key, typ).map_err(outside)?
        };
        let alias = Alias::new(shown, relation.cloned(), field.name()).with_metadata(Some(field.metadata().into()));
        outputs.push(Expr::Alias(alias));
    }
    for i in typs.len()..plain.schema.fields().len() {
        outputs.push(Expr::Column(Column::from(plain.schema.qualified_field(i))));
    }
    let node = LogicalPlan::Aggregate(Aggregate::try_new(input, keys, aggregates)?);
    Ok(LogicalPlan::Projection(Projection::try_new(outputs, Arc::new(node))?))
}

/// SELECT DISTINCT, UNION.
pub(super) fn distinct(input: Arc<LogicalPlan>, binder: &Binder) -> DfResult<LogicalPlan> {
    let typs: Vec<Typ> = input.schema().fields().iter().map(|f| Typ::from_field(f)).collect();
    if !typs.iter().any(needs_key) {
        return Ok(LogicalPlan::Distinct(Distinct::All(input)));
    }
    let columns = input.schema().columns().into_iter().map(Expr::Column).collect();
    aggregate(input, columns, typs, Vec::new(), binder)
}
