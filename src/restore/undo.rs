//! How is a half-made change taken back?
//!
//! Every change to the target proper is written down before or when it is made, together with what takes it back.
//! After a failure the list is worked off from its end, over a new connection. Where a connection broke, nobody knows
//! whether its last statement was carried out; so each entry looks, or does no harm if there is nothing to take back.

use super::plan::Plan;
use super::sink::{Connection, SinkError, Target, quoted};
use crate::model::{TableName, quote_name};
use std::time::Duration;
use tokio::time::Instant;

/// How long to try to reach a target again that went away in the middle.
const RECONNECT_FOR: Duration = Duration::from_secs(30);
const RECONNECT_EVERY: Duration = Duration::from_millis(500);
/// How long to try to take a change back, against locks and a target that comes and goes.
const PERSIST_FOR: Duration = Duration::from_secs(120);
/// Lock wait time-out, deadlock.
const LOCKED: [u16; 2] = [1205, 1213];

/// What takes a change back.
#[derive(Debug, Clone)]
pub enum Undo {
    /// The database was made by this restore. It goes if nothing is in it.
    DropDatabase(String),
    /// The renames were made in one statement, if `first` is gone from where it was.
    MoveBack { sql: String, first: TableName },
    /// Makes a program of a database again that was dropped, under its sql_mode, unless `count` finds it.
    Make { database: String, mode: String, sql: String, count: String },
    /// Drops what was made (IF EXISTS).
    Drop { database: String, sql: String },
}

impl Undo {
    async fn apply(&self, connection: &mut Connection) -> Result<(), SinkError> {
        match self {
            Undo::DropDatabase(name) => drop_if_empty(connection, name).await,
            Undo::MoveBack { sql, first } => match is_there(connection, first).await? {
                true => Ok(()),
                false => connection.run(sql).await.map(drop),
            },
            Undo::Make { database, mode, sql, count } => {
                if number(connection, count).await? > 0 {
                    return Ok(());
                }
                connection.run(&format!("USE {}", quote_name(database))).await?;
                connection.set_mode(mode).await?;
                connection.run(sql).await?;
                connection.loading_mode().await
            }
            Undo::Drop { database, sql } => {
                connection.run(&format!("USE {}", quote_name(database))).await?;
                connection.run(sql).await.map(drop)
            }
        }
    }

    /// The statement to run by hand.
    fn statement(&self) -> String {
        match self {
            Undo::DropDatabase(name) => format!("DROP DATABASE {}", quote_name(name)),
            Undo::MoveBack { sql, .. } => sql.clone(),
            Undo::Make { database, sql, .. } | Undo::Drop { database, sql } => {
                format!("USE {}; {sql}", quote_name(database))
            }
        }
    }
}

async fn drop_if_empty(connection: &mut Connection, name: &str) -> Result<(), SinkError> {
    let text = quoted(name);
    let sql = format!(
        "SELECT (SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = {text}) + \
         (SELECT COUNT(*) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = {text}) + \
         (SELECT COUNT(*) FROM information_schema.EVENTS WHERE EVENT_SCHEMA = {text})"
    );
    if number(connection, &sql).await? > 0 {
        return Ok(());
    }
    connection.run(&format!("DROP DATABASE IF EXISTS {}", quote_name(name))).await.map(drop)
}

pub async fn is_there(connection: &mut Connection, table: &TableName) -> Result<bool, SinkError> {
    let sql = format!(
        "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {}",
        quoted(&table.database),
        quoted(&table.table)
    );
    Ok(number(connection, &sql).await? > 0)
}

async fn number(connection: &mut Connection, sql: &str) -> Result<u64, SinkError> {
    let cell = connection.rows(sql).await?.into_iter().flatten().flatten().next();
    cell.and_then(|n| n.parse().ok()).ok_or_else(|| SinkError::Wrong(format!("{sql} did not answer with a number")))
}

/// A new connection, tried for a while: the target may be on its way back. Ends what the other connections still do.
pub async fn fresh(target: &Target) -> Result<Connection, SinkError> {
    let deadline = Instant::now() + RECONNECT_FOR;
    loop {
        match reconnect(target).await {
            Err(SinkError::Lost(_)) if Instant::now() < deadline => tokio::time::sleep(RECONNECT_EVERY).await,
            other => return other,
        }
    }
}

async fn reconnect(target: &Target) -> Result<Connection, SinkError> {
    let mut connection = target.connect().await?;
    target.end_others(&mut connection).await?;
    Ok(connection)
}

/// Takes all back. What could not be is told, with the statements that do it by hand.
pub async fn undo(target: &Target, done: &[Undo]) -> Result<(), String> {
    let deadline = Instant::now() + PERSIST_FOR;
    let mut rest = done;
    while !rest.is_empty() {
        let Err(why) = undo_some(target, &mut rest).await else { break };
        let again = matches!(why, SinkError::Lost(_)) || why.code().is_some_and(|c| LOCKED.contains(&c));
        if !again || Instant::now() > deadline {
            let statements: Vec<_> = rest.iter().rev().map(Undo::statement).collect();
            let by_hand = statements.join("; ");
            return Err(format!("the change could not be taken back ({why}); run this on the target: {by_hand}"));
        }
        tokio::time::sleep(RECONNECT_EVERY).await;
    }
    Ok(())
}

async fn undo_some(target: &Target, rest: &mut &[Undo]) -> Result<(), SinkError> {
    let mut connection = fresh(target).await?;
    while let Some((last, before)) = rest.split_last() {
        last.apply(&mut connection).await?;
        *rest = before;
    }
    Ok(())
}

/// Drops the staging databases. What could not be dropped is told.
pub async fn drop_stages(plan: &Plan, target: &Target) -> Result<(), String> {
    let stages: Vec<_> = plan.databases.iter().filter_map(|d| d.stage.as_deref()).collect();
    if stages.is_empty() {
        return Ok(());
    }
    let statements: Vec<_> = stages.iter().map(|s| format!("DROP DATABASE IF EXISTS {}", quote_name(s))).collect();
    let by_hand = |e: &SinkError| {
        format!("its staging databases are still there ({e}); run this on the target: {}", statements.join("; "))
    };
    let mut connection = fresh(target).await.map_err(|e| by_hand(&e))?;
    for statement in &statements {
        connection.run(statement).await.map_err(|e| by_hand(&e))?;
    }
    Ok(())
}
