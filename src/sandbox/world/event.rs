//! Events: what the sandbox says happened, as Stripe would send it.

use serde_json::{Value, json};

use crate::sandbox::world::World;
use crate::sandbox::world::outbox::Outgoing;
use crate::sandbox::world::table::Named;

#[derive(Clone, Debug)]
pub struct Event {
    pub id: String,
    pub kind: &'static str,
    /// The connected account that it is about; none for the platform's own objects.
    pub account: Option<String>,
    pub created: i64,
    pub object: Value,
    pub previous: Option<Value>,
    pub cause: Cause,
}

/// The call that made something happen; empty when time did.
#[derive(Clone, Debug, Default)]
pub struct Cause {
    pub request_id: Option<String>,
    pub idempotency_key: Option<String>,
}

impl Named for Event {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Event {
    /// The event's JSON, with the number of endpoints that have yet to take it.
    pub fn view(&self, api_version: &str, pending_webhooks: usize) -> Value {
        let Self { id, kind, account, created, object, previous, cause } = self;
        let mut data = json!({ "object": object });
        if let (Some(previous), Some(data)) = (previous, data.as_object_mut()) {
            data.insert("previous_attributes".to_owned(), previous.clone());
        }
        let mut event = json!({ "id": id, "object": "event" });
        let Some(fields) = event.as_object_mut() else { return event };
        let mut add = |name: &str, value: Value| fields.insert(name.to_owned(), value);
        if let Some(account) = account {
            add("account", json!(account));
        }
        add("api_version", json!(api_version));
        add("created", json!(created));
        add("data", data);
        add("livemode", json!(false));
        add("pending_webhooks", json!(pending_webhooks));
        let Cause { request_id, idempotency_key } = cause;
        add("request", json!({ "id": request_id, "idempotency_key": idempotency_key }));
        add("type", json!(kind));
        event
    }
}

impl World {
    /// Makes an event about an object of `owner` and hands it to the endpoints that want it.
    pub fn emit(&mut self, owner: &str, kind: &'static str, object: Value) {
        self.emit_change(owner, kind, object, None);
    }

    /// The same, with what an update changed.
    pub fn emit_change(
        &mut self,
        owner: &str,
        kind: &'static str,
        object: Value,
        previous: Option<Value>,
    ) {
        let account = (owner != self.platform).then(|| owner.to_owned());
        let id = self.ids.next("evt");
        let (created, cause) = (self.now, self.cause.clone());
        let event = Event { id, kind, account, created, object, previous, cause };
        self.outbox.post(&event, self.now);
        self.made.push(event.id.clone());
        self.events.add(event);
    }

    pub fn event_view(&self, event: &Event) -> Value {
        event.view(&self.settings.api_version, self.outbox.pending(&event.id))
    }

    /// What is to be sent now, each made by `letter` of the delivery, the endpoint's URL and
    /// secret, and the event's body.
    pub fn letters<T>(&mut self, letter: impl Fn(Outgoing, String, String, String) -> T) -> Vec<T> {
        let due = self.outbox.take(self.now, self.ids.chance());
        let made = due.into_iter().filter_map(|outgoing| {
            let endpoint = self.outbox.endpoints.get(&outgoing.endpoint)?;
            let event = self.events.get(&outgoing.event)?;
            let body = serde_json::to_string_pretty(&self.event_view(event)).ok()?;
            Some(letter(outgoing, endpoint.url.clone(), endpoint.secret.clone(), body))
        });
        made.collect()
    }

    pub fn events_made(&self) -> usize {
        self.events.len()
    }

    /// The events from the one with this number on.
    pub fn events_from(&self, number: usize) -> impl Iterator<Item = &Event> {
        self.events.iter().skip(number)
    }
}
