//! What the sessions of a server hold, each and all together.

use super::{Role, SessionTask};
use crate::metrics::Limit;
use crate::runtime::Runtime;
use std::sync::atomic::Ordering;

/// It is counted in steps of this, so that the everyday message touches nothing that is shared.
const STEP: usize = 4096;

impl<R: Runtime> SessionTask<R> {
    /// Counts what this one holds, and sees that all together keep no more for their peers than they may.
    pub(super) fn count(&mut self) {
        let Role::Server(side) = &self.role else { return };
        let (usage, limits) = (self.endpoint.usage(), &side.home.config.limits);
        self.metrics.holds(usage.outbox_bytes);
        self.metrics.runs_into(Limit::InFlight, usage.in_flight >= limits.in_flight || usage.queued_bytes >= limits.queued_bytes);
        self.metrics.runs_into(Limit::Outbox, !self.endpoint.has_room());
        let bytes = (usage.outbox_bytes + self.session.shared.mailbox.answer_bytes()) / STEP * STEP;
        if bytes == self.session.shared.replay.load(Ordering::Relaxed) {
            return;
        }
        if side.home.registry.keeps(&self.session.shared, bytes) {
            let closed = side.home.registry.relieve();
            for _ in 0..closed {
                self.metrics.limit_hit(Limit::ReplayBytes);
            }
            if closed > 0 {
                tracing::warn!(closed, "all sessions together keep too much for their peers");
            }
        }
    }
}
