//! Stripe: whether the key works, what time it is there, and which endpoints are registered.
//!
//! Nothing is changed there. A restricted key that may not read something is no fault.

use std::time::Duration;

use serde::Deserialize;

use crate::cli::count::counted;
use crate::cli::doctor::finding::Findings;
use crate::cli::doctor::settings::Wanted;
use crate::clock;
use crate::stripe::client::{
    Answer, Call, CallError, Client, ClientSettings, Persistence, Sleep, Stripe as _,
};
use crate::stripe::wire::tracked_types;

/// A person waits.
const PERSISTENCE: Persistence =
    Persistence { connect: Duration::from_secs(5), answer: Duration::from_secs(20), retries: 1 };
/// Clocks may differ so much without a word.
const SKEW_SECONDS: u64 = 30;
const PATH: &str = "/webhooks/stripe";

pub(super) async fn check(wanted: &Wanted, findings: &mut Findings) {
    let Some(settings) = &wanted.stripe else {
        findings.note("stripe", "there is no BURSAR_STRIPE_KEY: bursar only listens");
        return;
    };
    let client = match Client::with(settings.clone(), PERSISTENCE, Box::new(Sleep)) {
        Ok(client) => client,
        Err(error) => {
            findings.wrong("stripe", format!("it cannot be called: {error}"), "");
            return;
        }
    };
    let Some(answer) = key(&client, settings, wanted, findings).await else { return };
    if let Some(date) = answer.and_then(|answer| answer.date) {
        time(date, wanted, findings);
    }
    endpoints(&client, wanted, findings).await;
}

/// Whether the key is good, and for the right mode; `None` when nothing more need be asked.
async fn key(
    client: &Client,
    settings: &ClientSettings,
    wanted: &Wanted,
    findings: &mut Findings,
) -> Option<Option<Answer>> {
    let answer = match client.call(&Call::get("/v1/balance")).await {
        Ok(answer) => Some(answer),
        Err(CallError::Refused { status: 403, .. }) => {
            let says = "the key works; it is restricted and may not read the balance";
            findings.note("stripe", says);
            None
        }
        Err(CallError::Refused { status: 401, .. }) => {
            let remedy = "take a key from Stripe's dashboard and set BURSAR_STRIPE_KEY";
            findings.wrong("stripe", "Stripe does not know the key", remedy);
            return None;
        }
        Err(error) => {
            let remedy =
                "look at this machine's way to the internet, and at BURSAR_STRIPE_API_BASE";
            findings.wrong("stripe", error.to_string(), remedy);
            return None;
        }
    };
    let livemode = settings.livemode();
    let mode = |livemode| if livemode { "live" } else { "test" };
    if answer.is_some() {
        findings.good("stripe", format!("the key works, in {} mode", mode(livemode)));
    }
    if let Some(wanted) = wanted.livemode.filter(|wanted| *wanted != livemode) {
        findings.warning(
            "stripe",
            format!("the key is for {} mode, but reads show {} mode", mode(livemode), mode(wanted)),
            &format!("set BURSAR_LIVEMODE to {livemode}, or use another key"),
        );
    }
    Some(answer)
}

fn time(date: u64, wanted: &Wanted, findings: &mut Findings) {
    let now = clock::now().unix_seconds();
    let skew = now.abs_diff(date);
    let direction = if now > date { "ahead of" } else { "behind" };
    let says = format!("this machine's clock is {skew} s {direction} Stripe's");
    let remedy = "set it, and keep it set (chrony or systemd-timesyncd)";
    if skew > wanted.tolerance_seconds {
        findings.wrong("clock", format!("{says}: deliveries are refused"), remedy);
    } else if skew > SKEW_SECONDS {
        findings.warning("clock", says, remedy);
    } else {
        findings.good("clock", says);
    }
}

#[derive(Deserialize)]
struct Endpoints {
    data: Vec<Endpoint>,
}

#[derive(Deserialize)]
struct Endpoint {
    id: String,
    url: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    enabled_events: Vec<String>,
}

impl Endpoint {
    /// Whether it may lead here; which public address that is, nobody has told us.
    fn is_ours(&self) -> bool {
        let path = self.url.split(['?', '#']).next().unwrap_or_default();
        path.trim_end_matches('/').ends_with(PATH)
    }

    fn wants(&self, event_type: &str) -> bool {
        self.enabled_events.iter().any(|wanted| wanted == "*" || wanted == event_type)
    }
}

