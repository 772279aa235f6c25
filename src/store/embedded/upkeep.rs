//! Recomputing views from the journal: recovery, rebuild, and the two checks.

use std::cmp::Ordering;
use std::path::Path;

use crate::domain::event::Outcome;
use crate::store::embedded::ahead::{Read, read_ahead};
use crate::store::embedded::open::{open_journal, trusted_views};
use crate::store::embedded::{At, Embedded, Inner, Options, Progress};
use crate::store::folder::Folder;
use crate::store::journal::{Journal, JournalReader};
use crate::store::update::Update;
use crate::store::views::{self, Views};
use crate::store::{Rules, StoreError};

/// Journal records that are folded before they are written.
const RECORDS_PER_WRITE: u64 = 1_000;
const ROWS_PER_REPORT: u64 = 10_000;
/// Parked events that are read again in one commit.
const EVENTS_PER_RETRY: usize = 100;

impl Embedded {
    /// Recomputes all views and puts them in the place of the old ones.
    pub fn rebuild(
        path: &Path,
        options: Options,
        rules: &dyn Rules,
        progress: Progress<'_>,
    ) -> Result<u64, StoreError> {
        let folder = Folder::open(path)?;
        let journal = match open_journal(&folder, options, trusted_views(&folder).as_ref()) {
            // That is what a rebuild is for.
            Err(StoreError::ViewsDamaged(_)) => open_journal(&folder, options, None)?,
            opened => opened?,
        };
        folder.stay_open();
        let views = rebuilt_views(&folder, &journal, rules, progress)?;
        views.flush()?;
        drop(views);
        folder.note_closed()?;
        Ok(journal.newest())
    }

    /// Recomputes all views beside the ones in use and names what differs, up to `most`.
    pub fn check(&self, most: usize, progress: Progress<'_>) -> Result<Check, StoreError> {
        let Inner { folder, views, journal, rules, .. } = &*self.inner;
        folder.delete_new_views()?;
        let recomputed = Views::open(&folder.new_views())?;
        let newest = *self.inner.newest.borrow();
        catch_up(&recomputed, (journal, newest), &**rules, progress)?;
        let check = self.inner.noting_damage(compare(views, &recomputed, most, progress))?;
        drop(recomputed);
        folder.delete_new_views()?;
        Ok(check)
    }

    /// Reads every journal record, and recomputes and compares everything derived; names the
    /// faults, up to `most`.
    pub fn verify(&self, most: usize, progress: Progress<'_>) -> Result<Verified, StoreError> {
        let total = Some(*self.inner.newest.borrow());
        let mut verified = Verified::default();
        for read in self.inner.journal.scan(None) {
            let (_, record) = read?;
            verified.records += 1;
            verified.events += u64::from(record.kind.is_event());
            match record.body.unpack() {
                Ok(body) => verified.body_bytes += body.len(),
                Err(error) if verified.faults.len() < most => {
                    let (sequence, id) = (record.sequence, record.event_id);
                    verified.faults.push(format!("event {id} (record {sequence}): {error}"));
                }
                Err(_) => {}
            }
            if verified.records.is_multiple_of(RECORDS_PER_WRITE) {
                progress(At { stage: "records checked", done: verified.records, total });
            }
        }
        verified.faults.extend(self.inner.journal.written_behind_the_ends()?);
        let check = self.check(most, progress)?;
        verified.derived_rows = check.rows;
        verified.faults.extend(check.differences);
        Ok(verified)
    }
}

