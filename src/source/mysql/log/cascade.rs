//! What a foreign key's action changes is not in the log. It can be derived later while the rows of every table that
//! such keys lead to are told; here is looked after that.

use super::super::event::{Cut, RawEvent};
use super::super::shape::{self, RowsKind};
use super::LogReader;
use crate::model::TableId;

impl LogReader {
    /// Certain tables whose rows the server may change by itself with rows of a table that is uncertain, or that is
    /// left out or refused. (A parent that does not exist at all changes nothing.)
    pub(super) fn find_at_risk(&self) -> Vec<TableId> {
        let cascades = &self.cascades;
        if cascades.is_empty() {
            return Vec::new();
        }
        let orphan = |id: &TableId| {
            self.catalog.tables.get(id).is_some_and(|t| {
                t.foreign_keys.iter().filter(|f| f.cascades()).any(|f| {
                    let exists = !self.filter.table(&f.parent) || self.catalog.refused.contains_key(&f.parent);
                    self.catalog.parent(f).is_none() && exists
                })
            })
        };
        let unsure = |id: &TableId| self.catalog.uncertain.contains_key(id) || orphan(id);
        let certain = cascades.children().filter(|id| !self.catalog.uncertain.contains_key(id));
        certain.filter(|id| orphan(id) || cascades.ancestors(*id).iter().any(unsure)).collect()
    }

    /// Before rows are taken: whether what they take with them can be derived.
    pub(super) fn risk(&mut self, e: &RawEvent<'_>) -> Cut<()> {
        let takes_along = !self.at_risk.is_empty()
            && matches!(shape::rows_kind(e.kind), Some((RowsKind::Update | RowsKind::Delete, ..)))
            && shape::rows_cascade(e)?;
        if takes_along {
            self.doubt_at_risk();
        }
        Ok(())
    }

    /// These tables, and those that foreign keys may change with their rows.
    pub(super) fn with_children(&self, tables: &[TableId]) -> Vec<TableId> {
        let cascades = &self.cascades;
        let mut all = tables.to_vec();
        let hangs_on = |id: &TableId| {
            let ancestors = cascades.ancestors(*id);
            !self.catalog.uncertain.contains_key(id) && tables.iter().any(|t| ancestors.contains(t))
        };
        all.extend(cascades.children().filter(|id| !tables.contains(id)).filter(hangs_on));
        all
    }

    pub(super) fn doubt_at_risk(&mut self) {
        if !self.at_risk.is_empty() && !self.transaction.as_ref().is_some_and(|t| t.known) {
            let tables = std::mem::take(&mut self.at_risk);
            self.doubt(
                &tables,
                "foreign keys change its rows with those of a table that cannot be followed now, and the server does not \
                 log these changes",
            );
        }
    }
}
