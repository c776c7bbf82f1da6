//! Which snapshots were resolved lately? They are immutable, and the same moment is often asked again.

use crate::error::Result;
use crate::model::{Seq, TableId};
use crate::timeline::{TableSnapshot, Timeline};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// Changes of more bytes than this in all are not kept.
const BYTES: usize = 128 << 20;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    cluster: String,
    /// What the upkeep has made of the bases: another list may find the same rows elsewhere.
    list: u64,
    table: TableId,
    seq: Seq,
}

/// The newest last.
#[derive(Debug, Default)]
pub(super) struct Snapshots(Mutex<VecDeque<(Key, usize, Arc<TableSnapshot>)>>);

impl Snapshots {
    /// A table's rows at a seq. Errors: as `Timeline::snapshot`; a base file that is damaged is `Corrupt`.
    pub async fn get(&self, timeline: &Timeline, table: TableId, seq: Seq) -> Result<Arc<TableSnapshot>> {
        let (cluster, list) = (timeline.cluster().name().to_string(), timeline.upkeep().number);
        let key = Key { cluster, list, table, seq };
        if let Some(found) = self.find(&key) {
            return Ok(found);
        }
        let snapshot = Arc::new(timeline.snapshot(table, seq).await?);
        for part in &snapshot.base {
            if let Err(error) = timeline.cluster().verify_base_file(&part.file).await {
                return Err(timeline.gone(error).await);
            }
        }
        let changes: usize = snapshot.changes.iter().map(|b| b.get_array_memory_size()).sum();
        let ranges: usize = snapshot.base.iter().map(|p| p.keep.as_ref().map_or(0, Vec::len) * 16).sum();
        self.keep(key, changes + ranges + 1024, snapshot.clone());
        Ok(snapshot)
    }

    fn find(&self, key: &Key) -> Option<Arc<TableSnapshot>> {
        let kept = self.0.lock().unwrap_or_else(|e| e.into_inner());
        kept.iter().find(|(k, ..)| k == key).map(|(_, _, s)| s.clone())
    }

    fn keep(&self, key: Key, bytes: usize, snapshot: Arc<TableSnapshot>) {
        let mut kept = self.0.lock().unwrap_or_else(|e| e.into_inner());
        kept.retain(|(k, ..)| *k != key && (k.cluster != key.cluster || k.list >= key.list));
        kept.push_back((key, bytes, snapshot));
        while kept.iter().map(|(_, bytes, _)| bytes).sum::<usize>() > BYTES {
            kept.pop_front();
        }
    }
}
