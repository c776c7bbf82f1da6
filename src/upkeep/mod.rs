//! How does the archive stay small? Segments become packs, old bases become new ones, and what need not be kept goes.
//!
//! Writes only lists of its own and what they name, so capture is never fenced by it; one run at a time, or the later
//! one loses. Files first, the list that names them last; what a list replaced is deleted later, if nobody reads it.
//! Knows nothing of sources, SQL or clients.

mod cost;
mod fold;
mod merge;
mod options;
mod plan;
mod report;
mod retain;
mod run;
mod sweep;
mod tiers;

pub use cost::{Asked, ClusterCost, Cost, Prices, Tally, cost};
pub use options::{Options, Policy, duration};
pub use plan::{Retention, plan};
pub use report::{Progress, Report};
pub use run::{compact, due, retain};
