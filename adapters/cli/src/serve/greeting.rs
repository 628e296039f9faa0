//! What the server says when it listens: where it is, and what to try.

use super::certificate::Certificate;
use super::metrics::Metrics;
use super::options::Serve;
use crate::remote::DialectName;
use crate::text::say;
use bowline_tokio::{Address, BoundServer, TokioRuntime};
use std::ffi::OsStr;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::MAIN_SEPARATOR;

impl Serve {
    pub(super) fn greet(
        &self,
        server: &BoundServer<TokioRuntime>,
        certificate: Option<&Certificate>,
        metrics: Option<&Metrics>,
    ) -> io::Result<()> {
        let tls = certificate.map(Certificate::tls);
        // They are bound in the order in which they were asked for.
        let places: Vec<_> = server.addresses().zip(self.listen.iter().map(|place| place.has_tls(tls))).collect();
        let mut out = io::stdout().lock();
        let dialect = self.dialect.as_str();
        for (address, tls) in &places {
            writeln!(out, "listening on {}", url(WEBSOCKET, address, *tls))?;
        }
        if let Some(fingerprint) = certificate.and_then(Certificate::fingerprint) {
            writeln!(out, "certificate: self-signed, SHA-256 {fingerprint}")?;
        }
        if let Some(metrics) = metrics {
            writeln!(out, "metrics on http://{}/metrics", metrics.address())?;
        }
        writeln!(out, "paths: /echo and /demo ({dialect}), /strict (strict)")?;
        if self.fake_media_server {
            writeln!(out, "       /kurento (a pretended Kurento Media Server)")?;
        }
        let trial = places.iter().find_map(|(address, tls)| Some((Address::Tcp(reachable(address.tcp()?)), *tls)));
        if let Some((address, tls)) = trial.as_ref().filter(|_| self.sockjs) {
            writeln!(out, "       each with SockJS: new SockJS('{}/echo')", url(["http", "https"], address, *tls))?;
        }
        let dialect = match self.dialect {
            DialectName::Kurento => "",
            DialectName::Strict => " --dialect strict",
        };
        if let Some((address, tls)) = trial {
            let insecure = if tls && self.tls_self_signed { " --insecure" } else { "" };
            let url = url(WEBSOCKET, &address, tls);
            let program = program(std::env::args_os().next().as_deref());
            writeln!(out, "try:   {program} call{dialect}{insecure} {url}/echo echo '{{\"text\":\"hi\"}}'")?;
        }
        out.flush()?;
        if server.addresses().filter_map(Address::tcp).any(|address| !address.ip().is_loopback()) {
            say("note: other machines may reach this address, and the demo server lets in whoever asks");
        }
        Ok(())
    }
}

/// How a shell starts this program again: with the path with which it was started, or by its name, which it then has on the search path.
fn program(started_as: Option<&OsStr>) -> String {
    const PLAIN: &str = "/._-+@%=:,";
    match started_as.and_then(OsStr::to_str) {
        Some(path) if path.contains(MAIN_SEPARATOR) => {
            if path.chars().all(|c| c.is_ascii_alphanumeric() || PLAIN.contains(c)) {
                path.to_owned()
            } else {
                format!("'{}'", path.replace('\'', r"'\''"))
            }
        }
        Some(_) | None => "bowline".to_owned(),
    }
}

/// Its scheme, and that with TLS.
const WEBSOCKET: [&str; 2] = ["ws", "wss"];

fn url([plain, secure]: [&str; 2], address: &Address, tls: bool) -> String {
    match address.tcp() {
        Some(address) => format!("{}://{address}", if tls { secure } else { plain }),
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

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_shell_can_start_the_program_as_it_was_started() {
        for (started_as, told) in [
            (Some("target/debug/bowline"), "target/debug/bowline"),
            (Some("/opt/our tools/bowline"), "'/opt/our tools/bowline'"),
            (Some("./it's/bowline"), r"'./it'\''s/bowline'"),
            (Some("~/bowline"), "'~/bowline'"),
            (Some("bowline"), "bowline"),
            (Some("renamed"), "bowline"),
            (None, "bowline"),
        ] {
            assert_eq!(program(started_as.map(OsStr::new)), told);
        }
    }
}
