//! Requests for one session that are not who they were, or not there any more.
#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is the failure")]

use super::line::{Applicant, Attached, Line, Ticket};
use bowline_sockjs::{Receiving, Reception, Settings, Transmit};
use std::task::{Context, Poll, Waker};

const CX: Context<'static> = Context::from_waker(Waker::noop());

fn attach(applicant: &Applicant<'_>, receiving: Receiving) -> Poll<Attached> {
    applicant.poll_attach(&CX, &Reception::of(receiving, None).unwrap())
}

fn attached(line: &Line, receiving: Receiving) -> Ticket {
    let Poll::Ready(Attached::Here(ticket)) = attach(&line.apply(), receiving) else { panic!("not attached") };
    ticket
}

/// What the request gets now.
fn frame(line: &Line, ticket: Ticket) -> Option<(String, Transmit)> {
    let mut out = Vec::new();
    match line.poll_transmit(&CX, ticket, &mut out) {
        Poll::Ready(transmit) => Some((String::from_utf8(out).unwrap(), transmit.unwrap())),
        Poll::Pending => None,
    }
}

/// A session with a poll whose response may be under way still.
fn answered() -> (Line, Ticket) {
    let line = Line::new(Settings::default(), None);
    let ticket = attached(&line, Receiving::Xhr);
    assert_eq!(frame(&line, ticket), Some(("o\n".into(), Transmit::Last)));
    (line, ticket)
}

#[test]
fn one_may_wait_and_leaves_its_turn_when_it_goes() {
    let (line, ticket) = answered();
    let first = line.apply();
    assert!(attach(&first, Receiving::Xhr).is_pending());
    let second = line.apply();
    assert!(matches!(attach(&second, Receiving::Xhr), Poll::Ready(Attached::Refused(_))));
    // One that has been refused takes no turn along but its own.
    drop(second);
    assert!(matches!(attach(&line.apply(), Receiving::Xhr), Poll::Ready(Attached::Refused(_))));
    drop(first);
    let third = line.apply();
    assert!(attach(&third, Receiving::Xhr).is_pending());
    line.written(ticket);
    assert!(matches!(attach(&third, Receiving::Xhr), Poll::Ready(Attached::Here(_))));
}

#[test]
fn what_becomes_of_a_request_that_was_given_up_is_nothing_to_the_next() {
    let (line, stale) = answered();
    line.written(stale);
    let ticket = attached(&line, Receiving::XhrStreaming);
    let (prelude, _) = frame(&line, ticket).unwrap();
    assert!(prelude.starts_with('h'));
    // Not written as far as this one knows, and there.
    line.written(stale);
    line.progressed(stale);
    line.receiver_gone(stale);
    assert!(line.poll_given_up(&CX, stale).is_ready());
    assert!(matches!(line.poll_transmit(&CX, stale, &mut Vec::new()), Poll::Ready(None)));
    assert!(line.poll_given_up(&CX, ticket).is_pending());
    line.written(ticket);
    assert!(frame(&line, ticket).is_none());
}
