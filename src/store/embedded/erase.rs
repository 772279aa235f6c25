//! Taking out of stored bodies what the rules do not read: all that is about one account, or what
//! is older than it is to be kept.
//!
//! Only bodies change, in place, a segment at a time ([`JournalReader::rewrite`]). What follows
//! from them stays what it was, so no row of the views has to. An erasure is in the journal before
//! its first change: the next start completes one that was cut off.
//!
//! [`JournalReader::rewrite`]: crate::store::journal::JournalReader::rewrite

use std::collections::BTreeSet;
use std::sync::PoisonError;

use crate::clock;
use crate::domain::fold::State;
use crate::domain::id::{Kind, ObjectKey};
use crate::domain::operation::{Action, Operation};
use crate::domain::time::Timestamp;
use crate::store::embedded::commit::{append_failed, append_while};
use crate::store::embedded::{Inner, unpack};
use crate::store::erasure::{Erased, Erasure, ErasureStep, Retained};
use crate::store::journal::{Draft, Position};
use crate::store::record::{PackedBody, Record, RecordKind};
use crate::store::stored::stored_operation;
use crate::store::update::Update;
use crate::store::{EventFilter, OperationFilter, Slice, StoreError};

const PAGE: Slice = Slice { from: None, limit: 500 };

/// What is to be reduced.
#[derive(Clone, Copy)]
enum Matter<'a> {
    /// All that is about an account, up to this record.
    Account { livemode: bool, account: &'a str, through: u64 },
    /// All that was received before this moment.
    Age { before: Timestamp },
}

/// What a record is to a matter.
enum Found {
    Nothing,
    Already,
    /// Something, of which this is left.
    Left(Vec<u8>),
}

/// How far the dropping of old bodies has come.
#[derive(Default)]
pub(super) struct Turn {
    /// Segments up to this one hold nothing any more that could grow old.
    settled: u32,
    /// The segment that was looked at last in this round.
    looked_at: u32,
}

impl Inner {
    pub(super) fn erase(&self, livemode: bool, account: &str) -> Result<Erasure, StoreError> {
        let _turn = self.rewriting.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.knows_account(livemode, account)? {
            return Ok(Erasure::Unknown);
        }
        let copies = self.folder.copies()?;
        if !copies.is_empty() {
            return Ok(Erasure::Copies(copies));
        }
        let through = {
            let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
            self.ready(&mut writer)?;
            let open = self.open_operations_about(livemode, account)?;
            if !open.is_empty() {
                return Ok(Erasure::Busy(open));
            }
            writer.journal.newest()
        };
        let matter = Matter::Account { livemode, account, through };
        let (erased, segments) = self.survey(matter)?;
        if !segments.is_empty() {
            self.note_step(livemode, account, ErasureStep::Begun { through })?;
            self.carry_out(matter, segments)?;
            self.note_step(livemode, account, ErasureStep::Done)?;
        }
        Ok(Erasure::Done(erased))
    }

    /// Completes what a crash has cut off.
    pub(super) fn finish_erasures(&self) -> Result<(), StoreError> {
        let _turn = self.rewriting.lock().unwrap_or_else(PoisonError::into_inner);
        for (livemode, account, through) in self.views.open_erasures()? {
            let matter = Matter::Account { livemode, account: &account, through };
            let (erased, segments) = self.survey(matter)?;
            self.carry_out(matter, segments)?;
            self.note_step(livemode, &account, ErasureStep::Done)?;
            let Erased { events, steps, .. } = erased;
            tracing::info!(account, events, steps, "completed an erasure that was cut off");
        }
        Ok(())
    }

    /// Reduces what was received before this moment, in one segment; a later call goes on.
    pub(super) fn retain(&self, before: Timestamp) -> Result<Retained, StoreError> {
        let mut turn = self.rewriting.lock().unwrap_or_else(PoisonError::into_inner);
        let segment = turn.looked_at.max(turn.settled) + 1;
        let matter = Matter::Age { before };
        let (mut reduced, mut all_old) = (0, true);
        self.journal.each_in(segment, &mut |record| {
            all_old &= record.received_at < before.0;
            reduced += u64::from(matches!(self.look(matter, &record)?, Found::Left(_)));
            Ok::<_, StoreError>(())
        })?;
        if reduced > 0 {
            self.carry_out(matter, BTreeSet::from([segment]))?;
        }
        let open = self.journal.open_segment();
        if all_old && segment < open && turn.settled + 1 == segment {
            turn.settled = segment;
        }
        let more = segment < open;
        turn.looked_at = if more { segment } else { 0 };
        Ok(Retained { reduced, more })
    }

