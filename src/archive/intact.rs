//! Is an object of the archive as it was written, to the last byte? Read whole, whatever was read of it before.

use super::cluster::Cluster;
use super::part::LogPart;
use super::segment;
use super::store::failed;
use crate::error::{Error, Result};
use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt};

/// Larger objects of the log are read section by section.
const WHOLE: u64 = 32 << 20;

impl Cluster {
    /// The length of an object's plaintext, in bytes. Errors: `Corrupt` when it is missing, or no header opens it; `Io`.
    pub async fn length(&self, relative: &str) -> Result<u64> {
        let path = self.object_path(relative);
        Ok(self.named(&path, || async { self.store().head(&path).await }).await?.size)
    }

    /// Whether an object is listed, damaged or not. Errors: `Io`.
    pub async fn is_listed(&self, relative: &str) -> Result<bool> {
        let path = self.object_path(relative);
        let folder = self.object_path(relative.rsplit_once('/').map_or("", |(folder, _)| folder));
        let mut objects = self.store().list(Some(&folder));
        while let Some(object) = objects.try_next().await.map_err(|e| failed(&folder, e))? {
            if object.location == path {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A JSON object of any kind. Errors: `Corrupt`, `Io`.
    pub async fn check_json(&self, relative: &str) -> Result<()> {
        self.sealed::<serde_json::Value>(&self.object_path(relative)).await.map(drop)
    }

    /// A segment or a pack. Errors: `Corrupt`, `Io`.
    pub async fn check_part(&self, part: LogPart) -> Result<()> {
        let path = self.object_path(&part.object());
        let corrupt = |why: String| Error::corrupt(&path, why);
        if self.length(&part.object()).await? > WHOLE {
            let footer = self.footer(part).await?;
            for section in &footer.sections {
                self.section(part, section).await?;
            }
            for section in &footer.replaced {
                self.replaced(part, section).await?;
            }
            return Ok(());
        }
        let bytes = self.whole(&path).await?;
        let size = bytes.len() as u64;
        let segment::Tail::Footer(footer) = segment::read_tail(part, size, &bytes).map_err(corrupt)? else {
            return Err(Error::internal(format!("{path} was read whole and wants more")));
        };
        let cut = |offset, length| -> Result<bytes::Bytes, String> {
            let range = segment::range_of(offset, length)?;
            if range.end > size {
                Err("it ends too early".into())
            } else {
                Ok(bytes.slice(range.start as usize..range.end as usize))
            }
        };
        for section in &footer.sections {
            let rows = cut(section.offset, section.length).and_then(|bytes| segment::read_section(section, bytes));
            rows.map_err(corrupt)?;
        }
        for section in &footer.replaced {
            let rows = cut(section.offset, section.length).and_then(|bytes| segment::read_replaced(section, bytes));
            rows.map_err(corrupt)?;
        }
        Ok(())
    }
}
