//! Which archive is this, and whose backups does it hold? `pcloud.json` and the clusters beside it.

use super::cluster::Cluster;
use super::layout;
use super::seal::{seal, unseal};
use super::store::{self, Absent, failed};
use crate::clock::Clock;
use crate::error::{Error, Kind, Result};
use crate::model::Micros;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fmt::Write;
use std::sync::{Arc, Mutex};

/// The newest version of the format that this program reads and writes.
const FORMAT: u32 = 1;

/// `pcloud.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Identity {
    format: u32,
    archive_id: String,
    created: Micros,
    /// Public keys that objects are encrypted to; none: objects are plain.
    recipients: Vec<String>,
}

/// What any version of `pcloud.json` has.
#[derive(Deserialize)]
struct Version {
    format: u32,
}

/// A place that holds backups of clusters. Cheap to clone; clones share what they know.
#[derive(Debug, Clone)]
pub struct Archive(Arc<Opened>);

#[derive(Debug)]
struct Opened {
    url: String,
    id: String,
    store: Arc<dyn ObjectStore>,
    /// Base files whose bytes this process has checked.
    verified: Mutex<HashSet<Path>>,
}

impl Archive {
    /// Opens an archive: `file:///path`, or a path.
    /// Errors: `Usage` when there is none, `Unsupported` when it is of a newer format, `Corrupt`, `Io`.
    pub async fn open(url: &str) -> Result<Archive> {
        let (url, store) = store::open(url, Absent::Refuse).await?;
        match read_identity(&url, store.as_ref()).await? {
            Some(identity) => Ok(Self::of(url, store, identity)),
            None => {
                Err(Error::new(Kind::Usage, format!("there is no archive at {url}: it has no {}", layout::ARCHIVE))
                    .hint("pcloud protect and pcloud import make one."))
            }
        }
    }

    /// Opens an archive, and makes it first where there is none. Errors: as `open`.
    pub async fn create(url: &str, clock: &dyn Clock) -> Result<Archive> {
        let (url, store) = store::open(url, Absent::Make).await?;
        if let Some(identity) = read_identity(&url, store.as_ref()).await? {
            return Ok(Self::of(url, store, identity));
        }
        let identity =
            Identity { format: FORMAT, archive_id: random_id()?, created: clock.now(), recipients: Vec::new() };
        let bytes = seal(&identity)?;
        match store.put_opts(&layout::ARCHIVE.into(), bytes.into(), PutMode::Create.into()).await {
            Ok(_) => Ok(Self::of(url, store, identity)),
            Err(object_store::Error::AlreadyExists { .. }) => Self::open(&url).await, // another made it meanwhile
            Err(e) => Err(failed(format!("making {url}{}", layout::ARCHIVE), e)),
        }
    }

    fn of(url: String, store: Arc<dyn ObjectStore>, identity: Identity) -> Self {
        Self(Arc::new(Opened { url, id: identity.archive_id, store, verified: Mutex::default() }))
    }

    /// In full, as `file:///path`.
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// Drawn at random when the archive was made.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// Names of the clusters that have a manifest, sorted.
    pub async fn clusters(&self) -> Result<Vec<String>> {
        let listed = self.0.store.list_with_delimiter(None).await.map_err(|e| failed(self.url(), e))?;
        let mut names = Vec::new();
        for prefix in listed.common_prefixes {
            let name = prefix.filename().unwrap_or_default();
            if !layout::is_cluster_name(name) {
                continue;
            }
            let manifests = prefix.clone().join(layout::MANIFESTS);
            let mut objects = self.0.store.list(Some(&manifests));
            while let Some(object) = objects.try_next().await.map_err(|e| failed(&manifests, e))? {
                if layout::manifest_number(&object.location).is_some() {
                    names.push(name.to_string());
                    break;
                }
            }
        }
        names.sort();
        Ok(names)
    }

