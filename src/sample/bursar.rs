//! What the platform asks of bursar, and of the sandbox's levers.

use std::time::Duration;

use awc::{Client, ClientRequest};
use serde_json::{Value, json};

use crate::sample::Options;
use crate::secret::Secret;

/// Longer than bursar waits for Stripe.
const TIMEOUT: Duration = Duration::from_secs(40);
const WAIT_SECONDS: u64 = 25;
const LARGEST_ANSWER: usize = 8 << 20;
/// Rows that the page shows of each list.
const ROWS: usize = 5;

pub(super) struct Bursar {
    base: String,
    payer: Secret,
    sandbox: String,
    client: Client,
}

/// Why there is no answer to use, in words for the page.
pub(super) type Trouble = String;

/// What is known of a connected account.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// As bursar shows it; nothing before Stripe has told of it.
    pub(super) account: Value,
    pub(super) balance: Value,
    pub(super) transfers: Vec<Value>,
    /// Transfers that wait for the platform's funds.
    pub(super) waiting: Vec<Value>,
    pub(super) payouts: Vec<Value>,
}

impl Bursar {
    pub(super) fn new(options: &Options) -> Self {
        let Options { bursar, payer, sandbox } = options.clone();
        let client = Client::builder().timeout(TIMEOUT).finish();
        Self { base: bursar, payer, sandbox, client }
    }

    fn authorized(&self, request: ClientRequest) -> ClientRequest {
        request.insert_header(("Authorization", format!("Bearer {}", self.payer.expose())))
    }

    async fn get(&self, path: &str) -> Result<Option<Value>, Trouble> {
        let request = self.authorized(self.client.get(format!("{}{path}", self.base)));
        match answer(request, Vec::new()).await? {
            (404, _) => Ok(None),
            (200, value) => Ok(Some(value)),
            (_, problem) => Err(detail(&problem)),
        }
    }

    async fn list(&self, path: &str) -> Result<Vec<Value>, Trouble> {
        let list = self.get(path).await?.unwrap_or_default();
        Ok(list.get("data").and_then(Value::as_array).cloned().unwrap_or_default())
    }

    async fn post(&self, path: &str, key: &str, body: &Value) -> Result<Value, Trouble> {
        let request = self.authorized(self.client.post(format!("{}{path}", self.base)));
        let request = request.insert_header(("Idempotency-Key", key));
        match answer(request, body.to_string().into_bytes()).await? {
            (200..=299, value) => Ok(value),
            (_, problem) => Err(detail(&problem)),
        }
    }

    /// A link to onboarding for the user of this reference, and the account that it is for.
    pub(super) async fn onboard_user(
        &self,
        reference: &str,
        key: &str,
    ) -> Result<(String, String), Trouble> {
        let link = self.post("/onboard-user", key, &json!({ "reference": reference })).await?;
        let text = |name: &str| link.get(name).and_then(Value::as_str).map(str::to_owned);
        text("url").zip(text("account")).ok_or_else(|| "bursar gave no link".to_owned())
    }

    pub(super) async fn standing(&self, account: &str) -> Result<Standing, Trouble> {
        let of = |list: &str| format!("/v1/{list}={account}&limit={ROWS}");
        let waiting = "/v1/operations?state=waiting_for_funds&action=create_transfer";
        let mut waiting = self.list(waiting).await?;
        waiting.retain(|it| it.get("subject").and_then(Value::as_str) == Some(account));
        Ok(Standing {
            account: self.get(&format!("/v1/accounts/{account}")).await?.unwrap_or_default(),
            balance: self.get(&format!("/v1/balance?account={account}")).await?.unwrap_or_default(),
            transfers: self.list(&of("transfers?destination")).await?,
            waiting,
            payouts: self.list(&of("payouts?account")).await?,
        })
    }

    /// Adds funds to the platform, and pays them to the account once they are there.
    pub(super) async fn pay(&self, account: &str, amount: i64, key: &str) -> Result<(), Trouble> {
        // Before money is moved for it; bursar looks once more before the transfer.
        let path = format!("/v1/accounts/{account}");
        let known = self.get(&path).await?.unwrap_or_default();
        if known.get("payable") != Some(&Value::Bool(true)) {
            return Err("You cannot be paid yet. Finish your onboarding first.".to_owned());
        }
        let topup = json!({
            "amount": amount, "currency": "usd", "source": "btok_us_verified",
            "statement_descriptor": "Weekly top-up",
        });
        let topup = self.post("/v1/topups", &format!("{key}-topup"), &topup).await?;
        let transfer = json!({
            "amount": amount, "currency": "usd", "destination": account, "transfer_group": key,
            "wait_for_funds": true, "topup": topup.get("object_id"),
        });
        self.post("/v1/transfers", &format!("{key}-transfer"), &transfer).await.map(drop)
    }

    /// Waits until something has changed after this place of the feed; the place to go on from.
    pub(super) async fn changes(&self, after: u64) -> Result<u64, Trouble> {
        let path = format!("/v1/changes?after={after}&wait={WAIT_SECONDS}");
        let page = self.get(&path).await?.unwrap_or_default();
        Ok(page.get("next").and_then(Value::as_u64).unwrap_or(after))
    }

    /// The sandbox's time, in Unix seconds.
    pub(super) async fn sandbox_time(&self) -> Result<i64, Trouble> {
        let request = self.client.get(format!("{}/_sandbox/clock", self.sandbox));
        let (_, clock) = answer(request, Vec::new()).await?;
        clock.get("now").and_then(Value::as_i64).ok_or_else(|| detail(&clock))
    }

    pub(super) async fn advance(&self, seconds: i64) -> Result<(), Trouble> {
        let request = self.client.post(format!("{}/_sandbox/clock", self.sandbox));
        let order = json!({ "advance_seconds": seconds }).to_string();
        answer(request, order.into_bytes()).await.map(drop)
    }
}

async fn answer(request: ClientRequest, body: Vec<u8>) -> Result<(u16, Value), Trouble> {
    let sent = request.content_type("application/json").send_body(body).await;
    let mut response = sent.map_err(|error| format!("There is no answer: {error}."))?;
    let body = response.body().limit(LARGEST_ANSWER).await;
    let body = body.map_err(|error| format!("The answer broke off: {error}."))?;
    Ok((response.status().as_u16(), serde_json::from_slice(&body).unwrap_or_default()))
}

fn detail(problem: &Value) -> Trouble {
    problem.get("detail").and_then(Value::as_str).unwrap_or("bursar cannot do it now").to_owned()
}
