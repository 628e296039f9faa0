//! What a client says in its handshake beside what the handshake itself has to say.

use super::handshake::is_own;
use crate::connection::ConnectError;
use crate::handler::guarded;
use http::{HeaderMap, HeaderName};
use std::error::Error;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

type Failure = Box<dyn Error + Send + Sync>;
type Asking = Pin<Box<dyn Future<Output = Result<HeaderMap, Failure>> + Send>>;

/// The headers of every attempt to connect.
#[derive(Default)]
pub(super) struct Headers {
    fixed: HeaderMap,
    /// What gives those of one attempt.
    fresh: Option<Box<dyn Fn() -> Asking + Send + Sync>>,
}

impl Headers {
    pub(super) fn add(&mut self, name: HeaderName, value: http::HeaderValue) {
        if !is_own(&name) {
            self.fixed.append(name, value);
        }
    }

    pub(super) fn ask<F, Fut, E>(&mut self, f: F)
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<HeaderMap, E>> + Send + 'static,
        E: Into<Failure>,
    {
        self.fresh = Some(Box::new(move || {
            let asking = f();
            Box::pin(async { asking.await.map_err(Into::into) })
        }));
    }

    /// Those of the attempt that begins now.
    pub(super) async fn of_attempt(&self) -> Result<HeaderMap, ConnectError> {
        let mut all = self.fixed.clone();
        if let Some(fresh) = &self.fresh {
            let given = given_by(&**fresh).await.map_err(|error| ConnectError::Headers(Arc::from(error)))?;
            // Takes the place of those of the same name.
            all.extend(given);
            // What may not be said was not among the fixed ones.
            let own: Vec<HeaderName> = all.keys().filter(|name| is_own(name)).cloned().collect();
            for name in own {
                all.remove(name);
            }
        }
        Ok(all)
    }
}

/// A panic of the application's is a failure like any other: it must not cost the session.
async fn given_by(fresh: &(dyn Fn() -> Asking + Send + Sync)) -> Result<HeaderMap, Failure> {
    let mut asking = Asked(Some(guarded(fresh)?));
    poll_fn(|cx| {
        let Some(asking) = &mut asking.0 else { return Poll::Ready(Ok(HeaderMap::new())) };
        guarded(|| asking.as_mut().poll(cx)).unwrap_or_else(|panicked| Poll::Ready(Err(panicked.into())))
    })
    .await
}

/// What the application holds there may panic when it is dropped, too, wherever the attempt ends.
struct Asked(Option<Asking>);

impl Drop for Asked {
    fn drop(&mut self) {
        let asking = self.0.take();
        let _ = guarded(|| drop(asking));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::FutureExt;
    use http::HeaderValue;

    fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(*name, HeaderValue::from_static(value));
        }
        map
    }

    fn of_attempt(headers: &Headers) -> Result<HeaderMap, ConnectError> {
        headers.of_attempt().now_or_never().unwrap()
    }

    #[test]
    fn what_is_fresh_takes_the_place_of_what_is_fixed_and_never_that_of_the_handshake() {
        let mut headers = Headers::default();
        for (name, value) in map(&[("x-a", "1"), ("x-a", "2"), ("x-b", "3"), ("upgrade", "h2c")]).iter() {
            headers.add(name.clone(), value.clone());
        }
        assert_eq!(of_attempt(&headers).unwrap(), map(&[("x-a", "1"), ("x-a", "2"), ("x-b", "3")]));
        headers.ask(|| async { Ok::<_, Failure>(map(&[("x-a", "4"), ("x-a", "5"), ("connection", "close"), ("sec-websocket-key", "k")])) });
        assert_eq!(of_attempt(&headers).unwrap(), map(&[("x-a", "4"), ("x-a", "5"), ("x-b", "3")]));
    }

    #[test]
    fn a_panic_is_a_failure() {
        let mut headers = Headers::default();
        headers.ask(|| async { if true { std::panic::panic_any("at await") } else { Ok::<_, Failure>(HeaderMap::new()) } });
        assert!(of_attempt(&headers).unwrap_err().to_string().ends_with("at await"));
        headers.ask(|| -> std::future::Ready<Result<HeaderMap, Failure>> { std::panic::panic_any("at once") });
        assert!(of_attempt(&headers).unwrap_err().to_string().ends_with("at once"));
        // So it is when the attempt is over before there is an answer.
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                std::panic::panic_any("at the end");
            }
        }
        headers.ask(|| {
            let bomb = Bomb;
            async move {
                let _bomb = bomb;
                std::future::pending::<Result<HeaderMap, Failure>>().await
            }
        });
        assert!(headers.of_attempt().now_or_never().is_none());
    }
}
