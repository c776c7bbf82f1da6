//! An object that is sent in parts, and is there when the last one is.

use super::errors::said;
use super::{S3Store, STORE};
use async_trait::async_trait;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use object_store::path::Path;
use object_store::{Error, MultipartUpload, PutPayload, PutResult, Result, UploadPart};
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Debug)]
pub struct Upload {
    to: Arc<To>,
    /// S3 counts parts from 1.
    parts: i32,
}

#[derive(Debug)]
struct To {
    store: S3Store,
    path: Path,
    key: String,
    id: String,
    sent: Mutex<Vec<CompletedPart>>,
}

impl Upload {
    pub fn new(store: S3Store, path: Path, key: String, id: String) -> Self {
        Self { to: Arc::new(To { store, path, key, id, sent: Mutex::default() }), parts: 0 }
    }
}

impl To {
    async fn send(&self, number: i32, data: PutPayload) -> Result<()> {
        let S3Store { client, location, .. } = &self.store;
        let request = client.upload_part().bucket(&location.bucket).key(&self.key).upload_id(&self.id);
        let answer = request
            .part_number(number)
            .body(bytes::Bytes::from(data).into())
            .send()
            .await
            .map_err(|e| said(self.path.as_ref(), e))?;
        let part = CompletedPart::builder()
            .part_number(number)
            .set_e_tag(answer.e_tag)
            .set_checksum_crc32(answer.checksum_crc32)
            .build();
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).push(part);
        Ok(())
    }
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.parts += 1;
        let (to, number) = (self.to.clone(), self.parts);
        Box::pin(async move { to.send(number, data).await })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        if self.parts == 0 {
            self.put_part(PutPayload::default()).await?;
        }
        let mut sent = std::mem::take(&mut *self.to.sent.lock().unwrap_or_else(PoisonError::into_inner));
        if sent.len() != self.parts as usize {
            let source = format!("{}: only {} of {} parts were sent", self.to.path, sent.len(), self.parts).into();
            return Err(Error::Generic { store: STORE, source });
        }
        sent.sort_by_key(CompletedPart::part_number);
        let S3Store { client, location, .. } = &self.to.store;
        let answer = client
            .complete_multipart_upload()
            .bucket(&location.bucket)
            .key(&self.to.key)
            .upload_id(&self.to.id)
            .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(sent)).build())
            .send()
            .await
            .map_err(|e| said(self.to.path.as_ref(), e))?;
        Ok(PutResult { e_tag: answer.e_tag, version: answer.version_id })
    }

    async fn abort(&mut self) -> Result<()> {
        let S3Store { client, location, .. } = &self.to.store;
        let request = client.abort_multipart_upload().bucket(&location.bucket).key(&self.to.key).upload_id(&self.to.id);
        request.send().await.map_err(|e| said(self.to.path.as_ref(), e))?;
        Ok(())
    }
}
