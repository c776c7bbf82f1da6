//! Where are the archive's objects? Finds the store that a URL names, and turns its failures into ours.
//!
//! Knows nothing of what the objects hold.

mod cache;
mod fault;
mod local;
mod meter;
mod s3;
mod sealed;
mod spool;

pub use cache::CacheStore;
pub use meter::{Meter, Requests};
pub use sealed::AgeStore;
pub use spool::{Owned as OwnedSpool, SpoolStore, Waiting};

use crate::error::{Error, Kind, Result};
use fault::Fault;
use local::LocalStore;
use object_store::ObjectStore;
use s3::{S3Location, S3Store};
use std::path::PathBuf;
use std::sync::Arc;
use url::Url;

/// Whether a place that does not exist yet is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    Make,
    Refuse,
}

/// Where objects are in the end, without the layers over it.
#[derive(Debug, Clone)]
pub struct Place {
    /// In full.
    pub url: String,
    pub store: Arc<dyn ObjectStore>,
    /// Of another machine: a network lies between.
    pub remote: bool,
    /// What was asked of it; a local directory costs nothing.
    pub meter: Option<Arc<Meter>>,
}

/// Finds the place that `url` names: `s3://bucket/prefix`, `file:///absolute/path`, or a path.
/// With `Absent::Make` what killed writers left behind is removed as well.
/// Errors: `Usage` for any other scheme, a misspelt option, or a directory that is not there; `Io`.
pub async fn open(url: &str, absent: Absent) -> Result<Place> {
    if url.starts_with("s3://") {
        let meter = Arc::new(Meter::default());
        let store = S3Store::new(S3Location::parse(url)?, meter.clone()).await;
        if absent == Absent::Make {
            store.sweep().await;
        }
        return Ok(Place { url: url.to_string(), store: Arc::new(store), remote: true, meter: Some(meter) });
    }
    let path = local_path(url)?;
    let store = tokio::task::spawn_blocking(move || -> Result<LocalStore> {
        if absent == Absent::Make {
            let store = LocalStore::create(&path)?;
            store.sweep();
            return Ok(store);
        }
        LocalStore::open(&path)
    })
    .await
    .map_err(|e| Error::internal(format!("opening {url}: {e}")))??;
    let full = Url::from_file_path(store.root())
        .map_err(|()| Error::new(Kind::Usage, format!("{} is no absolute path", store.root().display())))?;
    Ok(Place { url: full.to_string(), store: Arc::new(store), remote: false, meter: None })
}

const PLACES: &str = "Write s3://bucket/prefix, or a local directory: a path, or file:///path.";

fn local_path(url: &str) -> Result<PathBuf> {
    if url.is_empty() {
        return Err(Error::new(Kind::Usage, "the archive's URL is empty").hint(PLACES));
    }
    match url.split_once("://") {
        None => std::path::absolute(url).map_err(|e| Error::io(url, e)),
        Some(("file", _)) => {
            Url::parse(url).ok().filter(|u| u.host_str().is_none()).and_then(|u| u.to_file_path().ok()).ok_or_else(
                || {
                    Error::new(Kind::Usage, format!("{url} names no local directory"))
                        .hint("Write file:///absolute/path, with three slashes.")
                },
            )
        }
        Some((scheme, _)) => {
            Err(Error::new(Kind::Usage, format!("{scheme}:// is no kind of archive: {url}")).hint(PLACES))
        }
    }
}

/// Says what the store could not do with `what`. Absent objects are `Io` here: the caller knows what their absence means.
pub fn failed(what: impl std::fmt::Display, error: object_store::Error) -> Error {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(e) = cause {
        if let Some(fault) = e.downcast_ref::<Fault>() {
            return faulted(what, fault);
        }
        if let Some(io) = e.downcast_ref::<std::io::Error>() {
            return Error::io(what, std::io::Error::new(io.kind(), io.to_string()));
        }
        cause = e.source();
    }
    let denied =
        matches!(error, object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. });
    let error = Error::new(Kind::Io, format!("{what}: {}", shortly(error)));
    if denied {
        error.hint("The keys that pcloud uses for S3 do not allow it, or are not valid (any more).")
    } else {
        error
    }
}

/// The cause's own words, if there is one: object_store's frame around it says nothing more.
fn shortly(error: object_store::Error) -> String {
    match error {
        object_store::Error::Generic { source, .. }
        | object_store::Error::NotFound { source, .. }
        | object_store::Error::AlreadyExists { source, .. }
        | object_store::Error::PermissionDenied { source, .. }
        | object_store::Error::Unauthenticated { source, .. } => source.to_string(),
        other => other.to_string(),
    }
}

fn faulted(what: impl std::fmt::Display, fault: &Fault) -> Error {
    match fault {
        Fault::NoIdentity => Error::new(Kind::Usage, format!("{what} is not read: {fault}"))
            .hint("Add --identity FILE (what pcloud keygen made), on the machine that may read the backups."),
        Fault::OtherKeys => Error::new(Kind::Usage, format!("{what} is not read: {fault}"))
            .hint("Give the identity of one of its public keys; `pcloud recipients` lists them."),
        Fault::Damaged(why) => Error::corrupt(what, why),
        Fault::SpoolFull(why) => Error::new(Kind::Io, format!("{what} is not written: {why}"))
            .hint("Capture goes on when the archive takes it; the source must keep its logs until then. --spool-limit raises the limit."),
        Fault::Lost(why) => Error::new(Kind::Fenced, why.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_directory_or_a_bucket() {
        assert_eq!(local_path("file:///a/b%20c").expect("a path"), PathBuf::from("/a/b c"));
        assert!(local_path("some/where").expect("a path").is_absolute());
        for (url, kind) in [
            ("S3://bucket/prefix", Kind::Usage),
            ("ftp://host/x", Kind::Usage),
            ("file://host/x", Kind::Usage),
            ("", Kind::Usage),
        ] {
            assert_eq!(local_path(url).expect_err(url).kind, kind, "{url}");
        }
    }

    #[test]
    fn a_full_disk_is_said_to_be_full() {
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        let e = failed("log/1.seg", object_store::Error::Generic { store: "local", source: Box::new(full) });
        assert_eq!(e.kind, Kind::Io);
        assert!(e.hint.expect("a hint").contains("disk is full"));
    }
}
