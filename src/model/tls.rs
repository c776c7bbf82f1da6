//! Is a connection to a server encrypted, and how is it known that it is the right server? As MySQL's `ssl-…` options.

use crate::error::{Error, Kind, Result};
use std::fmt;
use std::path::PathBuf;

/// Each asks for all that the ones before it ask for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsMode {
    /// In the clear.
    Disabled,
    /// Encrypted if the server offers it.
    #[default]
    Preferred,
    /// Encrypted, whoever the server is.
    Required,
    /// The server's certificate is signed by the given CA.
    VerifyCa,
    /// And it names the host of the URL.
    VerifyIdentity,
}

impl TlsMode {
    pub const ALL: [TlsMode; 5] =
        [TlsMode::Disabled, TlsMode::Preferred, TlsMode::Required, TlsMode::VerifyCa, TlsMode::VerifyIdentity];

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|m| m.to_string().eq_ignore_ascii_case(text))
    }

    /// Whether the server's certificate is looked at.
    pub fn verifies(self) -> bool {
        self >= TlsMode::VerifyCa
    }
}

impl fmt::Display for TlsMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TlsMode::Disabled => "DISABLED",
            TlsMode::Preferred => "PREFERRED",
            TlsMode::Required => "REQUIRED",
            TlsMode::VerifyCa => "VERIFY_CA",
            TlsMode::VerifyIdentity => "VERIFY_IDENTITY",
        })
    }
}

/// What a server's URL says of TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    pub mode: TlsMode,
    /// PEM: the CAs that may have signed the server's certificate. `None`: the public ones.
    pub ca: Option<PathBuf>,
    /// Who we are: certificate chain and private key, PEM.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// The options as they stand in a URL.
#[derive(Debug, Default)]
pub struct TlsOptions {
    mode: Option<TlsMode>,
    ca: Option<PathBuf>,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
}

impl TlsOptions {
    /// Takes an option. `false`: it is none of these. Errors: `Usage`.
    pub fn take(&mut self, name: &str, value: &str) -> Result<bool> {
        let path = match name {
            "ssl-mode" => {
                let all = TlsMode::ALL.map(|m| m.to_string()).join(", ");
                let mode = TlsMode::parse(value).ok_or_else(|| bad(format!("ssl-mode={value} is unknown"), &all))?;
                return match self.mode.replace(mode) {
                    None => Ok(true),
                    Some(_) => Err(twice(name)),
                };
            }
            "ssl-ca" => &mut self.ca,
            "ssl-cert" => &mut self.cert,
            "ssl-key" => &mut self.key,
            _ => return Ok(false),
        };
        match path.replace(value.into()) {
            None => Ok(true),
            Some(_) => Err(twice(name)),
        }
    }

    /// Whether a file of this machine is named.
    pub fn names_files(&self) -> bool {
        self.ca.is_some() || self.cert.is_some() || self.key.is_some()
    }

    /// What the options mean together: a CA without a mode is to be verified. Errors: `Usage`.
    pub fn finish(self) -> Result<Tls> {
        let otherwise = if self.ca.is_some() { TlsMode::VerifyCa } else { TlsMode::default() };
        let mode = self.mode.unwrap_or(otherwise);
        if self.ca.is_some() && !mode.verifies() {
            return Err(bad(
                format!("ssl-ca is given, and ssl-mode={mode} looks at no certificate"),
                "ssl-mode=VERIFY_CA or ssl-mode=VERIFY_IDENTITY, or no ssl-ca",
            ));
        }
        if self.ca.is_none() && mode == TlsMode::VerifyCa {
            return Err(bad(
                "ssl-mode=VERIFY_CA needs to know the CA".into(),
                "ssl-ca=PATH of its certificate; or ssl-mode=VERIFY_IDENTITY, for a certificate of a public CA",
            ));
        }
        let identity = match (self.cert, self.key) {
            (Some(cert), Some(key)) if mode > TlsMode::Disabled => Some((cert, key)),
            (None, None) => None,
            (Some(_), Some(_)) => {
                return Err(bad("ssl-cert is given with ssl-mode=DISABLED".into(), "another mode, or no ssl-cert"));
            }
            _ => return Err(bad("only one of ssl-cert and ssl-key is given".into(), "both, or neither")),
        };
        Ok(Tls { mode, ca: self.ca, identity })
    }
}

fn bad(why: String, choices: &str) -> Error {
    Error::new(Kind::Usage, format!("in a server's URL, {why}")).hint(format!("Write {choices}."))
}

fn twice(name: &str) -> Error {
    bad(format!("{name} is given twice"), "it once")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: &[(&str, &str)]) -> Result<Tls> {
        let mut all = TlsOptions::default();
        for (name, value) in options {
            assert!(all.take(name, value)?, "{name}");
        }
        all.finish()
    }

    #[test]
    fn the_options_mean_what_they_mean_to_mysqls_clients() {
        assert_eq!(read(&[]).expect("none").mode, TlsMode::Preferred);
        assert_eq!(read(&[("ssl-mode", "required")]).expect("a mode").mode, TlsMode::Required);
        assert_eq!(read(&[("ssl-ca", "/ca.pem")]).expect("a CA").mode, TlsMode::VerifyCa);
        let all = [("ssl-mode", "VERIFY_IDENTITY"), ("ssl-ca", "/c"), ("ssl-cert", "/a"), ("ssl-key", "/b")];
        let tls = read(&all).expect("all");
        assert_eq!((tls.mode, tls.identity), (TlsMode::VerifyIdentity, Some(("/a".into(), "/b".into()))));
        assert!(!TlsOptions::default().take("ssl", "1").expect("no error"));
    }

    #[test]
    fn what_contradicts_itself_is_refused_with_the_remedy() {
        for (options, words) in [
            (&[("ssl-mode", "YES")][..], &["ssl-mode=YES", "VERIFY_IDENTITY"][..]),
            (&[("ssl-mode", "REQUIRED"), ("ssl-mode", "DISABLED")], &["ssl-mode is given twice"]),
            (&[("ssl-ca", "/a"), ("ssl-ca", "/b")], &["ssl-ca is given twice"]),
            (&[("ssl-mode", "REQUIRED"), ("ssl-ca", "/a")], &["REQUIRED looks at no certificate", "VERIFY_CA"]),
            (&[("ssl-mode", "VERIFY_CA")], &["needs to know the CA", "ssl-ca=PATH"]),
            (&[("ssl-cert", "/a")], &["only one of ssl-cert and ssl-key"]),
            (&[("ssl-cert", "/a"), ("ssl-key", "/a"), ("ssl-mode", "DISABLED")], &["with ssl-mode=DISABLED"]),
        ] {
            let error = read(options).expect_err("refused");
            assert_eq!(error.kind, Kind::Usage);
            words.iter().for_each(|w| assert!(error.to_string().contains(w), "{error}"));
        }
    }
}
