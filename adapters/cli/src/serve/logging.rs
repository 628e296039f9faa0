//! What the library logs, for whoever runs the server.

use clap::ValueEnum;
use std::io;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// For people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

/// Reads what `--log` says: a level, or targets with theirs.
pub(super) fn filter(text: &str) -> Result<Targets, String> {
    let advice = "a level is off, error, warn, info, debug or trace; a target may have its own, as in warn,bowline::request=debug";
    // A word that is no level would be taken for a target, and nothing be logged.
    let is_known = |part: &str| part.contains('=') || part.parse::<LevelFilter>().is_ok();
    match text.parse() {
        Ok(filter) if text.split(',').all(|part| is_known(part.trim())) => Ok(filter),
        Ok(_) | Err(_) => Err(advice.into()),
    }
}

/// From now on what `filter` lets through goes to stderr.
pub(super) fn start(filter: Targets, format: LogFormat) {
    let layer = fmt::layer().with_writer(io::stderr);
    let layer = match format {
        LogFormat::Text => layer.boxed(),
        LogFormat::Json => layer.json().boxed(),
    };
    // It fails only if somebody else does this already.
    let _ = tracing_subscriber::registry().with(layer.with_filter(filter)).try_init();
}
