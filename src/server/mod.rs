//! How do MySQL clients reach us?
//!
//! Knows nothing of the archive's layout or of how a statement is answered.
