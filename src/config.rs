//! Settings: flags, then environment variables, then an optional TOML file, under the same names.
//!
//! The only place that reads the environment. Every problem is collected, so that one start
//! reports them all. Values of secrets never appear in a message.

mod entries;
mod limits;
mod stripe;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;

pub use table::{SETTINGS, Setting};

use crate::secret::Secret;
use crate::stripe::signature::{Verifier, WebhookSecret};
use crate::token::Tokens;
use entries::{token, webhook_secret};

/// Read by the commands that talk to a running server; not settings of the server.
const CLIENT_VARIABLES: &[&str] = &["url", "token"];

/// What is wrong with the settings, each with its remedy.
#[derive(Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<String>);

impl std::fmt::Display for Problems {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.as_slice() {
            [only] => write!(formatter, "{only}"),
            several => {
                write!(formatter, "{} problems keep bursar from starting:", several.len())?;
                several.iter().try_for_each(|problem| write!(formatter, "\n  - {problem}"))
            }
        }
    }
}

impl std::error::Error for Problems {}

/// The settings as given, still text.
#[derive(Debug, Default)]
pub struct Settings {
    values: BTreeMap<String, Given>,
    problems: Vec<String>,
    /// Worth a warning in the log.
    pub warnings: Vec<String>,
}

struct Given {
    value: Secret,
    /// How the user named it, for messages.
    name: String,
}

impl std::fmt::Debug for Given {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.name)
    }
}

/// The variables of this process that are bursar's.
pub fn environment() -> BTreeMap<String, String> {
    let ours = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        let name = name.into_string().ok()?.strip_prefix("BURSAR_")?.to_owned();
        Some((name, value.to_string_lossy().into_owned()))
    };
    std::env::vars_os().filter_map(ours).collect()
}

impl Settings {
    /// Lays flags over environment variables over the file. `flags` go by setting name; both may
    /// have names ending in `_file`.
    pub fn gather(
        flags: BTreeMap<String, String>,
        environment: BTreeMap<String, String>,
        file: Option<&PathBuf>,
    ) -> Self {
        let mut settings = Self::default();
        if let Some(path) = file {
            settings.add_file(path);
        }
        let of_environment = environment
            .into_iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), format!("BURSAR_{name}"), value));
        settings.add_layer(of_environment.collect(), |settings, name| {
            // Orchestrators set BURSAR_PORT and BURSAR_SERVICE_HOST for a service named bursar.
            settings.warnings.push(format!("{name} is not a setting of bursar and is ignored"));
        });
        let of_flags = flags.into_iter().map(|(name, value)| {
            let flag = format!("--{}", name.replace('_', "-"));
            (name, flag, value)
        });
        settings.add_layer(of_flags.collect(), |settings, name| {
            settings.problems.push(format!("{name} is not a setting; see `bursar serve --help`"));
        });
        settings
    }

    fn add_file(&mut self, path: &PathBuf) {
        let table = std::fs::read_to_string(path).map_err(|error| error.to_string());
        let table = table.and_then(|text| {
            text.parse::<toml::Table>().map_err(|error| error.message().to_owned())
        });
        let path = path.display();
        match table {
            Err(error) => self.problems.push(format!(
                "the settings file {path} cannot be read: {error}; check the path and the form"
            )),
            Ok(table) => {
                let mut layer = Vec::new();
                for (name, value) in table {
                    let label = format!("`{name}` in {path}");
                    match text_of(value) {
                        Some(text) => layer.push((name, label, text)),
                        None => self.problems.push(format!(
                            "{label} must be a string, a number, a boolean or a list of strings"
                        )),
                    }
                }
                self.add_layer(layer, |settings, name| {
                    settings.problems.push(format!("{name} is not a setting; remove it"));
                });
            }
        }
    }

    /// Adds a layer of (setting, label, value), over what is there.
    fn add_layer(
        &mut self,
        layer: Vec<(String, String, String)>,
        unknown: impl Fn(&mut Self, &str),
    ) {
        let mut seen = BTreeSet::new();
        for (name, label, value) in layer {
            let (setting, from_file) = match name.strip_suffix("_file") {
                Some(setting) if is_setting(setting) => (setting.to_owned(), true),
                _ => (name, false),
            };
            if !is_setting(&setting) {
                unknown(self, &label);
                continue;
            }
            if !seen.insert(setting.clone()) {
                self.problems
                    .push(format!("{label} is given both as a value and as a file; keep one"));
                continue;
            }
            let value = if from_file { self.read_value(&label, &value) } else { Some(value) };
            if let Some(value) = value {
                let given = Given { value: Secret::new(value), name: label };
                self.values.insert(setting, given);
            }
        }
    }

    fn read_value(&mut self, label: &str, path: &str) -> Option<String> {
        match std::fs::read_to_string(path) {
            Ok(value) => Some(value.trim_end_matches(['\r', '\n']).to_owned()),
            Err(error) => {
                // The path is not repeated: it may be a secret that was meant for the setting.
                self.problems.push(format!(
                    "{label} must be the path of a file; the one it names cannot be read: {error}"
                ));
                None
            }
        }
    }

    /// Whether it is given, by whatever layer.
    pub fn gives(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// The text of a setting, given or by default, and how to call it in a message.
    fn text(&self, name: &str) -> (Option<&str>, String) {
        if let Some(given) = self.values.get(name) {
            return (Some(given.value.expose()), given.name.clone());
        }
        let default = SETTINGS.iter().find(|setting| setting.name == name).and_then(|s| s.default);
        (default, format!("BURSAR_{}", name.to_ascii_uppercase()))
    }
}

