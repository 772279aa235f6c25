//! The server that runs with these settings, if one does.

use std::net::{SocketAddr, TcpListener};

use crate::cli::client;
use crate::cli::doctor::finding::Findings;
use crate::cli::doctor::received::{self, Heard};
use crate::cli::doctor::settings::Wanted;
use crate::cli::remote::Place;
use crate::config::{Checker, Settings};

/// What flags name.
#[derive(Clone, Copy)]
pub(super) struct Named<'a> {
    pub(super) url: Option<&'a String>,
    pub(super) ca: Option<&'a String>,
    pub(super) token: Option<&'a String>,
}

pub(super) struct Server {
    url: String,
    client: client::Server,
    token: Option<String>,
}

impl Server {
    /// `None` when nothing answers there.
    pub(super) async fn find(
        settings: &Settings,
        named: Named<'_>,
        wanted: &Wanted,
        findings: &mut Findings,
    ) -> Option<Self> {
        // What is wrong with the settings is told elsewhere.
        let mut checker = Checker::new(settings);
        let Named { url, ca, token } = named;
        let is_named = url.is_some() || checker.optional("url").is_some();
        let place = Place::of(url, ca, &mut checker)?;
        let token = token.cloned().or_else(|| checker.optional("token"));
        let client = match place.server() {
            Ok(client) => client,
            Err(failure) => {
                findings.wrong("address", failure.message(), "correct --url or BURSAR_URL");
                return None;
            }
        };
        let url = place.url;
        let alive = client.get("/healthz", None).await;
        if alive.is_ok_and(|answer| answer.text("status") == "alive") {
            findings.good("address", format!("bursar answers at {url}"));
            return Some(Self { url, client, token });
        }
        if is_named {
            let says = format!("no bursar answers at {url}");
            findings.wrong("address", says, "start `bursar serve`, or correct --url or BURSAR_URL");
        } else {
            free(wanted.bind?, findings);
        }
        None
    }

    /// Whether it can take work, and what it has heard.
    pub(super) async fn ask(&self, findings: &mut Findings) -> Option<Heard> {
        match self.client.get("/readyz", None).await {
            Ok(answer) if answer.is_success() => findings.good("server", "it takes deliveries"),
            Ok(answer) => findings.wrong(
                "server",
                format!("it cannot take deliveries now: {}", answer.problem()),
                "its log has the reason",
            ),
            Err(failure) => findings.wrong("server", failure.message(), "look at its log"),
        }
        let remedy = "give a token of any role by --token or BURSAR_TOKEN";
        if self.token.is_none() {
            findings
                .note("received", format!("{} was not asked without a token: {remedy}", self.url));
            return None;
        }
        match self.client.get("/v1/summary", self.token.as_deref()).await {
            Ok(answer) if answer.is_success() => Some(received::of_answer(&answer.json)),
            Ok(answer) => {
                findings.warning("received", answer.problem(), remedy);
                None
            }
            Err(failure) => {
                findings.wrong("received", failure.message(), "look at its log");
                None
            }
        }
    }
}

/// Nothing that speaks as bursar does is there; does anything else stand in its way?
fn free(bind: SocketAddr, findings: &mut Findings) {
    match TcpListener::bind(bind) {
        Ok(_) => findings.note("address", format!("{bind} is free: bursar does not run here now")),
        Err(error) => findings.wrong(
            "address",
            format!("{bind} cannot be used, and no bursar answers there: {error}"),
            "stop what listens there, or choose another address with BURSAR_BIND",
        ),
    }
}
