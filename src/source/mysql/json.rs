//! MySQL's binary JSON, as the log has it, to the text that the server shows for it, byte for byte.
//!
//! Sources: json_binary.h and json_binary.cc for the form, `wrapper_to_string` and `double_quote` in json_dom.cc for
//! the text, `TIME_from_longlong_packed` in my_time.cc for times inside.

use super::event::{Cursor, Cut, Damage};
use super::rows::decimal;
use crate::model::{ColumnType, display_double};
use std::fmt::Write;

/// The server stores none that is nested deeper.
const MAX_DEPTH: usize = 100;

/// The text of a whole document. Errors: it is malformed.
pub fn text(bytes: &[u8]) -> Cut<String> {
    let mut out = String::new();
    // a column without a value, which only a statement with IGNORE makes
    let Some((kind, data)) = bytes.split_first() else { return Ok("null".into()) };
    value(*kind, data, 0, &mut out)?;
    Ok(out)
}

fn damage(why: &str) -> Damage {
    Damage(format!("its JSON {why}"))
}

/// A value of this type, which begins where `data` does.
fn value(kind: u8, data: &[u8], depth: usize, out: &mut String) -> Cut<()> {
    let mut c = Cursor(data);
    match kind {
        0..=3 => return container(data, kind & 1 == 1, kind & 2 != 0, depth, out),
        4 => out.push_str(match c.u8()? {
            0 => "null",
            1 => "true",
            2 => "false",
            _ => return Err(damage("has an unknown literal")),
        }),
        5 => shown(out, c.u16()? as i16),
        6 => shown(out, c.u16()?),
        7 => shown(out, c.u32()? as i32),
        8 => shown(out, c.u32()?),
        9 => shown(out, c.u64()? as i64),
        10 => shown(out, c.u64()?),
        11 => {
            let number = display_double(f64::from_bits(c.u64()?));
            out.push_str(&number);
            if !number.contains(['.', 'e']) {
                out.push_str(".0");
            }
        }
        12 => quoted(string(&mut c)?, out)?,
        15 => {
            let kind = c.u8()?;
            opaque(kind, string(&mut c)?, out)?;
        }
        other => return Err(damage(&format!("has an unknown type {other}"))),
    }
    Ok(())
}

fn shown(out: &mut String, v: impl std::fmt::Display) {
    write!(out, "{v}").expect("a String takes all");
}

/// An object or an array. Its numbers and offsets have two bytes, or four (`large`); offsets count from its beginning.
fn container(data: &[u8], large: bool, array: bool, depth: usize, out: &mut String) -> Cut<()> {
    if depth >= MAX_DEPTH {
        return Err(damage("is nested too deeply"));
    }
    let width = if large { 4 } else { 2 };
    let mut c = Cursor(data);
    let count = c.little(width)?;
    let size = c.little(width)? as usize;
    let data = data.get(..size).ok_or_else(|| damage("is cut off"))?;
    let mut keys = Cursor(c.0);
    let mut entries = Cursor(if array { c.0 } else { after(c.0, count, width + 2)? });
    after(entries.0, count, width + 1)?; // all entries are there, before any of them is shown
    out.push(if array { '[' } else { '{' });
    for i in 0..count {
        if i > 0 {
            out.push_str(", ");
        }
        if !array {
            let offset = keys.little(width)? as usize;
            let length = usize::from(keys.u16()?);
            quoted(slice(data, offset)?.get(..length).ok_or_else(|| damage("is cut off"))?, out)?;
            out.push_str(": ");
        }
        let kind = entries.u8()?;
        let entry = entries.take(width)?;
        // what fits stands in the entry itself
        let inline = matches!(kind, 4..=6) || large && matches!(kind, 7 | 8);
        let at = if inline { entry } else { slice(data, Cursor(entry).little(width)? as usize)? };
        value(kind, at, depth + 1, out)?;
    }
    out.push(if array { ']' } else { '}' });
    Ok(())
}

/// What stands behind so many entries.
fn after(data: &[u8], count: u64, bytes: usize) -> Cut<&[u8]> {
    let length = usize::try_from(count).ok().and_then(|n| n.checked_mul(bytes));
    slice(data, length.unwrap_or(usize::MAX))
}

fn slice(data: &[u8], offset: usize) -> Cut<&[u8]> {
    data.get(offset..).ok_or_else(|| damage("is cut off"))
}

