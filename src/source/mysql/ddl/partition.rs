//! A table's partitions, as its definition lists them, and what ALTER TABLE does to the list.

use super::effect::renamed_expression;
use super::lex::{Cutting, Parser, Read, Unread, name_of};
use super::table::same_name;

/// `PARTITION BY …`, in parts. Subpartitions stay inside the partition that they belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partitions {
    /// Up to the list or the number: `` PARTITION BY HASH (`id`) ``.
    head: String,
    /// `PARTITIONS n`.
    count: Option<u64>,
    /// Name and whole text: `` PARTITION `a` VALUES LESS THAN (10) ENGINE = InnoDB ``.
    list: Vec<(String, String)>,
}

impl Partitions {
    /// Errors: the table is not partitioned, or its list cannot be read.
    pub fn of(text: &str) -> Read<Self> {
        let mut p = Parser::new(text, Cutting::default())?;
        p.words(&["PARTITION", "BY"])?;
        let start = 0;
        let mut this = Self { head: String::new(), count: None, list: Vec::new() };
        let mut end = p.mark();
        while !p.done() {
            if p.takes(&["PARTITIONS"]) {
                this.count = Some(p.number()?);
            } else if p.sees_sign('(') && p.peek_at(1).is_some_and(|t| t.is_word("PARTITION")) {
                this.list = list(&mut p)?;
            } else if this.count.is_some() || !this.list.is_empty() {
                return Err(p.unexpected("the end of the partitions"));
            } else {
                if p.sees_sign('(') {
                    p.parenthesised()?;
                } else {
                    p.skip();
                }
                end = p.mark();
            }
        }
        this.head = p.text(start, end);
        Ok(this)
    }

    pub fn text(&self) -> String {
        let mut text = self.head.clone();
        if let Some(count) = self.count {
            text += &format!(" PARTITIONS {count}");
        }
        if !self.list.is_empty() {
            let list: Vec<&str> = self.list.iter().map(|(_, text)| text.as_str()).collect();
            text += &format!("\n({})", list.join(",\n "));
        }
        text
    }

    /// Columns have other names: what rows are parted by follows them, partitions' own names do not.
    pub fn rename(&mut self, renames: &[(String, String)]) {
        self.head = renamed_expression(&self.head, renames);
    }

    /// After `ADD PARTITION`: `PARTITIONS n`, or definitions.
    pub fn add(&mut self, p: &mut Parser<'_>) -> Read<()> {
        if p.takes(&["PARTITIONS"]) {
            let more = p.number()?;
            if !self.list.is_empty() {
                return Err(Unread::new("it adds partitions whose names the server makes"));
            }
            self.count = Some(self.count.unwrap_or(1).saturating_add(more));
            return Ok(());
        }
        let new = list(p)?;
        // the partition of what is newest stays the last
        let last = self.list.last().filter(|(_, text)| text.to_uppercase().contains(" CURRENT"));
        let at = self.list.len() - usize::from(last.is_some());
        if let Some(count) = &mut self.count {
            *count = count.saturating_add(new.len() as u64);
        }
        self.list.splice(at..at, new);
        Ok(())
    }

    /// After `COALESCE PARTITION`: how many fewer.
    pub fn coalesce(&mut self, p: &mut Parser<'_>) -> Read<()> {
        let fewer = p.number()?;
        if let Some(count) = &mut self.count {
            *count = count.saturating_sub(fewer);
        }
        let left = self.list.len().saturating_sub(usize::try_from(fewer).unwrap_or(usize::MAX));
        self.list.truncate(left);
        Ok(())
    }

    /// After `REORGANIZE PARTITION`: names, INTO, definitions.
    pub fn reorganize(&mut self, p: &mut Parser<'_>) -> Read<()> {
        let mut names = vec![p.name()?];
        while p.takes_sign(',') {
            names.push(p.name()?);
        }
        p.words(&["INTO"])?;
        let new = list(p)?;
        let named = |(name, _): &(String, String)| names.iter().any(|n| same_name(n, name));
        let at = self.list.iter().position(named).ok_or_else(|| Unread::new("its partitions are not known"))?;
        if self.list.iter().filter(|part| named(part)).count() != names.len() {
            return Err(Unread::new("its partitions are not known"));
        }
        if let Some(count) = &mut self.count {
            *count = count.saturating_add(new.len() as u64).saturating_sub(names.len() as u64);
        }
        self.list.retain(|part| !named(part));
        self.list.splice(at..at, new);
        Ok(())
    }
}

