mod call_methods;
mod certificate;
mod greeting;
mod listen;
mod logging;
mod media_objects;
mod media_server;
mod metrics;
mod options;
mod origin;
mod push_methods;
mod request_log;
mod session_methods;
mod signals;
mod tasks;

use crate::failure::Failure;
use crate::text::say;
use bowline_tokio::{Dialect, Router, Server, ServerHandle, ServerLimits, ShutdownReport, TokioRuntime};
use certificate::Certificate;
use metrics::Metrics;
pub(crate) use options::Serve;
use signals::{Signal, Signals};
use tasks::Tasks;

impl Serve {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        logging::start(self.log.clone(), self.log_format);
        self.check()?;
        // Before anybody can be told that the server listens, and so might stop it.
        let mut signals = Signals::listen().map_err(|error| Failure::Other(format!("cannot wait for signals: {error}")))?;
        // Before there is a server that could count.
        let metrics = match &self.metrics {
            Some(address) => Some(Metrics::start(address).await?),
            None => None,
        };
        let certificate = self.certificate()?;
        let tls = certificate.as_ref().map(Certificate::tls);
        let server = listen::bind(self.server(), &self.listen, tls).await?;
        // Nobody may be reading; the server is of use all the same.
        let _ = self.greet(&server, certificate.as_ref(), metrics.as_ref());
        if let Some(metrics) = metrics {
            tokio::spawn(metrics.serve());
        }

        let handle = server.handle();
        let serving = tokio::spawn(server.serve());
        while let Signal::Reload = signals.next().await {
            reload(certificate.as_ref());
        }
        say("stopping; once more to stop at once");
        let stopped = self.stop(&handle, &mut signals).await;
        serving.abort();
        // The file of a Unix socket goes with it, and the program does not go before that.
        let _ = serving.await;
        stopped
    }

    fn server(&self) -> Server<TokioRuntime> {
        let tasks = Tasks::default();
        let mut server = bowline_tokio::server().limits(ServerLimits::from(&self.limits));
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
        let once_more = async { while let Signal::Reload = signals.next().await {} };
        tokio::select! {
            report = handle.shutdown(self.shutdown_timeout) => {
                say(&summary(&report));
                Ok(())
            }
            () = once_more => Err(Failure::Other(format!("stopped before all was finished; sessions still open: {}", handle.session_count()))),
        }
    }
}

/// What a clean stop came to.
fn summary(report: &ShutdownReport) -> String {
    let ShutdownReport { sessions_closed, requests_finished, requests_abandoned, connections_left, tasks_left, .. } = report;
    let mut text = format!("stopped; sessions closed: {sessions_closed}, requests finished: {requests_finished}");
    let left = [("requests given up", requests_abandoned), ("connections left", connections_left), ("handlers that block", tasks_left)];
    for (what, count) in left.into_iter().filter(|(_, count)| **count > 0) {
        text.push_str(&format!(", {what}: {count}"));
    }
    text
}

/// Reads the certificate again, as a supervisor asks for when it is a new one.
fn reload(certificate: Option<&Certificate>) {
    match certificate.map(Certificate::reload) {
        Some(Ok(())) => say("the certificate was read again; it holds for new connections"),
        Some(Err(error)) => say(&format!("warning: {error}")),
        None => say("there is no certificate to read again"),
    }
}
