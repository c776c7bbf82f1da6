//! What was committed before a place of the log, in the words of either family.

use super::super::event::{self, Cut, RawEvent, kind};
use super::super::mysql_event;
use super::gtid_set::GtidSet;
use std::collections::BTreeMap;

/// MariaDB's: the newest transaction of each domain, domain to (server, sequence).
pub type Domains = BTreeMap<u32, (u32, u64)>;

/// The transactions before a place, as far as they have GTIDs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Gtids {
    #[default]
    None,
    Domains(Domains),
    Set(GtidSet),
}

impl Gtids {
    /// Empty: none. `None`: it is neither family's.
    pub fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::None);
        }
        parse_domains(text).map(Self::Domains).or_else(|| GtidSet::parse(text).map(Self::Set))
    }

    pub fn is_empty(&self) -> bool {
        match self {
            Self::None => true,
            Self::Domains(d) => d.is_empty(),
            Self::Set(s) => s.is_empty(),
        }
    }

    /// As COM_BINLOG_DUMP_GTID takes it.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Set(set) => set.encode(),
            _ => GtidSet::default().encode(),
        }
    }

    /// What of the other is not in this one, in its words; empty: nothing.
    pub fn lacks(&self, other: &Gtids) -> String {
        match (self, other) {
            (_, Self::None) => String::new(),
            (Self::Set(this), Self::Set(other)) => other.without(this).to_string(),
            (Self::Domains(this), Self::Domains(other)) => {
                let known = |domain| this.get(domain).map_or(0, |(_, n): &(u32, u64)| *n);
                let newer = other.iter().filter(|(d, (_, n))| known(*d) < *n).map(|(d, at)| (*d, *at));
                Self::Domains(newer.collect()).to_string()
            }
            (_, other) => other.to_string(),
        }
    }

    /// The same, by domain; what was another family's is forgotten.
    pub(super) fn domains(&mut self) -> &mut Domains {
        match self {
            Self::Domains(domains) => domains,
            _ => {
                *self = Self::Domains(Domains::default());
                self.domains()
            }
        }
    }

    /// The same, as a set.
    pub(super) fn set(&mut self) -> &mut GtidSet {
        match self {
            Self::Set(set) => set,
            _ => {
                *self = Self::Set(GtidSet::default());
                self.set()
            }
        }
    }

    /// Takes what an event of a file says of GTIDs, if it does. Errors: it is malformed.
    pub fn note(&mut self, e: &RawEvent<'_>) -> Cut<()> {
        match e.kind {
            kind::GTID_LIST => {
                *self = Self::Domains(event::gtid_list(e.body)?.into_iter().map(|(d, s, n)| (d, (s, n))).collect());
            }
            kind::GTID => {
                let g = event::gtid(e.body)?;
                self.domains().insert(g.domain, (e.server_id, g.sequence));
            }
            kind::PREVIOUS_GTIDS => *self = Self::Set(GtidSet::decode(e.body)?),
            kind::MYSQL_GTID | kind::TAGGED_GTID => {
                let tagged = e.kind == kind::TAGGED_GTID;
                let g = if tagged { mysql_event::tagged_gtid(e.body)? } else { mysql_event::gtid(e.body, false)? };
                if let Some(gtid) = g.gtid {
                    self.set().add(&gtid);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// `0-1-77,1-1-5`, `uuid:1-5`
impl std::fmt::Display for Gtids {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Domains(domains) => {
                let all = domains.iter().map(|(d, (s, n))| format!("{d}-{s}-{n}")).collect::<Vec<_>>();
                f.write_str(&all.join(","))
            }
            Self::Set(set) => set.fmt(f),
        }
    }
}

/// `0-1-77,1-1-5`
fn parse_domains(text: &str) -> Option<Domains> {
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
    fn gtids_are_one_per_domain_or_a_set() {
        assert_eq!(Gtids::parse(""), Some(Gtids::None));
        let domains = Domains::from([(0, (1, 77)), (1, (2, 5))]);
        assert_eq!(Gtids::parse("0-1-77,1-2-5"), Some(Gtids::Domains(domains)));
        assert_eq!(Gtids::parse("0-1"), None);
        let set = "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5:7";
        assert!(matches!(Gtids::parse(set), Some(Gtids::Set(_))));
        assert_eq!(Gtids::parse(set).map(|g| g.to_string()).as_deref(), Some(set));
    }
}