/// Tables to which, or from which, ALTER TABLE moves rows without row events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Moved {
    /// EXCHANGE PARTITION … WITH TABLE this one.
    pub exchanged: Option<(Option<String>, String)>,
    /// CONVERT TABLE this one TO PARTITION: it is gone.
    pub merged: Option<(Option<String>, String)>,
    /// CONVERT PARTITION … TO TABLE this one: it is new.
    pub split: Option<(Option<String>, String)>,
}

impl Moved {
    /// Takes a change of rows by partition, if one comes next: why the table's rows are not known afterwards; empty
    /// when they are as before. What is left of it says nothing more.
    pub fn read(&mut self, p: &mut Parser<'_>) -> Read<Option<&'static str>> {
        Ok(Some(if p.takes(&["TRUNCATE", "PARTITION"]) {
            "it empties partitions"
        } else if p.takes(&["EXCHANGE", "PARTITION"]) {
            p.name()?;
            p.words(&["WITH", "TABLE"])?;
            self.exchanged = Some(p.qualified()?);
            "rows of a partition and of another table change places"
        } else if p.takes(&["CONVERT", "PARTITION"]) {
            p.takes(&["IF", "EXISTS"]);
            p.name()?;
            p.words(&["TO", "TABLE"])?;
            self.split = Some(p.qualified()?);
            "rows of a partition become another table"
        } else if p.takes(&["CONVERT", "TABLE"]) {
            p.takes(&["IF", "EXISTS"]);
            self.merged = Some(p.qualified()?);
            "rows of another table become a partition"
        } else if p.takes(&["DISCARD"]) || p.takes(&["IMPORT"]) {
            "it puts other files in place of the table's"
        } else if ["ANALYZE", "CHECK", "OPTIMIZE", "REBUILD"].iter().any(|w| p.takes(&[w, "PARTITION"])) {
            ""
        } else {
            return Ok(None);
        }))
    }
}

/// `(PARTITION a …, PARTITION b …)`
fn list(p: &mut Parser<'_>) -> Read<Vec<(String, String)>> {
    p.sign('(')?;
    let mut list = Vec::new();
    loop {
        let start = p.mark();
        p.words(&["PARTITION"])?;
        let name = p.peek().and_then(name_of).ok_or_else(|| p.unexpected("a partition's name"))?;
        p.skip_item();
        list.push((name, p.text(start, p.mark())));
        if !p.takes_sign(',') {
            p.sign(')')?;
            return Ok(list);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(text: &str, statement: &str, change: fn(&mut Partitions, &mut Parser<'_>) -> Read<()>) -> String {
        let mut partitions = Partitions::of(text).expect(text);
        let mut p = Parser::new(statement, Cutting::default()).expect(statement);
        change(&mut partitions, &mut p).expect(statement);
        assert!(p.done(), "{statement}");
        partitions.text().split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn partitions_are_added_split_and_joined() {
        let range =
            "PARTITION BY RANGE (`id`) (PARTITION `a` VALUES LESS THAN (10), PARTITION `b` VALUES LESS THAN MAXVALUE)";
        assert_eq!(
            changed(
                range,
                "B INTO (PARTITION c VALUES LESS THAN (20), PARTITION d VALUES LESS THAN MAXVALUE)",
                Partitions::reorganize
            ),
            "PARTITION BY RANGE (`id`) (PARTITION `a` VALUES LESS THAN (10), PARTITION c VALUES LESS THAN (20), PARTITION d VALUES LESS THAN MAXVALUE)"
        );
        let list = "PARTITION BY LIST (`id`) (PARTITION `a` VALUES IN (1,2))";
        assert_eq!(
            changed(list, "(PARTITION b VALUES IN (3))", Partitions::add),
            "PARTITION BY LIST (`id`) (PARTITION `a` VALUES IN (1,2), PARTITION b VALUES IN (3))"
        );
        let hash = "PARTITION BY HASH (`id`) PARTITIONS 4";
        assert_eq!(changed(hash, "PARTITIONS 2", Partitions::add), "PARTITION BY HASH (`id`) PARTITIONS 6");
        assert_eq!(changed(hash, "1", Partitions::coalesce), "PARTITION BY HASH (`id`) PARTITIONS 3");
        assert!(Partitions::of("").is_err());
        let mut p = Parser::new("x INTO (PARTITION y VALUES IN (1))", Cutting::default()).expect("cut");
        assert!(Partitions::of(list).expect("read").reorganize(&mut p).is_err(), "x is not there");
    }
}
