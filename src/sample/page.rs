//! The page: what a maker sees of being paid.
//!
//! [`panel`] is all of it that changes. The same text is in the page as it is first sent, and in
//! what the page is told later, so it works without a script, too.

use std::fmt::Write;

use serde_json::Value;

use crate::sample::bursar::{Bursar, Standing, Trouble};
use crate::sample::markup::{badge, day, escaped, integer, money, text};
use crate::sample::users::{User, random};

/// What is said above everything else.
pub(super) enum Notice {
    /// The user came back from onboarding.
    Returned,
    Trouble(Trouble),
}

const RETURNED: &str = "Welcome back. Whether that was everything, Stripe says: it stands below as soon as it is known.";

pub(super) async fn whole(user: &User, bursar: &Bursar, notice: Option<Notice>) -> String {
    let panel = panel(user, bursar).await;
    let notice = match notice {
        Some(Notice::Returned) => format!("<p class=\"notice\" role=\"status\">{RETURNED}</p>"),
        Some(Notice::Trouble(trouble)) => {
            format!("<p class=\"notice trouble\" role=\"alert\">{}</p>", escaped(&trouble))
        }
        None => String::new(),
    };
    let values = [
        ("{{notice}}", notice),
        ("{{panel}}", panel),
        ("{{reference}}", escaped(&user.reference)),
        ("{{key}}", random(12)),
    ];
    let page = include_str!("page.html").to_owned();
    values.into_iter().fold(page, |page, (name, value)| page.replace(name, &value))
}

/// How the user stands, as bursar knows it now.
pub(super) async fn panel(user: &User, bursar: &Bursar) -> String {
    let Some(account) = &user.account else {
        return invitation();
    };
    match bursar.standing(account).await {
        Ok(standing) => format!("{}{}", of_account(&standing.account), of_money(&standing)),
        Err(trouble) => format!(
            "<section class=\"card\"><h2>One moment</h2><p>{}</p></section>",
            escaped(&trouble)
        ),
    }
}

fn invitation() -> String {
    let text = "Fernhill sells what you make, and pays you out to your bank. Stripe asks who you \
                are and where your money should go; we never see those details.";
    format!(
        "<section class=\"card\"><h2>Get paid for what you make</h2><p>{text}</p>{}</section>",
        button("Connect", "connect")
    )
}

fn button(label: &str, id: &str) -> String {
    format!(
        "<form method=\"post\" action=\"/onboard-user\">\
         <button class=\"first\" id=\"{id}\">{label}</button></form>"
    )
}

/// What is asked of the user: what bursar calls `next_action`.
fn of_account(account: &Value) -> String {
    let (status, action) = (text(account, "status"), text(account, "next_action"));
    let (title, advice) = match (action, status) {
        ("collect_information", "onboarding") => {
            ("You are not finished yet", "Stripe needs a few details before you can be paid.")
        }
        ("collect_information", "restricted_soon") => (
            "Stripe will need more from you",
            "You can be paid for now, and later only if it has them in time.",
        ),
        ("collect_information", _) => {
            ("Stripe needs more from you", "You cannot be paid until it has what is missing.")
        }
        ("wait_for_review", _) => {
            ("Stripe is checking your details", "There is nothing to do for you now.")
        }
        ("contact_stripe", _) => {
            ("You cannot be paid", "Please write to us: only Stripe can change this.")
        }
        ("none", _) => ("You can be paid", "What you earn goes to your bank by itself."),
        _ => ("Your account is being made", "This takes a moment."),
    };
    let mut html = format!(
        "<section class=\"card\" aria-labelledby=\"title\"><div class=\"row\">\
         <h2 id=\"title\">{title}</h2>{}</div><p>{advice}</p>",
        if status.is_empty() { String::new() } else { badge(status) },
    );
    if let Some(deadline) = account.get("deadline").and_then(Value::as_i64) {
        write!(html, "<p>By <strong>{}</strong>.</p>", day(deadline)).ok();
    }
    if action == "collect_information" {
        html.push_str(&missing(account));
        html.push_str(&button("Continue onboarding", "continue"));
    }
    let explanation = text(account, "explanation");
    if !explanation.is_empty() {
        write!(
            html,
            "<p class=\"why\"><span>bursar says</span> {} <code>{}</code></p>",
            escaped(explanation),
            escaped(text(account, "id")),
        )
        .ok();
    }
    html.push_str("</section>");
    html
}

