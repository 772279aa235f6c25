//! Lives of topups, transfers, payouts and balances. Every status may follow every other, so that
//! conflicts come up as often as what is legal.

use bursar::domain::Json;
use bursar::domain::balance::Balance;
use bursar::domain::event::Says;
use bursar::domain::id::{Kind, ObjectKey};
use bursar::domain::payout::{Payout, PayoutStatus};
use bursar::domain::topup::{Topup, TopupStatus};
use bursar::domain::transfer::Transfer;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::{Life, frame, framed, owner};

type Said = (&'static str, Says);

pub(super) fn life(longest: usize) -> impl Strategy<Value = Life> {
    prop_oneof![
        life_of(Kind::Topup, topup(), longest),
        life_of(Kind::Transfer, transfer(), longest),
        life_of(Kind::Payout, payout(), longest),
        life_of(Kind::Balance, balance(), longest),
    ]
}

fn life_of(
    kind: Kind,
    said: impl Strategy<Value = Said> + 'static,
    longest: usize,
) -> BoxedStrategy<Life> {
    let events = vec((frame(0.5, 0.03), said), 1..=longest);
    let life = (any::<bool>(), owner(), 0_u8..2, events);
    life.prop_map(move |(livemode, owner, number, events)| {
        let prefix = kind.id_prefix().unwrap_or_default();
        let id = if prefix.is_empty() { String::new() } else { format!("{prefix}{number}") };
        let events =
            events.into_iter().map(|(frame, (event_type, says))| (frame, event_type, says));
        let key = ObjectKey::new(livemode, kind, owner, &id);
        Life { key, told: framed(events), start: None, truth: None }
    })
    .boxed()
}

/// What only some reports say, and no rule reads.
fn note() -> impl Strategy<Value = Option<String>> {
    select(vec![None, None, None, Some("noted".to_owned())])
}

fn topup() -> impl Strategy<Value = Said> {
    let types = select(vec![
        "topup.created",
        "topup.succeeded",
        "topup.failed",
        "topup.canceled",
        "topup.reversed",
        "topup.observed",
    ]);
    (types, select(TopupStatus::ALL.to_vec()), note()).prop_map(|(event_type, status, note)| {
        let topup = Topup {
            status,
            amount: 2000,
            currency: Some("usd".to_owned()),
            created: Some(1_790_000_000),
            expected_availability_date: None,
            failure_code: note,
            failure_message: None,
            transfer_group: Some("week_40".to_owned()),
        };
        (event_type, Says::Topup(topup))
    })
}

fn transfer() -> impl Strategy<Value = Said> {
    let types = select(vec![
        "transfer.created",
        "transfer.updated",
        "transfer.reversed",
        "transfer.reversed",
        "transfer.observed",
    ]);
    let reversed = select(vec![0, 0, 400, 700, 1000]);
    (types, reversed, note()).prop_map(|(event_type, amount_reversed, note)| {
        let transfer = Transfer {
            amount: 1000,
            amount_reversed,
            currency: Some("usd".to_owned()),
            created: Some(1_790_000_000),
            destination: Some("acct_0".to_owned()),
            source_transaction: None,
            transfer_group: note,
        };
        (event_type, Says::Transfer(transfer))
    })
}

fn payout() -> impl Strategy<Value = Said> {
    let types = select(vec![
        "payout.created",
        "payout.updated",
        "payout.updated",
        "payout.paid",
        "payout.failed",
        "payout.reconciliation_completed",
        "payout.observed",
    ]);
    (types, select(PayoutStatus::ALL.to_vec()), note()).prop_map(|(event_type, status, note)| {
        let payout = Payout {
            status,
            failed_after_paid: false,
            amount: 1000,
            currency: Some("usd".to_owned()),
            created: Some(1_790_000_000),
            arrival_date: Some(1_790_086_400),
            automatic: Some(true),
            method: Some("standard".to_owned()),
            destination: Some("ba_1".to_owned()),
            failure_code: note,
            failure_message: None,
        };
        (event_type, Says::Payout(payout))
    })
}

fn balance() -> impl Strategy<Value = Said> {
    let funds = |amount: u8| Json(format!("[{{\"amount\":{amount},\"currency\":\"usd\"}}]"));
    let types = select(vec!["balance.available", "balance.available", "balance.observed"]);
    (types, 0_u8..3, any::<bool>()).prop_map(move |(event_type, amount, pending)| {
        let balance =
            Balance { available: Some(funds(amount)), pending: pending.then(|| funds(7)) };
        (event_type, Says::Balance(balance))
    })
}
