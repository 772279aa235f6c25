//! The story: a maker is onboarded and paid, her bank sends the money back, and she is paid again.

use serde_json::{Value, json};

use crate::cli::Failure;
use crate::cli::demo::maker::Choice;
use crate::cli::demo::plot::Plot;
use crate::cli::demo::screen::{self, Ending};
use crate::cli::demo::stage::Stage;

const DAY: i64 = 86_400;
const REVIEW: i64 = 10;
const REFERENCE: &str = "maker-ada";

/// Plays it, and checks how it ends.
pub(super) async fn tell(stage: &Stage) -> Result<(), Failure> {
    println!(
        "A maker is onboarded and paid, her bank sends the money back, and she is paid again."
    );
    println!("bursar listens on {};", stage.service);
    println!("Stripe's stand-in is at {}.\n", stage.sandbox);
    let plot = Plot::new(stage)?;
    let account = plot.is_created().await?;
    plot.is_onboarded(&account).await?;
    let stranger = plot.is_turned_down(&account).await?;
    let (topup, transfer) = plot.is_paid(&account).await?;
    let returned = plot.loses_a_payout(&account).await?;
    let paid = plot.is_paid_out(&account, &returned).await?;
    let endings = [
        Ending::of("accounts", &account, "enabled, payable"),
        Ending::of("topups", &topup, "succeeded"),
        Ending::of("transfers", &transfer, "created"),
        Ending::of("payouts", &returned, "failed, failed_after_paid").owned_by(&account),
        Ending::of("payouts", &paid, "paid").owned_by(&account),
        Ending::of("accounts", &stranger, "onboarding"),
    ];
    screen::endings(&plot, &endings).await
}

