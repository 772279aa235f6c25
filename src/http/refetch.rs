//! Fetching one object from Stripe, for those who doubt what is known of it.

use actix_web::web::{Data, Path, Payload, to};
use actix_web::{HttpRequest, HttpResponse, Route};

use crate::domain::audit::{AuditAction, shortened};
use crate::domain::id::{Kind, ObjectKey};
use crate::http::audit::{Act, audited};
use crate::http::auth::Operator;
use crate::http::error::ApiError;
use crate::http::objects::names_owner;
use crate::http::query::Query;
use crate::http::{Fetching, Handles, operate, view};
use crate::pipeline::refetch::RefetchError;

pub(super) fn refetch(kind: Kind) -> Route {
    let fetch = move |request: HttpRequest,
                      operator: Operator,
                      id: Path<String>,
                      payload: Payload,
                      handles: Data<Handles>| async move {
        let asked = Asked { request, operator, kind, id: id.into_inner() };
        asked.fetch(payload, &handles).await
    };
    to(fetch)
}

pub(super) async fn balance(
    request: HttpRequest,
    operator: Operator,
    payload: Payload,
    handles: Data<Handles>,
) -> Result<HttpResponse, ApiError> {
    let asked = Asked { request, operator, kind: Kind::Balance, id: String::new() };
    asked.fetch(payload, &handles).await
}

struct Asked {
    request: HttpRequest,
    operator: Operator,
    kind: Kind,
    id: String,
}

impl Asked {
    async fn fetch(
        self,
        payload: Payload,
        handles: &Data<Handles>,
    ) -> Result<HttpResponse, ApiError> {
        let Self { request, operator, kind, id } = self;
        let expected = names_owner(kind, &["livemode"], &["account", "livemode"]);
        let query = Query::of(&request, expected)?;
        let fetching = handles.fetching()?;
        let livemode = query.livemode(fetching.livemode)?;
        fetching.check_mode(livemode)?;
        let account = query.owner()?;
        if account.as_deref().is_some_and(|owner| !owner.bytes().all(|b| b.is_ascii_graphic())) {
            let message = "`account` must be an id of Stripe's, such as acct_1";
            return Err(ApiError::InvalidParameter(message.to_owned()));
        }
        let key = ObjectKey::new(livemode, kind, account.as_deref(), &id);
        let reason = operate::reason(&request, payload, handles).await?;
        let account = account.as_deref().map(shortened);
        let action = AuditAction::Refetch { kind, id: shortened(&id), account };
        let refetcher = fetching.refetcher.clone();
        let work = async move { Ok(refetcher.refetch(&key).await?) };
        let act = Act { livemode: Some(livemode), action, reason };
        let receipt = audited(handles, operator, act, work).await?;
        Ok(HttpResponse::Ok().json(view::receipt(&receipt)))
    }
}

impl Fetching {
    /// The key works in one partition only.
    pub(super) fn check_mode(&self, livemode: bool) -> Result<(), ApiError> {
        let key_livemode = self.livemode;
        if livemode == key_livemode {
            Ok(())
        } else {
            Err(RefetchError::OtherMode { key_livemode }.into())
        }
    }
}
