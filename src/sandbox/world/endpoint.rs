//! Webhook endpoints: who is told what.

use serde_json::{Map, Value, json};

use crate::sandbox::api::refusal::Refusal;
use crate::sandbox::world::event::Event;
use crate::sandbox::world::json::{at, change_metadata, text_at, truth_at};
use crate::sandbox::world::table::Named;
use crate::sandbox::world::{World, is_http_url};

const MOST_ENDPOINTS: usize = 16;
const SECRET_LENGTH: usize = 32;

#[derive(Clone, Debug)]
pub struct Endpoint {
    pub id: String,
    pub url: String,
    pub enabled_events: Vec<String>,
    /// Told of connected accounts, and not of the platform itself.
    pub connect: bool,
    pub enabled: bool,
    pub secret: String,
    pub created: i64,
    pub api_version: Option<String>,
    pub description: Option<String>,
    pub metadata: Map<String, Value>,
}

impl Named for Endpoint {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Endpoint {
    pub fn wants(&self, event: &Event) -> bool {
        let asked = self.enabled_events.iter().any(|kind| kind == "*" || kind == event.kind);
        self.enabled && asked && self.connect == event.account.is_some()
    }

    pub fn view(&self) -> Value {
        let Self { id, url, enabled_events, enabled, created, .. } = self;
        json!({
            "id": id, "object": "webhook_endpoint", "api_version": self.api_version,
            "application": null, "created": created, "description": self.description,
            "enabled_events": enabled_events, "livemode": false, "metadata": self.metadata,
            "status": if *enabled { "enabled" } else { "disabled" }, "url": url,
        })
    }

    fn view_with_secret(&self) -> Value {
        let mut view = self.view();
        if let Some(fields) = view.as_object_mut() {
            fields.insert("secret".to_owned(), json!(self.secret));
        }
        view
    }
}

fn words(list: Option<&Value>) -> Vec<String> {
    let words = list.and_then(Value::as_array).into_iter().flatten();
    words.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn check(params: &Value) -> Result<(), Refusal> {
    if let Some(url) = text_at(params, "url").filter(|url| !is_http_url(url)) {
        return Err(Refusal::invalid(format!(
            "Invalid URL: URL must be publicly accessible. Consider using a tool like ngrok or the Stripe CLI to test webhooks locally. Received: {url}"
        ))
        .code("url_invalid")
        .param("url"));
    }
    if at(params, "enabled_events").is_some_and(|list| list.as_array().is_some_and(Vec::is_empty)) {
        return Err(Refusal::empty("enabled_events"));
    }
    Ok(())
}

impl World {
    pub fn create_endpoint(&mut self, params: &Value) -> Result<Value, Refusal> {
        check(params)?;
        if self.outbox.endpoints.len() >= MOST_ENDPOINTS {
            return Err(Refusal::invalid(format!(
                "You have reached the maximum of {MOST_ENDPOINTS} test webhook endpoints."
            )));
        }
        let text = |name: &str| text_at(params, name).map(str::to_owned);
        let mut metadata = Map::new();
        change_metadata(&mut metadata, params.get("metadata"));
        let endpoint = Endpoint {
            id: self.ids.next("we"),
            url: text("url").unwrap_or_default(),
            enabled_events: words(params.get("enabled_events")),
            connect: truth_at(params, "connect").unwrap_or(false),
            enabled: true,
            secret: format!("whsec_{}", self.ids.token(SECRET_LENGTH)),
            created: self.now,
            api_version: text("api_version"),
            description: text("description"),
            metadata,
        };
        let view = endpoint.view_with_secret();
        self.made.push(endpoint.id.clone());
        self.outbox.endpoints.add(endpoint);
        Ok(view)
    }

    /// One that was there before the first call, with a secret of the caller's.
    pub fn register_endpoint(
        &mut self,
        url: String,
        connect: bool,
        secret: Option<String>,
    ) -> String {
        let secret = secret.unwrap_or_else(|| format!("whsec_{}", self.ids.token(SECRET_LENGTH)));
        self.outbox.endpoints.add(Endpoint {
            id: self.ids.next("we"),
            url,
            enabled_events: vec!["*".to_owned()],
            connect,
            enabled: true,
            secret: secret.clone(),
            created: self.now,
            api_version: None,
            description: None,
            metadata: Map::new(),
        });
        secret
    }

    pub fn update_endpoint(&mut self, id: &str, params: &Value) -> Result<Value, Refusal> {
        check(params)?;
        let endpoint = self.outbox.endpoints.get_mut(id);
        let endpoint = endpoint.ok_or_else(|| Refusal::not_found("webhook endpoint", id))?;
        if let Some(url) = text_at(params, "url") {
            url.clone_into(&mut endpoint.url);
        }
        if at(params, "enabled_events").is_some() {
            endpoint.enabled_events = words(params.get("enabled_events"));
        }
        if let Some(disabled) = truth_at(params, "disabled") {
            endpoint.enabled = !disabled;
        }
        if let Some(description) = params.get("description") {
            endpoint.description = description.as_str().map(str::to_owned);
        }
        change_metadata(&mut endpoint.metadata, params.get("metadata"));
        Ok(endpoint.view())
    }

    pub fn delete_endpoint(&mut self, id: &str) -> Result<Value, Refusal> {
        match self.outbox.endpoints.remove(id) {
            Some(_) => Ok(json!({ "id": id, "object": "webhook_endpoint", "deleted": true })),
            None => Err(Refusal::not_found("webhook endpoint", id)),
        }
    }
}
