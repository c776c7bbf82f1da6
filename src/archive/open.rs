//! Which archive is this, and whose backups does it hold? `pcloud.json` and the clusters beside it.

use super::cluster::Cluster;
use super::keys::{Identities, Recipients};
use super::layout;
use super::lease::Leases;
use super::seal::{seal, unseal};
use super::store::{self, Absent, AgeStore, CacheStore, OwnedSpool, Place, Requests, SpoolStore, failed};
use crate::clock::Clock;
use crate::error::{Error, Kind, Result};
use crate::model::Micros;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

/// The newest version of the format that this program reads and writes.
const FORMAT: u32 = 1;

/// `pcloud.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
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

/// How an archive is opened: with which keys, and where this machine keeps what belongs to it.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// Public keys to encrypt a new archive to; of one that is there they must be its own.
    pub recipients: Vec<String>,
    /// What opens an encrypted archive; `None`: it is only written.
    pub identities: Option<Identities>,
    /// A new archive in another place than a local directory may be without encryption.
    pub plain: bool,
    /// Where spools, the capturing side's memory and the cache are; each archive has a directory of its own there.
    pub local: Option<PathBuf>,
    /// What the read cache may take on the disk, in bytes; 0: there is none.
    pub cache_bytes: u64,
    /// What may wait in a cluster's spool while the archive is away, in bytes.
    pub spool_bytes: u64,
}

/// A place that holds backups of clusters. Cheap to clone; clones share what they know.
#[derive(Debug, Clone)]
pub struct Archive(Arc<Opened>);

#[derive(Debug)]
struct Opened {
    url: String,
    identity: Identity,
    access: Access,
    /// Where objects are in the end.
    place: Place,
    /// With all layers: plaintext.
    store: Arc<dyn ObjectStore>,
    spools: Option<SpoolStore>,
    /// Base files whose bytes this process has checked.
    verified: Mutex<HashSet<Path>>,
    /// The newest numbered object of each list that this process has made.
    made: Mutex<HashSet<Path>>,
    leases: Mutex<Leases>,
}

impl Archive {
    /// Opens an archive: `s3://bucket/prefix`, `file:///path`, or a path. One that is encrypted cannot be read so.
    /// Errors: `Usage` when there is none, `Unsupported` when it is of a newer format, `Corrupt`, `Io`.
    pub async fn open(url: &str) -> Result<Archive> {
        Self::open_with(url, &Access::default()).await
    }

    /// The same, with keys. Errors: also `Usage` when the public keys in `access` are not the archive's.
    pub async fn open_with(url: &str, access: &Access) -> Result<Archive> {
        let place = store::open(url, Absent::Refuse).await?;
        match read_identity(&place).await? {
            Some(identity) => Self::of(place, identity, access),
            None => Err(Error::new(
                Kind::Usage,
                format!("there is no archive at {}: it has no {}", place.url, layout::ARCHIVE),
            )
            .hint("pcloud protect and pcloud import make one.")),
        }
    }

    /// Opens an archive, and makes it first where there is none. Errors: as `open`.
    pub async fn create(url: &str, clock: &dyn Clock) -> Result<Archive> {
        Self::create_with(url, &Access::default(), clock).await
    }

    /// The same, with keys. Errors: also `Unsupported` when the place cannot create objects only if they are absent.
    pub async fn create_with(url: &str, access: &Access, clock: &dyn Clock) -> Result<Archive> {
        let place = store::open(url, Absent::Make).await?;
        let identity = match read_identity(&place).await? {
            Some(identity) => identity,
            None => make_identity(&place, access, clock).await?,
        };
        if !identity.recipients.is_empty() {
            Recipients::parse(&identity.recipients)?; // that nothing can be encrypted is said now, not at the first write
        }
        if place.remote {
            creates_only_if_absent(&place).await?;
        }
        Self::of(place, identity, access)
    }

