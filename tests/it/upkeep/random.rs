//! Random histories with everything that a log may hold: transactions over several segments, ones that were read twice,
//! foreign keys' actions, schema changes, doubt and new bases, gaps, times that run backwards.

use crate::support::made::{Made, SECOND, START, int, table, varchar};
use pcloud::archive::{Archive, Gap, Uneventful};
use pcloud::clock::FixedClock;
use pcloud::model::{Change, ForeignKey, Micros, Reaction, Row, SchemaChange, TableId, TableName, TableSchema, Value};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

pub struct Random {
    pub made: Made,
    rng: fastrand::Rng,
    /// With a key; its columns change.
    t: Arc<TableSchema>,
    rows: BTreeMap<i64, Row>,
    /// Without one.
    bag: Arc<TableSchema>,
    heap: Vec<Row>,
    parent: Arc<TableSchema>,
    parents: Vec<i64>,
    child: Arc<TableSchema>,
    children: i64,
    next_id: u32,
    next_column: u32,
    /// Seconds since the start.
    pub now: f64,
    pub pace: f64,
}

impl Random {
    pub async fn begin(dir: &Path, seed: u64) -> Random {
        let archive = Archive::create(&dir.to_string_lossy(), &FixedClock::at(Micros(START))).await;
        Self::within(archive.expect("an archive"), seed).await
    }

    pub async fn within(archive: Archive, seed: u64) -> Random {
        let t = table(1, "t", &[(0, "id", int()), (1, "v", varchar())], 1);
        let bag = table(2, "bag", &[(0, "x", int()), (1, "v", varchar())], 0);
        let parent = table(3, "parent", &[(0, "id", int())], 1);
        let mut child = TableSchema::clone(&table(4, "child", &[(0, "id", int()), (1, "p", int())], 1));
        child.foreign_keys.push(ForeignKey {
            name: "fk".into(),
            columns: vec![child.columns[1].id],
            parent: TableName::new("d", "parent"),
            parent_columns: vec!["id".into()],
            on_delete: if seed.is_multiple_of(2) { Reaction::Cascade } else { Reaction::SetNull },
            on_update: Reaction::Cascade,
        });
        let child = Arc::new(child);
        let rows: BTreeMap<i64, Row> = (0..20).map(|id| (id, vec![Value::Int(id), text("base")])).collect();
        let heap: Vec<Row> = (0..6).map(|n| vec![Value::Int(n / 2), text("b")]).collect();
        let parents: Vec<i64> = (0..8).collect();
        let family: Vec<Row> = (0..16).map(|n| vec![Value::Int(n), Value::Int(n % 8)]).collect();
        let tables = [
            (t.clone(), rows.values().cloned().collect()),
            (bag.clone(), heap.clone()),
            (parent.clone(), parents.iter().map(|p| vec![Value::Int(*p)]).collect()),
            (child.clone(), family),
        ];
        let made = Made::within(archive, &["d"], &tables).await;
        let rng = fastrand::Rng::with_seed(seed);
        Random {
            made,
            rng,
            t,
            rows,
            bag,
            heap,
            parent,
            parents,
            child,
            children: 16,
            next_id: 10,
            next_column: 10,
            now: 0.0,
            pace: 2.0,
        }
    }

    /// One more thing happens: a segment or a few.
    pub async fn step(&mut self) {
        match self.rng.u8(..40) {
            0..=15 => self.commits().await,
            16..=20 => self.family().await,
            21..=24 => self.large().await,
            25 | 26 => self.column().await,
            27 => self.truncated().await,
            28 | 29 => self.doubt().await,
            30 => self.gap().await,
            31..=33 => self.idle().await,
            _ => self.commits().await,
        }
    }

    pub async fn steps(&mut self, n: usize) {
        for _ in 0..n {
            self.step().await;
        }
    }

    /// Time goes on, mostly.
    fn tick(&mut self) -> f64 {
        self.now += self.rng.f64() * self.pace;
        if self.rng.u8(..6) == 0 { self.now - 3.0 * self.rng.f64() } else { self.now }
    }

    fn word(&mut self) -> Value {
        text(&format!("w{}", self.rng.u16(..)))
    }

    fn row(&mut self, id: i64) -> Row {
        let columns = self.t.columns.len();
        let mut row = vec![Value::Int(id)];
        while row.len() < columns {
            row.push(self.word());
        }
        row
    }

