//! What is known: objects, events, and what changes.

use actix_web::web::to;

use super::parameters as p;
use crate::domain::id::Kind;
use crate::http::endpoint::{Access, Answer, Endpoint, Group, Parameter};
use crate::http::error::Code;
use crate::http::{changes, events, objects};
use crate::token::Role;

const HISTORY: &str = "Every event about it, in the order that counts, with what each changed. An \
                       event that came late stands in its place.";
const HISTORY_PAGE: &[Answer] = &[Answer::Tagged("HistoryList", "A page of the history.")];
const OF_ITSELF: &[Parameter] = &[p::LIMIT, p::CURSOR, p::LIVEMODE];
const OF_AN_OWNER: &[Parameter] = &[p::OWNER, p::LIMIT, p::CURSOR, p::LIVEMODE];

pub(super) const OBJECTS: Group = Group {
    name: "Objects",
    about: "The one true status of every account, top-up, transfer and payout, by all that is known \
            of it. Lists are newest first, by first sight.",
    endpoints: &[
        Endpoint::get("/v1/accounts/{id}", "May this account be paid, and if not, why?", || {
            to(objects::account)
        })
        .takes(&[p::LIVEMODE])
        .answers(&[Answer::Tagged("Account", "The account.")]),
        Endpoint::get("/v1/payouts/{id}", "A payout: money on its way to a bank", || {
            to(objects::payout)
        })
        .takes(&[p::OWNER, p::LIVEMODE])
        .answers(&[Answer::Tagged("Payout", "The payout.")]),
        Endpoint::get("/v1/transfers/{id}", "A transfer: money to a connected account", || {
            to(objects::transfer)
        })
        .takes(&[p::LIVEMODE])
        .answers(&[Answer::Tagged("Transfer", "The transfer.")]),
        Endpoint::get("/v1/topups/{id}", "A top-up: money to the platform's balance", || {
            to(objects::topup)
        })
        .takes(&[p::LIVEMODE])
        .answers(&[Answer::Tagged("Topup", "The top-up.")]),
        Endpoint::get("/v1/balance", "The latest balance that was reported", || {
            to(objects::balance)
        })
        .takes(&[p::OWNER, p::LIVEMODE])
        .answers(&[Answer::Tagged("Balance", "The balance.")])
        .problems(&[Code::NotFound]),
        Endpoint::get("/v1/accounts", "Accounts", || to(objects::accounts))
            .takes(&[p::ACCOUNT_STATUS, p::PAYABLE, p::COUNTRY, p::LIMIT, p::CURSOR, p::LIVEMODE])
            .answers(&[Answer::Tagged("AccountList", "A page of accounts.")]),
        Endpoint::get("/v1/payouts", "Payouts, of the platform and of all accounts", || {
            to(objects::payouts)
        })
        .takes(&[p::PAYOUT_STATUS, p::ANY_OWNER, p::LIMIT, p::CURSOR, p::LIVEMODE])
        .answers(&[Answer::Tagged("PayoutList", "A page of payouts.")]),
        Endpoint::get("/v1/transfers", "Transfers", || to(objects::transfers))
            .takes(&[
                p::TRANSFER_STATUS,
                p::DESTINATION,
                p::TRANSFER_GROUP,
                p::LIMIT,
                p::CURSOR,
                p::LIVEMODE,
            ])
            .answers(&[Answer::Tagged("TransferList", "A page of transfers.")]),
        Endpoint::get("/v1/topups", "Top-ups", || to(objects::topups))
            .takes(&[p::TOPUP_STATUS, p::CURRENCY, p::LIMIT, p::CURSOR, p::LIVEMODE])
            .answers(&[Answer::Tagged("TopupList", "A page of top-ups.")]),
        Endpoint::get("/v1/accounts/{id}/history", "How an account came to its status", || {
            objects::history(Kind::Account)
        })
        .about(HISTORY)
        .takes(OF_ITSELF)
        .answers(HISTORY_PAGE),
        Endpoint::get("/v1/topups/{id}/history", "How a top-up came to its status", || {
            objects::history(Kind::Topup)
        })
        .about(HISTORY)
        .takes(OF_ITSELF)
        .answers(HISTORY_PAGE),
        Endpoint::get("/v1/transfers/{id}/history", "How a transfer came to its status", || {
            objects::history(Kind::Transfer)
        })
        .about(HISTORY)
        .takes(OF_ITSELF)
        .answers(HISTORY_PAGE),
        Endpoint::get("/v1/payouts/{id}/history", "How a payout came to its status", || {
            objects::history(Kind::Payout)
        })
        .about(HISTORY)
        .takes(OF_AN_OWNER)
        .answers(HISTORY_PAGE),
        Endpoint::get("/v1/balance/history", "The balances that were reported", || {
            to(objects::balance_history)
        })
        .takes(OF_AN_OWNER)
        .answers(HISTORY_PAGE)
        .problems(&[Code::NotFound]),
    ],
};

pub(super) const EVENTS: Group = Group {
    name: "Events",
    about: "What was received, and what became of it.",
    endpoints: &[
        Endpoint::get("/v1/events", "Events", || to(events::events))
            .takes(&[
                p::EVENT_TYPE,
                p::EVENT_OBJECT,
                p::EVENT_ACCOUNT,
                p::OUTCOME,
                p::SINCE,
                p::UNTIL,
                p::LIMIT,
                p::CURSOR,
                p::LIVEMODE,
            ])
            .answers(&[Answer::Tagged("EventList", "A page of events.")]),
        Endpoint::get("/v1/events/{id}", "An event, and in a sentence what it did", || {
            to(events::event)
        })
        .takes(&[p::LIVEMODE])
        .answers(&[Answer::Tagged("ExplainedEvent", "The event.")]),
        Endpoint::get("/v1/events/{id}/body", "The raw body, byte for byte", || to(events::body))
            .about(
                "It may hold personal data; each look is in the audit trail before it is answered.",
            )
            .access(Access::Token(Role::Operator))
            .takes(&[p::REASON, p::LIVEMODE])
            .problems(&[Code::InvalidBody])
            .answers(&[Answer::Raw("application/json", "The body, as Stripe sent it.")]),
        Endpoint::get("/v1/summary", "Counts by outcome and status; what needs eyes", || {
            to(events::summary)
        })
        .takes(&[p::LIVEMODE])
        .answers(&[Answer::Tagged("Summary", "The counts.")]),
    ],
};

pub(super) const CHANGES: Group = Group {
    name: "Changes",
    about: "What changed, in an order that stays: for other services to follow.",
    endpoints: &[
        Endpoint::get("/v1/changes", "What changed since", || to(changes::changes))
            .about(
                "Oldest first. Whoever stores `next`, and goes on from there, misses nothing and \
                 sees nothing twice.",
            )
            .takes(&[p::AFTER, p::LIMIT, p::WAIT, p::EPOCH, p::LIVEMODE])
            .answers(&[Answer::Json(200, "ChangeList", "What comes next in the feed.")])
            .problems(&[Code::FeedRestarted]),
        Endpoint::get("/v1/changes/stream", "The same, as server-sent events", || {
            to(changes::stream)
        })
        .about("Begins now unless `after` or Last-Event-ID says where. Each `data:` is a Change.")
        .takes(&[p::AFTER, p::EPOCH, p::LIVEMODE, p::LAST_EVENT_ID])
        .answers(&[Answer::Raw("text/event-stream", "Entries, for as long as you listen.")])
        .problems(&[Code::FeedRestarted]),
    ],
};
