//! ALTER TABLE, applied to a table's parts.
//!
//! Within one statement, what names an existing column means its name before the statement: two columns may swap
//! names. So existing keys and constraints keep the old names until the end, when all renames take place at once.

use super::column::{column_def, default_clause};
use super::create::table_option;
use super::effect::{changed_rows, missing_as, missing_value, renamed_expression};
use super::keys::{constraint, finish};
use super::lex::{Parser, Read, Unread};
use super::partition::{Moved, Partitions};
use super::table::{KeyDef, KeyKind, TableDef, same_name};
use crate::model::ColumnId;

/// Options that change no row.
const OPTIONS: [&str; 35] = [
    "AUTOEXTEND_SIZE",
    "ENCRYPTION",
    "ENGINE_ATTRIBUTE",
    "SECONDARY_ENGINE_ATTRIBUTE",
    "TABLESPACE",
    "ENGINE",
    "TYPE",
    "AUTO_INCREMENT",
    "AVG_ROW_LENGTH",
    "CHECKSUM",
    "TABLE_CHECKSUM",
    "COMMENT",
    "CONNECTION",
    "DATA",
    "DELAY_KEY_WRITE",
    "ENCRYPTED",
    "ENCRYPTION_KEY_ID",
    "INDEX",
    "INSERT_METHOD",
    "KEY_BLOCK_SIZE",
    "MAX_ROWS",
    "MIN_ROWS",
    "PACK_KEYS",
    "PAGE_CHECKSUM",
    "PAGE_COMPRESSED",
    "PAGE_COMPRESSION_LEVEL",
    "PASSWORD",
    "ROW_FORMAT",
    "STATS_AUTO_RECALC",
    "STATS_PERSISTENT",
    "STATS_SAMPLE_PAGES",
    "TRANSACTIONAL",
    "COLLATE",
    "CHARACTER",
    "CHARSET",
];

/// What an ALTER TABLE does to a table.
pub struct Altered {
    pub def: TableDef,
    /// RENAME TO.
    pub rename: Option<(Option<String>, String)>,
    /// Columns that have another name now: old, new.
    pub columns: Vec<(String, String)>,
    /// Why its rows are not known afterwards; fits behind "because". The parts are a guess then.
    pub uncertain: Option<String>,
    pub moved: Moved,
}

/// Reads the specifications, from the first after the table's name. `ignore`: ALTER IGNORE.
pub fn alter(p: &mut Parser<'_>, def: TableDef, table: &str, ignore: bool) -> Altered {
    let original: Vec<(String, ColumnId)> =
        def.columns.iter().filter_map(|c| c.id.map(|id| (c.name.clone(), id))).collect();
    let primary = key_ids(&def);
    let (old_foreign, old_checks) = (def.foreign.len(), def.checks.len());
    let mut a = Alteration {
        old_keys: Vec::new(),
        original,
        renames: Vec::new(),
        old_foreign,
        old_checks,
        def,
        rename: None,
        uncertain: None,
        moved: Moved::default(),
        table: table.to_string(),
    };
    a.old_keys = std::mem::take(&mut a.def.keys);
    if ignore {
        a.doubt("ALTER IGNORE may have left out rows");
    }
    if let Err(e) = a.specifications(p) {
        a.doubt(&format!("the statement cannot be read: {}", e.0));
    }
    a.close();
    if a.uncertain.is_none() && key_ids(&a.def) != primary {
        a.doubt("it changes the primary key");
    }
    Altered { def: a.def, rename: a.rename, columns: a.renames, uncertain: a.uncertain, moved: a.moved }
}

/// The primary key's columns by identity.
fn key_ids(def: &TableDef) -> Vec<Option<ColumnId>> {
    let parts = def.primary().map(|k| k.parts.as_slice()).unwrap_or_default();
    parts.iter().map(|p| def.position(&p.column).and_then(|at| def.columns.get(at)?.id)).collect()
}

