//! Calls to Stripe in an order, and at times, that no server would let a test choose.

mod links;
mod lookups;
mod money;
mod restored;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use bursar::domain::operation::{Operation, OperationState};
use bursar::domain::time::Timestamp;
use bursar::pipeline::operations::wanted::Wanted;

use crate::support::directed::{asked, present};

/// Something that a test switches while Stripe's stand-in looks at it.
#[derive(Clone, Default)]
struct Switch(Arc<AtomicBool>);

impl Switch {
    fn on(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    fn is_on(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

#[derive(Clone, Default)]
struct Counter(Arc<AtomicI64>);

impl Counter {
    /// 1 for the first.
    fn next(&self) -> i64 {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }
}

/// An operation as it was when it was begun so long ago.
fn begun(wanted: &Wanted, key: &str, seconds_ago: i64) -> Operation {
    let request = wanted.request(&asked(key), false, Vec::new());
    let then = Timestamp(present().0 - seconds_ago * 1_000_000);
    Operation::new(request, then)
}

fn codes(reasons: &[bursar::domain::operation::Reason]) -> Vec<&str> {
    reasons.iter().map(|reason| reason.code.as_str()).collect()
}

fn is_over(operation: &Operation) -> bool {
    matches!(operation.state, OperationState::Succeeded | OperationState::Refused)
}
