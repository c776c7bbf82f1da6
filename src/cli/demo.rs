//! `demo`: the sample in `examples/shop` as an archive, served.

use super::capture::import;
use super::serve::{DEFAULT_LISTEN, how_to_connect, listener, serve};
use super::settings::Settings;
use super::{clock, show, stopped};
use crate::archive::Archive;
use crate::clock::SystemClock;
use crate::error::{Context, Error, Result};
use crate::query::{Answer, Limits, Service, Session};
use crate::source::{Filter, files};
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokio_util::sync::CancellationToken;

/// What a real MariaDB wrote; see `examples/shop/make.sh`.
const SAMPLE: [(&str, &[u8]); 3] = [
    ("shop.sql", include_bytes!("../../examples/shop/shop.sql")),
    ("binlog.000001", include_bytes!("../../examples/shop/binlog.000001")),
    ("binlog.000002", include_bytes!("../../examples/shop/binlog.000002")),
];
const MOMENTS: &str = include_str!("../../examples/shop/moments");

#[derive(Args)]
#[command(after_help = "Examples:
  pcloud demo              serves the sample until stopped, and says what to try
  pcloud demo --once       runs four statements over it and ends")]
pub struct Demo {
    /// Run the four statements, print their rows, and end
    #[arg(long)]
    once: bool,
    /// Where MySQL clients connect; port 0: any free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = DEFAULT_LISTEN)]
    listen: String,
}

/// A statement and what it shows.
struct Trial {
    title: &'static str,
    sql: String,
}

impl Demo {
    pub async fn run(self, settings: &Settings) -> Result<ExitCode> {
        let stop = stopped();
        let home = Home::new()?;
        let archive = build(&home.0, stop.clone()).await?;
        let trials = trials()?;
        if self.once {
            let service = Service::open(archive, clock(), Limits::default()).await?;
            let mut session = Session::new(service, 1, "demo".into());
            session.use_database("shop").await?;
            for trial in &trials {
                println!("-- {}\n{};", trial.title, trial.sql);
                match session.run(&trial.sql, &[], CancellationToken::new()).await? {
                    Answer::Rows(rows) => show::rows(rows).await?,
                    other => return Err(Error::internal(format!("the demo's statement gave {other:?}"))),
                }
                println!();
            }
            return Ok(ExitCode::SUCCESS);
        }
        let listener = listener(&self.listen).await?;
        println!("A small shop, until somebody ran an UPDATE without WHERE and dropped a table.");
        println!("{} shop\n\nThen try:\n", how_to_connect(&listener)?);
        for trial in &trials {
            println!("-- {}\n{};\n", trial.title, trial.sql);
        }
        println!("Ctrl-C ends it; the sample archive in {} goes with it.", home.0.display());
        serve(archive, listener, settings, stop).await?;
        Ok(ExitCode::SUCCESS)
    }
}

/// A directory of the demo's own, removed at its end.
struct Home(PathBuf);

impl Home {
    fn new() -> Result<Home> {
        let mut token = [0u8; 6];
        getrandom::fill(&mut token).map_err(|e| Error::internal(format!("no randomness: {e}")))?;
        let name: String = token.iter().map(|b| format!("{b:02x}")).collect();
        let path = std::env::temp_dir().join(format!("pcloud-demo-{name}"));
        std::fs::create_dir(&path).context(format!("creating {}", path.display()))?;
        Ok(Home(path))
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Err(e) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!("{} could not be removed: {e}", self.0.display());
        }
    }
}

/// The sample's files, imported as a user would import his own.
async fn build(home: &Path, stop: CancellationToken) -> Result<Archive> {
    let mut paths = Vec::new();
    for (name, bytes) in SAMPLE {
        let path = home.join(name);
        std::fs::write(&path, bytes).context(format!("writing {}", path.display()))?;
        paths.push(path);
    }
    let archive = Archive::create(&home.join("archive").to_string_lossy(), &SystemClock).await?;
    import(&archive, files::Files::open(&paths, None, Filter::default())?, "demo".into(), stop).await?;
    Ok(archive)
}

fn trials() -> Result<[Trial; 4]> {
    let good = MOMENTS.lines().find_map(|l| l.strip_prefix("good="));
    let good = good.ok_or_else(|| Error::internal("examples/shop/moments names no good moment"))?;
    let at = format!("AS OF TIMESTAMP '{good}'");
    let trial = |title, sql: String| Trial { title, sql };
    Ok([
        trial("The shop as it is now: every price is gone.", "SELECT id, title, price FROM products".into()),
        trial("The same table before the UPDATE.", format!("SELECT id, title, price FROM products {at}")),
        trial(
            "A join over the table that was dropped, as it was.",
            format!(
                "SELECT c.name, COUNT(*) AS orders, SUM(o.quantity * p.price) AS spent FROM orders {at} o \
                 JOIN customers {at} c ON c.id = o.customer_id JOIN products {at} p ON p.id = o.product_id \
                 GROUP BY c.name ORDER BY spent DESC"
            ),
        ),
        trial(
            "A table joined with its own past: what did the damage change?",
            format!(
                "SELECT p.id, p.title, old.price AS was, p.price AS now_is FROM products p \
                 JOIN products {at} old ON old.id = p.id WHERE old.price <> p.price ORDER BY p.id"
            ),
        ),
    ])
}
