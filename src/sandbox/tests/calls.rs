//! What holds for every call: keys, accounts, pages, faults, the journal.

use serde_json::json;

use super::*;
use crate::sandbox::api::faults::Fault;

const TOPUP: &str = "amount=100&currency=usd";

fn with_key(form: &str, key: &str) -> Call {
    Call { idempotency_key: Some(key.to_owned()), ..call("POST /v1/topups", form) }
}

impl Scene {
    fn fault(&mut self, order: &Value) {
        self.sandbox.faults.plan(Fault::read(order).unwrap());
    }

    fn topups(&mut self) -> usize {
        self.ok("GET /v1/topups", "limit=100")["data"].as_array().unwrap().len()
    }
}

#[test]
fn a_key_is_needed_and_must_be_a_test_key() {
    let mut scene = Scene::new();
    for (key, status) in [("", 401), ("sk_live_x", 401), ("nonsense", 401), ("sk_test_x", 200)] {
        let key = Some(key.to_owned());
        let answer = scene.send(Call { key, ..call("GET /v1/balance", "") });
        assert_eq!(answer.status, status, "{key:?}", key = answer.body);
        if status == 401 {
            assert_eq!(answer.body["error"]["type"], "invalid_request_error");
        }
    }
    let mut own = Sandbox::new(Settings::default(), vec!["sk_test_mine".to_owned()], NOON);
    let call = Call { key: Some("sk_test_other".to_owned()), ..call("GET /v1/balance", "") };
    assert!(matches!(own.receive(call), Received::Answered(answer) if answer.status == 401));
}

#[test]
fn what_is_not_there_is_not_found() {
    let mut scene = Scene::new();
    for (asked, code) in [
        ("GET /v1/nothing", None),
        ("PATCH /v1/topups", None),
        ("GET /v1/topups/tu_x", Some("resource_missing")),
        ("GET /v1/transfers/tr_x", Some("resource_missing")),
        ("GET /v1/payouts/po_x", Some("resource_missing")),
        ("GET /v1/events/evt_x", Some("resource_missing")),
        ("POST /v1/topups/tu_x/cancel", Some("resource_missing")),
    ] {
        let answer = scene.send(call(asked, ""));
        assert_eq!((answer.status, answer.body["error"]["code"].as_str()), (404, code), "{asked}");
    }
    let stranger = Call { account: Some("acct_x".to_owned()), ..call("GET /v1/balance", "") };
    let answer = scene.send(stranger);
    assert_eq!((answer.status, &answer.body["error"]["code"]), (403, &json!("account_invalid")));
}

#[test]
fn the_first_answer_to_a_key_is_the_answer_for_a_day() {
    let mut scene = Scene::new();
    let first = scene.send(with_key(TOPUP, "k"));
    let again = scene.send(with_key(TOPUP, "k"));
    assert_eq!((&again.body, again.original_request), (&first.body, Some(first.request_id)));
    assert_eq!(scene.topups(), 1);
    let other = scene.send(with_key("amount=200&currency=usd", "k"));
    assert_eq!((other.status, &other.body["error"]["type"]), (400, &json!("idempotency_error")));
    assert_eq!(scene.last_event("topup.created")["request"]["idempotency_key"], "k");
    scene.advance(DAY);
    assert_ne!(scene.send(with_key(TOPUP, "k")).body["id"], first.body["id"]);
    assert_eq!(scene.topups(), 2);
}

#[test]
fn a_key_keeps_what_was_begun_and_nothing_else() {
    let mut scene = Scene::new();
    assert_eq!(scene.send(with_key("amount=x&currency=usd", "invalid")).status, 400);
    assert_eq!(scene.send(with_key(TOPUP, "invalid")).status, 200, "it was not begun");
    let account = scene.payable_account(&[]);
    let form = format!("amount=5&currency=usd&destination={account}");
    let transfer = || Call { path: "/v1/transfers".to_owned(), ..with_key(&form, "poor") };
    let refused = scene.send(transfer());
    assert_eq!(refused.body["error"]["code"], "balance_insufficient");
    scene.fund(100);
    assert_eq!(scene.send(transfer()).body, refused.body, "it was begun");
    scene.fault(&json!({"fault": "rate_limit"}));
    assert_eq!(scene.send(with_key(TOPUP, "limited")).status, 429);
    assert_eq!(scene.send(with_key(TOPUP, "limited")).status, 200);
}

#[test]
fn a_key_that_is_in_use_is_busy() {
    let mut scene = Scene::new();
    let key = Some("sk_test_scene".to_owned());
    let call = || Call { key: key.clone(), ..with_key(TOPUP, "k") };
    let Received::UnderWay(under_way) = scene.sandbox.receive(call()) else { panic!("refused") };
    let busy = scene.send(call());
    assert_eq!((busy.status, &busy.body["error"]["code"]), (409, &json!("idempotency_key_in_use")));
    let answer = scene.sandbox.perform(under_way);
    assert_eq!(scene.send(call()).body, answer.body);
    assert_eq!(scene.topups(), 1);
}

