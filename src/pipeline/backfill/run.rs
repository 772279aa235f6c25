//! One run: the platform's list, and that of each account.

use std::collections::BTreeSet;

use serde_json::json;

use crate::domain::id::Kind;
use crate::domain::time::Timestamp;
use crate::pipeline::backfill::mark::{self, Mark};
use crate::pipeline::backfill::tally::Tally;
use crate::pipeline::backfill::walk::{Halt, Walk, commit};
use crate::pipeline::backfill::{Backfills, Counts, List, Report, Stage, Works};
use crate::pipeline::refetch::{RefetchError, has_left};
use crate::store::{Object, ObjectFilter, Slice};

/// Read once more before the last complete run had begun: an event may be listed a while after the
/// second that it names.
const OVERLAP_SECONDS: u64 = 3600;
/// Objects that are read at a time.
const PAGE: usize = 200;

pub(super) struct Run<'a> {
    pub(super) works: &'a Works,
    backfills: &'a Backfills,
    id: String,
}

impl<'a> Run<'a> {
    pub(super) fn new(works: &'a Works, backfills: &'a Backfills, id: String) -> Self {
        Self { works, backfills, id }
    }

    /// Answers whether it is complete; the report has the rest.
    pub(super) async fn run(&self) -> bool {
        self.note(|report| report.stage = Stage::Running);
        let stage = match self.all().await {
            Ok(()) => Stage::Complete,
            Err(Halt::Hidden(reason) | Halt::List(reason) | Halt::All(reason)) => {
                Stage::Failed(reason)
            }
        };
        let ended_at = (self.works.clock)();
        self.note(|report| {
            report.stage = stage.clone();
            report.ended_at = Some(ended_at);
        });
        let Some(report) = self.backfills.report(&self.id) else { return false };
        log(&report);
        stage == Stage::Complete
    }

    async fn all(&self) -> Result<(), Halt> {
        let livemode = self.works.access.livemode;
        let mark = Mark::of(&self.works.store, livemode, (self.works.clock)()).await?;
        let full = self.backfills.report(&self.id).is_some_and(|report| report.full);
        let since = mark.complete_until.filter(|_| !full);
        let since = since.map(|until| until.saturating_sub(OVERLAP_SECONDS));
        self.note(|report| report.since = since);
        let too_long = self.warn_of_a_long_gap(&mark);
        let mut tally = Tally::of(mark.skipped.clone());

        let moment = self.platform(since, &mut tally).await?;
        let begun = mark::begun(moment, livemode, (self.works.clock)());
        commit(self.works, begun.into_iter().collect()).await?;
        let returned = self.discover(&mut tally).await?;
        let own = self.own_account(&mut tally).await?;
        self.each(Kind::Account, ObjectFilter::default(), async |account| {
            let id = account.key.id.as_str();
            let is_back = returned.contains(id);
            // On behalf of itself Stripe shows the platform what is its own, as if it were another
            // account's.
            if own.as_deref() == Some(id) || (has_left(account) && !is_back) {
                return Ok(());
            }
            let was_read = account.first_seen <= mark.looked_at && !mark.skipped.contains(id);
            self.account(id, since.filter(|_| was_read && !is_back), &mut tally).await
        })
        .await?;
        if too_long {
            self.fetch_what_was_missed(&mut tally).await?;
        }
        tally.end()?;
        let completed = mark::completed(moment, livemode, &self.told(&tally));
        commit(self.works, completed.into_iter().collect()).await?;
        Ok(())
    }

    /// Answers when Stripe gave its first page: all that was listed until then is fetched.
    async fn platform(&self, since: Option<u64>, tally: &mut Tally) -> Result<Timestamp, Halt> {
        let mut began = None;
        let asked = (self.works.clock)();
        let walk = Walk { works: self.works, account: None, since };
        let mut list = List::of(None);
        let walked = walk.walk(|counts, moment| {
            began = began.or(moment);
            self.count(&mut list, counts);
        });
        match walked.await {
            Ok(()) => tally.goes_on(),
            Err(Halt::Hidden(reason) | Halt::List(reason)) => {
                let what = format!("the platform's events were not all read: {reason}");
                list.failed = Some(reason);
                tally.fails(what)?;
            }
            Err(halt @ Halt::All(_)) => return Err(halt),
        }
        self.tell(list);
        // Stripe's clock, since the events are dated by it, but never ahead of ours: a moment that
        // is too early has only more read the next time. Ours tells apart what began in one second.
        let second = began.map_or(asked.signed_seconds(), Timestamp::signed_seconds);
        let second = second.min(asked.signed_seconds());
        Ok(Timestamp(second * 1_000_000 + asked.0.rem_euclid(1_000_000)))
    }

    /// Keeps accounts of which no event ever arrived, and answers which came back unheard. A key
    /// may not have the permission to list them; those that are known are enough to go on.
    async fn discover(&self, tally: &mut Tally) -> Result<BTreeSet<String>, Halt> {
        let mut returned = BTreeSet::new();
        match self.list_accounts(&mut returned).await {
            Ok(()) => tally.goes_on(),
            Err(error) => {
                self.goes_without("Stripe's accounts were not all listed", &error, tally)?;
            }
        }
        Ok(returned)
    }

