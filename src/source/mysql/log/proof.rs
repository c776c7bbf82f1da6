//! Is a server's log the history that was read? For MariaDB, whose GTIDs are numbers that another history can have too.
//!
//! A bookmark holds the newest transaction: its GTID, the one before it in its domain, and a checksum of its row images
//! and statements, which replicas log unchanged. Where the bookmark's file and offset lead nowhere, the log is asked for
//! from the transaction before on, and the first one of that domain must be that one. Until it was seen nothing is told.

use super::super::position;
use super::gtids::Domains;
use super::{Gtids, LogReader};
use crate::error::{Error, Kind, Result};
use crate::model::{Bookmark, SourceEvent};
use std::fmt;

/// The newest transaction that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Last {
    pub domain: u32,
    pub server: u32,
    pub sequence: u64,
    /// Server and sequence of the one before it in its domain.
    pub before: Option<(u32, u64)>,
    /// CRC-32 of what it did.
    pub crc32: u32,
}

/// `0-1-77@1a2b3c4d/0-2-76`
impl fmt::Display for Last {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { domain, server, sequence, before, crc32 } = self;
        write!(f, "{domain}-{server}-{sequence}@{crc32:08x}/")?;
        match before {
            Some((server, sequence)) => write!(f, "{domain}-{server}-{sequence}"),
            None => f.write_str("-"),
        }
    }
}

impl Last {
    /// What a bookmark's last part says, if it is one of these.
    pub fn parse(bookmark: &Bookmark) -> Option<Self> {
        let (_, text) = position::parts(bookmark).place.rsplit_once(' ')?;
        let (gtid, rest) = text.split_once('@')?;
        let (crc32, before) = rest.split_once('/')?;
        let one = |text: &str| match Gtids::parse(text)? {
            Gtids::Domains(all) if all.len() == 1 => all.into_iter().next(),
            _ => None,
        };
        let (domain, (server, sequence)) = one(gtid)?;
        let before = if before == "-" { None } else { Some(one(before).filter(|(d, _)| *d == domain)?.1) };
        Some(Self { domain, server, sequence, before, crc32: u32::from_str_radix(crc32, 16).ok()? })
    }

    /// From where a server is to send, which was there when all of `read` was.
    pub fn asked_from(&self, read: &Domains) -> String {
        let mut from = read.clone();
        match self.before {
            Some(before) => drop(from.insert(self.domain, before)),
            None => drop(from.remove(&self.domain)),
        }
        Gtids::Domains(from).to_string()
    }
}

impl LogReader {
    /// The newest transaction, if it is known.
    pub fn last(&self) -> Option<&Last> {
        self.last.as_ref()
    }

    /// The log comes from another place than the bookmark's, and begins with the newest transaction that was read.
    pub fn prove(&mut self) {
        self.proof = self.last.clone();
    }

    /// Whether the log is to begin with the newest transaction that was read.
    pub fn proving(&self) -> bool {
        self.proof.is_some()
    }

    /// Whether everything that was told is certain to belong to this log, and no transaction is open.
    pub fn settled(&self) -> bool {
        !self.within() && self.proof.is_none() && self.recall.is_none()
    }

    /// Takes the GTID of a transaction that begins. `true`: it is the one that was read already.
    pub(super) fn is_known(&self, domain: u32, server: u32, sequence: u64) -> Result<bool> {
        match &self.proof {
            Some(last) if last.domain == domain => {
                if (last.server, last.sequence) == (server, sequence) {
                    return Ok(true);
                }
                let found = format!("{domain}-{server}-{sequence}");
                Err(self.other(last, &format!("it has {found} in its place")))
            }
            _ => Ok(false),
        }
    }

    /// The transaction that was read already has ended.
    pub(super) fn known_ended(&mut self, crc32: u32) {
        if let Some(last) = self.proof.take()
            && last.crc32 != crc32
        {
            self.fault = Some(self.other(&last, "there that transaction did something else"));
        }
    }

    fn other(&self, last: &Last, why: &str) -> Error {
        let gtid = format!("{}-{}-{}", last.domain, last.server, last.sequence);
        Error::new(
            Kind::Gap,
            format!("the log of the server is another history than the backup, which ends with {gtid}: {why}"),
        )
        .hint(super::super::resume::LOST)
    }

    /// Tells of new bases whose place this is, or whose place was missed: a log may lead past it when another server
    /// goes on with it.
    pub(super) fn reached(&mut self) {
        for (schema, at) in std::mem::take(&mut self.retakes) {
            let place = Gtids::parse(&at.gtids).unwrap_or_default();
            let here = match (&self.gtids, &place) {
                // another server of the same ones has other places
                (Gtids::Set(read), Gtids::Set(at)) => read.covers(at),
                _ if place.is_empty() => self.position.order(&at).is_some_and(|order| order.is_ge()),
                _ => place == self.gtids,
            };
            let table = schema.id;
            if here {
                self.retaken(schema);
            } else if !place.is_empty() && self.gtids.lacks(&place).is_empty() {
                self.told.push_back(SourceEvent::Missed { table });
            } else {
                self.retakes.push((schema, at));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_transaction_is_read_back_from_a_bookmark() {
        let last = Last { domain: 0, server: 1, sequence: 77, before: Some((2, 76)), crc32: 0x1a2b };
        let bookmark = Bookmark(format!("binlog.000001:4 0-1-77,5-1-1 {last}"));
        assert_eq!(bookmark.0, "binlog.000001:4 0-1-77,5-1-1 0-1-77@00001a2b/0-2-76");
        assert_eq!(Last::parse(&bookmark), Some(last.clone()));
        let read = Domains::from([(0, (1, 77)), (5, (1, 1))]);
        assert_eq!(last.asked_from(&read), "0-2-76,5-1-1");
        let first = Last { before: None, ..last };
        assert_eq!(Last::parse(&Bookmark(format!("f:4 0-1-77 {first}"))), Some(first.clone()));
        assert_eq!(first.asked_from(&read), "5-1-1");
        for other in ["binlog.000001:4 0-1-77", "binlog.000001:4 -", "f:4 - 0-1-77@x/-", "f:4 - 0-1-77@1/1-1-1"] {
            assert_eq!(Last::parse(&Bookmark(other.into())), None, "{other}");
        }
    }
}
