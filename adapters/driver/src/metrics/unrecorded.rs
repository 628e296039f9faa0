//! Without the feature `metrics`: nothing is counted.

use super::{Limit, Outcome, State};
use bowline_core::{CloseReason, Instant};
use http::StatusCode;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Occupancy(());

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Method(());

#[derive(Clone, Debug)]
pub(crate) struct ServerMetrics(());

#[derive(Clone, Debug, Default)]
pub(crate) struct PathMetrics(());

#[derive(Debug, Default)]
pub(crate) struct SessionMetrics(());

impl Occupancy {
    pub(crate) fn enter(&self) {}
    pub(crate) fn leave(&self) {}
}

impl ServerMetrics {
    pub(crate) fn new() -> Self {
        Self(())
    }
    pub(crate) fn connections(&self) -> Occupancy {
        Occupancy(())
    }
    pub(crate) fn handshakes(&self) -> Occupancy {
        Occupancy(())
    }
    pub(crate) fn connected(&self) {}
    pub(crate) fn refused(&self, _: StatusCode) {}
    pub(crate) fn accept_failed(&self) {}
    pub(crate) fn limit_hit(&self, _: Limit) {}
    pub(crate) fn path(&self, _: &str, _: &[&str]) -> PathMetrics {
        PathMetrics(())
    }
}

impl PathMetrics {
    pub(crate) fn session(&self) -> SessionMetrics {
        SessionMetrics(())
    }
}

impl SessionMetrics {
    pub(crate) fn method(&self, _: &str) -> Method {
        Method(())
    }
    pub(crate) fn request(&self, _: Method, _: Outcome, _: Instant) {}
    pub(crate) fn is(&mut self, _: Option<State>) {}
    pub(crate) fn opened(&self) {}
    pub(crate) fn closed(&self, _: Option<CloseReason>) {}
    pub(crate) fn resumed(&self, _: impl FnOnce() -> (usize, usize)) {}
    pub(crate) fn watchdog_closed(&self) {}
    pub(crate) fn limit_hit(&self, _: Limit) {}
    pub(crate) fn runs_into(&mut self, _: Limit, _: bool) {}
    pub(crate) fn holds(&mut self, _: usize) {}
}
