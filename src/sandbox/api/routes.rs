//! Which calls there are.

/// A call of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    CreateAccount,
    ListAccounts,
    OwnAccount,
    Account,
    UpdateAccount,
    DeleteAccount,
    RejectAccount,
    UnrejectAccount,
    CreatePerson,
    ListPersons,
    Person,
    UpdatePerson,
    DeletePerson,
    ListCapabilities,
    Capability,
    UpdateCapability,
    CreateBank,
    ListBanks,
    Bank,
    UpdateBank,
    DeleteBank,
    CreateLink,
    CreateTopup,
    ListTopups,
    Topup,
    UpdateTopup,
    CancelTopup,
    CreateTransfer,
    ListTransfers,
    Transfer,
    UpdateTransfer,
    CreateReversal,
    ListReversals,
    Reversal,
    UpdateReversal,
    CreatePayment,
    Payment,
    Charge,
    CreatePayout,
    ListPayouts,
    Payout,
    UpdatePayout,
    CancelPayout,
    ReversePayout,
    Balance,
    BalanceSettings,
    UpdateBalanceSettings,
    ListTransactions,
    Transaction,
    ListEvents,
    Event,
    RetryEvent,
    CreateSession,
    CreateEndpoint,
    ListEndpoints,
    Endpoint,
    UpdateEndpoint,
    DeleteEndpoint,
}

use Operation as O;

/// As the table of parameters names them.
#[rustfmt::skip]
const ROUTES: &[(&str, Operation)] = &[
    ("POST /v1/accounts", O::CreateAccount),
    ("GET /v1/accounts", O::ListAccounts),
    ("GET /v1/account", O::OwnAccount),
    ("GET /v1/accounts/{account}", O::Account),
    ("POST /v1/accounts/{account}", O::UpdateAccount),
    ("DELETE /v1/accounts/{account}", O::DeleteAccount),
    ("POST /v1/accounts/{account}/reject", O::RejectAccount),
    ("POST /v1/accounts/{account}/unreject", O::UnrejectAccount),
    ("POST /v1/accounts/{account}/persons", O::CreatePerson),
    ("GET /v1/accounts/{account}/persons", O::ListPersons),
    ("GET /v1/accounts/{account}/persons/{person}", O::Person),
    ("POST /v1/accounts/{account}/persons/{person}", O::UpdatePerson),
    ("DELETE /v1/accounts/{account}/persons/{person}", O::DeletePerson),
    ("GET /v1/accounts/{account}/capabilities", O::ListCapabilities),
    ("GET /v1/accounts/{account}/capabilities/{capability}", O::Capability),
    ("POST /v1/accounts/{account}/capabilities/{capability}", O::UpdateCapability),
    ("POST /v1/accounts/{account}/external_accounts", O::CreateBank),
    ("GET /v1/accounts/{account}/external_accounts", O::ListBanks),
    ("GET /v1/accounts/{account}/external_accounts/{external_account}", O::Bank),
    ("POST /v1/accounts/{account}/external_accounts/{external_account}", O::UpdateBank),
    ("DELETE /v1/accounts/{account}/external_accounts/{external_account}", O::DeleteBank),
    ("POST /v1/account_links", O::CreateLink),
    ("POST /v1/topups", O::CreateTopup),
    ("GET /v1/topups", O::ListTopups),
    ("GET /v1/topups/{topup}", O::Topup),
    ("POST /v1/topups/{topup}", O::UpdateTopup),
    ("POST /v1/topups/{topup}/cancel", O::CancelTopup),
    ("POST /v1/transfers", O::CreateTransfer),
    ("GET /v1/transfers", O::ListTransfers),
    ("GET /v1/transfers/{transfer}", O::Transfer),
    ("POST /v1/transfers/{transfer}", O::UpdateTransfer),
    ("POST /v1/transfers/{transfer}/reversals", O::CreateReversal),
    ("GET /v1/transfers/{transfer}/reversals", O::ListReversals),
    ("GET /v1/transfers/{transfer}/reversals/{reversal}", O::Reversal),
    ("POST /v1/transfers/{transfer}/reversals/{reversal}", O::UpdateReversal),
    ("POST /v1/payment_intents", O::CreatePayment),
    ("GET /v1/payment_intents/{payment_intent}", O::Payment),
    ("GET /v1/charges/{charge}", O::Charge),
    ("POST /v1/payouts", O::CreatePayout),
    ("GET /v1/payouts", O::ListPayouts),
    ("GET /v1/payouts/{payout}", O::Payout),
    ("POST /v1/payouts/{payout}", O::UpdatePayout),
    ("POST /v1/payouts/{payout}/cancel", O::CancelPayout),
    ("POST /v1/payouts/{payout}/reverse", O::ReversePayout),
    ("GET /v1/balance", O::Balance),
    ("GET /v1/balance_settings", O::BalanceSettings),
    ("POST /v1/balance_settings", O::UpdateBalanceSettings),
    ("GET /v1/balance_transactions", O::ListTransactions),
    ("GET /v1/balance_transactions/{balance_transaction}", O::Transaction),
    ("GET /v1/events", O::ListEvents),
    ("GET /v1/events/{event}", O::Event),
    ("POST /v1/events/{event}/retry", O::RetryEvent),
    ("POST /v1/stripecli/sessions", O::CreateSession),
    ("POST /v1/webhook_endpoints", O::CreateEndpoint),
    ("GET /v1/webhook_endpoints", O::ListEndpoints),
    ("GET /v1/webhook_endpoints/{webhook_endpoint}", O::Endpoint),
    ("POST /v1/webhook_endpoints/{webhook_endpoint}", O::UpdateEndpoint),
    ("DELETE /v1/webhook_endpoints/{webhook_endpoint}", O::DeleteEndpoint),
];

