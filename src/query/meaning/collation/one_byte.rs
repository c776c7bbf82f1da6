//! Collations of character sets of one byte a character: latin1 (as the servers have it: Windows-1252) and ascii.

use std::collections::HashMap;
use std::sync::OnceLock;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::query) enum Order {
    Latin1Swedish,
    Latin1German1,
    Latin1Danish,
    Latin1Spanish,
    Latin1General,
    Latin1GeneralCs,
    Latin1Bin,
    AsciiGeneral,
    AsciiBin,
}

/// The weights of the characters of a character set.
pub(super) struct Table {
    ascii: [u8; 128],
    more: HashMap<char, u8>,
}

impl Table {
    /// `None`: the character set has no such character.
    pub fn weight(&self, c: char) -> Option<u8> {
        if c.is_ascii() { Some(self.ascii[c as usize]) } else { self.more.get(&c).copied() }
    }
}

/// What latin1.sh asked of a server: of each byte its character, and as bytes upper case, lower case and the weights.
pub(super) fn latin1() -> &'static [(char, Vec<u8>)] {
    static BYTES: OnceLock<Vec<(char, Vec<u8>)>> = OnceLock::new();
    BYTES.get_or_init(|| {
        let line = |line: &str| {
            let mut numbers = line.split(' ').map(|n| u32::from_str_radix(n, 16).expect("hexadecimal"));
            let c = numbers.next().and_then(char::from_u32).expect("a code point");
            (c, numbers.map(|n| n as u8).collect())
        };
        include_str!("latin1.txt").lines().map(line).collect()
    })
}

impl Order {
    pub fn charset(self) -> &'static str {
        match self {
            Order::AsciiGeneral | Order::AsciiBin => "ascii",
            _ => "latin1",
        }
    }

    pub(super) fn table(self) -> &'static Table {
        static TABLES: [OnceLock<Table>; 9] = [const { OnceLock::new() }; 9];
        TABLES[self as usize].get_or_init(|| {
            let column = match self {
                Order::Latin1Swedish => 2,
                Order::Latin1German1 => 3,
                Order::Latin1Danish => 4,
                Order::Latin1Spanish => 5,
                Order::Latin1General => 6,
                Order::Latin1GeneralCs => 7,
                // its upper case
                Order::AsciiGeneral => 0,
                Order::Latin1Bin | Order::AsciiBin => usize::MAX,
            };
            let weights = latin1().iter().enumerate();
            let weights = weights.map(|(byte, (c, numbers))| (*c, numbers.get(column).copied().unwrap_or(byte as u8)));
            let mut table = Table { ascii: [0; 128], more: HashMap::new() };
            for (c, weight) in weights {
                if c.is_ascii() {
                    table.ascii[c as usize] = weight;
                } else if self.charset() == "latin1" {
                    table.more.insert(c, weight);
                }
            }
            table
        })
    }
}
