//! In which bytes does a server hold characters?
//!
//! The archive holds all text as UTF-8; a column's charset says which bytes stand for it on the server. Only what is
//! carried in both directions is a character here: bytes → text → the same bytes. `tables/` says what a server said
//! (`tables.sh` asks it); ASCII characters stand for themselves where a table says nothing else.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::OnceLock;

/// A charset whose text is carried; by default utf8mb4.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Charset(usize);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Ascii,
    Utf8,
    /// UTF-8 without what lies beyond U+FFFF.
    Utf8Mb3,
    Ucs2,
    Utf16,
    Utf16Le,
    Utf32,
    /// By a table; the second: a character beginning with 8F has three bytes.
    Table(&'static str, bool),
}

struct Entry {
    name: &'static str,
    /// Bytes of the widest character.
    widest: u32,
    /// The collation that MariaDB 10.11 and MySQL give it by themselves.
    collation: &'static str,
    form: Form,
    table: OnceLock<Table>,
}

#[derive(Default)]
struct Table {
    chars: HashMap<u32, char>,
    codes: HashMap<char, u32>,
}

const fn entry(name: &'static str, widest: u32, collation: &'static str, form: Form) -> Entry {
    Entry { name, widest, collation, form, table: OnceLock::new() }
}

macro_rules! table {
    ($name:literal, $widest:literal, $collation:literal) => {
        entry($name, $widest, $collation, Form::Table(include_str!(concat!("tables/", $name, ".txt")), $widest == 3))
    };
}

static ALL: [Entry; 40] = [
    entry("utf8mb4", 4, "utf8mb4_general_ci", Form::Utf8),
    entry("utf8mb3", 3, "utf8mb3_general_ci", Form::Utf8Mb3),
    entry("ascii", 1, "ascii_general_ci", Form::Ascii),
    entry("ucs2", 2, "ucs2_general_ci", Form::Ucs2),
    entry("utf16", 4, "utf16_general_ci", Form::Utf16),
    entry("utf16le", 4, "utf16le_general_ci", Form::Utf16Le),
    entry("utf32", 4, "utf32_general_ci", Form::Utf32),
    table!("armscii8", 1, "armscii8_general_ci"),
    table!("big5", 2, "big5_chinese_ci"),
    table!("cp1250", 1, "cp1250_general_ci"),
    table!("cp1251", 1, "cp1251_general_ci"),
    table!("cp1256", 1, "cp1256_general_ci"),
    table!("cp1257", 1, "cp1257_general_ci"),
    table!("cp850", 1, "cp850_general_ci"),
    table!("cp852", 1, "cp852_general_ci"),
    table!("cp866", 1, "cp866_general_ci"),
    table!("cp932", 2, "cp932_japanese_ci"),
    table!("dec8", 1, "dec8_swedish_ci"),
    table!("eucjpms", 3, "eucjpms_japanese_ci"),
    table!("euckr", 2, "euckr_korean_ci"),
    table!("gb2312", 2, "gb2312_chinese_ci"),
    table!("gbk", 2, "gbk_chinese_ci"),
    table!("geostd8", 1, "geostd8_general_ci"),
    table!("greek", 1, "greek_general_ci"),
    table!("hebrew", 1, "hebrew_general_ci"),
    table!("hp8", 1, "hp8_english_ci"),
    table!("keybcs2", 1, "keybcs2_general_ci"),
    table!("koi8r", 1, "koi8r_general_ci"),
    table!("koi8u", 1, "koi8u_general_ci"),
    table!("latin1", 1, "latin1_swedish_ci"),
    table!("latin2", 1, "latin2_general_ci"),
    table!("latin5", 1, "latin5_turkish_ci"),
    table!("latin7", 1, "latin7_general_ci"),
    table!("macce", 1, "macce_general_ci"),
    table!("macroman", 1, "macroman_general_ci"),
    table!("sjis", 2, "sjis_japanese_ci"),
    table!("swe7", 1, "swe7_swedish_ci"),
    table!("tis620", 1, "tis620_thai_ci"),
    table!("ujis", 3, "ujis_japanese_ci"),
    // the name that older servers and dumps have
    entry("utf8", 3, "utf8mb3_general_ci", Form::Utf8Mb3),
];

