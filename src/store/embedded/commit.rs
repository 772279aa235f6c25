//! One commit: drop what is known, append, fold, write.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::sync::PoisonError;

use crate::clock;
use crate::domain::event::{Event, Outcome, Reading};
use crate::domain::time::Timestamp;
use crate::store::embedded::upkeep::catch_up;
use crate::store::embedded::{Inner, Writer, unpack};
use crate::store::journal::{AppendError, Draft, Position};
use crate::store::record::{PackedBody, RecordKind};
use crate::store::stored::{Header, in_partition, stored_record};
use crate::store::update::{Redrive, Update};
use crate::store::{Incoming, Receipt, StoreError};

impl Inner {
    pub(super) fn commit(&self, batch: Vec<Incoming>) -> Result<Vec<Receipt>, StoreError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.ready(&mut writer)?;
        let mut update = Update::new(&self.views, &self.journal, &*self.rules);
        let sorted = self.or_failure(self.sort(batch, &update))?;
        let Sorted { recorded_at, records, actions, places, .. } = sorted;
        let folded = append_while(&mut writer, records, |positions| {
            let receipts = fold(recorded_at, actions, positions, &mut update)?;
            Ok((receipts, update.finish()?))
        })?;
        // The events are safe in the journal. Until the views have followed, by whatever path
        // this is left, the next commit must first put them right.
        writer.behind = true;
        let (receipts, rows) = self.or_failure(folded)?;
        self.views.hold(rows)?;
        self.caught_up(&mut writer);
        Ok(answers(places, receipts))
    }

    pub(super) fn preview(&self, batch: Vec<Incoming>) -> Result<Vec<Receipt>, StoreError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.ready(&mut writer)?;
        let mut update = Update::new(&self.views, &self.journal, &*self.rules);
        let Sorted { recorded_at, actions, places, .. } = self.sort(batch, &update)?;
        let nowhere = Position { segment: 0, offset: 0 };
        let sequences = (writer.journal.next_sequence()..).take(actions.len());
        let positions: Vec<(u64, Position)> = sequences.map(|next| (next, nowhere)).collect();
        let receipts = fold(recorded_at, actions, &positions, &mut update)?;
        Ok(answers(places, receipts))
    }

    pub(super) fn redrive(
        &self,
        livemode: bool,
        ids: &[String],
        dry_run: bool,
    ) -> Result<Vec<Receipt>, StoreError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.ready(&mut writer)?;
        let mut update = Update::new(&self.views, &self.journal, &*self.rules);
        let mut receipts = Vec::new();
        let mut helped = Vec::new();
        let recorded_at = clock::now();
        let mut sequence = writer.journal.next_sequence();
        for id in ids {
            let redrive = Redrive { sequence, recorded_at };
            let outcome = update.redrive(livemode, id, redrive)?.unwrap_or(Outcome::Duplicate);
            if !matches!(outcome, Outcome::Parked | Outcome::Duplicate) {
                helped.push(note(RecordKind::Redrive, livemode, id, recorded_at));
                sequence += 1;
            }
            receipts.push(Receipt { id: id.clone(), outcome });
        }
        if !(helped.is_empty() || dry_run) {
            let positions = append_while(&mut writer, helped, <[_]>::to_vec)?;
            if let Some(&(sequence, position)) = positions.last() {
                update.reached(sequence, position);
            }
            writer.behind = true;
            self.views.hold(update.finish()?)?;
            self.caught_up(&mut writer);
        }
        Ok(receipts)
    }

    /// Refuses what can no longer be done, and puts views right that a failed write left behind.
    pub(super) fn ready(&self, writer: &mut Writer) -> Result<(), StoreError> {
        if let Some(reason) = &writer.stopped {
            return Err(reason.clone());
        }
        if let Some(failure) = self.views.failure() {
            return Err(failure);
        }
        self.folder.check_room()?;
        if writer.behind {
            let newest = writer.journal.newest();
            let behind = (&self.journal, newest);
            self.or_failure(catch_up(&self.views, behind, &*self.rules, &mut |_| {}))?;
            self.caught_up(writer);
        }
        Ok(())
    }

    /// A read can be the first to meet a sled that has failed for good, after which only a new
    /// start helps. Asked to write, sled says whether that is so.
    pub(super) fn or_failure<T>(&self, read: Result<T, StoreError>) -> Result<T, StoreError> {
        read.or_else(|error| self.views.flush().and(Err(error)))
    }

    /// The views reflect all of the journal. Only now may readers of the feed be told: none can
    /// see a sequence before the ones below it.
    pub(super) fn caught_up(&self, writer: &mut Writer) {
        writer.behind = false;
        let newest = writer.journal.newest();
        self.newest.send_if_modified(|known| std::mem::replace(known, newest) != newest);
    }

    /// Tells what is new from what is known, in the store or earlier in the batch.
    fn sort(&self, batch: Vec<Incoming>, update: &Update<'_>) -> Result<Sorted, StoreError> {
        let mut sorted = Sorted::at(clock::now());
        for incoming in batch {
            let name = (incoming.livemode, incoming.event.id.clone());
            let conflicts = if let Some(twin) = sorted.twin(&name) {
                let first = unpack(&twin.body)?;
                let comparable = !(twin.body.is_reduced() || incoming.body.is_reduced());
                incoming.conflicting_redelivery
                    || comparable && !self.rules.same_content(&first, &unpack(&incoming.body)?)
            } else if update.sequence_of(name.0, &name.1)?.is_some() {
                self.conflicts(&incoming)?
            } else {
                sorted.add(incoming);
                continue;
            };
            if conflicts {
                sorted.flag(&name);
            }
            sorted.places.push(Place::Duplicate(name.1));
        }
        Ok(sorted)
    }

    /// Whether a redelivery differs from the stored event and that was not seen before.
    fn conflicts(&self, incoming: &Incoming) -> Result<bool, StoreError> {
        let Some(event) = self.views.event_of_id(incoming.livemode, &incoming.event.id)? else {
            return Ok(false);
        };
        if event.record.conflicting_redelivery {
            return Ok(false);
        }
        let stored = stored_record(&self.journal, &event)?.body;
        // What was reduced cannot be compared: nothing is kept by which the rest could be guessed.
        let comparable = !(stored.is_reduced() || incoming.body.is_reduced());
        Ok(incoming.conflicting_redelivery
            || comparable && !self.rules.same_content(&unpack(&stored)?, &unpack(&incoming.body)?))
    }
}
/// Folds a batch whose records got these places in the journal.
fn fold(
    recorded_at: Timestamp,
    actions: Vec<Action>,
    positions: &[(u64, Position)],
    update: &mut Update<'_>,
) -> Result<Vec<Receipt>, StoreError> {
    let mut receipts = Vec::new();
    for (action, &(sequence, position)) in actions.into_iter().zip(positions) {
        match action {
            Action::Event { event, livemode, received_at, source } => {
                let header = Header { sequence, livemode, received_at, recorded_at, source };
                let id = event.id.clone();
                let outcome = update.event(header, position, event)?;
                receipts.push(Receipt { id, outcome });
            }
            Action::Flag { livemode, id } => update.conflicting_redelivery(livemode, &id)?,
        }
        update.reached(sequence, position);
    }
    Ok(receipts)
}