async fn endpoints(client: &Client, wanted: &Wanted, findings: &mut Findings) {
    let call = Call::get("/v1/webhook_endpoints").with("limit", 100);
    let listed = match client.call(&call).await {
        Ok(answer) => answer.read::<Endpoints>(),
        Err(CallError::Refused { status: 401 | 403, .. }) => {
            findings.note("endpoints", "the key may not list webhook endpoints");
            return;
        }
        Err(error) => {
            findings.note("endpoints", format!("they could not be listed: {error}"));
            return;
        }
    };
    let Some(Endpoints { data }) = listed else {
        findings.note("endpoints", "what Stripe answered cannot be read");
        return;
    };
    judge(&data, wanted.sources.as_ref().map_or(0, Vec::len), findings);
}

/// `secrets` is how many there are.
fn judge(all: &[Endpoint], secrets: usize, findings: &mut Findings) {
    let ours: Vec<&Endpoint> = all.iter().filter(|endpoint| endpoint.is_ours()).collect();
    let (enabled, disabled): (Vec<&Endpoint>, Vec<&Endpoint>) =
        ours.into_iter().partition(|endpoint| endpoint.status != "disabled");
    for endpoint in disabled {
        let says = format!("{} ({}) is disabled", endpoint.id, endpoint.url);
        findings.warning("endpoints", says, "enable it at Stripe, or remove it there");
    }
    if enabled.is_empty() {
        findings.warning(
            "endpoints",
            format!(
                "{} in this mode, none enabled that ends with {PATH}",
                counted(all.len(), "endpoint")
            ),
            "register this service's public address at Stripe, once for events on your account and \
             once for connected accounts (where a proxy changes the path, this means nothing)",
        );
        return;
    }
    let missing: Vec<&str> = tracked_types()
        .map(|(event_type, _)| event_type)
        .filter(|event_type| !event_type.ends_with(".observed"))
        .filter(|event_type| !enabled.iter().any(|endpoint| endpoint.wants(event_type)))
        .collect();
    let before = findings.warnings();
    if !missing.is_empty() {
        let remedy = "add them to the endpoints at Stripe; docs/events.md says what each is for";
        findings.warning("endpoints", format!("none sends {}", missing.join(", ")), remedy);
    }
    if enabled.len() == 1 {
        findings.warning(
            "endpoints",
            format!("there is only one, {}", enabled.first().map_or("", |it| it.id.as_str())),
            "register a second one with the same address: one listens to events on your account, \
             the other to connected accounts",
        );
    }
    if enabled.len() > secrets {
        findings.warning(
            "endpoints",
            format!(
                "{} are enabled, but there is only {}: what the others send is refused",
                enabled.len(),
                counted(secrets, "webhook secret")
            ),
            "add the signing secret of each to BURSAR_WEBHOOK_SECRETS",
        );
    }
    if findings.warnings() == before {
        findings.good(
            "endpoints",
            format!("{} are enabled and send all that is tracked", enabled.len()),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(url: &str, status: &str, events: &[&str]) -> Endpoint {
        let enabled_events = events.iter().map(|it| (*it).to_owned()).collect();
        let (id, url, status) = ("we_1".to_owned(), url.to_owned(), status.to_owned());
        Endpoint { id, url, status, enabled_events }
    }

    #[test]
    fn what_is_registered_is_held_against_what_is_needed() {
        let here = "https://pay.example.com/webhooks/stripe";
        let all = |url| endpoint(url, "enabled", &["*"]);
        let nearly: Vec<&str> = tracked_types()
            .map(|(event_type, _)| event_type)
            .filter(|event_type| !matches!(*event_type, "payout.failed" | "topup.reversed"))
            .collect();
        for (case, endpoints, secrets, expected) in [
            ("well", vec![all(here), all(here)], 2, [].as_slice()),
            ("more secrets while one is rolled", vec![all(here), all(here)], 3, &[]),
            ("a query", vec![all(&format!("{here}?x=1")), all(&format!("{here}/"))], 2, &[]),
            ("another service besides", vec![all(here), all(here), all("https://x.org/w")], 2, &[]),
            ("none", vec![], 2, &["0 endpoints in this mode"]),
            ("elsewhere", vec![all("https://x.org/w")], 1, &["1 endpoint in this mode"]),
            ("one", vec![all(here)], 2, &["there is only one"]),
            ("too few secrets", vec![all(here), all(here)], 1, &["only 1 webhook secret"]),
            (
                "too few types",
                vec![
                    endpoint(here, "enabled", &nearly),
                    endpoint(here, "enabled", &["payout.failed"]),
                ],
                2,
                &["none sends topup.reversed"],
            ),
            (
                "disabled",
                vec![all(here), all(here), endpoint(here, "disabled", &["*"])],
                2,
                &["we_1 (https://pay.example.com/webhooks/stripe) is disabled"],
            ),
        ] {
            let mut findings = Findings::default();
            judge(&endpoints, secrets, &mut findings);
            assert_eq!(findings.warnings(), expected.len(), "{case}: {findings}");
            let text = findings.to_string();
            for says in expected {
                assert!(text.contains(says), "{case}: {text}");
            }
        }
    }
}
