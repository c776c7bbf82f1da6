//! When are two texts equal, and which comes first?
//!
//! A text becomes a *key*: bytes whose order is the order of the texts under their collation. Keys are what is
//! compared, grouped, joined and sorted by. Every character weighs one number or several, or none (`uca`,
//! `one_byte`); a key is these weights, one level after the other.
//!
//! Under PAD SPACE the shorter text compares as if it went on with spaces for ever (`padding`); under NO PAD a text
//! sorts before what begins with it. LIKE knows neither: it takes one character after the other (`like`).

mod case;
mod like;
mod one_byte;
mod padding;
mod uca;

use super::error::unsupported;
use super::types::{Collation, Derivation};
use crate::error::{Error, Kind, Result};
use padding::Padding;
use std::sync::OnceLock;

pub(in crate::query) use case::{lower, upper};
pub(in crate::query) use like::{like, locate};

/// What a character weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::query) enum Weights {
    /// Its code point.
    CodePoint,
    /// A weight that its case and most accents do not change; everything above U+FFFF weighs the same.
    GeneralCi,
    /// What this version of the Unicode Collation Algorithm's default table says.
    Uca(uca::Version, uca::Levels),
    /// A byte's weight in a character set of one byte a character.
    OneByte(one_byte::Order),
}

/// How a collation compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::query) enum Rule {
    /// Bytes, without padding.
    Bytes,
    Padded(Weights),
    Unpadded(Weights),
}

use Rule::{Padded, Unpadded};
use Weights::{CodePoint, GeneralCi, OneByte, Uca};
use one_byte::Order;
use uca::{AI_CI, AI_CS, AS_CI, AS_CS, Version};

/// The collations that are carried. The first with a rule is the one that stands for it.
const CARRIED: &[(&str, Rule)] = &[
    ("binary", Rule::Bytes),
    ("utf8mb4_bin", Padded(CodePoint)),
    ("utf8mb3_bin", Padded(CodePoint)),
    ("utf8_bin", Padded(CodePoint)),
    ("utf8mb4_nopad_bin", Unpadded(CodePoint)),
    ("utf8mb3_nopad_bin", Unpadded(CodePoint)),
    ("utf8mb4_0900_bin", Unpadded(CodePoint)),
    ("utf8mb4_general_ci", Padded(GeneralCi)),
    ("utf8mb3_general_ci", Padded(GeneralCi)),
    ("utf8_general_ci", Padded(GeneralCi)),
    ("utf8mb4_general_nopad_ci", Unpadded(GeneralCi)),
    ("utf8mb3_general_nopad_ci", Unpadded(GeneralCi)),
    ("utf8mb4_unicode_ci", Padded(Uca(Version::V4, AI_CI))),
    ("utf8mb3_unicode_ci", Padded(Uca(Version::V4, AI_CI))),
    ("utf8_unicode_ci", Padded(Uca(Version::V4, AI_CI))),
    ("utf8mb4_unicode_nopad_ci", Unpadded(Uca(Version::V4, AI_CI))),
    ("utf8mb3_unicode_nopad_ci", Unpadded(Uca(Version::V4, AI_CI))),
    ("utf8mb4_unicode_520_ci", Padded(Uca(Version::V5, AI_CI))),
    ("utf8mb3_unicode_520_ci", Padded(Uca(Version::V5, AI_CI))),
    ("utf8_unicode_520_ci", Padded(Uca(Version::V5, AI_CI))),
    ("utf8mb4_unicode_520_nopad_ci", Unpadded(Uca(Version::V5, AI_CI))),
    ("utf8mb3_unicode_520_nopad_ci", Unpadded(Uca(Version::V5, AI_CI))),
    ("utf8mb4_0900_ai_ci", Unpadded(Uca(Version::V9, AI_CI))),
    ("utf8mb4_0900_as_ci", Unpadded(Uca(Version::V9, AS_CI))),
    ("utf8mb4_0900_as_cs", Unpadded(Uca(Version::V9, AS_CS))),
    ("utf8mb4_uca1400_ai_ci", Padded(Uca(Version::V14, AI_CI))),
    ("utf8mb4_uca1400_ai_cs", Padded(Uca(Version::V14, AI_CS))),
    ("utf8mb4_uca1400_as_ci", Padded(Uca(Version::V14, AS_CI))),
    ("utf8mb4_uca1400_as_cs", Padded(Uca(Version::V14, AS_CS))),
    ("utf8mb4_uca1400_nopad_ai_ci", Unpadded(Uca(Version::V14, AI_CI))),
    ("utf8mb4_uca1400_nopad_ai_cs", Unpadded(Uca(Version::V14, AI_CS))),
    ("utf8mb4_uca1400_nopad_as_ci", Unpadded(Uca(Version::V14, AS_CI))),
    ("utf8mb4_uca1400_nopad_as_cs", Unpadded(Uca(Version::V14, AS_CS))),
    ("utf8mb3_uca1400_ai_ci", Padded(Uca(Version::V14, AI_CI))),
    ("utf8mb3_uca1400_ai_cs", Padded(Uca(Version::V14, AI_CS))),
    ("utf8mb3_uca1400_as_ci", Padded(Uca(Version::V14, AS_CI))),
    ("utf8mb3_uca1400_as_cs", Padded(Uca(Version::V14, AS_CS))),
    ("utf8mb3_uca1400_nopad_ai_ci", Unpadded(Uca(Version::V14, AI_CI))),
    ("utf8mb3_uca1400_nopad_ai_cs", Unpadded(Uca(Version::V14, AI_CS))),
    ("utf8mb3_uca1400_nopad_as_ci", Unpadded(Uca(Version::V14, AS_CI))),
    ("utf8mb3_uca1400_nopad_as_cs", Unpadded(Uca(Version::V14, AS_CS))),
    ("latin1_swedish_ci", Padded(OneByte(Order::Latin1Swedish))),
    ("latin1_swedish_nopad_ci", Unpadded(OneByte(Order::Latin1Swedish))),
    ("latin1_general_ci", Padded(OneByte(Order::Latin1General))),
    ("latin1_general_cs", Padded(OneByte(Order::Latin1GeneralCs))),
    ("latin1_german1_ci", Padded(OneByte(Order::Latin1German1))),
    ("latin1_danish_ci", Padded(OneByte(Order::Latin1Danish))),
    ("latin1_spanish_ci", Padded(OneByte(Order::Latin1Spanish))),
    ("latin1_bin", Padded(OneByte(Order::Latin1Bin))),
    ("latin1_nopad_bin", Unpadded(OneByte(Order::Latin1Bin))),
    ("ascii_general_ci", Padded(OneByte(Order::AsciiGeneral))),
    ("ascii_general_nopad_ci", Unpadded(OneByte(Order::AsciiGeneral))),
    ("ascii_bin", Padded(OneByte(Order::AsciiBin))),
    ("ascii_nopad_bin", Unpadded(OneByte(Order::AsciiBin))),
];

