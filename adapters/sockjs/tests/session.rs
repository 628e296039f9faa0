//! The life of a session on virtual time.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the failure")]

use bowline_core::Instant;
use bowline_sockjs::{Admission, Close, Receiving, Reception, Session, Settings, Transmit};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// A session and its time.
struct Link {
    now: Instant,
    session: Session,
}

impl Link {
    fn new() -> Self {
        Self { now: Instant::ORIGIN, session: Session::new(Instant::ORIGIN, Settings::default()) }
    }

    /// One whose client has read its first frame by a poll.
    fn opened() -> Self {
        let mut link = Self::new();
        assert_eq!(link.poll(), Some("o\n".into()));
        link
    }

    fn attach(&mut self, receiving: Receiving) -> Admission {
        self.session.handle_receiver(self.now, Reception::of(receiving, Some("c=cb")).unwrap())
    }

    /// The next thing for the response, and whether it ends with it.
    fn next(&mut self) -> Option<(String, Transmit)> {
        let mut out = b"!".to_vec();
        let transmit = self.session.poll_transmit(self.now, &mut out);
        let text = String::from_utf8(out).unwrap();
        assert!(transmit.is_some() || text == "!");
        transmit.map(|transmit| (text[1..].to_owned(), transmit))
    }

    /// What a stream has to write.
    fn stream(&mut self) -> Option<String> {
        let (text, transmit) = self.next()?;
        assert_eq!(transmit, Transmit::More);
        self.session.handle_written(self.now);
        Some(text)
    }

    /// The response to a poll, if it gets one at once.
    fn poll(&mut self) -> Option<String> {
        assert_eq!(self.attach(Receiving::Xhr), Admission::Attached);
        self.answer()
    }

    /// The response to the poll that waits.
    fn answer(&mut self) -> Option<String> {
        let (text, transmit) = self.next()?;
        assert_eq!((transmit, self.next()), (Transmit::Last, None));
        self.session.handle_written(self.now);
        Some(text)
    }

    fn close(&mut self) {
        self.session.close(self.now, Close { code: 3000, reason: "Go away!".into() });
    }

    /// Lets time pass, from one deadline to the next.
    fn advance(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(at) = self.session.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.session.handle_timeout(self.now);
            assert!(self.session.poll_timeout().is_none_or(|next| next > self.now));
        }
        self.now = end;
    }
}

#[test]
fn a_poll_brings_one_frame_and_the_first_one_opens() {
    let mut link = Link::opened();
    assert!(link.session.is_open() && !link.session.is_over());
    link.session.send("a");
    link.session.send("b\"");
    assert_eq!(link.session.waiting(), "\"a\",\"b\\\"\"".len());
    assert_eq!(link.poll(), Some("a[\"a\",\"b\\\"\"]\n".into()));
    assert_eq!(link.session.waiting(), 0);
    assert_eq!(link.poll(), None);
    assert!(link.session.has_receiver());
    link.session.send("c");
    assert_eq!(link.answer(), Some("a[\"c\"]\n".into()));
    assert!(!link.session.has_receiver());
}

#[test]
fn a_stream_has_a_prelude_and_a_frame_for_each_thing_said() {
    let mut link = Link::new();
    assert_eq!(link.attach(Receiving::XhrStreaming), Admission::Attached);
    assert_eq!(link.stream(), Some(format!("{}\no\n", "h".repeat(2048))));
    assert_eq!(link.stream(), None);
    link.session.send("a");
    assert_eq!(link.stream(), Some("a[\"a\"]\n".into()));
    link.session.send("b");
    link.close();
    assert_eq!(link.stream(), Some("a[\"b\"]\n".into()));
    assert!(!link.session.is_over());
    assert_eq!(link.answer(), Some("c[3000,\"Go away!\"]\n".into()));
    assert!(link.session.is_over());
}

#[test]
fn a_stream_that_a_browser_keeps_ends_when_it_has_brought_enough_and_the_next_one_goes_on() {
    let mut link = Link::new();
    assert_eq!(link.attach(Receiving::XhrStreaming), Admission::Attached);
    let prelude = link.stream().unwrap().len();
    let last = 128 * 1024 - prelude - "a[\"\"]\n".len();
    link.session.send(&"x".repeat(last - 10 - "a[\"\"]\n".len()));
    assert!(link.stream().is_some());
    link.session.send("123456789");
    assert!(link.stream().is_some(), "one byte less than the limit");
    link.session.send("");
    assert_eq!(link.answer(), Some("a[\"\"]\n".into()));
    assert_eq!(link.attach(Receiving::XhrStreaming), Admission::Attached);
    assert_eq!(link.stream(), Some(format!("{}\n", "h".repeat(2048))), "the prelude goes out though there is nothing to say");
}

#[test]
fn event_sources_and_pages_do_not_end_for_the_client_would_not_know_what_it_has_missed() {
    for receiving in [Receiving::EventSource, Receiving::HtmlFile] {
        let mut link = Link::new();
        assert_eq!(link.attach(receiving), Admission::Attached);
        assert!(link.stream().is_some());
        link.session.send(&"x".repeat(200_000));
        assert!(link.stream().is_some_and(|text| text.len() > 200_000));
        link.session.send("b");
        assert!(link.stream().is_some());
    }
}

