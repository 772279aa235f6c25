//! What Stripe is asked when it is too late to send something again, and what is made of the
//! answers.

use bursar::domain::operation::{Happening, Operation, OperationState, Settled, TransferTerms};
use bursar::stripe::client::{CallError, Method};
use serde_json::json;

use super::{Counter, Switch, begun, codes, is_over};
use crate::support::directed::{
    HOUR, ahead, answer, directed, lost, made, page, refused, terms, transfer, wait,
};
use crate::support::events;

const TRANSFERS: &str = "/v1/transfers";
const BALANCE: &str = "/v1/balance";

fn found(operation: &str) -> serde_json::Value {
    json!({ "id": "tr_found", "object": "transfer", "metadata": { "bursar_operation": operation } })
}

fn other(number: i64) -> serde_json::Value {
    json!({ "id": format!("tr_{number}"), "object": "transfer", "metadata": {} })
}

/// As a process leaves it that does not outlive its call.
fn sent(seconds_ago: i64) -> Operation {
    let wanted = begun(&transfer(terms(500, "usd", false)), "key", seconds_ago);
    wanted.after(Happening::Sent, wanted.requested_at).unwrap()
}

#[test]
fn while_a_call_is_made_again_only_the_newest_objects_are_looked_at() {
    let old = sent(5);
    let id = old.id.clone();
    let pages = Counter::default();
    directed(
        move |call| match call.method {
            Method::Post => lost(),
            Method::Get if pages.next() > 3 => page(&[found(&id)], true),
            Method::Get => page(&[other(1)], true),
        },
        async |bench| {
            bench.left_over(&old).await;
            bench.run();
            let settled = bench.until(&old.id, OperationState::Succeeded).await;
            assert_eq!(settled.settled, Some(Settled::Lookup));
            let looked = bench.stripe.gets(TRANSFERS);
            assert_eq!(looked.len(), 4, "{looked:?}");
            assert!(looked.iter().all(|call| call.params.get("starting_after").is_none()));
            let keys = bench.stripe.posts(TRANSFERS).into_iter().map(|call| call.idempotency_key);
            let keys: std::collections::BTreeSet<_> = keys.collect();
            assert_eq!(keys.len(), 1, "{keys:?}");
        },
    );
}

/// Stripe's clock can be any: that of a sandbox is set.
#[test]
fn what_was_sent_long_ago_is_looked_for_page_by_page_whenever_it_was_made() {
    let old = sent(23 * HOUR);
    let id = old.id.clone();
    let pages = Counter::default();
    directed(
        move |call| match call.method {
            Method::Post => panic!("too late to send"),
            Method::Get => match pages.next() {
                3 => page(&[other(3), found(&id)], true),
                number => page(&[other(number)], true),
            },
        },
        async |bench| {
            bench.left_over(&old).await;
            bench.run();
            let settled = bench.until(&old.id, OperationState::Succeeded).await;
            assert_eq!(settled.object_id.as_deref(), Some("tr_found"));
            let looked = bench.stripe.gets(TRANSFERS);
            let after: Vec<_> =
                looked.iter().map(|call| call.params.get("starting_after")).collect();
            assert_eq!(after, [None, Some("tr_1"), Some("tr_2")]);
            for call in &looked {
                let names: Vec<&str> = call.params.pairs().map(|(name, _)| name).collect();
                assert!(names.iter().all(|name| !name.starts_with("created")), "{names:?}");
                assert_eq!(call.params.get("destination"), Some("acct_1"));
            }
        },
    );
}

#[test]
fn a_list_that_ends_without_it_says_that_it_was_not_done() {
    let old = sent(23 * HOUR);
    directed(
        |call| match call.method {
            Method::Post => panic!("too late to send"),
            Method::Get => page(&[other(1)], false),
        },
        async |bench| {
            bench.left_over(&old).await;
            bench.run();
            let refused = bench.until(&old.id, OperationState::Refused).await;
            assert_eq!(refused.settled, Some(Settled::Lookup));
            assert_eq!(refused.error.unwrap().code.as_deref(), Some("not_done"));
        },
    );
}

/// Neither sent nor called not done, in each state that an earlier run can leave behind.
#[test]
fn what_is_in_none_of_the_many_pages_that_are_read_is_unknown_and_read_once() {
    for wanted in [
        sent(24 * HOUR),
        begun(&transfer(terms(500, "usd", false)), "key", 24 * HOUR),
        begun(&transfer(terms(500, "usd", true)), "key", 24 * HOUR),
    ] {
        let pages = Counter::default();
        directed(
            move |call| match (call.method, call.path.as_str()) {
                (Method::Post, _) => panic!("too late to send"),
                (Method::Get, BALANCE) => answer(&json!({ "object": "balance", "available": [] })),
                (Method::Get, _) => page(&[other(pages.next())], true),
            },
            async |bench| {
                bench.ready(&[("usd", 5_000)]).await;
                bench.left_over(&wanted).await;
                bench.run();
                bench.until(&wanted.id, OperationState::Unknown).await;
                let pages = || bench.stripe.gets(TRANSFERS).len();
                assert!(wait(async || pages() == 100).await, "{}", pages());
                // What comes in afterwards is no reason to read it all again.
                for amount in [6_000, 7_000, 8_000] {
                    bench.balance(&[("usd", amount)]).await;
                }
                let topup = terms(1, "usd", true);
                let topup = TransferTerms { topup: Some("tu_1".to_owned()), ..topup };
                let last = bench.request(&transfer(topup), "last").await.unwrap().id;
                bench.deliver(&events::topup("tu_1", "failed", "failed")).await;
                bench.until(&last, OperationState::Refused).await;
                assert_eq!(pages(), 100);
                assert_eq!(bench.of(&wanted.id).await.state, OperationState::Unknown);
            },
        );
    }
}

