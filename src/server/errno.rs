//! Which MySQL error number does a client see? The one table from our kinds of error to MySQL's numbers and states.

use crate::error::{Error, Kind};

/// A MySQL error: number, SQLSTATE, text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlError {
    pub code: u16,
    pub state: &'static str,
    pub text: String,
}

/// Number and SQLSTATE of each kind, as MySQL 8 and MariaDB 10.11 use them.
fn number(kind: Kind) -> (u16, &'static str) {
    match kind {
        Kind::Syntax => (1064, "42000"),
        Kind::UnknownDatabase => (1049, "42000"),
        Kind::NoDatabase => (1046, "3D000"),
        Kind::UnknownTable => (1146, "42S02"),
        Kind::UnknownColumn => (1054, "42S22"),
        Kind::UnknownFunction => (1305, "42000"),
        Kind::UnknownVariable => (1193, "HY000"),
        Kind::Ambiguous => (1052, "23000"),
        Kind::Unsupported => (1235, "42000"),
        // ER_OPTION_PREVENTS_STATEMENT: what a server under --read-only says
        Kind::ReadOnly => (1290, "HY000"),
        Kind::BadValue => (1292, "22007"),
        Kind::Overflow => (1690, "22003"),
        Kind::Usage => (1210, "HY000"),
        // ER_WRONG_VALUE
        Kind::OutOfRange => (1525, "HY000"),
        // ER_CRASHED_ON_USAGE: the table is there, and its rows cannot be trusted
        Kind::Uncertain => (1194, "HY000"),
        // ER_QUERY_ON_FOREIGN_DATA_SOURCE
        Kind::Server => (1430, "HY000"),
        // ER_CONNECT_TO_FOREIGN_DATA_SOURCE
        // ER_MASTER_FATAL_ERROR_READING_BINLOG
        Kind::Gap => (1236, "HY000"),
        Kind::Unreachable => (1429, "HY000"),
        // ER_NOT_KEYFILE: what a damaged table file gives
        Kind::Corrupt => (1034, "HY000"),
        Kind::Fenced => (1105, "HY000"),
        Kind::Exists => (1050, "42S01"),
        Kind::Cancelled => (1317, "70100"),
        // ER_OUT_OF_RESOURCES
        Kind::Limit => (1041, "HY000"),
        // ER_GET_ERRNO: the storage engine's error
        Kind::Io => (1030, "HY000"),
        Kind::Internal => (1105, "HY000"),
    }
}

impl From<Error> for SqlError {
    /// The message and, in brackets, the hint.
    fn from(e: Error) -> Self {
        let (code, state) = number(e.kind);
        Self { code, state, text: e.to_string() }
    }
}

/// What only the protocol can get wrong.
impl SqlError {
    pub fn new(code: u16, state: &'static str, text: impl Into<String>) -> Self {
        Self { code, state, text: text.into() }
    }

    pub fn unknown_command() -> Self {
        Self::new(1047, "08S01", "Unknown command")
    }

    pub fn malformed() -> Self {
        Self::new(1835, "HY000", "Malformed communication packet.")
    }

    pub fn bad_handshake() -> Self {
        Self::new(1043, "08S01", "Bad handshake")
    }

    pub fn too_many_connections() -> Self {
        Self::new(1040, "08004", "Too many connections")
    }

    pub fn unknown_statement(id: u32, by: &str) -> Self {
        Self::new(1243, "HY000", format!("Unknown prepared statement handler ({id}) given to {by}"))
    }

    pub fn no_cursor(id: u32) -> Self {
        Self::new(1421, "HY000", format!("The statement ({id}) has no open cursor."))
    }

    pub fn unknown_thread(id: u32) -> Self {
        Self::new(1094, "HY000", format!("Unknown thread id: {id}"))
    }

    pub fn interrupted() -> Self {
        Self::new(1317, "70100", "Query execution was interrupted")
    }

    pub fn failed() -> Self {
        Self::new(
            1105,
            "HY000",
            "Unknown error: the server failed on this statement (Please report it; the log has more.)",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clients_number_state_and_remedy() {
        let e = Error::new(Kind::UnknownTable, "table shop.orders does not exist").hint("SHOW TABLES lists them.");
        let e = SqlError::from(e);
        assert_eq!((e.code, e.state), (1146, "42S02"));
        assert_eq!(e.text, "table shop.orders does not exist (SHOW TABLES lists them.)");
    }

    /// Numbers below 1000 are the operating system's, those from 2000 to 2999 the client's: drivers take them for
    /// lost connections.
    #[test]
    fn every_kind_has_a_servers_number() {
        use Kind::*;
        for kind in [
            Syntax,
            UnknownDatabase,
            NoDatabase,
            UnknownTable,
            UnknownColumn,
            UnknownFunction,
            UnknownVariable,
            Ambiguous,
            Unsupported,
            ReadOnly,
            BadValue,
            Overflow,
            Usage,
            OutOfRange,
            Uncertain,
            Server,
            Gap,
            Unreachable,
            Corrupt,
            Fenced,
            Exists,
            Cancelled,
            Limit,
            Io,
            Internal,
        ] {
            let (code, state) = number(kind);
            assert!((1000..2000).contains(&code) && state.len() == 5, "{kind:?}");
        }
    }
}
