//! Webhook secrets and tokens: who is believed, and who is let in.

use std::net::SocketAddr;
use std::time::Duration;

use crate::config::Checker;
use crate::config::entries::{NewToken, token, webhook_secret};
use crate::secret::Secret;
use crate::stripe::signature::{Verifier, WebhookSecret};
use crate::token::{Token, Tokens};

const WEAK: &str =
    "has less than 16 characters and can be guessed: take one from `bursar token` instead";

/// A webhook secret on its own, for signing.
pub struct NamedSecret {
    pub name: String,
    pub value: Secret,
}

impl Checker<'_> {
    pub fn verifier(&mut self) -> Option<Verifier> {
        let (secrets, tolerance_seconds) = (self.webhook_secrets(), self.tolerance_seconds());
        let signatures = self.max_signatures();
        let (secrets, tolerance_seconds) = (secrets?, tolerance_seconds?);
        let secrets: Vec<WebhookSecret> = secrets
            .into_iter()
            .map(|secret| WebhookSecret::new(secret.name, secret.value))
            .collect();
        Some(Verifier::new(&secrets, tolerance_seconds).looking_at(signatures?))
    }

    /// At least one; `None` after a problem.
    pub fn webhook_secrets(&mut self) -> Option<Vec<NamedSecret>> {
        let before = self.problems.len();
        let (text, label) = self.settings.text("webhook_secrets");
        let Some(text) = text.filter(|text| !text.trim().is_empty()) else {
            self.problems.push(format!(
                "{label} is not set, or empty: give the signing secret of your Stripe webhook \
                 endpoint, such as BURSAR_WEBHOOK_SECRETS=platform=whsec_..., and a comma between \
                 several"
            ));
            return None;
        };
        let mut secrets: Vec<NamedSecret> = Vec::new();
        for (index, entry) in text.split(',').enumerate() {
            match webhook_secret(entry) {
                Err(what) => {
                    self.problems.push(format!("entry {} of {label} {what}", index + 1));
                }
                Ok(secret) if secrets.iter().any(|s| s.value.expose() == secret.value.expose()) => {
                    self.problems.push(format!(
                        "entry {} of {label} repeats an earlier secret; remove it",
                        index + 1
                    ));
                }
                Ok(secret) => secrets.push(secret),
            }
        }
        (self.problems.len() == before).then_some(secrets)
    }

    /// `None` after a problem. Without authentication there need be none.
    pub fn tokens(&mut self, bind: Option<SocketAddr>) -> Option<(Tokens, bool)> {
        let before = self.problems.len();
        let insecure = self.boolean("insecure_no_auth");
        if insecure == Some(true) && bind.is_some_and(|bind| !bind.ip().is_loopback()) {
            self.problems.push(
                "BURSAR_INSECURE_NO_AUTH is allowed on loopback addresses only: set BURSAR_TOKENS, \
                 or BURSAR_BIND to 127.0.0.1:8787"
                    .to_owned(),
            );
        }
        let (text, label) = self.settings.text("tokens");
        let text = text.filter(|text| !text.trim().is_empty());
        if text.is_none() && insecure == Some(false) {
            self.problems.push(format!(
                "{label} is not set, or empty: make a token with `bursar token` and set \
                 BURSAR_TOKENS=reader=TOKEN (for a trial on this machine, \
                 BURSAR_INSECURE_NO_AUTH=true)"
            ));
        }
        let mut tokens: Vec<Token> = Vec::new();
        for (index, entry) in text.into_iter().flat_map(|text| text.split(',')).enumerate() {
            let entry_is = |what: &str| format!("entry {} of {label} {what}", index + 1);
            match token(entry) {
                Err(what) => self.problems.push(entry_is(what)),
                Ok(NewToken { token, .. }) if tokens.iter().any(|it| it.repeats(&token)) => {
                    self.problems.push(entry_is("repeats an earlier token of its role; remove it"));
                }
                Ok(NewToken { token, is_weak }) => {
                    if is_weak {
                        self.warnings.push(entry_is(WEAK));
                    }
                    tokens.push(token);
                }
            }
        }
        insecure
            .filter(|_| self.problems.len() == before)
            .map(|insecure| (Tokens(tokens), insecure))
    }

    /// Zero: any number.
    pub fn auth_failures(&mut self) -> Option<u32> {
        let parse = |text: &str| text.parse().ok().filter(|count| *count <= 1_000_000);
        self.parsed("max_auth_failures", parse, "a number from 0 (no limit) to 1000000")
    }

    /// Zero: never, unless a signal asks for it.
    pub fn reload_every(&mut self) -> Option<Duration> {
        let parse = |text: &str| text.parse().ok().filter(|seconds| *seconds <= 86_400);
        let seconds = self.parsed("reload_seconds", parse, "a number of seconds from 0 to 86400");
        seconds.map(Duration::from_secs)
    }
}
