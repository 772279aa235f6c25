//! Accounts and capabilities, and what their events say changed.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::domain::Json;
use crate::domain::account::{Capability, Facts, Fields, Previous, Profile, Snapshot};
use crate::domain::id::Kind;
use crate::stripe::wire::Object;
use crate::stripe::wire::raw::{
    Raw, Unusable, boolean, compact, fields_of, id_of, is_object, lenient, named, nullable_fields,
    optional_text, raw_fields, shown, text, value,
};

raw_fields! {
    struct RawRequirements {
        disabled_reason, current_deadline, currently_due, past_due, eventually_due,
        pending_verification,
    }
}

pub(super) fn snapshot(account: &Object<'_>, previous: Raw<'_>) -> Result<Snapshot, Unusable> {
    let capabilities = match account.capabilities {
        None => None,
        Some(raw) => Some(value::<BTreeMap<String, &RawValue>>("capabilities", raw)?),
    };
    let transfers = capabilities.as_ref().and_then(|all| all.get("transfers").copied());
    let transfers = transfers.filter(|raw| raw.get() != "null");
    let requirements = match account.requirements {
        None => RawRequirements::default(),
        Some(raw) => fields_of("requirements", raw)?,
    };
    let fields = |name: &str, raw: Raw<'_>| match raw {
        None => Ok(Fields::default()),
        Some(raw) => value(name, raw).map(Fields),
    };
    let facts = Facts {
        details_submitted: boolean("details_submitted", account.details_submitted)?,
        payouts_enabled: boolean("payouts_enabled", account.payouts_enabled)?,
        transfers: optional_text("capabilities.transfers", transfers)?,
        disabled_reason: optional_text("disabled_reason", requirements.disabled_reason)?,
        current_deadline: match requirements.current_deadline {
            None => None,
            Some(raw) => Some(value("requirements.current_deadline", raw)?),
        },
        currently_due: fields("requirements.currently_due", requirements.currently_due)?,
        past_due: fields("requirements.past_due", requirements.past_due)?,
        eventually_due: fields("requirements.eventually_due", requirements.eventually_due)?,
        pending_verification: fields(
            "requirements.pending_verification",
            requirements.pending_verification,
        )?,
    };
    let profile = Profile {
        facts,
        charges_enabled: lenient(account.charges_enabled),
        requirements: account.requirements.map(compact),
        capabilities: capabilities
            .map(|all| all.into_iter().map(|(name, status)| (name, compact(status))).collect()),
        controller: account.controller.map(compact),
        country: shown(account.country),
        default_currency: shown(account.default_currency),
        account_type: shown(account.account_type),
    };
    Ok(Snapshot { profile, previous: previous.and_then(previous_facts) })
}

nullable_fields! {
    struct RawPrevious { details_submitted, payouts_enabled, capabilities, requirements }
}

nullable_fields! {
    struct RawPreviousCapabilities { transfers }
}

nullable_fields! {
    struct RawPreviousRequirements {
        disabled_reason, current_deadline, currently_due, past_due, eventually_due,
        pending_verification,
    }
}

/// Reads `previous_attributes`. One that cannot be understood links to nothing, as if absent.
pub(super) fn previous_facts(raw: &RawValue) -> Option<Previous> {
    /// `None`: unusable. `Some(None)`: not named. `Some(Some(_))`: its value.
    #[expect(clippy::option_option, reason = "three cases, told apart by `?` and a match")]
    fn field<'a, T: Deserialize<'a>>(raw: Raw<'a>) -> Option<Option<T>> {
        raw.map(|raw| serde_json::from_str(raw.get()).ok()).map_or(Some(None), |v| v.map(Some))
    }
    #[expect(clippy::option_option, reason = "as `field`, and `null` is told apart")]
    fn record<'a, T: Deserialize<'a>>(raw: Raw<'a>) -> Option<Option<Option<T>>> {
        let usable = raw.is_none_or(|raw| is_object(&raw) || raw.get() == "null");
        if usable { field(raw) } else { None }
    }
    #[expect(clippy::option_option, reason = "as `field`")]
    fn fields(raw: Raw<'_>) -> Option<Option<Fields>> {
        let names = field::<Option<Vec<String>>>(raw)?;
        Some(names.map(|names| Fields(names.unwrap_or_default())))
    }
    let previous: RawPrevious<'_> = lenient(Some(raw).filter(is_object))?;
    let mut known = Previous {
        details_submitted: field(previous.details_submitted)?,
        payouts_enabled: field(previous.payouts_enabled)?,
        ..Previous::default()
    };
    match record::<RawPreviousCapabilities<'_>>(previous.capabilities)? {
        None => {}
        Some(None) => known.transfers = Some(None),
        Some(Some(capabilities)) => known.transfers = field(capabilities.transfers)?,
    }
    match record::<RawPreviousRequirements<'_>>(previous.requirements)? {
        None => {}
        Some(None) => {
            known.disabled_reason = Some(None);
            known.current_deadline = Some(None);
            let none = || Some(Fields::default());
            (known.currently_due, known.past_due) = (none(), none());
            (known.eventually_due, known.pending_verification) = (none(), none());
        }
        Some(Some(requirements)) => {
            known.disabled_reason = field(requirements.disabled_reason)?;
            known.current_deadline = field(requirements.current_deadline)?;
            known.currently_due = fields(requirements.currently_due)?;
            known.past_due = fields(requirements.past_due)?;
            known.eventually_due = fields(requirements.eventually_due)?;
            known.pending_verification = fields(requirements.pending_verification)?;
        }
    }
    Some(known)
}

pub(super) fn capability(capability: &Object<'_>) -> Result<Capability, Unusable> {
    let name = text("data.object.id", capability.id)?.into_owned();
    id_of(Kind::Balance, "data.object.id", &name)?;
    let status = text("data.object.status", capability.status)?.into_owned();
    let status_json = Json(serde_json::Value::from(status.as_str()).to_string());
    Ok(Capability { name, status, status_json })
}
