//! `bursar healthcheck`

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::cli::client::Server;
use crate::cli::settings::{Address, SettingFlags};
use crate::cli::{Failure, block_on};
use crate::config::Checker;

/// Ask a running server whether it can take work; exit 0 if so (for containers)
#[derive(clap::Args)]
#[command(after_help = "Example:\n  bursar healthcheck --bind 127.0.0.1:8787")]
pub struct Arguments {
    #[command(flatten)]
    settings: SettingFlags<Address>,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let settings = arguments.settings.gather();
    let mut checker = Checker::new(&settings);
    let bind = checker.bind();
    checker.finish()?;
    let Some(bind) = bind else { return Err(Failure::Said) };
    block_on(async {
        let answer = Server::new(&url(bind))?.get("/readyz", None).await?;
        if answer.is_success() { Ok(()) } else { Err(Failure::Failed(answer.problem())) }
    })
}

/// Where a server with this address is reached from its own machine.
pub(super) fn url(bind: SocketAddr) -> String {
    let ip = match bind.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    format!("http://{}", SocketAddr::new(ip, bind.port()))
}
