//! A result that the client fetches piece by piece (COM_STMT_FETCH). Rows keep streaming from the engine.

use super::column::Charset;
use super::encode::{self, binary_row};
use super::engine::State;
use super::errno::SqlError;
use super::packet::{end, err};
use crate::error::Error;
use crate::query::Rows;
use arrow::array::RecordBatch;
use futures::StreamExt;
use mysql_common::constants::StatusFlags;
use tokio_util::sync::CancellationToken;

/// Bytes that one fetch may hold: a client that asks for all rows at once gets them in pieces.
const MAX_FETCH: usize = 16 << 20;

pub struct Cursor {
    rows: Rows,
    charset: Charset,
    /// Of the statement that opened it: the stream watches it.
    statement: CancellationToken,
    batch: Option<RecordBatch>,
    /// Rows of `batch` that were sent.
    sent: usize,
}

impl Drop for Cursor {
    fn drop(&mut self) {
        self.statement.cancel();
    }
}

impl Cursor {
    /// `statement`: the token that the statement was run with.
    pub fn new(rows: Rows, charset: Charset, statement: CancellationToken) -> Self {
        Self { rows, charset, statement, batch: None, sent: 0 }
    }

    /// The packets that answer a fetch of up to `n` rows, and whether there are no more.
    pub async fn fetch(&mut self, n: usize, deprecate_eof: bool, state: State) -> (Vec<Vec<u8>>, bool) {
        let mut packets = Vec::new();
        match self.rows(n, &mut packets).await {
            Ok(false) => {
                packets.push(end(deprecate_eof, state.status | StatusFlags::SERVER_STATUS_CURSOR_EXISTS, 0));
                (packets, false)
            }
            Ok(true) => {
                let status = state.status | StatusFlags::SERVER_STATUS_LAST_ROW_SENT;
                packets.push(end(deprecate_eof, status, state.warnings));
                (packets, true)
            }
            Err(e) => (vec![err(&e.into())], true),
        }
    }

    /// Whether there are no more.
    async fn rows(&mut self, n: usize, packets: &mut Vec<Vec<u8>>) -> Result<bool, Error> {
        let mut bytes = 0;
        loop {
            if self.batch.as_ref().is_none_or(|b| self.sent >= b.num_rows()) {
                self.sent = 0;
                self.batch = self.rows.batches.next().await.transpose()?;
            }
            let Some(batch) = &self.batch else { return Ok(true) };
            let cells = encode::cells(batch, &self.rows.columns, self.charset)?;
            while self.sent < batch.num_rows() {
                if packets.len() >= n || bytes > MAX_FETCH {
                    return Ok(false);
                }
                let mut row = Vec::new();
                binary_row(&cells, self.sent, &mut row).map_err(|e| Error::internal(e.to_string()))?;
                bytes += row.len();
                packets.push(row);
                self.sent += 1;
            }
        }
    }
}

/// The answer to a fetch without a cursor.
pub fn missing(id: u32) -> Vec<Vec<u8>> {
    vec![err(&SqlError::no_cursor(id))]
}

/// The answer to a fetch that was killed.
pub fn interrupted() -> Vec<Vec<u8>> {
    vec![err(&SqlError::interrupted())]
}
