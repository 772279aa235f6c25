//! A store that was put back from a copy: it does not know what was sent since.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use bursar::domain::operation::{Happening, Operation, OperationState, Settled};
use bursar::sandbox::server::Running;
use bursar::secret::Secret;
use bursar::stripe::client::{Client, ClientSettings};
use serde_json::json;

use super::begun;
use crate::support::TestApp;
use crate::support::directed::{HOUR, ahead, keep, over, terms, transfer, wait};
use crate::support::events::{account, balance};
use crate::support::platform::sandbox;

/// A sandbox with funds, and an account that they can go to.
struct World {
    stripe: Running,
    account: String,
}

impl World {
    fn new() -> Self {
        let stripe = sandbox(0);
        let account = stripe.with(|sandbox| {
            let made = sandbox.world.create_account(&json!({ "country": "US" })).unwrap();
            let id = made["id"].as_str().unwrap().to_owned();
            sandbox.world.onboard(&id, &BTreeMap::new()).unwrap();
            sandbox.world.add_funds(&json!({ "amount": 5_000, "currency": "usd" })).unwrap();
            id
        });
        stripe.advance(10);
        Self { stripe, account }
    }

    fn client(&self) -> Arc<Client> {
        let settings = ClientSettings {
            key: Secret::new("sk_test_platform"),
            api_base: self.stripe.url(),
            version: "2026-07-29.dahlia".to_owned(),
        };
        Arc::new(Client::new(settings).unwrap())
    }

    fn wanted(&self, amount: i64, waits: bool, key: &str) -> Operation {
        let mut terms = terms(amount, "usd", waits);
        terms.destination.clone_from(&self.account);
        begun(&transfer(terms), key, 5)
    }

    /// How many transfers there are.
    fn made(&self) -> usize {
        self.stripe.with(|sandbox| {
            let posts = sandbox.journal.iter().filter(|seen| seen.method == "POST");
            posts.map(|seen| seen.effects.len()).sum()
        })
    }

    /// Runs until these are done.
    fn run(&self, app: &TestApp, ids: &[&str]) -> Vec<Operation> {
        let mut done = Vec::new();
        over(app, self.client(), async |operations, store, _| {
            keep(&store, &balance(5_000)).await;
            actix_web::rt::spawn(operations.run());
            for id in ids {
                let of = async || store.operation(false, id).await.unwrap().unwrap();
                let came = wait(async || of().await.state == OperationState::Succeeded).await;
                assert!(came, "{:?}", of().await);
                done.push(of().await);
            }
        });
        done
    }
}

#[test]
fn a_store_put_back_from_an_old_copy_sends_nothing_that_was_sent() {
    let world = World::new();
    let waits = world.wanted(300, true, "waits");
    let wanted = world.wanted(200, false, "wanted");
    let never = world.wanted(100, true, "never");
    let (mut original, mut copy) = (TestApp::start(), TestApp::start());
    original.stop();
    copy.stop();
    over(&original, world.client(), async |_, store, _| {
        for wanted in [&waits, &wanted, &never] {
            store.begin(wanted.clone()).await.unwrap();
        }
        keep(&store, &account(&world.account)).await;
    });
    fs::remove_dir_all(copy.store_folder()).unwrap();
    copy_folder(&original.store_folder(), &copy.store_folder());
    // In the original, and not in the copy, somebody does not want the last.
    over(&original, world.client(), async |operations, _, _| {
        let decided = Happening::Decided {
            happened: false,
            object_id: None,
            by: "olga".to_owned(),
            reason: "not wanted any more".to_owned(),
        };
        operations.resolve(false, &never.id, decided).await.unwrap();
    });
    let first = world.run(&original, &[&waits.id, &wanted.id]);
    assert_eq!(world.made(), 2);

    ahead(25 * HOUR);
    world.stripe.advance(25 * HOUR);
    let again = world.run(&copy, &[&waits.id, &wanted.id, &never.id]);
    for (first, again) in first.iter().zip(&again) {
        assert_eq!(first.object_id, again.object_id);
        assert_eq!(again.settled, Some(Settled::Lookup), "{again:?}");
    }
    assert_eq!(again[2].settled, Some(Settled::Answer), "it was never sent");
    assert_eq!(world.made(), 3);
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_folder(&path, &to);
        } else {
            fs::copy(&path, &to).unwrap();
        }
    }
}
