//! A view's text stands in the log as somebody typed it: what its `*` and its names meant then, they mean for good.

use crate::support::archive::protect_once;
use crate::support::db::{Db, Product};
use crate::support::port::Port;
use mysql_async::prelude::*;
use mysql_async::{Conn, Error, Row};

const SETUP: &str = "CREATE DATABASE a; CREATE DATABASE b; USE a; CREATE TABLE t (x INT PRIMARY KEY, y INT); \
    CREATE TABLE u (z INT, hidden INT INVISIBLE); CREATE TABLE b.t (other INT); INSERT INTO t VALUES (1, 2), (3, 4); \
    INSERT INTO u (z) VALUES (1); INSERT INTO b.t VALUES (7)";
const VIEWS: [&str; 12] = [
    "a.v0 AS SELECT * FROM t",
    "a.v1 AS SELECT p.*, 1 AS one FROM t p LEFT JOIN u ON p.x = u.z WHERE EXISTS (SELECT * FROM b.t)",
    "a.v2 AS SELECT u.*, t.y AS yy FROM t, u",
    "a.v3 AS SELECT * FROM (SELECT DISTINCT *, x + 1 AS more FROM t) d",
    "a.v4 (p, q) AS SELECT * FROM v0",
    "a.v5 AS SELECT * FROM v4 WHERE p < 3 WITH CHECK OPTION",
    "a.v6 AS SELECT * FROM t UNION ALL SELECT * FROM a.t",
    "a.v7 AS SELECT t.*, a.u.* FROM t CROSS JOIN u",
    "b.v8 AS SELECT * FROM t",
    "b.v9 AS SELECT y, (SELECT MAX(z) FROM u) AS m FROM t JOIN u ON t.x = u.z",
    "b.v10 AS SELECT v0.*, other FROM v0, b.t",
    "a.v11 AS SELECT 2 * y AS twice FROM t WHERE y = (SELECT COUNT(*) * 2 FROM u)",
];
/// Their columns cannot be told from the text.
const REFUSED: [&str; 3] = [
    "a.r0 AS SELECT * FROM t NATURAL JOIN u",
    "a.r1 AS WITH c AS (SELECT 1 AS k) SELECT * FROM c",
    "b.r2 AS SELECT * FROM t JOIN (u) ON t.x = u.z",
];

async fn shown(conn: &mut Conn, view: &str) -> Result<String, Error> {
    let rows: Vec<Row> = conn.query(format!("SELECT * FROM {view}")).await?;
    let mut rows: Vec<String> = rows.iter().map(|row| format!("{row:?}")).collect();
    rows.sort();
    Ok(rows.join("\n"))
}

fn name(view: &str) -> &str {
    view.split(' ').next().expect("a name")
}

async fn views_keep_their_columns(product: Product) {
    let (db, dir) = (Db::of(product, &[]), tempfile::tempdir().expect("a directory"));
    db.sql(SETUP);
    protect_once(dir.path(), &db.url(), "c");
    let mut server = db.connect().await;
    server.query_drop("USE a").await.expect("USE");
    for view in VIEWS.iter().chain(&REFUSED) {
        server.query_drop(format!("CREATE VIEW {view}")).await.unwrap_or_else(|e| panic!("{view}: {e}"));
    }
    for later in ["t ADD COLUMN later INT DEFAULT 5 FIRST", "u ADD COLUMN later INT", "b.t ADD COLUMN x INT"] {
        server.query_drop(format!("ALTER TABLE {later}")).await.expect(later);
    }
    protect_once(dir.path(), &db.url(), "c");
    let serving = Port::open(dir.path()).await;
    let mut port = serving.connect().await;
    for view in VIEWS {
        let (there, here) = (shown(&mut server, name(view)).await, shown(&mut port, name(view)).await);
        let here = here.unwrap_or_else(|e| panic!("{product:?}: {view}: {e}"));
        assert_eq!(here, there.expect(view), "{product:?}: {view}");
    }
    for view in REFUSED {
        let error = shown(&mut port, name(view)).await.expect_err(view).to_string();
        assert!(error.contains("is not carried by this archive: view ") && error.contains("its text has"), "{error}");
    }
    // it is another view then, or none
    server.query_drop("CREATE OR REPLACE VIEW a.r0 AS SELECT * FROM t").await.expect("replaced");
    server.query_drop("ALTER VIEW a.r1 AS SELECT x FROM t").await.expect("altered");
    server.query_drop("DROP VIEW b.r2").await.expect("dropped");
    protect_once(dir.path(), &db.url(), "c");
    let serving = Port::open(dir.path()).await;
    let mut port = serving.connect().await;
    for view in ["a.r0", "a.r1"] {
        let (there, here) = (shown(&mut server, view).await, shown(&mut port, view).await);
        assert_eq!(here.expect(view), there.expect(view), "{product:?}: {view}");
    }
    let error = shown(&mut port, "b.r2").await.expect_err("it is gone").to_string();
    assert!(error.contains("doesn't exist"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn views_of_mariadb_keep_their_columns() {
    views_keep_their_columns(Product::MariaDb1011).await;
    views_keep_their_columns(Product::MariaDb118).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn views_of_mysql_keep_their_columns() {
    views_keep_their_columns(Product::MySql9).await;
}
