//! How does a client's query become one that DataFusion plans? Every table reference is replaced by what it is bound
//! to, views by their queries; names of columns are put in lower case; items get their headings.

use super::allowed;
use super::bind::{Binder, Source, Surroundings, View};
use super::dialect::{parse_query, place};
use super::headings::{Headings, differ};
use super::lexer::Token;
use super::meaning;
use super::moments::Moments;
use super::star;
use crate::error::{Error, Kind, Result};
use datafusion::sql::sqlparser::ast::{
    Expr, Ident, JoinConstraint, JoinOperator, ObjectName, ObjectNamePart, Query, Select, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, TableAlias, TableAliasColumnDef, TableFactor, TableWithJoins, VisitMut,
    VisitorMut,
};
use std::ops::ControlFlow;

/// Views may stand in views so deep.
const VIEW_DEPTH: usize = 32;
/// So many tables may stand in one FROM, as in MySQL.
const TABLES: usize = 61;

/// A query's text, read.
pub(super) struct Text<'a> {
    pub sql: &'a str,
    pub tokens: &'a [Token],
    pub moments: &'a Moments,
}

/// Rewrites a query, and answers what its columns are headed by.
/// Errors: what is refused or not found, by name.
pub(super) fn rewrite(query: &mut Query, text: &Text<'_>, binder: &mut Binder) -> Result<Headings> {
    let mut headings = Headings::default();
    meaning::drop_dual(query)?;
    rewrite_in(query, text, binder, &mut headings, Surroundings::default(), 0)?;
    meaning::rewrite(query)?;
    Ok(headings)
}

fn rewrite_in(
    query: &mut Query,
    text: &Text<'_>,
    binder: &mut Binder,
    headings: &mut Headings,
    around: Surroundings,
    depth: usize,
) -> Result<()> {
    let top = depth == 0;
    let mut rewriter = Rewriter { text, binder, headings, around, depth, top, scopes: Vec::new() };
    match query.visit(&mut rewriter) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(e) => Err(e),
    }
}

struct Rewriter<'a, 'b> {
    text: &'a Text<'b>,
    binder: &'a mut Binder,
    headings: &'a mut Headings,
    around: Surroundings,
    depth: usize,
    /// The next query is the outermost one of the statement.
    top: bool,
    scopes: Vec<Scope>,
}

/// What can be named within one query.
#[derive(Default)]
struct Scope {
    /// The names of WITH, each with the byte from which on it can be named.
    ctes: Vec<(String, usize)>,
    /// The tables of FROM.
    tables: Vec<Named>,
}

struct Named {
    /// As written; `None`: without.
    database: Option<String>,
    table: String,
    /// Where the table's name stands.
    place: usize,
    /// What planning knows it by.
    alias: String,
    /// It was written without an alias, so that its database and name lead to it.
    alias_of_own: bool,
}

fn flow(result: Result<()>) -> ControlFlow<Error> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(e) => ControlFlow::Break(e),
    }
}

impl VisitorMut for Rewriter<'_, '_> {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        let top = std::mem::take(&mut self.top);
        flow(self.enter(query, top))
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<Error> {
        self.scopes.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        flow(self.select(select))
    }

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        flow(self.star_order(select).and_then(|()| star::leave_out(select, self.binder)))
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        flow(self.check_table(factor))
    }

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        flow(self.table(factor))
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        flow(self.expr(expr))
    }
}

impl Rewriter<'_, '_> {
    fn enter(&mut self, query: &mut Query, top: bool) -> Result<()> {
        allowed::query(query)?;
        self.headings.name_query(self.text.sql, self.text.tokens, query, top)?;
        let mut scope = Scope::default();
        if let Some(with) = &mut query.with {
            for cte in &mut with.cte_tables {
                let begin = place(cte.alias.name.span).unwrap_or(0);
                let end = place(cte.closing_paren_token.0.span).unwrap_or(begin);
                scope.ctes.push((cte.alias.name.value.clone(), if with.recursive { begin } else { end }));
                self.lower_columns(&mut cte.alias.columns);
                if cte.alias.columns.is_empty() {
                    differ(&cte.query)?;
                }
            }
        }
        self.collect(&query.body, &mut scope)?;
        self.scopes.push(scope);
        Ok(())
    }

