//! Top-ups, transfers, reversals, payouts, and the balances they leave.

use serde_json::{Value, json};

use super::*;

impl Scene {
    /// What an account, or the platform, has: available and pending.
    pub(super) fn holds(&mut self, account: Option<&str>) -> (i64, i64) {
        let mut asked = call("GET /v1/balance", "");
        asked.account = account.map(str::to_owned);
        let balance = self.send(asked).body;
        let of = |name: &str| balance[name][0]["amount"].as_i64().unwrap();
        (of("available"), of("pending"))
    }

    fn transfer(&mut self, amount: i64, destination: &str) -> Value {
        let form = format!("amount={amount}&currency=usd&destination={destination}");
        self.ok("POST /v1/transfers", &form)
    }
}

#[test]
fn a_top_up_pends_until_the_day_it_said_and_can_then_be_spent() {
    let mut scene = Scene::new();
    let form = "amount=2000&currency=usd&description=d&statement_descriptor=Weekly top-up";
    let topup = scene.ok("POST /v1/topups", form);
    assert_eq!((&topup["status"], scene.holds(None)), (&json!("pending"), (0, 2000)));
    let due = topup["expected_availability_date"].as_i64().unwrap();
    scene.advance(due - scene.now - 1);
    let path = format!("GET /v1/topups/{}", text(&topup, "id"));
    assert_eq!(scene.ok(&path, "")["status"], "pending");
    scene.advance(1);
    assert_eq!(
        (&scene.ok(&path, "")["status"], scene.holds(None)),
        (&json!("succeeded"), (2000, 0))
    );
    assert_eq!(scene.kinds(None), ["topup.created", "topup.succeeded", "balance.available"]);
    let told = scene.last_event("topup.succeeded");
    assert_eq!(told["request"], json!({"id": null, "idempotency_key": null}));
}

#[test]
fn a_test_source_decides_what_becomes_of_a_top_up() {
    for (source, code) in [
        ("btok_us_verified", None),
        ("btok_us_verified_noAccount", Some("no_account")),
        ("btok_us_verified_accountClosed", Some("account_closed")),
        ("btok_us_verified_insufficientFunds", Some("insufficient_funds")),
        ("btok_us_verified_debitNotAuthorized", Some("debit_not_authorized")),
        ("btok_us_verified_invalidCurrency", Some("invalid_currency")),
    ] {
        let mut scene = Scene::new();
        let form = format!("amount=500&currency=usd&source={source}");
        let topup = scene.ok("POST /v1/topups", &form);
        assert_eq!((&topup["status"], &topup["failure_code"]), (&json!("pending"), &Value::Null));
        scene.advance(10 * DAY);
        let topup = scene.ok(&format!("GET /v1/topups/{}", text(&topup, "id")), "");
        let status = if code.is_some() { "failed" } else { "succeeded" };
        assert_eq!((&topup["status"], &topup["failure_code"]), (&json!(status), &json!(code)));
        let available = if code.is_some() { 0 } else { 500 };
        assert_eq!(scene.holds(None), (available, 0), "{source}");
    }
    let refused = Scene::new().refused("POST /v1/topups", "amount=5&currency=usd&source=btok_x");
    assert_eq!(
        (&refused["code"], &refused["param"]),
        (&json!("resource_missing"), &json!("source"))
    );
}

#[test]
fn only_a_pending_top_up_can_be_canceled() {
    let mut scene = Scene::new();
    let topup = scene.ok("POST /v1/topups", "amount=2000&currency=usd");
    let cancel = format!("POST /v1/topups/{}/cancel", text(&topup, "id"));
    assert_eq!(scene.ok(&cancel, "")["status"], "canceled");
    assert_eq!(scene.holds(None), (0, 0));
    assert_eq!(scene.refused(&cancel, "")["code"], "status_transition_invalid");
    scene.advance(10 * DAY);
    assert_eq!(scene.kinds(None), ["topup.created", "topup.canceled"]);
    assert_eq!(scene.holds(None), (0, 0));
}

#[test]
fn a_bank_can_take_a_top_up_back() {
    let mut scene = Scene::new();
    let id = text(&scene.ok("POST /v1/topups", "amount=2000&currency=usd"), "id");
    assert!(scene.sandbox.world.reverse_topup(&id).is_err(), "it only pends");
    scene.advance(6 * DAY);
    check_shape(&scene.sandbox.world.reverse_topup(&id).unwrap());
    assert_eq!(scene.holds(None), (0, 0));
    assert_eq!(scene.kinds(None).last(), Some(&"topup.reversed"));
}

