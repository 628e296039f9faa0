//! Who is measured, and how each server is started.

use crate::frame;
use crate::servers::Kind;
use crate::system::{self, Cores};
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A server, and the way in which the load talks to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) program: Program,
    pub(crate) talk: Talk,
}

/// What is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// This program, as a server.
    Own(Kind),
    /// npm's rpc-websockets.
    RpcWebsockets,
    /// Kurento's Java server, as tests/interop/java builds it.
    KurentoJava,
}

/// How a client behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Talk {
    /// Requests, and nothing else.
    Plain,
    /// A session in the strict dialect.
    Strict(Resumption),
    /// A session in Kurento's dialect: params and results carry its id, as from Kurento's own clients.
    Kurento(Resumption),
}

/// Whether a client offers resumption, and acknowledges what it receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resumption {
    On,
    Off,
}

/// What all others are compared with.
pub(crate) const REFERENCE: &str = "hand-json";

/// All, the reference first.
pub(crate) const ALL: &[Contender] = &[
    own(REFERENCE, Kind::HandJson, Talk::Plain),
    own("hand-json smol", Kind::HandJsonSmol, Talk::Plain),
    own("bowline tokio strict", Kind::BowlineTokio, Talk::Strict(Resumption::Off)),
    own("bowline tokio strict + resumption", Kind::BowlineTokio, Talk::Strict(Resumption::On)),
    own("bowline tokio kurento", Kind::BowlineTokio, Talk::Kurento(Resumption::Off)),
    own("bowline tokio kurento + resumption", Kind::BowlineTokio, Talk::Kurento(Resumption::On)),
    own("bowline tokio multi strict", Kind::BowlineTokioMulti, Talk::Strict(Resumption::Off)),
    own("bowline smol strict", Kind::BowlineSmol, Talk::Strict(Resumption::Off)),
    own("tungstenite echo", Kind::Tungstenite, Talk::Plain),
    own("fastwebsockets echo", Kind::Fastwebsockets, Talk::Plain),
    own("jsonrpsee", Kind::Jsonrpsee, Talk::Plain),
    Contender { name: "rpc-websockets", program: Program::RpcWebsockets, talk: Talk::Plain },
    Contender { name: "kurento java", program: Program::KurentoJava, talk: Talk::Kurento(Resumption::Off) },
];

const fn own(name: &'static str, kind: Kind, talk: Talk) -> Contender {
    Contender { name, program: Program::Own(kind), talk }
}

impl Contender {
    pub(crate) fn is_bowline(&self) -> bool {
        match self.program {
            Program::Own(kind) => kind.is_bowline(),
            Program::RpcWebsockets | Program::KurentoJava => false,
        }
    }

    pub(crate) fn is_rust(&self) -> bool {
        match self.program {
            Program::Own(_) => true,
            Program::RpcWebsockets | Program::KurentoJava => false,
        }
    }

    /// The processor time after which it is as fast as it gets.
    pub(crate) fn warm_up(&self) -> Duration {
        match self.program {
            Program::Own(_) => Duration::ZERO,
            Program::RpcWebsockets => Duration::from_secs(2),
            Program::KurentoJava => Duration::from_secs(15),
        }
    }

    /// Starts its server on the server's core, and waits until it listens.
    ///
    /// # Errors
    ///
    /// It cannot be started: why is the reason to leave it out.
    pub(crate) fn start(&self, cores: Cores) -> Result<Server> {
        let mut command = match self.program {
            Program::Own(kind) => {
                let mut command = Command::new(std::env::current_exe()?);
                command.args(["server", kind.name(), "--core", &cores.server.to_string()]);
                command
            }
            Program::RpcWebsockets => {
                let folder = root().join("tests/bench/node");
                installed("node")?;
                if !folder.join("node_modules/.package-lock.json").exists() {
                    installed("npm")?;
                    let done = Command::new("npm").args(["ci", "--no-audit", "--no-fund", "--silent"]).current_dir(&folder).status()?;
                    if !done.success() {
                        bail!("npm could not install rpc-websockets");
                    }
                }
                pinned(cores, "node", &[&folder.join("server.mjs").to_string_lossy()])?
            }
            Program::KurentoJava => {
                installed("java")?;
                let jar = root().join("tests/interop/java/target/demo-server.jar");
                if !jar.exists() {
                    bail!("its server is not built: tests/interop/java/run.sh build");
                }
                pinned(cores, "java", &["-jar", &jar.to_string_lossy(), "serve"])?
            }
        };
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let out = child.stdout.take().context("a server without output")?;
        let mut server = Server { child, address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), path: self.path() };
        // It says its port in the first line that ends with one: `4711`, or `listening on ws://127.0.0.1:4711/demo`.
        let mut lines = BufReader::new(out).lines();
        let port = loop {
            let line = lines.next().context("the server ended without saying its port")??;
            let text = line.rsplit(':').next().unwrap_or(&line);
            if let Ok(port) = text.split('/').next().unwrap_or(text).trim().parse::<u16>() {
                break port;
            }
        };
        server.address.set_port(port);
        // What it says later must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(server)
    }

    fn path(&self) -> &'static str {
        match (self.program, self.talk) {
            (Program::KurentoJava, _) => "/demo",
            (_, Talk::Plain) => "/",
            (_, Talk::Strict(_)) => "/strict",
            (_, Talk::Kurento(_)) => "/kurento",
        }
    }
}

fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn installed(program: &str) -> Result<()> {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    found.map(drop).with_context(|| format!("no {program}"))
}

fn pinned(cores: Cores, program: &str, arguments: &[&str]) -> Result<Command> {
    installed("taskset")?;
    let mut command = Command::new("taskset");
    command.args(["-c", &cores.server.to_string(), program]).args(arguments);
    Ok(command)
}

/// A server's process. Dropped, it is killed.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    path: &'static str,
}

impl Server {
    /// A connection that has been made a WebSocket. It blocks.
    pub(crate) fn connect(&self) -> Result<TcpStream> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        frame::upgrade(&mut stream, self.path)?;
        Ok(stream)
    }

    /// Processor time so far.
    pub(crate) fn processor_time(&self) -> Result<Duration> {
        system::processor_time(self.child.id())
    }

    /// Bytes of its own memory in RAM, once it has come to rest.
    pub(crate) fn memory(&self) -> Result<u64> {
        const RESTED: u32 = 10;
        let (mut last, mut same) = ((0, Duration::ZERO), 0);
        // A server that never rests is taken as it is.
        for _ in 0..200 {
            let now = (system::memory(self.child.id())?, self.processor_time()?);
            let rests = now.0 == last.0 && now.1.saturating_sub(last.1) < Duration::from_micros(500);
            same = if rests { same + 1 } else { 0 };
            last = now;
            if same == RESTED {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(last.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing is lost with it, and nobody could do anything.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