    /// The tables that the SELECTs of a query name, and the aliases that they get.
    fn collect(&self, body: &SetExpr, scope: &mut Scope) -> Result<()> {
        match body {
            SetExpr::Select(select) => {
                let mut tables = Vec::new();
                select.from.iter().for_each(|from| named_in(from, &mut tables));
                if tables.len() > TABLES {
                    return Err(Error::new(
                        Kind::Limit,
                        format!("Too many tables; at most {TABLES} can be used in a join"),
                    ));
                }
                tell_apart(&mut tables)?;
                scope.tables.extend(tables);
                Ok(())
            }
            SetExpr::SetOperation { left, right, .. } => {
                self.collect(left, scope)?;
                self.collect(right, scope)
            }
            _ => Ok(()),
        }
    }

    fn lower_columns(&mut self, columns: &mut [TableAliasColumnDef]) {
        for column in columns {
            column.name = planned(self.headings.lower(&column.name.value));
        }
    }

    fn select(&mut self, select: &mut Select) -> Result<()> {
        allowed::select(select)?;
        for item in &mut select.projection {
            if let SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) = item {
                let parts = idents(name)?;
                if let [database, table] = parts.as_slice() {
                    *name = ObjectName::from(vec![planned(self.alias_of(&database.value, &table.value, "*")?)]);
                }
            }
        }
        for from in &mut select.from {
            lower_using(from);
        }
        Ok(())
    }

    /// `*` shows the columns of USING first in MySQL, and where they are in DataFusion. Where that differs, or cannot be
    /// known, it is refused.
    fn star_order(&self, select: &Select) -> Result<()> {
        let star = select.projection.iter().any(|i| matches!(i, SelectItem::Wildcard(_)));
        let joined = select.from.iter().flat_map(|f| &f.joins).any(|j| shared(&j.join_operator).is_some());
        if !star || !joined {
            return Ok(());
        }
        let known = select.from.iter().all(|from| {
            let first = self.columns_of(&from.relation);
            from.joins.iter().all(|join| match (shared(&join.join_operator), &first) {
                (None, _) => true,
                (Some(_), None) => false,
                (Some(Some(using)), Some(columns)) => {
                    let first: Vec<&String> = columns.iter().take(using.len()).collect();
                    using.iter().all(|u| first.contains(&u))
                }
                // NATURAL
                (Some(None), Some(columns)) => {
                    let Some(other) = self.columns_of(&join.relation) else { return false };
                    let both = columns.iter().filter(|c| other.contains(c)).count();
                    columns.iter().take(both).all(|c| other.contains(c))
                }
            })
        });
        if known {
            return Ok(());
        }
        Err(allowed::unsupported("SELECT * over a join with USING or NATURAL whose columns are not the first ones")
            .hint("Name the columns, or write ON."))
    }

    /// The names in lower case of a table's columns; `None` for what is no table.
    fn columns_of(&self, factor: &TableFactor) -> Option<Vec<String>> {
        let TableFactor::Table { name, .. } = factor else { return None };
        let name = name.0.last()?.as_ident()?;
        self.binder.bound.iter().find(|(bound, _)| *bound == name.value).and_then(|(_, source)| match source {
            Source::Table { table, .. } | Source::System { table, .. } => {
                Some(table.columns.iter().map(|c| c.name.to_lowercase()).collect())
            }
            _ => None,
        })
    }

    fn check_table(&mut self, factor: &mut TableFactor) -> Result<()> {
        allowed::table(factor)?;
        match factor {
            TableFactor::Derived { subquery, alias: Some(alias), .. } => {
                self.headings.derive(&alias.name.value);
                self.lower_columns(&mut alias.columns);
                if alias.columns.is_empty() { differ(subquery) } else { Ok(()) }
            }
            TableFactor::Table { alias: Some(alias), .. } if !alias.columns.is_empty() => {
                Err(allowed::unsupported("a list of columns after a table's alias"))
            }
            _ => Ok(()),
        }
    }

    /// Binds a table reference.
    fn table(&mut self, factor: &mut TableFactor) -> Result<()> {
        let TableFactor::Table { name, alias, .. } = factor else { return Ok(()) };
        let parts = idents(name)?;
        let (database, table) = match parts.as_slice() {
            [table] => (None, table),
            [database, table] => (Some(database.value.clone()), table),
            _ => {
                return Err(Error::new(Kind::Syntax, format!("{name} is no table's name"))
                    .hint("Write database.table; a database of another cluster is `cluster/database`."));
            }
        };
        let at = place(table.span).unwrap_or(usize::MAX);
        if database.is_none() && self.is_cte(&table.value, at) {
            self.headings.derive(alias.as_ref().map_or(&table.value, |a| &a.name.value));
            if self.text.moments.contains_key(&at) {
                return Err(Error::new(Kind::Syntax, format!("'{}' is a WITH query: it has no moment", table.value))
                    .hint("Write AS OF after the tables inside of it."));
            }
            return Ok(());
        }
        let clause = self.text.moments.get(&at);
        let source = self.binder.resolve(database.as_deref(), &table.value, clause, &self.around)?;
        let known = self.scopes.iter().rev().flat_map(|s| &s.tables).find(|t| t.place == at);
        let known = known.map_or_else(|| table.value.clone(), |t| t.alias.clone());
        let alias = alias.take().unwrap_or_else(|| alias_named(planned(known)));
        *factor = match source {
            Source::View(view) => self.view(view, alias)?,
            source => table_factor(self.binder.keep(source), alias),
        };
        Ok(())
    }

    /// A view's query in the view's place.
    fn view(&mut self, view: View, mut alias: TableAlias) -> Result<TableFactor> {
        if self.depth >= VIEW_DEPTH {
            return Err(Error::new(Kind::Limit, format!("views stand in views deeper than {VIEW_DEPTH} times")));
        }
        let what = format!("view {}.{}", view.database, view.name);
        let mut query = parse_query(&view.sql, &view.tokens).map_err(|e| {
            Error::new(Kind::Unsupported, format!("{what} is not understood: {}", e.message))
                .hint("Ask the view's tables themselves.")
        })?;
        let moments = Moments::new();
        let text = Text { sql: &view.sql, tokens: &view.tokens, moments: &moments };
        let around = Surroundings { view: Some((view.cluster, view.database, view.moment)) };
        rewrite_in(&mut query, &text, self.binder, self.headings, around, self.depth + 1)
            .map_err(|e| e.context(what))?;
        self.headings.derive(&alias.name.value);
        for column in &view.columns {
            let name = planned(self.headings.lower(column));
            alias.columns.push(TableAliasColumnDef { name, data_type: None });
        }
        Ok(TableFactor::Derived { lateral: false, subquery: query, alias: Some(alias), sample: None })
    }

    fn is_cte(&self, name: &str, at: usize) -> bool {
        self.scopes.iter().any(|s| s.ctes.iter().any(|(cte, from)| cte == name && at >= *from))
    }

    fn expr(&mut self, expr: &mut Expr) -> Result<()> {
        match expr {
            Expr::Identifier(name) => *name = lowered(name),
            Expr::CompoundIdentifier(parts) => match parts.as_mut_slice() {
                [_, column] => *column = lowered(column),
                [database, table, column] => {
                    let alias = self.alias_of(&database.value, &table.value, &column.value)?;
                    *expr = Expr::CompoundIdentifier(vec![planned(alias), lowered(column)]);
                }
                _ => return Err(Error::new(Kind::UnknownColumn, format!("Unknown column '{expr}'"))),
            },
            _ => {}
        }
        Ok(())
    }

    /// What planning knows the table by that a column's name names with its database.
    fn alias_of(&self, database: &str, table: &str, column: &str) -> Result<String> {
        let default = self.binder.place.database.as_ref().map(|d| d.database.as_str());
        let default = self.around.view.as_ref().map(|(_, d, _)| d.as_str()).or(default);
        let found = self
            .scopes
            .iter()
            .rev()
            .flat_map(|s| &s.tables)
            .find(|t| t.alias_of_own && t.table == table && t.database.as_deref().or(default) == Some(database));
        found.map(|t| t.alias.clone()).ok_or_else(|| {
            let what = if column == "*" { "Unknown table" } else { "Unknown column" };
            Error::new(Kind::UnknownColumn, format!("{what} '{database}.{table}.{column}'"))
        })
    }
}

