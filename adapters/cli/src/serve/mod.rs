mod call_methods;
mod greeting;
mod logging;
mod media_objects;
mod media_server;
mod metrics;
mod options;
mod push_methods;
mod request_log;
mod session_methods;
mod signals;
mod tasks;

use crate::failure::Failure;
use crate::text::say;
use bowline_tokio::{BoundServer, Dialect, Router, Server, ServerHandle, ServerLimits, TokioRuntime};
use metrics::Metrics;
pub(crate) use options::Serve;
use signals::Signals;
use std::io;
use tasks::Tasks;

impl Serve {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        logging::start(self.log.clone(), self.log_format);
        // Before anybody can be told that the server listens, and so might stop it.
        let mut signals = Signals::listen().map_err(|error| Failure::Other(format!("cannot wait for signals: {error}")))?;
        // Before there is a server that could count.
        let metrics = match &self.metrics {
            Some(address) => Some(Metrics::start(address).await?),
            None => None,
        };
        let server = self.bind().await?;
        // Nobody may be reading; the server is of use all the same.
        let _ = self.greet(&server, metrics.as_ref());
        if let Some(metrics) = metrics {
            tokio::spawn(metrics.serve());
        }

        let handle = server.handle();
        let serving = tokio::spawn(server.serve());
        signals.next().await;
        say("stopping; once more to stop at once");
        let stopped = self.stop(&handle, &mut signals).await;
        serving.abort();
        stopped
    }

    async fn bind(&self) -> Result<BoundServer<TokioRuntime>, Failure> {
        let server = self.server();
        let (first, more) = self.listen.split_first().ok_or_else(|| Failure::Usage("there is nothing to listen on".into()))?;
        let failed = |address: &str, error: &io::Error| Failure::Other(why_not(address, error));
        let mut bound = server.bind(first).await.map_err(|error| failed(first, &error))?;
        for address in more {
            bound = bound.bind(address).await.map_err(|error| failed(address, &error))?;
        }
        Ok(bound)
    }

    fn server(&self) -> Server<TokioRuntime> {
        let mut limits = ServerLimits::default();
        if let Some(max) = self.max_sessions {
            limits.max_sessions = max.get();
        }
        let tasks = Tasks::default();
        let mut server = bowline_tokio::server().limits(limits);
        for path in ["/echo", "/demo"] {
            server = server.path_with(path, self.path_options(self.dialect.into()), self.demo(&tasks));
        }
        server = server.path_with("/strict", self.path_options(Dialect::Strict), self.demo(&tasks));
        if self.fake_media_server {
            let router = self.request_log().on(media_server::router(&tasks));
            server = server.path_with("/kurento", self.path_options(Dialect::Kurento), router);
        }
        server
    }

    fn demo(&self, tasks: &Tasks) -> Router {
        let router = call_methods::add_to(Router::new());
        let router = session_methods::add_to(router);
        self.request_log().on(push_methods::add_to(router, tasks))
    }

    async fn stop(&self, handle: &ServerHandle, signals: &mut Signals) -> Result<(), Failure> {
        tokio::select! {
            () = handle.shutdown(self.shutdown_timeout) => Ok(()),
            () = signals.next() => Err(Failure::Other("stopped before all sessions were closed".into())),
        }
    }
}

/// Why the server cannot listen there, and what helps.
fn why_not(listen: &str, error: &io::Error) -> String {
    let advice = [
        (io::ErrorKind::AddrInUse, "another program has this port; stop it, or take another port: --listen 127.0.0.1:0 finds a free one"),
        (io::ErrorKind::PermissionDenied, "this port is not for everybody; take one above 1023"),
        (io::ErrorKind::AddrNotAvailable, "no network interface of this machine has this address; try 127.0.0.1, or 0.0.0.0 for all"),
    ];
    let advice = advice.into_iter().find(|(kind, _)| *kind == error.kind());
    let advice = advice.map_or("an address is HOST:PORT, as in 127.0.0.1:8888 or [::1]:8888", |(_, advice)| advice);
    format!("cannot listen on {listen}: {error}\n{advice}")
}
