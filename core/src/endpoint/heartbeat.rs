//! A client's pings: the heartbeat, and telling what has arrived (PROTOCOL 4 and 6).

use super::client::{Client, Ping};
use super::outbox::Keep;
use super::{Endpoint, Link, Role, Timer};
use crate::message::{Body, Reply};
use crate::{Instant, json, write};
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

/// With resumption and without a heartbeat, the peer is told what arrived this long after it did.
const TELL_DELAY: Duration = Duration::from_secs(5);
/// With a full buffer, the peer is asked again this long after it acknowledged too little.
const ASK_DELAY: Duration = Duration::from_millis(200);
/// How long the answer to a ping of that kind is waited for.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

impl Client {
    fn pong_timeout(&self) -> Duration {
        self.config.ping_timeout.or(self.heartbeat).unwrap_or(ANSWER_TIMEOUT)
    }
}

impl<T> Endpoint<T> {
    pub(super) fn heartbeat_starts(&mut self, now: Instant) {
        let Some(client) = self.as_client() else { return };
        let Some(interval) = client.heartbeat else { return };
        if client.ping.is_some() {
            // One at a time: a pong that nobody waits for any more would be counted as a message.
            client.announces = true;
        } else {
            self.send_ping(now, Some(interval));
        }
        self.timers.set(Timer::Ping, now, interval);
    }

    /// A ping that is out is given as long as the next ones will be, from now on.
    pub(super) fn expect_pong(&mut self, now: Instant) {
        let Some(client) = self.as_client() else { return };
        let timeout = client.pong_timeout();
        if client.ping.is_some() && self.link == Link::Up {
            self.timers.set(Timer::Pong, now, timeout);
        }
    }

    pub(super) fn ping_is_due(&mut self, now: Instant) {
        let Some(client) = self.as_client() else { return };
        let (interval, outstanding) = (client.heartbeat, client.ping.is_some());
        if !outstanding {
            self.send_ping(now, None);
        }
        if let Some(interval) = interval {
            self.timers.set(Timer::Ping, now, interval);
        }
    }

    fn send_ping(&mut self, now: Instant, announce: Option<Duration>) {
        let id = self.calls.next_id();
        let resumable = self.outbox.keep() == Keep::All;
        let excess = self.owed.excess(self.limits());
        let received = self.inbox.tell_but(excess);
        let numbered = self.outbox.numbered();
        let Some(client) = self.as_client() else { return };
        client.numbered_at_ping = numbered;
        client.ping = Some(Ping { id });
        let timeout = client.pong_timeout();
        let mut params = String::new();
        if let Some(interval) = announce {
            params.push_str(&alloc::format!("\"interval\":{}", u64::try_from(interval.as_millis()).unwrap_or(u64::MAX).max(1)));
        }
        if resumable {
            params.push_str(&alloc::format!("{}\"received\":{received}", if params.is_empty() { "" } else { "," }));
        }
        let params = (!params.is_empty()).then(|| alloc::format!("{{{params}}}"));
        let mut text = Vec::new();
        write::request(&mut text, Some(id), "ping", params.as_deref());
        self.push_control(text);
        self.timers.set(Timer::Pong, now, timeout);
    }

    pub(super) fn pong(&mut self, now: Instant, reply: &Reply<'_>) {
        let Body::Result(raw) = reply.body else { return };
        if let Some(received) = json::member(raw.text, "received").and_then(|raw| json::count_of(raw).ok())
            && self.outbox.acknowledge(received).is_err()
        {
            return self.mismatch(now);
        }
        self.consider_telling(now);
    }

    /// With resumption: ping when the server should know what has arrived, or we should know what it has. A server has only its answers to tell with.
    pub(super) fn consider_telling(&mut self, now: Instant) {
        let Role::Client(_) = self.role else { return };
        if self.outbox.keep() != Keep::All || self.link != Link::Up {
            return;
        }
        let limits = self.limits();
        let (messages, bytes) = self.outbox.unacknowledged();
        let half_full = messages >= limits.outbox_messages.div_ceil(2) || bytes >= limits.outbox_bytes.div_ceil(2);
        let overdue = self.inbox.is_overdue(self.owed.excess(limits));
        let full = messages >= limits.outbox_messages || bytes >= limits.outbox_bytes;
        let (told, numbered) = (self.inbox.is_told(), self.outbox.numbered());
        let Some(client) = self.as_client() else { return };
        if client.ping.is_some() {
            return;
        }
        let rare = client.heartbeat.is_some_and(|interval| interval > TELL_DELAY);
        if overdue || (half_full && numbered > client.numbered_at_ping) {
            self.send_ping(now, None);
        } else if full {
            // Everything waits for this acknowledgement.
            self.timers.set_earlier(Timer::Ping, now, ASK_DELAY);
        } else if (!told || self.outbox.messages() > 0) && (rare || !self.timers.is_set(Timer::Ping)) {
            self.timers.set_earlier(Timer::Ping, now, TELL_DELAY);
        }
    }
}
