//! Objects that say which operation of ours made them.

use serde_json::value::RawValue;

use crate::domain::operation::{Evidence, Made};
use crate::stripe::wire::Object;
use crate::stripe::wire::raw::{Map, Raw, lenient, non_empty, raw_fields};
use crate::stripe::wire::tracked::Tracked;

/// The metadata in which an object carries the id of the operation that made it.
pub const OPERATION: &str = "bursar_operation";

raw_fields! { struct Metadata { operation as "bursar_operation" } }
raw_fields! { struct Reversals { data } }
raw_fields! { struct Reversal { id, metadata } }

/// What an event about `object` is evidence of. `account` is the connected account it is from:
/// who moves money there has no operations here.
pub(super) fn evidence(tracked: Tracked, object: &Object<'_>, account: Raw<'_>) -> Vec<Evidence> {
    let made = match tracked {
        Tracked::Account => Made::Account,
        Tracked::Topup if account.is_none() => Made::Topup,
        Tracked::Transfer if account.is_none() => Made::Transfer,
        Tracked::Topup
        | Tracked::Transfer
        | Tracked::Capability
        | Tracked::Authorization(_)
        | Tracked::Payout
        | Tracked::Balance => return Vec::new(),
    };
    let mut all: Vec<Evidence> = one(made, object.id, object.metadata).into_iter().collect();
    if made == Made::Transfer {
        all.extend(of_reversals(object.reversals));
    }
    all
}

fn one(made: Made, id: Raw<'_>, metadata: Raw<'_>) -> Option<Evidence> {
    // Most objects have none, and need not be read further.
    let Map(metadata): Map<Metadata<'_>> = lenient(metadata.filter(|raw| raw.get() != "{}"))?;
    let operation = non_empty(metadata.operation)?.into_owned();
    Some(Evidence { operation, made, object_id: non_empty(id)?.into_owned() })
}

/// A transfer shows its newest reversals.
fn of_reversals(reversals: Raw<'_>) -> Vec<Evidence> {
    let list = lenient::<Map<Reversals<'_>>>(reversals).and_then(|Map(list)| list.data);
    let reversals: Vec<&RawValue> = lenient(list).unwrap_or_default();
    let read = |raw: &RawValue| {
        let Map(reversal) = lenient::<Map<Reversal<'_>>>(Some(raw))?;
        one(Made::Reversal, reversal.id, reversal.metadata)
    };
    reversals.into_iter().filter_map(read).collect()
}
