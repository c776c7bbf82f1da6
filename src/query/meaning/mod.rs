//! What does MariaDB mean by this expression?
//!
//! DataFusion plans and runs statements, but with another meaning: `5/2` is 2 there, text compares by bytes. So
//! every operator and function of a statement becomes a call of a function of our own (`syntax`), which knows the
//! MySQL types and collations of its arguments (`types`); an analyzer rule (`lower`) then binds each call to these
//! types, as DataFusion's own operator where that means the same, else as a function of `functions/`.
//! Whatever is not known to mean the same is refused by name: there is no way from a statement to a function of
//! DataFusion that was not chosen here.
//!
//! Knows nothing of tables, moments and archives.

mod aggregate;
mod collation;
mod compare;
mod dialect;
mod error;
mod frame;
mod group;
mod lower;
mod names;
mod result;
mod retype;
mod session;
mod syntax;
mod types;

pub use collation::{is_like, sort_key};
pub use dialect::MysqlSyntax;
pub use error::error_of;
pub use result::finish;
pub use session::{SessionInfo, configure};
pub use syntax::{drop_dual, rewrite, rewrite_expr};
pub use types::column_field;

pub(super) use collation::{Rule, like, locate, lower as lower_case, rule, upper as upper_case};
pub(super) use error::{outside, unsupported};
pub(super) use types::{Class, Collation, Derivation, Typ, int};
