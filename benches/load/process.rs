//! What `/proc` says of a process.

use std::fs;

use crate::Error;

/// Of `/proc/PID/stat`; the same on all Linux machines.
const TICKS_PER_SECOND: u32 = 100;

/// CPU that the process has used so far.
pub(crate) fn cpu_seconds(process: u32) -> Result<f64, Error> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The second field is a name in parentheses; user and system time are 14 and 15.
    let fields = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    let ticks: u32 =
        fields.split_whitespace().skip(11).take(2).filter_map(|t| t.parse::<u32>().ok()).sum();
    Ok(f64::from(ticks) / f64::from(TICKS_PER_SECOND))
}

/// Memory that the process has now; `None` when it is gone.
pub(crate) fn resident_mb(process: u32) -> Option<u32> {
    megabytes(process, "VmRSS:")
}

/// The most memory that it ever had.
pub(crate) fn peak_resident_mb(process: u32) -> Option<u32> {
    megabytes(process, "VmHWM:")
}

fn megabytes(process: u32, field: &str) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    u32::try_from(kibibytes * 1024 / 1_000_000).ok()
}
