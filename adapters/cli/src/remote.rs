//! The arguments that every command has that talks to a server.

use crate::failure::Failure;
use crate::json;
use crate::text::{harmless, say};
use bowline_tokio::{
    Client, ClientBuilder, ClientTls, ConnectError, Dialect, HeaderName, HeaderValue, Json, SessionId, TlsError, TokioRuntime,
};
use clap::{Args, ValueEnum};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Which server, and how to talk to it.
#[derive(Args, Debug)]
pub(crate) struct Remote {
    /// The server's address: ws://HOST[:PORT]/PATH, or wss:// for TLS
    #[arg(value_name = "URL", value_parser = url)]
    pub(crate) url: String,
    /// The dialect that the server's path speaks
    #[arg(long, value_enum, default_value_t)]
    pub(crate) dialect: DialectName,
    /// How long connecting may take, from the dial to the session
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = humantime::parse_duration)]
    pub(crate) connect_timeout: Duration,
    /// Do not offer resumption: a lost connection may cost messages, as with a peer that does not know it
    #[arg(long)]
    pub(crate) no_resume: bool,
    /// Send this header with the handshake, as in `Authorization: Bearer …`. May be given several times
    #[arg(long, value_name = "NAME: VALUE", value_parser = header)]
    header: Vec<(HeaderName, HeaderValue)>,
    #[command(flatten)]
    tls: Tls,
}

/// The heading of [`Tls`] in the help. Each argument has it by itself: `next_help_heading` would go on behind a flattened struct.
const TLS: &str = "TLS";

/// How to do TLS with a wss:// address.
#[derive(Args, Debug)]
struct Tls {
    /// Take whatever certificate the server shows: anybody on the way can read and change everything
    #[arg(long, help_heading = TLS, conflicts_with = "ca")]
    insecure: bool,
    /// Trust servers whose certificate one of these has signed, as PEM, and no others [default: those that the system trusts]
    #[arg(long, help_heading = TLS, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Show this certificate to the server if it asks, as PEM
    #[arg(long, help_heading = TLS, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// The private key of --cert, as PEM
    #[arg(long, help_heading = TLS, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
}

impl Tls {
    fn client(&self) -> Result<ClientTls, Failure> {
        let wrong = |what: &str, error: TlsError| Failure::Usage(format!("{what}: {error}"));
        let mut tls = ClientTls::new();
        if self.insecure {
            tls = tls.danger_accept_invalid_certs();
        }
        if let Some(ca) = &self.ca {
            tls = tls.trust_only(&read_file("--ca", ca)?).map_err(|error| wrong("--ca", error))?;
        }
        if let (Some(cert), Some(key)) = (&self.cert, &self.key) {
            let (chain, key) = (read_file("--cert", cert)?, read_file("--key", key)?);
            tls = tls.certificate(&chain, &key).map_err(|error| wrong("--cert and --key", error))?;
        }
        Ok(tls)
    }
}

/// What stands in the file that `flag` names.
///
/// # Errors
///
/// If it cannot be read.
pub(crate) fn read_file(flag: &str, path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| Failure::Usage(format!("{flag}: cannot read {}: {error}", path.display())))
}

/// The longest message that is taken from a server. It is a person or a script who asks for it: more than a session needs is fine.
const MAX_MESSAGE: usize = 64 << 20;

impl Remote {
    /// # Errors
    ///
    /// If a certificate or a key cannot be used.
    pub(crate) fn builder(&self) -> Result<ClientBuilder<TokioRuntime>, Failure> {
        let builder = bowline_tokio::client(&self.url).dialect(self.dialect.into()).connect_timeout(self.connect_timeout);
        let builder = builder.max_message_size(MAX_MESSAGE).tls(self.tls.client()?);
        let builder = self.header.iter().fold(builder, |builder, (name, value)| builder.header(name.clone(), value.clone()));
        Ok(if self.no_resume { builder.without_resumption() } else { builder })
    }

    /// Connects what [`builder`](Self::builder) has begun.
    ///
    /// # Errors
    ///
    /// If there is no connection; an address may have to be told to be wrong.
    pub(crate) async fn connect(&self, builder: ClientBuilder<TokioRuntime>) -> Result<Client, Failure> {
        let no_such_path = |error: &ConnectError| matches!(error, ConnectError::Status(status) if status.as_u16() == 404);
        builder.connect().await.map_err(|error| {
            if no_such_path(&error) {
                Failure::Unreachable(format!("{error}; the path may be wrong: {} was asked for", path(&self.url)))
            } else {
                error.into()
            }
        })
    }
}

