//! With the feature `metrics`: the handles of the recorder that was there when the server was built.

use super::{Limit, Outcome, State};
use crate::clock;
use bowline_core::{CloseReason, Instant};
use http::StatusCode;
use metrics::{Counter, Gauge, Histogram, IntoF64, Unit, counter, gauge, histogram};
use metrics::{describe_counter, describe_gauge, describe_histogram};
use std::cell::Cell;
use std::sync::Arc;

const CONNECTIONS: &str = "bowline_connections";
const CONNECTIONS_TOTAL: &str = "bowline_connections_total";
const HANDSHAKES: &str = "bowline_handshakes";
const HANDSHAKES_REFUSED: &str = "bowline_handshakes_refused_total";
const ACCEPT_ERRORS: &str = "bowline_accept_errors_total";
const LIMIT_HITS: &str = "bowline_limit_hits_total";
const SESSIONS: &str = "bowline_sessions";
const SESSIONS_OPENED: &str = "bowline_sessions_opened_total";
const SESSIONS_CLOSED: &str = "bowline_sessions_closed_total";
const REQUESTS: &str = "bowline_requests_total";
const REQUEST_DURATION: &str = "bowline_request_duration_seconds";
const RESUMES: &str = "bowline_resumes_total";
const REPLAYED_MESSAGES: &str = "bowline_replayed_messages_total";
const REPLAYED_BYTES: &str = "bowline_replayed_bytes_total";
const REPLAY_BYTES: &str = "bowline_replay_bytes";
const WATCHDOG_CLOSINGS: &str = "bowline_watchdog_closings_total";

fn describe() {
    describe_gauge!(CONNECTIONS, Unit::Count, "Transports that are open");
    describe_counter!(CONNECTIONS_TOTAL, Unit::Count, "Transports that were opened");
    describe_gauge!(HANDSHAKES, Unit::Count, "Connections in their handshake, and refused ones that are not gone yet");
    describe_counter!(HANDSHAKES_REFUSED, Unit::Count, "Handshakes that were answered with an HTTP status");
    describe_counter!(ACCEPT_ERRORS, Unit::Count, "Connections that the system could not give to the server");
    describe_counter!(LIMIT_HITS, Unit::Count, "Bounds that somebody ran into");
    describe_gauge!(SESSIONS, Unit::Count, "Sessions that are open");
    describe_counter!(SESSIONS_OPENED, Unit::Count, "Sessions that were opened");
    describe_counter!(SESSIONS_CLOSED, Unit::Count, "Sessions that have ended");
    describe_counter!(REQUESTS, Unit::Count, "Requests and notifications whose handler has ended");
    describe_histogram!(REQUEST_DURATION, Unit::Seconds, "From the start of a request's handler to its end");
    describe_counter!(RESUMES, Unit::Count, "Sessions that went on over a new transport");
    describe_counter!(REPLAYED_MESSAGES, Unit::Count, "Messages that were to be sent again when a session went on");
    describe_counter!(REPLAYED_BYTES, Unit::Bytes, "Bytes of those messages");
    describe_gauge!(REPLAY_BYTES, Unit::Bytes, "Bytes of messages that wait to be sent or acknowledged");
    describe_counter!(WATCHDOG_CLOSINGS, Unit::Count, "Transports that were closed because their client fell silent");
}

/// How many are inside of something.
#[derive(Clone)]
pub(crate) struct Occupancy(Gauge);

impl Default for Occupancy {
    fn default() -> Self {
        Self(Gauge::noop())
    }
}

impl Occupancy {
    pub(crate) fn enter(&self) {
        self.0.increment(1.0);
    }

    pub(crate) fn leave(&self) {
        self.0.decrement(1.0);
    }
}

/// What concerns the server as a whole.
#[derive(Clone)]
pub(crate) struct ServerMetrics(Arc<Server>);

struct Server {
    connections: Occupancy,
    connected: Counter,
    handshakes: Occupancy,
    refused: [(StatusCode, Counter); STATUSES.len()],
    refused_otherwise: Counter,
    accept_errors: Counter,
    limits: Limits,
}

