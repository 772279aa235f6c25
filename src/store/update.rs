//! Folds journal records into views, one batch of them at a time.
//!
//! The only code that writes derived records: commits, recovery and rebuilds all come through
//! here, in the order of the journal, which is why they agree. What a batch has changed so far
//! lies in memory and is seen by the rest of the batch; [`Update::finish`] hands it over.

mod audit;
mod operations;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::change::{Change, change};
use crate::domain::event::{Event, Outcome, Reading, Report, is_of_deliveries};
use crate::domain::fold::{self, Progress};
use crate::domain::id::{Kind, ObjectKey};
use crate::domain::time::Timestamp;
use crate::store::erasure::ErasureStep;
use crate::store::journal::{JournalReader, Position};
use crate::store::record::Record;
use crate::store::stored::{Header, Told, report, stored_event, stored_record, stored_report};
use crate::store::views::pending::Pending;
use crate::store::views::{
    Applied, Layer, Redriven, StoredChange, StoredEvent, StoredObject, Views,
};
use crate::store::{EventRecord, Object, Rules, StoreError, Summary};

/// Reports that a batch keeps in memory at the most, beside its own.
const REPORTS_KEPT: usize = 10_000;

pub(super) struct Update<'a> {
    views: &'a Views,
    journal: &'a JournalReader,
    rules: &'a dyn Rules,
    /// What has changed so far.
    pending: Pending,
    /// Reports of events that may not be in the journal yet.
    reports: BTreeMap<u64, Report>,
}

/// What came of one report.
struct Application {
    outcome: Outcome,
    /// The event that was applied to the object before it.
    previous: Option<u64>,
    /// What there is to announce.
    change: Option<Change>,
}

/// The record that has a parked event read again.
#[derive(Clone, Copy)]
pub(super) struct Redrive {
    pub(super) sequence: u64,
    pub(super) recorded_at: Timestamp,
}

impl<'a> Update<'a> {
    pub(super) fn new(views: &'a Views, journal: &'a JournalReader, rules: &'a dyn Rules) -> Self {
        Self { views, journal, rules, pending: Pending::default(), reports: BTreeMap::new() }
    }

    /// Folds a record read back from the journal, which tells this.
    pub(super) fn record(
        &mut self,
        position: Position,
        record: &Record,
        told: Told,
    ) -> Result<(), StoreError> {
        match told {
            Told::Event(event) => {
                self.event(Header::of(record), position, event)?;
            }
            Told::ConflictingRedelivery => {
                self.conflicting_redelivery(record.livemode, &record.event_id)?;
            }
            Told::Redrive => {
                let redrive = Redrive {
                    sequence: record.sequence,
                    recorded_at: Timestamp(record.recorded_at),
                };
                self.redrive(record.livemode, &record.event_id, redrive)?;
            }
            Told::Operation(operation) => {
                self.operation(record.sequence, position, *operation)?;
            }
            Told::Audit(entry) => {
                self.audit(record.sequence, &entry)?;
            }
            Told::Erasure(step) => self.erasure(record.livemode, &record.event_id, step)?,
            Told::Nothing => {}
        }
        self.reached(record.sequence, position);
        Ok(())
    }

    /// Takes in a step of an erasure.
    pub(super) fn erasure(
        &mut self,
        livemode: bool,
        account: &str,
        step: ErasureStep,
    ) -> Result<(), StoreError> {
        self.pending.put_erasure(livemode, account, step)
    }

    /// Notes that everything up to here is folded.
    pub(super) fn reached(&mut self, sequence: u64, position: Position) {
        self.pending.applied = Some(Applied::at(sequence, position));
    }

