//! An upload whose parts are encrypted on the way, and cut anew: all but the last have the same length.

use age::stream::StreamWriter;
use async_trait::async_trait;
use futures::future::{FutureExt, ready, try_join_all};
use object_store::{Error, MultipartUpload, PutPayload, PutResult, Result, UploadPart};
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// Some servers want parts of one length; S3 wants at least 5 MiB and at most 10,000 parts: files up to 80 GiB.
const PART: usize = 8 << 20;

/// What is encrypted and not yet sent.
#[derive(Clone, Default)]
struct Pending(Arc<Mutex<Vec<u8>>>);

impl Write for Pending {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub struct Upload {
    writer: Option<StreamWriter<Pending>>,
    pending: Pending,
    inner: Box<dyn MultipartUpload>,
}

impl std::fmt::Debug for Upload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upload").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl Upload {
    pub fn new(encryptor: age::Encryptor, inner: Box<dyn MultipartUpload>) -> io::Result<Self> {
        let pending = Pending::default();
        Ok(Self { writer: Some(encryptor.wrap_output(pending.clone())?), pending, inner })
    }

    fn encrypt(&mut self, data: &PutPayload) -> io::Result<()> {
        let ended = || io::Error::new(io::ErrorKind::InvalidInput, "the upload has ended");
        let writer = self.writer.as_mut().ok_or_else(ended)?;
        data.iter().try_for_each(|bytes| writer.write_all(bytes))
    }
}

fn failed(source: io::Error) -> Error {
    Error::Generic { store: super::STORE, source: Box::new(source) }
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        if let Err(error) = self.encrypt(&data) {
            return ready(Err(failed(error))).boxed();
        }
        let mut parts = Vec::new();
        let mut pending = self.pending.0.lock().unwrap_or_else(PoisonError::into_inner);
        while pending.len() >= PART {
            let rest = pending.split_off(PART);
            parts.push(self.inner.put_part(std::mem::replace(&mut *pending, rest).into()));
        }
        async move { try_join_all(parts).await.map(|_| ()) }.boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let writer = self.writer.take();
        let ended = || io::Error::new(io::ErrorKind::InvalidInput, "the upload has ended");
        writer.ok_or_else(ended).and_then(StreamWriter::finish).map_err(failed)?;
        let rest = std::mem::take(&mut *self.pending.0.lock().unwrap_or_else(PoisonError::into_inner));
        if !rest.is_empty() {
            self.inner.put_part(rest.into()).await?;
        }
        self.inner.complete().await
    }

    async fn abort(&mut self) -> Result<()> {
        self.writer = None;
        self.inner.abort().await
    }
}
