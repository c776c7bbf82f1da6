//! What words do we share? Moments, types, values, schemas and changes, as every folder understands them.
//!
//! Knows nothing of servers, files or SQL statements.

pub mod address;
mod cascade;
mod change;
mod charset;
mod day;
mod moment;
mod rows;
mod schema;
mod text;
mod tls;
mod types;
mod url;
mod value;

pub use cascade::{Cascades, Reference, referable, reference_bytes, same_table};
pub(crate) use change::shared;
pub use change::{
    Bookmark, Catalog, Change, CommitTime, NotCarried, Object, ObjectKey, ObjectKind, Op, SchemaChange, SourceEvent,
};
pub use charset::Charset;
pub use day::{date_of, day_of, is_partial};
pub use moment::{Micros, Moment, MomentSpec, Seq, stream_of};
pub use rows::{RowsBuilder, column_of, value_at};
pub use schema::{
    Column, ColumnId, ForeignKey, Generated, Reaction, TableId, TableKind, TableName, TableSchema, quote_name,
};
pub use text::{display_double, display_float};
pub use tls::{Tls, TlsMode};
pub use types::{ColumnType, Shape, TextSize, ZERO_DATE, ZERO_DATETIME};
pub use url::ServerUrl;
pub use value::{Row, Value};
