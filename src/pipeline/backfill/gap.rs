//! What is done when the last complete run was so long ago that Stripe has dropped events since.

use crate::domain::id::Kind;
use crate::domain::time::Timestamp;
use crate::pipeline::backfill::Works;
use crate::pipeline::backfill::mark::Mark;
use crate::pipeline::backfill::run::Run;
use crate::pipeline::backfill::tally::Tally;
use crate::pipeline::backfill::walk::Halt;
use crate::pipeline::portable::to_rfc3339;
use crate::pipeline::refetch::{RefetchError, has_left};
use crate::store::{Object, ObjectFilter};

/// How long Stripe lists an event.
const KEPT_SECONDS: u64 = 30 * 86_400;

impl Run<'_> {
    /// Whether events are gone for good.
    pub(super) fn warn_of_a_long_gap(&self, mark: &Mark) -> bool {
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
        self.warn(warning);
        true
    }

    /// What events no longer tell, the objects do: at least how they are now.
    pub(super) async fn fetch_what_was_missed(&self, tally: &mut Tally) -> Result<(), Halt> {
        for (kind, statuses) in [
            (Kind::Account, &[None][..]),
            (Kind::Topup, &[Some("pending")][..]),
            (Kind::Payout, &[Some("pending"), Some("in_transit")][..]),
        ] {
            for status in statuses {
                let status = status.map(str::to_owned);
                let filter = ObjectFilter { status, ..ObjectFilter::default() };
                self.each(kind, filter, async |object| {
                    if has_left(object) { Ok(()) } else { self.fetch(object, tally).await }
                })
                .await?;
            }
        }
        Ok(())
    }

    async fn fetch(&self, object: &Object, tally: &mut Tally) -> Result<(), Halt> {
        let Works { refetcher, pace, .. } = self.works;
        let refetch = async || refetcher.refetch(&object.key).await;
        match pace.patiently(refetch, RefetchError::may_pass).await {
            Ok(_) => {
                self.note(|report| report.refetched += 1);
                tally.goes_on();
                Ok(())
            }
            Err(error) => {
                let what = format!("{} {} was not fetched", object.key.kind.word(), object.key.id);
                self.goes_without(&what, &error, tally)
            }
        }
    }
}
