//! `keygen` and `recipients`: who can read the archive.

use super::place::Place;
use super::show::{Teller, size};
use crate::archive::generate;
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, Kind, Result};
use clap::{Args, Subcommand};
use std::io::IsTerminal;
use std::process::ExitCode;

#[derive(Args)]
#[command(after_help = "Examples:
  pcloud keygen > identity.txt                 the public key is in its second line
  pcloud keygen --passphrase > identity.age
Keep the identity where backups are read, and a copy in a safe place: without it nobody reads the archive again. The machine that
captures needs only the public key: pcloud protect … --recipient age1…")]
pub struct Keygen {
    /// Protect the identity with a passphrase, which is asked for
    #[arg(long, short)]
    passphrase: bool,
}

impl Keygen {
    pub fn run(self) -> Result<ExitCode> {
        let ask = |what: &str| {
            rpassword::prompt_password(format!("{what}: ")).map_err(|e| Error::io("asking for the passphrase", e))
        };
        let passphrase = if self.passphrase { Some(ask("Passphrase")?) } else { None };
        if let Some(passphrase) = &passphrase {
            if passphrase.is_empty() {
                return Err(Error::new(Kind::Usage, "an empty passphrase protects nothing"));
            }
            if ask("Passphrase again")? != *passphrase {
                return Err(Error::new(Kind::Usage, "the two passphrases differ"));
            }
        }
        let (text, public) = generate(passphrase, &SystemClock.now().to_string())?;
        print!("{text}");
        if !std::io::stdout().is_terminal() {
            eprintln!("public key: {public}");
        }
        Ok(ExitCode::SUCCESS)
    }
}

#[derive(Args)]
#[command(after_help = "Examples:
  pcloud recipients list
  pcloud recipients add age1… --identity identity.txt
  pcloud recipients remove age1… --identity identity.txt
  pcloud recipients set age1… age1…
New objects are encrypted to the new keys when capture is started again; old objects are encrypted anew by
  pcloud recipients rewrap --identity identity.txt
A key that was removed opens old copies of objects that somebody kept.")]
pub struct Recipients {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Show the archive's public keys
    List,
    /// Encrypt what is written from now on to this public key, too
    Add { key: String },
    /// Encrypt no longer to this public key
    Remove { key: String },
    /// Encrypt to these public keys and no others
    Set {
        #[arg(required = true)]
        keys: Vec<String>,
    },
    /// Encrypt every object anew, to the archive's present keys
    Rewrap,
}

impl Recipients {
    pub async fn run(self, place: &Place) -> Result<ExitCode> {
        let archive = place.open().await?;
        match self.what {
            What::List => {
                if archive.recipients().is_empty() {
                    println!("{} is not encrypted", archive.url());
                }
                archive.recipients().iter().for_each(|key| println!("{key}"));
            }
            What::Add { key } => {
                let mut keys = archive.recipients().to_vec();
                keys.push(key);
                archive.encrypt_to(&keys).await?;
                eprintln!("Start capture again to use it; `pcloud recipients rewrap` encrypts old objects to it.");
            }
            What::Remove { key } => {
                let keys: Vec<String> = archive.recipients().iter().filter(|k| **k != key).cloned().collect();
                if keys.len() == archive.recipients().len() {
                    return Err(Error::new(Kind::Usage, format!("{} is not encrypted to {key}", archive.url())));
                }
                archive.encrypt_to(&keys).await?;
                eprintln!(
                    "Start capture again to use the remaining keys; `pcloud recipients rewrap` encrypts old objects to them."
                );
            }
            What::Set { keys } => {
                archive.encrypt_to(&keys).await?;
                eprintln!(
                    "Start capture again to use them; `pcloud recipients rewrap` encrypts old objects to them, with an identity that opens those."
                );
            }
            What::Rewrap => {
                let teller = Teller::new();
                let done = archive
                    .rewrap(&|done, all, bytes| {
                        teller.part(done, all, &format!("{done} of {all} objects, {}", size(bytes)))
                    })
                    .await;
                teller.clear();
                println!("{} objects are encrypted to {} keys", done?, archive.recipients().len());
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
