//! Account links: a way into the hosted onboarding that works once, and not for long.

use serde_json::{Value, json};

use crate::sandbox::api::refusal::Refusal;
use crate::sandbox::world::json::text_at;
use crate::sandbox::world::table::Named;
use crate::sandbox::world::{World, is_http_url};

const LIVES_SECONDS: i64 = 300;
/// How long somebody may take who has come in.
const VISIT_SECONDS: i64 = 3600;
const TOKEN_LENGTH: usize = 24;

#[derive(Clone, Debug)]
pub struct Link {
    /// The secret part of its URL.
    pub token: String,
    pub account: String,
    pub refresh_url: String,
    pub return_url: String,
    pub created: i64,
    pub expires_at: i64,
    /// Asks for what is due later, too.
    pub asks_everything: bool,
    /// What the form of the one visit carries.
    pub visit: Option<String>,
    pub finished: bool,
}

impl Named for Link {
    fn id(&self) -> &str {
        &self.token
    }
}

impl Link {
    /// Whether it lets somebody in at this time.
    pub fn is_fresh(&self, now: i64) -> bool {
        self.visit.is_none() && now < self.expires_at
    }

    /// Whether this form belongs to the visit that is under way.
    pub fn is_visited_by(&self, visit: &str, now: i64) -> bool {
        let in_time = now < self.expires_at + VISIT_SECONDS;
        !self.finished && in_time && self.visit.as_deref() == Some(visit)
    }
}

impl World {
    pub fn create_link(&mut self, params: &Value) -> Result<Value, Refusal> {
        let id = text_at(params, "account").unwrap_or_default().to_owned();
        let account = self.accounts.get(&id).filter(|account| !account.is_platform);
        let account = account.ok_or_else(|| Refusal::no_such("account", &id, "account"))?;
        match text_at(params, "type") {
            Some("account_update") if account.control.stripe_collects() => {
                return Err(Refusal::invalid(
                    "You cannot create `account_update` type Account Links for this account. Accounts whose requirements Stripe collects can only use `account_onboarding`.",
                )
                .param("type"));
            }
            Some("account_onboarding" | "account_update") => {}
            Some(_) | None => {
                let message = "Invalid type: must be one of account_onboarding or account_update";
                return Err(Refusal::invalid(message).param("type"));
            }
        }
        if account.rejected.is_some() {
            return Err(Refusal::invalid(
                "You cannot create an Account Link for a rejected account.",
            ));
        }
        let refresh_url = url(params, "refresh_url")?;
        let return_url = url(params, "return_url")?;
        let fields = text_at(params, "collection_options.fields").or(text_at(params, "collect"));
        let link = Link {
            token: self.ids.token(TOKEN_LENGTH),
            account: id.clone(),
            refresh_url,
            return_url,
            created: self.now,
            expires_at: self.now + LIVES_SECONDS,
            asks_everything: fields == Some("eventually_due"),
            visit: None,
            finished: false,
        };
        let url = format!("{}/setup/s/{id}/{}", self.settings.base_url, link.token);
        let view = json!({
            "object": "account_link", "created": link.created, "expires_at": link.expires_at,
            "url": url,
        });
        self.links.add(link);
        if let Some(account) = self.accounts.get_mut(&id) {
            account.linked = true;
        }
        Ok(view)
    }

    pub(super) fn new_visit(&mut self, token: &str) {
        let visit = self.ids.token(TOKEN_LENGTH);
        if let Some(link) = self.links.get_mut(token) {
            link.visit = Some(visit);
        }
    }
}

fn url(params: &Value, name: &str) -> Result<String, Refusal> {
    let url = text_at(params, name).ok_or_else(|| Refusal::missing(name))?;
    if is_http_url(url) {
        return Ok(url.to_owned());
    }
    Err(Refusal::invalid("Not a valid URL").code("url_invalid").param(name))
}
