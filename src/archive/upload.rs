//! How does a large object reach the store? In parts, counted and summed on the way.

use bytes::BytesMut;
use object_store::{MultipartUpload, PutPayload};

/// What goes to the store at once: S3 wants parts of at least 5 MiB.
const UPLOAD_BYTES: usize = 8 << 20;

/// An object that is there, whole, once it is completed. If it is dropped before, it is not.
pub(super) struct Upload {
    upload: Box<dyn MultipartUpload>,
    buffer: BytesMut,
    crc32: crc32fast::Hasher,
    bytes: u64,
}

impl Upload {
    pub fn new(upload: Box<dyn MultipartUpload>) -> Self {
        Self { upload, buffer: BytesMut::new(), crc32: crc32fast::Hasher::new(), bytes: 0 }
    }

    /// Bytes so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many bytes it has, and their CRC-32.
    pub fn sums(self) -> (u64, u32) {
        (self.bytes, self.crc32.finalize())
    }

    pub async fn add(&mut self, bytes: &[u8]) -> object_store::Result<()> {
        self.crc32.update(bytes);
        self.bytes += bytes.len() as u64;
        let mut rest = bytes;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(UPLOAD_BYTES - self.buffer.len()));
            self.buffer.extend_from_slice(now);
            self.send(UPLOAD_BYTES).await?;
            rest = later;
        }
        Ok(())
    }

    pub async fn end(&mut self) -> object_store::Result<()> {
        self.send(0).await?;
        self.upload.complete().await.map(drop)
    }

    async fn send(&mut self, least: usize) -> object_store::Result<()> {
        while self.buffer.len() >= least && !self.buffer.is_empty() {
            let part = self.buffer.split_to(self.buffer.len().min(UPLOAD_BYTES)).freeze();
            self.upload.put_part(PutPayload::from(part)).await?;
        }
        Ok(())
    }
}
