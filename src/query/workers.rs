//! On which threads is a plan run? On some of its own: a join may compute for seconds before it gives way, and whoever
//! waits for its rows, stops it, or is another client, must not wait for that.

use super::fault::fault;
use crate::error::{Error, Result};
use arrow::array::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

/// Batches that are ready before anybody asks for them.
const READY: usize = 2;

/// A pool of threads, one for each processor.
pub(super) struct Workers(Option<Runtime>);

impl Drop for Workers {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background(); // to wait is not allowed where the last user may be dropped
        }
    }
}

impl Workers {
    pub fn start() -> Result<Workers> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let runtime = Builder::new_multi_thread().worker_threads(threads).thread_name("query").enable_all().build();
        runtime.map(|r| Workers(Some(r))).map_err(|e| Error::io("the threads that run queries", e))
    }

    fn spawn<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Result<AbortOnDropHandle<T>> {
        let runtime = self.0.as_ref().ok_or_else(|| Error::internal("queries have ended"))?;
        Ok(AbortOnDropHandle::new(runtime.spawn(work)))
    }

    /// Does `work` there. When nobody waits any more, it ends the next time it gives way.
    pub async fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Result<T> {
        self.spawn(work)?.await.map_err(broken)
    }

    /// The same stream, worked off there. When it is dropped, the work ends the next time it gives way.
    pub fn stream(&self, mut rows: SendableRecordBatchStream) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let (tell, batches) = mpsc::channel(READY);
        let work = self.spawn(async move {
            while let Some(batch) = rows.next().await {
                if tell.send(batch.map_err(fault)).await.is_err() {
                    break;
                }
            }
        })?;
        let next = |(mut batches, work): (mpsc::Receiver<_>, Option<AbortOnDropHandle<()>>)| async move {
            if let Some(batch) = batches.recv().await {
                return Some((batch, (batches, work)));
            }
            // an end that is none: it panicked
            let error = work?.await.err()?;
            Some((Err(broken(error)), (batches, None)))
        };
        Ok(stream::unfold((batches, Some(work)), next).boxed())
    }
}

fn broken(e: tokio::task::JoinError) -> Error {
    Error::internal(format!("a query broke off: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::Schema;
    use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    fn rows(batch: impl Fn(usize) -> RecordBatch + Send + 'static) -> SendableRecordBatchStream {
        let batches = stream::iter(0usize..).map(move |n| Ok(batch(n)));
        Box::pin(RecordBatchStreamAdapter::new(Arc::new(Schema::empty()), batches))
    }

    #[tokio::test]
    async fn what_never_gives_way_holds_nobody_up_who_drops_it() {
        let workers = Workers::start().expect("threads");
        let busy = rows(|_| {
            std::thread::sleep(Duration::from_secs(2));
            RecordBatch::new_empty(Arc::new(Schema::empty()))
        });
        let start = Instant::now();
        let mut busy = workers.stream(busy).expect("it runs");
        let waited = tokio::time::timeout(Duration::from_millis(50), busy.next()).await;
        drop(busy);
        drop(workers);
        assert!(waited.is_err() && start.elapsed() < Duration::from_secs(1));
    }

    #[tokio::test]
    async fn a_panic_is_an_error_at_the_end_of_the_rows() {
        let workers = Workers::start().expect("threads");
        let failing = rows(|n| {
            assert!(n < 3, "as the test asks");
            RecordBatch::new_empty(Arc::new(Schema::empty()))
        });
        let all: Vec<_> = workers.stream(failing).expect("it runs").collect().await;
        assert!(all.len() == 4 && all[..3].iter().all(Result::is_ok) && all[3].is_err());
    }
}
