//! Webhook secrets and tokens, put in the place of others.

use crate::cli::serve::reload::Reloads;
use crate::config::Checker;
use crate::current::Current;
use crate::stripe::signature::Verifier;
use crate::token::Tokens;

/// By what deliveries are believed.
pub(in crate::cli::serve) struct WebhookSecrets(pub(in crate::cli::serve) Current<Verifier>);

impl Reloads for WebhookSecrets {
    fn settings(&self) -> &'static [&'static str] {
        &["webhook_secrets", "tolerance_seconds"]
    }

    fn prepare(&self, checker: &mut Checker<'_>) -> Option<Box<dyn FnOnce()>> {
        let (next, current) = (checker.verifier()?, self.0.clone());
        Some(Box::new(move || {
            let before = current.get();
            let names = |verifier: &Verifier| -> Vec<String> {
                let uses = verifier.uses().into_iter();
                uses.map(|it| format!("{} {}", it.name, it.fingerprint)).collect()
            };
            tell("webhook secrets", &names(&before), &names(&next));
            current.replace(next.after(&before));
        }))
    }
}

/// The tokens, unless none are asked for.
pub(in crate::cli::serve) struct WhoIsLetIn {
    pub(in crate::cli::serve) tokens: Current<Tokens>,
    pub(in crate::cli::serve) insecure_no_auth: bool,
}

impl Reloads for WhoIsLetIn {
    fn settings(&self) -> &'static [&'static str] {
        &["tokens"]
    }

    fn prepare(&self, checker: &mut Checker<'_>) -> Option<Box<dyn FnOnce()>> {
        let (next, _) = checker.tokens(None)?;
        if next.0.is_empty() && !self.insecure_no_auth {
            checker.problem(
                "there are no tokens any more, and BURSAR_INSECURE_NO_AUTH is looked at by a start \
                 only: give tokens, or start bursar again"
                    .to_owned(),
            );
            return None;
        }
        let current = self.tokens.clone();
        Some(Box::new(move || {
            let names = |tokens: &Tokens| -> Vec<String> {
                let tokens = tokens.0.iter();
                tokens
                    .map(|it| format!("{}/{} {}", it.role.word(), it.name, it.fingerprint()))
                    .collect()
            };
            tell("tokens", &names(&current.get()), &names(&next));
            current.replace(next);
        }))
    }
}

/// What has come and what has gone, by names that show nothing.
fn tell(what: &str, before: &[String], now: &[String]) {
    let without = |these: &[String], those: &[String]| {
        let gone = these.iter().filter(|name| !those.contains(name));
        gone.map(String::as_str).collect::<Vec<_>>().join(", ")
    };
    let (added, removed) = (without(now, before), without(before, now));
    if added.is_empty() && removed.is_empty() {
        tracing::info!(count = now.len(), "read the {what} again: they are the same");
    } else {
        tracing::info!(count = now.len(), added, removed, "the {what} are others from now on");
    }
}
