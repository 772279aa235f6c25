//! How an account's money is paid out: the schedule, and what stays behind.
//!
//! Accounts and their balance settings show the same schedule, each in its own words.

use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use crate::sandbox::api::refusal::Refusal;
use crate::sandbox::world::World;
use crate::sandbox::world::account::Account;
use crate::sandbox::world::json::{at, integer_at, merge, previous, text_at, truth_at};

/// Where accounts keep what their own object shows, too.
const SCHEDULE: &str = "settings.payouts.schedule";
/// And what it does not.
const APART: &str = "balance_settings";
const USUAL_DELAY_DAYS: i64 = 2;
const LONGEST_DELAY_DAYS: i64 = 31;
const LONGEST_DESCRIPTOR: usize = 22;
/// The day by its old name and by its new ones.
const DAYS: [(&str, &str); 2] =
    [("weekly_anchor", "weekly_payout_days"), ("monthly_anchor", "monthly_payout_days")];

impl World {
    pub fn balance_settings(&self, account: &str) -> Result<Value, Refusal> {
        let account = self.connected(account)?;
        Ok(view(account, account.standing(self.now).payouts_enabled))
    }

    pub fn update_balance_settings(
        &mut self,
        account: &str,
        params: &Value,
    ) -> Result<Value, Refusal> {
        let before = self.balance_settings(account)?;
        let given = params.get("payments").unwrap_or(&Value::Null);
        let update = update(given)?;
        let kept = minimums(self.connected(account)?, at_or_null(given, MINIMUMS))?;
        self.change_account(account, |account| {
            merge(&mut account.details, &update);
            agree_on_days(&mut account.details, &update);
            if let Some(kept) = kept {
                merge(&mut account.details, &json!({ APART: { "minimums": null } }));
                merge(&mut account.details, &json!({ APART: { "minimums": kept } }));
            }
        });
        let after = self.balance_settings(account)?;
        if let Some(changed) = previous(&before, &after) {
            let kind = "balance_settings.updated";
            self.emit_change(account, kind, after.clone(), Some(changed));
        }
        Ok(after)
    }
}

const MINIMUMS: &str = "payouts.minimum_balance_by_currency";

fn view(account: &Account, payouts_enabled: bool) -> Value {
    let apart = at(&account.details, APART).unwrap_or(&Value::Null);
    let delay = integer_at(&account.details, &format!("{SCHEDULE}.delay_days"));
    let mut timing = json!({
        "delay_days": delay.unwrap_or(USUAL_DELAY_DAYS), "start_of_day": at(apart, "start_of_day"),
    });
    if let (Some(days), Some(timing)) = (at(apart, "delay_days_override"), timing.as_object_mut()) {
        timing.insert("delay_days_override".to_owned(), days.clone());
    }
    json!({
        "object": "balance_settings",
        "payments": {
            "debit_negative_balances": account.debits_negative_balances(),
            "payouts": {
                "automatic_transfer_rules_by_currency": null,
                "minimum_balance_by_currency": at(apart, "minimums"),
                "schedule": schedule(account),
                "statement_descriptor":
                    text_at(&account.details, "settings.payouts.statement_descriptor"),
                "status": if payouts_enabled { "enabled" } else { "disabled" },
            },
            "settlement_timing": timing,
        },
    })
}

fn schedule(account: &Account) -> Value {
    match account.schedule() {
        // What an account's own schedule may name, and this list not, is a day of the weekend.
        "weekly" => json!({ "interval": "weekly", "weekly_payout_days": weekdays(account)
            .into_iter().filter(|day| !matches!(*day, "saturday" | "sunday")).collect::<Vec<_>>() }),
        "monthly" => {
            json!({ "interval": "monthly", "monthly_payout_days": days_of_month(account) })
        }
        interval => json!({ "interval": interval }),
    }
}

/// What an update changes, as accounts keep it; what was not given is not there.
fn update(given: &Value) -> Result<Value, Refusal> {
    let param = |name: &str| format!("payments[{}]", name.replace('.', "]["));
    let mut payouts = Map::new();
    if let Some(debit) = truth_at(given, "debit_negative_balances") {
        payouts.insert("debit_negative_balances".to_owned(), json!(debit));
    }
    if let Some(text) = given.pointer("/payouts/statement_descriptor") {
        if text.as_str().is_some_and(|text| text.len() > LONGEST_DESCRIPTOR) {
            let message = "The statement descriptor must be at most 22 characters.";
            return Err(Refusal::invalid(message).param(param("payouts.statement_descriptor")));
        }
        payouts.insert("statement_descriptor".to_owned(), text.clone());
    }
    let mut schedule = at(given, "payouts.schedule").cloned().unwrap_or_else(|| json!({}));
    let days = at(&schedule, "monthly_payout_days").and_then(Value::as_array);
    let is_day = |day: &Value| day.as_i64().is_some_and(|day| (1..=31).contains(&day));
    if days.is_some_and(|days| !days.iter().all(is_day)) {
        return Err(Refusal::invalid("Days of the month must be between 1 and 31.")
            .param(param("payouts.schedule.monthly_payout_days")));
    }
    let mut apart = Map::new();
    if let Some(start) = given.pointer("/settlement_timing/start_of_day") {
        apart.insert("start_of_day".to_owned(), start_of_day(start));
    }
    if let Some(days) = given.pointer("/settlement_timing/delay_days_override") {
        if days.as_i64().is_some_and(|days| !(0..=LONGEST_DELAY_DAYS).contains(&days)) {
            return Err(Refusal::invalid("Invalid delay_days_override: must be from 0 to 31.")
                .param(param("settlement_timing.delay_days_override")));
        }
        apart.insert("delay_days_override".to_owned(), days.clone());
        merge(&mut schedule, &json!({ "delay_days": days }));
    }
    payouts.insert("schedule".to_owned(), schedule);
    Ok(json!({ "settings": { "payouts": payouts }, APART: apart }))
}

