//! A maker with a browser, who is sent to onboarding: follows the link, fills in the form.

use std::time::Duration;

use awc::Client;

use crate::cli::Failure;

const TIMEOUT: Duration = Duration::from_secs(20);

/// What is done with the form.
#[derive(Clone, Copy, Debug)]
pub(super) enum Choice {
    SaveForLater,
    /// Fill in test values, and submit.
    Submit,
}

/// Plain HTTP; the form needs no script.
pub(super) struct Browser(Client);

impl Browser {
    pub(super) fn new() -> Self {
        Self(Client::builder().timeout(TIMEOUT).disable_redirects().finish())
    }

    /// Follows a link, and fills in the form there, with these values for what is asked; the URL
    /// that it then leads back to. A link that was used before leads back at once.
    pub(super) async fn onboard(
        &self,
        link: &str,
        choice: Choice,
        values: &[(&str, &str)],
    ) -> Result<String, Failure> {
        let (location, page) = answer(self.0.get(link), Vec::new()).await?;
        if let Some(location) = location {
            return Ok(location);
        }
        let choice = match choice {
            Choice::SaveForLater => "later",
            Choice::Submit => "test",
        };
        let mut fields = vec![("visit", hidden(&page, "visit")), ("choice", choice.to_owned())];
        fields.extend(values.iter().map(|&(name, value)| (name, value.to_owned())));
        let form = serde_urlencoded::to_string(&fields).unwrap_or_default();
        let (location, page) = answer(self.0.post(link), form.into_bytes()).await?;
        location.ok_or_else(|| Failure::Failed(format!("the onboarding page did not end: {page}")))
    }
}

/// Where the answer leads, and what it shows.
async fn answer(
    request: awc::ClientRequest,
    form: Vec<u8>,
) -> Result<(Option<String>, String), Failure> {
    let request = request.content_type("application/x-www-form-urlencoded");
    let sent = request.send_body(form).await;
    let mut response = sent
        .map_err(|error| Failure::Failed(format!("the onboarding page is not there: {error}")))?;
    let location = response.headers().get("Location").and_then(|to| to.to_str().ok());
    let location = location.map(str::to_owned);
    let page = response.body().await.unwrap_or_default();
    Ok((location, String::from_utf8_lossy(&page).into_owned()))
}

/// The value of a hidden field of a form.
fn hidden(page: &str, name: &str) -> String {
    let field = page.split(&format!("name=\"{name}\" value=\"")).nth(1);
    field.and_then(|rest| rest.split('"').next()).unwrap_or_default().to_owned()
}