struct Alteration {
    table: String,
    /// Its `keys` are only the new ones until `close`.
    def: TableDef,
    old_keys: Vec<KeyDef>,
    /// How many of `def.foreign` and `def.checks` were there before.
    old_foreign: usize,
    old_checks: usize,
    /// Names before the statement.
    original: Vec<(String, ColumnId)>,
    renames: Vec<(String, String)>,
    rename: Option<(Option<String>, String)>,
    uncertain: Option<String>,
    moved: Moved,
}

impl Alteration {
    fn doubt(&mut self, why: &str) {
        self.uncertain.get_or_insert_with(|| why.to_string());
    }

    /// Where the column is that had this name before the statement.
    fn existing(&self, name: &str) -> Read<usize> {
        let missing = || Unread::new(format!("column {name} is not known"));
        let id = self.original.iter().find(|(n, _)| same_name(n, name)).map(|(_, id)| *id).ok_or_else(missing)?;
        self.def.columns.iter().position(|c| c.id == Some(id)).ok_or_else(missing)
    }

    fn has(&self, name: &str) -> bool {
        self.existing(name).is_ok()
    }

    fn specifications(&mut self, p: &mut Parser<'_>) -> Read<()> {
        while !p.done() {
            if p.takes_sign(',') {
                continue;
            }
            if p.takes(&["ADD"]) {
                self.add(p)?;
            } else if p.takes(&["DROP"]) {
                self.drop_part(p)?;
            } else if p.takes(&["CHANGE"]) {
                p.takes(&["COLUMN"]);
                let skip = p.takes(&["IF", "EXISTS"]);
                let (old, new) = (p.name()?, p.name()?);
                self.modify(p, &old, new, skip)?;
            } else if p.takes(&["MODIFY"]) {
                p.takes(&["COLUMN"]);
                let skip = p.takes(&["IF", "EXISTS"]);
                let name = p.name()?;
                let spelled = self.existing(&name).ok().and_then(|at| Some(self.def.columns.get(at)?.name.clone()));
                self.modify(p, &name, spelled.unwrap_or(name.clone()), skip)?;
            } else if p.takes(&["RENAME"]) {
                self.rename(p)?;
            } else if p.takes(&["ALTER"]) {
                self.alter_column(p)?;
            } else {
                self.other(p)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, p: &mut Parser<'_>) -> Read<()> {
        if p.takes(&["PARTITION"]) {
            p.takes(&["IF", "NOT", "EXISTS"]);
            p.takes_any(&["NO_WRITE_TO_BINLOG", "LOCAL"]);
            return self.partitions(p, Partitions::add);
        }
        if p.sees(&["SYSTEM", "VERSIONING"]) || p.sees(&["PERIOD", "FOR"]) {
            self.doubt("it changes system versioning");
            p.skip_item();
            return Ok(());
        }
        let column = p.takes(&["COLUMN"]);
        if !column && self.add_constraint(p)? {
            return Ok(());
        }
        let skip = p.takes(&["IF", "NOT", "EXISTS"]);
        if !p.takes_sign('(') {
            return self.add_column(p, skip);
        }
        loop {
            if !constraint(p, &mut self.def, &self.table)? {
                self.add_column(p, skip)?;
            }
            if !p.takes_sign(',') {
                return p.sign(')');
            }
        }
    }

    fn add_constraint(&mut self, p: &mut Parser<'_>) -> Read<bool> {
        let (keys, foreign) = (self.def.keys.len(), self.def.foreign.len());
        let start = p.mark();
        if !constraint(p, &mut self.def, &self.table)? {
            return Ok(false);
        }
        // IF NOT EXISTS of something that is there does nothing
        if p.text(start, p.mark()).to_uppercase().contains("IF NOT EXISTS") {
            let known = |k: &KeyDef| self.old_keys.iter().any(|o| same_name(&o.name, &k.name));
            if self.def.foreign.len() == foreign && self.def.keys.get(keys).is_some_and(known) {
                self.def.keys.truncate(keys);
            }
        }
        Ok(true)
    }

    fn add_column(&mut self, p: &mut Parser<'_>, skip_existing: bool) -> Read<()> {
        let keys = self.def.keys.len();
        let name = p.name()?;
        let mut column = column_def(p, name, &mut self.def)?;
        column.resolve(&self.def.collation.clone());
        let there = self.def.position(&column.name).is_some();
        let at = self.place(p)?;
        if there {
            self.def.keys.truncate(keys);
            return if skip_existing {
                Ok(())
            } else {
                Err(Unread::new(format!("column {} is there already", column.name)))
            };
        }
        match missing_value(&column) {
            Ok(value) => column.missing = value,
            Err(why) => self.doubt(&why),
        }
        let at = at.unwrap_or(self.def.columns.len());
        self.def.columns.insert(at.min(self.def.columns.len()), column);
        Ok(())
    }

    /// FIRST or AFTER: the position.
    fn place(&mut self, p: &mut Parser<'_>) -> Read<Option<usize>> {
        if p.takes(&["FIRST"]) {
            return Ok(Some(0));
        }
        if !p.takes(&["AFTER"]) {
            return Ok(None);
        }
        let name = p.name()?;
        let at = self.def.position(&name).map_or_else(|| self.existing(&name), Ok)?;
        Ok(Some(at + 1))
    }

    fn drop_part(&mut self, p: &mut Parser<'_>) -> Read<()> {
        if p.takes(&["PARTITION"]) {
            self.doubt("it drops partitions");
            p.rest();
        } else if p.takes(&["SYSTEM", "VERSIONING"]) || p.takes(&["PERIOD"]) {
            self.doubt("it changes system versioning");
            p.skip_item();
        } else if p.takes(&["PRIMARY", "KEY"]) {
            self.old_keys.retain(|k| k.kind != KeyKind::Primary);
        } else if p.takes_any(&["INDEX", "KEY"]) {
            let (skip, name) = (p.takes(&["IF", "EXISTS"]), p.name()?);
            self.drop_key(&name, skip)?;
        } else if p.takes(&["FOREIGN", "KEY"]) {
            let (skip, name) = (p.takes(&["IF", "EXISTS"]), p.name()?);
            if !self.drop_foreign(&name) && !skip {
                return Err(Unread::new(format!("foreign key {name} is not known")));
            }
        } else if p.takes_any(&["CONSTRAINT", "CHECK"]) {
            let (skip, name) = (p.takes(&["IF", "EXISTS"]), p.name()?);
            let checks = self.def.checks.len();
            self.def.checks.retain(|c| !same_name(&c.name, &name));
            self.old_checks -= checks - self.def.checks.len();
            if checks == self.def.checks.len() && !self.drop_foreign(&name) {
                self.drop_key(&name, skip)?;
            }
        } else {
            p.takes(&["COLUMN"]);
            let (skip, name) = (p.takes(&["IF", "EXISTS"]), p.name()?);
            p.takes_any(&["RESTRICT", "CASCADE"]);
            if skip && !self.has(&name) {
                return Ok(());
            }
            let at = self.existing(&name)?;
            let name = self.def.columns.remove(at).name;
            for key in &mut self.old_keys {
                key.parts.retain(|p| !same_name(&p.column, &name));
            }
            self.old_keys.retain(|k| !k.parts.is_empty());
        }
        Ok(())
    }

    /// A change of the partitions that moves rows among them only.
    fn partitions(
        &mut self,
        p: &mut Parser<'_>,
        change: impl FnOnce(&mut Partitions, &mut Parser<'_>) -> Read<()>,
    ) -> Read<()> {
        let mut partitions = Partitions::of(&self.def.partition)?;
        change(&mut partitions, p)?;
        self.def.partition = partitions.text();
        Ok(())
    }

    fn drop_key(&mut self, name: &str, skip_missing: bool) -> Read<()> {
        let before = self.old_keys.len();
        self.old_keys
            .retain(|k| !(same_name(&k.name, name) || k.kind == KeyKind::Primary && same_name(name, "PRIMARY")));
        if before == self.old_keys.len() && !skip_missing {
            return Err(Unread::new(format!("key {name} is not known")));
        }
        Ok(())
    }

    fn drop_foreign(&mut self, name: &str) -> bool {
        let before = self.def.foreign.len();
        self.def.foreign.retain(|f| !same_name(&f.name, name));
        self.old_foreign -= before - self.def.foreign.len();
        before != self.def.foreign.len()
    }

    /// CHANGE and MODIFY.
    fn modify(&mut self, p: &mut Parser<'_>, old: &str, new: String, skip_missing: bool) -> Read<()> {
        let mut column = column_def(p, new, &mut self.def)?;
        column.resolve(&self.def.collation.clone());
        if skip_missing && !self.has(old) {
            return self.place(p).map(drop);
        }
        let at = self.existing(old)?;
        let before = self.def.columns.get(at).cloned().ok_or_else(|| p.unexpected("a column"))?;
        if let Some(why) = changed_rows(&before, &column, self.old_keys.iter().find(|k| k.kind == KeyKind::Primary)) {
            self.doubt(&why);
        }
        column.id = before.id;
        if let Some(text) = &before.missing {
            column.missing = missing_as(text, &before.kind, &column.kind);
            if column.missing.is_none() {
                self.doubt(&format!("what older rows have in column {} cannot be kept", before.name));
            }
        }
        if before.name != column.name {
            self.renames.push((before.name, column.name.clone()));
        }
        self.def.columns.remove(at);
        let to = self.place(p)?.unwrap_or(at);
        self.def.columns.insert(to.min(self.def.columns.len()), column);
        Ok(())
    }

    fn rename(&mut self, p: &mut Parser<'_>) -> Read<()> {
        if p.takes(&["COLUMN"]) {
            let skip = p.takes(&["IF", "EXISTS"]);
            let old = p.name()?;
            p.words(&["TO"])?;
            let new = p.name()?;
            if skip && !self.has(&old) {
                return Ok(());
            }
            let at = self.existing(&old)?;
            if let Some(column) = self.def.columns.get_mut(at) {
                self.renames.push((column.name.clone(), new.clone()));
                column.name = new;
            }
        } else if p.takes_any(&["INDEX", "KEY"]) {
            let skip = p.takes(&["IF", "EXISTS"]);
            let old = p.name()?;
            p.words(&["TO"])?;
            let new = p.name()?;
            match self.old_keys.iter_mut().find(|k| same_name(&k.name, &old)) {
                Some(key) => key.name = new,
                None if skip => {}
                None => return Err(Unread::new(format!("key {old} is not known"))),
            }
        } else {
            if !p.takes_any(&["TO", "AS"]) {
                p.takes_sign('=');
            }
            self.rename = Some(p.qualified()?);
        }
        Ok(())
    }

    fn alter_column(&mut self, p: &mut Parser<'_>) -> Read<()> {
        if p.takes_any(&["INDEX", "KEY"]) {
            p.takes(&["IF", "EXISTS"]);
            let name = p.name()?;
            let ignored = !p.takes(&["NOT"]) && (p.sees(&["IGNORED"]) || p.sees(&["INVISIBLE"]));
            p.skip();
            if let Some(key) = self.old_keys.iter_mut().find(|k| same_name(&k.name, &name)) {
                key.options = key.options.replace(" IGNORED", "") + if ignored { " IGNORED" } else { "" };
            }
            return Ok(());
        }
        p.takes(&["COLUMN"]);
        let skip = p.takes(&["IF", "EXISTS"]);
        let name = p.name()?;
        let default = if p.takes(&["SET", "DEFAULT"]) {
            Some(default_clause(p)?)
        } else {
            p.words(&["DROP", "DEFAULT"])?;
            None
        };
        if skip && !self.has(&name) {
            return Ok(());
        }
        let at = self.existing(&name)?;
        if let Some(column) = self.def.columns.get_mut(at) {
            column.default = default;
        }
        Ok(())
    }

    fn other(&mut self, p: &mut Parser<'_>) -> Read<()> {
        if p.takes_any(&["ALGORITHM", "LOCK"]) {
            p.takes_sign('=');
            p.skip();
        } else if p.takes(&["WAIT"]) {
            p.number()?;
        } else if p.takes_any(&["NOWAIT", "FORCE"])
            || [["WITH", "VALIDATION"], ["WITHOUT", "VALIDATION"], ["ENABLE", "KEYS"], ["DISABLE", "KEYS"]]
                .iter()
                .any(|words| p.takes(words))
        {
        } else if p.takes(&["ORDER", "BY"]) {
            p.rest();
        } else if p.takes(&["CONVERT", "TO"]) {
            self.doubt("it converts the table to another charset");
            p.skip_item();
        } else if p.sees(&["PARTITION", "BY"]) {
            self.def.partition = p.rest();
        } else if p.takes(&["REMOVE", "PARTITIONING"]) {
            self.def.partition.clear();
        } else if p.takes(&["REORGANIZE", "PARTITION"]) {
            p.takes_any(&["NO_WRITE_TO_BINLOG", "LOCAL"]);
            if !p.done() && !p.sees_sign(',') {
                self.partitions(p, Partitions::reorganize)?;
            }
        } else if p.takes(&["COALESCE", "PARTITION"]) {
            p.takes_any(&["NO_WRITE_TO_BINLOG", "LOCAL"]);
            self.partitions(p, Partitions::coalesce)?;
        } else if let Some(doubt) = self.moved.read(p)? {
            if !doubt.is_empty() {
                self.doubt(doubt);
            }
            p.rest();
        } else if p.takes(&["DEFAULT"]) || OPTIONS.iter().any(|o| p.sees(&[o])) {
            table_option(p, &mut self.def)?;
        } else {
            return Err(p.unexpected("a change that pcloud follows"));
        }
        Ok(())
    }

    /// Renames and names, as the server does them when the statement is through.
    fn close(&mut self) {
        let renames = std::mem::take(&mut self.renames);
        let renamed = |name: &mut String| {
            if let Some((_, new)) = renames.iter().find(|(old, _)| same_name(old, name)) {
                *name = new.clone();
            }
        };
        self.old_keys.iter_mut().flat_map(|k| &mut k.parts).for_each(|p| renamed(&mut p.column));
        let table = &self.table;
        for f in self.def.foreign.iter_mut().take(self.old_foreign) {
            f.columns.iter_mut().for_each(renamed);
            if f.parent.0.is_none() && same_name(&f.parent.1, table) {
                f.parent_columns.iter_mut().for_each(renamed);
            }
        }
        if !renames.is_empty() {
            for c in self.def.checks.iter_mut().take(self.old_checks) {
                c.expression = renamed_expression(&c.expression, &renames);
            }
            for check in self.def.columns.iter_mut().filter(|c| c.id.is_some()).filter_map(|c| c.check.as_mut()) {
                *check = renamed_expression(check, &renames);
            }
            for (_, made) in self.def.columns.iter_mut().filter(|c| c.id.is_some()).filter_map(|c| c.generated.as_mut())
            {
                *made = renamed_expression(made, &renames);
            }
            if let Ok(mut partitions) = Partitions::of(&self.def.partition) {
                partitions.rename(&renames);
                self.def.partition = partitions.text();
            }
        }
        self.renames = renames;
        let new = std::mem::replace(&mut self.def.keys, std::mem::take(&mut self.old_keys));
        self.def.keys.extend(new);
        finish(&mut self.def, &self.table);
    }
}