#[test]
fn a_transfer_needs_money_that_is_available() {
    let mut scene = Scene::new();
    let account = scene.payable_account(&[]);
    scene.ok("POST /v1/topups", "amount=2000&currency=usd");
    let form = format!("amount=1500&currency=usd&destination={account}&transfer_group=g");
    assert_eq!(scene.refused("POST /v1/transfers", &form)["code"], "balance_insufficient");
    scene.advance(5 * DAY);
    let transfer = scene.ok("POST /v1/transfers", &form);
    assert_eq!((scene.holds(None), scene.holds(Some(&account))), ((500, 0), (1500, 0)));
    assert_eq!(scene.last_event("transfer.created")["data"]["object"], transfer);
    assert_eq!(scene.refused("POST /v1/transfers", &form)["code"], "balance_insufficient");
    let euros = format!("amount=1&currency=eur&destination={account}");
    assert_eq!(scene.refused("POST /v1/transfers", &euros)["code"], "balance_insufficient");
}

#[test]
fn a_transfer_is_reversed_in_parts_until_nothing_is_left() {
    let mut scene = Scene::new();
    let account = scene.payable_account(&[]);
    scene.fund(1000);
    let id = text(&scene.transfer(1000, &account), "id");
    let path = format!("POST /v1/transfers/{id}/reversals");
    assert_eq!(scene.ok(&path, "amount=300&metadata[k]=v")["amount"], 300);
    assert_eq!(scene.refused(&path, "amount=701")["param"], "amount");
    assert_eq!(scene.holds(Some(&account)), (700, 0));
    let told = scene.last_event("transfer.reversed");
    assert_eq!(told["data"]["object"]["amount_reversed"], 300);
    assert_eq!(told["data"]["object"]["reversed"], false);
    assert_eq!(scene.ok(&path, "")["amount"], 700);
    assert_eq!(scene.ok(&format!("GET /v1/transfers/{id}"), "")["reversed"], true);
    let refused = scene.refused(&path, "");
    assert!(text(&refused, "message").contains("already fully reversed"));
    assert_eq!((scene.holds(None), scene.holds(Some(&account))), ((1000, 0), (0, 0)));
}

#[test]
fn a_reversal_needs_money_at_the_destination() {
    let mut scene = Scene::new();
    let account = scene.payable_account(&[]);
    scene.fund(1000);
    let id = text(&scene.transfer(1000, &account), "id");
    scene.ok_for(&account, "POST /v1/payouts", "amount=600&currency=usd");
    let path = format!("POST /v1/transfers/{id}/reversals");
    assert_eq!(scene.refused(&path, "")["code"], "balance_insufficient");
    assert_eq!(scene.ok(&path, "amount=400")["amount"], 400);
}

#[test]
fn only_who_may_receive_is_sent_funds() {
    let mut scene = Scene::new();
    scene.fund(1000);
    let transfer = |id: &str| format!("amount=1&currency=usd&destination={id}");
    let waiting = text(&scene.ok("POST /v1/accounts", EXPRESS), "id");
    let refused = scene.refused("POST /v1/transfers", &transfer(&waiting));
    assert_eq!(refused["code"], "insufficient_capabilities_for_transfer");
    let refused = scene.refused("POST /v1/transfers", &transfer("acct_nobody"));
    assert_eq!(
        (&refused["code"], &refused["param"]),
        (&json!("resource_missing"), &json!("destination"))
    );
    assert!(text(&refused, "message").starts_with("No such destination"));
    // Like Stripe's own sandboxes: who never asked for the capability can be tried with.
    let plain = text(&scene.ok("POST /v1/accounts", ""), "id");
    scene.ok("POST /v1/transfers", &transfer(&plain));
    let rejected = scene.payable_account(&[]);
    scene.ok(&format!("POST /v1/accounts/{rejected}/reject"), "reason=fraud");
    let refused = scene.refused("POST /v1/transfers", &transfer(&rejected));
    assert_eq!(refused["code"], "transfers_not_allowed");
}