/// The statuses that are counted by name: those that the server itself answers, and those that interceptors most likely do.
const STATUSES: [StatusCode; 12] = [
    StatusCode::BAD_REQUEST,
    StatusCode::UNAUTHORIZED,
    StatusCode::FORBIDDEN,
    StatusCode::NOT_FOUND,
    StatusCode::METHOD_NOT_ALLOWED,
    StatusCode::REQUEST_TIMEOUT,
    StatusCode::UPGRADE_REQUIRED,
    StatusCode::TOO_MANY_REQUESTS,
    StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
    StatusCode::INTERNAL_SERVER_ERROR,
    StatusCode::SERVICE_UNAVAILABLE,
    StatusCode::HTTP_VERSION_NOT_SUPPORTED,
];

impl ServerMetrics {
    pub(crate) fn new() -> Self {
        describe();
        let refused = |status: &str| counter!(HANDSHAKES_REFUSED, "status" => status.to_owned());
        Self(Arc::new(Server {
            connections: Occupancy(gauge!(CONNECTIONS)),
            connected: counter!(CONNECTIONS_TOTAL),
            handshakes: Occupancy(gauge!(HANDSHAKES)),
            refused: STATUSES.map(|status| (status, refused(status.as_str()))),
            refused_otherwise: refused("other"),
            accept_errors: counter!(ACCEPT_ERRORS),
            limits: Limits::new(),
        }))
    }

    /// Transports that are open.
    pub(crate) fn connections(&self) -> Occupancy {
        self.0.connections.clone()
    }

    /// Handshakes at work.
    pub(crate) fn handshakes(&self) -> Occupancy {
        self.0.handshakes.clone()
    }

    /// A transport was opened.
    pub(crate) fn connected(&self) {
        self.0.connected.increment(1);
    }

    /// A handshake was answered with `status`.
    pub(crate) fn refused(&self, status: StatusCode) {
        let named = self.0.refused.iter().find(|(named, _)| *named == status);
        named.map_or(&self.0.refused_otherwise, |(_, counter)| counter).increment(1);
    }

    /// The system could not give a connection.
    pub(crate) fn accept_failed(&self) {
        self.0.accept_errors.increment(1);
    }

    pub(crate) fn limit_hit(&self, limit: Limit) {
        self.0.limits.hit(limit);
    }

    /// The metrics of the path with this label. Only `methods` are counted by their names: a peer can make up any number of others.
    pub(crate) fn path(&self, label: &str, methods: &[&str]) -> PathMetrics {
        let path = Path::new(label, methods, self.clone());
        PathMetrics(path.is_recorded().then(|| Arc::new(path)))
    }
}

struct Limits([Counter; Limit::ALL.len()]);

impl Limit {
    /// In the order in which they are declared.
    const ALL: [Self; 12] = [
        Self::Connections,
        Self::Sessions,
        Self::Handshakes,
        Self::HandshakeTime,
        Self::HeadBytes,
        Self::MessageBytes,
        Self::Silence,
        Self::UnknownSessions,
        Self::FailedConnects,
        Self::ReplayBytes,
        Self::InFlight,
        Self::Outbox,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Sessions => "sessions",
            Self::Handshakes => "handshakes",
            Self::HandshakeTime => "handshake-time",
            Self::HeadBytes => "head-bytes",
            Self::MessageBytes => "message-bytes",
            Self::Silence => "silence",
            Self::UnknownSessions => "unknown-sessions",
            Self::FailedConnects => "failed-connects",
            Self::ReplayBytes => "replay-bytes",
            Self::InFlight => "in-flight",
            Self::Outbox => "outbox",
        }
    }
}

impl Limits {
    fn new() -> Self {
        Self(Limit::ALL.map(|limit| counter!(LIMIT_HITS, "limit" => limit.as_str())))
    }

    fn hit(&self, limit: Limit) {
        if let Some(counter) = self.0.get(limit as usize) {
            counter.increment(1);
        }
    }
}

/// What concerns the sessions of one path. Without a recorder there is nothing in it.
#[derive(Clone, Default)]
pub(crate) struct PathMetrics(Option<Arc<Path>>);