/// A batch, sorted into what is written and what is answered.
struct Sorted {
    recorded_at: Timestamp,
    records: Vec<Draft>,
    /// What each record does to the views.
    actions: Vec<Action>,
    /// Where the new events of the batch stand among the records.
    new: BTreeMap<(bool, String), usize>,
    flagged: BTreeSet<(bool, String)>,
    places: Vec<Place>,
}

#[expect(clippy::large_enum_variant, reason = "nearly all actions are events")]
enum Action {
    Event { event: Event, livemode: bool, received_at: Timestamp, source: String },
    Flag { livemode: bool, id: String },
}

/// The answer to one event of the batch.
enum Place {
    New,
    Duplicate(String),
}

impl Sorted {
    fn at(recorded_at: Timestamp) -> Self {
        Self {
            recorded_at,
            records: Vec::new(),
            actions: Vec::new(),
            new: BTreeMap::new(),
            flagged: BTreeSet::new(),
            places: Vec::new(),
        }
    }

    fn twin(&self, name: &(bool, String)) -> Option<&Draft> {
        self.new.get(name).and_then(|&place| self.records.get(place))
    }

    fn add(&mut self, incoming: Incoming) {
        let Incoming { event, livemode, received_at, source, body, conflicting_redelivery } =
            incoming;
        let event = in_partition(event, livemode);
        let name = (livemode, event.id.clone());
        self.new.insert(name.clone(), self.records.len());
        self.places.push(Place::New);
        self.records.push(Draft {
            received_at: received_at.0,
            recorded_at: self.recorded_at.0,
            livemode,
            kind: kind_of(&event),
            source: source.clone(),
            event_id: event.id.clone(),
            body,
        });
        self.actions.push(Action::Event { event, livemode, received_at, source });
        if conflicting_redelivery {
            self.flag(&name);
        }
    }

    fn flag(&mut self, name: &(bool, String)) {
        if self.flagged.insert(name.clone()) {
            let (livemode, id) = name.clone();
            self.records.push(note(
                RecordKind::ConflictingRedelivery,
                livemode,
                &id,
                self.recorded_at,
            ));
            self.actions.push(Action::Flag { livemode, id });
        }
    }
}

/// Receipts in the order of the batch, from those of its new events.
fn answers(places: Vec<Place>, receipts: Vec<Receipt>) -> Vec<Receipt> {
    let mut receipts = receipts.into_iter();
    let answer = |place| match place {
        Place::New => receipts.next(),
        Place::Duplicate(id) => Some(Receipt { id, outcome: Outcome::Duplicate }),
    };
    places.into_iter().filter_map(answer).collect()
}

/// Appends records; what `meanwhile` makes of their places is for nobody before this returns.
pub(super) fn append_while<T>(
    writer: &mut Writer,
    records: Vec<Draft>,
    meanwhile: impl FnOnce(&[(u64, Position)]) -> T,
) -> Result<T, StoreError> {
    let appended = writer.journal.append_while(records, meanwhile);
    appended.map_err(|error| append_failed(writer, &error))
}

pub(super) fn append_failed(writer: &mut Writer, error: &AppendError) -> StoreError {
    match error {
        AppendError::NotStored(cause) if cause.kind() == ErrorKind::StorageFull => {
            StoreError::Unavailable("the disk is full: free some space".to_owned())
        }
        AppendError::NotStored(_) | AppendError::TooLong(_) => {
            StoreError::Unavailable(error.to_string())
        }
        AppendError::SyncFailed(_) => {
            let reason = StoreError::SyncFailed(error.to_string());
            writer.stopped = Some(reason.clone());
            reason
        }
    }
}

fn kind_of(event: &Event) -> RecordKind {
    match event.reading {
        Reading::Parked { .. } => RecordKind::ParkedEvent,
        Reading::Report { .. } | Reading::Ignored => RecordKind::Event,
    }
}

/// A record about an event stored earlier.
fn note(kind: RecordKind, livemode: bool, id: &str, now: Timestamp) -> Draft {
    Draft {
        received_at: now.0,
        recorded_at: now.0,
        livemode,
        kind,
        source: String::new(),
        event_id: id.to_owned(),
        body: PackedBody::pack(&[]),
    }
}
