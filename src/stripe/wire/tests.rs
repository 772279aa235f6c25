use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::domain::Json;
use crate::domain::account::{Facts, Fields, Previous, Profile, Snapshot};
use crate::sandbox::{fixture, fixture_events};

/// After every fixture's `created`, in seconds.
const RECEIVED: u64 = 1_900_000_000;

const ACCOUNT: &str = "events/account.updated/restricted_soon.json";
const CAPABILITY: &str = "events/capability.updated/transfers_active.json";
const DEAUTHORIZED: &str = "events/account.application.deauthorized/deauthorized.json";
const TOPUP: &str = "events/topup.succeeded/succeeded.json";
const TRANSFER: &str = "events/transfer.reversed/partial.json";
const NEW_TRANSFER: &str = "events/transfer.created/created.json";
const PAYOUT: &str = "events/payout.paid/paid.json";
const BALANCE: &str = "events/balance.available/connected.json";

const ALL: [&str; 8] =
    [ACCOUNT, CAPABILITY, DEAUTHORIZED, TOPUP, TRANSFER, NEW_TRANSFER, PAYOUT, BALANCE];

fn received_at() -> Timestamp {
    Timestamp(i64::try_from(RECEIVED).unwrap() * 1_000_000)
}

fn event(path: &str) -> Value {
    serde_json::from_slice(fixture(path).unwrap()).unwrap()
}

/// Sets a field, given as `data.object.id`; `None` takes it away.
fn set(event: &mut Value, path: &str, value: Option<Value>) {
    let (parents, field) = path.rsplit_once('.').unwrap_or(("", path));
    let place = parents.split('.').filter(|name| !name.is_empty());
    let parent = place.fold(event, |parent, name| &mut parent[name]).as_object_mut().unwrap();
    match value {
        Some(value) => parent.insert(field.to_owned(), value),
        None => parent.remove(field),
    };
}

fn changed(path: &str, field: &str, value: Option<Value>) -> Value {
    let mut event = event(path);
    set(&mut event, field, value);
    event
}

fn reading(event: &Value) -> Reading {
    read(event.to_string().as_bytes(), received_at()).unwrap().reading
}

#[track_caller]
fn report(event: &Value) -> (ObjectKey, Says) {
    let reading = reading(event);
    let Reading::Report { object, says, .. } = reading else { panic!("{reading:?} of {event}") };
    (object, says)
}

#[track_caller]
fn says(event: &Value) -> Says {
    report(event).1
}

#[track_caller]
fn key(event: &Value) -> ObjectKey {
    report(event).0
}

#[track_caller]
fn account(event: &Value) -> Snapshot {
    if let Says::Account(snapshot) = says(event) { *snapshot } else { panic!("{event}") }
}

fn profile(event: &Value) -> Profile {
    Arc::unwrap_or_clone(account(event).profile)
}

/// Checks that the event is parked for a reason that names `field`.
#[track_caller]
fn check_parked(event: &Value, field: &str) {
    let reading = reading(event);
    let Reading::Parked { reason } = reading else { panic!("{field}: {reading:?}") };
    assert!(reason.contains(field), "{reason}, not {field}");
}

#[test]
fn every_fixture_is_read_and_every_tracked_one_is_a_report() {
    for (path, body) in fixture_events() {
        let Event { id, event_type, created, livemode, reading, .. } =
            read(body, received_at()).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert!(id.starts_with("evt_"), "{path}");
        assert!(path.contains(&event_type), "{path}");
        let tracked = match event_type.as_str() {
            "account.updated"
            | "capability.updated"
            | "account.application.authorized"
            | "account.application.deauthorized"
            | "balance.available" => true,
            // A type of long ago; a transfer has no status by now.
            "transfer.paid" | "transfer.failed" => false,
            other => ["topup.", "transfer.", "payout."].iter().any(|kind| other.starts_with(kind)),
        };
        assert_eq!(matches!(reading, Reading::Report { .. }), tracked, "{path}: {reading:?}");
        assert_eq!(reading == Reading::Ignored, !tracked, "{path}: {reading:?}");
        if tracked {
            assert!(created.is_some(), "{path}");
            assert_eq!(livemode, Some(path.ends_with("_live.json")), "{path}");
        }
    }
}

