//! Topups, transfers, payouts and balances.

use serde_json::value::RawValue;

use crate::domain::balance::Balance;
use crate::domain::payout::{Payout, PayoutStatus};
use crate::domain::topup::{Topup, TopupStatus};
use crate::domain::transfer::Transfer;
use crate::stripe::wire::raw::{
    Raw, Unusable, amount, compact, fields_of, lenient, not_negative, raw_fields, shown, status,
    unusable,
};

raw_fields! {
    struct RawTopup {
        status, amount, currency, created, expected_availability_date, failure_code,
        failure_message, transfer_group,
    }
}

pub(super) fn topup(raw: &RawValue) -> Result<Topup, Unusable> {
    let topup: RawTopup<'_> = fields_of("data.object", raw)?;
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

raw_fields! {
    struct RawTransfer {
        amount, amount_reversed, currency, created, destination, source_transaction,
        transfer_group,
    }
}

/// Nothing has been taken back yet when a transfer `is_new`; otherwise the event must say.
pub(super) fn transfer(raw: &RawValue, is_new: bool) -> Result<Transfer, Unusable> {
    let transfer: RawTransfer<'_> = fields_of("data.object", raw)?;
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

raw_fields! {
    struct RawPayout {
        status, amount, currency, created, arrival_date, automatic, method, destination,
        failure_code, failure_message,
    }
}

pub(super) fn payout(raw: &RawValue) -> Result<Payout, Unusable> {
    let payout: RawPayout<'_> = fields_of("data.object", raw)?;
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

raw_fields! {
    struct RawBalance { available, pending }
}

pub(super) fn balance(raw: &RawValue) -> Result<Balance, Unusable> {
    let balance: RawBalance<'_> = fields_of("data.object", raw)?;
    let Some(available) = balance.available else {
        return unusable("`data.object.available` is missing");
    };
    Ok(Balance { available: Some(compact(available)), pending: balance.pending.map(compact) })
}
