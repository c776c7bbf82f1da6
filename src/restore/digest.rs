//! Are two sets of rows equal? A digest that does not depend on the order in which they come.
//!
//! Each row becomes bytes (per value a tag, and for values of varying length the length, so that no two rows share
//! them), the bytes a SHA-256, and the digest is the sum of these as four 64-bit numbers, each modulo 2^64, with the
//! number of rows. Equal rows add up, so multisets are told apart too. It guards against faults, not against forgers.
//! A sum of CRC-32s per column beside it says, for people, which columns differ.

use super::json::canonical;
use crate::model::Value;
use sha2::{Digest as _, Sha256};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Digest {
    pub rows: u64,
    sum: [u64; 4],
    columns: Vec<u64>,
    bytes: Vec<u8>,
    /// Positions of columns whose texts count as the JSON that they are.
    json: Vec<usize>,
}

impl Digest {
    /// One that takes texts that are equal as JSON for equal, at these positions.
    pub fn with_json(json: Vec<usize>) -> Self {
        Self { json, ..Self::default() }
    }

    /// Adds a row.
    pub fn add(&mut self, row: &[Value]) {
        self.bytes.clear();
        self.columns.resize(row.len(), 0);
        for (n, (value, column)) in row.iter().zip(&mut self.columns).enumerate() {
            let start = self.bytes.len();
            match value {
                Value::Text(text) if self.json.contains(&n) => {
                    encode(&Value::Text(canonical(text)), &mut self.bytes);
                }
                _ => encode(value, &mut self.bytes),
            }
            *column = column.wrapping_add(crc32fast::hash(&self.bytes[start..]).into());
        }
        let hash = Sha256::digest(&self.bytes);
        for (sum, word) in self.sum.iter_mut().zip(hash.chunks_exact(8)) {
            let word = word.iter().fold(0u64, |n, b| n << 8 | u64::from(*b));
            *sum = sum.wrapping_add(word);
        }
        self.rows += 1;
    }

    pub fn same(&self, other: &Digest) -> bool {
        (self.rows, self.sum) == (other.rows, other.sum)
    }

    /// Positions of the columns that are seen to differ.
    pub fn differing(&self, other: &Digest) -> Vec<usize> {
        let columns = self.columns.iter().zip(&other.columns).enumerate();
        columns.filter(|(_, (a, b))| a != b).map(|(n, _)| n).collect()
    }
}

fn encode(value: &Value, out: &mut Vec<u8>) {
    let mut fixed = |tag: u8, bytes: &[u8]| {
        out.push(tag);
        out.extend_from_slice(bytes);
    };
    match value {
        Value::Null => fixed(0, &[]),
        Value::Int(v) => fixed(1, &v.to_le_bytes()),
        Value::UInt(v) => fixed(2, &v.to_le_bytes()),
        Value::Decimal(v) => fixed(3, &v.to_le_bytes()),
        Value::Float(v) => fixed(4, &v.to_bits().to_le_bytes()),
        Value::Double(v) => fixed(5, &v.to_bits().to_le_bytes()),
        Value::Date(v) => fixed(6, &v.to_le_bytes()),
        Value::DateTime(v) => fixed(7, &v.to_le_bytes()),
        Value::Time(v) => fixed(8, &v.to_le_bytes()),
        Value::Text(v) => {
            fixed(9, &(v.len() as u64).to_le_bytes());
            out.extend_from_slice(v.as_bytes());
        }
        Value::Bytes(v) => {
            fixed(10, &(v.len() as u64).to_le_bytes());
            out.extend_from_slice(v);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(rows: &[&[Value]]) -> Digest {
        let mut all = Digest::default();
        rows.iter().for_each(|r| all.add(r));
        all
    }

    #[test]
    fn order_does_not_count_but_everything_else_does() {
        let text = |t: &str| Value::Text(t.into());
        let (a, b) = ([Value::Int(1), text("x")], [Value::Int(2), Value::Null]);
        let both = digest(&[&a, &b]);
        assert!(both.same(&digest(&[&b, &a])));
        assert!(!both.same(&digest(&[&a])));
        assert!(!both.same(&digest(&[&a, &a])));
        assert_eq!(both.differing(&digest(&[&b, &[Value::Int(1), text("X")]])), [1]);
        assert!(!digest(&[&a, &a]).same(&digest(&[&b, &b])));
        assert!(!both.same(&digest(&[&[Value::Int(1), text("X")], &b])));
        assert!(!digest(&[&[text("ab"), text("c")]]).same(&digest(&[&[text("a"), text("bc")]])));
        assert!(!digest(&[&[Value::Double(0.0)]]).same(&digest(&[&[Value::Double(-0.0)]])));
        assert!(!digest(&[&[Value::Null]]).same(&digest(&[&[text("")]])));
    }
}
