//! What was found, for people and for programs.

use std::fmt;

use serde_json::{Value, json};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Good,
    /// Could not be looked at, or is only to be known.
    Note,
    Warning,
    Wrong,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Wrong => "wrong",
        }
    }

    /// What stands before a line.
    fn mark(self) -> &'static str {
        match self {
            Self::Good => "ok     ",
            Self::Note => "-      ",
            Self::Warning => "WARNING",
            Self::Wrong => "WRONG  ",
        }
    }
}

struct Finding {
    level: Level,
    /// What was looked at, in a word.
    check: &'static str,
    says: String,
    remedy: Option<String>,
}

#[derive(Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    pub(super) fn good(&mut self, check: &'static str, says: impl Into<String>) {
        self.add(Level::Good, check, says.into(), None);
    }

    pub(super) fn note(&mut self, check: &'static str, says: impl Into<String>) {
        self.add(Level::Note, check, says.into(), None);
    }

    pub(super) fn warning(&mut self, check: &'static str, says: impl Into<String>, remedy: &str) {
        self.add(Level::Warning, check, says.into(), Some(remedy));
    }

    pub(super) fn wrong(&mut self, check: &'static str, says: impl Into<String>, remedy: &str) {
        self.add(Level::Wrong, check, says.into(), Some(remedy));
    }

    /// Of a sentence that has its remedy behind a colon, as our errors do.
    pub(super) fn told(&mut self, level: Level, check: &'static str, sentence: &str) {
        match sentence.split_once(": ") {
            Some((says, remedy)) => self.add(level, check, says.to_owned(), Some(remedy)),
            None => self.add(level, check, sentence.to_owned(), None),
        }
    }

    fn add(&mut self, level: Level, check: &'static str, says: String, remedy: Option<&str>) {
        let remedy = remedy.map(str::to_owned).filter(|remedy| !remedy.is_empty());
        self.0.push(Finding { level, check, says, remedy });
    }

    fn count(&self, level: Level) -> usize {
        self.0.iter().filter(|finding| finding.level == level).count()
    }

    pub(super) fn warnings(&self) -> usize {
        self.count(Level::Warning)
    }

    /// Whether nothing is wrong; when `strict`, not even a little.
    pub(super) fn are_good(&self, strict: bool) -> bool {
        self.count(Level::Wrong) == 0 && (self.count(Level::Warning) == 0 || !strict)
    }

    pub(super) fn json(&self) -> Value {
        let one = |Finding { level, check, says, remedy }: &Finding| json!({ "check": check, "level": level.word(), "says": says, "remedy": remedy });
        json!({
            "wrong": self.count(Level::Wrong),
            "warnings": self.count(Level::Warning),
            "checks": self.0.iter().map(one).collect::<Vec<_>>(),
        })
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Finding { level, check, says, remedy } in &self.0 {
            writeln!(formatter, "{} {check:<9} {says}", level.mark())?;
            if let Some(remedy) = remedy {
                writeln!(formatter, "{:>20} {remedy}", "->")?;
            }
        }
        let (wrong, warnings) = (self.count(Level::Wrong), self.count(Level::Warning));
        match (wrong, warnings) {
            (0, 0) => writeln!(formatter, "all is well"),
            (0, _) => writeln!(formatter, "nothing is wrong; warnings: {warnings}"),
            (_, _) => writeln!(formatter, "wrong: {wrong}; warnings: {warnings}"),
        }
    }
}
