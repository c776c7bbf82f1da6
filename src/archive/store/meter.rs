//! What was asked of the archive? Counted where requests leave, each try once: as they are paid for.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Requests since this process opened the archive, by what they cost, and bytes.
#[derive(Debug, Default)]
pub struct Meter {
    puts: AtomicU64,
    lists: AtomicU64,
    gets: AtomicU64,
    deletes: AtomicU64,
    sent: AtomicU64,
}

/// See `Meter`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Requests {
    /// PUT, POST and COPY, but for deletes.
    pub puts: u64,
    pub lists: u64,
    /// GET and HEAD.
    pub gets: u64,
    /// Batches count once.
    pub deletes: u64,
    /// Bytes in the bodies of requests.
    pub sent: u64,
}

impl Meter {
    pub fn requests(&self) -> Requests {
        Requests {
            puts: self.puts.load(Relaxed),
            lists: self.lists.load(Relaxed),
            gets: self.gets.load(Relaxed),
            deletes: self.deletes.load(Relaxed),
            sent: self.sent.load(Relaxed),
        }
    }

    /// One HTTP request with so many bytes.
    pub fn count(&self, method: &str, query: &str, bytes: u64) {
        let is = |name: &str| query.split('&').any(|part| part == name || part.starts_with(&format!("{name}=")));
        let kind = match method {
            "DELETE" => &self.deletes,
            "POST" if is("delete") => &self.deletes,
            "GET" if is("list-type") || is("uploads") => &self.lists,
            "GET" | "HEAD" => &self.gets,
            _ => &self.puts,
        };
        kind.fetch_add(1, Relaxed);
        self.sent.fetch_add(bytes, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_what_they_cost() {
        let meter = Meter::default();
        for (method, query) in [
            ("PUT", "x-id=PutObject"),
            ("POST", "uploads"),
            ("POST", "delete"),
            ("GET", "list-type=2&prefix=a"),
            ("GET", "x-id=GetObject"),
            ("HEAD", ""),
            ("DELETE", "uploadId=1"),
        ] {
            meter.count(method, query, 1);
        }
        assert_eq!(meter.requests(), Requests { puts: 2, lists: 1, gets: 2, deletes: 2, sent: 7 });
    }
}
