//! MariaDB's GTIDs: one sequence per domain.

use super::super::event::{self, kind};
use std::collections::BTreeMap;

/// The newest transaction of each domain: domain to (server, sequence).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gtids(pub(super) BTreeMap<u32, (u32, u64)>);

impl Gtids {
    /// Takes what an event, header and all, says of GTIDs, if it does.
    pub fn note(&mut self, bytes: &[u8]) {
        let (server, body) = (bytes.get(5..9).unwrap_or_default(), bytes.get(event::HEADER..).unwrap_or_default());
        match bytes.get(4).copied().unwrap_or_default() {
            kind::GTID_LIST => {
                if let Ok(list) = event::gtid_list(body) {
                    self.0 = list.into_iter().map(|(d, s, n)| (d, (s, n))).collect();
                }
            }
            kind::GTID => {
                if let Ok(g) = event::gtid(body) {
                    let server = server.iter().rev().fold(0, |v, b| v << 8 | u32::from(*b));
                    self.0.insert(g.domain, (server, g.sequence));
                }
            }
            _ => {}
        }
    }
}

/// `0-1-77,1-1-5`
impl std::fmt::Display for Gtids {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all = self.0.iter().map(|(d, (s, n))| format!("{d}-{s}-{n}")).collect::<Vec<_>>();
        f.write_str(&all.join(","))
    }
}

/// `0-1-77,1-1-5`; empty: none.
pub(super) fn parse_gtids(text: &str) -> Option<BTreeMap<u32, (u32, u64)>> {
    text.split(',')
        .filter(|g| !g.is_empty())
        .map(|g| {
            let mut parts = g.trim().splitn(3, '-');
            let (d, s, n) = (parts.next()?, parts.next()?, parts.next()?);
            Some((d.parse().ok()?, (s.parse().ok()?, n.parse().ok()?)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gtids_are_one_per_domain() {
        assert_eq!(parse_gtids("").map(|g| g.len()), Some(0));
        assert_eq!(parse_gtids("0-1-77,1-2-5"), Some(BTreeMap::from([(0, (1, 77)), (1, (2, 5))])));
        assert_eq!(parse_gtids("0-1"), None);
    }
}
