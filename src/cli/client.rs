//! Calls to a running bursar.

use std::sync::Arc;
use std::time::Duration;

use awc::error::SendRequestError;
use awc::{Client, Connector};

use crate::cli::Failure;
use crate::tls::{self, Trust};

const TIMEOUT: Duration = Duration::from_mins(1);
const LARGEST_ANSWER: usize = 64 << 20;

/// A server to call.
pub(super) struct Server {
    base: String,
    client: Client,
}

impl Server {
    /// One that a plain URL names.
    pub(super) fn new(url: &str) -> Result<Self, Failure> {
        Self::trusting(url, || Ok(Trust::roots()))
    }

    /// The trust is asked for only where TLS is spoken: finding the machine's roots takes a while.
    pub(super) fn trusting(
        url: &str,
        trust: impl FnOnce() -> Result<Trust, Failure>,
    ) -> Result<Self, Failure> {
        let client = Client::builder().timeout(TIMEOUT);
        let client = if url.starts_with("https://") {
            let tls = tls::client(trust()?);
            let tls =
                tls.map_err(|error| Failure::Failed(format!("TLS cannot be used: {error}")))?;
            client.connector(Connector::new().rustls_0_23(Arc::new(tls))).finish()
        } else if url.starts_with("http://") {
            client.finish()
        } else {
            return Err(Failure::Usage(format!(
                "{url} is not a URL such as http://127.0.0.1:8787 or https://bursar.example"
            )));
        };
        Ok(Self { base: url.trim_end_matches('/').to_owned(), client })
    }

    pub(super) async fn get(&self, path: &str, token: Option<&str>) -> Result<Answer, Failure> {
        let mut request = self.client.get(format!("{}{path}", self.base));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        Answer::of(request.send().await.map_err(|error| self.unreachable(&error))?).await
    }

    pub(super) async fn post(
        &self,
        path: &str,
        header: (&str, String),
        body: Vec<u8>,
    ) -> Result<Answer, Failure> {
        let request = self.client.post(format!("{}{path}", self.base)).insert_header(header);
        let sent = request.content_type("application/json").send_body(body).await;
        Answer::of(sent.map_err(|error| self.unreachable(&error))?).await
    }

    /// Asks for something to be done, under a key of the caller's; without a token and a key where
    /// the server needs none.
    pub(super) async fn order(
        &self,
        path: &str,
        asked_by: Option<(&str, &str)>,
        body: &serde_json::Value,
    ) -> Result<Answer, Failure> {
        let mut request = self.client.post(format!("{}{path}", self.base));
        if let Some((token, key)) = asked_by {
            request = request.bearer_auth(token).insert_header(("Idempotency-Key", key));
        }
        let sent = request.content_type("application/json").send_body(body.to_string()).await;
        Answer::of(sent.map_err(|error| self.unreachable(&error))?).await
    }

    pub(super) async fn delete(&self, path: &str) -> Result<Answer, Failure> {
        let sent = self.client.delete(format!("{}{path}", self.base)).send().await;
        Answer::of(sent.map_err(|error| self.unreachable(&error))?).await
    }

    fn unreachable(&self, error: &SendRequestError) -> Failure {
        let error = error.to_string();
        let remedy = if error.contains("certificate") {
            "name the authority that it comes from by --ca or BURSAR_CA, a PEM file"
        } else {
            "is `bursar serve` running there?"
        };
        Failure::Failed(format!("{} cannot be reached: {error}; {remedy}", self.base))
    }
}

pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) json: serde_json::Value,
}

impl Answer {
    async fn of<S>(mut response: awc::ClientResponse<S>) -> Result<Self, Failure>
    where
        S: futures_core::Stream<Item = Result<actix_web::web::Bytes, awc::error::PayloadError>>
            + Unpin,
    {
        let body = response.body().limit(LARGEST_ANSWER).await;
        let body =
            body.map_err(|error| Failure::Failed(format!("the answer broke off: {error}")))?;
        let json = serde_json::from_slice(&body).unwrap_or_default();
        Ok(Self { status: response.status().as_u16(), json })
    }

    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// What a problem answer says, for people.
    pub(super) fn problem(&self) -> String {
        let text = |name: &str| self.json.get(name).and_then(serde_json::Value::as_str);
        let detail = text("detail").unwrap_or("no details");
        format!("HTTP {} {}: {detail}", self.status, text("code").unwrap_or("error"))
    }

    pub(super) fn text(&self, name: &str) -> &str {
        self.json.get(name).and_then(serde_json::Value::as_str).unwrap_or_default()
    }
}
