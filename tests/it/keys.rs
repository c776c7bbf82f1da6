//! Tables without a primary key, and primary keys of every kind: random histories on real servers, compared at every
//! commit with what the server held then.

use crate::support::archive::{protect_once, timeline};
use crate::support::db::{Db, Product};
use crate::support::history::seed;
use fastrand::Rng;
use futures::TryStreamExt;
use mysql_async::Conn;
use mysql_async::prelude::*;
use pcloud::model::{Seq, TableName, TableSchema, value_at};
use pcloud::timeline::{Period, Timeline};
use std::collections::BTreeMap;

type Row = Vec<Option<Vec<u8>>>;
type State = BTreeMap<&'static str, Vec<Row>>;

struct Table {
    name: &'static str,
    definition: &'static str,
    /// Of each column its name and SQL literals that it may hold; the key's meet often.
    columns: &'static [(&'static str, &'static [&'static str])],
}

const TEXTS: &[&str] =
    &["'a'", "'A'", "'ä'", "'a '", "'ss'", "'ß'", "'SS'", "'日本'", "''", "'b\\tc'", "'e\\u0301'", "'é'"];
const NUMBERS: &[&str] = &["NULL", "1", "2", "-3", "0"];
const LONG: &[&str] = &["NULL", "REPEAT('x', 3000)", "REPEAT('x', 3001)", "REPEAT('ÿ', 2000)", "''", "'x'"];
const DOUBLES: &[&str] = &["NULL", "0e0", "-0e0", "0.1e0", "1e300", "-2.5e-10", "123456789.125e0"];
const BYTES: &[&str] = &["x'00'", "x'0000'", "x'ff'", "x'61'", "x'41'", "x'6100'", "x''", "x'e9'"];
const DATES: &[&str] = &["'2026-11-22'", "'1999-12-31'", "'2000-01-01'", "'9999-12-31'"];
const MANY: &[&str] = &["1", "2", "3", "4", "5", "6", "7", "8"];

