//! Whom we trust when we are the client.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use crate::tls::{HTTP_1, VERSIONS, certificates, provider};

/// By what a server is believed to be who it says.
#[derive(Debug)]
pub enum Trust {
    /// The roots that are bundled, and those of the machine.
    Roots(RootCertStore),
    /// It shows this certificate, whatever name and dates stand in it: a server on this machine,
    /// whose files we can read.
    Exactly(CertificateDer<'static>),
    /// Nobody is asked. For questions that tell nothing and whose answer is worth nothing to a
    /// stranger.
    Anyone,
}

impl Trust {
    pub fn roots() -> Self {
        Self::Roots(known_roots())
    }

    /// The roots, and the authorities in a PEM file; else what is wrong with the file.
    pub fn roots_and(authorities: &Path) -> Result<Self, String> {
        let mut roots = known_roots();
        for authority in certificates(authorities, "BURSAR_CA")? {
            roots.add(authority).map_err(|error| {
                format!(
                    "BURSAR_CA names {}, which has something else than certificates of \
                     authorities: {error}",
                    authorities.display()
                )
            })?;
        }
        Ok(Self::Roots(roots))
    }

    /// The first certificate of the file that a server on this machine was given.
    pub fn exactly(certificate: &Path) -> Result<Self, String> {
        let found = certificates(certificate, "BURSAR_TLS_CERT")?;
        found.into_iter().next().map(Self::Exactly).ok_or_else(String::new)
    }
}

fn known_roots() -> RootCertStore {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// A client that trusts in this way.
pub fn client(trust: Trust) -> Result<ClientConfig, Error> {
    let config =
        ClientConfig::builder_with_provider(provider()).with_protocol_versions(VERSIONS)?;
    let config = match trust {
        Trust::Roots(roots) => config.with_root_certificates(roots),
        Trust::Exactly(certificate) => config
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Shown { expected: Some(certificate) })),
        Trust::Anyone => {
            config.dangerous().with_custom_certificate_verifier(Arc::new(Shown { expected: None }))
        }
    };
    let mut config = config.with_no_client_auth();
    config.alpn_protocols = vec![HTTP_1.to_vec()];
    Ok(config)
}

/// Compares the certificate itself. That the server has its key is always checked.
#[derive(Debug)]
struct Shown {
    expected: Option<CertificateDer<'static>>,
}

impl ServerCertVerifier for Shown {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match &self.expected {
            Some(expected) if expected.as_ref() != certificate.as_ref() => {
                Err(CertificateError::UnknownIssuer.into())
            }
            Some(_) | None => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}
