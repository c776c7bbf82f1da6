//! When are two texts equal, and which comes first?
//!
//! A text becomes a *key*: bytes whose order is the order of the texts under their collation. Keys are what is
//! compared, grouped, joined and sorted by.
//!
//! `utf8mb4_general_ci` (and utf8mb3's) gives every code point one weight; `*_bin` takes the code point itself. Both
//! are PAD SPACE: the shorter text compares as if it went on with spaces for ever. So a key holds, for each run of
//! k spaces and the character after them, what makes the runs sort right against an end of endless spaces: a
//! character below space sorts before the end (the sooner, the fewer spaces precede it), one above it after the end.

use super::error::unsupported;
use super::types::{Collation, Derivation};
use crate::error::Result;
use std::sync::OnceLock;

/// How a collation compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::query) enum Rule {
    /// Bytes, without padding.
    Bytes,
    /// Code points, padded with spaces.
    CodePoints,
    /// Weights of general_ci, padded with spaces.
    GeneralCi,
    /// As these, unpadded.
    CodePointsNoPad,
    GeneralCiNoPad,
}

/// The rule of a collation. Errors: `Unsupported` naming the collation.
pub(in crate::query) fn rule(collation: &Collation) -> Result<Rule> {
    if collation.derivation == Derivation::Nothing {
        return Err(unsupported(format!("comparing texts of collations {}", collation.name))
            .hint("Add COLLATE utf8mb4_bin to one of them."));
    }
    match collation.name.as_str() {
        "binary" => Ok(Rule::Bytes),
        "utf8mb4_bin" | "utf8mb3_bin" | "utf8_bin" | "ascii_bin" => Ok(Rule::CodePoints),
        "utf8mb4_general_ci" | "utf8mb3_general_ci" | "utf8_general_ci" | "ascii_general_ci" => Ok(Rule::GeneralCi),
        "utf8mb4_nopad_bin" | "utf8mb3_nopad_bin" => Ok(Rule::CodePointsNoPad),
        "utf8mb4_general_nopad_ci" | "utf8mb3_general_nopad_ci" => Ok(Rule::GeneralCiNoPad),
        other => Err(unsupported(format!("comparing, grouping and sorting by collation {other}"))
            .hint("Write `text COLLATE utf8mb4_bin` (or utf8mb4_general_ci, or `BINARY text`) there instead.")),
    }
}

struct Tables {
    upper: Vec<u16>,
    lower: Vec<u16>,
    weight: Vec<u16>,
}

/// What general_ci.sh asked of a server.
fn tables() -> &'static Tables {
    static TABLES: OnceLock<Tables> = OnceLock::new();
    TABLES.get_or_init(|| {
        let same: Vec<u16> = (0..=u16::MAX).collect();
        let mut tables = Tables { upper: same.clone(), lower: same.clone(), weight: same };
        for line in include_str!("general_ci.txt").lines() {
            let mut numbers = line.split(' ').map(|n| u16::from_str_radix(n, 16).expect("hexadecimal"));
            let mut next = || numbers.next().expect("four numbers in a line");
            let point = usize::from(next());
            (tables.upper[point], tables.lower[point], tables.weight[point]) = (next(), next(), next());
        }
        tables
    })
}

fn mapped(table: &[u16], c: char) -> char {
    u16::try_from(u32::from(c)).ok().and_then(|p| char::from_u32(table[usize::from(p)].into())).unwrap_or(c)
}

/// UPPER() and LOWER().
pub(in crate::query) fn upper(text: &str) -> String {
    text.chars().map(|c| mapped(&tables().upper, c)).collect()
}

pub(in crate::query) fn lower(text: &str) -> String {
    text.chars().map(|c| mapped(&tables().lower, c)).collect()
}

impl Rule {
    /// What a character weighs; equal weights are equal characters.
    pub fn weight(self, c: char) -> u32 {
        match self {
            Rule::Bytes | Rule::CodePoints | Rule::CodePointsNoPad => c.into(),
            Rule::GeneralCi | Rule::GeneralCiNoPad => {
                u16::try_from(u32::from(c)).map_or(0xFFFD, |p| tables().weight[usize::from(p)].into())
            }
        }
    }