#[test]
fn a_request_that_waits_is_told_every_25_seconds_that_the_server_is_alive() {
    let mut link = Link::opened();
    assert_eq!(link.poll(), None);
    link.advance(SECOND * 24);
    assert_eq!(link.next(), None);
    link.advance(SECOND);
    assert_eq!(link.answer(), Some("h\n".into()));

    assert_eq!(link.attach(Receiving::EventSource), Admission::Attached);
    assert_eq!(link.stream(), Some("\r\n".into()));
    link.advance(SECOND * 20);
    link.session.send("a");
    assert_eq!(link.stream(), Some("data: a[\"a\"]\r\n\r\n".into()));
    link.advance(SECOND * 24);
    assert_eq!(link.stream(), None, "a message is a sign of life, too");
    link.advance(SECOND);
    assert_eq!((link.stream(), link.stream()), (Some("data: h\r\n\r\n".into()), None));
    link.advance(SECOND * 25);
    assert_eq!(link.stream(), Some("data: h\r\n\r\n".into()));
    assert!(!link.session.take_answer(), "nobody has asked");
}

#[test]
fn without_a_request_that_waits_it_ends_after_five_seconds() {
    let mut link = Link::opened();
    link.advance(SECOND * 4);
    assert_eq!(link.poll(), None);
    link.advance(SECOND * 20);
    assert!(link.session.is_open());
    link.session.send("a");
    assert!(link.answer().is_some());
    link.session.send("lost with it");
    link.advance(SECOND * 4);
    assert!(link.session.is_open());
    link.advance(SECOND);
    assert!(link.session.is_over() && link.session.is_gone() && !link.session.is_open());
    assert_eq!((link.session.waiting(), link.session.poll_timeout()), (0, None));
    assert_eq!(link.attach(Receiving::Xhr), Admission::Gone);

    let mut never = Link::new();
    never.advance(SECOND * 5);
    assert!(never.session.is_gone());
}

#[test]
fn only_one_request_may_wait() {
    let mut link = Link::opened();
    assert_eq!(link.poll(), None);
    let close = Close { code: 2010, reason: "Another connection still open".into() };
    assert_eq!(link.attach(Receiving::Xhr), Admission::Refused(close.clone()));
    let mut out = Vec::new();
    Session::refusal(&Reception::XhrStreaming, &close, &mut out);
    assert_eq!(out, format!("{}\nc[2010,\"Another connection still open\"]\n", "h".repeat(2048)).into_bytes());
    link.session.send("a");
    assert_eq!(link.answer(), Some("a[\"a\"]\n".into()), "the first one goes on");
}

#[test]
fn a_request_that_comes_before_the_last_response_is_known_to_be_written_waits_for_that() {
    let mut link = Link::new();
    assert_eq!(link.attach(Receiving::Xhr), Admission::Attached);
    assert!(link.next().is_some());
    assert_eq!(link.attach(Receiving::Xhr), Admission::Later);
    link.session.handle_written(link.now);
    assert_eq!(link.attach(Receiving::Xhr), Admission::Attached);
}

#[test]
fn who_is_closed_says_so_to_everybody_for_five_seconds_behind_what_waited() {
    let mut link = Link::opened();
    link.session.send("a");
    link.close();
    link.session.send("too late");
    link.session.close(link.now, Close { code: 1, reason: "too late".into() });
    assert!(!link.session.is_open() && !link.session.is_over());
    assert_eq!(link.poll(), Some("a[\"a\"]\n".into()));
    assert!(!link.session.is_over(), "the client has not been told");
    for _ in 0..2 {
        assert_eq!(link.poll(), Some("c[3000,\"Go away!\"]\n".into()));
        assert!(link.session.is_over() && !link.session.is_gone());
    }
    link.advance(SECOND * 4);
    assert_eq!(link.poll(), Some("c[3000,\"Go away!\"]\n".into()));
    link.advance(SECOND);
    assert!(link.session.is_gone());
}

#[test]
fn who_waits_is_told_of_the_end_and_so_is_who_comes_meanwhile() {
    let mut link = Link::opened();
    assert_eq!(link.poll(), None);
    link.close();
    assert_eq!(link.attach(Receiving::Xhr), Admission::Refused(Close { code: 3000, reason: "Go away!".into() }));
    assert_eq!(link.answer(), Some("c[3000,\"Go away!\"]\n".into()));
}

