//! Which of our functions is each operator and function of the statement?
//!
//! After this pass a query holds no operator but AND, OR, NOT, IS and sign of a literal, and no function but ours:
//! each of them was chosen. `check` says so once more of the finished tree.

use super::dialect::call_of;
use super::error::unsupported;
use super::names::{function, type_cast};
use crate::error::{Error, Result};
use datafusion::sql::sqlparser::ast::*;
use std::ops::ControlFlow;

/// Rewrites a parsed query so that every operator and function is one of ours. To be called once, after parameters
/// and variables were put in as literals and headings as aliases.
/// Errors: `UnknownFunction`, `Unsupported` naming what is not carried.
pub fn rewrite(query: &mut Query) -> Result<()> {
    finish(query.visit(&mut Rewriter))?;
    finish(query.visit(&mut Check))
}

/// The same for one expression.
pub fn rewrite_expr(expr: &mut Expr) -> Result<()> {
    finish(expr.visit(&mut Rewriter))?;
    finish(expr.visit(&mut Check))
}

fn finish(flow: ControlFlow<Error>) -> Result<()> {
    match flow {
        ControlFlow::Break(e) => Err(e),
        ControlFlow::Continue(()) => Ok(()),
    }
}

fn flow(result: Result<()>) -> ControlFlow<Error> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(e) => ControlFlow::Break(e),
    }
}

pub(super) fn call(name: &str, args: Vec<Expr>) -> Expr {
    call_of(Ident::new(name), args)
}

pub(super) fn text(s: impl Into<String>) -> Expr {
    Expr::Value(Value::SingleQuotedString(s.into()).into())
}

fn null() -> Expr {
    Expr::Value(Value::Null.into())
}

/// Takes an expression out, to be put elsewhere.
fn take(e: &mut Expr) -> Expr {
    std::mem::replace(e, null())
}

fn taken(e: &mut Box<Expr>) -> Expr {
    take(e)
}

fn not(e: Expr, negated: bool) -> Expr {
    if negated { Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(e) } } else { e }
}

/// An expression as a condition.
pub(super) fn truth(e: Expr) -> Expr {
    let boolean = match &e {
        Expr::Function(f) => matches!(
            f.name.to_string().as_str(),
            "my_true"
                | "my_eq"
                | "my_ne"
                | "my_lt"
                | "my_le"
                | "my_gt"
                | "my_ge"
                | "my_nulleq"
                | "my_between"
                | "my_in"
                | "my_like"
                | "my_xor"
        ),
        Expr::BinaryOp { op: BinaryOperator::And | BinaryOperator::Or, .. }
        | Expr::UnaryOp { op: UnaryOperator::Not, .. }
        | Expr::IsNull(_)
        | Expr::IsNotNull(_)
        | Expr::IsTrue(_)
        | Expr::IsNotTrue(_)
        | Expr::IsFalse(_)
        | Expr::IsNotFalse(_)
        | Expr::IsUnknown(_)
        | Expr::IsNotUnknown(_)
        | Expr::InSubquery { .. }
        | Expr::Exists { .. } => true,
        _ => false,
    };
    if boolean { e } else { call("my_true", vec![e]) }
}

/// Takes `FROM DUAL` away, which is no table. To be called before tables are looked up.
pub fn drop_dual(query: &mut Query) -> Result<()> {
    finish(query.visit(&mut Dual))
}

struct Dual;

impl VisitorMut for Dual {
    type Break = Error;

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        if let [TableWithJoins { relation: TableFactor::Table { name, alias: None, .. }, joins }] = &select.from[..]
            && joins.is_empty()
            && name.to_string().eq_ignore_ascii_case("dual")
        {
            select.from.clear();
        }
        ControlFlow::Continue(())
    }
}

struct Rewriter;

