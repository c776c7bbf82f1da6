//! MySQL's GTID sets: of each server, and each tag of it, the intervals of transactions that were committed.
//!
//! Sources of the formats: `Gtid_set::add_gtid_encoding` and `Gtid_set::encode` in MySQL's rpl_gtid_set.cc.

use super::super::event::{Cursor, Cut, Damage};
use super::super::mysql_event::varlen;
use std::collections::BTreeMap;
use std::fmt;

/// Whose transaction: the server's UUID, and the tag (empty: none).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    pub uuid: [u8; 16],
    pub tag: String,
}

/// One transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gtid {
    pub origin: Origin,
    pub number: u64,
}

/// Intervals, first and last included, in order and never adjoining.
type Intervals = Vec<(u64, u64)>;

/// A set of transactions, with gaps where there are any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GtidSet(BTreeMap<Origin, Intervals>);

impl GtidSet {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn add(&mut self, gtid: &Gtid) {
        // nearly always the next one of a known origin
        if let Some(last) = self.0.get_mut(&gtid.origin).and_then(|i| i.last_mut())
            && last.1.checked_add(1) == Some(gtid.number)
        {
            last.1 = gtid.number;
            return;
        }
        self.add_interval(gtid.origin.clone(), (gtid.number, gtid.number));
    }

    fn add_interval(&mut self, origin: Origin, new: (u64, u64)) {
        let all = self.0.entry(origin).or_default();
        let mut merged: Intervals = Vec::with_capacity(all.len() + 1);
        all.push(new);
        all.sort_unstable();
        for &(first, last) in all.iter() {
            match merged.last_mut() {
                Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
                _ => merged.push((first, last)),
            }
        }
        *all = merged;
    }

    pub fn contains(&self, gtid: &Gtid) -> bool {
        let all = self.0.get(&gtid.origin);
        all.is_some_and(|i| i.iter().any(|(first, last)| (*first..=*last).contains(&gtid.number)))
    }

    /// Whether every transaction of the other is in this one.
    pub fn covers(&self, other: &GtidSet) -> bool {
        other.without(self).is_empty()
    }

    /// What is in this one and not in the other.
    pub fn without(&self, other: &GtidSet) -> GtidSet {
        let mut left = BTreeMap::new();
        for (origin, intervals) in &self.0 {
            let gone = other.0.get(origin).map(Vec::as_slice).unwrap_or_default();
            let rest: Intervals = intervals.iter().flat_map(|i| cut(*i, gone)).collect();
            if !rest.is_empty() {
                left.insert(origin.clone(), rest);
            }
        }
        GtidSet(left)
    }

    /// `uuid:1-5:7:tag:1-3,uuid:1`, spaces and line ends between; empty: none. `None`: it is no set.
    pub fn parse(text: &str) -> Option<GtidSet> {
        let mut set = GtidSet::default();
        let text: String = text.split_whitespace().collect();
        for part in text.split(',').filter(|p| !p.is_empty()) {
            let mut items = part.split(':');
            let uuid = parse_uuid(items.next()?)?;
            let (mut tag, mut any) = (String::new(), false);
            for item in items {
                if item.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
                    tag = parse_tag(item)?;
                    continue;
                }
                let (first, last) = item.split_once('-').unwrap_or((item, item));
                let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
                if first == 0 || last < first || last > i64::MAX as u64 {
                    return None;
                }
                set.add_interval(Origin { uuid, tag: tag.clone() }, (first, last));
                any = true;
            }
            if !any {
                return None;
            }
        }
        Some(set)
    }

    /// As a PREVIOUS_GTIDS event has it. The eighth byte says whether origins have tags.
    pub fn decode(bytes: &[u8]) -> Cut<GtidSet> {
        let mut c = Cursor(bytes);
        let head = c.u64()?;
        let (tagged, origins) = match head >> 56 {
            0 => (false, head),
            1 => (true, head << 8 >> 16),
            format => return Err(Damage(format!("its set of GTIDs is of format {format}"))),
        };
        let mut set = GtidSet::default();
        for _ in 0..origins {
            let uuid = c.take(16)?.try_into().expect("take gives as many as asked for");
            let tag = if tagged { tag_of(&mut c)? } else { String::new() };
            let origin = Origin { uuid, tag };
            let mut intervals = Intervals::new();
            for _ in 0..c.u64()? {
                let (first, behind) = (c.u64()?, c.u64()?);
                let after = intervals.last().is_none_or(|(_, last)| *last < first);
                if first == 0 || behind <= first || !after {
                    return Err(Damage("its set of GTIDs is malformed".into()));
                }
                intervals.push((first, behind - 1));
            }
            set.0.insert(origin, intervals);
        }
        Ok(set)
    }

    /// As COM_BINLOG_DUMP_GTID takes it; the opposite of `decode`.
    pub fn encode(&self) -> Vec<u8> {
        let tagged = self.0.keys().any(|o| !o.tag.is_empty());
        let origins = self.0.len() as u64;
        let head = if tagged { 1 << 56 | origins << 8 | 1 } else { origins };
        let mut bytes = head.to_le_bytes().to_vec();
        for (origin, intervals) in &self.0 {
            bytes.extend(origin.uuid);
            if tagged {
                // a tag has at most 32 characters: its length is one byte, shifted by one
                bytes.push((origin.tag.len() << 1) as u8);
                bytes.extend(origin.tag.as_bytes());
            }
            bytes.extend((intervals.len() as u64).to_le_bytes());
            for (first, last) in intervals {
                bytes.extend(first.to_le_bytes());
                bytes.extend((last + 1).to_le_bytes());
            }
        }
        bytes
    }
}