impl Plot<'_> {
    async fn is_created(&self) -> Result<String, Failure> {
        self.says("platform", &format!("POST /v1/accounts, reference {REFERENCE}"));
        let asked = json!({
            "reference": REFERENCE, "country": "US", "email": "ada@example.com",
            "business_type": "individual", "business_profile": { "mcc": "5970" },
        });
        let account = object_id(&self.order("/v1/accounts", "ada-1", &asked, 201).await?.json);
        self.hears(&format!("201 {account}"));
        self.says("platform", "the same again, as after a lost answer");
        let again = object_id(&self.order("/v1/accounts", "ada-1", &asked, 201).await?.json);
        self.hears(&format!("201 {again}: nothing was made twice"));
        self.says("platform", "POST /v1/accounts/ID/persons: what it knows of her already");
        let person = json!({
            "first_name": "Ada", "last_name": "Lovelace", "relationship": { "representative": true },
        });
        let persons = format!("/v1/accounts/{account}/persons");
        self.order(&persons, "ada-2", &person, 201).await?;
        self.hears("201");
        Ok(account)
    }

    async fn is_onboarded(&self, account: &str) -> Result<(), Failure> {
        let link = self.gets_a_link(account, "ada-3").await?;
        self.says("Ada", "follows the link, and saves for later");
        let return_url = self.stage.return_url();
        self.visits(&link, (Choice::SaveForLater, &[]), &return_url).await?;
        let path = format!("/v1/accounts/{account}");
        let standing = self.until_is(&path, "onboarding").await?;
        self.hears(&format!("back at the return URL, which says nothing; {}", of(&standing)));
        self.says("Ada", "follows the same link again");
        let refresh_url = self.stage.refresh_url();
        self.visits(&link, (Choice::Submit, &[]), &refresh_url).await?;
        self.hears("sent to the refresh URL: a link is for one visit");
        self.says("platform", "prefills more, after a link was made");
        let persons = format!("{path}/persons");
        let refused = self.refused(&persons, "ada-4", &json!({ "first_name": "A." })).await?;
        self.hears(&refused);
        let link = self.gets_a_link(account, "ada-5").await?;
        self.says("Ada", "follows it, fills in the form, and submits");
        self.visits(&link, (Choice::Submit, &[]), &return_url).await?;
        let standing = self.until_is(&path, "pending").await?;
        self.hears(&of(&standing));
        self.says("Stripe", "checks her details");
        self.passes(REVIEW).await?;
        let standing = self.until_is(&path, "enabled").await?;
        self.hears(&of(&standing));
        Ok(())
    }

    async fn gets_a_link(&self, account: &str, key: &str) -> Result<String, Failure> {
        self.says("platform", "POST /v1/accounts/ID/onboarding_links");
        let urls = json!({
            "refresh_url": self.stage.refresh_url(), "return_url": self.stage.return_url(),
        });
        let path = format!("/v1/accounts/{account}/onboarding_links");
        let link = self.order(&path, key, &urls, 201).await?;
        self.hears("201 a link for one visit in the next minutes; bursar keeps no copy");
        Ok(link.text("url").to_owned())
    }

    /// What is not possible is said before Stripe is called.
    async fn is_turned_down(&self, account: &str) -> Result<String, Failure> {
        self.says("platform", "POST /v1/transfers: $40.00 to Ada, before there is any money");
        let asked = json!({ "amount": 4000, "currency": "usd", "destination": account });
        let refused = self.refused("/v1/transfers", "pay-1", &asked).await?;
        self.hears(&refused);
        let stranger = json!({ "reference": "maker-emi", "country": "JP" });
        let stranger = object_id(&self.order("/v1/accounts", "emi-1", &stranger, 201).await?.json);
        self.says("platform", "the same to Emi in Japan, who has not been onboarded");
        let asked = json!({ "amount": 4000, "currency": "usd", "destination": stranger });
        let refused = self.refused("/v1/transfers", "pay-2", &asked).await?;
        self.hears(&refused);
        Ok(stranger)
    }

    async fn is_paid(&self, account: &str) -> Result<(String, String), Failure> {
        self.says("platform", "POST /v1/topups: $50.00 from its bank");
        let asked = json!({
            "amount": 5000, "currency": "usd", "source": "btok_us_verified",
            "statement_descriptor": "Weekly top-up",
        });
        let topup = object_id(&self.order("/v1/topups", "fund-1", &asked, 201).await?.json);
        self.until_is(&format!("/v1/topups/{topup}"), "pending").await?;
        self.hears(&format!("201 {topup}, pending"));
        self.says("platform", "POST /v1/transfers: $40.00 to Ada, wait_for_funds");
        let asked = json!({
            "amount": 4000, "currency": "usd", "destination": account, "transfer_group": "order-77",
            "wait_for_funds": true, "topup": topup,
        });
        let waiting = self.order("/v1/transfers", "pay-3", &asked, 202).await?;
        self.hears(&format!("202 {}", waiting.text("state")));
        self.says("Stripe", "six days pass, and the top-up settles");
        self.passes(6 * DAY).await?;
        self.until_is(&format!("/v1/topups/{topup}"), "succeeded").await?;
        let operation = format!("/v1/operations/{}", waiting.text("id"));
        let is_done = |it: &Value| it.get("state").is_some_and(|state| state == "succeeded");
        let transfer = object_id(&self.until(&operation, is_done).await?);
        self.until_is(&format!("/v1/transfers/{transfer}"), "created").await?;
        self.hears(&format!("bursar lets the transfer go: {transfer}"));
        Ok((topup, transfer))
    }

    /// Stripe pays out by its schedule; days later the bank sends the money back.
    async fn loses_a_payout(&self, account: &str) -> Result<String, Failure> {
        self.says("Stripe", "pays out to her bank; its webhooks come late, shuffled, some twice");
        for fault in [
            json!({ "webhooks": "hold" }),
            json!({ "webhooks": "shuffle" }),
            json!({ "webhooks": "duplicate", "times": 3 }),
        ] {
            self.lever("faults", &fault).await?;
        }
        self.passes(4 * DAY).await?;
        self.lever("faults", &json!({ "webhooks": "release" })).await?;
        let payout = self.until_paid(account, None).await?;
        self.hears(&format!("{payout} is paid all the same"));
        self.behaves().await?;
        self.says("her bank", "sends the money back: the account was closed");
        let order = json!({ "failure_code": "account_closed" });
        self.lever(&format!("payouts/{payout}/return"), &order).await?;
        let path = format!("/v1/payouts/{payout}?account={account}");
        let failed = self.until_is(&path, "failed").await?;
        self.hears(&screen::remarks(&failed));
        Ok(payout)
    }

    async fn is_paid_out(&self, account: &str, returned: &str) -> Result<String, Failure> {
        let path = format!("/v1/accounts/{account}");
        let asks = |it: &Value| it.get("next_action").is_some_and(|it| it == "collect_information");
        let standing = self.until(&path, asks).await?;
        self.says("Stripe", "asks for another bank account");
        self.hears(&of(&standing));
        let link = self.gets_a_link(account, "ada-6").await?;
        self.says("Ada", "gives one");
        let bank = [("external_account.account_number", "000123456789")];
        self.visits(&link, (Choice::Submit, &bank), &self.stage.return_url()).await?;
        self.passes(REVIEW).await?;
        let standing = self.until_is(&path, "enabled").await?;
        self.hears(&of(&standing));
        self.says("Stripe", "pays out again");
        self.passes(4 * DAY).await?;
        let payout = self.until_paid(account, Some(returned)).await?;
        self.hears(&format!("{payout} is paid"));
        Ok(payout)
    }

    /// A payout of the account that is paid, other than this one.
    async fn until_paid(&self, account: &str, other: Option<&str>) -> Result<String, Failure> {
        let path = format!("/v1/payouts?account={account}&status=paid");
        let ids = |list: &Value| -> Vec<String> {
            let payouts = list.get("data").and_then(Value::as_array).into_iter().flatten();
            let ids = payouts.filter_map(|payout| payout.get("id")?.as_str());
            ids.filter(|id| Some(*id) != other).map(str::to_owned).collect()
        };
        let list = self.until(&path, |list| !ids(list).is_empty()).await?;
        Ok(ids(&list).into_iter().next().unwrap_or_default())
    }
}

/// The object that an operation has made.
fn object_id(operation: &Value) -> String {
    operation.get("object_id").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// How an account stands.
fn of(account: &Value) -> String {
    let action = account.get("next_action").and_then(Value::as_str).unwrap_or_default();
    format!("{}; next_action {action}", screen::remarks(account))
}
