//! The events that only MySQL writes: GTIDs with and without tags, sets of GTIDs, compressed transactions.
//!
//! Sources of the formats: MySQL's libs/mysql/binlog/event/control_events.h and .cpp, and for tagged GTIDs
//! libs/mysql/serialization (variable_length_integers.h and serializer_default.h).

use super::event::{Cursor, Cut, Damage};
use super::log::{Gtid, Origin, tag_of};
use crate::model::Micros;

/// What follows is one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GtidEvent {
    /// `None`: the server runs without GTIDs.
    pub gtid: Option<Gtid>,
    /// When this server committed it, µs.
    pub time: Option<Micros>,
}

/// Bits 55 and up of a commit time say that the time of the first commit follows.
const ORIGINAL_FOLLOWS: u64 = 1 << 55;

/// GTID and ANONYMOUS_GTID.
pub fn gtid(body: &[u8], anonymous: bool) -> Cut<GtidEvent> {
    let mut c = Cursor(body);
    c.u8()?;
    let uuid = c.take(16)?.try_into().expect("take gives as many as asked for");
    let number = c.u64()?;
    // logical clocks, then the time; servers before 8.0 leave these out
    let mut time = None;
    if c.u8().is_ok_and(|kind| kind == 2) && c.take(16).is_ok() {
        time = c.little(7).ok().map(|t| Micros((t & !ORIGINAL_FOLLOWS) as i64));
    }
    if !anonymous && (number == 0 || number > i64::MAX as u64) {
        return Err(Damage("its GTID is malformed".into()));
    }
    let gtid = Gtid { origin: Origin { uuid, tag: String::new() }, number };
    Ok(GtidEvent { gtid: (!anonymous).then_some(gtid), time })
}

/// GTID_TAGGED: fields with numbers, of which one that is not known and may not be ignored ends the reading.
pub fn tagged_gtid(body: &[u8]) -> Cut<GtidEvent> {
    let mut c = Cursor(body);
    let (version, _size, last_needed) = (varlen(&mut c)?, varlen(&mut c)?, varlen(&mut c)?);
    // field numbers: flags, UUID, number, tag, two logical clocks, two times, length, two versions, ticket
    if version != 1 || last_needed > 12 {
        return Err(Damage(format!("its GTID is of a newer form (version {version}, fields to {last_needed})")));
    }
    let (mut uuid, mut number, mut tag, mut time) = ([0; 16], 0, String::new(), None);
    while !c.0.is_empty() {
        match varlen(&mut c)? {
            1 => {
                for byte in &mut uuid {
                    *byte = u8::try_from(varlen(&mut c)?).map_err(|_| Damage("a UUID is malformed".into()))?;
                }
            }
            // signed numbers have their sign in the lowest bit
            2 => number = varlen(&mut c)? >> 1,
            3 => tag = tag_of(&mut c)?,
            6 => time = Some(Micros(varlen(&mut c)? as i64)),
            0 | 4 | 5 | 7..=11 => drop(varlen(&mut c)?),
            _ => break,
        }
    }
    if number == 0 {
        return Err(Damage("its GTID is malformed".into()));
    }
    Ok(GtidEvent { gtid: Some(Gtid { origin: Origin { uuid, tag }, number }), time })
}

/// A number of 1 to 9 bytes: as many ones as the first byte ends with, so many bytes follow it.
pub fn varlen(c: &mut Cursor<'_>) -> Cut<u64> {
    let first = *c.0.first().ok_or_else(|| Damage("an event is too short".into()))?;
    let bytes = first.trailing_ones() as usize + 1;
    if bytes == 9 {
        c.u8()?;
        return c.u64();
    }
    Ok(c.little(bytes)? >> bytes)
}

/// A transaction's events, packed into one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payload<'a> {
    /// By zstd; else they stand there as they are.
    pub compressed: bool,
    pub bytes: &'a [u8],
}

/// Fields with numbers and lengths up to a zero, then the events.
pub fn payload(body: &[u8]) -> Cut<Payload<'_>> {
    let mut c = Cursor(body);
    let (mut size, mut algorithm) = (None, None);
    loop {
        let field = c.length()?;
        if field == 0 {
            break;
        }
        let length = c.length()?;
        let mut value = Cursor(c.take(length)?);
        match field {
            1 => size = Some(value.length()?),
            2 => algorithm = Some(value.length()?),
            _ => {}
        }
    }
    let compressed = match algorithm {
        Some(0) => true,
        Some(255) => false,
        other => {
            return Err(Damage(format!("its transaction is compressed by algorithm {other:?}, which is not known")));
        }
    };
    if size != Some(c.0.len()) {
        return Err(Damage(format!("its transaction has {} bytes and says {size:?}", c.0.len())));
    }
    Ok(Payload { compressed, bytes: c.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_all_lengths() {
        let read = |bytes: &[u8]| varlen(&mut Cursor(bytes)).map_err(|e| e.0);
        assert_eq!(read(&[0]), Ok(0));
        assert_eq!(read(&[127 << 1]), Ok(127));
        assert_eq!(read(&[0b01, 0b10]), Ok(128));
        assert_eq!(read(&[0xff, 1, 0, 0, 0, 0, 0, 0, 0x80]), Ok(1 << 63 | 1));
        assert!(read(&[0b01]).is_err() && read(&[]).is_err());
    }

    #[test]
    fn a_payload_says_how_long_it_is() {
        let bytes = [2, 1, 0, 3, 3, 0xfc, 5, 0, 1, 1, 2, 0, 7, 8];
        assert_eq!(payload(&bytes), Ok(Payload { compressed: true, bytes: &[7, 8] }));
        assert!(payload(&bytes[..13]).is_err());
        assert!(payload(&[2, 1, 9, 1, 1, 0, 0]).is_err());
    }
}
