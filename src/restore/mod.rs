//! How does the past become real? A moment of the archive, put into a live server.
//!
//! Knows nothing of SQL statements or the MySQL port.
