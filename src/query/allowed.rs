//! Which parts of a query are carried? What DataFusion would pass over in silence, and what MySQL does not know, is
//! refused by name; hints and locks, which mean nothing here, are dropped.

use crate::error::{Error, Kind, Result};
use datafusion::sql::sqlparser::ast::{
    Distinct, GroupByExpr, JoinConstraint, JoinOperator, LimitClause, OrderByKind, Query, Select, SelectFlavor,
    SetExpr, SetOperator, SetQuantifier, TableFactor, TableWithJoins,
};

pub(super) fn unsupported(what: &str) -> Error {
    Error::new(Kind::Unsupported, format!("{what} is not supported"))
}

fn refuse(what: &str, present: bool) -> Result<()> {
    if present { Err(unsupported(what)) } else { Ok(()) }
}

/// Checks a query but for its parts below.
pub(super) fn query(query: &mut Query) -> Result<()> {
    query.locks.clear();
    refuse("FETCH FIRST", query.fetch.is_some())?;
    refuse("FOR XML and FOR JSON", query.for_clause.is_some())?;
    refuse("SETTINGS", query.settings.is_some())?;
    refuse("FORMAT", query.format_clause.is_some())?;
    refuse("|>", !query.pipe_operators.is_empty())?;
    if let Some(order) = &query.order_by {
        refuse("INTERPOLATE", order.interpolate.is_some())?;
        match &order.kind {
            OrderByKind::All(_) => return Err(unsupported("ORDER BY ALL")),
            OrderByKind::Expressions(list) => {
                refuse("WITH FILL", list.iter().any(|o| o.with_fill.is_some()))?;
                refuse("NULLS FIRST and NULLS LAST", list.iter().any(|o| o.options.nulls_first.is_some()))?;
            }
        }
    }
    if let Some(LimitClause::LimitOffset { limit_by, .. }) = &query.limit_clause {
        refuse("LIMIT BY", !limit_by.is_empty())?;
    }
    if let Some(with) = &query.with {
        refuse("MATERIALIZED", with.cte_tables.iter().any(|c| c.materialized.is_some()))?;
        refuse("WITH … FROM", with.cte_tables.iter().any(|c| c.from.is_some()))?;
    }
    body(&query.body)
}

fn body(set: &SetExpr) -> Result<()> {
    match set {
        SetExpr::Select(_) | SetExpr::Query(_) => Ok(()),
        SetExpr::SetOperation { left, right, op, set_quantifier } => {
            refuse("MINUS", *op == SetOperator::Minus)?;
            let plain = matches!(set_quantifier, SetQuantifier::All | SetQuantifier::Distinct | SetQuantifier::None);
            refuse("UNION BY NAME", !plain)?;
            body(left)?;
            body(right)
        }
        SetExpr::Values(_) => Err(unsupported("VALUES (…)")),
        SetExpr::Table(_) => Err(unsupported("TABLE t")),
        SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
            Err(Error::new(Kind::ReadOnly, "the archive is read-only: a query cannot change rows"))
        }
    }
}

/// Checks a SELECT but for its parts below.
pub(super) fn select(select: &mut Select) -> Result<()> {
    if let Some(modifiers) = select.select_modifiers.take() {
        refuse("SQL_CALC_FOUND_ROWS", modifiers.sql_calc_found_rows)?;
    }
    select.optimizer_hints.clear();
    if select.into.is_some() {
        return Err(
            unsupported("SELECT … INTO").hint("Read the rows and keep them in the client; or SET @x = (SELECT …).")
        );
    }
    refuse("TOP", select.top.is_some())?;
    refuse("EXCLUDE", select.exclude.is_some())?;
    refuse("LATERAL VIEW", !select.lateral_views.is_empty())?;
    refuse("PREWHERE", select.prewhere.is_some())?;
    refuse("CONNECT BY", !select.connect_by.is_empty())?;
    let sorted = !select.cluster_by.is_empty() || !select.distribute_by.is_empty() || !select.sort_by.is_empty();
    refuse("CLUSTER, DISTRIBUTE and SORT BY", sorted)?;
    refuse("QUALIFY", select.qualify.is_some())?;
    refuse("SELECT AS", select.value_table_mode.is_some())?;
    refuse("FROM before SELECT", select.flavor != SelectFlavor::Standard)?;
    refuse("DISTINCT ON", matches!(select.distinct, Some(Distinct::On(_))))?;
    match &select.group_by {
        GroupByExpr::All(_) => return Err(unsupported("GROUP BY ALL")),
        GroupByExpr::Expressions(_, modifiers) => refuse("GROUP BY … WITH ROLLUP", !modifiers.is_empty())?,
    }
    select.from.iter_mut().try_for_each(joins)
}

