//! Topups, transfers, payouts and balances.

use crate::domain::balance::Balance;
use crate::domain::payout::{Payout, PayoutStatus};
use crate::domain::topup::{Topup, TopupStatus};
use crate::domain::transfer::Transfer;
use crate::stripe::wire::Object;
use crate::stripe::wire::raw::{
    Unusable, amount, compact, lenient, not_negative, shown, status, unusable,
};

pub(super) fn topup(topup: &Object<'_>) -> Result<Topup, Unusable> {
    Ok(Topup {
        status: status(topup.status, TopupStatus::ALL, TopupStatus::word)?,
        amount: not_negative("amount", topup.amount)?,
        currency: shown(topup.currency),
        created: lenient(topup.created),
        expected_availability_date: lenient(topup.expected_availability_date),
        failure_code: shown(topup.failure_code),
        failure_message: shown(topup.failure_message),
        transfer_group: shown(topup.transfer_group),
    })
}

/// Nothing has been taken back yet when a transfer `is_new`; otherwise the event must say.
pub(super) fn transfer(transfer: &Object<'_>, is_new: bool) -> Result<Transfer, Unusable> {
    let amount = not_negative("amount", transfer.amount)?;
    let amount_reversed = match transfer.amount_reversed {
        None if is_new => 0,
        reversed => not_negative("amount_reversed", reversed)?,
    };
    if amount_reversed > amount {
        return unusable("`data.object.amount_reversed` is larger than `amount`");
    }
    Ok(Transfer {
        amount,
        amount_reversed,
        currency: shown(transfer.currency),
        created: lenient(transfer.created),
        destination: shown(transfer.destination),
        source_transaction: shown(transfer.source_transaction),
        transfer_group: shown(transfer.transfer_group),
    })
}

pub(super) fn payout(payout: &Object<'_>) -> Result<Payout, Unusable> {
    Ok(Payout {
        status: status(payout.status, PayoutStatus::ALL, PayoutStatus::word)?,
        failed_after_paid: false,
        amount: amount("amount", payout.amount)?,
        currency: shown(payout.currency),
        created: lenient(payout.created),
        arrival_date: lenient(payout.arrival_date),
        automatic: lenient(payout.automatic),
        method: shown(payout.method),
        destination: shown(payout.destination),
        failure_code: shown(payout.failure_code),
        failure_message: shown(payout.failure_message),
    })
}

pub(super) fn balance(balance: &Object<'_>) -> Result<Balance, Unusable> {
    let Some(available) = balance.available else {
        return unusable("`data.object.available` is missing");
    };
    Ok(Balance { available: Some(compact(available)), pending: balance.pending.map(compact) })
}
