//! What changes something at Stripe, and how far it has come.

use actix_web::web::to;

use super::parameters as p;
use crate::http::endpoint::{Answer, Body, Endpoint, Group, Parameter};
use crate::http::error::Code;
use crate::http::{money, onboarding, operations};
use crate::token::Role;

const KEYED: &[Parameter] = &[p::KEY.required()];
const DONE: &[Answer] = &[
    Answer::Json(201, "Operation", "It is done; Location names the operation."),
    Answer::Json(202, "Operation", "It is under way, or waits; Location names the operation."),
];
const ACCOUNT_PROBLEMS: &[Code] =
    &[Code::LinkAlreadyCreated, Code::LinkExpired, Code::ReferenceTaken];
const TRANSFER_PROBLEMS: &[Code] = &[
    Code::AccountNotPayable,
    Code::RegionNotAllowed,
    Code::BalanceInsufficient,
    Code::CurrencyNotAvailable,
    Code::TopupFailed,
];

pub(super) const ONBOARDING: Group = Group {
    name: "Onboarding",
    about: "Creates connected accounts and sends their holders to Stripe's onboarding. Needs \
            BURSAR_STRIPE_KEY.",
    endpoints: &[
        Endpoint::post("/v1/accounts", "Creates a connected account", Role::Payer, || {
            to(onboarding::create_account)
        })
        .takes(KEYED)
        .body(Body::Optional("AccountOrder"))
        .answers(DONE)
        .problems(ACCOUNT_PROBLEMS),
        Endpoint::post("/v1/accounts/{id}/persons", "Prefills a person", Role::Payer, || {
            to(onboarding::create_person)
        })
        .about("Until an onboarding link was made.")
        .takes(KEYED)
        .body(Body::Optional("PersonOrder"))
        .answers(DONE)
        .problems(ACCOUNT_PROBLEMS),
        Endpoint::post(
            "/v1/accounts/{id}/onboarding_links",
            "Makes a link to onboarding",
            Role::Payer,
            || to(onboarding::create_link),
        )
        .about("The address is for one visit, and is stored nowhere.")
        .takes(KEYED)
        .body(Body::Optional("LinkOrder"))
        .answers(&[Answer::Json(201, "Link", "Where to send the account's holder.")])
        .problems(ACCOUNT_PROBLEMS),
        Endpoint::post(
            "/onboard-user",
            "Finds or creates an account, and makes a link",
            Role::Payer,
            || to(onboarding::onboard_user),
        )
        .about("The call of the guide's mobile samples. Without a key each call is a new link.")
        .takes(&[p::KEY])
        .body(Body::Required("OnboardUserOrder"))
        .answers(&[Answer::Json(200, "OnboardedUser", "Where to send the account's holder.")])
        .problems(ACCOUNT_PROBLEMS),
    ],
};

pub(super) const MONEY: Group = Group {
    name: "Money",
    about: "Adds funds, pays accounts, takes back. Each request moves money at most once. Needs \
            BURSAR_STRIPE_KEY.",
    endpoints: &[
        Endpoint::post("/v1/topups", "Adds funds", Role::Payer, || to(money::create_topup))
            .takes(KEYED)
            .body(Body::Required("TopupOrder"))
            .answers(DONE),
        Endpoint::post("/v1/topups/{id}/cancel", "Cancels a pending top-up", Role::Payer, || {
            to(money::cancel_topup)
        })
        .takes(KEYED)
        .body(Body::Optional("Nothing"))
        .answers(&[
            Answer::Json(200, "Operation", "It is done; Location names the operation."),
            Answer::Json(202, "Operation", "It is under way; Location names the operation."),
        ]),
        Endpoint::post("/v1/transfers", "Pays a connected account", Role::Payer, || {
            to(money::create_transfer)
        })
        .about(
            "First it is looked at whether the account can be paid, whether money may go to its \
             region, and whether there is enough; a refusal for one of these calls nobody.",
        )
        .takes(KEYED)
        .body(Body::Required("TransferOrder"))
        .answers(DONE)
        .problems(TRANSFER_PROBLEMS),
        Endpoint::post(
            "/v1/transfers/{id}/reversals",
            "Takes a transfer back, all or in part",
            Role::Payer,
            || to(money::reverse_transfer),
        )
        .takes(KEYED)
        .body(Body::Optional("ReversalOrder"))
        .answers(DONE)
        .problems(TRANSFER_PROBLEMS),
    ],
};

pub(super) const OPERATIONS: Group = Group {
    name: "Operations",
    about: "What was asked of Stripe, and how far it has come.",
    endpoints: &[
        Endpoint::get("/v1/operations", "Operations", || to(operations::operations))
            .takes(&[p::STATE, p::ACTION, p::OPERATION_OBJECT, p::LIMIT, p::CURSOR, p::LIVEMODE])
            .answers(&[Answer::Tagged("OperationList", "A page of operations.")]),
        Endpoint::get("/v1/operations/{id}", "An operation", || to(operations::operation))
            .takes(&[p::LIVEMODE])
            .answers(&[Answer::Tagged("Operation", "The operation.")]),
        Endpoint::post(
            "/v1/operations/{id}/resolve",
            "A person's decision on an unknown outcome",
            Role::Operator,
            || to(operations::resolve),
        )
        .takes(&[p::LIVEMODE])
        .body(Body::Required("Resolution"))
        .answers(&[Answer::Json(200, "Operation", "The operation, decided.")])
        .problems(&[Code::InvalidBody, Code::InvalidRequest, Code::OutcomeIsKnown]),
    ],
};
