//! Transactions that are prepared (XA) when reading ends: their rows stand before the bookmark, and are told when they are
//! committed, perhaps long after.
//!
//! The bookmark says where they stand. A server is asked to send them once more: MySQL only these, by their GTIDs, MariaDB
//! everything from the first one's place on. Of what was read before nothing is told, and what it prepares is kept again.
//! Where that part of the log is gone, nothing is known of them, as of one that was prepared before the first base.

use super::gtid_set::{Gtid, GtidSet};
use super::{LogReader, Position};
use std::cmp::Ordering;
use std::fmt;

/// Where prepared transactions stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prepared {
    /// None of them before this place.
    From(Position),
    Gtids(GtidSet),
}

/// `binlog.000003:1234`, or a set of GTIDs.
impl fmt::Display for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::From(place) => write!(f, "{}:{}", place.file, place.offset),
            Self::Gtids(set) => set.fmt(f),
        }
    }
}

impl Prepared {
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(set) = GtidSet::parse(text).filter(|set| !set.is_empty()) {
            return Some(Self::Gtids(set));
        }
        let (file, offset) = text.rsplit_once(':')?;
        Some(Self::From(Position { file: file.to_string(), offset: offset.parse().ok()?, gtids: String::new() }))
    }
}

/// What of the log is read once more.
pub(super) enum Recall {
    /// Everything before this place.
    Until(Position),
    /// These.
    Gtids(GtidSet),
}

impl LogReader {
    /// Where the transactions stand that are prepared at the bookmark.
    pub fn prepared_at(&self) -> Option<&Prepared> {
        self.prepared_at.as_ref()
    }

    /// The log is sent so that it begins with them.
    pub fn recall(&mut self) {
        self.recall = self.prepared_at.take().map(|prepared| match prepared {
            Prepared::From(place) => {
                let until = std::mem::replace(&mut self.position, place);
                self.position.gtids.clone_from(&until.gtids);
                Recall::Until(until)
            }
            Prepared::Gtids(set) => Recall::Gtids(set),
        });
    }

    /// Whether a transaction that begins was read before.
    pub(super) fn recalls(&mut self, gtid: Option<&Gtid>) -> bool {
        match (&mut self.recall, gtid) {
            (Some(Recall::Gtids(left)), Some(gtid)) if left.contains(gtid) => {
                let mut this = GtidSet::default();
                this.add(gtid);
                *left = left.without(&this);
                true
            }
            (Some(Recall::Gtids(_)), _) => {
                self.recall = None;
                false
            }
            (Some(Recall::Until(_)), _) => true,
            (None, _) => false,
        }
    }

    /// Between two transactions: whether all is read again that was to be.
    pub(super) fn recalled(&mut self) {
        match &self.recall {
            Some(Recall::Until(place)) if self.position.order(place) != Some(Ordering::Less) => self.recall = None,
            Some(Recall::Gtids(left)) if left.is_empty() => self.recall = None,
            _ => {}
        }
    }

    /// Where those stand that are prepared now.
    pub(super) fn prepared_now(&self) -> Option<Prepared> {
        let all = || self.prepared.values().filter_map(|held| held.at.as_ref());
        let earlier = |a: Position, b: &Position| if b.order(&a) == Some(Ordering::Less) { b.clone() } else { a };
        let mut set = GtidSet::default();
        let mut first: Option<Position> = None;
        for at in all() {
            match at {
                At::Gtid(gtid) => set.add(gtid),
                At::Place(place) => first = Some(first.take().map_or_else(|| place.clone(), |a| earlier(a, place))),
            }
        }
        match first {
            Some(place) => Some(Prepared::From(place)),
            None => (!set.is_empty()).then_some(Prepared::Gtids(set)),
        }
    }
}

/// Where one prepared transaction stands.
#[derive(Debug, Clone)]
pub(super) enum At {
    Place(Position),
    Gtid(Gtid),
}
