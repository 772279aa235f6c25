//! What can be asked for, and the operation that it becomes.

use sha2::{Digest, Sha256};

use crate::domain::operation::{Action, Operation, Params, Reason, Request, Tag, TransferTerms};
use crate::stripe::outgoing::{CONTROLLER, REFERENCE};

/// Who asks, and under which key of theirs.
#[derive(Clone, Debug)]
pub struct Asked {
    pub client_key: String,
    /// Name of the token.
    pub by: String,
}

/// A request, checked for its form. Parameters have Stripe's names and hold nothing of ours.
#[derive(Clone, Debug)]
pub enum Wanted {
    Account {
        params: Params,
        reference: Option<String>,
    },
    Person {
        account: String,
        params: Params,
    },
    Link {
        account: String,
        refresh_url: String,
        return_url: String,
    },
    Topup {
        params: Params,
    },
    CancelTopup {
        topup: String,
    },
    /// `params` hold what is in `terms` too.
    Transfer {
        terms: TransferTerms,
        params: Params,
    },
    Reversal {
        transfer: String,
        params: Params,
    },
}

impl Wanted {
    pub fn action(&self) -> Action {
        match self {
            Self::Account { .. } => Action::CreateAccount,
            Self::Person { .. } => Action::CreatePerson,
            Self::Link { .. } => Action::CreateOnboardingLink,
            Self::Topup { .. } => Action::CreateTopup,
            Self::CancelTopup { .. } => Action::CancelTopup,
            Self::Transfer { .. } => Action::CreateTransfer,
            Self::Reversal { .. } => Action::ReverseTransfer,
        }
    }

    /// The object that it is done to.
    fn subject(&self) -> Option<&String> {
        match self {
            Self::Person { account, .. } | Self::Link { account, .. } => Some(account),
            Self::CancelTopup { topup } => Some(topup),
            Self::Reversal { transfer, .. } => Some(transfer),
            Self::Transfer { terms, .. } => Some(&terms.destination),
            Self::Account { .. } | Self::Topup { .. } => None,
        }
    }

    fn tag(&self) -> Option<Tag> {
        match self {
            Self::Account { reference, .. } => reference
                .as_ref()
                .map(|reference| Tag { name: reference_tag(reference), exclusive: true }),
            Self::Link { account, .. } => Some(Tag { name: link_tag(account), exclusive: false }),
            Self::Transfer { terms, .. } => {
                Some(Tag { name: transfer_tag(terms), exclusive: false })
            }
            Self::Person { .. }
            | Self::Topup { .. }
            | Self::CancelTopup { .. }
            | Self::Reversal { .. } => None,
        }
    }

    pub(super) fn terms(&self) -> Option<&TransferTerms> {
        match self {
            Self::Transfer { terms, .. } => Some(terms),
            Self::Account { .. }
            | Self::Person { .. }
            | Self::Link { .. }
            | Self::Topup { .. }
            | Self::CancelTopup { .. }
            | Self::Reversal { .. } => None,
        }
    }

    /// What Stripe is sent.
    pub(super) fn params(&self) -> Params {
        let mut all = Vec::new();
        match self {
            Self::Account { params, reference } => {
                let has = |part: &str| params.0.iter().any(|(name, _)| name.starts_with(part));
                if !has("controller[") {
                    all.extend(CONTROLLER.map(owned));
                }
                all.extend_from_slice(&params.0);
                let name = format!("metadata[{REFERENCE}]");
                all.extend(reference.iter().map(|reference| (name.clone(), reference.clone())));
            }
            Self::Link { account, refresh_url, return_url } => all.extend(
                [
                    ("account", account.as_str()),
                    ("refresh_url", refresh_url),
                    ("return_url", return_url),
                    ("type", "account_onboarding"),
                ]
                .map(owned),
            ),
            Self::Person { params, .. }
            | Self::Topup { params }
            | Self::Transfer { params, .. }
            | Self::Reversal { params, .. } => all.extend_from_slice(&params.0),
            Self::CancelTopup { .. } => {}
        }
        Params(all)
    }

    /// Who bears the losses of an account, where the request says.
    pub(super) fn losses(&self) -> Option<&str> {
        let Self::Account { params, .. } = self else { return None };
        let losses = params.0.iter().find(|(name, _)| name == "controller[losses][payments]");
        match losses {
            Some((_, who)) => Some(who),
            // With a controller that does not say, Stripe's own default counts.
            None if params.0.iter().any(|(name, _)| name.starts_with("controller[")) => {
                Some("stripe")
            }
            None => None,
        }
    }

