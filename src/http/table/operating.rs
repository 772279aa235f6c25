//! What operators do.

use actix_web::Route;
use actix_web::web::to;

use super::parameters as p;
use crate::domain::id::Kind;
use crate::http::endpoint::{Access, Answer, Body, Endpoint, Group};
use crate::http::error::Code;
use crate::http::{audit, backfills, erase, operate, refetch};
use crate::token::Role;

const BECAUSE: Body = Body::Optional("Because");
const RECEIPT: &[Answer] = &[Answer::Json(200, "Receipt", "The event that tells of it.")];

/// A fetch of an object from Stripe, whichever it is.
const fn fetches(path: &'static str, summary: &'static str, route: fn() -> Route) -> Endpoint {
    Endpoint::post(path, summary, Role::Operator, route)
        .about("Takes it in as an event of its own, with the source `refetch`.")
        .body(BECAUSE)
        .answers(RECEIPT)
        .problems(&[
            Code::InvalidBody,
            Code::NotFound,
            Code::OtherMode,
            Code::StripeKeyMissing,
            Code::StripeRefused,
            Code::StripeUnavailable,
        ])
}

pub(super) const REPAIR: Group = Group {
    name: "Repair",
    about: "Applies events again. Neither can move money.",
    endpoints: &[
        Endpoint::post("/v1/replays", "Applies events without a signature", Role::Operator, || {
            to(operate::replays)
        })
        .about(
            "Rules of order and repetition are those of a delivery; the source is \
             `replay:TOKENNAME`. All are checked before any is stored.",
        )
        .takes(&[p::DRY_RUN, p::LIVEMODE])
        .body(Body::Required("Replay"))
        .answers(&[Answer::Json(200, "Receipts", "What became of each.")])
        .problems(&[Code::InvalidBody, Code::NotAnEvent, Code::NotFound]),
        Endpoint::post(
            "/v1/events/{id}/redrive",
            "Tries a parked event again",
            Role::Operator,
            || to(operate::redrive),
        )
        .takes(&[p::DRY_RUN, p::LIVEMODE])
        .body(BECAUSE)
        .answers(&[Answer::Json(200, "Receipt", "What became of it.")])
        .problems(&[Code::InvalidBody, Code::NotParked]),
        Endpoint::post("/v1/redrives", "Tries all parked events again", Role::Operator, || {
            to(operate::redrives)
        })
        .about("Those of one partition, oldest first.")
        .takes(&[p::DRY_RUN, p::LIVEMODE])
        .body(BECAUSE)
        .answers(&[Answer::Json(200, "Receipts", "What became of each.")])
        .problems(&[Code::InvalidBody]),
    ],
};

pub(super) const AUDIT: Group = Group {
    name: "Audit",
    about: "What operators did: on disk before it had an effect.",
    endpoints: &[Endpoint::get("/v1/audit", "Acts of operators", || to(audit::trail))
        .about("Newest first. Dry runs leave no entry, nor what was refused before it began.")
        .access(Access::Token(Role::Operator))
        .takes(&[
            p::ACTOR,
            p::AUDIT_ACTION,
            p::ACTED_SINCE,
            p::ACTED_UNTIL,
            p::LIMIT,
            p::CURSOR,
            p::LIVEMODE,
        ])
        .answers(&[Answer::Tagged("AuditList", "A page of the audit trail.")])],
};

pub(super) const PRIVACY: Group = Group {
    name: "Privacy",
    about: "Takes out what is personal, for good. Ids, statuses and histories stay.",
    endpoints: &[Endpoint::post(
        "/v1/accounts/{id}/erase",
        "Removes personal data of an account",
        Role::Operator,
        || to(erase::erase),
    )
    .about(
        "Of every stored body about the account only what the rules read is left. Done again, it \
         finds nothing more to do. What comes later is stored as ever.",
    )
    .takes(&[p::LIVEMODE])
    .body(BECAUSE)
    .answers(&[Answer::Json(200, "Erased", "How much was reduced.")])
    .problems(&[Code::InvalidBody, Code::OperationsOpen, Code::CopiesInFolder])],
};

pub(super) const FETCHING: Group = Group {
    name: "Fetching",
    about: "Fetches from Stripe what did not arrive, or is in doubt. Needs BURSAR_STRIPE_KEY.",
    endpoints: &[
        Endpoint::get("/v1/backfills", "The last backfills", || to(backfills::backfills))
            .answers(&[Answer::Json(200, "BackfillList", "The last few since the start.")])
            .problems(&[Code::StripeKeyMissing]),
        Endpoint::post("/v1/backfills", "Fetches missed events", Role::Operator, || {
            to(backfills::ask)
        })
        .about("Answers at once; the run goes on. Who asks while one goes on joins it.")
        .takes(&[p::FULL, p::LIVEMODE])
        .body(BECAUSE)
        .answers(&[Answer::Json(202, "Backfill", "The run, of which Location tells more.")])
        .problems(&[Code::InvalidBody, Code::OtherMode, Code::StripeKeyMissing]),
        Endpoint::get("/v1/backfills/{id}", "How far a backfill is", || to(backfills::backfill))
            .answers(&[Answer::Json(200, "Backfill", "The run.")])
            .problems(&[Code::StripeKeyMissing]),
        fetches("/v1/accounts/{id}/refetch", "Fetches an account as it is now", || {
            refetch::refetch(Kind::Account)
        })
        .takes(&[p::LIVEMODE]),
        fetches("/v1/topups/{id}/refetch", "Fetches a top-up as it is now", || {
            refetch::refetch(Kind::Topup)
        })
        .takes(&[p::LIVEMODE]),
        fetches("/v1/transfers/{id}/refetch", "Fetches a transfer as it is now", || {
            refetch::refetch(Kind::Transfer)
        })
        .takes(&[p::LIVEMODE]),
        fetches("/v1/payouts/{id}/refetch", "Fetches a payout as it is now", || {
            refetch::refetch(Kind::Payout)
        })
        .takes(&[p::OWNER, p::LIVEMODE]),
        fetches("/v1/balance/refetch", "Fetches a balance as it is now", || to(refetch::balance))
            .takes(&[p::OWNER, p::LIVEMODE]),
    ],
};
