//! Schema changes beside the writers, one after the other.

use super::World;
use super::schema::{column, create_table};
use super::work::{Table, tables};
use fastrand::Rng;
use mysql_async::prelude::*;
use mysql_async::{Conn, Error};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// So many tables there shall be.
pub const TABLES: usize = 9;

pub async fn change(world: Arc<World>) {
    let mut rng = Rng::with_seed(world.seed ^ 0xdd1);
    let mut conn = None;
    while !world.stop.is_cancelled() {
        let connected = match conn.as_mut() {
            Some(connected) => connected,
            None => match world.connect().await {
                Some(new) => conn.insert(new),
                None => return,
            },
        };
        let done = step(&world, connected, &mut rng).await;
        if let Err(error) = done
            && !matches!(error, Error::Server(_))
        {
            conn = None;
        }
        tokio::time::sleep(Duration::from_millis(rng.u64(100..1500))).await;
    }
}

async fn step(world: &World, conn: &mut Conn, rng: &mut Rng) -> Result<(), Error> {
    let known = tables(conn).await?;
    let statements = statements(world, rng, &known);
    let _gate = world.schema.write().await;
    conn.query_drop("SET lock_wait_timeout = 5").await?;
    for sql in statements {
        match conn.query_drop(&sql).await {
            Ok(()) => drop(world.schema_changes.fetch_add(1, Ordering::Relaxed)),
            Err(Error::Server(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Makes the first tables.
pub async fn begin(world: &World, conn: &mut Conn) -> Result<(), Error> {
    let mut rng = Rng::with_seed(world.seed);
    for _ in 0..TABLES {
        let known = tables(conn).await?;
        conn.query_drop(create(world, &mut rng, &known)).await.or_else(|e| match e {
            Error::Server(_) => Ok(()),
            e => Err(e),
        })?;
    }
    Ok(())
}

fn create(world: &World, rng: &mut Rng, known: &[Table]) -> String {
    let keyed = |t: &&Table| t.columns.iter().any(|c| c.name == "id" && c.key && c.kind.starts_with("int"));
    let parents: Vec<_> = known.iter().filter(keyed).map(|t| t.name.clone()).collect();
    create_table(rng, world.product(), &world.name(), &parents)
}

fn statements(world: &World, rng: &mut Rng, known: &[Table]) -> Vec<String> {
    if known.len() < TABLES {
        return vec![create(world, rng, known)];
    }
    let table = &known[rng.usize(..known.len())];
    let t = format!("`{}`", table.name);
    let other = &table.columns[rng.usize(..table.columns.len())];
    let c = format!("`{}`", other.name);
    let new = world.name();
    let alter = |what: String| vec![format!("ALTER TABLE {t} {what}")];
    let place = match rng.u8(..3) {
        0 => " FIRST".to_string(),
        1 => format!(" AFTER {c}"),
        _ => String::new(),
    };
    match rng.u8(..24) {
        0 => vec![format!("DROP TABLE {t}")],
        1 => vec![format!("DROP TABLE IF EXISTS {t}, `{}`", known[rng.usize(..known.len())].name)],
        2 => vec![format!("TRUNCATE TABLE {t}")],
        3 => vec![format!("RENAME TABLE {t} TO {new}")],
        4 => vec![
            format!("CREATE TABLE {new} LIKE {t}"),
            format!("INSERT INTO {new} SELECT * FROM {t}"),
            format!("RENAME TABLE {t} TO {new}_old, {new} TO {t}"),
            format!("DROP TABLE {new}_old"),
        ],
        5..=8 => alter(format!("ADD COLUMN {new}c {}{place}", column(rng, world.product()))),
        9 | 10 if !other.key => alter(format!("DROP COLUMN {c}")),
        11 if !other.key => alter(format!("MODIFY COLUMN {c} {}{place}", column(rng, world.product()))),
        12 => alter(format!("RENAME COLUMN {c} TO {new}r")),
        13 => alter(format!("ADD INDEX {new}i ({c})")),
        14 => alter(format!("CONVERT TO CHARACTER SET {}", ["latin1", "utf8mb4", "utf8mb3"][rng.usize(..3)])),
        15 => alter("DROP PRIMARY KEY".into()),
        16 => alter(format!("ADD PRIMARY KEY ({c})")),
        17 => alter(
            [
                "TRUNCATE PARTITION p0",
                "DROP PARTITION p1",
                "COALESCE PARTITION 1",
                "ADD PARTITION PARTITIONS 1",
                "REMOVE PARTITIONING",
            ][rng.usize(..5)]
            .into(),
        ),
        18 => vec![format!("CREATE TABLE {new} SELECT * FROM {t}")],
        19 => alter(["FORCE", "AUTO_INCREMENT = 500", "COMMENT = 'x'"][rng.usize(..3)].into()),
        20 if !world.product().is_mysql() => {
            vec![format!("CREATE OR REPLACE TABLE {t} (id INT PRIMARY KEY, v VARCHAR(9))")]
        }
        21 => alter(format!(
            "ADD COLUMN {new}g INT GENERATED ALWAYS AS (1 + 1) {}",
            ["STORED", "VIRTUAL"][rng.usize(..2)]
        )),
        22 => vec![
            "SET SESSION binlog_format = 'STATEMENT'".into(),
            format!("DELETE FROM {t} WHERE {c} IS NULL"),
            "SET SESSION binlog_format = 'ROW'".into(),
        ],
        _ => vec![format!("CREATE OR REPLACE VIEW v{} AS SELECT * FROM {t}", rng.u8(..3))],
    }
}
