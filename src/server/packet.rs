//! How do packets get on and off the socket? Framing is mysql_common's, in both directions.

use super::errno::SqlError;
use bytes::{Buf, BytesMut};
use mysql_common::constants::StatusFlags;
use mysql_common::io::BufMutExt;
use mysql_common::proto::codec::{ChunkDecoder, ChunkInfo, error::PacketCodecError, packet_to_chunks};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::Sleep;

/// Largest physical packet's payload.
pub const MAX_PHYSICAL: usize = 0xff_ffff;

/// The connection before login: reads exactly one packet, never a byte more, and nothing large.
pub struct Raw {
    pub io: TcpStream,
    pub seq: u8,
}

impl Raw {
    /// Bytes that a client may send in one packet before it is let in.
    pub const MAX: usize = 32 * 1024;

    pub async fn read(&mut self) -> io::Result<Vec<u8>> {
        let head = self.io.read_u32_le().await?;
        let (len, seq) = ((head & 0xff_ffff) as usize, (head >> 24) as u8);
        if len > Self::MAX || seq != self.seq {
            return Err(io::Error::other("a packet before login out of order or too large"));
        }
        self.seq = seq.wrapping_add(1);
        let mut payload = vec![0; len];
        self.io.read_exact(&mut payload).await?;
        Ok(payload)
    }

    pub async fn write(&mut self, payload: &[u8]) -> io::Result<()> {
        let mut out = BytesMut::new();
        self.seq = packet_to_chunks(self.seq, &mut &*payload, &mut out);
        self.io.write_all(&out).await
    }
}

/// Packets from the client, after login.
pub struct Inbound {
    rd: OwnedReadHalf,
    buf: BytesMut,
    decoder: ChunkDecoder,
    packet: Vec<u8>,
    max: usize,
}

/// Why there is no next packet.
pub enum Broken {
    TooLarge,
    OutOfOrder,
    Io(io::Error),
}

impl From<io::Error> for Broken {
    fn from(e: io::Error) -> Self {
        Broken::Io(e)
    }
}

impl Inbound {
    /// Bytes kept of what a client sends while its last command still runs.
    const READ_AHEAD: usize = 64 * 1024;

    /// `max`: max_allowed_packet, in bytes.
    pub fn new(rd: OwnedReadHalf, max: usize) -> Self {
        Self { rd, buf: BytesMut::with_capacity(4 * 1024), decoder: ChunkDecoder::default(), packet: Vec::new(), max }
    }

    /// The next packet, which must carry `seq` (0 begins a command), and the sequence number that follows it;
    /// `None` when the client has gone. Safe to drop and call again.
    pub async fn packet(&mut self, seq: u8) -> Result<Option<(Vec<u8>, u8)>, Broken> {
        loop {
            // A whole chunk is decoded or nothing is: how many went before can be told from the length.
            let expected = seq.wrapping_add((self.packet.len() / MAX_PHYSICAL) as u8);
            match self.decoder.decode(&mut self.buf, &mut self.packet, self.max) {
                Ok(Some(ChunkInfo::Middle(s) | ChunkInfo::Last(s))) if s != expected => return Err(Broken::OutOfOrder),
                Ok(Some(ChunkInfo::Last(s))) => return Ok(Some((std::mem::take(&mut self.packet), s.wrapping_add(1)))),
                Ok(Some(ChunkInfo::Middle(_))) => continue,
                Ok(None) => {}
                Err(PacketCodecError::Io(e)) => return Err(e.into()),
                Err(_) => return Err(Broken::TooLarge),
            }
            self.buf.reserve(16 * 1024); // a full BytesMut grows by 64 bytes only
            if self.rd.read_buf(&mut self.buf).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Resolves when the client has closed its end. Reads ahead a little, decodes nothing: sequence numbers belong
    /// to the running answer. Safe to drop and call again.
    pub async fn gone(&mut self) {
        while self.buf.len() < Self::READ_AHEAD {
            self.buf.reserve(16 * 1024);
            match self.rd.read_buf(&mut self.buf).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
        std::future::pending().await
    }
}

/// Answers to the client, after login.
pub struct Outbound {
    wr: OwnedWriteHalf,
    buf: BytesMut,
    /// How long the socket may take nothing.
    patience: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    pub seq: u8,
}

impl Outbound {
    /// A writer that finds more than this in the buffer waits for the socket.
    pub const HIGH_WATER: usize = 64 * 1024;

    pub fn new(wr: OwnedWriteHalf, patience: Duration) -> Self {
        Self { wr, buf: BytesMut::new(), patience, stalled: None, seq: 0 }
    }

    pub fn push(&mut self, payload: &[u8]) {
        self.seq = packet_to_chunks(self.seq, &mut &*payload, &mut self.buf);
    }

    pub fn buffered(&self) -> usize {
        self.buf.len()
    }

    /// Writes until no more than `keep` bytes are buffered. Errors: `TimedOut` when the client reads nothing for
    /// the whole patience.
    pub fn poll_drain(&mut self, cx: &mut Context<'_>, keep: usize) -> Poll<io::Result<()>> {
        while self.buf.len() > keep {
            let Poll::Ready(written) = Pin::new(&mut self.wr).poll_write(cx, &self.buf) else {
                let patience = self.patience;
                let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
                ready!(stalled.as_mut().poll(cx));
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            };
            self.stalled = None;
            match written? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => self.buf.advance(n),
            }
        }
        Poll::Ready(Ok(()))
    }

    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_drain(cx, 0)
    }

    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx, 0))?;
        Pin::new(&mut self.wr).poll_shutdown(cx)
    }
}

/// An OK packet, which mysql_common can read but not write. `header`: 0, or 0xfe where it stands for an EOF.
pub fn ok(header: u8, affected: u64, status: StatusFlags, warnings: u16, info: &str) -> Vec<u8> {
    let mut p = vec![header];
    p.put_lenenc_int(affected);
    p.put_lenenc_int(0); // nothing here makes an AUTO_INCREMENT value
    p.extend(status.bits().to_le_bytes());
    p.extend(warnings.to_le_bytes());
    if !info.is_empty() {
        p.put_lenenc_str(info.as_bytes());
    }
    p
}

pub fn eof(status: StatusFlags, warnings: u16) -> Vec<u8> {
    let [w0, w1] = warnings.to_le_bytes();
    let [s0, s1] = status.bits().to_le_bytes();
    vec![0xfe, w0, w1, s0, s1]
}

/// What ends a result set, or answers SET_OPTION: an EOF, or the OK that replaces it.
pub fn end(deprecate_eof: bool, status: StatusFlags, warnings: u16) -> Vec<u8> {
    if deprecate_eof { ok(0xfe, 0, status, warnings, "") } else { eof(status, warnings) }
}

/// Before the greeting: a client knows of no SQLSTATE yet, and would show it as text.
pub fn early_err(e: &SqlError) -> Vec<u8> {
    let mut p = vec![0xff];
    p.extend(e.code.to_le_bytes());
    p.extend(e.text.as_bytes());
    p
}

pub fn err(e: &SqlError) -> Vec<u8> {
    let mut p = vec![0xff];
    p.extend(e.code.to_le_bytes());
    p.push(b'#');
    p.extend(e.state.as_bytes());
    p.extend(e.text.as_bytes());
    p
}
