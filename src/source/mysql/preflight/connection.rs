//! Is what goes over the connection encrypted?

use super::Report;
use crate::dial;
use crate::error::Result;
use crate::model::{ServerUrl, TlsMode};
use crate::source::mysql::connect::{ask, at};
use mysql_async::Conn;

/// One line: how, and what could be better.
pub async fn look(conn: &mut Conn, url: &ServerUrl, report: &mut Report) -> Result<()> {
    let rows = ask(conn, url, "SHOW SESSION STATUS LIKE 'Ssl\\_%'").await?;
    let of = |name: &str| rows.iter().find(|r| at(r, 0) == name).map(|r| at(r, 1)).unwrap_or_default();
    let (found, advice) = match (dial::encrypted(conn), url.tls.mode) {
        (true, mode) => {
            let who = match mode {
                TlsMode::VerifyIdentity => "; the server is the one of this name",
                TlsMode::VerifyCa => "; its certificate is signed by the CA",
                _ => "; whoever the server is",
            };
            let advice = "ssl-ca=PATH in the URL, with the server's CA: then nobody can stand in for it";
            let advice = (!mode.verifies() && !dial::is_here(url)).then(|| advice.to_string());
            (format!("encrypted ({}, {}){who}", of("Ssl_version"), of("Ssl_cipher")), advice)
        }
        (false, TlsMode::Disabled) => ("in the clear, as ssl-mode=DISABLED asks".to_string(), None),
        (false, _) => {
            let advice = "give the server a certificate (ssl_cert and ssl_key in its option file; then restart it)";
            let advice = (!dial::is_here(url)).then(|| advice.to_string());
            ("in the clear: the server offers no TLS".to_string(), advice)
        }
    };
    report.push("connection", found, "nothing (encrypted, if it leaves this machine)", true, advice);
    Ok(())
}
