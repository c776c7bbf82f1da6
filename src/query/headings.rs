//! Which headings do a result's columns have? An item's alias; a column's name as it was written; else the item's
//! text. To bring them through planning, which knows names in lower case and no name twice, some items get aliases
//! of ours.

use super::dialect::place;
use super::lexer::{Lexeme, Token};
use crate::error::{Error, Kind, Result};
use datafusion::sql::sqlparser::ast::{
    Expr, Ident, OrderByKind, Query, Select, SelectItem, SetExpr, Value, visit_expressions_mut,
};
use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

/// Begins the names of items that could not keep their own.
const OURS: char = '\u{1}';

/// How names were written: by their form in lower case, and by the aliases of ours.
#[derive(Debug, Default)]
pub(super) struct Headings {
    spelled: HashMap<String, String>,
    /// Of the first SELECT, item by item, if none of them is a `*`.
    items: Option<Vec<String>>,
    made: usize,
    /// Aliases of views and subqueries: their columns are headed as their own items were written.
    derived: HashSet<String>,
    /// The places of the SELECTs that have been named.
    named: HashSet<usize>,
}

/// What the items of a SELECT are called, for its ORDER BY.
#[derive(Default)]
struct Names {
    /// Names in lower case to the aliases of ours.
    renamed: HashMap<String, String>,
    /// Names that stand for several different items.
    ambiguous: HashSet<String>,
}

impl Headings {
    /// The heading of the result's column at `position`, which planning calls `name` of `table`; `original`: the name
    /// of the table's column that it is, or empty.
    pub fn heading(&self, position: usize, name: &str, table: &str, original: &str) -> String {
        if let Some(item) = self.items.as_ref().and_then(|items| items.get(position)) {
            return item.clone();
        }
        if original.to_lowercase() == name && !(self.derived.contains(table) && self.spelled.contains_key(name)) {
            return original.to_string();
        }
        self.spelled.get(name).cloned().unwrap_or_else(|| name.to_string())
    }

    /// What is known by this alias has items, not a table's columns.
    pub fn derive(&mut self, alias: &str) {
        self.derived.insert(alias.to_string());
    }

    /// Keeps how a name was written, and answers the form in which planning knows it.
    pub fn lower(&mut self, name: &str) -> String {
        let lower = name.to_lowercase();
        if lower != name {
            self.spelled.entry(lower.clone()).or_insert_with(|| name.to_string());
        }
        lower
    }

    /// Names the items of a query's SELECTs, and what its ORDER BY means by these names. `top`: the columns of the
    /// first SELECT are the result's. Errors: `Ambiguous`.
    pub fn name_query(&mut self, sql: &str, tokens: &[Token], query: &mut Query, top: bool) -> Result<()> {
        let names = self.name_set(sql, tokens, &mut query.body, top);
        let Some(order) = &mut query.order_by else { return Ok(()) };
        let OrderByKind::Expressions(sorts) = &mut order.kind else { return Ok(()) };
        for sort in sorts {
            if let Some(name) = plain_name(&sort.expr).filter(|n| names.ambiguous.contains(n)) {
                return Err(Error::new(Kind::Ambiguous, format!("Column '{name}' in order clause is ambiguous")));
            }
            rename(&mut sort.expr, &names.renamed);
        }
        Ok(())
    }

    /// Answers the names of the leftmost SELECT.
    fn name_set(&mut self, sql: &str, tokens: &[Token], body: &mut SetExpr, top: bool) -> Names {
        match body {
            SetExpr::Select(select) => self.name_items(sql, tokens, select, top),
            SetExpr::Query(query) => self.name_set(sql, tokens, &mut query.body, top),
            SetExpr::SetOperation { left, right, .. } => {
                let names = self.name_set(sql, tokens, left, top);
                self.name_set(sql, tokens, right, false);
                names
            }
            _ => Names::default(),
        }
    }

