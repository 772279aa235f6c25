//! Money: whose turn it is, and what is left.

use bursar::domain::operation::{Happening, OperationState, Settled};
use bursar::pipeline::operations::RequestError;
use bursar::store::OperationName;
use bursar::stripe::client::Method;
use serde_json::{Value, json};

use super::{Counter, Switch, codes};
use crate::support::directed::{
    HOUR, ahead, answer, directed, funds, lost, made, page, terms, transfer, wait,
};
use crate::support::events::{account, restricted, topup};
use crate::support::{events, with};

const TRANSFERS: &str = "/v1/transfers";
const BALANCE: &str = "/v1/balance";

fn has(available: &[(&str, i64)]) -> Value {
    json!({ "object": "balance", "available": funds(available), "pending": [], "livemode": false })
}

#[test]
fn a_call_that_hangs_holds_up_transfers_of_its_own_currency_only() {
    let answered = Switch::default();
    let is_answered = answered.clone();
    directed(
        move |call| match (call.method, call.params.get("currency")) {
            (Method::Post, Some("eur")) if !is_answered.is_on() => None,
            (Method::Post, _) => answer(&made(call, "tr_1")),
            (Method::Get, _) => lost(),
        },
        async |bench| {
            bench.ready(&[("eur", 5_000), ("usd", 5_000)]).await;
            bench.run();
            let ask = async |currency: &str, key: &str| {
                let wanted = transfer(terms(500, currency, true));
                bench.request(&wanted, key).await.unwrap().id
            };
            let first = ask("eur", "first").await;
            assert!(wait(async || bench.stripe.posts(TRANSFERS).len() == 1).await);
            let second = ask("eur", "second").await;
            let other = ask("usd", "other").await;
            bench.until(&other, OperationState::Succeeded).await;
            assert_eq!(bench.of(&first).await.state, OperationState::Sent);
            assert_eq!(bench.of(&second).await.state, OperationState::WaitingForFunds);
            answered.on();
            bench.stripe.look_again();
            for id in [&first, &second] {
                bench.until(id, OperationState::Succeeded).await;
            }
        },
    );
}

#[test]
fn of_two_transfers_at_once_that_the_balance_covers_singly_one_is_sent() {
    directed(
        |call| match call.method {
            Method::Post => answer(&made(call, "tr_1")),
            Method::Get => answer(&has(&[("usd", 1_000)])),
        },
        async |bench| {
            bench.ready(&[("usd", 1_000)]).await;
            let wanted = [800, 700, 600].map(|amount| transfer(terms(amount, "usd", false)));
            let asked = wanted.iter().zip(["a", "b", "c"]);
            let asked = asked.map(|(wanted, key)| bench.request(wanted, key));
            let told = futures_util::future::join_all(asked).await;
            let sent = told.iter().filter(|told| told.is_ok()).count();
            assert_eq!((sent, bench.stripe.posts(TRANSFERS).len()), (1, 1), "{told:?}");
            for error in told.into_iter().filter_map(Result::err) {
                let RequestError::TurnedDown(reasons) = error else { panic!("{error:?}") };
                assert_eq!(codes(&reasons), ["balance_insufficient"]);
            }
        },
    );
}

/// What was against it passes between the two answers.
#[test]
fn a_key_that_is_sent_twice_at_once_brings_one_answer_also_when_that_is_no() {
    let asked_for = Switch::default();
    let (is_there, seen) = (Switch::default(), asked_for.clone());
    let there = is_there.clone();
    directed(
        move |call| match (call.method, call.path.as_str()) {
            (Method::Get, BALANCE) => {
                seen.on();
                there.is_on().then(|| answer(&has(&[("usd", 1_000)]))).flatten()
            }
            (Method::Get, _) => page(&[], false),
            (Method::Post, _) => answer(&made(call, "tr_1")),
        },
        async |bench| {
            bench.deliver(&restricted("acct_1")).await;
            let wanted = transfer(terms(500, "usd", false));
            let other = transfer(terms(400, "usd", false));
            let meanwhile = async {
                assert!(wait(async || asked_for.is_on()).await);
                bench.deliver(&account("acct_1")).await;
                is_there.on();
                bench.stripe.look_again();
            };
            let (first, second, different, ()) = tokio::join!(
                bench.request(&wanted, "key"),
                bench.request(&wanted, "key"),
                bench.request(&other, "key"),
                meanwhile
            );
            for told in [first, second] {
                let Err(RequestError::TurnedDown(reasons)) = told else { panic!("{told:?}") };
                assert_eq!(codes(&reasons), ["account_not_payable"]);
            }
            assert!(different.is_ok(), "what is refused takes no key: {different:?}");
            // Asked later, it is looked at anew.
            let later = bench.request(&wanted, "key").await;
            assert!(matches!(later, Err(RequestError::KeyReused(_))), "{later:?}");
            assert!(bench.request(&wanted, "new").await.is_ok());
        },
    );
}

