//! Every type: inserted before the base and after it, asked over the port in text and binary protocol and compared with
//! the server's own answer byte for byte, then restored into a fresh server and compared there.

mod charsets;
mod kinds;
mod page;

use crate::support::archive::{pcloud, protect_once, succeeded};
use crate::support::db::{Db, Product};
use crate::support::port::Port;
use mysql_async::prelude::*;
use mysql_async::{Conn, Row, Value};

/// One table, `t.name (id INT PRIMARY KEY, columns)`.
pub struct Case {
    pub name: String,
    pub columns: String,
    /// What follows the closing parenthesis.
    pub options: String,
    /// Rows without their id, as VALUES has them; of the columns in `given`, or of all.
    pub rows: Vec<String>,
    pub given: Option<&'static str>,
    /// What is asked; `*` if nothing else.
    pub asked: &'static str,
    /// Statements between the rows that come with the base and those that come with the log.
    pub then: String,
}

impl Case {
    pub fn new(name: &str, columns: &str, rows: &[&str]) -> Case {
        Case {
            name: name.into(),
            columns: columns.into(),
            options: String::new(),
            rows: rows.iter().map(|r| r.to_string()).collect(),
            given: None,
            asked: "*",
            then: String::new(),
        }
    }

    fn insert(&self, first: usize) -> String {
        let columns = self.given.map(|g| format!(" (id,{g})")).unwrap_or_default();
        let rows: Vec<_> = self.rows.iter().enumerate().map(|(i, r)| format!("({},{r})", first + i)).collect();
        // few at a time: a statement has a longest length
        let each = |rows: &[String]| format!("INSERT INTO t.{}{columns} VALUES {};\n", self.name, rows.join(","));
        rows.chunks(200).map(each).collect()
    }
}

/// What a client sees of a result: columns (name, type code, whether it is text, decimals, flags, length) and cells.
type Seen = (Vec<(String, u8, bool, u8, u16, u32)>, Vec<Vec<Value>>);

/// What says of a column that it stands in a key.
const KEY_FLAGS: u16 = 4 | 8 | 16384;

async fn seen(conn: &mut Conn, sql: &str, binary: bool) -> Seen {
    let what = |e| panic!("{sql}: {e}");
    let rows: Vec<Row> = if binary { conn.exec(sql, ()).await } else { conn.query(sql).await }.unwrap_or_else(what);
    let columns = rows.first().map(|r| {
        r.columns_ref()
            .iter()
            .map(|c| {
                let (kind, text) = (c.column_type() as u8, c.character_set() != 63);
                (c.name_str().into_owned(), kind, text, c.decimals(), c.flags().bits() & !KEY_FLAGS, c.column_length())
            })
            .collect()
    });
    (columns.unwrap_or_default(), rows.into_iter().map(Row::unwrap).collect())
}

/// Runs all cases on one server of this product.
pub async fn round_trip(product: Product, options: &[&str], cases: &[Case]) {
    let (source, target) = (Db::of(product, options), Db::of(product, options));
    let dir = tempfile::tempdir().expect("a directory");
    let mut conn = source.connect().await;
    let run = async |conn: &mut Conn, sql: String| {
        let shown: String = sql.chars().take(300).collect();
        conn.query_drop(sql).await.unwrap_or_else(|e| panic!("{shown}: {e}"));
    };
    run(&mut conn, "SET sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'".into()).await;
    run(&mut conn, "CREATE DATABASE t".into()).await;
    for case in cases {
        let create = format!("CREATE TABLE t.{} (id INT PRIMARY KEY, {}) {}", case.name, case.columns, case.options);
        run(&mut conn, create).await;
    }
    let insert = async |conn: &mut Conn, first: usize| {
        for case in cases {
            for sql in case.insert(first).lines() {
                run(conn, sql.to_string()).await;
            }
        }
    };
    insert(&mut conn, 1).await;
    protect_once(dir.path(), &source.url(), "c");
    insert(&mut conn, 100_001).await;
    for case in cases {
        for sql in case.then.split(';').filter(|s| !s.trim().is_empty()) {
            run(&mut conn, sql.to_string()).await;
        }
    }
    protect_once(dir.path(), &source.url(), "c");
    let port = Port::open(dir.path()).await;
    let mut asking = port.connect().await;
    for conn in [&mut conn, &mut asking] {
        run(conn, "SET NAMES utf8mb4".into()).await;
        run(conn, "SET time_zone = '+00:00'".into()).await;
    }
    for case in cases {
        let sql = format!("SELECT {} FROM t.{} ORDER BY id", case.asked, case.name);
        for binary in [false, true] {
            let (expected, found) = (seen(&mut conn, &sql, binary).await, seen(&mut asking, &sql, binary).await);
            assert_eq!(found.1.len(), expected.1.len(), "{product:?} {}: rows", case.name);
            for (found, expected) in found.1.iter().zip(&expected.1) {
                assert_eq!(found, expected, "{product:?} {} binary {binary}", case.name);
            }
            // the port describes columns as MariaDB does
            // a COMPRESSED column has a byte more than it can show
            if !product.is_mysql() && !case.columns.contains("COMPRESSED") {
                assert_eq!(found.0, expected.0, "{product:?} {}: columns", case.name);
            }
        }
    }
    drop(asking);
    port.close().await;
    succeeded(pcloud(dir.path()).args(["restore", "--database", "t", "--to", &target.url()]));
    for case in cases {
        let hexed = |db: &Db| {
            let list = db.sql(&format!(
                "SELECT GROUP_CONCAT(CONCAT('HEX(`', COLUMN_NAME, '`)') ORDER BY ORDINAL_POSITION) FROM information_schema.COLUMNS \
                 WHERE TABLE_SCHEMA = 't' AND TABLE_NAME = '{}'",
                case.name
            ));
            db.sql(&format!("SET time_zone = '+00:00'; SELECT {} FROM t.{} ORDER BY id", list.trim(), case.name))
        };
        // row periods are the restore's own
        if !case.options.contains("VERSIONING") {
            assert_eq!(hexed(&target), hexed(&source), "{product:?} {}: restored", case.name);
            // MariaDB's sum of a table with VIRTUAL columns depends on what was read before: they are not computed for it
            if !case.columns.contains("VIRTUAL") || product.is_mysql() {
                let sum = format!("CHECKSUM TABLE t.{}", case.name);
                assert_eq!(target.sql(&sum), source.sql(&sum), "{product:?} {}", case.name);
            }
        }
        let show = format!("SHOW CREATE TABLE t.{}", case.name);
        assert_eq!(target.sql(&show), source.sql(&show), "{product:?}");
    }
}

pub const MARIADB: [Product; 2] = [Product::MariaDb1011, Product::MariaDb118];