/// The rule of a collation. Errors: `Unsupported` naming the collation.
pub(in crate::query) fn rule(collation: &Collation) -> Result<Rule> {
    if collation.derivation == Derivation::Nothing {
        return Err(unsupported(format!("comparing texts of collations {}", collation.name))
            .hint("Add COLLATE utf8mb4_bin to one of them."));
    }
    CARRIED.iter().find(|(name, _)| *name == collation.name).map(|(_, rule)| *rule).ok_or_else(|| {
        unsupported(format!("comparing, grouping and sorting by collation {}", collation.name))
            .hint("Write `text COLLATE utf8mb4_bin` (or utf8mb4_0900_ai_ci, or `BINARY text`) there instead.")
    })
}

/// The key that texts are compared by under a collation, as the tests compare it with servers' orders.
/// Errors: `Unsupported` naming the collation; `BadValue` for a character that its character set has not.
pub fn sort_key(collation: &str, text: &str) -> Result<Vec<u8>> {
    rule(&Collation { name: collation.into(), derivation: Derivation::Explicit })?.key(text)
}

/// LIKE under a collation, with `\` as escape; for the tests as [`sort_key`].
pub fn is_like(collation: &str, text: &str, pattern: &str) -> Result<bool> {
    like(rule(&Collation { name: collation.into(), derivation: Derivation::Explicit })?, text, pattern, Some('\\'))
}

struct General {
    weight: Vec<u16>,
}

