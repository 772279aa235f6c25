//! What a damaged journal has lost, and a new journal of what it has not.

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::store::StoreError;
use crate::store::embedded::open::trusted_views;
use crate::store::embedded::{At, Embedded, Options, Progress};
use crate::store::folder::Folder;
use crate::store::journal::{AppendError, Draft, Found, Gap, Journal, Place, salvage};
use crate::store::record::Record;
use crate::store::views::Views;

/// What is gathered before it is written as one batch.
const RECORDS_PER_WRITE: usize = 1_000;
const BYTES_PER_WRITE: usize = 4 << 20;

/// What can be read of a journal, and what cannot.
#[derive(Debug, Default)]
pub struct Survey {
    pub records: u64,
    pub events: u64,
    /// Bytes of an unfinished batch at the end, which nobody was promised. No damage.
    pub unfinished_bytes: u64,
    /// Events whose id came before, which only a file of another journal can bring. They are not
    /// kept.
    pub repeated: u64,
    pub gaps: Vec<Gap>,
    pub lost: Vec<Lost>,
}

/// A record that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    pub sequence: u64,
    /// The event, by what was derived from it; none for notes about events, and where the derived
    /// records are gone as well.
    pub event: Option<String>,
}

/// What a repair did.
#[derive(Debug)]
pub struct Repaired {
    pub survey: Survey,
    /// Where the damaged files and the list of what is lost are now.
    pub aside: PathBuf,
}

impl Survey {
    pub fn is_sound(&self) -> bool {
        self.gaps.is_empty() && self.repeated == 0
    }

    /// The whole list of what is wrong and what is lost.
    pub fn list(&self) -> String {
        let gaps = self.gaps.iter().map(ToString::to_string);
        let lost = self.lost.iter().map(ToString::to_string);
        gaps.chain(lost).map(|line| line + "\n").collect()
    }

    /// Takes what was found, and gives a record that is worth keeping.
    fn take(
        &mut self,
        found: Found,
        known: &mut HashSet<(bool, String)>,
        views: Option<&Views>,
    ) -> Option<Record> {
        match found {
            Found::Gap(gap) => {
                let sequences = gap.sequences.clone().into_iter().flatten();
                self.lost.extend(sequences.map(|sequence| Lost::new(sequence, views)));
                self.gaps.push(gap);
                None
            }
            Found::Record(record) => {
                let is_event = record.kind.is_event();
                if is_event && !known.insert((record.livemode, record.event_id.clone())) {
                    self.repeated += 1;
                    return None;
                }
                self.records += 1;
                self.events += u64::from(is_event);
                Some(record)
            }
        }
    }
}

impl Lost {
    /// The derived records may be damaged too; then the number alone has to do.
    fn new(sequence: u64, views: Option<&Views>) -> Self {
        let event = views.and_then(|views| views.event_at(sequence).ok().flatten());
        let event = event.map(|event| {
            let mode = if event.record.livemode { "live mode" } else { "test mode" };
            format!("{} ({}, {mode})", event.record.id, event.record.event_type)
        });
        Self { sequence, event }
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.event {
            Some(event) => write!(f, "record {}: event {event}", self.sequence),
            None => write!(f, "record {}: not known what it was", self.sequence),
        }
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for place in &self.places {
            write!(f, "{place}; ")?;
        }
        match &self.sequences {
            Some(lost) if lost.start() == lost.end() => {
                write!(f, "record {} is lost", lost.start())
            }
            Some(lost) => write!(f, "records {} to {} are lost", lost.start(), lost.end()),
            None if self.maybe_more => write!(f, "how many records are lost is not known"),
            None => write!(f, "no record is lost"),
        }?;
        if self.sequences.is_some() && self.maybe_more { write!(f, ", or more") } else { Ok(()) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, from, to, what, says } = self;
        write!(f, "{}, bytes {from} to {to}: {what}", file.display())?;
        says.as_ref().map_or(Ok(()), |id| write!(f, " (it seems to hold event {id})"))
    }
}

