//! How is a statement answered?
//!
//! Knows nothing of sockets, packets, sources or targets.
