//! How does the past become real? A moment of the archive, put into a live server, wholly or not at all.
//!
//! [`plan()`] reads the archive and the target and changes nothing; [`run()`] loads the tables into staging databases
//! beside their place, compares what the server then holds with the archive, and moves all of them into place with
//! one RENAME TABLE; views, triggers, routines and events follow, and any failure among them moves all back.
//!
//! Knows nothing of SQL statements that ask for it, nor of the MySQL port.

mod abilities;
mod across;
mod ddl;
mod digest;
mod encode;
mod explain;
mod inventory;
mod jobs;
mod json;
mod lex;
mod merge;
mod notes;
mod plan;
mod progress;
mod request;
mod run;
mod server;
mod sink;
mod stage;
mod swap;
mod undo;

pub use across::Collations;
pub use encode::sent_as;
pub use explain::Step;
pub use jobs::{JobHandle, JobInfo, JobState, JobStatus, Jobs, Meter};
pub use plan::{Plan, plan};
pub use progress::{Phase, Progress};
pub use request::{Chosen, ChosenRows, Options, RestoreRequest, What};
pub use run::{Report, run};
