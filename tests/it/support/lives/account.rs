//! Lives of accounts: the true ones, of which reports say what they changed, and babble, where
//! anything may be said at any time.

use bursar::domain::Json;
use bursar::domain::account::{
    Authorization, Capability, Facts, Fields, Previous, Profile, Snapshot,
};
use bursar::domain::event::Says;
use bursar::domain::id::{Kind, ObjectKey};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::{Content, Frame, Life, START, Told, frame, framed, json, perhaps};

/// How hostile a true life is to who must put it in order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Odds {
    /// Of an event to share its second with the one before.
    pub(crate) same_second: f64,
    /// Of a report to come without `previous_attributes`.
    pub(crate) silent: f64,
    /// Of an event never to come, the last of a life aside.
    pub(crate) lost: f64,
    /// Of an event to be made twice, under two ids.
    pub(crate) twins: f64,
    /// Of the capability's own event to come as well.
    pub(crate) capability: f64,
    /// Of an event to be no report at all.
    pub(crate) senseless: f64,
}

impl Odds {
    pub(crate) const HOSTILE: Self = Self {
        same_second: 0.5,
        silent: 0.25,
        lost: 0.05,
        twins: 0.05,
        capability: 0.1,
        senseless: 0.03,
    };
}

/// Of an account that is paid and of which nothing is asked.
pub(crate) fn complete() -> Facts {
    Facts {
        details_submitted: true,
        payouts_enabled: true,
        transfers: Some("active".to_owned()),
        disabled_reason: None,
        current_deadline: None,
        currently_due: Fields::default(),
        past_due: Fields::default(),
        eventually_due: Fields::default(),
        pending_verification: Fields::default(),
    }
}

/// What an account can be; every status but `deauthorized` is among them. The first pays.
pub(crate) fn all_facts() -> Vec<Facts> {
    let fields = |names: &[&str]| Fields(names.iter().map(|&name| name.to_owned()).collect());
    let due = fields(&["individual.id_number", "external_account"]);
    let dead = |reason: &str| Facts {
        payouts_enabled: false,
        disabled_reason: Some(reason.to_owned()),
        ..complete()
    };
    let pending =
        Facts { pending_verification: due.clone(), ..dead("requirements.pending_verification") };
    let past_due = Facts { past_due: due.clone(), ..dead("requirements.past_due") };
    let soon = Facts { current_deadline: Some(1_791_000_000), ..complete() };
    vec![
        complete(),
        Facts { eventually_due: due.clone(), ..complete() },
        // The same list, in another order, is the same list.
        Facts {
            eventually_due: fields(&["external_account", "individual.id_number"]),
            ..complete()
        },
        Facts { currently_due: due.clone(), ..soon },
        Facts { currently_due: due, ..past_due.clone() },
        past_due,
        complete().with_transfers("inactive"),
        Facts { payouts_enabled: false, ..complete() },
        pending.with_transfers("pending"),
        dead("rejected.fraud"),
        Facts { details_submitted: false, transfers: None, ..dead("requirements.past_due") },
    ]
}

/// A profile with these facts; `drift` is what else may differ from event to event.
fn profile(facts: &Facts, drift: u8) -> Profile {
    let word = |word: &str| Json(format!("\"{word}\""));
    let transfers = facts.transfers.iter().map(|status| ("transfers".to_owned(), word(status)));
    let cards = (drift & 1 != 0).then(|| ("card_payments".to_owned(), word("active")));
    Profile {
        facts: facts.clone(),
        charges_enabled: Some(drift & 1 != 0),
        requirements: Some(json::requirements(facts, drift & 2 != 0)),
        capabilities: Some(transfers.chain(cards).collect()),
        controller: Some(Json("{\"type\":\"application\"}".to_owned())),
        country: Some(if drift & 4 != 0 { "US" } else { "FR" }.to_owned()),
        default_currency: (drift & 8 != 0).then(|| "usd".to_owned()),
        account_type: Some("none".to_owned()),
        service_agreement: None,
    }
}

/// `previous_attributes` of a report of `now`: they name only what is no longer as in `before`.
fn changed(before: &Facts, now: &Facts) -> Previous {
    fn other<T: Clone + PartialEq>(before: &T, now: &T) -> Option<T> {
        (before != now).then(|| before.clone())
    }
    Previous {
        details_submitted: other(&before.details_submitted, &now.details_submitted),
        payouts_enabled: other(&before.payouts_enabled, &now.payouts_enabled),
        transfers: other(&before.transfers, &now.transfers),
        disabled_reason: other(&before.disabled_reason, &now.disabled_reason),
        current_deadline: other(&before.current_deadline, &now.current_deadline),
        currently_due: other(&before.currently_due, &now.currently_due),
        past_due: other(&before.past_due, &now.past_due),
        eventually_due: other(&before.eventually_due, &now.eventually_due),
        pending_verification: other(&before.pending_verification, &now.pending_verification),
    }
}