/// In all of them several rows may be equal in all columns, or in the key as the server compares it.
const TABLES: &[Table] = &[
    Table {
        name: "bag",
        definition: "i INT, t VARCHAR(20) COLLATE utf8mb4_bin, x TEXT",
        columns: &[("i", NUMBERS), ("t", TEXTS), ("x", LONG)],
    },
    Table {
        name: "floats",
        definition: "d DOUBLE, f FLOAT, b VARBINARY(8), w DATETIME(3)",
        columns: &[("d", DOUBLES), ("f", &["NULL", "0.1", "-0e0", "0", "3.5e10"]), ("b", BYTES), ("w", DATES)],
    },
    Table { name: "uniq", definition: "u INT NOT NULL, v INT, UNIQUE (u)", columns: &[("u", MANY), ("v", NUMBERS)] },
    Table {
        name: "uniqnull",
        definition: "u VARCHAR(9), v INT, UNIQUE (u)",
        columns: &[("u", &["NULL", "'a'", "'A'", "'b'"]), ("v", NUMBERS)],
    },
    Table {
        name: "general",
        definition: "k VARCHAR(20) COLLATE utf8mb4_general_ci PRIMARY KEY, v INT",
        columns: &[("k", TEXTS), ("v", NUMBERS)],
    },
    Table {
        name: "unicode",
        definition: "v INT, k CHAR(20) COLLATE utf8mb4_unicode_ci PRIMARY KEY",
        columns: &[("k", TEXTS), ("v", NUMBERS)],
    },
    Table {
        name: "accents",
        definition: "k VARCHAR(5) COLLATE utf8mb4_unicode_520_ci, v INT, PRIMARY KEY (k)",
        columns: &[("k", &["'a'", "'A'", "'ä'", "'å'", "'Ü'", "'y'"]), ("v", NUMBERS)],
    },
    Table {
        name: "several",
        definition: "a VARCHAR(5), b INT, c DATE, v INT, PRIMARY KEY (c, a, b)",
        columns: &[("a", &["'x'", "'X'", "'y'"]), ("b", &["1", "2"]), ("c", DATES), ("v", NUMBERS)],
    },
    Table {
        name: "descending",
        definition: "a INT, b VARCHAR(5), v INT, PRIMARY KEY (b DESC, a)",
        columns: &[("a", MANY), ("b", &["'x'", "'X'", "'y'"]), ("v", NUMBERS)],
    },
    Table { name: "fixed", definition: "k BINARY(3) PRIMARY KEY, v INT", columns: &[("k", BYTES), ("v", NUMBERS)] },
    Table { name: "varbin", definition: "k VARBINARY(5) PRIMARY KEY, v INT", columns: &[("k", BYTES), ("v", NUMBERS)] },
    Table {
        name: "decimals",
        definition: "k DECIMAL(30,3) PRIMARY KEY, v INT",
        columns: &[("k", &["0", "-0.001", "1.5", "-1.5", "123456789012345678901234.5"]), ("v", NUMBERS)],
    },
    Table {
        name: "singles",
        definition: "k FLOAT PRIMARY KEY, v INT",
        columns: &[("k", &["0", "-0e0", "0.1", "-1.5", "3e30", "16777217"]), ("v", NUMBERS)],
    },
    Table {
        name: "doubles",
        definition: "k DOUBLE PRIMARY KEY, v INT",
        columns: &[("k", &["0", "-0e0", "0.1", "-1.5", "1e300", "0.30000000000000004"]), ("v", NUMBERS)],
    },
    Table { name: "days", definition: "k DATE PRIMARY KEY, v INT", columns: &[("k", DATES), ("v", NUMBERS)] },
    Table {
        name: "times",
        definition: "k TIME(2) PRIMARY KEY, v INT",
        columns: &[
            ("k", &["'-00:00:01.5'", "'838:59:59'", "'00:00:00'", "'-838:59:59'", "'12:00:00.25'"]),
            ("v", NUMBERS),
        ],
    },
    Table {
        name: "stamps",
        definition: "k TIMESTAMP(3) NOT NULL DEFAULT '2000-01-01', v INT, PRIMARY KEY (k)",
        columns: &[
            ("k", &["'2026-03-29 01:30:00'", "'2026-10-25 00:30:00.125'", "'1970-01-01 00:00:01'"]),
            ("v", NUMBERS),
        ],
    },
    Table {
        name: "bits",
        definition: "k BIT(9) PRIMARY KEY, v INT",
        columns: &[("k", &["b'0'", "b'1'", "b'111111111'", "b'100000000'"]), ("v", NUMBERS)],
    },
    Table {
        name: "enums",
        definition: "k ENUM('z','a','m') PRIMARY KEY, v INT",
        columns: &[("k", &["'z'", "'a'", "'m'"]), ("v", NUMBERS)],
    },
    Table {
        name: "sets",
        definition: "k SET('z','a','m') PRIMARY KEY, v INT",
        columns: &[("k", &["''", "'z'", "'a,z'", "'m'"]), ("v", NUMBERS)],
    },
    Table {
        name: "beginning",
        definition: "k TEXT NOT NULL, v INT, PRIMARY KEY (k(3))",
        columns: &[("k", &["'abcd'", "'ABCE'", "'abd'", "'äbc'", "REPEAT('x', 2000)", "''"]), ("v", NUMBERS)],
    },
    Table {
        name: "blobs",
        definition: "k BLOB NOT NULL, v INT, PRIMARY KEY (k(2))",
        columns: &[("k", BYTES), ("v", NUMBERS)],
    },
];

fn one(rng: &mut Rng, of: &'static [&'static str]) -> &'static str {
    of[rng.usize(..of.len())]
}

/// A statement that changes one row at most. What would break a key, or another rule, is passed over by the server.
fn change(rng: &mut Rng, table: &Table) -> String {
    let Table { name, columns, .. } = table;
    let condition = |rng: &mut Rng| {
        let (column, values) = columns[rng.usize(..columns.len())];
        format!("{column} <=> {}", one(rng, values))
    };
    match rng.u8(..10) {
        0..4 => {
            let names: Vec<_> = columns.iter().map(|c| c.0).collect();
            let values: Vec<_> = columns.iter().map(|c| one(rng, c.1)).collect();
            format!("INSERT IGNORE INTO k.{name} ({}) VALUES ({})", names.join(", "), values.join(", "))
        }
        4..8 => {
            let (column, values) = columns[rng.usize(..columns.len())];
            format!("UPDATE IGNORE k.{name} SET {column} = {} WHERE {} LIMIT 1", one(rng, values), condition(rng))
        }
        8 => format!("DELETE FROM k.{name} WHERE {} LIMIT 1", condition(rng)),
        _ => {
            let (names, values): (Vec<_>, Vec<_>) = columns.iter().map(|c| (c.0, one(rng, c.1))).unzip();
            format!("REPLACE INTO k.{name} ({}) VALUES ({})", names.join(", "), values.join(", "))
        }
    }
}

async fn rows_now(conn: &mut Conn, table: &str) -> Vec<Row> {
    let rows: Vec<mysql_async::Row> = conn.query(format!("SELECT * FROM k.{table}")).await.expect("rows");
    let cell = |v| match v {
        mysql_async::Value::NULL => None,
        mysql_async::Value::Bytes(b) => Some(b),
        other => panic!("the text protocol gave {other:?}"),
    };
    let mut rows: Vec<Row> = rows.into_iter().map(|r| r.unwrap().into_iter().map(cell).collect()).collect();
    rows.sort();
    rows
}

