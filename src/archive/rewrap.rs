//! How do the archive's keys change? `pcloud.json` says whom objects are encrypted to; old objects are encrypted anew.

use super::keys::Recipients;
use super::layout;
use super::open::{Archive, write_identity};
use super::store::{AgeStore, failed};
use crate::error::{Error, Kind, Result};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload, WriteMultipart};

/// Objects up to this size are replaced by one put.
const WHOLE: u64 = 8 << 20;
/// Parts of a larger one that are on their way at once.
const PARTS: usize = 4;

impl Archive {
    /// From now on objects are encrypted to these public keys; those that are there stay as they are (see `rewrap`).
    /// Errors: `Usage` when the archive is not encrypted or a key is none; `Io`.
    pub async fn encrypt_to(&self, keys: &[String]) -> Result<()> {
        self.check_encrypted()?;
        let keys = Recipients::parse(keys)?;
        write_identity(self, keys.texts().to_vec()).await
    }

    /// Encrypts every object anew to the keys that `pcloud.json` names; the plaintext stays as it is. Readers may go on.
    /// `tell`: objects done, all objects, bytes. Answers how many there were.
    /// Errors: `Usage` without an identity that opens an object; `Corrupt`, `Io`. What was done stays done.
    pub async fn rewrap(&self, tell: &(dyn Fn(u64, u64, u64) + Sync)) -> Result<u64> {
        self.check_encrypted()?;
        let stored = self.stored_objects();
        let identities = self.identities().ok_or_else(|| {
            Error::new(Kind::Usage, "what is encrypted can only be encrypted anew with a secret key")
                .hint("Add --identity FILE.")
        })?;
        let sealed = AgeStore::new(stored.clone(), Recipients::parse(self.recipients())?, Some(identities));
        let listed: Vec<_> = stored.list(None).try_collect().await.map_err(|e| failed(self.url(), e))?;
        let objects: Vec<_> = listed.into_iter().filter(|meta| meta.location != Path::from(layout::ARCHIVE)).collect();
        let (all, mut bytes) = (objects.len() as u64, 0);
        for (done, meta) in objects.iter().enumerate() {
            tell(done as u64, all, bytes);
            anew(&sealed, &meta.location, meta.size).await.map_err(|e| failed(&meta.location, e))?;
            bytes += meta.size;
        }
        tell(all, all, bytes);
        Ok(all)
    }

    fn check_encrypted(&self) -> Result<()> {
        if self.recipients().is_empty() {
            return Err(Error::new(Kind::Usage, format!("{} is not encrypted", self.url()))
                .hint("Encrypt into a new archive: another --archive with --recipient."));
        }
        Ok(())
    }
}

/// The object appears in its new form at once, or stays as it was.
async fn anew(store: &AgeStore, path: &Path, size: u64) -> object_store::Result<()> {
    if size <= WHOLE {
        let bytes = store.get(path).await?.bytes().await?;
        store.put(path, PutPayload::from(bytes)).await?;
        return Ok(());
    }
    let mut bytes = store.get(path).await?.into_stream();
    let mut upload = WriteMultipart::new_with_chunk_size(store.put_multipart(path).await?, WHOLE as usize);
    while let Some(part) = bytes.next().await {
        match part {
            Ok(part) => {
                upload.wait_for_capacity(PARTS).await?;
                upload.put(part);
            }
            Err(error) => {
                upload.abort().await?;
                return Err(error);
            }
        }
    }
    upload.finish().await?;
    Ok(())
}
