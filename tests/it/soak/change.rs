//! Schema changes beside the writers, one after the other; and what is rare among changes of rows.

use super::World;
use super::schema::{column, create_table};
use super::work::{Table, statement, tables};
use fastrand::Rng;
use mysql_async::prelude::*;
use mysql_async::{Conn, Error};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// So many tables there shall be.
const TABLES: usize = 9;

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
        tokio::time::sleep(Duration::from_millis(rng.u64(50..1000))).await;
    }
}

async fn step(world: &World, conn: &mut Conn, rng: &mut Rng) -> Result<(), Error> {
    let known = tables(conn).await?;
    let statements =
        if known.len() < TABLES { vec![create(world, rng, &known)] } else { statements(world, rng, &known) };
    let _gate = world.schema.write().await;
    conn.query_drop("SET lock_wait_timeout = 5").await?;
    for sql in statements {
        match conn.query_drop(&sql).await {
            Ok(()) => drop(world.count.schema_changes.fetch_add(1, Ordering::Relaxed)),
            Err(Error::Server(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Makes the tables that lack.
pub async fn fill(world: &World) {
    let mut rng = Rng::with_seed(world.seed);
    let mut conn = world.connect().await.expect("the server runs");
    for _ in 0..TABLES {
        let known = tables(&mut conn).await.expect("a list");
        if known.len() < TABLES {
            // the server may refuse one
            let _ = conn.query_drop(create(world, &mut rng, &known)).await;
        }
    }
}

fn create(world: &World, rng: &mut Rng, known: &[Table]) -> String {
    let id = |t: &Table| t.columns.iter().find(|c| c.name == "id" && c.key).map(|c| (t.name.clone(), c.kind.clone()));
    let parents: Vec<_> = known.iter().filter_map(id).collect();
    create_table(rng, world.product(), &world.name(), &parents)
}

fn statements(world: &World, rng: &mut Rng, known: &[Table]) -> Vec<String> {
    let table = &known[rng.usize(..known.len())];
    let second = format!("`{}`", known[rng.usize(..known.len())].name);
    let t = format!("`{}`", table.name);
    let other = &table.columns[rng.usize(..table.columns.len())];
    let c = format!("`{}`", other.name);
    let new = world.name();
    let mariadb = !world.product().is_mysql();
    let of = |statements: &[String]| statements.to_vec();
    let alter = |what: String| vec![format!("ALTER TABLE {t} {what}")];
    let place = match rng.u8(..3) {
        0 => " FIRST".to_string(),
        1 => format!(" AFTER {c}"),
        _ => String::new(),
    };
    match rng.u8(..37) {
        0 => of(&[format!("DROP TABLE {t}")]),
        1 => of(&[format!("DROP TABLE IF EXISTS {t}, gone, {second}")]),
        2 => of(&[format!("TRUNCATE TABLE {t}")]),
        3 => of(&[format!("RENAME TABLE {t} TO `{new} Ä-`")]),
        4 => of(&[format!("RENAME TABLE {t} TO {new}, {second} TO {t}, {new} TO {second}")]),
        // as gh-ost and others do it
        5 | 6 => of(&[
            format!("CREATE TABLE {new}_gho LIKE {t}"),
            format!("ALTER TABLE {new}_gho ADD COLUMN {new}n {}", column(rng, world.product())),
            format!("ALTER TABLE {new}_gho DROP COLUMN {new}n"),
            format!("INSERT IGNORE INTO {new}_gho SELECT * FROM {t}"),
            format!("RENAME TABLE {t} TO {new}_del, {new}_gho TO {t}"),
            format!("DROP TABLE IF EXISTS {new}_del"),
        ]),
        7..=10 => alter(format!("ADD COLUMN {new}c {}{place}", column(rng, world.product()))),
        11 | 12 if !other.key => alter(format!("DROP COLUMN {c}")),
        13 if !other.key => alter(format!("MODIFY COLUMN {c} {}{place}", column(rng, world.product()))),
        14 => alter(format!("RENAME COLUMN {c} TO {new}r")),
        15 => alter(format!("ADD INDEX {new}i ({c})")),
        16 => alter(format!("CONVERT TO CHARACTER SET {}", ["latin1", "utf8mb4", "utf8mb3"][rng.usize(..3)])),
        17 => alter("DROP PRIMARY KEY".into()),
        18 => alter(format!("ADD PRIMARY KEY ({c})")),
        19 => alter(partition(rng).into()),
        20 => of(&[format!("CREATE TABLE {new} SELECT * FROM {t}"), format!("DROP TABLE {second}")]),
        21 => alter(["FORCE", "AUTO_INCREMENT = 500", "COMMENT = 'x'"][rng.usize(..3)].into()),
        22 if mariadb => of(&[format!("CREATE OR REPLACE TABLE {t} (id INT PRIMARY KEY, v VARCHAR(9))")]),
        23 if mariadb => of(&[format!("CREATE OR REPLACE TABLE {t} LIKE {second}")]),
        24 if mariadb => of(&[format!("CREATE OR REPLACE TABLE {t} (x INT) SELECT * FROM {second}")]),
        25 => alter(format!("ADD COLUMN {new}g INT AS (1 + 1) {}", ["STORED", "VIRTUAL"][rng.usize(..2)])),
        26 => {
            let format = ["STATEMENT", "MIXED"][rng.usize(..2)];
            let mut all = vec![format!("SET SESSION binlog_format = '{format}'"), "START TRANSACTION".into()];
            all.extend((0..2).map(|_| statement(world, rng, known)));
            all.extend(["COMMIT".into(), "SET SESSION binlog_format = 'ROW'".into()]);
            all
        }
        27 if mariadb => {
            let (q, n) = (rng.u8(..3), rng.u16(..900));
            of(&[match rng.u8(..4) {
                0 => format!("ALTER SEQUENCE q{q} RESTART {n}"),
                1 => format!("DROP SEQUENCE IF EXISTS q{q}"),
                2 => format!("CREATE OR REPLACE SEQUENCE q{q} INCREMENT 3 CACHE 5"),
                _ => format!("CREATE SEQUENCE q{q} START WITH {n} NOCACHE"),
            }])
        }
        28 => of(&[
            format!("CREATE TEMPORARY TABLE {t} (x INT)"),
            format!("INSERT INTO {t} VALUES (1), (2)"),
            format!("DROP TEMPORARY TABLE {t}"),
        ]),
        29 => of(&[
            "CREATE DATABASE other".into(),
            format!("RENAME TABLE {t} TO other.x"),
            format!("RENAME TABLE other.x TO {new}"),
            "DROP DATABASE other".into(),
        ]),
        30 if second != t => {
            of(&[format!("CREATE TRIGGER {new}t AFTER INSERT ON {t} FOR EACH ROW DELETE FROM {second} LIMIT 1")])
        }
        31 => of(&[format!("DROP VIEW IF EXISTS v{}", rng.u8(..3))]),
        32 | 33 => of(&[format!("CREATE OR REPLACE VIEW v{} AS SELECT * FROM {t}", rng.u8(..3))]),
        34 => {
            of(&[format!("CREATE OR REPLACE VIEW v{} AS SELECT x.* FROM {t} x WHERE x.{c} IS NOT NULL", rng.u8(..3))])
        }
        35 => of(&[format!("CREATE OR REPLACE VIEW v{} AS SELECT * FROM v{}", rng.u8(1..3), rng.u8(..1))]),
        _ => of(&[
            format!("CREATE TABLE {new} LIKE {t}"),
            format!("RENAME TABLE {new} TO {new}b"),
            format!("DROP TABLE {t}"),
        ]),
    }
}

fn partition(rng: &mut Rng) -> &'static str {
    [
        "TRUNCATE PARTITION p0",
        "DROP PARTITION p1",
        "COALESCE PARTITION 1",
        "ADD PARTITION PARTITIONS 1",
        "REMOVE PARTITIONING",
        "PARTITION BY HASH (id) PARTITIONS 2",
        "REORGANIZE PARTITION p0 INTO (PARTITION n VALUES LESS THAN (5), PARTITION p0 VALUES LESS THAN (20))",
    ][rng.usize(..7)]
}