    fn knows_account(&self, livemode: bool, account: &str) -> Result<bool, StoreError> {
        let key = ObjectKey::new(livemode, Kind::Account, None, account);
        if self.views.object(&key)?.is_some() {
            return Ok(true);
        }
        let named = Some(account.to_owned());
        let about = OperationFilter { object: named.clone(), ..OperationFilter::default() };
        if !self.views.operations(livemode, &about, PAGE)?.items.is_empty() {
            return Ok(true);
        }
        let from_it = EventFilter { account: named.clone(), ..EventFilter::default() };
        let about_it = EventFilter { object: named, ..EventFilter::default() };
        for filter in [from_it, about_it] {
            let mut slice = PAGE;
            loop {
                let page = self.views.events(livemode, &filter, slice)?;
                if !page.items.is_empty() {
                    return Ok(true);
                }
                slice.from = page.next;
                if slice.from.is_none() {
                    break;
                }
            }
        }
        Ok(false)
    }

    fn open_operations_about(
        &self,
        livemode: bool,
        account: &str,
    ) -> Result<Vec<String>, StoreError> {
        let filter = OperationFilter { open: true, ..OperationFilter::default() };
        let (mut ids, mut slice) = (Vec::new(), PAGE);
        loop {
            let page = self.views.operations(livemode, &filter, slice)?;
            for stored in page.items {
                if self.is_about(&stored.operation, account)? {
                    ids.push(stored.operation.id);
                }
            }
            slice.from = page.next;
            if slice.from.is_none() {
                return Ok(ids);
            }
        }
    }

    /// Taking back what was paid to an account is about it too.
    fn is_about(&self, operation: &Operation, account: &str) -> Result<bool, StoreError> {
        let Operation { livemode, action, subject, .. } = operation;
        let (Action::ReverseTransfer, Some(transfer)) = (action, subject) else {
            return Ok(operation.is_about_account(account));
        };
        let key = ObjectKey::new(*livemode, Kind::Transfer, None, transfer);
        let stored = self.views.object(&key)?;
        Ok(stored.is_some_and(|stored| match stored.object.progress.state {
            State::Transfer(transfer) => transfer.destination.as_deref() == Some(account),
            State::Account(_) | State::Topup(_) | State::Payout(_) | State::Balance(_) => false,
        }))
    }

    /// What there is to do, and in which segments.
    fn survey(&self, matter: Matter<'_>) -> Result<(Erased, BTreeSet<u32>), StoreError> {
        let (mut erased, mut segments) = (Erased::default(), BTreeSet::new());
        for segment in 1..=self.journal.open_segment() {
            self.journal.each_in(segment, &mut |record| {
                let count = match self.look(matter, &record)? {
                    Found::Nothing => return Ok(()),
                    Found::Already => &mut erased.already,
                    Found::Left(_) => {
                        segments.insert(segment);
                        let is_event = record.kind.is_event();
                        if is_event { &mut erased.events } else { &mut erased.steps }
                    }
                };
                *count += 1;
                Ok::<_, StoreError>(())
            })?;
        }
        Ok((erased, segments))
    }

    /// Reduces what is to be reduced in these segments. Commits wait only while the one that they
    /// write to is closed.
    fn carry_out(&self, matter: Matter<'_>, segments: BTreeSet<u32>) -> Result<(), StoreError> {
        {
            let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
            self.ready(&mut writer)?;
            if segments.contains(&self.journal.open_segment()) {
                let closed = writer.journal.close_segment();
                closed.map_err(|error| append_failed(&mut writer, &error))?;
            }
        }
        for segment in segments {
            self.journal.rewrite(segment, &mut |record| match self.look(matter, record)? {
                Found::Left(body) => self.fitted(record, &body).map(Some),
                Found::Nothing | Found::Already => Ok(None),
            })?;
        }
        Ok(())
    }

