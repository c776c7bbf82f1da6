//! How do our errors pass through DataFusion?

use crate::error::{Error, Kind};
use datafusion::error::DataFusionError;

/// Our own error, if one is what DataFusion reports.
pub fn error_of(e: &DataFusionError) -> Option<Error> {
    match e.find_root() {
        DataFusionError::External(inner) => inner.downcast_ref::<Error>().cloned(),
        _ => None,
    }
}

/// Hands an error of ours to DataFusion.
pub(in crate::query) fn outside(e: Error) -> DataFusionError {
    DataFusionError::External(Box::new(e))
}

/// What is understood and not carried.
pub(in crate::query) fn unsupported(what: impl std::fmt::Display) -> Error {
    Error::new(Kind::Unsupported, format!("{what} is not supported"))
}
