//! The head of an age file: how long it is, and what opens the chunks behind it.

use crate::archive::keys::Identities;
use age::Decryptor;
use age_core::format::{FileKey, Stanza};
use age_core::secrecy::{ExposeSecret, SecretBox};
use bytes::Bytes;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// Plain bytes of a chunk.
pub const CHUNK: u64 = 64 * 1024;
/// What a tag adds to each.
const TAG: u64 = 16;
/// Sealed bytes of a chunk.
pub const SEALED: u64 = CHUNK + TAG;
/// After the header.
const NONCE: u64 = 16;

/// What is needed to read ranges of one object.
#[derive(Clone)]
pub struct Opened {
    /// The header with its nonce.
    head: Bytes,
    /// Of the age file.
    sealed: u64,
    key: Arc<SecretBox<[u8; 16]>>,
}

/// The length of the header with the nonce, or what is missing for it. It says how long the plaintext is, without any secret.
pub fn head_length(prefix: &[u8]) -> Result<u64, String> {
    // "---", a space, the MAC, the end of the line; the lines before it cannot begin so
    if !prefix.starts_with(b"age-encryption.org/v1\n") {
        return Err("it does not begin as an age file does".into());
    }
    let mac = prefix.windows(5).position(|w| w == b"\n--- ").ok_or("its age header does not end")?;
    let end = prefix[mac + 1..].iter().position(|b| *b == b'\n').ok_or("its age header does not end")?;
    Ok((mac + 1 + end + 1) as u64 + NONCE)
}

/// The plaintext's length that an age file's implies; `None`: no age file has that length.
pub fn plain_length(sealed: u64, head: u64) -> Option<u64> {
    let body = sealed.checked_sub(head)?;
    let chunks = body.div_ceil(SEALED);
    let last = body.checked_sub(chunks.checked_sub(1)? * SEALED)?;
    // only an empty file has an empty last chunk
    if last < TAG || (last == TAG && chunks > 1) { None } else { Some(body - TAG * chunks) }
}

impl Opened {
    /// From the object's first bytes and its length. Errors: what is wrong; `Ok(None)`: no identity opens it.
    pub fn new(prefix: &Bytes, sealed: u64, identities: &Identities) -> Result<Option<Self>, String> {
        let length = head_length(prefix)?;
        if length > prefix.len() as u64 {
            return Err("it ends within its age header".into());
        }
        plain_length(sealed, length).ok_or("no age file has its length")?;
        let head = prefix.slice(..length as usize);
        let decryptor = Decryptor::new(head.as_ref()).map_err(|e| format!("its age header: {e}"))?;
        let found = Mutex::new(None);
        let recording: Vec<Recording> = identities.all().map(|inner| Recording { inner, found: &found }).collect();
        match decryptor.decrypt(recording.iter().map(|r| r as &dyn age::Identity)) {
            Ok(_) => {}
            Err(age::DecryptError::NoMatchingKeys) => return Ok(None),
            Err(e) => return Err(format!("its age header: {e}")),
        }
        let key = found.into_inner().unwrap_or_else(PoisonError::into_inner).ok_or("its age header has no key")?;
        Ok(Some(Self { head, sealed, key: Arc::new(SecretBox::new(Box::new(key))) }))
    }

    /// The plaintext's length.
    pub fn plain(&self) -> u64 {
        plain_length(self.sealed, self.head.len() as u64).unwrap_or_default()
    }

    /// Where in the object the chunks are that hold `plain`.
    pub fn sealed_range(&self, plain: &Range<u64>) -> Range<u64> {
        let (first, after) = (plain.start / CHUNK, plain.end.div_ceil(CHUNK).max(plain.start / CHUNK + 1));
        let head = self.head.len() as u64;
        head + first * SEALED..(head + after * SEALED).min(self.sealed)
    }

    /// `plain` out of the bytes of `sealed_range(plain)`. Errors: what is wrong.
    pub fn open(&self, plain: &Range<u64>, bytes: Bytes) -> Result<Vec<u8>, String> {
        let at = self.sealed_range(plain).start;
        let parts = Parts { length: self.sealed, head: self.head.clone(), at, bytes, position: 0 };
        let said = |e: &dyn std::fmt::Display| format!("it is not as it was encrypted: {e}");
        let known = Known(self.key.clone());
        let decryptor = Decryptor::new(parts).map_err(|e| said(&e))?;
        let mut reader = decryptor.decrypt(std::iter::once(&known as &dyn age::Identity)).map_err(|e| said(&e))?;
        // A seek to a chunk's beginning would ask for the last chunk; one into it does not.
        if plain.start > 0 && plain.start.is_multiple_of(CHUNK) {
            reader.seek(SeekFrom::Start(plain.start + 1)).map_err(|e| said(&e))?;
        }
        reader.seek(SeekFrom::Start(plain.start)).map_err(|e| said(&e))?;
        let mut out = vec![0; (plain.end - plain.start) as usize];
        reader.read_exact(&mut out).map_err(|e| said(&e))?;
        if plain.is_empty() {
            // the empty chunk says that there is nothing
            let more = reader.read(&mut [0]).map_err(|e| said(&e))?;
            return if more == 0 { Ok(out) } else { Err("it holds more than its length says".into()) };
        }
        Ok(out)
    }
}

/// Remembers the key that another identity found.
struct Recording<'a> {
    inner: &'a dyn age::Identity,
    found: &'a Mutex<Option<[u8; 16]>>,
}

impl age::Identity for Recording<'_> {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, age::DecryptError>> {
        self.kept(self.inner.unwrap_stanza(stanza))
    }

    fn unwrap_stanzas(&self, stanzas: &[Stanza]) -> Option<Result<FileKey, age::DecryptError>> {
        self.kept(self.inner.unwrap_stanzas(stanzas))
    }
}

impl Recording<'_> {
    fn kept(&self, answer: Option<Result<FileKey, age::DecryptError>>) -> Option<Result<FileKey, age::DecryptError>> {
        if let Some(Ok(key)) = &answer {
            *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(*key.expose_secret());
        }
        answer
    }
}

/// The key is known; the header's MAC is still compared.
struct Known(Arc<SecretBox<[u8; 16]>>);

impl age::Identity for Known {
    fn unwrap_stanza(&self, _: &Stanza) -> Option<Result<FileKey, age::DecryptError>> {
        Some(Ok(FileKey::new(Box::new(*self.0.expose_secret()))))
    }
}

/// An age file of which only the head and some bytes are here. Asking for others is an error, never zeros.
struct Parts {
    length: u64,
    head: Bytes,
    at: u64,
    bytes: Bytes,
    position: u64,
}

impl Read for Parts {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.position >= self.length {
            return Ok(0);
        }
        for (at, bytes) in [(0, &self.head), (self.at, &self.bytes)] {
            if let Some(from) = self.position.checked_sub(at).filter(|from| *from < bytes.len() as u64) {
                let rest = &bytes[from as usize..];
                let count = rest.len().min(into.len());
                into[..count].copy_from_slice(&rest[..count]);
                self.position += count as u64;
                return Ok(count);
            }
        }
        Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it ends too early"))
    }
}

impl Seek for Parts {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let from = |base: u64, by: i64| base.checked_add_signed(by).ok_or(io::ErrorKind::InvalidInput);
        self.position = match to {
            SeekFrom::Start(at) => at,
            SeekFrom::Current(by) => from(self.position, by)?,
            SeekFrom::End(by) => from(self.length, by)?,
        };
        Ok(self.position)
    }
}