#[test]
fn funds_cross_borders_only_where_stripe_lets_them() {
    for (platform, account, agreement, code) in [
        ("US", "DE", "full", None),
        ("DE", "CA", "full", None),
        ("MX", "MX", "full", None),
        ("US", "MX", "full", Some("Funds can't be sent to accounts located in MX")),
        ("JP", "AU", "full", Some("Funds can't be sent to accounts located in AU")),
        ("US", "MX", "recipient", None),
        ("US", "PH", "recipient", None),
    ] {
        let mut scene =
            Scene::with(Settings { country: platform.to_owned(), ..Settings::default() });
        scene.fund(1000);
        let form =
            format!("type=express&country={account}&tos_acceptance[service_agreement]={agreement}");
        let id = text(&scene.ok("POST /v1/accounts", &form), "id");
        scene.onboard(&id, &[]);
        scene.advance(60);
        let transfer = format!("amount=10&currency=usd&destination={id}");
        let answer = scene.send(call("POST /v1/transfers", &transfer));
        let message = answer.body["error"]["message"].as_str();
        let fits = match code {
            Some(code) => message.is_some_and(|message| message.starts_with(code)),
            None => answer.status == 200,
        };
        assert!(fits, "{platform} -> {account} {agreement}: {}", answer.body);
        if agreement == "recipient" {
            assert_eq!(scene.holds(Some(&id)).0, 0, "it takes a day");
            scene.advance(DAY);
            let balance = scene.ok_for(&id, "GET /v1/balance", "");
            let usd = |entry: &&Value| entry["currency"] == "usd";
            let available = balance["available"].as_array().unwrap().iter().find(usd).cloned();
            assert!(available.is_some(), "{balance}");
        }
    }
}

#[test]
fn a_payout_goes_through_its_stations_to_the_bank() {
    let mut scene = Scene::new();
    let account = scene.payable_account(&[]);
    scene.fund(1000);
    scene.transfer(1000, &account);
    let payout = scene.ok_for(&account, "POST /v1/payouts", "amount=400&currency=usd");
    assert_eq!((&payout["status"], &payout["automatic"]), (&json!("pending"), &json!(false)));
    assert_eq!(scene.holds(Some(&account)), (600, 0));
    let path = format!("GET /v1/payouts/{}", text(&payout, "id"));
    scene.advance(3600);
    assert_eq!(scene.ok_for(&account, &path, "")["status"], "in_transit");
    let told = scene.last_event("payout.updated");
    assert_eq!(told["data"]["previous_attributes"], json!({"status": "pending"}));
    assert_eq!(told["account"], json!(account));
    scene.advance(2 * DAY);
    assert_eq!(scene.ok_for(&account, &path, "")["status"], "paid");
    assert_eq!(scene.refused(&path, "")["code"], "resource_missing", "it is not the platform's");
}

#[test]
fn what_is_available_is_paid_out_every_day_unless_the_schedule_says_otherwise() {
    for (schedule, payouts) in [
        ("", 1),
        ("interval]=manual", 0),
        ("interval]=weekly&settings[payouts][schedule][weekly_anchor]=friday", 0),
        ("interval]=weekly&settings[payouts][schedule][weekly_anchor]=thursday", 1),
        ("interval]=monthly&settings[payouts][schedule][monthly_anchor]=24", 1),
        ("interval]=monthly&settings[payouts][schedule][monthly_anchor]=25", 0),
    ] {
        let mut scene = Scene::new();
        let account = scene.payable_account(&[]);
        if !schedule.is_empty() {
            let form = format!("settings[payouts][schedule][{schedule}");
            scene.ok(&format!("POST /v1/accounts/{account}"), &form);
        }
        scene.fund(1000);
        scene.transfer(1000, &account);
        scene.advance(DAY);
        let list = scene.ok_for(&account, "GET /v1/payouts", "");
        let made = list["data"].as_array().unwrap();
        assert_eq!(made.len(), payouts, "{schedule}");
        for payout in made {
            assert_eq!((&payout["automatic"], &payout["amount"]), (&json!(true), &json!(1000)));
        }
        scene.advance(3 * DAY);
        let kinds = scene.kinds(Some(&account));
        let reconciled = kinds.contains(&"payout.reconciliation_completed");
        assert!(payouts == 0 || reconciled, "{schedule}: {kinds:?}");
    }
}

