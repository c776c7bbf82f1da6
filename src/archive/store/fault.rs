//! What layers of the store say to each other and to `failed`: things that object_store has no words for.

use object_store::Error;
use object_store::path::Path;

/// Asked with a read: whatever a cache holds of the object is not to be used, and to be dropped.
#[derive(Debug, Clone, Copy)]
pub struct Fresh;

/// Why an object is not read or written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The archive is encrypted, and no identity was given.
    NoIdentity,
    /// None of the identities opens it.
    OtherKeys,
    /// Its bytes are not as they were written.
    Damaged(String),
    /// The spool holds as much as it may.
    SpoolFull(String),
    /// Another writer has taken a name that the spool was to take.
    Lost(String),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoIdentity => f.write_str("it is encrypted, and no identity was given"),
            Self::OtherKeys => f.write_str("it is encrypted to other keys than those of the given identities"),
            Self::Damaged(why) | Self::SpoolFull(why) | Self::Lost(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Fault {}

impl Fault {
    /// Of the object at `path`.
    pub fn of(self, path: &Path) -> Error {
        match self {
            Self::Lost(_) => Error::AlreadyExists { path: path.to_string(), source: Box::new(self) },
            _ => Error::Generic { store: "archive", source: Box::new(self) },
        }
    }

    pub fn is_damage(error: &(dyn std::error::Error + 'static)) -> bool {
        matches!(error.downcast_ref::<Self>(), Some(Self::Damaged(_)))
    }
}
