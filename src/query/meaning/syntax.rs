//! Which of our functions is each operator and function of the statement?

use crate::error::Result;
use datafusion::sql::sqlparser::ast::{Expr, Query};

/// Rewrites a parsed query so that every operator and function is one of ours. To be called once, after parameters
/// and variables were put in as literals and headings as aliases.
/// Errors: `UnknownFunction`, `Unsupported` naming what is not carried.
pub fn rewrite(_query: &mut Query) -> Result<()> {
    Ok(())
}

/// The same for one expression.
pub fn rewrite_expr(_expr: &mut Expr) -> Result<()> {
    Ok(())
}
