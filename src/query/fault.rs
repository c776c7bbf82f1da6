//! What do DataFusion's errors mean to the client that reads them?

use super::headings::without_ours;
use super::meaning;
use crate::error::{Error, Kind};
use datafusion::common::{Column, DataFusionError, SchemaError};

/// Our error for one of DataFusion's, in MySQL's words where it has some.
pub(super) fn fault(e: DataFusionError) -> Error {
    if let Some(ours) = meaning::error_of(&e) {
        return ours;
    }
    match e.find_root() {
        DataFusionError::SchemaError(schema, _) => of_schema(schema),
        DataFusionError::ResourcesExhausted(_) => {
            Error::new(Kind::Limit, "the statement needs more memory than there is for statements")
                .hint("Narrow it with WHERE, LIMIT or fewer columns in ORDER BY and GROUP BY; or raise the limit.")
        }
        DataFusionError::NotImplemented(text) => Error::new(Kind::Unsupported, clean(text)),
        DataFusionError::Plan(text) => of_plan(&clean(text)),
        DataFusionError::ParquetError(e) => Error::corrupt("a base file", e),
        DataFusionError::ObjectStore(e) => Error::new(Kind::Io, format!("the archive's store: {e}")),
        DataFusionError::IoError(e) => Error::new(Kind::Io, format!("the archive's store: {e}")),
        DataFusionError::Execution(text) => Error::new(Kind::BadValue, clean(text)),
        DataFusionError::ArrowError(e, _) => Error::new(Kind::BadValue, clean(&e.to_string())),
        other => Error::internal(clean(&other.to_string())),
    }
}

fn of_schema(e: &SchemaError) -> Error {
    let name = |c: &Column| without_ours(&c.flat_name());
    match e {
        SchemaError::FieldNotFound { field, .. } => {
            Error::new(Kind::UnknownColumn, format!("Unknown column '{}'", name(field)))
        }
        SchemaError::AmbiguousReference { field } => {
            Error::new(Kind::Ambiguous, format!("Column '{}' is ambiguous", name(field)))
                .hint("Write the table's name or alias before it.")
        }
        SchemaError::DuplicateQualifiedField { name, .. } | SchemaError::DuplicateUnqualifiedField { name } => {
            Error::new(Kind::Ambiguous, format!("Duplicate column name '{}'", without_ours(name)))
        }
    }
}

/// Planning tells most of its refusals as text.
fn of_plan(text: &str) -> Error {
    let kind = match () {
        () if text.starts_with("Invalid function") => Kind::UnknownFunction,
        () if text.contains("ambiguous") => Kind::Ambiguous,
        () if text.contains("must appear in") || text.contains("must be in") => Kind::Unsupported,
        () => Kind::Unsupported,
    };
    Error::new(kind, text)
}

/// Without names that only planning knows, and without its advice to programmers.
fn clean(text: &str) -> String {
    let text = text.split("\n\nbacktrace:").next().unwrap_or(text);
    without_ours(text)
}