fn rows_in(schema: &TableSchema, batches: &[arrow::array::RecordBatch]) -> Vec<Row> {
    let mut rows = Vec::new();
    for batch in batches {
        for row in 0..batch.num_rows() {
            let cells = schema.columns.iter().zip(batch.columns());
            rows.push(cells.map(|(c, a)| value_at(a, row, &c.kind).expect("a value").display(&c.kind)).collect());
        }
    }
    rows.sort();
    rows
}

/// The rows at a seq, and those that the table's history says stood then.
async fn rows_then(timeline: &Timeline, table: &str, seq: Seq) -> (Vec<Row>, Vec<Row>) {
    let name = TableName::new("k", table);
    let schema = timeline.table(&name, seq).unwrap_or_else(|e| panic!("{name} at {seq}: {e}"));
    let batches = timeline.rows(schema.id, seq).await.unwrap_or_else(|e| panic!("{name} at {seq}: {e}"));
    let batches: Vec<_> = batches.try_collect().await.unwrap_or_else(|e| panic!("{name} at {seq}: {e}"));
    let (_, _, versions) = timeline.history(&name, Period { from: seq, to: seq }).await.expect("a history");
    let versions: Vec<_> = versions.try_collect().await.expect("versions");
    (rows_in(&schema, &batches), rows_in(&schema, &versions))
}

fn shown(rows: &[Row]) -> String {
    let cell = |c: &Option<Vec<u8>>| c.as_ref().map_or("NULL".into(), |b| b.escape_ascii().to_string());
    let row = |r: &Row| r.iter().map(cell).collect::<Vec<_>>().join(", ");
    rows.iter().map(row).collect::<Vec<_>>().join(" | ")
}

/// The server's count of commits, as a text that changes with each.
async fn commits(conn: &mut Conn, product: Product) -> String {
    let of = if product.is_mysql() { "@@gtid_executed" } else { "@@gtid_binlog_pos" };
    conn.query_first(format!("SELECT {of}")).await.expect("a place").expect("a row")
}

async fn every_key_at_every_commit(product: Product) {
    let db = Db::of(product, &[]);
    let mut rng = Rng::with_seed(seed());
    let mut conn = db.connect().await;
    conn.query_drop("SET time_zone = '+00:00', sql_mode = ''").await.expect("SET");
    conn.query_drop("CREATE DATABASE k CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci").await.expect("a database");
    for table in TABLES {
        conn.query_drop(format!("CREATE TABLE k.{} ({})", table.name, table.definition)).await.expect("a table");
    }
    let dir = tempfile::tempdir().expect("a directory");
    let mut state = State::new();
    let mut states: Vec<State> = Vec::new();
    for step in 0..600 {
        let before = commits(&mut conn, product).await;
        conn.query_drop("START TRANSACTION").await.expect("BEGIN");
        for _ in 0..rng.usize(1..6) {
            let table = &TABLES[rng.usize(..TABLES.len())];
            let statement = change(&mut rng, table);
            conn.query_drop(&statement).await.unwrap_or_else(|e| panic!("{statement}: {e}"));
        }
        conn.query_drop("COMMIT").await.expect("COMMIT");
        if commits(&mut conn, product).await == before && step != 150 {
            continue;
        }
        for table in TABLES {
            state.insert(table.name, rows_now(&mut conn, table.name).await);
        }
        if step >= 150 {
            states.push(state.clone());
        }
        if step == 150 {
            states.truncate(1);
            protect_once(dir.path(), &db.url(), "c");
        }
    }
    protect_once(dir.path(), &db.url(), "c");
    let timeline = timeline(dir.path(), "c").await;
    assert_eq!(timeline.latest().seq.0 as usize, states.len() - 1, "commits in the archive");
    for (seq, state) in states.iter().enumerate() {
        for (table, rows) in state {
            let (then, versions) = rows_then(&timeline, table, Seq(seq as u64)).await;
            assert!(then == *rows, "table {table} at seq {seq}:\n{}\nit was\n{}", shown(&then), shown(rows));
            assert!(
                versions == *rows,
                "history of {table} at seq {seq}:\n{}\nit was\n{}",
                shown(&versions),
                shown(rows)
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_of_mariadb_is_followed() {
    every_key_at_every_commit(Product::MariaDb1011).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_of_a_newer_mariadb_is_followed() {
    every_key_at_every_commit(Product::MariaDb118).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_of_mysql_is_followed() {
    every_key_at_every_commit(Product::MySql9).await;
}