    /// The operation that it becomes, with a new id.
    pub fn request(&self, asked: &Asked, livemode: bool, warnings: Vec<Reason>) -> Request {
        let id = new_id();
        Request {
            fingerprint: self.fingerprint(&id),
            id,
            livemode,
            action: self.action(),
            client_key: asked.client_key.clone(),
            by: asked.by.clone(),
            subject: self.subject().cloned(),
            tag: self.tag(),
            params: self.params(),
            terms: self.terms().cloned(),
            warnings,
        }
    }

    /// Whether this operation is one of the same request.
    pub(super) fn is_of(&self, operation: &Operation) -> bool {
        self.action() == operation.action
            && self.fingerprint(&operation.id) == operation.fingerprint
    }

    /// The same for the same request, as long as this process runs.
    pub(super) fn print(&self) -> String {
        self.fingerprint("")
    }

    /// Of all that the request says, in any order, and salted: what it was of cannot be guessed
    /// from a list of likely values made once.
    fn fingerprint(&self, salt: &str) -> String {
        let mut pairs = self.params().0;
        let mut ours = |name: &str, value: &str| pairs.push((name.to_owned(), value.to_owned()));
        ours("/action", self.action().word());
        ours("/subject", self.subject().map_or("", String::as_str));
        if let Some(terms) = self.terms() {
            ours("/wait_for_funds", if terms.wait_for_funds { "true" } else { "false" });
            ours("/topup", terms.topup.as_deref().unwrap_or_default());
        }
        pairs.sort();
        let mut hash = Sha256::new();
        hash.update(salt);
        for text in pairs.iter().flat_map(|(name, value)| [name, value]) {
            hash.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(text);
        }
        hex::encode(hash.finalize())
    }
}

fn owned((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

pub(super) fn reference_tag(reference: &str) -> String {
    format!("reference:{reference}")
}

pub(super) fn link_tag(account: &str) -> String {
    format!("link:{account}")
}

/// What makes two transfers look like the same one, asked for twice.
pub(super) fn transfer_tag(terms: &TransferTerms) -> String {
    let TransferTerms { amount, currency, destination, transfer_group, .. } = terms;
    let group = transfer_group.as_deref().unwrap_or_default();
    format!("transfer:{destination}:{amount}:{currency}:{group}")
}

/// Of a key that nobody else has, for requests that come without one.
pub fn new_key(purpose: &str) -> String {
    format!("{purpose}-{}", random())
}

fn new_id() -> String {
    format!("op_{}", random())
}

fn random() -> String {
    let mut bytes = [0; 12];
    getrandom::fill(&mut bytes).unwrap_or_else(|_| fastrand::fill(&mut bytes));
    hex::encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;

    fn params(pairs: &[(&str, &str)]) -> Params {
        Params(pairs.iter().map(|&pair| owned(pair)).collect())
    }

    fn account(pairs: &[(&str, &str)], reference: Option<&str>) -> Wanted {
        Wanted::Account { params: params(pairs), reference: reference.map(str::to_owned) }
    }

    fn operation(wanted: &Wanted) -> Operation {
        let asked = Asked { client_key: "key".to_owned(), by: "pat".to_owned() };
        Operation::new(wanted.request(&asked, false, Vec::new()), Timestamp(0))
    }

    #[test]
    fn a_request_is_the_same_whatever_the_order_of_its_fields_and_otherwise_not() {
        let wanted = account(&[("country", "US"), ("email", "jo@example.com")], Some("u7"));
        let first = operation(&wanted);
        assert!(wanted.is_of(&first));
        for (other, same) in [
            (account(&[("email", "jo@example.com"), ("country", "US")], Some("u7")), true),
            (account(&[("email", "jo@example.com"), ("country", "CA")], Some("u7")), false),
            (account(&[("email", "jo@example.com")], Some("u7")), false),
            (account(&[("country", "US"), ("email", "jo@example.com")], Some("u8")), false),
            (account(&[("country", "US"), ("email", "jo@example.com")], None), false),
        ] {
            assert_eq!(other.is_of(&first), same, "{other:?}");
        }
        assert_ne!(operation(&wanted).fingerprint, first.fingerprint, "salted");
    }

    #[test]
    fn the_guides_controller_is_the_default_and_is_left_away_when_one_is_given() {
        let of = |wanted: &Wanted| {
            let params = wanted.params().0.into_iter();
            params.filter(|(name, _)| name.starts_with("controller")).collect::<Vec<_>>()
        };
        assert_eq!(of(&account(&[], None)), CONTROLLER.map(owned));
        let given = [("controller[losses][payments]", "stripe")];
        assert_eq!(of(&account(&given, None)), given.map(owned));
        assert_eq!(account(&given, None).losses(), Some("stripe"));
        assert_eq!(
            account(&[("controller[fees][payer]", "account")], None).losses(),
            Some("stripe")
        );
        assert_eq!(account(&[], None).losses(), None);
    }
}
