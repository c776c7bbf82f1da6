//! Which rows does a window function see, when the rows are in the order of keys that are no numbers?
//!
//! Of a RANGE frame without distances only matters which rows are equal in the order: it is the GROUPS frame of the same
//! bounds. (DataFusion takes RANGE over numbers and dates only, and texts are ordered by the bytes of their keys.)

use super::error::unsupported;
use crate::error::Result;
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{WindowFrame, WindowFrameBound, WindowFrameUnits};

/// The frame, over rows in the order of keys of this type first.
pub(super) fn frame(frame: WindowFrame, key: &DataType) -> Result<WindowFrame> {
    let dated = matches!(key, DataType::Date32 | DataType::Timestamp(..));
    let ranges = key.is_numeric() || dated || matches!(key, DataType::Boolean | DataType::Null);
    if frame.units != WindowFrameUnits::Range || ranges {
        return Ok(frame);
    }
    let free = |bound: WindowFrameBound| match bound {
        WindowFrameBound::CurrentRow => Ok(bound),
        WindowFrameBound::Preceding(v) if v.is_null() => Ok(WindowFrameBound::Preceding(ScalarValue::UInt64(None))),
        WindowFrameBound::Following(v) if v.is_null() => Ok(WindowFrameBound::Following(ScalarValue::UInt64(None))),
        _ => Err(unsupported("a window of RANGE with a distance, in an order that is not of numbers")),
    };
    let (start, end) = (free(frame.start_bound)?, free(frame.end_bound)?);
    Ok(WindowFrame::new_bounds(WindowFrameUnits::Groups, start, end))
}
