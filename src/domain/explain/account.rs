//! Whether an account may be paid, and why.

use crate::domain::account::{Account, AccountStatus, Facts};
use crate::domain::explain::names;

/// One sentence; `ambiguous` says that reports of one second could not be put in order.
pub fn account(account: &Account, ambiguous: bool) -> String {
    let may = if account.payable() { "May be paid" } else { "May not be paid" };
    let open = if ambiguous {
        "; reports of one second disagree and could not be put in order"
    } else {
        ""
    };
    format!("{may}{}{open}.", why(account))
}

fn why(account: &Account) -> String {
    let Some(facts) = account.profile.as_ref().map(|profile| &profile.facts) else {
        let unknown = ": no report of the account itself is known yet".to_owned();
        return if account.deauthorized { deauthorized() } else { unknown };
    };
    let asks = asks(facts);
    match account.status() {
        AccountStatus::Deauthorized => deauthorized(),
        AccountStatus::Rejected => format!(": it is rejected ({})", reason(facts)),
        AccountStatus::Onboarding if facts.payable() => {
            ", but its details are not submitted".to_owned()
        }
        AccountStatus::Onboarding => ": its details are not submitted".to_owned(),
        AccountStatus::Pending => ": Stripe is checking what it was given".to_owned(),
        AccountStatus::Restricted => format!(": {}", restriction(facts, asks)),
        AccountStatus::RestrictedSoon => {
            format!("; {} before the deadline", asks.unwrap_or_default())
        }
        AccountStatus::Enabled | AccountStatus::Complete => {
            match (asks, facts.eventually_due.0.len()) {
                (Some(asks), _) => format!("; {asks}, without a deadline"),
                (None, 0) => "; Stripe asks for nothing more".to_owned(),
                (None, _) => "; Stripe will ask for more later".to_owned(),
            }
        }
    }
}

fn deauthorized() -> String {
    ": it has deauthorized the platform".to_owned()
}

fn reason(facts: &Facts) -> &str {
    facts.disabled_reason.as_deref().unwrap_or_default()
}

/// What is asked of the holder, if anything.
fn asks(facts: &Facts) -> Option<String> {
    let (due, mark) = if facts.past_due.0.is_empty() {
        (&facts.currently_due.0, "")
    } else {
        (&facts.past_due.0, " (past due)")
    };
    (!due.is_empty()).then(|| format!("Stripe asks for {}{mark}", names(due)))
}

/// Stripe's own reason where there is one that says more than the requirements do.
fn restriction(facts: &Facts, asks: Option<String>) -> String {
    match (facts.disabled_reason.as_deref(), asks) {
        (None | Some("requirements.past_due"), Some(asks)) => asks,
        (Some(reason), Some(asks)) => format!("Stripe's reason is {reason}; {asks}"),
        (Some(reason), None) => format!("Stripe's reason is {reason}"),
        (None, None) => what_is_off(facts),
    }
}

fn what_is_off(facts: &Facts) -> String {
    let transfers = match facts.transfers.as_deref() {
        Some("active") => None,
        Some(word) => Some(format!("its transfers capability is {word}")),
        None => Some("it has no transfers capability".to_owned()),
    };
    let payouts = (!facts.payouts_enabled).then(|| "its payouts are not enabled".to_owned());
    transfers.into_iter().chain(payouts).collect::<Vec<_>>().join(" and ")
}
