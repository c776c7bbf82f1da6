//! Chosen rows into a table that stands: all of them or none, in one transaction, and no other row is touched.
//!
//! Rows with the same primary key are updated, never deleted, so that no foreign key cascades from them. The table's own
//! foreign keys and checks hold for what comes in, and its triggers run.

use super::digest::Digest;
use super::plan::{Plan, TablePlan};
use super::progress::{Phase, Progress};
use super::sink::{Connection, SinkError, Target, quoted};
use super::undo::{drop_stages, fresh};
use crate::error::{Error, Kind, Result};
use crate::model::{TableName, TableSchema, quote_name};

/// What stands on the target under the name of the table whose rows come.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    columns: Vec<String>,
    /// Those that the server computes.
    generated: Vec<String>,
    /// Of the primary key, in its order.
    key: Vec<String>,
    transactional: bool,
}

impl Standing {
    pub async fn read(connection: &mut Connection, table: &TableName) -> Result<Self, SinkError> {
        let (database, name) = (quoted(&table.database), quoted(&table.table));
        let named = format!("TABLE_SCHEMA = {database} AND TABLE_NAME = {name}");
        let mut list = async |sql: String| {
            let rows = connection.rows(&sql).await?;
            Ok::<Vec<String>, SinkError>(rows.into_iter().flatten().flatten().collect())
        };
        Ok(Self {
            columns: list(format!(
                "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE {named} ORDER BY ORDINAL_POSITION"
            ))
            .await?,
            generated: list(format!(
                "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE {named} AND GENERATION_EXPRESSION <> ''"
            ))
            .await?,
            key: list(format!(
                "SELECT COLUMN_NAME FROM information_schema.STATISTICS WHERE {named} AND INDEX_NAME = 'PRIMARY' \
                 ORDER BY SEQ_IN_INDEX"
            ))
            .await?,
            transactional: !list(format!(
                "SELECT 1 FROM information_schema.TABLES t JOIN information_schema.ENGINES e ON e.ENGINE = t.ENGINE \
                 WHERE t.{} AND e.TRANSACTIONS = 'YES'",
                named.replace("AND ", "AND t.")
            ))
            .await?
            .is_empty(),
        })
    }

    /// Whether rows of the archive's table can come in. Errors: `Unsupported`, and why not.
    pub fn takes(&self, table: &TableSchema) -> Result<()> {
        let name = &table.name;
        let refused = |why: String| {
            Err(Error::new(Kind::Unsupported, format!("rows cannot be put into {name} on the target: {why}"))
                .hint("Nothing was changed. Restore the table to another server, and copy the rows from there."))
        };
        let lower = |names: Vec<&str>| names.into_iter().map(str::to_lowercase).collect::<Vec<_>>();
        let own = lower(self.columns.iter().map(String::as_str).collect());
        let then = lower(table.columns.iter().map(|c| c.name.as_str()).collect());
        let key = lower(table.primary_key.iter().map(|n| table.columns[*n].name.as_str()).collect());
        let differs = own.iter().find(|c| !then.contains(c)).or(then.iter().find(|c| !own.contains(c)));
        if key.is_empty() {
            return refused("it has no primary key, so that its rows cannot be told apart".into());
        }
        if let Some(column) = differs {
            return refused(format!("column {column} is not in both of them"));
        }
        if key != lower(self.key.iter().map(String::as_str).collect()) {
            return refused(format!("its primary key was ({}) then, and is ({})", key.join(", "), self.key.join(", ")));
        }
        if !self.transactional {
            return refused("its engine has no transactions".into());
        }
        Ok(())
    }
}

/// Puts the staged rows into the table. On an error the target is as it was, or the error says what is not known.
pub async fn merge(plan: &Plan, standing: &Standing, target: &Target, progress: &Progress) -> Result<()> {
    progress.enter(Phase::Moving);
    let Some(table) = plan.tables.first() else {
        return Err(Error::internal("rows are to be put into a table, and there is none"));
    };
    let result = in_one_transaction(plan, target, table, Statements::new(table, standing)).await;
    let Err(mut error) = result else { return Ok(()) };
    progress.enter(Phase::CleaningUp);
    if let Err(left) = drop_stages(plan, target).await {
        error.message = format!("{}; {left}", error.message);
    }
    Err(error)
}

async fn in_one_transaction(plan: &Plan, target: &Target, table: &TablePlan, sql: Statements) -> Result<()> {
    let about = |e: SinkError| e.about(format!("putting rows into {}", table.schema.name));
    let mut connection = target.connect().await.map_err(about)?;
    let mut staged = Digest::default();
    connection.read(&table.schema, &table.stage, |row| staged.add(row)).await.map_err(about)?;
    let result = change(plan, &mut connection, table, &sql, &staged).await;
    if result.is_err() {
        // a connection that is dropped takes its transaction back as well
        let _ = connection.run("ROLLBACK").await;
        return result;
    }
    match connection.run("COMMIT").await {
        Ok(_) => Ok(()),
        Err(SinkError::Lost(why)) => committed(target, table, &sql, &staged, &why).await,
        Err(error) => Err(about(error)),
    }
}

