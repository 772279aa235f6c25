//! Links, which have no second half: what is told when one does not come.

use actix_web::ResponseError;
use bursar::domain::operation::OperationState;
use bursar::http::error::ApiError;
use bursar::pipeline::operations::RequestError;
use bursar::stripe::client::{CallError, StripeError};
use serde_json::json;

use super::{Switch, begun};
use crate::support::directed::{HOUR, ahead, answer, asked, directed, link, lost, wait};

const AT_STRIPE: &str = "/v1/account_links";

fn a_link() -> serde_json::Value {
    json!({ "object": "account_link", "url": "https://connect.example/1", "expires_at": 1 })
}

#[test]
fn a_link_whose_key_stripe_may_have_forgotten_is_not_asked_for_again() {
    directed(
        |_| answer(&a_link()),
        async |bench| {
            for _ in 0..2 {
                assert!(bench.operations.link(link(), asked("key")).await.is_ok());
            }
            assert_eq!(bench.stripe.posts(AT_STRIPE).len(), 2, "the same key brings it again");
            ahead(23 * HOUR);
            let error = bench.operations.link(link(), asked("key")).await.err().unwrap();
            assert!(matches!(error, RequestError::LinkOver(_)), "{error:?}");
            assert_eq!(bench.stripe.posts(AT_STRIPE).len(), 2);
            let error = ApiError::from(error);
            assert_eq!(error.status_code().as_u16(), 409, "asking again does not help: {error}");
            assert!(bench.operations.link(link(), asked("another")).await.is_ok());
        },
    );
}

/// Time passes while what is about to be sent is written down.
#[test]
fn a_link_that_was_recorded_too_slowly_is_not_asked_for() {
    directed(
        |_| answer(&a_link()),
        async |bench| {
            let wanted = begun(&link(), "key", 0);
            bench.left_over(&wanted).await;
            bench.gate.close();
            let asking = async { bench.operations.link(link(), asked("key")).await };
            let slow = async {
                assert!(wait(async || bench.gate.came() == 2).await);
                ahead(24 * HOUR);
                bench.gate.open();
            };
            let (link, ()) = tokio::join!(asking, slow);
            assert!(link.is_err());
            assert!(bench.stripe.posts(AT_STRIPE).is_empty());
        },
    );
}

#[test]
fn a_link_that_takes_too_long_is_called_unknown_and_comes_with_the_same_key() {
    let ready = Switch::default();
    let is_ready = ready.clone();
    directed(
        move |_| is_ready.is_on().then(|| answer(&a_link())).flatten(),
        async |bench| {
            let error = bench.operations.link(link(), asked("key")).await.err().unwrap();
            assert!(matches!(error, RequestError::NoLink(_)), "{error:?}");
            let error = ApiError::from(error);
            let answer = error.error_response();
            assert_eq!(answer.status().as_u16(), 503, "{error}");
            let body = actix_web::body::to_bytes(answer.into_body()).await.unwrap();
            let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(problem["code"], "outcome_unknown", "{problem}");
            ready.on();
            bench.stripe.look_again();
            assert!(bench.operations.link(link(), asked("key")).await.is_ok());
            let keys: Vec<_> = bench
                .stripe
                .posts(AT_STRIPE)
                .into_iter()
                .map(|call| call.idempotency_key)
                .collect();
            assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
        },
    );
}

/// More of them than calls are made at a time.
#[test]
fn links_that_are_gone_on_with_and_asked_for_again_do_not_wait_for_each_other() {
    directed(
        |_| answer(&a_link()),
        async |bench| {
            for number in 0..40 {
                bench.left_over(&begun(&link(), &format!("key-{number}"), 5)).await;
            }
            bench.run();
            let all = (0..40)
                .map(|number| bench.operations.link(link(), asked(&format!("key-{number}"))));
            for link in futures_util::future::join_all(all).await {
                assert!(link.is_ok());
            }
        },
    );
}

/// Stripe's words can repeat what was asked for.
#[test]
fn nothing_of_stripes_words_about_a_link_is_kept() {
    let first = super::Counter::default();
    directed(
        move |_| {
            let said = StripeError {
                kind: "invalid_request_error".to_owned(),
                code: Some("url_invalid".to_owned()),
                message: "https://a.example/?jenny.rosen is no URL".to_owned(),
                param: Some("return_url".to_owned()),
            };
            match first.next() {
                // In doubt, and then a key without rights.
                1 => lost(),
                2 => Some(Err(CallError::Refused { status: 403, error: said, request_id: None })),
                _ => Some(Err(CallError::Refused { status: 400, error: said, request_id: None })),
            }
        },
        async |bench| {
            let mut told = Vec::new();
            for _ in 0..2 {
                let error = bench.operations.link(link(), asked("key")).await.err().unwrap();
                told.push(error.to_string());
            }
            let settled = wait(async || {
                let name = bursar::store::OperationName::Key("key".to_owned());
                let held = bench.store.operation_named(false, name).await.unwrap().unwrap();
                told.push(format!("{held:?}"));
                held.state == OperationState::Refused
            });
            assert!(settled.await);
            assert!(told.last().unwrap().contains("url_invalid"));
            assert!(!told.concat().contains("jenny"), "{told:?}");
        },
    );
}