/// The tables that an entry of FROM names, with those of its joins.
fn named_in(from: &TableWithJoins, tables: &mut Vec<Named>) {
    for factor in std::iter::once(&from.relation).chain(from.joins.iter().map(|j| &j.relation)) {
        match factor {
            TableFactor::NestedJoin { table_with_joins, .. } => named_in(table_with_joins, tables),
            TableFactor::Derived { alias: Some(alias), .. } => tables.push(Named {
                database: None,
                table: String::new(),
                place: usize::MAX,
                alias: alias.name.value.clone(),
                alias_of_own: false,
            }),
            TableFactor::Table { name, alias, .. } => {
                let mut parts: Vec<&Ident> = name.0.iter().filter_map(ObjectNamePart::as_ident).collect();
                let Some(table) = parts.pop() else { continue };
                tables.push(Named {
                    database: parts.pop().map(|d| d.value.clone()),
                    table: table.value.clone(),
                    place: place(table.span).unwrap_or(usize::MAX),
                    alias: alias.as_ref().map_or(&table.value, |a| &a.name.value).clone(),
                    alias_of_own: alias.is_none(),
                });
            }
            _ => {}
        }
    }
}

/// Tables of one name in several databases are told apart by the database. Errors: `Ambiguous`, as MySQL's error 1066.
fn tell_apart(tables: &mut [Named]) -> Result<()> {
    let mut aliases: Vec<Option<String>> = vec![None; tables.len()];
    for (i, table) in tables.iter().enumerate() {
        for (_, other) in tables.iter().enumerate().filter(|(j, _)| *j != i) {
            if table.alias != other.alias {
                continue;
            }
            if !table.alias_of_own || !other.alias_of_own || table.database == other.database {
                return Err(Error::new(Kind::Ambiguous, format!("Not unique table/alias: '{}'", table.alias))
                    .hint("Give each of them an alias."));
            }
            aliases[i] = table.database.as_ref().map(|d| format!("{d}.{}", table.table));
        }
    }
    for (table, alias) in tables.iter_mut().zip(aliases) {
        table.alias = alias.unwrap_or_else(|| std::mem::take(&mut table.alias));
    }
    Ok(())
}

