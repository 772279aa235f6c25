//! The servers under load, each in a process of its own.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use actix_web::web::{self, Bytes};
use actix_web::{App, HttpResponse, HttpServer};
use bursar::app::{Capacity, Networks, Parts, Patience, Vigilance, run};
use bursar::pipeline::commit::Limits;
use bursar::pipeline::rules::StripeRules;
use bursar::secret::Secret;
use bursar::store::embedded::{Embedded, Options};
use bursar::stripe::outgoing::ReturnUrls;
use bursar::stripe::signature::{Verifier, WebhookSecret};
use bursar::telemetry;
use bursar::token::{Role, Token, Tokens};
use clap::ValueEnum;
use serde::Serialize;
use tokio::sync::oneshot;

use crate::postgres::Cluster;
use crate::{Arguments, Error, process};

pub(crate) const WEBHOOK_SECRET: &str = "whsec_bench";
pub(crate) const READER_TOKEN: &str = "bench-reader";
/// Deliveries are signed before the first measurement and used in the last.
const TOLERANCE_SECONDS: u64 = 86_400;
/// Where `scripts/bench` puts the program when it has built it.
const HOMEGROWN: &str = "target/homegrown/release/homegrown";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Server {
    Bare,
    Homegrown,
    Bursar,
}

impl Server {
    pub(crate) const ALL: [Self; 3] = [Self::Bare, Self::Homegrown, Self::Bursar];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Homegrown => "home-grown",
            Self::Bursar => "bursar",
        }
    }
}

/// A server under way; ends with the program that started it.
pub(crate) struct Child {
    process: std::process::Child,
    pub(crate) address: SocketAddr,
}

impl Child {
    pub(crate) fn bare() -> Result<Self, Error> {
        Self::start(Command::new(std::env::current_exe()?).args(["--role", "bare"]))
    }

    pub(crate) fn bursar(folder: &Path, log: &str) -> Result<Self, Error> {
        let mut program = Command::new(std::env::current_exe()?);
        Self::start(program.args(["--role", "bursar", "--log", log, "--folder"]).arg(folder))
    }

    pub(crate) fn homegrown(database: &Cluster) -> Result<Self, Error> {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join(HOMEGROWN);
        Self::start(Command::new(program).args([&database.url(), WEBHOOK_SECRET]))
    }

    /// Returns when the server listens.
    fn start(program: &mut Command) -> Result<Self, Error> {
        let mut process = program
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A log that nobody reads; it still has to be written.
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{}: {error}", program.get_program().display()))?;
        let stdout = process.stdout.take().ok_or("the server has no stdout")?;
        let mut address = String::new();
        BufReader::new(stdout).read_line(&mut address)?;
        let address = address.trim().parse().map_err(|_| "a server did not start")?;
        Ok(Self { process, address })
    }

    pub(crate) fn cpu_seconds(&self) -> Result<f64, Error> {
        process::cpu_seconds(self.process.id())
    }

    pub(crate) fn resident_mb(&self) -> Option<u32> {
        process::resident_mb(self.process.id())
    }

    pub(crate) fn peak_resident_mb(&self) -> Option<u32> {
        process::peak_resident_mb(self.process.id())
    }

    /// Lets the server finish as it would on SIGTERM.
    pub(crate) fn stop(mut self) -> Result<(), Error> {
        drop(self.process.stdin.take());
        let status = self.process.wait()?;
        if status.success() { Ok(()) } else { Err(format!("a server ended with {status}").into()) }
    }

    /// Ends the server as kill -9 does.
    pub(crate) fn kill(mut self) -> Result<(), Error> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }
}

/// Serves until the parent lets go.
pub(crate) fn be(server: Server, arguments: &Arguments) -> Result<(), Error> {
    match server {
        Server::Bare => bare(),
        Server::Homegrown => Err("the home-grown service is a program of its own".into()),
        Server::Bursar => bursar(&arguments.folder, &arguments.log),
    }
}

/// The least a server can do with a delivery.
fn bare() -> Result<(), Error> {
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

fn bursar(folder: &Path, log: &str) -> Result<(), Error> {
    telemetry::start(log, false);
    let rules = Arc::new(StripeRules);
    let store = Embedded::open(&folder.join("store"), Options::default(), rules, &mut |_| {})?;
    let secret = WebhookSecret::new("bench", Secret::new(WEBHOOK_SECRET.to_owned()));
    let token = Token::new(Role::Reader, "reader", READER_TOKEN).ok_or("the token is unusable")?;
    let parts = Parts {
        verifier: Verifier::new(&[secret], TOLERANCE_SECONDS).into(),
        tokens: Tokens(vec![token]).into(),
        auth_failures: 0,
        insecure_no_auth: false,
        livemode: false,
        capacity: Capacity::default(),
        limits: Limits::default(),
        vigilance: Vigilance::default(),
        patience: Patience::default(),
        certificate: None,
        networks: Networks::default(),
        outbound: None,
        retention: None,
        onboarding: ReturnUrls::default(),
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
