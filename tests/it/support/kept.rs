//! What Stripe keeps: events, listed as Stripe lists them, and objects.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::support::now;
use crate::support::stripe::{FakeStripe, Received, Reply};

/// The account of the platform itself.
pub(crate) const PLATFORM: &str = "acct_platform";

pub(crate) struct Kept {
    pub(crate) stripe: FakeStripe,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// Newest first, by whose they are; `None` is the platform.
    lists: BTreeMap<Option<String>, Vec<Value>>,
    /// The connected accounts, as they are now.
    accounts: Vec<Value>,
    /// By whose they are and path.
    objects: BTreeMap<(Option<String>, String), Reply>,
    /// What the next requests get; `None` is what they ask for.
    troubles: VecDeque<Option<Reply>>,
    /// What all requests for an account get.
    refusals: BTreeMap<String, Reply>,
    /// How far its clock is from ours.
    seconds_ahead: i64,
}

impl Kept {
    pub(crate) fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let of_server = Arc::clone(&state);
        let stripe = FakeStripe::start(move |request| of_server.lock().unwrap().reply(request));
        Self { stripe, state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The variables of a server that calls this.
    pub(crate) fn variables(&self) -> Vec<(&str, &str)> {
        vec![("STRIPE_KEY", "sk_test_secret"), ("STRIPE_API_BASE", &self.stripe.base)]
    }

    /// An event takes place: it stands before those of its second and earlier ones.
    pub(crate) fn happens(&self, event: &Value) {
        let mut event = event.clone();
        // Who asks for an account's events knows whose they are.
        let account = event.as_object_mut().unwrap().shift_remove("account");
        let owner = account.and_then(|account| account.as_str().map(str::to_owned));
        let mut state = self.state();
        let list = state.lists.entry(owner).or_default();
        let created = |event: &Value| event["created"].as_i64().unwrap();
        let place = list.iter().position(|known| created(known) <= created(&event));
        list.insert(place.unwrap_or(list.len()), event);
    }

    /// A connected account of which Stripe may have reported nothing.
    pub(crate) fn connects(&self, account: &Value) {
        self.state().accounts.push(account.clone());
    }

    pub(crate) fn holds(&self, owner: Option<&str>, path: &str, object: &Value) {
        self.answers(owner, path, Reply::json(200, object));
    }

    pub(crate) fn answers(&self, owner: Option<&str>, path: &str, reply: Reply) {
        self.state().objects.insert((owner.map(str::to_owned), path.to_owned()), reply);
    }

    pub(crate) fn has_troubles(&self, replies: impl IntoIterator<Item = Reply>) {
        self.state().troubles.extend(replies.into_iter().map(Some));
    }

    /// The next request is answered; the trouble comes after it.
    pub(crate) fn has_trouble_after_the_first(&self, replies: impl IntoIterator<Item = Reply>) {
        self.has_trouble_after(1, replies);
    }

    pub(crate) fn has_trouble_after(&self, good: usize, replies: impl IntoIterator<Item = Reply>) {
        self.state().troubles.extend(std::iter::repeat_n(None, good));
        self.has_troubles(replies);
    }

    pub(crate) fn refuses(&self, account: &str) {
        self.meets_all_for(account, refusal(403, "account_invalid", ""));
    }

    pub(crate) fn meets_all_for(&self, account: &str, with: Reply) {
        self.state().refusals.insert(account.to_owned(), with);
    }

    pub(crate) fn serves(&self, account: &str) {
        self.state().refusals.remove(account);
    }

    pub(crate) fn is_ahead(&self, seconds: i64) {
        self.state().seconds_ahead = seconds;
    }

    /// The requests for lists of events, with whose they were.
    pub(crate) fn lists_asked_for(&self) -> Vec<(Option<String>, Received)> {
        let received = self.stripe.received();
        let lists = received.into_iter().filter(|request| request.path == "/v1/events");
        lists.map(|request| (owner(&request), request)).collect()
    }
}

fn owner(request: &Received) -> Option<String> {
    request.header("Stripe-Account").map(str::to_owned)
}

pub(crate) fn refusal(status: u16, code: &str, param: &str) -> Reply {
    let error = json!({
        "type": "invalid_request_error", "code": code, "message": "No.", "param": param,
    });
    Reply::json(status, &json!({ "error": error }))
}

impl State {
    fn reply(&mut self, request: &Received) -> Reply {
        if let Some(trouble) = self.troubles.pop_front().flatten() {
            return trouble;
        }
        let owner = owner(request);
        if let Some(refusal) = owner.as_ref().and_then(|owner| self.refusals.get(owner)) {
            return refusal.clone();
        }
        let reply = match request.path.as_str() {
            "/v1/events" => self.events(owner.as_ref(), request),
            "/v1/accounts" => page_of(&self.accounts, |_| true, request),
            path => {
                let object = self.objects.get(&(owner, path.to_owned()));
                object.cloned().unwrap_or_else(|| match path {
                    "/v1/account" => {
                        Reply::json(200, &json!({ "id": PLATFORM, "object": "account" }))
                    }
                    _ => refusal(404, "resource_missing", "id"),
                })
            }
        };
        let date = now() + self.seconds_ahead;
        let date = UNIX_EPOCH + Duration::from_secs(date.try_into().unwrap());
        match reply {
            Reply::Answer(..) => reply.with("Date", &httpdate::fmt_http_date(date)),
            Reply::Raw(_) | Reply::HangUp | Reply::Silence => reply,
        }
    }

    fn events(&self, owner: Option<&String>, request: &Received) -> Reply {
        let number = |name: &str| request.param(name).map(|text| text.parse::<i64>().unwrap());
        let (least, most) = (number("created[gte]"), number("created[lte]"));
        let types: Vec<&str> =
            request.params.iter().filter(|p| p.0 == "types[]").map(|p| p.1.as_str()).collect();
        assert!((1..=20).contains(&types.len()), "{types:?}");
        let matches = |event: &Value| {
            let created = event["created"].as_i64().unwrap();
            types.contains(&event["type"].as_str().unwrap())
                && least.is_none_or(|least| created >= least)
                && most.is_none_or(|most| created <= most)
        };
        let all = self.lists.get(&owner.cloned()).map_or(&[][..], Vec::as_slice);
        page_of(all, matches, request)
    }
}

fn page_of(all: &[Value], matches: impl Fn(&Value) -> bool, request: &Received) -> Reply {
    let limit = request.param("limit").map_or(10, |limit| limit.parse().unwrap());
    assert!(limit <= 100, "Stripe's most");
    let start = match request.param("starting_after") {
        None => 0,
        Some(id) => match all.iter().position(|item| item["id"] == id) {
            Some(place) => place + 1,
            None => return refusal(400, "resource_missing", "starting_after"),
        },
    };
    let matching: Vec<&Value> = all[start..].iter().filter(|item| matches(item)).collect();
    let page: Vec<&&Value> = matching.iter().take(limit).collect();
    let has_more = matching.len() > limit;
    Reply::json(
        200,
        &json!({ "object": "list", "data": page, "has_more": has_more, "url": request.path }),
    )
}