/// The columns that a join shares: by USING, or (`Some(None)`) all of the same name.
pub(super) fn shared(operator: &JoinOperator) -> Option<Option<Vec<String>>> {
    match operator {
        JoinOperator::Inner(c) | JoinOperator::Left(c) | JoinOperator::Right(c) | JoinOperator::CrossJoin(c) => match c
        {
            JoinConstraint::Using(columns) => {
                let name = |c: &ObjectName| c.0.last().and_then(|p| p.as_ident()).map(|i| i.value.to_lowercase());
                Some(Some(columns.iter().filter_map(name).collect()))
            }
            JoinConstraint::Natural => Some(None),
            _ => None,
        },
        _ => None,
    }
}

fn lower_using(from: &mut TableWithJoins) {
    if let TableFactor::NestedJoin { table_with_joins, .. } = &mut from.relation {
        lower_using(table_with_joins);
    }
    for join in &mut from.joins {
        if let TableFactor::NestedJoin { table_with_joins, .. } = &mut join.relation {
            lower_using(table_with_joins);
        }
        if let JoinOperator::Inner(JoinConstraint::Using(columns))
        | JoinOperator::Left(JoinConstraint::Using(columns))
        | JoinOperator::Right(JoinConstraint::Using(columns)) = &mut join.join_operator
        {
            for name in columns.iter_mut().flat_map(|c| &mut c.0) {
                if let ObjectNamePart::Identifier(ident) = name {
                    *ident = lowered(ident);
                }
            }
        }
    }
}

fn idents(name: &ObjectName) -> Result<Vec<Ident>> {
    let parts: Option<Vec<Ident>> = name.0.iter().map(|p| p.as_ident().cloned()).collect();
    parts.ok_or_else(|| Error::new(Kind::Syntax, format!("{name} is no table's name")))
}

/// A name as planning is to find it.
pub(super) fn planned(name: String) -> Ident {
    Ident::with_quote('`', name)
}

fn lowered(name: &Ident) -> Ident {
    Ident { value: name.value.to_lowercase(), quote_style: Some('`'), span: name.span }
}

fn alias_named(name: Ident) -> TableAlias {
    TableAlias { explicit: true, name, columns: Vec::new(), at: None }
}

fn table_factor(name: String, alias: TableAlias) -> TableFactor {
    TableFactor::Table {
        name: ObjectName::from(vec![planned(name)]),
        alias: Some(alias),
        args: None,
        with_hints: Vec::new(),
        version: None,
        with_ordinality: false,
        partitions: Vec::new(),
        json_path: None,
        sample: None,
        index_hints: Vec::new(),
    }
}
