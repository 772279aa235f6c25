//! Calls of Stripe's v1 API, from the header to the answer: who asks, what for, whether it was
//! asked before, and what goes wrong on purpose.
//!
//! A call has two halves, so that it can wait between them as a slow server would.
//!
//! **Never in here:** sockets, or a reading of the clock.

mod dispatch;
pub mod faults;
pub mod journal;
pub mod keys;
pub mod params;
pub mod refusal;
pub mod routes;

use serde_json::{Value, json};

use crate::sandbox::api::faults::{Fault, Faults, Kind};
use crate::sandbox::api::journal::Record;
use crate::sandbox::api::keys::{Kept, Keys, Verdict};
use crate::sandbox::api::refusal::Refusal;
use crate::sandbox::api::routes::Route;
use crate::sandbox::form;
use crate::sandbox::world::{Settings, World};

/// A call as it came.
#[derive(Clone, Debug, Default)]
pub struct Call {
    pub method: String,
    pub path: String,
    /// The query, or the body: form-encoded.
    pub form: String,
    /// The secret key, from either kind of authorization.
    pub key: Option<String>,
    /// `Stripe-Account`
    pub account: Option<String>,
    pub idempotency_key: Option<String>,
    /// `Stripe-Version`
    pub version: Option<String>,
}

#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
    pub request_id: String,
    /// Whose answer this is, when it is not the first to its key.
    pub original_request: Option<String>,
    pub version: String,
    /// `Stripe-Should-Retry`, where the server has a say.
    pub should_retry: Option<bool>,
    pub rate_limited: bool,
    /// The connection ends instead.
    pub dropped: bool,
    /// How long it takes to come.
    pub milliseconds: u64,
}

/// A call that is under way: it passed every check, and has had no effect.
#[derive(Debug)]
pub struct UnderWay {
    call: Call,
    route: Route,
    params: Value,
    owner: String,
    request_id: String,
    record: usize,
    faults: Vec<Fault>,
    /// How long to wait before the second half.
    pub milliseconds: u64,
}

/// What came of the first half of a call.
#[derive(Debug)]
pub enum Received {
    /// There is no second.
    Answered(Answer),
    UnderWay(Box<UnderWay>),
}

/// The whole stand-in, apart from its server.
#[derive(Debug)]
pub struct Sandbox {
    pub world: World,
    pub faults: Faults,
    pub journal: Vec<Record>,
    keys: Keys,
    /// The keys that are accepted; any test key when empty.
    api_keys: Vec<String>,
}

impl Sandbox {
    pub fn new(settings: Settings, api_keys: Vec<String>, now: i64) -> Self {
        let (faults, keys) = (Faults::default(), Keys::default());
        Self { world: World::new(settings, now), faults, journal: Vec::new(), keys, api_keys }
    }

    pub fn advance(&mut self, to: i64) {
        self.world.advance(to);
        self.keys.forget_old(self.world.now());
    }