    fn of(place: Place, identity: Identity, access: &Access) -> Result<Self> {
        let theirs = &identity.recipients;
        if !access.recipients.is_empty() {
            let wanted = Recipients::parse(&access.recipients)?;
            if theirs.is_empty() {
                return Err(Error::new(
                    Kind::Usage,
                    format!("{} is not encrypted, and public keys were given", place.url),
                )
                .hint("Encrypt into a new archive: another --archive with these --recipient."));
            }
            if let Some(unknown) = wanted.texts().iter().find(|text| !theirs.contains(text)) {
                return Err(Error::new(Kind::Usage, format!("{} is not encrypted to {unknown}", place.url))
                    .hint("`pcloud recipients add` adds a public key to an archive."));
            }
            if let Some(more) = theirs.iter().find(|text| !wanted.texts().contains(text)) {
                return Err(Error::new(Kind::Usage, format!("{} is encrypted to {more}, too, which was not given", place.url))
                    .hint("If that is right, give it as well (--recipient), or give none; else somebody has added a key: remove it with `pcloud recipients remove`."));
            }
        }
        let local = access.local.as_ref().map(|home| home.join(&identity.archive_id));
        let mut store = place.store.clone();
        if let (Some(local), true) = (&local, access.cache_bytes > 0 && place.remote) {
            let directory = local.join("cache");
            let cache = CacheStore::new(store, directory.clone(), access.cache_bytes);
            store = Arc::new(cache.map_err(|e| Error::io(directory.display(), e))?);
        }
        let spooled = place.remote || !theirs.is_empty();
        let spools = local.filter(|_| spooled).map(|local| SpoolStore::new(store.clone(), local));
        if let Some(spools) = &spools {
            store = Arc::new(spools.clone());
        }
        if !theirs.is_empty() {
            store = Arc::new(AgeStore::new(store, Recipients::of_archive(theirs)?, access.identities.clone()));
        }
        let opened = Opened {
            url: place.url.clone(),
            identity,
            access: access.clone(),
            place,
            store,
            spools,
            verified: Mutex::default(),
            made: Mutex::default(),
            leases: Mutex::default(),
        };
        Ok(Self(Arc::new(opened)))
    }

    /// In full, as `file:///path`.
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// Drawn at random when the archive was made.
    pub fn id(&self) -> &str {
        &self.0.identity.archive_id
    }

    /// The public keys that objects are encrypted to; none: everybody who gets at them can read them.
    pub fn recipients(&self) -> &[String] {
        &self.0.identity.recipients
    }

    /// Whether this process can read what is in the archive.
    pub fn is_readable(&self) -> bool {
        self.recipients().is_empty() || self.0.access.identities.is_some()
    }

    pub(super) fn identities(&self) -> Option<Identities> {
        self.0.access.identities.clone()
    }

    pub(super) fn is_remote(&self) -> bool {
        self.0.place.remote
    }

