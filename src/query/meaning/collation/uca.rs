//! Weights of the Unicode Collation Algorithm's default tables, as the servers have them (weights.py asked them).
//!
//! A character weighs a list of numbers on each of three levels: its letter, its accents, its case. Ignorable
//! characters have none. The tables name what is not computed: ideographs and unassigned code points have implicit
//! weights, two numbers made of a base and the code point; Hangul weighs in version 9 what its letters weigh. In
//! version 14 some characters weigh something else together (contractions): the longest that matches counts.
//!
//! Sources: strings/ctype-uca.{c,inl}, ctype-uca1400.h of MariaDB; strings/ctype-uca.cc of MySQL.

use std::collections::HashMap;
use std::sync::OnceLock;

/// The version of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::query) enum Version {
    /// 4.0.0: `…_unicode_ci`.
    V4,
    /// 5.2.0: `…_unicode_520_ci`.
    V5,
    /// 9.0.0: MySQL's `utf8mb4_0900_…`.
    V9,
    /// 14.0.0: MariaDB's `…_uca1400_…`.
    V14,
}

/// Which levels are compared: bit 0 the letters, 1 the accents, 2 the case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::query) struct Levels(u8);

pub(super) const AI_CI: Levels = Levels(0b001);
pub(super) const AS_CI: Levels = Levels(0b011);
pub(super) const AI_CS: Levels = Levels(0b101);
pub(super) const AS_CS: Levels = Levels(0b111);

impl Levels {
    pub fn each(self) -> impl Iterator<Item = usize> {
        (0..3).filter(move |level| self.0 >> level & 1 == 1)
    }
}

const LEVELS: usize = 3;
/// The levels of a character that names only the first.
const USUAL: [u16; LEVELS] = [0, 0x0020, 0x0002];
const UNASSIGNED: u16 = 0xFBC0;

/// One version's weights.
pub(super) struct Table {
    version: Version,
    /// For each run of 256 code points, where its entries begin in `entries`; 0: it has none.
    pages: Vec<u32>,
    /// For each code point of such a run, where its weights begin in `weights`; 0: they are implicit.
    entries: Vec<u32>,
    /// For each run, the levels on which the server has weights for it.
    paged: Vec<u8>,
    /// For each named character how many weights each level has, then these.
    weights: Vec<u16>,
    /// Ranges of implicit weights with a base of their own.
    bases: Vec<(u32, u32, u16)>,
    contractions: HashMap<Vec<char>, u32>,
    /// Which characters a contraction can begin with.
    heads: Vec<char>,
    ascii: [[u16; 128]; LEVELS],
}

impl Version {
    pub(super) fn table(self) -> &'static Table {
        static TABLES: [OnceLock<Table>; 4] = [const { OnceLock::new() }; 4];
        let text = match self {
            Version::V4 => include_str!("uca400.txt"),
            Version::V5 => include_str!("uca520.txt"),
            Version::V9 => include_str!("uca900.txt"),
            Version::V14 => include_str!("uca1400.txt"),
        };
        TABLES[self as usize].get_or_init(|| Table::parse(self, text))
    }
}

impl Table {
    /// The form is described in weights.py.
    fn parse(version: Version, text: &str) -> Table {
        let number = |s: &str| u32::from_str_radix(s, 16).expect("hexadecimal");
        let mut table = Table {
            version,
            pages: vec![0; 0x1100],
            entries: vec![0; 256],
            paged: vec![0; 0x1100],
            weights: vec![0],
            bases: Vec::new(),
            contractions: HashMap::new(),
            heads: Vec::new(),
            ascii: [[0; 128]; LEVELS],
        };
        for line in text.lines() {
            let (points, weights) = line.split_once(' ').expect("code points and weights");
            if points.contains('_') {
                let chars: Vec<char> = points.split('_').filter_map(|p| char::from_u32(number(p))).collect();
                assert!((2..=3).contains(&chars.len()) && !chars[1].is_ascii(), "what contraction() looks for");
                let at = table.hold(weights, 0);
                table.heads.push(chars[0]);
                table.contractions.insert(chars, at);
                continue;
            }
            let kind = points.find(['+', '=', '*']).unwrap_or(points.len());
            let first = number(&points[..kind]);
            let more = points.get(kind + 1..).map_or(0, number);
            match points[kind..].chars().next() {
                Some('*') => table.bases.push((first, first + more, number(weights) as u16)),
                Some('+') => (0..=more).for_each(|n| {
                    let at = table.hold(weights, n as u16);
                    table.name(first + n, at);
                }),
                _ => {
                    let at = table.hold(weights, 0);
                    (0..=more).for_each(|n| table.name(first + n, at));
                }
            }
        }
        table.heads.sort_unstable();
        table.heads.dedup();
        for c in 0..128u8 {
            for level in 0..LEVELS {
                let mut all = Vec::new();
                table.of_char(c.into(), level, &mut |w| all.push(w));
                assert!(all.len() < 2, "ASCII characters weigh one number at most");
                table.ascii[level][usize::from(c)] = all.first().copied().unwrap_or(0);
            }
        }
        table
    }

