//! Functions that turn texts into other notations: HEX, MD5, ASCII, QUOTE, CONV, CHAR.

use super::cell::Cell;
use super::number::{integer, leading_int, small};
use super::text::first;
use super::{Args, Call, MANY, Spec, lenient, strict};
use crate::error::Result;
use crate::query::meaning::{Class, Typ, unsupported};
use sha1::Digest;
use std::fmt::Write;

pub(super) const ALL: &[Spec] = &[
    strict("my_hex", 1, 1, text, hex),
    strict("my_unhex", 1, 1, |_| Ok(Typ::bytes()), unhex),
    strict("my_ascii", 1, 1, int, |c| Ok(Cell::Int(c.bytes(0)?.and_then(|b| b.first().copied()).unwrap_or(0).into()))),
    strict("my_ord", 1, 1, int, ord),
    strict("my_md5", 1, 1, text, |c| Ok(Cell::text(lower_hex(&md5(&c.bytes(0)?.unwrap_or_default()))))),
    strict("my_sha1", 1, 1, text, |c| Ok(Cell::text(lower_hex(&sha1::Sha1::digest(c.bytes(0)?.unwrap_or_default()))))),
    strict("my_sha2", 2, 2, text, sha2),
    strict(
        "my_crc32",
        1,
        1,
        |_| Ok(Typ::of(crate::query::meaning::int(4, true))),
        |c| Ok(Cell::UInt(crc32fast::hash(&c.bytes(0)?.unwrap_or_default()).into())),
    ),
    strict("my_bin", 1, 1, text, |c| radix(c, |n| format!("{n:b}"))),
    strict("my_oct", 1, 1, text, |c| radix(c, |n| format!("{n:o}"))),
    strict("my_conv", 3, 3, text, conv),
    lenient("my_quote", 1, 1, first, quote),
    lenient("my_char", 1, MANY, |_| Ok(Typ::bytes()), char_of),
];

fn text(_: &Args) -> Result<Typ> {
    Ok(Typ::text())
}

fn int(_: &Args) -> Result<Typ> {
    Ok(Typ::bigint())
}

fn lower_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut s, b| {
        let _ = write!(s, "{b:02x}");
        s
    })
}

fn hex(c: &Call) -> Result<Cell<'static>> {
    if matches!(c.typs[0].class(), Class::Int | Class::Decimal | Class::Double) {
        let n = integer(&c.args[0], &c.typs[0])?.unwrap_or(0);
        let n = if n < 0 { n.max(i64::MIN.into()) as i64 as u64 } else { n.min(u64::MAX.into()) as u64 };
        return Ok(Cell::text(format!("{n:X}")));
    }
    Ok(Cell::text(lower_hex(&c.bytes(0)?.unwrap_or_default()).to_uppercase()))
}

fn unhex(c: &Call) -> Result<Cell<'static>> {
    let bytes = c.bytes(0)?.unwrap_or_default();
    let digits: Option<Vec<u8>> = bytes.iter().map(|b| char::from(*b).to_digit(16).map(|d| d as u8)).collect();
    let Some(mut digits) = digits else { return Ok(Cell::Null) };
    if digits.len() % 2 == 1 {
        digits.insert(0, 0);
    }
    Ok(Cell::Bytes(digits.chunks(2).map(|d| d[0] << 4 | d[1]).collect::<Vec<u8>>().into()))
}

/// The first character's bytes as one number.
fn ord(c: &Call) -> Result<Cell<'static>> {
    let n = match &c.args[0] {
        Cell::Bytes(b) => b.first().copied().unwrap_or(0).into(),
        cell => {
            let text = super::text_of(cell, &c.typs[0])?.unwrap_or_default();
            let first = Cell::text(text.chars().take(1).collect::<String>());
            let bytes = super::bytes_of(&first, &c.typs[0])?.unwrap_or_default();
            bytes.iter().fold(0i64, |n, b| n << 8 | i64::from(*b))
        }
    };
    Ok(Cell::Int(n))
}

fn sha2(c: &Call) -> Result<Cell<'static>> {
    let bytes = c.bytes(0)?.unwrap_or_default();
    Ok(match small(c, 1)?.unwrap_or(-1) {
        0 | 256 => Cell::text(lower_hex(&sha2::Sha256::digest(&bytes))),
        224 => Cell::text(lower_hex(&sha2::Sha224::digest(&bytes))),
        384 => Cell::text(lower_hex(&sha2::Sha384::digest(&bytes))),
        512 => Cell::text(lower_hex(&sha2::Sha512::digest(&bytes))),
        _ => Cell::Null,
    })
}

