//! How is the archive kept caught up with its source?
//!
//! Knows nothing of SQL statements or clients.
