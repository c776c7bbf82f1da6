//! Can the archive be trusted? Without the source: `proof/`. And does it hold what a live server holds? Compared at one moment, while
//! writes go on.
//!
//! A snapshot of the server is opened whose place in its log is known; when the archive has reached that place, both
//! are the same state, or something is wrong. Tables are compared as sums of row hashes; where these differ, key
//! range by key range, and down to the rows. Knows nothing of SQL statements that ask for it, nor of the MySQL port.

mod compare;
mod details;
mod meeting;
mod progress;
pub mod proof;
mod ranges;
mod report;
mod request;
mod run;

pub use progress::Progress;
pub use report::{Finding, Report, Status};
pub use request::{Options, VerifyRequest};
pub use run::run;
