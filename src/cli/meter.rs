//! Progress of long work: a moving line on a terminal, a plain line now and then elsewhere.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

/// On no terminal, one line for every this many.
const LINE_EVERY: u64 = 100_000;

#[derive(Default)]
pub(super) struct Meter {
    what: &'static str,
    bar: Option<ProgressBar>,
    next_line: u64,
}

impl Meter {
    pub(super) fn new(what: &'static str) -> Self {
        Self { what, bar: None, next_line: LINE_EVERY }
    }

    pub(super) fn at(&mut self, count: u64) {
        if std::io::stderr().is_terminal() {
            let bar = self.bar.get_or_insert_with(|| {
                let style = ProgressStyle::with_template("{spinner} {msg} {human_pos} ({per_sec})");
                ProgressBar::new_spinner()
                    .with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
                    .with_message(self.what)
            });
            bar.set_position(count);
        } else if count >= self.next_line {
            eprintln!("{}: {count}", self.what);
            self.next_line = count + LINE_EVERY;
        }
    }

    pub(super) fn clear(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