#[test]
fn a_report_says_which_object_it_is_about() {
    let owner = "acct_1TQx8RGh4NwJ6pLd";
    for (path, kind, expected_owner, id) in [
        (ACCOUNT, Kind::Account, None, event(ACCOUNT)["data"]["object"]["id"].clone()),
        (CAPABILITY, Kind::Account, None, json!(owner)),
        (DEAUTHORIZED, Kind::Account, None, event(DEAUTHORIZED)["account"].clone()),
        (TOPUP, Kind::Topup, None, event(TOPUP)["data"]["object"]["id"].clone()),
        (TRANSFER, Kind::Transfer, None, event(TRANSFER)["data"]["object"]["id"].clone()),
        (PAYOUT, Kind::Payout, Some(owner), event(PAYOUT)["data"]["object"]["id"].clone()),
        (BALANCE, Kind::Balance, Some(owner), json!("")),
    ] {
        let expected = ObjectKey {
            livemode: false,
            kind,
            owner: expected_owner.map(str::to_owned),
            id: id.as_str().unwrap().to_owned(),
        };
        assert_eq!(key(&event(path)), expected, "{path}");
    }
    assert_eq!(key(&changed(PAYOUT, "account", None)).owner, None, "the platform's own payout");
    assert_eq!(key(&changed(BALANCE, "account", Some(Value::Null))).owner, None);
}

#[test]
fn an_account_report_says_all_that_the_rules_read() {
    let mut event = event(ACCOUNT);
    for (field, value) in [
        ("details_submitted", json!(true)),
        ("payouts_enabled", json!(false)),
        ("charges_enabled", json!(true)),
        ("capabilities", json!({"transfers": "pending", "card_payments": "active"})),
        ("country", json!("US")),
        (
            "requirements",
            json!({
                "disabled_reason": "under_review", "current_deadline": 1_800_000_000,
                "currently_due": ["a"], "past_due": ["b", "c"],
                "eventually_due": ["d"], "pending_verification": ["e"],
            }),
        ),
    ] {
        set(&mut event, &format!("data.object.{field}"), Some(value));
    }
    let list = |names: &[&str]| Fields(names.iter().map(|&name| name.to_owned()).collect());
    let Profile { facts, charges_enabled, capabilities, country, .. } = profile(&event);
    let expected = Facts {
        details_submitted: true,
        payouts_enabled: false,
        transfers: Some("pending".to_owned()),
        disabled_reason: Some("under_review".to_owned()),
        current_deadline: Some(1_800_000_000),
        currently_due: list(&["a"]),
        past_due: list(&["b", "c"]),
        eventually_due: list(&["d"]),
        pending_verification: list(&["e"]),
    };
    assert_eq!(facts, expected);
    assert_eq!((charges_enabled, country.as_deref()), (Some(true), Some("US")));
    let words = [("transfers", "\"pending\""), ("card_payments", "\"active\"")];
    let words = words.map(|(name, word)| (name.to_owned(), Json(word.to_owned())));
    assert_eq!(capabilities, Some(BTreeMap::from(words)));
}