#[test]
fn a_transfer_made_past_bursar_is_a_possible_duplicate() {
    directed(
        |call| answer(&made(call, "tr_new")),
        async |bench| {
            bench.ready(&[("usd", 5_000)]).await;
            for (id, amount_reversed, group) in
                [("tr_old", 0, "week_40"), ("tr_back", 1_000, "week_41"), ("tr_bare", 0, "")]
            {
                let event = events::transfer(id, "created", amount_reversed);
                let event = with(event, "data.object.destination", json!("acct_1"));
                let group = if group.is_empty() { Value::Null } else { json!(group) };
                bench.deliver(&with(event, "data.object.transfer_group", group)).await;
            }
            for (amount, currency, group, expected) in [
                (1_000, "usd", Some("week_40"), Some("tr_old")),
                (999, "usd", Some("week_40"), None),
                (1_000, "usd", Some("week_41"), None),
                (1_000, "usd", Some("week_42"), None),
                (1_000, "usd", None, Some("tr_bare")),
            ] {
                let mut terms = terms(amount, currency, false);
                terms.transfer_group = group.map(str::to_owned);
                let key = format!("{amount}{currency}{group:?}");
                let told = bench.request(&transfer(terms), &key).await.unwrap();
                let named = |id: &str| {
                    let [warning] = &told.warnings[..] else { return false };
                    warning.code == "possible_duplicate" && warning.detail.contains(id)
                };
                match expected {
                    Some(id) => assert!(named(id), "{key}: {:?}", told.warnings),
                    None => assert_eq!(told.warnings, [], "{key}"),
                }
            }
        },
    );
}

/// By which ways what was sent without an answer is settled, and what that leaves to spend.
#[test]
fn what_may_have_gone_is_kept_back_until_it_is_known() {
    let (by_person, by_lookup, by_event) = (0, 1, 2);
    for (way, goes) in [(by_person, true), (by_lookup, true), (by_event, false)] {
        let ends = Switch::default();
        let has_end = ends.clone();
        let pages = Counter::default();
        directed(
            move |call| match (call.method, call.path.as_str()) {
                (Method::Post, _) if call.params.get("amount") == Some("800") => lost(),
                (Method::Post, _) => answer(&made(call, "tr_2")),
                (Method::Get, BALANCE) => lost(),
                (Method::Get, _) => {
                    let other = json!({ "id": format!("tr_x{}", pages.next()), "metadata": {} });
                    page(&[other], !has_end.is_on())
                }
            },
            async |bench| {
                bench.ready(&[("usd", 1_000)]).await;
                let first = transfer(terms(800, "usd", false));
                let first = bench.request(&first, "first").await.unwrap();
                assert_eq!(first.state, OperationState::Unknown);
                let second = transfer(terms(300, "usd", false));
                let told = bench.request(&second, "second").await;
                assert!(matches!(told, Err(RequestError::TurnedDown(_))), "{told:?}");
                if way == by_person {
                    let decided = Happening::Decided {
                        happened: false,
                        object_id: None,
                        by: "olga".to_owned(),
                        reason: "seen".to_owned(),
                    };
                    bench.operations.resolve(false, &first.id, decided).await.unwrap();
                } else if way == by_lookup {
                    ends.on();
                    ahead(24 * HOUR);
                    bench.until(&first.id, OperationState::Refused).await;
                } else {
                    let event = events::transfer("tr_1", "created", 0);
                    let metadata = json!({ "bursar_operation": first.id });
                    bench.deliver(&with(event, "data.object.metadata", metadata)).await;
                    bench.until(&first.id, OperationState::Succeeded).await;
                }
                let told = bench.request(&second, "second").await;
                assert_eq!(told.is_ok(), goes, "{way}: {told:?}");
                if way == by_event {
                    // It went; what is left is what is reported since.
                    bench.balance(&[("usd", 300)]).await;
                    assert!(bench.request(&second, "second").await.is_ok());
                }
            },
        );
    }
}