impl Embedded {
    /// Reads all of the journal, whatever its state, and changes nothing in it.
    pub fn survey(path: &Path, progress: Progress<'_>) -> Result<Survey, StoreError> {
        let folder = Folder::open_for_repair(path)?;
        match folder.unfinished_repair()? {
            Some(aside) => survey(&aside.damaged_journal(), aside.acknowledged, None, progress),
            None => Ok(survey_in_place(&folder, progress)?.0),
        }
    }

    /// Makes a new journal of what can be read of a damaged one, and sets the damaged one aside.
    /// `None` when there is no damage, and nothing was done.
    pub fn repair(
        path: &Path,
        options: Options,
        progress: Progress<'_>,
    ) -> Result<Option<Repaired>, StoreError> {
        let folder = Folder::open_for_repair(path)?;
        let (aside, found) = if let Some(aside) = folder.unfinished_repair()? {
            let found = survey(&aside.damaged_journal(), aside.acknowledged, None, progress)?;
            (aside, found)
        } else {
            let (found, acknowledged) = survey_in_place(&folder, progress)?;
            if found.is_sound() {
                return Ok(None);
            }
            folder.stay_open();
            let aside = folder.begin_repair(acknowledged)?;
            aside.note_lost(&found.list())?;
            (aside, found)
        };
        let new_journal = aside.new_journal()?;
        let written = rewrite(&aside.damaged_journal(), &new_journal, aside.acknowledged, options)?;
        if written != found.records {
            return Err(StoreError::Damaged(format!(
                "{} records could be read, then {written}: the disk gives other answers each time; \
                 copy the folder to another one first",
                found.records
            )));
        }
        let aside = aside.finish(&new_journal, &found.list())?;
        Ok(Some(Repaired { survey: found, aside }))
    }
}

/// What is found of a journal that no repair has touched, and up to where it was acknowledged.
fn survey_in_place(folder: &Folder, progress: Progress<'_>) -> Result<(Survey, u64), StoreError> {
    let views = trusted_views(folder);
    let acknowledged = views.as_ref().map_or(0, |(_, reached)| *reached);
    let views = views.as_ref().map(|(views, _)| views);
    Ok((survey(&folder.journal(), acknowledged, views, progress)?, acknowledged))
}

fn survey(
    journal: &Path,
    acknowledged: u64,
    views: Option<&Views>,
    progress: Progress<'_>,
) -> Result<Survey, StoreError> {
    let (mut survey, mut known) = (Survey::default(), HashSet::new());
    let unfinished = salvage(journal, acknowledged, &mut |found| {
        survey.take(found, &mut known, views);
        if survey.records.is_multiple_of(RECORDS_PER_WRITE as u64) {
            progress(At { stage: "records read", done: survey.records, total: None });
        }
        Ok::<_, StoreError>(())
    });
    survey.unfinished_bytes = unfinished?;
    Ok(survey)
}

/// Copies every readable record into a new journal, and reads that again. Answers how many there
/// are. Records keep their order, their times and their bytes, and get new numbers.
fn rewrite(
    damaged: &Path,
    new: &Path,
    acknowledged: u64,
    options: Options,
) -> Result<u64, StoreError> {
    let mut journal = Journal::create_or_open(new, options.segment_bytes)?;
    let (mut survey, mut known) = (Survey::default(), HashSet::new());
    let (mut drafts, mut bytes) = (Vec::new(), 0);
    salvage(damaged, acknowledged, &mut |found| {
        if let Some(record) = survey.take(found, &mut known, None) {
            bytes += record.body.stored_length();
            drafts.push(Draft::from(record));
        }
        if drafts.len() == RECORDS_PER_WRITE || bytes > BYTES_PER_WRITE {
            bytes = 0;
            append(&mut journal, std::mem::take(&mut drafts))?;
        }
        Ok::<_, StoreError>(())
    })?;
    append(&mut journal, drafts)?;
    let read = journal.reader().scan(None).try_fold(0, |count, read| read.map(|_| count + 1))?;
    Ok(read)
}

fn append(journal: &mut Journal, drafts: Vec<Draft>) -> Result<(), StoreError> {
    let appended = journal.append(drafts).map(|_| ());
    appended.map_err(|error: AppendError| StoreError::Unavailable(error.to_string()))
}