async fn change(
    plan: &Plan,
    connection: &mut Connection,
    table: &TablePlan,
    sql: &Statements,
    staged: &Digest,
) -> Result<()> {
    let name = &table.schema.name;
    let about = |e: SinkError| match e {
        SinkError::Server { code: 1062, message } => Error::new(
            Kind::Exists,
            format!(
                "putting rows into {name}: another row has the value of a unique key that one of them has: {message}"
            ),
        )
        .hint("The target was left as it was. Remove that row first, or choose fewer rows."),
        e => e.about(format!("putting rows into {name}")),
    };
    // what comes into a table that is in use keeps its promises
    connection.run("SET SESSION foreign_key_checks = 1").await.map_err(about)?;
    connection.run("START TRANSACTION").await.map_err(about)?;
    let found = connection.rows(&sql.existing).await.map_err(about)?.into_iter().flatten().flatten().next();
    let existing: u64 = found.and_then(|n| n.parse().ok()).unwrap_or(0);
    if existing > 0 && !plan.options().replace {
        return Err(Error::new(
            Kind::Exists,
            format!("{existing} of the {} rows exist in {name} on the target", staged.rows),
        )
        .hint("Nothing was changed. WITH (replace = true) gives these rows the values that they had then."));
    }
    if existing > 0 {
        connection.run(&sql.update).await.map_err(about)?;
    }
    connection.run(&sql.insert).await.map_err(about)?;
    let mut now = Digest::default();
    connection.read_rows(&table.schema, &sql.read, |row| now.add(row)).await.map_err(about)?;
    if now.same(staged) {
        return Ok(());
    }
    let columns = staged.differing(&now).into_iter().filter_map(|n| table.schema.columns.get(n));
    let columns: Vec<_> = columns.map(|c| c.name.as_str()).collect();
    Err(Error::new(
        Kind::Server,
        format!(
            "read back from the target, {} of {} rows of {name} differ in {}",
            now.rows,
            staged.rows,
            columns.join(", ")
        ),
    )
    .hint("The target was left as it was. A trigger, a column's type or ON UPDATE there changes what is written."))
}

/// The connection broke at COMMIT: what the table holds now tells whether it was carried out.
async fn committed(target: &Target, table: &TablePlan, sql: &Statements, staged: &Digest, why: &str) -> Result<()> {
    let name = &table.schema.name;
    let unknown = |e: SinkError| {
        Error::new(
            Kind::Unreachable,
            format!(
                "the connection broke while the rows of {name} were committed ({why}), and whether they were is not known: {e}"
            ),
        )
    };
    let mut connection = fresh(target).await.map_err(unknown)?;
    let mut now = Digest::default();
    connection.read_rows(&table.schema, &sql.read, |row| now.add(row)).await.map_err(unknown)?;
    match now.same(staged) {
        true => Ok(()),
        false => Err(SinkError::Lost(why.to_string()).about(format!("putting rows into {name}"))),
    }
}

struct Statements {
    existing: String,
    update: String,
    insert: String,
    /// The table's rows with the keys of the staged ones.
    read: String,
}

impl Statements {
    fn new(table: &TablePlan, standing: &Standing) -> Self {
        let schema = &table.schema;
        let (own, stage) = (schema.name.quoted(), table.stage.quoted());
        let names: Vec<String> = schema.columns.iter().map(|c| quote_name(&c.name)).collect();
        let key: Vec<&String> = schema.primary_key.iter().map(|n| &names[*n]).collect();
        let computed =
            |c: &&String| standing.generated.iter().any(|g| quote_name(g).to_lowercase() == c.to_lowercase());
        let given: Vec<&String> = names.iter().filter(|c| !computed(c)).collect();
        let on = key.iter().map(|c| format!("t.{c} = s.{c}")).collect::<Vec<_>>().join(" AND ");
        let list =
            |all: &[&String], alias: &str| all.iter().map(|c| format!("{alias}{c}")).collect::<Vec<_>>().join(",");
        let set = given.iter().map(|c| format!("t.{c} = s.{c}")).collect::<Vec<_>>().join(",");
        let both = format!("{own} t JOIN {stage} s ON {on}");
        let absent = key.first().map(|c| format!("t.{c} IS NULL")).unwrap_or_default();
        Self {
            existing: format!("SELECT COUNT(*) FROM {both} FOR UPDATE"),
            update: format!("UPDATE {both} SET {set}"),
            insert: format!(
                "INSERT INTO {own} ({}) SELECT {} FROM {stage} s LEFT JOIN {own} t ON {on} WHERE {absent}",
                list(&given, ""),
                list(&given, "s.")
            ),
            read: format!("SELECT {} FROM {both}", list(&names.iter().collect::<Vec<_>>(), "t.")),
        }
    }
}