    /// What this process has asked of the archive's server; `None`: the archive is a local directory.
    pub fn requests(&self) -> Option<Requests> {
        self.0.place.meter.as_ref().map(|meter| meter.requests())
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

    /// The objects as they lie there: age files, if the archive is encrypted.
    pub fn stored_objects(&self) -> Arc<dyn ObjectStore> {
        self.0.place.store.clone()
    }

    /// Where this machine keeps what belongs to a cluster, if anywhere.
    pub(super) fn local(&self, cluster: &str) -> Option<PathBuf> {
        Some(self.0.access.local.as_ref()?.join(self.id()).join(cluster))
    }

    /// Makes this process the writer of a cluster's spool. `None`: the archive is written directly.
    /// Errors: `Fenced` when another process has it, `Usage` when there must be one and no place for it, `Io`.
    pub(super) fn own_spool(&self, cluster: &str) -> Result<Option<OwnedSpool>> {
        match &self.0.spools {
            Some(spools) => spools.own(cluster, self.0.access.spool_bytes).map(Some),
            None if self.is_readable() => Ok(None),
            None => Err(Error::new(
                Kind::Usage,
                format!("{} is encrypted, and this machine has no place to remember how far it has come", self.url()),
            )
            .hint("Add --state DIRECTORY, or --identity FILE.")),
        }
    }

    /// The archive as it lies there: read past this machine's cache and spool, and with nothing remembered.
    /// Errors: `Corrupt` when it is not the same archive any more; `Io`.
    pub async fn direct(&self) -> Result<Archive> {
        let Opened { url, place, access, .. } = self.0.as_ref();
        let object = format!("{url}/{}", layout::ARCHIVE);
        let identity = read_identity(place).await?.ok_or_else(|| Error::corrupt(&object, "it is missing"))?;
        if identity.archive_id != self.id() {
            return Err(Error::corrupt(&object, format!("it is of another archive, {}", identity.archive_id)));
        }
        let mut store = place.store.clone();
        if !identity.recipients.is_empty() {
            let recipients = Recipients::of_archive(&identity.recipients)?;
            store = Arc::new(AgeStore::new(store, recipients, access.identities.clone()));
        }
        Ok(Self(Arc::new(Opened {
            url: url.clone(),
            identity,
            access: access.clone(),
            place: place.clone(),
            store,
            spools: None,
            verified: Mutex::default(),
            made: Mutex::default(),
            leases: Mutex::default(),
        })))
    }

    /// The same archive through another store. For tests, which put their faults there.
    #[doc(hidden)]
    pub fn through(&self, other: impl FnOnce(Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore>) -> Archive {
        let Opened { url, identity, access, place, store, spools, .. } = self.0.as_ref();
        Self(Arc::new(Opened {
            url: url.clone(),
            identity: identity.clone(),
            access: access.clone(),
            place: place.clone(),
            store: other(store.clone()),
            spools: spools.clone(),
            verified: Mutex::default(),
            made: Mutex::default(),
            leases: Mutex::default(),
        }))
    }

    pub(super) fn leases(&self) -> &Mutex<Leases> {
        &self.0.leases
    }

    pub(super) fn verified(&self) -> &Mutex<HashSet<Path>> {
        &self.0.verified
    }

    pub(super) fn made(&self) -> &Mutex<HashSet<Path>> {
        &self.0.made
    }
}

async fn make_identity(place: &Place, access: &Access, clock: &dyn Clock) -> Result<Identity> {
    if access.recipients.is_empty() && place.remote && !access.plain {
        return Err(Error::new(Kind::Usage, format!("a new archive at {} would not be encrypted", place.url)).hint(
            "Make a key pair with `pcloud keygen`, and add --recipient age1…; or add --plain, if whoever can read the bucket may read the data.",
        ));
    }
    let recipients = match access.recipients.as_slice() {
        [] => Vec::new(),
        some => Recipients::parse(some)?.texts().to_vec(),
    };
    let identity = Identity { format: FORMAT, archive_id: random_id()?, created: clock.now(), recipients };
    let bytes = seal(&identity)?;
    match place.store.put_opts(&layout::ARCHIVE.into(), bytes.into(), PutMode::Create.into()).await {
        Ok(_) => Ok(identity),
        Err(object_store::Error::AlreadyExists { .. }) => {
            // another made it meanwhile
            read_identity(place).await?.ok_or_else(|| Error::internal("an archive that was there is gone"))
        }
        Err(e) => Err(failed(format!("making {}/{}", place.url, layout::ARCHIVE), e)),
    }
}

/// Names other public keys in `pcloud.json`. Errors: `Fenced` when somebody else changed it meanwhile; `Io`.
pub(super) async fn write_identity(archive: &Archive, recipients: Vec<String>) -> Result<()> {
    let Opened { place, identity, .. } = archive.0.as_ref();
    let now = read_identity(place).await?.ok_or_else(|| Error::corrupt(&place.url, "its pcloud.json is missing"))?;
    if now.recipients != identity.recipients {
        return Err(Error::new(
            Kind::Fenced,
            format!("the keys of {} have just been changed by somebody else", place.url),
        )
        .hint("Look at them with `pcloud recipients list`, then try again."));
    }
    let bytes = seal(&Identity { recipients, ..now })?;
    let done = place.store.put(&layout::ARCHIVE.into(), bytes.into()).await;
    done.map(drop).map_err(|e| failed(format!("writing {}/{}", place.url, layout::ARCHIVE), e))
}

/// Two writers are told apart by who creates an object first. A server that does not know the condition would overwrite: here
/// it overwrites an object with itself. Errors: `Unsupported`.
async fn creates_only_if_absent(place: &Place) -> Result<()> {
    let path = Path::from(layout::ARCHIVE);
    let whole = async { place.store.get(&path).await?.bytes().await };
    let bytes = whole.await.map_err(|e| failed(&place.url, e))?;
    match place.store.put_opts(&path, bytes.into(), PutMode::Create.into()).await {
        Err(object_store::Error::AlreadyExists { .. }) => Ok(()),
        Err(object_store::Error::NotImplemented { .. }) | Ok(_) => Err(Error::new(
            Kind::Unsupported,
            format!("the server of {} overwrites objects that it was told to create only if absent (If-None-Match: *)", place.url),
        )
        .hint("Two writers could destroy each other's backups there. Use a server with conditional writes: Amazon S3, Ceph, MinIO, R2, …")),
        Err(e) => Err(failed(&place.url, e)),
    }
}

async fn read_identity(place: &Place) -> Result<Option<Identity>> {
    let Place { url, store, .. } = place;
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
        let misspelt = seal(&identity(1, vec!["age1x".into()])).expect("sealed");
        let mut flipped = seal(&identity(1, vec![])).expect("sealed");
        flipped[30] ^= 1;
        for (bytes, kind) in
            [(newer, Kind::Unsupported), (misspelt, Kind::Usage), (flipped, Kind::Corrupt), (vec![], Kind::Corrupt)]
        {
            std::fs::write(&file, bytes).expect("written");
            assert_eq!(Archive::open(url).await.expect_err("refused").kind, kind);
            assert_eq!(Archive::create(url, &FixedClock::default()).await.expect_err("refused").kind, kind);
        }
    }
}
