//! Requests that bring messages: `xhr_send` and `jsonp_send`.

use super::{Exchange, max_payload, pages};
use crate::clock;
use crate::limits::Permit;
use crate::runtime::Runtime;
use crate::server::head::Refusal;
use crate::transport::sockjs::{Key, Line};
use bowline_sockjs::{BadPayload, Sending, form_payload};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{Response, StatusCode};
use std::future::poll_fn;
use std::io;
use std::str;
use std::sync::Arc;
use std::task::Poll;

impl<R: Runtime> Exchange<'_, R> {
    pub(super) async fn send(&mut self, key: &Key, sending: Sending, place: &mut Option<Permit>) -> io::Result<Response<String>> {
        let line = match self.find(key) {
            Ok(line) => line,
            Err(refusal) => return Ok(self.whole(Err(refusal))),
        };
        let Some(_sending) = line.begin_sending() else {
            // A client sends one list after the other; what it has sent twice at once has no order.
            return Ok(self.whole(Err(StatusCode::CONFLICT.into())));
        };
        let has_room = poll_fn(|cx| Poll::Ready(line.poll_room(cx).is_ready())).await;
        if !has_room {
            // A session that does not read may take its time for it: that is no reason to keep others from being heard.
            drop(place.take());
            poll_fn(|cx| line.poll_room(cx)).await;
            let Some(back) = self.serving.handshakes.enter() else {
                return Ok(self.whole(Err(StatusCode::SERVICE_UNAVAILABLE.into())));
            };
            *place = Some(back);
        }
        let body = match self.read_body(max_payload(self.path)).await? {
            Ok(body) => body,
            Err(refusal) => return Ok(self.refuse(refusal)),
        };
        Ok(match self.deliver(&line, sending, &body) {
            Ok(()) if line.is_open() => self.taken(sending),
            Ok(()) => self.refuse(StatusCode::NOT_FOUND.into()),
            Err(bad) => pages::text(StatusCode::INTERNAL_SERVER_ERROR, pages::PLAIN, bad.as_str().into()),
        })
    }

    /// The session for which messages come. Who names others than there are guesses.
    fn find(&self, key: &Key) -> Result<Arc<Line>, Refusal> {
        if let Some(line) = self.serving.sockjs.find(key).filter(|line| line.is_open()) {
            return Ok(line);
        }
        let guesses = &self.path.home.guesses;
        let is_one_too_many = self.head.peer().is_some_and(|peer| guesses.is_one_too_many(clock::now(), peer));
        Err(if is_one_too_many { StatusCode::TOO_MANY_REQUESTS } else { StatusCode::NOT_FOUND }.into())
    }

    fn deliver(&self, line: &Line, sending: Sending, body: &[u8]) -> Result<(), BadPayload> {
        let is_form = match sending {
            Sending::Xhr => false,
            Sending::Jsonp => {
                let content_type = self.head.headers().get(CONTENT_TYPE).map_or(&[][..], |value| value.as_bytes());
                content_type.to_ascii_lowercase().starts_with(b"application/x-www-form-urlencoded")
            }
        };
        if is_form { line.deliver(&form_payload(body)?) } else { line.deliver(str::from_utf8(body).map_err(|_| BadPayload::Broken)?) }
    }

    fn taken(&self, sending: Sending) -> Response<String> {
        let mut response = match sending {
            Sending::Xhr => pages::text(StatusCode::NO_CONTENT, pages::PLAIN, String::new()),
            // Some browsers wait for a page for ever that has no content.
            Sending::Jsonp => pages::text(StatusCode::OK, pages::PLAIN, "ok".into()),
        };
        response.headers_mut().insert(CACHE_CONTROL, pages::NOT_CACHED);
        response
    }
}
