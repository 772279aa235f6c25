//! The functions whose instructions are counted.

use std::hint::black_box;

use bursar::domain::fold::{advance, fold, settle};
use bursar::domain::id::Kind;
use bursar::http::view;
use bursar::secret::Secret;
use bursar::store::PackedBody;
use bursar::stripe::signature::{Verifier, WebhookSecret, sign};
use bursar::stripe::wire;

use crate::Error;
use crate::delivery;
use crate::samples::{self, NOW};

/// Bodies that calls are made with in turn.
const BODIES: usize = 64;
const CALLS: usize = 1_024;
/// Runs of the same program on one thread count the same, within what addresses make.
const ONE_THREAD_PERCENT: f64 = 3.0;
/// Orders of so many reports of one second are all tried.
const REPORTS_OF_ONE_SECOND: usize = 6;

pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    /// How many calls are counted.
    pub(crate) calls: usize,
    /// The least of so many counts is taken.
    pub(crate) runs: usize,
    /// More than this above the baseline is worse.
    pub(crate) tolerance_percent: f64,
    /// Prepares, warms up, and makes so many calls.
    pub(crate) run: fn(usize) -> Result<(), Error>,
}

pub(crate) const CASES: &[Case] = &[
    on_one_thread("verify", "the signature of a delivery, one secret", verify),
    on_one_thread("read", "an account.updated of 4.6 kB into the domain's words", read),
    on_one_thread("pack", "its body with zstd and the dictionary", pack),
    on_one_thread("unpack", "and back", unpack),
    on_one_thread("encode", "its journal record, checksum included", encode),
    on_one_thread("advance", "fold a newer report onto the account held", advance_one),
    on_one_thread("fold", "16 reports of 16 seconds, with history", fold_all),
    on_one_thread("settle-second", "6 reports of one second, all orders tried", settle_second),
    on_one_thread("object-row", "an account to the bytes of a derived row", object_row),
    on_one_thread("view", "an account to the JSON of a status read", view_account),
    Case {
        name: "receive",
        what: "a delivery on its whole way, less HTTP and the signature",
        calls: delivery::COUNTED,
        runs: delivery::RUNS,
        tolerance_percent: delivery::TOLERANCE_PERCENT,
        run: delivery::receive,
    },
];

const fn on_one_thread(
    name: &'static str,
    what: &'static str,
    run: fn(usize) -> Result<(), Error>,
) -> Case {
    Case { name, what, calls: CALLS, runs: 1, tolerance_percent: ONE_THREAD_PERCENT, run }
}

/// Goes through the inputs once to warm up, and then makes so many calls.
fn repeat<T, O>(inputs: &[T], calls: usize, call: impl Fn(&T) -> O) {
    for input in inputs.iter().chain(inputs.iter().cycle().take(calls)) {
        black_box(call(black_box(input)));
    }
}

fn verify(calls: usize) -> Result<(), Error> {
    let secret = WebhookSecret::new("bench", Secret::new("whsec_bench".to_owned()));
    let verifier = Verifier::new(&[secret], 0);
    let signed = |body: String| (sign("whsec_bench", body.as_bytes(), NOW.signed_seconds()), body);
    let inputs: Vec<_> = samples::bodies(BODIES)?.into_iter().map(signed).collect();
    repeat(&inputs, calls, |(signature, body)| {
        verifier.verify(signature.as_bytes(), body.as_bytes(), NOW.signed_seconds()).is_ok()
    });
    Ok(())
}

fn read(calls: usize) -> Result<(), Error> {
    repeat(&samples::bodies(BODIES)?, calls, |body| wire::read(body.as_bytes(), NOW));
    Ok(())
}

fn pack(calls: usize) -> Result<(), Error> {
    repeat(&samples::bodies(BODIES)?, calls, |body| PackedBody::pack(body.as_bytes()));
    Ok(())
}

fn unpack(calls: usize) -> Result<(), Error> {
    let bodies = samples::bodies(BODIES)?;
    let packed: Vec<_> = bodies.iter().map(|body| PackedBody::pack(body.as_bytes())).collect();
    repeat(&packed, calls, PackedBody::unpack);
    Ok(())
}

fn encode(calls: usize) -> Result<(), Error> {
    repeat(&samples::records()?, calls, |record| {
        let mut bytes = Vec::with_capacity(4 << 10);
        record.encode(&mut bytes).map(|()| bytes)
    });
    Ok(())
}

fn advance_one(calls: usize) -> Result<(), Error> {
    let (_, reports) = samples::reports()?;
    let step = |count: usize| {
        let (known, rest) = reports.split_at(count);
        Ok((samples::progress(known)?, rest.first().ok_or("there is a next")?))
    };
    let steps = (1..reports.len()).map(step).collect::<Result<Vec<_>, Error>>()?;
    repeat(&steps, calls, |(held, report)| advance(Kind::Account, held, report));
    Ok(())
}

fn fold_all(calls: usize) -> Result<(), Error> {
    let (_, reports) = samples::reports()?;
    repeat(&[reports], calls, |reports| fold(Kind::Account, reports, None));
    Ok(())
}

fn settle_second(calls: usize) -> Result<(), Error> {
    let reports = samples::reports_of_one_second(REPORTS_OF_ONE_SECOND)?;
    repeat(&[reports], calls, |reports| settle(Kind::Account, reports, None));
    Ok(())
}

/// As the store does it, whose own function is not in reach.
fn object_row(calls: usize) -> Result<(), Error> {
    repeat(&samples::objects()?, calls, |object| {
        postcard::to_allocvec(object).map(|bytes| PackedBody::pack(&bytes).to_bytes())
    });
    Ok(())
}

fn view_account(calls: usize) -> Result<(), Error> {
    repeat(&samples::objects()?, calls, |object| view::object(object).into_json());
    Ok(())
}
