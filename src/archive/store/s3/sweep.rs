//! Uploads in parts that were never ended take space and are seen by nobody: those of writers long gone are aborted.

use super::S3Store;
use crate::clock::{Clock, SystemClock};
use std::time::Duration;

/// An upload that began so long ago has no writer any more.
const ABANDONED: Duration = Duration::from_secs(48 * 3600);

impl S3Store {
    /// What cannot be aborted only takes space.
    pub async fn sweep(&self) {
        let listed = self.client.list_multipart_uploads().bucket(&self.location.bucket).prefix(self.location.key(""));
        let uploads = match listed.send().await {
            Ok(listed) => listed.uploads.unwrap_or_default(),
            Err(error) => {
                tracing::debug!(%error, "unfinished uploads are not listed");
                return;
            }
        };
        let before = SystemClock.now().0 / 1_000_000 - ABANDONED.as_secs() as i64;
        for upload in uploads {
            let (Some(key), Some(id), Some(begun)) = (upload.key, upload.upload_id, upload.initiated) else { continue };
            if begun.secs() < before {
                let abort = self.client.abort_multipart_upload().bucket(&self.location.bucket).key(key).upload_id(id);
                if let Err(error) = abort.send().await {
                    tracing::debug!(%error, "an unfinished upload is not aborted");
                }
            }
        }
    }
}
