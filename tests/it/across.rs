//! Restores into every kind of server, also of the other family: equal in every value, whole, or not at all.

use crate::support::archive::{protect_once, timeline};
use crate::support::db::{Db, Product};
use crate::support::history::{History, SCHEMA, seed};
use crate::support::past::{Past, SHOP, TYPES, databases, replace, request, restore, state, tables, until};
use mysql_async::Value as Cell;
use mysql_async::prelude::Queryable;
use pcloud::clock::FixedClock;
use pcloud::error::Kind;
use pcloud::model::MomentSpec;
use pcloud::restore::{Collations, JobState, Jobs, Options, What, plan, run};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Every row of every table of a database, as the binary protocol carries it.
async fn values(db: &Db, database: &str) -> Vec<String> {
    let mut conn = db.connect().await;
    conn.query_drop("SET time_zone = '+00:00'").await.expect("UTC");
    let sql = format!(
        "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{database}' AND TABLE_TYPE = 'BASE TABLE'"
    );
    let mut names: Vec<String> = conn.query(sql).await.expect("tables");
    names.sort();
    let mut all = Vec::new();
    for name in names {
        let sql = format!("SELECT * FROM `{database}`.`{}`", name.replace('`', "``"));
        let rows: Vec<mysql_async::Row> = conn.exec(sql, ()).await.expect("rows");
        let text = |cell| match cell {
            // YEAR: one family calls it unsigned
            Cell::UInt(n) => format!("Int({n})"),
            Cell::Float(f) => format!("Float({:08x})", f.to_bits()),
            Cell::Double(f) => format!("Double({:016x})", f.to_bits()),
            other => format!("{other:?}"),
        };
        let row = |r: mysql_async::Row| {
            format!("{name}: {}", r.unwrap().into_iter().map(text).collect::<Vec<_>>().join(", "))
        };
        let mut rows: Vec<String> = rows.into_iter().map(row).collect();
        rows.sort();
        all.extend(rows);
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_goes_to_mysql_and_to_a_newer_mariadb() {
    let source = Db::start(&[]);
    source.sql(TYPES);
    let (past, before) = (Past::of(&source, &["types"]).await, values(&source, "types").await);
    for product in [Product::MySql9, Product::MariaDb118] {
        let db = Db::of(product, &[]);
        for local_infile in [0, 1] {
            // no login is remembered: caching_sha2_password asks for the whole password
            db.sql(&format!(
                "FLUSH PRIVILEGES; DROP DATABASE IF EXISTS types; SET GLOBAL local_infile = {local_infile}"
            ));
            let asked = request(&db, databases(&["types"]), Options::default());
            let report = restore(&past, &asked).await.unwrap_or_else(|e| panic!("{product:?}: {e}"));
            assert_eq!((report.tables, report.rows, report.notes.len()), (6, 25, 0), "{product:?}: {report:?}");
            let after = values(&db, "types").await;
            for (a, b) in before.iter().zip(&after) {
                assert_eq!(a, b, "{product:?}");
            }
            assert_eq!(before.len(), after.len());
        }
        let asked = request(&db, databases(&["types"]), replace());
        restore(&past, &asked).await.unwrap_or_else(|e| panic!("{product:?}: {e}"));
        assert_eq!(values(&db, "types").await, before, "{product:?}");
        let left = db.sql("SHOW DATABASES LIKE 'pcloud%'");
        assert_eq!(left, "", "{product:?}");
    }
}