impl PathMetrics {
    /// The metrics of one session, which has not opened yet.
    pub(crate) fn session(&self) -> SessionMetrics {
        SessionMetrics { path: self.0.clone(), ..SessionMetrics::default() }
    }
}

struct Path {
    server: ServerMetrics,
    /// Attached and detached.
    sessions: [Gauge; 2],
    opened: Counter,
    closed: Vec<(Option<CloseReason>, Counter)>,
    /// By name, in order.
    methods: Vec<(Box<str>, Requests)>,
    others: Requests,
    resumes: Counter,
    replayed_messages: Counter,
    replayed_bytes: Counter,
    replay_bytes: Gauge,
    watchdog_closings: Counter,
}

/// The requests of one method.
struct Requests {
    outcomes: [Counter; OUTCOMES.len()],
    duration: Histogram,
}

/// In the order in which they are declared.
const OUTCOMES: [Outcome; 4] = [Outcome::Ok, Outcome::Error, Outcome::Notified, Outcome::Dropped];

/// The ends of a session; without a reason it was dropped with the server.
const REASONS: [(Option<CloseReason>, &str); 7] = [
    (Some(CloseReason::ClientClosed), "client-closed"),
    (Some(CloseReason::GraceExpired), "grace-expired"),
    (Some(CloseReason::Application), "application"),
    (Some(CloseReason::Shutdown), "shutdown"),
    (Some(CloseReason::ResumeMismatch), "resume-mismatch"),
    (Some(CloseReason::TooMuchToReplay), "too-much-to-replay"),
    (None, "dropped"),
];

impl Path {
    fn new(label: &str, methods: &[&str], server: ServerMetrics) -> Self {
        let label = || label.to_owned();
        let mut methods: Vec<(Box<str>, _)> = methods.iter().map(|name| ((*name).into(), Requests::new(label(), name))).collect();
        methods.sort_by(|(a, _), (b, _)| a.cmp(b));
        methods.dedup_by(|(a, _), (b, _)| a == b);
        Self {
            server,
            sessions: ["attached", "detached"].map(|state| gauge!(SESSIONS, "label" => label(), "state" => state)),
            opened: counter!(SESSIONS_OPENED, "label" => label()),
            closed: REASONS.map(|(reason, name)| (reason, counter!(SESSIONS_CLOSED, "label" => label(), "reason" => name))).into(),
            methods,
            others: Requests::new(label(), "other"),
            resumes: counter!(RESUMES, "label" => label()),
            replayed_messages: counter!(REPLAYED_MESSAGES, "label" => label()),
            replayed_bytes: counter!(REPLAYED_BYTES, "label" => label()),
            replay_bytes: gauge!(REPLAY_BYTES, "label" => label()),
            watchdog_closings: counter!(WATCHDOG_CLOSINGS, "label" => label()),
        }
    }

    /// Whether anybody records what happens here. A handle does not tell, but it asks for the value only if somebody wants it.
    fn is_recorded(&self) -> bool {
        let asked = Cell::new(false);
        for gauge in [&self.sessions[0], &self.replay_bytes] {
            gauge.increment(Probe(&asked));
        }
        self.others.duration.record_many(Probe(&asked), 0);
        asked.get()
    }

    fn requests(&self, Method(at): Method) -> &Requests {
        at.and_then(|at| self.methods.get(at)).map_or(&self.others, |(_, requests)| requests)
    }
}

impl Requests {
    fn new(label: String, method: &str) -> Self {
        Self {
            outcomes: OUTCOMES
                .map(|outcome| counter!(REQUESTS, "label" => label.clone(), "method" => method.to_owned(), "outcome" => outcome.as_str())),
            duration: histogram!(REQUEST_DURATION, "label" => label, "method" => method.to_owned()),
        }
    }
}

/// Adds nothing, and remembers that it was looked at.
struct Probe<'a>(&'a Cell<bool>);

impl IntoF64 for Probe<'_> {
    fn into_f64(self) -> f64 {
        self.0.set(true);
        0.0
    }
}

/// The time since then, read off the clock only if somebody wants it.
struct Since(Instant);

impl IntoF64 for Since {
    fn into_f64(self) -> f64 {
        (clock::now() - self.0).as_secs_f64()
    }
}

