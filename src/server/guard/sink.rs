//! What opensrv writes, on its way to the client: greeting and login OK vanish, column definitions are replaced,
//! status flags, warnings and errors are put in, sequence numbers are made anew.
//!
//! opensrv writes one physical packet per vectored write, header and payload. The sink takes it whole or (when the
//! socket is behind) not at all, so it always knows where packets begin.

use crate::server::cursor::Cursor;
use crate::server::errno::SqlError;
use crate::server::packet::{self, MAX_PHYSICAL, Outbound};
use crate::server::session::Command;
use mysql_common::constants::StatusFlags;
use mysql_common::io::ParseBuf;
use mysql_common::misc::raw::{RawInt, int::LenEnc};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, ready};
use tokio::io::AsyncWrite;
use tokio_util::sync::CancellationToken;

/// What passes beside opensrv.
#[derive(Clone)]
pub struct Link(Arc<Mutex<Core>>);

impl Link {
    pub fn new(core: Core) -> Self {
        Self(Arc::new(Mutex::new(core)))
    }
    /// Never held across an await.
    pub fn lock(&self) -> MutexGuard<'_, Core> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// What the next packet from opensrv must be.
#[derive(Debug, PartialEq, Clone, Copy)]
enum Expect {
    /// Greeting and login OK.
    Handshake(u8),
    Nothing,
    /// OK, ERR or a column count.
    Answer,
    /// COM_STMT_PREPARE's OK or ERR.
    Prepared,
    /// Definitions as laid out in `script`; then rows, or the end.
    Definitions {
        rows: bool,
    },
    Rows,
}

enum Slot {
    Definition(Vec<u8>),
    Eof,
}

pub struct Core {
    pub out: Outbound,
    deprecate_eof: bool,
    expect: Expect,
    script: VecDeque<Slot>,
    /// Physical packets, all full, of a logical one that is not complete yet.
    partial: Vec<u8>,
    /// Whether a part of the answer was given.
    pub started: bool,
    prepared: Option<usize>,
    pub input: Option<(Command, CancellationToken)>,
    // published by the shim before it calls opensrv
    /// Column definitions' payloads.
    pub columns: Vec<Vec<u8>>,
    pub parameters: Vec<Vec<u8>>,
    pub status: StatusFlags,
    pub warnings: u16,
    pub error: Option<SqlError>,
    pub cursor: Option<(u32, Cursor)>,
    /// The length of the row to come, if it fills its physical packets exactly: opensrv forgets the empty packet that
    /// must follow, and then nothing on the wire tells where the row ends.
    pub exact_row: Option<usize>,
}

impl Core {
    pub fn new(out: Outbound, deprecate_eof: bool) -> Self {
        Self {
            out,
            deprecate_eof,
            expect: Expect::Handshake(2),
            script: VecDeque::new(),
            partial: Vec::new(),
            started: false,
            prepared: None,
            input: None,
            columns: Vec::new(),
            parameters: Vec::new(),
            status: StatusFlags::empty(),
            warnings: 0,
            error: None,
            cursor: None,
            exact_row: None,
        }
    }

    pub fn begin(&mut self, seq: u8, command: Command, cancel: CancellationToken) {
        self.expect = match command {
            Command::Close(_) => Expect::Nothing,
            Command::Prepare(..) => Expect::Prepared,
            _ => Expect::Answer,
        };
        self.out.seq = seq;
        self.input = Some((command, cancel));
        (self.started, self.prepared, self.error, self.warnings, self.exact_row) = (false, None, None, 0, None);
        self.cursor = None;
        self.partial.clear();
        self.script.clear();
    }

    /// Whether the answer was complete; the number of parameters, if it was a prepared statement.
    pub fn end(&mut self, silent: bool) -> (bool, Option<usize>) {
        self.input = None;
        let complete = self.expect == Expect::Nothing && (self.started || silent);
        (complete, self.prepared.take())
    }

    fn emit(&mut self, payload: &[u8]) {
        self.started = true;
        self.out.push(payload);
    }

    /// One physical packet from opensrv.
    fn physical(&mut self, payload: &[u8]) -> io::Result<()> {
        if payload.len() < MAX_PHYSICAL && self.partial.is_empty() {
            return self.packet(payload);
        }
        self.partial.extend_from_slice(payload);
        if payload.len() == MAX_PHYSICAL && self.exact_row != Some(self.partial.len()) {
            return Ok(());
        }
        let whole = std::mem::take(&mut self.partial);
        self.packet(&whole)
    }

