//! Where does a MariaDB server's log stand? The one spelling of a bookmark.

use crate::error::{Error, Result};
use crate::model::Bookmark;
use std::cmp::Ordering;
use std::fmt;

/// A place between two transactions of the binary log. As a bookmark: `binlog.000042:1234 0-1-77,1-1-5`; the second
/// part, the state of each GTID domain after everything before the place, is `-` when it is not known or empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    pub file: String,
    /// In bytes from the file's beginning: where the next event begins.
    pub offset: u64,
    /// `0-1-77,1-1-5`, or empty.
    pub gtids: String,
}

impl Position {
    pub fn bookmark(&self) -> Bookmark {
        Bookmark(self.to_string())
    }

    /// Errors: `Corrupt` when this is no bookmark of a MariaDB log.
    pub fn parse(bookmark: &Bookmark) -> Result<Self> {
        let text = parts(bookmark).place;
        let bad = || Error::corrupt(format!("bookmark '{}'", bookmark.0), "it is not of the form FILE:OFFSET GTIDS");
        // what MariaDB's newest transaction was (`log::Last`) may stand behind it
        let whole = text.rsplit_once(' ').filter(|(_, tail)| tail.contains('@')).map_or(text, |s| s.0);
        let (place, gtids) = whole.rsplit_once(' ').ok_or_else(bad)?;
        let (file, offset) = place.rsplit_once(':').ok_or_else(bad)?;
        let gtids = if gtids == "-" { "" } else { gtids };
        Ok(Self { file: file.to_string(), offset: offset.parse().map_err(|_| bad())?, gtids: gtids.to_string() })
    }

    /// Whether this place comes before, at or after the other, in one server's log. File names are compared by the
    /// number at their end (it grows beyond six digits). `None`: they belong to different series of files.
    pub fn order(&self, other: &Position) -> Option<Ordering> {
        let ((base, number), (other_base, other_number)) = (series(&self.file)?, series(&other.file)?);
        (base == other_base).then(|| number.cmp(&other_number).then(self.offset.cmp(&other.offset)))
    }
}

/// What a bookmark consists of: `place gtids last ^prepared !seconds`, of which all from `last` on may be missing.
pub struct Parts<'a> {
    /// Place, GTIDs and MariaDB's newest transaction (`log::Last`).
    pub place: &'a str,
    /// Where transactions stand that are prepared (`log::Prepared`).
    pub prepared: Option<&'a str>,
    /// Statements that began in that second or later found all rows that were written without foreign key checks before
    /// the place (`log::unchecked`).
    pub found_from: Option<u32>,
}

pub fn parts(bookmark: &Bookmark) -> Parts<'_> {
    let found = bookmark.0.rsplit_once(" !").and_then(|(text, tail)| Some((text, tail.parse().ok()?)));
    let (text, found_from) = found.map_or((bookmark.0.as_str(), None), |(text, seconds)| (text, Some(seconds)));
    let (place, prepared) = text.rsplit_once(" ^").map_or((text, None), |(place, prepared)| (place, Some(prepared)));
    Parts { place, prepared, found_from }
}

/// The bookmark with its other parts.
pub fn with_rest(bookmark: Bookmark, prepared: Option<String>, found_from: Option<u32>) -> Bookmark {
    let prepared = prepared.map(|p| format!(" ^{p}")).unwrap_or_default();
    let found = found_from.map(|s| format!(" !{s}")).unwrap_or_default();
    Bookmark(bookmark.0 + &prepared + &found)
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gtids = if self.gtids.is_empty() { "-" } else { &self.gtids };
        write!(f, "{}:{} {gtids}", self.file, self.offset)
    }
}

/// `binlog.000042` is number 42 of the series `binlog`.
fn series(file: &str) -> Option<(&str, u64)> {
    let (base, number) = file.rsplit_once('.')?;
    Some((base, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bookmark_is_read_back_and_places_are_ordered() {
        let parse = |s: &str| Position::parse(&Bookmark(s.into()));
        let a = parse("my log.a.999999:4 0-1-77,1-1-5").expect("a bookmark");
        assert_eq!((a.file.as_str(), a.offset, a.gtids.as_str()), ("my log.a.999999", 4, "0-1-77,1-1-5"));
        assert_eq!(a.bookmark().0, "my log.a.999999:4 0-1-77,1-1-5");
        let b = parse("my log.a.1000000:4 -").expect("a bookmark");
        assert_eq!(b.bookmark().0, "my log.a.1000000:4 -");
        assert_eq!(a.order(&b), Some(Ordering::Less));
        assert_eq!(b.order(&b.clone()), Some(Ordering::Equal));
        for (prepared, seconds) in
            [(None, None), (None, Some(17)), (Some("my log.a.000001:4"), None), (Some("x:1"), Some(5))]
        {
            let whole = with_rest(a.bookmark(), prepared.map(str::to_string), seconds);
            assert_eq!(Position::parse(&whole).expect("a bookmark"), a, "{whole:?}");
            let parts = parts(&whole);
            assert_eq!((parts.prepared, parts.found_from), (prepared, seconds), "{whole:?}");
        }
        assert_eq!(a.order(&parse("other.000001:4 -").expect("a bookmark")), None);
        for bad in ["", "binlog.000001", "binlog.000001:4", "binlog.000001:x 0-1-1"] {
            parse(bad).expect_err(bad);
        }
    }
}
