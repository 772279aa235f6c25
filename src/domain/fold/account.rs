//! Folding accounts: whole snapshots, capability reports that change one fact of them, and
//! authorization events that stand beside them.
//!
//! What the chain of changes leaves open is never guessed in favour of paying: if the possible
//! ends of a second differ in payability, the last report of the sequence that does not let
//! money move counts.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::account::{Account, Authorization, Capability, Facts, Profile, Snapshot};
use crate::domain::event::{Says, Standing};
use crate::domain::fold::{Folder, Said, State};
use crate::domain::lifecycle::Step;
use crate::domain::order::chain::{self, Chain};

pub(super) fn second(folder: &mut Folder<'_>, indexes: &[usize]) {
    let reports = folder.select(indexes, Some);
    for standing in [Standing::Created, Standing::Ordinary, Standing::Observed] {
        let of_this = reports.iter().filter(|report| report.standing == standing);
        let group: Vec<usize> = of_this.map(|report| report.index).collect();
        if !group.is_empty() {
            Group::of(folder, &group).fold(folder);
        }
    }
    let overtaken_by_fetched = reports
        .iter()
        .find(|report| Some(report.index) == folder.watched)
        .is_some_and(|watched| reports.iter().any(|other| fetched_something_else(watched, other)));
    folder.overtaken |= overtaken_by_fetched;
}

fn fetched_something_else(watched: &Said<'_, &Says>, other: &Said<'_, &Says>) -> bool {
    let differs = match (watched.what, other.what) {
        (Says::Account(snapshot), Says::Account(fetched)) => snapshot.profile != fetched.profile,
        (Says::Capability(capability), Says::Account(fetched)) => !fetched.profile.says(capability),
        _ => false,
    };
    watched.standing < other.standing && differs
}

/// Reports of one second and one standing.
struct Group<'a> {
    snapshots: Vec<Said<'a, &'a Snapshot>>,
    chain: Chain,
    /// Capability reports that an account report of the second says as well, by the index of the
    /// last such report in the chain.
    contained: BTreeMap<usize, Vec<Said<'a, &'a Capability>>>,
    /// The others; nothing says where in the second they belong.
    open: Vec<Said<'a, &'a Capability>>,
    /// Deauthorizations last.
    authorizations: Vec<Said<'a, Authorization>>,
}

