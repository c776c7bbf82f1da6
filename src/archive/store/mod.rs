//! Where are the archive's objects? Finds the store that a URL names, and turns its failures into ours.
//!
//! Knows nothing of what the objects hold.

mod local;

use crate::error::{Error, Kind, Result};
use local::LocalStore;
use object_store::ObjectStore;
use std::path::PathBuf;
use std::sync::Arc;
use url::Url;

/// Whether a place that does not exist yet is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    Make,
    Refuse,
}

/// Opens the store that `url` names: `file:///absolute/path`, or a path. Returns its URL in full, too.
/// With `Absent::Make` what killed writers left behind is removed as well.
/// Errors: `Unsupported` for s3, `Usage` for any other scheme or a place that is not there, `Io`.
pub async fn open(url: &str, absent: Absent) -> Result<(String, Arc<dyn ObjectStore>)> {
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
    Ok((full.to_string(), Arc::new(store)))
}

fn local_path(url: &str) -> Result<PathBuf> {
    if url.is_empty() {
        return Err(Error::new(Kind::Usage, "the archive's URL is empty").hint("Give a directory, or file:///path."));
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
        Some(("s3", _)) => Err(Error::new(Kind::Unsupported, format!("archives in S3 are not supported yet: {url}"))
            .hint("Use a local directory: a path, or file:///path.")),
        Some((scheme, _)) => Err(Error::new(Kind::Usage, format!("{scheme}:// is no kind of archive: {url}"))
            .hint("Use a local directory: a path, or file:///path.")),
    }
}

/// Says what the store could not do with `what`. Absent objects are `Io` here: the caller knows what their absence means.
pub fn failed(what: impl std::fmt::Display, error: object_store::Error) -> Error {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(e) = cause {
        if let Some(io) = e.downcast_ref::<std::io::Error>() {
            return Error::io(what, std::io::Error::new(io.kind(), io.to_string()));
        }
        cause = e.source();
    }
    Error::new(Kind::Io, format!("{what}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_local_directories_are_archives_for_now() {
        assert_eq!(local_path("file:///a/b%20c").expect("a path"), PathBuf::from("/a/b c"));
        assert!(local_path("some/where").expect("a path").is_absolute());
        for (url, kind) in [
            ("s3://bucket/prefix", Kind::Unsupported),
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
