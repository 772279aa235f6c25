//! Operations, as a caller sees them.

use serde_json::{Value, json};

use crate::domain::operation::{
    Operation, OperationError, OperationState, Reason, Settled, TransferTerms,
};
use crate::http::view::Fields;
use crate::pipeline::portable::to_rfc3339;

pub fn operation(operation: &Operation) -> Fields {
    let mut fields = Fields::new();
    fields
        .put("id", &operation.id)
        .put("livemode", operation.livemode)
        .put("action", operation.action.word())
        .put("state", operation.state.word())
        .put("explanation", explanation(operation))
        .put("object_id", &operation.object_id)
        .put_json("object", operation.object.as_ref())
        .put("subject", &operation.subject)
        .put("terms", operation.terms.as_ref().map(terms))
        .put("idempotency_key", &operation.client_key)
        .put("requested_by", &operation.by)
        .put("requested_at", to_rfc3339(operation.requested_at))
        .put("updated_at", to_rfc3339(operation.updated_at))
        .put("attempt", operation.attempt)
        .put("sent_at", operation.sent_at.map(to_rfc3339))
        .put("request_id", &operation.request_id)
        .put("error", operation.error.as_ref().map(error))
        .put("reasons", reasons(&operation.reasons))
        .put("warnings", reasons(&operation.warnings))
        .put("settled", operation.settled.as_ref().map(settled))
        .put("version", operation.version);
    fields
}

pub fn reasons(reasons: &[Reason]) -> Value {
    let one = |reason: &Reason| json!({ "code": reason.code, "detail": reason.detail });
    reasons.iter().map(one).collect()
}

pub fn error(error: &OperationError) -> Value {
    let OperationError { status, kind, code, message, param } = error;
    json!({ "status": status, "type": kind, "code": code, "message": message, "param": param })
}

/// What a transfer is to be, known before Stripe has made it.
fn terms(terms: &TransferTerms) -> Value {
    let TransferTerms { amount, currency, destination, transfer_group, wait_for_funds, topup } =
        terms;
    json!({
        "amount": amount, "currency": currency, "destination": destination,
        "transfer_group": transfer_group, "wait_for_funds": wait_for_funds, "topup": topup,
    })
}

fn settled(settled: &Settled) -> Value {
    match settled {
        Settled::Answer => json!({ "by": "answer" }),
        Settled::Event { id } => json!({ "by": "event", "event_id": id }),
        Settled::Lookup => json!({ "by": "lookup" }),
        Settled::Operator { name, reason } => {
            json!({ "by": "operator", "name": name, "reason": reason })
        }
        Settled::Bursar => json!({ "by": "bursar" }),
    }
}

/// How it stands, in a sentence.
fn explanation(operation: &Operation) -> String {
    let message = operation.error.as_ref().map(|error| error.message.as_str());
    match (operation.state, message) {
        (OperationState::Requested, None) => "It is about to be sent to Stripe.".to_owned(),
        (OperationState::Requested, Some(why)) => {
            format!("It did not reach Stripe ({why}), and is sent again.")
        }
        (OperationState::WaitingForFunds, None) => "It is sent when its money is there.".to_owned(),
        (OperationState::WaitingForFunds, Some(why)) => {
            format!("Stripe says that its money is not there ({why}); it is sent again when it is.")
        }
        (OperationState::Sent, _) => "Stripe was called, and has not answered yet.".to_owned(),
        (OperationState::Succeeded, _) => "Stripe has done it.".to_owned(),
        (OperationState::Refused, Some(why)) => format!("Nothing was done: {why}"),
        (OperationState::Refused, None) => {
            let details = operation.reasons.iter().map(|reason| reason.detail.as_str());
            format!("Nothing was done: {}", details.collect::<Vec<_>>().join("; "))
        }
        (OperationState::Unknown, why) => format!(
            "What became of it is not known ({}); that is being found out.",
            why.unwrap_or("no answer")
        ),
    }
}
