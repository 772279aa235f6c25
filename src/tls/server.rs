//! The certificate that is served, and how another takes its place while connections go on.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, Error, InconsistentKeys, RootCertStore, ServerConfig};

use crate::clock;
use crate::tls::{HTTP_1, VERSIONS, certificates, pem_problem, provider};

const CERT: &str = "BURSAR_TLS_CERT";
const KEY: &str = "BURSAR_TLS_KEY";
/// A certificate that ends so soon should have been renewed.
const SOON_SECONDS: u64 = 14 * 86_400;
/// After the end of every certificate, 9999-12-31, in Unix seconds.
const END_OF_TIME: u64 = 253_402_300_800;

/// The certificate and key of two PEM files, as they were when last read whole.
pub struct Certificate {
    cert: PathBuf,
    key: PathBuf,
    served: RwLock<Arc<CertifiedKey>>,
}

/// A certificate and its key that were read and fit together.
pub struct Pair(CertifiedKey);

/// What a certificate that has just been read says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Installed {
    /// Whether it is another one than before.
    pub changed: bool,
    /// When it ends, and when it begins if that is yet to come, in Unix seconds.
    pub not_after: Option<u64>,
    pub not_yet: bool,
}

impl Certificate {
    /// Reads both files. The error has everything that is wrong with them, each with its remedy.
    pub fn load(cert: &Path, key: &Path) -> Result<Self, Vec<String>> {
        let served = RwLock::new(Arc::new(pair(cert, key)?));
        Ok(Self { cert: cert.to_owned(), key: key.to_owned(), served })
    }

    /// Reads both files again. Nothing has changed until the pair is installed.
    pub fn prepare(&self) -> Result<Pair, Vec<String>> {
        pair(&self.cert, &self.key).map(Pair)
    }

    /// Serves this pair from the next handshake on; connections that are open stay as they are.
    pub fn install(&self, Pair(new): Pair) -> Installed {
        let mut served = self.served.write().unwrap_or_else(PoisonError::into_inner);
        let changed = served.cert != new.cert;
        *served = Arc::new(new);
        drop(served);
        Installed { changed, ..self.installed() }
    }

    /// Both at once. After an error the pair that was served before still is.
    pub fn reload(&self) -> Result<Installed, Vec<String>> {
        self.prepare().map(|pair| self.install(pair))
    }

    /// The files that are read, for who watches them.
    pub fn files(&self) -> [&Path; 2] {
        [&self.cert, &self.key]
    }

    pub fn installed(&self) -> Installed {
        let now = Duration::from_secs(clock::now().unix_seconds());
        let served = self.served();
        let leaf = served.cert.first();
        Installed {
            changed: false,
            not_after: leaf.and_then(not_after),
            not_yet: leaf.is_some_and(|leaf| is_not_yet(leaf, now)),
        }
    }

    /// What a server is run with. It asks for the certificate at each handshake.
    pub fn server_config(self: &Arc<Self>) -> Result<ServerConfig, Error> {
        let config = ServerConfig::builder_with_provider(provider());
        let config = config.with_protocol_versions(VERSIONS)?.with_no_client_auth();
        let mut config = config.with_cert_resolver(Arc::<Self>::clone(self));
        config.alpn_protocols = vec![HTTP_1.to_vec()];
        Ok(config)
    }

    fn served(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.served.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.served())
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Certificate").field("cert", &self.cert).finish_non_exhaustive()
    }
}

impl Installed {
    /// What an operator should hear of it, if anything.
    pub fn warning(&self) -> Option<String> {
        let now = clock::now().unix_seconds();
        let left = self.not_after.map(|end| end.checked_sub(now));
        match left {
            Some(None) => Some(format!(
                "the certificate of {CERT} has expired: clients refuse it; renew it, and bursar \
                 takes the new one without a restart"
            )),
            _ if self.not_yet => Some(format!(
                "the certificate of {CERT} is not valid yet: look at this machine's clock"
            )),
            Some(Some(left)) if left < SOON_SECONDS => {
                Some(format!("the certificate of {CERT} expires in {} days", left / 86_400))
            }
            Some(Some(_)) | None => None,
        }
    }
}

/// All that is wrong with either file is told together.
fn pair(cert: &Path, key: &Path) -> Result<CertifiedKey, Vec<String>> {
    let wrong_key = |error| pem_problem(key, KEY, "private key (BEGIN PRIVATE KEY)", &error);
    let (certs, private) =
        match (certificates(cert, CERT), PrivateKeyDer::from_pem_file(key).map_err(wrong_key)) {
            (Ok(certs), Ok(private)) => (certs, private),
            (certs, private) => return Err(certs.err().into_iter().chain(private.err()).collect()),
        };
    let is_certificate =
        certs.first().is_some_and(|leaf| ParsedCertificate::try_from(leaf).is_ok());
    if !is_certificate {
        let path = cert.display();
        return Err(vec![format!(
            "{CERT} names {path}, whose first certificate cannot be read: put the server's own \
             (X.509, version 3) first, and those of its issuers behind it"
        )]);
    }
    CertifiedKey::from_der(certs, private, &provider()).map_err(|error| {
        let (cert, key) = (cert.display(), key.display());
        vec![if error == Error::InconsistentKeys(InconsistentKeys::KeyMismatch) {
            format!(
                "the key in {key} is not that of the first certificate in {cert}: give the pair \
                 that belongs together in {KEY} and {CERT}"
            )
        } else {
            format!(
                "{KEY} names {key}, whose key cannot be used: give an RSA, ECDSA or Ed25519 key \
                 without a passphrase"
            )
        }]
    })
}

/// When a certificate ends. rustls tells it to whoever asks after that.
fn not_after(certificate: &CertificateDer<'_>) -> Option<u64> {
    match checked_at(certificate, Duration::from_secs(END_OF_TIME)) {
        Some(CertificateError::ExpiredContext { not_after, .. }) => Some(not_after.as_secs()),
        _ => None,
    }
}

fn is_not_yet(certificate: &CertificateDer<'_>, now: Duration) -> bool {
    matches!(checked_at(certificate, now), Some(CertificateError::NotValidYetContext { .. }))
}

/// What would be held against a certificate at a time, if it had an issuer that is trusted. None
/// is: the times are looked at first.
fn checked_at(certificate: &CertificateDer<'_>, at: Duration) -> Option<CertificateError> {
    let parsed = ParsedCertificate::try_from(certificate).ok()?;
    let at = UnixTime::since_unix_epoch(at);
    let algorithms = provider().signature_verification_algorithms.all;
    let roots = RootCertStore::empty();
    match verify_server_cert_signed_by_trust_anchor(&parsed, &roots, &[], at, algorithms) {
        Err(Error::InvalidCertificate(error)) => Some(error),
        _ => None,
    }
}
