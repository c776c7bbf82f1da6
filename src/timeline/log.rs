//! What does the log consist of? For those who write it anew.

use super::Timeline;
use super::rows::memory;
use crate::archive::{Base, Footer, KeptState, LogPart, Replaced, Section};
use crate::model::{Micros, Moment, Seq, TableId};

/// One object of the log, and where it stands.
#[derive(Debug, Clone, Copy)]
pub struct PartView<'a> {
    pub part: LogPart,
    pub footer: &'a Footer,
    /// Its commits' times, made monotone.
    pub times: &'a [Micros],
    /// The newest commit before it.
    pub before: Seq,
    /// The newest commit after it.
    pub after: Moment,
    /// No later commit has this time or an earlier one.
    pub until: Micros,
}

/// What is to be resolved to find a table's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weight {
    /// Of the base.
    pub base_rows: u64,
    /// Changes since the base,
    pub changes: u64,
    /// and the least memory that they take, in bytes.
    pub bytes: u64,
}

impl Timeline {
    /// The single states that are kept of the time before the start, in order, with their bases.
    pub fn states(&self) -> impl Iterator<Item = (&KeptState, impl Iterator<Item = &Base>)> {
        self.kept.iter().map(|k| (&k.state, k.bases.values()))
    }

    /// What the newest rows of a table are made of; `None` when it is uncertain or gone.
    pub fn weight(&self, id: TableId) -> Option<Weight> {
        let latest = self.latest().seq;
        let since = self.versions.certain_since(id, latest)?;
        let base = self.base(id, since, latest);
        let after = base.map_or_else(|| since.before(), |b| b.seq);
        let all = self.sections.get(&id).map(Vec::as_slice).unwrap_or_default();
        let later = all.iter().filter(|s| s.section.last.min(s.upto) > after).map(|s| &s.section);
        let (changes, bytes) = later.fold((0, 0), |(n, bytes), s| (n + s.rows, bytes + memory(s.length, s.rows)));
        Some(Weight { base_rows: base.map_or(0, Base::rows), changes, bytes })
    }

    /// The log from the start on, in order.
    pub fn log(&self) -> impl DoubleEndedIterator<Item = PartView<'_>> + ExactSizeIterator {
        self.segments.iter().map(|s| PartView {
            part: s.part,
            footer: &s.footer,
            times: &s.times,
            before: s.before,
            after: s.after,
            until: s.until,
        })
    }

    /// All sections of the parts that stand for these segments, table by table, each in the order of the log. Rows of
    /// seqs after the last member are void.
    pub fn sections_of(&self, first: u64, last: u64) -> Vec<(LogPart, &Section, Seq)> {
        let all = self.sections.values().flatten();
        let within = all.filter(|s| s.part.first >= first && s.part.last <= last);
        within.map(|s| (s.part, &s.section, s.upto)).collect()
    }

    /// The same for replaced rows.
    pub fn replaced_of(&self, first: u64, last: u64) -> Vec<(LogPart, &Replaced, Seq)> {
        let all = self.replaced.values().flatten();
        let within = all.filter(|s| s.part.first >= first && s.part.last <= last);
        within.map(|s| (s.part, &s.section, s.upto)).collect()
    }
}
