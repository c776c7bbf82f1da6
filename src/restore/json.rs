//! When are two JSON texts one value to MySQL? When they differ only in how their numbers are written.
//!
//! MySQL keeps a document's numbers by type, and an archive keeps its text. Reading that text, MySQL makes DOUBLEs of what
//! were DECIMALs: `1.50` comes back as `1.5`. Digits that a DOUBLE cannot hold are lost by that, and seen here.

/// The text with each number as its sign, its digits without zeros at either end, and its power of ten.
pub fn canonical(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (String::with_capacity(text.len()), 0);
    while let Some(&b) = bytes.get(at) {
        let start = at;
        match b {
            b'"' => {
                at += 1;
                while let Some(&b) = bytes.get(at) {
                    at += if b == b'\\' { 2 } else { 1 };
                    if b == b'"' {
                        break;
                    }
                }
                at = at.min(bytes.len());
                out.push_str(text.get(start..at).unwrap_or_default());
            }
            b'-' | b'0'..=b'9' => {
                while bytes.get(at).is_some_and(|b| matches!(b, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')) {
                    at += 1;
                }
                out.push_str(&number(text.get(start..at).unwrap_or_default()));
            }
            _ => {
                // anything else is copied up to the next sign that begins something
                while bytes.get(at).is_some_and(|b| !matches!(b, b'"' | b'-' | b'0'..=b'9')) {
                    at += 1;
                }
                out.push_str(text.get(start..at).unwrap_or_default());
            }
        }
    }
    out
}

fn number(text: &str) -> String {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let Ok(exponent) = exponent.parse::<i64>() else { return text.to_string() };
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_end_matches('0');
    let power = exponent - fraction.len() as i64 + (digits.len() - significant.len()) as i64;
    match significant.trim_start_matches('0') {
        "" => "0".into(),
        digits => format!("{sign}{digits}e{power}"),
    }
}

#[cfg(test)]
mod tests {
    use super::canonical;

    #[test]
    fn numbers_are_compared_by_value_and_all_else_by_its_text() {
        let same = |a: &str, b: &str| canonical(a) == canonical(b);
        for (a, b) in [
            ("1.50", "1.5"),
            ("[1.0, 100, -0.0]", "[1e0, 1e2, 0]"),
            (r#"{"a\"1.50": -2500.00}"#, r#"{"a\"1.50": -2.5e3}"#),
            ("1e300", "1000e297"),
        ] {
            assert!(same(a, b), "{a} {b}: {} {}", canonical(a), canonical(b));
        }
        for (a, b) in [
            ("1.50", "1.51"),
            ("0.1234567890123456789", "0.12345678901234568"),
            (r#""1.50""#, r#""1.5""#),
            ("[1, 2]", "[2, 1]"),
            ("1", "-1"),
            ("true", "false"),
            ("12345678901234567890", "12345678901234567000"),
        ] {
            assert!(!same(a, b), "{a} {b}: {} {}", canonical(a), canonical(b));
        }
    }
}
