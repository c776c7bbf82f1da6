//! UPPER and LOWER: character by character, as the version of Unicode has it that the collation goes by.

use super::one_byte::latin1;
use crate::error::Result;
use crate::query::meaning::error::unsupported;
use std::collections::HashMap;
use std::sync::OnceLock;

/// What the other case of a character is, where it is not the character itself; `None`: MySQL loses it.
#[derive(Debug, Clone, Default)]
struct Cases {
    upper: HashMap<char, Option<char>>,
    lower: HashMap<char, Option<char>>,
}

#[derive(Debug, Clone, Copy)]
enum By {
    General,
    Unicode520,
    Unicode900,
    Unicode1400,
    Latin1,
}

fn by(collation: &str) -> By {
    match collation {
        c if c.contains("_0900_") => By::Unicode900,
        c if c.contains("_uca1400_") => By::Unicode1400,
        c if c.contains("_unicode_520_") => By::Unicode520,
        c if c.starts_with("latin1_") => By::Latin1,
        _ => By::General,
    }
}

fn cases(by: By) -> &'static Cases {
    static CASES: OnceLock<[Cases; 5]> = OnceLock::new();
    &CASES.get_or_init(|| {
        let (general, latin1) = (general(), of_latin1());
        let v5 = changed(&general, "5");
        let v9 = changed(&v5, "9");
        let v14 = changed(&v9, "14");
        [general, v5, v9, v14, latin1]
    })[by as usize]
}

fn point(digits: &str) -> Option<char> {
    u32::from_str_radix(digits, 16).ok().and_then(char::from_u32)
}

impl Cases {
    fn set(&mut self, c: char, upper: Option<char>, lower: Option<char>) {
        for (cases, other) in [(&mut self.upper, upper), (&mut self.lower, lower)] {
            if other == Some(c) {
                cases.remove(&c)
            } else {
                cases.insert(c, other)
            };
        }
    }
}

/// The second and third column of general_ci.txt.
fn general() -> Cases {
    let mut cases = Cases::default();
    for line in include_str!("general_ci.txt").lines() {
        let mut chars = line.split(' ').map(point);
        if let (Some(Some(c)), Some(upper), Some(lower)) = (chars.next(), chars.next(), chars.next()) {
            cases.set(c, upper, lower);
        }
    }
    cases
}

/// What case.sh asked of servers: the changes of one version.
fn changed(before: &Cases, version: &str) -> Cases {
    let mut cases = before.clone();
    for line in include_str!("case.txt").lines() {
        let mut words = line.split(' ');
        if words.next() == Some(version)
            && let (Some(Some(c)), Some(upper), Some(lower)) =
                (words.next().map(point), words.next().map(point), words.next().map(point))
        {
            cases.set(c, upper, lower);
        }
    }
    cases
}

fn of_latin1() -> Cases {
    let mut cases = Cases::default();
    let bytes = latin1();
    let char_of = |byte: u8| bytes.get(usize::from(byte)).map(|b| b.0);
    for (c, numbers) in bytes {
        if let [upper, lower, ..] = numbers[..] {
            cases.set(*c, char_of(upper), char_of(lower));
        }
    }
    cases
}

/// UPPER() of a text of this collation. Errors: `Unsupported` for characters with which MySQL loses the text's end.
pub(in crate::query) fn upper(collation: &str, text: &str) -> Result<String> {
    if text.is_ascii() { Ok(text.to_ascii_uppercase()) } else { mapped(&cases(by(collation)).upper, text, "UPPER") }
}

/// LOWER(), likewise.
pub(in crate::query) fn lower(collation: &str, text: &str) -> Result<String> {
    if text.is_ascii() { Ok(text.to_ascii_lowercase()) } else { mapped(&cases(by(collation)).lower, text, "LOWER") }
}

fn mapped(cases: &HashMap<char, Option<char>>, text: &str, function: &str) -> Result<String> {
    let other = |c: char| match cases.get(&c) {
        None => Ok(c),
        Some(Some(other)) => Ok(*other),
        Some(None) => Err(unsupported(format!("{function} of '{c}', with which MySQL loses the end of the text"))
            .hint("Add COLLATE utf8mb4_general_ci.")),
    };
    text.chars().map(other).collect()
}
