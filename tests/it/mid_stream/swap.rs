//! Tables that change places while a base is read.

use super::run::server;
use crate::support::db::{Db, Product};
use pcloud::error::Kind;
use pcloud::model::ServerUrl;
use pcloud::source::mysql::Server;
use pcloud::source::{BaseSource, Source};
use std::collections::BTreeMap;

/// Every table's rows, or why it could not be read.
async fn read(base: Box<dyn BaseSource>) -> BTreeMap<String, Result<usize, Kind>> {
    let mut read = BTreeMap::new();
    while let Some(mut table) = base.next_table().await.expect("a table") {
        let mut rows = 0;
        let end = loop {
            match table.rows.next().await {
                Ok(Some(batch)) => rows += batch.num_rows(),
                Ok(None) => break Ok(rows),
                Err(error) => break Err(error.kind),
            }
        };
        read.insert(table.schema.name.table.clone(), end);
    }
    read
}

fn fill(db: &Db) {
    db.sql(
        "CREATE DATABASE shop; USE shop; CREATE TABLE a_b (id INT PRIMARY KEY); CREATE TABLE `c d` LIKE a_b; CREATE TABLE fine LIKE a_b; \
         CREATE TABLE x LIKE a_b; CREATE TABLE p (id INT PRIMARY KEY) PARTITION BY RANGE (id) (PARTITION lo VALUES LESS THAN (10)); \
         INSERT INTO a_b VALUES (1); INSERT INTO `c d` VALUES (1), (2); INSERT INTO p VALUES (1), (2), (3); INSERT INTO fine VALUES (1)",
    );
}

const SWAP: &str = "RENAME TABLE a_b TO t, `c d` TO a_b, t TO `c d`";

async fn told_apart(product: Product) {
    let db = Db::of(product, &[]);
    fill(&db);
    let base = server(&db).base().await.expect("opened");
    db.sql(&format!("USE shop; {SWAP}; ALTER TABLE p EXCHANGE PARTITION lo WITH TABLE x"));
    let read = read(base).await;
    for table in ["a_b", "c d", "p", "x"] {
        assert_eq!(read[table], Err(Kind::Uncertain), "{table}: {read:?}");
    }
    assert_eq!(read["fine"], Ok(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_change_places_under_the_base_are_told_apart() {
    for product in Product::ALL {
        told_apart(product).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_change_places_are_seen_without_the_process_privilege() {
    let db = Db::start(&[]);
    fill(&db);
    db.sql(
        "CREATE USER small@'%' IDENTIFIED BY 'secret'; \
         GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, REPLICATION SLAVE, BINLOG MONITOR ON *.* TO small@'%'",
    );
    let url = ServerUrl::parse(&db.url().replace("pcloud:", "small:")).expect("a URL");
    let base = Server { url, ..server(&db) }.base().await.expect("opened");
    db.sql(&format!("USE shop; {SWAP}"));
    let read = read(base).await;
    for table in ["a_b", "c d"] {
        assert_eq!(read[table], Err(Kind::Uncertain), "{table}: {read:?}");
    }
    for (table, rows) in [("fine", 1), ("p", 3), ("x", 0)] {
        assert_eq!(read[table], Ok(rows), "{table}");
    }
}
