//! Where the settings of `bowline serve` come from: flags, then the environment, then a TOML file, then defaults. All have the same names, and their values go
//! through the same parsers, those of the flags.

mod file;

use crate::failure::Failure;
use crate::text::{harmless, say};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};
use file::File;
use std::ffi::OsString;
use std::fmt::Write;
use std::path::PathBuf;

/// The subcommand that has all this.
const SERVE: &str = "serve";
/// What is about the settings, and so is none of them.
const NO_SETTINGS: [&str; 3] = ["config", "print-config", "help"];
/// What the names begin with in the environment.
const PREFIX: &str = "BOWLINE_";

/// How the arguments came out.
pub(crate) enum Arguments {
    /// They are to be acted on.
    Run(ArgMatches),
    /// This is to be printed, and that is all.
    Print(String),
}

/// Reads the command line, and what it refers to.
///
/// # Errors
///
/// If the file cannot be used; what is wrong with the command line ends the program, with clap's words.
pub(crate) fn read(command: Command, arguments: impl IntoIterator<Item = OsString>) -> Result<Arguments, Failure> {
    let mut arguments: Vec<_> = arguments.into_iter().collect();
    let command = with_environment(command);
    let matches = command.clone().try_get_matches_from(&arguments).unwrap_or_else(|error| error.exit());
    let Some((SERVE, given)) = matches.subcommand() else { return Ok(Arguments::Run(matches)) };
    for warning in warnings(&command, std::env::vars_os().map(|(name, _)| name)) {
        say(&warning);
    }
    let prints = given.get_flag("print_config");
    let mut from_file = Vec::new();
    let mut matches = matches.clone();
    if let Some(path) = given.get_one::<PathBuf>("config") {
        let file = File::read(path, &command)?;
        let wanted = file.settings.into_iter().filter(|setting| !is_given(given, &setting.id));
        for setting in wanted {
            arguments.extend(setting.arguments.into_iter().map(OsString::from));
            from_file.push(setting.id);
        }
        matches = command.clone().try_get_matches_from(&arguments).unwrap_or_else(|error| error.exit());
    }
    match matches.subcommand() {
        Some((_, effective)) if prints => Ok(Arguments::Print(effective_settings(&command, effective, &from_file))),
        Some(_) | None => Ok(Arguments::Run(matches)),
    }
}

fn is_given(matches: &ArgMatches, id: &str) -> bool {
    matches!(matches.value_source(id), Some(ValueSource::CommandLine | ValueSource::EnvVariable))
}

/// Lets each setting be given by the environment, and each switch be turned off again.
fn with_environment(command: Command) -> Command {
    command.mut_subcommand(SERVE, |serve| {
        serve.mut_args(|arg| {
            let Some(name) = arg.get_long().map(str::to_owned) else { return arg };
            if name == "help" {
                return arg;
            }
            let arg = arg.env(variable(&name)).hide_env(true);
            if takes_several(&arg) {
                arg.value_delimiter(',')
            } else if matches!(arg.get_action(), ArgAction::SetTrue) && is_setting(&name) {
                switch(arg)
            } else {
                arg
            }
        })
    })
}

fn takes_several(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Append)
}

/// A flag that may say `=false`, to overrule what stands in the environment or the file.
fn switch(arg: Arg) -> Arg {
    let arg = arg.action(ArgAction::Set).num_args(0..=1).require_equals(true).value_name("BOOL");
    arg.default_missing_value("true").default_value("false").hide_default_value(true).hide_possible_values(true)
}

/// The name of a setting in the environment.
fn variable(name: &str) -> String {
    format!("{PREFIX}{}", name.replace('-', "_").to_uppercase())
}

fn is_setting(name: &str) -> bool {
    !NO_SETTINGS.contains(&name)
}

/// The settings that there are.
fn settings(command: &Command) -> impl Iterator<Item = (&str, &Arg)> {
    let all = command.find_subcommand(SERVE).into_iter().flat_map(Command::get_arguments);
    all.filter_map(|arg| Some((arg.get_long()?, arg))).filter(|(name, _)| is_setting(name))
}

/// How much alike two names must be for one to be taken for the other.
const ALIKE: f64 = 0.7;

/// The setting for which `name` may have been meant.
fn nearest<'a>(command: &'a Command, name: &str) -> Option<&'a str> {
    let alike = settings(command).map(|(known, _)| (strsim::jaro(known, name), known));
    alike.max_by(|(a, _), (b, _)| a.total_cmp(b)).filter(|(how, _)| *how >= ALIKE).map(|(_, known)| known)
}

/// What the rest of a variable begins with that Kubernetes sets in each container, for a service called `bowline`.
const OF_A_SERVICE: [&str; 2] = ["SERVICE_", "PORT"];

/// What is to be said of an environment with these variables: those look like settings and are none. No error, for it may have others for other programs.
fn warnings(command: &Command, names: impl Iterator<Item = OsString>) -> Vec<String> {
    let arguments = || command.find_subcommand(SERVE).into_iter().flat_map(Command::get_arguments);
    let is_read = |name: &str| arguments().filter_map(Arg::get_env).any(|known| known == name);
    let mut warnings: Vec<_> = names
        .filter_map(|name| {
            let name = name.to_string_lossy();
            let setting = name.strip_prefix(PREFIX).filter(|_| !is_read(&name))?;
            if OF_A_SERVICE.iter().any(|begin| setting.starts_with(begin)) {
                return None;
            }
            let nearest = nearest(command, &setting.replace('_', "-").to_lowercase());
            let meant = nearest.map_or_else(String::new, |nearest| format!("; did you mean {}?", variable(nearest)));
            Some(format!("warning: {} in the environment is no setting{meant}", harmless(&name)))
        })
        .collect();
    warnings.sort();
    warnings
}

/// Everything as a file would have it, and where it comes from.
fn effective_settings(command: &Command, matches: &ArgMatches, from_file: &[String]) -> String {
    let mut text = String::new();
    for (name, arg) in settings(command) {
        let id = arg.get_id().as_str();
        let values: Vec<_> = matches.get_raw(id).into_iter().flatten().map(|value| as_toml(&value.to_string_lossy())).collect();
        let source = match matches.value_source(id) {
            _ if from_file.iter().any(|other| other == id) => "file",
            Some(ValueSource::CommandLine) => "flag",
            Some(ValueSource::EnvVariable) => "environment",
            Some(_) | None => "default",
        };
        // Writing to a `String` cannot fail.
        let _ = match values.as_slice() {
            [] => writeln!(text, "# {name} is not set"),
            values if takes_several(arg) => writeln!(text, "{name} = [{}]  # {source}", values.join(", ")),
            [value, ..] => writeln!(text, "{name} = {value}  # {source}"),
        };
    }
    text
}

fn as_toml(value: &str) -> String {
    if value.parse::<bool>().is_ok() || value.parse::<i64>().is_ok() {
        value.to_owned()
    } else {
        serde_json::Value::from(value).to_string()
    }
}
