use crate::text::say;
use rustyline::ExternalPrinter;
use std::io::Write;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

/// How many messages may wait for a slow terminal, before the program waits for it.
const WAITING: usize = 256;

/// Where everything is shown, without disturbing the line that is being typed.
#[derive(Clone)]
pub(super) enum Console {
    /// No terminal: what comes from the peer goes to stdout, what this program says to stderr.
    Plain,
    /// A terminal with a prompt on it.
    Prompt(SyncSender<String>),
}

impl Console {
    /// Shows everything above the prompt of which `printer` is.
    pub(super) fn above_prompt(mut printer: impl ExternalPrinter + Send + 'static) -> Self {
        let (sender, messages) = sync_channel::<String>(WAITING);
        // The printer waits for the prompt to take what it prints, so it gets a thread to wait on.
        thread::spawn(move || {
            for message in messages {
                if printer.print(message.clone()).is_err() {
                    // The prompt is gone.
                    write_out(&message);
                }
            }
        });
        Self::Prompt(sender)
    }

    /// Shows what the peer has sent.
    pub(super) fn peer(&self, mut text: String) {
        text.push('\n');
        match self {
            Self::Plain => write_out(&text),
            Self::Prompt(printer) => send(printer, text),
        }
    }

    /// Shows what this program has to say.
    pub(super) fn note(&self, text: &str) {
        match self {
            Self::Plain => say(text),
            Self::Prompt(printer) => send(printer, format!("{text}\n")),
        }
    }
}

fn send(printer: &SyncSender<String>, text: String) {
    // It has ended only if it panicked; then nothing can be shown any more.
    let _ = printer.send(text);
}

fn write_out(text: &str) {
    let mut out = std::io::stdout().lock();
    // Nobody reads any more: there is nobody to tell, either.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
