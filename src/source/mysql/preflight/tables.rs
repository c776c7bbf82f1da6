//! Tables that cannot be followed, one by one.

use super::Report;
use crate::error::{Kind, Result};
use crate::model::{ServerUrl, TableName};
use crate::source::Filter;
use crate::source::mysql::catalog;
use crate::source::mysql::connect::{ask, at};
use mysql_async::Conn;

/// How often tables may come and go while they are listed.
const TRIES: usize = 10;

pub async fn look(conn: &mut Conn, url: &ServerUrl, filter: &Filter, report: &mut Report) -> Result<()> {
    let mut seen = catalog::read(conn, url, filter).await;
    for _ in 0..TRIES {
        match seen {
            // a table was dropped or altered while they were listed
            Err(ref error) if error.kind == Kind::Uncertain => seen = catalog::read(conn, url, filter).await,
            _ => break,
        }
    }
    let seen = seen?;
    let before = report.lines.len();
    for (name, engine) in &seen.engines {
        if engine != "InnoDB" {
            let fix = format!("ALTER TABLE {} ENGINE=InnoDB", name.quoted());
            report.need(
                format!("table {name}"),
                format!("engine {engine}"),
                "engine InnoDB",
                false,
                &or_exclude(&fix, name),
            );
        }
    }
    for (name, why) in &seen.catalog.refused {
        let fix = match why.why.contains("charset") || why.why.contains("character set") {
            true => or_exclude(&format!("ALTER TABLE {} CONVERT TO CHARACTER SET utf8mb4", name.quoted()), name),
            false => format!("protect with --exclude {name}"),
        };
        report.need(format!("table {name}"), &why.why, "only what this release carries", false, &fix);
    }
    packages(conn, url, filter, report).await?;
    let tables = seen.engines.len();
    if report.lines.len() == before {
        report.push("tables", format!("{tables}, all carried"), "only what this release carries", true, None);
    }
    Ok(())
}

fn or_exclude(fix: &str, name: &TableName) -> String {
    format!("{fix} (or protect with --exclude {name})")
}

/// Oracle-mode packages are not carried.
async fn packages(conn: &mut Conn, url: &ServerUrl, filter: &Filter, report: &mut Report) -> Result<()> {
    let sql = "SELECT DISTINCT ROUTINE_SCHEMA, ROUTINE_NAME FROM information_schema.ROUTINES \
        WHERE ROUTINE_TYPE LIKE 'PACKAGE%'";
    for row in ask(conn, url, sql).await?.iter().filter(|r| filter.database(at(r, 0))) {
        let name = format!("package {}.{}", at(row, 0), at(row, 1));
        let fix = format!("protect with --exclude {}", at(row, 0));
        report.need(name, "an Oracle-mode package", "only what this release carries", false, &fix);
    }
    Ok(())
}
