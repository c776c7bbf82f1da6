//! What is durably kept, and is it intact? Bases, segments and manifests in an object store.
//!
//! Knows nothing of sources, SQL or clients. The byte layout and its invariants: `docs/format.md`.

mod base;
mod catalog;
mod cluster;
mod encode;
mod intact;
mod key;
mod keys;
mod layout;
mod lease;
mod manifest;
mod objects;
mod open;
mod pack;
mod part;
mod proof;
mod replaced;
mod rewrap;
mod rows;
mod seal;
mod segment;
mod store;
mod upkeep;
mod upload;
mod writer;

#[cfg(test)]
mod tests;

pub use base::BaseWriter;
pub use cluster::Cluster;
pub use key::KeyEncoder;
pub use keys::{Ask, Identities, generate, read_recipients};
pub use lease::Lease;
pub use manifest::{Base, BaseFile, Manifest};
pub use objects::{Folder, StoredObject};
pub use open::{Access, Archive};
pub use pack::{PackContent, PackWriter};
pub use part::LogPart;
pub use proof::{Check, KnownState, KnownTable, Proof};
pub use segment::{Commit, Footer, Gap, Replaced, SchemaEntry, Section, TableCounts, Uneventful};
pub use store::{OwnedSpool, Requests, Waiting};
pub use upkeep::{KeptState, Pack, Retired, Start, StateContent, Upkeep};
pub use writer::{FinishedSegment, SegmentWriter};