    fn name_items(&mut self, sql: &str, tokens: &[Token], select: &mut Select, top: bool) -> Names {
        let mut names = Names::default();
        let Some(at) = place(select.select_token.0.span) else { return names };
        if !self.named.insert(at) {
            return names;
        }
        let texts = item_texts(sql, tokens, at, select.projection.len());
        let star = select
            .projection
            .iter()
            .any(|i| !matches!(i, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. }));
        let mut headings = Vec::new();
        let mut taken: HashMap<String, Expr> = HashMap::new();
        for (i, item) in select.projection.iter_mut().enumerate() {
            let (expr, alias) = match item {
                SelectItem::UnnamedExpr(expr) => (expr.clone(), None),
                SelectItem::ExprWithAlias { expr, alias } => (expr.clone(), Some(alias.value.clone())),
                _ => continue,
            };
            let plain = alias.is_none() && column_name(&expr).is_some();
            let heading = alias.clone().or_else(|| own_name(&expr));
            let heading = heading.or_else(|| texts.get(i).cloned()).unwrap_or_else(|| expr.to_string());
            headings.push(heading.clone());
            let lower = self.lower(&heading);
            let before = taken.get(&lower);
            if before.is_some_and(|b| *b != expr) {
                names.ambiguous.insert(lower.clone());
            }
            let again = before.is_some();
            taken.entry(lower.clone()).or_insert_with(|| expr.clone());
            if plain && !again && !star {
                continue;
            }
            let name = if again || star { self.ours(&heading) } else { lower.clone() };
            if star && alias.is_some() && !again {
                names.renamed.insert(lower, name.clone());
            }
            *item = SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('`', name) };
        }
        if let Some(having) = &mut select.having {
            rename(having, &names.renamed);
        }
        if top && !star {
            self.items = Some(headings);
        }
        names
    }

    /// A name that nothing else has, for this heading.
    fn ours(&mut self, heading: &str) -> String {
        self.made += 1;
        let name = format!("{OURS}{}:{}", self.made, heading.to_lowercase());
        self.spelled.insert(name.clone(), heading.to_string());
        name
    }
}

/// The columns of a derived table must differ in name. Errors: `Ambiguous`, in the words of MySQL's error 1060.
pub(super) fn differ(query: &Query) -> Result<()> {
    let mut body = query.body.as_ref();
    let select = loop {
        match body {
            SetExpr::Select(select) => break select,
            SetExpr::Query(query) => body = query.body.as_ref(),
            SetExpr::SetOperation { left, .. } => body = left,
            _ => return Ok(()),
        }
    };
    let mut names: HashSet<String> = HashSet::new();
    for item in &select.projection {
        let name = match item {
            SelectItem::UnnamedExpr(expr) => Some(own_name(expr).unwrap_or_else(|| expr.to_string())),
            SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.clone()),
            _ => None,
        };
        if let Some(name) = name.filter(|n| !names.insert(n.to_lowercase())) {
            return Err(Error::new(Kind::Ambiguous, format!("Duplicate column name '{name}'")));
        }
    }
    Ok(())
}

/// An internal name without what we put before it.
pub(super) fn without_ours(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(OURS) {
        out += before;
        rest = after.split_once(':').map_or(after, |(_, name)| name);
    }
    out + rest
}

fn column_name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(name) => Some(name.value.clone()),
        Expr::CompoundIdentifier(parts) => parts.last().map(|p| p.value.clone()),
        _ => None,
    }
}

/// A column's name; a string's content.
fn own_name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Value(v) => match &v.value {
            Value::SingleQuotedString(text) => Some(text.clone()),
            _ => None,
        },
        _ => column_name(expr),
    }
}

fn plain_name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(name) => Some(name.value.to_lowercase()),
        _ => None,
    }
}

fn rename(expr: &mut Expr, renamed: &HashMap<String, String>) {
    if renamed.is_empty() {
        return;
    }
    let _ = visit_expressions_mut(expr, |e| {
        if let Expr::Identifier(name) = e
            && let Some(ours) = renamed.get(&name.value.to_lowercase())
        {
            name.value = ours.clone();
        }
        ControlFlow::<()>::Continue(())
    });
}

