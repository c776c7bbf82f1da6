//! What does a view's text mean for good? The log has it as somebody typed it: `*` stands for the columns that its
//! tables had at that moment, and a name without a database for one of the session's. The server writes both out when it
//! makes the view, and so does this; where it cannot be told, the view is refused.
//!
//! Only such texts are looked at. Each SELECT's FROM is read, so far as it is a list or a join of names and subqueries.

use super::apply::Steps;
use super::lex::{Lexer, Parser, Read, Token, Unread, name_of};
use super::objects;
use super::table::same_name;
use crate::model::{ObjectKey, ObjectKind, TableName, quote_name};
use std::ops::Range;

/// The text of CREATE VIEW, with columns in the place of each `*` and databases before names. `name`: the view's.
/// Errors: why that cannot be told; it fits behind "because".
pub fn settled(steps: &Steps<'_>, text: &str, name: &TableName) -> Read<String> {
    let tokens = Lexer::all(text, steps.session.cutting())?;
    let Some(begin) = query_of(&tokens) else { return Ok(text.to_string()) };
    let elsewhere = name.database != steps.session.database;
    let stars = (begin..tokens.len()).filter(|i| is_wildcard(&tokens, *i)).count();
    if stars == 0 && !elsewhere {
        return Ok(text.to_string());
    }
    if tokens[begin..].iter().any(|t| t.is_word("WITH")) && !ends_in_check(&tokens) {
        return Err(Unread::new("its text has WITH, and stands for columns or tables that it does not name"));
    }
    let mut view = View { steps, tokens: &tokens, elsewhere, edits: Vec::new(), stars: 0 };
    view.query(begin..tokens.len())?;
    if view.stars != stars {
        return Err(Unread::new("it cannot be told which columns every * of its text stands for"));
    }
    // tokens are slices of the text
    let offset = |t: &str| t.as_ptr() as usize - text.as_ptr() as usize;
    let mut out = text.to_string();
    view.edits.sort_by_key(|(place, _)| place.start);
    for (place, new) in view.edits.iter().rev() {
        let from = tokens.get(place.start).map_or(text.len(), |t| offset(t.text));
        let to = if place.is_empty() {
            from
        } else {
            tokens.get(place.end - 1).map_or(from, |t| offset(t.text) + t.text.len())
        };
        out.replace_range(from..to, new);
    }
    Ok(out)
}

