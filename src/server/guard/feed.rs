//! What opensrv reads: never two packets in one read, never a byte that a client chose.
//!
//! opensrv 0.7's reader frees the buffer that a packet borrows when the next packet arrives in the same read; and
//! its parsers panic on truncated EXECUTE packets, on sequence number 255 and on parameter types they do not know.

use crate::server::session::Command;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use mysql_common::constants::{CapabilityFlags as Caps, Command as Com};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::{Notify, mpsc};

pub struct Feed {
    rx: mpsc::Receiver<Bytes>,
    current: Bytes,
    working: bool,
    idle: Arc<Notify>,
}

impl Feed {
    /// `idle` is notified when opensrv asks for the next packet: it is done with the last. Nothing else tells that
    /// reliably, as some commands have no answer.
    pub fn new(rx: mpsc::Receiver<Bytes>, idle: Arc<Notify>) -> Self {
        Self { rx, current: Bytes::new(), working: false, idle }
    }
}

impl AsyncRead for Feed {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.current.is_empty() {
            if std::mem::take(&mut self.working) {
                self.idle.notify_one();
            }
            let Some(next) = ready!(self.rx.poll_recv(cx)) else { return Poll::Ready(Ok(())) };
            self.current = next;
            self.working = true;
        }
        let n = buf.remaining().min(self.current.len());
        buf.put_slice(&self.current[..n]);
        self.current.advance(n);
        Poll::Ready(Ok(()))
    }
}

fn packet(seq: u8, payload: &[u8]) -> Bytes {
    let mut b = BytesMut::with_capacity(4 + payload.len());
    b.put_u32_le(payload.len() as u32 | u32::from(seq) << 24);
    b.put_slice(payload);
    b.freeze()
}

/// Only the capabilities that change what opensrv writes. CLIENT_SSL must be absent, or it waits for a second packet.
pub fn handshake_response(deprecate_eof: bool) -> Bytes {
    let mut caps = Caps::CLIENT_PROTOCOL_41 | Caps::CLIENT_SECURE_CONNECTION | Caps::CLIENT_PLUGIN_AUTH;
    caps.set(Caps::CLIENT_DEPRECATE_EOF, deprecate_eof);
    let mut p = caps.bits().to_le_bytes().to_vec();
    p.extend([0; 28]); // packet size, charset, filler
    p.extend(b"guard\0"); // user
    p.extend(b"\x01x"); // an answer that is not empty, or opensrv asks for an auth switch
    p.extend(b"mysql_native_password\0");
    packet(1, &p)
}

/// The statement itself goes through the `Link`. (A real `SELECT @@max_allowed_packet` opensrv would answer itself.)
pub fn command(command: &Command) -> Bytes {
    let p = match command {
        Command::Query(_) => vec![Com::COM_QUERY as u8, b'?'],
        Command::Prepare(..) => vec![Com::COM_STMT_PREPARE as u8, b'?'],
        Command::InitDb(_) => vec![Com::COM_INIT_DB as u8, b'?'],
        Command::Execute { id, .. } => {
            [&[Com::COM_STMT_EXECUTE as u8][..], &id.to_le_bytes(), &[0, 1, 0, 0, 0]].concat()
        }
        Command::Close(id) => [&[Com::COM_STMT_CLOSE as u8][..], &id.to_le_bytes()].concat(),
    };
    packet(0, &p)
}
