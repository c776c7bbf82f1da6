//! What the driver is told of TLS, and what its failures mean.

use crate::error::{Context, Error, Kind, Result};
use crate::model::{ServerUrl, TlsMode};
use mysql_async::{ClientIdentity, DriverError, Error as Failure, IoError, SslOpts};
use std::io::ErrorKind;
use std::path::Path;

/// Errors: `Io` and `Usage`, naming the file.
pub fn options(url: &ServerUrl) -> Result<SslOpts> {
    let tls = &url.tls;
    let mut all = SslOpts::default();
    if let Some(ca) = &tls.ca {
        let pem = pem(ca, "ssl-ca", "CERTIFICATE")?;
        all = all.with_root_certs(vec![pem.into()]).with_disable_built_in_roots(true);
    }
    if let Some((cert, key)) = &tls.identity {
        let (cert, key) = (pem(cert, "ssl-cert", "CERTIFICATE")?, pem(key, "ssl-key", "PRIVATE KEY")?);
        all = all.with_client_identity(Some(ClientIdentity::new(cert.into(), key.into())));
    }
    Ok(all.with_danger_accept_invalid_certs(!tls.mode.verifies()))
}

/// A file that holds at least one block of this kind.
fn pem(path: &Path, option: &str, block: &str) -> Result<Vec<u8>> {
    let bytes = std::fs::read(path).context(format!("{option} {}", path.display()))?;
    let text = String::from_utf8_lossy(&bytes);
    if !text.lines().any(|l| l.starts_with("-----BEGIN ") && l.contains(block)) {
        let error = Error::new(Kind::Usage, format!("{option} {}: it holds no PEM block {block}", path.display()));
        return Err(match text.contains("ENCRYPTED") {
            true => error.hint("Keys under a passphrase are not read: openssl pkey -in KEY -out PLAIN_KEY."),
            false => error.hint("It begins with -----BEGIN; openssl makes it of other forms."),
        });
    }
    Ok(bytes)
}

/// What TLS said of it, if it was TLS that failed.
fn said(failure: &Failure) -> Option<String> {
    match failure {
        Failure::Io(IoError::Io(e)) if e.kind() == ErrorKind::InvalidData => e.get_ref().map(|e| e.to_string()),
        Failure::Io(IoError::Tls(e)) => Some(e.to_string()),
        _ => None,
    }
}

/// A name of a certificate that is good but for that it is not the host's.
pub fn name_of(failure: &Failure) -> Option<String> {
    let said = said(failure)?;
    let (_, names) = said.split_once("certificate is only valid for ")?;
    let (_, name) = names.split_once("DnsName(\"").or_else(|| names.split_once("IpAddress("))?;
    let name = &name[..name.find(['"', ')'])?];
    Some(name.replace('*', "any"))
}

/// The error that says what to do. `None`: it was not about TLS.
pub fn failed(url: &ServerUrl, failure: &Failure) -> Option<Error> {
    let mode = url.tls.mode;
    let error = |text: String| Error::new(Kind::Server, text);
    if matches!(failure, Failure::Driver(DriverError::NoClientSslFlagFromServer)) {
        return Some(error(format!("the server {url} offers no TLS, and ssl-mode={mode} asks for it")).hint(
            "Give the server a certificate (ssl_cert and ssl_key in its option file); or ssl-mode=PREFERRED, which takes \
             what there is.",
        ));
    }
    let said = said(failure)?;
    let certificate = |why: String| error(format!("the certificate of the server {url} {why}"));
    let by = |ca: &Path| format!("is not signed by a CA of {}", ca.display());
    // BadSignature: by another CA of the same name
    Some(if ["UnknownIssuer", "BadSignature"].iter().any(|w| said.contains(w)) {
        let by = url.tls.ca.as_deref().map_or("is not signed by a public CA".into(), by);
        certificate(by).hint(
            "Name the CA's certificate as ssl-ca=PATH (MySQL makes one as ca.pem in its data directory). A MariaDB without \
             ssl_cert signs itself anew at each start: give it ssl_cert and ssl_key, or use ssl-mode=REQUIRED.",
        )
    } else if said.contains("not valid for name") || said.contains("not valid for any names") {
        let names = said.split_once("; certificate ").map_or(said.as_str(), |(_, names)| names);
        match mode {
            TlsMode::VerifyCa => certificate(format!("{names}: pcloud cannot look at its signature alone")).hint(
                "Make one that names a host as subjectAltName (those that MySQL makes itself name none); or ssl-mode=REQUIRED.",
            ),
            _ => certificate(format!("is not for {}: it {names}", url.host))
                .hint("Write the name into the URL that the certificate has; or ssl-mode=VERIFY_CA."),
        }
    } else if said.contains("CaUsedAsEndEntity") {
        certificate("is a CA's own".into())
            .hint("Sign a certificate for the server with it (openssl x509 -req -CA …), and name the CA as ssl-ca.")
    } else if said.contains("certificate expired") || said.contains("not valid yet") {
        certificate(format!("is not valid now: {said}")).hint("Renew it, or correct the clock.")
    } else if matches!(failure, Failure::Io(IoError::Tls(_))) {
        error(format!("the certificates for {url} cannot be used: {said}")).hint("Check ssl-ca, ssl-cert and ssl-key.")
    } else {
        error(format!("TLS with the server {url} failed: {said}"))
            .hint("It must offer TLS 1.2 or 1.3; ssl-mode=DISABLED goes without.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(text: &str) -> Failure {
        std::io::Error::new(ErrorKind::InvalidData, text.to_string()).into()
    }

    #[test]
    fn a_certificates_names_are_read_from_what_tls_says() {
        let names = |text: &str| {
            name_of(&failure(&format!(
                "invalid peer certificate: certificate not valid for name \"h\"; certificate {text}"
            )))
        };
        assert_eq!(names("is only valid for DnsName(\"db.example\")").as_deref(), Some("db.example"));
        assert_eq!(names("is only valid for DnsName(\"*.b\") or DnsName(\"c\")").as_deref(), Some("any.b"));
        assert_eq!(names("is only valid for IpAddress(10.0.0.1)").as_deref(), Some("10.0.0.1"));
        assert_eq!(names("is not valid for any names (according to its subjectAltName extension)"), None);
        assert_eq!(name_of(&failure("invalid peer certificate: UnknownIssuer")), None);
    }

    #[test]
    fn files_that_hold_no_pem_are_refused_by_name() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("key.pem");
        for (text, word) in [("nonsense", "openssl"), ("-----BEGIN ENCRYPTED PRIVATE KEY-----", "passphrase")] {
            std::fs::write(&path, text).expect("written");
            let option = format!("ssl-mode=REQUIRED&ssl-cert={0}&ssl-key={0}", path.display());
            let url = ServerUrl::parse_with_secret(&format!("mysql://u@h/?{option}")).expect("a URL");
            let error = options(&url).expect_err("no certificate");
            assert!(error.message.contains("key.pem: it holds no PEM block CERTIFICATE"), "{error}");
            assert!(error.to_string().contains(word), "{error}");
        }
    }
}
