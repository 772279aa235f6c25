//! Objects that tests tell of: each an ordinary one, in which a test names what it is about.

use std::collections::BTreeMap;

use crate::domain::Json;
use crate::domain::account::{Facts, Fields, Profile};
use crate::domain::event::Arrival;
use crate::domain::payout::{Payout, PayoutStatus};
use crate::domain::time::Timestamp;
use crate::domain::topup::{Topup, TopupStatus};
use crate::domain::transfer::Transfer;

/// Of an account that is paid and of which nothing is asked.
pub(super) fn complete() -> Facts {
    Facts {
        details_submitted: true,
        payouts_enabled: true,
        transfers: Some("active".to_owned()),
        disabled_reason: None,
        current_deadline: None,
        currently_due: Fields::default(),
        past_due: Fields::default(),
        eventually_due: Fields::default(),
        pending_verification: Fields::default(),
    }
}

pub(super) fn fields(names: &[&str]) -> Fields {
    Fields(names.iter().map(|&name| name.to_owned()).collect())
}

pub(super) fn profile(facts: Facts) -> Profile {
    let status = facts.transfers.as_ref().map(|word| Json(format!("\"{word}\"")));
    Profile {
        facts,
        charges_enabled: None,
        requirements: None,
        capabilities: status.map(|status| BTreeMap::from([("transfers".to_owned(), status)])),
        controller: None,
        country: None,
        default_currency: None,
        account_type: None,
        service_agreement: None,
    }
}

pub(super) fn topup(status: TopupStatus) -> Topup {
    Topup {
        status,
        amount: 2000,
        currency: None,
        created: None,
        expected_availability_date: None,
        failure_code: None,
        failure_message: None,
        transfer_group: None,
    }
}

pub(super) fn payout(status: PayoutStatus) -> Payout {
    Payout {
        status,
        failed_after_paid: false,
        amount: 1000,
        currency: None,
        created: None,
        arrival_date: None,
        automatic: None,
        method: None,
        destination: None,
        failure_code: None,
        failure_message: None,
    }
}

/// Of 1000.
pub(super) fn transfer(amount_reversed: i64) -> Transfer {
    Transfer {
        amount: 1000,
        amount_reversed,
        currency: None,
        created: None,
        destination: None,
        source_transaction: None,
        transfer_group: None,
    }
}

pub(super) fn arrival(sequence: u64) -> Arrival {
    Arrival {
        sequence,
        received_at: Timestamp(0),
        recorded_at: Timestamp(0),
        source: "test".to_owned(),
    }
}
