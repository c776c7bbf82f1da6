//! opensrv-mysql behind a guard. It sees neither the socket nor a client's bytes: commands reach it as tiny synthetic
//! packets, one per read (`feed`), what it writes is checked and rewritten packet by packet (`sink`), and everything
//! real (statement, parameters, column definitions, errors, counts) passes beside it through the `Link` (`shim`).

mod feed;
mod shim;
mod sink;

use super::cursor::{self, Cursor};
use super::engine::Shared;
use super::packet::Outbound;
use super::session::{Command, Responder};
use bytes::Bytes;
use feed::Feed;
use opensrv_mysql::{AsyncMysqlIntermediary, IntermediaryOptions};
use shim::Shim;
use sink::{Core, Link, Sink};
use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use tokio::sync::{Notify, mpsc};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

pub struct Guarded {
    link: Link,
    feed: mpsc::Sender<Bytes>,
    /// opensrv asks for its next packet: it is done with the last.
    idle: Arc<Notify>,
    /// A task of its own: its panic becomes an error, and busy work does not keep the socket from being watched.
    task: AbortOnDropHandle<io::Result<()>>,
    engine: Shared,
    deprecate_eof: bool,
    cursors: HashMap<u32, Cursor>,
}

impl Guarded {
    /// Starts opensrv and brings it past its own handshake, of which the client sees nothing.
    pub async fn start(out: Outbound, engine: Shared, deprecate_eof: bool) -> io::Result<Self> {
        let link = Link::new(Core::new(out, deprecate_eof));
        let (feed, rx) = mpsc::channel(1);
        let idle = Arc::new(Notify::new());
        let source = Feed::new(rx, idle.clone());
        let shim = Shim::new(link.clone(), engine.clone());
        let sink = Sink(link.clone());
        let task = AbortOnDropHandle::new(tokio::spawn(async move {
            let options = IntermediaryOptions { process_use_statement_on_query: true, ..Default::default() };
            AsyncMysqlIntermediary::run_with_options(shim, source, sink, &options).await
        }));
        let mut this = Self { link, feed, idle, task, engine, deprecate_eof, cursors: HashMap::new() };
        this.exchange(feed::handshake_response(deprecate_eof)).await?;
        Ok(this)
    }

    /// Hands opensrv one packet and waits until it has dealt with it.
    async fn exchange(&mut self, packet: Bytes) -> io::Result<()> {
        self.feed.send(packet).await.map_err(|_| io::ErrorKind::BrokenPipe)?;
        tokio::select! {
            _ = self.idle.notified() => Ok(()),
            end = &mut self.task => match end {
                Ok(Ok(())) => Err(io::Error::other("opensrv ended early")),
                Ok(Err(e)) => Err(e),
                Err(e) => Err(io::Error::other(e)), // it panicked
            }
        }
    }
}

impl Responder for Guarded {
    async fn run(&mut self, seq: u8, command: Command, cancel: CancellationToken) -> io::Result<Option<usize>> {
        if let Command::Execute { id, .. } | Command::Close(id) = command {
            self.close_cursor(id);
        }
        let packet = feed::command(&command);
        let silent = matches!(command, Command::Close(_));
        self.link.lock().begin(seq, command, cancel);
        let done = self.exchange(packet).await;
        let (complete, prepared) = self.link.lock().end(silent);
        done?;
        if !complete {
            return Err(io::Error::other("an answer was left unfinished"));
        }
        if let Some((id, cursor)) = self.link.lock().cursor.take() {
            self.cursors.insert(id, cursor);
        }
        Ok(prepared)
    }

    /// opensrv knows nothing of cursors: it opens an empty result, and the rows to be fetched do not pass it.
    async fn fetch(&mut self, seq: u8, id: u32, n: usize, cancel: CancellationToken) -> io::Result<()> {
        let state = self.engine.lock().await.state();
        self.link.lock().started = false;
        let (packets, last) = match self.cursors.get_mut(&id) {
            None => (cursor::missing(id), true),
            Some(cursor) => tokio::select! {
                answer = cursor.fetch(n, self.deprecate_eof, state) => answer,
                () = cancel.cancelled() => (cursor::interrupted(), true),
            },
        };
        if last {
            self.close_cursor(id);
        }
        self.send(seq, &packets).await.map(drop)
    }

    async fn send(&mut self, seq: u8, packets: &[Vec<u8>]) -> io::Result<u8> {
        {
            let mut core = self.link.lock();
            core.out.seq = seq;
            packets.iter().for_each(|p| core.out.push(p));
        }
        poll_fn(|cx| self.link.lock().out.poll_flush(cx)).await?;
        Ok(self.link.lock().out.seq)
    }

    fn started(&self) -> bool {
        self.link.lock().started
    }

    fn close_cursor(&mut self, id: u32) {
        self.cursors.remove(&id);
    }

    async fn shutdown(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.link.lock().out.poll_shutdown(cx)).await
    }
}