impl Charset {
    /// By its name. `None`: its text is not carried.
    pub fn named(name: &str) -> Option<Charset> {
        ALL.iter().position(|e| e.name == name).map(Charset)
    }

    /// That of a collation: `latin1` of `latin1_swedish_ci`. `None` also for `binary`, whose text is bytes.
    pub fn of_collation(collation: &str) -> Option<Charset> {
        Self::named(collation.split('_').next().unwrap_or(collation))
    }

    /// Every charset that is carried.
    pub fn all() -> impl Iterator<Item = Charset> {
        (0..ALL.len()).filter(|i| ALL[*i].name != "utf8").map(Charset)
    }

    pub fn name(self) -> &'static str {
        ALL[self.0].name
    }

    /// Bytes of its widest character.
    pub fn widest(self) -> u32 {
        ALL[self.0].widest
    }

    /// Bytes of its narrowest character.
    pub fn narrowest(self) -> u32 {
        match ALL[self.0].form {
            Form::Ucs2 | Form::Utf16 | Form::Utf16Le => 2,
            Form::Utf32 => 4,
            _ => 1,
        }
    }

    /// The collation that it has when none is named, in MariaDB 10.11.
    pub fn default_collation(self) -> &'static str {
        ALL[self.0].collation
    }

    /// Whether its bytes are UTF-8 as they are.
    pub fn is_utf8(self) -> bool {
        matches!(ALL[self.0].form, Form::Ascii | Form::Utf8 | Form::Utf8Mb3)
    }

    /// Whether it holds every character of the other.
    pub fn holds(self, other: Charset) -> bool {
        use Form::*;
        self == other
            || match (ALL[self.0].form, ALL[other.0].form) {
                (Utf8 | Utf16 | Utf16Le | Utf32, _) => true,
                (Utf8Mb3 | Ucs2, form) => !matches!(form, Utf8 | Utf16 | Utf16Le | Utf32),
                _ => false,
            }
    }

    /// The text that these bytes stand for. `None`: they are not well-formed, or have no counterpart in Unicode that
    /// leads back to them.
    pub fn decode(self, bytes: &[u8]) -> Option<Cow<'_, str>> {
        let utf8 = || std::str::from_utf8(bytes).ok().map(Cow::Borrowed);
        let units = |read: fn([u8; 2]) -> u16| {
            let (pairs, rest) = bytes.as_chunks::<2>();
            let units = pairs.iter().map(|p| read(*p));
            rest.is_empty().then(|| char::decode_utf16(units).collect::<Result<String, _>>().ok())?.map(Cow::Owned)
        };
        match ALL[self.0].form {
            Form::Utf8 => utf8(),
            Form::Ascii => utf8().filter(|t| t.is_ascii()),
            Form::Utf8Mb3 => utf8().filter(|t| t.chars().all(|c| c <= '\u{ffff}')),
            Form::Utf16 => units(u16::from_be_bytes),
            Form::Utf16Le => units(u16::from_le_bytes),
            Form::Ucs2 => units(u16::from_be_bytes).filter(|t| t.chars().all(|c| c <= '\u{ffff}')),
            Form::Utf32 => {
                let (points, rest) = bytes.as_chunks::<4>();
                let text = points.iter().map(|p| char::from_u32(u32::from_be_bytes(*p))).collect::<Option<String>>();
                text.filter(|_| rest.is_empty()).map(Cow::Owned)
            }
            Form::Table(source, long) => by_table(self.table(source), long, bytes).map(Cow::Owned),
        }
    }

    /// The bytes that stand for this text. `None`: it has characters that the charset lacks.
    pub fn encode(self, text: &str) -> Option<Cow<'_, [u8]>> {
        let as_is = || Some(Cow::Borrowed(text.as_bytes()));
        match ALL[self.0].form {
            Form::Utf8 => as_is(),
            Form::Ascii => as_is().filter(|_| text.is_ascii()),
            Form::Utf8Mb3 => as_is().filter(|_| text.chars().all(|c| c <= '\u{ffff}')),
            Form::Utf16 => Some(text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
            Form::Utf16Le => Some(text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
            Form::Ucs2 => {
                text.chars().map(|c| u16::try_from(u32::from(c)).ok()).collect::<Option<Vec<_>>>()?;
                Some(text.encode_utf16().flat_map(u16::to_be_bytes).collect())
            }
            Form::Utf32 => Some(text.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect()),
            Form::Table(source, _) => {
                let table = self.table(source);
                let mut bytes = Vec::with_capacity(text.len());
                for c in text.chars() {
                    let code = table.codes.get(&c)?.to_be_bytes();
                    let first = code.iter().position(|b| *b != 0).unwrap_or(3);
                    bytes.extend_from_slice(&code[first..]);
                }
                Some(Cow::Owned(bytes))
            }
        }
    }

    fn table(self, source: &str) -> &'static Table {
        ALL[self.0].table.get_or_init(|| {
            let mut table = Table::default();
            let mut written = HashMap::new();
            for line in source.lines() {
                let (code, chars) = line.split_once(' ').unwrap_or((line, ""));
                let first = u32::from_str_radix(code, 16).expect("tables.sh writes hexadecimal numbers");
                if chars.is_empty() {
                    written.insert(first, None);
                }
                written.extend((first..).zip(chars.chars().map(Some)));
            }
            for code in 0..128 {
                written.entry(code).or_insert_with(|| char::from_u32(code));
            }
            for (code, c) in written {
                if let Some(c) = c {
                    table.chars.insert(code, c);
                    table.codes.insert(c, code);
                }
            }
            table
        })
    }
}

