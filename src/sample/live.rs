//! What the page shows changes by itself: one follower of bursar's feed, and a stream to each page.

use std::convert::Infallible;
use std::time::Duration;

use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::stream::unfold;
use tokio::sync::watch;

use crate::sample::bursar::Bursar;
use crate::sample::users::User;
use crate::sample::{Shared, page};

const AFTER_TROUBLE: Duration = Duration::from_secs(1);
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Tells every page when something has changed. Never ends.
pub(super) async fn follow(bursar: Bursar, shared: std::sync::Arc<Shared>) {
    let mut after = 0;
    loop {
        match bursar.changes(after).await {
            Ok(next) if next == after => {}
            Ok(next) => {
                after = next;
                shared.news.send_replace(next);
            }
            // It is starting, or stopping.
            Err(_) => tokio::time::sleep(AFTER_TROUBLE).await,
        }
    }
}

/// A page that is open.
struct Viewer {
    user: User,
    bursar: Data<Bursar>,
    news: watch::Receiver<u64>,
    shown: String,
}

/// Sends the user's panel whenever it looks different.
pub(super) async fn stream(
    request: HttpRequest,
    shared: Data<Shared>,
    bursar: Data<Bursar>,
) -> HttpResponse {
    let user = shared.users.of(&request);
    let news = shared.news.subscribe();
    let viewer = Viewer { user, bursar, news, shown: String::new() };
    let stream = unfold(viewer, |mut viewer| async move {
        let message = viewer.next().await;
        Some((Ok::<_, Infallible>(Bytes::from(message)), viewer))
    });
    HttpResponse::Ok().content_type("text/event-stream").streaming(stream)
}

impl Viewer {
    async fn next(&mut self) -> String {
        loop {
            self.news.borrow_and_update();
            let panel = page::panel(&self.user, &self.bursar).await;
            if panel != self.shown {
                self.shown.clone_from(&panel);
                return format!("data: {}\n\n", panel.replace('\n', " "));
            }
            match tokio::time::timeout(HEARTBEAT, self.news.changed()).await {
                Ok(Ok(())) => {}
                // The server is stopping; the page comes back when there is one again.
                Ok(Err(_)) => return std::future::pending().await,
                // By this it is noticed that a page is gone.
                Err(_) => return ": still here\n\n".to_owned(),
            }
        }
    }
}
