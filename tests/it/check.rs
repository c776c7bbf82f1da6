//! What `pcloud check` finds on servers that are right and on servers that are not; each remedy is tried.

use crate::support::db::MariaDb;
use pcloud::error::Kind;
use pcloud::model::ServerUrl;
use pcloud::source::Filter;
use pcloud::source::mysql::preflight::{Line, Report, check};

fn url(text: &str) -> ServerUrl {
    ServerUrl::parse(text).expect("a URL")
}

async fn report(db: &MariaDb) -> Report {
    check(&url(&db.url()), &Filter::default(), true).await.expect("a report")
}

fn misses(report: &Report) -> Vec<&Line> {
    report.lines.iter().filter(|l| !l.ok).collect()
}

/// The statement of a remedy, without the alternative behind it.
fn statement(line: &Line) -> &str {
    let fix = line.fix.as_deref().expect("a remedy");
    fix.split(" (or protect with").next().unwrap_or(fix)
}

#[tokio::test]
async fn a_good_server_has_nothing_to_mend_and_a_bad_one_is_mended_by_what_the_report_says() {
    let db = MariaDb::start(&[]);
    db.sql("CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY, v VARCHAR(20))");
    let good = report(&db).await;
    assert!(good.ok(), "{good}");
    assert!(good.lines.iter().any(|l| l.name == "tables" && l.found == "1, all carried"), "{good}");

    db.sql(
        "SET GLOBAL binlog_format = 'STATEMENT'; SET GLOBAL binlog_row_metadata = 'MINIMAL';
         SET GLOBAL binlog_row_image = 'MINIMAL'; SET GLOBAL binlog_expire_logs_seconds = 3600;
         CREATE TABLE shop.latin (id INT PRIMARY KEY, v VARCHAR(20)) CHARACTER SET latin1;
         CREATE TABLE shop.isam (id INT PRIMARY KEY) ENGINE = MyISAM;
         CREATE TABLE shop.parent (id INT PRIMARY KEY);
         CREATE TABLE shop.child (id INT PRIMARY KEY, p INT,
             CONSTRAINT of_parent FOREIGN KEY (p) REFERENCES shop.parent (id) ON DELETE CASCADE);",
    );
    let bad = report(&db).await;
    let names: Vec<&str> = misses(&bad).iter().map(|l| l.name.as_str()).collect();
    assert_eq!(
        names,
        ["binlog_format", "binlog_row_image", "binlog_row_metadata", "binlog_expire_logs_seconds", "table shop.isam",],
        "{bad}"
    );
    let error = bad.clone().into_result().expect_err("refused");
    assert_eq!(error.kind, Kind::Server);
    for line in misses(&bad) {
        assert!(error.message.contains(&line.to_string()), "protect says the same: {error}");
        db.sql(statement(line));
    }
    let mended = report(&db).await;
    assert!(mended.ok(), "{mended}");
}

#[tokio::test]
async fn missing_grants_are_named_with_the_statement_that_gives_them() {
    let db = MariaDb::start(&[]);
    db.sql("CREATE USER low@'%' IDENTIFIED BY 'x'");
    let low = url(&format!("mysql://low:x@127.0.0.1:{}/", db.port));
    let before = check(&low, &Filter::default(), true).await.expect("a report");
    let grants = misses(&before);
    assert_eq!(grants.len(), 6, "{before}");
    grants.iter().for_each(|line| drop(db.sql(statement(line))));
    let after = check(&low, &Filter::default(), true).await.expect("a report");
    assert!(after.ok(), "{after}");

    let wrong = url(&format!("mysql://low:wrong@127.0.0.1:{}/", db.port));
    let error = check(&wrong, &Filter::default(), true).await.expect_err("denied");
    assert_eq!(error.kind, Kind::Server);
    assert!(!error.to_string().contains("wrong"), "{error}");
    let nobody = url("mysql://low:x@127.0.0.1:1/");
    assert_eq!(check(&nobody, &Filter::default(), true).await.expect_err("nobody").kind, Kind::Unreachable);
}

#[tokio::test]
async fn a_server_without_a_log_or_with_databases_left_out_of_it_is_refused() {
    let db = MariaDb::start(&["--skip-log-bin"]);
    let off = report(&db).await;
    assert_eq!(misses(&off).first().map(|l| l.name.as_str()), Some("log_bin"), "{off}");
    let db = MariaDb::start(&["--binlog-ignore-db=scratch"]);
    let partial = report(&db).await;
    assert_eq!(misses(&partial).first().map(|l| l.name.as_str()), Some("binlog_ignore_db"), "{partial}");
}
