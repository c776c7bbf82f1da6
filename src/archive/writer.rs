//! skeleton
use super::*;
use crate::error::{Error, Result};
use crate::model::{Bookmark, Change, Micros, Seq, TableSchema};
use bytes::Bytes;
use std::sync::Arc;

/// A segment ready to be put.
#[derive(Debug, Clone)]
pub struct FinishedSegment {
    pub footer: Footer,
    pub bytes: Bytes,
}

#[derive(Debug)]
pub struct SegmentWriter {}

impl SegmentWriter {
    pub fn new(_number: u64) -> Self {
        Self {}
    }
    pub fn change(&mut self, _seq: Seq, _table: &Arc<TableSchema>, _change: &Change) -> Result<()> {
        Err(Error::internal("not built yet"))
    }
    pub fn schema(&mut self, _entry: SchemaEntry) -> Result<()> {
        Err(Error::internal("not built yet"))
    }
    pub fn commit(&mut self, _commit: Commit) -> Result<()> {
        Err(Error::internal("not built yet"))
    }
    /// Rows so far, before the last change per key and commit is chosen.
    pub fn rows(&self) -> u64 {
        0
    }
    /// About how much memory the rows take.
    pub fn bytes(&self) -> u64 {
        0
    }
    /// The transaction that has rows or schema entries here and is not committed yet.
    pub fn open_seq(&self) -> Option<Seq> {
        None
    }
    /// Nothing was added.
    pub fn is_empty(&self) -> bool {
        true
    }
    pub fn finish(
        self,
        _bookmark: Bookmark,
        _now: Micros,
        _continues: bool,
        _restarts: bool,
    ) -> Result<FinishedSegment> {
        Err(Error::internal("not built yet"))
    }
}
