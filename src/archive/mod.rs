//! What is durably kept, and is it intact? Bases, segments and manifests in an object store.
//!
//! Knows nothing of sources, SQL or clients. The byte layout and its invariants: `docs/format.md`.

mod base;
mod catalog;
mod cluster;
mod key;
mod manifest;
mod segment;
mod writer;

pub use base::BaseWriter;
pub use cluster::{Archive, Cluster};
pub use key::KeyEncoder;
pub use manifest::{Base, BaseFile, Manifest};
pub use segment::{Commit, Footer, SchemaEntry, Section, TableCounts};
pub use writer::{FinishedSegment, SegmentWriter};
