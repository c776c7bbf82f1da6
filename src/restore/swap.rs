//! Into place: one RENAME TABLE, then what belongs to the tables.

use super::plan::{ObjectPlan, Plan, Replaced};
use super::progress::{Phase, Progress};
use super::sink::{Answer, Connection, SinkError, Target, quoted};
use super::undo::{Undo, drop_stages, is_there, undo};
use crate::error::{Error, Kind, Result};
use crate::model::{ObjectKind, TableName, quote_name};

/// Moves all into place. On an error the target is as it was, or the error says what is not.
/// Returns what the target warned of.
pub async fn swap(plan: &Plan, target: &Target, progress: &Progress) -> Result<Vec<String>> {
    let mut change = Change { plan, done: Vec::new(), warnings: Vec::new() };
    progress.enter(Phase::Moving);
    let made = change.make(target, progress).await;
    let Err(mut error) = made else { return Ok(change.warnings) };
    progress.enter(Phase::CleaningUp);
    // what could not be taken back may need the staging databases
    let left = match undo(target, &change.done).await {
        Ok(()) => drop_stages(plan, target).await,
        left => left,
    };
    if let Err(left) = left {
        error.message = format!("{}; {left}", error.message);
    }
    Err(error)
}

struct Change<'a> {
    plan: &'a Plan,
    /// In the order in which they were made.
    done: Vec<Undo>,
    warnings: Vec<String>,
}

