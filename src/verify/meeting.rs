//! When is the archive where a snapshot of the server is? Waited for, with a deadline.

use super::progress::Progress;
use crate::error::{Error, Kind, Result};
use crate::model::{Bookmark, Moment, SchemaChange, SourceEvent};
use crate::source::{Source, mysql};
use crate::timeline::Timeline;
use std::cmp::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often the archive is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// When the archive stands still for so long, the server's log is read to see whether anything is missing at all.
const STANDS_STILL: Duration = Duration::from_secs(2);
/// The longest that this reading may take.
const READ_LOG: Duration = Duration::from_secs(10);

/// Archive and server.
pub struct Meeting {
    pub cluster: String,
    pub server: mysql::Server,
    pub wait: Duration,
    timeline: Mutex<Arc<Timeline>>,
}

impl Meeting {
    pub fn new(cluster: String, server: mysql::Server, wait: Duration, timeline: Arc<Timeline>) -> Self {
        Self { cluster, server, wait, timeline: Mutex::new(timeline) }
    }

    /// The archive's last moment at or before a place of the server's log; everything between them concerns nothing
    /// that is kept. Errors: `OutOfRange` when the archive does not come there in time.
    pub async fn at(&self, place: &Bookmark, progress: &Progress) -> Result<(Arc<Timeline>, Moment)> {
        let began = Instant::now();
        let (mut seen, mut since, mut looked) = (None, Instant::now(), false);
        loop {
            let timeline = self.newest().await?;
            let order = mysql::order(timeline.bookmark(), place);
            if matches!(order, Some(Ordering::Equal | Ordering::Greater)) {
                return self.moment(timeline, place);
            }
            if seen.as_ref() != Some(timeline.bookmark()) {
                (seen, since, looked) = (Some(timeline.bookmark().clone()), Instant::now(), false);
            }
            if !looked && order.is_some() && (since.elapsed() >= STANDS_STILL || began.elapsed() >= self.wait) {
                looked = true;
                if self.nothing_between(&timeline, place).await {
                    let moment = timeline.latest();
                    return Ok((timeline, moment));
                }
            }
            if began.elapsed() >= self.wait {
                return Err(self.late(&timeline, place, order.is_some()));
            }
            progress.enter(format!("waiting for the archive ({} s)", began.elapsed().as_secs()));
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn newest(&self) -> Result<Arc<Timeline>> {
        let known = self.timeline.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(newer) = known.refreshed().await? else { return Ok(known) };
        let newer = Arc::new(newer);
        *self.timeline.lock().unwrap_or_else(PoisonError::into_inner) = newer.clone();
        Ok(newer)
    }

    fn moment(&self, timeline: Arc<Timeline>, place: &Bookmark) -> Result<(Arc<Timeline>, Moment)> {
        let before = |b: &Bookmark| matches!(mysql::order(b, place), Some(Ordering::Less | Ordering::Equal));
        let (moment, next) = timeline.last_commit(before);
        // the next commit must hold all that the server had: otherwise no moment of the archive is the server's
        if next.is_some_and(|next| mysql::order(next, place) != Some(Ordering::Greater)) {
            return Err(Error::new(
                Kind::OutOfRange,
                format!(
                    "the archive of cluster {} has no moment that is the state of {} at {}",
                    self.cluster, self.server.url, place.0
                ),
            )
            .hint(
                "Compare with the server that is protected, or with a replica that applies its log in the same order.",
            ));
        }
        Ok((timeline, moment))
    }

    fn late(&self, timeline: &Timeline, place: &Bookmark, same_log: bool) -> Error {
        let (cluster, url) = (&self.cluster, &self.server.url);
        let text = format!(
            "the archive of cluster {cluster} ends at {} of the log, and {url} stands at {}; nothing came for {} s",
            timeline.bookmark().0,
            place.0,
            self.wait.as_secs()
        );
        Error::new(Kind::OutOfRange, text).hint(match same_log {
            true => format!(
                "Is `pcloud protect --name {cluster}` running? If it is behind, wait longer: WITH (wait_seconds = 600)."
            ),
            false => "These are different logs: compare with the server that is protected, or with a replica of it."
                .to_string(),
        })
    }

    /// Reads the server's log from where the archive ends to the place.
    async fn nothing_between(&self, timeline: &Timeline, place: &Bookmark) -> bool {
        match tokio::time::timeout(READ_LOG, self.read_on(timeline, place)).await {
            Ok(Ok(nothing)) => nothing,
            Ok(Err(error)) => {
                tracing::debug!(%error, "the server's log is not read");
                false
            }
            Err(_) => false,
        }
    }

    async fn read_on(&self, timeline: &Timeline, place: &Bookmark) -> Result<bool> {
        let catalog = timeline.catalog_at(timeline.latest().seq)?;
        let Some(mut stream) = self.server.changes(&catalog, timeline.bookmark()).await? else { return Ok(false) };
        let there = |b: &Bookmark| matches!(mysql::order(b, place), Some(Ordering::Equal | Ordering::Greater));
        while let Some(event) = stream.next().await? {
            match event {
                SourceEvent::Rows { .. } => return Ok(false),
                // of a table that the capture leaves out
                SourceEvent::Schema { changes, .. }
                    if changes.iter().all(|c| matches!(c, SchemaChange::Refused { .. })) => {}
                SourceEvent::Schema { .. } => return Ok(false),
                SourceEvent::Commit { bookmark, .. } | SourceEvent::Progress { bookmark } if there(&bookmark) => {
                    return Ok(true);
                }
                // it was asked after the snapshot was opened
                SourceEvent::CaughtUp { .. } => return Ok(true),
                _ => {}
            }
        }
        Ok(false)
    }
}
