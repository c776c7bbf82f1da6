//! How are UUID, INET4 and INET6 shown, and in which bytes do servers hold them?
//!
//! The archive holds the text that the server shows; its bytes decide which value comes first.

use super::types::ColumnType;
use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Bytes of such a value; 0 for other types.
pub fn width(kind: &ColumnType) -> usize {
    match kind {
        ColumnType::Uuid | ColumnType::Inet6 => 16,
        ColumnType::Inet4 => 4,
        _ => 0,
    }
}

/// The text that the server shows for these bytes. `None`: they are too few or too many.
/// Source: Inet6::to_string and UUID::to_string in MariaDB's plugins.
pub fn shown(kind: &ColumnType, bytes: &[u8]) -> Option<String> {
    match kind {
        ColumnType::Inet4 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).to_string()),
        ColumnType::Inet6 => Some(inet6(<[u8; 16]>::try_from(bytes).ok()?)),
        ColumnType::Uuid if bytes.len() == 16 => {
            let mut text = String::with_capacity(36);
            for (i, b) in bytes.iter().enumerate() {
                if matches!(i, 4 | 6 | 8 | 10) {
                    text.push('-');
                }
                write!(text, "{b:02x}").expect("a String takes all");
            }
            Some(text)
        }
        _ => None,
    }
}

/// The first of the longest runs of zeros as `::`, be it of one group only; the last 32 bits of an IPv4 address that is
/// mapped or compatible as such.
fn inet6(bytes: [u8; 16]) -> String {
    let words: Vec<u16> = bytes.as_chunks::<2>().0.iter().map(|w| u16::from_be_bytes(*w)).collect();
    let (mut best, mut from) = (0..0, 0);
    for at in 0..=words.len() {
        if words.get(at) != Some(&0) {
            if at - from > best.len() {
                best = from..at;
            }
            from = at + 1;
        }
    }
    let v4 = best.start == 0 && (best.len() == 6 || best.len() == 5 && words[5] == 0xffff);
    let mut text = String::new();
    let mut at = 0;
    while at < words.len() {
        if at == best.start && !best.is_empty() {
            text.push_str("::");
            at = best.end;
            continue;
        }
        if at > 0 && at != best.end {
            text.push(':');
        }
        if at == 6 && v4 {
            let last = Ipv4Addr::new(bytes[12], bytes[13], bytes[14], bytes[15]);
            return format!("{text}{last}");
        }
        write!(text, "{:x}", words[at]).expect("a String takes all");
        at += 1;
    }
    text
}

/// The bytes of a text that is such a value, in any of its spellings. `None`: it is none.
pub fn bytes(kind: &ColumnType, text: &str) -> Option<Vec<u8>> {
    match kind {
        ColumnType::Inet4 => Some(text.parse::<Ipv4Addr>().ok()?.octets().to_vec()),
        ColumnType::Inet6 => Some(text.parse::<Ipv6Addr>().ok()?.octets().to_vec()),
        ColumnType::Uuid => {
            let digits: Vec<u8> = text.bytes().filter(|b| *b != b'-').collect();
            if digits.len() != 32 || text.bytes().next().is_none_or(|b| b == b'-') {
                return None;
            }
            let digit = |b: u8| char::from(b).to_digit(16).map(|d| d as u8);
            digits.chunks(2).map(|d| Some(digit(d[0])? << 4 | digit(d[1])?)).collect()
        }
        _ => None,
    }
}

/// Bytes whose order is the order of the values: of a UUID that has a time, MariaDB compares the node first and the
/// time last. Source: UUID::cmp in MariaDB's sql_type_uuid.h.
pub fn key(kind: &ColumnType, text: &str) -> Option<Vec<u8>> {
    let b = bytes(kind, text)?;
    Some(match kind {
        ColumnType::Uuid if b[6] < 0x60 && b[8] & 0x80 != 0 => {
            [&b[10..16], &b[8..10], &b[6..8], &b[4..6], &b[0..4]].concat()
        }
        _ => b,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_read_back() {
        for (kind, text) in [
            (ColumnType::Inet4, "255.0.10.1"),
            (ColumnType::Inet6, "::"),
            (ColumnType::Inet6, "::1"),
            (ColumnType::Inet6, "1::"),
            (ColumnType::Inet6, "2001:db8::ff00:42:8329"),
            (ColumnType::Inet6, "1:0:0:2::3"),
            (ColumnType::Inet6, "1::2:0:0:3:4"),
            (ColumnType::Inet6, "1::2:3:4:5:6:7"),
            (ColumnType::Inet6, "::ffff:1.2.3.4"),
            (ColumnType::Inet6, "::1.2.3.4"),
            (ColumnType::Uuid, "123e4567-e89b-12d3-a456-426655440000"),
        ] {
            let held = bytes(&kind, text).expect(text);
            assert_eq!(shown(&kind, &held).as_deref(), Some(text));
        }
        assert_eq!(bytes(&ColumnType::Uuid, "123e4567e89b12d3A456426655440000").map(|b| b[8]), Some(0xa4));
        for text in ["", "1.2.3", "::g", "123e4567-e89b-12d3-a456-42665544000"] {
            assert!([ColumnType::Inet4, ColumnType::Inet6, ColumnType::Uuid].iter().all(|k| bytes(k, text).is_none()));
        }
    }
}
