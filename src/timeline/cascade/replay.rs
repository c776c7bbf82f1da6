//! What did the server do to the rows that may be concerned? Everything that is known of them once more, in its order.

use super::gather::{Fact, Instance, Key, Origin, Referred, Wanted, reference};
use super::graph::{Graph, Link};
use crate::error::{Error, Result};
use crate::model::{ColumnId, ColumnType, Reaction, Seq, TableId, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The server follows foreign keys so deep within one change. Source: FK_MAX_CASCADE_DEL in MariaDB's fil0fil.h.
const MAX_DEPTH: usize = 15;

/// A row as it stands at some point.
#[derive(Debug, Clone, PartialEq)]
pub struct Live {
    pub instance: usize,
    pub origin: Origin,
    /// Of the columns that matter.
    values: Vec<Value>,
    /// Columns that foreign keys have changed since the row was written, and their types.
    pub set: BTreeMap<ColumnId, (ColumnType, Value)>,
}

/// Of each row that foreign keys changed: what they made of it after which commit (`None`: it is gone). What a logged
/// change of the same commit replaced is not there.
pub type Trail = HashMap<Key, BTreeMap<Seq, Option<Live>>>;

#[derive(Default)]
struct State {
    rows: HashMap<Key, Live>,
    /// Per slot: the rows that refer to something.
    referring: Vec<HashMap<Vec<u8>, BTreeSet<Key>>>,
}

enum Event<'a> {
    Logged { instance: usize, key: &'a Key, change: &'a super::gather::Logged },
    Fact(&'a Fact),
}

/// What a foreign key demands of the rows that refer to one row.
struct Demand<'a> {
    /// Where they stand, and the slot of the columns by which they refer.
    instance: usize,
    slot: usize,
    seq: Seq,
    /// The values that they refer to, and those in their place (`None`: the row is gone).
    before: &'a [Value],
    after: Option<&'a [Value]>,
    reaction: Reaction,
    /// How many changes led to this one.
    depth: usize,
}

pub struct Replay<'a> {
    graph: &'a Graph,
    instances: &'a [Instance],
    states: Vec<State>,
    /// What would have been needed, per instance.
    pub wanted: Vec<Wanted>,
    target: TableId,
    pub trail: Trail,
}

impl<'a> Replay<'a> {
    pub fn new(graph: &'a Graph, instances: &'a [Instance], target: TableId, wanted: Vec<Wanted>) -> Self {
        let states = instances
            .iter()
            .map(|i| State { rows: HashMap::new(), referring: vec![HashMap::new(); i.slots.len()] })
            .collect();
        Self { graph, instances, states, wanted, target, trail: Trail::new() }
    }

    /// Runs through all that was logged. Errors: `Corrupt` when that cannot have happened.
    pub fn run(&mut self, facts: &'a [Fact]) -> Result<()> {
        for (i, instance) in self.instances.iter().enumerate() {
            for (key, (origin, values)) in &instance.rows {
                let live = Live { instance: i, origin: *origin, values: values.clone(), set: BTreeMap::new() };
                self.put(i, key.clone(), live);
            }
        }
        for event in self.events(facts) {
            match event {
                Event::Fact(fact) => self.act(fact.parent, fact.seq, &fact.old, fact.new.as_deref(), 0)?,
                Event::Logged { instance, key, change } => {
                    self.take(instance, key);
                    if self.instances[instance].table == self.target
                        && let Some(versions) = self.trail.get_mut(key)
                    {
                        versions.remove(&change.seq);
                    }
                    if let Some(values) = &change.values {
                        let origin = Origin::Change { section: change.section, row: change.row };
                        let live = Live { instance, origin, values: values.clone(), set: BTreeMap::new() };
                        self.put(instance, key.clone(), live);
                    }
                }
            }
        }
        self.trail.retain(|_, versions| !versions.is_empty());
        Ok(())
    }