/// One byte where that is a character, else two or three.
fn by_table(table: &Table, long: bool, bytes: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(first) = rest.first() {
        let (c, width) = match table.chars.get(&u32::from(*first)) {
            Some(c) => (c, 1),
            None => {
                let width = if long && *first == 0x8f { 3 } else { 2 };
                let code = rest.get(..width)?.iter().fold(0, |code, b| code << 8 | u32::from(*b));
                (table.chars.get(&code)?, width)
            }
        };
        text.push(*c);
        rest = rest.get(width..)?;
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn charset(name: &str) -> Charset {
        Charset::named(name).expect(name)
    }

    #[test]
    fn what_a_charset_holds_comes_back_as_the_same_bytes() {
        for charset in Charset::all() {
            for code in 0..=u16::MAX {
                for bytes in [&code.to_be_bytes()[..], &code.to_be_bytes()[1..], &[0x8f, code as u8, (code >> 8) as u8]]
                {
                    if let Some(text) = charset.decode(bytes) {
                        let back = charset.encode(&text);
                        assert_eq!(back.as_deref(), Some(bytes), "{} {bytes:x?} {text}", charset.name());
                    }
                }
            }
        }
    }

    #[test]
    fn text_of_some_charsets() {
        for (name, text, bytes) in [
            ("latin1", "é€\u{81}", &b"\xe9\x80\x81"[..]),
            ("gbk", "中a", b"\xd6\xd0a"),
            ("sjis", "表\\ｱ", b"\x95\x5c\x5c\xb1"),
            ("ujis", "あ丂", b"\xa4\xa2\x8f\xb0\xa1"),
            ("swe7", "ÅÄÖ", b"\x5d\x5b\x5c"),
            ("utf16", "a🦀", b"\0a\xd8\x3e\xdd\x80"),
            ("utf16le", "a", b"a\0"),
            ("utf32", "🦀", b"\0\x01\xf9\x80"),
        ] {
            assert_eq!(charset(name).decode(bytes).as_deref(), Some(text), "{name}");
            assert_eq!(charset(name).encode(text).as_deref(), Some(bytes), "{name}");
        }
        for (name, bytes) in [
            ("ascii", &b"\x80"[..]),
            ("utf8mb3", "🦀".as_bytes()),
            ("ucs2", b"\xd8\x3e\xdd\x80"),
            ("utf16", b"\xd8\x3e"),
            ("utf32", b"\0\0\0"),
            ("gbk", b"\xd6"),
            ("sjis", b"\x81\x5f"),
            ("swe7", b"\x7f"),
            ("hebrew", b"\xff"),
        ] {
            assert_eq!(charset(name).decode(bytes), None, "{name}");
        }
        assert_eq!(charset("latin1").encode("Ω"), None);
        assert_eq!(charset("ucs2").encode("🦀"), None);
        assert!(charset("utf8mb3").holds(charset("gbk")) && !charset("utf8mb3").holds(charset("utf16")));
    }
}
