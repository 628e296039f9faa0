use super::state::{POST_BYTES, POSTS};
use super::*;
use crate::session::call::call_ends;
use bowline_core::{Endpoint, Received, SessionId};
use std::future::Future;
use std::pin::pin;

const CLOSED: Ending = Ending::Closed(CloseReason::Application);

fn notification() -> Ordered {
    Ordered::Notify { by: 0, method: "n".into(), params: None }
}

fn label(item: &Ordered) -> String {
    match item {
        Ordered::Call { by, .. } | Ordered::Notify { by, .. } => format!("post of {by}"),
        Ordered::Answer { by, .. } => format!("answer {by}"),
    }
}

fn full() -> Mailbox {
    let mailbox = Mailbox::new();
    while mailbox.try_post(notification()).is_ok() {}
    mailbox
}

fn cx() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

fn at(seconds: u64) -> Instant {
    Instant::after_origin(Duration::from_secs(seconds))
}

#[test]
fn posts_are_bounded_and_whoever_waits_longest_goes_first() {
    let mailbox = full();
    assert_eq!(mailbox.try_post(notification()), Err(PostError::Full));
    let (mut first, mut second) = (Ticket::default(), Ticket::default());
    let (mut a, mut b) = (Some(notification()), Some(notification()));
    assert!(mailbox.poll_post(&cx(), &mut first, &mut a, None).is_pending());
    assert!(mailbox.poll_post(&cx(), &mut second, &mut b, None).is_pending());
    assert!(mailbox.next_ordered(false).is_none());
    assert!(mailbox.next_ordered(true).is_some());
    assert_eq!(mailbox.try_post(notification()), Err(PostError::Full), "the place is the first's");
    assert!(mailbox.poll_post(&cx(), &mut second, &mut b, None).is_pending());
    assert_eq!(mailbox.poll_post(&cx(), &mut first, &mut a, None), Poll::Ready(Ok(())));
    mailbox.give_up(&mut second);
    assert!(mailbox.next_ordered(true).is_some());
    assert_eq!(mailbox.try_post(notification()), Ok(()), "who gives up leaves the place to others");
}

#[test]
fn posts_are_bounded_by_their_bytes_and_the_one_that_crosses_the_line_is_taken() {
    let mailbox = Mailbox::new();
    let large = || Ordered::Notify { by: 0, method: "n".repeat(POST_BYTES - 1).into(), params: None };
    assert_eq!(mailbox.try_post(large()), Ok(()));
    assert_eq!(mailbox.try_post(large()), Ok(()), "it crosses the line");
    assert_eq!(mailbox.try_post(notification()), Err(PostError::Full));
    let mut tickets = [Ticket::default(), Ticket::default()];
    let mut waits = |at: usize| mailbox.poll_post(&cx(), &mut tickets[at], &mut Some(notification()), None);
    assert!(waits(0).is_pending() && waits(1).is_pending());
    let taken = mailbox.next_ordered(true).unwrap();
    assert!(waits(0).is_ready() && waits(1).is_pending(), "each that goes lets one come");
    mailbox.put_back(taken);
    assert_eq!(std::iter::from_fn(|| mailbox.next_ordered(true)).count(), 4);
    assert_eq!(mailbox.try_post(large()), Ok(()), "nothing is counted any more");
    assert_eq!(mailbox.try_post(notification()), Ok(()));
}

#[test]
fn whoever_has_waited_is_not_overtaken_before_it_runs() {
    let mailbox = full();
    let named = |name: &str| Some(Ordered::Notify { by: 0, method: name.into(), params: None });
    let (mut first, mut second) = (Ticket::default(), Ticket::default());
    let (mut a, mut b) = (named("first"), named("second"));
    assert!(mailbox.poll_post(&cx(), &mut first, &mut a, None).is_pending());
    assert!(mailbox.poll_post(&cx(), &mut second, &mut b, None).is_pending());
    let taken: Vec<_> = (0..3).map(|_| mailbox.next_ordered(true)).collect();
    assert_eq!(mailbox.try_post(notification()), Ok(()));
    assert_eq!(mailbox.poll_post(&cx(), &mut second, &mut b, None), Poll::Ready(Ok(())));
    assert_eq!(mailbox.poll_post(&cx(), &mut first, &mut a, None), Poll::Ready(Ok(())));
    let rest = std::iter::from_fn(|| mailbox.next_ordered(true)).map(|ordered| match ordered {
        Ordered::Notify { method, .. } => method,
        Ordered::Call { .. } | Ordered::Answer { .. } => "?".into(),
    });
    let named: Vec<_> = rest.filter(|name| &**name != "n").collect();
    assert_eq!((taken.len(), named), (3, vec!["first".into(), "second".into()]));
}

