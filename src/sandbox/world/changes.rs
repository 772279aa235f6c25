//! How accounts change: each change is told of, and what was submitted is checked.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::sandbox::world::account::Account;
use crate::sandbox::world::json::previous;
use crate::sandbox::world::review::is_immediate;
use crate::sandbox::world::standing::{DEADLINE_SECONDS, Stage, is_given, required};
use crate::sandbox::world::{Due, World};

/// How the API shows an account: what events tell of when it changes.
#[derive(Debug, Default)]
struct Shown {
    account: Value,
    persons: BTreeMap<String, Value>,
    capabilities: BTreeMap<String, Value>,
}

impl Shown {
    fn of(account: &Account, now: i64) -> Self {
        let persons = account.persons.iter();
        let persons = persons.map(|person| (person.id.clone(), person.view(account, now)));
        let names = account.requested.keys();
        let capabilities =
            names.map(|name| (name.clone(), account.capability_view(name, now))).collect();
        Self { account: account.view(now), persons: persons.collect(), capabilities }
    }
}

impl World {
    /// Changes an account and tells of what that changed in how the API shows it.
    pub fn change_account<R: Default>(
        &mut self,
        id: &str,
        change: impl FnOnce(&mut Account) -> R,
    ) -> R {
        let (now, quiet) = (self.now, self.quiet);
        let Some(account) = self.accounts.get_mut(id) else { return R::default() };
        if quiet {
            return change(account);
        }
        let before = Shown::of(account, now);
        let result = change(account);
        let after = Shown::of(account, now);
        self.tell(id, &before, &after);
        result
    }

    /// Tells of all that `changes` does to an account as of one change.
    pub(super) fn as_one_change<R>(&mut self, id: &str, changes: impl FnOnce(&mut Self) -> R) -> R {
        let before = self.accounts.get(id).map(|account| Shown::of(account, self.now));
        self.quiet = true;
        let result = changes(self);
        self.quiet = false;
        let after = self.accounts.get(id).map(|account| Shown::of(account, self.now));
        if let (Some(before), Some(after)) = (before, after) {
            self.tell(id, &before, &after);
        }
        result
    }

    fn tell(&mut self, id: &str, before: &Shown, after: &Shown) {
        for (person, is) in &after.persons {
            let was = before.persons.get(person);
            if let Some(changed) = was.and_then(|was| previous(was, is)) {
                self.emit_change(id, "person.updated", is.clone(), Some(changed));
            }
        }
        for (name, is) in &after.capabilities {
            let was = before.capabilities.get(name).unwrap_or(&Value::Null);
            if let Some(changed) = previous(was, is) {
                self.emit_change(id, "capability.updated", is.clone(), Some(changed));
            }
        }
        if let Some(changed) = previous(&before.account, &after.account) {
            self.emit_change(id, "account.updated", after.account.clone(), Some(changed));
        }
    }

    /// What is required of a submitted account may have been given, or changed.
    pub fn details_changed(&mut self, id: &str) {
        let submitted = self.accounts.get(id).is_some_and(|a| a.review.is_submitted());
        if submitted { self.check_again(id) } else { self.submit_when_whole(id) }
    }

    /// Where the platform collects, giving all of it is submitting it.
    pub(super) fn submit_when_whole(&mut self, id: &str) {
        let Some(account) = self.accounts.get(id) else { return };
        let whole = || required(account).iter().all(|path| is_given(account, path));
        if !account.control.stripe_collects() && whole() {
            self.check_again(id);
        }
    }

    /// Begins the checks, or begins them again.
    pub fn check_again(&mut self, id: &str) {
        let Some(account) = self.accounts.get(id).filter(|account| !account.is_platform) else {
            return;
        };
        let seconds = if is_immediate(account) { 0 } else { self.settings.review_seconds };
        let until = self.now + seconds;
        self.change_account(id, |account| {
            account.review.demanded.clear();
            account.review.stage = Stage::Pending { until };
        });
        if seconds == 0 {
            self.reviewed(id);
        } else {
            self.schedule(until, Due::Reviewed(id.to_owned()));
        }
    }

    /// The checks have ended: what they found is due by a deadline.
    pub fn reviewed(&mut self, id: &str) {
        let now = self.now;
        let stage = self.accounts.get(id).map(|account| account.review.stage);
        if !matches!(stage, Some(Stage::Pending { until }) if until <= now) {
            return;
        }
        let deadline = now + DEADLINE_SECONDS;
        self.change_account(id, |account| {
            account.review.stage = Stage::Checked;
            account.review.passed_once = true;
            let open = !account.standing(now).requirements.currently_due.is_empty();
            account.review.deadline = open.then_some(deadline);
        });
        if self.accounts.get(id).is_some_and(|account| account.review.deadline.is_some()) {
            self.deadline_at(id, deadline);
        }
    }

    pub(super) fn deadline_at(&mut self, id: &str, at: i64) {
        self.schedule(at, Due::Deadline(id.to_owned()));
    }

    /// The time to give what is due is over.
    pub(super) fn deadline_passes(&mut self, id: &str) {
        let now = self.now;
        let Some(account) = self.accounts.get(id) else { return };
        let (before, after) = (Shown::of(account, now - 1), Shown::of(account, now));
        self.tell(id, &before, &after);
    }
}
