//! What is durably kept, and is it intact? Bases, segments and manifests in an object store.
//!
//! Knows nothing of sources, SQL or clients. The byte layout and its invariants: `docs/format.md`.

mod base;
mod catalog;
mod cluster;
mod key;
mod layout;
mod manifest;
mod open;
mod replaced;
mod rows;
mod seal;
mod segment;
mod store;
mod writer;

#[cfg(test)]
mod tests;

pub use base::BaseWriter;
pub use cluster::Cluster;
pub use key::KeyEncoder;
pub use manifest::{Base, BaseFile, Manifest};
pub use open::Archive;
pub use segment::{Commit, Footer, Gap, Replaced, SchemaEntry, Section, TableCounts, Uneventful};
pub use writer::{FinishedSegment, SegmentWriter};
