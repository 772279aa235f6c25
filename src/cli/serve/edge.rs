//! TLS and networks, as the settings have them.

use std::sync::Arc;

use crate::app::Networks;
use crate::cli::serve::reload::Reloads;
use crate::config::{Checker, Settings, SourceFile};
use crate::tls::{Certificate, Installed};

/// `None` after a problem.
pub(in crate::cli) fn networks(checker: &mut Checker<'_>) -> Option<Networks> {
    let trusted_proxies = checker.networks("trusted_proxies");
    let webhook = checker.networks("webhook_networks");
    Some(Networks { trusted_proxies: trusted_proxies?, webhook: webhook? })
}

/// `None` when none is wanted, or after a problem.
pub(in crate::cli) fn certificate(checker: &mut Checker<'_>) -> Option<Arc<Certificate>> {
    let files = checker.tls_files()?;
    match Certificate::load(&files.cert, &files.key) {
        Ok(certificate) => Some(Arc::new(certificate)),
        Err(problems) => {
            for problem in problems {
                checker.problem(problem);
            }
            None
        }
    }
}

pub(super) fn tell(installed: Installed) {
    if let Some(warning) = installed.warning() {
        tracing::warn!("{warning}");
    }
}

/// The certificate that is served. Which files it is in takes a restart; what stands in them does
/// not.
pub(super) struct ServedCertificate(pub(super) Arc<Certificate>);

impl Reloads for ServedCertificate {
    fn settings(&self) -> &'static [&'static str] {
        &[]
    }

    fn files(&self, _: &Settings) -> Vec<SourceFile> {
        self.0.files().map(SourceFile::new).to_vec()
    }

    fn prepare(&self, checker: &mut Checker<'_>) -> Option<Box<dyn FnOnce()>> {
        let certificate = Arc::clone(&self.0);
        match certificate.prepare() {
            Ok(pair) => Some(Box::new(move || {
                let installed = certificate.install(pair);
                if installed.changed {
                    tracing::info!("another certificate is served from now on");
                }
                tell(installed);
            })),
            Err(problems) => {
                for problem in problems {
                    checker.problem(problem);
                }
                None
            }
        }
    }
}
