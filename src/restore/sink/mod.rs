//! How does a live server take tables? The one door to its protocol.
//!
//! Knows nothing of archives or plans.

mod mysql;
mod value;

pub use mysql::{Answer, Connection, Session, SinkError, Target, quoted};
