//! skeleton
use super::*;
use crate::error::{Error, Result};
use crate::model::Seq;
use arrow::array::RecordBatch;

pub struct BaseWriter {}

impl BaseWriter {
    /// Adds rows, of `TableSchema::arrow()`'s schema.
    pub async fn write(&mut self, _rows: &RecordBatch) -> Result<()> {
        Err(Error::internal("not built yet"))
    }
    /// Ends the last file. Nothing refers to the files until a manifest names the base.
    pub async fn finish(self, _seq: Seq) -> Result<Base> {
        Err(Error::internal("not built yet"))
    }
}