    /// Folds a new event of this partition and says what became of it.
    pub(super) fn event(
        &mut self,
        header: Header,
        position: Position,
        event: Event,
    ) -> Result<Outcome, StoreError> {
        self.evidence(&header, &event)?;
        let nothing = |outcome| Application { outcome, previous: None, change: None };
        let (Application { outcome, previous, change }, object, reason) = match event.reading {
            Reading::Ignored => (nothing(Outcome::Ignored), None, None),
            Reading::Parked { reason } => (nothing(Outcome::Parked), None, Some(reason)),
            Reading::Report { object, created, says } => {
                let report = report(&header, &event.id, &event.event_type, created, says);
                (self.apply(&object, report)?, Some(object), None)
            }
        };
        self.announce(header.livemode, header.sequence, change, None);
        let summary = self.summary(header.livemode)?;
        *summary.events.entry(outcome).or_default() += 1;
        let heard = summary.sources.entry(header.source.clone()).or_insert(header.received_at);
        *heard = header.received_at.max(*heard);
        // Thin events do not say whose they are.
        if is_of_deliveries(&header.source) && !event.event_type.starts_with("v2.") {
            let of =
                if event.account.is_some() { &mut summary.connect } else { &mut summary.platform };
            of.note(header.received_at);
        }
        let record = EventRecord {
            sequence: header.sequence,
            id: event.id,
            livemode: header.livemode,
            event_type: event.event_type,
            created: event.created,
            received_at: header.received_at,
            recorded_at: header.recorded_at,
            source: header.source,
            account: event.account,
            api_version: event.api_version,
            object_id: event.object_id,
            object,
            outcome,
            reason,
            conflicting_redelivery: false,
            erased: false,
        };
        let EventRecord { sequence, received_at, .. } = record;
        let pending = self.pending.of_mut(record.livemode);
        pending.ids.insert(record.id.clone(), sequence);
        if outcome == Outcome::Parked {
            pending.parked.insert(sequence, Some(received_at));
        }
        pending.events.insert(sequence, Arc::new(StoredEvent { record, position, previous }));
        Ok(outcome)
    }

    /// Marks an event whose id came again with another content.
    pub(super) fn conflicting_redelivery(
        &mut self,
        livemode: bool,
        id: &str,
    ) -> Result<(), StoreError> {
        if let Some(mut event) = self.event_of_id(livemode, id)? {
            Arc::make_mut(&mut event).record.conflicting_redelivery = true;
            self.pending.of_mut(livemode).events.insert(event.record.sequence, event);
        }
        Ok(())
    }

    /// Reads a parked event again; `None` when the event is not parked, or not known.
    pub(super) fn redrive(
        &mut self,
        livemode: bool,
        id: &str,
        redrive: Redrive,
    ) -> Result<Option<Outcome>, StoreError> {
        let Some(event) = self.event_of_id(livemode, id)? else { return Ok(None) };
        if event.record.outcome != Outcome::Parked {
            return Ok(None);
        }
        let stored = stored_record(self.journal, &event)?;
        let read = stored_event(self.rules, &stored)?;
        let Reading::Report { object, created, says } = read.reading else {
            return Ok(Some(Outcome::Parked));
        };
        let report = report(&Header::of(&stored), id, &event.record.event_type, created, says);
        let Application { outcome, previous, change } = self.apply(&object, report)?;
        let Redrive { sequence, recorded_at } = redrive;
        let redriven = Redriven { event: event.record.sequence, recorded_at };
        self.announce(livemode, sequence, change, Some(redriven));
        let summary = self.summary(livemode)?;
        if let Some(parked) = summary.events.get_mut(&Outcome::Parked) {
            *parked = parked.saturating_sub(1);
        }
        *summary.events.entry(outcome).or_default() += 1;
        let StoredEvent { record, position, .. } = Arc::unwrap_or_clone(event);
        let record = EventRecord { outcome, reason: None, object: Some(object), ..record };
        let pending = self.pending.of_mut(livemode);
        pending.parked.insert(record.sequence, None);
        let stored = StoredEvent { record, position, previous };
        pending.events.insert(stored.record.sequence, Arc::new(stored));
        Ok(Some(outcome))
    }

    /// Puts an entry into the change feed, at the place of the record that caused it.
    fn announce(
        &mut self,
        livemode: bool,
        sequence: u64,
        change: Option<Change>,
        redriven: Option<Redriven>,
    ) {
        let stored = change.map(|change| (sequence, StoredChange { change, redriven }));
        self.pending.of_mut(livemode).changes.extend(stored);
    }

    /// Folds a report into its object.
    fn apply(&mut self, key: &ObjectKey, report: Report) -> Result<Application, StoreError> {
        let stored = self.object(key)?;
        let previous = stored.as_ref().map(|stored| stored.last_applied);
        let held = stored.as_ref().map(|stored| &stored.object);
        let before = held.map(|held| &held.progress);
        let (progress, overtaken) = match before {
            Some(before) if report.created > before.newest => {
                (fold::advance(key.kind, before, &report), false)
            }
            Some(_) => self.fold_again(key, previous, &report)?,
            None => fold_all(key, std::slice::from_ref(&report))?,
        };
        let outcome = fold::outcome(before, &progress, &report, overtaken);
        let change = change(before, &progress);
        self.count(key, before, &progress)?;

        let sequence = report.arrival.sequence;
        let object = Object {
            key: key.clone(),
            version: held.map_or(1, |held| {
                held.version + u64::from(shows_otherwise(&held.progress, &progress))
            }),
            first_seen: held.map_or(sequence, |held| held.first_seen),
            progress,
        };
        if held.is_none() && key.kind != Kind::Balance {
            let listed = &mut self.pending.of_mut(key.livemode).listed;
            listed.insert((key.kind, sequence), key.clone());
        }
        self.reports.insert(sequence, report);
        let stored = StoredObject { object, last_applied: sequence };
        self.pending.objects.insert(key.clone(), Arc::new(stored));
        Ok(Application { outcome, previous, change })
    }

