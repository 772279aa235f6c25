//! The settings of the way in: TLS, proxies in front, from where webhooks come.

use std::path::PathBuf;

use ipnet::IpNet;

use crate::config::Checker;

/// The PEM files that TLS is served with.
#[derive(Debug)]
pub struct TlsFiles {
    pub cert: PathBuf,
    pub key: PathBuf,
}

impl Checker<'_> {
    /// None when TLS is not wanted, or after a problem.
    pub fn tls_files(&mut self) -> Option<TlsFiles> {
        let before = self.problems.len();
        let pair = (self.pem_path("tls_cert"), self.pem_path("tls_key"));
        match pair {
            _ if self.problems.len() > before => None,
            (Some(cert), Some(key)) => Some(TlsFiles { cert, key }),
            (None, None) => None,
            (Some(_), None) => self.lacks("tls_key", "BURSAR_TLS_CERT"),
            (None, Some(_)) => self.lacks("tls_cert", "BURSAR_TLS_KEY"),
        }
    }

    /// The path of a PEM file, where one is given. Someone may give what stands in the file, which
    /// no message must show.
    pub fn pem_path(&mut self, name: &str) -> Option<PathBuf> {
        let text = self.optional(name)?;
        if text.contains("-----BEGIN") {
            let (_, label) = self.settings.text(name);
            self.problems
                .push(format!("{label} must be the path of a PEM file, not what stands in it"));
        }
        Some(PathBuf::from(text))
    }

    fn lacks(&mut self, name: &str, given: &str) -> Option<TlsFiles> {
        let variable = format!("BURSAR_{}", name.to_ascii_uppercase());
        self.problems.push(format!("{given} is set without {variable}: TLS needs both"));
        None
    }

    /// A comma list of addresses and networks; none where it is not given. `None` after a problem.
    pub fn networks(&mut self, name: &str) -> Option<Vec<IpNet>> {
        let before = self.problems.len();
        let (text, label) = self.settings.text(name);
        let text = text.filter(|text| !text.trim().is_empty());
        let mut networks = Vec::new();
        for (index, entry) in text.into_iter().flat_map(|text| text.split(',')).enumerate() {
            match network(entry.trim()) {
                Some(network) => networks.push(network),
                None => self.problems.push(format!(
                    "entry {} of {label} is neither an address (192.0.2.1) nor a network whose \
                     address fits its length (192.0.2.0/24)",
                    index + 1
                )),
            }
        }
        (self.problems.len() == before).then_some(networks)
    }
}

/// A network with bits beyond its length is probably a mistake.
fn network(text: &str) -> Option<IpNet> {
    match text.parse::<IpNet>() {
        Ok(network) => Some(network).filter(|network| network.trunc() == *network),
        Err(_) => text.parse().ok().map(|address: std::net::IpAddr| address.to_canonical().into()),
    }
}
