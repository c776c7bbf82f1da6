//! What must a statement know of its session, and how is DataFusion set up for it?

use crate::model::Micros;
use datafusion::execution::session_state::SessionStateBuilder;

/// What NOW(), USER() and the like answer, fixed for one statement.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SessionInfo {
    /// `SYSTEM` (which is UTC), `+02:00` or a name like `Europe/Berlin`.
    pub time_zone: String,
    pub now: Micros,
    pub connection_id: u32,
    /// `name@host`.
    pub user: String,
    pub database: Option<String>,
    pub sql_mode: String,
    pub version: String,
}

/// Sets a session state up for MySQL's meaning: functions, analyzer rules, null ordering.
pub fn configure(builder: SessionStateBuilder, _session: &SessionInfo) -> SessionStateBuilder {
    builder
}