    async fn list_accounts(&self, returned: &mut BTreeSet<String>) -> Result<(), RefetchError> {
        let Works { refetcher, store, pace, .. } = self.works;
        let mut after = None::<String>;
        loop {
            let read = async || refetcher.fetch_unknown_accounts(store, after.as_deref()).await;
            let listing = pace.patiently(read, RefetchError::may_pass).await?;
            self.note(|report| report.discovered += listing.new);
            returned.extend(listing.returned);
            after = listing.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// `None` when the key may not see it.
    async fn own_account(&self, tally: &mut Tally) -> Result<Option<String>, Halt> {
        let Works { refetcher, pace, .. } = self.works;
        let read = async || refetcher.own_account().await;
        let error = match pace.patiently(read, RefetchError::may_pass).await {
            Ok(id) => return Ok(Some(id)),
            Err(error) => error,
        };
        let what = "the platform's own account cannot be told from those that are connected to it";
        if error.may_pass() {
            return Err(Halt::All(format!("{what}: {error}")));
        }
        self.goes_without(what, &error, tally)?;
        Ok(None)
    }

    async fn account(&self, id: &str, since: Option<u64>, tally: &mut Tally) -> Result<(), Halt> {
        let walk = Walk { works: self.works, account: Some(id), since };
        let mut list = List::of(Some(id));
        match walk.walk(|counts, _| self.count(&mut list, counts)).await {
            Ok(()) => {
                tally.goes_on();
                tally.skipped.remove(id);
            }
            // An account that is closed, or no longer ours, must not keep the others waiting.
            Err(Halt::Hidden(reason)) => {
                tally.goes_on();
                tally.skipped.insert(id.to_owned());
                self.warn(format!("the events of {id} were not read: {reason}"));
                list.skipped = Some(reason);
            }
            Err(Halt::List(reason)) => {
                let what = format!("the events of {id} were not all read: {reason}");
                list.failed = Some(reason);
                self.tell(list);
                return tally.fails(what);
            }
            Err(halt @ Halt::All(_)) => return Err(halt),
        }
        self.tell(list);
        Ok(())
    }

    /// Goes on after a failure, unless nothing else would do better. What may pass is for the next
    /// run to read, so this one will not be complete; what cannot is only warned of.
    pub(super) fn goes_without(
        &self,
        what: &str,
        error: &RefetchError,
        tally: &mut Tally,
    ) -> Result<(), Halt> {
        let what = format!("{what}: {error}");
        if error.is_of_the_key() {
            return Err(Halt::All(what));
        }
        if error.may_pass() {
            return tally.fails(what);
        }
        tally.goes_on();
        self.warn(what);
        Ok(())
    }

    /// Does something with every object of a kind.
    pub(super) async fn each(
        &self,
        kind: Kind,
        filter: ObjectFilter,
        mut work: impl AsyncFnMut(&Object) -> Result<(), Halt>,
    ) -> Result<(), Halt> {
        let mut from = None;
        loop {
            let slice = Slice { from, limit: PAGE };
            let livemode = self.works.access.livemode;
            let page = self.works.store.objects(livemode, kind, filter.clone(), slice).await?;
            for object in &page.items {
                work(object).await?;
            }
            from = page.next;
            if from.is_none() {
                return Ok(());
            }
        }
    }

    fn count(&self, list: &mut List, counts: Counts) {
        list.counts.add(counts);
        self.note(|report| report.total.add(counts));
    }

    fn tell(&self, list: List) {
        let is_read = list.skipped.is_none() && list.failed.is_none();
        self.note(|report| {
            report.lists += u64::from(is_read);
            if list.account.is_none() || list.counts.fetched > 0 || !is_read {
                report.told.push(list);
            }
        });
    }

    pub(super) fn warn(&self, warning: String) {
        tracing::warn!("{warning}");
        self.note(|report| report.warnings.push(warning));
    }

    pub(super) fn note(&self, note: impl FnOnce(&mut Report)) {
        self.backfills.note(&self.id, note);
    }

    /// What the note of a complete run says beside the moment.
    fn told(&self, tally: &Tally) -> serde_json::Value {
        let report = self.backfills.report(&self.id);
        let Some(Report { id, by, full, lists, total, discovered, refetched, warnings, .. }) =
            report
        else {
            return json!({ "object": "bursar.backfill" });
        };
        let Counts { fetched, new, known, parked } = total;
        json!({
            "object": "bursar.backfill", "id": id, "by": by, "full": full, "lists": lists,
            "fetched": fetched, "new": new, "known": known, "parked": parked,
            "discovered": discovered, "refetched": refetched, "warnings": warnings,
            "skipped": tally.skipped,
        })
    }
}

fn log(report: &Report) {
    let Report { by, lists, total, refetched, .. } = report;
    let Counts { fetched, new, known, parked } = *total;
    match &report.stage {
        Stage::Failed(reason) => {
            tracing::warn!(by, lists, fetched, new, reason, "a backfill is not complete");
        }
        Stage::Complete | Stage::Running | Stage::Waiting => {
            tracing::info!(by, lists, fetched, new, known, parked, refetched, "backfilled");
        }
    }
}

impl List {
    fn of(account: Option<&str>) -> Self {
        let account = account.map(str::to_owned);
        Self { account, counts: Counts::default(), skipped: None, failed: None }
    }
}
