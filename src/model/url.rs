//! Where is a server, and who logs in? `mysql://user:password@host:port/?ssl-mode=REQUIRED`

use super::tls::{Tls, TlsOptions};
use crate::error::{Context, Error, Kind, Result};
use std::fmt;

const DEFAULT_PORT: u16 = 3306;

/// A source or a target. Shown without its password, in messages and by `Debug` alike.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerUrl {
    pub user: String,
    pub password: Option<String>,
    /// A name or an address; IPv6 without brackets.
    pub host: String,
    pub port: u16,
    pub tls: Tls,
}

impl ServerUrl {
    /// Reads `mysql://user[:password]@host[:port][/][?ssl-mode=MODE]` (also `mariadb://`). User and password may be
    /// percent-encoded. Errors: `Usage`, which never repeats the password.
    pub fn parse(text: &str) -> Result<Self> {
        let Parts { server, secret, tls } = parts(text)?;
        // a statement must not be able to send a file of this machine to a server of its choice, nor learn which there are
        let only = |what: &str, hint| {
            Err(Error::new(Kind::Usage, format!("{what} may stand only in a URL on the command line")).hint(hint))
        };
        match secret {
            None if tls.names_files() => only(
                "ssl-ca, ssl-cert and ssl-key",
                "Use pcloud restore or pcloud verify; or ssl-mode=REQUIRED, or VERIFY_IDENTITY for a certificate of a public CA.",
            ),
            None => Ok(Self { tls: tls.finish()?, ..server }),
            Some((name, _)) => only(&name.to_string(), "Write the password into the URL."),
        }
    }

    /// As `parse`, but files may be named: the `ssl-…` ones of `Tls`, and the password may also be kept elsewhere:
    /// `?password_file=PATH` (its first line) or `?password_env=NAME`. Only for URLs from the command line or a settings
    /// file. Errors: `Usage`; `Io` when the password's file cannot be read.
    pub fn parse_with_secret(text: &str) -> Result<Self> {
        let Parts { server, secret, tls } = parts(text)?;
        let mut this = Self { tls: tls.finish()?, ..server };
        match secret {
            Some((Secret::File, path)) => {
                let text = std::fs::read_to_string(&path).context(format!("password file {path}"))?;
                this.password = Some(text.lines().next().unwrap_or_default().to_string());
            }
            Some((Secret::Env, name)) => {
                let password = std::env::var(&name).map_err(|_| {
                    Error::new(Kind::Usage, format!("environment variable {name} is not set"))
                        .hint("It is named by password_env in the server's URL.")
                })?;
                this.password = Some(password);
            }
            None => {}
        }
        Ok(this)
    }
}

#[derive(Clone, Copy)]
enum Secret {
    File,
    Env,
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Secret::File => "password_file",
            Secret::Env => "password_env",
        })
    }
}

/// A URL taken apart.
struct Parts {
    /// Without what it says of TLS.
    server: ServerUrl,
    secret: Option<(Secret, String)>,
    tls: TlsOptions,
}

fn parts(text: &str) -> Result<Parts> {
    let bad = |why: String| Error::new(Kind::Usage, why).hint("Write it as mysql://user:password@host:port/");
    let url = url::Url::parse(text).map_err(|e| bad(format!("the server's URL cannot be read: {e}")))?;
    if !matches!(url.scheme(), "mysql" | "mariadb") {
        return Err(bad(format!("a server's URL begins with mysql://, not {}://", url.scheme())));
    }
    let host = url.host_str().filter(|h| !h.is_empty()).ok_or_else(|| bad("the server's URL names no host".into()))?;
    let host = host.trim_start_matches('[').trim_end_matches(']').to_string();
    if url.username().is_empty() {
        return Err(bad(format!("the URL of the server at {host} names no user")));
    }
    if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
        return Err(bad(format!("the URL of the server at {host} has more than user, host and port")));
    }
    let (mut secret, mut tls) = (None, TlsOptions::default());
    for (name, value) in url.query_pairs() {
        let kind = match name.as_ref() {
            "password_file" => Secret::File,
            "password_env" => Secret::Env,
            name if tls.take(name, &value)? => continue,
            _ => return Err(bad(format!("the URL of the server at {host} has an unknown setting {name}"))),
        };
        if secret.is_some() || url.password().is_some() {
            return Err(bad(format!("the URL of the server at {host} names more than one password")));
        }
        secret = Some((kind, value.into_owned()));
    }
    let server = ServerUrl {
        user: decoded(url.username()).ok_or_else(|| bad(format!("the user of the server at {host} is not UTF-8")))?,
        password: match url.password() {
            Some(p) => Some(decoded(p).ok_or_else(|| bad(format!("the password for {host} is not UTF-8")))?),
            None => None,
        },
        host,
        port: url.port().unwrap_or(DEFAULT_PORT),
        tls: Tls::default(),
    };
    Ok(Parts { server, secret, tls })
}

