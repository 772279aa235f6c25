//! `bursar backfill`, and what the real binary says of a key.

use crate::process::{Ended, OPERATOR, Place, READER, Server, run};
use crate::support::events::{account, of, payout, topup};
use crate::support::kept::{Kept, refusal};
use crate::support::stripe::Reply;

const KEY: &str = "sk_test_MARKER7f3a";

/// A server that calls this Stripe and tells all it does.
fn serve(place: &Place, kept: &Kept) -> Server {
    place.serve_with(|command| {
        command
            .env("BURSAR_STRIPE_KEY", KEY)
            .env("BURSAR_STRIPE_API_BASE", &kept.stripe.base)
            .env("BURSAR_BACKFILL_MINUTES", "0")
            .env("BURSAR_LOG", "trace");
    })
}

#[track_caller]
fn ask(place: &Place, server: &Server, token: &str, arguments: &[&str]) -> Ended {
    let mut command = place.bare(arguments);
    command.env("BURSAR_URL", server.url()).env("BURSAR_TOKEN", token);
    run(command)
}

#[test]
fn it_says_what_was_fetched_of_whom() {
    let (place, kept) = (Place::new(), Kept::start());
    let server = serve(&place, &kept);
    for id in ["acct_1", "acct_2"] {
        assert_eq!(server.deliver(account(id).to_string().as_bytes()).status, 200);
    }
    kept.happens(&topup("tu_1", "created", "pending"));
    kept.happens(&topup("tu_1", "succeeded", "succeeded"));
    kept.happens(&of("acct_1", payout("po_1", "paid", "paid")));
    kept.refuses("acct_2");
    let ended = ask(&place, &server, OPERATOR, &["backfill"]).expect(0);
    ended.says(&[
        "the platform: 2 fetched, 2 new, 0 known",
        "acct_1: 1 fetched, 1 new, 0 known",
        "acct_2: left out: Stripe refused the call with 403",
        "3 fetched, 3 new, 0 known, in 2 lists",
    ]);
    let ended = ask(&place, &server, OPERATOR, &["backfill", "--full"]).expect(0);
    ended.says(&["3 fetched, 0 new, 3 known, in 2 lists"]);
    let log = server.stop().expect(0);
    log.hides(&[KEY, "MARKER7f3a"]);
}

#[test]
fn what_went_wrong_is_said_with_exit_code_one() {
    let (place, kept) = (Place::new(), Kept::start());
    let server = serve(&place, &kept);
    kept.has_troubles([refusal(401, "", "")]);
    let ended = ask(&place, &server, OPERATOR, &["backfill"]).expect(1);
    ended.says(&["the backfill is not complete", "401"]);
    ask(&place, &server, READER, &["backfill"]).expect(1).says(&["operator"]);
    server.stop().expect(0);
    let server = place.serve();
    ask(&place, &server, OPERATOR, &["backfill"]).expect(1).says(&["BURSAR_STRIPE_KEY"]);
}

#[test]
fn who_does_not_want_to_wait_is_told_its_name() {
    let (place, kept) = (Place::new(), Kept::start());
    let server = serve(&place, &kept);
    kept.has_troubles([Reply::Silence]);
    let ended = ask(&place, &server, OPERATOR, &["backfill", "--no-wait"]).expect(0);
    ended.says(&["bf_", "is waiting"]);
}

#[test]
fn a_start_warns_of_a_key_of_the_other_mode() {
    let place = Place::new();
    let server = place.serve_with(|command| {
        command
            .env("BURSAR_STRIPE_KEY", "sk_live_MARKER7f3a")
            .env("BURSAR_STRIPE_API_BASE", "http://127.0.0.1:9")
            .env("BURSAR_BACKFILL_MINUTES", "0")
            .env("BURSAR_LIVEMODE", "false");
    });
    let log = server.stop().expect(0);
    log.says(&["BURSAR_STRIPE_KEY works in live mode", "BURSAR_LIVEMODE to true"]);
    log.hides(&["MARKER7f3a"]);
}

#[test]
fn a_start_refuses_settings_that_cannot_be_right() {
    let place = Place::new();
    let mut command = place.command(&["serve"]);
    command
        .env("BURSAR_STRIPE_KEY", "pk_test_MARKER7f3a")
        .env("BURSAR_STRIPE_API_BASE", "http://api.stripe.com")
        .env("BURSAR_STRIPE_VERSION", "latest")
        .env("BURSAR_BACKFILL_MINUTES", "-1");
    let ended = run(command).expect(2);
    ended.says(&[
        "4 problems",
        "BURSAR_STRIPE_KEY",
        "BURSAR_STRIPE_API_BASE",
        "BURSAR_STRIPE_VERSION",
        "BURSAR_BACKFILL_MINUTES",
    ]);
    ended.hides(&["MARKER7f3a"]);
}
