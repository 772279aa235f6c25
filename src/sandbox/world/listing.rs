//! Lists: filtered, newest first, page by page.

use serde_json::{Value, json};

use crate::sandbox::api::refusal::Refusal;
use crate::sandbox::world::event::Event;
use crate::sandbox::world::json::{at, integer_at, text_at, truth_at};
use crate::sandbox::world::outbox::Standing;
use crate::sandbox::world::{DAY, World};

const USUAL_LIMIT: i64 = 10;
const LARGEST_LIMIT: i64 = 100;
const EVENTS_KEPT_DAYS: i64 = 30;
const MOST_TYPES: usize = 20;

/// A page of what is there, newest first, by the cursors and the limit of the call.
fn page(url: &str, newest_first: Vec<Value>, params: &Value) -> Result<Value, Refusal> {
    let limit = integer_at(params, "limit").unwrap_or(USUAL_LIMIT);
    if !(1..=LARGEST_LIMIT).contains(&limit) {
        let (bound, word) = if limit < 1 { (1, "greater") } else { (LARGEST_LIMIT, "less") };
        return Err(Refusal::invalid(format!(
            "This value must be {word} than or equal to {bound}."
        ))
        .code("parameter_invalid_integer")
        .param("limit"));
    }
    let limit = usize::try_from(limit).unwrap_or(1);
    let (after, before) = (text_at(params, "starting_after"), text_at(params, "ending_before"));
    if after.is_some() && before.is_some() {
        return Err(Refusal::invalid(
            "You can only specify one of these parameters: starting_after, ending_before.",
        ));
    }
    let place = |id: &str, param: &str| {
        let found = newest_first.iter().position(|object| text_at(object, "id") == Some(id));
        found.ok_or_else(|| Refusal::no_such("object", id, param))
    };
    let (from, to) = match (after, before) {
        (Some(id), _) => (place(id, "starting_after")? + 1, newest_first.len()),
        (None, Some(id)) => {
            let end = place(id, "ending_before")?;
            (0, end)
        }
        (None, None) => (0, newest_first.len()),
    };
    // Before a cursor, the page is the one that ends there.
    let (from, to) = match before {
        Some(_) => (to.saturating_sub(limit), to),
        None => (from, to.min(from + limit)),
    };
    let has_more = if before.is_some() { from > 0 } else { to < newest_first.len() };
    let data: Vec<Value> = newest_first.into_iter().take(to).skip(from).collect();
    Ok(json!({ "object": "list", "data": data, "has_more": has_more, "url": url }))
}

/// Whether a time lies where a filter wants it: exactly there, or within bounds.
fn is_within(time: i64, filter: Option<&Value>) -> bool {
    let Some(filter) = filter.filter(|filter| !filter.is_null()) else { return true };
    if let Some(exactly) = filter.as_i64() {
        return time == exactly;
    }
    let bound = |name: &str| integer_at(filter, name);
    bound("gt").is_none_or(|bound| time > bound)
        && bound("gte").is_none_or(|bound| time >= bound)
        && bound("lt").is_none_or(|bound| time < bound)
        && bound("lte").is_none_or(|bound| time <= bound)
}

/// Whether a view has what the call asks for in these fields, and was made when it asks.
fn fits(view: &Value, params: &Value, fields: &[&str]) -> bool {
    let created = integer_at(view, "created").unwrap_or(0);
    let same = |field: &&str| match (at(params, field), at(view, field)) {
        (Some(Value::Object(_)), Some(is)) => {
            is_within(is.as_i64().unwrap_or(0), params.get(*field))
        }
        (Some(wanted), is) => is == Some(wanted),
        (None, _) => true,
    };
    is_within(created, params.get("created")) && fields.iter().all(same)
}

impl World {
    pub fn list_accounts(&self, params: &Value) -> Result<Value, Refusal> {
        let accounts = self.accounts.iter().rev().filter(|account| !account.is_platform);
        let views = accounts.map(|account| account.view(self.now));
        let views = views.filter(|view| fits(view, params, &[])).collect();
        page("/v1/accounts", views, params)
    }

    pub fn list_persons(&self, account: &str, params: &Value) -> Result<Value, Refusal> {
        let account = self.connected(account)?;
        let wanted = at(params, "relationship").and_then(Value::as_object);
        let fits = |view: &Value| {
            wanted
                .into_iter()
                .flatten()
                .all(|(name, is)| at(view, &format!("relationship.{name}")) == Some(is))
        };
        let views = account.persons.iter().rev().map(|person| person.view(account, self.now));
        page(&format!("/v1/accounts/{}/persons", account.id), views.filter(fits).collect(), params)
    }

    pub fn list_banks(&self, account: &str, params: &Value) -> Result<Value, Refusal> {
        let account = self.connected(account)?;
        let views = account.banks.iter().rev().map(|bank| bank.view(&account.id));
        let views = views.filter(|view| fits(view, params, &["object"])).collect();
        page(&format!("/v1/accounts/{}/external_accounts", account.id), views, params)
    }

    pub fn list_capabilities(&self, account: &str) -> Result<Value, Refusal> {
        let account = self.connected(account)?;
        let names = account.requested.keys();
        let views: Vec<Value> = names.map(|name| account.capability_view(name, self.now)).collect();
        let url = format!("/v1/accounts/{}/capabilities", account.id);
        Ok(json!({ "object": "list", "data": views, "has_more": false, "url": url }))
    }

    pub fn list_topups(&self, params: &Value) -> Result<Value, Refusal> {
        let views = self.topups.iter().rev().map(super::topup::Topup::view);
        let views = views.filter(|view| fits(view, params, &["amount", "status"])).collect();
        page("/v1/topups", views, params)
    }

