//! Which objects and events a list shows.

use crate::domain::event::Outcome;
use crate::domain::fold::State;
use crate::domain::time::Timestamp;
use crate::store::{EventRecord, Object};

/// Which objects a list shows. A condition that is `None` holds for all.
#[derive(Clone, Debug, Default)]
pub struct ObjectFilter {
    pub status: Option<String>,
    pub payable: Option<bool>,
    pub country: Option<String>,
    pub currency: Option<String>,
    pub destination: Option<String>,
    pub transfer_group: Option<String>,
    pub account: Option<String>,
}

impl ObjectFilter {
    pub fn admits(&self, object: &Object) -> bool {
        fn holds<T: PartialEq + ?Sized>(wanted: Option<&T>, is: Option<&T>) -> bool {
            wanted.is_none() || wanted == is
        }
        // Stripe writes countries in capitals and currencies without; people write either.
        fn names(wanted: Option<&str>, is: Option<&str>) -> bool {
            wanted.is_none_or(|wanted| is.is_some_and(|is| is.eq_ignore_ascii_case(wanted)))
        }
        let (mut payable, mut country, mut currency) = (None, None, None);
        let (mut destination, mut transfer_group) = (None, None);
        match &object.progress.state {
            State::Account(account) => {
                payable = Some(account.payable());
                country = account.profile.as_ref().and_then(|p| p.country.as_deref());
            }
            State::Topup(topup) => currency = topup.currency.as_deref(),
            State::Transfer(transfer) => {
                destination = transfer.destination.as_deref();
                transfer_group = transfer.transfer_group.as_deref();
            }
            State::Payout(_) | State::Balance(_) => {}
        }
        holds(self.status.as_deref(), object.progress.state.status())
            && holds(self.payable.as_ref(), payable.as_ref())
            && names(self.country.as_deref(), country)
            && names(self.currency.as_deref(), currency)
            && holds(self.destination.as_deref(), destination)
            && holds(self.transfer_group.as_deref(), transfer_group)
            && holds(self.account.as_deref(), object.key.account())
    }
}

/// Which events a list shows.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    pub event_type: Option<String>,
    /// Id of the object inside.
    pub object: Option<String>,
    pub account: Option<String>,
    pub outcome: Option<Outcome>,
    /// Received at this moment or later.
    pub since: Option<Timestamp>,
    /// Received before this moment.
    pub until: Option<Timestamp>,
}

impl EventFilter {
    pub fn admits(&self, event: &EventRecord) -> bool {
        let is_about = |id: &String| {
            event.object_id.as_ref() == Some(id)
                || event.object.as_ref().is_some_and(|object| object.id == *id)
        };
        self.event_type.as_ref().is_none_or(|wanted| event.event_type == *wanted)
            && self.object.as_ref().is_none_or(is_about)
            && (self.account.is_none() || self.account == event.account)
            && self.outcome.is_none_or(|wanted| event.outcome == wanted)
            && self.since.is_none_or(|since| event.received_at >= since)
            && self.until.is_none_or(|until| event.received_at < until)
    }
}
