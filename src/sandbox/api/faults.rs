//! Faults on demand: what goes wrong with the next calls.

use serde_json::{Value, json};

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The connection ends without an answer.
    Drop,
    /// 500.
    Error,
    /// 429, as for too many requests.
    RateLimit,
    /// 429, as for an object that is busy; to be tried again.
    LockTimeout,
    /// The answer takes its time.
    Delay,
}

const KINDS: &[(&str, Kind)] = &[
    ("drop", Kind::Drop),
    ("error", Kind::Error),
    ("rate_limit", Kind::RateLimit),
    ("lock_timeout", Kind::LockTimeout),
    ("delay", Kind::Delay),
];

impl Kind {
    pub fn word(self) -> &'static str {
        KINDS.iter().find(|(_, kind)| *kind == self).map_or("", |(word, _)| word)
    }
}

#[derive(Clone, Debug)]
pub struct Fault {
    pub kind: Kind,
    /// Whether the call has its effect first.
    pub after: bool,
    /// Whether an idempotency key keeps the 500.
    pub kept: bool,
    pub milliseconds: u64,
    method: Option<String>,
    /// A path, in which `*` stands for any part.
    path: Option<String>,
    skip: u64,
    times: u64,
    chance: f64,
}

impl Fault {
    /// What a request to `/_sandbox/faults` says; or what is wrong with it.
    pub fn read(order: &Value) -> Result<Self, String> {
        let word = order.get("fault").and_then(Value::as_str).unwrap_or_default();
        let kind = KINDS.iter().find(|(is, _)| *is == word).map(|(_, kind)| *kind);
        let words: Vec<&str> = KINDS.iter().map(|(word, _)| *word).collect();
        let kind = kind.ok_or_else(|| format!("`fault` is one of {}", words.join(", ")))?;
        let when = order.get("when").and_then(Value::as_str).unwrap_or("before");
        let after = match when {
            "before" => false,
            "after" if matches!(kind, Kind::RateLimit | Kind::LockTimeout) => {
                return Err(format!("`{word}` is only before the effect"));
            }
            "after" => true,
            other => return Err(format!("`when` is before or after, not {other}")),
        };
        let text = |name: &str| order.get(name).and_then(Value::as_str).map(str::to_owned);
        let number = |name: &str, usual| order.get(name).map_or(Some(usual), Value::as_u64);
        let missing = |name: &str| format!("`{name}` is a number");
        Ok(Self {
            kind,
            after,
            kept: order.get("kept").and_then(Value::as_bool).unwrap_or(after),
            milliseconds: number("milliseconds", 0).ok_or_else(|| missing("milliseconds"))?,
            method: text("method"),
            path: text("path"),
            skip: number("skip", 0).ok_or_else(|| missing("skip"))?,
            times: number("times", 1).ok_or_else(|| missing("times"))?,
            chance: order.get("chance").and_then(Value::as_f64).unwrap_or(1.0),
        })
    }

    pub fn view(&self) -> Value {
        let Self { kind, after, kept, milliseconds, method, path, skip, times, chance } = self;
        json!({
            "fault": kind.word(), "when": if *after { "after" } else { "before" }, "kept": kept,
            "milliseconds": milliseconds, "method": method, "path": path, "skip": skip,
            "times": times, "chance": chance,
        })
    }

    fn fits(&self, method: &str, path: &str) -> bool {
        self.method.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && self.path.as_ref().is_none_or(|pattern| is_like(path, pattern))
    }
}

fn is_like(path: &str, pattern: &str) -> bool {
    let (mut path, mut pattern) = (path.split('/'), pattern.split('/'));
    loop {
        match (pattern.next(), path.next()) {
            (None, None) => return true,
            (Some("*"), Some(_)) => {}
            (Some(wanted), Some(is)) if wanted == is => {}
            (Some(_) | None, _) => return false,
        }
    }
}

#[derive(Debug, Default)]
pub struct Faults {
    planned: Vec<Fault>,
}

impl Faults {
    pub fn plan(&mut self, fault: Fault) {
        self.planned.push(fault);
    }

    pub fn clear(&mut self) {
        self.planned.clear();
    }

    pub fn view(&self) -> Value {
        self.planned.iter().map(Fault::view).collect()
    }

    /// The faults that strike this call, at most one of each kind and moment.
    pub fn strike(&mut self, method: &str, path: &str, chance: &mut fastrand::Rng) -> Vec<Fault> {
        let mut struck: Vec<Fault> = Vec::new();
        for fault in self.planned.iter_mut().filter(|fault| fault.fits(method, path)) {
            let same = |other: &Fault| other.kind == fault.kind && other.after == fault.after;
            if fault.times == 0 || struck.iter().any(same) {
                continue;
            }
            if fault.skip > 0 {
                fault.skip -= 1;
            } else if chance.f64() < fault.chance {
                fault.times -= 1;
                struck.push(fault.clone());
            }
        }
        self.planned.retain(|fault| fault.times > 0);
        struck
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_strikes_the_calls_it_is_meant_for_as_often_as_it_says() {
        let mut faults = Faults::default();
        let order = json!({
            "fault": "drop", "when": "after", "method": "POST", "path": "/v1/transfers/*/reversals",
            "skip": 1, "times": 2,
        });
        faults.plan(Fault::read(&order).unwrap());
        let mut chance = fastrand::Rng::with_seed(1);
        let mut struck =
            |method: &str, path: &str| !faults.strike(method, path, &mut chance).is_empty();
        assert!(!struck("GET", "/v1/transfers/tr_1/reversals"));
        assert!(!struck("POST", "/v1/transfers"));
        let path = "/v1/transfers/tr_1/reversals";
        let four = [(); 4].map(|()| struck("POST", path));
        assert_eq!(four, [false, true, true, false]);
    }

    #[test]
    fn chance_is_the_same_for_the_same_seed() {
        let order = json!({"fault": "error", "times": 1000, "chance": 0.3});
        let struck = |seed| {
            let mut faults = Faults::default();
            faults.plan(Fault::read(&order).unwrap());
            let mut chance = fastrand::Rng::with_seed(seed);
            let struck = |_| !faults.strike("GET", "/v1/balance", &mut chance).is_empty();
            (0..200).map(struck).collect::<Vec<bool>>()
        };
        assert_eq!(struck(1), struck(1));
        assert_ne!(struck(1), struck(2));
        let strikes = struck(1).into_iter().filter(|struck| *struck).count();
        assert!((40..80).contains(&strikes), "{strikes} of 200");
    }

    #[test]
    fn an_order_that_makes_no_sense_is_refused() {
        for order in [
            json!({}),
            json!({"fault": "explode"}),
            json!({"fault": "drop", "when": "later"}),
            json!({"fault": "rate_limit", "when": "after"}),
            json!({"fault": "drop", "times": "many"}),
        ] {
            assert!(Fault::read(&order).is_err(), "{order}");
        }
    }
}
