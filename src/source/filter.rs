//! Which databases are protected?

use crate::model::TableName;

/// Databases that belong to the server itself.
const SYSTEM: [&str; 4] = ["mysql", "information_schema", "performance_schema", "sys"];

/// Which databases, and which of their tables, are protected. An entry of `exclude` may also name one table, as
/// `database.table`. Nothing in `include` means all databases; the server's own are always left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    pub include: Vec<String>,
    pub exclude: Vec<String>,
}

impl Filter {
    pub fn database(&self, name: &str) -> bool {
        !SYSTEM.contains(&name)
            && (self.include.is_empty() || self.include.iter().any(|i| i == name))
            && !self.exclude.iter().any(|e| e == name)
    }

    /// Whether it is left out, and is not the server's own.
    pub fn leaves_out(&self, name: &TableName) -> bool {
        !SYSTEM.contains(&name.database.as_str()) && !self.table(name)
    }

    pub fn table(&self, name: &TableName) -> bool {
        self.database(&name.database) && !self.exclude.iter().any(|e| *e == name.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn include_narrows_exclude_removes_and_system_databases_never_count() {
        let list = |names: &[&str]| names.iter().map(|n| n.to_string()).collect::<Vec<_>>();
        let all = Filter::default();
        assert!(all.database("shop") && !all.database("mysql") && !all.database("sys"));
        let some = Filter { include: list(&["shop", "mysql"]), exclude: list(&["shop.log"]) };
        assert!(some.database("shop") && !some.database("crm") && !some.database("mysql"));
        assert!(some.table(&TableName::new("shop", "orders")) && !some.table(&TableName::new("shop", "log")));
        assert!(!some.table(&TableName::new("crm", "log")));
    }
}
