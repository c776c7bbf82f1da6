//! Tables that are altered into something that pcloud does not carry.

use super::{protected, same_as_server};
use crate::support::archive::timeline;
use crate::support::db::{Db, Product};
use pcloud::error::Kind;
use pcloud::model::TableName;

#[tokio::test(flavor = "multi_thread")]
async fn an_uncertain_table_that_is_not_carried_any_more_says_so_until_it_is() {
    let db = Db::of(Product::MySql9, &[]);
    db.sql(
        "CREATE DATABASE shop; USE shop; CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20)); INSERT INTO t VALUES (1, 'a');
         CREATE TABLE other (id INT PRIMARY KEY)",
    );
    let dir = tempfile::tempdir().expect("a directory");
    protected(dir.path(), &db, &[]);
    db.sql(
        "SET binlog_format = STATEMENT; UPDATE shop.t SET v = 'b'; SET binlog_format = ROW;
         ALTER TABLE shop.t CONVERT TO CHARACTER SET gb18030; INSERT INTO shop.t VALUES (2, 'c')",
    );
    protected(dir.path(), &db, &[]);
    let (name, now) = (TableName::new("shop", "t"), timeline(dir.path(), "c").await);
    let error = now.table(&name, now.latest().seq).expect_err("it is not carried");
    assert_eq!(error.kind, Kind::Unsupported, "{error}");
    assert!(error.message.contains("its charset is gb18030"), "{error}");

    db.sql("INSERT INTO shop.t VALUES (3, 'd'); INSERT INTO shop.other VALUES (1)");
    protected(dir.path(), &db, &[]);
    db.sql("ALTER TABLE shop.t CONVERT TO CHARACTER SET utf8mb4; INSERT INTO shop.t VALUES (4, 'e')");
    protected(dir.path(), &db, &[]);
    same_as_server(dir.path(), &db).await;
}
