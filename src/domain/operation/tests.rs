#![expect(clippy::arithmetic_side_effects, reason = "small numbers of the tests' own")]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const SECOND: i64 = 1_000_000;

fn request(wait_for_funds: bool) -> Request {
    let terms = TransferTerms {
        amount: 1000,
        currency: "usd".to_owned(),
        destination: "acct_1".to_owned(),
        transfer_group: None,
        wait_for_funds,
        topup: None,
    };
    Request {
        id: "op_1".to_owned(),
        livemode: false,
        action: Action::CreateTransfer,
        client_key: "key".to_owned(),
        fingerprint: "print".to_owned(),
        by: "pat".to_owned(),
        subject: None,
        tag: None,
        params: Params(vec![("amount".to_owned(), "1000".to_owned())]),
        terms: Some(terms),
        warnings: Vec::new(),
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp(seconds * SECOND)
}

fn in_state(state: OperationState, wait_for_funds: bool) -> Operation {
    Operation { state, sent_at: Some(at(0)), ..Operation::new(request(wait_for_funds), at(0)) }
}

fn answered() -> Happening {
    let object = Json(r#"{"id":"tr_1"}"#.to_owned());
    Happening::Answered { object_id: Some("tr_1".to_owned()), object, request_id: None }
}

fn refused(status: u16, code: &str) -> Happening {
    let code = Some(code.to_owned());
    let error = OperationError { status: Some(status), code, ..OperationError::default() };
    Happening::Refused { error, request_id: None }
}

fn not_done(retry: bool) -> Happening {
    Happening::NotDone { reason: "429".to_owned(), retry, request_id: None }
}

fn lost() -> Happening {
    Happening::Lost { reason: "hung up".to_owned(), request_id: None }
}

fn doubted() -> Happening {
    Happening::Doubted { reason: "nobody can tell".to_owned() }
}

fn reported() -> Happening {
    Happening::Reported { object_id: "tr_1".to_owned(), event_id: "evt_1".to_owned() }
}

fn decided(happened: bool) -> Happening {
    let (by, reason) = ("olga".to_owned(), "seen in the Dashboard".to_owned());
    Happening::Decided { happened, object_id: None, by, reason }
}

fn turned_down() -> Happening {
    Happening::TurnedDown { reasons: vec![Reason::new("topup_failed", "it failed")] }
}

/// Every happening, and the states that it leads to, by the state it finds.
#[test]
fn what_happens_leads_where_the_table_says() {
    use OperationState::{Refused, Requested, Sent, Succeeded, Unknown, WaitingForFunds};
    let columns = [Requested, WaitingForFunds, Sent, Succeeded, Refused, Unknown];
    let rows = [
        ("sent", Happening::Sent, [Some(Sent), Some(Sent), None, None, None, None]),
        ("answered", answered(), [None, None, Some(Succeeded), None, None, Some(Succeeded)]),
        ("refused", refused(400, "x"), [None, None, Some(Refused), None, None, Some(Refused)]),
        ("key refused", refused(401, "x"), [None, None, Some(Refused), None, None, None]),
        ("not done", not_done(true), [None, None, Some(Requested), None, None, None]),
        ("never done", not_done(false), [None, None, Some(Refused), None, None, None]),
        ("lost", lost(), [None, None, Some(Unknown), None, None, None]),
        ("doubted", doubted(), [Some(Unknown), Some(Unknown), None, None, None, None]),
        ("turned down", turned_down(), [Some(Refused), Some(Refused), None, None, None, None]),
        (
            "reported",
            reported(),
            [
                Some(Succeeded),
                Some(Succeeded),
                Some(Succeeded),
                None,
                Some(Succeeded),
                Some(Succeeded),
            ],
        ),
        (
            "found",
            Happening::Found { object_id: None },
            [Some(Succeeded), Some(Succeeded), None, None, None, Some(Succeeded)],
        ),
        ("not found", Happening::NotFound, [None, None, None, None, None, Some(Refused)]),
        ("expired", Happening::Expired, [None, None, None, None, None, Some(Refused)]),
        ("decided: done", decided(true), [None, None, None, None, None, Some(Succeeded)]),
        ("decided: not", decided(false), [None, Some(Refused), None, None, None, Some(Refused)]),
    ];
    for (name, happening, expected) in rows {
        for (from, expected) in columns.into_iter().zip(expected) {
            let operation =
                Operation { object: Some(Json(String::new())), ..in_state(from, false) };
            let to = operation.after(happening.clone(), at(1)).map(|next| next.state);
            assert_eq!(to, expected, "{name} in {from:?}");
            assert!(to.is_none_or(|to| from.next().contains(&to)), "{name} in {from:?}");
        }
    }
}

#[test]
fn every_move_of_the_table_can_happen() {
    let happenings = [
        Happening::Sent,
        answered(),
        refused(400, "x"),
        refused(400, "balance_insufficient"),
        not_done(true),
        lost(),
        doubted(),
        turned_down(),
        reported(),
    ];
    for from in OperationState::ALL {
        for &to in from.next() {
            let operation = in_state(from, true);
            let reached = |happening: &Happening| {
                operation.after(happening.clone(), at(1)).is_some_and(|next| next.state == to)
            };
            assert!(happenings.iter().any(reached), "{from:?} to {to:?}");
        }
    }
}

#[test]
fn a_refusal_for_want_of_funds_waits_on_with_a_new_key_where_that_was_asked_for() {
    for from in [OperationState::Sent, OperationState::Unknown] {
        let operation = in_state(from, true);
        let next = operation.after(refused(400, "balance_insufficient"), at(5)).unwrap();
        assert_eq!((next.state, next.attempt), (OperationState::WaitingForFunds, 2));
        assert_ne!(next.stripe_key(), operation.stripe_key());
        assert_eq!((next.sent_at, next.settled), (None, None));
        let other = in_state(from, false).after(refused(400, "balance_insufficient"), at(5));
        assert_eq!(other.unwrap().state, OperationState::Refused);
    }
}

#[test]
fn what_certainly_did_not_reach_stripe_is_sent_again_with_the_same_key() {
    let sent = in_state(OperationState::Requested, false).after(Happening::Sent, at(1)).unwrap();
    let back = sent.after(not_done(true), at(2)).unwrap();
    assert_eq!((back.due(at(2)), back.stripe_key()), (Due::Send, sent.stripe_key()));
}

#[test]
fn nothing_is_sent_once_the_key_may_have_been_forgotten() {
    let late = at(KEY_LIFETIME_SECONDS);
    for (state, in_time, too_late) in [
        (OperationState::Requested, Due::Send, Due::GiveUp),
        (OperationState::WaitingForFunds, Due::LookForFunds, Due::LookForFunds),
        (OperationState::Sent, Due::NoteLost, Due::NoteLost),
        (OperationState::Unknown, Due::SendAgain, Due::LookUp),
        (OperationState::Succeeded, Due::Nothing, Due::Nothing),
        (OperationState::Refused, Due::Nothing, Due::Nothing),
    ] {
        let operation = in_state(state, false);
        assert_eq!(operation.due(Timestamp(late.0 - SECOND)), in_time, "{state:?}");
        assert_eq!(operation.due(late), too_late, "{state:?}");
    }
}

#[test]
fn a_call_that_waited_until_its_key_may_have_been_forgotten_is_not_made() {
    let sent = in_state(OperationState::Sent, false);
    let sent_at = sent.sent_at.unwrap().signed_seconds();
    assert!(sent.key_lives(at(sent_at + KEY_LIFETIME_SECONDS - 1)));
    assert!(!sent.key_lives(at(sent_at + KEY_LIFETIME_SECONDS)));
    // A link is of no use any more long before.
    let link = Operation { action: Action::CreateOnboardingLink, ..sent };
    assert!(!link.key_lives(at(sent_at + 600)));
    assert!(link.key_is_known(at(sent_at + KEY_LIFETIME_SECONDS - 1)));
    assert!(!link.key_is_known(at(sent_at + KEY_LIFETIME_SECONDS)));
}

#[test]
fn a_link_is_not_asked_for_again_once_nobody_waits_for_it() {
    let link = Operation {
        action: Action::CreateOnboardingLink,
        ..in_state(OperationState::Unknown, false)
    };
    assert_eq!((link.due(at(599)), link.due(at(600))), (Due::SendAgain, Due::LookUp));
    let over = link.after(Happening::Expired, at(600)).unwrap();
    assert_eq!((over.state, over.due(at(601))), (OperationState::Refused, Due::Nothing));
    assert!(over.holds_tag(), "it may have been made");
    let refused = link.after(refused(400, "expired"), at(5)).unwrap();
    assert!(!refused.holds_tag(), "it certainly was not");
}

#[test]
fn parameters_are_kept_only_while_they_may_be_needed() {
    let mut operation = Operation::new(request(false), at(0));
    for (happening, kept) in [(Happening::Sent, true), (lost(), true), (answered(), false)] {
        operation = operation.after(happening, at(1)).unwrap();
        assert_eq!(operation.params.is_some(), kept, "{:?}", operation.state);
    }
    let debug = format!("{:?}", Operation::new(request(false), at(0)));
    assert!(debug.contains("amount") && !debug.contains("\"1000\""), "{debug}");
}

#[test]
fn an_answer_after_the_event_completes_the_record_and_a_contradicting_one_does_not() {
    let reported = in_state(OperationState::Sent, false).after(reported(), at(1)).unwrap();
    let completed = reported.after(answered(), at(2)).unwrap();
    assert_eq!(completed.state, OperationState::Succeeded);
    assert_eq!(completed.settled, Some(Settled::Event { id: "evt_1".to_owned() }));
    assert!(completed.object.is_some() && completed.version == reported.version + 1);
    let other = Happening::Answered {
        object_id: Some("tr_2".to_owned()),
        object: Json(String::new()),
        request_id: None,
    };
    assert_eq!(reported.after(other, at(2)), None);
    assert_eq!(completed.after(answered(), at(3)), None, "nothing is new");
}

#[test]
fn stripes_answer_is_stronger_than_a_persons_decision() {
    let decided = in_state(OperationState::Unknown, false).after(decided(false), at(1)).unwrap();
    assert_eq!(decided.state, OperationState::Refused);
    let answered = decided.after(answered(), at(2)).unwrap();
    assert_eq!(
        (answered.state, answered.settled),
        (OperationState::Succeeded, Some(Settled::Answer))
    );
}

#[test]
fn an_event_settles_only_an_operation_that_makes_such_an_object() {
    let operation = in_state(OperationState::Unknown, false);
    for (made, expected) in [(Made::Transfer, true), (Made::Topup, false)] {
        let (operation_id, object_id) = (operation.id.clone(), "tr_1".to_owned());
        let evidence = Evidence { operation: operation_id, made, object_id };
        assert_eq!(operation.reported(&evidence, "evt_1", at(1)).is_some(), expected);
    }
}

/// Stripe as far as it matters here: what it did under which key, and when.
#[derive(Default)]
struct Stripe {
    first_answers: BTreeMap<String, (i64, bool)>,
    effects: u32,
}

impl Stripe {
    /// Whether the call was done; the same key is answered the same for a day.
    fn receive(&mut self, key: &str, now: i64, agrees: bool) -> bool {
        let known = self.first_answers.get(key).filter(|(first, _)| now - first < 24 * 3600);
        if let Some(&(_, done)) = known {
            return done;
        }
        self.effects += u32::from(agrees);
        self.first_answers.insert(key.to_owned(), (now, agrees));
        agrees
    }
}

/// What goes wrong with a turn.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Answered,
    AnswerLost,
    NeverSent,
    LostOnTheWay,
    CrashBefore,
    CrashAfter,
    EventFirst,
}

fn fates() -> impl Strategy<Value = (Fate, bool, i64)> {
    let fate = prop::sample::select(vec![
        Fate::Answered,
        Fate::AnswerLost,
        Fate::NeverSent,
        Fate::LostOnTheWay,
        Fate::CrashBefore,
        Fate::CrashAfter,
        Fate::EventFirst,
    ]);
    (fate, any::<bool>(), prop_oneof![0..60_i64, 10 * 3600..30 * 3600_i64])
}

/// One turn at an operation, as whoever drives it takes them.
fn turn(operation: &Operation, stripe: &mut Stripe, fate: (Fate, bool), now: i64) -> Operation {
    let step = |operation: &Operation, happening| {
        operation.after(happening, at(now)).unwrap_or_else(|| operation.clone())
    };
    let sent = match operation.due(at(now)) {
        Due::Send | Due::LookForFunds => step(operation, Happening::Sent),
        Due::SendAgain => operation.clone(),
        Due::NoteLost => return step(operation, lost()),
        // Everything that there is at Stripe is found.
        Due::LookUp if stripe.effects > 0 => {
            return step(operation, Happening::Found { object_id: None });
        }
        Due::LookUp => return step(operation, Happening::NotFound),
        Due::GiveUp => return step(operation, turned_down()),
        Due::Nothing => return operation.clone(),
    };
    let (fate, agrees) = fate;
    let key = sent.stripe_key();
    let mut receive = || {
        if stripe.receive(&key, now, agrees) { answered() } else { refused(400, NO_FUNDS) }
    };
    match fate {
        Fate::Answered => step(&sent, receive()),
        Fate::AnswerLost => {
            receive();
            step(&sent, lost())
        }
        Fate::NeverSent => step(&sent, not_done(true)),
        Fate::LostOnTheWay => step(&sent, lost()),
        Fate::CrashBefore => sent,
        Fate::CrashAfter => {
            receive();
            sent
        }
        Fate::EventFirst => {
            let came = receive();
            let done = matches!(came, Happening::Answered { .. });
            step(&if done { step(&sent, reported()) } else { sent }, came)
        }
    }
}

const NO_FUNDS: &str = "balance_insufficient";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever is lost, whenever it stops, however long it takes: once at most, and never called
    /// done when it is not, or not done when it is.
    #[test]
    fn money_moves_at_most_once_and_the_state_is_true(
        waits in any::<bool>(),
        fates in prop::collection::vec(fates(), 1..25),
    ) {
        let mut operation = Operation::new(request(waits), at(0));
        let (mut stripe, mut now) = (Stripe::default(), 0);
        for (fate, agrees, pause) in fates {
            let before = operation.state;
            operation = turn(&operation, &mut stripe, (fate, agrees), now);
            // A turn can take two steps.
            prop_assert!(before == operation.state || !before.next().is_empty());
            prop_assert!(stripe.effects <= 1, "{:?}", operation);
            match operation.state {
                OperationState::Succeeded => prop_assert_eq!(stripe.effects, 1),
                OperationState::Refused
                | OperationState::Requested
                | OperationState::WaitingForFunds => prop_assert_eq!(stripe.effects, 0),
                OperationState::Sent | OperationState::Unknown => {}
            }
            now += pause;
        }
    }
}
