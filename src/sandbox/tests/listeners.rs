//! Sessions of Stripe's command line tool: what they are told, and what they answer.

use serde_json::json;

use super::*;
use crate::sandbox::world::listener::Reply;

const SESSION: &str =
    "device_name=desk&websocket_features[]=webhooks&forward_to_url=http://localhost/hook";

impl Scene {
    /// A session's id, and what else it was answered.
    fn begin_session(&mut self) -> (String, Value) {
        let answer = self.send_unchecked(call("POST /v1/stripecli/sessions", SESSION));
        assert_eq!(answer.status, 200, "{}", answer.body);
        (text(&answer.body, "websocket_id"), answer.body)
    }

    /// A session with a connection.
    fn listen(&mut self) -> (String, usize) {
        let (id, _) = self.begin_session();
        let connection = self.sandbox.world.listener_connects(&id);
        (id, connection)
    }

    /// Ids of the events that a listener is told of until there is no more, and acknowledges.
    fn heard(&mut self, (listener, connection): &(String, usize)) -> Vec<String> {
        let mut ids = Vec::new();
        while let Some(message) = self.sandbox.world.next_for(listener, *connection) {
            self.sandbox.world.listener_acknowledges(listener, &message.conversation);
            ids.push(text(&serde_json::from_str(&message.body).unwrap(), "id"));
        }
        ids
    }

    fn made(&self) -> Vec<String> {
        self.sandbox.world.events_from(0).map(|event| event.id.clone()).collect()
    }
}

#[test]
fn a_listener_is_told_of_each_event_since_its_session_began_and_once() {
    let mut scene = Scene::new();
    scene.ok("POST /v1/topups", "amount=5&currency=usd");
    let early = scene.listen();
    scene.payable_account(&[]);
    let late = scene.listen();
    let since = scene.made().len();
    scene.ok("POST /v1/topups", "amount=5&currency=usd");
    let made = scene.made();
    assert_eq!(scene.heard(&early), made[1..]);
    assert_eq!(scene.heard(&late), made[since..]);
    assert_eq!(scene.heard(&early), Vec::<String>::new());
    assert_eq!(scene.heard(&("nobody".to_owned(), 1)), Vec::<String>::new());
}

#[test]
fn what_a_listener_did_not_acknowledge_is_told_over_its_next_connection() {
    let mut scene = Scene::new();
    let (id, first) = scene.listen();
    for _ in 0..3 {
        scene.ok("POST /v1/topups", "amount=5&currency=usd");
    }
    let lost = [(); 2].map(|()| scene.sandbox.world.next_for(&id, first).unwrap());
    scene.sandbox.world.listener_acknowledges(&id, &lost[0].conversation);
    // Nobody may have noticed yet that the first one is gone.
    let second = scene.sandbox.world.listener_connects(&id);
    assert!(scene.sandbox.world.next_for(&id, first).is_none());
    scene.sandbox.world.listener_leaves(&id, first);
    assert_eq!(scene.heard(&(id.clone(), second)), scene.made()[1..]);
    scene.sandbox.world.listener_leaves(&id, second);
    assert_eq!(scene.sandbox.world.listeners_view()[0]["connected"], false);
    let third = scene.sandbox.world.listener_connects(&id);
    assert_eq!(scene.heard(&(id, third)), Vec::<String>::new());
}

#[test]
fn an_event_that_is_asked_for_again_comes_again_and_only_to_listeners() {
    let mut scene = Scene::new();
    let hook = "url=http://localhost/hook&enabled_events[]=*";
    scene.ok("POST /v1/webhook_endpoints", hook);
    scene.ok("POST /v1/topups", "amount=5&currency=usd");
    let event = scene.made()[0].clone();
    let owed = |scene: &Scene| scene.sandbox.world.outbox.of(&event).count();
    let before = owed(&scene);
    // It need not have been there when the event was made.
    let listener = scene.listen();
    let news = scene.sandbox.world.news();
    let retry = format!("POST /v1/events/{event}/retry");
    let answer = scene.ok(&retry, "for_stripecli=true");
    assert_eq!(answer["id"], event);
    assert!(scene.sandbox.world.news() > news, "nobody would be woken");
    let heard = [(); 2].map(|()| scene.heard(&listener));
    assert_eq!((heard, owed(&scene)), ([vec![event.clone()], vec![]], before));
    assert_eq!(scene.refused("POST /v1/events/evt_1/retry", "for_stripecli=true")["param"], "id");
}

#[test]
fn what_came_back_is_noted_with_the_event_it_answers() {
    let mut scene = Scene::new();
    let (listener, connection) = scene.listen();
    scene.ok("POST /v1/topups", "amount=5&currency=usd");
    let message = scene.sandbox.world.next_for(&listener, connection).unwrap();
    let reply = Reply { url: "http://localhost/hook".to_owned(), status: 200, body: "ok".into() };
    scene.sandbox.world.listener_says(&listener, &message.conversation, &reply);
    scene.sandbox.world.listener_says(&listener, "another", &reply);
    let view = scene.sandbox.world.listeners_view();
    let expected = json!([{
        "event": scene.made()[0], "at": NOON, "acknowledged": false,
        "answers": [{ "url": "http://localhost/hook", "status": 200, "body": "ok" }],
    }]);
    assert_eq!(view[0]["told"], expected);
    assert_eq!(view[0]["forward_to"], "http://localhost/hook");
}

#[test]
fn a_session_says_where_to_connect_and_what_is_signed_with() {
    let secret_of = |seed| {
        let mut scene = Scene::with(Settings { seed, ..Settings::default() });
        let (_, first) = scene.begin_session();
        let (_, second) = scene.begin_session();
        assert_ne!(first["websocket_id"], second["websocket_id"]);
        assert_eq!(first["secret"], second["secret"]);
        let url = text(&first, "websocket_url");
        assert!(url.starts_with("ws://127.0.0.1:12111/"), "{url}");
        text(&first, "secret")
    };
    let secret = secret_of(1);
    assert!(secret.starts_with("whsec_") && secret.len() == 70, "{secret}");
    assert_eq!(secret, secret_of(1));
    assert_ne!(secret, secret_of(2));
}

#[test]
fn a_session_that_would_hear_nothing_is_refused() {
    let mut scene = Scene::new();
    let form = "device_name=desk&websocket_features[]=request_logs";
    let refused = scene.refused("POST /v1/stripecli/sessions", form);
    assert_eq!(refused["param"], "websocket_features");
}
