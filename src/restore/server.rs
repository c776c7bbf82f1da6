//! Which server is it? Its family and its version.

use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    MariaDb,
    MySql,
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Family::MariaDb => "MariaDB",
            Family::MySql => "MySQL",
        })
    }
}

impl Family {
    /// Of a source as the archive calls it: `MariaDB 10.11.18`, `dump of MySQL 9.7.4`.
    pub fn named_in(source: &str) -> Option<Self> {
        [Family::MariaDb, Family::MySql].into_iter().find(|f| source.contains(&f.to_string()))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    pub family: Family,
    /// Major, minor.
    pub version: (u16, u16),
}

/// `MySQL 9.7`
impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}.{}", self.family, self.version.0, self.version.1)
    }
}

impl Server {
    /// Reads what VERSION() says. `None`: neither MariaDB nor MySQL, as far as it tells.
    pub fn parse(version: &str) -> Option<Self> {
        let family = if version.contains("MariaDB") { Family::MariaDb } else { Family::MySql };
        // 10.x servers may say 5.5.5- first, for old replicas
        let number = if family == Family::MariaDb { version.trim_start_matches("5.5.5-") } else { version };
        let mut parts = number.split(['.', '-']).map_while(|p| p.parse().ok());
        let version = (parts.next()?, parts.next()?);
        let others = ["tidb", "aurora", "vitess", "polardb", "oceanbase"];
        let other = others.iter().any(|o| number.to_lowercase().contains(o));
        (!other).then_some(Self { family, version })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_others_are_not_taken_for_mysql() {
        let read = |v| Server::parse(v).map(|s| s.to_string());
        assert_eq!(read("11.8.6-MariaDB-0+deb13u1-log").as_deref(), Some("MariaDB 11.8"));
        assert_eq!(read("5.5.5-10.11.14-MariaDB").as_deref(), Some("MariaDB 10.11"));
        assert_eq!(read("9.7.4-2").as_deref(), Some("MySQL 9.7"));
        assert_eq!(read("8.0.11-TiDB-v7.5.0"), None);
        assert_eq!(read("nonsense"), None);
        assert_eq!(Family::named_in("dump of MySQL 9.7.4"), Some(Family::MySql));
        assert_eq!(Family::named_in("Script 1"), None);
    }
}