fn radix(c: &Call, f: fn(u64) -> String) -> Result<Cell<'static>> {
    let n = match c.typs[0].class() {
        Class::Text => leading_int(&c.text(0)?.unwrap_or_default()).0,
        Class::Int => integer(&c.args[0], &c.typs[0])?.unwrap_or(0),
        _ => return Err(unsupported("BIN and OCT of this type").hint("CAST it AS SIGNED.")),
    };
    Ok(Cell::text(f(if n < 0 { n as i64 as u64 } else { n as u64 })))
}

fn conv(c: &Call) -> Result<Cell<'static>> {
    let (from, to) = (small(c, 1)?.unwrap_or(0), small(c, 2)?.unwrap_or(0));
    if !(2..=36).contains(&from.abs()) || !(2..=36).contains(&to.abs()) {
        return Ok(Cell::Null);
    }
    if from < 0 || to < 0 {
        return Err(unsupported("CONV with a negative base"));
    }
    let text = c.text(0)?.unwrap_or_default();
    let text = text.trim_start();
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |d| (true, d));
    let mut n: u64 = 0;
    for digit in digits.chars().map_while(|d| d.to_digit(from as u32)) {
        n = n.saturating_mul(from as u64).saturating_add(digit.into());
    }
    if negative {
        n = n.wrapping_neg();
    }
    let mut out = Vec::new();
    loop {
        out.push(char::from_digit((n % to as u64) as u32, to as u32).unwrap_or('0').to_ascii_uppercase());
        n /= to as u64;
        if n == 0 {
            break;
        }
    }
    Ok(Cell::text(out.iter().rev().collect::<String>()))
}

fn quote(c: &Call) -> Result<Cell<'static>> {
    let Some(text) = c.text(0)? else { return Ok(c.give("NULL")) };
    let mut quoted = String::from("'");
    for ch in text.chars() {
        match ch {
            '\'' => quoted.push_str("\\'"),
            '\\' => quoted.push_str("\\\\"),
            '\0' => quoted.push_str("\\0"),
            '\x1a' => quoted.push_str("\\Z"),
            other => quoted.push(other),
        }
    }
    quoted.push('\'');
    Ok(c.give(quoted))
}

fn char_of(c: &Call) -> Result<Cell<'static>> {
    let mut bytes = Vec::new();
    for (cell, typ) in c.args.iter().zip(c.typs) {
        let Some(n) = integer(cell, typ)? else { continue };
        let all = (n as u32).to_be_bytes();
        let skip = all.iter().take(3).take_while(|b| **b == 0).count();
        bytes.extend_from_slice(&all[skip..]);
    }
    Ok(Cell::Bytes(bytes.into()))
}

/// Source: RFC 1321.
fn md5(message: &[u8]) -> [u8; 16] {
    const SHIFTS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];
    let mut state: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    let mut data = message.to_vec();
    data.push(0x80);
    // zeros up to eight bytes before a block's end, where the length stands
    data.resize((message.len() + 9).next_multiple_of(64), 0);
    let end = data.len() - 8;
    data[end..].copy_from_slice(&((message.len() as u64).wrapping_mul(8)).to_le_bytes());
    for block in data.chunks_exact(64) {
        let words: Vec<u32> = block.chunks_exact(4).map(|w| u32::from_le_bytes([w[0], w[1], w[2], w[3]])).collect();
        let [mut a, mut b, mut c, mut d] = state;
        for i in 0..64usize {
            let (f, g) = match i / 16 {
                0 => ((b & c) | (!b & d), i),
                1 => ((d & b) | (!d & c), (5 * i + 1) % 16),
                2 => (b ^ c ^ d, (3 * i + 5) % 16),
                _ => (c ^ (b | !d), (7 * i) % 16),
            };
            let k = (((i + 1) as f64).sin().abs() * 4_294_967_296.0) as u32;
            let sum = a.wrapping_add(f).wrapping_add(k).wrapping_add(words[g]);
            (a, d, c) = (d, c, b);
            b = b.wrapping_add(sum.rotate_left(SHIFTS[i / 16][i % 4]));
        }
        for (s, v) in state.iter_mut().zip([a, b, c, d]) {
            *s = s.wrapping_add(v);
        }
    }
    let mut out = [0; 16];
    for (o, s) in out.chunks_exact_mut(4).zip(state) {
        o.copy_from_slice(&s.to_le_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn md5_is_rfc_1321s() {
        for (text, sum) in [
            ("", "d41d8cd98f00b204e9800998ecf8427e"),
            ("abc", "900150983cd24fb0d6963f7d28e17f72"),
            (
                "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
                "57edf4a22be3c955ac49da2e2107b67a",
            ),
            ("1234567890123456789012345678901234567890123456789012345", "c9ccf168914a1bcfc3229f1948e67da0"),
        ] {
            assert_eq!(lower_hex(&md5(text.as_bytes())), sum, "{text}");
        }
    }
}
