//! Changes of a text, noted beside it and made at its end.

use crate::model::ObjectKind;
use crate::restore::lex::Statement;
use std::ops::Range;

/// Byte ranges of a text and what stands in their place.
#[derive(Debug, Default)]
pub struct Edits(Vec<(Range<usize>, String)>);

impl Edits {
    pub fn insert(&mut self, at: usize, text: String) {
        self.0.push((at..at, text));
    }

    pub fn replace(&mut self, at: Range<usize>, text: impl Into<String>) {
        self.0.push((at, text.into()));
    }

    /// Replaces the tokens `from` to `to`, both included.
    pub fn tokens(&mut self, s: &Statement<'_>, from: usize, to: usize, text: impl Into<String>) {
        if let Some(at) = s.range(from, to) {
            self.replace(at, text);
        }
    }

    /// Removes one of the items between a table's parentheses, with the comma that it no longer needs.
    pub fn remove_item(&mut self, s: &Statement<'_>, item: &Range<usize>, all: &[Range<usize>]) {
        let first = all.first().is_some_and(|f| f == item);
        // the first takes the comma after it along, every other the one before it
        if let Some(at) = if first { s.range(item.start, item.end) } else { s.range(item.start - 1, item.end - 1) } {
            self.0.retain(|(range, _)| range.end <= at.start || range.start >= at.end);
            self.replace(at, "");
        }
    }

    /// The text with all changes. Of changes that overlap the first counts.
    pub fn applied(mut self, sql: &str) -> String {
        self.0.sort_by_key(|(at, _)| (at.start, at.end));
        let (mut out, mut from) = (String::with_capacity(sql.len() + 64), 0);
        for (at, text) in self.0 {
            if at.start < from {
                continue;
            }
            out.push_str(sql.get(from..at.start).unwrap_or_default());
            out.push_str(&text);
            from = at.end;
        }
        out.push_str(sql.get(from..).unwrap_or_default());
        out
    }
}

pub fn kind_name(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::View => "view",
        ObjectKind::Trigger => "trigger",
        ObjectKind::Procedure => "procedure",
        ObjectKind::Function => "function",
        ObjectKind::Event => "event",
        ObjectKind::Grant => "grant",
    }
}