/// Requirements, in the words that Stripe has for them.
fn missing(account: &Value) -> String {
    let blockers = account.get("blockers").and_then(Value::as_array);
    let names: Vec<&str> = blockers.into_iter().flatten().filter_map(Value::as_str).collect();
    if names.is_empty() {
        return String::new();
    }
    let item = |name: &&str| format!("<li><code>{}</code></li>", escaped(name));
    let items: Vec<String> = names.iter().map(item).collect();
    format!(
        "<details><summary>What is missing ({})</summary><ul>{}</ul></details>",
        names.len(),
        items.concat()
    )
}

fn of_money(standing: &Standing) -> String {
    let Standing { account: _, balance, transfers, waiting, payouts } = standing;
    let nothing = transfers.is_empty() && waiting.is_empty() && payouts.is_empty();
    let mut html = String::from(
        "<section class=\"card\" aria-labelledby=\"money\"><h2 id=\"money\">Your money</h2>",
    );
    if nothing {
        html.push_str("<p>Nothing yet. What you earn shows here.</p></section>");
        return html;
    }
    let sum = |name: &str| {
        let entries = balance.get(name).and_then(Value::as_array);
        money(entries.into_iter().flatten().map(|entry| integer(entry, "amount")).sum())
    };
    if let Some(told) = balance.get("as_of").map(|as_of| integer(as_of, "created")) {
        write!(
            html,
            "<p class=\"told\">As Stripe last told, on {}:</p>\
             <dl class=\"sums\"><div><dt>For your bank</dt><dd>{}</dd></div>\
             <div><dt>Not settled yet</dt><dd>{}</dd></div></dl>",
            day(told),
            sum("available"),
            sum("pending"),
        )
        .ok();
    }
    let waits = waiting
        .iter()
        .map(|operation| row(amount_of(operation), "waits for our funds", "", "waiting_for_funds"));
    let earned = transfers.iter().map(|transfer| {
        let group = text(transfer, "id");
        row(integer(transfer, "amount"), &day(integer(transfer, "created")), group, of(transfer))
    });
    html.push_str(&list("Earned", &waits.chain(earned).collect::<Vec<_>>()));
    let paid = payouts.iter().map(|payout| {
        let arrives = integer(payout, "arrival_date");
        let when = match of(payout) {
            "paid" => format!("in your bank since {}", day(arrives)),
            "failed" if payout.get("failed_after_paid") == Some(&Value::Bool(true)) => {
                "your bank sent it back".to_owned()
            }
            "failed" => "your bank did not take it".to_owned(),
            "canceled" => "was canceled".to_owned(),
            _ => format!("in your bank by {}", day(arrives)),
        };
        row(integer(payout, "amount"), &when, text(payout, "id"), of(payout))
    });
    html.push_str(&list("Paid out", &paid.collect::<Vec<_>>()));
    html.push_str("</section>");
    html
}

fn of(object: &Value) -> &str {
    text(object, "status")
}

/// Of a transfer that Stripe does not know yet.
fn amount_of(operation: &Value) -> i64 {
    operation.get("terms").map(|terms| integer(terms, "amount")).unwrap_or_default()
}

fn list(title: &str, rows: &[String]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    format!("<h3>{title}</h3><ul class=\"rows\">{}</ul>", rows.concat())
}

fn row(amount: i64, when: &str, id: &str, status: &str) -> String {
    format!(
        "<li><span class=\"amount\">{}</span><span class=\"when\">{} <code>{}</code></span>{}</li>",
        money(amount),
        escaped(when),
        escaped(id),
        badge(status),
    )
}
