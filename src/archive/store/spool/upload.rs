//! From the spool into the archive, in the order in which objects came.

use super::files::{Files, Spooled};
use super::{lost, same};
use crate::error::{Error, Kind, Result};
use object_store::{ObjectStore, PutMode};
use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How often, and with which pauses, a spool's lock is asked for.
const LOOKS: u32 = 5;
const LOOK: Duration = Duration::from_millis(20);
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// This process's hold on a spool. Dropped, it leaves what waits where it is.
#[derive(Debug)]
pub struct Owned {
    files: Arc<Files>,
    state: Arc<State>,
    stop: CancellationToken,
    _lock: File,
}

#[derive(Debug, Default)]
struct State {
    /// Since when the archive takes nothing, and why.
    away: Mutex<Option<(Instant, String)>>,
    /// Another writer has the cluster.
    lost: Mutex<Option<String>>,
}

impl State {
    fn is_away(&self, why: String) {
        let mut away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        let since = away.as_ref().map_or_else(Instant::now, |(since, _)| *since);
        *away = Some((since, why));
    }
}

/// What a spool holds that the archive has not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    pub objects: usize,
    pub bytes: u64,
    /// How long the archive has taken nothing, and why.
    pub away: Option<(Duration, String)>,
}

impl Owned {
    pub fn begin(files: Arc<Files>, remote: Arc<dyn ObjectStore>, limit: u64) -> Result<Self> {
        let directory = files.directory().display().to_string();
        let lock = lock(&files).map_err(|e| Error::io(&directory, e))?.ok_or_else(|| {
            Error::new(Kind::Fenced, format!("another process on this machine writes to the spool {directory}"))
                .hint("Only one pcloud may capture a cluster. Stop the other one, then start this one again.")
        })?;
        files.sweep();
        files.may_hold(limit.max(1));
        let (state, stop) = (Arc::new(State::default()), CancellationToken::new());
        let work = send_on(files.clone(), remote, state.clone());
        let ended = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = work => {}
                () = ended.cancelled() => {}
            }
        });
        Ok(Self { files, state, stop, _lock: lock })
    }

    /// What capture found, so that readers on this machine know it while the archive is away. Errors: `Io`.
    pub async fn reached(&self, manifest: u64, segment: u64) -> Result<()> {
        let done = self.files.reached(manifest, segment).await;
        done.map_err(|e| super::super::failed(self.files.directory().display(), e))
    }

    /// Errors: `Io`.
    pub fn waiting(&self) -> Result<Waiting> {
        let all = self.files.all().map_err(|e| Error::io(self.files.directory().display(), e))?;
        let away = self.state.away.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let away = away.map(|(since, why)| (since.elapsed(), why));
        Ok(Waiting { objects: all.len(), bytes: all.iter().map(|m| m.size).sum(), away })
    }

    /// Waits until the archive has everything, or the time is over: then what waits stays here.
    /// Errors: `Fenced` when another writer has taken the cluster; `Io`.
    pub async fn drained(&self, within: Duration) -> Result<Waiting> {
        let until = Instant::now() + within;
        loop {
            if let Some(why) = self.state.lost.lock().unwrap_or_else(PoisonError::into_inner).clone() {
                return Err(Error::new(Kind::Fenced, why));
            }
            let waiting = self.waiting()?;
            if waiting.objects == 0 || Instant::now() >= until {
                return Ok(waiting);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.files.may_hold(0);
        self.stop.cancel();
    }
}

/// A reader that looks whether somebody captures holds the lock for a moment.
fn lock(files: &Files) -> std::io::Result<Option<File>> {
    for _ in 0..LOOKS {
        if let Some(lock) = files.lock()? {
            return Ok(Some(lock));
        }
        std::thread::sleep(LOOK);
    }
    files.lock()
}

async fn send_on(files: Arc<Files>, remote: Arc<dyn ObjectStore>, state: Arc<State>) {
    let mut pause = FIRST_PAUSE;
    loop {
        let came = files.came.notified();
        let next = match files.waiting() {
            Ok(all) => all.into_values().next(),
            Err(error) => {
                tracing::warn!(%error, "the spool {} is not read", files.directory().display());
                state.is_away(format!("the spool is not read: {error}"));
                None
            }
        };
        let Some(next) = next else {
            // a file may also come from a run before
            let _ = tokio::time::timeout(LONGEST_PAUSE, came).await;
            continue;
        };
        match send(&files, remote.as_ref(), &next).await {
            Ok(()) => {
                pause = FIRST_PAUSE;
                *state.away.lock().unwrap_or_else(PoisonError::into_inner) = None;
            }
            Err(error @ object_store::Error::AlreadyExists { .. }) => {
                tracing::error!(%error, "the cluster is another writer's");
                files.lose();
                *state.lost.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
                return;
            }
            Err(error) => {
                tracing::warn!(%error, "the archive does not take {}; trying again in {} ms", next.meta.location, pause.as_millis());
                state.is_away(super::super::failed(&next.meta.location, error).to_string());
                let jitter = getrandom::u32().unwrap_or_default() % 1000;
                tokio::time::sleep(pause + pause * jitter / 4000).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

/// Errors: `AlreadyExists` when another writer's object has the name.
async fn send(files: &Files, remote: &dyn ObjectStore, next: &Spooled) -> object_store::Result<()> {
    let (path, bytes) = (&next.meta.location, files.bytes(next).await?);
    match remote.put_opts(path, bytes.clone().into(), PutMode::Create.into()).await {
        Ok(_) => {}
        // an earlier try may have arrived without an answer
        Err(object_store::Error::AlreadyExists { .. }) if same(remote, path, &bytes).await? => {}
        Err(object_store::Error::AlreadyExists { .. }) => return Err(lost(path)),
        Err(error) => return Err(error),
    }
    files.remove(next).await
}