#[test]
fn what_was_posted_before_the_end_is_not_said_to_be_refused() {
    let mailbox = full();
    let (mut first, mut second) = (Ticket::default(), Ticket::default());
    let (mut a, mut b) = (Some(notification()), Some(notification()));
    assert!(mailbox.poll_post(&cx(), &mut first, &mut a, None).is_pending());
    assert!(mailbox.poll_post(&cx(), &mut second, &mut b, None).is_pending());
    let _ = mailbox.next_ordered(true);
    mailbox.close(CloseReason::Application);
    assert_eq!(mailbox.poll_post(&cx(), &mut first, &mut a, None), Poll::Ready(Ok(())));
    assert_eq!(mailbox.poll_post(&cx(), &mut second, &mut b, None), Poll::Ready(Err(PostError::Closed)));
}

#[test]
fn a_place_that_is_given_up_goes_to_the_next() {
    let mailbox = full();
    let (mut first, mut second) = (Ticket::default(), Ticket::default());
    let (mut a, mut b) = (Some(notification()), Some(notification()));
    assert!(mailbox.poll_post(&cx(), &mut first, &mut a, None).is_pending());
    assert!(mailbox.poll_post(&cx(), &mut second, &mut b, None).is_pending());
    mailbox.give_up(&mut first);
    let _ = mailbox.next_ordered(true);
    assert_eq!(mailbox.poll_post(&cx(), &mut second, &mut b, None), Poll::Ready(Ok(())));
}

#[test]
fn nobody_waits_beyond_a_deadline_or_the_end() {
    let mailbox = full();
    let mut ticket = Ticket::default();
    let mut post = Some(notification());
    assert!(mailbox.poll_post(&cx(), &mut ticket, &mut post, Some((at(5), at(1)))).is_pending());
    assert_eq!(mailbox.deadline(), Some(at(5)));
    mailbox.expire(at(5));
    assert_eq!(mailbox.deadline(), None);
    assert_eq!(mailbox.poll_post(&cx(), &mut ticket, &mut post, Some((at(5), at(5)))), Poll::Ready(Err(PostError::TimedOut)));
    let mut post = Some(notification());
    assert!(mailbox.poll_post(&cx(), &mut ticket, &mut post, None).is_pending());
    mailbox.close(CloseReason::Application);
    assert_eq!(mailbox.poll_post(&cx(), &mut ticket, &mut post, None), Poll::Ready(Err(PostError::Closed)));
    mailbox.give_up(&mut ticket);
    assert!(mailbox.end().is_empty());
    assert_eq!(mailbox.try_post(notification()), Err(PostError::Closed));
}

#[test]
fn a_call_that_waits_too_long_to_be_sent_times_out_and_one_that_never_is_ends_closed() {
    let mailbox = Mailbox::new();
    let call = |deadline| {
        let (tag, pending) = call_ends(&mailbox);
        assert_eq!(mailbox.try_post(Ordered::Call { by: 0, method: "m".into(), params: None, deadline, tag }), Ok(()));
        pending
    };
    let (mut early, mut late) = (pin!(call(at(1))), pin!(call(at(9))));
    mailbox.expire(at(1));
    assert_eq!(early.as_mut().poll(&mut cx()), Poll::Ready(CallOutcome::TimedOut));
    assert_eq!((late.as_mut().poll(&mut cx()), mailbox.deadline()), (Poll::Pending, Some(at(9))));
    mailbox.end();
    assert_eq!(late.as_mut().poll(&mut cx()), Poll::Ready(CallOutcome::Closed));
}

#[test]
fn an_answer_and_what_is_urgent_need_no_room() {
    let mailbox = full();
    mailbox.defer(7);
    assert!(matches!(mailbox.next_urgent(), Some(Urgent::Defer(7))));
    assert!(mailbox.sleep(&cx(), false, true, Instant::ORIGIN).is_pending());
    assert!(mailbox.sleep(&cx(), true, true, Instant::ORIGIN).is_ready());
    mailbox.wish(|wishes| wishes.disconnect = true);
    assert!(mailbox.sleep(&cx(), false, true, Instant::ORIGIN).is_ready());
}

#[test]
fn who_waits_does_not_overtake_when_a_call_is_late_and_keeps_its_deadline() {
    let mailbox = Mailbox::new();
    let (late, _late) = call_ends(&mailbox);
    assert_eq!(mailbox.try_post(Ordered::Call { by: 0, method: "late".into(), params: None, deadline: at(1), tag: late }), Ok(()));
    while mailbox.try_post(notification()).is_ok() {}
    let (tag, _pending) = call_ends(&mailbox);
    let mut post = Some(Ordered::Call { by: 0, method: "last".into(), params: None, deadline: at(9), tag });
    let mut ticket = Ticket::default();
    assert!(mailbox.poll_post(&cx(), &mut ticket, &mut post, Some((at(9), at(0)))).is_pending());
    mailbox.expire(at(1));
    assert_eq!(mailbox.deadline(), Some(at(9)));
    let order: Vec<_> = std::iter::from_fn(|| mailbox.next_ordered(true)).collect();
    assert_eq!(order.len(), POSTS);
    assert!(matches!(order.last(), Some(Ordered::Call { .. })));
}