    pub fn list_transfers(&self, params: &Value) -> Result<Value, Refusal> {
        let views = self.transfers.iter().rev().map(super::transfer::Transfer::view);
        let fields = ["destination", "transfer_group"];
        page("/v1/transfers", views.filter(|view| fits(view, params, &fields)).collect(), params)
    }

    pub fn list_reversals(&self, transfer: &str, params: &Value) -> Result<Value, Refusal> {
        let reversals = self.known_transfer(transfer)?.reversals.iter().rev();
        let views = reversals.map(super::transfer::Reversal::view).collect();
        page(&format!("/v1/transfers/{transfer}/reversals"), views, params)
    }

    pub fn list_payouts(&self, account: &str, params: &Value) -> Result<Value, Refusal> {
        let own = self.payouts.iter().rev().filter(|payout| payout.account == account);
        let views = own.map(super::payout::Payout::view);
        let fields = ["arrival_date", "destination", "status"];
        page("/v1/payouts", views.filter(|view| fits(view, params, &fields)).collect(), params)
    }

    pub fn list_transactions(&self, account: &str, params: &Value) -> Result<Value, Refusal> {
        let transactions = self.connected(account)?.ledger.transactions.iter().rev();
        let views = transactions.map(|transaction| transaction.view(self.now));
        let fields = ["currency", "source", "type"];
        let views = views.filter(|view| fits(view, params, &fields)).collect();
        page("/v1/balance_transactions", views, params)
    }

    pub fn transaction(&self, account: &str, id: &str) -> Result<Value, Refusal> {
        let transaction = self.connected(account)?.ledger.transactions.get(id);
        let transaction =
            transaction.ok_or_else(|| Refusal::not_found("balance transaction", id))?;
        Ok(transaction.view(self.now))
    }

    pub fn list_endpoints(&self, params: &Value) -> Result<Value, Refusal> {
        let endpoints = self.outbox.endpoints.iter().rev();
        let views = endpoints.map(super::endpoint::Endpoint::view).collect();
        page("/v1/webhook_endpoints", views, params)
    }

    pub fn endpoint(&self, id: &str) -> Result<Value, Refusal> {
        let endpoint = self.outbox.endpoints.get(id);
        let endpoint = endpoint.ok_or_else(|| Refusal::not_found("webhook endpoint", id))?;
        Ok(endpoint.view())
    }

    /// Events are those of the platform, or those of one connected account, of thirty days.
    fn is_shown(&self, event: &Event, account: &str) -> bool {
        let owner = event.account.as_deref().unwrap_or(&self.platform);
        owner == account && event.created >= self.now - EVENTS_KEPT_DAYS * DAY
    }

    pub fn list_events(&self, account: &str, params: &Value) -> Result<Value, Refusal> {
        let kinds = wanted_kinds(params)?;
        let delivered = truth_at(params, "delivery_success");
        let wanted = |event: &&Event| {
            let kind = event.kind;
            let is_kind = kinds.is_empty()
                || kinds.iter().any(|wanted| match wanted.strip_suffix('*') {
                    Some(group) => kind.starts_with(group),
                    None => kind == *wanted,
                });
            let is_delivered = || {
                let mut all = self.outbox.of(&event.id);
                all.all(|delivery| delivery.standing == Standing::Delivered)
            };
            self.is_shown(event, account)
                && is_kind
                && is_within(event.created, params.get("created"))
                && delivered.is_none_or(|delivered| is_delivered() == delivered)
        };
        let events = self.events.iter().rev().filter(wanted);
        page("/v1/events", events.map(|event| self.event_view(event)).collect(), params)
    }

    pub fn event(&self, account: &str, id: &str) -> Result<Value, Refusal> {
        let event = self.events.get(id).filter(|event| self.is_shown(event, account));
        let event = event.ok_or_else(|| Refusal::not_found("event", id))?;
        Ok(self.event_view(event))
    }

    /// Sends an event once more: to one endpoint, or to all that were owed it.
    pub fn retry_event(&mut self, id: &str, params: &Value) -> Result<Value, Refusal> {
        let event = self.events.get(id).ok_or_else(|| Refusal::not_found("event", id))?;
        if truth_at(params, "for_stripecli") == Some(true) {
            let view = self.event_view(event);
            self.tell_again(id);
            return Ok(view);
        }
        let now = self.now;
        let endpoints: Vec<String> = match text_at(params, "webhook_endpoint") {
            Some(endpoint) => {
                let known = self.outbox.endpoints.get(endpoint).is_some();
                let refusal = || Refusal::no_such("webhook endpoint", endpoint, "webhook_endpoint");
                vec![known.then(|| endpoint.to_owned()).ok_or_else(refusal)?]
            }
            None => self.outbox.of(id).map(|delivery| delivery.endpoint.clone()).collect(),
        };
        let event = event.clone();
        for endpoint in endpoints {
            self.outbox.owe(id, &endpoint, now);
        }
        Ok(self.event_view(&event))
    }
}

/// The types that a call asks for, by one name or by several, and not by both.
fn wanted_kinds(params: &Value) -> Result<Vec<&str>, Refusal> {
    let list = at(params, "types").and_then(Value::as_array);
    let one = text_at(params, "type");
    if one.is_some() && list.is_some() {
        return Err(Refusal::invalid("You may only specify one of these parameters: type, types."));
    }
    let kinds: Vec<&str> = list.into_iter().flatten().filter_map(Value::as_str).collect();
    if kinds.len() > MOST_TYPES {
        let message = format!("You can only filter by up to {MOST_TYPES} types.");
        return Err(Refusal::invalid(message).param("types"));
    }
    Ok(one.into_iter().chain(kinds).collect())
}
