//! TLS over a stream of our own, for the connection that the driver does not make.

use super::tls;
use crate::model::{ServerUrl, Tls, TlsMode};
use mysql_async::{DriverError, Error as Failure};
use std::io;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as Refusal, RootCertStore, SignatureScheme,
};

/// Encrypts what goes over the stream from now on, as the URL asks. Errors: in the driver's words; what concerns TLS is an `Error` in them, and says what to do.
pub async fn secure<S>(url: &ServerUrl, stream: S) -> Result<TlsStream<S>, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let told = |failure: Failure| match tls::failed(url, &failure) {
        Some(error) => Failure::Other(Box::new(error)),
        None => failure,
    };
    let config = config(&url.tls).map_err(|e| told(io::Error::new(io::ErrorKind::InvalidData, e).into()))?;
    let host = ServerName::try_from(url.host.clone()).map_err(io::Error::other)?;
    TlsConnector::from(Arc::new(config)).connect(host, stream).await.map_err(|e| told(e.into()))
}

/// That the server offers no TLS, and the URL asks for it.
pub fn none_offered(url: &ServerUrl) -> Failure {
    let failure = Failure::Driver(DriverError::NoClientSslFlagFromServer);
    tls::failed(url, &failure).map_or(failure, |error| Failure::Other(Box::new(error)))
}

type Made<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn config(tls: &Tls) -> Made<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let algorithms = provider.signature_verification_algorithms;
    let verifier = match tls.mode.verifies() {
        true => Some(WebPkiServerVerifier::builder_with_provider(Arc::new(roots(tls)?), provider.clone()).build()?),
        false => None,
    };
    let names = tls.mode == TlsMode::VerifyIdentity;
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder =
        builder.dangerous().with_custom_certificate_verifier(Arc::new(AsAsked { verifier, names, algorithms }));
    Ok(match &tls.identity {
        Some((cert, key)) => builder.with_client_auth_cert(chain(cert)?, PrivateKeyDer::from_pem_file(key)?)?,
        None => builder.with_no_client_auth(),
    })
}

fn chain(path: &Path) -> Made<Vec<CertificateDer<'static>>> {
    Ok(CertificateDer::pem_file_iter(path)?.collect::<Result<_, _>>()?)
}

fn roots(tls: &Tls) -> Made<RootCertStore> {
    let mut roots = RootCertStore::empty();
    match &tls.ca {
        Some(ca) => chain(ca)?.into_iter().try_for_each(|c| roots.add(c))?,
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    Ok(roots)
}

/// Looks at a server's certificate as far as the mode asks.
#[derive(Debug)]
struct AsAsked {
    /// `None`: any certificate will do.
    verifier: Option<Arc<WebPkiServerVerifier>>,
    /// Whether it must name the host.
    names: bool,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for AsAsked {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Refusal> {
        let Some(verifier) = &self.verifier else { return Ok(ServerCertVerified::assertion()) };
        match verifier.verify_server_cert(certificate, chain, host, ocsp, now) {
            // names are looked at last: all else is good
            Err(Refusal::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.names => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Refusal> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Refusal> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
