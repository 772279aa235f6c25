//! The flags of commands that ask a running server, and what they need to ask it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::cli::Failure;
use crate::cli::client::{Answer, Server};
use crate::cli::settings::{Nearby, Reads, SettingFlags};
use crate::config::Checker;
use crate::tls::Trust;

/// What stands in a path as it is.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// No documentation comment of the flag, which would need backquotes around the variable.
pub(super) const URL_HELP: &str =
    "Server to call [env: BURSAR_URL] [default: the configured bind address]";

pub(super) const CA_HELP: &str =
    "PEM file of an authority of your own, for an https URL [env: BURSAR_CA]";

/// Which server a command asks, and as whom.
#[derive(clap::Args)]
pub(super) struct Remote {
    #[arg(long, help = URL_HELP)]
    url: Option<String>,
    #[arg(long, help = "Token to call it with [env: BURSAR_TOKEN]")]
    token: Option<String>,
    #[arg(long, value_name = "FILE", help = CA_HELP)]
    ca: Option<String>,
    #[command(flatten)]
    settings: SettingFlags<Read>,
}

/// Where the server is, and which of its partitions is meant.
struct Read;

impl Reads for Read {
    fn reads(setting: &str) -> bool {
        Nearby::reads(setting) || setting == "livemode"
    }
}

/// A server, the token to call it with, and the partition that was asked for.
pub(super) struct Caller {
    url: String,
    server: Server,
    token: Option<String>,
    /// `None` is the server's own default.
    livemode: Option<bool>,
}

impl Remote {
    /// To be called within a runtime.
    pub(super) fn caller(&self) -> Result<Caller, Failure> {
        let settings = self.settings.gather();
        let mut checker = Checker::new(&settings);
        let place = Place::of(self.url.as_ref(), self.ca.as_ref(), &mut checker);
        let token = self.token.clone().or_else(|| checker.optional("token"));
        let livemode = checker.livemode().filter(|_| settings.gives("livemode"));
        checker.finish()?;
        let place = place.ok_or(Failure::Said)?;
        Ok(Caller { server: place.server()?, url: place.url, token, livemode })
    }
}

/// Where a server is, and how it is known.
pub(super) struct Place {
    pub(super) url: String,
    known: Known,
}

enum Known {
    /// By an authority, of the machine's or of this file.
    ByAuthority(Option<PathBuf>),
    /// By the certificate that the server on this machine was given.
    ByCertificate(PathBuf),
}

impl Place {
    /// The server that a flag names, or a variable, or else the one with these settings.
    pub(super) fn of(
        url: Option<&String>,
        ca: Option<&String>,
        checker: &mut Checker<'_>,
    ) -> Option<Self> {
        let ca = ca.map(PathBuf::from).or_else(|| checker.pem_path("ca"));
        if let Some(url) = url.cloned().or_else(|| checker.optional("url")) {
            return Some(Self { url, known: Known::ByAuthority(ca) });
        }
        let certificate = checker.pem_path("tls_cert");
        let url = url_of(listening(checker)?, certificate.is_some());
        let known = certificate.map_or(Known::ByAuthority(ca), Known::ByCertificate);
        Some(Self { url, known })
    }

    pub(super) fn server(&self) -> Result<Server, Failure> {
        Server::trusting(&self.url, || match &self.known {
            Known::ByAuthority(None) => Ok(Trust::roots()),
            Known::ByAuthority(Some(file)) => Trust::roots_and(file).map_err(Failure::Usage),
            Known::ByCertificate(file) => Trust::exactly(file).map_err(Failure::Usage),
        })
    }

    /// A server that is told nothing: on this machine, it need not show who it is.
    pub(super) fn server_that_is_told_nothing(&self) -> Result<Server, Failure> {
        match self.known {
            Known::ByAuthority(_) => self.server(),
            Known::ByCertificate(_) => Server::trusting(&self.url, || Ok(Trust::Anyone)),
        }
    }
}

/// The address of the server with these settings. One that chose its port has written it down.
fn listening(checker: &mut Checker<'_>) -> Option<SocketAddr> {
    let bind = checker.bind()?;
    let written = checker.optional("address_out").filter(|_| bind.port() == 0);
    let written = written.and_then(|path| std::fs::read_to_string(path).ok());
    Some(written.and_then(|address| address.trim().parse().ok()).unwrap_or(bind))
}

/// Where a server with this address is reached from its own machine, without TLS.
pub(super) fn plain_url(bind: SocketAddr) -> String {
    url_of(bind, false)
}

fn url_of(bind: SocketAddr, tls: bool) -> String {
    let ip = match bind.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    let scheme = if tls { "https" } else { "http" };
    format!("{scheme}://{}", SocketAddr::new(ip, bind.port()))
}

impl Caller {
    pub(super) async fn get(
        &self,
        path: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Answer, Failure> {
        let path = self.with_query(path, parameters);
        let answer = self.server.get(&path, self.token.as_deref()).await;
        allowed(answer.map_err(reachable_elsewhere)?)
    }

    pub(super) async fn post(
        &self,
        path: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Answer, Failure> {
        let path = self.with_query(path, parameters);
        let bearer = format!("Bearer {}", self.token.as_deref().unwrap_or_default());
        let answer = self.server.post(&path, ("Authorization", bearer), Vec::new()).await;
        allowed(answer.map_err(reachable_elsewhere)?)
    }

    /// That the server does not know what it was asked for.
    pub(super) fn unknown(&self, what: &str, remedy: &str) -> Failure {
        let elsewhere = match self.livemode {
            Some(livemode) => format!("--livemode {} looks in the other partition", !livemode),
            // Which one the server shows by default is not known here.
            None => "--livemode true or false looks in either partition".to_owned(),
        };
        Failure::Failed(format!(
            "{} knows no {what}; {elsewhere}{remedy}, and --url at another server",
            self.url
        ))
    }

    fn with_query(&self, path: &str, parameters: &[(&str, &str)]) -> String {
        let livemode = self.livemode.map(|livemode| format!("livemode={livemode}"));
        let parameters =
            parameters.iter().map(|(name, value)| format!("{name}={}", encoded(value)));
        let parameters: Vec<String> = parameters.chain(livemode).collect();
        let mark = if parameters.is_empty() { "" } else { "?" };
        format!("{path}{mark}{}", parameters.join("&"))
    }
}

/// An answer to a token that may ask this.
fn allowed(answer: Answer) -> Result<Answer, Failure> {
    match answer.status {
        401 | 403 => Err(Failure::Failed(format!(
            "{}; give such a token by --token or BURSAR_TOKEN",
            answer.problem()
        ))),
        _ => Ok(answer),
    }
}

fn reachable_elsewhere(failure: Failure) -> Failure {
    match failure {
        Failure::Failed(why) if why.contains("cannot be reached") => {
            Failure::Failed(format!("{why} (--url or BURSAR_URL names another server)"))
        }
        other @ (Failure::Usage(_) | Failure::Failed(_) | Failure::Said) => other,
    }
}

/// Text as a part of a path or query.
pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}