/// Checks the joins of one entry of FROM.
fn joins(tables: &mut TableWithJoins) -> Result<()> {
    if let TableFactor::NestedJoin { table_with_joins, .. } = &mut tables.relation {
        joins(table_with_joins)?;
    }
    for join in &mut tables.joins {
        if let TableFactor::NestedJoin { table_with_joins, .. } = &mut join.relation {
            joins(table_with_joins)?;
        }
        join.join_operator = match std::mem::replace(&mut join.join_operator, JoinOperator::CrossApply) {
            // in MySQL these three are one
            JoinOperator::CrossJoin(c) | JoinOperator::StraightJoin(c) | JoinOperator::Join(c) => inner(c),
            JoinOperator::Inner(c) => inner(c),
            JoinOperator::Left(c) | JoinOperator::LeftOuter(c) => JoinOperator::Left(outer(c)?),
            JoinOperator::Right(c) | JoinOperator::RightOuter(c) => {
                // the column that both have would be read from the side that may have no row
                if matches!(c, JoinConstraint::Using(_) | JoinConstraint::Natural) {
                    return Err(unsupported("RIGHT JOIN with USING or NATURAL")
                        .hint("Write LEFT JOIN with the tables exchanged, or ON."));
                }
                JoinOperator::Right(outer(c)?)
            }
            JoinOperator::FullOuter(_) => return Err(unsupported("FULL OUTER JOIN")),
            _ => return Err(unsupported("this kind of JOIN")),
        };
    }
    Ok(())
}

fn inner(constraint: JoinConstraint) -> JoinOperator {
    match constraint {
        JoinConstraint::None => JoinOperator::CrossJoin(JoinConstraint::None),
        constraint => JoinOperator::Inner(constraint),
    }
}

fn outer(constraint: JoinConstraint) -> Result<JoinConstraint> {
    match constraint {
        JoinConstraint::None => Err(Error::new(Kind::Syntax, "an outer JOIN needs ON or USING")),
        constraint => Ok(constraint),
    }
}

/// Checks a table reference, and drops its index hints.
pub(super) fn table(factor: &mut TableFactor) -> Result<()> {
    match factor {
        TableFactor::Table {
            args,
            with_hints,
            version,
            with_ordinality,
            partitions,
            json_path,
            sample,
            index_hints,
            ..
        } => {
            index_hints.clear();
            refuse("a table function", args.is_some())?;
            refuse("WITH (…) after a table", !with_hints.is_empty())?;
            refuse("this form of a table's version", version.is_some())?;
            refuse("WITH ORDINALITY", *with_ordinality)?;
            refuse("PARTITION (…)", !partitions.is_empty())?;
            refuse("a path after a table", json_path.is_some())?;
            refuse("TABLESAMPLE", sample.is_some())
        }
        TableFactor::Derived { lateral, alias, sample, .. } => {
            refuse("LATERAL", *lateral)?;
            refuse("TABLESAMPLE", sample.is_some())?;
            match alias {
                Some(_) => Ok(()),
                None => Err(Error::new(Kind::Syntax, "Every derived table must have its own alias")),
            }
        }
        TableFactor::NestedJoin { alias, .. } => refuse("an alias of a join", alias.is_some()),
        TableFactor::JsonTable { .. } => Err(unsupported("JSON_TABLE")),
        _ => Err(unsupported("this kind of table reference")),
    }
}
