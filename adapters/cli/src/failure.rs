use crate::json;
use crate::text::{harmless, say};
use bowline_tokio::{CallError, ConnectError, ErrorObject, NotifyError};
use std::process::ExitCode;

/// The exit codes, for the `--help` of the commands that send one message.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  the server answered with an error, which is on stderr
  2  wrong usage; nothing was sent
  3  no connection
  4  no answer in time
  5  the outcome is unknown: the connection or the session was lost after sending";

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The server answered with an error.
    Peer(ErrorObject),
    /// Something on this side, or an answer that is none.
    Other(String),
    /// The arguments are wrong.
    Usage(String),
    /// There is no connection.
    Unreachable(String),
    /// No answer came in time.
    TimedOut(String),
    /// What was sent may have been done or not.
    Unknown(String),
}

impl Failure {
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Peer(_) | Self::Other(_) => 1,
            Self::Usage(_) => 2,
            Self::Unreachable(_) => 3,
            Self::TimedOut(_) => 4,
            Self::Unknown(_) => 5,
        })
    }

    /// Writes it to stderr.
    pub(crate) fn show(&self) {
        match self {
            Self::Peer(error) => say(&peer_error(error, json::Layout::Pretty)),
            Self::Other(what) | Self::Usage(what) | Self::Unreachable(what) | Self::TimedOut(what) | Self::Unknown(what) => {
                say(&format!("error: {what}"));
            }
        }
    }
}

/// An error that a peer answered with, with everything that is in it.
pub(crate) fn peer_error(error: &ErrorObject, layout: json::Layout) -> String {
    let mut text = format!("error {}: {}", error.code, harmless(&error.message));
    if let Some(data) = &error.data {
        text.push_str(match layout {
            json::Layout::Pretty => "\ndata: ",
            json::Layout::Line => ", data: ",
        });
        text.push_str(&json::laid_out(data.as_str(), layout));
    }
    text
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        let text = harmless(&error.to_string());
        match error {
            CallError::Peer(error) => Self::Peer(error),
            CallError::TimedOut => Self::TimedOut(text),
            CallError::Interrupted | CallError::Closed => Self::Unknown(text),
            CallError::ReservedMethod => Self::Usage(text),
            CallError::TooBig(_) | CallError::TooDeep | CallError::Decode(_) | CallError::Encode(_) | CallError::Malformed(_) => {
                Self::Other(text)
            }
            _ => Self::Other(text),
        }
    }
}

impl From<NotifyError> for Failure {
    fn from(error: NotifyError) -> Self {
        let text = harmless(&error.to_string());
        match error {
            NotifyError::ReservedMethod => Self::Usage(text),
            NotifyError::Closed => Self::Unknown(text),
            NotifyError::Full | NotifyError::TooBig(_) | NotifyError::TooDeep | NotifyError::Encode(_) => Self::Other(text),
            _ => Self::Other(text),
        }
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        let text = from_library(&error.to_string());
        if matches!(error, ConnectError::InvalidUrl(_)) { Self::Usage(text) } else { Self::Unreachable(text) }
    }
}

/// The library's functions that it names to help, and what does the same here.
const FLAGS: [(&str, &str); 2] = [
    ("(`ClientTls::trust_only`)", "(--ca FILE); --insecure takes any certificate, for trying things out"),
    ("(`ClientTls::certificate`)", "(--cert FILE and --key FILE)"),
];

/// Why there is no connection, as the library says it, for somebody who has flags and no functions.
pub(crate) fn from_library(why: &str) -> String {
    FLAGS.iter().fold(harmless(why), |text, (function, flags)| text.replace(function, flags))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_from_the_library_names_flags() {
        let why = "the server wants a certificate of the client's, and none was given (`ClientTls::certificate`)";
        assert!(from_library(why).ends_with("none was given (--cert FILE and --key FILE)"));
        // All that the library names there.
        let said = include_str!("../../driver/src/tls/client.rs").lines().filter(|line| !line.trim_start().starts_with("//"));
        for line in said.filter(|line| line.contains("`ClientTls::")) {
            assert!(!from_library(line).contains("ClientTls::"), "{line}");
        }
    }
}
