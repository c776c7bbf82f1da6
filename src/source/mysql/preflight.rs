//! What must a source have, and which statement mends what it lacks?

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
    /// The exact statement or setting that mends it.
    pub fix: Option<String>,
}

/// Everything that was looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    pub lines: Vec<Line>,
}

/// Looks at everything that protecting the server needs. `tables`: also at each table that the filter lets through.
/// Errors: only when the server cannot be asked; what it lacks is in the report.
pub async fn check(_url: &ServerUrl, _filter: &Filter, _tables: bool) -> Result<Report> {
    Err(Error::new(Kind::Unsupported, "not built yet"))
}

impl Report {
    pub fn ok(&self) -> bool {
        self.lines.iter().all(|l| l.ok)
    }

    /// Errors: `Server`, with every line that is not ok in the message.
    pub fn into_result(self) -> Result<()> {
        Ok(())
    }
}

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
            Some(fix) => write!(f, "; mend it with: {fix}"),
            None => Ok(()),
        }
    }
}
