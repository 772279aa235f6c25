//! Sessions of Stripe's command line tool: who listens from a machine of its own, what it was
//! told, and what came back.

use std::collections::VecDeque;

use serde_json::{Value, json};

use crate::sandbox::api::refusal::Refusal;
use crate::sandbox::world::World;
use crate::sandbox::world::json::{at, text_at};
use crate::sandbox::world::table::Named;

/// Seconds after which the tool connects anew, which costs nothing here and brings nothing.
const RECONNECT_DELAY: u64 = 3600;
/// What a session can be for.
const FEATURE: &str = "webhooks";
const SECRET_BYTES: usize = 32;
/// So that the secret is not the beginning of the ids that the same seed gives.
const SECRET_STREAM: u64 = 0x6c69_7374_656e;

#[derive(Debug)]
pub(super) struct Listener {
    id: String,
    device: String,
    forward_to: Option<String>,
    forward_connect_to: Option<String>,
    created: i64,
    /// The number of its connection, while it has one.
    connection: Option<usize>,
    connections: usize,
    /// The number of the event that it is told of next.
    next: usize,
    /// Places in `told` of what it is told of before that.
    waiting: VecDeque<usize>,
    told: Vec<Told>,
}

/// An event that a listener was told of, or is about to be.
#[derive(Debug)]
struct Told {
    conversation: String,
    event: String,
    at: i64,
    /// Whether the listener said that it has got it.
    acknowledged: bool,
    /// What came back from where it was forwarded to.
    answers: Vec<Reply>,
}

/// What a place that an event was forwarded to answered.
#[derive(Clone, Debug)]
pub struct Reply {
    pub url: String,
    pub status: i64,
    pub body: String,
}

/// An event on its way to a listener.
#[derive(Clone, Debug)]
pub struct Message {
    pub conversation: String,
    pub body: String,
}

impl Named for Listener {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Told {
    fn view(&self) -> Value {
        let Self { conversation: _, event, at, acknowledged, answers } = self;
        let answers = answers.iter().map(
            |Reply { url, status, body }| json!({ "url": url, "status": status, "body": body }),
        );
        let answers: Vec<Value> = answers.collect();
        json!({ "event": event, "at": at, "acknowledged": acknowledged, "answers": answers })
    }
}

impl Listener {
    fn owe(&mut self, event: &str, now: i64) {
        let place = self.told.len();
        self.waiting.push_back(place);
        self.told.push(Told {
            conversation: format!("wc_{place}_{}", self.id),
            event: event.to_owned(),
            at: now,
            acknowledged: false,
            answers: Vec::new(),
        });
    }

    pub(super) fn view(&self) -> Value {
        let Self { id, device, forward_to, forward_connect_to, created, connection, told, .. } =
            self;
        json!({
            "id": id, "device": device, "forward_to": forward_to,
            "forward_connect_to": forward_connect_to, "created": created,
            "connected": connection.is_some(), "told": told.iter().map(Told::view).collect::<Vec<_>>(),
        })
    }
}

impl World {
    /// Begins a session; from here on it misses no event.
    pub fn create_session(&mut self, params: &Value) -> Result<Value, Refusal> {
        let features = at(params, "websocket_features").and_then(Value::as_array);
        if !features.is_some_and(|features| features.iter().any(|feature| feature == FEATURE)) {
            let message = "Here a session can only listen for webhooks.";
            return Err(Refusal::invalid(message).param("websocket_features"));
        }
        let text = |name: &str| text_at(params, name).map(str::to_owned);
        let id = self.ids.next("cliws");
        self.listeners.add(Listener {
            id: id.clone(),
            device: text("device_name").unwrap_or_default(),
            forward_to: text("forward_to_url"),
            forward_connect_to: text("forward_connect_to_url"),
            created: self.now,
            connection: None,
            connections: 0,
            next: self.events.len(),
            waiting: VecDeque::new(),
            told: Vec::new(),
        });
        self.made.push(id.clone());
        let version = &self.settings.api_version;
        let base = self.settings.base_url.replacen("http", "ws", 1);
        Ok(json!({
            "default_version": version, "display_connect_filter_warning": false,
            "latest_version": version, "reconnect_delay": RECONNECT_DELAY,
            "secret": self.listening_secret(), "websocket_authorized_feature": FEATURE,
            "websocket_id": id, "websocket_url": format!("{base}/subscribe/{}", self.platform),
        }))
    }

