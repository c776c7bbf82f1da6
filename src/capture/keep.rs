//! How is something written to an archive that is away, full, or another's?

use super::Progress;
use super::backoff::Backoff;
use super::log::Log;
use crate::error::{Error, Kind, Result};
use std::time::Duration;

impl Log<'_> {
    /// Writes to the store until it succeeds, however long the store is away. `ours` says whether the object that is
    /// in the way is the one that was to be written: the store may fail after it has taken it.
    pub(super) async fn keep<T, W, O>(&mut self, write: impl Fn() -> W, ours: impl Fn() -> O) -> Result<()>
    where
        W: Future<Output = Result<T>>,
        O: Future<Output = Result<bool>>,
    {
        let mut backoff = Backoff::new(self.options.once);
        // stays so if this future is dropped or fails
        self.broken = true;
        loop {
            let error = match write().await {
                Ok(_) => break,
                Err(error) => error,
            };
            if error.kind == Kind::Fenced {
                if backoff.reset() && ours().await? {
                    break;
                }
                return Err(fenced(error, &self.options.name));
            }
            match backoff.after(&error) {
                Some(retry_in) if self.pause(error.clone(), retry_in).await => {}
                _ => return Err(error),
            }
        }
        self.broken = false;
        if backoff.reset() {
            (self.show)(Progress::Resumed);
        }
        Ok(())
    }

    /// Waits, and says so. `false`: a stop was asked for.
    pub(super) async fn pause(&self, error: Error, retry_in: Duration) -> bool {
        tracing::warn!(%error, "trying again in {} ms", retry_in.as_millis());
        (self.show)(Progress::Waiting { error, retry_in });
        tokio::select! {
            () = tokio::time::sleep(retry_in) => true,
            () = self.stop.cancelled() => false,
        }
    }
}

fn fenced(error: Error, cluster: &str) -> Error {
    Error::new(Kind::Fenced, format!("another process protects {cluster} into this archive: {}", error.message))
        .hint("Leave one of them running; this one has stopped, and what it had received is told again to the other.")
}
