//! How the story is told: every step a call over HTTP, said as it is made, with what came of it.

use std::cell::Cell;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::Failure;
use crate::cli::client::{Answer, Server};
use crate::cli::demo::maker::{Browser, Choice};
use crate::cli::demo::stage::Stage;

/// Nothing in the story takes longer.
const PATIENCE: Duration = Duration::from_secs(20);
const WAIT_SECONDS: u64 = 5;

pub(super) struct Plot<'s> {
    pub(super) stage: &'s Stage,
    bursar: Server,
    sandbox: Server,
    browser: Browser,
    /// What the change feed told last.
    after: Cell<u64>,
    step: Cell<u32>,
}

impl<'s> Plot<'s> {
    pub(super) fn new(stage: &'s Stage) -> Result<Self, Failure> {
        Ok(Self {
            stage,
            bursar: Server::new(&stage.service)?,
            sandbox: Server::new(&stage.sandbox)?,
            browser: Browser::new(),
            after: Cell::new(0),
            step: Cell::new(0),
        })
    }

    /// Says who does what.
    pub(super) fn says(&self, who: &str, what: &str) {
        self.step.set(self.step.get() + 1);
        println!("{:>3}. {who:<9} {what}", self.step.get());
    }

    /// And what came of it.
    #[expect(clippy::unused_self, reason = "reads as a part of the story")]
    pub(super) fn hears(&self, what: &str) {
        println!("               -> {what}");
    }

    /// A call of the platform's back end, which must be answered with this status.
    pub(super) async fn order(
        &self,
        path: &str,
        key: &str,
        body: &Value,
        expected: u16,
    ) -> Result<Answer, Failure> {
        let asked_by = Some((self.stage.keys.payer.as_str(), key));
        let answer = self.bursar.order(path, asked_by, body).await?;
        if answer.status == expected {
            return Ok(answer);
        }
        Err(Failure::Failed(format!(
            "POST {path}: {expected} was expected, and not HTTP {}: {}",
            answer.status, answer.json
        )))
    }

    /// A call that is to be refused: what is said of it.
    pub(super) async fn refused(
        &self,
        path: &str,
        key: &str,
        body: &Value,
    ) -> Result<String, Failure> {
        let answer = self.order(path, key, body, 409).await?;
        let reasons = answer.json.get("reasons").and_then(Value::as_array);
        let details: Vec<&str> = reasons
            .into_iter()
            .flatten()
            .filter_map(|reason| reason.get("detail")?.as_str())
            .collect();
        let why =
            if details.is_empty() { answer.text("detail").to_owned() } else { details.join("; ") };
        Ok(format!("409 {}: {why}", answer.text("code")))
    }

    pub(super) async fn read(&self, path: &str) -> Result<Value, Failure> {
        let answer = self.bursar.get(path, Some(&self.stage.keys.reader)).await?;
        if answer.is_success() { Ok(answer.json) } else { Err(Failure::Failed(answer.problem())) }
    }

    /// Reads until what is read is so, which a webhook brings about; looks again at each change.
    pub(super) async fn until(
        &self,
        path: &str,
        is_so: impl Fn(&Value) -> bool,
    ) -> Result<Value, Failure> {
        let mut last = Value::Null;
        let waiting = async {
            loop {
                let answer = self.bursar.get(path, Some(&self.stage.keys.reader)).await?;
                if answer.is_success() && is_so(&answer.json) {
                    return Ok(answer.json);
                }
                last = answer.json;
                let feed = format!("/v1/changes?after={}&wait={WAIT_SECONDS}", self.after.get());
                let next = self.read(&feed).await?.get("next").and_then(Value::as_u64);
                self.after.set(next.unwrap_or_default());
            }
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(result) => result,
            Err(_) => {
                Err(Failure::Failed(format!("{path} does not become what it should: {last}")))
            }
        }
    }

    /// The same for a status.
    pub(super) async fn until_is(&self, path: &str, status: &str) -> Result<Value, Failure> {
        self.until(path, |object| object.get("status").is_some_and(|is| is == status)).await
    }

    /// What only the sandbox can bring about.
    pub(super) async fn lever(&self, path: &str, body: &Value) -> Result<(), Failure> {
        pulled(path, &self.sandbox.order(&format!("/_sandbox/{path}"), None, body).await?)
    }

    /// Nothing goes wrong any more.
    pub(super) async fn behaves(&self) -> Result<(), Failure> {
        pulled("faults", &self.sandbox.delete("/_sandbox/faults").await?)
    }

    pub(super) async fn passes(&self, seconds: i64) -> Result<(), Failure> {
        self.lever("clock", &json!({ "advance_seconds": seconds })).await
    }

    /// The maker visits a link; the end must be this URL.
    pub(super) async fn visits(
        &self,
        link: &str,
        (choice, values): (Choice, &[(&str, &str)]),
        expected: &str,
    ) -> Result<(), Failure> {
        let end = self.browser.onboard(link, choice, values).await?;
        if end == expected {
            return Ok(());
        }
        Err(Failure::Failed(format!("onboarding led to {end} instead of {expected}")))
    }
}

fn pulled(path: &str, answer: &Answer) -> Result<(), Failure> {
    let refused = || Failure::Failed(format!("the sandbox's {path}: {}", answer.json));
    if answer.is_success() { Ok(()) } else { Err(refused()) }
}