/// The texts of a SELECT's items, as they were written. Empty when they cannot be told apart.
fn item_texts(sql: &str, tokens: &[Token], select: usize, count: usize) -> Vec<String> {
    const BEFORE: [&str; 10] = [
        "ALL",
        "DISTINCT",
        "DISTINCTROW",
        "HIGH_PRIORITY",
        "STRAIGHT_JOIN",
        "SQL_SMALL_RESULT",
        "SQL_BIG_RESULT",
        "SQL_BUFFER_RESULT",
        "SQL_NO_CACHE",
        "SQL_CACHE",
    ];
    const AFTER: [&str; 15] = [
        "FROM",
        "WHERE",
        "GROUP",
        "HAVING",
        "ORDER",
        "LIMIT",
        "UNION",
        "EXCEPT",
        "INTERSECT",
        "INTO",
        "FOR",
        "LOCK",
        "WINDOW",
        "PROCEDURE",
        "OFFSET",
    ];
    let start = tokens.iter().position(|t| t.start == select).map_or(tokens.len(), |i| i + 1);
    let rest = tokens.get(start..).unwrap_or_default();
    let skip = rest.iter().take_while(|t| BEFORE.iter().any(|k| t.is(k))).count();
    let (mut texts, mut depth, mut from, mut end) = (Vec::new(), 0_usize, None, 0);
    let mut cut = |from: &mut Option<usize>, end: usize| {
        texts.extend(from.take().and_then(|from| sql.get(from..end)).map(str::to_string));
    };
    let mut dot = false;
    for token in rest.get(skip..).unwrap_or_default() {
        match &token.lexeme {
            Lexeme::Symbol("(") => depth += 1,
            Lexeme::Symbol(")") if depth == 0 => break,
            Lexeme::Symbol(")") => depth -= 1,
            Lexeme::Symbol(",") if depth == 0 => {
                cut(&mut from, end);
                continue;
            }
            Lexeme::Word { quoted: false, .. } if depth == 0 && !dot && AFTER.iter().any(|k| token.is(k)) => break,
            _ => {}
        }
        dot = token.is_symbol(".");
        from = from.or(Some(token.start));
        end = token.end;
    }
    cut(&mut from, end);
    if texts.len() == count { texts } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::super::dialect::parse_query;
    use super::super::lexer::{LexMode, tokenize};
    use super::*;

    fn headings(sql: &str) -> Result<(Vec<String>, String)> {
        let tokens = tokenize(sql, LexMode::default())?.list;
        let mut query = parse_query(sql, &tokens)?;
        let mut headings = Headings::default();
        headings.name_query(sql, &tokens, &mut query, true)?;
        Ok((headings.items.unwrap_or_default(), without_ours(&query.to_string())))
    }

    #[test]
    fn items_are_headed_by_alias_name_or_text() {
        let (items, _) = headings(
            "SELECT DISTINCT ID, t.Name, a  +  1, COUNT( * ) n, 'it''s', NULL, f(a, (SELECT 1 FROM u)) FROM t",
        )
        .unwrap();
        assert_eq!(items, ["ID", "Name", "a  +  1", "n", "it's", "NULL", "f(a, (SELECT 1 FROM u))"]);
    }

    #[test]
    fn names_that_come_twice_are_kept_apart() {
        let (items, query) = headings("SELECT a, b AS A, 1, 1 FROM t").unwrap();
        assert_eq!(items, ["a", "A", "1", "1"]);
        assert_eq!(query, "SELECT a, b AS `a`, 1 AS `1`, 1 AS `1` FROM t");
        let e = headings("SELECT a, b AS A FROM t ORDER BY a").unwrap_err();
        assert_eq!(e.kind, Kind::Ambiguous);
        headings("SELECT a, a FROM t ORDER BY a").unwrap();
    }

    #[test]
    fn an_alias_beside_a_star_is_what_order_by_means() {
        let sql = "SELECT *, -a AS a FROM t ORDER BY A";
        let tokens = tokenize(sql, LexMode::default()).unwrap().list;
        let mut query = parse_query(sql, &tokens).unwrap();
        Headings::default().name_query(sql, &tokens, &mut query, true).unwrap();
        assert_eq!(query.to_string(), "SELECT *, -a AS `\u{1}1:a` FROM t ORDER BY \u{1}1:a");
        assert!(without_ours("x \u{1}12:name y \u{1}3:b") == "x name y b");
    }
}
