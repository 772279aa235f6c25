//! Every story of `fixtures/scenarios`, told through the webhook route in three ways, and every
//! event of `fixtures/events`.

use bursar::sandbox::story::{Expectation, Line, Story, Teller, Told};
use bursar::sandbox::{fixture_events, fixture_stories};
use serde_json::Value;

use crate::support::{TestApp, now};

const SEEDS: [u64; 3] = [1, 20, 300];

struct Scene {
    name: String,
    story: Story,
    /// Its events, in the order of the story.
    told: Vec<Told>,
}

fn scenes() -> Vec<Scene> {
    let stories = fixture_stories();
    assert!(stories.len() > 40, "the stories are not bundled");
    stories.into_iter().map(|(name, text)| scene(name, text)).collect()
}

fn scene(name: String, text: &[u8]) -> Scene {
    let text = std::str::from_utf8(text).unwrap();
    let story = Story::parse(text).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(story.final_expectations().next().is_some(), "{name} ends without an expectation");
    let start = u64::try_from(now()).unwrap() - 10_000;
    let mut teller = Teller::new(start, "story");
    let told = story.deliveries().map(|delivery| teller.tell(delivery));
    let told = told.collect::<Result<_, _>>().unwrap_or_else(|error| panic!("{name}: {error}"));
    Scene { name, story, told }
}

/// Tells every story with `tell`, each to a server of its own; none may fail.
fn tell_all(tell: impl Fn(&Scene, &TestApp, &mut Vec<String>) + Sync) {
    let scenes = scenes();
    let next = std::sync::atomic::AtomicUsize::new(0);
    let work = || {
        let mut failures = Vec::new();
        while let Some(scene) = scenes.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
        {
            let mut wrong = Vec::new();
            let mut app = TestApp::start();
            tell(scene, &app, &mut wrong);
            app.stop();
            let check = app.open().check(10, &mut |_| {}).unwrap();
            wrong
                .extend(check.differences.into_iter().map(|row| format!("after a rebuild, {row}")));
            let told = &scene.name;
            failures.extend(wrong.into_iter().map(|wrong| format!("{told}: {wrong}")));
        }
        failures
    };
    let failures: Vec<String> = std::thread::scope(|scope| {
        let workers = [scope.spawn(work), scope.spawn(work)];
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

/// Delivers an event; answers its outcome, or notes what went wrong.
fn deliver(app: &TestApp, told: &Told, wrong: &mut Vec<String>) -> String {
    let (status, answer) = app.deliver(&told.body);
    let Told { event_type, object, .. } = told;
    if status != 200 {
        wrong.push(format!("deliver {event_type} {object}: HTTP {status}: {answer}"));
    }
    answer["outcome"].as_str().unwrap_or_default().to_owned()
}

fn check(app: &TestApp, expectation: &Expectation, wrong: &mut Vec<String>) {
    let path = expectation.path();
    let answer = app.get(&path);
    let checked = expectation.check(answer.status, &answer.json());
    wrong.extend(checked.err().map(|why| format!("{why} (GET {path})")));
}

#[test]
fn every_story_comes_true_as_it_is_told() {
    tell_all(|scene, app, wrong| {
        let mut told = scene.told.iter();
        for line in &scene.story.lines {
            match line {
                Line::Deliver(_) => {
                    deliver(app, told.next().unwrap(), wrong);
                }
                Line::Expect(expectation) => check(app, expectation, wrong),
            }
        }
    });
}

#[test]
fn every_story_comes_true_with_every_event_delivered_twice() {
    tell_all(|scene, app, wrong| {
        let mut told = scene.told.iter();
        for line in &scene.story.lines {
            match line {
                Line::Deliver(_) => {
                    let told = told.next().unwrap();
                    deliver(app, told, wrong);
                    let again = deliver(app, told, wrong);
                    if again != "duplicate" {
                        wrong.push(format!("{} {} again: {again}", told.event_type, told.object));
                    }
                }
                Line::Expect(expectation) => check(app, expectation, wrong),
            }
        }
    });
}

#[test]
fn every_story_ends_the_same_in_any_order() {
    for seed in SEEDS {
        tell_all(|scene, app, wrong| {
            let mut order: Vec<&Told> = scene.told.iter().collect();
            fastrand::Rng::with_seed(seed).shuffle(&mut order);
            for told in order {
                deliver(app, told, wrong);
            }
            for expectation in scene.story.final_expectations() {
                check(app, expectation, wrong);
            }
            for wrong in wrong {
                *wrong = format!("shuffled with seed {seed}: {wrong}");
            }
        });
    }
}

#[test]
fn every_event_of_the_fixtures_can_be_taken_in() {
    const TRACKED: [&str; 8] = [
        "account.updated",
        "account.application.",
        "capability.updated",
        "topup.",
        "transfer.",
        "payout.",
        "balance.available",
        "balance.observed",
    ];
    let app = TestApp::start();
    let events = fixture_events();
    assert!(events.len() > 60, "the events are not bundled");
    for (name, body) in events {
        let mut event: Value = serde_json::from_slice(body).unwrap();
        if let Some(created) = event["created"].as_i64() {
            // Whenever this runs, the events lie in the past.
            event["created"] = created.min(now()).into();
        }
        let event_type = event["type"].as_str().unwrap();
        let is_gone = ["transfer.paid", "transfer.failed"].contains(&event_type);
        let is_tracked = TRACKED.iter().any(|tracked| event_type.starts_with(tracked)) && !is_gone;
        let (status, answer) = app.deliver(serde_json::to_vec_pretty(&event).unwrap());
        assert_eq!(status, 200, "{name}: {answer}");
        let outcome = answer["outcome"].as_str().unwrap();
        if is_tracked {
            let expected = ["applied", "stale", "unchanged"];
            assert!(expected.contains(&outcome), "{name}: {outcome}");
        } else {
            assert_eq!(outcome, "ignored", "{name}");
        }
    }
}
