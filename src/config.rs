//! Settings: flags, then environment variables, then an optional TOML file, under the same names.
//!
//! The only place that reads the environment. Every problem is collected, so that one start
//! reports them all. Values of secrets never appear in a message.

mod credentials;
mod edge;
mod entries;
mod files;
mod limits;
mod observe;
mod stripe;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;

pub use credentials::NamedSecret;
pub use edge::TlsFiles;
pub use files::SourceFile;
pub use table::{SETTINGS, Setting};

use crate::secret::Secret;

/// Read by the commands that talk to a running server; not settings of the server.
const CLIENT_VARIABLES: &[&str] = &["url", "token", "ca"];

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
    /// What was read, as it was before.
    files: Vec<SourceFile>,
    /// Worth a warning in the log.
    pub warnings: Vec<String>,
}

struct Given {
    value: Secret,
    /// How the user named it, for messages.
    name: String,
    /// It stands in a file, whose content can be another one tomorrow.
    in_file: bool,
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
        settings.add_layer(of_environment.collect(), false, |settings, name| {
            // Orchestrators set BURSAR_PORT and BURSAR_SERVICE_HOST for a service named bursar.
            settings.warnings.push(format!("{name} is not a setting of bursar and is ignored"));
        });
        let of_flags = flags.into_iter().map(|(name, value)| {
            let flag = format!("--{}", name.replace('_', "-"));
            (name, flag, value)
        });
        settings.add_layer(of_flags.collect(), false, |settings, name| {
            settings.problems.push(format!("{name} is not a setting; see `bursar serve --help`"));
        });
        settings
    }

    fn add_file(&mut self, path: &PathBuf) {
        self.files.push(SourceFile::new(path));
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
                self.add_layer(layer, true, |settings, name| {
                    settings.problems.push(format!("{name} is not a setting; remove it"));
                });
            }
        }
    }

    /// Adds a layer of (setting, label, value), over what is there.
    fn add_layer(
        &mut self,
        layer: Vec<(String, String, String)>,
        in_file: bool,
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
                let in_file = in_file || from_file;
                let given = Given { value: Secret::new(value), name: label, in_file };
                self.values.insert(setting, given);
            }
        }
    }

    fn read_value(&mut self, label: &str, path: &str) -> Option<String> {
        self.files.push(SourceFile::new(path));
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

    /// The files that were read, as they were before.
    pub fn files(&self) -> &[SourceFile] {
        &self.files
    }

    /// How a setting was named that was given as a value, which stays as long as the process.
    pub fn given_for_good(&self, name: &str) -> Option<&str> {
        let given = self.values.get(name).filter(|given| !given.in_file)?;
        Some(&given.name)
    }

    /// Settings that say something else here, by their names.
    pub fn that_differ(&self, other: &Self) -> Vec<&'static str> {
        let differs = |name: &str| self.text(name).0 != other.text(name).0;
        SETTINGS.iter().map(|setting| setting.name).filter(|name| differs(name)).collect()
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
    warnings: Vec<String>,
}

impl<'s> Checker<'s> {
    pub fn new(settings: &'s Settings) -> Self {
        let Settings { problems, warnings, .. } = settings;
        Self { settings, problems: problems.clone(), warnings: warnings.clone() }
    }

    /// The problems so far, or none.
    pub fn finish(self) -> Result<(), Problems> {
        if self.problems.is_empty() { Ok(()) } else { Err(Problems(self.problems)) }
    }

    /// What is worth a warning, so far.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
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
}

#[cfg(test)]
mod tests;
