//! Who plays: the service, the stand-in for Stripe, and a platform. All in this process, and all
//! over HTTP.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use crate::app::{Capacity, Networks, Outbound, Parts, Patience, Vigilance};
use crate::cli::Failure;
use crate::cli::demo::keys::Keys;
use crate::cli::remote;
use crate::domain::region::{Country, RegionRule};
use crate::pipeline::commit::Limits;
use crate::pipeline::pace::Pace;
use crate::sample;
use crate::sandbox::server::{Clock, EndpointOption, Options, Running, start};
use crate::sandbox::world::{DAY, Settings};
use crate::secret::Secret;
use crate::stripe::client::{Access, Client, ClientSettings};
use crate::stripe::outgoing::ReturnUrls;
use crate::stripe::signature::{Verifier, WebhookSecret};

const TOLERANCE_SECONDS: u64 = 300;
const AUTH_FAILURES: u32 = 100;
const CONNECTIONS: usize = 256;
/// The sandbox begins so long ago, so that days can pass in it without leaving the present behind:
/// an event of tomorrow would be parked.
const DAYS_AGO: i64 = 90;
const COUNTRY: &str = "US";
/// The secrets of the two endpoints, by the events that they sign.
const SOURCES: [&str; 2] = ["platform", "connect"];

pub(super) struct Stage {
    pub(super) keys: Keys,
    /// Where each is reached from this machine.
    pub(super) service: String,
    pub(super) sandbox: String,
    pub(super) sample: String,
    secrets: Vec<String>,
    /// They stop with the stage.
    _running: (Running, sample::Running),
}

impl Stage {
    /// Starts all but the service, and registers its two webhook endpoints.
    pub(super) fn set(
        service: &TcpListener,
        sandbox: TcpListener,
        sample: TcpListener,
        keys: Keys,
    ) -> std::io::Result<Self> {
        let service = remote::plain_url(service.local_addr()?);
        let public_url = remote::plain_url(sandbox.local_addr()?);
        let seed = getrandom::u64().unwrap_or_default();
        let settings = Settings { country: COUNTRY.to_owned(), seed, ..Settings::default() };
        let endpoint = |source| EndpointOption {
            url: format!("{service}/webhooks/stripe"),
            connect: source == "connect",
            secret: None,
        };
        let running = start(
            sandbox,
            Options {
                settings,
                clock: Clock::System { offset_seconds: -DAYS_AGO * DAY },
                endpoints: SOURCES.map(endpoint).into(),
                public_url: Some(public_url.clone()),
                ..Options::default()
            },
        )?;
        let sample = sample::start(
            sample,
            sample::Options {
                bursar: service.clone(),
                payer: Secret::new(keys.payer.clone()),
                sandbox: public_url.clone(),
            },
        )?;
        Ok(Self {
            keys,
            service,
            sandbox: public_url,
            sample: remote::plain_url(sample.address),
            secrets: running.secrets.clone(),
            _running: (running, sample),
        })
    }

    /// The signing secrets of the webhook endpoints, as `NAME=whsec_...`.
    pub(super) fn secrets(&self) -> String {
        let named = SOURCES.iter().zip(&self.secrets);
        named.map(|(name, secret)| format!("{name}={secret}")).collect::<Vec<_>>().join(",")
    }

    /// What the service is run with.
    pub(super) fn parts(&self) -> Result<Parts, Failure> {
        let secrets: Vec<WebhookSecret> = SOURCES
            .iter()
            .zip(&self.secrets)
            .map(|(source, secret)| WebhookSecret::new(*source, Secret::new(secret.clone())))
            .collect();
        Ok(Parts {
            verifier: Verifier::new(&secrets, TOLERANCE_SECONDS).into(),
            tokens: self.keys.tokens()?.into(),
            auth_failures: AUTH_FAILURES,
            insecure_no_auth: false,
            livemode: false,
            capacity: Capacity { connections: CONNECTIONS, ..Capacity::default() },
            limits: Limits::default(),
            vigilance: Vigilance::default(),
            patience: Patience::default(),
            certificate: None,
            networks: Networks::default(),
            outbound: Some(self.outbound()?),
            retention: None,
            onboarding: ReturnUrls {
                refresh_url: Some(self.refresh_url()),
                return_url: Some(self.return_url()),
            },
        })
    }

    pub(super) fn refresh_url(&self) -> String {
        format!("{}/onboarding/refresh", self.sample)
    }

    pub(super) fn return_url(&self) -> String {
        format!("{}/onboarding/return", self.sample)
    }

    fn outbound(&self) -> Result<Outbound, Failure> {
        let version = Settings::default().api_version;
        let settings = ClientSettings {
            key: Secret::new(self.keys.stripe.clone()),
            api_base: self.sandbox.clone(),
            version: version.clone(),
        };
        let client = Client::new(settings)
            .map_err(|error| Failure::Failed(format!("Stripe cannot be called: {error}")))?;
        Ok(Outbound {
            access: Access { stripe: Arc::new(client), livemode: false, version },
            backfill_every: Duration::ZERO,
            pace: Pace::default(),
            region: RegionRule { platform: Country::parse(COUNTRY), overrides: Vec::new() },
        })
    }
}