    /// The slow path: the report is late, or shares its second with another. All reports of the
    /// object are read back and folded in their order.
    fn fold_again(
        &mut self,
        key: &ObjectKey,
        last_applied: Option<u64>,
        report: &Report,
    ) -> Result<(Progress, bool), StoreError> {
        let mut reports = Vec::new();
        let mut next = last_applied;
        while let Some(sequence) = next {
            let known = self.report_at(key, sequence)?;
            // Kept for the rest of the batch: late reports of one object come in swarms.
            if self.reports.len() < REPORTS_KEPT {
                self.reports.insert(sequence, known.clone());
            }
            reports.push(known);
            next = self.event_at(key.livemode, sequence)?.and_then(|event| event.previous);
        }
        reports.push(report.clone());
        fold_all(key, &reports)
    }

    fn report_at(&self, key: &ObjectKey, sequence: u64) -> Result<Report, StoreError> {
        if let Some(report) = self.reports.get(&sequence) {
            return Ok(report.clone());
        }
        stored_report(self.views, self.journal, self.rules, key, sequence)
    }

    /// Keeps the counts by status true.
    fn count(
        &mut self,
        key: &ObjectKey,
        before: Option<&Progress>,
        now: &Progress,
    ) -> Result<(), StoreError> {
        let summary = self.summary(key.livemode)?;
        let known = before.map_or(0, |before| before.conflicts);
        summary.conflicts =
            (summary.conflicts + u64::from(now.conflicts)).saturating_sub(u64::from(known));
        let (was, is) = (before.and_then(|before| before.state.status()), now.state.status());
        if was == is {
            return Ok(());
        }
        let statuses = summary.statuses.entry(key.kind).or_default();
        if let Some(count) = was.and_then(|was| statuses.get_mut(was)) {
            *count = count.saturating_sub(1);
        }
        if let Some(is) = is {
            *statuses.entry(is.to_owned()).or_default() += 1;
        }
        Ok(())
    }

    pub(super) fn sequence_of(&self, livemode: bool, id: &str) -> Result<Option<u64>, StoreError> {
        match self.pending.of(livemode).ids.get(id) {
            Some(&sequence) => Ok(Some(sequence)),
            None => self.views.sequence_of(livemode, id),
        }
    }

    fn event_of_id(
        &self,
        livemode: bool,
        id: &str,
    ) -> Result<Option<Arc<StoredEvent>>, StoreError> {
        let Some(sequence) = self.sequence_of(livemode, id)? else { return Ok(None) };
        self.event_at(livemode, sequence)
    }

    fn event_at(
        &self,
        livemode: bool,
        sequence: u64,
    ) -> Result<Option<Arc<StoredEvent>>, StoreError> {
        match self.pending.of(livemode).events.get(&sequence) {
            Some(event) => Ok(Some(Arc::clone(event))),
            None => Ok(self.views.event(livemode, sequence)?.map(Arc::new)),
        }
    }

    fn object(&self, key: &ObjectKey) -> Result<Option<Arc<StoredObject>>, StoreError> {
        match self.pending.objects.get(key) {
            Some(stored) => Ok(Some(Arc::clone(stored))),
            None => Ok(self.views.object(key)?.map(Arc::new)),
        }
    }

    fn summary(&mut self, livemode: bool) -> Result<&mut Summary, StoreError> {
        let views = self.views;
        let summary = &mut self.pending.of_mut(livemode).summary;
        let held = match summary.take() {
            Some(held) => held,
            None => views.counts(livemode)?,
        };
        Ok(summary.insert(held))
    }

    /// All that has changed.
    pub(super) fn finish(self) -> Result<Layer, StoreError> {
        self.pending.rows(self.views)
    }
}

/// Folds reports of which the last is the new one.
fn fold_all(key: &ObjectKey, reports: &[Report]) -> Result<(Progress, bool), StoreError> {
    fold::settle(key.kind, reports, reports.len().checked_sub(1))
        .ok_or_else(|| StoreError::Damaged(format!("no reports are known about {}", key.id)))
}

fn shows_otherwise(before: &Progress, now: &Progress) -> bool {
    before.state != now.state || before.ambiguous != now.ambiguous || before.as_of != now.as_of
}