/// The one that succeeds last need not be the one that was made last.
#[test]
fn each_top_up_that_succeeds_is_a_reason_to_ask_for_the_balance() {
    let there = Switch::default();
    let is_there = there.clone();
    directed(
        move |call| match (call.method, call.path.as_str()) {
            (Method::Get, BALANCE) => {
                answer(&has(&[("usd", if is_there.is_on() { 500 } else { 0 })]))
            }
            (Method::Get, _) => page(&[], false),
            (Method::Post, _) => answer(&made(call, "tr_1")),
        },
        async |bench| {
            bench.ready(&[("usd", 0)]).await;
            bench.deliver(&topup("tu_slow", "created", "pending")).await;
            for number in 0..25 {
                bench.deliver(&topup(&format!("tu_{number}"), "succeeded", "succeeded")).await;
            }
            bench.run();
            let wanted = transfer(terms(500, "usd", true));
            let id = bench.request(&wanted, "key").await.unwrap().id;
            assert!(wait(async || bench.stripe.gets(BALANCE).len() == 1).await);
            // Other news is none.
            bench.deliver(&account("acct_2")).await;
            there.on();
            bench.deliver(&topup("tu_slow", "succeeded", "succeeded")).await;
            bench.until(&id, OperationState::Succeeded).await;
            assert_eq!(bench.stripe.gets(BALANCE).len(), 2, "asked once for each");
        },
    );
}

#[test]
fn a_balance_that_could_not_be_had_is_asked_for_again() {
    let times = Counter::default();
    directed(
        move |call| match (call.method, call.path.as_str()) {
            (Method::Get, BALANCE) if times.next() < 3 => lost(),
            (Method::Get, BALANCE) => answer(&has(&[("usd", 500)])),
            (Method::Get, _) => page(&[], false),
            (Method::Post, _) => answer(&made(call, "tr_1")),
        },
        async |bench| {
            bench.ready(&[("usd", 0)]).await;
            bench.run();
            let wanted = transfer(terms(500, "usd", true));
            let id = bench.request(&wanted, "key").await.unwrap().id;
            bench.until(&id, OperationState::Succeeded).await;
        },
    );
}

/// Of a person who refuses what waits, and its call, one is first.
#[test]
fn a_person_who_refuses_a_transfer_whose_call_is_under_way_is_told_so() {
    let answered = Switch::default();
    let is_answered = answered.clone();
    directed(
        move |call| match call.method {
            Method::Post if is_answered.is_on() => answer(&made(call, "tr_1")),
            Method::Post => None,
            Method::Get => lost(),
        },
        async |bench| {
            bench.ready(&[("usd", 1_000)]).await;
            bench.run();
            let refuse = |id: String| {
                let decided = Happening::Decided {
                    happened: false,
                    object_id: None,
                    by: "olga".to_owned(),
                    reason: "not wanted any more".to_owned(),
                };
                let operations = bench.operations.clone();
                async move { operations.resolve(false, &id, decided).await }
            };
            let first = transfer(terms(600, "usd", true));
            let first = bench.request(&first, "first").await.unwrap().id;
            let second = transfer(terms(600, "usd", true));
            let second = bench.request(&second, "second").await.unwrap().id;
            assert!(wait(async || bench.stripe.posts(TRANSFERS).len() == 1).await);
            let refused = refuse(second.clone()).await.unwrap();
            assert_eq!(refused.state, OperationState::Refused);
            assert!(matches!(refused.settled, Some(Settled::Operator { .. })));
            let answer = async {
                answered.on();
                bench.stripe.look_again();
            };
            let (late, ()) = tokio::join!(refuse(first.clone()), answer);
            assert!(matches!(late, Err(RequestError::NotUnknown { .. })), "{late:?}");
            bench.until(&first, OperationState::Succeeded).await;
            assert_eq!(bench.stripe.posts(TRANSFERS).len(), 1);
        },
    );
}

/// It is recorded, and nobody goes on with it yet.
#[test]
fn what_was_asked_for_is_done_also_when_who_asked_goes_away_as_it_is_recorded() {
    directed(
        |call| answer(&made(call, "tr_1")),
        async |bench| {
            bench.ready(&[("usd", 1_000)]).await;
            bench.gate.tell(false);
            let wanted = transfer(terms(500, "usd", false));
            let held = async || {
                let name = OperationName::Key("key".to_owned());
                bench.store.operation_named(false, name).await.unwrap()
            };
            tokio::select! {
                told = bench.request(&wanted, "key") => panic!("{told:?}"),
                recorded = wait(async || held().await.is_some()) => assert!(recorded),
            }
            assert!(bench.stripe.posts(TRANSFERS).is_empty());
            bench.gate.tell(true);
            let id = held().await.unwrap().id;
            bench.until(&id, OperationState::Succeeded).await;
            assert_eq!(bench.stripe.posts(TRANSFERS).len(), 1);
        },
    );
}