/// One place in the order of a group.
#[derive(Clone, Copy)]
enum Place<'g> {
    Snapshot(usize, &'g Snapshot),
    Contained(usize),
    Capability(usize, &'g Capability),
    Authorization(usize, Authorization),
}

impl<'a> Group<'a> {
    fn of(folder: &mut Folder<'a>, indexes: &[usize]) -> Self {
        let snapshots = folder.select(indexes, |says| {
            if let Says::Account(snapshot) = says { Some(&**snapshot) } else { None }
        });
        let capabilities = folder.select(indexes, |says| {
            if let Says::Capability(capability) = says { Some(capability) } else { None }
        });
        let mut authorizations = folder.select(indexes, |says| {
            if let Says::Authorization(authorization) = says { Some(*authorization) } else { None }
        });
        authorizations.sort_by_key(|said| (said.what, said.id));

        let reports: Vec<(&str, &Snapshot)> = snapshots.iter().map(|s| (s.id, s.what)).collect();
        let ends: Vec<&Facts> = folder.ends.iter().map(|end| &end.facts).collect();
        let chain = chain::order(&reports, &ends);
        let mut group =
            Self { snapshots, chain, contained: BTreeMap::new(), open: Vec::new(), authorizations };
        group.place(capabilities);
        group.watch(folder);
        group
    }

    fn in_chain(&self) -> impl DoubleEndedIterator<Item = &Said<'a, &'a Snapshot>> {
        self.chain.order.sequence.iter().filter_map(|&place| self.snapshots.get(place))
    }

    fn place(&mut self, mut capabilities: Vec<Said<'a, &'a Capability>>) {
        capabilities.sort_by_key(|said| said.id);
        for said in capabilities {
            let container = self.in_chain().rfind(|snapshot| snapshot.what.profile.says(said.what));
            match container.map(|snapshot| snapshot.index) {
                Some(index) => self.contained.entry(index).or_default().push(said),
                None => self.open.push(said),
            }
        }
    }

    /// Answers whether the rules put the watched report before one that says something else.
    fn watch(&self, folder: &mut Folder<'_>) {
        let place_of = |index| self.snapshots.iter().position(|s| Some(s.index) == index);
        if let Some(watched) = place_of(folder.watched) {
            let profile = |place: usize| self.snapshots.get(place).map(|s| &s.what.profile);
            folder.overtaken |= (0..self.snapshots.len()).any(|other| {
                self.chain.precedes(watched, other) && profile(watched) != profile(other)
            });
        }
        let contained = self.contained.values().flatten();
        if let Some(watched) = contained.into_iter().find(|s| Some(s.index) == folder.watched) {
            folder.overtaken |= self.is_overtaken(watched.what);
        }
        let is_watched = |said: &&Said<'_, Authorization>| Some(said.index) == folder.watched;
        if let Some(watched) = self.authorizations.iter().find(is_watched) {
            folder.overtaken |= self.authorizations.iter().any(|other| watched.what < other.what);
        }
    }

    /// Whether all account reports that contain the capability report come before one that says
    /// something else.
    fn is_overtaken(&self, capability: &Capability) -> bool {
        let says = |said: &Said<'_, &Snapshot>| said.what.profile.says(capability);
        let (containers, others): (Vec<usize>, Vec<usize>) =
            (0..self.snapshots.len()).partition(|&at| self.snapshots.get(at).is_some_and(says));
        others
            .iter()
            .any(|&other| containers.iter().all(|&container| self.chain.precedes(container, other)))
    }

    /// Of the orders that the rules leave open, the one with the smallest sequence of ids.
    fn sequence(&self) -> Vec<Place<'a>> {
        let mut snapshots = self.in_chain().peekable();
        let mut open = self.open.iter().peekable();
        let mut authorizations = self.authorizations.iter().peekable();
        let mut sequence = Vec::new();
        loop {
            let next = [
                snapshots.peek().map(|said| said.id),
                open.peek().map(|said| said.id),
                authorizations.peek().map(|said| said.id),
            ];
            let Some(smallest) = next.iter().flatten().min().copied() else { return sequence };
            if let Some(said) = snapshots.next_if(|said| said.id == smallest) {
                sequence.push(Place::Snapshot(said.index, said.what));
                let contained = self.contained.get(&said.index).into_iter().flatten();
                sequence.extend(contained.map(|said| Place::Contained(said.index)));
            } else if let Some(said) = open.next_if(|said| said.id == smallest) {
                sequence.push(Place::Capability(said.index, said.what));
            } else if let Some(said) = authorizations.next() {
                sequence.push(Place::Authorization(said.index, said.what));
            }
        }
    }

    /// The open capability reports that decide payability.
    fn deciding(&self) -> impl Iterator<Item = &'a Capability> {
        self.open.iter().map(|said| said.what).filter(|what| what.decides_payability())
    }

    /// What the account can be after the second; `before` is what it could be until then. Empty
    /// when the second says nothing of it.
    fn possible_ends(&self, before: &[Arc<Profile>]) -> Vec<Arc<Profile>> {
        let ends = self.chain.order.ends.iter().filter_map(|&place| self.snapshots.get(place));
        let ends: Vec<_> = ends.map(|end| Arc::clone(&end.what.profile)).collect();
        let bases = if ends.is_empty() { before } else { &ends };
        let with_words =
            bases.iter().flat_map(|base| self.deciding().map(|word| Arc::new(base.with(word))));
        let mut possible: Vec<Arc<Profile>> = Vec::new();
        for end in ends.iter().cloned().chain(with_words) {
            if !possible.iter().any(|known| known.facts == end.facts) {
                possible.push(end);
            }
        }
        possible
    }

    fn fold(&self, folder: &mut Folder<'a>) {
        let sequence = self.sequence();
        let before = possible_now(folder);
        let ends = self.possible_ends(&before);
        let chosen = if differ(&ends, Facts::payable) {
            self.last_that_does_not_pay(&sequence, &before)
        } else {
            None
        };

        let mut settled = false;
        for place in &sequence {
            let account = held(folder);
            let mut deauthorized = account.is_some_and(|account| account.deauthorized);
            let mut profile = account.and_then(|account| account.profile.clone());
            let counts = match place {
                Place::Contained(_) => false,
                Place::Authorization(..) => true,
                Place::Snapshot(..) | Place::Capability(..) => !settled,
            };
            match (*place, &chosen) {
                (place, Some((index, chosen))) if place.index() == *index => {
                    profile = Some(Arc::clone(chosen));
                    settled = true;
                }
                (Place::Authorization(_, authorization), _) => {
                    deauthorized = authorization == Authorization::Revoked;
                }
                (Place::Capability(_, capability), _)
                    if !(settled && capability.decides_payability()) =>
                {
                    profile = profile.map(|profile| Arc::new(profile.with(capability)));
                }
                (Place::Snapshot(_, snapshot), _) if !settled => {
                    profile = Some(Arc::clone(&snapshot.profile));
                }
                (Place::Snapshot(..) | Place::Capability(..) | Place::Contained(_), _) => {}
            }
            let next = Account { deauthorized, profile };
            let step = match account {
                None => Step::First,
                Some(account) if *account == next => Step::Repeat,
                Some(_) => Step::Advance,
            };
            folder.note(place.index(), step, State::Account(Box::new(next)), counts);
        }
        self.conclude(folder, ends);
    }

    /// Sets or clears the mark, and remembers where the second may have ended.
    fn conclude(&self, folder: &mut Folder<'a>, ends: Vec<Arc<Profile>>) {
        let ambiguous = differ(&ends, |facts| (facts.payable(), facts.status()));
        if self.snapshots.is_empty() {
            // A capability says too little to clear a mark, or to rule an earlier end out.
            if ambiguous {
                folder.mark(true);
            }
        } else {
            folder.mark(ambiguous);
            folder.ends.clear();
        }
        for end in &ends {
            if !folder.ends.iter().any(|known| known.facts == end.facts) {
                folder.ends.push(Arc::clone(end));
            }
        }
        if let Some(held) = folder.held.as_mut().filter(|_| !ends.is_empty()) {
            held.to_mut().open = if ends.len() > 1 { ends } else { Vec::new() };
        }
    }

    /// The last report of the sequence that does not let money move, and what the account is if
    /// it counts. `before` is what the account could be until then.
    fn last_that_does_not_pay(
        &self,
        sequence: &[Place<'a>],
        before: &[Arc<Profile>],
    ) -> Option<(usize, Arc<Profile>)> {
        let last = self.in_chain().next_back().map(|said| &said.what.profile);
        let bases = last.map_or(before, std::slice::from_ref);
        let does_not_pay = |profile: &Arc<Profile>| !profile.facts.payable();
        let result = |place: &Place<'_>| match place {
            Place::Snapshot(index, snapshot) => {
                Some((*index, Arc::clone(&snapshot.profile))).filter(|(_, p)| does_not_pay(p))
            }
            Place::Capability(index, capability) if capability.decides_payability() => {
                let mut results = bases.iter().rev().map(|base| Arc::new(base.with(capability)));
                results.find(does_not_pay).map(|profile| (*index, profile))
            }
            Place::Capability(..) | Place::Contained(_) | Place::Authorization(..) => None,
        };
        sequence.iter().rev().find_map(result)
    }
}

