//! What should the reader of a plan know? Whole sentences: what is not restored, what is left on the target.

use super::ddl;
use super::inventory::Inventory;
use super::plan::Wanted;
use super::request::{RestoreRequest, What};
use crate::model::{ObjectKind, TableName};
use std::collections::BTreeSet;

/// For rows that go into a table that stands.
pub fn merge_notes(wanted: &Wanted, found: &Inventory) -> Vec<String> {
    let ours = |name: &TableName| wanted.tables.iter().any(|t| found.same_table(&t.name, name));
    let triggers: Vec<_> = found.triggers.iter().filter(|t| ours(&t.table)).map(|t| t.name.as_str()).collect();
    match triggers.is_empty() {
        true => Vec::new(),
        false => vec![format!("The table's triggers on the target run for these rows: {}.", triggers.join(", "))],
    }
}

/// For whole tables.
pub fn notes(request: &RestoreRequest, wanted: &Wanted, found: &Inventory) -> Vec<String> {
    let mut notes = Vec::new();
    if request.what == What::Cluster {
        notes.push("Accounts and grants are not restored.".to_string());
    }
    let comes = |name: &TableName| wanted.tables.iter().any(|t| t.name == *name);
    for table in &wanted.tables {
        for parent in ddl::references(&table.create, &table.name).iter().filter(|p| !comes(p)) {
            let name = &table.name;
            notes.push(match wanted.databases.contains_key(&parent.database) && found.standing(parent).is_none() {
                true => format!("Table {name} refers by a foreign key to {parent}, which the target does not have."),
                false => {
                    format!("Table {name} refers by a foreign key to {parent}; that its rows match is not checked.")
                }
            });
        }
    }
    if matches!(request.what, What::Databases(_) | What::Cluster) {
        let views = wanted.objects.iter().filter(|o| o.key.kind == ObjectKind::View);
        let views: Vec<_> = views.map(|o| TableName::new(&o.key.database, &o.key.name)).collect();
        let ours = |t: &TableName| comes(t) || views.contains(t);
        let others: Vec<_> = found.tables.keys().filter(|t| !ours(t)).map(TableName::to_string).collect();
        if !others.is_empty() {
            notes.push(format!("The target also has {}, which did not exist then; they stay.", others.join(", ")));
        }
    }
    for twin in trigger_twins(wanted) {
        notes.push(format!(
            "Table {twin} has several triggers for one event; they are made in the order of their names."
        ));
    }
    if !found.leftovers.is_empty() {
        notes.push(format!(
            "The target has {}, of another restore that runs or was broken off; drop them if none runs.",
            found.leftovers.join(", ")
        ));
    }
    notes
}

/// Tables with more than one trigger for the same time and event.
fn trigger_twins(wanted: &Wanted) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let triggers = wanted.objects.iter().filter(|o| o.key.kind == ObjectKind::Trigger);
    let keys = triggers.map(|o| (&o.key.database, o.table.clone().unwrap_or_default(), ddl::trigger_event(&o.create)));
    keys.filter(|key| !seen.insert(key.clone())).map(|(database, table, _)| format!("{database}.{table}")).collect()
}
