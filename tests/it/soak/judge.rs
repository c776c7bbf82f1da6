//! Does pcloud show what the server showed, or refuse by a name that the documents list?

use super::watch::{Seen, lines};
use crate::support::port::Port;
use futures::future::join_all;
use mysql_async::prelude::*;
use mysql_async::{Conn, Error};
use std::collections::BTreeMap;

/// Connections that ask side by side.
const AT_ONCE: usize = 4;

/// What the comparisons came to.
#[derive(Default, Clone)]
pub struct Judgement {
    pub moments: usize,
    pub tables: usize,
    /// The documented refusal, and how many tables were not shown for it.
    pub refused: BTreeMap<String, usize>,
    /// Tables that were changed past the log, and VERIFY said so.
    pub found: usize,
    /// Tables that came back on another server with the same rows and sum.
    pub restored: usize,
    pub wrong: Vec<String>,
}

impl Judgement {
    pub fn refused_in_all(&self) -> usize {
        self.refused.values().sum()
    }

    pub fn add(&mut self, other: &Self) {
        self.moments += other.moments;
        self.tables += other.tables;
        other.refused.iter().for_each(|(why, n)| *self.refused.entry(why.clone()).or_default() += n);
        self.wrong.extend(other.wrong.iter().cloned());
    }

    /// Asks pcloud for everything that was seen.
    pub async fn ask(&mut self, port: &Port, refusals: &Refusals, seen: &[Seen]) {
        let shares = seen.chunks(seen.len().div_ceil(AT_ONCE).max(1)).map(|share| async move {
            let mut judged = Judgement::default();
            judged.ask_share(port, refusals, share).await;
            judged
        });
        join_all(shares).await.iter().for_each(|share| self.add(share));
    }

    async fn ask_share(&mut self, port: &Port, refusals: &Refusals, seen: &[Seen]) {
        let mut conn = port.connect().await;
        conn.query_drop("SET time_zone = '+00:00'").await.expect("UTC");
        for moment in seen {
            self.moments += 1;
            for (table, expected) in &moment.tables {
                let sql = format!("SELECT * FROM s.`{table}` AS OF GTID '{}'", moment.gtid);
                match (lines(&mut conn, &sql).await, &expected.lines) {
                    (Ok(found), Some(expected)) if found == *expected => self.tables += 1,
                    (Ok(found), Some(expected)) => self.wrong.push(format!("{sql}: {}", difference(&found, expected))),
                    (Ok(found), None) => {
                        self.wrong.push(format!("{sql}: the server does not show this view: {found:?}"))
                    }
                    (Err(Error::Server(_)), None) => self.tables += 1,
                    (Err(error), _) => self.refused(refusals, &sql, &error.to_string()),
                }
            }
            self.list(&mut conn, moment).await;
        }
    }

    /// The tables that there were, and no others.
    async fn list(&mut self, conn: &mut Conn, moment: &Seen) {
        let sql = format!("SHOW FULL TABLES FROM s AS OF GTID '{}'", moment.gtid);
        let listed: Vec<(String, String)> = match conn.query(&sql).await {
            Ok(listed) => listed,
            Err(error) => return self.wrong.push(format!("{sql}: {error}")),
        };
        for (name, kind) in listed {
            if moment.tables.get(&name).is_none_or(|shown| shown.kind != kind) {
                self.wrong.push(format!("{kind} {name} was not there at {}", moment.gtid));
            }
        }
    }

    pub fn refused(&mut self, refusals: &Refusals, what: &str, message: &str) {
        match refusals.kind(message) {
            Some(kind) => *self.refused.entry(kind.to_string()).or_default() += 1,
            None => self.wrong.push(format!("{what}: {message}")),
        }
    }
}

pub fn difference(found: &[String], expected: &[String]) -> String {
    let only = |a: &[String], b: &[String]| {
        a.iter().filter(|r| b.binary_search(r).is_err()).take(3).cloned().collect::<Vec<_>>()
    };
    let sorted = |lines: &[String]| {
        let mut lines = lines.to_vec();
        lines.sort();
        lines
    };
    let (a, b) = (sorted(found), sorted(expected));
    format!("{} lines, not {}\n  lacks {:?}\n  has {:?}", found.len(), expected.len(), only(&b, &a), only(&a, &b))
}

/// The refusals that `docs/refusals.md` lists.
pub struct Refusals(Vec<String>);

impl Refusals {
    /// The lines of its tables begin with words of the message, in backticks; `…` stands for anything.
    pub fn documented() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/refusals.md");
        let text = std::fs::read_to_string(path).expect("docs/refusals.md");
        let words = |line: &str| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_string());
        let all: Vec<String> = text.lines().filter_map(words).collect();
        assert!(!all.is_empty(), "{path} lists nothing");
        Self(all)
    }

    pub fn kind(&self, message: &str) -> Option<&str> {
        let fits = |words: &&String| {
            let mut rest = message;
            words.split('…').all(|part| match rest.split_once(part) {
                Some((_, behind)) => {
                    rest = behind;
                    true
                }
                None => false,
            })
        };
        self.0.iter().find(fits).map(String::as_str)
    }
}
