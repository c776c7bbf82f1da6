//! What does `*` stand for? Every column that is not invisible.

use super::allowed;
use super::bind::{Binder, Source};
use super::rewrite::{planned, shared};
use crate::error::Result;
use datafusion::sql::sqlparser::ast::{
    ExcludeSelectItem, ObjectName, Select, SelectItem, SelectItemQualifiedWildcardKind, TableFactor, TableWithJoins,
    WildcardAdditionalOptions,
};

/// An alias in FROM with the invisible columns of its table.
type Hidden = (String, Vec<String>);

/// Makes each `*` leave invisible columns out. The tables are bound already.
/// Errors: `Unsupported` for a `*` over USING or NATURAL with such a table.
pub(super) fn leave_out(select: &mut Select, binder: &Binder) -> Result<()> {
    let mut all: Vec<Hidden> = Vec::new();
    select.from.iter().for_each(|from| collect(from, binder, &mut all));
    if all.iter().all(|(_, hidden)| hidden.is_empty()) {
        return Ok(());
    }
    for old in std::mem::take(&mut select.projection) {
        match &old {
            SelectItem::Wildcard(_) => {
                if select.from.iter().flat_map(|f| &f.joins).any(|j| shared(&j.join_operator).is_some()) {
                    let what = "SELECT * over USING or NATURAL and a table with invisible columns";
                    return Err(allowed::unsupported(what).hint("Name the columns, or write ON."));
                }
                select.projection.extend(all.iter().map(item));
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                let name = name.0.last().and_then(|p| p.as_ident()).map(|i| i.value.as_str());
                let known = all.iter().find(|(alias, _)| Some(alias.as_str()) == name).map(item);
                select.projection.push(known.unwrap_or(old));
            }
            _ => select.projection.push(old),
        }
    }
    Ok(())
}

fn item((alias, hidden): &Hidden) -> SelectItem {
    let hidden: Vec<_> = hidden.iter().map(|c| ObjectName::from(vec![planned(c.clone())])).collect();
    let opt_exclude = (!hidden.is_empty()).then_some(ExcludeSelectItem::Multiple(hidden));
    let kind = SelectItemQualifiedWildcardKind::ObjectName(ObjectName::from(vec![planned(alias.clone())]));
    SelectItem::QualifiedWildcard(kind, WildcardAdditionalOptions { opt_exclude, ..Default::default() })
}

fn collect(from: &TableWithJoins, binder: &Binder, all: &mut Vec<Hidden>) {
    for factor in std::iter::once(&from.relation).chain(from.joins.iter().map(|j| &j.relation)) {
        match factor {
            TableFactor::NestedJoin { table_with_joins, .. } => collect(table_with_joins, binder, all),
            TableFactor::Derived { alias: Some(alias), .. } => all.push((alias.name.value.clone(), Vec::new())),
            TableFactor::Table { name, alias, .. } => {
                let name = name.0.last().and_then(|p| p.as_ident()).map(|i| i.value.clone()).unwrap_or_default();
                let source = binder.bound.iter().find(|(bound, _)| *bound == name).map(|(_, source)| source);
                let hidden = match source {
                    Some(Source::Table { table, .. } | Source::System { table, .. }) => {
                        table.columns.iter().filter(|c| c.invisible).map(|c| c.name.to_lowercase()).collect()
                    }
                    _ => Vec::new(),
                };
                all.push((alias.as_ref().map_or(name, |a| a.name.value.clone()), hidden));
            }
            _ => {}
        }
    }
}
