//! What went wrong, with what, and what does the reader do next?

use std::fmt;

/// The one result type that crosses a folder's boundary.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the reader of an error does next. One table (`server/errno.rs`) maps each kind to a MySQL error number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Correct the statement's syntax.
    Syntax,
    /// Name a database that exists at that moment.
    UnknownDatabase,
    /// Choose a database first (`USE`).
    NoDatabase,
    /// Name a table that exists at that moment.
    UnknownTable,
    /// Name a column that the table has at that moment.
    UnknownColumn,
    /// Name a function that exists.
    UnknownFunction,
    /// Name a variable that exists.
    UnknownVariable,
    /// Qualify an ambiguous column or table name.
    Ambiguous,
    /// Say it in another way: the statement is understood and not supported.
    Unsupported,
    /// The archive is read-only through this port.
    ReadOnly,
    /// Correct a value: out of range, malformed, of the wrong type.
    BadValue,
    /// An arithmetic result does not fit its type.
    Overflow,
    /// Correct a setting, an option or an argument.
    Usage,
    /// Ask for a moment that the archive holds; the message names the nearest one.
    OutOfRange,
    /// The history of a table is uncertain for that moment; the message names table, interval and remedy.
    Uncertain,
    /// Mend the source or the target server; the hint says how.
    Server,
    /// The source lost changes before they were captured: accept that (`protect --accept-gap`), or begin a new backup.
    Gap,
    /// The source or target does not answer: try again when it is back.
    Unreachable,
    /// The archive is damaged: restore the named object from a copy.
    Corrupt,
    /// Another writer owns the archive's next number: stop this one.
    Fenced,
    /// It is there already, and is not replaced.
    Exists,
    /// The statement was stopped on request.
    Cancelled,
    /// A written-down limit was reached.
    Limit,
    /// The operating system refused: disk full, permission, no such file.
    Io,
    /// A fault of pcloud: report it.
    Internal,
}

/// An error with the object it is about in its message, and the remedy in its hint.
#[derive(Debug, Clone)]
pub struct Error {
    pub kind: Kind,
    pub message: String,
    /// What the reader can do, as a whole sentence or a statement to run.
    pub hint: Option<String>,
}

impl Error {
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None }
    }

    /// Adds what the reader can do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Puts `what` in front of the message: `what: message`.
    pub fn context(mut self, what: impl fmt::Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }

    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Kind::Internal, message).hint("This is a fault of pcloud; please report it with this message.")
    }

    pub fn corrupt(object: impl fmt::Display, why: impl fmt::Display) -> Self {
        Self::new(Kind::Corrupt, format!("{object} is damaged: {why}"))
            .hint("Put the object back from a copy of the archive; nothing was read from it.")
    }

    pub fn io(what: impl fmt::Display, e: std::io::Error) -> Self {
        let error = Self::new(Kind::Io, format!("{what}: {e}"));
        match e.kind() {
            std::io::ErrorKind::StorageFull => {
                error.hint("The disk is full: free some space; the work goes on from where it was.")
            }
            std::io::ErrorKind::PermissionDenied => error.hint("Give the user that runs pcloud access to it."),
            _ => error,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

/// Adds context to a failed result.
pub trait Context<T> {
    fn context(self, what: impl fmt::Display) -> Result<T>;
}

impl<T> Context<T> for Result<T> {
    fn context(self, what: impl fmt::Display) -> Result<T> {
        self.map_err(|e| e.context(what))
    }
}

impl<T> Context<T> for std::io::Result<T> {
    fn context(self, what: impl fmt::Display) -> Result<T> {
        self.map_err(|e| Error::io(what, e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_the_object_and_the_hint_follows_it() {
        let e = Error::new(Kind::UnknownTable, "table shop.orders does not exist")
            .hint("SHOW TABLES lists them.")
            .context("SELECT");
        assert_eq!(e.to_string(), "SELECT: table shop.orders does not exist (SHOW TABLES lists them.)");
    }
}
