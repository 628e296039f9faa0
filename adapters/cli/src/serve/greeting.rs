//! What the server says when it listens: where it is, and what to try.

use super::metrics::Metrics;
use super::options::Serve;
use crate::remote::DialectName;
use crate::text::say;
use bowline_tokio::{Address, BoundServer, TokioRuntime};
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};

impl Serve {
    pub(super) fn greet(&self, server: &BoundServer<TokioRuntime>, metrics: Option<&Metrics>) -> io::Result<()> {
        let mut out = io::stdout().lock();
        let dialect = self.dialect.as_str();
        for address in server.addresses() {
            writeln!(out, "listening on {}", url(address))?;
        }
        if let Some(metrics) = metrics {
            writeln!(out, "metrics on http://{}/metrics", metrics.address())?;
        }
        writeln!(out, "paths: /echo and /demo ({dialect}), /strict (strict)")?;
        if self.fake_media_server {
            writeln!(out, "       /kurento (a pretended Kurento Media Server)")?;
        }
        let flag = match self.dialect {
            DialectName::Kurento => "",
            DialectName::Strict => " --dialect strict",
        };
        if let Some(address) = server.addresses().find_map(Address::tcp) {
            writeln!(out, "try:   bowline call{flag} {}/echo echo '{{\"text\":\"hi\"}}'", url(&Address::Tcp(reachable(address))))?;
        }
        out.flush()?;
        if server.addresses().filter_map(Address::tcp).any(|address| !address.ip().is_loopback()) {
            say("note: other machines may reach this address, and the demo server lets in whoever asks");
        }
        Ok(())
    }
}

fn url(address: &Address) -> String {
    match address.tcp() {
        Some(address) => format!("ws://{address}"),
        None => address.to_string(),
    }
}

/// An address of this machine on which `address` can be reached, if that stands for all of them.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::from([127, 0, 0, 1]),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    SocketAddr::new(ip, address.port())
}
