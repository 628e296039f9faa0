use super::answers::Answers;
use super::command::{self, Command, HELP, Message};
use super::console::Console;
use super::input::Lines;
use crate::failure::{Failure, from_library, peer_error};
use crate::json::{self, Layout};
use crate::text::{harmless, short};
use bowline_tokio::{CallError, Client, ConnectionEvent, Json, NotifyError, SessionId, SessionKept};
use futures_util::future::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::future::{Future, poll_fn};
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

/// Messages that may be under way; no further line is read until one is done.
const MAX_PENDING: usize = 256;
/// A longer result is laid out over several lines, where a person reads it.
const LONG: usize = 76;

type Pending = Pin<Box<dyn Future<Output = Done>>>;

/// A message that is done with.
enum Done {
    Call { number: u64, method: String, took: Duration, result: Result<Json<'static>, CallError> },
    Notification { method: String, result: Result<(), NotifyError> },
}

/// Does what the lines say, and shows what happens.
pub(super) struct Shell {
    client: Client,
    console: Console,
    answers: Answers,
    pending: FuturesUnordered<Pending>,
    calls: u64,
    /// What went wrong first, apart from errors of the server: those are answers.
    failed: Option<Failure>,
}

impl Shell {
    pub(super) fn new(client: Client, console: Console, answers: Answers) -> Self {
        Self { client, console, answers, pending: FuturesUnordered::new(), calls: 0, failed: None }
    }

    /// Goes on until the lines end and everything is answered.
    pub(super) async fn run(mut self, mut lines: Lines) -> Result<(), Failure> {
        let mut events = self.client.events();
        let (mut reading, mut listening) = (true, true);
        while reading || !self.pending.is_empty() {
            tokio::select! {
                // In the order of the causes: what came over a new connection is shown after the connection.
                biased;
                event = events.next(), if listening => match event {
                    Some(event) => self.tell(&event),
                    None => {
                        listening = false;
                        match self.console {
                            Console::Plain => {
                                reading = false;
                                self.fail(Failure::Unknown("the session was closed before the input ended".into()));
                            }
                            // The prompt cannot be taken away from under the person who types.
                            Console::Prompt(_) => self.console.note("* the session is closed; Ctrl-D leaves"),
                        }
                    }
                },
                Some(done) = self.pending.next() => self.show(done),
                line = lines.next(), if reading && self.pending.len() < MAX_PENDING => match line {
                    Some(line) => reading = self.execute(&line).await.is_continue(),
                    None => reading = false,
                },
            }
        }
        while let Some(Some(event)) = events.next().now_or_never() {
            self.tell(&event);
        }
        match (self.console, self.failed) {
            (Console::Plain, Some(failure)) => Err(failure),
            (Console::Plain, None) | (Console::Prompt(_), _) => Ok(()),
        }
    }

    fn fail(&mut self, failure: Failure) {
        self.failed.get_or_insert(failure);
    }

    async fn execute(&mut self, line: &str) -> ControlFlow<()> {
        match command::parse(line) {
            Ok(Command::Nothing) => {}
            Ok(Command::Call(message)) => self.call(message).await,
            Ok(Command::Notify(message)) => self.notify(message).await,
            Ok(Command::Session) => match self.client.session_id() {
                Some(id) => self.console.peer(format!("session {}", id.reveal())),
                None => self.console.note("the server has given no session"),
            },
            Ok(Command::Reconnect) => self.client.reconnect(),
            Ok(Command::Heartbeat(interval)) => self.client.set_heartbeat(interval),
            Ok(Command::ShowAnswers) => self.console.note(&self.answers.describe()),
            Ok(Command::Answer(answer)) => self.answers.set(answer),
            Ok(Command::Help) => self.console.note(HELP),
            Ok(Command::Quit) => return ControlFlow::Break(()),
            Err(error) => {
                self.console.note(&error);
                self.fail(Failure::Usage("not every line was understood".into()));
            }
        }
        ControlFlow::Continue(())
    }

    async fn call(&mut self, Message { method, params }: Message) {
        self.calls += 1;
        let (client, number, since) = (self.client.clone(), self.calls, Instant::now());
        self.start(Box::pin(async move {
            let result = client.call_raw(&method, params).await;
            Done::Call { number, method, took: since.elapsed(), result }
        }))
        .await;
    }

    async fn notify(&mut self, Message { method, params }: Message) {
        let client = self.client.clone();
        self.start(Box::pin(async move {
            let result = client.notify_raw(&method, params).await;
            Done::Notification { method, result }
        }))
        .await;
    }

    /// Begins at once, so that messages go out in the order of their lines.
    async fn start(&mut self, mut message: Pending) {
        match poll_fn(|cx| Poll::Ready(message.as_mut().poll(cx))).await {
            Poll::Ready(done) => self.show(done),
            Poll::Pending => self.pending.push(message),
        }
    }

    fn show(&mut self, done: Done) {
        match done {
            Done::Call { number, method, took, result } => {
                let text = match &result {
                    Ok(result) => self.laid_out(result),
                    Err(CallError::Peer(error)) => peer_error(error, Layout::Line),
                    Err(error) => harmless(&error.to_string()),
                };
                self.console.peer(match self.console {
                    Console::Plain => format!("#{number} {method}: {text}"),
                    Console::Prompt(_) => format!("#{number} {method} ({}): {text}", short(took)),
                });
                match result {
                    Ok(_) | Err(CallError::Peer(_)) => {}
                    Err(error) => self.fail(error.into()),
                }
            }
            Done::Notification { result: Ok(()), .. } => {}
            Done::Notification { method, result: Err(error) } => {
                self.console.note(&format!("{method} was not sent: {error}"));
                self.fail(error.into());
            }
        }
    }

    fn laid_out(&self, result: &Json<'_>) -> String {
        let line = json::laid_out(result.as_str(), Layout::Line);
        match self.console {
            Console::Prompt(_) if line.len() > LONG => json::laid_out(&line, Layout::Pretty),
            Console::Prompt(_) | Console::Plain => line,
        }
    }

    fn tell(&self, event: &ConnectionEvent) {
        let text = match event {
            // Told when it was awaited.
            ConnectionEvent::Connected => return,
            ConnectionEvent::ConnectionFailed { error, retry_in } => {
                let retry = retry_in.map_or_else(String::new, |wait| format!("; next attempt in {}", short(wait)));
                format!("cannot connect: {}{retry}", from_library(&error.to_string()))
            }
            ConnectionEvent::Disconnected => "the connection is lost".into(),
            ConnectionEvent::Reconnecting { attempt } => format!("reconnecting, attempt {attempt}"),
            ConnectionEvent::Reconnected(kept) => {
                let kept = match kept {
                    SessionKept::Same => "goes on",
                    SessionKept::New => "is a new one",
                };
                format!("reconnected, {} {kept}", self.session())
            }
            ConnectionEvent::Closed(reason) => format!("closed: {}", reason.as_str()),
            _ => format!("{event:?}"),
        };
        self.console.note(&format!("* {text}"));
    }

    /// The session's first characters.
    fn session(&self) -> String {
        self.client.session_id().as_ref().map_or_else(|| "the session".into(), |id: &SessionId| format!("session {id:?}"))
    }
}
