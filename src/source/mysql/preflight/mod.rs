//! What must a source have, and which statement mends what it lacks?

mod connection;
mod server;
mod tables;

use super::connect::open;
use super::family::Version;
use crate::error::{Error, Kind, Result};
use crate::model::ServerUrl;
use crate::source::Filter;
use std::fmt;

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// `binlog_format`, `table shop.orders`, …
    pub name: String,
    pub found: String,
    pub needed: String,
    pub ok: bool,
    /// The exact statement or setting that mends it; of a line that is ok: advice.
    pub fix: Option<String>,
}

/// Everything that was looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    pub lines: Vec<Line>,
}

/// Looks at everything that protecting the server needs. `tables`: also at each table that the filter lets through.
/// Errors: only when the server cannot be asked; what it lacks is in the report.
pub async fn check(url: &ServerUrl, filter: &Filter, tables: bool) -> Result<Report> {
    let mut conn = open(url).await?;
    let version = Version::ask(&mut conn, url).await?;
    let family = version.family;
    let mut report = Report::default();
    connection::look(&mut conn, url, &mut report).await?;
    report.lines.push(server::family(&version));
    if !report.ok() {
        // another version has other variables and other words for the same grants
        return Ok(report);
    }
    server::settings(&mut conn, url, family, &mut report).await?;
    let granted = server::grants(&mut conn, url, family, &mut report).await?;
    if tables && granted {
        tables::look(&mut conn, url, filter, &mut report).await?;
    }
    Ok(report)
}

impl Report {
    pub fn ok(&self) -> bool {
        self.lines.iter().all(|l| l.ok)
    }

    /// Errors: `Server`, with every line that is not ok in the message.
    pub fn into_result(self) -> Result<()> {
        let missing: Vec<String> = self.lines.iter().filter(|l| !l.ok).map(|l| l.to_string()).collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(Error::new(Kind::Server, format!("the source cannot be protected as it is:\n{}", missing.join("\n")))
            .hint("Mend these and start again; pcloud check shows everything that is looked at."))
    }

    fn push(&mut self, name: impl Into<String>, found: impl Into<String>, needed: &str, ok: bool, fix: Option<String>) {
        let (name, found, needed) = (name.into(), found.into(), needed.to_string());
        self.lines.push(Line { name, found, needed, ok, fix });
    }

    /// A thing that is either there or to be mended.
    fn need(&mut self, name: impl Into<String>, found: impl Into<String>, needed: &str, ok: bool, fix: &str) {
        self.push(name, found, needed, ok, (!ok).then(|| fix.to_string()));
    }
}

/// One line each.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|l| writeln!(f, "{l}"))
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, found, needed, ok, fix } = self;
        write!(f, "{} {name}: found {found}, needed {needed}", if *ok { "ok  " } else { "MISS" })?;
        match fix {
            Some(fix) if *ok => write!(f, "; advice: {fix}"),
            Some(fix) => write!(f, "; mend it with: {fix}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_with_a_miss_is_an_error_that_names_it_and_its_remedy() {
        let mut report = Report::default();
        report.need("log_bin", "ON", "ON", true, "log_bin = binlog");
        assert!(report.clone().into_result().is_ok());
        report.need("binlog_format", "MIXED", "ROW", false, "SET GLOBAL binlog_format = 'ROW'");
        let error = report.clone().into_result().expect_err("a miss").to_string();
        assert!(error.contains("MISS binlog_format: found MIXED, needed ROW; mend it with: SET GLOBAL"), "{error}");
        assert!(!error.contains("log_bin:"), "{error}");
        assert_eq!(report.to_string().lines().count(), 2);
    }
}
