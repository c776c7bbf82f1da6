//! Which server is it? What follows from the answer stands where it matters, asked of this one enum.

use super::connect::{ask, at};
use crate::error::Result;
use crate::model::ServerUrl;
use mysql_async::Conn;

/// The two families of servers, which keep their logs, GTIDs, snapshots and privileges each in its own way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    MariaDb,
    MySql,
}

/// What `SELECT VERSION()` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    pub family: Family,
    /// Major and minor.
    pub number: (u32, u32),
    /// As the server says it.
    pub text: String,
}

impl Family {
    /// For people and for the head of a log file: `10.11.18-MariaDB-log`, `9.7.4`.
    pub fn of(version: &str) -> Self {
        if version.contains("MariaDB") { Self::MariaDb } else { Self::MySql }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::MariaDb => "MariaDB",
            Self::MySql => "MySQL",
        }
    }

    /// The section of the option file that the server reads.
    pub fn section(self) -> &'static str {
        match self {
            Self::MariaDb => "mariadbd",
            Self::MySql => "mysqld",
        }
    }

    /// What a session that reads needs, beside what both families call the same.
    pub fn settings(self) -> &'static str {
        match self {
            Self::MariaDb => "max_statement_time = 0, tx_isolation = 'REPEATABLE-READ'",
            Self::MySql => {
                "max_execution_time = 0, transaction_isolation = 'REPEATABLE-READ', print_identified_with_as_hex = 1, \
                 show_create_table_skip_secondary_engine = 1, information_schema_stats_expiry = 0"
            }
        }
    }

    /// The privileges on `*.*` that an account needs.
    pub fn grants(self) -> &'static [&'static str] {
        match self {
            Self::MariaDb => &["SELECT", "SHOW VIEW", "TRIGGER", "EVENT", "REPLICATION SLAVE", "BINLOG MONITOR"],
            Self::MySql => &[
                "SELECT",
                "SHOW VIEW",
                "TRIGGER",
                "EVENT",
                "REPLICATION SLAVE",
                "REPLICATION CLIENT",
                "RELOAD",
                "BACKUP_ADMIN",
                "SHOW_ROUTINE",
            ],
        }
    }

    /// Where the server's log ends: file, position, databases that it leaves out, and in MySQL the GTIDs.
    pub fn show_log_end(self) -> &'static str {
        match self {
            Self::MariaDb => "SHOW MASTER STATUS",
            Self::MySql => "SHOW BINARY LOG STATUS",
        }
    }
}

impl Version {
    pub fn parse(text: &str) -> Self {
        let mut numbers = text.split(['.', '-']).map(|n| n.parse::<u32>().unwrap_or(0));
        let number = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        Self { family: Family::of(text), number, text: text.to_string() }
    }

    pub async fn ask(conn: &mut Conn, url: &ServerUrl) -> Result<Self> {
        let rows = ask(conn, url, "SELECT VERSION()").await?;
        Ok(Self::parse(rows.first().map(|r| at(r, 0)).unwrap_or_default()))
    }
}

/// `MariaDB 10.11.18`
impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.family.name(), self.text.split('-').next().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_told_by_their_version() {
        let shown = |text| Version::parse(text).to_string();
        assert_eq!(shown("10.11.18-MariaDB-0+deb12u1-log"), "MariaDB 10.11.18");
        assert_eq!(shown("9.7.4-2"), "MySQL 9.7.4");
        assert_eq!(Version::parse("8.4.3").number, (8, 4));
        assert_eq!(Family::of(""), Family::MySql);
    }
}