impl Inner {
    /// Reads parked events again when these rules have not done so yet: a newer version may be
    /// able to use what an older one could not.
    pub(super) fn retry_parked(&self) -> Result<(), StoreError> {
        if self.folder.knows_rules(views::RULES_VERSION) {
            return Ok(());
        }
        if let Err(error) = self.folder.check_room() {
            tracing::warn!(%error, "parked events are read again at the next start");
            return Ok(());
        }
        let (mut tried, mut used) = (0, 0);
        for livemode in [false, true] {
            for ids in self.parked(livemode)?.chunks(EVENTS_PER_RETRY) {
                let receipts = self.redrive(livemode, ids, false)?;
                tried += receipts.len();
                used += receipts.iter().filter(|it| it.outcome != Outcome::Parked).count();
            }
        }
        if tried > 0 {
            tracing::info!(tried, used, "read parked events again, as this version may know more");
        }
        self.folder.note_rules(views::RULES_VERSION)
    }
}

/// How recomputed views compare with the ones in use.
#[derive(Debug, Default)]
pub struct Check {
    pub rows: u64,
    pub differences: Vec<String>,
}

#[derive(Debug, Default)]
pub struct Verified {
    pub records: u64,
    pub events: u64,
    pub body_bytes: usize,
    pub derived_rows: u64,
    pub faults: Vec<String>,
}

/// Makes the views anew, and opens them in the place of the old ones.
pub(super) fn rebuilt_views(
    folder: &Folder,
    journal: &Journal,
    rules: &dyn Rules,
    progress: Progress<'_>,
) -> Result<Views, StoreError> {
    folder.delete_new_views()?;
    let views = Views::open(&folder.new_views())?;
    catch_up(&views, (&journal.reader(), journal.newest()), rules, progress)?;
    views.flush()?;
    drop(views);
    folder.swap_views()?;
    // Not earlier: a crash must not have the old ones trusted. Not later: from here on sled writes.
    folder.note_opened()?;
    Views::open(&folder.views())
}

/// Folds what the journal holds beyond the views, up to record `newest`, into them.
pub(super) fn catch_up(
    views: &Views,
    (journal, newest): (&JournalReader, u64),
    rules: &dyn Rules,
    progress: Progress<'_>,
) -> Result<(), StoreError> {
    let applied = views.applied()?;
    let total = newest.checked_sub(applied.map_or(0, |applied| applied.sequence));
    let scan = journal.scan(applied.map(|applied| applied.position));
    std::thread::scope(|scope| {
        let mut update = Update::new(views, journal, rules);
        let mut done = 0;
        for read in read_ahead(scope, scan, rules)? {
            let Read { position, record, told } = read?;
            update.record(position, &record, told)?;
            done += 1;
            if done % RECORDS_PER_WRITE == 0 {
                views.hold(update.finish()?)?;
                update = Update::new(views, journal, rules);
                progress(At { stage: "records folded", done, total });
            }
        }
        views.hold(update.finish()?)
    })
}

fn compare(
    views: &Views,
    recomputed: &Views,
    most: usize,
    progress: Progress<'_>,
) -> Result<Check, StoreError> {
    let (mut left, mut right) = (views.all_rows()?, recomputed.all_rows()?);
    let (mut a, mut b) = (left.next().transpose()?, right.next().transpose()?);
    let mut check = Check::default();
    loop {
        let order = match (&a, &b) {
            (None, None) => return Ok(check),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((a, _)), Some((b, _))) => a.cmp(b),
        };
        let difference = match (order, &a, &b) {
            (Ordering::Less, Some((key, _)), _) => Some((key, "should not be there")),
            (Ordering::Greater, _, Some((key, _))) => Some((key, "is missing")),
            (_, Some((key, stored)), Some((_, computed)))
                if !views::says_the_same(key, stored, computed) =>
            {
                Some((key, "differs from what the journal gives"))
            }
            _ => None,
        };
        if let Some((key, what)) = difference.filter(|_| check.differences.len() < most) {
            check.differences.push(format!("{}: {what}", views::describe(key)));
        }
        check.rows += 1;
        if check.rows.is_multiple_of(ROWS_PER_REPORT) {
            progress(At { stage: "rows compared", done: check.rows, total: None });
        }
        if order.is_le() {
            a = left.next().transpose()?;
        }
        if order.is_ge() {
            b = right.next().transpose()?;
        }
    }
}
