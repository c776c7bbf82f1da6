//! Which objects are there, and which can be deleted? Only the upkeep deletes.

use super::cluster::Cluster;
use super::layout;
use super::store::failed;
use crate::error::{Error, Result};
use crate::model::Micros;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::ObjectStore;

/// An object of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredObject {
    /// Relative to the cluster's prefix.
    pub path: String,
    /// As it is stored: encrypted, if the archive is.
    pub bytes: u64,
    /// When it was written, by the store's clock.
    pub written: Micros,
}

/// Where objects are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folder {
    Manifests,
    Segments,
    Packs,
    Bases,
    States,
    Lists,
    Proofs,
}

impl Folder {
    pub const ALL: [Folder; 7] = [
        Folder::Manifests,
        Folder::Segments,
        Folder::Packs,
        Folder::Bases,
        Folder::States,
        Folder::Lists,
        Folder::Proofs,
    ];
}

impl Cluster {
    /// What is there, by name.
    pub async fn objects(&self, folder: Folder) -> Result<Vec<StoredObject>> {
        let prefix = self.object_path(match folder {
            Folder::Manifests => layout::MANIFESTS,
            Folder::Segments => layout::SEGMENTS,
            Folder::Packs => layout::PACKS,
            Folder::Bases => layout::BASES,
            Folder::States => layout::STATES,
            Folder::Lists => layout::UPKEEP,
            Folder::Proofs => layout::PROOFS,
        });
        let mut objects = self.store().list(Some(&prefix));
        let (mut found, own) = (Vec::new(), format!("{}/", self.name()));
        while let Some(object) = objects.try_next().await.map_err(|e| failed(&prefix, e))? {
            let Some(path) = object.location.as_ref().strip_prefix(&own) else { continue };
            let written = Micros(object.last_modified.timestamp_micros());
            found.push(StoredObject { path: path.to_string(), bytes: object.size, written });
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }

    /// Deletes objects. What is gone already is fine; returns what could not be deleted, and why.
    pub async fn delete(&self, paths: &[String]) -> Vec<Error> {
        let locations: Vec<_> = paths.iter().map(|p| Ok(self.object_path(p))).collect();
        let deleted = self.store().delete_stream(stream::iter(locations).boxed());
        let failures = deleted.filter_map(|done| async {
            match done {
                Ok(_) | Err(object_store::Error::NotFound { .. }) => None,
                Err(e) => Some(failed("deleting", e)),
            }
        });
        failures.collect().await
    }

    /// The number of a segment's path, as `objects` gives it.
    pub fn segment_number(path: &str) -> Option<u64> {
        layout::segment_number(&path.into())
    }

    /// The number of a manifest's, a list's or a proof's path.
    pub fn list_number(path: &str) -> Option<u64> {
        layout::manifest_number(&path.into())
    }
}