#[test]
fn a_bank_number_decides_what_becomes_of_a_payout() {
    for (number, code) in [
        ("000123456789", None),
        ("000111111116", Some("no_account")),
        ("000111111113", Some("account_closed")),
        ("000222222227", Some("insufficient_funds")),
        ("000333333335", Some("debit_not_authorized")),
        ("000444444440", Some("invalid_currency")),
    ] {
        let mut scene = Scene::new();
        let account = scene.payable_account(&[("external_account.account_number", number)]);
        scene.fund(1000);
        scene.transfer(1000, &account);
        let payout = scene.ok_for(&account, "POST /v1/payouts", "amount=1000&currency=usd");
        scene.advance(3 * DAY);
        let payout =
            scene.ok_for(&account, &format!("GET /v1/payouts/{}", text(&payout, "id")), "");
        assert_eq!(payout["failure_code"], json!(code), "{number}");
        let Some(_) = code else {
            assert_eq!(payout["status"], "paid");
            continue;
        };
        assert_eq!(payout["status"], "failed");
        assert!(payout["failure_balance_transaction"].is_string());
        assert_eq!(scene.holds(Some(&account)), (1000, 0), "the money is back");
        let told = scene.last_event("account.external_account.updated");
        assert_eq!(told["data"]["object"]["status"], "errored");
        let shown = scene.ok(&format!("GET /v1/accounts/{account}"), "");
        assert_eq!(shown["payouts_enabled"], false);
        assert_eq!(shown["requirements"]["past_due"], json!(["external_account"]));
        assert_eq!(shown["capabilities"]["transfers"], "active");
        scene.onboard(&account, &[]);
        scene.advance(60);
        let shown = scene.ok(&format!("GET /v1/accounts/{account}"), "");
        assert_eq!(shown["payouts_enabled"], true, "another bank was given");
    }
}

#[test]
fn a_paid_payout_can_come_back() {
    let mut scene = Scene::new();
    let account = scene.payable_account(&[]);
    scene.fund(1000);
    scene.transfer(1000, &account);
    let payout = scene.ok_for(&account, "POST /v1/payouts", "amount=1000&currency=usd");
    scene.advance(3 * DAY);
    let returned = scene.sandbox.world.return_payout(&text(&payout, "id"), "account_closed");
    let returned = returned.unwrap();
    check_shape(&returned);
    assert_eq!(
        (&returned["status"], &returned["failure_code"]),
        (&json!("failed"), &json!("account_closed"))
    );
    let kinds = scene.kinds(Some(&account));
    let ends = kinds.iter().filter(|kind| matches!(**kind, "payout.paid" | "payout.failed"));
    assert_eq!(ends.collect::<Vec<_>>(), [&"payout.paid", &"payout.failed"]);
}

#[test]
fn payouts_are_canceled_while_they_pend_and_reversed_when_paid() {
    let mut scene = Scene::new();
    let account = scene.payable_account(&[]);
    scene.fund(1000);
    scene.transfer(1000, &account);
    let mut made =
        || text(&scene.ok_for(&account, "POST /v1/payouts", "amount=300&currency=usd"), "id");
    let (canceled, paid) = (made(), made());
    let cancel = format!("POST /v1/payouts/{canceled}/cancel");
    assert_eq!(scene.ok_for(&account, &cancel, "")["status"], "canceled");
    assert_eq!(scene.holds(Some(&account)), (700, 0));
    scene.advance(7200);
    scene.advance(3 * DAY);
    let reverse = format!("POST /v1/payouts/{paid}/reverse");
    let reversal = scene.ok_for(&account, &reverse, "");
    assert_eq!((&reversal["amount"], &reversal["original_payout"]), (&json!(-300), &json!(paid)));
    let shown = scene.ok_for(&account, &format!("GET /v1/payouts/{paid}"), "");
    assert_eq!(shown["reversed_by"], reversal["id"]);
}

#[test]
fn amounts_and_currencies_are_looked_at() {
    let mut scene = Scene::new();
    for (form, param, code) in [
        ("amount=0&currency=usd", "amount", Some("parameter_invalid_integer")),
        ("amount=-5&currency=usd", "amount", Some("parameter_invalid_integer")),
        ("amount=100000000&currency=usd", "amount", Some("amount_too_large")),
        ("amount=5&currency=xyz", "currency", None),
        ("amount=5&currency=usd&statement_descriptor=12345", "statement_descriptor", None),
        (
            "amount=5&currency=usd&statement_descriptor=sixteen letters!",
            "statement_descriptor",
            None,
        ),
    ] {
        let refused = scene.refused("POST /v1/topups", form);
        assert_eq!(
            (refused["param"].as_str(), refused["code"].as_str()),
            (Some(param), code),
            "{form}"
        );
    }
}
