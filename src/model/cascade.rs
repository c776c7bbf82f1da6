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

/// How a collation compares texts, as far as it is known here.
enum Texts {
    /// By their characters.
    Exact,
    /// Printable ASCII without regard to case; of other characters it is not known which are equal to which.
    Folded,
    Unknown,
}

fn texts(collation: Option<&str>) -> Texts {
    let Some(name) = collation else { return Texts::Unknown };
    let (charset, rest) = name.split_once('_').unwrap_or(("", name));
    let general = ["general", "general_nopad", "unicode", "unicode_nopad", "unicode_520", "unicode_520_nopad"];
    let uca = ["0900_ai", "0900_as", "uca1400_ai", "uca1400_as", "uca1400_nopad_ai", "uca1400_nopad_as"];
    let unprefixed = name.starts_with("uca1400_").then_some(name);
    match unprefixed.unwrap_or(rest) {
        rest if rest == "bin" || rest.ends_with("_bin") => Texts::Exact,
        "swedish_ci" | "swedish_nopad_ci" if charset == "latin1" => Texts::Folded,
        rest => match rest.strip_suffix("_ci") {
            Some(rest) if general.contains(&rest) || uca.contains(&rest) => Texts::Folded,
            _ => Texts::Unknown,
        },
    }
}

/// Whether it is known which values of such a column the server takes for equal.
pub fn referable(kind: &ColumnType, collation: Option<&str>) -> bool {
    match kind {
        ColumnType::Float { .. } | ColumnType::Double { .. } => false,
        ColumnType::Enum { .. } | ColumnType::Set { .. } | ColumnType::Json => false,
        kind if kind.is_text() => !matches!(texts(collation), Texts::Unknown),
        _ => true,
    }
}

/// What a value refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reference {
    /// NULL refers to nothing.
    Nothing,
    Known,
    /// It is not known which other values the server takes for equal.
    Unknown,
}

/// Adds bytes that are equal for values that the server takes for equal. The column must be `referable`.
pub fn reference_bytes(kind: &ColumnType, collation: Option<&str>, value: &Value, out: &mut Vec<u8>) -> Reference {
    let mut put = |tag: u8, bytes: &[u8]| {
        out.push(tag);
        out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
        out.extend_from_slice(bytes);
    };
    match value {
        Value::Null => return Reference::Nothing,
        Value::Int(v) => put(1, &i128::from(*v).to_be_bytes()),
        Value::UInt(v) => put(1, &i128::from(*v).to_be_bytes()),
        Value::Decimal(_) => put(4, &value.display(kind).unwrap_or_default()),
        Value::Date(v) => put(5, &v.to_be_bytes()),
        Value::DateTime(v) => put(6, &v.to_be_bytes()),
        Value::Time(v) => put(7, &v.to_be_bytes()),
        Value::Bytes(v) => put(8, v),
        Value::Text(v) => {
            let padded = !collation.is_some_and(|c| c.contains("nopad") || c.contains("_0900_"));
            let text = if padded { v.trim_end_matches(' ') } else { v.as_str() };
            match texts(collation) {
                Texts::Exact => put(9, text.as_bytes()),
                Texts::Folded if text.bytes().all(|b| (b' '..=b'~').contains(&b)) => {
                    put(9, text.to_ascii_lowercase().as_bytes());
                }
                _ => return Reference::Unknown,
            }
        }
        _ => return Reference::Unknown,
    }
    Reference::Known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_refer_as_their_collations_compare() {
        let kind = ColumnType::Varchar { length: 9 };
        let refers = |collation: &str, a: &str, b: &str| {
            let bytes = |text: &str| {
                let mut out = Vec::new();
                (reference_bytes(&kind, Some(collation), &Value::Text(text.into()), &mut out), out)
            };
            let ((a_is, a), (b_is, b)) = (bytes(a), bytes(b));
            (a_is == Reference::Known && b_is == Reference::Known).then_some(a == b)
        };
        assert_eq!(refers("utf8mb4_general_ci", "Ab ", "aB"), Some(true));
        assert_eq!(refers("utf8mb4_0900_ai_ci", "Ab ", "aB"), Some(false));
        assert_eq!(refers("utf8mb4_bin", "a", "a  "), Some(true));
        assert_eq!(refers("utf8mb4_0900_bin", "a", "a  "), Some(false));
        assert_eq!(refers("utf8mb4_bin", "ä", "a"), Some(false));
        for collation in ["utf8mb4_unicode_ci", "utf8mb4_uca1400_ai_ci", "uca1400_ai_ci", "latin1_swedish_ci"] {
            assert_eq!((refers(collation, "X", "x"), refers(collation, "ä", "a")), (Some(true), None), "{collation}");
        }
        assert!(!referable(&kind, Some("utf8mb4_czech_ci")) && !referable(&kind, Some("utf8mb4_0900_as_cs")));
        assert!(!referable(&kind, None) && referable(&kind, Some("ascii_general_ci")));
    }
}