/// A length of seven bits a byte, the lowest first, and so many bytes.
fn string<'a>(c: &mut Cursor<'a>) -> Cut<&'a [u8]> {
    let mut length = 0u64;
    for shift in (0..35).step_by(7) {
        let byte = c.u8()?;
        length |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return c.take(usize::try_from(length).unwrap_or(usize::MAX));
        }
    }
    Err(damage("has a malformed length"))
}

fn quoted(bytes: &[u8], out: &mut String) -> Cut<()> {
    let text = std::str::from_utf8(bytes).map_err(|_| damage("has text that is not UTF-8"))?;
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => write!(out, "\\u{:04x}", u32::from(c)).expect("a String takes all"),
            c => out.push(c),
        }
    }
    out.push('"');
    Ok(())
}

/// A value of a type of SQL that JSON does not have, by the type's code.
fn opaque(kind: u8, data: &[u8], out: &mut String) -> Cut<()> {
    let mut c = Cursor(data);
    match kind {
        246 => {
            let (precision, scale) = (c.u8()?, c.u8()?);
            let kind = ColumnType::Decimal { precision, scale, unsigned: false, zerofill: false };
            let text = decimal(precision, scale, &mut c)?.display(&kind).unwrap_or_default();
            out.push_str(&String::from_utf8_lossy(&text));
        }
        7 | 10 | 12 => {
            let packed = c.u64()? as i64;
            let (days, part) = (packed >> 41, packed & 0xff_ffff);
            let (months, time) = (days >> 5, packed >> 24 & 0x1_ffff);
            let date = format!("{:04}-{:02}-{:02}", months / 13, months % 13, days & 31);
            let clock = format!("{:02}:{:02}:{:02}.{part:06}", time >> 12, time >> 6 & 63, time & 63);
            out.push_str(&if kind == 10 { format!("\"{date}\"") } else { format!("\"{date} {clock}\"") });
        }
        11 => {
            let packed = c.u64()? as i64;
            let sign = if packed < 0 { "-" } else { "" };
            let (time, part) = (packed.unsigned_abs() >> 24, packed.unsigned_abs() & 0xff_ffff);
            let hours = time >> 12 & 0x3ff;
            shown(out, format_args!("\"{sign}{hours:02}:{:02}:{:02}.{part:06}\"", time >> 6 & 63, time & 63));
        }
        // the server's base64 has lines of 76 characters
        kind => quoted(format!("base64:type{kind}:{}", base64(data)).as_bytes(), out)?,
    }
    Ok(())
}

fn base64(data: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for (i, group) in data.chunks(3).enumerate() {
        if i > 0 && i % 19 == 0 {
            out.push('\n');
        }
        let bits = group.iter().fold(0u32, |v, b| v << 8 | u32::from(*b)) << (8 * (3 - group.len()));
        for digit in 0..4 {
            let known = digit <= group.len();
            out.push(if known { char::from(DIGITS[(bits >> (18 - 6 * digit) & 63) as usize]) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_shown_as_the_server_shows_it() {
        // {"a": [1, true], "b": "x\n"}
        let array = [2, 0, 10, 0, 5, 1, 0, 4, 1, 0];
        let head = [0, 2, 0, 34, 0, 18, 0, 1, 0, 19, 0, 1, 0, 2, 20, 0, 12, 30, 0];
        let doc = [&head[..], b"ab", &array, &[2, b'x', b'\n', 0]].concat();
        assert_eq!(text(&doc).as_deref(), Ok("{\"a\": [1, true], \"b\": \"x\\n\"}"));
        for end in 1..doc.len() - 1 {
            text(&doc[..end]).expect_err("it is cut off");
        }
        assert_eq!(text(&[]).as_deref(), Ok("null"));
    }

    #[test]
    fn lies_about_lengths_are_no_documents() {
        for bytes in [
            &[1, 255, 255, 255, 255, 255, 255, 255, 255][..],
            &[2, 1, 0, 7, 0, 2, 0, 0],
            &[12, 255, 255, 255, 255, 255],
            &[9],
        ] {
            text(bytes).expect_err("malformed");
        }
    }

    #[test]
    fn bytes_in_base64() {
        assert_eq!(
            (base64(b""), base64(b"a"), base64(b"ab"), base64(b"abc")),
            ("".into(), "YQ==".into(), "YWI=".into(), "YWJj".into())
        );
        assert_eq!(base64(&[0; 58]).split('\n').map(str::len).collect::<Vec<_>>(), [76, 4]);
    }
}