/// A method of a path, or one of all the others.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Method(Option<usize>);

/// What concerns one session. However its task ends, it is counted no more.
#[derive(Default)]
pub(crate) struct SessionMetrics {
    path: Option<Arc<Path>>,
    state: Option<State>,
    /// Its bytes among those that wait.
    held: usize,
    /// The bounds at which it is, each a bit.
    full: u16,
}

impl SessionMetrics {
    pub(crate) fn method(&self, name: &str) -> Method {
        let Some(path) = &self.path else { return Method(None) };
        Method(path.methods.binary_search_by(|(other, _)| (**other).cmp(name)).ok())
    }

    /// A request is done with.
    pub(crate) fn request(&self, method: Method, outcome: Outcome, started: Instant) {
        let Some(path) = &self.path else { return };
        let Requests { outcomes, duration } = path.requests(method);
        if let Some(counter) = outcomes.get(outcome as usize) {
            counter.increment(1);
        }
        duration.record(Since(started));
    }

    /// It is in this state now; `None` before it opens and after it has closed.
    pub(crate) fn is(&mut self, state: Option<State>) {
        let Some(path) = &self.path else { return };
        if state == self.state {
            return;
        }
        let gauge = |state: State| &path.sessions[state as usize];
        if let Some(before) = self.state {
            gauge(before).decrement(1.0);
        }
        if let Some(now) = state {
            gauge(now).increment(1.0);
        }
        self.state = state;
    }

    pub(crate) fn opened(&self) {
        if let Some(path) = &self.path {
            path.opened.increment(1);
        }
    }

    /// It has ended; without a reason it was dropped.
    pub(crate) fn closed(&self, reason: Option<CloseReason>) {
        let Some(path) = &self.path else { return };
        if let Some((_, counter)) = path.closed.iter().find(|(known, _)| *known == reason) {
            counter.increment(1);
        }
    }

    /// It goes on over a new transport; `replay` gives the messages that are sent again, and their bytes.
    pub(crate) fn resumed(&self, replay: impl FnOnce() -> (usize, usize)) {
        let Some(path) = &self.path else { return };
        let (messages, bytes) = replay();
        path.resumes.increment(1);
        path.replayed_messages.increment(messages as u64);
        path.replayed_bytes.increment(bytes as u64);
    }

    pub(crate) fn watchdog_closed(&self) {
        if let Some(path) = &self.path {
            path.watchdog_closings.increment(1);
        }
    }

    pub(crate) fn limit_hit(&self, limit: Limit) {
        if let Some(path) = &self.path {
            path.server.limit_hit(limit);
        }
    }

    /// Whether it `is` at a bound at which it may stay for a while: that is counted when it begins.
    pub(crate) fn runs_into(&mut self, limit: Limit, is: bool) {
        let bit = 1 << limit as u16;
        if is && self.full & bit == 0 {
            self.limit_hit(limit);
        }
        self.full = if is { self.full | bit } else { self.full & !bit };
    }

    /// So many bytes of its messages wait to be sent or acknowledged.
    pub(crate) fn holds(&mut self, now: usize) {
        let Some(path) = &self.path else { return };
        let before = self.held;
        #[expect(clippy::cast_precision_loss, reason = "it is far below 2^53")]
        if now > before {
            path.replay_bytes.increment((now - before) as f64);
        } else if now < before {
            path.replay_bytes.decrement((before - now) as f64);
        }
        self.held = now;
    }
}

impl Drop for SessionMetrics {
    fn drop(&mut self) {
        self.is(None);
        self.holds(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_by_its_place_is_found_there() {
        for (at, limit) in Limit::ALL.into_iter().enumerate() {
            assert_eq!(limit as usize, at);
        }
        for (at, outcome) in OUTCOMES.into_iter().enumerate() {
            assert_eq!(outcome as usize, at);
        }
        assert_eq!((State::Attached as usize, State::Detached as usize), (0, 1));
    }

    #[test]
    fn without_a_recorder_nothing_is_kept() {
        assert!(ServerMetrics::new().path("label", &["method"]).0.is_none());
    }
}