    /// A change of `t` or `bag`.
    fn change(&mut self) -> (Arc<TableSchema>, Change) {
        let id = self.rng.i64(0..30);
        match (self.rng.u8(..10), self.rows.get(&id).cloned()) {
            (0..=2, _) if !self.heap.is_empty() => {
                let gone = self.heap.swap_remove(self.rng.usize(..self.heap.len()));
                (self.bag.clone(), Change::Delete(gone))
            }
            (3..=5, _) => {
                let new = vec![Value::Int(self.rng.i64(0..3)), text("b")];
                self.heap.push(new.clone());
                (self.bag.clone(), Change::Insert(new))
            }
            (_, None) => {
                let new = self.row(id);
                self.rows.insert(id, new.clone());
                (self.t.clone(), Change::Insert(new))
            }
            (6, Some(old)) => {
                self.rows.remove(&id);
                (self.t.clone(), Change::Delete(old))
            }
            (_, Some(before)) => {
                let other = self.rng.i64(30..40);
                let to = if self.rng.bool() && !self.rows.contains_key(&other) { other } else { id };
                let after = self.row(to);
                self.rows.remove(&id);
                self.rows.insert(to, after.clone());
                (self.t.clone(), Change::Update { before, after })
            }
        }
    }

    fn changes(&mut self) -> Vec<(Arc<TableSchema>, Change)> {
        (0..self.rng.usize(1..5)).map(|_| self.change()).collect()
    }

    async fn commits(&mut self) {
        let mut w = self.made.writer();
        for _ in 0..self.rng.usize(1..4) {
            let (after, changes) = (self.tick(), self.changes());
            self.made.add(&mut w, after, &[], &changes);
            if self.rng.u8(..3) == 0 {
                let gtid = format!("0-2-{}", self.made.seq());
                w.uneventful(Uneventful { after: self.made.seq(), gtid });
            }
        }
        let covers = (self.rng.u8(..3) == 0).then_some(self.now);
        self.made.put(w, covers, false, false).await;
    }

    /// Changes of parents, and of children beside them.
    async fn family(&mut self) {
        let mut changes = Vec::new();
        for _ in 0..self.rng.usize(1..4) {
            match self.rng.u8(..4) {
                0 if self.parents.len() > 2 => {
                    let gone = self.parents.swap_remove(self.rng.usize(..self.parents.len()));
                    changes.push((self.parent.clone(), Change::Delete(vec![Value::Int(gone)])));
                }
                1 if !self.parents.is_empty() => {
                    let at = self.rng.usize(..self.parents.len());
                    let (old, new) = (self.parents[at], 100 + i64::from(self.rng.u16(..)) + self.children);
                    if !self.parents.contains(&new) {
                        self.parents[at] = new;
                        let change = Change::Update { before: vec![Value::Int(old)], after: vec![Value::Int(new)] };
                        changes.push((self.parent.clone(), change));
                    }
                }
                _ => {
                    let of = self.parents[self.rng.usize(..self.parents.len())];
                    let row = vec![Value::Int(self.children), Value::Int(of)];
                    self.children += 1;
                    changes.push((self.child.clone(), Change::Insert(row)));
                }
            }
        }
        let (mut w, after) = (self.made.writer(), self.tick());
        self.made.add_in_order(&mut w, after, self.parent.id, &changes);
        self.made.put(w, None, false, false).await;
    }

    /// A transaction in several segments; now and then its beginning is written twice.
    async fn large(&mut self) {
        let mut restarts = false;
        if self.rng.bool() {
            // capture is killed within it: these changes are void
            let (rows, heap) = (self.rows.clone(), self.heap.clone());
            let changes = self.changes();
            let mut w = self.made.writer();
            self.made.part(&mut w, &changes);
            self.made.put(w, None, true, false).await;
            (self.rows, self.heap) = (rows, heap);
            restarts = true;
        }
        for _ in 0..self.rng.usize(1..4) {
            let changes = self.changes();
            let mut w = self.made.writer();
            self.made.part(&mut w, &changes);
            self.made.put(w, None, true, std::mem::take(&mut restarts)).await;
        }
        let (mut w, after, changes) = (self.made.writer(), self.tick(), self.changes());
        self.made.add(&mut w, after, &[], &changes);
        self.made.put(w, None, false, restarts).await;
    }

