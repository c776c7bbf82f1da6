//! pcloud keeps a continuous backup of a MySQL-family database and answers SQL as of any past moment.

pub mod archive;
pub mod capture;
pub mod cli;
pub mod clock;
pub mod dial;
pub mod error;
pub mod model;
pub mod query;
pub mod restore;
pub mod server;
pub mod source;
pub mod timeline;
pub mod upkeep;
pub mod verify;
