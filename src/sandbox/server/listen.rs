//! The websocket of Stripe's command line tool, which forwards events from there.

use std::sync::Arc;

use actix_web::web::{Data, Payload};
use actix_web::{Error, HttpRequest, HttpResponse};
use actix_ws::{AggregatedMessage, AggregatedMessageStream, Closed, Session};
use serde_json::{Value, json};

use crate::clock;
use crate::sandbox::server::calls;
use crate::sandbox::server::shared::Shared;
use crate::sandbox::world::listener::{Message, Reply};
use crate::stripe::signature::sign;

pub(super) async fn handle(
    request: HttpRequest,
    payload: Payload,
    shared: Data<Shared>,
) -> Result<HttpResponse, Error> {
    let id = request.headers().get("Websocket-Id").and_then(|id| id.to_str().ok());
    let id = id.unwrap_or_default().to_owned();
    if !shared.with(|sandbox| sandbox.world.has_listener(&id)) {
        // By these words the tool knows that it needs a new session.
        let unknown = json!({ "error": { "message": "Unknown WebSocket ID." } });
        return Ok(calls::json(404, &unknown));
    }
    let (response, session, messages) = actix_ws::handle(&request, payload)?;
    let shared = shared.into_inner();
    actix_web::rt::spawn(async move {
        let number = shared.with(|sandbox| sandbox.world.listener_connects(&id));
        let connection = Connection { id, number, shared, session };
        connection.converse(messages.aggregate_continuations()).await;
    });
    Ok(response)
}

struct Connection {
    id: String,
    number: usize,
    shared: Arc<Shared>,
    session: Session,
}

impl Connection {
    async fn converse(mut self, messages: AggregatedMessageStream) {
        self.tell_and_hear(messages).await.ok();
        self.shared.with(|sandbox| sandbox.world.listener_leaves(&self.id, self.number));
        self.session.close(None).await.ok();
    }

    fn next(&self) -> Option<Message> {
        self.shared.with(|sandbox| sandbox.world.next_for(&self.id, self.number))
    }

    async fn tell_and_hear(&mut self, mut messages: AggregatedMessageStream) -> Result<(), Closed> {
        let mut news = self.shared.news.subscribe();
        loop {
            news.borrow_and_update();
            while let Some(message) = self.next() {
                self.tell(&message).await?;
            }
            tokio::select! {
                // First what it says: it may be that it goes.
                biased;
                message = messages.recv() => match message {
                    Some(Ok(message)) => self.hear(message).await?,
                    Some(Err(_)) | None => return Err(Closed),
                },
                changed = news.changed() => if changed.is_err() { return Err(Closed) },
            }
        }
    }

    /// Sends an event twice, as Stripe does: for who listens in the default version of the API,
    /// and for who asked for the latest, here the same. The tool leaves out the other one.
    async fn tell(&mut self, message: &Message) -> Result<(), Closed> {
        let (secret, version) = self.shared.with(|sandbox| {
            let world = &sandbox.world;
            (world.listening_secret(), world.settings.api_version.clone())
        });
        let Message { conversation, body } = message;
        let now = clock::now().signed_seconds();
        let headers = json!({
            "Content-Type": "application/json; charset=utf-8", "User-Agent": "bursar-sandbox",
            "Stripe-Signature": sign(&secret, body.as_bytes(), now),
        });
        for version in [Value::Null, json!(version)] {
            let message = json!({
                "type": "webhook_event", "webhook_id": self.id,
                "webhook_conversation_id": conversation, "event_payload": body,
                "http_headers": headers, "endpoint": { "api_version": version },
            });
            self.session.text(message.to_string()).await?;
        }
        Ok(())
    }

    async fn hear(&mut self, message: AggregatedMessage) -> Result<(), Closed> {
        match message {
            AggregatedMessage::Text(text) => self.note(&text),
            AggregatedMessage::Ping(bytes) => self.session.pong(&bytes).await?,
            AggregatedMessage::Pong(_) | AggregatedMessage::Binary(_) => {}
            AggregatedMessage::Close(_) => return Err(Closed),
        }
        Ok(())
    }

    /// Notes that the tool has got an event, or what came back from where it forwarded one to.
    fn note(&self, text: &str) {
        let said: Value = serde_json::from_str(text).unwrap_or_default();
        let word = |name: &str| said.get(name).and_then(Value::as_str).unwrap_or_default();
        let conversation = word("webhook_conversation_id");
        self.shared.with(|sandbox| match word("type") {
            "event_ack" => sandbox.world.listener_acknowledges(&self.id, conversation),
            "webhook_response" => {
                let reply = Reply {
                    url: word("forward_url").to_owned(),
                    status: said.get("status").and_then(Value::as_i64).unwrap_or(0),
                    body: word("body").to_owned(),
                };
                sandbox.world.listener_says(&self.id, conversation, &reply);
            }
            _ => {}
        });
    }
}
