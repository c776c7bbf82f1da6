//! A compressed transaction of MySQL, unpacked one event at a time: however long it is, one event is in memory.

use super::super::event::{Cut, Damage, EventHeader};
use super::super::mysql_event::Payload;
use std::io::{Cursor, Read};

/// No server writes a larger event.
const MAX_EVENT: u32 = (1 << 30) + (1 << 26);

/// The events that are still to come.
pub struct Packed {
    events: Box<dyn Read + Send>,
}

impl Packed {
    pub fn new(payload: Payload<'_>) -> Cut<Self> {
        let bytes = Cursor::new(payload.bytes.to_vec());
        if !payload.compressed {
            return Ok(Self { events: Box::new(bytes) });
        }
        let decoder = zstd::stream::read::Decoder::with_buffer(bytes).map_err(|e| unpacking(&e))?;
        Ok(Self { events: Box::new(decoder) })
    }

    /// The next event, header and all; it has no checksum of its own. `None`: these were all.
    pub fn next(&mut self) -> Cut<Option<Vec<u8>>> {
        let mut bytes = Vec::new();
        let header_bytes = EventHeader::SIZE as u64;
        let n = (&mut self.events).take(header_bytes).read_to_end(&mut bytes).map_err(|e| unpacking(&e))?;
        if n == 0 {
            return Ok(None);
        }
        let cut_off = || Damage("its compressed transaction is cut off within an event".into());
        let header = EventHeader::parse(&bytes).ok_or_else(cut_off)?;
        if header.size > MAX_EVENT || u64::from(header.size) < header_bytes {
            return Err(Damage(format!("its compressed transaction has an event of {} bytes", header.size)));
        }
        let rest = u64::from(header.size) - header_bytes;
        (&mut self.events).take(rest).read_to_end(&mut bytes).map_err(|e| unpacking(&e))?;
        if bytes.len() as u64 != u64::from(header.size) {
            return Err(cut_off());
        }
        Ok(Some(bytes))
    }
}

fn unpacking(error: &std::io::Error) -> Damage {
    Damage(format!("its compressed transaction cannot be unpacked: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: u8, body: &[u8]) -> Vec<u8> {
        let size = (EventHeader::SIZE + body.len()) as u32;
        let head = [&[0, 0, 0, 0, kind, 0, 0, 0, 0][..], &size.to_le_bytes(), &[0; 6]].concat();
        [&head[..], body].concat()
    }

    #[test]
    fn events_come_out_as_they_went_in_and_damage_is_seen() {
        let plain = [event(2, b"abc"), event(16, &[7; 8])].concat();
        let packed = zstd::encode_all(&plain[..], 3).expect("packed");
        for (compressed, bytes) in [(true, &packed), (false, &plain)] {
            let mut all = Packed::new(Payload { compressed, bytes }).expect("begun");
            assert_eq!(all.next(), Ok(Some(event(2, b"abc"))));
            assert_eq!(all.next(), Ok(Some(event(16, &[7; 8]))));
            assert_eq!(all.next(), Ok(None));
            let mut cut = Packed::new(Payload { compressed, bytes: &bytes[..bytes.len() - 4] }).expect("begun");
            let mut read = cut.next();
            while let Ok(Some(_)) = read {
                read = cut.next();
            }
            read.expect_err("it is cut off");
        }
    }
}