#[test]
fn the_close_comes_behind_what_was_posted_before_it_but_does_not_wait_for_ever() {
    let posted = || {
        let mailbox = Mailbox::new();
        assert_eq!(mailbox.try_post(notification()), Ok(()));
        mailbox.close(CloseReason::Application);
        mailbox
    };
    let mailbox = posted();
    let until = mailbox.deadline().unwrap();
    assert!(mailbox.sleep(&cx(), false, true, Instant::FAR_FUTURE).is_ready(), "nobody would wake it in time");
    assert!(mailbox.sleep(&cx(), false, true, until).is_pending());
    assert_eq!(mailbox.take_closing(at(0), true), None);
    mailbox.expire(at(0));
    assert_eq!(mailbox.deadline(), Some(until));
    assert!(mailbox.next_ordered(true).is_some() && mailbox.sleep(&cx(), false, true, Instant::ORIGIN).is_ready());
    assert_eq!(mailbox.take_closing(at(0), true), Some(CLOSED));
    let mailbox = posted();
    assert!(mailbox.sleep(&cx(), false, false, Instant::ORIGIN).is_ready(), "without a transport there is nothing to wait for");
    assert_eq!(mailbox.take_closing(at(0), false), Some(CLOSED));
    let mailbox = posted();
    let until = mailbox.deadline().unwrap();
    mailbox.expire(until);
    assert_eq!((mailbox.deadline(), mailbox.take_closing(until, true)), (None, Some(CLOSED)));
}

#[test]
fn the_first_end_is_the_one_that_counts() {
    let (closed, left) = (Mailbox::new(), Mailbox::new());
    closed.close(CloseReason::Application);
    closed.leave();
    assert_eq!(closed.take_closing(at(0), true), Some(CLOSED));
    left.leave();
    left.close(CloseReason::Application);
    assert_eq!((left.take_closing(at(0), true), left.is_closed()), (Some(Ending::Left), true));
}

#[test]
fn without_room_answers_go_past_what_others_have_said_and_not_past_what_their_own_handlers_have() {
    let mut endpoint = Endpoint::<()>::server(Arc::default(), SessionId::from_random([1; 16]));
    assert_eq!(endpoint.handle_attached(at(1)), None);
    let mailbox = Mailbox::new();
    let notified = |by| mailbox.try_post(Ordered::Notify { by, method: "n".into(), params: None });
    let mut answered = |by: u64| {
        let frame = format!("{{\"jsonrpc\":\"2.0\",\"id\":{by},\"method\":\"m\"}}");
        let Received::Request(request) = endpoint.handle_text(at(1), &frame) else { panic!("it has its turn") };
        endpoint.defer(at(1), &request.responder);
        mailbox.answer(by, request.responder, Outcome::Empty);
    };
    let order = |items: Vec<Ordered>| items.iter().map(label).collect::<Vec<_>>();
    assert_eq!(notified(0), Ok(()));
    answered(1);
    assert_eq!(notified(2), Ok(()));
    answered(2);
    answered(3);
    assert!(mailbox.next_ordered(false).is_none());
    assert!(mailbox.sleep(&cx(), false, true, Instant::FAR_FUTURE).is_ready());
    assert_eq!(order(mailbox.answers_ahead()), ["answer 1", "answer 3"]);
    assert!(mailbox.sleep(&cx(), false, true, Instant::FAR_FUTURE).is_pending());
    assert_eq!(order(std::iter::from_fn(|| mailbox.next_ordered(true)).collect()), ["post of 0", "post of 2", "answer 2"]);
}

/// A caller that gives up between the task's look at its call and the call's number leaves no note to the task, which has to see it.
#[test]
fn a_call_that_is_given_up_while_it_is_sent_is_taken_back() {
    let mut endpoint = Endpoint::<crate::session::CallTag>::client(Arc::default(), 1);
    let mailbox = Mailbox::new();
    let mut send = |gives_up: bool| {
        let (tag, caller) = call_ends(&mailbox);
        assert!(tag.is_wanted());
        let watcher = tag.watcher();
        let caller = (!gives_up).then_some(caller);
        let call = bowline_core::Call { method: "m", params: None, deadline: Some(at(60)), tag };
        let id = endpoint.call(at(1), call).map_err(|(error, _)| error).unwrap();
        let waits = watcher.sent_as(id);
        drop(caller);
        waits
    };
    assert!(!send(true));
    assert!(send(false));
}
