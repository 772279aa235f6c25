//! The change feed: page by page, waiting for the next, or as server-sent events.
//!
//! Both read from the store only what they are about to send: a stream asks for its next page
//! when the connection takes more, so a slow reader costs one page of memory and holds up nobody.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::{Method, header};
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::stream;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Sleep, sleep};

use crate::http::auth::Reader;
use crate::http::conduct::{Conduct, UnderWay};
use crate::http::error::ApiError;
use crate::http::query::{self, Query};
use crate::http::{Handles, body, view};
use crate::store::{ChangePage, Feed, SharedStore, StoreError};

/// The longest wait for an entry, in seconds.
pub(super) const LONGEST_WAIT: u64 = 60;
/// Entries that a stream reads at a time.
const STREAM_PAGE: usize = 100;
/// Milliseconds after which a client that lost its stream connects again.
const RETRY: &[u8] = b"retry: 2000\n\n";
/// A comment: keeps proxies from closing, and clients from giving up, a stream with no news.
const HEARTBEAT: &[u8] = b": nothing new\n\n";

pub(super) async fn changes(
    request: HttpRequest,
    _: Reader,
    handles: Data<Handles>,
) -> Result<HttpResponse, ApiError> {
    let query = Query::of(&request, &["after", "limit", "wait", "epoch", "livemode"])?;
    let after = query.number("after", 0..=u64::MAX)?;
    let wait = query.number("wait", 0..=LONGEST_WAIT)?.unwrap_or(0);
    let mut follower = Follower::new(&handles, &query, after.unwrap_or(0), query.limit()?)?;
    let feed = feed(&handles.store, &query, after).await?;
    let page = follower.page(pin!(sleep(Duration::from_secs(wait)))).await?;
    let answer = view::change_list(&page, &feed.epoch, follower.livemode);
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(answer))
}

pub(super) async fn stream(
    request: HttpRequest,
    _: Reader,
    handles: Data<Handles>,
) -> Result<HttpResponse, ApiError> {
    let query = Query::of(&request, &["after", "epoch", "livemode"])?;
    let after = query.number("after", 0..=u64::MAX)?;
    let after = last_event_id(&request)?.or(after);
    query.livemode(handles.livemode)?;
    let feed = feed(&handles.store, &query, after).await?;
    let after = after.unwrap_or(feed.newest);
    let follower = Follower::new(&handles, &query, after, STREAM_PAGE)?;
    let mut response = HttpResponse::Ok();
    response
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        // Proxies that gather answers would hold the news back.
        .insert_header(("X-Accel-Buffering", "no"))
        .force_close();
    if request.method() == Method::HEAD {
        return Ok(response.finish());
    }
    let room = Arc::clone(&handles.streams).try_acquire_owned();
    let room = room
        .map_err(|_| ApiError::TooManyStreams { most: handles.capacity.streams })
        .inspect_err(|_| body::end_after_answer(&request))?;
    let heartbeat = handles.patience.heartbeat;
    let under_way = Conduct::of(&request).map(UnderWay::on);
    let streaming = Streaming {
        follower,
        epoch: feed.epoch,
        heartbeat,
        begun: false,
        _under_way: under_way,
        _room: room,
    };
    Ok(response.streaming(stream::unfold(streaming, |mut streaming| async {
        let chunk = streaming.chunk().await?;
        Some((Ok::<_, ApiError>(chunk), streaming))
    })))
}

/// Where the feed stands; an error when the reader has followed another one.
async fn feed(store: &SharedStore, query: &Query, after: Option<u64>) -> Result<Feed, ApiError> {
    let feed = store.feed().await?;
    let is_of_its_epoch = query.text("epoch").is_none_or(|epoch| epoch == feed.epoch);
    // Sequences that a reader has seen can only be missing after an older copy was put back.
    if is_of_its_epoch && after.is_none_or(|after| after <= feed.newest) {
        Ok(feed)
    } else {
        Err(ApiError::FeedRestarted { epoch: feed.epoch, newest: feed.newest })
    }
}

/// What a client that lost its stream saw last.
fn last_event_id(request: &HttpRequest) -> Result<Option<u64>, ApiError> {
    let mut ids = request.headers().get_all("Last-Event-ID");
    let Some(id) = ids.next().filter(|id| !id.is_empty()) else { return Ok(None) };
    let sequence = id.to_str().ok().and_then(query::digits).filter(|_| ids.next().is_none());
    sequence.map(Some).ok_or_else(|| {
        ApiError::InvalidParameter("`Last-Event-ID` must be one id of this stream".to_owned())
    })
}

/// A reader's place in the feed.
struct Follower {
    store: SharedStore,
    stopping: watch::Receiver<bool>,
    livemode: bool,
    after: u64,
    limit: usize,
}

impl Follower {
    fn new(handles: &Handles, query: &Query, after: u64, limit: usize) -> Result<Self, ApiError> {
        Ok(Self {
            store: handles.store.clone(),
            stopping: handles.draining.subscribe(),
            livemode: query.livemode(handles.livemode)?,
            after,
            limit,
        })
    }

    /// The next entries; none when none came in time, or the service stops.
    async fn page(&mut self, mut time: Pin<&mut Sleep>) -> Result<ChangePage, StoreError> {
        loop {
            let page = self.store.changes(self.livemode, self.after, self.limit).await?;
            self.after = page.next;
            if !page.items.is_empty() || !self.may_have_come(time.as_mut()).await? {
                return Ok(page);
            }
        }
    }

    /// Waits until there may be something; `false` when it is no longer worth a look.
    async fn may_have_come(&mut self, time: Pin<&mut Sleep>) -> Result<bool, StoreError> {
        tokio::select! {
            biased;
            _ = self.stopping.wait_for(|stopping| *stopping) => Ok(false),
            () = time => Ok(false),
            changed = self.store.changed_after(self.after) => changed.map(|()| true),
        }
    }
}

/// A stream under way.
struct Streaming {
    follower: Follower,
    epoch: String,
    heartbeat: Duration,
    begun: bool,
    _under_way: Option<UnderWay>,
    _room: OwnedSemaphorePermit,
}

impl Streaming {
    /// What is sent next; `None` ends the stream, and the client comes back to where it was.
    async fn chunk(&mut self) -> Option<Bytes> {
        if *self.follower.stopping.borrow() {
            return None;
        }
        if !std::mem::replace(&mut self.begun, true) {
            return Some(Bytes::from_static(RETRY));
        }
        match self.follower.page(pin!(sleep(self.heartbeat))).await {
            Ok(page) if page.items.is_empty() => Some(Bytes::from_static(HEARTBEAT)),
            Ok(page) => Some(self.events(&page)),
            Err(error) => {
                tracing::error!(%error, "a change stream ends: the store cannot be read");
                None
            }
        }
    }

    fn events(&self, page: &ChangePage) -> Bytes {
        let mut events = Vec::new();
        for change in &page.items {
            let head = format!("id: {}\nevent: change\ndata: ", change.sequence);
            let told = view::streamed_change(change, &self.epoch);
            events.extend([head.as_bytes(), &told, b"\n\n"].concat());
        }
        events.into()
    }
}