    /// The key of a text: equal for equal texts, and in the texts' order.
    pub fn key(self, text: &str) -> Vec<u8> {
        let mut key = Vec::with_capacity(text.len() + 1);
        match self {
            Rule::Bytes => key.extend_from_slice(text.as_bytes()),
            Rule::CodePointsNoPad | Rule::GeneralCiNoPad => {
                text.chars().for_each(|c| key.extend_from_slice(&self.weight(c).to_be_bytes()));
            }
            Rule::CodePoints | Rule::GeneralCi => {
                let mut spaces = 0u32;
                for c in text.chars() {
                    let weight = self.weight(c);
                    match weight {
                        0x20 => spaces += 1,
                        0..0x20 => {
                            key.push(0);
                            key.extend_from_slice(&spaces.to_be_bytes());
                            key.push(weight as u8);
                            spaces = 0;
                        }
                        _ => {
                            if spaces > 0 {
                                key.push(2);
                                key.extend_from_slice(&(!spaces).to_be_bytes());
                                spaces = 0;
                            }
                            put(&mut key, weight);
                        }
                    }
                }
                key.push(1);
            }
        }
        key
    }
}

/// UTF-8's scheme, whose byte order is the number's order, for any number up to 21 bits.
fn put(key: &mut Vec<u8>, n: u32) {
    let low = |shift: u32| 0x80 | (n >> shift & 0x3F) as u8;
    match n {
        0..0x80 => key.push(n as u8),
        0x80..0x800 => key.extend([0xC0 | (n >> 6) as u8, low(0)]),
        0x800..0x1_0000 => key.extend([0xE0 | (n >> 12) as u8, low(6), low(0)]),
        _ => key.extend([0xF0 | (n >> 18) as u8, low(12), low(6), low(0)]),
    }
}

/// LIKE. `%` any run, `_` any character; after `escape` a character stands for itself. Trailing spaces count.
pub(in crate::query) fn like(rule: Rule, text: &str, pattern: &str, escape: Option<char>) -> bool {
    enum Part {
        Any,
        One,
        Weight(u32),
    }
    let mut parts = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        parts.push(match c {
            c if Some(c) == escape => Part::Weight(rule.weight(chars.next().unwrap_or(c))),
            '%' => Part::Any,
            '_' => Part::One,
            c => Part::Weight(rule.weight(c)),
        });
    }
    let text: Vec<u32> = text.chars().map(|c| rule.weight(c)).collect();
    // greedy with one point to go back to: the last %
    let (mut t, mut p, mut back) = (0, 0, None);
    while t < text.len() {
        match parts.get(p) {
            Some(Part::Any) => {
                back = Some((t, p));
                p += 1;
            }
            Some(Part::One) => (t, p) = (t + 1, p + 1),
            Some(Part::Weight(w)) if *w == text[t] => (t, p) = (t + 1, p + 1),
            _ => match back {
                Some((from, any)) => {
                    back = Some((from + 1, any));
                    (t, p) = (from + 1, any + 1);
                }
                None => return false,
            },
        }
    }
    parts[p..].iter().all(|part| matches!(part, Part::Any))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_padded_texts() {
        let sorted = ["a  \t", "a\t", "a", "a b", "a!", "b"];
        // "a" then endless spaces: below "a!" and "a b", above what goes on with a tab
        for rule in [Rule::CodePoints, Rule::GeneralCi] {
            let key = |s: &str| rule.key(s);
            assert!(key("a\t") < key("a"));
            assert!(key("a\t") < key("a  \t") && key("a  \t") < key("a"));
            assert!(key("a") < key("a  b") && key("a  b") < key("a b") && key("a b") < key("a!"));
            assert_eq!(key("a"), key("a   "));
            let mut again = sorted;
            again.sort_by_key(|s| key(s));
            assert_eq!(again.last(), Some(&"b"));
        }
    }

    #[test]
    fn general_ci_takes_case_and_accents_for_equal() {
        let key = |s: &str| Rule::GeneralCi.key(s);
        assert_eq!(key("éA"), key("Ea"));
        assert_eq!(key("ß"), key("s"));
        assert_eq!(key("😀"), key("🙂"));
        assert_ne!(Rule::CodePoints.key("é"), Rule::CodePoints.key("e"));
    }

    #[test]
    fn like_goes_back_to_the_last_percent() {
        for (text, pattern, is) in [
            ("abcabd", "%abd", true),
            ("abc", "a_c", true),
            ("abc", "a_", false),
            ("a%", "a\\%", true),
            ("", "%", true),
        ] {
            assert_eq!(like(Rule::GeneralCi, text, pattern, Some('\\')), is, "{text} LIKE {pattern}");
        }
    }
}
