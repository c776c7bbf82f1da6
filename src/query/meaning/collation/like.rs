//! LIKE and LOCATE: texts compared in parts.

use super::{Rule, Weights, general};
use crate::error::Result;
use crate::query::meaning::error::unsupported;

/// A character as LIKE sees it.
impl Rule {
    fn alike(self, a: char, b: char) -> bool {
        a == b
            || match self {
                Rule::Bytes => false,
                Rule::Padded(weights) | Rule::Unpadded(weights) => match weights {
                    Weights::CodePoint => false,
                    Weights::GeneralCi => general().weight(a) == general().weight(b),
                    Weights::Uca(version, levels) => version.table().alike(levels, a, b),
                    Weights::OneByte(order) => order.table().weight(a) == order.table().weight(b),
                },
            }
    }

    /// Errors: `BadValue` for a character that the collation's character set has not.
    fn check(self, text: &str) -> Result<()> {
        match self {
            Rule::Padded(w @ Weights::OneByte(_)) | Rule::Unpadded(w @ Weights::OneByte(_)) => w.each(text, 0, |_| ()),
            _ => Ok(()),
        }
    }
}

/// LIKE. `%` any run, `_` any character; after `escape` a character stands for itself. Trailing spaces count.
pub(in crate::query) fn like(rule: Rule, text: &str, pattern: &str, escape: Option<char>) -> Result<bool> {
    enum Part {
        Any,
        One,
        Is(char),
    }
    rule.check(text)?;
    rule.check(pattern)?;
    let mut parts = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        parts.push(match c {
            c if Some(c) == escape => Part::Is(chars.next().unwrap_or(c)),
            '%' => Part::Any,
            '_' => Part::One,
            c => Part::Is(c),
        });
    }
    let text: Vec<char> = text.chars().collect();
    // greedy with one point to go back to: the last %
    let (mut t, mut p, mut back) = (0, 0, None);
    while t < text.len() {
        match parts.get(p) {
            Some(Part::Any) => {
                back = Some((t, p));
                p += 1;
            }
            Some(Part::One) => (t, p) = (t + 1, p + 1),
            Some(Part::Is(c)) if rule.alike(*c, text[t]) => (t, p) = (t + 1, p + 1),
            _ => match back {
                Some((from, any)) => {
                    back = Some((from + 1, any));
                    (t, p) = (from + 1, any + 1);
                }
                None => return Ok(false),
            },
        }
    }
    Ok(parts[p..].iter().all(|part| matches!(part, Part::Any)))
}

/// Where `needle` begins in `hay`, in characters from 0, at or after character `from`.
///
/// MariaDB compares with as many bytes as `needle` has, MySQL with any number of characters. What they do not agree on
/// is refused.
pub(in crate::query) fn locate(rule: Rule, hay: &str, needle: &str, from: usize) -> Result<Option<usize>> {
    let key = rule.exact(needle)?;
    let starts: Vec<usize> = hay.char_indices().map(|(at, _)| at).chain([hay.len()]).collect();
    let bytes = match rule {
        Rule::Padded(Weights::OneByte(_)) | Rule::Unpadded(Weights::OneByte(_)) => None,
        _ => Some(needle.len()),
    };
    let count = needle.chars().count();
    let mut any_length = None;
    for (i, start) in starts.iter().enumerate().skip(from) {
        let end = match bytes {
            Some(n) => Some(start + n).filter(|end| hay.is_char_boundary(*end)),
            None => starts.get(i + count).copied(),
        };
        let same = match end {
            Some(end) => rule.exact(&hay[*start..end])? == key,
            None => false,
        };
        if same {
            return match any_length {
                None => Ok(Some(i)),
                Some(_) => Err(apart(needle)),
            };
        }
        if any_length.is_none() && rule.begins(&hay[*start..], &key)? {
            any_length = Some(i);
        }
    }
    if any_length.is_some() { Err(apart(needle)) } else { Ok(None) }
}

fn apart(needle: &str) -> crate::error::Error {
    unsupported(format!("finding '{}' by this collation where it is written differently", needle.escape_debug()))
        .hint("Add COLLATE utf8mb4_bin, or use LIKE.")
}

impl Rule {
    /// Whether some beginning of the text, not an empty one, has this key.
    fn begins(self, text: &str, key: &[u8]) -> Result<bool> {
        match self {
            Rule::Bytes | Rule::Padded(Weights::CodePoint) | Rule::Unpadded(Weights::CodePoint) => Ok(false),
            _ => {
                for (at, c) in text.char_indices() {
                    let part = self.exact(&text[..at + c.len_utf8()])?;
                    if part == key {
                        return Ok(true);
                    }
                    if part.len() > key.len() + 64 {
                        break;
                    }
                }
                Ok(false)
            }
        }
    }
}
