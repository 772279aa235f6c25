//! Accounts and capabilities, and what their events say changed.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::domain::Json;
use crate::domain::account::{Capability, Facts, Fields, Previous, Profile, Snapshot};
use crate::domain::id::Kind;
use crate::stripe::wire::Object;
use crate::stripe::wire::raw::{
    Map, Raw, Unusable, boolean, compact, fields_of, id_of, lenient, named, nullable_fields,
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
        service_agreement: agreement(account.tos_acceptance),
    };
    Ok(Snapshot { profile: profile.into(), previous: previous.and_then(previous_facts) })
}

raw_fields! { struct Acceptance { service_agreement } }

fn agreement(acceptance: Raw<'_>) -> Option<String> {
    let Map(acceptance): Map<Acceptance<'_>> = lenient(acceptance)?;
    shown(acceptance.service_agreement)
}

nullable_fields! {
    struct PreviousAttributes {
        details_submitted: bool,
        payouts_enabled: bool,
        capabilities: Option<Map<PreviousCapabilities>>,
        requirements: Option<Map<PreviousRequirements>>,
    }
}

nullable_fields! {
    struct PreviousCapabilities { transfers: Option<String> }
}

nullable_fields! {
    struct PreviousRequirements {
        disabled_reason: Option<String>,
        current_deadline: Option<i64>,
        currently_due: Option<Vec<String>>,
        past_due: Option<Vec<String>>,
        eventually_due: Option<Vec<String>>,
        pending_verification: Option<Vec<String>>,
    }
}

/// Where `requirements` were `null`, so was each of them.
const NO_REQUIREMENTS: PreviousRequirements = PreviousRequirements {
    disabled_reason: Some(None),
    current_deadline: Some(None),
    currently_due: Some(None),
    past_due: Some(None),
    eventually_due: Some(None),
    pending_verification: Some(None),
};

/// Reads `previous_attributes`. One that cannot be understood links to nothing, as if absent.
pub(super) fn previous_facts(raw: &RawValue) -> Option<Previous> {
    #[expect(clippy::option_option, reason = "named or not, and null or not")]
    fn record<T: Default>(named: Option<Option<Map<T>>>, null: T) -> T {
        named.map_or_else(T::default, |record| record.map_or(null, |Map(record)| record))
    }
    #[expect(clippy::option_option, reason = "named or not, and null or not")]
    fn fields(named: Option<Option<Vec<String>>>) -> Option<Fields> {
        named.map(|names| Fields(names.unwrap_or_default()))
    }
    let Map(previous): Map<PreviousAttributes> = lenient(Some(raw))?;
    let capabilities =
        record(previous.capabilities, PreviousCapabilities { transfers: Some(None) });
    let requirements = record(previous.requirements, NO_REQUIREMENTS);
    Some(Previous {
        details_submitted: previous.details_submitted,
        payouts_enabled: previous.payouts_enabled,
        transfers: capabilities.transfers,
        disabled_reason: requirements.disabled_reason,
        current_deadline: requirements.current_deadline,
        currently_due: fields(requirements.currently_due),
        past_due: fields(requirements.past_due),
        eventually_due: fields(requirements.eventually_due),
        pending_verification: fields(requirements.pending_verification),
    })
}

pub(super) fn capability(capability: &Object<'_>) -> Result<Capability, Unusable> {
    let name = text("data.object.id", capability.id)?.into_owned();
    id_of(Kind::Balance, "data.object.id", &name)?;
    let status = text("data.object.status", capability.status)?.into_owned();
    let status_json = Json(serde_json::Value::from(status.as_str()).to_string());
    Ok(Capability { name, status, status_json })
}