impl Change<'_> {
    async fn make(&mut self, target: &Target, progress: &Progress) -> Result<()> {
        let connected = target.connection().await;
        let mut connection = connected.map_err(|e| e.about("moving into place"))?;
        self.databases(&mut connection).await?;
        self.old_triggers(&mut connection).await?;
        self.rename(&mut connection).await?;
        self.stray_keys(&mut connection).await?;
        progress.enter(Phase::Objects);
        self.old_programs(&mut connection).await?;
        self.objects(&mut connection).await?;
        for table in &self.plan.tables {
            let name = &table.schema.name;
            if !is_there(&mut connection, name).await.map_err(|e| e.about(format!("table {name}")))? {
                return Err(Error::internal(format!("table {name} was moved into place and is not there")));
            }
        }
        target.give_back(connection);
        Ok(())
    }

    /// Runs a statement whose undoing is known beforehand and harmless if it was not carried out.
    async fn run(&mut self, connection: &mut Connection, sql: &str, undo: Undo) -> Result<Answer, SinkError> {
        let result = connection.run(sql).await;
        // when the server refused, there is nothing to take back, and what bears that name is not ours
        if !matches!(result, Err(SinkError::Server { .. })) {
            self.done.push(undo);
        }
        result
    }

    async fn databases(&mut self, connection: &mut Connection) -> Result<()> {
        for database in &self.plan.databases {
            let about = |name: &str| format!("creating database {name}");
            if !database.exists {
                let sql = super::ddl::create_database(&database.create, &database.name)
                    .ok_or_else(|| Error::internal(format!("the kept CREATE DATABASE of {} is lost", database.name)))?;
                let undo = Undo::DropDatabase(database.name.clone());
                self.run(connection, &sql, undo).await.map_err(|e| e.about(about(&database.name)))?;
            }
            if let Some(name) = &database.replaced {
                let sql = format!("CREATE DATABASE {}", quote_name(name));
                let undo = Undo::DropDatabase(name.clone());
                self.run(connection, &sql, undo).await.map_err(|e| e.about(about(name)))?;
            }
        }
        Ok(())
    }

    /// The last first: undone from the list's end, they come back in the order in which they ran.
    async fn old_triggers(&mut self, connection: &mut Connection) -> Result<()> {
        for trigger in self.plan.old_triggers.iter().rev() {
            let about = |e: SinkError| e.about(format!("dropping trigger {trigger}"));
            let show = format!("SHOW CREATE TRIGGER {}", trigger.quoted());
            let count = count("TRIGGER", trigger);
            let again = kept(connection, &show, &trigger.database, 2, count).await.map_err(about)?;
            let sql = format!("DROP TRIGGER {}", trigger.quoted());
            self.run(connection, &sql, again).await.map_err(about)?;
        }
        Ok(())
    }

    async fn rename(&mut self, connection: &mut Connection) -> Result<()> {
        let away = self.plan.replaced.iter().map(|Replaced { name, to, .. }| (name, to));
        let home = self.plan.tables.iter().map(|t| (&t.stage, &t.schema.name));
        let moves: Vec<(&TableName, &TableName)> = away.chain(home).collect();
        let Some((first, _)) = moves.first() else { return Ok(()) };
        let pairs = |list: Vec<(&TableName, &TableName)>| {
            let list: Vec<_> = list.into_iter().map(|(a, b)| format!("{} TO {}", a.quoted(), b.quoted())).collect();
            format!("RENAME TABLE {}", list.join(", "))
        };
        let back = pairs(moves.iter().rev().map(|(a, b)| (*b, *a)).collect());
        let undo = self.move_back(back, first);
        let about = |e: SinkError| {
            let standing: Vec<_> = self.plan.replaced.iter().map(|r| r.name.to_string()).collect();
            match standing.is_empty() {
                true => e.about("moving the tables into place"),
                false => e.about(format!("moving the tables into place of {}", standing.join(", "))),
            }
        };
        let sql = pairs(moves.clone());
        self.run(connection, &sql, undo).await.map(drop).map_err(about)
    }

    /// Whether the renames were made shows in the staged tables; if there are none, in the first that was moved away.
    fn move_back(&self, sql: String, first: &TableName) -> Undo {
        let first = self.plan.tables.first().map_or(first, |t| &t.stage).clone();
        Undo::MoveBack { sql, first }
    }

    /// The plan refused to replace a table that others refer to; a key made since would have followed the old table.
    async fn stray_keys(&mut self, connection: &mut Connection) -> Result<()> {
        let ours = self.plan.databases.iter().flat_map(|d| d.stage.iter().chain(&d.replaced));
        let ours = ours.map(|name| quoted(name)).collect::<Vec<_>>().join(",");
        if ours.is_empty() {
            return Ok(());
        }
        let sql = format!(
            "SELECT CONCAT(CONSTRAINT_SCHEMA, '.', TABLE_NAME) FROM information_schema.REFERENTIAL_CONSTRAINTS \
             WHERE UNIQUE_CONSTRAINT_SCHEMA IN ({ours}) AND CONSTRAINT_SCHEMA NOT IN ({ours})"
        );
        let rows = connection.rows(&sql).await.map_err(|e| e.about("looking for foreign keys"))?;
        match rows.into_iter().flatten().flatten().next() {
            None => Ok(()),
            Some(child) => Err(Error::new(
                Kind::Unsupported,
                format!("on the target {child} refers by a foreign key to a table that is replaced without it"),
            )
            .hint(format!("Name {child} in the RESTORE too, or drop that key first. The target was left as it was."))),
        }
    }

    async fn old_programs(&mut self, connection: &mut Connection) -> Result<()> {
        for object in self.plan.objects.iter().filter(|o| o.replaces) {
            let key = &object.object.key;
            let (kind, name) = (kind(key.kind), TableName::new(&key.database, &key.name));
            let about = |e: SinkError| e.about(format!("dropping {} {name}", kind.to_lowercase()));
            let column = if key.kind == ObjectKind::Event { 3 } else { 2 };
            let show = format!("SHOW CREATE {kind} {}", name.quoted());
            let again = kept(connection, &show, &key.database, column, count(kind, &name)).await.map_err(about)?;
            self.run(connection, &format!("DROP {kind} {}", name.quoted()), again).await.map_err(about)?;
        }
        Ok(())
    }

    /// One may need another (a view a view, a trigger the one that it follows), so those that are refused are tried
    /// again as long as others succeed.
    async fn objects(&mut self, connection: &mut Connection) -> Result<()> {
        let mut waiting: Vec<&ObjectPlan> = self.plan.objects.iter().collect();
        while !waiting.is_empty() {
            let before = waiting.len();
            let (mut refused, mut why) = (Vec::new(), None);
            for object in waiting {
                match self.object(connection, object).await {
                    Ok(()) => {}
                    Err(e @ SinkError::Server { .. }) => {
                        refused.push(object);
                        why = why.or(Some((object, e)));
                    }
                    Err(e) => return Err(e.about(title(object))),
                }
            }
            if let Some((object, error)) = why
                && refused.len() == before
            {
                let option = match object.object.key.kind {
                    ObjectKind::View => "views",
                    ObjectKind::Trigger => "triggers",
                    ObjectKind::Event => "events",
                    _ => "routines",
                };
                let error = error.about(title(object));
                let hint = error.hint.clone().unwrap_or_else(|| {
                    format!(
                        "The target was left as it was. WITH ({option} = false) restores the rest without its {option}."
                    )
                });
                return Err(error.hint(hint));
            }
            waiting = refused;
        }
        Ok(())
    }

    async fn object(&mut self, connection: &mut Connection, plan: &ObjectPlan) -> Result<(), SinkError> {
        let object = &plan.object;
        let (database, name) = (&object.key.database, quote_name(&object.key.name));
        let kind = kind(object.key.kind);
        connection.run(&format!("USE {}", quote_name(database))).await?;
        connection.set_mode(&object.sql_mode).await?;
        let drop = Undo::Drop { database: database.clone(), sql: format!("DROP {kind} IF EXISTS {name}") };
        let made = self.run(connection, &object.create, drop).await;
        if made.as_ref().is_ok_and(|answer| answer.warnings > 0) {
            let warnings = connection.warnings().await?;
            let title = title(plan).replacen('c', "C", 1);
            self.warnings.push(format!("{title}, the target warned: {}.", warnings.trim_end_matches('.')));
        }
        connection.loading_mode().await?;
        made.map(|_| ())
    }
}

