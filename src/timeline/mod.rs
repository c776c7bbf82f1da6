//! What did a table look like at a moment?
//!
//! Knows nothing of SQL, clients or sources.
