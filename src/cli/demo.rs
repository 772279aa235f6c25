//! `bursar demo`

mod keys;
mod maker;
mod plot;
mod screen;
mod stage;
mod story;

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::app::run as run_app;
use crate::cli::demo::keys::Keys;
use crate::cli::demo::stage::Stage;
use crate::cli::settings::{Address, SettingFlags};
use crate::cli::{Failure, block_on, serve};
use crate::config::{Checker, Settings};
use crate::pipeline::rules::StripeRules;
use crate::store::embedded::{Embedded, Options};

const SEGMENT_BYTES: u32 = 4 << 20;
/// Where the stand-in for Stripe and the sample platform are, unless somebody is there already.
const SANDBOX_PORT: u16 = 12_111;
const SAMPLE_PORT: u16 = 4_242;

/// Play the whole of paying out on a stand-in for Stripe, then keep serving
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  bursar demo\n  bursar demo --exit\n  bursar demo --no-story   # only serves, for you to play"
)]
pub struct Arguments {
    /// Stop after the story; exit 0 only if every expected status was reached
    #[arg(long)]
    exit: bool,
    /// Serve at once, with nothing done yet
    #[arg(long, conflicts_with = "exit")]
    no_story: bool,
    #[command(flatten)]
    settings: SettingFlags<Address>,
}

/// A folder that is gone when the demo is.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// The sockets of all who play.
struct Listeners {
    service: TcpListener,
    sandbox: TcpListener,
    sample: TcpListener,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let listeners = listen(&arguments.settings.gather())?;
    crate::telemetry::start("warn", false);
    let folder = std::env::temp_dir().join(super::token::new("bursar-demo-")?);
    let folder = Temporary(folder);
    let options = Options { segment_bytes: SEGMENT_BYTES };
    let store = Embedded::open(&folder.0, options, Arc::new(StripeRules), &mut |_| {})?;
    let Listeners { service, sandbox, sample } = listeners;
    let stage = Stage::set(&service, sandbox, sample, Keys::new()?).map_err(failed)?;
    let result = block_on(async {
        let (stop, stopped) = oneshot::channel::<()>();
        let stop_signal = async move {
            tokio::select! {
                _ = stopped => {}
                () = serve::stop_signal() => {}
            }
        };
        let parts = stage.parts()?;
        let running =
            tokio::task::spawn_local(run_app(service, Arc::new(store), parts, stop_signal));
        let told = if arguments.no_story { Ok(()) } else { story::tell(&stage).await };
        if arguments.exit || told.is_err() {
            stop.send(()).ok();
        } else {
            screen::invite(&stage, &folder.0);
            std::mem::forget(stop);
        }
        running.await.map_err(failed)?.map_err(failed)?;
        told
    });
    drop(stage);
    drop(folder);
    result
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::Failed(error.to_string())
}

/// The service at the address that was asked for; without one at the usual, or at a free port when
/// that is taken, as the others do.
fn listen(settings: &Settings) -> Result<Listeners, Failure> {
    let mut checker = Checker::new(settings);
    let bind = checker.bind();
    checker.finish()?;
    let bind = bind.ok_or(Failure::Said)?;
    let beside = |port| listen_about(SocketAddr::new(bind.ip(), port));
    let service = if settings.gives("bind") { TcpListener::bind(bind) } else { listen_about(bind) };
    let listeners = service.and_then(|service| {
        Ok(Listeners { service, sandbox: beside(SANDBOX_PORT)?, sample: beside(SAMPLE_PORT)? })
    });
    listeners.map_err(|error| {
        Failure::Failed(format!(
            "the address {bind} cannot be used: {error}; choose another with --bind or BURSAR_BIND"
        ))
    })
}

fn listen_about(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).or_else(|_| TcpListener::bind(SocketAddr::new(address.ip(), 0)))
}
