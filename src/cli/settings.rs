//! What does the settings file say? TOML; every name that it may hold is here.

use crate::error::{Context, Error, Kind, Result};
use crate::upkeep::{Policy, Prices, duration};
use serde::Deserialize;
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// As --archive.
    pub archive: Option<String>,
    /// As --identity.
    #[serde(default)]
    pub identity: Vec<PathBuf>,
    /// As --recipient of protect and import: a new archive is encrypted to them.
    #[serde(default)]
    pub recipients: Vec<String>,
    /// As --plain.
    #[serde(default)]
    pub plain: bool,
    /// As --state.
    pub state: Option<PathBuf>,
    /// As --spool-limit. Default 8192.
    pub spool_mib: Option<u64>,
    /// What the read cache of an archive in S3 may take on the disk, in MiB; 0: none. Default 4096.
    pub cache_mib: Option<u64>,
    /// As serve's --listen.
    pub listen: Option<String>,
    /// What all running statements may hold in memory, in MiB. Default 1024.
    pub query_memory_mib: Option<usize>,
    /// Connections at a time. Default 151.
    pub max_connections: Option<usize>,
    /// How the archive is kept small.
    #[serde(default)]
    pub upkeep: UpkeepSettings,
    /// What is kept; none: everything.
    pub retain: Option<RetainSettings>,
    /// What the archive's place asks.
    #[serde(default)]
    pub prices: PriceSettings,
    /// Clusters that `serve` captures itself.
    #[serde(default, rename = "cluster")]
    pub clusters: Vec<ClusterSettings>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UpkeepSettings {
    /// Whether `serve` does it. Default true.
    pub enabled: bool,
    /// How often it looks whether there is something to do. Default 10.
    pub every_minutes: u64,
    /// How long objects stay that are no longer needed. Default 24.
    pub grace_hours: u64,
}

impl Default for UpkeepSettings {
    fn default() -> Self {
        Self { enabled: true, every_minutes: 10, grace_hours: 24 }
    }
}

/// For SHOW COST and `pcloud cost`. Default: Amazon S3 Standard in us-east-1.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PriceSettings {
    pub currency: String,
    /// For 10^9 bytes and a month.
    pub storage_gb_month: f64,
    /// For 1000 PUT, POST, COPY and LIST requests.
    pub writes_1000: f64,
    /// For 1000 GET and HEAD requests.
    pub reads_1000: f64,
}

impl Default for PriceSettings {
    fn default() -> Self {
        let Prices { currency, storage_gb_month, writes_1000, reads_1000 } = Prices::default();
        Self { currency, storage_gb_month, writes_1000, reads_1000 }
    }
}

impl From<PriceSettings> for Prices {
    fn from(s: PriceSettings) -> Self {
        let PriceSettings { currency, storage_gb_month, writes_1000, reads_1000 } = s;
        Self { currency, storage_gb_month, writes_1000, reads_1000 }
    }
}

/// Time spans: `36h`, `30d`, `8w`, `2y`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetainSettings {
    /// How long every moment is kept.
    pub every: String,
    /// How long the states at whole hours, days and months are kept.
    pub hourly: Option<String>,
    pub daily: Option<String>,
    pub monthly: Option<String>,
}

impl RetainSettings {
    /// Errors: `Usage`.
    pub fn policy(&self) -> Result<Policy> {
        let span = |text: &Option<String>| text.as_deref().map(duration).transpose();
        let (hourly, daily, monthly) = (span(&self.hourly)?, span(&self.daily)?, span(&self.monthly)?);
        Ok(Policy { every: duration(&self.every)?, hourly, daily, monthly })
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterSettings {
    pub name: String,
    /// `mysql://user@host:port/?password_file=PATH`
    pub source: String,
    /// Databases to protect; none: all.
    #[serde(default)]
    pub databases: Vec<String>,
    #[serde(default)]
    pub exclude: Vec<String>,
}

impl Settings {
    /// Errors: `Io`; `Usage` naming what is wrong and where. The file's content is not repeated: it may hold passwords.
    pub fn read(path: Option<&Path>) -> Result<Settings> {
        let Some(path) = path else { return Ok(Settings::default()) };
        let text = std::fs::read_to_string(path).context(format!("settings file {}", path.display()))?;
        toml::from_str(&text).map_err(|e| {
            let line = e.span().map_or(0, |s| text[..s.start].lines().count());
            Error::new(Kind::Usage, format!("settings file {}, line {line}: {}", path.display(), e.message()))
                .hint("docs/operations.md lists what it may hold.")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spelling_mistake_is_refused_and_a_password_not_repeated() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("pcloud.toml");
        std::fs::write(&path, "archive = \"/a\"\n[[cluster]]\nname = \"c\"\nsorce = \"mysql://u:hidden@h/\"\n")
            .expect("written");
        let error = Settings::read(Some(&path)).expect_err("sorce");
        assert!(error.message.contains("sorce") && !error.to_string().contains("hidden"), "{error}");
        std::fs::write(&path, "listen = \"127.0.0.1:1\"\n").expect("written");
        assert_eq!(Settings::read(Some(&path)).expect("good").listen.as_deref(), Some("127.0.0.1:1"));
    }
}