/// Where the query begins.
fn query_of(tokens: &[Token<'_>]) -> Option<usize> {
    let view = tokens.iter().position(|t| t.is_word("VIEW"))?;
    let within = tokens[view..].iter().position(|t| t.is_word("AS"))?;
    Some(view + within + 1)
}

/// `*` that stands for columns, not for a product, nor in COUNT(*).
fn is_wildcard(tokens: &[Token<'_>], i: usize) -> bool {
    let before = |t: &Token<'_>| t.is_sign('.') || OPTIONS.iter().any(|w| t.is_word(w));
    tokens[i].is_sign('*') && i > 0 && before(&tokens[i - 1])
}

/// `WITH [CASCADED | LOCAL] CHECK OPTION` is the only WITH.
fn ends_in_check(tokens: &[Token<'_>]) -> bool {
    let n = tokens.len();
    let ends = n > 3 && tokens[n - 2].is_word("CHECK") && tokens[n - 1].is_word("OPTION");
    ends && tokens.iter().filter(|t| t.is_word("WITH")).count() == 1
}

/// What may stand between SELECT and its list.
const OPTIONS: [&str; 10] = [
    "SELECT",
    "ALL",
    "DISTINCT",
    "DISTINCTROW",
    "HIGH_PRIORITY",
    "STRAIGHT_JOIN",
    "SQL_SMALL_RESULT",
    "SQL_BIG_RESULT",
    "SQL_BUFFER_RESULT",
    "SQL_NO_CACHE",
];
const UNIONS: [&str; 3] = ["UNION", "EXCEPT", "INTERSECT"];
const AFTER_FROM: [&str; 7] = ["WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "WINDOW", "WITH"];
const JOINS: [&str; 7] = ["JOIN", "INNER", "CROSS", "LEFT", "RIGHT", "NATURAL", "STRAIGHT_JOIN"];
const NO_ALIAS: [&str; 8] = ["ON", "USING", "USE", "FORCE", "IGNORE", "PARTITION", "FOR", "LOCK"];

/// One table of a FROM.
struct Factor {
    /// What columns are named by: the alias, or the table.
    prefix: String,
    alias: String,
    columns: Option<Vec<String>>,
}

struct View<'a> {
    steps: &'a Steps<'a>,
    tokens: &'a [Token<'a>],
    /// Names without a database mean those of another database than the view's.
    elsewhere: bool,
    /// Tokens that are replaced, or a place between two.
    edits: Vec<(Range<usize>, String)>,
    /// How many `*` were written out.
    stars: usize,
}

impl View<'_> {
    fn word(&self, i: usize, words: &[&str]) -> bool {
        self.tokens.get(i).is_some_and(|t| words.iter().any(|w| t.is_word(w)))
    }

    fn sign(&self, i: usize, sign: char) -> bool {
        self.tokens.get(i).is_some_and(|t| t.is_sign(sign))
    }

    /// The parenthesis that closes the one at `open`.
    fn close(&self, open: usize) -> Read<usize> {
        let mut depth = 0usize;
        for i in open..self.tokens.len() {
            depth += usize::from(self.sign(i, '('));
            if self.sign(i, ')') {
                depth -= 1;
                if depth == 0 {
                    return Ok(i);
                }
            }
        }
        Err(Unread::new("a parenthesis of its text does not end"))
    }

    /// The first place outside of parentheses where `found` says so; else the range's end.
    fn find(&self, range: Range<usize>, found: impl Fn(usize) -> bool) -> Read<usize> {
        let mut i = range.start;
        while i < range.end {
            if found(i) {
                return Ok(i);
            }
            i = if self.sign(i, '(') { self.close(i)? + 1 } else { i + 1 };
        }
        Ok(range.end)
    }

    /// SELECTs with UNION and the like between them. Returns the columns of the first, if they are known.
    fn query(&mut self, range: Range<usize>) -> Read<Option<Vec<String>>> {
        let (mut columns, mut i) = (None, range.start);
        while i < range.end {
            if self.sign(i, '(') {
                let close = self.close(i)?;
                let own = self.query(i + 1..close)?;
                columns = columns.or(own);
                i = close + 1;
            } else if self.word(i, &["SELECT"]) {
                let end = self.find(i..range.end, |i| self.word(i, &UNIONS))?;
                let own = self.select(i..end)?;
                columns = columns.or(own);
                i = end;
            } else {
                i += 1;
            }
        }
        Ok(columns)
    }

    /// Subqueries anywhere in an expression.
    fn expression(&mut self, range: Range<usize>) -> Read<()> {
        let mut i = range.start;
        while i < range.end {
            if self.sign(i, '(') && self.word(i + 1, &["SELECT"]) {
                let close = self.close(i)?;
                self.query(i + 1..close)?;
                i = close;
            }
            i += 1;
        }
        Ok(())
    }

    fn select(&mut self, range: Range<usize>) -> Read<Option<Vec<String>>> {
        let mut list = range.start;
        while self.word(list, &OPTIONS) {
            list += 1;
        }
        let from = self.find(list..range.end, |i| self.word(i, &["FROM"]))?;
        let after = self.find(from..range.end, |i| self.word(i, &AFTER_FROM))?;
        let factors = if from < after { self.factors(from + 1..after)? } else { Vec::new() };
        let (mut columns, mut i) = (Some(Vec::new()), list);
        while i < from {
            let end = self.find(i..from, |i| self.sign(i, ','))?;
            let own = self.item(i..end, &factors)?;
            columns = columns.zip(own).map(|(mut all, own)| {
                all.extend(own);
                all
            });
            i = end + 1;
        }
        self.expression(after..range.end)?;
        Ok(columns)
    }

    /// The names of one item of a SELECT's list; `None`: it has one that only the server knows.
    fn item(&mut self, item: Range<usize>, factors: &[Factor]) -> Read<Option<Vec<String>>> {
        if item.is_empty() {
            return Ok(None);
        }
        let unknown = || Unread::new("its text has a * over something of which the columns are not known");
        let last = item.end - 1;
        let wildcard = is_wildcard(self.tokens, last).then(|| last - item.start);
        let meant: Vec<&Factor> = match wildcard {
            Some(0) => factors.iter().collect(),
            Some(_) => {
                let alias = self.tokens.get(last - 2).and_then(name_of).ok_or_else(unknown)?;
                vec![factors.iter().find(|f| f.alias == alias).ok_or_else(unknown)?]
            }
            None => {
                self.expression(item.clone())?;
                let name = self.tokens.get(last).and_then(name_of);
                let named =
                    item.len() == 1 || self.sign(last.wrapping_sub(1), '.') || self.word(last.wrapping_sub(1), &["AS"]);
                return Ok(name.filter(|_| named).map(|n| vec![n]));
            }
        };
        let (mut names, mut text) = (Vec::new(), Vec::new());
        for factor in meant {
            let columns = factor.columns.as_ref().ok_or_else(unknown)?;
            text.extend(columns.iter().map(|c| format!("{}.{}", factor.prefix, quote_name(c))));
            names.extend(columns.iter().cloned());
        }
        if text.is_empty() {
            return Err(unknown());
        }
        self.edits.push((item, text.join(", ")));
        self.stars += 1;
        Ok(Some(names))
    }

    /// `a [AS] x, b JOIN c ON …, (SELECT …) d`
    fn factors(&mut self, range: Range<usize>) -> Read<Vec<Factor>> {
        let other = || Unread::new("its text has a FROM of a kind that is not followed here");
        let (mut all, mut i) = (Vec::new(), range.start);
        loop {
            let (name, columns) = if self.sign(i, '(') && self.word(i + 1, &["SELECT"]) {
                let close = self.close(i)?;
                let columns = self.query(i + 1..close)?;
                i = close + 1;
                (None, columns)
            } else {
                let begin = i;
                let first = self.tokens.get(i).and_then(name_of).ok_or_else(other)?;
                let (database, table) = match self.tokens.get(i + 2).and_then(name_of).filter(|_| self.sign(i + 1, '.'))
                {
                    Some(table) => (Some(first), table),
                    None => (None, first),
                };
                i += if database.is_some() { 3 } else { 1 };
                if database.is_none() && self.elsewhere {
                    self.edits.push((begin..begin, format!("{}.", quote_name(&self.steps.session.database))));
                }
                let full = database.is_some() || self.elsewhere;
                let name = self.steps.qualify(database, table);
                let prefix = if full { name.quoted() } else { quote_name(&name.table) };
                let columns = self.columns(&name);
                (Some((prefix, name.table)), columns)
            };
            i += usize::from(self.word(i, &["AS"]));
            let alias = self
                .tokens
                .get(i)
                .filter(|_| i < range.end && !self.word(i, &JOINS) && !self.word(i, &NO_ALIAS))
                .and_then(name_of);
            i += usize::from(alias.is_some());
            let (prefix, alias) = match (alias, name) {
                (Some(alias), _) => (quote_name(&alias), alias),
                (None, Some(name)) => name,
                (None, None) => return Err(other()),
            };
            all.push(Factor { prefix, alias, columns });
            if self.word(i, &["ON"]) {
                let join = |i: usize| self.sign(i, ',') || self.word(i, &JOINS) && !self.sign(i + 1, '(');
                let end = self.find(i..range.end, join)?;
                self.expression(i..end)?;
                i = end;
            }
            if i >= range.end {
                return Ok(all);
            }
            if self.word(i, &["INNER", "CROSS"]) {
                i += 1;
            } else if self.word(i, &["LEFT"]) {
                i += 1 + usize::from(self.word(i + 1, &["OUTER"]));
            }
            if !self.sign(i, ',') && !self.word(i, &["JOIN", "STRAIGHT_JOIN"]) {
                return Err(other());
            }
            i += 1;
        }
    }

    /// What `*` means of a table or a view; `None`: it is not known.
    fn columns(&self, name: &TableName) -> Option<Vec<String>> {
        if let Some(table) = self.steps.known(name) {
            let known = !self.steps.catalog.uncertain.contains_key(&table.id) && !table.columns.is_empty();
            return known.then(|| table.columns.iter().filter(|c| !c.invisible).map(|c| c.name.clone()).collect());
        }
        let key = ObjectKey { kind: ObjectKind::View, database: name.database.clone(), name: name.table.clone() };
        let object = self.steps.catalog.objects.get(&key)?;
        let text = &object.create;
        let tokens = Lexer::all(text, objects::cutting_of(&object.sql_mode)).ok()?;
        let begin = query_of(&tokens)?;
        let mut p = Parser::new(text, objects::cutting_of(&object.sql_mode)).ok()?;
        while !p.takes(&["VIEW"]) {
            p.skip()?;
        }
        p.qualified().ok()?;
        if p.takes_sign('(') {
            let mut names = Vec::new();
            while !p.takes_sign(')') {
                names.push(p.name().ok()?);
                p.takes_sign(',');
            }
            return Some(names);
        }
        let mut view = View { steps: self.steps, tokens: &tokens, elsewhere: false, edits: Vec::new(), stars: 0 };
        let columns = view.query(begin..tokens.len()).ok()??;
        let twice = |n: usize| columns[..n].iter().any(|c| same_name(c, &columns[n]));
        (!(0..columns.len()).any(twice)).then_some(columns)
    }
}
