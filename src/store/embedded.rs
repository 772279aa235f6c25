//! The embedded engine: one folder, a journal for the truth and views for all that follows.
//!
//! A commit drops what is known, appends the rest to the journal and waits for the disk, folds
//! it into the views, and only then answers. Whatever happens after the disk has confirmed can
//! be recomputed: opening the store folds the journal from where the views stand.
//!
//! **Never in here:** what an event means (see [`crate::store::Rules`] and the domain).

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::clock;
use crate::domain::event::{Event, Outcome, Report};
use crate::domain::id::{Kind, ObjectKey};
use crate::domain::time::Timestamp;
use crate::store::folder::Folder;
use crate::store::journal::{AppendError, Draft, Journal, JournalError, JournalReader, Position};
use crate::store::record::{PackedBody, RecordKind};
use crate::store::update::{Header, Update, stored_report};
use crate::store::views::{self, Views};
use crate::store::{
    EventFilter, EventRecord, Incoming, Object, ObjectFilter, Page, Receipt, Rules, Slice, Store,
    StoreError, Summary,
};

/// Journal records that recovery and rebuild fold before they write.
const RECORDS_PER_WRITE: u64 = 1_000;

#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Size that journal segments are given when they are made.
    pub segment_bytes: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { segment_bytes: 64 << 20 }
    }
}

pub struct Embedded {
    inner: Arc<Inner>,
}

struct Inner {
    folder: Folder,
    views: Views,
    journal: JournalReader,
    rules: Arc<dyn Rules>,
    writer: Mutex<Writer>,
}

struct Writer {
    journal: Journal,
    /// The journal holds records that could not be folded into the views yet.
    behind: bool,
    /// Set when no commit may follow, with the reason.
    stopped: Option<StoreError>,
}

/// Told how many journal records a long work has done.
pub type Progress<'a> = &'a mut dyn FnMut(u64);

