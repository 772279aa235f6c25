//! The settings as flags: one flag for each, and one that names a file holding it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use crate::config::{SETTINGS, Settings, environment};

/// The flags that were given, by setting name.
#[derive(Debug, Default)]
pub(super) struct SettingFlags {
    values: BTreeMap<String, String>,
    file: Option<PathBuf>,
}

impl SettingFlags {
    /// Whether a flag or a variable gives this setting.
    pub(super) fn gives(&self, name: &str) -> bool {
        self.values.contains_key(name) || environment().contains_key(&name.to_ascii_uppercase())
    }

    pub(super) fn gather(&self) -> Settings {
        let file = self.file.clone().or_else(|| environment().get("CONFIG").map(PathBuf::from));
        let mut environment = environment();
        environment.remove("CONFIG");
        Settings::gather(self.values.clone(), environment, file.as_ref())
    }
}

impl Args for SettingFlags {
    fn augment_args(command: Command) -> Command {
        let mut command = command.next_help_heading("Settings").arg(
            Arg::new("config")
                .long("config")
                .value_name("FILE")
                .help("TOML file with settings [env: BURSAR_CONFIG]"),
        );
        for setting in SETTINGS {
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

impl FromArgMatches for SettingFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.file = matches.get_one::<String>("config").map(PathBuf::from);
        for setting in SETTINGS {
            for name in [setting.name.to_owned(), format!("{}_file", setting.name)] {
                if let Some(value) = matches.get_one::<String>(&name) {
                    self.values.insert(name, value.clone());
                }
            }
        }
        Ok(())
    }
}
