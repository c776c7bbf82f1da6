//! What did the cluster consist of after a commit? Folded from the manifest and the log's schema changes.

use super::{Base, Footer, Manifest};
use crate::model::{Catalog, Seq};

impl Manifest {
    /// Everything but the rows, as it was after commit `seq`. `footers`: all segments', in order.
    /// A base taken at a seq holds what commits up to that seq left: it comes after their schema changes, and ends
    /// the uncertainty of its table.
    pub fn catalog_at<'a>(&self, footers: impl IntoIterator<Item = &'a Footer>, seq: Seq) -> Catalog {
        let mut catalog = self.catalog.clone();
        let mut retaken: Vec<&Base> = self.bases.iter().filter(|b| b.seq > self.start.seq && b.seq <= seq).collect();
        retaken.sort_by_key(|b| b.seq);
        let mut retaken = retaken.into_iter().peekable();
        let entries = footers.into_iter().flat_map(|f| &f.schema).take_while(|e| e.seq <= seq);
        for entry in entries {
            while let Some(base) = retaken.next_if(|b| b.seq < entry.seq) {
                catalog.take_base(base);
            }
            entry.changes.iter().for_each(|change| catalog.apply(change));
        }
        retaken.for_each(|base| catalog.take_base(base));
        catalog
    }
}

impl Catalog {
    fn take_base(&mut self, base: &Base) {
        self.uncertain.remove(&base.table);
        self.refused.remove(&base.schema.name);
        self.next_table = self.next_table.max(base.table.0 + 1);
        self.tables.insert(base.table, base.schema.clone());
    }
}