    /// What is signed with for every listener: the same for the same seed, so that whoever has
    /// been told of it once need not be told again.
    pub fn listening_secret(&self) -> String {
        let mut chance = fastrand::Rng::with_seed(self.settings.seed ^ SECRET_STREAM);
        let mut bytes = [0; SECRET_BYTES];
        chance.fill(&mut bytes);
        format!("whsec_{}", hex::encode(bytes))
    }

    pub fn has_listener(&self, id: &str) -> bool {
        self.listeners.get(id).is_some()
    }

    /// A listener has a new connection, which takes the place of an older one: its number. What
    /// was told over older ones and not acknowledged may have been lost with them.
    pub fn listener_connects(&mut self, id: &str) -> usize {
        let Some(listener) = self.listeners.get_mut(id) else { return 0 };
        listener.connections += 1;
        listener.connection = Some(listener.connections);
        let told = listener.told.iter().enumerate();
        listener.waiting =
            told.filter(|(_, told)| !told.acknowledged).map(|(place, _)| place).collect();
        listener.connections
    }

    pub fn listener_leaves(&mut self, id: &str, connection: usize) {
        let listener = self.listeners.get_mut(id);
        if let Some(listener) = listener.filter(|known| known.connection == Some(connection)) {
            listener.connection = None;
        }
    }

    /// Grows whenever there may be something to tell a listener.
    pub fn news(&self) -> usize {
        self.events.len() + self.told_again
    }

    /// Every listener is told of an event once more, or for the first time.
    pub(super) fn tell_again(&mut self, event: &str) {
        self.told_again += 1;
        let now = self.now;
        for listener in self.listeners.iter_mut() {
            listener.owe(event, now);
        }
    }

    /// The next event for a listener, to be told over this connection.
    pub fn next_for(&mut self, listener: &str, connection: usize) -> Option<Message> {
        let now = self.now;
        let listener = self.listeners.get_mut(listener)?;
        if listener.connection != Some(connection) {
            return None;
        }
        if listener.waiting.is_empty() {
            let event = self.events.iter().nth(listener.next)?;
            listener.next += 1;
            listener.owe(&event.id, now);
        }
        let told = listener.told.get(listener.waiting.pop_front()?)?;
        let (conversation, event) = (told.conversation.clone(), told.event.clone());
        let body = self.event_view(self.events.get(&event)?);
        Some(Message { conversation, body: serde_json::to_string_pretty(&body).ok()? })
    }

    /// A listener says that it has got what it was told.
    pub fn listener_acknowledges(&mut self, listener: &str, conversation: &str) {
        for told in self.told_in(listener, conversation) {
            told.acknowledged = true;
        }
    }

    fn told_in(&mut self, listener: &str, conversation: &str) -> impl Iterator<Item = &mut Told> {
        let known = self.listeners.get_mut(listener);
        let told = known.into_iter().flat_map(|listener| &mut listener.told);
        told.filter(move |told| told.conversation == conversation)
    }

    /// Notes what the place that an event was forwarded to answered.
    pub fn listener_says(&mut self, listener: &str, conversation: &str, reply: &Reply) {
        for told in self.told_in(listener, conversation) {
            told.answers.push(reply.clone());
        }
    }

    pub fn listeners_view(&self) -> Value {
        self.listeners.iter().map(Listener::view).collect()
    }
}