fn is_setting(name: &str) -> bool {
    CLIENT_VARIABLES.contains(&name) || SETTINGS.iter().any(|setting| setting.name == name)
}

fn text_of(value: toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(is) => Some(is.to_string()),
        toml::Value::Array(items) => {
            let texts: Option<Vec<&str>> = items.iter().map(toml::Value::as_str).collect();
            Some(texts?.join(","))
        }
        toml::Value::Float(_) | toml::Value::Datetime(_) | toml::Value::Table(_) => None,
    }
}

/// Turns texts into values, and collects what is wrong with them.
pub struct Checker<'s> {
    settings: &'s Settings,
    problems: Vec<String>,
}

/// A webhook secret on its own, for signing.
pub struct NamedSecret {
    pub name: String,
    pub value: Secret,
}

impl<'s> Checker<'s> {
    pub fn new(settings: &'s Settings) -> Self {
        Self { settings, problems: settings.problems.clone() }
    }

    /// The problems so far, or none.
    pub fn finish(self) -> Result<(), Problems> {
        if self.problems.is_empty() { Ok(()) } else { Err(Problems(self.problems)) }
    }

    pub fn problem(&mut self, problem: String) {
        self.problems.push(problem);
    }

    pub fn has_problems(&self) -> bool {
        !self.problems.is_empty()
    }

