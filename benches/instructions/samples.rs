//! What the functions are called with: the same in every run.

use bursar::domain::event::{Arrival, Reading, Report};
use bursar::domain::fold::{Progress, fold};
use bursar::domain::id::{Kind, ObjectKey};
use bursar::domain::time::Timestamp;
use bursar::store::record::{Record, RecordKind};
use bursar::store::{Object, PackedBody};
use bursar::stripe::wire;

use crate::Error;
use crate::bodies::Bodies;

pub(crate) const NOW: Timestamp = Timestamp(1_800_000_000_000_000);
/// So many accounts share a second in [`Bodies`], so the reports about one lie in different ones.
const ACCOUNTS: usize = 16;
const REPORTS: usize = 16;

pub(crate) fn bodies(count: usize) -> Result<Vec<String>, Error> {
    let mut bodies = Bodies::new(ACCOUNTS, count, NOW);
    (0..count).map(|_| bodies.next()).collect()
}

/// The reports about one account, a second or more between them.
pub(crate) fn reports() -> Result<(ObjectKey, Vec<Report>), Error> {
    let bodies = bodies(ACCOUNTS * REPORTS)?;
    let read = bodies.iter().step_by(ACCOUNTS).enumerate().map(|(place, body)| {
        let event = wire::read(body.as_bytes(), NOW)?;
        let Reading::Report { object, created, says } = event.reading else {
            return Err("a fixture is no report".into());
        };
        let (event_id, event_type) = (event.id, event.event_type);
        let arrival = Arrival {
            sequence: u64::try_from(place)? + 1,
            received_at: NOW,
            recorded_at: NOW,
            source: "bench".to_owned(),
        };
        Ok((object, Report { event_id, event_type, created, says, arrival }))
    });
    let (mut objects, reports): (Vec<_>, Vec<_>) =
        read.collect::<Result<Vec<_>, Error>>()?.into_iter().unzip();
    Ok((objects.pop().ok_or("there are reports")?, reports))
}

/// The same reports, as if all had been made in one second.
pub(crate) fn reports_of_one_second(count: usize) -> Result<Vec<Report>, Error> {
    let (_, reports) = reports()?;
    let created = reports.first().map_or(0, |report| report.created);
    Ok(reports.into_iter().take(count).map(|report| Report { created, ..report }).collect())
}

pub(crate) fn progress(reports: &[Report]) -> Result<Progress, Error> {
    let folded = fold(Kind::Account, reports, None).ok_or("there are reports")?;
    Ok(folded.progress)
}

/// The account after each of its reports.
pub(crate) fn objects() -> Result<Vec<Object>, Error> {
    let (key, reports) = reports()?;
    let after = |count: usize| {
        let known = reports.get(..count).unwrap_or_default();
        let version = u64::try_from(count)?;
        Ok(Object { key: key.clone(), progress: progress(known)?, version, first_seen: 1 })
    };
    (1..=reports.len()).map(after).collect()
}

pub(crate) fn records() -> Result<Vec<Record>, Error> {
    let record = |(body, sequence): (String, u64)| {
        let event_id = wire::read(body.as_bytes(), NOW)?.id;
        Ok(Record {
            sequence,
            batch: sequence,
            last_in_batch: true,
            received_at: NOW.0,
            recorded_at: NOW.0,
            livemode: true,
            kind: RecordKind::Event,
            source: "bench".to_owned(),
            event_id,
            body: PackedBody::pack(body.as_bytes()),
        })
    };
    bodies(ACCOUNTS * REPORTS)?.into_iter().zip(1..).map(record).collect()
}
