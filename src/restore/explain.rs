//! How is a plan told to people?

use super::encode::Way;
use super::plan::{Plan, Replaced};
use crate::model::ObjectKind;

/// A row of EXPLAIN RESTORE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// 1, 2, 3, …
    pub number: u64,
    /// `create database`, `load table`, …
    pub action: &'static str,
    /// What it makes or changes on the target.
    pub object: String,
    pub detail: String,
}

impl Plan {
    /// For EXPLAIN RESTORE: what `run` will do, in order; then the notes.
    pub fn steps(&self) -> Vec<Step> {
        let mut steps = Steps(Vec::new());
        self.staging(&mut steps);
        match self.merge.is_some() {
            true => self.merging(&mut steps),
            false => self.moving(&mut steps),
        }
        for object in &self.objects {
            let key = &object.object.key;
            let detail = match &object.object.table {
                Some(table) => format!("on {table}"),
                None if object.replaces => "in the place of the one that is there".into(),
                None => String::new(),
            };
            steps.push(create(key.kind), format!("{}.{}", key.database, key.name), detail);
        }
        for Replaced { to, .. } in self.replaced.iter().filter(|r| r.view) {
            steps.push("drop view", to.to_string(), "was replaced".into());
        }
        for database in &self.databases {
            for name in database.replaced.iter() {
                steps.push("drop database", name.clone(), "holds what was replaced".into());
            }
            for name in database.stage.iter() {
                steps.push("drop database", name.clone(), "empty by then".into());
            }
        }
        for note in &self.notes {
            steps.push("note", String::new(), note.clone());
        }
        steps.0
    }

    fn staging(&self, steps: &mut Steps) {
        for database in &self.databases {
            for stage in database.stage.iter() {
                steps.push("create database", stage.clone(), format!("to stage tables of {}", database.name));
            }
        }
        let way = match self.way {
            Way::Infile => "LOAD DATA",
            Way::Insert { .. } => "INSERT",
        };
        for table in &self.tables {
            let keys = match table.staged.keys.len() {
                0 => String::new(),
                1 => ", then 1 key".to_string(),
                n => format!(", then {n} keys"),
            };
            let rows = self.request.rows.as_ref().map(|r| format!("rows WHERE {}, ", r.predicate)).unwrap_or_default();
            let detail = format!("{rows}as {}, by {way}{keys}; then read back and compared", table.stage);
            steps.push("load table", table.schema.name.to_string(), detail);
        }
        for table in self.tables.iter().filter(|t| self.merge.is_none() && !t.staged.foreign_keys.is_empty()) {
            let n = table.staged.foreign_keys.len();
            steps.push("add foreign keys", table.schema.name.to_string(), format!("{n}, not checked row by row"));
        }
    }

    fn merging(&self, steps: &mut Steps) {
        for table in &self.tables {
            let name = table.schema.name.to_string();
            let all = "in one transaction; then read back and compared";
            match self.options().replace {
                true => steps.push("update rows", name.clone(), format!("those of the same primary key, {all}")),
                false => {
                    steps.push("look for rows", name.clone(), "one of the same primary key ends the restore".into())
                }
            }
            steps.push("insert rows", name, format!("the others, {all}"));
        }
    }

    fn moving(&self, steps: &mut Steps) {
        for database in &self.databases {
            if !database.exists {
                steps.push("create database", database.name.clone(), "the target does not have it".into());
            }
            for name in database.replaced.iter() {
                steps.push("create database", name.clone(), "for what is replaced".into());
            }
        }
        for trigger in &self.old_triggers {
            steps.push("drop trigger", trigger.to_string(), "of a table that is replaced".into());
        }
        for Replaced { name, to, .. } in &self.replaced {
            steps.push("rename", name.to_string(), format!("to {to}, out of the way"));
        }
        for table in &self.tables {
            let detail = format!("from {}, in one statement with all renames", table.stage);
            steps.push("rename", table.schema.name.to_string(), detail);
        }
    }
}

struct Steps(Vec<Step>);

impl Steps {
    fn push(&mut self, action: &'static str, object: String, detail: String) {
        self.0.push(Step { number: self.0.len() as u64 + 1, action, object, detail });
    }
}

fn create(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::View => "create view",
        ObjectKind::Trigger => "create trigger",
        ObjectKind::Procedure => "create procedure",
        ObjectKind::Function => "create function",
        ObjectKind::Event => "create event",
        ObjectKind::Grant => "grant",
    }
}
