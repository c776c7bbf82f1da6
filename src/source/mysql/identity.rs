//! Is a table still the one that it was? Two tables that swap names may have one definition, and a snapshot shows the
//! rows of whichever bears the name when it is read; so with a partition and a table that change places.
//!
//! InnoDB numbers its tables and partitions, and the numbers go where the rows go. To see them takes the privilege
//! PROCESS; without it there is the second in which a MariaDB server last wrote the table's definition.

use super::connect::{ask, at, failed, literal};
use crate::error::Result;
use crate::model::{ServerUrl, TableId, TableName, TableSchema};
use mysql_async::{Conn, prelude::Queryable};
use std::collections::BTreeMap;
use std::time::Duration;

/// ER_SPECIFIC_ACCESS_DENIED_ERROR
const DENIED: u16 = 1227;
/// ER_UNKNOWN_TABLE
const UNKNOWN_LIST: u16 = 1109;
/// After which another change has another second.
const SECOND: Duration = Duration::from_millis(1100);

/// Equal as long as a name means the same rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    Numbers(Vec<u64>),
    Written(String),
}

/// Which table bears the name now.
/// Errors: as `connect::failed`.
pub async fn identity(conn: &mut Conn, url: &ServerUrl, name: &TableName) -> Result<Identity> {
    let pattern = format!("{}/{}", file_name(&name.database), file_name(&name.table));
    let (table, partitions) = (literal(&pattern), literal(&format!("{pattern}#p#%")));
    // MariaDB's name of the list, and MySQL's
    for list in ["INNODB_SYS_TABLES", "INNODB_TABLES"] {
        let sql = format!(
            "SELECT TABLE_ID FROM information_schema.{list} WHERE NAME LIKE {table} OR NAME LIKE {partitions} \
             ORDER BY NAME, TABLE_ID"
        );
        match conn.query::<u64, _>(sql).await {
            Ok(numbers) => return Ok(Identity::Numbers(numbers)),
            Err(mysql_async::Error::Server(e)) if e.code == UNKNOWN_LIST => {}
            Err(mysql_async::Error::Server(e)) if e.code == DENIED => break,
            Err(e) => return Err(failed(url, &format!("asking which table {name} is"), e)),
        }
    }
    let sql = format!(
        "SELECT CREATE_TIME FROM information_schema.TABLES WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {}",
        literal(&name.database),
        literal(&name.table)
    );
    let rows = ask(conn, url, &sql).await?;
    Ok(Identity::Written(rows.first().map(|r| at(r, 0).to_string()).unwrap_or_default()))
}

/// Of these tables; afterwards, whatever happens to one of them gives it another.
pub async fn identities(
    conn: &mut Conn,
    url: &ServerUrl,
    tables: impl Iterator<Item = &TableSchema>,
) -> Result<BTreeMap<TableId, Identity>> {
    let mut all = BTreeMap::new();
    for table in tables {
        all.insert(table.id, identity(conn, url, &table.name).await?);
    }
    if all.values().any(|i| matches!(i, Identity::Written(_))) {
        tokio::time::sleep(SECOND).await;
    }
    Ok(all)
}

/// A name as InnoDB's files have it, as a pattern for LIKE: what is not ASCII matches anything.
/// Source: my_wc_mb_filename in MariaDB's ctype-utf8.c.
fn file_name(name: &str) -> String {
    let mut pattern = String::new();
    for c in name.chars() {
        match c {
            '_' => pattern.push_str("\\_"),
            c if c.is_ascii_alphanumeric() => pattern.push(c),
            c if c.is_ascii() => pattern.push_str(&format!("@{:04x}", u32::from(c))),
            _ => pattern.push('%'),
        }
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_spelled_as_files_are() {
        assert_eq!(file_name("we ird$ü"), "we@0020ird@0024%");
        assert_eq!(file_name("a_b"), "a\\_b");
    }
}
