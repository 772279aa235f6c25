//! The settings, as `serve` reads them, and what is unwise in them.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::cli::doctor::finding::{Findings, Level};
use crate::cli::serve::{bounds, edge};
use crate::config::{Checker, SETTINGS, Settings};
use crate::domain::warning::Limits;
use crate::stripe::client::ClientSettings;
use crate::token::{Role, Tokens};

/// What the other checks go by; `None` where a setting is unusable.
#[derive(Default)]
pub(super) struct Wanted {
    pub(super) bind: Option<SocketAddr>,
    pub(super) store: Option<PathBuf>,
    pub(super) livemode: Option<bool>,
    /// The names of the webhook secrets, one for each.
    pub(super) sources: Option<Vec<String>>,
    pub(super) tolerance_seconds: u64,
    pub(super) limits: Limits,
    pub(super) stripe: Option<ClientSettings>,
}

impl Wanted {
    pub(super) fn check(settings: &Settings, findings: &mut Findings) -> Self {
        let mut checker = Checker::new(settings);
        let bind = checker.bind();
        let tokens = checker.tokens(bind);
        let wanted = Self {
            bind,
            store: checker.store(),
            livemode: checker.livemode(),
            sources: checker.webhook_secrets().map(|it| it.into_iter().map(|it| it.name).collect()),
            tolerance_seconds: checker.tolerance_seconds().unwrap_or_default(),
            limits: bounds::vigilance(&mut checker).unwrap_or_default(),
            stripe: checker.stripe(),
        };
        // The rest only needs to be usable.
        bounds::capacity(&mut checker);
        bounds::limits(&mut checker);
        bounds::patience(&mut checker);
        checker.max_signatures();
        edge::networks(&mut checker);
        let certificate = edge::certificate(&mut checker);
        checker.backfill_every();
        checker.auth_failures();
        checker.reload_every();
        checker.retention_days();
        checker.region();
        checker.onboarding();
        checker.otlp_endpoint();
        checker.log();
        let warnings = checker.warnings().to_vec();
        match checker.finish() {
            Ok(()) => findings.good("settings", format!("all {} can be used", SETTINGS.len())),
            Err(problems) => {
                problems
                    .0
                    .iter()
                    .for_each(|problem| findings.told(Level::Wrong, "settings", problem));
            }
        }
        if let Some(certificate) = certificate {
            match certificate.installed().warning() {
                Some(warning) => findings.warning("certificate", warning, "renew it in time"),
                None => findings.good("certificate", "it is valid, and its key belongs to it"),
            }
        }
        for warning in &warnings {
            findings.warning("settings", warning, "take the variable away, or correct its name");
        }
        if let Some((tokens, insecure)) = &tokens {
            roles(tokens, *insecure, wanted.stripe.is_some(), findings);
        }
        wanted
    }
}

fn roles(tokens: &Tokens, insecure: bool, with_key: bool, findings: &mut Findings) {
    if insecure {
        let remedy = "for more than a trial on this machine, set BURSAR_TOKENS and take it away";
        findings.warning("tokens", "BURSAR_INSECURE_NO_AUTH lets anyone do everything", remedy);
        return;
    }
    let has = |role: Role| tokens.0.iter().any(|token| token.role == role);
    let add = |role: Role| format!("add {}/NAME=TOKEN to BURSAR_TOKENS", role.word());
    if !has(Role::Operator) {
        let says = "there is no token of an operator, so nobody can replay or redrive events";
        findings.warning("tokens", says, &add(Role::Operator));
    }
    if with_key && !has(Role::Payer) {
        let says = "there is a Stripe key, but no token of a payer, so nobody can use it for money";
        findings.warning("tokens", says, &add(Role::Payer));
    }
    if has(Role::Operator) && (has(Role::Payer) || !with_key) {
        let count = |role: Role| tokens.0.iter().filter(|token| token.role == role).count();
        let counts = Role::ALL.map(|role| format!("{} {}", count(role), role.word()));
        findings.good("tokens", counts.join(", "));
    }
}
