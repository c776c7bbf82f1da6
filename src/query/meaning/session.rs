//! What must a statement know of its session, and how is DataFusion set up for it?

use super::aggregate;
use super::lower::Meaning;
use crate::error::{Error, Kind, Result};
use crate::model::{Micros, ZERO_DATETIME};
use crate::query::functions::{Unbound, all};
use chrono::{DateTime, NaiveDateTime, Offset, TimeZone};
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::optimizer::analyzer::resolve_grouping_function::ResolveGroupingFunction;
use datafusion::optimizer::analyzer::type_coercion::TypeCoercion;
use std::sync::Arc;

/// What NOW(), USER() and the like answer, fixed for one statement.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
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

enum Zone {
    Offset(i64),
    Named(chrono_tz::Tz),
}

impl SessionInfo {
    fn zone(&self) -> Result<Zone> {
        let name = self.time_zone.as_str();
        if name.eq_ignore_ascii_case("system") || name.eq_ignore_ascii_case("utc") {
            return Ok(Zone::Offset(0));
        }
        if let Some(sign) = name.chars().next().filter(|c| matches!(c, '+' | '-')) {
            let mut parts = name[1..].split(':').map(|p| p.parse::<i64>().ok());
            if let (Some(Some(h)), Some(Some(m)), None) = (parts.next(), parts.next(), parts.next()) {
                let seconds = h * 3600 + m * 60;
                return Ok(Zone::Offset(if sign == '-' { -seconds } else { seconds }));
            }
        }
        name.parse()
            .map(Zone::Named)
            .map_err(|_| Error::new(Kind::BadValue, format!("Unknown or incorrect time zone: '{name}'")))
    }

    /// A moment's local µs since 1970 in the session's zone.
    pub(in crate::query) fn local(&self, at: Micros) -> Result<i64> {
        if at.0 == ZERO_DATETIME {
            return Ok(at.0);
        }
        let seconds = match self.zone()? {
            Zone::Offset(s) => s,
            Zone::Named(zone) => {
                let utc = DateTime::from_timestamp_micros(at.0).map(|t| t.naive_utc()).unwrap_or_default();
                zone.offset_from_utc_datetime(&utc).fix().local_minus_utc().into()
            }
        };
        Ok(at.0 + seconds * Micros::SECOND)
    }

    /// The moment of local µs. A time that a change of the clocks skips is the change's own moment; one that comes
    /// twice is the first, as in MariaDB.
    pub(in crate::query) fn utc(&self, local: i64) -> Result<Micros> {
        match self.zone()? {
            Zone::Offset(s) => Ok(Micros(local - s * Micros::SECOND)),
            Zone::Named(zone) => {
                let naive: NaiveDateTime =
                    DateTime::from_timestamp_micros(local).map(|t| t.naive_utc()).unwrap_or_default();
                match zone.from_local_datetime(&naive) {
                    chrono::LocalResult::Single(t) | chrono::LocalResult::Ambiguous(t, _) => {
                        Ok(Micros(t.timestamp_micros()))
                    }
                    chrono::LocalResult::None => Err(Error::new(
                        Kind::BadValue,
                        format!("the local time {naive} does not exist in {}", self.time_zone),
                    )),
                }
            }
        }
    }
}

/// Sets a session state up for MySQL's meaning: functions, analyzer rules, null ordering.
pub fn configure(mut builder: SessionStateBuilder, session: &SessionInfo) -> SessionStateBuilder {
    let session = Arc::new(session.clone());
    let config = builder.config().get_or_insert_default();
    let options = config.options_mut();
    options.sql_parser.default_null_ordering = "nulls_min".into();
    options.sql_parser.parse_float_as_decimal = true;
    options.sql_parser.map_string_types_to_utf8view = false;
    options.execution.parquet.schema_force_view_types = false;
    let scalars = all().map(|spec| Arc::new(Unbound::udf(spec))).collect();
    builder
        .with_scalar_functions(scalars)
        .with_aggregate_functions(aggregate::functions())
        .with_window_functions(aggregate::windows())
        .with_expr_planners(Vec::new())
        .with_analyzer_rules(vec![
            Arc::new(Meaning::new(session)),
            Arc::new(ResolveGroupingFunction::new()),
            Arc::new(TypeCoercion::new()),
        ])
}
