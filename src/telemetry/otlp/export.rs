//! Sends spans to a collector, from a thread of its own. A collector that does not answer costs
//! spans, never a delivery: what waits is bounded, and what finds no room is dropped and counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use actix_web::rt::Runtime;
use awc::Connector;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::time::{Instant, timeout_at};

use super::Span;
use super::encode::request;
use crate::tls::{self, Trust};

/// Spans that may wait.
const WAITING: usize = 8192;
/// Spans that go together at the most, and how long the first of them waits for others.
const TOGETHER: usize = 512;
const LINGER: Duration = Duration::from_millis(500);
const ANSWER: Duration = Duration::from_secs(10);
/// Attempts for one request, and the pause after the first, which doubles.
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(500);

/// Where ended spans are put.
pub(super) struct Outbox {
    queue: Sender<Span>,
    dropped: Arc<AtomicU64>,
}

impl Outbox {
    pub(super) fn put(&self, span: Span) {
        if self.queue.try_send(span).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Holds on to the sending; what waits is sent when this is dropped.
pub struct Traces {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Traces {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

pub(super) fn start(endpoint: &str) -> std::io::Result<(Outbox, Traces)> {
    let (queue, waiting) = mpsc::channel(WAITING);
    let (stop, stopped) = mpsc::channel(1);
    let dropped = Arc::new(AtomicU64::new(0));
    let url = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
    let tls = tls::client(Trust::roots()).map_err(std::io::Error::other)?;
    let counted = Arc::clone(&dropped);
    let run = move || {
        let Ok(runtime) = Runtime::new() else { return };
        runtime.block_on(async {
            let connector = Connector::new().rustls_0_23(Arc::new(tls));
            let client = awc::Client::builder().connector(connector).timeout(ANSWER).finish();
            let exporter = Exporter { client, url, dropped: counted, fails: false };
            exporter.run(waiting, stopped).await;
        });
    };
    let thread = std::thread::Builder::new().name("traces".to_owned()).spawn(run)?;
    let traces = Traces { stop: Some(stop), thread: Some(thread) };
    Ok((Outbox { queue, dropped }, traces))
}

struct Exporter {
    client: awc::Client,
    url: String,
    dropped: Arc<AtomicU64>,
    /// Told once, until it works again.
    fails: bool,
}

impl Exporter {
    async fn run(mut self, mut waiting: Receiver<Span>, mut stopped: Receiver<()>) {
        let mut gathered = Vec::with_capacity(TOGETHER);
        loop {
            let stops = gather(&mut waiting, &mut stopped, &mut gathered).await;
            let attempts = if stops { 1 } else { ATTEMPTS };
            if !gathered.is_empty() {
                self.send(&gathered, attempts).await;
                gathered.clear();
            }
            if stops && waiting.is_empty() {
                return;
            }
        }
    }

    async fn send(&mut self, spans: &[Span], attempts: u32) {
        let body = request(spans);
        for attempt in 1..=attempts {
            match self.attempt(body.clone()).await {
                Ok(()) => {
                    if std::mem::take(&mut self.fails) {
                        let dropped = self.dropped.swap(0, Ordering::Relaxed);
                        tracing::info!(dropped, "traces are sent again");
                    }
                    return;
                }
                Err(reason) if attempt == attempts => {
                    self.dropped.fetch_add(spans.len() as u64, Ordering::Relaxed);
                    if !std::mem::replace(&mut self.fails, true) {
                        tracing::warn!(
                            "traces cannot be sent: {reason}; is there a collector at \
                             BURSAR_OTLP_ENDPOINT that takes OTLP over HTTP?"
                        );
                    }
                }
                Err(_) => tokio::time::sleep(PAUSE * (1 << (attempt - 1))).await,
            }
        }
    }

    async fn attempt(&self, body: Vec<u8>) -> Result<(), String> {
        let sent = self.client.post(&self.url).content_type("application/json").send_body(body);
        let answer = sent.await.map_err(|error| error.to_string())?;
        let status = answer.status();
        if status.is_success() { Ok(()) } else { Err(format!("the answer is {status}")) }
    }
}

/// Waits for spans, and a little for more. Whether this is the end.
async fn gather(
    waiting: &mut Receiver<Span>,
    stopped: &mut Receiver<()>,
    gathered: &mut Vec<Span>,
) -> bool {
    tokio::select! {
        biased;
        count = waiting.recv_many(gathered, TOGETHER) => {
            if count == 0 {
                return true;
            }
        }
        _ = stopped.recv() => return true,
    }
    let deadline = Instant::now() + LINGER;
    while gathered.len() < TOGETHER {
        let room = TOGETHER - gathered.len();
        tokio::select! {
            biased;
            more = timeout_at(deadline, waiting.recv_many(gathered, room)) => {
                match more {
                    Ok(0) => return true,
                    Ok(_) => {}
                    Err(_) => return false,
                }
            }
            // What is there already is taken first.
            _ = stopped.recv() => return true,
        }
    }
    false
}
