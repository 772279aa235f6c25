//! One run: the platform's list, that of each account, and what is done when a gap was too long.

use serde_json::json;

use crate::domain::fold::State;
use crate::domain::id::Kind;
use crate::domain::time::Timestamp;
use crate::pipeline::backfill::mark::{self, Mark};
use crate::pipeline::backfill::walk::{Halt, Walk, commit};
use crate::pipeline::backfill::{Backfills, Counts, List, Report, Stage, Works};
use crate::pipeline::portable::to_rfc3339;
use crate::pipeline::refetch::RefetchError;
use crate::store::{Object, ObjectFilter, Slice};

/// Read once more before the last complete run had begun: an event may be listed a while after the
/// second that it names.
const OVERLAP_SECONDS: u64 = 3600;
/// How long Stripe lists an event.
const KEPT_SECONDS: u64 = 30 * 86_400;
/// Objects that are read at a time.
const PAGE: usize = 200;

pub(super) struct Run<'a> {
    works: &'a Works,
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
            Err(Halt::List(reason) | Halt::All(reason)) => Stage::Failed(reason),
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
        let mark = Mark::of(&self.works.store, livemode).await?;
        let full = self.backfills.report(&self.id).is_some_and(|report| report.full);
        let since = mark.complete_until.filter(|_| !full);
        let since = since.map(|until| until.saturating_sub(OVERLAP_SECONDS));
        self.note(|report| report.since = since);
        let too_long = self.warn_of_a_long_gap(&mark);

        let moment = self.platform(since).await?;
        let begun = mark::begun(moment, livemode, (self.works.clock)());
        commit(self.works, begun.into_iter().collect()).await?;
        self.discover().await?;
        let looked_at = if full { 0 } else { mark.looked_at };
        self.each(Kind::Account, ObjectFilter::default(), async |account| {
            let is_known = account.first_seen <= looked_at;
            self.account(account, since.filter(|_| is_known)).await
        })
        .await?;
        if too_long {
            self.fetch_what_was_missed().await?;
        }
        let completed = mark::completed(moment, livemode, &self.told());
        commit(self.works, completed.into_iter().collect()).await?;
        Ok(())
    }

    /// Answers when Stripe gave its first page: all that was listed until then is fetched.
    async fn platform(&self, since: Option<u64>) -> Result<Timestamp, Halt> {
        let mut began = None;
        let asked = (self.works.clock)();
        let walk = Walk { works: self.works, account: None, since };
        let mut list = List { account: None, counts: Counts::default(), skipped: None };
        let walked = walk.walk(|counts, moment| {
            began = began.or(moment);
            self.count(&mut list, counts);
        });
        walked.await?;
        self.tell(list);
        // Stripe's clock, since the events are dated by it; ours tells apart what began in one
        // second.
        let second = began.map_or(asked.signed_seconds(), Timestamp::signed_seconds);
        Ok(Timestamp(second * 1_000_000 + asked.0.rem_euclid(1_000_000)))
    }

    /// Accounts of which no event ever arrived. A key may not have the permission to list them;
    /// those that are known are enough to go on.
    async fn discover(&self) -> Result<(), Halt> {
        let Err(error) = self.list_accounts().await else { return Ok(()) };
        let warning = format!("Stripe's accounts were not all listed: {error}");
        if error.may_pass() {
            return Err(Halt::All(warning));
        }
        self.note(|report| report.warnings.push(warning));
        Ok(())
    }

    async fn list_accounts(&self) -> Result<(), RefetchError> {
        let Works { refetcher, store, pace, .. } = self.works;
        let (mut after, mut failures) = (None::<String>, 0);
        loop {
            tokio::time::sleep(pace.between_reads).await;
            match refetcher.fetch_unknown_accounts(store, after.as_deref()).await {
                Ok((new, next)) => {
                    self.note(|report| report.discovered += new);
                    failures = 0;
                    after = next;
                    if after.is_none() {
                        return Ok(());
                    }
                }
                Err(error) => {
                    failures += 1;
                    let wait = pace.wait_after(failures).filter(|_| error.may_pass());
                    let Some(wait) = wait else { return Err(error) };
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    async fn account(&self, account: &Object, since: Option<u64>) -> Result<(), Halt> {
        let id = account.key.id.as_str();
        let walk = Walk { works: self.works, account: Some(id), since };
        let mut list =
            List { account: Some(id.to_owned()), counts: Counts::default(), skipped: None };
        match walk.walk(|counts, _| self.count(&mut list, counts)).await {
            Ok(()) => {}
            // An account that is closed, or no longer ours, must not keep the others waiting.
            Err(Halt::List(reason)) => list.skipped = Some(reason),
            Err(halt @ Halt::All(_)) => return Err(halt),
        }
        self.tell(list);
        Ok(())
    }

    /// Does something with every object of a kind, those of accounts that left us excepted.
    async fn each(
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
            for object in page.items.iter().filter(|object| is_ours(object)) {
                work(object).await?;
            }
            from = page.next;
            if from.is_none() {
                return Ok(());
            }
        }
    }

    fn warn_of_a_long_gap(&self, mark: &Mark) -> bool {
        let now = (self.works.clock)().unix_seconds();
        let Some(last) = mark.complete_until.or(mark.last_heard) else { return false };
        if now.saturating_sub(last) <= KEPT_SECONDS {
            return false;
        }
        let time = |seconds: u64| {
            to_rfc3339(Timestamp(i64::try_from(seconds).unwrap_or_default() * 1_000_000))
        };
        let warning = format!(
            "Stripe keeps events for 30 days: those from {} to {} that did not arrive are gone for \
             good; the accounts, and the top-ups and payouts that were under way, are fetched anew",
            time(last),
            time(now - KEPT_SECONDS)
        );
        tracing::warn!("{warning}");
        self.note(|report| report.warnings.push(warning));
        true
    }

    /// What events no longer tell, the objects do: at least how they are now.
    async fn fetch_what_was_missed(&self) -> Result<(), Halt> {
        for (kind, statuses) in [
            (Kind::Account, &[None][..]),
            (Kind::Topup, &[Some("pending")][..]),
            (Kind::Payout, &[Some("pending"), Some("in_transit")][..]),
        ] {
            for status in statuses {
                let status = status.map(str::to_owned);
                let filter = ObjectFilter { status, ..ObjectFilter::default() };
                self.each(kind, filter, async |object| self.fetch(object).await).await?;
            }
        }
        Ok(())
    }

    async fn fetch(&self, object: &Object) -> Result<(), Halt> {
        tokio::time::sleep(self.works.pace.between_reads).await;
        match self.works.refetcher.refetch(&object.key).await {
            Ok(_) => self.note(|report| report.refetched += 1),
            Err(error) => {
                let kind = object.key.kind.word();
                let warning = format!("{kind} {} was not fetched: {error}", object.key.id);
                self.note(|report| report.warnings.push(warning));
            }
        }
        Ok(())
    }

    fn count(&self, list: &mut List, counts: Counts) {
        list.counts.add(counts);
        self.note(|report| report.total.add(counts));
    }

    fn tell(&self, list: List) {
        self.note(|report| {
            report.lists += 1;
            if list.account.is_none() || list.counts.fetched > 0 || list.skipped.is_some() {
                report.told.push(list);
            }
        });
    }

    fn note(&self, note: impl FnOnce(&mut Report)) {
        self.backfills.note(&self.id, note);
    }

    /// What the note of a complete run says beside the moment.
    fn told(&self) -> serde_json::Value {
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

fn is_ours(object: &Object) -> bool {
    match &object.progress.state {
        State::Account(account) => !account.deauthorized,
        State::Topup(_) | State::Transfer(_) | State::Payout(_) | State::Balance(_) => true,
    }
}