impl VisitorMut for Rewriter {
    type Break = Error;

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        for item in &mut select.projection {
            // its name is the expression as it was written
            if let SelectItem::UnnamedExpr(e) = item
                && !matches!(e, Expr::Identifier(_) | Expr::CompoundIdentifier(_))
            {
                let alias = Ident::with_quote('`', e.to_string());
                *item = SelectItem::ExprWithAlias { expr: take(e), alias };
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        for condition in [&mut select.selection, &mut select.having].into_iter().flatten() {
            *condition = truth(take(condition));
        }
        for from in &mut select.from {
            joins(from);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        match factor {
            TableFactor::NestedJoin { table_with_joins, .. } => joins(table_with_joins),
            TableFactor::Derived { subquery, .. } => settle(subquery),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        if let Some(with) = &mut query.with {
            for cte in &mut with.cte_tables {
                match (with.recursive, cte.query.body.as_mut()) {
                    (true, body @ SetExpr::SetOperation { .. }) => settle_branches(body, "my_recursive"),
                    _ => settle(&mut cte.query),
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, e: &mut Expr) -> ControlFlow<Error> {
        flow(expression(e))
    }
}

/// A derived table that MariaDB writes to a temporary table holds no more digits than its columns' types show.
fn settle(query: &mut Query) {
    let limited = query.limit_clause.is_some();
    match query.body.as_mut() {
        SetExpr::Select(select) => {
            let grouped = matches!(&select.group_by, GroupByExpr::Expressions(list, _) if !list.is_empty());
            let aggregated = select.projection.iter().any(|item| {
                let text = item.to_string();
                ["my_sum(", "my_count(", "my_min(", "my_max(", "OVER ("].iter().any(|f| text.contains(f))
            });
            if limited || grouped || aggregated || select.distinct.is_some() {
                settle_items(select, "my_settle");
            }
        }
        other => settle_branches(other, "my_settle"),
    }
}

fn settle_branches(body: &mut SetExpr, function: &str) {
    match body {
        SetExpr::Select(select) => settle_items(select, function),
        SetExpr::SetOperation { left, right, .. } => {
            settle_branches(left, function);
            settle_branches(right, function);
        }
        SetExpr::Query(query) => settle_branches(&mut query.body, function),
        _ => {}
    }
}

fn settle_items(select: &mut Select, function: &str) {
    let every = function == "my_recursive";
    for item in &mut select.projection {
        match item {
            SelectItem::ExprWithAlias { expr, .. } if every || matches!(expr, Expr::Function(_)) => {
                *expr = call(function, vec![take(expr)]);
            }
            SelectItem::UnnamedExpr(expr) if every => {
                let name = match &*expr {
                    Expr::CompoundIdentifier(parts) => parts.last().map(|i| i.value.clone()).unwrap_or_default(),
                    Expr::Identifier(i) => i.value.clone(),
                    other => other.to_string(),
                };
                let expr = call(function, vec![take(expr)]);
                *item = SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('`', name) };
            }
            _ => {}
        }
    }
}

fn joins(from: &mut TableWithJoins) {
    for join in &mut from.joins {
        let constraint = match &mut join.join_operator {
            JoinOperator::Join(c)
            | JoinOperator::Inner(c)
            | JoinOperator::Left(c)
            | JoinOperator::LeftOuter(c)
            | JoinOperator::Right(c)
            | JoinOperator::RightOuter(c)
            | JoinOperator::CrossJoin(c)
            | JoinOperator::StraightJoin(c) => c,
            _ => continue,
        };
        if let JoinConstraint::On(e) = constraint {
            *e = truth(take(e));
        }
    }
}

fn expression(e: &mut Expr) -> Result<()> {
    *e = match e {
        Expr::Value(v) => match literal(&mut v.value)? {
            Some(new) => new,
            None => return Ok(()),
        },
        Expr::Prefixed { prefix, value } => introduced(&prefix.value, taken(value))?,
        Expr::TypedString(t) => typed(t)?,
        Expr::BinaryOp { left, op, right } => binary(taken(left), op, taken(right))?,
        Expr::UnaryOp { op, expr } => unary(*op, taken(expr))?,
        Expr::IsTrue(x) | Expr::IsNotTrue(x) | Expr::IsFalse(x) | Expr::IsNotFalse(x) => {
            **x = truth(taken(x));
            return Ok(());
        }
        Expr::IsUnknown(x) => Expr::IsNull(Box::new(truth(taken(x)))),
        Expr::IsNotUnknown(x) => Expr::IsNotNull(Box::new(truth(taken(x)))),
        Expr::InList { expr, list, negated } => {
            let mut args = vec![taken(expr)];
            args.append(list);
            not(call("my_in", args), *negated)
        }
        Expr::Between { expr, negated, low, high } => {
            not(call("my_between", vec![taken(expr), taken(low), taken(high)]), *negated)
        }
        Expr::Like { negated, any: false, expr, pattern, escape_char } => {
            let escape = match escape_char {
                None => "\\".to_string(),
                Some(v) => match &v.value {
                    Value::SingleQuotedString(s) | Value::DoubleQuotedString(s) => s.clone(),
                    other => return Err(unsupported(format!("ESCAPE {other}"))),
                },
            };
            not(call("my_like", vec![taken(expr), taken(pattern), text(escape)]), *negated)
        }
        Expr::RLike { regexp, .. } => {
            return Err(unsupported(if *regexp { "REGEXP" } else { "RLIKE" })
                .hint("LIKE is; or read the rows and match them in the client."));
        }
        Expr::Cast { kind: CastKind::Cast, expr, data_type, array: false, format: None } => {
            type_cast(taken(expr), data_type)?
        }
        Expr::Convert { is_try: false, expr, data_type, charset, styles, .. } if styles.is_empty() => {
            match (data_type, charset) {
                (Some(t), None) => type_cast(taken(expr), t)?,
                (None, Some(charset)) => match charset.to_string().to_lowercase().as_str() {
                    "utf8mb4" | "utf8mb3" | "utf8" => call("my_cast_char", vec![taken(expr), text("")]),
                    "binary" => call("my_cast_binary", vec![taken(expr), text("")]),
                    other => return Err(unsupported(format!("CONVERT … USING {other}"))),
                },
                _ => return Err(unsupported("this form of CONVERT")),
            }
        }
        Expr::Extract { field, expr, .. } => {
            call("my_extract", vec![text(field.to_string().to_uppercase()), taken(expr)])
        }
        Expr::Ceil { expr, field: CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) } => {
            call("my_ceil", vec![taken(expr)])
        }
        Expr::Floor { expr, field: CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) } => {
            call("my_floor", vec![taken(expr)])
        }
        Expr::Position { expr, r#in } => call("my_locate", vec![taken(expr), taken(r#in)]),
        Expr::Substring { expr, substring_from: Some(from), substring_for, .. } => {
            let mut args = vec![taken(expr), taken(from)];
            args.extend(substring_for.as_mut().map(taken));
            call("my_substring", args)
        }
        Expr::Trim { trim_where, trim_what, expr, trim_characters: None } => {
            let side = trim_where.as_ref().map_or("BOTH".to_string(), ToString::to_string);
            let what = trim_what.as_mut().map_or_else(|| text(" "), taken);
            call("my_trim", vec![taken(expr), what, text(side)])
        }
        Expr::Collate { expr, collation } => call("my_collate", vec![taken(expr), text(collation.to_string())]),
        Expr::Function(f) => function(f)?,
        Expr::Case { operand, conditions, else_result, .. } => {
            let operand = operand.as_mut().map(taken);
            let mut args = Vec::new();
            for when in conditions {
                let condition = take(&mut when.condition);
                args.push(match &operand {
                    Some(o) => call("my_eq", vec![o.clone(), condition]),
                    None => truth(condition),
                });
                args.push(take(&mut when.result));
            }
            args.extend(else_result.as_mut().map(taken));
            call("my_case", args)
        }
        _ => return Ok(()),
    };
    Ok(())
}

fn literal(v: &mut Value) -> Result<Option<Expr>> {
    Ok(match v {
        Value::Number(n, _) if n.contains(['e', 'E']) => Some(call("my_cast_double", vec![text(n.as_str())])),
        Value::Number(n, _) => {
            if n.starts_with('.') {
                n.insert(0, '0');
            }
            if n.ends_with('.') {
                n.pop();
            }
            None
        }
        Value::DoubleQuotedString(s) => Some(text(std::mem::take(s))),
        Value::SingleQuotedString(_) | Value::Boolean(_) | Value::Null | Value::Placeholder(_) => None,
        Value::HexStringLiteral(_) => None,
        other => return Err(unsupported(format!("the literal {other}"))),
    })
}

/// `_utf8mb4'text'`
fn introduced(charset: &str, value: Expr) -> Result<Expr> {
    match charset.to_lowercase().as_str() {
        "_utf8mb4" | "_utf8mb3" | "_utf8" => Ok(value),
        "_binary" => Ok(call("my_cast_binary", vec![value, text("")])),
        other => Err(unsupported(format!("the character set {other}"))),
    }
}

/// `DATE '2026-01-02'`
fn typed(t: &TypedString) -> Result<Expr> {
    let name = match t.data_type {
        DataType::Date => "my_literal_date",
        DataType::Time(..) => "my_literal_time",
        DataType::Timestamp(..) | DataType::Datetime(_) => "my_literal_datetime",
        _ => return Err(unsupported(format!("the literal {t}"))),
    };
    match &t.value.value {
        Value::SingleQuotedString(s) | Value::DoubleQuotedString(s) => Ok(call(name, vec![text(s.as_str())])),
        other => Err(unsupported(format!("the literal {} {other}", t.data_type))),
    }
}

/// `a + INTERVAL 1 DAY`
pub(super) fn shifted(date: Expr, interval: Expr, minus: bool) -> Result<Expr> {
    let Expr::Interval(i) = interval else { return Err(unsupported("DATE_ADD without INTERVAL")) };
    let unit = match i {
        Interval { value, leading_field: Some(unit), last_field: None, .. } => {
            (*value, unit.to_string().to_uppercase())
        }
        _ => return Err(unsupported("this form of INTERVAL").hint("Write INTERVAL n UNIT.")),
    };
    let name = if minus { "my_date_sub" } else { "my_date_add" };
    Ok(call(name, vec![date, unit.0, text(unit.1)]))
}

fn binary(left: Expr, op: &BinaryOperator, right: Expr) -> Result<Expr> {
    let name = match op {
        BinaryOperator::Plus if matches!(right, Expr::Interval(_)) => return shifted(left, right, false),
        BinaryOperator::Plus if matches!(left, Expr::Interval(_)) => return shifted(right, left, false),
        BinaryOperator::Minus if matches!(right, Expr::Interval(_)) => return shifted(left, right, true),
        BinaryOperator::And | BinaryOperator::Or => {
            let (left, right) = (Box::new(truth(left)), Box::new(truth(right)));
            return Ok(Expr::BinaryOp { left, op: op.clone(), right });
        }
        BinaryOperator::Plus => "my_add",
        BinaryOperator::Minus => "my_sub",
        BinaryOperator::Multiply => "my_mul",
        BinaryOperator::Divide => "my_div",
        BinaryOperator::Modulo => "my_mod",
        BinaryOperator::MyIntegerDivide => "my_intdiv",
        BinaryOperator::Eq => "my_eq",
        BinaryOperator::NotEq => "my_ne",
        BinaryOperator::Lt => "my_lt",
        BinaryOperator::LtEq => "my_le",
        BinaryOperator::Gt => "my_gt",
        BinaryOperator::GtEq => "my_ge",
        BinaryOperator::Spaceship => "my_nulleq",
        BinaryOperator::Xor => "my_xor",
        BinaryOperator::BitwiseAnd => "my_bitand",
        BinaryOperator::BitwiseOr => "my_bitor",
        BinaryOperator::BitwiseXor => "my_bitxor",
        BinaryOperator::PGBitwiseShiftLeft => "my_shl",
        BinaryOperator::PGBitwiseShiftRight => "my_shr",
        other => return Err(unsupported(format!("the operator {other}"))),
    };
    for side in [&left, &right] {
        if matches!(side, Expr::Tuple(_)) {
            return Err(unsupported("comparing rows: (a, b) = (c, d)").hint("Write a = c AND b = d."));
        }
    }
    Ok(call(name, vec![left, right]))
}

fn unary(op: UnaryOperator, e: Expr) -> Result<Expr> {
    Ok(match op {
        UnaryOperator::Not | UnaryOperator::BangNot => not(truth(e), true),
        UnaryOperator::Minus => match e {
            Expr::Value(ValueWithSpan { value: Value::Number(..), .. }) => Expr::UnaryOp { op, expr: Box::new(e) },
            _ => call("my_neg", vec![e]),
        },
        UnaryOperator::Plus => call("my_plus", vec![e]),
        UnaryOperator::BitwiseNot => call("my_bitnot", vec![e]),
        other => return Err(unsupported(format!("the operator {other}"))),
    })
}

/// Whether nothing is left whose meaning is DataFusion's own.
struct Check;

impl VisitorMut for Check {
    type Break = Error;

    fn pre_visit_expr(&mut self, e: &mut Expr) -> ControlFlow<Error> {
        let known = match &*e {
            Expr::Identifier(i) => i.quote_style.is_some() || !i.value.starts_with("0b"),
            Expr::CompoundIdentifier(_)
            | Expr::Nested(_)
            | Expr::Value(_)
            | Expr::Subquery(_)
            | Expr::Exists { .. } => true,
            Expr::InSubquery { expr, .. } => !matches!(**expr, Expr::Tuple(_)),
            Expr::IsNull(_) | Expr::IsNotNull(_) => true,
            Expr::IsTrue(_) | Expr::IsNotTrue(_) | Expr::IsFalse(_) | Expr::IsNotFalse(_) => true,
            Expr::BinaryOp { op, .. } => matches!(op, BinaryOperator::And | BinaryOperator::Or),
            Expr::UnaryOp { op: UnaryOperator::Not, .. } => true,
            Expr::UnaryOp { op: UnaryOperator::Minus, expr } => matches!(**expr, Expr::Value(_)),
            Expr::Function(f) => {
                let name = f.name.to_string();
                name.starts_with("my_") || super::names::WINDOWS.contains(&name.as_str())
            }
            _ => false,
        };
        if known { ControlFlow::Continue(()) } else { ControlFlow::Break(unsupported(format!("the expression {e}"))) }
    }
}
