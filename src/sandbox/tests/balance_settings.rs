//! How money is paid out by itself, and what that takes of money that was meant for others.

use serde_json::{Value, json};

use super::*;

const READ: &str = "GET /v1/balance_settings";
const UPDATE: &str = "POST /v1/balance_settings";

/// The form of an update of the payouts' settings.
fn payouts(form: &str) -> String {
    let pairs = form.split('&').map(|pair| format!("payments[payouts]{pair}"));
    pairs.collect::<Vec<_>>().join("&")
}

#[test]
fn a_connected_account_is_paid_out_daily_and_the_platform_when_it_says_so() {
    let mut scene = Scene::new();
    let account = scene.payable_account(&[]);
    let settings = scene.ok(READ, "");
    let platform = &settings["payments"]["payouts"];
    assert_eq!(platform["schedule"], json!({ "interval": "manual" }));
    assert_eq!((&platform["status"], settings.get("id")), (&json!("enabled"), None));
    let settings = scene.ok_for(&account, READ, "");
    assert_eq!(settings["payments"]["payouts"]["schedule"], json!({ "interval": "daily" }));
    assert_eq!(settings["payments"]["settlement_timing"]["delay_days"], 2);
    assert_eq!(settings["payments"]["debit_negative_balances"], true, "Stripe collects");
}

#[test]
fn an_update_is_kept_and_told_of_and_the_account_shows_it_too() {
    let mut scene = Scene::new();
    let account = scene.payable_account(&[]);
    let form = payouts(
        "[schedule][interval]=weekly&[schedule][weekly_payout_days][]=tuesday\
         &[schedule][weekly_payout_days][]=friday&[minimum_balance_by_currency][usd]=700\
         &[statement_descriptor]=WRITERS",
    ) + "&payments[settlement_timing][delay_days_override]=5&payments[debit_negative_balances]=false";
    let settings = scene.ok_for(&account, UPDATE, &form);
    let schedule = json!({ "interval": "weekly", "weekly_payout_days": ["tuesday", "friday"] });
    let payments = json!({
        "debit_negative_balances": false,
        "payouts": {
            "automatic_transfer_rules_by_currency": null,
            "minimum_balance_by_currency": { "usd": 700 }, "schedule": schedule,
            "statement_descriptor": "WRITERS", "status": "enabled",
        },
        "settlement_timing": { "delay_days": 5, "delay_days_override": 5, "start_of_day": null },
    });
    assert_eq!(settings["payments"], payments);
    assert_eq!(scene.ok_for(&account, READ, ""), settings);
    let told = scene.last_event("balance_settings.updated");
    assert_eq!((&told["data"]["object"], &told["account"]), (&settings, &json!(account)));
    let before = &told["data"]["previous_attributes"]["payments"]["payouts"];
    assert_eq!(before["minimum_balance_by_currency"], Value::Null);
    assert_eq!(before["schedule"]["interval"], "daily");
    let shown = &scene.ok(&format!("GET /v1/accounts/{account}"), "")["settings"]["payouts"];
    let expected = json!({
        "delay_days": 5, "interval": "weekly", "weekly_anchor": "tuesday",
        "weekly_payout_days": ["tuesday", "friday"],
    });
    assert_eq!(shown["schedule"], expected);
    // The older way to say it, and what unsets.
    let form = "settings[payouts][schedule][weekly_anchor]=thursday";
    scene.ok(&format!("POST /v1/accounts/{account}"), form);
    let form = payouts("[minimum_balance_by_currency][usd]=")
        + "&payments[settlement_timing][delay_days_override]=";
    let payments = &scene.ok_for(&account, UPDATE, &form)["payments"];
    let schedule = json!({ "interval": "weekly", "weekly_payout_days": ["thursday"] });
    assert_eq!(payments["payouts"]["schedule"], schedule);
    assert_eq!(payments["payouts"]["minimum_balance_by_currency"], Value::Null);
    assert_eq!(payments["settlement_timing"], json!({ "delay_days": 2, "start_of_day": null }));
    let told = scene.kinds(Some(&account)).len();
    scene.ok_for(&account, UPDATE, &payouts("[schedule][interval]=weekly"));
    assert_eq!(scene.kinds(Some(&account)).len(), told, "nothing has changed");
}

#[test]
fn what_cannot_be_a_setting_is_refused_and_changes_nothing() {
    let mut scene = Scene::new();
    let before = scene.ok(READ, "");
    for (form, param) in [
        ("[schedule][interval]=hourly", "payments[payouts][schedule][interval]"),
        (
            "[schedule][weekly_payout_days][]=sunday",
            "payments[payouts][schedule][weekly_payout_days][0]",
        ),
        (
            "[schedule][monthly_payout_days][]=32",
            "payments[payouts][schedule][monthly_payout_days]",
        ),
        (
            "[minimum_balance_by_currency][usd]=-1",
            "payments[payouts][minimum_balance_by_currency][usd]",
        ),
        ("[minimum_balance_by_currency][zzz]=1", "currency"),
        (
            "[statement_descriptor]=longer than twenty-two characters",
            "payments[payouts][statement_descriptor]",
        ),
        ("[who]=me", "payments[payouts][who]"),
    ] {
        let refused = scene.refused(UPDATE, &payouts(form));
        assert_eq!(refused["param"], param, "{form}: {refused}");
    }
    assert_eq!(scene.ok(READ, ""), before);
}

/// What a platform that adds funds should know: they need not be there when they are wanted.
#[test]
fn automatic_payouts_take_a_top_up_before_it_is_spent() {
    for (form, left) in [
        ("[schedule][interval]=manual", 2000),
        ("[schedule][interval]=daily", 0),
        ("[schedule][interval]=daily&[minimum_balance_by_currency][usd]=1500", 1500),
        ("[schedule][interval]=daily&[minimum_balance_by_currency][usd]=2500", 2000),
        ("[schedule][interval]=daily&[minimum_balance_by_currency][eur]=2500", 0),
        // The sandbox's first day is a Wednesday, the 23rd.
        ("[schedule][interval]=weekly&[schedule][weekly_payout_days][]=tuesday", 0),
        ("[schedule][interval]=weekly&[schedule][weekly_payout_days][]=friday", 2000),
        ("[schedule][interval]=monthly&[schedule][monthly_payout_days][]=29", 0),
        ("[schedule][interval]=monthly&[schedule][monthly_payout_days][]=30", 2000),
    ] {
        let mut scene = Scene::new();
        scene.ok(UPDATE, &payouts(form));
        scene.ok("POST /v1/topups", "amount=2000&currency=usd");
        // There from Monday noon on; the midnight after that begins Tuesday, the 29th.
        scene.advance(5 * DAY);
        assert_eq!(scene.holds(None), (2000, 0), "{form}");
        scene.advance(DAY);
        assert_eq!(scene.holds(None).0, left, "{form}");
        let made = scene.ok("GET /v1/payouts", "");
        let amounts: Vec<i64> = made["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|payout| {
                assert_eq!(payout["automatic"], true);
                payout["amount"].as_i64().unwrap()
            })
            .collect();
        let expected = if left < 2000 { vec![2000 - left] } else { Vec::new() };
        assert_eq!(amounts, expected, "{form}");
    }
}