/// A call that was recognized.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    pub operation: Operation,
    /// Its name in the table of parameters.
    pub call: &'static str,
    /// The ids in its path.
    pub ids: Vec<String>,
}

pub fn find(method: &str, path: &str) -> Option<Route> {
    ROUTES.iter().find_map(|(call, operation)| {
        let pattern = call.strip_prefix(method)?.strip_prefix(' ')?;
        Some(Route { operation: *operation, call, ids: ids(pattern, path)? })
    })
}

fn ids(pattern: &str, path: &str) -> Option<Vec<String>> {
    let (mut pattern, mut path) = (pattern.split('/'), path.trim_end_matches('/').split('/'));
    let mut ids = Vec::new();
    loop {
        match (pattern.next(), path.next()) {
            (None, None) => return Some(ids),
            (Some(name), Some(id)) if name.starts_with('{') && !id.is_empty() => {
                ids.push(id.to_owned());
            }
            (Some(word), Some(is)) if word == is => {}
            (Some(_) | None, _) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::shapes::REQUESTS;

    #[test]
    fn every_call_has_its_parameters_in_the_table() {
        for (call, _) in ROUTES {
            assert!(REQUESTS.section(call).is_some(), "{call}");
        }
    }

    #[test]
    fn a_path_is_found_with_its_ids() {
        for (method, path, expected) in [
            ("GET", "/v1/balance", Some((O::Balance, vec![]))),
            ("POST", "/v1/transfers/tr_1/reversals", Some((O::CreateReversal, vec!["tr_1"]))),
            (
                "GET",
                "/v1/accounts/acct_1/persons/person_2/",
                Some((O::Person, vec!["acct_1", "person_2"])),
            ),
            ("PUT", "/v1/balance", None),
            ("GET", "/v1/accounts/", Some((O::ListAccounts, vec![]))),
            ("GET", "/v1/charges", None),
            ("GET", "/v1/balance/x", None),
        ] {
            let found = find(method, path).map(|route| (route.operation, route.ids));
            let expected = expected
                .map(|(operation, ids)| (operation, ids.into_iter().map(str::to_owned).collect()));
            assert_eq!(found, expected, "{method} {path}");
        }
    }
}
