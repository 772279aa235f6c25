//! The settings as flags: one flag for each that a command reads, and one that names a file
//! holding it.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::path::PathBuf;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use crate::config::{SETTINGS, Setting, Settings, environment};

/// Which settings a command reads. It has no flags for the others, which the environment and the
/// file may hold all the same.
pub(super) trait Reads {
    fn reads(setting: &str) -> bool;
}

/// What serves reads everything.
#[derive(Clone)]
pub(super) struct All;

/// What works on the store while the server is stopped.
pub(super) struct OfStore;

/// What needs an address alone.
pub(super) struct Address;

/// What needs to find the server that runs with these settings.
pub(super) struct Nearby;

impl Reads for All {
    fn reads(_: &str) -> bool {
        true
    }
}

impl Reads for OfStore {
    fn reads(setting: &str) -> bool {
        matches!(setting, "store" | "log" | "log_format")
    }
}

impl Reads for Address {
    fn reads(setting: &str) -> bool {
        setting == "bind"
    }
}

impl Reads for Nearby {
    fn reads(setting: &str) -> bool {
        matches!(setting, "bind" | "tls_cert")
    }
}

/// The flags that were given, by setting name.
#[derive(Clone)]
pub(super) struct SettingFlags<R> {
    values: BTreeMap<String, String>,
    file: Option<PathBuf>,
    reads: PhantomData<R>,
}

impl<R: Reads> SettingFlags<R> {
    pub(super) fn gather(&self) -> Settings {
        let file = self.file.clone().or_else(|| environment().get("CONFIG").map(PathBuf::from));
        let mut environment = environment();
        environment.remove("CONFIG");
        Settings::gather(self.values.clone(), environment, file.as_ref())
    }

    fn settings() -> impl Iterator<Item = &'static Setting> {
        SETTINGS.iter().filter(|setting| R::reads(setting.name))
    }
}

impl<R: Reads> Args for SettingFlags<R> {
    fn augment_args(command: Command) -> Command {
        let mut command = command.next_help_heading("Settings").arg(
            Arg::new("config")
                .long("config")
                .value_name("FILE")
                .help("TOML file with settings [env: BURSAR_CONFIG]"),
        );
        for setting in Self::settings() {
            let flag = setting.name.replace('_', "-");
            let variable = format!("BURSAR_{}", setting.name.to_ascii_uppercase());
            let default = setting.default.map_or(String::new(), |d| format!(" [default: {d}]"));
            let help = format!("{} [env: {variable}]{default}", setting.help);
            let value = Arg::new(setting.name).long(flag.clone()).value_name("VALUE").help(help);
            let file = Arg::new(format!("{}_file", setting.name))
                .long(format!("{flag}-file"))
                .value_name("FILE")
                .hide(true);
            command = command.arg(value).arg(file);
        }
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<R: Reads> FromArgMatches for SettingFlags<R> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self { values: BTreeMap::new(), file: None, reads: PhantomData };
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.file = matches.get_one::<String>("config").map(PathBuf::from);
        for setting in Self::settings() {
            for name in [setting.name.to_owned(), format!("{}_file", setting.name)] {
                if let Some(value) = matches.get_one::<String>(&name) {
                    self.values.insert(name, value.clone());
                }
            }
        }
        Ok(())
    }
}
