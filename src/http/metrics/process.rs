//! The process itself, under the names that Prometheus' own libraries use. Only where there is
//! `/proc`.

use std::fs;

use crate::http::metrics::gauges::{Gauges, number};

/// Parts of a second in which the system counts for programs, on every Linux that there is.
const TICKS_IN_A_SECOND: f64 = 100.0;
/// Places in `/proc/self/stat`, counted from the state of the process, which is 0.
const USER_TICKS: usize = 11;
const SYSTEM_TICKS: usize = 12;
const STARTED_TICKS: usize = 19;

pub(super) fn show(gauges: &Gauges<'_>) {
    let resident = fs::read_to_string("/proc/self/status").ok().and_then(|text| resident(&text));
    let open = fs::read_dir("/proc/self/fd").ok().map(|entries| number(entries.count() as u64));
    let most = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.map(number);
    let times = fs::read_to_string("/proc/self/stat").ok().and_then(|text| times(&text));
    let booted = fs::read_to_string("/proc/stat").ok().and_then(|text| booted(&text));
    if let Some((cpu, _)) = times {
        gauges.growing("process_cpu_seconds_total", "Time on processors.", cpu);
    }
    for (name, help, value) in [
        ("process_resident_memory_bytes", "Memory in use.", resident),
        ("process_open_fds", "Open files and connections.", open),
        ("process_max_fds", "Most files and connections that may be open.", most),
        (
            "process_start_time_seconds",
            "When the process began.",
            times.zip(booted).map(|((_, started), booted)| booted + started),
        ),
    ] {
        if let Some(value) = value {
            gauges.one(name, help, value);
        }
    }
}

fn resident(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok().map(|kilobytes: u64| number(kilobytes * 1024))
}

/// Seconds on processors, and from the system's start to that of the process.
fn times(stat: &str) -> Option<(f64, f64)> {
    // The name stands in brackets and can hold anything.
    let (_, fields) = stat.rsplit_once(") ")?;
    let ticks = |place| -> Option<f64> {
        let ticks: u64 = fields.split(' ').nth(place)?.parse().ok()?;
        Some(number(ticks) / TICKS_IN_A_SECOND)
    };
    Some((ticks(USER_TICKS)? + ticks(SYSTEM_TICKS)?, ticks(STARTED_TICKS)?))
}

fn booted(stat: &str) -> Option<f64> {
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_process_does_not_shift_its_numbers() {
        let numbers = (0..40).map(|n| (n * 100).to_string()).collect::<Vec<_>>().join(" ");
        for name in ["bursar", "a b", ") 1 2 3"] {
            let stat = format!("17 ({name}) S {numbers}");
            assert_eq!(times(&stat), Some((10.0 + 11.0, 18.0)), "{name}");
        }
        assert_eq!(times("nothing"), None);
    }

    #[test]
    fn what_the_system_tells_is_found() {
        assert_eq!(resident("Name: x\nVmRSS:\t    2 kB\n"), Some(2048.0));
        assert_eq!(booted("cpu 1 2\nbtime 1900000000\n"), Some(1.9e9));
    }
}