    fn look(&self, matter: Matter<'_>, record: &Record) -> Result<Found, StoreError> {
        let is_operation = record.kind == RecordKind::Operation;
        if !(record.kind.is_event() || is_operation) {
            return Ok(Found::Nothing);
        }
        match matter {
            Matter::Age { before } if record.received_at >= before.0 => Ok(Found::Nothing),
            Matter::Age { .. } if record.body.is_reduced() => Ok(Found::Already),
            Matter::Age { .. } if is_operation => {
                let stored = self.views.operation(record.livemode, &record.event_id)?;
                match stored.filter(|stored| !stored.operation.state.is_open()) {
                    Some(_) => left_of_step(record),
                    None => Ok(Found::Nothing),
                }
            }
            Matter::Age { .. } => self.left_of_event(&unpack(&record.body)?),
            Matter::Account { livemode, through, .. }
                if record.livemode != livemode || record.sequence > through =>
            {
                Ok(Found::Nothing)
            }
            Matter::Account { account, .. } if is_operation => {
                let stored = self.views.operation(record.livemode, &record.event_id)?;
                let is_about =
                    stored.map(|stored| self.is_about(&stored.operation, account)).transpose()?;
                match is_about {
                    Some(true) if record.body.is_reduced() => Ok(Found::Already),
                    Some(true) => left_of_step(record),
                    Some(false) | None => Ok(Found::Nothing),
                }
            }
            Matter::Account { account, .. } => {
                let whole = self.journal.with_body(record.clone())?;
                let body = unpack(&whole.body)?;
                if !self.rules.mentions(&body, account) {
                    Ok(Found::Nothing)
                } else if record.body.is_reduced() {
                    Ok(Found::Already)
                } else {
                    self.left_of_event(&body)
                }
            }
        }
    }

    fn left_of_event(&self, body: &[u8]) -> Result<Found, StoreError> {
        let Some(left) = self.rules.reduce(body) else {
            return Err(StoreError::Damaged("an event's body is none".to_owned()));
        };
        Ok(if left == body { Found::Nothing } else { Found::Left(left) })
    }

    /// What is left of a body, in the room it had, or elsewhere and found from there.
    fn fitted(&self, record: &Record, left: &[u8]) -> Result<PackedBody, StoreError> {
        let room = record.body.stored_length();
        if let Some(fitted) = PackedBody::reduced_into(left, room) {
            return Ok(fitted);
        }
        let moved = Draft {
            received_at: record.received_at,
            recorded_at: clock::now().0,
            livemode: record.livemode,
            kind: RecordKind::MovedBody,
            source: String::new(),
            event_id: record.event_id.clone(),
            body: PackedBody::pack_reduced(left),
        };
        let Position { segment, offset } = self.note_down(moved, |_| Ok(()))?;
        PackedBody::elsewhere(segment, offset, room).ok_or_else(|| {
            let (id, sequence) = (&record.event_id, record.sequence);
            StoreError::Damaged(format!("{id} (record {sequence}) is too short to be reduced"))
        })
    }

    fn note_step(
        &self,
        livemode: bool,
        account: &str,
        step: ErasureStep,
    ) -> Result<(), StoreError> {
        let now = clock::now().0;
        let draft = Draft {
            received_at: now,
            recorded_at: now,
            livemode,
            kind: RecordKind::Erasure,
            source: String::new(),
            event_id: account.to_owned(),
            body: PackedBody::pack(&step.body()?),
        };
        self.note_down(draft, |update| update.erasure(livemode, account, step)).map(|_| ())
    }

    /// Appends a record of its own, and folds it. Answers where it lies.
    fn note_down(
        &self,
        draft: Draft,
        fold: impl FnOnce(&mut Update<'_>) -> Result<(), StoreError>,
    ) -> Result<Position, StoreError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.ready(&mut writer)?;
        let mut update = Update::new(&self.views, &self.journal, &*self.rules);
        let positions = append_while(&mut writer, vec![draft], <[_]>::to_vec)?;
        writer.behind = true;
        fold(&mut update)?;
        let nowhere = || StoreError::Unavailable("nothing was written".to_owned());
        let &(sequence, position) = positions.last().ok_or_else(nowhere)?;
        update.reached(sequence, position);
        self.views.hold(update.finish()?)?;
        self.caught_up(&mut writer);
        Ok(position)
    }
}

fn left_of_step(record: &Record) -> Result<Found, StoreError> {
    let operation = stored_operation(record)?;
    let left = operation.without_personal_data();
    if left == operation {
        return Ok(Found::Nothing);
    }
    let body = serde_json::to_vec(&left);
    body.map(Found::Left).map_err(|error| StoreError::Unavailable(error.to_string()))
}
