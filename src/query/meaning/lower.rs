//! What is each call, now that the types of its arguments are final? The analyzer rule that runs first.
//!
//! Bottom up, so that a node sees its inputs' final types. Each call becomes an operator of DataFusion where that
//! means the same once the arguments are converted, else a bound function. Where texts are grouped, made distinct,
//! sorted or joined, their keys take their place (`group.rs`).

use super::aggregate;
use super::collation::Rule;
use super::compare::{Cmp, Typed, align, cmp, compare, one_of};
use super::error::{outside, unsupported};
use super::frame::frame;
use super::group;
use super::retype::retype;
use super::session::SessionInfo;
use super::types::{Class, Typ};
use crate::error::{Error, Result};
use crate::model::{ZERO_DATE, ZERO_DATETIME};
use crate::query::functions::{Unbound, bind, spec};
use arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result as DfResult, ScalarValue};
use datafusion::logical_expr::expr::{
    AggregateFunction, Alias, Case, InSubquery, ScalarFunction, Sort, WindowFunction, WindowFunctionDefinition,
};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    Aggregate, Distinct, Expr, ExprSchemable, Filter, Join, LogicalPlan, LogicalPlanBuilder, Operator, Projection,
    Sort as SortNode, Subquery, Window, binary_expr, cast, lit,
};
use datafusion::optimizer::AnalyzerRule;
use std::sync::Arc;

/// The rule.
#[derive(Debug)]
pub(super) struct Meaning {
    binder: Binder,
}

impl Meaning {
    pub fn new(session: Arc<SessionInfo>) -> Self {
        Self { binder: Binder { session } }
    }
}

impl AnalyzerRule for Meaning {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> DfResult<LogicalPlan> {
        let plan = retype(plan)?;
        plan.transform_up_with_subqueries(|node| self.binder.node(node).map(Transformed::yes)).map(|t| t.data)
    }

    fn name(&self) -> &str {
        "mysql_meaning"
    }
}

/// The type of an expression over this schema.
pub(super) fn typ_of(e: &Expr, schema: &DFSchema) -> DfResult<Typ> {
    if let Expr::WindowFunction(w) = e
        && let WindowFunctionDefinition::WindowUDF(f) = &w.fun
        && matches!(f.name(), "lag" | "lead" | "first_value" | "last_value" | "nth_value")
        && let Some(arg) = w.params.args.first()
    {
        return typ_of(arg, schema);
    }
    Ok(Typ::from_field(e.to_field(schema)?.1.as_ref()))
}

/// `lowered` under the name, and with the type, of the expression that it stands for.
pub(super) fn named(original: &Expr, lowered: Expr, schema: &DFSchema) -> DfResult<Expr> {
    if *original == lowered && matches!(lowered, Expr::Column(_)) {
        return Ok(lowered);
    }
    let (relation, name) = match original {
        Expr::Alias(a) => (a.relation.clone(), a.name.clone()),
        other => other.qualified_name(),
    };
    let inner = match lowered {
        Expr::Alias(a) => *a.expr,
        other => other,
    };
    let field = original.to_field(schema)?.1;
    let typ = match original {
        Expr::WindowFunction(_) => typ_of(original, schema)?.field("").metadata().clone(),
        _ => field.metadata().clone(),
    };
    Ok(Expr::Alias(Alias::new(inner, relation, name).with_metadata(Some(typ.into()))))
}

/// Binds calls to the types of their arguments.
#[derive(Debug)]
pub(super) struct Binder {
    pub session: Arc<SessionInfo>,
}