impl Embedded {
    /// Opens the store, or makes it. Views that cannot be trusted are made anew.
    pub fn open(
        path: &Path,
        options: Options,
        rules: Arc<dyn Rules>,
        progress: Progress<'_>,
    ) -> Result<Self, StoreError> {
        let folder = Folder::open(path)?;
        let journal = Journal::create_or_open(&folder.journal(), options.segment_bytes)?;
        if journal.recovered_tail() > 0 {
            let dropped = journal.recovered_tail();
            tracing::warn!(
                bytes = dropped,
                "cut {dropped} bytes of an unfinished commit off the journal; nothing in it had been acknowledged"
            );
        }
        let reader = journal.reader();
        let views = match trusted_views(&folder, &journal)? {
            Some(views) => views,
            None => rebuilt_views(&folder, &reader, &*rules, progress)?,
        };
        folder.note_opened()?;
        let inner = Inner {
            folder,
            views,
            journal: reader,
            rules,
            writer: Mutex::new(Writer { journal, behind: false, stopped: None }),
        };
        catch_up(&inner.views, &inner.journal, &*inner.rules, progress)?;
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Whether the store at `path` could be opened, as far as its lock and layout tell. Makes
    /// nothing where there is none.
    pub fn probe(path: &Path) -> Result<(), StoreError> {
        if Folder::exists(path) { Folder::open(path).map(|_| ()) } else { Ok(()) }
    }

    /// Whether a store was ever made at `path`.
    pub fn exists(path: &Path) -> bool {
        Folder::exists(path)
    }

    /// Recomputes all views and puts them in the place of the old ones.
    pub fn rebuild(
        path: &Path,
        options: Options,
        rules: &dyn Rules,
        progress: Progress<'_>,
    ) -> Result<u64, StoreError> {
        let folder = Folder::open(path)?;
        let journal = Journal::create_or_open(&folder.journal(), options.segment_bytes)?;
        let views = rebuilt_views(&folder, &journal.reader(), rules, progress)?;
        views.flush()?;
        drop(views);
        folder.note_closed()?;
        Ok(journal.next_sequence() - 1)
    }

    /// Recomputes all views beside the ones in use and names what differs, up to `most`.
    pub fn check(&self, most: usize, progress: Progress<'_>) -> Result<Check, StoreError> {
        let Inner { folder, views, journal, rules, .. } = &*self.inner;
        folder.delete_new_views()?;
        let recomputed = Views::open(&folder.new_views())?;
        catch_up(&recomputed, journal, &**rules, progress)?;
        let check = compare(views, &recomputed, most)?;
        drop(recomputed);
        folder.delete_new_views()?;
        Ok(check)
    }

    /// Reads every journal record and what the views say of it; names the faults, up to `most`.
    pub fn verify(&self, most: usize, progress: Progress<'_>) -> Result<Verified, StoreError> {
        let Inner { views, journal, .. } = &*self.inner;
        let mut verified = Verified::default();
        for read in journal.scan(None) {
            let (position, record) = read?;
            verified.records += 1;
            if record.kind != RecordKind::Event {
                continue;
            }
            verified.events += 1;
            let unpacked = record.body.unpack();
            verified.body_bytes += unpacked.as_ref().map_or(0, Vec::len);
            let indexed = views.event_of_id(record.livemode, &record.event_id)?;
            let fault = match (unpacked, indexed) {
                (Err(error), _) => Some(error.to_string()),
                (_, None) => Some("is not in the index".to_owned()),
                (_, Some(event)) if event.position != position => {
                    Some("is indexed at another place of the journal".to_owned())
                }
                _ => None,
            };
            if let Some(fault) = fault.filter(|_| verified.faults.len() < most) {
                let (sequence, id) = (record.sequence, record.event_id);
                verified.faults.push(format!("event {id} (record {sequence}): {fault}"));
            }
            if verified.records.is_multiple_of(RECORDS_PER_WRITE) {
                progress(verified.records);
            }
        }
        let check = self.check(most, progress)?;
        verified.derived_rows = check.rows;
        verified.faults.extend(check.differences);
        Ok(verified)
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

/// The views on disk, unless a power loss can have hurt them or they are of another version.
fn trusted_views(folder: &Folder, journal: &Journal) -> Result<Option<Views>, StoreError> {
    if !folder.views().is_dir() || !folder.views_can_be_trusted() {
        return Ok(None);
    }
    let opened = Views::open(&folder.views());
    let (views, applied) = match opened.and_then(|views| Ok((views.applied()?, views))) {
        Ok((applied, views)) => (views, applied),
        Err(error) => {
            tracing::warn!(%error, "the derived records cannot be used and are recomputed");
            return Ok(None);
        }
    };
    match applied {
        Some(applied) if applied.sequence >= journal.next_sequence() => {
            Err(StoreError::Damaged(format!(
                "the journal ends at record {}, but records up to {} were acknowledged and applied; put the missing files of the journal back (to go on without those events, delete the folder {})",
                journal.next_sequence() - 1,
                applied.sequence,
                folder.views().display(),
            )))
        }
        Some(_) => Ok(Some(views)),
        None if journal.next_sequence() == 1 => Ok(Some(views)),
        None => Ok(None),
    }
}

fn rebuilt_views(
    folder: &Folder,
    journal: &JournalReader,
    rules: &dyn Rules,
    progress: Progress<'_>,
) -> Result<Views, StoreError> {
    folder.delete_new_views()?;
    let views = Views::open(&folder.new_views())?;
    catch_up(&views, journal, rules, progress)?;
    views.flush()?;
    drop(views);
    folder.swap_views()?;
    Views::open(&folder.views())
}

/// Folds what the journal holds beyond the views into them.
fn catch_up(
    views: &Views,
    journal: &JournalReader,
    rules: &dyn Rules,
    progress: Progress<'_>,
) -> Result<(), StoreError> {
    let applied = views.applied()?;
    let mut update = Update::new(views, journal, rules);
    let mut done = 0;
    for read in journal.scan(applied.map(|applied| applied.position)) {
        let (position, record) = read?;
        update.record(position, &record)?;
        done += 1;
        if done % RECORDS_PER_WRITE == 0 {
            update.write()?;
            update = Update::new(views, journal, rules);
            progress(done);
        }
    }
    update.write()
}

fn compare(views: &Views, recomputed: &Views, most: usize) -> Result<Check, StoreError> {
    let (mut left, mut right) = (views.rows(), recomputed.rows());
    let (mut a, mut b) = (left.next().transpose()?, right.next().transpose()?);
    let mut check = Check::default();
    loop {
        let order = match (&a, &b) {
            (None, None) => return Ok(check),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some((a, _)), Some((b, _))) => a.cmp(b),
        };
        let difference = match (order, &a, &b) {
            (std::cmp::Ordering::Less, Some((key, _)), _) => Some((key, "should not be there")),
            (std::cmp::Ordering::Greater, _, Some((key, _))) => Some((key, "is missing")),
            (_, Some((key, stored)), Some((_, computed))) if stored != computed => {
                Some((key, "differs from what the journal gives"))
            }
            _ => None,
        };
        if let Some((key, what)) = difference.filter(|_| check.differences.len() < most) {
            check.differences.push(format!("{}: {what}", views::describe(key)));
        }
        check.rows += 1;
        if order.is_le() {
            a = left.next().transpose()?;
        }
        if order.is_ge() {
            b = right.next().transpose()?;
        }
    }
}

impl Inner {
    fn commit(&self, batch: Vec<Incoming>) -> Result<Vec<Receipt>, StoreError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.ready(&mut writer)?;
        let mut update = Update::new(&self.views, &self.journal, &*self.rules);
        let Sorted { recorded_at, records, actions, places, .. } = self.sort(batch, &update)?;
        let positions = append(&mut writer, records)?;
        let folded = fold(recorded_at, actions, &positions, &mut update);
        let written = folded.and_then(|receipts| update.write().map(|()| receipts));
        // The events are safe in the journal; before the next commit the views are put right.
        writer.behind = written.is_err();
        Ok(answers(places, written?))
    }

    fn preview(&self, batch: Vec<Incoming>) -> Result<Vec<Receipt>, StoreError> {
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

    fn redrive(
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
        for id in ids {
            let outcome = update.redrive(livemode, id)?.unwrap_or(Outcome::Duplicate);
            if !matches!(outcome, Outcome::Parked | Outcome::Duplicate) {
                helped.push(note(RecordKind::Redrive, livemode, id, clock::now()));
            }
            receipts.push(Receipt { id: id.clone(), outcome });
        }
        if !(helped.is_empty() || dry_run) {
            let positions = append(&mut writer, helped)?;
            if let Some(&(sequence, position)) = positions.last() {
                update.reached(sequence, position);
            }
            writer.behind = true;
            update.write()?;
            writer.behind = false;
        }
        Ok(receipts)
    }

    fn scan(&self, after: u64, limit: usize) -> Result<Vec<(EventRecord, Vec<u8>)>, StoreError> {
        let from = self.views.event_at(after)?.map(|event| event.position);
        let mut events = Vec::new();
        for read in self.journal.scan(from) {
            let (_, record) = read?;
            if record.kind == RecordKind::Event {
                let body = unpack(&record.body)?;
                let event = self.views.event(record.livemode, record.sequence)?;
                events.extend(event.map(|event| (event.record, body)));
            }
            if events.len() == limit {
                break;
            }
        }
        Ok(events)
    }

    /// Refuses what can no longer be done, and puts views right that a failed write left behind.
    fn ready(&self, writer: &mut Writer) -> Result<(), StoreError> {
        if let Some(reason) = &writer.stopped {
            return Err(reason.clone());
        }
        if writer.behind {
            catch_up(&self.views, &self.journal, &*self.rules, &mut |_| {})?;
            writer.behind = false;
        }
        Ok(())
    }

    /// Tells what is new from what is known, in the store or earlier in the batch.
    fn sort(&self, batch: Vec<Incoming>, update: &Update<'_>) -> Result<Sorted, StoreError> {
        let mut sorted = Sorted::at(clock::now());
        for incoming in batch {
            let name = (incoming.livemode, incoming.event.id.clone());
            let conflicts = if let Some(twin) = sorted.twin(&name) {
                let first = unpack(&twin.body)?;
                !self.rules.same_content(&first, &unpack(&incoming.body)?)
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
        let stored = unpack(&self.journal.read(event.position)?.body)?;
        Ok(incoming.conflicting_redelivery
            || !self.rules.same_content(&stored, &unpack(&incoming.body)?))
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
    new: HashMap<(bool, String), usize>,
    flagged: HashSet<(bool, String)>,
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
            new: HashMap::new(),
            flagged: HashSet::new(),
            places: Vec::new(),
        }
    }

    fn twin(&self, name: &(bool, String)) -> Option<&Draft> {
        self.new.get(name).and_then(|&place| self.records.get(place))
    }

    fn add(&mut self, incoming: Incoming) {
        let Incoming { event, livemode, received_at, source, body, conflicting_redelivery } =
            incoming;
        let name = (livemode, event.id.clone());
        self.new.insert(name.clone(), self.records.len());
        self.places.push(Place::New);
        self.records.push(Draft {
            received_at: received_at.0,
            recorded_at: self.recorded_at.0,
            livemode,
            kind: RecordKind::Event,
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

fn append(writer: &mut Writer, records: Vec<Draft>) -> Result<Vec<(u64, Position)>, StoreError> {
    if records.is_empty() {
        return Ok(Vec::new());
    }
    writer.journal.append(records).map_err(|error| match error {
        AppendError::NotStored(_) | AppendError::TooLong(_) => {
            StoreError::Unavailable(error.to_string())
        }
        AppendError::SyncFailed(_) => {
            let reason = StoreError::SyncFailed(error.to_string());
            writer.stopped = Some(reason.clone());
            reason
        }
    })
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

fn unpack(body: &PackedBody) -> Result<Vec<u8>, StoreError> {
    body.unpack().map_err(|error| StoreError::Damaged(error.to_string()))
}

/// Runs blocking work where it does not hold up requests.
async fn blocking<T: Send + 'static>(
    inner: &Arc<Inner>,
    work: impl FnOnce(&Inner) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let inner = Arc::clone(inner);
    let done = tokio::task::spawn_blocking(move || work(&inner)).await;
    done.unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string())))
}

#[async_trait]
impl Store for Embedded {
    async fn commit(&self, batch: Vec<Incoming>) -> Result<Vec<Receipt>, StoreError> {
        blocking(&self.inner, |inner| inner.commit(batch)).await
    }

    async fn preview(&self, batch: Vec<Incoming>) -> Result<Vec<Receipt>, StoreError> {
        blocking(&self.inner, |inner| inner.preview(batch)).await
    }

    async fn redrive(
        &self,
        livemode: bool,
        ids: Vec<String>,
        dry_run: bool,
    ) -> Result<Vec<Receipt>, StoreError> {
        blocking(&self.inner, move |inner| inner.redrive(livemode, &ids, dry_run)).await
    }

    async fn object(&self, key: &ObjectKey) -> Result<Option<Object>, StoreError> {
        self.inner.views.object(key)
    }

    async fn objects(
        &self,
        livemode: bool,
        kind: Kind,
        filter: ObjectFilter,
        slice: Slice,
    ) -> Result<Page<Object>, StoreError> {
        blocking(&self.inner, move |inner| inner.views.objects(livemode, kind, &filter, slice))
            .await
    }

    async fn reports(&self, key: &ObjectKey) -> Result<Vec<Report>, StoreError> {
        let key = key.clone();
        let read = move |inner: &Inner| {
            let sequences = inner.views.reports_of(&key)?.into_iter();
            sequences
                .map(|sequence| {
                    stored_report(&inner.views, &inner.journal, &*inner.rules, &key, sequence)
                })
                .collect()
        };
        blocking(&self.inner, read).await
    }

    async fn event(&self, livemode: bool, id: &str) -> Result<Option<EventRecord>, StoreError> {
        Ok(self.inner.views.event_of_id(livemode, id)?.map(|event| event.record))
    }

    async fn body(&self, livemode: bool, id: &str) -> Result<Option<Vec<u8>>, StoreError> {
        match self.inner.views.event_of_id(livemode, id)? {
            Some(event) => unpack(&self.inner.journal.read(event.position)?.body).map(Some),
            None => Ok(None),
        }
    }

    async fn events(
        &self,
        livemode: bool,
        filter: EventFilter,
        slice: Slice,
    ) -> Result<Page<EventRecord>, StoreError> {
        blocking(&self.inner, move |inner| inner.views.events(livemode, &filter, slice)).await
    }

    async fn summary(&self, livemode: bool) -> Result<Summary, StoreError> {
        self.inner.views.summary(livemode)
    }

    async fn scan(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(EventRecord, Vec<u8>)>, StoreError> {
        blocking(&self.inner, move |inner| inner.scan(after, limit)).await
    }

    async fn health(&self) -> Result<(), StoreError> {
        blocking(&self.inner, |inner| {
            // A commit under way is not waited for.
            if let Some(reason) = inner.writer.try_lock().ok().and_then(|w| w.stopped.clone()) {
                return Err(reason);
            }
            inner.folder.check_writable()
        })
        .await
    }

    async fn close(&self) -> Result<(), StoreError> {
        blocking(&self.inner, |inner| {
            let mut writer = inner.writer.lock().unwrap_or_else(PoisonError::into_inner);
            writer.stopped = Some(StoreError::Unavailable("the store is closed".to_owned()));
            inner.views.flush()?;
            inner.folder.note_closed()
        })
        .await
    }
}

impl From<JournalError> for StoreError {
    fn from(error: JournalError) -> Self {
        let message = error.to_string();
        match error {
            JournalError::Damaged { .. } => Self::Damaged(message),
            JournalError::NewerFormat { .. } => Self::NewerFormat(message),
            JournalError::Io { .. } | JournalError::BeyondEnd { .. } => Self::Unavailable(message),
        }
    }
}
