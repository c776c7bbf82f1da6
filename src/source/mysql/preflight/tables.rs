//! Tables that cannot be followed, one by one.

use super::Report;
use crate::error::Result;
use crate::model::{ServerUrl, TableName, quote_name};
use crate::source::Filter;
use crate::source::mysql::catalog;
use crate::source::mysql::connect::{ask, at};
use mysql_async::Conn;
use std::collections::{BTreeMap, BTreeSet};

pub async fn look(conn: &mut Conn, url: &ServerUrl, filter: &Filter, report: &mut Report) -> Result<()> {
    let seen = catalog::read(conn, url, filter).await?;
    let before = report.lines.len();
    let cascades = cascades(&seen.creates, report);
    for (name, engine) in &seen.engines {
        if engine != "InnoDB" {
            let fix = format!("ALTER TABLE {} ENGINE=InnoDB", name.quoted());
            report.need(
                format!("table {name}"),
                format!("engine {engine}"),
                "engine InnoDB",
                false,
                &or_exclude(&fix, name),
            );
        }
    }
    for (name, why) in seen.catalog.refused.iter().filter(|(name, _)| !cascades.contains(name)) {
        let fix = match why.contains("charset") || why.contains("character set") {
            true => or_exclude(&format!("ALTER TABLE {} CONVERT TO CHARACTER SET utf8mb4", name.quoted()), name),
            false => format!("protect with --exclude {name}"),
        };
        report.need(format!("table {name}"), why, "only what this release carries", false, &fix);
    }
    packages(conn, url, filter, report).await?;
    let tables = seen.engines.len();
    if report.lines.len() == before {
        report.push("tables", format!("{tables}, all carried"), "only what this release carries", true, None);
    }
    Ok(())
}

fn or_exclude(fix: &str, name: &TableName) -> String {
    format!("{fix} (or protect with --exclude {name})")
}

/// What a foreign key's action changes in the child table is not in the log. Returns the tables it named.
///
/// Read from SHOW CREATE TABLE's text: information_schema.REFERENTIAL_CONSTRAINTS was seen to crash MariaDB 10.11.18
/// just after a table with a foreign key was altered.
fn cascades(creates: &BTreeMap<TableName, String>, report: &mut Report) -> BTreeSet<TableName> {
    let mut named = BTreeSet::new();
    for (name, create) in creates {
        for key in create.lines().filter_map(cascade) {
            let fix = format!(
                "ALTER TABLE {} DROP FOREIGN KEY {}, ADD CONSTRAINT {} {}",
                name.quoted(),
                quote_name(&key.name),
                quote_name(&format!("{}_restrict", key.name)),
                key.definition
            );
            report.need(
                format!("table {name}"),
                format!("foreign key {} {}", key.name, key.actions),
                "no cascading action, since the server does not log what it changes",
                false,
                &or_exclude(&fix, name),
            );
            named.insert(name.clone());
        }
    }
    named
}

/// A foreign key with an action that changes rows.
#[derive(Debug, PartialEq, Eq)]
struct Cascade {
    name: String,
    /// `FOREIGN KEY (…) REFERENCES … (…)`
    definition: String,
    /// `ON DELETE CASCADE ON UPDATE SET NULL`
    actions: String,
}

/// Reads a line of SHOW CREATE TABLE: ``CONSTRAINT `c` FOREIGN KEY (`a`) REFERENCES `t` (`b`) ON DELETE CASCADE,``.
fn cascade(line: &str) -> Option<Cascade> {
    let line = line.trim().trim_end_matches(',');
    let (name, rest) = line.strip_prefix("CONSTRAINT `")?.split_once("` FOREIGN KEY ")?;
    // the last parenthesis closes the list of the parent's columns
    let (definition, actions) = rest.rsplit_once(')')?;
    let changes = ["CASCADE", "SET NULL", "SET DEFAULT"].iter().any(|action| actions.contains(action));
    changes.then(|| Cascade {
        name: name.replace("``", "`"),
        definition: format!("FOREIGN KEY {definition})"),
        actions: actions.trim().to_string(),
    })
}

/// Oracle-mode packages are not carried.
async fn packages(conn: &mut Conn, url: &ServerUrl, filter: &Filter, report: &mut Report) -> Result<()> {
    let sql = "SELECT DISTINCT ROUTINE_SCHEMA, ROUTINE_NAME FROM information_schema.ROUTINES \
        WHERE ROUTINE_TYPE LIKE 'PACKAGE%'";
    for row in ask(conn, url, sql).await?.iter().filter(|r| filter.database(at(r, 0))) {
        let name = format!("package {}.{}", at(row, 0), at(row, 1));
        let fix = format!("protect with --exclude {}", at(row, 0));
        report.need(name, "an Oracle-mode package", "only what this release carries", false, &fix);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cascade_is_read_from_its_line() {
        let key = cascade(
            "  CONSTRAINT `a``b` FOREIGN KEY (`p`) REFERENCES `t` (`id`) ON DELETE CASCADE ON UPDATE SET NULL,",
        );
        let key = key.expect("a cascade");
        assert_eq!(key.name, "a`b");
        assert_eq!(key.definition, "FOREIGN KEY (`p`) REFERENCES `t` (`id`)");
        assert_eq!(key.actions, "ON DELETE CASCADE ON UPDATE SET NULL");
        for line in [
            "CONSTRAINT `c` FOREIGN KEY (`p`) REFERENCES `t` (`id`)",
            "CONSTRAINT `c` FOREIGN KEY (`p`) REFERENCES `t` (`id`) ON DELETE NO ACTION",
            "`CASCADE` int(11) DEFAULT NULL COMMENT 'ON DELETE CASCADE',",
        ] {
            assert_eq!(cascade(line), None, "{line}");
        }
    }
}
