mod answers;
mod command;
mod console;
mod input;
mod shell;

use crate::failure::Failure;
use crate::remote::{Remote, Resume};
use answers::Answers;
use clap::Args;
use input::History;
use shell::Shell;
use std::time::Duration;

const EXIT_CODES: &str = "\
Exit codes, if stdin or stdout is no terminal:
  0  every line was understood and answered, be it with an error
  2  wrong usage, or a line that was not understood
  3  no connection
  4  no answer in time
  5  the outcome of a line is unknown, or the session was closed before the input ended";

/// Talk to a server by hand
///
/// Shows a prompt, and above it everything that happens: answers, notifications, requests of the server, lost and regained
/// connections. /help at the prompt shows what can be typed.
///
/// If stdin or stdout is no terminal, lines are read and answers written, one a line, until the input ends and everything is answered;
/// what the program itself has to say goes to stderr.
#[derive(Args, Debug)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Connect {
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    resume: Resume,
    /// Ping the server at this interval
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    heartbeat: Option<Duration>,
    /// How long an answer may take
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = humantime::parse_duration)]
    timeout: Duration,
    /// Neither read nor write the history of what was typed (in $XDG_STATE_HOME/bowline or ~/.local/state/bowline)
    #[arg(long)]
    no_history: bool,
}

impl Connect {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let history = if self.no_history { History::NotKept } else { History::Kept };
        let (input, console) = input::open(history);
        let answers = Answers::default();
        let mut builder = self.resume.apply(self.remote.builder()?).request_timeout(self.timeout).service(answers.router(&console));
        if let Some(interval) = self.heartbeat {
            builder = builder.heartbeat(interval);
        }
        let client = self.remote.connect(builder).await?;
        let id = client.session_id();
        self.resume.print(id.as_ref());
        // Its `Debug` shows the first characters only.
        let session = id.map_or_else(|| "without a session".into(), |id| format!("session {id:?}"));
        console.note(&format!("* connected to {}, {session}; /help tells what to type", self.remote.url));

        let ended = Shell::new(client.clone(), console, answers).run(input.lines()).await;
        client.close().await;
        ended
    }
}