#[test]
fn a_refusal_in_doubt_is_believed_only_when_stripe_has_nothing() {
    let (nothing, there, no_end, no_list) = (0, 1, 2, 3);
    for case in [nothing, there, no_end, no_list] {
        let old = sent(5);
        let id = old.id.clone();
        let pages = Counter::default();
        directed(
            move |call| match call.method {
                Method::Post => refused(400, "parameter_invalid"),
                Method::Get if case == nothing => page(&[], false),
                Method::Get if case == there => page(&[found(&id)], false),
                Method::Get if case == no_end => page(&[other(pages.next())], true),
                Method::Get => lost(),
            },
            async |bench| {
                bench.left_over(&old).await;
                bench.run();
                if case == nothing {
                    let settled = bench.until(&old.id, OperationState::Refused).await;
                    let code = settled.error.unwrap().code;
                    assert_eq!(code.as_deref(), Some("parameter_invalid"));
                } else if case == there {
                    let settled = bench.until(&old.id, OperationState::Succeeded).await;
                    assert_eq!(settled.object_id.as_deref(), Some("tr_found"));
                } else {
                    let looked = wait(async || bench.stripe.posts(TRANSFERS).len() > 2);
                    assert!(looked.await, "it is asked for again");
                    let held = bench.of(&old.id).await;
                    assert_eq!(held.state, OperationState::Unknown, "{case}: {held:?}");
                }
            },
        );
    }
}

/// Something between us and Stripe can answer anything.
#[test]
fn an_answer_that_names_nothing_made_is_no_success() {
    let known = Switch::default();
    let is_known = known.clone();
    directed(
        move |call| match call.method {
            Method::Post if is_known.is_on() => answer(&made(call, "tr_1")),
            Method::Post => answer(&json!({ "object": "transfer" })),
            Method::Get => page(&[], false),
        },
        async |bench| {
            bench.ready(&[("usd", 5_000)]).await;
            let told = bench.request(&transfer(terms(500, "usd", false)), "key").await.unwrap();
            assert_eq!(told.state, OperationState::Unknown, "{told:?}");
            known.on();
            let settled = bench.until(&told.id, OperationState::Succeeded).await;
            assert_eq!(settled.object_id.as_deref(), Some("tr_1"));
        },
    );
}

/// All the calls that are made at a time hang, for a day.
#[test]
fn what_waited_for_a_free_call_until_it_was_too_late_is_not_sent() {
    let answered = Switch::default();
    let is_answered = answered.clone();
    directed(
        move |call| match call.method {
            Method::Post if is_answered.is_on() => answer(&made(call, "tr_1")),
            Method::Post => None,
            Method::Get => page(&[], false),
        },
        async |bench| {
            let all: Vec<Operation> = (0..17)
                .map(|number| {
                    let wanted = transfer(terms(500 + number, "usd", false));
                    begun(&wanted, &format!("key-{number}"), 5)
                })
                .collect();
            for wanted in &all {
                bench.left_over(wanted).await;
            }
            bench.run();
            assert!(wait(async || bench.stripe.posts(TRANSFERS).len() == 16).await);
            ahead(24 * HOUR);
            answered.on();
            bench.stripe.look_again();
            let last = bench.until(&all[16].id, OperationState::Refused).await;
            assert_eq!(codes(&last.reasons), ["stripe_unreachable"]);
            assert_eq!(bench.stripe.posts(TRANSFERS).len(), 16);
            assert_eq!(bench.stripe.gets(TRANSFERS).len(), 1, "Stripe was asked first");
        },
    );
}

/// Time passes while it is written down that it is sent.
#[test]
fn what_was_recorded_until_it_was_too_late_is_not_sent_and_not_thought_to_be() {
    directed(
        |call| match call.method {
            Method::Post => panic!("too late to send"),
            Method::Get => page(&[], false),
        },
        async |bench| {
            let wanted = begun(&transfer(terms(500, "usd", false)), "key", 5);
            bench.left_over(&wanted).await;
            bench.gate.close();
            bench.run();
            let came = wait(async || bench.gate.came() == 2);
            assert!(came.await);
            ahead(24 * HOUR);
            bench.gate.open();
            let settled = bench.until(&wanted.id, OperationState::Refused).await;
            assert_eq!(codes(&settled.reasons), ["stripe_unreachable"], "{settled:?}");
        },
    );
}

#[test]
fn a_store_that_cannot_ask_stripe_sends_nothing_old() {
    let can = Switch::default();
    let may = can.clone();
    directed(
        move |call| match (call.method, call.path.as_str()) {
            (Method::Get, TRANSFERS) if may.is_on() => page(&[other(1)], false),
            (Method::Get, _) => lost(),
            (Method::Post, _) if may.is_on() => answer(&made(call, "tr_new")),
            (Method::Post, _) => Some(Err(CallError::NotDone {
                reason: "sent blindly".to_owned(),
                retry: false,
                request_id: None,
            })),
        },
        async |bench| {
            bench.ready(&[("usd", 5_000)]).await;
            let waits = begun(&transfer(terms(500, "usd", true)), "waits", 24 * HOUR);
            bench.left_over(&waits).await;
            bench.run();
            assert!(wait(async || bench.stripe.gets(TRANSFERS).len() > 2).await, "asked again");
            assert!(!is_over(&bench.of(&waits.id).await));
            can.on();
            // Nobody brings news: it is asked again by itself.
            bench.until(&waits.id, OperationState::Succeeded).await;
            assert_eq!(bench.stripe.posts(TRANSFERS).len(), 1);
        },
    );
}
