//! What is wanted?

use crate::error::{Error, Kind, Result};
use crate::model::ServerUrl;
use crate::source::Filter;

/// A VERIFY … AGAINST, as somebody asks for it.
#[derive(Debug, Clone)]
pub struct VerifyRequest {
    pub cluster: String,
    /// The live server: the one that is protected, or a replica with the same GTIDs.
    pub server: ServerUrl,
    pub options: Options,
}

/// `WITH (option = value, …)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How long the archive may take to reach the server's moment.
    pub wait_seconds: u64,
    /// How many differing rows of a table are shown.
    pub rows: usize,
    /// Tables that are compared at once.
    pub parallel: usize,
    /// Databases and tables that are left out, as the capture left them out.
    pub filter: Filter,
    /// Whether the archive is told which tables were equal.
    pub record: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { wait_seconds: 60, rows: 10, parallel: 2, filter: Filter::default(), record: true }
    }
}

impl Options {
    /// Reads `name = value` pairs; names without regard to case.
    /// Errors: `Usage` for an unknown name, a name said twice or a value that the option does not take.
    pub fn parse(pairs: &[(String, String)]) -> Result<Self> {
        let mut this = Self::default();
        let mut seen = Vec::new();
        for (name, value) in pairs {
            let name = name.to_ascii_lowercase();
            if seen.contains(&name) {
                return Err(Error::new(Kind::Usage, format!("VERIFY option {name} is given twice")));
            }
            let list = || value.split(',').map(|v| v.trim().to_string()).filter(|v| !v.is_empty()).collect::<Vec<_>>();
            match name.as_str() {
                "wait_seconds" => this.wait_seconds = number(&name, value, 0, 86_400)?,
                "rows" => this.rows = number(&name, value, 0, 10_000)? as usize,
                "parallel" => this.parallel = number(&name, value, 1, 16)? as usize,
                "databases" => this.filter.include = list(),
                "exclude" => this.filter.exclude = list(),
                "record" => this.record = switch(&name, value)?,
                _ => {
                    return Err(Error::new(Kind::Usage, format!("VERIFY has no option {name}")).hint(
                        "Its options are wait_seconds (0 to 86400), rows (0 to 10000), parallel (1 to 16), databases, \
                         exclude ('shop.sessions, crm') and record (on or off).",
                    ));
                }
            }
            seen.push(name);
        }
        Ok(this)
    }
}

/// `on` or `off`. Errors: `Usage`.
pub(super) fn switch(name: &str, value: &str) -> Result<bool> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "on" | "true" => Ok(true),
        "0" | "off" | "false" => Ok(false),
        _ => Err(Error::new(Kind::Usage, format!("VERIFY option {name} is on or off, not {value}"))),
    }
}

fn number(name: &str, value: &str, min: u64, max: u64) -> Result<u64> {
    value
        .trim()
        .parse()
        .ok()
        .filter(|n| (min..=max).contains(n))
        .ok_or_else(|| Error::new(Kind::Usage, format!("VERIFY option {name} is from {min} to {max}, not {value}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_and_others_refused_by_name() {
        let parse = |pairs: &[(&str, &str)]| {
            Options::parse(&pairs.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect::<Vec<_>>())
        };
        let options =
            parse(&[("ROWS", "3"), ("wait_seconds", "0"), ("exclude", "shop.log, crm")]).expect("good options");
        assert_eq!((options.rows, options.wait_seconds, options.filter.exclude.len()), (3, 0, 2));
        for (pairs, named) in [
            (&[("row", "1")][..], "row"),
            (&[("parallel", "0")], "parallel"),
            (&[("rows", "1"), ("Rows", "2")], "twice"),
        ] {
            let error = parse(pairs).expect_err(named);
            assert!(error.kind == Kind::Usage && error.message.contains(named), "{error}");
        }
    }
}
