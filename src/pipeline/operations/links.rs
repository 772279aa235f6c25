//! Links that send a person to onboarding. A link is for one visit, and its address is handed on
//! and forgotten: asked for it again under the same key, Stripe is asked again under its own.

use std::sync::Arc;

use crate::domain::operation::{Happening, Operation, OperationState, Params};
use crate::pipeline::operations::drive::{Driving, happening_of};
use crate::pipeline::operations::wanted::{Asked, Wanted, new_key};
use crate::pipeline::operations::{Inner, Operations, Permit, RequestError};
use crate::store::Advanced;
use crate::stripe::client::CallError;
use crate::stripe::outgoing::{Link, call_of, link_of};

impl Operations {
    /// A new link, or the one that this key has brought before.
    pub async fn link(&self, wanted: Wanted, asked: Asked) -> Result<Link, RequestError> {
        let inner = self.inner.clone();
        // Goes on when who asked goes away: a link that was made must be known to be.
        let work = self.inner.run_to_end(async move {
            let _alone = inner.keys.of(&asked.client_key).await;
            let operation = match inner.known(&wanted, &asked).await? {
                Some(known) => known,
                None => inner.begun(&wanted, &asked, Vec::new()).await?,
            };
            // In the order in which all take them: two who hold one each would wait for ever.
            let permit = inner.calls.acquire().await.ok();
            let turn = inner.turns.of(&operation.id).await;
            // A stop waits for it.
            let driving = Driving::start(&inner, &operation.id);
            let link = inner.fetch_link(&wanted, operation.clone(), permit).await;
            drop(turn);
            drop(driving);
            if link.is_err() {
                // Where it is still open, it is gone on with.
                inner.spawn(&operation);
            }
            link
        });
        match tokio::time::timeout(self.inner.pace.answer_within, work).await {
            Ok(done) => done.unwrap_or_else(|| Err(no_link("bursar is stopping; ask again"))),
            Err(_) => Err(no_link("there is no answer yet; ask again with the same key")),
        }
    }

    /// The account of a reference, which is made when there is none.
    pub async fn account_of(
        &self,
        reference: &str,
        params: Params,
        by: &str,
    ) -> Result<String, RequestError> {
        let operation = if let Some(operation) = self.of_reference(reference).await? {
            self.inner.told(operation).await?
        } else {
            let wanted = Wanted::Account { params, reference: Some(reference.to_owned()) };
            let asked = Asked { client_key: new_key("onboard-user"), by: by.to_owned() };
            match self.request(&wanted, &asked).await {
                // Somebody else was faster.
                Err(RequestError::ReferenceTaken(other)) => self.inner.told(*other).await?,
                other => other?,
            }
        };
        match (operation.state, &operation.object_id) {
            (OperationState::Succeeded, Some(account)) => Ok(account.clone()),
            (OperationState::Refused, _) => Err(refused(&operation)),
            _ => Err(no_link(&format!(
                "the account is not known to be made yet (operation {}); ask again",
                operation.id
            ))),
        }
    }
}

fn no_link(why: &str) -> RequestError {
    RequestError::NoLink(why.to_owned())
}

impl Inner {
    async fn fetch_link(
        self: &Arc<Self>,
        wanted: &Wanted,
        operation: Operation,
        permit: Permit<'_>,
    ) -> Result<Link, RequestError> {
        let held = self.store.operation(operation.livemode, &operation.id).await?;
        let mut operation = held.unwrap_or(operation);
        if operation.state == OperationState::Refused {
            return Err(refused(&operation));
        }
        if let Some(sent) = operation.after(Happening::Sent, self.now()) {
            operation = match self.store.advance(sent, operation.version).await? {
                Advanced::Recorded(sent) => sent,
                Advanced::Overtaken(held) => held,
            };
        }
        // Recording takes time, and clocks are set: looked at last of all.
        if !operation.key_is_known(self.now()) {
            return Err(RequestError::LinkOver(operation.id));
        }
        let call = call_of(&Operation { params: Some(wanted.params()), ..operation.clone() });
        let result = {
            let _permit = permit;
            self.access.stripe.call(&call).await
        };
        let link = result.as_ref().ok().and_then(link_of);
        let why = result.as_ref().err().map(CallError::plainly);
        let now = self.take(&operation, happening_of(operation.action, result)).await?;
        match (link, now.state) {
            (Some(link), _) => Ok(link),
            (None, OperationState::Refused) => Err(refused(&now)),
            (None, _) => {
                Err(no_link(&why.unwrap_or_else(|| "Stripe's answer holds no link".to_owned())))
            }
        }
    }
}

fn refused(operation: &Operation) -> RequestError {
    RequestError::Refused(Box::new(operation.clone()))
}
