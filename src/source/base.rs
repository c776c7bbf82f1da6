//! The rows of one table on their way from a reader to a writer, with an end that cannot be mistaken.

use crate::error::{Error, Result};
use crate::model::TableSchema;
use arrow::array::RecordBatch;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Batches that may wait between reader and writer.
const WAITING: usize = 2;

/// A table of a base. Its rows are in the primary key's order by the source's own comparison, if they are in any.
pub struct BaseTable {
    pub schema: Arc<TableSchema>,
    pub rows: BaseRows,
}

/// The receiving end.
pub struct BaseRows {
    batches: mpsc::Receiver<Message>,
    ended: bool,
}

/// The sending end. Dropped without `end`, it leaves an error behind: rows that stop are not rows that end.
pub struct RowsSender {
    batches: mpsc::Sender<Message>,
}

enum Message {
    Rows(RecordBatch),
    End,
    Failed(Error),
}

/// A pair of ends.
pub fn base_rows() -> (RowsSender, BaseRows) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (RowsSender { batches: sender }, BaseRows { batches: receiver, ended: false })
}

impl BaseRows {
    /// The next batch, in the schema's Arrow form; `None`: these were all the rows.
    /// Errors: the reader's. `Kind::Uncertain`: this table could not be read as of the base's moment, the others can.
    pub async fn next(&mut self) -> Result<Option<RecordBatch>> {
        if self.ended {
            return Ok(None);
        }
        match self.batches.recv().await {
            Some(Message::Rows(batch)) => Ok(Some(batch)),
            Some(Message::End) => {
                self.ended = true;
                Ok(None)
            }
            Some(Message::Failed(error)) => Err(error),
            None => Err(Error::internal("the reader of a table stopped without saying why")),
        }
    }
}

/// Nobody wants the rows any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone;

impl RowsSender {
    /// Waits until there is room.
    pub async fn send(&self, batch: RecordBatch) -> Result<(), Gone> {
        self.batches.send(Message::Rows(batch)).await.map_err(|_| Gone)
    }

    /// These were all the rows.
    pub async fn end(self) {
        // a receiver that is gone does not wait for the end
        let _ = self.batches.send(Message::End).await;
    }

    /// The table cannot be read to its end.
    pub async fn fail(self, error: Error) {
        let _ = self.batches.send(Message::Failed(error)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn rows_that_stop_are_not_rows_that_end() {
        let (sender, mut rows) = base_rows();
        sender.end().await;
        assert!(rows.next().await.expect("an end").is_none());
        assert!(rows.next().await.expect("still the end").is_none());
        let (sender, mut rows) = base_rows();
        drop(sender);
        rows.next().await.expect_err("no end was told");
    }
}