fn start_of_day(given: &Value) -> Value {
    if given.is_null() {
        return Value::Null;
    }
    let number = |name: &str| integer_at(given, name).unwrap_or(0);
    let timezone = text_at(given, "timezone").unwrap_or("Etc/UTC");
    json!({ "hour": number("hour"), "minutes": number("minutes"), "timezone": timezone })
}

fn at_or_null<'a>(given: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(given, |value, name| value.get(name))
}

/// The minimum balances after an update, if that says anything of them: an empty value takes one
/// away, and no value at all takes every one.
fn minimums(account: &Account, given: Option<&Value>) -> Result<Option<Value>, Refusal> {
    let Some(given) = given else { return Ok(None) };
    let Some(given) = given.as_object() else { return Ok(Some(Value::Null)) };
    let known = at(&account.details, &format!("{APART}.minimums")).and_then(Value::as_object);
    let mut kept = known.cloned().unwrap_or_default();
    for (currency, amount) in given {
        let param = || format!("payments[payouts][minimum_balance_by_currency][{currency}]");
        let text = amount.as_str().unwrap_or_default();
        if text.is_empty() {
            kept.remove(currency);
            continue;
        }
        let amount = text.parse::<i64>().ok().filter(|amount| *amount >= 0);
        let amount = amount.ok_or_else(|| {
            Refusal::invalid(format!("Invalid integer: {text}"))
                .code("parameter_invalid_integer")
                .param(param())
        })?;
        kept.insert(super::check_currency(currency)?, json!(amount));
    }
    Ok(Some(if kept.is_empty() { Value::Null } else { Value::Object(kept) }))
}

/// Of the two names of a day, the one that was given last is what both say.
pub(super) fn agree_on_days(details: &mut Value, given: &Value) {
    for (anchor, days) in DAYS {
        let given_days = at(given, &format!("{SCHEDULE}.{days}")).and_then(Value::as_array);
        let change = match given_days.map(|days| days.first()) {
            Some(first) => json!({ anchor: first }),
            None if at(given, &format!("{SCHEDULE}.{anchor}")).is_some() => json!({ days: null }),
            None => continue,
        };
        merge(details, &json!({ "settings": { "payouts": { "schedule": change } } }));
    }
}

fn list_of<'a>(account: &'a Account, (anchor, days): (&str, &str)) -> Vec<&'a Value> {
    let of = |name: &str| at(&account.details, &format!("{SCHEDULE}.{name}"));
    match of(days).and_then(Value::as_array) {
        Some(days) => days.iter().collect(),
        None => of(anchor).into_iter().collect(),
    }
}

/// Days of the week on which a weekly schedule pays out.
pub(super) fn weekdays(account: &Account) -> Vec<&str> {
    let [weekly, _] = DAYS;
    let days: Vec<&str> = list_of(account, weekly).into_iter().filter_map(Value::as_str).collect();
    if days.is_empty() { vec!["monday"] } else { days }
}

/// Days of the month on which a monthly schedule pays out.
pub(super) fn days_of_month(account: &Account) -> Vec<i64> {
    let [_, monthly] = DAYS;
    let days: Vec<i64> = list_of(account, monthly).into_iter().filter_map(Value::as_i64).collect();
    if days.is_empty() { vec![1] } else { days }
}

/// What automatic payouts leave of this currency.
pub(super) fn minimum(account: &Account, currency: &str) -> i64 {
    integer_at(&account.details, &format!("{APART}.minimums.{currency}")).unwrap_or(0)
}

/// Whether the account's schedule has a payout on the day that begins then.
pub(super) fn pays_out_on(account: &Account, midnight: i64) -> bool {
    let Ok(day) = OffsetDateTime::from_unix_timestamp(midnight) else { return false };
    match account.schedule() {
        "daily" => true,
        "weekly" => {
            let today = day.weekday().to_string();
            weekdays(account).iter().any(|weekday| today.eq_ignore_ascii_case(weekday))
        }
        "monthly" => {
            // A month without that day pays out on its last.
            let last = i64::from(day.month().length(day.year()));
            days_of_month(account).iter().any(|wanted| i64::from(day.day()) == *wanted.min(&last))
        }
        _ => false,
    }
}
