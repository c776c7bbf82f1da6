//! How is a statement answered?
//!
//! A statement's text becomes tokens; the moments are cut out of them (`moments`); what is left is parsed, checked
//! and rewritten (`statement`, `rewrite`); every table reference is bound to its table at its moment (`bind`); and
//! DataFusion plans and runs the rest (`run`) over scans of base and change files (`table`).
//!
//! Knows nothing of sockets, packets, sources or targets.

mod allowed;
mod answer;
mod bind;
mod chosen;
mod constant;
mod depth;
mod dialect;
mod fault;
mod functions;
mod headings;
mod history;
mod lexer;
mod literal;
mod local_time;
pub mod meaning;
mod moments;
mod partial;
mod plan;
mod rewrite;
mod run;
mod scenery;
mod service;
mod session;
mod settings;
mod snapshots;
mod star;
mod statement;
mod stop;
pub mod system;
mod table;
mod verify;
mod workers;

pub use answer::{
    Answer, Prepared, Request, RestoreStatement, RestoreWhat, ResultColumn, Rows, VerifyStatement, Warning,
    WarningLevel,
};
pub use service::{Limits, Service};
pub use session::Session;

/// A moment outside a statement: a time (UTC, unless it says another offset), `latest`, `gtid:…`, `before gtid:…` or
/// `seq:…`. Errors: `BadValue`.
pub fn moment(text: &str) -> crate::error::Result<crate::model::MomentSpec> {
    moments::moment_of(text, system::TimeZone::System)
}