impl Binder {
    fn node(&self, node: LogicalPlan) -> DfResult<LogicalPlan> {
        match node {
            LogicalPlan::Projection(p) => {
                let schema = p.input.schema().clone();
                for e in &p.expr {
                    if e.exists(|e| Ok(matches!(e, Expr::InSubquery(_) | Expr::Exists(_))))? {
                        return Err(outside(
                            unsupported("IN (SELECT …) and EXISTS outside of a condition")
                                .hint("Use them in WHERE, or count the rows in a subquery."),
                        ));
                    }
                }
                let exprs = self.all_named(p.expr, &schema)?;
                Ok(LogicalPlan::Projection(Projection::try_new(exprs, p.input)?))
            }
            LogicalPlan::Filter(f) => {
                let schema = f.input.schema().clone();
                let predicate = self.zero_dates(self.expr(f.predicate, &schema)?, &schema)?;
                Ok(LogicalPlan::Filter(Filter::try_new(predicate, f.input)?))
            }
            LogicalPlan::Sort(s) => {
                let schema = s.input.schema().clone();
                let expr = self.sorts(s.expr, &schema)?;
                Ok(LogicalPlan::Sort(SortNode { expr, ..s }))
            }
            LogicalPlan::Join(j) => self.join(j),
            LogicalPlan::Aggregate(a) => self.aggregate(a),
            LogicalPlan::Distinct(Distinct::All(input)) => group::distinct(input, self),
            LogicalPlan::Distinct(_) => Err(outside(unsupported("DISTINCT ON"))),
            LogicalPlan::Window(w) => {
                let schema = w.input.schema().clone();
                let exprs = self.all_named(w.window_expr, &schema)?;
                Ok(LogicalPlan::Window(Window::try_new(exprs, w.input)?))
            }
            other => {
                let inputs = other.inputs();
                let schema = merge_schema(&inputs);
                let rewritten = other.map_expressions(|e| self.expr(e, &schema).map(Transformed::yes))?.data;
                rewritten.recompute_schema()
            }
        }
    }

    pub fn all_named(&self, exprs: Vec<Expr>, schema: &DFSchema) -> DfResult<Vec<Expr>> {
        exprs
            .into_iter()
            .map(|e| {
                let lowered = self.expr(e.clone(), schema)?;
                named(&e, lowered, schema)
            })
            .collect()
    }

    fn sorts(&self, sorts: Vec<Sort>, schema: &DFSchema) -> DfResult<Vec<Sort>> {
        sorts
            .into_iter()
            .map(|s| {
                let typ = typ_of(&s.expr, schema)?;
                let expr = self.expr(s.expr, schema)?;
                let expr = if typ.class() == Class::Decimal { expr } else { self.key(expr, &typ).map_err(outside)? };
                Ok(Sort { expr, ..s })
            })
            .collect()
    }

    fn join(&self, j: Join) -> DfResult<LogicalPlan> {
        let mut on = Vec::with_capacity(j.on.len());
        for (l, r) in j.on {
            let l = (self.expr(l.clone(), j.left.schema())?, typ_of(&l, j.left.schema())?);
            let r = (self.expr(r.clone(), j.right.schema())?, typ_of(&r, j.right.schema())?);
            let pair = align(l, r, self).map_err(outside)?;
            on.push(pair.ok_or_else(|| outside(unsupported("a join on NULL")))?);
        }
        let schema = j.left.schema().join(j.right.schema())?;
        let filter = j.filter.map(|f| self.expr(f, &schema)).transpose()?;
        Ok(LogicalPlan::Join(Join::try_new(
            j.left,
            j.right,
            on,
            filter,
            j.join_type,
            j.join_constraint,
            j.null_equality,
            j.null_aware,
        )?))
    }

    fn aggregate(&self, a: Aggregate) -> DfResult<LogicalPlan> {
        let schema = a.input.schema().clone();
        let groups = a.group_expr.iter().map(|g| typ_of(g, &schema)).collect::<DfResult<Vec<_>>>()?;
        if a.group_expr.iter().any(|g| matches!(g, Expr::GroupingSet(_))) {
            return Err(outside(unsupported("WITH ROLLUP")));
        }
        let group_expr = self.all_named(a.group_expr, &schema)?;
        let aggr_expr = self.all_named(a.aggr_expr, &schema)?;
        group::aggregate(a.input, group_expr, groups, aggr_expr, self)
    }

    /// MariaDB finds the zero date in a NOT NULL column by IS NULL in a condition.
    fn zero_dates(&self, predicate: Expr, schema: &DFSchema) -> DfResult<Expr> {
        predicate
            .transform_up(|e| {
                if let Expr::IsNull(inner) = &e
                    && let Expr::Column(_) = inner.as_ref()
                {
                    let typ = typ_of(inner, schema)?;
                    let zero = match typ.arrow {
                        DataType::Date32 => ScalarValue::Date32(Some(ZERO_DATE)),
                        DataType::Timestamp(..) => ScalarValue::TimestampMicrosecond(Some(ZERO_DATETIME), None),
                        _ => return Ok(Transformed::no(e)),
                    };
                    if typ.not_null {
                        return Ok(Transformed::yes(inner.as_ref().clone().eq(lit(zero))));
                    }
                }
                Ok(Transformed::no(e))
            })
            .map(|t| t.data)
    }