    fn parsed<T>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Option<T>,
        must: &str,
    ) -> Option<T> {
        let (text, label) = self.settings.text(name);
        let value = text.and_then(|text| parse(text.trim()));
        if value.is_none() {
            self.problems.push(format!("{label} must be {must}"));
        }
        value
    }

    pub fn bind(&mut self) -> Option<SocketAddr> {
        self.parsed("bind", |text| text.parse().ok(), "an address and port, such as 127.0.0.1:8787")
    }

    pub fn optional(&self, name: &str) -> Option<String> {
        self.settings.text(name).0.map(|text| text.trim().to_owned()).filter(|t| !t.is_empty())
    }

    pub fn store(&mut self) -> Option<PathBuf> {
        let (text, label) = self.settings.text("store");
        match text.map(str::trim).filter(|text| !text.is_empty()) {
            None => self.problems.push(format!("{label} is empty: name the folder of the store")),
            Some(url) if url.contains("://") => self.problems.push(format!(
                "{label} is a URL, but this version keeps its store in a folder: name one, such as ./bursar-data"
            )),
            Some(folder) => return Some(PathBuf::from(folder)),
        }
        None
    }

    pub fn livemode(&mut self) -> Option<bool> {
        self.boolean("livemode")
    }

    pub fn boolean(&mut self, name: &str) -> Option<bool> {
        self.parsed(name, |text| text.parse().ok(), "true or false")
    }

    pub fn tolerance_seconds(&mut self) -> Option<u64> {
        let parse = |text: &str| text.parse().ok().filter(|seconds| (1..=86_400).contains(seconds));
        self.parsed(
            "tolerance_seconds",
            parse,
            "a number of seconds from 1 to 86400; 0 would switch the check off, which is refused",
        )
    }

    pub fn log(&mut self) -> Option<(String, bool)> {
        let filter = self.parsed(
            "log",
            |text| tracing_subscriber::EnvFilter::try_new(text).ok().map(|_| text.to_owned()),
            "a tracing filter, such as info or info,bursar=debug",
        );
        let json = self.parsed(
            "log_format",
            |text| match text {
                "text" => Some(false),
                "json" => Some(true),
                _ => None,
            },
            "text or json",
        );
        Some((filter?, json?))
    }

    pub fn verifier(&mut self) -> Option<Verifier> {
        let (secrets, tolerance_seconds) = (self.webhook_secrets(), self.tolerance_seconds());
        let (secrets, tolerance_seconds) = (secrets?, tolerance_seconds?);
        let secrets: Vec<WebhookSecret> = secrets
            .into_iter()
            .map(|secret| WebhookSecret::new(secret.name, secret.value))
            .collect();
        Some(Verifier::new(&secrets, tolerance_seconds))
    }

    /// At least one; `None` after a problem.
    pub fn webhook_secrets(&mut self) -> Option<Vec<NamedSecret>> {
        let before = self.problems.len();
        let (text, label) = self.settings.text("webhook_secrets");
        let Some(text) = text.filter(|text| !text.trim().is_empty()) else {
            self.problems.push(format!(
                "{label} is not set, or empty: give the signing secret of your Stripe webhook \
                 endpoint, such as BURSAR_WEBHOOK_SECRETS=platform=whsec_..., and a comma between \
                 several"
            ));
            return None;
        };
        let mut secrets: Vec<NamedSecret> = Vec::new();
        for (index, entry) in text.split(',').enumerate() {
            match webhook_secret(entry) {
                Err(what) => {
                    self.problems.push(format!("entry {} of {label} {what}", index + 1));
                }
                Ok(secret) if secrets.iter().any(|s| s.value.expose() == secret.value.expose()) => {
                    self.problems.push(format!(
                        "entry {} of {label} repeats an earlier secret; remove it",
                        index + 1
                    ));
                }
                Ok(secret) => secrets.push(secret),
            }
        }
        (self.problems.len() == before).then_some(secrets)
    }

    /// `None` after a problem. Without authentication there need be none.
    pub fn tokens(&mut self, bind: Option<SocketAddr>) -> Option<(Tokens, bool)> {
        let before = self.problems.len();
        let insecure = self.boolean("insecure_no_auth");
        if insecure == Some(true) && bind.is_some_and(|bind| !bind.ip().is_loopback()) {
            self.problems.push(
                "BURSAR_INSECURE_NO_AUTH is allowed on loopback addresses only: set BURSAR_TOKENS, \
                 or BURSAR_BIND to 127.0.0.1:8787"
                    .to_owned(),
            );
        }
        let (text, label) = self.settings.text("tokens");
        let text = text.filter(|text| !text.trim().is_empty());
        if text.is_none() && insecure == Some(false) {
            self.problems.push(format!(
                "{label} is not set, or empty: make a token with `bursar token` and set \
                 BURSAR_TOKENS=reader=TOKEN (for a trial on this machine, \
                 BURSAR_INSECURE_NO_AUTH=true)"
            ));
        }
        let mut tokens = Vec::new();
        for (index, entry) in text.into_iter().flat_map(|text| text.split(',')).enumerate() {
            match token(entry) {
                Ok(token) => tokens.push(token),
                Err(what) => self.problems.push(format!("entry {} of {label} {what}", index + 1)),
            }
        }
        insecure
            .filter(|_| self.problems.len() == before)
            .map(|insecure| (Tokens(tokens), insecure))
    }
}

#[cfg(test)]
mod tests;
