//! What does a client ask about the server itself? SHOW, information_schema, SET and variables, as MariaDB 10.11
//! answers them, of the session's moment.
//!
//! Knows catalogs and timelines, never rows of the source's tables.

mod assign;
mod backups;
mod columns;
mod create;
mod filter;
mod lex;
mod listing;
mod objects;
mod routine_text;
mod scene;
mod schema_rows;
mod server_rows;
mod show;
mod show_rows;
mod tables;
#[cfg(test)]
mod tests;
mod variables;
mod zone;

pub use assign::{Assignment, NewValue, SetStatement};
pub use listing::Listing;
pub use scene::{ClusterScene, Scene, Visible};
pub use schema_rows::database_charset;
pub use show::{Object, Show, What};
pub use tables::{collation, rows, schema};
pub use variables::{Scope, VERSION, Variables};
pub use zone::TimeZone;

/// The database that describes the others.
pub const INFORMATION_SCHEMA: &str = "information_schema";
