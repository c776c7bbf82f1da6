//! How is a statement answered?
//!
//! A statement's text becomes tokens; the moments are cut out of them (`moments`); what is left is parsed, checked
//! and rewritten (`statement`, `rewrite`); every table reference is bound to its table at its moment (`bind`); and
//! DataFusion plans and runs the rest (`run`) over scans of base and change files (`table`).
//!
//! Knows nothing of sockets, packets, sources or targets.

mod answer;
mod constant;
mod dialect;
mod functions;
mod history;
mod lexer;
mod local_time;
pub mod meaning;
mod moments;
mod service;
mod session;
mod snapshots;
pub mod system;
mod table;

pub use answer::{Answer, Prepared, Request, RestoreStatement, RestoreWhat, ResultColumn, Rows, Warning, WarningLevel};
pub use service::{Limits, Service};
pub use session::Session;
