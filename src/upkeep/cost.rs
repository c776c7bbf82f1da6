//! What does it cost to keep? Bytes by kind, what was written in a day, and what the place asks for that in a month.

use crate::archive::{Archive, Folder};
use crate::clock::Clock;
use crate::error::Result;
use crate::model::Micros;
use std::time::Duration;

/// Days that a month has here.
const MONTH: f64 = 30.0;
/// A part of an object that is sent in several requests, in bytes: what an upload to S3 takes at a time.
const PART: u64 = 8 << 20;

/// What the place asks. The default is Amazon S3 Standard in us-east-1, in US dollars, as of 2026.
#[derive(Debug, Clone, PartialEq)]
pub struct Prices {
    /// For people: `USD`.
    pub currency: String,
    /// For 10^9 bytes and a month.
    pub storage_gb_month: f64,
    /// For 1000 PUT, POST, COPY and LIST requests.
    pub writes_1000: f64,
    /// For 1000 GET and HEAD requests.
    pub reads_1000: f64,
}

impl Default for Prices {
    fn default() -> Self {
        Self { currency: "USD".to_string(), storage_gb_month: 0.023, writes_1000: 0.005, reads_1000: 0.0004 }
    }
}

/// Objects of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub objects: u64,
    /// As they are stored.
    pub bytes: u64,
    /// Of these, what was written in the last 24 hours.
    pub new_objects: u64,
    pub new_bytes: u64,
    /// Requests that this took: a large object takes several.
    pub new_requests: u64,
}

impl Tally {
    fn add(&mut self, other: &Tally) {
        self.objects += other.objects;
        self.bytes += other.bytes;
        self.new_objects += other.new_objects;
        self.new_bytes += other.new_bytes;
        self.new_requests += other.new_requests;
    }
}

/// What one cluster takes.
#[derive(Debug, Clone)]
pub struct ClusterCost {
    pub cluster: String,
    /// `bases`, `log`, `packs`, `states`, `lists`: whatever there is of them.
    pub kinds: Vec<(&'static str, Tally)>,
}

/// What this process has asked of the place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Asked {
    pub writes: u64,
    pub lists: u64,
    pub reads: u64,
    pub deletes: u64,
    /// How long it has run.
    pub during: Duration,
}

/// What the archive takes.
#[derive(Debug, Clone)]
pub struct Cost {
    pub clusters: Vec<ClusterCost>,
    /// `None`: the archive is a directory of this machine, which asks nothing for requests.
    pub asked: Option<Asked>,
    pub prices: Prices,
}

const KINDS: [(&str, &[Folder]); 5] = [
    ("bases", &[Folder::Bases]),
    ("log", &[Folder::Segments]),
    ("packs", &[Folder::Packs]),
    ("states", &[Folder::States]),
    ("lists", &[Folder::Manifests, Folder::Lists, Folder::Proofs]),
];

/// Lists every object of the archive. `running`: since when this process asks the place. Errors: `Io`.
pub async fn cost(archive: &Archive, prices: Prices, clock: &dyn Clock, running: Duration) -> Result<Cost> {
    let since = Micros(clock.now().0 - 86_400 * Micros::SECOND);
    let mut clusters = Vec::new();
    for name in archive.clusters().await? {
        let cluster = archive.cluster(&name)?;
        let mut kinds = Vec::new();
        for (kind, folders) in KINDS {
            let mut tally = Tally::default();
            for folder in folders {
                for object in cluster.objects(*folder).await? {
                    let one = Tally { objects: 1, bytes: object.bytes, ..Tally::default() };
                    let new =
                        Tally { new_objects: 1, new_bytes: object.bytes, new_requests: requests(object.bytes), ..one };
                    tally.add(if object.written > since { &new } else { &one });
                }
            }
            if tally.objects > 0 {
                kinds.push((kind, tally));
            }
        }
        clusters.push(ClusterCost { cluster: name, kinds });
    }
    let asked = archive.requests().map(|r| Asked {
        writes: r.puts,
        lists: r.lists,
        reads: r.gets,
        deletes: r.deletes,
        during: running,
    });
    Ok(Cost { clusters, asked, prices })
}

/// PUT, or the parts of an upload with its begin and end.
fn requests(bytes: u64) -> u64 {
    if bytes <= PART { 1 } else { bytes.div_ceil(PART) + 2 }
}

impl Cost {
    /// All clusters and kinds.
    pub fn total(&self) -> Tally {
        let mut sum = Tally::default();
        self.clusters.iter().flat_map(|c| &c.kinds).for_each(|(_, tally)| sum.add(tally));
        sum
    }

    /// A month of keeping what is there now.
    pub fn storage(&self, tally: &Tally) -> f64 {
        tally.bytes as f64 / 1e9 * self.prices.storage_gb_month
    }

    /// A month of writing as in the last 24 hours; `None`: requests cost nothing here.
    pub fn writing(&self, tally: &Tally) -> Option<f64> {
        self.asked.map(|_| tally.new_requests as f64 * MONTH / 1000.0 * self.prices.writes_1000)
    }
}

impl Cost {
    /// What this process has asked of the place, in words.
    pub fn remark(&self) -> String {
        let Some(asked) = &self.asked else { return "a local directory: requests cost nothing".to_string() };
        let minutes = asked.during.as_secs() / 60;
        let so_far = format!(
            "this process has asked in {minutes} minutes: {} writes, {} lists, {} reads, {} deletes",
            asked.writes, asked.lists, asked.reads, asked.deletes
        );
        match asked.per_day() {
            None => so_far,
            Some((writes, lists, reads)) => {
                let month =
                    ((writes + lists) * self.prices.writes_1000 + reads * self.prices.reads_1000) * MONTH / 1000.0;
                let currency = &self.prices.currency;
                format!(
                    "{so_far}; at that rate {:.0} requests a day, {month:.2} {currency} a month",
                    writes + lists + reads
                )
            }
        }
    }
}

impl Asked {
    /// Per day, as if it went on so: writes, lists, reads. `None`: it has not run for long enough to say.
    pub fn per_day(&self) -> Option<(f64, f64, f64)> {
        let days = self.during.as_secs_f64() / 86_400.0;
        let of = |n: u64| n as f64 / days;
        (self.during >= Duration::from_secs(60)).then(|| (of(self.writes), of(self.lists), of(self.reads)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_what_is_there_and_what_a_day_wrote() {
        let tally = Tally { objects: 3, bytes: 2_000_000_000, new_objects: 2, new_bytes: 20 << 20, new_requests: 100 };
        let clusters = vec![ClusterCost { cluster: "c".into(), kinds: vec![("log", tally), ("bases", tally)] }];
        let during = Duration::from_secs(43_200);
        let asked = Some(Asked { writes: 10, lists: 20, reads: 30, deletes: 0, during });
        let cost = Cost { clusters, asked, prices: Prices::default() };
        let all = cost.total();
        assert_eq!((all.objects, all.bytes, all.new_requests), (6, 4_000_000_000, 200));
        assert!((cost.storage(&all) - 0.092).abs() < 1e-9);
        assert!((cost.writing(&all).expect("it asks") - 0.03).abs() < 1e-9);
        assert_eq!(asked.and_then(|a| a.per_day()), Some((20.0, 40.0, 60.0)));
        assert_eq!((requests(0), requests(PART), requests(PART + 1)), (1, 1, 4));
        assert!(Cost { asked: None, ..cost }.writing(&all).is_none());
    }
}