    /// In the order in which it happened. A change of a key is logged as a delete and an insert; what hangs on a row
    /// is done right after the row's own change.
    fn events(&self, facts: &'a [Fact]) -> Vec<Event<'a>> {
        let mut events: Vec<((Seq, u64, u8), Event<'a>)> = Vec::new();
        for fact in facts {
            events.push(((fact.seq, fact.order, 2), Event::Fact(fact)));
        }
        for (i, instance) in self.instances.iter().enumerate() {
            for (key, changes) in &instance.logged {
                for change in changes {
                    let phase = u8::from(change.values.is_some());
                    events.push(((change.seq, change.order, phase), Event::Logged { instance: i, key, change }));
                }
            }
        }
        events.sort_by_key(|(at, _)| *at);
        events.into_iter().map(|(_, event)| event).collect()
    }

    /// A row of `parent` went, or has new values (of the same columns as `old`).
    fn act(
        &mut self,
        parent: TableId,
        seq: Seq,
        old: &[(ColumnId, Value)],
        new: Option<&[(ColumnId, Value)]>,
        depth: usize,
    ) -> Result<()> {
        let graph = self.graph;
        for link in graph.links.iter().filter(|l| l.parent == parent && l.holds(seq)) {
            let instance = self.instances.iter().position(|i| i.table == link.child && i.covers(seq));
            let Some(i) = instance else { continue };
            let demands = if new.is_some() { link.on_update } else { link.on_delete };
            if let Some(problem) = link.problem.as_ref().filter(|_| demands != Reaction::Nothing) {
                return Err(problem.clone());
            }
            if demands == Reaction::Nothing {
                continue;
            }
            let (instance, missing) = (&self.instances[i], || lacking(link));
            let slot = instance.slot(link).ok_or_else(missing)?;
            let of = |side: &[(ColumnId, Value)]| {
                let find = |(_, id): &(ColumnId, ColumnId)| side.iter().find(|(c, _)| c == id).map(|(_, v)| v.clone());
                link.columns.iter().map(find).collect::<Option<Vec<Value>>>()
            };
            let before = of(old).ok_or_else(missing)?;
            let after = new.map(|new| of(new).ok_or_else(missing)).transpose()?;
            if after.as_ref() == Some(&before) {
                continue;
            }
            let columns = instance.slots[slot].iter().map(|at| &instance.schema.columns[*at]);
            let reference = match reference(columns.zip(&before)) {
                Referred::Nothing => continue,
                Referred::To(reference) => reference,
                Referred::Unknown => return Err(instance.unknown_reference()),
            };
            let keys = self.states[i].referring[slot].get(&reference).cloned().unwrap_or_default();
            self.wanted[i].references[slot].insert(reference.clone());
            if !keys.is_empty() && depth >= MAX_DEPTH {
                return Err(lacking(link));
            }
            let (before, after) = (before.as_slice(), after.as_deref());
            let demand = Demand { instance: i, slot, seq, before, after, reaction: demands, depth };
            for key in keys {
                // what hangs on an earlier row may have reached this one
                let still = self.states[i].referring[slot].get(&reference).is_some_and(|k| k.contains(&key));
                if still {
                    self.react(&key, &demand)?;
                }
            }
        }
        Ok(())
    }

    /// Does to one row what a foreign key demands, and to those that hang on it.
    fn react(&mut self, key: &Key, demand: &Demand<'_>) -> Result<()> {
        let Demand { instance: i, slot, seq, before, after, reaction, depth } = *demand;
        let Some(mut live) = self.take(i, key) else { return Ok(()) };
        let instance = &self.instances[i];
        let (table, old) = (instance.table, named(instance, &live.values));
        if reaction == Reaction::Cascade && after.is_none() {
            self.note(i, key, seq, None);
            return self.act(table, seq, &old, None, depth + 1);
        }
        for (n, at) in instance.slots[slot].iter().enumerate() {
            let value = match (reaction, after) {
                (Reaction::Cascade, Some(after)) if after[n] == before[n] => continue,
                (Reaction::Cascade, Some(after)) => after[n].clone(),
                _ => Value::Null,
            };
            let column = &instance.schema.columns[*at];
            let value = match (value, &column.kind) {
                (Value::Text(text), ColumnType::Char { .. }) => Value::Text(text.trim_end_matches(' ').to_string()),
                (value, _) => value,
            };
            live.set.insert(column.id, (column.kind.clone(), value.clone()));
            live.values[*at] = value;
        }
        let moved = instance.key(&live.values)?;
        let new = named(instance, &live.values);
        if moved != *key {
            self.note(i, key, seq, None);
            self.wanted[i].keys.insert(moved.clone());
        }
        self.note(i, &moved, seq, Some(live.clone()));
        self.put(i, moved, live);
        self.act(table, seq, &old, Some(&new), depth + 1)
    }

    fn note(&mut self, i: usize, key: &Key, seq: Seq, live: Option<Live>) {
        if self.instances[i].table == self.target {
            self.trail.entry(key.clone()).or_default().insert(seq, live);
        }
    }

    fn put(&mut self, i: usize, key: Key, live: Live) {
        let state = &mut self.states[i];
        for (slot, referring) in state.referring.iter_mut().enumerate() {
            // where nothing is looked for in this slot, what is not known does not matter; else gathering says so
            if let Referred::To(reference) = self.instances[i].reference(slot, &live.values) {
                referring.entry(reference).or_default().insert(key.clone());
            }
        }
        state.rows.insert(key, live);
    }

    fn take(&mut self, i: usize, key: &Key) -> Option<Live> {
        let state = &mut self.states[i];
        let live = state.rows.remove(key)?;
        for (slot, referring) in state.referring.iter_mut().enumerate() {
            if let Referred::To(reference) = self.instances[i].reference(slot, &live.values)
                && let Some(keys) = referring.get_mut(&reference)
            {
                keys.remove(key);
                if keys.is_empty() {
                    referring.remove(&reference);
                }
            }
        }
        Some(live)
    }
}

fn named(instance: &Instance, values: &[Value]) -> Vec<(ColumnId, Value)> {
    instance.ids().zip(values.iter().cloned()).collect()
}

/// The server would have refused such a change, or the capture would have told more of it.
fn lacking(link: &Link) -> Error {
    Error::corrupt(
        format!("the history of table {}", link.child_schema.name),
        format!(
            "what foreign key {} changed does not follow from the changes of {}",
            link.order, link.parent_schema.name
        ),
    )
}
