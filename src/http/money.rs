//! Adding funds, and moving them to connected accounts.

use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};

use crate::domain::id::Kind;
use crate::domain::operation::{Params, TransferTerms};
use crate::http::Handles;
use crate::http::auth::Payer;
use crate::http::error::ApiError;
use crate::http::input::Input;
use crate::http::operations::{check_path_id, place};
use crate::pipeline::operations::wanted::Wanted;

/// What a bank shows; Stripe's bound.
pub(super) const LONGEST_STATEMENT: usize = 15;
pub(super) const LONGEST_GROUP: usize = 255;
pub(super) const LONGEST_DESCRIPTION: usize = 1_000;

pub(super) async fn create_topup(
    request: HttpRequest,
    payer: Payer,
    payload: Payload,
    handles: Data<Handles>,
) -> Result<HttpResponse, ApiError> {
    place(request, payer, payload, &handles, |input| Some(topup(input))).await
}

fn topup(input: &mut Input) -> Wanted {
    let mut params = Params::default();
    amount(input, &mut params, true);
    let currency = input.currency("currency");
    let currency = input.required("currency", currency);
    put(&mut params, "currency", currency);
    let description = input.text("description", LONGEST_DESCRIPTION);
    put(&mut params, "description", description);
    let statement = input.text("statement_descriptor", LONGEST_STATEMENT);
    if statement.as_ref().is_some_and(|text| !is_statement(text)) {
        let detail = "must be ASCII, with a letter, and without <, >, \\, ', \" and *";
        input.problem("statement_descriptor", detail);
    }
    put(&mut params, "statement_descriptor", statement);
    let group = input.text("transfer_group", LONGEST_GROUP);
    put(&mut params, "transfer_group", group);
    input.pass_text("source", &mut params);
    input.pass_metadata(&mut params);
    Wanted::Topup { params }
}

fn is_statement(text: &str) -> bool {
    let plain = |c: char| (c.is_ascii_graphic() || c == ' ') && !"<>\\'\"*".contains(c);
    text.chars().all(plain) && text.chars().any(|c| c.is_ascii_alphabetic())
}

pub(super) async fn cancel_topup(
    request: HttpRequest,
    payer: Payer,
    id: Path<String>,
    payload: Payload,
    handles: Data<Handles>,
) -> Result<HttpResponse, ApiError> {
    let topup = check_path_id(Kind::Topup, id.into_inner())?;
    place(request, payer, payload, &handles, |_| Some(Wanted::CancelTopup { topup })).await
}

pub(super) async fn create_transfer(
    request: HttpRequest,
    payer: Payer,
    payload: Payload,
    handles: Data<Handles>,
) -> Result<HttpResponse, ApiError> {
    place(request, payer, payload, &handles, transfer).await
}

fn transfer(input: &mut Input) -> Option<Wanted> {
    let mut params = Params::default();
    let amount = amount(input, &mut params, true);
    let currency = input.currency("currency");
    let currency = input.required("currency", currency);
    put(&mut params, "currency", currency.clone());
    let destination = input.id("destination", Kind::Account);
    let destination = input.required("destination", destination);
    put(&mut params, "destination", destination.clone());
    let transfer_group = input.text("transfer_group", LONGEST_GROUP);
    put(&mut params, "transfer_group", transfer_group.clone());
    let description = input.text("description", LONGEST_DESCRIPTION);
    put(&mut params, "description", description);
    input.pass_metadata(&mut params);
    let wait_for_funds = input.boolean("wait_for_funds").unwrap_or(false);
    let topup = input.id("topup", Kind::Topup);
    if topup.is_some() && !wait_for_funds {
        input.problem("topup", "goes with wait_for_funds only");
    }
    let (amount, currency, destination) = (amount?, currency?, destination?);
    let terms =
        TransferTerms { amount, currency, destination, transfer_group, wait_for_funds, topup };
    Some(Wanted::Transfer { terms, params })
}

pub(super) async fn reverse_transfer(
    request: HttpRequest,
    payer: Payer,
    id: Path<String>,
    payload: Payload,
    handles: Data<Handles>,
) -> Result<HttpResponse, ApiError> {
    let transfer = check_path_id(Kind::Transfer, id.into_inner())?;
    place(request, payer, payload, &handles, |input| Some(reversal(transfer, input))).await
}

fn reversal(transfer: String, input: &mut Input) -> Wanted {
    let mut params = Params::default();
    // Without an amount all that is left goes back.
    amount(input, &mut params, false);
    let description = input.text("description", LONGEST_DESCRIPTION);
    put(&mut params, "description", description);
    input.pass_metadata(&mut params);
    Wanted::Reversal { transfer, params }
}

fn amount(input: &mut Input, params: &mut Params, required: bool) -> Option<i64> {
    let mut amount = input.amount("amount");
    if required {
        amount = input.required("amount", amount);
    }
    put(params, "amount", amount.map(|amount| amount.to_string()));
    amount
}

fn put(params: &mut Params, name: &str, value: Option<String>) {
    params.0.extend(value.map(|value| (name.to_owned(), value)));
}
