//! Giant and odd transactions, outages, failover and gaps, on real servers.

mod clock;
mod failover;
mod gap;
mod giant;
mod not_carried;
mod transactions;
mod unchecked;

use crate::support::archive::{pcloud, text, timeline};
use crate::support::db::Db;
use std::path::Path;
use std::process::Output;

/// `pcloud protect … --once` with these arguments more, whatever becomes of it.
fn protect(archive: &Path, db: &Db, more: &[&str]) -> Output {
    let mut command = pcloud(archive);
    command.args(["protect", &db.url(), "--name", "c", "--once"]).args(more);
    command.output().expect("pcloud starts")
}

fn protected(archive: &Path, db: &Db, more: &[&str]) -> String {
    let out = protect(archive, db, more);
    assert!(out.status.success(), "{}\n{}", text(&out.stdout), text(&out.stderr));
    text(&out.stdout)
}

/// What a client prints of a query at the server, rows sorted.
fn at_server(db: &Db, query: &str) -> Vec<String> {
    let mut rows: Vec<String> = db.sql(query).lines().map(str::to_string).collect();
    rows.sort();
    rows
}

/// Every table of `shop` in the archive's newest state holds what the server holds.
async fn same_as_server(archive: &Path, db: &Db) {
    let timeline = timeline(archive, "c").await;
    let seq = timeline.latest().seq;
    let catalog = timeline.catalog_at(seq).expect("the newest state");
    let at_server = db.sql("SELECT table_name FROM information_schema.tables WHERE table_schema = 'shop' AND table_type = 'BASE TABLE' ORDER BY 1");
    let mut names: Vec<String> = Vec::new();
    for table in catalog.tables.values().filter(|t| t.name.database == "shop") {
        let name = table.name.table.clone();
        let got = crate::support::archive::rows_at(&timeline, &table.name, seq).await;
        let mut conn = db.connect().await;
        let rows: Vec<mysql_async::Row> =
            mysql_async::prelude::Queryable::query(&mut conn, format!("SELECT * FROM shop.`{name}`"))
                .await
                .expect("rows");
        let cell = |v| match v {
            mysql_async::Value::NULL => None,
            mysql_async::Value::Bytes(b) => Some(text(&b)),
            other => panic!("the text protocol gave {other:?}"),
        };
        let mut want: Vec<Vec<_>> = rows.into_iter().map(|r| r.unwrap().into_iter().map(cell).collect()).collect();
        want.sort();
        assert!(got == want, "{name}: {} rows in the archive, {} at the server", got.len(), want.len());
        names.push(name);
    }
    names.sort();
    assert_eq!(names, at_server.lines().collect::<Vec<_>>());
}
