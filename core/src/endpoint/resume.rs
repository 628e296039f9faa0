//! What the two sides say of themselves when a session begins or goes on with resumption: the member `resume` of `connect` and of its answer (PROTOCOL 6).

use crate::config::{DEFAULT_GRACE, DEFAULT_MESSAGE_BYTES, DEFAULT_OUTBOX_BYTES, DEFAULT_OUTBOX_MESSAGES};
use crate::{Limits, json};
use alloc::format;
use alloc::string::String;
use core::time::Duration;

/// How much a side keeps for its peer before it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Buffer {
    pub(super) messages: usize,
    pub(super) bytes: usize,
}

impl Buffer {
    /// Of a side that does not say.
    pub(super) const USUAL: Self = Self { messages: DEFAULT_OUTBOX_MESSAGES, bytes: DEFAULT_OUTBOX_BYTES };

    pub(super) fn of(limits: &Limits) -> Self {
        Self { messages: limits.outbox_messages, bytes: limits.outbox_bytes }
    }

    /// As much of it as a side with these limits reads on for: no more than the usual buffer holds, or its own.
    pub(super) fn within(self, limits: &Limits) -> Self {
        let own = Self::of(limits);
        Self {
            messages: self.messages.min(own.messages.max(Self::USUAL.messages)),
            bytes: self.bytes.min(own.bytes.max(Self::USUAL.bytes)),
        }
    }
}

/// What the peer says.
#[derive(Debug)]
pub(super) struct Told {
    /// Messages that it has received in this session.
    pub(super) received: u64,
    /// How much of that it acknowledges, if it is less.
    pub(super) acknowledged: Option<u64>,
    /// Bytes of the longest message that it takes.
    pub(super) takes: usize,
    pub(super) buffer: Buffer,
    /// How long a server keeps the session without a transport.
    pub(super) grace: Duration,
}

impl Told {
    /// Of the params of `connect`, or of its result: `None` if there is no such member.
    pub(super) fn parse(raw: &str) -> Result<Option<Self>, String> {
        let Some(resume) = json::member(raw, "resume").filter(|raw| *raw != "null") else { return Ok(None) };
        let count = |name| json::member(resume, name).map(json::count_of).transpose().map_err(|why| format!("resume.{name}: {why}"));
        let size = |name, usual| Ok::<_, String>(count(name)?.map_or(usual, |size| usize::try_from(size).unwrap_or(usize::MAX)));
        Ok(Some(Self {
            received: count("received")?.ok_or("resume.received: missing")?,
            acknowledged: count("acknowledged")?,
            takes: size("max", DEFAULT_MESSAGE_BYTES)?,
            buffer: Buffer { messages: size("messages", Buffer::USUAL.messages)?, bytes: size("bytes", Buffer::USUAL.bytes)? },
            grace: count("grace")?.map_or(DEFAULT_GRACE, Duration::from_millis),
        }))
    }
}

/// The member as we say it: only `received` goes without exception, the rest if it is not the usual. `grace` is a server's.
pub(super) fn member(received: u64, acknowledged: u64, limits: &Limits, grace: Option<Duration>) -> String {
    let mut text = format!("\"resume\":{{\"received\":{received}");
    if acknowledged < received {
        text.push_str(&format!(",\"acknowledged\":{acknowledged}"));
    }
    let buffer = Buffer::of(limits);
    let sizes = [
        ("max", limits.message_bytes, DEFAULT_MESSAGE_BYTES),
        ("messages", buffer.messages, Buffer::USUAL.messages),
        ("bytes", buffer.bytes, Buffer::USUAL.bytes),
    ];
    for (name, size, usual) in sizes {
        if size != usual {
            text.push_str(&format!(",\"{name}\":{size}"));
        }
    }
    if let Some(grace) = grace.filter(|grace| *grace != DEFAULT_GRACE) {
        text.push_str(&format!(",\"grace\":{}", u64::try_from(grace.as_millis()).unwrap_or(u64::MAX)));
    }
    text.push('}');
    text
}
