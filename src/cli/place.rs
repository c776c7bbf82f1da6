//! Where the archive is, and with which keys it is opened.

use super::settings::Settings;
use crate::archive::{Access, Archive, Ask, Identities, read_recipients};
use crate::clock::SystemClock;
use crate::error::{Error, Kind, Result};
use clap::Args;
use std::path::PathBuf;
use std::sync::Arc;

/// What may wait in a spool if nobody says otherwise, in MiB.
const SPOOL_MIB: u64 = 8 * 1024;
/// What the read cache takes if nobody says otherwise, in MiB.
const CACHE_MIB: u64 = 4 * 1024;

/// What every command knows.
#[derive(Args)]
pub struct Common {
    /// Where the archive is: a directory, or s3://bucket/prefix?region=…&endpoint=…
    #[arg(long, global = true, env = "PCLOUD_ARCHIVE", value_name = "URL")]
    pub archive: Option<String>,
    /// A settings file (TOML): archive, keys, listen, and clusters that serve captures
    #[arg(long, global = true, env = "PCLOUD_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The secret key that opens an encrypted archive (may be repeated): of pcloud keygen, age-keygen or ssh-keygen
    #[arg(long, global = true, env = "PCLOUD_IDENTITY", value_name = "FILE")]
    pub identity: Vec<PathBuf>,
    /// Where this machine keeps spools and caches [default: ~/.local/state/pcloud]
    #[arg(long, global = true, env = "PCLOUD_STATE", value_name = "DIRECTORY")]
    pub state: Option<PathBuf>,
    /// Say more on standard error (-v: what happens, -vv: every statement)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// How a new archive is encrypted, and how much may wait for it.
#[derive(Args, Default)]
pub struct Writing {
    /// Encrypt a new archive to this public key (may be repeated): age1…, ssh-ed25519 …, or a plugin's
    #[arg(long, value_name = "KEY")]
    recipient: Vec<String>,
    /// Public keys, one a line
    #[arg(long, value_name = "FILE")]
    recipients_file: Vec<PathBuf>,
    /// Make a new archive in S3 without encryption
    #[arg(long)]
    plain: bool,
    /// What may wait on this machine's disk while the archive is away, in MiB [default: 8192]
    #[arg(long, value_name = "MIB")]
    spool_limit: Option<u64>,
}

/// Where the archive is, if anybody said so, and what opens it.
pub struct Place {
    archive: Option<String>,
    identity: Vec<PathBuf>,
    state: Option<PathBuf>,
    recipients: Vec<String>,
    plain: bool,
    spool_mib: u64,
    cache_mib: u64,
}

impl Place {
    /// What was typed goes before what the settings say.
    pub fn new(common: Common, settings: &Settings) -> Self {
        let identity = if common.identity.is_empty() { settings.identity.clone() } else { common.identity };
        Self {
            archive: common.archive.or_else(|| settings.archive.clone()),
            identity,
            state: common.state.or_else(|| settings.state.clone()).or_else(home),
            recipients: settings.recipients.clone(),
            plain: settings.plain,
            spool_mib: settings.spool_mib.unwrap_or(SPOOL_MIB),
            cache_mib: settings.cache_mib.unwrap_or(CACHE_MIB),
        }
    }

    pub fn url(&self) -> Result<&str> {
        self.archive.as_deref().ok_or_else(|| {
            Error::new(Kind::Usage, "no archive is named").hint("Add --archive DIRECTORY, or set PCLOUD_ARCHIVE.")
        })
    }

    /// For commands that read; it must be there.
    pub async fn open(&self) -> Result<Archive> {
        Archive::open_with(self.url()?, &self.access(&Writing::default())?).await
    }

    /// For commands that write; made if it is not there. Says so if it is not encrypted.
    pub async fn create(&self, writing: &Writing) -> Result<Archive> {
        let archive = Archive::create_with(self.url()?, &self.access(writing)?, &SystemClock).await?;
        say_if_plain(&archive);
        Ok(archive)
    }

    fn access(&self, writing: &Writing) -> Result<Access> {
        let mut recipients = writing.recipient.clone();
        for file in &writing.recipients_file {
            recipients.extend(read_recipients(file)?);
        }
        if recipients.is_empty() {
            recipients.clone_from(&self.recipients);
        } else if writing.plain {
            return Err(Error::new(Kind::Usage, "--plain and public keys contradict each other"));
        }
        let identities =
            if self.identity.is_empty() { None } else { Some(Identities::read(&self.identity, &passphrase())?) };
        Ok(Access {
            recipients,
            identities,
            plain: self.plain || writing.plain,
            local: self.state.clone(),
            cache_bytes: self.cache_mib << 20,
            spool_bytes: writing.spool_limit.unwrap_or(self.spool_mib) << 20,
        })
    }
}

/// Said at every start.
pub fn say_if_plain(archive: &Archive) {
    if archive.recipients().is_empty() {
        eprintln!("pcloud: {} is not encrypted: whoever can read its files can read the data", archive.url());
    }
}

fn home() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|p| p.is_absolute());
    let state = state.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/state")));
    Some(state?.join("pcloud"))
}

/// Asks on the terminal, if there is one.
fn passphrase() -> Ask {
    Arc::new(|what| rpassword::prompt_password(format!("{what}: ")).ok())
}
