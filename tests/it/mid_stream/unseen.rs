//! A table of which only the name is known.

use crate::support::made::{Made, int, row, table, varchar};
use crate::support::port::Port;
use mysql_async::prelude::*;
use pcloud::model::{Change, Seq, TableName};
use pcloud::source::mysql::ddl;

#[tokio::test(flavor = "multi_thread")]
async fn it_is_listed_and_refused_until_its_base() {
    let dir = tempfile::tempdir().expect("a directory");
    let columns = [(0, "id", int()), (1, "v", varchar())];
    let t = table(1, "t", &columns, 1);
    let mut made = Made::begin(dir.path(), &[(t.clone(), vec![row(1, "a")])]).await;
    let catalog = made.timeline().await.catalog_at(Seq(0)).expect("a catalog");
    let unseen = ddl::unseen(&catalog, &TableName::new("d", "u"), "a test says so");
    made.commit(1.0, &unseen, &[]).await;
    made.commit(2.0, &[], &[(t.clone(), Change::Insert(row(2, "b")))]).await;

    let port = Port::open(dir.path()).await;
    let mut conn = port.connect().await;
    let tables: Vec<String> = conn.query("SHOW TABLES FROM d").await.expect("a list");
    assert_eq!(tables, ["t", "u"]);
    for statement in ["SELECT * FROM d.u", "SELECT COUNT(*) FROM d.u", "SHOW CREATE TABLE d.u", "DESCRIBE d.u"] {
        let error = conn.query_drop(statement).await.expect_err(statement);
        assert!(error.to_string().contains("a test says so"), "{statement}: {error}");
    }
    let columns: Vec<(String, String)> = conn
        .query("SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'd' ORDER BY 1, 2")
        .await
        .expect("the columns");
    assert_eq!(columns.len(), 2, "{columns:?}");
    let error = conn.query_drop("SELECT * FROM d.u AS OF SEQ 0").await.expect_err("it was not there");
    assert!(error.to_string().contains("doesn't exist"), "{error}");

    let u = table(2, "u", &[(0, "id", int()), (1, "v", varchar())], 1);
    made.retake(&u, &[row(7, "seven")]).await;
    made.commit(3.0, &[], &[(u, Change::Insert(row(8, "eight")))]).await;
    let port = Port::open(dir.path()).await;
    let mut conn = port.connect().await;
    let rows: Vec<(i32, String)> = conn.query("SELECT * FROM d.u ORDER BY id").await.expect("rows");
    assert_eq!(rows, [(7, "seven".to_string()), (8, "eight".to_string())]);
    let error = conn.query_drop("SELECT * FROM d.u AS OF SEQ 1").await.expect_err("it is not known");
    assert!(error.to_string().contains("a test says so"), "{error}");
}
