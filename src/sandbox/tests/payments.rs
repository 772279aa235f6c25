//! Payments by test cards: the money they bring, and what they refuse.

use serde_json::json;

use super::*;

const AT_ONCE: &str = "amount=1000&currency=usd&payment_method=pm_card_bypassPending&confirm=true";

#[test]
fn a_payment_by_the_card_that_bypasses_pending_can_be_spent_at_once() {
    let mut scene = Scene::new();
    let form = format!(
        "{AT_ONCE}&description=d&transfer_group=g&shipping[name]=Ann&shipping[address][city]=Ghent&payment_method_types[]=card&metadata[a]=b"
    );
    let payment = scene.ok("POST /v1/payment_intents", &form);
    assert_eq!(
        (&payment["status"], &payment["amount_received"]),
        (&"succeeded".into(), &1000.into())
    );
    assert_eq!(scene.holds(None), (1000, 0));
    let expected = [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "balance.available",
    ];
    assert_eq!(scene.kinds(None), expected);

    let same = scene.ok(&format!("GET /v1/payment_intents/{}", text(&payment, "id")), "");
    assert_eq!(same, payment);
    let charge = scene.ok(&format!("GET /v1/charges/{}", text(&payment, "latest_charge")), "");
    assert_eq!(charge["payment_method_details"]["card"]["last4"], "0077");
    assert_eq!(charge["payment_intent"], payment["id"]);
    assert_eq!(
        (&charge["shipping"]["address"]["city"], &charge["shipping"]),
        (&"Ghent".into(), &payment["shipping"])
    );
    assert_eq!((&charge["description"], &charge["metadata"]), (&"d".into(), &json!({"a": "b"})));
    assert_eq!((&charge["transfer_group"], &payment["transfer_group"]), (&"g".into(), &"g".into()));
    let transaction = text(&charge, "balance_transaction");
    let transaction = scene.ok(&format!("GET /v1/balance_transactions/{transaction}"), "");
    assert_eq!((&transaction["type"], &transaction["source"]), (&"charge".into(), &charge["id"]));
    assert_eq!((&transaction["net"], &transaction["fee"]), (&1000.into(), &0.into()));
}

#[test]
fn a_payment_by_an_ordinary_card_can_be_spent_two_days_later() {
    let mut scene = Scene::new();
    scene.ok("POST /v1/payment_intents", &AT_ONCE.replace("bypassPending", "visa"));
    assert_eq!(scene.holds(None), (0, 1000));
    scene.advance(2 * DAY - 1);
    assert_eq!(scene.holds(None), (0, 1000));
    scene.advance(1);
    assert_eq!(scene.holds(None).1, 0);
    assert_eq!(scene.kinds(None).iter().filter(|kind| **kind == "balance.available").count(), 1);
}

#[test]
fn a_payment_goes_to_the_account_that_it_is_made_for() {
    let mut scene = Scene::new();
    let account = scene.payable_account(&[]);
    let payment = scene.ok_for(&account, "POST /v1/payment_intents", AT_ONCE);
    assert_eq!((scene.holds(Some(&account)), scene.holds(None)), ((1000, 0), (0, 0)));
    let told = scene.last_event("charge.succeeded");
    assert_eq!(told["account"], account);
    let path = format!("GET /v1/payment_intents/{}", text(&payment, "id"));
    assert_eq!(scene.refused(&path, "")["code"], "resource_missing");
    let path = format!("GET /v1/charges/{}", text(&payment, "latest_charge"));
    assert_eq!(scene.refused(&path, "")["code"], "resource_missing");
}

#[test]
fn what_is_not_a_payment_here_is_refused_and_says_why() {
    let mut scene = Scene::new();
    for (form, param) in [
        (AT_ONCE.replace("&confirm=true", ""), "confirm"),
        (AT_ONCE.replace("confirm=true", "confirm=false"), "confirm"),
        (AT_ONCE.replace("&payment_method=pm_card_bypassPending", ""), "payment_method"),
        (AT_ONCE.replace("pm_card_bypassPending", "pm_card_unknown"), "payment_method"),
        (AT_ONCE.replace("usd", "dollars"), "currency"),
        (AT_ONCE.replace("amount=1000&", ""), "amount"),
        (AT_ONCE.replace("1000", "0"), "amount"),
        (format!("{AT_ONCE}&payment_method_types[]=ideal"), "payment_method_types"),
    ] {
        assert_eq!(scene.refused("POST /v1/payment_intents", &form)["param"], param, "{form}");
    }
    let account = text(&scene.ok("POST /v1/accounts", EXPRESS), "id");
    let asked = Call { account: Some(account), ..call("POST /v1/payment_intents", AT_ONCE) };
    let refused = scene.send(asked);
    let said = text(&refused.body["error"], "message");
    assert!(refused.status == 400 && said.contains("charges"), "{said}");
    assert_eq!(scene.holds(None), (0, 0));
}

#[test]
fn a_transfer_from_the_funds_of_a_charge_is_refused_for_what_it_is() {
    let mut scene = Scene::new();
    let account = scene.payable_account(&[]);
    let charge = text(&scene.ok("POST /v1/payment_intents", AT_ONCE), "latest_charge");
    let form = format!("amount=5&currency=usd&destination={account}&source_transaction=");
    let known = scene.refused("POST /v1/transfers", &format!("{form}{charge}"));
    assert_eq!((&known["code"], &known["param"]), (&Value::Null, &"source_transaction".into()));
    let unknown = scene.refused("POST /v1/transfers", &format!("{form}ch_1"));
    assert_eq!(unknown["code"], "resource_missing");
}
