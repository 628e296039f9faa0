use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Nothing that is waited for may take longer.
const LIMIT: Duration = Duration::from_secs(30);

pub(crate) fn bowline() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bowline"));
    // What happens to stand in the environment of the tests is none of their business.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("BOWLINE_")) {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs the program to its end.
pub(crate) fn run(arguments: &[&str]) -> Ended {
    finish(bowline().args(arguments).spawn().unwrap())
}

/// Runs the program to its end, with this input.
pub(crate) fn run_with_input(arguments: &[&str], input: &str) -> Ended {
    let mut child = bowline().args(arguments).stdin(Stdio::piped()).spawn().unwrap();
    // One that has failed already does not read any more.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    finish(child)
}

/// A program that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// Fails with everything that the program has said, unless it ended with this code.
    #[track_caller]
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    pub(crate) fn lines(&self) -> Vec<&str> {
        self.stdout.lines().collect()
    }
}

pub(crate) fn finish(child: Child) -> Ended {
    let pid = child.id();
    let output = within("the program to end", move || child.wait_with_output().unwrap()).unwrap_or_else(|late| {
        signal(pid, "KILL");
        panic!("{late}");
    });
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn within<T: Send + 'static>(what: &str, wait: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    let (sender, done) = mpsc::channel();
    thread::spawn(move || sender.send(wait()));
    done.recv_timeout(LIMIT).map_err(|_| format!("waited too long for {what}"))
}

pub(crate) fn signal(pid: u32, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap().success());
}

/// `bowline serve` on a free port, until it is dropped.
pub(crate) struct Server {
    child: Option<Child>,
    stdout: BufReader<ChildStdout>,
    pub(crate) greeting: Vec<String>,
    address: String,
}

impl Server {
    pub(crate) fn start(flags: &[&str]) -> Self {
        Self::run(bowline().args(["serve", "--listen", "127.0.0.1:0"]).args(flags))
    }

    /// Runs a command line that ends up listening on a TCP port.
    pub(crate) fn run(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let (stdout, greeting) = within("the server's greeting", move || {
            let mut greeting = Vec::new();
            // The line to try is the last.
            while !greeting.last().is_some_and(|line: &String| line.starts_with("try:")) {
                let mut line = String::new();
                assert!(stdout.read_line(&mut line).unwrap() > 0, "the server ended after {greeting:?}");
                greeting.push(line.trim_end().to_owned());
            }
            (stdout, greeting)
        })
        .unwrap();
        let address = greeting[0].strip_prefix("listening on ").unwrap().to_owned();
        Self { child: Some(child), stdout, greeting, address }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }

    /// `HOST:PORT`
    pub(crate) fn host(&self) -> &str {
        self.address.split_once("://").unwrap().1
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, name: &str) {
        signal(self.child.as_ref().unwrap().id(), name);
    }

    /// Waits for the first thing that it says on stderr.
    pub(crate) fn first_word_on_stderr(&mut self) -> String {
        let mut stderr = BufReader::new(self.child.as_mut().unwrap().stderr.take().unwrap());
        within("a word on stderr", move || {
            let mut line = String::new();
            stderr.read_line(&mut line).unwrap();
            line
        })
        .unwrap()
    }

    /// Sends it a signal and waits for its end.
    pub(crate) fn stop(mut self, signal_name: &str) -> Ended {
        self.signal(signal_name);
        let mut ended = finish(self.child.take().unwrap());
        self.stdout.read_to_string(&mut ended.stdout).unwrap();
        ended
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A port on which nobody listens.
pub(crate) fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