    /// An expression with every call bound.
    pub fn expr(&self, e: Expr, schema: &DFSchema) -> DfResult<Expr> {
        let mut rewriter = Rewriter { binder: self, schema };
        rewriter.lower(e)
    }

    /// A value as one of another type. Where nothing is to be done, nothing is.
    pub fn convert(&self, e: Expr, from: &Typ, to: &Typ) -> Result<Expr> {
        if from.arrow == to.arrow {
            return Ok(e);
        }
        self.convert_always(e, from, to)
    }

    pub fn convert_always(&self, e: Expr, from: &Typ, to: &Typ) -> Result<Expr> {
        if from.class() == Class::Null {
            let null = ScalarValue::try_from(&to.arrow).map_err(|e| Error::internal(format!("a NULL: {e}")))?;
            return Ok(lit(null));
        }
        let whole = |t: &DataType| t.is_integer() || *t == DataType::Boolean;
        if whole(&from.arrow) && matches!(to.arrow, DataType::Int64) && from.arrow != DataType::UInt64 {
            return Ok(cast(e, DataType::Int64));
        }
        let spec = spec("my_as").ok_or_else(|| Error::internal("no conversions"))?;
        Ok(bind(spec, vec![e], vec![from.clone()], to.clone(), &self.session))
    }

    /// What a value is grouped and sorted by.
    pub fn key(&self, e: Expr, typ: &Typ) -> Result<Expr> {
        let out = crate::query::functions::key_type(typ)?;
        let same = out.arrow == typ.arrow && typ.class() != Class::Double;
        if same || typ.class() == Class::Null {
            return Ok(e);
        }
        let spec = spec("my_key").ok_or_else(|| Error::internal("no keys"))?;
        Ok(bind(spec, vec![e], vec![typ.clone()], out, &self.session))
    }

    /// A text's key under a collation that is perhaps not its own.
    pub fn key_by(&self, e: Expr, rule: Rule) -> Result<Expr> {
        let mut text = Typ::text();
        text.collation.name = rule.name().into();
        self.key(e, &text)
    }
}

struct Rewriter<'a> {
    binder: &'a Binder,
    schema: &'a DFSchema,
}

