//! Requests that bring messages: `xhr_send` and `jsonp_send`.

use super::{Exchange, max_payload, pages};
use crate::limits::Permit;
use crate::runtime::Runtime;
use crate::transport::sockjs::{Key, Line};
use bowline_sockjs::{BadPayload, Sending, form_payload};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{Response, StatusCode};
use std::future::poll_fn;
use std::io;
use std::str;
use std::task::Poll;

impl<R: Runtime> Exchange<'_, R> {
    pub(super) async fn send(&mut self, key: &Key, sending: Sending, place: &mut Option<Permit>) -> io::Result<Response<String>> {
        let Some(line) = self.serving.sockjs.find(key).filter(|line| line.is_open()) else {
            let refusal = self.guessed(StatusCode::NOT_FOUND.into());
            return Ok(self.whole(Err(refusal)));
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
        let max = match sending {
            Sending::Xhr => max_payload(self.path),
            // A form writes what it has to escape as three bytes.
            Sending::Jsonp => max_payload(self.path).saturating_mul(2),
        };
        let body = match self.read_body(max).await? {
            Ok(body) => body,
            Err(refusal) => return Ok(self.refuse(refusal)),
        };
        Ok(match self.deliver(&line, sending, &body) {
            Ok(true) => self.taken(sending),
            Ok(false) => self.refuse(StatusCode::NOT_FOUND.into()),
            Err(bad) => pages::text(StatusCode::INTERNAL_SERVER_ERROR, pages::PLAIN, bad.as_str().into()),
        })
    }

    fn deliver(&self, line: &Line, sending: Sending, body: &[u8]) -> Result<bool, BadPayload> {
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
