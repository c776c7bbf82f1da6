//! How is a connection to a source opened?