/// A report of `now` that says what it changed, if `before` is given.
pub(crate) fn snapshot(before: Option<&Facts>, now: &Facts, drift: u8) -> Says {
    let previous = before.map(|before| changed(before, now));
    Says::Account(Box::new(Snapshot { profile: profile(now, drift).into(), previous }))
}

fn capability(name: &str, status: &str) -> Says {
    let (name, status, status_json) =
        (name.to_owned(), status.to_owned(), Json(format!("\"{status}\"")));
    Says::Capability(Capability { name, status, status_json })
}

pub(crate) fn key(livemode: bool, number: u8) -> ObjectKey {
    ObjectKey::new(livemode, Kind::Account, None, &format!("acct_{number}"))
}

fn any_key() -> impl Strategy<Value = ObjectKey> {
    (any::<bool>(), 0_u8..2).prop_map(|(livemode, number)| key(livemode, number))
}

/// One change in a true life.
#[derive(Clone, Debug)]
struct Change {
    now: Facts,
    drift: u8,
    silent: bool,
    lost: bool,
    /// A second event of the change, and of the capability.
    twin: Option<Frame>,
    capability: Option<Frame>,
    frame: Frame,
}

fn change(odds: Odds) -> impl Strategy<Value = Change> {
    let own = frame(odds.same_second, odds.senseless);
    // Beside the event that they belong to.
    let beside = || frame(1.0, 0.0);
    let fates = (
        prop::bool::weighted(odds.silent),
        prop::bool::weighted(odds.lost),
        perhaps(odds.twins, beside()),
        perhaps(odds.capability, beside()),
    );
    (select(all_facts()), 0_u8..16, fates, own).prop_map(
        |(now, drift, (silent, lost, twin, capability), frame)| Change {
            now,
            drift,
            silent,
            lost,
            twin,
            capability,
            frame,
        },
    )
}

/// An account that goes from one state to the next.
pub(crate) fn life(odds: Odds, longest: usize) -> impl Strategy<Value = Life> {
    let changes = vec(change(odds), 1..=longest);
    (any_key(), select(all_facts()), changes).prop_map(|(key, start, mut changes)| {
        let truth = changes.last().map(|change| change.now.clone());
        // What nobody can know is no part of the question.
        if let Some(last) = changes.last_mut() {
            last.lost = false;
        }
        Life { key, told: framed(events(&start, &changes)), start: Some(start), truth }
    })
}

impl Life {
    /// The life with a report of what was before the first change.
    pub(crate) fn with_its_start(mut self) -> Self {
        let says = self.start.iter().map(|start| snapshot(None, start, 0));
        self.told.splice(
            ..0,
            says.map(|says| Told {
                id: "evt_start".to_owned(),
                event_type: "account.updated",
                created: START - 1,
                content: Content::Says(says),
            }),
        );
        self
    }
}

fn events(start: &Facts, changes: &[Change]) -> Vec<(Frame, &'static str, Says)> {
    let mut before = start.clone();
    let mut events = Vec::new();
    // An event that is lost still makes the others wait.
    let mut waited = false;
    for Change { now, drift, silent, lost, twin, capability: word, frame } in changes {
        waited |= frame.waits;
        if !lost {
            let report = snapshot(Some(&before).filter(|_| !silent), now, *drift);
            let frame = Frame { waits: waited, ..*frame };
            let twin = twin.map(|twin| (twin, "account.updated", report.clone()));
            let word = word.zip(now.transfers.as_ref()).map(|(beside, status)| {
                (beside, "capability.updated", capability("transfers", status))
            });
            events.push((frame, "account.updated", report));
            events.extend(twin.into_iter().chain(word));
            waited = false;
        }
        before = now.clone();
    }
    events
}

/// Anything that can be said of an account, whether or not it fits what is said elsewhere.
pub(crate) fn babble(longest: usize) -> impl Strategy<Value = Life> {
    let word = select(vec!["active", "inactive", "pending"]);
    let facts = || select(all_facts());
    let updated = (perhaps(0.75, facts()), facts(), 0_u8..16)
        .prop_map(|(before, now, drift)| snapshot(before.as_ref(), &now, drift));
    let observed = (facts(), 0_u8..16).prop_map(|(now, drift)| snapshot(None, &now, drift));
    let said = prop_oneof![
        5 => updated.prop_map(|says| ("account.updated", says)),
        1 => observed.prop_map(|says| ("account.observed", says)),
        2 => word.prop_map(|word| ("capability.updated", capability("transfers", word))),
        1 => Just(("capability.updated", capability("card_payments", "active"))),
        1 => Just((
            "account.application.authorized", Says::Authorization(Authorization::Granted)
        )),
        1 => Just((
            "account.application.deauthorized", Says::Authorization(Authorization::Revoked)
        )),
    ];
    (any_key(), vec((frame(0.6, 0.03), said), 1..=longest)).prop_map(|(key, said)| {
        let events = said.into_iter().map(|(frame, (event_type, says))| (frame, event_type, says));
        Life { key, told: framed(events), start: None, truth: None }
    })
}