impl Rewriter<'_> {
    fn lower(&mut self, e: Expr) -> DfResult<Expr> {
        match e {
            Expr::ScalarFunction(f) if f.func.inner().as_ref().is::<Unbound>() => self.call(f),
            Expr::AggregateFunction(f) => self.aggregate(f),
            Expr::WindowFunction(w) => self.window(*w),
            Expr::InSubquery(i) => self.in_subquery(i),
            other => other.map_children(|c| self.lower(c).map(Transformed::yes)).map(|t| t.data),
        }
    }

    fn typed(&mut self, e: Expr) -> DfResult<Typed> {
        let typ = typ_of(&e, self.schema)?;
        Ok((self.lower(e)?, typ))
    }

    fn call(&mut self, f: ScalarFunction) -> DfResult<Expr> {
        let whole = Expr::ScalarFunction(f.clone());
        let out = typ_of(&whole, self.schema)?;
        let args = f.args.into_iter().map(|a| self.typed(a)).collect::<DfResult<Vec<_>>>()?;
        self.special(f.func.name(), args, out).map_err(outside)
    }

    fn special(&self, name: &str, mut args: Vec<Typed>, out: Typ) -> Result<Expr> {
        let binder = self.binder;
        let op = match name {
            "my_eq" => Some(Operator::Eq),
            "my_ne" => Some(Operator::NotEq),
            "my_lt" => Some(Operator::Lt),
            "my_le" => Some(Operator::LtEq),
            "my_gt" => Some(Operator::Gt),
            "my_ge" => Some(Operator::GtEq),
            "my_nulleq" => Some(Operator::IsNotDistinctFrom),
            _ => None,
        };
        if let (Some(op), [a, b]) = (op, args.as_slice()) {
            return compare(op, a.clone(), b.clone(), binder);
        }
        match (name, args.as_mut_slice()) {
            ("my_true", [(e, t)]) => Ok(truth(e.clone(), t, binder)),
            ("my_between", [a, low, high]) => {
                let (x, y) = (cmp(a, low)?, cmp(a, high)?);
                let kin = |c: Cmp| match c {
                    Cmp::Int | Cmp::Decimal => 1,
                    Cmp::Date | Cmp::DateTime => 2,
                    Cmp::Text(_) | Cmp::Bytes => 3,
                    Cmp::Double => 4,
                    Cmp::Time => 5,
                    Cmp::Address(_) => 6,
                    Cmp::Null => 0,
                };
                if kin(x) != kin(y) && x != Cmp::Null && y != Cmp::Null {
                    return Err(unsupported("BETWEEN values of different types").hint("CAST them to one type."));
                }
                // unlike the operators, BETWEEN compares all the digits that a division computed
                let [a, low, high] = [unrounded(a)?, unrounded(low)?, unrounded(high)?];
                let least = compare(Operator::GtEq, a.clone(), low, binder)?;
                Ok(least.and(compare(Operator::LtEq, a, high, binder)?))
            }
            ("my_in", [a, list @ ..]) => one_of(a, list, binder),
            ("my_if", [(c, _), a, b]) => choice(vec![(c.clone(), a.clone())], Some(b.clone()), &out, binder),
            ("my_case", all) => {
                let otherwise = if all.len() % 2 == 1 { all.last().cloned() } else { None };
                let whens =
                    all.chunks_exact(2).map(|p| (truth(p[0].0.clone(), &p[0].1, binder), p[1].clone())).collect();
                choice(whens, otherwise, &out, binder)
            }
            ("my_coalesce", [first @ .., last]) => {
                let whens = first.iter().map(|a| (a.0.clone().is_not_null(), a.clone())).collect();
                choice(whens, Some(last.clone()), &out, binder)
            }
            ("my_nullif", [a, b]) => {
                let equal = compare(Operator::Eq, a.clone(), b.clone(), binder)?;
                choice(vec![(equal, (lit(ScalarValue::Null), Typ::null()))], Some(a.clone()), &out, binder)
            }
            ("my_output" | "my_settle", [(e, t)]) if t.arrow == out.arrow => Ok(e.clone()),
            ("my_output", [(e, t)]) if t.arrow == DataType::Boolean => Ok(cast(e.clone(), out.arrow)),
            ("my_collate" | "my_plus", [(e, t), ..]) if t.arrow == out.arrow => Ok(e.clone()),
            ("my_add" | "my_sub" | "my_mul", [a, b]) if narrow(a) && narrow(b) && !out.unsigned() => {
                let op = match name {
                    "my_add" => Operator::Plus,
                    "my_sub" => Operator::Minus,
                    _ => Operator::Multiply,
                };
                let wide = |e: &Expr| cast(e.clone(), DataType::Int64);
                Ok(binary_expr(wide(&a.0), op, wide(&b.0)))
            }
            _ => {
                let spec = spec(name).ok_or_else(|| Error::internal(format!("no function {name}")))?;
                let (args, typs) = args.into_iter().unzip();
                Ok(bind(spec, args, typs, out, &binder.session))
            }
        }
    }

    fn aggregate(&mut self, f: AggregateFunction) -> DfResult<Expr> {
        let Some(name) = aggregate::placeholder(&f.func) else {
            return Err(outside(unsupported(format!("the aggregate {}", f.func.name()))));
        };
        let mut params = f.params;
        let typ = params.args.first().map_or_else(|| Ok(Typ::null()), |a| typ_of(a, self.schema))?;
        params.args = params.args.into_iter().map(|a| self.lower(a)).collect::<DfResult<_>>()?;
        params.order_by = self.binder.sorts(params.order_by, self.schema)?;
        let (func, params) = aggregate::lower(name, &typ, params, false, self.binder).map_err(outside)?;
        Ok(Expr::AggregateFunction(AggregateFunction { func, params }))
    }

    fn window(&mut self, w: WindowFunction) -> DfResult<Expr> {
        let mut params = w.params;
        let typ = params.args.first().map_or_else(|| Ok(Typ::null()), |a| typ_of(a, self.schema))?;
        params.args = params.args.into_iter().map(|a| self.lower(a)).collect::<DfResult<_>>()?;
        let mut partition = Vec::new();
        for e in params.partition_by {
            let (e, t) = self.typed(e)?;
            partition.push(self.binder.key(e, &t).map_err(outside)?);
        }
        params.partition_by = partition;
        params.order_by = self.binder.sorts(params.order_by, self.schema)?;
        if let Some(first) = params.order_by.first() {
            params.window_frame = frame(params.window_frame, &first.expr.get_type(self.schema)?).map_err(outside)?;
        }
        let fun = match w.fun {
            WindowFunctionDefinition::AggregateUDF(f) => {
                let Some(name) = aggregate::placeholder(&f) else {
                    return Err(outside(unsupported(format!("the window function {}", f.name()))));
                };
                let inner = datafusion::logical_expr::expr::AggregateFunctionParams {
                    args: params.args,
                    distinct: params.distinct,
                    filter: None,
                    order_by: Vec::new(),
                    null_treatment: None,
                };
                if inner.distinct {
                    return Err(outside(unsupported("DISTINCT in a window function")));
                }
                let (f, inner) = aggregate::lower(name, &typ, inner, true, self.binder).map_err(outside)?;
                params.args = inner.args;
                WindowFunctionDefinition::AggregateUDF(f)
            }
            udf => udf,
        };
        Ok(Expr::WindowFunction(Box::new(WindowFunction { fun, params })))
    }

    fn in_subquery(&mut self, i: InSubquery) -> DfResult<Expr> {
        let left = self.typed(*i.expr)?;
        let plan = i.subquery.subquery;
        let (relation, field) = plan.schema().qualified_field(0);
        let column = Expr::Column((relation, field.as_ref()).into());
        let right = (column.clone(), Typ::from_field(field));
        let Some((l, r)) = align(left, right, self.binder).map_err(outside)? else {
            return Err(outside(unsupported("NULL IN (query)")));
        };
        let plan = if r == column {
            plan
        } else {
            Arc::new(LogicalPlanBuilder::from(plan).project(vec![r.alias("key")])?.build()?)
        };
        let subquery = Subquery { subquery: plan, ..i.subquery };
        Ok(Expr::InSubquery(InSubquery { expr: Box::new(l), subquery, negated: i.negated }))
    }
}

