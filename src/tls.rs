//! TLS, served and spoken: certificates as files, whom to trust, versions 1.2 and 1.3.
//!
//! Nothing but HTTP/1.1 is offered in ALPN: it is what the server times and counts.
//!
//! **Never in here:** sockets, and the text of a key in a message.

mod client;
mod server;

pub use client::{Trust, client};
pub use server::{Certificate, Installed, Pair};

use std::path::Path;
use std::sync::Arc;

use rustls::SupportedProtocolVersion;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{Error, PemObject};
use rustls::version::{TLS12, TLS13};

const VERSIONS: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];
const HTTP_1: &[u8] = b"http/1.1";

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// The certificates of a PEM file, at least one; else what is wrong with it, and the remedy.
fn certificates(path: &Path, what: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let wrong = |error: Error| pem_problem(path, what, "certificate (BEGIN CERTIFICATE)", &error);
    let found = CertificateDer::pem_file_iter(path).map_err(wrong)?;
    let found: Vec<_> = found.collect::<Result<_, Error>>().map_err(wrong)?;
    if found.is_empty() { Err(wrong(Error::NoItemsFound)) } else { Ok(found) }
}

/// The path is repeated, never what stands in the file.
fn pem_problem(path: &Path, what: &str, wanted: &str, error: &Error) -> String {
    let path = path.display();
    if let Error::Io(error) = error {
        format!("{what} must be the path of a PEM file; {path} cannot be read: {error}")
    } else if matches!(error, Error::NoItemsFound) {
        format!("{what} names {path}, which has no {wanted}: give a file in PEM form")
    } else {
        format!("{what} names {path}, which is not whole PEM: write the file anew")
    }
}
