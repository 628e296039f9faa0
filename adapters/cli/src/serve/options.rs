//! The arguments of `bowline serve`. Each is a setting in the environment and in a file too: see `config`.

use super::listen::Place;
use super::logging::{self, LogFormat};
use super::origin;
use super::request_log::RequestLog;
use crate::failure::Failure;
use crate::remote::DialectName;
use bowline_tokio::{Dialect, PathOptions, ServerLimits, SockJsOptions};
use clap::Args;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;
use tracing_subscriber::filter::Targets;

/// What the demo methods take and give, for the long help.
const METHODS: &str = "\
Methods, with their params and what comes of them:
  echo             anything; comes back as it is
  add              {\"a\":1,\"b\":2}; their sum
  sleep            {\"ms\":500}; {\"slept\":500} after that time; others go on
  slow             {\"ms\":500}; the same, but the session's next requests wait
  fail             anything; error 1001, with the params in its data
  panic            none; an internal error, for the handler panics
  empty            none; an empty result
  big              {\"bytes\":1000}; a text of this length, up to 32 MiB
  count            none; how often this session has called it
  whoami           none; the session's id, its path and its transport
  set-grace        {\"ms\":60000}; the session waits this long for its client
  close-me         none; the server closes the session
  close-transport  none; the connection drops, the answer comes over the next
  notify-me        {\"n\":3,\"method\":\"tick\"}; n notifications, then {\"sent\":3}
  notify-later     {\"n\":3,\"delay\":500,\"every\":100}; n of them, in milliseconds
  ask-me           {\"method\":\"hi\",\"params\":{}}; what the client answers to that
  log              anything; is remembered, as a notification too
  logged           none; how many log there were, and the last one's params";

const SETTINGS: &str = "\
Settings:
  Every option can also be given in the environment, as BOWLINE_RECONNECTION_TIMEOUT=30s, or in the file that --config names, as \
reconnection-timeout = \"30s\". Flags go before the environment, that before the file. Where several values may be given, the environment \
has commas between them, and the file a list. --print-config shows what holds, and from where.";

const EXIT_CODES: &str = "\
Exit codes:
  0  stopped cleanly
  1  it could not listen, or was stopped by a second Ctrl-C before all was finished
  2  wrong usage, or a setting that does not fit";

/// Run the demo server
///
/// It has the same methods, listed below, on /echo and /demo, and on /strict in the strict dialect.
/// Ctrl-C stops it cleanly, a second Ctrl-C at once.
///
/// It asks nobody who they are: leave it on an address that only friends can reach.
#[derive(Args, Debug)]
#[command(after_help = format!("{SETTINGS}\n\n{EXIT_CODES}"), after_long_help = format!("{METHODS}\n\n{SETTINGS}\n\n{EXIT_CODES}"))]
pub(crate) struct Serve {
    /// Where to listen: HOST:PORT, with TLS if there is a certificate, and port 0 for a free one; ws://HOST:PORT, never with TLS;
    /// wss://HOST:PORT, always; unix:/PATH. May be given several times; all have the same sessions
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8888", value_parser = Place::parse)]
    pub(super) listen: Vec<Place>,
    /// The server's certificate, and those between it and its root behind it, as PEM. SIGHUP reads it and its key again
    #[arg(long, value_name = "FILE")]
    pub(super) tls_cert: Option<PathBuf>,
    /// The private key of --tls-cert, as PEM
    #[arg(long, value_name = "FILE")]
    pub(super) tls_key: Option<PathBuf>,
    /// Make up a certificate, for trying things out: clients need --insecure
    #[arg(long)]
    pub(super) tls_self_signed: bool,
    /// Let only clients in that show a certificate which one of these has signed, as PEM
    #[arg(long, value_name = "FILE")]
    pub(super) tls_client_ca: Option<PathBuf>,
    /// The dialect of /echo and /demo
    #[arg(long, value_enum, default_value_t)]
    pub(super) dialect: DialectName,
    /// Close clients that announced pings and fall silent
    #[arg(long)]
    pub(super) ping_watchdog: bool,
    /// How long a session waits for its client to come back
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = humantime::parse_duration)]
    pub(super) reconnection_timeout: Duration,
    /// Let pages from this origin in: SCHEME://HOST[:PORT], as http://example.org, or HOST[:PORT] with any scheme; `*` lets all in. Without
    /// it only pages from this host and port get in. May be given several times
    #[arg(long, value_name = "ORIGIN", value_parser = origin::parse)]
    pub(super) allow_origin: Vec<String>,
    /// The longest message that is taken
    #[arg(long, value_name = "BYTES", default_value = "1048576")]
    pub(super) max_message_size: NonZeroUsize,
    /// Do not offer resumption
    #[arg(long)]
    pub(super) no_resume: bool,
    /// Serve SockJS too, at each path and below it, for clients without WebSockets
    #[arg(long)]
    pub(super) sockjs: bool,
    /// The URL of the script of the SockJS client, which each path's page iframe.html loads: browsers open that page in an iframe, for the
    /// transports that cannot cross origins by themselves. Without it there is no such page; it needs --sockjs and --allow-origin '*'
    #[arg(long, value_name = "URL")]
    pub(super) sockjs_client: Option<String>,
    /// Serve a pretended Kurento Media Server on /kurento, for clients of one to be tried against
    #[arg(long)]
    pub(super) fake_media_server: bool,
    /// Log requests to stderr: session (its first characters), method, outcome, duration; never params
    #[arg(long)]
    pub(super) log_requests: bool,
    /// Log this to stderr: a level (off, error, warn, info, debug, trace), or targets with theirs, as in warn,bowline::request=debug
    #[arg(long, value_name = "FILTER", default_value = "warn", value_parser = logging::filter)]
    pub(super) log: Targets,
    /// How a line of the log looks
    #[arg(long, value_enum, default_value_t)]
    pub(super) log_format: LogFormat,
    /// Answer GET /metrics here, in Prometheus' text format
    #[arg(long, value_name = "HOST:PORT")]
    pub(super) metrics: Option<String>,
    /// How long a clean stop may take
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = humantime::parse_duration)]
    pub(super) shutdown_timeout: Duration,
    /// Read settings from this TOML file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Show all settings, as a file would have them, and do nothing else
    #[arg(long)]
    print_config: bool,
    /// On how many threads to run [default: as many as there are cores]
    #[arg(long, value_name = "N", value_parser = crate::thread_count)]
    pub(crate) threads: Option<usize>,
    #[command(flatten)]
    pub(super) limits: Limits,
}

/// The heading of [`Limits`] in the help, for each of its arguments: `next_help_heading` would go on behind it.
const LIMITS: &str = "Limits";

/// The bounds of the server as a whole. What is not set is as the library has it.
#[derive(Args, Debug)]
pub(super) struct Limits {
    /// How many sessions there may be at once, over all paths
    #[arg(long, help_heading = LIMITS, value_name = "N")]
    max_sessions: Option<NonZeroUsize>,
    /// How many transports
    #[arg(long, help_heading = LIMITS, value_name = "N")]
    max_connections: Option<NonZeroUsize>,
    /// How many SockJS sessions that poll or stream
    #[arg(long, help_heading = LIMITS, value_name = "N")]
    max_sockjs_sessions: Option<NonZeroUsize>,
    /// How many unfinished handshakes, TLS and HTTP
    #[arg(long, help_heading = LIMITS, value_name = "N")]
    max_handshakes: Option<NonZeroUsize>,
    /// How long a handshake may take
    #[arg(long, help_heading = LIMITS, value_name = "DURATION", value_parser = humantime::parse_duration)]
    handshake_timeout: Option<Duration>,
    /// How long a transport may say nothing without a session
    #[arg(long, help_heading = LIMITS, value_name = "DURATION", value_parser = humantime::parse_duration)]
    silence_timeout: Option<Duration>,
    /// How many bytes all sessions together may keep for clients that do not take them
    #[arg(long, help_heading = LIMITS, value_name = "BYTES")]
    max_replay_bytes: Option<NonZeroUsize>,
    /// How many sessions that do not exist one address may name at once
    #[arg(long, help_heading = LIMITS, value_name = "N")]
    failed_connects: Option<NonZeroU32>,
    /// How many more each second
    #[arg(long, help_heading = LIMITS, value_name = "N")]
    failed_connects_per_second: Option<NonZeroU32>,
}

impl From<&Limits> for ServerLimits {
    fn from(flags: &Limits) -> Self {
        let mut limits = Self::default();
        let set = |limit: &mut usize, flag: Option<NonZeroUsize>| *limit = flag.map_or(*limit, NonZeroUsize::get);
        set(&mut limits.max_sessions, flags.max_sessions);
        set(&mut limits.max_connections, flags.max_connections);
        set(&mut limits.max_sockjs_sessions, flags.max_sockjs_sessions);
        set(&mut limits.max_handshakes, flags.max_handshakes);
        set(&mut limits.max_replay_bytes, flags.max_replay_bytes);
        let set = |limit: &mut u32, flag: Option<NonZeroU32>| *limit = flag.map_or(*limit, NonZeroU32::get);
        set(&mut limits.failed_connects, flags.failed_connects);
        set(&mut limits.failed_connects_per_second, flags.failed_connects_per_second);
        let set = |limit: &mut Duration, flag: Option<Duration>| *limit = flag.unwrap_or(*limit);
        set(&mut limits.handshake_timeout, flags.handshake_timeout);
        set(&mut limits.silence_timeout, flags.silence_timeout);
        limits
    }
}

impl Serve {
    pub(super) fn request_log(&self) -> RequestLog {
        if self.log_requests { RequestLog::Stderr } else { RequestLog::Off }
    }

    /// Whether the flags make sense together; those of the certificate are checked where that is read.
    pub(super) fn check(&self) -> Result<(), Failure> {
        if self.sockjs_client.is_none() || (self.sockjs && self.allow_origin.iter().any(|origin| origin == "*")) {
            return Ok(());
        }
        Err(Failure::Usage("--sockjs-client is for the page iframe.html, which is there only with --sockjs and --allow-origin '*'".into()))
    }

    /// How a path is served.
    pub(super) fn path_options(&self, dialect: Dialect) -> PathOptions {
        let mut options = PathOptions::new()
            .dialect(dialect)
            .reconnection_timeout(self.reconnection_timeout)
            .max_message_size(self.max_message_size.get());
        if self.ping_watchdog {
            options = options.ping_watchdog();
        }
        if self.sockjs {
            let sockjs = SockJsOptions::new();
            options = options.sockjs(self.sockjs_client.iter().fold(sockjs, |sockjs, url| sockjs.client_url(url)));
        }
        if self.no_resume {
            options = options.without_resumption();
        }
        self.allow_origin.iter().fold(options, |options, origin| options.allowed_origin(origin))
    }
}
