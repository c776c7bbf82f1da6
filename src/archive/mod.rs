//! What is durably kept, and is it intact? Bases, segments and manifests in an object store.
//!
//! Knows nothing of sources, SQL or clients. The byte layout and its invariants: `docs/format.md`.

mod manifest;
mod segment;

pub use manifest::{Base, BaseFile, Manifest};
pub use segment::{Commit, Footer, SchemaEntry, Section, TableCounts};
