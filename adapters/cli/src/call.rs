use crate::failure::{EXIT_CODES, Failure};
use crate::json::{self, Layout};
use crate::outage::Lookout;
use crate::remote::{Remote, Resume, read_params};
use bowline_tokio::{Client, Json, Reconnect};
use clap::Args;
use std::io::{ErrorKind, Write};
use std::time::Duration;

/// Call a method and print its result
///
/// The result goes to stdout as JSON, an error to stderr. If the connection drops meanwhile, stderr tells it, and the call goes on over
/// the next one. The session is closed at the end, unless --session or --print-session says that it is wanted.
#[derive(Args, Debug)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Call {
    #[command(flatten)]
    to_send: ToSend,
    /// How long the answer may take
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = humantime::parse_duration)]
    timeout: Duration,
}

/// Send a notification, which nobody answers
///
/// Ends once the notification has been written to the connection. Whether the server gets it is not known: who has to know that uses `bowline call`.
#[derive(Args, Debug)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Notify {
    #[command(flatten)]
    to_send: ToSend,
    /// How long sending may take
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = humantime::parse_duration)]
    timeout: Duration,
}

/// What is sent, and where.
#[derive(Args, Debug)]
struct ToSend {
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    message: Message,
    #[command(flatten)]
    resume: Resume,
}

/// What is sent.
#[derive(Args, Debug)]
struct Message {
    /// The method's name
    method: String,
    /// The params: JSON, @FILE to read them from a file, - to read them from stdin
    params: Option<String>,
}

impl ToSend {
    /// A session to send it in, and the params to send. Whatever needs an answer, or a connection, has this long for it. If nobody wants the session behind that, `ends_session` is whether it is closed on the server.
    async fn connect(&self, timeout: Duration, ends_session: bool) -> Result<(Client, Option<Json<'static>>), Failure> {
        let params = read_params(self.message.params.as_deref())?;
        let builder = self.remote.builder()?.request_timeout(timeout).reconnect(Reconnect::For(timeout));
        let builder = if ends_session { self.resume.apply(builder) } else { self.resume.apply(builder).close_message(false) };
        let client = self.remote.connect(builder).await?;
        self.resume.print(client.session_id().as_ref());
        Ok((client, params))
    }
}

impl Call {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let (client, params) = self.to_send.connect(self.timeout, true).await?;
        let mut lookout = Lookout::new(&client);
        let answer = lookout.until(client.call_raw(&self.to_send.message.method, params)).await;
        client.close().await;
        let answer = answer.map_err(|error| lookout.failure(error))?;
        print(&json::laid_out(answer.as_str(), Layout::Pretty))
    }
}

impl Notify {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        // A session that is closed drops what it has not served yet.
        let (client, params) = self.to_send.connect(self.timeout, false).await?;
        let sending = async {
            client.notify_raw(&self.to_send.message.method, params).await?;
            client.close().await;
            Ok(())
        };
        match tokio::time::timeout(self.timeout, sending).await {
            Ok(sent) => sent,
            Err(_) => Err(Failure::TimedOut("the notification could not be sent in time".into())),
        }
    }
}

/// Writes a command's result.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    match writeln!(std::io::stdout(), "{text}") {
        // Whoever reads has read enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|error| Failure::Other(format!("cannot write to stdout: {error}"))),
    }
}
