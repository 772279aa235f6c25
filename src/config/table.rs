//! All settings, with their defaults and what they mean.

use crate::stripe::client::API_VERSION;

/// One setting, as the documentation shows it.
#[derive(Debug)]
pub struct Setting {
    pub name: &'static str,
    pub default: Option<&'static str>,
    pub help: &'static str,
}

/// All settings. The environment variable is `BURSAR_` and the name in capitals; the flag is
/// `--` and the name with dashes; either with `_FILE` names a file that holds the value.
pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "bind",
        default: Some("127.0.0.1:8787"),
        help: "Address to listen on; port 0 picks a free one",
    },
    Setting {
        name: "address_out",
        default: None,
        help: "File to write the real address to once listening",
    },
    Setting { name: "store", default: Some("./bursar-data"), help: "Folder of the store" },
    Setting {
        name: "webhook_secrets",
        default: None,
        help: "Signing secrets of the webhook endpoints, required: a comma list of \
               [NAME=]whsec_...; the name becomes the source of the events",
    },
    Setting {
        name: "tolerance_seconds",
        default: Some("300"),
        help: "How far a signature's time may be from ours, to either side",
    },
    Setting {
        name: "tokens",
        default: None,
        help: "Bearer tokens, required: a comma list of ROLE[/NAME]=TOKEN or \
               ROLE[/NAME]=sha256:HEX; roles are reader, operator, payer",
    },
    Setting {
        name: "max_auth_failures",
        default: Some("100"),
        help: "Wrong tokens a minute from one address; further ones get 429, 0 for no limit",
    },
    Setting {
        name: "reload_seconds",
        default: Some("5"),
        help: "How often files are looked at for other secrets and tokens, 0 for only at SIGHUP",
    },
    Setting {
        name: "insecure_no_auth",
        default: Some("false"),
        help: "Let anyone who can connect do everything; on loopback addresses only",
    },
    Setting {
        name: "livemode",
        default: Some("true"),
        help: "Partition that reads show unless they ask for the other",
    },
    Setting {
        name: "max_body_bytes",
        default: Some("1048576"),
        help: "Largest webhook body; larger ones get 413",
    },
    Setting {
        name: "max_total_body_bytes",
        default: Some("67108864"),
        help: "Bytes of all bodies that are held at once; what is beyond gets 503",
    },
    Setting {
        name: "max_connections",
        default: Some("2048"),
        help: "Connections that are served at once; requests on others get 503",
    },
    Setting {
        name: "max_header_bytes",
        default: Some("32768"),
        help: "Largest request line with all headers; larger ones get 431",
    },
    Setting {
        name: "max_headers",
        default: Some("96"),
        help: "Most headers of a request; more get 431",
    },
    Setting {
        name: "max_replay_bytes",
        default: Some("33554432"),
        help: "Largest body of a replay; larger ones get 413",
    },
    Setting {
        name: "max_signatures",
        default: Some("64"),
        help: "How many v1 items of a Stripe-Signature header are looked at",
    },
    Setting {
        name: "max_json_depth",
        default: Some("1048576"),
        help: "Levels of objects and lists in an event; deeper ones get 400",
    },
    Setting {
        name: "max_waiting",
        default: Some("4096"),
        help: "Requests that wait for the disk at once; what is beyond gets 503",
    },
    Setting {
        name: "max_waiting_bytes",
        default: Some("67108864"),
        help: "Bytes of packed events that wait for the disk at once; what is beyond gets 503",
    },
    Setting {
        name: "max_streams",
        default: Some("256"),
        help: "Streams of changes that are open at once; one more gets 503",
    },
    Setting {
        name: "head_timeout_seconds",
        default: Some("10"),
        help: "How long a new connection may take until its first request's headers are there",
    },
    Setting { name: "body_timeout_seconds", default: Some("30"), help: "How long a body may take" },
    Setting {
        name: "replay_timeout_seconds",
        default: Some("300"),
        help: "How long the body of a replay may take",
    },
    Setting {
        name: "idle_timeout_seconds",
        default: Some("75"),
        help: "How long a connection may go without a request",
    },
    Setting {
        name: "send_timeout_seconds",
        default: Some("30"),
        help: "How long a client may take nothing of what it is sent",
    },
    Setting {
        name: "tls_cert",
        default: None,
        help: "PEM file with the certificate to serve TLS with, its issuers behind it",
    },
    Setting { name: "tls_key", default: None, help: "PEM file with the key of that certificate" },
    Setting {
        name: "trusted_proxies",
        default: None,
        help: "Addresses and networks (10.0.0.0/8,::1) of proxies whose X-Forwarded-For is believed",
    },
    Setting {
        name: "webhook_networks",
        default: None,
        help: "Addresses and networks from which webhooks are taken; without it from everywhere",
    },
    Setting {
        name: "stripe_key",
        default: None,
        help: "API key of Stripe's, which lets bursar call Stripe; without it bursar only listens",
    },
    Setting {
        name: "stripe_api_base",
        default: Some("https://api.stripe.com"),
        help: "Where Stripe's API is; https, unless on a loopback address",
    },
    Setting {
        name: "stripe_version",
        default: Some(API_VERSION),
        help: "Version of Stripe's API that calls ask for",
    },
    Setting {
        name: "platform_country",
        default: None,
        help: "Country of the platform (US), for the rule of where transfers may go",
    },
    Setting {
        name: "region_overrides",
        default: None,
        help: "Countries (MX,AU) in which Stripe lets you pay accounts of the recipient agreement",
    },
    Setting {
        name: "onboarding_refresh_url",
        default: None,
        help: "Where a person goes whose onboarding link is no longer good",
    },
    Setting {
        name: "onboarding_return_url",
        default: None,
        help: "Where a person goes who leaves onboarding",
    },
    Setting {
        name: "backfill_minutes",
        default: Some("1440"),
        help: "How often missed events are fetched from Stripe, 0 for never",
    },
    Setting {
        name: "silence_hours",
        default: Some("72"),
        help: "How long a source that spoke may be silent before that is warned of, 0 for ever",
    },
    Setting {
        name: "otlp_endpoint",
        default: None,
        help: "Where a collector takes traces as OTLP over HTTP, such as http://127.0.0.1:4318",
    },
    Setting {
        name: "retention_days",
        default: None,
        help: "Days after which only what the rules read is kept of an event's body",
    },
    Setting { name: "log", default: Some("info"), help: "Tracing filter, e.g. info,bursar=debug" },
    Setting { name: "log_format", default: Some("text"), help: "text or json" },
];
