//! What the measurements come to: the few figures that say how bursar does.

use serde::Serialize;

use crate::growth::{Growth, Upkeep};
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
    let each: Vec<String> = ratios.iter().map(|ratio| format!("{ratio:.3}")).collect();
    let per_second = |server| load.median(server, |leg| Some(leg.per_second));
    let (ours, theirs) = (per_second(Server::Bursar)?, per_second(other)?);
    Some(Figure {
        what: format!("{}: bursar ÷ {}", load.name(), other.word()),
        seen: median(ratios)?,
        unit: Unit::Ratio,
        beside: format!("{ours:.0} : {theirs:.0} a second; rounds {}", each.join(" ")),
    })
}

fn of_growth(growth: &Growth) -> Vec<Figure> {
    let served = &growth.served;
    let mut figures = vec![
        slowing(growth),
        Figure {
            what: "resident memory of the server then".to_owned(),
            seen: f64::from(served.resident_mb),
            unit: Unit::Megabytes,
            beside: format!("{} MB at the most", served.peak_resident_mb),
        },
        Figure {
            what: "disk, for each event".to_owned(),
            seen: growth.disk_bytes_per_event,
            unit: Unit::BytesPerEvent,
            beside: format!("bodies of {} bytes", growth.mean_body_bytes),
        },
        Figure {
            what: "listening again after kill -9".to_owned(),
            seen: growth.reopen_seconds,
            unit: Unit::Seconds,
            beside: String::new(),
        },
    ];
    figures.extend(growth.upkeep.iter().map(of_upkeep));
    figures
}

fn slowing(growth: &Growth) -> Figure {
    let (first, last) = (growth.served.first(), growth.served.last());
    let bare = growth.bare_after / growth.bare_before;
    Figure {
        what: format!("last tenth of {} events ÷ first", growth.events),
        seen: last / first,
        unit: Unit::Ratio,
        beside: format!("{last:.0} : {first:.0} a second; bare after ÷ before: {bare:.3}"),
    }
}

fn of_upkeep(work: &Upkeep) -> Figure {
    Figure {
        what: work.command.clone(),
        seen: work.events_per_second,
        unit: Unit::EventsPerSecond,
        beside: format!("{:.1} s, {} MB at the most", work.seconds, work.peak_resident_mb),
    }
}