    fn packet(&mut self, p: &[u8]) -> io::Result<()> {
        let first = *p.first().ok_or_else(|| wrong("an empty packet"))?;
        match self.expect {
            Expect::Handshake(left) => {
                self.expect = if left == 1 { Expect::Nothing } else { Expect::Handshake(left - 1) };
            }
            Expect::Nothing => return Err(wrong("a packet that nobody asked for")),
            // No row begins with 0xff: not as a length, not as a header.
            Expect::Answer | Expect::Prepared | Expect::Rows if first == 0xff => {
                let e = self.error.take().unwrap_or_else(SqlError::failed);
                self.emit(&packet::err(&e));
                self.expect = Expect::Nothing;
            }
            Expect::Answer if first == 0 => self.done(p)?,
            Expect::Answer => self.columns(p)?,
            Expect::Prepared => self.prepared(p)?,
            Expect::Definitions { rows } => self.definition(rows)?,
            // An EOF, or the OK that replaces it. A row may begin with 0xfe too, when its first value has 16 MiB or more.
            Expect::Rows if first == 0xfe && p.len() < if self.deprecate_eof { MAX_PHYSICAL } else { 9 } => {
                let p = packet::end(self.deprecate_eof, self.status, self.warnings);
                self.emit(&p);
                self.expect = Expect::Nothing;
            }
            Expect::Rows => self.emit(p),
        }
        Ok(())
    }

    fn done(&mut self, p: &[u8]) -> io::Result<()> {
        let mut b = ParseBuf(&p[1..]);
        let (affected, _last_id) = (b.parse::<RawInt<LenEnc>>(())?, b.parse::<RawInt<LenEnc>>(())?);
        let info = String::from_utf8_lossy(b.0.get(4..).unwrap_or_default());
        let p = packet::ok(0, *affected, self.status, self.warnings, &info);
        self.emit(&p);
        self.expect = Expect::Nothing;
        Ok(())
    }

    fn columns(&mut self, p: &[u8]) -> io::Result<()> {
        let n = *ParseBuf(p).parse::<RawInt<LenEnc>>(())?;
        let columns = std::mem::take(&mut self.columns);
        if n != columns.len() as u64 {
            return Err(wrong("columns that the shim has not published"));
        }
        self.emit(p);
        self.lay_out(columns);
        if self.cursor.is_some() {
            self.status |= StatusFlags::SERVER_STATUS_CURSOR_EXISTS;
        }
        self.expect = Expect::Definitions { rows: true };
        Ok(())
    }

    /// Status 0, id, columns, parameters, a filler: 10 bytes before the warnings.
    fn prepared(&mut self, p: &[u8]) -> io::Result<()> {
        let mut p = p.to_vec();
        let warnings = p.get_mut(10..12).ok_or_else(|| wrong("a short answer to PREPARE"))?;
        warnings.copy_from_slice(&self.warnings.to_le_bytes());
        self.emit(&p);
        let (parameters, columns) = (std::mem::take(&mut self.parameters), std::mem::take(&mut self.columns));
        self.prepared = Some(parameters.len());
        self.lay_out(parameters);
        self.lay_out(columns);
        self.expect = if self.script.is_empty() { Expect::Nothing } else { Expect::Definitions { rows: false } };
        Ok(())
    }

    fn definition(&mut self, rows: bool) -> io::Result<()> {
        match self.script.pop_front() {
            Some(Slot::Definition(p)) => self.emit(&p),
            Some(Slot::Eof) if self.cursor.is_some() => {} // the end packet is the only one
            Some(Slot::Eof) => self.emit(&packet::eof(self.status, 0)),
            None => return Err(wrong("more definitions than columns")),
        }
        if self.script.is_empty() {
            self.expect = if rows { Expect::Rows } else { Expect::Nothing };
        }
        Ok(())
    }

    fn lay_out(&mut self, columns: Vec<Vec<u8>>) {
        let eof = !columns.is_empty() && !self.deprecate_eof;
        self.script.extend(columns.into_iter().map(Slot::Definition));
        self.script.extend(eof.then_some(Slot::Eof));
    }
}

fn wrong(what: &str) -> io::Error {
    io::Error::other(format!("opensrv wrote {what}"))
}

/// opensrv's output stream.
pub struct Sink(pub Link);

impl AsyncWrite for Sink {
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut core = self.0.lock();
        if core.out.buffered() > Outbound::HIGH_WATER {
            ready!(core.out.poll_drain(cx, 0))?;
        }
        let [head, payload] = parts else { return Poll::Ready(Err(wrong("something else than header and payload"))) };
        let len = match **head {
            [a, b, c, _] => usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16,
            _ => return Poll::Ready(Err(wrong("a header that is none"))),
        };
        if len != payload.len() {
            return Poll::Ready(Err(wrong("a header that does not fit its payload")));
        }
        core.physical(payload)?;
        Poll::Ready(Ok(4 + payload.len()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(wrong("without a header"))) // only after a partial write, and there are none
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.lock().out.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}