/// What a client hears with each fault, then with the same key again, and how many effects
/// there are in the end.
#[test]
fn faults_strike_before_or_after_the_effect() {
    for (order, heard, again, effects) in [
        (json!({"fault": "drop"}), None, 200, 1),
        (json!({"fault": "drop", "when": "after"}), None, 200, 1),
        (json!({"fault": "error"}), Some(500), 200, 1),
        (json!({"fault": "error", "when": "after"}), Some(500), 500, 1),
        (json!({"fault": "error", "when": "after", "kept": false}), Some(500), 200, 2),
        (json!({"fault": "rate_limit"}), Some(429), 200, 1),
        (json!({"fault": "lock_timeout"}), Some(429), 200, 1),
    ] {
        let mut scene = Scene::new();
        scene.fault(&order);
        let first = scene.send(with_key(TOPUP, "k"));
        assert_eq!((!first.dropped).then_some(first.status), heard, "{order}");
        let locked = order["fault"] == "lock_timeout";
        assert_eq!(first.should_retry, locked.then_some(true), "{order}");
        assert_eq!(scene.send(with_key(TOPUP, "k")).status, again, "{order}");
        assert_eq!(scene.topups(), effects, "{order}");
    }
}

#[test]
fn the_journal_tells_what_each_call_made() {
    let mut scene = Scene::new();
    let topup = scene.send(with_key(TOPUP, "k")).body;
    scene.send(with_key(TOPUP, "k"));
    scene.fault(&json!({"fault": "drop", "when": "after", "path": "/v1/topups/*/cancel"}));
    scene.send(call(&format!("POST /v1/topups/{}/cancel", text(&topup, "id")), ""));
    let told: Vec<_> = scene
        .sandbox
        .journal
        .iter()
        .map(|record| (record.status, record.replayed, record.effects.len(), record.events.len()))
        .collect();
    assert_eq!(told, [(Some(200), false, 1, 1), (Some(200), true, 0, 0), (None, false, 0, 1)]);
    let first = scene.sandbox.journal[0].view();
    assert_eq!(first["effects"], json!([topup["id"]]));
    assert_eq!(first["params"], json!({"amount": "100", "currency": "usd"}));
    assert_eq!(scene.sandbox.journal[2].faults, ["after drop"]);
}

#[test]
fn lists_come_in_pages_newest_first() {
    let mut scene = Scene::new();
    let ids: Vec<String> = (1..=5)
        .map(|amount| {
            scene.advance(10);
            text(&scene.ok("POST /v1/topups", &format!("amount={amount}&currency=usd")), "id")
        })
        .collect();
    let at = scene.now;
    for (form, expected, more) in [
        (String::new(), &[5, 4, 3, 2, 1][..], false),
        ("limit=2".to_owned(), &[5, 4], true),
        (format!("limit=2&starting_after={}", ids[3]), &[3, 2], true),
        (format!("limit=2&starting_after={}", ids[1]), &[1], false),
        (format!("limit=2&ending_before={}", ids[0]), &[3, 2], true),
        (format!("limit=2&ending_before={}", ids[3]), &[5], false),
        (format!("created={at}"), &[5], false),
        (format!("created[gte]={}&created[lt]={at}", at - 20), &[4, 3], false),
        ("amount=3".to_owned(), &[3], false),
        ("amount[gt]=3".to_owned(), &[5, 4], false),
        ("status=succeeded".to_owned(), &[], false),
    ] {
        let list = scene.ok("GET /v1/topups", &form);
        let amounts: Vec<i64> = list["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|o| o["amount"].as_i64().unwrap())
            .collect();
        assert_eq!((&*amounts, &list["has_more"]), (expected, &json!(more)), "{form}");
    }
    for (form, param) in [
        ("limit=0", Some("limit")),
        ("limit=101", Some("limit")),
        ("starting_after=tu_x", Some("starting_after")),
        ("starting_after=a&ending_before=b", None),
        ("page=2", Some("page")),
    ] {
        assert_eq!(scene.refused("GET /v1/topups", form)["param"].as_str(), param, "{form}");
    }
}

#[test]
fn events_are_listed_by_owner_type_and_age() {
    let mut scene = Scene::new();
    let account = scene.payable_account(&[]);
    scene.fund(10);
    scene.ok("POST /v1/transfers", &format!("amount=10&currency=usd&destination={account}"));
    scene.ok("POST /v1/topups", TOPUP);
    let kinds = |scene: &mut Scene, form: &str| -> Vec<String> {
        let list = scene.ok("GET /v1/events", &format!("limit=100&{form}"));
        list["data"].as_array().unwrap().iter().map(|event| text(event, "type")).collect()
    };
    assert_eq!(kinds(&mut scene, ""), ["topup.created", "transfer.created", "balance.available"]);
    assert_eq!(kinds(&mut scene, "type=topup.*"), ["topup.created"]);
    let both = "types[]=topup.created&types[]=balance.available";
    assert_eq!(kinds(&mut scene, both), ["topup.created", "balance.available"]);
    assert!(scene.refused("GET /v1/events", "type=a&types[]=b").is_object());
    let of_account = scene.ok_for(&account, "GET /v1/events", "type=account.updated");
    let newest = &of_account["data"][0];
    assert_eq!((&newest["account"], &newest["type"]), (&json!(account), &json!("account.updated")));
    let path = format!("GET /v1/events/{}", text(newest, "id"));
    assert_eq!(scene.refused(&path, "")["code"], "resource_missing", "it is not the platform's");
    assert_eq!(scene.ok_for(&account, &path, ""), *newest);
    scene.advance(31 * DAY);
    assert_eq!(kinds(&mut scene, "type=topup.created"), Vec::<String>::new());
}

#[test]
fn the_same_calls_at_the_same_times_give_the_same_world() {
    let play = || {
        let mut scene = Scene::with(Settings { seed: 7, ..Settings::default() });
        let account = scene.payable_account(&[]);
        scene.ok("POST /v1/topups", "amount=100&currency=usd");
        scene.advance(6 * DAY);
        scene.ok("POST /v1/transfers", &format!("amount=10&currency=usd&destination={account}"));
        scene.sandbox.world.state()
    };
    assert_eq!(play(), play());
}