#[test]
fn a_capability_says_its_status_as_an_account_spells_it() {
    let Says::Capability(active) = says(&event(CAPABILITY)) else { panic!("a capability") };
    assert_eq!((active.name.as_str(), active.status.as_str()), ("transfers", "active"));
    let complete = account(&event("events/account.updated/complete.json"));
    assert!(complete.profile.says(&active));
    let odd = changed(CAPABILITY, "data.object.status", Some(json!("a \"new\" word")));
    let Says::Capability(odd) = says(&odd) else { panic!("a capability") };
    assert_eq!(odd.status_json.0, r#""a \"new\" word""#);
}

#[test]
fn what_is_wrong_with_any_tracked_event_is_named() {
    let over = (1_u64 << 53) + 1;
    let tomorrow = RECEIVED + 86_400;
    for path in ALL {
        for (field, value, named) in [
            ("data", None, "data.object"),
            ("data", Some(json!(null)), "data.object"),
            ("data", Some(json!("x")), "data.object"),
            ("data", Some(json!([])), "data.object"),
            ("data", Some(json!({})), "data.object"),
            ("data.object", Some(json!(null)), "data.object"),
            ("data.object", Some(json!("x")), "data.object"),
            ("data.object", Some(json!(7)), "data.object"),
            ("data.object", Some(json!([])), "data.object"),
            ("data.object", Some(json!(["tu_1", "topup", false, null])), "data.object"),
            ("data.object", Some(json!({})), "data.object.object"),
            ("data.object.object", None, "data.object.object"),
            ("data.object.object", Some(json!("charge")), "charge"),
            ("data.object.object", Some(json!(["account"])), "data.object.object"),
            ("created", None, "created"),
            ("created", Some(json!(null)), "created"),
            ("created", Some(json!("1790500000")), "created"),
            ("created", Some(json!(1_790_500_000.5)), "created"),
            ("created", Some(json!(-1)), "created"),
            ("created", Some(json!(over)), "created"),
            ("created", Some(json!(tomorrow + 1)), "ahead"),
            ("livemode", None, "livemode"),
            ("livemode", Some(json!(null)), "livemode"),
            ("livemode", Some(json!("false")), "livemode"),
            ("data.object.livemode", Some(json!(true)), "livemode"),
            ("data.object.livemode", Some(json!("false")), "livemode"),
            ("account", Some(json!("")), "account"),
            ("account", Some(json!(7)), "account"),
            ("account", Some(json!("po_1")), "account"),
            ("account", Some(json!("x".repeat(256))), "account"),
        ] {
            check_parked(&changed(path, field, value), named);
        }
        for at_the_edge in [0, tomorrow] {
            let event = changed(path, "created", Some(json!(at_the_edge)));
            assert!(matches!(reading(&event), Reading::Report { .. }), "{path} at {at_the_edge}");
        }
    }
    // Far ahead of any receipt, and still a number that is understood.
    check_parked(&changed(PAYOUT, "created", Some(json!(1_u64 << 53))), "ahead");
}

#[test]
fn what_is_wrong_with_an_object_is_named() {
    let text = |text: &str| Some(json!(text));
    for (path, field, value, named) in [
        (ACCOUNT, "id", None, "id"),
        (ACCOUNT, "id", text(""), "account"),
        (ACCOUNT, "id", Some(json!(7)), "id"),
        (ACCOUNT, "id", text("acct_other"), "account"),
        (TOPUP, "id", None, "id"),
        (TOPUP, "id", text("po_1"), "payout"),
        (TOPUP, "id", text(&"x".repeat(256)), "255"),
        (PAYOUT, "id", text("acct_1"), "account"),
        (TRANSFER, "id", text("tu_1"), "topup"),
        (CAPABILITY, "id", None, "id"),
        (CAPABILITY, "account", text("acct_other"), "account"),
        (CAPABILITY, "account", Some(json!(7)), "account"),
        (CAPABILITY, "status", None, "status"),
        (CAPABILITY, "status", Some(json!(null)), "status"),
        (CAPABILITY, "status", Some(json!(true)), "status"),
        (ACCOUNT, "details_submitted", None, "details_submitted"),
        (ACCOUNT, "details_submitted", Some(json!(null)), "details_submitted"),
        (ACCOUNT, "details_submitted", text("true"), "details_submitted"),
        (ACCOUNT, "payouts_enabled", None, "payouts_enabled"),
        (ACCOUNT, "payouts_enabled", Some(json!(1)), "payouts_enabled"),
        (ACCOUNT, "capabilities", text("x"), "capabilities"),
        (ACCOUNT, "capabilities", Some(json!(["transfers"])), "capabilities"),
        (ACCOUNT, "capabilities.transfers", Some(json!(true)), "capabilities.transfers"),
        (ACCOUNT, "capabilities.transfers", Some(json!({})), "capabilities.transfers"),
        (ACCOUNT, "requirements", text("x"), "requirements"),
        (ACCOUNT, "requirements", Some(json!([])), "requirements"),
        (ACCOUNT, "requirements", Some(json!([null, 7, [], [], [], []])), "requirements"),
        (ACCOUNT, "requirements.disabled_reason", Some(json!(7)), "disabled_reason"),
        (ACCOUNT, "requirements.current_deadline", text("soon"), "current_deadline"),
        (ACCOUNT, "requirements.current_deadline", Some(json!(1.5)), "current_deadline"),
        (ACCOUNT, "requirements.currently_due", text("x"), "currently_due"),
        (ACCOUNT, "requirements.past_due", Some(json!([7])), "past_due"),
        (ACCOUNT, "requirements.eventually_due", Some(json!({})), "eventually_due"),
        (ACCOUNT, "requirements.pending_verification", Some(json!([null])), "pending_verification"),
        (TOPUP, "status", text("in_transit"), "in_transit"),
        (TOPUP, "status", None, "status"),
        (TOPUP, "status", Some(json!(null)), "status"),
        (PAYOUT, "status", text("Paid"), "not shown"),
        (PAYOUT, "status", text(""), "status"),
        (TOPUP, "amount", None, "amount"),
        (TOPUP, "amount", text("2000"), "amount"),
        (TOPUP, "amount", Some(json!(20.5)), "amount"),
        (TOPUP, "amount", Some(json!(-1)), "amount"),
        (TOPUP, "amount", Some(json!(u64::MAX)), "amount"),
        (PAYOUT, "amount", Some(json!(null)), "amount"),
        (TRANSFER, "amount", Some(json!(-1)), "amount"),
        (TRANSFER, "amount_reversed", None, "amount_reversed"),
        (TRANSFER, "amount_reversed", Some(json!(null)), "amount_reversed"),
        (TRANSFER, "amount_reversed", text("1"), "amount_reversed"),
        (TRANSFER, "amount_reversed", Some(json!(-1)), "amount_reversed"),
        (TRANSFER, "amount_reversed", Some(json!(1_000_000)), "amount_reversed"),
        (NEW_TRANSFER, "amount_reversed", text("1"), "amount_reversed"),
        (BALANCE, "available", None, "available"),
        (BALANCE, "available", Some(json!(null)), "available"),
    ] {
        check_parked(&changed(path, &format!("data.object.{field}"), value), named);
    }
    check_parked(&changed(DEAUTHORIZED, "account", None), "account");
    let mut nobody = changed(CAPABILITY, "account", None);
    set(&mut nobody, "data.object.account", None);
    check_parked(&nobody, "account");
}

#[test]
fn an_id_without_the_prefix_of_its_kind_is_fine() {
    let long = "x".repeat(255);
    for (path, id) in [(PAYOUT, "withdrawal-7"), (TOPUP, "Zoë"), (TRANSFER, &long)] {
        let event = changed(path, "data.object.id", Some(json!(id)));
        assert_eq!(key(&event).id, id, "{path}");
    }
}

#[test]
fn an_account_report_may_leave_the_account_to_its_object() {
    let without = changed(ACCOUNT, "account", None);
    assert_eq!(key(&without), key(&event(ACCOUNT)));
    let without = changed(CAPABILITY, "data.object.account", None);
    assert_eq!(key(&without), key(&event(CAPABILITY)));
}

#[test]
fn a_payout_may_take_money_back() {
    let Says::Payout(payout) = says(&changed(PAYOUT, "data.object.amount", Some(json!(-500))))
    else {
        panic!("a payout")
    };
    assert_eq!(payout.amount, -500);
}

#[test]
fn nothing_is_taken_back_of_a_new_transfer_that_does_not_say() {
    for amount in [None, Some(Value::Null)] {
        let event = changed(NEW_TRANSFER, "data.object.amount_reversed", amount);
        let Says::Transfer(transfer) = says(&event) else { panic!("a transfer") };
        assert_eq!(transfer.amount_reversed, 0);
    }
}

#[test]
fn a_field_that_is_only_shown_parks_nothing_and_is_left_out_when_odd() {
    for odd in [json!(null), json!(7.5), json!(["x"]), json!({"x": 1})] {
        let mut topup = event(TOPUP);
        let mut transfer = event(TRANSFER);
        let mut payout = event(PAYOUT);
        let mut shown = event(ACCOUNT);
        for field in [
            "currency",
            "created",
            "expected_availability_date",
            "failure_code",
            "failure_message",
            "transfer_group",
            "destination",
            "source_transaction",
            "arrival_date",
            "automatic",
            "method",
            "country",
            "default_currency",
            "type",
            "charges_enabled",
            "description",
            "metadata",
        ] {
            for event in [&mut topup, &mut transfer, &mut payout, &mut shown] {
                set(event, &format!("data.object.{field}"), Some(odd.clone()));
            }
        }
        let Says::Topup(topup) = says(&topup) else { panic!("a topup") };
        assert_eq!((topup.currency, topup.created, topup.failure_code), (None, None, None));
        let Says::Transfer(transfer) = says(&transfer) else { panic!("a transfer") };
        assert_eq!((transfer.destination, transfer.transfer_group), (None, None));
        let Says::Payout(payout) = says(&payout) else { panic!("a payout") };
        assert_eq!((payout.automatic, payout.arrival_date, payout.method), (None, None, None));
        let profile = profile(&shown);
        assert_eq!((profile.charges_enabled, profile.country), (None, None));
    }
}

#[test]
fn unknown_words_and_fields_pass() {
    let mut event = event(ACCOUNT);
    for (field, value) in [
        ("data.object.capabilities.transfers", json!("word_of_tomorrow")),
        ("data.object.capabilities.hovering", json!({"status": "unheard_of"})),
        ("data.object.requirements.disabled_reason", json!("rejected.new_word")),
        ("data.object.requirements.unheard_of", json!([1, 2])),
        ("data.object.type", json!("galactic")),
        ("unheard_of", json!({"deep": [{}]})),
        ("api_version", json!("2099-01-01.zinnia")),
    ] {
        set(&mut event, field, Some(value));
    }
    let profile = profile(&event);
    assert_eq!(profile.facts.transfers.as_deref(), Some("word_of_tomorrow"));
    assert_eq!(profile.facts.disabled_reason.as_deref(), Some("rejected.new_word"));
    assert_eq!(profile.capabilities.unwrap()["hovering"].0, r#"{"status":"unheard_of"}"#);
    assert_eq!(profile.account_type.as_deref(), Some("galactic"));
}

#[test]
fn what_an_account_does_not_have_is_not_there() {
    for nothing in [None, Some(Value::Null)] {
        let mut event = event(ACCOUNT);
        for field in ["capabilities", "requirements"] {
            set(&mut event, &format!("data.object.{field}"), nothing.clone());
        }
        let Facts { transfers, disabled_reason, current_deadline, currently_due, .. } =
            profile(&event).facts;
        assert_eq!((transfers, disabled_reason, current_deadline), (None, None, None));
        assert_eq!(currently_due, Fields::default());
    }
    for name in ["currently_due", "past_due", "eventually_due", "pending_verification"] {
        for nothing in [None, Some(Value::Null), Some(json!([]))] {
            let field = format!("data.object.requirements.{name}");
            let facts = profile(&changed(ACCOUNT, &field, nothing)).facts;
            let list = match name {
                "currently_due" => facts.currently_due,
                "past_due" => facts.past_due,
                "eventually_due" => facts.eventually_due,
                _ => facts.pending_verification,
            };
            assert_eq!(list, Fields::default(), "{name}");
        }
    }
    let requested = changed(ACCOUNT, "data.object.capabilities.transfers", Some(Value::Null));
    assert_eq!(profile(&requested).facts.transfers, None);
}

/// Checks what an account report with these `previous_attributes` leads back to.
#[track_caller]
fn check_previous(previous: Option<Value>, expected: Option<&Previous>) {
    let event = changed(ACCOUNT, "data.previous_attributes", previous);
    assert_eq!(account(&event).previous.as_ref(), expected, "{event}");
}

#[test]
fn previous_attributes_are_read_as_far_as_they_go() {
    let none = Previous::default;
    let list = |names: &[&str]| Some(Fields(names.iter().map(|&n| n.to_owned()).collect()));
    check_previous(None, None);
    check_previous(Some(Value::Null), None);
    for (previous, expected) in [
        (json!({}), none()),
        (json!({"email": "x@example.com", "metadata": null}), none()),
        (json!({"payouts_enabled": false}), Previous { payouts_enabled: Some(false), ..none() }),
        (json!({"details_submitted": true}), Previous { details_submitted: Some(true), ..none() }),
        (json!({"capabilities": {}}), none()),
        (json!({"capabilities": {"card_payments": "pending"}}), none()),
        (
            json!({"capabilities": {"transfers": "pending"}}),
            Previous { transfers: Some(Some("pending".to_owned())), ..none() },
        ),
        (
            json!({"capabilities": {"transfers": null}}),
            Previous { transfers: Some(None), ..none() },
        ),
        (json!({"capabilities": null}), Previous { transfers: Some(None), ..none() }),
        (json!({"requirements": {}}), none()),
        (json!({"requirements": {"errors": [{"code": "x"}]}}), none()),
        (
            json!({"requirements": {"currently_due": ["a", "b"], "past_due": []}}),
            Previous { currently_due: list(&["a", "b"]), past_due: list(&[]), ..none() },
        ),
        (
            json!({"requirements": {"eventually_due": null, "pending_verification": null}}),
            Previous { eventually_due: list(&[]), pending_verification: list(&[]), ..none() },
        ),
        (
            json!({"requirements": {"disabled_reason": null, "current_deadline": null}}),
            Previous { disabled_reason: Some(None), current_deadline: Some(None), ..none() },
        ),
        (
            json!({"requirements": {"disabled_reason": "listed", "current_deadline": 7}}),
            Previous {
                disabled_reason: Some(Some("listed".to_owned())),
                current_deadline: Some(Some(7)),
                ..none()
            },
        ),
        (
            json!({"requirements": null}),
            Previous {
                disabled_reason: Some(None),
                current_deadline: Some(None),
                currently_due: list(&[]),
                past_due: list(&[]),
                eventually_due: list(&[]),
                pending_verification: list(&[]),
                ..none()
            },
        ),
    ] {
        check_previous(Some(previous), Some(&expected));
    }
}

#[test]
fn previous_attributes_that_cannot_be_understood_say_nothing() {
    for previous in [
        json!("x"),
        json!(7),
        json!([]),
        json!([true, true, {}, {}]),
        json!({"payouts_enabled": "no"}),
        json!({"payouts_enabled": null}),
        json!({"details_submitted": 1}),
        json!({"capabilities": []}),
        json!({"capabilities": ["active"]}),
        json!({"capabilities": {"transfers": 7}}),
        json!({"requirements": "x"}),
        json!({"requirements": [null, null, [], [], [], []]}),
        json!({"requirements": {"disabled_reason": 7}}),
        json!({"requirements": {"current_deadline": "x"}}),
        json!({"requirements": {"currently_due": "x"}}),
        json!({"requirements": {"past_due": [7]}}),
    ] {
        check_previous(Some(previous), None);
    }
}

#[test]
fn each_report_of_the_bundled_life_follows_the_one_before() {
    let life = [
        "created",
        "onboarding_started",
        "submitted_pending",
        "complete",
        "restricted",
        "recovered",
    ];
    let life = life.map(|case| account(&event(&format!("events/account.updated/{case}.json"))));
    for (place, now) in life.iter().enumerate() {
        for (other, before) in life.iter().enumerate() {
            // The account recovers to what it was when it was complete.
            let same_as_before = place > 0 && before.profile.facts == life[place - 1].profile.facts;
            let expected = place > 0 && (other == place - 1 || same_as_before);
            assert_eq!(now.follows(&before.profile.facts), expected, "{place} after {other}");
        }
    }
}

/// Checks that bytes are no event, for a reason that names `why`.
#[track_caller]
fn check_no_event(body: impl AsRef<[u8]>, why: &str) {
    let error = read(body.as_ref(), received_at()).expect_err("no event").to_string();
    assert!(error.contains(why), "{error}, not {why}");
}

#[test]
fn bytes_that_are_no_event_are_told_from_one() {
    check_no_event(b"", "object");
    check_no_event(b"\xff{}", "UTF-8");
    check_no_event(b"{\"id\":\"\xff\"}", "UTF-8");
    check_no_event("\u{feff}{}", "object");
    check_no_event("{", "line 1, column 1");
    check_no_event("event", "object");
    check_no_event("null", "object");
    check_no_event("\"evt_1\"", "object");
    check_no_event("[]", "object");
    let listed = json!(["evt_1", "event", "payout.paid", 1, false, null, null, {}]);
    check_no_event(listed.to_string(), "object");
    let good = event(PAYOUT).to_string();
    check_no_event(format!("{good}{good}"), "not JSON");
    check_no_event(&good[..good.len() - 1], "not JSON");
    for field in ["id", "type"] {
        for value in [None, Some(json!(null)), Some(json!("")), Some(json!(7)), Some(json!(["x"]))]
        {
            check_no_event(changed(PAYOUT, field, value).to_string(), &format!("`{field}`"));
        }
    }
    for value in [None, Some(json!(null)), Some(json!("payout")), Some(json!(7))] {
        check_no_event(changed(PAYOUT, "object", value).to_string(), "`object`");
    }
    check_no_event(r#"{"id":"\ud800","type":"x","object":"event"}"#, "`id`");
}

#[test]
fn an_event_is_read_with_white_space_around_it_and_with_escapes() {
    let good = event(PAYOUT).to_string();
    let expected = read(good.as_bytes(), received_at());
    assert_eq!(read(format!(" \r\n\t{good}\n").as_bytes(), received_at()), expected);
    let escaped = good.replace("payout.paid", r"payout\u002epaid");
    assert_eq!(read(escaped.as_bytes(), received_at()), expected);
}

#[test]
fn what_is_not_tracked_is_ignored_whatever_it_holds() {
    for event_type in [
        "payout.novelty",
        "transfer.paid",
        "transfer.failed",
        "account.created",
        "Payout.paid",
        "payout.paid ",
        "topup",
        "balance.updated",
        "person.updated",
    ] {
        let mut event = changed(PAYOUT, "type", Some(json!(event_type)));
        assert_eq!(reading(&event), Reading::Ignored, "{event_type}");
        for field in ["data", "created", "livemode"] {
            set(&mut event, field, Some(json!("x")));
        }
        assert_eq!(reading(&event), Reading::Ignored, "{event_type}");
    }
    let thin = changed(PAYOUT, "object", Some(json!("v2.core.event")));
    assert_eq!(reading(&thin), Reading::Ignored, "a thin event has no object to read");
}

#[test]
fn a_fetched_object_is_read_as_an_event_is() {
    for (path, kind) in [
        (ACCOUNT, "account"),
        (TOPUP, "topup"),
        (TRANSFER, "transfer"),
        (PAYOUT, "payout"),
        (BALANCE, "balance"),
    ] {
        let observed = changed(path, "type", Some(json!(format!("{kind}.observed"))));
        assert_eq!(reading(&observed), reading(&event(path)), "{path}");
    }
}

#[test]
fn raw_json_loses_the_white_space_between_its_tokens_and_nothing_else() {
    for (text, expected) in [
        ("  { \"a\" : [ 1 ,\n\t2 ] }\r\n", r#"{"a":[1,2]}"#),
        (r#" "two  words" "#, r#""two  words""#),
        (r#"{ "a b" : "c  d" , "e" : " " }"#, r#"{"a b":"c  d","e":" "}"#),
        (r#"[ "a \" b" , "c" ]"#, r#"["a \" b","c"]"#),
        (r#"[ "ends with \\" , "c d" ]"#, r#"["ends with \\","c d"]"#),
        (r#"[ "\\\" x" , 1 ]"#, r#"["\\\" x",1]"#),
        (r#"[ "\u0020 Zoë 東京" , 1e5 , -0.10 ]"#, r#"["\u0020 Zoë 東京",1e5,-0.10]"#),
    ] {
        assert_eq!(compact(serde_json::from_str(text).unwrap()).0, expected);
    }
}

#[test]
fn nesting_without_end_overflows_nothing_and_parks_no_other_field() {
    const DEEP: usize = 200_000;
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!("{}1{}", open.repeat(DEEP), close.repeat(DEEP));
        let put = |path: &str, field: &str| {
            changed(path, field, Some(json!("DEEP"))).to_string().replace("\"DEEP\"", &deep)
        };
        for path in ALL {
            for field in ["unheard_of", "request", "api_version", "data.object.metadata"] {
                let read = read(put(path, field).as_bytes(), received_at()).unwrap();
                assert!(matches!(read.reading, Reading::Report { .. }), "{path} {field}");
            }
        }
        let shown = [
            (TOPUP, "currency"),
            (TRANSFER, "destination"),
            (PAYOUT, "automatic"),
            (ACCOUNT, "country"),
            (ACCOUNT, "controller"),
            (ACCOUNT, "requirements.errors"),
            (ACCOUNT, "capabilities.hovering"),
            (BALANCE, "pending"),
        ];
        for (path, field) in shown {
            let body = put(path, &format!("data.object.{field}"));
            let read = read(body.as_bytes(), received_at()).unwrap();
            assert!(matches!(read.reading, Reading::Report { .. }), "{path} {field}");
        }
        for field in ["data", "data.object", "data.object.status", "created", "livemode"] {
            let read = read(put(PAYOUT, field).as_bytes(), received_at()).unwrap();
            assert!(matches!(read.reading, Reading::Parked { .. }), "{field}");
        }
        check_no_event(put(PAYOUT, "id"), "`id`");
        check_no_event(&deep, if open == "[" { "object" } else { "`id`" });
        let body = put(PAYOUT, "request");
        assert!(same_content(body.as_bytes(), body.as_bytes()));
    }
}

#[test]
fn the_same_content_is_known_by_its_values() {
    for (a, b, expected) in [
        (r#"{"id":"e","a":1}"#, r#"{"id":"e","a":1}"#, true),
        (r#"{"id":"e","a":1}"#, r#"{ "a" : 1, "id" : "e" }"#, true),
        (r#"{"id":"e","pending_webhooks":1}"#, r#"{"id":"e","pending_webhooks":2}"#, true),
        (r#"{"id":"e","pending_webhooks":1}"#, r#"{"id":"e"}"#, true),
        (r#"{"a":"\u0041"}"#, r#"{"a":"A"}"#, true),
        (r#"{"a":{"b":1,"c":[2,3]}}"#, r#"{"a":{"c":[2,3],"b":1}}"#, true),
        (r#"{"id":"e","a":1}"#, r#"{"id":"e","a":2}"#, false),
        (r#"{"id":"e","a":1}"#, r#"{"id":"e","a":"1"}"#, false),
        (r#"{"id":"e","a":null}"#, r#"{"id":"e"}"#, false),
        (r#"{"a":[1,2]}"#, r#"{"a":[2,1]}"#, false),
        (r#"{"a":{"pending_webhooks":1}}"#, r#"{"a":{"pending_webhooks":2}}"#, false),
        ("not json", "not json", true),
        ("not json", "nor this", false),
        ("not json", "{}", false),
        ("[1]", "[ 1 ]", false),
    ] {
        assert_eq!(same_content(a.as_bytes(), b.as_bytes()), expected, "{a} and {b}");
        assert_eq!(same_content(b.as_bytes(), a.as_bytes()), expected, "{b} and {a}");
    }
}

#[test]
fn every_fixture_has_its_own_content() {
    let fixtures = fixture_events();
    for (place, (path, body)) in fixtures.iter().enumerate() {
        let value: Value = serde_json::from_slice(body).unwrap();
        assert!(same_content(body, value.to_string().as_bytes()), "{path}");
        if let Some((next, other)) = fixtures.get(place + 1) {
            assert!(!same_content(body, other), "{path} and {next}");
        }
    }
}

/// Any JSON, of words and names that an event is made of.
fn any_json() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "id",
        "object",
        "account",
        "status",
        "amount",
        "amount_reversed",
        "capabilities",
        "transfers",
        "requirements",
        "currently_due",
        "disabled_reason",
        "current_deadline",
        "details_submitted",
        "payouts_enabled",
        "livemode",
        "available",
        "topup",
        "payout",
        "balance",
        "capability",
        "application",
        "paid",
        "active",
        "acct_1",
        "po_1",
        "\u{0}",
        "",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((word.clone(), inner), 0..10).prop_map(|fields| {
                fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
            }),
        ]
    })
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in any::<Vec<u8>>(), other in any::<Vec<u8>>()) {
        let _ = read(&bytes, received_at());
        let _ = same_content(&bytes, &other);
    }

    #[test]
    fn no_damage_to_an_event_makes_it_panic(
        path in prop::sample::select(ALL.to_vec()),
        at in any::<prop::sample::Index>(),
        length in 0_usize..40,
        bytes in prop::collection::vec(any::<u8>(), 0..4),
    ) {
        let mut body = fixture(path).unwrap().to_vec();
        let start = at.index(body.len());
        body.splice(start..(start + length).min(body.len()), bytes);
        let _ = read(&body, received_at());
    }

    #[test]
    fn no_object_of_a_tracked_type_makes_it_panic(
        path in prop::sample::select(ALL.to_vec()),
        object in any_json(),
        previous in any_json(),
    ) {
        let mut event = event(path);
        let word = event["data"]["object"]["object"].clone();
        event["data"] = json!({ "object": object, "previous_attributes": previous });
        prop_assert!(reading(&event) != Reading::Ignored);
        if event["data"]["object"].is_object() {
            event["data"]["object"]["object"] = word;
            prop_assert!(reading(&event) != Reading::Ignored);
        }
    }

    #[test]
    fn no_field_of_an_object_makes_it_panic(
        path in prop::sample::select(ALL.to_vec()),
        which in any::<prop::sample::Index>(),
        value in any_json(),
    ) {
        let mut event = event(path);
        let object = event["data"]["object"].as_object_mut().unwrap();
        let name = object.keys().nth(which.index(object.len())).unwrap().clone();
        object[&name] = value;
        prop_assert!(reading(&event) != Reading::Ignored);
    }

    #[test]
    fn compact_json_means_the_same(value in any_json()) {
        let spaced = serde_json::to_string_pretty(&value).unwrap();
        let raw: &RawValue = serde_json::from_str(&spaced).unwrap();
        prop_assert_eq!(compact(raw).0, value.to_string());
    }
}

mod evidence {
    use super::*;
    use crate::domain::operation::{Evidence, Made};

    fn of(event: &Value) -> Vec<(String, Made, String)> {
        let event = read(event.to_string().as_bytes(), received_at()).unwrap();
        let told = |it: Evidence| (it.operation, it.made, it.object_id);
        event.evidence.into_iter().map(told).collect()
    }

    fn event(event_type: &str, object: &Value) -> Value {
        json!({
            "id": "evt_1", "object": "event", "type": event_type, "created": 1_790_000_000,
            "livemode": false, "data": { "object": object },
        })
    }

    #[test]
    fn an_object_of_ours_names_the_operation_that_made_it() {
        let ours = json!({ "bursar_operation": "op_1", "order": "7" });
        for (event_type, kind, made) in [
            ("account.updated", "account", Made::Account),
            ("topup.succeeded", "topup", Made::Topup),
            ("transfer.created", "transfer", Made::Transfer),
            ("transfer.observed", "transfer", Made::Transfer),
        ] {
            let object = json!({ "id": "x_1", "object": kind, "metadata": ours });
            let told = vec![("op_1".to_owned(), made, "x_1".to_owned())];
            assert_eq!(of(&event(event_type, &object)), told, "{event_type}");
        }
    }

    #[test]
    fn a_transfer_tells_of_its_reversals_too() {
        let reversal = |id: &str, operation: &str| json!({ "id": id, "metadata": { "bursar_operation": operation } });
        let object = json!({
            "id": "tr_1", "object": "transfer", "metadata": {},
            "reversals": { "data": [reversal("trr_1", "op_2"), { "id": "trr_2" }, reversal("trr_3", "op_3")] },
        });
        let told: Vec<String> = of(&event("transfer.reversed", &object))
            .into_iter()
            .map(|(operation, made, id)| format!("{operation} {made:?} {id}"))
            .collect();
        assert_eq!(told, ["op_2 Reversal trr_1", "op_3 Reversal trr_3"]);
    }

    #[test]
    fn what_is_not_ours_or_cannot_be_read_is_no_evidence() {
        for metadata in [
            json!(null),
            json!({}),
            json!([]),
            json!({ "bursar_operation": 5 }),
            json!({ "bursar_operation": "" }),
            json!({ "order": "7" }),
        ] {
            let object = json!({ "id": "tr_1", "object": "transfer", "metadata": metadata });
            assert_eq!(of(&event("transfer.created", &object)), [], "{metadata}");
        }
        let object = json!({
            "id": "tr_1", "object": "transfer", "metadata": { "bursar_operation": "op_1" },
        });
        let mut of_account = event("transfer.created", &object);
        of_account["account"] = json!("acct_1");
        assert_eq!(of(&of_account), [], "a connected account's own");
        assert_eq!(of(&event("payout.created", &object)), [], "payouts are nobody's operation");
    }
}