    /// The first half: everything that can refuse a call before it has an effect.
    pub fn receive(&mut self, call: Call) -> Received {
        let request_id = self.world.new_id("req");
        let params = form::decode(&call.form);
        let record = self.journal.len();
        self.journal.push(Record {
            at: self.world.now(),
            method: call.method.clone(),
            path: call.path.clone(),
            account: call.account.clone(),
            idempotency_key: call.idempotency_key.clone(),
            version: call.version.clone(),
            params: params.clone(),
            request_id: request_id.clone(),
            status: None,
            replayed: false,
            faults: Vec::new(),
            effects: Vec::new(),
            events: Vec::new(),
        });
        let mut answer = self.blank(&call, &request_id);
        if let Err(refusal) = self.authenticate(&call) {
            return Received::Answered(self.refused(answer, record, &refusal));
        }
        let faults = self.faults.strike(&call.method, &call.path, self.world.chance());
        let named = |fault: &Fault| format!("{} {}", moment(fault), fault.kind.word());
        if let Some(record) = self.journal.get_mut(record) {
            record.faults = faults.iter().map(named).collect();
        }
        let delay = |fault: &&Fault| fault.kind == Kind::Delay && !fault.after;
        let milliseconds = faults.iter().filter(delay).map(|fault| fault.milliseconds).sum();
        let mut before = faults.iter().filter(|fault| !fault.after && fault.kind != Kind::Delay);
        if let Some(fault) = before.next() {
            answer.milliseconds = milliseconds;
            return Received::Answered(self.struck(answer, record, fault));
        }
        let owner = call.account.clone().unwrap_or_else(|| self.world.platform().to_owned());
        match self.check(&call, &owner, &params) {
            Ok((route, params)) => Received::UnderWay(Box::new(UnderWay {
                call,
                route,
                params,
                owner,
                request_id,
                record,
                faults,
                milliseconds,
            })),
            Err(Stop::Refused(refusal)) => {
                Received::Answered(self.refused(answer, record, &refusal))
            }
            Err(Stop::Again(kept)) => Received::Answered(self.again(answer, record, kept, &faults)),
        }
    }

    fn blank(&self, call: &Call, request_id: &str) -> Answer {
        let version = call.version.clone();
        Answer {
            request_id: request_id.to_owned(),
            version: version.unwrap_or_else(|| self.world.settings.api_version.clone()),
            ..Answer::default()
        }
    }

    fn authenticate(&self, call: &Call) -> Result<(), Refusal> {
        let Some(key) = call.key.as_deref().filter(|key| !key.is_empty()) else {
            return Err(Refusal::invalid(
                "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See https://stripe.com/docs/api#authentication for details, or we can help at https://support.stripe.com/.",
            )
            .status(401));
        };
        let known = if self.api_keys.is_empty() {
            key.starts_with("sk_test_") || key.starts_with("rk_test_")
        } else {
            self.api_keys.iter().any(|known| known == key)
        };
        if known {
            return Ok(());
        }
        let end = key.get(key.len().saturating_sub(4)..).unwrap_or_default();
        let refusal = Refusal::invalid(format!("Invalid API Key provided: ****{end}"));
        Err(refusal.status(401))
    }

    fn check(&mut self, call: &Call, owner: &str, form: &Value) -> Result<(Route, Value), Stop> {
        let Call { method, path, .. } = call;
        let route = routes::find(method, path).ok_or_else(|| {
            Refusal::invalid(format!(
                "Unrecognized request URL ({method}: {path}). Please see https://stripe.com/docs or we can help at https://support.stripe.com/."
            ))
            .status(404)
        })?;
        if !self.world.has_account(owner) {
            return Err(Stop::Refused(
                Refusal::invalid(format!(
                    "The provided key does not have access to account '{owner}' (or that account does not exist). Application access may have been revoked."
                ))
                .code("account_invalid")
                .status(403),
            ));
        }
        let params = params::read(route.call, form);
        let key = call.idempotency_key.as_deref().filter(|_| method == "POST");
        let Some(key) = key else { return Ok((route, params?)) };
        let asked = format!("{path} {form}");
        match self.keys.begin(owner, key, asked, self.world.now())? {
            Verdict::Again(kept) => Err(Stop::Again(kept)),
            Verdict::First => match params {
                Ok(params) => Ok((route, params)),
                Err(refusal) => {
                    self.keys.release(owner, key);
                    Err(Stop::Refused(refusal))
                }
            },
        }
    }

    fn refused(&mut self, answer: Answer, record: usize, refusal: &Refusal) -> Answer {
        let body = refusal.body(&answer.request_id);
        let should_retry = (refusal.status == 409).then_some(true);
        self.answered(Answer { status: refusal.status, body, should_retry, ..answer }, record)
    }

    fn again(&mut self, answer: Answer, record: usize, kept: Kept, faults: &[Fault]) -> Answer {
        let Kept { status, body, request_id } = kept;
        if let Some(record) = self.journal.get_mut(record) {
            record.replayed = true;
        }
        let answer = Answer { status, body, original_request: Some(request_id), ..answer };
        self.marred(answer, record, faults)
    }

