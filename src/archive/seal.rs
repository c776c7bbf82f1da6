//! Is a JSON object as it was written? Its last member, `crc32`, is the checksum of all bytes before that member's comma.

use crate::error::{Error, Result};
use serde::{Serialize, de::DeserializeOwned};

const BEFORE: &str = ",\"crc32\":\"";
const AFTER: &str = "\"}\n";
const LENGTH: usize = BEFORE.len() + 8 + AFTER.len();

/// `value` must be a struct with at least one member.
pub fn seal<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(value).map_err(|e| Error::internal(format!("writing JSON: {e}")))?;
    if bytes.len() < 3 || bytes.pop() != Some(b'}') {
        return Err(Error::internal("only a struct with members can be sealed"));
    }
    let crc32 = crc32fast::hash(&bytes);
    bytes.extend_from_slice(format!("{BEFORE}{crc32:08x}{AFTER}").as_bytes());
    Ok(bytes)
}

/// Errors: `Corrupt`, naming `object`.
pub fn unseal<T: DeserializeOwned>(object: &str, bytes: &[u8]) -> Result<T> {
    let (body, end) = bytes
        .len()
        .checked_sub(LENGTH)
        .and_then(|n| bytes.split_at_checked(n))
        .ok_or_else(|| Error::corrupt(object, "it is too short"))?;
    if end != format!("{BEFORE}{:08x}{AFTER}", crc32fast::hash(body)).as_bytes() {
        return Err(Error::corrupt(object, "its checksum does not fit its bytes"));
    }
    serde_json::from_slice(bytes).map_err(|e| Error::corrupt(object, e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Thing {
        name: String,
        n: u64,
    }

    #[test]
    fn any_flipped_byte_is_refused() {
        let thing = Thing { name: "ä }".into(), n: 7 };
        let bytes = seal(&thing).expect("sealed");
        assert_eq!(unseal::<Thing>("x", &bytes).expect("whole"), thing);
        for i in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[i] ^= 0x20;
            assert_eq!(unseal::<Thing>("x", &bad).expect_err("flipped").kind, Kind::Corrupt, "byte {i}");
            assert_eq!(unseal::<Thing>("x", &bytes[..i]).expect_err("cut").kind, Kind::Corrupt, "{i} bytes");
        }
    }
}
