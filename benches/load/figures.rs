//! What the measurements come to: the few figures that say how bursar does.

use std::fmt;

use serde::Serialize;

use crate::growth::Growth;
use crate::round::{Round, Rounds, median};
use crate::servers::Server;

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) what: String,
    pub(crate) seen: f64,
    pub(crate) unit: Unit,
    /// What it was compared with, or comes from.
    pub(crate) beside: String,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    Ratio,
    Megabytes,
    BytesPerEvent,
    Seconds,
    EventsPerSecond,
}

impl Figure {
    pub(crate) fn seen(&self) -> String {
        let seen = self.seen;
        match self.unit {
            Unit::Ratio => format!("{seen:.3}"),
            Unit::Megabytes => format!("{seen:.0} MB"),
            Unit::BytesPerEvent => format!("{seen:.0} bytes"),
            Unit::Seconds => format!("{seen:.2} s"),
            Unit::EventsPerSecond => format!("{seen:.0} events/s"),
        }
    }
}

pub(crate) fn figures(rounds: &[Round], growth: Option<&Growth>) -> Vec<Figure> {
    let compared = Rounds::by_load(rounds);
    let others = [Server::Bare, Server::Homegrown];
    let ratios = compared.iter().flat_map(|load| others.map(|other| against(load, other)));
    ratios.flatten().chain(growth.into_iter().flat_map(of_growth)).collect()
}

fn against(load: &Rounds<'_>, other: Server) -> Option<Figure> {
    let ratios = load.ratios(Server::Bursar, other);
    let per_second = |server| load.median(server, |leg| Some(leg.per_second));
    let (ours, theirs) = (per_second(Server::Bursar)?, per_second(other)?);
    let each = List(&ratios);
    Some(Figure {
        what: format!("{}: bursar ÷ {}", load.name(), other.word()),
        beside: format!("{ours:.0} : {theirs:.0} a second; rounds {each}"),
        seen: median(ratios.clone())?,
        unit: Unit::Ratio,
    })
}

fn of_growth(growth: &Growth) -> Vec<Figure> {
    let Growth { events, served, .. } = growth;
    let (first, last) = (served.first(), served.last());
    let figure =
        |what: &str, seen, unit, beside| Figure { what: what.to_owned(), seen, unit, beside };
    let mut figures = vec![
        figure(
            &format!("last tenth of {events} events ÷ first"),
            last / first,
            Unit::Ratio,
            format!(
                "{last:.0} : {first:.0} a second; the bare handler, after ÷ before: {:.3}",
                growth.bare_after / growth.bare_before
            ),
        ),
        figure(
            "resident memory of the server then",
            f64::from(served.resident_mb),
            Unit::Megabytes,
            format!("{} MB at the most", served.peak_resident_mb),
        ),
        figure(
            "disk, for each event",
            growth.disk_bytes_per_event,
            Unit::BytesPerEvent,
            format!("bodies of {} bytes", growth.mean_body_bytes),
        ),
        figure(
            "listening again after kill -9",
            growth.reopen_seconds,
            Unit::Seconds,
            String::new(),
        ),
    ];
    figures.extend(growth.upkeep.iter().map(|work| {
        let beside = format!("{:.1} s, {} MB at the most", work.seconds, work.peak_resident_mb);
        figure(&work.command, work.events_per_second, Unit::EventsPerSecond, beside)
    }));
    figures
}

/// Ratios, one after the other.
struct List<'a>(&'a [f64]);

impl fmt::Display for List<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self.0.iter().map(|ratio| format!("{ratio:.3}")).collect();
        formatter.write_str(&words.join(" "))
    }
}
