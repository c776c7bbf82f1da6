//! Reading an object to its end, though connections break on the way: what is missing is asked for again.

use super::STORE;
use super::errors::said;
use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt, try_unfold};
use object_store::{Error, Result};
use std::ops::Range;
use std::time::Duration;

/// How often in a row a body may break off without a byte having come.
const BREAKS: u32 = 5;

/// One object's bytes, from the same state of it throughout.
pub struct Reading {
    pub client: Client,
    pub bucket: String,
    pub key: String,
    pub e_tag: Option<String>,
}

struct At {
    reading: Reading,
    body: ByteStream,
    missing: Range<u64>,
    breaks: u32,
}

impl Reading {
    /// `body` brings the bytes of `range`, or its beginning.
    pub fn stream(self, body: ByteStream, range: Range<u64>) -> BoxStream<'static, Result<Bytes>> {
        try_unfold(At { reading: self, body, missing: range, breaks: 0 }, next).boxed()
    }

    async fn again(&self, range: &Range<u64>) -> Result<ByteStream> {
        let wanted = format!("bytes={}-{}", range.start, range.end - 1);
        let request = self.client.get_object().bucket(&self.bucket).key(&self.key).range(wanted);
        let answer = request.set_if_match(self.e_tag.clone()).send().await.map_err(|e| said(&self.key, e))?;
        Ok(answer.body)
    }
}

async fn next(mut at: At) -> Result<Option<(Bytes, At)>> {
    loop {
        if at.missing.is_empty() {
            return Ok(None);
        }
        let why = match at.body.next().await {
            Some(Ok(bytes)) if bytes.is_empty() => continue,
            Some(Ok(bytes)) => {
                let length = bytes.len() as u64;
                if length > at.missing.end - at.missing.start {
                    return Err(broken(&at.reading.key, "S3 sent more than was asked for"));
                }
                at.missing.start += length;
                at.breaks = 0;
                return Ok(Some((bytes, at)));
            }
            Some(Err(e)) => e.to_string(),
            None => "the answer ended too early".to_string(),
        };
        at.breaks += 1;
        if at.breaks > BREAKS {
            return Err(broken(&at.reading.key, &why));
        }
        tracing::debug!(key = at.reading.key, why, "an answer broke off; the rest is asked for again");
        tokio::time::sleep(Duration::from_millis(100 << at.breaks)).await;
        at.body = at.reading.again(&at.missing).await?;
    }
}

fn broken(key: &str, why: &str) -> Error {
    Error::Generic { store: STORE, source: format!("reading {key}: {why}").into() }
}