/// What is left of an interval without these.
fn cut((mut first, last): (u64, u64), gone: &[(u64, u64)]) -> Intervals {
    let mut left = Intervals::new();
    for (from, to) in gone {
        if *to < first || *from > last {
            continue;
        }
        if *from > first {
            left.push((first, from - 1));
        }
        first = to.saturating_add(1);
        if first > last {
            return left;
        }
    }
    left.push((first, last));
    left
}

/// A tag's length and characters.
pub fn tag_of(c: &mut Cursor<'_>) -> Cut<String> {
    let length = usize::try_from(varlen(c)?).unwrap_or(usize::MAX);
    let bytes = c.take(length)?;
    let tag = std::str::from_utf8(bytes).ok().filter(|t| t.is_empty() || parse_tag(t).is_some());
    tag.map(str::to_string).ok_or_else(|| Damage("a tag of a GTID is malformed".into()))
}

fn parse_tag(text: &str) -> Option<String> {
    let plain = text.len() <= 32 && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let head = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    (plain && head).then(|| text.to_ascii_lowercase())
}

fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    if digits.len() != 32 || !digits.is_ascii() {
        return None;
    }
    let mut uuid = [0; 16];
    for (i, byte) in uuid.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[2 * i..2 * i + 2], 16).ok()?;
    }
    Some(uuid)
}

fn write_uuid(uuid: &[u8; 16], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (i, byte) in uuid.iter().enumerate() {
        let dash = if matches!(i, 4 | 6 | 8 | 10) { "-" } else { "" };
        write!(f, "{dash}{byte:02x}")?;
    }
    Ok(())
}

/// `uuid:7`, `uuid:tag:7`
impl fmt::Display for Gtid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_uuid(&self.origin.uuid, f)?;
        if !self.origin.tag.is_empty() {
            write!(f, ":{}", self.origin.tag)?;
        }
        write!(f, ":{}", self.number)
    }
}

/// As the server prints it, without the line ends.
impl fmt::Display for GtidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before: Option<&[u8; 16]> = None;
        for (origin, intervals) in &self.0 {
            if before != Some(&origin.uuid) {
                f.write_str(if before.is_some() { "," } else { "" })?;
                write_uuid(&origin.uuid, f)?;
                before = Some(&origin.uuid);
            }
            if !origin.tag.is_empty() {
                write!(f, ":{}", origin.tag)?;
            }
            for (first, last) in intervals {
                if first == last { write!(f, ":{first}")? } else { write!(f, ":{first}-{last}")? }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
    const B: &str = "4e11fa47-71ca-11e1-9e33-c80aa9429562";

    fn set(text: &str) -> GtidSet {
        GtidSet::parse(&text.replace('A', A).replace('B', B)).expect("a set")
    }

    #[test]
    fn a_set_is_read_shown_and_sent_as_the_server_does_it() {
        for text in ["", "A:1-5", "A:1-5:7:9-11,B:1", "A:1-5:blue:1-3:7:red:2,B:red:1"] {
            let shown = text.replace('A', A).replace('B', B);
            assert_eq!(set(text).to_string(), shown);
            assert_eq!(GtidSet::decode(&set(text).encode()), Ok(set(text)), "{text}");
        }
        assert_eq!(set("A:5:1-4,\nA:6"), set("A:1-6"));
        for bad in ["A", "A:", "A:0", "A:5-4", "A:x y", "x:1", "A:1-5-7", "0-1-5"] {
            assert_eq!(GtidSet::parse(&bad.replace('A', A)), None, "{bad}");
        }
        assert!(GtidSet::decode(&set("A:1").encode()[..30]).is_err());
    }

    #[test]
    fn sets_are_added_to_compared_and_subtracted() {
        let gtid =
            |number| Gtid { origin: Origin { uuid: parse_uuid(A).expect("a UUID"), tag: String::new() }, number };
        let mut all = GtidSet::default();
        for (number, shown) in [(1, "A:1"), (2, "A:1-2"), (5, "A:1-2:5"), (4, "A:1-2:4-5"), (3, "A:1-5"), (3, "A:1-5")]
        {
            all.add(&gtid(number));
            assert_eq!(all, set(shown));
        }
        assert!(all.contains(&gtid(5)) && !all.contains(&gtid(6)));
        assert_eq!(set("A:1-10,B:1").without(&set("A:3-4:6-20")), set("A:1-2:5,B:1"));
        assert!(set("A:1-10").covers(&set("A:2:5-10")) && !set("A:1-10").covers(&set("A:2,B:1")));
        assert!(!set("A:1-10").covers(&set("A:blue:1")), "a tag is an origin of its own");
        assert!(set("").covers(&set("")));
    }
}
