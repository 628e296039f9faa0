//! The TOML file, turned into arguments.

use super::{nearest, settings, takes_several};
use crate::failure::Failure;
use clap::Command;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

/// What a file says.
pub(super) struct File {
    pub(super) settings: Vec<Setting>,
}

/// One of its keys.
pub(super) struct Setting {
    /// The argument that it stands for.
    pub(super) id: String,
    /// That argument, as it would stand on the command line.
    pub(super) arguments: Vec<String>,
}

/// Where an error is.
struct Place<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Place<'_> {
    fn error(&self, at: usize, what: &str) -> Failure {
        let line = 1 + self.text.bytes().take(at).filter(|byte| *byte == b'\n').count();
        Failure::Usage(format!("{}, line {line}: {what}", self.path.display()))
    }
}

impl File {
    /// Reads and checks it.
    ///
    /// # Errors
    ///
    /// If it cannot be read, is no TOML, has a key that is no setting, or a value that the setting does not take.
    pub(super) fn read(path: &Path, command: &Command) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path).map_err(|error| Failure::Usage(format!("cannot read {}: {error}", path.display())))?;
        let place = Place { path, text: &text };
        let table = DeTable::parse(&text)
            .map_err(|error| place.error(error.span().map_or(0, |span| span.start), &format!("not TOML: {}", error.message())))?;
        let mut settings = Vec::new();
        for (key, value) in table.get_ref() {
            let setting = read_setting(command, key, value.get_ref()).map_err(|what| place.error(key.span().start, &what))?;
            // What the command line overrules has to be right all the same: it is what holds the next time.
            check(command, &setting).map_err(|what| place.error(key.span().start, &what))?;
            settings.push(setting);
        }
        Ok(Self { settings })
    }
}

fn read_setting(command: &Command, key: &Spanned<DeString<'_>>, value: &DeValue<'_>) -> Result<Setting, String> {
    let name: &str = key.get_ref();
    let Some((_, arg)) = settings(command).find(|(known, _)| *known == name) else {
        return Err(unknown(command, name));
    };
    let flag = |value: &DeValue<'_>| Ok::<_, String>(format!("--{name}={}", scalar(name, value)?));
    let arguments = match value.as_array() {
        Some(values) if takes_several(arg) => values.iter().map(|value| flag(value.get_ref())).collect::<Result<_, _>>()?,
        Some(_) => return Err(format!("`{name}` takes one value, and no list")),
        None => vec![flag(value)?],
    };
    Ok(Setting { id: arg.get_id().to_string(), arguments })
}

/// A value as the command line would have it.
fn scalar(name: &str, value: &DeValue<'_>) -> Result<String, String> {
    match value {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Boolean(yes) => Ok(yes.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Ok(number.as_str().replace('_', "")),
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
            Err(format!("`{name}` takes a text, a whole number, true or false, and no {}", value.type_str()))
        }
    }
}

fn unknown(command: &Command, name: &str) -> String {
    match nearest(command, name) {
        Some(known) => format!("`{name}` is no setting; did you mean `{known}`?"),
        None => format!("`{name}` is no setting; `bowline serve --print-config` shows those there are"),
    }
}

/// Whether the flag would take this value.
fn check(command: &Command, setting: &Setting) -> Result<(), String> {
    let alone = ["bowline", "serve"].into_iter().chain(setting.arguments.iter().map(String::as_str));
    match command.clone().try_get_matches_from(alone) {
        Ok(_) => Ok(()),
        Err(error) => {
            let text = error.render().to_string();
            let said = text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim).collect::<Vec<_>>().join(" ");
            Err(said.strip_prefix("error: ").unwrap_or(&said).to_owned())
        }
    }
}
