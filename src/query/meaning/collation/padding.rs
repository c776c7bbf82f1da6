//! PAD SPACE: the shorter of two texts goes on with spaces for ever.
//!
//! So a key holds, for each run of k spaces and the weight after them, what makes the runs sort right against an end of
//! endless spaces: a weight below a space's sorts before the end (the sooner, the fewer spaces precede it), one above
//! it after the end (the later, the fewer).

/// Writes a key, weight by weight. A space must weigh at least 2, what is above it at least 3.
pub(super) struct Padding {
    space: u32,
    spaces: u32,
}

const BELOW: u8 = 0;
const END: u8 = 1;
const ABOVE: u8 = 2;

impl Padding {
    /// For texts in which a space weighs this.
    pub fn new(space: u32) -> Self {
        Self { space, spaces: 0 }
    }

    pub fn add(&mut self, key: &mut Vec<u8>, weight: u32) {
        if weight == self.space {
            self.spaces += 1;
            return;
        }
        if weight < self.space {
            key.push(BELOW);
            key.extend_from_slice(&self.spaces.to_be_bytes());
        } else if self.spaces > 0 {
            key.push(ABOVE);
            key.extend_from_slice(&(!self.spaces).to_be_bytes());
        }
        self.spaces = 0;
        put(key, weight);
    }

    pub fn end(self, key: &mut Vec<u8>) {
        key.push(END);
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