/// A query for how many there are of a program.
fn count(kind: &str, name: &TableName) -> String {
    let (database, name) = (quoted(&name.database), quoted(&name.table));
    match kind {
        "TRIGGER" => format!(
            "SELECT COUNT(*) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = {database} AND TRIGGER_NAME = {name}"
        ),
        "EVENT" => format!(
            "SELECT COUNT(*) FROM information_schema.EVENTS WHERE EVENT_SCHEMA = {database} AND EVENT_NAME = {name}"
        ),
        _ => format!(
            "SELECT COUNT(*) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = {database} AND ROUTINE_NAME = {name} \
             AND ROUTINE_TYPE = '{kind}'"
        ),
    }
}

/// What makes a program of the target again: from SHOW CREATE, whose second column is the sql_mode.
async fn kept(
    connection: &mut Connection,
    show: &str,
    database: &str,
    column: usize,
    count: String,
) -> Result<Undo, SinkError> {
    let row = connection.rows(show).await?.into_iter().next().unwrap_or_default();
    let cell = |n: usize| row.get(n).cloned().flatten();
    match (cell(1), cell(column)) {
        (Some(mode), Some(sql)) => Ok(Undo::Make { database: database.to_string(), mode, sql, count }),
        _ => Err(SinkError::Wrong(format!("{show} does not say how to make it again; the account may not see it"))),
    }
}

fn kind(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::View => "VIEW",
        ObjectKind::Trigger => "TRIGGER",
        ObjectKind::Procedure => "PROCEDURE",
        ObjectKind::Function => "FUNCTION",
        ObjectKind::Event => "EVENT",
        ObjectKind::Grant => "USER",
    }
}

fn title(plan: &ObjectPlan) -> String {
    let key = &plan.object.key;
    format!("creating {} {}.{}", kind(key.kind).to_lowercase(), key.database, key.name)
}
