//! Which tables' rows does the server change by itself, when it changes others? As foreign keys with actions say.

use super::change::Catalog;
use super::schema::{ForeignKey, TableId, TableName, TableSchema};
use super::types::ColumnType;
use super::value::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

impl Catalog {
    /// The table that a foreign key refers to; where none has exactly this name, one that differs only in case.
    pub fn parent(&self, key: &ForeignKey) -> Option<&Arc<TableSchema>> {
        self.table(&key.parent).or_else(|| self.tables.values().find(|t| same_table(&t.name, &key.parent)))
    }
}

/// Names of tables that differ at most in case.
pub fn same_table(a: &TableName, b: &TableName) -> bool {
    a.database.eq_ignore_ascii_case(&b.database) && a.table.eq_ignore_ascii_case(&b.table)
}

/// Of one catalog: the tables that foreign keys with actions connect.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cascades {
    /// Of tables with such keys: the parents that there are.
    parents: BTreeMap<TableId, BTreeSet<TableId>>,
    /// Of tables to which such keys refer: positions of the columns that they name.
    referenced: BTreeMap<TableId, Vec<usize>>,
}

impl Cascades {
    pub fn of(catalog: &Catalog) -> Self {
        let mut this = Self::default();
        for table in catalog.tables.values() {
            for key in table.foreign_keys.iter().filter(|k| k.cascades()) {
                let parents = this.parents.entry(table.id).or_default();
                let Some(parent) = catalog.parent(key) else { continue };
                parents.insert(parent.id);
                let columns = this.referenced.entry(parent.id).or_default();
                columns.extend(key.parent_columns.iter().filter_map(|c| parent.column(c)).map(|(at, _)| at));
                columns.sort_unstable();
                columns.dedup();
            }
        }
        this
    }

    pub fn is_empty(&self) -> bool {
        self.parents.is_empty()
    }

    /// Whether the server may change rows of this table by itself.
    pub fn has_parents(&self, id: TableId) -> bool {
        self.parents.contains_key(&id)
    }

    /// The columns that others refer to; none: no action hangs on this table's rows.
    pub fn referenced(&self, id: TableId) -> &[usize] {
        self.referenced.get(&id).map(Vec::as_slice).unwrap_or_default()
    }

    /// The tables whose changes can change this one's rows, over any number of others. It is among them itself only
    /// if the way leads back.
    pub fn ancestors(&self, id: TableId) -> BTreeSet<TableId> {
        let mut found = BTreeSet::new();
        let mut open = vec![id];
        while let Some(next) = open.pop() {
            for parent in self.parents.get(&next).into_iter().flatten() {
                if found.insert(*parent) {
                    open.push(*parent);
                }
            }
        }
        found
    }

    /// All tables that have such keys.
    pub fn children(&self) -> impl Iterator<Item = TableId> {
        self.parents.keys().copied()
    }
}

/// Whether it is known which values of such a column the server takes for equal.
pub fn referable(kind: &ColumnType, collation: Option<&str>) -> bool {
    match kind {
        ColumnType::Float { .. } | ColumnType::Double { .. } => false,
        ColumnType::Enum { .. } | ColumnType::Set { .. } | ColumnType::Json => false,
        kind if kind.is_text() => collation.is_some_and(|c| c.ends_with("_bin")),
        _ => true,
    }
}

/// Adds bytes that are equal for values that the server takes for equal. `None`: the value is NULL, which refers to
/// nothing. The column must be `referable`.
pub fn reference_bytes(kind: &ColumnType, collation: Option<&str>, value: &Value, out: &mut Vec<u8>) -> Option<()> {
    let mut put = |tag: u8, bytes: &[u8]| {
        out.push(tag);
        out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
        out.extend_from_slice(bytes);
    };
    match value {
        Value::Null => return None,
        Value::Int(v) => put(1, &i128::from(*v).to_be_bytes()),
        Value::UInt(v) => put(1, &i128::from(*v).to_be_bytes()),
        Value::Float(v) => put(2, &v.to_bits().to_be_bytes()),
        Value::Double(v) => put(3, &v.to_bits().to_be_bytes()),
        Value::Decimal(_) => put(4, &value.display(kind).unwrap_or_default()),
        Value::Date(v) => put(5, &v.to_be_bytes()),
        Value::DateTime(v) => put(6, &v.to_be_bytes()),
        Value::Time(v) => put(7, &v.to_be_bytes()),
        Value::Bytes(v) => put(8, v),
        Value::Text(v) => {
            let no_pad = collation.is_some_and(|c| c.contains("nopad") || c.contains("0900"));
            let text = if no_pad { v.as_str() } else { v.trim_end_matches(' ') };
            put(9, text.as_bytes());
        }
    }
    Some(())
}