/// The path of an address. What follows a `?` may be a secret.
fn path(url: &str) -> &str {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let behind_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    behind_scheme.find('/').map_or("/", |at| &behind_scheme[at..])
}

/// Which session.
#[derive(Args, Debug)]
pub(crate) struct Resume {
    /// Come back to this session, as printed by --print-session. The id is a secret: whoever has it has the session
    #[arg(long, value_name = "ID", value_parser = session_id)]
    pub(crate) session: Option<SessionId>,
    /// Print the session's id to stderr
    #[arg(long)]
    pub(crate) print_session: bool,
}

impl Resume {
    /// Whether the session is to outlive the command.
    pub(crate) fn keeps_session(&self) -> bool {
        self.session.is_some() || self.print_session
    }

    pub(crate) fn apply(&self, builder: ClientBuilder<TokioRuntime>) -> ClientBuilder<TokioRuntime> {
        let builder = match &self.session {
            Some(id) => builder.session(id.clone()),
            None => builder,
        };
        // One that nobody can come back to need not wait on the server until its time is up.
        builder.close_message(!self.keeps_session())
    }

    /// Tells which session it is, if that is asked for, and if it is not the one that was asked for.
    pub(crate) fn print(&self, id: Option<&SessionId>) {
        // It may be one on another server, and a secret there: its `Debug` shows the first characters only.
        if let Some(wanted) = self.session.as_ref().filter(|wanted| Some(*wanted) != id) {
            say(&format!("note: there is no session {} (it has ended, or never was); this is a new one", harmless(&format!("{wanted:?}"))));
        }
        match id {
            Some(id) if self.print_session => say(&format!("session {}", id.reveal())),
            None if self.print_session => say("no session: the server knows none"),
            Some(_) | None => {}
        }
    }
}

/// How results, params and ids look on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum DialectName {
    /// As Kurento's servers and clients have it: results are objects that carry the session's id
    #[default]
    Kurento,
    /// JSON-RPC 2.0 to the letter
    Strict,
}

impl DialectName {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Kurento => "kurento",
            Self::Strict => "strict",
        }
    }
}

impl From<DialectName> for Dialect {
    fn from(name: DialectName) -> Self {
        match name {
            DialectName::Kurento => Self::Kurento,
            DialectName::Strict => Self::Strict,
        }
    }
}

fn url(text: &str) -> Result<String, String> {
    // Schemes are the same in capitals (RFC 3986 section 3.1).
    let is_websocket = |scheme: &str| ["ws", "wss"].into_iter().any(|known| known.eq_ignore_ascii_case(scheme));
    match text.split_once("://").filter(|(scheme, _)| is_websocket(scheme)) {
        None => Err("an address begins with ws:// or wss://, as in ws://127.0.0.1:8888/echo".into()),
        Some((_, host)) if host.is_empty() || host.starts_with('/') => Err("the host is missing, as in ws://127.0.0.1:8888/echo".into()),
        Some(_) => Ok(text.into()),
    }
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("a header is NAME: VALUE")?;
    let name: HeaderName = name.trim().parse().map_err(|_| "the header's name has a character that may not be in it")?;
    if !ClientBuilder::<TokioRuntime>::takes_header(&name) {
        return Err(format!("{name} is for the WebSocket handshake itself to say"));
    }
    let value = value.trim().parse().map_err(|_| "the header's value has a character that may not be in it")?;
    Ok((name, value))
}

fn session_id(text: &str) -> Result<SessionId, String> {
    SessionId::from_text(text).ok_or_else(|| "a session's id has 1 to 128 bytes".into())
}

/// The params of a request, as given on the command line: JSON, `@FILE`, or `-` for stdin.
///
/// # Errors
///
/// If they cannot be read, or are no JSON.
pub(crate) fn read_params(argument: Option<&str>) -> Result<Option<Json<'static>>, Failure> {
    let Some(argument) = argument else {
        return Ok(None);
    };
    let cannot = |what: &str, error: std::io::Error| Failure::Usage(format!("cannot read PARAMS from {what}: {error}"));
    let text = if argument == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map_err(|error| cannot("stdin", error))?;
        text
    } else if let Some(file) = argument.strip_prefix('@') {
        std::fs::read_to_string(file).map_err(|error| cannot(file, error))?
    } else {
        argument.into()
    };
    json::parse(&text).map(Some).map_err(|error| Failure::Usage(format!("PARAMS is not JSON: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_an_address_is_what_is_asked_for() {
        for (url, asked) in [("ws://h", "/"), ("ws://h?token=geheim", "/"), ("wss://[::1]:1/a/b?token=/geheim", "/a/b"), ("ws://h/", "/")] {
            assert_eq!(path(url), asked, "{url}");
        }
    }
}
