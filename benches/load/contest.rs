//! The servers take turns under the same load.

use std::time::Duration;

use tempfile::TempDir;

use crate::client::{Load, Wanted, drive};
use crate::deliveries::Source;
use crate::disk::bytes_below;
use crate::postgres::Cluster;
use crate::round::{Leg, Round, Work};
use crate::servers::{Child, Server};
use crate::{Arguments, Error, QUICK_TIMES, WARM_UP};

/// Reads, and the home-grown service, are measured with so many connections.
const FEW_CONNECTIONS: usize = 64;

pub(crate) const APPLIED: Wanted = Wanted::Ending(b"\"outcome\":\"applied\"}");

struct Contest<'a> {
    arguments: &'a Arguments,
    warm_up: Vec<Vec<u8>>,
    deliveries: Vec<Vec<u8>>,
    reads: Vec<Vec<u8>>,
}

/// All rounds, each of them with every number of connections.
pub(crate) fn hold(arguments: &Arguments) -> Result<Vec<Round>, Error> {
    let mut source = Source::new(arguments.accounts, WARM_UP + arguments.events);
    let warm_up = source.deliveries(WARM_UP)?;
    let deliveries = source.deliveries(arguments.events)?;
    println!(
        "{} events of {} bytes on average, about {} accounts",
        arguments.events,
        source.mean_body_bytes(),
        arguments.accounts
    );
    let contest = Contest { arguments, warm_up, deliveries, reads: source.reads() };
    let mut rounds = Vec::new();
    for round in 1..=arguments.rounds {
        for &connections in &arguments.connections {
            println!("round {round} of {}, {connections} connections", arguments.rounds);
            rounds.extend(contest.round(connections)?);
        }
    }
    Ok(rounds)
}

impl Contest<'_> {
    /// Every server once, bursar last.
    fn round(&self, connections: usize) -> Result<Vec<Round>, Error> {
        let mut deliver = Round { work: Work::Deliver, connections, legs: Vec::new() };
        let mut read = Round { work: Work::Read, connections, legs: Vec::new() };
        self.bare(&mut deliver, &mut read)?;
        if self.arguments.compare() && connections == FEW_CONNECTIONS {
            deliver.legs.push(self.homegrown(connections)?);
        }
        self.bursar(&mut deliver, &mut read)?;
        Ok([deliver, read].into_iter().filter(|round| !round.legs.is_empty()).collect())
    }

    fn bare(&self, deliver: &mut Round, read: &mut Round) -> Result<(), Error> {
        let child = Child::bare()?;
        let run = Run { contest: self, child: &child, connections: deliver.connections };
        deliver.legs.push(run.deliver(Server::Bare, QUICK_TIMES, Wanted::Empty)?);
        if deliver.connections == FEW_CONNECTIONS {
            read.legs.push(run.read(Server::Bare, Wanted::Empty)?);
        }
        child.stop()
    }

    fn homegrown(&self, connections: usize) -> Result<Leg, Error> {
        let database = Cluster::start(&self.arguments.folder)?;
        let child = Child::homegrown(&database)?;
        let run = Run { contest: self, child: &child, connections };
        let leg = run.deliver(Server::Homegrown, 1, Wanted::Empty)?;
        child.stop()?;
        let (rows, answered) = (database.count("events")?, leg.answered + WARM_UP);
        if rows == answered {
            return Ok(leg);
        }
        Err(format!("the home-grown service answered {answered} and stored {rows} events").into())
    }

    fn bursar(&self, deliver: &mut Round, read: &mut Round) -> Result<(), Error> {
        let store = TempDir::new_in(&self.arguments.folder)?;
        let child = Child::bursar(store.path(), &self.arguments.log)?;
        let run = Run { contest: self, child: &child, connections: deliver.connections };
        let mut leg = run.deliver(Server::Bursar, 1, APPLIED)?;
        if deliver.connections == FEW_CONNECTIONS {
            read.legs.push(run.read(Server::Bursar, Wanted::Json)?);
        }
        child.stop()?;
        leg.stored(bytes_below(store.path())?, leg.answered + WARM_UP);
        deliver.legs.push(leg);
        Ok(())
    }
}

/// One server's turn.
struct Run<'a> {
    contest: &'a Contest<'a>,
    child: &'a Child,
    connections: usize,
}

impl Run<'_> {
    fn deliver(&self, server: Server, times: usize, wanted: Wanted) -> Result<Leg, Error> {
        let Contest { warm_up, deliveries, .. } = self.contest;
        drive(&self.load(warm_up, WARM_UP, wanted))?;
        let load = self.load(deliveries, deliveries.len() * times, wanted);
        Leg::of(server, self.child, || drive(&load))
    }

    fn read(&self, server: Server, wanted: Wanted) -> Result<Leg, Error> {
        let Contest { reads, deliveries, .. } = self.contest;
        drive(&self.load(reads, WARM_UP, wanted))?;
        let load = self.load(reads, deliveries.len() * QUICK_TIMES, wanted);
        Leg::of(server, self.child, || drive(&load))
    }

    fn load<'l>(&self, requests: &'l [Vec<u8>], count: usize, wanted: Wanted) -> Load<'l> {
        Load {
            address: self.child.address,
            connections: self.connections,
            threads: self.contest.arguments.threads,
            requests,
            count,
            limit: Duration::from_secs(self.contest.arguments.seconds),
            wanted,
        }
    }
}
