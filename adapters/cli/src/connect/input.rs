use super::command::{self, Command};
use super::console::Console;
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{Config, Editor};
use std::env;
use std::fs;
use std::io::{self, BufRead, IsTerminal};
use std::path::PathBuf;
use std::thread;
use tokio::sync::mpsc;

/// The lines to come.
pub(super) enum Lines {
    /// Of a file or a pipe, which are as fast as they are read.
    Piped(mpsc::Receiver<String>),
    /// Of a person. Their number has no bound, since the thread at the prompt may wait for nobody: what is printed waits for it.
    Typed(mpsc::UnboundedReceiver<String>),
}

impl Lines {
    /// The next one; `None` at the end. None is lost if this is dropped before.
    pub(super) async fn next(&mut self) -> Option<String> {
        match self {
            Self::Piped(lines) => lines.recv().await,
            Self::Typed(lines) => lines.recv().await,
        }
    }
}

/// Whether what is typed is remembered for the next time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum History {
    Kept,
    NotKept,
}

/// Where lines come from: ready, but not read yet.
pub(super) enum Input {
    Stdin,
    Prompt { editor: Box<Editor<(), FileHistory>>, history: Option<PathBuf> },
}

/// The prompt if there is a terminal, else stdin; and where to show things.
pub(super) fn open(history: History) -> (Input, Console) {
    match prompt(history) {
        Some(opened) => opened,
        None => (Input::Stdin, Console::Plain),
    }
}

fn prompt(history: History) -> Option<(Input, Console)> {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return None;
    }
    let mut editor = Editor::<(), FileHistory>::with_config(Config::default()).ok()?;
    let console = Console::above_prompt(editor.create_external_printer().ok()?);
    let history = match history {
        History::Kept => history_file(),
        History::NotKept => None,
    };
    if let Some(file) = &history {
        // There is none the first time.
        let _ = editor.load_history(file);
    }
    Some((Input::Prompt { editor: Box::new(editor), history }, console))
}

/// Where programs keep what they remember, by the XDG base directory specification.
fn history_file() -> Option<PathBuf> {
    let state = env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute());
    let state = state.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".local/state")))?;
    Some(state.join("bowline/history"))
}

impl Input {
    /// Starts reading.
    pub(super) fn lines(self) -> Lines {
        match self {
            Self::Stdin => {
                let (sender, lines) = mpsc::channel(1);
                thread::spawn(move || read_stdin(&sender));
                Lines::Piped(lines)
            }
            Self::Prompt { editor, history } => {
                let (sender, lines) = mpsc::unbounded_channel();
                thread::spawn(move || read_prompt(*editor, history, &sender));
                Lines::Typed(lines)
            }
        }
    }
}

fn read_stdin(lines: &mpsc::Sender<String>) {
    for line in io::stdin().lock().lines() {
        let Ok(line) = line else { return };
        if lines.blocking_send(line).is_err() {
            return;
        }
    }
}

/// Reads until the person has had enough. The end of `lines` tells that the terminal is as it was.
fn read_prompt(mut editor: Editor<(), FileHistory>, history: Option<PathBuf>, lines: &mpsc::UnboundedSender<String>) {
    loop {
        match editor.readline("> ") {
            Ok(line) => {
                // A history that cannot be kept is no reason to stop.
                let _ = editor.add_history_entry(line.as_str());
                if command::parse(&line) == Ok(Command::Quit) || lines.send(line).is_err() {
                    break;
                }
            }
            // Ctrl-C throws the line away.
            Err(ReadlineError::Interrupted) => {}
            Err(_) => break,
        }
    }
    if let Some(file) = history {
        if let Some(dir) = file.parent() {
            let _ = fs::create_dir_all(dir);
        }
        let _ = editor.save_history(&file);
    }
}
