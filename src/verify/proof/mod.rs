//! Is the archive whole, and can the past be had from it? Proven without the source, in three depths: what is there,
//! whether every byte is as it was written, and whether states can be rebuilt and come to what they came to before.
//!
//! It reads past caches and spools: what counts is what another machine would find.

mod exists;
mod intact;
mod known;
mod named;
mod restorable;
mod run;

pub use known::note_live;
pub use run::run;

use super::ranges::Sum;
use super::request::switch;
use crate::error::{Error, Kind, Result};
use crate::model::{Micros, Moment};
use std::fmt;
use std::time::Duration;

/// Faults that are told one by one.
const TOLD: usize = 1000;

/// How deep it is looked. Each does what the one before does, and more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// Every object that is named is there, seqs follow each other, nothing is told twice.
    Exists,
    /// Every byte is as it was written.
    Intact,
    /// States can be rebuilt, and come to what they came to before.
    Restorable,
}

impl Depth {
    /// By name or number (1 to 3). Errors: `Usage`.
    pub fn parse(text: &str) -> Result<Self> {
        match text.to_ascii_lowercase().as_str() {
            "1" | "exists" => Ok(Self::Exists),
            "2" | "intact" => Ok(Self::Intact),
            "3" | "restorable" => Ok(Self::Restorable),
            _ => Err(Error::new(Kind::Usage, format!("{text} is no depth"))
                .hint("The depths are exists (1), intact (2) and restorable (3).")),
        }
    }
}

impl fmt::Display for Depth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exists => "exists",
            Self::Intact => "intact",
            Self::Restorable => "restorable",
        })
    }
}

/// `WITH (option = value, …)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    pub depth: Depth,
    /// Of depth three: states that are rebuilt at random, beside the newest one and some that were rebuilt before.
    pub moments: usize,
    /// Whether the archive is told what was found.
    pub record: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { depth: Depth::Intact, moments: 3, record: true }
    }
}

impl Options {
    /// Reads `name = value` pairs; names without regard to case.
    /// Errors: `Usage` for an unknown name, a name said twice or a value that the option does not take.
    pub fn parse(pairs: &[(String, String)]) -> Result<Self> {
        let (mut this, mut seen) = (Self::default(), Vec::new());
        for (name, value) in pairs {
            let name = name.to_ascii_lowercase();
            if seen.contains(&name) {
                return Err(Error::new(Kind::Usage, format!("VERIFY option {name} is given twice")));
            }
            match name.as_str() {
                "depth" => this.depth = Depth::parse(value)?,
                "moments" => {
                    let number = value.trim().parse().ok().filter(|n| *n <= 1000);
                    this.moments = number.ok_or_else(|| {
                        Error::new(Kind::Usage, format!("VERIFY option moments is from 0 to 1000, not {value}"))
                    })?;
                }
                "record" => this.record = switch(&name, value)?,
                _ => {
                    return Err(Error::new(Kind::Usage, format!("VERIFY without AGAINST has no option {name}")).hint(
                        "Its options are depth (exists, intact or restorable), moments (0 to 1000) and record (on or off).",
                    ));
                }
            }
            seen.push(name);
        }
        Ok(this)
    }
}

/// A state that was rebuilt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    pub moment: Moment,
    pub tables: u64,
    pub rows: u64,
    /// Tables that came to what they had come to before, and of these those that a live server had so.
    pub same: u64,
    pub live: u64,
}

/// What was found.
#[derive(Debug, Clone)]
pub struct Outcome {
    pub depth: Depth,
    pub at: Micros,
    /// The archive's newest commit, if its lists and its log can be read.
    pub latest: Option<Moment>,
    /// Objects that are named by lists, as they are stored.
    pub objects: u64,
    pub bytes: u64,
    /// What nobody names: left behind by what was stopped, or replaced and not deleted yet.
    pub unnamed: u64,
    pub unnamed_bytes: u64,
    pub rebuilt: Vec<Rebuilt>,
    /// What is wrong, each with the object's name, or the table's and the moment.
    pub faults: Vec<String>,
    /// Further ones, which are not told.
    pub more_faults: u64,
    /// For people: what could not be looked at, or recorded.
    pub remarks: Vec<String>,
    pub took: Duration,
}

impl Outcome {
    fn new(depth: Depth, at: Micros) -> Self {
        Self {
            depth,
            at,
            latest: None,
            objects: 0,
            bytes: 0,
            unnamed: 0,
            unnamed_bytes: 0,
            rebuilt: Vec::new(),
            faults: Vec::new(),
            more_faults: 0,
            remarks: Vec::new(),
            took: Duration::ZERO,
        }
    }

    /// Whether nothing is wrong.
    pub fn whole(&self) -> bool {
        self.faults.is_empty()
    }

    /// The same is told once: lists are read to find the others, and then to the last byte.
    fn fault(&mut self, fault: impl Into<String>) {
        let fault = fault.into();
        if self.faults.contains(&fault) {
            return;
        }
        if self.faults.len() < TOLD { self.faults.push(fault) } else { self.more_faults += 1 }
    }

    /// `14 objects (3.2 MB) are intact, 4 states rebuilt` or what is wrong.
    pub fn summary(&self) -> String {
        let found = match self.faults.len() as u64 + self.more_faults {
            0 => "nothing is wrong".to_string(),
            1 => "1 thing is wrong".to_string(),
            n => format!("{n} things are wrong"),
        };
        let looked = match self.depth {
            Depth::Exists => "looked for",
            Depth::Intact | Depth::Restorable => "read to the last byte",
        };
        let mut text = format!("{found}: {} objects of {} bytes {looked}", self.objects, self.bytes);
        if self.depth == Depth::Restorable {
            let sum = |of: fn(&Rebuilt) -> u64| self.rebuilt.iter().map(of).sum::<u64>();
            text += &format!(
                "; {} states rebuilt, {} tables with {} rows, {} of them known from before",
                self.rebuilt.len(),
                sum(|r| r.tables),
                sum(|r| r.rows),
                sum(|r| r.same)
            );
        }
        text
    }
}

/// How rows are hashed (`ranges::Reader`): a row's bytes may become others with another release of Arrow.
const HASH: u32 = 1;

fn hexadecimal(sum: &Sum) -> String {
    sum.words().iter().map(|word| format!("{word:016x}")).collect()
}