    async fn column(&mut self) {
        let mut t = TableSchema::clone(&self.t);
        let dropped = t.columns.len() > 3;
        if dropped {
            t.columns.remove(2);
        } else {
            let id = self.next_column;
            self.next_column += 1;
            let mut column = t.columns[1].clone();
            (column.id, column.name) = (pcloud::model::ColumnId(id), format!("c{id}"));
            column.missing = Some("before".into());
            t.columns.push(column);
        }
        for row in self.rows.values_mut() {
            if dropped { drop(row.remove(2)) } else { row.push(text("before")) }
        }
        self.t = Arc::new(t);
        let (mut w, after) = (self.made.writer(), self.tick());
        self.made.add(&mut w, after, &[SchemaChange::Table { schema: self.t.clone() }], &[]);
        let (after, changes) = (self.tick(), self.changes());
        self.made.add(&mut w, after, &[], &changes);
        self.made.put(w, None, false, false).await;
    }

    async fn truncated(&mut self) {
        let old = self.bag.id;
        self.bag = Arc::new(TableSchema { id: TableId(self.next_id), ..TableSchema::clone(&self.bag) });
        self.next_id += 1;
        self.heap.clear();
        let changes = [SchemaChange::TableDropped { id: old }, SchemaChange::Table { schema: self.bag.clone() }];
        let after = self.tick();
        self.made.commit(after, &changes, &[]).await;
    }

    /// The table with a key is in doubt for a while, then based anew.
    async fn doubt(&mut self) {
        let (id, name, why) = (self.t.id, self.t.name.clone(), "a test says so".to_string());
        let after = self.tick();
        self.made.commit(after, &[SchemaChange::Uncertain { id, name, why }], &[]).await;
        if self.rng.bool() {
            let (row, after) = (vec![Value::Int(1), text("b")], self.tick());
            self.heap.push(row.clone());
            self.made.commit(after, &[], &[(self.bag.clone(), Change::Insert(row))]).await;
        }
        let rows: Vec<Row> = self.rows.values().cloned().collect();
        let t = self.t.clone();
        self.made.retake(&t, &rows).await;
    }

    /// Everything is lost, and read again under new ids.
    async fn gap(&mut self) {
        let old = [&self.t, &self.bag, &self.parent, &self.child].map(|t| (t.id, t.name.clone()));
        let (lost, known) = (self.made.seq().next(), self.made.seq().next().next());
        let mut w = self.made.writer();
        let why = |(id, name): &(TableId, TableName)| SchemaChange::Uncertain {
            id: *id,
            name: name.clone(),
            why: "lost".into(),
        };
        let unknown: Vec<_> = old.iter().map(why).collect();
        let after = self.tick();
        self.made.add(&mut w, after, &unknown, &[]);
        w.gap(Gap { seq: lost, why: "a test lost it".into() });
        let mut again = |t: &Arc<TableSchema>| {
            self.next_id += 1;
            Arc::new(TableSchema { id: TableId(self.next_id - 1), ..TableSchema::clone(t) })
        };
        (self.t, self.bag, self.parent, self.child) =
            (again(&self.t), again(&self.bag), again(&self.parent), again(&self.child));
        let mut changes: Vec<_> = old.iter().map(|(id, _)| SchemaChange::TableDropped { id: *id }).collect();
        for t in [&self.t, &self.bag, &self.parent, &self.child] {
            changes.push(SchemaChange::Table { schema: t.clone() });
            changes.push(SchemaChange::Uncertain { id: t.id, name: t.name.clone(), why: "not yet".into() });
        }
        let after = self.tick();
        self.made.add(&mut w, after, &changes, &[]);
        assert_eq!(self.made.seq(), known);
        self.made.put(w, None, false, false).await;
        let family: Vec<Row> = self.parents.iter().map(|p| vec![Value::Int(*p), Value::Int(*p)]).collect();
        self.children += 100_000;
        let parents: Vec<Row> = self.parents.iter().map(|p| vec![Value::Int(*p)]).collect();
        let rows: Vec<Row> = self.rows.values().cloned().collect();
        let bases = [
            (self.t.clone(), rows),
            (self.bag.clone(), self.heap.clone()),
            (self.parent.clone(), parents),
            (self.child.clone(), family),
        ];
        for (schema, rows) in &bases {
            self.made.retake(schema, rows).await;
        }
    }

    /// A heartbeat.
    async fn idle(&mut self) {
        self.now += self.rng.f64();
        let w = self.made.writer();
        self.made.put(w, Some(self.now), false, false).await;
    }
}

fn text(v: &str) -> Value {
    Value::Text(v.into())
}

/// Times at, between and around all commits of such a history.
pub fn times(upto: f64) -> Vec<Micros> {
    (0..(upto as i64 + 3) * 4).map(|n| Micros(START + n * SECOND / 4)).collect()
}
