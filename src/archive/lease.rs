//! What may not be deleted yet, since somebody in this process reads it?
//!
//! Who reads by a list of the upkeep holds a lease on its number. Objects that a later list retired are deleted only
//! while no lease on an earlier one lives; once they are, such a lease is no longer given.

use super::cluster::Cluster;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, Weak};

/// As long as it lives, what its list names stays.
#[derive(Debug)]
pub struct Lease {
    list: u64,
}

/// Of each cluster.
pub(super) type Leases = HashMap<String, Held>;

#[derive(Debug, Default)]
pub(super) struct Held {
    alive: Vec<Weak<Lease>>,
    /// What lists up to this one retired may be gone.
    deleted: u64,
}

impl Cluster {
    /// A lease on what list `number` names; `None` when that may be gone already: read the newest list.
    pub fn lease(&self, number: u64) -> Option<Arc<Lease>> {
        let mut leases = self.archive().leases().lock().unwrap_or_else(PoisonError::into_inner);
        let held = leases.entry(self.name().to_string()).or_default();
        if number < held.deleted {
            return None;
        }
        held.alive.retain(|lease| lease.strong_count() > 0);
        let lease = Arc::new(Lease { list: number });
        held.alive.push(Arc::downgrade(&lease));
        Some(lease)
    }

    /// The newest list up to `number` of which everything that it retired may be deleted now, since no lease is on an
    /// earlier one. From now on no such lease is given.
    pub fn released(&self, number: u64) -> u64 {
        let mut leases = self.archive().leases().lock().unwrap_or_else(PoisonError::into_inner);
        let held = leases.entry(self.name().to_string()).or_default();
        let oldest = held.alive.iter().filter_map(Weak::upgrade).map(|lease| lease.list).min();
        let released = oldest.map_or(number, |oldest| oldest.min(number));
        held.deleted = held.deleted.max(released);
        released
    }
}
