//! A server in a process of its own, so that its memory, its descriptors and its time are its own.

use super::{own_memory, own_time};
use std::io::{self, BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How a program is told to be the server: it binds, and calls [`stay`].
pub const SERVE: &str = "--serve";

/// The process in which a server runs. It ends with this value.
#[derive(Debug)]
pub struct Apart {
    child: Child,
    address: SocketAddr,
}

impl Apart {
    /// Runs `program` with [`SERVE`] and more `arguments`, and waits until it says where it listens.
    ///
    /// # Errors
    ///
    /// If it cannot be run, or ends before.
    pub fn start(program: &Path, arguments: &[&str]) -> io::Result<Self> {
        let child = Command::new(program).arg(SERVE).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        // From here on the process ends with the value.
        let mut server = Self { child, address: (Ipv4Addr::LOCALHOST, 0).into() };
        let mut line = String::new();
        if let Some(out) = server.child.stdout.take() {
            BufReader::new(out).read_line(&mut line)?;
        }
        let port = line.trim().parse().map_err(|_| io::Error::other("the server did not start"))?;
        server.address.set_port(port);
        Ok(server)
    }

    /// Its number.
    #[must_use]
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Bytes of memory that are its own: [`own_memory`].
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub fn memory(&self) -> io::Result<u64> {
        own_memory(self.process())
    }

    /// The processors' time that it has used: [`own_time`].
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub fn time(&self) -> io::Result<Duration> {
        own_time(self.process())
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Says where this process listens, and waits until the standard input ends: with whoever started this process it ends, too. Blocks its thread.
///
/// # Errors
///
/// If nobody can be told.
pub fn stay(address: SocketAddr) -> io::Result<()> {
    println!("{}", address.port());
    io::stdin().read(&mut [0]).map(drop)
}
