//! Seqs order; timestamps only locate.

use chrono::DateTime;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Our own commit number: a dense, total order within a cluster's history. 0 is the first base; commits count from 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl Seq {
    pub const ZERO: Seq = Seq(0);
    /// Later than every commit.
    pub const MAX: Seq = Seq(u64::MAX);

    pub fn next(self) -> Seq {
        Seq(self.0 + 1)
    }

    /// The seq before it; none comes before the first.
    pub fn before(self) -> Seq {
        Seq(self.0.saturating_sub(1))
    }
}

/// A GTID's stream (`0-1` of `0-1-77`, `3e11….:tag` of `3e11….:tag:5`), within which numbers grow, and its number.
/// `None`: it has no number at its end.
pub fn stream_of(gtid: &str) -> Option<(&str, u64)> {
    let (stream, number) = gtid.rsplit_once(['-', ':'])?;
    Some((stream, number.parse().ok()?))
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A point in time: µs since 1970-01-01 00:00 UTC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Micros(pub i64);

impl Micros {
    pub const SECOND: i64 = 1_000_000;
    /// How often an idle source is noted in the archive.
    pub const HEARTBEAT: i64 = 600 * Self::SECOND;
}

/// `2026-11-22 14:05:00.000000 UTC`
impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DateTime::from_timestamp_micros(self.0) {
            Some(t) => write!(f, "{} UTC", t.format("%Y-%m-%d %H:%M:%S%.6f")),
            None => write!(f, "{} µs", self.0),
        }
    }
}

/// What an `AS OF` resolves to: the state after commit `seq`. `time` is that commit's, made monotone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    pub seq: Seq,
    pub time: Micros,
}

/// A moment as somebody asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum MomentSpec {
    /// The newest commit that the archive holds.
    Latest,
    /// The largest seq such that every commit up to it has a time at or before this one.
    At(Micros),
    /// Just after the transaction with this GTID.
    Gtid(String),
    /// Just before it.
    BeforeGtid(String),
    /// A seq, as SHOW TRANSACTIONS prints it.
    Seq(Seq),
}
