//! How do our errors pass through DataFusion?

use crate::error::Error;
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
