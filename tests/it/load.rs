//! Clients that deliver to the real binary until it is gone, and what they know afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard};

use crate::process::{Connection, Server};

/// What the clients know.
#[derive(Default)]
pub(crate) struct Told {
    /// Acknowledged by a 2xx.
    pub(crate) acknowledged: BTreeSet<String>,
    /// Sent without an answer; each is sent again to the next server.
    pub(crate) open: Vec<String>,
}

/// How much is delivered, and what.
pub(crate) struct Load<'a> {
    /// Begins the name of every event.
    pub(crate) name: String,
    pub(crate) clients: usize,
    /// Events that each client delivers at most.
    pub(crate) each: usize,
    pub(crate) body: &'a (dyn Fn(&str) -> Vec<u8> + Sync),
    /// Told of every 2xx, at once.
    pub(crate) on_acknowledged: &'a (dyn Fn(&str) + Sync),
}

impl Load<'_> {
    /// Delivers over kept connections, until all is delivered or the server answers no more.
    pub(crate) fn deliver(&self, address: SocketAddr, told: &Mutex<Told>) {
        std::thread::scope(|threads| {
            for client in 0..self.clients {
                let again = lock(told).open.pop();
                threads.spawn(move || self.deliver_as(client, again, address, told));
            }
        });
    }

    fn deliver_as(
        &self,
        client: usize,
        again: Option<String>,
        address: SocketAddr,
        told: &Mutex<Told>,
    ) {
        let mut connection = Connection::to(address);
        let new = (0..self.each).map(|number| format!("{}_{client}_{number}", self.name));
        for name in again.into_iter().chain(new) {
            let answer = connection.as_mut().map(|it| it.deliver(&(self.body)(&name)));
            if !answer.is_ok_and(|answer| answer.is_ok_and(|answer| answer.status == 200)) {
                lock(told).open.push(name);
                return;
            }
            (self.on_acknowledged)(&name);
            lock(told).acknowledged.insert(name);
        }
    }
}

pub(crate) fn lock(told: &Mutex<Told>) -> MutexGuard<'_, Told> {
    told.lock().expect("a sound lock")
}

/// How often each event is stored.
pub(crate) fn stored(server: &Server) -> BTreeMap<String, usize> {
    let mut stored = BTreeMap::new();
    for event in server.events() {
        let id = event["id"].as_str().expect("an id");
        *stored.entry(id.trim_start_matches("evt_").to_owned()).or_default() += 1;
    }
    stored
}

/// Whether each acknowledged event is stored, nothing is there or counted twice; why not.
/// All events are `payout`s.
pub(crate) fn whole<'a>(
    server: &Server,
    acknowledged: impl IntoIterator<Item = &'a String>,
) -> Result<BTreeMap<String, usize>, String> {
    let stored = stored(server);
    let lost: Vec<_> =
        acknowledged.into_iter().filter(|name| !stored.contains_key(*name)).collect();
    if let Some(first) = lost.first() {
        return Err(format!("{} were acknowledged and are lost, one is {first}", lost.len()));
    }
    if let Some((name, count)) = stored.iter().find(|(_, count)| **count != 1) {
        return Err(format!("{name} is stored {count} times"));
    }
    let summary = server.read("/v1/summary");
    for counted in [&summary["events"]["applied"], &summary["payouts"]["pending"]] {
        if counted.as_u64().unwrap_or(0) != stored.len() as u64 {
            return Err(format!("{} events, but {summary}", stored.len()));
        }
    }
    Ok(stored)
}
