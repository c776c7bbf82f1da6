//! What do MariaDB's functions and operators compute?
//!
//! Knows nothing of plans: values and their types in, a value out.
