//! The audit trail: every act of an operator is recorded before it has an effect, and what came of
//! it afterwards.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use crate::clock;
use crate::domain::audit::{Audit, AuditAction, AuditOutcome, Results};
use crate::domain::operation::Operation;
use crate::http::auth::Operator;
use crate::http::error::ApiError;
use crate::http::objects::{respond, slice};
use crate::http::query::Query;
use crate::http::{Handles, view};
use crate::pipeline::backfill::Report;
use crate::store::{AuditFilter, Receipt, StoreError};

const ID_BYTES: usize = 16;

/// What an operator is about to do.
pub(super) struct Act {
    /// The partition; none for both.
    pub(super) livemode: Option<bool>,
    pub(super) action: AuditAction,
    pub(super) reason: Option<String>,
}

/// Records an act, does it, and records what came of it. Nothing is done when it cannot be
/// recorded, and it goes on when the client goes away.
pub(super) async fn audited<T: Brings + 'static>(
    handles: &Data<Handles>,
    operator: Operator,
    act: Act,
    work: impl Future<Output = Result<T, ApiError>> + 'static,
) -> Result<T, ApiError> {
    let entry = record(handles, operator, act, AuditOutcome::Begun).await?;
    let handles = handles.clone();
    let done = actix_web::rt::spawn(async move {
        let result = work.await;
        let outcome = match &result {
            Ok(brought) => AuditOutcome::Done(brought.results()),
            Err(error) => AuditOutcome::Failed { code: error.code().word().to_owned() },
        };
        end(&handles, Audit { outcome, ..entry }).await;
        result
    });
    done.await.map_err(|error| StoreError::Unavailable(error.to_string()))?
}

/// Records an act of which nothing can fail any more: what is recorded may be shown.
pub(super) async fn audit(handles: &Handles, operator: Operator, act: Act) -> Result<(), ApiError> {
    record(handles, operator, act, AuditOutcome::Done(Results::default())).await.map(drop)
}

async fn record(
    handles: &Handles,
    Operator { name, address }: Operator,
    Act { livemode, action, reason }: Act,
    outcome: AuditOutcome,
) -> Result<Audit, ApiError> {
    let (id, at, role) = (new_id()?, clock::now(), "operator".to_owned());
    let entry = Audit { id, at, livemode, actor: name, role, address, action, reason, outcome };
    handles.store.audit(entry.clone()).await?;
    let Audit { id, actor, action, .. } = &entry;
    tracing::info!(audit.id = %id, by = %actor, action = action.word(), "an operator acts");
    Ok(entry)
}

/// The effect is there already, so that all that can be done about a failure is to say so.
async fn end(handles: &Handles, entry: Audit) {
    let (id, outcome) = (entry.id.clone(), entry.outcome.word());
    if let Err(error) = handles.store.audit(entry).await {
        tracing::error!(audit.id = %id, outcome, %error, "the outcome of an act was not recorded");
    }
}

fn new_id() -> Result<String, ApiError> {
    let mut bytes = [0; ID_BYTES];
    let filled = getrandom::fill(&mut bytes);
    filled.map_err(|error| StoreError::Unavailable(format!("no random bytes: {error}")))?;
    Ok(format!("aud_{}", hex::encode(bytes)))
}

/// What the audit trail tells of what an act has brought.
pub(super) trait Brings {
    fn results(&self) -> Results;
}

impl Brings for Vec<Receipt> {
    fn results(&self) -> Results {
        let mut results = Results::default();
        for receipt in self {
            *results.counts.entry(receipt.outcome.word().to_owned()).or_default() += 1;
        }
        results
    }
}

impl Brings for Receipt {
    fn results(&self) -> Results {
        vec![self.clone()].results()
    }
}

impl Brings for Operation {
    fn results(&self) -> Results {
        Results { counts: [(self.state.word().to_owned(), 1)].into(), made: None }
    }
}

impl Brings for Report {
    fn results(&self) -> Results {
        Results { made: Some(self.id.clone()), ..Results::default() }
    }
}

pub(super) async fn trail(
    request: HttpRequest,
    _: Operator,
    handles: Data<Handles>,
) -> Result<HttpResponse, ApiError> {
    let query =
        Query::of(&request, &["actor", "action", "since", "until", "limit", "cursor", "livemode"])?;
    let livemode = query.livemode(handles.livemode)?;
    let filter = AuditFilter {
        livemode: Some(livemode),
        actor: query.text("actor"),
        action: query.word("action", &AuditAction::WORDS)?,
        since: query.time("since")?,
        until: query.time("until")?,
        oldest_first: false,
    };
    let list = format!("audit {livemode}");
    let page = handles.store.audit_trail(filter, slice(&query, &list)?).await?;
    let items = page.items.iter().map(view::audit).collect();
    respond(&request, &view::list(items, view::next(&list, page.next), livemode))
}
