//! Which of two bookmarks comes first? The one question that others may ask of a bookmark.

use super::Position;
use crate::model::Bookmark;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// Whether what stands before `a` in its log is less than, the same as or more than what stands before `b`: by GTIDs,
/// which mean the same on every server; where one has none, by file and offset, which mean the same in one server's
/// log only. `None`: each has what the other lacks, or they are of different logs.
pub fn order(a: &Bookmark, b: &Bookmark) -> Option<Ordering> {
    let (a, b) = (Position::parse(a).ok()?, Position::parse(b).ok()?);
    if a.gtids.is_empty() || b.gtids.is_empty() {
        return a.order(&b);
    }
    let (a, b) = (Transactions::parse(&a.gtids)?, Transactions::parse(&b.gtids)?);
    match (a.within(&b), b.within(&a)) {
        (true, true) => Some(Ordering::Equal),
        (true, false) => Some(Ordering::Less),
        (false, true) => Some(Ordering::Greater),
        (false, false) => None,
    }
}

/// Domain, server, or server and tag, to the numbers of its transactions: ranges, both ends included.
struct Transactions(BTreeMap<String, Vec<(u64, u64)>>);

impl Transactions {
    /// `0-1-77,1-1-5` (MariaDB: each domain up to a number), `uuid:1-5:7:tag:1-3,…` (MySQL).
    fn parse(text: &str) -> Option<Self> {
        let mut all: BTreeMap<String, Vec<(u64, u64)>> = BTreeMap::new();
        for part in text.split(',').map(str::trim).filter(|p| !p.is_empty()) {
            let Some((server, rest)) = part.split_once(':') else {
                let mut fields = part.split('-');
                let (domain, number) = (fields.next()?, fields.nth(1)?.parse().ok()?);
                all.entry(domain.to_string()).or_default().push((1, number));
                continue;
            };
            let mut key = server.to_lowercase();
            for piece in rest.split(':') {
                if piece.starts_with(|c: char| c.is_ascii_digit()) {
                    let (from, to) = piece.split_once('-').unwrap_or((piece, piece));
                    all.entry(key.clone()).or_default().push((from.parse().ok()?, to.parse().ok()?));
                } else {
                    key = format!("{}:{}", server.to_lowercase(), piece.to_lowercase());
                }
            }
        }
        Some(Self(all))
    }

    /// Whether the other has all of these. Ranges of one key are apart from each other in what servers write.
    fn within(&self, other: &Self) -> bool {
        self.0.iter().all(|(key, ranges)| {
            let theirs = other.0.get(key).map(Vec::as_slice).unwrap_or_default();
            ranges.iter().all(|(from, to)| theirs.iter().any(|(a, b)| a <= from && to <= b))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_gtids_first_then_by_place() {
        let at = |text: &str| Bookmark(text.into());
        for (a, b, expected) in [
            ("b.000001:4 0-1-5,1-1-7", "c.000009:9 1-2-7,0-1-5", Some(Ordering::Equal)),
            ("b.000001:4 0-1-5", "b.000001:4 0-1-6", Some(Ordering::Less)),
            ("b.000001:4 0-1-5,1-1-1", "b.000001:4 0-1-6", None),
            ("b.000001:9 -", "b.000001:4 0-1-6", Some(Ordering::Greater)),
            ("b.000001:9 -", "c.000001:4 -", None),
            ("b.000001:4 aa-b:1-5:7", "b.000001:4 AA-B:1-9", Some(Ordering::Less)),
            ("b.000001:4 aa-b:1-5:t:1-2", "b.000001:4 aa-b:1-5", Some(Ordering::Greater)),
            ("b.000001:4 aa-b:1-5,cc:1", "b.000001:4 aa-b:1-6", None),
        ] {
            assert_eq!(order(&at(a), &at(b)), expected, "{a} and {b}");
        }
    }
}
