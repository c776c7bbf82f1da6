//! What are objects called? The one place that makes their names and reads them.

use crate::error::{Error, Kind, Result};
use crate::model::{Seq, TableId};
use object_store::path::Path;

pub const ARCHIVE: &str = "pcloud.json";
pub const MANIFESTS: &str = "manifest";
pub const SEGMENTS: &str = "log";
pub const UPKEEP: &str = "upkeep";
pub const PACKS: &str = "packs";
pub const STATES: &str = "states";
pub const BASES: &str = "base";
pub const PROOFS: &str = "proofs";
const MANIFEST_END: &str = ".json";
const SEGMENT_END: &str = ".seg";

/// `manifest/<n>.json`, relative to the cluster; so are all below.
pub fn manifest(number: u64) -> String {
    format!("{MANIFESTS}/{number:020}{MANIFEST_END}")
}

pub fn segment(number: u64) -> String {
    format!("{SEGMENTS}/{number:020}{SEGMENT_END}")
}

pub fn upkeep(number: u64) -> String {
    format!("{UPKEEP}/{number:020}{MANIFEST_END}")
}

pub fn proof(number: u64) -> String {
    format!("{PROOFS}/{number:020}{MANIFEST_END}")
}

/// `packs/<first>-<last>-<token>.seg`: it stands for the segments `first` to `last`.
pub fn pack(first: u64, last: u64, token: u32) -> String {
    format!("{PACKS}/{first:020}-{last:020}-{token:08x}{SEGMENT_END}")
}

/// `states/<seq>-<token>.json`
pub fn state(seq: Seq, token: u32) -> String {
    format!("{STATES}/{:020}-{token:08x}{MANIFEST_END}", seq.0)
}

/// `base/<table-id>/<token>/<part>.parquet`; parts count from 0.
pub fn base_file(table: TableId, token: &str, part: usize) -> String {
    format!("{BASES}/{:010}/{token}/{part:05}.parquet", table.0)
}

/// `None` for an object that is no manifest, list of the upkeep or proof: readers pass over what they do not know.
pub fn manifest_number(path: &Path) -> Option<u64> {
    number(path, MANIFEST_END)
}

pub fn segment_number(path: &Path) -> Option<u64> {
    number(path, SEGMENT_END)
}

fn number(path: &Path, end: &str) -> Option<u64> {
    let digits = path.filename()?.strip_suffix(end)?;
    (digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok()).flatten()
}

/// Errors: `Usage`, when it cannot name a cluster.
pub fn check_cluster_name(name: &str) -> Result<()> {
    if is_cluster_name(name) {
        return Ok(());
    }
    Err(Error::new(Kind::Usage, format!("{name:?} cannot name a cluster"))
        .hint("Use 1 to 64 letters, digits, '_', '-' and '.', beginning with another than '.'."))
}

pub fn is_cluster_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && !name.starts_with('.')
        && name != ARCHIVE
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_others_are_passed_over() {
        assert_eq!(segment_number(&Path::from(segment(7))), Some(7));
        assert_eq!(manifest_number(&Path::from(manifest(u64::MAX))), Some(u64::MAX));
        for other in ["log/7.seg", "log/00000000000000000007.seg.bak", "log/notes.txt", "log/+0000000000000000007.seg"]
        {
            assert_eq!(segment_number(&Path::from(other)), None, "{other}");
        }
    }

    #[test]
    fn a_clusters_name_is_a_safe_path() {
        for good in ["shop", "a", "A-b_c.9"] {
            check_cluster_name(good).expect(good);
        }
        for bad in ["", ".", "..", ".hidden", "a/b", "a b", "ä", ARCHIVE, &"x".repeat(65)] {
            assert_eq!(check_cluster_name(bad).expect_err(bad).kind, Kind::Usage);
        }
    }
}
