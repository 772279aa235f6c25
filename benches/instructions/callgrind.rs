//! Runs this very program under callgrind and reads what it has counted.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::Error;
use crate::cases::Case;

/// Instructions of one call: of a run with calls, less those of a run that only prepares them.
pub(crate) fn per_call(case: &Case, folder: &Path) -> Result<u64, Error> {
    fs::create_dir_all(folder)?;
    let preparing = least(case, 0, folder)?;
    let all = least(case, case.calls, folder)?;
    Ok(all.saturating_sub(preparing) / u64::try_from(case.calls)?)
}

fn least(case: &Case, calls: usize, folder: &Path) -> Result<u64, Error> {
    let counts = (0..case.runs).map(|_| instructions(case.name, calls, folder));
    let counts = counts.collect::<Result<Vec<_>, Error>>()?;
    counts.into_iter().min().ok_or_else(|| "a case runs at least once".into())
}

/// Instructions of a whole run, those of all its threads included.
fn instructions(name: &str, calls: usize, folder: &Path) -> Result<u64, Error> {
    let counts = folder.join(format!("{name}.callgrind"));
    let log = folder.join(format!("{name}.log"));
    let status = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet"])
        .arg(format!("--callgrind-out-file={}", counts.display()))
        .arg(std::env::current_exe()?)
        .args([name, "--calls", &calls.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(&log)?)
        .status()
        .map_err(|error| format!("valgrind cannot be run: {error}"))?;
    if !status.success() {
        return Err(format!("{name} ended with {status}; {} says more", log.display()).into());
    }
    total(&fs::read_to_string(&counts)?).ok_or_else(|| {
        format!("{} has no total; {} may say why", counts.display(), log.display()).into()
    })
}

fn total(counts: &str) -> Option<u64> {
    counts.lines().find_map(|line| line.strip_prefix("totals:"))?.trim().parse().ok()
}

/// What counts depend on beside the code.
pub(crate) fn environment() -> Result<String, Error> {
    let (valgrind, rustc) = (version("valgrind")?, version("rustc")?);
    Ok(format!("{}, {rustc}, {valgrind}", std::env::consts::ARCH))
}

fn version(program: &str) -> Result<String, Error> {
    let output = Command::new(program).arg("--version").output();
    let output = output.map_err(|error| format!("{program} cannot be run: {error}"))?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