/// What general_ci.sh asked of a server.
fn general() -> &'static General {
    static TABLE: OnceLock<General> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut weight: Vec<u16> = (0..=u16::MAX).collect();
        for line in include_str!("general_ci.txt").lines() {
            let numbers: Vec<u16> = line.split(' ').map(|n| u16::from_str_radix(n, 16).expect("hexadecimal")).collect();
            if let [point, _, _, w] = numbers[..] {
                weight[usize::from(point)] = w;
            }
        }
        General { weight }
    })
}

impl General {
    fn weight(&self, c: char) -> u32 {
        u16::try_from(u32::from(c)).map_or(0xFFFD, |p| self.weight[usize::from(p)].into())
    }
}

impl Weights {
    fn levels(self) -> uca::Levels {
        if let Uca(_, levels) = self { levels } else { AI_CI }
    }

    /// Gives a text's weights of a level, in order. Errors: `BadValue` for a character that the character set has not.
    fn each(self, text: &str, level: usize, mut give: impl FnMut(u32)) -> Result<()> {
        match self {
            CodePoint => text.chars().for_each(|c| give(c.into())),
            GeneralCi => {
                let table = general();
                text.chars().for_each(|c| give(table.weight(c)));
            }
            Uca(version, _) => version.table().each(text, level, |w| give(w.into())),
            OneByte(order) => {
                let table = order.table();
                for c in text.chars() {
                    give(table.weight(c).ok_or_else(|| foreign(order, c))?.into());
                }
            }
        }
        Ok(())
    }

    fn padded(self, text: &str, level: usize, key: &mut Vec<u8>) -> Result<()> {
        let mut padding = Padding::new(self.space(level));
        self.each(text, level, |w| padding.add(key, w))?;
        padding.end(key);
        Ok(())
    }

    /// Nothing weighs 0, so that 0 ends a level.
    fn unpadded(self, text: &str, level: usize, key: &mut Vec<u8>) -> Result<()> {
        self.each(text, level, |w| key.extend_from_slice(&(w as u16).to_be_bytes()))?;
        if self.levels() != AI_CI {
            key.extend_from_slice(&[0, 0]);
        }
        Ok(())
    }

    /// What a space weighs.
    fn space(self, level: usize) -> u32 {
        match self {
            Uca(version, _) => version.table().space(level).into(),
            OneByte(order) => order.table().weight(' ').unwrap_or(0x20).into(),
            CodePoint | GeneralCi => 0x20,
        }
    }
}

/// As a server says it of a literal that cannot be converted.
fn foreign(order: Order, c: char) -> Error {
    Error::new(
        Kind::BadValue,
        format!("Illegal mix of collations: character set {} has no '{}'", order.charset(), c.escape_debug()),
    )
    .hint("CONVERT(… USING utf8mb4) the text of the narrower character set.")
}

impl Rule {
    /// The name of a collation with this rule.
    pub fn name(self) -> &'static str {
        CARRIED.iter().find(|(_, rule)| *rule == self).map_or("binary", |(name, _)| *name)
    }

    /// The key of a text: equal for equal texts, and in the texts' order.
    /// Errors: `BadValue` for a character that the collation's character set has not.
    pub fn key(self, text: &str) -> Result<Vec<u8>> {
        let mut key = Vec::with_capacity(2 * text.len() + 1);
        match self {
            // the order of UTF-8 is that of the code points
            Rule::Bytes | Unpadded(CodePoint) => key.extend_from_slice(text.as_bytes()),
            Padded(weights) => {
                for level in weights.levels().each() {
                    weights.padded(text, level, &mut key)?;
                }
            }
            // MariaDB pads the upper levels also then
            Unpadded(weights @ Uca(Version::V14, levels)) => {
                for level in levels.each() {
                    if level == 0 {
                        weights.unpadded(text, level, &mut key)
                    } else {
                        weights.padded(text, level, &mut key)
                    }?;
                }
            }
            Unpadded(_) => return self.exact(text),
        }
        Ok(key)
    }

    /// The key of a text with no level padded: what LOCATE compares parts by.
    fn exact(self, text: &str) -> Result<Vec<u8>> {
        let mut key = Vec::with_capacity(2 * text.len() + 2);
        match self {
            Rule::Bytes | Padded(CodePoint) | Unpadded(CodePoint) => key.extend_from_slice(text.as_bytes()),
            Padded(weights) | Unpadded(weights) => {
                for level in weights.levels().each() {
                    weights.unpadded(text, level, &mut key)?;
                }
            }
        }
        Ok(key)
    }
}

#[cfg(test)]
mod tests;
