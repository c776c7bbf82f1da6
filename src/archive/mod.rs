//! What is durably kept, and is it intact? Bases, segments and manifests in an object store.
//!
//! Knows nothing of sources, SQL or clients. The byte layout and its invariants: `docs/format.md`.

mod base;
mod catalog;
mod cluster;
mod key;
mod keys;
mod layout;
mod manifest;
mod open;
mod replaced;
mod rewrap;
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
pub use keys::{Ask, Identities, generate, read_recipients};
pub use manifest::{Base, BaseFile, Manifest};
pub use open::{Access, Archive};
pub use segment::{Commit, Footer, Gap, Replaced, SchemaEntry, Section, TableCounts, Uneventful};
pub use store::{OwnedSpool, Requests, Waiting};
pub use writer::{FinishedSegment, SegmentWriter};