impl Place<'_> {
    fn index(self) -> usize {
        match self {
            Self::Snapshot(index, _)
            | Self::Contained(index)
            | Self::Capability(index, _)
            | Self::Authorization(index, _) => index,
        }
    }
}

fn held<'f>(folder: &'f Folder<'_>) -> Option<&'f Account> {
    match folder.held.as_ref().map(|held| &held.state) {
        Some(State::Account(account)) => Some(account),
        _ => None,
    }
}

/// All that the account can be as far as is known; what is held comes last.
fn possible_now(folder: &Folder<'_>) -> Vec<Arc<Profile>> {
    let profile = held(folder).and_then(|held| held.profile.as_ref());
    let Some(profile) = profile else { return Vec::new() };
    let mut possible: Vec<_> = folder.held.iter().flat_map(|held| &held.open).cloned().collect();
    if possible.is_empty() {
        possible.push(Arc::clone(profile));
    } else {
        // Stable: of the others, the order is that of the second they come from.
        possible.sort_by_key(|open| open.facts == profile.facts);
    }
    possible
}

fn differ<T: PartialEq>(ends: &[Arc<Profile>], of: impl Fn(&Facts) -> T) -> bool {
    let mut values = ends.iter().map(|end| of(&end.facts));
    let first = values.next();
    values.any(|value| Some(value) != first)
}
