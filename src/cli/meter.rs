//! Progress of long work: a moving line on a terminal, a plain line now and then elsewhere.

use std::io::IsTerminal;

use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use crate::store::embedded::At;

/// On no terminal, one line for every this many.
const LINE_EVERY: u64 = 100_000;

#[derive(Default)]
pub(super) struct Meter {
    stage: &'static str,
    bar: Option<ProgressBar>,
    next_line: u64,
}

impl Meter {
    pub(super) fn count(&mut self, what: &'static str, done: u64) {
        self.at(At { stage: what, done, total: None });
    }

    pub(super) fn at(&mut self, at: At) {
        if self.stage != at.stage {
            self.finish();
            *self = Self { stage: at.stage, bar: None, next_line: LINE_EVERY };
        }
        if std::io::stderr().is_terminal() {
            self.bar.get_or_insert_with(|| bar(at)).set_position(at.done);
        } else if at.done >= self.next_line {
            let of = at.total.map(|total| format!(" of {}", HumanCount(total)));
            eprintln!("{}: {}{}", at.stage, HumanCount(at.done), of.unwrap_or_default());
            self.next_line = at.done + LINE_EVERY;
        }
    }

    pub(super) fn clear(self) {
        self.finish();
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// The `0` is for the digits behind the point of a rate.
fn bar(at: At) -> ProgressBar {
    let (bar, template) = match at.total {
        Some(total) => (
            ProgressBar::new(total),
            "{msg} {bar:30} {human_pos} of {human_len} ({per_sec:0}, {eta} left)",
        ),
        None => (ProgressBar::new_spinner(), "{spinner} {msg} {human_pos} ({per_sec:0})"),
    };
    let style = ProgressStyle::with_template(template);
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())).with_message(at.stage)
}