/// As if a decimal showed all the digits that it holds.
fn unrounded((e, t): &Typed) -> Result<Typed> {
    let typ = if t.class() == Class::Decimal && t.held() != t.scale() {
        if t.held() > 38 {
            return Err(unsupported("BETWEEN with a division of so many digits"));
        }
        Typ { arrow: t.arrow.clone(), ..Typ::decimal(t.precision() - t.scale() + t.held(), t.held(), t.held())? }
    } else {
        t.clone()
    };
    Ok((e.clone(), typ))
}

/// Whether sums and products with it cannot leave 64 bits: at most 32 bits.
fn narrow((e, t): &Typed) -> bool {
    match e {
        Expr::Literal(ScalarValue::Int64(Some(v)), _) => i32::try_from(*v).is_ok(),
        _ => t.class() == Class::Int && t.arrow.is_integer() && !matches!(t.arrow, DataType::Int64 | DataType::UInt64),
    }
}

fn truth(e: Expr, t: &Typ, binder: &Binder) -> Expr {
    match &t.arrow {
        DataType::Boolean => e,
        DataType::Null => lit(ScalarValue::Boolean(None)),
        a if a.is_integer() => e.not_eq(lit(ScalarValue::new_zero(a).unwrap_or(ScalarValue::Int64(Some(0))))),
        _ => match spec("my_true") {
            Some(spec) => bind(spec, vec![e], vec![t.clone()], Typ::boolean(), &binder.session),
            None => e,
        },
    }
}

fn choice(whens: Vec<(Expr, Typed)>, otherwise: Option<Typed>, out: &Typ, binder: &Binder) -> Result<Expr> {
    let whens = whens
        .into_iter()
        .map(|(c, (e, t))| Ok((Box::new(c), Box::new(binder.convert(e, &t, out)?))))
        .collect::<Result<Vec<_>>>()?;
    let otherwise = match otherwise {
        Some((e, t)) => Some(Box::new(binder.convert(e, &t, out)?)),
        None => None,
    };
    if whens.is_empty() {
        return otherwise.map(|e| *e).ok_or_else(|| Error::internal("CASE without values"));
    }
    Ok(Expr::Case(Case::new(None, whens, otherwise)))
}