    /// One cluster's part. Does not ask the store: a cluster that was never protected has no manifest.
    /// Errors: `Usage`, when `name` cannot name a cluster.
    pub fn cluster(&self, name: &str) -> Result<Cluster> {
        layout::check_cluster_name(name)?;
        Ok(Cluster::of(self.clone(), name.to_string()))
    }

    /// The store, for readers of base files (their paths: `Cluster::object_path`).
    pub fn object_store(&self) -> Arc<dyn ObjectStore> {
        self.0.store.clone()
    }

    pub(super) fn verified(&self) -> &Mutex<HashSet<Path>> {
        &self.0.verified
    }
}

async fn read_identity(url: &str, store: &dyn ObjectStore) -> Result<Option<Identity>> {
    let object = format!("{url}/{}", layout::ARCHIVE);
    let bytes = match store.get(&layout::ARCHIVE.into()).await {
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        Err(e) => return Err(failed(object, e)),
        Ok(found) => found.bytes().await.map_err(|e| failed(&object, e))?,
    };
    // The version first: what else a newer one holds is not ours to judge.
    let Version { format } = serde_json::from_slice(&bytes).map_err(|e| Error::corrupt(&object, e))?;
    if format > FORMAT {
        return Err(Error::new(
            Kind::Unsupported,
            format!("{url} is an archive of format {format}; this pcloud knows formats up to {FORMAT}"),
        )
        .hint("Use the newer pcloud that wrote it."));
    }
    let identity: Identity = unseal(&object, &bytes)?;
    if !identity.recipients.is_empty() {
        return Err(Error::new(Kind::Unsupported, format!("{url} is encrypted, which this pcloud does not support"))
            .hint("Use the newer pcloud that wrote it."));
    }
    Ok(Some(identity))
}

/// 32 hexadecimal digits.
fn random_id() -> Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|e| Error::internal(format!("no random bytes: {e}")))?;
    Ok(bytes.iter().fold(String::new(), |mut id, byte| {
        write!(id, "{byte:02x}").expect("a String takes all");
        id
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::FixedClock;

    #[tokio::test]
    async fn an_archive_is_made_once_and_opened_afterwards() {
        let directory = tempfile::tempdir().expect("a directory");
        let (path, clock) = (directory.path().join("x y"), FixedClock::at(Micros(5)));
        let url = path.to_str().expect("UTF-8");
        assert_eq!(Archive::open(url).await.expect_err("absent").kind, Kind::Usage);
        let made = Archive::create(url, &clock).await.expect("made");
        let again = Archive::create(url, &clock).await.expect("opened");
        let by_url = Archive::open(made.url()).await.expect("opened by its URL");
        assert!(made.url().starts_with("file:///") && made.url().ends_with("/x%20y"), "{}", made.url());
        assert_eq!((made.id(), made.id()), (again.id(), by_url.id()));
        assert_eq!(made.id().len(), 32);
        assert!(made.clusters().await.expect("listed").is_empty());
    }

    #[tokio::test]
    async fn what_this_program_does_not_know_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let url = directory.path().to_str().expect("UTF-8");
        let file = directory.path().join(layout::ARCHIVE);
        let identity = |format, recipients| Identity { format, archive_id: "a".into(), created: Micros(0), recipients };
        let newer = b"{\"format\":2,\"sealed\":\"in another way\"}".to_vec();
        let encrypted = seal(&identity(1, vec!["age1x".into()])).expect("sealed");
        let mut flipped = seal(&identity(1, vec![])).expect("sealed");
        flipped[30] ^= 1;
        for (bytes, kind) in [
            (newer, Kind::Unsupported),
            (encrypted, Kind::Unsupported),
            (flipped, Kind::Corrupt),
            (vec![], Kind::Corrupt),
        ] {
            std::fs::write(&file, bytes).expect("written");
            assert_eq!(Archive::open(url).await.expect_err("refused").kind, kind);
            assert_eq!(Archive::create(url, &FixedClock::default()).await.expect_err("refused").kind, kind);
        }
    }
}
