//! The counts that were noted, and how others compare with them.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fmt, fs};

use crate::Error;
use crate::cases::Case;

const EXPLANATION: &str = "\
# Instructions per call, written by `scripts/instructions --update`.
";
/// Introduces the line that says what the counts depend on beside the code.
const COUNTED_WITH: &str = "# Counted with ";

#[derive(Default)]
pub(crate) struct Baseline {
    pub(crate) environment: String,
    pub(crate) counts: BTreeMap<String, u64>,
}

/// How a count compares with the one noted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Verdict {
    Unknown,
    Same { noted: u64, change: f64 },
    Better { noted: u64, change: f64 },
    Worse { noted: u64, change: f64 },
}

impl Baseline {
    /// Empty when there is none yet.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let mut baseline = Self::default();
        let text = if path.exists() { fs::read_to_string(path)? } else { String::new() };
        for line in text.lines() {
            if let Some(environment) = line.strip_prefix(COUNTED_WITH) {
                environment.clone_into(&mut baseline.environment);
            } else if !line.starts_with('#') {
                let (name, count) = line.split_once(' ').ok_or("a baseline has two columns")?;
                baseline.counts.insert(name.to_owned(), count.trim().parse()?);
            }
        }
        Ok(baseline)
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), Error> {
        let rows = self.counts.iter().map(|(name, count)| format!("{name:14}{count:>10}\n"));
        let rows: String = rows.collect();
        let text = format!("{EXPLANATION}{COUNTED_WITH}{}\n{rows}", self.environment);
        Ok(fs::write(path, text)?)
    }

    pub(crate) fn judge(&self, case: &Case, counted: u64) -> Verdict {
        let Some(&noted) = self.counts.get(case.name) else { return Verdict::Unknown };
        let change = 100.0 * (number(counted) / number(noted) - 1.0);
        if change > case.tolerance_percent {
            Verdict::Worse { noted, change }
        } else if change < -case.tolerance_percent {
            Verdict::Better { noted, change }
        } else {
            Verdict::Same { noted, change }
        }
    }
}

fn number(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (noted, change, word) = match *self {
            Self::Unknown => return write!(formatter, "{:>12}{:>9}  not noted", "none", ""),
            Self::Same { noted, change } => (noted, change, "as noted"),
            Self::Better { noted, change } => (noted, change, "better"),
            Self::Worse { noted, change } => (noted, change, "WORSE"),
        };
        write!(formatter, "{noted:12}{change:+8.1}%  {word:9}")
    }
}
