//! Webhooks: who is told, how often, and what can be made to go wrong.

use serde_json::json;

use super::*;
use crate::sandbox::world::outbox::{Mischief, Outgoing};

const URL: &str = "url=http://127.0.0.1:1/hook";

impl Scene {
    fn endpoint(&mut self, form: &str) -> String {
        text(&self.ok("POST /v1/webhook_endpoints", &format!("{URL}&{form}")), "id")
    }

    /// What is to be sent now: the endpoint and the event's type.
    fn letters(&mut self) -> Vec<(Outgoing, Value)> {
        let letter =
            |outgoing, _, _, body: String| (outgoing, serde_json::from_str(&body).unwrap());
        self.sandbox.world.letters(letter)
    }

    fn record(&mut self, letter: &Outgoing, outcome: Result<u16, &str>) {
        let (outcome, now) = (outcome.map_err(str::to_owned), self.now);
        self.sandbox.world.outbox.record(letter.delivery, outcome, now);
    }

    fn topup(&mut self) -> String {
        text(&self.ok("POST /v1/topups", "amount=100&currency=usd"), "id")
    }
}

fn kinds(letters: &[(Outgoing, Value)]) -> Vec<&str> {
    letters.iter().map(|(_, event)| event["type"].as_str().unwrap()).collect()
}

#[test]
fn the_platform_and_connected_accounts_have_endpoints_of_their_own() {
    let mut scene = Scene::new();
    let own = scene.endpoint("enabled_events[]=*");
    let connect = scene.endpoint("enabled_events[]=account.updated&connect=true");
    scene.topup();
    let account = scene.payable_account(&[]);
    let sent = scene.letters();
    for (letter, event) in &sent {
        let expected = if event.get("account").is_some() { &connect } else { &own };
        assert_eq!(letter.endpoint, *expected, "{event}");
        assert_eq!(event["pending_webhooks"], 1);
        check_shape(event);
    }
    let updates = sent.iter().filter(|(letter, _)| letter.endpoint == connect);
    assert!(updates.clone().count() > 0);
    assert!(updates.into_iter().all(|(_, event)| event["account"] == json!(account)));
    assert!(scene.letters().is_empty(), "each is sent once");
}

#[test]
fn what_is_not_taken_is_sent_three_times_in_all() {
    let mut scene = Scene::new();
    scene.endpoint("enabled_events[]=*");
    scene.topup();
    for (outcome, wait) in [(Err("refused"), 3600), (Ok(302), 3 * 3600), (Ok(500), DAY)] {
        let sent = scene.letters();
        assert_eq!(kinds(&sent), ["topup.created"]);
        scene.record(&sent[0].0, outcome);
        let undelivered = scene.ok("GET /v1/events", "delivery_success=false");
        assert_eq!(undelivered["data"][0]["pending_webhooks"], 1);
        scene.advance(wait - 1);
        assert!(scene.letters().is_empty());
        scene.advance(1);
    }
    assert!(scene.letters().is_empty(), "it was given up");
    let view = scene.sandbox.world.outbox.deliveries()[0].view();
    assert_eq!(
        (&view["state"], view["attempts"].as_array().unwrap().len()),
        (&json!("given_up"), 3)
    );
}

#[test]
fn what_is_taken_is_not_sent_again_unless_asked_for() {
    let mut scene = Scene::new();
    let endpoint = scene.endpoint("enabled_events[]=topup.created");
    scene.topup();
    let sent = scene.letters();
    scene.record(&sent[0].0, Ok(204));
    scene.advance(5 * DAY);
    assert!(scene.letters().is_empty());
    let delivered = scene.ok("GET /v1/events", "delivery_success=true&type=topup.created");
    let event = &delivered["data"][0];
    assert_eq!(event["pending_webhooks"], 0);
    let path = format!("POST /v1/events/{}/retry", text(event, "id"));
    scene.ok(&path, &format!("webhook_endpoint={endpoint}"));
    let again = scene.letters();
    assert_eq!(again[0].1["id"], event["id"]);
}

#[test]
fn an_endpoint_that_is_off_or_gone_is_not_tried() {
    let mut scene = Scene::new();
    let (off, gone) = (scene.endpoint("enabled_events[]=*"), scene.endpoint("enabled_events[]=*"));
    scene.topup();
    for letter in scene.letters() {
        scene.record(&letter.0, Ok(500));
    }
    scene.ok(&format!("POST /v1/webhook_endpoints/{off}"), "disabled=true");
    scene.ok(&format!("DELETE /v1/webhook_endpoints/{gone}"), "");
    scene.advance(3600);
    assert!(scene.letters().is_empty());
    scene.topup();
    assert!(scene.letters().is_empty());
}

#[test]
fn endpoints_are_made_changed_and_counted() {
    let mut scene = Scene::new();
    for (form, param) in [
        ("enabled_events[]=*", "url"),
        ("url=http://a.example", "enabled_events"),
        ("url=ftp://a.example&enabled_events[]=*", "url"),
        ("url=http://a.example&enabled_events[]=topup.exploded", "enabled_events[0]"),
    ] {
        assert_eq!(
            scene.refused("POST /v1/webhook_endpoints", form)["param"],
            json!(param),
            "{form}"
        );
    }
    let made =
        scene.ok("POST /v1/webhook_endpoints", &format!("{URL}&enabled_events[]=*&description=d"));
    assert!(text(&made, "secret").starts_with("whsec_"));
    let path = format!("/v1/webhook_endpoints/{}", text(&made, "id"));
    assert_eq!(scene.ok(&format!("GET {path}"), "").get("secret"), None, "it is only told once");
    let changed = scene.ok(&format!("POST {path}"), "enabled_events[]=topup.created&description=");
    assert_eq!(
        (&changed["enabled_events"], &changed["description"]),
        (&json!(["topup.created"]), &Value::Null)
    );
    for _ in 1..16 {
        scene.endpoint("enabled_events[]=*");
    }
    assert!(
        text(
            &scene.refused("POST /v1/webhook_endpoints", &format!("{URL}&enabled_events[]=*")),
            "message"
        )
        .contains("16")
    );
    assert_eq!(
        scene.ok("GET /v1/webhook_endpoints", "limit=100")["data"].as_array().unwrap().len(),
        16
    );
}

#[test]
fn deliveries_can_be_held_lost_doubled_failed_and_shuffled() {
    let mut scene = Scene::new();
    scene.endpoint("enabled_events[]=*");
    scene.sandbox.world.outbox.hold(true);
    scene.topup();
    assert!(scene.letters().is_empty());
    scene.sandbox.world.outbox.hold(false);
    assert_eq!(scene.letters().len(), 1, "it was only held");
    for (mischief, copies) in [(Mischief::Drop, 0), (Mischief::Fail, 0), (Mischief::Duplicate, 2)] {
        scene.sandbox.world.outbox.misbehave(mischief, 1);
        scene.topup();
        assert_eq!(scene.letters().len(), copies, "{mischief:?}");
    }
    let states: Vec<&str> =
        scene.sandbox.world.outbox.deliveries().iter().map(|made| made.standing.word()).collect();
    assert_eq!(states, ["waiting", "lost", "waiting", "waiting"], "a failed one is tried again");
    scene.sandbox.world.outbox.shuffle(true);
    let more: Vec<String> = (0..8).map(|_| scene.topup()).collect();
    let sent: Vec<String> =
        scene.letters().iter().map(|(_, event)| text(&event["data"]["object"], "id")).collect();
    assert!(sent != more && sent.len() == 8 && more.iter().all(|id| sent.contains(id)), "{sent:?}");
}
