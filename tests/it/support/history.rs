//! A seeded random history of transactions, and the slow, obvious answer to what every table held after each commit.

use fastrand::Rng;
use std::collections::BTreeMap;

/// One row: MySQL's text of each column, `None` for NULL.
pub type TextRow = Vec<Option<String>>;
/// Table name to its rows, sorted.
pub type State = BTreeMap<String, Vec<TextRow>>;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Int,
    Decimal,
    Text,
}

#[derive(Debug, Clone)]
struct Table {
    columns: Vec<(String, Kind)>,
    /// How many leading columns are the key; 0: none.
    key: usize,
    rows: Vec<TextRow>,
}

/// What one commit did.
pub struct Commit {
    pub statements: Vec<String>,
    /// Every table after it.
    pub state: State,
}

/// Makes statements, and knows what they come to.
pub struct History {
    rng: Rng,
    tables: BTreeMap<String, Table>,
    added: u32,
    pub seed: u64,
}

/// The seed from PCLOUD_SEED, or a new one; printed, so that a failure can be repeated.
pub fn seed() -> u64 {
    let seed =
        std::env::var("PCLOUD_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(|| fastrand::u64(..1_000_000));
    println!("PCLOUD_SEED={seed}");
    seed
}

pub const SCHEMA: &str = "
CREATE DATABASE h CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci; USE h;
CREATE TABLE ints (id INT NOT NULL, a INT, t VARCHAR(50), PRIMARY KEY (id));
CREATE TABLE strings (code VARCHAR(20) NOT NULL, d DECIMAL(12,3), PRIMARY KEY (code));
CREATE TABLE pairs (a INT NOT NULL, b VARCHAR(30) NOT NULL, v INT, t TEXT, PRIMARY KEY (a, b));
CREATE TABLE bag (x INT, t VARCHAR(20)) COLLATE utf8mb4_bin;
";

impl History {
    pub fn new(seed: u64) -> Self {
        let table = |columns: &[(&str, Kind)], key| Table {
            columns: columns.iter().map(|(n, k)| (n.to_string(), *k)).collect(),
            key,
            rows: Vec::new(),
        };
        use Kind::*;
        let tables = [
            ("ints", table(&[("id", Int), ("a", Int), ("t", Text)], 1)),
            ("strings", table(&[("code", Text), ("d", Decimal)], 1)),
            ("pairs", table(&[("a", Int), ("b", Text), ("v", Int), ("t", Text)], 2)),
            ("bag", table(&[("x", Int), ("t", Text)], 0)),
        ];
        let tables = tables.into_iter().map(|(n, t)| (n.to_string(), t)).collect();
        Self { rng: Rng::with_seed(seed), tables, added: 0, seed }
    }

    pub fn state(&self) -> State {
        let sorted = |t: &Table| {
            let mut rows = t.rows.clone();
            rows.sort();
            rows
        };
        self.tables.iter().map(|(n, t)| (n.clone(), sorted(t))).collect()
    }

    /// The next commit: one that changes something. Rolled-back work may stand before it in the statements.
    /// `ddl`: now and then a schema change.
    pub fn next(&mut self, ddl: bool) -> Commit {
        let mut statements = Vec::new();
        if ddl && self.rng.u8(..) < 10 {
            statements.push(self.schema_change());
            return Commit { statements, state: self.state() };
        }
        if self.rng.u8(..) < 25 {
            let before = self.tables.clone();
            statements.push("START TRANSACTION".to_string());
            for _ in 0..self.rng.usize(1..4) {
                statements.extend(self.change());
            }
            statements.push("ROLLBACK".to_string());
            self.tables = before;
        }
        statements.push("START TRANSACTION".to_string());
        let mut changed = 0;
        let wanted = self.rng.usize(1..9);
        while changed < wanted {
            if let Some(statement) = self.change() {
                statements.push(statement);
                changed += 1;
            }
        }
        // a transaction whose changes cancel out is logged all the same: each change is a row event
        statements.push("COMMIT".to_string());
        Commit { statements, state: self.state() }
    }

    fn value(rng: &mut Rng, kind: Kind, nullable: bool) -> Option<String> {
        if nullable && rng.u8(..) < 40 {
            return None;
        }
        let words = ["", "a", "A", "Grüße", "o'clock", "back\\slash", "日本", "🦀", "two words", "NULL", "%_", "\"q\""];
        Some(match kind {
            Kind::Int => rng.i32(-3..60).to_string(),
            Kind::Decimal => {
                format!("{}{}.{:03}", if rng.bool() { "" } else { "-" }, rng.u32(1..100_000), rng.u32(..1000))
            }
            Kind::Text => format!("{}{}", words[rng.usize(..words.len())], rng.u8(..4)),
        })
    }

    /// Keys meet as the server's collation compares them: without regard to case.
    fn same_key(a: &TextRow, b: &TextRow, key: usize) -> bool {
        (0..key).all(|i| a[i].as_ref().map(|s| s.to_lowercase()) == b[i].as_ref().map(|s| s.to_lowercase()))
    }

    fn row(rng: &mut Rng, table: &Table) -> TextRow {
        let columns = table.columns.iter().enumerate();
        columns.map(|(i, (name, kind))| Self::value(rng, *kind, i >= table.key && !name.starts_with("added"))).collect()
    }

    /// One INSERT, UPDATE or DELETE that changes one row; `None` if it would not.
    fn change(&mut self) -> Option<String> {
        let names: Vec<String> = self.tables.keys().cloned().collect();
        let name = names[self.rng.usize(..names.len())].clone();
        let rng = &mut self.rng;
        let table = self.tables.get_mut(&name).expect("listed");
        let action = if table.rows.len() > 60 { 9 } else { rng.u8(..10) };
        if action < 5 || table.rows.is_empty() {
            let row = Self::row(rng, table);
            if table.key > 0 && table.rows.iter().any(|r| Self::same_key(r, &row, table.key)) {
                return None;
            }
            table.rows.push(row.clone());
            let values: Vec<_> = row.iter().map(literal).collect();
            let columns: Vec<_> = table.columns.iter().map(|(n, _)| n.clone()).collect();
            return Some(format!("INSERT INTO h.{name} ({}) VALUES ({})", columns.join(", "), values.join(", ")));
        }
        let at = rng.usize(..table.rows.len());
        let old = table.rows[at].clone();
        let found = condition(table, &old);
        if action >= 8 {
            table.rows.remove(at);
            return Some(format!("DELETE FROM h.{name} WHERE {found} LIMIT 1"));
        }
        let mut new = old.clone();
        let first = if rng.u8(..) < 60 { 0 } else { table.key.min(table.columns.len() - 1) };
        let changing = table.columns.iter().zip(&mut new).enumerate().skip(first);
        for (i, ((name, kind), cell)) in changing {
            if rng.bool() {
                *cell = Self::value(rng, *kind, i >= table.key && !name.starts_with("added"));
            }
        }
        let clash =
            table.key > 0 && table.rows.iter().enumerate().any(|(i, r)| i != at && Self::same_key(r, &new, table.key));
        if clash || new == old {
            return None;
        }
        let sets: Vec<_> = table.columns.iter().zip(&new).map(|((n, _), v)| format!("{n} = {}", literal(v))).collect();
        table.rows[at] = new;
        Some(format!("UPDATE h.{name} SET {} WHERE {found} LIMIT 1", sets.join(", ")))
    }

    fn schema_change(&mut self) -> String {
        let table = self.tables.get_mut("ints").expect("always there");
        let extra = table.columns.iter().position(|(n, _)| n.starts_with("added"));
        match (self.rng.u8(..4), extra) {
            (0, _) | (1, None) => {
                self.added += 1;
                let name = format!("added{}", self.added);
                // before the last column, so that positions move
                let at = table.columns.len() - 1;
                table.columns.insert(at, (name.clone(), Kind::Int));
                table.rows.iter_mut().for_each(|r| r.insert(at, Some("7".into())));
                format!("ALTER TABLE h.ints ADD COLUMN {name} INT NOT NULL DEFAULT 7 AFTER {}", table.columns[at - 1].0)
            }
            (1, Some(at)) => {
                let (name, _) = table.columns.remove(at);
                table.rows.iter_mut().for_each(|r| drop(r.remove(at)));
                format!("ALTER TABLE h.ints DROP COLUMN {name}")
            }
            (2, Some(at)) => {
                self.added += 1;
                let (name, _) = table.columns[at].clone();
                table.columns[at].0 = format!("added{}", self.added);
                format!("ALTER TABLE h.ints RENAME COLUMN {name} TO added{}", self.added)
            }
            _ => {
                self.tables.get_mut("bag").expect("always there").rows.clear();
                "TRUNCATE TABLE h.bag".into()
            }
        }
    }
}

/// What finds a row: its key, or all its columns.
fn condition(table: &Table, row: &TextRow) -> String {
    let n = if table.key > 0 { table.key } else { row.len() };
    let parts = (0..n).map(|i| format!("{} <=> {}", table.columns[i].0, literal(&row[i])));
    parts.collect::<Vec<_>>().join(" AND ")
}

fn literal(v: &Option<String>) -> String {
    v.as_ref().map_or("NULL".into(), |s| format!("'{}'", s.replace('\\', "\\\\").replace('\'', "''")))
}