/// Undoes percent-encoding; a `%` that begins no code stands for itself. `None`: not UTF-8.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let code = tail.get(..2).filter(|_| first == b'%').and_then(|two| std::str::from_utf8(two).ok());
        match code.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

/// `mysql://user@host:port/`: never the password.
impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "mysql://{}@[{}]:{}/", self.user, self.host, self.port)
        } else {
            write!(f, "mysql://{}@{}:{}/", self.user, self.host, self.port)
        }
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TlsMode;

    #[test]
    fn a_url_is_read_and_shown_without_its_password() {
        let url = ServerUrl::parse("mysql://app:p%40ss%2F%c3%a9%zz@db.example:3307/").expect("a URL");
        assert_eq!(url.password.as_deref(), Some("p@ss/é%zz"));
        assert_eq!((url.user.as_str(), url.host.as_str(), url.port), ("app", "db.example", 3307));
        assert_eq!(url.to_string(), "mysql://app@db.example:3307/");
        assert!(!format!("{url:?}").contains("p@ss"));
        let url = ServerUrl::parse("mariadb://root@[::1]").expect("a URL");
        assert_eq!((url.host.as_str(), url.port, &url.password), ("::1", 3306, &None));
        assert_eq!(url.to_string(), "mysql://root@[::1]:3306/");
    }

    #[test]
    fn what_is_no_servers_url_is_refused_without_repeating_the_password() {
        for text in [
            "postgres://u:hidden@h/",
            "mysql://h/",
            "mysql://:hidden@h/",
            "mysql://u:hidden@h/db",
            "mysql://u:hidden@h/?tls=1",
            "mysql://u:hidden@h:99999/",
            "u:hidden@h",
            "mysql://u:hidden@h/?password_env=X",
        ] {
            let error = ServerUrl::parse(text).expect_err(text);
            assert_eq!(error.kind, Kind::Usage, "{text}");
            assert!(!error.to_string().contains("hidden"), "{error}");
        }
    }

    #[test]
    fn a_password_may_stand_in_a_file_but_not_for_a_statement() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("secret");
        std::fs::write(&path, "s3cret\nmore\n").expect("written");
        let text = format!("mysql://u@h/?password_file={}", path.display());
        assert_eq!(ServerUrl::parse_with_secret(&text).expect("read").password.as_deref(), Some("s3cret"));
        assert_eq!(ServerUrl::parse(&text).expect_err("refused").kind, Kind::Usage);
        let error = ServerUrl::parse_with_secret("mysql://u@h/?password_file=/no/such").expect_err("no file");
        assert_eq!(error.kind, Kind::Io);
    }

    #[test]
    fn a_url_says_how_the_connection_is_encrypted_but_a_statement_names_no_files() {
        let mode = |text: &str| ServerUrl::parse(text).map(|u| u.tls.mode);
        assert_eq!(mode("mysql://u@h/").expect("a URL"), TlsMode::Preferred);
        assert_eq!(mode("mysql://u@h/?ssl-mode=VERIFY_IDENTITY").expect("a URL"), TlsMode::VerifyIdentity);
        let text = "mysql://u@h/?ssl-ca=/etc/ca.pem&password_env=PATH";
        assert_eq!(ServerUrl::parse_with_secret(text).expect("a URL").tls.mode, TlsMode::VerifyCa);
        for option in ["ssl-ca=/etc/passwd", "ssl-cert=/a&ssl-key=/b"] {
            let error = mode(&format!("mysql://u@h/?{option}")).expect_err("a file");
            assert!(error.message.contains("only in a URL on the command line"), "{error}");
        }
    }
}
