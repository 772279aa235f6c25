//! Which call does what in the world.

use serde_json::Value;

use crate::sandbox::api::refusal::Refusal;
use crate::sandbox::api::routes::{Operation as O, Route};
use crate::sandbox::world::World;

impl World {
    /// Does what was asked, on behalf of `owner`: the platform, or the account it speaks for.
    pub(super) fn dispatch(
        &mut self,
        route: &Route,
        owner: &str,
        params: &Value,
    ) -> Result<Value, Refusal> {
        let mut ids = route.ids.iter().map(String::as_str);
        let (first, second) = (ids.next().unwrap_or_default(), ids.next().unwrap_or_default());
        match route.operation {
            O::CreateAccount => self.create_account(params),
            O::ListAccounts => self.list_accounts(params),
            O::OwnAccount => self.account(owner),
            O::Account => self.account(first),
            O::UpdateAccount => self.update_account(first, params),
            O::DeleteAccount => self.delete_account(first),
            O::RejectAccount => self.reject_account(first, params),
            O::UnrejectAccount => self.unreject_account(first),
            O::CreatePerson => self.create_person(first, params),
            O::ListPersons => self.list_persons(first, params),
            O::Person => self.person(first, second),
            O::UpdatePerson => self.update_person(first, second, params),
            O::DeletePerson => self.delete_person(first, second),
            O::ListCapabilities => self.list_capabilities(first),
            O::Capability => self.capability(first, second),
            O::UpdateCapability => self.update_capability(first, second, params),
            O::CreateBank => self.create_bank(first, params),
            O::ListBanks => self.list_banks(first, params),
            O::Bank => self.bank(first, second),
            O::UpdateBank => self.update_bank(first, second, params),
            O::DeleteBank => self.delete_bank(first, second),
            O::CreateLink => self.create_link(params),
            O::CreateTopup => self.create_topup(params),
            O::ListTopups => self.list_topups(params),
            O::Topup => self.topup(first),
            O::UpdateTopup => self.update_topup(first, params),
            O::CancelTopup => self.cancel_topup(first),
            O::CreateTransfer => self.create_transfer(params),
            O::ListTransfers => self.list_transfers(params),
            O::Transfer => self.transfer(first),
            O::UpdateTransfer => self.update_transfer(first, params),
            O::CreateReversal => self.create_reversal(first, params),
            O::ListReversals => self.list_reversals(first, params),
            O::Reversal => self.reversal(first, second),
            O::UpdateReversal => self.update_reversal(first, second, params),
            O::CreatePayment => self.create_payment(owner, params),
            O::Payment => self.payment(owner, first),
            O::Charge => self.charge(owner, first),
            O::CreatePayout => self.create_payout(owner, params),
            O::ListPayouts => self.list_payouts(owner, params),
            O::Payout => self.payout(owner, first),
            O::UpdatePayout => self.update_payout(owner, first, params),
            O::CancelPayout => self.cancel_payout(owner, first),
            O::ReversePayout => self.reverse_payout(owner, first, params),
            O::Balance => self.balance(owner),
            O::BalanceSettings => self.balance_settings(owner),
            O::UpdateBalanceSettings => self.update_balance_settings(owner, params),
            O::ListTransactions => self.list_transactions(owner, params),
            O::Transaction => self.transaction(owner, first),
            O::ListEvents => self.list_events(owner, params),
            O::Event => self.event(owner, first),
            O::RetryEvent => self.retry_event(first, params),
            O::CreateSession => self.create_session(params),
            O::CreateEndpoint => self.create_endpoint(params),
            O::ListEndpoints => self.list_endpoints(params),
            O::Endpoint => self.endpoint(first),
            O::UpdateEndpoint => self.update_endpoint(first, params),
            O::DeleteEndpoint => self.delete_endpoint(first),
        }
    }
}
