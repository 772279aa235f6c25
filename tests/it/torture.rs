//! How long a test with chance in it runs, and what it has to tell: `scripts/torture` asks for
//! more than the suite does, and prints a table.

use std::fs::OpenOptions;
use std::io::Write;
use std::str::FromStr;

/// What `scripts/torture` asks for, or what is enough for the suite.
pub(crate) fn asked<T: FromStr>(what: &str, enough: T) -> T {
    let variable = format!("BURSAR_TORTURE_{what}");
    let Some(text) = std::env::var_os(&variable) else { return enough };
    let number = text.to_str().and_then(|text| text.parse().ok());
    number.unwrap_or_else(|| panic!("{variable} is not a number: {}", text.display()))
}

/// The seed of a run: a new one, unless an earlier run is to be repeated.
pub(crate) fn seed(test: &str) -> u64 {
    let seed = asked("SEED", fastrand::u64(..));
    eprintln!("{test}: seed {seed}, repeated by BURSAR_TORTURE_SEED={seed}");
    seed
}

/// A row of the table: what was done, how often, how many acknowledged events were looked for
/// afterwards, and how many of the times something was lost.
pub(crate) fn row(fault: &str, times: usize, acknowledged: usize, losses: usize) {
    let row = format!("| {fault} | {times} | {acknowledged} | {losses} |\n");
    eprint!("{row}");
    if let Some(path) = std::env::var_os("BURSAR_TORTURE_TABLE") {
        let mut table = OpenOptions::new().append(true).create(true).open(path).expect("a table");
        table.write_all(row.as_bytes()).expect("a table");
    }
}
