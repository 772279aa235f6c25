//! The two servers, each in a process of its own, so that they share the machine as in life.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use actix_web::web::{self, Bytes};
use actix_web::{App, HttpResponse, HttpServer};
use bursar::app::{Parts, Patience, run};
use bursar::pipeline::commit::Limits;
use bursar::pipeline::rules::StripeRules;
use bursar::secret::Secret;
use bursar::store::embedded::{Embedded, Options};
use bursar::stripe::signature::{Verifier, WebhookSecret};
use bursar::telemetry;
use bursar::token::{Role, Token, Tokens};
use tokio::sync::oneshot;

use crate::Error;
use crate::report::Server;

pub(crate) const WEBHOOK_SECRET: &str = "whsec_bench";
pub(crate) const READER_TOKEN: &str = "bench-reader";
/// Deliveries are signed before the first measurement and used in the last.
const TOLERANCE_SECONDS: u64 = 86_400;
const MAX_BODY_BYTES: usize = 1 << 20;
/// Of `/proc/PID/stat`; the same on all Linux machines.
const TICKS_PER_SECOND: u32 = 100;

/// A server under way; ends with the program that started it.
pub(crate) struct Child {
    process: std::process::Child,
    pub(crate) address: SocketAddr,
}

impl Child {
    pub(crate) fn start(server: Server, folder: &Path, log: &str) -> Result<Self, Error> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["--role", server.word(), "--log", log, "--folder"])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A log that nobody reads; it still has to be written.
            .stderr(Stdio::null())
            .spawn()?;
        let stdout = process.stdout.take().ok_or("the server has no stdout")?;
        let mut address = String::new();
        BufReader::new(stdout).read_line(&mut address)?;
        let address = address.trim().parse().map_err(|_| "a server did not start")?;
        Ok(Self { process, address })
    }

    /// CPU that the server has used so far.
    pub(crate) fn cpu_seconds(&self) -> Result<f64, Error> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        // The second field is a name in parentheses; user and system time are 14 and 15.
        let fields = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
        let ticks: u32 =
            fields.split_whitespace().skip(11).take(2).filter_map(|t| t.parse::<u32>().ok()).sum();
        Ok(f64::from(ticks) / f64::from(TICKS_PER_SECOND))
    }

    /// Lets the server finish as it would on SIGTERM.
    pub(crate) fn stop(mut self) -> Result<(), Error> {
        drop(self.process.stdin.take());
        let status = self.process.wait()?;
        if status.success() { Ok(()) } else { Err(format!("a server ended with {status}").into()) }
    }
}

/// The least a server can do with a delivery.
pub(crate) fn bare() -> Result<(), Error> {
    async fn answer(_body: Bytes) -> HttpResponse {
        HttpResponse::Ok().finish()
    }
    let listener = listen()?;
    actix_web::rt::System::new().block_on(async {
        let server = HttpServer::new(|| App::new().default_service(web::to(answer)));
        let server = server.disable_signals().listen(listener)?.run();
        let control = server.handle();
        let serving = tokio::spawn(server);
        stopped().await;
        control.stop(true).await;
        serving.await??;
        Ok(())
    })
}

pub(crate) fn bursar(folder: &Path, log: &str) -> Result<(), Error> {
    telemetry::start(log, false);
    let rules = Arc::new(StripeRules);
    let store = Embedded::open(&folder.join("store"), Options::default(), rules, &mut |_| {})?;
    let secret = WebhookSecret::new("bench", Secret::new(WEBHOOK_SECRET.to_owned()));
    let token = Token::new(Role::Reader, "reader", READER_TOKEN).ok_or("the token is unusable")?;
    let parts = Parts {
        verifier: Verifier::new(&[secret], TOLERANCE_SECONDS),
        tokens: Tokens(vec![token]),
        insecure_no_auth: false,
        livemode: false,
        max_body_bytes: MAX_BODY_BYTES,
        limits: Limits::default(),
        patience: Patience::default(),
    };
    let listener = listen()?;
    actix_web::rt::System::new().block_on(run(listener, Arc::new(store), parts, stopped()))?;
    Ok(())
}

/// Listens on a free port and tells the parent which.
fn listen() -> io::Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    writeln!(io::stdout(), "{}", listener.local_addr()?)?;
    Ok(listener)
}

/// Ready when the parent closes our stdin, or is gone.
async fn stopped() {
    let (closed, seen) = oneshot::channel();
    std::thread::spawn(move || {
        io::stdin().read_to_end(&mut Vec::new()).ok();
        closed.send(()).ok();
    });
    seen.await.ok();
}