    /// What a fault before the effect answers.
    fn struck(&mut self, answer: Answer, record: usize, fault: &Fault) -> Answer {
        let error = |kind: &str, code: Option<&str>, message: &str| {
            let mut error = json!({ "message": message, "type": kind });
            if let (Some(code), Some(error)) = (code, error.as_object_mut()) {
                error.insert("code".to_owned(), json!(code));
            }
            json!({ "error": error })
        };
        let answer = match fault.kind {
            Kind::Drop => Answer { dropped: true, ..answer },
            Kind::Error => Answer { status: 500, body: internal_error(), ..answer },
            Kind::RateLimit => Answer {
                status: 429,
                body: error(
                    "invalid_request_error",
                    Some("rate_limit"),
                    "Request rate limit exceeded. Learn more about rate limits here https://stripe.com/docs/rate-limits.",
                ),
                rate_limited: true,
                ..answer
            },
            Kind::LockTimeout => Answer {
                status: 429,
                body: error(
                    "invalid_request_error",
                    Some("lock_timeout"),
                    "This object cannot be accessed right now because another API request or Stripe process is currently accessing it. If you see this error intermittently, retry the request.",
                ),
                should_retry: Some(true),
                ..answer
            },
            Kind::Delay => answer,
        };
        self.answered(answer, record)
    }

    /// The second half: the effect, and what goes wrong after it.
    pub fn perform(&mut self, under_way: Box<UnderWay>) -> Answer {
        let UnderWay { call, route, params, owner, request_id, record, faults, .. } = *under_way;
        let answer = self.blank(&call, &request_id);
        let key = call.idempotency_key.as_deref().filter(|_| call.method == "POST");
        self.world.begin(&request_id, key);
        let result = self.world.dispatch(&route, &owner, &params);
        let made = self.world.end();
        if let Some(record) = self.journal.get_mut(record) {
            let (events, effects) = made.into_iter().partition(|id| id.starts_with("evt_"));
            (record.events, record.effects) = (events, effects);
        }
        let (status, body, begun) = match result {
            Ok(body) => (200, body, true),
            Err(refusal) => (refusal.status, refusal.body(&request_id), refusal.begun),
        };
        let answer = self.marred(Answer { status, body, ..answer }, record, &faults);
        if let Some(key) = key {
            let failed = faults.iter().find(|fault| fault.after && fault.kind == Kind::Error);
            match failed {
                // The effect is there, and no key leads back to it.
                Some(fault) if !fault.kept => self.keys.release(&owner, key),
                None if !begun => self.keys.release(&owner, key),
                Some(_) | None => {
                    let (status, body) = (answer.status, answer.body.clone());
                    self.keys.keep(&owner, key, Kept { status, body, request_id });
                }
            }
        }
        answer
    }

    /// Faults that strike when all is done.
    fn marred(&mut self, mut answer: Answer, record: usize, faults: &[Fault]) -> Answer {
        for fault in faults.iter().filter(|fault| fault.after) {
            match fault.kind {
                Kind::Delay => answer.milliseconds += fault.milliseconds,
                Kind::Drop => answer.dropped = true,
                Kind::Error => (answer.status, answer.body) = (500, internal_error()),
                Kind::RateLimit | Kind::LockTimeout => {}
            }
        }
        self.answered(answer, record)
    }

    fn answered(&mut self, answer: Answer, record: usize) -> Answer {
        if let Some(record) = self.journal.get_mut(record) {
            record.status = (!answer.dropped).then_some(answer.status);
        }
        answer
    }
}

/// Why a call has no second half.
enum Stop {
    Refused(Refusal),
    Again(Kept),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

fn moment(fault: &Fault) -> &'static str {
    if fault.after { "after" } else { "before" }
}

fn internal_error() -> Value {
    json!({ "error": {
        "message": "An unknown error occurred.", "type": "api_error",
    }})
}