#[test]
fn what_breaks_off_interrupts_the_session() {
    let broken: [fn(&mut Link); 3] = [
        |link| assert_eq!(link.poll(), None),
        |link| {
            link.session.send("a");
            assert_eq!(link.attach(Receiving::Xhr), Admission::Attached);
            assert!(link.next().is_some());
        },
        |link| {
            assert_eq!(link.attach(Receiving::XhrStreaming), Admission::Attached);
            assert!(link.next().is_some());
        },
    ];
    for begin in broken {
        let mut link = Link::opened();
        begin(&mut link);
        link.session.send("b");
        link.session.handle_receiver_gone(link.now);
        assert!(link.session.is_over() && !link.session.is_gone());
        assert_eq!(link.session.waiting(), 0);
        assert_eq!(link.poll(), Some("c[1002,\"Connection interrupted\"]\n".into()));
        link.advance(SECOND * 5);
        assert!(link.session.is_gone());
    }
    let mut link = Link::opened();
    link.session.handle_receiver_gone(link.now);
    assert!(link.session.is_open(), "nobody waited");
}

#[test]
fn what_breaks_off_in_front_of_the_end_leaves_nothing_of_what_would_have_followed() {
    for receiving in [Receiving::Xhr, Receiving::XhrStreaming] {
        let mut link = Link::opened();
        link.session.send("a");
        assert_eq!(link.attach(receiving), Admission::Attached);
        assert!(link.next().is_some());
        link.session.send("b");
        link.close();
        link.session.handle_receiver_gone(link.now);
        assert!(link.session.is_over());
        assert_eq!(link.poll(), Some("c[1002,\"Connection interrupted\"]\n".into()), "the client may not have the first");
    }
    // The end itself may be said again.
    let mut link = Link::opened();
    link.close();
    assert_eq!(link.attach(Receiving::Xhr), Admission::Attached);
    assert!(link.next().is_some());
    link.session.handle_receiver_gone(link.now);
    assert!(!link.session.is_over());
    assert_eq!(link.poll(), Some("c[3000,\"Go away!\"]\n".into()));
}

#[test]
fn a_response_whose_end_is_not_taken_interrupts_it_unless_the_link_is_only_slow() {
    let mut link = Link::new();
    assert_eq!(link.attach(Receiving::Xhr), Admission::Attached);
    assert!(link.next().is_some());
    for _ in 0..3 {
        link.advance(SECOND * 4);
        link.session.handle_progress(link.now);
    }
    assert!(link.session.is_open());
    link.advance(SECOND * 4);
    assert!(link.session.is_open());
    link.advance(SECOND);
    assert!(link.session.is_over() && !link.session.has_receiver());
}

#[test]
fn who_is_closed_and_takes_it_slowly_gets_it_all() {
    for receiving in [Receiving::Xhr, Receiving::EventSource] {
        let mut link = Link::opened();
        link.session.send("a");
        assert_eq!(link.attach(receiving), Admission::Attached);
        assert!(link.next().is_some());
        link.close();
        for _ in 0..3 {
            link.advance(SECOND * 4);
            link.session.handle_progress(link.now);
            assert!(!link.session.is_gone() && link.session.has_receiver());
        }
        link.advance(SECOND * 5);
        assert!(link.session.is_gone());
    }
}

#[test]
fn who_is_closed_and_does_not_take_it_is_forgotten_all_the_same() {
    let mut link = Link::opened();
    assert_eq!(link.poll(), None);
    link.close();
    assert!(link.next().is_some());
    link.advance(SECOND * 5);
    assert!(link.session.is_gone() && !link.session.has_receiver());

    let mut link = Link::opened();
    assert_eq!(link.poll(), None);
    link.close();
    link.session.handle_receiver_gone(link.now);
    assert_eq!(link.poll(), Some("c[3000,\"Go away!\"]\n".into()), "what is said stays as it was");
}

#[test]
fn a_client_that_polls_answers_a_probe_by_its_next_poll() {
    let mut link = Link::opened();
    assert_eq!(link.poll(), None);
    assert!(!link.session.take_answer());
    link.session.probe();
    assert_eq!(link.answer(), Some("h\n".into()));
    assert!(!link.session.take_answer(), "that it was written says nothing");
    assert_eq!(link.poll(), None);
    assert!(link.session.take_answer() && !link.session.take_answer());

    let mut link = Link::opened();
    link.session.probe();
    assert_eq!(link.poll(), None, "its poll has answered already");
    assert!(link.session.take_answer());
}

#[test]
fn a_stream_answers_a_probe_by_taking_a_heartbeat() {
    let mut link = Link::new();
    assert_eq!(link.attach(Receiving::EventSource), Admission::Attached);
    assert!(link.stream().is_some());
    link.session.probe();
    link.session.handle_written(link.now);
    assert!(!link.session.take_answer(), "that was something else");
    assert_eq!(link.next(), Some(("data: h\r\n\r\n".into(), Transmit::More)));
    assert!(!link.session.take_answer());
    link.session.handle_written(link.now);
    assert!(link.session.take_answer());
}

#[test]
fn who_is_aborted_says_nothing_more() {
    let mut link = Link::opened();
    assert_eq!(link.poll(), None);
    link.session.abort();
    assert!(link.session.is_gone() && link.session.is_over());
    link.session.send("a");
    link.close();
    link.session.probe();
    assert_eq!((link.next(), link.session.poll_timeout()), (None, None));
}