    /// Keeps weights as they are written, the last of the first level `more` greater.
    fn hold(&mut self, written: &str, more: u16) -> u32 {
        let mut levels: Vec<Vec<u16>> = written
            .split('.')
            .map(|level| {
                let digits = level.as_bytes().chunks(4).map(|d| std::str::from_utf8(d).expect("ASCII"));
                digits.map(|d| u16::from_str_radix(d, 16).expect("hexadecimal")).collect()
            })
            .collect();
        if let Some(last) = levels[0].last_mut() {
            *last += more;
        }
        let weights = levels[0].len();
        levels.extend(USUAL[levels.len()..].iter().map(|usual| vec![*usual; weights]));
        let at = self.weights.len() as u32;
        self.weights.extend(levels.iter().map(|l| l.len() as u16));
        levels.iter().for_each(|l| self.weights.extend(l));
        at
    }

    fn name(&mut self, point: u32, at: u32) {
        let page = &mut self.pages[(point >> 8) as usize];
        if *page == 0 {
            *page = self.entries.len() as u32;
            self.entries.resize(self.entries.len() + 256, 0);
        }
        self.entries[(*page + (point & 0xFF)) as usize] = at;
        // MariaDB has none on the upper levels for a run in which all characters weigh the usual (uca-dump.c)
        let has = |level| level == 0 || self.version != Version::V14 || self.held(at, level) != [USUAL[level]];
        let beyond = self.version == Version::V4 && point > 0xFFFF;
        let levels = (0..LEVELS).filter(|level| !beyond && has(*level)).fold(0, |all, level| all | 1 << level);
        self.paged[(point >> 8) as usize] |= levels;
    }

    fn held(&self, at: u32, level: usize) -> &[u16] {
        let at = at as usize;
        let lengths = &self.weights[at..at + LEVELS];
        let before: usize = lengths[..level].iter().map(|n| usize::from(*n)).sum();
        &self.weights[at + LEVELS + before..][..usize::from(lengths[level])]
    }

    fn of_char(&self, c: char, level: usize, give: &mut impl FnMut(u16)) {
        let point = u32::from(c);
        let page = self.pages[(point >> 8) as usize];
        let at = self.entries[(page + (point & 0xFF)) as usize];
        if at != 0 {
            return self.held(at, level).iter().for_each(|w| give(*w));
        }
        match (self.version, point) {
            (Version::V4, 0x1_0000..) => give(0xFFFD),
            // a syllable is a first letter, a vowel, and perhaps a last letter
            (Version::V9, 0xAC00..=0xD7A3) => {
                let n = point - 0xAC00;
                let letters = [0x1100 + n / 588, 0x1161 + n % 588 / 28, 0x11A7 + n % 28];
                for letter in &letters[..if n % 28 == 0 { 2 } else { 3 }] {
                    self.of_char(char::from_u32(*letter).expect("a letter of Hangul"), level, give);
                }
            }
            _ if level > 0 => give(USUAL[level]),
            _ => {
                let base = self.bases.iter().find(|(first, last, _)| (*first..=*last).contains(&point));
                give(base.map_or(UNASSIGNED, |b| b.2) + (point >> 15) as u16);
                give(point as u16 | 0x8000);
            }
        }
    }

    /// Gives a text's weights of a level, in order.
    pub fn each(&self, text: &str, level: usize, mut give: impl FnMut(u16)) {
        let ascii = &self.ascii[level];
        let mut rest = text.chars();
        loop {
            let whole = rest.as_str();
            let Some(c) = rest.next() else { return };
            if let Some(matched) = self.contraction(c, whole) {
                self.held(matched.1, level).iter().for_each(|w| give(*w));
                rest = whole[matched.0..].chars();
            } else if c.is_ascii() {
                let w = ascii[c as usize];
                if w != 0 {
                    give(w);
                }
            } else {
                self.of_char(c, level, &mut give);
            }
        }
    }

    /// The contraction that a text which begins with `c` begins with: its length in bytes, and its weights.
    fn contraction(&self, c: char, text: &str) -> Option<(usize, u32)> {
        if self.contractions.is_empty() || text.len() == 1 || text.as_bytes()[c.len_utf8()..].first()?.is_ascii() {
            return None;
        }
        self.heads.binary_search(&c).ok()?;
        let chars: Vec<char> = text.chars().take(3).collect();
        (2..=chars.len()).rev().find_map(|n| {
            let at = *self.contractions.get(&chars[..n])?;
            Some((chars[..n].iter().map(|c| c.len_utf8()).sum(), at))
        })
    }

    #[cfg(test)]
    pub fn contractions(&self) -> usize {
        self.contractions.len()
    }

    pub fn space(&self, level: usize) -> u16 {
        self.ascii[level][usize::from(b' ')]
    }

    /// Whether LIKE takes two characters for the same: by their weights, if the server's table has weights for their
    /// runs of 256 code points.
    pub fn alike(&self, levels: Levels, a: char, b: char) -> bool {
        let of = |c: char, level: usize| {
            let mut all = Vec::new();
            self.of_char(c, level, &mut |w| all.push(w));
            all
        };
        let paged = |c: char, level: usize| self.paged[(u32::from(c) >> 8) as usize] >> level & 1 == 1;
        a == b || levels.each().all(|level| paged(a, level) && paged(b, level) && of(a, level) == of(b, level))
    }
}
